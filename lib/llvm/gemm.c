/* GEMM tiles: for each panel (or a few side by side when tiles are low), for each tile of rows, the sums of the tile in
 * registers over the whole of K, then through a small buffer into the epilogue. Panels are the outer loop, so that B,
 * which may be larger than a cache, is read once and A, a few bytes per step, is what is read again. */
#include "tile.h"

typedef struct gemm_state {
  qn_ll *g;
  const qn_gemm_plan *plan;
  qn_ll_tile tile;
  LLVMValueRef epilogue; /* function */
  LLVMValueRef a, b, a_stride, b_stride;
  LLVMValueRef full_blocks, all_blocks; /* of K, without and with the last, partial one */
  LLVMValueRef sums;                    /* of the tile, row by row, of the sum's type */
  LLVMValueRef row, panel;              /* first of the tile */
  LLVMValueRef image[12];               /* of a window: size[3] to size[11] by their numbers */
} gemm_state;

/* ---- the sums ---- */

/* One block where the row operands are the fewer: they stay in registers, and each vector of B is used up at once. */
static void block_by_columns(qn_ll_tile *t, LLVMValueRef block, uint32_t j, uint32_t blocks, bool partial,
                             LLVMValueRef *shared, LLVMValueRef *acc) {
  qn_ll_operand a[QN_LL_MAX_OPERANDS], b;
  for (uint32_t r = 0; r < t->acc_rows; r++) t->dot->load_a(t, r, block, j, blocks, partial, &shared[r], &a[r]);
  for (uint32_t v = 0; v < t->vectors; v++) {
    t->dot->load_b(t, v, j, &b);
    for (uint32_t r = 0; r < t->acc_rows; r++)
      acc[r * t->vectors + v] = t->dot->madd(t, acc[r * t->vectors + v], &a[r], &b);
  }
}

static void blocks_step(qn_ll_tile *t, LLVMValueRef block, uint32_t blocks, bool partial) {
  LLVMValueRef shared[QN_LL_MAX_OPERANDS] = {0};
  for (uint32_t j = 0; j < blocks; j++) {
    qn_ll_operand b[QN_LL_MAX_VECTORS], a;
    LLVMValueRef *acc = t->acc + (size_t)(j % t->sets) * t->acc_rows * t->vectors;
    if (t->dot->by_columns) {
      block_by_columns(t, block, j, blocks, partial, shared, acc);
      continue;
    }
    for (uint32_t v = 0; v < t->vectors; v++) t->dot->load_b(t, v, j, &b[v]);
    for (uint32_t r = 0; r < t->acc_rows; r++) {
      t->dot->load_a(t, r, block, j, blocks, partial, &shared[r], &a);
      for (uint32_t v = 0; v < t->vectors; v++)
        acc[r * t->vectors + v] = t->dot->madd(t, acc[r * t->vectors + v], &a, &b[v]);
    }
  }
}

static void copy_values(LLVMValueRef *to, const LLVMValueRef *from, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) to[i] = from[i];
}

/* Blocks start .. end-1, `unroll` at a time. The panels' pointers move along and are left after the last block. */
static void blocks_loop(qn_ll_tile *t, LLVMValueRef start, LLVMValueRef end, uint32_t unroll, bool partial) {
  qn_ll *g = t->g;
  uint32_t sums = t->acc_rows * t->vectors * (unroll >= t->sets ? t->sets : 1);
  int64_t bytes = (int64_t)t->plan->layout.panel_width * t->plan->layout.k_block * qn__ll_mem_bits(t->plan->rhs) / 8;
  LLVMValueRef carried[QN_LL_MAX_CARRIED];
  qn_ll_for f;
  copy_values(carried, t->acc, sums);
  copy_values(carried + sums, t->b, t->panels);
  qn__ll_for_begin(g, &f, start, end, unroll, sums + t->panels, carried);
  copy_values(t->acc, carried, sums);
  copy_values(t->b, carried + sums, t->panels);
  blocks_step(t, f.i, unroll, partial);
  for (uint32_t p = 0; p < t->panels; p++)
    carried[sums + p] = LLVMBuildFreeze(g->b, qn__ll_gep_const(g, t->b[p], bytes * unroll), "");
  copy_values(carried, t->acc, sums);
  qn__ll_for_end(g, &f, carried);
  copy_values(t->acc, carried, sums);
  copy_values(t->b, carried + sums, t->panels);
}

