/* Shapes of every value from the shapes of the inputs, by the rules of the few kernel ops. Allocates nothing. */
#include "chain.h"
#include "program.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

qn_status qn__call_fail(qn_call_error *error, qn_diag_code code, const char *fmt, ...) {
  if (error) {
    error->code = code;
    error->place = qn_place_file("");
    va_list args;
    va_start(args, fmt);
    vsnprintf(error->message, sizeof error->message, fmt, args);
    va_end(args);
  }
  return QN_ERR_INPUT;
}

qn_status qn__no_program(qn_call_error *error) {
  return qn__call_fail(error, QN_DIAG_CALL, "there is no program to call: the pointer is null");
}

qn_status qn__no_prepared(qn_call_error *error) {
  return qn__call_fail(error, QN_DIAG_CALL, "there is no prepared call: the pointer is null");
}

qn_status qn__step_fail(const qn_step *s, qn_call_error *error, qn_diag_code code, const char *fmt, ...) {
  char text[200];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  qn__call_fail(error, code, "%.*s: %s", (int)s->op_name.size, s->op_name.data, text);
  if (error) error->place = s->plan->place;
  return QN_ERR_INPUT;
}

static size_t align64(size_t n) {
  return (n + 63) & ~(size_t)63;
}

size_t qn__bound_header(const qn_program *p) {
  if (p->frozen) return 0; /* it has them itself */
  return align64((size_t)p->num_values * sizeof(qn_shape)) + align64(((size_t)p->num_slots + 1) * sizeof(size_t));
}

static size_t bytes_of(const qn_pvalue *v, const int64_t *shape) {
  qn_tensor t = {.elem = v->mem, .rank = v->rank};
  memcpy(t.shape, shape, sizeof t.shape);
  if (!v->packed) return qn_tensor_bytes(&t);
  int64_t batch = 1;
  for (uint32_t d = 0; d + 2 < v->rank; d++)
    if (t.shape[d] && batch > INT64_MAX / t.shape[d])
      return SIZE_MAX;
    else
      batch *= t.shape[d];
  size_t one = qn_layout_bytes(&v->layout, qn_scalar_bytes(v->mem, 1), t.shape[v->rank - 2], t.shape[v->rank - 1]), all;
  return one != SIZE_MAX && qn__mul_size(one, (size_t)batch, &all) ? all : SIZE_MAX;
}

size_t qn__value_bytes(const qn_program *p, const qn_bound *b, uint32_t value) {
  const qn_pvalue *v = &p->values[value];
  return v->fixed_bytes != SIZE_MAX ? v->fixed_bytes : bytes_of(v, b->shapes[value]);
}

void qn__fix_bytes(qn_program *p) {
  for (uint32_t i = 0; i < p->num_values; i++) {
    qn_pvalue *v = &p->values[i];
    bool known = true;
    if (v->packed && v->layout.granule) continue; /* its constant told */
    for (uint32_t d = 0; d < v->rank; d++) known &= v->shape[d] >= 0;
    v->fixed_bytes = known ? bytes_of(v, v->shape) : SIZE_MAX;
  }
}

/* Joins one size into a broadcast result. */
static bool join(int64_t *into, int64_t n) {
  if (n == *into || n == 1) return true;
  if (*into != 1) return false;
  *into = n;
  return true;
}

static bool broadcast(const qn_program *p, const qn_bound *b, const qn_step *s, uint32_t skip_last, uint32_t rank,
                      int64_t *out) {
  for (uint32_t d = 0; d < rank; d++) out[d] = 1;
  for (uint32_t i = 0; i < s->num_in; i++) {
    uint32_t v = s->values[i], r = p->values[v].rank;
    for (uint32_t d = 0; d + skip_last < r; d++) {
      uint32_t at = d + rank - r;
      if (r > rank || !join(&out[at], b->shapes[v][d])) return false;
    }
  }
  return true;
}

static bool infer_gemm(const qn_program *p, const qn_bound *b, const qn_step *s, int64_t *out) {
  uint32_t a = s->values[0], w = s->values[1], y = s->values[s->num_in];
  uint32_t ra = p->values[a].rank, rw = p->values[w].rank, ry = p->values[y].rank;
  const int64_t *sa = b->shapes[a], *sw = b->shapes[w];
  const qn_gemm_plan *g = &s->plan->u.gemm;
  if (g->window) {
    qn_segments t = qn_window_segments(&g->shape, sa[3]);
    int64_t size[4] = {sa[0], qn_window_count(&g->shape, 0, sa[1]), qn_window_count(&g->shape, 1, sa[2]),
                       sw[rw - 1] * g->shape.groups};
    memcpy(out, size, sizeof size);
    return size[1] > 0 && size[2] > 0 && sw[rw - 2] == t.outer * t.inner * t.length;
  }
  int64_t m = sa[ra - (s->transpose ? 1 : 2)], k = sa[ra - (s->transpose ? 2 : 1)];
  if (sw[rw - 2] != k) return false;
  for (uint32_t d = 0; d < ry; d++) out[d] = 1;
  for (uint32_t d = 0; d + 2 < ra; d++)
    if (!join(&out[d + ry - ra], sa[d])) return false;
  for (uint32_t d = 0; d + 2 < rw; d++)
    if (!join(&out[d + ry - rw], sw[d])) return false;
  out[ry - 2] = m;
  out[ry - 1] = sw[rw - 1];
  return true;
}

