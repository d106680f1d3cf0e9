/* Images on their way into windows: conversion of elements and padding, in one kernel. */
#ifndef QN_LOWER_KERNELS_IMAGE_H
#define QN_LOWER_KERNELS_IMAGE_H
#include "lower_kernels_product.h"
#include <quern/unstable/window.h>

typedef struct image {
  qn_value v;       /* [N,H,W,C] */
  qn_type elem;     /* what its elements become */
  scalar_fn change; /* how; null when they stay */
  qn_value extra;   /* a one-element tensor that conversion and border need; null for none */
  /* Likewise with the extra as an argument: the element, and the border. Null when `extra` is. */
  qn_value (*inside)(lowering *l, qn_builder *b, qn_value x, qn_value extra, bool is_unsigned);
  qn_value (*border)(lowering *l, qn_builder *b, qn_value extra, bool is_unsigned);
  double outside; /* the border, when there is no extra */
  int64_t pads[4];
  bool with_room; /* must be a kern.pad even without pads: behind it there is room */
} image;
/* The padded and converted image. */
qn_value qn__make_image(lowering *l, qn_builder *b, const image *x);
/* Leaves the pads to the window, which steps over the border by itself, where the image is read as it is. */
void qn__leave_out_pads(image *x, qn_window *w);

/* kern.window with an epilogue that yields what it is given. */
qn_value qn__make_window(lowering *l, qn_builder *b, const char *combine, qn_value x, qn_value weights,
                         const char *layout, const qn_window *w, qn_scalar acc, qn_type y);
qn_attr qn__window_attr(lowering *l, const qn_window *w);
/* The same bytes under a type with sizes that are known or taken from x in order. */
qn_value qn__view_as(lowering *l, qn_builder *b, qn_value x, qn_type type);
#endif
