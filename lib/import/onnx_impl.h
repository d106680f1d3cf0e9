/* The inside of the ONNX importer: one import in progress, and what handlers of ops use. */
#ifndef QN_ONNX_IMPL_H
#define QN_ONNX_IMPL_H
#include "map.h"
#include "onnx_tensor.h"
#include "vec.h"
#include <quern/import.h>

/* What a name of the graph stands for. A value has up to three forms, each made when it is first asked for. */
typedef struct qn_onnx_value {
  qn_str name;
  qn_value plain;                  /* as ONNX sees it */
  qn_value codes;                  /* the same bits under a quantized type */
  qn_scalar elem;                  /* of `plain`, while only `codes` is there */
  bool is_const, is_read;          /* a constant; its data is in `tensor` */
  const Onnx__TensorProto *source; /* of a constant that is not read yet */
  qn_tensor tensor;
  qn_onnx_owner owner;
} qn_onnx_value;

typedef struct qn_onnx_name {
  qn_str name;
  uint32_t value; /* index into values */
} qn_onnx_name;

typedef struct qn_onnx qn_onnx;

/* A row of the op table. */
typedef struct qn_onnx_op {
  const char *name, *attrs; /* attrs: names that are allowed, separated by blanks */
  qn_status (*handle)(qn_onnx *im);
  int since, until; /* operator set versions */
  unsigned min_inputs, max_inputs, max_outputs;
  qn_op_kind kind; /* for handlers that serve several ops */
} qn_onnx_op;

enum { QN__ONNX_ENTITY = 160 };

struct qn_onnx {
  qn_context *ctx;
  qn_module *m;
  const char *file;       /* for diagnostics */
  const char *model_path; /* null when read from memory */
  const qn_import_options *options;
  bool *dim_used; /* one per options->dims */
  qn_onnx_memory memory;
  qn_onnx_keep *keep; /* the module's */
  qn_arena arena;     /* until the end of the import */
  qn_arena scratch;   /* until the end of the node */
  const Onnx__ModelProto *model;
  const Onnx__GraphProto *graph;
  int opset;
  qn_builder b;
  qn_op func;
  QN_VEC(qn_onnx_name) names;
  qn_map name_map; /* hash -> index into names, plus 1 */
  QN_VEC(qn_onnx_value) values;
  qn_idmap value_names, resource_keys; /* names in use, each with the number to try next */
  /* The node being imported. */
  const Onnx__NodeProto *node;
  size_t node_index;
  const qn_onnx_op *op;
  size_t errors; /* reported before it */
  char entity[QN__ONNX_ENTITY];
};

/* ---- places and errors ---- */
qn_str qn__onnx_str(const char *s); /* null is empty */
/* "node 'x' (Gemm)", "tensor 'w'": an entity of the model file. `kind` is "node", "tensor", "input" .. */
qn_place qn__onnx_place(qn_onnx *im, const char *kind, qn_str name);
/* The current node. */
qn_place qn__onnx_here(qn_onnx *im);
qn_status qn__onnx_error(qn_onnx *im, qn_diag_code code, const char *fmt, ...) QN_PRINTF(3, 4);
/* A build has answered null: its rule has reported, or memory is exhausted, which this reports. */
qn_status qn__onnx_failed(qn_onnx *im);

/* ---- names and values (values.c) ---- */
/* A new name with a value of its own. `place` is for the diagnostic when the name exists. */
qn_status qn__onnx_define(qn_onnx *im, qn_place place, qn_str name, uint32_t *value);
/* A second name for a value. */
qn_status qn__onnx_alias(qn_onnx *im, qn_place place, qn_str name, uint32_t value);
uint32_t qn__onnx_find(const qn_onnx *im, qn_str name); /* 0 when there is none */
static inline qn_onnx_value *qn__onnx_value(qn_onnx *im, uint32_t value) {
  return &im->values.data[value];
}
/* The plain form. */
qn_status qn__onnx_plain(qn_onnx *im, uint32_t value, qn_value *out);
/* The form with elements of this quantized type. A constant's codes get the type's own storage type. */
qn_status qn__onnx_codes(qn_onnx *im, uint32_t value, qn_type quant, qn_value *out);
/* Element type and rank of the plain form, without making it. */
qn_status qn__onnx_look_at(qn_onnx *im, uint32_t value, qn_scalar *elem, uint32_t *rank);
/* The data of a constant. */
qn_status qn__onnx_read(qn_onnx *im, uint32_t value);
/* A constant that stands in no TensorProto; data must live in im->arena. */
qn_status qn__onnx_define_const(qn_onnx *im, qn_place place, qn_str name, const qn_tensor *t);
bool qn__onnx_values_init(qn_onnx *im);
/* Gives an SSA value the name of a tensor, sanitized and unique. */
void qn__onnx_name_value(qn_onnx *im, qn_value v, qn_str name);
void qn__onnx_values_free(qn_onnx *im);

