/* XNNPACK: s8 x s8 with scales per channel, as a 1x1 convolution, the form in which it has them. Activations and
 * results are the same numbers 128 lower. */
#include "bench.h"
#ifdef HAVE_XNNPACK
#  include <stdlib.h>
#  include <xnnpack.h>

typedef struct xnn {
  xnn_operator_t op;
  int8_t *a, *y;
} xnn;

static void xnn_call(void *state) {
  xnn_run_operator(((xnn *)state)->op, NULL);
}

static void xnn_destroy(void *state) {
  xnn *s = state;
  if (s->op) xnn_delete_operator(s->op);
  free(s->a), free(s->y), free(s);
}

static xnn_operator_t create(const product *p) {
  size_t n = (size_t)p->n, k = (size_t)p->k;
  int8_t *weights = big_alloc(n * k), *b = p->b; /* it wants [N, K] */
  xnn_operator_t op = NULL;
  for (size_t i = 0; i < k; i++)
    for (size_t j = 0; j < n; j++) weights[j * k + i] = b[i * n + j];
  enum xnn_status status =
      xnn_create_convolution2d_nhwc_qc8(0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, k, n, k, n, -128, p->a_scale, p->b_scales,
                                        weights, p->bias_i32, -128, p->y_scale, -128, 127, 0, &op);
  free(weights);
  return status == xnn_status_success ? op : NULL;
}

bool xnnpack_product(const product *p, const options *o, contender *out, const void **y, peer_note *why) {
  static bool ready;
  if (p->y_type != QN_UI8 || o->threads > 1) {
    snprintf(why->text, sizeof why->text, "it has s8 x s8 -> s8 only, and takes part in one-thread rows");
    return false;
  }
  if (!ready && xnn_initialize(NULL) != xnn_status_success) {
    snprintf(why->text, sizeof why->text, "xnn_initialize failed");
    return false;
  }
  ready = true;
  xnn *s = calloc(1, sizeof *s);
  if (!s) return false;
  size_t a = (size_t)(p->m * p->k);
  s->a = big_alloc(a + 64), s->y = big_alloc((size_t)(p->m * p->n) + 64); /* it reads a little past the end */
  for (size_t i = 0; i < a; i++) s->a[i] = (int8_t)(((const uint8_t *)p->a)[i] - 128);
  s->op = create(p);
  if (!s->op || xnn_setup_convolution2d_nhwc_qc8(s->op, (size_t)p->m, 1, 1, s->a, s->y, NULL) != xnn_status_success) {
    snprintf(why->text, sizeof why->text, "it refuses this shape or these scales");
    return xnn_destroy(s), false;
  }
  *out = (contender){"xnnpack", s, xnn_call, NULL, xnn_destroy};
  *y = s->y;
  return true;
}
#else
bool xnnpack_product(const product *p, const options *o, contender *out, const void **y, peer_note *why) {
  (void)p, (void)o, (void)out, (void)y;
  snprintf(why->text, sizeof why->text, "not built in: libxnnpack-dev was not found");
  return false;
}
#endif
