/* Lines of C, and a source made of bodies. */
#include "cgen.h"
#include <string.h>

void qn__c_indent(qn_cgen *g) {
  for (int i = 0; i < g->indent; i++) qn__buf_c(g->out, "  ");
}

void qn__c_line(qn_cgen *g, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  qn__c_indent(g);
  qn__buf_vfmt(g->out, fmt, args);
  qn__buf_char(g->out, '\n');
  va_end(args);
}

void qn__c_open(qn_cgen *g, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  qn__c_indent(g);
  qn__buf_vfmt(g->out, fmt, args);
  qn__buf_c(g->out, " {\n");
  g->indent++;
  va_end(args);
}

void qn__c_close(qn_cgen *g) {
  g->indent--;
  qn__c_indent(g);
  qn__buf_c(g->out, "}\n");
}

void qn__c_comment_text(qn_cgen *g, qn_str s) {
  for (size_t i = 0; i < s.size; i++) {
    char c = s.data[i];
    bool plain = c >= ' ' && c <= '~' && c != '*' && c != '\\' && c != '?';
    qn__buf_char(g->out, (char)(plain ? c : '.'));
  }
}

const char **qn__c_names(const char *first, const char *rest, uint32_t n, qn_arena *arena) {
  const char **names = qn__arena_array(arena, n, sizeof *names);
  for (uint32_t i = 0; names && i < n; i++) {
    qn_str s = first && i == 0 ? qn__arena_str(arena, qn_str_of(first))
                               : qn__arena_fmt(arena, "%s%u", rest, first ? i - 1 : i);
    if (!s.data) return NULL;
    names[i] = s.data;
  }
  return names;
}

static const char *const kind_text[] = {"kern.gemm",       "kern.map",        "kern.row",       "kern.pack",
                                        "kern.block_rows", "kern.block_gemm", "kern.attention", "kern.view",
                                        "kern.window",     "kern.pad"};

static const char *text_of(qn_scalar s) {
  return qn_scalar_get(s)->text;
}

static void types_comment(qn_cgen *g, const qn_kernel_plan *p) {
  if (p->kind == QN_KERNEL_GEMM) {
    const qn_gemm_plan *m = &p->u.gemm;
    qn__buf_fmt(g->out, " %s by %s into %s, result %s, b in ", text_of(m->lhs), text_of(m->rhs), text_of(m->acc),
                text_of(m->y_mem));
    qn__buf_fmt(g->out, "panels of %u columns, %u steps of k interleaved", m->layout.panel_width, m->layout.k_block);
  } else if (p->kind == QN_KERNEL_MAP || p->kind == QN_KERNEL_ROW || p->kind == QN_KERNEL_PAD) {
    const qn_loop_plan *l = &p->u.loop;
    for (uint32_t i = 0; i < l->num_inputs; i++)
      qn__buf_fmt(g->out, "%s %s", i ? "," : "", text_of(l->tape.input_mem[i]));
    qn__buf_c(g->out, " ->");
    for (uint32_t i = 0; i < l->num_outputs; i++)
      qn__buf_fmt(g->out, "%s %s", i ? "," : "", text_of(l->tape.output_mem[i]));
  } else if (p->kind == QN_KERNEL_ATTENTION) {
    const qn_attention_plan *a = &p->u.attention;
    qn__buf_fmt(g->out, " scores of %s by %s, values of %s, result %s, blocks of %u keys", text_of(a->scores.lhs),
                text_of(a->scores.rhs), text_of(a->values.rhs), text_of(a->y_mem), a->key_block);
  } else if (p->kind == QN_KERNEL_PACK) {
    qn__buf_fmt(g->out, " %s into panels of %u columns, %u steps of k interleaved", text_of(p->u.pack.mem),
                p->u.pack.layout.panel_width, p->u.pack.layout.k_block);
  }
}

