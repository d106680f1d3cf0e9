/* Ahead of time: bodies, constants and an entry function that calls the bodies in order, as an object, assembly or LLVM
 * IR. Only the entry is visible, and nothing is undefined. Without an entry the bodies alone are written, visible: what
 * a saved program loads. */
#include "tile.h"
#include <stddef.h>
#include <string.h>

typedef struct emit_state {
  qn_ll *g;
  const qn_aot *aot;
  LLVMValueRef *bodies, *constants;
  LLVMTypeRef body_type;
} emit_state;

static LLVMValueRef global(qn_ll *g, const char *name, LLVMValueRef init, uint32_t align) {
  LLVMValueRef v = LLVMAddGlobal(g->mod, LLVMTypeOf(init), name);
  LLVMSetInitializer(v, init);
  LLVMSetGlobalConstant(v, true);
  LLVMSetLinkage(v, LLVMInternalLinkage);
  LLVMSetAlignment(v, align);
  return v;
}

static bool prepare(emit_state *s) {
  qn_ll *g = s->g;
  const qn_aot *aot = s->aot;
  s->bodies = qn__ll_values(g, aot->num_bodies);
  s->constants = qn__ll_values(g, aot->num_constants);
  if (!s->bodies || !s->constants) return false;
  s->body_type = LLVMFunctionType(g->i32, &g->ptr, 1, false);
  for (uint32_t i = 0; i < aot->num_bodies; i++) {
    s->bodies[i] = LLVMGetNamedFunction(g->mod, aot->bodies[i].symbol);
    LLVMSetLinkage(s->bodies[i], LLVMInternalLinkage);
  }
  for (uint32_t i = 0; i < aot->num_constants; i++) {
    qn_str name = qn__arena_fmt(g->arena, "constant_%u", i);
    if (!name.data) return false;
    const qn_blob *blob = &aot->constants[i];
    LLVMValueRef bytes = LLVMConstStringInContext(g->ctx, blob->size ? blob->data : "", (unsigned)blob->size, true);
    s->constants[i] = global(g, name.data, bytes, 64);
  }
  return true;
}

static LLVMValueRef address_of(emit_state *s, const qn_ref *ref) {
  qn_ll *g = s->g;
  LLVMValueRef base = NULL;
  switch (ref->base) {
  case QN_BASE_INPUT: base = qn__ll_arg_ptr(g, ref->index); break;
  case QN_BASE_OUTPUT: base = qn__ll_arg_ptr(g, s->aot->num_inputs + ref->index); break;
  case QN_BASE_CONSTANT: base = s->constants[ref->index]; break;
  case QN_BASE_WORKSPACE:
    base = LLVMBuildLoad2(g->b, g->ptr, qn__ll_gep_const(g, g->args, offsetof(qn_kargs, workspace)), "");
    break;
  }
  return qn__ll_gep_const(g, base, ref->offset);
}

static LLVMValueRef numbers(emit_state *s, uint32_t count, const int64_t *values) {
  qn_ll *g = s->g;
  LLVMValueRef *all = qn__ll_values(g, (size_t)count + 1);
  if (!all) {
    g->failed = g->out_of_memory = true;
    return LLVMConstNull(g->ptr);
  }
  for (uint32_t i = 0; i < count; i++) all[i] = qn__ll_i64(g, values[i]);
  if (count == 0) all[count++] = qn__ll_i64(g, 0);
  return global(g, "numbers", LLVMConstArray(g->i64, all, count), 8);
}

static void store_field(qn_ll *g, LLVMValueRef block, size_t offset, LLVMValueRef v) {
  LLVMBuildStore(g->b, v, qn__ll_gep_const(g, block, (int64_t)offset));
}

