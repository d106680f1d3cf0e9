/* The search: stage by stage, candidate by candidate, every product of the program at once, each kernel timed by
 * itself. What is best in the end is measured again, against the program as it was, with programs that are made
 * afresh: the best of many tries is partly luck, and so is where code and data happen to lie. */
#include "tune.h"
#include "alloc.h"
#include <string.h>

typedef struct search {
  qn_context *ctx;
  const qn_tune_options *o;
  qn_pool *pool;
  qn_parallel pool_parallel;
  const qn_parallel *parallel;
  size_t num_products;
  qn_tuned products[QN__TUNE_PRODUCTS]; /* each with its best choice */
  qn_choice before[QN__TUNE_PRODUCTS];  /* as the search found it */
  bool was[QN__TUNE_PRODUCTS];          /* there was a row for these rows alone: */
  qn_tuned old[QN__TUNE_PRODUCTS];
  qn_choice candidates[QN__TUNE_PRODUCTS][QN__TUNE_CANDIDATES];
  size_t num_candidates[QN__TUNE_PRODUCTS];
  qn__tune_ratio ratios[QN__TUNE_PRODUCTS];
} search;

static bool same_choice(const qn_choice *a, const qn_choice *b) {
  return memcmp(a, b, sizeof *a) == 0;
}

static bool is_none(const qn_choice *c) {
  qn_choice none = qn_choice_none();
  return same_choice(c, &none);
}

/* ---- programs ---- */

/* Product i's choice, for what is built next. */
static qn_status use(search *s, size_t i, const qn_choice *c) {
  qn_tuned t = s->products[i];
  t.choice = *c;
  if (!is_none(c)) return qn_tuning_put(s->ctx, &t);
  qn_tuning_remove(s->ctx, &t);
  return QN_OK;
}

typedef struct made {
  qn_program *p;
  qn__runner run;
} made;

static void unmake(made *m) {
  qn__runner_close(&m->run);
  qn_program_destroy(m->p);
  memset(m, 0, sizeof *m);
}

/* *m is zero, and stays something to unmake whatever fails. */
static qn_status make(search *s, made *m) {
  qn_status status = s->o->build(s->o->build_user, &m->p);
  if (!status) status = qn__runner_open(&m->run, s->ctx, m->p, s->o->inputs, s->parallel);
  if (!status) status = qn__runner_call(&m->run, 1);
  return status;
}

static qn_status make_with(search *s, const qn_choice *choices, made *m) {
  qn_status status = QN_OK;
  for (size_t i = 0; i < s->num_products && !status; i++) status = use(s, i, &choices[i]);
  return status ? status : make(s, m);
}

static qn_status race(search *s, made *a, made *b, double seconds, bool all) {
  if (!qn__runner_same(&a->run, &b->run))
    return qn_error(s->ctx, QN_DIAG_INTERNAL, qn_place_file(""), "a choice has changed the results of the program");
  return qn__tune_race(s->ctx, &a->run, &b->run, s->num_products, s->products, seconds, all, s->ratios);
}

static void tell(search *s, size_t i, const qn_choice *c, qn_tune_verdict verdict) {
  qn_tuned t = s->products[i];
  const qn__tune_ratio *r = &s->ratios[i];
  t.choice = *c;
  qn_tune_step step = {&t, r->us, r->gain, r->low, r->high, r->pairs, verdict};
  if (s->o->each) s->o->each(s->o->each_user, &step);
}

/* ---- products ---- */

static bool known(const search *s, const qn_tuned *t) {
  for (size_t i = 0; i < s->num_products; i++)
    if (qn__tune_same(&s->products[i], t)) return true;
  return false;
}

static qn_status find_products(search *s, const qn_program *p) {
  qn_kernel_info k;
  for (size_t i = 0; qn_program_kernel(p, i, &k); i++) {
    if (!k.product || k.product->m_least < 1 || known(s, k.product)) continue;
    if (s->num_products == QN__TUNE_PRODUCTS) {
      qn_warning(s->ctx, QN_DIAG_LIMIT, qn_place_file(""), "only the first %d products are tuned", QN__TUNE_PRODUCTS);
      break;
    }
    qn_tuned *t = &s->products[s->num_products];
    *t = *k.product;
    qn_tuning_find(s->ctx, t, &t->choice);
    s->before[s->num_products] = t->choice;
    for (size_t j = 0; qn_tuning_get(s->ctx, j); j++) {
      const qn_tuned *row = qn_tuning_get(s->ctx, j);
      if (row->m_most != t->m_most || !qn__tune_same(row, t)) continue;
      s->was[s->num_products] = true, s->old[s->num_products] = *row;
    }
    s->num_products++;
  }
  return s->num_products ? QN_OK
                         : qn_error(s->ctx, QN_DIAG_UNSUPPORTED, qn_place_file(""),
                                    "the program has no product of known sizes that choices could be made for: fix "
                                    "open sizes with --dim NAME=N");
}

/* ---- stages ---- */

