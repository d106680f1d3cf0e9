/* Attention, one query row at a time: blocks of keys in local arrays. Every step is a loop over keys or columns, which
 * optimizing compilers make vectors of. */
#include "cgen.h"
#include <stdio.h>

typedef struct attention_gen {
  qn_cgen *g;
  const qn_attention_plan *p;
  qn_arena *arena;
} attention_gen;

static const char *uint_of(qn_scalar mem) {
  return mem == QN_UI8 ? "" : "(int8_t)";
}

/* Registers of several tapes share names: each tape has a scope of its own. */
static void scope(qn_cgen *g) {
  qn__c_line(g, "{");
  g->indent++;
}

/* ---- the three regions: level 1 is the row, level 2 the element ---- */

static bool region(attention_gen *w, const qn_tape *t, const uint8_t *levels, const char *const *names, qn_cregion *r) {
  if (levels && names && qn__c_region_init(r, t, names, levels, 1, w->arena)) return true;
  w->g->out->failed = true;
  return false;
}

static void result(attention_gen *w, const qn_cregion *r, uint32_t output, const char *target) {
  qn__c_indent(w->g);
  qn__buf_fmt(w->g->out, "%s = ", target);
  qn__c_reg(w->g, r, r->tape->outputs[output]);
  qn__buf_c(w->g->out, ";\n");
}

static void load_extras(attention_gen *w, const qn_cregion *r, uint8_t level) {
  for (uint32_t k = 0; k < r->tape->num_insts; k++) {
    const qn_tinst *i = &r->tape->insts[k];
    if (i->op != QN_T_INPUT || i->a == 0 || r->level[k] != level) continue;
    const qn_extra *e = &w->p->extras[i->a - 1];
    char pointer[16], at[64];
    snprintf(pointer, sizeof pointer, "e%u", i->a - 1);
    snprintf(at, sizeof at, "(first + j) * %d", qn__c_bytes(e->mem));
    qn__c_load(w->g, r->inputs[i->a], e->mem, pointer, e->by_col ? at : NULL);
  }
}

/* sums[j] or s[j] to s[j]. */
static void write_scores(attention_gen *w) {
  const qn_attention_plan *p = w->p;
  qn_cgen *g = w->g;
  qn_cregion r;
  uint8_t *levels = qn__arena_array(w->arena, (size_t)p->num_extras + 1, 1);
  const char **names = qn__c_names("x", "extra", p->num_extras + 1, w->arena);
  if (levels) {
    levels[0] = 2;
    for (uint32_t i = 0; i < p->num_extras; i++) levels[1 + i] = p->extras[i].by_col ? 2 : 1;
  }
  if (!region(w, &p->score, levels, names, &r)) return;
  scope(g);
  qn__c_constants(g, &p->score);
  load_extras(w, &r, 1);
  qn__c_level(g, &r, 0, 0, NULL);
  qn__c_level(g, &r, 1, 0, NULL);
  qn__c_open(g, "for (int64_t j = 0; j < count; j++)");
  if (p->codes)
    qn__c_line(g, "const uint32_t x = sums[j];");
  else
    qn__c_line(g, "const float x = s[j];");
  load_extras(w, &r, 2);
  qn__c_level(g, &r, 2, 0, NULL);
  result(w, &r, 0, "s[j]");
  qn__c_close(g);
  qn__c_close(g);
}

static const char *const weight_names[] = {"x", "top"}, *const end_names[] = {"x", "l"};
static const uint8_t two_levels[] = {2, 1};

/* s[j] to weights and codes; or, with `single`, c from m. */
static void write_weights(attention_gen *w, bool single) {
  const qn_attention_plan *p = w->p;
  qn_cgen *g = w->g;
  qn_cregion r;
  if (!region(w, &p->weight, two_levels, weight_names, &r)) return;
  if (single)
    qn__c_open(g, "if (!(top == m))");
  else
    scope(g);
  qn__c_constants(g, &p->weight);
  qn__c_level(g, &r, 0, 0, NULL);
  qn__c_level(g, &r, 1, 0, NULL);
  if (single)
    scope(g);
  else
    qn__c_open(g, "for (int64_t j = 0; j < count; j++)");
  qn__c_line(g, "const float x = %s;", single ? "m" : "s[j]");
  qn__c_level(g, &r, 2, 0, NULL);
  result(w, &r, 0, single ? "c" : "s[j]");
  if (p->codes && !single) result(w, &r, 1, "codes[j]");
  qn__c_close(g);
  qn__c_close(g);
}

