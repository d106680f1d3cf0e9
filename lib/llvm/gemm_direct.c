/* GEMM tiles of short K, whose results go from registers into memory. Where a tile multiplies for a few dozen cycles
 * only, leaving its sums in a buffer, calling an epilogue and loading them again is a good part of its time; and so is
 * finding out at run time what the plan knows: K, the pitch of rows, which panel is the last and how wide it is. So
 * all of that is in the code. What is left of a panel behind the last column is not computed.
 *
 * Rows of A end within a block of k where K is no multiple of it. The weights are zero there, so that any bytes may be
 * read in their place: those of the next row, or, where the last rows of the matrix are, from a copy. */
#include "gemm_impl.h"
#include "narrow.h"

enum { MOST_VECTORS = 4, FULL_TURN = 48, MOST_TURNS = 16, IN_FLIGHT = 12, LINE = 64 };

typedef struct direct {
  qn_ll *g;
  const qn_gemm_plan *plan;
  qn_ll_tile tile;
  qn_tape tape;   /* of the epilogue */
  uint32_t start; /* epilogue extra that sums start from; UINT32_MAX for none */
  bool minus;
  uint32_t rows; /* tallest tile */
  bool low;      /* there are tiles lower by one, too */
  bool seldom;   /* hardly ever run: as little code as possible, and no packs */
  uint32_t lanes;
  uint32_t num_blocks; /* of K, the last one may be partial */
  LLVMValueRef a, b, y, begin[2], end[2], high_end;
  LLVMValueRef safe;           /* rows before this one may be read up to whole blocks; null: all of them */
  LLVMValueRef copy;           /* memory for a tile whose rows may not */
  LLVMValueRef row, column;    /* of the tile at hand, its first */
  LLVMValueRef a_row, y_row;   /* addresses of its first row, of Y at its first column */
  LLVMValueRef ahead;          /* rows of Y that are fetched; null for none */
  LLVMValueRef mask;           /* of its last vector; null when that is whole */
  LLVMValueRef *extra, *pitch; /* of epilogue extras: bases, bytes from row to row */
  qn_ll_place *places;
  qn_ll_region region[MOST_VECTORS];
  bool packs;      /* bytes of several whole vectors can be stored by packing them */
  bool packing;    /* and those of the tile at hand are */
  qn_tape shorter; /* what is left to do then */
  qn_ll_narrow narrow;
  qn_ll_region packed[MOST_VECTORS];
} direct;

static uint32_t bytes_of(qn_scalar mem) {
  return qn__ll_mem_bits(mem) / 8;
}

bool qn__ll_gemm_direct_serves(const qn_ll *g, const qn_body *body) {
  const qn_gemm_plan *p = &body->plan->u.gemm;
  if (!p->direct) return false;
  uint32_t lanes = g->isa->vector_bits / qn__ll_mem_bits(p->acc), width = p->layout.panel_width;
  uint32_t vectors = width / lanes, rows = body->rows & (QN_ROWS_MIXED - 1);
  const qn_ll_dot *dot = qn__ll_dot_find(g, p, true);
  bool plain = dot && !dot->finish && !dot->more && !dot->even && !dot->by_columns && !dot->step && dot->shares == 1;
  if (qn_scalar_is_float(p->lhs) && p->direct_k % p->layout.k_block) return false;
  return plain && lanes == g->lanes && width % lanes == 0 && vectors <= MOST_VECTORS &&
         rows * vectors <= QN_LL_MAX_ACC && (g->masked || p->direct_n % lanes == 0);
}

/* ---- sums ---- */

static int64_t row_bytes(const direct *d) {
  return (int64_t)d->tile.vectors * d->lanes * bytes_of(d->plan->y_mem);
}

/* Of a row of a tile's results. Where it does not begin with a line it ends in one more, for which stores would wait:
 * many results of 4 bytes take up to twice the time without it. */
static uint32_t lines_of(int64_t bytes) {
  return (uint32_t)((bytes + LINE - 1) / LINE) + 1;
}

