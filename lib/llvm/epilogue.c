/* GEMM epilogues: the region over a tile of sums. Along columns it runs in vectors, several of them side by side; what
 * depends on the column only is computed once for all rows of the tile, what depends on nothing once per tile. */
#include "epilogue_text.h"
#include "narrow.h"

enum { MAX_GROUP = 4, LONG_TAPE = 40 };

typedef struct epilogue {
  qn_ll *g;
  const qn_gemm_plan *plan;
  qn_tape tape;        /* the plan's, but for what sums start from */
  qn_tape packed_tape; /* the same as it is for packed stores */
  qn_ll_narrow narrow;
  uint32_t group; /* vectors taken side by side while there are that many */
  bool packs;     /* a group's bytes are stored by packing */
  bool whole;     /* groups leave no columns over, unless they cannot be packed */
  bool few;       /* less than a vector of columns */
  bool brief;     /* long tapes are written for one vector at a time: four take LLVM twice as long */
  bool listed;    /* rows are where a list has them, whose address stands for the first one */
  qn_ll_region region[MAX_GROUP], single;
  LLVMValueRef sums, row, rows, first_column, row_bytes; /* row_bytes: of the buffer of sums */
  LLVMValueRef y, y_stride;
  LLVMValueRef *extra, *row_stride;
  qn_ll_place *places; /* of the region's inputs */
  const qn_ll_meanwhile *other;
  LLVMValueRef memory; /* of what is done meanwhile */
} epilogue;

/* ---- start values ---- */

static bool is_input(const qn_tape *t, uint32_t reg, uint32_t input) {
  return t->insts[reg].op == QN_T_INPUT && t->insts[reg].a == input;
}

static bool can_start(const qn_gemm_plan *p, const qn_tinst *i) {
  if (i->op != QN_T_INPUT || i->a == 0) return false;
  const qn_extra *x = &p->epilogue_extras[i->a - 1];
  return !x->by_row && (x->mem == QN_I32 || x->mem == QN_SI32 || x->mem == QN_UI32);
}

/* The only instruction that reads the sum, if an extra is all that it adds. UINT32_MAX: it is not. */
static uint32_t find_start(const qn_gemm_plan *p, bool *minus, uint32_t *extra) {
  const qn_tape *t = &p->epilogue;
  uint32_t found = UINT32_MAX, readers = 0;
  for (uint32_t i = 0; i < t->num_insts; i++) {
    uint32_t args[3] = {0}, n = qn__ll_args(&t->insts[i], args);
    for (uint32_t k = 0; k < n; k++) {
      if (!is_input(t, args[k], 0)) continue;
      readers++;
      const qn_tinst *other = &t->insts[args[1 - (k & 1)]];
      bool adds = t->insts[i].op == QN_T_IADD || (t->insts[i].op == QN_T_ISUB && k == 0);
      if (!adds || !can_start(p, other)) continue;
      found = i, *minus = t->insts[i].op == QN_T_ISUB, *extra = other->a - 1;
    }
  }
  for (uint32_t i = 0; i < t->num_outputs; i++) readers += is_input(t, t->outputs[i], 0);
  return readers == 1 && (p->acc == QN_I32 || p->acc == QN_SI32) ? found : UINT32_MAX;
}

/* The tape with that instruction's register standing for the sum itself. */
static bool take_start(epilogue *e, uint32_t *start, bool *minus) {
  e->tape = e->plan->epilogue;
  if (!start) return true;
  uint32_t n = e->tape.num_insts, at = find_start(e->plan, minus, start);
  if (at == UINT32_MAX) {
    *start = UINT32_MAX;
    return true;
  }
  qn_tinst *insts = qn__arena_array(e->g->arena, n, sizeof *insts);
  if (!insts) return false;
  for (uint32_t i = 0; i < n; i++) insts[i] = e->tape.insts[i];
  uint8_t type = insts[at].type;
  insts[at] = (qn_tinst){.op = QN_T_INPUT, .type = type, .a = 0};
  e->tape.insts = insts;
  return true;
}

/* ---- groups of vectors ---- */

static uint32_t group_of(const qn_ll *g, const qn_gemm_plan *p) {
  uint32_t n = p->layout.panel_width / g->lanes, most = g->isa->num_registers >= 32 ? MAX_GROUP : 1;
  return n > most ? most : n;
}

