/* Products with a scale per block: one element of the result at a time. */
#include "cgen.h"

/* ---- rows ---- */

static void scale_of_block(qn_cgen *g) {
  qn__c_line(g, "uint32_t most = 0;");
  qn__c_open(g, "for (int64_t i = 0; i < left; i++)");
  qn__c_line(g, "const uint32_t bits = ld_u32(from + i * 4) & 0x7fffffffu;");
  qn__c_line(g, "if (bits <= 0x7f800000u && bits > most) most = bits;");
  qn__c_close(g);
  qn__c_line(g, "if (most > 0x7effffffu) most = 0x7effffffu;");
  qn__c_line(g, "float s = qn_f32(most) / 127.0f;");
  qn__c_line(g, "if (s < qn_f32(0x00800000u)) s = qn_f32(0x00800000u);");
  qn__c_line(g, "if (most == 0) s = 1.0f;");
}

static void codes_of_block(qn_cgen *g) {
  qn__c_open(g, "for (int64_t i = 0; i < left; i++)");
  qn__c_line(g, "float t = ld_f32(from + i * 4) / s;");
  qn__c_line(g, "if (t != t) t = 0.0f;");
  qn__c_line(g, "if (t < -127.0f) t = -127.0f;");
  qn__c_line(g, "if (t > 127.0f) t = 127.0f;");
  qn__c_line(g, "t = t + 12582912.0f;");
  qn__c_line(g, "const int32_t code = (int32_t)(qn_bits32(t) - 0x4b400000u);");
  qn__c_line(g, "sum += code;");
  qn__c_line(g, "st_u8(to + i, (uint8_t)code);");
  qn__c_close(g);
}

void qn__c_block_rows(qn_cgen *g, const qn_kernel_plan *plan, qn_arena *arena) {
  (void)arena;
  const qn_block_rows_plan *p = &plan->u.block_rows;
  unsigned block = p->block;
  qn__c_line(g, "const int64_t size_k = args->size[0], blocks = args->size[1];");
  qn__c_open(g, "for (int64_t m = args->begin[0]; m < args->end[0]; m++)");
  qn__c_line(g, "const unsigned char *from = (const unsigned char *)args->ptr[0] + m * args->stride[0];");
  qn__c_line(g, "unsigned char *to = (unsigned char *)args->ptr[1] + m * args->stride[1];");
  if (p->from_codes)
    qn__c_line(g, "const unsigned char *const scales = (const unsigned char *)args->ptr[2] + m * args->stride[2];");
  qn__c_open(g, "for (int64_t b = 0; b < blocks; b++, from += %u, to += %u)", block * (p->from_codes ? 1 : 4),
             block + 8);
  qn__c_line(g, "const int64_t left = size_k - b * %u < %u ? size_k - b * %u : %u;", block, block, block, block);
  qn__c_line(g, "int32_t sum = 0;");
  if (p->from_codes) {
    qn__c_line(g, "const float s = ld_f32(scales + b * 4);");
    qn__c_open(g, "for (int64_t i = 0; i < left; i++)");
    qn__c_line(g, "sum += (int8_t)from[i];");
    qn__c_line(g, "st_u8(to + i, from[i]);");
    qn__c_close(g);
  } else {
    scale_of_block(g);
    codes_of_block(g);
  }
  qn__c_line(g, "for (int64_t i = left; i < %u; i++) st_u8(to + i, 0);", block);
  qn__c_line(g, "st_f32(to + %u, s);", block);
  qn__c_line(g, "st_u32(to + %u, (uint32_t)(sum * -%d));", block + 4, (int)p->offset);
  qn__c_close(g);
  qn__c_close(g);
}

/* ---- products ---- */

/* Column j's place in rows of codes, of which two columns of 4 bits share a byte: `pair`, and `shift` within it. */
static void column_place(qn_cgen *g, const qn_bpack_layout *l) {
  if (qn_bpack_bits(l) == 4)
    qn__c_line(g, "const int64_t pair = j & 15, shift = j >> 4 << 2;");
  else
    qn__c_line(g, "const int64_t pair = j;");
}

static void read_code(qn_cgen *g, const qn_bpack_layout *l, const char *k) {
  qn__c_line(g, "const uint32_t u = codes[(%s >> 2) * %u + pair * 4 + (%s & 3)]%s;", k, qn_bpack_code_row(l), k,
             qn_bpack_bits(l) == 4 ? " >> shift & 15" : "");
}

static void integer_weight(qn_cgen *g, const qn_bpack_layout *l) {
  if (l->codes == QN_BPACK_T4)
    qn__c_line(g, "const int32_t w = (int32_t)table[u] - 128;");
  else if (qn_bpack_has_zeros(l))
    qn__c_line(g, "const int32_t w = (int32_t)u - zero;");
  else
    qn__c_line(g, "const int32_t w = (int32_t)u - %d;", (int)qn_bpack_bias(l));
}

