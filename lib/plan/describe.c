/* What a region does, in a few words for people: inspect and comments in generated code. */
#include "plan_util.h"
#include <stdio.h>
#include <string.h>

/* Ops that are told by one word, in the order in which they stand. */
static const char *const words[QN_OP_KIND_COUNT] = {
    [QN_OP_ADDF] = "add",          [QN_OP_SUBF] = "sub",          [QN_OP_MULF] = "mul",
    [QN_OP_DIVF] = "div",          [QN_OP_ADDI] = "add",          [QN_OP_SUBI] = "sub",
    [QN_OP_MULI] = "mul",          [QN_OP_DIVSI] = "div",         [QN_OP_DIVUI] = "div",
    [QN_OP_MAXIMUMF] = "max",      [QN_OP_MINIMUMF] = "min",      [QN_OP_MAXSI] = "max",
    [QN_OP_MINSI] = "min",         [QN_OP_MAXUI] = "max",         [QN_OP_MINUI] = "min",
    [QN_OP_NEGF] = "neg",          [QN_OP_MATH_ABSF] = "abs",     [QN_OP_FMA] = "fma",
    [QN_OP_MATH_EXP] = "exp",      [QN_OP_MATH_LOG] = "log",      [QN_OP_MATH_SQRT] = "sqrt",
    [QN_OP_MATH_TANH] = "tanh",    [QN_OP_MATH_ERF] = "erf",      [QN_OP_MATH_SIGMOID] = "sigmoid",
    [QN_OP_MATH_GELU] = "gelu",    [QN_OP_MATH_ROUND] = "round",  [QN_OP_MATH_ROUNDEVEN] = "round",
    [QN_OP_MATH_FLOOR] = "floor",  [QN_OP_MATH_CEIL] = "ceil",    [QN_OP_ALL_MAX] = "row max",
    [QN_OP_ALL_MIN] = "row min",   [QN_OP_ALL_SUM] = "row sum",   [QN_OP_SELECT] = "select",
    [QN_OP_SITOFP] = "dequantize", [QN_OP_UITOFP] = "dequantize", [QN_OP_FPTOSI] = "to integer",
    [QN_OP_FPTOUI] = "to integer", [QN_OP_TRUNCF] = "convert",    [QN_OP_EXTF] = "convert",
    [QN_OP_XORI] = "bits",         [QN_OP_ANDI] = "bits",         [QN_OP_ORI] = "bits",
    [QN_OP_SHLI] = "shift",        [QN_OP_SHRSI] = "shift",       [QN_OP_SHRUI] = "shift",
};

typedef struct text {
  char *data;
  size_t size;
} text;

static bool contains(const char *list, const char *word) {
  size_t n = strlen(word);
  for (const char *at = list; (at = strstr(at, word)); at++)
    if ((at == list || at[-1] == ' ') && (at[n] == 0 || at[n] == ',')) return true;
  return false;
}

static void add(text *t, const char *word) {
  size_t at = strlen(t->data);
  /* What comes before the list (another part's words) is not ours to compare with. */
  if (contains(t->data, word) || at + strlen(word) + 3 > t->size) return;
  snprintf(t->data + at, t->size - at, "%s%s", at ? ", " : "", word);
}

static bool is_zero(const qn_module *m, qn_value v) {
  qn_op c = qn_value_op(m, v);
  if (qn_op_kind_of(m, c) != QN_OP_CONSTANT) return false;
  qn_attr a = qn_op_attr(m, c, "value");
  qn_attr_kind k = qn_attr_kind_of(m, a);
  return (k == QN_ATTR_FLOAT && qn_attr_as_float(m, a) == 0) || (k == QN_ATTR_INT && qn_attr_as_int(m, a) == 0);
}

static bool is_argument(const qn_module *m, qn_value v) {
  return qn_value_block(m, v).id != 0;
}

/* The op that rounds on the way into this conversion, or null. Through clamps and the selection that removes NaN. */
static qn_op rounding_before(const qn_module *m, qn_op convert) {
  qn_op op = convert;
  for (int i = 0; i < 8; i++) {
    uint32_t n = qn_op_num_operands(m, op);
    op = qn_value_op(m, qn_op_operand(m, op, qn_op_kind_of(m, op) == QN_OP_SELECT && n == 3 ? 2 : 0));
    qn_op_kind k = qn_op_kind_of(m, op);
    if (k == QN_OP_MATH_ROUNDEVEN || k == QN_OP_MATH_ROUND) return op;
    if (k != QN_OP_SELECT && k != QN_OP_MAXIMUMF && k != QN_OP_MINIMUMF) break;
  }
  return (qn_op){0};
}

