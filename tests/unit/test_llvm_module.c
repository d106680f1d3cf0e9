/* The rest of the LLVM back end: packing at run time, the peak loop, programs as objects, assembly and IR, what it
 * refuses, memory that runs out, and two threads at once. */
#define _DEFAULT_SOURCE
#include "failing_alloc.h"
#include "llvm_unit.h"
#include <dlfcn.h>
#include <pthread.h>
#include <quern/unstable/layout.h>
#include <unistd.h>

/* ---- packing ---- */

typedef struct pack_case {
  qn_kernel_plan plan;
  qn_body body;
} pack_case;

static void make_pack(pack_case *c, const qn_isa *isa, qn_scalar mem, qn_layout layout, uint32_t serial) {
  memset(c, 0, sizeof *c);
  c->plan.kind = QN_KERNEL_PACK;
  c->plan.isa = isa;
  c->plan.u.pack = (qn_pack_plan){mem, layout};
  snprintf(c->plan.name, sizeof c->plan.name, "pack%u", serial);
  c->body = (qn_body){.plan = &c->plan, .part = QN_PART_MAIN};
  snprintf(c->body.symbol, sizeof c->body.symbol, "pack%u", serial);
}

static uint32_t check_pack(const pack_case *c, qn_kernel_fn fn) {
  const qn_layout *l = &c->plan.u.pack.layout;
  int64_t bytes = mem_bits(c->plan.u.pack.mem) / 8;
  int64_t k_size = rnd_below(40), n_size = 1 + rnd_below(150);
  bool transposed = rnd_below(2);
  int64_t gap = rnd_below(3) * bytes;
  int64_t k_stride = transposed ? bytes : n_size * bytes + gap, n_stride = transposed ? k_size * bytes + gap : bytes;
  size_t src_size = k_size ? (size_t)((k_size - 1) * k_stride + (n_size - 1) * n_stride + bytes) : 0;
  int64_t kb = l->k_block, nb = l->panel_width, panels = (n_size + nb - 1) / nb;
  int64_t panel_bytes = (k_size + kb - 1) / kb * kb * nb * bytes;
  guarded src = guarded_alloc(src_size, 0), dst = guarded_alloc((size_t)(panels * panel_bytes), 0xA5);
  for (size_t i = 0; i < src_size; i++) src.data[i] = (unsigned char)rnd();
  void *ptrs[] = {src.data, dst.data};
  int64_t sizes[] = {k_size, n_size}, strides[] = {k_stride, n_stride, panel_bytes};
  int64_t cut = rnd_below((uint32_t)panels + 1);
  run(fn, &(qn_kargs){.ptr = ptrs, .size = sizes, .stride = strides, .end = {cut, 0}});
  run(fn, &(qn_kargs){.ptr = ptrs, .size = sizes, .stride = strides, .begin = {cut, 0}, .end = {panels, 0}});
  uint32_t wrong = 0;
  for (int64_t at = 0; at < panels * panel_bytes / bytes; at++) {
    int64_t in_panel = at % (panel_bytes / bytes), n = at / (panel_bytes / bytes) * nb + in_panel / kb % nb;
    int64_t k = in_panel / (nb * kb) * kb + in_panel % kb;
    for (int64_t b = 0; b < bytes; b++) {
      unsigned char want = k < k_size && n < n_size ? src.data[k * k_stride + n * n_stride + b] : 0;
      wrong += dst.data[at * bytes + b] != want;
    }
  }
  guarded_free(&src);
  guarded_free(&dst);
  return wrong;
}

static uint32_t packing(qn_context *ctx, const qn_isa *isa) {
  static const qn_layout layouts[] = {{false, 4, 64, 1, 0}, {false, 2, 16, 1, 0}, {false, 1, 8, 1, 0},
                                      {false, 1, 64, 1, 0}, {false, 3, 10, 1, 0}, {false, 16, 32, 1, 0}};
  static const qn_scalar mems[] = {QN_I8, QN_I16, QN_F32, QN_F64};
  static pack_case cases[24];
  uint32_t wrong = 0;
  qn_body bodies[24];
  for (uint32_t i = 0; i < 24; i++) {
    make_pack(&cases[i], isa, mems[i % 4], layouts[i / 4], i);
    bodies[i] = cases[i].body;
  }
  qn_code *code = compile(ctx, 24, bodies);
  for (uint32_t i = 0; i < 24; i++)
    for (uint32_t round = 0; round < 20; round++) wrong += check_pack(&cases[i], code->functions[i]);
  code->destroy(code);
  return wrong;
}

