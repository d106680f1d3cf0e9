/* Calibration: samples through the program, what its quern.observe ops see into their states. On the interpreter each
 * observer calls back; compiled programs hand out what it saw as one more output. */
#include "buf.h"
#include "map.h"
#include "samples.h"
#include "states.h"
#include "vec.h"
#include <quern/unstable/evaluator.h>
#include <string.h>

/* All quern.observe ops of one key. */
typedef struct slot {
  qn_op op; /* the first of them */
  qn_name key;
  qn_observer *state; /* null until the first value: only then is the number of channels known */
} slot;

typedef struct job {
  qn_module *m;
  qn_context *ctx;
  const qn_allocator *allocator;
  const qn_calibrate_options *options;
  qn_sample_set *samples;
  qn_op func;
  qn__cut cut;
  bool in_order;
  QN_VEC(slot) slots;
  qn_idmap by_key;          /* name id -> slot + 1 */
  uint32_t num_in, num_own; /* inputs; outputs of the program itself */
  qn_tensor *in;
  qn_program *program; /* null on the interpreter */
  uint32_t num_out;
  qn_tensor *out;
  uint32_t *slot_of_out;  /* slot + 1 */
  const int64_t *numbers; /* of the samples in the current run */
  int64_t num_numbers;
} job;

/* ---- observers ---- */

static qn_str key_text(const job *j, const slot *s) {
  return qn_name_str(j->ctx, s->key);
}

static bool has_observers(const qn_module *m) {
  return qn__next_observer(m, (qn_op){0}).id != 0;
}

static qn_status insert(const job *j) {
  qn_buf pipeline;
  qn__buf_init(&pipeline, j->allocator);
  qn__buf_fmt(&pipeline, "insert-observers{kind=\"%s\"}", j->options->observer ? j->options->observer : "minmax");
  qn_status status = pipeline.failed ? qn_error_no_memory(j->ctx) : qn_run_pipeline(j->m, pipeline.data);
  qn__buf_free(&pipeline);
  return status;
}

/* The kind asked for, on observers that were there. */
static void set_kind(const job *j, qn_op op) {
  const char *kind = j->options->observer;
  if (!kind) return;
  qn_attr text = strcmp(kind, "minmax") != 0 ? qn_attr_string(j->m, qn_str_of(kind)) : (qn_attr){0};
  qn_op_set_attr(j->m, op, "kind", text);
}

static qn_status add_slot(job *j, qn_op op) {
  qn_name key = qn_name_of(j->ctx, qn_op_get_string(j->m, op, "key"));
  qn_str kind = qn_op_get_string(j->m, op, "kind");
  uint32_t have = key.id ? qn__idmap_get(&j->by_key, key.id) : 0;
  const qn_observer_info *info = qn_observer_info_find(j->ctx, kind, qn_op_place(j->m, op));
  if (!info) return QN_ERR_INPUT;
  j->in_order |= info->in_order;
  if (!have) {
    bool ok = key.id && qn__push(j->allocator, &j->slots, (slot){.op = op, .key = key}) &&
              qn__idmap_set(j->allocator, &j->by_key, key.id, j->slots.size);
    return ok ? QN_OK : qn_error_no_memory(j->ctx);
  }
  if (qn_attr_eq(qn_op_attrs(j->m, op), qn_op_attrs(j->m, j->slots.data[have - 1].op))) return QN_OK;
  qn_str text = qn_name_str(j->ctx, key);
  return qn_op_error(j->m, op, QN_DIAG_REDEFINED, "two observers have the key '%.*s' and differ in kind or axis",
                     (int)text.size, text.data);
}

/* Old states go: this calibration records what these samples show. */
static qn_status prepare_observers(job *j) {
  qn_status status = has_observers(j->m) ? QN_OK : insert(j);
  for (qn_op op = qn__next_observer(j->m, (qn_op){0}); op.id && !status; op = qn__next_observer(j->m, op)) {
    qn__state_clear(j->m, op);
    set_kind(j, op);
    if (qn_module_failed(j->m)) return qn_error_no_memory(j->ctx);
    status = add_slot(j, op);
  }
  if (!status && !j->slots.size)
    qn_warning(j->ctx, QN_DIAG_DATA, qn_op_place(j->m, j->func),
               "nothing to calibrate: no value feeds an op that can be quantized");
  return status;
}

