/* Finding chains. */
#include "chain.h"
#include <string.h>

enum { OGT = 2, OLT = 4, OLE = 5 };

typedef struct finder {
  qn_ll_chain *c;
  const qn_tape *t;
  uint32_t at; /* the register reached */
} finder;

static const struct {
  uint8_t op, type;
  const char *text;
  bool commutes;
} binaries[] = {{QN_T_IADD, QN_TI32, "vpaddd", true},  {QN_T_ISUB, QN_TI32, "vpsubd", false},
                {QN_T_SMAX, QN_TI32, "vpmaxsd", true}, {QN_T_SMIN, QN_TI32, "vpminsd", true},
                {QN_T_FADD, QN_TF32, "vaddps", true},  {QN_T_FSUB, QN_TF32, "vsubps", false},
                {QN_T_FMUL, QN_TF32, "vmulps", true},  {QN_T_FDIV, QN_TF32, "vdivps", false},
                {QN_T_FADD, QN_TF64, "vaddpd", true},  {QN_T_FSUB, QN_TF64, "vsubpd", false},
                {QN_T_FMUL, QN_TF64, "vmulpd", true},  {QN_T_FDIV, QN_TF64, "vdivpd", false}};

/* The needed instructions that read a register: how many, the first two of them. */
static uint32_t readers(const finder *f, uint32_t reg, uint32_t which[2]) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < f->t->num_insts; i++) {
    uint32_t args[3] = {0}, n = qn__ll_args(&f->t->insts[i], args);
    bool reads = false;
    for (uint32_t k = 0; k < n; k++) reads |= args[k] == reg;
    if (!reads || !f->c->region.needed[i]) continue;
    if (count < 2) which[count] = i;
    count++;
  }
  return count;
}

static bool note(uint32_t *list, uint32_t *count, uint32_t value, uint32_t *number) {
  for (*number = 0; *number < *count; ++*number)
    if (list[*number] == value) return true;
  if (*count == QN_LL_CHAIN_VALUES) return false;
  list[(*count)++] = value;
  return true;
}

static bool is_word(qn_scalar mem) {
  return mem == QN_F64 || mem == QN_F32 || mem == QN_I32 || mem == QN_SI32 || mem == QN_UI32;
}

/* The value of a register beside the sum's. */
static bool take_value(finder *f, uint32_t reg, qn_ll_step *s) {
  qn_ll_chain *c = f->c;
  const qn_tinst *i = &f->t->insts[reg];
  if (i->type != QN_TI32 && i->type != QN_TF32 && i->type != QN_TF64) return false;
  uint8_t vary = c->region.vary[reg];
  if (!(vary & QN_LL_BY_ROW)) {
    s->with = vary ? QN_LL_WITH_COLUMN : QN_LL_WITH_ALL;
    return vary ? note(c->columns, &c->num_columns, reg, &s->value) : note(c->all, &c->num_all, reg, &s->value);
  }
  const qn_tinst *narrow = &f->t->insts[i->a];
  s->widened = i->op == QN_T_FEXT && narrow->op == QN_T_INPUT && !(vary & QN_LL_BY_LANE);
  if (s->widened) i = narrow;
  if (i->op != QN_T_INPUT || i->a == 0 || !is_word(f->t->input_mem[i->a])) return false;
  s->with = vary & QN_LL_BY_LANE ? QN_LL_WITH_ELEMENT : QN_LL_WITH_ROW;
  return note(c->rows, &c->num_rows, i->a, &s->value);
}

static bool add_step(finder *f, qn_ll_step s, uint32_t to) {
  if (f->c->num_steps == QN_LL_CHAIN_STEPS) return false;
  f->c->steps[f->c->num_steps++] = s;
  f->at = to;
  return true;
}