static bool infer_window(const qn_program *p, const qn_bound *b, const qn_step *s, int64_t *out) {
  const qn_gemm_plan *g = &s->plan->u.gemm;
  memcpy(out, b->shapes[s->values[0]], sizeof(qn_shape));
  for (int a = 0; a < 2; a++) out[1 + a] = qn_window_count(&g->shape, a, out[1 + a]);
  if (g->combine == QN_COMBINE_DOT && b->shapes[s->values[1]][p->values[s->values[1]].rank - 1] != out[3]) return false;
  return out[1] > 0 && out[2] > 0;
}

/* Multiplies; false when the product does not fit. */
static bool times(int64_t *a, int64_t b) {
  if (b > 0 && *a > INT64_MAX / b) return false;
  *a *= b;
  return true;
}

/* The sizes of a view; -1, for at most one of them, is told by *unknown. */
static bool view_sizes(const qn_program *p, const qn_bound *b, const qn_step *s, int64_t *out, uint32_t *unknown) {
  uint32_t x = s->values[0], y = s->values[1];
  const qn_pvalue *py = &p->values[y];
  *unknown = UINT32_MAX;
  for (uint32_t d = 0; d < py->rank; d++) {
    int64_t n = s->view_shape ? s->view_shape[d] : py->shape[d];
    if (s->view_shape && n <= -2) {
      if (-2 - n >= (int64_t)p->values[x].rank) return false;
      n = b->shapes[x][-2 - n];
    }
    if (n < 0 && *unknown != UINT32_MAX) return false;
    if (n < 0) *unknown = d;
    out[d] = n < 0 ? 1 : n;
  }
  return true;
}

/* Elements of a shape, without the factor 0: whether there is one is in *empty. */
static bool elements(const int64_t *shape, uint32_t rank, int64_t *count, bool *empty) {
  *count = 1, *empty = false;
  for (uint32_t d = 0; d < rank; d++) {
    if (shape[d] == 0)
      *empty = true;
    else if (!times(count, shape[d]))
      return false;
  }
  return true;
}

static bool infer_view(const qn_program *p, const qn_bound *b, const qn_step *s, int64_t *out) {
  uint32_t x = s->values[0], y = s->values[1], unknown;
  int64_t from, to;
  bool from_empty, to_empty;
  if (!view_sizes(p, b, s, out, &unknown) || !elements(b->shapes[x], p->values[x].rank, &from, &from_empty) ||
      !elements(out, p->values[y].rank, &to, &to_empty))
    return false;
  if (unknown == UINT32_MAX) return from_empty == to_empty && (from_empty || from == to);
  if (to_empty) return false; /* nothing tells how many */
  if (from_empty) from = 0;
  out[unknown] = from / to;
  return from % to == 0;
}

static bool infer_loop(const qn_program *p, const qn_bound *b, const qn_step *s, qn_shape full) {
  const qn_loop_plan *l = &s->plan->u.loop;
  if (l->has_perm) {
    for (uint32_t d = 0; d < l->rank; d++) full[d] = b->shapes[s->values[0]][l->perm[d]];
    return true;
  }
  if (s->num_in == 0) { /* generated values: the declared shape, which must then be known */
    memcpy(full, p->values[s->values[0]].shape, sizeof(qn_shape));
    return true;
  }
  return broadcast(p, b, s, 0, l->rank, full);
}

/* q [.., Sq, D], k [.., D, Sk] as packed, v [.., Sk, Dv]; leading axes of k and v are q's or 1, extras broadcast. */
static bool infer_attention(const qn_program *p, const qn_bound *b, const qn_step *s, int64_t *out) {
  const int64_t *q = b->shapes[s->values[0]], *k = b->shapes[s->values[1]], *v = b->shapes[s->values[2]];
  uint32_t r = p->values[s->values[0]].rank;
  bool rows = s->plan->u.attention.k_rows; /* else k's last two axes are exchanged */
  if (k[rows ? r - 1 : r - 2] != q[r - 1] || k[rows ? r - 2 : r - 1] != v[r - 2]) return false;
  for (uint32_t d = 0; d + 2 < r; d++)
    if (k[d] != v[d] || (k[d] != 1 && k[d] != q[d])) return false;
  memcpy(out, q, sizeof(qn_shape));
  out[r - 1] = v[r - 1];
  for (uint32_t i = 3; i < s->num_in; i++) {
    uint32_t re = p->values[s->values[i]].rank;
    const int64_t *e = b->shapes[s->values[i]];
    for (uint32_t d = 0; d < re; d++)
      if (e[re - 1 - d] != 1 && e[re - 1 - d] != (d == 0 ? v[r - 2] : q[r - 1 - d])) return false;
  }
  return true;
}

