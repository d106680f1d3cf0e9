/* Plans of attention. */
#include "attention_attrs.h"
#include "choice.h"
#include "plan_util.h"
#include "recipe.h"
#include <stdio.h>
#include <string.h>

/* Bodies keep a tile of o on the stack. */
enum { MAX_DV = 1024 };
/* And a block of keys, and of values, that comes as rows. */
enum { MAX_ROOM = 1 << 17 };

/* `width`: of panels of codes that come as rows, and are brought into the row's own layout. */
static qn_status plan_product(qn_module *m, qn_op op, const char *layout, const char *own, uint32_t width,
                              qn_gemm_plan *g, bool *rows) {
  qn_str name = qn_attr_as_string(m, qn_op_attr(m, op, layout));
  bool known = qn_layout_parse(name, &g->layout) && g->layout.k_block <= 64;
  if (known && g->layout.plain && width) {
    *rows = known = qn_layout_parse(qn_str_of(own), &g->layout);
    g->layout = (qn_layout){.k_block = g->layout.k_block, .panel_width = width};
  }
  if (known && g->layout.plain && g->acc == QN_F32) {
    /* One panel as wide as the matrix; sizes are looked at later. */
    qn__pshape v = qn__pshape_of(m, qn_op_operand(m, op, 2));
    int64_t n = v.rank ? v.size[v.rank - 1] : 0;
    g->layout = (qn_layout){.k_block = 1, .panel_width = n > 0 && n <= MAX_DV ? (uint32_t)n : 16};
  }
  if (known && !g->layout.plain) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "%s \"%.*s\" is no layout that a kernel reads", layout, (int)name.size,
                     name.data);
}

static qn_status plan_products(qn_module *m, qn_op op, const qn_isa *isa, qn_attention_plan *p) {
  p->scores.lhs = p->scores.a_mem = qn__mem_of(m, qn_op_operand(m, op, 0));
  p->scores.rhs = qn__mem_of(m, qn_op_operand(m, op, 1));
  p->values.rhs = qn__mem_of(m, qn_op_operand(m, op, 2));
  p->scores.acc = qn_type_memory(qn_module_context(m), qn_attr_as_type(m, qn_op_attr(m, op, "acc")));
  p->codes = p->scores.acc == QN_I32;
  p->values.lhs = p->values.a_mem = p->codes ? QN_UI8 : QN_F32;
  p->values.acc = p->scores.acc;
  const char *own = qn_isa_gemm_layout(isa, p->values.lhs, p->scores.rhs, p->scores.acc);
  bool is_signed = p->codes && p->scores.lhs == QN_I8; /* layouts are the same for them */
  if ((p->scores.lhs != p->values.lhs && !is_signed) || p->scores.rhs != p->values.rhs || !own)
    return qn_op_error(m, op, QN_DIAG_UNSUPPORTED, "no kernel has scores of %s by %s into %s and values of %s",
                       qn_scalar_get(p->scores.lhs)->text, qn_scalar_get(p->scores.rhs)->text,
                       qn_scalar_get(p->scores.acc)->text, qn_scalar_get(p->values.rhs)->text);
  int64_t block = qn_attr_as_int(m, qn_op_attr(m, op, "key_block"));
  uint32_t width = qn__attention_block_ok(block) ? (uint32_t)block : QN_ATTENTION_MIN_BLOCK;
  qn_status s = plan_product(m, op, "layout_k", own, width, &p->scores, &p->k_rows);
  return s ? s : plan_product(m, op, "layout_v", own, p->codes ? 16 : 0, &p->values, &p->v_rows);
}

/* Room for a block of keys and values that come as rows. */
static qn_status plan_room(qn_module *m, qn_op op, int64_t d, qn_attention_plan *p) {
  int64_t kb = p->scores.layout.k_block, bytes = qn_scalar_get(p->scores.rhs)->storage_bits / 8;
  const char *which = "layout_v";
  bool fits = !p->v_rows || (int64_t)p->dv_room * p->key_block * bytes <= MAX_ROOM;
  if (fits && p->k_rows) {
    which = "layout_k";
    fits = d >= 0 && d <= MAX_ROOM && (d + kb - 1) / kb * kb * p->key_block * bytes <= MAX_ROOM;
    if (fits) p->d_room = (uint32_t)((d + kb - 1) / kb * kb);
  }
  if (fits) return QN_OK;
  return qn_op_error(
      m, op, QN_DIAG_UNSUPPORTED,
      "%s is \"plain\", and a block of %u rows takes more than the %d bytes that a kernel has for it, or "
      "their length is not known: pack them with kern.pack",
      which, p->key_block, MAX_ROOM);
}

