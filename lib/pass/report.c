/* What the manager prints and writes: the program around passes, timing, statistics, the reproducer. */
#include "fileio.h"
#include "pass_impl.h"
#include <string.h>

/* ---- the program ---- */

static qn_status put(qn_pass_manager *pm, qn_buf *b) {
  bool ok = !b->failed && (!b->size || pm->options.print(pm->options.print_user, b->data, b->size));
  qn_status status = ok ? QN_OK : b->failed ? qn_error_no_memory(pm->ctx) : QN_ERR_IO;
  qn__buf_free(b);
  return status;
}

/* Where printed text goes, and whether it was taken: a printer that fails otherwise has run out of memory. */
typedef struct sink {
  qn_write_fn write;
  void *user;
  bool refused;
} sink;

static bool sink_write(void *user, const char *data, size_t size) {
  sink *s = user;
  s->refused = s->refused || !s->write(s->user, data, size);
  return !s->refused;
}

static qn_status print_to(const qn_module *m, const qn_print_options *options, qn_write_fn write, void *user) {
  sink s = {write, user, false};
  qn_status status = qn_print(m, options, sink_write, &s);
  return status == QN_ERR_IO && !s.refused ? qn_error_no_memory(qn_module_context(m)) : status;
}

qn_status qn__dump_module(qn_pass_manager *pm, const qn_module *m, uint32_t step, qn__moment moment) {
  qn_buf head;
  qn_str text = pm->steps.data[step].text;
  qn__buf_init(&head, qn_context_allocator(pm->ctx));
  qn__buf_fmt(&head, "// ---- %s %.*s (%u of %u) ----\n", moment == QN__BEFORE ? "before" : "after", (int)text.size,
              text.data, step + 1, pm->steps.size);
  qn_status status = put(pm, &head);
  return status == QN_OK ? print_to(m, &pm->options.print_options, pm->options.print, pm->options.print_user) : status;
}

/* FNV-1a: pieces of text arrive cut anywhere, so bytes are taken one by one. */
static bool hash_piece(void *user, const char *data, size_t size) {
  uint64_t h = *(uint64_t *)user;
  for (size_t i = 0; i < size; i++) h = (h ^ (unsigned char)data[i]) * 0x100000001B3u;
  *(uint64_t *)user = h;
  return true;
}

bool qn__print_hash(const qn_module *m, uint64_t *hash) {
  const qn_print_options plain = {.generic = true, .inline_ = true, .hex = true};
  *hash = 0xCBF29CE484222325u;
  return print_to(m, &plain, hash_piece, hash) == QN_OK;
}

/* ---- timing and statistics ---- */

void qn__report_time(qn_pass_manager *pm) {
  qn_buf b;
  double total = 0;
  qn__buf_init(&b, qn_context_allocator(pm->ctx));
  for (uint32_t i = 0; i < pm->steps.size; i++) total += pm->steps.data[i].seconds;
  qn__buf_fmt(&b, "// ---- time ----\n//         ms      %%  pass\n");
  for (uint32_t i = 0; i < pm->steps.size; i++) {
    const qn__step *s = &pm->steps.data[i];
    qn__buf_fmt(&b, "// %10.3f  %5.1f  %.*s\n", s->seconds * 1e3, total > 0 ? 100 * s->seconds / total : 0,
                (int)s->text.size, s->text.data);
  }
  qn__buf_fmt(&b, "// %10.3f  100.0  total\n", total * 1e3);
  put(pm, &b);
}

void qn__report_stats(qn_pass_manager *pm) {
  qn_buf b;
  qn__buf_init(&b, qn_context_allocator(pm->ctx));
  qn__buf_c(&b, "// ---- statistics ----\n");
  for (uint32_t i = 0; i < pm->steps.size; i++)
    for (uint32_t k = 0; k < pm->stats.size; k++) {
      const qn__stat *s = &pm->stats.data[k];
      if (s->step == i) qn__buf_fmt(&b, "// %10lld  %s: %s\n", (long long)s->n, pm->steps.data[i].info->name, s->what);
    }
  put(pm, &b);
}

/* ---- reproducer ---- */

static void put_printable(qn_buf *b, char c) {
  if ((unsigned char)c < ' ') c = ' ';
  qn__buf_char(b, c);
}

/* The rest of the pipeline as it was written, on one comment line. */
static void put_pipeline(qn_buf *b, const qn_pass_manager *pm, uint32_t step) {
  qn__buf_c(b, "// quern opt -p '");
  for (uint32_t i = step; i < pm->steps.size; i++) {
    qn_str text = pm->steps.data[i].text;
    if (i > step) qn__buf_char(b, ',');
    for (size_t k = 0; k < text.size; k++) put_printable(b, text.data[k]);
  }
  qn__buf_c(b, "'\n");
}

qn_status qn__reproduce(qn_pass_manager *pm, const qn_module *before, uint32_t step) {
  const qn_print_options all = {.inline_ = true, .hex = true, .locations = true};
  qn_writer w;
  qn_buf b;
  qn_status status = qn__writer_open(pm->ctx, pm->options.reproducer, &w);
  if (status != QN_OK) return status;
  qn__buf_init(&b, qn_context_allocator(pm->ctx));
  put_pipeline(&b, pm, step);
  if (b.failed)
    status = qn_error_no_memory(pm->ctx);
  else
    qn__writer_put(&w, b.data, b.size);
  qn__buf_free(&b);
  if (status == QN_OK) {
    status = print_to(before, &all, qn__writer_put, &w);
    if (status == QN_ERR_IO && w.error) status = QN_OK; /* the writer kept the reason: commit reports it */
  }
  if (status != QN_OK) {
    qn__writer_abandon(&w);
    return status;
  }
  status = qn__writer_commit(&w);
  if (status == QN_OK)
    qn_note(pm->ctx, qn_place_file(pm->options.reproducer),
            "the program before the pass and the rest of the pipeline are in this file");
  return status;
}
