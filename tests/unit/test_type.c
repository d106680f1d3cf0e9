/* Types: interning, accessors, every check of quantized parameters, text, exhausted memory. */
#include "failing_alloc.h"
#include "type_text.h"
#include "types_impl.h"
#include "unit.h"
#include <math.h>
#include <quern/type.h>
#include <stdio.h>

typedef struct fixture {
  qn_context *ctx;
  char message[1024];
  qn_diag_code code;
  size_t count;
} fixture;

static void on_diag(void *user, const qn_diag *d) {
  fixture *f = user;
  f->count++;
  f->code = d->code;
  snprintf(f->message, sizeof f->message, "%s", d->message.data);
}

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  f->ctx = qn_context_create(&(qn_context_options){.on_diag = on_diag, .on_diag_user = f});
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  qn_context_destroy(f->ctx);
  free(f);
  return 0;
}

/* The error that the last call reported, then forgotten. */
static void expect_error(fixture *f, qn_diag_code code, const char *part) {
  assert_int_equal(f->count, 1);
  assert_int_equal(f->code, code);
  if (!strstr(f->message, part)) fail_msg("'%s' does not say '%s'", f->message, part);
  f->count = 0;
}

static void expect_text(fixture *f, qn_type t, const char *text) {
  assert_string_equal(qn_type_text(f->ctx, t).data, text);
  assert_int_equal(qn_type_text(f->ctx, t).size, strlen(text));
}

static void expect_printed(fixture *f, qn_type t, unsigned flags, const char *text) {
  qn_buf b;
  qn__buf_init(&b, qn_context_allocator(f->ctx));
  qn__type_print(&b, f->ctx, t, flags);
  assert_string_equal(b.data, text);
  qn__buf_free(&b);
}

static qn_type scalar(fixture *f, qn_scalar s) {
  return qn_type_scalar(f->ctx, s);
}

static void test_scalars(void **state) {
  fixture *f = *state;
  assert_int_equal(qn_type_kind_of(f->ctx, (qn_type){3}), QN_TYPE_NULL); /* nothing made yet */
  for (int s = 1; s < QN_SCALAR_COUNT; s++) {
    qn_type t = scalar(f, (qn_scalar)s);
    assert_int_equal(qn_type_kind_of(f->ctx, t), QN_TYPE_SCALAR);
    assert_int_equal(qn_type_as_scalar(f->ctx, t), s);
    assert_int_equal(qn_type_memory(f->ctx, t), s);
    expect_text(f, t, qn_scalar_get((qn_scalar)s)->text);
    assert_int_equal(qn_scalar_find(qn_type_text(f->ctx, t)), s);
  }
  assert_int_equal(scalar(f, QN_SCALAR_NONE).id, 0);
  assert_int_equal(scalar(f, QN_SCALAR_COUNT).id, 0);
  assert_int_equal(qn_type_kind_of(f->ctx, (qn_type){99999}), QN_TYPE_NULL);
  expect_text(f, (qn_type){0}, "none");
  expect_printed(f, scalar(f, QN_F4E2M1FN), QN__TYPE_GENERIC, "!quern.f4E2M1FN");
  expect_printed(f, scalar(f, QN_F8E8M0FNU), QN__TYPE_GENERIC, "!quern.f8E8M0FNU");
  expect_printed(f, scalar(f, QN_F8E4M3FN), QN__TYPE_GENERIC, "f8E4M3FN");
}

static void test_scalar_table(void **state) {
  (void)state;
  static const struct {
    qn_scalar s;
    int64_t min, max;
  } ranges[] = {{QN_I1, 0, 1},
                {QN_I2, -2, 1},
                {QN_UI2, 0, 3},
                {QN_I4, -8, 7},
                {QN_UI4, 0, 15},
                {QN_SI8, -128, 127},
                {QN_UI8, 0, 255},
                {QN_I16, -32768, 32767},
                {QN_UI32, 0, UINT32_MAX},
                {QN_I64, INT64_MIN, INT64_MAX},
                {QN_UI64, 0, -1},
                {QN_F32, 0, 0}};
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
    assert_true(qn_scalar_min(ranges[i].s) == ranges[i].min);
    assert_true(qn_scalar_max(ranges[i].s) == ranges[i].max);
  }
  assert_int_equal(qn_scalar_bytes(QN_UI4, 7), 4);
  assert_int_equal(qn_scalar_bytes(QN_I2, 5), 2);
  assert_int_equal(qn_scalar_bytes(QN_I1, 5), 5);
  assert_true(qn_scalar_bytes(QN_F64, UINT64_MAX) == SIZE_MAX);
  assert_true(qn_scalar_bytes(QN_I4, UINT64_MAX) == (SIZE_MAX >> 1) + 1);
  qn_tensor t = {.elem = QN_F32, .rank = 3, .shape = {INT64_MAX, 0, INT64_MAX}};
  assert_int_equal(qn_tensor_count(&t), 0);
  t.shape[1] = 3;
  assert_int_equal(qn_tensor_count(&t), -1);
  t.shape[1] = -3;
  assert_int_equal(qn_tensor_count(&t), -1);
  assert_int_equal(qn_tensor_count(&(qn_tensor){.elem = QN_F32}), 1);
}

