/* Plans of matrix products. */
#include "choice.h"
#include "plan_util.h"
#include <stdio.h>

/* A tape that passes its first input on. */
static bool is_identity(const qn_tape *t) {
  const qn_tinst *i = &t->insts[t->outputs[0]];
  return i->op == QN_T_INPUT && i->a == 0;
}

/* Moves along the columns when the last axis does, along the rows when any other axis does: leading axes become rows
 * where they can be merged, and are looped over with a row stride of 0 where not. */
qn_extra qn__plan_extra(const qn_module *m, qn_value v) {
  qn__pshape s = qn__pshape_of(m, v);
  qn_extra e = {.mem = qn__mem_of(m, v)};
  e.by_col = s.rank >= 1 && s.size[s.rank - 1] != 1;
  for (uint32_t d = 0; d + 1 < s.rank; d++) e.by_row |= s.size[d] != 1;
  return e;
}

static qn_status plan_extras(qn_module *m, qn_op op, uint32_t first, uint32_t n, qn_arena *arena, qn_extra **out) {
  *out = qn__arena_array(arena, n, sizeof **out);
  if (!*out) return qn_error_no_memory(qn_module_context(m));
  for (uint32_t i = 0; i < n; i++) {
    (*out)[i] = qn__plan_extra(m, qn_op_operand(m, op, first + i));
    if (qn__sub_byte((*out)[i].mem))
      return qn_op_error(m, op, QN_DIAG_UNSUPPORTED,
                         "operand %u has elements of %s, which share bytes: widen them with kern.map first", first + i,
                         qn_scalar_get((*out)[i].mem)->text);
  }
  return QN_OK;
}

/* Memory types of a region's arguments: `first`, then the extras. */
static qn_scalar *argument_mem(qn_arena *arena, qn_scalar first, const qn_extra *extras, uint32_t n) {
  qn_scalar *mem = qn__arena_array(arena, (size_t)n + 1, sizeof *mem);
  if (!mem) return NULL;
  mem[0] = first;
  for (uint32_t i = 0; i < n; i++) mem[i + 1] = extras[i].mem;
  return mem;
}

static qn_status check_count(qn_module *m, qn_op op, const char *region, const qn_tape *t, uint32_t inputs) {
  if (t->num_inputs == inputs && t->num_outputs == 1 && t->num_stages == 1) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_VERIFY,
                     "the %s has %u arguments, %u results and %s, expected %u, 1 and no reduction", region,
                     t->num_inputs, t->num_outputs, t->num_stages == 1 ? "no reduction" : "a reduction", inputs);
}

qn_status qn__plan_epilogue(qn_module *m, qn_op op, uint32_t region, uint32_t first, qn_arena *arena, qn_gemm_plan *g) {
  g->num_epilogue_extras = qn_op_num_operands(m, op) - first;
  qn_status s = plan_extras(m, op, first, g->num_epilogue_extras, arena, &g->epilogue_extras);
  if (s) return s;
  qn_scalar *acc = argument_mem(arena, g->acc, g->epilogue_extras, g->num_epilogue_extras);
  if (!acc) return qn_error_no_memory(qn_module_context(m));
  s = qn__tape_build(m, qn_op_region(m, op, region), acc, &g->y_mem, arena, &g->epilogue);
  return s ? s : check_count(m, op, "epilogue", &g->epilogue, g->num_epilogue_extras + 1);
}

static qn_status plan_regions(qn_module *m, qn_op op, qn_arena *arena, qn_gemm_plan *g) {
  qn_context *ctx = qn_module_context(m);
  qn_scalar *in = argument_mem(arena, g->a_mem, g->prologue_extras, g->num_prologue_extras);
  if (!in) return qn_error_no_memory(ctx);
  qn_status s = qn__tape_build(m, qn_op_region(m, op, 0), in, &g->lhs, arena, &g->prologue);
  if (!s) s = check_count(m, op, "prologue", &g->prologue, g->num_prologue_extras + 1);
  return s ? s : qn__plan_epilogue(m, op, 1, 2 + g->num_prologue_extras, arena, g);
}

