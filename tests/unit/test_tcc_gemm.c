/* Generated C: packing, prologues and matrix products against plain C; whole programs as C files. */
#include "c_compile.h"
#include "loop_run.h"

/* ---- matrix products ---- */

typedef struct gemm_case {
  qn_kernel_plan plan, pack;
  int64_t m, n, k;
  bool transpose, trans_b;
  qn_scalar residual;
  uint8_t *a, *b, *packed, *codes, *y, *want, *bias, *row, *res;
} gemm_case;

static void fill(uint64_t *seed, qn_scalar mem, uint8_t *data, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    uint64_t v = bench_random(seed);
    if (mem == QN_F32) v = run_b32((float)(int)(v % 4001 - 2000) / 512.0f);
    if (mem == QN_F64) v = run_b64((double)(int)(v % 4001 - 2000) / 512.0);
    run_store(mem, data, i, run_cut(v, qn_scalar_get(mem)->bits));
  }
}

/* y = narrow(f32(acc) * 0.01 + bias[n] + row[m]), max with 0, + residual[m, n] */
static void build_gemm(bench *x, qn_arena *arena, uint64_t *seed, gemm_case *c) {
  static const struct {
    qn_scalar a, lhs, rhs, acc, y;
    bool quantize;
  } kinds[] = {{QN_UI8, QN_UI8, QN_I8, QN_I32, QN_F32, false},  {QN_F32, QN_UI8, QN_I8, QN_I32, QN_I8, true},
               {QN_UI8, QN_UI8, QN_I8, QN_I64, QN_UI8, false},  {QN_I16, QN_I16, QN_I16, QN_I32, QN_F16, false},
               {QN_I16, QN_I16, QN_I16, QN_I64, QN_F64, false}, {QN_F32, QN_F32, QN_F32, QN_F32, QN_F32, false},
               {QN_F64, QN_F64, QN_F64, QN_F64, QN_F32, false}, {QN_F16, QN_F32, QN_F32, QN_F32, QN_BF16, true},
               {QN_F32, QN_UI8, QN_I8, QN_I32, QN_UI8, true}};
  static const char *const layouts[] = {"k4n64", "k2n16", "k1n8", "k8n4", "k1n3", "k4n1"};
  size_t which = bench_random(seed) % (sizeof kinds / sizeof *kinds);
  qn_scalar a = kinds[which].a, lhs = kinds[which].lhs, rhs = kinds[which].rhs, acc = kinds[which].acc,
            y = kinds[which].y;
  memset(c, 0, sizeof *c);
  c->m = 1 + (int64_t)(bench_random(seed) % 20);
  c->n = 1 + (int64_t)(bench_random(seed) % 90);
  c->k = (int64_t)(bench_random(seed) % 50);
  c->transpose = bench_random(seed) % 4 == 0;
  c->trans_b = bench_random(seed) % 2;
  c->residual = y == QN_F64 ? QN_F32 : QN_F16;
  qn_str layout = qn_str_of(layouts[bench_random(seed) % 6]);
  const int64_t shape_a[] = {c->transpose ? c->k : c->m, c->transpose ? c->m : c->k}, shape_b[] = {c->k, c->n};
  const int64_t one[] = {1}, bias[] = {c->n}, row[] = {c->m, 1}, full[] = {c->m, c->n};
  const int64_t source_b[] = {c->trans_b ? c->n : c->k, c->trans_b ? c->k : c->n};
  qn_value raw = bench_operand(x, bench_tensor(x, rhs, 2, source_b));
  qn_type packed = bench_tensor(x, rhs, 2, shape_b);
  qn_op pack = bench_op(x, QN_OP_PACK, 1, &raw, 1, &packed, 0);
  qn_op_set_attr(x->m, pack, "layout", qn_attr_string(x->m, layout));
  qn_value v[6] = {
      bench_operand(x, bench_tensor(x, a, 2, shape_a)),  qn_op_result(x->m, pack, 0),
      bench_operand(x, bench_tensor(x, QN_F32, 1, one)), bench_operand(x, bench_tensor(x, QN_F32, 1, bias)),
      bench_operand(x, bench_tensor(x, QN_F32, 2, row)), bench_operand(x, bench_tensor(x, c->residual, 2, full))};
  qn_type result = bench_tensor(x, y, 2, full);
  qn_op op = bench_op(x, QN_OP_GEMM, 6, v, 1, &result, 2);
  qn_op_set_attr(x->m, op, "lhs", qn_attr_type(x->m, bench_scalar(x, lhs)));
  qn_op_set_attr(x->m, op, "acc", qn_attr_type(x->m, bench_scalar(x, acc)));
  qn_op_set_attr(x->m, op, "layout", qn_attr_string(x->m, layout));
  qn_op_set_attr(x->m, op, "num_prologue", qn_attr_int(x->m, (qn_type){0}, 1));
  if (c->transpose) qn_op_set_attr(x->m, op, "transpose_a", qn_attr_bool(x->m, true));
  qn_value e = bench_arg(x, a), s = bench_arg(x, QN_F32);
  if (kinds[which].quantize) {
    e = bench_2(x, QN_OP_DIVF, to_f32(x, e, a), s, QN_F32);
    if (qn_scalar_is_int(lhs)) e = from_f32(x, e, lhs);
  }
  bench_yield(x, 1, &e);
  bench_region(x, op, 1);
  e = bench_arg(x, acc);
  qn_value bv = bench_arg(x, QN_F32), rv = bench_arg(x, QN_F32), res = bench_arg(x, c->residual);
  e = bench_2(x, QN_OP_MULF, to_f32(x, e, acc), bench_float(x, QN_F32, 0.01), QN_F32);
  e = bench_2(x, QN_OP_ADDF, bench_2(x, QN_OP_ADDF, e, bv, QN_F32), rv, QN_F32);
  e = bench_2(x, QN_OP_MAXIMUMF, e, bench_float(x, QN_F32, 0), QN_F32);
  e = from_f32(x, bench_2(x, QN_OP_ADDF, e, to_f32(x, res, c->residual), QN_F32), y);
  bench_yield(x, 1, &e);
  qn_status st = qn__kernel_plan(x->m, op, qn_isa_find(qn_str_of("generic")), arena, &c->plan);
  if (!st) st = qn__kernel_plan(x->m, pack, qn_isa_find(qn_str_of("generic")), arena, &c->pack);
  if (st) print_error("%s\n", x->said);
  assert_int_equal(st, QN_OK);
  const qn_gemm_plan *g = &c->plan.u.gemm;
  int64_t eb = qn_scalar_get(rhs)->bits / 8, lb = qn_scalar_get(lhs)->bits / 8;
  size_t packed_bytes = qn_layout_bytes(&g->layout, (size_t)eb, c->k, c->n);
  /* Exactly as large as they may be read: a checker would tell of more. */
  c->a = malloc((size_t)(c->m * c->k * 8) + 1), c->b = malloc((size_t)(c->k * c->n * eb) + 1);
  c->packed = malloc(packed_bytes + 1);
  c->codes = malloc((size_t)(c->m * ((c->k + 63) / 64 * 64) * lb) + 1);
  c->y = malloc((size_t)(c->m * c->n * 8)), c->want = malloc((size_t)(c->m * c->n * 8));
  c->bias = malloc((size_t)c->n * 4), c->row = malloc((size_t)c->m * 4), c->res = malloc((size_t)(c->m * c->n * 4));
  fill(seed, a, c->a, c->m * c->k), fill(seed, rhs, c->b, c->k * c->n), fill(seed, QN_F32, c->bias, c->n);
  fill(seed, QN_F32, c->row, c->m), fill(seed, c->residual, c->res, c->m * c->n);
}

