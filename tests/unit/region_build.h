/* Kernel ops with regions, built by hand for tests. */
#ifndef QN_TEST_REGION_BUILD_H
#define QN_TEST_REGION_BUILD_H
#include <quern/module.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A place to build one kern op in: a module, a block of a function whose arguments are the operands. */
typedef struct bench {
  qn_context *ctx;
  qn_module *m;
  qn_builder b;
  qn_block body;   /* of the function */
  qn_block region; /* being filled */
  qn_builder r;    /* at its end */
  char said[4096]; /* diagnostics */
} bench;

static void bench_heard(void *user, const qn_diag *d) {
  bench *x = user;
  size_t n = strlen(x->said);
  snprintf(x->said + n, sizeof x->said - n, "%.*s\n", (int)d->message.size, d->message.data);
}

/* allocator: null for the C library's */
static inline void bench_open_with(bench *x, const qn_allocator *allocator) {
  memset(x, 0, sizeof *x);
  qn_context_options o = {.allocator = allocator, .on_diag = bench_heard, .on_diag_user = x};
  x->ctx = qn_context_create(&o);
  x->m = qn_module_create(x->ctx);
  qn_builder top = qn_builder_at_end(x->m, qn_module_body(x->m));
  qn_type none = qn_type_function(x->ctx, 0, NULL, 0, NULL);
  qn_op f = qn_build_function(&top, qn_str_of("main"), none, true);
  x->body = qn_func_body(x->m, f);
  x->b = qn_builder_at_end(x->m, x->body);
}

static inline void bench_open(bench *x) {
  bench_open_with(x, NULL);
}

static inline void bench_close(bench *x) {
  qn_module_destroy(x->m);
  qn_context_destroy(x->ctx);
}

static inline qn_type bench_scalar(bench *x, qn_scalar s) {
  return qn_type_scalar(x->ctx, s);
}
static inline qn_type bench_tensor(bench *x, qn_scalar s, uint32_t rank, const int64_t *shape) {
  return qn_type_tensor(x->ctx, qn_type_scalar(x->ctx, s), rank, shape);
}
static inline qn_value bench_operand(bench *x, qn_type t) {
  return qn_block_add_arg(x->m, x->body, t, (qn_name){0});
}

/* A kern op with empty regions; the first one is filled next. */
static inline qn_op bench_op(bench *x, qn_op_kind kind, uint32_t n, const qn_value *operands, uint32_t results,
                             const qn_type *types, uint32_t regions) {
  qn_op_desc d = {.kind = kind,
                  .num_operands = n,
                  .operands = operands,
                  .num_results = results,
                  .results = types,
                  .num_regions = regions};
  qn_op op = qn_op_create(&x->b, &d);
  if (regions) {
    x->region = qn_op_region(x->m, op, 0);
    x->r = qn_builder_at_end(x->m, x->region);
  }
  return op;
}
static inline void bench_region(bench *x, qn_op op, uint32_t i) {
  x->region = qn_op_region(x->m, op, i);
  x->r = qn_builder_at_end(x->m, x->region);
}
/* The signless scalar that an element of this memory type is in a region. */
static inline qn_scalar bench_signless(qn_scalar s) {
  switch (s) {
  case QN_UI2:
  case QN_SI2: return QN_I2;
  case QN_UI4:
  case QN_SI4: return QN_I4;
  case QN_UI8:
  case QN_SI8: return QN_I8;
  case QN_UI16:
  case QN_SI16: return QN_I16;
  case QN_UI32:
  case QN_SI32: return QN_I32;
  case QN_UI64:
  case QN_SI64: return QN_I64;
  default: return s;
  }
}
static inline qn_value bench_arg(bench *x, qn_scalar mem) {
  return qn_block_add_arg(x->m, x->region, bench_scalar(x, bench_signless(mem)), (qn_name){0});
}
static inline qn_value bench_emit(bench *x, qn_op_kind kind, uint32_t n, const qn_value *operands, qn_scalar result) {
  qn_type t = bench_scalar(x, result);
  qn_op_desc d = {.kind = kind, .num_operands = n, .operands = operands, .num_results = 1, .results = &t};
  return qn_op_result(x->m, qn_op_create(&x->r, &d), 0);
}
static inline qn_value bench_1(bench *x, qn_op_kind kind, qn_value a, qn_scalar result) {
  return bench_emit(x, kind, 1, &a, result);
}
static inline qn_value bench_2(bench *x, qn_op_kind kind, qn_value a, qn_value c, qn_scalar result) {
  qn_value v[2] = {a, c};
  return bench_emit(x, kind, 2, v, result);
}
static inline qn_value bench_3(bench *x, qn_op_kind kind, qn_value a, qn_value c, qn_value d, qn_scalar result) {
  qn_value v[3] = {a, c, d};
  return bench_emit(x, kind, 3, v, result);
}
static inline void bench_set_int(bench *x, qn_value v, const char *name, int64_t value) {
  qn_op_set_attr(x->m, qn_value_op(x->m, v), name, qn_attr_int(x->m, (qn_type){0}, value));
}
static inline qn_value bench_float(bench *x, qn_scalar s, double v) {
  return qn_build_constant(&x->r, qn_attr_float(x->m, bench_scalar(x, s), v));
}
static inline qn_value bench_int(bench *x, qn_scalar s, int64_t v) {
  return qn_build_constant(&x->r, qn_attr_int(x->m, bench_scalar(x, s), v));
}
static inline void bench_yield(bench *x, uint32_t n, const qn_value *values) {
  qn_op_desc d = {.kind = QN_OP_YIELD, .num_operands = n, .operands = values};
  qn_op_create(&x->r, &d);
}