/* Codes are signed; of floats whole vectors are read, where values are rows too, and each of them by all queries. */
static bool plan_direct(qn_module *m, qn_op op, int64_t queries, int64_t dv, const qn_attention_plan *p) {
  bool all = queries == 1 || qn__attention_causal(m, op) == QN_CAUSAL_NONE;
  if (p->codes) return p->scores.lhs == QN_I8 && p->v_rows && dv % 64 == 0;
  return p->scores.rhs == QN_F32 && p->values.layout.panel_width == dv && p->d % 16 == 0 && dv % 16 == 0 && all;
}

static qn_status plan_sizes(qn_module *m, qn_op op, qn_attention_plan *p) {
  qn__pshape q = qn__pshape_of(m, qn_op_operand(m, op, 0)), v = qn__pshape_of(m, qn_op_operand(m, op, 2));
  int64_t d = q.rank >= 2 ? q.size[q.rank - 1] : QN_DYNAMIC, dv = v.rank >= 2 ? v.size[v.rank - 1] : QN_DYNAMIC;
  int64_t block = qn_attr_as_int(m, qn_op_attr(m, op, "key_block"));
  uint32_t width = p->values.layout.panel_width;
  if (!qn__attention_block_ok(block) || p->scores.layout.panel_width != block || q.rank != v.rank || width % 16)
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE,
                       "needs a key_block that is the panel width of layout_k, and panels of v a multiple of 16 wide");
  if (dv < 0 || dv > MAX_DV)
    return qn_op_error(m, op, QN_DIAG_UNSUPPORTED,
                       "the size of a value's head is %s, and a kernel keeps rows of it: the last axis of v must be "
                       "known and at most %d",
                       dv < 0 ? "not known" : "too large", MAX_DV);
  int64_t queries = q.rank >= 2 ? q.size[q.rank - 2] : QN_DYNAMIC;
  p->d = d > 0 && d <= UINT32_MAX ? (uint32_t)d : 0, p->dv = (uint32_t)dv;
  p->direct = p->k_rows && p->d > 0 && p->d <= QN_ATTENTION_DIRECT_CODES && queries > 0 &&
              queries <= QN_ATTENTION_DIRECT_ROWS && plan_direct(m, op, queries, dv, p);
  p->key_block = (uint32_t)block;
  p->dv_room = ((uint32_t)dv + width - 1) / width * width;
  p->scores.lhs_padded = d >= 0 && d % p->scores.layout.k_block == 0;
  p->values.lhs_padded = true;
  p->causal = qn__attention_causal(m, op) != QN_CAUSAL_NONE;
  return plan_room(m, op, d, p);
}

static qn_status plan_extras(qn_module *m, qn_op op, qn_arena *arena, qn_attention_plan *p) {
  p->num_extras = qn_op_num_operands(m, op) - 3;
  p->extras = qn__arena_array(arena, p->num_extras, sizeof *p->extras);
  if (!p->extras) return qn_error_no_memory(qn_module_context(m));
  for (uint32_t i = 0; i < p->num_extras; i++) {
    qn_value v = qn_op_operand(m, op, 3 + i);
    qn__pshape s = qn__pshape_of(m, v);
    p->extras[i] = qn__plan_extra(m, v);
    p->extras[i].by_row =
        s.rank >= 2 && s.size[s.rank - 2] != 1; /* leading axes are heads, with a stride of their own */
    if (qn__sub_byte(p->extras[i].mem))
      return qn_op_error(m, op, QN_DIAG_UNSUPPORTED,
                         "operand %u has elements of %s, which share bytes: widen them with kern.map first", 3 + i,
                         qn_scalar_get(p->extras[i].mem)->text);
  }
  return QN_OK;
}