static void test_tensors(void **state) {
  fixture *f = *state;
  qn_type f32 = scalar(f, QN_F32);
  int64_t shape[] = {4, QN_DYNAMIC, 2};
  qn_type t = qn_type_tensor(f->ctx, f32, 3, shape);
  assert_true(qn_type_eq(t, qn_type_tensor(f->ctx, f32, 3, shape)));
  expect_text(f, t, "tensor<4x?x2xf32>");
  assert_int_equal(qn_type_rank(f->ctx, t), 3);
  assert_int_equal(qn_type_count(f->ctx, t), -1);
  assert_false(qn_type_is_static(f->ctx, t));
  assert_int_equal(qn_type_shape(f->ctx, t)[2], 2);
  assert_true(qn_type_eq(qn_type_elem(f->ctx, t), f32));
  assert_true(qn_type_eq(qn_type_elem(f->ctx, f32), f32));

  qn_name names[] = {qn_name_of_c(f->ctx, "fixed"), qn_name_of_c(f->ctx, "a \"b\"\n"), {0}};
  qn_type named = qn_type_tensor_symbols(f->ctx, f32, 3, shape, names);
  assert_false(qn_type_eq(named, t));
  expect_text(f, named, "tensor<4x?x2xf32, #quern.dims<\"\",\"a \\\"b\\\"\\0A\",\"\">>");
  assert_int_equal(qn_type_symbol(f->ctx, named, 0).id, 0); /* a known size has no symbol */
  assert_int_equal(qn_type_symbol(f->ctx, named, 1).id, names[1].id);
  assert_int_equal(qn_type_symbol(f->ctx, named, 9).id, 0);
  qn_type other = qn_type_with_elem(f->ctx, named, scalar(f, QN_I8));
  assert_int_equal(qn_type_symbol(f->ctx, other, 1).id, names[1].id);
  assert_true(qn_type_eq(qn_type_with_elem(f->ctx, other, f32), named));
  /* Only names of nothing: the same as none. */
  assert_true(qn_type_eq(qn_type_tensor_symbols(f->ctx, f32, 3, shape, (qn_name[3]){{0}}), t));

  qn_type zero = qn_type_tensor(f->ctx, f32, 0, NULL);
  expect_text(f, zero, "tensor<f32>");
  assert_int_equal(qn_type_count(f->ctx, zero), 1);
  assert_null(qn_type_shape(f->ctx, zero));
  assert_int_equal(qn_type_count(f->ctx, qn_type_tensor(f->ctx, f32, 2, (int64_t[]){0, 7})), 0);

  assert_int_equal(qn_type_tensor(f->ctx, f32, 1, (int64_t[]){-1}).id, 0);
  assert_int_equal(qn_type_tensor(f->ctx, f32, QN_MAX_RANK + 1, (int64_t[9]){1}).id, 0);
  assert_int_equal(qn_type_tensor(f->ctx, t, 1, (int64_t[]){1}).id, 0);
  assert_int_equal(qn_type_tensor(f->ctx, (qn_type){0}, 1, (int64_t[]){1}).id, 0);
  assert_int_equal(f->count, 0);

  qn_type huge = qn_type_tensor(f->ctx, f32, 2, (int64_t[]){INT64_MAX, 2});
  assert_int_equal(qn_type_count(f->ctx, huge), -1);
  assert_int_equal(qn__type_check_tensor(f->ctx, huge, qn_place_file("")), QN_ERR_INPUT);
  expect_error(f, QN_DIAG_LIMIT, "63 bits");
}

static void test_functions(void **state) {
  fixture *f = *state;
  qn_type f32 = scalar(f, QN_F32), i8 = scalar(f, QN_I8);
  qn_type a = qn_type_function(f->ctx, 2, (qn_type[]){f32, i8}, 1, (qn_type[]){f32});
  expect_text(f, a, "(f32, i8) -> f32");
  assert_true(qn_type_eq(a, qn_type_function(f->ctx, 2, (qn_type[]){f32, i8}, 1, (qn_type[]){f32})));
  assert_false(qn_type_eq(a, qn_type_function(f->ctx, 1, (qn_type[]){f32}, 2, (qn_type[]){i8, f32})));
  assert_true(qn_type_eq(qn_type_input(f->ctx, a, 1), i8));
  assert_true(qn_type_eq(qn_type_result(f->ctx, a, 0), f32));
  assert_int_equal(qn_type_result(f->ctx, a, 1).id, 0);
  expect_text(f, qn_type_function(f->ctx, 0, NULL, 0, NULL), "() -> ()");
  qn_type nested = qn_type_function(f->ctx, 1, &a, 1, &a);
  expect_text(f, nested, "((f32, i8) -> f32) -> ((f32, i8) -> f32)");
  for (int i = 0; nested.id; i++) {
    assert_in_range(i, 0, QN__TYPE_MAX_DEPTH);
    nested = qn_type_function(f->ctx, 1, &nested, 0, NULL);
  }
  assert_int_equal(qn_type_function(f->ctx, 1, (qn_type[]){{0}}, 0, NULL).id, 0);
}

