/* Types, constants, intrinsics, addresses and the fields of qn_kargs. */
#include "tile.h"
#include <stddef.h>
#include <string.h>

typedef struct value {
  LLVMValueRef v;
} value;

LLVMValueRef *qn__ll_values(qn_ll *g, size_t count) {
  return qn__arena_array(g->arena, count, sizeof(value));
}

LLVMTypeRef qn__ll_reg_type(qn_ll *g, qn_treg t) {
  const LLVMTypeRef types[] = {[QN_TI1] = g->i1,   [QN_TI8] = g->i8,   [QN_TI16] = g->i16, [QN_TI32] = g->i32,
                               [QN_TI64] = g->i64, [QN_TF32] = g->f32, [QN_TF64] = g->f64};
  return types[t];
}

LLVMTypeRef qn__ll_lanes(LLVMTypeRef t, uint32_t lanes) {
  return lanes == 1 ? t : LLVMVectorType(t, lanes);
}

LLVMValueRef qn__ll_i32(qn_ll *g, uint32_t v) {
  return LLVMConstInt(g->i32, v, false);
}

LLVMValueRef qn__ll_i64(qn_ll *g, int64_t v) {
  return LLVMConstInt(g->i64, (unsigned long long)v, true);
}

LLVMValueRef qn__ll_splat(qn_ll *g, LLVMValueRef scalar, uint32_t lanes) {
  if (lanes == 1) return scalar;
  LLVMTypeRef type = LLVMVectorType(LLVMTypeOf(scalar), lanes);
  if (LLVMIsConstant(scalar)) {
    LLVMValueRef all[64];
    for (uint32_t i = 0; i < lanes; i++) all[i] = scalar;
    return LLVMConstVector(all, lanes);
  }
  LLVMValueRef one = LLVMBuildInsertElement(g->b, LLVMGetPoison(type), scalar, qn__ll_i32(g, 0), "");
  return LLVMBuildShuffleVector(g->b, one, LLVMGetPoison(type), LLVMConstNull(LLVMVectorType(g->i32, lanes)), "");
}

LLVMValueRef qn__ll_bits(qn_ll *g, LLVMTypeRef type, uint64_t bits) {
  uint32_t lanes = 1;
  LLVMTypeRef elem = type;
  if (LLVMGetTypeKind(type) == LLVMVectorTypeKind) {
    lanes = LLVMGetVectorSize(type);
    elem = LLVMGetElementType(type);
  }
  LLVMValueRef scalar;
  if (elem == g->f32) {
    scalar = LLVMConstBitCast(LLVMConstInt(g->i32, bits & 0xFFFFFFFFu, false), g->f32);
  } else if (elem == g->f64) {
    scalar = LLVMConstBitCast(LLVMConstInt(g->i64, bits, false), g->f64);
  } else {
    uint32_t width = LLVMGetIntTypeWidth(elem);
    scalar = LLVMConstInt(elem, width < 64 ? bits & (((uint64_t)1 << width) - 1) : bits, false);
  }
  return qn__ll_splat(g, scalar, lanes);
}

LLVMValueRef qn__ll_intrinsic(qn_ll *g, const char *name, uint32_t num_overloads, LLVMTypeRef *overloads,
                              uint32_t num_args, LLVMValueRef *args) {
  unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
  LLVMValueRef fn = LLVMGetIntrinsicDeclaration(g->mod, id, overloads, num_overloads);
  return LLVMBuildCall2(g->b, LLVMIntrinsicGetType(g->ctx, id, overloads, num_overloads), fn, args, num_args, "");
}

void qn__ll_fetch(qn_ll *g, LLVMValueRef at, bool write, qn_ll_level level) {
  LLVMValueRef args[4] = {at, qn__ll_i32(g, write), qn__ll_i32(g, level), qn__ll_i32(g, 1)};
  qn__ll_intrinsic(g, "llvm.prefetch", 1, &g->ptr, 4, args);
}

