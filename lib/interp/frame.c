/* What the evaluators of single ops share: results, scratch memory, elementwise ops as scalar scripts, dispatch. */
#include "interp.h"
#include "spec.h"
#include <string.h>

const qn__evaluator *qn__evaluator_get(qn_op_kind kind) {
  static const qn__evaluator *const table[QN_OP_KIND_COUNT] = {
      [QN_OP_UNREGISTERED] = NULL,
#define QN_OP(symbol, name, operands, results, attrs, regions, traits, rule, doc) [QN_OP_##symbol] = &qn__eval_##symbol,
#include <quern/ops.def>
#undef QN_OP
  };
  return (unsigned)kind < QN_OP_KIND_COUNT ? table[kind] : NULL;
}

qn_type qn__in_elem(const qn__frame *f, uint32_t i) {
  return qn_type_elem(f->ctx, qn_value_type(f->m, qn_op_operand(f->m, f->op, i)));
}

qn_type qn__out_elem(const qn__frame *f, uint32_t i) {
  return qn_type_elem(f->ctx, qn_value_type(f->m, qn_op_result(f->m, f->op, i)));
}

void *qn__scratch(qn__frame *f, size_t count, size_t size) {
  void *p = qn__arena_array(f->scratch, count, size);
  if (!p) qn_error_no_memory(f->ctx);
  return p;
}

static qn_status check_declared(qn__frame *f, uint32_t i, const qn_tensor *t) {
  qn_type type = qn_value_type(f->m, qn_op_result(f->m, f->op, i));
  if (qn_type_kind_of(f->ctx, type) != QN_TYPE_TENSOR) return QN_OK;
  const int64_t *declared = qn_type_shape(f->ctx, type);
  bool fits = qn_type_rank(f->ctx, type) == t->rank;
  for (uint32_t d = 0; fits && d < t->rank; d++) fits = declared[d] == QN_DYNAMIC || declared[d] == t->shape[d];
  if (fits) return QN_OK;
  char text[QN__SHAPE_TEXT];
  return qn_op_error(f->m, f->op, QN_DIAG_SHAPE, "result %u of %s comes out as %s but is declared %s", i,
                     qn_op_name(f->m, f->op).data, qn__tensor_text(t, text), qn_type_text(f->ctx, type).data);
}

static qn_status too_large(qn__frame *f, uint32_t i, const qn_tensor *t) {
  char text[QN__SHAPE_TEXT];
  return qn_op_error(f->m, f->op, QN_DIAG_LIMIT, "result %u of %s, %s, is larger than memory can be", i,
                     qn_op_name(f->m, f->op).data, qn__tensor_text(t, text));
}

/* A result without data yet. */
static qn_status describe(qn__frame *f, uint32_t i, uint32_t rank, const int64_t *shape, qn_tensor *t) {
  qn_type elem = qn__out_elem(f, i);
  *t = (qn_tensor){.elem = qn_type_memory(f->ctx, elem), .rank = rank};
  for (uint32_t d = 0; d < rank; d++) t->shape[d] = shape[d];
  if (t->elem == QN_SCALAR_NONE)
    return qn_op_error(f->m, f->op, QN_DIAG_UNSUPPORTED, "values of type %s cannot be evaluated",
                       qn_type_text(f->ctx, elem).data);
  qn_status s = check_declared(f, i, t);
  return s == QN_OK && qn_tensor_count(t) < 0 ? too_large(f, i, t) : s;
}

qn_status qn__result_bytes(qn__frame *f, uint32_t i, uint32_t rank, const int64_t *shape, size_t bytes,
                           qn_tensor **out) {
  qn_tensor t;
  qn_status s = describe(f, i, rank, shape, &t);
  *out = &f->out[i];
  if (s != QN_OK) return s;
  if (bytes > (size_t)PTRDIFF_MAX) return too_large(f, i, &t);
  if (bytes) {
    t.data = qn__alloc_zero(qn_context_allocator(f->ctx), bytes);
    if (!t.data) return qn_error_no_memory(f->ctx);
  }
  f->out[i] = t;
  f->out_bytes[i] = bytes;
  return QN_OK;
}

