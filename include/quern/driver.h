/* Whole jobs in one call, made of the public interface only: what the command line does, and what an embedder does
 * first. */
#ifndef QUERN_DRIVER_H
#define QUERN_DRIVER_H

#include <quern/engine.h>
#include <quern/pass.h>
#include <quern/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- models ---- */

/* Reads .onnx (imports) or .mlir, told apart by content; "-" is standard input, and pipes are read as files are. `dims`
 * binds sizes ("batch=1", may repeat), `consts` binds integer inputs that decide shapes to arrays. */
typedef struct qn_load_options {
  size_t num_dims, num_consts;
  const char *const *dims;   /* "NAME=size" */
  const char *const *consts; /* "NAME=file.npy" */
  bool allow_unregistered;   /* as in qn_parse_options */
} qn_load_options;
QN_API qn_status qn_load_model(qn_context *ctx, const char *path, const qn_load_options *options, qn_module **out);

/* The passes from a module of any level to kern ops, for one instruction set row (null: this machine's best). */
QN_API qn_status qn_lower(qn_module *m, const char *cpu);
/* The same for qn_program_emit: what a program's call would do itself, copying an input, a constant or another output
 * to an output, is done by kernels. */
QN_API qn_status qn_lower_ahead(qn_module *m, const char *cpu);

/* Lowers a copy where the engine needs it, and compiles. */
QN_API qn_status qn_build_program(const qn_module *m, const qn_compile_options *options, qn_program **out);

/* ---- data ---- */

/* Named arrays whose first axis counts samples, from .npz, .npy or .safetensors. */
typedef struct qn_sample_set qn_sample_set;
QN_API qn_status qn_samples_open(qn_context *ctx, const char *path, qn_sample_set **out);
QN_API void qn_samples_close(qn_sample_set *s);
/* Number of samples: the first axis of the arrays that the function's inputs name. */
QN_API qn_status qn_samples_count(qn_sample_set *s, const qn_module *m, qn_op func, int64_t *count);
/* Views of samples [first, first + n) as the function's inputs, in order. Arrays that are not an input are ignored; a
 * missing one is a diagnostic naming it. An .npy file serves a function with one input whatever its name. When a
 * model's first dimension is fixed, n must be that; an input without an axis for samples takes n = 1. The views are
 * valid until the next call. */
QN_API qn_status qn_samples_inputs(qn_sample_set *s, const qn_module *m, qn_op func, int64_t first, int64_t n,
                                   qn_tensor *inputs);
QN_API qn_status qn_samples_array(qn_sample_set *s, const char *name, qn_tensor *out);
/* All samples as inputs for a pass manager's check_each and for passes that measure, as many at a time as the function
 * takes; the set is borrowed. */
QN_API qn_status qn_samples_check_inputs(qn_sample_set *s, const qn_module *m, qn_op func, qn_check_inputs *out);

/* ---- calibrate, quantize ---- */
typedef struct qn_calibrate_options {
  const char *observer;      /* null for minmax */
  const char *engine;        /* null for auto */
  int64_t shard, num_shards; /* samples i with i % num_shards == shard; 0, 0 for all. Where the model's first dimension
                                is fixed, i counts runs of that many samples */
  int64_t batch;             /* samples a run. 0: one, so that nothing in the program can mix samples */
} qn_calibrate_options;
/* Inserts observers where there are none, runs the samples on the first public function, and records what each observer
 * saw as attributes of its quern.observe: quern.state, and for readers quern.min and quern.max. States recorded before
 * are replaced. An observer kind given here replaces that of observers that are there. */
QN_API qn_status qn_calibrate(qn_module *m, qn_sample_set *samples, const qn_calibrate_options *options);
/* Merges the observer states of `from` into those of `into`; the programs must be the same. */
QN_API qn_status qn_calibrate_merge(qn_module *into, const qn_module *from);

