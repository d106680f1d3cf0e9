/* MAP and ROW kernels: loops of every rank with operands that broadcast, are dense, strided or packed below a byte, in
 * all memory types; row programs with every reduction, rows of any length, none included. Every other one stores past
 * the caches, where the machine can. All memory ends at a page that cannot be read. */
#include "llvm_unit.h"

enum { MAX_LOOPS = 4, MAX_OPERANDS = 12, MAX_LENGTH = 300 };

typedef struct loop_case {
  qn_kernel_plan plan;
  qn_body body;
  tape_room room;
  qn_access access[MAX_OPERANDS * MAX_LOOPS];
  bool reduced[8];
} loop_case;

typedef struct operand {
  qn_scalar mem;
  int64_t stride[MAX_LOOPS];
  guarded bytes;
} operand;

typedef struct loop_data {
  int64_t size[MAX_LOOPS];
  operand operands[MAX_OPERANDS];
  uint32_t num_operands;
} loop_data;

static uint32_t num_operands(const loop_case *c) {
  return c->plan.u.loop.num_inputs + c->plan.u.loop.num_outputs;
}

static void finish_case(loop_case *c, const qn_isa *isa, qn_kernel_kind kind, uint32_t loops, uint32_t serial) {
  c->plan.kind = kind;
  c->plan.isa = isa;
  snprintf(c->plan.name, sizeof c->plan.name, "loops%u", serial);
  qn_loop_plan *p = &c->plan.u.loop;
  *p = (qn_loop_plan){.num_loops = loops,
                      .num_inputs = c->room.tape.num_inputs,
                      .num_outputs = c->room.tape.num_outputs,
                      .rank = loops,
                      .access = c->access,
                      .tape = c->room.tape};
  if (kind == QN_KERNEL_ROW) p->reduced = c->reduced;
  bool past_caches = serial % 2 && !strcmp(isa->arch, "x86_64");
  c->body = (qn_body){.plan = &c->plan, .part = past_caches ? QN_PART_STREAM : QN_PART_MAIN};
  snprintf(c->body.symbol, sizeof c->body.symbol, "loops%u", serial);
}

/* Byte offset of the start of the innermost loop, and the index of an element in it for packed types. */
static uint64_t load_at(const operand *o, const qn_access last, uint32_t loops, const int64_t *index) {
  int64_t at = 0;
  for (uint32_t d = 0; d + 1 < loops; d++) at += index[d] * o->stride[d];
  int64_t i = loops ? index[loops - 1] : 0;
  if (mem_bits(o->mem) < 8) return mem_get(o->mem, o->bytes.data, at, last == QN_ACCESS_NONE ? 0 : i);
  if (loops) at += i * o->stride[loops - 1];
  return mem_get(o->mem, o->bytes.data, at, 0);
}

/* Strides for the accesses of a case: dense axes innermost, the others in random order with gaps. */
static void make_operand(const loop_case *c, loop_data *d, uint32_t o, qn_scalar mem, bool output) {
  const qn_loop_plan *p = &c->plan.u.loop;
  operand *x = &d->operands[o];
  uint32_t loops = p->num_loops, bits = mem_bits(mem);
  const qn_access *access = &c->access[o * loops];
  *x = (operand){.mem = mem};
  int64_t bytes = (bits + 7) / 8;
  if (loops && access[loops - 1] == QN_ACCESS_DENSE) {
    x->stride[loops - 1] = bits < 8 ? 0 : bytes;
    bytes = (d->size[loops - 1] * bits + 7) / 8;
  }
  bool done[MAX_LOOPS] = {false};
  for (uint32_t n = 0; n < loops; n++) {
    uint32_t a = rnd_below(loops);
    while (done[a]) a = (a + 1) % loops;
    done[a] = true;
    if (access[a] != QN_ACCESS_STRIDED) continue;
    x->stride[a] = bytes + (rnd_below(3) == 0 ? rnd_below(5) : 0);
    bytes = d->size[a] > 0 ? x->stride[a] * (d->size[a] - 1) + bytes : 0;
  }
  x->bytes = guarded_alloc((size_t)bytes, 0xA5);
  if (output) return;
  if (bits < 8 || bits == 16 || mem == QN_I1)
    for (int64_t i = 0; i < bytes; i++)
      x->bytes.data[i] = mem == QN_I1 ? (unsigned char)(rnd_below(3)) : (unsigned char)rnd();
  else
    for (int64_t i = 0; i + (int64_t)bits / 8 <= bytes; i += bits / 8) fill_random(x->bytes.data + i, mem, 1, true);
}

