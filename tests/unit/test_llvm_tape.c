/* Every tape opcode, for every type it has, over edge values and random bits, on every ISA row of this machine; then
 * random programs of many instructions. Runs through MAP, so that the vector and the scalar or masked form are used. */
#include "llvm_unit.h"

enum { COUNT = 1000 + 13 };

typedef struct one_loop {
  qn_kernel_plan plan;
  qn_access access[32];
  qn_body body;
} one_loop;

static void make_map(one_loop *l, const qn_isa *isa, const qn_tape *tape, uint32_t serial) {
  memset(l, 0, sizeof *l);
  l->plan.kind = QN_KERNEL_MAP;
  l->plan.isa = isa;
  snprintf(l->plan.name, sizeof l->plan.name, "map%u", serial);
  qn_loop_plan *p = &l->plan.u.loop;
  p->num_loops = 1;
  p->num_inputs = tape->num_inputs;
  p->num_outputs = tape->num_outputs;
  p->rank = 1;
  for (uint32_t i = 0; i < 32; i++) l->access[i] = QN_ACCESS_DENSE;
  p->access = l->access;
  p->tape = *tape;
  l->body = (qn_body){.plan = &l->plan, .part = QN_PART_MAIN};
  snprintf(l->body.symbol, sizeof l->body.symbol, "map%u", serial);
}

static uint64_t (*inputs)[COUNT];

/* Runs and compares all elements; 0 or the number that differ. */
static uint32_t check(qn_kernel_fn fn, const qn_tape *t, const char *what) {
  void *ptrs[32];
  int64_t size = COUNT, strides[32] = {0};
  uint32_t n = 0, wrong = 0;
  for (uint32_t i = 0; i < t->num_inputs; i++, n++) {
    uint32_t bytes = mem_bits(t->input_mem[i]) / 8;
    ptrs[n] = malloc((size_t)COUNT * bytes);
    for (uint32_t e = 0; e < COUNT; e++) memcpy((char *)ptrs[n] + (size_t)e * bytes, &inputs[i][e], bytes);
  }
  for (uint32_t i = 0; i < t->num_outputs; i++, n++) ptrs[n] = malloc((size_t)COUNT * mem_bits(t->output_mem[i]) / 8);
  run(fn, &(qn_kargs){.ptr = ptrs, .size = &size, .stride = strides, .end = {COUNT, 0}});
  for (uint32_t e = 0; e < COUNT; e++) {
    uint64_t in[16], regs[256];
    for (uint32_t i = 0; i < t->num_inputs; i++) in[i] = inputs[i][e];
    ref_tape(t, in, regs);
    for (uint32_t i = 0; i < t->num_outputs; i++) {
      qn_scalar mem = t->output_mem[i];
      uint64_t got = comparable(mem, mem_get(mem, ptrs[t->num_inputs + i], (int64_t)e * mem_bits(mem) / 8, 0));
      uint64_t want = comparable(mem, regs[t->outputs[i]]);
      if (got != want && wrong++ < 3)
        fprintf(stderr, "%s: element %u output %u: got %llx, expected %llx from %llx %llx %llx\n", what, e, i,
                (unsigned long long)got, (unsigned long long)want, (unsigned long long)in[0], (unsigned long long)in[1],
                (unsigned long long)in[2]);
    }
  }
  for (uint32_t i = 0; i < n; i++) free(ptrs[i]);
  return wrong;
}

/* ---- one opcode ---- */

typedef struct form {
  uint8_t op, type, from, pred;
} form;

static uint32_t add_form(form *forms, uint32_t n, uint8_t op, uint8_t type, uint8_t from, uint8_t pred) {
  forms[n] = (form){op, type, from, pred};
  return n + 1;
}

static bool is_int(uint8_t t) {
  return t >= QN_TI8 && t <= QN_TI64;
}
static bool is_float(uint8_t t) {
  return t == QN_TF32 || t == QN_TF64;
}

