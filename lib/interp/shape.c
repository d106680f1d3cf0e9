/* Shapes, broadcasting and walking tensors by index. */
#include "interp.h"
#include <stdio.h>
#include <string.h>

void qn__copy_bytes(void *to, const void *from, size_t n) {
  if (n) memcpy(to, from, n);
}

const char *qn__sizes_text(uint32_t rank, const int64_t *shape, char *text) {
  size_t at = 0;
  text[0] = 0;
  if (rank == 0) snprintf(text, QN__SHAPE_TEXT, "scalar");
  for (uint32_t d = 0; d < rank && at + 24 < QN__SHAPE_TEXT; d++)
    at += (size_t)snprintf(text + at, QN__SHAPE_TEXT - at, "%s%lld", d ? "x" : "", (long long)shape[d]);
  return text;
}

const char *qn__tensor_text(const qn_tensor *t, char *text) {
  if (t->rank > QN_MAX_RANK) {
    snprintf(text, QN__SHAPE_TEXT, "a tensor of rank %u", t->rank);
    return text;
  }
  qn__sizes_text(t->rank, t->shape, text);
  size_t at = t->rank ? strlen(text) : 0;
  snprintf(text + at, QN__SHAPE_TEXT - at, "%s%s", at ? "x" : "", qn_scalar_get(t->elem)->text);
  return text;
}

int64_t qn__shape_count(const qn__shape *s) {
  int64_t n = 1;
  for (uint32_t d = 0; d < s->rank; d++) n *= s->size[d];
  return n;
}

qn_status qn__broadcast(qn__frame *f, qn__shape *s, const qn__shape *other) {
  const qn__shape *big = s->rank >= other->rank ? s : other, *small = big == s ? other : s;
  qn__shape y = *big;
  for (uint32_t i = 0; i < small->rank; i++) {
    uint32_t d = big->rank - small->rank + i;
    if (big->size[d] == small->size[i] || small->size[i] == 1) continue;
    if (big->size[d] != 1) {
      char a[QN__SHAPE_TEXT], b[QN__SHAPE_TEXT];
      return qn_op_error(f->m, f->op, QN_DIAG_SHAPE,
                         "operands of sizes %s and %s do not broadcast: %lld and %lld differ and neither is 1",
                         qn__sizes_text(s->rank, s->size, a), qn__sizes_text(other->rank, other->size, b),
                         (long long)big->size[d], (long long)small->size[i]);
    }
    y.size[d] = small->size[i];
  }
  *s = y;
  return QN_OK;
}

qn__view qn__view_perm(const qn_tensor *t, const qn__shape *shape, const int64_t *perm) {
  qn__view v = {.t = t};
  int64_t step[QN_MAX_RANK], n = 1;
  for (uint32_t d = t->rank; d-- > 0;) {
    step[d] = n;
    n *= t->shape[d];
  }
  for (uint32_t i = 0; i < t->rank; i++) {
    uint32_t d = perm ? (uint32_t)perm[i] : i;
    v.stride[shape->rank - t->rank + i] = t->shape[d] == 1 ? 0 : step[d];
  }
  return v;
}

qn__view qn__view_of(const qn_tensor *t, const qn__shape *shape) {
  return qn__view_perm(t, shape, NULL);
}

bool qn__next_index(int64_t *index, const int64_t *shape, uint32_t rank) {
  for (uint32_t d = rank; d-- > 0;) {
    if (++index[d] < shape[d]) return true;
    index[d] = 0;
  }
  return false;
}

int64_t qn__view_offset(const qn__view *v, const int64_t *index, uint32_t rank) {
  int64_t at = 0;
  for (uint32_t d = 0; d < rank; d++) at += index[d] * v->stride[d];
  return at;
}
