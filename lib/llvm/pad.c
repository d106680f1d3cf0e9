/* PAD: lines of an image through the body, between borders. */
#include "ll.h"

typedef struct pad_state {
  qn_ll *g;
  qn_ll_region region;
  qn_ll_place *places, to;
  LLVMValueRef line; /* of y */
  LLVMValueRef left; /* elements before x */
} pad_state;

static void inside(void *user, LLVMValueRef at, uint32_t lanes, LLVMValueRef mask) {
  pad_state *s = user;
  qn__ll_region_load(&s->region, QN_LL_BY_LANE, s->places, at, lanes, mask);
  qn__ll_region_emit(&s->region, QN_LL_BY_LANE, 0, 0, lanes);
  qn__ll_region_store(&s->region, 0, &s->to, qn__ll_add(s->g, at, s->left), lanes, mask);
}

static void border(void *user, LLVMValueRef at, uint32_t lanes, LLVMValueRef mask) {
  pad_state *s = user;
  qn__ll_region_store(&s->region, 1, &s->to, at, lanes, mask);
}

/* The body hands elements on as they are. */
static bool copies(const qn_tape *t) {
  const qn_tinst *i = &t->insts[t->outputs[0]];
  return i->op == QN_T_INPUT && i->a == 0 && qn__ll_mem_bits(t->input_mem[0]) == qn__ll_mem_bits(t->output_mem[0]);
}

/* `bytes` bytes from x's line behind the left border: as wide as loads are, the rest under a mask or one by one. */
static void copy_line(pad_state *s, LLVMValueRef bytes) {
  qn_ll *g = s->g;
  enum { WIDE = 64 };
  int64_t size = qn__ll_mem_bits(s->to.mem) / 8;
  LLVMTypeRef type = LLVMVectorType(g->i8, WIDE);
  LLVMValueRef from = s->places[0].base, to = qn__ll_gep(g, s->to.base, qn__ll_mul(g, s->left, qn__ll_i64(g, size)));
  LLVMValueRef done = LLVMBuildAnd(g->b, bytes, qn__ll_i64(g, -(int64_t)WIDE), "");
  qn_ll_for wide, rest;
  qn__ll_for_begin(g, &wide, qn__ll_i64(g, 0), done, WIDE, 0, NULL);
  qn__ll_store_vec(g, qn__ll_load_vec(g, type, qn__ll_gep(g, from, wide.i), 1), qn__ll_gep(g, to, wide.i), 1);
  qn__ll_for_end(g, &wide, NULL);
  if (!g->masked || g->isa->vector_bits < 8 * WIDE) {
    qn__ll_for_begin(g, &rest, done, bytes, 1, 0, NULL);
    qn__ll_store_vec(g, qn__ll_load_vec(g, g->i8, qn__ll_gep(g, from, rest.i), 1), qn__ll_gep(g, to, rest.i), 1);
    qn__ll_for_end(g, &rest, NULL);
    return;
  }
  LLVMValueRef bits = LLVMBuildShl(g->b, qn__ll_i64(g, 1), qn__ll_sub(g, bytes, done), "");
  bits = qn__ll_sub(g, bits, qn__ll_i64(g, 1));
  LLVMValueRef mask = LLVMBuildBitCast(g->b, bits, LLVMVectorType(g->i1, WIDE), "");
  LLVMTypeRef types[2] = {type, g->ptr};
  LLVMValueRef load[4] = {qn__ll_gep(g, from, done), qn__ll_i32(g, 1), mask, LLVMConstNull(type)};
  LLVMValueRef v = qn__ll_intrinsic(g, "llvm.masked.load", 2, types, 4, load);
  LLVMValueRef store[4] = {v, qn__ll_gep(g, to, done), qn__ll_i32(g, 1), mask};
  qn__ll_intrinsic(g, "llvm.masked.store", 2, types, 4, store);
}

qn_status qn__ll_pad(qn_ll *g, const qn_body *body) {
  const qn_loop_plan *plan = &body->plan->u.loop;
  pad_state s = {.g = g, .places = qn__arena_array(g->arena, plan->num_inputs, sizeof *s.places)};
  uint8_t *vary = qn__arena_array(g->arena, plan->num_inputs, 1);
  if (!s.places || !vary) return qn_error_no_memory(g->qctx);
  for (uint32_t i = 0; i < plan->num_inputs; i++) {
    vary[i] = i ? 0 : QN_LL_BY_LANE;
    s.places[i] = (qn_ll_place){plan->tape.input_mem[i], i ? QN_ACCESS_NONE : QN_ACCESS_DENSE,
                                i ? qn__ll_arg_ptr(g, 1 + i) : NULL, NULL};
  }
  if (!qn__ll_region_init(&s.region, g, &plan->tape, vary)) return qn_error_no_memory(g->qctx);
  LLVMValueRef x = qn__ll_arg_ptr(g, 0), y = qn__ll_arg_ptr(g, 1), zero = qn__ll_i64(g, 0);
  LLVMValueRef height = qn__ll_arg_size(g, 0), width = qn__ll_arg_size(g, 1), padded = qn__ll_arg_size(g, 2);
  s.left = qn__ll_arg_size(g, 4);
  LLVMValueRef first = qn__ll_add(g, s.left, width), all = qn__ll_add(g, first, qn__ll_arg_size(g, 5));
  qn__ll_region_load(&s.region, 0, s.places, zero, 1, NULL);
  qn__ll_region_emit(&s.region, 0, 0, 0, 1);
  qn_ll_for lines;
  qn__ll_for_begin(g, &lines, qn__ll_arg_begin(g, 0), qn__ll_arg_end(g, 0), 1, 0, NULL);
  LLVMValueRef n = LLVMBuildUDiv(g->b, lines.i, padded, "");
  LLVMValueRef h = qn__ll_sub(g, qn__ll_sub(g, lines.i, qn__ll_mul(g, n, padded)), qn__ll_arg_size(g, 3));
  LLVMValueRef exists = LLVMBuildICmp(g->b, LLVMIntULT, h, height, "");
  s.to = (qn_ll_place){plan->tape.output_mem[0], QN_ACCESS_DENSE,
                       qn__ll_gep(g, y, qn__ll_mul(g, lines.i, qn__ll_arg_stride(g, 1))), NULL};
  LLVMValueRef from = qn__ll_add(g, qn__ll_mul(g, n, height), h);
  s.places[0].base = qn__ll_gep(g, x, qn__ll_mul(g, from, qn__ll_arg_stride(g, 0)));
  /* A line without x is border up to its end, and x takes nothing. */
  qn__ll_span(g, zero, LLVMBuildSelect(g->b, exists, s.left, all, ""), border, &s);
  LLVMValueRef there = LLVMBuildSelect(g->b, exists, width, zero, "");
  if (copies(&plan->tape))
    copy_line(&s, qn__ll_mul(g, there, qn__ll_i64(g, qn__ll_mem_bits(s.to.mem) / 8)));
  else
    qn__ll_span(g, zero, there, inside, &s);
  qn__ll_span(g, LLVMBuildSelect(g->b, exists, first, all, ""), all, border, &s);
  qn__ll_for_end(g, &lines, NULL);
  return QN_OK;
}
