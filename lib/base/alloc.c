#include "alloc.h"
#include <stdlib.h>
#include <string.h>

static void *default_resize(void *user, void *ptr, size_t old_size, size_t new_size) {
  (void)user;
  (void)old_size;
  if (new_size == 0) {
    free(ptr);
    return NULL;
  }
  return realloc(ptr, new_size);
}

qn_allocator qn_allocator_default(void) {
  return (qn_allocator){default_resize, NULL};
}

void *qn__alloc(const qn_allocator *a, size_t size) {
  return size == 0 ? NULL : a->resize(a->user, NULL, 0, size);
}

void *qn__alloc_zero(const qn_allocator *a, size_t size) {
  void *p = qn__alloc(a, size);
  if (p) memset(p, 0, size);
  return p;
}

void *qn__resize(const qn_allocator *a, void *ptr, size_t old_size, size_t new_size) {
  if (!ptr) return qn__alloc(a, new_size);
  return a->resize(a->user, ptr, old_size, new_size);
}

void qn__free(const qn_allocator *a, void *ptr, size_t size) {
  if (ptr) a->resize(a->user, ptr, size, 0);
}

char *qn__strdup(const qn_allocator *a, qn_str s) {
  size_t size;
  if (!qn__add_size(s.size, 1, &size)) return NULL;
  char *copy = qn__alloc(a, size);
  if (!copy) return NULL;
  if (s.size) memcpy(copy, s.data, s.size);
  copy[s.size] = 0;
  return copy;
}

bool qn__mul_size(size_t a, size_t b, size_t *out) {
  if (b != 0 && a > SIZE_MAX / b) return false;
  *out = a * b;
  return true;
}

bool qn__add_size(size_t a, size_t b, size_t *out) {
  if (a > SIZE_MAX - b) return false;
  *out = a + b;
  return true;
}
