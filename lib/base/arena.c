#include "arena.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct qn_arena_chunk {
  qn_arena_chunk *next;
  size_t size; /* of the whole block, this header included */
};

enum { ALIGN = 16, FIRST_CHUNK = 4096, LARGEST_CHUNK = 4 << 20 };

void qn__arena_init(qn_arena *arena, const qn_allocator *allocator) {
  *arena = (qn_arena){.allocator = allocator, .next_size = FIRST_CHUNK};
}

void qn__arena_free(qn_arena *arena) {
  for (qn_arena_chunk *c = arena->head; c;) {
    qn_arena_chunk *next = c->next;
    qn__free(arena->allocator, c, c->size);
    c = next;
  }
  qn__arena_init(arena, arena->allocator);
}

static char *align_up(char *p) {
  return p + (size_t)(-(uintptr_t)p & (ALIGN - 1));
}

static qn_arena_chunk *new_chunk(qn_arena *arena, size_t room) {
  size_t size;
  if (!qn__add_size(room, sizeof(qn_arena_chunk) + ALIGN, &size)) return NULL;
  qn_arena_chunk *c = qn__alloc(arena->allocator, size);
  if (c) c->size = size;
  return c;
}

/* A chunk of its own, put behind the head so that the head's remaining room stays in use. */
static void *alloc_large(qn_arena *arena, size_t size) {
  qn_arena_chunk *c = new_chunk(arena, size);
  if (!c) return NULL;
  if (arena->head) {
    c->next = arena->head->next;
    arena->head->next = c;
  } else {
    c->next = NULL;
    arena->head = c;
  }
  return align_up((char *)(c + 1));
}

void *qn__arena_alloc(qn_arena *arena, size_t size) {
  if (size > SIZE_MAX - ALIGN) return NULL;
  size = size ? (size + ALIGN - 1) & ~(size_t)(ALIGN - 1) : ALIGN;
  if (size > (size_t)(arena->end - arena->at)) {
    if (size > arena->next_size / 4) return alloc_large(arena, size);
    qn_arena_chunk *c = new_chunk(arena, arena->next_size);
    if (!c) return NULL;
    c->next = arena->head;
    arena->head = c;
    arena->at = align_up((char *)(c + 1));
    arena->end = arena->at + arena->next_size;
    if (arena->next_size < LARGEST_CHUNK) arena->next_size *= 2;
  }
  void *p = arena->at;
  arena->at += size;
  return p;
}

void *qn__arena_zero(qn_arena *arena, size_t size) {
  void *p = qn__arena_alloc(arena, size);
  if (p) memset(p, 0, size);
  return p;
}

void *qn__arena_array(qn_arena *arena, size_t count, size_t size) {
  size_t bytes;
  return qn__mul_size(count, size, &bytes) ? qn__arena_zero(arena, bytes) : NULL;
}

void *qn__arena_copy(qn_arena *arena, const void *data, size_t size) {
  void *p = qn__arena_alloc(arena, size);
  if (p && size) memcpy(p, data, size);
  return p;
}

qn_str qn__arena_str(qn_arena *arena, qn_str s) {
  size_t size;
  char *copy = qn__add_size(s.size, 1, &size) ? qn__arena_alloc(arena, size) : NULL;
  if (!copy) return (qn_str){NULL, 0};
  if (s.size) memcpy(copy, s.data, s.size);
  copy[s.size] = 0;
  return (qn_str){copy, s.size};
}

qn_str qn__arena_fmt(qn_arena *arena, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  int n = vsnprintf(NULL, 0, fmt, args);
  va_end(args);
  char *text = n < 0 ? NULL : qn__arena_alloc(arena, (size_t)n + 1);
  if (!text) return (qn_str){NULL, 0};
  va_start(args, fmt);
  vsnprintf(text, (size_t)n + 1, fmt, args);
  va_end(args);
  return (qn_str){text, (size_t)n};
}
