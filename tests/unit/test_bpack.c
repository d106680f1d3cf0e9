/* Layouts of weights with a scale per block: names, sizes, which type takes which, and that packed elements read back
 * as the type's own. */
#include "ir_test.h"
#include <math.h>
#include <quern/num.h>
#include <quern/unstable/bpack.h>

static void test_names(void **state) {
  (void)state;
  static const char *const good[] = {"b32p32i4f16", "b8p32u4f32",    "b256p32i8bf16",
                                     "b16p32t4e8",  "b4096p32v4f16", "b64p32u8f32"};
  static const char *const bad[] = {
      "",         "b32p32",      "b32p32i4",   "b32n64i4f16",  "b0p32i4f16",  "b12p32i4f16", "b032p32i4f16",
      "n32i4f16", "b32p32i5f16", "b32p32i4f8", "b32p32i4f16x", "b32n32i4f16", "k4n64",       "b99999999999p32i4f16"};
  qn_bpack_layout l;
  char text[32];
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    assert_true(qn_bpack_layout_parse(qn_str_of(good[i]), &l));
    assert_string_equal(qn_bpack_layout_name(&l, text), good[i]);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (qn_bpack_layout_parse(qn_str_of(bad[i]), &l)) fail_msg("'%s' was read as a layout", bad[i]);
}

static void test_sizes(void **state) {
  (void)state;
  qn_bpack_layout l;
  assert_true(qn_bpack_layout_parse(qn_str_of("b32p32i4f16"), &l));
  assert_int_equal(qn_bpack_bytes(&l), 9 * 64); /* 8 lines of nibbles, one of scales */
  assert_int_equal(qn_bpack_matrix_bytes(&l, 33, 33), 2 * 2 * 9 * 64);
  assert_int_equal(qn_bpack_matrix_bytes(&l, 0, 5), 0);
  assert_int_equal(qn_bpack_matrix_bytes(&l, -1, 5), SIZE_MAX);
  assert_int_equal(qn_bpack_matrix_bytes(&l, INT64_MAX, INT64_MAX), SIZE_MAX);
  assert_int_equal(qn_bpack_matrix_bytes(&l, 32, INT64_MAX), SIZE_MAX);
  assert_int_equal(qn_bpack_row_bytes(32, 33), 80);
  assert_int_equal(qn_bpack_row_bytes(32, INT64_MAX), -1);
  assert_true(qn_bpack_layout_parse(qn_str_of("b32p32t4e8"), &l));
  assert_int_equal(qn_bpack_matrix_bytes(&l, 32, 1), 64 + 512 + 32);
  assert_true(qn_bpack_layout_parse(qn_str_of("b32p32u4f16"), &l));
  const size_t all = 512 + 64 + 16; /* no whole lines: four blocks to a group, of six the last two */
  assert_int_equal(qn_bpack_bytes(&l), all);
  qn_bpack_place at = qn_bpack_place_of(&l, 6, 3);
  assert_int_equal(at.codes, 3 * 512);
  assert_int_equal(at.scales, 4 * 512 + 3 * 64);
  assert_int_equal(at.zeros, 4 * (512 + 64) + 3 * 16);
  at = qn_bpack_place_of(&l, 6, 5);
  assert_int_equal(at.codes, 4 * all + 512);
  assert_int_equal(at.scales, 4 * all + 2 * 512 + 64);
  assert_int_equal(at.zeros, 4 * all + 2 * (512 + 64) + 16);
  assert_true(qn_bpack_layout_parse(qn_str_of("b32p32u8f32"), &l));
  assert_int_equal(qn_bpack_bytes(&l), 1024 + 128 + 32);
}

