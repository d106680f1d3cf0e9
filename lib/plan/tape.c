/* From a region to a tape: one handler per op kind, then dead code out and stages in. */
#include "fpenv.h"
#include "recipe.h"
#include "tape_builder.h"

typedef struct entry {
  qn__tape_handler fn;
  unsigned param;
} entry;

static const entry entries[QN_OP_KIND_COUNT] = {
    [QN_OP_CONSTANT] = {qn__tape_constant, 0},
    [QN_OP_ADDI] = {qn__tape_int_binary, QN_T_IADD},
    [QN_OP_SUBI] = {qn__tape_int_binary, QN_T_ISUB},
    [QN_OP_MULI] = {qn__tape_int_binary, QN_T_IMUL},
    [QN_OP_DIVSI] = {qn__tape_int_binary, QN_T_SDIV},
    [QN_OP_DIVUI] = {qn__tape_int_binary, QN_T_UDIV},
    [QN_OP_ANDI] = {qn__tape_int_binary, QN_T_AND},
    [QN_OP_ORI] = {qn__tape_int_binary, QN_T_OR},
    [QN_OP_XORI] = {qn__tape_int_binary, QN_T_XOR},
    [QN_OP_SHLI] = {qn__tape_int_binary, QN_T_SHL},
    [QN_OP_SHRSI] = {qn__tape_int_binary, QN_T_SHRS},
    [QN_OP_SHRUI] = {qn__tape_int_binary, QN_T_SHRU},
    [QN_OP_MAXSI] = {qn__tape_int_binary, QN_T_SMAX},
    [QN_OP_MINSI] = {qn__tape_int_binary, QN_T_SMIN},
    [QN_OP_MAXUI] = {qn__tape_int_binary, QN_T_UMAX},
    [QN_OP_MINUI] = {qn__tape_int_binary, QN_T_UMIN},
    [QN_OP_ADDF] = {qn__tape_float_binary, QN_T_FADD},
    [QN_OP_SUBF] = {qn__tape_float_binary, QN_T_FSUB},
    [QN_OP_MULF] = {qn__tape_float_binary, QN_T_FMUL},
    [QN_OP_DIVF] = {qn__tape_float_binary, QN_T_FDIV},
    [QN_OP_MAXIMUMF] = {qn__tape_float_binary, QN_T_FMAX},
    [QN_OP_MINIMUMF] = {qn__tape_float_binary, QN_T_FMIN},
    [QN_OP_NEGF] = {qn__tape_sign, 0},
    [QN_OP_CMPI] = {qn__tape_cmpi, 0},
    [QN_OP_CMPF] = {qn__tape_cmpf, 0},
    [QN_OP_SELECT] = {qn__tape_select, 0},
    [QN_OP_EXTSI] = {qn__tape_extend, QN_T_SEXT},
    [QN_OP_EXTUI] = {qn__tape_extend, QN_T_ZEXT},
    [QN_OP_TRUNCI] = {qn__tape_trunci, 0},
    [QN_OP_SITOFP] = {qn__tape_int_to_float, QN_T_SITOFP},
    [QN_OP_UITOFP] = {qn__tape_int_to_float, QN_T_UITOFP},
    [QN_OP_FPTOSI] = {qn__tape_float_to_int, QN_T_FPTOSI},
    [QN_OP_FPTOUI] = {qn__tape_float_to_int, QN_T_FPTOUI},
    [QN_OP_EXTF] = {qn__tape_convert_float, 0},
    [QN_OP_TRUNCF] = {qn__tape_convert_float, 0},
    [QN_OP_BITCAST] = {qn__tape_bitcast, 0},
    [QN_OP_FMA] = {qn__tape_fma, 0},
    [QN_OP_MATH_EXP] = {qn__tape_elementary, QN__RECIPE_EXP},
    [QN_OP_MATH_LOG] = {qn__tape_elementary, QN__RECIPE_LOG},
    [QN_OP_MATH_SQRT] = {qn__tape_float_unary, QN_T_FSQRT},
    [QN_OP_MATH_TANH] = {qn__tape_elementary, QN__RECIPE_TANH},
    [QN_OP_MATH_ERF] = {qn__tape_elementary, QN__RECIPE_ERF},
    [QN_OP_MATH_SIGMOID] = {qn__tape_elementary, QN__RECIPE_SIGMOID},
    [QN_OP_MATH_GELU] = {qn__tape_elementary, QN__RECIPE_GELU},
    [QN_OP_MATH_ROUNDEVEN] = {qn__tape_float_unary, QN_T_FROUND},
    [QN_OP_MATH_ROUND] = {qn__tape_float_unary, QN_T_COUNT},
    [QN_OP_MATH_FLOOR] = {qn__tape_float_unary, QN_T_FFLOOR},
    [QN_OP_MATH_CEIL] = {qn__tape_float_unary, QN_T_FCEIL},
    [QN_OP_MATH_ABSF] = {qn__tape_sign, 1},
    [QN_OP_ALL_MAX] = {qn__tape_all, 0},
    [QN_OP_ALL_MIN] = {qn__tape_all, 1},
    [QN_OP_ALL_SUM] = {qn__tape_all, 2},
};

