/* BLOCK_GEMM: for each panel of 32 columns, for each tile of rows, sums of integers over a block and sums of floats
 * over all blocks in registers over the whole of K; then through a small buffer into the epilogue.
 *
 * The panel is one stream of memory. Where weights lie in no cache and all rows are one tile it is prefetched some way
 * ahead, and further ahead into the second level; what a cache holds the processor finds alone, and prefetches only
 * take the place of loads. When there are more tiles, the first two passes over a panel each prefetch half of the next
 * one.
 */
#include "block.h"
#include "buf.h"

enum { LINE = 64, FURTHER = 16384, MOST_LINES = 40, PAGE = 4096, PAGE_LINES = 2 };

/* ---- prefetching ---- */

/* As assembly, which compiles faster. */
static void fetch_text(qn_ll *g, LLVMValueRef at, uint32_t lines, qn_ll_level level) {
  static const char constraints[] = "r";
  qn_buf text;
  qn__buf_init(&text, g->arena->allocator);
  for (uint32_t l = 0; l < lines; l++)
    qn__buf_fmt(&text, "%s %u($0)\n", level == QN_LL_FIRST ? "prefetcht0" : "prefetcht1", l * LINE);
  if (text.failed) {
    g->failed = g->out_of_memory = true;
  } else {
    qn_str all = qn__buf_view(&text);
    LLVMTypeRef type = LLVMFunctionType(g->void_t, &g->ptr, 1, false);
    LLVMValueRef code = LLVMGetInlineAsm(type, (char *)(uintptr_t)all.data, all.size, (char *)(uintptr_t)constraints,
                                         sizeof constraints - 1, true, false, LLVMInlineAsmDialectATT, false);
    LLVMBuildCall2(g->b, type, code, &at, 1, "");
  }
  qn__buf_free(&text);
}

static void fetch(qn_ll *g, LLVMValueRef at, uint32_t lines, qn_ll_level level) {
  if (g->x86) {
    fetch_text(g, at, lines, level);
    return;
  }
  for (uint32_t l = 0; l < lines; l++) qn__ll_fetch(g, qn__ll_gep_const(g, at, (int64_t)l * LINE), false, level);
}

/* Whether fetching ahead costs more than it gains where a cache holds the weights: a tile of one row and few
 * instructions a line has no place for it, and the processor finds what comes next alone, but where a page ends: then
 * the first lines of the page after the next are enough. */
static bool only_far(const qn_ll_block *s, uint32_t rows) {
  return rows == 1 && !s->plan->floats && qn_bpack_bits(&s->plan->weights) == 4;
}

static void fetch_page(qn_ll *g, LLVMValueRef here) {
  LLVMValueRef at = LLVMBuildPtrToInt(g->b, qn__ll_gep_const(g, here, 2 * PAGE), g->i64, "");
  at = LLVMBuildAnd(g->b, at, qn__ll_i64(g, -PAGE), "");
  fetch(g, LLVMBuildIntToPtr(g->b, at, g->ptr, ""), PAGE_LINES, QN_LL_FIRST);
}

void qn__ll_block_fetch(qn_ll_block *s, LLVMValueRef here, LLVMValueRef i, size_t bytes, uint32_t rows) {
  qn_ll *g = s->g;
  qn_ll_if one, far, several;
  uint32_t lines = (uint32_t)((bytes + LINE - 1) / LINE), half = (lines + 1) / 2;
  LLVMValueRef ahead = qn__ll_gep_const(g, here, s->plan->ahead);
  if (s->rest) return;
  if (only_far(s, rows)) {
    fetch_page(g, here);
    qn__ll_if_begin(g, &far, LLVMBuildAnd(g->b, s->one_pass, s->far, ""));
    fetch(g, ahead, lines, QN_LL_FIRST);
    fetch(g, qn__ll_gep_const(g, ahead, FURTHER), lines, QN_LL_SECOND);
    qn__ll_if_end(g, &far);
    return;
  }
  bool always = s->plan->floats; /* where there are more tiles, they go by slabs */
  if (!always) qn__ll_if_begin(g, &one, s->one_pass);
  fetch(g, ahead, lines, QN_LL_FIRST);
  qn__ll_if_begin(g, &far, s->far);
  fetch(g, qn__ll_gep_const(g, ahead, FURTHER), lines, QN_LL_SECOND);
  qn__ll_if_end(g, &far);
  if (!always) qn__ll_if_end(g, &one);
  if (!i || always) return;
  qn__ll_if_begin(g, &several, LLVMBuildNot(g->b, s->one_pass, ""));
  LLVMValueRef later = LLVMBuildICmp(g->b, LLVMIntSGT, s->row, s->first_row, "");
  LLVMValueRef step = qn__ll_add(g, i, LLVMBuildSelect(g->b, later, s->blocks, qn__ll_i64(g, 0), ""));
  LLVMValueRef next = qn__ll_gep(g, s->b, qn__ll_mul(g, qn__ll_add(g, s->panel, qn__ll_i64(g, 1)), s->b_stride));
  fetch(g, qn__ll_gep(g, next, qn__ll_mul_const(g, step, (int64_t)half * LINE)), half,
        rows > 3 ? QN_LL_SECOND : QN_LL_FIRST);
  qn__ll_if_end(g, &several);
}