static void free_operands(loop_data *d) {
  for (uint32_t i = 0; i < d->num_operands; i++) guarded_free(&d->operands[i].bytes);
}

static void make_data(const loop_case *c, loop_data *d) {
  const qn_loop_plan *p = &c->plan.u.loop;
  memset(d, 0, sizeof *d);
  for (uint32_t i = 0; i < p->num_loops; i++)
    d->size[i] = rnd_below(20) == 0 ? 0 : 1 + rnd_below(i + 1 == p->num_loops ? 90 : 5);
  bool is_row = c->plan.kind == QN_KERNEL_ROW;
  if (is_row && rnd_below(3) == 0) d->size[p->num_loops - 1] = rnd_below(MAX_LENGTH);
  d->num_operands = num_operands(c);
  for (uint32_t i = 0; i < d->num_operands; i++) {
    bool output = i >= p->num_inputs;
    make_operand(c, d, i, output ? p->tape.output_mem[i - p->num_inputs] : p->tape.input_mem[i], output);
  }
}

static void call(const loop_case *c, const loop_data *d, qn_kernel_fn fn) {
  const qn_loop_plan *p = &c->plan.u.loop;
  void *ptrs[MAX_OPERANDS];
  int64_t strides[MAX_OPERANDS * MAX_LOOPS + 1];
  for (uint32_t i = 0; i < d->num_operands; i++) {
    ptrs[i] = d->operands[i].bytes.data;
    uint32_t bits = mem_bits(d->operands[i].mem), per_byte = bits < 8 ? 8 / bits : 1;
    for (uint32_t l = 0; l < p->num_loops; l++) strides[i * p->num_loops + l] = d->operands[i].stride[l] * per_byte;
  }
  qn_kargs args = {.ptr = ptrs, .size = d->size, .stride = strides};
  bool whole = p->num_loops == 0 || (p->num_loops == 1 && c->plan.kind == QN_KERNEL_ROW);
  int64_t cut = whole ? 0 : rnd_below((uint32_t)d->size[0] + 1);
  if (p->num_loops == 1) cut = cut / 8 * 8; /* a byte of packed elements belongs to one call */
  args.end[0] = cut;
  if (!whole) run(fn, &args);
  args.begin[0] = cut;
  args.end[0] = whole ? 0 : d->size[0];
  run(fn, &args);
}

/* ---- MAP ---- */

static const qn_scalar map_mems[] = {QN_F32, QN_F64, QN_F16, QN_BF16, QN_I1, QN_I8,  QN_UI8,   QN_I16,
                                     QN_I32, QN_I64, QN_I4,  QN_UI4,  QN_I2, QN_UI2, QN_F8E5M2};

/* Each input is passed on, and all integers and floats meet in sums. */
static void make_map(loop_case *c, const qn_isa *isa, uint32_t serial) {
  memset(c, 0, sizeof *c);
  tape_room *r = &c->room;
  tape_start(r);
  uint32_t inputs = 1 + rnd_below(4), loops = rnd_below(MAX_LOOPS + 1), wide = 0, n = 0;
  uint32_t ints[4];
  for (uint32_t i = 0; i < inputs; i++) {
    qn_scalar mem = map_mems[rnd_below(sizeof map_mems / sizeof *map_mems)];
    uint32_t x = tape_input(r, mem);
    tape_output(r, x, mem);
    uint8_t type = r->insts[x].type;
    if (type <= QN_TI32) ints[n++] = type == QN_TI32 ? x : tape_op(r, QN_T_SEXT, QN_TI32, x, 0, 0);
  }
  wide = tape_const(r, QN_TI32, 12345);
  for (uint32_t i = 0; i < n; i++) wide = tape_op(r, QN_T_IADD, QN_TI32, wide, ints[i], 0);
  tape_output(r, wide, QN_I32);
  finish_case(c, isa, QN_KERNEL_MAP, loops, serial);
  for (uint32_t o = 0; o < num_operands(c); o++) {
    bool output = o >= inputs;
    qn_scalar mem = output ? r->output_mem[o - inputs] : r->input_mem[o];
    for (uint32_t l = 0; l < loops; l++) {
      bool last = l + 1 == loops;
      uint32_t kind = rnd_below(4);
      qn_access a = last ? (kind == 0 ? QN_ACCESS_STRIDED : QN_ACCESS_DENSE) : QN_ACCESS_STRIDED;
      if (!output && kind == 1) a = QN_ACCESS_NONE;
      if (last && mem_bits(mem) < 8 && a == QN_ACCESS_STRIDED) a = QN_ACCESS_DENSE;
      c->access[o * loops + l] = a;
    }
  }
}

