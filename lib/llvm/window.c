/* WINDOW: the positions of a window combined one channel at a time. Channels are the lanes; a block of them for one
 * pixel goes through a small buffer into the epilogue that GEMM tiles use. */
#include "tile.h"

enum { UNROLLED_TAPS = 16, MAX_BLOCK = 256 };

typedef struct window_state {
  qn_ll *g;
  const qn_gemm_plan *plan;
  LLVMValueRef image, weights, epilogue, sums;
  LLVMValueRef row, at;   /* the pixel, and where its window begins */
  LLVMValueRef top, left; /* line and column of the image where it begins, with pads */
  LLVMValueRef block;     /* first channel of the block */
  uint32_t width;         /* channels of a block */
  LLVMTypeRef acc;        /* of one element */
  /* The vector being computed. */
  LLVMValueRef channel, mask, sum;
  uint32_t lanes;
} window_state;

static bool is_float(const window_state *s) {
  return qn_scalar_is_float(s->plan->acc);
}

static LLVMValueRef image_vector(window_state *s, LLVMValueRef position) {
  const qn_ll_place p = {s->plan->a_mem, QN_ACCESS_DENSE, qn__ll_gep(s->g, s->at, position), NULL};
  return qn__ll_load(s->g, &p, s->channel, s->lanes, s->mask);
}

/* Weights of one position: dense, or one of the k_block values that stand together for each channel of a panel. */
static LLVMValueRef weight_vector(window_state *s, LLVMValueRef tap) {
  qn_ll *g = s->g;
  const qn_layout *l = &s->plan->layout;
  int64_t size = qn__ll_mem_bits(s->plan->rhs) / 8, kb = l->plain ? 1 : l->k_block;
  if (l->plain) {
    LLVMValueRef line = qn__ll_mul(g, tap, qn__ll_mul(g, qn__ll_arg_size(g, 1), qn__ll_i64(g, size)));
    const qn_ll_place p = {s->plan->rhs, QN_ACCESS_DENSE, qn__ll_gep(g, s->weights, line), NULL};
    return qn__ll_load(g, &p, s->channel, s->lanes, s->mask);
  }
  int64_t taps = s->plan->shape.size[0] * s->plan->shape.size[1], blocks = (taps + kb - 1) / kb;
  LLVMValueRef panel = LLVMBuildUDiv(g->b, s->block, qn__ll_i64(g, l->panel_width), "");
  LLVMValueRef at = qn__ll_mul(g, panel, qn__ll_i64(g, blocks * kb * l->panel_width * size));
  LLVMValueRef block = LLVMBuildUDiv(g->b, tap, qn__ll_i64(g, kb), "");
  at = qn__ll_add(g, at, qn__ll_mul(g, block, qn__ll_i64(g, kb * l->panel_width * size)));
  LLVMValueRef rest = qn__ll_sub(g, tap, qn__ll_mul(g, block, qn__ll_i64(g, kb)));
  at = qn__ll_add(g, at, qn__ll_mul(g, rest, qn__ll_i64(g, size)));
  const qn_ll_place p = {s->plan->rhs, kb == 1 ? QN_ACCESS_DENSE : QN_ACCESS_STRIDED, qn__ll_gep(g, s->weights, at),
                         qn__ll_i64(g, kb * size)};
  return qn__ll_load(g, &p, qn__ll_sub(g, s->channel, s->block), s->lanes, s->mask);
}

static LLVMValueRef widened(window_state *s, LLVMValueRef x, qn_scalar mem) {
  LLVMTypeRef type = qn__ll_lanes(s->acc, s->lanes);
  return qn__ll_mem_unsigned(mem) ? LLVMBuildZExt(s->g->b, x, type, "") : LLVMBuildSExt(s->g->b, x, type, "");
}

static void larger(window_state *s, LLVMValueRef x) {
  qn_ll *g = s->g;
  if (is_float(s)) {
    s->sum = qn__ll_fmax(g, s->sum, x, s->plan->acc == QN_F64, s->lanes, false);
    return;
  }
  LLVMIntPredicate above = qn__ll_mem_unsigned(s->plan->acc) ? LLVMIntUGT : LLVMIntSGT;
  s->sum = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, above, x, s->sum, ""), x, s->sum, "");
}