/* ---- blocks ---- */

void qn__ll_block_loop(qn_ll_block *s, qn_ll_block_tile *t, LLVMValueRef start, LLVMValueRef end, uint32_t step,
                       int64_t a_bytes, qn_ll_block_fn body) {
  qn_ll *g = s->g;
  const int64_t bytes = (int64_t)qn_bpack_bytes(&s->plan->weights) * step;
  uint32_t n = qn__ll_block_count(t);
  LLVMValueRef carried[QN_LL_MAX_CARRIED], rows[QN_LL_BLOCK_ROWS];
  qn_ll_for f;
  for (uint32_t i = 0; i < n; i++) carried[i] = t->sum[i];
  qn__ll_for_begin(g, &f, start, end, step, n, carried);
  for (uint32_t i = 0; i < n; i++) t->sum[i] = carried[i];
  if (bytes <= MOST_LINES * LINE) {
    LLVMValueRef here = qn__ll_gep(g, s->b, qn__ll_mul(g, s->panel, s->b_stride));
    here = qn__ll_gep(g, here, qn__ll_mul_const(g, f.i, (int64_t)qn_bpack_bytes(&s->plan->weights)));
    qn__ll_block_fetch(s, here, f.i, (size_t)bytes, t->rows);
  }
  t->at = qn__ll_block_place(s, f.i);
  LLVMValueRef at = qn__ll_mul_const(g, f.i, a_bytes);
  for (uint32_t r = 0; r < t->rows; r++) {
    rows[r] = t->a[r];
    t->a[r] = qn__ll_gep(g, rows[r], at);
  }
  body(s, t, step);
  for (uint32_t r = 0; r < t->rows; r++) t->a[r] = rows[r];
  for (uint32_t i = 0; i < n; i++) carried[i] = t->sum[i];
  qn__ll_for_end(g, &f, carried);
  for (uint32_t i = 0; i < n; i++) t->sum[i] = carried[i];
}

/* ---- tiles ---- */

/* Sums of the tile's columns, which stand in the panel's two halves. */
static void tile_columns(qn_ll_block *s, uint32_t rows) {
  qn_ll *g = s->g;
  qn_ll_block_tile t = {.rows = rows};
  for (uint32_t r = 0; r < rows; r++)
    t.a[r] = qn__ll_gep(g, s->a, qn__ll_mul(g, qn__ll_add(g, s->row, qn__ll_i64(g, r)), s->a_stride));
  for (uint32_t i = 0; i < qn__ll_block_count(&t); i++) t.sum[i] = LLVMConstNull(s->floats);
  if (s->plan->floats)
    qn__ll_block_floats(s, &t);
  else
    qn__ll_block_ints(s, &t);
  LLVMValueRef to = qn__ll_gep(g, s->sums, qn__ll_mul_const(g, s->column, 4));
  for (uint32_t i = 0; i < qn__ll_block_count(&t); i++) /* a row is a panel wide: both halves of it */
    qn__ll_store_vec(g, t.sum[i], qn__ll_gep_const(g, to, (int64_t)i * QN_BPACK_PAIRS * 4), 4);
}

/* The same as assembly, of floats. */
static void tile_text(qn_ll_block *s, uint32_t rows) {
  qn_ll *g = s->g;
  qn_ll_outline tile;
  LLVMValueRef a = qn__ll_gep(g, s->a, qn__ll_mul(g, s->row, s->a_stride));
  LLVMValueRef codes = qn__ll_gep(g, s->b, qn__ll_mul(g, s->panel, s->b_stride));
  qn__ll_outline_begin(g, &tile, "_block");
  qn__ll_function_quickly(g, tile.inner.fn);
  qn__ll_block_floats_text(s, rows, a, codes, s->sums);
  qn__ll_outline_end(g, &tile);
}

static void multiply(qn_ll_block *s, uint32_t rows, LLVMValueRef epilogue) {
  qn_ll *g = s->g;
  qn_ll_for groups;
  s->column = qn__ll_i64(g, 0);
  if (s->lanes < QN_BPACK_PAIRS) {
    qn__ll_for_begin(g, &groups, qn__ll_i64(g, 0), qn__ll_i64(g, QN_BPACK_PAIRS), s->lanes, 0, NULL);
    s->column = groups.i;
  }
  if (s->quick)
    tile_text(s, rows);
  else
    tile_columns(s, rows);
  if (s->lanes < QN_BPACK_PAIRS) qn__ll_for_end(g, &groups, NULL);
  qn__ll_epilogue_call(g, epilogue, s->sums, s->row, rows, qn__ll_mul_const(g, s->panel, QN_BPACK_PANEL),
                       QN_BPACK_PANEL);
}

static void rows_loop(qn_ll_block *s, LLVMValueRef start, LLVMValueRef end, uint32_t rows, LLVMValueRef epilogue) {
  qn_ll_for f;
  qn__ll_for_begin(s->g, &f, start, end, rows, 0, NULL);
  s->row = f.i;
  multiply(s, rows, epilogue);
  qn__ll_for_end(s->g, &f, NULL);
}

