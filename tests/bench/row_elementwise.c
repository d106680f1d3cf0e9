/* Ops without a matrix product, and transposes, beside a memcpy of the same bytes, in and out of cache. */
#include "bench.h"
#include <stdlib.h>
#include <string.h>

typedef struct op {
  const char *name;
  qn_scalar in;
  double bytes;             /* read and written, per element */
  limit_kind bound;         /* in a cache, where it is not the copy: instructions that its code has for two vectors */
  const char *types, *body; /* function's type after the name; %%lld is rows, then columns, wherever the text has R C */
} op;

/* R and C stand for the sizes. */
static const op ops[] = {
    {"quantize", QN_F32, 5, LIMIT_FAR_PASS, "(%x: tensor<RxCxf32>) -> tensor<RxCxui8>",
     "%q = quant.qcast %x : tensor<RxCxf32> to tensor<RxCx!quant.uniform<u8:f32, 0.02:117>>\n"
     "%y = quant.scast %q : tensor<RxCx!quant.uniform<u8:f32, 0.02:117>> to tensor<RxCxui8>\n"
     "return %y : tensor<RxCxui8>\n"},
    {"dequantize", QN_UI8, 5, LIMIT_STORES, "(%x: tensor<RxCxui8>) -> tensor<RxCxf32>",
     "%q = quant.scast %x : tensor<RxCxui8> to tensor<RxCx!quant.uniform<u8:f32, 0.02:117>>\n"
     "%y = quant.dcast %q : tensor<RxCx!quant.uniform<u8:f32, 0.02:117>> to tensor<RxCxf32>\n"
     "return %y : tensor<RxCxf32>\n"},
    {"requantize", QN_I32, 5, LIMIT_FAR_PASS, "(%x: tensor<RxCxi32>) -> tensor<RxCxui8>",
     "%m = arith.constant dense<0.0025> : tensor<f32>\n"
     "%q = quern.requantize %x, %m : (tensor<RxCxi32>, tensor<f32>) -> tensor<RxCx!quant.uniform<u8:f32, 0.02:117>>\n"
     "%y = quant.scast %q : tensor<RxCx!quant.uniform<u8:f32, 0.02:117>> to tensor<RxCxui8>\n"
     "return %y : tensor<RxCxui8>\n"},
    {"layer_norm", QN_F32, 8, LIMIT_PASSES, "(%x: tensor<RxCxf32>) -> tensor<RxCxf32>",
     "%g = arith.constant dense<1.5> : tensor<Cxf32>\n"
     "%b = arith.constant dense<0.25> : tensor<Cxf32>\n"
     "%y = quern.layer_norm %x, %g, %b : (tensor<RxCxf32>, tensor<Cxf32>, tensor<Cxf32>) -> tensor<RxCxf32>\n"
     "return %y : tensor<RxCxf32>\n"},
    {"softmax", QN_F32, 8, LIMIT_WORK_37, "(%x: tensor<RxCxf32>) -> tensor<RxCxf32>",
     "%y = quern.softmax %x : (tensor<RxCxf32>) -> tensor<RxCxf32>\n"
     "return %y : tensor<RxCxf32>\n"},
    {"gelu", QN_F32, 8, LIMIT_WORK_44, "(%x: tensor<RxCxf32>) -> tensor<RxCxf32>",
     "%y = quern.gelu %x : (tensor<RxCxf32>) -> tensor<RxCxf32>\n"
     "return %y : tensor<RxCxf32>\n"},
    {"transpose", QN_F32, 8, LIMIT_NONE, "(%x: tensor<RxCxf32>) -> tensor<CxRxf32>",
     "%y = quern.transpose %x {perm = array<i64: 1, 0>} : (tensor<RxCxf32>) -> tensor<CxRxf32>\n"
     "return %y : tensor<CxRxf32>\n"},
    {"transpose8", QN_UI8, 2, LIMIT_NONE, "(%x: tensor<RxCxui8>) -> tensor<CxRxui8>",
     "%y = quern.transpose %x {perm = array<i64: 1, 0>} : (tensor<RxCxui8>) -> tensor<CxRxui8>\n"
     "return %y : tensor<CxRxui8>\n"},
};

static void with_sizes(text *t, const char *pattern, int64_t rows, int64_t columns) {
  for (const char *s = pattern; *s; s++)
    if ((*s == 'R' || *s == 'C') && s > pattern && (s[-1] == '<' || s[-1] == 'x'))
      text_add(t, "%lld", (long long)(*s == 'R' ? rows : columns));
    else
      text_add(t, "%c", *s);
}

