/* vdpbf16ps in plain C: pairs of bf16, the odd product added first, each step rounded. */
#include <stdint.h>

typedef float floats __attribute__((vector_size(64)));
typedef __bf16 halves __attribute__((vector_size(64)));
typedef uint16_t bits __attribute__((vector_size(64)));

static float widened(uint16_t x) {
  union {
    uint32_t u;
    float f;
  } v = {(uint32_t)x << 16};
  return v.f;
}

floats model_dpbf16ps(floats sum, halves a, halves b);
floats model_dpbf16ps(floats sum, halves a, halves b) {
  bits x = (bits)a, y = (bits)b;
  for (int i = 0; i < 16; i++) {
    sum[i] += widened(x[2 * i + 1]) * widened(y[2 * i + 1]);
    sum[i] += widened(x[2 * i]) * widened(y[2 * i]);
  }
  return sum;
}
