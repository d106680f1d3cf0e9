/* Matrix products: one column of one row at a time for libtcc, which keeps nothing in registers; a panel's row at a
 * time for optimizing compilers, which then use vectors. Packing, and the prologue that turns rows of A into codes. */
#include "cgen.h"
#include <stdio.h>
#include <string.h>

typedef struct gemm_gen {
  qn_cgen *g;
  const qn_gemm_plan *p;
  int a_bytes, b_bytes;
  qn_treg acc;
  const char *acc_type;
} gemm_gen;

/* acc + a * b with a at `pa + ka * size` and b at `pb + kb_ * size`. */
static void multiply_add(gemm_gen *w, const char *acc, const char *a, const char *b) {
  qn_buf *o = w->g->out;
  qn__c_indent(w->g);
  if (w->acc == QN_TF32)
    qn__buf_fmt(o, "%s = qn_fmaf(%s, %s, %s);\n", acc, a, b, acc);
  else if (w->acc == QN_TF64)
    qn__buf_fmt(o, "%s = qn_fma(%s, %s, %s);\n", acc, a, b, acc);
  else if (w->acc == QN_TI32)
    qn__buf_fmt(o, "%s = %s + (uint32_t)(%s * %s);\n", acc, acc, a, b);
  else
    qn__buf_fmt(o, "%s = %s + (uint64_t)((int64_t)%s * %s);\n", acc, acc, a, b);
}

/* Reads element `index` of type `mem`, integers as int with their sign. */
static const char *element(char *text, size_t size, qn_scalar mem, const char *pointer, const char *index) {
  int bits = qn_scalar_get(mem)->bits;
  if (mem == QN_BF16)
    snprintf(text, size, "qn_f32((uint32_t)ld_u16(%s + (%s) * 2) << 16)", pointer, index);
  else if (mem == QN_F16)
    snprintf(text, size, "qn_half(ld_u16(%s + (%s) * 2))", pointer, index);
  else if (qn_scalar_is_float(mem))
    snprintf(text, size, "ld_f%d(%s + (%s) * %d)", bits, pointer, index, bits / 8);
  else if (mem == QN_UI8)
    snprintf(text, size, "%s[%s]", pointer, index);
  else if (bits == 8)
    snprintf(text, size, "(int8_t)%s[%s]", pointer, index);
  else
    snprintf(text, size, "(int%d_t)ld_u%d(%s + (%s) * %d)", bits, bits, pointer, index, bits / 8);
  return text;
}

/* Several products in one statement: what is loaded and stored once per statement is paid once. The sum of so many
 * products of bytes, and of one product of 16 bits, fits an int. */
static void column_loop_bytes(gemm_gen *w, uint32_t kb, uint32_t nb) {
  qn_buf *o = w->g->out;
  uint32_t steps = kb >= 8 ? 1 : 8 / kb; /* blocks of k per statement */
  qn__c_open(w->g, "for (; k + %u <= size_k; k += %u, pa += %u, pb += %u)", steps * kb, steps * kb, steps * kb,
             steps * kb * nb);
  qn__c_indent(w->g);
  qn__buf_c(o, "sum += (uint32_t)(");
  for (uint32_t s = 0; s < steps; s++)
    for (uint32_t i = 0; i < kb; i++)
      qn__buf_fmt(o, "%s(int)pa[%u] * (int8_t)pb[%u]", s + i ? " + " : "", s * kb + i, s * kb * nb + i);
  qn__buf_c(o, ");\n");
  qn__c_close(w->g);
}

static bool bytes_into_i32(const gemm_gen *w) {
  return w->p->lhs == QN_UI8 && w->acc == QN_TI32;
}

/* The left-hand rows are several runs of memory: of a window, or of what granules there are. */
static bool in_segments(const gemm_gen *w) {
  return w->p->window || w->p->layout.granule;
}

