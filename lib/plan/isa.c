/* The instruction-set table: rows from isa.def, names that stand for them, and which of them run here. */
#include "cpu.h"
#include <quern/unstable/isa.h>
#include <string.h>

typedef enum isa_row {
#define QN_ISA(symbol, name, arch, vector, regs, fma, l8, l16, lf, r8, r16, rf, cpu, features, doc) ROW_##symbol,
#include <quern/isa.def>
#undef QN_ISA
  NUM_ROWS
} isa_row;

static const qn_isa rows[NUM_ROWS] = {
#define QN_ISA(symbol, name, arch, vector, regs, fma, l8, l16, lf, r8, r16, rf, cpu, features, doc)                    \
  {name, arch, vector, regs, fma, l8, l16, lf, r8, r16, rf, cpu, features, doc},
#include <quern/isa.def>
#undef QN_ISA
};

/* Names of machines that people know, and the best row that each promises. */
static const struct alias {
  const char *name;
  isa_row row;
} aliases[] = {
    {"x86-64", ROW_GENERIC}, {"x86-64-v2", ROW_GENERIC}, {"x86-64-v3", ROW_AVX2},   {"x86-64-v4", ROW_AVX2},
    {"avx512", ROW_AVX2},    {"vnni", ROW_AVX512VNNI},   {"baseline", ROW_GENERIC},
};

const qn_isa *qn_isa_get(size_t i) {
  return i < NUM_ROWS ? &rows[i] : NULL;
}

bool qn_isa_runs_here(const qn_isa *isa) {
  if (!isa) return false;
  qn_cpu cpu = qn__cpu_detect();
  switch ((isa_row)(isa - rows)) {
  case ROW_AVX512VNNI: return cpu.x86_level >= 4 && cpu.avx512vnni;
  case ROW_AVX2: return cpu.x86_level >= 3;
  case ROW_GENERIC: return true;
  default: return false;
  }
}

const qn_isa *qn_isa_host(void) {
  for (size_t i = 0; i < NUM_ROWS; i++)
    if (qn_isa_runs_here(&rows[i])) return &rows[i];
  return &rows[ROW_GENERIC];
}

static bool is(qn_str name, const char *text) {
  return name.size == strlen(text) && (name.size == 0 || memcmp(name.data, text, name.size) == 0);
}

const qn_isa *qn_isa_find(qn_str name) {
  if (!name.data || is(name, "host") || is(name, "native")) return qn_isa_host();
  for (size_t i = 0; i < NUM_ROWS; i++)
    if (is(name, rows[i].name)) return &rows[i];
  for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
    if (is(name, aliases[i].name)) return &rows[aliases[i].row];
  return NULL;
}

/* Which products have kernels, and which of a row's layouts they read. */
static const struct product {
  qn_scalar lhs, rhs, acc;
  size_t layout; /* offset in qn_isa */
} products[] = {
    {QN_UI8, QN_I8, QN_I32, offsetof(qn_isa, int8_layout)},   {QN_UI8, QN_I8, QN_I64, offsetof(qn_isa, int8_layout)},
    {QN_I16, QN_I16, QN_I32, offsetof(qn_isa, int16_layout)}, {QN_I16, QN_I16, QN_I64, offsetof(qn_isa, int16_layout)},
    {QN_F32, QN_F32, QN_F32, offsetof(qn_isa, float_layout)}, {QN_F64, QN_F64, QN_F64, offsetof(qn_isa, float_layout)},
};

/* si8 is i8: signless integers are read as signed. */
static qn_scalar canonical(qn_scalar s) {
  switch (s) {
  case QN_SI8: return QN_I8;
  case QN_SI16: return QN_I16;
  case QN_SI32: return QN_I32;
  case QN_SI64: return QN_I64;
  default: return s;
  }
}

const char *qn_isa_gemm_layout(const qn_isa *isa, qn_scalar lhs, qn_scalar rhs, qn_scalar acc) {
  if (!isa) return NULL;
  for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
    const struct product *p = &products[i];
    if (p->lhs != canonical(lhs) || p->rhs != canonical(rhs) || p->acc != canonical(acc)) continue;
    const char *layout;
    memcpy(&layout, (const char *)isa + p->layout, sizeof layout);
    return layout;
  }
  return NULL;
}
