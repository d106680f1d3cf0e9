/* Plans of elementwise kernels and of row programs: which axes are one loop, and how each operand moves along it. */
#include "choice.h"
#include "plan_util.h"
#include <string.h>

/* How an operand moves along one axis of the iteration: not at all, or along its own axis `axis`. Where sizes could
 * still differ at run time, one of them being 1, that is not certain: the stride, maybe 0, is told at the call. */
typedef struct step {
  bool moves, certain;
  uint32_t axis;
} step;

typedef struct loop_builder {
  qn_module *m;
  qn_op op;
  qn_loop_plan *p;
  uint32_t num_operands;
  qn__pshape full;    /* iteration shape */
  qn__pshape *shapes; /* per operand, results last */
} loop_builder;

static bool is_row(const loop_builder *b) {
  return qn_op_kind_of(b->m, b->op) == QN_OP_ROW;
}

static qn_value operand(const loop_builder *b, uint32_t i) {
  return i < b->p->num_inputs ? qn_op_operand(b->m, b->op, i) : qn_op_result(b->m, b->op, i - b->p->num_inputs);
}

/* The operand's own axis for an axis of the iteration; -1 when it has none. */
static int32_t own_axis(const loop_builder *b, uint32_t i, uint32_t axis) {
  if (i < b->p->num_inputs && b->p->has_perm) axis = (uint32_t)b->p->perm[axis];
  return (int32_t)axis - (int32_t)(b->full.rank - b->shapes[i].rank);
}

/* Inputs of one size by their types: the same number, or the same name. */
static bool surely_equal(const qn__pshape *x, int32_t dx, const qn__pshape *y, int32_t dy) {
  if (x->size[dx] != QN_DYNAMIC || y->size[dy] != QN_DYNAMIC) return x->size[dx] == y->size[dy];
  return x->symbol[dx].id != 0 && x->symbol[dx].id == y->symbol[dy].id;
}

static step step_of(const loop_builder *b, uint32_t i, uint32_t axis) {
  int32_t d = own_axis(b, i, axis);
  if (d < 0 || b->shapes[i].size[d] == 1) return (step){false, true, 0};
  step s = {true, true, (uint32_t)d};
  for (uint32_t j = 0; i < b->p->num_inputs && j < b->p->num_inputs; j++) {
    int32_t e = own_axis(b, j, axis);
    if (j != i && e >= 0 && b->shapes[j].size[e] != 1 && !surely_equal(&b->shapes[i], d, &b->shapes[j], e))
      s.certain = false;
  }
  return s;
}

/* Elements between neighbours along an operand's axis; -1 when a size on the way is dynamic. */
static int64_t stride_of(const qn__pshape *s, uint32_t axis) {
  int64_t n = 1;
  for (uint32_t d = axis + 1; d < s->rank; d++) {
    if (s->size[d] < 0 || (s->size[d] && n > INT64_MAX / s->size[d])) return -1;
    n *= s->size[d];
  }
  return n;
}

/* The next axis of the operand with more than one element, after `axis`. */
static uint32_t next_axis(const qn__pshape *s, uint32_t axis) {
  do axis++;
  while (axis < s->rank && s->size[axis] == 1);
  return axis;
}

/* Whether loop over `outer` and loop over `inner` walk operand i like one loop. */
static bool merges(const loop_builder *b, uint32_t i, uint32_t outer, uint32_t inner) {
  step o = step_of(b, i, outer), n = step_of(b, i, inner);
  if (!o.moves || !n.moves) return o.moves == n.moves;
  if (!o.certain || !n.certain) return false;
  return next_axis(&b->shapes[i], o.axis) == n.axis;
}

static bool all_merge(const loop_builder *b, uint32_t outer, uint32_t inner) {
  for (uint32_t i = 0; i < b->num_operands; i++)
    if (!merges(b, i, outer, inner)) return false;
  return true;
}

/* Axes of size 1 cost nothing and belong to whichever loop is near. `last` is the axis that stands for each loop: its
 * innermost of more than one element. */
static void make_loops(loop_builder *b, uint32_t *last) {
  qn_loop_plan *p = b->p;
  uint32_t axes = b->full.rank, row_axis = is_row(b) ? axes - 1 : axes;
  bool open = false; /* the present loop has an axis of more than one element */
  p->num_loops = 0;
  for (uint32_t d = 0; d < row_axis; d++) {
    if (b->full.size[d] == 1) continue;
    if (open && all_merge(b, last[p->num_loops - 1], d)) {
      last[p->num_loops - 1] = d;
      continue;
    }
    p->first_axis[p->num_loops] = open ? d : 0;
    last[p->num_loops++] = d;
    open = true;
  }
  if (is_row(b)) {
    p->first_axis[p->num_loops] = open ? row_axis : 0;
    last[p->num_loops++] = row_axis;
  }
  p->first_axis[p->num_loops] = axes;
}

