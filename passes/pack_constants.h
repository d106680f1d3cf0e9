/* What pack-constants finds out about a constant before it is packed. */
#ifndef QN_PACK_CONSTANTS_H
#define QN_PACK_CONSTANTS_H
#include <quern/module.h>
#include <quern/unstable/isa.h>
#include <quern/unstable/layout.h>

/* A constant matrix, or a batch of them, as it lies in memory. */
typedef struct matrices {
  qn_layout layout;
  size_t elem_bytes, source_bytes, packed_bytes; /* of one matrix */
  int64_t count, k, n;
  bool transpose;
} matrices;

typedef struct sparsity {
  uint64_t elements, zeros;
  bool two_of_four;   /* of every four k in a row of one column at least two are zero */
  uint64_t blocks[3]; /* of 4 x 4, 16 x 16 and 32 x 32 elements: how many there are .. */
  uint64_t empty[3];  /* .. and how many are all zero */
} sparsity;
enum { QN__SPARSITY_TEXT = 160 };

/* Of one matrix. Only elements and zeros are told where less than an eighth of it is zero. */
bool qn__examine(const qn_allocator *a, const matrices *d, const void *source, sparsity *out);
/* "62% zeros, 2:4, zero blocks: 40% of 4x4, .." */
void qn__sparsity_text(const sparsity *s, char *text, size_t size);

/* Blocks of 4 k (1, 2 or 4) over which the products of any bytes with neighbouring bytes of a column, two by two, add
 * up to sums that fit 16 bits, wherever in a segment of K such blocks begin at a multiple of their number; 0: not even
 * those of one block do. */
uint32_t qn__fitting_blocks(const matrices *d, const void *source);

/* The layout with granules in which one matrix takes least time, and its size; the layout has none where that does not
 * pay. `room` has the bytes of the matrix in the widest such layout;
 * `worth` is the most of a product's time that may be left. */
typedef struct compact_choice {
  qn_layout layout;
  size_t bytes;
  double skipped; /* of all granules */
} compact_choice;
compact_choice qn__choose_granules(const matrices *d, const void *source, void *room, double worth);
void qn__layout_name(const qn_layout *l, char *text, size_t size);
#endif
