/* The inside of a compiled program, and how its parts work together:
 *
 *   build.c     lowered module -> values, steps, bodies (kernel plans by lib/plan)
 *   bind.c      input shapes -> shapes of all values, workspace layout
 *   schedule.c  step + shapes -> jobs (one kernel over index ranges) -> pieces (one call of one body)
 *   stream.c    which jobs write past the caches
 *   chain.c     jobs that follow each other row by row, run together in blocks of rows
 *   frozen.c    the same once and for all, where every size is known
 *   brief.c     calls of those that come to one kernel
 *   prepared.c  calls of tensors that were checked before
 *   turns.c     which calls of those come in reverse every other time
 *   call.c      jobs run on the caller's threads
 *   trace.c     what a call did, for the handler of call events
 *   need.c      which bodies a call needs, and their code
 *   fallback.c  telling of those that only the quick code generator made
 *   units.c      bodies as machine code, shared by the programs of a context; make.c, workers.c: making it
 *   aot.c       the same jobs written down as data for a code generator
 *   save.c      program file out and in
 *   backends.c  which code generators there are
 */
#ifndef QN_PROGRAM_H
#define QN_PROGRAM_H
#include "backend.h"
#include "buf.h"
#include "units.h"
#include "vec.h"
#include <quern/engine.h>
#include <quern/text.h>
#include <quern/tuning.h>

typedef enum qn_where { QN_AT_INPUT, QN_AT_OUTPUT, QN_AT_CONSTANT, QN_AT_SLOT } qn_where;

enum { QN__MAX_PTRS = 64, QN__MAX_SIZES = 16 };

typedef struct qn_pvalue {
  qn_scalar mem;
  uint32_t rank;
  int64_t shape[QN_MAX_RANK]; /* declared; QN_DYNAMIC where it is told by the inputs */
  qn_name symbols[QN_MAX_RANK];
  qn_layout layout; /* when packed: shape is the logical K x N one */
  bool packed;
  bool slack;     /* in a slot: followed by 64 bytes that may be read */
  uint32_t root;  /* the value whose bytes this one shares: itself, unless made by a view */
  qn_where where; /* of the root's bytes */
  uint32_t index; /* which input, output or slot */
  size_t offset;  /* of a constant in the block */
  qn_str type_text;
  size_t fixed_bytes; /* when the declared sizes are all known, else SIZE_MAX; a constant's with granules */
} qn_pvalue;

typedef struct qn_step {
  qn_kernel_plan *plan;
  uint32_t num_in, num_out;
  uint32_t *values;                               /* operands, then results */
  uint32_t main_body, prologue_body, stream_body; /* indices into bodies; UINT32_MAX when there is none */
  uint32_t *tile_bodies;                          /* by height h and h | QN_ROWS_MIXED, up to the plan's rows */
  bool transpose;                                 /* gemm: of a; pack: of b */
  bool bottom_right;                              /* attention: causal from the last query and key on */
  const int64_t *view_shape;                      /* view: the shape attribute, or null */
  int64_t pads[4];                                /* pad: top, left, bottom, right */
  qn_str op_name;
} qn_step;

/* Code of one body: calls take the best that is there. */
typedef struct qn_tiers {
  qn_unit *best;
  qn_unit *quick; /* null unless the program is tiered */
} qn_tiers;

typedef struct qn_frozen qn_frozen;
typedef struct qn_brief qn_brief;

