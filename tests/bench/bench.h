/* The benchmarks' own header: contenders, their timing, and the rows of the report. The harness uses Quern as an
 * embedder does, through its public interface. */
#ifndef QUERN_BENCH_H
#define QUERN_BENCH_H

#include <quern/quern.h>
#include <quern/unstable/isa.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- options ---- */
typedef struct options {
  const char *json, *only, *cpu;
  const char *shapes_file;          /* of --shapes; null for none */
  const struct bench_shape *shapes; /* what it says */
  size_t num_shapes;
  const char *onednn_keeps_to; /* with cpu: the instructions that oneDNN may use; null for any */
  const char *onnxruntime;     /* its library, null for none */
  const char *tuning;          /* file, null for none */
  const char *tool;            /* the quern binary, for the set-up rows */
  bool quick;
  uint32_t threads;
  const qn_parallel *parallel; /* Quern's, of so many threads; null for one */
} options;

/* ---- time (clock.c) ---- */
double seconds_now(void);
/* One-thread rows stay on one processor; rows on several threads let go of it. */
void pin_thread(void);
void unpin_thread(void);
/* To the processors that pin_thread does not take, for threads that are created next; false where there are none. */
bool pin_elsewhere(void);

/* Something that is timed: ours, a peer's, or the machine's limit. Index 0 of a race is ours. */
typedef struct contender {
  const char *name; /* as in the report */
  void *state;
  void (*run)(void *state);
  double (*block)(void *state, int calls); /* seconds for so many calls, for those that time themselves; else null */
  void (*destroy)(void *state);
} contender;

enum { MAX_CONTENDERS = 8, MAX_ROUNDS = 202 };

typedef struct timing {
  double min, median;          /* seconds per call */
  double ratio;                /* min / ours' min; of few rounds, ratio_median */
  double ratio_median, spread; /* of the rounds' own ratios; spread is (p90 - p10) / median */
} timing;

/* Times the contenders in turns: rounds of one short block each, so that a machine whose clock changes or that others
 * use is the same for all. Takes about `budget` seconds, twice that where rounds disagree, but five rounds at least. */
void race(const contender *c, int n, double budget, timing *out);
/* To choose the faster of two forms of a peer: seconds of the best of three short runs. */
double best_of_three(const contender *c);
void contender_destroy(contender *c);

/* ---- the report (report.c) ---- */
typedef struct report report;
report *report_create(const options *o);
/* A line of the table as it is measured; `goal` is what the summary compares with, 0 for none. */
void report_ratio(report *r, const char *work, const char *shape, const char *peer, const timing *ours,
                  const timing *peers, double rate, const char *unit);
