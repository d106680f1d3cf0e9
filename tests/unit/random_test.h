/* Random numbers that are the same in every run. */
#ifndef QN_TEST_RANDOM_TEST_H
#define QN_TEST_RANDOM_TEST_H
#include <stdint.h>

static uint64_t seed = 1;

static inline uint32_t random_below(uint32_t n) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(seed >> 33) % n;
}
#endif
