/* Lists of vectors (lanes.h) as assembly, for two vectors at a time. Constants that find no register are read from
 * memory where an instruction has them as its last operand, which takes nothing of what computes. */
#include "lanes_text.h"

enum { REGISTERS = 31, MOST_PLACES = QN_LANE_PLACES, PAIR = QN_LANE_VECTORS, UNKNOWN = 0xFF, MASKS = 7 };
enum { MOST_FIXED = QN_LANES_FIXED_MOST }; /* REGISTERS: one is left for LLVM */
typedef qn_ll_lane_part part;
typedef qn_ll_lane_writer writer;

const char *const qn__ll_lane_bases[QN_LANE_PLACES] = {"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};

/* ---- what goes where ---- */

static void find_last_uses(part *p) {
  for (uint32_t k = 0; k < p->l->num_ops; k++) {
    const qn_ll_lane_op *op = &p->l->ops[k];
    const qn_ll_lane_ref refs[3] = {op->dst, op->a, op->b};
    for (uint32_t i = 0; i < 3; i++)
      if (refs[i].kind == QN_LANE_TEMP) p->last[refs[i].n] = k;
  }
}

static bool find_places(writer *w, const part *p) {
  for (uint32_t k = 0; k < p->l->num_ops; k++) {
    const qn_ll_place *of = p->l->ops[k].place;
    uint32_t i = 0;
    if (!of) continue;
    while (i < w->num_places && w->places[i] != of) i++;
    if (i < w->num_places) continue;
    if (i == MOST_PLACES) return false;
    w->places[w->num_places++] = of;
  }
  return true;
}

/* A constant may be in memory when it is nothing but a last operand, or is copied. */
static bool may_spill(const qn_ll_lane_list *l, uint32_t f) {
  if (!l->fixed[f].is_const) return false;
  for (uint32_t k = 0; k < l->num_ops; k++) {
    const qn_ll_lane_op *op = &l->ops[k];
    bool first = op->a.kind == QN_LANE_FIXED && op->a.n == f, under = op->mask && op->form == QN_LANE_MOVE;
    if (first && (op->form != QN_LANE_MOVE || under)) return false;
    if (op->c.kind == QN_LANE_FIXED && op->c.n == f) return false;
  }
  return true;
}

/* Parts share constants. */
static void find_fixed(writer *w, part *p) {
  for (uint32_t f = 0; f < p->l->num_fixed; f++) {
    const qn_ll_lane_fixed *x = &p->l->fixed[f];
    uint32_t i = 0;
    while (i < w->num_fixed && !(x->is_const && w->fixed[i].value->is_const && w->fixed[i].value->bits == x->bits)) i++;
    if (i == w->num_fixed) {
      w->fixed[i].of = p, w->fixed[i].value = x, w->fixed[i].may_spill = true;
      w->num_fixed++;
    }
    w->fixed[i].may_spill &= may_spill(p->l, f);
    p->fixed[f] = (uint16_t)i;
  }
}

static bool share_registers(writer *w) {
  uint32_t in_registers = w->num_fixed, most = REGISTERS + w->loop;
  for (uint32_t f = w->num_fixed; f-- > 0;) {
    if (w->num_sums + w->scratch + in_registers <= most) break;
    if (!w->fixed[f].may_spill) continue;
    w->fixed[f].spilled = (uint8_t)++w->num_spilled;
    in_registers--;
  }
  for (uint32_t f = 0, n = 0; f < w->num_fixed; f++)
    if (!w->fixed[f].spilled) w->fixed[f].operand = n++;
  return w->num_sums + w->scratch + in_registers <= most;
}

/* ---- operands, in the order: sums and scratch registers that come out, sums that go in, what is fixed, places, the
 * index, constants in memory ---- */

static uint32_t num_in_registers(const writer *w) {
  return w->num_fixed - w->num_spilled;
}

uint32_t qn__ll_lane_first_fixed(const writer *w) {
  return (w->loop ? 1 : 2) * w->num_sums + w->scratch;
}

static uint32_t first_place(const writer *w) {
  return qn__ll_lane_first_fixed(w) + num_in_registers(w);
}

uint32_t qn__ll_lane_sum(const part *p, uint32_t n, uint32_t v) {
  bool shared = (p->s->finds_least || p->s->counts) && n + 1 == p->l->num_sums;
  return p->first_sum + n + (shared ? 0 : v);
}

static void put_text(writer *w, const char *s) {
  if (!w->measures) qn__buf_c(&w->text, s);
}

static void put_reg(writer *w, uint32_t n, bool halves) {
  const char *named = halves ? "%%ymm%u" : "%%zmm%u", *given = halves ? "${%u:t}" : "$%u";
  qn__buf_fmt(&w->text, w->numbers ? "%%xmm%u" : w->loop ? named : given, n);
}

static void put_spilled(writer *w, uint32_t f) {
  if (w->loop)
    qn__buf_fmt(&w->text, "%u(%%rdx)", qn__ll_lane_constant(w->constants, w->fixed[f].value->bits));
  else
    qn__buf_fmt(&w->text, "%u($%u)", 4 * (w->fixed[f].spilled - 1), first_place(w) + w->num_places + 1);
}

static void put_operand(writer *w, const part *p, qn_ll_lane_ref r, uint32_t v, bool halves) {
  if (w->measures) return;
  if (r.kind == QN_LANE_TEMP) {
    put_reg(w, w->num_sums + p->at[v][r.n], halves);
  } else if (r.kind == QN_LANE_SUM) {
    put_reg(w, qn__ll_lane_sum(p, r.n, v), halves);
  } else if (w->fixed[p->fixed[r.n]].spilled) {
    put_spilled(w, p->fixed[r.n]);
    qn__buf_c(&w->text, w->numbers ? "{1to4}" : "{1to16}");
  } else {
    put_reg(w, qn__ll_lane_first_fixed(w) + w->fixed[p->fixed[r.n]].operand, halves);
  }
}

static void put_ref(writer *w, const part *p, qn_ll_lane_ref r, uint32_t v) {
  put_operand(w, p, r, v, false);
}

static void put_memory(writer *w, const qn_ll_place *of, uint32_t vector) {
  uint32_t i = 0, bytes = qn__ll_mem_bits(of->mem) / 8;
  if (w->measures) return;
  while (w->places[i] != of) i++;
  if (of->access == QN_ACCESS_NONE)
    qn__buf_fmt(&w->text, w->loop ? "(%%%s)" : "(%s)", qn__ll_lane_bases[i]);
  else if (w->loop)
    qn__buf_fmt(&w->text, "%u(%%%s,%%rsi,%u)", vector * 16 * bytes, qn__ll_lane_bases[i], bytes);
  else
    qn__buf_fmt(&w->text, "%u($%u,$%u,%u)", vector * 16 * bytes, first_place(w) + i, first_place(w) + w->num_places,
                bytes);
}

/* What a pair under masks reads and writes in memory, adds up and compares; masks that come of that stand for fewer. */
static void put_rest_mask(writer *w, uint32_t v, bool zeros) {
  if (w->rest && !w->measures) qn__buf_fmt(&w->text, " {%%k%u}%s", QN_LANE_REST_MASK + v, zeros ? " {z}" : "");
}

static void put_mask(writer *w, const part *p, const qn_ll_lane_op *op, uint32_t v) {
  if (!op->mask || w->measures) return;
  qn__buf_fmt(&w->text, " {%%k%u}%s", 1 + p->first_mask + PAIR * (op->mask - 1u) + v, op->zeros ? " {z}" : "");
}

/* ---- scratch registers ---- */

static void give_back(writer *w, part *p, qn_ll_lane_ref r, uint32_t v, uint32_t k) {
  if (r.kind != QN_LANE_TEMP || p->last[r.n] != k || p->at[v][r.n] == UNKNOWN) return;
  w->free |= 1u << p->at[v][r.n];
}

static void take(writer *w, part *p, qn_ll_lane_ref r, uint32_t v) {
  uint32_t i = 0, used = 0;
  if (r.kind != QN_LANE_TEMP || p->at[v][r.n] != UNKNOWN) return;
  while (i < 31 && !(w->free >> i & 1)) i++;
  p->at[v][r.n] = (uint8_t)i;
  w->free &= ~(1u << i);
  for (i = 0; i < 32; i++) used += !(w->free >> i & 1);
  if (used > w->most) w->most = used;
}

/* ---- instructions ---- */

static bool is_temp(qn_ll_lane_ref r, uint32_t n) {
  return r.kind == QN_LANE_TEMP && r.n == n;
}

/* A load whose vector is nothing but the last operand of the instruction behind it is that operand. */
static bool is_operand(const writer *w, const part *p, uint32_t k) {
  const qn_ll_lane_op *load = &p->l->ops[k], *next = load + 1;
  if (w->rest || load->form != QN_LANE_LOAD || qn__ll_mem_bits(load->place->mem) != 32) return false;
  if (k + 1 == p->l->num_ops || p->last[load->dst.n] != k + 1) return false;
  if (next->form == QN_LANE_UNARY) return !next->of_halves && !next->to_halves && is_temp(next->a, load->dst.n);
  if (next->form != QN_LANE_BINARY && next->form != QN_LANE_FMA_213 && next->form != QN_LANE_FMA_231) return false;
  bool changed = next->form != QN_LANE_BINARY && is_temp(next->dst, load->dst.n);
  return is_temp(next->b, load->dst.n) && !is_temp(next->a, load->dst.n) && !changed;
}

static void put_loaded(writer *w, const qn_ll_lane_op *load, uint32_t vector) {
  put_memory(w, load->place, vector);
  if (load->place->access == QN_ACCESS_NONE) put_text(w, "{1to16}");
}

static void put_sources(writer *w, part *p, uint32_t k, uint32_t v, uint32_t vector) {
  const qn_ll_lane_op *op = &p->l->ops[k];
  bool loads = k && is_operand(w, p, k - 1), both = op->b.kind != QN_LANE_NONE;
  if (loads)
    put_loaded(w, op - 1, vector);
  else if (both)
    put_ref(w, p, op->b, v);
  if (both) put_text(w, ", ");
  if (both || !loads) put_operand(w, p, op->a, v, op->of_halves);
}

/* Bits are collected. */
static void put_masked(writer *w, const part *p, const qn_ll_lane_op *op, uint32_t v) {
  if (w->measures) return;
  qn__buf_c(&w->text, "vpord ");
  put_ref(w, p, op->a, v), put_text(w, ", ");
  put_ref(w, p, op->dst, 0), put_text(w, ", ");
  put_ref(w, p, op->dst, 0), put_rest_mask(w, v, false), put_text(w, "\n");
}

/* Once, with the second vector. */
static void put_both(writer *w, const part *p, const qn_ll_lane_op *op, uint32_t v) {
  if (w->rest) put_masked(w, p, op, v);
  if (!v || w->measures || w->rest) return;
  qn__buf_fmt(&w->text, "%s $$%u, ", op->name, (unsigned)op->imm);
  put_ref(w, p, op->a, 1), put_text(w, ", ");
  put_ref(w, p, op->a, 0), put_text(w, ", ");
  put_ref(w, p, op->dst, 0), put_text(w, "\n");
}

static void put_three(writer *w, const part *p, const char *name, qn_ll_lane_ref b, qn_ll_lane_ref a,
                      qn_ll_lane_ref dst, uint32_t v) {
  put_text(w, name), put_text(w, " ");
  put_ref(w, p, b, v), put_text(w, ", "), put_ref(w, p, a, v), put_text(w, ", "), put_ref(w, p, dst, v);
  put_text(w, "\n");
}

/* Once, with the last vector of the pair. */
static void put_pack(writer *w, part *p, uint32_t k, uint32_t v, uint32_t vector) {
  const qn_ll_lane_op *op = &p->l->ops[k];
  if (!v && !w->single) return;
  take(w, p, op->dst, v);
  w->halved |= 1u << p->at[v][op->dst.n];
  put_text(w, "vpackssdw "), put_ref(w, p, op->a, v), put_text(w, ", "), put_ref(w, p, op->a, 0);
  put_text(w, ", "), put_ref(w, p, op->dst, v), put_text(w, "\n");
  if (op->c.kind != QN_LANE_NONE) put_three(w, p, "vpaddsw", op->c, op->dst, op->dst, v);
  put_three(w, p, op->name, op->dst, op->dst, op->dst, v);
  put_three(w, p, "vpermd", op->dst, op->b, op->dst, v);
  put_text(w, w->rest ? "vmovdqu8 " : "vmovdqu64 ");
  put_operand(w, p, op->dst, v, true), put_text(w, ", "), put_memory(w, op->place, vector - v);
  if (w->rest && !w->measures) qn__buf_fmt(&w->text, " {%%k%u}", QN_LANE_BYTES_MASK);
  put_text(w, "\n");
  for (uint32_t i = 0; i <= v; i++) give_back(w, p, op->a, i, k);
  give_back(w, p, op->dst, v, k);
}

/* A sink's place tells its register by where it is in the sinks. */
static void put_number(writer *w, const part *p, const qn_ll_lane_op *op) {
  uint32_t k = 0;
  if (w->measures) return;
  while (p->s->sinks[k].to != op->place) k++;
  qn__buf_c(&w->text, "vmovss ");
  put_ref(w, p, op->a, 0);
  qn__buf_fmt(&w->text, ", %u(%%r13)\n", w->known_at(w->user, &(qn_ll_lane_fixed){.reg = p->s->sinks[k].reg}));
}

/* Half of a vector's f64. Under a mask the upper ones' bits come first for a moment, and then from where those of both
 * vectors are. */
static void put_doubles(writer *w, const part *p, const qn_ll_lane_op *op, uint32_t v, uint32_t vector, bool upper) {
  uint32_t i = 0, mask = QN_LANE_REST_MASK + v;
  if (w->measures) return;
  while (w->places[i] != op->place) i++;
  if (w->rest && upper) qn__buf_fmt(&w->text, "kshiftrw $$8, %%k%u, %%k%u\n", mask, mask);
  qn__buf_fmt(&w->text, "%s %u(%%%s,%%rsi,8), ", op->name, vector * 128 + upper * 64, qn__ll_lane_bases[i]);
  put_operand(w, p, upper ? op->a : op->dst, v, true), put_rest_mask(w, v, true), put_text(w, "\n");
  if (w->rest && upper) qn__buf_fmt(&w->text, "kshiftrd $$%u, %%k%u, %%k%u\n", v * 16, QN_LANE_BYTES_MASK, mask);
}

static void put_both_halves(writer *w, part *p, uint32_t k, uint32_t v, uint32_t vector) {
  const qn_ll_lane_op *op = &p->l->ops[k];
  take(w, p, op->dst, v), take(w, p, op->a, v);
  put_doubles(w, p, op, v, vector, false);
  put_doubles(w, p, op, v, vector, true);
  put_text(w, "vinsertf64x4 $$1, ");
  put_operand(w, p, op->a, v, true), put_text(w, ", ");
  put_ref(w, p, op->dst, v), put_text(w, ", "), put_ref(w, p, op->dst, v), put_text(w, "\n");
  give_back(w, p, op->a, v, k);
}

static void put_op(writer *w, part *p, uint32_t k, uint32_t v, uint32_t vector) {
  const qn_ll_lane_op *op = &p->l->ops[k];
  if (op->form == QN_LANE_STORE && w->numbers) {
    put_number(w, p, op);
    give_back(w, p, op->a, v, k);
    return;
  }
  if (op->form == QN_LANE_PAIR) {
    put_both(w, p, op, v);
    return;
  }
  if (op->form == QN_LANE_PACK || op->form == QN_LANE_DOUBLES) {
    (op->form == QN_LANE_PACK ? put_pack : put_both_halves)(w, p, k, v, vector);
    return;
  }
  bool copied = op->form == QN_LANE_MOVE && op->a.kind == QN_LANE_FIXED && w->fixed[p->fixed[op->a.n]].spilled;
  if (is_operand(w, p, k)) return;
  put_text(w, copied ? "vbroadcastss " : op->name);
  put_text(w, " ");
  if (op->imm >= 0 && !w->measures) qn__buf_fmt(&w->text, "$$%u, ", (unsigned)op->imm);
  if (op->form == QN_LANE_LOAD)
    put_memory(w, op->place, vector);
  else if (copied && !w->measures)
    put_spilled(w, p->fixed[op->a.n]);
  else
    put_sources(w, p, k, v, vector);
  give_back(w, p, op->a, v, k), give_back(w, p, op->b, v, k); /* the result may go where an operand was */
  put_text(w, ", ");
  if (op->form == QN_LANE_STORE) {
    put_memory(w, op->place, vector);
    put_rest_mask(w, v, false);
  } else if (op->form == QN_LANE_COMPARE) {
    if (!w->measures) qn__buf_fmt(&w->text, "%%k%u", 1u + p->first_mask + PAIR * op->dst.n + v);
    put_rest_mask(w, v, false);
  } else {
    take(w, p, op->dst, v);
    if (op->to_halves) w->halved |= 1u << p->at[v][op->dst.n];
    put_operand(w, p, op->dst, v, op->to_halves);
    put_mask(w, p, op, v);
    if (op->form == QN_LANE_LOAD || (op->dst.kind == QN_LANE_SUM && !op->mask))
      put_rest_mask(w, v, op->form == QN_LANE_LOAD);
    give_back(w, p, op->dst, v, k);
  }
  put_text(w, "\n");
}

/* The part that is least far on. */
static uint32_t next_part(const writer *w, const uint32_t *done) {
  uint32_t best = UINT32_MAX;
  for (uint32_t i = 0; i < w->num_parts; i++) {
    uint32_t n = w->parts[i].l->num_ops;
    if (done[i] == n) continue;
    if (best == UINT32_MAX || (2 * done[i] + 1) * w->parts[best].l->num_ops < (2 * done[best] + 1) * n) best = i;
  }
  return best;
}

void qn__ll_lane_pair(writer *w, uint32_t pair) {
  uint32_t done[QN_LL_LANES_PARTS] = {0};
  w->free = UINT32_MAX;
  for (uint32_t i = 0; i < w->num_parts; i++)
    for (uint32_t v = 0; v < PAIR; v++)
      for (uint32_t t = 0; t < w->parts[i].l->num_temps; t++) w->parts[i].at[v][t] = UNKNOWN;
  for (uint32_t i = next_part(w, done); i != UINT32_MAX; i = next_part(w, done)) {
    for (uint32_t v = 0; v < (w->numbers || w->single ? 1 : PAIR); v++) put_op(w, &w->parts[i], done[i], v, pair + v);
    done[i]++;
  }
}

/* ---- the call ---- */

static void write_constraints(const writer *w, qn_buf *out) {
  uint32_t outs = w->num_sums + w->scratch;
  for (uint32_t i = 0; i < outs; i++) /* LLVM knows the names of halves of the lower 16 registers only */
    qn__buf_fmt(out, "%s=&%s", i ? "," : "", i >= w->num_sums && w->halved >> (i - w->num_sums) & 1 ? "x" : "v");
  for (uint32_t i = 0; i < w->num_sums; i++) qn__buf_fmt(out, ",%u", i);
  for (uint32_t i = 0; i < num_in_registers(w); i++) qn__buf_c(out, ",v");
  for (uint32_t i = 0; i < w->num_places + 1 + (w->num_spilled != 0); i++) qn__buf_c(out, ",r");
  for (uint32_t i = 0; i < w->num_masks; i++) qn__buf_fmt(out, ",~{k%u}", 1 + i);
  qn__buf_c(out, ",~{memory}");
}

static LLVMValueRef quarters(qn_ll *g) {
  LLVMValueRef all[16];
  for (uint32_t i = 0; i < 16; i++) all[i] = qn__ll_i32(g, i % 4 * 4 + i / 4);
  return LLVMConstVector(all, 16);
}

static LLVMValueRef fixed_value(const writer *w, uint32_t f) {
  const qn_ll_region *r = w->fixed[f].of->s->region;
  const qn_ll_lane_fixed *x = w->fixed[f].value;
  LLVMValueRef v = NULL;
  switch ((qn_ll_lane_value)x->value) {
  case QN_LANE_REGISTER: v = x->is_const ? qn__ll_bits(r->g, r->g->i32, x->bits) : r->v[x->reg]; break;
  case QN_LANE_INVERSE: v = r->divisors[x->reg].inverse; break;
  case QN_LANE_MINUS: v = r->divisors[x->reg].minus; break;
  case QN_LANE_REST: v = r->divisors[x->reg].rest; break;
  case QN_LANE_QUARTERS: v = quarters(r->g); break;
  }
  if (LLVMGetTypeKind(LLVMTypeOf(v)) != LLVMVectorTypeKind) v = qn__ll_splat(r->g, v, 16);
  return LLVMBuildBitCast(r->g->b, v, LLVMVectorType(r->g->f32, 16), "");
}

LLVMValueRef qn__ll_lane_table(qn_ll *g, const uint32_t *bits, uint32_t count) {
  LLVMValueRef all[QN_LANE_CONSTANTS];
  for (uint32_t i = 0; i < count; i++) all[i] = qn__ll_i32(g, bits[i]);
  LLVMValueRef init = LLVMConstArray(g->i32, all, count), v = LLVMAddGlobal(g->mod, LLVMTypeOf(init), "lanes");
  LLVMSetInitializer(v, init);
  LLVMSetGlobalConstant(v, true);
  LLVMSetLinkage(v, LLVMPrivateLinkage);
  LLVMSetUnnamedAddress(v, LLVMGlobalUnnamedAddr);
  return v;
}

static LLVMValueRef spilled_values(const writer *w) {
  uint32_t bits[MOST_FIXED];
  for (uint32_t f = 0; f < w->num_fixed; f++)
    if (w->fixed[f].spilled) bits[w->fixed[f].spilled - 1] = w->fixed[f].value->bits;
  return qn__ll_lane_table(w->g, bits, w->num_spilled);
}

enum { MOST_OPERANDS = 2 * REGISTERS + MOST_PLACES + 2 };

static void build_call(const writer *w, LLVMValueRef index, qn_str text, qn_str constraints) {
  qn_ll *g = w->g;
  LLVMTypeRef results[MOST_OPERANDS], types[MOST_OPERANDS], vector = LLVMVectorType(g->f32, 16);
  LLVMValueRef args[MOST_OPERANDS];
  uint32_t n = 0, outs = w->num_sums + w->scratch;
  for (uint32_t i = 0; i < outs; i++) results[i] = vector;
  for (uint32_t i = 0; i < w->num_parts; i++)
    for (uint32_t k = 0; k < w->parts[i].l->num_sums; k++) args[n++] = w->parts[i].s->queue[k];
  for (uint32_t f = 0; f < w->num_fixed; f++)
    if (!w->fixed[f].spilled) args[n++] = fixed_value(w, f);
  for (uint32_t i = 0; i < w->num_places; i++) args[n++] = w->places[i]->base;
  args[n++] = index;
  if (w->num_spilled) args[n++] = spilled_values(w);
  for (uint32_t i = 0; i < n; i++) types[i] = LLVMTypeOf(args[i]);
  LLVMTypeRef out = outs > 1 ? LLVMStructTypeInContext(g->ctx, results, outs, false) : vector;
  LLVMTypeRef type = LLVMFunctionType(out, types, n, false);
  LLVMValueRef code =
      LLVMGetInlineAsm(type, (char *)(uintptr_t)text.data, text.size, (char *)(uintptr_t)constraints.data,
                       constraints.size, true, false, LLVMInlineAsmDialectATT, false);
  LLVMValueRef result = LLVMBuildCall2(g->b, type, code, args, n, "");
  for (uint32_t i = 0, s = 0; i < w->num_parts; i++)
    for (uint32_t k = 0; k < w->parts[i].l->num_sums; k++, s++)
      w->parts[i].s->queue[k] = outs > 1 ? LLVMBuildExtractValue(g->b, result, s, "") : result;
}

static bool prepare_part(writer *w, part *p, const qn_ll_lanes *s) {
  qn_ll *g = w->g;
  *p = (part){.s = s, .l = qn__ll_lane_list(s), .first_sum = w->num_sums, .first_mask = w->num_masks};
  if (!p->l) return false;
  p->last = qn__arena_array(g->arena, p->l->num_temps + 1u, sizeof *p->last);
  for (uint32_t v = 0; v < PAIR; v++) p->at[v] = qn__arena_array(g->arena, p->l->num_temps + 1u, 1);
  if (!p->last || !p->at[0] || !p->at[1]) {
    g->failed = g->out_of_memory = true;
    return false;
  }
  w->num_sums += p->l->num_sums, w->num_masks += PAIR * p->l->num_masks;
  find_last_uses(p);
  find_fixed(w, p);
  return find_places(w, p) && w->num_masks <= MASKS;
}

bool qn__ll_lane_prepare(writer *w, const qn_ll_lanes *parts, uint32_t count, qn_ll_lane_use use) {
  bool loop = use != QN_LANE_IN_CODE;
  *w = (writer){.g = parts[0].region->g, .num_parts = count, .measures = true, .loop = loop};
  for (uint32_t i = 0; i < count; i++)
    if (!prepare_part(w, &w->parts[i], &parts[i])) return false;
  for (uint32_t i = 0; i < (use == QN_LANE_PAIRS_AND_REST ? 2 : 1); i++) {
    w->rest = i == 1;
    qn__ll_lane_pair(w, 0);
  }
  w->scratch = w->most;
  w->measures = w->rest = false;
  return share_registers(w) && (!loop || w->num_masks < QN_LANE_REST_MASK);
}

bool qn__ll_lane_prepare_numbers(writer *w, const qn_ll_lanes *of) {
  if (!qn__ll_lane_prepare(w, of, 1, QN_LANE_PAIRS_AND_REST)) return false;
  w->numbers = true;
  return true;
}

bool qn__ll_lanes_serve(const qn_ll_lanes *parts, uint32_t count) {
  writer w;
  return qn__ll_lane_prepare(&w, parts, count, QN_LANE_IN_CODE);
}

void qn__ll_lanes_write(const qn_ll_lanes *parts, uint32_t count, uint32_t vectors, LLVMValueRef index) {
  writer w;
  qn_buf constraints;
  qn_ll *g = parts[0].region->g;
  if (!qn__ll_lane_prepare(&w, parts, count, QN_LANE_IN_CODE)) {
    g->failed = true;
    return;
  }
  qn__buf_init(&w.text, g->arena->allocator);
  qn__buf_init(&constraints, g->arena->allocator);
  for (uint32_t pair = 0; pair < vectors; pair += PAIR) qn__ll_lane_pair(&w, pair);
  write_constraints(&w, &constraints);
  if (w.text.failed || constraints.failed)
    g->failed = g->out_of_memory = true;
  else
    build_call(&w, index, qn__buf_view(&w.text), qn__buf_view(&constraints));
  qn__buf_free(&w.text);
  qn__buf_free(&constraints);
}
