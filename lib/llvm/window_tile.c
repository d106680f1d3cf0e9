/* The positions of the windows of a tile combined. The lines of the windows are gone through one by one; of a line
 * every column is loaded once and joins the sums of all pixels whose windows it is in, so that each sum takes positions
 * in ascending order. Columns and lines outside the image, and columns of pixels that the tile lacks, are read from a
 * copy of the border.
 *
 * The largest of floats is found among integers that are ordered as they are: one comparison each, which also knows
 * -0 from 0 and puts NaN above all. */
#include "window.h"
#include <stdio.h>

static bool is_float(const window_tile *t) {
  return qn_scalar_is_float(t->plan->acc);
}

static bool as_keys(const window_tile *t) {
  return t->plan->combine == QN_COMBINE_MAX && is_float(t);
}

static uint32_t acc_bits(const window_tile *t) {
  return qn__ll_mem_bits(t->plan->acc);
}

/* ---- floats as unsigned integers in their order: -inf is 0, NaN of either sign above inf ---- */

static uint64_t key_shift(uint32_t bits) {
  return bits == 64 ? 0x7FF0000000000001u : 0x7F800001u;
}

static LLVMTypeRef key_type(const window_tile *t) {
  return qn__ll_lanes(acc_bits(t) == 64 ? t->g->i64 : t->g->i32, t->lanes);
}

/* Positive numbers ascend with their bits, negative ones descend: `up` where the sign of `bits` is 0, else a constant
 * less `from`. */
static LLVMValueRef ordered(const window_tile *t, LLVMValueRef bits, LLVMValueRef up, LLVMValueRef from) {
  qn_ll *g = t->g;
  LLVMTypeRef type = LLVMTypeOf(bits);
  uint32_t n = acc_bits(t);
  LLVMValueRef top = qn__ll_bits(g, type, key_shift(n) + (UINT64_MAX >> (65 - n)));
  LLVMValueRef negative = LLVMBuildICmp(g->b, LLVMIntSLT, bits, LLVMConstNull(type), "");
  return LLVMBuildSelect(g->b, negative, LLVMBuildSub(g->b, top, from, ""), up, "");
}

static LLVMValueRef to_key(const window_tile *t, LLVMValueRef x) {
  qn_ll *g = t->g;
  LLVMTypeRef type = key_type(t);
  LLVMValueRef bits = LLVMBuildBitCast(g->b, x, type, "");
  return ordered(t, bits, LLVMBuildAdd(g->b, bits, qn__ll_bits(g, type, key_shift(acc_bits(t))), ""), bits);
}

static LLVMValueRef from_key(const window_tile *t, LLVMValueRef key) {
  qn_ll *g = t->g;
  LLVMTypeRef type = key_type(t);
  LLVMValueRef bits = LLVMBuildSub(g->b, key, qn__ll_bits(g, type, key_shift(acc_bits(t))), "");
  return LLVMBuildBitCast(g->b, ordered(t, bits, bits, key), qn__ll_lanes(t->acc, t->lanes), "");
}

/* ---- operands ---- */

static LLVMValueRef lane(const window_tile *t, uint32_t v) {
  return qn__ll_i64(t->g, (int64_t)v * t->lanes);
}

static LLVMValueRef widened(const window_tile *t, LLVMValueRef x, qn_scalar mem) {
  LLVMTypeRef type = qn__ll_lanes(t->acc, t->lanes);
  return qn__ll_mem_unsigned(mem) ? LLVMBuildZExt(t->g->b, x, type, "") : LLVMBuildSExt(t->g->b, x, type, "");
}

static LLVMValueRef element(const window_tile *t, LLVMValueRef at, uint32_t v) {
  const qn_ll_place p = {t->plan->a_mem, QN_ACCESS_DENSE, at, NULL};
  LLVMValueRef x = qn__ll_load(t->g, &p, lane(t, v), t->lanes, t->mask);
  if (as_keys(t)) return to_key(t, x);
  return t->plan->combine == QN_COMBINE_DOT && !is_float(t) ? widened(t, x, t->plan->a_mem) : x;
}

