/* ONNX models of a few nodes, written straight into protobuf's wire format. */
#ifndef QUERN_BENCH_ONNX_MODEL_H
#define QUERN_BENCH_ONNX_MODEL_H

#include <stddef.h>
#include <stdint.h>

/* Element types as ONNX numbers them. */
enum { ONNX_F32 = 1, ONNX_U8 = 2, ONNX_I8 = 3, ONNX_I32 = 6 };

typedef struct onnx_bytes {
  uint8_t *data;
  size_t size, room;
} onnx_bytes;

typedef struct onnx_model {
  onnx_bytes graph;
} onnx_model;

/* Names are separated by spaces; a "-" stands for an input that is left out. `domain` may be null. */
void onnx_node(onnx_model *m, const char *op, const char *domain, const char *inputs, const char *outputs);
void onnx_constant(onnx_model *m, const char *name, int type, int rank, const int64_t *shape, const void *data,
                   size_t bytes);
void onnx_input(onnx_model *m, const char *name, int type, int rank, const int64_t *shape);
void onnx_output(onnx_model *m, const char *name, int type, int rank, const int64_t *shape);
/* The whole file; the model is left empty. The caller frees data. */
onnx_bytes onnx_finish(onnx_model *m);

#endif
