/* oneDNN 2 as a contender: what its files share. */
#ifndef QUERN_BENCH_ONEDNN_H
#define QUERN_BENCH_ONEDNN_H

#include "bench.h"
#include <oneapi/dnnl/dnnl.h>

/* A primitive with its arguments, and everything to free. */
typedef struct dnn {
  dnnl_primitive_t primitive;
  dnnl_stream_t stream;
  dnnl_memory_t memory[12];
  int num_memory;
  void *owned[12];
  int num_owned;
  dnnl_exec_arg_t args[12];
  int num_args;
} dnn;

dnnl_engine_t dnn_engine(void);
dnn *dnn_create(void); /* null when it has no stream */
void dnn_run(void *state);
void dnn_destroy(void *state);
/* Memory of that description; data null: its own. */
dnnl_memory_t dnn_memory(dnn *s, const dnnl_memory_desc_t *d, void *data);
/* What dnn_memory allocated last. */
void *dnn_last(const dnn *s);
void dnn_argument(dnn *s, int what, dnnl_memory_t m);
/* The data, reordered from one description to another. */
dnnl_memory_t dnn_packed(dnn *s, const dnnl_memory_desc_t *plain, void *data, const dnnl_memory_desc_t *wanted);
dnnl_data_type_t dnn_type(qn_scalar t);
/* Makes the primitive of an operation's description; the layout it wants for its weights, where asked for. */
bool dnn_make(dnn *s, const void *op, dnnl_primitive_attr_t attr, dnnl_memory_desc_t *weights);

#endif