/* One column: pa along the row of A, pb down the column of the panel. */
static void column(gemm_gen *w) {
  uint32_t kb = w->p->layout.k_block, nb = w->p->layout.panel_width;
  char a[96], b[96];
  if (in_segments(w)) {
    qn__c_line(w->g, "const unsigned char *pb = segment_b + j * %d;", (int)kb * w->b_bytes);
    qn__c_line(w->g, "const unsigned char *pa = segment_a;");
  } else {
    qn__c_line(w->g, "const unsigned char *pa = row_a, *pb = panel + j * %d;", (int)kb * w->b_bytes);
    qn__c_line(w->g, "%s sum = 0;", w->acc_type);
  }
  qn__c_line(w->g, "int64_t k = 0;");
  if (bytes_into_i32(w) && kb <= 64) column_loop_bytes(w, kb, nb);
  qn__c_open(w->g, "for (; k < size_k; k++)");
  multiply_add(w, "sum", element(a, sizeof a, w->p->lhs, "pa", "0"), element(b, sizeof b, w->p->rhs, "pb", "0"));
  qn__c_line(w->g, "pa += %d;", w->a_bytes);
  if (kb == 1)
    qn__c_line(w->g, "pb += %u;", nb * (uint32_t)w->b_bytes);
  else
    qn__c_line(w->g, "pb += (k & %u) == %u ? %u : %d;", kb - 1, kb - 1, (nb * kb - kb + 1) * (uint32_t)w->b_bytes,
               w->b_bytes);
  qn__c_close(w->g);
}

/* The same over the granules of the panel. */
static void granules(gemm_gen *w, void (*body)(gemm_gen *)) {
  const qn_layout *l = &w->p->layout;
  uint32_t bytes = l->granule * l->panel_width * (uint32_t)w->b_bytes;
  qn__c_line(w->g, "const int64_t panels = (size_n + %u) / %u;", l->panel_width - 1, l->panel_width);
  qn__c_line(w->g, "const int64_t last_granule = ld_u32(b + (p + 1) * 4);");
  qn__c_open(w->g, "for (int64_t i = ld_u32(b + p * 4); i < last_granule; i++)");
  qn__c_line(w->g, "const unsigned char *const segment_a = row_a + (int64_t)ld_u32(b + (panels + 1 + i) * 4) * %d;",
             w->a_bytes);
  qn__c_line(w->g, "const unsigned char *const segment_b = b + args->size[3] + i * %u;", bytes);
  body(w);
  qn__c_close(w->g);
}

/* A position that may be outside the image: then the border is read. */
static const char *stepped_over(gemm_gen *w) {
  const qn_window *z = &w->p->shape;
  qn__c_line(w->g, "const int64_t h = above * %lld + i * %lld - %lld, w = column * %lld + s * %lld - %lld;",
             (long long)z->stride[0], (long long)z->dilation[0], (long long)z->pads[0], (long long)z->stride[1],
             (long long)z->dilation[1], (long long)z->pads[1]);
  qn__c_line(w->g, "const int inside = h >= 0 && h < args->size[12] && w >= 0 && w < args->size[13];");
  return "inside ? a + (row_at + i * args->size[10] + s * args->size[11]) : outside";
}

/* A position of the border. */
static void make_border(gemm_gen *w) {
  uint32_t bits = (uint32_t)w->a_bytes * 8;
  qn__c_line(w->g, "unsigned char outside[%d];", QN_WINDOW_BYTES);
  qn__c_open(w->g, "for (int64_t i = 0; i < size_k; i++)");
  for (uint32_t byte = 0; byte < bits / 8; byte++)
    qn__c_line(w->g, "outside[i * %d + %u] = %u;", w->a_bytes, byte,
               (unsigned)((uint64_t)w->p->border >> 8 * byte & 255));
  qn__c_close(w->g);
}

/* One column over all segments of a window. */
static void segments(gemm_gen *w, void (*body)(gemm_gen *)) {
  uint32_t kb = w->p->layout.k_block, nb = w->p->layout.panel_width;
  if (w->p->layout.granule) {
    granules(w, body);
    return;
  }
  qn__c_line(w->g, "const unsigned char *segment_b = panel;");
  qn__c_open(w->g, "for (int64_t i = 0; i < args->size[5]; i++)");
  qn__c_open(w->g, "for (int64_t s = 0; s < args->size[6]; s++)");
  if (qn__window_pads(w->p))
    qn__c_line(w->g, "const unsigned char *const segment_a = %s;", stepped_over(w));
  else
    qn__c_line(w->g, "const unsigned char *const segment_a = row_a + i * args->size[10] + s * args->size[11];");
  body(w);
  qn__c_line(w->g, "segment_b += (size_k + %u) / %u * %u;", kb - 1, kb, kb * nb * (uint32_t)w->b_bytes);
  qn__c_close(w->g);
  qn__c_close(w->g);
}

