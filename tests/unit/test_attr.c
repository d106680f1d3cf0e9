/* Attributes: interning, every kind's values, dense data packed and splat, copying between modules, exhausted memory.
 */
#include "attr_impl.h"
#include "failing_alloc.h"
#include "unit.h"
#include <math.h>
#include <quern/module.h>
#include <stdio.h>

typedef struct fixture {
  qn_context *ctx;
  qn_module *m;
} fixture;

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  f->ctx = qn_context_create(NULL);
  f->m = qn_module_create(f->ctx);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  qn_module_destroy(f->m);
  qn_context_destroy(f->ctx);
  free(f);
  return 0;
}

static qn_type scalar(fixture *f, qn_scalar s) {
  return qn_type_scalar(f->ctx, s);
}

static qn_type tensor(fixture *f, qn_scalar s, int64_t n) {
  return qn_type_tensor(f->ctx, scalar(f, s), 1, &n);
}

static void test_integers(void **state) {
  fixture *f = *state;
  qn_attr a = qn_attr_int(f->m, (qn_type){0}, -5);
  assert_int_equal(qn_attr_kind_of(f->m, a), QN_ATTR_INT);
  assert_int_equal(qn_attr_as_int(f->m, a), -5);
  assert_true(qn_type_eq(qn_attr_type_of(f->m, a), scalar(f, QN_I64)));
  assert_true(qn_attr_eq(a, qn_attr_int(f->m, scalar(f, QN_I64), -5)));
  assert_false(qn_attr_eq(a, qn_attr_int(f->m, scalar(f, QN_I32), -5)));
  assert_int_equal(qn_attr_as_int(f->m, qn_attr_int(f->m, scalar(f, QN_I8), 200)), -56);
  assert_int_equal(qn_attr_as_int(f->m, qn_attr_int(f->m, scalar(f, QN_UI8), -1)), 255);
  assert_int_equal(qn_attr_as_int(f->m, qn_attr_int(f->m, scalar(f, QN_SI4), 15)), -1);
  assert_true(qn_attr_as_int(f->m, qn_attr_int(f->m, scalar(f, QN_UI64), -1)) == -1);
  assert_true(qn_attr_as_int(f->m, qn_attr_int(f->m, scalar(f, QN_INDEX), INT64_MIN)) == INT64_MIN);
  assert_true(qn_attr_eq(qn_attr_int(f->m, scalar(f, QN_I1), 1), qn_attr_bool(f->m, true)));
  assert_int_equal(qn_attr_int(f->m, scalar(f, QN_F32), 1).id, 0);
  assert_true(qn_attr_as_bool(f->m, qn_attr_bool(f->m, true)));
  assert_false(qn_attr_as_bool(f->m, qn_attr_bool(f->m, false)));
  assert_true(qn_type_eq(qn_attr_type_of(f->m, qn_attr_bool(f->m, false)), scalar(f, QN_I1)));
  assert_int_equal(qn_attr_kind_of(f->m, qn_attr_unit(f->m)), QN_ATTR_UNIT);
  assert_int_equal(qn_attr_kind_of(f->m, (qn_attr){12345}), QN_ATTR_NULL);
}

static void test_floats(void **state) {
  fixture *f = *state;
  qn_attr a = qn_attr_float(f->m, (qn_type){0}, 0.1);
  assert_true(qn_attr_as_float(f->m, a) == (double)0.1f);
  assert_true(qn_attr_eq(a, qn_attr_float(f->m, scalar(f, QN_F32), (double)0.1f)));
  assert_true(qn_attr_as_float(f->m, qn_attr_float(f->m, scalar(f, QN_F64), 0.1)) == 0.1);
  assert_true(qn_attr_as_float(f->m, qn_attr_float(f->m, scalar(f, QN_F16), 0.1)) == 0x1.998p-4);
  assert_true(qn_attr_as_float(f->m, qn_attr_float(f->m, scalar(f, QN_BF16), 1 + 0x1p-8)) == 1);
  assert_true(qn_attr_as_float(f->m, qn_attr_float(f->m, scalar(f, QN_F8E4M3FN), 447)) == 448);
  qn_attr zero = qn_attr_float(f->m, (qn_type){0}, 0.0), minus = qn_attr_float(f->m, (qn_type){0}, -0.0);
  assert_false(qn_attr_eq(zero, minus));
  assert_true(signbit(qn_attr_as_float(f->m, minus)));
  qn_attr nan1 = qn__attr_float_bits(f->m, scalar(f, QN_F32), 0x7FA00001);
  assert_true(isnan(qn_attr_as_float(f->m, nan1)));
  assert_true(qn__attr_bits_of_float(f->m, nan1) == 0x7FA00001);
  assert_true(qn_attr_eq(nan1, qn__attr_float_bits(f->m, scalar(f, QN_F32), 0x7FA00001)));
  assert_false(qn_attr_eq(nan1, qn__attr_float_bits(f->m, scalar(f, QN_F32), 0x7FC00000)));
  assert_int_equal(qn_attr_float(f->m, scalar(f, QN_I32), 1).id, 0);
  assert_true(qn_attr_as_float(f->m, qn_attr_int(f->m, (qn_type){0}, 3)) == 3);
}