struct qn_program {
  qn_context *ctx;
  qn_allocator allocator;
  qn_arena arena;
  const char *engine;
  const qn_isa *isa;
  qn_machine machine; /* the context's, when the program was built */
  uint32_t num_values, num_steps, num_inputs, num_outputs, num_slots, num_bodies;
  qn_pvalue *values;
  qn_step *steps;
  uint32_t *inputs, *outputs; /* values */
  qn_str *input_names, *output_names;
  qn_body *bodies;
  qn_plans *plans;
  qn_units *units;            /* null before linking */
  qn_tiers *tiers;            /* per body */
  bool tiered;                /* some bodies may run on a quick code generator until the best one's are there */
  bool patient;               /* tiered, but a call would take longer on quick code than the better is in the making */
  uint32_t threads;           /* to compile on */
  qn_frozen *frozen;          /* null unless every size is known */
  bool foreign;               /* of a row that this machine cannot run: no code is ever made */
  _Atomic(uint32_t *) chains; /* for those who look: program.c */
  bool may_chain;             /* steps may run as chains: calls need room for one */
  const char *constants;      /* one block, aligned to 64 */
  size_t constants_bytes;
  void *constants_alloc; /* what to free; null when the block belongs to a mapped file */
  size_t constants_alloc_bytes;
  const char *function;
  const char *text; /* the lowered module without constant data, for saving */
  size_t text_bytes;
  char *text_alloc; /* what to free, of text_room bytes; null when the text belongs to a mapped file */
  size_t text_room;
  void *file;                       /* qn_file of a loaded program */
  struct qn_interp_program *interp; /* engine interp: everything above but the signature is unused */
};

typedef int64_t qn_shape[QN_MAX_RANK];

/* What a call knows: lives in its workspace. */
typedef struct qn_bound {
  const qn_program *program;
  qn_shape *shapes;    /* per value */
  size_t *slot_offset; /* per slot, num_slots + 1 of them, from the start of the slots */
  size_t codes_bytes;  /* room for gemm prologues, after the slots */
  size_t header_bytes; /* room this struct's arrays take */
} qn_bound;

/* Bytes of workspace for the arrays of qn_bound. */
size_t qn__bound_header(const qn_program *p);
/* Fills `b` (whose arrays are in place) from the inputs' shapes; checks them against the signature. */
qn_status qn__bind(const qn_program *p, const DLTensor *in, qn_bound *b, qn_call_error *error);
/* Input i alone: rank and sizes against the signature, named dimensions left aside. Its sizes go to `shape`. */
qn_status qn__bind_input(const qn_program *p, uint32_t i, const DLTensor *t, int64_t *shape, qn_call_error *error);
/* The arrays of a bound that lie at `header`, of qn__bound_header bytes. */
qn_bound qn__bound_at(const qn_program *p, char *header);
size_t qn__bound_bytes(const qn_bound *b);                                      /* everything: header, slots, codes */
void qn__fix_bytes(qn_program *p);                                              /* fills fixed_bytes of all values */
size_t qn__value_bytes(const qn_program *p, const qn_bound *b, uint32_t value); /* SIZE_MAX when it does not fit */

qn_status qn__call_fail(qn_call_error *error, qn_diag_code code, const char *fmt, ...) QN_PRINTF(3, 4);
qn_status qn__no_program(qn_call_error *error);  /* the program is a null pointer */
qn_status qn__no_prepared(qn_call_error *error); /* the prepared call is */
/* The same for one step: names its op and where that stands in the model. */
qn_status qn__step_fail(const qn_step *s, qn_call_error *error, qn_diag_code code, const char *fmt, ...)
    QN_PRINTF(4, 5);

/* ---- schedule ---- */
#define QN__REF_CODES UINT32_MAX /* in place of a value: the room for gemm prologues */

typedef struct qn_pref {
  uint32_t value;
  int64_t offset;
} qn_pref;

typedef struct qn_job {
  const qn_step *step;
  qn_body_part part;
  uint32_t num_ptrs, num_sizes, num_strides;
  qn_pref ptrs[QN__MAX_PTRS + 3];
  int64_t sizes[QN__MAX_SIZES];
  int64_t strides[QN__MAX_PTRS * (QN_MAX_RANK + 1)];
  int64_t extent[2]; /* the whole range of begin / end */
  uint32_t body;     /* PART_ATTENTION: the tile's */
  int64_t grain;     /* parts are multiples of this many of extent[0] */
  double cost;       /* nanoseconds on one thread, about: to decide whether cutting it pays */
  double byte_ns;    /* PART_TILES: of reading a byte of either side */
} qn_job;

