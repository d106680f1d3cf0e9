/* A roofline: kernels as points over operations per byte, under the limits of the machine. Both axes are logarithmic.
 * The roof over a point is the lowest of: reading its bytes from memory or cache, and the operations of its kind. */
#include "buf.h"
#include <math.h>
#include <quern/report.h>

enum { WIDTH = 960, HEIGHT = 600, LEFT = 80, RIGHT = 30, TOP = 40, BOTTOM = 60 };

typedef struct chart {
  qn_buf *b;
  double x0, x1, y0, y1; /* decimal logarithms of the range shown */
} chart;

static double at_x(const chart *c, double intensity) {
  return (double)LEFT + (log10(intensity) - c->x0) / (c->x1 - c->x0) * (double)(WIDTH - LEFT - RIGHT);
}
static double at_y(const chart *c, double gops) {
  return (double)(HEIGHT - BOTTOM) - (log10(gops) - c->y0) / (c->y1 - c->y0) * (double)(HEIGHT - TOP - BOTTOM);
}

static void escaped(qn_buf *b, const char *s) {
  for (; s && *s; s++) {
    const char *as = *s == '&' ? "&amp;" : *s == '<' ? "&lt;" : *s == '>' ? "&gt;" : *s == '"' ? "&quot;" : NULL;
    if (as)
      qn__buf_c(b, as);
    else if ((unsigned char)*s >= 32)
      qn__buf_char(b, *s);
  }
}

static void label(const chart *c, double x, double y, const char *anchor, const char *extra, const char *text) {
  qn__buf_fmt(c->b, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" %s>", x, y, anchor, extra);
  escaped(c->b, text);
  qn__buf_c(c->b, "</text>\n");
}

static void grid(const chart *c) {
  for (double e = ceil(c->x0); e <= c->x1; e++) {
    double x = at_x(c, pow(10, e));
    qn__buf_fmt(
        c->b, "<path class=\"grid\" d=\"M%.1f %d V%d\"/>\n<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g</text>\n",
        x, TOP, HEIGHT - BOTTOM, x, HEIGHT - BOTTOM + 18, pow(10, e));
  }
  for (double e = ceil(c->y0); e <= c->y1; e++) {
    double y = at_y(c, pow(10, e));
    qn__buf_fmt(c->b,
                "<path class=\"grid\" d=\"M%d %.1f H%d\"/>\n<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n",
                LEFT, y, WIDTH - RIGHT, LEFT - 8, y + 4, pow(10, e));
  }
  label(c, 0.5 * (double)(LEFT + WIDTH - RIGHT), HEIGHT - 16, "middle", "",
        "operations per byte of operands and results");
  label(c, 18, 0.5 * (double)HEIGHT, "middle", "transform=\"rotate(-90 18 300)\"", "10^9 operations per second");
}

/* bandwidth in bytes per second as a slanted roof up to the highest of the flat ones. */
static void slope(const chart *c, double bandwidth, double top, const char *name) {
  if (bandwidth <= 0 || top <= 0) return;
  double from = pow(10, c->x0), to = top / bandwidth, low = pow(10, c->y0) * 1e9 / bandwidth;
  if (from < low) from = low;
  if (to <= from) return;
  double x = at_x(c, from), y = at_y(c, from * bandwidth * 1e-9);
  qn__buf_fmt(c->b, "<path class=\"roof\" d=\"M%.1f %.1f L%.1f %.1f\"/>\n", x, y, at_x(c, to), at_y(c, top * 1e-9));
  double tilt = atan2((HEIGHT - TOP - BOTTOM) / (c->y1 - c->y0), (WIDTH - LEFT - RIGHT) / (c->x1 - c->x0));
  qn__buf_fmt(c->b,
              "<text x=\"%.1f\" y=\"%.1f\" class=\"note\" transform=\"rotate(%.1f %.1f %.1f)\">%s %.0f GB/s</text>\n",
              x + 30, y - 26, -tilt * 180 / 3.14159265, x + 30, y - 26, name, bandwidth * 1e-9);
}

static void flat(const chart *c, double ops, double bandwidth, const char *name) {
  if (ops <= 0 || bandwidth <= 0) return;
  double from = ops / bandwidth, y = at_y(c, ops * 1e-9);
  qn__buf_fmt(c->b, "<path class=\"roof\" d=\"M%.1f %.1f H%d\"/>\n", at_x(c, from), y, WIDTH - RIGHT);
  qn__buf_fmt(c->b, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\" class=\"note\">%s %.0f</text>\n", WIDTH - RIGHT,
              y - 6, name, ops * 1e-9);
}