typedef struct qn_quantize_options {
  const char *scheme;                /* a row of schemes.def: "w8a8", "w8a8-dynamic" */
  const char *observer;              /* null for minmax */
  const char *granularity;           /* auto, tensor, channel, group=G, block=N; null for auto */
  const char *weights, *activations; /* types that replace the scheme's; null */
  double min_sqnr;                   /* dB for granularity auto; 0 for the default */
  const char *engine;                /* for calibration */
} qn_quantize_options;
/* Float program in, quantized program out (in place), before lowering. `samples` may be null for dynamic schemes. */
QN_API qn_status qn_quantize(qn_module *m, qn_sample_set *samples, const qn_quantize_options *options);

/* ---- compare ---- */
typedef struct qn_comparison {
  qn_str name; /* of the output, or of the op with per_op */
  double sqnr_db, cosine, max_abs;
  double top1_agreement; /* share of rows of the last axis with the same largest index; -1 where it has no meaning */
} qn_comparison;
typedef void (*qn_comparison_fn)(void *user, const qn_comparison *c);
/* Runs both programs over the samples on an engine and calls `each` per output (and, with per_op, per op result that
 * both programs have, matched by name or location). */
QN_API qn_status qn_compare(const qn_module *a, const qn_module *b, qn_sample_set *samples, const char *engine,
                            bool per_op, qn_comparison_fn each, void *user);

/* Classifiers: how often the largest value of a row of the first output is the label. */
typedef struct qn_accuracy {
  int64_t samples;
  double a, b, agreement; /* shares of the samples: A right, B right, A and B equal */
} qn_accuracy;
/* `labels` names an array of the sample set: one integer per sample. */
QN_API qn_status qn_compare_accuracy(const qn_module *a, const qn_module *b, qn_sample_set *samples, const char *labels,
                                     const char *engine, qn_accuracy *out);
/* The class of each of the first `count` samples. */
QN_API qn_status qn_classify(const qn_module *m, qn_sample_set *samples, const char *engine, int64_t count,
                             int64_t *classes);

/* ---- a kernel in one call ---- */

/* y[M,N] = epilogue(a[M,K] * b[K,N]): types and sizes in, a program out. */
typedef struct qn_matmul_desc {
  int64_t m, n, k;        /* m may be QN_DYNAMIC */
  qn_scalar a, b, y;      /* ui8 or i8, i8, and f32, ui8, i8 or i32; or f32 three times */
  float a_scale, y_scale; /* per tensor */
  int32_t a_zero_point, y_zero_point;
  const float *b_scales; /* n of them, or one when b_per_tensor */
  bool b_per_tensor;
  const void *b_data; /* [K, N] row-major, copied; null: b is a second input */
  const float *bias;  /* n of them, or null */
  bool relu;
  /* Weights with a scale per block of k, when b_block is not 0. a is then f32, f16 or bf16, y f32 or as a (computed in
   * f32, rounded once), b one of i4, ui4, i8, ui8, f4E2M1FN, and b_data is given (elements below 8 bits packed low bits
   * first, as in qn_tensor). b_scales has ceil(k / b_block) rows of n. The activations are quantized to 8 bits inside,
   * with a scale per row and block, unless b_float asks for products of floats with dequantized weights. */
  int64_t b_block;              /* a multiple of 8, up to 256 (or any, with b_float) */
  const int32_t *b_zero_points; /* like b_scales, for integers; null: 0 */
  const double *b_codebook;     /* what the codes of b (i4: from -8 on; ui4: from 0 on) stand for: up to 16 values, */
  uint32_t b_codebook_size;     /* integers from -127 to 127 unless b_float */
  bool b_float;
} qn_matmul_desc;
QN_API qn_status qn_kernel_matmul(qn_context *ctx, const qn_matmul_desc *desc, const qn_compile_options *options,
                                  qn_program **out);