/* ---- quantized types ---- */

static qn_quant quant(fixture *f, qn_scalar storage, int64_t qmin, int64_t qmax) {
  return (qn_quant){.storage = scalar(f, storage),
                    .is_signed = true,
                    .qmin = qmin,
                    .qmax = qmax,
                    .expressed = scalar(f, QN_F32),
                    .scale_type = QN_F32,
                    .tensor_scale = 1,
                    .num_scales = 1};
}

static qn_type make(fixture *f, const qn_quant *q) {
  return qn_type_quant(f->ctx, q, qn_place_file("q"));
}

static void test_per_tensor(void **state) {
  fixture *f = *state;
  qn_type t = qn_type_per_tensor(f->ctx, QN_I8, -128, 127, 0.0196f, 102);
  expect_text(f, t, "!quant.uniform<i8:f32, 0.0196:102>");
  qn_type n = qn_type_per_tensor(f->ctx, QN_I8, -127, 127, 0.0236f, 0);
  expect_text(f, n, "!quant.uniform<i8<-127:127>:f32, 0.0236>");
  assert_true(qn_type_eq(n, qn_type_per_tensor(f->ctx, QN_SI8, -127, 127, 0.0236f, 0)));
  assert_false(qn_type_eq(n, qn_type_per_tensor(f->ctx, QN_SI8, -127, 127, nextafterf(0.0236f, 1), 0)));
  qn_type u = qn_type_per_tensor(f->ctx, QN_UI8, 0, 255, 1.0f, 255);
  expect_text(f, u, "!quant.uniform<u8:f32, 1.0:255>");
  assert_int_equal(qn_type_storage(f->ctx, u), QN_I8);
  assert_int_equal(qn_type_memory(f->ctx, u), QN_UI8);
  assert_int_equal(qn_type_memory(f->ctx, n), QN_I8);
  qn_type tensor = qn_type_tensor(f->ctx, u, 1, (int64_t[]){QN_DYNAMIC});
  expect_text(f, tensor, "tensor<?x!quant.uniform<u8:f32, 1.0:255>>");
  assert_int_equal(qn_type_memory(f->ctx, tensor), QN_UI8);
  assert_int_equal(qn__type_check_tensor(f->ctx, tensor, qn_place_file("")), QN_OK);
  const qn_quant *q = qn_type_as_quant(f->ctx, u);
  assert_int_equal(q->num_scales, 1);
  assert_false(q->is_signed);
  assert_int_equal(q->zero_points[0], 255);
  assert_null(qn_type_as_quant(f->ctx, n)->zero_points);
  assert_null(qn_type_as_quant(f->ctx, tensor));
  expect_text(f, qn_type_per_tensor(f->ctx, QN_I32, INT32_MIN, INT32_MAX, 1e-40f, INT32_MIN),
              "!quant.uniform<i32:f32, 1.0e-40:-2147483648>");
  assert_int_equal(f->count, 0);
}

