/* Blocks that are turned around, as assembly for AVX-512. 16 bytes of a row are a lane of 128 bits: the same 16 bytes
 * of four rows make a vector, of as many such vectors as a lane has elements the unpacking instructions make columns,
 * lane by lane, and each is a whole line of the output. Rows come into lanes as they are loaded, which takes nothing of
 * the port that shuffles. What is less than a block is done as the last block that fits: elements next to it are
 * written twice, with the same. */
#include "assembly.h"
#include "transpose.h"

enum { LANE = 16, CHUNK = 256 }; /* bytes; elements along the output done before moving along the input */

bool qn__ll_transpose_has_text(const qn_ll_square *s) {
  const qn_ll *g = s->n->g;
  return g->x86 && g->isa->vector_bits == 512 && g->lanes == 16;
}

static LLVMTypeRef signature(qn_ll *g) {
  LLVMTypeRef params[8] = {g->ptr, g->i64, g->ptr, g->i64, g->i64, g->i64, g->i64, g->i64};
  return LLVMFunctionType(g->void_t, params, 8, false);
}

/* Each step puts vectors that are half of them apart together; after the last, lanes are columns. They are in vectors
 * *first on, and before that in the other half of the registers. */
static void turn_lanes(qn_buf *text, uint32_t count, uint32_t size, char kind, uint32_t *first) {
  static const char *const units[] = {[1] = "bw", [2] = "wd", [4] = "dq", [8] = "qdq"};
  for (uint32_t step = 1; step < count; step *= 2) {
    uint32_t from = *first, to = LANE - from;
    for (uint32_t i = 0; i < count; i++)
      qn__buf_fmt(text, "vpunpck%c%s %%%cmm%u, %%%cmm%u, %%%cmm%u\n", i % 2 ? 'h' : 'l', units[size], kind,
                  from + i / 2 + count / 2, kind, from + i / 2, kind, to + i);
    *first = to;
  }
}

/* void(from, its stride, to, its stride, blocks, chunks, rows, columns): blocks of `lanes` rows for each element of a
 * lane, one after the other, of each so many times 16 bytes of columns. The last block is so many rows back, the last
 * chunk so many columns. With `ahead` lines that the next block writes are fetched: no processor does that by itself
 * for so many rows, and it takes half of the time beyond the first-level cache.
 *
 *   rdi, rdx: block; r10, r11: chunk; rax, r13, r14, r15: rows; rbx: bytes from lane to lane */
static void write_text(qn_buf *text, uint32_t size, uint32_t lanes, bool ahead) {
  static const char *const kept[] = {"rbx", "r12", "r13", "r14", "r15"};
  static const char *const rows[] = {"rax", "r13", "r14", "r15"};
  uint32_t count = LANE / size, first = 0;
  char kind = lanes > 1 ? 'z' : 'x';
  for (int i = 0; i < 5; i++) qn__buf_fmt(text, "pushq %%%s\n", kept[i]);
  qn__buf_fmt(text, "imulq $$%u, %%rsi, %%rbx\n1:\ncmpq $$1, %%r8\njne 2f\n", count);
  qn__buf_fmt(text, "movq 48(%%rsp), %%rax\nmovq %%rax, %%r10\nimulq %%rsi, %%r10\nsubq %%r10, %%rdi\n");
  qn__buf_fmt(text, "imulq $$%u, %%rax, %%rax\nsubq %%rax, %%rdx\n2:\n", size);
  qn__buf_fmt(text,
              "movq %%rdi, %%r10\nmovq %%rdx, %%r11\nmovq %%r9, %%r12\n.p2align 4\n3:\ncmpq $$1, %%r12\njne 4f\n");
  qn__buf_fmt(text, "movq 56(%%rsp), %%rax\nmovq %%rax, %%r13\nimulq $$%u, %%rax, %%rax\nsubq %%rax, %%r10\n", size);
  qn__buf_fmt(text, "imulq %%rcx, %%r13\nsubq %%r13, %%r11\n4:\nmovq %%r10, %%rax\n");
  if (lanes > 1)
    qn__buf_fmt(text, "leaq (%%r10,%%rbx), %%r13\nleaq (%%r10,%%rbx,2), %%r14\nleaq (%%r13,%%rbx,2), %%r15\n");
  for (uint32_t r = 0; r < count; r++) {
    qn__buf_fmt(text, "vmovdqu (%%rax), %%xmm%u\n", r);
    for (uint32_t k = 1; k < lanes; k++)
      qn__buf_fmt(text, "vinserti32x4 $$%u, (%%%s), %%zmm%u, %%zmm%u\n", k, rows[k], r, r);
    for (uint32_t k = 0; k < lanes && r + 1 < count; k++) qn__buf_fmt(text, "addq %%rsi, %%%s\n", rows[k]);
  }
  turn_lanes(text, count, size, kind, &first);
  for (uint32_t c = 0; c < count; c++) {
    if (ahead) qn__buf_fmt(text, "prefetchw %u(%%r11)\n", LANE * lanes);
    qn__buf_fmt(text, "vmovdqu64 %%%cmm%u, (%%r11)\naddq %%rcx, %%r11\n", kind, first + c);
  }
  qn__buf_fmt(text, "addq $$%d, %%r10\ndecq %%r12\njne 3b\n", LANE);
  qn__buf_fmt(text, "leaq (%%rdi,%%rbx,%u), %%rdi\naddq $$%u, %%rdx\ndecq %%r8\njne 1b\n", lanes, LANE * lanes);
  for (int i = 5; i-- > 0;) qn__buf_fmt(text, "popq %%%s\n", kept[i]);
  qn__buf_c(text, "vzeroupper\nretq\n");
}

