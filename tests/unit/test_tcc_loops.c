/* Generated C: random elementwise kernels and row programs on random shapes and types against plain C. */
#include "c_compile.h"
#include "loop_run.h"

/* ---- loops ---- */

typedef struct loop_case {
  qn_kernel_plan plan;
  run_shape full, shapes[6];
  uint8_t *data[6]; /* inputs, then results as expected */
  size_t bytes[6];
  uint8_t *got[6];
} loop_case;

static const qn_scalar mems[] = {QN_F32, QN_F32,  QN_F64, QN_F16, QN_BF16, QN_F8E4M3FN, QN_F8E5M2, QN_I8,       QN_UI8,
                                 QN_I16, QN_UI16, QN_I32, QN_I64, QN_I1,   QN_UI4,      QN_I4,     QN_F4E2M1FN, QN_I2};
enum { NUM_MEMS = 18 };

/* A random expression over the values so far. */
static qn_value random_step(bench *x, uint64_t *seed, const qn_value *v, uint32_t n) {
  static const qn_op_kind two[] = {QN_OP_ADDF, QN_OP_SUBF, QN_OP_MULF, QN_OP_DIVF, QN_OP_MAXIMUMF, QN_OP_MINIMUMF};
  static const qn_op_kind one[] = {QN_OP_NEGF,      QN_OP_MATH_EXP,   QN_OP_MATH_TANH,    QN_OP_MATH_SQRT,
                                   QN_OP_MATH_ABSF, QN_OP_MATH_ROUND, QN_OP_MATH_FLOOR,   QN_OP_MATH_CEIL,
                                   QN_OP_MATH_ERF,  QN_OP_MATH_LOG,   QN_OP_MATH_SIGMOID, QN_OP_MATH_GELU};
  qn_value a = v[bench_random(seed) % n], b = v[bench_random(seed) % n];
  switch (bench_random(seed) % 4) {
  case 0: return bench_1(x, one[bench_random(seed) % 12], a, QN_F32);
  case 1: return bench_3(x, QN_OP_FMA, a, b, v[bench_random(seed) % n], QN_F32);
  case 2: {
    qn_value is = bench_2(x, QN_OP_CMPF, a, b, QN_I1);
    bench_set_int(x, is, "predicate", (int64_t)(bench_random(seed) % 16));
    return bench_3(x, QN_OP_SELECT, is, a, b, QN_F32);
  }
  default: return bench_2(x, two[bench_random(seed) % 6], a, b, QN_F32);
  }
}

static size_t tensor_bytes(qn_scalar mem, const run_shape *s) {
  return qn_scalar_bytes(mem, (uint64_t)run_count(s));
}