/* Fills a qn_kargs for one call, makes it, and leaves with its error if there is one. */
static void call(emit_state *s, const qn_call *c, LLVMValueRef block, LLVMValueRef ptrs) {
  qn_ll *g = s->g;
  for (uint32_t i = 0; i < c->num_ptrs; i++) store_field(g, ptrs, 8 * (size_t)i, address_of(s, &c->ptrs[i]));
  store_field(g, block, offsetof(qn_kargs, ptr), ptrs);
  store_field(g, block, offsetof(qn_kargs, size), numbers(s, c->num_sizes, c->sizes));
  store_field(g, block, offsetof(qn_kargs, stride), numbers(s, c->num_strides, c->strides));
  LLVMValueRef workspace = qn__ll_gep_const(g, g->args, offsetof(qn_kargs, workspace));
  store_field(g, block, offsetof(qn_kargs, workspace), LLVMBuildLoad2(g->b, g->ptr, workspace, ""));
  for (uint32_t d = 0; d < 2; d++) {
    store_field(g, block, offsetof(qn_kargs, begin) + 8 * (size_t)d, qn__ll_i64(g, c->begin[d]));
    store_field(g, block, offsetof(qn_kargs, end) + 8 * (size_t)d, qn__ll_i64(g, c->end[d]));
  }
  LLVMValueRef code = LLVMBuildCall2(g->b, s->body_type, s->bodies[c->body], &block, 1, "");
  LLVMBasicBlockRef next = LLVMAppendBasicBlockInContext(g->ctx, g->fn, "");
  LLVMBasicBlockRef leave = LLVMAppendBasicBlockInContext(g->ctx, g->fn, "");
  LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntEQ, code, qn__ll_i32(g, 0), ""), next, leave);
  LLVMPositionBuilderAtEnd(g->b, leave);
  LLVMBuildRet(g->b, code);
  LLVMPositionBuilderAtEnd(g->b, next);
}

/* ---- registers for tiles: Linux lets a process have them from when it has asked ---- */

static bool uses_tiles(const qn_aot *aot) {
  for (uint32_t i = 0; i < aot->num_bodies; i++)
    if (aot->bodies[i].plan->kind == QN_KERNEL_GEMM && qn__ll_amx_serves(&aot->bodies[i])) return true;
  return false;
}

static LLVMValueRef system_call(qn_ll *g, int64_t number, int64_t first, int64_t second) {
  static const char text[] = "syscall", constraints[] = "={rax},{rax},{rdi},{rsi},~{rcx},~{r11},~{memory}";
  LLVMTypeRef types[3] = {g->i64, g->i64, g->i64}, type = LLVMFunctionType(g->i64, types, 3, false);
  LLVMValueRef asked = LLVMGetInlineAsm(type, text, sizeof text - 1, constraints, sizeof constraints - 1, true, false,
                                        LLVMInlineAsmDialectATT, false);
  LLVMValueRef args[3] = {qn__ll_i64(g, number), qn__ll_i64(g, first), qn__ll_i64(g, second)};
  return LLVMBuildCall2(g->b, type, asked, args, 3, "");
}

/* Asks in the first call, and leaves with QN__AOT_NO_TILES where the answer is no. */
static void ask_for_tiles(emit_state *s) {
  enum { ARCH_PRCTL = 158, ARCH_REQ_XCOMP_PERM = 0x1023, XTILEDATA = 18 };
  qn_ll *g = s->g;
  LLVMValueRef granted = LLVMAddGlobal(g->mod, g->i32, "tiles_granted");
  LLVMSetInitializer(granted, LLVMConstNull(g->i32));
  LLVMSetLinkage(granted, LLVMInternalLinkage);
  LLVMBasicBlockRef ask = LLVMAppendBasicBlockInContext(g->ctx, g->fn, "");
  LLVMBasicBlockRef refused = LLVMAppendBasicBlockInContext(g->ctx, g->fn, "");
  LLVMBasicBlockRef keep = LLVMAppendBasicBlockInContext(g->ctx, g->fn, "");
  LLVMBasicBlockRef go_on = LLVMAppendBasicBlockInContext(g->ctx, g->fn, "");
  LLVMValueRef known = LLVMBuildLoad2(g->b, g->i32, granted, "");
  LLVMSetOrdering(known, LLVMAtomicOrderingMonotonic);
  LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntNE, known, qn__ll_i32(g, 0), ""), go_on, ask);
  LLVMPositionBuilderAtEnd(g->b, ask);
  LLVMValueRef error = system_call(g, ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XTILEDATA);
  LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntEQ, error, qn__ll_i64(g, 0), ""), keep, refused);
  LLVMPositionBuilderAtEnd(g->b, refused);
  LLVMBuildRet(g->b, qn__ll_i32(g, (uint32_t)QN__AOT_NO_TILES));
  LLVMPositionBuilderAtEnd(g->b, keep);
  LLVMValueRef kept = LLVMBuildStore(g->b, qn__ll_i32(g, 1), granted);
  LLVMSetOrdering(kept, LLVMAtomicOrderingMonotonic);
  LLVMBuildBr(g->b, go_on);
  LLVMPositionBuilderAtEnd(g->b, go_on);
}

