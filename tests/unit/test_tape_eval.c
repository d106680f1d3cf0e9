/* Random regions: tapes and the evaluator give the same bits. */
#include "unit.h"

#include "region_build.h"
#include "tape_run.h"
#include <math.h>
#include <quern/unstable/evaluator.h>

enum { MAX_VALUES = 80, N = 96, MAX_ARGS = 3 };

static const qn_scalar types[] = {QN_F32, QN_F32, QN_F64, QN_F16, QN_BF16, QN_F8E4M3FN, QN_F8E5M2, QN_F4E2M1FN,
                                  QN_I1,  QN_I2,  QN_I4,  QN_I8,  QN_I16,  QN_I32,      QN_I32,    QN_I64};
enum { NUM_TYPES = 16 };

typedef struct grown {
  bench x;
  uint64_t *seed;
  qn_value v[MAX_VALUES];
  qn_scalar t[MAX_VALUES];
  uint32_t n;
} grown;

static uint64_t pick(grown *g, uint64_t n) {
  return bench_random(g->seed) % n;
}

/* A value of this type, if there is one: a recent one rather. */
static bool find(grown *g, qn_scalar t, qn_value *out) {
  uint32_t from = (uint32_t)pick(g, g->n);
  for (uint32_t i = 0; i < g->n; i++) {
    uint32_t at = (from + i) % g->n;
    if (g->t[at] != t) continue;
    *out = g->v[at];
    return true;
  }
  return false;
}

static void add(grown *g, qn_value v, qn_scalar t) {
  g->v[g->n] = v;
  g->t[g->n++] = t;
}

static bool is_wide_float(qn_scalar t) {
  return t == QN_F64;
}

static void add_float_op(grown *g, qn_value a, qn_scalar t) {
  static const qn_op_kind two[] = {QN_OP_ADDF, QN_OP_SUBF, QN_OP_MULF, QN_OP_DIVF, QN_OP_MAXIMUMF, QN_OP_MINIMUMF};
  static const qn_op_kind one[] = {QN_OP_NEGF,       QN_OP_MATH_SQRT, QN_OP_MATH_ROUNDEVEN, QN_OP_MATH_ROUND,
                                   QN_OP_MATH_FLOOR, QN_OP_MATH_CEIL, QN_OP_MATH_ABSF,      QN_OP_MATH_EXP,
                                   QN_OP_MATH_LOG,   QN_OP_MATH_TANH, QN_OP_MATH_ERF,       QN_OP_MATH_SIGMOID,
                                   QN_OP_MATH_GELU};
  qn_value b = a, c = a;
  find(g, t, &b), find(g, t, &c);
  switch (pick(g, 3)) {
  case 0: add(g, bench_2(&g->x, two[pick(g, 6)], a, b, t), t); return;
  case 1: add(g, bench_1(&g->x, one[pick(g, is_wide_float(t) ? 7 : 13)], a, t), t); return;
  default: add(g, bench_3(&g->x, QN_OP_FMA, a, b, c, t), t); return;
  }
}

static void add_cast(grown *g, qn_value a, qn_scalar t) {
  qn_scalar to = types[pick(g, NUM_TYPES)];
  uint32_t from_bits = qn_scalar_get(t)->bits, bits = qn_scalar_get(to)->bits;
  bool f = qn_scalar_is_float(t), tf = qn_scalar_is_float(to), sign = pick(g, 2);
  qn_op_kind kind;
  if (f && tf) {
    if (bits == from_bits) return;
    kind = bits > from_bits ? QN_OP_EXTF : QN_OP_TRUNCF;
  } else if (f) {
    kind = sign ? QN_OP_FPTOSI : QN_OP_FPTOUI;
  } else if (tf) {
    kind = sign ? QN_OP_SITOFP : QN_OP_UITOFP;
  } else {
    if (bits == from_bits) return;
    kind = bits < from_bits ? QN_OP_TRUNCI : sign ? QN_OP_EXTSI : QN_OP_EXTUI;
  }
  add(g, bench_1(&g->x, kind, a, to), to);
}