static void start(qn_ll_block *s, const qn_body *body) {
  qn_ll *g = s->g;
  s->plan = &body->plan->u.block;
  s->lanes = g->isa->vector_bits / 32;
  s->ints = LLVMVectorType(g->i32, s->lanes);
  s->floats = LLVMVectorType(g->f32, s->lanes);
  s->bytes = LLVMVectorType(g->i8, s->lanes * 4);
  s->a = qn__ll_arg_ptr(g, 0);
  s->a_stride = qn__ll_arg_stride(g, 0);
  s->b_stride = qn__ll_arg_stride(g, 2);
  s->k_size = qn__ll_arg_size(g, 2);
  s->blocks = qn__ll_arg_size(g, 3);
  LLVMValueRef header = qn__ll_arg_ptr(g, 1);
  s->b = qn__ll_gep_const(g, header, (int64_t)qn_bpack_header(&s->plan->weights));
  qn__ll_block_table(s, header);
  s->sums = qn__ll_slot(g, g->i8, QN_LL_BLOCK_ROWS * QN_BPACK_PANEL * 4);
}

qn_status qn__ll_block_gemm(qn_ll *g, const qn_body *body) {
  qn_ll_block s = {.g = g};
  uint32_t rows = body->rows & (QN_ROWS_MIXED - 1);
  bool mixed = (body->rows & QN_ROWS_MIXED) && rows > 1;
  if (rows == 0 || rows > QN_LL_BLOCK_ROWS || QN_BPACK_PAIRS * 32 % g->isa->vector_bits)
    return qn__ll_error(g, QN_DIAG_UNSUPPORTED, "tiles of blocks have 1 to %d rows", QN_LL_BLOCK_ROWS);
  start(&s, body);
  s.quick = s.plan->floats && qn__ll_block_floats_text_serves(&s);
  if (s.quick) qn__ll_function_quickly(g, g->fn);
  LLVMValueRef epilogue = qn__ll_epilogue_function(g, body, false, NULL, NULL);
  s.first_row = qn__ll_arg_begin(g, 0);
  LLVMValueRef end = qn__ll_arg_end(g, 0), count = qn__ll_sub(g, end, s.first_row), middle = end;
  s.one_pass = LLVMBuildICmp(g->b, LLVMIntSLE, count, qn__ll_i64(g, rows), "");
  LLVMValueRef panels_there = LLVMBuildUDiv(
      g->b, qn__ll_add(g, qn__ll_arg_size(g, 1), qn__ll_i64(g, QN_BPACK_PANEL - 1)), qn__ll_i64(g, QN_BPACK_PANEL), "");
  LLVMValueRef bytes = qn__ll_mul(g, panels_there, s.b_stride);
  s.far = LLVMBuildICmp(g->b, LLVMIntSGE, bytes, qn__ll_i64(g, (int64_t)s.plan->gemm.far_bytes), "");
  if (mixed) { /* tiles = ceil(count / rows); all but count - tiles * (rows - 1) of them are one row lower */
    LLVMValueRef tiles = LLVMBuildUDiv(g->b, qn__ll_add(g, count, qn__ll_i64(g, rows - 1)), qn__ll_i64(g, rows), "");
    LLVMValueRef tall = qn__ll_sub(g, count, qn__ll_mul_const(g, tiles, (int64_t)rows - 1));
    middle = qn__ll_add(g, s.first_row, qn__ll_mul_const(g, tall, rows));
  }
  if (s.plan->floats) {
    qn_ll_if several;
    LLVMValueRef more = mixed ? LLVMConstInt(g->i1, 1, false) : LLVMBuildNot(g->b, s.one_pass, "");
    LLVMValueRef height = qn__ll_i64(g, rows), tiles = LLVMBuildUDiv(g->b, count, height, ""), tall = tiles;
    if (mixed) {
      tall = LLVMBuildUDiv(g->b, qn__ll_sub(g, middle, s.first_row), height, "");
      tiles = LLVMBuildUDiv(g->b, qn__ll_sub(g, end, middle), qn__ll_i64(g, rows - 1), "");
      tiles = qn__ll_add(g, tall, tiles);
    }
    qn__ll_if_begin(g, &several, more);
    qn__ll_block_slab(&s, rows, mixed, tall, tiles, epilogue);
    qn__ll_if_end(g, &several);
    if (mixed) return QN_OK; /* never of one tile */
    middle = LLVMBuildSelect(g->b, more, s.first_row, end, "");
  }
  qn_ll_for panels;
  qn__ll_for_begin(g, &panels, qn__ll_arg_begin(g, 1), qn__ll_arg_end(g, 1), 1, 0, NULL);
  s.panel = panels.i;
  rows_loop(&s, s.first_row, middle, rows, epilogue);
  if (mixed) rows_loop(&s, middle, end, rows - 1, epilogue);
  qn__ll_for_end(g, &panels, NULL);
  return QN_OK;
}