qn_status qn__tb_unsupported(qn__tb *tb, const char *why) {
  qn_str name = qn_op_name(tb->m, tb->op);
  return qn_op_error(tb->m, tb->op, QN_DIAG_UNSUPPORTED, "'%.*s' cannot be compiled here: %s", (int)name.size,
                     name.data, why);
}

static qn__tval value_of(qn__tb *tb, qn_value v) {
  uint32_t at = qn__idmap_get(&tb->value_of, v.id);
  return at ? tb->values.data[at - 1] : (qn__tval){0, QN_SCALAR_NONE};
}

qn__tval qn__tb_operand(qn__tb *tb, uint32_t i) {
  return value_of(tb, qn_op_operand(tb->m, tb->op, i));
}

static void define(qn__tb *tb, qn_value v, qn__tval t) {
  if (!qn__push(tb->allocator, &tb->values, t) || !qn__idmap_set(tb->allocator, &tb->value_of, v.id, tb->values.size))
    tb->failed = true;
}

/* The scalar that a region value of this type is. */
static qn_scalar scalar_of(const qn__tb *tb, qn_value v) {
  return qn_type_memory(tb->ctx, qn_value_type(tb->m, v));
}

/* Same width and both floats or both not: what memory and region may call one element. */
static bool fits(qn_scalar a, qn_scalar b) {
  return a == b || (qn_scalar_get(a)->bits == qn_scalar_get(b)->bits && !qn_scalar_is_float(a) &&
                    !qn_scalar_is_float(b) && a != QN_SCALAR_NONE);
}

static qn_status add_arguments(qn__tb *tb, qn_block block, qn_tape *t, const qn_scalar *mem, qn_arena *arena) {
  uint32_t n = qn_block_num_args(tb->m, block);
  t->num_inputs = n;
  t->input_mem = qn__arena_array(arena, n, sizeof *t->input_mem);
  if (!t->input_mem) return qn_error_no_memory(tb->ctx);
  tb->input_mem = t->input_mem;
  for (uint32_t i = 0; i < n; i++) {
    qn_value v = qn_block_arg(tb->m, block, i);
    qn_scalar type = scalar_of(tb, v);
    t->input_mem[i] = mem ? mem[i] : type;
    if (type == QN_SCALAR_NONE || !fits(type, t->input_mem[i]))
      return qn_op_error(tb->m, qn_block_op(tb->m, block), QN_DIAG_TYPE_MISMATCH,
                         "region argument %u has type %s, its operand has elements of type %s", i,
                         qn_scalar_get(type)->text, qn_scalar_get(t->input_mem[i])->text);
    define(tb, v,
           (qn__tval){
               qn__tb_append(tb, (qn_tinst){.op = QN_T_INPUT, .type = (uint8_t)qn__tape_reg(t->input_mem[i]), .a = i}),
               type});
  }
  return QN_OK;
}

static qn_status check_operands(qn__tb *tb) {
  for (uint32_t i = 0; i < qn_op_num_operands(tb->m, tb->op); i++)
    if (qn__tb_operand(tb, i).type == QN_SCALAR_NONE)
      return qn__tb_unsupported(tb, "an operand is defined outside the region");
  return QN_OK;
}

static qn_status add_op(qn__tb *tb, qn_op op) {
  const entry *e = &entries[qn_op_kind_of(tb->m, op)];
  tb->op = op;
  if (tb->failed) return qn_error_no_memory(tb->ctx);
  if (!e->fn || qn_op_num_results(tb->m, op) != 1) return qn__tb_unsupported(tb, "regions of kernels do not have it");
  qn_status s = check_operands(tb);
  qn_value v = qn_op_result(tb->m, op, 0);
  qn__tval result = {0, scalar_of(tb, v)};
  if (!s && result.type == QN_SCALAR_NONE) s = qn__tb_unsupported(tb, "its result is no scalar");
  if (!s && !tb->failed) s = e->fn(tb, e->param, &result);
  if (!s) define(tb, v, result);
  return s;
}