/* K of the rows, or of one segment of them. */
static void accumulate_run(gemm_state *s) {
  qn_ll *g = s->g;
  qn_ll_tile *t = &s->tile;
  LLVMValueRef done = qn__ll_i64(g, 0), blocks = s->plan->lhs_padded ? s->all_blocks : s->full_blocks;
  if (t->unroll > 1) {
    LLVMValueRef whole = LLVMBuildAnd(g->b, blocks, qn__ll_i64(g, -(int64_t)t->unroll), "");
    blocks_loop(t, done, whole, t->unroll, false);
    done = whole;
  }
  blocks_loop(t, done, blocks, 1, false);
  if (!s->plan->lhs_padded && s->plan->layout.k_block > 1) blocks_loop(t, s->full_blocks, s->all_blocks, 1, true);
}

/* Inside a loop over segments: sums and the panels' pointers are carried around it, rows move by `step` bytes. */
static void segments_loop(gemm_state *s, LLVMValueRef count, LLVMValueRef step, void (*inner)(gemm_state *)) {
  qn_ll *g = s->g;
  qn_ll_tile *t = &s->tile;
  uint32_t sums = t->acc_rows * t->vectors * t->sets;
  LLVMValueRef carried[QN_LL_MAX_CARRIED], first[QN_LL_MAX_ROWS];
  qn_ll_for f;
  copy_values(first, t->a, t->rows);
  copy_values(carried, t->acc, sums);
  copy_values(carried + sums, t->b, t->panels);
  qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), count, 1, sums + t->panels, carried);
  copy_values(t->acc, carried, sums);
  copy_values(t->b, carried + sums, t->panels);
  LLVMValueRef offset = qn__ll_mul(g, f.i, step);
  for (uint32_t r = 0; r < t->rows; r++) t->a[r] = qn__ll_gep(g, first[r], offset);
  inner(s);
  copy_values(carried, t->acc, sums);
  copy_values(carried + sums, t->b, t->panels);
  qn__ll_for_end(g, &f, carried);
  copy_values(t->acc, carried, sums);
  copy_values(t->b, carried + sums, t->panels);
  copy_values(t->a, first, t->rows);
}

static void inner_segments(gemm_state *s) {
  if (s->plan->window_inner)
    segments_loop(s, s->image[6], s->image[11], accumulate_run);
  else
    accumulate_run(s);
}

static void accumulate(gemm_state *s) {
  qn_ll *g = s->g;
  qn_ll_tile *t = &s->tile;
  uint32_t count = t->acc_rows * t->vectors;
  for (uint32_t i = 0; i < count * t->sets; i++) t->acc[i] = LLVMConstNull(t->acc_type);
  if (s->plan->window)
    segments_loop(s, s->image[5], s->image[10], inner_segments);
  else
    accumulate_run(s);
  for (uint32_t i = count; i < count * t->sets; i++)
    t->acc[i % count] = LLVMBuildAdd(g->b, t->acc[i % count], t->acc[i], "");
  if (t->dot->finish) t->dot->finish(t);
}

static void keep_sums(gemm_state *s) {
  qn_ll_tile *t = &s->tile;
  int64_t bytes = (int64_t)t->acc_lanes * qn__ll_mem_bits(s->plan->acc) / 8;
  for (uint32_t i = 0; i < t->rows * t->vectors; i++)
    qn__ll_store_vec(s->g, t->acc[i], qn__ll_gep_const(s->g, s->sums, i * bytes), 1);
}

/* Addresses of the tile's rows: in a matrix, or of windows in an image, which is divided once per tile. */
static void row_addresses(gemm_state *s) {
  qn_ll *g = s->g;
  qn_ll_tile *t = &s->tile;
  if (!s->plan->window) {
    for (uint32_t r = 0; r < t->rows; r++)
      t->a[r] = qn__ll_gep(g, s->a, qn__ll_mul(g, qn__ll_add(g, s->row, qn__ll_i64(g, r)), s->a_stride));
    return;
  }
  LLVMValueRef *z = s->image, one = qn__ll_i64(g, 1), zero = qn__ll_i64(g, 0);
  LLVMValueRef line = LLVMBuildUDiv(g->b, s->row, z[4], ""), n = LLVMBuildUDiv(g->b, line, z[3], "");
  LLVMValueRef ow = qn__ll_sub(g, s->row, qn__ll_mul(g, line, z[4]));
  LLVMValueRef oh = qn__ll_sub(g, line, qn__ll_mul(g, n, z[3]));
  LLVMValueRef at = qn__ll_add(g, qn__ll_mul(g, oh, z[8]), qn__ll_mul(g, ow, z[9]));
  at = qn__ll_add(g, at, qn__ll_mul(g, n, z[7]));
  /* From the end of a line to the next, and from the last line's end to the next image. */
  LLVMValueRef next_line = qn__ll_sub(g, z[8], qn__ll_mul(g, z[4], z[9]));
  LLVMValueRef next_image = qn__ll_sub(g, z[7], qn__ll_mul(g, z[3], z[8]));
  for (uint32_t r = 0; r < t->rows; r++) {
    t->a[r] = qn__ll_gep(g, s->a, at);
    if (r + 1 == t->rows) break;
    ow = qn__ll_add(g, ow, one);
    LLVMValueRef ends = LLVMBuildICmp(g->b, LLVMIntEQ, ow, z[4], "");
    ow = LLVMBuildSelect(g->b, ends, zero, ow, "");
    oh = qn__ll_add(g, oh, LLVMBuildZExt(g->b, ends, g->i64, ""));
    LLVMValueRef last = LLVMBuildICmp(g->b, LLVMIntEQ, oh, z[3], "");
    oh = LLVMBuildSelect(g->b, last, zero, oh, "");
    at = qn__ll_add(g, at, z[9]);
    at = qn__ll_add(g, at, LLVMBuildSelect(g->b, ends, next_line, zero, ""));
    at = qn__ll_add(g, at, LLVMBuildSelect(g->b, last, next_image, zero, ""));
  }
}