static qn_status feed(job *j, slot *s, const qn_tensor *x) {
  bool per_axis = qn_op_get_bool(j->m, s->op, "per_axis");
  int64_t axis = qn_op_get_int(j->m, s->op, "axis");
  if (axis < 0) axis += x->rank;
  if (!qn_tensor_count(x)) return QN_OK;
  qn_place place = qn_op_place(j->m, s->op);
  if (!s->state) {
    int64_t channels = per_axis ? x->shape[axis] : 1;
    qn_status status = qn_observer_create(j->ctx, qn_op_get_string(j->m, s->op, "kind"), channels, place, &s->state);
    if (status) return status;
  }
  return qn_observer_update(s->state, &(qn_observation){.x = x,
                                                        .axis = per_axis ? (uint32_t)axis : 0,
                                                        .samples = j->numbers,
                                                        .num_samples = j->num_numbers,
                                                        .name = key_text(j, s),
                                                        .place = place});
}

static qn_status record(job *j) {
  qn_status status = QN_OK;
  for (qn_op op = qn__next_observer(j->m, (qn_op){0}); op.id && !status; op = qn__next_observer(j->m, op)) {
    qn_name key = qn_name_of(j->ctx, qn_op_get_string(j->m, op, "key"));
    slot *s = &j->slots.data[qn__idmap_get(&j->by_key, key.id) - 1];
    if (s->state) status = qn__state_write(j->m, op, s->state);
  }
  return status;
}

/* ---- one run ---- */

/* A NaN in the data is told by its place there, not by what it did to the values behind it. */
static qn_status check_input(job *j, uint32_t input) {
  const qn_tensor *t = &j->in[input];
  int64_t n = qn_tensor_count(t), per_sample = j->num_numbers ? n / j->num_numbers : n;
  if (!qn_scalar_is_float(t->elem)) return QN_OK;
  for (int64_t i = 0; i < n; i++) {
    double x = qn_tensor_get_f64(t, i);
    if (x == x) continue;
    return qn_error(j->ctx, QN_DIAG_DATA, qn__samples_place(j->samples, j->m, j->func, input),
                    "element %lld of sample %lld is NaN; a range cannot be learnt from it", (long long)(i % per_sample),
                    (long long)j->numbers[i / per_sample]);
  }
  return QN_OK;
}

static qn_status on_observe(void *user, const qn_module *m, qn_op op, const qn_tensor *x) {
  job *j = user;
  qn_name key = qn_name_of(j->ctx, qn_op_get_string(m, op, "key"));
  uint32_t at = key.id ? qn__idmap_get(&j->by_key, key.id) : 0;
  return at ? feed(j, &j->slots.data[at - 1], x) : qn_error_no_memory(j->ctx);
}

static qn_status run_interpreter(job *j) {
  qn_eval_options options = {.on_observe = on_observe, .user = j};
  qn_status status = qn_evaluate(j->m, j->func, &options, j->num_in, j->in, j->num_out, j->out);
  for (uint32_t i = 0; i < j->num_out; i++) qn_tensor_free(j->ctx, &j->out[i]);
  return status;
}

static qn_status run_program(job *j) {
  qn_status status = qn_program_run(j->program, j->in, j->out, NULL);
  if (status) return status;
  for (uint32_t i = j->num_own; i < j->num_out; i++)
    if (!status && j->slot_of_out[i]) status = feed(j, &j->slots.data[j->slot_of_out[i] - 1], &j->out[i]);
  for (uint32_t i = 0; i < j->num_out; i++) qn_tensor_free(j->ctx, &j->out[i]);
  return status;
}

static qn_status run_samples(job *j, int64_t first, int64_t n, int64_t *numbers) {
  for (int64_t i = 0; i < n; i++) numbers[i] = first + i;
  j->numbers = numbers;
  j->num_numbers = n;
  qn_status status = qn_samples_inputs(j->samples, j->m, j->func, first, n, j->in);
  for (uint32_t i = 0; i < j->num_in && !status; i++) status = check_input(j, i);
  if (status) return status;
  return j->program ? run_program(j) : run_interpreter(j);
}

/* ---- all runs ---- */

/* One sample (or as many as the program takes) a run unless a batch is asked for: nothing in the program can then mix
 * samples, and a shard sees what the whole sees. */
static qn_status run_all(job *j) {
  const qn_calibrate_options *o = j->options;
  int64_t shards = o->num_shards > 1 ? o->num_shards : 1, shard = shards > 1 ? o->shard : 0;
  bool joined = o->batch > 1 && shards == 1 && !j->cut.fixed && !j->in_order;
  int64_t step = joined ? o->batch < j->cut.count ? o->batch : j->cut.count : j->cut.unit;
  if (step < 1) step = 1;
  size_t bytes = (size_t)step * sizeof(int64_t);
  int64_t *numbers = qn__alloc(j->allocator, bytes);
  int64_t runs = (j->cut.count + step - 1) / step;
  qn_status status = QN_OK;
  if (!numbers) return qn_error_no_memory(j->ctx);
  for (int64_t run = shard; !status && run < runs; run = shards < runs - run ? run + shards : runs) {
    int64_t first = run * step, left = j->cut.count - first;
    status = run_samples(j, first, left < step ? left : step, numbers);
    qn_progress(j->ctx, "calibrate", run + 1, runs);
  }
  qn__free(j->allocator, numbers, bytes);
  return status;
}

