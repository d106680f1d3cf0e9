/* What the tests of the LLVM back end share: the back end, plans built by hand, and a plain C reading of the tape, one
 * element at a time, that generated code is compared with bit for bit (any NaN equals any other). */
#ifndef QN_TEST_LLVM_UNIT_H
#define QN_TEST_LLVM_UNIT_H
#ifndef _DEFAULT_SOURCE
#  define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#endif
#include "backend.h"
#include "elementwise.h"
#include "fpenv.h"
#include "program.h"
#include "unit.h"
#include <math.h>
#include <quern/num.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static const uint32_t treg_bits[] = {1, 8, 16, 32, 64, 32, 64};
enum { NUM_TREGS = 7 };

static uint64_t low_bits(uint64_t v, uint32_t bits) {
  return bits < 64 ? v & (((uint64_t)1 << bits) - 1) : v;
}
static int64_t sign_extend(uint64_t v, uint32_t bits) {
  return bits < 64 ? (int64_t)(v << (64 - bits)) >> (64 - bits) : (int64_t)v;
}
static float as_f32(uint64_t v) {
  return qn__f32_of_bits((uint32_t)v);
}
static double as_f64(uint64_t v) {
  return qn__f64_of_bits(v);
}
static uint64_t of_f32(float x) {
  return qn__f32_bits(x);
}
static uint64_t of_f64(double x) {
  return qn__f64_bits(x);
}

/* ---- one instruction ---- */

static uint64_t ref_int(uint8_t op, uint32_t bits, uint64_t a, uint64_t b) {
  int64_t sa = sign_extend(a, bits), sb = sign_extend(b, bits);
  switch (op) {
  case QN_T_IADD: return a + b;
  case QN_T_ISUB: return a - b;
  case QN_T_IMUL: return a * b;
  case QN_T_SDIV: return sb == 0 ? 0 : sb == -1 ? 0 - a : (uint64_t)(sa / sb);
  case QN_T_UDIV: return b == 0 ? 0 : a / b;
  case QN_T_AND: return a & b;
  case QN_T_OR: return a | b;
  case QN_T_XOR: return a ^ b;
  case QN_T_SHL: return b >= bits ? 0 : a << b;
  case QN_T_SHRS: return (uint64_t)(sa >> (b >= bits ? bits - 1 : b));
  case QN_T_SHRU: return b >= bits ? 0 : a >> b;
  case QN_T_SMAX: return sa > sb ? a : b;
  case QN_T_SMIN: return sa < sb ? a : b;
  case QN_T_UMAX: return a > b ? a : b;
  default: return a < b ? a : b;
  }
}

static bool ref_icmp(uint8_t pred, uint32_t bits, uint64_t a, uint64_t b) {
  int64_t sa = sign_extend(a, bits), sb = sign_extend(b, bits);
  const bool answers[] = {a == b, a != b, sa<sb, sa <= sb, sa> sb, sa >= sb, a<b, a <= b, a> b, a >= b};
  return answers[pred];
}

static bool ref_fcmp(uint8_t pred, double a, double b) {
  bool uno = a != a || b != b;
  const bool answers[] = {false,          a == b,        a > b,         a >= b,       a < b,         a <= b,
                          !uno && a != b, !uno,          uno || a == b, uno || a > b, uno || a >= b, uno || a < b,
                          uno || a <= b,  uno || a != b, uno,           true};
  return answers[pred];
}

static float ref_f32(uint8_t op, float a, float b, float c) {
  switch (op) {
  case QN_T_FADD: return a + b;
  case QN_T_FSUB: return a - b;
  case QN_T_FMUL: return a * b;
  case QN_T_FDIV: return a / b;
  case QN_T_FMA: return fmaf(a, b, c);
  case QN_T_FSQRT: return sqrtf(a);
  case QN_T_FMAX: return qn__f32_max(a, b);
  case QN_T_FMIN: return qn__f32_min(a, b);
  case QN_T_FROUND: return rintf(a);
  case QN_T_FFLOOR: return floorf(a);
  default: return ceilf(a);
  }
}

