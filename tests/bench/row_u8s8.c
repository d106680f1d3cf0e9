/* Rows of matrix products in cache: u8 x s8 over a file of shapes, small squares, floats. */
#include "bench.h"
#include <stdlib.h>
#include <string.h>

/* u8 x s8 with fused bias, scale per channel and relu, to u8 and to f32. The peak is told from M = 16. */
bool row_u8s8(qn_context *ctx, const options *o, report *r) {
  product_race races[] = {
      {.work = "u8s8-u8", .y = QN_UI8, .loop = "u8s8-u8-loop", .peers = "onednn,xnnpack,onnxruntime"},
      {.work = "u8s8-f32", .y = QN_F32, .loop = "u8s8-f32-loop", .peers = "onednn,onnxruntime"},
  };
  size_t n = o->num_shapes;
  bench_shape *all = o->shapes ? NULL : shapes_read(QUERN_BENCH_SHAPES, &n);
  const bench_shape *shapes = o->shapes ? o->shapes : all;
  if (!shapes) return false;
  bool good = true;
  /* Where others slow the machine down, what is left of the time is shared by what is left to do. */
  double end = seconds_now() + (o->quick ? 40 : 120);
  for (size_t i = 0; i < n && good; i++) {
    if (shapes[i].section[0] && (i == 0 || strcmp(shapes[i].section, shapes[i - 1].section)))
      report_note(r, "%s", shapes[i].section);
    for (int j = 0; j < 2 && good; j++) {
      product_race *s = &races[j];
      s->a = QN_UI8, s->fused = true, s->peak_from = 16, s->unit = "GOPS";
      s->budget = 0.6 * (end - seconds_now()) / (double)(2 * (n - i));
      if (s->budget > 1) s->budget = 1;
      good = race_product(ctx, o, r, s, shapes[i].m, shapes[i].n, shapes[i].k);
    }
  }
  free(all);
  return good;
}

/* u8 x s8 -> i32 without anything fused, called again and again: prepared calls, as LIBXSMM's kernels are functions
 * that its set-up made, and of the smallest also plain ones, which look at their tensors every time. */
bool row_small(qn_context *ctx, const options *o, report *r) {
  static const int64_t shapes[][3] = {{16, 16, 64},   {32, 32, 64},   {16, 64, 64},    {64, 16, 64},
                                      {32, 32, 128},  {48, 48, 96},   {64, 64, 64},    {64, 64, 128},
                                      {80, 80, 80},   {96, 96, 96},   {96, 96, 192},   {128, 128, 64},
                                      {64, 128, 256}, {128, 64, 256}, {128, 128, 128}, {128, 128, 256}};
  enum { PLAIN = 4 };
  product_race s = {.work = "small",
                    .a = QN_UI8,
                    .y = QN_I32,
                    .prepared = true,
                    .peers = "libxsmm",
                    .unit = "GOPS",
                    .budget = o->quick ? 0.1 : 0.3};
  bool good = true;
  report_note(r, "small: our calls are prepared (qn_prepared_run), LIBXSMM's are of the function it made;");
  report_note(r, "small-plain: ours are qn_program_call, which checks tensors, shapes and overlaps");
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes && good; i++)
    good = race_product(ctx, o, r, &s, shapes[i][0], shapes[i][1], shapes[i][2]);
  s.work = "small-plain", s.prepared = false;
  for (size_t i = 0; i < PLAIN && good; i++)
    good = race_product(ctx, o, r, &s, shapes[i][0], shapes[i][1], shapes[i][2]);
  return good;
}

/* f32 with bias and relu. Quern sums in one chain of ascending k, whoever else in whatever order. */
bool row_float(qn_context *ctx, const options *o, report *r) {
  static const int64_t shapes[][3] = {{1, 768, 768},     {1, 4096, 4096}, {4, 2048, 2048},    {16, 768, 768},
                                      {64, 1000, 2048},  {128, 768, 768}, {128, 3072, 768},   {197, 768, 768},
                                      {384, 1024, 1024}, {512, 512, 512}, {1024, 1024, 1024}, {3136, 64, 576},
                                      {784, 128, 1152},  {100, 100, 100}, {17, 31, 129},      {255, 257, 511}};
  product_race s = {.work = "f32",
                    .a = QN_F32,
                    .y = QN_F32,
                    .fused = true,
                    .peers = "onednn,onnxruntime",
                    .unit = "GFLOPS",
                    .budget = o->quick ? 0.2 : 0.6};
  bool good = true;
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes && good; i++)
    good = race_product(ctx, o, r, &s, shapes[i][0], shapes[i][1], shapes[i][2]);
  return good;
}