static uint32_t forms_of(uint8_t op, form *f) {
  uint32_t n = 0;
  for (uint8_t t = 0; t < NUM_TREGS; t++)
    for (uint8_t s = 0; s < NUM_TREGS; s++) {
      bool wider = treg_bits[t] > treg_bits[s];
      if (op >= QN_T_IADD && op <= QN_T_UMIN && t == s &&
          (is_int(t) || (t == QN_TI1 && op >= QN_T_AND && op <= QN_T_XOR)))
        n = add_form(f, n, op, t, s, 0);
      if (op >= QN_T_FADD && op <= QN_T_FCEIL && t == s && is_float(t)) n = add_form(f, n, op, t, s, 0);
      for (uint8_t p = 0; t == QN_TI1 && p < 16; p++) {
        if (op == QN_T_ICMP && is_int(s) && p < 10) n = add_form(f, n, op, t, s, p);
        if (op == QN_T_FCMP && is_float(s)) n = add_form(f, n, op, t, s, p);
      }
      if (op == QN_T_SELECT && s == QN_TI1) n = add_form(f, n, op, t, s, 0);
      if ((op == QN_T_SEXT || op == QN_T_ZEXT) && is_int(t) && s <= QN_TI64 && wider) n = add_form(f, n, op, t, s, 0);
      if (op == QN_T_TRUNC && t <= QN_TI64 && is_int(s) && treg_bits[t] < treg_bits[s]) n = add_form(f, n, op, t, s, 0);
      if ((op == QN_T_SITOFP || op == QN_T_UITOFP) && is_float(t) && is_int(s)) n = add_form(f, n, op, t, s, 0);
      if ((op == QN_T_FPTOSI || op == QN_T_FPTOUI) && is_int(t) && is_float(s)) n = add_form(f, n, op, t, s, 0);
      if (op == QN_T_FEXT && t == QN_TF64 && s == QN_TF32) n = add_form(f, n, op, t, s, 0);
      if (op == QN_T_FTRUNC && t == QN_TF32 && s == QN_TF64) n = add_form(f, n, op, t, s, 0);
      if (op == QN_T_BITCAST && treg_bits[t] == treg_bits[s] && is_int(t) != is_int(s) && treg_bits[t] >= 32)
        n = add_form(f, n, op, t, s, 0);
    }
  return n;
}

/* Operands of conversions to integers are in range, as the tape promises. */
static uint64_t in_range(const form *f) {
  double lo = f->op == QN_T_FPTOSI ? -ldexp(1, (int)treg_bits[f->type] - 1) : 0;
  double hi = ldexp(1, (int)treg_bits[f->type] - (f->op == QN_T_FPTOSI));
  for (;;) {
    double x = (double)(int64_t)rnd() * 0x1p-63 * hi;
    if (rnd_below(4) == 0) x = trunc(x);
    if (rnd_below(4) == 0) x = (double)((int32_t)rnd_below(256) - 128) / 2;
    if (f->from == QN_TF32) x = (double)(float)x;
    if (x > lo - 1 && x >= lo && x < hi) return f->from == QN_TF32 ? of_f32((float)x) : of_f64(x);
  }
}

static void form_tape(tape_room *r, const form *f) {
  tape_start(r);
  uint8_t args = qn__tape_ops[f->op].num_args;
  qn_scalar mem = mem_of_reg(f->from), other = f->op == QN_T_SELECT ? mem_of_reg(f->type) : mem;
  uint32_t a = tape_input(r, mem), b = 0, c = 0;
  if (args > 1) b = tape_input(r, other);
  if (args > 2) c = tape_input(r, f->op == QN_T_FSCALE ? QN_I32 : other);
  uint32_t y = tape_op(r, f->op, f->type, a, b, c);
  r->insts[y].pred = f->pred;
  tape_output(r, y, mem_of_reg(f->type));
}

static void fill_inputs(const form *f, const qn_tape *t) {
  for (uint32_t e = 0; e < COUNT; e++)
    for (uint32_t i = 0; i < t->num_inputs; i++) {
      bool ranged = f->op == QN_T_FPTOSI || f->op == QN_T_FPTOUI;
      inputs[i][e] = ranged ? in_range(f) : rnd_reg((uint8_t)qn__tape_reg(t->input_mem[i]));
    }
}

