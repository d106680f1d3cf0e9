/* Comparisons and selections of lists (lanes.c), which are masks. */
#include "lanes_build.h"

typedef qn_ll_lane_builder builder;

enum { OGT = 2, OLT = 4, ORD = 7, UNO = 14, PREDICATES = 16 };

/* Of vcmpps, for predicates as tapes number them; quiet ones. */
static const uint8_t compare_imm[PREDICATES] = {0x0B, 0x00, 0x1E, 0x1D, 0x11, 0x12, 0x0C, 0x07,
                                                0x08, 0x16, 0x15, 0x19, 0x1A, 0x04, 0x03, 0x0F};

static uint32_t opposite_of(uint32_t pred) {
  static const uint8_t ends[2][2] = {{0, PREDICATES - 1}, {ORD, UNO}};
  for (uint32_t k = 0; k < 2; k++)
    for (uint32_t i = 0; i < 2; i++)
      if (ends[k][i] == pred) return ends[k][1 - i];
  return UNO - pred;
}

static bool is_truth(const qn_tinst *m) {
  return m->op == QN_T_INPUT && m->type == QN_TI1;
}

/* One that nothing uses any more, or another. */
static uint8_t take_mask(builder *b) {
  for (uint8_t i = 1; i <= b->l->num_masks; i++) {
    if (!(b->free_masks >> i & 1)) continue;
    b->free_masks &= (uint8_t) ~(1u << i);
    return i;
  }
  if (b->l->num_masks == QN_LANE_MASKS) b->l->failed = true;
  return (uint8_t)++b->l->num_masks;
}

uint8_t qn__ll_lane_mask_of(builder *b, uint32_t reg, bool opposite) {
  const qn_tinst *m = &b->tape->insts[reg];
  uint8_t *known = &b->mask_of[reg][opposite];
  if (*known) return *known;
  if (b->mask_of[reg][!opposite]) b->l->failed = true;
  qn_ll_lane_op op = {.name = "vcmpps", .form = QN_LANE_COMPARE};
  if (is_truth(m)) {
    op.name = opposite ? "vptestnmd" : "vptestmd", op.imm = -1;
    op.a = op.b = qn__ll_lane_load(b, &b->s->places[m->a], "vpmovzxbd", 8);
  } else {
    op.imm = compare_imm[opposite ? opposite_of(m->pred) : m->pred];
    op.a = qn__ll_lane_use(b, m->a), op.b = qn__ll_lane_use(b, m->b);
  }
  *known = take_mask(b);
  op.dst = (qn_ll_lane_ref){QN_LANE_NONE, (uint16_t)(*known - 1)};
  qn__ll_lane_put(b, op);
  return *known;
}

/* A use of a comparison is over; where nothing has made a mask of it in the end, its operands were not used. */
static void done_with(builder *b, uint32_t compare) {
  const qn_tinst *m = &b->tape->insts[compare];
  if (b->left[compare]) b->left[compare]--;
  if (b->left[compare]) return;
  const uint8_t *made = b->mask_of[compare];
  b->free_masks |= (uint8_t)((made[0] ? 1u << made[0] : 0) | (made[1] ? 1u << made[1] : 0));
  if (is_truth(m) || made[0] || made[1]) return;
  qn__ll_lane_drop(b, m->a), qn__ll_lane_drop(b, m->b);
}

/* vmaxps and vminps give the second operand where one is NaN, or both are zero. */
static const char *limit_of(const qn_tinst *m, const qn_tinst *s) {
  bool same = m->a == s->b && m->b == s->c, crossed = m->a == s->c && m->b == s->b;
  if (m->pred != OGT && m->pred != OLT) return NULL;
  if (!same && !crossed) return NULL;
  return (m->pred == OGT) == same ? "vmaxps" : "vminps";
}

static bool is_nought(const builder *b, uint32_t reg) {
  return b->tape->insts[reg].op == QN_T_CONST && b->tape->insts[reg].imm == 0;
}

static bool same_ref(qn_ll_lane_ref x, qn_ll_lane_ref y) {
  return x.kind == y.kind && x.n == y.n;
}

/* Whether the last instruction made x for this use alone, under no mask. */
static bool just_made(const builder *b, uint32_t reg) {
  const qn_ll_lane_op *last = b->l->num_ops ? &b->l->ops[b->l->num_ops - 1] : NULL;
  return last && b->op_of[reg] == b->l->num_ops && b->left[reg] == 1 && !last->mask && same_ref(last->dst, b->at[reg]);
}

/* `mask ? 0 : x`: x is made under the opposite mask, which then has to stand before it. */
static qn_ll_lane_ref put_nought_or(builder *b, const qn_tinst *s) {
  qn_ll_lane_op *ops = b->l->ops;
  bool made = just_made(b, s->c);
  uint32_t before = b->l->num_ops;
  uint8_t mask = qn__ll_lane_mask_of(b, s->a, true);
  qn_ll_lane_ref x = qn__ll_lane_use(b, s->c);
  qn__ll_lane_drop(b, s->b), done_with(b, s->a);
  if (made && b->l->num_ops > before) {
    qn_ll_lane_op compare = ops[before];
    made = b->l->num_ops == before + 1 && !same_ref(compare.a, x) && !same_ref(compare.b, x);
    if (made) ops[before] = ops[before - 1], ops[before - 1] = compare;
  }
  if (!made) x = qn__ll_lane_copied(b, x);
  ops[b->l->num_ops - 1].mask = mask, ops[b->l->num_ops - 1].zeros = true;
  return x;
}

qn_ll_lane_ref qn__ll_lane_put_select(builder *b, uint32_t i) {
  const qn_tinst *s = &b->tape->insts[i], *m = &b->tape->insts[s->a];
  qn_ll_lane_ref none = {QN_LANE_NONE, 0};
  bool compares = m->op == QN_T_FCMP && b->tape->insts[m->a].type == QN_TF32;
  if ((!compares && !is_truth(m)) || !qn__ll_lane_by_lane(b, s->a)) {
    b->l->failed = true;
    return none;
  }
  if (qn__ll_lane_never_taken(b, s)) return qn__ll_lane_use(b, s->c);
  const char *limit = compares ? limit_of(m, s) : NULL;
  if (limit) {
    qn_ll_lane_ref x = qn__ll_lane_use(b, s->b), y = qn__ll_lane_use(b, s->c);
    done_with(b, s->a);
    return qn__ll_lane_put_binary(b, limit, -1, x, y);
  }
  if (is_nought(b, s->b) && qn__ll_lane_by_lane(b, s->c)) return put_nought_or(b, s);
  uint8_t mask = qn__ll_lane_mask_of(b, s->a, false);
  qn_ll_lane_ref x = qn__ll_lane_use(b, s->c), y = qn__ll_lane_use(b, s->b), dst = qn__ll_lane_temp(b);
  done_with(b, s->a);
  qn__ll_lane_put(
      b, (qn_ll_lane_op){
             .name = "vblendmps", .form = QN_LANE_BINARY, .imm = -1, .mask = mask, .dst = dst, .a = x, .b = y});
  return dst;
}
