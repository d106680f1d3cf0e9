/* Parsing the columns of ops.def. They are our own text, so there are no errors to report. */
#include "spec.h"
#include "arena.h"
#include "ir_state.h"
#include <stdlib.h>
#include <string.h>

static bool is_space(char c) {
  return c == ' ';
}

static qn_str trim(qn_str s) {
  while (s.size && is_space(s.data[0])) s.data++, s.size--;
  while (s.size && is_space(s.data[s.size - 1])) s.size--;
  return s;
}

/* The text up to the first of `stop`, or all of it; moves *rest behind the stop character. */
static qn_str take(qn_str *rest, char stop) {
  const char *end = rest->size ? memchr(rest->data, stop, rest->size) : NULL;
  size_t n = end ? (size_t)(end - rest->data) : rest->size;
  qn_str head = {rest->data, n};
  size_t skip = end ? n + 1 : n;
  rest->data += skip;
  rest->size -= skip;
  return trim(head);
}

static bool take_mark(qn_str *s, char mark) {
  if (!s->size || s->data[s->size - 1] != mark) return false;
  s->size--;
  return true;
}

qn_count_spec qn__count_spec(const char *names) {
  qn_count_spec count = {0, 0};
  for (qn_str rest = qn_str_of(names); rest.size;) {
    qn_str name = take(&rest, ',');
    if (take_mark(&name, '*'))
      count.max = UINT32_MAX;
    else if (take_mark(&name, '?'))
      count.max++;
    else
      count.min++, count.max++;
  }
  return count;
}

qn_str qn__spec_name(const char *names, uint32_t i) {
  qn_str rest = qn_str_of(names);
  for (uint32_t k = 0; rest.size; k++) {
    qn_str name = take(&rest, ',');
    bool many = take_mark(&name, '*');
    take_mark(&name, '?');
    if (k == i || many) return name;
  }
  return (qn_str){"", 0};
}

/* ---- attributes ---- */

static const char *const kind_names[] = {"bool", "int",   "float",  "string", "type", "array",
                                         "ints", "dense", "symbol", "dict",   "any"};

static qn_attr_spec_kind kind_of(qn_str text) {
  for (size_t i = 0; i < sizeof kind_names / sizeof *kind_names; i++)
    if (qn_str_eq(text, qn_str_of(kind_names[i]))) return (qn_attr_spec_kind)i;
  return QN__SPEC_CHOICE;
}

static void parse_default(qn_attr_spec *spec) {
  char text[32] = {0};
  if (spec->default_text.size < sizeof text) memcpy(text, spec->default_text.data, spec->default_text.size);
  spec->default_bool = strcmp(text, "true") == 0;
  spec->default_int = strtoll(text, NULL, 10);
  /* Defaults are short decimals; the locale's decimal point must not matter, so only the integer part is read here
   * and the fraction by hand. */
  char *end = text;
  double value = (double)strtoll(text, &end, 10);
  if (*end == '.') {
    double unit = 0.1;
    bool negative = text[0] == '-';
    for (char *c = end + 1; *c >= '0' && *c <= '9'; c++, unit /= 10)
      value += (negative ? -1 : 1) * unit * (double)(*c - '0');
  }
  spec->default_float = value;
}

bool qn__attr_spec_next(const char **cursor, qn_attr_spec *out) {
  qn_str rest = qn_str_of(*cursor);
  qn_str item = take(&rest, ';');
  *cursor = rest.data;
  if (!item.size) return false;
  *out = (qn_attr_spec){.name = take(&item, ':')};
  qn_str kind = take(&item, '=');
  out->default_text = trim(item);
  out->has_default = out->default_text.size != 0;
  out->optional = take_mark(&kind, '?') || out->has_default;
  out->kind = kind_of(kind);
  out->kind_text = kind;
  if (out->has_default) parse_default(out);
  return true;
}

bool qn__attr_spec_has_choice(const qn_attr_spec *spec, qn_str text) {
  for (qn_str rest = spec->kind_text; rest.size;)
    if (qn_str_eq(take(&rest, '|'), text)) return true;
  return false;
}

/* ---- the table, once per context ---- */

