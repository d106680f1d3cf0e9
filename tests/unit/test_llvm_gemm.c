/* Matrix products: every tile height of every way to multiply, on every ISA row of this machine, in the row's own
 * layouts and in foreign ones, with epilogues that take extras of every form, over random shapes. All memory ends at a
 * page that cannot be read; bytes between rows must stay as they are. */
#include "llvm_unit.h"

enum { MAX_EXTRAS = 4 };

typedef struct types {
  qn_scalar lhs, rhs, acc;
} types;

static const types all_types[] = {{QN_UI8, QN_I8, QN_I32},  {QN_I16, QN_I16, QN_I32}, {QN_F32, QN_F32, QN_F32},
                                  {QN_F64, QN_F64, QN_F64}, {QN_UI8, QN_I8, QN_I64},  {QN_I16, QN_I16, QN_I64}};

typedef struct gemm_case {
  qn_kernel_plan plan;
  qn_body body;
  tape_room epilogue, prologue;
  qn_extra extras[MAX_EXTRAS];
} gemm_case;

/* ---- epilogues ---- */

static uint32_t add_extra(gemm_case *c, qn_scalar mem, bool by_row, bool by_col) {
  c->extras[c->plan.u.gemm.num_epilogue_extras++] = (qn_extra){mem, by_row, by_col};
  return tape_input(&c->epilogue, mem);
}

/* clamp(round(t)) + 3 as ui8 */
static void quantize_to_u8(tape_room *r, uint32_t t) {
  uint32_t lo = tape_const(r, QN_TF32, of_f32(-3)), hi = tape_const(r, QN_TF32, of_f32(252));
  t = tape_op(r, QN_T_FMIN, QN_TF32, tape_op(r, QN_T_FMAX, QN_TF32, t, lo, 0), hi, 0);
  uint32_t nan = tape_op(r, QN_T_FCMP, QN_TI1, t, t, 0), zero = tape_const(r, QN_TF32, 0);
  r->insts[nan].pred = 14;
  t = tape_op(r, QN_T_SELECT, QN_TF32, nan, zero, t);
  uint32_t q = tape_op(r, QN_T_FPTOSI, QN_TI32, tape_op(r, QN_T_FROUND, QN_TF32, t, 0, 0), 0, 0);
  q = tape_op(r, QN_T_IADD, QN_TI32, q, tape_const(r, QN_TI32, 3), 0);
  tape_output(r, tape_op(r, QN_T_TRUNC, QN_TI8, q, 0, 0), QN_UI8);
}

/* 0: the sums; 1: bias and scale per column, quantized; 2: scales per row and column, one factor for all, and a
 * residual of the result's shape; 3: a residual per row only, compared into a mask; 4: scaled, a bias per column, and
 * no less than +0; 5: scaled by row, a residual of the result's shape taken away, no more than one value for all, no
 * less than another; 6: a value by row added to the sums, the larger of that and one by column (of floats, taken away
 * and multiplied). */
