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

/* The code in byte `byte` of a column's codes (rows of 128 bytes), shifted and masked. */
static void integer_weight(qn_cgen *g, const qn_bpack_layout *l, const char *code) {
  if (l->codes == QN_BPACK_T4)
    qn__c_line(g, "const int32_t w = (int32_t)table[%s] - 128;", code);
  else if (qn_bpack_has_zeros(l))
    qn__c_line(g, "const int32_t w = (int32_t)(%s) - zero;", code);
  else
    qn__c_line(g, "const int32_t w = (int32_t)(%s) - %d;", code, (int)qn_bpack_bias(l));
}

static void read_scale(qn_cgen *g, const qn_bpack_layout *l) {
  size_t at = qn_bpack_scales_at(l);
  switch (l->scales) {
  case QN_F8E8M0FNU: qn__c_line(g, "const float s = qn_f32((uint32_t)block[%zu + j] << 23);", at); break;
  case QN_BF16: qn__c_line(g, "const float s = qn_f32((uint32_t)ld_u16(block + %zu + j * 2) << 16);", at); break;
  case QN_F16: /* exact, for subnormals too: scales are positive and finite */
    qn__c_line(g, "const float s = qn_f32((uint32_t)ld_u16(block + %zu + j * 2) << 13) * qn_f32(0x77800000u);", at);
    break;
  default: qn__c_line(g, "const float s = ld_f32(block + %zu + j * 4);", at); break;
  }
  if (qn_bpack_has_zeros(l)) qn__c_line(g, "const int32_t zero = block[%zu + j];", qn_bpack_zeros_at(l));
}

/* Both halves of each byte for 4-bit codes. */
static void integer_block(qn_cgen *g, const qn_bpack_layout *l) {
  bool narrow = qn_bpack_bits(l) == 4;
  unsigned half = narrow ? l->block / 2 : l->block;
  qn__c_line(g, "int32_t acc = 0;");
  for (unsigned h = 0; h < (narrow ? 2u : 1u); h++) {
    qn__c_open(g, "for (int i = 0; i < %u; i++)", half);
    qn__c_line(g, "const uint32_t u = block[(i >> 2) * 128 + j * 4 + (i & 3)];");
    integer_weight(g, l, !narrow ? "u" : h ? "u >> 4" : "u & 15");
    qn__c_line(g, "acc += (int8_t)row[i + %u] * w;", h * half);
    qn__c_close(g);
  }
  qn__c_line(g, "sum = qn_fmaf((float)acc, ld_f32(row + %u) * s, sum);", l->block);
}

static void float_block(qn_cgen *g, const qn_bpack_layout *l) {
  bool narrow = qn_bpack_bits(l) == 4;
  qn__c_line(g, "const int64_t left = size_k - b * %u < %u ? size_k - b * %u : %u;", l->block, l->block, l->block,
             l->block);
  qn__c_open(g, "for (int64_t k = 0; k < left; k++)");
  if (narrow) {
    qn__c_line(g, "const int64_t i = k < %u ? k : k - %u;", l->block / 2, l->block / 2);
    qn__c_line(g, "const uint32_t u = block[(i >> 2) * 128 + j * 4 + (i & 3)] >> (k < %u ? 0 : 4) & 15;", l->block / 2);
  } else {
    qn__c_line(g, "const uint32_t u = block[(k >> 2) * 128 + j * 4 + (k & 3)];");
  }
  if (l->codes == QN_BPACK_V4) {
    qn__c_line(g, "const float w = ld_f32(table + u * 4);");
    qn__c_line(g, "const float x = w * s;");
  } else {
    integer_weight(g, l, "u");
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
  qn__c_nest_pointers(g, &n, e->num_epilogue_extras, 3);
  qn__c_constants(g, &e->epilogue);
  qn__c_nest_level(g, &n, 0, "", "");
  qn__c_open(g, "for (int64_t m = args->begin[0]; m < args->end[0]; m++)");
  qn__c_line(g, "const unsigned char *const row_a = a + m * args->stride[0];");
  qn__c_line(g, "unsigned char *const row_y = y + m * args->stride[1];");
  qn__c_nest_level(g, &n, 1, "m", "");
  qn__c_open(g, "for (int64_t p = args->begin[1]; p < args->end[1]; p++)");
  qn__c_line(g, "const unsigned char *const panel = b0 + %zu + p * args->stride[2];", qn_bpack_header(l));
  qn__c_line(g, "const int64_t rest = size_n - p * 32, columns = rest < 32 ? rest : 32;");
  qn__c_open(g, "for (int64_t j = 0; j < columns; j++)");
  qn__c_line(g, "const int64_t n = p * 32 + j;");
  qn__c_line(g, "const unsigned char *block = panel, *row = row_a;");
  qn__c_line(g, "float sum = 0;");
  qn__c_open(g, "for (int64_t b = 0; b < blocks; b++, block += %zu, row += %u)", qn_bpack_bytes(l),
             p->floats ? l->block * 4 : l->block + 8);
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
