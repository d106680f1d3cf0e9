/* The chain in oneDNN 2: the range by a loop of ours, which its reductions do not beat; a reorder that quantizes, with
 * scale and zero point given at run time; a matmul with both at run time, and bias and gelu as post-operations. */
#include "bench.h"
#ifdef HAVE_ONEDNN
#  include "onednn.h"
#  include <math.h>
#  include <omp.h>
#  include <stdlib.h>
#  include <string.h>

typedef struct dnn_chain {
  const chain *c;
  dnn *quantize, *product;
  float *inverse, *scales; /* 1 / scale; scale * the weights' scales */
  int32_t *zero, *zero_source;
} dnn_chain;

enum { LANES = 64 };

#  if defined(__x86_64__)
__attribute__((target_clones("avx512f", "avx2", "default"), optimize("O3")))
#  endif
static void
range_of(const float *x, size_t n, float *lo, float *hi) {
  float low[LANES] = {0}, high[LANES] = {0};
  size_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (size_t j = 0; j < LANES; j++) {
      low[j] = x[i + j] < low[j] ? x[i + j] : low[j];
      high[j] = x[i + j] > high[j] ? x[i + j] : high[j];
    }
  for (; i < n; i++) low[0] = fminf(low[0], x[i]), high[0] = fmaxf(high[0], x[i]);
  for (size_t j = 1; j < LANES; j++) low[0] = fminf(low[0], low[j]), high[0] = fmaxf(high[0], high[j]);
  *lo = low[0], *hi = high[0];
}

static void run(void *state) {
  dnn_chain *s = state;
  float lo, hi;
  range_of(s->c->x, (size_t)(s->c->m * s->c->k), &lo, &hi);
  float scale = (hi - lo) / 255;
  if (scale == 0) scale = 1;
  *s->inverse = 1 / scale;
  *s->zero = *s->zero_source = (int32_t)nearbyintf(-lo / scale);
  for (int64_t j = 0; j < s->c->n; j++) s->scales[j] = scale * s->c->scales[j];
  dnn_run(s->quantize);
  dnn_run(s->product);
}

static void destroy(void *state) {
  dnn_chain *s = state;
  if (s->quantize) dnn_destroy(s->quantize);
  if (s->product) dnn_destroy(s->product);
  free(s);
}

static dnnl_memory_desc_t matrix(int64_t rows, int64_t columns, dnnl_data_type_t type, dnnl_format_tag_t tag) {
  dnnl_memory_desc_t d;
  dnnl_dims_t dims = {rows, columns};
  dnnl_memory_desc_init_by_tag(&d, 2, dims, type, tag);
  return d;
}

static dnnl_memory_t vector(dnn *s, int64_t n, dnnl_data_type_t type) {
  dnnl_memory_desc_t d;
  dnnl_dims_t dims = {n};
  dnnl_memory_desc_init_by_tag(&d, 1, dims, type, dnnl_a);
  return dnn_memory(s, &d, NULL);
}

static bool make_quantize(dnn_chain *s, dnnl_memory_desc_t *x, dnnl_memory_desc_t *q, void **codes) {
  dnn *d = s->quantize = dnn_create();
  dnnl_primitive_attr_t attr;
  dnnl_primitive_desc_t pd;
  const int32_t runtime = DNNL_RUNTIME_S32_VAL;
  if (!d) return false;
  dnnl_primitive_attr_create(&attr);
  dnnl_primitive_attr_set_output_scales(attr, 1, 0, &DNNL_RUNTIME_F32_VAL);
  dnnl_primitive_attr_set_zero_points(attr, DNNL_ARG_DST, 1, 0, &runtime);
  bool good = dnnl_reorder_primitive_desc_create(&pd, x, dnn_engine(), q, dnn_engine(), attr) == dnnl_success;
  dnnl_primitive_attr_destroy(attr);
  if (!good) return false;
  good = dnnl_primitive_create(&d->primitive, pd) == dnnl_success;
  dnnl_primitive_desc_destroy(pd);
  if (!good) return false;
  dnn_argument(d, DNNL_ARG_FROM, dnn_memory(d, x, s->c->x));
  dnn_argument(d, DNNL_ARG_TO, dnn_memory(d, q, NULL));
  *codes = dnn_last(d);
  dnn_argument(d, DNNL_ARG_ATTR_OUTPUT_SCALES, vector(d, 1, dnnl_f32));
  s->inverse = dnn_last(d);
  dnn_argument(d, DNNL_ARG_ATTR_ZERO_POINTS | DNNL_ARG_DST, vector(d, 1, dnnl_s32));
  s->zero = dnn_last(d);
  return true;
}

