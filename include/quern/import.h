/* Models of other formats, into the IR.
 *
 * A model file is not trusted: nesting, lengths, counts and references are checked before they are used, and whatever
 * is wrong is a diagnostic with the path and the node or tensor it is about. */
#ifndef QUERN_IMPORT_H
#define QUERN_IMPORT_H

#include <quern/module.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A size for every dimension of this name ("batch"). */
typedef struct qn_import_dim {
  qn_str name;
  int64_t size; /* >= 0 */
} qn_import_dim;

/* A value for a graph input, which is an input no more: how a shape that the graph reads from an input is decided. The
 * data is copied. */
typedef struct qn_import_const {
  qn_str name;
  qn_tensor value;
} qn_import_const;

typedef struct qn_import_options {
  size_t num_dims;
  const qn_import_dim *dims;
  size_t num_consts;
  const qn_import_const *consts;
  bool no_verify; /* skip qn_module_verify at the end */
} qn_import_options;

/* Oldest and newest version of ONNX's default operator set that models may ask for. */
enum { QN_ONNX_OPSET_MIN = 7, QN_ONNX_OPSET_MAX = 25 };

/* Reads an ONNX model ("-" for standard input) into a new module with one public function, `main`.
 *
 * Its inputs are the graph's inputs that have no initializer, under their own names; symbolic sizes keep their names.
 * Initializers become constants: those above 64 elements are resources, large ones are not copied, and data that lies
 * in files beside the model is mapped; the module keeps all of that alive. Every op carries the name of the node it
 * came from. Ops that no rule exists for are all named in one diagnostic. `options` may be null. On failure *out is
 * null. */
QN_API qn_status qn_import_onnx(qn_context *ctx, const char *path, const qn_import_options *options, qn_module **out);
/* The same from memory, which may go away after the call. `name` stands for the path in diagnostics. A model whose data
 * lies in other files is refused: there is no folder to look in. */
QN_API qn_status qn_import_onnx_memory(qn_context *ctx, const char *name, const void *data, size_t size,
                                       const qn_import_options *options, qn_module **out);

/* One row per op and range of versions that can be imported; name null past the end. */
typedef struct qn_onnx_op_info {
  const char *name;
  int since, until; /* operator set versions, both included */
} qn_onnx_op_info;
QN_API qn_onnx_op_info qn_onnx_op_at(size_t i);

#ifdef __cplusplus
}
#endif
#endif
