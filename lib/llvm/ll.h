/* What the files of this folder share: one LLVM module being written (qn_ll), typed loads and stores, loops, and the
 * tape emitter. Built with the LLVM C API only. Everything here writes at the builder's position.
 *
 * Instruction building cannot fail but for memory inside LLVM; memory of our own comes from the arena, and a failure
 * sets `failed`, which the entry points check once. */
#ifndef QN_LL_H
#define QN_LL_H
#include "arena.h"
#include "backend.h"
#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

typedef struct qn_ll {
  qn_context *qctx;
  qn_arena *arena;
  const qn_isa *isa;
  LLVMContextRef ctx;
  LLVMModuleRef mod;
  LLVMBuilderRef b;
  LLVMTypeRef i1, i8, i16, i32, i64, f32, f64, ptr, void_t;
  LLVMValueRef fn, args;   /* the function being written and its qn_kargs pointer */
  LLVMBasicBlockRef entry; /* its first block, where scratch memory is reserved */
  uint32_t lanes;          /* 32-bit lanes of a vector register: every vector loop steps by this */
  bool masked;             /* masked loads and stores of every width are instructions */
  bool past_caches; /* for now, whole vectors of dense elements go past the caches; they are aligned (outputs.c) */
  bool x86;         /* instructions of x86 may be used: sse2, avx2 and avx512 by vector_bits */
  const char *what; /* plan name, for messages */
  bool failed;      /* an LLVM function that must exist does not, or: */
  bool out_of_memory;
} qn_ll;

/* ---- module.c ---- */
typedef struct qn_ll_module {
  LLVMContextRef ctx;
  LLVMModuleRef mod;
  LLVMTargetMachineRef machine;
  const qn_isa *isa;
  qn_context *qctx;
  bool error_seen; /* LLVM's own diagnostic handler was called */
} qn_ll_module;
/* Writes a function for each body into a fresh module. All bodies are for one ISA row. */
qn_status qn__ll_module_create(qn_context *ctx, uint32_t num_bodies, const qn_body *bodies, const char *name,
                               qn_ll_module *out);
/* An empty module for an ISA row, with its target machine. */
qn_status qn__ll_module_start(qn_context *ctx, const qn_isa *isa, const char *name, qn_ll_module *out);
void qn__ll_module_destroy(qn_ll_module *m);
qn_status qn__ll_module_verify(qn_ll_module *m);
void qn__ll_init(qn_ll *g, qn_ll_module *m, qn_arena *arena, const qn_isa *isa, const char *what);
void qn__ll_done(qn_ll *g);
/* Starts int32_t symbol(const qn_kargs *), positioned in its entry block. */
void qn__ll_function_begin(qn_ll *g, const char *symbol);
void qn__ll_function_end(qn_ll *g); /* return 0 */
LLVMValueRef qn__ll_function_attrs(qn_ll *g, LLVMValueRef fn);
/* Has LLVM compile a function fast: for those that are run through once a tile or more rarely. */
void qn__ll_function_quickly(qn_ll *g, LLVMValueRef fn);
bool qn__ll_function_is_quick(LLVMValueRef fn);
qn_status qn__ll_error(qn_ll *g, qn_diag_code code, const char *fmt, ...) QN_PRINTF(3, 4);

/* ---- target.c ---- */
/* A machine for an ISA row, to be given back; one that is `quick` does not optimize. */
qn_status qn__ll_target_take(qn_context *ctx, const qn_isa *isa, bool quick, LLVMTargetMachineRef *out);
void qn__ll_target_give(const qn_isa *isa, bool quick, LLVMTargetMachineRef machine);

/* ---- jit.c: all that touches ORC ---- */
qn_status qn__ll_jit(qn_ll_module *m, uint32_t count, const char *const *symbols, qn_code **out);
/* Machine code of the module as an object or assembly. */
qn_status qn__ll_codegen(qn_ll_module *m, LLVMCodeGenFileType type, LLVMMemoryBufferRef *out);

/* ---- pieces.c ---- */
/* Writes the module's only body, an object or pieces as `aot` says. */
qn_status qn__ll_emit_pieces(qn_ll_module *m, const qn_aot *aot, bool (*write)(void *, const char *, size_t),
                             void *user);

