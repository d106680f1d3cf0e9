/* WINDOW: the positions of a window combined one channel at a time, many pixels and channels at once (window_tile.c).
 * What the epilogue computes of the sums is done while they are in registers where that is little, else for one pixel
 * after the other. Of floats and bytes all of it but long epilogues is assembly on rows with AVX-512 (window_text.c,
 * depthwise.c). */
#include "window.h"
#include "tile.h"

enum { SHORT_EPILOGUE = 8, LINE_BITS = 512 };

typedef struct window_state {
  window_tile tile;
  qn_tape tape;
  qn_ll_region region[QN_WINDOW_SUMS];
  qn_ll_place *places;
  LLVMValueRef *extra, *pitch;
  LLVMValueRef parked;   /* memory for sums, where the epilogue is long */
  LLVMValueRef epilogue; /* of them; null where it is written for each vector */
} window_state;

/* ---- results ---- */

/* What does not vary by lane is computed in the first region only. */
static void share(window_state *s, uint8_t vary, uint32_t count) {
  for (uint32_t v = 1; v < count; v++)
    for (uint32_t i = 0; i < s->tape.num_insts; i++)
      if (s->region[0].vary[i] == vary) s->region[v].v[i] = s->region[0].v[i];
}

static void place_extras(window_state *s, LLVMValueRef row) {
  const qn_gemm_plan *p = s->tile.plan;
  for (uint32_t i = 0; i < p->num_epilogue_extras; i++) {
    const qn_extra *x = &p->epilogue_extras[i];
    LLVMValueRef base = s->extra[i];
    if (x->by_row && row) base = qn__ll_gep(s->tile.g, base, qn__ll_mul(s->tile.g, row, s->pitch[i]));
    s->places[1 + i] = (qn_ll_place){x->mem, x->by_col ? QN_ACCESS_DENSE : QN_ACCESS_NONE, base, NULL};
  }
}

static void load_lanes(window_state *s, uint8_t vary, uint32_t v) {
  const window_tile *t = &s->tile;
  LLVMValueRef at = qn__ll_add(t->g, t->channel, qn__ll_i64(t->g, (int64_t)v * t->lanes));
  qn__ll_region_load(&s->region[v], vary, s->places, at, t->lanes, t->mask);
}

static void store_pixel(window_state *s, LLVMValueRef row, LLVMValueRef *sums) {
  window_tile *t = &s->tile;
  qn_ll *g = t->g;
  const uint8_t both = QN_LL_BY_ROW | QN_LL_BY_LANE;
  LLVMValueRef y = qn__ll_gep(g, t->y, qn__ll_mul(g, row, t->y_pitch));
  const qn_ll_place to = {t->plan->y_mem, QN_ACCESS_DENSE, y, NULL};
  place_extras(s, row);
  qn__ll_region_load(&s->region[0], QN_LL_BY_ROW, s->places, t->channel, 1, NULL);
  qn__ll_region_emit(&s->region[0], QN_LL_BY_ROW, 0, 0, 1);
  share(s, QN_LL_BY_ROW, t->vectors);
  for (uint32_t v = 0; v < t->vectors; v++) {
    load_lanes(s, both, v);
    qn__ll_region_set_input(&s->region[v], 0, sums[v]);
    qn__ll_region_emit(&s->region[v], both, 0, 0, t->lanes);
    LLVMValueRef at = qn__ll_add(g, t->channel, qn__ll_i64(g, (int64_t)v * t->lanes));
    qn__ll_region_store(&s->region[v], 0, &to, at, t->lanes, t->mask);
  }
}

static void by_channel(window_state *s) {
  place_extras(s, NULL);
  for (uint32_t v = 0; v < s->tile.vectors; v++) {
    load_lanes(s, QN_LL_BY_LANE, v);
    qn__ll_region_emit(&s->region[v], QN_LL_BY_LANE, 0, 0, s->tile.lanes);
  }
}

/* All pixels of the tile that exist, from registers. */
static void store_now(window_state *s) {
  window_tile *t = &s->tile;
  qn_ll *g = t->g;
  for (uint32_t p = 0; p < t->pixels; p++) {
    qn_ll_if f;
    LLVMValueRef at = qn__ll_i64(g, p);
    if (p) qn__ll_if_begin(g, &f, LLVMBuildICmp(g->b, LLVMIntSGT, t->count, at, ""));
    store_pixel(s, qn__ll_add(g, t->row, at), qn__window_sum(t, p, 0));
    if (p) qn__ll_if_end(g, &f);
  }
}

