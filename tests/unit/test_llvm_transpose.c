/* Transposed maps on every row of the instruction set table: plain copies of elements of every size and bodies that
 * compute, permutations of two to four axes, sizes below, at and above the squares that are turned around in registers,
 * on one thread and on three. */
#include "unit.h"
#include <quern/quern.h>
#include <quern/unstable/isa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 70 * 1024, RANK = 4, FENCE = 64 };

typedef struct form {
  const char *from, *to, *body; /* body: from %a to %y; null for a plain copy */
  size_t from_size, to_size;
  DLDataType from_type, to_type;
} form;

static const form forms[] = {
    {"f32", "f32", NULL, 4, 4, {kDLFloat, 32, 1}, {kDLFloat, 32, 1}},
    {"f16", "f16", NULL, 2, 2, {kDLFloat, 16, 1}, {kDLFloat, 16, 1}},
    {"i8", "i8", NULL, 1, 1, {kDLInt, 8, 1}, {kDLInt, 8, 1}},
    {"i64", "i64", NULL, 8, 8, {kDLInt, 64, 1}, {kDLInt, 64, 1}},
    {"i1", "i1", NULL, 1, 1, {kDLUInt, 8, 1}, {kDLUInt, 8, 1}},
    {"i8", "i32", "%y = arith.extsi %a : i8 to i32\n", 1, 4, {kDLInt, 8, 1}, {kDLInt, 32, 1}},
    {"i32", "i8", "%y = arith.trunci %a : i32 to i8\n", 4, 1, {kDLInt, 32, 1}, {kDLInt, 8, 1}},
};

typedef struct layout {
  int rank;
  int64_t shape[RANK], perm[RANK];
} layout;

static const layout layouts[] = {
    {2, {1, 5}, {1, 0}},
    {2, {16, 16}, {1, 0}},
    {2, {17, 33}, {1, 0}},
    {2, {3, 300}, {1, 0}},
    {2, {300, 3}, {1, 0}},
    {2, {261, 40}, {1, 0}},
    {3, {3, 20, 18}, {0, 2, 1}},
    {3, {5, 18, 31}, {2, 0, 1}},
    {3, {6, 17, 16}, {1, 2, 0}},
    {3, {4, 9, 35}, {2, 1, 0}},
    {4, {2, 3, 19, 16}, {0, 2, 3, 1}},
    {4, {2, 7, 5, 33}, {3, 1, 0, 2}},
    {4, {2, 20, 3, 24}, {0, 3, 2, 1}},
};

static unsigned char x[MOST * 8], y[MOST * 8 + 2 * FENCE];

static void backwards(void *pool, void (*task)(void *arg, size_t i), void *arg, size_t n) {
  (void)pool;
  while (n-- > 0) task(arg, n);
}

static void dims(char *text, size_t size, const int64_t *shape, int rank) {
  size_t at = 0;
  text[0] = 0;
  for (int d = 0; d < rank; d++) at += (size_t)snprintf(text + at, size - at, "%lldx", (long long)shape[d]);
}

static qn_program *compile(qn_context *ctx, const char *isa, const form *f, const layout *l, const int64_t *out) {
  char text[1200], in_dims[80], out_dims[80], perm[80];
  size_t at = 0;
  dims(in_dims, sizeof in_dims, l->shape, l->rank), dims(out_dims, sizeof out_dims, out, l->rank);
  for (int d = 0; d < l->rank; d++)
    at += (size_t)snprintf(perm + at, sizeof perm - at, "%s%lld", d ? ", " : "", (long long)l->perm[d]);
  snprintf(text, sizeof text,
           "module attributes {quern.target = \"%s\"} {\nfunc.func @f(%%x: tensor<%s%s>) -> tensor<%s%s> {\n"
           "%%z = kern.map %%x body {\n^bb0(%%a: %s):\n%skern.yield %s : %s\n} {perm = array<i64: %s>} : "
           "(tensor<%s%s>) -> tensor<%s%s>\nreturn %%z : tensor<%s%s>\n}\n}\n",
           isa, in_dims, f->from, out_dims, f->to, f->from, f->body ? f->body : "", f->body ? "%y" : "%a", f->to, perm,
           in_dims, f->from, out_dims, f->to, out_dims, f->to);
  qn_module *m = NULL;
  qn_program *p = NULL;
  qn_compile_options options = {.engine = "llvm", .cpu = isa};
  assert_int_equal(qn_parse_text(ctx, qn_str_of(text), "transpose.mlir", NULL, &m), QN_OK);
  assert_int_equal(qn_program_compile(m, &options, &p), QN_OK);
  qn_module_destroy(m);
  return p;
}