static void make_epilogue(gemm_case *c, uint32_t kind) {
  tape_room *r = &c->epilogue;
  qn_gemm_plan *p = &c->plan.u.gemm;
  tape_start(r);
  uint32_t x = tape_input(r, p->acc);
  uint8_t type = (uint8_t)qn__tape_reg(p->acc);
  if (kind == 0) {
    tape_output(r, x, p->acc);
  } else if (kind == 1) {
    uint32_t bias = add_extra(c, p->acc, false, true), scale = add_extra(c, QN_F32, false, true);
    bool is_float = type == QN_TF32 || type == QN_TF64;
    x = tape_op(r, is_float ? QN_T_FADD : QN_T_IADD, type, x, bias, 0);
    if (!is_float) x = tape_op(r, QN_T_SITOFP, QN_TF32, x, 0, 0);
    if (type == QN_TF64) x = tape_op(r, QN_T_FTRUNC, QN_TF32, x, 0, 0);
    quantize_to_u8(r, tape_op(r, QN_T_FMUL, QN_TF32, x, scale, 0));
  } else if (kind == 2) {
    uint32_t by_row = add_extra(c, QN_F32, true, false), by_col = add_extra(c, QN_F32, false, true);
    uint32_t one = add_extra(c, QN_F32, false, false), full = add_extra(c, QN_F32, true, true);
    uint32_t m = tape_op(r, QN_T_FMUL, QN_TF32, tape_op(r, QN_T_FMUL, QN_TF32, by_row, one, 0), by_col, 0);
    if (type == QN_TF64) x = tape_op(r, QN_T_FTRUNC, QN_TF32, x, 0, 0);
    if (type == QN_TI32 || type == QN_TI64) x = tape_op(r, QN_T_SITOFP, QN_TF32, x, 0, 0);
    x = tape_op(r, QN_T_FMA, QN_TF32, x, m, full);
    tape_output(r, tape_op(r, QN_T_FMAX, QN_TF32, x, tape_const(r, QN_TF32, 0), 0), QN_F32);
  } else if (kind == 4) {
    uint32_t scale = add_extra(c, QN_F32, false, true), bias = add_extra(c, QN_F32, false, true);
    if (type == QN_TF64) x = tape_op(r, QN_T_FTRUNC, QN_TF32, x, 0, 0);
    if (type == QN_TI32 || type == QN_TI64) x = tape_op(r, QN_T_SITOFP, QN_TF32, x, 0, 0);
    x = tape_op(r, QN_T_FADD, QN_TF32, tape_op(r, QN_T_FMUL, QN_TF32, x, scale, 0), bias, 0);
    uint32_t zero = tape_const(r, QN_TF32, 0), below = tape_op(r, QN_T_FCMP, QN_TI1, x, zero, 0);
    r->insts[below].pred = 5;
    tape_output(r, tape_op(r, QN_T_SELECT, QN_TF32, below, zero, x), QN_F32);
  } else if (kind == 5) {
    uint32_t scale = add_extra(c, QN_F32, true, false), full = add_extra(c, QN_F32, true, true);
    uint32_t most = add_extra(c, QN_F32, false, false), least = tape_const(r, QN_TF32, of_f32(-2));
    if (type == QN_TF64) x = tape_op(r, QN_T_FTRUNC, QN_TF32, x, 0, 0);
    if (type == QN_TI32 || type == QN_TI64) x = tape_op(r, QN_T_SITOFP, QN_TF32, x, 0, 0);
    x = tape_op(r, QN_T_FSUB, QN_TF32, tape_op(r, QN_T_FMUL, QN_TF32, x, scale, 0), full, 0);
    uint32_t below = tape_op(r, QN_T_FCMP, QN_TI1, x, most, 0), above;
    r->insts[below].pred = 4;
    x = tape_op(r, QN_T_SELECT, QN_TF32, below, x, most);
    above = tape_op(r, QN_T_FCMP, QN_TI1, least, x, 0);
    r->insts[above].pred = 2;
    tape_output(r, tape_op(r, QN_T_SELECT, QN_TF32, above, least, x), QN_F32);
  } else if (kind == 6) {
    uint32_t by_row = add_extra(c, p->acc, true, false), by_col = add_extra(c, p->acc, false, true);
    if (type == QN_TI32 || type == QN_TI64)
      x = tape_op(r, QN_T_SMAX, type, tape_op(r, QN_T_IADD, type, by_row, x, 0), by_col, 0);
    else
      x = tape_op(r, QN_T_FMUL, type, tape_op(r, QN_T_FSUB, type, x, by_row, 0), by_col, 0);
    tape_output(r, x, p->acc);
  } else {
    uint32_t limit = add_extra(c, p->acc, true, false);
    bool is_float = type == QN_TF32 || type == QN_TF64;
    uint32_t mask = tape_op(r, is_float ? QN_T_FCMP : QN_T_ICMP, QN_TI1, x, limit, 0);
    r->insts[mask].pred = is_float ? 2 : 4;
    tape_output(r, mask, QN_I1);
  }
  p->epilogue = r->tape;
  p->epilogue_extras = c->extras;
  p->y_mem = r->output_mem[0];
}

static uint32_t lanes_of(const qn_isa *isa, qn_scalar acc) {
  return isa->vector_bits / mem_bits(acc);
}

/* As kernel_gemm.c chooses them. */
static bool has_tiles(const qn_isa *isa, types t, const qn_layout *layout) {
  return (isa->has & QN_ISA_TILES) && t.lhs == QN_UI8 && t.acc == QN_I32 && layout->k_block == 4 &&
         layout->panel_width % 16 == 0;
}

