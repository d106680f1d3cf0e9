/* Functions: signatures, calls, callbacks, the life of values, the floating-point environment, memory running out. */
#include "failing_alloc.h"
#include "interp_test.h"
#include <fenv.h>
#if defined(__SSE__)
#  include <xmmintrin.h>
#endif

static const char symbols[] =
    "func.func @main(%x: tensor<?x?xf32, #quern.dims<\"batch\",\"n\">>, %w: tensor<?xf32, #quern.dims<\"n\">>)\n"
    "    -> tensor<?x?xf32, #quern.dims<\"batch\",\"n\">> {\n"
    "  %0 = quern.mul %x, %w : (tensor<?x?xf32, #quern.dims<\"batch\",\"n\">>, tensor<?xf32, #quern.dims<\"n\">>) -> "
    "tensor<?x?xf32, #quern.dims<\"batch\",\"n\">>\n"
    "  return %0 : tensor<?x?xf32, #quern.dims<\"batch\",\"n\">>\n}\n";

static void signature(void **state) {
  (void)state;
  ev e;
  ev_open(&e);
  qn_module *m = ev_parse(&e, symbols);
  qn_op f = qn_module_function(m, "main");
  float data[6] = {1, 2, 3, 4, 5, 6};
  int32_t ints[6] = {0};
  qn_tensor in[2] = {{QN_F32, 2, {2, 3}, data}, {QN_F32, 1, {3}, data}}, y;
  assert_int_equal(qn_evaluate(m, f, NULL, 2, in, 1, &y), QN_OK);
  static const float want[] = {1, 4, 9, 4, 10, 18};
  assert_memory_equal(y.data, want, sizeof want);
  qn_tensor_free(e.ctx, &y);
  in[1].shape[0] = 2;
  assert_int_equal(qn_evaluate(m, f, NULL, 2, in, 1, &y), QN_ERR_INPUT);
  assert_int_equal(e.code, QN_DIAG_SHAPE);
  ev_expect_said(&e, "input 1 ('w') of @main is 2xf32, but its dimension 0 is named 'n', which is 3 elsewhere");
  assert_null(y.data);
  in[1] = (qn_tensor){QN_I32, 1, {3}, ints};
  assert_int_equal(qn_evaluate(m, f, NULL, 2, in, 1, &y), QN_ERR_INPUT);
  ev_expect_said(&e, "input 1 ('w') of @main is 3xi32, expected elements of tensor<?xf32");
  in[1] = (qn_tensor){QN_F32, 2, {1, 3}, data};
  assert_int_equal(qn_evaluate(m, f, NULL, 2, in, 1, &y), QN_ERR_INPUT);
  ev_expect_said(&e, "of rank 2, expected");
  in[1] = (qn_tensor){QN_F32, 1, {3}, NULL};
  assert_int_equal(qn_evaluate(m, f, NULL, 2, in, 1, &y), QN_ERR_INPUT);
  ev_expect_said(&e, "3xf32, has no data");
  in[1] = (qn_tensor){QN_F32, 1, {-3}, data};
  assert_int_equal(qn_evaluate(m, f, NULL, 2, in, 1, &y), QN_ERR_INPUT);
  ev_expect_said(&e, "is no tensor");
  in[1] = (qn_tensor){QN_F32, 9, {3}, data};
  assert_int_equal(qn_evaluate(m, f, NULL, 2, in, 1, &y), QN_ERR_INPUT);
  ev_expect_said(&e, "is no tensor: rank 9");
  assert_int_equal(qn_evaluate(m, f, NULL, 1, in, 1, &y), QN_ERR_INPUT);
  ev_expect_said(&e, "@main takes 2 inputs, but 1 are given");
  in[1] = (qn_tensor){QN_F32, 1, {3}, data};
  qn_tensor two[2];
  assert_int_equal(qn_evaluate(m, f, NULL, 2, in, 2, two), QN_ERR_INPUT);
  ev_expect_said(&e, "the function has 1 results, but 2 are asked for");
  assert_int_equal(qn_evaluate(m, qn_block_first(m, qn_func_body(m, f)), NULL, 2, in, 1, &y), QN_ERR_INPUT);
  ev_expect_said(&e, "only a function can be evaluated");
  in[0].shape[0] = 0;
  in[0].data = NULL;
  assert_int_equal(qn_evaluate(m, f, NULL, 2, in, 1, &y), QN_OK);
  assert_int_equal(y.shape[0], 0);
  assert_null(y.data);
  qn_tensor_free(e.ctx, &y);
  qn_module_destroy(m);
  ev_close(&e);
}