static void test_bad_parameters(void **state) {
  fixture *f = *state;
  assert_int_equal(qn_type_per_tensor(f->ctx, QN_I8, -128, 127, 0.0f, 0).id, 0);
  expect_error(f, QN_DIAG_DATA, "scale 1 of 1 is 0.0");
  assert_int_equal(qn_type_per_tensor(f->ctx, QN_I8, -128, 127, -1.5f, 0).id, 0);
  expect_error(f, QN_DIAG_DATA, "-1.5; scales are finite and greater than zero");
  assert_int_equal(qn_type_per_tensor(f->ctx, QN_I8, -128, 127, INFINITY, 0).id, 0);
  expect_error(f, QN_DIAG_DATA, "finite");
  assert_int_equal(qn_type_per_tensor(f->ctx, QN_I8, -128, 127, NAN, 0).id, 0);
  expect_error(f, QN_DIAG_DATA, "finite");
  assert_int_equal(qn_type_per_tensor(f->ctx, QN_I8, -128, 127, 1, 128).id, 0);
  expect_error(f, QN_DIAG_TYPE, "zero point 1 of 1 is 128, outside the codes -128:127");
  assert_int_equal(qn_type_per_tensor(f->ctx, QN_I8, -128, 128, 1, 0).id, 0);
  expect_error(f, QN_DIAG_TYPE, "codes -128:128 do not fit i8, which has -128:127");
  assert_int_equal(qn_type_per_tensor(f->ctx, QN_UI4, -1, 15, 1, 0).id, 0);
  expect_error(f, QN_DIAG_TYPE, "do not fit u4");
  assert_int_equal(qn_type_per_tensor(f->ctx, QN_I8, 5, 5, 1, 0).id, 0);
  expect_error(f, QN_DIAG_TYPE, "the lowest code 5 must be below the highest, 5");
  assert_int_equal(qn_type_per_tensor(f->ctx, QN_F32, 0, 0, 1, 0).id, 0);
  expect_error(f, QN_DIAG_TYPE, "f32 cannot store");
  assert_int_equal(qn_type_per_tensor(f->ctx, QN_I64, 0, 9, 1, 0).id, 0);
  expect_error(f, QN_DIAG_TYPE, "i64 cannot store");
  assert_int_equal(qn_type_per_tensor(f->ctx, QN_F8E5M2, 0, 9, 1, 0).id, 0);
  expect_error(f, QN_DIAG_TYPE, "takes no code range");
  assert_int_equal(qn_type_per_tensor(f->ctx, QN_F8E5M2, 0, 0, 1, 3).id, 0);
  expect_error(f, QN_DIAG_TYPE, "float storage has none");
  float one = 1;
  qn_quant q = quant(f, QN_I8, -128, 127);
  assert_int_equal(make(f, &q).id, 0);
  expect_error(f, QN_DIAG_TYPE, "needs scales");
  q.scales = &one;
  q.expressed = scalar(f, QN_I32);
  assert_int_equal(make(f, &q).id, 0);
  expect_error(f, QN_DIAG_TYPE, "cannot be expressed as i32");
  q.expressed = (qn_type){0};
  assert_int_equal(make(f, &q).id, 0);
  expect_error(f, QN_DIAG_TYPE, "cannot be expressed as none");
  q = quant(f, QN_I8, -128, 127);
  q.scales = &one;
  q.tensor_scale = 0;
  assert_int_equal(make(f, &q).id, 0);
  expect_error(f, QN_DIAG_DATA, "tensor_scale is 0.0");
  q.tensor_scale = 1;
  q.scale_type = QN_I8;
  assert_int_equal(make(f, &q).id, 0);
  expect_error(f, QN_DIAG_TYPE, "scales cannot be stored as i8");
  q.scale_type = QN_F32;
  q.num_scales = 0;
  assert_int_equal(make(f, &q).id, 0);
  expect_error(f, QN_DIAG_TYPE, "at least one scale");
}

static void test_scale_types(void **state) {
  fixture *f = *state;
  static const struct {
    qn_scalar type;
    float scale;
    bool good;
  } cases[] = {{QN_F8E8M0FNU, 0x1p-127f, true}, {QN_F8E8M0FNU, 0x1p127f, true}, {QN_F8E8M0FNU, 0x1p-128f, false},
               {QN_F8E8M0FNU, 0.75f, false},    {QN_F8E4M3FN, 448, true},       {QN_F8E4M3FN, 480, false},
               {QN_F8E4M3FN, 0x1p-9f, true},    {QN_F8E4M3FN, 0x1p-10f, false}, {QN_F8E4M3FN, 0.1f, false},
               {QN_F16, 65504, true},           {QN_F16, 65520, false},         {QN_F16, 0x1p-24f, true},
               {QN_F16, 0x1p-25f, false},       {QN_F16, 0.1f, false},          {QN_BF16, 0x1.fep127f, true},
               {QN_BF16, 0x1.02p0f, true},      {QN_BF16, 0x1.01p0f, false},    {QN_F32, 0x1p-149f, true}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    qn_quant q = quant(f, QN_I4, -8, 7);
    q.scale_type = cases[i].type;
    q.scales = &cases[i].scale;
    assert_int_equal(make(f, &q).id != 0, cases[i].good);
    if (!cases[i].good) expect_error(f, QN_DIAG_DATA, "has no exact form in");
  }
}