static double highest(const qn_limits *l) {
  double top = 0;
  for (uint32_t i = 0; i < QN_MULTIPLIER_COUNT; i++)
    if (l->ops[i] > top) top = l->ops[i];
  return top;
}

static const char *kind_of(const qn_kernel_time *k) {
  double floats =
      k->by[QN_MULTIPLIER_F32] + k->by[QN_MULTIPLIER_F64] + k->by[QN_MULTIPLIER_BF16] + k->by[QN_MULTIPLIER_BF16_TILES];
  return !k->multiplies ? "other" : floats > k->ops / 2 ? "floats" : "integers";
}

static double intensity(const qn_kernel_time *k) {
  return k->ops > 0 && k->bytes > 0 ? k->ops / k->bytes : 0;
}

/* Larger points took more of the whole time. */
static void point(const chart *c, const qn_kernel_time *k, double share) {
  double x = intensity(k);
  if (x <= 0 || k->best_ns <= 0) return;
  double px = at_x(c, x), py = at_y(c, k->ops / k->best_ns);
  qn__buf_fmt(c->b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" class=\"%s\"><title>", px, py, 4 + 14 * sqrt(share),
              kind_of(k));
  escaped(c->b, k->kernel.op), qn__buf_c(c->b, " "), escaped(c->b, k->shape), qn__buf_c(c->b, " ");
  escaped(c->b, k->types);
  qn__buf_fmt(c->b, "&#10;%.1f us, %.1f%% of the time, %.1f GOPS, %.1f GB/s&#10;", k->best_ns * 1e-3, share * 100,
              k->ops / k->best_ns, k->bytes / k->best_ns);
  escaped(c->b, k->kernel.tile), qn__buf_c(c->b, " "), escaped(c->b, k->kernel.fused);
  qn__buf_c(c->b, "</title></circle>\n");
  if (share >= 0.03) label(c, px + 8, py - 8, "start", "class=\"name\"", k->shape);
}

static void fit(chart *c, size_t n, const qn_kernel_time *times, const qn_limits *l) {
  double top = highest(l);
  c->x0 = -1, c->x1 = 3, c->y0 = 0, c->y1 = log10(top > 1e9 ? top * 1e-9 : 1) + 0.3;
  for (size_t i = 0; i < n; i++) {
    double x = intensity(&times[i]), y = times[i].best_ns > 0 ? times[i].ops / times[i].best_ns : 0;
    if (x <= 0 || y <= 0) continue;
    if (log10(x) < c->x0) c->x0 = floor(log10(x));
    if (log10(x) > c->x1) c->x1 = ceil(log10(x));
    if (log10(y) < c->y0) c->y0 = floor(log10(y));
    if (log10(y) > c->y1) c->y1 = ceil(log10(y));
  }
}

qn_status qn_report_roofline(qn_context *ctx, const char *title, size_t n, const qn_kernel_time *times,
                             const qn_limits *l, qn_write_fn write, void *user) {
  if (!ctx || !l || (!times && n) || !write) return qn_error_null(ctx, __func__);
  qn_buf b;
  chart c = {.b = &b};
  double total = 0, top = highest(l);
  qn__buf_init(&b, qn_context_allocator(ctx));
  b.flush = write, b.user = user;
  fit(&c, n, times, l);
  qn__buf_fmt(&b,
              "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"Helvetica,sans-serif\" "
              "font-size=\"12\">\n<style>.grid{stroke:#e4e4e4;fill:none}.roof{stroke:#444;stroke-width:2;fill:none}"
              ".note{fill:#444}.name{font-size:10px;fill:#333}circle{fill-opacity:.65}.integers{fill:#2563a8}"
              ".floats{fill:#b4562a}.other{fill:#6b8e3d}</style>\n<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n",
              WIDTH, HEIGHT, WIDTH, HEIGHT);
  label(&c, LEFT, 22, "start", "font-size=\"15\"", title);
  label(&c, WIDTH - RIGHT, 22, "end", "class=\"note\"", "blue: products of integers, brown: of floats, green: others");
  grid(&c);
  slope(&c, l->memory_bytes, top, "memory");
  slope(&c, l->cache_bytes, top, "cache");
  for (uint32_t i = 0; i < QN_MULTIPLIER_COUNT; i++) flat(&c, l->ops[i], l->cache_bytes, qn_multiplier_name(i));
  for (size_t i = 0; i < n; i++) total += times[i].best_ns;
  for (size_t i = 0; i < n; i++) point(&c, &times[i], total > 0 ? times[i].best_ns / total : 0);
  qn__buf_c(&b, "</svg>\n");
  bool ok = qn__buf_finish(&b);
  qn__buf_free(&b);
  return ok ? QN_OK : qn_error(ctx, QN_DIAG_IO, qn_place_file(""), "the roofline could not be written");
}