/* ---- numbers that find mistakes ---- */

static inline uint64_t bench_random(uint64_t *state) {
  *state += 0x9E3779B97F4A7C15u;
  uint64_t z = *state;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

/* Bits of one element of a memory type: edges half of the time. */
static inline uint64_t bench_bits(uint64_t *state, qn_scalar mem) {
  static const uint64_t f32[] = {0,          0x80000000, 0x3F800000, 0xBF800000, 0x7F800000, 0xFF800000, 0x7FC00000,
                                 0xFFC00001, 1,          0x80000001, 0x007FFFFF, 0x00800000, 0x7F7FFFFF, 0xFF7FFFFF,
                                 0x3F000000, 0xBF000000, 0x3FC00000, 0x40200000, 0xC0200000, 0x4B000000, 0x4B7FFFFF,
                                 0x4AFFFFFF, 0x4EFFFFFF, 0x4F000000, 0xCF000000, 0xCF000001, 0x4F7FFFFF, 0x4F800000,
                                 0x5EFFFFFF, 0x5F000000, 0xDF000000, 0x5F800000, 0x42FE0000, 0x42FF0000, 0xC3000000,
                                 0x477FE000, 0x477FF000, 0x33000000, 0x33000001, 0x38800000, 0x387FFFFF, 0x43E00000};
  static const uint64_t f64[] = {0,
                                 0x8000000000000000,
                                 0x3FF0000000000000,
                                 0xBFF0000000000000,
                                 0x7FF0000000000000,
                                 0xFFF0000000000000,
                                 0x7FF8000000000000,
                                 1,
                                 0x000FFFFFFFFFFFFF,
                                 0x7FEFFFFFFFFFFFFF,
                                 0x3FE0000000000000,
                                 0x4004000000000000,
                                 0xC004000000000000,
                                 0x4330000000000000,
                                 0x432FFFFFFFFFFFFF,
                                 0x41DFFFFFFFC00000,
                                 0x41E0000000000000,
                                 0xC1E0000000200000,
                                 0x43DFFFFFFFFFFFFF,
                                 0x43E0000000000000,
                                 0xC3E0000000000000,
                                 0x43F0000000000000,
                                 0x47EFFFFFEFFFFFFF,
                                 0x47EFFFFFF0000000};
  uint32_t bits = qn_scalar_get(mem)->bits;
  uint64_t r = bench_random(state), pick = r >> 40;
  uint64_t ones = bits == 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
  if (mem == QN_I1) return r & 1;
  if (mem == QN_F32 && (r & 1)) return f32[pick % (sizeof f32 / sizeof *f32)];
  if (mem == QN_F64 && (r & 1)) return f64[pick % (sizeof f64 / sizeof *f64)];
  if (mem == QN_F32 && (r & 2)) { /* of a size that meets integers */
    float f = (float)((double)(int64_t)bench_random(state) / (double)(1ll << (30 + pick % 33)));
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
  }
  if (mem == QN_F64 && (r & 2)) {
    double d = (double)(int64_t)bench_random(state) / (double)(1ll << (pick % 63));
    memcpy(&r, &d, 8);
    return r;
  }
  if (qn_scalar_is_int(mem) && (r & 1)) {
    const uint64_t edge[] = {0, 1, ones, ones >> 1, (ones >> 1) + 1, 2, ones - 1, (ones >> 1) - 1};
    return edge[pick % 8];
  }
  return bench_random(state) & ones;
}
#endif