static double ref_f64(uint8_t op, double a, double b, double c) {
  switch (op) {
  case QN_T_FADD: return a + b;
  case QN_T_FSUB: return a - b;
  case QN_T_FMUL: return a * b;
  case QN_T_FDIV: return a / b;
  case QN_T_FMA: return fma(a, b, c);
  case QN_T_FSQRT: return sqrt(a);
  case QN_T_FMAX: return qn__f64_max(a, b);
  case QN_T_FMIN: return qn__f64_min(a, b);
  case QN_T_FROUND: return rint(a);
  case QN_T_FFLOOR: return floor(a);
  default: return ceil(a);
  }
}

static uint64_t ref_to_float(const qn_tinst *i, uint8_t from, uint64_t a) {
  if (i->op == QN_T_FEXT) return of_f64((double)as_f32(a));
  if (i->op == QN_T_FTRUNC) return of_f32((float)as_f64(a));
  if (i->op == QN_T_SITOFP) {
    int64_t s = sign_extend(a, treg_bits[from]);
    return i->type == QN_TF32 ? of_f32((float)s) : of_f64((double)s);
  }
  return i->type == QN_TF32 ? of_f32((float)a) : of_f64((double)a);
}

static uint64_t ref_to_int(const qn_tinst *i, uint8_t from, uint64_t a) {
  double x = from == QN_TF32 ? (double)as_f32(a) : as_f64(a);
  return i->op == QN_T_FPTOSI ? (uint64_t)(int64_t)x : (uint64_t)x;
}

/* Register values from operand values; `from` is the type of operand a. */
static uint64_t ref_inst(const qn_tinst *i, uint8_t from, uint64_t a, uint64_t b, uint64_t c) {
  uint32_t bits = treg_bits[i->type];
  switch (i->op) {
  case QN_T_CONST: return low_bits(i->imm, bits);
  case QN_T_ICMP: return ref_icmp(i->pred, treg_bits[from], a, b);
  case QN_T_FCMP:
    return from == QN_TF32 ? ref_fcmp(i->pred, (double)as_f32(a), (double)as_f32(b))
                           : ref_fcmp(i->pred, as_f64(a), as_f64(b));
  case QN_T_SELECT: return a ? b : c;
  case QN_T_FSCALE: return of_f32((float)ldexp((double)as_f32(a), (int)sign_extend(c, 32)));
  case QN_T_SEXT: return low_bits((uint64_t)sign_extend(a, treg_bits[from]), bits);
  case QN_T_ZEXT:
  case QN_T_HALF_IN:
  case QN_T_HALF_OUT:
  case QN_T_BITCAST: return a;
  case QN_T_TRUNC: return low_bits(a, bits);
  case QN_T_SITOFP:
  case QN_T_UITOFP:
  case QN_T_FEXT:
  case QN_T_FTRUNC: return ref_to_float(i, from, a);
  case QN_T_FPTOSI:
  case QN_T_FPTOUI: return low_bits(ref_to_int(i, from, a), bits);
  default: break;
  }
  if (i->type == QN_TF32) return of_f32(ref_f32(i->op, as_f32(a), as_f32(b), as_f32(c)));
  if (i->type == QN_TF64) return of_f64(ref_f64(i->op, as_f64(a), as_f64(b), as_f64(c)));
  return low_bits(ref_int(i->op, bits, a, b), bits);
}

/* A tape without reductions: registers from inputs. `regs` has room for all. */
static inline void ref_tape(const qn_tape *t, const uint64_t *inputs, uint64_t *regs) {
  for (uint32_t i = 0; i < t->num_insts; i++) {
    const qn_tinst *x = &t->insts[i];
    uint8_t n = qn__tape_ops[x->op].num_args;
    if (x->op == QN_T_INPUT)
      regs[i] = inputs[x->a];
    else
      regs[i] = ref_inst(x, n ? t->insts[x->a].type : x->type, n > 0 ? regs[x->a] : 0, n > 1 ? regs[x->b] : 0,
                         n > 2 ? regs[x->c] : 0);
  }
}

