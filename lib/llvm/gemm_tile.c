/* A tile's sums as a function, and calls of it. */
#include "gemm_impl.h"

LLVMValueRef qn__ll_gemm_tall(qn_ll *g, LLVMValueRef count, uint32_t rows, LLVMValueRef *tiles) {
  LLVMValueRef tall = qn__ll_i64(g, rows), up = qn__ll_i64(g, rows - 1);
  *tiles = LLVMBuildUDiv(g->b, qn__ll_add(g, count, up), tall, "");
  return qn__ll_sub(g, *tiles, qn__ll_sub(g, qn__ll_mul(g, *tiles, tall), count));
}

qn_ll_cut qn__ll_cut_rows(qn_ll *g, LLVMValueRef begin, LLVMValueRef end, uint32_t rows, bool low) {
  qn_ll_cut c = {.rows = rows, .begin = begin, .end = end};
  LLVMValueRef count = qn__ll_sub(g, end, begin);
  c.tall = qn__ll_gemm_tall(g, count, rows, &c.tiles);
  if (!low) c.tall = c.tiles;
  return c;
}

LLVMValueRef qn__ll_cut_row(qn_ll *g, const qn_ll_cut *c, LLVMValueRef tile) {
  LLVMValueRef high = qn__ll_min(g, tile, c->tall), low = qn__ll_sub(g, tile, high);
  LLVMValueRef at = qn__ll_add(g, c->begin, qn__ll_mul(g, high, qn__ll_i64(g, c->rows)));
  return qn__ll_min(g, qn__ll_add(g, at, qn__ll_mul(g, low, qn__ll_i64(g, c->rows - 1))), c->end);
}

LLVMValueRef qn__ll_gemm_columns(gemm_state *s, LLVMValueRef panel) {
  int64_t bytes = (int64_t)s->plan->layout.k_block * qn__ll_mem_bits(s->plan->rhs) / 8;
  return qn__ll_gep(s->g, panel, qn__ll_mul(s->g, s->column, qn__ll_i64(s->g, bytes)));
}

static void list_given(gemm_state *s, gemm_sums *f) {
  uint32_t n = 0;
  f->given[n++] = &s->a;
  f->given[n++] = &s->b;
  f->given[n++] = &s->tile.k_size;
  f->given[n++] = &s->sums;
  f->given[n++] = s->places.some ? &s->place : &s->a_stride;
  if (s->places.pads) f->given[n++] = &s->places.outside;
  if (s->places.pads && s->pieces.some) f->given[n++] = &s->pieces.positions;
  if (f->starts) f->given[n++] = &s->start;
  if (s->pieces.some) f->given[n++] = &s->start_pitch;
  if (s->fetch.some) f->given[n++] = &s->fetch.ahead;
  if (s->fetch.a_step) f->given[n++] = &s->fetch.y;
  if (s->plan->layout.granule) f->given[n++] = &s->panel, f->given[n++] = &s->column, f->given[n++] = &s->g->args;
  if (f->num_kept) f->given[n++] = &s->kept;
  f->num_given = n;
}

static bool is_address(const gemm_state *s, LLVMValueRef *field) {
  return field == &s->a || field == &s->b || field == &s->sums || field == &s->start || field == &s->kept ||
         field == &s->fetch.ahead || field == &s->fetch.y || field == &s->place || field == &s->places.outside ||
         field == &s->g->args;
}

static void list_kept(gemm_state *s, gemm_sums *f) {
  uint32_t n = 0;
  for (uint32_t i = 3; s->plan->window && i < 12; i++) f->kept[n++] = &s->image[i];
  if (s->tile.panels > 1) f->kept[n++] = &s->b_stride;
  if (s->fetch.some) f->kept[n++] = &s->fetch.ahead_step;
  if (s->fetch.some && s->fetch.alone) f->kept[n++] = &s->fetch.alone;
  if (s->fetch.some && s->fetch.far) f->kept[n++] = &s->fetch.far;
  if (s->fetch.some && s->fetch.few) f->kept[n++] = &s->fetch.few;
  if (s->fetch.a_step)
    f->kept[n++] = &s->fetch.a_step, f->kept[n++] = &s->fetch.y_stride, f->kept[n++] = &s->fetch.y_step;
  f->num_kept = n;
}

static bool is_condition(const gemm_state *s, LLVMValueRef *field) {
  return field == &s->fetch.alone || field == &s->fetch.far || field == &s->fetch.few;
}

static LLVMValueRef kept_at(gemm_state *s, uint32_t i) {
  return qn__ll_gep_const(s->g, s->kept, (int64_t)i * 8);
}

static void store_kept(gemm_state *s, const gemm_sums *f) {
  qn_ll *g = s->g;
  for (uint32_t i = 0; i < f->num_kept; i++) {
    LLVMValueRef v = *f->kept[i];
    LLVMBuildStore(g->b, is_condition(s, f->kept[i]) ? LLVMBuildZExt(g->b, v, g->i64, "") : v, kept_at(s, i));
  }
}

static void load_kept(gemm_state *s, const gemm_sums *f) {
  qn_ll *g = s->g;
  for (uint32_t i = 0; i < f->num_kept; i++) {
    LLVMValueRef v = LLVMBuildLoad2(g->b, g->i64, kept_at(s, i), "");
    bool condition = is_condition(s, f->kept[i]);
    *f->kept[i] = condition ? LLVMBuildICmp(g->b, LLVMIntNE, v, qn__ll_i64(g, 0), "") : v;
  }
}

/* One block to a turn where two of them leave no registers to count what is left over: as much code as LLVM's would be
 * takes it far longer to compile. */