static void test_per_axis(void **state) {
  fixture *f = *state;
  float scales[] = {2e-2f, 1.5f};
  int32_t zeros[] = {0, 120};
  qn_type t = qn_type_per_axis(f->ctx, QN_I8, -127, 127, 1, 2, scales, zeros);
  expect_text(f, t, "!quant.uniform<i8<-127:127>:f32:1, {0.02,1.5:120}>");
  expect_printed(f, t, QN__TYPE_GENERIC, "!quant.uniform<i8<-127:127>:f32:1, {0.02,1.5:120}>");
  const qn_quant *q = qn_type_as_quant(f->ctx, t);
  assert_true(q->per_axis);
  assert_int_equal(q->param_rank, 1);
  assert_int_equal(q->param_shape[0], 2);
  assert_ptr_not_equal(q->scales, scales);
  /* Blocks of size 1 along one axis are the same type. */
  qn_quant blocks = quant(f, QN_I8, -127, 127);
  blocks.num_blocks = 1;
  blocks.blocks[0] = (qn_block_dim){1, 1};
  blocks.num_scales = 2;
  blocks.param_rank = 3;
  memcpy(blocks.param_shape, (int64_t[]){1, 2, 1}, 3 * sizeof(int64_t));
  blocks.scales = scales;
  blocks.zero_points = zeros;
  assert_true(qn_type_eq(make(f, &blocks), t));

  int64_t shape[] = {5, 2};
  qn_place nowhere = qn_place_file("");
  assert_int_equal(qn__type_check_tensor(f->ctx, qn_type_tensor(f->ctx, t, 2, shape), nowhere), QN_OK);
  assert_int_equal(qn__type_check_tensor(f->ctx, qn_type_tensor(f->ctx, t, 1, shape), nowhere), QN_ERR_INPUT);
  expect_error(f, QN_DIAG_SHAPE, "along axis 1, but the tensor has 1 axes");
  shape[1] = 3;
  assert_int_equal(qn__type_check_tensor(f->ctx, qn_type_tensor(f->ctx, t, 2, shape), nowhere), QN_ERR_INPUT);
  expect_error(f, QN_DIAG_SHAPE, "takes 3 scales, found 2");
  shape[1] = QN_DYNAMIC;
  assert_int_equal(qn__type_check_tensor(f->ctx, qn_type_tensor(f->ctx, t, 2, shape), nowhere), QN_ERR_INPUT);
  expect_error(f, QN_DIAG_SHAPE, "whose size is not known");
  assert_int_equal(qn_type_per_axis(f->ctx, QN_I8, -127, 127, -1, 2, scales, NULL).id, 0);
  expect_error(f, QN_DIAG_TYPE, "axis -1 is out of range");
  assert_int_equal(qn_type_per_axis(f->ctx, QN_I8, -127, 127, 8, 2, scales, NULL).id, 0);
  expect_error(f, QN_DIAG_TYPE, "axis 8 is out of range");
  assert_int_equal(qn_type_per_axis(f->ctx, QN_I8, -127, 127, 1, 0, scales, NULL).id, 0);
  expect_error(f, QN_DIAG_TYPE, "at least one scale");
}

static void test_sub_channel(void **state) {
  fixture *f = *state;
  float scales[] = {0.1f, 0.2f, 0.3f, 0.4f};
  qn_quant q = quant(f, QN_I4, -8, 7);
  q.num_blocks = 2;
  q.blocks[0] = (qn_block_dim){1, 32}; /* in any order */
  q.blocks[1] = (qn_block_dim){0, 1};
  q.num_scales = 4;
  q.param_rank = 2;
  q.param_shape[0] = q.param_shape[1] = 2;
  q.scales = scales;
  qn_type t = make(f, &q);
  expect_text(f, t, "!quant.uniform<i4:f32:{0:1, 1:32}, {{0.1,0.2}, {0.3,0.4}}>");
  expect_printed(f, t, QN__TYPE_GENERIC, "!quern.uniform<i4:f32:{0:1, 1:32}, {{0.1,0.2}, {0.3,0.4}}>");
  assert_true(qn__type_is_opaque_in_generic(f->ctx, t, QN__TYPE_GENERIC));
  qn_place nowhere = qn_place_file("");
  assert_int_equal(qn__type_check_tensor(f->ctx, qn_type_tensor(f->ctx, t, 2, (int64_t[]){2, 33}), nowhere), QN_OK);
  assert_int_equal(qn__type_check_tensor(f->ctx, qn_type_tensor(f->ctx, t, 2, (int64_t[]){2, 65}), nowhere),
                   QN_ERR_INPUT);
  expect_error(f, QN_DIAG_SHAPE, "axis 1 of size 65 in blocks of 32 takes 3 scales, found 2");
  assert_int_equal(qn__type_check_tensor(f->ctx, qn_type_tensor(f->ctx, t, 3, (int64_t[]){2, 33, 4}), nowhere),
                   QN_ERR_INPUT);
  expect_error(f, QN_DIAG_SHAPE, "nested 2 deep, but the tensor has 3 axes");

  q.param_rank = 3;
  memcpy(q.param_shape, (int64_t[]){2, 2, 1}, 3 * sizeof(int64_t));
  expect_text(f, make(f, &q), "!quant.uniform<i4:f32:{0:1, 1:32}, {{{0.1}, {0.2}}, {{0.3}, {0.4}}}>");
  q.param_shape[2] = 2;
  assert_int_equal(make(f, &q).id, 0);
  expect_error(f, QN_DIAG_TYPE, "2 parameters along axis 2, which is not blocked");
  q.param_shape[2] = 1;
  q.param_shape[0] = 3;
  assert_int_equal(make(f, &q).id, 0);
  expect_error(f, QN_DIAG_TYPE, "4 scales do not fill their shape, which takes 6");
  q.param_rank = 1;
  assert_int_equal(make(f, &q).id, 0);
  expect_error(f, QN_DIAG_TYPE, "nested 1 deep but axis 1 is blocked");
  q.blocks[0].axis = 0;
  assert_int_equal(make(f, &q).id, 0);
  expect_error(f, QN_DIAG_TYPE, "axis 0 has two block sizes");
  q.blocks[0] = (qn_block_dim){1, 0};
  assert_int_equal(make(f, &q).id, 0);
  expect_error(f, QN_DIAG_TYPE, "block size 0 of axis 1");
  q.num_blocks = 9;
  assert_int_equal(make(f, &q).id, 0);
  expect_error(f, QN_DIAG_TYPE, "9 blocked axes");
  q.num_blocks = 0;
  assert_int_equal(make(f, &q).id, 0);
  expect_error(f, QN_DIAG_TYPE, "4 scales without an axis");
  q.per_axis = true;
  assert_int_equal(make(f, &q).id, 0);
  expect_error(f, QN_DIAG_TYPE, "per axis means one axis");
}

