/* Where windows are. Before a block of rows is multiplied, a table is made of where its windows begin: dividing to find
 * that for each tile and panel takes as long as a short product.
 *
 * For windows that reach over an image without padding the table also has which of their positions are inside, and
 * which rows of Y they are. The sums of a tile then go through positions one by one: rows for which one is outside read
 * a position of the border in its place.
 *
 * Where the border is 0, positions that are outside for all rows of a tile add nothing and are left out. So that there
 * are many such tiles, pixels are taken in an order of their own: those whose windows are inside line by line, then the
 * columns left and right of them from top to bottom, then the lines above and below.
 *
 * Floats do that where all weights are known to be finite. A product of 0 is then 0 or -0, and adding that changes a
 * sum only from -0 to 0; what follows does not tell the two apart but where it, too, ends in a zero. So sums that end
 * otherwise than in -0 are those of all positions, and a tile in which one ends in -0, which takes products too small
 * for a float, is taken once more with all of them. */
#include "assembly.h"
#include "gemm_impl.h"

enum { PADDED = 3 * GEMM_PLACES * 8 }; /* bytes of the table */

static LLVMValueRef entry(qn_ll *g, LLVMValueRef place, int64_t part, uint32_t row) {
  return LLVMBuildLoad2(g->b, g->i64, qn__ll_gep_const(g, place, part + (int64_t)row * 8), "");
}

/* ---- the table ---- */

/* Pixels of an image that are taken together: outer axis by inner axis, which are lines and columns, or turned. */
typedef struct area {
  LLVMValueRef outer, inner, outers, inners; /* first of each, and how many */
  bool turned;
} area;
enum { AREAS = 5, AREA_BYTES = 5 * 8 };

typedef struct notes {
  qn_ll *g;
  const qn_gemm_plan *plan;
  bool skips;
  LLVMValueRef table, begin, end;
  LLVMValueRef size[15], origin, pixels;
  LLVMValueRef first[2], last[2]; /* lines and columns of pixels whose windows are inside; last is the one after */
  LLVMValueRef areas;             /* memory */
} notes;

static LLVMValueRef at_least(qn_ll *g, LLVMValueRef a, LLVMValueRef b) {
  return LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSGT, a, b, ""), a, b, "");
}

/* Which pixels along an axis see nothing outside. */
static void find_inside(notes *n, uint32_t axis) {
  qn_ll *g = n->g;
  const qn_window *w = &n->plan->shape;
  int64_t step = w->stride[axis], before = w->pads[axis], span = (w->size[axis] - 1) * w->dilation[axis] + 1;
  LLVMValueRef zero = qn__ll_i64(g, 0), by = qn__ll_i64(g, step), count = n->size[3 + axis];
  LLVMValueRef room = qn__ll_add(g, n->size[12 + axis], qn__ll_i64(g, before + step - span));
  LLVMValueRef first = qn__ll_i64(g, (before + step - 1) / step);
  LLVMValueRef last = LLVMBuildUDiv(g->b, at_least(g, room, zero), by, "");
  if (axis == 0) first = qn__ll_sub(g, first, n->size[14]), last = qn__ll_sub(g, last, n->size[14]);
  n->first[axis] = qn__ll_min(g, at_least(g, first, zero), count);
  n->last[axis] = qn__ll_min(g, at_least(g, last, n->first[axis]), count);
}

static void store_area(notes *n, uint32_t i, area a) {
  qn_ll *g = n->g;
  LLVMValueRef fields[5] = {a.outer, a.inner, a.outers, a.inners, qn__ll_i64(g, a.turned)};
  for (uint32_t f = 0; f < 5; f++)
    LLVMBuildStore(g->b, fields[f], qn__ll_gep_const(g, n->areas, (int64_t)i * AREA_BYTES + (int64_t)f * 8));
}