static void write_end(attention_gen *w) {
  const qn_attention_plan *p = w->p;
  qn_cgen *g = w->g;
  qn_cregion r;
  char at[48];
  if (!region(w, &p->epilogue, two_levels, end_names, &r)) return;
  scope(g);
  qn__c_constants(g, &p->epilogue);
  qn__c_level(g, &r, 0, 0, NULL);
  qn__c_level(g, &r, 1, 0, NULL);
  qn__c_open(g, "for (int64_t n = 0; n < dv; n++)");
  qn__c_line(g, "const float x = o[n];");
  qn__c_level(g, &r, 2, 0, NULL);
  snprintf(at, sizeof at, "n * %d", qn__c_bytes(p->y_mem));
  qn__c_store(g, &r, 0, "row_y", at);
  qn__c_close(g);
  qn__c_close(g);
}

/* ---- products ---- */

static void write_sums(attention_gen *w) {
  const qn_attention_plan *p = w->p;
  qn_cgen *g = w->g;
  const qn_layout *l = &p->scores.layout;
  uint32_t kb = l->k_block, nb = l->panel_width;
  const uint32_t size = p->codes ? 1 : 4;
  qn__c_line(g, "const unsigned char *const panel = k + first / %u * k_panel;", nb);
  qn__c_line(g, "for (int64_t j = 0; j < count; j++) %s[j] = 0;", p->codes ? "sums" : "s");
  qn__c_open(g, "for (int64_t i = 0; i < d; i++)");
  if (kb == 1 || p->k_rows)
    qn__c_line(g, "const unsigned char *const part = panel + i * %u;", p->k_rows ? size : nb * size);
  else
    qn__c_line(g, "const unsigned char *const part = panel + (i / %u * %u + i %% %u) * %u;", kb, nb * kb, kb, size);
  const char *by = p->k_rows ? "d * " : "";
  uint32_t step = p->k_rows ? size : kb * size;
  if (p->codes) {
    qn__c_line(g, "const int a = %srow_q[i];", uint_of(p->scores.lhs));
    qn__c_line(g, "for (int64_t j = 0; j < count; j++) sums[j] = sums[j] + (uint32_t)(a * %spart[j * %s%u]);",
               uint_of(p->scores.rhs), by, step);
  } else {
    qn__c_line(g, "const float a = ld_f32(row_q + i * 4);");
    qn__c_line(g, "for (int64_t j = 0; j < count; j++) s[j] = qn_fmaf(a, ld_f32(part + j * %s%u), s[j]);", by, step);
  }
  qn__c_close(g);
}

/* Sums of codes of values that come as rows: no more columns than there are. */
static void write_value_rows(attention_gen *w) {
  qn_cgen *g = w->g;
  qn__c_open(g, "for (int64_t j = 0; j < count; j++)");
  qn__c_line(g, "const int a = codes[j];");
  qn__c_line(g, "const unsigned char *const from = v + (first + j) * dv;");
  qn__c_line(g, "for (int64_t n = 0; n < dv; n++) products[n] = products[n] + (uint32_t)(a * %sfrom[n]);",
             uint_of(w->p->values.rhs));
  qn__c_close(g);
}

/* The same from panels, and those of floats. */
static void write_value_panels(attention_gen *w) {
  const qn_attention_plan *p = w->p;
  qn_cgen *g = w->g;
  const qn_layout *l = &p->values.layout;
  uint32_t kb = l->k_block, nb = l->panel_width, size = p->codes ? 1 : 4;
  qn__c_open(g, "for (int64_t j = 0; j < count; j++)");
  qn__c_line(g, "const int64_t key = first + j;");
  if (p->codes)
    qn__c_line(g, "const int a = codes[j];");
  else
    qn__c_line(g, "const float a = s[j];");
  qn__c_open(g, "for (int q = 0; q < %u; q++)", p->dv_room / nb);
  qn__c_line(g, "const unsigned char *const from = v + q * v_panel + (key / %u * %u + key %% %u) * %u;", kb, nb * kb,
             kb, size);
  if (p->codes)
    qn__c_line(g,
               "for (int n = 0; n < %u; n++) products[q * %u + n] = products[q * %u + n] + "
               "(uint32_t)(a * %sfrom[n * %u]);",
               nb, nb, nb, uint_of(p->values.rhs), kb);
  else
    qn__c_line(g, "for (int n = 0; n < %u; n++) o[q * %u + n] = qn_fmaf(a, ld_f32(from + n * %u), o[q * %u + n]);", nb,
               nb, kb * 4, nb);
  qn__c_close(g);
  qn__c_close(g);
}

