/* Recipes: well formed, within their error bounds of double-precision references, right on special values, and the same
 * as the plain C of convert.h and elementwise.h where both exist. */
#include "elementwise.h"
#include "recipe.h"
#include "unit.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static float eval(qn_recipe_id id, float x) {
  return qn__recipe_eval(&qn__recipes[id], x);
}

static void test_well_formed(void **state) {
  (void)state;
  for (int id = 0; id < QN__RECIPE_COUNT; id++) {
    const qn_recipe *r = &qn__recipes[id];
    assert_ptr_equal(qn__recipe_find(r->name), r);
    assert_in_range(r->size, 1, 128);
    assert_true(r->num_inputs >= 1 && r->num_inputs <= 2);
    bool used[256] = {false};
    for (unsigned i = 0; i < r->size; i++) {
      const qn_recipe_inst *in = &r->code[i];
      assert_true(in->op < QN__OP_COUNT);
      const qn_recipe_op_info *op = &qn__recipe_ops[in->op];
      bool input = in->op == QN__OP_INPUT_F || in->op == QN__OP_INPUT_I;
      assert_true(input == (i < r->num_inputs));
      if (input) assert_int_equal(in->imm.u, i);
      if (in->op == QN__OP_SHL || in->op == QN__OP_SHR || in->op == QN__OP_SAR) assert_in_range(in->imm.u, 1, 31);
      const uint8_t regs[3] = {in->a, in->b, in->c};
      for (unsigned k = 0; k < op->operands; k++) {
        assert_true(regs[k] < i);
        assert_int_equal(qn__recipe_ops[r->code[regs[k]].op].result, op->operand[k]);
        used[regs[k]] = true;
      }
      for (unsigned k = op->operands; k < 3; k++) assert_int_equal(op->operand[k], QN__RECIPE_N);
    }
    int result = qn__recipe_ops[r->code[r->size - 1].op].result;
    assert_true(result == QN__RECIPE_F || result == QN__RECIPE_I);
    for (unsigned i = 0; i + 1 < r->size; i++) {
      if (!used[i]) fail_msg("%s computes register %u for nothing", r->name, i);
    }
  }
  assert_null(qn__recipe_find("cosine"));
}

static double sigmoid(double x) {
  return 1 / (1 + exp(-x));
}
static double silu(double x) {
  return x * sigmoid(x);
}
static double gelu(double x) {
  return 0.5 * x * erfc(-x * 0.70710678118654752440);
}
static double gelu_tanh(double x) {
  return x * sigmoid(2 * 0.79788456080286535588 * (x + 0.044715 * x * x * x));
}

typedef struct bound {
  qn_recipe_id id;
  double (*reference)(double);
  double ulps;     /* in units in the last place of the result, subnormals included */
  double relative; /* or of |x|, in units of 2^-24 */
} bound;
static const bound bounds[] = {{QN__RECIPE_EXP, exp, 1.0, 0},         {QN__RECIPE_LOG, log, 1.0, 0},
                               {QN__RECIPE_TANH, tanh, 1.5, 0},       {QN__RECIPE_ERF, erf, 1.2, 0},
                               {QN__RECIPE_SIGMOID, sigmoid, 2.5, 0}, {QN__RECIPE_SILU, silu, 0, 2.5},
                               {QN__RECIPE_GELU, gelu, 0, 2.5},       {QN__RECIPE_GELU_TANH, gelu_tanh, 0, 2.5}};

static double unit_in_last_place(double y) {
  int e;
  frexp(y, &e);
  return ldexp(1, (e < -125 ? -125 : e) - 24);
}

static void check_bound(const bound *b, float x, float got) {
  double want = b->reference((double)x);
  if (isnan(x) || isnan(want) || isinf((float)want)) {
    if (isinf(x) && b->relative > 0) return; /* the references are 0 times infinity there */
    if (!(isnan(want) ? isnan(got) : got == (float)want))
      fail_msg("%s(%a) = %a, not %a", qn__recipes[b->id].name, (double)x, (double)got, want);
    return;
  }
  double unit = b->ulps > 0 ? unit_in_last_place(want) : fmax(fabs((double)x), 0x1p-126) * 0x1p-24;
  double limit = b->ulps > 0 ? b->ulps : b->relative;
  if (!(fabs((double)got - want) <= limit * unit))
    fail_msg("%s(%a) = %a, not %a: off by %g units", qn__recipes[b->id].name, (double)x, (double)got, want,
             fabs((double)got - want) / unit);
}

