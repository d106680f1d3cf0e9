/* Named arrays as inputs of a program, some samples at a time. An array has one axis more in front than a single sample
 * has; where the program's input has that axis too it is the batch, and where the input has not, each run takes one
 * sample. */
#include "samples.h"
#include "arena.h"
#include "buf.h"
#include <string.h>

/* Samples of less than a byte each may begin within one; they are moved to where a tensor may begin. */
typedef struct moved {
  void *data;
  size_t size;
} moved;

struct qn_sample_set {
  qn_context *ctx;
  const qn_allocator *allocator;
  qn_store *store;
  char *path;
  size_t path_bytes, num_arrays;
  moved *moved; /* one for each array */
  qn_buf entity;
};

static qn_place place_of(qn_sample_set *s, qn_str name) {
  qn_place p = qn_place_file(s->path);
  s->entity.size = 0;
  s->entity.failed = false;
  qn__buf_fmt(&s->entity, "array '%.*s'", (int)name.size, name.data);
  if (!s->entity.failed) p.entity = qn__buf_view(&s->entity);
  return p;
}

/* ---- open, close ---- */

qn_status qn_samples_open(qn_context *ctx, const char *path, qn_sample_set **out) {
  if (!ctx || !path || !out) return qn_error_null(ctx, __func__);
  const qn_allocator *a = qn_context_allocator(ctx);
  *out = NULL;
  qn_sample_set *s = qn__alloc_zero(a, sizeof *s);
  if (!s) return qn_error_no_memory(ctx);
  s->ctx = ctx, s->allocator = a;
  qn__buf_init(&s->entity, a);
  s->path = qn__strdup(a, qn_str_of(path));
  s->path_bytes = s->path ? strlen(path) + 1 : 0;
  qn_status status = s->path ? qn_store_open(ctx, path, &s->store) : qn_error_no_memory(ctx);
  if (!status) {
    s->num_arrays = qn_store_count(s->store);
    s->moved = qn__alloc_zero(a, (s->num_arrays + 1) * sizeof *s->moved);
    if (!s->moved) status = qn_error_no_memory(ctx);
  }
  if (status)
    qn_samples_close(s);
  else
    *out = s;
  return status;
}

void qn_samples_close(qn_sample_set *s) {
  if (!s) return;
  const qn_allocator *a = s->allocator;
  for (size_t i = 0; s->moved && i < s->num_arrays; i++) qn__free(a, s->moved[i].data, s->moved[i].size);
  qn__free(a, s->moved, s->moved ? (s->num_arrays + 1) * sizeof *s->moved : 0);
  qn_store_close(s->store);
  qn__free(a, s->path, s->path_bytes);
  qn__buf_free(&s->entity);
  qn__free(a, s, sizeof *s);
}

/* ---- arrays by name ---- */

static void put_shape(qn_buf *b, const qn_tensor *t) {
  qn__buf_fmt(b, "%s[", qn_scalar_get(t->elem)->text);
  for (uint32_t d = 0; d < t->rank; d++) qn__buf_fmt(b, "%s%lld", d ? ", " : "", (long long)t->shape[d]);
  qn__buf_c(b, "]");
}

/* Says what is missing and what there is. */
static qn_status missing(qn_sample_set *s, qn_str name, const char *what) {
  qn_buf list;
  qn__buf_init(&list, s->allocator);
  enum { SHOWN = 16 };
  for (size_t i = 0; i < s->num_arrays && i < SHOWN; i++) {
    qn_str n = qn_store_name(s->store, i);
    qn__buf_fmt(&list, "%s'%.*s'", i ? ", " : "", (int)n.size, n.data);
  }
  if (s->num_arrays > SHOWN) qn__buf_fmt(&list, " and %zu more", s->num_arrays - SHOWN);
  qn_status status = list.failed ? qn_error_no_memory(s->ctx)
                                 : qn_error(s->ctx, QN_DIAG_MISSING, qn_place_file(s->path),
                                            "no array is named '%.*s'%s; the file has %s", (int)name.size, name.data,
                                            what, s->num_arrays ? list.data : "none at all");
  qn__buf_free(&list);
  return status;
}