/* Where block b of the panel is: qn_bpack_place_of. */
static void block_place(qn_cgen *g, const qn_bpack_layout *l) {
  const unsigned group = qn_bpack_group(l);
  const size_t codes = qn_bpack_codes_bytes(l), scales = qn_bpack_scales_bytes(l);
  qn__c_line(g, "const int64_t at = b & %u, left = blocks - (b - at), count = left < %u ? left : %u;", group - 1, group,
             group);
  qn__c_line(g, "const unsigned char *const start = panel + (b - at) * %zu;", qn_bpack_bytes(l));
  qn__c_line(g, "const unsigned char *const codes = start + at * %zu;", codes);
  qn__c_line(g, "const unsigned char *const scales = start + count * %zu + at * %zu;", codes, scales);
  if (qn_bpack_has_zeros(l))
    qn__c_line(g, "const unsigned char *const zeros = start + count * %zu + at * %zu;", codes + scales,
               qn_bpack_zeros_bytes(l));
}

static void read_scale(qn_cgen *g, const qn_bpack_layout *l) {
  switch (l->scales) {
  case QN_F8E8M0FNU: qn__c_line(g, "const float s = qn_f32((uint32_t)scales[j] << 23);"); break;
  case QN_BF16: qn__c_line(g, "const float s = qn_f32((uint32_t)ld_u16(scales + j * 2) << 16);"); break;
  case QN_F16: /* exact, for subnormals too: scales are positive and finite */
    qn__c_line(g, "const float s = qn_f32((uint32_t)ld_u16(scales + j * 2) << 13) * qn_f32(0x77800000u);");
    break;
  default: qn__c_line(g, "const float s = ld_f32(scales + j * 4);"); break;
  }
  if (qn_bpack_has_zeros(l))
    qn__c_line(g, "const int32_t zero = zeros[pair]%s;", qn_bpack_bits(l) == 4 ? " >> shift & 15" : "");
}

static void integer_block(qn_cgen *g, const qn_bpack_layout *l) {
  qn__c_line(g, "int32_t acc = 0;");
  qn__c_open(g, "for (int i = 0; i < %u; i++)", l->block);
  read_code(g, l, "i");
  integer_weight(g, l);
  qn__c_line(g, "acc += (int8_t)row[i] * w;");
  qn__c_close(g);
  qn__c_line(g, "sum = qn_fmaf((float)acc, ld_f32(row + %u) * s, sum);", l->block);
}

static void float_block(qn_cgen *g, const qn_bpack_layout *l) {
  qn__c_line(g, "const int64_t there = size_k - b * %u < %u ? size_k - b * %u : %u;", l->block, l->block, l->block,
             l->block);
  qn__c_open(g, "for (int64_t k = 0; k < there; k++)");
  read_code(g, l, "k");
  if (l->codes == QN_BPACK_V4) {
    qn__c_line(g, "const float w = ld_f32(table + u * 4);");
    qn__c_line(g, "const float x = w * s;");
  } else {
    integer_weight(g, l);
    qn__c_line(g, "const float x = (float)w * s;");
  }
  qn__c_line(g, "sum = qn_fmaf(ld_f32(row + k * 4), x, sum);");
  qn__c_close(g);
}

void qn__c_block_gemm(qn_cgen *g, const qn_kernel_plan *plan, qn_arena *arena) {
  const qn_block_plan *p = &plan->u.block;
  const qn_bpack_layout *l = &p->weights;
  const qn_gemm_plan *e = &p->gemm;
  qn_cnest n;
  if (!qn__c_nest_init(&n, g, &e->epilogue, e->epilogue_extras, e->num_epilogue_extras, "sum", arena)) return;
  qn__c_line(g, "const unsigned char *const a = args->ptr[0], *const b0 = args->ptr[1];");
  if (qn_bpack_has_table(l)) qn__c_line(g, "const unsigned char *const table = b0;");
  qn__c_line(g, "unsigned char *const y = args->ptr[2];");
  qn__c_line(g, "const int64_t size_n = args->size[1], blocks = args->size[3];");
  if (p->floats) qn__c_line(g, "const int64_t size_k = args->size[2];");
  qn__c_product_rows(g, &n, e);
  qn__c_open(g, "for (int64_t p = args->begin[1]; p < args->end[1]; p++)");
  qn__c_line(g, "const unsigned char *const panel = b0 + %zu + p * args->stride[2];", qn_bpack_header(l));
  qn__c_line(g, "const int64_t rest = size_n - p * 32, columns = rest < 32 ? rest : 32;");
  qn__c_open(g, "for (int64_t j = 0; j < columns; j++)");
  qn__c_line(g, "const int64_t n = p * 32 + j;");
  column_place(g, l);
  qn__c_line(g, "const unsigned char *row = row_a;");
  qn__c_line(g, "float sum = 0;");
  qn__c_open(g, "for (int64_t b = 0; b < blocks; b++, row += %u)", p->floats ? l->block * 4 : l->block + 8);
  block_place(g, l);
  read_scale(g, l);
  if (p->floats)
    float_block(g, l);
  else
    integer_block(g, l);
  qn__c_close(g);
  qn__c_nest_level(g, &n, 2, "m", "n");
  qn__c_nest_store(g, &n, e->y_mem);
  for (int i = 0; i < 3; i++) qn__c_close(g);
}
