#include "utf8.h"

size_t qn__utf8_length(const unsigned char *p, size_t left) {
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
    size_t n = qn__utf8_length((const unsigned char *)s.data + i, s.size - i);
    if (n == 0) return false;
    i += n;
  }
  return true;
}