static bool infer(const qn_program *p, const qn_bound *b, const qn_step *s) {
  int64_t *out = b->shapes[s->values[s->num_in]];
  qn_shape full = {0};
  switch (s->plan->kind) {
  case QN_KERNEL_GEMM: return infer_gemm(p, b, s, out);
  case QN_KERNEL_VIEW: return infer_view(p, b, s, out);
  case QN_KERNEL_ATTENTION: return infer_attention(p, b, s, out);
  case QN_KERNEL_WINDOW: return infer_window(p, b, s, out);
  case QN_KERNEL_PAD:
    memcpy(out, b->shapes[s->values[0]], sizeof(qn_shape));
    for (int a = 0; a < 2; a++) {
      int64_t more = s->pads[a] + s->pads[2 + a];
      if (out[1 + a] > INT64_MAX - more) return false;
      out[1 + a] += more;
    }
    return true;
  case QN_KERNEL_PACK: {
    uint32_t r = p->values[s->values[0]].rank;
    memcpy(out, b->shapes[s->values[0]], sizeof(qn_shape));
    if (s->transpose) {
      int64_t t = out[r - 1];
      out[r - 1] = out[r - 2];
      out[r - 2] = t;
    }
    return true;
  }
  case QN_KERNEL_BLOCK_ROWS:
  case QN_KERNEL_BLOCK_GEMM: { /* the operand's sizes, with the declared last one */
    uint32_t r = p->values[s->values[0]].rank;
    memcpy(out, b->shapes[s->values[0]], sizeof(qn_shape));
    out[r - 1] = p->values[s->values[s->num_in]].shape[r - 1];
    return true;
  }
  case QN_KERNEL_MAP:
  case QN_KERNEL_ROW:
    if (!infer_loop(p, b, s, full)) return false;
    for (uint32_t i = 0; i < s->num_out; i++) {
      int64_t *o = b->shapes[s->values[s->num_in + i]];
      memcpy(o, full, sizeof(qn_shape));
      if (s->plan->kind == QN_KERNEL_ROW && s->plan->u.loop.reduced[i]) o[s->plan->u.loop.rank - 1] = 1;
    }
    return true;
  }
  return false;
}

qn_bound qn__bound_at(const qn_program *p, char *header) {
  size_t shapes = align64((size_t)p->num_values * sizeof(qn_shape));
  return (qn_bound){
      .program = p, .shapes = (qn_shape *)(void *)header, .slot_offset = (size_t *)(void *)(header + shapes)};
}

qn_status qn__bind_input(const qn_program *p, uint32_t i, const DLTensor *t, int64_t *shape, qn_call_error *error) {
  const qn_pvalue *v = &p->values[p->inputs[i]];
  qn_str name = p->input_names[i];
  if (qn_scalar_get(v->mem)->storage_bits <
      8) { /* travels as bytes: only a declared static shape can say what they are */
    memcpy(shape, v->shape, sizeof(qn_shape));
    for (uint32_t d = 0; d < v->rank; d++)
      if (shape[d] < 0)
        return qn__call_fail(error, QN_DIAG_CALL, "input '%.*s': elements below 8 bits need a static shape",
                             (int)name.size, name.data);
    return QN_OK;
  }
  if (t->ndim != (int)v->rank)
    return qn__call_fail(error, QN_DIAG_CALL, "input '%.*s' has rank %d; %.*s asks for %u", (int)name.size, name.data,
                         t->ndim, (int)v->type_text.size, v->type_text.data, v->rank);
  if (v->rank && !t->shape)
    return qn__call_fail(error, QN_DIAG_CALL, "input '%.*s' has no sizes: its shape is null", (int)name.size,
                         name.data);
  for (uint32_t d = 0; d < v->rank; d++) {
    shape[d] = t->shape[d];
    if (shape[d] < 0)
      return qn__call_fail(error, QN_DIAG_CALL, "input '%.*s' has the negative size %lld in dimension %u",
                           (int)name.size, name.data, (long long)shape[d], d);
    if (v->shape[d] != QN_DYNAMIC && v->shape[d] != shape[d])
      return qn__call_fail(error, QN_DIAG_CALL, "input '%.*s' has size %lld in dimension %u; %.*s asks for %lld",
                           (int)name.size, name.data, (long long)shape[d], d, (int)v->type_text.size, v->type_text.data,
                           (long long)v->shape[d]);
  }
  return QN_OK;
}