/* ---- types (shapes.c) ---- */
/* The tensor type that a value's type info describes, sizes bound by options. */
qn_status qn__onnx_type(qn_onnx *im, qn_place place, const Onnx__TypeProto *type, qn_type *out);
/* Whether the value found in the graph may be what the file declares. */
bool qn__onnx_type_fits(const qn_onnx *im, qn_type declared, qn_type found);
/* Names sizes of `v` that have none as the declared type names them. */
void qn__onnx_name_dims(qn_onnx *im, qn_value v, qn_type declared);

/* ---- the current node's attributes (attributes.c) ---- */
/* Unknown, doubled and mistyped ones are errors. */
qn_status qn__onnx_check_attrs(qn_onnx *im);
const Onnx__AttributeProto *qn__onnx_attr(const qn_onnx *im, const char *name); /* null when absent */
/* Their values; *out keeps what it has when the attribute is absent. Of the type that the checks promise. */
qn_status qn__onnx_attr_int(qn_onnx *im, const char *name, int64_t *out);
qn_status qn__onnx_attr_float(qn_onnx *im, const char *name, float *out);
qn_status qn__onnx_attr_string(qn_onnx *im, const char *name, qn_str *out);
qn_status qn__onnx_attr_ints(qn_onnx *im, const char *name, size_t *n, const int64_t **out);

/* ---- the current node's inputs and outputs (node.c) ---- */
bool qn__onnx_has_input(const qn_onnx *im, unsigned i);
bool qn__onnx_has_output(const qn_onnx *im, unsigned i);
uint32_t qn__onnx_input_value(const qn_onnx *im, unsigned i); /* 0 when absent */
qn_status qn__onnx_input(qn_onnx *im, unsigned i, qn_value *out);
/* The input's data when it is a constant; *t has rank 0 and no data when it is not. */
qn_status qn__onnx_const_input(qn_onnx *im, unsigned i, qn_tensor *t, bool *is_const);
/* Integers of a constant input of rank 0 or 1, in scratch memory. A diagnostic says how to bind one that is not
 * constant. */
qn_status qn__onnx_ints_input(qn_onnx *im, unsigned i, uint32_t *n, const int64_t **out);
/* Ends a handler: output i is this value. A null value is a failed build. */
qn_status qn__onnx_output(qn_onnx *im, unsigned i, qn_value v);
/* Output i has these codes; `elem` is ONNX's element type. */
qn_status qn__onnx_output_codes(qn_onnx *im, unsigned i, qn_value codes, qn_scalar elem);
/* Output i is input k. */
qn_status qn__onnx_output_input(qn_onnx *im, unsigned i, unsigned k);

/* ---- building ---- */
qn_type qn__onnx_type_of(const qn_onnx *im, qn_value v);
uint32_t qn__onnx_rank(const qn_onnx *im, qn_value v);
qn_scalar qn__onnx_elem(const qn_onnx *im, qn_value v);
/* A constant of rank 0 and this element type. */
qn_value qn__onnx_scalar_const(qn_onnx *im, qn_scalar elem, double v);
qn_value qn__onnx_reshape(qn_onnx *im, qn_value x, uint32_t n, const int64_t *shape);
/* An axis that may count from the end: 0 <= *axis < limit afterwards. */
qn_status qn__onnx_axis(qn_onnx *im, const char *what, int64_t *axis, uint32_t limit);

/* x as a matrix: the axes before `axis`, and the others. */
qn_status qn__onnx_flatten(qn_onnx *im, qn_value x, uint32_t axis, qn_value *out);
/* The reverse: `flat` in the shape of `like`, from which it was flattened. */
qn_status qn__onnx_unflatten(qn_onnx *im, qn_value flat, qn_value like, uint32_t axis, qn_value *out);

/* ---- ops ---- */
bool qn__onnx_is_default_domain(qn_str domain);
const qn_onnx_op *qn__onnx_op_find(qn_str domain, qn_str op_type, int opset);
qn_status qn__onnx_check_ops(qn_onnx *im); /* names all that cannot be imported */

/* ---- the graph (graph.c; nodes in node.c) ---- */
qn_status qn__onnx_begin(qn_onnx *im); /* initializers, inputs, an empty function */
qn_status qn__onnx_nodes(qn_onnx *im);
qn_status qn__onnx_end(qn_onnx *im); /* outputs */

#define QN_ONNX_OP(name, since, until, min_in, max_in, max_out, attrs, handler, kind)                                  \
  qn_status qn__onnx_op_##handler(qn_onnx *im);
#include "onnx_ops.def"
#undef QN_ONNX_OP
#endif
