/* What stands above the bodies: types, memory access, and the helper functions that the bodies' instructions need. */
#include "cgen.h"

static const char libtcc_types[] = "typedef signed char int8_t;\n"
                                   "typedef unsigned char uint8_t;\n"
                                   "typedef short int16_t;\n"
                                   "typedef unsigned short uint16_t;\n"
                                   "typedef int int32_t;\n"
                                   "typedef unsigned int uint32_t;\n"
                                   "typedef long long int64_t;\n"
                                   "typedef unsigned long long uint64_t;\n"
                                   "typedef struct qn_kargs {\n"
                                   "  void *const *ptr;\n"
                                   "  const int64_t *size, *stride;\n"
                                   "  void *workspace;\n"
                                   "  int64_t begin[2], end[2];\n"
                                   "} qn_kargs;\n";

/* libtcc calls what is a function, so everything small is an expression. It has no rule about aliasing, and its target
 * reads any address. */
static const char libtcc_access[] = "#define ld_u8(p) (*(const uint8_t *)(p))\n"
                                    "#define ld_u16(p) (*(const uint16_t *)(p))\n"
                                    "#define ld_u32(p) (*(const uint32_t *)(p))\n"
                                    "#define ld_u64(p) (*(const uint64_t *)(p))\n"
                                    "#define ld_f32(p) (*(const float *)(p))\n"
                                    "#define ld_f64(p) (*(const double *)(p))\n"
                                    "#define st_u8(p, v) (*(uint8_t *)(p) = (v))\n"
                                    "#define st_u16(p, v) (*(uint16_t *)(p) = (v))\n"
                                    "#define st_u32(p, v) (*(uint32_t *)(p) = (v))\n"
                                    "#define st_u64(p, v) (*(uint64_t *)(p) = (v))\n"
                                    "#define st_f32(p, v) (*(float *)(p) = (v))\n"
                                    "#define st_f64(p, v) (*(double *)(p) = (v))\n"
                                    "float fmaf(float, float, float), sqrtf(float);\n"
                                    "double fma(double, double, double), sqrt(double);\n"
                                    "#define qn_fmaf fmaf\n"
                                    "#define qn_fma fma\n"
                                    "#define qn_sqrtf sqrtf\n"
                                    "#define qn_sqrt sqrt\n";

static const char portable_types[] =
    "#include <float.h>\n"
    "#include <stdint.h>\n"
    "#include <string.h>\n"
    "\n"
    "/* 16 is 0 on a processor that computes in _Float16 too. */\n"
    "_Static_assert(FLT_EVAL_METHOD == 0 || FLT_EVAL_METHOD == 16, \"float expressions must be rounded to float\");\n"
    "#if defined(__FAST_MATH__)\n"
    "#error \"results are promised to the bit: compile without -ffast-math\"\n"
    "#endif\n"
    "/* Products and sums are rounded separately. Compilers that do not read this line need -ffp-contract=off or a "
    "strict\n"
    " * mode such as -std=c11; the entry function checks it. */\n"
    "#if defined(__GNUC__) && !defined(__clang__)\n"
    "#pragma GCC optimize(\"fp-contract=off\")\n"
    "#pragma GCC diagnostic ignored \"-Wunused-variable\"\n"
    "#pragma GCC diagnostic ignored \"-Wtype-limits\"\n"
    "#else\n"
    "#pragma STDC FP_CONTRACT OFF\n"
    "#endif\n"
    "#if defined(__clang__)\n"
    "#pragma clang diagnostic ignored \"-Wunused-function\"\n"
    "#pragma clang diagnostic ignored \"-Wunused-variable\"\n"
    "#endif\n"
    "\n" QN__KARGS_TEXT;

#define LOAD_STORE(type, name, T)                                                                                      \
  "static inline " T " ld_" name "(const unsigned char *p) { " T " v; memcpy(&v, p, sizeof v); return v; }\n"          \
  "static inline void st_" name "(unsigned char *p, " T " v) { memcpy(p, &v, sizeof v); }\n"
static const char portable_access[] = "/* Elements at any address. */\n" LOAD_STORE(0, "u8", "uint8_t")
    LOAD_STORE(0, "u16", "uint16_t") LOAD_STORE(0, "u32", "uint32_t") LOAD_STORE(0, "u64", "uint64_t")
        LOAD_STORE(0, "f32", "float") LOAD_STORE(0, "f64", "double");

