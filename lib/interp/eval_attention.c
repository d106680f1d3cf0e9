/* quern.attention and kern.attention: their scores, weights and results; attention.c does the rest. */
#include "eval_attention.h"
#include "elementwise.h"
#include "layout.h"
#include "recipe.h"
#include <math.h>
#include <string.h>

/* ---- the tensor op ---- */

typedef struct direct {
  float scale;           /* of the sums */
  const qn_tensor *mask; /* null for none */
  qn__view mask_view;
  float less_zero, v_scale; /* codes: f32(-z), s_v */
  qn_tensor *y;
} direct;

static qn_status direct_score(qn__attention *a, const int64_t *index, int64_t row, int64_t n, void *sums) {
  const direct *x = a->user;
  float *s = sums;
  const uint32_t *codes = sums;
  for (int64_t j = 0; j < n; j++) s[j] = (a->codes ? (float)(int32_t)codes[j] : s[j]) * x->scale;
  if (!x->mask) return QN_OK;
  uint32_t r = a->lead.rank;
  int64_t base = qn__view_offset(&x->mask_view, index, r) + row * x->mask_view.stride[r];
  for (int64_t j = 0; j < n; j++) {
    int64_t at = base + j * x->mask_view.stride[r + 1];
    if (x->mask->elem == QN_I1) {
      if (!((const uint8_t *)x->mask->data)[at]) s[j] = -INFINITY;
    } else {
      float v = 0;
      qn__lanes_load((qn__lanes){.f = &v}, x->mask->elem, x->mask, at, 1, 1);
      s[j] += v;
    }
  }
  return QN_OK;
}

static qn_status direct_weight(qn__attention *a, int64_t n, const float *s, float m, float *p, uint8_t *codes) {
  (void)a;
  for (int64_t j = 0; j < n; j++) p[j] = s[j] - m;
  const void *in[1] = {p};
  qn__recipe_map(&qn__recipes[QN__RECIPE_EXP], in, p, (size_t)n);
  for (int64_t j = 0; codes && j < n; j++) {
    float t = p[j] * 255.0f;
    codes[j] = t > 255.0f ? 255 : t > 0.0f ? (uint8_t)qn__round_even_small(t) : 0; /* NaN: 0 */
  }
  return QN_OK;
}

static qn_status direct_finish(qn__attention *a, int64_t base, const float *o, float l) {
  const direct *x = a->user;
  for (int64_t d = 0; d < a->dv; d++) {
    float y = 0.0f;
    if (!(l == 0.0f)) {
      y = o[d] / l;
      if (a->codes) y = (y + x->less_zero) * x->v_scale;
    }
    qn__lanes_store(x->y, base + d, x->y->elem, (qn__lanes){.f = &y}, 1);
  }
  return QN_OK;
}

/* Scale and zero point of a quantized operand; its zero point as read. */
static float code_scale(const qn__frame *f, uint32_t i, int64_t *zero) {
  const qn_quant *q = qn_type_as_quant(f->ctx, qn__in_elem(f, i));
  *zero = q && q->zero_points ? q->zero_points[0] : 0;
  return q ? q->scales[0] : 1.0f;
}

static void use_codes(qn__attention *a, direct *x, float scale) {
  int64_t vz;
  float sq = code_scale(a->f, 0, &a->q_zero), sk = code_scale(a->f, 1, &a->k_zero);
  x->v_scale = code_scale(a->f, 2, &vz);
  x->scale = (float)((double)sq * (double)sk * (double)scale);
  a->v_less = qn_scalar_get(a->v.elem)->cls == QN_UNSIGNED ? 128 : 0;
  x->less_zero = (float)-(vz - a->v_less);
}

