/* Ahead of time: the same jobs that a call would run, written down as data for a code generator. */
#include "context_impl.h"
#include "fileio.h"
#include "program.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct collect {
  const qn_program *p;
  const qn_bound *b;
  qn_arena *arena;
  size_t codes_at;
  QN_VEC(qn_call) calls;
  bool failed;
} collect;

static qn_ref ref_of(const collect *c, qn_pref ptr) {
  if (ptr.value == QN__REF_CODES) return (qn_ref){QN_BASE_WORKSPACE, 0, (int64_t)c->codes_at + ptr.offset};
  const qn_pvalue *v = &c->p->values[ptr.value];
  switch (v->where) {
  case QN_AT_INPUT: return (qn_ref){QN_BASE_INPUT, v->index, ptr.offset};
  case QN_AT_OUTPUT: return (qn_ref){QN_BASE_OUTPUT, v->index, ptr.offset};
  case QN_AT_CONSTANT: return (qn_ref){QN_BASE_CONSTANT, 0, (int64_t)v->offset + ptr.offset};
  case QN_AT_SLOT: break;
  }
  return (qn_ref){QN_BASE_WORKSPACE, 0, (int64_t)c->b->slot_offset[v->index] + ptr.offset};
}

static bool collect_job(void *user, const qn_job *job) {
  collect *c = user;
  qn_piece pieces[2];
  uint32_t n = qn__job_pieces(job, 0, 1, pieces);
  for (uint32_t i = 0; i < n; i++) {
    qn_call call = {.body = pieces[i].body,
                    .num_ptrs = job->num_ptrs,
                    .num_sizes = job->num_sizes,
                    .num_strides = job->num_strides};
    call.ptrs = qn__arena_array(c->arena, (size_t)job->num_ptrs + 1, sizeof *call.ptrs);
    call.sizes = qn__arena_copy(c->arena, job->sizes, job->num_sizes * sizeof *job->sizes);
    call.strides = qn__arena_copy(c->arena, job->strides, job->num_strides * sizeof *job->strides);
    memcpy(call.begin, pieces[i].begin, sizeof call.begin);
    memcpy(call.end, pieces[i].end, sizeof call.end);
    c->failed |= !call.ptrs || !call.sizes || !call.strides || !qn__push(&c->p->allocator, &c->calls, call);
    if (c->failed) return false;
    qn_call *last = &c->calls.data[c->calls.size - 1];
    for (uint32_t k = 0; k < job->num_ptrs; k++) last->ptrs[k] = ref_of(c, job->ptrs[k]);
  }
  return true;
}

/* Outputs that no kernel writes in place (an input or constant returned, or one value twice) are copied by a kernel
 * of their own: qn_lower_ahead makes one, so here it is an error that says so. */
static qn_status check_outputs(const qn_program *p) {
  for (uint32_t i = 0; i < p->num_outputs; i++) {
    const qn_pvalue *v = &p->values[p->outputs[i]];
    if (v->where != QN_AT_OUTPUT || v->index != i)
      return qn_error(
          p->ctx, QN_DIAG_UNSUPPORTED, qn_place_file(""),
          "output '%.*s' is an input, a constant or another output; compiled code writes only what a kernel "
          "computes; qn_lower_ahead makes a copying kernel for each of these",
          (int)p->output_names[i].size, p->output_names[i].data);
  }
  return QN_OK;
}

static qn_status ports(const qn_program *p, qn_arena *arena, const qn_bound *b, const uint32_t *values,
                       const qn_str *names, uint32_t n, const qn_port **out) {
  qn_port *made = qn__arena_array(arena, (size_t)n + 1, sizeof *made);
  if (!made) return qn_error_no_memory(p->ctx);
  for (uint32_t i = 0; i < n; i++)
    made[i] = (qn_port){names[i], p->values[values[i]].type_text, qn__value_bytes(p, b, values[i])};
  *out = made;
  return QN_OK;
}

