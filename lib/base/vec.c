#include "vec.h"
#include <string.h>

bool qn__vec_grow(const qn_allocator *a, void **data, uint32_t *cap, size_t need, size_t elem) {
  if (need > UINT32_MAX) return false;
  size_t want = *cap > UINT32_MAX / 2 ? UINT32_MAX : (size_t)*cap * 2;
  if (want < 8) want = 8;
  if (want < need) want = need;
  size_t bytes;
  if (!qn__mul_size(want, elem, &bytes)) return false;
  /* The caller's pointer has another type than void *, so it is moved as bytes. */
  void *old;
  memcpy(&old, data, sizeof old);
  void *grown = qn__resize(a, old, (size_t)*cap * elem, bytes);
  if (!grown) return false;
  memcpy(data, &grown, sizeof grown);
  *cap = (uint32_t)want;
  return true;
}