static qn_status add_outputs(qn__tb *tb, qn_op yield, qn_tape *t, const qn_scalar *mem, qn_arena *arena) {
  uint32_t n = qn_op_num_operands(tb->m, yield);
  tb->op = yield;
  if (tb->failed) return qn_error_no_memory(tb->ctx);
  qn_status s = check_operands(tb);
  if (s) return s;
  t->num_outputs = n;
  t->outputs = qn__arena_array(arena, n, sizeof *t->outputs);
  t->output_mem = qn__arena_array(arena, n, sizeof *t->output_mem);
  if (!t->outputs || !t->output_mem) return qn_error_no_memory(tb->ctx);
  for (uint32_t i = 0; i < n; i++) {
    qn__tval v = qn__tb_operand(tb, i);
    t->outputs[i] = v.reg;
    t->output_mem[i] = mem ? mem[i] : v.type;
    if (!fits(v.type, t->output_mem[i]))
      return qn_op_error(tb->m, yield, QN_DIAG_TYPE_MISMATCH, "yields %s where the result has elements of type %s",
                         qn_scalar_get(v.type)->text, qn_scalar_get(t->output_mem[i])->text);
  }
  return QN_OK;
}

static bool is_reduction(const qn_tinst *i) {
  return i->op >= QN_T_ALL_FMAX;
}

static uint32_t operand_of(const qn_tinst *i, uint32_t k) {
  return k == 0 ? i->a : k == 1 ? i->b : i->c;
}

/* Keeps what outputs need, in order, and counts for each instruction the reductions before it. */
static qn_status finish(qn__tb *tb, qn_tape *t, qn_arena *arena) {
  uint32_t n = tb->insts.size, kept = 0;
  uint32_t *to = qn__arena_array(arena, n, sizeof *to); /* 0: dead; new register + 1 */
  if (!to) return qn_error_no_memory(tb->ctx);
  for (uint32_t i = 0; i < t->num_outputs; i++) to[t->outputs[i]] = 1;
  for (uint32_t i = n; i-- > 0;)
    for (uint32_t k = 0; to[i] && k < qn__tape_ops[tb->insts.data[i].op].num_args; k++)
      to[operand_of(&tb->insts.data[i], k)] = 1;
  for (uint32_t i = 0; i < n; i++) kept += to[i];
  t->insts = qn__arena_array(arena, kept, sizeof *t->insts);
  t->ranges = qn__arena_array(arena, kept, sizeof *t->ranges);
  if (!t->insts || !t->ranges) return qn_error_no_memory(tb->ctx);
  t->num_stages = 1;
  for (uint32_t i = 0; i < n; i++) {
    if (!to[i]) continue;
    qn_tinst x = tb->insts.data[i];
    uint32_t args = qn__tape_ops[x.op].num_args, stage = 0;
    for (uint32_t k = 0; k < args; k++) {
      uint32_t r = to[operand_of(&x, k)] - 1, after = t->insts[r].stage + (is_reduction(&t->insts[r]) ? 1u : 0u);
      if (after > stage) stage = after;
      *(k == 0 ? &x.a : k == 1 ? &x.b : &x.c) = r;
    }
    if (stage > UINT8_MAX - 1) return qn_op_error(tb->m, tb->op, QN_DIAG_LIMIT, "more than 254 reductions in sequence");
    x.stage = (uint8_t)stage;
    if (is_reduction(&x) && stage + 2 > t->num_stages) t->num_stages = stage + 2;
    t->insts[t->num_insts] = x;
    t->ranges[t->num_insts] = qn__tb_range(tb, i);
    to[i] = ++t->num_insts;
  }
  for (uint32_t i = 0; i < t->num_outputs; i++) t->outputs[i] = to[t->outputs[i]] - 1;
  return QN_OK;
}

static qn_status build(qn__tb *tb, qn_block block, const qn_scalar *input_mem, const qn_scalar *output_mem,
                       qn_arena *arena, qn_tape *out) {
  qn_op last = qn_block_last(tb->m, block);
  qn_status s = add_arguments(tb, block, out, input_mem, arena);
  for (qn_op op = qn_block_first(tb->m, block); !s && op.id && op.id != last.id; op = qn_op_next(tb->m, op))
    s = add_op(tb, op);
  if (s) return s;
  tb->op = last;
  if (qn_op_kind_of(tb->m, last) != QN_OP_YIELD)
    return qn_op_error(tb->m, qn_block_op(tb->m, block), QN_DIAG_VERIFY, "the region does not end in kern.yield");
  s = add_outputs(tb, last, out, output_mem, arena);
  if (!s && tb->failed) s = qn_error_no_memory(tb->ctx);
  return s ? s : finish(tb, out, arena);
}

qn_status qn__tape_build(qn_module *m, qn_block block, const qn_scalar *input_mem, const qn_scalar *output_mem,
                         qn_arena *arena, qn_tape *out) {
  qn__tb tb;
  qn__tb_init(&tb, m);
  *out = (qn_tape){0};
  qn_fp_env saved = qn__fp_enter(); /* ranges are computed in floating point */
  qn_status s = build(&tb, block, input_mem, output_mem, arena, out);
  qn__fp_leave(saved);
  qn__tb_free(&tb);
  return s;
}