/* Inputs of the declared shapes; all sizes must be known. */
static qn_status static_inputs(const qn_program *p, qn_arena *arena, DLTensor **out) {
  DLTensor *in = qn__arena_array(arena, (size_t)p->num_inputs + 1, sizeof *in);
  if (!in) return qn_error_no_memory(p->ctx);
  for (uint32_t i = 0; i < p->num_inputs; i++) {
    qn_pvalue *v = &p->values[p->inputs[i]];
    for (uint32_t d = 0; d < v->rank; d++)
      if (v->shape[d] == QN_DYNAMIC)
        return qn_error(p->ctx, QN_DIAG_SHAPE, qn_place_file(""),
                        "input '%.*s' is %.*s: ahead-of-time code needs every size; bind them (--dim NAME=n)",
                        (int)p->input_names[i].size, p->input_names[i].data, (int)v->type_text.size, v->type_text.data);
    in[i] = (DLTensor){.ndim = (int)v->rank, .shape = v->shape};
  }
  *out = in;
  return QN_OK;
}

typedef struct aot {
  qn_arena arena;
  qn_bound bound;
  collect calls;
  qn_aot out;
} aot;

/* Only the bodies that are called, in the order of their first call. */
static qn_status used_bodies(const qn_program *p, aot *a) {
  uint32_t *number = qn__arena_array(&a->arena, (size_t)p->num_bodies + 1, sizeof *number), n = 0;
  qn_body *bodies = qn__arena_array(&a->arena, (size_t)p->num_bodies + 1, sizeof *bodies);
  if (!number || !bodies) return qn_error_no_memory(p->ctx);
  for (uint32_t i = 0; i < a->calls.calls.size; i++) {
    qn_call *c = &a->calls.calls.data[i];
    if (!number[c->body]) {
      bodies[n] = p->bodies[c->body];
      number[c->body] = ++n;
    }
    c->body = number[c->body] - 1;
  }
  if (!n && p->num_bodies) bodies[n++] = p->bodies[0]; /* nothing runs; code generators want something to write */
  a->out.bodies = bodies;
  a->out.num_bodies = n;
  return QN_OK;
}

static qn_status describe(const qn_program *p, const char *entry, aot *a) {
  DLTensor *in = NULL;
  qn_call_error error = {.message = ""};
  qn_status status = check_outputs(p);
  if (!status) status = static_inputs(p, &a->arena, &in);
  if (status) return status;
  char *header = qn__arena_alloc(&a->arena, qn__bound_header(p) + 64);
  if (!header) return qn_error_no_memory(p->ctx);
  a->bound = qn__bound_at(p, header);
  if (qn__bind(p, in, &a->bound, &error)) return qn_error(p->ctx, error.code, qn_place_file(""), "%s", error.message);
  a->calls = (collect){.p = p, .b = &a->bound, .arena = &a->arena, .codes_at = a->bound.slot_offset[p->num_slots]};
  for (uint32_t i = 0; i < p->num_steps; i++)
    if (!qn__step_jobs(p, &p->steps[i], &a->bound, collect_job, &a->calls)) return qn_error_no_memory(p->ctx);
  qn_blob *block = qn__arena_new(&a->arena, qn_blob);
  if (!block) return qn_error_no_memory(p->ctx);
  *block = (qn_blob){p->constants, p->constants_bytes, "weights and parameters"};
  a->out = (qn_aot){.entry = entry,
                    .num_calls = a->calls.calls.size,
                    .calls = a->calls.calls.data,
                    .num_constants = p->constants_bytes ? 1 : 0,
                    .constants = block,
                    .num_inputs = p->num_inputs,
                    .num_outputs = p->num_outputs,
                    .workspace_bytes = a->calls.codes_at + a->bound.codes_bytes + 64};
  status = used_bodies(p, a);
  if (!status) status = ports(p, &a->arena, &a->bound, p->inputs, p->input_names, p->num_inputs, &a->out.inputs);
  return status ? status : ports(p, &a->arena, &a->bound, p->outputs, p->output_names, p->num_outputs, &a->out.outputs);
}