/* The tile's columns from `column` of the panel on (of the first panel, when several are taken at once). */
static void multiply(gemm_state *s, LLVMValueRef column) {
  qn_ll *g = s->g;
  qn_ll_tile *t = &s->tile;
  int64_t column_bytes = (int64_t)s->plan->layout.k_block * qn__ll_mem_bits(s->plan->rhs) / 8;
  row_addresses(s);
  for (uint32_t p = 0; p < t->panels; p++) {
    LLVMValueRef at = qn__ll_gep(g, s->b, qn__ll_mul(g, qn__ll_add(g, s->panel, qn__ll_i64(g, p)), s->b_stride));
    t->b[p] = qn__ll_gep(g, at, qn__ll_mul(g, column, qn__ll_i64(g, column_bytes)));
  }
  accumulate(s);
  keep_sums(s);
  LLVMValueRef first = qn__ll_mul(g, s->panel, qn__ll_i64(g, s->plan->layout.panel_width));
  qn__ll_epilogue_call(g, s->epilogue, s->sums, s->row, qn__ll_add(g, first, column), t->vectors * t->acc_lanes);
}

/* ---- loops ---- */

/* Chooses the vectors taken at once, out of `columns` of each panel: accumulators, one block of B and an operand of A
 * fit the registers. */
static void shape_tile(gemm_state *s, uint32_t rows, uint32_t panels, uint32_t lanes, uint32_t columns) {
  qn_ll_tile *t = &s->tile;
  uint32_t registers = s->g->isa->num_registers, vectors = columns / lanes;
  t->dot = qn__ll_dot_find(s->g, s->plan, lanes > 1);
  t->rows = rows;
  rows = t->acc_rows = qn__ll_dot_rows(t->dot, rows);
  t->acc_lanes = lanes;
  t->acc_type = qn__ll_lanes(t->acc_elem, lanes);
  uint32_t group = vectors < QN_LL_MAX_VECTORS ? vectors : QN_LL_MAX_VECTORS;
  while (group > 1 && (group * (rows + 1) + 1 > registers || vectors % group)) group--;
  t->panels = group == vectors ? panels : 1;
  while (t->panels > 1 && (t->panels * group * (rows + 1) + 1 > registers || t->panels * group > QN_LL_MAX_VECTORS))
    t->panels--;
  t->vectors = group * t->panels;
  uint32_t in_flight = rows * t->vectors;
  /* Tall tiles gain less than half a percent from a second block in the loop and cost a quarter more to compile. */
  t->unroll = t->dot->shares > 1 ? t->dot->shares : in_flight < 16 ? 2 : 1;
  t->sets = t->dot->reorders && t->unroll > 1 && in_flight < 8 && 2 * in_flight + t->vectors < registers ? 2 : 1;
}

/* Columns start .. end-1 of the panel, all rows. */
static void columns_loop(gemm_state *s, uint32_t start, uint32_t end) {
  qn_ll *g = s->g;
  qn_ll_tile *t = &s->tile;
  uint32_t step = t->vectors / t->panels * t->acc_lanes;
  qn_ll_for rows, columns;
  qn__ll_for_begin(g, &rows, qn__ll_arg_begin(g, 0), qn__ll_arg_end(g, 0), t->rows, 0, NULL);
  s->row = rows.i;
  if (start + step == end) {
    multiply(s, qn__ll_i64(g, start));
  } else {
    qn__ll_for_begin(g, &columns, qn__ll_i64(g, start), qn__ll_i64(g, end), step, 0, NULL);
    multiply(s, columns.i);
    qn__ll_for_end(g, &columns, NULL);
  }
  qn__ll_for_end(g, &rows, NULL);
}

