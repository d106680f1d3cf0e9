/* What the cost model is told of a machine: constants (machine.def), which a new context has at their defaults.
 *
 * Nothing here changes what a program computes. The constants are copied into a program when it is compiled; those
 * that code depends on are written into the lowered module, so that saved programs keep them. */
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

/* The processor's own name, such as "Intel(R) Xeon(R) Processor"; the name of the best instruction set row where it
 * has none. Returns `text`. */
QN_API const char *qn_cpu_name(char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