static const char puns[] =
    "\n/* Floats and their bits. */\n"
    "static inline float qn_f32(uint32_t u) { union { uint32_t u; float f; } x; x.u = u; return x.f; }\n"
    "static inline double qn_f64(uint64_t u) { union { uint64_t u; double f; } x; x.u = u; return x.f; }\n"
    "static inline uint32_t qn_bits32(float f) { union { uint32_t u; float f; } x; x.f = f; return x.u; }\n"
    "static inline uint64_t qn_bits64(double f) { union { uint64_t u; double f; } x; x.f = f; return x.u; }\n";

/* ---- helpers ---- */

static const char divide[] = "\n/* Division truncates; by 0 it gives 0, and the smallest by -1 wraps. */\n"
                             "static inline int64_t qn_sdiv(int64_t a, int64_t b) {\n"
                             "  return b == 0 ? 0 : b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;\n"
                             "}\n"
                             "static inline uint64_t qn_udiv(uint64_t a, uint64_t b) { return b == 0 ? 0 : a / b; }\n";

static const char sub_byte[] =
    "\n/* Elements of 2 or 4 bits, low bits first. */\n"
    "static inline uint8_t qn_unpack(const unsigned char *p, int64_t i, int bits) {\n"
    "  return (uint8_t)((p[i * bits / 8] >> (int)(i * bits % 8)) & ((1 << bits) - 1));\n"
    "}\n"
    "static inline uint8_t qn_unpack_signed(const unsigned char *p, int64_t i, int bits) {\n"
    "  int v = qn_unpack(p, i, bits), sign = 1 << (bits - 1);\n"
    "  return (uint8_t)((v ^ sign) - sign);\n"
    "}\n"
    "static inline void qn_pack(unsigned char *p, int64_t i, int bits, uint8_t v) {\n"
    "  int shift = (int)(i * bits % 8), mask = ((1 << bits) - 1) << shift;\n"
    "  p[i * bits / 8] = (unsigned char)((p[i * bits / 8] & ~mask) | ((v << shift) & mask));\n"
    "}\n";

static const char extremes[] = "\n/* NaN wins, -0 is below +0. */\n"
                               "static inline float qn_fmaxf(float a, float b) {\n"
                               "  if (a < b) return b;\n"
                               "  if (b < a) return a;\n"
                               "  if (a == b) return qn_f32(qn_bits32(a) & qn_bits32(b));\n"
                               "  return a + b;\n"
                               "}\n"
                               "static inline float qn_fminf(float a, float b) {\n"
                               "  if (a < b) return a;\n"
                               "  if (b < a) return b;\n"
                               "  if (a == b) return qn_f32(qn_bits32(a) | qn_bits32(b));\n"
                               "  return a + b;\n"
                               "}\n"
                               "static inline double qn_fmax(double a, double b) {\n"
                               "  if (a < b) return b;\n"
                               "  if (b < a) return a;\n"
                               "  if (a == b) return qn_f64(qn_bits64(a) & qn_bits64(b));\n"
                               "  return a + b;\n"
                               "}\n"
                               "static inline double qn_fmin(double a, double b) {\n"
                               "  if (a < b) return a;\n"
                               "  if (b < a) return b;\n"
                               "  if (a == b) return qn_f64(qn_bits64(a) | qn_bits64(b));\n"
                               "  return a + b;\n"
                               "}\n";