static uint32_t size_of(const qn_ll_square *s) {
  return qn__ll_mem_bits(s->mem) / 8;
}

/* Bodies of one module share those of one form. */
static LLVMValueRef function(const qn_ll_square *s, bool wide) {
  qn_ll *g = s->n->g;
  bool ahead = s->plain && !s->n->stream;
  qn_str name = qn__arena_fmt(g->arena, "square%u%s_%s", size_of(s), ahead ? "ahead" : "", wide ? "lines" : "lanes");
  if (!name.data) {
    g->failed = g->out_of_memory = true;
    return NULL;
  }
  LLVMValueRef fn = LLVMGetNamedFunction(g->mod, name.data);
  qn_buf text;
  if (fn) return fn;
  qn__buf_init(&text, g->arena->allocator);
  write_text(&text, size_of(s), wide ? 4 : 1, ahead);
  return qn__ll_assembly_function(g, name.data, signature(g), &text);
}

/* Blocks are 16 or 64 bytes along the output. */
static void call(const qn_ll_square *s, bool wide, LLVMValueRef from, LLVMValueRef from_stride, LLVMValueRef to,
                 LLVMValueRef to_stride, LLVMValueRef blocks, LLVMValueRef chunks, LLVMValueRef rows,
                 LLVMValueRef columns) {
  qn_ll *g = s->n->g;
  LLVMValueRef fn = function(s, wide), args[8] = {from, from_stride, to, to_stride, blocks, chunks, rows, columns};
  if (fn) LLVMBuildCall2(g->b, signature(g), fn, args, 8, "");
}

void qn__ll_transpose_turn(const qn_ll_square *s, uint32_t rows, uint32_t columns, LLVMValueRef from,
                           LLVMValueRef from_stride, LLVMValueRef to, LLVMValueRef to_stride) {
  qn_ll *g = s->n->g;
  uint32_t count = LANE / size_of(s);
  bool wide = rows % (4 * count) == 0;
  LLVMValueRef none = qn__ll_i64(g, 0), blocks = qn__ll_i64(g, rows / (wide ? 4 * count : count));
  call(s, wide, from, from_stride, to, to_stride, blocks, qn__ll_i64(g, columns / count), none, none);
}

/* ---- all of a plain transpose ---- */

/* How many times `step` covers `length`, and how far it goes beyond. */
static LLVMValueRef cover(qn_ll *g, LLVMValueRef length, uint32_t step, LLVMValueRef *beyond) {
  LLVMValueRef times = LLVMBuildUDiv(g->b, qn__ll_add(g, length, qn__ll_i64(g, step - 1)), qn__ll_i64(g, step), "");
  *beyond = qn__ll_sub(g, qn__ll_mul(g, times, qn__ll_i64(g, step)), length);
  return times;
}

