/* The libtcc engine: every opcode against plain C, by libtcc and by the system's compiler; and what a library must not
 * do to the process it is in. */
#include "c_compile.h"
#include "failing_alloc.h"
#include <pthread.h>

/* ---- every opcode, as a map over one loop ---- */

typedef struct one_op {
  qn_kernel_plan plan;
  qn_tinst insts[8];
  qn_scalar in[3], out;
  uint32_t output;
  qn_access access[4];
} one_op;

static const qn_scalar mem_of_reg[] = {QN_I1, QN_I8, QN_I16, QN_I32, QN_I64, QN_F32, QN_F64};

static one_op *ops;
static uint32_t num_ops;

/* Operand b may be a constant. */
static void add_op(unsigned op, qn_treg type, unsigned pred, qn_treg a, qn_treg b, qn_treg c, bool constant,
                   uint64_t imm) {
  one_op *o = &ops[num_ops];
  uint32_t n = qn__tape_ops[op].num_args;
  const qn_treg types[3] = {a, b, c};
  memset(o, 0, sizeof *o);
  for (uint32_t i = 0; i < n; i++) {
    o->insts[i] = (qn_tinst){.op = QN_T_INPUT, .type = (uint8_t)types[i], .a = i};
    o->in[i] = mem_of_reg[types[i]];
  }
  if (constant) o->insts[1] = (qn_tinst){.op = QN_T_CONST, .type = (uint8_t)b, .imm = run_cut(imm, qn__tape_bits(b))};
  o->insts[n] = (qn_tinst){
      .op = (uint8_t)op, .type = (uint8_t)type, .pred = (uint8_t)pred, .a = 0, .b = n > 1, .c = n > 2 ? 2 : 0};
  o->output = n;
  o->out = mem_of_reg[type];
  for (int i = 0; i < 4; i++) o->access[i] = QN_ACCESS_DENSE;
  qn_loop_plan l = {
      .num_loops = 1, .num_inputs = n, .num_outputs = 1, .rank = 1, .first_axis = {0, 1}, .access = o->access};
  l.tape = (qn_tape){.num_insts = n + 1,
                     .num_inputs = n,
                     .num_outputs = 1,
                     .insts = o->insts,
                     .input_mem = o->in,
                     .outputs = &o->output,
                     .output_mem = &o->out,
                     .num_stages = 1};
  o->plan = (qn_kernel_plan){.kind = QN_KERNEL_MAP, .isa = qn_isa_get(0)};
  o->plan.u.loop = l;
  snprintf(o->plan.name, sizeof o->plan.name, "op%u_%s", num_ops, qn__tape_ops[op].name);
  num_ops++;
}

