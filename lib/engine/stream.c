/* Writing past the caches. A store into a cache first reads the line that it is going to overwrite, and drives out
 * another; where a call writes more than the caches hold, both are for nothing. Steps of which all results are outputs
 * of the program, read by no later step, have a second body for that. When a call uses it depends on its sizes alone,
 * never on the machine: the body that runs, and with it ahead-of-time code, is the same everywhere. */
#include "program.h"
#include <string.h>

/* Read and written by a job. From there on (measured, 2 to 260 MB of last-level cache: one core gets a small part of a
 * large one) writing past the caches and reading the result back from memory takes less time than both through them. */
enum { STREAM_BYTES = 64 << 20, LEAST_RUN = 256 };

static bool is_read(const qn_pvalue *values, uint32_t root, uint32_t num_steps, const qn_step *steps) {
  for (uint32_t i = 0; i < num_steps; i++)
    for (uint32_t k = 0; k < steps[i].num_in; k++)
      if (values[steps[i].values[k]].root == root) return true;
  return false;
}

static uint32_t bits_of(qn_scalar mem) {
  return qn_scalar_get(mem)->storage_bits;
}

/* Its elements change places and nothing else. */
static bool turns_around(const qn_loop_plan *l) {
  const qn_tape *t = &l->tape;
  return qn__tiled_loop(l) != UINT32_MAX && t->insts[t->outputs[0]].op == QN_T_INPUT && t->input_mem[0] != QN_I1 &&
         bits_of(t->input_mem[0]) == bits_of(t->output_mem[0]);
}

/* What the innermost loop walks, it walks element by element. */
static bool runs_dense(const qn_loop_plan *l) {
  for (uint32_t i = 0; i < l->num_inputs + l->num_outputs; i++)
    if (l->access[i * l->num_loops + l->num_loops - 1] == QN_ACCESS_STRIDED) return false;
  return true;
}

bool qn__step_may_stream(const qn_isa *isa, const qn_step *s, const qn_pvalue *values, uint32_t num_steps,
                         const qn_step *steps) {
  const qn_loop_plan *l = &s->plan->u.loop;
  if (s->plan->kind != QN_KERNEL_MAP && s->plan->kind != QN_KERNEL_ROW) return false;
  if (strcmp(isa->arch, "x86_64") != 0 || l->num_loops == 0) return false;
  if (!turns_around(l) && !runs_dense(l)) return false;
  bool any = false;
  for (uint32_t i = 0; i < s->num_out; i++) {
    const qn_pvalue *v = &values[s->values[s->num_in + i]];
    if (l->reduced && l->reduced[i]) continue;
    if (v->where != QN_AT_OUTPUT || bits_of(v->mem) < 8 || is_read(values, v->root, num_steps, steps)) return false;
    any = true;
  }
  return any;
}

bool qn__job_streams(const qn_program *p, const qn_bound *b, const qn_job *job) {
  const qn_step *s = job->step;
  if (s->stream_body == UINT32_MAX) return false;
  const qn_loop_plan *l = &s->plan->u.loop;
  int64_t run = job->sizes[l->num_loops - 1], widest = 1;
  double bytes = 0;
  for (uint32_t i = 0; i < s->num_in + s->num_out; i++) {
    int64_t size = (int64_t)bits_of(p->values[s->values[i]].mem) / 8;
    if (size > widest) widest = size;
    bytes += (double)qn__value_bytes(p, b, s->values[i]);
  }
  if (s->plan->kind == QN_KERNEL_ROW && run > QN_STREAM_ROW / widest) return false;
  return bytes >= (double)STREAM_BYTES && run >= LEAST_RUN;
}