static uint32_t compare_map(const loop_case *c, const loop_data *d, const char *what) {
  const qn_loop_plan *p = &c->plan.u.loop;
  uint32_t wrong = 0;
  int64_t index[MAX_LOOPS] = {0}, total = 1;
  for (uint32_t l = 0; l < p->num_loops; l++) total *= d->size[l];
  for (int64_t e = 0; e < total; e++) {
    int64_t left = e;
    for (uint32_t l = p->num_loops; l-- > 0; left /= d->size[l]) index[l] = left % d->size[l];
    uint64_t in[MAX_OPERANDS], regs[256];
    for (uint32_t i = 0; i < p->num_inputs; i++)
      in[i] = load_at(&d->operands[i], p->num_loops ? c->access[(i + 1) * p->num_loops - 1] : QN_ACCESS_NONE,
                      p->num_loops, index);
    ref_tape(&p->tape, in, regs);
    for (uint32_t i = 0; i < p->num_outputs; i++) {
      qn_scalar mem = p->tape.output_mem[i];
      uint32_t o = p->num_inputs + i;
      uint64_t got = comparable(mem, load_at(&d->operands[o],
                                             p->num_loops ? c->access[(o + 1) * p->num_loops - 1] : QN_ACCESS_NONE,
                                             p->num_loops, index));
      uint64_t want = comparable(mem, regs[p->tape.outputs[i]]);
      if (got != want && wrong++ < 2)
        fprintf(stderr, "%s: element %lld of output %u (%s): got %llx, expected %llx\n", what, (long long)e, i,
                qn_scalar_get(mem)->text, (unsigned long long)got, (unsigned long long)want);
    }
  }
  return wrong;
}

static uint32_t maps(qn_context *ctx, const qn_isa *isa) {
  enum { CASES = 24 };
  static loop_case cases[CASES];
  uint32_t wrong = 0;
  qn_body bodies[CASES];
  for (uint32_t i = 0; i < CASES; i++) {
    make_map(&cases[i], isa, i);
    bodies[i] = cases[i].body;
  }
  qn_code *code = compile(ctx, CASES, bodies);
  assert_self_contained(ctx, CASES, bodies);
  for (uint32_t i = 0; i < CASES; i++)
    for (uint32_t round = 0; round < 10; round++) {
      loop_data d;
      make_data(&cases[i], &d);
      call(&cases[i], &d, code->functions[i]);
      wrong += compare_map(&cases[i], &d, isa->name);
      free_operands(&d);
    }
  code->destroy(code);
  return wrong;
}

/* ---- ROW ---- */

static uint64_t ref_reduce(const qn_tinst *x, const uint64_t *values, int64_t n) {
  if (x->op == QN_T_ALL_FSUM && x->type == QN_TF32) {
    float p[32] = {0};
    for (int64_t i = 0; i < n; i++) p[i % 32] += as_f32(values[i]);
    return of_f32(qn__f32_sum_fold(p));
  }
  if (x->op == QN_T_ALL_FSUM) {
    double p[32] = {0};
    for (int64_t i = 0; i < n; i++) p[i % 32] += as_f64(values[i]);
    for (int half = 16; half; half /= 2)
      for (int i = 0; i < half; i++) p[i] += p[i + half];
    return of_f64(p[0]);
  }
  uint32_t bits = treg_bits[x->type];
  uint64_t acc = 0;
  if (x->op == QN_T_ALL_FMAX || x->op == QN_T_ALL_FMIN) {
    double inf = x->op == QN_T_ALL_FMAX ? -INFINITY : INFINITY;
    acc = x->type == QN_TF32 ? of_f32((float)inf) : of_f64(inf);
  }
  if (x->op == QN_T_ALL_SMAX) acc = (uint64_t)1 << (bits - 1);
  if (x->op == QN_T_ALL_SMIN) acc = ((uint64_t)1 << (bits - 1)) - 1;
  static const uint8_t binary[] = {[QN_T_ALL_FMAX] = QN_T_FMAX,
                                   [QN_T_ALL_FMIN] = QN_T_FMIN,
                                   [QN_T_ALL_SMAX] = QN_T_SMAX,
                                   [QN_T_ALL_SMIN] = QN_T_SMIN,
                                   [QN_T_ALL_ISUM] = QN_T_IADD};
  qn_tinst combine = {.op = binary[x->op], .type = x->type};
  for (int64_t i = 0; i < n; i++) acc = ref_inst(&combine, x->type, acc, values[i], 0);
  return acc;
}