static const float prologue_scale = 0.03125f;

static uint64_t code_at(const gemm_case *c, int64_t m, int64_t k) {
  const qn_gemm_plan *g = &c->plan.u.gemm;
  uint64_t in[2] = {run_load(g->a_mem, c->a, c->transpose ? k * c->m + m : m * c->k + k), run_b32(prologue_scale)}, out;
  run_tape(&g->prologue, in, &out);
  return out;
}

static void expect_gemm(gemm_case *c) {
  const qn_gemm_plan *g = &c->plan.u.gemm;
  for (int64_t m = 0; m < c->m; m++)
    for (int64_t n = 0; n < c->n; n++) {
      uint64_t sum = 0;
      float fs = 0;
      double ds = 0;
      for (int64_t k = 0; k < c->k; k++) {
        uint64_t a = code_at(c, m, k), b = run_load(g->rhs, c->b, c->trans_b ? n * c->k + k : k * c->n + n);
        if (g->acc == QN_F32)
          fs = fmaf(run_f32(a), run_f32(b), fs);
        else if (g->acc == QN_F64)
          ds = fma(run_f64(a), run_f64(b), ds);
        else
          sum +=
              (uint64_t)((g->lhs == QN_UI8 ? (int64_t)a : run_sext(a, 16)) * run_sext(b, qn_scalar_get(g->rhs)->bits));
      }
      if (g->acc == QN_F32) sum = run_b32(fs);
      if (g->acc == QN_F64) sum = run_b64(ds);
      if (g->acc == QN_I32) sum = run_cut(sum, 32);
      uint64_t in[4] = {sum, run_load(QN_F32, c->bias, n), run_load(QN_F32, c->row, m),
                        run_load(c->residual, c->res, m * c->n + n)},
               out;
      run_tape(&g->epilogue, in, &out);
      run_store(g->y_mem, c->want, m * c->n + n, out);
    }
}

