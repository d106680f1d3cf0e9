/* Engines and compiled programs.
 *
 * A program is one public function, compiled. Calls may run on many threads at once, touch no context, and neither
 * lock nor allocate, with one exception: a product's code depends on how many rows it has, and where sizes are open,
 * the first call that needs code which no call needed before waits for it to be made (on a thread of its own, with the
 * C library's memory). qn_program_prepare does that beforehand. Everything passed to a call is borrowed.
 * Programs of the interpreter are the other exception: they evaluate with their context, which nothing else may use
 * meanwhile, another of its interpreter's programs neither; calls of one program wait for each other.
 *
 * Calls set round-to-nearest, no flush-to-zero and masked exceptions for the time they run, on worker threads too, so
 * results do not depend on the caller's floating-point environment. */
#ifndef QUERN_ENGINE_H
#define QUERN_ENGINE_H

#include <dlpack/dlpack.h>
#include <quern/module.h>
#include <quern/multiplier.h>
#include <quern/tuning.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qn_program qn_program;

/* ---- parallel-for ---- */

/* Calls task(arg, i) once for every i < n, in any order, on any threads, and returns when all are done. A call whose
 * parallel-for returns without having done so, because it was cancelled say, fails, and what its outputs hold is open.
 */
typedef void (*qn_parallel_for)(void *pool, void (*task)(void *arg, size_t i), void *arg, size_t n);

/* How a call spreads its work. Null, or num_threads < 2, runs everything on the calling thread. */
typedef struct qn_parallel {
  qn_parallel_for run;
  void *pool;
  uint32_t num_threads; /* how many parts to cut work into */
  uint32_t min_ns;      /* work estimated shorter than this is not cut; 0: by the machine's constants (tuning.h) */
} qn_parallel;

/* The default one: a pthreadpool. One call at a time uses it; further callers wait, and a call that one of its own
 * items makes runs on that item's thread. */
typedef struct qn_pool qn_pool;
enum { QN_POOL_MOST = 1024 };
/* 0: as many threads as processors. More than QN_POOL_MOST are a diagnostic. */
QN_API qn_status qn_pool_create(qn_context *ctx, uint32_t num_threads, qn_pool **out);
QN_API void qn_pool_destroy(qn_pool *pool);
QN_API qn_parallel qn_pool_parallel(qn_pool *pool);

/* ---- compiling ---- */
typedef struct qn_compile_options {
  const char *engine;   /* "llvm", "tcc", "interp"; null or "auto": see below */
  const char *cpu;      /* a row of isa.def or a name that stands for one; null for this machine's best */
  const char *function; /* null for the first public function */
  bool eager;           /* compile all that any sizes could need, before returning */
  uint32_t threads;     /* to compile on: 0 for as many as processors, at most 4; 1 for the calling one only */
  bool last;            /* qn_program_compile: the module will only be destroyed afterwards. What large constants of its
                           own take is given back while they are copied, so that they never exist twice */
  bool look;            /* a row that this machine cannot run is no error: its kernels can be told of
                           (qn_program_kernel), calls fail */
} qn_compile_options;

/* Engine "auto" is the first of llvm, tcc, interp that is built in, but where both code generators are, libtcc's code
 * answers the first calls (work that would take it longer than LLVM takes to compile waits), LLVM's is made on threads
 * behind and used from the moment it is there. Results are the same bits, so it makes no difference when that is.
 * qn_program_prepare waits for it. A body that one of the two cannot compile runs on the other's code; where that is
 * libtcc's for good, the kernel's slow_reason says why, and it is a warning, once, when something is next done with the
 * program on the context's thread: compiling and running it, preparing a call, waiting for it, destroying it. */

/* Compiles a lowered module: kern ops only (`lower-kernels` makes them). The interpreter takes ops of every level. The
 * module may be changed or destroyed afterwards. An op that the engine cannot compile is a diagnostic naming it. */
QN_API qn_status qn_program_compile(const qn_module *m, const qn_compile_options *options, qn_program **out);
QN_API void qn_program_destroy(qn_program *p);
/* Names of the engines that are built in, best first; null past the end. The LLVM module may still fail to load. */
QN_API const char *qn_engine_name(size_t i);

