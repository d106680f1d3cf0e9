/* Row programs: for each row one pass per reduction stage, and a last one that writes. A pass computes again what it
 * needs of earlier ones; values without an element of the row in them are computed once between passes. */
#include "cgen.h"
#include <stdio.h>
#include <string.h>

typedef struct row_gen {
  qn_cgen *g;
  const qn_loop_plan *p;
  qn_cregion r;
  bool *needed;         /* per register, in the present pass */
  uint8_t element, row; /* levels of values that differ along the row, and of those that do not */
} row_gen;

static bool is_reduction(const qn_tinst *i) {
  return i->op >= QN_T_ALL_FMAX;
}

/* Loads of inputs at this level; only: null, or which registers. */
static void write_inputs(row_gen *w, uint8_t level, const bool *only) {
  char name[32], pointer[32], at[32];
  for (uint32_t k = 0; k < w->p->tape.num_insts; k++) {
    const qn_tinst *i = &w->p->tape.insts[k];
    if (i->op != QN_T_INPUT || w->r.level[k] != level || (only && !only[k])) continue;
    snprintf(name, sizeof name, "in%u", i->a);
    snprintf(pointer, sizeof pointer, "p%u", i->a);
    qn__c_load(w->g, name, w->p->tape.input_mem[i->a], pointer, qn__c_loop_at(w->p, i->a, level, at));
  }
}

static void need(row_gen *w, uint32_t reg) {
  if (w->r.level[reg] == w->element) w->needed[reg] = true;
}

/* Closes the set over what its members are computed from. */
static void close_needed(row_gen *w) {
  for (uint32_t k = w->p->tape.num_insts; k-- > 0;) {
    const qn_tinst *i = &w->p->tape.insts[k];
    if (!w->needed[k]) continue;
    for (uint32_t a = 0; a < qn__tape_ops[i->op].num_args; a++) need(w, qn__c_arg(i, a));
  }
}

static void pass_open(row_gen *w) {
  qn__c_loop_open(w->g, w->p, w->p->num_loops - 1, false);
  write_inputs(w, w->element, w->needed);
  qn__c_level(w->g, &w->r, w->element, 0, w->needed);
}

static void reduction_begin(row_gen *w, uint32_t k) {
  const qn_tinst *i = &w->p->tape.insts[k];
  qn_treg t = (qn_treg)i->type;
  const char *type = qn__c_type(t);
  bool wide = t == QN_TF64;
  uint32_t bits = qn__tape_bits(t);
  uint64_t top = (uint64_t)1 << (bits - 1);
  switch (i->op) {
  case QN_T_ALL_FSUM:
    qn__c_line(w->g, "%s part%u[32];", type, k);
    qn__c_line(w->g, "for (int i = 0; i < 32; i++) part%u[i] = 0;", k);
    break;
  case QN_T_ALL_FMAX:
    qn__c_line(
        w->g, wide ? "double row_max%u = qn_f64(0xfff0000000000000ull);" : "float row_max%u = qn_f32(0xff800000u);", k);
    break;
  case QN_T_ALL_FMIN:
    qn__c_line(
        w->g, wide ? "double row_min%u = qn_f64(0x7ff0000000000000ull);" : "float row_min%u = qn_f32(0x7f800000u);", k);
    break;
  case QN_T_ALL_SMAX: qn__c_line(w->g, "%s row_max%u = (%s)0x%llxull;", type, k, type, (unsigned long long)top); break;
  case QN_T_ALL_SMIN:
    qn__c_line(w->g, "%s row_min%u = (%s)0x%llxull;", type, k, type, (unsigned long long)(top - 1));
    break;
  default: qn__c_line(w->g, "%s row_sum%u = 0;", type, k); break;
  }
}

/* One element into reduction k. */
static void reduction_step(row_gen *w, uint32_t k) {
  const qn_tinst *i = &w->p->tape.insts[k];
  qn_buf *o = w->g->out;
  const char *f = i->type == QN_TF32 ? "f" : "",
             *name = i->op == QN_T_ALL_FMAX || i->op == QN_T_ALL_SMAX ? "max" : "min";
  qn__c_indent(w->g);
  switch (i->op) {
  case QN_T_ALL_FSUM:
    qn__buf_fmt(o, "part%u[i%u & 31] = part%u[i%u & 31] + ", k, w->p->num_loops - 1, k, w->p->num_loops - 1);
    qn__c_reg(w->g, &w->r, i->a);
    break;
  case QN_T_ALL_FMAX:
  case QN_T_ALL_FMIN:
    qn__buf_fmt(o, "row_%s%u = qn_f%s%s(row_%s%u, ", name, k, name, f, name, k);
    qn__c_reg(w->g, &w->r, i->a);
    qn__buf_char(o, ')');
    break;
  case QN_T_ALL_SMAX:
  case QN_T_ALL_SMIN:
    qn__buf_fmt(o, "if ((%s)", qn__c_signed_type((qn_treg)i->type));
    qn__c_reg(w->g, &w->r, i->a);
    qn__buf_fmt(o, " %c (%s)row_%s%u) row_%s%u = ", i->op == QN_T_ALL_SMAX ? '>' : '<',
                qn__c_signed_type((qn_treg)i->type), name, k, name, k);
    qn__c_reg(w->g, &w->r, i->a);
    break;
  default:
    qn__buf_fmt(o, "row_sum%u = (%s)(row_sum%u + ", k, qn__c_type((qn_treg)i->type), k);
    qn__c_reg(w->g, &w->r, i->a);
    qn__buf_char(o, ')');
    break;
  }
  qn__buf_c(o, ";\n");
}