/* fns: pack, prologue, one tile height, another. */
static void call_gemm(const gemm_case *c, const qn_kernel_fn *fns) {
  const qn_gemm_plan *g = &c->plan.u.gemm;
  int64_t eb = qn_scalar_get(g->rhs)->bits / 8, lb = qn_scalar_get(g->lhs)->bits / 8,
          ab = qn_scalar_get(g->a_mem)->bits / 8;
  int64_t kb = g->layout.k_block, nb = g->layout.panel_width, padded = (c->k + kb - 1) / kb * kb,
          panels = (c->n + nb - 1) / nb;
  int64_t panel = padded * nb * eb, codes_row = padded * lb;
  float scale = prologue_scale;
  void *pack_ptr[] = {c->b, c->packed};
  int64_t pack_size[] = {c->k, c->n}, pack_stride[] = {c->trans_b ? eb : c->n * eb, c->trans_b ? c->k * eb : eb, panel};
  for (int64_t p = 0; p < panels; p++) {
    qn_kargs args = {pack_ptr, pack_size, pack_stride, NULL, {p, 0}, {p + 1, 1}};
    assert_int_equal(fns[0](&args), 0);
  }
  size_t bytes = qn_layout_bytes(&g->layout, (size_t)eb, c->k, c->n);
  uint8_t *want = malloc(bytes + 1);
  qn_layout_pack(&g->layout, (size_t)eb, c->k, c->n, c->b, c->trans_b, want);
  assert_memory_equal(c->packed, want, bytes);
  free(want);
  if (g->has_prologue) {
    memset(c->codes, 0xEE, (size_t)(c->m * codes_row));
    void *ptr[] = {c->a, c->codes, &scale};
    int64_t size[] = {c->m, c->k, padded};
    int64_t stride[] = {(c->transpose ? 1 : c->k) * ab, (c->transpose ? c->m : 1) * ab, codes_row, 0};
    qn_kargs args = {ptr, size, stride, NULL, {0, 0}, {c->m, 1}};
    assert_int_equal(fns[1](&args), 0);
    for (int64_t m = 0; m < c->m; m++)
      for (int64_t k = 0; k < padded; k++)
        assert_int_equal(run_load(g->lhs, c->codes + m * codes_row, k), k < c->k ? code_at(c, m, k) : 0);
  }
  memset(c->y, 0xEE, (size_t)(c->m * c->n * 8));
  int64_t yb = qn_scalar_get(g->y_mem)->bits / 8;
  void *ptr[] = {g->has_prologue ? c->codes : c->a, c->packed, c->y, c->bias, c->row, c->res};
  int64_t size[] = {c->m, c->n, c->k};
  int64_t stride[] = {g->has_prologue ? codes_row : c->k * ab,    c->n * yb, panel, 0, 4,
                      c->n * qn_scalar_get(c->residual)->bits / 8};
  qn_row_split split = qn__row_split(c->m, 6);
  int64_t first = split.counts[0] * split.heights[0];
  for (int part = 0; part < 2; part++)
    for (int half = 0; half < 2; half++) {
      qn_kargs args = {ptr,
                       size,
                       stride,
                       NULL,
                       {part ? first : 0, half ? panels / 2 : 0},
                       {part ? c->m : first, half ? panels : panels / 2}};
      assert_int_equal(fns[2 + part](&args), 0);
    }
}

