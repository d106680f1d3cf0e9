/* The machine's limits as contenders: as long as operations take at the peak of the instruction that multiplies. */
#include "bench.h"
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#  include <immintrin.h>
#endif

typedef struct limit {
  qn_multiplier multiplier;
  double per_call; /* operations that one call stands for */
  double rate;     /* known rate where no loop of this file runs, else 0 */
  double scores;   /* of attention: of that many e^x is taken beside the operations */
} limit;

static void limit_destroy(void *state) {
  free(state);
}

bool wide_row(const options *o, uint32_t has) {
  const qn_isa *isa = qn_isa_find(qn_str_of(o->cpu));
  return isa && qn_isa_runs_here(isa) && !strcmp(isa->arch, "x86_64") && isa->vector_bits == 512 &&
         (isa->has & has) == has;
}

#if defined(__x86_64__)
/* 20 independent chains, four steps a turn; the operands are opaque to the compiler. 1280 * 2 operations a step. */
enum { STEPS = 4, CHAINS = 20 };
#  define EACH(X)                                                                                                      \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19)

__attribute__((target("avx512f,avx512vnni"))) static void dots(long turns) {
  __m512i a = _mm512_set1_epi32(0x01020304), b = _mm512_set1_epi32(0x05060708);
#  define DECLARE(i) __m512i c##i = _mm512_set1_epi32(i);
#  define STEP(i)    c##i = _mm512_dpbusd_epi32(c##i, a, b);
#  define KEEP(i)    __asm__ volatile("" : "+v"(c##i));
  EACH(DECLARE)
  __asm__ volatile("" : "+v"(a), "+v"(b));
  for (long t = 0; t < turns; t++) {
    EACH(STEP) EACH(STEP) EACH(STEP) EACH(STEP)
  }
  EACH(KEEP)
}

__attribute__((target("avx512f"))) static void fmas(long turns) {
  __m512 a = _mm512_set1_ps(0.5f), b = _mm512_set1_ps(0.25f);
#  define DECLARE_F(i) __m512 f##i = _mm512_set1_ps(i);
#  define STEP_F(i)    f##i = _mm512_fmadd_ps(f##i, a, b);
#  define KEEP_F(i)    __asm__ volatile("" : "+v"(f##i));
  EACH(DECLARE_F)
  __asm__ volatile("" : "+v"(a), "+v"(b));
  for (long t = 0; t < turns; t++) {
    EACH(STEP_F) EACH(STEP_F) EACH(STEP_F) EACH(STEP_F)
  }
  EACH(KEEP_F)
}