static bool take_group(epilogue *e) {
  qn_ll *g = e->g;
  uint32_t n = e->tape.num_insts;
  e->group = e->few || (e->brief && n > LONG_TAPE) ? 1 : group_of(g, e->plan);
  e->packed_tape = e->tape;
  e->packs = e->group > 1 && qn__ll_narrow_find(g, &e->tape, e->plan->y_mem, &e->narrow);
  if (!e->packs) return true;
  /* What comes after the register that is packed is left to the packs, and not computed for nothing. */
  uint32_t *outputs = qn__arena_array(g->arena, 1, sizeof *outputs);
  if (!outputs) return false;
  outputs[0] = e->narrow.reg;
  e->packed_tape.outputs = outputs, e->packed_tape.num_outputs = 1;
  if (!e->narrow.scaled) return true;
  qn_tinst *insts = qn__arena_array(g->arena, n, sizeof *insts);
  if (!insts) return false;
  for (uint32_t i = 0; i < n; i++) insts[i] = e->tape.insts[i];
  insts[e->narrow.convert].a = e->narrow.convert_from;
  e->packed_tape.insts = insts;
  return true;
}

/* ---- the region over a group of vectors ---- */

static void place_extras(epilogue *e) {
  for (uint32_t i = 0; i < e->plan->num_epilogue_extras; i++) {
    const qn_extra *x = &e->plan->epilogue_extras[i];
    e->places[1 + i] = (qn_ll_place){x->mem, x->by_col ? QN_ACCESS_DENSE : QN_ACCESS_NONE, e->extra[i], NULL};
  }
}

uint8_t *qn__ll_epilogue_extras(qn_ll *g, const qn_gemm_plan *plan, LLVMValueRef **base, LLVMValueRef **stride) {
  uint32_t extras = plan->num_epilogue_extras;
  uint8_t *vary = qn__arena_array(g->arena, 1 + extras, 1);
  *base = qn__ll_values(g, extras);
  *stride = qn__ll_values(g, extras);
  if (!vary || !*base || !*stride) return NULL;
  vary[0] = QN_LL_BY_LANE | QN_LL_BY_ROW;
  for (uint32_t i = 0; i < extras; i++) {
    const qn_extra *x = &plan->epilogue_extras[i];
    vary[1 + i] = (uint8_t)((x->by_col ? QN_LL_BY_LANE : 0) | (x->by_row ? QN_LL_BY_ROW : 0));
    (*base)[i] = qn__ll_arg_ptr(g, 3 + i);
    if (x->by_row) (*stride)[i] = qn__ll_arg_stride(g, 3 + i);
  }
  return vary;
}

/* Reads the arguments and computes what is the same for the whole tile. */
static bool prepare(epilogue *e) {
  qn_ll *g = e->g;
  e->places = qn__arena_array(g->arena, 1 + e->plan->num_epilogue_extras, sizeof *e->places);
  uint8_t *vary = qn__ll_epilogue_extras(g, e->plan, &e->extra, &e->row_stride);
  if (!vary || !e->places) return false;
  for (uint32_t v = 0; v < MAX_GROUP; v++)
    if (!qn__ll_region_init(&e->region[v], g, &e->packed_tape, vary)) return false;
  if (!qn__ll_region_init(&e->single, g, &e->tape, vary)) return false;
  /* A multiplier per row is not looked at beforehand. */
  if (e->packs && e->narrow.scaled && (e->single.vary[e->narrow.multiplier] & QN_LL_BY_ROW)) e->group = 1;
  e->y = qn__ll_arg_ptr(g, 2);
  e->y_stride = qn__ll_arg_stride(g, 1);
  place_extras(e);
  qn_ll_region *both[2] = {&e->region[0], &e->single};
  for (int i = 0; i < 2; i++) {
    qn__ll_region_load(both[i], 0, e->places, qn__ll_i64(g, 0), 1, NULL);
    qn__ll_region_emit(both[i], 0, 0, 0, 1);
  }
  return true;
}

/* What does not vary by lane is computed in the first region only. */
static void share(qn_ll_region *r, uint8_t vary, uint32_t group) {
  for (uint32_t v = 1; v < group; v++)
    for (uint32_t i = 0; i < r[0].tape->num_insts; i++)
      if (r[0].vary[i] == vary) r[v].v[i] = r[0].v[i];
}