qn_status qn_samples_array(qn_sample_set *s, const char *name, qn_tensor *out) {
  size_t i;
  *out = (qn_tensor){0};
  if (!qn_store_find(s->store, qn_str_of(name), &i)) return missing(s, qn_str_of(name), "");
  return qn_store_tensor(s->store, i, out);
}

/* The array of an input. A lone .npy array has no name of its own and serves a program with one input. */
static qn_status find_array(qn_sample_set *s, const qn_module *m, qn_op func, uint32_t input, size_t *index) {
  qn_str name = qn_func_input_name(m, func, input);
  if (qn_store_find(s->store, name, index)) return QN_OK;
  *index = 0;
  bool lone = qn_store_format_of(s->store) == QN_STORE_NPY && qn_block_num_args(m, qn_func_body(m, func)) == 1;
  return lone ? QN_OK : missing(s, name, ", an input of the program");
}

qn_place qn__samples_place(qn_sample_set *s, const qn_module *m, qn_op func, uint32_t input) {
  size_t i = 0;
  qn_str name = qn_func_input_name(m, func, input);
  bool lone = !qn_store_find(s->store, name, &i) && qn_store_format_of(s->store) == QN_STORE_NPY;
  return place_of(s, lone ? qn_store_name(s->store, 0) : name);
}

/* ---- how an array fits an input ---- */

/* Files do not tell signless from signed integers. */
static bool same_elements(qn_scalar a, qn_scalar b) {
  const qn_scalar_info *x = qn_scalar_get(a), *y = qn_scalar_get(b);
  bool unsigned_a = x->cls == QN_UNSIGNED, unsigned_b = y->cls == QN_UNSIGNED;
  if (a == b) return true;
  return qn_scalar_is_int(a) && qn_scalar_is_int(b) && x->bits == y->bits && unsigned_a == unsigned_b;
}

typedef struct port {
  size_t array;
  qn_tensor info; /* the array's type and shape, later its data too */
  qn_scalar elem; /* what the program takes */
  bool single;    /* the input has no axis for samples */
  int64_t fixed;  /* samples a run; QN_DYNAMIC for any number */
} port;

static qn_status misfit(qn_sample_set *s, const port *p, qn_str name, qn_str type) {
  qn_buf have;
  qn__buf_init(&have, s->allocator);
  put_shape(&have, &p->info);
  bool elements = !same_elements(p->info.elem, p->elem);
  qn_status status =
      have.failed
          ? qn_error_no_memory(s->ctx)
          : qn_error(s->ctx, elements ? QN_DIAG_TYPE_MISMATCH : QN_DIAG_SHAPE,
                     place_of(s, qn_store_name(s->store, p->array)), "the array is %s; input '%.*s' is %.*s, so %s",
                     have.data, (int)name.size, name.data, (int)type.size, type.data,
                     elements ? "its elements have to be converted first"
                              : "sizes after the first axis, which counts samples, have to be equal");
  qn__buf_free(&have);
  return status;
}