/* All columns of a panel side by side, k in ascending order for each: of the row, or of a segment of it. */
static void panel_run(gemm_gen *w) {
  uint32_t kb = w->p->layout.k_block, nb = w->p->layout.panel_width;
  char index[64], a[128], b[128];
  if (!in_segments(w)) qn__c_line(w->g, "const unsigned char *const segment_a = row_a, *const segment_b = panel;");
  qn__c_line(w->g, "int64_t k = 0;");
  qn__c_open(w->g, "for (; k + %u <= size_k; k += %u)", kb, kb);
  qn__c_line(w->g, "const unsigned char *const block = segment_b + k * %u;", nb * (uint32_t)w->b_bytes);
  qn__c_open(w->g, "for (int j = 0; j < %u; j++)", nb);
  for (uint32_t i = 0; i < kb; i++) {
    snprintf(index, sizeof index, "k + %u", i);
    element(a, sizeof a, w->p->lhs, "segment_a", index);
    snprintf(index, sizeof index, "j * %u + %u", kb, i);
    multiply_add(w, "sums[j]", a, element(b, sizeof b, w->p->rhs, "block", index));
  }
  qn__c_close(w->g);
  qn__c_close(w->g);
  if (kb == 1) return;
  qn__c_open(w->g, "for (; k < size_k; k++)");
  qn__c_line(w->g, "const unsigned char *const block = segment_b + ((k & ~(int64_t)%u) * %u + (k & %u)) * %d;", kb - 1,
             nb, kb - 1, w->b_bytes);
  snprintf(index, sizeof index, "j * %u", kb);
  qn__c_open(w->g, "for (int j = 0; j < %u; j++)", nb);
  multiply_add(w, "sums[j]", element(a, sizeof a, w->p->lhs, "segment_a", "k"),
               element(b, sizeof b, w->p->rhs, "block", index));
  qn__c_close(w->g);
  qn__c_close(w->g);
}

static void panel_sums(gemm_gen *w) {
  uint32_t nb = w->p->layout.panel_width;
  qn__c_line(w->g, "%s sums[%u];", w->acc_type, nb);
  qn__c_line(w->g, "for (int j = 0; j < %u; j++) sums[j] = 0;", nb);
  if (in_segments(w))
    segments(w, panel_run);
  else
    panel_run(w);
}

static void column_sum(gemm_gen *w) {
  if (!in_segments(w)) {
    column(w);
    return;
  }
  qn__c_line(w->g, "%s sum = 0;", w->acc_type);
  segments(w, column);
}

/* row_a: where the window of row m begins in an image. */
static void window_row(qn_cgen *g) {
  qn__c_line(g, "const int64_t line = m / args->size[4], column = m %% args->size[4];");
  qn__c_line(g, "const int64_t image = line / args->size[3], above = line %% args->size[3];");
  qn__c_line(g, "const unsigned char *const row_a =");
  qn__c_line(g, "  a + image * args->size[7] + above * args->size[8] + column * args->size[9];");
}

/* ---- regions inside the nest ---- */

bool qn__c_nest_init(qn_cnest *n, qn_cgen *g, const qn_tape *t, const qn_extra *extras, uint32_t num, const char *first,
                     qn_arena *arena) {
  uint8_t *levels = qn__arena_array(arena, (size_t)num + 1, 1);
  n->extras = extras;
  n->names = qn__c_names(first, "extra", num + 1, arena);
  if (levels) {
    levels[0] = 2;
    for (uint32_t i = 0; i < num; i++) levels[i + 1] = extras[i].by_col ? 2 : extras[i].by_row ? 1 : 0;
  }
  if (levels && n->names && qn__c_region_init(&n->r, t, n->names, levels, 0, arena)) return true;
  g->out->failed = true;
  return false;
}