static void make_case(gemm_case *c, const qn_isa *isa, types t, qn_layout layout, uint32_t rows, uint32_t kind,
                      bool padded, uint32_t serial) {
  memset(c, 0, sizeof *c);
  c->plan.kind = QN_KERNEL_GEMM;
  c->plan.isa = isa;
  snprintf(c->plan.name, sizeof c->plan.name, "gemm%u", serial);
  c->plan.u.gemm = (qn_gemm_plan){
      .a_mem = t.lhs, .lhs = t.lhs, .rhs = t.rhs, .acc = t.acc, .layout = layout, .rows = rows, .lhs_padded = padded};
  c->plan.u.gemm.fetch = rnd_below(3);
  c->plan.u.gemm.unroll = rnd_below(2) ? 1u << rnd_below(3) : 0, c->plan.u.gemm.unroll_below = 16;
  c->plan.u.gemm.piece_bytes = 1024u << rnd_below(8), c->plan.u.gemm.long_bytes = 1024u << rnd_below(8);
  c->plan.u.gemm.outside_bytes = 1024u << rnd_below(8), c->plan.u.gemm.kept_bytes = 4096u << rnd_below(8),
  c->plan.u.gemm.large_bytes = 4096u << rnd_below(8);
  c->plan.u.gemm.tile_ahead = 1024u << rnd_below(8), c->plan.u.gemm.tile_far = 1024u << rnd_below(8);
  c->plan.u.gemm.tile_lines = rnd_below(3);
  c->plan.u.gemm.tile_close = 1024u << rnd_below(8), c->plan.u.gemm.far_bytes = 1024u << rnd_below(8);
  c->plan.u.gemm.cuts = rnd_below(2);
  c->plan.u.gemm.num_panels = rnd_below(2) ? 2 + rnd_below(2) : 0;
  c->plan.u.gemm.tiles = has_tiles(isa, t, &layout);
  uint32_t vectors = layout.panel_width / lanes_of(isa, t.acc);
  if (!c->plan.u.gemm.tiles && layout.panel_width % lanes_of(isa, t.acc) == 0 && vectors > 1 && rnd_below(2))
    c->plan.u.gemm.last = (1 + rnd_below(vectors - 1)) * lanes_of(isa, t.acc);
  make_epilogue(c, kind);
  uint32_t mixed = rows > 1 && rnd_below(2) ? QN_ROWS_MIXED : 0;
  c->body = (qn_body){.plan = &c->plan, .part = QN_PART_TILES, .rows = rows | mixed};
  snprintf(c->body.symbol, sizeof c->body.symbol, "gemm%u_tiles_%u", serial, rows);
}

/* ---- reference ---- */

static uint64_t element(qn_scalar mem, const void *at) {
  return mem_get(mem, at, 0, 0);
}

static uint64_t ref_sum(const qn_gemm_plan *p, const unsigned char *a, const unsigned char *b, int64_t k_size,
                        int64_t n, int64_t panel_bytes) {
  uint32_t la = mem_bits(p->lhs) / 8, lb = mem_bits(p->rhs) / 8;
  int64_t kb = p->layout.k_block, nb = p->layout.panel_width;
  uint64_t sum = 0;
  for (int64_t k = 0; k < k_size; k++) {
    uint64_t x = element(p->lhs, a + k * la);
    uint64_t y = element(p->rhs, b + n / nb * panel_bytes + (k / kb * nb * kb + n % nb * kb + k % kb) * lb);
    if (p->acc == QN_F32) {
      sum = of_f32(fmaf(as_f32(x), as_f32(y), as_f32(sum)));
    } else if (p->acc == QN_F64) {
      sum = of_f64(fma(as_f64(x), as_f64(y), as_f64(sum)));
    } else {
      int64_t sx = p->lhs == QN_UI8 ? (int64_t)x : sign_extend(x, mem_bits(p->lhs));
      sum += (uint64_t)(sx * sign_extend(y, mem_bits(p->rhs)));
    }
  }
  return low_bits(sum, mem_bits(p->acc));
}

typedef struct gemm_data {
  int64_t m, n, k, panels, panel_bytes, a_stride, y_stride;
  uint32_t high_tiles; /* of all the tile height; those after them are lower by one */
  guarded a, b, y, extra[MAX_EXTRAS];
  int64_t extra_stride[MAX_EXTRAS];
} gemm_data;

static void make_extras(gemm_data *d, const qn_extra *extras, uint32_t count, int64_t rows, int64_t columns) {
  for (uint32_t i = 0; i < count; i++) {
    const qn_extra *x = &extras[i];
    int64_t across = x->by_col ? columns : 1, down = x->by_row ? rows : 1;
    d->extra_stride[i] = across * mem_bits(x->mem) / 8;
    d->extra[i] = guarded_alloc((size_t)(down * d->extra_stride[i]), 0);
    fill_random(d->extra[i].data, x->mem, (size_t)(across * down), x->mem == QN_F32 && rnd_below(3) == 0);
  }
}

static void pack(const qn_gemm_plan *p, gemm_data *d) {
  uint32_t lb = mem_bits(p->rhs) / 8;
  int64_t kb = p->layout.k_block, nb = p->layout.panel_width;
  for (int64_t k = 0; k < d->k; k++)
    for (int64_t n = 0; n < d->n; n++)
      fill_random(d->b.data + n / nb * d->panel_bytes + (k / kb * nb * kb + n % nb * kb + k % kb) * lb, p->rhs, 1,
                  false);
}