/* Gives their number. */
static uint32_t find_areas(notes *n) {
  qn_ll *g = n->g;
  LLVMValueRef zero = qn__ll_i64(g, 0), lines = n->size[3], columns = n->size[4];
  n->areas = qn__ll_slot(g, g->i8, AREAS * AREA_BYTES);
  if (!n->skips) {
    store_area(n, 0, (area){zero, zero, lines, columns, false});
    return 1;
  }
  LLVMValueRef high = qn__ll_sub(g, n->last[0], n->first[0]), wide = qn__ll_sub(g, n->last[1], n->first[1]);
  store_area(n, 0, (area){n->first[0], n->first[1], high, wide, false});
  store_area(n, 1, (area){zero, n->first[0], n->first[1], high, true});
  store_area(n, 2, (area){n->last[1], n->first[0], qn__ll_sub(g, columns, n->last[1]), high, true});
  store_area(n, 3, (area){zero, zero, n->first[0], columns, false});
  store_area(n, 4, (area){n->last[0], zero, qn__ll_sub(g, lines, n->last[0]), columns, false});
  return AREAS;
}

/* Bits of the positions along an axis that are inside, each for all positions it stands for. */
static LLVMValueRef bits_along(notes *n, uint32_t axis, LLVMValueRef from) {
  qn_ll *g = n->g;
  const qn_window *w = &n->plan->shape;
  uint64_t first = 0;
  for (int64_t j = 0; j < w->size[1 - axis]; j++) first |= 1ull << (axis ? j * w->size[1] : j);
  LLVMValueRef carried[3] = {from, qn__ll_bits(g, g->i64, first), qn__ll_i64(g, 0)}, zero = qn__ll_i64(g, 0);
  qn_ll_for f;
  qn__ll_do_begin(g, &f, zero, qn__ll_i64(g, w->size[axis]), 1, 3, carried);
  LLVMValueRef is = LLVMBuildICmp(g->b, LLVMIntULT, carried[0], n->size[12 + axis], "");
  carried[2] = LLVMBuildOr(g->b, carried[2], LLVMBuildSelect(g->b, is, carried[1], zero, ""), "");
  carried[0] = qn__ll_add(g, carried[0], qn__ll_i64(g, w->dilation[axis]));
  carried[1] = LLVMBuildShl(g->b, carried[1], qn__ll_i64(g, axis ? 1 : w->size[1]), "");
  qn__ll_for_end(g, &f, carried);
  return carried[2];
}

static uint64_t all_bits(const qn_window *w) {
  int64_t positions = w->size[0] * w->size[1];
  return positions >= 64 ? UINT64_MAX : (1ull << positions) - 1;
}

static LLVMValueRef within(notes *n, uint32_t axis, LLVMValueRef at) {
  qn_ll *g = n->g;
  LLVMValueRef from = qn__ll_sub(g, at, n->first[axis]), count = qn__ll_sub(g, n->last[axis], n->first[axis]);
  return LLVMBuildICmp(g->b, LLVMIntULT, from, count, "");
}

/* Pixels in a row, lines or columns, whose windows see the same of the image. */
typedef struct pixel_run {
  LLVMValueRef place, count;
  LLVMValueRef at, at_step, bits, row, row_step; /* bits, row: null without pads */
} pixel_run;

/* As assembly: this is done for every pixel, and the function around it is compiled quickly. */
static void run_text(notes *n, const pixel_run *r) {
  qn_ll *g = n->g;
  qn_ll_assembly code;
  LLVMValueRef changed[4] = {r->place, r->count, r->at, r->row};
  uint32_t num_changed = r->row ? 4 : 3;
  qn__ll_assembly_begin(g, &code);
  for (uint32_t i = 0; i < num_changed; i++) {
    code.results[code.num_results++] = LLVMTypeOf(changed[i]);
    code.args[code.num_args++] = changed[i];
    qn__buf_c(&code.constraints, i ? ",=&r" : "=&r");
  }
  for (uint32_t i = 0; i < num_changed; i++) qn__buf_fmt(&code.constraints, ",%u", i);
  code.args[code.num_args++] = r->at_step;
  qn__buf_c(&code.constraints, ",r");
  if (r->row) {
    code.args[code.num_args++] = r->bits, code.args[code.num_args++] = r->row_step;
    qn__buf_c(&code.constraints, ",r,r");
  }
  qn__buf_c(&code.constraints, ",~{memory},~{flags}");
  uint32_t at_step = 2 * num_changed, bits = at_step + 1, row_step = at_step + 2;
  qn__buf_fmt(&code.text, "1:\nmovq $2, %d($0)\naddq $%u, $2\n", GEMM_BEGINS, at_step);
  if (r->row)
    qn__buf_fmt(&code.text, "movq $%u, %d($0)\nmovq $3, %d($0)\naddq $%u, $3\n", bits, GEMM_INSIDE, GEMM_RESULT,
                row_step);
  qn__buf_c(&code.text, "addq $$8, $0\ndecq $1\njne 1b\n");
  qn__ll_assembly_call(g, &code, NULL, 0);
}