static void gemms(void **state) {
  (void)state;
  enum { PER = 12 };
  uint64_t seed = 41;
  for (int round = 0; round < 16; round++) {
    bench x;
    bench_open(&x);
    qn_arena arena;
    qn__arena_init(&arena, qn_context_allocator(x.ctx));
    gemm_case *cases = calloc(PER, sizeof *cases);
    qn_body bodies[PER * 4];
    for (int k = 0; k < PER; k++) {
      gemm_case *c = &cases[k];
      build_gemm(&x, &arena, &seed, c);
      expect_gemm(c);
      name_body(&bodies[4 * k], &c->pack, QN_PART_MAIN, 0);
      name_body(&bodies[4 * k + 1], &c->plan, QN_PART_PROLOGUE, 0);
      name_body(&bodies[4 * k + 2], &c->plan, QN_PART_TILES, 6);
      name_body(&bodies[4 * k + 3], &c->plan, QN_PART_TILES, 5);
      for (int i = 0; i < 4; i++) snprintf(bodies[4 * k + i].symbol, sizeof bodies->symbol, "gemm%d_%d", k, i);
    }
    for (int how = 0; how < NUM_COMPILERS; how++) {
      if (how && round) continue;
      compiled c;
      compile(x.ctx, PER * 4, bodies, compilers[how], &c);
      for (int k = 0; k < PER; k++) {
        call_gemm(&cases[k], c.fns + 4 * k);
        check_elements(cases[k].plan.u.gemm.y_mem, cases[k].y, cases[k].want, cases[k].m * cases[k].n,
                       cases[k].plan.name);
      }
      release(&c);
    }
    for (int k = 0; k < PER; k++) {
      gemm_case *c = &cases[k];
      free(c->a), free(c->b), free(c->packed), free(c->codes), free(c->y), free(c->want), free(c->bias), free(c->row),
          free(c->res);
    }
    free(cases);
    qn__arena_free(&arena);
    bench_close(&x);
  }
}

/* ---- whole programs ---- */

