/* LIBXSMM: u8 x s8 -> i32 for small matrices, weights packed by fours of k. Its matrices are column-major, so our rows
 * are its columns and it multiplies weights by activations. */
#include "bench.h"
#include "setup.h"
#ifdef HAVE_LIBXSMM
#  include <libxsmm.h>
#  include <stdlib.h>
#  include <string.h>

typedef struct xsmm {
  libxsmm_subimmfunction run;
  char *b;
  const unsigned char *a;
  int *y;
} xsmm;

static void xsmm_call(void *state) {
  xsmm *s = state;
  s->run(s->b, s->a, s->y);
}

static void xsmm_destroy(void *state) {
  xsmm *s = state;
  free(s->b), free(s->y), free(s);
}

/* What it knows has vpdpbusd and vdpbf16ps at most. */
static void keep_to(const options *o) {
  const qn_isa *isa = o->cpu ? qn_isa_find(qn_str_of(o->cpu)) : NULL;
  libxsmm_init();
  if (!isa || strcmp(isa->arch, "x86_64") || (isa->has & (QN_ISA_TILES | QN_ISA_BF16))) return;
  libxsmm_set_target_archid(isa->vector_bits == 512   ? LIBXSMM_X86_AVX512_CLX
                            : isa->vector_bits == 256 ? LIBXSMM_X86_AVX2
                                                      : LIBXSMM_X86_SSE3);
}

bool libxsmm_product(const product *p, const options *o, contender *out, const void **y, peer_note *why) {
  libxsmm_blasint m = (libxsmm_blasint)p->m, n = (libxsmm_blasint)p->n, k = (libxsmm_blasint)p->k;
  int alpha = 1, beta = 0;
  if (p->k % 4 || p->y_type != QN_I32 || o->threads > 1) {
    snprintf(why->text, sizeof why->text, "it takes K in fours and one thread here");
    return false;
  }
  keep_to(o);
  libxsmm_subimmfunction run = libxsmm_subimmdispatch(n, m, k, NULL, NULL, NULL, &alpha, &beta, NULL, NULL);
  if (!run) {
    snprintf(why->text, sizeof why->text, "it makes no kernel for this shape");
    return false;
  }
  xsmm *s = calloc(1, sizeof *s);
  if (!s) return false;
  s->run = run, s->a = p->a;
  s->b = big_alloc((size_t)(p->k * p->n)), s->y = big_alloc(product_y_bytes(p));
  const int8_t *b = p->b;
  for (int64_t i = 0; i < p->k; i++)
    for (int64_t j = 0; j < p->n; j++) s->b[(i / 4 * p->n + j) * 4 + i % 4] = (char)b[i * p->n + j];
  *out = (contender){"libxsmm", s, xsmm_call, NULL, xsmm_destroy};
  *y = s->y;
  return true;
}

int libxsmm_creations(double *us, int room) {
  int alpha = 1, beta = 0, n = 0;
  libxsmm_init();
  for (int i = 0; i < room; i++) {
    double start = seconds_now();
    bool good = libxsmm_subimmdispatch(64, 64 + i, 64, NULL, NULL, NULL, &alpha, &beta, NULL, NULL) != NULL;
    us[n] = (seconds_now() - start) * 1e6;
    n += good;
  }
  return n;
}
#else
int libxsmm_creations(double *us, int room) {
  (void)us, (void)room;
  return 0;
}
bool libxsmm_product(const product *p, const options *o, contender *out, const void **y, peer_note *why) {
  (void)p, (void)o, (void)out, (void)y;
  snprintf(why->text, sizeof why->text, "not built in: libxsmm-dev was not found");
  return false;
}
#endif
