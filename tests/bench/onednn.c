/* oneDNN 2: which instructions it may use; memory, primitives and their arguments. */
#include "bench.h"
#ifdef HAVE_ONEDNN
#  include "onednn.h"
#  include <stdlib.h>
#  include <string.h>

const char *onednn_keep_to(const options *o) {
  const qn_isa *isa = o->cpu ? qn_isa_find(qn_str_of(o->cpu)) : NULL;
  static const struct {
    uint32_t bits, has;
    dnnl_cpu_isa_t most;
    const char *name;
  } sets[] = {{512, QN_ISA_TILES, dnnl_cpu_isa_avx512_core_amx, "AVX512_CORE_AMX"},
              {512, QN_ISA_BF16, dnnl_cpu_isa_avx512_core_bf16, "AVX512_CORE_BF16"},
              {512, QN_ISA_DOT8, dnnl_cpu_isa_avx512_core_vnni, "AVX512_CORE_VNNI"},
              {256, QN_ISA_DOT8, dnnl_cpu_isa_avx2_vnni, "AVX2_VNNI"},
              {256, 0, dnnl_cpu_isa_avx2, "AVX2"},
              {128, 0, dnnl_cpu_isa_sse41, "SSE41"}};
  for (size_t i = 0; isa && !strcmp(isa->arch, "x86_64") && i < sizeof sets / sizeof *sets; i++) {
    if (isa->vector_bits != sets[i].bits || (isa->has & sets[i].has) != sets[i].has) continue;
    return dnnl_set_max_cpu_isa(sets[i].most) == dnnl_success ? sets[i].name : NULL;
  }
  return NULL;
}

dnnl_engine_t dnn_engine(void) {
  static dnnl_engine_t e;
  if (!e) dnnl_engine_create(&e, dnnl_cpu, 0);
  return e;
}

dnn *dnn_create(void) {
  dnn *s = calloc(1, sizeof *s);
  if (s && dnnl_stream_create(&s->stream, dnn_engine(), dnnl_stream_default_flags) != dnnl_success) free(s), s = NULL;
  return s;
}

void dnn_run(void *state) {
  dnn *s = state;
  dnnl_primitive_execute(s->primitive, s->stream, s->num_args, s->args);
  dnnl_stream_wait(s->stream);
}

void dnn_destroy(void *state) {
  dnn *s = state;
  for (int i = 0; i < s->num_memory; i++) dnnl_memory_destroy(s->memory[i]);
  for (int i = 0; i < s->num_owned; i++) free(s->owned[i]);
  if (s->primitive) dnnl_primitive_destroy(s->primitive);
  if (s->stream) dnnl_stream_destroy(s->stream);
  free(s);
}

dnnl_memory_t dnn_memory(dnn *s, const dnnl_memory_desc_t *d, void *data) {
  dnnl_memory_t m = NULL;
  if (!data) data = s->owned[s->num_owned++] = big_alloc(dnnl_memory_desc_get_size(d) + 64);
  if (dnnl_memory_create(&m, d, dnn_engine(), data) != dnnl_success) return NULL;
  return s->memory[s->num_memory++] = m;
}

void *dnn_last(const dnn *s) {
  return s->owned[s->num_owned - 1];
}

void dnn_argument(dnn *s, int what, dnnl_memory_t m) {
  s->args[s->num_args++] = (dnnl_exec_arg_t){what, m};
}

dnnl_memory_t dnn_packed(dnn *s, const dnnl_memory_desc_t *plain, void *data, const dnnl_memory_desc_t *wanted) {
  dnnl_memory_t from = dnn_memory(s, plain, data), to = dnn_memory(s, wanted, NULL);
  dnnl_primitive_desc_t d;
  dnnl_primitive_t reorder;
  if (!from || !to) return NULL;
  if (dnnl_reorder_primitive_desc_create(&d, plain, dnn_engine(), wanted, dnn_engine(), NULL) != dnnl_success)
    return NULL;
  bool good = dnnl_primitive_create(&reorder, d) == dnnl_success;
  dnnl_primitive_desc_destroy(d);
  if (!good) return NULL;
  dnnl_exec_arg_t args[2] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
  good = dnnl_primitive_execute(reorder, s->stream, 2, args) == dnnl_success;
  dnnl_stream_wait(s->stream);
  dnnl_primitive_destroy(reorder);
  return good ? to : NULL;
}

dnnl_data_type_t dnn_type(qn_scalar t) {
  switch (t) {
  case QN_UI8: return dnnl_u8;
  case QN_I8: return dnnl_s8;
  case QN_I32: return dnnl_s32;
  case QN_BF16: return dnnl_bf16;
  default: return dnnl_f32;
  }
}

bool dnn_make(dnn *s, const void *op, dnnl_primitive_attr_t attr, dnnl_memory_desc_t *weights) {
  dnnl_primitive_desc_t pd;
  if (dnnl_primitive_desc_create(&pd, op, attr, dnn_engine(), NULL) != dnnl_success) return false;
  bool good = dnnl_primitive_create(&s->primitive, pd) == dnnl_success;
  if (weights) *weights = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
  dnnl_primitive_desc_destroy(pd);
  return good;
}
#else
const char *onednn_keep_to(const options *o) {
  (void)o;
  return NULL;
}
#endif