static LLVMValueRef column_of(epilogue *e, LLVMValueRef column, uint32_t v, uint32_t lanes) {
  return v ? qn__ll_add(e->g, column, qn__ll_i64(e->g, (int64_t)v * lanes)) : column;
}

/* ---- rows ---- */

/* What moves from row to row: the sums and the results at the group's first column, and extras by row. */
typedef struct row_walk {
  LLVMValueRef *at[QN_LL_MAX_CARRIED], by[QN_LL_MAX_CARRIED];
  uint32_t count;
  LLVMValueRef sums, y;
  LLVMValueRef list, first_y; /* where rows are listed: the next one's place, and where Y begins */
} row_walk;

static void walk(row_walk *w, LLVMValueRef *at, LLVMValueRef by) {
  w->at[w->count] = at;
  w->by[w->count++] = by;
}

static void begin_rows(epilogue *e, row_walk *w, LLVMValueRef column) {
  qn_ll *g = e->g;
  int64_t acc = qn__ll_mem_bits(e->plan->acc) / 8, y = qn__ll_mem_bits(e->plan->y_mem) / 8;
  LLVMValueRef along = qn__ll_sub(g, column, e->first_column), row;
  w->count = 0;
  w->sums = qn__ll_gep(g, e->sums, qn__ll_mul(g, along, qn__ll_i64(g, acc)));
  row = e->listed ? e->y : qn__ll_gep(g, e->y, qn__ll_mul(g, e->row, e->y_stride));
  w->y = w->first_y = qn__ll_gep(g, row, y == 1 ? column : qn__ll_mul(g, column, qn__ll_i64(g, y)));
  walk(w, &w->sums, e->row_bytes);
  if (e->listed) {
    w->list = LLVMBuildIntToPtr(g->b, e->row, g->ptr, "");
    walk(w, &w->list, qn__ll_i64(g, 8));
    return;
  }
  walk(w, &w->y, e->y_stride);
  for (uint32_t i = 0; i < e->plan->num_epilogue_extras; i++) {
    qn_ll_place *p = &e->places[1 + i];
    if (!e->plan->epilogue_extras[i].by_row) continue;
    p->base = qn__ll_gep(g, p->base, qn__ll_mul(g, e->row, e->row_stride[i]));
    if (w->count == QN_LL_MAX_CARRIED) {
      e->g->failed = true; /* tapes have fewer inputs */
      return;
    }
    walk(w, &p->base, e->row_stride[i]);
  }
}

/* Y and extras by row at the next row of the list. */
static void find_row(epilogue *e, row_walk *w) {
  qn_ll *g = e->g;
  LLVMValueRef row = LLVMBuildLoad2(g->b, g->i64, w->list, "");
  w->y = qn__ll_gep(g, w->first_y, qn__ll_mul(g, row, e->y_stride));
  for (uint32_t i = 0; i < e->plan->num_epilogue_extras; i++)
    if (e->plan->epilogue_extras[i].by_row)
      e->places[1 + i].base = qn__ll_gep(g, e->extra[i], qn__ll_mul(g, row, e->row_stride[i]));
}

static void store_row(epilogue *e, qn_ll_region *regions, LLVMValueRef at, uint32_t group, uint32_t lanes,
                      LLVMValueRef mask) {
  if (group > 1 && e->packs) {
    qn__ll_narrow_store(regions, group, &e->narrow, at);
    return;
  }
  qn_ll_place to = {e->plan->y_mem, QN_ACCESS_DENSE, at, NULL};
  for (uint32_t v = 0; v < group; v++)
    qn__ll_region_store(&regions[v], 0, &to, qn__ll_i64(e->g, (int64_t)v * lanes), lanes, mask);
}