/* ---- value.c ---- */
LLVMValueRef *qn__ll_values(qn_ll *g, size_t count); /* nulls, in the arena; null when memory runs out */
LLVMTypeRef qn__ll_reg_type(qn_ll *g, qn_treg t);
/* t itself for lanes == 1, else a vector of them. */
LLVMTypeRef qn__ll_lanes(LLVMTypeRef t, uint32_t lanes);
LLVMValueRef qn__ll_i32(qn_ll *g, uint32_t v);
LLVMValueRef qn__ll_i64(qn_ll *g, int64_t v);
/* A constant of integer or float type, scalar or splat, from its bits. */
LLVMValueRef qn__ll_bits(qn_ll *g, LLVMTypeRef type, uint64_t bits);
LLVMValueRef qn__ll_splat(qn_ll *g, LLVMValueRef scalar, uint32_t lanes);
LLVMValueRef qn__ll_intrinsic(qn_ll *g, const char *name, uint32_t num_overloads, LLVMTypeRef *overloads,
                              uint32_t num_args, LLVMValueRef *args);
/* An intrinsic of one machine without overloads; operands and result are bitcast to what it declares. */
LLVMValueRef qn__ll_target_intrinsic(qn_ll *g, const char *name, LLVMTypeRef result, uint32_t num_args,
                                     LLVMValueRef *args);
typedef enum qn_ll_level { QN_LL_SECOND = 2, QN_LL_FIRST = 3 } qn_ll_level; /* caches, as LLVM counts them */
/* The line at `at` is fetched. Addresses past the end of a tensor do no harm. */
void qn__ll_fetch(qn_ll *g, LLVMValueRef at, bool write, qn_ll_level level);
LLVMValueRef qn__ll_slot(qn_ll *g, LLVMTypeRef type, uint32_t count); /* stack memory aligned to 64 bytes */
LLVMValueRef qn__ll_gep(qn_ll *g, LLVMValueRef base, LLVMValueRef bytes);
LLVMValueRef qn__ll_gep_const(qn_ll *g, LLVMValueRef base, int64_t bytes);
/* qn_kargs fields, and elements of its arrays. */
LLVMValueRef qn__ll_arg_ptr(qn_ll *g, uint32_t i);
LLVMValueRef qn__ll_arg_size(qn_ll *g, uint32_t i);
LLVMValueRef qn__ll_arg_stride(qn_ll *g, uint32_t i);
LLVMValueRef qn__ll_arg_begin(qn_ll *g, uint32_t i);
LLVMValueRef qn__ll_arg_end(qn_ll *g, uint32_t i);
LLVMValueRef qn__ll_min(qn_ll *g, LLVMValueRef a, LLVMValueRef b); /* signed */
/* What adds or takes away nothing is not written: it would have to be compiled. */
static inline LLVMValueRef qn__ll_add(qn_ll *g, LLVMValueRef a, LLVMValueRef b) {
  return LLVMIsNull(b) ? a : LLVMIsNull(a) ? b : LLVMBuildAdd(g->b, a, b, "");
}
static inline LLVMValueRef qn__ll_sub(qn_ll *g, LLVMValueRef a, LLVMValueRef b) {
  return LLVMIsNull(b) ? a : LLVMBuildSub(g->b, a, b, "");
}
static inline LLVMValueRef qn__ll_mul(qn_ll *g, LLVMValueRef a, LLVMValueRef b) {
  return LLVMBuildMul(g->b, a, b, "");
}

/* ---- memory.c ---- */
uint32_t qn__ll_mem_bits(qn_scalar mem); /* that an element takes in memory */
bool qn__ll_mem_unsigned(qn_scalar mem);
bool qn__ll_mem_float(qn_scalar mem); /* f32 or f64: a float register */
qn_treg qn__ll_mem_reg(qn_scalar mem);
LLVMTypeRef qn__ll_mem_type(qn_ll *g, qn_scalar mem);
/* Elements index .. index+lanes-1 of an array that moves as `access` says. mask: null, or lanes of i1, outside of which
 * nothing is read and the value is 0. Sub-byte elements: DENSE or NONE only, `base` at a byte boundary, and vectors
 * too; masks have no gaps there. */
typedef struct qn_ll_place {
  qn_scalar mem;
  qn_access access;
  LLVMValueRef base, stride; /* stride: bytes, for STRIDED only */
} qn_ll_place;
LLVMValueRef qn__ll_load(qn_ll *g, const qn_ll_place *p, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask);
void qn__ll_store(qn_ll *g, const qn_ll_place *p, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask,
                  LLVMValueRef value);
/* The vector at a byte address, unaligned or aligned to `align`. */
LLVMValueRef qn__ll_load_vec(qn_ll *g, LLVMTypeRef type, LLVMValueRef ptr, uint32_t align);
void qn__ll_store_vec(qn_ll *g, LLVMValueRef v, LLVMValueRef ptr, uint32_t align);
/* A vector to an address aligned to it, or to 64 bytes where it is longer, past the caches. */
void qn__ll_store_past(qn_ll *g, LLVMValueRef v, LLVMValueRef ptr);

