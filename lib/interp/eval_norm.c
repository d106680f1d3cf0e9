/* quern.layer_norm. */
#include "elementwise.h"
#include "interp.h"
#include <math.h>

typedef struct norm {
  int64_t n; /* elements normalized together */
  float epsilon;
  float *x, *scale, *bias; /* scale and bias null when absent */
} norm;

/* x becomes y. */
static void one(const norm *z, float *mean, float *inverse) {
  float n = (float)z->n, *x = z->x;
  *mean = qn__f32_sum(x, (size_t)z->n, 1) / n;
  float part[32] = {0.0f};
  for (int64_t i = 0; i < z->n; i++) {
    x[i] = x[i] - *mean;
    float square = x[i] * x[i];
    part[i % 32] += square;
  }
  float variance = qn__f32_sum_fold(part) / n;
  *inverse = 1.0f / sqrtf(variance + z->epsilon);
  for (int64_t i = 0; i < z->n; i++) {
    float y = x[i] * *inverse;
    if (z->scale) y = y * z->scale[i];
    if (z->bias) y = y + z->bias[i];
    x[i] = y;
  }
}

static qn_status load_vector(qn__frame *f, uint32_t i, const norm *z, float **out) {
  if (f->num_in <= i) return QN_OK;
  char text[QN__SHAPE_TEXT];
  if (qn_tensor_count(f->in[i]) != z->n)
    return qn_op_error(f->m, f->op, QN_DIAG_SHAPE, "operand %u, %s, does not have %lld elements", i,
                       qn__tensor_text(f->in[i], text), (long long)z->n);
  *out = qn__scratch(f, (size_t)z->n + 1, sizeof(double)); /* a lane takes up to 8 bytes of room */
  if (!*out) return QN_ERR_NO_MEMORY;
  qn__lanes_load((qn__lanes){.f = *out}, f->in[i]->elem, f->in[i], 0, 1, (size_t)z->n);
  return QN_OK;
}

static qn_status eval_layer_norm(qn__frame *f, qn_op op) {
  const qn_tensor *x = f->in[0];
  int64_t rank = x->rank, axis = qn_op_get_int(f->m, op, "axis"), rows = 1;
  if (axis < 0) axis += rank;
  if (axis < 0 || axis >= rank) return qn_op_error(f->m, op, QN_DIAG_ATTRIBUTE, "axis is not one of x");
  norm z = {.n = 1, .epsilon = (float)qn_op_get_float(f->m, op, "epsilon")};
  int64_t ones[QN_MAX_RANK];
  for (int64_t d = 0; d < rank; d++) {
    *(d < axis ? &rows : &z.n) *= x->shape[d];
    ones[d] = d < axis ? x->shape[d] : 1;
  }
  qn_tensor *out[3] = {NULL};
  uint32_t num_out = qn_op_num_results(f->m, op);
  qn_status s = QN_OK;
  for (uint32_t i = 0; i < num_out && i < 3 && s == QN_OK; i++)
    s = qn__result(f, i, x->rank, i ? ones : x->shape, &out[i]);
  if (s == QN_OK) s = load_vector(f, 1, &z, &z.scale);
  if (s == QN_OK) s = load_vector(f, 2, &z, &z.bias);
  if (s != QN_OK) return s;
  z.x = qn__scratch(f, (size_t)z.n + 1, sizeof(double));
  if (!z.x) return QN_ERR_NO_MEMORY;
  for (int64_t r = 0; r < rows; r++) {
    float found[2];
    qn__lanes_load((qn__lanes){.f = z.x}, x->elem, x, r * z.n, 1, (size_t)z.n);
    one(&z, &found[0], &found[1]);
    qn__lanes_store(out[0], r * z.n, out[0]->elem, (qn__lanes){.f = z.x}, (size_t)z.n);
    for (uint32_t i = 1; i < num_out && i < 3; i++) ((float *)out[i]->data)[r] = found[i - 1];
  }
  return QN_OK;
}
const qn__evaluator qn__eval_LAYER_NORM = {.eval = eval_layer_norm};
