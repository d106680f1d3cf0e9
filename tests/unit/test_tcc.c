/* Generated C: every opcode and every kind of kernel, compiled by libtcc and by the system's C compiler, against plain
 * C written from the contract. */
#include "unit.h"

#include "alloc.h"
#include "backend.h"
#include "buf.h"
#include "cgen.h"
#include "failing_alloc.h"
#include "loop_run.h"
#include "region_build.h"
#include "tape_run.h"
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- compiling bodies either way ---- */

typedef struct compiled {
  bench x;
  qn_code *code;
  void *library;
  qn_kernel_fn *fns;
} compiled;

static bool put(void *user, const char *data, size_t size) {
  return fwrite(data, 1, size, user) == size;
}

/* A program of these bodies through the system's compiler with these flags, as a library whose bodies can be called. */
static void compile_portable(qn_context *ctx, uint32_t n, const qn_body *bodies, const char *flags, compiled *c) {
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
static void compile(qn_context *ctx, uint32_t n, const qn_body *bodies, const char *flags, compiled *c) {
  memset(c, 0, sizeof *c);
  if (flags) {
    compile_portable(ctx, n, bodies, flags, c);
    return;
  }
  assert_int_equal(qn__tcc_backend()->jit(ctx, n, bodies, &c->code), QN_OK);
  c->fns = c->code->functions;
}
static void release(compiled *c) {
  if (c->code) c->code->destroy(c->code);
  if (c->library) dlclose(c->library);
}

static const char *const compilers[] = {NULL, "-O2 -std=c11", "-O3 -march=native -std=gnu11"};
enum { NUM_COMPILERS = 3 };

static void name_body(qn_body *b, const qn_kernel_plan *p, qn_body_part part, uint32_t rows) {
  *b = (qn_body){.plan = p, .part = part, .rows = rows};
  const char *suffix = part == QN_PART_PROLOGUE ? "_p" : "";
  if (part == QN_PART_TILES)
    snprintf(b->symbol, sizeof b->symbol, "%s_t%u", p->name, rows);
  else
    snprintf(b->symbol, sizeof b->symbol, "%s%s", p->name, suffix);
}

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

/* ---- loops ---- */

typedef struct loop_case {
  qn_kernel_plan plan;
  run_shape full, shapes[6];
  uint8_t *data[6]; /* inputs, then results as expected */
  size_t bytes[6];
  uint8_t *got[6];
} loop_case;

static const qn_scalar mems[] = {QN_F32, QN_F32,  QN_F64, QN_F16, QN_BF16, QN_F8E4M3FN, QN_F8E5M2, QN_I8,       QN_UI8,
                                 QN_I16, QN_UI16, QN_I32, QN_I64, QN_I1,   QN_UI4,      QN_I4,     QN_F4E2M1FN, QN_I2};
enum { NUM_MEMS = 18 };

/* Something to f32, and back. */
static qn_value to_f32(bench *x, qn_value v, qn_scalar mem) {
  qn_scalar s = bench_signless(mem);
  if (s == QN_F32) return v;
  if (qn_scalar_is_float(s)) return bench_1(x, s == QN_F64 ? QN_OP_TRUNCF : QN_OP_EXTF, v, QN_F32);
  return bench_1(x, qn_scalar_get(mem)->cls == QN_UNSIGNED || s == QN_I1 ? QN_OP_UITOFP : QN_OP_SITOFP, v, QN_F32);
}
static qn_value from_f32(bench *x, qn_value v, qn_scalar mem) {
  qn_scalar s = bench_signless(mem);
  if (s == QN_F32) return v;
  if (qn_scalar_is_float(s)) return bench_1(x, s == QN_F64 ? QN_OP_EXTF : QN_OP_TRUNCF, v, s);
  v = bench_1(x, QN_OP_MATH_ROUNDEVEN, v, QN_F32);
  return bench_1(x, qn_scalar_get(mem)->cls == QN_UNSIGNED || s == QN_I1 ? QN_OP_FPTOUI : QN_OP_FPTOSI, v, s);
}

/* A random expression over the values so far. */
static qn_value random_step(bench *x, uint64_t *seed, const qn_value *v, uint32_t n) {
  static const qn_op_kind two[] = {QN_OP_ADDF, QN_OP_SUBF, QN_OP_MULF, QN_OP_DIVF, QN_OP_MAXIMUMF, QN_OP_MINIMUMF};
  static const qn_op_kind one[] = {QN_OP_NEGF,      QN_OP_MATH_EXP,   QN_OP_MATH_TANH,    QN_OP_MATH_SQRT,
                                   QN_OP_MATH_ABSF, QN_OP_MATH_ROUND, QN_OP_MATH_FLOOR,   QN_OP_MATH_CEIL,
                                   QN_OP_MATH_ERF,  QN_OP_MATH_LOG,   QN_OP_MATH_SIGMOID, QN_OP_MATH_GELU};
  qn_value a = v[bench_random(seed) % n], b = v[bench_random(seed) % n];
  switch (bench_random(seed) % 4) {
  case 0: return bench_1(x, one[bench_random(seed) % 12], a, QN_F32);
  case 1: return bench_3(x, QN_OP_FMA, a, b, v[bench_random(seed) % n], QN_F32);
  case 2: {
    qn_value is = bench_2(x, QN_OP_CMPF, a, b, QN_I1);
    bench_set_int(x, is, "predicate", (int64_t)(bench_random(seed) % 16));
    return bench_3(x, QN_OP_SELECT, is, a, b, QN_F32);
  }
  default: return bench_2(x, two[bench_random(seed) % 6], a, b, QN_F32);
  }
}

static size_t tensor_bytes(qn_scalar mem, const run_shape *s) {
  return qn_scalar_bytes(mem, (uint64_t)run_count(s));
}

/* Builds a random map or row kernel on random shapes and plans it. */
static void make_loop(bench *x, qn_arena *arena, uint64_t *seed, bool row, loop_case *c) {
  uint32_t n = 1 + (uint32_t)(bench_random(seed) % 3), outs = 1 + (uint32_t)(bench_random(seed) % 2);
  static const int64_t sizes[] = {1, 2, 3, 5, 7, 33, 8};
  qn_type types[6];
  qn_scalar mem[6];
  memset(c, 0, sizeof *c);
  c->full.rank = (uint32_t)(bench_random(seed) % 4) + row;
  for (uint32_t d = 0; d < c->full.rank; d++) c->full.size[d] = sizes[bench_random(seed) % 7];
  if (row && bench_random(seed) % 8 == 0) c->full.size[c->full.rank - 1] = 0;
  int64_t perm[QN_MAX_RANK];
  bool permute = !row && n == 1 && c->full.rank > 1;
  for (uint32_t d = 0; d < c->full.rank; d++) perm[d] = (d + 1) % c->full.rank;
  for (uint32_t i = 0; i < n + outs; i++) {
    run_shape *s = &c->shapes[i];
    *s = c->full;
    mem[i] = mems[bench_random(seed) % NUM_MEMS];
    if (permute && i == 0)
      for (uint32_t d = 0; d < s->rank; d++) s->size[perm[d]] = c->full.size[d];
    if (i > 0 && i < n) { /* broadcasts */
      uint32_t drop = (uint32_t)(bench_random(seed) % (s->rank + 1));
      s->rank -= drop;
      for (uint32_t d = 0; d < s->rank; d++) s->size[d] = bench_random(seed) % 4 ? c->full.size[d + drop] : 1;
    }
    if (row && i >= n && bench_random(seed) % 3 == 0) s->size[s->rank - 1] = 1;
    /* Elements that share bytes go with shapes that walk them in order. */
    bool plain = !permute && run_count(s) == run_count(&c->full) && s->rank == c->full.rank;
    for (uint32_t k = 0; k < n + outs; k++)
      plain = plain && (k == i || k > i || run_count(&c->shapes[k]) == run_count(s));
    if (qn_scalar_get(mem[i])->storage_bits < 8 && (row || !plain || i + 1 < n + outs)) mem[i] = QN_I8;
    types[i] = bench_tensor(x, mem[i], s->rank, s->size);
  }
  if (!row && !permute && bench_random(seed) % 4 == 0) { /* all of one shape, sub-byte everywhere */
    for (uint32_t i = 0; i < n + outs; i++) {
      c->shapes[i] = c->full;
      mem[i] = mems[NUM_MEMS - 1 - bench_random(seed) % 4];
      types[i] = bench_tensor(x, mem[i], c->full.rank, c->full.size);
    }
  }
  qn_value v[3], w[64];
  for (uint32_t i = 0; i < n; i++) v[i] = bench_operand(x, types[i]);
  qn_op op = bench_op(x, row ? QN_OP_ROW : QN_OP_MAP, n, v, outs, types + n, 1);
  if (permute) qn_op_set_attr(x->m, op, "perm", qn_attr_ints(x->m, QN_I64, c->full.rank, perm));
  qn_value arg[3];
  for (uint32_t i = 0; i < n; i++) arg[i] = bench_arg(x, mem[i]);
  uint32_t count = n;
  for (uint32_t i = 0; i < n; i++) w[i] = to_f32(x, arg[i], mem[i]);
  w[count++] = bench_float(x, QN_F32, 0.75);
  static const qn_op_kind alls[] = {QN_OP_ALL_MAX, QN_OP_ALL_MIN, QN_OP_ALL_SUM};
  uint32_t steps = 1 + (uint32_t)(bench_random(seed) % 7);
  qn_value reduced = {0};
  for (uint32_t k = 0; k < steps; k++) {
    if (row && bench_random(seed) % 2) {
      reduced = bench_1(x, alls[bench_random(seed) % 3], w[bench_random(seed) % count], QN_F32);
      w[count++] = reduced;
    }
    w[count] = random_step(x, seed, w, count);
    count++;
  }
  if (row && !reduced.id) reduced = bench_1(x, QN_OP_ALL_SUM, w[count - 1], QN_F32);
  if (row && qn_scalar_is_int(mem[0]) && mem[0] != QN_I1) { /* integers, too */
    qn_value top = bench_1(x, alls[bench_random(seed) % 3], arg[0], bench_signless(mem[0]));
    reduced = bench_2(x, QN_OP_ADDF, reduced, to_f32(x, top, mem[0]), QN_F32);
  }
  qn_value y[2];
  for (uint32_t o = 0; o < outs; o++) {
    bool one = row && c->shapes[n + o].size[c->full.rank - 1] == 1;
    y[o] = from_f32(x, one ? reduced : w[count - 1 - o], mem[n + o]);
  }
  bench_yield(x, outs, y);
  qn_status s = qn__kernel_plan(x->m, op, qn_isa_find(qn_str_of("generic")), arena, &c->plan);
  if (s) print_error("%s\n", x->said);
  assert_int_equal(s, QN_OK);
  for (uint32_t i = 0; i < n + outs; i++) {
    c->bytes[i] = tensor_bytes(mem[i], &c->shapes[i]);
    c->data[i] = calloc(1, c->bytes[i] + 16);
    c->got[i] = calloc(1, c->bytes[i] + 16);
    for (int64_t e = 0; i < n && e < run_count(&c->shapes[i]); e++) {
      uint64_t b = bench_bits(seed, mem[i]);
      if (mem[i] == QN_F32 && bench_random(seed) % 4)
        b = run_b32((float)(int)(bench_random(seed) % 2000 - 1000) / 64.0f);
      run_store(mem[i], c->data[i], e, b);
    }
  }
}

/* Element of operand i at an index of the iteration. */
static int64_t element_at(const loop_case *c, uint32_t i, const int64_t *index) {
  const qn_loop_plan *p = &c->plan.u.loop;
  int64_t at = 0;
  for (uint32_t d = 0; d < c->full.rank; d++)
    at += index[d] * run_axis_stride(&c->shapes[i], c->full.rank, d, i < p->num_inputs && p->has_perm ? p->perm : NULL);
  return at;
}

static void next_index(const run_shape *s, int64_t *index, uint32_t axes) {
  for (uint32_t d = axes; d-- > 0 && ++index[d] == s->size[d];) index[d] = 0;
}

/* Fills data[] of the results by the plain meaning of map and row. */
static void expect_loop(loop_case *c) {
  const qn_loop_plan *p = &c->plan.u.loop;
  bool row = c->plan.kind == QN_KERNEL_ROW;
  int64_t n = row ? c->full.size[c->full.rank - 1] : 1, rows = 1, index[QN_MAX_RANK] = {0};
  uint32_t axes = c->full.rank - row;
  for (uint32_t d = 0; d < axes; d++) rows *= c->full.size[d];
  uint64_t *in = calloc((size_t)(p->num_inputs * (n + 1)), 8), *out = calloc((size_t)(p->num_outputs * (n + 1)), 8);
  uint64_t *reg = calloc((size_t)(p->tape.num_insts * (n + 1)), 8), value[4];
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t e = 0; e < n; e++) {
      if (row) index[axes] = e;
      for (uint32_t i = 0; i < p->num_inputs; i++)
        in[i * n + e] = run_load(p->tape.input_mem[i], c->data[i], element_at(c, i, index));
    }
    if (row)
      run_row(&p->tape, n, in, out, value, reg);
    else
      run_tape(&p->tape, in, out);
    for (uint32_t o = 0; o < p->num_outputs; o++) {
      uint32_t i = p->num_inputs + o;
      if (row) index[axes] = 0;
      bool once = row && p->reduced[o];
      if (once) run_store(p->tape.output_mem[o], c->data[i], element_at(c, i, index), n ? out[o * n] : value[o]);
      for (int64_t e = 0; e < n && !once; e++) {
        if (row) index[axes] = e;
        run_store(p->tape.output_mem[o], c->data[i], element_at(c, i, index), out[o * n + e]);
      }
    }
    if (row) index[axes] = 0;
    next_index(&c->full, index, axes);
  }
  free(in), free(out), free(reg);
}

