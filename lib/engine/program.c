/* Compiling, destroying and asking about programs. */
#include "program.h"
#include "chain.h"
#include "clock.h"
#include "context_impl.h"
#include "fileio.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool is_auto(const char *engine) {
  return !engine || !strcmp(engine, "auto");
}

/* Null for a name that is none. */
static const char *pick_engine(const char *engine) {
  if (is_auto(engine)) return qn_engine_name(0);
  for (size_t i = 0; qn_engine_name(i); i++)
    if (!strcmp(engine, qn_engine_name(i))) return qn_engine_name(i);
  return NULL;
}

/* The row a module was lowered for decides its layouts, so it goes before this machine's best. */
static qn_status isa_for(const qn_module *m, const char *cpu, const qn_isa **out) {
  qn_attr target = qn_module_attr(m, "quern.target");
  if (!cpu && qn_attr_kind_of(m, target) == QN_ATTR_STRING) {
    qn_str name = qn_attr_as_string(m, target);
    *out = qn_isa_find(name);
    if (*out) return QN_OK;
    return qn_error(qn_module_context(m), QN_DIAG_UNKNOWN_NAME, qn_place_file(""),
                    "the module is lowered for '%.*s', which is no row of the instruction set table", (int)name.size,
                    name.data);
  }
  return qn_isa_need(qn_module_context(m), qn_str_of(cpu), out);
}

static qn_status find_function(const qn_module *m, const char *name, qn_op *out) {
  *out = qn_module_function(m, name);
  if (out->id && qn_func_return(m, *out).id) return QN_OK;
  return qn_error(qn_module_context(m), QN_DIAG_MISSING, qn_place_file(""), "the module has no %sfunction%s%s",
                  name ? "" : "public ", name ? " @" : "", name ? name : "");
}

qn_status qn__compile_target(const qn_module *m, const qn_compile_options *o, qn_op *func, const qn_isa **isa) {
  qn_status status = find_function(m, o ? o->function : NULL, func);
  return status ? status : isa_for(m, o ? o->cpu : NULL, isa);
}

/* What the plan knows, or what the engine makes of every plan. */
static const char *slow_reason(const qn_program *p, const qn_kernel_plan *k) {
  const char *fallback = qn__fallback_reason(p, k);
  if (fallback) return fallback;
  if (k->slow_reason || k->kind == QN_KERNEL_VIEW) return k->slow_reason;
  return strcmp(p->engine, "tcc") ? NULL : "libtcc compiles scalar code: it has no vector types";
}

static uint32_t default_threads(uint32_t asked) {
  long n = asked ? (long)asked : sysconf(_SC_NPROCESSORS_ONLN);
  return n < 1 ? 1 : n > 4 && !asked ? 4 : n > QN__MOST_THREADS ? QN__MOST_THREADS : (uint32_t)n;
}

static qn_status get_units(qn_program *p) {
  p->tiers = qn__arena_array(&p->arena, p->num_bodies, sizeof *p->tiers);
  if (!p->tiers) return qn_error_no_memory(p->ctx);
  for (uint32_t i = 0; i < p->num_bodies; i++) {
    qn_tiers *t = &p->tiers[i];
    t->best = qn__unit_get(p->units, p->engine, &p->bodies[i], p->plans);
    if (p->tiered) t->quick = qn__unit_get(p->units, "tcc", &p->bodies[i], p->plans);
    if (!t->best || (p->tiered && !t->quick)) return qn_error_no_memory(p->ctx);
  }
  return QN_OK;
}

/* Two code generators: one that answers at once, and one that takes over when it is done. */
static bool has_tiers(void) {
  bool best = false, quick = false;
  for (size_t i = 0; qn_engine_name(i); i++) {
    best |= !strcmp(qn_engine_name(i), "llvm");
    quick |= !strcmp(qn_engine_name(i), "tcc");
  }
  return best && quick;
}

/* What calls of any sizes run: reported here when it cannot be compiled. Tile heights are left to the calls whose sizes
 * need them, unless the sizes are known already. */