static bool unary(finder *f, uint32_t i) {
  const qn_tinst *x = &f->t->insts[i], *from = &f->t->insts[f->at];
  uint32_t next[2];
  if (x->op == QN_T_SITOFP && x->type == QN_TF32 && from->type == QN_TI32)
    return add_step(f, (qn_ll_step){.op = "vcvtdq2ps"}, i);
  if (x->op == QN_T_HALF_OUT && !x->pred && x->a == f->at && from->type == QN_TF32 && i == f->t->outputs[0]) {
    f->c->halves = true;
    f->at = i;
    return true;
  }
  if (x->op != QN_T_FROUND || x->type != QN_TF32 || readers(f, i, next) != 1) return false;
  const qn_tinst *y = &f->t->insts[next[0]];
  return y->op == QN_T_FPTOSI && y->type == QN_TI32 && add_step(f, (qn_ll_step){.op = "vcvtps2dq"}, next[0]);
}

static bool binary(finder *f, uint32_t i) {
  const qn_tinst *x = &f->t->insts[i];
  if (x->a == x->b) return false;
  for (size_t k = 0; k < sizeof binaries / sizeof *binaries; k++) {
    if (binaries[k].op != x->op || binaries[k].type != x->type) continue;
    qn_ll_step s = {.op = binaries[k].text};
    if (x->b == f->at && !binaries[k].commutes) return false;
    return take_value(f, x->b == f->at ? x->a : x->b, &s) && add_step(f, s, i);
  }
  return false;
}

/* The larger or smaller of the sum and a value, as a comparison and a selection: the instruction gives its second
 * operand unless the first is larger (smaller), which also says what becomes of NaN and of zeros. */
static bool selection(finder *f, uint32_t compared, uint32_t selected) {
  static const char *const limits[2][2] = {{"vminps", "vmaxps"}, {"vminpd", "vmaxpd"}};
  const qn_tinst *c = &f->t->insts[compared], *s = &f->t->insts[selected];
  bool wide = s->type == QN_TF64;
  if (c->op != QN_T_FCMP || s->op != QN_T_SELECT || (s->type != QN_TF32 && !wide) || s->a != compared) return false;
  if (f->t->insts[c->a].type != s->type) return false;
  bool same = s->b == c->a && s->c == c->b, crossed = s->b == c->b && s->c == c->a;
  uint32_t first = s->b, other = c->a == f->at ? c->b : c->a;
  qn_ll_step step = {.behind = first != f->at};
  if ((!same && !crossed) || c->a == c->b || !take_value(f, other, &step)) return false;
  if (c->pred == OGT || c->pred == OLT)
    step.op = limits[wide][(c->pred == OGT) == same];
  else if (c->pred == OLE && crossed && c->a == f->at)
    step.op = wide ? "vcmplepd" : "vcmpleps", step.where = true, step.behind = false;
  else
    return false;
  bool free = !step.behind && !step.where;
  return (free || step.with == QN_LL_WITH_ALL) && add_step(f, step, selected);
}

static bool next_step(finder *f) {
  uint32_t which[2];
  uint32_t count = readers(f, f->at, which);
  if (count == 1) return unary(f, which[0]) || binary(f, which[0]);
  return count == 2 && selection(f, which[0], which[1]);
}

bool qn__ll_chain_divides(const qn_ll_chain *c) {
  for (uint32_t i = 0; i < c->num_steps; i++)
    if (!strncmp(c->steps[i].op, "vdivp", 5)) return true;
  return false;
}

bool qn__ll_chain_find(qn_ll *g, const qn_tape *tape, const uint8_t *vary, qn_ll_chain *out) {
  *out = (qn_ll_chain){.num_steps = 0};
  if (tape->num_outputs != 1 || !qn__ll_region_init(&out->region, g, tape, vary)) return false;
  finder f = {.c = out, .t = out->region.tape, .at = UINT32_MAX};
  for (uint32_t i = 0; i < f.t->num_insts; i++) {
    if (f.t->insts[i].op != QN_T_INPUT || f.t->insts[i].a != 0 || !out->region.needed[i]) continue;
    if (f.at != UINT32_MAX) return false;
    f.at = i;
  }
  if (f.at == UINT32_MAX) return false;
  while (f.at != f.t->outputs[0])
    if (!next_step(&f)) return false;
  return true;
}