/* Two maps through a workspace, a constant, and the file's own entry. */
static void programs(void **state) {
  (void)state;
  bench x;
  bench_open(&x);
  qn_arena arena;
  qn__arena_init(&arena, qn_context_allocator(x.ctx));
  const int64_t shape[] = {40};
  qn_type t = bench_tensor(&x, QN_F32, 1, shape);
  qn_value v[2] = {bench_operand(&x, t), bench_operand(&x, t)};
  qn_op op = bench_op(&x, QN_OP_MAP, 2, v, 1, &t, 1);
  qn_value a = bench_arg(&x, QN_F32), b = bench_arg(&x, QN_F32);
  qn_value y = bench_2(&x, QN_OP_ADDF, bench_2(&x, QN_OP_MULF, a, b, QN_F32), b, QN_F32);
  bench_yield(&x, 1, &y);
  qn_kernel_plan plan;
  assert_int_equal(qn__kernel_plan(x.m, op, qn_isa_get(0), &arena, &plan), QN_OK);
  qn_body body;
  name_body(&body, &plan, QN_PART_MAIN, 0);
  float in[40], weights[40], want[40], out[40];
  for (int i = 0; i < 40; i++) in[i] = (float)i * 0.3f, weights[i] = 1.0f / (float)(i + 3);
  for (int i = 0; i < 40; i++) {
    float once = in[i] * weights[i] + weights[i];
    want[i] = once * in[i] + in[i];
  }
  qn_ref first[] = {{QN_BASE_INPUT, 0, 0}, {QN_BASE_CONSTANT, 0, 64}, {QN_BASE_WORKSPACE, 0, 128}};
  qn_ref second[] = {{QN_BASE_WORKSPACE, 0, 128}, {QN_BASE_INPUT, 0, 0}, {QN_BASE_OUTPUT, 0, 0}};
  int64_t size[] = {40}, stride[] = {4, 4, 4};
  qn_call calls[] = {{0, 3, 1, 3, first, size, stride, {0, 0}, {40, 1}},
                     {0, 3, 1, 3, second, size, stride, {0, 0}, {40, 1}}};
  unsigned char block[64 + sizeof weights] = {0};
  memcpy(block + 64, weights, sizeof weights);
  qn_blob blob = {block, sizeof block, "weights */ #error \?\?/"};
  qn_port in_port = {qn_str_of("x"), qn_str_of("tensor<40xf32>"), 160},
          out_port = {qn_str_of("y"), qn_str_of("tensor<40xf32>"), 160};
  qn_aot aot = {.entry = "twice",
                .num_bodies = 1,
                .num_calls = 2,
                .num_constants = 1,
                .num_inputs = 1,
                .num_outputs = 1,
                .bodies = &body,
                .calls = calls,
                .constants = &blob,
                .inputs = &in_port,
                .outputs = &out_port,
                .workspace_bytes = 512};
  /* In the last two compilers may fuse products and sums; in the very last the pragma against it is gone as well, as it
   * is for compilers that do not know it: then the self-check has to tell. */
  static const char *const fast = "-O2 -march=native -std=gnu11 -ffp-contract=fast";
  for (int how = 1; how < NUM_COMPILERS + 2; how++) {
    const char *flags = how < NUM_COMPILERS ? compilers[how] : fast;
    bool fused = how == NUM_COMPILERS + 1 && qn_isa_runs_here(qn_isa_find(qn_str_of("avx2")));
    char base[] = "/tmp/quern-aot-XXXXXX", path[64], command[512];
    close(mkstemp(base));
    snprintf(path, sizeof path, "%s.c", base);
    FILE *f = fopen(path, "w");
    assert_int_equal(qn__tcc_backend()->emit(x.ctx, &aot, QN_EMIT_C, put, f), QN_OK);
    fclose(f);
    snprintf(command, sizeof command, "sed -i '/#pragma GCC optimize/d' %s", path);
    if (how > NUM_COMPILERS) assert_int_equal(system(command), 0);
    snprintf(command, sizeof command,
             "cc -shared -fPIC -Wall -Wextra -Wconversion -Wno-sign-conversion -Werror %s -o %s.so %s.c", flags, base,
             base);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "%s.so", base);
    void *lib = dlopen(command, RTLD_NOW);
    assert_non_null(lib);
    qn_kernel_fn entry;
    int32_t (*check)(void);
    void *p = dlsym(lib, "twice"), *q = dlsym(lib, "twice_self_check");
    memcpy(&entry, &p, sizeof p);
    memcpy(&check, &q, sizeof q);
    _Alignas(64) char workspace[512];
    void *ptr[] = {in, out};
    qn_kargs args = {.ptr = ptr, .workspace = workspace};
    int32_t status = entry(&args);
    assert_int_equal(check(), fused);
    assert_int_equal(status, fused ? -1 : 0);
    if (!status) assert_memory_equal(out, want, sizeof want);
    dlclose(lib);
    unlink(command), unlink(path), unlink(base);
  }
  qn__arena_free(&arena);
  bench_close(&x);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gemms),
      cmocka_unit_test(programs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