static qn_status make_code(qn_program *p, bool eager) {
  bool *needed = qn__arena_array(&p->arena, p->num_bodies, sizeof *needed);
  if (!needed) return qn_error_no_memory(p->ctx);
  if (eager)
    memset(needed, 1, p->num_bodies * sizeof *needed);
  else if (p->frozen)
    qn__mark_needed(p, &p->frozen->bound, needed);
  else
    qn__mark_always(p, needed);
  qn_call_error error = {.message = ""};
  qn_status status = p->tiered && !eager ? qn__start_needed(p, needed, &error) : qn__make_needed(p, needed, &error);
  if (status == QN_ERR_NO_MEMORY) return qn_error_no_memory(p->ctx);
  return status ? qn_error(p->ctx, error.code, error.place, "%s", error.message) : QN_OK;
}

qn_status qn__program_link(qn_program *p, const qn_link_options *o) {
  p->may_chain = qn__chain_possible(p);
  if (p->num_bodies == 0) return qn__freeze(p);
  p->foreign = !qn_isa_runs_here(p->isa);
  if (p->foreign && !o->look)
    return qn_error(p->ctx, QN_DIAG_ENGINE, qn_place_file(""), "this machine cannot run code for %s", p->isa->name);
  double start = qn__now_ns();
  p->tiered = o->tiered;
  p->threads = default_threads(o->threads);
  p->units = qn__units_of(p->ctx);
  qn_status status = p->units ? get_units(p) : QN_ERR_NO_MEMORY;
  if (!status) status = qn__freeze(p);
  if (!status && o->objects) status = qn__load_objects(p, o->objects, o->objects_bytes);
  if (!status && !p->foreign) status = make_code(p, o->eager);
  if (status) {
    if (p->units) qn__units_report(p->units, p->ctx);
    return status;
  }
  qn__tell_kernels(p, o->objects ? "loaded" : "compiled", (qn__now_ns() - start) * 1e-6);
  return QN_OK;
}

static void program_unlink(qn_program *p) {
  for (uint32_t i = 0; p->tiers && p->tiered && i < p->num_bodies; i++) qn__unit_settle(p->units, p->tiers[i].best);
  qn__tell_news(p);
  for (uint32_t i = 0; p->tiers && i < p->num_bodies; i++) {
    qn__unit_release(p->units, p->tiers[i].best);
    qn__unit_release(p->units, p->tiers[i].quick);
  }
}

/* The module's text without its constants' data, kept for qn_program_save. */
static bool keep_text(void *user, const char *data, size_t size) {
  qn__buf_put(user, data, size);
  return !((qn_buf *)user)->failed;
}

static qn_status remember_text(qn_program *p, const qn_module *m) {
  qn_buf text;
  qn__buf_init(&text, &p->allocator);
  qn_print_options options = {.elide_constants = true, .inline_ = true};
  qn_status status = qn_print(m, &options, keep_text, &text);
  if (!status && text.failed) status = qn_error_no_memory(p->ctx);
  p->text = p->text_alloc = text.data;
  p->text_bytes = text.size, p->text_room = text.cap;
  return status;
}

static qn_status compile_interp(const qn_module *m, qn_op func, qn_program **out) {
  qn_context *ctx = qn_module_context(m);
  const qn_allocator *a = qn_context_allocator(ctx);
  qn_program *p = qn__alloc_zero(a, sizeof *p);
  if (!p) return qn_error_no_memory(ctx);
  p->ctx = ctx, p->allocator = *a, p->engine = "interp", p->isa = qn_isa_host();
  qn__arena_init(&p->arena, &p->allocator);
  qn_status status = qn__interp_create(m, func, p);
  if (status)
    qn_program_destroy(p);
  else
    *out = p;
  return status;
}

qn_status qn_program_compile(const qn_module *m, const qn_compile_options *options, qn_program **out) {
  if (!m || !out) return qn_error_null(qn_module_context(m), __func__);
  static const qn_compile_options none = {0};
  const qn_compile_options *o = options ? options : &none;
  const char *engine = pick_engine(o->engine);
  qn_op func;
  const qn_isa *isa;
  *out = NULL;
  if (!engine) return qn__engine_unknown(qn_module_context(m), o->engine);
  qn_status status = qn__compile_target(m, o, &func, &isa);
  if (status) return status;
  if (!strcmp(engine, "interp")) return compile_interp(m, func, out);
  if ((status = qn__program_build(m, func, isa, engine, NULL, o->last, out))) return status;
  qn_link_options link = {
      .tiered = is_auto(o->engine) && has_tiers(), .eager = o->eager, .look = o->look, .threads = o->threads};
  if (!(status = remember_text(*out, m))) status = qn__program_link(*out, &link);
  if (status) {
    qn_program_destroy(*out);
    *out = NULL;
  }
  return status;
}

