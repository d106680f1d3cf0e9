/* Locations, and reporting at them. */
#include "buf.h"
#include "context_impl.h"
#include "module_impl.h"
#include <string.h>

/* The id of `text`, which is most often the text that `last` names: compared before hashing. */
static uint32_t name_near(qn_module *m, qn_str text, uint32_t last) {
  if (!text.data || !text.size) return 0;
  if (last && qn_str_eq(qn_name_str(m->ctx, (qn_name){last}), text)) return last;
  return qn_name_of(m->ctx, text).id;
}

qn_loc qn_loc_create(qn_module *m, qn_str file, uint32_t line, uint32_t col, qn_str name) {
  const qn_loc_rec *last = &m->locs.data[m->locs.size - 1];
  qn_loc_rec rec = {name_near(m, name, last->name), name_near(m, file, last->file), line, col};
  const qn_loc_rec unknown = {0};
  if (!memcmp(&rec, &unknown, sizeof rec)) return (qn_loc){0};
  if (!memcmp(&rec, last, sizeof rec)) return (qn_loc){m->locs.size - 1};
  if (!qn__push(m->allocator, &m->locs, rec)) {
    qn__module_fail(m);
    return (qn_loc){0};
  }
  return (qn_loc){m->locs.size - 1};
}

static qn_str source_of(const qn_module *m, uint32_t file) {
  for (uint32_t i = 0; i < m->sources.size; i++)
    if (m->sources.data[i].file == file) return m->sources.data[i].text;
  return (qn_str){NULL, 0};
}

qn_place qn_loc_place(const qn_module *m, qn_loc loc) {
  const qn_loc_rec *rec = &m->locs.data[loc.id < m->locs.size ? loc.id : 0];
  return (qn_place){.file = qn_name_str(m->ctx, (qn_name){rec->file}),
                    .line = rec->line,
                    .col = rec->col,
                    .entity = qn_name_str(m->ctx, (qn_name){rec->name}),
                    .source = source_of(m, rec->file)};
}

qn_place qn_op_place(const qn_module *m, qn_op op) {
  return qn_loc_place(m, qn_op_loc(m, op));
}

void qn_module_set_source(qn_module *m, qn_str file, qn_str text) {
  qn_source source = {qn_name_of(m->ctx, file).id, text};
  for (uint32_t i = 0; i < m->sources.size; i++) {
    if (m->sources.data[i].file != source.file) continue;
    m->sources.data[i].text = text;
    return;
  }
  if (!qn__push(m->allocator, &m->sources, source)) qn__module_fail(m);
}

/* The message with the op's name in front: one line may hold several ops, and some have no line. */
static void op_message(qn_buf *buf, const qn_module *m, qn_op op, const char *fmt, va_list args) {
  qn__buf_init(buf, m->allocator);
  qn_str name = qn_op_name(m, op);
  if (name.size) {
    qn__buf_str(buf, name);
    qn__buf_c(buf, ": ");
  }
  qn__buf_vfmt(buf, fmt, args);
}

static const char *message_text(const qn_buf *buf) {
  return buf->data && !buf->failed ? buf->data : "out of memory while writing this message";
}

qn_status(qn_op_error)(const qn_module *m, qn_op op, qn_diag_code code, const char *fmt, ...) {
  qn_buf buf;
  va_list args;
  va_start(args, fmt);
  op_message(&buf, m, op, fmt, args);
  va_end(args);
  qn_status status = qn_error(m->ctx, code, qn_op_place(m, op), "%s", message_text(&buf));
  qn__buf_free(&buf);
  return status;
}

void qn_op_warning(const qn_module *m, qn_op op, qn_diag_code code, const char *fmt, ...) {
  qn_buf buf;
  va_list args;
  va_start(args, fmt);
  op_message(&buf, m, op, fmt, args);
  va_end(args);
  qn_warning(m->ctx, code, qn_op_place(m, op), "%s", message_text(&buf));
  qn__buf_free(&buf);
}

void qn_op_note(const qn_module *m, qn_op op, const char *fmt, ...) {
  qn_buf buf;
  va_list args;
  va_start(args, fmt);
  op_message(&buf, m, op, fmt, args);
  va_end(args);
  qn_note(m->ctx, qn_op_place(m, op), "%s", message_text(&buf));
  qn__buf_free(&buf);
}