static void store_parked(window_state *s) {
  window_tile *t = &s->tile;
  qn_ll *g = t->g;
  LLVMValueRef sums[QN_WINDOW_SUMS];
  const qn_ll_place all = {t->plan->acc, QN_ACCESS_DENSE, s->parked, NULL};
  for (uint32_t i = 0; i < t->pixels * t->vectors; i++)
    qn__ll_store(g, &all, qn__ll_i64(g, (int64_t)i * t->lanes), t->lanes, NULL, t->sums[i]);
  if (s->epilogue) {
    LLVMValueRef width = qn__ll_i64(g, (int64_t)t->vectors * t->lanes);
    qn__ll_epilogue_rows(g, s->epilogue, s->parked, t->row, t->count, t->channel, width);
    return;
  }
  qn_ll_for f;
  qn__ll_do_begin(g, &f, qn__ll_i64(g, 0), t->count, 1, 0, NULL);
  LLVMValueRef first = qn__ll_mul(g, f.i, qn__ll_i64(g, (int64_t)t->vectors * t->lanes));
  for (uint32_t v = 0; v < t->vectors; v++)
    sums[v] = qn__ll_load(g, &all, qn__ll_add(g, first, qn__ll_i64(g, (int64_t)v * t->lanes)), t->lanes, NULL);
  store_pixel(s, qn__ll_add(g, t->row, f.i), sums);
  qn__ll_for_end(g, &f, NULL);
}

static void one_tile(window_state *s) {
  by_channel(s);
  qn__ll_window_tile(&s->tile);
  (s->parked ? store_parked : store_now)(s);
}

/* ---- channels ---- */

static void tiles_of(window_state *s, LLVMValueRef *channel, LLVMValueRef end, uint32_t vectors, uint32_t lanes) {
  window_tile *t = &s->tile;
  qn_ll *g = t->g;
  int64_t step = (int64_t)vectors * lanes;
  t->vectors = vectors, t->lanes = lanes, t->mask = NULL;
  qn_ll_for f;
  LLVMValueRef carried[1] = {*channel};
  qn__ll_for_begin(g, &f, *channel, qn__ll_sub(g, end, qn__ll_i64(g, step - 1)), step, 1, carried);
  t->channel = f.i;
  one_tile(s);
  carried[0] = qn__ll_add(g, f.i, f.step);
  qn__ll_for_end(g, &f, carried);
  *channel = carried[0];
}

static void masked_tiles(window_state *s, LLVMValueRef channel, LLVMValueRef end, uint32_t lanes) {
  window_tile *t = &s->tile;
  qn_ll *g = t->g;
  t->vectors = 1, t->lanes = lanes;
  qn_ll_for f;
  qn__ll_for_begin(g, &f, channel, end, lanes, 0, NULL);
  LLVMTypeRef bits = LLVMIntTypeInContext(g->ctx, lanes);
  LLVMValueRef all = qn__ll_i64(g, lanes), there = qn__ll_min(g, all, qn__ll_sub(g, end, f.i));
  LLVMValueRef missing = LLVMBuildTrunc(g->b, qn__ll_sub(g, all, there), bits, "");
  LLVMValueRef mask = LLVMBuildLShr(g->b, LLVMConstAllOnes(bits), missing, "");
  t->mask = LLVMBuildBitCast(g->b, mask, LLVMVectorType(g->i1, lanes), "");
  t->channel = f.i;
  one_tile(s);
  qn__ll_for_end(g, &f, NULL);
}

static void all_channels(window_state *s) {
  qn_ll *g = s->tile.g;
  const qn_gemm_plan *p = s->tile.plan;
  LLVMValueRef channel = qn__ll_i64(g, 0), end = s->tile.size[1];
  if (p->tile.fits) tiles_of(s, &channel, end, p->tile.vectors, p->tile.lanes);
  if (p->whole) return;
  if (g->masked) {
    masked_tiles(s, channel, end, p->tile.lanes);
    return;
  }
  if (p->tile.vectors > 1) tiles_of(s, &channel, end, 1, p->tile.lanes);
  tiles_of(s, &channel, end, 1, 1);
}

/* ---- pixels ---- */

static LLVMValueRef at_least(qn_ll *g, LLVMValueRef a, LLVMValueRef b) {
  return LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSGT, a, b, ""), a, b, "");
}