static void write_entry(emit_state *s) {
  qn_ll *g = s->g;
  const qn_aot *aot = s->aot;
  uint32_t most = 1;
  for (uint32_t i = 0; i < aot->num_calls; i++)
    if (aot->calls[i].num_ptrs > most) most = aot->calls[i].num_ptrs;
  qn__ll_function_begin(g, aot->entry);
  LLVMValueRef ptrs = qn__ll_slot(g, g->ptr, most), block = qn__ll_slot(g, g->i64, sizeof(qn_kargs) / 8);
  if (uses_tiles(aot)) ask_for_tiles(s);
  for (uint32_t i = 0; i < aot->num_calls && !g->failed; i++) call(s, &aot->calls[i], block, ptrs);
  qn__ll_function_end(g);
}

static qn_status check(qn_context *ctx, const qn_aot *aot) {
  qn_place nowhere = qn_place_file("");
  for (uint32_t i = 0; i < aot->num_constants; i++)
    if (aot->constants[i].size > UINT32_MAX)
      return qn_error(ctx, QN_DIAG_LIMIT, nowhere,
                      "a constant of %zu bytes is too large for an object file; 4 GB is the limit",
                      aot->constants[i].size);
  return QN_OK;
}

static qn_status add_entry(qn_context *ctx, const qn_aot *aot, qn_ll_module *m) {
  qn_ll g;
  qn_arena arena;
  qn__arena_init(&arena, qn_context_allocator(ctx));
  qn__ll_init(&g, m, &arena, aot->bodies[0].plan->isa, aot->entry);
  emit_state s = {.g = &g, .aot = aot};
  bool ok = prepare(&s);
  if (ok) write_entry(&s);
  qn__ll_done(&g);
  qn__arena_free(&arena);
  return ok && !g.failed ? qn__ll_module_verify(m) : qn_error_no_memory(ctx);
}

static qn_status write_all(qn_context *ctx, bool ok) {
  return ok ? QN_OK : qn_error(ctx, QN_DIAG_IO, qn_place_file(""), "the generated code could not be written");
}

qn_status qn__ll_emit_program(qn_context *ctx, const qn_aot *aot, qn_emit_kind kind,
                              bool (*write)(void *, const char *, size_t), void *user) {
  if (kind == QN_EMIT_C)
    return qn_error(ctx, QN_DIAG_UNSUPPORTED, qn_place_file(""),
                    "the LLVM code generator does not write C; tcc's does");
  qn_status status = check(ctx, aot);
  qn_ll_module m;
  const char *name = aot->entry ? aot->entry : "bodies";
  if (status == QN_OK) status = qn__ll_module_create(ctx, aot->num_bodies, aot->bodies, name, &m);
  if (status != QN_OK) return status;
  status = aot->entry ? add_entry(ctx, aot, &m) : qn__ll_module_verify(&m);
  if (status == QN_OK && kind == QN_EMIT_LLVM) {
    char *text = LLVMPrintModuleToString(m.mod);
    status = write_all(ctx, write(user, text, strlen(text)));
    LLVMDisposeMessage(text);
  } else if (status == QN_OK && kind == QN_EMIT_OBJ && aot->pieces && !aot->entry && aot->num_bodies == 1) {
    status = qn__ll_emit_pieces(&m, aot, write, user);
  } else if (status == QN_OK) {
    LLVMMemoryBufferRef buffer;
    status = qn__ll_codegen(&m, kind == QN_EMIT_OBJ ? LLVMObjectFile : LLVMAssemblyFile, &buffer);
    if (status == QN_OK) {
      status = write_all(ctx, write(user, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer)));
      LLVMDisposeMemoryBuffer(buffer);
    }
  }
  qn__ll_module_destroy(&m);
  return status;
}
