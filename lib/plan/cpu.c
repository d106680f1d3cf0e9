/* cpuid, and xgetbv for whether the operating system saves the wide registers: an instruction set that the processor
 * has but the system does not save is one that programs cannot use. */
#include "cpu.h"
#include <stdint.h>

#if defined(__x86_64__) && defined(__GNUC__)
#  include <cpuid.h>

typedef struct regs {
  uint32_t a, b, c, d;
} regs;

static regs leaf(uint32_t number, uint32_t sub) {
  regs r = {0, 0, 0, 0};
  if (!__get_cpuid_count(number, sub, &r.a, &r.b, &r.c, &r.d)) return (regs){0, 0, 0, 0};
  return r;
}

static uint64_t saved_state(void) {
  uint32_t lo, hi;
  __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
  return (uint64_t)hi << 32 | lo;
}

static bool has(uint32_t word, uint32_t bits) {
  return (word & bits) == bits;
}

/* Bit numbers are those of the processor manuals' cpuid tables. */
#  define BIT(n) (1u << (n))

qn_cpu qn__cpu_detect(void) {
  enum { FMA = 12, MOVBE = 22, OSXSAVE = 27, AVX = 28, F16C = 29 };                                 /* 1.ecx */
  enum { BMI1 = 3, AVX2 = 5, BMI2 = 8, AVX512F = 16, AVX512DQ = 17, AVX512CD = 28, AVX512BW = 30 }; /* 7.ebx */
  enum { AVX512VNNI = 11, LZCNT = 5 }; /* 7.ecx, 80000001.ecx */
  const uint64_t ymm_state = 0x6, zmm_state = 0xE6;
  qn_cpu cpu = {1, false};
  regs one = leaf(1, 0), seven = leaf(7, 0), extended = leaf(0x80000001u, 0);
  if (!has(one.c, BIT(OSXSAVE))) return cpu;
  uint64_t state = saved_state();
  bool v3 = (state & ymm_state) == ymm_state && has(one.c, BIT(FMA) | BIT(MOVBE) | BIT(AVX) | BIT(F16C)) &&
            has(seven.b, BIT(BMI1) | BIT(AVX2) | BIT(BMI2)) && has(extended.c, BIT(LZCNT));
  if (!v3) return cpu;
  cpu.x86_level = 3;
  bool v4 = (state & zmm_state) == zmm_state &&
            has(seven.b, BIT(AVX512F) | BIT(AVX512DQ) | BIT(AVX512CD) | BIT(AVX512BW) | 1u << 31 /* VL */);
  if (!v4) return cpu;
  cpu.x86_level = 4;
  cpu.avx512vnni = has(seven.c, BIT(AVX512VNNI));
  return cpu;
}

#else
qn_cpu qn__cpu_detect(void) {
  return (qn_cpu){0, false};
}
#endif