static void add_all_ops(void) {
  ops = calloc(2000, sizeof *ops);
  num_ops = 0;
  const uint64_t edges[] = {0,    1, UINT64_MAX, 0x8000000000000000u, 0x80000000u, 0x8000, 0x80,
                            0x7f, 5, 12345,      0x123456789u};
  for (qn_treg t = QN_TI8; t <= QN_TI64; t++)
    for (unsigned op = QN_T_IADD; op <= QN_T_UMIN; op++) {
      add_op(op, t, 0, t, t, t, false, 0);
      for (size_t e = 0; e < sizeof edges / sizeof *edges; e++) add_op(op, t, 0, t, t, t, true, edges[e]);
    }
  for (unsigned op = QN_T_AND; op <= QN_T_XOR; op++) add_op(op, QN_TI1, 0, QN_TI1, QN_TI1, 0, false, 0);
  add_op(QN_T_XOR, QN_TI1, 0, QN_TI1, QN_TI1, 0, true, 1);
  for (qn_treg t = QN_TF32; t <= QN_TF64; t++) {
    for (unsigned op = QN_T_FADD; op <= QN_T_FCEIL; op++) add_op(op, t, 0, t, t, t, false, 0);
    for (unsigned p = 0; p < 16; p++) {
      add_op(QN_T_FCMP, QN_TI1, p, t, t, 0, false, 0);
      add_op(QN_T_FCMP, QN_TI1, p, t, t, 0, true, t == QN_TF32 ? 0x80000000u : 0x8000000000000000u);
      add_op(QN_T_FCMP, QN_TI1, p, t, t, 0, true, t == QN_TF32 ? 0x7FC00000u : 0x7FF8000000000000u);
    }
    for (qn_treg i = QN_TI32; i <= QN_TI64; i++) {
      add_op(QN_T_SITOFP, t, 0, i, 0, 0, false, 0);
      add_op(QN_T_UITOFP, t, 0, i, 0, 0, false, 0);
      add_op(QN_T_FPTOSI, i, 0, t, 0, 0, false, 0);
      add_op(QN_T_FPTOUI, i, 0, t, 0, 0, false, 0);
    }
    /* constants of every kind come through */
    const uint64_t single[] = {0, 0x80000000u, 1, 0x80000001u, 0x7F800000u, 0xFF800000u, 0x7F7FFFFFu, 0x3DCCCCCDu};
    const uint64_t wide[] = {0, 0x8000000000000000u, 1, 0x7FF0000000000000u, 0xFFF0000000000000u, 0x3FB999999999999Au};
    for (int k = 0; k < (t == QN_TF32 ? 8 : 6); k++)
      add_op(QN_T_FMAX, t, 0, t, t, 0, true, t == QN_TF32 ? single[k] : wide[k]);
  }
  for (qn_treg t = QN_TI8; t <= QN_TI64; t++) {
    for (unsigned p = 0; p < 10; p++) {
      add_op(QN_T_ICMP, QN_TI1, p, t, t, 0, false, 0);
      add_op(QN_T_ICMP, QN_TI1, p, t, t, 0, true, 0x8080808080808080u);
      add_op(QN_T_ICMP, QN_TI1, p, t, t, 0, true, UINT64_MAX);
    }
    add_op(QN_T_SEXT, t, 0, QN_TI1, 0, 0, false, 0);
    add_op(QN_T_ZEXT, t, 0, QN_TI1, 0, 0, false, 0);
    for (qn_treg n = QN_TI8; n < t; n++) {
      add_op(QN_T_SEXT, t, 0, n, 0, 0, false, 0);
      add_op(QN_T_ZEXT, t, 0, n, 0, 0, false, 0);
      add_op(QN_T_TRUNC, n, 0, t, 0, 0, false, 0);
    }
  }
  for (qn_treg t = QN_TI8; t <= QN_TF64; t++) add_op(QN_T_SELECT, t, 0, QN_TI1, t, t, false, 0);
  add_op(QN_T_FEXT, QN_TF64, 0, QN_TF32, 0, 0, false, 0);
  add_op(QN_T_FTRUNC, QN_TF32, 0, QN_TF64, 0, 0, false, 0);
  add_op(QN_T_FSCALE, QN_TF32, 0, QN_TF32, QN_TF32, QN_TI32, false, 0);
  add_op(QN_T_FSCALE, QN_TF32, 1, QN_TF32, QN_TF32, QN_TI32, false, 0);
  add_op(QN_T_HALF_IN, QN_TF32, 0, QN_TF32, QN_TI16, 0, false, 0);
  add_op(QN_T_HALF_OUT, QN_TI16, 0, QN_TI16, QN_TF32, 0, false, 0);
  add_op(QN_T_BITCAST, QN_TF32, 0, QN_TI32, 0, 0, false, 0);
  add_op(QN_T_BITCAST, QN_TI32, 0, QN_TF32, 0, 0, false, 0);
  add_op(QN_T_BITCAST, QN_TF64, 0, QN_TI64, 0, 0, false, 0);
  add_op(QN_T_BITCAST, QN_TI64, 0, QN_TF64, 0, 0, false, 0);
}

/* Conversions are only ever given what fits. */
static uint64_t in_range(const one_op *o, uint64_t v) {
  const qn_tinst *i = &o->insts[o->output];
  if (i->op != QN_T_FPTOSI && i->op != QN_T_FPTOUI) return v;
  double x = o->in[0] == QN_F64 ? run_f64(v) : (double)run_f32(v);
  double end = ldexp(1, (int)qn__tape_bits((qn_treg)i->type) - (i->op == QN_T_FPTOSI));
  bool fits = x < end && x >= (i->op == QN_T_FPTOSI ? -end : 0);
  return fits ? v : 0;
}

/* What fscale takes: a factor near 1, and an exponent as a float and as an integer. */
static uint64_t scale_operand(const qn_tinst *x, uint32_t i, uint32_t e, uint64_t v) {
  int32_t c = x->pred ? (int32_t)(e * 7 % 241) - 120 : (int32_t)(e * 7 % 481) - 240;
  if (i == 0) return (v & 0x807FFFFFu) | 0x3F000000u;
  return i == 1 ? run_b32((float)c) : (uint32_t)c;
}