typedef struct qn_piece {
  uint32_t body;
  int64_t begin[2], end[2];
} qn_piece;

typedef bool (*qn_job_fn)(void *user, const qn_job *job);
/* Calls fn for each job of the step, in order; each must be finished before the next. False from fn ends it. */
bool qn__step_jobs(const qn_program *p, const qn_step *s, const qn_bound *b, qn_job_fn fn, void *user);
/* Part i of n of a job as at most 2 pieces; returns how many. */
uint32_t qn__job_pieces(const qn_job *job, size_t i, size_t n, qn_piece pieces[2]);
/* The same for a product with a scale per block: panels are shared out, all rows go with each. */
uint32_t qn__block_pieces(const qn_job *job, size_t i, size_t n, qn_piece *piece);
bool qn__block_jobs(const qn_program *p, const qn_step *s, const qn_bound *b, qn_job *job, qn_job_fn fn, void *user);
double qn__block_ops(const qn_program *p, const qn_step *s, const qn_bound *b);
/* Into how many parts a job should be cut. */
size_t qn__job_parts(const qn_program *p, const qn_job *job, const qn_parallel *parallel);
/* The element type of a product's right side; NONE for kernels that multiply no matrices. */
qn_scalar qn__step_multiplies(const qn_step *s);
/* Whether it depends on a call's sizes that a body is needed. */
static inline bool qn__by_size(qn_body_part part) {
  return part == QN_PART_TILES || part == QN_PART_ATTENTION || part == QN_PART_STREAM;
}
/* Whether a step can have a body that writes past the caches, and whether a call of these sizes should use it. */
bool qn__step_may_stream(const qn_isa *isa, const qn_step *s, const qn_pvalue *values, uint32_t num_steps,
                         const qn_step *steps);
bool qn__job_streams(const qn_program *p, const qn_bound *b, const qn_job *job);
/* Bytes of prologue codes that a gemm step needs. */
size_t qn__step_codes(const qn_program *p, const qn_step *s, const qn_bound *b);
/* Into how many parts work of this cost may be cut: 1 where that does not pay. */
uint32_t qn__cost_parts(const qn_program *p, double cost, const qn_parallel *parallel);
/* Adds the step's multiply-adds times two to those by what multiplies. */
void qn__step_ops(const qn_program *p, const qn_step *s, const qn_bound *b, double by[QN_MULTIPLIER_COUNT]);
double qn__sum_of_ops(const double by[QN_MULTIPLIER_COUNT]);

/* ---- seeing ---- */
qn_kernel_info qn__step_info(const qn_program *p, const qn_step *s);
/* Tells the handlers of trace and of call events of the program's kernels, and then of the news. `how` they were made,
 * and in which time. On the context's thread, as the next. */
void qn__tell_kernels(const qn_program *p, const char *how, double ms);
/* Tells what has come up behind calls since: bodies that were made, failed, or could not be kept. */
void qn__tell_news(const qn_program *p);
/* Gives the handler of call events what step s (null: the whole call) did in `ns`, and the number of its chain. */
void qn__trace_step(const qn_program *p, const qn_step *s, const qn_bound *b, double ns, uint32_t threads,
                    uint32_t chain);

/* ---- building ---- */
/* The block of constants as an earlier build of the same text laid it out. */
typedef struct qn_constants {
  const char *data;
  size_t size;
} qn_constants;

/* Everything but machine code. Constants are copied from the module, unless `ready` is not null: then they are borrowed
 * from there. */
qn_status qn__program_build(const qn_module *m, qn_op func, const qn_isa *isa, const char *engine,
                            const qn_constants *ready, bool last, qn_program **out);
