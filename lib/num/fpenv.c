#include "fpenv.h"
#include <float.h>

/* 16 is 0 on a processor that computes in _Float16 too. */
_Static_assert(FLT_EVAL_METHOD == 0 || FLT_EVAL_METHOD == 16,
               "float expressions must be rounded to their own type (no x87, no wider evaluation)");
_Static_assert(FLT_RADIX == 2 && FLT_MANT_DIG == 24 && DBL_MANT_DIG == 53, "float and double must be IEEE 754");

#if defined(__x86_64__)
#  include <xmmintrin.h>

qn_fp_env qn__fp_enter(void) {
  qn_fp_env saved = {_mm_getcsr()};
  /* All masked, nearest, no FTZ (0x8000), no DAZ (0x40). Reading is cheap and writing is not, so it is left out where
   * it changes nothing but the low six bits, which only record what happened. */
  if ((saved.mxcsr & ~0x3Fu) != 0x1F80u) _mm_setcsr(0x1F80u);
  return saved;
}

void qn__fp_leave(qn_fp_env saved) {
  if (_mm_getcsr() != saved.mxcsr) _mm_setcsr(saved.mxcsr);
}

#elif defined(__aarch64__)

qn_fp_env qn__fp_enter(void) {
  qn_fp_env saved;
  __asm__ volatile("mrs %0, fpcr" : "=r"(saved.fpcr));
  __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0) : "memory");
  return saved;
}

void qn__fp_leave(qn_fp_env saved) {
  __asm__ volatile("msr fpcr, %0" : : "r"(saved.fpcr) : "memory");
}

#else

qn_fp_env qn__fp_enter(void) {
  qn_fp_env saved;
  feholdexcept(&saved.env);
  fesetround(FE_TONEAREST);
  return saved;
}

void qn__fp_leave(qn_fp_env saved) {
  fesetenv(&saved.env);
}

#endif
