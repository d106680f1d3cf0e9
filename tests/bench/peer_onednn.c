/* oneDNN 2: a matmul or inner product with packed weights, made before, whichever is faster here. */
#include "bench.h"
#include <string.h>
#ifdef HAVE_ONEDNN
#  include <omp.h>
#  include <oneapi/dnnl/dnnl.h>
#  include <stdlib.h>

typedef struct dnn {
  dnnl_primitive_t primitive;
  dnnl_stream_t stream;
  dnnl_memory_t memory[8];
  int num_memory;
  void *owned[8];
  int num_owned;
  dnnl_exec_arg_t args[8];
  int num_args;
} dnn;

static dnnl_engine_t engine(void) {
  static dnnl_engine_t e;
  if (!e) dnnl_engine_create(&e, dnnl_cpu, 0);
  return e;
}

static void dnn_run(void *state) {
  dnn *s = state;
  dnnl_primitive_execute(s->primitive, s->stream, s->num_args, s->args);
  dnnl_stream_wait(s->stream);
}

static void dnn_destroy(void *state) {
  dnn *s = state;
  for (int i = 0; i < s->num_memory; i++) dnnl_memory_destroy(s->memory[i]);
  for (int i = 0; i < s->num_owned; i++) free(s->owned[i]);
  if (s->primitive) dnnl_primitive_destroy(s->primitive);
  if (s->stream) dnnl_stream_destroy(s->stream);
  free(s);
}

static dnnl_memory_t memory(dnn *s, const dnnl_memory_desc_t *d, void *data) {
  dnnl_memory_t m = NULL;
  if (!data) data = s->owned[s->num_owned++] = big_alloc(dnnl_memory_desc_get_size(d) + 64);
  if (dnnl_memory_create(&m, d, engine(), data) != dnnl_success) return NULL;
  return s->memory[s->num_memory++] = m;
}

static void argument(dnn *s, int what, dnnl_memory_t m) {
  s->args[s->num_args++] = (dnnl_exec_arg_t){what, m};
}

/* The weights in the layout the primitive asks for. */
static dnnl_memory_t packed(dnn *s, const dnnl_memory_desc_t *plain, void *data, const dnnl_memory_desc_t *wanted) {
  dnnl_memory_t from = memory(s, plain, data), to = memory(s, wanted, NULL);
  dnnl_primitive_desc_t d;
  dnnl_primitive_t reorder;
  if (!from || !to) return NULL;
  if (dnnl_reorder_primitive_desc_create(&d, plain, engine(), wanted, engine(), NULL) != dnnl_success) return NULL;
  bool good = dnnl_primitive_create(&reorder, d) == dnnl_success;
  dnnl_primitive_desc_destroy(d);
  if (!good) return NULL;
  dnnl_exec_arg_t args[2] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
  good = dnnl_primitive_execute(reorder, s->stream, 2, args) == dnnl_success;
  dnnl_stream_wait(s->stream);
  dnnl_primitive_destroy(reorder);
  return good ? to : NULL;
}

static dnnl_data_type_t type_of(qn_scalar t) {
  switch (t) {
  case QN_UI8: return dnnl_u8;
  case QN_I8: return dnnl_s8;
  case QN_I32: return dnnl_s32;
  case QN_BF16: return dnnl_bf16;
  default: return dnnl_f32;
  }
}

/* Scale and relu. In version 2 the bias counts before the output scale, in units of the sums. */
static dnnl_primitive_attr_t attributes(const product *p) {
  dnnl_primitive_attr_t attr;
  dnnl_post_ops_t post;
  dnnl_primitive_attr_create(&attr);
  if (!p->relu) return attr;
  if (p->a_type == QN_UI8) {
    float *scales = big_alloc((size_t)p->n * sizeof *scales);
    for (int64_t j = 0; j < p->n; j++) scales[j] = p->a_scale * p->b_scales[j] / (p->y_type == QN_UI8 ? p->y_scale : 1);
    dnnl_primitive_attr_set_output_scales(attr, p->n, 2, scales);
    big_free(scales, 0);
  }
  dnnl_post_ops_create(&post);
  dnnl_post_ops_append_eltwise(post, 1, dnnl_eltwise_relu, 0, 0);
  dnnl_primitive_attr_set_post_ops(attr, post);
  dnnl_post_ops_destroy(post);
  return attr;
}

typedef struct descs {
  dnnl_memory_desc_t a, b_plain, b, bias, y;
  bool has_bias;
} descs;