/* Rows of Y that tiles come to, for writing. */
static void fetch_rows(direct *d, uint32_t rows) {
  qn_ll *g = d->g;
  int64_t bytes = row_bytes(d);
  uint32_t lines = lines_of(bytes);
  for (uint32_t i = 0; i < rows * lines; i++) {
    int64_t line = (int64_t)(i % lines) * LINE,
            at = i / lines * d->plan->direct_y_pitch + (line < bytes ? line : bytes - 1);
    qn__ll_fetch(g, qn__ll_gep_const(g, d->ahead, at), true, QN_LL_FIRST);
  }
  d->ahead = qn__ll_gep_const(g, d->ahead, rows * d->plan->direct_y_pitch);
}

/* `count` blocks of k; meanwhile so many rows are fetched, if any are. */
static void blocks(direct *d, uint32_t count, uint32_t fetched) {
  qn_ll_tile *t = &d->tile;
  LLVMValueRef zero = qn__ll_i64(d->g, 0);
  for (uint32_t j = 0; j < count; j++) {
    if (d->ahead) fetch_rows(d, (j + 1) * fetched / count - j * fetched / count);
    qn_ll_operand b[MOST_VECTORS], a;
    LLVMValueRef *acc = t->acc + (size_t)(j % t->sets) * t->rows * t->vectors;
    for (uint32_t v = 0; v < t->vectors; v++) t->dot->load_b(t, v, j, &b[v]);
    for (uint32_t r = 0; r < t->rows; r++) {
      LLVMValueRef shared = NULL;
      t->dot->load_a(t, r, zero, j, count, false, &shared, &a);
      for (uint32_t v = 0; v < t->vectors; v++)
        acc[r * t->vectors + v] = t->dot->madd(t, acc[r * t->vectors + v], &a, &b[v]);
    }
  }
}

static void set_rows(direct *d, LLVMValueRef first) {
  for (uint32_t r = 0; r < d->tile.rows; r++)
    d->tile.a[r] = qn__ll_gep_const(d->g, first, (int64_t)r * d->plan->direct_a_pitch);
}

/* Blocks of K to a turn: all of them, or as many as make the turns few enough to be foreseen by the processor. */
static uint32_t turn_of(const direct *d) {
  uint32_t sums = d->tile.rows * d->tile.vectors, turn = d->tile.sets;
  if (d->seldom) return 1;
  if (sums * d->num_blocks <= FULL_TURN) return d->num_blocks;
  while ((d->num_blocks / turn > MOST_TURNS || sums * turn < FULL_TURN / 4) && sums * turn * 2 <= FULL_TURN) turn *= 2;
  return turn;
}

/* Copies of the sums, so that enough of them are in flight to hide the latency of adding to each. */
static uint32_t sets_of(const direct *d) {
  const qn_ll_tile *t = &d->tile;
  uint32_t sums = t->rows * t->vectors, sets = 1, room = d->g->isa->num_registers - t->vectors - 1;
  if (!t->dot->reorders || d->seldom) return 1;
  while (sums * sets < IN_FLIGHT && 2 * sets * sums <= room && 2 * sets <= d->num_blocks && sets < 4) sets *= 2;
  return sets;
}

static void begin_sums(direct *d) {
  qn_ll_tile *t = &d->tile;
  uint32_t count = t->rows * t->vectors;
  for (uint32_t i = 0; i < count * t->sets; i++) t->acc[i] = LLVMConstNull(t->acc_type);
  if (d->start == UINT32_MAX) return;
  const qn_extra *x = &d->plan->epilogue_extras[d->start];
  qn_ll_place from = {x->mem, x->by_col ? QN_ACCESS_DENSE : QN_ACCESS_NONE, d->extra[d->start], NULL};
  for (uint32_t v = 0; v < t->vectors; v++) {
    LLVMValueRef at = qn__ll_add(d->g, d->column, qn__ll_i64(d->g, (int64_t)v * d->lanes));
    LLVMValueRef s = qn__ll_load(d->g, &from, at, d->lanes, v + 1 == t->vectors ? d->mask : NULL);
    if (d->minus) s = LLVMBuildNeg(d->g->b, s, "");
    for (uint32_t r = 0; r < t->rows; r++) t->acc[r * t->vectors + v] = s;
  }
}

/* Whether the sums of the tile at hand are results as they are. */
static bool stores_sums(const direct *d) {
  const qn_tape *t = &d->tape;
  bool bare = t->num_insts > 0 && t->insts[t->outputs[0]].op == QN_T_INPUT && t->insts[t->outputs[0]].a == 0;
  return bare && d->plan->y_mem == d->plan->acc && !d->mask && d->tile.sets == 1 && d->start == UINT32_MAX;
}