static void test_text(void **state) {
  fixture *f = *state;
  qn_attr s = qn_attr_string(f->m, qn_str_of("abc")), y = qn_attr_symbol(f->m, qn_str_of("abc"));
  assert_false(qn_attr_eq(s, y));
  assert_true(qn_attr_eq(s, qn_attr_string(f->m, (qn_str){"abcdef", 3})));
  assert_string_equal(qn_attr_as_string(f->m, s).data, "abc");
  assert_int_equal(qn_attr_kind_of(f->m, y), QN_ATTR_SYMBOL);
  qn_attr empty = qn_attr_string(f->m, (qn_str){NULL, 0});
  assert_int_equal(qn_attr_kind_of(f->m, empty), QN_ATTR_STRING);
  assert_int_equal(qn_attr_as_string(f->m, empty).size, 0);
  qn_attr zeros = qn_attr_string(f->m, (qn_str){"a\0b", 3});
  assert_int_equal(qn_attr_as_string(f->m, zeros).size, 3);
  qn_attr d = qn_attr_dialect(f->m, qn_str_of("quern.dims"), qn_str_of("\"a\""));
  assert_string_equal(qn_attr_as_string(f->m, d).data, "\"a\"");
  assert_string_equal(qn_attr_dialect_name(f->m, d).data, "quern.dims");
  assert_false(qn_attr_eq(d, qn_attr_dialect(f->m, qn_str_of("quern.other"), qn_str_of("\"a\""))));
  assert_int_equal(qn_attr_symbol(f->m, qn_str_of("")).id, 0);
  qn_attr t = qn_attr_type(f->m, scalar(f, QN_I8));
  assert_true(qn_type_eq(qn_attr_as_type(f->m, t), scalar(f, QN_I8)));
  assert_int_equal(qn_attr_type(f->m, (qn_type){0}).id, 0);
}

static void test_arrays(void **state) {
  fixture *f = *state;
  qn_attr one = qn_attr_int(f->m, (qn_type){0}, 1), two = qn_attr_int(f->m, (qn_type){0}, 2);
  qn_attr a = qn_attr_array(f->m, 2, (qn_attr[]){one, two});
  assert_true(qn_attr_eq(a, qn_attr_array(f->m, 2, (qn_attr[]){one, two})));
  assert_false(qn_attr_eq(a, qn_attr_array(f->m, 2, (qn_attr[]){two, one})));
  assert_int_equal(qn_attr_size(f->m, a), 2);
  assert_true(qn_attr_eq(qn_attr_at(f->m, a, 1), two));
  assert_int_equal(qn_attr_at(f->m, a, 2).id, 0);
  assert_int_equal(qn_attr_kind_of(f->m, qn_attr_array(f->m, 0, NULL)), QN_ATTR_ARRAY);
  assert_int_equal(qn_attr_array(f->m, 1, (qn_attr[]){{0}}).id, 0);
  uint32_t n;
  qn_attr ints = qn_attr_ints(f->m, QN_I8, 3, (int64_t[]){1, 255, -1});
  const int64_t *v = qn_attr_as_ints(f->m, ints, &n);
  assert_int_equal(n, 3);
  assert_int_equal(v[1], -1);
  assert_true(qn_attr_eq(ints, qn_attr_ints(f->m, QN_I8, 3, (int64_t[]){1, -1, -1})));
  assert_false(qn_attr_eq(ints, qn_attr_ints(f->m, QN_I16, 3, (int64_t[]){1, -1, -1})));
  assert_true(qn_type_eq(qn_attr_type_of(f->m, ints), scalar(f, QN_I8)));
  assert_null(qn_attr_as_ints(f->m, a, &n));
  assert_int_equal(n, 0);
  assert_int_equal(qn_attr_ints(f->m, QN_UI8, 0, NULL).id, 0);
  qn_attr deep = a;
  uint32_t levels = 1;
  for (qn_attr next; (next = qn_attr_array(f->m, 1, &deep)).id; deep = next) levels++;
  assert_int_equal(levels, QN__ATTR_MAX_DEPTH);
}

