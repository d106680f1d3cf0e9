/* check_each: the public functions before and after a pass, on the interpreter, over the same inputs. */
#include "pass_impl.h"
#include <math.h>
#include <quern/unstable/evaluator.h>
#include <stdio.h>

typedef struct checker {
  qn_pass_manager *pm;
  uint32_t step;
  qn__pair pair;
  int64_t sample;
  qn_arena arena; /* of one sample */
} checker;

static const char *pass_name(const checker *c) {
  return c->pm->steps.data[c->step].info->name;
}

static void free_tensors(qn_context *ctx, qn_tensor *t, uint32_t n) {
  for (uint32_t i = 0; t && i < n; i++) qn_tensor_free(ctx, &t[i]);
}

/* ---- what moved ---- */

/* "element 5 was 1, is 2 (SQNR 12.0 dB)" */
typedef struct difference_text {
  char text[160];
} difference_text;

static difference_text describe(const qn__difference *d) {
  difference_text t;
  if (d->was == d->is && d->was == 0)
    snprintf(t.text, sizeof t.text, "element %lld was %s0, is %s0", (long long)d->at, signbit(d->was) ? "-" : "+",
             signbit(d->is) ? "-" : "+");
  else
    snprintf(t.text, sizeof t.text, "element %lld was %.9g, is %.9g (SQNR %.1f dB)", (long long)d->at, d->was, d->is,
             d->sqnr);
  return t;
}

static void complain(const checker *c, qn_op at, const char *fmt, ...) QN_PRINTF(3, 4);

/* An error where results must stay, a warning where they may change. */
static void complain(const checker *c, qn_op at, const char *fmt, ...) {
  va_list args;
  qn_module *m = c->pair.after;
  va_start(args, fmt);
  qn_report(qn_module_context(m), c->pair.exact ? QN_ERROR : QN_WARNING, QN_DIAG_ACCURACY, qn_op_place(m, at), fmt,
            args);
  va_end(args);
}

static qn_status report_moved(const checker *c, uint32_t output, const qn__difference *d) {
  const qn__pair *p = &c->pair;
  qn__moved moved;
  qn_str func = qn_func_name(p->after, p->after_func), name = qn_func_output_name(p->before, p->before_func, output);
  difference_text text = describe(d);
  qn_status status = qn__find_moved(p, &moved);
  if (status != QN_OK) return status;
  qn_op at = moved.op.id ? moved.op : p->after_func;
  complain(c, at, "after %s, output '%.*s' of @%.*s differs on sample %lld: %s", pass_name(c), (int)name.size,
           name.data, (int)func.size, func.data, (long long)c->sample, text.text);
  if (!moved.op.id) {
    qn_op_note(p->after, at, "no op could be matched with one of the program before");
    return QN_OK;
  }
  qn_name hint = qn_value_name(p->after, qn_op_result(p->after, moved.op, moved.result));
  qn_str label = qn_name_str(c->pm->ctx, hint);
  text = describe(&moved.difference);
  qn_op_note(p->after, moved.op, "the first op whose value moved%s%.*s: %s", hint.id ? ", %" : "", (int)label.size,
             label.data, text.text);
  return QN_OK;
}

/* ---- one sample ---- */

static qn_status compare_outputs(checker *c, const qn_tensor *was, const qn_tensor *is, bool *moved) {
  const qn__pair *p = &c->pair;
  for (uint32_t i = 0; i < p->num_out && !*moved; i++) {
    if (!qn__same_form(&was[i], &is[i])) {
      *moved = true;
      return qn_op_error(p->after, p->after_func, QN_DIAG_ACCURACY,
                         "after %s, output %u has another shape or element type than before", pass_name(c), i);
    }
    qn__difference d = qn__compare_tensors(&was[i], &is[i]);
    if (p->exact ? d.same : d.sqnr >= p->min_sqnr) continue;
    *moved = true;
    qn_status status = report_moved(c, i, &d);
    if (status != QN_OK) return status;
  }
  return *moved && p->exact ? QN_ERR_INPUT : QN_OK;
}