static void add_compare(grown *g, qn_value a, qn_scalar t) {
  qn_value b = a;
  find(g, t, &b);
  bool f = qn_scalar_is_float(t);
  qn_value y = bench_2(&g->x, f ? QN_OP_CMPF : QN_OP_CMPI, a, b, QN_I1);
  bench_set_int(&g->x, y, "predicate", (int64_t)pick(g, f ? 16 : 10));
  add(g, y, QN_I1);
  add(g, bench_3(&g->x, QN_OP_SELECT, y, a, b, t), t);
}

static void grow(grown *g) {
  uint32_t at = (uint32_t)pick(g, g->n);
  qn_value a = g->v[at], b = a;
  qn_scalar t = g->t[at];
  find(g, t, &b);
  switch (pick(g, 4)) {
  case 0: add_cast(g, a, t); return;
  case 1: add_compare(g, a, t); return;
  default:
    if (qn_scalar_is_float(t))
      add_float_op(g, a, t);
    else
      add(g, bench_2(&g->x, (qn_op_kind)(QN_OP_ADDI + (int)pick(g, QN_OP_MINUI - QN_OP_ADDI + 1)), a, b, t), t);
  }
}

static bool is_nan_bits(qn_scalar s, uint64_t v) {
  switch (s) {
  case QN_F32: return isnan(run_f32(v));
  case QN_F64: return isnan(run_f64(v));
  case QN_F16: return (v & 0x7FFF) > 0x7C00;
  case QN_BF16: return (v & 0x7FFF) > 0x7F80;
  case QN_F8E5M2: return (v & 0x7F) > 0x7C;
  case QN_F8E4M3FN: return (v & 0x7F) == 0x7F;
  default: return false;
  }
}

static void fill(uint64_t *seed, qn_tensor *t) {
  for (int64_t i = 0; i < N; i++) {
    uint64_t v = bench_bits(seed, t->elem);
    /* The evaluator stores f8 by rounding an f32 again, which saturates: infinite codes do not survive being moved. */
    if (t->elem == QN_F8E5M2 && (v & 0x7F) == 0x7C) v = 0;
    run_store(t->elem, t->data, i, v);
  }
}

static void regions_agree(void **state) {
  (void)state;
  uint64_t seed = 61;
  for (int round = 0; round < 8000; round++) {
    grown *g = calloc(1, sizeof *g);
    g->seed = &seed;
    bench_open(&g->x);
    bench_op(&g->x, QN_OP_MAP, 0, NULL, 0, NULL, 1);
    uint32_t args = 1 + (uint32_t)pick(g, MAX_ARGS);
    qn_scalar in_types[MAX_ARGS];
    for (uint32_t i = 0; i < args; i++) {
      in_types[i] = types[pick(g, NUM_TYPES)];
      add(g, bench_arg(&g->x, in_types[i]), in_types[i]);
    }
    uint32_t steps = 1 + (uint32_t)pick(g, 10);
    for (uint32_t i = 0; i < steps; i++) grow(g);
    uint32_t outs = g->n - args < 4 ? g->n - args : 4;
    if (outs == 0) outs = 1;
    bench_yield(&g->x, outs, g->v + g->n - outs);
    qn_arena arena;
    qn_tape tape;
    qn__arena_init(&arena, qn_context_allocator(g->x.ctx));
    assert_int_equal(qn__tape_build(g->x.m, g->x.region, NULL, NULL, &arena, &tape), QN_OK);
    qn_tensor in[MAX_ARGS], out[4];
    for (uint32_t i = 0; i < args; i++) {
      in[i] = (qn_tensor){.elem = in_types[i], .rank = 1, .shape = {N}, .data = calloc(N, 8)};
      fill(&seed, &in[i]);
    }
    qn_status s = qn_eval_region(g->x.m, g->x.region, args, in, outs, out);
    if (s) print_error("%s", g->x.said);
    assert_int_equal(s, QN_OK);
    for (int64_t e = 0; e < N; e++) {
      uint64_t v[MAX_ARGS], got[4];
      for (uint32_t i = 0; i < args; i++) v[i] = run_load(in_types[i], in[i].data, e);
      run_tape(&tape, v, got);
      for (uint32_t o = 0; o < outs; o++) {
        qn_scalar t = g->t[g->n - outs + o];
        uint32_t bits = qn_scalar_get(t)->bits;
        uint64_t a = run_cut(got[o], bits), b = run_cut(run_load(t, out[o].data, e), bits);
        if (a == b || (is_nan_bits(t, a) && is_nan_bits(t, b))) continue;
        qn_op def = qn_value_op(g->x.m, g->v[g->n - outs + o]);
        print_error("round %d, value of %.*s, type %s: tape %llx, evaluator %llx\n", round,
                    (int)qn_op_name(g->x.m, def).size, qn_op_name(g->x.m, def).data, qn_scalar_get(t)->text,
                    (unsigned long long)a, (unsigned long long)b);
        for (uint32_t i = 0; i < args; i++)
          print_error("  argument %s %llx\n", qn_scalar_get(in_types[i])->text, (unsigned long long)v[i]);
        for (qn_op op = qn_block_first(g->x.m, g->x.region); op.id; op = qn_op_next(g->x.m, op)) {
          qn_str name = qn_op_name(g->x.m, op);
          qn_str type = qn_op_num_results(g->x.m, op)
                            ? qn_type_text(g->x.ctx, qn_value_type(g->x.m, qn_op_result(g->x.m, op, 0)))
                            : qn_str_of("");
          print_error("  v%u = %.*s v%u v%u : %.*s\n", qn_op_result(g->x.m, op, 0).id, (int)name.size, name.data,
                      qn_op_operand(g->x.m, op, 0).id, qn_op_operand(g->x.m, op, 1).id, (int)type.size, type.data);
        }
        fail();
      }
    }
    for (uint32_t i = 0; i < args; i++) free(in[i].data);
    for (uint32_t o = 0; o < outs; o++) qn_tensor_free(g->x.ctx, &out[o]);
    qn__arena_free(&arena);
    bench_close(&g->x);
    free(g);
  }
}

