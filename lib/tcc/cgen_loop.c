/* Elementwise kernels, and the loop nest that row programs share with them. */
#include "cgen.h"
#include <stdio.h>

static bool is_input(const qn_loop_plan *p, uint32_t i) {
  return i < p->num_inputs;
}
static qn_access access_of(const qn_loop_plan *p, uint32_t i, uint32_t d) {
  return p->access[i * p->num_loops + d];
}
static qn_scalar mem_of(const qn_loop_plan *p, uint32_t i) {
  return is_input(p, i) ? p->tape.input_mem[i] : p->tape.output_mem[i - p->num_inputs];
}

void qn__c_loop_head(qn_cgen *g, const qn_loop_plan *p) {
  for (uint32_t i = 0; i < p->num_inputs + p->num_outputs; i++) {
    bool in = is_input(p, i);
    qn__c_line(g, "%sunsigned char *const p%u = args->ptr[%u]; /* %s %u: %s */", in ? "const " : "", i, i,
               in ? "input" : "result", in ? i : i - p->num_inputs, qn_scalar_get(mem_of(p, i))->text);
  }
  for (uint32_t d = 0; d < p->num_loops; d++) qn__c_line(g, "const int64_t n%u = args->size[%u];", d, d);
  for (uint32_t i = 0; i < p->num_inputs + p->num_outputs; i++)
    for (uint32_t d = 0; d < p->num_loops; d++)
      if (access_of(p, i, d) == QN_ACCESS_STRIDED)
        qn__c_line(g, "const int64_t step%u_%u = args->stride[%u];", i, d, i * p->num_loops + d);
}

const char *qn__c_loop_at(const qn_loop_plan *p, uint32_t i, uint32_t depth, char text[32]) {
  for (uint32_t d = depth; d-- > 0;) {
    if (access_of(p, i, d) == QN_ACCESS_NONE) continue;
    snprintf(text, 32, "at%u_%u", i, d);
    return text;
  }
  return NULL;
}

void qn__c_loop_open(qn_cgen *g, const qn_loop_plan *p, uint32_t d, bool from_args) {
  if (from_args)
    qn__c_open(g, "for (int64_t i%u = args->begin[0]; i%u < args->end[0]; i%u++)", d, d, d);
  else
    qn__c_open(g, "for (int64_t i%u = 0; i%u < n%u; i%u++)", d, d, d, d);
  for (uint32_t i = 0; i < p->num_inputs + p->num_outputs; i++) {
    qn_access a = access_of(p, i, d);
    if (a == QN_ACCESS_NONE) continue;
    char outer[32], step[32];
    const char *before = qn__c_loop_at(p, i, d, outer);
    int bytes = qn__c_bytes(mem_of(p, i));
    if (a == QN_ACCESS_STRIDED)
      snprintf(step, sizeof step, " * step%u_%u", i, d);
    else if (bytes > 1)
      snprintf(step, sizeof step, " * %d", bytes);
    else
      step[0] = 0;
    qn__c_line(g, "const int64_t at%u_%u = %s%si%u%s;", i, d, before ? before : "", before ? " + " : "", d, step);
  }
}

uint8_t *qn__c_loop_levels(const qn_loop_plan *p, qn_arena *arena) {
  uint8_t *levels = qn__arena_array(arena, p->num_inputs, 1);
  for (uint32_t i = 0; levels && i < p->num_inputs; i++)
    for (uint32_t d = 0; d < p->num_loops; d++)
      if (access_of(p, i, d) != QN_ACCESS_NONE) levels[i] = (uint8_t)(d + 1);
  return levels;
}

/* Inputs that stay put in deeper loops, then what is computed from them alone. */
static void write_level(qn_cgen *g, const qn_loop_plan *p, const qn_cregion *r, uint8_t level) {
  char name[32], pointer[32], at[32];
  for (uint32_t k = 0; k < p->tape.num_insts; k++) {
    const qn_tinst *i = &p->tape.insts[k];
    if (i->op != QN_T_INPUT || r->level[k] != level) continue;
    snprintf(name, sizeof name, "in%u", i->a);
    snprintf(pointer, sizeof pointer, "p%u", i->a);
    qn__c_load(g, name, p->tape.input_mem[i->a], pointer, qn__c_loop_at(p, i->a, level, at));
  }
  qn__c_level(g, r, level, 0, NULL);
}

void qn__c_map(qn_cgen *g, const qn_kernel_plan *plan, qn_arena *arena) {
  const qn_loop_plan *p = &plan->u.loop;
  qn_cregion r;
  const char **names = qn__c_names(NULL, "in", p->num_inputs, arena);
  uint8_t *levels = qn__c_loop_levels(p, arena);
  if (!names || !levels || !qn__c_region_init(&r, &p->tape, names, levels, 0, arena)) {
    g->out->failed = true;
    return;
  }
  qn__c_loop_head(g, p);
  qn__c_constants(g, &p->tape);
  write_level(g, p, &r, 0);
  for (uint32_t d = 0; d < p->num_loops; d++) {
    qn__c_loop_open(g, p, d, d == 0);
    write_level(g, p, &r, (uint8_t)(d + 1));
  }
  for (uint32_t o = 0; o < p->num_outputs; o++) {
    char pointer[32], at[32];
    snprintf(pointer, sizeof pointer, "p%u", p->num_inputs + o);
    qn__c_store(g, &r, o, pointer, qn__c_loop_at(p, p->num_inputs + o, p->num_loops, at));
  }
  for (uint32_t d = 0; d < p->num_loops; d++) qn__c_close(g);
}