static void note_run(notes *n, const pixel_run *r) {
  qn_ll *g = n->g;
  if (g->x86) {
    run_text(n, r);
    return;
  }
  LLVMValueRef carried[3] = {r->place, r->at, r->row};
  qn_ll_for f;
  qn__ll_do_begin(g, &f, qn__ll_i64(g, 0), r->count, 1, r->row ? 3 : 2, carried);
  LLVMBuildStore(g->b, carried[1], qn__ll_gep_const(g, carried[0], GEMM_BEGINS));
  if (r->row) {
    LLVMBuildStore(g->b, r->bits, qn__ll_gep_const(g, carried[0], GEMM_INSIDE));
    LLVMBuildStore(g->b, carried[2], qn__ll_gep_const(g, carried[0], GEMM_RESULT));
    carried[2] = qn__ll_add(g, carried[2], r->row_step);
  }
  carried[0] = qn__ll_gep_const(g, carried[0], 8), carried[1] = qn__ll_add(g, carried[1], r->at_step);
  qn__ll_for_close(g, &f, carried);
}

/* What is inside of the windows of a run. */
static LLVMValueRef bits_of(notes *n, LLVMValueRef line, LLVMValueRef column, LLVMValueRef down) {
  qn_ll *g = n->g;
  const qn_window *w = &n->plan->shape;
  LLVMValueRef both[2] = {qn__ll_bits(g, g->i64, all_bits(w))};
  LLVMValueRef inside = LLVMBuildAnd(g->b, within(n, 0, line), within(n, 1, column), "");
  LLVMBasicBlockRef from[2] = {LLVMGetInsertBlock(g->b)};
  qn_ll_if over;
  qn__ll_if_begin(g, &over, LLVMBuildNot(g->b, inside, ""));
  LLVMValueRef top = qn__ll_mul(g, down, qn__ll_i64(g, w->stride[0]));
  LLVMValueRef left = qn__ll_mul(g, column, qn__ll_i64(g, w->stride[1]));
  top = qn__ll_sub(g, top, qn__ll_i64(g, w->pads[0])), left = qn__ll_sub(g, left, qn__ll_i64(g, w->pads[1]));
  LLVMValueRef above = bits_along(n, 0, top);
  both[1] = LLVMBuildAnd(g->b, above, bits_along(n, 1, left), "");
  from[1] = LLVMGetInsertBlock(g->b);
  qn__ll_if_end(g, &over);
  LLVMValueRef bits = LLVMBuildPhi(g->b, g->i64, "");
  LLVMAddIncoming(bits, both, from, 2);
  return bits;
}

/* The run that begins at a pixel and has `count` pixels, along lines where it is turned. */
static void note_pixels(notes *n, LLVMValueRef place, LLVMValueRef image, LLVMValueRef line, LLVMValueRef column,
                        LLVMValueRef turned, LLVMValueRef count) {
  qn_ll *g = n->g;
  pixel_run r = {.place = place, .count = count, .row_step = qn__ll_i64(g, 1), .at_step = n->size[9]};
  LLVMValueRef down = qn__ll_add(g, line, n->size[14]);
  r.at = qn__ll_sub(g, qn__ll_mul(g, image, n->size[7]), n->origin);
  r.at = qn__ll_add(g, r.at, qn__ll_mul(g, down, n->size[8]));
  r.at = qn__ll_add(g, r.at, qn__ll_mul(g, column, n->size[9]));
  r.row = qn__ll_add(g, qn__ll_mul(g, image, n->pixels), qn__ll_mul(g, line, n->size[4]));
  r.row = qn__ll_add(g, r.row, column);
  r.bits = bits_of(n, line, column, down);
  r.at_step = LLVMBuildSelect(g->b, turned, n->size[8], n->size[9], "");
  r.row_step = LLVMBuildSelect(g->b, turned, n->size[4], r.row_step, "");
  note_run(n, &r);
}