/* Candidate c of each product that has so many, against the best so far. */
static qn_status try_candidate(search *s, made *best, size_t c, qn_choice *found, double *gain) {
  qn_choice choices[QN__TUNE_PRODUCTS];
  double seconds = s->o->seconds > 0 ? s->o->seconds : 0.2;
  made m = {0};
  for (size_t i = 0; i < s->num_products; i++)
    choices[i] = c < s->num_candidates[i] ? s->candidates[i][c] : s->products[i].choice;
  qn_status status = make_with(s, choices, &m);
  if (!status) status = race(s, best, &m, seconds, false);
  for (size_t i = 0; i < s->num_products && !status; i++) {
    if (c >= s->num_candidates[i] || !s->ratios[i].pairs) continue;
    bool better = s->ratios[i].low > 1 && s->ratios[i].gain > gain[i];
    if (better) found[i] = choices[i], gain[i] = s->ratios[i].gain;
    tell(s, i, &choices[i], better ? QN_TUNE_BETTER : QN_TUNE_TRIED);
  }
  unmake(&m);
  return status;
}

static qn_status run_stage(search *s, uint32_t stage) {
  qn_choice found[QN__TUNE_PRODUCTS], now[QN__TUNE_PRODUCTS];
  double gain[QN__TUNE_PRODUCTS];
  size_t most = 0;
  for (size_t i = 0; i < s->num_products; i++) {
    found[i] = now[i] = s->products[i].choice, gain[i] = 1;
    s->num_candidates[i] = qn__tune_candidates(stage, &s->products[i], s->o->threads, s->candidates[i]);
    if (s->num_candidates[i] > most) most = s->num_candidates[i];
  }
  if (!most) return QN_OK;
  made best = {0};
  qn_status status = make_with(s, now, &best);
  for (size_t c = 0; c < most && !status; c++) {
    qn_progress(s->ctx, "tune", (int64_t)(stage * 100 + c * 100 / most), QN__TUNE_STAGES * 100);
    status = try_candidate(s, &best, c, found, gain);
  }
  unmake(&best);
  for (size_t i = 0; i < s->num_products && !status; i++) s->products[i].choice = found[i];
  return status;
}

/* ---- the end ---- */

/* Keeps of the products' choices those that hold against the beginning. */
static qn_status confirm(search *s, qn_tune_verdict verdict) {
  qn_choice best[QN__TUNE_PRODUCTS];
  double seconds = 3 * (s->o->seconds > 0 ? s->o->seconds : 0.2), least = s->o->least > 0 ? s->o->least : 1.01;
  bool any = false;
  made a = {0}, b = {0};
  for (size_t i = 0; i < s->num_products; i++) {
    best[i] = s->products[i].choice;
    any |= !same_choice(&best[i], &s->before[i]);
  }
  if (!any) return QN_OK;
  qn_status status = make_with(s, s->before, &a);
  if (!status) status = make_with(s, best, &b);
  if (!status) status = race(s, &a, &b, seconds, true);
  for (size_t i = 0; i < s->num_products && !status; i++) {
    if (same_choice(&best[i], &s->before[i])) continue;
    bool holds = s->ratios[i].pairs && s->ratios[i].low > 1 && s->ratios[i].gain >= least;
    s->products[i].gain = holds ? s->ratios[i].gain : 0;
    tell(s, i, &best[i], holds ? verdict : QN_TUNE_REFUTED);
    if (!holds) s->products[i].choice = s->before[i];
  }
  unmake(&a), unmake(&b);
  return status;
}

/* What the context has in the end: what is confirmed, what was there before, or nothing. */
static qn_status settle(search *s, bool confirmed, size_t *recorded) {
  qn_status status = QN_OK;
  for (size_t i = 0; i < s->num_products && !status; i++) {
    bool better = confirmed && !same_choice(&s->products[i].choice, &s->before[i]);
    qn_choice none = qn_choice_none();
    status =
        s->was[i] && !better ? qn_tuning_put(s->ctx, &s->old[i]) : use(s, i, better ? &s->products[i].choice : &none);
    if (recorded) *recorded += better;
  }
  return status;
}

static qn_status run(search *s, size_t *recorded) {
  made first = {0};
  qn_status status = make(s, &first);
  if (!status) status = find_products(s, first.p);
  unmake(&first);
  for (uint32_t stage = 0; stage < QN__TUNE_STAGES && !status; stage++) status = run_stage(s, stage);
  if (!status) status = confirm(s, QN_TUNE_BETTER);
  if (!status) status = confirm(s, QN_TUNE_RECORDED);
  qn_status settled = settle(s, !status, recorded);
  qn_progress(s->ctx, "tune", QN__TUNE_STAGES * 100, QN__TUNE_STAGES * 100);
  return status ? status : settled;
}

qn_status qn_tune_program(qn_context *ctx, const qn_tune_options *options, size_t *recorded) {
  if (!ctx || !options || !options->build) return qn_error_null(ctx, __func__);
  const qn_allocator *a = qn_context_allocator(ctx);
  search *s = qn__alloc_zero(a, sizeof *s);
  if (recorded) *recorded = 0;
  if (!s) return qn_error_no_memory(ctx);
  s->ctx = ctx, s->o = options;
  qn_status status = options->threads > 1 ? qn_pool_create(ctx, options->threads, &s->pool) : QN_OK;
  if (s->pool) {
    s->pool_parallel = qn_pool_parallel(s->pool);
    s->parallel = &s->pool_parallel;
  }
  if (!status) status = run(s, recorded);
  qn_pool_destroy(s->pool);
  qn__free(a, s, sizeof *s);
  return status;
}
