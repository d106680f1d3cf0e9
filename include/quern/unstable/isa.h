/* The instruction sets that kernels are planned for, from isa.def. No ABI promise. */
#ifndef QUERN_UNSTABLE_ISA_H
#define QUERN_UNSTABLE_ISA_H

#include <quern/context.h>
#include <quern/scalar.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qn_isa {
  const char *name, *arch;
  uint32_t vector_bits, num_registers;
  bool has_fma;
  const char *int8_layout, *int16_layout, *float_layout;
  uint32_t int8_rows, int16_rows, float_rows;
  const char *llvm_cpu, *llvm_features;
  const char *doc;
} qn_isa;

QN_API const qn_isa *qn_isa_get(size_t i); /* null past the end */
/* By name; "host" or "native" and null give the best row of this machine; "x86-64-v3", "x86-64-v4" and "x86-64" are
 * read as the best row they allow. Null without a diagnostic when unknown. */
QN_API const qn_isa *qn_isa_find(qn_str name);
QN_API const qn_isa *qn_isa_host(void);
/* Whether this machine can run the row's code. */
QN_API bool qn_isa_runs_here(const qn_isa *isa);
/* The layout of a packed right-hand matrix for these element types of left and right matrix, and the element type of
 * the sum; null when no kernel multiplies them. lhs ui8 x rhs i8 -> i32; i16 x i16 -> i32; f32 x f32; f64 x f64. */
QN_API const char *qn_isa_gemm_layout(const qn_isa *isa, qn_scalar lhs, qn_scalar rhs, qn_scalar acc);

#ifdef __cplusplus
}
#endif
#endif