/* The place of each nibble, by the header's formula. */
static void test_places(void **state) {
  (void)state;
  ir_env e;
  ir_open(&e);
  enum { K = 32, N = 18 };
  float scales[N] = {0.5f, 1.5f, 3};
  for (int n = 3; n < N; n++) scales[n] = 1;
  qn_quant q = {.storage = qn_type_scalar(e.ctx, QN_I4),
                .is_signed = true,
                .qmin = -8,
                .qmax = 7,
                .expressed = qn_type_scalar(e.ctx, QN_F32),
                .num_blocks = 2,
                .blocks = {{0, 32}, {1, 1}},
                .num_scales = N,
                .param_rank = 2,
                .param_shape = {1, N},
                .scales = scales,
                .scale_type = QN_F16,
                .tensor_scale = 1};
  qn_type t = qn_type_quant(e.ctx, &q, qn_place_file("test"));
  uint8_t codes[K * N / 2] = {0}, packed[9 * 64];
  qn_tensor c = {.elem = QN_I4, .rank = 2, .shape = {K, N}, .data = codes};
  for (int k = 0; k < K; k++)
    for (int n = 0; n < N; n++) qn_tensor_set_i64(&c, k * N + n, (k * 5 + n * 3) % 16 - 8);
  qn_bpack_layout l;
  const char *reason = "";
  assert_true(qn_bpack_layout_for(e.ctx, t, false, K, false, &l, &reason));
  char text[32];
  assert_string_equal(qn_bpack_layout_name(&l, text), "b32p32i4f16");
  assert_int_equal(qn_bpack_matrix_bytes(&l, K, N), sizeof packed);
  qn_bpack_pack(e.ctx, t, &l, false, &c, packed);
  for (int k = 0; k < K; k++)
    for (int n = 0; n < N; n++) {
      int want = (k * 5 + n * 3) % 16, byte = packed[(k / 4 * 16 + n % 16) * 4 + k % 4];
      assert_int_equal(n < 16 ? byte & 15 : byte >> 4, want);
      assert_int_equal(qn_bpack_int(&l, packed, K, k, n), want - 8);
    }
  uint16_t halves[N] = {0x3800, 0x3E00, 0x4200};
  for (int n = 3; n < N; n++) halves[n] = 0x3C00;
  assert_memory_equal(packed + 512, halves, sizeof halves);
  for (size_t i = 512 + sizeof halves; i < sizeof packed; i++) assert_int_equal(packed[i], 0);
  ir_close(&e);
}

typedef struct form {
  const char *layout; /* for products of integers; null when there is none */
  const char *floats;
  qn_scalar storage;
  bool is_signed, zeros;
  uint32_t entries; /* of a codebook; 17: entries that are no integers */
  qn_scalar scale_type;
  float scale;
} form;
static const form forms[] = {
    {"b16p32i4f16", "b16p32i4f16", QN_I4, true, false, 0, QN_F16, 0.75f},
    {"b16p32u4f16", "b16p32u4f16", QN_I4, false, true, 0, QN_F16, 0.75f},
    {"b16p32i4bf16", "b16p32i4bf16", QN_I2, true, false, 0, QN_BF16, 0x1.02p-40f},
    {"b16p32i8f32", "b16p32i8f32", QN_I8, true, false, 0, QN_F32, 0.1f},
    {"b16p32u8e8", "b16p32u8e8", QN_I8, false, true, 0, QN_F32, 0.5f},
    {"b16p32t4f32", "b16p32v4f32", QN_I4, false, false, 16, QN_F32, 0.3f},
    {NULL, "b16p32v4f16", QN_I4, true, false, 17, QN_F16, 0.75f},
    {"b16p32t4e8", "b16p32v4e8", QN_F4E2M1FN, true, false, 0, QN_F8E8M0FNU, 4},
    {"b16p32t4bf16", "b16p32v4e8", QN_F4E2M1FN, true, false, 0, QN_F8E8M0FNU, 0x1p-126f}, /* half of it is subnormal */
};