static void reduction_end(row_gen *w, uint32_t k) {
  if (w->p->tape.insts[k].op != QN_T_ALL_FSUM) return;
  qn__c_line(w->g, "for (int half = 16; half > 0; half /= 2)");
  qn__c_line(w->g, "  for (int i = 0; i < half; i++) part%u[i] = part%u[i] + part%u[i + half];", k, k, k);
  qn__c_line(w->g, "const %s row_sum%u = part%u[0];", qn__c_type((qn_treg)w->p->tape.insts[k].type), k, k);
}

static void reduction_pass(row_gen *w, uint32_t stage) {
  const qn_tape *t = &w->p->tape;
  memset(w->needed, 0, t->num_insts);
  for (uint32_t k = 0; k < t->num_insts; k++) {
    if (!is_reduction(&t->insts[k]) || t->insts[k].stage != stage) continue;
    reduction_begin(w, k);
    need(w, t->insts[k].a);
  }
  close_needed(w);
  pass_open(w);
  for (uint32_t k = 0; k < t->num_insts; k++)
    if (is_reduction(&t->insts[k]) && t->insts[k].stage == stage) reduction_step(w, k);
  qn__c_close(w->g);
  for (uint32_t k = 0; k < t->num_insts; k++)
    if (is_reduction(&t->insts[k]) && t->insts[k].stage == stage) reduction_end(w, k);
}

static void store(row_gen *w, uint32_t o) {
  char pointer[32], at[32];
  snprintf(pointer, sizeof pointer, "p%u", w->p->num_inputs + o);
  qn__c_store(w->g, &w->r, o, pointer, qn__c_loop_at(w->p, w->p->num_inputs + o, w->p->num_loops, at));
}

/* Results with an element in them, or one per element, are written along the row; the others once. */
static void write_results(row_gen *w) {
  const qn_tape *t = &w->p->tape;
  bool any = false;
  memset(w->needed, 0, t->num_insts);
  for (uint32_t o = 0; o < t->num_outputs; o++) {
    bool once = w->p->reduced[o] && w->r.level[t->outputs[o]] != w->element;
    if (once)
      store(w, o);
    else {
      any = true;
      need(w, t->outputs[o]);
    }
  }
  if (!any) return;
  close_needed(w);
  pass_open(w);
  for (uint32_t o = 0; o < t->num_outputs; o++)
    if (!w->p->reduced[o] || w->r.level[t->outputs[o]] == w->element) store(w, o);
  qn__c_close(w->g);
}

void qn__c_row(qn_cgen *g, const qn_kernel_plan *plan, qn_arena *arena) {
  const qn_loop_plan *p = &plan->u.loop;
  row_gen w = {.g = g, .p = p, .element = (uint8_t)p->num_loops, .row = (uint8_t)(p->num_loops - 1)};
  const char **names = qn__c_names(NULL, "in", p->num_inputs, arena);
  uint8_t *levels = qn__c_loop_levels(p, arena);
  w.needed = qn__arena_array(arena, p->tape.num_insts, sizeof *w.needed);
  if (!names || !levels || !w.needed || !qn__c_region_init(&w.r, &p->tape, names, levels, w.row, arena)) {
    g->out->failed = true;
    return;
  }
  qn__c_loop_head(g, p);
  qn__c_constants(g, &p->tape);
  for (uint32_t d = 0; d <= w.row; d++) {
    if (d) qn__c_loop_open(g, p, d - 1, d == 1);
    write_inputs(&w, (uint8_t)d, NULL);
    qn__c_level(g, &w.r, (uint8_t)d, 0, NULL);
  }
  for (uint32_t stage = 0; stage + 1 < p->tape.num_stages; stage++) {
    reduction_pass(&w, stage);
    qn__c_level(g, &w.r, w.row, (uint8_t)(stage + 1), NULL);
  }
  write_results(&w);
  for (uint32_t d = 0; d < w.row; d++) qn__c_close(g);
}