static void test_resources(void **state) {
  fixture *f = *state;
  float scales[17];
  for (int i = 0; i < 17; i++) scales[i] = (float)(i + 1);
  qn_type small = qn_type_per_axis(f->ctx, QN_I8, -128, 127, 0, 16, scales, NULL);
  assert_int_equal(qn_type_quant_resource(f->ctx, small).id, 0);
  qn_type t = qn_type_per_axis(f->ctx, QN_I8, -128, 127, 0, 17, scales, NULL);
  qn_str name = qn_name_str(f->ctx, qn_type_quant_resource(f->ctx, t));
  assert_int_equal(name.size, 18);
  char text[200];
  snprintf(text, sizeof text, "!quant.uniform<i8:f32:0, dense_resource<%s>>", name.data);
  expect_text(f, t, text);
  snprintf(text, sizeof text, "!quern.uniform<i8:f32:0, dense_resource<%s>>", name.data);
  expect_printed(f, t, QN__TYPE_GENERIC, text);
  expect_printed(f, t, QN__TYPE_GENERIC | QN__TYPE_INLINE,
                 "!quant.uniform<i8:f32:0, "
                 "{1.0,2.0,3.0,4.0,5.0,6.0,7.0,8.0,9.0,10.0,11.0,12.0,13.0,14.0,15.0,16.0,17.0}>");
  assert_false(qn__type_is_opaque_in_generic(f->ctx, t, QN__TYPE_GENERIC | QN__TYPE_INLINE));
  assert_true(qn__type_is_opaque_in_generic(f->ctx, t, QN__TYPE_GENERIC));
  assert_true(qn_type_eq(t, qn_type_per_axis(f->ctx, QN_I8, -128, 127, 0, 17, scales, (int32_t[17]){0})));
  /* The same parameters under other codes share the resource; other parameters do not. */
  qn_type narrow = qn_type_per_axis(f->ctx, QN_I8, -127, 127, 1, 17, scales, NULL);
  assert_false(qn_type_eq(narrow, t));
  assert_int_equal(qn_type_quant_resource(f->ctx, narrow).id, qn_type_quant_resource(f->ctx, t).id);
  scales[16] = 18;
  qn_type other = qn_type_per_axis(f->ctx, QN_I8, -128, 127, 0, 17, scales, NULL);
  assert_int_not_equal(qn_type_quant_resource(f->ctx, other).id, qn_type_quant_resource(f->ctx, t).id);
  qn_type zeros = qn_type_per_axis(f->ctx, QN_I8, -128, 127, 0, 17, scales, (int32_t[17]){[3] = 1});
  assert_int_not_equal(qn_type_quant_resource(f->ctx, zeros).id, qn_type_quant_resource(f->ctx, other).id);
}