static void one_row(epilogue *e, qn_ll_region *regions, const row_walk *w, LLVMValueRef column, uint32_t group,
                    uint32_t lanes, LLVMValueRef mask) {
  qn_ll *g = e->g;
  qn_ll_place from = {e->plan->acc, QN_ACCESS_DENSE, w->sums, NULL};
  qn__ll_region_load(&regions[0], QN_LL_BY_ROW, e->places, column, 1, NULL);
  qn__ll_region_emit(&regions[0], QN_LL_BY_ROW, 0, 0, 1);
  share(regions, QN_LL_BY_ROW, group);
  for (uint32_t v = 0; v < group; v++) {
    LLVMValueRef next = qn__ll_i64(g, (int64_t)v * lanes);
    LLVMValueRef sum = qn__ll_load(g, &from, next, lanes, NULL);
    qn__ll_region_load(&regions[v], QN_LL_BY_ROW | QN_LL_BY_LANE, e->places, column_of(e, column, v, lanes), lanes,
                       mask);
    qn__ll_region_set_input(&regions[v], 0, sum);
    qn__ll_region_emit(&regions[v], QN_LL_BY_ROW | QN_LL_BY_LANE, 0, 0, lanes);
  }
  store_row(e, regions, w->y, group, lanes, mask);
}

/* What is done meanwhile: in memory the steps that are left and two pointers; while rows are walked, how many rows have
 * their share of steps to come, times those. */
enum { LEFT = 0, POINTERS = 8, OTHER_CARRIED = 3 };
typedef struct other_work {
  LLVMValueRef steps, carried[OTHER_CARRIED]; /* pointers, what is due */
} other_work;

static void begin_other(epilogue *e, other_work *o) {
  qn_ll *g = e->g;
  o->steps = LLVMBuildLoad2(g->b, g->i64, e->memory, "");
  for (uint32_t i = 0; i < 2; i++)
    o->carried[i] = LLVMBuildLoad2(g->b, g->ptr, qn__ll_gep_const(g, e->memory, POINTERS + 8 * i), "");
  o->carried[2] = qn__ll_i64(g, 0);
}

/* Of `rows` rows one is done: floor(due / rows) steps more. */
static void some_other(epilogue *e, other_work *o, LLVMValueRef rows) {
  qn_ll *g = e->g;
  qn_ll_for f;
  o->carried[2] = qn__ll_add(g, o->carried[2], o->steps);
  qn__ll_for_begin(g, &f, rows, qn__ll_add(g, o->carried[2], qn__ll_i64(g, 1)), 1, OTHER_CARRIED, o->carried);
  f.step = rows;
  e->other->each(e->other->user, o->carried);
  o->carried[2] = LLVMBuildSub(g->b, o->carried[2], rows, "");
  qn__ll_for_end(g, &f, o->carried);
}

static void end_other(epilogue *e, other_work *o, LLVMValueRef rows) {
  qn_ll *g = e->g;
  LLVMValueRef zero = qn__ll_i64(g, 0), some = LLVMBuildICmp(g->b, LLVMIntSGT, rows, zero, "");
  LLVMBuildStore(g->b, LLVMBuildSelect(g->b, some, zero, o->steps, ""), e->memory);
  for (uint32_t i = 0; i < 2; i++)
    LLVMBuildStore(g->b, o->carried[i], qn__ll_gep_const(g, e->memory, POINTERS + 8 * i));
}

static void rows_loop(epilogue *e, qn_ll_region *regions, LLVMValueRef rows, LLVMValueRef column, uint32_t group,
                      uint32_t lanes, LLVMValueRef mask) {
  qn_ll *g = e->g;
  bool both = e->other && group > 1;
  row_walk w;
  other_work o;
  LLVMValueRef carried[QN_LL_MAX_CARRIED];
  qn_ll_for f;
  begin_rows(e, &w, column);
  if (both && w.count + OTHER_CARRIED > QN_LL_MAX_CARRIED) both = false;
  if (both) begin_other(e, &o);
  uint32_t all = w.count + (both ? OTHER_CARRIED : 0u);
  for (uint32_t i = 0; i < w.count; i++) carried[i] = *w.at[i];
  for (uint32_t i = w.count; i < all; i++) carried[i] = o.carried[i - w.count];
  qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), rows, 1, all, carried);
  for (uint32_t i = 0; i < w.count; i++) *w.at[i] = carried[i];
  for (uint32_t i = w.count; i < all; i++) o.carried[i - w.count] = carried[i];
  if (e->listed) find_row(e, &w);
  one_row(e, regions, &w, column, group, lanes, mask);
  if (both) some_other(e, &o, rows);
  for (uint32_t i = 0; i < w.count; i++) carried[i] = LLVMBuildFreeze(g->b, qn__ll_gep(g, *w.at[i], w.by[i]), "");
  for (uint32_t i = w.count; i < all; i++) carried[i] = o.carried[i - w.count];
  if (!both) {
    qn__ll_for_close(g, &f, carried);
    return;
  }
  qn__ll_for_end(g, &f, carried);
  for (uint32_t i = w.count; i < all; i++) o.carried[i - w.count] = carried[i];
  end_other(e, &o, rows);
}

