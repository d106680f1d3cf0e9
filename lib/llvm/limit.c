/* The machine's limits: loops that do one thing on independent registers, and nothing else. */
#include "tile.h"
#include <stdlib.h>
#include <string.h>

enum { CHAINS = 20, CHAINS_16 = 12, TURNS = 4, READS = 8 }; /* registers leave room for two operands and a temporary */

/* What all turns of a loop have in common. `dot` adds its products to the sum by one instruction; null where the turn
 * knows better. */
typedef struct loop loop;
typedef LLVMValueRef (*turn_fn)(loop *l, LLVMValueRef acc);
struct loop {
  qn_ll *g;
  qn_limit *out;
  turn_fn turn;
  qn_ll_tile tile;
  const qn_ll_dot *dot;
  LLVMValueRef a, b;
};

static LLVMValueRef dot_turn(loop *l, LLVMValueRef acc) {
  qn_ll_operand a = {.x = {l->a}}, b = {.x = {l->b}};
  l->out->amount += l->tile.acc_lanes * l->tile.plan->layout.k_block;
  return l->dot->madd(&l->tile, acc, &a, &b);
}

/* Of 16-bit numbers, which exact products of bytes are made by where nothing else multiplies them. */
static LLVMValueRef words_turn(loop *l, LLVMValueRef acc) {
  qn_ll *g = l->g;
  if (!g->x86) {
    l->out->amount += g->lanes;
    return LLVMBuildAdd(g->b, LLVMBuildMul(g->b, acc, l->b, ""), l->a, "");
  }
  bool avx2 = g->isa->vector_bits == 256;
  l->out->instruction = avx2 ? "vpmaddwd" : "pmaddwd";
  l->out->amount += avx2 ? 16 : 8;
  LLVMValueRef pair[2] = {acc, l->b};
  const char *name = avx2 ? "llvm.x86.avx2.pmadd.wd" : "llvm.x86.sse2.pmadd.wd";
  return LLVMBuildAdd(g->b, qn__ll_target_intrinsic(g, name, LLVMTypeOf(acc), 2, pair), l->a, "");
}

static LLVMValueRef pairs_turn(loop *l, LLVMValueRef acc) {
  qn_ll *g = l->g;
  LLVMTypeRef words = LLVMVectorType(g->i16, 16);
  LLVMValueRef pair[2] = {acc, l->b}, a = LLVMBuildBitCast(g->b, l->a, words, "");
  l->out->amount += 32;
  LLVMValueRef sums = qn__ll_target_intrinsic(g, "llvm.x86.avx2.pmadd.ub.sw", words, 2, pair);
  return LLVMBuildBitCast(g->b, LLVMBuildAdd(g->b, sums, a, ""), LLVMTypeOf(acc), "");
}

static LLVMValueRef float_turn(loop *l, LLVMValueRef acc) {
  qn_ll *g = l->g;
  LLVMTypeRef type = LLVMTypeOf(acc);
  l->out->amount += LLVMGetVectorSize(type);
  if (!g->isa->has_fma) return LLVMBuildFAdd(g->b, LLVMBuildFMul(g->b, acc, l->b, ""), l->a, "");
  if (g->x86) l->out->instruction = LLVMGetElementType(type) == g->f32 ? "vfmadd231ps" : "vfmadd231pd";
  LLVMValueRef args[3] = {acc, l->b, l->a};
  return qn__ll_intrinsic(g, "llvm.fma", 1, &type, 3, args);
}

/* An operand of which nothing is known while compiling, each lane of it `seed` changed a little. */
static LLVMValueRef unknown(qn_ll *g, LLVMTypeRef type, uint32_t seed) {
  LLVMTypeRef ints = LLVMVectorType(g->i32, g->lanes);
  LLVMValueRef x = qn__ll_splat(g, LLVMBuildTrunc(g->b, qn__ll_arg_end(g, 0), g->i32, ""), g->lanes);
  x = LLVMBuildXor(g->b, LLVMBuildAnd(g->b, x, qn__ll_bits(g, ints, 0x0fff), ""), qn__ll_bits(g, ints, seed), "");
  return LLVMBuildBitCast(g->b, x, type, "");
}

static void keep(qn_ll *g, const LLVMValueRef *acc, uint32_t n) {
  LLVMTypeRef ints = LLVMVectorType(g->i32, g->lanes);
  LLVMValueRef all = LLVMBuildBitCast(g->b, acc[0], ints, "");
  for (uint32_t i = 1; i < n; i++) all = LLVMBuildXor(g->b, all, LLVMBuildBitCast(g->b, acc[i], ints, ""), "");
  LLVMSetVolatile(LLVMBuildStore(g->b, all, qn__ll_slot(g, ints, 1)), true);
}