/* A static size of the signature, a sign that memory does not know, quantized inputs as codes. */
static void element_types(void **state) {
  (void)state;
  ev e;
  ev_open(&e);
  qn_module *m = ev_parse(&e, "func.func @main(%x: tensor<2xsi8>, %q: tensor<2x!quant.uniform<u8:f32, 0.5>>) -> "
                              "(tensor<2xsi8>, tensor<2xf32>) {\n"
                              "  %0 = quern.add %x, %x : (tensor<2xsi8>, tensor<2xsi8>) -> tensor<2xsi8>\n"
                              "  %1 = quant.dcast %q : tensor<2x!quant.uniform<u8:f32, 0.5>> to tensor<2xf32>\n"
                              "  return %0, %1 : tensor<2xsi8>, tensor<2xf32>\n}\n");
  qn_op f = qn_module_function(m, "main");
  int8_t x[3] = {100, -3, 0};
  uint8_t q[2] = {255, 1};
  qn_tensor in[2] = {{QN_I8, 1, {2}, x}, {QN_UI8, 1, {2}, q}}, y[2];
  assert_int_equal(qn_evaluate(m, f, NULL, 2, in, 2, y), QN_OK);
  assert_int_equal(y[0].elem, QN_SI8);
  assert_int_equal(qn_tensor_get_i64(&y[0], 0), -56);
  assert_true(ev_same(qn_tensor_get_f64(&y[1], 0), 127.5));
  qn_tensor_free(e.ctx, &y[0]);
  qn_tensor_free(e.ctx, &y[1]);
  in[1].elem = QN_I8;
  assert_int_equal(qn_evaluate(m, f, NULL, 2, in, 2, y), QN_ERR_INPUT);
  ev_expect_said(&e, "held as ui8");
  in[1].elem = QN_UI8;
  in[0].shape[0] = 3;
  assert_int_equal(qn_evaluate(m, f, NULL, 2, in, 2, y), QN_ERR_INPUT);
  ev_expect_said(&e, "dimension 0 is 3, not 2");
  qn_module_destroy(m);
  ev_close(&e);
}

/* ---- returned values ---- */

/* Inputs and constants come back as copies, one value returned twice as two tensors. */
static void returns(void **state) {
  (void)state;
  ev e;
  ev_open(&e);
  qn_module *m = ev_parse(
      &e, "func.func @main(%x: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) {\n"
          "  %c = arith.constant dense<[7.0, 8.0]> : tensor<2xf32>\n"
          "  %0 = quern.add %x, %c : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>\n"
          "  return %x, %c, %0, %0 : tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>\n}\n");
  float x[2] = {1, 2};
  qn_tensor in = {QN_F32, 1, {2}, x}, y[4];
  assert_int_equal(qn_evaluate(m, qn_module_function(m, "main"), NULL, 1, &in, 4, y), QN_OK);
  static const float want[4][2] = {{1, 2}, {7, 8}, {8, 10}, {8, 10}};
  for (int i = 0; i < 4; i++) {
    assert_memory_equal(y[i].data, want[i], sizeof want[i]);
    assert_ptr_not_equal(y[i].data, x);
    for (int k = 0; k < i; k++) assert_ptr_not_equal(y[i].data, y[k].data);
  }
  for (int i = 0; i < 4; i++) qn_tensor_free(e.ctx, &y[i]);
  qn_tensor_free(e.ctx, &y[0]);
  qn_module_destroy(m);
  ev_close(&e);
}