static qn_status plan_regions(qn_module *m, qn_op op, qn_arena *arena, qn_attention_plan *p) {
  static const qn_scalar floats[2] = {QN_F32, QN_F32}, weights[2] = {QN_F32, QN_UI8};
  qn_scalar *in = qn__arena_array(arena, (size_t)p->num_extras + 1, sizeof *in);
  if (!in) return qn_error_no_memory(qn_module_context(m));
  in[0] = p->scores.acc;
  for (uint32_t i = 0; i < p->num_extras; i++) in[1 + i] = p->extras[i].mem;
  qn_status s = qn__tape_build(m, qn_op_region(m, op, 0), in, floats, arena, &p->score);
  if (!s) s = qn__tape_build(m, qn_op_region(m, op, 1), floats, weights, arena, &p->weight);
  if (!s) s = qn__tape_build(m, qn_op_region(m, op, 2), floats, &p->y_mem, arena, &p->epilogue);
  if (s) return s;
  const qn_tape *tapes[] = {&p->score, &p->weight, &p->epilogue};
  const uint32_t inputs[] = {1 + p->num_extras, 2, 2}, outputs[] = {1, p->codes ? 2 : 1, 1};
  for (int i = 0; i < 3; i++)
    if (tapes[i]->num_inputs != inputs[i] || tapes[i]->num_outputs != outputs[i] || tapes[i]->num_stages != 1)
      return qn_op_error(m, op, QN_DIAG_VERIFY,
                         "region %d has %u arguments, %u results and %s, expected %u, %u and no reduction", i,
                         tapes[i]->num_inputs, tapes[i]->num_outputs,
                         tapes[i]->num_stages == 1 ? "no reduction" : "a reduction", inputs[i], outputs[i]);
  return QN_OK;
}

/* Steps that rows take together, of which some have to wait for each other, are worth more rows than registers hold
 * sums of. */
static qn_status plan_rows(qn_module *m, qn_op op, qn_kernel_plan *out) {
  enum { AT_ONCE = 2 };
  qn_attention_plan *p = &out->u.attention;
  const qn_isa *isa = out->isa;
  qn_choice c;
  qn_status s = qn__choice_of_op(m, op, QN_TUNED_ATTENTION, &c, out->tuned, sizeof out->tuned);
  if (s) return s;
  p->sums = p->codes && isa->int8_rows < isa->float_rows ? isa->int8_rows : isa->float_rows;
  p->rows = c.value[QN_CHOICE_ROWS] > 0 ? (uint32_t)c.value[QN_CHOICE_ROWS] : p->sums * AT_ONCE;
  out->parts = c.value[QN_CHOICE_PARTS] > 0 ? (uint32_t)c.value[QN_CHOICE_PARTS] : 1;
  return QN_OK;
}

static bool is_const(const qn_tape *t, uint32_t reg, float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return t->insts[reg].op == QN_T_CONST && t->insts[reg].type == QN_TF32 && t->insts[reg].imm == bits;
}

/* reg is x where that is above, or below, k, and k elsewhere: *x. */
static bool is_limit(const qn_tape *t, uint32_t reg, bool above, float k, uint32_t *x) {
  enum { OGT = 2, OLT = 4 };
  const qn_tinst *s = &t->insts[reg];
  if (s->op != QN_T_SELECT || !is_const(t, s->c, k)) return false;
  const qn_tinst *c = &t->insts[s->a];
  *x = s->b;
  return c->op == QN_T_FCMP && c->pred == (above ? OGT : OLT) && c->a == s->b && c->b == s->c;
}

static bool is_code_of(const qn_tape *t, uint32_t reg, uint32_t weight) {
  static const uint8_t steps[] = {QN_T_TRUNC, QN_T_FPTOSI, QN_T_FROUND};
  uint32_t x = 0;
  for (size_t i = 0; i < sizeof steps; i++, reg = t->insts[reg].a)
    if (t->insts[reg].op != steps[i]) return false;
  if (!is_limit(t, reg, false, 255.0f, &x) || !is_limit(t, x, true, 0.0f, &x)) return false;
  const qn_tinst *y = &t->insts[x];
  return y->op == QN_T_FMUL &&
         ((y->a == weight && is_const(t, y->b, 255.0f)) || (y->b == weight && is_const(t, y->a, 255.0f)));
}

