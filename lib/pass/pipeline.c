/* Pipeline strings:  pipeline = pass {"," pass}    pass = name ["{" [option {("," | " ") option}] "}"]
 *                    option = name ["=" value]     value = '"' any '"' | characters but space , { } " */
#include "pass_impl.h"
#include <stdio.h>
#include <string.h>

typedef struct parser {
  qn_pass_manager *pm;
  const char *at, *end;
} parser;

/* ---- messages ---- */

static qn_place place_at(const parser *p, const char *at) {
  qn_place place = {.file = qn_str_of("pipeline"), .line = 1, .source = p->pm->pipeline};
  const char *line = p->pm->pipeline.data;
  for (const char *c = line; c < at; c++)
    if (*c == '\n') place.line++, line = c + 1;
  place.col = (uint32_t)(at - line) + 1;
  return place;
}

/* What stands at the cursor, for messages. */
typedef struct found {
  char text[24];
} found;

static found found_here(const parser *p) {
  found f = {"the end of the text"};
  unsigned char c = p->at < p->end ? (unsigned char)*p->at : 0;
  if (c > ' ' && c < 127)
    snprintf(f.text, sizeof f.text, "'%c'", c);
  else if (p->at < p->end)
    snprintf(f.text, sizeof f.text, "byte 0x%02X", c);
  return f;
}

static qn_status expected(const parser *p, const char *what) {
  return qn_error(p->pm->ctx, QN_DIAG_SYNTAX, place_at(p, p->at), "expected %s, found %s", what, found_here(p).text);
}

/* ---- characters ---- */

static bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

static bool is_value(char c) {
  return !is_space(c) && c != ',' && c != '{' && c != '}' && c != '"';
}

static void skip_space(parser *p) {
  while (p->at < p->end && is_space(*p->at)) p->at++;
}

static bool at_char(const parser *p, char c) {
  return p->at < p->end && *p->at == c;
}

static bool take_char(parser *p, char c) {
  if (!at_char(p, c)) return false;
  p->at++;
  return true;
}

static qn_str take_while(parser *p, bool (*belongs)(char c)) {
  const char *first = p->at;
  while (p->at < p->end && belongs(*p->at)) p->at++;
  return (qn_str){first, (size_t)(p->at - first)};
}

/* ---- options ---- */

static bool option_named(const qn__option *o, qn_str name) {
  if (o->spec.name.size != name.size) return false;
  for (size_t i = 0; i < name.size; i++)
    if ((name.data[i] == '-' ? '_' : name.data[i]) != o->spec.name.data[i]) return false;
  return true;
}

static qn__option *find_option(const qn__step *step, qn_str name) {
  for (uint32_t i = 0; i < step->num_options; i++)
    if (option_named(&step->options[i], name)) return &step->options[i];
  return NULL;
}

static qn_status unknown_option(parser *p, const qn__step *step, qn_str name) {
  qn_context *ctx = p->pm->ctx;
  qn_buf list;
  qn__buf_init(&list, qn_context_allocator(ctx));
  for (uint32_t i = 0; i < step->num_options; i++) {
    if (i) qn__buf_c(&list, ", ");
    qn__buf_str(&list, step->options[i].spec.name);
  }
  qn_status status =
      step->num_options && list.data
          ? qn_error(ctx, QN_DIAG_UNKNOWN_NAME, place_at(p, name.data), "pass '%s' has no option '%.*s', but: %s",
                     step->info->name, (int)name.size, name.data, list.data)
          : qn_error(ctx, QN_DIAG_UNKNOWN_NAME, place_at(p, name.data), "pass '%s' has no option '%.*s': it has none",
                     step->info->name, (int)name.size, name.data);
  qn__buf_free(&list);
  return status;
}

static qn_status take_value(parser *p, qn_str *out) {
  if (!take_char(p, '"')) {
    *out = take_while(p, is_value);
    return out->size ? QN_OK : expected(p, "a value after '='");
  }
  const char *open = p->at, *close = memchr(open, '"', (size_t)(p->end - open));
  if (!close)
    return qn_error(p->pm->ctx, QN_DIAG_SYNTAX, place_at(p, open - 1),
                    "expected a '\"' that ends the value begun here");
  *out = (qn_str){open, (size_t)(close - open)};
  p->at = close + 1;
  return QN_OK;
}