static qn_status eval_attention(qn__frame *f, qn_op op) {
  direct x = {.scale = 1};
  qn__attention a = {.f = f, .q = *f->in[0], .k = *f->in[1], .v = *f->in[2], .user = &x};
  a.score = direct_score, a.weight = direct_weight, a.finish = direct_finish;
  a.causal = qn__attention_causal(f->m, op);
  a.key_block = qn_op_get_int(f->m, op, "key_block");
  if (!qn__attention_block_ok(a.key_block))
    return qn_op_error(f->m, op, QN_DIAG_ATTRIBUTE, "key_block is %lld", (long long)a.key_block);
  qn_status s = qn__attention_sizes(&a);
  if (s != QN_OK) return s;
  x.scale = qn__attention_scale(f->m, op, a.d);
  a.codes = qn_scalar_is_int(a.q.elem);
  if (a.codes) use_codes(&a, &x, x.scale);
  qn__shape shape = a.lead;
  shape.size[shape.rank++] = a.queries;
  shape.size[shape.rank++] = a.keys;
  if (f->num_in > 3) {
    qn__shape all = shape, mask = qn__shape_of(f->in[3]);
    s = qn__broadcast(f, &all, &mask);
    for (uint32_t d = 0; s == QN_OK && d < all.rank; d++)
      if (all.rank != shape.rank || all.size[d] != shape.size[d]) {
        char text[QN__SHAPE_TEXT];
        s = qn_op_error(f->m, op, QN_DIAG_SHAPE, "mask %s does not broadcast to the scores",
                        qn__tensor_text(f->in[3], text));
      }
    if (s != QN_OK) return s;
    x.mask = f->in[3];
    x.mask_view = qn__view_of(x.mask, &shape);
  }
  shape.size[shape.rank - 1] = a.dv;
  s = qn__result(f, 0, shape.rank, shape.size, &x.y);
  return s == QN_OK ? qn__attention_run(&a) : s;
}
const qn__evaluator qn__eval_ATTENTION = {.eval = eval_attention};

/* ---- the kernel ---- */

typedef struct regions {
  qn__script *score, *weight, *epilogue;
  uint32_t extras;
  qn__view *views;  /* extras over [leading, row, key] */
  qn__view *at;     /* room for the score's arguments of one row */
  qn_tensor *moved; /* extras from that row on */
  qn_tensor *y;
} regions;

static qn_status run(qn__attention *a, const qn__script *p, int64_t n, const qn__view *views, qn_tensor *out) {
  qn_arena scratch;
  qn__shape shape = {.rank = 1, .size = {n}};
  qn__arena_init(&scratch, qn_context_allocator(a->f->ctx));
  qn_status s = qn__script_run(a->f->ctx, &scratch, p, &shape, views, out, false);
  qn__arena_free(&scratch);
  return s;
}

static qn_tensor vector(qn_scalar elem, int64_t n, const void *data) {
  return (qn_tensor){.elem = elem, .rank = 1, .shape = {n}, .data = (void *)(uintptr_t)data};
}

static qn_status region_score(qn__attention *a, const int64_t *index, int64_t row, int64_t n, void *sums) {
  regions *x = a->user;
  uint32_t r = a->lead.rank;
  qn_tensor in = vector(a->codes ? QN_I32 : QN_F32, n, sums), out = vector(QN_F32, n, sums);
  x->at[0] = (qn__view){.t = &in, .stride = {1}};
  for (uint32_t i = 0; i < x->extras; i++) {
    const qn__view *v = &x->views[i];
    int64_t base = qn__view_offset(v, index, r) + row * v->stride[r];
    x->moved[i] = *v->t;
    x->moved[i].data = (char *)v->t->data + base * (qn_scalar_get(v->t->elem)->storage_bits / 8);
    x->at[1 + i] = (qn__view){.t = &x->moved[i], .stride = {v->stride[r + 1]}};
  }
  return run(a, x->score, n, x->at, &out);
}

static qn_status region_weight(qn__attention *a, int64_t n, const float *s, float m, float *p, uint8_t *codes) {
  regions *x = a->user;
  uint8_t unused = 0;
  if (a->codes && !codes && n != 1) return QN_ERR_INPUT;
  qn_tensor in = vector(QN_F32, n, s), max = vector(QN_F32, 1, &m);
  qn_tensor out[2] = {vector(QN_F32, n, p), vector(QN_I8, n, codes ? codes : &unused)};
  qn__view views[2] = {{.t = &in, .stride = {1}}, {.t = &max}};
  return run(a, x->weight, n, views, out);
}