static void fill(const op *of, void *data, size_t n) {
  if (of->in == QN_F32)
    fill_floats(data, n, -3, 3, 7);
  else
    fill_bytes(data, n * qn_scalar_bytes(of->in, 1), 7);
  if (of->in == QN_I32)
    for (size_t i = 0; i < n; i++) ((int32_t *)data)[i] >>= 14;
}

/* Beside the loop that does no more than the op has to: where there is memory to wait for, reading its source and
 * writing as many bytes as its result has; all else in the second level. */
static void against_bound(const options *o, report *r, const op *of, const char *where, const char *name,
                          const contender *ours, size_t n) {
  static const char *const what[] = {[LIMIT_FAR_PASS] = "pass",
                                     [LIMIT_STORES] = "stores",
                                     [LIMIT_WORK_37] = "ports",
                                     [LIMIT_WORK_44] = "ports",
                                     [LIMIT_PASSES] = "passes"};
  char work[48];
  contender c[2] = {*ours};
  timing times[2];
  if (of->bound == LIMIT_NONE || strcmp(where, of->bound == LIMIT_FAR_PASS ? "far" : "L2") != 0) return;
  size_t from = n * qn_scalar_bytes(of->in, 1), to = (size_t)((double)n * of->bytes) - from;
  bool have = of->bound == LIMIT_FAR_PASS ? limit_pass(o, true, from, to, &c[1]) : limit_ports(o, of->bound, n, &c[1]);
  if (!have) return;
  snprintf(work, sizeof work, "%s-%s-%s", of->name, where, what[of->bound]);
  race(c, 2, o->quick ? 0.1 : 0.4, times);
  report_ratio(r, work, name, "limit", &times[0], &times[1], (double)n * of->bytes, "GB/s");
  contender_destroy(&c[1]);
}

static bool one(qn_context *ctx, const options *o, report *r, const op *of, const char *where, int64_t rows,
                bool *missing) {
  const int64_t columns = 768;
  char work[48], name[48];
  size_t n = (size_t)(rows * columns), bytes = (size_t)((double)n * of->bytes);
  text t = {NULL, 0, 0};
  contender c[2];
  timing times[2];
  bool wrong = false;
  snprintf(work, sizeof work, "%s-%s", of->name, where);
  snprintf(name, sizeof name, "%lldx%lld", (long long)rows, (long long)columns);
  text_add(&t, "func.func @main");
  with_sizes(&t, of->types, rows, columns);
  text_add(&t, " {\n");
  with_sizes(&t, of->body, rows, columns);
  text_add(&t, "}\n");
  qn_tensor in = {.elem = of->in, .rank = 2, .shape = {rows, columns}};
  in.data = big_alloc(n * qn_scalar_bytes(of->in, 1) + 64);
  fill(of, in.data, n);
  bool have = checked_program(ctx, &t, o, &in, true, &c[0], NULL, &wrong);
  if (!have && !*missing) report_note(r, "%s left out: this version has no such op, or cannot compile it", of->name);
  *missing |= !have;
  if (have && wrong) report_wrong(r, work, name, "quern");
  if (have && !wrong && limit_copy(bytes / 2, &c[1])) {
    race(c, 2, o->quick ? 0.1 : 0.4, times);
    report_ratio(r, work, name, "limit", &times[0], &times[1], (double)bytes, "GB/s");
    contender_destroy(&c[1]);
    against_bound(o, r, of, where, name, &c[0], n);
  }
  if (have) contender_destroy(&c[0]);
  big_free(in.data, 0);
  text_free(&t);
  return true;
}

bool row_elementwise(qn_context *ctx, const options *o, report *r) {
  /* In the first-level cache, in the second, and beyond the last, with what the copy beside it reads and writes. */
  static const struct {
    const char *where;
    int64_t rows;
  } places[] = {{"L1", 4}, {"L2", 128}, {"far", 0}};
  bool good = true;
  for (size_t i = 0; i < sizeof ops / sizeof *ops && good; i++) {
    bool missing = false;
    for (size_t j = 0; j < (o->quick ? 2 : 3) && good; j++) {
      int64_t rows = places[j].rows;
      if (!rows) rows = (int64_t)((double)llc_bytes() * 0.8 / ops[i].bytes / 768);
      good = one(ctx, o, r, &ops[i], places[j].where, rows, &missing);
    }
  }
  return good;
}