/* Builds a random map or row kernel on random shapes and plans it. */
static void make_loop(bench *x, qn_arena *arena, uint64_t *seed, bool row, loop_case *c) {
  uint32_t n = 1 + (uint32_t)(bench_random(seed) % 3), outs = 1 + (uint32_t)(bench_random(seed) % 2);
  static const int64_t sizes[] = {1, 2, 3, 5, 7, 33, 8};
  qn_type types[6];
  qn_scalar mem[6];
  memset(c, 0, sizeof *c);
  c->full.rank = (uint32_t)(bench_random(seed) % 4) + row;
  for (uint32_t d = 0; d < c->full.rank; d++) c->full.size[d] = sizes[bench_random(seed) % 7];
  if (row && bench_random(seed) % 8 == 0) c->full.size[c->full.rank - 1] = 0;
  int64_t perm[QN_MAX_RANK];
  bool permute = !row && n == 1 && c->full.rank > 1;
  for (uint32_t d = 0; d < c->full.rank; d++) perm[d] = (d + 1) % c->full.rank;
  for (uint32_t i = 0; i < n + outs; i++) {
    run_shape *s = &c->shapes[i];
    *s = c->full;
    mem[i] = mems[bench_random(seed) % NUM_MEMS];
    if (permute && i == 0)
      for (uint32_t d = 0; d < s->rank; d++) s->size[perm[d]] = c->full.size[d];
    if (i > 0 && i < n) { /* broadcasts */
      uint32_t drop = (uint32_t)(bench_random(seed) % (s->rank + 1));
      s->rank -= drop;
      for (uint32_t d = 0; d < s->rank; d++) s->size[d] = bench_random(seed) % 4 ? c->full.size[d + drop] : 1;
    }
    if (row && i >= n && bench_random(seed) % 3 == 0) s->size[s->rank - 1] = 1;
    /* Elements that share bytes go with shapes that walk them in order. */
    bool plain = !permute && run_count(s) == run_count(&c->full) && s->rank == c->full.rank;
    for (uint32_t k = 0; k < n + outs; k++)
      plain = plain && (k == i || k > i || run_count(&c->shapes[k]) == run_count(s));
    if (qn_scalar_get(mem[i])->storage_bits < 8 && (row || !plain || i + 1 < n + outs)) mem[i] = QN_I8;
    types[i] = bench_tensor(x, mem[i], s->rank, s->size);
  }
  if (!row && !permute && bench_random(seed) % 4 == 0) { /* all of one shape, sub-byte everywhere */
    for (uint32_t i = 0; i < n + outs; i++) {
      c->shapes[i] = c->full;
      mem[i] = mems[NUM_MEMS - 1 - bench_random(seed) % 4];
      types[i] = bench_tensor(x, mem[i], c->full.rank, c->full.size);
    }
  }
  qn_value v[3], w[64];
  for (uint32_t i = 0; i < n; i++) v[i] = bench_operand(x, types[i]);
  qn_op op = bench_op(x, row ? QN_OP_ROW : QN_OP_MAP, n, v, outs, types + n, 1);
  if (permute) qn_op_set_attr(x->m, op, "perm", qn_attr_ints(x->m, QN_I64, c->full.rank, perm));
  qn_value arg[3];
  for (uint32_t i = 0; i < n; i++) arg[i] = bench_arg(x, mem[i]);
  uint32_t count = n;
  for (uint32_t i = 0; i < n; i++) w[i] = to_f32(x, arg[i], mem[i]);
  w[count++] = bench_float(x, QN_F32, 0.75);
  static const qn_op_kind alls[] = {QN_OP_ALL_MAX, QN_OP_ALL_MIN, QN_OP_ALL_SUM};
  uint32_t steps = 1 + (uint32_t)(bench_random(seed) % 7);
  qn_value reduced = {0};
  for (uint32_t k = 0; k < steps; k++) {
    if (row && bench_random(seed) % 2) {
      reduced = bench_1(x, alls[bench_random(seed) % 3], w[bench_random(seed) % count], QN_F32);
      w[count++] = reduced;
    }
    w[count] = random_step(x, seed, w, count);
    count++;
  }
  if (row && !reduced.id) reduced = bench_1(x, QN_OP_ALL_SUM, w[count - 1], QN_F32);
  if (row && qn_scalar_is_int(mem[0]) && mem[0] != QN_I1) { /* integers, too */
    qn_value top = bench_1(x, alls[bench_random(seed) % 3], arg[0], bench_signless(mem[0]));
    reduced = bench_2(x, QN_OP_ADDF, reduced, to_f32(x, top, mem[0]), QN_F32);
  }
  qn_value y[2];
  for (uint32_t o = 0; o < outs; o++) {
    bool one = row && c->shapes[n + o].size[c->full.rank - 1] == 1;
    y[o] = from_f32(x, one ? reduced : w[count - 1 - o], mem[n + o]);
  }
  bench_yield(x, outs, y);
  qn_status s = qn__kernel_plan(x->m, op, qn_isa_find(qn_str_of("generic")), arena, &c->plan);
  if (s) print_error("%s\n", x->said);
  assert_int_equal(s, QN_OK);
  for (uint32_t i = 0; i < n + outs; i++) {
    c->bytes[i] = tensor_bytes(mem[i], &c->shapes[i]);
    c->data[i] = calloc(1, c->bytes[i] + 16);
    c->got[i] = calloc(1, c->bytes[i] + 16);
    for (int64_t e = 0; i < n && e < run_count(&c->shapes[i]); e++) {
      uint64_t b = bench_bits(seed, mem[i]);
      if (mem[i] == QN_F32 && bench_random(seed) % 4)
        b = run_b32((float)(int)(bench_random(seed) % 2000 - 1000) / 64.0f);
      run_store(mem[i], c->data[i], e, b);
    }
  }
}

