/* A quantized matrix product in one call: builds the program that a person would write, quantizes nothing by itself,
 * and compiles it. */
#include "kernel_block.h"
#include "kernel_build.h"
#include <math.h>
#include <quern/num.h>
#include <string.h>

typedef qn__kernel matmul;

static qn_type tensor(matmul *k, qn_type elem, uint32_t rank, int64_t x, int64_t y) {
  int64_t shape[2] = {x, y};
  qn_name symbols[2] = {{x == QN_DYNAMIC ? qn_name_of_c(k->ctx, "m").id : 0}, {0}};
  return qn_type_tensor_symbols(k->ctx, elem, rank, shape, symbols);
}

static qn_type scalar(matmul *k, qn_scalar s) {
  return qn_type_scalar(k->ctx, s);
}

qn_type qn__kernel_codes(matmul *k, qn_scalar storage, float scale, int32_t zero_point) {
  return qn_type_per_tensor(k->ctx, storage, qn_scalar_min(storage), qn_scalar_max(storage), scale, zero_point);
}

bool qn__kernel_countable(int64_t n, const int64_t *sizes) {
  int64_t room = INT64_MAX / 8; /* bytes of the largest element */
  for (int64_t i = 0; i < n; i++) {
    if (sizes[i] == 0) return true;
    if (sizes[i] == QN_DYNAMIC) continue;
    if (sizes[i] > room) return false;
    room /= sizes[i];
  }
  return true;
}

static qn_status check_sizes(const matmul *k) {
  const qn_matmul_desc *d = k->d;
  const char *names[3] = {"m", "n", "k"}, *matrices[3] = {"a (m x k)", "b (k x n)", "y (m x n)"};
  const int64_t sizes[3] = {d->m == QN_DYNAMIC ? 0 : d->m, d->n, d->k};
  for (int i = 0; i < 3; i++) {
    if (sizes[i] == QN_DYNAMIC)
      return qn_error(k->ctx, QN_DIAG_SHAPE, qn_place_file(""), "%s: %s is open; only m may be", k->name, names[i]);
    if (sizes[i] < 0)
      return qn_error(k->ctx, QN_DIAG_SHAPE, qn_place_file(""), "%s: %s is %lld; a size is negative", k->name, names[i],
                      (long long)sizes[i]);
  }
  const int64_t shapes[3][2] = {{d->m, d->k}, {d->k, d->n}, {d->m, d->n}};
  for (int i = 0; i < 3; i++)
    if (!qn__kernel_countable(2, shapes[i]))
      return qn_error(k->ctx, QN_DIAG_LIMIT, qn_place_file(""), "%s: %s would not fit in memory", k->name, matrices[i]);
  return QN_OK;
}

static bool is_scale(float s) {
  return isfinite(s) && s > 0;
}

static qn_status bad_scale(const matmul *k, const char *of, float scale, int64_t j) {
  return qn_error(k->ctx, QN_DIAG_DATA, qn_place_file(""),
                  "%s: scale %lld of the %s is %g; scales are finite and greater than zero", k->name, (long long)j, of,
                  (double)scale);
}

static qn_status check_scales(const matmul *k) {
  const qn_matmul_desc *d = k->d;
  int64_t n = !d->b_scales ? 0 : d->b_per_tensor ? 1 : d->n;
  if (!is_scale(d->a_scale)) return bad_scale(k, "activations", d->a_scale, 0);
  for (int64_t j = 0; j < n; j++)
    if (!is_scale(d->b_scales[j])) return bad_scale(k, "weights", d->b_scales[j], j);
  bool codes = d->y == QN_UI8 || d->y == QN_I8;
  return !codes || is_scale(d->y_scale) ? QN_OK : bad_scale(k, "result", d->y_scale, 0);
}

qn_status qn__kernel_check(matmul *k) {
  const qn_matmul_desc *d = k->d;
  qn_status status = check_sizes(k);
  if (status || d->b_block) return status ? status : qn__kernel_block_check(k->ctx, d);
  bool f = d->a == QN_F32 && d->b == QN_F32 && d->y == QN_F32;
  bool q = (d->a == QN_UI8 || d->a == QN_I8) && d->b == QN_I8 &&
           (d->y == QN_F32 || d->y == QN_UI8 || d->y == QN_I8 || d->y == QN_I32);
  qn_place here = qn_place_file("");
  if (!f && !q)
    return qn_error(k->ctx, QN_DIAG_UNSUPPORTED, here,
                    "%s: no kernel for %s x %s -> %s; there are ui8 or i8 x i8 -> f32, ui8, i8, i32, and "
                    "f32 x f32 -> f32",
                    k->name, qn_scalar_get(d->a)->text, qn_scalar_get(d->b)->text, qn_scalar_get(d->y)->text);
  if (q && d->y != QN_I32 && !d->b_scales)
    return qn_error(k->ctx, QN_DIAG_DATA, here, "%s: the weights' scales are null; the result needs them", k->name);
  if (q && d->y == QN_I32 && (d->bias || d->relu) && !d->b_scales)
    return qn_error(k->ctx, QN_DIAG_DATA, here, "%s: the weights' scales are null; the bias is quantized with them",
                    k->name);
  k->quantized = q, k->dequantize = d->y == QN_F32;
  return q ? check_scales(k) : QN_OK;
}

