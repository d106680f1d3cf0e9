/* Writers of lists (lanes.h): one pair of vectors, as part of LLVM's code (lanes_text.c), or whole loops of such pairs
 * over rows whose addresses, values and sums are in memory (lanes_loop.c). */
#ifndef QN_LL_LANES_TEXT_H
#define QN_LL_LANES_TEXT_H
#include "buf.h"
#include "lanes.h"

enum { QN_LANE_PLACES = 8, QN_LANE_VECTORS = 2 };
enum { QN_LANES_FIXED_MOST = QN_LL_LANES_PARTS * QN_LANE_FIXED_MOST };
/* Where a loop has less than a pair left: of a pair's bytes, of its first vector, of the second. */
enum { QN_LANE_BYTES_MASK = 5, QN_LANE_REST_MASK };

/* What is done to one pair of vectors, beside what is done to others. */
typedef struct qn_ll_lane_part {
  const qn_ll_lanes *s;
  const qn_ll_lane_list *l;
  uint32_t first_sum, first_mask;
  uint16_t fixed[QN_LANE_FIXED_MOST]; /* per operand of the list that is fixed: which of the writer's */
  uint32_t *last;                     /* per temporary: the instruction that uses it last */
  uint8_t *at[QN_LANE_VECTORS];       /* per temporary: its scratch register */
} qn_ll_lane_part;

typedef struct qn_ll_lane_writer {
  qn_ll *g;
  bool loop;    /* registers are named, in the order: sums, scratch registers, what is fixed */
  bool rest;    /* a pair under masks */
  bool single;  /* of it, the first vector */
  bool numbers; /* not vectors, but a number each, in the lowest lane; stored where the row has it, at r13 */
  uint32_t (*known_at)(const void *user, const qn_ll_lane_fixed *value);
  const void *user;
  qn_ll_lane_constants *constants; /* of a loop */
  uint32_t num_parts, num_fixed, num_spilled, num_places, num_sums, num_masks;
  qn_ll_lane_part parts[QN_LL_LANES_PARTS];
  struct {
    const qn_ll_lane_part *of;
    const qn_ll_lane_fixed *value;
    bool may_spill;
    uint8_t spilled;  /* 1 + which of the constants in memory; 0: in a register */
    uint32_t operand; /* of those in registers, counted from the first of them */
  } fixed[QN_LANES_FIXED_MOST];
  const qn_ll_place *places[QN_LANE_PLACES];
  uint32_t scratch; /* registers for temporaries */
  uint32_t free;    /* of them, a bit each */
  uint32_t most;    /* that were in use */
  uint32_t halved;  /* of them, a bit each: those whose lower half is named somewhere */
  bool measures;    /* nothing is written */
  qn_buf text;
} qn_ll_lane_writer;

/* What goes where, but for the text. */
typedef enum qn_ll_lane_use { QN_LANE_IN_CODE, QN_LANE_PAIRS, QN_LANE_PAIRS_AND_REST } qn_ll_lane_use;
bool qn__ll_lane_prepare(qn_ll_lane_writer *w, const qn_ll_lanes *parts, uint32_t count, qn_ll_lane_use use);
bool qn__ll_lane_prepare_numbers(qn_ll_lane_writer *w, const qn_ll_lanes *part);
void qn__ll_lane_pair(qn_ll_lane_writer *w, uint32_t pair);
/* Sum n of a part, of vector v: which of the writer's. */
uint32_t qn__ll_lane_sum(const qn_ll_lane_part *p, uint32_t n, uint32_t v);
uint32_t qn__ll_lane_first_fixed(const qn_ll_lane_writer *w);
/* Of places: in the order of the writer's. */
extern const char *const qn__ll_lane_bases[QN_LANE_PLACES];
#endif