/* The same as assembly. True if they have been stored, too. */
static bool written_sums(direct *d) {
  qn_ll_tile *t = &d->tile;
  const qn_gemm_plan *p = d->plan;
  uint32_t count = t->rows * t->vectors;
  bool stored = stores_sums(d);
  begin_sums(d);
  qn__ll_sums(t, &(qn_ll_sums){.num_blocks = d->num_blocks,
                               .a = d->a_row,
                               .b = t->b[0],
                               .y = d->ahead,
                               .to = stored ? d->y_row : NULL,
                               .a_pitch = p->direct_a_pitch,
                               .a_block = (int64_t)p->layout.k_block * bytes_of(p->lhs),
                               .b_block = (int64_t)p->layout.k_block * p->layout.panel_width * bytes_of(p->rhs),
                               .y_pitch = p->direct_y_pitch,
                               .y_lines = lines_of(row_bytes(d)),
                               .y_bytes = row_bytes(d),
                               .zero = d->start == UINT32_MAX});
  for (uint32_t i = count; i < count * t->sets; i++) t->acc[i % count] = qn__ll_add(d->g, t->acc[i % count], t->acc[i]);
  return stored;
}

static void sums(direct *d) {
  qn_ll_tile *t = &d->tile;
  qn_ll *g = d->g;
  uint32_t turn = turn_of(d), turns = d->num_blocks / turn, count = t->rows * t->vectors, all = count * t->sets;
  int64_t a_step = (int64_t)d->plan->layout.k_block * bytes_of(d->plan->lhs) * turn;
  int64_t b_step = (int64_t)d->plan->layout.k_block * d->plan->layout.panel_width * bytes_of(d->plan->rhs) * turn;
  LLVMValueRef first = d->a_row;
  bool fetch = d->ahead != NULL;
  begin_sums(d);
  if (turns > 1) {
    LLVMValueRef carried[QN_LL_MAX_CARRIED];
    qn_ll_for f;
    for (uint32_t i = 0; i < all; i++) carried[i] = t->acc[i];
    carried[all] = first, carried[all + 1] = t->b[0], carried[all + 2] = d->ahead;
    qn__ll_do_begin(g, &f, qn__ll_i64(g, 0), qn__ll_i64(g, turns), 1, all + 2 + fetch, carried);
    for (uint32_t i = 0; i < all; i++) t->acc[i] = carried[i];
    first = carried[all], t->b[0] = carried[all + 1];
    if (fetch) d->ahead = carried[all + 2];
    set_rows(d, first);
    blocks(d, turn, (t->rows + turns - 1) / turns);
    for (uint32_t i = 0; i < all; i++) carried[i] = t->acc[i];
    first = carried[all] = LLVMBuildFreeze(g->b, qn__ll_gep_const(g, first, a_step), "");
    t->b[0] = carried[all + 1] = LLVMBuildFreeze(g->b, qn__ll_gep_const(g, t->b[0], b_step), "");
    if (fetch) carried[all + 2] = LLVMBuildFreeze(g->b, d->ahead, "");
    qn__ll_for_end(g, &f, carried);
    turn = d->num_blocks % turn;
  }
  set_rows(d, first);
  blocks(d, turn, turns > 1 ? 0 : t->rows);
  for (uint32_t i = count; i < all; i++) t->acc[i % count] = qn__ll_add(g, t->acc[i % count], t->acc[i]);
}

/* ---- the last rows of A, where blocks reach over their ends ---- */

/* `bytes` bytes in vectors, the last of which may overlap the one before. */
static void copy_bytes(qn_ll *g, LLVMValueRef to, LLVMValueRef from, int64_t bytes) {
  int64_t size = g->isa->vector_bits / 8;
  while (size > bytes) size /= 2;
  LLVMTypeRef type = qn__ll_lanes(g->i8, (uint32_t)size);
  LLVMValueRef last = qn__ll_i64(g, bytes - size);
  qn_ll_for f;
  qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), last, size, 0, NULL);
  qn__ll_store_vec(g, qn__ll_load_vec(g, type, qn__ll_gep(g, from, f.i), 1), qn__ll_gep(g, to, f.i), 1);
  qn__ll_for_end(g, &f, NULL);
  qn__ll_store_vec(g, qn__ll_load_vec(g, type, qn__ll_gep(g, from, last), 1), qn__ll_gep(g, to, last), 1);
}