static uint32_t limits(qn_context *ctx, const qn_isa *isa) {
  static char data[1 << 16];
  void *ptrs[1] = {data};
  for (uint32_t kind = 0; kind <= QN_LIMIT_READ; kind++) {
    qn_limit limit;
    assert_int_equal(llvm_backend_of(ctx)->limit(ctx, isa, kind, &limit), QN_OK);
    if (kind == QN_MULTIPLIER_INT8_TILES) assert_int_equal(limit.code != NULL, (isa->has & QN_ISA_TILES) != 0);
    if (kind == QN_MULTIPLIER_BF16) assert_int_equal(limit.code != NULL, (isa->has & QN_ISA_BF16) != 0);
    if (kind == QN_MULTIPLIER_INT8 || kind == QN_LIMIT_READ) assert_non_null(limit.code);
    if (!limit.code) continue;
    assert_true(limit.amount >= 4);
    int64_t room = (int64_t)((double)sizeof data / limit.amount);
    run(limit.code->functions[0], &(qn_kargs){.ptr = ptrs, .end = {kind == QN_LIMIT_READ ? room : 1000, 0}});
    limit.code->destroy(limit.code);
  }
  return 0;
}

/* ---- a small program: y = max(x * c, x) in two calls with a constant, a workspace and an output ---- */

typedef struct program {
  tape_room mul, max;
  qn_kernel_plan plans[2];
  qn_access access[3];
  qn_body bodies[2];
  qn_ref refs[2][3];
  qn_call calls[2];
  int64_t size, strides[3];
  float constant[70];
  qn_blob blob;
  qn_aot aot;
} program;

enum { LENGTH = 70 };

static void make_tape(tape_room *r, uint8_t op) {
  tape_start(r);
  uint32_t a = tape_input(r, QN_F32), b = tape_input(r, QN_F32);
  tape_output(r, tape_op(r, op, QN_TF32, a, b, 0), QN_F32);
}

static void make_program(program *p, const qn_isa *isa) {
  memset(p, 0, sizeof *p);
  make_tape(&p->mul, QN_T_FMA);
  p->mul.insts[2].c = 1; /* x * c + c */
  make_tape(&p->max, QN_T_FMAX);
  p->size = LENGTH;
  for (int i = 0; i < 3; i++) p->access[i] = QN_ACCESS_DENSE, p->strides[i] = 4;
  for (int i = 0; i < LENGTH; i++) p->constant[i] = (float)i - 30;
  for (uint32_t i = 0; i < 2; i++) {
    p->plans[i] = (qn_kernel_plan){.kind = QN_KERNEL_MAP, .isa = isa};
    snprintf(p->plans[i].name, sizeof p->plans[i].name, "step%u", i);
    p->plans[i].u.loop = (qn_loop_plan){.num_loops = 1,
                                        .num_inputs = 2,
                                        .num_outputs = 1,
                                        .rank = 1,
                                        .access = p->access,
                                        .tape = i ? p->max.tape : p->mul.tape};
    p->bodies[i] = (qn_body){.plan = &p->plans[i], .part = QN_PART_MAIN};
    snprintf(p->bodies[i].symbol, sizeof p->bodies[i].symbol, "step%u", i);
    p->calls[i] = (qn_call){.body = i,
                            .num_ptrs = 3,
                            .num_sizes = 1,
                            .num_strides = 3,
                            .ptrs = p->refs[i],
                            .sizes = &p->size,
                            .strides = p->strides,
                            .end = {LENGTH, 0}};
  }
  p->refs[0][0] = (qn_ref){QN_BASE_INPUT, 0, 0};
  p->refs[0][1] = (qn_ref){QN_BASE_CONSTANT, 0, 0};
  p->refs[0][2] = (qn_ref){QN_BASE_WORKSPACE, 0, 64};
  p->refs[1][0] = (qn_ref){QN_BASE_INPUT, 0, 0};
  p->refs[1][1] = (qn_ref){QN_BASE_WORKSPACE, 0, 64};
  p->refs[1][2] = (qn_ref){QN_BASE_OUTPUT, 0, 0};
  p->blob = (qn_blob){p->constant, sizeof p->constant, "c"};
  p->aot = (qn_aot){.entry = "small_program",
                    .num_bodies = 2,
                    .num_calls = 2,
                    .num_constants = 1,
                    .num_inputs = 1,
                    .num_outputs = 1,
                    .bodies = p->bodies,
                    .calls = p->calls,
                    .constants = &p->blob,
                    .workspace_bytes = 64 + 4 * LENGTH};
}

typedef struct sink {
  FILE *file;
  size_t bytes, fail_after;
} sink;