static void every_opcode(void **state) {
  (void)state;
  enum { N = 257 };
  bool seen[QN_T_COUNT] = {false};
  bench x;
  bench_open(&x);
  add_all_ops();
  qn_body *bodies = calloc(num_ops, sizeof *bodies);
  for (uint32_t k = 0; k < num_ops; k++) {
    name_body(&bodies[k], &ops[k].plan, QN_PART_MAIN, 0);
    seen[ops[k].insts[ops[k].output].op] = true;
  }
  for (unsigned op = QN_T_IADD; op < QN_T_ALL_FMAX; op++)
    if (!seen[op]) fail_msg("no test for %s", qn__tape_ops[op].name);
  unsigned char *mem = malloc(4 * (N * 8 + 1));
  for (int how = 0; how < NUM_COMPILERS; how++) {
    compiled c;
    compile(x.ctx, num_ops, bodies, compilers[how], &c);
    uint64_t seed = 21;
    for (uint32_t k = 0; k < num_ops; k++) {
      const one_op *o = &ops[k];
      const qn_loop_plan *l = &o->plan.u.loop;
      void *ptr[4];
      uint64_t in[3][N];
      for (uint32_t i = 0; i <= l->num_inputs; i++) ptr[i] = mem + i * (N * 8 + 1) + (k & 1); /* any alignment */
      for (uint32_t i = 0; i < l->num_inputs; i++)
        for (int e = 0; e < N; e++) {
          in[i][e] = in_range(o, bench_bits(&seed, o->in[i]));
          if (i && e % 5 == 0 && o->in[i] == o->in[0]) in[i][e] = in[0][e];
          unsigned op = o->insts[o->output].op;
          if (op == QN_T_FSCALE) in[i][e] = scale_operand(&o->insts[o->output], i, (uint32_t)e, in[i][e]);
          if (i && op >= QN_T_SHL && op <= QN_T_SHRU)
            in[i][e] = run_cut(bench_random(&seed) % 70, qn__tape_bits((qn_treg)o->insts[1].type));
          run_store(o->in[i], ptr[i], e, in[i][e]);
        }
      int64_t size = N, stride[4] = {0, 0, 0, 0};
      for (uint32_t i = 0; i <= l->num_inputs; i++)
        stride[i] = qn_scalar_get(i < l->num_inputs ? o->in[i] : o->out)->storage_bits / 8;
      memset(ptr[l->num_inputs], 0xA5, N * 8);
      qn_kargs args = {ptr, &size, stride, NULL, {0, 0}, {N, 1}};
      assert_int_equal(c.fns[k](&args), 0);
      for (int e = 0; e < N; e++) {
        uint64_t v[3] = {in[0][e], l->num_inputs > 1 ? in[1][e] : 0, l->num_inputs > 2 ? in[2][e] : 0}, want;
        run_tape(&l->tape, v, &want);
        uint64_t got = run_load(o->out, ptr[l->num_inputs], e);
        if (run_same((qn_treg)o->insts[o->output].type, got, want)) continue;
        fail_msg("%s, type %d, predicate %d, compiler %d: %llx %llx %llx gives %llx, expected %llx", o->plan.name,
                 o->insts[o->output].type, o->insts[o->output].pred, how, (unsigned long long)v[0],
                 (unsigned long long)(o->insts[1].op == QN_T_CONST ? o->insts[1].imm : v[1]), (unsigned long long)v[2],
                 (unsigned long long)got, (unsigned long long)want);
      }
    }
    release(&c);
  }
  free(mem);
  free(bodies);
  free(ops);
  bench_close(&x);
}

static void other_forms_are_refused(void **state) {
  (void)state;
  bench x;
  bench_open(&x);
  qn_aot aot = {.entry = "f"};
  assert_int_equal(qn__tcc_backend()->emit(x.ctx, &aot, QN_EMIT_OBJ, put, stderr), QN_ERR_UNSUPPORTED);
  assert_non_null(strstr(x.said, "C only"));
  bench_close(&x);
}

/* ---- the process around it ---- */

static void make_simple(bench *x, qn_arena *arena, qn_kernel_plan *plan, qn_body *body, double k) {
  const int64_t shape[] = {QN_DYNAMIC};
  qn_type t = bench_tensor(x, QN_F32, 1, shape);
  qn_value v = bench_operand(x, t);
  qn_op op = bench_op(x, QN_OP_MAP, 1, &v, 1, &t, 1);
  qn_value y = bench_2(x, QN_OP_MULF, bench_arg(x, QN_F32), bench_float(x, QN_F32, k), QN_F32);
  bench_yield(x, 1, &y);
  assert_int_equal(qn__kernel_plan(x->m, op, qn_isa_get(0), arena, plan), QN_OK);
  name_body(body, plan, QN_PART_MAIN, 0);
}