/* ---- calls ---- */

static void calls(void **state) {
  (void)state;
  ev_program(
      "func.func private @twice(%x: tensor<?xf32>) -> tensor<?xf32> {\n"
      "  %0 = quern.add %x, %x : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>\n  return %0 : tensor<?xf32>\n}\n"
      "func.func private @swap(%x: tensor<?xf32>, %y: tensor<?xf32>) -> (tensor<?xf32>, tensor<?xf32>) {\n"
      "  return %y, %x : tensor<?xf32>, tensor<?xf32>\n}\n"
      "func.func @main(%x: tensor<?xf32>) -> (tensor<?xf32>, tensor<?xf32>) {\n"
      "  %0 = func.call @twice(%x) : (tensor<?xf32>) -> tensor<?xf32>\n"
      "  %1 = func.call @twice(%0) : (tensor<?xf32>) -> tensor<?xf32>\n"
      "  %2, %3 = func.call @swap(%0, %1) : (tensor<?xf32>, tensor<?xf32>) -> (tensor<?xf32>, tensor<?xf32>)\n"
      "  return %2, %3 : tensor<?xf32>, tensor<?xf32>\n}\n",
      1, (const arg[]){{"tensor<2xf32>", V(1, 3)}}, 2,
      (const arg[]){{"tensor<2xf32>", V(4, 12)}, {"tensor<2xf32>", V(2, 6)}});
}

/* A chain of functions as long as wanted, each calling the next. */
static qn_status chain(ev *e, int length, bool circle) {
  enum { ROOM = 32768 };
  static char text[ROOM];
  size_t at = 0;
  for (int i = 0; i < length; i++)
    at += (size_t)snprintf(
        text + at, ROOM - at,
        "func.func %s @%s%d(%%x: tensor<1xf32>) -> tensor<1xf32> {\n  %%0 = func.call @f%d(%%x) : (tensor<1xf32>) "
        "-> tensor<1xf32>\n  return %%0 : tensor<1xf32>\n}\n",
        i ? "private" : "", i ? "f" : "main", i,
        i + 1 < length ? i + 1
        : circle       ? 1
                       : length);
  if (!circle)
    snprintf(text + at, ROOM - at,
             "func.func private @f%d(%%x: tensor<1xf32>) -> tensor<1xf32> {\n  return %%x : tensor<1xf32>\n}\n",
             length);
  qn_module *m;
  qn_parse_options unchecked = {.no_verify = true};
  assert_int_equal(qn_parse_text(e->ctx, qn_str_of(text), "chain", &unchecked, &m), QN_OK);
  float x = 5;
  qn_tensor in = {QN_F32, 1, {1}, &x}, y;
  qn_status s = qn_evaluate(m, qn_module_function(m, "main0"), NULL, 1, &in, 1, &y);
  if (s == QN_OK) assert_true(ev_same(qn_tensor_get_f64(&y, 0), 5));
  qn_tensor_free(e->ctx, &y);
  qn_module_destroy(m);
  return s;
}

static void call_depth(void **state) {
  (void)state;
  ev e;
  ev_open(&e);
  assert_int_equal(chain(&e, 63, false), QN_OK);
  assert_int_equal(chain(&e, 64, false), QN_ERR_INPUT);
  ev_expect_said(&e, "calls are nested deeper than 64");
  assert_int_equal(chain(&e, 3, true), QN_ERR_INPUT);
  ev_expect_said(&e, "@f1 calls itself");
  ev_close(&e);
}

/* ---- callbacks ---- */

typedef struct watch {
  char values[512], observed[512];
  int stop_after;
} watch;