enum { QN__MOST_THREADS = 8 };
typedef struct qn_link_options {
  bool tiered, eager;
  bool look;           /* rows that this machine cannot run are no error yet */
  uint32_t threads;    /* 0 for the default */
  const void *objects; /* of a program file: what qn__pack_objects wrote; null for none */
  size_t objects_bytes;
} qn_link_options;
/* Makes the program callable: units for its bodies, and the code that is needed whatever sizes a call will have. */
qn_status qn__program_link(qn_program *p, const qn_link_options *options);

/* ---- needed code (need.c) ---- */
/* Marks the bodies that a call of these sizes runs. */
void qn__mark_needed(const qn_program *p, const qn_bound *b, bool *needed);
/* Marks those that are needed whatever the sizes are. */
void qn__mark_always(const qn_program *p, bool *needed);
/* Makes code for the marked bodies by the best code generator, or where that fails by the quick one. */
qn_status qn__make_needed(const qn_program *p, const bool *needed, qn_call_error *error);
/* The same for a tiered program, but does not wait for the best code generator, unless the quick one's code would take
 * longer. */
qn_status qn__start_needed(qn_program *p, const bool *needed, qn_call_error *error);
/* Sees to it that body has code, waiting for it if need be. `cost`: of the work about to be done, as in qn_job. */
qn_status qn__need_code(const qn_program *p, uint32_t body, double cost, const qn_step *s, qn_call_error *error);
/* fallback.c: where a tiered program runs a kernel on quick code for good: why, else null. Any thread. */
const char *qn__fallback_reason(const qn_program *p, const qn_kernel_plan *plan);
/* The code generator whose code of a kernel calls run now. Any thread. */
const char *qn__plan_engine(const qn_program *p, const qn_kernel_plan *plan);
/* Warns, once, of those that there are by now. On the context's thread. */
void qn__fallback_report(const qn_program *p);
/* The best code there is; null when there is none yet. */
static inline qn_kernel_fn qn__code_of(const qn_tiers *t) {
  qn_kernel_fn fn = qn__unit_fn(t->best);
  return fn || !t->quick ? fn : qn__unit_fn(t->quick);
}

/* ---- programs whose sizes are all known (frozen.c) ---- */
/* An address: one of the call's bases plus bytes. */
typedef struct qn_fix {
  uint32_t base;
  int64_t offset;
} qn_fix;
/* One call of one body. */
typedef struct qn_frozen_call {
  uint32_t body, step, num_ptrs;
  double cost;     /* as in qn_job */
  double together; /* of all calls of this body: which code is good enough depends on that */
  uint32_t turn;   /* of the first of several calls that every other time come in reverse: how many */
  qn_fix *ptrs;
  qn_kargs args; /* all but ptr */
} qn_frozen_call;
typedef struct qn_frozen_port {
  DLDataType type;
  int ndim;
  int64_t *shape;
  size_t bytes;
  uint32_t copy_from; /* outputs that no kernel writes: the value to copy, else UINT32_MAX */
} qn_frozen_port;
enum { QN__MAX_BASES = 40 }; /* inputs, outputs, constants, slots */
struct qn_frozen {
  qn_bound bound;
  size_t workspace_bytes;
  bool floats; /* what is computed could depend on the floating-point environment */
  double most; /* the dearest call's cost */
  uint32_t num_calls;
  qn_frozen_call *calls;
  qn_frozen_call *back; /* the calls as they come every other time; null where that is no different */
  uint32_t times;       /* odd when it is their turn; read and written as an atomic */
  qn_frozen_port *inputs, *outputs;
  const qn_brief *brief; /* null where a call is more than one kernel (brief.c) */
};
/* brief.c; false when memory runs out. */
bool qn__make_brief(const qn_program *p, qn_arena *arena, qn_frozen *f);
/* qn_program_call for all programs. */
qn_status qn__call_general(const qn_program *p, const DLTensor *in, DLTensor *out, void *workspace,
                           size_t workspace_bytes, const qn_parallel *parallel, qn_call_error *error);