static void make_sized(const qn_gemm_plan *p, gemm_data *d, uint32_t rows, bool low, int64_t n, int64_t k) {
  memset(d, 0, sizeof *d);
  int64_t kb = p->layout.k_block, nb = p->layout.panel_width, la = mem_bits(p->lhs) / 8;
  d->high_tiles = low ? (uint32_t)rnd_below(4) : 1 + (uint32_t)rnd_below(3);
  uint32_t low_tiles = low ? (uint32_t)rnd_below(4) + (d->high_tiles == 0) : 0;
  d->m = (int64_t)rows * d->high_tiles + (int64_t)(rows - 1) * low_tiles;
  if (p->last && !p->side) n = n / nb * nb + 1 + rnd_below(p->last); /* what the plan says of the last panel */
  if (p->whole) n = (n + nb - 1) / nb * nb;
  d->n = n, d->k = k;
  int64_t padded = (d->k + kb - 1) / kb * kb, a_columns = p->lhs_padded ? padded : d->k;
  d->panels = (d->n + nb - 1) / nb;
  d->panel_bytes = padded * nb * mem_bits(p->rhs) / 8;
  d->a_stride = (a_columns + rnd_below(2) * rnd_below(9)) * la;
  d->y_stride = (d->n + rnd_below(2) * rnd_below(9)) * mem_bits(p->y_mem) / 8;
  d->a = guarded_alloc((size_t)((d->m - 1) * d->a_stride + a_columns * la), 0);
  for (int64_t m = 0; m < d->m; m++) fill_random(d->a.data + m * d->a_stride, p->lhs, (size_t)d->k, false);
  d->b = guarded_alloc((size_t)(d->panels * d->panel_bytes), 0);
  pack(p, d);
  d->y = guarded_alloc((size_t)((d->m - 1) * d->y_stride + d->n * mem_bits(p->y_mem) / 8), 0xA5);
  make_extras(d, p->epilogue_extras, p->num_epilogue_extras, d->m, d->n);
}

static void make_data(const qn_gemm_plan *p, gemm_data *d, uint32_t rows, bool low) {
  int64_t n = 1 + rnd_below(rnd_below(2) ? 200 : 30), k = 1 + rnd_below(rnd_below(2) ? 200 : 12);
  if (p->turns_of) { /* what the plan says of K */
    int64_t turn = (int64_t)p->layout.k_block * p->turns_of;
    k = (k + turn - 1) / turn * turn;
  } else if (rnd_below(20) == 0) {
    k = 0;
  }
  make_sized(p, d, rows, low, n, k);
}

static void free_data(gemm_data *d) {
  guarded_free(&d->a);
  guarded_free(&d->b);
  guarded_free(&d->y);
  for (uint32_t i = 0; i < MAX_EXTRAS; i++) guarded_free(&d->extra[i]);
}

static void call_tiles(const gemm_case *c, gemm_data *d, qn_kernel_fn fn) {
  void *ptrs[3 + MAX_EXTRAS] = {d->a.data, d->b.data, d->y.data};
  int64_t sizes[] = {d->m, d->n, d->k}, strides[3 + MAX_EXTRAS] = {d->a_stride, d->y_stride, d->panel_bytes};
  for (uint32_t i = 0; i < c->plan.u.gemm.num_epilogue_extras; i++) {
    ptrs[3 + i] = d->extra[i].data;
    strides[3 + i] = d->extra_stride[i];
  }
  qn_kargs args = {.ptr = ptrs, .size = sizes, .stride = strides};
  /* In pieces, as worker threads would. */
  int64_t row_cut = (int64_t)(c->body.rows & (QN_ROWS_MIXED - 1)) * rnd_below(d->high_tiles + 1);
  int64_t panel_cut = rnd_below((uint32_t)d->panels + 1);
  const int64_t rows[] = {0, row_cut, d->m}, panels[] = {0, panel_cut, d->panels};
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 2; j++) {
      args.begin[0] = rows[i];
      args.end[0] = rows[i + 1];
      args.begin[1] = panels[j];
      args.end[1] = panels[j + 1];
      run(fn, &args);
    }
}

static uint32_t compare(const gemm_case *c, const gemm_data *d, const char *what) {
  const qn_gemm_plan *p = &c->plan.u.gemm;
  uint32_t wrong = 0, bytes = mem_bits(p->y_mem) / 8;
  uint64_t inputs[1 + MAX_EXTRAS], regs[256];
  for (int64_t m = 0; m < d->m; m++) {
    for (int64_t n = 0; n < d->n; n++) {
      inputs[0] = ref_sum(p, d->a.data + m * d->a_stride, d->b.data, d->k, n, d->panel_bytes);
      for (uint32_t i = 0; i < p->num_epilogue_extras; i++) {
        const qn_extra *x = &c->extras[i];
        int64_t at = (x->by_row ? m * d->extra_stride[i] : 0) + (x->by_col ? n * mem_bits(x->mem) / 8 : 0);
        inputs[1 + i] = element(x->mem, d->extra[i].data + at);
      }
      ref_tape(&p->epilogue, inputs, regs);
      uint64_t want = comparable(p->y_mem, regs[p->epilogue.outputs[0]]);
      uint64_t got = comparable(p->y_mem, element(p->y_mem, d->y.data + m * d->y_stride + n * bytes));
      if (got != want && wrong++ < 2)
        fprintf(stderr, "%s: %lldx%lldx%lld at %lld,%lld: got %llx, expected %llx\n", what, (long long)d->m,
                (long long)d->n, (long long)d->k, (long long)m, (long long)n, (unsigned long long)got,
                (unsigned long long)want);
    }
    for (int64_t i = d->n * bytes; m + 1 < d->m && i < d->y_stride; i++)
      if (d->y.data[m * d->y_stride + i] != 0xA5 && wrong++ < 2) fprintf(stderr, "%s: wrote between rows\n", what);
  }
  return wrong;
}