/* Every f32 whose bits are a multiple of a prime: all exponents, both signs, NaN and subnormals among them. */
static void test_error_bounds(void **state) {
  (void)state;
  enum { N = 4096 };
  static float in[N], out[N];
  for (size_t k = 0; k < sizeof bounds / sizeof *bounds; k++) {
    uint64_t u = k;
    while (u < (uint64_t)1 << 32) {
      size_t n = 0;
      for (; n < N && u < (uint64_t)1 << 32; n++, u += 4099) in[n] = qn__f32_of_bits((uint32_t)u);
      const void *p = in;
      qn__recipe_map(&qn__recipes[bounds[k].id], &p, out, n);
      for (size_t i = 0; i < n; i++) check_bound(&bounds[k], in[i], out[i]);
    }
  }
}

static bool same(float a, float b) {
  return qn__f32_bits(a) == qn__f32_bits(b) || (isnan(a) && isnan(b));
}

static void test_special_values(void **state) {
  (void)state;
  for (size_t k = 0; k < sizeof bounds / sizeof *bounds; k++) {
    assert_true(isnan(eval(bounds[k].id, NAN)));
    assert_true(isnan(eval(bounds[k].id, -NAN)));
  }
  assert_true(same(qn_f32_exp(0), 1) && same(qn_f32_exp(-0.0f), 1));
  assert_true(qn_f32_exp(88.72284f) == INFINITY || qn_f32_exp(88.72284f) > 3.4e38f);
  assert_true(qn_f32_exp(88.7229f) == INFINITY && qn_f32_exp(INFINITY) == INFINITY && qn_f32_exp(1e38f) == INFINITY);
  assert_true(same(qn_f32_exp(-INFINITY), 0) && same(qn_f32_exp(-104), 0) && same(qn_f32_exp(-1e38f), 0));
  assert_true(qn_f32_exp(-103.9f) == 0x1p-149f && qn_f32_exp(-88) > 0 && qn_f32_exp(-88) < 0x1p-126f);
  assert_true(qn_f32_log(0) == -INFINITY && qn_f32_log(-0.0f) == -INFINITY);
  assert_true(isnan(qn_f32_log(-1e-45f)) && isnan(qn_f32_log(-INFINITY)) && qn_f32_log(INFINITY) == INFINITY);
  assert_true(same(qn_f32_log(1), 0));
  for (uint32_t u = 0; u < 0x80000000u; u += 65537) { /* odd functions, bit for bit; monotone saturation */
    float x = qn__f32_of_bits(u);
    assert_true(same(eval(QN__RECIPE_TANH, -x), -eval(QN__RECIPE_TANH, x)));
    assert_true(same(eval(QN__RECIPE_ERF, -x), -eval(QN__RECIPE_ERF, x)));
    assert_false(fabsf(eval(QN__RECIPE_TANH, x)) > 1 || fabsf(eval(QN__RECIPE_ERF, x)) > 1);
    assert_false(eval(QN__RECIPE_SIGMOID, x) > 1 || eval(QN__RECIPE_SIGMOID, -x) < 0);
    if (x >= 9.02f) assert_true(eval(QN__RECIPE_TANH, x) == 1);
    if (x >= 3.92f) assert_true(eval(QN__RECIPE_ERF, x) == 1);
  }
  assert_true(same(qn_f32_tanh(0), 0) && same(qn_f32_erf(0), 0) && qn_f32_tanh(1e-45f) == 1e-45f);
  assert_true(qn_f32_sigmoid(0) == 0.5f && qn_f32_sigmoid(INFINITY) == 1 && same(qn_f32_sigmoid(-INFINITY), 0));
  assert_true(qn_f32_sigmoid(-100) > 0);
  assert_true(qn_f32_gelu(-INFINITY) == 0 && qn_f32_gelu(INFINITY) == INFINITY && same(qn_f32_gelu(0), 0));
  assert_true(same(qn_f32_gelu_tanh(-INFINITY), -0.0f) && qn_f32_gelu_tanh(INFINITY) == INFINITY);
  assert_true(qn_f32_gelu_tanh(1e20f) == 1e20f && qn_f32_gelu(1e20f) == 1e20f);
  assert_true(same(eval(QN__RECIPE_SILU, -INFINITY), -0.0f) && eval(QN__RECIPE_SILU, INFINITY) == INFINITY);
}