/* Which columns the windows of the pixels at hand may read: what they see that is in the image. */
static void find_readable(window_tile *t) {
  qn_ll *g = t->g;
  const qn_window *w = &t->plan->shape;
  if (!t->plan->tile.unrolled) return;
  LLVMValueRef zero = qn__ll_i64(g, 0), ones = qn__ll_i64(g, -1), last = qn__ll_sub(g, t->count, qn__ll_i64(g, 1));
  LLVMValueRef end = qn__ll_mul(g, last, qn__ll_i64(g, w->stride[1]));
  end = qn__ll_add(g, end, qn__ll_i64(g, (w->size[1] - 1) * w->dilation[1] + 1));
  if (qn__window_pads(t->plan)) end = at_least(g, qn__ll_min(g, end, qn__ll_sub(g, t->size[13], t->left)), zero);
  t->readable = LLVMBuildNot(g->b, LLVMBuildShl(g->b, ones, end, ""), "");
  if (!w->pads[1]) return;
  LLVMValueRef before = LLVMBuildNeg(g->b, t->left, "");
  before = qn__ll_min(g, at_least(g, before, zero), qn__ll_i64(g, 63));
  t->readable = LLVMBuildAnd(g->b, t->readable, LLVMBuildShl(g->b, ones, before, ""), "");
}

static void find_windows(window_tile *t, LLVMValueRef n, LLVMValueRef oh, LLVMValueRef ow) {
  qn_ll *g = t->g;
  const qn_window *w = &t->plan->shape;
  if (qn__window_pads(t->plan)) {
    oh = qn__ll_add(g, oh, t->size[14]);
    t->top = qn__ll_sub(g, qn__ll_mul(g, oh, qn__ll_i64(g, w->stride[0])), qn__ll_i64(g, w->pads[0]));
    t->left = qn__ll_sub(g, qn__ll_mul(g, ow, qn__ll_i64(g, w->stride[1])), qn__ll_i64(g, w->pads[1]));
  }
  LLVMValueRef at = qn__ll_add(g, qn__ll_mul(g, n, t->size[7]), qn__ll_mul(g, oh, t->size[8]));
  at = qn__ll_add(g, at, qn__ll_mul(g, ow, t->size[9]));
  if (qn__window_pads(t->plan)) at = qn__ll_sub(g, at, qn__ll_window_origin(g, t->plan));
  t->from = qn__ll_gep(g, t->image, at);
  find_readable(t);
}

static void all_pixels(window_state *s) {
  window_tile *t = &s->tile;
  qn_ll *g = t->g;
  LLVMValueRef begin = qn__ll_arg_begin(g, 0), end = qn__ll_arg_end(g, 0), zero = qn__ll_i64(g, 0);
  LLVMValueRef columns = t->size[4], lines = t->size[3];
  LLVMValueRef line = LLVMBuildUDiv(g->b, begin, columns, ""), n = LLVMBuildUDiv(g->b, line, lines, "");
  LLVMValueRef at[3] = {qn__ll_sub(g, begin, qn__ll_mul(g, line, columns)),
                        qn__ll_sub(g, line, qn__ll_mul(g, n, lines)), n};
  qn_ll_for f;
  qn__ll_for_begin(g, &f, begin, end, 1, 3, at);
  t->row = f.i;
  t->count = qn__ll_min(g, qn__ll_sub(g, end, f.i), qn__ll_sub(g, columns, at[0]));
  t->count = f.step = qn__ll_min(g, t->count, qn__ll_i64(g, t->pixels));
  find_windows(t, at[2], at[1], at[0]);
  all_channels(s);
  LLVMValueRef next = qn__ll_add(g, at[0], t->count), ends = LLVMBuildICmp(g->b, LLVMIntEQ, next, columns, "");
  at[0] = LLVMBuildSelect(g->b, ends, zero, next, "");
  next = qn__ll_add(g, at[1], LLVMBuildZExt(g->b, ends, g->i64, ""));
  ends = LLVMBuildICmp(g->b, LLVMIntEQ, next, lines, "");
  at[1] = LLVMBuildSelect(g->b, ends, zero, next, "");
  at[2] = qn__ll_add(g, at[2], LLVMBuildZExt(g->b, ends, g->i64, ""));
  qn__ll_for_end(g, &f, at);
}

LLVMValueRef qn__ll_window_origin(qn_ll *g, const qn_gemm_plan *plan) {
  LLVMValueRef bytes = qn__ll_i64(g, 0);
  for (uint32_t a = 0; a < 2; a++) {
    LLVMValueRef step = qn__ll_arg_size(g, 10 + a);
    step = LLVMBuildUDiv(g->b, step, qn__ll_i64(g, plan->shape.dilation[a]), "");
    bytes = qn__ll_add(g, bytes, qn__ll_mul(g, step, qn__ll_i64(g, plan->shape.pads[a])));
  }
  return bytes;
}