void qn_program_destroy(qn_program *p) {
  if (!p) return;
  program_unlink(p);
  if (p->interp) qn__interp_destroy(p->interp);
  qn__free(&p->allocator, p->constants_alloc, p->constants_alloc_bytes);
  qn__free(&p->allocator, p->text_alloc, p->text_room);
  if (p->file) {
    qn__file_close(p->file);
    qn__free(&p->allocator, p->file, sizeof(qn_file));
  }
  qn__plans_release(p->plans);
  qn_allocator own = qn_allocator_default();
  qn__free(&own, atomic_load(&p->chains), p->num_steps * sizeof(uint32_t));
  qn__arena_free(&p->arena);
  qn_allocator a = p->allocator;
  qn__free(&a, p, sizeof *p);
}

/* ---- signature ---- */

const char *qn_program_engine(const qn_program *p) {
  if (!p) return "";
  for (uint32_t i = 0; p->tiered && i < p->num_bodies; i++)
    if (qn__unit_fn(p->tiers[i].quick) && !qn__unit_fn(p->tiers[i].best)) return p->tiers[i].quick->engine;
  return p->engine;
}
uint32_t qn_program_num_inputs(const qn_program *p) {
  return p ? p->num_inputs : 0;
}
uint32_t qn_program_num_outputs(const qn_program *p) {
  return p ? p->num_outputs : 0;
}
size_t qn_program_constant_bytes(const qn_program *p) {
  return p ? p->constants_bytes : 0;
}
size_t qn_program_code_bytes(const qn_program *p) {
  size_t bytes = 0;
  for (uint32_t i = 0; p && p->tiers && i < p->num_bodies; i++) {
    const qn_tiers *t = &p->tiers[i];
    if (qn__unit_fn(t->best)) bytes += t->best->code->bytes;
    if (t->quick && qn__unit_fn(t->quick)) bytes += t->quick->code->bytes;
  }
  return bytes;
}

static qn_port_info port(const qn_program *p, uint32_t value, qn_str name) {
  const qn_pvalue *v = &p->values[value];
  qn_port_info info = {.name = name, .type = v->type_text, .elem = v->mem, .rank = v->rank};
  memcpy(info.shape, v->shape, sizeof info.shape);
  return info;
}

qn_port_info qn_program_input(const qn_program *p, uint32_t i) {
  return i < qn_program_num_inputs(p) ? port(p, p->inputs[i], p->input_names[i]) : (qn_port_info){0};
}

qn_port_info qn_program_output(const qn_program *p, uint32_t i) {
  return i < qn_program_num_outputs(p) ? port(p, p->outputs[i], p->output_names[i]) : (qn_port_info){0};
}

qn_kernel_info qn__step_info(const qn_program *p, const qn_step *s) {
  const qn_kernel_plan *k = s->plan;
  return (qn_kernel_info){.name = k->name,
                          .op = s->op_name.data,
                          .isa = p->isa->name,
                          .tile = k->tile,
                          .fused = k->fused,
                          .tuned = k->tuned,
                          .product = k->product.kind ? &k->product : NULL,
                          .slow_reason = slow_reason(p, k),
                          .notes = k->notes,
                          .place = k->place};
}

/* The numbers of the chains that steps are in, where sizes are known: worked out once, by whoever asks first. */
static const uint32_t *chain_numbers(const qn_program *p) {
  qn_program *mine = (qn_program *)(uintptr_t)p;
  uint32_t *numbers = atomic_load_explicit(&mine->chains, memory_order_acquire), *before = NULL;
  if (numbers) return numbers;
  qn_allocator own = qn_allocator_default(); /* any thread may ask */
  qn_chain *c = qn__alloc(&own, sizeof *c);
  numbers = c ? qn__alloc_zero(&own, p->num_steps * sizeof *numbers) : NULL;
  uint32_t number = 0;
  bool blocks = false;
  for (uint32_t at = 0, n; numbers && at < p->num_steps; at += n) {
    n = qn__chain_steps(c, p, &p->frozen->bound, at, 1, &blocks);
    number += blocks;
    for (uint32_t i = at; blocks && i < at + n && i < p->num_steps; i++) numbers[i] = number;
  }
  qn__free(&own, c, sizeof *c);
  if (!numbers || atomic_compare_exchange_strong(&mine->chains, &before, numbers)) return numbers;
  qn__free(&own, numbers, p->num_steps * sizeof *numbers);
  return before;
}