/* Names a folder where machine code is kept between processes, so that programs compiled before start without LLVM;
 * null (as in a new context) for none. It is made when it is first used, must belong to this user alone, and is kept
 * below max_bytes (0: 256 MB) by removing what was used longest ago. Any number of processes may share it. Trouble with
 * it is no error: code is compiled then, and one line of trace says why. No program of the context may be in use. */
QN_API qn_status qn_engine_set_cache(qn_context *ctx, const char *folder, uint64_t max_bytes);

/* ---- signature ---- */
/* The engine whose code calls run now: of "auto", "tcc" as long as some of LLVM's code is missing. */
QN_API const char *qn_program_engine(const qn_program *p);
QN_API uint32_t qn_program_num_inputs(const qn_program *p);
QN_API uint32_t qn_program_num_outputs(const qn_program *p);
/* Name, text of the type, element type in memory and declared shape (QN_DYNAMIC for `?`) of an input or output. */
typedef struct qn_port_info {
  qn_str name, type;
  qn_scalar elem;
  uint32_t rank;
  int64_t shape[QN_MAX_RANK];
} qn_port_info;
QN_API qn_port_info qn_program_input(const qn_program *p, uint32_t i);
QN_API qn_port_info qn_program_output(const qn_program *p, uint32_t i);

/* ---- calling ---- */

/* Filled when a call fails; calls report here and not to the context, which belongs to another thread maybe. */
typedef struct qn_call_error {
  qn_diag_code code;
  qn_place place; /* of the op in the model's text; file is empty where none is known. Strings are the program's */
  char message[256];
} qn_call_error;

/* Bytes of workspace that a call on inputs of these shapes needs, and the shapes of its outputs (each may be null).
 * Only ndim and shape of `in` are read. The workspace may have any alignment and contents. Any thread may ask: where
 * sizes are open, it takes a little of the C library's memory for as long as it works. */
QN_API qn_status qn_program_sizes(const qn_program *p, const DLTensor *in, size_t *workspace_bytes,
                                  int64_t (*out_shapes)[QN_MAX_RANK], qn_call_error *error);
QN_API size_t qn_program_workspace_size(const qn_program *p, const DLTensor *in); /* SIZE_MAX when shapes do not fit */
QN_API qn_status qn_program_output_shapes(const qn_program *p, const DLTensor *in, int64_t (*out_shapes)[QN_MAX_RANK]);

/* Runs the program. `in` and `out` are arrays of num_inputs and num_outputs tensors on the CPU, compact and row-major
 * (strides null or saying so), of any alignment. Bool travels as 8-bit unsigned, small floats as uint8, elements
 * below 8 bits as packed bytes in a tensor of one dimension. No output may overlap an input, the workspace or another
 * output, and no input a workspace that is needed. `workspace` holds at least the bytes that qn_program_sizes tells.
 * `parallel` and `error` may be null. */
QN_API qn_status qn_program_call(const qn_program *p, const DLTensor *in, DLTensor *out, void *workspace,
                                 size_t workspace_bytes, const qn_parallel *parallel, qn_call_error *error);

/* Makes the code that calls on inputs of these shapes need (null: all that calls on any shapes could need), so that
 * they never wait for it, and waits for what is being made. Only ndim and shape of `in` are read. Any thread may ask.
 */
QN_API qn_status qn_program_prepare(const qn_program *p, const DLTensor *in, qn_call_error *error);
/* Waits for the code that is being made behind this program's back, and makes none besides: afterwards its kernels tell
 * all that is known of them (qn_program_kernel). On the context's thread. */
QN_API qn_status qn_program_wait(const qn_program *p);

/* ---- prepared calls ---- */