static bool make_product(dnn_chain *s, dnnl_memory_desc_t *q, void *codes, const void **y) {
  const chain *c = s->c;
  dnn *d = s->product = dnn_create();
  if (!d) return false;
  dnnl_memory_desc_t w = matrix(c->k, c->n, dnnl_s8, dnnl_format_tag_any), out = matrix(c->m, c->n, dnnl_f32, dnnl_ab),
                     plain = matrix(c->k, c->n, dnnl_s8, dnnl_ab), bias = matrix(1, c->n, dnnl_f32, dnnl_ab), wanted;
  dnnl_primitive_attr_t attr;
  dnnl_post_ops_t post;
  dnnl_matmul_desc_t op;
  const int32_t runtime = DNNL_RUNTIME_S32_VAL;
  dnnl_primitive_attr_create(&attr);
  dnnl_primitive_attr_set_output_scales(attr, 1, 2, &DNNL_RUNTIME_F32_VAL);
  dnnl_primitive_attr_set_zero_points(attr, DNNL_ARG_SRC, 1, 0, &runtime);
  dnnl_post_ops_create(&post);
  dnnl_post_ops_append_binary(post, dnnl_binary_add, &bias);
  dnnl_post_ops_append_eltwise(post, 1, dnnl_eltwise_gelu_erf, 0, 0);
  dnnl_primitive_attr_set_post_ops(attr, post);
  dnnl_post_ops_destroy(post);
  bool good = dnnl_matmul_desc_init(&op, q, &w, NULL, &out) == dnnl_success && dnn_make(d, &op, attr, &wanted);
  dnnl_primitive_attr_destroy(attr);
  dnnl_memory_t weights = good ? dnn_packed(d, &plain, c->w, &wanted) : NULL;
  if (!weights) return false;
  dnn_argument(d, DNNL_ARG_SRC, dnn_memory(d, q, codes));
  dnn_argument(d, DNNL_ARG_WEIGHTS, weights);
  dnn_argument(d, DNNL_ARG_DST, dnn_memory(d, &out, NULL));
  *y = dnn_last(d);
  dnn_argument(d, DNNL_ARG_ATTR_OUTPUT_SCALES, vector(d, c->n, dnnl_f32));
  s->scales = dnn_last(d);
  dnn_argument(d, DNNL_ARG_ATTR_ZERO_POINTS | DNNL_ARG_SRC, vector(d, 1, dnnl_s32));
  s->zero_source = dnn_last(d);
  dnn_argument(d, DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, dnn_memory(d, &bias, c->bias));
  return true;
}

bool onednn_chain(const chain *c, const options *o, contender *out, const void **y, peer_note *why) {
  dnn_chain *s = calloc(1, sizeof *s);
  void *codes;
  if (!s) return false;
  omp_set_num_threads((int)o->threads);
  s->c = c;
  dnnl_memory_desc_t x = matrix(c->m, c->k, dnnl_f32, dnnl_ab), q = matrix(c->m, c->k, dnnl_u8, dnnl_ab);
  if (!make_quantize(s, &x, &q, &codes) || !make_product(s, &q, codes, y)) {
    snprintf(why->text, sizeof why->text, "it has no primitive for this");
    return destroy(s), false;
  }
  *out = (contender){"onednn", s, run, NULL, destroy};
  return true;
}
#else
bool onednn_chain(const chain *c, const options *o, contender *out, const void **y, peer_note *why) {
  (void)c, (void)o, (void)out, (void)y;
  snprintf(why->text, sizeof why->text, "not built in: libdnnl-dev (version 2) was not found");
  return false;
}
#endif
