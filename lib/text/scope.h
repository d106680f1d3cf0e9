/* Names of SSA values while text is read. Plain numbers are looked up in an array, other names by their interned id. */
#ifndef QN_SCOPE_H
#define QN_SCOPE_H
#include "map.h"
#include "vec.h"
#include <quern/module.h>

/* Stands for a value whose definition was in error: uses of it are not reported again. */
#define QN__POISON UINT32_MAX

typedef struct qn__scope {
  QN_VEC(uint32_t) numbers; /* %12 -> value id */
  qn_idmap names;           /* name id -> value id */
  bool far_numbers;         /* some numbers are too large for the array and are names */
  qn_idmap groups;          /* id of the first value of %x:3 -> 3 */
  QN_VEC(uint32_t) defined; /* in order: number * 2, or name id * 2 + 1 */
} qn__scope;

void qn__scope_free(const qn_allocator *a, qn__scope *s);
/* The value's id, QN__POISON, or 0 when the name is not defined. */
uint32_t qn__scope_find(const qn__scope *s, const qn_context *ctx, qn_str name);
/* The name must not be defined. `count` above 1 makes a group. False when memory is exhausted. */
bool qn__scope_define(const qn_allocator *a, qn__scope *s, qn_context *ctx, qn_str name, uint32_t value,
                      uint32_t count);
/* How many values the group that begins with this value has. */
uint32_t qn__scope_group(const qn__scope *s, uint32_t value);
/* Forgets what was defined since `defined.size` was `mark`. */
void qn__scope_leave(const qn_allocator *a, qn__scope *s, uint32_t mark);
/* True when the reader and the printer make up such a name themselves, so that it is not kept: 12, arg3. */
bool qn__name_is_automatic(qn_str name);
#endif