static void test_own_forms(void **state) {
  fixture *f = *state;
  float scales[] = {0.125f, 448};
  qn_quant q = quant(f, QN_F4E2M1FN, 0, 0);
  q.num_blocks = 1;
  q.blocks[0] = (qn_block_dim){1, 16};
  q.num_scales = 2;
  q.param_rank = 2;
  q.param_shape[0] = 1;
  q.param_shape[1] = 2;
  q.scales = scales;
  q.scale_type = QN_F8E4M3FN;
  q.tensor_scale = 0.01f;
  const char *nvfp4 = "!quern.uniform<f4E2M1FN:f32:{1:16}, scale = f8E4M3FN, tensor_scale = 0.01, {{0.125,448.0}}>";
  qn_type t = make(f, &q);
  expect_text(f, t, nvfp4);
  expect_printed(f, t, QN__TYPE_GENERIC, nvfp4);
  assert_int_equal(qn_type_memory(f->ctx, t), QN_F4E2M1FN);

  double entries[] = {-1, -0.0, 0.25, 1e-5};
  qn_type book = qn_type_quantile(f->ctx, scalar(f, QN_UI4), true, scalar(f, QN_F16), 4, entries);
  expect_text(f, book, "!quant.quantile<ui4:f16, {-1.0,-0.0,0.25,1.0e-5}>");
  expect_printed(f, book, QN__TYPE_GENERIC, "!quern.quantile<ui4:f16, {-1.0,-0.0,0.25,1.0e-5}>");
  entries[1] = 0; /* another type: parameters compare by bits */
  assert_false(qn_type_eq(book, qn_type_quantile(f->ctx, scalar(f, QN_UI4), true, scalar(f, QN_F16), 4, entries)));
  q = quant(f, QN_I8, 0, 0);
  q.storage = book;
  q.scales = scales;
  q.scale_type = QN_F16;
  t = make(f, &q);
  expect_text(f, t, "!quern.uniform<!quant.quantile<ui4:f16, {-1.0,-0.0,0.25,1.0e-5}>:f32, scale = f16, 0.125>");
  assert_int_equal(qn_type_memory(f->ctx, t), QN_UI4);
  assert_int_equal(qn_type_storage(f->ctx, t), QN_I4);
  assert_int_equal(qn_type_as_quant(f->ctx, t)->qmax, 3);
  q.qmax = 7;
  assert_int_equal(make(f, &q).id, 0);
  expect_error(f, QN_DIAG_TYPE, "whose codes are 0:3");
  q.qmax = 0;
  q.zero_points = (int32_t[]){1};
  assert_int_equal(make(f, &q).id, 0);
  expect_error(f, QN_DIAG_TYPE, "codebook storage has none");

  assert_int_equal(qn_type_quantile(f->ctx, scalar(f, QN_I2), true, scalar(f, QN_F16), 5, (double[5]){0}).id, 0);
  expect_error(f, QN_DIAG_TYPE, "5 codebook entries; codes of 2 bits name 2 to 4");
  entries[2] = NAN;
  assert_int_equal(qn_type_quantile(f->ctx, scalar(f, QN_I4), true, scalar(f, QN_F16), 4, entries).id, 0);
  expect_error(f, QN_DIAG_DATA, "codebook entry 2");
  assert_int_equal(qn_type_quantile(f->ctx, scalar(f, QN_F32), true, scalar(f, QN_F16), 2, entries).id, 0);
  expect_error(f, QN_DIAG_TYPE, "cannot hold codes");
}

static void test_any_and_calibrated(void **state) {
  fixture *f = *state;
  qn_type f32 = scalar(f, QN_F32), none = {0};
  qn_type a = qn_type_any(f->ctx, scalar(f, QN_I8), true, -8, 7, f32);
  expect_text(f, a, "!quant.any<i8<-8:7>:f32>");
  expect_text(f, qn_type_any(f->ctx, scalar(f, QN_I8), false, 0, 255, none), "!quant.any<u8>");
  expect_text(f, qn_type_any(f->ctx, scalar(f, QN_F8E4M3FN), false, 0, 0, f32), "!quern.any<f8E4M3FN:f32>");
  assert_int_equal(qn_type_get_parts(f->ctx, a).qmin, -8);
  assert_int_equal(qn_type_memory(f->ctx, a), QN_I8);
  assert_int_equal(qn_type_any(f->ctx, scalar(f, QN_I8), true, 0, 200, none).id, 0);
  expect_error(f, QN_DIAG_TYPE, "do not fit i8");
  assert_int_equal(qn_type_any(f->ctx, f32, true, 0, 0, none).id, 0);
  expect_error(f, QN_DIAG_TYPE, "f32 cannot store");

  qn_type c = qn_type_calibrated(f->ctx, f32, -0.998, 1.2321);
  double min, max;
  expect_text(f, c, "!quant.calibrated<f32<-0.998:1.2321>>");
  assert_true(qn_type_calibrated_range(f->ctx, c, &min, &max) && min == -0.998 && max == 1.2321);
  assert_false(qn_type_calibrated_range(f->ctx, a, &min, &max));
  assert_int_equal(qn_type_memory(f->ctx, c), QN_F32);
  qn_type point = qn_type_calibrated(f->ctx, f32, -0.0, 0.0);
  expect_text(f, point, "!quant.calibrated<f32<-0.0:0.0>>");
  expect_printed(f, point, QN__TYPE_GENERIC, "!quern.calibrated<f32<-0.0:0.0>>");
  expect_printed(f, c, QN__TYPE_GENERIC, "!quant.calibrated<f32<-0.998:1.2321>>");
  assert_int_equal(qn_type_calibrated(f->ctx, f32, 1, -1).id, 0);
  expect_error(f, QN_DIAG_DATA, "1.0:-1.0 is no range");
  assert_int_equal(qn_type_calibrated(f->ctx, f32, NAN, 1).id, 0);
  expect_error(f, QN_DIAG_DATA, "is no range");
  assert_int_equal(qn_type_calibrated(f->ctx, scalar(f, QN_I8), 0, 1).id, 0);
  expect_error(f, QN_DIAG_TYPE, "cannot be expressed as i8");

  qn_type o = qn_type_opaque(f->ctx, qn_str_of("quern.thing<1, \"x\">"));
  expect_text(f, o, "!quern.thing<1, \"x\">");
  assert_true(qn_type_eq(o, qn_type_opaque(f->ctx, qn_str_of("quern.thing<1, \"x\">"))));
  assert_int_equal(qn_type_storage(f->ctx, o), QN_SCALAR_NONE);
  assert_int_equal(qn_type_opaque(f->ctx, qn_str_of("")).id, 0);
}

