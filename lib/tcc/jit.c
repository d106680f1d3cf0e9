/* Bodies as machine code of this process, through libtcc. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS is no POSIX 2008 */
#include "announce.h"
#include "cgen.h"
#include "context_impl.h"
#include "libtcc_host.h"
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* libtcc keeps its state in globals: one compilation at a time in the process. `broken` is set under the lock when
 * libtcc wanted to end the process in the middle of one, after which its state is not to be trusted. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool broken;

/* All that generated code may call. Each is exact by IEEE 754, so no two libraries differ. */
static const struct symbol {
  const char *name;
  union {
    float (*f3)(float, float, float);
    double (*d3)(double, double, double);
    float (*f1)(float);
    double (*d1)(double);
  } fn;
} symbols[] = {{"fmaf", {.f3 = fmaf}}, {"fma", {.d3 = fma}}, {"sqrtf", {.f1 = sqrtf}}, {"sqrt", {.d1 = sqrt}}};

typedef struct tcc_code {
  qn_code code; /* first: what callers see */
  qn_allocator allocator;
  uint32_t num;
  void *memory;
  size_t bytes;
  void **announced; /* per function; null when nobody asked */
} tcc_code;

static void destroy(qn_code *code) {
  if (!code) return;
  tcc_code *c = (tcc_code *)code;
  qn_allocator a = c->allocator;
  for (uint32_t i = 0; c->announced && i < c->num; i++) qn__announce_end(c->announced[i]);
  qn__free(&a, c->announced, c->num * sizeof *c->announced);
  if (c->memory) munmap(c->memory, c->bytes);
  qn__free(&a, c->code.functions, c->num * sizeof *c->code.functions);
  qn__free(&a, c, sizeof *c);
}

typedef struct messages {
  char text[1024];
  size_t size;
} messages;

static void on_message(void *user, const char *text) {
  messages *m = user;
  size_t n = strlen(text), room = sizeof m->text - 1 - m->size;
  if (m->size && room > 2) {
    memcpy(m->text + m->size, "; ", 2);
    m->size += 2, room -= 2;
  }
  if (n > room) n = room;
  memcpy(m->text + m->size, text, n);
  m->size += n;
}

static qn_status failed(qn_context *ctx, const messages *m, const char *what) {
  return qn_error(ctx, QN_DIAG_ENGINE, qn_place_file(""), "libtcc: %s: %s", what,
                  m->size ? m->text : "no reason given");
}

/* Code and constants of libtcc's making, moved into pages of ours; those become executable only once they are no longer
 * writable. */
static qn_status place_code(qn_context *ctx, TCCState *s, tcc_code *c, const messages *m) {
  int size = tcc_relocate(s, NULL);
  if (size < 0) return failed(ctx, m, "cannot link");
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  c->bytes = ((size_t)size + page) / page * page;
  void *memory = mmap(NULL, c->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return qn_error_no_memory(ctx);
  c->memory = memory;
  return tcc_relocate(s, memory) < 0 ? failed(ctx, m, "cannot relocate") : QN_OK;
}

static qn_status compile(qn_context *ctx, TCCState *s, const char *source, uint32_t n, const qn_body *bodies,
                         tcc_code *c, messages *m) {
  tcc_set_error_func(s, m, on_message);
  tcc_set_options(s, "-nostdlib");
  if (tcc_set_output_type(s, TCC_OUTPUT_MEMORY) < 0 || tcc_compile_string(s, source) < 0)
    return failed(ctx, m, "cannot compile");
  for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
    const void *address;
    memcpy(&address, &symbols[i].fn, sizeof address);
    tcc_add_symbol(s, symbols[i].name, address);
  }
  qn_status status = place_code(ctx, s, c, m);
  for (uint32_t i = 0; i < n && !status; i++) {
    void *address = tcc_get_symbol(s, bodies[i].symbol);
    if (!address) return failed(ctx, m, bodies[i].symbol);
    memcpy(&c->code.functions[i], &address, sizeof address);
  }
  return status;
}