/* ---- the body ---- */

/* Reads the arguments and computes what is the same for all tiles. */
static bool prepare_results(window_state *s, const qn_body *body) {
  qn_ll *g = s->tile.g;
  const qn_gemm_plan *p = s->tile.plan;
  s->places = qn__arena_array(g->arena, 1 + p->num_epilogue_extras, sizeof *s->places);
  uint8_t *vary = qn__ll_epilogue_extras(g, p, &s->extra, &s->pitch);
  if (!vary || !s->places || !qn__ll_epilogue_tape(g, p, &s->tape, NULL, NULL)) return false;
  place_extras(s, NULL);
  for (uint32_t v = 0; v < p->tile.vectors; v++)
    if (!qn__ll_region_init(&s->region[v], g, &s->tape, vary)) return false;
  qn__ll_region_load(&s->region[0], 0, s->places, qn__ll_i64(g, 0), 1, NULL);
  qn__ll_region_emit(&s->region[0], 0, 0, 0, 1);
  share(s, 0, p->tile.vectors);
  uint32_t sums = p->tile.pixels * p->tile.vectors;
  if (s->tape.num_insts > SHORT_EPILOGUE && sums > 1)
    s->parked = qn__ll_slot(g, g->i8, sums * p->tile.lanes * qn__ll_mem_bits(p->acc) / 8);
  if (s->parked) s->epilogue = qn__ll_epilogue_if_text(g, body);
  return true;
}

static void fill_outside(window_tile *t) {
  qn_ll *g = t->g;
  const qn_gemm_plan *p = t->plan;
  uint32_t bits = qn__ll_mem_bits(p->a_mem), lanes = p->tile.lanes;
  uint32_t vectors = p->tile.vectors > p->tile.text_vectors ? p->tile.vectors : p->tile.text_vectors;
  if (vectors * lanes * bits < LINE_BITS) vectors = (LINE_BITS + lanes * bits - 1) / (lanes * bits);
  LLVMTypeRef type = LLVMVectorType(LLVMIntTypeInContext(g->ctx, bits), lanes);
  t->outside = qn__ll_slot(g, g->i8, vectors * lanes * bits / 8);
  for (uint32_t v = 0; v < vectors; v++)
    qn__ll_store_vec(g, qn__ll_bits(g, type, (uint64_t)p->border),
                     qn__ll_gep_const(g, t->outside, (int64_t)v * lanes * bits / 8), 1);
}

qn_status qn__ll_window(qn_ll *g, const qn_body *body) {
  const qn_gemm_plan *plan = &body->plan->u.gemm;
  bool bytes = qn__ll_depthwise_serves(g, plan);
  if (plan->layout.k_block > 64 || (!plan->layout.plain && plan->layout.panel_width % g->lanes))
    return qn__ll_error(g, QN_DIAG_UNSUPPORTED, "panels of weights must be as wide as vectors, or a multiple of them");
  window_state *s = qn__arena_new(g->arena, window_state);
  if (!s) return qn_error_no_memory(g->qctx);
  *s = (window_state){.tile = {.g = g,
                               .plan = plan,
                               .acc = qn__ll_mem_type(g, plan->acc),
                               .image = qn__ll_arg_ptr(g, 0),
                               .weights = qn__ll_arg_ptr(g, 1),
                               .y = qn__ll_arg_ptr(g, 2),
                               .y_pitch = qn__ll_arg_stride(g, 1),
                               .pixels = plan->tile.pixels}};
  window_tile *t = &s->tile;
  for (uint32_t i = 1; i < (qn__window_pads(plan) ? 15 : 12); i++) t->size[i] = qn__ll_arg_size(g, i);
  t->column = LLVMBuildUDiv(g->b, t->size[11], qn__ll_i64(g, plan->shape.dilation[1]), "");
  fill_outside(t);
  if (bytes) return qn__ll_depthwise(t, body) ? QN_OK : qn_error_no_memory(g->qctx);
  bool served = false;
  if (qn__ll_window_text_serves(g, plan) && !qn__ll_window_text(t, body, &served)) return qn_error_no_memory(g->qctx);
  if (served) return QN_OK;
  if (!prepare_results(s, body)) return qn_error_no_memory(g->qctx);
  all_pixels(s);
  return QN_OK;
}