static void body_comment(qn_cgen *g, const qn_body *b) {
  const qn_kernel_plan *p = b->plan;
  qn__buf_fmt(g->out, "\n/* %s", kind_text[p->kind]);
  if (p->place.file.size) {
    qn__buf_c(g->out, " at ");
    qn__c_comment_text(g, p->place.file);
    qn__buf_fmt(g->out, ":%u:%u", p->place.line, p->place.col);
  }
  if (p->place.entity.size) {
    qn__buf_c(g->out, " (");
    qn__c_comment_text(g, p->place.entity);
    qn__buf_char(g->out, ')');
  }
  qn__buf_char(g->out, ':');
  types_comment(g, p);
  if (b->part == QN_PART_PROLOGUE) qn__buf_c(g->out, "; prologue: rows of a as codes");
  if (p->fused[0]) {
    qn__buf_c(g->out, "; fused: ");
    qn__c_comment_text(g, qn_str_of(p->fused));
  }
  qn__buf_c(g->out, " */\n");
}

/* Tile heights differ for other generators' sake: here all tiles of a plan are one function. */
static const qn_body *same_code(uint32_t at, const qn_body *bodies) {
  for (uint32_t i = 0; i < at; i++)
    if ((bodies[at].part == QN_PART_TILES || bodies[at].part == QN_PART_ATTENTION) &&
        bodies[i].part == bodies[at].part && bodies[i].plan->hash == bodies[at].plan->hash)
      return &bodies[i];
  return NULL;
}

typedef void (*body_fn)(qn_cgen *g, const qn_kernel_plan *p, qn_arena *arena);

static body_fn generator_of(const qn_body *b) {
  switch (b->plan->kind) {
  case QN_KERNEL_GEMM: return b->part == QN_PART_PROLOGUE ? qn__c_gemm_prologue : qn__c_gemm_tiles;
  case QN_KERNEL_MAP: return qn__c_map;
  case QN_KERNEL_ROW: return qn__c_row;
  case QN_KERNEL_PACK: return qn__c_pack;
  case QN_KERNEL_BLOCK_ROWS: return qn__c_block_rows;
  case QN_KERNEL_BLOCK_GEMM: return qn__c_block_gemm;
  case QN_KERNEL_ATTENTION: return qn__c_attention;
  case QN_KERNEL_WINDOW: return qn__c_window;
  case QN_KERNEL_PAD: return qn__c_pad;
  default: return NULL;
  }
}

static qn_status write_body(qn_cgen *g, qn_context *ctx, uint32_t at, const qn_body *bodies) {
  const qn_body *b = &bodies[at], *twin = same_code(at, bodies);
  body_fn fn = generator_of(b);
  if (!fn) return qn_error(ctx, QN_DIAG_INTERNAL, b->plan->place, "kernel %s has no code", b->plan->name);
  const char *linkage = g->portable ? "static " : "";
  if (twin) {
    qn__c_line(g, "\n%sint32_t %s(const qn_kargs *args) { return %s(args); }", linkage, b->symbol, twin->symbol);
    return QN_OK;
  }
  body_comment(g, b);
  qn__c_open(g, "%sint32_t %s(const qn_kargs *args)", linkage, b->symbol);
  qn_arena arena;
  qn__arena_init(&arena, qn_context_allocator(ctx));
  fn(g, b->plan, &arena);
  qn__arena_free(&arena);
  qn__c_line(g, "return 0;");
  qn__c_close(g);
  return QN_OK;
}

qn_status qn__c_bodies(qn_context *ctx, qn_buf *out, bool portable, uint32_t num_bodies, const qn_body *bodies) {
  qn_cgen g = {.out = out, .portable = portable};
  qn_status s = QN_OK;
  qn__c_prelude(&g, num_bodies, bodies);
  for (uint32_t i = 0; i < num_bodies && !s; i++) s = write_body(&g, ctx, i, bodies);
  return !s && out->failed && !out->flush ? qn_error_no_memory(ctx) : s;
}
