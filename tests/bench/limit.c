/* The machine's limits as contenders: reading and copying, in caches and beyond them, and what else bounds ops that
 * multiply no matrices. Those that do: limit_peak.c. */
#include "bench.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
#  include <immintrin.h>
#endif

typedef struct limit {
  double per_call; /* bytes that one call stands for */
} limit;

static void limit_destroy(void *state) {
  free(state);
}

/* ---- reading ---- */

static char *far; /* larger than the last-level cache, read in turns */
static size_t far_bytes, far_at;

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static void read_wide(const char *p, size_t bytes) {
  __m512i s0 = _mm512_setzero_si512(), s1 = s0, s2 = s0, s3 = s0;
  for (size_t i = 0; i < bytes; i += 256) {
    _mm_prefetch(p + i + 8192, _MM_HINT_T0), _mm_prefetch(p + i + 8256, _MM_HINT_T0);
    _mm_prefetch(p + i + 8320, _MM_HINT_T0), _mm_prefetch(p + i + 8384, _MM_HINT_T0);
    s0 = _mm512_xor_si512(s0, _mm512_load_si512(p + i)), s1 = _mm512_xor_si512(s1, _mm512_load_si512(p + i + 64));
    s2 = _mm512_xor_si512(s2, _mm512_load_si512(p + i + 128)),
    s3 = _mm512_xor_si512(s3, _mm512_load_si512(p + i + 192));
  }
  s0 = _mm512_xor_si512(_mm512_xor_si512(s0, s1), _mm512_xor_si512(s2, s3));
  __asm__ volatile("" : : "v"(s0));
}
#endif

#if defined(__x86_64__)
/* What lies in the second level is read fastest without fetching ahead. */
__attribute__((target("avx512f"))) static void read_near_wide(const char *p, size_t bytes) {
  __m512i s0 = _mm512_setzero_si512(), s1 = s0, s2 = s0, s3 = s0;
  for (size_t i = 0; i < bytes; i += 256) {
    s0 = _mm512_xor_si512(s0, _mm512_load_si512(p + i)), s1 = _mm512_xor_si512(s1, _mm512_load_si512(p + i + 64));
    s2 = _mm512_xor_si512(s2, _mm512_load_si512(p + i + 128)),
    s3 = _mm512_xor_si512(s3, _mm512_load_si512(p + i + 192));
  }
  s0 = _mm512_xor_si512(_mm512_xor_si512(s0, s1), _mm512_xor_si512(s2, s3));
  __asm__ volatile("" : : "v"(s0));
}
#endif

static void read_words(const char *p, size_t bytes) {
  uint64_t s[8] = {0};
  for (size_t i = 0; i < bytes; i += 64)
    for (size_t j = 0; j < 8; j++) s[j] ^= ((const uint64_t *)(const void *)(p + i))[j];
  __asm__ volatile("" : : "r"(s[0] ^ s[1] ^ s[2] ^ s[3] ^ s[4] ^ s[5] ^ s[6] ^ s[7]));
}

static void read_some(const char *p, size_t bytes) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) {
    read_wide(p, bytes);
    return;
  }
#endif
  read_words(p, bytes);
}

static void read_near(const char *p, size_t bytes) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) {
    read_near_wide(p, bytes);
    return;
  }
#endif
  read_words(p, bytes);
}

