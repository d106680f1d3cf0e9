/* Unpacked messages: their memory, and how the data of a tensor outlives the message it came in. */
#ifndef QN_ONNX_MEMORY_H
#define QN_ONNX_MEMORY_H
#include "fileio.h"
#include "vec.h"
#include <protobuf-c/protobuf-c.h>

/* protobuf-c frees without sizes and may leave blocks behind when an allocation fails, so every block is in a list. */
typedef struct qn_onnx_block {
  struct qn_onnx_block *prev, *next;
  size_t size;   /* with this header */
  size_t unused; /* keeps contents aligned as allocators align */
} qn_onnx_block;

typedef struct qn_onnx_memory {
  ProtobufCAllocator hooks;
  const qn_allocator *allocator;
  qn_onnx_block list; /* head of a ring */
  bool failed;
} qn_onnx_memory;

/* The ring points at itself: the struct must not move afterwards. */
void qn__onnx_memory_init(qn_onnx_memory *mem, const qn_allocator *allocator);
void qn__onnx_memory_free(qn_onnx_memory *mem);
/* Checks the bytes, then unpacks them. *out points into `mem`. */
qn_status qn__onnx_unpack(qn_context *ctx, qn_onnx_memory *mem, const char *file,
                          const ProtobufCMessageDescriptor *type, const void *data, size_t size,
                          ProtobufCMessage **out);

/* What a module keeps of its model file: blocks taken out of messages, and mapped files. */
typedef struct qn_onnx_file {
  qn_str path;
  qn_file file;
} qn_onnx_file;
typedef struct qn_onnx_keep {
  const qn_allocator *allocator;
  qn_onnx_block list;
  QN_VEC(qn_onnx_file) files;
} qn_onnx_keep;

qn_onnx_keep *qn__onnx_keep_create(const qn_allocator *allocator); /* null when memory is exhausted */
void qn__onnx_keep_destroy(void *keep);
void qn__onnx_keep_passed(void *object, const void *data, size_t size);
/* Moves the block that protobuf-c allocated at `data` from `mem` to `keep`. */
void qn__onnx_keep_block(qn_onnx_keep *keep, void *data);
/* The file beside the model `model_path` that `location` names, opened once. The name must stay inside the model's
 * folder. `place` is who asks. */
qn_status qn__onnx_keep_file(qn_onnx_keep *keep, qn_context *ctx, const char *model_path, qn_str location,
                             qn_place place, const qn_file **out);
#endif
