/* What this machine and its operating system can run. */
#ifndef QN_CPU_H
#define QN_CPU_H
#include <stdbool.h>

/* x86-64 levels as the psABI counts them: 1 baseline, 3 AVX2 with FMA, BMI and friends, 4 AVX-512 F BW CD DQ VL. Zero
 * and false on other machines. */
typedef struct qn_cpu {
  int x86_level; /* 2 is not told from 1: no kernel differs */
  /* Each of the last four with those before it that its row uses. */
  bool avxvnni, avx512vnni, avx512vbmi, avx512bf16, amx_int8;
  bool aarch64, dotprod, i8mm;
  bool sve256; /* vectors of 256 bits or more */
  bool riscv64_v;
} qn_cpu;

/* Where tile registers have to be asked for, asks the operating system for them, for the whole process. */
qn_cpu qn__cpu_detect(void);
/* The processor's name for itself, without blanks around it; empty where it cannot be asked. */
void qn__cpu_brand(char name[64]);
#endif