typedef struct op_specs {
  qn_arena arena;
  qn_op_spec rows[QN_OP_KIND_COUNT];
} op_specs;

static void destroy_specs(qn_context *ctx, void *state) {
  op_specs *specs = state;
  qn__arena_free(&specs->arena);
  qn__free(&ctx->allocator, specs, sizeof *specs);
}

static bool parse_row(qn_context *ctx, op_specs *specs, qn_op_kind kind) {
  const qn_op_info *info = qn_op_info_get(kind);
  qn_op_spec *row = &specs->rows[kind];
  row->operands = qn__count_spec(info->operands);
  row->results = qn__count_spec(info->results);
  row->regions = qn__count_spec(info->regions);
  qn_attr_spec spec;
  for (const char *c = info->attrs; qn__attr_spec_next(&c, &spec);) row->num_attrs++;
  qn_attr_spec *attrs = qn__arena_array(&specs->arena, row->num_attrs, sizeof *attrs);
  if (!attrs) return false;
  uint32_t n = 0;
  for (const char *c = info->attrs; qn__attr_spec_next(&c, &spec);) {
    spec.id = qn_name_of(ctx, spec.name);
    if (!spec.id.id) return false;
    attrs[n++] = spec;
  }
  row->attrs = attrs;
  return true;
}

static op_specs *make_specs(qn_context *ctx) {
  op_specs *specs = qn__alloc_zero(&ctx->allocator, sizeof *specs);
  if (!specs) return NULL;
  qn__arena_init(&specs->arena, &ctx->allocator);
  for (int kind = 0; kind < QN_OP_KIND_COUNT; kind++) {
    if (parse_row(ctx, specs, (qn_op_kind)kind)) continue;
    destroy_specs(ctx, specs);
    return NULL;
  }
  return specs;
}

const qn_op_spec *qn__op_spec(qn_context *ctx, qn_op_kind kind) {
  qn__ir_state *state = qn__ir(ctx);
  if (!state) return NULL;
  if (!state->op_specs) {
    state->op_specs = make_specs(ctx);
    state->destroy_op_specs = destroy_specs;
    if (!state->op_specs) {
      qn_error_no_memory(ctx);
      return NULL;
    }
  }
  const op_specs *specs = state->op_specs;
  return &specs->rows[(unsigned)kind < QN_OP_KIND_COUNT ? kind : QN_OP_UNREGISTERED];
}

const qn_attr_spec *qn__op_spec_attr(const qn_op_spec *spec, qn_name name) {
  for (uint32_t i = 0; i < spec->num_attrs; i++)
    if (spec->attrs[i].id.id == name.id) return &spec->attrs[i];
  return NULL;
}

bool qn__attr_is_default(const qn_module *m, const qn_attr_spec *spec, qn_attr attr) {
  if (!spec->has_default) return false;
  switch (qn_attr_kind_of(m, attr)) {
  case QN_ATTR_BOOL: return spec->kind == QN__SPEC_BOOL && qn_attr_as_bool(m, attr) == spec->default_bool;
  case QN_ATTR_INT: { /* only the default's own type, i64, may be left out: another would not be read back */
    qn_type type = qn_attr_type_of(m, attr);
    return spec->kind == QN__SPEC_INT && qn_attr_as_int(m, attr) == spec->default_int &&
           qn_type_as_scalar(qn_module_context(m), type) == QN_I64;
  }
  case QN_ATTR_FLOAT: {
    double v = qn_attr_as_float(m, attr);
    uint64_t bits, wanted; /* -0 is not the default 0 */
    memcpy(&bits, &v, sizeof bits);
    memcpy(&wanted, &spec->default_float, sizeof wanted);
    return spec->kind == QN__SPEC_FLOAT && bits == wanted &&
           qn_type_as_scalar(qn_module_context(m), qn_attr_type_of(m, attr)) == QN_F32;
  }
  case QN_ATTR_STRING:
    return (spec->kind == QN__SPEC_CHOICE || spec->kind == QN__SPEC_STRING) &&
           qn_str_eq(qn_attr_as_string(m, attr), spec->default_text);
  default: return false;
  }
}
