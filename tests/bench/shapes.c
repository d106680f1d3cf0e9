/* Files of shapes: `M N K` a line. */
#include "bench.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SIZE = 1 << 20 };

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

bench_shape *shapes_read(const char *path, size_t *n) {
  FILE *f = strcmp(path, "-") ? fopen(path, "r") : stdin;
  if (!f) {
    fprintf(stderr, "%s: error: %s\n", path, strerror(errno));
    return NULL;
  }
  char row[512], section[24] = "";
  size_t room = 0;
  bench_shape *shapes = NULL;
  bool good = true;
  *n = 0;
  for (int line = 1; good && fgets(row, sizeof row, f); line++) {
    const char *s = skip_blanks(row);
    if (strlen(row) == sizeof row - 1 && row[sizeof row - 2] != '\n') {
      fprintf(stderr, "%s:%d: error: the line is longer than %zu characters\n", path, line, sizeof row - 2);
      good = false;
    } else if (*s == '#' || !*s) {
      sscanf(s, "# section %23s", section);
    } else {
      if (*n == room) {
        room = room ? 2 * room : 64;
        bench_shape *more = realloc(shapes, room * sizeof *shapes);
        if (!more) fprintf(stderr, "out of memory\n"), exit(1);
        shapes = more;
      }
      good = read_line(s, path, line, &shapes[*n]);
      if (good) memcpy(shapes[(*n)++].section, section, sizeof section);
    }
  }
  if (good && ferror(f)) fprintf(stderr, "%s: error: %s\n", path, strerror(errno)), good = false;
  if (f != stdin) fclose(f);
  if (good && *n == 0) fprintf(stderr, "%s: error: no shapes in it; a line is 'M N K'\n", path), good = false;
  if (good) return shapes;
  free(shapes);
  return NULL;
}