/* ---- outline.c ---- */
/* A function of the module, written while another is: what is built between the two is its text. What `g` says of the
 * function at hand is kept; whoever begins says where `g->args` are, if they are used. A null name is memory run out.
 */
typedef struct qn_ll_inner {
  LLVMValueRef fn, outer_fn, outer_args;
  LLVMBasicBlockRef outer_entry, here;
} qn_ll_inner;
void qn__ll_inner_begin(qn_ll *g, qn_ll_inner *f, const char *name, LLVMTypeRef type);
/* Returns nothing, and goes on where the other was. */
void qn__ll_inner_end(qn_ll *g, const qn_ll_inner *f);

/* What is written between the two is a function of its own, called at the beginning's place. It may use values from
 * around it; of its own none is left outside, but what it stores. */
typedef struct qn_ll_outline {
  qn_ll_inner inner;
  LLVMTypeRef type;
} qn_ll_outline;
void qn__ll_outline_begin(qn_ll *g, qn_ll_outline *o, const char *name);
void qn__ll_outline_end(qn_ll *g, qn_ll_outline *o);

/* ---- control.c ---- */
enum { QN_LL_MAX_CARRIED = 48 };
/* for (i = start; i < end; i += step), signed, tested at the bottom. Carried values: `carried` holds their initial
 * values before begin and the loop's inside it; before end, their next values; after it, what left the loop.
 *
 * The counter is frozen each time around: LLVM's loop strength reduction, a quarter of all time in long bodies and with
 * nothing to gain in these, does not see through that. */
typedef struct qn_ll_for {
  LLVMValueRef i, end;
  LLVMValueRef step;
  LLVMBasicBlockRef pre, body, exit;
  uint32_t num_carried;
  bool once; /* at least */
  LLVMValueRef init[QN_LL_MAX_CARRIED], phi[QN_LL_MAX_CARRIED];
} qn_ll_for;
void qn__ll_for_begin(qn_ll *g, qn_ll_for *f, LLVMValueRef start, LLVMValueRef end, int64_t step, uint32_t num_carried,
                      LLVMValueRef *carried);
/* The same where the first time around is never in question: what is carried leaves the loop as it is, without a choice
 * between that and the initial values, which for a tile's sums is a good part of what there is to compile. */
void qn__ll_do_begin(qn_ll *g, qn_ll_for *f, LLVMValueRef start, LLVMValueRef end, int64_t step, uint32_t num_carried,
                     LLVMValueRef *carried);
void qn__ll_for_end(qn_ll *g, qn_ll_for *f, LLVMValueRef *carried);
/* The same where nothing that is carried is wanted after the loop. */
void qn__ll_for_close(qn_ll *g, qn_ll_for *f, LLVMValueRef *carried);
typedef struct qn_ll_if {
  LLVMBasicBlockRef exit;
} qn_ll_if;
void qn__ll_if_begin(qn_ll *g, qn_ll_if *f, LLVMValueRef condition);
void qn__ll_if_end(qn_ll *g, qn_ll_if *f);
/* Covers [start, end) in vectors of g->lanes and what is left over by a masked vector or one by one. */
typedef void (*qn_ll_span_fn)(void *user, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask);
void qn__ll_span(qn_ll *g, LLVMValueRef start, LLVMValueRef end, qn_ll_span_fn fn, void *user);
/* Its two halves. The first carries values around its loop (fn finds and leaves them in `carried`) and gives the index
 * that it stopped at. */
LLVMValueRef qn__ll_span_vectors(qn_ll *g, LLVMValueRef start, LLVMValueRef end, qn_ll_span_fn fn, void *user,
                                 uint32_t num_carried, LLVMValueRef *carried);
void qn__ll_span_rest(qn_ll *g, LLVMValueRef next, LLVMValueRef end, qn_ll_span_fn fn, void *user);
/* Lanes below n set; n < g->lanes. Only where g->masked. */
LLVMValueRef qn__ll_mask(qn_ll *g, LLVMValueRef n);

