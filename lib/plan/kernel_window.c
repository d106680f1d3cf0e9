/* Plans of windows over single channels, and of padding. */
#include "plan_util.h"
#include <stdio.h>

static qn_status plan_types(qn_module *m, qn_op op, const qn_isa *isa, qn_gemm_plan *g) {
  qn_context *ctx = qn_module_context(m);
  qn_str combine = qn_attr_as_string(m, qn_op_attr(m, op, "combine"));
  g->combine = qn_str_eq(combine, qn_str_of("dot"))   ? QN_COMBINE_DOT
               : qn_str_eq(combine, qn_str_of("max")) ? QN_COMBINE_MAX
                                                      : QN_COMBINE_SUM;
  g->a_mem = g->lhs = g->rhs = qn__mem_of(m, qn_op_operand(m, op, 0));
  g->acc = qn_type_memory(ctx, qn_attr_as_type(m, qn_op_attr(m, op, "acc")));
  g->y_mem = qn__mem_of(m, qn_op_result(m, op, 0));
  g->layout = (qn_layout){.plain = true, .k_block = 1};
  if (g->combine == QN_COMBINE_DOT) {
    g->rhs = qn__mem_of(m, qn_op_operand(m, op, 1));
    qn_attr layout = qn_op_attr(m, op, "layout");
    if (layout.id && !qn_layout_parse(qn_attr_as_string(m, layout), &g->layout))
      return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "no such layout");
  }
  bool whole = !qn__sub_byte(g->a_mem) && !qn__sub_byte(g->y_mem) && !qn__sub_byte(g->rhs);
  bool same = g->acc == g->a_mem && qn_scalar_get(g->acc)->bits >= 8;
  bool sums = qn_isa_gemm_layout(isa, g->lhs, g->rhs, g->acc) != NULL, real = g->acc == QN_F32 || g->acc == QN_F64;
  bool narrow = qn_scalar_is_float(g->acc) && !real;
  if (whole && !narrow && (g->combine == QN_COMBINE_DOT ? sums : same && (real || g->combine == QN_COMBINE_MAX)))
    return QN_OK;
  return qn_op_error(m, op, QN_DIAG_UNSUPPORTED,
                     "no kernel combines %s and %s into %s: products are ui8 by i8 and i16 by i16 into i32 or i64, f32 "
                     "by f32, f64 by f64; the largest is of whole bytes, sums of f32 or f64; convert with kern.pad",
                     qn_scalar_get(g->a_mem)->text, qn_scalar_get(g->rhs)->text, qn_scalar_get(g->acc)->text);
}

/* ---- tiles ---- */

static bool passes_on(const qn_tape *t) {
  const qn_tinst *i = &t->insts[t->outputs[0]];
  return i->op == QN_T_INPUT && i->a == 0;
}

static int64_t least(int64_t a, int64_t b) {
  return a < b ? a : b;
}

/* So many parts as even as can be of `all`, none above `most`. */
static int64_t even_part(int64_t all, int64_t most) {
  if (all < 1) return most;
  int64_t parts = (all + most - 1) / most;
  return (all + parts - 1) / parts;
}

/* The tile of assembly: of those that the registers hold the one that needs the fewest of them for nothing. Beside sums
 * they hold a line's weights and two columns, or what makes keys of floats. Weights are read less often by long tiles,
 * images that a second-level cache does not hold are read faster by wide ones, and large ones where nothing else takes
 * time. */
static void choose_text(const qn_isa *isa, qn_gemm_plan *g, int64_t channels, int64_t columns, bool far, bool narrow) {
  enum {
    REGISTERS = 32,
    KEPT = 4,
    MOST_VECTORS = 4,
    LONG_VECTORS = 2,
    MOST_PIXELS = 12,
    MOST_DOTS = 8,
    MOST_STEPS = 512,
    PAIRED = 32,
    FEW_SUMS = 8 /* which are divided while others are added up */
  };
  const qn_window *w = &g->shape;
  qn_window_tile *t = &g->tile;
  bool dot = g->combine == QN_COMBINE_DOT, doubles = g->a_mem == QN_F64 && g->acc == QN_F64;
  bool floats = doubles || (g->a_mem == QN_F32 && g->acc == QN_F32);
  bool bytes = g->combine == QN_COMBINE_MAX && narrow && qn_scalar_get(g->acc)->storage_bits == 8;
  if (!g->layout.plain) { /* of products of bytes */
    t->text_masks = channels <= 0 || channels % g->layout.panel_width;
    t->text_pairs = channels == PAIRED && g->layout.panel_width == PAIRED && w->stride[1] == 1;
  }
  if (isa->vector_bits != 512 || isa->num_registers < REGISTERS || !(floats || bytes) || (dot && g->rhs != g->a_mem))
    return;
  int64_t lanes = doubles ? t->lanes / 2 : t->lanes, widest = MOST_VECTORS;
  int64_t groups = channels > 0 ? (channels + lanes - 1) / lanes : MOST_VECTORS;
  if (dot && !(far && w->size[1] <= 3)) widest = LONG_VECTORS;
  double best = 0;
  for (int64_t v = 1; v <= least(groups, widest); v++) {
    int64_t most = (REGISTERS - KEPT - (dot ? w->size[1] * v : 0)) / v;
    most = far && g->combine == QN_COMBINE_MAX ? most : least(most, QN_WINDOW_SUMS / v);
    most = least(most, least(dot ? MOST_DOTS : MOST_PIXELS, MOST_STEPS / (w->size[1] * v)));
    if (doubles && g->combine == QN_COMBINE_SUM) most = least(most, FEW_SUMS / v);
    if (most < 1) continue;
    int64_t p = even_part(columns, most);
    double used = columns > 0 ? (double)columns / (double)((columns + p - 1) / p * p) : 1;
    double worth = far && dot ? (double)v : used * (double)(p * v);
    if (worth <= best) continue;
    best = worth;
    t->text_pixels = (uint32_t)p, t->text_vectors = (uint32_t)v;
    t->text_rest = (uint32_t)(channels > 0 ? (channels % (v * lanes) + lanes - 1) / lanes : v);
    t->text_masks = channels <= 0 || channels % lanes;
  }
}

