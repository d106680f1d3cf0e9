/* The machine's constants, measured: what the system tells of caches, the limits of instructions and memory, and
 * kernels of ours whose times compare. */
#define _GNU_SOURCE /* _SC_LEVEL2_CACHE_SIZE */
#include "alloc.h"
#include "clock.h"
#include "tune.h"
#include <math.h>
#include <quern/text.h>
#include <quern/unstable/isa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void set(qn_machine *m, double *constant, double v) {
  for (size_t i = 0; qn_machine_constant_get(i); i++) {
    const qn_machine_constant *c = qn_machine_constant_get(i);
    if (qn_machine_at(m, i) != constant || !isfinite(v)) continue;
    *constant = v < c->least ? c->least : v > c->most ? c->most : v;
  }
}

/* ---- caches: as the system's sysconf tells; 0 where it does not ---- */

static double cache_bytes(int name) {
  long n = sysconf(name);
  return n > 0 ? (double)n : 0;
}

/* Blocks of rows share the second level with panels and results. */
static void measure_caches(qn_machine *m) {
  double l2 = cache_bytes(_SC_LEVEL2_CACHE_SIZE), l3 = cache_bytes(_SC_LEVEL3_CACHE_SIZE);
  if (l3 > 0) set(m, &m->l3_bytes, l3);
  if (l2 <= 0) return;
  set(m, &m->l2_bytes, l2);
  set(m, &m->kept_bytes, floor(l2 * 3 / 8));
  set(m, &m->large_bytes, floor(l2 * 5 / 8));
  set(m, &m->written_bytes, floor(l2 / 2));
  set(m, &m->piece_bytes, floor(l2 / 8));
  set(m, &m->long_bytes, floor(l2 / 4));
  set(m, &m->outside_bytes, floor(l2 * 3 / 4));
  set(m, &m->chain_bytes, floor(l2 * 3 / 32));
}

/* ---- speeds ---- */

static qn_status measure_speeds(qn_context *ctx, const char *cpu, const qn_isa *isa, qn_machine *m) {
  qn_limits limits;
  double l2 = 0, l3 = 0, width = isa->vector_bits / 512.0;
  bool dot = isa->has & (QN_ISA_DOT8 | QN_ISA_MATRIX8 | QN_ISA_TILES);
  qn_status status = qn_engine_limits(ctx, cpu, 1, 1u << QN_MULTIPLIER_INT8 | 1u << QN_MULTIPLIER_F32, &limits);
  if (!status) status = qn_engine_read_speed(ctx, cpu, (size_t)(m->l2_bytes / 2), &l2);
  double between = m->l3_bytes / 4 < 8 * m->l2_bytes ? m->l3_bytes / 4 : 8 * m->l2_bytes;
  if (!status) status = qn_engine_read_speed(ctx, cpu, (size_t)between, &l3);
  if (status) return status;
  set(m, &m->int8_gops, limits.ops[QN_MULTIPLIER_INT8] * 1e-9 / width * (dot ? 1 : 4));
  set(m, &m->f32_gops, limits.ops[QN_MULTIPLIER_F32] * 1e-9 / width * (isa->has_fma ? 1 : 4));
  set(m, &m->l2_gbps, l2 * 1e-9);
  set(m, &m->l3_gbps, l3 * 1e-9);
  set(m, &m->memory_gbps, limits.memory_bytes * 1e-9);
  return QN_OK;
}

/* ---- threads ---- */

