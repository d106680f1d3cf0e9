/* Convolution in oneDNN 2: channels last, weights in the layout it asks for. */
#include "bench.h"
#ifdef HAVE_ONEDNN
#  include "onednn.h"
#  include <omp.h>
#  include <stdlib.h>

typedef struct descs {
  dnnl_memory_desc_t x, w_plain, w, bias, y;
} descs;

static void describe(const conv *c, descs *d) {
  const dnnl_dims_t x = {1, c->c, c->h, c->w}, y = {1, c->o, conv_out(c, c->h, c->kh), conv_out(c, c->w, c->kw)},
                    w = {c->o, c->c, c->kh, c->kw}, bias = {c->o},
                    wg = {c->groups, c->o / c->groups, c->c / c->groups, c->kh, c->kw};
  bool groups = c->groups > 1;
  dnnl_data_type_t codes = c->floats ? dnnl_f32 : dnnl_u8, signs = c->floats ? dnnl_f32 : dnnl_s8;
  dnnl_memory_desc_init_by_tag(&d->x, 4, x, codes, dnnl_nhwc);
  dnnl_memory_desc_init_by_tag(&d->y, 4, y, codes, dnnl_nhwc);
  dnnl_memory_desc_init_by_tag(&d->w_plain, groups ? 5 : 4, groups ? wg : w, signs, groups ? dnnl_hwigo : dnnl_hwio);
  dnnl_memory_desc_init_by_tag(&d->w, groups ? 5 : 4, groups ? wg : w, signs, dnnl_format_tag_any);
  dnnl_memory_desc_init_by_tag(&d->bias, 1, bias, c->floats ? dnnl_f32 : dnnl_s32, dnnl_a);
}

static dnnl_primitive_attr_t attributes(const conv *c) {
  dnnl_primitive_attr_t attr;
  dnnl_post_ops_t post;
  dnnl_primitive_attr_create(&attr);
  if (!c->floats) dnnl_primitive_attr_set_output_scales(attr, c->o, 2, c->scales);
  dnnl_post_ops_create(&post);
  dnnl_post_ops_append_eltwise(post, 1, dnnl_eltwise_relu, 0, 0);
  dnnl_primitive_attr_set_post_ops(attr, post);
  dnnl_post_ops_destroy(post);
  return attr;
}

bool onednn_conv(const conv *c, const options *o, contender *out, const void **y, peer_note *why) {
  dnn *s = dnn_create();
  const dnnl_dims_t strides = {c->stride, c->stride}, pads = {c->pad, c->pad};
  dnnl_convolution_desc_t op;
  dnnl_memory_desc_t wanted;
  descs d;
  if (!s) return false;
  omp_set_num_threads((int)o->threads);
  describe(c, &d);
  dnnl_primitive_attr_t attr = attributes(c);
  bool good = dnnl_convolution_forward_desc_init(&op, dnnl_forward_inference, dnnl_convolution_direct, &d.x, &d.w,
                                                 &d.bias, &d.y, strides, pads, pads) == dnnl_success &&
              dnn_make(s, &op, attr, &wanted);
  dnnl_primitive_attr_destroy(attr);
  dnnl_memory_t weights = good ? dnn_packed(s, &d.w_plain, c->weights, &wanted) : NULL;
  if (!weights) {
    snprintf(why->text, sizeof why->text, "it has no primitive for this");
    return dnn_destroy(s), false;
  }
  dnn_argument(s, DNNL_ARG_SRC, dnn_memory(s, &d.x, c->x));
  dnn_argument(s, DNNL_ARG_WEIGHTS, weights);
  dnn_argument(s, DNNL_ARG_BIAS, dnn_memory(s, &d.bias, c->bias));
  dnn_argument(s, DNNL_ARG_DST, dnn_memory(s, &d.y, NULL));
  *y = dnn_last(s);
  *out = (contender){"onednn", s, dnn_run, NULL, dnn_destroy};
  return true;
}
#else
bool onednn_conv(const conv *c, const options *o, contender *out, const void **y, peer_note *why) {
  (void)c, (void)o, (void)out, (void)y;
  snprintf(why->text, sizeof why->text, "not built in: libdnnl-dev (version 2) was not found");
  return false;
}
#endif