/* ---- the job ---- */

static qn_status check_options(const job *j) {
  const qn_calibrate_options *o = j->options;
  qn_place here = qn_place_file("");
  if (!j->samples) return qn_error(j->ctx, QN_DIAG_MISSING, here, "calibration needs samples; none were given");
  if (o->num_shards < 0 || o->shard < 0 || (o->num_shards ? o->shard >= o->num_shards : o->shard > 0))
    return qn_error(j->ctx, QN_DIAG_ATTRIBUTE, here,
                    "shard %lld of %lld, expected one from 0 to the number of shards - 1", (long long)o->shard,
                    (long long)o->num_shards);
  if (o->batch < 0) return qn_error(j->ctx, QN_DIAG_ATTRIBUTE, here, "a batch of %lld samples", (long long)o->batch);
  return QN_OK;
}

static qn_status prepare_samples(job *j) {
  qn_status status = qn__samples_cut(j->samples, j->m, j->func, &j->cut);
  if (!status && !j->cut.count)
    status = qn_error(j->ctx, QN_DIAG_MISSING, qn__samples_place(j->samples, j->m, j->func, 0),
                      "there are no samples to calibrate with");
  return status;
}

static qn_status prepare_engine(job *j) {
  const char *engine = j->options->engine;
  if (!engine || !strcmp(engine, "auto")) engine = qn_engine_name(0);
  j->num_in = qn_block_num_args(j->m, qn_func_body(j->m, j->func));
  j->num_own = j->num_out = qn_op_num_operands(j->m, qn_func_return(j->m, j->func));
  if (strcmp(engine, "interp") != 0) {
    qn_status status = qn_build_program(j->m, &(qn_compile_options){.engine = engine}, &j->program);
    if (status) return status;
    j->num_out = qn_program_num_outputs(j->program);
  }
  j->in = qn__alloc_zero(j->allocator, (j->num_in + 1) * sizeof *j->in);
  j->out = qn__alloc_zero(j->allocator, (j->num_out + 1) * sizeof *j->out);
  j->slot_of_out = qn__alloc_zero(j->allocator, (j->num_out + 1) * sizeof *j->slot_of_out);
  if (!j->in || !j->out || !j->slot_of_out) return qn_error_no_memory(j->ctx);
  for (uint32_t i = j->num_own; i < j->num_out; i++) {
    qn_name name = qn_name_of(j->ctx, qn_program_output(j->program, i).name);
    if (!name.id) return qn_error_no_memory(j->ctx);
    j->slot_of_out[i] = qn__idmap_get(&j->by_key, name.id);
  }
  return QN_OK;
}

static void clean_up(job *j) {
  for (uint32_t i = 0; i < j->slots.size; i++) qn_observer_destroy(j->slots.data[i].state);
  qn__vec_free(j->allocator, &j->slots);
  qn__idmap_free(j->allocator, &j->by_key);
  qn__free(j->allocator, j->in, j->in ? (j->num_in + 1) * sizeof *j->in : 0);
  qn__free(j->allocator, j->out, j->out ? (j->num_out + 1) * sizeof *j->out : 0);
  qn__free(j->allocator, j->slot_of_out, j->slot_of_out ? (j->num_out + 1) * sizeof *j->slot_of_out : 0);
  qn_program_destroy(j->program);
}

qn_status qn_calibrate(qn_module *m, qn_sample_set *samples, const qn_calibrate_options *options) {
  if (!m) return qn_error_null(qn_module_context(m), __func__);
  static const qn_calibrate_options none = {0};
  qn_context *ctx = qn_module_context(m);
  job j = {.m = m,
           .ctx = ctx,
           .allocator = qn_context_allocator(ctx),
           .options = options ? options : &none,
           .samples = samples};
  qn_status status = check_options(&j);
  if (!status) status = qn__job_function(m, &j.func);
  if (!status) status = prepare_observers(&j);
  if (!status) status = prepare_samples(&j);
  if (!status && j.slots.size) status = prepare_engine(&j);
  if (!status && j.slots.size) status = run_all(&j);
  if (!status) status = record(&j);
  clean_up(&j);
  return status;
}
