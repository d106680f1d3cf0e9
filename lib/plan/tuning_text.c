/* Tuning files: a line each for a constant of the machine or a choice for one kernel (tuning.h has the grammar). */
#include "buf.h"
#include "choice.h"
#include "fileio.h"
#include "floattext.h"
#include <string.h>

enum { VERSION = 1, MOST_BYTES = 1 << 24 };

typedef struct reader {
  qn_context *ctx;
  qn_place place; /* line and col are those of what is looked at */
  const char *line;
  qn_tuning read;
  bool *given; /* per constant */
  bool version, cpu, foreign;
  qn_foreign policy;
} reader;

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

static qn_str trimmed(qn_str s) {
  while (s.size && is_blank(s.data[0])) s.data++, s.size--;
  while (s.size && is_blank(s.data[s.size - 1])) s.size--;
  return s;
}

/* Up to a character that is in `ends`, which stays; *rest begins there. */
static qn_str until(qn_str *rest, const char *ends) {
  qn_str word = {rest->data, 0};
  while (word.size < rest->size && !strchr(ends, rest->data[word.size])) word.size++;
  rest->data += word.size, rest->size -= word.size;
  return word;
}

static qn_place place_of(const reader *r, qn_str what) {
  qn_place p = r->place;
  p.col = (uint32_t)(what.data - r->line) + 1;
  return p;
}

#define bad(r, code, what, ...) qn_error((r)->ctx, QN_DIAG_##code, place_of((r), (what)), __VA_ARGS__)

/* What is printed of a word that may be anything. */
static int shown(qn_str s) {
  return s.size > 60 ? 60 : (int)s.size;
}

static bool read_integer(qn_str s, int64_t *out) {
  int64_t v = 0;
  if (!s.size || s.size > 18) return false;
  for (size_t i = 0; i < s.size; i++) {
    if (s.data[i] < '0' || s.data[i] > '9') return false;
    v = v * 10 + (s.data[i] - '0');
  }
  *out = v;
  return true;
}

/* ---- NAME = VALUE ---- */

static qn_status read_version(reader *r, qn_str value) {
  int64_t v;
  if (!read_integer(value, &v)) return bad(r, SYNTAX, value, "version is '%.*s', expected 1", shown(value), value.data);
  if (v != VERSION)
    return bad(r, VERSION, value, "the file is of version %lld; this library reads %d", (long long)v, VERSION);
  r->version = true;
  return QN_OK;
}

static qn_status read_cpu(reader *r, qn_str value) {
  char here[64];
  if (r->cpu) return bad(r, REDEFINED, value, "the processor is named twice");
  r->cpu = true;
  qn_cpu_name(here, sizeof here);
  if (r->policy == QN_FOREIGN_USE || qn_str_eq(value, qn_str_of(here))) return QN_OK;
  if (r->policy == QN_FOREIGN_REFUSE)
    return bad(r, DATA, value, "measured on '%.*s', but this is '%s': what is measured here goes into another file",
               shown(value), value.data, here);
  r->foreign = true;
  qn_warning(r->ctx, QN_DIAG_DATA, place_of(r, value),
             "measured on '%.*s', but this is '%s': the defaults are used, and nothing of this file", shown(value),
             value.data, here);
  return QN_OK;
}

static qn_status read_constant(reader *r, qn_str name, qn_str value) {
  const qn_machine_constant *c;
  size_t i = 0;
  double v;
  while ((c = qn_machine_constant_get(i)) && !qn_str_eq(name, qn_str_of(c->name))) i++;
  if (!c) return bad(r, UNKNOWN_NAME, name, "no constant is named '%.*s'", shown(name), name.data);
  if (r->given[i]) return bad(r, REDEFINED, name, "%s is given twice", c->name);
  if (!qn__f64_read(value, &v))
    return bad(r, SYNTAX, value, "%s is '%.*s', expected a number", c->name, shown(value), value.data);
  if (!qn__machine_fits(i, v))
    return bad(r, DATA, value, "%s is %g, expected %g to %g %s", c->name, v, c->least, c->most, c->unit);
  r->given[i] = true;
  *qn_machine_at(&r->read.machine, i) = v;
  return QN_OK;
}

