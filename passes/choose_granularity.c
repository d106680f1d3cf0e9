/* choose-granularity: how many scales each weight gets. Rows of one table (quantize_granularity.c), coarsest first, are
 * the candidates: tensor, group, channel, block. Each is measured on the product that reads the weight: the signal to
 * quantization noise ratio of its output against floats, over rows of its input seen while running the sample inputs
 * that the pass manager was given (operands quantized as they will be); without samples, of the weight itself. The
 * coarsest one that reaches min_sqnr dB is taken; when none does, the best. A weight that several products read gets
 * what all of them can live with.
 *
 *   %y = quern.matmul %x, %w : ..      ->      %y = quern.matmul %x, %w {quern.granularity = "channel"} : ..
 *
 * Option granularity other than auto takes that row for every weight that can be cut so; rows that no kernel runs are
 * refused with their reason. Preserves everything: results, shapes, structure. */
#include "choose_granularity.h"
#include <math.h>

/* ---- sites ---- */

static bool is_site(qn_module *m, qn_op op, qn__weight *w) {
  qn_op source;
  if (!qn__is_quantizable(m, op) || qn__is_conv(m, op) || !qn__weight_of(m, op, 1, w)) return false;
  source = qn_value_op(m, qn_op_operand(m, op, 0));
  return qn_op_kind_of(m, source) != QN_OP_CONSTANT;
}

static void add_site(search *s, qn_op op, const qn__weight *w) {
  site *at = &s->sites[s->num_sites++];
  *at = (site){.op = op, .w = *w, .x = qn_op_operand(s->m, op, 0), .k = 1, .n = 1};
  at->measurable = w->data.rank <= 2;
  at->k = w->data.shape[w->k];
  if (w->column >= 0) at->n = w->data.shape[w->column];
  at->next = s->first_of[at->x.id];
  s->first_of[at->x.id] = s->num_sites;
}

static qn_status find_sites(search *s, qn_op func) {
  qn__weight w;
  uint32_t n = 0;
  qn_block body = qn_func_body(s->m, func);
  for (qn_op op = qn_block_first(s->m, body); op.id; op = qn_op_next(s->m, op)) n += is_site(s->m, op, &w);
  s->num_sites = 0;
  s->sites = qn_run_alloc(s->run, (n + 1) * sizeof *s->sites);
  s->first_of = qn_run_alloc(s->run, ((size_t)qn_module_value_limit(s->m) + 1) * sizeof *s->first_of);
  if (!s->sites || !s->first_of) return QN_ERR_NO_MEMORY;
  for (qn_op op = qn_block_first(s->m, body); op.id; op = qn_op_next(s->m, op))
    if (is_site(s->m, op, &w)) add_site(s, op, &w);
  return QN_OK;
}

/* Sites with one weight, cut along one axis, share a decision. */
static bool shares(const search *s, const site *a, const site *b) {
  return qn_op_operand(s->m, a->op, 1).id == qn_op_operand(s->m, b->op, 1).id && a->w.column == b->w.column;
}

/* ---- the search ---- */

typedef struct candidate {
  qn__granularity g;
  qn_type elem;
  double sqnr;
} candidate;

/* The worst over all sites that share the weight. */
static qn_status measure_shared(search *s, const site *first, candidate *c) {
  c->sqnr = INFINITY;
  for (uint32_t i = 0; i < s->num_sites; i++) {
    double sqnr;
    if (!shares(s, first, &s->sites[i])) continue;
    qn_status status = qn__measure(s, &s->sites[i], c->elem, &sqnr);
    if (status) return status;
    if (sqnr < c->sqnr) c->sqnr = sqnr;
  }
  return QN_OK;
}

/* Rows of the table in order, until one is good enough. */
static qn_status search_weight(search *s, const site *at, candidate *best) {
  *best = (candidate){.sqnr = -INFINITY};
  for (size_t i = 0; qn__granularity_at(i); i++) {
    candidate c = {.g = {.row = qn__granularity_at(i)}};
    if (c.g.row->refused || c.g.row->sized) continue;
    qn_status status = qn__weight_type(s->run, at->op, &at->w, &s->weights, c.g, &c.elem);
    if (!status && qn_type_is_null(c.elem)) continue;
    if (!status) status = measure_shared(s, at, &c);
    if (status) return status;
    qn_run_count(s->run, "candidates measured", 1);
    if (!best->g.row || c.sqnr > best->sqnr) *best = c;
    if (best->sqnr >= s->min_sqnr) break;
  }
  return QN_OK;
}

/* ---- the pass ---- */

static void annotate(search *s, const site *at, const qn__granularity *g) {
  char spelled[48];
  qn_attr text = qn_attr_string(s->m, qn_str_of(qn__granularity_text(g, spelled)));
  qn_op_set_attr(s->m, at->op, "quern.granularity", text);
  qn_run_count(s->run, g->row->name, 1);
}

static qn_status choose_in(search *s, qn_op func) {
  qn_status status = find_sites(s, func);
  if (!status && s->num_sites) status = qn__collect_rows(s, func);
  for (uint32_t i = 0; i < s->num_sites && !status; i++) {
    const site *at = &s->sites[i];
    candidate best;
    if (qn_op_attr(s->m, at->op, "quern.granularity").id) continue; /* decided with an earlier one, or by hand */
    status = search_weight(s, at, &best);
    if (status || !best.g.row) return status; /* one scale for all is always possible */
    qn_place place = qn_op_place(s->m, at->op);
    qn_trace(s->ctx, "choose-granularity: %.*s line %u: %s, %.1f dB", (int)place.entity.size, place.entity.data,
             place.line, best.g.row->name, best.sqnr);
    if (best.sqnr < s->min_sqnr) qn_run_count(s->run, "below min_sqnr", 1);
    for (uint32_t j = i; j < s->num_sites; j++)
      if (shares(s, at, &s->sites[j])) annotate(s, &s->sites[j], &best.g);
  }
  return status;
}

static qn_status force_in(search *s, qn_op func, const qn__granularity *g) {
  qn_status status = find_sites(s, func);
  for (uint32_t i = 0; i < s->num_sites && !status; i++) {
    qn_type elem;
    const qn__granularity coarse = {.row = qn__granularity_at(0)};
    status = qn__weight_type(s->run, s->sites[i].op, &s->sites[i].w, &s->weights, *g, &elem);
    if (!status) annotate(s, &s->sites[i], qn_type_is_null(elem) ? &coarse : g);
  }
  return status;
}

qn_status qn__pass_choose_granularity(qn_pass_run *run) {
  static const char name[] = "choose-granularity";
  search s = {
      .run = run, .m = qn_run_module(run), .ctx = qn_run_context(run), .min_sqnr = qn_run_float(run, "min_sqnr")};
  qn__granularity g;
  qn_status status = qn__granularity_parse(s.ctx, name, qn_run_string(run, "granularity"), &g);
  if (!status)
    status = qn__format_parse(s.ctx, name, qn_run_string(run, "weights"), qn_run_string(run, "activations"), &s.weights,
                              &s.activations);
  for (qn_op f = qn_block_first(s.m, qn_module_body(s.m)); f.id && !status; f = qn_op_next(s.m, f))
    if (qn_op_kind_of(s.m, f) == QN_OP_FUNC) status = g.row ? force_in(&s, f, &g) : choose_in(&s, f);
  qn_run_preserved(run, true, QN_PRESERVES_ALL);
  return status;
}