static qn_named_attr entry(fixture *f, const char *name, int64_t v) {
  return (qn_named_attr){qn_name_of_c(f->ctx, name), qn_attr_int(f->m, (qn_type){0}, v)};
}

static void test_dictionaries(void **state) {
  fixture *f = *state;
  qn_named_attr e[] = {entry(f, "b", 2), entry(f, "ab", 3), entry(f, "a", 1)};
  qn_attr d = qn_attr_dict(f->m, 3, e);
  assert_int_equal(qn_attr_size(f->m, d), 3);
  assert_string_equal(qn_name_str(f->ctx, qn_attr_entry(f->m, d, 0).name).data, "a");
  assert_string_equal(qn_name_str(f->ctx, qn_attr_entry(f->m, d, 1).name).data, "ab");
  assert_string_equal(qn_name_str(f->ctx, qn_attr_entry(f->m, d, 2).name).data, "b");
  qn_named_attr other[] = {e[2], e[0], e[1]};
  assert_true(qn_attr_eq(d, qn_attr_dict(f->m, 3, other)));
  assert_int_equal(qn_attr_as_int(f->m, qn_attr_find(f->m, d, qn_name_of_c(f->ctx, "ab"))), 3);
  assert_int_equal(qn_attr_find(f->m, d, qn_name_of_c(f->ctx, "c")).id, 0);
  other[0] = e[0];
  assert_int_equal(qn_attr_dict(f->m, 3, other).id, 0); /* a name twice */
  other[0] = (qn_named_attr){e[2].name, {0}};
  assert_int_equal(qn_attr_dict(f->m, 3, other).id, 0);
  assert_int_equal(qn_attr_kind_of(f->m, qn_attr_dict(f->m, 0, NULL)), QN_ATTR_DICT);

  enum { N = 1000 };
  static qn_named_attr many[N];
  for (int i = 0; i < N; i++) {
    char name[16];
    snprintf(name, sizeof name, "n%d", i * 7919 % N);
    many[i] = entry(f, name, i * 7919 % N);
  }
  qn_attr large = qn_attr_dict(f->m, N, many);
  for (int i = 0; i < N; i++) assert_true(qn_attr_eq(qn_attr_find(f->m, large, many[i].name), many[i].attr));
  assert_int_equal(qn_attr_find(f->m, large, qn_name_of_c(f->ctx, "n1000")).id, 0);
  for (uint32_t i = 1; i < N; i++)
    assert_true(strcmp(qn_name_str(f->ctx, qn_attr_entry(f->m, large, i - 1).name).data,
                       qn_name_str(f->ctx, qn_attr_entry(f->m, large, i).name).data) < 0);
  many[500].name = many[3].name;
  assert_int_equal(qn_attr_dict(f->m, N, many).id, 0);
}