static bool make_far(void) {
  if (far) return true;
  size_t wanted = (5 * llc_bytes() / 2 + ((size_t)64 << 20)) >> 26 << 26;
  long pages = sysconf(_SC_AVPHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  if (pages > 0 && (double)wanted > 0.5 * (double)pages * (double)page) return false;
  far = big_alloc(wanted), far_bytes = wanted;
  for (size_t i = 0; i < far_bytes; i += 64) far[i] = (char)i;
  return true;
}

static double read_block(void *state, int calls) {
  const limit *l = state;
  const size_t most = (size_t)64 << 20;
  double bytes = l->per_call * calls;
  size_t want = bytes < (double)most ? ((size_t)bytes + 255) / 256 * 256 : most;
  if (far_at + want > far_bytes) far_at = 0;
  double start = seconds_now();
  read_some(far + far_at, want);
  far_at += want;
  return (seconds_now() - start) * bytes / (double)want;
}

bool limit_read(double bytes, contender *out) {
  if (!make_far()) return false;
  limit *l = calloc(1, sizeof *l);
  if (!l) return false;
  *l = (limit){.per_call = bytes};
  read_some(far, far_bytes); /* pages that were not used for long may have to come back */
  *out = (contender){"limit", l, NULL, read_block, limit_destroy};
  return true;
}

/* ---- reading the same again and again ---- */

typedef struct again {
  char *data;
  size_t bytes;
  bool back;
} again;

/* In stretches, the first one first or the last one: in turns, so that a cache which is smaller finds something of what
 * it read last. No fixed order is faster: neither streams side by side, nor fetching ahead into any level. */
static void again_run(void *state) {
  again *a = state;
  const size_t stretch = (size_t)128 << 10, n = (a->bytes + stretch - 1) / stretch;
  for (size_t i = 0; i < n; i++) {
    size_t at = (a->back ? n - 1 - i : i) * stretch, size = a->bytes - at < stretch ? a->bytes - at : stretch;
    read_near(a->data + at, size);
  }
  a->back = !a->back;
}

static void again_destroy(void *state) {
  again *a = state;
  big_free(a->data, a->bytes);
  free(a);
}

bool limit_read_again(size_t bytes, contender *out) {
  again *a = calloc(1, sizeof *a);
  if (!a) return false;
  a->bytes = (bytes + 255) / 256 * 256, a->data = big_alloc(a->bytes);
  memset(a->data, 1, a->bytes);
  *out = (contender){"limit", a, again_run, NULL, again_destroy};
  return true;
}

/* ---- looking up ---- */

/* Of a product of one row by 4-bit codes of a codebook, in blocks of 32 with f16 scales, only what each line has to
 * pass through: 16 lookups, 8 shifts, 16 dot products, and a conversion, a multiplication, an fma and its f16 scales
 * for each of two vectors of columns. Twice 25 instructions for the two ports that take vectors. Four blocks side by
 * side, as one alone would wait for itself; no quantization, no epilogue, no calls. */
enum { LOOKED_UP = 576, SIDE_BY_SIDE = 4, ROW_BYTES = 40 };

typedef struct lookups {
  again a;
  long blocks; /* of a panel */
  char *row;
} lookups;

#if defined(__x86_64__)
#  define WIDE __attribute__((target("avx512f,avx512bw,avx512vnni,avx512vbmi")))

WIDE static void look_up_panel(const char *b, const char *row, long blocks) {
  const __m512i table = _mm512_set1_epi32(0x01020304);
  __m512 low = _mm512_setzero_ps(), high = low;
  for (long i = 0; i + SIDE_BY_SIDE <= blocks; i += SIDE_BY_SIDE, b += SIDE_BY_SIDE * LOOKED_UP) {
    const char *r = row + i * ROW_BYTES;
    __m512i s[SIDE_BY_SIDE][2];
#  pragma GCC unroll 4
    for (int p = 0; p < SIDE_BY_SIDE; p++) s[p][0] = s[p][1] = _mm512_set1_epi32(p);
#  pragma GCC unroll 8
    for (int j = 0; j < 8; j++)
#  pragma GCC unroll 4
      for (int p = 0; p < SIDE_BY_SIDE; p++) {
        int word;
        memcpy(&word, r + p * ROW_BYTES + 4 * j, sizeof word);
        const __m512i raw = _mm512_load_si512(b + p * LOOKED_UP + 64 * j), a = _mm512_set1_epi32(word);
        s[p][0] = _mm512_dpbusd_epi32(s[p][0], _mm512_permutexvar_epi8(raw, table), a);
        s[p][1] = _mm512_dpbusd_epi32(s[p][1], _mm512_permutexvar_epi8(_mm512_srli_epi32(raw, 4), table), a);
      }
#  pragma GCC unroll 4
    for (int p = 0; p < SIDE_BY_SIDE; p++) {
      const __m256i *f16 = (const __m256i *)(const void *)(b + p * LOOKED_UP + 512);
      const __m512 own = _mm512_set1_ps((float)p);
      const __m512 first = _mm512_mul_ps(own, _mm512_cvtph_ps(_mm256_load_si256(f16)));
      const __m512 second = _mm512_mul_ps(own, _mm512_cvtph_ps(_mm256_load_si256(f16 + 1)));
      low = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s[p][0]), first, low);
      high = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s[p][1]), second, high);
    }
  }
  __asm__ volatile("" : : "v"(low), "v"(high));
}

