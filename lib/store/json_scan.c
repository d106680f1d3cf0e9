/* What must hold of a JSON header before cJSON sees it: it recurses per level, takes \u0000 for the end of a string,
 * and lets bytes through that are not UTF-8. Syntax proper is left to cJSON. */
#include "store_impl.h"
#include "utf8.h"

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
    size_t n = qn__utf8_length((const unsigned char *)text.data + i, text.size - i);
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