/* Weights of position `tap`, one of the k_block values that stand together for each channel of a panel. */
static LLVMValueRef packed_weight(const window_tile *t, LLVMValueRef tap, uint32_t v) {
  qn_ll *g = t->g;
  const qn_layout *l = &t->plan->layout;
  int64_t size = qn__ll_mem_bits(t->plan->rhs) / 8, kb = l->k_block;
  int64_t taps = t->plan->shape.size[0] * t->plan->shape.size[1], blocks = (taps + kb - 1) / kb;
  LLVMValueRef channel = qn__ll_add(g, t->channel, lane(t, v)), width = qn__ll_i64(g, l->panel_width);
  LLVMValueRef panel = LLVMBuildUDiv(g->b, channel, width, ""), block = LLVMBuildUDiv(g->b, tap, qn__ll_i64(g, kb), "");
  LLVMValueRef rest = qn__ll_sub(g, tap, qn__ll_mul(g, block, qn__ll_i64(g, kb)));
  block = qn__ll_add(g, qn__ll_mul(g, panel, qn__ll_i64(g, blocks)), block);
  LLVMValueRef at = qn__ll_mul(g, block, qn__ll_i64(g, kb * l->panel_width * size));
  at = qn__ll_add(g, at, qn__ll_mul(g, rest, qn__ll_i64(g, size)));
  const qn_ll_place p = {t->plan->rhs, kb == 1 ? QN_ACCESS_DENSE : QN_ACCESS_STRIDED, qn__ll_gep(g, t->weights, at),
                         qn__ll_i64(g, kb * size)};
  return qn__ll_load(g, &p, qn__ll_sub(g, channel, qn__ll_mul(g, panel, width)), t->lanes, t->mask);
}

/* Those of the tile's channels at a position, `dense` is where where they lie side by side. */
static void load_weights(const window_tile *t, LLVMValueRef dense, LLVMValueRef tap, LLVMValueRef *w) {
  const qn_ll_place p = {t->plan->rhs, QN_ACCESS_DENSE, dense, NULL};
  if (t->plan->combine != QN_COMBINE_DOT) return;
  for (uint32_t v = 0; v < t->vectors; v++) {
    w[v] = t->plan->layout.plain ? qn__ll_load(t->g, &p, lane(t, v), t->lanes, t->mask) : packed_weight(t, tap, v);
    if (!is_float(t)) w[v] = widened(t, w[v], t->plan->rhs);
  }
}

/* ---- combining ---- */

static LLVMValueRef first_value(const window_tile *t) {
  if (t->plan->combine != QN_COMBINE_MAX || is_float(t))
    return LLVMConstNull(as_keys(t) ? key_type(t) : qn__ll_lanes(t->acc, t->lanes));
  return qn__ll_bits(t->g, qn__ll_lanes(t->acc, t->lanes), (uint64_t)qn_scalar_min(t->plan->acc));
}

static void combine(window_tile *t, LLVMValueRef *sum, LLVMValueRef x, LLVMValueRef w) {
  qn_ll *g = t->g;
  const qn_gemm_plan *p = t->plan;
  if (p->combine == QN_COMBINE_MAX) {
    LLVMIntPredicate above = is_float(t) || qn__ll_mem_unsigned(p->acc) ? LLVMIntUGT : LLVMIntSGT;
    *sum = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, above, x, *sum, ""), x, *sum, "");
  } else if (p->combine == QN_COMBINE_SUM) {
    *sum = LLVMBuildFAdd(g->b, *sum, x, "");
  } else if (is_float(t)) {
    *sum = qn__ll_fma(g, x, w, *sum, p->acc == QN_F64, t->lanes);
  } else {
    *sum = qn__ll_add(g, *sum, qn__ll_mul(g, x, w));
  }
}

/* Before anything else is loaded, the sums are as they are now: LLVM would first load all columns of a line, of which
 * the registers hold few. */
