/* Buffers of large pages and their contents. */
#include "bench.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t rounded(size_t bytes) {
  const size_t page = (size_t)2 << 20;
  return bytes < page ? (bytes + 4095) / 4096 * 4096 + 4096 : (bytes + page - 1) / page * page;
}

void *big_alloc(size_t bytes) {
  size_t size = rounded(bytes);
  void *p = aligned_alloc(size >= (size_t)2 << 20 ? (size_t)2 << 20 : 4096, size);
  if (!p) {
    fprintf(stderr, "quern-bench-peers: no memory for %zu bytes\n", bytes);
    exit(1);
  }
  if (size >= (size_t)2 << 20) madvise(p, size, MADV_HUGEPAGE);
  return p;
}

void big_free(void *p, size_t bytes) {
  (void)bytes;
  free(p);
}

size_t llc_bytes(void) {
  long size = sysconf(_SC_LEVEL4_CACHE_SIZE);
  if (size <= 0) size = sysconf(_SC_LEVEL3_CACHE_SIZE);
  return size > 0 ? (size_t)size : (size_t)32 << 20;
}

static uint32_t next(uint32_t *s) {
  *s ^= *s << 13, *s ^= *s >> 17, *s ^= *s << 5;
  return *s;
}

static uint32_t start(uint32_t seed) {
  return seed * 2654435761u + 88172645u;
}

void fill_bytes(void *p, size_t n, uint32_t seed) {
  uint32_t s = start(seed);
  uint8_t *bytes = p;
  for (size_t i = 0; i < n; i++) bytes[i] = (uint8_t)(next(&s) >> 11);
}

void fill_codes(int8_t *p, size_t n, int lim, uint32_t seed) {
  uint32_t s = start(seed), span = 2 * (uint32_t)lim + 1;
  for (size_t i = 0; i < n; i++) p[i] = (int8_t)((int)((uint64_t)next(&s) * span >> 32) - lim);
}

void fill_floats(float *p, size_t n, float lo, float hi, uint32_t seed) {
  uint32_t s = start(seed);
  for (size_t i = 0; i < n; i++) p[i] = lo + (hi - lo) * (float)(next(&s) >> 8) * 0x1p-24f;
}

bool floats_close(const float *a, const float *b, size_t n, double share) {
  double largest = 0;
  for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)a[i]));
  for (size_t i = 0; i < n; i++)
    if (!(fabs((double)a[i] - (double)b[i]) <= share * largest)) return false; /* NaN is not close either */
  return true;
}
