/* quern-bench-peers: Quern beside other libraries and the machine's limits, in turns, after its results have been
 * checked against the interpreter. */
#include "setup.h"
#include <stdlib.h>
#include <string.h>

static const row_family rows[] = {
    {"u8s8", "u8 x s8 -> u8 and f32 with bias, scale per channel, relu, over shapes.txt; some beside a bare loop, too",
     row_u8s8},
    {"sparse", "u8 x s8 -> u8 with weights of which half the squares, or six of seven, are zero", row_sparse},
    {"small", "u8 x s8 -> i32, small and square, prepared calls again and again, against LIBXSMM; four of them plain",
     row_small},
    {"far", "u8 x s8 with 1 to 8 rows, weights beyond the last-level cache, against read bandwidth", row_far},
    {"w4", "f32 activations x 4-bit weights in blocks of 32, in cache and from memory, against ggml", row_w4},
    {"f32", "f32 with bias and relu", row_float},
    {"bf16", "bf16 with bias and relu, precision = relaxed", row_bf16},
    {"chain", "f32 -> dynamic quantize -> matmul -> bias -> gelu -> f32", row_chain},
    {"conv", "int8 convolutions of ResNet-50 and MobileNet", row_conv},
    {"attention", "attention of f32 and of 8-bit codes: one query, and many", row_attention},
    {"elementwise", "quantize, dequantize, requantize, layer_norm, softmax, gelu, transposes against memcpy",
     row_elementwise},
    {"threads", "u8 x s8 on two threads against one", row_threads},
    {"setup", "time until a kernel runs: process, LLVM, bodies, cache, encoder, libtcc; LIBXSMM and oneDNN", row_setup},
};
enum { NUM_ROWS = sizeof rows / sizeof *rows };

static void usage(FILE *f) {
  fprintf(f,
          "usage: quern-bench-peers [options]\n"
          "Measures Quern and other libraries in turns and prints ratio (the other's time / ours), median, spread.\n"
          "  --json OUT        writes ratios[] of work, shape, peer, ratio, us (our time), and the machine\n"
          "  --shapes FILE     only the u8 x s8 rows, over FILE's lines 'M N K' (# starts a comment)\n"
          "  --only ROW,..     only these rows\n"
          "  --list            the rows\n"
          "  --quick           a third of the time and fewer shapes\n"
          "  --threads N       threads for Quern and peers in the rows that are not about threads (default 1);\n"
          "                    the machine's limits are those of one\n"
          "  --tuning FILE     Quern follows a tuning file ('quern help bench')\n"
          "  --onnxruntime LIB also against ONNX Runtime: its libonnxruntime.so\n"
          "  --cpu NAME        Quern compiles for this instruction set ('quern isa' lists them), oneDNN and LIBXSMM\n"
          "                    keep to it, limits are its; not XNNPACK, ONNX Runtime, ggml, nor the row setup\n"
          "rows:\n");
  for (int i = 0; i < NUM_ROWS; i++) fprintf(f, "  %-17s %s\n", rows[i].name, rows[i].doc);
  fprintf(f, "Exit status: 0 when everything was measured, whatever the figures; 1 when a result was wrong or a file\n"
             "could not be read or written; 2 when the call is wrong.\n");
}

static int bad(const char *what, const char *arg) {
  fprintf(stderr, "quern-bench-peers: %s%s; --help lists the options\n", what, arg);
  return 2;
}

static bool has_row(const char *list, const char *name) {
  size_t n = strlen(name);
  for (const char *s = list; s; s = strchr(s, ',') ? strchr(s, ',') + 1 : NULL)
    if (!strncmp(s, name, n) && (s[n] == ',' || !s[n])) return true;
  return false;
}

/* Every name in the list must be a row's. */
static bool rows_known(const char *list) {
  for (const char *s = list; s; s = strchr(s, ',') ? strchr(s, ',') + 1 : NULL) {
    bool known = false;
    for (int i = 0; i < NUM_ROWS; i++) {
      size_t n = strlen(rows[i].name);
      known |= !strncmp(s, rows[i].name, n) && (s[n] == ',' || !s[n]);
    }
    if (!known) return false;
  }
  return true;
}