static qn_status read_setting(reader *r, qn_str name, qn_str value) {
  if (!value.size) return bad(r, SYNTAX, name, "no value behind '%.*s ='", shown(name), name.data);
  if (qn_str_eq(name, qn_str_of("version"))) return read_version(r, value);
  if (qn_str_eq(name, qn_str_of("cpu"))) return read_cpu(r, value);
  return read_constant(r, name, value);
}

/* ---- KIND NAME=VALUE .. : NAME=VALUE .. ---- */

static qn_status keep_text(reader *r, qn_str name, qn_str value, char *to, size_t room) {
  if (value.size >= room)
    return bad(r, LIMIT, value, "'%.*s' has more than %zu characters", shown(name), name.data, room - 1);
  memcpy(to, value.data, value.size);
  to[value.size] = 0;
  return QN_OK;
}

static qn_status read_rows(reader *r, qn_str value, qn_tuned *t) {
  qn_str rest = value, first = until(&rest, "-");
  if (qn_str_eq(value, qn_str_of("*"))) {
    t->m_least = 0, t->m_most = INT64_MAX;
    return QN_OK;
  }
  bool ok = read_integer(first, &t->m_least);
  t->m_most = t->m_least;
  if (ok && rest.size) ok = read_integer((qn_str){rest.data + 1, rest.size - 1}, &t->m_most);
  if (ok && t->m_least > 0 && t->m_least <= t->m_most) return QN_OK;
  return bad(r, SYNTAX, value, "m is '%.*s', expected a number of rows, a range such as 17-64, or *", shown(value),
             value.data);
}

enum { HAS_ISA = 1, HAS_TYPES = 2, HAS_M = 4, HAS_N = 8, HAS_K = 16, HAS_ALL = 31 };

/* What the choice is for. */
static qn_status read_about(reader *r, qn_str name, qn_str value, qn_tuned *t, uint32_t *has) {
  static const char *const names[] = {"isa", "types", "m", "n", "k"};
  size_t i = 0;
  while (i < 5 && !qn_str_eq(name, qn_str_of(names[i]))) i++;
  if (i == 5) return bad(r, UNKNOWN_NAME, name, "'%.*s' is none of isa, types, m, n and k", shown(name), name.data);
  if (*has & 1u << i) return bad(r, REDEFINED, name, "'%s' is given twice", names[i]);
  *has |= 1u << i;
  if (i == 0) return keep_text(r, name, value, t->isa, sizeof t->isa);
  if (i == 1) return keep_text(r, name, value, t->types, sizeof t->types);
  if (i == 2) return read_rows(r, value, t);
  if (read_integer(value, i == 3 ? &t->n : &t->k)) return QN_OK;
  return bad(r, SYNTAX, value, "'%s' is '%.*s', expected a number", names[i], shown(value), value.data);
}

static qn_status read_chosen(reader *r, qn_str name, qn_str value, qn_tuned *t) {
  size_t i = 0;
  int64_t v;
  if (qn_str_eq(name, qn_str_of("gain"))) {
    if (qn__f64_read(value, &t->gain) && t->gain >= 0 && t->gain < 1e9) return QN_OK;
    return bad(r, DATA, value, "gain is '%.*s', expected how many times as fast", shown(value), value.data);
  }
  while (i < QN_CHOICE_COUNT && !qn_str_eq(name, qn_str_of(qn_choice_info_get(i)->name))) i++;
  if (i == QN_CHOICE_COUNT)
    return bad(r, UNKNOWN_NAME, name, "nothing that can be chosen is named '%.*s'", shown(name), name.data);
  const qn_choice_info *c = qn_choice_info_get(i);
  if (!(c->kinds & t->kind))
    return bad(r, UNKNOWN_NAME, name, "'%s' is no choice for %s", c->name, qn__tuned_kind_name(t->kind));
  if (t->choice.value[i] >= 0) return bad(r, REDEFINED, name, "'%s' is chosen twice", c->name);
  if (!read_integer(value, &v) || !qn__choice_fits((qn_choice_key)i, v))
    return bad(r, DATA, value, "'%s' is '%.*s', expected an integer from %lld to %lld%s", c->name, shown(value),
               value.data, (long long)c->least, (long long)c->most, i == QN_CHOICE_UNROLL ? ", a power of two" : "");
  t->choice.value[i] = v;
  return QN_OK;
}