/* The declared sizes must hold, and dimensions of one name must agree. */
static qn_status check_inputs(const qn_program *p, const DLTensor *in, qn_bound *b, qn_call_error *error) {
  for (uint32_t i = 0; i < p->num_inputs; i++) {
    const qn_pvalue *v = &p->values[p->inputs[i]];
    qn_str name = p->input_names[i];
    int64_t *shape = b->shapes[p->inputs[i]];
    qn_status status = qn__bind_input(p, i, &in[i], shape, error);
    if (status) return status;
    if (qn_scalar_get(v->mem)->storage_bits < 8) continue;
    for (uint32_t d = 0; d < v->rank; d++) {
      if (!v->symbols[d].id) continue;
      for (uint32_t j = 0; j <= i; j++)
        for (uint32_t e = 0; e < p->values[p->inputs[j]].rank && (j < i || e < d); e++)
          if (p->values[p->inputs[j]].symbols[e].id == v->symbols[d].id && b->shapes[p->inputs[j]][e] != shape[d])
            return qn__call_fail(error, QN_DIAG_CALL,
                                 "inputs '%.*s' and '%.*s' share a named dimension but have sizes %lld and %lld",
                                 (int)p->input_names[j].size, p->input_names[j].data, (int)name.size, name.data,
                                 (long long)b->shapes[p->inputs[j]][e], (long long)shape[d]);
    }
  }
  return QN_OK;
}

static qn_status shape_error(const qn_program *p, const qn_bound *b, const qn_step *s, qn_call_error *error) {
  char text[160] = "";
  size_t at = 0;
  for (uint32_t i = 0; i < s->num_in && at + 40 < sizeof text; i++) {
    if (i) at += (size_t)snprintf(text + at, sizeof text - at, ", ");
    for (uint32_t d = 0; d < p->values[s->values[i]].rank && at + 24 < sizeof text; d++)
      at += (size_t)snprintf(text + at, sizeof text - at, d ? "x%lld" : "%lld", (long long)b->shapes[s->values[i]][d]);
  }
  return qn__step_fail(s, error, QN_DIAG_SHAPE, "operands of sizes %s do not fit together", text);
}

qn_status qn__bind(const qn_program *p, const DLTensor *in, qn_bound *b, qn_call_error *error) {
  b->program = p;
  b->header_bytes = qn__bound_header(p);
  b->codes_bytes = 0;
  for (uint32_t v = 0; v < p->num_values; v++) memcpy(b->shapes[v], p->values[v].shape, sizeof(qn_shape));
  qn_status status = check_inputs(p, in, b, error);
  if (status) return status;
  for (uint32_t i = 0; i < p->num_steps; i++) {
    const qn_step *s = &p->steps[i];
    if (!infer(p, b, s)) return shape_error(p, b, s, error);
    for (uint32_t o = 0; o < s->num_out; o++) {
      uint32_t v = s->values[s->num_in + o];
      for (uint32_t d = 0; d < p->values[v].rank; d++)
        if (p->values[v].shape[d] != QN_DYNAMIC && p->values[v].shape[d] != b->shapes[v][d])
          return shape_error(p, b, s, error);
    }
    size_t codes = qn__step_codes(p, s, b);
    if (codes > b->codes_bytes) b->codes_bytes = codes;
  }
  for (uint32_t i = 0; i <= p->num_slots; i++) b->slot_offset[i] = 0;
  for (uint32_t v = 0; v < p->num_values; v++) {
    size_t bytes = qn__value_bytes(p, b, v);
    if (bytes > PTRDIFF_MAX / 4)
      return qn__call_fail(error, QN_DIAG_LIMIT, "a value of this program would not fit in memory");
    if (p->values[v].where != QN_AT_SLOT) continue;
    size_t *slot = &b->slot_offset[p->values[v].index + 1];
    if (p->values[v].slack) bytes += 64;
    if (bytes > *slot) *slot = bytes;
  }
  for (uint32_t i = 1; i <= p->num_slots; i++) b->slot_offset[i] = b->slot_offset[i - 1] + align64(b->slot_offset[i]);
  return QN_OK;
}

size_t qn__bound_bytes(const qn_bound *b) {
  size_t n = b->header_bytes + 64; /* 64 to align whatever the caller gives */
  if (!qn__add_size(n, b->slot_offset[b->program->num_slots], &n) || !qn__add_size(n, align64(b->codes_bytes), &n))
    return SIZE_MAX;
  return b->program->may_chain && !qn__add_size(n, sizeof(qn_chain), &n) ? SIZE_MAX : n;
}