/* turns.c: into how many stretches of panels a job is cut; f->back from f->calls, false without memory. */
int64_t qn__turn_pieces(const qn_program *p, const qn_job *job);
bool qn__turn_calls(qn_arena *arena, qn_frozen *f);
/* frozen.c: for inputs of these shapes, in `arena`; not *whole when there are too many calls. On the context's thread.
 */
qn_status qn__freeze_sizes(const qn_program *p, qn_arena *arena, const DLTensor *in, qn_frozen *f, bool *whole,
                           qn_call_error *error);
/* Where a value's bytes are: among inputs, outputs, constants, slots, in that order. */
qn_fix qn__fix_of(const qn_program *p, const qn_bound *b, uint32_t value);
/* All that a call's tensors must be, for sizes that `f` was made for; the workspace is big enough. */
qn_status qn__check_frozen(const qn_program *p, const qn_frozen *f, const DLTensor *in, DLTensor *out,
                           const char *workspace, size_t workspace_bytes, qn_call_error *error);
/* Leaves p->frozen null where sizes are open or there are too many calls. */
qn_status qn__freeze(qn_program *p);

/* The function and ISA row that options and the module's quern.target ask for. */
qn_status qn__compile_target(const qn_module *m, const qn_compile_options *o, qn_op *func, const qn_isa **isa);

/* The C header that declares an ahead-of-time program's entry. */
void qn__aot_header(const qn_aot *aot, qn_buf *out);

/* A digest of the code generator's own code, known without loading it: what it makes depends on it. False when it
 * cannot be found. */
bool qn__backend_identity(const char *engine, uint64_t out[2]);
/* Says that no engine has this name. */
qn_status qn__engine_unknown(qn_context *ctx, const char *engine);
/* By name; reports when it is unknown, not built in or cannot be loaded. */
qn_status qn__backend_find(qn_context *ctx, const char *engine, const qn_backend **out);

/* ---- the interpreter as an engine ---- */
typedef struct qn_interp_program qn_interp_program;
qn_status qn__interp_create(const qn_module *m, qn_op func, qn_program *p);
void qn__interp_destroy(qn_interp_program *ip);
qn_status qn__interp_sizes(const qn_program *p, const DLTensor *in, size_t *workspace, qn_shape *out,
                           qn_call_error *error);
qn_status qn__interp_call(const qn_program *p, const DLTensor *in, DLTensor *out, qn_call_error *error);

/* The code of needed bodies for a program file: appends to `out`, empty where code is made again in less time than
 * checking a file takes. And back into units; what is missing there is compiled when it is needed. */
qn_status qn__pack_objects(const qn_program *p, qn_buf *out);
qn_status qn__load_objects(qn_program *p, const void *data, size_t size);

/* ---- object loader ---- */
/* Maps the functions of an x86-64 ELF relocatable object that needs nothing from outside; every body must be in it. */
qn_status qn__object_load(qn_context *ctx, const void *object, size_t size, uint32_t n, const qn_body *bodies,
                          qn_code **out);

/* ---- DLPack ---- */
DLDataType qn__dl_type(qn_scalar mem);
/* Checks element type, device, rank, shape (may be null: not checked) and strides; `what` names the port. */
qn_status qn__dl_check(const DLTensor *t, const char *what, qn_str name, qn_scalar mem, uint32_t rank,
                       const int64_t *shape, qn_call_error *error);
/* Says that there is no array of tensors where n are needed; `what` are "inputs" or "outputs". */
qn_status qn__dl_need_array(const DLTensor *tensors, uint32_t n, const char *what, qn_call_error *error);
static inline char *qn__dl_data(const DLTensor *t) {
  return (char *)t->data + t->byte_offset;
}
static inline bool qn__overlaps(const char *a, size_t na, const char *b, size_t nb) {
  return na && nb && (uintptr_t)a < (uintptr_t)b + nb && (uintptr_t)b < (uintptr_t)a + na;
}
/* Says that output i overlaps what it must not. */
qn_status qn__overlap_fail(const qn_program *p, uint32_t i, qn_call_error *error);
#endif
