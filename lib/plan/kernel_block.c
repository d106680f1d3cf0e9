/* Plans of products with a scale per block of k. */
#include "choice.h"
#include "plan_util.h"
#include <stdio.h>

qn_status qn__plan_block_rows(qn_module *m, qn_op op, qn_arena *arena, qn_kernel_plan *out) {
  (void)arena;
  int64_t block = qn_op_get_int(m, op, "block"), offset = qn_op_get_int(m, op, "offset");
  if (block < 8 || block % 8 || block > QN_BPACK_MOST_INT || offset < 0 || offset > 128)
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "block is %lld and offset %lld, expected 8 to 256 and 0 to 128",
                       (long long)block, (long long)offset);
  out->u.block_rows = (qn_block_rows_plan){(uint32_t)block, (int32_t)offset, qn_op_num_operands(m, op) > 1};
  return QN_OK;
}

/* A tile takes two vectors of columns: sums of integers and of floats, two operands, two scales, one or two of A. */
static uint32_t tallest(const qn_isa *isa, bool floats) {
  if (isa->num_registers >= 32) return floats ? 8 : 6;
  return isa->num_registers >= 16 ? (floats ? 4 : 2) : 1;
}

enum { MOST_ROWS = 8 };

static qn_status choose(qn_module *m, qn_op op, qn_kernel_plan *out) {
  qn_block_plan *b = &out->u.block;
  qn_choice c;
  qn_status s = qn__choice_of_op(m, op, QN_TUNED_BLOCK, &c, out->tuned, sizeof out->tuned);
  int64_t rows = s ? 0 : c.value[QN_CHOICE_ROWS], parts = s ? 0 : c.value[QN_CHOICE_PARTS];
  if (!s && rows > MOST_ROWS)
    s = qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "quern.choice: 'rows' is %lld, and a tile of such weights has %d at most",
                    (long long)rows, MOST_ROWS);
  if (s) return s;
  b->gemm.rows = rows > 0 ? (uint32_t)rows : tallest(out->isa, b->floats);
  b->gemm.far_bytes = (uint64_t)c.value[QN_CHOICE_FAR_BYTES];
  b->ahead = (uint32_t)c.value[QN_CHOICE_AHEAD];
  out->parts = parts > 0 ? (uint32_t)parts : 1;
  return QN_OK;
}

qn_status qn__plan_block_gemm(qn_module *m, qn_op op, qn_arena *arena, qn_kernel_plan *out) {
  qn_block_plan *b = &out->u.block;
  qn_str layout = qn_op_get_string(m, op, "layout");
  if (!qn_bpack_layout_parse(layout, &b->weights))
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "layout \"%.*s\" is no block layout", (int)layout.size, layout.data);
  qn_gemm_plan *g = &b->gemm;
  g->a_mem = g->lhs = qn__mem_of(m, qn_op_operand(m, op, 0));
  b->floats = g->a_mem == QN_F32;
  if (!b->floats && (b->weights.codes == QN_BPACK_V4 || b->weights.block > QN_BPACK_MOST_INT))
    return qn_op_error(m, op, QN_DIAG_UNSUPPORTED, "no kernel multiplies codes by weights of layout \"%.*s\"",
                       (int)layout.size, layout.data);
  g->rhs = QN_I8;
  g->acc = QN_F32;
  g->y_mem = qn__mem_of(m, qn_op_result(m, op, 0));
  if (qn__sub_byte(g->y_mem))
    return qn_op_error(m, op, QN_DIAG_UNSUPPORTED,
                       "the result has elements of %s, which share bytes: convert them with kern.map after the product",
                       qn_scalar_get(g->y_mem)->text);
  g->lhs_padded = true;
  qn_status s = choose(m, op, out);
  if (!s) s = qn__plan_epilogue(m, op, 0, 2, arena, g);
  if (s) return s;
  if (!out->isa->has_fma)
    out->slow_reason =
        b->floats ? "the ISA row has no fused multiply-add" : "the ISA row has no dot-product instruction";
  snprintf(out->tile, sizeof out->tile, "%ux%u %.*s", g->rows, (unsigned)QN_BPACK_PANEL, (int)layout.size, layout.data);
  qn__plan_describe(m, qn_op_region(m, op, 0), true, out->fused, sizeof out->fused);
  return QN_OK;
}

uint64_t qn__block_hash(const qn_kernel_plan *p, uint64_t h) {
  if (p->kind == QN_KERNEL_BLOCK_ROWS) {
    const qn_block_rows_plan *r = &p->u.block_rows;
    return qn__mix(qn__mix(h, r->block), (uint64_t)r->offset << 1 | r->from_codes);
  }
  const qn_block_plan *b = &p->u.block;
  h = qn__mix(h, (uint64_t)b->weights.block | (uint64_t)b->weights.codes << 32 | (uint64_t)b->weights.scales << 40 |
                     (uint64_t)b->floats << 56);
  h = qn__mix(h, b->ahead);
  qn_gemm_plan shape = b->gemm;
  shape.layout = (qn_layout){.plain = true};
  return qn__gemm_hash(&shape, h);
}