/* A call that is checked once and run many times, for programs so small that looking at tensors takes a good part of
 * a call: types, shapes, workspace and the kernels' arguments are worked out when it is made, and a run is little more
 * than a call of each kernel. It has a workspace of its own. One thread at a time may use one; any number of them, of
 * the same program too, run beside each other, and neither lock nor allocate. Runs take better code from the moment it
 * is there (tiers, see above). A prepared call borrows its program, which outlives it, and the memory of the tensors,
 * not the DLTensors and their shapes. */
typedef struct qn_prepared qn_prepared;
/* For tensors of these shapes, at these addresses for now; makes the code that it needs. All that makes
 * qn_program_call fail is an error here; so are the interpreter's programs and calls of more than 4096 kernels, which
 * cannot be prepared. `parallel` (may be null) is copied; its pool is
 * borrowed. On the context's thread, as destroying is. */
QN_API qn_status qn_prepared_create(const qn_program *p, const DLTensor *in, const DLTensor *out,
                                    const qn_parallel *parallel, qn_prepared **prepared, qn_call_error *error);
QN_API void qn_prepared_destroy(qn_prepared *prepared);
/* Other addresses for the same shapes: of the first elements of all inputs, of all outputs; null for those as they
 * are. Checks that there are some and that no output overlaps anything; after an error all are as before. */
QN_API qn_status qn_prepared_set(qn_prepared *prepared, void *const *in, void *const *out, qn_call_error *error);
/* Reads the inputs and writes the outputs where they are now. */
QN_API qn_status qn_prepared_run(qn_prepared *prepared, qn_call_error *error);

/* A view of a plain tensor as calls take it. `shape` has room for QN_MAX_RANK sizes and lives as long as the view. */
QN_API DLTensor qn_tensor_as_dlpack(const qn_tensor *t, int64_t *shape);

/* The same with plain tensors, for tools: allocates workspace and outputs from the context's allocator and reports to
 * the context. out[i].data is freed by qn_tensor_free. */
QN_API qn_status qn_program_run(const qn_program *p, const qn_tensor *in, qn_tensor *out, const qn_parallel *parallel);
QN_API void qn_tensor_free(qn_context *ctx, qn_tensor *t);

/* ---- saving ---- */
/* One file: the lowered text, constants and all machine code that calls could need. It loads and runs without LLVM, and
 * on a machine that lacks the instructions it is refused. */
QN_API qn_status qn_program_save(const qn_program *p, const char *path);
QN_API qn_status qn_program_load(qn_context *ctx, const char *path, qn_program **out);

/* ---- ahead of time ---- */
typedef enum qn_emit_format { QN_FORMAT_OBJ, QN_FORMAT_ASM, QN_FORMAT_LLVM, QN_FORMAT_C, QN_FORMAT_SO } qn_emit_format;

/* Writes the function as code with one entry point `int32_t ENTRY(const qn_kargs *)` and, when header_path is not null,
 * a C header that declares it and tells sizes. All sizes must be known: bind dynamic ones first. QN_FORMAT_SO links
 * the object with the system's C compiler driver (cc). */
QN_API qn_status qn_program_emit(const qn_module *m, const qn_compile_options *options, qn_emit_format format,
                                 const char *entry, const char *path, const char *header_path);

/* ---- seeing ---- */
typedef struct qn_kernel_info {
  const char *name;        /* "gemm_ui8_i8_i32_.." */
  const char *op;          /* "kern.gemm" */
  const char *isa;         /* "avx512vnni" */
  const char *tile;        /* "6x64 k4n64", "" when there is none */
  const char *fused;       /* "quantize | bias, relu, requantize" */
  const char *tuned;       /* "rows=8 panel=48": what a tuning file chose; "" when nothing */
  const qn_tuned *product; /* what a tuning file calls it; null for what it has no choices for */
  const char *slow_reason; /* null when nothing faster applies */
  qn_place place;
  const char *notes; /* what was found out about constant operands: "sparsity: 62% zeros, .."; null */
  uint32_t chain;    /* kernels of one number run together as one, in blocks of rows, so that what passes between them
                        stays in cache; while calls are watched they run one after the other. 0: alone, or sizes unknown */
} qn_kernel_info;
/* One per kern op that runs code, in order. False past the end. */
QN_API bool qn_program_kernel(const qn_program *p, size_t i, qn_kernel_info *out);