/* Where the rows of the tile at hand are read. */
static LLVMValueRef readable_rows(direct *d, LLVMValueRef a_row) {
  qn_ll *g = d->g;
  qn_ll_if ends;
  if (!d->safe) return a_row;
  LLVMValueRef last = qn__ll_add(g, d->row, qn__ll_i64(g, d->tile.rows));
  LLVMBasicBlockRef from[2] = {LLVMGetInsertBlock(g->b)};
  LLVMValueRef both[2] = {a_row, d->copy};
  qn__ll_if_begin(g, &ends, LLVMBuildICmp(g->b, LLVMIntSGT, last, d->safe, ""));
  copy_bytes(g, d->copy, a_row,
             (int64_t)(d->tile.rows - 1) * d->plan->direct_a_pitch + d->plan->direct_k * bytes_of(d->plan->lhs));
  from[1] = LLVMGetInsertBlock(g->b);
  qn__ll_if_end(g, &ends);
  LLVMValueRef x = LLVMBuildPhi(g->b, g->ptr, "");
  LLVMAddIncoming(x, both, from, 2);
  return x;
}

static void find_safe_rows(direct *d) {
  qn_ll *g = d->g;
  const qn_gemm_plan *p = d->plan;
  int64_t over = (int64_t)d->num_blocks * p->layout.k_block - p->direct_k, bytes = bytes_of(p->lhs);
  if (p->lhs_padded || over == 0) return;
  int64_t unsafe = (over * bytes + p->direct_a_pitch - 1) / p->direct_a_pitch;
  d->safe = qn__ll_sub(g, qn__ll_arg_size(g, 0), qn__ll_i64(g, unsafe));
  d->copy = qn__ll_slot(g, g->i8, d->rows * (uint32_t)p->direct_a_pitch + LINE);
}

/* ---- results ---- */

static void place_extras(direct *d, LLVMValueRef row) {
  for (uint32_t i = 0; i < d->plan->num_epilogue_extras; i++) {
    const qn_extra *x = &d->plan->epilogue_extras[i];
    LLVMValueRef base = d->extra[i];
    if (x->by_row && row) base = qn__ll_gep(d->g, base, qn__ll_mul(d->g, row, d->pitch[i]));
    d->places[1 + i] = (qn_ll_place){x->mem, x->by_col ? QN_ACCESS_DENSE : QN_ACCESS_NONE, base, NULL};
  }
}

/* What does not vary by lane is computed in the first region only. */
static void share(qn_ll_region *regions, uint8_t vary, uint32_t count) {
  for (uint32_t v = 1; v < count; v++)
    for (uint32_t i = 0; i < regions[0].tape->num_insts; i++)
      if (regions[0].vary[i] == vary) regions[v].v[i] = regions[0].v[i];
}

static qn_ll_region *regions_of(direct *d) {
  return d->packing ? d->packed : d->region;
}

static void load_lanes(direct *d, uint8_t vary, uint32_t v) {
  LLVMValueRef at = qn__ll_add(d->g, d->column, qn__ll_i64(d->g, (int64_t)v * d->lanes));
  qn__ll_region_load(&regions_of(d)[v], vary, d->places, at, d->lanes, v + 1 == d->tile.vectors ? d->mask : NULL);
}

static void store_row(direct *d, uint32_t r) {
  qn_ll *g = d->g;
  const qn_ll_tile *t = &d->tile;
  qn_ll_region *regions = regions_of(d);
  LLVMValueRef row = qn__ll_add(g, d->row, qn__ll_i64(g, r));
  LLVMValueRef y = qn__ll_gep_const(g, d->y_row, (int64_t)r * d->plan->direct_y_pitch);
  qn_ll_place to = {d->plan->y_mem, QN_ACCESS_DENSE, y, NULL};
  place_extras(d, row);
  qn__ll_region_load(&regions[0], QN_LL_BY_ROW, d->places, d->column, 1, NULL);
  qn__ll_region_emit(&regions[0], QN_LL_BY_ROW, 0, 0, 1);
  share(regions, QN_LL_BY_ROW, t->vectors);
  for (uint32_t v = 0; v < t->vectors; v++) {
    load_lanes(d, QN_LL_BY_ROW | QN_LL_BY_LANE, v);
    qn__ll_region_set_input(&regions[v], 0, t->acc[r * t->vectors + v]);
    qn__ll_region_emit(&regions[v], QN_LL_BY_ROW | QN_LL_BY_LANE, 0, 0, d->lanes);
    if (!d->packing)
      qn__ll_region_store(&regions[v], 0, &to, qn__ll_i64(g, (int64_t)v * d->lanes), d->lanes,
                          v + 1 == t->vectors ? d->mask : NULL);
  }
  if (d->packing) qn__ll_narrow_store(regions, t->vectors, &d->narrow, y);
}

