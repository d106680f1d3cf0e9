/* Memory of unpacked messages. */
#include "onnx_memory.h"
#include "onnx_wire.h"
#include <string.h>

static void ring_init(qn_onnx_block *head) {
  head->prev = head->next = head;
}

static void ring_add(qn_onnx_block *head, qn_onnx_block *b) {
  b->prev = head->prev;
  b->next = head;
  head->prev->next = b;
  head->prev = b;
}

static void ring_remove(qn_onnx_block *b) {
  b->prev->next = b->next;
  b->next->prev = b->prev;
}

static void ring_free(qn_onnx_block *head, const qn_allocator *a) {
  for (qn_onnx_block *b = head->next, *next; b != head; b = next) {
    next = b->next;
    qn__free(a, b, b->size);
  }
  ring_init(head);
}

static void *hook_alloc(void *user, size_t size) {
  qn_onnx_memory *mem = user;
  size_t bytes;
  qn_onnx_block *b = qn__add_size(size, sizeof *b, &bytes) ? qn__alloc(mem->allocator, bytes) : NULL;
  if (!b) {
    mem->failed = true;
    return NULL;
  }
  b->size = bytes;
  ring_add(&mem->list, b);
  return b + 1;
}

static void hook_free(void *user, void *data) {
  qn_onnx_memory *mem = user;
  if (!data) return;
  qn_onnx_block *b = (qn_onnx_block *)data - 1;
  ring_remove(b);
  qn__free(mem->allocator, b, b->size);
}

void qn__onnx_memory_init(qn_onnx_memory *mem, const qn_allocator *allocator) {
  *mem = (qn_onnx_memory){.hooks = {hook_alloc, hook_free, mem}, .allocator = allocator};
  ring_init(&mem->list);
}

void qn__onnx_memory_free(qn_onnx_memory *mem) {
  ring_free(&mem->list, mem->allocator);
}

qn_status qn__onnx_unpack(qn_context *ctx, qn_onnx_memory *mem, const char *file,
                          const ProtobufCMessageDescriptor *type, const void *data, size_t size,
                          ProtobufCMessage **out) {
  *out = NULL;
  qn_status status = qn__wire_check(ctx, file, type, data, size);
  if (status != QN_OK) return status;
  *out = protobuf_c_message_unpack(type, &mem->hooks, size, data);
  if (*out) return QN_OK;
  if (mem->failed) return qn_error_no_memory(ctx);
  return qn_error(ctx, QN_DIAG_FORMAT, qn_place_file(file), "is no %s that can be read: the file is damaged",
                  type->short_name);
}

/* ---- what outlives the message ---- */

qn_onnx_keep *qn__onnx_keep_create(const qn_allocator *allocator) {
  qn_onnx_keep *keep = qn__alloc_zero(allocator, sizeof *keep);
  if (!keep) return NULL;
  keep->allocator = allocator;
  ring_init(&keep->list);
  return keep;
}

void qn__onnx_keep_destroy(void *object) {
  qn_onnx_keep *keep = object;
  const qn_allocator *a = keep->allocator;
  ring_free(&keep->list, a);
  for (uint32_t i = 0; i < keep->files.size; i++) {
    qn_onnx_file *f = &keep->files.data[i];
    qn__file_close(&f->file);
    qn__free(a, (char *)(uintptr_t)f->path.data, f->path.size + 1);
  }
  qn__vec_free(a, &keep->files);
  qn__free(a, keep, sizeof *keep);
}

void qn__onnx_keep_passed(void *object, const void *data, size_t size) {
  qn_onnx_keep *keep = object;
  for (uint32_t i = 0; i < keep->files.size; i++) qn__file_passed_range(&keep->files.data[i].file, data, size);
}

void qn__onnx_keep_block(qn_onnx_keep *keep, void *data) {
  qn_onnx_block *b = (qn_onnx_block *)data - 1;
  ring_remove(b);
  ring_add(&keep->list, b);
}