/* ---- memory ---- */

static uint32_t mem_bits(qn_scalar s) {
  return qn_scalar_get(s)->storage_bits;
}

static inline uint64_t mem_get(qn_scalar s, const void *base, int64_t byte, int64_t packed_index) {
  uint32_t bits = mem_bits(s);
  uint64_t v = 0;
  if (bits >= 8) {
    memcpy(&v, (const char *)base + byte, bits / 8);
    return s == QN_I1 ? v != 0 : v;
  }
  uint8_t b = ((const uint8_t *)base)[byte + packed_index * bits / 8];
  v = low_bits((uint64_t)b >> (packed_index * bits % 8), bits);
  return qn_scalar_get(s)->cls == QN_SIGNLESS || qn_scalar_get(s)->cls == QN_SIGNED
             ? low_bits((uint64_t)sign_extend(v, bits), 8)
             : v;
}

/* Bits of a stored element: equal for any two NaN. */
static inline uint64_t comparable(qn_scalar s, uint64_t v) {
  if (s == QN_F32 && as_f32(v) != as_f32(v)) return 0x7FC00000;
  if (s == QN_F64 && as_f64(v) != as_f64(v)) return 0x7FF8000000000000;
  return low_bits(v, mem_bits(s));
}

/* ---- random numbers and edge values ---- */

static uint64_t seed = 0x9E3779B97F4A7C15u;
static uint64_t rnd(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed * 0x2545F4914F6CDD1Du;
}
static inline uint32_t rnd_below(uint32_t n) {
  return (uint32_t)((rnd() >> 33) % n);
}

static const uint32_t f32_edges[] = {0,          0x80000000, 0x3F800000, 0xBF800000, 0x7F800000, 0xFF800000,
                                     0x7FC00000, 0xFFC00001, 0x00000001, 0x80000001, 0x007FFFFF, 0x00800000,
                                     0x7F7FFFFF, 0xFF7FFFFF, 0x3F000000, 0xBF000000, 0x3FC00000, 0x40200000,
                                     0x3EFFFFFF, 0x3F000001, 0x4AFFFFFF, 0x4B000000, 0x4B000001, 0xCB000001,
                                     0x4B7FFFFF, 0xCF000000, 0x4F000000, 0x5F000000};
static const uint64_t f64_edges[] = {0,
                                     0x8000000000000000,
                                     0x3FF0000000000000,
                                     0xBFF0000000000000,
                                     0x7FF0000000000000,
                                     0xFFF0000000000000,
                                     0x7FF8000000000000,
                                     1,
                                     0x8000000000000001,
                                     0x000FFFFFFFFFFFFF,
                                     0x0010000000000000,
                                     0x7FEFFFFFFFFFFFFF,
                                     0x3FE0000000000000,
                                     0x3FF8000000000000,
                                     0x4004000000000000,
                                     0x3FDFFFFFFFFFFFFF,
                                     0x432FFFFFFFFFFFFF,
                                     0x4330000000000000,
                                     0x4330000000000001,
                                     0xC330000000000001,
                                     0x3CA0000000000000,
                                     0x4340000000000000,
                                     0x0000000000000003,
                                     0x1FF0000000000001};