/* What lower-kernels writes; any other region is computed as it stands. */
static bool is_exponential(const qn_attention_plan *p) {
  const qn_tape *t = &p->weight;
  uint32_t x = 0;
  if (!qn__tape_is_recipe(t, t->outputs[0], QN__RECIPE_EXP, &x)) return false;
  const qn_tinst *d = &t->insts[x];
  if (d->op != QN_T_FSUB || t->insts[d->a].op != QN_T_INPUT || t->insts[d->b].op != QN_T_INPUT) return false;
  if (t->insts[d->a].a != 0 || t->insts[d->b].a != 1) return false;
  return !p->codes || is_code_of(t, t->outputs[1], t->outputs[0]);
}

qn_status qn__plan_attention(qn_module *m, qn_op op, qn_arena *arena, qn_kernel_plan *out) {
  qn_attention_plan *p = &out->u.attention;
  if (qn_op_num_operands(m, op) < 3 || qn_op_num_regions(m, op) != 3)
    return qn_op_error(m, op, QN_DIAG_OPERAND_COUNT, "has %u operands and %u regions", qn_op_num_operands(m, op),
                       qn_op_num_regions(m, op));
  p->y_mem = qn__mem_of(m, qn_op_result(m, op, 0));
  if (qn__sub_byte(p->y_mem))
    return qn_op_error(m, op, QN_DIAG_UNSUPPORTED,
                       "the result has elements of %s, which share bytes: convert them with kern.map after",
                       qn_scalar_get(p->y_mem)->text);
  qn_status s = plan_products(m, op, out->isa, p);
  if (!s) s = plan_sizes(m, op, p);
  if (!s) s = plan_extras(m, op, arena, p);
  if (!s) s = plan_regions(m, op, arena, p);
  if (!s) s = plan_rows(m, op, out);
  if (s) return s;
  p->exponential = is_exponential(p);
  if (!out->isa->has_fma)
    out->slow_reason =
        p->codes ? "the ISA row has no dot-product instruction" : "the ISA row has no fused multiply-add";
  snprintf(out->tile, sizeof out->tile, "%u queries x %u keys", p->rows, p->key_block);
  char score[48] = "", end[48] = "";
  qn__plan_describe(m, qn_op_region(m, op, 0), true, score, sizeof score);
  qn__plan_describe(m, qn_op_region(m, op, 2), true, end, sizeof end);
  snprintf(out->fused, sizeof out->fused, "scores: %s%s, softmax, values: %s", score, p->causal ? ", causal" : "", end);
  return QN_OK;
}

uint64_t qn__attention_hash(const qn_attention_plan *p, uint64_t h) {
  const qn_gemm_plan *products[] = {&p->scores, &p->values};
  for (int i = 0; i < 2; i++) {
    const qn_gemm_plan *g = products[i];
    h = qn__mix(h, (uint64_t)g->lhs | (uint64_t)g->rhs << 16 | (uint64_t)g->acc << 32 | (uint64_t)g->lhs_padded << 48);
    h = qn__layout_hash(&g->layout, h);
  }
  h = qn__mix(h, (uint64_t)p->y_mem | (uint64_t)p->key_block << 8 | (uint64_t)p->rows << 24 |
                     (uint64_t)p->dv_room << 32 | (uint64_t)p->causal << 62);
  h = qn__mix(h, p->sums);
  if (p->direct) h = qn__mix(h, (uint64_t)p->d | (uint64_t)p->dv << 32);
  h = qn__mix(h, (uint64_t)p->d_room | (uint64_t)p->k_rows << 32 | (uint64_t)p->v_rows << 33);
  for (uint32_t i = 0; i < p->num_extras; i++)
    h = qn__mix(h,
                (uint64_t)p->extras[i].mem | (uint64_t)p->extras[i].by_row << 32 | (uint64_t)p->extras[i].by_col << 33);
  return qn__tape_hash(&p->epilogue, qn__tape_hash(&p->weight, qn__tape_hash(&p->score, h)));
}
