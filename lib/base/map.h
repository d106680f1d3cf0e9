/* Open-addressing hash tables from a 32-bit hash to a 32-bit non-zero id. The caller owns the keys: `equal` compares
 * the key being looked up with the one that an id stands for. One table serves interning of strings, types and
 * attributes and all symbol tables. */
#ifndef QN_MAP_H
#define QN_MAP_H
#include "alloc.h"

typedef struct qn_map_slot {
  uint32_t hash, id;
} qn_map_slot;
typedef struct qn_map {
  qn_map_slot *slots;
  uint32_t count, cap; /* cap is 0 or a power of two */
} qn_map;

typedef bool (*qn_map_equal)(const void *owner, const void *key, uint32_t id);

uint32_t qn__hash(const void *data, size_t size, uint32_t seed);
static inline uint32_t qn__hash_u64(uint64_t x) {
  x *= 0x9E3779B97F4A7C15u;
  return (uint32_t)(x >> 32) ^ (uint32_t)x;
}

/* The id, or 0. */
uint32_t qn__map_find(const qn_map *map, uint32_t hash, qn_map_equal equal, const void *owner, const void *key);
/* Adds without looking for an equal key first. id must not be 0. False when memory is exhausted. */
bool qn__map_add(const qn_allocator *a, qn_map *map, uint32_t hash, uint32_t id);
/* Removes the entry with this hash and id; nothing when absent. */
void qn__map_remove(qn_map *map, uint32_t hash, uint32_t id);
void qn__map_clear(qn_map *map);
void qn__map_free(const qn_allocator *a, qn_map *map);

/* From 64-bit keys to 32-bit values, for side tables keyed by ids or pointers. */
typedef struct qn_idmap_slot {
  uint64_t key;
  uint32_t value; /* 0 is an empty slot */
} qn_idmap_slot;
typedef struct qn_idmap {
  qn_idmap_slot *slots;
  uint32_t count, cap;
} qn_idmap;
uint32_t qn__idmap_get(const qn_idmap *map, uint64_t key);                              /* 0 when absent */
bool qn__idmap_set(const qn_allocator *a, qn_idmap *map, uint64_t key, uint32_t value); /* value must not be 0 */
void qn__idmap_free(const qn_allocator *a, qn_idmap *map);
#endif