/* Type and shape of input `i` against its array; no data is read. */
static qn_status fit(qn_sample_set *s, const qn_module *m, qn_op func, uint32_t i, port *p) {
  qn_type type = qn_value_type(m, qn_block_arg(m, qn_func_body(m, func), i));
  qn_str name = qn_func_input_name(m, func, i);
  qn_status status = find_array(s, m, func, i, &p->array);
  if (!status) status = qn_store_info(s->store, p->array, &p->info);
  if (status) return status;
  uint32_t rank = qn_type_rank(s->ctx, type);
  const int64_t *shape = qn_type_shape(s->ctx, type);
  p->elem = qn_type_memory(s->ctx, qn_type_elem(s->ctx, type));
  p->single = p->info.rank == rank + 1;
  p->fixed = p->single ? 1 : rank ? shape[0] : 1;
  bool fits = qn_type_kind_of(s->ctx, type) == QN_TYPE_TENSOR && same_elements(p->info.elem, p->elem);
  fits &= p->info.rank >= 1 && (p->single || p->info.rank == rank);
  for (uint32_t d = p->single ? 0 : 1; fits && d < rank; d++)
    fits = shape[d] == QN_DYNAMIC || shape[d] == p->info.shape[d + p->single];
  return fits ? QN_OK : misfit(s, p, name, qn_type_text(s->ctx, type));
}

/* ---- counting ---- */

qn_status qn__job_function(const qn_module *m, qn_op *func) {
  *func = qn_module_function(m, NULL);
  if (func->id) return QN_OK;
  return qn_error(qn_module_context(m), QN_DIAG_MISSING, qn_place_file(""), "the module has no public function to run");
}

static qn_status count_samples(qn_sample_set *s, const qn_module *m, qn_op func, int64_t *count, int64_t *fixed) {
  uint32_t n = qn_block_num_args(m, qn_func_body(m, func)), first_fixed = 0;
  *count = 0;
  *fixed = QN_DYNAMIC;
  if (!n) return qn_op_error(m, func, QN_DIAG_MISSING, "the function has no inputs that samples could be given to");
  for (uint32_t i = 0; i < n; i++) {
    port p;
    qn_status status = fit(s, m, func, i, &p);
    if (status) return status;
    if (i && p.info.shape[0] != *count)
      return qn_error(s->ctx, QN_DIAG_SHAPE, place_of(s, qn_store_name(s->store, p.array)),
                      "the array has %lld samples, that of the inputs before it %lld", (long long)p.info.shape[0],
                      (long long)*count);
    *count = p.info.shape[0];
    if (p.fixed == QN_DYNAMIC) continue;
    if (*fixed != QN_DYNAMIC && *fixed != p.fixed)
      return qn_op_error(m, func, QN_DIAG_SHAPE,
                         "inputs %u and %u take %lld and %lld samples at a time, expected one number", first_fixed, i,
                         (long long)*fixed, (long long)p.fixed);
    if (*fixed == QN_DYNAMIC) first_fixed = i;
    *fixed = p.fixed;
  }
  return QN_OK;
}

qn_status qn_samples_count(qn_sample_set *s, const qn_module *m, qn_op func, int64_t *count) {
  int64_t fixed;
  return count_samples(s, m, func, count, &fixed);
}

qn_status qn__samples_cut(qn_sample_set *s, const qn_module *m, qn_op func, qn__cut *out) {
  int64_t fixed;
  *out = (qn__cut){.unit = 1};
  qn_status status = count_samples(s, m, func, &out->count, &fixed);
  if (status || fixed == QN_DYNAMIC) return status;
  out->fixed = true;
  out->unit = fixed > 0 ? fixed : 1;
  int64_t left = out->count % out->unit;
  int64_t all = out->count;
  out->count -= left;
  if (left)
    qn_warning(s->ctx, QN_DIAG_SHAPE, qn_place_file(s->path),
               "the program takes %lld samples at a time; the last %lld of %lld are left out", (long long)out->unit,
               (long long)left, (long long)all);
  return QN_OK;
}

/* ---- views ---- */

/* Bits [at, at + n) of `data` to the beginning of memory of the set. */
static void *move_bits(qn_sample_set *s, size_t array, const uint8_t *data, uint64_t at, uint64_t n) {
  moved *to = &s->moved[array];
  size_t bytes = (size_t)((n + 7) / 8);
  if (bytes > to->size) {
    qn__free(s->allocator, to->data, to->size);
    to->data = qn__alloc(s->allocator, bytes);
    to->size = to->data ? bytes : 0;
    if (!to->data) return NULL;
  }
  uint8_t *out = to->data;
  memset(out, 0, bytes);
  for (uint64_t i = 0; i < n; i++) out[i / 8] |= (uint8_t)((data[(at + i) / 8] >> ((at + i) % 8) & 1) << (i % 8));
  return out;
}

