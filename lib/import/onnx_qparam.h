/* Scales and zero points of the current node. */
#ifndef QN_ONNX_QPARAM_H
#define QN_ONNX_QPARAM_H
#include "onnx_impl.h"

/* Scale and zero point inputs, and what they belong to. */
typedef struct qn_onnx_qparam {
  unsigned scale_input, zero_input; /* the latter may be absent */
  qn_scalar codes;                  /* element type of the codes */
  uint32_t rank;                    /* of the tensor */
  int64_t axis;                     /* of vectors; counted from 0 */
  int64_t block;                    /* elements along the axis per scale, 0 unless blocked */
  bool is_const;                    /* both are constants */
  qn_tensor scale, zero;            /* their data, then; zero.data null when absent */
} qn_onnx_qparam;

/* Reads the inputs' data when they are constants. The other members must be set. */
qn_status qn__onnx_qparam_read(qn_onnx *im, qn_onnx_qparam *p);
/* The quantized type that constant parameters describe. */
qn_status qn__onnx_qparam_type(qn_onnx *im, const qn_onnx_qparam *p, qn_type *out);

/* ---- QLinear ops (ops_matmul.c) ---- */
/* Parameters of input `input` at inputs `scale` and `scale` + 1; those of vectors belong to the last axis. */
qn_status qn__onnx_qlinear_side(qn_onnx *im, unsigned input, unsigned scale, qn_onnx_qparam *p);
/* Sums as codes where parameters are values: the steps of qlinear ops in f32 arithmetic, with the scales of both sides
 * and of the result. */
qn_status qn__onnx_requantize_by(qn_onnx *im, qn_value acc, const qn_value *scales, qn_value zero, qn_value *codes);
/* The sum of products of a and b as codes of y: multiplied by f32(s_a * s_b / s_y), one or one per scale of b. */
qn_status qn__onnx_requantize(qn_onnx *im, qn_value acc, qn_type a, qn_type b, qn_type y, qn_value *out);
#endif