/* Pixels of a run from `inner` on, of `left` that are left: all up to where windows begin to be outside, where they are
 * inside, else one. */
static LLVMValueRef run_length(notes *n, LLVMValueRef turned, LLVMValueRef inner, LLVMValueRef left) {
  qn_ll *g = n->g;
  LLVMValueRef first = LLVMBuildSelect(g->b, turned, n->first[0], n->first[1], "");
  LLVMValueRef last = LLVMBuildSelect(g->b, turned, n->last[0], n->last[1], "");
  LLVMValueRef room = qn__ll_sub(g, last, inner), all = qn__ll_sub(g, last, first), one = qn__ll_i64(g, 1);
  LLVMValueRef inside = LLVMBuildICmp(g->b, LLVMIntULT, qn__ll_sub(g, inner, first), all, "");
  return qn__ll_min(g, left, LLVMBuildSelect(g->b, inside, room, one, ""));
}

/* The pixels of area `a` of an image, whose first is row `start`, as far as they are in the block. Gives the next row.
 */
static LLVMValueRef note_area(notes *n, LLVMValueRef a, LLVMValueRef image, LLVMValueRef start) {
  qn_ll *g = n->g;
  LLVMValueRef f[5];
  for (uint32_t i = 0; i < 5; i++) f[i] = LLVMBuildLoad2(g->b, g->i64, qn__ll_gep_const(g, a, (int64_t)i * 8), "");
  LLVMValueRef next = qn__ll_add(g, start, qn__ll_mul(g, f[2], f[3])), turned = LLVMBuildTrunc(g->b, f[4], g->i1, "");
  LLVMValueRef from = at_least(g, n->begin, start), to = qn__ll_min(g, n->end, next);
  qn_ll_if some;
  qn_ll_for pixels;
  qn__ll_if_begin(g, &some, LLVMBuildICmp(g->b, LLVMIntSLT, from, to, ""));
  LLVMValueRef at = qn__ll_sub(g, from, start), outer = LLVMBuildUDiv(g->b, at, f[3], "");
  LLVMValueRef carried[2] = {outer, qn__ll_sub(g, at, qn__ll_mul(g, outer, f[3]))};
  qn__ll_for_begin(g, &pixels, from, to, 1, 2, carried);
  LLVMValueRef x = qn__ll_add(g, f[0], carried[0]), y = qn__ll_add(g, f[1], carried[1]);
  LLVMValueRef place = qn__ll_gep(g, n->table, qn__ll_mul(g, qn__ll_sub(g, pixels.i, n->begin), qn__ll_i64(g, 8)));
  LLVMValueRef left = qn__ll_min(g, qn__ll_sub(g, to, pixels.i), qn__ll_sub(g, f[3], carried[1]));
  pixels.step = run_length(n, turned, y, left);
  note_pixels(n, place, image, LLVMBuildSelect(g->b, turned, y, x, ""), LLVMBuildSelect(g->b, turned, x, y, ""), turned,
              pixels.step);
  LLVMValueRef inner = qn__ll_add(g, carried[1], pixels.step), ends = LLVMBuildICmp(g->b, LLVMIntEQ, inner, f[3], "");
  carried[0] = qn__ll_add(g, carried[0], LLVMBuildZExt(g->b, ends, g->i64, ""));
  carried[1] = LLVMBuildSelect(g->b, ends, qn__ll_i64(g, 0), inner, "");
  qn__ll_for_end(g, &pixels, carried);
  qn__ll_if_end(g, &some);
  return next;
}