/* ---- region.c, region_int.c, region_float.c ---- */
enum { QN_LL_BY_LANE = 1, QN_LL_BY_ROW = 2 };
/* What a division of many by one number needs of that number, as scalars (divide.c). */
typedef struct qn_ll_divisor {
  LLVMValueRef inverse, minus, rest, usual;
  bool checked; /* `usual` tells of all dividends and quotients too, and none has a sign */
} qn_ll_divisor;
typedef struct qn_ll_region {
  qn_ll *g;
  const qn_tape *tape;
  uint8_t *vary;           /* per register: along what it changes */
  uint8_t *ready;          /* per register: in which pass over the row it is known; all 0 without reductions */
  bool *needed;            /* per register: some output or reduction depends on it */
  LLVMValueRef *v;         /* per register: its present value */
  qn_ll_divisor *divisors; /* per register that is a division: all null where the machine divides */
  uint32_t num_passes;
} qn_ll_region;
/* The same results with fewer divisions (quotient.c); the tape itself when there is nothing to do. */
const qn_tape *qn__ll_without_quotients(qn_ll *g, const qn_tape *tape);
/* Where f16 is converted by instructions: what the tape has for it otherwise is no longer used (half.c). */
const qn_tape *qn__ll_with_halves(qn_ll *g, const qn_tape *tape);
/* The same results with max(sum, 0) as one instruction (zeros.c), where inputs that are the same for all rows, as
 * `shared` says, may be changed for it. Null when memory runs out. */
const qn_tape *qn__ll_without_minus_zeros(qn_ll *g, const qn_tape *tape, const bool *shared);
/* input_vary: per input. False when memory runs out. */
bool qn__ll_region_init(qn_ll_region *r, qn_ll *g, const qn_tape *tape, const uint8_t *input_vary);
/* Emits all needed instructions with this `vary` that are ready in passes first .. last, but inputs and reductions,
 * whose values must be in `v`. Values that do not vary by lane are scalars. */
void qn__ll_region_emit(qn_ll_region *r, uint8_t vary, uint32_t first, uint32_t last, uint32_t lanes);
/* The same for vectors next to each other, one region each, all of one tape: instruction by instruction. */
enum { QN_LL_MAX_GROUP = 4 };
void qn__ll_region_emit_group(qn_ll_region *regions, uint32_t count, uint8_t vary, uint32_t first, uint32_t last,
                              uint32_t lanes);
/* Computes no more than the outputs of the regions' tape, which was changed. False when memory runs out. */
bool qn__ll_region_need_outputs(qn_ll_region *regions, uint32_t count);
/* Loads needed inputs with this `vary` from places[input], but those without a base; `index` counts elements along the
 * lanes. */
void qn__ll_region_load(qn_ll_region *r, uint8_t vary, const qn_ll_place *places, LLVMValueRef index, uint32_t lanes,
                        LLVMValueRef mask);
/* Gives input `input` this value. */
void qn__ll_region_set_input(qn_ll_region *r, uint32_t input, LLVMValueRef value);
/* Stores output i at its place. */
void qn__ll_region_store(qn_ll_region *r, uint32_t output, const qn_ll_place *place, LLVMValueRef index, uint32_t lanes,
                         LLVMValueRef mask);
/* Register i with that many lanes: splat where it is a scalar. */
LLVMValueRef qn__ll_region_get(qn_ll_region *r, uint32_t i, uint32_t lanes);
bool qn__ll_is_reduction(uint8_t op);
/* After values with this `vary`, ready in passes first .. last, are known: readies divisions by them. */
void qn__ll_divisors_prepare(qn_ll_region *r, uint8_t vary, uint32_t first, uint32_t last);
bool qn__ll_divides_by_products(const qn_ll *g);
/* a[k] / s for each k below count, 16 lanes. */
void qn__ll_divide(qn_ll *g, const qn_ll_divisor *d, uint32_t count, const LLVMValueRef *a, LLVMValueRef s,
                   LLVMValueRef *quotients);
uint32_t qn__ll_args(const qn_tinst *inst, uint32_t args[3]); /* how many operands, and which registers */

typedef struct qn_ll_operands {
  const qn_tape *tape;
  const qn_tinst *inst;
  LLVMTypeRef type; /* of the result, with lanes */
  LLVMTypeRef elem;
  uint32_t lanes, bits; /* bits of an element of the result */
  LLVMValueRef a, b, c;
  LLVMValueRef unrounded; /* when a is the result of FROUND: its operand, else null */
} qn_ll_operands;
typedef LLVMValueRef (*qn_ll_emit_fn)(qn_ll *g, const qn_ll_operands *o);
#define QN_TAPE(symbol, name, args, doc) LLVMValueRef qn__ll_emit_##symbol(qn_ll *g, const qn_ll_operands *o);
#include "tape.def"
#undef QN_TAPE
/* As the opcodes: usable where there is no tape. */
LLVMValueRef qn__ll_fma(qn_ll *g, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c, bool is_f64, uint32_t lanes);
LLVMValueRef qn__ll_fmax(qn_ll *g, LLVMValueRef a, LLVMValueRef b, bool is_f64, uint32_t lanes, bool want_min);
/* fma where the row has no such instruction (fma32.c, fma64.c): calls of functions of the module. */
LLVMValueRef qn__ll_fma32(qn_ll *g, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c, uint32_t lanes);
LLVMValueRef qn__ll_fma64(qn_ll *g, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c, uint32_t lanes);