/* Pixels that share columns and weights take registers from vectors of channels: more than these, or more columns than
 * there are bits, are not worth it. Where pixels of a line are known to be few, channels fill the registers. */
static void choose_tile(const qn_module *m, qn_op op, const qn_isa *isa, qn_gemm_plan *g) {
  enum { MOST_PIXELS = 8, MOST_COLUMNS = 62, MOST_VECTORS = 8, MOST_STEPS = 128, FAR_BYTES = 1 << 20 };
  const qn_window *w = &g->shape;
  const qn__pshape image = qn__pshape_of(m, qn_op_operand(m, op, 0));
  int64_t channels = image.size[3];
  int64_t columns = qn__pshape_of(m, qn_op_result(m, op, 0)).size[2];
  int64_t bits = qn_scalar_get(g->acc)->storage_bits, span = (w->size[1] - 1) * w->dilation[1] + 1;
  /* Bytes that nothing is computed of fill whole vectors. */
  bool narrow = bits < 32 && passes_on(&g->epilogue) && g->y_mem == g->acc;
  int64_t lanes = isa->vector_bits / (narrow ? bits : 32), registers = narrow || bits < 32 ? 1 : bits / 32;
  int64_t sums = (isa->num_registers >= 32 ? QN_WINDOW_SUMS : QN_WINDOW_SUMS / 2) / registers, pixels = MOST_PIXELS;
  qn_window_tile *t = &g->tile;
  pixels = even_part(columns, least(pixels, sums));
  while (pixels > 1 && (pixels - 1) * w->stride[1] + span > MOST_COLUMNS) pixels--;
  t->unrolled = span <= MOST_COLUMNS && w->size[1] * pixels <= MOST_STEPS;
  if (!t->unrolled) pixels = 1;
  int64_t vectors = least(sums / pixels, MOST_VECTORS);
  if (channels > 0) vectors = even_part((channels + lanes - 1) / lanes, vectors);
  t->pixels = (uint32_t)pixels, t->vectors = (uint32_t)vectors, t->lanes = (uint32_t)lanes;
  t->fits = channels < 0 || channels >= vectors * lanes;
  g->whole = channels >= 0 && channels % (vectors * lanes) == 0;
  bool known = channels > 0 && image.size[1] > 0 && image.size[2] > 0;
  bool far = known && (double)image.size[1] * (double)image.size[2] * (double)channels * 4 > FAR_BYTES;
  choose_text(isa, g, channels, columns, far, narrow);
}

/* The bits of what is below everything. */
static int64_t lowest(qn_scalar type) {
  return type == QN_F32 ? INT64_C(0xFF800000) : type == QN_F64 ? -(INT64_C(1) << 52) : qn_scalar_min(type);
}

qn_status qn__plan_window(qn_module *m, qn_op op, qn_arena *arena, qn_kernel_plan *out) {
  static const char *const names[] = {"dot", "max", "sum"};
  qn_gemm_plan *g = &out->u.gemm;
  qn_status s = plan_types(m, op, out->isa, g);
  uint32_t first = g->combine == QN_COMBINE_DOT ? 2 : 1, operands = qn_op_num_operands(m, op);
  if (!s && (operands < first || !qn_window_read(m, op, &g->shape)))
    s = qn_op_error(m, op, QN_DIAG_VERIFY, "has a window that no kernel can follow");
  g->window = true;
  g->rows = 1;
  g->border = qn_op_get_int(m, op, "border");
  if (!s && g->combine == QN_COMBINE_MAX) g->border = lowest(g->acc);
  if (!s) s = qn__plan_epilogue(m, op, 0, first, arena, g);
  if (s) return s;
  choose_tile(m, op, out->isa, g);
  char epi[80] = "";
  qn__plan_describe(m, qn_op_region(m, op, 0), true, epi, sizeof epi);
  snprintf(out->fused, sizeof out->fused, "%s %lldx%lld%s%s%s", names[g->combine], (long long)g->shape.size[0],
           (long long)g->shape.size[1], qn__window_pads(g) ? " padded" : "", epi[0] ? " | " : "", epi);
  return QN_OK;
}