/* A time that is compared with nothing. */
void report_time(report *r, const char *work, const char *what, double us);
void report_note(report *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void report_wrong(report *r, const char *work, const char *shape, const char *who);
/* Prints the summary, writes the JSON file; the exit status. */
int report_finish(report *r, qn_context *ctx);

/* ---- memory and data (data.c) ---- */
/* Pages of 2 MB where the kernel grants them. Ends the process when memory runs out. */
void *big_alloc(size_t bytes);
void big_free(void *p, size_t bytes);
size_t llc_bytes(void);
void fill_bytes(void *p, size_t n, uint32_t seed);            /* 0..255 */
void fill_codes(int8_t *p, size_t n, int lim, uint32_t seed); /* -lim..lim */
void fill_floats(float *p, size_t n, float lo, float hi, uint32_t seed);
/* Whether no element is further from its peer than this share of the largest. */
bool floats_close(const float *a, const float *b, size_t n, double share);

/* ---- matrix products (product.c) ---- */
typedef struct product {
  int64_t m, n, k;
  qn_scalar a_type, b_type, y_type; /* ui8 x i8 -> ui8, f32 or i32; f32 x f32 -> f32; bf16 */
  void *a, *b;                      /* [M, K], [K, N] row-major */
  float *b_scales, *bias;           /* n each; bias in real numbers */
  int32_t *bias_i32;                /* bias / (a_scale * b_scales[j]), rounded */
  float a_scale, y_scale;
  bool relu;
  void *expected;  /* rows of the interpreter's result, in rows' order */
  int64_t rows[8]; /* which rows of the result those are */
  int num_rows;
} product;

/* Inputs and the interpreter's result on a sample of rows; false after a message. */
bool product_create(qn_context *ctx, product *p, int64_t m, int64_t n, int64_t k, qn_scalar a, qn_scalar y, bool fused);
/* The same with that share of the weights' squares of 32 x 64 made zero. */
bool product_create_sparse(qn_context *ctx, product *p, int64_t m, int64_t n, int64_t k, qn_scalar a, qn_scalar y,
                           bool fused, double zeros);
void product_destroy(product *p);
/* Bytes of the result. */
size_t product_y_bytes(const product *p);
/* Compares bits. */
bool product_same(const product *p, const void *y);
/* How far off a peer may be, which rounds in its own way: by one code, or by 1e-3 of the largest value. `offset` is
 * added to a peer's signed codes to get ours. */
bool product_close(const product *p, const void *y, int offset);

/* ---- contenders of matrix products: false when this peer does not do it; `why` then says so, or is empty ---- */
typedef struct peer_note {
  char text[160];
} peer_note;
typedef bool (*product_peer)(const product *p, const options *o, contender *out, const void **y, peer_note *why);

bool ours_product(qn_context *ctx, const product *p, const options *o, const qn_parallel *parallel, contender *out,
                  const void **y);
/* From then on its runs are those of a prepared call. */
bool ours_prepare(contender *c);
/* Before oneDNN is used: it keeps to what the instruction set that Quern compiles for has, where one was named. Tells
 * which that is, or null where nothing was named, or oneDNN is not here. */
const char *onednn_keep_to(const options *o);
bool onednn_product(const product *p, const options *o, contender *out, const void **y, peer_note *why);
bool xnnpack_product(const product *p, const options *o, contender *out, const void **y, peer_note *why);
bool libxsmm_product(const product *p, const options *o, contender *out, const void **y, peer_note *why);
bool onnxruntime_product(const product *p, const options *o, contender *out, const void **y, peer_note *why);

/* A program as a contender: borrows inputs, owns the program, outputs and workspace. `y`, which may be null, is told
 * where the first output is. */
bool ours_program(qn_context *ctx, qn_program *p, const qn_tensor *in, const qn_parallel *parallel, contender *out,
                  const void **y);

/* What does most of the operations of such a contender; `otherwise` where its products are not counted. */
qn_multiplier ours_multiplier(const contender *c, qn_multiplier otherwise);

/* A row over shapes: ours checked, then raced against the peers named and the peak. */
typedef struct product_race {
  const char *work;
  qn_scalar a, y;
  bool fused;        /* bias, scale, relu */
  bool prepared;     /* ours are prepared calls, where a peer's set-up ends in a function, too */
  const char *peers; /* "onednn,xnnpack" */
  int64_t peak_from; /* M from which the int8 peak takes part; 0 for never */
  const char *loop;  /* the work as which a product is told beside the bare loop of its size; null for never */
  const char *unit;  /* GOPS or GFLOPS */
  double budget;     /* seconds a shape */
  double zeros;      /* share of the weights' squares of 32 x 64 that are all zero */
  uint32_t told;     /* peers whose absence has been told; starts 0 */
} product_race;
bool race_product(qn_context *ctx, const options *o, report *r, product_race *race, int64_t m, int64_t n, int64_t k);

/* ---- programs from text (program.c) ---- */
/* Text being written; grows. */
typedef struct text {
  char *data;
  size_t size, room;
} text;
void text_add(text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A constant's bytes as an MLIR hex string. */
void text_hex(text *t, const void *data, size_t bytes);
void text_free(text *t);
/* Parses, lowers, compiles. `quiet`: what the text names may not exist in this version, so nothing is printed. */
bool program_from_text(qn_context *ctx, const text *t, const char *engine, const options *o, bool quiet,
                       qn_program **out);
/* Compiles the text, and compares with the interpreter on the same inputs; *wrong when the bits differ. */
bool checked_program(qn_context *ctx, const text *t, const options *o, const qn_tensor *in, bool quiet, contender *out,
                     const void **y, bool *wrong);

/* ---- the chain: f32 -> dynamic quantize (one range) -> u8 x s8 -> scale, bias, gelu -> f32 ---- */
typedef struct chain {
  int64_t m, n, k;
  float *x, *scales, *bias; /* [M, K]; N each */
  int8_t *w;                /* [K, N] */
} chain;
bool onednn_chain(const chain *c, const options *o, contender *out, const void **y, peer_note *why);
bool onnxruntime_chain(const chain *c, const options *o, contender *out, const void **y, peer_note *why);

/* ---- convolution: u8 [1, H, W, C] x s8 [KH, KW, C / groups, O] -> u8 ---- */
typedef struct conv {
  char name[32];
  int64_t h, w, c, kh, kw, o, stride, pad, groups;
  bool floats; /* x, weights, bias and y are f32, without scales; else u8, s8, i32 and u8 */
  void *x, *weights, *bias;
  float *scales; /* of the sums, per channel */
} conv;
static inline int64_t conv_out(const conv *c, int64_t size, int64_t window) {
  return (size + 2 * c->pad - window) / c->stride + 1;
}
bool onednn_conv(const conv *c, const options *o, contender *out, const void **y, peer_note *why);

/* ---- attention: q [heads, queries, d], k and v [heads, keys, d] ---- */
typedef struct attention_shape {
  int64_t heads, queries, keys, d;
} attention_shape;
bool onednn_attention(const attention_shape *a, const qn_tensor *in, const options *o, contender *out, const void **y,
                      peer_note *why);

/* ---- weights beyond the cache (row_far.c) ---- */
enum { MAX_COPIES = 64 };
/* So many copies that each has left the cache when its turn comes, in a race in which others read as much meanwhile;
 * 0 where memory does not hold them. */
int far_copies(size_t bytes);
/* Contenders that run in turns, which it then owns. */
bool copies_create(const char *name, const contender *each, int n, contender *out);

/* ---- limits (limit_peak.c, limit.c): of the instruction set that Quern compiles for, on one thread ---- */
/* Whether its row is of x86 with vectors of 512 bits and these QN_ISA_*, and runs here. */
bool wide_row(const options *o, uint32_t has);
/* As long as `ops` operations (a multiply-add counts two) take at the multiplier's measured peak. */
bool limit_peak(qn_context *ctx, const options *o, qn_multiplier multiplier, double ops, contender *out);
/* A large product u8 x s8 as a bare loop over tiles: as many dots, loads, epilogue's operations and stores as it takes,
 * in memory of its own (limit_tiles.c); false where there is none for its sizes, its result or the machine. */
bool limit_tiles(const options *o, const product *p, contender *out);
/* The same of sixteen rows over weights from beyond a second-level cache (limit_few.c). */
bool limit_few(const options *o, const product *p, contender *out);
/* Attention's products, and one e^x for each score: neither can be had for less. False where there is no loop of those
 * for the row. */
bool limit_attention(qn_context *ctx, const options *o, qn_multiplier multiplier, double ops, double scores,
                     contender *out);
/* As long as reading so many bytes takes at the measured bandwidth from beyond the last-level cache. */
bool limit_read(double bytes, contender *out);
/* Reading the same `bytes` in every call, wherever caches keep them. */
bool limit_read_again(size_t bytes, contender *out);
/* What 4-bit codes of a codebook, K x N in blocks of 32, cost at least with one row where bytes are looked up by an
 * instruction; false elsewhere. */
bool limit_lookups(const options *o, int64_t n, int64_t k, contender *out);
/* Reading `from` bytes line by line and writing `to` bytes, fewer or as many, on the way, in caches or beyond them;
 * false where this file has no loop for the machine. */
bool limit_pass(const options *o, bool beyond, size_t from, size_t to, contender *out);
/* memcpy of `bytes` from and to buffers of its own. */
bool limit_copy(size_t bytes, contender *out);
/* For a tensor of floats that stays in a cache: 20 or 22 fused multiply-adds for each vector that is read and written,
 * its stores alone, or the three passes of a layer_norm over three rows at once, with no sum folded. */
typedef enum limit_kind {
  LIMIT_NONE,
  LIMIT_FAR_PASS,
  LIMIT_STORES,
  LIMIT_WORK_37,
  LIMIT_WORK_44,
  LIMIT_PASSES
} limit_kind;
bool limit_ports(const options *o, limit_kind kind, size_t floats, contender *out);

/* ---- row families ---- */
typedef struct row_family {
  const char *name, *doc;
  bool (*run)(qn_context *ctx, const options *o, report *r); /* false when something could not even be started */
} row_family;
bool row_u8s8(qn_context *ctx, const options *o, report *r);
bool row_small(qn_context *ctx, const options *o, report *r);
bool row_float(qn_context *ctx, const options *o, report *r);
bool row_sparse(qn_context *ctx, const options *o, report *r);
bool row_far(qn_context *ctx, const options *o, report *r);
bool row_conv(qn_context *ctx, const options *o, report *r);
bool row_w4(qn_context *ctx, const options *o, report *r);
bool row_bf16(qn_context *ctx, const options *o, report *r);
bool row_setup(qn_context *ctx, const options *o, report *r);
bool row_threads(qn_context *ctx, const options *o, report *r);
bool row_chain(qn_context *ctx, const options *o, report *r);
bool row_attention(qn_context *ctx, const options *o, report *r);
bool row_elementwise(qn_context *ctx, const options *o, report *r);

/* ---- shapes (shapes.c) ---- */
typedef struct bench_shape {
  int64_t m, n, k;
  char section[24];
} bench_shape;
/* Lines of `M N K`, # starts a comment, "# section NAME" names what follows; "-" is standard input. Null after a
 * message with file:line. */
bench_shape *shapes_read(const char *path, size_t *n);

/* ---- files that are written (outfile.c) ---- */
typedef struct outfile {
  FILE *file; /* to be written to */
  const char *path;
  char part[4096 + 8];
  bool through; /* a device or a pipe: not replaced */
} outfile;
/* False after a message. Closing makes the file appear, whole; where anything could not be written, nothing changes. */
bool outfile_open(outfile *o, const char *path);
bool outfile_close(outfile *o);
/* Whether a file could be written there, before an hour of work for it; a message where not. */
bool outfile_possible(const char *path);

#ifdef __cplusplus
}
#endif
#endif