/* ---- pack.c: one panel of a matrix, or of its transpose, that is given by dense rows of which there are `count` ----
 */
typedef struct qn_ll_pack_of {
  LLVMValueRef rows, count, columns; /* the matrix: [count, columns] */
  LLVMValueRef panel, first;         /* where the panel goes, and its first column */
  bool transpose;                    /* what is packed is [columns, count] */
} qn_ll_pack_of;
void qn__ll_pack_rows(qn_ll *g, const qn_pack_plan *plan, const qn_ll_pack_of *of);
/* Whether nothing of it is worth optimizing. */
bool qn__ll_pack_rows_quick(const qn_ll *g, const qn_pack_plan *plan, bool transpose);

/* ---- nest.c: the outer loops of MAP and ROW ---- */
typedef struct qn_ll_nest qn_ll_nest;
struct qn_ll_nest {
  qn_ll *g;
  const qn_loop_plan *plan;
  uint32_t num_operands; /* inputs, then outputs */
  LLVMValueRef *size;    /* per loop */
  LLVMValueRef *stride;  /* [operand * num_loops + d]; null where the access needs none */
  qn_ll_place *places;   /* per operand, for the innermost loop: bases are right inside `inner` */
  qn_ll_region region;
  LLVMValueRef start, end; /* of the innermost loop */
  bool stream;             /* PART_STREAM */
  bool pairs;              /* rows are done two at once: `inner` is called for both */
  /* Places of the second row, which is the next one, or past the caches one of the second half of all, as memory serves
   * two places better than one: the first row again when there is none, and not has_second. */
  qn_ll_place *second;
  LLVMValueRef has_second;
  bool staged;                      /* `inner` goes over the rows itself (row_stages.c): places are those of row 0 */
  const struct qn_ll_narrow *packs; /* staged: how the region's only output is packed; null: it is stored as it is */
  LLVMValueRef rows_begin, rows_end;
  uint32_t tiled; /* a loop that `inner` does itself: of transpositions, else UINT32_MAX */
  LLVMValueRef tile_start, tile_end;
  void (*inner)(qn_ll_nest *n);
};
/* Fetches what a map's loop, `vectors` at once, will reach a little later (ahead.c). */
void qn__ll_map_ahead(const qn_ll_nest *n, LLVMValueRef index, uint32_t vectors);
/* Whether that loop may be long enough to go through parts of it together, as outputs.c does. */
bool qn__ll_map_in_parts(const qn_ll_nest *n);
/* The tiled loop and the innermost one of a transposed map (transpose.c). */
void qn__ll_transpose(qn_ll_nest *n);
/* Loops over all but the last axis, and one that is tiled, around `inner`. */
qn_status qn__ll_nest(qn_ll *g, const qn_body *body, void (*inner)(qn_ll_nest *n));

/* ---- kernels ---- */
typedef qn_status (*qn_ll_kernel_fn)(qn_ll *g, const qn_body *body);
qn_status qn__ll_gemm_tiles(qn_ll *g, const qn_body *body);
qn_status qn__ll_gemm_prologue(qn_ll *g, const qn_body *body);
qn_status qn__ll_map(qn_ll *g, const qn_body *body);
qn_status qn__ll_row(qn_ll *g, const qn_body *body);
qn_status qn__ll_pack(qn_ll *g, const qn_body *body);
qn_status qn__ll_block_rows(qn_ll *g, const qn_body *body);
qn_status qn__ll_block_gemm(qn_ll *g, const qn_body *body);
qn_status qn__ll_attention(qn_ll *g, const qn_body *body);
qn_status qn__ll_window(qn_ll *g, const qn_body *body);
qn_status qn__ll_pad(qn_ll *g, const qn_body *body);

/* ---- backend entry points ---- */
qn_status qn__ll_emit_program(qn_context *ctx, const qn_aot *aot, qn_emit_kind kind,
                              bool (*write)(void *, const char *, size_t), void *user);
qn_status qn__ll_limit(qn_context *ctx, const qn_isa *isa, uint32_t kind, qn_limit *out);
#endif