/* 2^23 and 2^52 as integers: a decimal point is read as the locale has it. */
static const char rounding[] =
    "\n/* To integral values; the float adder rounds half to even. The sign of zero is that of x. */\n"
    "static inline float qn_roundf(float x) {\n"
    "  const float big = (float)8388608, a = qn_f32(qn_bits32(x) & 0x7fffffffu);\n"
    "  if (!(a < big)) return x;\n"
    "  const float up = a + big, r = up - big;\n"
    "  return qn_f32(qn_bits32(r) | (qn_bits32(x) & 0x80000000u));\n"
    "}\n"
    "static inline float qn_floorf(float x) {\n"
    "  float r = qn_roundf(x);\n"
    "  if (r > x) r = r - (float)1;\n"
    "  return r == (float)0 ? qn_f32(qn_bits32(x) & 0x80000000u) : r;\n"
    "}\n"
    "static inline float qn_ceilf(float x) {\n"
    "  float r = qn_roundf(x);\n"
    "  if (r < x) r = r + (float)1;\n"
    "  return r == (float)0 ? qn_f32(qn_bits32(x) & 0x80000000u) : r;\n"
    "}\n"
    "static inline double qn_round(double x) {\n"
    "  const double big = (double)4503599627370496ll, a = qn_f64(qn_bits64(x) & 0x7fffffffffffffffull);\n"
    "  if (!(a < big)) return x;\n"
    "  const double up = a + big, r = up - big;\n"
    "  return qn_f64(qn_bits64(r) | (qn_bits64(x) & 0x8000000000000000ull));\n"
    "}\n"
    "static inline double qn_floor(double x) {\n"
    "  double r = qn_round(x);\n"
    "  if (r > x) r = r - (double)1;\n"
    "  return r == (double)0 ? qn_f64(qn_bits64(x) & 0x8000000000000000ull) : r;\n"
    "}\n"
    "static inline double qn_ceil(double x) {\n"
    "  double r = qn_round(x);\n"
    "  if (r < x) r = r + (double)1;\n"
    "  return r == (double)0 ? qn_f64(qn_bits64(x) & 0x8000000000000000ull) : r;\n"
    "}\n";

static const char wide_unsigned[] =
    "\n/* 64-bit unsigned integers and floats: large values lose one bit, kept sticky, and get it back. */\n"
    "static inline float qn_u64_to_f32(uint64_t u) {\n"
    "  if ((int64_t)u >= 0) return (float)(int64_t)u;\n"
    "  float half = (float)(int64_t)((u >> 1) | (u & 1));\n"
    "  return half + half;\n"
    "}\n"
    "static inline double qn_u64_to_f64(uint64_t u) {\n"
    "  if ((int64_t)u >= 0) return (double)(int64_t)u;\n"
    "  double half = (double)(int64_t)((u >> 1) | (u & 1));\n"
    "  return half + half;\n"
    "}\n"
    "static inline uint64_t qn_f32_to_u64(float x) {\n"
    "  const float top = qn_f32(0x5f000000u);\n"
    "  return x < top ? (uint64_t)(int64_t)x : (uint64_t)(int64_t)(x - top) ^ 0x8000000000000000ull;\n"
    "}\n"
    "static inline uint64_t qn_f64_to_u64(double x) {\n"
    "  const double top = qn_f64(0x43e0000000000000ull);\n"
    "  return x < top ? (uint64_t)(int64_t)x : (uint64_t)(int64_t)(x - top) ^ 0x8000000000000000ull;\n"
    "}\n";

static const char fma_single[] =
    "\n/* a * b + c rounded once. The product is exact in double; the sum is rounded to odd, so that the last "
    "rounding\n"
    " * sees on which side of a tie the exact sum lies. */\n"
    "static inline float qn_fmaf(float a, float b, float c) {\n"
    "#if defined(__FP_FAST_FMAF) && defined(__GNUC__)\n"
    "  return __builtin_fmaf(a, b, c);\n"
    "#else\n"
    "  const double p = (double)a * (double)b, d = (double)c;\n"
    "  const double s = p + d, pp = s - d, dd = s - pp;\n"
    "  const double lost = (p - pp) + (d - dd);\n"
    "  uint64_t u = qn_bits64(s);\n"
    "  if ((lost < 0 || lost > 0) && !(u & 1)) u = (lost > 0) == (s > 0) ? u + 1 : u - 1;\n"
    "  return (float)qn_f64(u);\n"
    "#endif\n"
    "}\n";