static const float odd_values[] = {
    0,       -0.0f,      1,       -1,       0.5f,       -0.5f,       1.5f,           2.5f, -2.5f,
    3.5f,    1e-45f,     -1e-45f, 1e38f,    -1e38f,     INFINITY,    -INFINITY,      NAN,  -NAN,
    8388607, 8388607.5f, 8388608, -8388609, 4194304.5f, -4194303.5f, 0x1.fffffep-2f, 1e10f};
enum { NUM_ODD = sizeof odd_values / sizeof *odd_values };

static void test_max_min(void **state) {
  (void)state;
  for (int i = 0; i < NUM_ODD; i++) {
    for (int j = 0; j < NUM_ODD; j++) {
      float a = odd_values[i], b = odd_values[j];
      float most = qn__recipe_eval2(&qn__recipes[QN__RECIPE_MAX], a, b);
      float least = qn__recipe_eval2(&qn__recipes[QN__RECIPE_MIN], a, b);
      assert_true(same(most, qn__f32_max(a, b)) && same(least, qn__f32_min(a, b)));
      if (isnan(a) || isnan(b))
        assert_true(isnan(most) && isnan(least));
      else
        assert_true(most == fmaxf(a, b) && least == fminf(a, b));
    }
  }
  assert_true(same(qn__f32_max(-0.0f, 0), 0) && same(qn__f32_max(0, -0.0f), 0));
  assert_true(same(qn__f32_min(-0.0f, 0), -0.0f) && same(qn__f32_relu(-0.0f), 0) && isnan(qn__f32_relu(NAN)));
}

static void test_rounding(void **state) {
  (void)state;
  for (uint64_t u = 0; u < (uint64_t)1 << 32; u += 4093) {
    float x = qn__f32_of_bits((uint32_t)u);
    assert_true(same(eval(QN__RECIPE_ROUND_EVEN, x), rintf(x)) && same(qn__f32_round_even(x), rintf(x)));
    assert_true(same(eval(QN__RECIPE_ROUND_AWAY, x), roundf(x)) && same(qn__f32_round_away(x), roundf(x)));
  }
  for (float x = -70; x <= 70; x += 0.25f) {
    assert_true(same(eval(QN__RECIPE_ROUND_EVEN, x), rintf(x)));
    assert_true(same(eval(QN__RECIPE_ROUND_AWAY, x), roundf(x)));
    assert_true(qn__f64_round_even((double)x) == rint((double)x) && qn__f64_round_away((double)x) == round((double)x));
  }
  for (int i = 0; i < NUM_ODD; i++) {
    assert_true(same(eval(QN__RECIPE_ROUND_EVEN, odd_values[i]), rintf(odd_values[i])));
    assert_true(same(eval(QN__RECIPE_ROUND_AWAY, odd_values[i]), roundf(odd_values[i])));
  }
}

static const struct {
  qn_recipe_id narrow, widen;
  qn_scalar s;
  bool saturate;
} conversions[] = {{QN__RECIPE_F32_TO_F16, QN__RECIPE_F16_TO_F32, QN_F16, false},
                   {QN__RECIPE_F32_TO_BF16, QN__RECIPE_BF16_TO_F32, QN_BF16, false},
                   {QN__RECIPE_F32_TO_F8E4M3FN, QN__RECIPE_F8E4M3FN_TO_F32, QN_F8E4M3FN, false},
                   {QN__RECIPE_F32_TO_F8E4M3FN_SAT, QN__RECIPE_F8E4M3FN_TO_F32, QN_F8E4M3FN, true},
                   {QN__RECIPE_F32_TO_F8E5M2, QN__RECIPE_F8E5M2_TO_F32, QN_F8E5M2, false},
                   {QN__RECIPE_F32_TO_F8E5M2_SAT, QN__RECIPE_F8E5M2_TO_F32, QN_F8E5M2, true},
                   {QN__RECIPE_F32_TO_F4E2M1FN, QN__RECIPE_F4E2M1FN_TO_F32, QN_F4E2M1FN, true}};