static qn_status plan_types(qn_module *m, qn_op op, const qn_isa *isa, qn_gemm_plan *g) {
  qn_context *ctx = qn_module_context(m);
  qn_attr lhs = qn_op_attr(m, op, "lhs");
  g->a_mem = qn__mem_of(m, qn_op_operand(m, op, 0));
  g->rhs = qn__mem_of(m, qn_op_operand(m, op, 1));
  g->lhs = lhs.id ? qn_type_memory(ctx, qn_attr_as_type(m, lhs)) : g->a_mem;
  g->acc = qn_type_memory(ctx, qn_attr_as_type(m, qn_op_attr(m, op, "acc")));
  g->y_mem = qn__mem_of(m, qn_op_result(m, op, 0));
  if (!qn_isa_gemm_layout(isa, g->lhs, g->rhs, g->acc))
    return qn_op_error(m, op, QN_DIAG_UNSUPPORTED,
                       "no kernel multiplies %s by %s into %s: there are ui8 by i8 and i16 by i16 into i32 or i64, f32 "
                       "by f32, f64 by f64, f32 by bf16, and where the row has them f32 by f16 and bf16 by bf16, into "
                       "f32; convert in the prologue, and b before it is packed",
                       qn_scalar_get(g->lhs)->text, qn_scalar_get(g->rhs)->text, qn_scalar_get(g->acc)->text);
  const qn_scalar whole[] = {g->a_mem, g->y_mem};
  for (int i = 0; i < 2; i++)
    if (qn__sub_byte(whole[i]))
      return qn_op_error(m, op, QN_DIAG_UNSUPPORTED,
                         "%s has elements of %s, which share bytes: convert them with kern.map %s the product",
                         i ? "the result" : "operand 'a'", qn_scalar_get(whole[i])->text, i ? "after" : "before");
  return QN_OK;
}

/* What pack-constants found out about b. */
static qn_status plan_constant(qn_module *m, qn_op op, qn_arena *arena, qn_kernel_plan *out) {
  qn_gemm_plan *g = &out->u.gemm;
  qn_op def = qn_value_op(m, qn_op_operand(m, op, 1));
  if (qn_op_kind_of(m, def) != QN_OP_PACKED) return QN_OK;
  bool bytes = g->lhs == QN_UI8 && (g->rhs == QN_I8 || g->rhs == QN_SI8) && (g->acc == QN_I32 || g->acc == QN_SI32);
  if (bytes && (out->isa->has & QN_ISA_PAIRS8)) g->sums16 = (uint32_t)qn_op_get_int(m, def, "sums16");
  qn_attr note = qn_op_attr(m, def, "quern.sparsity");
  if (qn_attr_kind_of(m, note) != QN_ATTR_STRING && !g->sums16) return QN_OK;
  qn_str text = note.id ? qn_attr_as_string(m, note) : qn_str_of("");
  qn_str notes = g->sums16 ? qn__arena_fmt(arena, "%s%.*s%ssums of %u products of bytes fit 16 bits",
                                           text.size ? "sparsity: " : "", (int)text.size, text.data,
                                           text.size ? "; " : "", 2 * g->sums16)
                           : qn__arena_fmt(arena, "sparsity: %.*s", (int)text.size, text.data);
  out->notes = notes.data;
  return notes.data ? QN_OK : qn_error_no_memory(qn_module_context(m));
}

/* Code may keep a panel's row of sums on the stack. */
enum { MAX_PLAIN = 16384 };