static bool is_float_nan(qn_scalar s, uint64_t v) {
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

static void check_elements(qn_scalar mem, const void *got, const void *want, int64_t n, const char *what) {
  for (int64_t e = 0; e < n; e++) {
    uint64_t a = run_load(mem, got, e), b = run_load(mem, want, e);
    if (a == b || (is_float_nan(mem, a) && is_float_nan(mem, b))) continue;
    fail_msg("%s: element %lld of type %s is %llx, expected %llx", what, (long long)e, qn_scalar_get(mem)->text,
             (unsigned long long)a, (unsigned long long)b);
  }
}

/* In two parts where loop 0 is split, as threads would. */
static void call_loop(const loop_case *c, qn_kernel_fn fn) {
  const qn_loop_plan *p = &c->plan.u.loop;
  int64_t sizes[QN_MAX_RANK + 1], strides[6 * (QN_MAX_RANK + 1)];
  void *ptr[6];
  uint32_t operands = p->num_inputs + p->num_outputs;
  run_loop_args(p, &c->full, c->shapes, sizes, strides);
  bool whole_bytes = true;
  for (uint32_t i = 0; i < operands; i++) {
    qn_scalar mem = i < p->num_inputs ? p->tape.input_mem[i] : p->tape.output_mem[i - p->num_inputs];
    uint32_t bits = qn_scalar_get(mem)->storage_bits;
    for (uint32_t d = 0; d < p->num_loops; d++)
      if (bits >= 8) strides[i * p->num_loops + d] *= bits / 8;
    ptr[i] = i < p->num_inputs ? c->data[i] : c->got[i];
    whole_bytes = whole_bytes && bits >= 8;
  }
  qn_kargs args = {ptr, sizes, strides, NULL, {0, 0}, {1, 1}};
  bool splits = p->num_loops > (c->plan.kind == QN_KERNEL_ROW ? 1u : 0u);
  for (uint32_t d = 0; d + (c->plan.kind == QN_KERNEL_ROW) < p->num_loops; d++)
    if (sizes[d] == 0) return;
  int64_t middle = splits ? (whole_bytes ? sizes[0] / 3 : sizes[0] / 8 * 8) : 0;
  if (middle) {
    args.end[0] = middle;
    assert_int_equal(fn(&args), 0);
  }
  args.begin[0] = middle;
  args.end[0] = splits ? sizes[0] : 1;
  assert_int_equal(fn(&args), 0);
}

static void random_loops(bool row, uint64_t seed, int rounds) {
  enum { PER = 24 };
  for (int round = 0; round < rounds; round++) {
    bench x;
    bench_open(&x);
    qn_arena arena;
    qn__arena_init(&arena, qn_context_allocator(x.ctx));
    loop_case *cases = calloc(PER, sizeof *cases);
    qn_body bodies[PER];
    for (int k = 0; k < PER; k++) {
      make_loop(&x, &arena, &seed, row, &cases[k]);
      expect_loop(&cases[k]);
      name_body(&bodies[k], &cases[k].plan, QN_PART_MAIN, 0);
      snprintf(bodies[k].symbol, sizeof bodies[k].symbol, "body%d", k);
    }
    for (int how = 0; how < NUM_COMPILERS; how++) {
      if (how && round % 6) continue; /* the system's compiler takes its time */
      compiled c;
      compile(x.ctx, PER, bodies, compilers[how], &c);
      for (int k = 0; k < PER; k++) {
        const qn_loop_plan *p = &cases[k].plan.u.loop;
        for (uint32_t o = 0; o < p->num_outputs; o++)
          memset(cases[k].got[p->num_inputs + o], 0, cases[k].bytes[p->num_inputs + o]);
        call_loop(&cases[k], c.fns[k]);
        for (uint32_t o = 0; o < p->num_outputs; o++)
          check_elements(p->tape.output_mem[o], cases[k].got[p->num_inputs + o], cases[k].data[p->num_inputs + o],
                         run_count(&cases[k].shapes[p->num_inputs + o]), cases[k].plan.name);
      }
      release(&c);
    }
    for (int k = 0; k < PER; k++)
      for (int i = 0; i < 6; i++) free(cases[k].data[i]), free(cases[k].got[i]);
    free(cases);
    qn__arena_free(&arena);
    bench_close(&x);
  }
}

static void maps(void **state) {
  (void)state;
  random_loops(false, 31, 24);
}
static void rows(void **state) {
  (void)state;
  random_loops(true, 32, 18);
}

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
      if (how && round % 5) continue;
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
  for (int how = 1; how < NUM_COMPILERS + 1; how++) {
    /* The last one fuses products and sums wherever it may: the pragma must hold, or the self-check must tell. */
    const char *flags = how < NUM_COMPILERS ? compilers[how] : "-O3 -march=native -std=gnu11 -ffp-contract=fast";
    char base[] = "/tmp/quern-aot-XXXXXX", path[64], command[512];
    close(mkstemp(base));
    snprintf(path, sizeof path, "%s.c", base);
    FILE *f = fopen(path, "w");
    assert_int_equal(qn__tcc_backend()->emit(x.ctx, &aot, QN_EMIT_C, put, f), QN_OK);
    fclose(f);
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
    assert_int_equal(status, check() ? -1 : 0);
    if (how < NUM_COMPILERS) assert_int_equal(status, 0);
    if (!status) assert_memory_equal(out, want, sizeof want);
    dlclose(lib);
    unlink(command), unlink(path), unlink(base);
  }
  qn__arena_free(&arena);
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

/* A decimal point is read as the process's locale has it, so there is none in the text for libtcc. */
static void no_decimal_points(void **state) {
  (void)state;
  bench x;
  bench_open(&x);
  qn_arena arena;
  qn__arena_init(&arena, qn_context_allocator(x.ctx));
  uint64_t seed = 51;
  enum { PER = 40 };
  loop_case *cases = calloc(PER, sizeof *cases);
  qn_body bodies[PER];
  for (int k = 0; k < PER; k++) {
    make_loop(&x, &arena, &seed, k & 1, &cases[k]);
    name_body(&bodies[k], &cases[k].plan, QN_PART_MAIN, 0);
  }
  qn_buf text;
  qn__buf_init(&text, qn_context_allocator(x.ctx));
  assert_int_equal(qn__c_bodies(x.ctx, &text, false, PER, bodies), QN_OK);
  for (const char *c = text.data; *c; c++) {
    if (c[0] == '/' && c[1] == '*')
      c = strstr(c, "*/") + 1;
    else if (c > text.data && c[0] == '.')
      assert_false((c[-1] >= '0' && c[-1] <= '9') || (c[1] >= '0' && c[1] <= '9'));
  }
  qn__buf_free(&text);
  for (int k = 0; k < PER; k++)
    for (int i = 0; i < 6; i++) free(cases[k].data[i]), free(cases[k].got[i]);
  free(cases);
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
      cmocka_unit_test(every_opcode),
      cmocka_unit_test(maps),
      cmocka_unit_test(rows),
      cmocka_unit_test(gemms),
      cmocka_unit_test(programs),
      cmocka_unit_test(other_forms_are_refused),
      cmocka_unit_test(threads),
      cmocka_unit_test(protection),
      cmocka_unit_test(failures_are_diagnostics),
      cmocka_unit_test(no_decimal_points),
      cmocka_unit_test(memory_runs_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