static uint32_t every_opcode(qn_context *ctx, const qn_isa *isa) {
  static tape_room rooms[512];
  static one_loop loops[512];
  static form forms[512];
  static qn_body bodies[512];
  uint32_t wrong = 0, n = 0;
  for (uint8_t op = QN_T_IADD; op <= QN_T_BITCAST; op++) {
    uint32_t more = forms_of(op, &forms[n]);
    if (more == 0) fail_msg("no form of opcode %s is tested", qn__tape_ops[op].name);
    n += more;
  }
  for (uint32_t i = 0; i < n; i++) {
    form_tape(&rooms[i], &forms[i]);
    make_map(&loops[i], isa, &rooms[i].tape, i);
    bodies[i] = loops[i].body;
  }
  qn_code *code = compile(ctx, n, bodies);
  if (isa->vector_bits == 128) assert_self_contained(ctx, n, bodies); /* where instructions are fewest */
  for (uint32_t i = 0; i < n; i++) {
    char what[80];
    snprintf(what, sizeof what, "%s %s type %u from %u pred %u", isa->name, qn__tape_ops[forms[i].op].name,
             forms[i].type, forms[i].from, forms[i].pred);
    fill_inputs(&forms[i], &rooms[i].tape);
    wrong += check(code->functions[i], &rooms[i].tape, what);
  }
  code->destroy(code);
  return wrong;
}

/* Operands near each other in size, where products and sums cancel: what fma is judged by. */
static uint32_t fma_cancels(qn_context *ctx, const qn_isa *isa) {
  static tape_room rooms[2];
  static one_loop loops[2];
  uint32_t wrong = 0;
  qn_body bodies[2];
  for (uint8_t i = 0; i < 2; i++) {
    uint8_t type = i ? QN_TF64 : QN_TF32;
    form_tape(&rooms[i], &(form){QN_T_FMA, type, type, 0});
    make_map(&loops[i], isa, &rooms[i].tape, i);
    bodies[i] = loops[i].body;
  }
  qn_code *code = compile(ctx, 2, bodies);
  for (uint32_t round = 0; round < 60; round++) {
    for (uint32_t e = 0; e < COUNT; e++) {
      int ea = (int)rnd_below(300) - 150, eb = (int)rnd_below(300) - 150;
      if (round & 1) ea *= 7, eb *= 7;
      double a = ldexp((double)(int64_t)rnd(), ea - 63), b = ldexp((double)(int64_t)rnd(), eb - 63);
      double c = round % 3 == 0 ? ldexp((double)(int64_t)rnd(), ea + eb - 63 + (int)rnd_below(120) - 60)
                                : -(a * b) * (1 + (double)((int)rnd_below(5) - 2) * 0x1p-52);
      if (rnd_below(8) == 0) c = ldexp(c, -(int)rnd_below(110));
      inputs[0][e] = round & 2 ? of_f64(a) : of_f32((float)a);
      inputs[1][e] = round & 2 ? of_f64(b) : of_f32((float)b);
      inputs[2][e] = round & 2 ? of_f64(c) : of_f32(-(float)a * (float)b * (1 + (float)(rnd_below(3)) * 0x1p-23f));
      if (!(round & 2) && round % 3 == 0) inputs[2][e] = of_f32((float)c);
    }
    uint32_t which = round & 2 ? 1 : 0;
    wrong += check(code->functions[which], &rooms[which].tape, which ? "fma f64" : "fma f32");
  }
  code->destroy(code);
  return wrong;
}

/* A factor near 1 and every exponent: results that overflow, are subnormal or vanish among them. */
static uint32_t scales(qn_context *ctx, const qn_isa *isa) {
  static tape_room rooms[2];
  static one_loop loops[2];
  uint32_t wrong = 0;
  qn_body bodies[2];
  for (uint8_t i = 0; i < 2; i++) {
    form_tape(&rooms[i], &(form){QN_T_FSCALE, QN_TF32, QN_TF32, i});
    make_map(&loops[i], isa, &rooms[i].tape, i);
    bodies[i] = loops[i].body;
  }
  qn_code *code = compile(ctx, 2, bodies);
  for (uint32_t round = 0; round < 8; round++) {
    for (uint32_t e = 0; e < COUNT; e++) {
      int32_t c = round & 1 ? (int32_t)rnd_below(241) - 120 : (int32_t)rnd_below(481) - 240;
      inputs[0][e] = (rnd() & 0x807FFFFFu) | (0x3E800000u + rnd_below(4) * 0x800000u);
      if (rnd_below(50) == 0) inputs[0][e] = 0x7FC00000u;
      inputs[1][e] = of_f32((float)c);
      inputs[2][e] = low_bits((uint64_t)(int64_t)c, 32);
    }
    wrong += check(code->functions[round & 1], &rooms[round & 1].tape, round & 1 ? "normal fscale" : "fscale");
  }
  code->destroy(code);
  return wrong;
}

