/* Attention in oneDNN 2: a matmul that scales, a softmax in place, a matmul. The scores exist as a whole. */
#include "bench.h"
#ifdef HAVE_ONEDNN
#  include "onednn.h"
#  include <math.h>
#  include <omp.h>
#  include <stdlib.h>

typedef struct dnn_attention {
  dnn *scores, *softmax, *values;
} dnn_attention;

static void run(void *state) {
  dnn_attention *s = state;
  dnn_run(s->scores), dnn_run(s->softmax), dnn_run(s->values);
}

static void destroy(void *state) {
  dnn_attention *s = state;
  if (s->scores) dnn_destroy(s->scores);
  if (s->softmax) dnn_destroy(s->softmax);
  if (s->values) dnn_destroy(s->values);
  free(s);
}

static dnnl_memory_desc_t matrices(int64_t heads, int64_t rows, int64_t columns, dnnl_format_tag_t tag) {
  dnnl_memory_desc_t d;
  dnnl_dims_t dims = {heads, rows, columns};
  dnnl_memory_desc_init_by_tag(&d, 3, dims, dnnl_f32, tag);
  return d;
}

static bool multiply(dnn *d, dnnl_memory_desc_t *a, dnnl_memory_desc_t *b, dnnl_memory_desc_t *y, const float *scale) {
  dnnl_primitive_attr_t attr;
  dnnl_matmul_desc_t op;
  dnnl_primitive_attr_create(&attr);
  if (scale) dnnl_primitive_attr_set_output_scales(attr, 1, 0, scale);
  bool good = dnnl_matmul_desc_init(&op, a, b, NULL, y) == dnnl_success && dnn_make(d, &op, attr, NULL);
  dnnl_primitive_attr_destroy(attr);
  return good;
}

static bool make(dnn_attention *s, const attention_shape *a, const qn_tensor *in, const void **y) {
  const float scale = 1.0f / sqrtf((float)a->d);
  dnnl_memory_desc_t q = matrices(a->heads, a->queries, a->d, dnnl_abc),
                     k = matrices(a->heads, a->d, a->keys, dnnl_acb), /* rows of keys, seen as columns */
      v = matrices(a->heads, a->keys, a->d, dnnl_abc), p = matrices(a->heads, a->queries, a->keys, dnnl_abc);
  dnnl_softmax_desc_t op;
  s->scores = dnn_create(), s->softmax = dnn_create(), s->values = dnn_create();
  if (!s->scores || !s->softmax || !s->values || !multiply(s->scores, &q, &k, &p, &scale) ||
      !multiply(s->values, &p, &v, &q, NULL) ||
      dnnl_softmax_forward_desc_init(&op, dnnl_forward_inference, &p, 2) != dnnl_success ||
      !dnn_make(s->softmax, &op, NULL, NULL))
    return false;
  dnn_argument(s->scores, DNNL_ARG_SRC, dnn_memory(s->scores, &q, in[0].data));
  dnn_argument(s->scores, DNNL_ARG_WEIGHTS, dnn_memory(s->scores, &k, in[1].data));
  dnn_argument(s->scores, DNNL_ARG_DST, dnn_memory(s->scores, &p, NULL));
  void *between = dnn_last(s->scores);
  dnn_argument(s->softmax, DNNL_ARG_SRC, dnn_memory(s->softmax, &p, between));
  dnn_argument(s->softmax, DNNL_ARG_DST, dnn_memory(s->softmax, &p, between));
  dnn_argument(s->values, DNNL_ARG_SRC, dnn_memory(s->values, &p, between));
  dnn_argument(s->values, DNNL_ARG_WEIGHTS, dnn_memory(s->values, &v, in[2].data));
  dnn_argument(s->values, DNNL_ARG_DST, dnn_memory(s->values, &q, NULL));
  *y = dnn_last(s->values);
  return true;
}

bool onednn_attention(const attention_shape *a, const qn_tensor *in, const options *o, contender *out, const void **y,
                      peer_note *why) {
  dnn_attention *s = calloc(1, sizeof *s);
  if (!s) return false;
  omp_set_num_threads((int)o->threads);
  if (!make(s, a, in, y)) {
    snprintf(why->text, sizeof why->text, "it has no primitive for this");
    return destroy(s), false;
  }
  *out = (contender){"onednn", s, run, NULL, destroy};
  return true;
}
#else
bool onednn_attention(const attention_shape *a, const qn_tensor *in, const options *o, contender *out, const void **y,
                      peer_note *why) {
  (void)a, (void)in, (void)o, (void)out, (void)y;
  snprintf(why->text, sizeof why->text, "not built in: libdnnl-dev (version 2) was not found");
  return false;
}
#endif
