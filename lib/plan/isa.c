/* The instruction-set table: rows from isa.def, names that stand for them, and which of them run here. */
#include "cpu.h"
#include <pthread.h>
#include <quern/unstable/isa.h>
#include <stdio.h>
#include <string.h>

typedef enum isa_row {
#define QN_ISA(symbol, name, arch, vector, regs, has, l8, l16, lf, r8, r16, rf, cpu, features, doc) ROW_##symbol,
#include <quern/isa.def>
#undef QN_ISA
  NUM_ROWS
} isa_row;

static const qn_isa rows[NUM_ROWS] = {
#define QN_ISA(symbol, name, arch, vector, regs, has, l8, l16, lf, r8, r16, rf, cpu, features, doc)                    \
  {name, arch, vector, regs, has, ((has)&QN_ISA_FMA) != 0, l8, l16, lf, r8, r16, rf, cpu, features, doc},
#include <quern/isa.def>
#undef QN_ISA
};

/* Names of levels and machines that people know, and the best row that each promises. */
static const struct alias {
  const char *name;
  isa_row row;
} aliases[] = {
    {"x86-64-v2", ROW_X86_64},
    {"x86-64-v3", ROW_AVX2},
    {"x86-64-v4", ROW_AVX2},
    {"sse2", ROW_X86_64},
    {"avx512", ROW_AVX2},
    {"vnni", ROW_AVX512VNNI},
    {"baseline", ROW_X86_64},
    {"amx", ROW_AMXINT8},
    {"haswell", ROW_AVX2},
    {"skylake", ROW_AVX2},
    {"skylake-avx512", ROW_AVX2},
    {"cascadelake", ROW_AVX512VNNI},
    {"cooperlake", ROW_AVX512VNNI},
    {"icelake-client", ROW_AVX512VBMI},
    {"icelake-server", ROW_AVX512VBMI},
    {"tigerlake", ROW_AVX512VBMI},
    {"rocketlake", ROW_AVX512VBMI},
    {"sapphirerapids", ROW_AMXINT8},
    {"emeraldrapids", ROW_AMXINT8},
    {"graniterapids", ROW_AMXINT8},
    {"alderlake", ROW_AVXVNNI},
    {"raptorlake", ROW_AVXVNNI},
    {"meteorlake", ROW_AVXVNNI},
    {"arrowlake", ROW_AVXVNNI},
    {"lunarlake", ROW_AVXVNNI},
    {"gracemont", ROW_AVXVNNI},
    {"sierraforest", ROW_AVXVNNI},
    {"znver1", ROW_AVX2},
    {"znver2", ROW_AVX2},
    {"znver3", ROW_AVX2},
    {"znver4", ROW_AVX512BF16},
    {"znver5", ROW_AVX512BF16},
    {"armv8-a", ROW_AARCH64},
    {"armv8.2-a", ROW_AARCH64},
    {"armv8.6-a", ROW_AARCH64_I8MM},
    {"armv9-a", ROW_AARCH64_DOTPROD},
    {"dotprod", ROW_AARCH64_DOTPROD},
    {"i8mm", ROW_AARCH64_I8MM},
    {"sve256", ROW_AARCH64_SVE256},
    {"cortex-a53", ROW_AARCH64},
    {"cortex-a57", ROW_AARCH64},
    {"cortex-a72", ROW_AARCH64},
    {"cortex-a55", ROW_AARCH64_DOTPROD},
    {"cortex-a75", ROW_AARCH64_DOTPROD},
    {"cortex-a76", ROW_AARCH64_DOTPROD},
    {"cortex-a78", ROW_AARCH64_DOTPROD},
    {"cortex-x1", ROW_AARCH64_DOTPROD},
    {"cortex-a510", ROW_AARCH64_I8MM},
    {"cortex-a710", ROW_AARCH64_I8MM},
    {"cortex-x2", ROW_AARCH64_I8MM},
    {"neoverse-n1", ROW_AARCH64_DOTPROD},
    {"neoverse-v1", ROW_AARCH64_I8MM},
    {"neoverse-n2", ROW_AARCH64_I8MM},
    {"neoverse-v2", ROW_AARCH64_I8MM},
    {"graviton2", ROW_AARCH64_DOTPROD},
    {"graviton3", ROW_AARCH64_I8MM},
    {"graviton4", ROW_AARCH64_I8MM},
    {"a64fx", ROW_AARCH64},
    {"apple-m1", ROW_AARCH64_DOTPROD},
    {"apple-m2", ROW_AARCH64_I8MM},
    {"apple-m3", ROW_AARCH64_I8MM},
    {"apple-m4", ROW_AARCH64_I8MM},
    {"rv64gcv", ROW_RISCV64_V},
    {"rva23u64", ROW_RISCV64_V},
    {"rvv", ROW_RISCV64_V},
    {"spacemit-x60", ROW_RISCV64_V},
};