/* ---- random programs ---- */

static uint32_t pick(const tape_room *r, uint8_t type) {
  for (uint32_t tries = 0; tries < 200; tries++) {
    uint32_t i = rnd_below(r->tape.num_insts);
    if (r->insts[i].type == type) return i;
  }
  for (uint32_t i = 0; i < r->tape.num_insts; i++)
    if (r->insts[i].type == type) return i;
  return 0;
}

/* x with NaN replaced by 1 and clamped to what converts to any integer type of 8 bits and more. */
static uint32_t tame(tape_room *r, uint8_t type, uint32_t x) {
  uint32_t one = tape_const(r, type, type == QN_TF32 ? of_f32(1) : of_f64(1));
  uint32_t hi = tape_const(r, type, type == QN_TF32 ? of_f32(127) : of_f64(127));
  uint32_t lo = tape_const(r, type, 0);
  uint32_t nan = tape_op(r, QN_T_FCMP, QN_TI1, x, x, 0);
  r->insts[nan].pred = 14;
  uint32_t y = tape_op(r, QN_T_SELECT, type, nan, one, x);
  y = tape_op(r, QN_T_FMAX, type, y, lo, 0);
  y = tape_op(r, QN_T_FMIN, type, y, hi, 0);
  return rnd_below(2) ? tape_op(r, QN_T_FROUND, type, y, 0, 0) : y;
}

static void random_tape(tape_room *r) {
  static form forms[512];
  tape_start(r);
  for (uint8_t t = 0; t < NUM_TREGS; t++) tape_input(r, mem_of_reg(t));
  for (uint8_t t = 0; t < NUM_TREGS; t++) tape_const(r, t, rnd_reg(t));
  while (r->tape.num_insts < 200) {
    uint8_t op = (uint8_t)(QN_T_IADD + rnd_below(QN_T_BITCAST - QN_T_IADD + 1));
    form f = forms[0];
    uint32_t n = forms_of(op, forms);
    f = forms[rnd_below(n)];
    uint32_t a = pick(r, f.from), b = pick(r, op == QN_T_SELECT ? f.type : f.from);
    uint32_t c = pick(r, op == QN_T_SELECT ? f.type : f.from);
    bool leaves_floats = op == QN_T_FPTOSI || op == QN_T_FPTOUI || (op == QN_T_BITCAST && is_float(f.from));
    if (leaves_floats) a = tame(r, f.from, a);
    uint32_t y = tape_op(r, op, f.type, a, b, c);
    r->insts[y].pred = f.pred;
  }
  for (uint32_t i = 0; i < 8; i++) {
    uint32_t reg = r->tape.num_insts - 1 - rnd_below(40);
    tape_output(r, reg, mem_of_reg(r->insts[reg].type));
  }
}

static uint32_t random_programs(qn_context *ctx, const qn_isa *isa) {
  static tape_room rooms[12];
  static one_loop loops[12];
  uint32_t wrong = 0;
  for (uint32_t i = 0; i < 12; i++) random_tape(&rooms[i]);
  qn_body bodies[12];
  for (uint32_t i = 0; i < 12; i++) {
    make_map(&loops[i], isa, &rooms[i].tape, i);
    bodies[i] = loops[i].body;
  }
  qn_code *code = compile(ctx, 12, bodies);
  for (uint32_t i = 0; i < 12; i++) {
    for (uint8_t t = 0; t < NUM_TREGS; t++)
      for (uint32_t e = 0; e < COUNT; e++) inputs[t][e] = rnd_reg(t);
    wrong += check(code->functions[i], &rooms[i].tape, isa->name);
  }
  code->destroy(code);
  return wrong;
}

int main(void) {
  inputs = calloc(16, sizeof *inputs);
  const struct CMUnitTest tests[] = {ROW_TEST(every_opcode), ROW_TEST(fma_cancels), ROW_TEST(scales),
                                     ROW_TEST(random_programs)};
  int failed = inputs ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
  free(inputs);
  return failed;
}
