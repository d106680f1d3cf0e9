/* A convolution in one call: the program that a person would write, compiled. */
#include "kernel_build.h"

typedef struct conv {
  qn__kernel k;
  const qn_conv_desc *d;
  int64_t strides[2], dilations[2], groups;
} conv;

static qn_status bad_shape(const conv *c, const char *what) {
  return qn_error(c->k.ctx, QN_DIAG_SHAPE, qn_place_file(""), "qn_kernel_conv: %s", what);
}

static bool is_size(int64_t v) {
  return v >= 0 || v == QN_DYNAMIC;
}

static qn_status check(conv *c) {
  const qn_conv_desc *d = c->d;
  c->groups = d->groups ? d->groups : 1;
  for (int a = 0; a < 2; a++) {
    c->strides[a] = d->strides[a] ? d->strides[a] : 1;
    c->dilations[a] = d->dilations[a] ? d->dilations[a] : 1;
    if (c->strides[a] < 1 || c->dilations[a] < 1) return bad_shape(c, "a stride or dilation is negative");
    if (d->kernel[a] < 1) return bad_shape(c, "a size of the window is below 1");
  }
  for (int i = 0; i < 4; i++)
    if (d->pads[i] < 0) return bad_shape(c, "a pad is negative");
  if (!is_size(d->batch) || !is_size(d->height) || !is_size(d->width) || d->channels < 1)
    return bad_shape(c, "a size of the image is negative, or it has no channels");
  const int64_t image[4] = {d->batch, d->height, d->width, d->channels};
  const int64_t window[4] = {d->kernel[0], d->kernel[1], d->channels, d->n < 0 ? 0 : d->n};
  if (!qn__kernel_countable(4, image) || !qn__kernel_countable(4, window))
    return bad_shape(c, "an image or weights of these sizes would not fit in memory");
  if (c->groups < 1 || d->channels % c->groups || d->n % c->groups)
    return bad_shape(c, "channels cannot be cut into the groups");
  return qn__kernel_check(&c->k);
}

static qn_type tensor(conv *c, qn_scalar elem, const int64_t shape[4]) {
  static const char *const names[3] = {"n", "h", "w"};
  qn_name symbols[QN_MAX_RANK] = {{0}};
  for (int i = 0; i < 3; i++)
    if (shape[i] == QN_DYNAMIC) symbols[i] = qn_name_of_c(c->k.ctx, names[i]);
  return qn_type_tensor_symbols(c->k.ctx, qn_type_scalar(c->k.ctx, elem), 4, shape, symbols);
}

static qn_value convolve(conv *c, qn_value x, qn_value w) {
  qn_module *m = c->k.m;
  const qn_named_attr attrs[4] = {qn_named(m, "strides", qn_attr_ints(m, QN_I64, 2, c->strides)),
                                  qn_named(m, "pads", qn_attr_ints(m, QN_I64, 4, c->d->pads)),
                                  qn_named(m, "dilations", qn_attr_ints(m, QN_I64, 2, c->dilations)),
                                  qn_named(m, "groups", qn_attr_int(m, (qn_type){0}, c->groups))};
  qn_value operands[2] = {x, w};
  return qn_op_result(m, qn_op_build(&c->k.b, QN_OP_CONV2D, 2, operands, 4, attrs), 0);
}

static qn_status build(conv *c) {
  const qn_conv_desc *d = c->d;
  qn_module *m = c->k.m;
  const int64_t x_shape[4] = {d->batch, d->height, d->width, d->channels};
  const int64_t w_shape[4] = {d->kernel[0], d->kernel[1], d->channels / c->groups, d->n};
  qn_type inputs[2] = {tensor(c, d->x, x_shape), tensor(c, d->w, w_shape)};
  uint32_t num_inputs = d->w_data ? 1 : 2;
  qn_builder top = qn_builder_at_end(m, qn_module_body(m));
  qn_op func =
      qn_build_function(&top, qn_str_of("conv"), qn_type_function(c->k.ctx, num_inputs, inputs, 1, &inputs[0]), true);
  qn_block body = qn_func_body(m, func);
  c->k.b = qn_builder_at_end(m, body);
  qn_value x = qn_block_arg(m, body, 0);
  qn_value w =
      d->w_data ? qn_build_constant(&c->k.b, qn_attr_dense(m, inputs[1], d->w_data)) : qn_block_arg(m, body, 1);
  if (c->k.quantized) {
    float scale = d->w_per_tensor && d->w_scales ? d->w_scales[0] : 1;
    x = qn__kernel_cast(&c->k, QN_OP_SCAST, x, qn__kernel_codes(&c->k, d->x, d->x_scale, d->x_zero_point));
    w = qn__kernel_cast(&c->k, QN_OP_SCAST, w, qn__kernel_codes(&c->k, d->w, scale, 0));
  }
  qn_value sum = convolve(c, x, w), y = sum.id ? qn__kernel_result(&c->k, sum) : (qn_value){0};
  if (!y.id) return qn_module_failed(m) ? QN_ERR_NO_MEMORY : QN_ERR_INPUT;
  qn_op_desc ret = {.kind = QN_OP_RETURN, .num_operands = 1, .operands = &y};
  qn_op_create(&c->k.b, &ret);
  qn_func_update_type(m, func); /* sizes that follow from the image's are told by the body */
  qn_func_set_input_name(m, func, 0, qn_str_of("x"));
  if (num_inputs == 2) qn_func_set_input_name(m, func, 1, qn_str_of("w"));
  qn_func_set_output_name(m, func, 0, qn_str_of("y"));
  return qn_module_failed(m) ? qn_error_no_memory(c->k.ctx) : qn_module_verify(m);
}

qn_status qn_kernel_conv(qn_context *ctx, const qn_conv_desc *d, const qn_compile_options *options, qn_program **out) {
  if (!ctx || !d || !out) return qn_error_null(ctx, __func__);
  /* What follows the sum is what follows that of a matrix product with a column per channel. */
  const qn_matmul_desc tail = {.n = d->n,
                               .a = d->x,
                               .b = d->w,
                               .y = d->y,
                               .a_scale = d->x_scale,
                               .y_scale = d->y_scale,
                               .a_zero_point = d->x_zero_point,
                               .y_zero_point = d->y_zero_point,
                               .b_scales = d->w_scales,
                               .b_per_tensor = d->w_per_tensor,
                               .bias = d->bias,
                               .relu = d->relu};
  conv c = {.k = {.ctx = ctx, .d = &tail, .name = "qn_kernel_conv"}, .d = d};
  *out = NULL;
  qn_status status = check(&c);
  if (status) return status;
  qn__arena_init(&c.k.arena, qn_context_allocator(ctx));
  c.k.m = qn_module_create(ctx);
  status = c.k.m ? build(&c) : qn_error_no_memory(ctx);
  if (!status) status = qn_build_program(c.k.m, options, out);
  qn_module_destroy(c.k.m);
  qn__arena_free(&c.k.arena);
  return status;
}