static float run_simple(qn_kernel_fn fn, float in) {
  float out = 0;
  void *ptr[] = {&in, &out};
  int64_t size[] = {1}, stride[] = {4, 4};
  qn_kargs args = {ptr, size, stride, NULL, {0, 0}, {1, 1}};
  return fn(&args) ? NAN : out;
}

static void *one_thread(void *user) {
  int *wrong = user;
  for (int round = 0; round < 20; round++) {
    bench x;
    bench_open(&x);
    qn_arena arena;
    qn__arena_init(&arena, qn_context_allocator(x.ctx));
    qn_kernel_plan plan;
    qn_body body;
    qn_code *code;
    make_simple(&x, &arena, &plan, &body, 2.5 + round);
    if (qn__tcc_backend()->jit(x.ctx, 1, &body, &code)) {
      ++*wrong;
    } else {
      if (run_simple(code->functions[0], 4.0f) != 4.0f * (2.5f + (float)round)) ++*wrong;
      code->destroy(code);
    }
    qn__arena_free(&arena);
    bench_close(&x);
  }
  return NULL;
}

static void threads(void **state) {
  (void)state;
  pthread_t t[4];
  int wrong[4] = {0};
  for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&t[i], NULL, one_thread, &wrong[i]), 0);
  for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
  for (int i = 0; i < 4; i++) assert_int_equal(wrong[i], 0);
}

/* Pages of generated code are never writable while they can be executed. */
static void protection(void **state) {
  (void)state;
  bench x;
  bench_open(&x);
  qn_arena arena;
  qn__arena_init(&arena, qn_context_allocator(x.ctx));
  qn_kernel_plan plan;
  qn_body body;
  qn_code *code;
  make_simple(&x, &arena, &plan, &body, 3);
  assert_int_equal(qn__tcc_backend()->jit(x.ctx, 1, &body, &code), QN_OK);
  uintptr_t at;
  memcpy(&at, &code->functions[0], sizeof at);
  FILE *f = fopen("/proc/self/maps", "r");
  char line[512], perms[8] = "";
  bool found = false;
  while (f && fgets(line, sizeof line, f)) {
    unsigned long lo, hi;
    if (sscanf(line, "%lx-%lx %7s", &lo, &hi, perms) != 3) continue;
    assert_false(perms[1] == 'w' && perms[2] == 'x');
    if (at >= lo && at < hi) {
      found = true;
      assert_memory_equal(perms, "r-x", 3);
    }
  }
  if (f) {
    fclose(f);
    assert_true(found);
  }
  code->destroy(code);
  qn__arena_free(&arena);
  bench_close(&x);
}

static void failures_are_diagnostics(void **state) {
  (void)state;
  bench x;
  bench_open(&x);
  qn_arena arena;
  qn__arena_init(&arena, qn_context_allocator(x.ctx));
  qn_kernel_plan plan;
  qn_body body;
  qn_code *code;
  make_simple(&x, &arena, &plan, &body, 3);
  snprintf(body.symbol, sizeof body.symbol, "no identifier");
  assert_int_not_equal(qn__tcc_backend()->jit(x.ctx, 1, &body, &code), QN_OK);
  assert_null(code);
  assert_non_null(strstr(x.said, "libtcc"));
  name_body(&body, &plan, QN_PART_MAIN, 0); /* and it still works */
  assert_int_equal(qn__tcc_backend()->jit(x.ctx, 1, &body, &code), QN_OK);
  assert_true(run_simple(code->functions[0], 2.0f) == 6.0f);
  code->destroy(code);
  qn__arena_free(&arena);
  bench_close(&x);
}

static void memory_runs_out(void **state) {
  (void)state;
  for (size_t n = 0;; n++) {
    failing_alloc f;
    qn_allocator alloc = failing_init(&f, SIZE_MAX);
    bench x;
    bench_open_with(&x, &alloc);
    qn_arena arena;
    qn__arena_init(&arena, qn_context_allocator(x.ctx));
    qn_kernel_plan plan;
    qn_body body;
    qn_code *code;
    make_simple(&x, &arena, &plan, &body, 3);
    f.fail_at = f.calls + n;
    qn_status s = qn__tcc_backend()->jit(x.ctx, 1, &body, &code);
    assert_int_equal(s, f.fired ? QN_ERR_NO_MEMORY : QN_OK);
    if (!s) code->destroy(code);
    qn__arena_free(&arena);
    bench_close(&x);
    assert_true(failing_clean(&f));
    if (!f.fired) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_opcode), cmocka_unit_test(other_forms_are_refused),  cmocka_unit_test(threads),
      cmocka_unit_test(protection),   cmocka_unit_test(failures_are_diagnostics), cmocka_unit_test(memory_runs_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