/* Element of operand i at an index of the iteration. */
static int64_t element_at(const loop_case *c, uint32_t i, const int64_t *index) {
  const qn_loop_plan *p = &c->plan.u.loop;
  int64_t at = 0;
  for (uint32_t d = 0; d < c->full.rank; d++)
    at += index[d] * run_axis_stride(&c->shapes[i], c->full.rank, d, i < p->num_inputs && p->has_perm ? p->perm : NULL);
  return at;
}

static void next_index(const run_shape *s, int64_t *index, uint32_t axes) {
  for (uint32_t d = axes; d-- > 0 && ++index[d] == s->size[d];) index[d] = 0;
}

/* Fills data[] of the results by the plain meaning of map and row. */
static void expect_loop(loop_case *c) {
  const qn_loop_plan *p = &c->plan.u.loop;
  bool row = c->plan.kind == QN_KERNEL_ROW;
  int64_t n = row ? c->full.size[c->full.rank - 1] : 1, rows = 1, index[QN_MAX_RANK] = {0};
  uint32_t axes = c->full.rank - row;
  for (uint32_t d = 0; d < axes; d++) rows *= c->full.size[d];
  uint64_t *in = calloc((size_t)(p->num_inputs * (n + 1)), 8), *out = calloc((size_t)(p->num_outputs * (n + 1)), 8);
  uint64_t *reg = calloc((size_t)(p->tape.num_insts * (n + 1)), 8), value[4];
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t e = 0; e < n; e++) {
      if (row) index[axes] = e;
      for (uint32_t i = 0; i < p->num_inputs; i++)
        in[i * n + e] = run_load(p->tape.input_mem[i], c->data[i], element_at(c, i, index));
    }
    if (row)
      run_row(&p->tape, n, in, out, value, reg);
    else
      run_tape(&p->tape, in, out);
    for (uint32_t o = 0; o < p->num_outputs; o++) {
      uint32_t i = p->num_inputs + o;
      if (row) index[axes] = 0;
      bool once = row && p->reduced[o];
      if (once) run_store(p->tape.output_mem[o], c->data[i], element_at(c, i, index), n ? out[o * n] : value[o]);
      for (int64_t e = 0; e < n && !once; e++) {
        if (row) index[axes] = e;
        run_store(p->tape.output_mem[o], c->data[i], element_at(c, i, index), out[o * n + e]);
      }
    }
    if (row) index[axes] = 0;
    next_index(&c->full, index, axes);
  }
  free(in), free(out), free(reg);
}

/* In two parts where loop 0 is split, as threads would. */
static void call_loop(const loop_case *c, qn_kernel_fn fn) {
  const qn_loop_plan *p = &c->plan.u.loop;
  int64_t sizes[QN_MAX_RANK + 1], strides[6 * (QN_MAX_RANK + 1)];
  void *ptr[6];
  uint32_t operands = p->num_inputs + p->num_outputs;
  run_loop_args(p, &c->full, c->shapes, sizes, strides);
  bool whole_bytes = true;
  for (uint32_t i = 0; i < operands; i++) {
    qn_scalar mem = i < p->num_inputs ? p->tape.input_mem[i] : p->tape.output_mem[i - p->num_inputs];
    uint32_t bits = qn_scalar_get(mem)->storage_bits;
    for (uint32_t d = 0; d < p->num_loops; d++)
      if (bits >= 8) strides[i * p->num_loops + d] *= bits / 8;
    ptr[i] = i < p->num_inputs ? c->data[i] : c->got[i];
    whole_bytes = whole_bytes && bits >= 8;
  }
  qn_kargs args = {ptr, sizes, strides, NULL, {0, 0}, {1, 1}};
  bool splits = p->num_loops > (c->plan.kind == QN_KERNEL_ROW ? 1u : 0u);
  for (uint32_t d = 0; d + (c->plan.kind == QN_KERNEL_ROW) < p->num_loops; d++)
    if (sizes[d] == 0) return;
  int64_t middle = splits ? (whole_bytes ? sizes[0] / 3 : sizes[0] / 8 * 8) : 0;
  if (middle) {
    args.end[0] = middle;
    assert_int_equal(fn(&args), 0);
  }
  args.begin[0] = middle;
  args.end[0] = splits ? sizes[0] : 1;
  assert_int_equal(fn(&args), 0);
}

