/* oneDNN 2: a matmul or inner product with packed weights, made before, whichever is faster here. */
#include "bench.h"
#include "setup.h"
#include <string.h>
#ifdef HAVE_ONEDNN
#  include "onednn.h"
#  include <omp.h>
#  include <stdlib.h>

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
  dnnl_data_type_t wt = dnn_type(p->b_type), bt32 = p->a_type == QN_UI8 && p->y_type == QN_UI8 ? dnnl_s32 : dnnl_f32;
  dnnl_memory_desc_init_by_tag(&d->a, 2, a, dnn_type(p->a_type), dnnl_ab);
  dnnl_memory_desc_init_by_tag(&d->y, 2, y, dnn_type(p->y_type), dnnl_ab);
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
  dnn *s = dnn_create();
  descs d;
  if (!s) return false;
  *out = (contender){"onednn", s, dnn_run, NULL, dnn_destroy};
  describe(p, inner, &d);
  const dnnl_memory_desc_t *bias = d.has_bias ? &d.bias : NULL;
  dnnl_primitive_attr_t attr = attributes(p);
  dnnl_memory_desc_t wanted;
  bool good;
  if (inner) {
    dnnl_inner_product_desc_t op;
    good = dnnl_inner_product_forward_desc_init(&op, dnnl_forward_inference, &d.a, &d.b, bias, &d.y) == dnnl_success &&
           dnn_make(s, &op, attr, &wanted);
  } else {
    dnnl_matmul_desc_t op;
    good = dnnl_matmul_desc_init(&op, &d.a, &d.b, bias, &d.y) == dnnl_success && dnn_make(s, &op, attr, &wanted);
  }
  dnnl_primitive_attr_destroy(attr);
  dnnl_memory_t weights = good ? dnn_packed(s, &d.b_plain, p->b, &wanted) : NULL;
  dnnl_memory_t result = weights ? dnn_memory(s, &d.y, NULL) : NULL;
  if (!result) return contender_destroy(out), false;
  *y = dnn_last(s);
  dnn_argument(s, DNNL_ARG_SRC, dnn_memory(s, &d.a, p->a));
  dnn_argument(s, DNNL_ARG_WEIGHTS, weights);
  dnn_argument(s, DNNL_ARG_DST, result);
  if (d.has_bias) {
    void *data = bias_of(p);
    if (data != p->bias && data != p->bias_i32) s->owned[s->num_owned++] = data;
    dnn_argument(s, DNNL_ARG_BIAS, dnn_memory(s, &d.bias, data));
  }
  return true;
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

/* Matrix products of sizes that it has not met, with what u8s8 rows fuse; weights are not packed. */
int onednn_creations(double *us, int room) {
  float scales[80], zeros[80] = {0};
  int n = 0;
  for (int i = 0; i < 80; i++) scales[i] = 0.01f;
  for (int i = 0; i < room; i++) {
    product p = {.m = 64,
                 .n = 64 + i,
                 .k = 64,
                 .a_type = QN_UI8,
                 .b_type = QN_I8,
                 .y_type = QN_UI8,
                 .a_scale = 0.02f,
                 .y_scale = 0.1f,
                 .b_scales = scales,
                 .bias = zeros,
                 .relu = true};
    dnn *s = dnn_create();
    descs d;
    dnnl_matmul_desc_t op;
    if (!s) return n;
    describe(&p, false, &d);
    dnnl_primitive_attr_t attr = attributes(&p);
    double start = seconds_now();
    bool good = dnnl_matmul_desc_init(&op, &d.a, &d.b, &d.bias, &d.y) == dnnl_success && dnn_make(s, &op, attr, NULL);
    us[n] = (seconds_now() - start) * 1e6;
    n += good;
    dnnl_primitive_attr_destroy(attr);
    dnn_destroy(s);
  }
  return n;
}
#else
int onednn_creations(double *us, int room) {
  (void)us, (void)room;
  return 0;
}
bool onednn_product(const product *p, const options *o, contender *out, const void **y, peer_note *why) {
  (void)p, (void)o, (void)out, (void)y;
  snprintf(why->text, sizeof why->text, "not built in: libdnnl-dev (version 2) was not found");
  return false;
}
#endif