static void settle(window_tile *t) {
  qn_ll *g = t->g;
  uint32_t n = t->pixels * t->vectors;
  if (!g->x86 || t->lanes * acc_bits(t) != g->isa->vector_bits) return; /* of one register each */
  LLVMTypeRef types[QN_WINDOW_SUMS], type = LLVMTypeOf(t->sums[0]);
  char constraints[QN_WINDOW_SUMS * 8 + 16];
  int at = 0;
  for (uint32_t i = 0; i < n; i++) types[i] = type, at += sprintf(constraints + at, "=%c,", g->masked ? 'v' : 'x');
  for (uint32_t i = 0; i < n; i++) at += sprintf(constraints + at, "%u,", i);
  at += sprintf(constraints + at, "~{memory}");
  LLVMTypeRef result = n == 1 ? type : LLVMStructTypeInContext(g->ctx, types, n, false);
  LLVMTypeRef signature = LLVMFunctionType(result, types, n, false);
  LLVMValueRef code =
      LLVMGetInlineAsm(signature, "", 0, constraints, (size_t)at, true, false, LLVMInlineAsmDialectATT, false);
  LLVMValueRef all = LLVMBuildCall2(g->b, signature, code, t->sums, n, "");
  for (uint32_t i = 0; i < n; i++) t->sums[i] = n == 1 ? all : LLVMBuildExtractValue(g->b, all, i, "");
}

/* A line of the windows: where it begins, whether it is in the image, its columns that may be read, as bits, its first
 * position and the weights of that, and bytes from those of one to those of the next. */
typedef struct line {
  LLVMValueRef at, exists, readable, tap, weights, pitch;
} line;

/* The position of the window of pixel `p` that column `c` is; -1: none. */
static int64_t position_of(const window_tile *t, uint32_t p, int64_t c) {
  const qn_window *w = &t->plan->shape;
  int64_t at = c - (int64_t)p * w->stride[1];
  return at >= 0 && at % w->dilation[1] == 0 && at / w->dilation[1] < w->size[1] ? at / w->dilation[1] : -1;
}

/* Column `c` of the line as far as anyone sees it. Weights of the line that were loaded stand in `w`. */
static void one_column(window_tile *t, line *l, int64_t c, LLVMValueRef *w) {
  qn_ll *g = t->g;
  LLVMValueRef x[QN_WINDOW_SUMS] = {NULL};
  /* Pixels from the last one on, whose position comes first: weights are loaded in their order. */
  for (uint32_t p = t->pixels; p-- > 0;) {
    int64_t j = position_of(t, p, c);
    if (j < 0) continue;
    if (!x[0]) {
      LLVMValueRef bit = c ? LLVMBuildLShr(g->b, l->readable, qn__ll_i64(g, c), "") : l->readable;
      bit = LLVMBuildTrunc(g->b, bit, g->i1, "");
      LLVMValueRef from = LLVMBuildSelect(g->b, bit, l->at, t->outside, "");
      for (uint32_t v = 0; v < t->vectors; v++) x[v] = element(t, from, v);
    }
    LLVMValueRef *known = &w[j * t->vectors];
    if (t->plan->combine == QN_COMBINE_DOT && !known[0]) {
      load_weights(t, l->weights, qn__ll_add(g, l->tap, qn__ll_i64(g, j)), known);
      l->weights = qn__ll_gep(g, l->weights, l->pitch);
    }
    for (uint32_t v = 0; v < t->vectors; v++) combine(t, qn__window_sum(t, p, v), x[v], known[v]);
  }
  if (x[0]) settle(t);
}

static void one_line(window_tile *t, line l) {
  const qn_window *w = &t->plan->shape;
  int64_t columns = (t->pixels - 1) * w->stride[1] + (w->size[1] - 1) * w->dilation[1] + 1;
  LLVMValueRef *weights = qn__ll_values(t->g, (size_t)w->size[1] * t->vectors);
  if (!weights) return;
  for (int64_t c = 0; c < columns; c++) {
    one_column(t, &l, c, weights);
    l.at = qn__ll_gep(t->g, l.at, t->column);
  }
}

