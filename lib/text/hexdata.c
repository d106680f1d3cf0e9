#include "hexdata.h"
#include "scalar.h"

/* 16 for what is no digit. */
static unsigned digit(char c) {
  if (c >= '0' && c <= '9') return (unsigned)(c - '0');
  if (c >= 'A' && c <= 'F') return (unsigned)(c - 'A') + 10;
  if (c >= 'a' && c <= 'f') return (unsigned)(c - 'a') + 10;
  return 16;
}

static uint8_t byte_at(qn_str hex, size_t i) {
  return (uint8_t)(digit(hex.data[2 + 2 * i]) << 4 | digit(hex.data[3 + 2 * i]));
}

uint64_t qn__hex_bytes(qn_scalar s, uint64_t count) {
  if (s == QN_I1) return count / 8 + (count % 8 != 0);
  unsigned bits = qn_scalar_get(s)->storage_bits;
  return bits < 8 ? count : count * (bits / 8);
}

bool qn__hex_valid(qn_str hex) {
  if (hex.size < 2 || hex.size % 2 != 0 || hex.data[0] != '0' || hex.data[1] != 'x') return false;
  for (size_t i = 2; i < hex.size; i++)
    if (digit(hex.data[i]) > 15) return false;
  return true;
}

bool qn__hex_is_bool_splat(qn_str hex) {
  return hex.size == 4 && (byte_at(hex, 0) == 0 || byte_at(hex, 0) == 0xFF);
}

void qn__hex_bytes_of(qn_str hex, uint8_t *out) {
  for (size_t i = 0; 2 * i + 3 < hex.size; i++) out[i] = byte_at(hex, i);
}

void qn__hex_decode(qn_scalar s, uint64_t count, qn_str hex, void *data) {
  unsigned bits = qn_scalar_get(s)->storage_bits;
  if (s != QN_I1 && bits >= 8) {
    qn__hex_bytes_of(hex, data);
    return;
  }
  for (size_t i = 0; i < count; i++) {
    unsigned byte = byte_at(hex, s == QN_I1 ? i / 8 : i);
    qn__store_bits(s, data, i, s == QN_I1 ? byte >> i % 8 & 1u : byte);
  }
}

static void put_byte(qn_buf *out, uint8_t byte) {
  static const char digits[] = "0123456789ABCDEF";
  const char two[2] = {digits[byte >> 4], digits[byte & 15]};
  qn__buf_put(out, two, sizeof two);
}

void qn__hex_print(qn_buf *out, qn_scalar s, uint64_t count, const void *data) {
  unsigned bits = qn_scalar_get(s)->storage_bits;
  qn__buf_c(out, "\"0x");
  if (s == QN_I1) {
    for (uint64_t i = 0; i < count; i += 8) {
      unsigned byte = 0;
      for (uint64_t k = 0; k < 8 && i + k < count; k++)
        byte |= (unsigned)(qn__load_bits(s, data, (size_t)(i + k)) & 1) << k;
      put_byte(out, (uint8_t)byte);
    }
  } else if (bits < 8) {
    for (uint64_t i = 0; i < count; i++) put_byte(out, (uint8_t)qn__load_bits(s, data, (size_t)i));
  } else {
    const uint8_t *bytes = data;
    for (uint64_t i = 0, n = count * (bits / 8); i < n; i++) put_byte(out, bytes[i]);
  }
  qn__buf_char(out, '"');
}
