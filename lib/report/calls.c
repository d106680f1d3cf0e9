/* Call events as lines: for people, and as comma-separated values. */
#include "buf.h"
#include <quern/report.h>
#include <string.h>

const char *qn_report_call_columns(void) {
  return "event,kernel,op,shape,types,engine,isa,tile,threads,us,gops,gbytes_per_s,fraction,fused,place,chain,"
         "slow";
}

/* The limit that counts: of the operations, or of the bytes when those take longer. */
double qn_report_call_fraction(const qn_call_event *e, const qn_limits *l) {
  double compute = 0; /* seconds */
  for (uint32_t i = 0; i < QN_MULTIPLIER_COUNT; i++)
    if (l->ops[i] > 0) compute += e->by[i] / l->ops[i];
  double bytes = e->bytes > QN_REPORT_CACHE ? l->memory_bytes : l->cache_bytes;
  double memory = bytes > 0 ? e->bytes / bytes : 0;
  return e->ns > 0 ? (compute > memory ? compute : memory) * 1e9 / e->ns : 0;
}

static void put_place(qn_buf *b, const qn_place *p) {
  if (p->entity.size) qn__buf_fmt(b, "%.*s", (int)p->entity.size, p->entity.data);
  if (p->file.size) qn__buf_fmt(b, "%s%.*s:%u", p->entity.size ? " " : "", (int)p->file.size, p->file.data, p->line);
}

static const char *text(const char *s) {
  return s ? s : "";
}

/* ---- comma-separated values: what could hold a comma or a quote is quoted, quotes are doubled ---- */

static void put_quoted(qn_buf *b, const char *s, size_t size) {
  for (size_t i = 0; i < size; i++) qn__buf_fmt(b, s[i] == '"' ? "\"\"" : "%c", s[i] == '\n' ? ' ' : s[i]);
}

static void put_field(qn_buf *b, const char *s) {
  qn__buf_c(b, "\"");
  put_quoted(b, text(s), strlen(text(s)));
  qn__buf_c(b, "\"");
}

static const char *event_name(const qn_call_event *e) {
  static const char *const names[] = {"step", "call", "kernel", "body"};
  return e->kind == QN_EVENT_BODY ? text(e->origin) : names[e->kind];
}

static bool has_run(const qn_call_event *e) {
  return e->kind == QN_EVENT_STEP || e->kind == QN_EVENT_CALL;
}

static void csv(qn_buf *b, const qn_call_event *e, double fraction) {
  bool run = has_run(e);
  qn__buf_fmt(b, "%s,%s,%s,%s,", event_name(e), text(e->kernel.name), text(e->kernel.op), e->shape);
  put_field(b, e->types);
  qn__buf_fmt(b, ",%s,%s,%s,", e->engine, text(e->kernel.isa), text(e->kernel.tile));
  if (run) qn__buf_fmt(b, "%u", e->threads);
  qn__buf_c(b, ",");
  if (e->kind != QN_EVENT_KERNEL) qn__buf_fmt(b, "%.3f", e->ns * 1e-3);
  if (run)
    qn__buf_fmt(b, ",%.3f,%.3f,", e->ns > 0 ? e->ops / e->ns : 0, e->ns > 0 ? e->bytes / e->ns : 0);
  else
    qn__buf_c(b, ",,,");
  if (fraction > 0) qn__buf_fmt(b, "%.3f", fraction);
  qn__buf_c(b, ",");
  put_field(b, e->kernel.fused);
  qn__buf_c(b, ",\"");
  const qn_place *p = &e->kernel.place;
  put_quoted(b, p->entity.data, p->entity.size);
  if (p->entity.size && p->file.size) qn__buf_c(b, " ");
  put_quoted(b, p->file.data, p->file.size);
  if (p->file.size) qn__buf_fmt(b, ":%u", p->line);
  qn__buf_fmt(b, "\",%u,", e->kernel.chain);
  put_field(b, e->kernel.slow_reason);
}

/* ---- for people ---- */

static void put_speed(qn_buf *b, const qn_call_event *e, double fraction) {
  qn__buf_fmt(b, ": %.1f us", e->ns * 1e-3);
  if (e->multiplies && e->ns > 0)
    qn__buf_fmt(b, ", %.1f GOPS", e->ops / e->ns);
  else if (e->ns > 0)
    qn__buf_fmt(b, ", %.1f GB/s", e->bytes / e->ns);
  if (fraction > 0) qn__buf_fmt(b, ", %.0f%% of the limit", fraction * 100);
}

static void readable(qn_buf *b, const qn_call_event *e, double fraction) {
  if (e->kind == QN_EVENT_BODY) {
    qn__buf_fmt(b, "body %s: %s, %s in %.3f ms, %.0f bytes", e->kernel.name, e->engine, text(e->origin), e->ns * 1e-6,
                e->bytes);
    return;
  }
  if (e->kind == QN_EVENT_STEP)
    qn__buf_fmt(b, "%-10s %-14s %s", e->kernel.op, e->shape, e->types);
  else if (e->kind == QN_EVENT_KERNEL)
    qn__buf_fmt(b, "kernel %s: %s", e->kernel.name, e->types);
  else
    qn__buf_c(b, "call");
  qn__buf_fmt(b, ", %s %s", e->engine, text(e->kernel.isa));
  if (e->kernel.tile && *e->kernel.tile) qn__buf_fmt(b, " %s", e->kernel.tile);
  if (e->threads > 1) qn__buf_fmt(b, ", %u threads", e->threads);
  if (e->kernel.chain) qn__buf_fmt(b, ", chain %u", e->kernel.chain);
  if (has_run(e)) put_speed(b, e, fraction);
  if (e->kernel.fused && *e->kernel.fused) qn__buf_fmt(b, " (%s)", e->kernel.fused);
  if (e->kernel.place.entity.size || e->kernel.place.file.size) {
    qn__buf_c(b, " at ");
    put_place(b, &e->kernel.place);
  }
  if (e->kind == QN_EVENT_KERNEL && e->kernel.slow_reason) qn__buf_fmt(b, "; slow: %s", e->kernel.slow_reason);
}

qn_status qn_report_call(qn_context *ctx, const qn_call_event *e, const qn_limits *limits, bool as_csv,
                         qn_write_fn write, void *user) {
  qn_buf b;
  qn__buf_init(&b, qn_context_allocator(ctx));
  b.flush = write, b.user = user;
  (as_csv ? csv : readable)(&b, e, limits && has_run(e) ? qn_report_call_fraction(e, limits) : 0);
  qn__buf_c(&b, "\n");
  bool ok = qn__buf_finish(&b);
  qn__buf_free(&b);
  return ok ? QN_OK : QN_ERR_IO;
}
