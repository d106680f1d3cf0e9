/* What a DLTensor must be to be an input or output of a program. DLPack 0.6 knows integers, floats, bfloat; bool and
 * small floats travel as 8-bit unsigned, elements below 8 bits as packed bytes in one dimension. */
#include "program.h"
#include <string.h>

DLDataType qn__dl_type(qn_scalar mem) {
  const qn_scalar_info *info = qn_scalar_get(mem);
  DLDataType t = {.code = (uint8_t)kDLUInt, .bits = info->storage_bits < 8 ? 8 : info->storage_bits, .lanes = 1};
  if (mem == QN_I1 || info->storage_bits < 8) return t;
  if (mem == QN_BF16)
    t.code = (uint8_t)kDLBfloat;
  else if (info->cls == QN_FLOAT)
    t.code = (uint8_t)(info->bits == 8 ? kDLUInt : kDLFloat);
  else if (info->cls != QN_UNSIGNED)
    t.code = (uint8_t)kDLInt;
  return t;
}

DLTensor qn_tensor_as_dlpack(const qn_tensor *t, int64_t *shape) {
  if (!t || !shape) return (DLTensor){.device = {kDLCPU, 0}};
  DLTensor d = {.data = t->data, .device = {kDLCPU, 0}, .ndim = (int)t->rank, .dtype = qn__dl_type(t->elem)};
  memcpy(shape, t->shape, sizeof t->shape);
  if (qn_scalar_get(t->elem)->storage_bits < 8) {
    d.ndim = 1;
    shape[0] = (int64_t)qn_tensor_bytes(t);
  }
  d.shape = shape;
  return d;
}

/* `mem` when the tensor type can carry it, else NONE. */
static qn_scalar type_ok(DLDataType t, qn_scalar mem) {
  DLDataType want = qn__dl_type(mem);
  return t.code == want.code && t.bits == want.bits && t.lanes == 1 ? mem : QN_SCALAR_NONE;
}

static bool compact(const DLTensor *t) {
  if (!t->strides) return true;
  int64_t step = 1;
  for (int d = t->ndim; d-- > 0;) {
    if (t->shape[d] != 1 && t->strides[d] != step) return false;
    if (t->shape[d] > 0 && step > INT64_MAX / t->shape[d]) return false;
    step *= t->shape[d] > 0 ? t->shape[d] : 1;
  }
  return true;
}

static int64_t count_of(const int64_t *shape, uint32_t rank) {
  int64_t n = 1;
  for (uint32_t d = 0; d < rank; d++) {
    if (shape[d] < 0 || (shape[d] && n > INT64_MAX / shape[d])) return -1;
    n *= shape[d];
  }
  return n;
}

qn_status qn__dl_check(const DLTensor *t, const char *what, qn_str name, qn_scalar mem, uint32_t rank,
                       const int64_t *shape, qn_call_error *error) {
  const qn_scalar_info *info = qn_scalar_get(mem);
  int n = (int)name.size;
  if (t->device.device_type != kDLCPU)
    return qn__call_fail(error, QN_DIAG_CALL, "%s '%.*s' is on device type %d; programs run on the CPU", what, n,
                         name.data, (int)t->device.device_type);
  if (!type_ok(t->dtype, mem))
    return qn__call_fail(error, QN_DIAG_CALL,
                         "%s '%.*s' has DLPack type code %d with %d bits in %d lanes; %s in 1 lane is needed", what, n,
                         name.data, t->dtype.code, t->dtype.bits, t->dtype.lanes, info->text);
  int64_t flat[1];
  if (info->storage_bits < 8) { /* as bytes */
    int64_t count = count_of(shape, rank);
    if (count < 0) return qn__call_fail(error, QN_DIAG_CALL, "%s '%.*s' has no fixed size", what, n, name.data);
    flat[0] = (int64_t)qn_scalar_bytes(mem, (uint64_t)count);
    shape = flat;
    rank = 1;
  }
  if (t->ndim != (int)rank)
    return qn__call_fail(error, QN_DIAG_CALL, "%s '%.*s' has rank %d; %u is needed", what, n, name.data, t->ndim, rank);
  if (rank && !t->shape)
    return qn__call_fail(error, QN_DIAG_CALL, "%s '%.*s' has no sizes: its shape is null", what, n, name.data);
  for (uint32_t d = 0; shape && d < rank; d++)
    if (t->shape[d] != shape[d])
      return qn__call_fail(error, QN_DIAG_CALL, "%s '%.*s' has size %lld in dimension %u; %lld is needed", what, n,
                           name.data, (long long)t->shape[d], d, (long long)shape[d]);
  if (!compact(t))
    return qn__call_fail(error, QN_DIAG_CALL, "%s '%.*s' has strides that are not compact and row-major; copy it first",
                         what, n, name.data);
  if (!t->data && count_of(t->shape, rank) != 0)
    return qn__call_fail(error, QN_DIAG_CALL, "%s '%.*s' has no data", what, n, name.data);
  return QN_OK;
}

qn_status qn__overlap_fail(const qn_program *p, uint32_t i, qn_call_error *error) {
  qn_str name = p->output_names[i];
  return qn__call_fail(error, QN_DIAG_CALL, "output '%.*s' overlaps an input, another output or the workspace",
                       (int)name.size, name.data);
}

qn_status qn__dl_need_array(const DLTensor *tensors, uint32_t n, const char *what, qn_call_error *error) {
  if (tensors || !n) return QN_OK;
  return qn__call_fail(error, QN_DIAG_CALL, "no %s: %u are needed, the array of them is null", what, n);
}
