/* What must hold of a JSON header before cJSON sees it: it recurses per level, takes \u0000 for the end of a string,
 * and lets bytes through that are not UTF-8. Syntax proper is left to cJSON. */
#include "store_impl.h"

/* Length of the UTF-8 sequence at `p`, 0 when it is not one: overlong forms, surrogates and values past U+10FFFF
 * included. */
static size_t utf8_length(const unsigned char *p, size_t left) {
  static const struct {
    unsigned char mask, lead;
    size_t size;
    uint32_t least;
  } forms[] = {{0x80, 0x00, 1, 0}, {0xE0, 0xC0, 2, 0x80}, {0xF0, 0xE0, 3, 0x800}, {0xF8, 0xF0, 4, 0x10000}};
  for (size_t f = 0; f < sizeof forms / sizeof forms[0]; f++) {
    if ((*p & forms[f].mask) != forms[f].lead) continue;
    if (left < forms[f].size) return 0;
    uint32_t v = *p & (unsigned char)~forms[f].mask;
    for (size_t i = 1; i < forms[f].size; i++) {
      if ((p[i] & 0xC0) != 0x80) return 0;
      v = v << 6 | (p[i] & 0x3Fu);
    }
    bool sound = v >= forms[f].least && v <= 0x10FFFF && (v < 0xD800 || v > 0xDFFF);
    return sound ? forms[f].size : 0;
  }
  return 0;
}

bool qn__utf8_valid(qn_str s) {
  for (size_t i = 0; i < s.size;) {
    size_t n = utf8_length((const unsigned char *)s.data + i, s.size - i);
    if (n == 0) return false;
    i += n;
  }
  return true;
}

/* *at stands on the opening quote and is moved behind the closing one. */
static const char *scan_string(qn_str text, size_t *at) {
  for (size_t i = *at + 1; i < text.size;) {
    unsigned char c = (unsigned char)text.data[i];
    *at = i;
    if (c == '"') {
      *at = i + 1;
      return NULL;
    }
    if (c < 0x20) return "a control character in a string";
    if (c == '\\') {
      if (text.size - i >= 6 && text.data[i + 1] == 'u' && text.data[i + 2] == '0' && text.data[i + 3] == '0' &&
          text.data[i + 4] == '0' && text.data[i + 5] == '0')
        return "a NUL character in a string";
      i += 2;
      continue;
    }
    size_t n = utf8_length((const unsigned char *)text.data + i, text.size - i);
    if (n == 0) return "a byte that is not UTF-8";
    i += n;
  }
  return "a string that does not end";
}

const char *qn__json_scan(qn_str text, uint32_t max_depth, size_t *at) {
  uint32_t depth = 0;
  for (*at = 0; *at < text.size;) {
    unsigned char c = (unsigned char)text.data[*at];
    if (c == '"') {
      const char *wrong = scan_string(text, at);
      if (wrong) return wrong;
      continue;
    }
    if ((c == '{' || c == '[') && ++depth > max_depth) return "deeper nesting than the format has";
    if ((c == '}' || c == ']') && depth-- == 0) return "a closing bracket without an opening one";
    if (c >= 0x7F || (c < 0x20 && c != '\n' && c != '\t' && c != '\r')) return "a character that JSON does not have";
    ++*at;
  }
  return NULL;
}