static void check_narrow(size_t k, uint32_t bits) {
  uint32_t got = qn__recipe_eval_bits(&qn__recipes[conversions[k].narrow], &bits);
  uint32_t want = (uint32_t)qn__float_convert(conversions[k].s, QN_F32, bits, conversions[k].saturate);
  if (got != want) fail_msg("%s(%08x) = %x, not %x", qn__recipes[conversions[k].narrow].name, bits, got, want);
}

static void test_conversions(void **state) {
  (void)state;
  for (size_t k = 0; k < sizeof conversions / sizeof *conversions; k++) {
    unsigned width = qn_scalar_get(conversions[k].s)->bits;
    for (uint32_t code = 0; code < 1u << width; code++) {
      uint32_t got = qn__recipe_eval_bits(&qn__recipes[conversions[k].widen], &code);
      assert_int_equal(got, qn__float_convert(QN_F32, conversions[k].s, code, false));
      /* Around the value and around the middle to the next one */
      uint32_t next = code + 1;
      uint32_t above = qn__recipe_eval_bits(&qn__recipes[conversions[k].widen], &next);
      uint32_t middle = got + (above - got) / 2;
      for (uint32_t d = 0; d < 5; d++) {
        check_narrow(k, got + d - 2);
        check_narrow(k, middle + d - 2);
      }
    }
    for (uint64_t u = 0; u < (uint64_t)1 << 32; u += 16411) check_narrow(k, (uint32_t)u);
  }
  for (uint32_t code = 0; code < 256; code++) {
    uint32_t got = qn__recipe_eval_bits(&qn__recipes[QN__RECIPE_F8E8M0FNU_TO_F32], &code);
    assert_int_equal(got, qn__float_convert(QN_F32, QN_F8E8M0FNU, code, false));
  }
}

/* One lane or many, in place or not, the library functions or the evaluator: the same bits. */
static void test_lanes(void **state) {
  (void)state;
  enum { N = 1000 };
  static float in[N], out[N];
  for (int i = 0; i < N; i++) in[i] = (float)(i - 500) * 0.037f;
  const void *p = in;
  for (size_t n = 0; n <= N; n += n < 130 ? 1 : 290) {
    memset(out, 0, sizeof out);
    qn__recipe_map(&qn__recipes[QN__RECIPE_GELU], &p, out, n);
    for (size_t i = 0; i < n; i++) assert_true(same(out[i], qn_f32_gelu(in[i])));
    if (n < N) assert_true(same(out[n], 0));
  }
  memcpy(out, in, sizeof out);
  p = out;
  qn__recipe_map(&qn__recipes[QN__RECIPE_EXP], &p, out, N);
  for (int i = 0; i < N; i++) assert_true(same(out[i], qn_f32_exp(in[i])));
  static float (*const functions[])(float) = {qn_f32_log, qn_f32_tanh, qn_f32_erf, qn_f32_sigmoid, qn_f32_gelu_tanh};
  static const qn_recipe_id ids[] = {QN__RECIPE_LOG, QN__RECIPE_TANH, QN__RECIPE_ERF, QN__RECIPE_SIGMOID,
                                     QN__RECIPE_GELU_TANH};
  for (int k = 0; k < 5; k++) {
    for (int i = 0; i < N; i++) assert_true(same(functions[k](in[i]), eval(ids[k], in[i])));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_well_formed),    cmocka_unit_test(test_error_bounds),
                                     cmocka_unit_test(test_special_values), cmocka_unit_test(test_max_min),
                                     cmocka_unit_test(test_rounding),       cmocka_unit_test(test_conversions),
                                     cmocka_unit_test(test_lanes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