/* "plain" is one panel as wide as the matrix, which can be said when the width is known. */
static qn_status plan_layout(qn_module *m, qn_op op, const qn_isa *isa, qn_arena *arena, qn_kernel_plan *out) {
  qn_gemm_plan *g = &out->u.gemm;
  qn_str name = qn_attr_as_string(m, qn_op_attr(m, op, "layout"));
  if (!qn_layout_parse(name, &g->layout))
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "layout \"%.*s\" does not exist", (int)name.size, name.data);
  const char *best = qn_isa_gemm_layout(isa, g->lhs, g->rhs, g->acc);
  if (g->layout.plain) {
    qn__pshape b = qn__pshape_of(m, qn_op_operand(m, op, 1));
    int64_t n = b.rank ? b.size[b.rank - 1] : QN_DYNAMIC;
    if (n < 0 || n > MAX_PLAIN)
      return qn_op_error(m, op, QN_DIAG_UNSUPPORTED,
                         "b is plain and its number of columns is not known or above %d: pack it with kern.pack to "
                         "layout \"%s\"",
                         MAX_PLAIN, best);
    g->layout = (qn_layout){.plain = false, .k_block = 1, .panel_width = n ? (uint32_t)n : 1};
  }
  qn_layout made;
  qn_layout_parse(qn_str_of(best), &made);
  if (g->sums16) made.k_block = 4;
  if (!qn__layout_is_own(isa, &g->layout, &made, g->acc)) {
    qn_str why = qn__arena_fmt(arena, "b is in layout %.*s, the %s kernels are made for %s", (int)name.size, name.data,
                               isa->name, best);
    if (!why.data) return qn_error_no_memory(qn_module_context(m));
    out->slow_reason = why.data;
  } else if (!isa->has_fma) {
    out->slow_reason = g->acc == QN_I32 || g->acc == QN_I64 ? "the ISA row has no dot-product instruction"
                                                            : "the ISA row has no fused multiply-add";
  } else if (g->lhs == QN_UI8 && !g->sums16 && !(isa->has & (QN_ISA_DOT8 | QN_ISA_MATRIX8))) {
    out->slow_reason = "the ISA row has no dot product of bytes: they are multiplied as numbers of 16 bits";
  } else if (g->acc == QN_I64) {
    out->slow_reason = "sums have 64 bits: no dot-product instruction adds into them";
  }
  return QN_OK;
}

static uint32_t tallest(const qn_isa *isa, const qn_gemm_plan *g) {
  if (g->tiles) return isa->int8_rows;
  if (qn_scalar_is_float(g->lhs)) return isa->float_rows;
  if (g->lhs != QN_UI8 || (isa->has & QN_ISA_TILES)) return isa->int16_rows;
  return isa->int8_rows;
}

static qn_status follow_window(qn_module *m, qn_op op, qn_gemm_plan *g) {
  if (!qn_op_attr(m, op, "window").id) return QN_OK;
  if (g->layout.granule)
    return qn_op_error(m, op, QN_DIAG_UNSUPPORTED, "windows are not multiplied by a matrix cut into granules");
  qn__pshape a = qn__pshape_of(m, qn_op_operand(m, op, 0));
  if (!qn_window_read(m, op, &g->shape) || !is_identity(&g->prologue) || a.rank != 4 || a.size[3] < 0)
    return qn_op_error(m, op, QN_DIAG_VERIFY, "has a window that no kernel can follow");
  g->window = true;
  g->border = qn_op_get_int(m, op, "border");
  qn_op weights = qn_value_op(m, qn_op_operand(m, op, 1));
  if (qn__window_pads(g) && qn_op_kind_of(m, weights) == QN_OP_PACKED) g->finite = qn_op_get_bool(m, weights, "finite");
  qn_segments s = qn_window_segments(&g->shape, a.size[3]);
  g->window_inner = s.inner > 1;
  g->has_prologue = g->lhs_strided = false;
  /* What kern.pad makes for products stands in a buffer with room behind it; what is read there, or from the
   * next line, is multiplied by the zeros that end each segment of b. */
  qn_value image = qn_op_operand(m, op, 0);
  bool padded = qn_op_kind_of(m, qn_value_op(m, image)) == QN_OP_PAD;
  for (qn_use u = qn_value_first_use(m, image); u.id; u = qn_use_next(m, u)) {
    qn_op_kind user = qn_op_kind_of(m, qn_use_op(m, u));
    padded &= user == QN_OP_GEMM || user == QN_OP_WINDOW; /* no output, which callers own */
  }
  g->lhs_padded = s.length % g->layout.k_block == 0 || (padded && !qn_scalar_is_float(g->lhs));
  return QN_OK;
}

