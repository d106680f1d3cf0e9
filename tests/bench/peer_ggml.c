/* ggml: mul_mat with weights in the CPU_REPACK buffer type, its fastest form. The blocks are written here from the same
 * codes and scales that Quern gets, so that both multiply the same numbers. */
#include "block.h"
#ifdef HAVE_GGML
#  include <ggml-alloc.h>
#  include <ggml-backend.h>
#  include <ggml-cpu.h>
#  include <ggml.h>
#  include <math.h>
#  include <stdlib.h>
#  include <string.h>

typedef struct gg {
  struct ggml_context *weights, *graph;
  ggml_backend_buffer_t weights_buffer, graph_buffer;
  struct ggml_cgraph *work;
  struct ggml_tensor *y;
} gg;

static void quiet(enum ggml_log_level level, const char *line, void *user) {
  (void)level, (void)line, (void)user;
}

static ggml_backend_t backend(const options *o) {
  static ggml_backend_t cpu;
  if (!cpu) cpu = ggml_backend_cpu_init();
  if (cpu) ggml_backend_cpu_set_n_threads(cpu, (int)o->threads);
  return cpu;
}

static ggml_backend_dev_t device(void) {
  return ggml_backend_reg_dev_get(ggml_backend_cpu_reg(), 0);
}

static ggml_backend_buffer_type_t repack_type(void) {
  ggml_backend_dev_get_extra_bufts_t get = NULL;
  *(void **)&get = ggml_backend_reg_get_proc_address(ggml_backend_cpu_reg(), "ggml_backend_dev_get_extra_bufts");
  ggml_backend_buffer_type_t *types = get ? get(device()) : NULL;
  for (; types && *types; types++)
    if (!strcmp(ggml_backend_buft_name(*types), "CPU_REPACK")) return *types;
  return NULL;
}

/* A block: scale (f16, or an exponent for mxfp4), then 16 bytes whose low nibbles are elements 0..15, high 16..31. */
static void *blocks_of(const block_product *p, size_t *bytes) {
  size_t head = p->kind == W4_MXFP4 ? 1 : 2, size = head + BLOCK / 2, per_row = (size_t)(p->k / BLOCK);
  uint8_t *out = big_alloc(*bytes = (size_t)p->n * per_row * size), *at = out;
  for (int64_t j = 0; j < p->n; j++)
    for (size_t b = 0; b < per_row; b++, at += size) {
      float scale = p->scales[(int64_t)b * p->n + j];
      ggml_fp16_t half = ggml_fp32_to_fp16(scale);
      if (p->kind == W4_MXFP4)
        at[0] = (uint8_t)(127 + ilogbf(scale));
      else
        memcpy(at, &half, 2);
      const uint8_t *codes = p->codes + (int64_t)b * BLOCK * p->n + j;
      for (int i = 0; i < BLOCK / 2; i++)
        at[head + (size_t)i] = (uint8_t)(codes[i * p->n] | codes[(i + BLOCK / 2) * p->n] << 4);
    }
  return out;
}

static void run(void *state) {
  gg *s = state;
  ggml_backend_graph_compute(backend(&(options){.threads = 1}), s->work);
}

static void destroy(void *state) {
  gg *s = state;
  if (s->weights_buffer) ggml_backend_buffer_free(s->weights_buffer);
  if (s->graph_buffer) ggml_backend_buffer_free(s->graph_buffer);
  if (s->weights) ggml_free(s->weights);
  if (s->graph) ggml_free(s->graph);
  free(s);
}

static bool create(const block_product *p, const options *o, enum ggml_type type, const void *blocks, size_t bytes,
                   contender *out, gg **made) {
  struct ggml_init_params params = {.mem_size = 1 << 20, .no_alloc = true};
  gg *s = calloc(1, sizeof *s);
  if (!s) return false;
  s->weights = ggml_init(params), s->graph = ggml_init(params);
  struct ggml_tensor *w = ggml_new_tensor_2d(s->weights, type, p->k, p->n);
  struct ggml_tensor *x = ggml_new_tensor_2d(s->graph, GGML_TYPE_F32, p->k, p->m);
  s->y = ggml_mul_mat(s->graph, w, x);
  s->weights_buffer = ggml_backend_alloc_ctx_tensors_from_buft(s->weights, repack_type());
  s->graph_buffer = ggml_backend_alloc_ctx_tensors(s->graph, backend(o));
  if (!s->weights_buffer || !s->graph_buffer || !ggml_backend_dev_supports_op(device(), s->y)) return destroy(s), false;
  ggml_backend_tensor_set(w, blocks, 0, bytes);
  ggml_backend_tensor_set(x, p->x, 0, (size_t)(p->m * p->k) * sizeof(float));
  s->work = ggml_new_graph(s->graph);
  ggml_build_forward_expand(s->work, s->y);
  *out = (contender){"ggml", s, run, NULL, destroy};
  *made = s;
  return true;
}

/* It rounds scales of activations to f16 and sums in its own order. */
static bool close_enough(const block_product *p, gg *s) {
  size_t n = (size_t)(p->m * p->n);
  float *y = big_alloc(n * sizeof *y);
  double off = 0, largest = 0;
  ggml_backend_tensor_get(s->y, y, 0, n * sizeof *y);
  for (size_t i = 0; i < n; i++) {
    off = fmax(off, fabs((double)y[i] - (double)p->ours[i]));
    largest = fmax(largest, fabs((double)p->ours[i]));
  }
  big_free(y, 0);
  return off <= 1e-2 * largest;
}

bool ggml_block(const block_product *p, const options *o, contender *out, peer_note *why) {
  static const enum ggml_type types[] = {GGML_TYPE_Q4_0, GGML_TYPE_IQ4_NL, GGML_TYPE_MXFP4, GGML_TYPE_Q4_0};
  contender each[MAX_COPIES];
  size_t bytes;
  int n = 0;
  ggml_log_set(quiet, NULL);
  if (!backend(o) || !repack_type()) {
    snprintf(why->text, sizeof why->text, "takes no part: this build has no CPU_REPACK buffers");
    return false;
  }
  void *blocks = blocks_of(p, &bytes);
  bool good = bytes == ggml_row_size(types[p->kind], p->k) * (size_t)p->n, close = true;
  for (; n < p->copies && good; n += good) {
    gg *s;
    good = create(p, o, types[p->kind], blocks, bytes, &each[n], &s);
    if (!good) break;
    each[n].run(each[n].state);
    if (n == 0) close = close_enough(p, s);
  }
  big_free(blocks, bytes);
  if (good && p->kind == W4_ASYMMETRIC)
    snprintf(why->text, sizeof why->text, "has no fast asymmetric form and runs as q4_0");
  else if (good && !close)
    snprintf(why->text, sizeof why->text, "gives other numbers than the interpreter");
  if (good) return copies_create("ggml", each, n, out);
  snprintf(why->text, sizeof why->text, "takes no part: it does not take this type in this form");
  for (int i = 0; i < n; i++) contender_destroy(&each[i]);
  return false;
}
#else
bool ggml_block(const block_product *p, const options *o, contender *out, peer_note *why) {
  (void)p, (void)o, (void)out;
  snprintf(why->text, sizeof why->text, "takes no part: it was not given; run.sh --ggml PREFIX");
  return false;
}
#endif