static qn_layout own_layout(const qn_isa *isa, types t) {
  qn_layout own;
  const char *name = qn_isa_gemm_layout(isa, t.lhs, t.rhs, t.acc);
  assert_non_null(name);
  assert_true(qn_layout_parse(qn_str_of(name), &own));
  return own;
}

static uint32_t tallest_of(const qn_isa *isa, types t, const qn_layout *layout) {
  if (qn_scalar_is_float(t.lhs)) return isa->float_rows;
  bool halves = t.lhs != QN_UI8 || ((isa->has & QN_ISA_TILES) && !has_tiles(isa, t, layout));
  return halves ? isa->int16_rows : isa->int8_rows;
}

static qn_layout narrow_layout(const qn_isa *isa, types t, int64_t n, int64_t k) {
  const qn_machine machine = qn_machine_default();
  qn_layout narrow;
  assert_true(qn_layout_parse(qn_str_of(qn_isa_gemm_layout_for(isa, t.lhs, t.rhs, t.acc, n, k, &machine)), &narrow));
  return narrow;
}

static uint32_t check_heights(qn_context *ctx, const qn_isa *isa, types t, qn_layout layout, uint32_t tallest) {
  enum { ALL = 16, TALL = 9 };
  static const uint32_t tall[TALL] = {1, 6, 7, 15, 16, 17, 25, 31, 32}; /* of one tile register, of two */
  static gemm_case cases[ALL];
  qn_body bodies[ALL];
  uint32_t wrong = 0, n = tallest > ALL ? TALL : tallest, heights[ALL];
  for (uint32_t i = 0; i < n; i++) {
    heights[i] = tallest > ALL ? tall[i] : i + 1;
    make_case(&cases[i], isa, t, layout, heights[i], (uint32_t)rnd_below(7), rnd_below(2) == 0, i);
    cases[i].plan.u.gemm.whole = !cases[i].plan.u.gemm.last && rnd_below(4) == 0;
    if (cases[i].plan.u.gemm.lhs_padded && rnd_below(2)) cases[i].plan.u.gemm.turns_of = 1u << rnd_below(3);
    bodies[i] = cases[i].body;
  }
  qn_code *code = compile(ctx, n, bodies);
  if (n > 3) assert_self_contained(ctx, 2, bodies);
  for (uint32_t i = 0; i < n; i++)
    for (uint32_t round = 0; round < 4; round++) {
      char what[120];
      gemm_data d;
      snprintf(what, sizeof what, "%s %s x %s -> %s k%un%u, %u rows, %s", isa->name, qn_scalar_get(t.lhs)->text,
               qn_scalar_get(t.rhs)->text, qn_scalar_get(t.acc)->text, layout.k_block, layout.panel_width, heights[i],
               cases[i].plan.u.gemm.lhs_padded ? "padded" : "not padded");
      make_data(&cases[i].plan.u.gemm, &d, heights[i], cases[i].body.rows > QN_ROWS_MIXED);
      call_tiles(&cases[i], &d, code->functions[i]);
      wrong += compare(&cases[i], &d, what);
      free_data(&d);
    }
  code->destroy(code);
  return wrong;
}

static uint32_t tiles(qn_context *ctx, const qn_isa *isa) {
  uint32_t wrong = 0;
  for (size_t t = 0; t < sizeof all_types / sizeof *all_types; t++) {
    types ty = all_types[t];
    qn_layout own = own_layout(isa, ty);
    uint32_t tallest = tallest_of(isa, ty, &own);
    wrong += check_heights(ctx, isa, ty, own, tallest);
    /* Panels for few columns, and the taller tiles over them. */
    qn_layout narrow = narrow_layout(isa, ty, 1 + rnd_below(3) * 16, QN_DYNAMIC);
    uint32_t tall = has_tiles(isa, ty, &narrow) ? tallest : qn__tallest_tile(isa, &narrow, &own, ty.acc, tallest);
    if (narrow.panel_width < own.panel_width) wrong += check_heights(ctx, isa, ty, narrow, tall);
    const qn_layout foreign[] = {{false, 4, 64, 1, 0}, {false, 2, 16, 1, 0}, {false, 1, 8, 1, 0},
                                 {false, 1, 37, 1, 0}, {false, 2, 5, 1, 0},  {false, 8, 24, 1, 0}};
    const qn_layout *other = &foreign[rnd_below(6)];
    wrong += check_heights(ctx, isa, ty, *other, tallest_of(isa, ty, other));
    wrong += check_heights(ctx, isa, ty, foreign[rnd_below(6)], 3);
  }
  return wrong;
}