static qn_status run_program(checker *c, qn_module *m, qn_op func, uint32_t num_out, qn_tensor *out) {
  qn_status status = qn_evaluate(m, func, NULL, c->pair.num_in, c->pair.in, num_out, out);
  if (status != QN_OK && !c->pm->options.check_inputs.get)
    qn_op_note(m, func, "the inputs were made up; where they cannot fit the program, give samples to check with");
  return status;
}

static qn_status check_sample(checker *c, bool *moved) {
  qn__pair *p = &c->pair;
  qn_context *ctx = c->pm->ctx;
  uint32_t num_after = qn_op_num_operands(p->after, qn_func_return(p->after, p->after_func));
  qn_tensor *in = qn__arena_array(&c->arena, p->num_in, sizeof *in);
  qn_tensor *was = qn__arena_array(&c->arena, p->num_out, sizeof *was);
  qn_tensor *is = qn__arena_array(&c->arena, num_after, sizeof *is);
  if (!in || !was || !is) return qn_error_no_memory(ctx);
  p->in = in;
  qn_status status = qn__check_sample(c->pm, p->after, p->after_func, c->sample, &c->arena, in);
  if (status == QN_OK) status = run_program(c, p->before, p->before_func, p->num_out, was);
  if (status == QN_OK) status = run_program(c, p->after, p->after_func, num_after, is);
  if (status == QN_OK) status = compare_outputs(c, was, is, moved);
  free_tensors(ctx, was, p->num_out);
  free_tensors(ctx, is, num_after);
  return status;
}

/* ---- functions ---- */

/* Lowering may add outputs (observed values); those that were there keep their places. */
static qn_status pair_functions(checker *c, qn_op func) {
  qn__pair *p = &c->pair;
  qn_str name = qn_func_name(p->before, func);
  p->before_func = func;
  p->after_func = qn_module_function(p->after, name.data);
  if (!p->after_func.id)
    return qn_op_error(p->before, func, QN_DIAG_ACCURACY, "after %s, the public function @%.*s is gone", pass_name(c),
                       (int)name.size, name.data);
  p->num_in = qn_block_num_args(p->before, qn_func_body(p->before, func));
  p->num_out = qn_op_num_operands(p->before, qn_func_return(p->before, func));
  uint32_t num_in = qn_block_num_args(p->after, qn_func_body(p->after, p->after_func));
  uint32_t num_out = qn_op_num_operands(p->after, qn_func_return(p->after, p->after_func));
  if (num_in == p->num_in && num_out >= p->num_out) return QN_OK;
  return qn_op_error(p->after, p->after_func, QN_DIAG_ACCURACY,
                     "after %s, @%.*s has %u inputs and %u outputs; it had %u and %u", pass_name(c), (int)name.size,
                     name.data, num_in, num_out, p->num_in, p->num_out);
}

static qn_status check_function(checker *c, qn_op func) {
  bool moved = false;
  qn_status status = pair_functions(c, func);
  int64_t count = qn__check_count(c->pm);
  for (c->sample = 0; status == QN_OK && !moved && c->sample < count; c->sample++) {
    qn__arena_init(&c->arena, qn_context_allocator(c->pm->ctx));
    status = check_sample(c, &moved);
    qn__arena_free(&c->arena);
  }
  return status;
}

qn_status qn__check_step(qn_pass_manager *pm, uint32_t step, qn_module *before, qn_module *after) {
  checker c = {.pm = pm, .step = step, .pair = {.before = before, .after = after}};
  c.pair.exact = !pm->steps.data[step].info->changes_results;
  c.pair.min_sqnr = pm->options.check_min_sqnr;
  qn_status status = QN_OK;
  for (qn_op f = qn_block_first(before, qn_module_body(before)); f.id && status == QN_OK; f = qn_op_next(before, f))
    if (qn_func_is_public(before, f)) status = check_function(&c, f);
  return status;
}