enum { NUM_ALIASES = sizeof aliases / sizeof *aliases };

const qn_isa *qn_isa_get(size_t i) {
  return i < NUM_ROWS ? &rows[i] : NULL;
}

const char *qn_isa_alias(size_t i, const qn_isa **isa) {
  if (i >= NUM_ALIASES) return NULL;
  if (isa) *isa = &rows[aliases[i].row];
  return aliases[i].name;
}

static bool runs_on(const qn_cpu *cpu, isa_row row) {
  switch (row) {
  case ROW_AMXINT8: return cpu->amx_int8;
  case ROW_AVX512BF16: return cpu->avx512bf16;
  case ROW_AVX512VBMI: return cpu->avx512vbmi;
  case ROW_AVX512VNNI: return cpu->avx512vnni;
  case ROW_AVXVNNI: return cpu->x86_level >= 3 && cpu->avxvnni;
  case ROW_AVX2: return cpu->x86_level >= 3;
  case ROW_X86_64: return cpu->x86_level >= 1;
  case ROW_AARCH64_I8MM: return cpu->i8mm;
  case ROW_AARCH64_SVE256: return cpu->i8mm && cpu->sve256;
  case ROW_AARCH64_DOTPROD: return cpu->dotprod;
  case ROW_AARCH64: return cpu->aarch64;
  case ROW_RISCV64_V: return cpu->riscv64_v;
  case ROW_GENERIC: return true;
  default: return false;
  }
}

/* Asked once: in a virtual machine each question to the processor takes microseconds, and a program asks several times
 * what it is to be compiled for. */
static qn_cpu here;
static pthread_once_t asked = PTHREAD_ONCE_INIT;

static void ask(void) {
  here = qn__cpu_detect();
}

bool qn_isa_runs_here(const qn_isa *isa) {
  pthread_once(&asked, ask);
  return isa && runs_on(&here, (isa_row)(isa - rows));
}

const qn_isa *qn_isa_host(void) {
  pthread_once(&asked, ask);
  for (size_t i = 0; i < NUM_ROWS; i++)
    if (runs_on(&here, (isa_row)i)) return &rows[i];
  return &rows[ROW_GENERIC];
}

static bool is(qn_str name, const char *text) {
  return name.size == strlen(text) && (name.size == 0 || memcmp(name.data, text, name.size) == 0);
}

const qn_isa *qn_isa_find(qn_str name) {
  if (!name.data || is(name, "host") || is(name, "native")) return qn_isa_host();
  for (size_t i = 0; i < NUM_ROWS; i++)
    if (is(name, rows[i].name)) return &rows[i];
  for (size_t i = 0; i < NUM_ALIASES; i++)
    if (is(name, aliases[i].name)) return &rows[aliases[i].row];
  return NULL;
}

/* ---- names that look alike ---- */

enum { MAX_NAME = 31, MAX_NEAR = 4 };