static void write_values(attention_gen *w) {
  const qn_attention_plan *p = w->p;
  qn_cgen *g = w->g;
  if (p->codes) {
    qn__c_line(g, "uint32_t total = 0;");
    qn__c_line(g, "for (int64_t j = 0; j < count; j++) total = total + codes[j];");
    qn__c_line(g, "part[0] = qn_fmaf(part[0], c, (float)(int32_t)total);");
    qn__c_line(g, "for (int n = 0; n < %u; n++) products[n] = 0;", p->dv_room);
  } else {
    qn__c_line(g, "for (int64_t t = 0; t < 32; t++) part[t] = qn_fmaf(part[t], c, t < count ? s[t] : (float)0);");
    qn__c_line(g, "for (int64_t j = 32; j < count; j++) part[j & 31] = part[j & 31] + s[j];");
    qn__c_line(g, "for (int n = 0; n < %u; n++) o[n] = o[n] * c;", p->dv_room);
  }
  if (p->v_rows)
    write_value_rows(w);
  else
    write_value_panels(w);
  if (p->codes)
    qn__c_line(g, "for (int n = 0; n < %u; n++) o[n] = qn_fmaf(o[n], c, (float)(int32_t)products[n]);", p->dv_room);
}

/* ---- the whole ---- */

static void write_block(attention_gen *w) {
  qn_cgen *g = w->g;
  uint32_t nb = w->p->key_block;
  qn__c_open(g, "for (int64_t first = 0; first < seen; first += %u)", nb);
  qn__c_line(g, "const int64_t count = seen - first < %u ? seen - first : %u;", nb, nb);
  write_sums(w);
  write_scores(w);
  qn__c_line(g, "float top = m, c = 1;");
  qn__c_line(g, "for (int64_t j = 0; j < count; j++) if (s[j] > top) top = s[j];");
  write_weights(w, true);
  write_weights(w, false);
  qn__c_line(g, "m = top;");
  write_values(w);
  qn__c_close(g);
}

static void write_row(attention_gen *w) {
  const qn_attention_plan *p = w->p;
  qn_cgen *g = w->g;
  qn__c_line(g, "const int64_t row = args->size[5] + u %% tiles * args->size[7] + r;");
  qn__c_line(g, "const unsigned char *const row_q = (const unsigned char *)args->ptr[0] + head * args->stride[4] + row "
                "* args->stride[0];");
  qn__c_line(
      g,
      "unsigned char *const row_y = (unsigned char *)args->ptr[3] + head * args->stride[7] + row * args->stride[1];");
  for (uint32_t i = 0; i < p->num_extras; i++) {
    const char *row = p->extras[i].by_row ? " + row * args->stride[" : "";
    qn__c_indent(g);
    qn__buf_fmt(g->out,
                "const unsigned char *const e%u = (const unsigned char *)args->ptr[%u] + head * args->stride[%u]", i,
                4 + i, 9 + 2 * i);
    if (row[0]) qn__buf_fmt(g->out, "%s%u]", row, 8 + 2 * i);
    qn__buf_c(g->out, ";\n");
  }
  qn__c_line(g, "int64_t seen = keys;");
  if (p->causal) qn__c_line(g, "if (row + 1 + args->size[4] < seen) seen = row + 1 + args->size[4];");
  qn__c_line(g, "float m = qn_f32(0xff7fffffu);");
  qn__c_line(g, "for (int n = 0; n < 32; n++) part[n] = 0;");
  qn__c_line(g, "for (int n = 0; n < %u; n++) o[n] = 0;", p->dv_room);
  write_block(w);
  if (!p->codes) {
    qn__c_line(g, "for (int half = 16; half > 0; half /= 2)");
    qn__c_line(g, "  for (int n = 0; n < half; n++) part[n] = part[n] + part[n + half];");
  }
  qn__c_line(g, "const float l = part[0];");
  write_end(w);
}

void qn__c_attention(qn_cgen *g, const qn_kernel_plan *plan, qn_arena *arena) {
  const qn_attention_plan *p = &plan->u.attention;
  attention_gen w = {g, p, arena};
  qn__c_line(g, "const int64_t keys = args->size[1], d = args->size[2], dv = args->size[3], tiles = args->size[6];");
  qn__c_line(g, "const int64_t k_panel = args->stride[2], v_panel = args->stride[3];");
  qn__c_line(g, "float s[%u], part[32], o[%u];", p->key_block, p->dv_room ? p->dv_room : 1);
  if (p->codes) {
    qn__c_line(g, "uint32_t sums[%u], products[%u];", p->key_block, p->dv_room ? p->dv_room : 1);
    qn__c_line(g, "uint8_t codes[%u];", p->key_block);
  }
  qn__c_open(g, "for (int64_t u = args->begin[0]; u < args->end[0]; u++)");
  qn__c_line(g, "const int64_t head = u / tiles;");
  qn__c_line(g, "const unsigned char *const k = (const unsigned char *)args->ptr[1] + head * args->stride[5];");
  qn__c_line(g, "const unsigned char *const v = (const unsigned char *)args->ptr[2] + head * args->stride[6];");
  qn__c_open(g, "for (int64_t r = 0; r < args->size[7]; r++)");
  write_row(&w);
  qn__c_close(g);
  qn__c_close(g);
}
