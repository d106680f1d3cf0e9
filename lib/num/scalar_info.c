/* The element types of types.def, and the shape arithmetic of dense tensors. */
#include <quern/scalar.h>
#include <string.h>

static const qn_scalar_info infos[QN_SCALAR_COUNT] = {
    {"none", 0, 0, QN_SIGNLESS, NULL, NULL, 0, false},
#define QN_SCALAR(symbol, text, bits, storage, cls, numpy, safetensors, onnx, upstream)                                \
  {text, bits, storage, QN_##cls, numpy, safetensors, onnx, upstream},
#include <quern/types.def>
#undef QN_SCALAR
};

static bool known(qn_scalar s) {
  return (unsigned)s > QN_SCALAR_NONE && (unsigned)s < QN_SCALAR_COUNT;
}

const qn_scalar_info *qn_scalar_get(qn_scalar s) {
  return &infos[known(s) ? s : QN_SCALAR_NONE];
}

qn_scalar qn_scalar_find(qn_str text) {
  for (int s = 1; s < QN_SCALAR_COUNT; s++) {
    const char *name = infos[s].text;
    if (strlen(name) == text.size && memcmp(name, text.data, text.size) == 0) return (qn_scalar)s;
  }
  return QN_SCALAR_NONE;
}

bool qn_scalar_is_float(qn_scalar s) {
  return known(s) && infos[s].cls == QN_FLOAT;
}

bool qn_scalar_is_int(qn_scalar s) {
  return known(s) && infos[s].cls != QN_FLOAT;
}

/* i1 is a truth value: 0 and 1. */
int64_t qn_scalar_min(qn_scalar s) {
  if (!qn_scalar_is_int(s) || infos[s].cls == QN_UNSIGNED || s == QN_I1) return 0;
  return -1 - (int64_t)(UINT64_MAX >> (65 - infos[s].bits));
}

int64_t qn_scalar_max(qn_scalar s) {
  if (!qn_scalar_is_int(s)) return 0;
  unsigned value_bits = infos[s].bits - (infos[s].cls == QN_UNSIGNED || s == QN_I1 ? 0u : 1u);
  return (int64_t)(UINT64_MAX >> (64 - value_bits));
}

size_t qn_scalar_bytes(qn_scalar s, uint64_t n) {
  uint64_t bits = qn_scalar_get(s)->storage_bits;
  uint64_t whole = n / 8, rest = n % 8;
  if (bits && whole > (SIZE_MAX - 64) / bits) return SIZE_MAX;
  return (size_t)(whole * bits + (rest * bits + 7) / 8);
}

int64_t qn_tensor_count(const qn_tensor *t) {
  if (t->rank > QN_MAX_RANK) return -1;
  uint64_t count = 1;
  bool empty = false, large = false;
  for (uint32_t i = 0; i < t->rank; i++) {
    if (t->shape[i] < 0) return -1;
    uint64_t size = (uint64_t)t->shape[i];
    if (size == 0)
      empty = true;
    else if (count > INT64_MAX / size)
      large = true;
    else
      count *= size;
  }
  return empty ? 0 : large ? -1 : (int64_t)count;
}

size_t qn_tensor_bytes(const qn_tensor *t) {
  int64_t count = qn_tensor_count(t);
  return count < 0 ? SIZE_MAX : qn_scalar_bytes(t->elem, (uint64_t)count);
}
