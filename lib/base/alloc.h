/* Allocation through the caller's allocator. The only folder that allocates is this one: everyone else uses these
 * functions, an arena (arena.h) or a growable array (vec.h). Sizes are given back on free, as in Lua. */
#ifndef QN_ALLOC_H
#define QN_ALLOC_H
#include <quern/base.h>

/* Null when size is 0 or memory is exhausted. */
void *qn__alloc(const qn_allocator *a, size_t size);
void *qn__alloc_zero(const qn_allocator *a, size_t size);
void *qn__resize(const qn_allocator *a, void *ptr, size_t old_size, size_t new_size);
void qn__free(const qn_allocator *a, void *ptr, size_t size);
/* Zero-terminated copy; free with size n + 1. */
char *qn__strdup(const qn_allocator *a, qn_str s);

/* Asks for large pages under what of a block they can hold; what is written there already is lost. Most use is that of
 * a block aligned so. */
enum { QN_LARGE_PAGE = 2 << 20 };
void qn__want_large_pages(void *block, size_t size);
/* Lets the system have the whole pages of what will not be read again before it is freed. */
void qn__give_back_pages(const void *data, size_t size);

/* a * b, or false when it does not fit. */
bool qn__mul_size(size_t a, size_t b, size_t *out);
bool qn__add_size(size_t a, size_t b, size_t *out);
#endif
