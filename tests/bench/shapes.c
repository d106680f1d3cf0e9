/* Files of shapes: `M N K` a line. */
#include "bench.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SIZE = 1 << 20, MAX_SHAPES = 10000, MAX_LINES = 1000000 };

typedef struct shape_list {
  bench_shape *shapes;
  size_t n, room;
  char section[24]; /* that the next lines are in */
} shape_list;

static const char *skip_blanks(const char *s) {
  while (isspace((unsigned char)*s)) s++;
  return s;
}

/* One size of a line, or a message that says what is there instead. */
static const char *read_size(const char *s, const char *path, int line, const char *name, int64_t *out) {
  s = skip_blanks(s);
  char *end;
  errno = 0;
  long long v = strtoll(s, &end, 10);
  size_t word = strcspn(s, " \t\r\n#");
  if (end != s + word || word == 0) {
    fprintf(stderr, "%s:%d: error: %s is %s%.*s, expected a whole number; a line is 'M N K'\n", path, line, name,
            word ? "" : "missing", (int)word, s);
    return NULL;
  }
  if (errno || v < 1 || v > MAX_SIZE) {
    fprintf(stderr, "%s:%d: error: %s is %.*s, expected 1 to %d\n", path, line, name, (int)word, s, (int)MAX_SIZE);
    return NULL;
  }
  *out = v;
  return end;
}

static bool read_line(const char *row, const char *path, int line, bench_shape *out) {
  const char *s = row;
  if (!(s = read_size(s, path, line, "M", &out->m)) || !(s = read_size(s, path, line, "N", &out->n)) ||
      !(s = read_size(s, path, line, "K", &out->k)))
    return false;
  s = skip_blanks(s);
  if (*s && *s != '#') {
    fprintf(stderr, "%s:%d: error: '%.*s' follows the three sizes; a line is 'M N K'\n", path, line,
            (int)strcspn(s, "\r\n"), s);
    return false;
  }
  if ((double)out->m * (double)out->n * (double)out->k > 1e12 || (double)out->k * (double)out->n > 2e9 ||
      (double)out->m * (double)out->n > 2e9 || (double)out->m * (double)out->k > 2e9) {
    fprintf(stderr, "%s:%d: error: %lldx%lldx%lld is too large to time; M*N*K may be 10^12, a matrix 2*10^9\n", path,
            line, (long long)out->m, (long long)out->n, (long long)out->k);
    return false;
  }
  return true;
}

/* A line of text without its end. False at the end of the file, and after a message. */
static bool read_row(FILE *f, const char *path, int line, char *row, size_t room, bool *good) {
  size_t n = 0;
  int c;
  while ((c = getc(f)) != EOF && c != '\n' && c != 0 && n + 1 < room) row[n++] = (char)c;
  row[n] = 0;
  *good = c == EOF || c == '\n';
  if (c == 0) fprintf(stderr, "%s:%d: error: a byte of 0, expected text\n", path, line);
  if (c > 0 && c != '\n')
    fprintf(stderr, "%s:%d: error: the line is longer than %zu characters\n", path, line, room - 1);
  return *good && (c != EOF || n);
}

static bool add_line(shape_list *list, const char *row, const char *path, int line) {
  const char *s = skip_blanks(row);
  if (*s == '#' || !*s) {
    sscanf(s, "# section %23s", list->section);
    return true;
  }
  if (list->n == MAX_SHAPES) {
    fprintf(stderr, "%s:%d: error: more than %d shapes\n", path, line, (int)MAX_SHAPES);
    return false;
  }
  if (list->n == list->room) {
    list->room = list->room ? 2 * list->room : 64;
    bench_shape *more = realloc(list->shapes, list->room * sizeof *more);
    if (!more) fprintf(stderr, "out of memory\n"), exit(1);
    list->shapes = more;
  }
  bench_shape *to = &list->shapes[list->n];
  if (!read_line(s, path, line, to)) return false;
  memcpy(to->section, list->section, sizeof to->section);
  list->n++;
  return true;
}

bench_shape *shapes_read(const char *path, size_t *n) {
  FILE *f = strcmp(path, "-") ? fopen(path, "r") : stdin;
  if (!f) {
    fprintf(stderr, "%s: error: %s\n", path, strerror(errno));
    return NULL;
  }
  char row[512];
  shape_list list = {0};
  bool good = true;
  for (int line = 1; good && line <= MAX_LINES && read_row(f, path, line, row, sizeof row, &good); line++)
    good = add_line(&list, row, path, line);
  if (good && ferror(f)) fprintf(stderr, "%s: error: %s\n", path, strerror(errno)), good = false;
  if (good && !feof(f)) fprintf(stderr, "%s: error: more than %d lines\n", path, (int)MAX_LINES), good = false;
  if (good && list.n == 0) fprintf(stderr, "%s: error: no shapes in it; a line is 'M N K'\n", path), good = false;
  if (f != stdin) fclose(f);
  *n = list.n;
  if (good) return list.shapes;
  free(list.shapes);
  return NULL;
}