#else
static void look_up_panel(const char *b, const char *row, long blocks) {
  (void)b, (void)row, (void)blocks;
}
#endif

static void lookups_run(void *state) {
  lookups *l = state;
  const size_t panel = (size_t)l->blocks * LOOKED_UP, n = l->a.bytes / panel;
  for (size_t i = 0; i < n; i++) look_up_panel(l->a.data + (l->a.back ? n - 1 - i : i) * panel, l->row, l->blocks);
  l->a.back = !l->a.back;
}

static void lookups_destroy(void *state) {
  lookups *l = state;
  big_free(l->a.data, l->a.bytes);
  free(l->row), free(l);
}

bool limit_lookups(const options *o, int64_t n, int64_t k, contender *out) {
  lookups *l = wide_row(o, QN_ISA_DOT8 | QN_ISA_PERMUTE8) ? calloc(1, sizeof *l) : NULL;
  if (!l) return false;
  l->blocks = (long)(k / 32 / SIDE_BY_SIDE * SIDE_BY_SIDE);
  l->a.bytes = (size_t)(n / 32) * (size_t)l->blocks * LOOKED_UP;
  l->a.data = l->a.bytes ? big_alloc(l->a.bytes) : NULL, l->row = calloc((size_t)l->blocks + 1, ROW_BYTES);
  if (!l->a.data || !l->row) {
    lookups_destroy(l);
    return false;
  }
  memset(l->a.data, 1, l->a.bytes);
  *out = (contender){"limit", l, lookups_run, NULL, lookups_destroy};
  return true;
}

/* ---- copying ---- */

typedef struct copy {
  char *from, *to;
  size_t bytes;
} copy;

static void copy_run(void *state) {
  copy *c = state;
  memcpy(c->to, c->from, c->bytes);
  __asm__ volatile("" : : : "memory");
}

static void copy_destroy(void *state) {
  copy *c = state;
  big_free(c->from, c->bytes), big_free(c->to, c->bytes);
  free(c);
}

bool limit_copy(size_t bytes, contender *out) {
  copy *c = calloc(1, sizeof *c);
  if (!c) return false;
  c->bytes = bytes, c->from = big_alloc(bytes + 64), c->to = big_alloc(bytes + 64);
  memset(c->from, 1, bytes), memset(c->to, 2, bytes);
  *out = (contender){"limit", c, copy_run, NULL, copy_destroy};
  return true;
}

/* ---- what goes over an image once ---- */

typedef struct pass {
  char *from, *to;
  size_t read, written; /* bytes */
} pass;

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static void pass_run(void *state) {
  const pass *p = state;
  size_t lines = p->written / 64, each = p->read / p->written;
  for (size_t i = 0; i < lines; i++) {
    __m512i x = _mm512_setzero_si512();
    for (size_t k = 0; k < each; k++)
      x = _mm512_or_si512(x, _mm512_loadu_si512((const void *)(p->from + (i * each + k) * 64)));
    _mm512_storeu_si512((void *)(p->to + i * 64), x);
  }
}