static void note_all(notes *n) {
  qn_ll *g = n->g;
  for (uint32_t i = 3; i < 15; i++) n->size[i] = qn__ll_arg_size(g, i);
  n->origin = qn__ll_window_origin(g, n->plan);
  n->pixels = qn__ll_mul(g, n->size[3], n->size[4]);
  for (uint32_t axis = 0; axis < 2; axis++) find_inside(n, axis);
  uint32_t count = find_areas(n);
  LLVMValueRef image = LLVMBuildUDiv(g->b, n->begin, n->pixels, ""), one = qn__ll_i64(g, 1);
  qn_ll_for images, areas;
  LLVMValueRef carried[1] = {image};
  qn__ll_for_begin(g, &images, qn__ll_mul(g, image, n->pixels), n->end, 1, 1, carried);
  images.step = n->pixels;
  image = carried[0];
  LLVMValueRef start[1] = {images.i};
  qn__ll_for_begin(g, &areas, qn__ll_i64(g, 0), qn__ll_i64(g, (int64_t)count * AREA_BYTES), AREA_BYTES, 1, start);
  start[0] = note_area(n, qn__ll_gep(g, n->areas, areas.i), image, start[0]);
  qn__ll_for_end(g, &areas, start);
  carried[0] = qn__ll_add(g, image, one);
  qn__ll_for_end(g, &images, carried);
}

/* Windows that are all inside, line by line. */
static void note_plainly(notes *n) {
  qn_ll *g = n->g;
  for (uint32_t i = 3; i < 10; i++) n->size[i] = qn__ll_arg_size(g, i);
  LLVMValueRef lines = n->size[3], columns = n->size[4], zero = qn__ll_i64(g, 0), one = qn__ll_i64(g, 1);
  LLVMValueRef line = LLVMBuildUDiv(g->b, n->begin, columns, ""), image = LLVMBuildUDiv(g->b, line, lines, "");
  LLVMValueRef carried[3] = {qn__ll_sub(g, n->begin, qn__ll_mul(g, line, columns)),
                             qn__ll_sub(g, line, qn__ll_mul(g, image, lines)), image};
  qn_ll_for f;
  qn__ll_for_begin(g, &f, n->begin, n->end, 1, 3, carried);
  pixel_run r = {.count = qn__ll_min(g, qn__ll_sub(g, n->end, f.i), qn__ll_sub(g, columns, carried[0])),
                 .at_step = n->size[9]};
  r.place = qn__ll_gep(g, n->table, qn__ll_mul(g, qn__ll_sub(g, f.i, n->begin), qn__ll_i64(g, 8)));
  r.at = qn__ll_add(g, qn__ll_mul(g, carried[1], n->size[8]), qn__ll_mul(g, carried[0], n->size[9]));
  r.at = qn__ll_add(g, r.at, qn__ll_mul(g, carried[2], n->size[7]));
  note_run(n, &r);
  f.step = r.count;
  line = qn__ll_add(g, carried[1], one);
  LLVMValueRef last = LLVMBuildICmp(g->b, LLVMIntEQ, line, lines, "");
  carried[0] = zero; /* of the next line, if there is one */
  carried[1] = LLVMBuildSelect(g->b, last, zero, line, "");
  carried[2] = qn__ll_add(g, carried[2], LLVMBuildZExt(g->b, last, g->i64, ""));
  qn__ll_for_end(g, &f, carried);
}

static LLVMTypeRef signature(qn_ll *g) {
  LLVMTypeRef params[4] = {g->ptr, g->ptr, g->i64, g->i64};
  return LLVMFunctionType(g->void_t, params, 4, false);
}

static void write_function(gemm_state *s) {
  qn_ll *g = s->g;
  qn_ll_inner f;
  qn__ll_inner_begin(g, &f, qn__arena_fmt(g->arena, "%s_places", s->body->symbol).data, signature(g));
  s->places.fn = f.fn;
  g->args = LLVMGetParam(f.fn, 0);
  if (g->x86) qn__ll_function_quickly(g, f.fn); /* what is done for each pixel is assembly */
  notes n = {.g = g,
             .plan = s->plan,
             .skips = s->places.skips,
             .table = LLVMGetParam(f.fn, 1),
             .begin = LLVMGetParam(f.fn, 2),
             .end = LLVMGetParam(f.fn, 3)};
  (s->places.pads ? note_all : note_plainly)(&n);
  qn__ll_inner_end(g, &f);
}

/* ---- around the tiles ---- */