LLVMValueRef qn__ll_target_intrinsic(qn_ll *g, const char *name, LLVMTypeRef result, uint32_t num_args,
                                     LLVMValueRef *args) {
  unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
  LLVMTypeRef params[8];
  if (id == 0 || num_args > 8) {
    g->failed = true;
    return LLVMGetUndef(result);
  }
  LLVMTypeRef type = LLVMIntrinsicGetType(g->ctx, id, NULL, 0);
  LLVMValueRef cast[8];
  if (LLVMCountParamTypes(type) != num_args) {
    g->failed = true;
    return LLVMGetUndef(result);
  }
  LLVMGetParamTypes(type, params);
  for (uint32_t i = 0; i < num_args; i++) cast[i] = LLVMBuildBitCast(g->b, args[i], params[i], "");
  LLVMValueRef fn = LLVMGetIntrinsicDeclaration(g->mod, id, NULL, 0);
  return LLVMBuildBitCast(g->b, LLVMBuildCall2(g->b, type, fn, cast, num_args, ""), result, "");
}

LLVMValueRef qn__ll_slot(qn_ll *g, LLVMTypeRef type, uint32_t count) {
  LLVMBasicBlockRef here = LLVMGetInsertBlock(g->b);
  LLVMValueRef first = LLVMGetFirstInstruction(g->entry);
  if (first)
    LLVMPositionBuilderBefore(g->b, first);
  else
    LLVMPositionBuilderAtEnd(g->b, g->entry);
  LLVMValueRef slot = LLVMBuildArrayAlloca(g->b, type, qn__ll_i32(g, count), "");
  LLVMSetAlignment(slot, 64);
  LLVMPositionBuilderAtEnd(g->b, here);
  return slot;
}

LLVMValueRef qn__ll_gep(qn_ll *g, LLVMValueRef base, LLVMValueRef bytes) {
  return LLVMIsNull(bytes) ? base : LLVMBuildGEP2(g->b, g->i8, base, &bytes, 1, "");
}

LLVMValueRef qn__ll_gep_const(qn_ll *g, LLVMValueRef base, int64_t bytes) {
  return bytes ? qn__ll_gep(g, base, qn__ll_i64(g, bytes)) : base;
}

static LLVMValueRef load_i64(qn_ll *g, LLVMValueRef ptr) {
  return LLVMBuildLoad2(g->b, g->i64, ptr, "");
}

static LLVMValueRef array_field(qn_ll *g, size_t field) {
  return LLVMBuildLoad2(g->b, g->ptr, qn__ll_gep_const(g, g->args, (int64_t)field), "");
}

LLVMValueRef qn__ll_arg_ptr(qn_ll *g, uint32_t i) {
  LLVMValueRef array = array_field(g, offsetof(qn_kargs, ptr));
  return LLVMBuildLoad2(g->b, g->ptr, qn__ll_gep_const(g, array, (int64_t)i * 8), "");
}

LLVMValueRef qn__ll_arg_size(qn_ll *g, uint32_t i) {
  return load_i64(g, qn__ll_gep_const(g, array_field(g, offsetof(qn_kargs, size)), (int64_t)i * 8));
}

LLVMValueRef qn__ll_arg_stride(qn_ll *g, uint32_t i) {
  return load_i64(g, qn__ll_gep_const(g, array_field(g, offsetof(qn_kargs, stride)), (int64_t)i * 8));
}

LLVMValueRef qn__ll_arg_begin(qn_ll *g, uint32_t i) {
  return load_i64(g, qn__ll_gep_const(g, g->args, (int64_t)offsetof(qn_kargs, begin) + 8 * (int64_t)i));
}

LLVMValueRef qn__ll_arg_end(qn_ll *g, uint32_t i) {
  return load_i64(g, qn__ll_gep_const(g, g->args, (int64_t)offsetof(qn_kargs, end) + 8 * (int64_t)i));
}

LLVMValueRef qn__ll_min(qn_ll *g, LLVMValueRef a, LLVMValueRef b) {
  return LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSLT, a, b, ""), a, b, "");
}
