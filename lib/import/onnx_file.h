/* Files that are one TensorProto: what ONNX's tests come as. Needs no protobuf to include. */
#ifndef QN_ONNX_FILE_H
#define QN_ONNX_FILE_H
#include <quern/context.h>
#include <quern/scalar.h>

/* A whole file's bytes. The result is freed by qn_tensor_free. `name` (may be null) is the one that the file gives it.
 */
qn_status qn__onnx_tensor_file(qn_context *ctx, const char *file, const void *data, size_t size, qn_tensor *out,
                               qn_name *name);
#endif