/* ---- files ---- */

static qn_status emit_file(const qn_program *p, const qn_backend *backend, const qn_aot *a, qn_emit_kind kind,
                           const char *path) {
  qn_writer w;
  qn_status status = qn__writer_open(p->ctx, path, &w);
  if (status) return status;
  status = backend->emit(p->ctx, a, kind, qn__writer_put, &w);
  if (!status || w.error) return qn__writer_commit(&w); /* which reports what could not be written */
  qn__writer_abandon(&w);
  return status;
}

/* The header, written but not yet in its place, so that code and header appear together or not at all. */
static qn_status begin_header(const qn_program *p, const qn_aot *a, const char *path, qn_writer *w) {
  qn_status status = qn__writer_open(p->ctx, path, w);
  if (status) return status;
  qn_buf text;
  qn__buf_init(&text, &p->allocator);
  qn__aot_header(a, &text);
  bool ok = !text.failed;
  if (ok) qn__writer_put(w, text.data, text.size);
  qn__buf_free(&text);
  if (ok && !w->error) return QN_OK;
  if (ok) return qn__writer_commit(w); /* reports what could not be written */
  qn__writer_abandon(w);
  return qn_error_no_memory(p->ctx);
}

/* Runs `cc -shared` on the object; no shell is involved. `path` is what the caller asked for. */
static qn_status link_shared(qn_context *ctx, const char *object, const char *linked, const char *path) {
  pid_t pid = fork();
  if (pid == 0) {
    execlp("cc", "cc", "-shared", "-nostdlib", "-Wl,-z,noexecstack", "-o", linked, object, (char *)NULL);
    _exit(127);
  }
  int state = 0;
  pid_t ended = pid;
  while (pid > 0 && (ended = waitpid(pid, &state, 0)) < 0 && errno == EINTR) continue; /* the embedder's signals */
  if (ended < 0) return qn_error(ctx, QN_DIAG_IO, qn_place_file(path), "cannot run cc: %s", strerror(errno));
  if (WIFEXITED(state) && WEXITSTATUS(state) == 0) return QN_OK;
  if (WIFEXITED(state) && WEXITSTATUS(state) == 127)
    return qn_error(ctx, QN_DIAG_ENGINE, qn_place_file(path),
                    "there is no cc on the PATH; a shared library is linked with a C compiler driver");
  return qn_error(ctx, QN_DIAG_ENGINE, qn_place_file(path), "cc -shared failed (%d): it links for its own machine only",
                  WIFEXITED(state) ? WEXITSTATUS(state) : -1);
}

static qn_status copy_file(qn_context *ctx, const char *from, const char *to) {
  qn_file f;
  qn_writer w;
  qn_status status = qn__file_open(ctx, from, &f);
  if (status) return status;
  status = qn__writer_open(ctx, to, &w);
  if (!status) {
    qn__writer_put(&w, f.data, f.size);
    status = qn__writer_commit(&w);
  }
  qn__file_close(&f);
  return status;
}

/* Compiled and linked in a folder of its own, then written as every other output is. */
static qn_status emit_shared(const qn_program *p, const qn_backend *backend, const qn_aot *a, const char *path) {
  char folder[256], object[300], linked[300], six[7] = "";
  const char *temp = getenv("TMPDIR");
  memset(six, 'X', 6); /* what mkdtemp replaces */
  int n = snprintf(folder, sizeof folder, "%s/quern-%s", temp && *temp ? temp : "/tmp", six);
  if (n < 0 || (size_t)n >= sizeof folder || !mkdtemp(folder))
    return qn_error(p->ctx, QN_DIAG_IO, qn_place_file(path), "cannot make a folder for linking: %s", strerror(errno));
  snprintf(object, sizeof object, "%s/object.o", folder);
  snprintf(linked, sizeof linked, "%s/linked.so", folder);
  qn_status status = emit_file(p, backend, a, QN_EMIT_OBJ, object);
  if (!status) status = link_shared(p->ctx, object, linked, path);
  if (!status) status = copy_file(p->ctx, linked, path);
  unlink(linked);
  unlink(object);
  rmdir(folder);
  return status;
}