static void test_dense(void **state) {
  fixture *f = *state;
  float v[] = {1, -0.0f, 3, NAN};
  qn_type t = tensor(f, QN_F32, 4);
  qn_attr a = qn_attr_dense(f->m, t, v);
  assert_int_equal(qn_attr_kind_of(f->m, a), QN_ATTR_DENSE);
  assert_false(qn_attr_is_splat(f->m, a));
  assert_ptr_not_equal(qn_attr_data(f->m, a), v);
  assert_memory_equal(qn_attr_data(f->m, a), v, sizeof v);
  assert_true(qn_attr_eq(a, qn_attr_dense(f->m, t, v)));
  assert_true(qn_attr_dense_f64(f->m, a, 2) == 3);
  assert_true(signbit(qn_attr_dense_f64(f->m, a, 1)));
  assert_true(qn_attr_dense_f64(f->m, a, 4) == 0 && qn_attr_dense_f64(f->m, a, -1) == 0);
  v[1] = 0;
  assert_false(qn_attr_eq(a, qn_attr_dense(f->m, t, v)));
  qn_tensor view;
  assert_true(qn_attr_dense_tensor(f->m, a, &view));
  assert_int_equal(view.elem, QN_F32);
  assert_int_equal(view.shape[0], 4);
  assert_true(qn_attr_eq(a, qn_attr_dense_from_tensor(f->m, &view)));

  qn_type dynamic = tensor(f, QN_F32, QN_DYNAMIC);
  assert_int_equal(qn_attr_dense(f->m, dynamic, v).id, 0);
  assert_int_equal(qn_attr_dense(f->m, scalar(f, QN_F32), v).id, 0);
  assert_int_equal(qn_attr_dense(f->m, t, NULL).id, 0);
  assert_false(qn_attr_dense_tensor(f->m, qn_attr_unit(f->m), &view));

  qn_attr empty = qn_attr_dense(f->m, tensor(f, QN_F32, 0), NULL);
  assert_int_equal(qn_attr_kind_of(f->m, empty), QN_ATTR_DENSE);
  assert_false(qn_attr_is_splat(f->m, empty));
  assert_true(qn_attr_eq(empty, qn_attr_splat(f->m, tensor(f, QN_F32, 0), v)));
  assert_true(qn_attr_dense_tensor(f->m, empty, &view));
}

static void test_splats(void **state) {
  fixture *f = *state;
  float v[5] = {2.5f, 2.5f, 2.5f, 2.5f, 2.5f};
  qn_type t = tensor(f, QN_F32, 5);
  qn_attr a = qn_attr_dense(f->m, t, v);
  assert_true(qn_attr_is_splat(f->m, a));
  assert_true(qn_attr_eq(a, qn_attr_splat(f->m, t, v)));
  assert_true(qn_attr_dense_f64(f->m, a, 4) == 2.5);
  qn_tensor view, again;
  assert_true(qn_attr_dense_tensor(f->m, a, &view));
  assert_memory_equal(view.data, v, sizeof v);
  assert_true(qn_attr_dense_tensor(f->m, a, &again));
  assert_ptr_equal(view.data, again.data);
  v[4] = 2.25f;
  assert_false(qn_attr_is_splat(f->m, qn_attr_dense(f->m, t, v)));
  qn_attr one = qn_attr_dense(f->m, qn_type_tensor(f->ctx, scalar(f, QN_F32), 0, NULL), v);
  assert_true(qn_attr_is_splat(f->m, one));
  assert_true(qn_attr_dense_tensor(f->m, one, &view));
  assert_int_equal(view.rank, 0);
  uint8_t bytes[100000];
  memset(bytes, 7, sizeof bytes);
  qn_attr large = qn_attr_dense(f->m, tensor(f, QN_UI8, 100000), bytes);
  assert_true(qn_attr_is_splat(f->m, large));
  bytes[99999] = 8;
  large = qn_attr_dense(f->m, tensor(f, QN_UI8, 100000), bytes);
  assert_false(qn_attr_is_splat(f->m, large));
  assert_false(qn_attr_eq(large, qn_attr_dense(f->m, tensor(f, QN_UI8, 100000), bytes))); /* too large to compare */
  assert_int_equal(qn_attr_dense_i64(f->m, large, 99999), 8);
}