/* A position that may be outside the image: then something else is read, and does not count. */
static LLVMValueRef stepped_over(window_state *s, LLVMValueRef i, LLVMValueRef j, LLVMValueRef position) {
  qn_ll *g = s->g;
  const qn_window *w = &s->plan->shape;
  LLVMValueRef h = qn__ll_add(g, s->top, qn__ll_mul(g, i, qn__ll_i64(g, w->dilation[0])));
  LLVMValueRef v = qn__ll_add(g, s->left, qn__ll_mul(g, j, qn__ll_i64(g, w->dilation[1])));
  LLVMValueRef inside = LLVMBuildAnd(g->b, LLVMBuildICmp(g->b, LLVMIntULT, h, qn__ll_arg_size(g, 12), ""),
                                     LLVMBuildICmp(g->b, LLVMIntULT, v, qn__ll_arg_size(g, 13), ""), "");
  LLVMValueRef from = LLVMBuildSelect(g->b, inside, qn__ll_gep(g, s->at, position), s->image, "");
  const qn_ll_place p = {s->plan->a_mem, QN_ACCESS_DENSE, from, NULL};
  LLVMValueRef x = qn__ll_load(g, &p, s->channel, s->lanes, s->mask);
  LLVMTypeRef elem = qn__ll_mem_type(g, s->plan->a_mem);
  LLVMValueRef border = qn__ll_splat(g, LLVMConstInt(elem, (unsigned long long)s->plan->border, true), s->lanes);
  return LLVMBuildSelect(g->b, inside, x, border, "");
}

static void one_tap(window_state *s, LLVMValueRef i, LLVMValueRef j) {
  qn_ll *g = s->g;
  LLVMValueRef position =
      qn__ll_add(g, qn__ll_mul(g, i, qn__ll_arg_size(g, 10)), qn__ll_mul(g, j, qn__ll_arg_size(g, 11)));
  LLVMValueRef x = qn__window_pads(s->plan) ? stepped_over(s, i, j, position) : image_vector(s, position);
  if (s->plan->combine == QN_COMBINE_MAX) {
    larger(s, x);
  } else if (s->plan->combine == QN_COMBINE_SUM) {
    s->sum = LLVMBuildFAdd(g->b, s->sum, x, "");
  } else {
    LLVMValueRef w = weight_vector(s, qn__ll_add(g, qn__ll_mul(g, i, qn__ll_i64(g, s->plan->shape.size[1])), j));
    if (is_float(s))
      s->sum = qn__ll_fma(g, x, w, s->sum, s->plan->acc == QN_F64, s->lanes);
    else
      s->sum = qn__ll_add(g, s->sum, qn__ll_mul(g, widened(s, x, s->plan->a_mem), widened(s, w, s->plan->rhs)));
  }
}

/* The value that the first element replaces. */
static LLVMValueRef start(window_state *s) {
  LLVMTypeRef type = qn__ll_lanes(s->acc, s->lanes);
  if (s->plan->combine != QN_COMBINE_MAX) return LLVMConstNull(type);
  return image_vector(s, qn__ll_i64(s->g, 0));
}

static void all_taps(window_state *s) {
  qn_ll *g = s->g;
  int64_t height = s->plan->shape.size[0], width = s->plan->shape.size[1];
  s->sum = start(s);
  if (height * width <= UNROLLED_TAPS) {
    for (int64_t k = 0; k < height * width; k++) one_tap(s, qn__ll_i64(g, k / width), qn__ll_i64(g, k % width));
    return;
  }
  qn_ll_for lines, columns;
  LLVMValueRef carried[1] = {s->sum};
  qn__ll_for_begin(g, &lines, qn__ll_i64(g, 0), qn__ll_i64(g, height), 1, 1, carried);
  qn__ll_for_begin(g, &columns, qn__ll_i64(g, 0), qn__ll_i64(g, width), 1, 1, carried);
  s->sum = carried[0];
  one_tap(s, lines.i, columns.i);
  carried[0] = s->sum;
  qn__ll_for_end(g, &columns, carried);
  qn__ll_for_end(g, &lines, carried);
  s->sum = carried[0];
}