/* The header is read as C and as C++: what is a word of either language cannot be a name. */
static bool is_keyword(const char *s) {
  static const char *const words[] = {
      "alignas",     "alignof",  "and",      "and_eq",    "asm",        "auto",         "bitand",
      "bitor",       "bool",     "break",    "case",      "catch",      "char",         "char16_t",
      "char32_t",    "class",    "compl",    "const",     "const_cast", "constexpr",    "continue",
      "decltype",    "default",  "delete",   "do",        "double",     "dynamic_cast", "else",
      "enum",        "explicit", "export",   "extern",    "false",      "float",        "for",
      "friend",      "goto",     "if",       "inline",    "int",        "long",         "mutable",
      "namespace",   "new",      "noexcept", "not",       "not_eq",     "nullptr",      "operator",
      "or",          "or_eq",    "private",  "protected", "public",     "register",     "reinterpret_cast",
      "restrict",    "return",   "short",    "signed",    "sizeof",     "static",       "static_assert",
      "static_cast", "struct",   "switch",   "template",  "this",       "thread_local", "throw",
      "true",        "try",      "typedef",  "typeid",    "typename",   "union",        "unsigned",
      "using",       "virtual",  "void",     "volatile",  "wchar_t",    "while",        "xor",
      "xor_eq"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    if (!strcmp(s, words[i])) return true;
  return false;
}

static bool is_identifier(const char *s) {
  if (!s || !(isalpha((unsigned char)*s) || *s == '_') || is_keyword(s)) return false;
  for (; *s; s++)
    if (!isalnum((unsigned char)*s) && *s != '_') return false;
  return true;
}

qn_status qn_program_emit(const qn_module *m, const qn_compile_options *options, qn_emit_format format,
                          const char *entry, const char *path, const char *header_path) {
  if (!m || !path) return qn_error_null(qn_module_context(m), __func__);
  static const qn_emit_kind kinds[] = {QN_EMIT_OBJ, QN_EMIT_ASM, QN_EMIT_LLVM, QN_EMIT_C, QN_EMIT_OBJ};
  qn_context *ctx = qn_module_context(m);
  const char *engine = format == QN_FORMAT_C ? "tcc" : "llvm";
  const qn_backend *backend;
  const qn_isa *isa;
  qn_op func;
  qn_program *p = NULL;
  if (!is_identifier(entry))
    return qn_error(ctx, QN_DIAG_ATTRIBUTE, qn_place_file(path), "entry name '%s' is no C identifier",
                    entry ? entry : "");
  if ((unsigned)format >= sizeof kinds / sizeof *kinds)
    return qn_error(ctx, QN_DIAG_ATTRIBUTE, qn_place_file(path), "there is no format of number %d", (int)format);
  if (header_path && !strcmp(path, header_path))
    return qn_error(ctx, QN_DIAG_IO, qn_place_file(path), "the code and its header are to be the same file");
  qn_status status = qn__compile_target(m, options, &func, &isa);
  if (!status) status = qn__backend_find(ctx, engine, &backend);
  if (!status) status = qn__program_build(m, func, isa, engine, NULL, false, &p);
  if (status) return status;
  aot a = {0};
  qn__arena_init(&a.arena, &p->allocator);
  status = describe(p, entry, &a);
  qn_writer header;
  bool with_header = !status && header_path && !(status = begin_header(p, &a.out, header_path, &header));
  if (!status && format == QN_FORMAT_SO)
    status = emit_shared(p, backend, &a.out, path);
  else if (!status)
    status = emit_file(p, backend, &a.out, kinds[format], path);
  if (with_header && status) qn__writer_abandon(&header);
  if (with_header && !status) status = qn__writer_commit(&header);
  qn__vec_free(&p->allocator, &a.calls.calls);
  qn__arena_free(&a.arena);
  qn_program_destroy(p);
  return status;
}