/* With the lock held. A jump back here means that libtcc would have called exit. */
static qn_status compile_guarded(qn_context *ctx, const char *source, uint32_t n, const qn_body *bodies, tcc_code *c) {
  static const char gave_up[] = "libtcc ran out of memory or met an inner error; restart the process to use it again";
  messages m = {.size = 0};
  jmp_buf on_exit;
  if (broken) return qn_error(ctx, QN_DIAG_ENGINE, qn_place_file(""), "%s", gave_up);
  if (setjmp(on_exit)) {
    broken = true;
    qn__tcc_host_leave();
    return qn_error(ctx, QN_DIAG_ENGINE, qn_place_file(""), "%s", gave_up);
  }
  qn__tcc_host_enter(&on_exit);
  TCCState *s = tcc_new();
  qn_status status = s ? compile(ctx, s, source, n, bodies, c, &m) : qn_error_no_memory(ctx);
  if (s) tcc_delete(s);
  qn__tcc_host_leave();
  return status;
}

/* Tools that ask for it learn the functions' names. A function reaches to the next one; the last also covers what
 * follows the code. */
static void announce(qn_context *ctx, uint32_t n, const qn_body *bodies, tcc_code *c) {
  if (!ctx->symbols) return;
  c->announced = qn__alloc_zero(&c->allocator, n * sizeof *c->announced);
  for (uint32_t i = 0; c->announced && i < n; i++) {
    uintptr_t at = (uintptr_t)c->code.functions[i], end = (uintptr_t)c->memory + c->bytes;
    for (uint32_t j = 0; j < n; j++) {
      uintptr_t other = (uintptr_t)c->code.functions[j];
      if (other > at && other < end) end = other;
    }
    c->announced[i] = qn__announce(ctx->symbols, bodies[i].symbol, (const void *)at, end - at);
  }
}

static qn_status jit(qn_context *ctx, uint32_t n, const qn_body *bodies, qn_code **out) {
  const qn_allocator *a = qn_context_allocator(ctx);
  qn_buf source;
  *out = NULL;
  tcc_code *c = qn__alloc_zero(a, sizeof *c);
  if (!c) return qn_error_no_memory(ctx);
  c->allocator = *a;
  c->num = n;
  c->code.destroy = destroy;
  c->code.functions = qn__alloc_zero(a, n * sizeof *c->code.functions);
  qn__buf_init(&source, a);
  qn_status status = n && !c->code.functions ? qn_error_no_memory(ctx) : qn__c_bodies(ctx, &source, false, n, bodies);
  if (!status) {
    pthread_mutex_lock(&lock);
    status = compile_guarded(ctx, source.data ? source.data : "", n, bodies, c);
    pthread_mutex_unlock(&lock);
  }
  if (!status && qn_trace_enabled(ctx)) qn_trace(ctx, "tcc: %u functions, %zu bytes of code", n, c->bytes);
  qn__buf_free(&source);
  if (!status && mprotect(c->memory, c->bytes, PROT_READ | PROT_EXEC) != 0)
    status = qn_error(ctx, QN_DIAG_ENGINE, qn_place_file(""), "the system does not let generated code run");
  c->code.bytes = c->bytes;
  if (status) {
    destroy(&c->code);
    return status;
  }
  announce(ctx, n, bodies, c);
  *out = &c->code;
  return QN_OK;
}

static qn_status emit(qn_context *ctx, const qn_aot *aot, qn_emit_kind kind,
                      bool (*write)(void *, const char *, size_t), void *user) {
  if (kind != QN_EMIT_C)
    return qn_error(ctx, QN_DIAG_UNSUPPORTED, qn_place_file(""), "the tcc engine writes C only; use the llvm engine");
  qn_buf out;
  qn__buf_init(&out, qn_context_allocator(ctx));
  out.flush = write;
  out.user = user;
  qn_status status = qn__c_program(ctx, aot, &out);
  if (!status && !qn__buf_finish(&out)) status = QN_ERR_IO;
  qn__buf_free(&out);
  return status;
}

static const qn_backend backend = {.name = "tcc", .jit = jit, .emit = emit};

const qn_backend *qn__tcc_backend(void) {
  return &backend;
}