static void nest_pointers(qn_cgen *g, const qn_cnest *n, uint32_t num, uint32_t first_ptr) {
  for (uint32_t i = 0; i < num; i++) {
    qn__c_line(g, "const unsigned char *const e%u = args->ptr[%u]; /* extra %u: %s */", i, first_ptr + i, i,
               qn_scalar_get(n->extras[i].mem)->text);
    if (n->extras[i].by_row) qn__c_line(g, "const int64_t e%u_row = args->stride[%u];", i, 3 + i);
  }
}

void qn__c_nest_level(qn_cgen *g, const qn_cnest *n, uint8_t level, const char *row, const char *col) {
  for (uint32_t k = 0; k < n->r.tape->num_insts; k++) {
    const qn_tinst *i = &n->r.tape->insts[k];
    if (i->op != QN_T_INPUT || i->a == 0 || n->r.level[k] != level) continue;
    const qn_extra *e = &n->extras[i->a - 1];
    char pointer[16], at[96] = "", part[48];
    snprintf(pointer, sizeof pointer, "e%u", i->a - 1);
    if (e->by_row) snprintf(at, sizeof at, "%s * e%u_row", row, i->a - 1);
    if (e->by_col) {
      snprintf(part, sizeof part, "%s%s * %d", e->by_row ? " + " : "", col, qn__c_bytes(e->mem));
      snprintf(at + (e->by_row ? strlen(at) : 0), sizeof at - strlen(at), "%s", part);
    }
    qn__c_load(g, n->names[i->a], e->mem, pointer, at[0] ? at : NULL);
  }
  qn__c_level(g, &n->r, level, 0, NULL);
}

void qn__c_nest_store(qn_cgen *g, const qn_cnest *n, qn_scalar mem) {
  char at[48];
  snprintf(at, sizeof at, "n * %d", qn__c_bytes(mem));
  qn__c_store(g, &n->r, 0, "row_y", at);
}

void qn__c_product_rows(qn_cgen *g, const qn_cnest *n, const qn_gemm_plan *p) {
  nest_pointers(g, n, p->num_epilogue_extras, 3);
  qn__c_constants(g, &p->epilogue);
  qn__c_nest_level(g, n, 0, "", "");
  qn__c_open(g, "for (int64_t m = args->begin[0]; m < args->end[0]; m++)");
  if (qn__window_pads(p))
    qn__c_padded_row(g, p);
  else if (p->window)
    window_row(g);
  else
    qn__c_line(g, "const unsigned char *const row_a = a + m * args->stride[0];");
  qn__c_line(g, "unsigned char *const row_y = y + m * args->stride[1];");
  qn__c_nest_level(g, n, 1, "m", "");
}

void qn__c_gemm_tiles(qn_cgen *g, const qn_kernel_plan *plan, qn_arena *arena) {
  const qn_gemm_plan *p = &plan->u.gemm;
  gemm_gen w = {g, p, qn__c_bytes(p->lhs), qn__c_bytes(p->rhs), qn__tape_reg(p->acc), qn__c_type(qn__tape_reg(p->acc))};
  uint32_t nb = p->layout.panel_width;
  qn_cnest n;
  if (!qn__c_nest_init(&n, g, &p->epilogue, p->epilogue_extras, p->num_epilogue_extras, "sum", arena)) return;
  qn__c_line(g, "const unsigned char *const a = args->ptr[0], *const b = args->ptr[1];");
  qn__c_line(g, "unsigned char *const y = args->ptr[2];");
  qn__c_line(g, "const int64_t size_n = args->size[1];");
  if (p->layout.granule)
    qn__c_line(g, "const int64_t size_k = %u;", p->layout.granule);
  else
    qn__c_line(g, "const int64_t size_k = args->size[2];");
  if (qn__window_pads(p)) make_border(&w);
  qn__c_product_rows(g, &n, p);
  qn__c_open(g, "for (int64_t p = args->begin[1]; p < args->end[1]; p++)");
  if (!p->layout.granule) qn__c_line(g, "const unsigned char *const panel = b + p * args->stride[2];");
  qn__c_line(g, "const int64_t left = size_n - p * %u, columns = left < %u ? left : %u;", nb, nb, nb);
  if (g->portable) panel_sums(&w);
  qn__c_open(g, "for (int64_t j = 0; j < columns; j++)");
  qn__c_line(g, "const int64_t n = p * %u + j;", nb);
  if (g->portable)
    qn__c_line(g, "const %s sum = sums[j];", w.acc_type);
  else
    column_sum(&w);
  qn__c_nest_level(g, &n, 2, "m", "n");
  qn__c_nest_store(g, &n, p->y_mem);
  for (int i = 0; i < 3; i++) qn__c_close(g);
}