static qn_status region_finish(qn__attention *a, int64_t base, const float *o, float l) {
  regions *x = a->user;
  qn_tensor in = vector(QN_F32, a->dv, o), sum = vector(QN_F32, 1, &l), out = *x->y;
  qn__view views[2] = {{.t = &in, .stride = {1}}, {.t = &sum}};
  out.rank = 1, out.shape[0] = a->dv;
  out.data = (char *)out.data + base * (qn_scalar_get(out.elem)->storage_bits / 8);
  return run(a, x->epilogue, a->dv, views, &out);
}

static qn_status build_regions(qn__attention *a, regions *x, const qn__shape *scores) {
  qn__frame *f = a->f;
  x->extras = f->num_in - 3;
  x->views = qn__scratch(f, x->extras + 1u, sizeof *x->views);
  x->at = qn__scratch(f, x->extras + 1u, sizeof *x->at);
  x->moved = qn__scratch(f, x->extras + 1u, sizeof *x->moved);
  const qn_tensor **args = qn__scratch(f, x->extras + 1u, sizeof *args);
  if (!x->views || !x->at || !x->moved || !args) return QN_ERR_NO_MEMORY;
  qn_tensor sum = {.elem = a->codes ? QN_I32 : QN_F32}, real = {.elem = QN_F32};
  qn_scalar weights[2] = {QN_F32, QN_I8}, result = x->y->elem;
  args[0] = &sum;
  for (uint32_t i = 0; i < x->extras; i++) {
    qn__shape all = *scores, extra = qn__shape_of(f->in[3 + i]);
    qn_status s = qn__broadcast(f, &all, &extra);
    bool same = s == QN_OK && all.rank == scores->rank && qn_scalar_get(f->in[3 + i]->elem)->storage_bits >= 8;
    for (uint32_t d = 0; same && d < all.rank; d++) same = all.size[d] == scores->size[d];
    if (s != QN_OK) return s;
    if (!same) return qn_op_error(f->m, f->op, QN_DIAG_SHAPE, "operand %u does not broadcast to the scores", 3 + i);
    args[1 + i] = f->in[3 + i];
    x->views[i] = qn__view_of(f->in[3 + i], scores);
  }
  qn_status s = qn__region_script(f, 0, 1 + x->extras, args, 1, weights, false, &x->score);
  const qn_tensor *two[2] = {&real, &real};
  if (s == QN_OK) s = qn__region_script(f, 1, 2, two, a->codes ? 2 : 1, weights, false, &x->weight);
  return s == QN_OK ? qn__region_script(f, 2, 2, two, 1, &result, false, &x->epilogue) : s;
}

static qn_status eval_kern_attention(qn__frame *f, qn_op op) {
  regions x = {.extras = 0};
  bool plain_k = qn_str_eq(qn_op_get_string(f->m, op, "layout_k"), qn_str_of("plain"));
  qn__attention a = {.f = f, .q = *f->in[0], .k_swapped = !plain_k, .user = &x};
  a.score = region_score, a.weight = region_weight, a.finish = region_finish;
  a.causal = qn__attention_causal(f->m, op);
  a.key_block = qn_op_get_int(f->m, op, "key_block");
  a.codes = qn_scalar_is_int(a.q.elem);
  qn_status s = qn__unpack(f, op, "layout_k", 1, &a.k);
  if (s == QN_OK) s = qn__unpack(f, op, "layout_v", 2, &a.v);
  if (s == QN_OK) s = qn__attention_sizes(&a);
  if (s != QN_OK) return s;
  if (!qn__attention_block_ok(a.key_block) || qn_scalar_is_int(a.k.elem) != a.codes ||
      qn_scalar_is_int(a.v.elem) != a.codes)
    return qn_op_error(f->m, op, QN_DIAG_VERIFY, "key_block or element types are not those of a kernel");
  qn__shape shape = a.lead;
  shape.size[shape.rank++] = a.queries;
  shape.size[shape.rank++] = a.dv;
  s = qn__result(f, 0, shape.rank, shape.size, &x.y);
  shape.size[shape.rank - 1] = a.keys;
  if (s == QN_OK) s = build_regions(&a, &x, &shape);
  return s == QN_OK ? qn__attention_run(&a) : s;
}
const qn__evaluator qn__eval_KERN_ATTENTION = {.eval = eval_kern_attention};