/* Beyond the caches: stores that do not read what they write, and eight parts side by side, as more lines are on their
 * way then than one stream's. Fewer parts or more, neighbouring pages, and several lines of a part at a time take 1 to
 * 3% longer. */
__attribute__((target("avx512f"))) static void far_pass_run(void *state) {
  enum { PARTS = 8 };
  const pass *p = state;
  size_t lines = p->written / 64 / PARTS, each = p->read / p->written * 64;
  for (size_t i = 0; i < lines; i++)
#  pragma GCC unroll 8
    for (size_t part = 0; part < PARTS; part++) {
      size_t at = part * lines + i;
      const char *from = p->from + at * each;
      for (size_t k = 0; k < each; k += 64)
        _mm_prefetch(from + 8192 + k, _MM_HINT_T1), _mm_prefetch(from + 512 + k, _MM_HINT_T0);
      __m512i x = _mm512_load_si512((const void *)from);
      for (size_t k = 64; k < each; k += 64) x = _mm512_or_si512(x, _mm512_load_si512((const void *)(from + k)));
      _mm512_stream_si512((void *)(p->to + at * 64), x);
    }
  _mm_sfence();
}
#else
static void pass_run(void *state) {
  (void)state;
}
static void far_pass_run(void *state) {
  (void)state;
}
#endif

static void pass_destroy(void *state) {
  pass *p = state;
  big_free(p->from, p->read), big_free(p->to, p->written);
  free(p);
}

bool limit_pass(const options *o, bool beyond, size_t from, size_t to, contender *out) {
  pass *p = wide_row(o, 0) && to ? calloc(1, sizeof *p) : NULL;
  if (!p) return false;
  *p = (pass){big_alloc(from), big_alloc(to), from, to};
  memset(p->from, 1, from), memset(p->to, 2, to);
  *out = (contender){"limit", p, beyond ? far_pass_run : pass_run, NULL, pass_destroy};
  return true;
}

/* ---- what elementwise ops in a cache cannot do without ---- */

/* A buffer read and one written, and what is done for two vectors of 16 floats each: so many instructions of the two
 * ports that have vectors of 512 bits, or as many stores with no reading at all. */
enum { LIMIT_ROW = 768 };

typedef struct ports {
  copy buffers;
  void (*loop)(const float *from, float *to, size_t n);
} ports;

#if defined(__x86_64__)
#  define EACH_10(X)   X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9)
#  define EACH_11(X)   EACH_10(X) X(10)
#  define EACH_7(X)    X(0) X(1) X(2) X(3) X(4) X(5) X(6)
#  define DECLARE_P(i) __m512 p##i = _mm512_set1_ps(0.5f + 0.01f * i);
#  define STEP_P(i)    p##i = _mm512_fmadd_ps(p##i, a, x);
#  define KEEP_P(i)    __asm__ volatile("" : : "v"(p##i));
/* EACH_A and EACH_B: what is done for two vectors in turn. */
#  define WORK(name, EACH_P, EACH_A, EACH_B)                                                                           \
    __attribute__((target("avx512f"))) static void name(const float *from, float *to, size_t n) {                      \
      __m512 a = _mm512_set1_ps(0.5f);                                                                                 \
      EACH_P(DECLARE_P)                                                                                                \
      __asm__ volatile("" : "+v"(a));                                                                                  \
      for (size_t i = 0; i < n; i += 32) {                                                                             \
        __m512 x = _mm512_loadu_ps(from + i);                                                                          \
        EACH_P(STEP_P) EACH_A(STEP_P) _mm512_storeu_ps(to + i, p0);                                                    \
        x = _mm512_loadu_ps(from + i + 16);                                                                            \
        EACH_P(STEP_P) EACH_B(STEP_P) _mm512_storeu_ps(to + i + 16, p0);                                               \
      }                                                                                                                \
      EACH_P(KEEP_P)                                                                                                   \
    }