static uint64_t steps_hash(const qn_window *w, uint64_t h) {
  h = qn__mix(h, (uint64_t)w->stride[0] | (uint64_t)w->stride[1] << 32);
  return qn__mix(h, (uint64_t)w->dilation[0] | (uint64_t)w->dilation[1] << 32);
}

uint64_t qn__pads_hash(const qn_gemm_plan *g, uint64_t h) {
  const qn_window *w = &g->shape;
  if (!qn__window_pads(g)) return h;
  h = qn__mix(h, (uint64_t)w->pads[0] | (uint64_t)w->pads[1] << 32);
  return qn__mix(steps_hash(w, h), (uint64_t)g->border + 1);
}

uint64_t qn__window_hash(const qn_gemm_plan *g, uint64_t h) {
  const qn_scalar types[] = {g->a_mem, g->rhs, g->acc, g->y_mem};
  for (int i = 0; i < 4; i++) h = qn__mix(h, (uint64_t)types[i]);
  h = qn__layout_hash(&g->layout, qn__mix(h, (uint64_t)g->combine));
  h = qn__mix(h, (uint64_t)g->shape.size[0] | (uint64_t)g->shape.size[1] << 32);
  h = qn__pads_hash(g, steps_hash(&g->shape, h));
  h = qn__mix(h, (uint64_t)g->tile.pixels | (uint64_t)g->tile.vectors << 8 | (uint64_t)g->tile.lanes << 16 |
                     (uint64_t)g->tile.unrolled << 32 | (uint64_t)g->tile.fits << 33 | (uint64_t)g->whole << 34 |
                     (uint64_t)g->tile.text_masks << 35 | (uint64_t)g->tile.text_vectors << 36 |
                     (uint64_t)g->tile.text_pixels << 44 | (uint64_t)g->tile.text_rest << 52 |
                     (uint64_t)g->tile.text_pairs << 63);
  h = qn__extras_hash(g->epilogue_extras, g->num_epilogue_extras, h);
  return qn__tape_hash(&g->epilogue, h);
}

/* ---- pad ---- */

/* Whether a register depends on input 0. */
static bool depends_on_x(const qn_tape *t, uint32_t reg, qn_arena *arena) {
  bool *seen = qn__arena_array(arena, t->num_insts, sizeof *seen);
  for (uint32_t i = 0; seen && i <= reg; i++) {
    const qn_tinst *x = &t->insts[i];
    uint32_t args[3] = {x->a, x->b, x->c};
    seen[i] = x->op == QN_T_INPUT && x->a == 0;
    for (uint32_t k = 0; k < qn__tape_ops[x->op].num_args && k < 3; k++)
      if (x->op != QN_T_INPUT && args[k] < i) seen[i] |= seen[args[k]];
  }
  return !seen || seen[reg];
}

qn_status qn__plan_pad(qn_module *m, qn_op op, qn_arena *arena, qn_kernel_plan *out) {
  qn_loop_plan *p = &out->u.loop;
  qn_context *ctx = qn_module_context(m);
  p->num_inputs = qn_op_num_operands(m, op);
  p->num_outputs = 1;
  qn_scalar *in = qn__arena_array(arena, p->num_inputs, sizeof *in);
  const qn_scalar y = qn__mem_of(m, qn_op_result(m, op, 0)), both[2] = {y, y};
  if (!in) return qn_error_no_memory(ctx);
  bool whole = !qn__sub_byte(y);
  for (uint32_t i = 0; i < p->num_inputs; i++) {
    in[i] = qn__mem_of(m, qn_op_operand(m, op, i));
    whole &= !qn__sub_byte(in[i]);
  }
  if (!whole) return qn_op_error(m, op, QN_DIAG_UNSUPPORTED, "pads elements that share bytes: widen them first");
  qn_status s = qn__tape_build(m, qn_op_region(m, op, 0), in, both, arena, &p->tape);
  if (s) return s;
  if (p->tape.num_inputs != p->num_inputs || p->tape.num_outputs != 2 || p->tape.num_stages != 1 ||
      depends_on_x(&p->tape, p->tape.outputs[1], arena))
    return qn_op_error(m, op, QN_DIAG_VERIFY,
                       "its body must yield what is inside and what the border is, the latter not from x");
  qn__plan_describe(m, qn_op_region(m, op, 0), false, out->fused, sizeof out->fused);
  return QN_OK;
}