static const char fma_double[] =
    "\n/* a * b + c in double, rounded once: exact in 128-bit integers. */\n"
    "typedef struct qn_u128 { uint64_t hi, lo; } qn_u128;\n"
    "static inline qn_u128 qn_shift_right(qn_u128 v, int n) { /* what falls off is kept in the lowest bit */\n"
    "  qn_u128 r = {0, 0};\n"
    "  uint64_t lost;\n"
    "  if (n <= 0) return v;\n"
    "  if (n >= 128) {\n"
    "    r.lo = (v.hi | v.lo) != 0;\n"
    "    return r;\n"
    "  }\n"
    "  if (n >= 64) {\n"
    "    lost = v.lo | (n > 64 ? v.hi << (128 - n) : 0);\n"
    "    r.lo = n > 64 ? v.hi >> (n - 64) : v.hi;\n"
    "  } else {\n"
    "    lost = v.lo << (64 - n);\n"
    "    r.hi = v.hi >> n;\n"
    "    r.lo = (v.lo >> n) | (v.hi << (64 - n));\n"
    "  }\n"
    "  r.lo |= lost != 0;\n"
    "  return r;\n"
    "}\n"
    "/* 53-bit significand and exponent of a finite number other than 0. */\n"
    "static inline uint64_t qn_split(double x, int *exponent) {\n"
    "  uint64_t u = qn_bits64(x), m = u & 0xfffffffffffffull;\n"
    "  int e = (int)(u >> 52 & 0x7ff);\n"
    "  if (e) m |= 0x10000000000000ull;\n"
    "  else e = 1;\n"
    "  for (; !(m >> 52); m <<= 1) e--;\n"
    "  *exponent = e - 1075;\n"
    "  return m;\n"
    "}\n"
    "/* v * 2^e, to nearest even. */\n"
    "static inline double qn_join(qn_u128 v, int e, int negative) {\n"
    "  uint64_t sign = (uint64_t)negative << 63, kept, rest;\n"
    "  int top = 127, keep = 53, drop;\n"
    "  while (!((top >= 64 ? v.hi >> (top - 64) : v.lo >> top) & 1)) top--;\n"
    "  if (top + e > 1023) return qn_f64(sign | 0x7ff0000000000000ull);\n"
    "  if (top + e < -1022) keep = 53 - (-1022 - (top + e));\n"
    "  if (keep < 0) return qn_f64(sign);\n"
    "  drop = top + 1 - keep;\n"
    "  if (drop <= 0) {\n"
    "    kept = v.lo << -drop;\n"
    "  } else {\n"
    "    qn_u128 r = qn_shift_right(v, drop - 1); /* one bit for the half, with the rest sticky below it */\n"
    "    qn_u128 exact = drop > 1 ? qn_shift_right(v, drop - 2) : v;\n"
    "    int half = drop > 1 ? (int)(exact.lo >> 1 & 1) : (int)(v.lo & 1);\n"
    "    rest = drop > 1 ? exact.lo & 1 : 0;\n"
    "    kept = r.lo >> 1 | r.hi << 63;\n"
    "    if (half && (rest || (kept & 1))) kept++;\n"
    "  }\n"
    "  if (keep == 53) kept += (uint64_t)(top + e + 1022) << 52;\n"
    "  return qn_f64(sign | kept);\n"
    "}\n"
    "static inline double qn_fma(double a, double b, double c) {\n"
    "#if defined(__FP_FAST_FMA) && defined(__GNUC__)\n"
    "  return __builtin_fma(a, b, c);\n"
    "#else\n"
    "  const uint64_t infinity = 0x7ff0000000000000ull, all = 0x7fffffffffffffffull;\n"
    "  if ((qn_bits64(a) & all) >= infinity || (qn_bits64(b) & all) >= infinity || (qn_bits64(c) & all) >= infinity "
    "||\n"
    "      a == 0 || b == 0)\n"
    "    return a * b + c;\n"
    "  if (c == 0) return a * b;\n"
    "  int ea, eb, ec, e, sp = (int)((qn_bits64(a) ^ qn_bits64(b)) >> 63), sc = (int)(qn_bits64(c) >> 63);\n"
    "  uint64_t ma = qn_split(a, &ea), mb = qn_split(b, &eb), mc = qn_split(c, &ec);\n"
    "  /* the product as 106 bits, both moved up to bit 125 at most */\n"
    "  uint64_t al = ma & 0xffffffffu, ah = ma >> 32, bl = mb & 0xffffffffu, bh = mb >> 32;\n"
    "  uint64_t mid = ah * bl + (al * bl >> 32), mid2 = al * bh + (mid & 0xffffffffu);\n"
    "  qn_u128 p = {ah * bh + (mid >> 32) + (mid2 >> 32), mid2 << 32 | (al * bl & 0xffffffffu)};\n"
    "  qn_u128 z = {mc << 9, 0}, r;\n"
    "  p.hi = p.hi << 20 | p.lo >> 44;\n"
    "  p.lo <<= 20;\n"
    "  int ep = ea + eb - 20, ez = ec - 73;\n"
    "  e = ep > ez ? ep : ez;\n"
    "  p = qn_shift_right(p, e - ep);\n"
    "  z = qn_shift_right(z, e - ez);\n"
    "  if (sp == sc) {\n"
    "    r.lo = p.lo + z.lo;\n"
    "    r.hi = p.hi + z.hi + (r.lo < p.lo);\n"
    "    return qn_join(r, e, sp);\n"
    "  }\n"
    "  if (p.hi == z.hi && p.lo == z.lo) return 0;\n"
    "  if (p.hi < z.hi || (p.hi == z.hi && p.lo < z.lo)) {\n"
    "    r = p, p = z, z = r;\n"
    "    sp = sc;\n"
    "  }\n"
    "  r.lo = p.lo - z.lo;\n"
    "  r.hi = p.hi - z.hi - (p.lo < z.lo);\n"
    "  return qn_join(r, e, sp);\n"
    "#endif\n"
    "}\n";

