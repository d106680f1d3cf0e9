/* Growable arrays: QN_VEC(int) v = {0}; if (!qn__push(alloc, &v, 3)) no memory; v.data[i], v.size. */
#ifndef QN_VEC_H
#define QN_VEC_H
#include "alloc.h"

#define QN_VEC(T)                                                                                                      \
  struct {                                                                                                             \
    T *data;                                                                                                           \
    uint32_t size, cap;                                                                                                \
  }

/* Grows *data to hold at least `need` elements. False when memory is exhausted or 2^32 elements are reached. */
bool qn__vec_grow(const qn_allocator *a, void **data, uint32_t *cap, size_t need, size_t elem);

#define qn__reserve(a, v, more)                                                                                        \
  ((size_t)(v)->size + (size_t)(more) <= (v)->cap ||                                                                   \
   qn__vec_grow((a), (void **)&(v)->data, &(v)->cap, (size_t)(v)->size + (size_t)(more), sizeof *(v)->data))
/* The value is the rest of the arguments, so that a compound literal with commas can be one. */
#define qn__push(a, v, ...) (qn__reserve(a, v, 1) ? ((v)->data[(v)->size++] = (__VA_ARGS__), true) : false)
#define qn__vec_free(a, v)                                                                                             \
  (qn__free((a), (v)->data, (size_t)(v)->cap * sizeof *(v)->data), (v)->data = NULL, (v)->size = (v)->cap = 0)
#endif
