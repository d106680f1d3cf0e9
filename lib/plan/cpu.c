/* cpuid, and xgetbv for whether the operating system saves the wide registers: an instruction set that the processor
 * has but the system does not save is one that programs cannot use. Elsewhere the system's word on what there is. */
#define _GNU_SOURCE /* syscall */
#include "cpu.h"
#include <stdint.h>
#include <string.h>

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

/* Linux gives tile registers to processes that ask. */
#  ifdef __linux__
#    include <sys/syscall.h>
#    include <unistd.h>
static bool may_use_tiles(void) {
  enum { ARCH_REQ_XCOMP_PERM = 0x1023, XTILEDATA = 18 };
  return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA) == 0;
}
#  else
static bool may_use_tiles(void) {
  return false;
}
#  endif

/* Bit numbers are those of the processor manuals' cpuid tables. */
#  define BIT(n) (1u << (n))

qn_cpu qn__cpu_detect(void) {
  enum { FMA = 12, MOVBE = 22, OSXSAVE = 27, AVX = 28, F16C = 29 };                                 /* 1.ecx */
  enum { BMI1 = 3, AVX2 = 5, BMI2 = 8, AVX512F = 16, AVX512DQ = 17, AVX512CD = 28, AVX512BW = 30 }; /* 7.ebx */
  enum { AVX512VBMI = 1, AVX512VNNI = 11, LZCNT = 5 };  /* 7.ecx, 80000001.ecx */
  enum { AMX_BF16 = 22, AMX_TILE = 24, AMX_INT8 = 25 }; /* 7.edx */
  enum { AVXVNNI = 4, AVX512BF16 = 5 };                 /* 7.1.eax */
  const uint64_t ymm_state = 0x6, zmm_state = 0xE6, tile_state = 0x60000;
  qn_cpu cpu = {.x86_level = 1};
  regs one = leaf(1, 0), seven = leaf(7, 0), extended = leaf(0x80000001u, 0);
  if (!has(one.c, BIT(OSXSAVE))) return cpu;
  uint64_t state = saved_state();
  bool v3 = (state & ymm_state) == ymm_state && has(one.c, BIT(FMA) | BIT(MOVBE) | BIT(AVX) | BIT(F16C)) &&
            has(seven.b, BIT(BMI1) | BIT(AVX2) | BIT(BMI2)) && has(extended.c, BIT(LZCNT));
  if (!v3) return cpu;
  cpu.x86_level = 3;
  regs more = seven.a >= 1 ? leaf(7, 1) : (regs){0, 0, 0, 0};
  cpu.avxvnni = has(more.a, BIT(AVXVNNI));
  bool v4 = (state & zmm_state) == zmm_state &&
            has(seven.b, BIT(AVX512F) | BIT(AVX512DQ) | BIT(AVX512CD) | BIT(AVX512BW) | 1u << 31 /* VL */);
  if (!v4) return cpu;
  cpu.x86_level = 4;
  cpu.avx512vnni = has(seven.c, BIT(AVX512VNNI));
  cpu.avx512vbmi = cpu.avx512vnni && has(seven.c, BIT(AVX512VBMI));
  cpu.avx512bf16 = cpu.avx512vbmi && has(more.a, BIT(AVX512BF16));
  /* Tiles of bytes came together with tiles of bf16, and with vdpbf16ps: one row has all. */
  cpu.amx_int8 = cpu.avx512bf16 && (state & tile_state) == tile_state &&
                 has(seven.d, BIT(AMX_TILE) | BIT(AMX_INT8) | BIT(AMX_BF16)) && may_use_tiles();
  return cpu;
}

/* 48 characters in three leaves. */
void qn__cpu_brand(char name[64]) {
  char text[49] = "";
  for (uint32_t i = 0; i < 3; i++) {
    regs r = leaf(0x80000002u + i, 0);
    memcpy(text + 16 * (size_t)i, &r, 16);
  }
  size_t from = strspn(text, " "), size = strlen(text);
  while (size > from && text[size - 1] == ' ') size--;
  memcpy(name, text + from, size - from);
  name[size - from] = 0;
}

#elif defined(__aarch64__) && defined(__linux__)
#  include <sys/auxv.h>
#  include <sys/prctl.h>

/* The length of SVE's vectors in bytes, which the system may have set to less than the processor's; 0 without SVE. */
static int sve_bytes(void) {
  enum { GET_VL = 51, LENGTH = 0xffff };
  int is = prctl(GET_VL);
  return is < 0 ? 0 : is & LENGTH;
}

qn_cpu qn__cpu_detect(void) {
  enum { ASIMDDP = 20, I8MM = 13 }; /* hwcap, hwcap2 */
  bool dotprod = getauxval(AT_HWCAP) >> ASIMDDP & 1;
  bool i8mm = dotprod && (getauxval(AT_HWCAP2) >> I8MM & 1);
  return (qn_cpu){.aarch64 = true, .dotprod = dotprod, .i8mm = i8mm, .sve256 = sve_bytes() >= 32};
}

#elif defined(__riscv) && defined(__linux__)
#  include <sys/auxv.h>

qn_cpu qn__cpu_detect(void) {
  const unsigned long wanted = 1ul << ('V' - 'A') | 1ul << ('D' - 'A');
  return (qn_cpu){.riscv64_v = __riscv_xlen == 64 && (getauxval(AT_HWCAP) & wanted) == wanted};
}

#elif defined(__aarch64__)
qn_cpu qn__cpu_detect(void) {
  return (qn_cpu){.aarch64 = true};
}

#else
qn_cpu qn__cpu_detect(void) {
  return (qn_cpu){0};
}
#endif

#if !defined(__x86_64__) || !defined(__GNUC__)
/* No instruction tells it: which row is the best says most of what matters here. */
void qn__cpu_brand(char name[64]) {
  name[0] = 0;
}
#endif