static qn_access access_of(const loop_builder *b, uint32_t i, uint32_t axis) {
  step s = step_of(b, i, axis);
  if (!s.moves) return QN_ACCESS_NONE;
  return s.certain && stride_of(&b->shapes[i], s.axis) == 1 ? QN_ACCESS_DENSE : QN_ACCESS_STRIDED;
}

/* Elements that share bytes are addressed byte by byte: a run of them has to start at one. */
static qn_status check_sub_byte(const loop_builder *b, uint32_t i, const uint32_t *last) {
  const qn_loop_plan *p = b->p;
  qn_scalar mem = qn__mem_of(b->m, operand(b, i));
  if (!qn__sub_byte(mem) || p->num_loops == 0) return QN_OK;
  int64_t per_byte = 8 / qn_scalar_get(mem)->storage_bits;
  bool good = p->access[i * p->num_loops + p->num_loops - 1] != QN_ACCESS_STRIDED;
  for (uint32_t d = 0; good && d + 1 < p->num_loops; d++) {
    step s = step_of(b, i, last[d]);
    int64_t stride = s.moves ? stride_of(&b->shapes[i], s.axis) : 0;
    good = stride >= 0 && stride % per_byte == 0;
  }
  if (good) return QN_OK;
  return qn_op_error(b->m, b->op, QN_DIAG_UNSUPPORTED,
                     "%s %u has elements of %s, which share bytes, and is not walked in order: convert it with a "
                     "kern.map of its own",
                     i < p->num_inputs ? "operand" : "result", i < p->num_inputs ? i : i - p->num_inputs,
                     qn_scalar_get(mem)->text);
}

static const char *slow_reason(const loop_builder *b) {
  const qn_loop_plan *p = b->p;
  if (qn__tiled_loop(p) != UINT32_MAX) return NULL;
  for (uint32_t i = 0; i < b->num_operands && p->num_loops; i++) {
    if (p->access[i * p->num_loops + p->num_loops - 1] == QN_ACCESS_STRIDED)
      return p->has_perm ? "the inner loop of the transposition reads with a stride"
                         : "sizes along the inner loop are not known to be equal: give dimensions one name";
  }
  return NULL;
}

static qn_status read_perm(loop_builder *b) {
  qn_loop_plan *p = b->p;
  uint32_t n = 0, seen = 0;
  for (uint32_t d = 0; d < QN_MAX_RANK; d++) p->perm[d] = d;
  const int64_t *perm = qn_attr_as_ints(b->m, qn_op_attr(b->m, b->op, "perm"), &n);
  if (!perm) return QN_OK;
  bool good = p->num_inputs == 1 && n == b->full.rank;
  for (uint32_t d = 0; good && d < n; d++) {
    good = perm[d] >= 0 && perm[d] < (int64_t)n && !(seen >> perm[d] & 1);
    if (good) seen |= 1u << perm[d];
  }
  if (!good) return qn_op_error(b->m, b->op, QN_DIAG_ATTRIBUTE, "perm is no permutation of the axes of a single input");
  for (uint32_t d = 0; d < n; d++) {
    p->has_perm |= perm[d] != (int64_t)d;
    p->perm[d] = perm[d];
  }
  return QN_OK;
}

/* The iteration shape: of the inputs together, in the order of the results; of the result where there is no input. */
static qn_status read_shapes(loop_builder *b, qn_arena *arena) {
  b->shapes = qn__arena_array(arena, b->num_operands, sizeof *b->shapes);
  if (!b->shapes) return qn_error_no_memory(qn_module_context(b->m));
  for (uint32_t i = 0; i < b->num_operands; i++) {
    b->shapes[i] = qn__pshape_of(b->m, operand(b, i));
    if (i < b->p->num_inputs || !is_row(b)) {
      if (i < b->p->num_inputs && qn_op_attr(b->m, b->op, "perm").id) continue;
      qn__pshape_join(&b->full, &b->shapes[i]);
    }
  }
  if (is_row(b) && b->full.rank == 0)
    return qn_op_error(b->m, b->op, QN_DIAG_SHAPE, "has no axis to go along: all inputs have rank 0");
  for (uint32_t i = 0; i < b->num_operands; i++)
    if (b->shapes[i].rank > b->full.rank)
      return qn_op_error(b->m, b->op, QN_DIAG_SHAPE, "operand or result %u has rank %u, more than the iteration's %u",
                         i, b->shapes[i].rank, b->full.rank);
  return read_perm(b);
}