static const char roots[] =
    "\n/* Square roots, digit by digit: the first n bits of the root of m, which has its leading bits at the top. */\n"
    "static inline uint64_t qn_root_bits(uint64_t m, int n) {\n"
    "  uint64_t root = 0, rest = 0, trial;\n"
    "  for (int i = 0; i < n; i++) {\n"
    "    rest = rest << 2 | m >> 62;\n"
    "    m <<= 2;\n"
    "    trial = root << 2 | 1;\n"
    "    root <<= 1;\n"
    "    if (rest >= trial) {\n"
    "      rest -= trial;\n"
    "      root |= 1;\n"
    "    }\n"
    "  }\n"
    "  return root; /* no root of so many bits is half way between two floats */\n"
    "}\n"
    "static inline float qn_sqrtf(float x) {\n"
    "  uint32_t u = qn_bits32(x);\n"
    "  if (u - 1 >= 0x7f800000u - 1) return x == 0 || !(x < 0) ? x : qn_f32(0x7fc00000u);\n"
    "  int e = (int)(u >> 23);\n"
    "  uint64_t m = u & 0x7fffffu;\n"
    "  if (e) m |= 0x800000u;\n"
    "  else e = 1;\n"
    "  for (; !(m >> 23); m <<= 1) e--;\n"
    "  e -= 127;\n"
    "  m <<= 39 + (e & 1); /* one or two bits before the point */\n"
    "  uint32_t root = (uint32_t)((qn_root_bits(m, 25) + 1) >> 1);\n"
    "  return qn_f32(root + ((uint32_t)((e - (e & 1)) / 2 + 126) << 23));\n"
    "}\n"
    "static inline double qn_sqrt(double x) {\n"
    "  uint64_t u = qn_bits64(x);\n"
    "  if (u - 1 >= 0x7ff0000000000000ull - 1) return x == 0 || !(x < 0) ? x : qn_f64(0x7ff8000000000000ull);\n"
    "  int e = (int)(u >> 52);\n"
    "  uint64_t m = u & 0xfffffffffffffull;\n"
    "  if (e) m |= 0x10000000000000ull;\n"
    "  else e = 1;\n"
    "  for (; !(m >> 52); m <<= 1) e--;\n"
    "  e -= 1023;\n"
    "  m <<= 10 + (e & 1);\n"
    "  return qn_f64(((qn_root_bits(m, 54) + 1) >> 1) + ((uint64_t)((e - (e & 1)) / 2 + 1022) << 52));\n"
    "}\n";

/* f16 to f32, exactly: the exponents differ by 112, which a product with 2^112 gives to subnormal numbers too. */
static const char halves[] = "\nstatic inline float qn_half(uint32_t h) {\n"
                             "  uint32_t u = qn_bits32(qn_f32((h & 0x7fffu) << 13) * qn_f32(0x77800000u));\n"
                             "  if ((h & 0x7c00u) == 0x7c00u) u |= 0x7f800000u;\n"
                             "  return qn_f32(u | (h & 0x8000u) << 16);\n"
                             "}\n";