/* Registers of a whole row: regs[instruction][element]. */
static void ref_row(const loop_case *c, const loop_data *d, int64_t *index, int64_t n,
                    uint64_t (*regs)[MAX_LENGTH + 1]) {
  const qn_loop_plan *p = &c->plan.u.loop;
  const qn_tape *t = &p->tape;
  int64_t count = n ? n : 1;
  for (uint32_t i = 0; i < t->num_insts; i++) {
    const qn_tinst *x = &t->insts[i];
    uint8_t args = qn__tape_ops[x->op].num_args;
    if (x->op >= QN_T_ALL_FMAX) {
      uint64_t v = ref_reduce(x, regs[x->a], n);
      for (int64_t e = 0; e < count; e++) regs[i][e] = v;
      continue;
    }
    for (int64_t e = 0; e < count; e++) {
      index[p->num_loops - 1] = e;
      qn_access last = x->op == QN_T_INPUT ? c->access[(x->a + 1) * p->num_loops - 1] : QN_ACCESS_NONE;
      if (x->op == QN_T_INPUT)
        regs[i][e] = n || last == QN_ACCESS_NONE ? load_at(&d->operands[x->a], last, p->num_loops, index) : 0;
      else
        regs[i][e] = ref_inst(x, args ? t->insts[x->a].type : x->type, args > 0 ? regs[x->a][e] : 0,
                              args > 1 ? regs[x->b][e] : 0, args > 2 ? regs[x->c][e] : 0);
    }
  }
}

static uint32_t compare_rows(const loop_case *c, const loop_data *d, const char *what) {
  static uint64_t regs[256][MAX_LENGTH + 1];
  const qn_loop_plan *p = &c->plan.u.loop;
  uint32_t wrong = 0, outer = p->num_loops - 1;
  int64_t index[MAX_LOOPS] = {0}, rows = 1, n = d->size[outer];
  for (uint32_t l = 0; l < outer; l++) rows *= d->size[l];
  for (int64_t r = 0; r < rows; r++) {
    int64_t left = r;
    for (uint32_t l = outer; l-- > 0; left /= d->size[l]) index[l] = left % d->size[l];
    ref_row(c, d, index, n, regs);
    for (uint32_t i = 0; i < p->num_outputs; i++) {
      qn_scalar mem = p->tape.output_mem[i];
      uint32_t o = p->num_inputs + i;
      for (int64_t e = 0; e < (c->reduced[i] ? 1 : n); e++) {
        index[outer] = e;
        uint64_t got =
            comparable(mem, load_at(&d->operands[o], c->access[(o + 1) * p->num_loops - 1], p->num_loops, index));
        uint64_t want = comparable(mem, regs[p->tape.outputs[i]][e]);
        if (got != want && wrong++ < 2)
          fprintf(stderr, "%s: row %lld of %lld, element %lld of output %u: got %llx, expected %llx\n", what,
                  (long long)r, (long long)n, (long long)e, i, (unsigned long long)got, (unsigned long long)want);
      }
    }
  }
  return wrong;
}

static uint32_t shift_by(tape_room *r, uint8_t op, uint8_t type, uint32_t x) {
  return tape_op(r, op, type, x, 0, 0);
}