static qn_status plan_tape(loop_builder *b, qn_arena *arena) {
  qn_loop_plan *p = b->p;
  qn_scalar *mem = qn__arena_array(arena, b->num_operands, sizeof *mem);
  if (!mem) return qn_error_no_memory(qn_module_context(b->m));
  for (uint32_t i = 0; i < b->num_operands; i++) mem[i] = qn__mem_of(b->m, operand(b, i));
  qn_status s = qn__tape_build(b->m, qn_op_region(b->m, b->op, 0), mem, mem + p->num_inputs, arena, &p->tape);
  if (s) return s;
  if (p->tape.num_inputs != p->num_inputs || p->tape.num_outputs != p->num_outputs)
    return qn_op_error(b->m, b->op, QN_DIAG_OPERAND_COUNT,
                       "the body has %u arguments and %u results, expected %u and %u", p->tape.num_inputs,
                       p->tape.num_outputs, p->num_inputs, p->num_outputs);
  if (p->tape.num_stages > 1 && !is_row(b))
    return qn_op_error(b->m, b->op, QN_DIAG_VERIFY, "the body of kern.map reduces over a row: use kern.row");
  return QN_OK;
}

/* Per output: one value per row. */
static qn_status read_reduced(loop_builder *b, qn_arena *arena) {
  qn_loop_plan *p = b->p;
  if (!is_row(b)) return QN_OK;
  p->reduced = qn__arena_array(arena, p->num_outputs, sizeof *p->reduced);
  if (!p->reduced) return qn_error_no_memory(qn_module_context(b->m));
  for (uint32_t i = 0; i < p->num_outputs; i++) {
    const qn__pshape *s = &b->shapes[p->num_inputs + i];
    p->reduced[i] = s->rank == 0 || s->size[s->rank - 1] == 1;
  }
  return QN_OK;
}

static qn_status choose(loop_builder *b, qn_kernel_plan *out) {
  qn_choice c;
  qn_status s = qn__choice_of_op(b->m, b->op, QN_TUNED_LOOP, &c, out->tuned, sizeof out->tuned);
  if (s) return s;
  b->p->read_ahead = (uint32_t)c.value[QN_CHOICE_READ_AHEAD];
  b->p->write_ahead = (uint32_t)c.value[QN_CHOICE_WRITE_AHEAD];
  b->p->far_ahead = (uint32_t)c.value[QN_CHOICE_FAR_AHEAD];
  b->p->row_ahead = (uint32_t)c.value[QN_CHOICE_ROW_AHEAD];
  return QN_OK;
}

qn_status qn__plan_loop(qn_module *m, qn_op op, qn_arena *arena, qn_kernel_plan *out) {
  qn_loop_plan *p = &out->u.loop;
  loop_builder b = {.m = m, .op = op, .p = p};
  uint32_t last[QN_MAX_RANK + 1];
  p->num_inputs = qn_op_num_operands(m, op);
  p->num_outputs = qn_op_num_results(m, op);
  b.num_operands = p->num_inputs + p->num_outputs;
  if (qn_op_num_regions(m, op) != 1 || p->num_outputs == 0)
    return qn_op_error(m, op, QN_DIAG_OPERAND_COUNT, "has no body or no result");
  qn_status s = read_shapes(&b, arena);
  if (!s) s = read_reduced(&b, arena);
  if (!s) s = plan_tape(&b, arena);
  if (s) return s;
  p->rank = b.full.rank;
  make_loops(&b, last);
  p->access = qn__arena_array(arena, (size_t)b.num_operands * (p->num_loops + 1), sizeof *p->access);
  if (!p->access) return qn_error_no_memory(qn_module_context(m));
  for (uint32_t i = 0; i < b.num_operands; i++)
    for (uint32_t d = 0; d < p->num_loops; d++) p->access[i * p->num_loops + d] = access_of(&b, i, last[d]);
  for (uint32_t i = 0; i < b.num_operands && !s; i++) s = check_sub_byte(&b, i, last);
  if (s) return s;
  s = choose(&b, out);
  if (s) return s;
  out->slow_reason = slow_reason(&b);
  size_t at = 0;
  if (p->has_perm) {
    memcpy(out->fused, "transpose", 10);
    at = 9;
  }
  qn__plan_describe(m, qn_op_region(m, op, 0), false, out->fused + at, sizeof out->fused - at);
  return QN_OK;
}

uint64_t qn__loop_hash(const qn_loop_plan *p, uint64_t h) {
  uint64_t counts = (uint64_t)p->num_loops | (uint64_t)p->num_inputs << 8 | (uint64_t)p->num_outputs << 32;
  h = qn__mix(h, counts | (uint64_t)p->has_perm << 24);
  for (uint32_t i = 0; i < (p->num_inputs + p->num_outputs) * p->num_loops; i++) h = qn__mix(h, (uint64_t)p->access[i]);
  for (uint32_t i = 0; p->reduced && i < p->num_outputs; i++) h = qn__mix(h, p->reduced[i]);
  h = qn__mix(h, (uint64_t)p->read_ahead | (uint64_t)p->write_ahead << 32);
  return qn__tape_hash(&p->tape, qn__mix(h, (uint64_t)p->row_ahead | (uint64_t)p->far_ahead << 32));
}