/* ---- which of them ---- */

typedef struct uses {
  bool op[QN_T_COUNT], wide_op[QN_T_COUNT], sub_byte;
  bool gemm_f32, gemm_f64, half;
} uses;

static void use_tape(uses *u, const qn_tape *t) {
  for (uint32_t i = 0; i < t->num_insts; i++) {
    const qn_tinst *x = &t->insts[i];
    bool wide_source = qn__tape_ops[x->op].num_args && t->insts[x->a].type == QN_TI64;
    (x->type == QN_TF64 ? u->wide_op : u->op)[x->op] = true;
    if ((x->op == QN_T_UITOFP && wide_source) || (x->op == QN_T_FPTOUI && x->type == QN_TI64))
      u->wide_op[QN_T_UITOFP] = true;
  }
  for (uint32_t i = 0; i < t->num_inputs; i++) u->sub_byte |= qn_scalar_get(t->input_mem[i])->storage_bits < 8;
  for (uint32_t i = 0; i < t->num_outputs; i++) u->sub_byte |= qn_scalar_get(t->output_mem[i])->storage_bits < 8;
}

static void use_body(uses *u, const qn_body *b) {
  const qn_kernel_plan *p = b->plan;
  if (p->kind == QN_KERNEL_MAP || p->kind == QN_KERNEL_ROW || p->kind == QN_KERNEL_PAD) use_tape(u, &p->u.loop.tape);
  if (p->kind == QN_KERNEL_BLOCK_GEMM) u->gemm_f32 = true;
  if (p->kind == QN_KERNEL_ATTENTION) {
    use_tape(u, &p->u.attention.score);
    use_tape(u, &p->u.attention.weight);
    use_tape(u, &p->u.attention.epilogue);
    u->gemm_f32 = true;
  }
  if (p->kind != QN_KERNEL_GEMM && p->kind != QN_KERNEL_BLOCK_GEMM && p->kind != QN_KERNEL_WINDOW) return;
  use_tape(u, b->part == QN_PART_PROLOGUE ? &p->u.gemm.prologue : &p->u.gemm.epilogue);
  u->op[QN_T_FMAX] |= p->u.gemm.combine == QN_COMBINE_MAX;
  if (b->part == QN_PART_TILES || p->kind == QN_KERNEL_WINDOW) {
    u->gemm_f32 |= p->u.gemm.acc == QN_F32;
    u->half |= p->u.gemm.rhs == QN_F16;
    u->gemm_f64 |= p->u.gemm.acc == QN_F64;
  }
}

static bool either(const uses *u, qn_topcode op) {
  return u->op[op] || u->wide_op[op];
}

void qn__c_prelude(qn_cgen *g, uint32_t num_bodies, const qn_body *bodies) {
  uses u = {.sub_byte = false};
  qn_buf *o = g->out;
  for (uint32_t i = 0; i < num_bodies; i++) use_body(&u, &bodies[i]);
  qn__buf_c(o, g->portable ? portable_types : libtcc_types);
  qn__buf_c(o, g->portable ? portable_access : libtcc_access);
  qn__buf_c(o, puns);
  if (either(&u, QN_T_SDIV) || either(&u, QN_T_UDIV)) qn__buf_c(o, divide);
  if (u.sub_byte) qn__buf_c(o, sub_byte);
  if (either(&u, QN_T_FMAX) || either(&u, QN_T_FMIN) || either(&u, QN_T_ALL_FMAX) || either(&u, QN_T_ALL_FMIN))
    qn__buf_c(o, extremes);
  if (either(&u, QN_T_FROUND) || either(&u, QN_T_FFLOOR) || either(&u, QN_T_FCEIL)) qn__buf_c(o, rounding);
  if (u.wide_op[QN_T_UITOFP]) qn__buf_c(o, wide_unsigned);
  if (u.half) qn__buf_c(o, halves);
  if (!g->portable) return;
  if (u.op[QN_T_FMA] || u.gemm_f32) qn__buf_c(o, fma_single);
  if (u.wide_op[QN_T_FMA] || u.gemm_f64) qn__buf_c(o, fma_double);
  if (either(&u, QN_T_FSQRT)) qn__buf_c(o, roots);
}