/* Ten thousand types stay distinct and are found again. */
static void test_many(void **state) {
  fixture *f = *state;
  enum { N = 10000 };
  static uint32_t ids[N];
  for (int round = 0; round < 2; round++)
    for (int64_t i = 0; i < N; i++) {
      qn_type e = qn_type_per_tensor(f->ctx, QN_I8, -128, 127, (float)(i + 1), 0);
      qn_type t = qn_type_tensor(f->ctx, e, 2, (int64_t[]){i, 3});
      if (round == 0) ids[i] = t.id;
      assert_int_equal(t.id, ids[i]);
      assert_int_equal(qn_type_shape(f->ctx, t)[0], i);
    }
}

static void exercise(qn_context *ctx) {
  float scales[20];
  for (int i = 0; i < 20; i++) scales[i] = 1;
  qn_type f32 = qn_type_scalar(ctx, QN_F32), i4 = qn_type_scalar(ctx, QN_I4);
  qn_type q = qn_type_per_axis(ctx, QN_I8, -128, 127, 0, 20, scales, (int32_t[20]){1});
  qn_type t = qn_type_tensor(ctx, q, 2, (int64_t[]){20, 4});
  qn_type fn = qn_type_function(ctx, 1, &t, 1, &f32);
  qn_type_text(ctx, fn);
  qn_type book = qn_type_quantile(ctx, i4, false, f32, 2, (double[]){0, 1});
  qn_type_text(ctx, qn_type_calibrated(ctx, f32, 0, 1));
  qn_type_text(ctx, qn_type_any(ctx, i4, false, 0, 15, f32));
  qn_type_text(ctx, qn_type_tensor(ctx, book, 1, (int64_t[]){QN_DYNAMIC}));
  qn_type_text(ctx, qn_type_opaque(ctx, qn_str_of("a.b")));
}

static void count_no_memory(void *user, const qn_diag *d) {
  assert_int_equal(d->code == QN_DIAG_NO_MEMORY || d->code == QN_DIAG_TYPE, 1);
  if (d->code == QN_DIAG_NO_MEMORY) ++*(size_t *)user;
}

static void test_no_memory(void **state) {
  (void)state;
  for (size_t n = 0;; n++) {
    failing_alloc a;
    qn_allocator al = failing_init(&a, n);
    a.sticky = n % 2 == 0;
    size_t reports = 0;
    qn_context *ctx = qn_context_create(
        &(qn_context_options){.allocator = &al, .on_diag = count_no_memory, .on_diag_user = &reports});
    if (ctx) {
      exercise(ctx);
      qn_context_destroy(ctx);
      assert_int_equal(reports, a.fired ? 1 : 0);
    }
    assert_true(failing_clean(&a));
    if (!a.fired) break;
    assert_in_range(n, 0, 1000);
  }
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {T(test_scalars),     cmocka_unit_test(test_scalar_table),
                                     T(test_tensors),     T(test_functions),
                                     T(test_per_tensor),  T(test_bad_parameters),
                                     T(test_scale_types), T(test_per_axis),
                                     T(test_sub_channel), T(test_resources),
                                     T(test_own_forms),   T(test_any_and_calibrated),
                                     T(test_many),        cmocka_unit_test(test_no_memory)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