/* An edge value, a small number or any bits. */
static inline uint64_t rnd_reg(uint8_t type) {
  uint32_t kind = rnd_below(4);
  if (type == QN_TF32) {
    if (kind == 0) return f32_edges[rnd_below(sizeof f32_edges / sizeof *f32_edges)];
    if (kind == 1) return of_f32((float)((int32_t)rnd_below(2001) - 1000) / 4);
    if (kind == 2) return of_f32((float)((int32_t)rnd()) * 0x1p-24f);
    return low_bits(rnd(), 32);
  }
  if (type == QN_TF64) {
    if (kind == 0) return f64_edges[rnd_below(sizeof f64_edges / sizeof *f64_edges)];
    if (kind == 1) return of_f64((double)((int32_t)rnd_below(2001) - 1000) / 4);
    if (kind == 2) return of_f64((double)(int64_t)rnd() * 0x1p-50);
    return rnd();
  }
  uint32_t bits = treg_bits[type];
  if (kind == 0) return low_bits((uint64_t)1 << rnd_below(bits), bits);
  if (kind == 1) return low_bits((uint64_t)0 - rnd_below(3), bits);
  if (kind == 2) return low_bits(rnd_below(70), bits);
  return low_bits(rnd(), bits);
}

/* ---- memory that ends where nothing may be read ---- */

typedef struct guarded {
  unsigned char *data;
  size_t size;
  void *map;
  size_t map_size;
} guarded;

/* `size` bytes, ending at a page that must not be touched, filled with `fill`. */
static inline guarded guarded_alloc(size_t size, int fill) {
  const size_t page = 4096;
  guarded g = {.size = size, .map_size = (size / page + 2) * page};
  g.map = mmap(NULL, g.map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_true(g.map != MAP_FAILED);
  assert_int_equal(mprotect((char *)g.map + g.map_size - page, page, PROT_NONE), 0);
  g.data = (unsigned char *)g.map + g.map_size - page - size;
  memset(g.data, fill, size);
  return g;
}
static inline void guarded_free(guarded *g) {
  if (g->map) munmap(g->map, g->map_size);
  g->map = NULL;
}
/* Random elements of a memory type; floats are of moderate size unless `wild`. */
static inline void fill_random(void *data, qn_scalar mem, size_t count, bool wild) {
  uint32_t bytes = mem_bits(mem) / 8;
  for (size_t i = 0; i < count; i++) {
    uint64_t v = wild ? rnd_reg((uint8_t)qn__tape_reg(mem)) : rnd();
    if (!wild && mem == QN_F32) v = of_f32((float)(int32_t)v * 0x1p-28f);
    if (!wild && mem == QN_F64) v = of_f64((double)(int64_t)v * 0x1p-60);
    memcpy((char *)data + i * bytes, &v, bytes);
  }
}

/* ---- the back end ---- */

static void print_diag(void *user, const qn_diag *d) {
  (void)user;
  fprintf(stderr, "%.*s: %.*s\n", (int)d->place.entity.size, d->place.entity.data, (int)d->message.size,
          d->message.data);
}

static inline const qn_backend *llvm_backend_of(qn_context *ctx) {
  const qn_backend *b = NULL;
  assert_int_equal(qn__backend_find(ctx, "llvm", &b), QN_OK);
  return b;
}

static inline qn_context *test_context(void) {
  qn_context *ctx = qn_context_create(&(qn_context_options){.on_diag = print_diag});
  assert_non_null(ctx);
  return ctx;
}

/* Every ISA row that runs on this machine; at least "generic" does. */
static inline uint32_t test_rows(const qn_isa **rows, uint32_t room) {
  uint32_t n = 0;
  for (size_t i = 0; qn_isa_get(i); i++)
    if (qn_isa_runs_here(qn_isa_get(i)) && n < room) rows[n++] = qn_isa_get(i);
  assert_true(n > 0);
  return n;
}
enum { MAX_ROWS = 16 };

/* A test that is done for every such row: what the check finds wrong must add up to nothing. */
typedef struct row_test {
  uint32_t (*check)(qn_context *ctx, const qn_isa *isa);
} row_test;

static inline void on_every_row(void **state) {
  const row_test *test = *state;
  const qn_isa *rows[MAX_ROWS];
  uint32_t num_rows = test_rows(rows, MAX_ROWS), wrong = 0;
  qn_context *ctx = test_context();
  for (uint32_t r = 0; r < num_rows; r++) wrong += test->check(ctx, rows[r]);
  qn_context_destroy(ctx);
  assert_int_equal(wrong, 0);
}
#define ROW_TEST(of)                                                                                                   \
  {                                                                                                                    \
#    of, on_every_row, NULL, NULL, &(row_test) {                                                                       \
      of                                                                                                               \
    }                                                                                                                  \
  }