/* w * scale of the packed matrix is what the type's own reading gives, K with a tail, both orientations. */
static void check_form(ir_env *e, const form *f, bool transposed, bool floats) {
  enum { K = 40, N = 35, BLOCKS = 3 };
  double entries[16];
  for (int i = 0; i < 16; i++) entries[i] = f->entries == 17 ? i * 0.25 - 1 : i * i - 127;
  float scales[BLOCKS * N];
  int32_t zeros[BLOCKS * N];
  bool narrow = f->storage != QN_I8;
  for (int i = 0; i < BLOCKS * N; i++) scales[i] = f->scale, zeros[i] = f->zeros ? i % (narrow ? 16 : 256) : 0;
  qn_type storage = qn_type_scalar(e->ctx, f->storage), f32 = qn_type_scalar(e->ctx, QN_F32);
  bool codes = f->storage != QN_F4E2M1FN;
  qn_scalar memory = !codes ? QN_F4E2M1FN : f->is_signed ? f->storage : f->storage == QN_I4 ? QN_UI4 : QN_UI8;
  if (f->entries) storage = qn_type_quantile(e->ctx, storage, f->is_signed, f32, 16, entries);
  qn_quant q = {.storage = storage,
                .is_signed = f->is_signed,
                .qmin = codes ? qn_scalar_min(memory) : 0,
                .qmax = codes ? qn_scalar_max(memory) : 0,
                .expressed = f32,
                .num_blocks = 2,
                .blocks = {{transposed, 16}, {!transposed, 1}},
                .num_scales = BLOCKS * N,
                .param_rank = 2,
                .scales = scales,
                .zero_points = f->zeros ? zeros : NULL,
                .scale_type = f->scale_type,
                .tensor_scale = 1};
  q.param_shape[transposed] = BLOCKS, q.param_shape[!transposed] = N;
  qn_type t = qn_type_quant(e->ctx, &q, qn_place_file("test"));
  assert_false(qn_type_is_null(t));
  qn_bpack_layout l;
  qn_bpack_reader r;
  const char *reason = "", *want = floats ? f->floats : f->layout;
  bool ok = qn_bpack_layout_for(e->ctx, t, transposed, K, floats, &l, &reason);
  assert_int_equal(ok, want != NULL);
  if (!ok) {
    assert_non_null(strstr(reason, "no integers"));
    return;
  }
  char text[32];
  assert_string_equal(qn_bpack_layout_name(&l, text), want);
  qn_tensor c = {.elem = codes ? memory : QN_UI4, .rank = 2};
  c.shape[transposed] = K, c.shape[!transposed] = N;
  c.data = calloc(1, qn_tensor_bytes(&c));
  for (int i = 0; i < K * N; i++) qn_tensor_set_i64(&c, i, i * 7 % 251);
  c.elem = memory;
  void *packed = malloc(qn_bpack_matrix_bytes(&l, K, N));
  qn_bpack_pack(e->ctx, t, &l, transposed, &c, packed);
  assert_true(qn_bpack_reader_init(e->ctx, t, transposed, c.shape, floats, &r, &reason));
  for (int k = 0; k < K; k++)
    for (int n = 0; n < N; n++) {
      uint32_t param = qn_bpack_param(&r, k, n);
      assert_int_equal(param, transposed ? n * BLOCKS + k / 16 : k / 16 * N + n);
      float s = qn_bpack_scale(&l, packed, K, k / 16, n);
      assert_true(s == qn_bpack_weight_scale(&r, param));
      qn_tensor raw = c;
      if (!codes) raw.elem = QN_UI4;
      int64_t code = qn_tensor_get_i64(&raw, transposed ? n * K + k : k * N + n);
      double value = f->entries ? entries[code - qn_scalar_min(memory)]
                     : codes    ? (double)(code - zeros[param])
                                : (double)qn_f4e2m1fn_to_f32((uint8_t)code);
      if (floats)
        assert_true((double)qn_bpack_float(&l, packed, K, k, n) * (double)s == value * (double)f->scale);
      else
        assert_true((double)qn_bpack_int(&l, packed, K, k, n) * (double)s == value * (double)f->scale);
    }
  free(c.data), free(packed);
}

static void test_forms(void **state) {
  (void)state;
  ir_env e;
  ir_open(&e);
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
    for (int way = 0; way < 4; way++) check_form(&e, &forms[i], way & 1, way & 2);
  ir_close(&e);
}

/* Types without blocks of k, and blocks that no layout has. */
static void test_refused(void **state) {
  (void)state;
  ir_env e;
  ir_open(&e);
  static const struct {
    const char *type, *reason;
    bool floats;
  } cases[] = {{"8x5xqa1_5", "no blocks of k", false},  {"8x5xi8", "not of a quantized type", true},
               {"8x5xqi16", "at most 8 bits", true},    {"8x5xqf8", "at most 8 bits", true},
               {"12x5xqg0_4_3", "multiple of 8", true}, {"512x5xqg0_512_1", "larger than 256", false}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    qn_bpack_layout l;
    const char *reason = "";
    qn_type t = ir_type(e.ctx, cases[i].type);
    int64_t k = qn_type_shape(e.ctx, t)[0];
    assert_false(qn_bpack_layout_for(e.ctx, qn_type_elem(e.ctx, t), false, k, cases[i].floats, &l, &reason));
    if (!strstr(reason, cases[i].reason)) fail_msg("'%s', expected '%s'", reason, cases[i].reason);
  }
  qn_bpack_layout l;
  const char *reason = "";
  char text[32];
  qn_type t = ir_type(e.ctx, "12x5xqa1_5"); /* a scale per column: one block as long as k */
  assert_true(qn_bpack_layout_for(e.ctx, qn_type_elem(e.ctx, t), false, 12, true, &l, &reason));
  assert_string_equal(qn_bpack_layout_name(&l, text), "b16p32i8f16");
  ir_close(&e);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_sizes),
                                     cmocka_unit_test(test_places), cmocka_unit_test(test_forms),
                                     cmocka_unit_test(test_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