static bool write_to(void *user, const char *data, size_t size) {
  sink *s = user;
  s->bytes += size;
  return s->bytes <= s->fail_after && fwrite(data, 1, size, s->file) == size;
}

static size_t emit_file(qn_context *ctx, const program *p, qn_emit_kind kind, const char *path) {
  sink s = {fopen(path, "wb"), 0, SIZE_MAX};
  assert_non_null(s.file);
  assert_int_equal(llvm_backend_of(ctx)->emit(ctx, &p->aot, kind, write_to, &s), QN_OK);
  fclose(s.file);
  return s.bytes;
}

/* Lines that a command prints. */
static uint32_t count_lines(const char *command, const char *containing) {
  FILE *f = popen(command, "r");
  char line[512];
  uint32_t n = 0;
  assert_non_null(f);
  while (fgets(line, sizeof line, f)) n += strstr(line, containing) != NULL;
  pclose(f);
  return n;
}

static void run_object(const char *folder) {
  char command[700], path[300];
  snprintf(command, sizeof command, "cc -shared -nostdlib -Wl,--no-undefined -o %s/p.so %s/p.o", folder, folder);
  assert_int_equal(system(command), 0);
  snprintf(command, sizeof command, "nm -u %s/p.o", folder);
  assert_int_equal(count_lines(command, " "), 0);
  snprintf(command, sizeof command, "nm -g --defined-only %s/p.o", folder);
  assert_int_equal(count_lines(command, " "), 1);
  snprintf(path, sizeof path, "%s/p.so", folder);
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  assert_non_null(library);
  void *symbol = dlsym(library, "small_program");
  qn_kernel_fn entry;
  assert_non_null(symbol);
  memcpy(&entry, &symbol, sizeof entry);
  float x[LENGTH], y[LENGTH];
  _Alignas(64) static unsigned char workspace[64 + 4 * LENGTH];
  for (int i = 0; i < LENGTH; i++) x[i] = (float)(i * 7 % 13) / 3 - 2;
  void *ptrs[] = {x, y};
  run(entry, &(qn_kargs){.ptr = ptrs, .workspace = workspace});
  for (int i = 0; i < LENGTH; i++) {
    float c = (float)i - 30;
    assert_true(y[i] == qn__f32_max(x[i], fmaf(x[i], c, c)));
  }
  dlclose(library);
}

static void objects(void **state) {
  (void)state;
  static program p;
  const qn_isa *rows[MAX_ROWS];
  uint32_t num_rows = test_rows(rows, MAX_ROWS);
  qn_context *ctx = test_context();
  char folder[] = "/tmp/quern_llvm_XXXXXX", path[64], command[128];
  assert_non_null(mkdtemp(folder));
  for (uint32_t r = 0; r < num_rows; r++) {
    make_program(&p, rows[r]);
    snprintf(path, sizeof path, "%s/p.o", folder);
    emit_file(ctx, &p, QN_EMIT_OBJ, path);
    run_object(folder);
    snprintf(path, sizeof path, "%s/p.s", folder);
    assert_true(emit_file(ctx, &p, QN_EMIT_ASM, path) > 500);
    snprintf(command, sizeof command, "cat %s/p.s", folder);
    assert_int_equal(count_lines(command, "small_program:"), 1);
    snprintf(path, sizeof path, "%s/p.ll", folder);
    assert_true(emit_file(ctx, &p, QN_EMIT_LLVM, path) > 500);
    snprintf(command, sizeof command, "cat %s/p.ll", folder);
    assert_int_equal(count_lines(command, "define i32 @small_program("), 1);
  }
  p.aot.entry = NULL; /* bodies alone */
  snprintf(path, sizeof path, "%s/b.o", folder);
  emit_file(ctx, &p, QN_EMIT_OBJ, path);
  snprintf(command, sizeof command, "nm -g --defined-only %s/b.o", folder);
  assert_int_equal(count_lines(command, " T step"), 2);
  p.aot.entry = "small_program";
  sink full = {stderr, 0, 0};
  assert_int_equal(llvm_backend_of(ctx)->emit(ctx, &p.aot, QN_EMIT_ASM, write_to, &full), QN_ERR_IO);
  assert_int_equal(llvm_backend_of(ctx)->emit(ctx, &p.aot, QN_EMIT_C, write_to, &full), QN_ERR_UNSUPPORTED);
  snprintf(command, sizeof command, "rm -r %s", folder);
  assert_int_equal(system(command), 0);
  qn_context_destroy(ctx);
}

/* ---- what is refused ---- */

static void count_diag(void *user, const qn_diag *d) {
  (void)d;
  ++*(uint32_t *)user;
}

