/* The argument block of every compiled kernel: `int32_t k(const qn_kargs *)` (JIT, libtcc, objects and emitted C). What
 * each array holds depends on the kernel; strides are in bytes. Compiled code never allocates, prints or traps. */
#ifndef QUERN_UNSTABLE_KARGS_H
#define QUERN_UNSTABLE_KARGS_H

#include <stdint.h>

typedef struct qn_kargs {
  void *const *ptr;
  const int64_t *size;
  const int64_t *stride;
  void *workspace;
  int64_t begin[2], end[2]; /* the part of the work to do */
} qn_kargs;

typedef int32_t (*qn_kernel_fn)(const qn_kargs *args);

#endif