/* y[N,OH,OW,O] = epilogue(convolution of x[N,H,W,C] with w[KH,KW,C/groups,O]), channels last; the same epilogue. */
typedef struct qn_conv_desc {
  int64_t batch, height, width;             /* of x; each may be QN_DYNAMIC */
  int64_t channels, n;                      /* C, and O */
  int64_t kernel[2];                        /* KH, KW */
  int64_t strides[2], dilations[2], groups; /* 0 for 1; groups = C is a depthwise convolution */
  int64_t pads[4];                          /* top, left, bottom, right; they hold 0: of codes the zero point */
  qn_scalar x, w, y;                        /* as in qn_matmul_desc */
  float x_scale, y_scale;
  int32_t x_zero_point, y_zero_point;
  const float *w_scales; /* n of them, or one when w_per_tensor */
  bool w_per_tensor;
  const void *w_data; /* [KH,KW,C/groups,O], copied; null: w is a second input */
  const float *bias;  /* n of them, or null */
  bool relu;
} qn_conv_desc;
QN_API qn_status qn_kernel_conv(qn_context *ctx, const qn_conv_desc *desc, const qn_compile_options *options,
                                qn_program **out);

/* ---- bench ---- */
typedef struct qn_bench_result {
  double time_us; /* best of the repetitions */
  double median_us;
  double gops;                /* of the matrix products; 0 without any */
  double peak_gops, fraction; /* of the instructions that multiply (qn_engine_peak); 0 but on the LLVM engine. Above 1
                                 only where zeros of constant weights, which count, are left out */
  char instructions[48];      /* "tdpbusd", "f32": those, or what they multiply */
} qn_bench_result;
/* Runs the program on `inputs` for about `seconds`; cpu is the row whose peak it is compared with, measured in the same
 * run (LLVM engine only). The handler of call events is told of the first call, those that are measured run unwatched.
 */
QN_API qn_status qn_bench_program(qn_context *ctx, const qn_program *p, const char *cpu, const qn_tensor *inputs,
                                  uint32_t threads, double seconds, qn_bench_result *out);

/* What each kernel of the program takes: best and sum over calls for about `seconds`. `times` has room for `room` of
 * them; *count is how many kernels there are, in the order of qn_program_kernel. Texts inside are the program's. No
 * events arrive elsewhere meanwhile. The interpreter has no kernels. */
QN_API qn_status qn_bench_kernels(qn_context *ctx, const qn_program *p, const qn_tensor *inputs, uint32_t threads,
                                  double seconds, size_t room, qn_kernel_time *times, size_t *count);

/* ---- tune ---- */

/* One choice that was tried for one product, against the best so far: of neighbouring calls that nothing disturbed the
 * median ratio (above 1: faster), the range that holds it with a confidence of 99.7%, and how many those were. */
typedef enum qn_tune_verdict {
  QN_TUNE_TRIED,    /* no faster, or not surely */
  QN_TUNE_BETTER,   /* taken as the best so far */
  QN_TUNE_RECORDED, /* against the program as it was, twice, with code and memory made afresh */
  QN_TUNE_REFUTED   /* was the best, but that did not hold: nothing is recorded */
} qn_tune_verdict;
typedef struct qn_tune_step {
  const qn_tuned *product; /* with the choice that was tried */
  double us, gain, low, high;
  uint32_t pairs;
  qn_tune_verdict verdict;
} qn_tune_step;

typedef struct qn_tune_options {
  /* Makes the program again, with the context's choices as they stand then. */
  qn_status (*build)(void *user, qn_program **out);
  void *build_user;
  const qn_tensor *inputs;
  uint32_t threads;
  double seconds;                                     /* to measure each choice at most; 0 for 0.2 */
  double least;                                       /* how much faster a choice must be to be recorded; 0 for 1.01 */
  void (*each)(void *user, const qn_tune_step *step); /* null for none */
  void *each_user;
} qn_tune_options;
/* Searches better choices for the products of a program by measuring, all products at once, and puts those that are
 * surely faster into the context's tuning, each for its number of rows: qn_tuning_write keeps them. Results are
 * compared bit by bit meanwhile. `recorded` may be null. LLVM engine. */
QN_API qn_status qn_tune_program(qn_context *ctx, const qn_tune_options *options, size_t *recorded);

/* Measures the machine's constants, those of an instruction set row that runs here (null: the best): speeds, caches,
 * what threads cost, what narrow panels cost. Takes a few seconds. Constants that cannot be measured have their
 * defaults. The context's stay as they are. */
QN_API qn_status qn_measure_machine(qn_context *ctx, const char *cpu, qn_machine *out);

#ifdef __cplusplus
}
#endif
#endif