static void by_column(direct *d) {
  place_extras(d, NULL);
  for (uint32_t v = 0; v < d->tile.vectors; v++) {
    load_lanes(d, QN_LL_BY_LANE, v);
    qn__ll_region_emit(&regions_of(d)[v], QN_LL_BY_LANE, 0, 0, d->lanes);
  }
}

static void results(direct *d) {
  by_column(d);
  for (uint32_t r = 0; r < d->tile.rows; r++) store_row(d, r);
}

/* Whether the multipliers of the panel at hand allow packing. */
static LLVMValueRef check_multipliers(direct *d) {
  LLVMValueRef m[MOST_VECTORS];
  uint32_t by_lane = d->packed[0].vary[d->narrow.multiplier] & QN_LL_BY_LANE, count = by_lane ? d->tile.vectors : 1;
  by_column(d);
  for (uint32_t v = 0; v < count; v++)
    m[v] = qn__ll_region_get(&d->packed[v], d->narrow.multiplier, by_lane ? d->lanes : 1);
  return qn__ll_narrow_check(d->g, count, m);
}

/* ---- the epilogue's instructions ---- */

/* Regions for all vectors, with what is the same for all tiles computed. */
static bool make_regions(direct *d, qn_ll_region *regions, const qn_tape *tape, const uint8_t *vary) {
  for (uint32_t v = 0; v < MOST_VECTORS; v++)
    if (!qn__ll_region_init(&regions[v], d->g, tape, vary)) return false;
  qn__ll_region_load(&regions[0], 0, d->places, qn__ll_i64(d->g, 0), 1, NULL);
  qn__ll_region_emit(&regions[0], 0, 0, 0, 1);
  share(regions, 0, MOST_VECTORS);
  return true;
}

/* What comes after the register that is packed is left to the packs. */
static bool find_packs(direct *d, const uint8_t *vary) {
  qn_ll *g = d->g;
  d->shorter = d->tape;
  if (!qn__ll_narrow_find(g, &d->tape, d->plan->y_mem, &d->narrow)) return true;
  uint32_t n = d->tape.num_insts, *outputs = qn__arena_array(g->arena, 1, sizeof *outputs);
  qn_tinst *insts = qn__arena_copy(g->arena, d->tape.insts, n * sizeof *insts);
  if (!outputs || !insts) return false;
  outputs[0] = d->narrow.reg;
  if (d->narrow.scaled) insts[d->narrow.convert].a = d->narrow.convert_from;
  d->shorter.insts = insts, d->shorter.outputs = outputs, d->shorter.num_outputs = 1;
  if (!make_regions(d, d->packed, &d->shorter, vary)) return false;
  /* A multiplier per row is not looked at beforehand. */
  d->packs = !d->narrow.scaled || !(d->packed[0].vary[d->narrow.multiplier] & QN_LL_BY_ROW);
  return true;
}

/* Reads the arguments and computes what is the same for all tiles. */
static bool prepare(direct *d) {
  qn_ll *g = d->g;
  const qn_gemm_plan *p = d->plan;
  d->places = qn__arena_array(g->arena, 1 + p->num_epilogue_extras, sizeof *d->places);
  uint8_t *vary = qn__ll_epilogue_extras(g, p, &d->extra, &d->pitch);
  if (!vary || !d->places) return false;
  if (!qn__ll_epilogue_tape(g, p, &d->tape, &d->start, &d->minus)) return false;
  place_extras(d, NULL);
  return make_regions(d, d->region, &d->tape, vary) && (d->seldom || find_packs(d, vary));
}