static qn_status on_value(void *user, const qn_module *m, qn_op op, uint32_t result, const qn_tensor *t) {
  watch *w = user;
  size_t at = strlen(w->values);
  snprintf(w->values + at, sizeof w->values - at, "%s#%u=%g ", qn_op_name(m, op).data, result, qn_tensor_get_f64(t, 0));
  return --w->stop_after == 0 ? QN_ERR_IO : QN_OK;
}

static qn_status on_observe(void *user, const qn_module *m, qn_op op, const qn_tensor *x) {
  watch *w = user;
  size_t at = strlen(w->observed);
  qn_str key = qn_attr_as_string(m, qn_op_attr(m, op, "key"));
  snprintf(w->observed + at, sizeof w->observed - at, "%.*s=%g ", (int)key.size, key.data, qn_tensor_get_f64(x, 0));
  return qn_tensor_get_f64(x, 0) > 100 ? QN_ERR_INPUT : QN_OK;
}

static void callbacks(void **state) {
  (void)state;
  ev e;
  ev_open(&e);
  qn_module *m = ev_parse(&e, "func.func private @f(%x: tensor<1xf32>) -> tensor<1xf32> {\n"
                              "  %0 = quern.observe %x {key = \"a\"} : (tensor<1xf32>) -> tensor<1xf32>\n"
                              "  %1 = quern.neg %0 : (tensor<1xf32>) -> tensor<1xf32>\n  return %1 : tensor<1xf32>\n}\n"
                              "func.func @main(%x: tensor<1xf32>) -> tensor<1xf32> {\n"
                              "  %0 = func.call @f(%x) : (tensor<1xf32>) -> tensor<1xf32>\n"
                              "  %1 = quern.observe %0 {key = \"b\"} : (tensor<1xf32>) -> tensor<1xf32>\n"
                              "  return %1 : tensor<1xf32>\n}\n");
  qn_op f = qn_module_function(m, "main");
  float x = 3;
  qn_tensor in = {QN_F32, 1, {1}, &x}, y;
  watch w = {.stop_after = -1};
  qn_eval_options options = {.on_observe = on_observe, .on_value = on_value, .user = &w};
  assert_int_equal(qn_evaluate(m, f, &options, 1, &in, 1, &y), QN_OK);
  assert_string_equal(w.observed, "a=3 b=-3 ");
  assert_string_equal(w.values, "quern.observe#0=3 quern.neg#0=-3 func.call#0=-3 quern.observe#0=-3 ");
  qn_tensor_free(e.ctx, &y);
  w = (watch){.stop_after = 2};
  assert_int_equal(qn_evaluate(m, f, &options, 1, &in, 1, &y), QN_ERR_IO);
  assert_null(y.data);
  w = (watch){.stop_after = -1};
  x = 101;
  assert_int_equal(qn_evaluate(m, f, &options, 1, &in, 1, &y), QN_ERR_INPUT);
  assert_string_equal(w.observed, "a=101 ");
  qn_module_destroy(m);
  ev_close(&e);
}

/* ---- declared sizes that are wrong ---- */

