/* Typed loads and stores: from memory types to the registers of the tape and back, densely, strided or packed below a
 * byte, whole or under a mask. Nothing outside the mask is touched. No alignment is assumed unless stated. */
#include "ll.h"

typedef struct mem_info {
  uint8_t bits, storage;
  qn_scalar_class cls;
} mem_info;

static const mem_info infos[QN_SCALAR_COUNT] = {
#define QN_SCALAR(symbol, text, bits, storage, cls, numpy, safetensors, onnx, upstream)                                \
  [QN_##symbol] = {bits, storage, QN_##cls},
#include <quern/types.def>
#undef QN_SCALAR
};

static mem_info info_of(qn_scalar mem) {
  return (uint32_t)mem < QN_SCALAR_COUNT ? infos[mem] : infos[0];
}

uint32_t qn__ll_mem_bits(qn_scalar mem) {
  return info_of(mem).storage;
}

bool qn__ll_mem_unsigned(qn_scalar mem) {
  return info_of(mem).cls == QN_UNSIGNED;
}

bool qn__ll_mem_float(qn_scalar mem) {
  return mem == QN_F32 || mem == QN_F64;
}

qn_treg qn__ll_mem_reg(qn_scalar mem) {
  if (mem == QN_F32) return QN_TF32;
  if (mem == QN_F64) return QN_TF64;
  if (mem == QN_I1) return QN_TI1;
  uint32_t bits = qn__ll_mem_bits(mem);
  return bits <= 8 ? QN_TI8 : bits == 16 ? QN_TI16 : bits == 32 ? QN_TI32 : QN_TI64;
}

LLVMTypeRef qn__ll_mem_type(qn_ll *g, qn_scalar mem) {
  return mem == QN_I1 ? g->i8 : qn__ll_reg_type(g, qn__ll_mem_reg(mem));
}

LLVMValueRef qn__ll_load_vec(qn_ll *g, LLVMTypeRef type, LLVMValueRef ptr, uint32_t align) {
  LLVMValueRef v = LLVMBuildLoad2(g->b, type, ptr, "");
  LLVMSetAlignment(v, align);
  return v;
}

void qn__ll_store_vec(qn_ll *g, LLVMValueRef v, LLVMValueRef ptr, uint32_t align) {
  LLVMSetAlignment(LLVMBuildStore(g->b, v, ptr), align);
}

void qn__ll_store_past(qn_ll *g, LLVMValueRef v, LLVMValueRef ptr) {
  LLVMTypeRef type = LLVMTypeOf(v);
  uint32_t lanes = LLVMGetVectorSize(type);
  LLVMTypeRef elem = LLVMGetElementType(type);
  uint32_t bits = elem == g->f32 ? 32 : elem == g->f64 ? 64 : LLVMGetIntTypeWidth(elem), bytes = lanes * bits / 8;
  /* Not as what narrowing gives: LLVM would make one instruction of both, which has no such form. */
  if (bits < 32 && bytes % 4 == 0) v = LLVMBuildBitCast(g->b, v, LLVMVectorType(g->i32, bytes / 4), "");
  LLVMValueRef store = LLVMBuildStore(g->b, v, ptr);
  LLVMSetAlignment(store, bytes < 64 ? bytes : 64);
  LLVMMetadataRef one = LLVMValueAsMetadata(qn__ll_i32(g, 1));
  unsigned kind = LLVMGetMDKindIDInContext(g->ctx, "nontemporal", sizeof "nontemporal" - 1);
  LLVMSetMetadata(store, kind, LLVMMetadataAsValue(g->ctx, LLVMMDNodeInContext2(g->ctx, &one, 1)));
}

static LLVMValueRef lane_index(qn_ll *g, LLVMValueRef index, uint32_t lane) {
  return lane ? qn__ll_add(g, index, qn__ll_i64(g, lane)) : index;
}

static bool is_packed(const qn_ll_place *p) {
  return qn__ll_mem_bits(p->mem) < 8;
}

/* Byte address of an element; for packed elements, of the byte it is in. */
static LLVMValueRef address(qn_ll *g, const qn_ll_place *p, LLVMValueRef index) {
  if (p->access == QN_ACCESS_NONE) return p->base;
  if (p->access == QN_ACCESS_STRIDED) return qn__ll_gep(g, p->base, qn__ll_mul(g, index, p->stride));
  uint32_t bits = qn__ll_mem_bits(p->mem);
  if (bits < 8) {
    LLVMValueRef log_per_byte = qn__ll_i64(g, bits == 4 ? 1 : bits == 2 ? 2 : 3);
    return qn__ll_gep(g, p->base, LLVMBuildAShr(g->b, index, log_per_byte, ""));
  }
  return LLVMBuildGEP2(g->b, qn__ll_mem_type(g, p->mem), p->base, &index, 1, "");
}

/* How far a packed element stands from bit 0 of its byte, as i8. */
static LLVMValueRef packed_shift(qn_ll *g, const qn_ll_place *p, LLVMValueRef index) {
  if (p->access == QN_ACCESS_NONE) return qn__ll_bits(g, g->i8, 0);
  uint32_t bits = qn__ll_mem_bits(p->mem);
  LLVMValueRef low = LLVMBuildTrunc(g->b, index, g->i8, "");
  LLVMValueRef within = LLVMBuildAnd(g->b, low, qn__ll_bits(g, g->i8, 8 / bits - 1), "");
  return qn__ll_mul(g, within, qn__ll_bits(g, g->i8, bits));
}

static LLVMValueRef load_one(qn_ll *g, const qn_ll_place *p, LLVMValueRef index) {
  LLVMValueRef at = address(g, p, index);
  LLVMValueRef v = qn__ll_load_vec(g, qn__ll_mem_type(g, p->mem), at, 1);
  if (!is_packed(p)) return v;
  uint32_t bits = qn__ll_mem_bits(p->mem);
  v = LLVMBuildLShr(g->b, v, packed_shift(g, p, index), "");
  LLVMTypeRef narrow = LLVMIntTypeInContext(g->ctx, bits);
  v = LLVMBuildTrunc(g->b, v, narrow, "");
  bool is_signed = info_of(p->mem).cls == QN_SIGNLESS || info_of(p->mem).cls == QN_SIGNED;
  return is_signed ? LLVMBuildSExt(g->b, v, g->i8, "") : LLVMBuildZExt(g->b, v, g->i8, "");
}

/* Lane by lane; lanes outside the mask read element `index`, which exists whenever anything does. */
static LLVMValueRef load_lanes(qn_ll *g, const qn_ll_place *p, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask) {
  LLVMTypeRef type = LLVMVectorType(qn__ll_mem_type(g, p->mem), lanes);
  LLVMValueRef v = LLVMGetPoison(type);
  for (uint32_t l = 0; l < lanes; l++) {
    LLVMValueRef at = lane_index(g, index, l);
    if (mask && l) {
      LLVMValueRef on = LLVMBuildExtractElement(g->b, mask, qn__ll_i32(g, l), "");
      at = LLVMBuildSelect(g->b, on, at, index, "");
    }
    v = LLVMBuildInsertElement(g->b, v, load_one(g, p, at), qn__ll_i32(g, l), "");
  }
  return mask ? LLVMBuildSelect(g->b, mask, v, LLVMConstNull(type), "") : v;
}

/* ---- elements below 8 bits by vectors, which begin at a whole byte ---- */

static LLVMValueRef load_masked(qn_ll *g, LLVMTypeRef type, LLVMValueRef at, LLVMValueRef mask) {
  LLVMTypeRef overloads[2] = {type, g->ptr};
  LLVMValueRef args[4] = {at, qn__ll_i32(g, 1), mask, LLVMConstNull(type)};
  return qn__ll_intrinsic(g, "llvm.masked.load", 2, overloads, 4, args);
}

static void store_masked(qn_ll *g, LLVMValueRef value, LLVMValueRef at, LLVMValueRef mask) {
  LLVMTypeRef overloads[2] = {LLVMTypeOf(value), g->ptr};
  LLVMValueRef args[4] = {value, at, qn__ll_i32(g, 1), mask};
  qn__ll_intrinsic(g, "llvm.masked.store", 2, overloads, 4, args);
}

enum { MOST_BYTES = 16 };

static uint32_t per_byte(const qn_ll_place *p) {
  return 8 / qn__ll_mem_bits(p->mem);
}

static bool are_packed(const qn_ll_place *p, uint32_t lanes) {
  return is_packed(p) && p->access == QN_ACCESS_DENSE && lanes % per_byte(p) == 0 && lanes / per_byte(p) <= MOST_BYTES;
}

/* Of bytes that have elements inside the mask, which has no gaps: their first ones are in it. */
static LLVMValueRef byte_mask(qn_ll *g, const qn_ll_place *p, uint32_t lanes, LLVMValueRef mask) {
  LLVMValueRef firsts[MOST_BYTES];
  uint32_t bytes = lanes / per_byte(p);
  for (uint32_t i = 0; i < bytes; i++) firsts[i] = qn__ll_i32(g, i * per_byte(p));
  return LLVMBuildShuffleVector(g->b, mask, LLVMGetPoison(LLVMTypeOf(mask)), LLVMConstVector(firsts, bytes), "");
}

/* A byte's elements as bytes of a word: halves move apart until each element stands by itself. */
static LLVMValueRef load_bytes_of(qn_ll *g, const qn_ll_place *p, LLVMValueRef index, uint32_t lanes,
                                  LLVMValueRef mask) {
  uint32_t bits = qn__ll_mem_bits(p->mem), bytes = lanes / per_byte(p);
  LLVMTypeRef from = qn__ll_lanes(g->i8, bytes), words = qn__ll_lanes(bits == 4 ? g->i16 : g->i32, bytes);
  LLVMValueRef at = address(g, p, index);
  LLVMValueRef v = mask ? load_masked(g, from, at, byte_mask(g, p, lanes, mask)) : qn__ll_load_vec(g, from, at, 1);
  v = LLVMBuildZExt(g->b, v, words, "");
  for (uint32_t apart = 4; apart >= bits; apart /= 2) {
    uint32_t by = bits == 4 ? 4 : 3 * apart;
    uint64_t kept = bits == 4 ? 0x0F0F : apart == 4 ? 0x000F000F : 0x03030303;
    v = LLVMBuildOr(g->b, v, LLVMBuildShl(g->b, v, qn__ll_bits(g, words, by), ""), "");
    v = LLVMBuildAnd(g->b, v, qn__ll_bits(g, words, kept), "");
  }
  return LLVMBuildBitCast(g->b, v, LLVMVectorType(g->i8, lanes), "");
}

static LLVMValueRef load_packed(qn_ll *g, const qn_ll_place *p, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask) {
  LLVMValueRef v = load_bytes_of(g, p, index, lanes, mask);
  LLVMTypeRef type = LLVMTypeOf(v);
  bool is_signed = info_of(p->mem).cls == QN_SIGNLESS || info_of(p->mem).cls == QN_SIGNED;
  if (is_signed) { /* (v ^ 8) - 8 */
    LLVMValueRef sign = qn__ll_bits(g, type, UINT64_C(1) << (qn__ll_mem_bits(p->mem) - 1));
    v = LLVMBuildSub(g->b, LLVMBuildXor(g->b, v, sign, ""), sign, "");
  }
  return mask ? LLVMBuildSelect(g->b, mask, v, LLVMConstNull(type), "") : v;
}

/* The other way round. A byte of which some elements are outside the mask keeps those. */
static void store_packed(qn_ll *g, const qn_ll_place *p, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask,
                         LLVMValueRef value) {
  uint32_t bits = qn__ll_mem_bits(p->mem), bytes = lanes / per_byte(p);
  LLVMTypeRef to = qn__ll_lanes(g->i8, bytes), words = qn__ll_lanes(bits == 4 ? g->i16 : g->i32, bytes);
  if (mask) value = LLVMBuildSelect(g->b, mask, value, load_bytes_of(g, p, index, lanes, mask), "");
  LLVMValueRef v = LLVMBuildBitCast(g->b, value, words, ""), at = address(g, p, index);
  v = LLVMBuildAnd(g->b, v, qn__ll_bits(g, words, bits == 4 ? 0x0F0F : 0x03030303), "");
  for (uint32_t apart = bits; apart <= 4; apart *= 2) {
    uint32_t by = bits == 4 ? 4 : 3 * apart;
    v = LLVMBuildOr(g->b, v, LLVMBuildLShr(g->b, v, qn__ll_bits(g, words, by), ""), "");
    if (apart < 4) v = LLVMBuildAnd(g->b, v, qn__ll_bits(g, words, 0x000F000F), "");
  }
  v = LLVMBuildTrunc(g->b, v, to, "");
  if (mask)
    store_masked(g, v, at, byte_mask(g, p, lanes, mask));
  else
    qn__ll_store_vec(g, v, at, 1);
}

LLVMValueRef qn__ll_load(qn_ll *g, const qn_ll_place *p, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask) {
  LLVMValueRef v;
  if (lanes == 1)
    v = load_one(g, p, index);
  else if (p->access == QN_ACCESS_NONE)
    v = qn__ll_splat(g, load_one(g, p, index), lanes);
  else if (are_packed(p, lanes))
    v = load_packed(g, p, index, lanes, mask);
  else if (p->access == QN_ACCESS_STRIDED || is_packed(p))
    v = load_lanes(g, p, index, lanes, mask);
  else {
    LLVMTypeRef type = LLVMVectorType(qn__ll_mem_type(g, p->mem), lanes);
    LLVMValueRef at = address(g, p, index);
    v = mask ? load_masked(g, type, at, mask) : qn__ll_load_vec(g, type, at, 1);
  }
  if (p->mem == QN_I1) v = LLVMBuildICmp(g->b, LLVMIntNE, v, LLVMConstNull(LLVMTypeOf(v)), "");
  return v;
}

static void store_one(qn_ll *g, const qn_ll_place *p, LLVMValueRef index, LLVMValueRef value) {
  LLVMValueRef at = address(g, p, index);
  if (is_packed(p)) {
    uint32_t bits = qn__ll_mem_bits(p->mem);
    LLVMValueRef shift = packed_shift(g, p, index), low = qn__ll_bits(g, g->i8, (1u << bits) - 1);
    LLVMValueRef hole = LLVMBuildNot(g->b, LLVMBuildShl(g->b, low, shift, ""), "");
    LLVMValueRef old = LLVMBuildAnd(g->b, qn__ll_load_vec(g, g->i8, at, 1), hole, "");
    LLVMValueRef fresh = LLVMBuildShl(g->b, LLVMBuildAnd(g->b, value, low, ""), shift, "");
    value = LLVMBuildOr(g->b, old, fresh, "");
  }
  qn__ll_store_vec(g, value, at, 1);
}

static void store_lanes(qn_ll *g, const qn_ll_place *p, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask,
                        LLVMValueRef value) {
  for (uint32_t l = 0; l < lanes; l++) {
    qn_ll_if on;
    if (mask) qn__ll_if_begin(g, &on, LLVMBuildExtractElement(g->b, mask, qn__ll_i32(g, l), ""));
    store_one(g, p, lane_index(g, index, l), LLVMBuildExtractElement(g->b, value, qn__ll_i32(g, l), ""));
    if (mask) qn__ll_if_end(g, &on);
  }
}

void qn__ll_store(qn_ll *g, const qn_ll_place *p, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask,
                  LLVMValueRef value) {
  if (p->mem == QN_I1) value = LLVMBuildZExt(g->b, value, qn__ll_lanes(g->i8, lanes), "");
  if (lanes == 1)
    store_one(g, p, index, value);
  else if (are_packed(p, lanes))
    store_packed(g, p, index, lanes, mask, value);
  else if (p->access != QN_ACCESS_DENSE || is_packed(p))
    store_lanes(g, p, index, lanes, mask, value);
  else if (mask)
    store_masked(g, value, address(g, p, index), mask);
  else if (g->past_caches)
    qn__ll_store_past(g, value, address(g, p, index));
  else
    qn__ll_store_vec(g, value, address(g, p, index), 1);
}