/* ---- loops ---- */

/* Rows begin .. end-1 of the panel at hand in tiles of `rows`. */
static void rows_loop(direct *d, LLVMValueRef panel, LLVMValueRef begin, LLVMValueRef end, uint32_t rows) {
  qn_ll *g = d->g;
  qn_ll_tile *t = &d->tile;
  const qn_gemm_plan *p = d->plan;
  qn_ll_for f;
  t->rows = t->acc_rows = rows;
  t->sets = sets_of(d);
  LLVMValueRef y = qn__ll_gep(g, d->y, qn__ll_mul(g, d->column, qn__ll_i64(g, bytes_of(p->y_mem))));
  LLVMValueRef carried[2] = {qn__ll_gep(g, d->a, qn__ll_mul(g, begin, qn__ll_i64(g, p->direct_a_pitch))),
                             qn__ll_gep(g, y, qn__ll_mul(g, begin, qn__ll_i64(g, p->direct_y_pitch)))};
  qn__ll_for_begin(g, &f, begin, end, rows, 2, carried);
  d->row = f.i, d->y_row = carried[1];
  d->ahead = p->direct_fetch && !d->seldom ? d->y_row : NULL;
  d->a_row = readable_rows(d, carried[0]);
  t->b[0] = panel;
  bool stored = false;
  if (qn__ll_sums_serve(t))
    stored = written_sums(d);
  else
    sums(d);
  if (!stored) results(d);
  carried[0] = LLVMBuildFreeze(g->b, qn__ll_gep_const(g, carried[0], p->direct_a_pitch * rows), "");
  carried[1] = LLVMBuildFreeze(g->b, qn__ll_gep_const(g, carried[1], p->direct_y_pitch * rows), "");
  qn__ll_for_end(g, &f, carried);
}

/* Tall tiles, then low ones. */
static void all_rows(direct *d, LLVMValueRef panel) {
  rows_loop(d, panel, d->begin[0], d->low ? d->high_end : d->end[0], d->rows);
  if (d->low) rows_loop(d, panel, d->high_end, d->end[0], d->rows - 1);
}

static void call_seldom(direct *d, LLVMValueRef index, int64_t columns);

/* All rows of `columns` columns of a panel. */
static void one_panel(direct *d, LLVMValueRef index, int64_t columns) {
  qn_ll *g = d->g;
  const qn_gemm_plan *p = d->plan;
  uint32_t width = p->layout.panel_width, rest = (uint32_t)columns % d->lanes;
  int64_t bytes = (int64_t)d->num_blocks * p->layout.k_block * width * bytes_of(p->rhs);
  d->tile.vectors = ((uint32_t)columns + d->lanes - 1) / d->lanes;
  d->mask = rest ? qn__ll_mask(g, qn__ll_i64(g, rest)) : NULL;
  d->column = qn__ll_mul(g, index, qn__ll_i64(g, width));
  LLVMValueRef panel = qn__ll_gep(g, d->b, qn__ll_mul(g, index, qn__ll_i64(g, bytes)));
  d->packing = d->packs && !d->mask && d->tile.vectors > 1;
  if (!d->packing || !d->narrow.scaled) {
    all_rows(d, panel);
    return;
  }
  qn_ll_if good, bad;
  LLVMValueRef ok = check_multipliers(d);
  qn__ll_if_begin(g, &good, ok);
  all_rows(d, panel);
  qn__ll_if_end(g, &good);
  qn__ll_if_begin(g, &bad, LLVMBuildNot(g->b, ok, ""));
  call_seldom(d, index, columns);
  qn__ll_if_end(g, &bad);
}

/* ---- the last columns, where they are multiplied along K ---- */

