/* A scalar region flattened for code generators: straight-line instructions over numbered registers, with elementary
 * functions, small-float conversions and everything else that has no instruction of its own expanded into the few
 * opcodes below (tape.def). A code generator emits each opcode once, for a scalar or a vector of lanes, and so serves
 * every prologue, epilogue, map and row body. The same instructions in the same order give the same bits everywhere. */
#ifndef QN_TAPE_H
#define QN_TAPE_H
#include "arena.h"
#include <quern/module.h>

/* Types of registers. Memory types narrower or odder than these become one of them when loaded: integers keep their
 * width (ui8 and i8 both I8; I1 is a lane mask, loaded from a byte by != 0), f16, bf16 and 8-bit floats load as I16 or
 * I8 bits, sub-byte elements load into I8, sign- or zero-extended by their memory type. */
typedef enum qn_treg { QN_TI1, QN_TI8, QN_TI16, QN_TI32, QN_TI64, QN_TF32, QN_TF64 } qn_treg;

typedef enum qn_topcode {
#define QN_TAPE(symbol, name, args, doc) QN_T_##symbol,
#include "tape.def"
#undef QN_TAPE
  QN_T_COUNT
} qn_topcode;

typedef struct qn_tinst {
  uint8_t op;       /* qn_topcode */
  uint8_t type;     /* qn_treg of the result */
  uint8_t pred;     /* ICMP, FCMP: upstream's predicate number */
  uint8_t stage;    /* row bodies: how many reductions must be finished before this can be computed */
  uint32_t a, b, c; /* register (= instruction) numbers; INPUT: a is the input */
  uint64_t imm;     /* CONST: the bits, low bits first */
} qn_tinst;

/* What is known of a register: no infinity or number outside [lo, hi], no NaN unless `nan`. Integers as signed. */
typedef struct qn_trange {
  double lo, hi;
  bool nan;
} qn_trange;

typedef struct qn_tape {
  uint32_t num_insts, num_inputs, num_outputs;
  qn_tinst *insts;       /* instruction i defines register i; inputs need not be all used */
  qn_scalar *input_mem;  /* memory type of each input */
  uint32_t *outputs;     /* registers */
  qn_scalar *output_mem; /* memory type of each output: stores narrow nothing, types already agree */
  qn_trange *ranges;     /* per register, or null when nothing is known */
  uint32_t num_stages;   /* row bodies: 1 + number of reductions in sequence */
} qn_tape;

typedef struct qn_tape_op {
  const char *name;
  uint8_t num_args;
} qn_tape_op;
extern const qn_tape_op qn__tape_ops[];

/* Flattens `block`, a region of a kern op. input_mem: memory element type per block argument (its own scalar type when
 * null). Unsupported ops or types give a diagnostic at the op. Memory from arena. */
qn_status qn__tape_build(qn_module *m, qn_block block, const qn_scalar *input_mem, const qn_scalar *output_mem,
                         qn_arena *arena, qn_tape *out);
/* The type of register that an element of this memory type loads into. */
qn_treg qn__tape_reg(qn_scalar mem);
uint32_t qn__tape_bits(qn_treg t);
/* Whether register `reg` is what the recipe (of recipe.h, one input) makes of some register: *x. */
bool qn__tape_is_recipe(const qn_tape *t, uint32_t reg, unsigned recipe, uint32_t *x);
/* Same instructions, same types: for sharing bodies. */
uint64_t qn__tape_hash(const qn_tape *t, uint64_t seed);
#endif