static qn_status plan_codes(qn_module *m, qn_op op, qn_gemm_plan *g) {
  qn_attr transpose = qn_op_attr(m, op, "transpose_a");
  bool transposed = qn_attr_kind_of(m, transpose) == QN_ATTR_UNIT || qn_attr_as_bool(m, transpose);
  for (uint32_t i = 0; transposed && i < g->num_prologue_extras; i++)
    if (g->prologue_extras[i].by_row || g->prologue_extras[i].by_col)
      return qn_op_error(m, op, QN_DIAG_UNSUPPORTED,
                         "prologue extra %u of a transposed 'a' has more than one element: transpose 'a' with kern.map",
                         i);
  g->lhs_strided = transposed;
  g->has_prologue = transposed || !is_identity(&g->prologue);
  qn__pshape a = qn__pshape_of(m, qn_op_operand(m, op, 0));
  int64_t k = a.rank >= 2 ? a.size[a.rank - (transposed ? 2 : 1)] : QN_DYNAMIC;
  /* Zeros are no matter to sums of integers; in a chain of fma one more may turn -0 into 0. */
  g->lhs_padded = (g->has_prologue && !qn_scalar_is_float(g->lhs)) || (k >= 0 && k % g->layout.k_block == 0);
  return QN_OK;
}

/* Rows of all leading axes of the result; QN_DYNAMIC where they are not known. */
static int64_t rows_of(const qn_module *m, qn_op op) {
  qn__pshape y = qn__pshape_of(m, qn_op_result(m, op, 0));
  int64_t rows = 1;
  for (uint32_t i = 0; i + 1 < y.rank; i++) {
    if (y.size[i] < 0) return QN_DYNAMIC;
    if (rows <= INT32_MAX) rows *= y.size[i] > INT32_MAX ? INT32_MAX : y.size[i];
  }
  return rows;
}

enum { MOST_TURN = 4 };

/* Blocks of K, the last one may be partial; negative where they are not known. */
static int64_t blocks_of(const qn_module *m, qn_op op, const qn_gemm_plan *g) {
  qn__pshape a = qn__pshape_of(m, qn_op_operand(m, op, 0));
  if (g->window || a.rank < 2) return -1;
  int64_t k = a.size[a.rank - (g->lhs_strided ? 2 : 1)];
  return k < 0 ? -1 : k / g->layout.k_block + (k % g->layout.k_block != 0);
}

/* What the blocks of K are whole turns of, so that the code needs no loop for what is left of them. */
static uint32_t turns_of(const qn_module *m, qn_op op, const qn_gemm_plan *g) {
  int64_t blocks = blocks_of(m, op, g), most = MOST_TURN;
  if (blocks < 1 || !g->lhs_padded || g->layout.granule) return 0;
  while (blocks % most) most /= 2;
  return (uint32_t)most;
}

/* Blocks of k to a turn; 0: as the tile's shape says. Floats, of which a block is one k, are 1 to 6% faster two at a
 * time. Of integers it depends on K: a processor foresees the end of a loop while it remembers the branches since its
 * beginning, of which about so many; after that each tile waits for the first instructions of what comes next, a
 * percent of its time. Of long ones that is too little for the code it takes. Tiles fetch a line of the next panel a
 * turn, which is to be all of it with so many rows. */
static uint32_t turn_of(const qn_module *m, qn_op op, const qn_gemm_plan *g) {
  enum { FORESEEN = 160, ROWS_A_BLOCK = 24 };
  int64_t blocks = blocks_of(m, op, g);
  if (blocks < 0) return 0;
  uint32_t turn = 1;
  while (turn < MOST_TURN && blocks > FORESEEN * (int64_t)turn) turn *= 2;
  if (blocks > FORESEEN * (int64_t)turn) turn = 1;
  if (qn_scalar_is_float(g->lhs)) turn = 2;
  return turn > 1 && rows_of(m, op) >= ROWS_A_BLOCK * (int64_t)turn ? turn : 0;
}