static int parse(int argc, char **argv, options *o) {
  static const char *const names[] = {"--json",        "--shapes", "--only",    "--cpu",
                                      "--onnxruntime", "--tool",   "--threads", "--tuning"};
  const char *threads = NULL,
             **to[] = {&o->json, &o->shapes_file, &o->only, &o->cpu, &o->onnxruntime, &o->tool, &threads, &o->tuning};
  for (int i = 1; i < argc; i++) {
    size_t k = 0;
    if (!strcmp(argv[i], "--quick")) {
      o->quick = true;
      continue;
    }
    if (!strcmp(argv[i], "--list")) {
      for (int j = 0; j < NUM_ROWS; j++) printf("%-17s %s\n", rows[j].name, rows[j].doc);
      return -1;
    }
    if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) return usage(stdout), -1;
    while (k < sizeof names / sizeof *names && strcmp(argv[i], names[k])) k++;
    if (k == sizeof names / sizeof *names) return bad("unknown option ", argv[i]);
    if (i + 1 == argc || !argv[i + 1][0]) return bad("a value is missing after ", argv[i]);
    *to[k] = argv[++i];
  }
  o->threads = 1;
  if (threads) {
    char *end;
    long n = strtol(threads, &end, 10);
    if (*end || n < 1 || n > 64) return bad("--threads takes 1 to 64, not ", threads);
    o->threads = (uint32_t)n;
  }
  if (o->only && !rows_known(o->only)) return bad("--only names a row that does not exist: ", o->only);
  if (o->shapes_file && o->only && !has_row(o->only, "u8s8"))
    return bad("--shapes runs only the row u8s8, not ", o->only);
  return 0;
}

static void on_diag(void *user, const qn_diag *d) {
  (void)user;
  fprintf(stderr, "quern-bench-peers: %.*s\n", (int)d->message.size, d->message.data);
}

static int measure(options *o) {
  qn_context_options context = {.on_diag = on_diag};
  qn_context *ctx = qn_context_create(&context);
  if (!ctx) return bad("out of memory", "");
  if (o->tuning && qn_tuning_read(ctx, o->tuning, QN_FOREIGN_IGNORE)) return qn_context_destroy(ctx), 1;
  qn_pool *pool = NULL;
  qn_parallel parallel;
  if (o->threads == 1) pin_thread();
  if (o->threads > 1) {
    if (qn_pool_create(ctx, o->threads, &pool)) return qn_context_destroy(ctx), 1;
    parallel = qn_pool_parallel(pool);
    o->parallel = &parallel;
  }
  o->onednn_keeps_to = onednn_keep_to(o);
  report *r = report_create(o);
  bool good = true;
  if (o->onednn_keeps_to)
    report_note(r, "--cpu %s: oneDNN keeps to %s, LIBXSMM to as much; XNNPACK, ONNX Runtime and ggml take what is here",
                o->cpu, o->onednn_keeps_to);
  for (int i = 0; i < NUM_ROWS && good; i++)
    if (!o->only || has_row(o->only, rows[i].name)) good = rows[i].run(ctx, o, r);
  int status = report_finish(r, ctx);
  qn_pool_destroy(pool);
  qn_context_destroy(ctx);
  return good ? status : 1;
}

int main(int argc, char **argv) {
  options o = {0};
  if (argc == 4 && !strcmp(argv[1], SETUP_CHILD)) return setup_child(argv[2], argv[3]);
  int status = parse(argc, argv, &o);
  if (status) return status < 0 ? 0 : status;
  /* Bad lines, and a report that could not be written, are told before anything else happens. A file of shapes may be a
   * pipe: it is read once. */
  if (o.json && !outfile_possible(o.json)) return 1;
  if (!o.shapes_file) return measure(&o);
  bench_shape *shapes = shapes_read(o.shapes_file, &o.num_shapes);
  if (!shapes) return 1;
  o.shapes = shapes, o.only = "u8s8";
  status = measure(&o);
  free(shapes);
  return status;
}