/* Operands near 1.0 when they are floats: no turn may meet a denormal. */
enum { SEED_A = 0x01020304, SEED_B = 0x3f800000 };

static void multiply_loop(loop *l, LLVMTypeRef type) {
  qn_ll *g = l->g;
  LLVMValueRef acc[CHAINS];
  l->a = unknown(g, type, l->turn == float_turn ? SEED_B | 1 : SEED_A), l->b = unknown(g, type, SEED_B);
  uint32_t chains = g->isa->num_registers > 16 ? CHAINS : CHAINS_16;
  for (uint32_t i = 0; i < chains; i++) acc[i] = unknown(g, type, SEED_B + i);
  qn_ll_for f;
  qn__ll_for_begin(g, &f, qn__ll_arg_begin(g, 0), qn__ll_arg_end(g, 0), 1, chains, acc);
  for (uint32_t t = 0; t < TURNS; t++)
    for (uint32_t i = 0; i < chains; i++) acc[i] = l->turn(l, acc[i]);
  qn__ll_for_end(g, &f, acc);
  keep(g, acc, chains);
}

/* The registers for tiles: six sums, as each is there again only after some fifty cycles, and full ones. */
static void tile_op(qn_ll *g, const char *name, uint32_t num_args, LLVMValueRef *args) {
  qn__ll_target_intrinsic(g, name, LLVMVoidTypeInContext(g->ctx), num_args, args);
}

static void tile_loop(qn_ll *g, bool pairs, qn_limit *out) {
  enum { ROWS = 16, BYTES = 64, SUMS = 6, A = 6, B = 7 };
  char bytes[64] = {1}; /* palette; from 16 on widths, of 16 bits, from 48 on heights */
  for (int t = 0; t < 8; t++) bytes[16 + 2 * t] = BYTES, bytes[48 + t] = ROWS;
  LLVMValueRef config = LLVMAddGlobal(g->mod, LLVMArrayType2(g->i8, sizeof bytes), "tiles"), number[8];
  LLVMSetInitializer(config, LLVMConstStringInContext(g->ctx, bytes, sizeof bytes, true));
  LLVMSetGlobalConstant(config, true);
  LLVMSetLinkage(config, LLVMInternalLinkage);
  tile_op(g, "llvm.x86.ldtilecfg", 1, &config);
  for (uint32_t t = 0; t < 8; t++) {
    number[t] = LLVMConstInt(g->i8, t, false);
    tile_op(g, "llvm.x86.tilezero", 1, &number[t]);
  }
  qn_ll_for f;
  qn__ll_for_begin(g, &f, qn__ll_arg_begin(g, 0), qn__ll_arg_end(g, 0), 1, 0, NULL);
  for (uint32_t i = 0; i < TURNS * SUMS; i++) {
    LLVMValueRef args[3] = {number[i % SUMS], number[A], number[B]};
    tile_op(g, pairs ? "llvm.x86.tdpbf16ps" : "llvm.x86.tdpbusd", 3, args);
  }
  qn__ll_for_end(g, &f, NULL);
  tile_op(g, "llvm.x86.tilerelease", 0, NULL);
  out->amount = (double)TURNS * SUMS * ROWS * BYTES * ROWS / (pairs ? 2 : 1);
  out->instruction = pairs ? "tdpbf16ps" : "tdpbusd";
}

static void read_loop(qn_ll *g, double *amount) {
  LLVMTypeRef type = LLVMVectorType(g->i32, g->lanes);
  LLVMValueRef acc[READS], from = qn__ll_arg_ptr(g, 0);
  int64_t bytes = g->isa->vector_bits / 8;
  for (uint32_t i = 0; i < READS; i++) acc[i] = qn__ll_bits(g, type, i);
  qn_ll_for f;
  qn__ll_for_begin(g, &f, qn__ll_arg_begin(g, 0), qn__ll_arg_end(g, 0), 1, READS, acc);
  LLVMValueRef at = qn__ll_gep(g, from, qn__ll_mul(g, f.i, qn__ll_i64(g, READS * bytes)));
  for (uint32_t i = 0; i < READS; i++)
    acc[i] = LLVMBuildXor(g->b, acc[i], qn__ll_load_vec(g, type, qn__ll_gep_const(g, at, i * bytes), 1), "");
  qn__ll_for_end(g, &f, acc);
  keep(g, acc, READS);
  *amount = (double)(READS * bytes);
}