/* Whether calls may have more results than caches near the processor hold. Going through all rows a panel at a time
 * then writes lines here and there that are gone when the panels beside come to them. */
static bool many_results(const qn_module *m, qn_op op, const qn_gemm_plan *g, int64_t written) {
  qn__pshape y = qn__pshape_of(m, qn_op_result(m, op, 0));
  int64_t rows = rows_of(m, op), n = y.rank ? y.size[y.rank - 1] : QN_DYNAMIC;
  int64_t most = QN_MANY_WRITTEN * written / (int64_t)qn_scalar_bytes(g->y_mem, 1);
  return rows < 0 || n < 0 || n > most || rows > most || rows * n > most;
}

/* Columns of the products of one group, where they are known. */
static int64_t columns_of(const qn_module *m, qn_op op, const qn_gemm_plan *g) {
  qn__pshape y = qn__pshape_of(m, qn_op_result(m, op, 0));
  int64_t n = y.rank ? y.size[y.rank - 1] : QN_DYNAMIC;
  return g->window && n > 0 ? n / g->shape.groups : n;
}

/* K of a window in blocks, each segment padded to whole ones, where it is worth copying: short segments are not, nor
 * more than what a few of them take of a stack. */
static int64_t window_blocks(const qn_module *m, qn_op op, const qn_gemm_plan *g) {
  enum { SHORT = 16, MOST = 8192 };
  qn__pshape a = qn__pshape_of(m, qn_op_operand(m, op, 0));
  if (a.rank != 4 || a.size[3] < 0 || a.size[3] > INT32_MAX) return 0;
  qn_segments s = qn_window_segments(&g->shape, a.size[3]);
  if (s.length < SHORT || s.length > MOST || s.outer * s.inner > MOST) return 0;
  int64_t k = s.outer * s.inner * ((s.length + 3) / 4 * 4);
  return k > MOST ? 0 : k / 4;
}

/* Registers for tiles read blocks of four bytes of k by sixteen columns. A product takes them 16 blocks, and as long
 * for fewer; to give them their shapes takes as long as a small one. */
static bool in_tiles(const qn_module *m, qn_op op, const qn_isa *isa, const qn_gemm_plan *g) {
  enum { LEAST_BLOCKS = 8, SMALL_BLOCKS = 1 << 14 };
  bool bytes = g->lhs == QN_UI8 && g->acc == QN_I32 && g->layout.k_block == 4;
  bool pairs = g->lhs == QN_BF16 && g->rhs == QN_BF16 && g->layout.k_block == 2 && !g->window;
  if (!(isa->has & QN_ISA_TILES) || !(bytes || pairs) || g->layout.panel_width % 16 || g->layout.granule) return false;
  int64_t blocks = g->window ? window_blocks(m, op, g) : blocks_of(m, op, g), n = columns_of(m, op, g);
  int64_t rows = rows_of(m, op);
  if (n > 0 && n < QN_LEAST_TILE_COLUMNS) return false;
  if (rows > 0 && n > 0 && blocks > 0 && rows <= SMALL_BLOCKS && n <= SMALL_BLOCKS && rows * n <= SMALL_BLOCKS / blocks)
    return false;
  return blocks >= LEAST_BLOCKS || blocks < 0;
}

/* What tiles fetch before it is needed: all they can, but where one tile of some rows takes panels from a second-level
 * cache. That one is short of loads, and what is read in order comes by itself; also from further away, where calls of
 * other products have pushed panels out. */
static uint32_t fetch_of(const qn_module *m, qn_op op, const qn_gemm_plan *g) {
  enum { ALL = 2, LEAST_ROWS = 3 };
  int64_t rows = rows_of(m, op), blocks = blocks_of(m, op, g), n = columns_of(m, op, g), width = g->layout.panel_width;
  if (rows < LEAST_ROWS || rows > (int64_t)g->rows || blocks < 0 || n < 0 || n > INT32_MAX || blocks > INT32_MAX)
    return ALL;
  int64_t word = (int64_t)g->layout.k_block * qn_scalar_get(g->rhs)->storage_bits / 8;
  return (n + width - 1) / width * width * blocks * word <= (int64_t)g->outside_bytes ? 0 : ALL;
}