qn_status qn__result(qn__frame *f, uint32_t i, uint32_t rank, const int64_t *shape, qn_tensor **out) {
  qn_tensor t;
  qn_status s = describe(f, i, rank, shape, &t);
  *out = &f->out[i];
  return s == QN_OK ? qn__result_bytes(f, i, rank, shape, qn_tensor_bytes(&t), out) : s;
}

qn_status qn__result_borrow(qn__frame *f, uint32_t i, const qn_tensor *t, size_t bytes) {
  qn_tensor described;
  qn_status s = describe(f, i, t->rank, t->shape, &described);
  if (s != QN_OK) return s;
  described.data = t->data;
  f->out[i] = described;
  f->out_bytes[i] = bytes;
  f->borrowed[i] = true;
  return QN_OK;
}

qn_status qn__scratch_tensor(qn__frame *f, qn_scalar elem, uint32_t rank, const int64_t *shape, qn_tensor *out) {
  *out = (qn_tensor){.elem = elem, .rank = rank};
  for (uint32_t d = 0; d < rank; d++) out->shape[d] = shape[d];
  size_t bytes = qn_tensor_bytes(out);
  out->data = bytes == SIZE_MAX ? NULL : qn__arena_zero(f->scratch, bytes);
  return out->data ? QN_OK : qn_error_no_memory(f->ctx);
}

/* ---- elementwise ---- */

/* Arithmetic is on numbers: codes mean nothing without their scale. */
static qn_status check_plain(qn__frame *f) {
  for (uint32_t i = 0; i < f->num_in; i++) {
    qn_type elem = qn__in_elem(f, i);
    qn_type_kind kind = qn_type_kind_of(f->ctx, elem);
    if (kind != QN_TYPE_SCALAR && kind != QN_TYPE_CALIBRATED)
      return qn_op_error(f->m, f->op, QN_DIAG_UNSUPPORTED, "%s has no meaning on elements of type %s: dequantize first",
                         qn_op_name(f->m, f->op).data, qn_type_text(f->ctx, elem).data);
    if (f->in[i]->elem != f->in[0]->elem)
      return qn_op_error(f->m, f->op, QN_DIAG_TYPE_MISMATCH, "operands of %s have elements of type %s and %s",
                         qn_op_name(f->m, f->op).data, qn_scalar_get(f->in[0]->elem)->text,
                         qn_scalar_get(f->in[i]->elem)->text);
  }
  return QN_OK;
}

qn_status qn__map_script(qn__frame *f, const qn__script *p) {
  qn_status s = check_plain(f);
  if (s != QN_OK) return s;
  qn__shape shape = qn__shape_of(f->in[0]);
  for (uint32_t i = 1; i < f->num_in && s == QN_OK; i++) {
    qn__shape other = qn__shape_of(f->in[i]);
    s = qn__broadcast(f, &shape, &other);
  }
  qn_tensor *y;
  if (s == QN_OK) s = qn__result(f, 0, shape.rank, shape.size, &y);
  if (s != QN_OK) return s;
  qn__view *views = qn__scratch(f, f->num_in, sizeof *views);
  if (!views) return QN_ERR_NO_MEMORY;
  for (uint32_t i = 0; i < f->num_in; i++) views[i] = qn__view_of(f->in[i], &shape);
  return qn__script_run(f->ctx, f->scratch, p, &shape, views, y, false);
}

qn_status qn__map_op(qn__frame *f, const qn__evaluator *scalar_op, int64_t imm) {
  qn__script *p = qn__script_new(f->scratch, f->num_in, 1, 1);
  uint32_t args[3] = {0, 1, 2};
  if (!p) return qn_error_no_memory(f->ctx);
  for (uint32_t i = 0; i < f->num_in; i++) p->types[i] = f->in[i]->elem;
  p->yields[0] = qn__script_op(p, scalar_op, f->num_in, args, qn_type_memory(f->ctx, qn__out_elem(f, 0)), imm);
  if (p->yields[0] == UINT32_MAX)
    return qn_op_error(f->m, f->op, QN_DIAG_UNSUPPORTED, "%s has no meaning on elements of type %s",
                       qn_op_name(f->m, f->op).data, qn_scalar_get(f->in[0]->elem)->text);
  return qn__map_script(f, p);
}

/* ---- a scalar op by itself ---- */