static void fill_border(gemm_state *s) {
  qn_ll *g = s->g;
  uint32_t bits = qn__ll_mem_bits(s->plan->lhs), lanes = 64 * 8 / bits;
  LLVMTypeRef elem = LLVMIntTypeInContext(g->ctx, bits);
  LLVMValueRef one = LLVMConstInt(elem, (unsigned long long)s->plan->border, false);
  LLVMValueRef all[64];
  for (uint32_t i = 0; i < lanes; i++) all[i] = one;
  LLVMValueRef bytes = qn__ll_mul(g, s->tile.k_size, qn__ll_i64(g, bits / 8));
  qn_ll_for f;
  /* Up to the end of a block. */
  qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), bytes, 64, 0, NULL);
  qn__ll_store_vec(g, LLVMConstVector(all, lanes), qn__ll_gep(g, s->places.outside, f.i), 64);
  qn__ll_for_end(g, &f, NULL);
}

void qn__ll_gemm_places_init(gemm_state *s) {
  qn_ll *g = s->g;
  gemm_places *p = &s->places;
  p->some = s->plan->window;
  p->pads = p->some && qn__window_pads(s->plan);
  p->skips = p->pads && !p->in_order && s->plan->border == 0 && (!qn__ll_mem_float(s->plan->acc) || s->plan->finite);
  if (!p->some) return;
  p->table = qn__ll_slot(g, g->i8, p->pads ? PADDED : GEMM_INSIDE);
  if (p->pads) {
    p->outside = qn__ll_slot(g, g->i8, QN_WINDOW_BYTES + 64);
    fill_border(s);
  }
  write_function(s);
}

void qn__ll_gemm_places_note(gemm_state *s, LLVMValueRef begin, LLVMValueRef end) {
  LLVMValueRef args[4] = {s->g->args, s->places.table, begin, end};
  LLVMBuildCall2(s->g->b, signature(s->g), s->places.fn, args, 4, "");
}

LLVMValueRef qn__ll_gemm_places_taken(gemm_state *s) {
  return s->pieces.some ? s->pieces.positions : qn__ll_bits(s->g, s->g->i64, all_bits(&s->plan->shape));
}

LLVMValueRef qn__ll_gemm_places_offsets(gemm_state *s) {
  qn_ll *g = s->g;
  const qn_window *w = &s->plan->shape;
  LLVMValueRef to = qn__ll_slot(g, g->i64, (uint32_t)(w->size[0] * w->size[1])), zero = qn__ll_i64(g, 0);
  LLVMValueRef line[2] = {zero, to};
  qn_ll_for lines, columns;
  qn__ll_do_begin(g, &lines, zero, qn__ll_i64(g, w->size[0]), 1, 2, line);
  LLVMValueRef at[2] = {line[0], line[1]};
  qn__ll_do_begin(g, &columns, zero, qn__ll_i64(g, w->size[1]), 1, 2, at);
  LLVMBuildStore(g->b, at[0], at[1]);
  at[0] = qn__ll_add(g, at[0], s->image[11]), at[1] = qn__ll_gep_const(g, at[1], 8);
  qn__ll_for_end(g, &columns, at);
  line[0] = qn__ll_add(g, line[0], s->image[10]), line[1] = at[1];
  qn__ll_for_end(g, &lines, line);
  return to;
}

LLVMValueRef qn__ll_gemm_places_results(gemm_state *s) {
  return LLVMBuildPtrToInt(s->g->b, qn__ll_gep_const(s->g, s->at.place, GEMM_RESULT), s->g->i64, "");
}

/* ---- inside a tile ---- */

/* Positions that are taken, which are inside for some row of the tile, and all there are; and whether some row sees
 * fewer of the former than another. */
typedef struct positions {
  LLVMValueRef taken, all, differ;
} positions;