static void declared_sizes(void **state) {
  (void)state;
  ev e;
  ev_open(&e);
  qn_module *m = ev_parse(&e, "func.func @main(%a: tensor<?xf32>, %b: tensor<?xf32>) -> tensor<4xf32> {\n"
                              "  %0 = \"kern.map\"(%a, %b) ({\n^bb0(%x: f32, %y: f32):\n  kern.yield %x : f32\n}) : "
                              "(tensor<?xf32>, tensor<?xf32>) -> tensor<4xf32>\n"
                              "  return %0 : tensor<4xf32>\n}\n");
  float x[4] = {0};
  qn_tensor in[2] = {{QN_F32, 1, {3}, x}, {QN_F32, 1, {1}, x}}, y;
  assert_int_equal(qn_evaluate(m, qn_module_function(m, "main"), NULL, 2, in, 1, &y), QN_ERR_INPUT);
  assert_int_equal(e.code, QN_DIAG_SHAPE);
  ev_expect_said(&e, "result 0 of kern.map comes out as 3xf32 but is declared tensor<4xf32>");
  qn_module_destroy(m);
  m = ev_parse(&e, "func.func @main(%a: tensor<1xf32>) -> tensor<1xf32> {\n"
                   "  %0 = quern.neg %a : (tensor<1xf32>) -> tensor<1xf32>\n  return %0 : tensor<1xf32>\n}\n");
  qn_module_destroy(m);
  qn_parse_options lenient = {.allow_unregistered = true};
  assert_int_equal(qn_parse_text(e.ctx,
                                 qn_str_of("func.func @main(%a: tensor<1xf32>) -> tensor<1xf32> {\n"
                                           "  %0 = \"other.op\"(%a) : (tensor<1xf32>) -> tensor<1xf32>\n"
                                           "  return %0 : tensor<1xf32>\n}\n"),
                                 "x", &lenient, &m),
                   QN_OK);
  in[0].shape[0] = 1;
  assert_int_equal(qn_evaluate(m, qn_module_function(m, "main"), NULL, 1, in, 1, &y), QN_ERR_UNSUPPORTED);
  ev_expect_said(&e, "other.op is not in the op table");
  qn_module_destroy(m);
  ev_close(&e);
}

/* Modules that nobody verified are refused, not trusted. */
static void unverified(void **state) {
  (void)state;
  ev e;
  ev_open(&e);
  qn_module *m = qn_module_create(e.ctx);
  qn_type t = qn_type_tensor(e.ctx, qn_type_scalar(e.ctx, QN_F32), 0, NULL);
  qn_builder b = qn_builder_at_end(m, qn_module_body(m));
  qn_op f = qn_build_function(&b, qn_str_of("main"), qn_type_function(e.ctx, 1, &t, 1, &t), true);
  b = qn_builder_at_end(m, qn_func_body(m, f));
  qn_value x = qn_block_arg(m, qn_func_body(m, f), 0);
  float v = 1;
  qn_tensor in[1] = {{QN_F32, 0, {0}, &v}};
  for (int k = 1; k < QN_OP_KIND_COUNT; k++) {
    for (uint32_t operands = 0; operands < 2; operands++) {
      qn_tensor y[3];
      qn_op op = qn_op_create(
          &b, &(qn_op_desc){
                  .kind = (qn_op_kind)k, .num_operands = operands, .operands = &x, .num_results = 1, .results = &t});
      qn_status s = qn_eval_op(m, op, in, y);
      if (s == QN_OK)
        qn_tensor_free(e.ctx, &y[0]);
      else
        assert_true(e.errors > 0);
      e.errors = 0;
      e.said[0] = 0;
      qn_op_erase(m, op);
    }
  }
  qn_op add = qn_op_create(
      &b, &(qn_op_desc){.kind = QN_OP_MATMUL, .num_operands = 1, .operands = &x, .num_results = 1, .results = &t});
  qn_tensor y;
  assert_int_equal(qn_eval_op(m, add, in, &y), QN_ERR_INPUT);
  ev_expect_said(&e, "quern.matmul has 1 operands, 1 results and 0 regions, which is not what the op table says");
  qn_module_destroy(m);
  ev_close(&e);
}

/* ---- environment ---- */

static const char env_text[] =
    "func.func @main(%a: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>) {\n"
    "  %h = arith.constant dense<0.5> : tensor<f32>\n  %t = arith.constant dense<3.0> : tensor<f32>\n"
    "  %0 = quern.mul %a, %h : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>\n"
    "  %1 = quern.div %a, %t : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>\n"
    "  return %0, %1 : tensor<2xf32>, tensor<2xf32>\n}\n";