static void test_packed(void **state) {
  fixture *f = *state;
  qn_type t = tensor(f, QN_I4, 3);
  qn_attr a = qn_attr_dense(f->m, t, (uint8_t[]){0x21, 0x0F});
  assert_int_equal(qn_attr_dense_i64(f->m, a, 0), 1);
  assert_int_equal(qn_attr_dense_i64(f->m, a, 2), -1);
  /* Unused bits make no difference. */
  assert_true(qn_attr_eq(a, qn_attr_dense(f->m, t, (uint8_t[]){0x21, 0xAF})));
  qn_attr s = qn_attr_dense(f->m, t, (uint8_t[]){0x99, 0xA9});
  assert_true(qn_attr_is_splat(f->m, s));
  assert_true(qn_attr_eq(s, qn_attr_splat(f->m, t, (uint8_t[]){0xF9})));
  qn_tensor view;
  assert_true(qn_attr_dense_tensor(f->m, s, &view));
  assert_memory_equal(view.data, ((uint8_t[]){0x99, 0x09}), 2);
  for (int64_t n = 1; n < 40; n++)
    for (int k = 0; k < 2; k++) {
      qn_scalar elem = k ? QN_UI2 : QN_I4;
      uint8_t data[40] = {0};
      qn_tensor x = {.elem = elem, .rank = 1, .shape = {n}, .data = data};
      for (int64_t i = 0; i < n; i++) qn_tensor_set_i64(&x, i, 1);
      assert_true(qn_attr_is_splat(f->m, qn_attr_dense_from_tensor(f->m, &x)));
      for (int64_t at = 0; at < n && n > 1; at++) {
        qn_tensor_set_i64(&x, at, 0);
        qn_attr d = qn_attr_dense_from_tensor(f->m, &x);
        assert_false(qn_attr_is_splat(f->m, d));
        assert_int_equal(qn_attr_dense_i64(f->m, d, at), 0);
        qn_tensor_set_i64(&x, at, 1);
      }
    }
}

static void test_quantized_data(void **state) {
  fixture *f = *state;
  qn_type q = qn_type_per_tensor(f->ctx, QN_UI8, 0, 255, 0.5f, 128);
  qn_type t = qn_type_tensor(f->ctx, q, 1, (int64_t[]){2});
  qn_attr a = qn_attr_dense(f->m, t, (uint8_t[]){200, 3});
  assert_int_equal(qn_attr_dense_i64(f->m, a, 0), 200);
  qn_tensor view;
  assert_true(qn_attr_dense_tensor(f->m, a, &view));
  assert_int_equal(view.elem, QN_UI8);
}

static void test_borrowed_and_new(void **state) {
  fixture *f = *state;
  static const int32_t v[] = {1, 2, 3};
  qn_type t = tensor(f, QN_I32, 3);
  qn_name key = qn_name_of_c(f->ctx, "w");
  qn_attr a = qn_attr_dense_borrow(f->m, t, v, key);
  assert_ptr_equal(qn_attr_data(f->m, a), v);
  assert_int_equal(qn_attr_resource(f->m, a).id, key.id);
  assert_true(qn_attr_eq(a, qn_attr_dense_borrow(f->m, t, v, key)));
  assert_false(qn_attr_eq(a, qn_attr_dense_borrow(f->m, t, v, (qn_name){0})));
  assert_false(qn_attr_eq(a, qn_attr_dense(f->m, t, v)));
  void *room;
  qn_attr n = qn_attr_dense_new(f->m, t, &room);
  ((int32_t *)room)[2] = 9;
  assert_int_equal(qn_attr_dense_i64(f->m, n, 2), 9);
  void *other;
  assert_false(qn_attr_eq(n, qn_attr_dense_new(f->m, t, &other)));
  assert_int_equal(qn_attr_dense_new(f->m, scalar(f, QN_I32), &other).id, 0);
  assert_null(other);
}