/* x - max, its square, sums of both; then everything over those: the shape of softmax and of norms. */
static void norm_tape(loop_case *c) {
  tape_room *r = &c->room;
  uint32_t x = tape_input(r, QN_F32), w = tape_input(r, QN_F32), eps = tape_input(r, QN_F32);
  uint32_t top = shift_by(r, QN_T_ALL_FMAX, QN_TF32, x);
  uint32_t t = tape_op(r, QN_T_FSUB, QN_TF32, x, top, 0);
  uint32_t sum = shift_by(r, QN_T_ALL_FSUM, QN_TF32, t);
  uint32_t mean = tape_op(r, QN_T_FMUL, QN_TF32, sum, eps, 0);
  uint32_t u = tape_op(r, QN_T_FSUB, QN_TF32, t, mean, 0);
  uint32_t sq = shift_by(r, QN_T_ALL_FSUM, QN_TF32, tape_op(r, QN_T_FMUL, QN_TF32, u, u, 0));
  uint32_t root = tape_op(r, QN_T_FSQRT, QN_TF32, sq, 0, 0);
  uint32_t y = tape_op(r, QN_T_FDIV, QN_TF32, tape_op(r, QN_T_FMUL, QN_TF32, u, w, 0), root, 0);
  tape_output(r, y, QN_F32);
  tape_output(r, root, QN_F32);
  tape_output(r, mean, QN_F32);
  c->reduced[1] = true; /* mean is one value, given to every element */
}

/* Range, then codes: the shape of dynamic quantization. */
static void quantize_tape(loop_case *c) {
  tape_room *r = &c->room;
  uint32_t x = tape_input(r, QN_F32);
  uint32_t lo = shift_by(r, QN_T_ALL_FMIN, QN_TF32, x), hi = shift_by(r, QN_T_ALL_FMAX, QN_TF32, x);
  uint32_t s =
      tape_op(r, QN_T_FDIV, QN_TF32, tape_op(r, QN_T_FSUB, QN_TF32, hi, lo, 0), tape_const(r, QN_TF32, of_f32(255)), 0);
  uint32_t t = tape_op(r, QN_T_FDIV, QN_TF32, tape_op(r, QN_T_FSUB, QN_TF32, x, lo, 0), s, 0);
  uint32_t nan = tape_op(r, QN_T_FCMP, QN_TI1, t, t, 0), zero = tape_const(r, QN_TF32, 0);
  r->insts[nan].pred = 14;
  t = tape_op(r, QN_T_SELECT, QN_TF32, nan, zero, t);
  t = tape_op(r, QN_T_FMAX, QN_TF32, t, zero, 0);
  t = tape_op(r, QN_T_FMIN, QN_TF32, t, tape_const(r, QN_TF32, of_f32(255)), 0);
  uint32_t q = tape_op(r, QN_T_FPTOSI, QN_TI32, tape_op(r, QN_T_FROUND, QN_TF32, t, 0, 0), 0, 0);
  tape_output(r, tape_op(r, QN_T_TRUNC, QN_TI8, q, 0, 0), QN_UI8);
  tape_output(r, s, QN_F32);
  tape_output(r, tape_op(r, QN_T_ALL_ISUM, QN_TI32, q, 0, 0), QN_I32);
  c->reduced[1] = c->reduced[2] = true;
}

/* Every reduction of one type, all in one pass, and their difference from each element. */
static void all_tape(loop_case *c, uint8_t type) {
  tape_room *r = &c->room;
  bool is_float = type >= QN_TF32;
  uint32_t x = tape_input(r, mem_of_reg(type));
  static const uint8_t ops[2][3] = {{QN_T_ALL_SMAX, QN_T_ALL_SMIN, QN_T_ALL_ISUM},
                                    {QN_T_ALL_FMAX, QN_T_ALL_FMIN, QN_T_ALL_FSUM}};
  for (uint32_t i = 0; i < 3; i++) {
    uint32_t all = shift_by(r, ops[is_float][i], type, x);
    tape_output(r, all, mem_of_reg(type));
    c->reduced[2 * i] = true;
    tape_output(r, tape_op(r, is_float ? QN_T_FSUB : QN_T_ISUB, type, x, all, 0), mem_of_reg(type));
  }
}

