/* Weights of windows of bytes, prepared for a panel at a time: first in the order that sums have, all positions of a
 * window in fours; then those of four columns each, shifted for units that begin at an odd column. */
#include "depthwise_write.h"

static void turn_some(text *t, char kind, int part, uint32_t a, uint32_t b, uint32_t to) {
  TEXT("vshufi32x4 $$%d, %%%cmm%u, %%%cmm%u, %%%cmm%u\n", part, kind, b, kind, a, kind, to);
}

static void turn_wide(text *t, uint32_t from, uint32_t through, uint32_t to) {
  for (uint32_t i = 0; i < VECTORS; i++)
    turn_some(t, 'z', i / 2 ? 0xEE : 0x44, from + i % 2 * 2, from + i % 2 * 2 + 1, through + i);
  for (uint32_t i = 0; i < VECTORS; i++)
    turn_some(t, 'z', i % 2 ? 0xDD : 0x88, through + i / 2 * 2, through + i / 2 * 2 + 1, to + i);
}

void qn__depthwise_turn(text *t, uint32_t from, uint32_t through, uint32_t to) {
  if (t->kind == 'z') {
    turn_wide(t, from, through, to);
    return;
  }
  for (uint32_t i = 0; i < VECTORS; i++)
    turn_some(t, 'y', i / 2 ? 3 : 0, from + i % 2 * 2, from + i % 2 * 2 + 1, to + i);
}

/* The panel's at rcx, four positions each: into rdx. Of half a panel all vectors of two lanes; where vectors have two
 * pixels' channels, for each of them. */
static void order_weights(text *t, const windows *w) {
  uint32_t from = t->lanes, to = t->vector_bytes;
  char kind = from == WIDE_PANEL ? 'z' : 'y';
  TEXT("movl $$%lld, %%eax\n", (long long)((w->width * w->height + 3) / 4));
  label(t, AT_LINE);
  for (uint32_t i = 0; i < VECTORS; i++) TEXT("vmovdqu64 %u(%%rcx), %%%cmm%u\n", i * from, kind, i);
  if (kind == 'z')
    turn_wide(t, 0, 4, 8);
  else
    for (uint32_t i = 0; i < VECTORS; i++) turn_some(t, kind, i % 2 ? 3 : 0, i / 2, i / 2 + 2, 8 + i);
  for (uint32_t i = 8; i < 8 + VECTORS; i++) {
    if (t->at_once > 1) TEXT("vinserti64x4 $$1, %%ymm%u, %%zmm%u, %%zmm%u\n", i, i, i);
    TEXT("vmovdqu64 %%%cmm%u, %u(%%rdx)\n", t->kind, i, (i - 8) * to);
  }
  TEXT("addq $$%u, %%rcx\naddq $$%u, %%rdx\ndecl %%eax\njne %db\n", from * VECTORS, to * VECTORS, AT_LINE);
}

/* Those of four columns, of one vector at rdx: bytes of two groups of four that follow each other. */
static void shift_weights(text *t, const windows *w, int64_t line, int64_t four, int64_t odd) {
  int64_t first = -1, count = 0, to = qn__four_at(w, line, four, odd);
  for (int64_t b = 0; b < 4; b++) {
    int64_t j = 4 * four + b - odd;
    if (j < 0 || j >= w->width) continue;
    if (first < 0) first = b;
    count++;
  }
  if (count == 0) return; /* nothing is multiplied by them */
  int64_t tap = line * w->width + 4 * four + first - odd, at = tap / 4 * w->bytes * VECTORS, skip = tap % 4;
  TEXT("vmovdqu64 %lld(%%rdx), %%%cmm0\n", (long long)at, t->kind);
  if (skip) TEXT("vpsrld $$%lld, %%%cmm0, %%%cmm0\n", (long long)(8 * skip), t->kind, t->kind);
  if (skip + count > 4) {
    TEXT("vmovdqu64 %lld(%%rdx), %%%cmm1\n", (long long)(at + w->bytes * VECTORS), t->kind);
    TEXT("vpslld $$%lld, %%%cmm1, %%%cmm1\nvpord %%%cmm1, %%%cmm0, %%%cmm0\n", (long long)(8 * (4 - skip)), t->kind,
         t->kind, t->kind, t->kind, t->kind);
  }
  if (count < 4) TEXT("vpslld $$%lld, %%%cmm0, %%%cmm0\n", (long long)(8 * (4 - count)), t->kind, t->kind);
  if (count + first < 4)
    TEXT("vpsrld $$%lld, %%%cmm0, %%%cmm0\n", (long long)(8 * (4 - count - first)), t->kind, t->kind);
  TEXT("vmovdqu64 %%%cmm0, %lld(%%rdx)\n", t->kind, (long long)to);
}

void qn__depthwise_weights(text *t, const windows *w) {
  load(t, WEIGHTS, "rcx");
  load(t, TAP, "rdx");
  order_weights(t, w);
  load(t, TAP, "rdx");
  TEXT("movl $$%d, %%eax\n", VECTORS);
  label(t, AT_SOME);
  for (int64_t line = 0; line < w->height; line++)
    for (int64_t four = 0; four < w->fours; four++)
      for (int64_t odd = 0; odd < w->variants; odd++) shift_weights(t, w, line, four, odd);
  TEXT("addq $$%lld, %%rdx\ndecl %%eax\njne %db\n", (long long)w->bytes, AT_SOME);
}
