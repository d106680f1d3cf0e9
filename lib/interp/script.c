/* Scripts: a region compiled once into instructions over registers, then run over many elements, an
 * instruction at a time over a strip of lanes. */
#include "elementwise.h"
#include "interp.h"
#include "map.h"

/* Elements that one strip holds: enough to hide the call per instruction, little enough to stay in cache. */
enum { STRIP = 256 };

qn__script *qn__script_new(qn_arena *arena, uint32_t num_args, uint32_t max_other, uint32_t num_yields) {
  qn__script *p = qn__arena_new(arena, qn__script);
  size_t regs = (size_t)num_args + max_other;
  if (!p || regs > UINT32_MAX) return NULL;
  p->num_args = p->num_regs = num_args;
  p->max_regs = (uint32_t)regs;
  p->max_insts = max_other;
  p->num_yields = num_yields;
  p->types = qn__arena_array(arena, regs, sizeof *p->types);
  p->constants = qn__arena_array(arena, regs, sizeof *p->constants);
  p->is_constant = qn__arena_array(arena, regs, sizeof *p->is_constant);
  p->insts = qn__arena_array(arena, max_other, sizeof *p->insts);
  p->yields = qn__arena_array(arena, num_yields, sizeof *p->yields);
  return p->types && p->constants && p->is_constant && p->insts && p->yields ? p : NULL;
}

uint32_t qn__script_const(qn__script *p, qn_scalar type, uint64_t bits) {
  uint32_t r = p->num_regs++;
  p->types[r] = type;
  p->constants[r] = bits;
  p->is_constant[r] = true;
  return r;
}

uint32_t qn__script_const_f64(qn__script *p, qn_scalar type, double value) {
  const qn_scalar_info *info = qn_scalar_get(type);
  uint64_t bits = qn_scalar_is_float(type) ? qn__float_encode_f64(type, value)
                                           : (uint64_t)qn__f64_to_int(value, info->bits, info->cls != QN_UNSIGNED);
  return qn__script_const(p, type, bits);
}

uint32_t qn__script_op(qn__script *p, const qn__evaluator *op, uint32_t num_args, const uint32_t *args, qn_scalar to,
                       int64_t imm) {
  qn_scalar from = p->types[args[op->chooser < num_args ? op->chooser : 0]];
  qn__lane_fn fn = op->lane[qn__lane_kind_of(from)];
  if (!fn) return UINT32_MAX;
  uint32_t r = p->num_regs++;
  p->types[r] = to;
  qn__inst *inst = &p->insts[p->num_insts++];
  *inst = (qn__inst){.fn = fn, .y = r, .num_args = (uint8_t)num_args, .from = from, .to = to, .imm = imm};
  for (uint32_t i = 0; i < num_args; i++) inst->args[i] = args[i];
  if (op->reduces) p->has_reduction = true;
  return r;
}

/* ---- from a region ---- */

typedef struct build {
  qn_module *m;
  qn__script *p;
  qn_idmap regs; /* value id -> register + 1 */
  const qn_allocator *allocator;
} build;

static qn_status bind(build *b, qn_value v, uint32_t reg) {
  return qn__idmap_set(b->allocator, &b->regs, v.id, reg + 1) ? QN_OK : qn_error_no_memory(qn_module_context(b->m));
}

static qn_status operand(build *b, qn_op op, uint32_t i, uint32_t *reg) {
  uint32_t r = qn__idmap_get(&b->regs, qn_op_operand(b->m, op, i).id);
  if (r == 0)
    return qn_op_error(b->m, op, QN_DIAG_VERIFY,
                       "operand %u of %s is not defined inside its region before the op: pass it as a region argument",
                       i, qn_op_name(b->m, op).data);
  *reg = r - 1;
  return QN_OK;
}

static qn_status scalar_type(build *b, qn_op op, qn_value v, qn_scalar *out) {
  qn_context *ctx = qn_module_context(b->m);
  qn_type t = qn_value_type(b->m, v);
  *out = qn_type_as_scalar(ctx, t);
  if (*out != QN_SCALAR_NONE) return QN_OK;
  return qn_op_error(b->m, op, QN_DIAG_TYPE_MISMATCH, "a region computes with scalars, but here is %s",
                     qn_type_text(ctx, t).data);
}

static qn_status add_constant(build *b, qn_op op) {
  qn_scalar type;
  qn_value v = qn_op_result(b->m, op, 0);
  qn_status s = scalar_type(b, op, v, &type);
  if (s != QN_OK) return s;
  qn_attr value = qn_op_attr(b->m, op, "value");
  uint64_t bits;
  switch (qn_attr_kind_of(b->m, value)) {
  case QN_ATTR_BOOL: bits = qn_attr_as_bool(b->m, value); break;
  case QN_ATTR_INT: bits = (uint64_t)qn_attr_as_int(b->m, value); break;
  case QN_ATTR_FLOAT: bits = qn__float_encode_f64(type, qn_attr_as_float(b->m, value)); break;
  default:
    return qn_op_error(b->m, op, QN_DIAG_ATTRIBUTE, "the value of a constant in a region is a number, as in 1.0 : f32");
  }
  return bind(b, v, qn__script_const(b->p, type, bits));
}