static LLVMValueRef place(const qn_ll_square *s, uint32_t operand, LLVMValueRef along, LLVMValueRef across,
                          LLVMValueRef stride) {
  qn_ll *g = s->n->g;
  LLVMValueRef at = qn__ll_gep(g, s->n->places[operand].base, qn__ll_mul(g, along, qn__ll_i64(g, size_of(s))));
  return qn__ll_gep(g, at, qn__ll_mul(g, across, stride));
}

/* By blocks of 64 bytes along the output, or of 16. */
static void by_blocks(const qn_ll_square *s, bool wide) {
  qn_ll_nest *n = s->n;
  qn_ll *g = n->g;
  uint32_t count = LANE / size_of(s), most = 4 * count;
  LLVMValueRef rows, columns;
  qn_ll_for chunk, across;
  qn__ll_for_begin(g, &chunk, n->start, n->end, CHUNK, 0, NULL);
  LLVMValueRef length = qn__ll_min(g, qn__ll_i64(g, CHUNK), qn__ll_sub(g, n->end, chunk.i));
  LLVMValueRef blocks = cover(g, length, wide ? 4 * count : count, &rows);
  qn__ll_for_begin(g, &across, n->tile_start, n->tile_end, most, 0, NULL);
  LLVMValueRef width = qn__ll_min(g, qn__ll_i64(g, most), qn__ll_sub(g, n->tile_end, across.i));
  LLVMValueRef chunks = cover(g, width, count, &columns);
  call(s, wide, place(s, 0, across.i, chunk.i, s->in_stride), s->in_stride,
       place(s, 1, chunk.i, across.i, s->out_stride), s->out_stride, blocks, chunks, rows, columns);
  qn__ll_for_end(g, &across, NULL);
  qn__ll_for_end(g, &chunk, NULL);
}

/* Where a side is shorter than the smallest block. */
static void by_elements(const qn_ll_square *s) {
  qn_ll_nest *n = s->n;
  qn_ll *g = n->g;
  LLVMTypeRef type = LLVMIntTypeInContext(g->ctx, 8 * size_of(s));
  qn_ll_outline o;
  qn_ll_for across, along;
  qn__ll_outline_begin(g, &o, "transpose_elements");
  qn__ll_for_begin(g, &across, n->tile_start, n->tile_end, 1, 0, NULL);
  LLVMValueRef from = place(s, 0, across.i, qn__ll_i64(g, 0), s->in_stride);
  LLVMValueRef to = place(s, 1, qn__ll_i64(g, 0), across.i, s->out_stride);
  qn__ll_for_begin(g, &along, n->start, n->end, 1, 0, NULL);
  LLVMValueRef x = qn__ll_load_vec(g, type, qn__ll_gep(g, from, qn__ll_mul(g, along.i, s->in_stride)), 1);
  qn__ll_store_vec(g, x, qn__ll_gep(g, to, qn__ll_mul(g, along.i, qn__ll_i64(g, size_of(s)))), 1);
  qn__ll_for_end(g, &along, NULL);
  qn__ll_for_end(g, &across, NULL);
  qn__ll_outline_end(g, &o);
}

void qn__ll_transpose_by_text(const qn_ll_square *s) {
  qn_ll_nest *n = s->n;
  qn_ll *g = n->g;
  LLVMValueRef least = qn__ll_i64(g, LANE / size_of(s)), lines = qn__ll_i64(g, 4 * LANE / size_of(s));
  LLVMValueRef height = qn__ll_sub(g, n->end, n->start), width = qn__ll_sub(g, n->tile_end, n->tile_start);
  LLVMValueRef few = LLVMBuildICmp(g->b, LLVMIntSLT, qn__ll_min(g, height, width), least, "");
  LLVMValueRef tall = LLVMBuildICmp(g->b, LLVMIntSGE, height, lines, "");
  qn_ll_if small, large, kind;
  qn__ll_if_begin(g, &small, few);
  by_elements(s);
  qn__ll_if_end(g, &small);
  qn__ll_if_begin(g, &large, LLVMBuildNot(g->b, few, ""));
  qn__ll_if_begin(g, &kind, tall);
  by_blocks(s, true);
  qn__ll_if_end(g, &kind);
  qn__ll_if_begin(g, &kind, LLVMBuildNot(g->b, tall, ""));
  by_blocks(s, false);
  qn__ll_if_end(g, &kind);
  qn__ll_if_end(g, &large);
  qn__ll_function_quickly(g, g->fn);
}