static char lower(char c) {
  return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c == '_' ? '-' : c);
}

/* Letters to insert, drop or change to make one name of the other; a large number for names too long to be one. */
static size_t distance(qn_str a, const char *b) {
  size_t cost[MAX_NAME + 1], n = strlen(b);
  if (a.size > MAX_NAME || n > MAX_NAME) return SIZE_MAX;
  for (size_t j = 0; j <= n; j++) cost[j] = j;
  for (size_t i = 0; i < a.size; i++) {
    size_t diagonal = cost[0];
    cost[0] = i + 1;
    for (size_t j = 0; j < n; j++) {
      size_t change = diagonal + (lower(a.data[i]) != lower(b[j])), add = cost[j] + 1, drop = cost[j + 1] + 1;
      diagonal = cost[j + 1];
      cost[j + 1] = change < add ? (change < drop ? change : drop) : (add < drop ? add : drop);
    }
  }
  return cost[n];
}

static const char *name_at(size_t i) {
  return i < NUM_ROWS ? rows[i].name : i < NUM_ROWS + NUM_ALIASES ? aliases[i - NUM_ROWS].name : NULL;
}

const char *qn_isa_near(qn_str name, char *text, size_t size) {
  const char *near[MAX_NEAR], *candidate;
  size_t count = 0, most = name.size / 3 + 1, at = 0;
  for (size_t d = 0; d <= most && count < MAX_NEAR; d++)
    for (size_t i = 0; (candidate = name_at(i)) && count < MAX_NEAR; i++)
      if (name.data && distance(name, candidate) == d) near[count++] = candidate;
  if (size) text[0] = 0;
  for (size_t i = 0; i < count && at < size; i++) {
    const char *before = i == 0 ? "did you mean " : i + 1 < count ? ", " : " or ";
    int n = snprintf(text + at, size - at, "%s'%s'%s", before, near[i], i + 1 < count ? "" : "? ");
    at += n > 0 ? (size_t)n : 0;
  }
  return text;
}

qn_status qn_isa_need(qn_context *ctx, qn_str name, const qn_isa **out) {
  char near[160];
  *out = qn_isa_find(name);
  if (*out) return QN_OK;
  return qn_error(ctx, QN_DIAG_UNKNOWN_NAME, qn_place_file(""),
                  "no instruction set is named '%.*s'; %s'quern isa' lists them", (int)name.size, name.data,
                  qn_isa_near(name, near, sizeof near));
}

/* Which products have kernels, and which of a row's layouts they read. */
static const struct product {
  qn_scalar lhs, rhs, acc;
  size_t layout; /* offset in qn_isa */
  uint32_t has;  /* that a row needs */
} products[] = {
    {QN_UI8, QN_I8, QN_I32, offsetof(qn_isa, int8_layout), 0},
    {QN_UI8, QN_I8, QN_I64, offsetof(qn_isa, int8_layout), 0},
    {QN_I16, QN_I16, QN_I32, offsetof(qn_isa, int16_layout), 0},
    {QN_I16, QN_I16, QN_I64, offsetof(qn_isa, int16_layout), 0},
    {QN_F32, QN_F32, QN_F32, offsetof(qn_isa, float_layout), 0},
    {QN_F64, QN_F64, QN_F64, offsetof(qn_isa, float_layout), 0},
    {QN_F32, QN_BF16, QN_F32, offsetof(qn_isa, int16_layout), 0},
    {QN_F32, QN_F16, QN_F32, offsetof(qn_isa, float_layout), QN_ISA_HALF},
    {QN_BF16, QN_BF16, QN_F32, offsetof(qn_isa, int16_layout), QN_ISA_BF16},
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
    if ((isa->has & p->has) != p->has) continue;
    const char *layout;
    memcpy(&layout, (const char *)isa + p->layout, sizeof layout);
    return layout;
  }
  return NULL;
}