/* Whether the multipliers of a group allow packing. */
static LLVMValueRef check_multipliers(epilogue *e) {
  LLVMValueRef m[MAX_GROUP];
  uint32_t by_lane = e->region[0].vary[e->narrow.multiplier] & QN_LL_BY_LANE, count = by_lane ? e->group : 1;
  for (uint32_t v = 0; v < count; v++)
    m[v] = qn__ll_region_get(&e->region[v], e->narrow.multiplier, by_lane ? e->g->lanes : 1);
  return qn__ll_narrow_check(e->g, count, m);
}

/* All rows of `group` vectors from a column on. With `done`, the column up to which everything is stored: where the
 * group cannot be packed, or one before it could not, no row is stored and `done` stays. */
static void columns(epilogue *e, LLVMValueRef column, uint32_t group, uint32_t lanes, LLVMValueRef mask,
                    LLVMValueRef *done) {
  qn_ll *g = e->g;
  qn_ll_region *regions = group > 1 ? e->region : &e->single;
  LLVMValueRef rows = e->rows;
  place_extras(e);
  share(regions, 0, group);
  for (uint32_t v = 0; v < group; v++)
    qn__ll_region_load(&regions[v], QN_LL_BY_LANE, e->places, column_of(e, column, v, lanes), lanes, mask);
  for (uint32_t v = 0; v < group; v++) qn__ll_region_emit(&regions[v], QN_LL_BY_LANE, 0, 0, lanes);
  if (done) {
    LLVMValueRef next = column_of(e, column, group, lanes);
    if (e->packs && e->narrow.scaled) {
      LLVMValueRef so_far = LLVMBuildICmp(g->b, LLVMIntEQ, *done, column, "");
      LLVMValueRef ok = LLVMBuildAnd(g->b, so_far, check_multipliers(e), "");
      rows = LLVMBuildSelect(g->b, ok, rows, qn__ll_i64(g, 0), "");
      next = LLVMBuildSelect(g->b, ok, next, *done, "");
    }
    *done = next;
  }
  rows_loop(e, regions, rows, column, group, lanes, mask);
}

static void one_vector(void *user, LLVMValueRef column, uint32_t lanes, LLVMValueRef mask) {
  columns(user, column, 1, lanes, mask, NULL);
}

/* One by one: whole vectors and the rest alike under a mask, so that there is one such loop. */
static void masked_columns(epilogue *e, LLVMValueRef start, LLVMValueRef end) {
  qn_ll *g = e->g;
  qn_ll_for f;
  LLVMValueRef lanes = qn__ll_i64(g, g->lanes);
  qn__ll_for_begin(g, &f, start, end, g->lanes, 0, NULL);
  LLVMValueRef mask = qn__ll_mask(g, qn__ll_min(g, qn__ll_sub(g, end, f.i), lanes));
  columns(e, f.i, 1, g->lanes, mask, NULL);
  qn__ll_for_end(g, &f, NULL);
}

static void single_columns(epilogue *e, LLVMValueRef next, LLVMValueRef end) {
  if (e->g->masked)
    masked_columns(e, next, end);
  else
    qn__ll_span(e->g, next, end, one_vector, e);
}

static void call_rest(epilogue *e, LLVMValueRef next, LLVMValueRef end);

static void all_columns(epilogue *e, LLVMValueRef end) {
  qn_ll *g = e->g;
  uint32_t group = e->group;
  LLVMValueRef next = e->first_column;
  if (group > 1) {
    int64_t step = (int64_t)group * g->lanes;
    qn_ll_for f;
    LLVMValueRef last = qn__ll_sub(g, end, qn__ll_i64(g, step - 1));
    qn__ll_for_begin(g, &f, next, last, step, 1, &next);
    columns(e, f.i, group, g->lanes, NULL, &next);
    qn__ll_for_end(g, &f, &next);
  }
  if (!e->whole || group < 2 || e->plan->layout.panel_width / g->lanes % group)
    single_columns(e, next, end);
  else if (e->packs && e->narrow.scaled)
    call_rest(e, next, end);
}

