/* Memory that is freed all at once. Chunks grow geometrically; a large request gets a chunk of its own. */
#ifndef QN_ARENA_H
#define QN_ARENA_H
#include "alloc.h"

typedef struct qn_arena_chunk qn_arena_chunk;
typedef struct qn_arena {
  const qn_allocator *allocator;
  qn_arena_chunk *head;
  char *at, *end;
  size_t next_size;
} qn_arena;

void qn__arena_init(qn_arena *arena, const qn_allocator *allocator);
void qn__arena_free(qn_arena *arena);
/* Aligned to 16 bytes; null when exhausted. A size of 0 gives a valid pointer that must not be read. */
void *qn__arena_alloc(qn_arena *arena, size_t size);
void *qn__arena_zero(qn_arena *arena, size_t size);
/* Room for `count` objects of `size` bytes, zeroed; null on overflow too. */
void *qn__arena_array(qn_arena *arena, size_t count, size_t size);
void *qn__arena_copy(qn_arena *arena, const void *data, size_t size);
/* Zero-terminated copy; data is null when exhausted. */
qn_str qn__arena_str(qn_arena *arena, qn_str s);
qn_str qn__arena_fmt(qn_arena *arena, const char *fmt, ...) QN_PRINTF(2, 3);
#define qn__arena_new(arena, T) ((T *)qn__arena_zero((arena), sizeof(T)))
#endif