static void side_results(void *user, LLVMValueRef row, LLVMValueRef rows, LLVMValueRef sums) {
  direct *d = user;
  qn_ll *g = d->g;
  qn_ll_tile *t = &d->tile;
  int64_t columns = d->plan->side, bytes = columns * bytes_of(d->plan->acc);
  LLVMValueRef end = qn__ll_add(g, row, rows);
  LLVMValueRef y = qn__ll_gep(g, d->y, qn__ll_mul(g, row, qn__ll_i64(g, d->plan->direct_y_pitch)));
  LLVMValueRef carried[2] = {sums, qn__ll_gep(g, y, qn__ll_mul(g, d->column, qn__ll_i64(g, bytes_of(d->plan->y_mem))))};
  qn_ll_for f;
  by_column(d);
  qn__ll_do_begin(g, &f, row, end, 1, 2, carried);
  d->row = f.i, d->y_row = carried[1];
  t->acc[0] = qn__ll_load_vec(g, t->acc_type, carried[0], 1);
  store_row(d, 0);
  carried[0] = LLVMBuildFreeze(g->b, qn__ll_gep_const(g, carried[0], bytes), "");
  carried[1] = LLVMBuildFreeze(g->b, qn__ll_gep_const(g, carried[1], d->plan->direct_y_pitch), "");
  qn__ll_for_end(g, &f, carried);
}

static void side_columns(direct *d, const char *symbol) {
  qn_ll *g = d->g;
  const qn_gemm_plan *p = d->plan;
  int64_t first = p->direct_n - p->side, width = p->layout.panel_width, word = p->layout.k_block * bytes_of(p->rhs);
  int64_t b = first / width * width * word * d->num_blocks + first % width * word;
  LLVMValueRef panel = qn__ll_i64(g, first / width);
  LLVMValueRef begun = LLVMBuildICmp(g->b, LLVMIntSLE, d->begin[1], panel, "");
  qn_ll_if some;
  qn__ll_if_begin(g, &some, LLVMBuildAnd(g->b, begun, LLVMBuildICmp(g->b, LLVMIntSGT, d->end[1], panel, ""), ""));
  d->tile.vectors = d->tile.rows = d->tile.acc_rows = d->tile.sets = 1;
  d->column = qn__ll_i64(g, first);
  d->mask = qn__ll_mask(g, qn__ll_i64(g, p->side));
  d->packing = false;
  begin_sums(d);
  LLVMValueRef start = qn__ll_slot(g, d->tile.acc_type, 1);
  qn__ll_store_vec(g, d->tile.acc[0], start, 64);
  qn_ll_side side = {.begin = d->begin[0],
                     .end = d->end[0],
                     .a = d->a,
                     .a_stride = qn__ll_i64(g, p->direct_a_pitch),
                     .b = qn__ll_gep_const(g, d->b, b),
                     .bytes = qn__ll_i64(g, p->direct_k * bytes_of(p->lhs)),
                     .start = start};
  qn__ll_gemm_side(&d->tile, &side, symbol, side_results, d);
  qn__ll_if_end(g, &some);
}

static void all_panels(direct *d) {
  qn_ll *g = d->g;
  int64_t side = d->plan->side, n = d->plan->direct_n - side, width = d->plan->layout.panel_width;
  int64_t whole = n / width, rest = n % width;
  LLVMValueRef last = qn__ll_i64(g, whole);
  qn_ll_if some;
  qn_ll_for f;
  if (whole + (rest != 0) == 1 && !side) {
    qn__ll_if_begin(g, &some, LLVMBuildICmp(g->b, LLVMIntSLT, d->begin[1], d->end[1], ""));
    one_panel(d, qn__ll_i64(g, 0), n);
    qn__ll_if_end(g, &some);
    return;
  }
  if (whole) {
    qn__ll_for_begin(g, &f, d->begin[1], rest || side ? qn__ll_min(g, d->end[1], last) : d->end[1], 1, 0, NULL);
    one_panel(d, f.i, width);
    qn__ll_for_end(g, &f, NULL);
  }
  if (!rest) return;
  LLVMValueRef from =
      LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSGT, d->begin[1], last, ""), d->begin[1], last, "");
  qn__ll_if_begin(g, &some, LLVMBuildICmp(g->b, LLVMIntSLT, from, d->end[1], ""));
  one_panel(d, last, rest);
  qn__ll_if_end(g, &some);
}

/* ---- blocks of rows ---- */

/* Tiles of a block, if results are to be made in blocks. */
static int64_t tiles_in_block(const direct *d) {
  int64_t rows = d->plan->written_bytes / d->plan->direct_y_pitch;
  return rows < QN_LEAST_WRITTEN ? 0 : rows / d->rows ? rows / d->rows : 1;
}