/* With `again`, which may be null, all are taken where it holds. */
static positions positions_of(gemm_state *s, LLVMValueRef again) {
  qn_ll *g = s->g;
  LLVMValueRef any = entry(g, s->place, GEMM_INSIDE, 0), common = any,
               all = qn__ll_bits(g, g->i64, all_bits(&s->plan->shape));
  for (uint32_t r = 1; r < s->tile.rows; r++) {
    LLVMValueRef row = entry(g, s->place, GEMM_INSIDE, r);
    any = LLVMBuildOr(g->b, any, row, ""), common = LLVMBuildAnd(g->b, common, row, "");
  }
  if (!s->places.skips) any = all;
  if (again) any = LLVMBuildSelect(g->b, again, all, any, "");
  if (s->pieces.some) {
    any = LLVMBuildAnd(g->b, any, s->pieces.positions, "");
    common = LLVMBuildAnd(g->b, common, s->pieces.positions, "");
    all = s->pieces.positions;
  }
  return (positions){any, all, LLVMBuildICmp(g->b, LLVMIntNE, any, common, "")};
}

static void choose_rows(gemm_state *s, LLVMValueRef position, LLVMValueRef *chosen) {
  qn_ll *g = s->g;
  for (uint32_t r = 0; r < s->tile.rows; r++) {
    LLVMValueRef bits = LLVMBuildLShr(g->b, entry(g, s->place, GEMM_INSIDE, r), position, "");
    LLVMValueRef inside = LLVMBuildTrunc(g->b, bits, g->i1, "");
    chosen[r] = LLVMBuildSelect(g->b, inside, s->tile.a[r], s->places.outside, "");
  }
}

/* Rows at a position, or at the border. Choosing takes the place of products, and is passed over where all rows are
 * inside; but for positions of less than a block, which have other things to wait for. */
static void rows_at(gemm_state *s, LLVMValueRef position, LLVMValueRef differ) {
  qn_ll *g = s->g;
  qn_ll_tile *t = &s->tile;
  LLVMValueRef width = qn__ll_i64(g, s->plan->shape.size[1]), line = LLVMBuildUDiv(g->b, position, width, "");
  LLVMValueRef column = qn__ll_sub(g, position, qn__ll_mul(g, line, width)), chosen[QN_LL_MAX_ROWS];
  LLVMValueRef offset = qn__ll_add(g, qn__ll_mul(g, line, s->image[10]), qn__ll_mul(g, column, s->image[11]));
  LLVMValueRef here = qn__ll_gep(g, s->a, offset);
  for (uint32_t r = 0; r < t->rows; r++) t->a[r] = qn__ll_gep(g, here, entry(g, s->place, GEMM_BEGINS, r));
  if (!s->plan->lhs_padded) {
    choose_rows(s, position, t->a);
    return;
  }
  LLVMBasicBlockRef from[2] = {LLVMGetInsertBlock(g->b)};
  qn_ll_if choose;
  qn__ll_if_begin(g, &choose, differ);
  choose_rows(s, position, chosen);
  from[1] = LLVMGetInsertBlock(g->b);
  qn__ll_if_end(g, &choose);
  for (uint32_t r = 0; r < t->rows; r++) {
    LLVMValueRef both[2] = {t->a[r], chosen[r]};
    t->a[r] = LLVMBuildPhi(g->b, g->ptr, "");
    LLVMAddIncoming(t->a[r], both, from, 2);
  }
}

void qn__ll_gemm_places_rows(gemm_state *s) {
  for (uint32_t r = 0; r < s->tile.rows; r++)
    s->tile.a[r] = qn__ll_gep(s->g, s->a, entry(s->g, s->place, GEMM_BEGINS, r));
}