/* The same of one pixel, where there are too many columns for that: position after position. */
static void long_line(window_tile *t, line l) {
  qn_ll *g = t->g;
  const qn_window *w = &t->plan->shape;
  uint32_t n = t->vectors;
  bool pads = qn__window_pads(t->plan);
  LLVMValueRef carried[QN_WINDOW_SUMS + 3], weights[QN_WINDOW_SUMS] = {NULL};
  qn_ll_for f;
  for (uint32_t i = 0; i < n; i++) carried[i] = t->sums[i];
  carried[n] = l.at, carried[n + 1] = l.weights, carried[n + 2] = t->left;
  qn__ll_do_begin(g, &f, qn__ll_i64(g, 0), qn__ll_i64(g, w->size[1]), 1, n + (pads ? 3 : 2), carried);
  LLVMValueRef from = carried[n];
  if (pads) {
    LLVMValueRef inside = LLVMBuildICmp(g->b, LLVMIntULT, carried[n + 2], t->size[13], "");
    inside = LLVMBuildAnd(g->b, inside, l.exists, "");
    from = LLVMBuildSelect(g->b, inside, from, t->outside, "");
    carried[n + 2] = qn__ll_add(g, carried[n + 2], qn__ll_i64(g, w->dilation[1]));
  }
  load_weights(t, carried[n + 1], qn__ll_add(g, l.tap, f.i), weights);
  for (uint32_t v = 0; v < n; v++) combine(t, &carried[v], element(t, from, v), weights[v]);
  carried[n] = qn__ll_gep(g, carried[n], t->size[11]);
  carried[n + 1] = qn__ll_gep(g, carried[n + 1], l.pitch);
  qn__ll_for_end(g, &f, carried);
  for (uint32_t i = 0; i < n; i++) t->sums[i] = carried[i];
}

void qn__ll_window_tile(window_tile *t) {
  qn_ll *g = t->g;
  const qn_window *w = &t->plan->shape;
  uint32_t n = t->pixels * t->vectors;
  bool pads = qn__window_pads(t->plan);
  LLVMValueRef carried[QN_WINDOW_SUMS + 3], zero = qn__ll_i64(g, 0);
  LLVMValueRef element_bytes = qn__ll_i64(g, qn__ll_mem_bits(t->plan->a_mem) / 8);
  LLVMValueRef weight_bytes = qn__ll_i64(g, qn__ll_mem_bits(t->plan->rhs) / 8);
  LLVMValueRef pitch = qn__ll_mul(g, t->size[1], weight_bytes);
  LLVMValueRef line_pitch = qn__ll_mul(g, pitch, qn__ll_i64(g, w->size[1]));
  for (uint32_t i = 0; i < n; i++) carried[i] = first_value(t);
  carried[n] = qn__ll_gep(g, t->from, qn__ll_mul(g, t->channel, element_bytes));
  carried[n + 1] = qn__ll_gep(g, t->weights, qn__ll_mul(g, t->channel, weight_bytes));
  carried[n + 2] = t->top;
  qn_ll_for f;
  qn__ll_do_begin(g, &f, zero, qn__ll_i64(g, w->size[0]), 1, n + (pads ? 3 : 2), carried);
  for (uint32_t i = 0; i < n; i++) t->sums[i] = carried[i];
  line l = {.at = carried[n], .readable = t->readable, .weights = carried[n + 1], .pitch = pitch};
  l.tap = qn__ll_mul(g, f.i, qn__ll_i64(g, w->size[1]));
  if (pads) {
    l.exists = LLVMBuildICmp(g->b, LLVMIntULT, carried[n + 2], t->size[12], "");
    if (l.readable) l.readable = LLVMBuildSelect(g->b, l.exists, l.readable, zero, "");
    carried[n + 2] = qn__ll_add(g, carried[n + 2], qn__ll_i64(g, w->dilation[0]));
  }
  (t->readable ? one_line : long_line)(t, l);
  for (uint32_t i = 0; i < n; i++) carried[i] = t->sums[i];
  carried[n] = qn__ll_gep(g, carried[n], t->size[10]);
  carried[n + 1] = qn__ll_gep(g, carried[n + 1], line_pitch);
  qn__ll_for_end(g, &f, carried);
  for (uint32_t i = 0; i < n; i++) t->sums[i] = as_keys(t) ? from_key(t, carried[i]) : carried[i];
}