static void refusals(void **state) {
  (void)state;
  static program p;
  uint32_t messages = 0;
  qn_context *ctx = qn_context_create(&(qn_context_options){.on_diag = count_diag, .on_diag_user = &messages});
  const qn_backend *b = llvm_backend_of(ctx);
  qn_code *code = NULL;
  make_program(&p, qn_isa_host());
  assert_int_equal(b->jit(ctx, 0, NULL, &code), QN_ERR_INTERNAL);
  p.plans[0].kind = QN_KERNEL_VIEW;
  assert_int_equal(b->jit(ctx, 2, p.bodies, &code), QN_ERR_INTERNAL);
  /* Names that LLVM would print and abort on never reach it. */
  qn_isa strange = *qn_isa_host();
  strange.llvm_cpu = "no-such-cpu";
  make_program(&p, &strange);
  assert_int_equal(b->jit(ctx, 2, p.bodies, &code), QN_ERR_INTERNAL);
  strange = *qn_isa_host();
  strange.name = "no-such-row";
  assert_int_equal(b->jit(ctx, 2, p.bodies, &code), QN_ERR_INTERNAL);
  /* Two rows in one call. */
  make_program(&p, qn_isa_host());
  p.plans[1].isa = &strange;
  assert_int_equal(b->jit(ctx, 2, p.bodies, &code), QN_ERR_INTERNAL);
  qn_kernel_plan plain = {
      .kind = QN_KERNEL_PACK, .isa = qn_isa_host(), .name = "plain", .u.pack = {QN_I8, {.plain = true, .k_block = 1}}};
  qn_body body = {.plan = &plain, .part = QN_PART_MAIN, .symbol = "plain"};
  assert_int_equal(b->jit(ctx, 1, &body, &code), QN_ERR_UNSUPPORTED);
  plain.u.pack = (qn_pack_plan){QN_I4, {false, 1, 8, 1, 0}};
  assert_int_equal(b->jit(ctx, 1, &body, &code), QN_ERR_UNSUPPORTED);
  assert_int_equal(messages, 7);
  assert_null(code);
  qn_context_destroy(ctx);
}

static void memory_runs_out(void **state) {
  (void)state;
  static program p;
  make_program(&p, qn_isa_host());
  for (size_t n = 0;; n++) {
    failing_alloc f;
    qn_allocator a = failing_init(&f, n);
    qn_context *ctx = qn_context_create(&(qn_context_options){.allocator = &a});
    if (ctx) {
      qn_code *code = NULL;
      qn_status s = llvm_backend_of(ctx)->jit(ctx, 2, p.bodies, &code);
      if (s == QN_OK) code->destroy(code);
      assert_true(s == QN_OK || (s == QN_ERR_NO_MEMORY && f.fired));
      qn_context_destroy(ctx);
    }
    assert_true(failing_clean(&f));
    if (!f.fired) break;
    assert_true(n < 1000);
  }
}

static void *compile_often(void *arg) {
  static _Thread_local program p;
  const qn_isa *isa = arg;
  intptr_t bad = 0;
  qn_context *ctx = qn_context_create(NULL);
  make_program(&p, isa);
  for (int i = 0; i < 10 && ctx; i++) {
    const qn_backend *b = NULL;
    qn_code *code = NULL;
    bad += qn__backend_find(ctx, "llvm", &b) != QN_OK || b->jit(ctx, 2, p.bodies, &code) != QN_OK;
    if (code) {
      float x[LENGTH] = {1}, y[LENGTH], z[LENGTH];
      void *ptrs[] = {x, z, y};
      memcpy(z, p.constant, sizeof z);
      bad +=
          code->functions[0](&(qn_kargs){.ptr = ptrs, .size = &p.size, .stride = p.strides, .end = {LENGTH, 0}}) != 0;
      bad += y[0] != -60;
      code->destroy(code);
    }
  }
  if (ctx) qn_context_destroy(ctx);
  return (void *)bad;
}

static void two_threads(void **state) {
  (void)state;
  pthread_t threads[2];
  for (int i = 0; i < 2; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, compile_often, (void *)(uintptr_t)qn_isa_host()), 0);
  for (int i = 0; i < 2; i++) {
    void *bad = NULL;
    pthread_join(threads[i], &bad);
    assert_null(bad);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {ROW_TEST(packing),
                                     ROW_TEST(limits),
                                     cmocka_unit_test(objects),
                                     cmocka_unit_test(refusals),
                                     cmocka_unit_test(memory_runs_out),
                                     cmocka_unit_test(two_threads)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
