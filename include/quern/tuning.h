/* What the cost model is told: constants of a machine (machine.def), which a new context has at their defaults, and
 * better choices for single kernels (choices.def), which were found by measuring. Both stand in a tuning file, which
 * nothing reads but qn_tuning_read.
 *
 * Nothing here changes what a program computes. lower-kernels writes what applies to a kernel into the module, as the
 * attribute quern.choice, so that saved and printed programs keep it; constants that no code depends on are copied
 * into a program when it is compiled. */
#ifndef QUERN_TUNING_H
#define QUERN_TUNING_H

#include <quern/context.h>
#include <quern/scalar.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qn_machine {
#define QN_MACHINE(field, otherwise, least, most, unit, doc) double field;
#include <quern/machine.def>
#undef QN_MACHINE
} qn_machine;

/* A row of machine.def. */
typedef struct qn_machine_constant {
  const char *name, *unit, *doc;
  double otherwise, least, most;
} qn_machine_constant;
QN_API const qn_machine_constant *qn_machine_constant_get(size_t i); /* null past the end */
/* Constant i of a machine. */
QN_API double *qn_machine_at(qn_machine *machine, size_t i);

QN_API qn_machine qn_machine_default(void);
/* The context's. */
QN_API qn_machine qn_context_machine(const qn_context *ctx);
/* Takes effect for what is lowered and compiled afterwards. A constant that is out of range is a diagnostic, and
 * nothing changes. Null for the defaults. */
QN_API qn_status qn_context_set_machine(qn_context *ctx, const qn_machine *machine);

/* ---- choices for single kernels ---- */

typedef enum qn_choice_key {
#define QN_CHOICE(symbol, name, least, most, kinds, constant, doc) QN_CHOICE_##symbol,
#include <quern/choices.def>
#undef QN_CHOICE
  QN_CHOICE_COUNT
} qn_choice_key;

/* Kernels that choices are for. */
typedef enum qn_tuned_kind {
  QN_TUNED_GEMM = 1 << 0,     /* kern.gemm of matrices */
  QN_TUNED_CONV = 1 << 1,     /* kern.gemm over windows */
  QN_TUNED_BLOCK = 1 << 2,    /* kern.block_gemm */
  QN_TUNED_LOOP = 1 << 3,     /* kern.map, kern.row: by the machine's constants only */
  QN_TUNED_ATTENTION = 1 << 4 /* kern.attention */
} qn_tuned_kind;

/* A row of choices.def. */
typedef struct qn_choice_info {
  const char *name;
  const char *constant; /* of the machine, which stands where nothing is chosen; null for none */
  const char *doc;
  int64_t least, most;
  uint32_t kinds; /* of qn_tuned_kind */
} qn_choice_info;
QN_API const qn_choice_info *qn_choice_info_get(size_t i); /* null past the end */

typedef struct qn_choice {
  int64_t value[QN_CHOICE_COUNT]; /* -1: nothing is chosen */
} qn_choice;
QN_API qn_choice qn_choice_none(void);

/* Which products a choice is for, and what it is. */
typedef struct qn_tuned {
  qn_tuned_kind kind;
  char isa[24];            /* row of isa.def */
  char types[48];          /* "ui8,i8,i32": left, right, sum; of BLOCK "i8,LAYOUT": left, layout of the weights; of
                              ATTENTION "f32,f32,64": queries, keys, keys of a block */
  int64_t n, k;            /* columns and depth of the right side; of ATTENTION: keys, and elements of each */
  int64_t m_least, m_most; /* rows (queries): 0 and INT64_MAX for any, and for products whose rows are not known */
  qn_choice choice;
  double gain; /* times as fast as without, when it was found */
} qn_tuned;

enum { QN_TUNED_MOST = 65536 };

/* What becomes of a file that was measured on another processor. */
typedef enum qn_foreign {
  QN_FOREIGN_IGNORE, /* a warning; the defaults are used */
  QN_FOREIGN_USE,    /* taken as it is: for code that will run there */
  QN_FOREIGN_REFUSE  /* an error: for those that are going to add to it */
} qn_foreign;

/* Replaces the context's constants and choices by those of a file; null for the defaults. Lines:
 *   # a comment
 *   version = 1
 *   cpu = Intel(R) Xeon(R) Processor
 *   l2_bytes = 2097152
 *   gemm isa=avx512vnni types=ui8,i8,i32 m=64 n=768 k=768 : rows=8 panel=48 gain=1.043
 * `m` is one number, a range (17-64) or * for any. What is malformed, unknown, out of range or said twice is a
 * diagnostic at its line, and nothing changes. */
QN_API qn_status qn_tuning_read(qn_context *ctx, const char *path, qn_foreign foreign);
/* The same from text; `name` is for messages. */
QN_API qn_status qn_tuning_parse(qn_context *ctx, const char *name, qn_str text, qn_foreign foreign);
/* Writes the context's constants and choices, whole or not at all. */
QN_API qn_status qn_tuning_write(qn_context *ctx, const char *path);

/* The context's choices, in order; null past the end. Valid until they change. */
QN_API const qn_tuned *qn_tuning_get(const qn_context *ctx, size_t i);
/* Adds one, in place of what is there for the same kernel and rows. One that cannot be is a diagnostic. */
QN_API qn_status qn_tuning_put(qn_context *ctx, const qn_tuned *tuned);
/* Takes the one for the same kernel and rows away, if there is one. */
QN_API void qn_tuning_remove(qn_context *ctx, const qn_tuned *tuned);
/* What the context chooses for a kernel: `like` has kind, isa, types, n, k, and its rows as m_least = m_most, or -1
 * where they are not known. The narrowest range that fits is taken, then the machine's constants where they are not at
 * their defaults. True when anything is chosen. */
QN_API bool qn_tuning_find(const qn_context *ctx, const qn_tuned *like, qn_choice *out);

/* "rows=8 panel=48": values that are chosen, in order. Returns `text`. */
QN_API const char *qn_choice_text(const qn_choice *choice, char *text, size_t size);

/* The processor's own name, such as "Intel(R) Xeon(R) Processor"; the name of the best instruction set row where it
 * has none. Returns `text`. */
QN_API const char *qn_cpu_name(char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