static void random_loops(bool row, uint64_t seed, int rounds) {
  enum { PER = 24 };
  for (int round = 0; round < rounds; round++) {
    bench x;
    bench_open(&x);
    qn_arena arena;
    qn__arena_init(&arena, qn_context_allocator(x.ctx));
    loop_case *cases = calloc(PER, sizeof *cases);
    qn_body bodies[PER];
    for (int k = 0; k < PER; k++) {
      make_loop(&x, &arena, &seed, row, &cases[k]);
      expect_loop(&cases[k]);
      name_body(&bodies[k], &cases[k].plan, QN_PART_MAIN, 0);
      snprintf(bodies[k].symbol, sizeof bodies[k].symbol, "body%d", k);
    }
    for (int how = 0; how < NUM_COMPILERS; how++) {
      if (how && round) continue; /* the system's compiler takes its time */
      compiled c;
      compile(x.ctx, PER, bodies, compilers[how], &c);
      for (int k = 0; k < PER; k++) {
        const qn_loop_plan *p = &cases[k].plan.u.loop;
        for (uint32_t o = 0; o < p->num_outputs; o++)
          memset(cases[k].got[p->num_inputs + o], 0, cases[k].bytes[p->num_inputs + o]);
        call_loop(&cases[k], c.fns[k]);
        for (uint32_t o = 0; o < p->num_outputs; o++)
          check_elements(p->tape.output_mem[o], cases[k].got[p->num_inputs + o], cases[k].data[p->num_inputs + o],
                         run_count(&cases[k].shapes[p->num_inputs + o]), cases[k].plan.name);
      }
      release(&c);
    }
    for (int k = 0; k < PER; k++)
      for (int i = 0; i < 6; i++) free(cases[k].data[i]), free(cases[k].got[i]);
    free(cases);
    qn__arena_free(&arena);
    bench_close(&x);
  }
}

static void maps(void **state) {
  (void)state;
  random_loops(false, 31, 24);
}
static void rows(void **state) {
  (void)state;
  random_loops(true, 32, 18);
}

/* A decimal point is read as the process's locale has it, so there is none in the text for libtcc. */
static void no_decimal_points(void **state) {
  (void)state;
  bench x;
  bench_open(&x);
  qn_arena arena;
  qn__arena_init(&arena, qn_context_allocator(x.ctx));
  uint64_t seed = 51;
  enum { PER = 40 };
  loop_case *cases = calloc(PER, sizeof *cases);
  qn_body bodies[PER];
  for (int k = 0; k < PER; k++) {
    make_loop(&x, &arena, &seed, k & 1, &cases[k]);
    name_body(&bodies[k], &cases[k].plan, QN_PART_MAIN, 0);
  }
  qn_buf text;
  qn__buf_init(&text, qn_context_allocator(x.ctx));
  assert_int_equal(qn__c_bodies(x.ctx, &text, false, PER, bodies), QN_OK);
  for (const char *c = text.data; *c; c++) {
    if (c[0] == '/' && c[1] == '*')
      c = strstr(c, "*/") + 1;
    else if (c > text.data && c[0] == '.')
      assert_false((c[-1] >= '0' && c[-1] <= '9') || (c[1] >= '0' && c[1] <= '9'));
  }
  qn__buf_free(&text);
  for (int k = 0; k < PER; k++)
    for (int i = 0; i < 6; i++) free(cases[k].data[i]), free(cases[k].got[i]);
  free(cases);
  qn__arena_free(&arena);
  bench_close(&x);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(maps),
      cmocka_unit_test(rows),
      cmocka_unit_test(no_decimal_points),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