static qn_status check_same_shape(qn__frame *f) {
  char a[QN__SHAPE_TEXT], b[QN__SHAPE_TEXT];
  for (uint32_t i = 1; i < f->num_in; i++) {
    bool same = f->in[i]->rank == f->in[0]->rank;
    for (uint32_t d = 0; same && d < f->in[0]->rank; d++) same = f->in[i]->shape[d] == f->in[0]->shape[d];
    if (!same)
      return qn_op_error(f->m, f->op, QN_DIAG_SHAPE, "operands of %s must have one shape here, not %s and %s",
                         qn_op_name(f->m, f->op).data, qn__tensor_text(f->in[0], a), qn__tensor_text(f->in[i], b));
  }
  return QN_OK;
}

/* Elements have the types of the op's operands, which may spell the sign that memory does not. */
static qn_status eval_scalar(qn__frame *f, const qn__evaluator *e) {
  qn_status s = check_same_shape(f);
  qn_tensor *y;
  if (s == QN_OK) s = qn__result(f, 0, f->in[0]->rank, f->in[0]->shape, &y);
  if (s != QN_OK) return s;
  qn__script *p = qn__script_new(f->scratch, f->num_in, 1, 1);
  if (!p) return qn_error_no_memory(f->ctx);
  uint32_t args[3] = {0, 1, 2};
  qn__view views[3] = {{0}};
  qn__shape shape = qn__shape_of(f->in[0]), all = {1, {qn_tensor_count(f->in[0])}};
  qn_tensor flat[3];
  for (uint32_t i = 0; i < f->num_in; i++) {
    p->types[i] = qn_type_memory(f->ctx, qn__in_elem(f, i));
    flat[i] = *f->in[i];
    if (e->reduces) flat[i].rank = 1, flat[i].shape[0] = all.size[0];
    views[i] = qn__view_of(&flat[i], e->reduces ? &all : &shape);
  }
  int64_t imm = e->imm ? e->imm(f->m, f->op) : 0;
  p->yields[0] = qn__script_op(p, e, f->num_in, args, qn_type_memory(f->ctx, qn__out_elem(f, 0)), imm);
  if (p->yields[0] == UINT32_MAX)
    return qn_op_error(f->m, f->op, QN_DIAG_UNSUPPORTED, "%s has no meaning for %s", qn_op_name(f->m, f->op).data,
                       qn_scalar_get(p->types[0])->text);
  if (!e->reduces) return qn__script_run(f->ctx, f->scratch, p, &shape, views, y, false);
  qn_tensor line = *y;
  line.rank = 1;
  line.shape[0] = all.size[0];
  return qn__script_run(f->ctx, f->scratch, p, &all, views, &line, true);
}

/* What evaluators rely on even when nobody verified the module. */
static qn_status check_counts(qn__frame *f) {
  const qn_op_spec *spec = qn__op_spec(f->ctx, qn_op_kind_of(f->m, f->op));
  if (!spec) return QN_ERR_NO_MEMORY;
  uint32_t results = qn_op_num_results(f->m, f->op), regions = qn_op_num_regions(f->m, f->op);
  if (f->num_in >= spec->operands.min && f->num_in <= spec->operands.max && results >= spec->results.min &&
      results <= spec->results.max && regions >= spec->regions.min && regions <= spec->regions.max)
    return QN_OK;
  return qn_op_error(f->m, f->op, QN_DIAG_OPERAND_COUNT,
                     "%s has %u operands, %u results and %u regions, which is not what the op table says",
                     qn_op_name(f->m, f->op).data, f->num_in, results, regions);
}

qn_status qn__eval_frame(qn__frame *f) {
  const qn__evaluator *e = qn__evaluator_get(qn_op_kind_of(f->m, f->op));
  if (!e)
    return qn_op_error(f->m, f->op, QN_DIAG_UNSUPPORTED, "%s is not in the op table, so nothing says what it computes",
                       qn_op_name(f->m, f->op).data);
  qn_status s = check_counts(f);
  if (s != QN_OK) return s;
  if (e->eval) return e->eval(f, f->op);
  if (e->lane[0] || e->lane[1] || e->lane[2]) return eval_scalar(f, e);
  return qn_op_error(f->m, f->op, QN_DIAG_VERIFY, "%s has no value of its own", qn_op_name(f->m, f->op).data);
}
