/* Bodies through libtcc, or written as portable C and compiled by the system's compiler; elements compared. */
#ifndef QN_TEST_C_COMPILE_H
#define QN_TEST_C_COMPILE_H
#include "unit.h"

#include "backend.h"
#include "buf.h"
#include "cgen.h"
#include "region_build.h"
#include "tape_run.h"
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct compiled {
  bench x;
  qn_code *code;
  void *library;
  qn_kernel_fn *fns;
} compiled;

static inline bool put(void *user, const char *data, size_t size) {
  return fwrite(data, 1, size, user) == size;
}

/* A program of these bodies through the system's compiler with these flags, as a library whose bodies can be called. */
static inline void compile_portable(qn_context *ctx, uint32_t n, const qn_body *bodies, const char *flags,
                                    compiled *c) {
  char base[] = "/tmp/quern-tcc-XXXXXX", command[1024];
  int fd = mkstemp(base);
  assert_true(fd >= 0);
  close(fd);
  snprintf(command, sizeof command, "%s.c", base);
  FILE *f = fopen(command, "w");
  qn_aot aot = {.entry = "program", .num_bodies = n, .bodies = bodies};
  qn_buf out;
  qn__buf_init(&out, qn_context_allocator(ctx));
  out.flush = put;
  out.user = f;
  assert_int_equal(qn__c_program(ctx, &aot, &out), QN_OK);
  /* bodies are static: a table of them for the test */
  qn__buf_fmt(&out,
              "\nextern int32_t (*const table[])(const qn_kargs *);\nint32_t (*const table[])(const qn_kargs *) = {");
  for (uint32_t i = 0; i < n; i++) qn__buf_fmt(&out, "%s,\n", bodies[i].symbol);
  qn__buf_c(&out, "};\n");
  assert_true(qn__buf_finish(&out));
  qn__buf_free(&out);
  fclose(f);
  snprintf(command, sizeof command, "cc -shared -fPIC -Wall -Wextra -Werror %s -o %s.so %s.c", flags, base, base);
  assert_int_equal(system(command), 0);
  snprintf(command, sizeof command, "%s.so", base);
  c->library = dlopen(command, RTLD_NOW | RTLD_LOCAL);
  assert_non_null(c->library);
  qn_kernel_fn *table = (qn_kernel_fn *)dlsym(c->library, "table");
  assert_non_null(table);
  c->fns = table;
  qn_kernel_fn entry;
  void *address = dlsym(c->library, "program");
  memcpy(&entry, &address, sizeof entry);
  assert_int_equal(entry(&(qn_kargs){0}), 0); /* no calls: the self-check alone */
  unlink(command);
  unlink(base);
  snprintf(command, sizeof command, "%s.c", base);
  unlink(command);
}

/* flags: null for libtcc, else for cc. */
static inline void compile(qn_context *ctx, uint32_t n, const qn_body *bodies, const char *flags, compiled *c) {
  memset(c, 0, sizeof *c);
  if (flags) {
    compile_portable(ctx, n, bodies, flags, c);
    return;
  }
  assert_int_equal(qn__tcc_backend()->jit(ctx, n, bodies, &c->code), QN_OK);
  c->fns = c->code->functions;
}
static inline void release(compiled *c) {
  if (c->code) c->code->destroy(c->code);
  if (c->library) dlclose(c->library);
}

static const char *const compilers[] = {NULL, "-O1 -std=c11", "-O2 -march=native -std=gnu11"};
enum { NUM_COMPILERS = 3 };

static inline void name_body(qn_body *b, const qn_kernel_plan *p, qn_body_part part, uint32_t rows) {
  *b = (qn_body){.plan = p, .part = part, .rows = rows};
  const char *suffix = part == QN_PART_PROLOGUE ? "_p" : "";
  if (part == QN_PART_TILES)
    snprintf(b->symbol, sizeof b->symbol, "%s_t%u", p->name, rows);
  else
    snprintf(b->symbol, sizeof b->symbol, "%s%s", p->name, suffix);
}

/* Something to f32, and back. */
static inline qn_value to_f32(bench *x, qn_value v, qn_scalar mem) {
  qn_scalar s = bench_signless(mem);
  if (s == QN_F32) return v;
  if (qn_scalar_is_float(s)) return bench_1(x, s == QN_F64 ? QN_OP_TRUNCF : QN_OP_EXTF, v, QN_F32);
  return bench_1(x, qn_scalar_get(mem)->cls == QN_UNSIGNED || s == QN_I1 ? QN_OP_UITOFP : QN_OP_SITOFP, v, QN_F32);
}
static inline qn_value from_f32(bench *x, qn_value v, qn_scalar mem) {
  qn_scalar s = bench_signless(mem);
  if (s == QN_F32) return v;
  if (qn_scalar_is_float(s)) return bench_1(x, s == QN_F64 ? QN_OP_EXTF : QN_OP_TRUNCF, v, s);
  v = bench_1(x, QN_OP_MATH_ROUNDEVEN, v, QN_F32);
  return bench_1(x, qn_scalar_get(mem)->cls == QN_UNSIGNED || s == QN_I1 ? QN_OP_FPTOUI : QN_OP_FPTOSI, v, s);
}

static inline bool is_float_nan(qn_scalar s, uint64_t v) {
  switch (s) {
  case QN_F32: return isnan(run_f32(v));
  case QN_F64: return isnan(run_f64(v));
  case QN_F16: return (v & 0x7FFF) > 0x7C00;
  case QN_BF16: return (v & 0x7FFF) > 0x7F80;
  case QN_F8E5M2: return (v & 0x7F) > 0x7C;
  case QN_F8E4M3FN: return (v & 0x7F) == 0x7F;
  default: return false;
  }
}

static inline void check_elements(qn_scalar mem, const void *got, const void *want, int64_t n, const char *what) {
  for (int64_t e = 0; e < n; e++) {
    uint64_t a = run_load(mem, got, e), b = run_load(mem, want, e);
    if (a == b || (is_float_nan(mem, a) && is_float_nan(mem, b))) continue;
    fail_msg("%s: element %lld of type %s is %llx, expected %llx", what, (long long)e, qn_scalar_get(mem)->text,
             (unsigned long long)a, (unsigned long long)b);
  }
}
#endif
