/* Machine code in a program file: a row per body (which one, where, how long), then the objects, each at a multiple of
 * 8 bytes. The file's checksum covers them. */
#include "context_impl.h"
#include "program.h"
#include <string.h>

typedef struct object_row {
  char symbol[80];
  uint64_t offset, size;
} object_row;

/* Sizes that are known need some bodies; sizes that are not may need any. */
static void mark_saved(const qn_program *p, bool *saved) {
  if (p->frozen)
    qn__mark_needed(p, &p->frozen->bound, saved);
  else
    memset(saved, 1, p->num_bodies * sizeof *saved);
}

static qn_status pack(const qn_program *p, const bool *saved, object_row *rows, uint32_t n, qn_buf *code, qn_buf *out) {
  static const char zeros[8];
  uint32_t at = 0;
  for (uint32_t i = 0; i < p->num_bodies; i++) {
    if (!saved[i]) continue;
    qn_unit_origin origin = QN_UNIT_CACHED;
    size_t start = code->size;
    qn_status status = qn__body_object(p->units, p->ctx, &p->bodies[i], 0, code, &origin);
    if (status) return status;
    memcpy(rows[at].symbol, p->bodies[i].symbol, sizeof rows[at].symbol);
    rows[at].offset = 8 + n * sizeof *rows + start;
    rows[at++].size = code->size - start;
    qn__buf_put(code, zeros, (8 - code->size % 8) % 8);
  }
  uint64_t count = n;
  qn__buf_put(out, &count, sizeof count);
  qn__buf_put(out, rows, n * sizeof *rows);
  qn__buf_put(out, code->data, code->size);
  return code->failed || out->failed ? qn_error_no_memory(p->ctx) : QN_OK;
}

qn_status qn__pack_objects(const qn_program *p, qn_buf *out) {
  if (!qn__engine_has_objects(p->engine) || p->num_bodies == 0) return QN_OK;
  bool *saved = qn__alloc_zero(&p->allocator, p->num_bodies * sizeof *saved);
  object_row *rows = qn__alloc_zero(&p->allocator, p->num_bodies * sizeof *rows);
  uint32_t n = 0;
  qn_buf code;
  qn__buf_init(&code, &p->allocator);
  qn_status status = QN_OK;
  if (saved && rows) {
    mark_saved(p, saved);
    for (uint32_t i = 0; i < p->num_bodies; i++) n += saved[i];
    status = pack(p, saved, rows, n, &code, out);
  } else {
    status = qn_error_no_memory(p->ctx);
  }
  qn__buf_free(&code);
  qn__free(&p->allocator, rows, p->num_bodies * sizeof *rows);
  qn__free(&p->allocator, saved, p->num_bodies * sizeof *saved);
  return status;
}

static qn_status damaged(const qn_program *p) {
  return qn_error(p->ctx, QN_DIAG_FORMAT, qn_place_file(""), "the program's machine code is damaged");
}

qn_status qn__load_objects(qn_program *p, const void *data, size_t size) {
  uint64_t n;
  if (size < sizeof n) return damaged(p);
  memcpy(&n, data, sizeof n);
  if (n > (size - sizeof n) / sizeof(object_row)) return damaged(p);
  for (uint64_t i = 0; i < n; i++) {
    object_row row;
    memcpy(&row, (const char *)data + sizeof n + i * sizeof row, sizeof row);
    if (row.offset > size || row.size > size - row.offset) return damaged(p);
    for (uint32_t b = 0; b < p->num_bodies; b++) {
      if (memcmp(p->bodies[b].symbol, row.symbol, sizeof row.symbol)) continue;
      const char *object = (const char *)data + row.offset;
      qn_status status = qn__unit_load(p->units, p->tiers[b].best, object, (size_t)row.size, p->ctx);
      if (status) return status;
    }
  }
  return QN_OK;
}