static inline qn_code *compile(qn_context *ctx, uint32_t n, const qn_body *bodies) {
  qn_code *code = NULL;
  assert_int_equal(llvm_backend_of(ctx)->jit(ctx, n, bodies, &code), QN_OK);
  assert_non_null(code);
  return code;
}

static bool put_file(void *file, const char *data, size_t size) {
  return fwrite(data, 1, size, file) == size;
}

/* The bodies as an object file have no symbol that something else would have to define. */
static inline void assert_self_contained(qn_context *ctx, uint32_t n, const qn_body *bodies) {
  char path[] = "/tmp/quern_llvm_XXXXXX", command[64], line[256];
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  FILE *f = fdopen(fd, "wb");
  assert_non_null(f);
  qn_aot aot = {.entry = "entry", .num_bodies = n, .bodies = bodies};
  assert_int_equal(llvm_backend_of(ctx)->emit(ctx, &aot, QN_EMIT_OBJ, put_file, f), QN_OK);
  fclose(f);
  snprintf(command, sizeof command, "nm -u %s", path);
  FILE *nm = popen(command, "r");
  assert_non_null(nm);
  uint32_t undefined = 0;
  for (; fgets(line, sizeof line, nm); undefined++) fprintf(stderr, "undefined: %s", line);
  assert_int_equal(pclose(nm), 0);
  remove(path);
  assert_int_equal(undefined, 0);
}

static inline void run(qn_kernel_fn fn, const qn_kargs *args) {
  qn_fp_env saved = qn__fp_enter();
  int32_t r = fn(args);
  qn__fp_leave(saved);
  assert_int_equal(r, 0);
}

/* ---- tapes by hand ---- */

typedef struct tape_room {
  qn_tape tape;
  qn_tinst insts[256];
  qn_scalar input_mem[16], output_mem[16];
  uint32_t outputs[16];
} tape_room;

static inline void tape_start(tape_room *r) {
  memset(r, 0, sizeof *r);
  r->tape = (qn_tape){.insts = r->insts,
                      .input_mem = r->input_mem,
                      .output_mem = r->output_mem,
                      .outputs = r->outputs,
                      .num_stages = 1};
}
static inline uint32_t tape_op(tape_room *r, uint8_t op, uint8_t type, uint32_t a, uint32_t b, uint32_t c) {
  assert_true(r->tape.num_insts < 256);
  r->insts[r->tape.num_insts] = (qn_tinst){.op = op, .type = type, .a = a, .b = b, .c = c};
  return r->tape.num_insts++;
}
static inline uint32_t tape_const(tape_room *r, uint8_t type, uint64_t bits) {
  uint32_t i = tape_op(r, QN_T_CONST, type, 0, 0, 0);
  r->insts[i].imm = bits;
  return i;
}
static inline uint32_t tape_input(tape_room *r, qn_scalar mem) {
  r->input_mem[r->tape.num_inputs] = mem;
  return tape_op(r, QN_T_INPUT, (uint8_t)qn__tape_reg(mem), r->tape.num_inputs++, 0, 0);
}
static inline void tape_output(tape_room *r, uint32_t reg, qn_scalar mem) {
  r->outputs[r->tape.num_outputs] = reg;
  r->output_mem[r->tape.num_outputs++] = mem;
}
static inline qn_scalar mem_of_reg(uint8_t type) {
  static const qn_scalar mems[] = {QN_I1, QN_I8, QN_I16, QN_I32, QN_I64, QN_F32, QN_F64};
  return mems[type];
}
#endif
