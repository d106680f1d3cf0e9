/* The context: allocator, diagnostics, interned strings and types.
 *
 * Everything belongs to a context. A context is used by one thread at a time; contexts are independent of each other,
 * and there is no global state. Destroy what was made in a context (modules, engines, pass managers) before it. */
#ifndef QUERN_CONTEXT_H
#define QUERN_CONTEXT_H

#include <quern/base.h>
#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qn_context qn_context;

typedef enum qn_diag_code {
#define QN_DIAG(symbol, name, doc) QN_DIAG_##symbol,
#include <quern/diags.def>
#undef QN_DIAG
  QN_DIAG_COUNT
} qn_diag_code;

typedef enum qn_severity { QN_ERROR, QN_WARNING, QN_NOTE } qn_severity;

/* Where something stands in a source file. line and col count from 1; 0 is unknown. `file` may be empty. For binary
 * inputs `file` is the path and `entity` says which part ("node 'Gemm_3'", "tensor 'w1'"); entity may be empty.
 * `source` is the whole text when the file is text in memory, so that a handler can show the line; else empty. */
typedef struct qn_place {
  qn_str file;
  uint32_t line, col;
  qn_str entity;
  qn_str source;
} qn_place;

/* One message. Notes arrive as diagnostics of their own with severity QN_NOTE, right after what they explain. All
 * pointers are valid during the handler call only. */
typedef struct qn_diag {
  qn_severity severity;
  qn_diag_code code;
  qn_place place;
  qn_str message; /* also zero-terminated */
} qn_diag;

typedef void (*qn_diag_handler)(void *user, const qn_diag *diag);

/* A line of trace, for people: each kernel and each piece of code when it is made, and what is done without: a cache
 * folder, a code generator. Off unless set. */
typedef void (*qn_trace_handler)(void *user, qn_str line);

/* What a kernel, or a whole call of a program, did: engine.h has the event. Called on the thread that makes the call,
 * so on several at once where several call programs of this context: the handler takes care of that. */
struct qn_call_event;
typedef void (*qn_call_handler)(void *user, const struct qn_call_event *event);

/* How far a long job is: `done` of `total` runs of `what` ("calibrate"). Called on the context's thread. */
typedef void (*qn_progress_handler)(void *user, const char *what, int64_t done, int64_t total);

/* Tools to which machine code is made known by name. The files are named by process: /tmp/perf-PID.map, and
 * jit-PID.dump in JITDUMPDIR or /tmp; one that cannot be written, or belongs to someone else, is done without. */
typedef enum qn_symbols {
  QN_SYMBOLS_GDB = 1,      /* backtraces and breakpoints, while the program lives */
  QN_SYMBOLS_PERF_MAP = 2, /* perf report */
  QN_SYMBOLS_JITDUMP = 4   /* perf record -k mono, perf inject --jit: instructions too */
} qn_symbols;

typedef struct qn_context_options {
  const qn_allocator *allocator; /* copied; null for the C library's */
  qn_diag_handler on_diag;       /* null drops messages; status codes remain */
  void *on_diag_user;
  qn_trace_handler on_trace; /* null for none */
  void *on_trace_user;
  qn_call_handler on_call; /* null for none: calls are not timed then */
  void *on_call_user;
  qn_progress_handler on_progress; /* null for none */
  void *on_progress_user;
  uint32_t symbols; /* bits of qn_symbols; 0 for none */
} qn_context_options;

/* Returns null only when memory runs out. `options` may be null. */
QN_API qn_context *qn_context_create(const qn_context_options *options);
QN_API void qn_context_destroy(qn_context *ctx);
QN_API const qn_allocator *qn_context_allocator(qn_context *ctx);
/* Replaces the handler and gives back the old one through the pointers (each may be null). */
QN_API void qn_context_set_diag_handler(qn_context *ctx, qn_diag_handler handler, void *user,
                                        qn_diag_handler *old_handler, void **old_user);
/* The same for the handler of call events. No program of the context may be running meanwhile. */
QN_API void qn_context_set_call_handler(qn_context *ctx, qn_call_handler handler, void *user,
                                        qn_call_handler *old_handler, void **old_user);
/* Errors reported since creation. */
QN_API size_t qn_context_error_count(const qn_context *ctx);

QN_API const char *qn_diag_name(qn_diag_code code);
QN_API const char *qn_diag_doc(qn_diag_code code);

/* Report an error and return the status that goes with its code, so that `return qn_error(...)` reads well. */
QN_API qn_status qn_error(qn_context *ctx, qn_diag_code code, qn_place place, const char *fmt, ...) QN_PRINTF(4, 5);
QN_API void qn_warning(qn_context *ctx, qn_diag_code code, qn_place place, const char *fmt, ...) QN_PRINTF(4, 5);
QN_API void qn_note(qn_context *ctx, qn_place place, const char *fmt, ...) QN_PRINTF(3, 4);
QN_API qn_status qn_report(qn_context *ctx, qn_severity severity, qn_diag_code code, qn_place place, const char *fmt,
                           va_list args);
/* Reports exhausted memory once per context and returns QN_ERR_NO_MEMORY. */
QN_API qn_status qn_error_no_memory(qn_context *ctx);
/* Reports that `function` was given a null pointer where there must be something, and returns QN_ERR_INPUT; without a
 * context only that. */
QN_API qn_status qn_error_null(qn_context *ctx, const char *function);
QN_API void qn_trace(qn_context *ctx, const char *fmt, ...) QN_PRINTF(2, 3);
QN_API void qn_progress(qn_context *ctx, const char *what, int64_t done, int64_t total);
QN_API bool qn_trace_enabled(const qn_context *ctx);
/* A place that is only a file name (or "" for nowhere). */
QN_API qn_place qn_place_file(const char *file);

#ifdef __clang_analyzer__ /* static analysis cannot see that reporting never answers QN_OK */
#  define qn_error(...)           ((void)(qn_error)(__VA_ARGS__), QN_ERR_INPUT)
#  define qn_error_no_memory(ctx) ((void)(qn_error_no_memory)(ctx), QN_ERR_NO_MEMORY)
#endif

/* Interned strings: equal text has equal id within a context. Id 0 is the empty string. */
typedef struct qn_name {
  uint32_t id;
} qn_name;

QN_API qn_name qn_name_of(qn_context *ctx, qn_str text);
QN_API qn_name qn_name_of_c(qn_context *ctx, const char *text);
/* Valid as long as the context; also zero-terminated. */
QN_API qn_str qn_name_str(const qn_context *ctx, qn_name name);

#ifdef __cplusplus
}
#endif
#endif