/* Samples [first, first + n) of an array, as the input has it. */
static qn_status view(qn_sample_set *s, const port *p, int64_t first, int64_t n, qn_tensor *out) {
  qn_tensor all;
  qn_status status = qn_store_tensor(s->store, p->array, &all);
  if (status) return status;
  *out = (qn_tensor){.elem = p->elem, .rank = all.rank - p->single};
  for (uint32_t d = 0; d < out->rank; d++) out->shape[d] = all.shape[d + p->single];
  if (!p->single) out->shape[0] = n;
  uint64_t bits = qn_scalar_get(all.elem)->storage_bits;
  for (uint32_t d = 1; d < all.rank; d++) bits *= (uint64_t)all.shape[d]; /* fits: the array does */
  uint64_t at = bits * (uint64_t)first;
  if (at % 8 == 0) {
    out->data = all.data ? (char *)all.data + at / 8 : NULL;
    return QN_OK;
  }
  out->data = move_bits(s, p->array, all.data, at, bits * (uint64_t)n);
  return out->data ? QN_OK : qn_error_no_memory(s->ctx);
}

qn_status qn_samples_inputs(qn_sample_set *s, const qn_module *m, qn_op func, int64_t first, int64_t n,
                            qn_tensor *inputs) {
  uint32_t num_inputs = qn_block_num_args(m, qn_func_body(m, func));
  int64_t count, fixed;
  qn_status status = count_samples(s, m, func, &count, &fixed);
  if (!status && (first < 0 || n < 0 || first > count || n > count - first))
    status = qn_error(s->ctx, QN_DIAG_CALL, qn_place_file(s->path),
                      "%lld samples from %lld on are asked for; there are %lld", (long long)n, (long long)first,
                      (long long)count);
  if (!status && fixed != QN_DYNAMIC && n != fixed)
    status = qn_error(s->ctx, QN_DIAG_SHAPE, qn_place_file(s->path),
                      "%lld samples are asked for; the program takes %lld at a time", (long long)n, (long long)fixed);
  for (uint32_t i = 0; !status && i < num_inputs; i++) {
    port p;
    status = fit(s, m, func, i, &p);
    if (!status) status = view(s, &p, first, n, &inputs[i]);
  }
  return status;
}

/* ---- for the pass manager ---- */

/* Samples a program takes at a time. */
static qn_status unit_of(qn_sample_set *s, const qn_module *m, qn_op func, int64_t *count, int64_t *unit) {
  qn_status status = count_samples(s, m, func, count, unit);
  if (!status && *unit < 1) *unit = 1; /* any number, or none */
  return status;
}

static qn_status check_input(void *user, const qn_module *m, qn_op func, int64_t sample, qn_tensor *in) {
  int64_t count, unit;
  qn_status status = unit_of(user, m, func, &count, &unit);
  return status ? status : qn_samples_inputs(user, m, func, sample * unit, unit, in);
}

qn_status qn_samples_check_inputs(qn_sample_set *s, const qn_module *m, qn_op func, qn_check_inputs *out) {
  int64_t count, unit;
  *out = (qn_check_inputs){0};
  qn_status status = unit_of(s, m, func, &count, &unit);
  if (!status && count < unit)
    status = qn_error(s->ctx, QN_DIAG_MISSING, qn_place_file(s->path), "%lld samples; the program takes %lld at a time",
                      (long long)count, (long long)unit);
  if (!status) *out = (qn_check_inputs){.get = check_input, .user = s, .count = count / unit};
  return status;
}