/* One attribute of every kind in a dictionary. */
static qn_attr everything(qn_context *ctx, qn_module *m) {
  float v[] = {1, 2};
  int64_t two = 2;
  qn_type f32x2 = qn_type_tensor(ctx, qn_type_scalar(ctx, QN_F32), 1, &two);
  void *room;
  qn_attr made = qn_attr_dense_new(m, f32x2, &room);
  qn_attr parts[] = {qn_attr_unit(m),
                     qn_attr_bool(m, true),
                     qn_attr_int(m, qn_type_scalar(ctx, QN_UI16), 7),
                     qn_attr_float(m, qn_type_scalar(ctx, QN_BF16), 0.5),
                     qn_attr_string(m, qn_str_of("s")),
                     qn_attr_type(m, f32x2),
                     qn_attr_ints(m, QN_I32, 2, (int64_t[]){4, 1L << 40}),
                     qn_attr_dense(m, f32x2, v),
                     qn_attr_splat(m, f32x2, v),
                     qn_attr_symbol(m, qn_str_of("f")),
                     qn_attr_dialect(m, qn_str_of("a.b"), qn_str_of("c")),
                     qn__attr_dense_keyed(m, f32x2, v, qn_name_of_c(ctx, "key")),
                     made};
  qn_attr all = qn_attr_array(m, sizeof parts / sizeof *parts, parts);
  return qn_attr_dict(m, 2, (qn_named_attr[]){{qn_name_of_c(ctx, "z"), all}, {qn_name_of_c(ctx, "a"), parts[2]}});
}

static void test_copies(void **state) {
  fixture *f = *state;
  qn_attr d = everything(f->ctx, f->m);
  assert_int_not_equal(d.id, 0);
  qn_module *clone = qn_module_clone(f->m);
  /* Same ids, other memory. */
  assert_int_equal(qn_attr_size(clone, d), 2);
  qn_attr all = qn_attr_find(f->m, d, qn_name_of_c(f->ctx, "z"));
  for (uint32_t i = 0; i < qn_attr_size(f->m, all); i++) {
    qn_attr a = qn_attr_at(f->m, all, i);
    assert_true(qn_attr_eq(a, qn_attr_at(clone, all, i)));
    assert_int_equal(qn_attr_kind_of(clone, a), qn_attr_kind_of(f->m, a));
    if (qn_attr_kind_of(f->m, a) == QN_ATTR_DENSE) assert_ptr_not_equal(qn_attr_data(f->m, a), qn_attr_data(clone, a));
  }
  qn_module *other = qn_module_create(f->ctx);
  qn_attr_string(other, qn_str_of("shifts the ids"));
  qn_attr moved = qn__attr_import(other, f->m, d);
  assert_int_not_equal(moved.id, 0);
  assert_true(qn_attr_eq(qn__attr_import(other, f->m, d), moved));
  assert_true(qn_attr_eq(qn__attr_import(f->m, f->m, d), d));
  qn_module_destroy(f->m);
  f->m = clone;
  assert_true(qn_attr_dense_f64(clone, qn_attr_at(clone, all, 7), 1) == 2);
  qn_attr all2 = qn_attr_find(other, moved, qn_name_of_c(f->ctx, "z"));
  assert_int_equal(qn_attr_size(other, all2), 13);
  for (uint32_t i = 0; i < 13; i++)
    assert_int_equal(qn_attr_kind_of(other, qn_attr_at(other, all2, i)),
                     qn_attr_kind_of(clone, qn_attr_at(clone, all, i)));
  assert_true(qn_attr_dense_f64(other, qn_attr_at(other, all2, 7), 1) == 2);
  assert_string_equal(qn_name_str(f->ctx, qn_attr_resource(other, qn_attr_at(other, all2, 11))).data, "key");
  qn_module_destroy(other);
}

static void test_no_memory(void **state) {
  (void)state;
  for (size_t n = 0;; n++) {
    failing_alloc a;
    qn_allocator al = failing_init(&a, n);
    qn_context *ctx = qn_context_create(&(qn_context_options){.allocator = &al});
    qn_module *m = ctx ? qn_module_create(ctx) : NULL;
    if (m) {
      qn_attr d = everything(ctx, m);
      qn_module *clone = qn_module_clone(m), *other = qn_module_create(ctx);
      if (other) qn__attr_import(other, m, d);
      assert_true(d.id || a.fired);
      qn_module_destroy(other);
      qn_module_destroy(clone);
    }
    qn_module_destroy(m);
    qn_context_destroy(ctx);
    assert_true(failing_clean(&a));
    if (!a.fired) break;
    assert_in_range(n, 0, 2000);
  }
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {T(test_integers),         T(test_floats),       T(test_text),
                                     T(test_arrays),           T(test_dictionaries), T(test_dense),
                                     T(test_splats),           T(test_packed),       T(test_quantized_data),
                                     T(test_borrowed_and_new), T(test_copies),       cmocka_unit_test(test_no_memory)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