void qn__c_gemm_prologue(qn_cgen *g, const qn_kernel_plan *plan, qn_arena *arena) {
  const qn_gemm_plan *p = &plan->u.gemm;
  qn_cnest n;
  if (!qn__c_nest_init(&n, g, &p->prologue, p->prologue_extras, p->num_prologue_extras, "x", arena)) return;
  int bytes = qn__c_bytes(p->a_mem), out = qn__c_bytes(p->lhs);
  qn__c_line(g, "const unsigned char *const a = args->ptr[0];");
  qn__c_line(g, "unsigned char *const codes = args->ptr[1];");
  qn__c_line(g, "const int64_t size_k = args->size[1], padded = args->size[2];");
  nest_pointers(g, &n, p->num_prologue_extras, 2);
  qn__c_constants(g, &p->prologue);
  qn__c_nest_level(g, &n, 0, "", "");
  qn__c_open(g, "for (int64_t m = args->begin[0]; m < args->end[0]; m++)");
  qn__c_line(g, "const unsigned char *const row_a = a + m * args->stride[0];");
  qn__c_line(g, "unsigned char *const row_y = codes + m * args->stride[2];");
  qn__c_nest_level(g, &n, 1, "m", "");
  qn__c_open(g, "for (int64_t n = 0; n < size_k; n++)");
  char at[48];
  if (p->lhs_strided)
    snprintf(at, sizeof at, "n * args->stride[1]");
  else
    snprintf(at, sizeof at, "n * %d", bytes);
  qn__c_load(g, n.names[0], p->a_mem, "row_a", at);
  qn__c_nest_level(g, &n, 2, "m", "n");
  qn__c_nest_store(g, &n, p->lhs);
  qn__c_close(g);
  qn__c_line(g, "for (int64_t i = size_k * %d; i < padded * %d; i++) row_y[i] = 0;", out, out);
  qn__c_close(g);
}

void qn__c_pack(qn_cgen *g, const qn_kernel_plan *plan, qn_arena *arena) {
  (void)arena;
  const qn_pack_plan *p = &plan->u.pack;
  uint32_t kb = p->layout.k_block, nb = p->layout.panel_width;
  int bytes = qn__c_bytes(p->mem);
  qn__c_line(g, "const unsigned char *const b = args->ptr[0];");
  qn__c_line(g, "unsigned char *const packed = args->ptr[1];");
  qn__c_line(g, "const int64_t size_k = args->size[0], size_n = args->size[1];");
  qn__c_line(g, "const int64_t step_k = args->stride[0], step_n = args->stride[1];");
  qn__c_open(g, "for (int64_t p = args->begin[0]; p < args->end[0]; p++)");
  qn__c_line(g, "unsigned char *to = packed + p * args->stride[2];");
  qn__c_open(g, "for (int64_t k0 = 0; k0 < size_k; k0 += %u)", kb);
  qn__c_open(g, "for (int64_t n = p * %u; n < p * %u + %u; n++)", nb, nb, nb);
  qn__c_open(g, "for (int64_t k = k0; k < k0 + %u; k++, to += %d)", kb, bytes);
  qn__c_line(g, "if (k < size_k && n < size_n) st_u%d(to, ld_u%d(b + k * step_k + n * step_n));", bytes * 8, bytes * 8);
  qn__c_line(g, "else st_u%d(to, 0);", bytes * 8);
  for (int i = 0; i < 4; i++) qn__c_close(g);
}
