/* What quern bench measures: a matrix product of random weights, or a model, with random inputs. */
#include "bench.h"
#include <quern/num.h>
#include <stdlib.h>
#include <string.h>

/* ---- a matrix product ---- */

typedef struct product_row {
  const char *name;
  qn_scalar a, b, y;
} product_row;
static const product_row products[] = {{"u8s8", QN_UI8, QN_I8, QN_UI8},
                                       {"s8s8", QN_I8, QN_I8, QN_I8},
                                       {"u8s8f32", QN_UI8, QN_I8, QN_F32},
                                       {"f32", QN_F32, QN_F32, QN_F32}};

/* ELEMFORMbN: weights with a scale per N of k; with an f at the end, products of floats. */
typedef struct block_row {
  const char *name;
  qn_scalar b;
  bool zeros, codebook;
} block_row;
static const block_row block_rows[] = {{"i4b", QN_I4, false, false},
                                       {"u4b", QN_UI4, true, false},
                                       {"nf4b", QN_UI4, false, true},
                                       {"mxfp4b", QN_F4E2M1FN, false, false},
                                       {"i8b", QN_I8, false, false}};
static const qn_scalar block_elems[] = {QN_F32, QN_F16, QN_BF16};

/* Takes the name of a float type off the front. */
static qn_scalar parse_elem(const char **types) {
  for (size_t i = 0; i < sizeof block_elems / sizeof block_elems[0]; i++) {
    const char *name = qn_scalar_get(block_elems[i])->text;
    if (strncmp(*types, name, strlen(name)) != 0) continue;
    *types += strlen(name);
    return block_elems[i];
  }
  return QN_SCALAR_NONE;
}

static bool parse_blocks(const char *types, qn_matmul_desc *d) {
  qn_scalar elem = parse_elem(&types);
  for (size_t i = 0; i < sizeof block_rows / sizeof block_rows[0]; i++) {
    size_t n = strlen(block_rows[i].name);
    char *end;
    if (elem == QN_SCALAR_NONE || strncmp(types, block_rows[i].name, n) != 0) continue;
    d->b_block = strtoll(types + n, &end, 10);
    d->b_float = *end == 'f';
    if (end == types + n || d->b_block < 8 || d->b_block > 1 << 20 || d->b_block % 8 || strlen(end) > d->b_float)
      return false;
    d->a = d->y = elem, d->b = block_rows[i].b;
    d->b_codebook_size = block_rows[i].codebook ? 16 : 0;
    return true;
  }
  return false;
}

int bench_parse_matmul(const cli *c, const char *text, qn_matmul_desc *d) {
  char *end;
  const char *at = text;
  int64_t sizes[3];
  for (int i = 0; i < 3; i++) {
    sizes[i] = strtoll(at, &end, 10);
    if (end == at || sizes[i] < 1 || sizes[i] > 1 << 20 || *end != (i < 2 ? 'x' : ':'))
      return cli_usage(c, "--matmul: '%s' is not MxNxK:TYPES with sizes of 1 to 1048576, such as 384x768x768:u8s8",
                       text);
    at = end + 1;
  }
  for (size_t i = 0; i < sizeof products / sizeof products[0]; i++)
    if (!strcmp(products[i].name, at)) {
      *d = (qn_matmul_desc){
          .m = sizes[0], .n = sizes[1], .k = sizes[2], .a = products[i].a, .b = products[i].b, .y = products[i].y};
      return CLI_OK;
    }
  *d = (qn_matmul_desc){.m = sizes[0], .n = sizes[1], .k = sizes[2]};
  if (parse_blocks(at, d)) return CLI_OK;
  return cli_usage(c,
                   "--matmul: no types '%s'; there are u8s8, u8s8f32, s8s8, f32, and f32i4b32, f32u4b32, f32nf4b32, "
                   "f32mxfp4b32, f32i8b32 (blocks of any multiple of 8; with f at the end, products of floats; f16 or "
                   "bf16 in front in place of f32)",
                   at);
}

static uint32_t next_random(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 8;
}

static void fill(qn_tensor *t, uint32_t seed) {
  bool f = qn_scalar_is_float(t->elem);
  for (int64_t i = 0, n = qn_tensor_count(t); i < n; i++) {
    uint32_t r = next_random(&seed);
    if (f)
      qn_tensor_set_f64(t, i, (double)r / 8388608.0 - 1);
    else
      qn_tensor_set_i64(t, i, (int64_t)(r & 255) - (qn_scalar_get(t->elem)->cls == QN_UNSIGNED ? 0 : 128));
  }
}

