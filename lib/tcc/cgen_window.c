/* Windows combined one channel at a time, and padding of images. */
#include "cgen.h"
#include <stdio.h>

/* ---- window ---- */

/* Element `index` of the image or the weights in arithmetic of the sum. */
static void load(qn_cgen *g, const char *name, qn_scalar mem, const char *at) {
  int bits = qn_scalar_get(mem)->bits;
  if (qn_scalar_is_float(mem))
    qn__c_line(g, "const %s %s = ld_f%d(%s);", bits == 64 ? "double" : "float", name, bits, at);
  else
    qn__c_line(g, "const %sint%d_t %s = (%sint%d_t)ld_u%d(%s);", qn_scalar_get(mem)->cls == QN_UNSIGNED ? "u" : "",
               bits, name, qn_scalar_get(mem)->cls == QN_UNSIGNED ? "u" : "", bits, bits, at);
}

static const char *sum_type(const qn_gemm_plan *p, char text[16]) {
  if (p->combine == QN_COMBINE_DOT || qn_scalar_is_float(p->acc)) return qn__c_type(qn__tape_reg(p->acc));
  snprintf(text, 16, "%sint%u_t", qn_scalar_get(p->acc)->cls == QN_UNSIGNED ? "u" : "", qn_scalar_get(p->acc)->bits);
  return text;
}

static void weight(qn_cgen *g, const qn_gemm_plan *p) {
  char at[96];
  int bytes = qn__c_bytes(p->rhs);
  if (p->layout.plain) {
    snprintf(at, sizeof at, "b + (tap * size_n + n) * %d", bytes);
  } else {
    uint32_t kb = p->layout.k_block, nb = p->layout.panel_width;
    int64_t blocks = (p->shape.size[0] * p->shape.size[1] + kb - 1) / kb;
    qn__c_line(g, "const int64_t block = n / %u * %lld + tap / %u;", nb, (long long)blocks, kb);
    snprintf(at, sizeof at, "b + (block * %u + n %% %u * %u + tap %% %u) * %d", nb * kb, nb, kb, kb, bytes);
  }
  load(g, "w", p->rhs, at);
}

/* A position that may be outside the image. */
static void stepped_over(qn_cgen *g, const qn_gemm_plan *p) {
  const qn_window *w = &p->shape;
  int bits = qn_scalar_get(p->a_mem)->bits;
  const char *sign = qn_scalar_get(p->a_mem)->cls == QN_UNSIGNED ? "u" : "";
  qn__c_line(g, "const int64_t h = above * %lld + i * %lld - %lld, w_ = column * %lld + j * %lld - %lld;",
             (long long)w->stride[0], (long long)w->dilation[0], (long long)w->pads[0], (long long)w->stride[1],
             (long long)w->dilation[1], (long long)w->pads[1]);
  qn__c_line(g, "const int inside = h >= 0 && h < args->size[12] && w_ >= 0 && w_ < args->size[13];");
  qn__c_line(g, "const int64_t at = row_at + i * args->size[10] + j * args->size[11] + n * %d;", qn__c_bytes(p->a_mem));
  if (qn_scalar_is_float(p->a_mem))
    qn__c_line(g, "const %s x = inside ? ld_f%d(a + at) : qn_f%d(0x%llxu%s);", bits == 64 ? "double" : "float", bits,
               bits, (unsigned long long)p->border & (UINT64_MAX >> (64 - bits)), bits == 64 ? "ll" : "");
  else
    qn__c_line(g, "const %sint%d_t x = (%sint%d_t)(inside ? ld_u%d(a + at) : %lld);", sign, bits, sign, bits, bits,
               (long long)p->border);
}

/* The pixel's window: its line and column, and where it begins, from `a` on. */
void qn__c_padded_row(qn_cgen *g, const qn_gemm_plan *p) {
  const qn_window *w = &p->shape;
  qn__c_line(g, "const int64_t line = m / args->size[4], column = m %% args->size[4];");
  qn__c_line(g, "const int64_t image = line / args->size[3], above = line %% args->size[3] + args->size[14];");
  qn__c_line(g, "const int64_t row_at = image * args->size[7] + above * args->size[8] + column * args->size[9] -");
  qn__c_line(g, "  args->size[10] / %lld * %lld - args->size[11] / %lld * %lld;", (long long)w->dilation[0],
             (long long)w->pads[0], (long long)w->dilation[1], (long long)w->pads[1]);
}

static void tap(qn_cgen *g, const qn_gemm_plan *p) {
  bool is_float = qn_scalar_is_float(p->acc);
  char at[64];
  snprintf(at, sizeof at, "row_a + i * args->size[10] + j * args->size[11] + n * %d", qn__c_bytes(p->a_mem));
  if (qn__window_pads(p))
    stepped_over(g, p);
  else
    load(g, "x", p->a_mem, at);
  if (p->combine == QN_COMBINE_DOT) {
    qn__c_line(g, "const int64_t tap = i * %lld + j;", (long long)p->shape.size[1]);
    weight(g, p);
    if (is_float)
      qn__c_line(g, "total = qn_fma%s(x, w, total);", p->acc == QN_F64 ? "" : "f");
    else if (p->acc == QN_I32)
      qn__c_line(g, "total = total + (uint32_t)((int32_t)x * (int32_t)w);");
    else
      qn__c_line(g, "total = total + (uint64_t)((int64_t)x * (int64_t)w);");
  } else if (p->combine == QN_COMBINE_SUM) {
    qn__c_line(g, "total = total + x;");
  } else if (is_float) {
    qn__c_line(g, "total = i + j ? qn_fmax%s(total, x) : x;", p->acc == QN_F64 ? "" : "f");
  } else {
    qn__c_line(g, "if (i + j == 0 || x > total) total = x;");
  }
}