static qn_status choose(qn_module *m, qn_op op, qn_kernel_plan *out) {
  qn_gemm_plan *g = &out->u.gemm;
  qn_choice c;
  qn_tuned_kind kind = g->window ? QN_TUNED_CONV : QN_TUNED_GEMM;
  qn_status s = qn__choice_of_op(m, op, kind, &c, out->tuned, sizeof out->tuned);
  if (s) return s;
  const int64_t *v = c.value;
  qn__plan_direct(m, op, out->isa, v[QN_CHOICE_DIRECT], g);
  if (v[QN_CHOICE_ROWS] > 0 && !g->tiles) g->rows = (uint32_t)v[QN_CHOICE_ROWS]; /* tile registers have their own */
  g->unroll = v[QN_CHOICE_UNROLL] > 0 ? (uint32_t)v[QN_CHOICE_UNROLL] : turn_of(m, op, g);
  g->unroll_below = (uint32_t)v[QN_CHOICE_UNROLL_BELOW];
  g->turns_of = turns_of(m, op, g);
  g->piece_bytes = (uint32_t)v[QN_CHOICE_PIECE];
  g->long_bytes = (uint32_t)v[QN_CHOICE_LONG];
  g->outside_bytes = (uint32_t)v[QN_CHOICE_OUTSIDE];
  g->fetch = v[QN_CHOICE_FETCH] >= 0 ? (uint32_t)v[QN_CHOICE_FETCH] : fetch_of(m, op, g);
  g->tile_ahead = (uint32_t)v[QN_CHOICE_TILE_AHEAD];
  g->tile_far = (uint32_t)v[QN_CHOICE_TILE_FAR];
  g->tile_lines = (uint32_t)v[QN_CHOICE_TILE_LINES];
  g->tile_close = (uint32_t)v[QN_CHOICE_TILE_CLOSE];
  g->far_bytes = (uint64_t)v[QN_CHOICE_FAR_BYTES];
  g->kept_bytes = (uint32_t)v[QN_CHOICE_KEPT];
  g->large_bytes = (uint32_t)v[QN_CHOICE_LARGE];
  g->written_bytes = many_results(m, op, g, v[QN_CHOICE_WRITTEN]) ? (uint32_t)v[QN_CHOICE_WRITTEN] : 0;
  out->parts = v[QN_CHOICE_PARTS] > 0 ? (uint32_t)v[QN_CHOICE_PARTS] : 1;
  if (v[QN_CHOICE_ROWS] <= 0) qn__plan_few(m, op, out->isa, g);
  return QN_OK;
}

/* Windows with pads are cut between positions. */
static bool may_cut_window(const qn_module *m, qn_op op, const qn_gemm_plan *g) {
  qn__pshape a = qn__pshape_of(m, qn_op_operand(m, op, 0));
  int64_t kb = g->layout.k_block, k = a.rank == 4 ? a.size[3] : -1;
  if (!qn__window_pads(g) || k < 0 || k > INT32_MAX) return false;
  k = (k / g->shape.groups + kb - 1) / kb * kb * g->layout.panel_width;
  return k * g->shape.size[0] * g->shape.size[1] * qn_scalar_get(g->rhs)->storage_bits / 8 > (int64_t)g->long_bytes;
}

/* Whether calls of an op of these sizes, or of sizes that are not known, may find panels worth cutting: long ones, or
 * many bytes for few rows, which is also what a thread may be left with. Cutting is in the way of those that do not. */