typedef enum qn_event_kind {
  QN_EVENT_STEP,   /* one kernel op of a call has run */
  QN_EVENT_CALL,   /* a whole call; kernel.name is null */
  QN_EVENT_KERNEL, /* a program with this kernel has been compiled or loaded */
  QN_EVENT_BODY /* a piece of a kernel's code is there: kernel.name is its function, ns what making it took, bytes its
                   size, origin where it came from */
} qn_event_kind;

/* What the handler of call events is given (context.h). All pointers are valid during the handler's call only. Kernels
 * and bodies are told of on the context's thread, bodies that are made behind calls when something is next done with
 * the program there: running it with tensors of its own (qn_program_run), preparing a call, destroying it. */
typedef struct qn_call_event {
  qn_event_kind kind;
  const qn_program *program;
  size_t index; /* of the kernel, as qn_program_kernel counts them */
  qn_kernel_info kernel;
  const char *engine;
  const char *origin; /* of a body: "compiled", "cached" or "loaded"; else null */
  const char
      *shape; /* "384x768x768": M, N and K of a product, with "12 of " before when there are several; else its loops */
  const char *types;              /* "ui8, i8, i32, f32 -> ui8": operands, then results */
  double ns;                      /* wall clock */
  double ops;                     /* a product's multiply-adds times two; else operations of the body on elements */
  double bytes;                   /* of operands and results, each counted once */
  uint32_t threads;               /* parts the work was cut into at most */
  bool multiplies;                /* a product, or a call with some */
  double by[QN_MULTIPLIER_COUNT]; /* products' operations, by what multiplies: they compare with the limits below */
} qn_call_event;

/* What one kernel op took over many calls (qn_bench_kernels). Texts are owned by whoever made the struct. */
typedef struct qn_kernel_time {
  qn_kernel_info kernel;
  char shape[64], types[160];
  double best_ns, total_ns, ops, bytes;
  uint64_t calls;
  bool multiplies;
  double by[QN_MULTIPLIER_COUNT]; /* as in qn_call_event */
} qn_kernel_time;

/* Multiply-adds of all matrix products in a call with these inputs, times two, and in `by`, unless that is null, by
 * what multiplies; 0 when shapes do not fit. */
QN_API double qn_program_ops(const qn_program *p, const DLTensor *in, double by[QN_MULTIPLIER_COUNT]);
/* Operations per second (a multiply-add counts two) that num_threads threads together reach in registers with an
 * instruction of an ISA row: the limit of kernels that multiply with it. 0 where the row has no such instruction.
 * *instruction, unless null, is its name, "tdpbusd", or null where several do what one would. Measures for about 0.2 s.
 * LLVM engine. */
QN_API qn_status qn_engine_peak(qn_context *ctx, const char *cpu, qn_multiplier multiplier, uint32_t num_threads,
                                double *ops_per_second, const char **instruction);

/* What the machine can do at most: operations per second of the multipliers asked for, a set of 1 << QN_MULTIPLIER_*
 * (as qn_engine_peak; 0 for others), bytes read per second from half of the second-level cache and from memory (a
 * buffer twice the last-level cache, up to 1 GB). On num_threads threads together. About 0.2 s for each. LLVM engine.
 */
typedef struct qn_limits {
  double ops[QN_MULTIPLIER_COUNT], cache_bytes, memory_bytes;
} qn_limits;
QN_API qn_status qn_engine_limits(qn_context *ctx, const char *cpu, uint32_t num_threads, uint32_t multipliers,
                                  qn_limits *out);
/* Bytes per second that one thread reads of a buffer of so many bytes (rounded down to 64 KB), again and again. */
QN_API qn_status qn_engine_read_speed(qn_context *ctx, const char *cpu, size_t bytes, double *bytes_per_second);
QN_API size_t qn_program_code_bytes(const qn_program *p);
QN_API size_t qn_program_constant_bytes(const qn_program *p);

#ifdef __cplusplus
}
#endif
#endif