void qn__c_window(qn_cgen *g, const qn_kernel_plan *plan, qn_arena *arena) {
  const qn_gemm_plan *p = &plan->u.gemm;
  char text[16];
  qn_cnest n;
  if (!qn__c_nest_init(&n, g, &p->epilogue, p->epilogue_extras, p->num_epilogue_extras, "sum", arena)) return;
  qn__c_line(g, "const unsigned char *const a = args->ptr[0];");
  if (p->combine == QN_COMBINE_DOT) qn__c_line(g, "const unsigned char *const b = args->ptr[1];");
  qn__c_line(g, "unsigned char *const y = args->ptr[2];");
  qn__c_line(g, "const int64_t size_n = args->size[1];");
  qn__c_product_rows(g, &n, p);
  qn__c_open(g, "for (int64_t n = 0; n < size_n; n++)");
  qn__c_line(g, "%s total = 0;", sum_type(p, text));
  qn__c_open(g, "for (int64_t i = 0; i < %lld; i++)", (long long)p->shape.size[0]);
  qn__c_open(g, "for (int64_t j = 0; j < %lld; j++)", (long long)p->shape.size[1]);
  tap(g, p);
  qn__c_close(g);
  qn__c_close(g);
  qn__c_line(g, "const %s sum = (%s)total;", qn__c_type(qn__tape_reg(p->acc)), qn__c_type(qn__tape_reg(p->acc)));
  qn__c_nest_level(g, &n, 2, "m", "n");
  qn__c_nest_store(g, &n, p->y_mem);
  for (int i = 0; i < 2; i++) qn__c_close(g);
}

/* ---- pad ---- */

static void fill(qn_cgen *g, const qn_cregion *r, int bytes, const char *from, const char *to) {
  char at[32];
  qn__c_open(g, "for (int64_t i = %s; i < %s; i++)", from, to);
  snprintf(at, sizeof at, "i * %d", bytes);
  qn__c_store(g, r, 1, "row_y", at);
  qn__c_close(g);
}

void qn__c_pad(qn_cgen *g, const qn_kernel_plan *plan, qn_arena *arena) {
  const qn_loop_plan *p = &plan->u.loop;
  uint8_t *levels = qn__arena_array(arena, p->num_inputs, 1);
  const char **names = qn__c_names("x", "extra", p->num_inputs, arena);
  qn_cregion r;
  char at[32], pointer[16];
  if (levels) levels[0] = 1;
  if (!levels || !names || !qn__c_region_init(&r, &p->tape, names, levels, 0, arena)) {
    g->out->failed = true;
    return;
  }
  int in = qn__c_bytes(p->tape.input_mem[0]), out = qn__c_bytes(p->tape.output_mem[0]);
  qn__c_line(g, "const unsigned char *const image = args->ptr[0];");
  qn__c_line(g, "unsigned char *const y = args->ptr[1];");
  qn__c_line(g, "const int64_t height = args->size[0], width = args->size[1], left = args->size[4];");
  qn__c_line(g, "const int64_t all = left + width + args->size[5];");
  for (uint32_t i = 1; i < p->num_inputs; i++) {
    snprintf(pointer, sizeof pointer, "e%u", i);
    qn__c_line(g, "const unsigned char *const e%u = args->ptr[%u];", i, 1 + i);
    qn__c_load(g, names[i], p->tape.input_mem[i], pointer, NULL);
  }
  qn__c_constants(g, &p->tape);
  qn__c_level(g, &r, 0, 0, NULL);
  qn__c_open(g, "for (int64_t l = args->begin[0]; l < args->end[0]; l++)");
  qn__c_line(g, "const int64_t n = l / args->size[2], h = l %% args->size[2] - args->size[3];");
  qn__c_line(g, "const int64_t exists = h >= 0 && h < height;");
  qn__c_line(g, "unsigned char *const row_y = y + l * args->stride[1];");
  qn__c_line(g, "const unsigned char *const row_x = image + (n * height + h) * args->stride[0];");
  fill(g, &r, out, "0", "(exists ? left : all)");
  qn__c_open(g, "for (int64_t k = 0; k < (exists ? width : 0); k++)");
  snprintf(at, sizeof at, "k * %d", in);
  qn__c_load(g, names[0], p->tape.input_mem[0], "row_x", at);
  qn__c_level(g, &r, 1, 0, NULL);
  snprintf(at, sizeof at, "(left + k) * %d", out);
  qn__c_store(g, &r, 0, "row_y", at);
  qn__c_close(g);
  fill(g, &r, out, "exists ? left + width : all", "all");
  qn__c_close(g);
}