/* Element `to` of y, from element `from` of x. */
static bool is_right(const form *f, const unsigned char *to, const unsigned char *from) {
  if (!f->body) return !memcmp(to, from, f->to_size);
  if (f->to_size == 1) return to[0] == from[0];
  int32_t wide;
  memcpy(&wide, to, sizeof wide);
  return wide == (from[0] ^ 128) - 128;
}

static void check(const char *isa, const form *f, const layout *l, const int64_t *out, const unsigned char *got) {
  int64_t count = 1, stride[RANK] = {0};
  for (int d = l->rank; d-- > 0; count *= l->shape[d]) stride[d] = count;
  for (int64_t i = 0; i < count; i++) {
    int64_t rest = i, from = 0;
    for (int d = l->rank; d-- > 0; rest /= out[d]) from += rest % out[d] * stride[l->perm[d]];
    if (!is_right(f, got + (size_t)i * f->to_size, x + (size_t)from * f->from_size))
      fail_msg("%s %s -> %s, rank %d, first size %lld: element %lld", isa, f->from, f->to, l->rank,
               (long long)l->shape[0], (long long)i);
  }
  for (int i = 0; i < FENCE; i++)
    assert_true(got[-1 - i] == 0xA5 && got[(size_t)count * f->to_size + (size_t)i] == 0xA5);
}

static void run(qn_context *ctx, const char *isa, const form *f, const layout *l) {
  int64_t out[RANK], shape[RANK];
  for (int d = 0; d < l->rank; d++) out[d] = l->shape[l->perm[d]], shape[d] = l->shape[d];
  qn_program *p = compile(ctx, isa, f, l, out);
  DLTensor in = {.data = x, .device = {kDLCPU, 0}, .ndim = l->rank, .dtype = f->from_type, .shape = shape};
  DLTensor to = {.data = y + FENCE, .device = {kDLCPU, 0}, .ndim = l->rank, .dtype = f->to_type, .shape = out};
  size_t bytes = qn_program_workspace_size(p, &in);
  void *workspace = malloc(bytes + 1);
  for (uint32_t threads = 1; threads <= 3; threads += 2) {
    qn_parallel parallel = {.run = backwards, .num_threads = threads, .min_ns = 1};
    memset(y, 0xA5, sizeof y);
    qn_call_error error;
    if (qn_program_call(p, &in, &to, workspace, bytes, &parallel, &error)) fail_msg("%s", error.message);
    check(isa, f, l, out, y + FENCE);
  }
  free(workspace);
  qn_program_destroy(p);
}

static void all(void **state) {
  (void)state;
  uint32_t bits = 99;
  qn_context *ctx = qn_context_create(NULL);
  for (size_t i = 0; qn_isa_get(i); i++) {
    if (!qn_isa_runs_here(qn_isa_get(i))) continue;
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
      for (size_t k = 0; k < sizeof x; k++) {
        bits = bits * 1664525u + 1013904223u;
        x[k] = (unsigned char)(strcmp(forms[f].from, "i1") ? bits >> 24 : bits >> 31);
      }
      for (size_t k = f % 2; k < sizeof layouts / sizeof *layouts; k += i % 2 ? 2 : 1)
        run(ctx, qn_isa_get(i)->name, &forms[f], &layouts[k]);
    }
  }
  qn_context_destroy(ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(all)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
