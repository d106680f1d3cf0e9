/* What multiplies in a kernel: the instruction whose peak it is compared with. */
#include "kernel.h"
#include <quern/multiplier.h>

const char *qn_multiplier_name(size_t multiplier) {
  static const char *const names[QN_MULTIPLIER_COUNT] = {
      [QN_MULTIPLIER_INT8] = "int8", [QN_MULTIPLIER_INT8_PAIRS] = "int8 pairs",
      [QN_MULTIPLIER_F32] = "f32",   [QN_MULTIPLIER_INT8_TILES] = "int8 tiles",
      [QN_MULTIPLIER_F64] = "f64",   [QN_MULTIPLIER_INT16] = "int16",
      [QN_MULTIPLIER_BF16] = "bf16", [QN_MULTIPLIER_BF16_TILES] = "bf16 tiles",
  };
  return multiplier < QN_MULTIPLIER_COUNT ? names[multiplier] : NULL;
}

qn_multiplier qn__multiplier_of(const qn_gemm_plan *g, int64_t rows) {
  if (g->acc == QN_F64) return QN_MULTIPLIER_F64;
  bool pairs = g->lhs == QN_BF16 && g->rhs == QN_BF16;
  if (pairs) return g->tiles ? QN_MULTIPLIER_BF16_TILES : QN_MULTIPLIER_BF16;
  if (qn_scalar_is_float(g->acc)) return QN_MULTIPLIER_F32;
  if (qn_scalar_get(g->lhs)->storage_bits > 8) return QN_MULTIPLIER_INT16;
  if (g->sums16) return QN_MULTIPLIER_INT8_PAIRS;
  return g->tiles && rows > 1 ? QN_MULTIPLIER_INT8_TILES : QN_MULTIPLIER_INT8;
}