static qn_status add_op(build *b, qn_op op) {
  qn_op_kind kind = qn_op_kind_of(b->m, op);
  if (kind == QN_OP_CONSTANT) return add_constant(b, op);
  const qn__evaluator *eval = qn__evaluator_get(kind);
  uint32_t n = qn_op_num_operands(b->m, op), args[3] = {0, 0, 0}, reg;
  if (!eval || !(qn_op_info_get(kind)->traits & (uint32_t)QN_SCALAR_OP) || n == 0 || n > 3 ||
      qn_op_num_results(b->m, op) != 1)
    return qn_op_error(b->m, op, eval ? QN_DIAG_VERIFY : QN_DIAG_UNSUPPORTED,
                       "%s cannot be evaluated inside a region: only scalar arith and math ops can",
                       qn_op_name(b->m, op).data);
  qn_scalar to;
  qn_value y = qn_op_result(b->m, op, 0);
  qn_status s = scalar_type(b, op, y, &to);
  for (uint32_t i = 0; i < n && s == QN_OK; i++) s = operand(b, op, i, &args[i]);
  if (s != QN_OK) return s;
  reg = qn__script_op(b->p, eval, n, args, to, eval->imm ? eval->imm(b->m, op) : 0);
  if (reg == UINT32_MAX)
    return qn_op_error(b->m, op, QN_DIAG_UNSUPPORTED, "%s has no meaning for %s", qn_op_name(b->m, op).data,
                       qn_scalar_get(b->p->types[args[eval->chooser < n ? eval->chooser : 0]])->text);
  return bind(b, y, reg);
}

static qn_status add_all(build *b, qn_block block, qn_op yield) {
  qn_status s = QN_OK;
  for (uint32_t i = 0; i < b->p->num_args && s == QN_OK; i++) {
    qn_value arg = qn_block_arg(b->m, block, i);
    s = scalar_type(b, qn_block_op(b->m, block), arg, &b->p->types[i]);
    if (s == QN_OK) s = bind(b, arg, i);
  }
  for (qn_op op = qn_block_first(b->m, block); op.id && op.id != yield.id && s == QN_OK; op = qn_op_next(b->m, op))
    s = add_op(b, op);
  for (uint32_t i = 0; i < b->p->num_yields && s == QN_OK; i++) s = operand(b, yield, i, &b->p->yields[i]);
  return s;
}

qn_status qn__script_build(qn_module *m, qn_block block, qn_arena *arena, qn__script **out) {
  qn_context *ctx = qn_module_context(m);
  qn_op yield = qn_block_last(m, block);
  if (qn_op_kind_of(m, yield) != QN_OP_YIELD)
    return qn_op_error(m, qn_block_op(m, block), QN_DIAG_VERIFY, "the region does not end with kern.yield");
  uint32_t ops = 0;
  for (qn_op op = qn_block_first(m, block); op.id; op = qn_op_next(m, op)) ops++;
  build b = {.m = m, .allocator = qn_context_allocator(ctx)};
  b.p = qn__script_new(arena, qn_block_num_args(m, block), ops, qn_op_num_operands(m, yield));
  if (!b.p) return qn_error_no_memory(ctx);
  qn_status s = add_all(&b, block, yield);
  qn__idmap_free(b.allocator, &b.regs);
  *out = b.p;
  return s;
}

/* ---- running ---- */

typedef struct run {
  const qn__script *p;
  qn__lanes *regs;
  const qn__view *views;
  qn_tensor *outputs;
} run;

static qn_status make_registers(qn_context *ctx, qn_arena *scratch, run *r, size_t lanes) {
  r->regs = qn__arena_array(scratch, r->p->num_regs, sizeof *r->regs);
  if (!r->regs) return qn_error_no_memory(ctx);
  for (uint32_t i = 0; i < r->p->num_regs; i++) {
    r->regs[i].p = qn__arena_array(scratch, lanes, sizeof(uint64_t));
    if (!r->regs[i].p) return qn_error_no_memory(ctx);
    if (r->p->is_constant[i]) qn__lanes_fill(r->regs[i], r->p->types[i], r->p->constants[i], lanes);
  }
  return QN_OK;
}

static void execute(const run *r, size_t lanes, size_t row) {
  for (uint32_t i = 0; i < r->p->num_insts; i++) {
    const qn__inst *inst = &r->p->insts[i];
    qn__lane_call call = {.n = lanes, .row = row, .from = inst->from, .to = inst->to, .imm = inst->imm};
    call.a = r->regs[inst->args[0]];
    call.b = r->regs[inst->args[1]];
    call.c = r->regs[inst->args[2]];
    call.y = r->regs[inst->y];
    inst->fn(&call);
    qn__lanes_fix(call.y, inst->to, lanes);
  }
}

