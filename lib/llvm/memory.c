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

/* ---- 4-bit elements by vectors, which begin at a whole byte but for odd ones ---- */

static bool are_nibbles(const qn_ll_place *p, uint32_t lanes, LLVMValueRef mask) {
  return qn__ll_mem_bits(p->mem) == 4 && p->access == QN_ACCESS_DENSE && lanes % 2 == 0 && !mask;
}

static LLVMValueRef is_even(qn_ll *g, LLVMValueRef index) {
  LLVMValueRef low = LLVMBuildAnd(g->b, index, qn__ll_i64(g, 1), "");
  return LLVMBuildICmp(g->b, LLVMIntEQ, low, qn__ll_i64(g, 0), "");
}

/* Two elements of a byte as two bytes. */
static LLVMValueRef load_pairs(qn_ll *g, const qn_ll_place *p, LLVMValueRef index, uint32_t lanes) {
  LLVMTypeRef pairs = LLVMVectorType(g->i16, lanes / 2), type = LLVMVectorType(g->i8, lanes);
  LLVMValueRef v = qn__ll_load_vec(g, LLVMVectorType(g->i8, lanes / 2), address(g, p, index), 1);
  v = LLVMBuildZExt(g->b, v, pairs, "");
  LLVMValueRef high = LLVMBuildShl(g->b, v, qn__ll_bits(g, pairs, 4), "");
  high = LLVMBuildAnd(g->b, high, qn__ll_bits(g, pairs, 0x0F00), "");
  v = LLVMBuildOr(g->b, LLVMBuildAnd(g->b, v, qn__ll_bits(g, pairs, 0x000F), ""), high, "");
  v = LLVMBuildBitCast(g->b, v, type, "");
  bool is_signed = info_of(p->mem).cls == QN_SIGNLESS || info_of(p->mem).cls == QN_SIGNED;
  if (!is_signed) return v;
  LLVMValueRef sign = qn__ll_bits(g, type, 8); /* (v ^ 8) - 8 */
  return LLVMBuildSub(g->b, LLVMBuildXor(g->b, v, sign, ""), sign, "");
}

static LLVMValueRef load_nibbles(qn_ll *g, const qn_ll_place *p, LLVMValueRef index, uint32_t lanes) {
  LLVMValueRef even = is_even(g, index), v[2] = {LLVMConstNull(LLVMVectorType(g->i8, lanes))};
  LLVMBasicBlockRef from[2];
  for (int odd = 0; odd < 2; odd++) {
    qn_ll_if f;
    from[0] = LLVMGetInsertBlock(g->b);
    qn__ll_if_begin(g, &f, odd ? LLVMBuildNot(g->b, even, "") : even);
    v[1] = odd ? load_lanes(g, p, index, lanes, NULL) : load_pairs(g, p, index, lanes);
    from[1] = LLVMGetInsertBlock(g->b);
    qn__ll_if_end(g, &f);
    LLVMValueRef phi = LLVMBuildPhi(g->b, LLVMTypeOf(v[0]), "");
    LLVMAddIncoming(phi, v, from, 2);
    v[0] = phi;
  }
  return v[0];
}

static LLVMValueRef load_masked(qn_ll *g, LLVMTypeRef type, LLVMValueRef at, LLVMValueRef mask) {
  LLVMTypeRef overloads[2] = {type, g->ptr};
  LLVMValueRef args[4] = {at, qn__ll_i32(g, 1), mask, LLVMConstNull(type)};
  return qn__ll_intrinsic(g, "llvm.masked.load", 2, overloads, 4, args);
}

LLVMValueRef qn__ll_load(qn_ll *g, const qn_ll_place *p, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask) {
  LLVMValueRef v;
  if (lanes == 1)
    v = load_one(g, p, index);
  else if (p->access == QN_ACCESS_NONE)
    v = qn__ll_splat(g, load_one(g, p, index), lanes);
  else if (are_nibbles(p, lanes, mask))
    v = load_nibbles(g, p, index, lanes);
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

static void store_nibbles(qn_ll *g, const qn_ll_place *p, LLVMValueRef index, uint32_t lanes, LLVMValueRef value) {
  LLVMTypeRef pairs = LLVMVectorType(g->i16, lanes / 2);
  LLVMValueRef even = is_even(g, index), v = LLVMBuildBitCast(g->b, value, pairs, "");
  qn_ll_if whole, odd;
  qn__ll_if_begin(g, &whole, even);
  LLVMValueRef high = LLVMBuildLShr(g->b, v, qn__ll_bits(g, pairs, 4), "");
  high = LLVMBuildAnd(g->b, high, qn__ll_bits(g, pairs, 0x00F0), "");
  v = LLVMBuildOr(g->b, LLVMBuildAnd(g->b, v, qn__ll_bits(g, pairs, 0x000F), ""), high, "");
  v = LLVMBuildTrunc(g->b, v, LLVMVectorType(g->i8, lanes / 2), "");
  qn__ll_store_vec(g, v, address(g, p, index), 1);
  qn__ll_if_end(g, &whole);
  qn__ll_if_begin(g, &odd, LLVMBuildNot(g->b, even, ""));
  store_lanes(g, p, index, lanes, NULL, value);
  qn__ll_if_end(g, &odd);
}

static void store_masked(qn_ll *g, LLVMValueRef value, LLVMValueRef at, LLVMValueRef mask) {
  LLVMTypeRef overloads[2] = {LLVMTypeOf(value), g->ptr};
  LLVMValueRef args[4] = {value, at, qn__ll_i32(g, 1), mask};
  qn__ll_intrinsic(g, "llvm.masked.store", 2, overloads, 4, args);
}

void qn__ll_store(qn_ll *g, const qn_ll_place *p, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask,
                  LLVMValueRef value) {
  if (p->mem == QN_I1) value = LLVMBuildZExt(g->b, value, qn__ll_lanes(g->i8, lanes), "");
  if (lanes == 1)
    store_one(g, p, index, value);
  else if (are_nibbles(p, lanes, mask))
    store_nibbles(g, p, index, lanes, value);
  else if (p->access != QN_ACCESS_DENSE || is_packed(p))
    store_lanes(g, p, index, lanes, mask, value);
  else if (mask)
    store_masked(g, value, address(g, p, index), mask);
  else if (g->past_caches)
    qn__ll_store_past(g, value, address(g, p, index));
  else
    qn__ll_store_vec(g, value, address(g, p, index), 1);
}