/* ---- the function ---- */

static LLVMTypeRef signature(qn_ll *g) {
  LLVMTypeRef params[6] = {g->ptr, g->ptr, g->i64, g->i64, g->i64, g->i64};
  return LLVMFunctionType(g->void_t, params, 6, false);
}

static LLVMTypeRef meanwhile_signature(qn_ll *g) {
  LLVMTypeRef params[7] = {g->ptr, g->ptr, g->i64, g->i64, g->i64, g->i64, g->ptr};
  return LLVMFunctionType(g->void_t, params, 7, false);
}

/* Begins a function of the epilogue, whose first arguments are those of signature(). */
static void begin_function(epilogue *e, qn_ll_inner *f, const char *name, LLVMTypeRef type) {
  qn_ll *g = e->g;
  qn__ll_inner_begin(g, f, name, type);
  g->args = LLVMGetParam(f->fn, 0);
  e->sums = LLVMGetParam(f->fn, 1);
  e->row = LLVMGetParam(f->fn, 2);
  e->rows = LLVMGetParam(f->fn, 3);
  e->first_column = LLVMGetParam(f->fn, 4);
  e->row_bytes = qn__ll_mul(g, LLVMGetParam(f->fn, 5), qn__ll_i64(g, qn__ll_mem_bits(e->plan->acc) / 8));
}

/* Columns from `next` on, which hardly ever are there, by a function of its own: to be compiled fast. */
static void call_rest(epilogue *e, LLVMValueRef next, LLVMValueRef end) {
  qn_ll *g = e->g;
  epilogue r = *e;
  qn_ll_inner f;
  LLVMTypeRef params[8] = {g->ptr, g->ptr, g->i64, g->i64, g->i64, g->i64, g->i64, g->i64};
  LLVMTypeRef type = LLVMFunctionType(g->void_t, params, 8, false);
  r.other = NULL;
  begin_function(&r, &f, "rest", type);
  qn__ll_function_quickly(g, f.fn);
  if (prepare(&r))
    single_columns(&r, LLVMGetParam(f.fn, 6), LLVMGetParam(f.fn, 7));
  else
    g->failed = g->out_of_memory = true;
  qn__ll_inner_end(g, &f);
  qn_ll_if some;
  qn__ll_if_begin(g, &some, LLVMBuildICmp(g->b, LLVMIntSLT, next, end, ""));
  LLVMValueRef args[8], self = g->fn;
  for (uint32_t i = 0; i < 6; i++) args[i] = LLVMGetParam(self, i);
  args[6] = next, args[7] = end;
  LLVMBuildCall2(g->b, type, f.fn, args, 8, "");
  qn__ll_if_end(g, &some);
}

static const qn_tape *shorter_tape(epilogue *e) {
  bool *shared = qn__arena_array(e->g->arena, e->tape.num_inputs, sizeof *shared);
  if (!shared) return NULL;
  for (uint32_t i = 0; i < e->tape.num_inputs; i++)
    shared[i] = i > 0 && e->plan->epilogue_extras[i - 1].by_col && !e->plan->epilogue_extras[i - 1].by_row;
  return qn__ll_without_minus_zeros(e->g, qn__ll_without_quotients(e->g, &e->tape), shared);
}

static const char *name_of(const qn_ll *g, const qn_body *body) {
  return qn__arena_fmt(g->arena, "%s_epilogue", body->symbol).data;
}

static LLVMValueRef text_function(const epilogue *e, const qn_body *body) {
  qn_ll_epilogue_text text = {
      .g = e->g, .plan = e->plan, .tape = &e->tape, .whole = e->whole, .few = e->few, .listed = e->listed};
  return qn__ll_epilogue_text(&text, name_of(e->g, body), signature(e->g));
}