/* An embedder that rounds upwards and flushes subnormals gets the same bits, and its settings back. */
static void environment(void **state) {
  (void)state;
  ev e;
  ev_open(&e);
  qn_module *m = ev_parse(&e, env_text);
  float x[2] = {0x1p-126f, 1};
  const float third = 1.0f / 3.0f;
  qn_tensor in = {QN_F32, 1, {2}, x}, y[2];
  int old = fegetround();
  fesetround(FE_UPWARD);
#if defined(__SSE__)
  unsigned csr = _mm_getcsr();
  _mm_setcsr(csr | 0x8040u);
#endif
  qn_status s = qn_evaluate(m, qn_module_function(m, "main"), NULL, 1, &in, 2, y);
  int round_after = fegetround();
#if defined(__SSE__)
  unsigned after = _mm_getcsr();
  _mm_setcsr(csr);
#endif
  fesetround(old);
  assert_int_equal(s, QN_OK);
  assert_int_equal(round_after, FE_UPWARD);
#if defined(__SSE__)
  assert_int_equal(after & 0x8040u, 0x8040u);
#endif
  assert_true(ev_same(qn_tensor_get_f64(&y[0], 0), 0x1p-127));
  assert_true(ev_same(qn_tensor_get_f64(&y[1], 1), (double)third));
  qn_tensor_free(e.ctx, &y[0]);
  qn_tensor_free(e.ctx, &y[1]);
  qn_module_destroy(m);
  ev_close(&e);
}

/* ---- memory ---- */

static qn_op append_neg(qn_builder *b, qn_value x) {
  return qn_op_build(b, QN_OP_NEG, 1, &x, 0, NULL);
}

/* 200 ops in a row on a tensor of 64 KB never hold more than a few of them. */
static void values_die(void **state) {
  (void)state;
  failing_alloc counted;
  qn_allocator allocator = failing_init(&counted, SIZE_MAX);
  qn_context *ctx = qn_context_create(&(qn_context_options){.allocator = &allocator});
  qn_module *m = qn_module_create(ctx);
  int64_t shape[] = {16384};
  qn_type t = qn_type_tensor(ctx, qn_type_scalar(ctx, QN_F32), 1, shape);
  qn_builder b = qn_builder_at_end(m, qn_module_body(m));
  qn_op f = qn_build_function(&b, qn_str_of("main"), qn_type_function(ctx, 1, &t, 1, &t), true);
  b = qn_builder_at_end(m, qn_func_body(m, f));
  qn_value v = qn_block_arg(m, qn_func_body(m, f), 0);
  for (int i = 0; i < 200; i++) v = qn_op_result(m, append_neg(&b, v), 0);
  qn_op_create(&b, &(qn_op_desc){.kind = QN_OP_RETURN, .num_operands = 1, .operands = &v});
  qn_tensor x = {QN_F32, 1, {16384}, calloc(16384, 4)}, y;
  assert_int_equal(qn_evaluate(m, f, NULL, 1, &x, 1, &y), QN_OK); /* interns what evaluation names */
  qn_tensor_free(ctx, &y);
  size_t before = counted.live_bytes;
  counted.peak_bytes = before;
  assert_int_equal(qn_evaluate(m, f, NULL, 1, &x, 1, &y), QN_OK);
  assert_in_range(counted.peak_bytes - before, 65536, 4 * 65536);
  assert_int_equal(counted.live_bytes - before, 65536);
  qn_tensor_free(ctx, &y);
  assert_int_equal(counted.live_bytes, before);
  free(x.data);
  qn_module_destroy(m);
  qn_context_destroy(ctx);
  assert_true(failing_clean(&counted));
}

