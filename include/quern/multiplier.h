/* What multiplies in matrix products: kinds of instructions, each of which has a peak of its own (engine.h). */
#ifndef QUERN_MULTIPLIER_H
#define QUERN_MULTIPLIER_H

#include <quern/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum qn_multiplier {
  QN_MULTIPLIER_INT8,       /* bytes, into vectors of sums: vpdpbusd, usmmla; or as numbers of 16 bits */
  QN_MULTIPLIER_INT8_PAIRS, /* bytes two by two into 16 bits, where weights let sums fit: vpmaddubsw */
  QN_MULTIPLIER_INT8_TILES, /* bytes in registers for tiles: tdpbusd */
  QN_MULTIPLIER_INT16,      /* numbers of 16 bits */
  QN_MULTIPLIER_F32,        /* f32, and f16 and bf16 made that */
  QN_MULTIPLIER_F64,
  QN_MULTIPLIER_BF16,       /* bf16 in pairs: vdpbf16ps */
  QN_MULTIPLIER_BF16_TILES, /* the same in registers for tiles: tdpbf16ps */
  QN_MULTIPLIER_COUNT
} qn_multiplier;

/* "int8", "int8 tiles"; null past the last. */
QN_API const char *qn_multiplier_name(size_t multiplier);

#ifdef __cplusplus
}
#endif
#endif
