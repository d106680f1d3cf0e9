/* The floating-point environment that results are promised in: round to nearest even, subnormals kept, exceptions
 * masked. Program calls, worker tasks and evaluators enter it and leave with the caller's settings restored.
 *
 *   qn_fp_env saved = qn__fp_enter();
 *   compute();               // in a function of its own: a compiler may move plain arithmetic across these calls
 *   qn__fp_leave(saved);
 */
#ifndef QN_FPENV_H
#define QN_FPENV_H
#include <stdint.h>

#if !defined(__x86_64__) && !defined(__aarch64__)
#  include <fenv.h>
#endif

typedef struct qn_fp_env {
#if defined(__x86_64__)
  uint32_t mxcsr;
#elif defined(__aarch64__)
  uint64_t fpcr;
#else
  fenv_t env;
#endif
} qn_fp_env;

qn_fp_env qn__fp_enter(void);
void qn__fp_leave(qn_fp_env saved);
#endif
