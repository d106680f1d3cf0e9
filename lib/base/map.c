#include "map.h"
#include <string.h>

static uint64_t load64(const unsigned char *p) {
  uint64_t v;
  memcpy(&v, p, sizeof v);
  return v;
}

static uint64_t load32(const unsigned char *p) {
  uint32_t v;
  memcpy(&v, p, sizeof v);
  return v;
}

/* Up to 7 bytes as one word: two overlapping halves where four or more are left. */
static uint64_t load_tail(const unsigned char *p, size_t n) {
  if (n >= 4) return load32(p) << 32 | load32(p + n - 4);
  if (n == 0) return 0;
  return (uint64_t)p[0] << 16 | (uint64_t)p[n / 2] << 8 | p[n - 1];
}

/* One multiply and one shift per 8 bytes; each step is a bijection of the state, so words cannot cancel by
 * themselves, and the final rounds spread every input bit over all 32 result bits. */
uint32_t qn__hash(const void *data, size_t size, uint32_t seed) {
  const unsigned char *p = data;
  uint64_t h = ((uint64_t)seed << 32 | seed) ^ (size * 0x9E3779B97F4A7C15u);
  size_t left = size;
  for (; left >= 8; p += 8, left -= 8) {
    h = (h ^ load64(p)) * 0xD6E8FEB86659FD93u;
    h ^= h >> 32;
  }
  h = (h ^ load_tail(p, left)) * 0xD6E8FEB86659FD93u;
  h = (h ^ h >> 32) * 0xD6E8FEB86659FD93u;
  return (uint32_t)(h >> 32) ^ (uint32_t)h;
}

/* Where a hash would like to be: the high bits of a product, so hashes that differ in few bits spread too. */
static uint32_t home(uint32_t hash, uint32_t cap) {
  return (uint32_t)((uint64_t)(hash * 0x9E3779B9u) * cap >> 32);
}

/* At most three quarters full, so probes stay short and there is always an empty slot to end them. */
static bool full(uint32_t count, uint32_t cap) {
  return count >= cap - cap / 4;
}

static bool next_cap(uint32_t cap, uint32_t *out) {
  if (cap > UINT32_MAX / 4) return false;
  *out = cap ? cap * 2 : 16;
  return true;
}

uint32_t qn__map_find(const qn_map *map, uint32_t hash, qn_map_equal equal, const void *owner, const void *key) {
  if (map->count == 0) return 0;
  for (uint32_t i = home(hash, map->cap);; i = (i + 1) & (map->cap - 1)) {
    const qn_map_slot *s = &map->slots[i];
    if (s->id == 0) return 0;
    if (s->hash == hash && equal(owner, key, s->id)) return s->id;
  }
}

static void place(qn_map_slot *slots, uint32_t cap, qn_map_slot entry) {
  uint32_t i = home(entry.hash, cap);
  while (slots[i].id != 0) i = (i + 1) & (cap - 1);
  slots[i] = entry;
}

static bool map_grow(const qn_allocator *a, qn_map *map) {
  uint32_t cap;
  size_t bytes;
  if (!next_cap(map->cap, &cap) || !qn__mul_size(cap, sizeof(qn_map_slot), &bytes)) return false;
  qn_map_slot *slots = qn__alloc_zero(a, bytes);
  if (!slots) return false;
  for (uint32_t i = 0; i < map->cap; i++)
    if (map->slots[i].id != 0) place(slots, cap, map->slots[i]);
  qn__free(a, map->slots, (size_t)map->cap * sizeof(qn_map_slot));
  map->slots = slots;
  map->cap = cap;
  return true;
}

bool qn__map_add(const qn_allocator *a, qn_map *map, uint32_t hash, uint32_t id) {
  if (full(map->count, map->cap) && !map_grow(a, map)) return false;
  place(map->slots, map->cap, (qn_map_slot){hash, id});
  map->count++;
  return true;
}

void qn__map_remove(qn_map *map, uint32_t hash, uint32_t id) {
  if (map->count == 0) return;
  uint32_t mask = map->cap - 1, i = home(hash, map->cap);
  while (map->slots[i].id != id || map->slots[i].hash != hash) {
    if (map->slots[i].id == 0) return;
    i = (i + 1) & mask;
  }
  /* Entries after the hole move back unless that would put them before their home: no tombstones are needed. */
  for (uint32_t j = (i + 1) & mask; map->slots[j].id != 0; j = (j + 1) & mask) {
    uint32_t distance = (j - home(map->slots[j].hash, map->cap)) & mask;
    if (distance < ((j - i) & mask)) continue;
    map->slots[i] = map->slots[j];
    i = j;
  }
  map->slots[i] = (qn_map_slot){0, 0};
  map->count--;
}

void qn__map_clear(qn_map *map) {
  if (map->cap) memset(map->slots, 0, (size_t)map->cap * sizeof(qn_map_slot));
  map->count = 0;
}

void qn__map_free(const qn_allocator *a, qn_map *map) {
  qn__free(a, map->slots, (size_t)map->cap * sizeof(qn_map_slot));
  *map = (qn_map){0};
}

static qn_idmap_slot *id_slot(qn_idmap_slot *slots, uint32_t cap, uint64_t key) {
  uint32_t i = home(qn__hash_u64(key), cap);
  while (slots[i].value != 0 && slots[i].key != key) i = (i + 1) & (cap - 1);
  return &slots[i];
}

uint32_t qn__idmap_get(const qn_idmap *map, uint64_t key) {
  return map->count ? id_slot(map->slots, map->cap, key)->value : 0;
}

static bool idmap_grow(const qn_allocator *a, qn_idmap *map) {
  uint32_t cap;
  size_t bytes;
  if (!next_cap(map->cap, &cap) || !qn__mul_size(cap, sizeof(qn_idmap_slot), &bytes)) return false;
  qn_idmap_slot *slots = qn__alloc_zero(a, bytes);
  if (!slots) return false;
  for (uint32_t i = 0; i < map->cap; i++)
    if (map->slots[i].value != 0) *id_slot(slots, cap, map->slots[i].key) = map->slots[i];
  qn__free(a, map->slots, (size_t)map->cap * sizeof(qn_idmap_slot));
  map->slots = slots;
  map->cap = cap;
  return true;
}

bool qn__idmap_set(const qn_allocator *a, qn_idmap *map, uint64_t key, uint32_t value) {
  if (map->count) {
    qn_idmap_slot *old = id_slot(map->slots, map->cap, key);
    if (old->value != 0) {
      old->value = value;
      return true;
    }
  }
  if (full(map->count, map->cap) && !idmap_grow(a, map)) return false;
  *id_slot(map->slots, map->cap, key) = (qn_idmap_slot){key, value};
  map->count++;
  return true;
}

void qn__idmap_free(const qn_allocator *a, qn_idmap *map) {
  qn__free(a, map->slots, (size_t)map->cap * sizeof(qn_idmap_slot));
  *map = (qn_idmap){0};
}