static uint32_t chain_of(const qn_program *p, uint32_t step) {
  const uint32_t *numbers = p->frozen && p->may_chain ? chain_numbers(p) : NULL;
  return numbers ? numbers[step] : 0;
}

bool qn_program_kernel(const qn_program *p, size_t i, qn_kernel_info *out) {
  uint32_t at = 0; /* views are no kernels: nothing runs for them */
  if (!p || !out) return false;
  for (;; at++) {
    if (at >= p->num_steps) return false;
    if (p->steps[at].plan->kind != QN_KERNEL_VIEW && i-- == 0) break;
  }
  *out = qn__step_info(p, &p->steps[at]);
  out->chain = chain_of(p, at);
  return true;
}

/* ---- plain tensors ---- */

typedef struct run {
  const qn_program *p;
  DLTensor *in, *out;
  qn_shape *in_shapes, *out_shapes, *out_dl;
  char *workspace;
  size_t workspace_bytes;
} run;

static qn_status run_alloc(run *r, qn_tensor *out, qn_call_error *error) {
  const qn_program *p = r->p;
  qn_status status = qn_program_sizes(p, r->in, &r->workspace_bytes, r->out_shapes, error);
  if (status) return status;
  for (uint32_t i = 0; i < p->num_outputs; i++) {
    qn_port_info info = qn_program_output(p, i);
    out[i] = (qn_tensor){.elem = info.elem, .rank = info.rank};
    memcpy(out[i].shape, r->out_shapes[i], sizeof(qn_shape));
    size_t n = qn_tensor_bytes(&out[i]);
    if (n == SIZE_MAX || !(out[i].data = qn__alloc(&p->allocator, n ? n : 1))) return QN_ERR_NO_MEMORY;
    r->out[i] = qn_tensor_as_dlpack(&out[i], r->out_dl[i]);
  }
  r->workspace = qn__alloc(&p->allocator, r->workspace_bytes + 1);
  return r->workspace ? QN_OK : QN_ERR_NO_MEMORY;
}

qn_status qn_program_run(const qn_program *p, const qn_tensor *in, qn_tensor *out, const qn_parallel *parallel) {
  if (!p || (!in && p->num_inputs) || (!out && p->num_outputs)) return qn_error_null(p ? p->ctx : NULL, __func__);
  qn_arena scratch;
  qn__arena_init(&scratch, &p->allocator);
  run r = {.p = p};
  uint32_t n = p->num_inputs + p->num_outputs;
  r.in = qn__arena_array(&scratch, (size_t)n + 1, sizeof *r.in);
  r.in_shapes = qn__arena_array(&scratch, ((size_t)n + 1) * 2, sizeof *r.in_shapes);
  qn_status status = r.in && r.in_shapes ? QN_OK : QN_ERR_NO_MEMORY;
  qn_call_error error = {.code = QN_DIAG_CALL};
  for (uint32_t i = 0; i < p->num_outputs; i++) out[i] = (qn_tensor){0};
  if (!status) {
    r.out = r.in + p->num_inputs;
    r.out_shapes = r.in_shapes + p->num_inputs;
    r.out_dl = r.in_shapes + n;
    for (uint32_t i = 0; i < p->num_inputs; i++) r.in[i] = qn_tensor_as_dlpack(&in[i], r.in_shapes[i]);
    status = run_alloc(&r, out, &error);
  }
  qn__tell_news(p);
  double start = qn__now_ns();
  if (!status) status = qn_program_call(p, r.in, r.out, r.workspace, r.workspace_bytes, parallel, &error);
  if (!status && !p->ctx->on_call)
    qn_trace(p->ctx, "call, %s %s: %.3f ms", p->engine, p->isa->name, (qn__now_ns() - start) * 1e-6);
  qn__free(&p->allocator, r.workspace, r.workspace_bytes + 1);
  qn__arena_free(&scratch);
  qn__tell_news(p);
  if (!status) return QN_OK;
  for (uint32_t i = 0; i < p->num_outputs; i++) qn_tensor_free(p->ctx, &out[i]);
  if (status == QN_ERR_NO_MEMORY) return qn_error_no_memory(p->ctx);
  return error.message[0] ? qn_error(p->ctx, error.code, error.place, "%s", error.message) : status;
}