static qn_status parse_option(parser *p, qn__step *step) {
  qn_context *ctx = p->pm->ctx;
  qn_str name = take_while(p, is_name), value = qn_str_of("true");
  if (!name.size) return expected(p, "the name of an option, or '}'");
  qn__option *o = find_option(step, name);
  if (!o) return unknown_option(p, step, name);
  if (o->given)
    return qn_error(ctx, QN_DIAG_REDEFINED, place_at(p, name.data), "option '%.*s' is given twice", (int)name.size,
                    name.data);
  const char *at = name.data, *name_end = p->at;
  skip_space(p);
  qn_str expects = qn__option_expects(o);
  if (take_char(p, '=')) {
    skip_space(p);
    at = p->at;
    qn_status status = take_value(p, &value);
    if (status != QN_OK) return status;
  } else if (o->spec.kind == QN__SPEC_BOOL) {
    p->at = name_end; /* what follows is the separator */
  } else {
    return qn_error(ctx, QN_DIAG_ATTRIBUTE, place_at(p, at),
                    "option '%.*s' needs a value: write %.*s=.., where .. is %.*s", (int)name.size, name.data,
                    (int)name.size, name.data, (int)expects.size, expects.data);
  }
  value = qn__arena_str(&p->pm->arena, value);
  if (!value.data) return qn_error_no_memory(ctx);
  if (qn__option_set(o, value)) return QN_OK;
  return qn_error(ctx, QN_DIAG_ATTRIBUTE, place_at(p, at), "option '%.*s' is '%.*s', expected %.*s", (int)name.size,
                  name.data, (int)value.size, value.data, (int)expects.size, expects.data);
}

static qn_status parse_options(parser *p, qn__step *step) {
  const char *open = p->at - 1;
  for (;;) {
    while (p->at < p->end && (is_space(*p->at) || *p->at == ',')) p->at++;
    if (take_char(p, '}')) return QN_OK;
    if (p->at == p->end)
      return qn_error(p->pm->ctx, QN_DIAG_SYNTAX, place_at(p, open), "expected a '}' that ends the options begun here");
    qn_status status = parse_option(p, step);
    if (status != QN_OK) return status;
    if (p->at < p->end && !is_space(*p->at) && *p->at != ',' && *p->at != '}')
      return expected(p, "',', a space or '}' after the option");
  }
}

/* ---- passes ---- */

static qn_status unknown_pass(parser *p, qn_str name) {
  const char *close = qn__pass_suggest(p->pm->ctx, name);
  return qn_error(p->pm->ctx, QN_DIAG_UNKNOWN_NAME, place_at(p, name.data),
                  "no pass is named '%.*s'%s%s%s; 'quern passes' lists them", (int)name.size, name.data,
                  close ? ", did you mean '" : "", close ? close : "", close ? "'" : "");
}

static qn_status parse_pass(parser *p) {
  qn_pass_manager *pm = p->pm;
  skip_space(p);
  qn_str name = take_while(p, is_name);
  if (!name.size) return expected(p, "the name of a pass");
  qn__step step = {.info = qn_pass_find(pm->ctx, name)};
  if (!step.info) return unknown_pass(p, name);
  step.num_options = qn__options_declare(step.info->options, NULL);
  step.options = qn__arena_array(&pm->arena, step.num_options, sizeof *step.options);
  if (step.num_options && !step.options) return qn_error_no_memory(pm->ctx);
  qn__options_declare(step.info->options, step.options);
  const char *name_end = p->at;
  skip_space(p);
  if (take_char(p, '{')) {
    qn_status status = parse_options(p, &step);
    if (status != QN_OK) return status;
    name_end = p->at;
  }
  step.text = (qn_str){name.data, (size_t)(name_end - name.data)};
  return qn__push(qn_context_allocator(pm->ctx), &pm->steps, step) ? QN_OK : qn_error_no_memory(pm->ctx);
}

qn_status qn__pipeline_parse(qn_pass_manager *pm) {
  parser p = {pm, pm->pipeline.data, pm->pipeline.data + pm->pipeline.size};
  skip_space(&p);
  if (p.at == p.end) return QN_OK; /* an empty pipeline does nothing */
  for (;;) {
    qn_status status = parse_pass(&p);
    if (status != QN_OK) return status;
    skip_space(&p);
    if (p.at == p.end) return QN_OK;
    if (!take_char(&p, ',')) return expected(&p, "',' and another pass, or '{' and options");
  }
}
