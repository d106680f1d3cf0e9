/* WINDOW products of bytes as assembly for AVX-512 with dot products of bytes, a panel of 64 channels at a time, or of
 * 32: four columns of a window's line are interleaved by bytes, so that one instruction multiplies and adds them for as
 * many channels as a vector has dwords. Vectors have a byte of each of the panel's channels; of 32 channels that are
 * all there are, and where windows lie one column apart, of two pixels' channels. Interleaving leaves each of four sums
 * with four channels of every 128-bit lane: vector j has channels 16 L + 4 j .. + 3 in lane L, an order that packing
 * undoes.
 *
 * Windows are read where they are, of all strides and dilations. For each panel its weights are brought into the order
 * that sums have, and then for all groups of four units, or two:
 *
 *   for each line of the windows: column after column, two by two, then four by four interleaved by bytes, and
 *   multiplied for all units whose windows have any of the four, with weights that are shifted accordingly
 *   the epilogue, pixel by pixel, where it is a chain; else sums go to memory, some pixels at a time, for one of LLVM's
 */
#include "depthwise_write.h"
#include "tile.h"

enum { MOST_WIDTH = 32, MOST_PREPARED = 1 << 16 };

windows qn__windows_of(const qn_gemm_plan *p) {
  windows w = {.width = p->shape.size[1],
               .height = p->shape.size[0],
               .dilation = p->shape.dilation[1],
               .step = p->shape.stride[1] * (p->tile.text_pairs ? 2 : 1),
               .variants = 1,
               .bytes = p->tile.text_pairs ? 2 * p->layout.panel_width : p->layout.panel_width};
  for (uint32_t u = 0; u < UNITS; u++)
    if (qn__series_first(&w, u) % 2) w.variants = 2;
  w.fours = (w.width + w.variants - 1 + 3) / 4;
  w.prepared = (w.width * w.height + 3) / 4 * w.bytes * VECTORS;
  return w;
}

bool qn__ll_depthwise_serves(const qn_ll *g, const qn_gemm_plan *p) {
  if (!g->x86 || g->isa->vector_bits != 512 || !(g->isa->has & QN_ISA_DOT8) || !g->masked ||
      p->combine != QN_COMBINE_DOT || !qn__ll_dot_types(p, QN_UI8, QN_I8, QN_I32, 4) || p->layout.plain ||
      (p->layout.panel_width != WIDE_PANEL && p->layout.panel_width != WIDE_PANEL / 2))
    return false;
  const qn_window *w = &p->shape;
  if (w->size[1] > MOST_WIDTH || w->size[0] > MOST_PREPARED / (WIDE_PANEL * VECTORS)) return false;
  const windows all = qn__windows_of(p);
  return qn__prepared_bytes(&all) <= MOST_PREPARED;
}

static bool is_plain(const qn_ll_chains *c) {
  for (uint32_t i = 0; i < c->count; i++)
    if (c->chain[i].num_rows > 0) return false;
  return true;
}

bool qn__ll_depthwise(window_tile *w, const qn_body *body) {
  qn_ll *g = w->g;
  const qn_gemm_plan *p = w->plan;
  text *t = qn__arena_new(g->arena, text);
  if (!t) return false;
  const windows shape = qn__windows_of(p);
  uint32_t at_once = p->tile.text_pairs ? 2 : 1;
  *t = (text){.g = g,
              .plan = p,
              .channels = qn__depthwise_group,
              .pixels = UNITS * at_once,
              .vectors = 1,
              .lanes = p->layout.panel_width,
              .kind = shape.bytes == WIDE_PANEL ? 'z' : 'y',
              .vector_bytes = (uint32_t)shape.bytes,
              .at_once = at_once,
              .pads = qn__window_pads(p),
              .masks = p->tile.text_masks,
              .size = 1,
              .value_bytes = 4,
              .weight_bytes = (shape.width * shape.height + 3) / 4 * 4,
              .y_size = qn__ll_mem_bits(p->y_mem) / 8};
  bool found = false;
  if (!qn__ll_window_chains(t, &found)) return false;
  t->prepared = qn__ll_slot(g, g->i8, (uint32_t)qn__prepared_bytes(&shape));
  if (found && is_plain(&t->all))
    qn__ll_window_body(t, w, body, qn__depthwise_panels, t->lanes);
  else
    qn__ll_window_parked(t, w, body, qn__depthwise_sums, t->lanes, t->lanes);
  return true;
}
