/* The machine's constants: the table, a context's values, and the processor's name. */
#include "machine.h"
#include "cpu.h"
#include <math.h>
#include <quern/unstable/isa.h>
#include <stdio.h>
#include <string.h>

static const qn_machine_constant table[] = {
#define QN_MACHINE(field, otherwise, least, most, unit, doc) {#field, unit, doc, otherwise, least, most},
#include <quern/machine.def>
#undef QN_MACHINE
};
enum { NUM_CONSTANTS = sizeof table / sizeof *table };
static_assert(sizeof(qn_machine) == NUM_CONSTANTS * sizeof(double), "a machine is an array of its constants");

const qn_machine_constant *qn_machine_constant_get(size_t i) {
  return i < NUM_CONSTANTS ? &table[i] : NULL;
}

double *qn_machine_at(qn_machine *machine, size_t i) {
  return i < NUM_CONSTANTS ? (double *)(void *)machine + i : NULL;
}

qn_machine qn_machine_default(void) {
  return (qn_machine){
#define QN_MACHINE(field, otherwise, least, most, unit, doc) .field = (otherwise),
#include <quern/machine.def>
#undef QN_MACHINE
  };
}

bool qn__machine_fits(size_t i, double v) {
  return isfinite(v) && v >= table[i].least && v <= table[i].most;
}

/* ---- a context's ---- */

static void destroy(qn_context *ctx, void *state) {
  qn_tuning *t = state;
  qn__tuning_free(&ctx->allocator, t);
  qn__free(&ctx->allocator, t, sizeof *t);
}

const qn_tuning *qn__tuning_of(const qn_context *ctx) {
  return ctx->slots[QN__SLOT_PLAN].state;
}

qn_tuning *qn__tuning_make(qn_context *ctx) {
  if (ctx->slots[QN__SLOT_PLAN].state) return ctx->slots[QN__SLOT_PLAN].state;
  qn_tuning *t = qn__alloc_zero(&ctx->allocator, sizeof *t);
  if (!t) {
    qn_error_no_memory(ctx);
    return NULL;
  }
  t->machine = qn_machine_default();
  ctx->slots[QN__SLOT_PLAN].state = t;
  ctx->slots[QN__SLOT_PLAN].destroy = destroy;
  return t;
}

qn_machine qn_context_machine(const qn_context *ctx) {
  const qn_tuning *t = qn__tuning_of(ctx);
  return t ? t->machine : qn_machine_default();
}

qn_status qn_context_set_machine(qn_context *ctx, const qn_machine *machine) {
  qn_machine m = machine ? *machine : qn_machine_default();
  for (size_t i = 0; i < NUM_CONSTANTS; i++)
    if (!qn__machine_fits(i, *qn_machine_at(&m, i)))
      return qn_error(ctx, QN_DIAG_DATA, qn_place_file(""), "machine constant %s is %g, expected %g to %g %s",
                      table[i].name, *qn_machine_at(&m, i), table[i].least, table[i].most, table[i].unit);
  qn_tuning *t = qn__tuning_make(ctx);
  if (!t) return QN_ERR_NO_MEMORY;
  t->machine = m;
  return QN_OK;
}

/* ---- the processor's name ---- */

const char *qn_cpu_name(char *text, size_t size) {
  char name[64];
  qn__cpu_brand(name);
  if (size) snprintf(text, size, "%s", *name ? name : qn_isa_host()->name);
  return text;
}

/* ---- rates ---- */

static double width_of(const qn_isa *isa) {
  return isa->vector_bits / 512.0;
}

double qn__machine_mac_ns(const qn_machine *m, const qn_isa *isa, qn_scalar elem) {
  uint32_t bits = qn_scalar_get(elem)->storage_bits;
  if (qn_scalar_is_float(elem)) {
    double gops = m->f32_gops * width_of(isa) * 32 / (bits ? bits : 32);
    return 2 / (isa->has_fma ? gops : gops / 4);
  }
  double gops = m->int8_gops * width_of(isa) * 8 / (bits ? bits : 8);
  bool dot = isa->has & (QN_ISA_DOT8 | QN_ISA_MATRIX8 | QN_ISA_TILES);
  return 2 / (bits <= 8 && !dot ? gops / 4 : gops);
}

double qn__machine_byte_ns(const qn_machine *m, double bytes) {
  return 1 / (bytes <= m->l2_bytes / 2 ? m->l2_gbps : bytes <= m->l3_bytes / 2 ? m->l3_gbps : m->memory_gbps);
}
