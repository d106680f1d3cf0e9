/* One test of the ONNX backend suite: a model, inputs and expected outputs. */
#ifndef ONNX_CASE_H
#define ONNX_CASE_H
#include <quern/import.h>

enum { CASE_MAX_PORTS = 16 };

typedef struct onnx_ports {
  uint32_t n;
  qn_tensor value[CASE_MAX_PORTS];
  qn_name name[CASE_MAX_PORTS];
} onnx_ports;

typedef struct onnx_case {
  qn_context *ctx;
  char path[600]; /* of the folder */
  onnx_ports inputs, outputs;
} onnx_case;

/* Reads the tensors of FOLDER/test_data_set_0. False when some are no tensors of numbers. */
bool case_open(onnx_case *c, qn_context *ctx, const char *folder);
void case_close(onnx_case *c);

/* How many inputs are bound to their values while importing. */
typedef enum case_binding {
  BIND_SHAPES, /* integers that decide shapes, where the model cannot be imported without */
  BIND_REST    /* all inputs but the first */
} case_binding;
/* QN_ERR_UNSUPPORTED: the case asks for what no rule exists for, and counts neither way. */
qn_status case_import(const onnx_case *c, case_binding binding, qn_module **out);

/* The values of a function's inputs, by name, else by position. False when one is missing or does not fit its type. */
bool case_inputs(const onnx_case *c, const qn_module *m, qn_op func, qn_tensor *inputs);
/* Integers equal, floats within the tolerances of ONNX's own runner (rtol 1e-3, atol 1e-7). On a difference `why` says
 * where. */
bool case_check(const onnx_case *c, uint32_t n, const qn_tensor *outputs, char *why, size_t size);
#endif