static void positions_loop(gemm_state *s, positions p, void (*run)(gemm_state *)) {
  qn_ll *g = s->g;
  qn_ll_tile *t = &s->tile;
  uint32_t sums = t->acc_rows * t->vectors * t->sets, n = sums + 1;
  int64_t block = (int64_t)s->plan->layout.panel_width * s->plan->layout.k_block * qn__ll_mem_bits(s->plan->rhs) / 8;
  LLVMValueRef carried[QN_LL_MAX_CARRIED], first[QN_LL_MAX_VECTORS], zero = qn__ll_i64(g, 0);
  LLVMValueRef left = p.taken, count = qn__ll_intrinsic(g, "llvm.ctpop", 1, &g->i64, 1, &left);
  LLVMValueRef bytes = qn__ll_mul(g, s->all_blocks, qn__ll_i64(g, block));
  qn_ll_for f;
  for (uint32_t i = 0; i < t->panels; i++) first[i] = t->b[i];
  for (uint32_t i = 0; i < sums; i++) carried[i] = t->acc[i];
  carried[sums] = left;
  carried[n] = s->fetch.ahead;
  qn__ll_for_begin(g, &f, zero, count, 1, n + (s->fetch.ahead ? 1 : 0), carried);
  for (uint32_t i = 0; i < sums; i++) t->acc[i] = carried[i];
  left = carried[sums];
  if (s->fetch.ahead) s->fetch.ahead = carried[n];
  LLVMValueRef never[2] = {left, LLVMConstInt(g->i1, 1, false)};
  LLVMValueRef position = qn__ll_intrinsic(g, "llvm.cttz", 1, &g->i64, 2, never);
  rows_at(s, position, p.differ);
  for (uint32_t i = 0; i < t->panels; i++) t->b[i] = qn__ll_gep(g, first[i], qn__ll_mul(g, position, bytes));
  run(s);
  for (uint32_t i = 0; i < sums; i++) carried[i] = t->acc[i];
  carried[sums] = LLVMBuildAnd(g->b, left, qn__ll_sub(g, left, qn__ll_i64(g, 1)), "");
  carried[n] = s->fetch.ahead;
  qn__ll_for_end(g, &f, carried);
  for (uint32_t i = 0; i < sums; i++) t->acc[i] = carried[i];
  if (s->fetch.ahead) s->fetch.ahead = carried[n];
}

/* Whether any sum of the tile is -0. */
static LLVMValueRef some_minus_zero(gemm_state *s) {
  qn_ll *g = s->g;
  const qn_ll_tile *t = &s->tile;
  bool wide = s->plan->acc == QN_F64;
  LLVMTypeRef type = qn__ll_lanes(wide ? g->i64 : g->i32, t->acc_lanes);
  LLVMValueRef minus_zero = qn__ll_bits(g, type, wide ? 1ull << 63 : 1ull << 31), found = NULL;
  for (uint32_t i = 0; i < t->acc_rows * t->vectors; i++) {
    LLVMValueRef is = LLVMBuildICmp(g->b, LLVMIntEQ, LLVMBuildBitCast(g->b, t->acc[i], type, ""), minus_zero, "");
    found = found ? LLVMBuildOr(g->b, found, is, "") : is;
  }
  LLVMTypeRef flags = LLVMTypeOf(found);
  return t->acc_lanes > 1 ? qn__ll_intrinsic(g, "llvm.vector.reduce.or", 1, &flags, 1, &found) : found;
}

void qn__ll_gemm_places_loop(gemm_state *s, void (*begin)(gemm_state *), void (*run)(gemm_state *)) {
  qn_ll *g = s->g;
  if (!s->places.skips || !qn__ll_mem_float(s->plan->acc)) {
    begin(s);
    positions_loop(s, positions_of(s, NULL), run);
    return;
  }
  LLVMValueRef zero = qn__ll_i64(g, 0), one = qn__ll_i64(g, 1), two = qn__ll_i64(g, 2), ahead = s->fetch.ahead;
  qn_ll_for f;
  qn_ll_if some;
  qn__ll_do_begin(g, &f, zero, two, 1, 0, NULL);
  positions p = positions_of(s, LLVMBuildICmp(g->b, LLVMIntNE, f.i, zero, ""));
  s->fetch.ahead = ahead;
  begin(s);
  positions_loop(s, p, run);
  LLVMBasicBlockRef from[2] = {LLVMGetInsertBlock(g->b)};
  LLVMValueRef steps[2] = {two};
  qn__ll_if_begin(g, &some, LLVMBuildICmp(g->b, LLVMIntNE, p.taken, p.all, ""));
  steps[1] = LLVMBuildSelect(g->b, some_minus_zero(s), one, two, "");
  from[1] = LLVMGetInsertBlock(g->b);
  qn__ll_if_end(g, &some);
  f.step = LLVMBuildPhi(g->b, g->i64, "");
  LLVMAddIncoming(f.step, steps, from, 2);
  qn__ll_for_end(g, &f, NULL);
}