static void nothing(void *arg, size_t i) {
  (void)arg, (void)i;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

enum { REGIONS = 301 };

/* Of regions that begin `gap` after the last, one of the quicker: others have waited for other programs. */
static double region_ns(const qn_parallel *p, double gap) {
  double took[REGIONS];
  int n = gap > 1e6 ? 41 : REGIONS;
  for (int i = 0; i < n; i++) {
    for (double begun = qn__now_ns(); qn__now_ns() - begun < gap;) continue;
    double begun = qn__now_ns();
    p->run(p->pool, nothing, NULL, 2);
    took[i] = qn__now_ns() - begun;
  }
  qsort(took, (size_t)n, sizeof *took, by_value);
  return took[n / 10];
}

/* Threads wait awake for a while and then asleep: halfway between the two, as times go. */
static qn_status measure_threads(qn_context *ctx, qn_machine *m) {
  qn_pool *pool;
  if (sysconf(_SC_NPROCESSORS_ONLN) < 2) return QN_OK;
  qn_status status = qn_pool_create(ctx, 2, &pool);
  if (status) return status;
  qn_parallel p = qn_pool_parallel(pool);
  double awake = region_ns(&p, 20e3), asleep = region_ns(&p, 5e6);
  qn_pool_destroy(pool);
  set(m, &m->thread_ns, sqrt(awake * asleep));
  return QN_OK;
}

/* ---- kernels ---- */

/* ns an instruction on an element: gelu, which is arithmetic and little else. */
static qn_status measure_loops(qn_context *ctx, const char *cpu, qn_machine *m) {
  static const char text[] = "func.func @main(%x: tensor<64x256xf32>) -> tensor<64x256xf32> {\n"
                             "  %y = quern.gelu %x : (tensor<64x256xf32>) -> tensor<64x256xf32>\n"
                             "  return %y : tensor<64x256xf32>\n}\n";
  qn_tensor in = {.elem = QN_F32, .rank = 2, .shape = {64, 256}};
  qn_compile_options options = {.engine = "llvm", .cpu = cpu};
  qn_kernel_time times[2];
  qn_module *module = NULL;
  qn_program *p = NULL;
  size_t n = 0;
  in.data = qn__alloc_zero(qn_context_allocator(ctx), 64 * 256 * sizeof(float));
  qn_status status = in.data ? qn_parse_text(ctx, qn_str_of(text), "measure", NULL, &module) : qn_error_no_memory(ctx);
  if (!status) status = qn_build_program(module, &options, &p);
  if (!status) status = qn_bench_kernels(ctx, p, &in, 1, 0.1, 2, times, &n);
  if (!status && n == 1 && times[0].ops > 0) set(m, &m->op_ns, times[0].best_ns / times[0].ops);
  qn_program_destroy(p);
  qn_module_destroy(module);
  qn__free(qn_context_allocator(ctx), in.data, in.data ? 64 * 256 * sizeof(float) : 0);
  return status;
}

typedef struct panels {
  qn_context *ctx;
  const char *cpu;
} panels;

enum { PANELS_M = 96, PANELS_N = 192, PANELS_K = 512 };

static qn_status build_panels(void *user, qn_program **out) {
  panels *p = user;
  static const float one = 1;
  qn_matmul_desc d = {.m = PANELS_M, .n = PANELS_N, .k = PANELS_K, .a = QN_UI8, .b = QN_I8, .y = QN_UI8};
  qn_compile_options options = {.engine = "llvm", .cpu = p->cpu};
  int8_t *w = qn__alloc(qn_context_allocator(p->ctx), PANELS_N * PANELS_K);
  if (!w) return qn_error_no_memory(p->ctx);
  for (int i = 0; i < PANELS_N * PANELS_K; i++) w[i] = (int8_t)(1 + i * 37 % 127); /* zeros would be left out */
  d.b_scales = &one, d.b_per_tensor = true, d.b_data = w, d.a_scale = 0.02f, d.y_scale = 4;
  qn_status status = qn_kernel_matmul(p->ctx, &d, &options, out);
  qn__free(qn_context_allocator(p->ctx), w, PANELS_N * PANELS_K);
  return status;
}

/* Time with panels of `vectors` vectors against that of the row's own; every width divides the columns. */
static qn_status race_panels(panels *p, const qn_isa *isa, const qn_tensor *in, uint32_t vectors, double *cost) {
  qn_program *a = NULL, *b = NULL;
  qn__runner ra = {0}, rb = {0};
  qn__tune_ratio ratio = {0};
  qn_tuned t = {.kind = QN_TUNED_GEMM, .n = PANELS_N, .k = PANELS_K, .m_least = PANELS_M, .m_most = PANELS_M};
  uint32_t lanes = isa->vector_bits / 32;
  snprintf(t.isa, sizeof t.isa, "%s", isa->name);
  snprintf(t.types, sizeof t.types, "ui8,i8,i32");
  t.choice = qn_choice_none();
  t.choice.value[QN_CHOICE_PANEL] = 4 * (int64_t)lanes;
  qn_status status = qn_tuning_put(p->ctx, &t);
  if (!status) status = build_panels(p, &a);
  t.choice.value[QN_CHOICE_PANEL] = vectors * (int64_t)lanes;
  if (!status) status = qn_tuning_put(p->ctx, &t);
  if (!status) status = build_panels(p, &b);
  if (!status) status = qn__runner_open(&ra, p->ctx, a, in, NULL);
  if (!status) status = qn__runner_open(&rb, p->ctx, b, in, NULL);
  if (!status) status = qn__tune_race(p->ctx, &ra, &rb, 1, &t, 0.3, true, &ratio);
  qn_tuning_remove(p->ctx, &t);
  qn__runner_close(&ra), qn__runner_close(&rb);
  qn_program_destroy(a), qn_program_destroy(b);
  *cost = ratio.gain > 0 ? 1 / ratio.gain : 0;
  return status;
}

static qn_status measure_panels(qn_context *ctx, const char *cpu, const qn_isa *isa, qn_machine *m) {
  char name[32];
  panels p = {ctx, cpu};
  double *to[] = {&m->vector1_cost, &m->vector2_cost, &m->vector3_cost};
  uint32_t lanes = isa->vector_bits / 32;
  qn_status status = QN_OK;
  if (!qn_isa_gemm_panel(isa, QN_UI8, QN_I8, QN_I32, 4 * (int64_t)lanes, name, sizeof name) ||
      !qn_isa_gemm_panel(isa, QN_UI8, QN_I8, QN_I32, 3 * (int64_t)lanes, name, sizeof name))
    return QN_OK; /* a row whose panels have one width, or fewer vectors */
  qn_tensor in = {.elem = QN_UI8, .rank = 2, .shape = {PANELS_M, PANELS_K}};
  in.data = qn__alloc_zero(qn_context_allocator(ctx), PANELS_M * PANELS_K);
  if (!in.data) return qn_error_no_memory(ctx);
  for (uint32_t v = 1; v <= 3 && !status; v++) {
    double cost = 0;
    status = race_panels(&p, isa, &in, v, &cost);
    if (cost > 0) set(m, to[v - 1], cost < 1 ? 1 : cost);
  }
  qn__free(qn_context_allocator(ctx), in.data, PANELS_M * PANELS_K);
  /* Narrower panels are no cheaper: what says so is noise. */
  if (m->vector2_cost < m->vector3_cost) m->vector2_cost = m->vector3_cost;
  if (m->vector1_cost < m->vector2_cost) m->vector1_cost = m->vector2_cost;
  return status;
}

qn_status qn_measure_machine(qn_context *ctx, const char *cpu, qn_machine *out) {
  if (!ctx || !out) return qn_error_null(ctx, __func__);
  const qn_isa *isa;
  qn_machine m = qn_machine_default();
  measure_caches(&m);
  qn_status status = qn_isa_need(ctx, qn_str_of(cpu), &isa);
  if (!status) status = measure_speeds(ctx, cpu, isa, &m);
  if (!status) status = measure_threads(ctx, &m);
  if (!status) status = measure_loops(ctx, cpu, &m);
  if (!status) status = measure_panels(ctx, cpu, isa, &m);
  if (!status) *out = m;
  return status;
}