/* Axes that every view walks as one are merged: *loops gets their sizes, views' strides are rewritten in place. */
static uint32_t merge_axes(const qn__shape *shape, qn__view *views, uint32_t n, int64_t *loops) {
  uint32_t k = 0;
  for (uint32_t d = 0; d < shape->rank; d++) {
    if (shape->size[d] == 1) continue;
    bool merge = k > 0;
    for (uint32_t v = 0; merge && v < n; v++) merge = views[v].stride[k - 1] == views[v].stride[d] * shape->size[d];
    if (!merge) loops[k++] = 1;
    loops[k - 1] *= shape->size[d];
    for (uint32_t v = 0; v < n; v++) views[v].stride[k - 1] = views[v].stride[d];
  }
  if (k > 0) return k;
  for (uint32_t v = 0; v < n; v++) views[v].stride[0] = 0;
  loops[0] = 1;
  return 1;
}

static void run_strips(const run *r, const int64_t *index, const int64_t *loops, uint32_t k, int64_t *done) {
  int64_t inner = loops[k - 1];
  for (int64_t at = 0; at < inner; at += STRIP) {
    size_t n = (size_t)(inner - at < STRIP ? inner - at : STRIP);
    for (uint32_t v = 0; v < r->p->num_args; v++) {
      int64_t stride = r->views[v].stride[k - 1];
      int64_t base = qn__view_offset(&r->views[v], index, k - 1) + at * stride;
      qn__lanes_load(r->regs[v], r->p->types[v], r->views[v].t, base, stride, n);
    }
    execute(r, n, n);
    for (uint32_t y = 0; y < r->p->num_yields; y++)
      qn__lanes_store(&r->outputs[y], *done, r->p->types[r->p->yields[y]], r->regs[r->p->yields[y]], n);
    *done += (int64_t)n;
  }
}

static qn_status run_map(qn_context *ctx, qn_arena *scratch, run *r, const qn__shape *shape) {
  int64_t loops[QN_MAX_RANK + 1], index[QN_MAX_RANK + 1] = {0}, done = 0;
  uint32_t n = r->p->num_args;
  qn__view *views = qn__arena_array(scratch, n, sizeof *views);
  if (!views) return qn_error_no_memory(ctx);
  for (uint32_t v = 0; v < n; v++) views[v] = r->views[v];
  r->views = views;
  uint32_t k = merge_axes(shape, views, n, loops);
  int64_t inner = loops[k - 1];
  qn_status s = make_registers(ctx, scratch, r, (size_t)(inner < STRIP ? inner : STRIP));
  if (s != QN_OK) return s;
  do run_strips(r, index, loops, k, &done);
  while (qn__next_index(index, loops, k - 1));
  return QN_OK;
}

/* A lane beyond an empty row keeps one value alive, so that what does not depend on the row is still computed. */
static void load_row(const run *r, uint32_t v, int64_t base, uint32_t last, size_t row) {
  int64_t stride = r->views[v].stride[last];
  size_t n = row == 0 && stride == 0 ? 1 : row;
  qn__lanes_load(r->regs[v], r->p->types[v], r->views[v].t, base, stride, n);
}

static qn_status run_rows(qn_context *ctx, qn_arena *scratch, run *r, const qn__shape *shape) {
  uint32_t last = shape->rank ? shape->rank - 1 : 0;
  int64_t row = shape->rank ? shape->size[last] : 1, index[QN_MAX_RANK] = {0}, at = 0;
  size_t lanes = row ? (size_t)row : 1;
  qn_status s = make_registers(ctx, scratch, r, lanes);
  if (s != QN_OK) return s;
  do {
    for (uint32_t v = 0; v < r->p->num_args; v++)
      load_row(r, v, qn__view_offset(&r->views[v], index, last), last, (size_t)row);
    execute(r, lanes, (size_t)row);
    for (uint32_t y = 0; y < r->p->num_yields; y++) {
      qn_tensor *t = &r->outputs[y];
      int64_t width = t->rank ? t->shape[t->rank - 1] : 1;
      qn__lanes_store(t, at * width, r->p->types[r->p->yields[y]], r->regs[r->p->yields[y]], (size_t)width);
    }
    at++;
  } while (qn__next_index(index, shape->size, last));
  return QN_OK;
}

qn_status qn__script_run(qn_context *ctx, qn_arena *scratch, const qn__script *p, const qn__shape *shape,
                         const qn__view *views, qn_tensor *outputs, bool rows) {
  run r = {.p = p, .views = views, .outputs = outputs};
  int64_t outer = 1;
  for (uint32_t d = 0; d + (rows ? 1 : 0) < shape->rank; d++) outer *= shape->size[d] != 0;
  if (outer == 0) return QN_OK;
  return rows ? run_rows(ctx, scratch, &r, shape) : run_map(ctx, scratch, &r, shape);
}
