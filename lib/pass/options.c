/* Option values, typed by what the pass declares. */
#include "pass_impl.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool kind_is_plain(qn_attr_spec_kind kind) {
  return kind == QN__SPEC_BOOL || kind == QN__SPEC_INT || kind == QN__SPEC_FLOAT || kind == QN__SPEC_STRING ||
         kind == QN__SPEC_CHOICE;
}

/* A default may stand in quotes, so that the empty string can be one. */
static qn_str unquoted(qn_str s) {
  if (s.size >= 2 && s.data[0] == '"' && s.data[s.size - 1] == '"') return (qn_str){s.data + 1, s.size - 2};
  return s;
}

static qn__option declared(const qn_attr_spec *spec) {
  return (qn__option){.spec = *spec,
                      .b = spec->default_bool,
                      .i = spec->default_int,
                      .f = spec->default_float,
                      .s = unquoted(spec->default_text)};
}

uint32_t qn__options_declare(const char *spec, qn__option *out) {
  uint32_t n = 0;
  qn_attr_spec s;
  for (const char *at = spec ? spec : ""; qn__attr_spec_next(&at, &s); n++)
    if (out) out[n] = declared(&s);
  return n;
}

static bool all_letters(qn_str s) {
  for (size_t i = 0; i < s.size; i++)
    if (!(s.data[i] >= 'a' && s.data[i] <= 'z') && s.data[i] != '_' && !(i && s.data[i] >= '0' && s.data[i] <= '9'))
      return false;
  return s.size != 0;
}

bool qn__options_valid(const char *spec) {
  qn_attr_spec s;
  for (const char *at = spec ? spec : ""; qn__attr_spec_next(&at, &s);) {
    bool choices = s.kind != QN__SPEC_CHOICE || memchr(s.kind_text.data, '|', s.kind_text.size);
    if (!all_letters(s.name) || !s.has_default || !kind_is_plain(s.kind) || !choices) return false;
    if (s.kind == QN__SPEC_CHOICE && !qn__attr_spec_has_choice(&s, unquoted(s.default_text))) return false;
  }
  return true;
}

/* ---- values ---- */

static bool set_bool(qn__option *o, qn_str text) {
  bool yes = qn_str_eq(text, qn_str_of("true")) || qn_str_eq(text, qn_str_of("1"));
  bool no = qn_str_eq(text, qn_str_of("false")) || qn_str_eq(text, qn_str_of("0"));
  o->b = yes;
  return yes || no;
}

static bool set_int(qn__option *o, qn_str text) {
  char *end;
  errno = 0;
  long long v = strtoll(text.data, &end, 10);
  o->i = v;
  return text.size && errno == 0 && end == text.data + text.size && text.data[0] > ' ' && text.data[0] != '+';
}

/* Decimals without help of the C library, whose strtod follows the program's locale. */
static bool set_float(qn__option *o, qn_str text) {
  const char *at = text.data, *end = text.data + text.size;
  bool negative = at < end && *at == '-';
  if (negative) at++;
  double value = 0;
  int exponent = 0, digits = 0;
  for (; at < end && *at >= '0' && *at <= '9'; at++, digits++) value = value * 10 + (*at - '0');
  if (at < end && *at == '.')
    for (at++; at < end && *at >= '0' && *at <= '9'; at++, digits++, exponent--) value = value * 10 + (*at - '0');
  if (digits && at < end && (*at == 'e' || *at == 'E')) {
    char *stop;
    long power = strtol(at + 1, &stop, 10);
    if (stop == at + 1 || at[1] <= ' ' || power < -400 || power > 400) return false;
    exponent += (int)power;
    at = stop;
  }
  double scale = 1;
  for (int k = exponent < 0 ? -exponent : exponent; k > 0; k--) scale *= 10;
  o->f = (negative ? -1 : 1) * (exponent < 0 ? value / scale : value * scale);
  return digits && at == end && o->f - o->f == 0;
}

bool qn__option_set(qn__option *o, qn_str text) {
  o->given = true;
  o->s = text;
  switch (o->spec.kind) {
  case QN__SPEC_BOOL: return set_bool(o, text);
  case QN__SPEC_INT: return set_int(o, text);
  case QN__SPEC_FLOAT: return set_float(o, text);
  case QN__SPEC_CHOICE: return qn__attr_spec_has_choice(&o->spec, text);
  default: return true;
  }
}

qn_str qn__option_expects(const qn__option *o) {
  switch (o->spec.kind) {
  case QN__SPEC_BOOL: return qn_str_of("true or false");
  case QN__SPEC_INT: return qn_str_of("an integer of 64 bits");
  case QN__SPEC_FLOAT: return qn_str_of("a decimal number");
  case QN__SPEC_CHOICE: return o->spec.kind_text;
  default: return qn_str_of("text");
  }
}