static bool is_text(gemm_state *s) {
  uint32_t turn = s->tile.unroll;
  if (qn__ll_gemm_text_is_whole(s)) return true;
  if (s->tile.sets > 1) return false;
  s->tile.unroll = 1;
  if (qn__ll_gemm_text_is_whole(s)) return true;
  s->tile.unroll = turn;
  return false;
}

static void write_function(gemm_state *s, gemm_sums *f) {
  qn_ll *g = s->g;
  gemm_state around = *s;
  qn_ll_inner inner; /* LLVM numbers names after the first */
  qn__ll_inner_begin(g, &inner, qn__arena_fmt(g->arena, "%s_sums", s->body->symbol).data, f->type);
  f->fn = inner.fn;
  s->start = s->start_pitch = s->fetch.ahead = s->fetch.y = NULL;
  for (uint32_t i = 0; i < f->num_given; i++) *f->given[i] = LLVMGetParam(f->fn, i);
  s->within = f;
  if (is_text(s)) {
    qn__ll_function_quickly(g, f->fn);
    if (s->tile.panels > 1) load_kept(s, f);
    qn__ll_gemm_text_whole(s);
  } else {
    load_kept(s, f);
    qn__ll_gemm_sums(s);
  }
  qn__ll_inner_end(g, &inner);
  *s = around;
}

gemm_sums qn__ll_gemm_sums_function(gemm_state *s, bool starts) {
  qn_ll *g = s->g;
  gemm_sums f = {.starts = starts};
  LLVMTypeRef types[GEMM_MOST];
  list_kept(s, &f);
  list_given(s, &f);
  for (uint32_t i = 0; i < f.num_given; i++) types[i] = is_address(s, f.given[i]) ? g->ptr : g->i64;
  f.type = LLVMFunctionType(g->void_t, types, f.num_given, false);
  write_function(s, &f);
  store_kept(s, &f);
  return f;
}

/* Both sides move on to the piece of K at hand. */
static void move_to_piece(gemm_state *s) {
  qn_ll *g = s->g;
  const qn_layout *l = &s->plan->layout;
  const gemm_pieces *p = &s->pieces;
  s->at.sums = qn__ll_gep(g, p->waiting, qn__ll_mul(g, qn__ll_sub(g, s->row, p->begin), p->pitch));
  if (s->plan->window) return; /* positions are found where they are */
  int64_t a_bytes = (int64_t)l->k_block * qn__ll_mem_bits(s->plan->lhs) / 8;
  int64_t b_bytes = (int64_t)l->k_block * l->panel_width * qn__ll_mem_bits(s->plan->rhs) / 8;
  s->at.a = qn__ll_gep(g, s->at.a, qn__ll_mul(g, p->from, qn__ll_i64(g, a_bytes)));
  s->at.b = qn__ll_gep(g, s->at.b, qn__ll_mul(g, p->from, qn__ll_i64(g, b_bytes)));
}

void qn__ll_gemm_place(gemm_state *s, LLVMValueRef begin) {
  qn_ll *g = s->g;
  s->at = (gemm_place){.a = s->a, .b = s->b, .sums = s->sums};
  if (!s->plan->window) s->at.a = qn__ll_gep(g, s->a, qn__ll_mul(g, s->row, s->a_stride));
  if (s->places.some)
    s->at.place = qn__ll_gep(g, s->places.table, qn__ll_mul(g, qn__ll_sub(g, s->row, begin), qn__ll_i64(g, 8)));
  if (!s->plan->layout.granule) s->at.b = qn__ll_gep(g, s->b, qn__ll_mul(g, s->panel, s->b_stride));
  if (s->pieces.some) move_to_piece(s);
  qn__ll_gemm_fetch_aim(s, begin);
}

uint32_t qn__ll_gemm_moved(gemm_state *s, LLVMValueRef *fields[GEMM_MOVED], LLVMValueRef by[GEMM_MOVED]) {
  qn_ll *g = s->g;
  uint32_t n = 0;
  if (!s->plan->window) fields[n] = &s->at.a, by[n++] = s->a_stride;
  if (s->pieces.some) fields[n] = &s->at.sums, by[n++] = s->pieces.pitch;
  if (s->at.ahead) fields[n] = &s->at.ahead, by[n++] = s->fetch.row_bytes;
  if (s->at.y) fields[n] = &s->at.y, by[n++] = s->fetch.y_stride;
  if (s->at.place) fields[n] = &s->at.place, by[n++] = qn__ll_i64(g, 8);
  for (uint32_t i = 0; i < n; i++) by[i] = qn__ll_mul(g, by[i], qn__ll_i64(g, s->tile.rows));
  return n;
}

void qn__ll_gemm_sums_call(gemm_state *s, const gemm_sums *f) {
  qn_ll *g = s->g;
  gemm_state around = *s;
  LLVMValueRef args[GEMM_MOST];
  int64_t y_bytes = qn__ll_mem_bits(s->plan->y_mem) / 8;
  s->a = s->at.a, s->sums = s->at.sums, s->fetch.ahead = s->at.ahead, s->place = s->at.place;
  s->b = s->plan->layout.granule ? s->b : qn__ll_gemm_columns(s, s->at.b);
  if (s->at.y) s->fetch.y = qn__ll_gep(g, s->at.y, qn__ll_mul(g, s->column, qn__ll_i64(g, y_bytes)));
  if (s->pieces.some) s->tile.k_size = s->pieces.k_size;
  for (uint32_t i = 0; i < f->num_given; i++) args[i] = *f->given[i];
  *s = around;
  LLVMBuildCall2(g->b, f->type, f->fn, args, f->num_given, "");
}