static float b_scale(const qn_matmul_desc *d, int64_t j) {
  return !d->b_scales ? 1 : d->b_scales[d->b_per_tensor ? 0 : j];
}

/* Weights of whole bytes, which may be large: as the caller has them, where the module is gone before the call ends. */
static qn_value weights(matmul *k) {
  enum { LARGE = 1 << 20 };
  const qn_matmul_desc *d = k->d;
  qn_type t = tensor(k, scalar(k, d->b), 2, d->k, d->n);
  bool large = k->lends && d->n && d->k >= LARGE / d->n;
  return qn_build_constant(&k->b, large ? qn_attr_dense_borrow(k->m, t, d->b_data, (qn_name){0})
                                        : qn_attr_dense(k->m, t, d->b_data));
}

static qn_value constant(matmul *k, qn_scalar elem, uint32_t rank, int64_t x, int64_t y, const void *data) {
  return qn_build_constant(&k->b, qn_attr_dense(k->m, tensor(k, scalar(k, elem), rank, x, y), data));
}

qn_value qn__kernel_cast(matmul *k, qn_op_kind kind, qn_value v, qn_type elem) {
  return qn_build_cast(&k->b, kind, v, qn_type_with_elem(k->ctx, qn_value_type(k->m, v), elem));
}

/* Code types: scales per tensor for a, per column for b where given so. */
static qn_value right_matrix(matmul *k, qn_block body, uint32_t *next) {
  const qn_matmul_desc *d = k->d;
  qn_value w = d->b_data ? weights(k) : qn_block_arg(k->m, body, (*next)++);
  if (!k->quantized) return w;
  return qn__kernel_cast(k, QN_OP_SCAST, w, qn__kernel_codes(k, QN_I8, d->b_per_tensor ? b_scale(d, 0) : 1, 0));
}

static qn_value with_bias(matmul *k, qn_value acc) {
  const qn_matmul_desc *d = k->d;
  if (!d->bias) return acc;
  if (k->dequantize || !k->quantized) /* a float bias is added after scaling */
    return qn_build2(&k->b, QN_OP_ADD, acc, constant(k, QN_F32, 1, d->n, 0, d->bias));
  int32_t *bias = qn__arena_array(&k->arena, (size_t)d->n + 1, sizeof *bias);
  if (!bias) return (qn_value){0};
  for (int64_t j = 0; j < d->n; j++)
    if (!qn_quantize_bias((double)d->bias[j], d->a_scale, b_scale(d, j), &bias[j])) {
      qn_error(k->ctx, QN_DIAG_OVERFLOW, qn_place_file(""), "%s: bias %lld does not fit i32 at scale %g", k->name,
               (long long)j, (double)d->a_scale * (double)b_scale(d, j));
      return (qn_value){0};
    }
  return qn_build2(&k->b, QN_OP_ADD, acc, constant(k, QN_I32, 1, d->n, 0, bias));
}

static qn_value multiplier(matmul *k, bool requantize) {
  const qn_matmul_desc *d = k->d;
  int64_t n = d->b_per_tensor ? 1 : d->n;
  float *m = qn__arena_array(&k->arena, (size_t)n + 1, sizeof *m);
  if (!m) return (qn_value){0};
  for (int64_t j = 0; j < n; j++) {
    m[j] = requantize ? qn_requant_multiplier(d->a_scale, b_scale(d, j), d->y_scale) : d->a_scale * b_scale(d, j);
    if (isfinite(m[j])) continue;
    qn_error(k->ctx, QN_DIAG_OVERFLOW, qn_place_file(""),
             "%s: the scales of column %lld are too large for their product", k->name, (long long)j);
    return (qn_value){0};
  }
  return constant(k, QN_F32, d->b_per_tensor ? 0 : 1, n, 0, m);
}

