/* The cost model's constants, and a context's state of them. */
#ifndef QN_MACHINE_H
#define QN_MACHINE_H
#include "context_impl.h"
#include "map.h"
#include <assert.h>
#include <quern/tuning.h>
#include <quern/unstable/isa.h>

typedef struct qn_tuning {
  qn_machine machine;
  QN_VEC(qn_tuned) rows;
  qn_map index; /* of rows, numbered from 1, by kernel and rows of the product */
} qn_tuning;
/* choice.c: the row for the same, or null; adds one; forgets and frees all. */
qn_tuned *qn__tuning_same(const qn_tuning *t, const qn_tuned *like);
bool qn__tuning_add(const qn_allocator *a, qn_tuning *t, const qn_tuned *row);
void qn__tuning_free(const qn_allocator *a, qn_tuning *t);

/* Null where the context has never been told anything. */
const qn_tuning *qn__tuning_of(const qn_context *ctx);
/* Made when it is not there; null after reporting that memory ran out. */
qn_tuning *qn__tuning_make(qn_context *ctx);
/* Whether v is a value that constant i may have. */
bool qn__machine_fits(size_t i, double v);

/* Nanoseconds of a multiply-add of a product whose right side has such elements. */
double qn__machine_mac_ns(const qn_machine *m, const qn_isa *isa, qn_scalar elem);
/* Nanoseconds a byte, read from as near as so many bytes can be kept. */
double qn__machine_byte_ns(const qn_machine *m, double bytes);
#endif
