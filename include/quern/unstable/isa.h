/* The instruction sets that kernels are planned for, from isa.def. No ABI promise. */
#ifndef QUERN_UNSTABLE_ISA_H
#define QUERN_UNSTABLE_ISA_H

#include <quern/context.h>
#include <quern/scalar.h>
#include <quern/tuning.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a row has beyond plain vectors. */
typedef enum qn_isa_has {
  QN_ISA_FMA = 1 << 0,       /* fused multiply-add */
  QN_ISA_ROUND = 1 << 1,     /* rounding of floats to integers, in every direction */
  QN_ISA_MASK = 1 << 2,      /* masked loads and stores of every width */
  QN_ISA_DOT8 = 1 << 3,      /* sums of products of bytes in 32-bit lanes, exact */
  QN_ISA_DOT16 = 1 << 4,     /* the same of 16-bit numbers, added to the sum by the same instruction */
  QN_ISA_MATRIX8 = 1 << 5,   /* 2 x 8 by 8 x 2 products of bytes */
  QN_ISA_TILES = 1 << 6,     /* 16 x 64 by 64 x 16 bytes multiplied in tile registers; pairs of bf16 as well */
  QN_ISA_BF16 = 1 << 7,      /* pairs of bf16 multiplied into f32 lanes, not in the contract's order, subnormals as 0 */
  QN_ISA_PAIRS8 = 1 << 8,    /* sums of two products of bytes in 16-bit lanes, saturating */
  QN_ISA_HALF = 1 << 9,      /* f16 to f32 by an instruction */
  QN_ISA_PERMUTE8 = 1 << 10, /* bytes of a vector by indices, whose low six bits count */
  QN_ISA_SVE = 1 << 11       /* vectors are those of SVE, of at least the row's length; dot products are SVE's */
} qn_isa_has;

typedef struct qn_isa {
  const char *name, *arch;
  uint32_t vector_bits, num_registers;
  uint32_t has; /* of qn_isa_has */
  bool has_fma;
  const char *int8_layout, *int16_layout, *float_layout;
  uint32_t int8_rows, int16_rows, float_rows;
  const char *llvm_cpu, *llvm_features;
  const char *doc;
} qn_isa;

QN_API const qn_isa *qn_isa_get(size_t i); /* null past the end */
/* By name; "host" or "native" and null give the best row of this machine; names of levels and of processors
 * ("x86-64-v3", "sapphirerapids", "neoverse-n1") are read as the best row that each of them runs. Null without a
 * diagnostic when unknown. */
QN_API const qn_isa *qn_isa_find(qn_str name);
QN_API const qn_isa *qn_isa_host(void);
/* As qn_isa_find, with a diagnostic when the name is unknown. */
QN_API qn_status qn_isa_need(qn_context *ctx, qn_str name, const qn_isa **out);
/* Names that qn_isa_find takes beside those of rows: null past the end. `isa` may be null. */
QN_API const char *qn_isa_alias(size_t i, const qn_isa **isa);
/* For a name that is unknown, those that look like it: "did you mean 'a', 'b' or 'c'? ", or "". Returns `text`. */
QN_API const char *qn_isa_near(qn_str name, char *text, size_t size);
/* Whether this machine can run the row's code. */
QN_API bool qn_isa_runs_here(const qn_isa *isa);
/* The layout of a packed right-hand matrix for these element types of left and right matrix, and the element type of
 * the sum; null when no kernel multiplies them. lhs ui8 x rhs i8 -> i32; i16 x i16 -> i32; f32 x f32; f64 x f64; f32 x
 * bf16 -> f32 and, on rows with QN_ISA_HALF, f32 x f16 -> f32, where b is widened, exactly, as it is multiplied; on
 * rows with QN_ISA_BF16 also bf16 x bf16 -> f32, not in the contract's order. */
QN_API const char *qn_isa_gemm_layout(const qn_isa *isa, qn_scalar lhs, qn_scalar rhs, qn_scalar acc);
/* The same for a matrix of k x n, QN_DYNAMIC where that is not known, whose panels may be narrower, so that less of the
 * last one is padding: what that costs, the machine's constants say. */
QN_API const char *qn_isa_gemm_layout_for(const qn_isa *isa, qn_scalar lhs, qn_scalar rhs, qn_scalar acc, int64_t n,
                                          int64_t k, const qn_machine *machine);
/* Whether a constant b [k, n] of f16 or bf16 (or one row of it per column, all the same) is better left as it is, to be
 * widened while f32 rows are multiplied by it, than kept as f32: half the bytes to read against a few more operations.
 * A size below 0 is not known, and half the memory decides. False where no kernel does it. */
QN_API bool qn_isa_keeps_narrow(const qn_isa *isa, qn_scalar b, int64_t m, int64_t n, int64_t k,
                                const qn_machine *machine);
/* The name of the layout with panels of so many columns, when kernels are made for it; false when not. */
QN_API bool qn_isa_gemm_panel(const qn_isa *isa, qn_scalar lhs, qn_scalar rhs, qn_scalar acc, int64_t panel, char *name,
                              size_t size);

#ifdef __cplusplus
}
#endif
#endif