static void all_blocks(direct *d) {
  qn_ll *g = d->g;
  int64_t few = tiles_in_block(d);
  qn_ll_cut c = qn__ll_cut_rows(g, d->begin[0], d->end[0], d->rows, d->low);
  if (d->low) d->high_end = qn__ll_cut_row(g, &c, c.tall);
  if (!few) {
    all_panels(d);
    return;
  }
  qn_ll_for f;
  LLVMValueRef begin = d->begin[0], end = d->end[0], high_end = d->high_end,
               many = qn__ll_i64(g, QN_MANY_WRITTEN * few);
  LLVMValueRef cuts = LLVMBuildICmp(g->b, LLVMIntSGT, c.tiles, many, "");
  qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), c.tiles, 1, 0, NULL);
  f.step = LLVMBuildSelect(g->b, cuts, qn__ll_i64(g, few), c.tiles, "");
  d->begin[0] = qn__ll_cut_row(g, &c, f.i);
  d->end[0] = qn__ll_cut_row(g, &c, qn__ll_min(g, qn__ll_add(g, f.i, f.step), c.tiles));
  if (d->low) {
    LLVMValueRef before = LLVMBuildICmp(g->b, LLVMIntSLT, high_end, d->begin[0], "");
    d->high_end = qn__ll_min(g, LLVMBuildSelect(g->b, before, d->begin[0], high_end, ""), d->end[0]);
  }
  all_panels(d);
  qn__ll_for_end(g, &f, NULL);
  d->begin[0] = begin, d->end[0] = end;
}

static direct begin(qn_ll *g, const qn_gemm_plan *plan, uint32_t rows) {
  direct d = {.g = g, .plan = plan, .rows = rows};
  d.lanes = g->lanes;
  d.num_blocks = (uint32_t)((plan->direct_k + plan->layout.k_block - 1) / plan->layout.k_block);
  d.tile = (qn_ll_tile){.g = g, .plan = plan, .dot = qn__ll_dot_find(g, plan, true), .panels = 1};
  d.tile.acc_elem = qn__ll_mem_type(g, plan->acc);
  d.tile.acc_lanes = d.lanes;
  d.tile.acc_type = qn__ll_lanes(d.tile.acc_elem, d.lanes);
  d.tile.k_size = qn__ll_i64(g, plan->direct_k);
  d.a = qn__ll_arg_ptr(g, 0), d.b = qn__ll_arg_ptr(g, 1), d.y = qn__ll_arg_ptr(g, 2);
  for (uint32_t i = 0; i < 2; i++) d.begin[i] = qn__ll_arg_begin(g, i), d.end[i] = qn__ll_arg_end(g, i);
  return d;
}

/* All rows of a panel that cannot be packed, one by one, by a function of its own: it is compiled fast, and the same
 * for tiles of all heights. */
static void call_seldom(direct *d, LLVMValueRef index, int64_t columns) {
  qn_ll *g = d->g;
  qn_ll_inner f;
  LLVMTypeRef params[4] = {g->ptr, g->i64, g->i64, g->i64}, type = LLVMFunctionType(g->void_t, params, 4, false);
  qn__ll_inner_begin(g, &f, "rest", type);
  qn__ll_function_quickly(g, f.fn);
  g->args = LLVMGetParam(f.fn, 0);
  direct r = begin(g, d->plan, 1);
  r.seldom = true, r.begin[0] = LLVMGetParam(f.fn, 2), r.end[0] = LLVMGetParam(f.fn, 3);
  find_safe_rows(&r);
  if (prepare(&r))
    one_panel(&r, LLVMGetParam(f.fn, 1), columns);
  else
    g->failed = g->out_of_memory = true;
  qn__ll_inner_end(g, &f);
  LLVMValueRef args[4] = {g->args, index, d->begin[0], d->end[0]};
  LLVMBuildCall2(g->b, type, f.fn, args, 4, "");
}

qn_status qn__ll_gemm_direct(qn_ll *g, const qn_body *body) {
  direct d = begin(g, &body->plan->u.gemm, body->rows & (QN_ROWS_MIXED - 1));
  d.low = (body->rows & QN_ROWS_MIXED) && d.rows > 1;
  find_safe_rows(&d);
  bool good = prepare(&d);
  if (good) all_blocks(&d);
  if (good && d.plan->side)
    side_columns(&d, body->symbol);
  else if (!good)
    g->failed = g->out_of_memory = true;
  return QN_OK;
}