static void reductions_agree(void **state) {
  (void)state;
  static const qn_op_kind kinds[] = {QN_OP_ALL_MAX, QN_OP_ALL_MIN, QN_OP_ALL_SUM};
  static const int64_t lengths[] = {0, 1, 2, 31, 32, 33, 96};
  uint64_t seed = 62;
  for (int k = 0; k < 3; k++)
    for (int t = 0; t < NUM_TYPES; t++)
      for (int l = 0; l < 7; l++) {
        bench x;
        bench_open(&x);
        bench_op(&x, QN_OP_ROW, 0, NULL, 0, NULL, 1);
        qn_value a = bench_arg(&x, types[t]), y = bench_1(&x, kinds[k], a, types[t]);
        bench_yield(&x, 1, &y);
        qn_arena arena;
        qn_tape tape;
        qn__arena_init(&arena, qn_context_allocator(x.ctx));
        assert_int_equal(qn__tape_build(x.m, x.region, NULL, NULL, &arena, &tape), QN_OK);
        int64_t n = lengths[l];
        qn_tensor in = {.elem = types[t], .rank = 2, .shape = {1, n}, .data = calloc(N, 8)}, out;
        fill(&seed, &in);
        if (qn_scalar_is_float(types[t]) && l % 2) /* numbers that add up */
          for (int64_t e = 0; e < n; e++) qn_tensor_set_f64(&in, e, (double)(bench_random(&seed) % 64) / 16 - 2);
        qn_status s = qn_eval_region(x.m, x.region, 1, &in, 1, &out);
        if (s) print_error("%s", x.said);
        assert_int_equal(s, QN_OK);
        uint64_t v[N], got[N], value[1], *reg = calloc((size_t)(tape.num_insts * (N + 1)), 8);
        for (int64_t e = 0; e < n; e++) v[e] = run_load(types[t], in.data, e);
        run_row(&tape, n, v, got, value, reg);
        uint32_t bits = qn_scalar_get(types[t])->bits;
        for (int64_t e = 0; e < n; e++) {
          uint64_t p = run_cut(value[0], bits), q = run_cut(run_load(types[t], out.data, e), bits);
          if (p != q && !(is_nan_bits(types[t], p) && is_nan_bits(types[t], q)))
            fail_msg("%s of %lld %s: tape %llx, evaluator %llx", qn_op_info_get(kinds[k])->name, (long long)n,
                     qn_scalar_get(types[t])->text, (unsigned long long)p, (unsigned long long)q);
        }
        free(reg);
        free(in.data);
        qn_tensor_free(x.ctx, &out);
        qn__arena_free(&arena);
        bench_close(&x);
      }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(regions_agree), cmocka_unit_test(reductions_agree)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