static qn_status add_row(reader *r, qn_str kind, const qn_tuned *t) {
  const char *problem = qn__tuned_problem(t);
  if (problem) return bad(r, DATA, kind, "%s", problem);
  if (qn__tuning_same(&r->read, t)) return bad(r, REDEFINED, kind, "this kernel has its choice already");
  if (r->read.rows.size >= QN_TUNED_MOST) return bad(r, LIMIT, kind, "more than %d choices", QN_TUNED_MOST);
  return qn__tuning_add(&r->ctx->allocator, &r->read, t) ? QN_OK : qn_error_no_memory(r->ctx);
}

static qn_status read_row(reader *r, qn_str kind, qn_str rest) {
  qn_tuned t = {.kind = qn__tuned_kind_find(kind), .choice = qn_choice_none()};
  uint32_t has = 0;
  bool chosen = false;
  if (!t.kind)
    return bad(r, SYNTAX, kind, "expected NAME = VALUE, or one of gemm, conv, block and attention, not '%.*s'",
               shown(kind), kind.data);
  while ((rest = trimmed(rest)).size) {
    if (rest.data[0] == ':' && !chosen) {
      chosen = true;
      rest.data++, rest.size--;
      continue;
    }
    qn_str name = until(&rest, "= \t:");
    if (!rest.size || rest.data[0] != '=')
      return bad(r, SYNTAX, name, "expected NAME=VALUE, not '%.*s'", shown(name), name.data);
    rest.data++, rest.size--;
    qn_str value = until(&rest, " \t:");
    qn_status status = chosen ? read_chosen(r, name, value, &t) : read_about(r, name, value, &t, &has);
    if (status) return status;
  }
  if (has != HAS_ALL) return bad(r, SYNTAX, kind, "isa, types, m, n and k are all needed before the ':'");
  return add_row(r, kind, &t);
}

/* ---- lines ---- */

static qn_status read_line(reader *r, qn_str line) {
  qn_str rest = line;
  line = trimmed(until(&rest, "#"));
  if (!line.size) return QN_OK;
  for (size_t i = 0; i < line.size; i++)
    if ((unsigned char)line.data[i] < ' ' && line.data[i] != '\t')
      return bad(r, FORMAT, line, "this is no text: a byte of %d", line.data[i]);
  rest = line;
  qn_str name = until(&rest, " \t="), value = trimmed(rest);
  bool setting = value.size && value.data[0] == '=';
  if (!r->version && !(setting && qn_str_eq(name, qn_str_of("version"))))
    return bad(r, FORMAT, name, "no tuning file: it begins with 'version = %d'", VERSION);
  if (setting) return read_setting(r, name, trimmed((qn_str){value.data + 1, value.size - 1}));
  return read_row(r, name, rest);
}

static qn_status read_lines(reader *r, qn_str text) {
  while (text.size) {
    qn_str line = until(&text, "\n");
    r->line = line.data;
    r->place.line++;
    qn_status status = read_line(r, line);
    if (status || r->foreign) return status;
    if (text.size) text.data++, text.size--;
  }
  return r->version ? QN_OK : qn_error(r->ctx, QN_DIAG_FORMAT, r->place, "an empty file");
}