static void describe(const product *p, bool inner, descs *d) {
  dnnl_dims_t a = {p->m, p->k}, b = {p->k, p->n}, bt = {p->n, p->k}, y = {p->m, p->n}, bias = {1, p->n}, flat = {p->n};
  dnnl_data_type_t wt = type_of(p->b_type), bt32 = p->a_type == QN_UI8 && p->y_type == QN_UI8 ? dnnl_s32 : dnnl_f32;
  dnnl_memory_desc_init_by_tag(&d->a, 2, a, type_of(p->a_type), dnnl_ab);
  dnnl_memory_desc_init_by_tag(&d->y, 2, y, type_of(p->y_type), dnnl_ab);
  dnnl_memory_desc_init_by_tag(&d->b_plain, 2, inner ? bt : b, wt, inner ? dnnl_ba : dnnl_ab);
  dnnl_memory_desc_init_by_tag(&d->b, 2, inner ? bt : b, wt, dnnl_format_tag_any);
  if (inner)
    dnnl_memory_desc_init_by_tag(&d->bias, 1, flat, bt32, dnnl_a);
  else
    dnnl_memory_desc_init_by_tag(&d->bias, 2, bias, bt32, dnnl_ab);
  d->has_bias = p->relu;
}

static void *bias_of(const product *p) {
  if (p->a_type != QN_UI8) return p->bias;
  if (p->y_type == QN_UI8) return p->bias_i32;
  float *b = big_alloc((size_t)p->n * sizeof *b);
  for (int64_t j = 0; j < p->n; j++) b[j] = p->bias[j] / (p->a_scale * p->b_scales[j]);
  return b;
}

static bool create(const product *p, bool inner, contender *out, const void **y) {
  dnn *s = calloc(1, sizeof *s);
  descs d;
  dnnl_primitive_desc_t pd = NULL;
  dnnl_status_t status;
  if (!s) return false;
  *out = (contender){"onednn", s, dnn_run, NULL, dnn_destroy};
  if (dnnl_stream_create(&s->stream, engine(), dnnl_stream_default_flags) != dnnl_success) goto failed;
  describe(p, inner, &d);
  const dnnl_memory_desc_t *bias = d.has_bias ? &d.bias : NULL;
  dnnl_primitive_attr_t attr = attributes(p);
  if (inner) {
    dnnl_inner_product_desc_t op;
    status = dnnl_inner_product_forward_desc_init(&op, dnnl_forward_inference, &d.a, &d.b, bias, &d.y);
    if (status == dnnl_success) status = dnnl_primitive_desc_create(&pd, &op, attr, engine(), NULL);
  } else {
    dnnl_matmul_desc_t op;
    status = dnnl_matmul_desc_init(&op, &d.a, &d.b, bias, &d.y);
    if (status == dnnl_success) status = dnnl_primitive_desc_create(&pd, &op, attr, engine(), NULL);
  }
  dnnl_primitive_attr_destroy(attr);
  if (status != dnnl_success) goto failed;
  status = dnnl_primitive_create(&s->primitive, pd);
  dnnl_memory_desc_t wanted = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
  dnnl_primitive_desc_destroy(pd);
  if (status != dnnl_success) goto failed;
  dnnl_memory_t weights = packed(s, &d.b_plain, p->b, &wanted), result = memory(s, &d.y, NULL);
  if (!weights || !result) goto failed;
  *y = s->owned[s->num_owned - 1];
  argument(s, DNNL_ARG_SRC, memory(s, &d.a, p->a));
  argument(s, DNNL_ARG_WEIGHTS, weights);
  if (d.has_bias) {
    void *data = bias_of(p);
    if (data != p->bias && data != p->bias_i32) s->owned[s->num_owned++] = data;
    argument(s, DNNL_ARG_BIAS, memory(s, &d.bias, data));
  }
  argument(s, DNNL_ARG_DST, result);
  return true;
failed:
  dnn_destroy(s);
  return false;
}

static double best_of_three(const contender *c) {
  double best = 1e9;
  c->run(c->state);
  for (int i = 0; i < 3; i++) {
    double start = seconds_now();
    c->run(c->state), c->run(c->state);
    double took = seconds_now() - start;
    if (took < best) best = took;
  }
  return best;
}

bool onednn_product(const product *p, const options *o, contender *out, const void **y, peer_note *why) {
  contender other;
  const void *other_y;
  omp_set_num_threads((int)o->threads);
  bool matmul = create(p, false, out, y), inner = create(p, true, &other, &other_y);
  if (!matmul && !inner) snprintf(why->text, sizeof why->text, "it has no primitive for this");
  if (!inner) return matmul;
  if (!matmul || best_of_three(&other) < best_of_three(out)) {
    contender keep = other;
    if (matmul) other = *out;
    *out = keep, *y = other_y;
    if (!matmul) return true;
  }
  contender_destroy(&other);
  return true;
}
#else
bool onednn_product(const product *p, const options *o, contender *out, const void **y, peer_note *why) {
  (void)p, (void)o, (void)out, (void)y;
  snprintf(why->text, sizeof why->text, "not built in: libdnnl-dev (version 2) was not found");
  return false;
}
#endif