/* How many of the ops before a rounding belong to the quantization: one clamp each way, the selection that removes NaN
 * with its comparison, a division. They are skipped in the list, from the rounding backwards. */
typedef struct quantization {
  qn_op part[8];
  uint32_t n;
} quantization;

static quantization parts_of(const qn_module *m, qn_op round) {
  quantization q = {.n = 0};
  bool had[QN_OP_KIND_COUNT] = {false};
  qn_op op = round;
  while (q.n < 7) {
    q.part[q.n++] = op;
    qn_op_kind k = qn_op_kind_of(m, op);
    if (k == QN_OP_SELECT) {
      q.part[q.n++] = qn_value_op(m, qn_op_operand(m, op, 0));
      qn_op other = qn_value_op(m, qn_op_operand(m, op, 2));
      op = qn_op_kind_of(m, other) == QN_OP_CONSTANT || !other.id ? qn_value_op(m, qn_op_operand(m, op, 1)) : other;
    } else {
      op = qn_value_op(m, qn_op_operand(m, op, 0));
    }
    k = qn_op_kind_of(m, op);
    bool goes_on = k == QN_OP_MAXIMUMF || k == QN_OP_MINIMUMF || k == QN_OP_SELECT;
    if (had[k] || (!goes_on && k != QN_OP_DIVF)) break;
    had[k] = true;
    if (k == QN_OP_DIVF) {
      q.part[q.n++] = op;
      break;
    }
  }
  return q;
}

static bool is_part(const quantization *q, qn_op op) {
  for (uint32_t i = 0; i < q->n; i++)
    if (q->part[i].id == op.id) return true;
  return false;
}

static const char *word_for(const qn_module *m, qn_op op, bool is_epilogue) {
  qn_op_kind k = qn_op_kind_of(m, op);
  qn_value b = qn_op_num_operands(m, op) > 1 ? qn_op_operand(m, op, 1) : (qn_value){0};
  qn_value a = qn_op_num_operands(m, op) > 0 ? qn_op_operand(m, op, 0) : (qn_value){0};
  if ((k == QN_OP_MAXIMUMF || k == QN_OP_MAXSI) && (is_zero(m, a) || is_zero(m, b))) return "relu";
  if (!is_epilogue) return words[k];
  bool takes_argument = is_argument(m, a) || is_argument(m, b);
  if (k == QN_OP_ADDI || k == QN_OP_SUBI) return takes_argument ? "bias" : NULL;
  if (k == QN_OP_ADDF && takes_argument) return "bias";
  if (k == QN_OP_MULF) return "scale";
  if (k == QN_OP_SITOFP || k == QN_OP_UITOFP) return NULL; /* told by "scale" */
  return words[k];
}

void qn__plan_describe(const qn_module *m, qn_block region, bool is_epilogue, char *data, size_t size) {
  quantization q = {.n = 0};
  qn_op convert = {0};
  bool from_int = is_epilogue;
  for (qn_op op = qn_block_first(m, region); op.id; op = qn_op_next(m, op)) {
    qn_op_kind k = qn_op_kind_of(m, op);
    if (k == QN_OP_SITOFP || k == QN_OP_UITOFP) from_int = true;
    qn_op round = k == QN_OP_FPTOSI || k == QN_OP_FPTOUI ? rounding_before(m, op) : (qn_op){0};
    if (!round.id) continue;
    q = parts_of(m, round);
    convert = op;
  }
  text t = {data, size};
  bool after = false;
  for (qn_op op = qn_block_first(m, region); op.id; op = qn_op_next(m, op)) {
    if (op.id == convert.id && convert.id) {
      add(&t, from_int ? "requantize" : "quantize");
      after = true;
      continue;
    }
    qn_op_kind k = qn_op_kind_of(m, op);
    /* The zero point and the last clamp, in integers. */
    if (is_part(&q, op) || (after && (k == QN_OP_ADDI || k == QN_OP_MAXSI || k == QN_OP_MINSI))) continue;
    const char *word = word_for(m, op, is_epilogue);
    if (word) add(&t, word);
  }
}