qn_value qn__kernel_result(matmul *k, qn_value acc) {
  const qn_matmul_desc *d = k->d;
  bool requantize = k->quantized && (d->y == QN_UI8 || d->y == QN_I8);
  qn_value scales = {0};
  if ((requantize || (k->quantized && k->dequantize)) && !(scales = multiplier(k, requantize)).id) return scales;
  if (k->quantized && k->dequantize)
    acc = qn_build2(&k->b, QN_OP_MUL, qn__kernel_cast(k, QN_OP_CAST, acc, scalar(k, QN_F32)), scales);
  if (!(acc = with_bias(k, acc)).id) return acc;
  if (d->relu) acc = qn_build1(&k->b, QN_OP_RELU, acc);
  if (!requantize) return acc;
  qn_value operands[2] = {acc, scales};
  qn_type y =
      qn_type_with_elem(k->ctx, qn_value_type(k->m, acc), qn__kernel_codes(k, d->y, d->y_scale, d->y_zero_point));
  qn_op_desc desc = {
      .kind = QN_OP_REQUANTIZE, .num_operands = 2, .operands = operands, .num_results = 1, .results = &y};
  qn_value q = qn_op_result(k->m, qn_op_create(&k->b, &desc), 0);
  return qn__kernel_cast(k, QN_OP_SCAST, q, scalar(k, d->y));
}

static qn_status build(matmul *k) {
  const qn_matmul_desc *d = k->d;
  qn_type inputs[2] = {tensor(k, scalar(k, d->a), 2, d->m, d->k), tensor(k, scalar(k, d->b), 2, d->k, d->n)};
  qn_type output = tensor(k, scalar(k, d->y), 2, d->m, d->n);
  uint32_t next = 0, num_inputs = d->b_data ? 1 : 2;
  qn_builder top = qn_builder_at_end(k->m, qn_module_body(k->m));
  qn_op func =
      qn_build_function(&top, qn_str_of("matmul"), qn_type_function(k->ctx, num_inputs, inputs, 1, &output), true);
  qn_block body = qn_func_body(k->m, func);
  k->b = qn_builder_at_end(k->m, body);
  qn_value operands[2] = {qn_block_arg(k->m, body, next++)};
  if (k->quantized)
    operands[0] = qn__kernel_cast(k, QN_OP_SCAST, operands[0], qn__kernel_codes(k, d->a, d->a_scale, d->a_zero_point));
  qn_value product;
  if (d->b_block) {
    product = qn__kernel_block_product(&k->b, d, operands[0]);
  } else {
    operands[1] = right_matrix(k, body, &next);
    product = qn_op_result(k->m, qn_op_build(&k->b, QN_OP_MATMUL, 2, operands, 0, NULL), 0);
  }
  qn_value y = product.id ? qn__kernel_result(k, product) : (qn_value){0};
  if (y.id && d->b_block && d->y != QN_F32) y = qn__kernel_cast(k, QN_OP_CAST, y, scalar(k, d->y));
  if (!y.id) return qn_module_failed(k->m) ? QN_ERR_NO_MEMORY : QN_ERR_INPUT;
  qn_op_desc ret = {.kind = QN_OP_RETURN, .num_operands = 1, .operands = &y};
  qn_op_create(&k->b, &ret);
  qn_func_set_input_name(k->m, func, 0, qn_str_of("a"));
  if (num_inputs == 2) qn_func_set_input_name(k->m, func, 1, qn_str_of("b"));
  qn_func_set_output_name(k->m, func, 0, qn_str_of("y"));
  return qn_module_failed(k->m) ? qn_error_no_memory(k->ctx) : qn_module_verify(k->m);
}

qn_status qn_kernel_matmul(qn_context *ctx, const qn_matmul_desc *desc, const qn_compile_options *options,
                           qn_program **out) {
  if (!ctx || !desc || !out) return qn_error_null(ctx, __func__);
  const char *engine = options ? options->engine : NULL;
  matmul k = {.ctx = ctx, .d = desc, .name = "qn_kernel_matmul"};
  *out = NULL;
  if (!engine || !strcmp(engine, "auto")) engine = qn_engine_name(0);
  k.lends = strcmp(engine, "interp") != 0; /* which keeps the module */
  qn_status status = qn__kernel_check(&k);
  if (status) return status;
  qn__arena_init(&k.arena, qn_context_allocator(ctx));
  k.m = qn_module_create(ctx);
  status = k.m ? build(&k) : qn_error_no_memory(ctx);
  if (!status) status = qn_build_program(k.m, options, out);
  qn_module_destroy(k.m);
  qn__arena_free(&k.arena);
  return status;
}