static LLVMValueRef emit_function(epilogue *e, const qn_body *body, uint32_t *start, bool *minus) {
  qn_ll *g = e->g;
  qn_ll_inner f;
  bool good = take_start(e, start, minus);
  /* Before registers are looked for by their numbers: regions would do so, and number them anew. */
  const qn_tape *fewer = good ? shorter_tape(e) : NULL;
  if (fewer) e->tape = *fewer;
  LLVMValueRef text = fewer ? text_function(e, body) : NULL;
  if (text) return e->other ? NULL : text;
  begin_function(e, &f, name_of(g, body), e->other ? meanwhile_signature(g) : signature(g));
  if (e->other) {
    e->memory = LLVMGetParam(f.fn, 6);
    e->other->begin(e->other->user, e->memory);
  }
  LLVMValueRef end = qn__ll_add(g, e->first_column, LLVMGetParam(f.fn, 5));
  if (!e->whole) end = qn__ll_min(g, end, qn__ll_arg_size(g, 1));
  if (fewer && take_group(e) && prepare(e))
    all_columns(e, end);
  else
    g->failed = g->out_of_memory = true;
  qn__ll_inner_end(g, &f);
  return f.fn;
}

bool qn__ll_epilogue_tape(qn_ll *g, const qn_gemm_plan *plan, qn_tape *tape, uint32_t *start, bool *minus) {
  epilogue e = {.g = g, .plan = plan};
  if (!take_start(&e, start, minus)) return false;
  const qn_tape *fewer = shorter_tape(&e);
  if (fewer) *tape = *fewer;
  return fewer != NULL;
}

LLVMValueRef qn__ll_epilogue_function(qn_ll *g, const qn_body *body, bool whole, uint32_t *start, bool *minus) {
  bool window = body->plan->kind == QN_KERNEL_WINDOW;
  epilogue e = {.g = g, .plan = &body->plan->u.gemm, .whole = whole, .brief = window};
  return emit_function(&e, body, start, minus);
}

LLVMValueRef qn__ll_epilogue_meanwhile(qn_ll *g, const qn_body *body, bool whole, const qn_ll_meanwhile *other) {
  epilogue e = {.g = g, .plan = &body->plan->u.gemm, .whole = whole, .other = other};
  return emit_function(&e, body, NULL, NULL);
}

void qn__ll_epilogue_meanwhile_call(qn_ll *g, LLVMValueRef fn, LLVMValueRef sums, LLVMValueRef row, LLVMValueRef rows,
                                    LLVMValueRef column, LLVMValueRef width, LLVMValueRef memory) {
  LLVMValueRef args[7] = {g->args, sums, row, rows, column, width, memory};
  LLVMBuildCall2(g->b, meanwhile_signature(g), fn, args, 7, "");
}

LLVMValueRef qn__ll_epilogue_if_text(qn_ll *g, const qn_body *body) {
  epilogue e = {.g = g, .plan = &body->plan->u.gemm};
  const qn_tape *fewer = take_start(&e, NULL, NULL) ? shorter_tape(&e) : NULL;
  if (!fewer) return NULL;
  e.tape = *fewer;
  return text_function(&e, body);
}

LLVMValueRef qn__ll_epilogue_few(qn_ll *g, const qn_body *body, uint32_t *start, bool *minus) {
  epilogue e = {.g = g, .plan = &body->plan->u.gemm, .few = true};
  return emit_function(&e, body, start, minus);
}

LLVMValueRef qn__ll_epilogue_listed(qn_ll *g, const qn_body *body, bool whole, uint32_t *start, bool *minus) {
  epilogue e = {.g = g, .plan = &body->plan->u.gemm, .whole = whole, .listed = true};
  return emit_function(&e, body, start, minus);
}

void qn__ll_epilogue_rows(qn_ll *g, LLVMValueRef fn, LLVMValueRef sums, LLVMValueRef row, LLVMValueRef rows,
                          LLVMValueRef column, LLVMValueRef width) {
  LLVMValueRef args[6] = {g->args, sums, row, rows, column, width};
  LLVMBuildCall2(g->b, signature(g), fn, args, 6, "");
}

void qn__ll_epilogue_call(qn_ll *g, LLVMValueRef fn, LLVMValueRef sums, LLVMValueRef row, uint32_t rows,
                          LLVMValueRef column, uint32_t width) {
  qn__ll_epilogue_rows(g, fn, sums, row, qn__ll_i64(g, rows), column, qn__ll_i64(g, width));
}