/* Long enough between its reductions to be kept instead of computed twice: the shape of softmax. */
static void long_tape(loop_case *c) {
  tape_room *r = &c->room;
  uint32_t x = tape_input(r, QN_F32), k = tape_const(r, QN_TF32, of_f32(0.37f));
  uint32_t t = tape_op(r, QN_T_FSUB, QN_TF32, x, shift_by(r, QN_T_ALL_FMAX, QN_TF32, x), 0), e = t;
  for (uint32_t i = 0; i < 7; i++) e = tape_op(r, QN_T_FMA, QN_TF32, e, k, t);
  uint32_t sum = shift_by(r, QN_T_ALL_FSUM, QN_TF32, e);
  uint32_t y = tape_op(r, QN_T_FDIV, QN_TF32, e, sum, 0);
  tape_output(r, tape_op(r, QN_T_FCMP, QN_TI1, y, k, 0), QN_I1);
  tape_output(r, y, QN_F32);
  tape_output(r, sum, QN_F32);
}

/* More reductions in one pass than registers hold partials of. */
static void many_tape(loop_case *c) {
  tape_room *r = &c->room;
  uint32_t x = tape_input(r, QN_I32), y = tape_input(r, QN_F64);
  for (uint32_t i = 0; i < 8; i++) {
    static const uint8_t ops[] = {QN_T_ALL_ISUM, QN_T_ALL_SMAX, QN_T_ALL_SMIN};
    bool is_float = i % 2;
    uint32_t shifted = tape_op(r, is_float ? QN_T_FMUL : QN_T_IMUL, is_float ? QN_TF64 : QN_TI32, is_float ? y : x,
                               tape_const(r, is_float ? QN_TF64 : QN_TI32, is_float ? of_f64(i - 3.0) : i + 3), 0);
    uint8_t op = is_float ? QN_T_ALL_FSUM : ops[i / 2 % 3];
    tape_output(r, tape_op(r, op, is_float ? QN_TF64 : QN_TI32, shifted, 0, 0), is_float ? QN_F64 : QN_I32);
    c->reduced[i] = true;
  }
}

static void make_row(loop_case *c, const qn_isa *isa, uint32_t kind, uint32_t serial) {
  memset(c, 0, sizeof *c);
  tape_start(&c->room);
  if (kind == 0)
    norm_tape(c);
  else if (kind == 1)
    quantize_tape(c);
  else if (kind == 2)
    long_tape(c);
  else if (kind == 3)
    many_tape(c);
  else
    all_tape(c, (uint8_t)(QN_TI8 + kind - 4));
  uint32_t loops = 1 + rnd_below(MAX_LOOPS);
  finish_case(c, isa, QN_KERNEL_ROW, loops, serial);
  uint32_t inputs = c->plan.u.loop.num_inputs;
  for (uint32_t o = 0; o < num_operands(c); o++)
    for (uint32_t l = 0; l < loops; l++) {
      bool last = l + 1 == loops, output = o >= inputs;
      qn_access a = last ? (rnd_below(4) ? QN_ACCESS_DENSE : QN_ACCESS_STRIDED) : QN_ACCESS_STRIDED;
      if (last && output && c->reduced[o - inputs]) a = QN_ACCESS_NONE;
      if (!output && o > 0 && rnd_below(2)) a = QN_ACCESS_NONE;
      c->access[o * loops + l] = a;
    }
}

static uint32_t rows_of_all_kinds(qn_context *ctx, const qn_isa *isa) {
  enum { KINDS = 4 + NUM_TREGS - 1, CASES = 2 * KINDS };
  static loop_case cases[CASES];
  uint32_t wrong = 0;
  qn_body bodies[CASES];
  for (uint32_t i = 0; i < CASES; i++) {
    make_row(&cases[i], isa, i % KINDS, i);
    bodies[i] = cases[i].body;
  }
  qn_code *code = compile(ctx, CASES, bodies);
  assert_self_contained(ctx, CASES, bodies);
  for (uint32_t i = 0; i < CASES; i++)
    for (uint32_t round = 0; round < 12; round++) {
      loop_data d;
      char what[64];
      snprintf(what, sizeof what, "%s row program %u", isa->name, i % KINDS);
      make_data(&cases[i], &d);
      call(&cases[i], &d, code->functions[i]);
      wrong += compare_rows(&cases[i], &d, what);
      free_operands(&d);
    }
  code->destroy(code);
  return wrong;
}

int main(void) {
  const struct CMUnitTest tests[] = {ROW_TEST(maps), ROW_TEST(rows_of_all_kinds)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