/* Panels that are taken in pieces, while sums wait: those of more than half a megabyte, and of two megabytes together
 * for few tiles. */
static uint32_t long_panels(qn_context *ctx, const qn_isa *isa) {
  static gemm_case c;
  uint32_t wrong = 0;
  for (size_t i = 0; i < 6; i++) {
    size_t t = i % 3;
    types ty = all_types[t];
    qn_layout own = own_layout(isa, ty);
    uint32_t tallest = tallest_of(isa, ty, &own);
    make_case(&c, isa, ty, own, tallest, (uint32_t)t, rnd_below(2) == 0, 0);
    qn_code *code = compile(ctx, 1, &c.body);
    gemm_data d;
    bool many = i >= 3;
    int64_t least = 512 * 1024 / own.panel_width / (mem_bits(ty.rhs) / 8);
    int64_t k = many ? least / 8 + rnd_below(500) : least + own.k_block + rnd_below(3000);
    int64_t n = (many ? 4 * least / k : 0) * own.panel_width + 1 + rnd_below(own.panel_width + 2);
    make_sized(&c.plan.u.gemm, &d, tallest, c.body.rows > QN_ROWS_MIXED, n, k);
    call_tiles(&c, &d, code->functions[0]);
    wrong += compare(&c, &d, isa->name);
    free_data(&d);
    code->destroy(code);
  }
  return wrong;
}

/* ---- sums that stay in registers ---- */

static uint32_t check_direct(qn_context *ctx, const qn_isa *isa, types t, qn_layout layout, uint32_t serial) {
  static gemm_case c;
  static const uint8_t kinds[] = {0, 2, 4, 1, 3, 5, 6};
  uint32_t lanes = isa->vector_bits / mem_bits(t.acc), vectors = layout.panel_width / lanes, most = 40 / vectors;
  uint32_t rows = 1 + (uint32_t)rnd_below(most > 16 ? 16 : most), wrong = 0;
  gemm_data d;
  make_case(&c, isa, t, layout, rows, kinds[serial % 7], rnd_below(2) == 0, serial);
  qn_gemm_plan *p = &c.plan.u.gemm;
  int64_t n = 1 + rnd_below(rnd_below(2) ? 200 : 30);
  if (isa->vector_bits < 512 && rnd_below(4)) n = (n + lanes - 1) / lanes * lanes;
  make_sized(p, &d, rows, c.body.rows > QN_ROWS_MIXED, n, 1 + rnd_below(rnd_below(2) ? 300 : 12));
  p->tiles = false; /* which leave sums in memory */
  p->direct = true, p->direct_n = d.n, p->direct_k = d.k;
  p->direct_a_pitch = d.a_stride, p->direct_y_pitch = d.y_stride;
  p->direct_fetch = rnd_below(4) == 0;
  qn_code *code = compile(ctx, 1, &c.body);
  for (uint32_t round = 0; round < 3; round++) {
    char what[120];
    snprintf(what, sizeof what, "%s %s direct k%un%u, %u rows, %s", isa->name, qn_scalar_get(t.lhs)->text,
             layout.k_block, layout.panel_width, rows, p->lhs_padded ? "padded" : "not padded");
    memset(d.y.data, 0xA5, d.y.size);
    call_tiles(&c, &d, code->functions[0]);
    wrong += compare(&c, &d, what);
  }
  free_data(&d);
  code->destroy(code);
  return wrong;
}

static uint32_t direct(qn_context *ctx, const qn_isa *isa) {
  uint32_t wrong = 0;
  for (uint32_t i = 0; i < 36; i++) {
    types ty = all_types[i % 3];
    qn_layout layout = narrow_layout(isa, ty, 1 + (int64_t)rnd_below(5) * 16, QN_DYNAMIC);
    if (isa->vector_bits >= 256) wrong += check_direct(ctx, isa, ty, layout, i / 3);
  }
  return wrong;
}

/* ---- columns that are multiplied along K ---- */