/* Six tiles of sums, as each is there again only after some fifty cycles. */
__attribute__((target("amx-tile,amx-int8"))) static void tiles(long turns) {
  static const struct {
    uint8_t palette, zeros[15];
    uint16_t widths[16];
    uint8_t heights[16];
  } full = {1, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
  _tile_loadconfig(&full);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (long t = 0; t < turns; t++) {
    _tile_dpbusd(0, 6, 7);
    _tile_dpbusd(1, 6, 7);
    _tile_dpbusd(2, 6, 7);
    _tile_dpbusd(3, 6, 7);
    _tile_dpbusd(4, 6, 7);
    _tile_dpbusd(5, 6, 7);
  }
  _tile_release();
}

/* What a softmax that goes through scores once has to do for each of them: scale it, find the largest, take e^(s - m)
 * by the contract's steps, add it up. Independent vectors, all on registers. */
enum { VECTORS = 8 };
#  define ALL for (int i = 0; i < VECTORS; i++)
__attribute__((target("avx512f"))) static void powers(long turns) {
  static const float steps[] = {0.0083f, 0.0417f, 0.1667f, 0.5f, 1.0f, 1.0f};
  __m512 scale = _mm512_set1_ps(0.5f), magic = _mm512_set1_ps(0x1.8p23f), s[VECTORS], m[VECTORS], sum[VECTORS];
  ALL s[i] = _mm512_set1_ps(-1.0f - (float)i), m[i] = sum[i] = _mm512_setzero_ps();
  for (long t = 0; t < turns; t++) {
    __m512 x[VECTORS], n[VECTORS], p[VECTORS];
    __mmask16 keep[VECTORS];
    ALL __asm__ volatile("" : "+v"(s[i]));
    ALL x[i] = _mm512_mul_ps(s[i], scale);
    ALL m[i] = _mm512_max_ps(x[i], m[i]);
    ALL x[i] = _mm512_sub_ps(x[i], scale);
    ALL keep[i] = _mm512_cmp_ps_mask(x[i], _mm512_set1_ps(-104.0f), _CMP_NLT_UQ);
    ALL n[i] = _mm512_fmadd_ps(x[i], _mm512_set1_ps(1.442695f), magic);
    ALL n[i] = _mm512_maskz_sub_ps(keep[i], n[i], magic);
    ALL x[i] = _mm512_fmadd_ps(n[i], _mm512_set1_ps(-0.693147f), x[i]);
    ALL x[i] = _mm512_fmadd_ps(n[i], _mm512_set1_ps(2e-9f), x[i]);
    ALL p[i] = _mm512_set1_ps(0.0014f);
    for (int k = 0; k < 6; k++) ALL p[i] = _mm512_fmadd_ps(p[i], x[i], _mm512_set1_ps(steps[k]));
    ALL sum[i] = _mm512_add_ps(sum[i], _mm512_maskz_scalef_ps(keep[i], p[i], n[i]));
  }
  ALL __asm__ volatile("" : : "v"(m[i]), "v"(sum[i]));
}
#  undef ALL

/* The time that so many operations take at the rate of a loop, `turn` of them in a turn; measured as long as it is,
 * like the others' blocks: a clock that rises for some milliseconds would be told by short blocks alone. */
static double at_rate_of(void (*loop)(long turns), double turn, double ops) {
  long turns = (long)(ops / turn);
  if (turns < 1000) turns = 1000;
  double start = seconds_now();
  loop(turns);
  return (seconds_now() - start) * ops / (turn * (double)turns);
}

static const struct rate {
  void (*loop)(long turns);
  double turn;  /* operations */
  uint32_t has; /* that a row needs beside vectors of 512 bits */
} rates[QN_MULTIPLIER_COUNT] = {
    [QN_MULTIPLIER_INT8] = {dots, 2 * 64 * CHAINS *STEPS, QN_ISA_DOT8},
    [QN_MULTIPLIER_F32] = {fmas, 2 * 16 * CHAINS *STEPS, QN_ISA_FMA},
    [QN_MULTIPLIER_INT8_TILES] = {tiles, 2 * 16 * 64 * 16 * 6, QN_ISA_TILES},
};

static bool have_loop(const options *o, qn_multiplier multiplier) {
  return rates[multiplier].loop && wide_row(o, rates[multiplier].has);
}

static double peak_block(void *state, int calls) {
  const limit *l = state;
  const struct rate *r = &rates[l->multiplier];
  return l->rate > 0 ? l->per_call * calls / l->rate : at_rate_of(r->loop, r->turn, l->per_call * calls);
}

static double attention_block(void *state, int calls) {
  const limit *l = state;
  return peak_block(state, calls) + at_rate_of(powers, 16 * VECTORS, l->scores * calls);
}
#else
static bool have_loop(const options *o, qn_multiplier multiplier) {
  (void)o, (void)multiplier;
  return false;
}
static double peak_block(void *state, int calls) {
  const limit *l = state;
  return l->per_call * calls / l->rate;
}
static double attention_block(void *state, int calls) {
  return peak_block(state, calls);
}
#endif

bool limit_peak(qn_context *ctx, const options *o, qn_multiplier multiplier, double ops, contender *out) {
  static double measured[QN_MULTIPLIER_COUNT];
  double *rate = &measured[multiplier];
  bool loop = have_loop(o, multiplier);
  if (!loop && *rate == 0 && qn_engine_peak(ctx, o->cpu, multiplier, 1, rate, NULL)) return false;
  limit *l = loop || *rate > 0 ? calloc(1, sizeof *l) : NULL;
  if (!l) return false;
  *l = (limit){.multiplier = multiplier, .per_call = ops, .rate = loop ? 0 : *rate};
  *out = (contender){"limit", l, NULL, peak_block, limit_destroy};
  return true;
}

bool limit_attention(qn_context *ctx, const options *o, qn_multiplier multiplier, double ops, double scores,
                     contender *out) {
  if (!wide_row(o, QN_ISA_FMA) || !limit_peak(ctx, o, multiplier, ops, out)) return false;
  limit *l = out->state;
  l->scores = scores;
  out->block = attention_block;
  return true;
}
