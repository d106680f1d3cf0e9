/* What this machine and its operating system can run. */
#ifndef QN_CPU_H
#define QN_CPU_H
#include <stdbool.h>

/* x86-64 levels as the psABI counts them: 1 baseline, 3 AVX2 with FMA, BMI and friends, 4 AVX-512 F BW CD DQ VL. */
typedef struct qn_cpu {
  int x86_level; /* 0 on other machines; 2 is not told from 1: no kernel differs */
  bool avx512vnni;
} qn_cpu;

qn_cpu qn__cpu_detect(void);
#endif