static qn_status build_blocks(setup *s, qn_matmul_desc *d) {
  size_t blocks = (size_t)((d->k + d->b_block - 1) / d->b_block), count = blocks * (size_t)d->n;
  qn_tensor w = {.elem = d->b, .rank = 2, .shape = {d->k, d->n}};
  w.data = malloc(qn_tensor_bytes(&w) + 1);
  float *scales = malloc(count * sizeof *scales), *bias = malloc((size_t)d->n * sizeof *bias);
  int32_t *zeros = malloc(count * sizeof *zeros);
  double book[16];
  int8_t entries[16];
  qn_status status = w.data && scales && bias && zeros ? QN_OK : qn_error_no_memory(s->c->ctx);
  if (!status) {
    uint32_t state = 3;
    uint8_t *bytes = w.data;
    for (size_t i = 0, n = qn_tensor_bytes(&w); i < n; i++) bytes[i] = (uint8_t)next_random(&state);
    for (size_t i = 0; i < count; i++) {
      scales[i] = d->b == QN_F4E2M1FN ? 0.0625f : 0.0009765625f * (float)(1 + i % 7);
      zeros[i] = (int32_t)(i % 16);
    }
    for (int64_t i = 0; i < d->n; i++) bias[i] = (float)(i % 13) - 6;
    qn_codebook_to_i8(qn_codebook_nf4(), 16, entries);
    for (int i = 0; i < 16; i++) book[i] = entries[i];
    d->b_data = w.data, d->b_scales = scales, d->bias = bias, d->relu = true;
    if (d->b_codebook_size)
      d->b_codebook = book;
    else if (d->b == QN_UI4)
      d->b_zero_points = zeros;
    status = qn_kernel_matmul(s->c->ctx, d, &s->options, &s->p);
  }
  free(w.data), free(scales), free(bias), free(zeros);
  return status;
}

static qn_status build_matmul(setup *s) {
  qn_matmul_desc product = s->product, *d = &product;
  if (d->b_block) return build_blocks(s, d);
  bool f = d->a == QN_F32;
  size_t count = (size_t)d->n * (size_t)d->k;
  qn_tensor w = {.elem = d->b, .rank = 2, .shape = {d->k, d->n}, .data = malloc(count * (f ? 4 : 1))};
  float *scales = malloc((size_t)d->n * sizeof *scales), *bias = malloc((size_t)d->n * sizeof *bias);
  qn_status status = w.data && scales && bias ? QN_OK : qn_error_no_memory(s->c->ctx);
  if (!status) {
    fill(&w, 1);
    for (int64_t i = 0; i < d->n; i++) scales[i] = 0.01f + 0.00001f * (float)(i % 97), bias[i] = (float)(i % 13) - 6;
    d->b_data = w.data, d->b_scales = scales, d->bias = bias;
    d->a_scale = 0.02f, d->y_scale = 4, d->relu = true;
    d->a_zero_point = d->a == QN_UI8 ? 117 : 0, d->y_zero_point = d->y == QN_UI8 ? 3 : 0;
    status = qn_kernel_matmul(s->c->ctx, d, &s->options, &s->p);
  }
  free(w.data), free(scales), free(bias);
  return status;
}

/* ---- inputs ---- */

qn_status bench_random_inputs(setup *s) {
  if (qn_program_num_inputs(s->p) > MAX_INPUTS)
    return qn_error(s->c->ctx, QN_DIAG_LIMIT, qn_place_file(""), "more than %d inputs", MAX_INPUTS);
  for (uint32_t i = 0; i < qn_program_num_inputs(s->p); i++) {
    qn_port_info port = qn_program_input(s->p, i);
    s->in[i] = (qn_tensor){.elem = port.elem, .rank = port.rank};
    for (uint32_t d = 0; d < port.rank; d++) {
      if (port.shape[d] == QN_DYNAMIC)
        return qn_error(s->c->ctx, QN_DIAG_SHAPE, qn_place_file(""),
                        "input '%.*s' is %.*s: fix its sizes with --dim NAME=N", (int)port.name.size, port.name.data,
                        (int)port.type.size, port.type.data);
      s->in[i].shape[d] = port.shape[d];
    }
    size_t bytes = qn_tensor_bytes(&s->in[i]);
    s->in[i].data = bytes == SIZE_MAX ? NULL : calloc(1, bytes + 1);
    if (!s->in[i].data) return qn_error_no_memory(s->c->ctx);
    fill(&s->in[i], 7 + i);
  }
  return QN_OK;
}

static qn_status build_model(setup *s) {
  qn_module *m;
  qn_status status = cli_load(s->c, s->c->positional[0], &m);
  if (status) return status;
  s->unfolded = qn_report_summary(m).unfolded;
  status = qn_build_program(m, &s->options, &s->p);
  qn_module_destroy(m);
  return status;
}

qn_status bench_build(setup *s) {
  qn_conv_desc conv = s->conv;
  if (s->conv_text) return bench_build_conv(s->c->ctx, &conv, &s->options, &s->p);
  return s->matmul ? build_matmul(s) : build_model(s);
}
