/* A 64-bit hash fed word by word. Stable over runs and machines: kernels are named and cached by it. */
#ifndef QN_TAPE_HASH_H
#define QN_TAPE_HASH_H
#include <stdint.h>

static inline uint64_t qn__mix(uint64_t h, uint64_t word) {
  h = (h ^ word) * 0x9E3779B97F4A7C15u;
  h = (h ^ (h >> 32)) * 0xD6E8FEB86659FD93u;
  return h ^ (h >> 29);
}
#endif