static const char everything[] =
    "func.func private @f(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {\n"
    "  %0 = quern.observe %x {key = \"a\"} : (tensor<2x3xf32>) -> tensor<2x3xf32>\n"
    "  %1 = quern.softmax %0 : (tensor<2x3xf32>) -> tensor<2x3xf32>\n  return %1 : tensor<2x3xf32>\n}\n"
    "func.func @main(%x: tensor<?x3xf32, #quern.dims<\"b\",\"\">>, %w: tensor<3x3xi8>) -> (tensor<2x3xf32>, "
    "tensor<2x3xi32>, tensor<2x1xf32>) {\n"
    "  %c = arith.constant dense<2.0> : tensor<2x3xf32>\n"
    "  %0 = quern.add %x, %c : (tensor<?x3xf32, #quern.dims<\"b\",\"\">>, tensor<2x3xf32>) -> tensor<2x3xf32>\n"
    "  %1 = func.call @f(%0) : (tensor<2x3xf32>) -> tensor<2x3xf32>\n"
    "  %q, %s, %z = quern.dynamic_quantize %1 {per_row = true, storage = i8} : (tensor<2x3xf32>) -> (tensor<2x3xi8>, "
    "tensor<2x1xf32>, tensor<2x1xi8>)\n"
    "  %2 = kern.pack %w {layout = \"k4n8\"} : (tensor<3x3xi8>) -> tensor<3x3xi8>\n"
    "  %3 = \"kern.gemm\"(%q, %2) ({\n^bb0(%p: i8):\n  kern.yield %p : i8\n}, {\n^bb0(%p: i32):\n  kern.yield %p : "
    "i32\n}) {acc = i32, layout = \"k4n8\"} : (tensor<2x3xi8>, tensor<3x3xi8>) -> tensor<2x3xi32>\n"
    "  %4 = quern.transpose %1 {perm = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>\n"
    "  %5 = quern.matmul %1, %4 : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>\n"
    "  %6 = \"kern.row\"(%5) ({\n^bb0(%v: f32):\n  %m = kern.all_sum %v : (f32) -> f32\n  kern.yield %m : f32\n}) : "
    "(tensor<2x2xf32>) -> tensor<2x1xf32>\n"
    "  %7 = quant.qcast %1 : tensor<2x3xf32> to tensor<2x3x!quant.uniform<i8:f32, 0.1>>\n"
    "  %8 = quant.dcast %7 : tensor<2x3x!quant.uniform<i8:f32, 0.1>> to tensor<2x3xf32>\n"
    "  return %8, %3, %6 : tensor<2x3xf32>, tensor<2x3xi32>, tensor<2x1xf32>\n}\n";

/* Each allocation of an evaluation fails once: a status, or the same results without it; never a leak. */
static void memory_runs_out(void **state) {
  (void)state;
  float x[6] = {1, 2, 3, -1, -2, -3};
  int8_t w[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  qn_tensor in[2] = {{QN_F32, 2, {2, 3}, x}, {QN_I8, 2, {3, 3}, w}}, y[3];
  size_t failures = 0;
  for (size_t n = 0;; n++) {
    failing_alloc f;
    qn_allocator allocator = failing_init(&f, SIZE_MAX);
    qn_context *ctx = qn_context_create(&(qn_context_options){.allocator = &allocator});
    qn_module *m;
    assert_int_equal(qn_parse_text(ctx, qn_str_of(everything), "x", NULL, &m), QN_OK);
    f.fail_at = f.calls + n;
    qn_status s = qn_evaluate(m, qn_module_function(m, "main"), NULL, 2, in, 3, y);
    if (s != QN_OK) assert_int_equal(s, QN_ERR_NO_MEMORY);
    failures += s != QN_OK;
    assert_true(s == QN_OK || f.fired);
    for (int i = 0; i < 3; i++) {
      assert_true((y[i].data != NULL) == (s == QN_OK));
      qn_tensor_free(ctx, &y[i]);
    }
    qn_module_destroy(m);
    qn_context_destroy(ctx);
    assert_true(failing_clean(&f));
    if (!f.fired) break;
  }
  assert_true(failures > 20);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(signature),      cmocka_unit_test(element_types),   cmocka_unit_test(returns),
      cmocka_unit_test(calls),          cmocka_unit_test(call_depth),      cmocka_unit_test(callbacks),
      cmocka_unit_test(declared_sizes), cmocka_unit_test(environment),     cmocka_unit_test(unverified),
      cmocka_unit_test(values_die),     cmocka_unit_test(memory_runs_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