static bool may_cut(const qn_module *m, qn_op op, const qn_gemm_plan *g) {
  enum { FEW_TILES = 16 };
  qn__pshape a = qn__pshape_of(m, qn_op_operand(m, op, 0)), y = qn__pshape_of(m, qn_op_result(m, op, 0));
  if (g->layout.plain) return false;
  if (g->window) return may_cut_window(m, op, g);
  if (a.rank < 2 || y.rank < 2) return true;
  int64_t k = a.size[a.rank - (g->lhs_strided ? 2 : 1)], n = y.size[y.rank - 1], rows = rows_of(m, op);
  int64_t kb = g->layout.k_block, width = g->layout.panel_width;
  if (k < 0 || n < 0 || k > INT32_MAX || n > INT32_MAX) return true;
  int64_t panel = (k + kb - 1) / kb * kb * width * qn_scalar_get(g->rhs)->storage_bits / 8;
  if (panel > (int64_t)g->long_bytes) return true;
  if (panel * ((n + width - 1) / width) <= (int64_t)g->outside_bytes) return false;
  return rows < 0 || rows <= (int64_t)g->rows * FEW_TILES;
}

/* The last columns are taken along K where that is sure to be the faster: rows are many and long. */
static void take_side(const qn_module *m, qn_op op, const qn_isa *isa, qn_gemm_plan *g) {
  qn__pshape a = qn__pshape_of(m, qn_op_operand(m, op, 0));
  if (g->tiles || g->window || g->layout.granule || g->layout.plain || a.rank < 2) return;
  int64_t n = columns_of(m, op, g), k = a.size[a.rank - (g->lhs_strided ? 2 : 1)];
  g->side = qn__side_columns(isa, &g->layout, g->lhs, g->acc, rows_of(m, op), n, k);
  if (g->side) g->last = (uint32_t)(n - g->side) % g->layout.panel_width;
}

qn_status qn__plan_gemm(qn_module *m, qn_op op, qn_arena *arena, qn_kernel_plan *out) {
  qn_gemm_plan *g = &out->u.gemm;
  qn_attr before_attr = qn_op_attr(m, op, "num_prologue");
  int64_t before = before_attr.id ? qn_attr_as_int(m, before_attr) : 0;
  uint32_t operands = qn_op_num_operands(m, op);
  if (operands < 2 || before < 0 || before > (int64_t)operands - 2 || qn_op_num_regions(m, op) != 2)
    return qn_op_error(m, op, QN_DIAG_OPERAND_COUNT, "has %u operands of which %lld extras of the prologue", operands,
                       (long long)before);
  g->num_prologue_extras = (uint32_t)before;
  qn_status s = plan_types(m, op, out->isa, g);
  if (!s) s = plan_constant(m, op, arena, out);
  if (!s) s = plan_layout(m, op, out->isa, arena, out);
  if (!s) s = plan_extras(m, op, 2, g->num_prologue_extras, arena, &g->prologue_extras);
  if (!s) s = plan_regions(m, op, arena, g);
  if (!s) s = plan_codes(m, op, g);
  if (!s) s = follow_window(m, op, g);
  if (s) return s;
  qn_str layout = qn_attr_as_string(m, qn_op_attr(m, op, "layout"));
  g->tiles = in_tiles(m, op, out->isa, g);
  g->rows = tallest(out->isa, g);
  qn_layout own;
  qn_layout_parse(qn_str_of(qn_isa_gemm_layout(out->isa, g->lhs, g->rhs, g->acc)), &own);
  if (g->sums16) own.k_block = 4;
  if (g->layout.granule) g->lhs_padded = true; /* K is a multiple of theirs */
  if (!g->tiles) g->rows = qn__tallest_tile(out->isa, &g->layout, &own, g->acc, g->rows);
  if (!g->tiles) g->last = qn__last_panel(out->isa, &g->layout, g->acc, columns_of(m, op, g));
  take_side(m, op, out->isa, g);
  g->whole = columns_of(m, op, g) > 0 && columns_of(m, op, g) % g->layout.panel_width == 0;
  int64_t n = columns_of(m, op, g), width = g->layout.panel_width, panels = n / width + (n % width > 0);
  g->num_panels = panels == 2 || panels == 3 ? (uint32_t)panels : 0;
  s = choose(m, op, out);
  if (s) return s;
  g->cuts = may_cut(m, op, g);
  int at = snprintf(out->tile, sizeof out->tile, "%ux%u", g->rows, g->layout.panel_width);
  if (g->last) at += snprintf(out->tile + at, sizeof out->tile - (size_t)at, "+%u", g->last);
  if (g->side) at += snprintf(out->tile + at, sizeof out->tile - (size_t)at, "+%u", g->side);
  snprintf(out->tile + at, sizeof out->tile - (size_t)at, " %.*s", (int)layout.size, layout.data);
  char pro[80] = "", epi[80] = "";
  qn__plan_describe(m, qn_op_region(m, op, 0), false, pro, sizeof pro);
  qn__plan_describe(m, qn_op_region(m, op, 1), true, epi, sizeof epi);
  if (g->lhs_strided)
    snprintf(out->fused, sizeof out->fused, "transpose%s%.60s | %.70s", pro[0] ? ", " : "", pro, epi);
  else if (pro[0])
    snprintf(out->fused, sizeof out->fused, "%.70s | %.70s", pro, epi);
  else
    snprintf(out->fused, sizeof out->fused, "%s", epi);
  return QN_OK;
}