/* ---- which loop ---- */

static bool has(const qn_isa *isa, uint32_t kind) {
  switch (kind) {
  case QN_MULTIPLIER_INT8_PAIRS: return isa->has & QN_ISA_PAIRS8;
  case QN_MULTIPLIER_INT8_TILES: return isa->has & QN_ISA_TILES;
  case QN_MULTIPLIER_BF16: return isa->has & QN_ISA_BF16;
  case QN_MULTIPLIER_BF16_TILES: return strstr(isa->llvm_features, "+amx-bf16") != NULL;
  default: return true;
  }
}

/* The row's own way to multiply, where that is one instruction. */
static const qn_ll_dot *own_dot(const qn_ll *g, uint32_t kind, qn_gemm_plan *p) {
  const uint32_t bytes = QN_ISA_DOT8 | QN_ISA_MATRIX8;
  bool words = kind == QN_MULTIPLIER_INT16, halves = kind == QN_MULTIPLIER_BF16;
  if (!halves && !(g->isa->has & (words ? QN_ISA_DOT16 : bytes))) return NULL;
  *p = (qn_gemm_plan){.lhs = QN_UI8, .rhs = QN_I8, .acc = QN_I32};
  if (words) p->lhs = p->rhs = QN_I16;
  if (halves) p->lhs = p->rhs = QN_BF16, p->acc = QN_F32;
  const char *layout = words || halves ? g->isa->int16_layout : g->isa->int8_layout; /* "k4n64" */
  p->layout.k_block = (uint32_t)strtoul(layout + 1, NULL, 10);
  return qn__ll_dot_find(g, p, true);
}

static void multiply(qn_ll *g, uint32_t kind, qn_limit *out) {
  qn_gemm_plan plan;
  bool floats = kind == QN_MULTIPLIER_F32 || kind == QN_MULTIPLIER_F64;
  LLVMTypeRef type = LLVMVectorType(g->i32, g->lanes);
  if (floats || kind == QN_MULTIPLIER_BF16) type = LLVMVectorType(g->f32, g->lanes);
  if (kind == QN_MULTIPLIER_F64) type = LLVMVectorType(LLVMDoubleTypeInContext(g->ctx), g->lanes / 2);
  loop l = {.g = g, .out = out, .turn = floats ? float_turn : words_turn};
  if (kind == QN_MULTIPLIER_INT8_PAIRS)
    l.turn = pairs_turn, out->instruction = "vpmaddubsw";
  else if (!floats && (l.dot = own_dot(g, kind, &plan)))
    l.turn = dot_turn, out->instruction = l.dot->name;
  l.tile = (qn_ll_tile){.g = g, .plan = &plan, .dot = l.dot, .acc_type = type, .acc_lanes = g->lanes};
  multiply_loop(&l, type);
}

static void write_loop(qn_ll *g, uint32_t kind, qn_limit *out) {
  if (kind == QN_LIMIT_READ)
    read_loop(g, &out->amount);
  else if (kind == QN_MULTIPLIER_INT8_TILES || kind == QN_MULTIPLIER_BF16_TILES)
    tile_loop(g, kind == QN_MULTIPLIER_BF16_TILES, out);
  else
    multiply(g, kind, out);
}

qn_status qn__ll_limit(qn_context *ctx, const qn_isa *isa, uint32_t kind, qn_limit *out) {
  qn_ll_module m;
  *out = (qn_limit){NULL, 0, NULL};
  if (!has(isa, kind)) return QN_OK;
  qn_status status = qn__ll_module_start(ctx, isa, "limit", &m);
  if (status == QN_OK) {
    qn_ll g;
    qn_arena arena;
    qn__arena_init(&arena, qn_context_allocator(ctx));
    qn__ll_init(&g, &m, &arena, isa, "limit");
    qn__ll_function_begin(&g, "qn_limit");
    write_loop(&g, kind, out);
    qn__ll_function_end(&g);
    qn__ll_done(&g);
    qn__arena_free(&arena);
  }
  if (status == QN_OK) status = qn__ll_module_verify(&m);
  const char *symbol = "qn_limit";
  if (status == QN_OK) status = qn__ll_jit(&m, 1, &symbol, &out->code);
  qn__ll_module_destroy(&m);
  return status;
}
