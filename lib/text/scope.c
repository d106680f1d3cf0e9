#include "scope.h"
#include "context_impl.h"
#include <string.h>

enum { GONE = UINT32_MAX - 1 };

void qn__scope_free(const qn_allocator *a, qn__scope *s) {
  qn__vec_free(a, &s->numbers);
  qn__vec_free(a, &s->defined);
  qn__idmap_free(a, &s->names);
  qn__idmap_free(a, &s->groups);
}

/* A number as the printer writes it: no zeros in front, below 2^30. */
static bool as_number(qn_str name, uint32_t *out) {
  if (name.size == 0 || name.size > 9 || (name.data[0] == '0' && name.size > 1)) return false;
  uint32_t v = 0;
  for (size_t i = 0; i < name.size; i++) {
    unsigned digit = (unsigned char)name.data[i] - (unsigned)'0';
    if (digit > 9) return false;
    v = v * 10 + digit;
  }
  *out = v;
  return true;
}

static bool all_digits(qn_str s, size_t from) {
  for (size_t i = from; i < s.size; i++)
    if (s.data[i] < '0' || s.data[i] > '9') return false;
  return s.size > from;
}

bool qn__name_is_automatic(qn_str name) {
  if (all_digits(name, 0)) return true;
  return name.size > 3 && memcmp(name.data, "arg", 3) == 0 && all_digits(name, 3);
}

uint32_t qn__scope_find(const qn__scope *s, const qn_context *ctx, qn_str name) {
  uint32_t number;
  if (as_number(name, &number)) {
    if (number < s->numbers.size && s->numbers.data[number]) return s->numbers.data[number];
    if (!s->far_numbers) return 0;
  }
  if (s->names.count == 0) return 0;
  uint32_t id = qn__name_find(ctx, name).id, v = id ? qn__idmap_get(&s->names, id) : 0;
  return v == GONE ? 0 : v;
}

/* The array stays in proportion to what is defined, whatever numbers the text chose. */
static bool fits_array(const qn__scope *s, uint32_t number) {
  return number < s->numbers.size || number / 4 <= s->defined.size + 256;
}

static bool grow_numbers(const qn_allocator *a, qn__scope *s, uint32_t number) {
  if (number < s->numbers.size) return true;
  uint32_t more = number + 1 - s->numbers.size;
  if (!qn__reserve(a, &s->numbers, more)) return false;
  memset(s->numbers.data + s->numbers.size, 0, more * sizeof(uint32_t));
  s->numbers.size += more;
  return true;
}

bool qn__scope_define(const qn_allocator *a, qn__scope *s, qn_context *ctx, qn_str name, uint32_t value,
                      uint32_t count) {
  uint32_t number;
  if (count > 1 && value != QN__POISON && !qn__idmap_set(a, &s->groups, value, count)) return false;
  bool is_number = as_number(name, &number);
  if (is_number && !fits_array(s, number)) s->far_numbers = true;
  if (is_number && fits_array(s, number)) {
    if (!grow_numbers(a, s, number) || !qn__push(a, &s->defined, number * 2)) return false;
    s->numbers.data[number] = value;
    return true;
  }
  uint32_t id = qn_name_of(ctx, name).id;
  return id != 0 && qn__push(a, &s->defined, id * 2 + 1) && qn__idmap_set(a, &s->names, id, value);
}

uint32_t qn__scope_group(const qn__scope *s, uint32_t value) {
  uint32_t count = qn__idmap_get(&s->groups, value);
  return count ? count : 1;
}

void qn__scope_leave(const qn_allocator *a, qn__scope *s, uint32_t mark) {
  while (s->defined.size > mark) {
    uint32_t entry = s->defined.data[--s->defined.size];
    if (entry % 2 == 0)
      s->numbers.data[entry / 2] = 0;
    else
      (void)qn__idmap_set(a, &s->names, entry / 2, GONE); /* the key is there: nothing is allocated */
  }
}