uint64_t qn__extras_hash(const qn_extra *e, uint32_t n, uint64_t h) {
  for (uint32_t i = 0; i < n; i++)
    h = qn__mix(h, (uint64_t)e[i].mem | (uint64_t)e[i].by_row << 32 | (uint64_t)e[i].by_col << 33);
  return qn__mix(h, n);
}

uint64_t qn__gemm_hash(const qn_gemm_plan *g, uint64_t h) {
  const qn_scalar types[] = {g->a_mem, g->lhs, g->rhs, g->acc, g->y_mem};
  for (int i = 0; i < 5; i++) h = qn__mix(h, (uint64_t)types[i]);
  h = qn__layout_hash(&g->layout, h);
  h = qn__mix(h, (uint64_t)g->rows | (uint64_t)g->has_prologue << 32 | (uint64_t)g->lhs_padded << 33 |
                     (uint64_t)g->lhs_strided << 34 | (uint64_t)g->tiles << 37 | (uint64_t)g->window << 35 |
                     (uint64_t)g->window_inner << 36 | (uint64_t)g->sums16 << 40);
  h = qn__mix(h, (uint64_t)g->unroll | (uint64_t)g->unroll_below << 8 | (uint64_t)g->fetch << 16 |
                     (uint64_t)g->turns_of << 24);
  h = qn__mix(h, (uint64_t)g->cuts | (uint64_t)g->last << 1 | (uint64_t)g->side << 33 | (uint64_t)g->whole << 63);
  h = qn__mix(h, g->num_panels);
  if (qn__window_pads(g))
    h = qn__pads_hash(
        g, qn__mix(h, (uint64_t)g->shape.size[0] | (uint64_t)g->shape.size[1] << 32 | (uint64_t)g->finite << 16));
  h = qn__mix(h, (uint64_t)g->direct | (uint64_t)g->direct_fetch << 1 | (uint64_t)g->direct_n << 2);
  h = qn__mix(h, (uint64_t)g->direct_k);
  h = qn__mix(qn__mix(h, (uint64_t)g->direct_a_pitch), (uint64_t)g->direct_y_pitch);
  h = qn__mix(qn__mix(h, (uint64_t)g->piece_bytes | (uint64_t)g->long_bytes << 32), g->outside_bytes);
  h = qn__mix(qn__mix(h, (uint64_t)g->tile_ahead | (uint64_t)g->tile_far << 32),
              (uint64_t)g->tile_close | (uint64_t)g->tile_lines << 32);
  h = qn__mix(h, g->far_bytes);
  if (g->few)
    h = qn__mix(qn__mix(h, g->few | (uint64_t)g->few_rows << 8 | (uint64_t)g->few_blocks << 16),
                (uint64_t)g->few_pitch);
  h = qn__mix(qn__mix(h, (uint64_t)g->kept_bytes | (uint64_t)g->large_bytes << 32), g->written_bytes);
  h = qn__extras_hash(g->prologue_extras, g->num_prologue_extras, h);
  h = qn__extras_hash(g->epilogue_extras, g->num_epilogue_extras, h);
  return qn__tape_hash(&g->epilogue, qn__tape_hash(&g->prologue, h));
}