static void vector(void *user, LLVMValueRef channel, uint32_t lanes, LLVMValueRef mask) {
  window_state *s = user;
  s->channel = channel;
  s->lanes = lanes;
  s->mask = mask;
  all_taps(s);
  const qn_ll_place to = {s->plan->acc, QN_ACCESS_DENSE, s->sums, NULL};
  qn__ll_store(s->g, &to, qn__ll_sub(s->g, channel, s->block), lanes, NULL, s->sum);
}

/* Where the window of a pixel begins. */
static LLVMValueRef window_address(window_state *s) {
  qn_ll *g = s->g;
  LLVMValueRef columns = qn__ll_arg_size(g, 4), lines = qn__ll_arg_size(g, 3);
  LLVMValueRef line = LLVMBuildUDiv(g->b, s->row, columns, ""), n = LLVMBuildUDiv(g->b, line, lines, "");
  LLVMValueRef ow = qn__ll_sub(g, s->row, qn__ll_mul(g, line, columns)),
               oh = qn__ll_sub(g, line, qn__ll_mul(g, n, lines));
  if (qn__window_pads(s->plan)) {
    const qn_window *w = &s->plan->shape;
    oh = qn__ll_add(g, oh, qn__ll_arg_size(g, 14));
    s->top = qn__ll_sub(g, qn__ll_mul(g, oh, qn__ll_i64(g, w->stride[0])), qn__ll_i64(g, w->pads[0]));
    s->left = qn__ll_sub(g, qn__ll_mul(g, ow, qn__ll_i64(g, w->stride[1])), qn__ll_i64(g, w->pads[1]));
  }
  LLVMValueRef at = qn__ll_add(g, qn__ll_mul(g, n, qn__ll_arg_size(g, 7)), qn__ll_mul(g, oh, qn__ll_arg_size(g, 8)));
  at = qn__ll_add(g, at, qn__ll_mul(g, ow, qn__ll_arg_size(g, 9)));
  if (qn__window_pads(s->plan)) at = qn__ll_sub(g, at, qn__ll_window_origin(g, s->plan));
  return qn__ll_gep(g, s->image, at);
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

qn_status qn__ll_window(qn_ll *g, const qn_body *body) {
  const qn_gemm_plan *plan = &body->plan->u.gemm;
  window_state s = {.g = g, .plan = plan};
  if (qn__ll_depthwise_serves(g, plan)) return qn__ll_depthwise(g, body);
  uint32_t wide = plan->layout.plain ? MAX_BLOCK : plan->layout.panel_width;
  if (plan->layout.k_block > 64 || wide % g->lanes)
    return qn__ll_error(g, QN_DIAG_UNSUPPORTED, "panels of weights must be as wide as vectors, or a multiple of them");
  s.width = wide;
  s.acc = qn__ll_mem_type(g, plan->acc);
  s.image = qn__ll_arg_ptr(g, 0);
  s.weights = qn__ll_arg_ptr(g, 1);
  s.sums = qn__ll_slot(g, g->i8, (s.width + g->lanes) * qn__ll_mem_bits(plan->acc) / 8);
  /* The epilogue takes vectors side by side as panels are wide. */
  qn_kernel_plan *wide_plan = qn__arena_copy(g->arena, body->plan, sizeof *wide_plan);
  if (!wide_plan) return qn_error_no_memory(g->qctx);
  wide_plan->u.gemm.layout.panel_width = s.width;
  qn_body pixel = *body;
  pixel.plan = wide_plan;
  s.epilogue = qn__ll_epilogue_function(g, &pixel, false, NULL, NULL);
  LLVMValueRef channels = qn__ll_arg_size(g, 1);
  qn_ll_for rows, blocks;
  qn__ll_for_begin(g, &rows, qn__ll_arg_begin(g, 0), qn__ll_arg_end(g, 0), 1, 0, NULL);
  s.row = rows.i;
  s.at = window_address(&s);
  qn__ll_for_begin(g, &blocks, qn__ll_i64(g, 0), channels, s.width, 0, NULL);
  s.block = blocks.i;
  qn__ll_span(g, s.block, qn__ll_min(g, qn__ll_add(g, s.block, qn__ll_i64(g, s.width)), channels), vector, &s);
  qn__ll_epilogue_call(g, s.epilogue, s.sums, s.row, 1, s.block, s.width);
  qn__ll_for_end(g, &blocks, NULL);
  qn__ll_for_end(g, &rows, NULL);
  return QN_OK;
}