qn_status qn_tuning_parse(qn_context *ctx, const char *name, qn_str text, qn_foreign foreign) {
  if (!ctx || !name) return qn_error_null(ctx, __func__);
  size_t constants = 0;
  reader r = {.ctx = ctx, .policy = foreign, .place = {.file = qn_str_of(name), .source = text}};
  if (text.size > MOST_BYTES || (text.size && memchr(text.data, 0, text.size)))
    return qn_error(ctx, QN_DIAG_FORMAT, qn_place_file(name), "no tuning file: %s",
                    text.size > MOST_BYTES ? "more than 16 MB" : "it holds zero bytes");
  qn_tuning *state = qn__tuning_make(ctx);
  if (!state) return QN_ERR_NO_MEMORY;
  while (qn_machine_constant_get(constants)) constants++;
  r.given = qn__alloc_zero(&ctx->allocator, constants * sizeof *r.given);
  if (!r.given) return qn_error_no_memory(ctx);
  r.read.machine = qn_machine_default();
  qn_status status = read_lines(&r, text);
  qn__free(&ctx->allocator, r.given, constants * sizeof *r.given);
  if (r.foreign) {
    qn__tuning_free(&ctx->allocator, &r.read);
    r.read = (qn_tuning){.machine = qn_machine_default()};
  }
  qn_tuning old = status ? r.read : *state;
  if (!status) *state = r.read;
  qn__tuning_free(&ctx->allocator, &old);
  return status;
}

qn_status qn_tuning_read(qn_context *ctx, const char *path, qn_foreign foreign) {
  if (!ctx) return qn_error_null(ctx, __func__);
  static const char nothing[] = "version = 1\n";
  qn_file file;
  if (!path) return qn_tuning_parse(ctx, "", qn_str_of(nothing), QN_FOREIGN_IGNORE);
  qn_status status = qn__file_open_most(ctx, path, MOST_BYTES, &file);
  if (status) return status;
  status = qn_tuning_parse(ctx, path, (qn_str){file.data, file.size}, foreign);
  qn__file_close(&file);
  return status;
}

/* ---- writing ---- */

static void put_number(qn_buf *b, double v) {
  char text[QN__FLOAT_TEXT];
  if (v >= 0 && v < 1e15 && (double)(int64_t)v >= v)
    qn__buf_i64(b, (int64_t)v);
  else
    qn__f64_print(text, v), qn__buf_c(b, text);
}

static void put_constants(qn_buf *b, qn_machine *m) {
  const qn_machine_constant *c;
  for (size_t i = 0; (c = qn_machine_constant_get(i)); i++) {
    qn__buf_fmt(b, "%s = ", c->name);
    put_number(b, *qn_machine_at(m, i));
    qn__buf_fmt(b, "  # %s: %s\n", c->unit, c->doc);
  }
}

static void put_row(qn_buf *b, const qn_tuned *t) {
  char text[256];
  qn__buf_fmt(b, "%s isa=%s types=%s m=", qn__tuned_kind_name(t->kind), t->isa, t->types);
  if (t->m_least == 0 && t->m_most == INT64_MAX)
    qn__buf_char(b, '*');
  else if (t->m_least == t->m_most)
    qn__buf_i64(b, t->m_least);
  else
    qn__buf_fmt(b, "%lld-%lld", (long long)t->m_least, (long long)t->m_most);
  qn__buf_fmt(b, " n=%lld k=%lld : %s", (long long)t->n, (long long)t->k,
              qn_choice_text(&t->choice, text, sizeof text));
  if (t->gain > 0) qn__buf_fmt(b, " gain=%.3f", t->gain);
  qn__buf_char(b, '\n');
}

qn_status qn_tuning_write(qn_context *ctx, const char *path) {
  if (!ctx || !path) return qn_error_null(ctx, __func__);
  qn_machine machine = qn_context_machine(ctx), common = qn_machine_default();
  char cpu[64];
  qn_writer w;
  qn_buf b;
  qn_status status = qn__writer_open(ctx, path, &w);
  if (status) return status;
  qn__buf_init(&b, qn_context_allocator(ctx));
  b.flush = qn__writer_put, b.user = &w;
  qn__buf_fmt(&b, "# Quern: what was measured on one machine ('quern help bench')\nversion = %d\ncpu = %s\n", VERSION,
              qn_cpu_name(cpu, sizeof cpu));
  if (memcmp(&machine, &common, sizeof machine)) put_constants(&b, &machine);
  const qn_tuned *t;
  for (size_t i = 0; (t = qn_tuning_get(ctx, i)); i++) put_row(&b, t);
  bool ok = qn__buf_finish(&b);
  qn__buf_free(&b);
  if (ok || w.error) return qn__writer_commit(&w); /* which reports what could not be written */
  qn__writer_abandon(&w);
  return qn_error_no_memory(ctx);
}