static uint32_t check_side(qn_context *ctx, const qn_isa *isa, types t, uint32_t round) {
  static gemm_case c;
  qn_layout layout;
  int64_t lanes = isa->vector_bits / mem_bits(t.acc), side = 1 + round % (lanes / 2), n = rnd_below(9) * lanes + side;
  if (lanes == 16 && round % 9 == 8) n = side = 10; /* without others there may be ten */
  int64_t least = isa->vector_bits / mem_bits(t.lhs);
  int64_t k = round % 4 == 3 ? 4000 + rnd_below(14000) : least + rnd_below(round % 4 ? 900 : 3);
  bool direct = isa->vector_bits == 512 && k <= 512 && round % 3;
  layout = narrow_layout(isa, t, n, k);
  uint32_t rows = direct ? 1 + (uint32_t)rnd_below(6) : 6;
  make_case(&c, isa, t, layout, rows, round % 5, rnd_below(2) == 0, round);
  qn_gemm_plan *p = &c.plan.u.gemm;
  p->side = qn__side_columns(isa, &layout, t.lhs, t.acc, 1000, n, k);
  assert_true(p->side == 0 || p->side == side);
  p->side = (uint32_t)side, p->last = (uint32_t)((n - side) % layout.panel_width), p->whole = false;
  uint32_t wrong = 0;
  qn_code *code = NULL;
  for (uint32_t i = 0; i < 3; i++) {
    gemm_data d;
    char what[120];
    snprintf(what, sizeof what, "%s %s along K: N %d, K %d, %u of %u", isa->name, qn_scalar_get(t.lhs)->text, (int)n,
             (int)k, p->side, layout.panel_width);
    make_sized(p, &d, rows, c.body.rows > QN_ROWS_MIXED, n, k);
    p->direct = direct, p->direct_n = n, p->direct_k = k;
    if (i == 0) p->direct_a_pitch = d.a_stride, p->direct_y_pitch = d.y_stride;
    p->direct = direct && p->direct_a_pitch == d.a_stride && p->direct_y_pitch == d.y_stride;
    if (i == 0) code = compile(ctx, 1, &c.body);
    if (p->direct == direct) {
      call_tiles(&c, &d, code->functions[0]);
      wrong += compare(&c, &d, what);
    }
    free_data(&d);
  }
  code->destroy(code);
  return wrong;
}

/* Any number of them, beside panels or alone, K of one vector, of many, and of several pieces. */
static uint32_t side(qn_context *ctx, const qn_isa *isa) {
  uint32_t wrong = 0;
  bool serves = !strcmp(isa->arch, "x86_64") && (isa->has & QN_ISA_DOT8) && !(isa->has & QN_ISA_TILES);
  for (uint32_t i = 0; serves && i < 32; i++) wrong += check_side(ctx, isa, all_types[i % 7 == 6], i);
  return wrong;
}

/* Sums at the edges of their types: all operands extreme, so that 16-bit intermediate sums would overflow. */
static uint32_t extremes(qn_context *ctx, const qn_isa *isa) {
  static gemm_case c;
  uint32_t wrong = 0;
  for (size_t t = 0; t < 2; t++) {
    types ty = all_types[t];
    qn_layout own = own_layout(isa, ty);
    make_case(&c, isa, ty, own, 2, 0, false, 0);
    qn_code *code = compile(ctx, 1, &c.body);
    for (uint32_t round = 0; round < 8; round++) {
      gemm_data d;
      make_data(&c.plan.u.gemm, &d, 2, c.body.rows > QN_ROWS_MIXED);
      const uint8_t lhs8[] = {0xFF, 0xFF}, lhs16[] = {0x00, 0x80}; /* 255, -32768 */
      const uint8_t *lhs = t ? lhs16 : lhs8;
      for (size_t i = 0; i < d.a.size; i++) d.a.data[i] = lhs[i % (t ? 2 : 1)];
      for (int64_t k = 0; k < d.k; k++)
        for (int64_t n = 0; n < d.n; n++) {
          int64_t kb = own.k_block, nb = own.panel_width, size = t ? 2 : 1;
          unsigned char *b = d.b.data + n / nb * d.panel_bytes + (k / kb * nb * kb + n % nb * kb + k % kb) * size;
          b[size - 1] = round & 1 ? 0x80 : 0x7F;
          if (t) b[0] = round & 1 ? 0x00 : 0xFF;
        }
      call_tiles(&c, &d, code->functions[0]);
      wrong += compare(&c, &d, isa->name);
      free_data(&d);
    }
    code->destroy(code);
  }
  return wrong;
}

/* ---- prologues ---- */

