/* Rows of a product over an image for the registers for tiles (amx.c): windows are copied into rows of memory, the
 * segments of each one behind the other as B's blocks are. That takes a line of 64 bytes about two cycles, which is
 * little beside what it is multiplied with: all of the columns. */
#include "amx.h"

enum { LINE = 64 };

static LLVMValueRef round_up(qn_ll *g, LLVMValueRef n, int64_t to) {
  return LLVMBuildAnd(g->b, qn__ll_add(g, n, qn__ll_i64(g, to - 1)), qn__ll_i64(g, -to), "");
}

/* Memory whose size is known when the body runs. */
static LLVMValueRef reserve(qn_ll *g, LLVMValueRef bytes) {
  LLVMValueRef slot = LLVMBuildArrayAlloca(g->b, g->i8, bytes, "");
  LLVMSetAlignment(slot, LINE);
  return slot;
}

/* A function that copies a line of each row: (here, where it is in the image but for where windows begin; outside, what
 * stands for it there; the number of the position; a mask of the line; to; rows; pitch; the table of places). */
enum { COPY_ARGS = 8 };
static LLVMTypeRef copy_type(qn_ll *g) {
  LLVMTypeRef params[COPY_ARGS] = {g->ptr, g->ptr, g->i64, g->i64, g->ptr, g->i64, g->i64, g->ptr};
  return LLVMFunctionType(g->void_t, params, COPY_ARGS, false);
}

static LLVMValueRef copy_function(gemm_state *s) {
  qn_ll *g = s->g;
  qn_ll_inner f;
  qn_ll_for rows;
  LLVMTypeRef line = LLVMVectorType(g->i8, LINE), overloads[2] = {line, g->ptr};
  qn__ll_inner_begin(g, &f, qn__arena_fmt(g->arena, "%s_windows", s->body->symbol).data, copy_type(g));
  LLVMValueRef p[COPY_ARGS];
  for (uint32_t i = 0; i < COPY_ARGS; i++) p[i] = LLVMGetParam(f.fn, i);
  LLVMValueRef mask = LLVMBuildBitCast(g->b, p[3], LLVMVectorType(g->i1, LINE), ""), at[2] = {p[7], p[4]};
  qn__ll_do_begin(g, &rows, qn__ll_i64(g, 0), p[5], 1, 2, at);
  LLVMValueRef from = LLVMBuildLoad2(g->b, g->i64, qn__ll_gep_const(g, at[0], GEMM_BEGINS), "");
  from = qn__ll_gep(g, p[0], from);
  if (s->places.pads) {
    LLVMValueRef bits = LLVMBuildLoad2(g->b, g->i64, qn__ll_gep_const(g, at[0], GEMM_INSIDE), "");
    bits = LLVMBuildTrunc(g->b, LLVMBuildLShr(g->b, bits, p[2], ""), g->i1, "");
    from = LLVMBuildSelect(g->b, bits, from, p[1], "");
  }
  LLVMValueRef args[4] = {from, qn__ll_i32(g, 1), mask, LLVMConstNull(line)};
  qn__ll_store_vec(g, qn__ll_intrinsic(g, "llvm.masked.load", 2, overloads, 4, args), at[1], 1);
  at[0] = qn__ll_gep_const(g, at[0], 8), at[1] = qn__ll_gep(g, at[1], p[6]);
  qn__ll_for_close(g, &rows, at);
  qn__ll_inner_end(g, &f);
  return f.fn;
}

void qn__ll_amx_windows_init(qn_ll *g, const qn_body *body, uint32_t rows, qn_ll_amx_windows *w) {
  const qn_gemm_plan *plan = &body->plan->u.gemm;
  *w = (qn_ll_amx_windows){.s = {.g = g, .plan = plan, .body = body}};
  gemm_state *s = &w->s;
  s->tile = (qn_ll_tile){.g = g, .plan = plan, .k_size = qn__ll_arg_size(g, 2)};
  s->a = qn__ll_arg_ptr(g, 0);
  for (uint32_t i = 3; i < 12; i++) s->image[i] = qn__ll_arg_size(g, i);
  s->places.in_order = true;
  qn__ll_gemm_places_init(s);
  w->copy = copy_function(s);
  w->segment = round_up(g, s->tile.k_size, plan->layout.k_block);
  LLVMValueRef segments = qn__ll_mul(g, s->image[5], s->image[6]);
  w->k_size = qn__ll_mul(g, segments, w->segment);
  /* Whole lines are written, the last of a row may end in a second one behind it. */
  w->pitch = qn__ll_add(g, round_up(g, w->k_size, LINE), qn__ll_i64(g, LINE));
  w->rows = reserve(g, qn__ll_mul(g, w->pitch, qn__ll_i64(g, rows)));
}

void qn__ll_amx_windows_copy(qn_ll_amx_windows *w, LLVMValueRef row, LLVMValueRef rows) {
  gemm_state *s = &w->s;
  qn_ll *g = s->g;
  LLVMValueRef zero = qn__ll_i64(g, 0), one = qn__ll_i64(g, 1), all = qn__ll_i64(g, -1), line = qn__ll_i64(g, LINE);
  qn__ll_gemm_places_note(s, row, qn__ll_add(g, row, rows));
  LLVMValueRef outer[3] = {zero, zero, w->rows}, inner[3]; /* offset, position, where to */
  qn_ll_for i, j, k;
  qn__ll_do_begin(g, &i, zero, s->image[5], 1, 3, outer);
  for (uint32_t c = 0; c < 3; c++) inner[c] = outer[c];
  qn__ll_do_begin(g, &j, zero, s->image[6], 1, 3, inner);
  qn__ll_for_begin(g, &k, zero, s->tile.k_size, LINE, 0, NULL);
  LLVMValueRef left = qn__ll_min(g, qn__ll_sub(g, s->tile.k_size, k.i), line);
  LLVMValueRef bits = LLVMBuildLShr(g->b, all, LLVMBuildSub(g->b, line, left, ""), "");
  LLVMValueRef outside = s->places.pads ? qn__ll_gep(g, s->places.outside, k.i) : s->a;
  LLVMValueRef args[COPY_ARGS] = {qn__ll_gep(g, s->a, qn__ll_add(g, inner[0], k.i)),
                                  outside,
                                  inner[1],
                                  bits,
                                  qn__ll_gep(g, inner[2], k.i),
                                  rows,
                                  w->pitch,
                                  s->places.table};
  LLVMBuildCall2(g->b, copy_type(g), w->copy, args, COPY_ARGS, "");
  qn__ll_for_end(g, &k, NULL);
  inner[0] = qn__ll_add(g, inner[0], s->image[11]), inner[1] = qn__ll_add(g, inner[1], one);
  inner[2] = qn__ll_gep(g, inner[2], w->segment);
  qn__ll_for_end(g, &j, inner);
  outer[0] = qn__ll_add(g, outer[0], s->image[10]), outer[1] = inner[1], outer[2] = inner[2];
  qn__ll_for_end(g, &i, outer);
}