/* Panels start .. end-1, `panels` at a time: whole vectors of columns, then what is left of a panel one by one. */
static void panels_loop(gemm_state *s, LLVMValueRef start, LLVMValueRef end, uint32_t panels, uint32_t rows) {
  qn_ll *g = s->g;
  uint32_t width = s->plan->layout.panel_width, lanes = s->g->isa->vector_bits / qn__ll_mem_bits(s->plan->acc);
  uint32_t wide = width / lanes * lanes;
  qn_ll_for f;
  LLVMValueRef last = qn__ll_sub(g, end, qn__ll_i64(g, panels - 1));
  qn__ll_for_begin(g, &f, start, last, panels, 0, NULL);
  s->panel = f.i;
  if (wide) {
    shape_tile(s, rows, panels, lanes, wide);
    columns_loop(s, 0, wide);
  }
  if (wide < width) {
    shape_tile(s, rows, panels, 1, width - wide);
    columns_loop(s, wide, width);
  }
  qn__ll_for_end(g, &f, NULL);
}

/* Low tiles take several panels, so that enough sums are in flight to hide the latency of adding to each. */
static uint32_t panels_at_once(gemm_state *s, uint32_t rows) {
  uint32_t width = s->plan->layout.panel_width, lanes = s->g->isa->vector_bits / qn__ll_mem_bits(s->plan->acc);
  if (width % lanes) return 1;
  shape_tile(s, rows, 4, lanes, width);
  return s->tile.panels;
}

static qn_status check(qn_ll *g, const qn_gemm_plan *plan, uint32_t rows) {
  const qn_layout *l = &plan->layout;
  if (!qn__ll_dot_find(g, plan, false))
    return qn__ll_error(g, QN_DIAG_UNSUPPORTED, "no way to multiply these element types in the LLVM code generator");
  if (l->plain || l->k_block == 0 || l->k_block > 64 || l->panel_width == 0 || rows == 0 || rows > QN_LL_MAX_ROWS)
    return qn__ll_error(
        g, QN_DIAG_UNSUPPORTED,
        "the LLVM code generator needs a panel layout with blocks of up to 64 and tiles of 1 to %d rows",
        QN_LL_MAX_ROWS);
  return QN_OK;
}

qn_status qn__ll_gemm_tiles(qn_ll *g, const qn_body *body) {
  if (qn__ll_amx_serves(body)) return qn__ll_amx_tiles(g, body);
  const qn_gemm_plan *plan = &body->plan->u.gemm;
  gemm_state s = {.g = g, .plan = plan};
  qn_ll_tile *t = &s.tile;
  *t = (qn_ll_tile){.g = g, .plan = plan};
  qn_status status = check(g, plan, body->rows);
  if (status != QN_OK) return status;
  t->acc_elem = qn__ll_mem_type(g, plan->acc);
  t->k_size = qn__ll_arg_size(g, 2);
  s.a = qn__ll_arg_ptr(g, 0);
  s.b = qn__ll_arg_ptr(g, 1);
  s.a_stride = qn__ll_arg_stride(g, 0);
  s.b_stride = qn__ll_arg_stride(g, 2);
  for (uint32_t i = 3; plan->window && i < 12; i++) s.image[i] = qn__ll_arg_size(g, i);
  LLVMValueRef block = qn__ll_i64(g, plan->layout.k_block), up = qn__ll_i64(g, plan->layout.k_block - 1);
  s.full_blocks = LLVMBuildUDiv(g->b, t->k_size, block, "");
  s.all_blocks = LLVMBuildUDiv(g->b, qn__ll_add(g, t->k_size, up), block, "");
  LLVMValueRef start = qn__ll_arg_begin(g, 1), end = qn__ll_arg_end(g, 1);
  s.sums = qn__ll_slot(g, g->i8, QN_LL_MAX_ACC * g->isa->vector_bits / 8);
  s.epilogue = qn__ll_epilogue_function(g, body);
  uint32_t panels = panels_at_once(&s, body->rows);
  if (panels > 1) {
    LLVMValueRef count = qn__ll_sub(g, end, start), by = qn__ll_i64(g, panels);
    LLVMValueRef whole = LLVMBuildSub(g->b, end, LLVMBuildSRem(g->b, count, by, ""), "");
    panels_loop(&s, start, whole, panels, body->rows);
    start = whole;
  }
  panels_loop(&s, start, end, 1, body->rows);
  return QN_OK;
}