static void make_prologue(gemm_case *c, const qn_isa *isa, qn_scalar a_mem, uint32_t kind, bool strided,
                          uint32_t serial) {
  memset(c, 0, sizeof *c);
  c->plan.kind = QN_KERNEL_GEMM;
  c->plan.isa = isa;
  snprintf(c->plan.name, sizeof c->plan.name, "prologue%u", serial);
  qn_gemm_plan *p = &c->plan.u.gemm;
  *p = (qn_gemm_plan){.a_mem = a_mem,
                      .lhs = a_mem,
                      .rhs = QN_I8,
                      .acc = QN_I32,
                      .y_mem = QN_I32,
                      .layout = {false, 4, 64, 1, 0},
                      .has_prologue = true,
                      .lhs_strided = strided};
  tape_room *r = &c->prologue;
  tape_start(r);
  uint32_t x = tape_input(r, a_mem);
  static const bool by[][2] = {{false, false}, {true, false}, {false, true}, {true, true}};
  if (kind == 4) { /* codes are the elements */
    tape_output(r, x, a_mem);
  } else {
    c->extras[0] = (qn_extra){QN_F32, by[kind][0], by[kind][1]};
    p->num_prologue_extras = 1;
    uint32_t s = tape_input(r, QN_F32);
    quantize_to_u8(r, tape_op(r, QN_T_FDIV, QN_TF32, x, s, 0));
    p->lhs = QN_UI8;
  }
  p->prologue = r->tape;
  p->prologue_extras = c->extras;
  c->body = (qn_body){.plan = &c->plan, .part = QN_PART_PROLOGUE};
  snprintf(c->body.symbol, sizeof c->body.symbol, "prologue%u", serial);
}

static uint32_t check_prologue(const gemm_case *c, qn_kernel_fn fn) {
  const qn_gemm_plan *p = &c->plan.u.gemm;
  gemm_data d = {.m = 1 + rnd_below(9), .k = 1 + rnd_below(100)};
  int64_t size = mem_bits(p->a_mem) / 8, code_size = mem_bits(p->lhs) / 8, padded = (d.k + 3) / 4 * 4;
  int64_t row = p->lhs_strided ? size : d.k * size, column = p->lhs_strided ? d.m * size : size;
  int64_t y_stride = (padded + rnd_below(5)) * code_size;
  d.a = guarded_alloc((size_t)(d.m * d.k * size), 0);
  fill_random(d.a.data, p->a_mem, (size_t)(d.m * d.k), p->a_mem == QN_F32);
  d.y = guarded_alloc((size_t)((d.m - 1) * y_stride + padded * code_size), 0xA5);
  make_extras(&d, c->extras, p->num_prologue_extras, d.m, d.k);
  void *ptrs[] = {d.a.data, d.y.data, d.extra[0].data};
  int64_t sizes[] = {d.m, d.k, padded}, strides[] = {row, column, y_stride, d.extra_stride[0]};
  int64_t cut = rnd_below((uint32_t)d.m + 1);
  run(fn, &(qn_kargs){.ptr = ptrs, .size = sizes, .stride = strides, .end = {cut, 0}});
  run(fn, &(qn_kargs){.ptr = ptrs, .size = sizes, .stride = strides, .begin = {cut, 0}, .end = {d.m, 0}});
  uint32_t wrong = 0;
  for (int64_t m = 0; m < d.m; m++)
    for (int64_t k = 0; k < padded; k++) {
      uint64_t want = 0, regs[256];
      if (k < d.k) {
        int64_t at = (c->extras[0].by_row ? m * d.extra_stride[0] : 0) + (c->extras[0].by_col ? k * 4 : 0);
        uint64_t in[2] = {element(p->a_mem, d.a.data + m * row + k * column),
                          p->num_prologue_extras ? element(QN_F32, d.extra[0].data + at) : 0};
        ref_tape(&p->prologue, in, regs);
        want = comparable(p->lhs, regs[p->prologue.outputs[0]]);
      }
      wrong += comparable(p->lhs, element(p->lhs, d.y.data + m * y_stride + k * code_size)) != want;
    }
  free_data(&d);
  return wrong;
}

static uint32_t prologues(qn_context *ctx, const qn_isa *isa) {
  static gemm_case cases[14];
  uint32_t wrong = 0;
  qn_body bodies[14];
  uint32_t n = 0;
  for (uint32_t kind = 0; kind < 4; kind++)
    for (uint32_t strided = 0; strided < 2; strided++, n++) make_prologue(&cases[n], isa, QN_F32, kind, strided, n);
  const qn_scalar plain[] = {QN_UI8, QN_I16, QN_F64};
  for (uint32_t i = 0; i < 3; i++)
    for (uint32_t strided = 0; strided < 2; strided++, n++) make_prologue(&cases[n], isa, plain[i], 4, strided, n);
  for (uint32_t i = 0; i < n; i++) bodies[i] = cases[i].body;
  qn_code *code = compile(ctx, n, bodies);
  for (uint32_t i = 0; i < n; i++)
    for (uint32_t round = 0; round < 30; round++) {
      uint32_t bad = check_prologue(&cases[i], code->functions[i]);
      if (bad && !wrong) fprintf(stderr, "%s prologue %u: %u wrong\n", isa->name, i, bad);
      wrong += bad;
    }
  code->destroy(code);
  return wrong;
}

int main(void) {
  const struct CMUnitTest tests[] = {ROW_TEST(tiles), ROW_TEST(direct),   ROW_TEST(long_panels),
                                     ROW_TEST(side),  ROW_TEST(extremes), ROW_TEST(prologues)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