WORK(work_37, EACH_10, EACH_10, EACH_7)
WORK(work_44, EACH_11, EACH_11, EACH_11)

__attribute__((target("avx512f"))) static void only_stores(const float *from, float *to, size_t n) {
  __m512 a = _mm512_set1_ps(0.5f);
  (void)from;
  __asm__ volatile("" : "+v"(a));
  for (size_t i = 0; i < n; i += 64)
    for (size_t k = 0; k < 64; k += 16) _mm512_storeu_ps(to + i + k, a);
}

/* Rows of 768: one is added up, squares of the one before are, and the one before that is written. Nothing waits for a
 * sum: mean and scale are constants. */
__attribute__((target("avx512f"))) static void passes(const float *from, float *to, size_t n) {
  static float weights[2][LIMIT_ROW];
  __m512 mean = _mm512_set1_ps(0.375f), scale = _mm512_set1_ps(0.5f);
  __asm__ volatile("" : "+v"(mean), "+v"(scale));
  for (size_t i = 0; i + LIMIT_ROW <= n; i += LIMIT_ROW) {
    const float *first = from + (i + 2 * LIMIT_ROW) % n, *second = from + (i + LIMIT_ROW) % n, *last = from + i;
    __m512 sum[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()}, squares[2] = {sum[0], sum[0]};
    for (size_t k = 0; k < LIMIT_ROW; k += 32)
      for (size_t h = 0; h < 2; h++) {
        size_t at = k + 16 * h;
        sum[h] = _mm512_add_ps(sum[h], _mm512_loadu_ps(first + at));
        __m512 x = _mm512_sub_ps(_mm512_loadu_ps(second + at), mean), square = _mm512_mul_ps(x, x);
        __asm__("" : "+v"(square)); /* not fused: the kernel's result is defined without */
        squares[h] = _mm512_add_ps(squares[h], square);
        x = _mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(last + at), mean), scale);
        x = _mm512_mul_ps(x, _mm512_loadu_ps(weights[0] + at));
        __asm__("" : "+v"(x));
        _mm512_storeu_ps(to + i + at, _mm512_add_ps(x, _mm512_loadu_ps(weights[1] + at)));
      }
    for (size_t h = 0; h < 2; h++) __asm__ volatile("" : : "v"(sum[h]), "v"(squares[h]));
  }
}

static void ports_run(void *state) {
  ports *p = state;
  p->loop((const float *)(const void *)p->buffers.from, (float *)(void *)p->buffers.to, p->buffers.bytes / 4);
  __asm__ volatile("" : : : "memory");
}

static void ports_destroy(void *state) {
  ports *p = state;
  big_free(p->buffers.from, p->buffers.bytes), big_free(p->buffers.to, p->buffers.bytes);
  free(p);
}
#endif

bool limit_ports(const options *o, limit_kind kind, size_t floats, contender *out) {
#if defined(__x86_64__)
  ports *p = wide_row(o, 0) ? calloc(1, sizeof *p) : NULL;
  if (!p) return false;
  size_t bytes = (floats + 63) / 64 * 256;
  p->loop = kind == LIMIT_STORES    ? only_stores
            : kind == LIMIT_PASSES  ? passes
            : kind == LIMIT_WORK_37 ? work_37
                                    : work_44;
  p->buffers = (copy){big_alloc(bytes), big_alloc(bytes), bytes};
  fill_floats((float *)(void *)p->buffers.from, bytes / 4, 0.25f, 0.5f, 7); /* no sum becomes a denormal */
  memset(p->buffers.to, 0, bytes);
  *out = (contender){"limit", p, ports_run, NULL, ports_destroy};
  return true;
#else
  (void)o, (void)kind, (void)floats, (void)out;
  return false;
#endif
}
