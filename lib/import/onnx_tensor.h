/* TensorProto to qn_tensor. */
#ifndef QN_ONNX_TENSOR_H
#define QN_ONNX_TENSOR_H
#include "arena.h"
#include "onnx_memory.h"
#include <onnx.pb-c.h>
#include <quern/scalar.h>

/* The element type for a value of TensorProto.DataType; QN_SCALAR_NONE for strings, complex numbers and unknown ones.
 */
qn_scalar qn__onnx_scalar(int64_t data_type);
/* Its name for messages: "FLOAT", "STRING", "type 77". `room` takes the latter. */
const char *qn__onnx_scalar_name(int64_t data_type, char room[32]);

/* What reading a tensor needs. */
typedef struct qn_onnx_reader {
  qn_context *ctx;
  qn_place place;         /* of the tensor */
  const char *model_path; /* for data in other files; null when there is no folder */
  qn_onnx_keep *keep;     /* for mapped files; null when data in other files is not expected */
  qn_arena *arena;        /* for data that has to be converted */
} qn_onnx_reader;

typedef enum qn_onnx_owner {
  QN__ONNX_ARENA, /* the reader's arena or a small part of the message */
  QN__ONNX_BLOCK, /* a block of the message: qn__onnx_keep_block can take it */
  QN__ONNX_MAPPED /* a file of `keep` */
} qn_onnx_owner;

/* Checks type, sizes and data, and gives a view of the elements. */
qn_status qn__onnx_tensor(const qn_onnx_reader *r, const Onnx__TensorProto *t, qn_tensor *out, qn_onnx_owner *owner);
#endif
