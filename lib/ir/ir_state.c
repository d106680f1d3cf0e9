#include "ir_state.h"
#include <string.h>

static void destroy(qn_context *ctx, void *state) {
  qn__ir_state *ir = state;
  if (ir->op_specs && ir->destroy_op_specs) ir->destroy_op_specs(ctx, ir->op_specs);
  qn__map_free(&ctx->allocator, &ir->type_map);
  qn__idmap_free(&ctx->allocator, &ir->resources);
  qn__vec_free(&ctx->allocator, &ir->types);
  qn__free(&ctx->allocator, ir, sizeof *ir);
}

/* The null type and all scalars, which are found by number and need no hashing. */
static bool add_scalars(qn_context *ctx, qn__ir_state *ir) {
  if (!qn__reserve(&ctx->allocator, &ir->types, QN_SCALAR_COUNT)) return false;
  memset(ir->types.data, 0, QN_SCALAR_COUNT * sizeof *ir->types.data);
  for (uint32_t s = 1; s < QN_SCALAR_COUNT; s++) ir->types.data[s].kind = QN_TYPE_SCALAR;
  ir->types.size = QN_SCALAR_COUNT;
  return true;
}

qn__ir_state *qn__ir(qn_context *ctx) {
  if (ctx->slots[QN__SLOT_IR].state) return ctx->slots[QN__SLOT_IR].state;
  qn__ir_state *ir = qn__alloc_zero(&ctx->allocator, sizeof *ir);
  if (!ir || !add_scalars(ctx, ir)) {
    qn__free(&ctx->allocator, ir, sizeof *ir);
    qn_error_no_memory(ctx);
    return NULL;
  }
  ctx->slots[QN__SLOT_IR].state = ir;
  ctx->slots[QN__SLOT_IR].destroy = destroy;
  return ir;
}

const qn__ir_state *qn__ir_const(const qn_context *ctx) {
  return ctx->slots[QN__SLOT_IR].state;
}
