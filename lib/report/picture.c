/* A function as a picture: boxes are ops, in layers from the inputs down, so that each stands below what it reads;
 * lines are values. Constants stand inside the boxes that read them. */
#include "map.h"
#include "page.h"
#include "vec.h"
#include <math.h>
#include <quern/report.h>
#include <stdio.h>

enum { BOX = 210, GAP = 26, LINE = 15, PAD = 9, BETWEEN = 46, LETTERS = 31, CONSTANTS = 3, MARGIN = 16 };

typedef struct node {
  qn_op op;       /* null for inputs and outputs */
  uint32_t index; /* of the input or output */
  bool output;
  uint32_t layer, place; /* place: in the layer */
  double wish;           /* where it would stand: the middle of what it reads */
  double x, y, height;   /* of the box; x is its middle */
} node;

typedef struct picture {
  const qn_module *m;
  qn_op func;
  const qn_allocator *a;
  QN_VEC(node) nodes;
  qn_idmap of_op; /* op -> node + 1 */
  uint32_t num_inputs, num_layers;
  uint32_t *order; /* nodes by layer and place */
  uint32_t *first; /* of each layer in `order`, and the end */
  double *right;   /* of the boxes of each layer */
  double width, height;
} picture;

/* Of ops that were looked at. */
static bool is_constant(const picture *p, qn_op op) {
  return op.id && !qn__idmap_get(&p->of_op, op.id);
}

/* A constant, or made of constants alone. */
static bool holds_constant(const picture *p, qn_op op) {
  qn_op_kind kind = qn_op_kind_of(p->m, op);
  uint32_t n = qn_op_num_operands(p->m, op);
  if (kind == QN_OP_CONSTANT || kind == QN_OP_PACKED) return true;
  for (uint32_t i = 0; i < n; i++)
    if (!is_constant(p, qn_value_op(p->m, qn_op_operand(p->m, op, i)))) return false;
  return n > 0;
}

/* ---- what there is ---- */

/* The node that makes a value; UINT32_MAX for constants. */
static uint32_t maker(const picture *p, qn_value v) {
  qn_op op = qn_value_op(p->m, v);
  if (!op.id) return qn_value_index(p->m, v);
  return qn__idmap_get(&p->of_op, op.id) - 1; /* 0 - 1 for those that are not drawn */
}

static uint32_t num_reads(const picture *p, const node *n) {
  return n->op.id ? qn_op_num_operands(p->m, n->op) : n->output;
}

static qn_value read_of(const picture *p, const node *n, uint32_t i) {
  return n->op.id ? qn_op_operand(p->m, n->op, i) : qn_op_operand(p->m, qn_func_return(p->m, p->func), n->index);
}

static bool add_node(picture *p, node n) {
  for (uint32_t i = 0; i < num_reads(p, &n); i++) {
    uint32_t from = maker(p, read_of(p, &n, i));
    if (from < p->nodes.size && p->nodes.data[from].layer >= n.layer) n.layer = p->nodes.data[from].layer + 1;
  }
  if (n.layer + 1 > p->num_layers) p->num_layers = n.layer + 1;
  return qn__push(p->a, &p->nodes, n) && (!n.op.id || qn__idmap_set(p->a, &p->of_op, n.op.id, p->nodes.size));
}

static bool collect(picture *p) {
  qn_block body = qn_func_body(p->m, p->func);
  qn_op ret = qn_func_return(p->m, p->func);
  bool ok = true;
  p->num_inputs = qn_block_num_args(p->m, body);
  for (uint32_t i = 0; i < p->num_inputs && ok; i++) ok = add_node(p, (node){.index = i});
  for (qn_op op = qn_block_first(p->m, body); op.id && op.id != ret.id && ok; op = qn_op_next(p->m, op))
    if (!holds_constant(p, op)) ok = add_node(p, (node){.op = op});
  for (uint32_t i = 0; i < qn_op_num_operands(p->m, ret) && ok; i++)
    ok = add_node(p, (node){.index = i, .output = true});
  return ok;
}

/* ---- where it stands ---- */

static bool make_order(picture *p) {
  p->order = qn__alloc_zero(p->a, (p->nodes.size + 1u) * sizeof *p->order);
  p->first = qn__alloc_zero(p->a, (p->num_layers + 1u) * sizeof *p->first);
  p->right = qn__alloc_zero(p->a, (p->num_layers + 1u) * sizeof *p->right);
  if (!p->order || !p->first || !p->right) return false;
  for (uint32_t i = 0; i < p->nodes.size; i++) p->first[p->nodes.data[i].layer + 1]++;
  for (uint32_t l = 0; l < p->num_layers; l++) p->first[l + 1] += p->first[l];
  for (uint32_t i = 0; i < p->nodes.size; i++) {
    node *n = &p->nodes.data[i];
    uint32_t at = p->first[n->layer];
    while (at < p->first[n->layer + 1] && p->order[at]) at++;
    p->order[at] = i + 1; /* 0: free */
  }
  for (uint32_t i = 0; i < p->nodes.size; i++) p->order[i]--;
  return true;
}

/* The layer by wishes: layers are short, and nearly in order. */
static void sort_layer(picture *p, uint32_t layer) {
  for (uint32_t i = p->first[layer] + 1; i < p->first[layer + 1]; i++)
    for (uint32_t k = i; k > p->first[layer]; k--) {
      uint32_t *at = &p->order[k];
      if (p->nodes.data[at[-1]].wish <= p->nodes.data[at[0]].wish) break;
      uint32_t other = at[-1];
      at[-1] = at[0], at[0] = other;
    }
}

static uint32_t constants_of(const picture *p, const node *n) {
  uint32_t count = 0;
  for (uint32_t i = 0; n->op.id && i < num_reads(p, n); i++)
    count += is_constant(p, qn_value_op(p->m, read_of(p, n, i)));
  return count;
}

static uint32_t lines_of(const picture *p, const node *n) {
  uint32_t constants = constants_of(p, n);
  bool from = n->op.id && qn_op_place(p->m, n->op).entity.size;
  return 2 + from + (constants < CONSTANTS ? constants : CONSTANTS);
}

static void wish(picture *p, node *n) {
  double sum = 0;
  uint32_t count = 0;
  for (uint32_t i = 0; i < num_reads(p, n); i++) {
    uint32_t from = maker(p, read_of(p, n, i));
    if (from >= p->nodes.size) continue;
    sum += p->nodes.data[from].x;
    count++;
  }
  n->wish = count ? sum / count : 0;
}

/* Layers from the top, each around the middle; boxes in the order of what they read. */
static void place(picture *p) {
  double top = MARGIN, widest = 0, rightmost = 0;
  for (uint32_t l = 0; l < p->num_layers; l++) {
    uint32_t count = p->first[l + 1] - p->first[l];
    double left = -0.5 * (count - 1.0) * (BOX + GAP), tallest = 0;
    for (uint32_t i = p->first[l]; i < p->first[l + 1]; i++) wish(p, &p->nodes.data[p->order[i]]);
    sort_layer(p, l);
    for (uint32_t i = p->first[l]; i < p->first[l + 1]; i++) {
      node *n = &p->nodes.data[p->order[i]];
      n->x = count == 1 ? n->wish : left + (double)(i - p->first[l]) * (BOX + GAP);
      n->y = top;
      n->height = 2.0 * PAD + (double)LINE * lines_of(p, n);
      if (n->height > tallest) tallest = n->height;
      p->right[l] = fmax(p->right[l], n->x + 0.5 * BOX);
      widest = fmin(widest, n->x - 0.5 * BOX);
      rightmost = fmax(rightmost, n->x + 0.5 * BOX);
    }
    top += tallest + BETWEEN;
  }
  for (uint32_t i = 0; i < p->nodes.size; i++) p->nodes.data[i].x += MARGIN - widest;
  for (uint32_t l = 0; l < p->num_layers; l++) p->right[l] += MARGIN - widest;
  p->width = rightmost - widest + 2.0 * MARGIN, p->height = top - BETWEEN + MARGIN;
}

/* ---- drawing ---- */

static const char *class_of(const picture *p, const node *n) {
  if (!n->op.id) return "port";
  qn_op_kind kind = qn_op_kind_of(p->m, n->op);
  if (qn_op_info_get(kind)->traits & QN_KERNEL_OP) return "kernel";
  if (kind == QN_OP_QCAST || kind == QN_OP_DCAST || kind == QN_OP_SCAST || kind == QN_OP_REQUANTIZE) return "cast";
  return "op";
}

static void put_short(qn_buf *b, qn_str s) {
  bool cut = s.size > LETTERS;
  qn__page_text(b, (qn_str){s.data, cut ? LETTERS - 2 : s.size});
  if (cut) qn__buf_c(b, "..");
}

static double put_line(qn_buf *b, const node *n, double y, const char *class, qn_str s) {
  qn__buf_fmt(b, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", n->x, y, class);
  put_short(b, s);
  qn__buf_c(b, "</text>");
  return y + LINE;
}

static qn_str name_of(const picture *p, const node *n) {
  if (n->op.id) return qn_op_name(p->m, n->op);
  return n->output ? qn_func_output_name(p->m, p->func, n->index) : qn_func_input_name(p->m, p->func, n->index);
}

static qn_str type_of(const picture *p, const node *n) {
  qn_context *ctx = qn_module_context(p->m);
  qn_value v = {0};
  if (n->output)
    v = read_of(p, n, 0);
  else if (!n->op.id)
    v = qn_block_arg(p->m, qn_func_body(p->m, p->func), n->index);
  else if (qn_op_num_results(p->m, n->op))
    v = qn_op_result(p->m, n->op, 0);
  else
    return (qn_str){"", 0};
  return qn_type_text(ctx, qn_value_type(p->m, v));
}

static void put_constants(qn_buf *b, const picture *p, const node *n, double y) {
  qn_context *ctx = qn_module_context(p->m);
  uint32_t all = constants_of(p, n), shown = 0;
  for (uint32_t i = 0; all && i < num_reads(p, n) && shown < CONSTANTS; i++) {
    qn_value v = read_of(p, n, i);
    if (!is_constant(p, qn_value_op(p->m, v))) continue;
    if (++shown == CONSTANTS && all > CONSTANTS) {
      char more[40];
      snprintf(more, sizeof more, "and %u more constants", all - CONSTANTS + 1);
      put_line(b, n, y, "c", qn_str_of(more));
    } else {
      y = put_line(b, n, y, "c", qn_type_text(ctx, qn_value_type(p->m, v)));
    }
  }
}

static void put_node(qn_buf *b, const picture *p, const node *n) {
  qn__buf_fmt(b, "<g class=\"%s\"><title>", class_of(p, n));
  qn__page_text(b, name_of(p, n)), qn__buf_c(b, "\n"), qn__page_text(b, type_of(p, n));
  if (n->op.id) qn__buf_c(b, "\n"), qn__page_text(b, qn_op_place(p->m, n->op).entity);
  qn__buf_fmt(b, "</title><rect x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%.1f\" rx=\"%d\"/>", n->x - 0.5 * BOX, n->y,
              BOX, n->height, n->op.id ? 5 : 14);
  double y = put_line(b, n, n->y + PAD + 11, "name", name_of(p, n));
  y = put_line(b, n, y, "t", type_of(p, n));
  if (n->op.id && qn_op_place(p->m, n->op).entity.size) y = put_line(b, n, y, "t", qn_op_place(p->m, n->op).entity);
  put_constants(b, p, n, y);
  qn__buf_c(b, "</g>\n");
}

/* Lines that pass layers go round their boxes, on the right. */
static void put_edge(qn_buf *b, const picture *p, const node *from, const node *to) {
  double y0 = from->y + from->height, y1 = to->y, side = 0;
  for (uint32_t l = from->layer + 1; l < to->layer; l++) side = fmax(side, p->right[l] + 12);
  if (side > 0)
    qn__buf_fmt(b,
                "<path d=\"M%.1f %.1f C%.1f %.1f %.1f %.1f %.1f %.1f L%.1f %.1f C%.1f %.1f %.1f %.1f %.1f %.1f\"/>\n",
                from->x + 20, y0, from->x + 20, y0 + BETWEEN, side, y0, side, y0 + BETWEEN, side, y1 - BETWEEN, side,
                y1, to->x + 20, y1 - BETWEEN, to->x + 20, y1 - 2);
  else
    qn__buf_fmt(b, "<path d=\"M%.1f %.1f C%.1f %.1f %.1f %.1f %.1f %.1f\"/>\n", from->x, y0, from->x,
                y0 + 0.5 * BETWEEN, to->x, y1 - 0.5 * BETWEEN, to->x, y1 - 2);
}

static void draw(qn_buf *b, const picture *p) {
  static const char style[] =
      ".qg rect{stroke:#7b8794;fill:#fff}.qg text{font:11px ui-monospace,monospace;text-anchor:middle;fill:#22262b}"
      ".qg .name{font-weight:600}.qg .t,.qg .c{font-size:10px;fill:#5c646e}.qg .c{font-style:italic}"
      ".qg path{fill:none;stroke:#7b8794;stroke-width:1.2;marker-end:url(#qa)}.qg marker path{stroke:none;fill:#7b8794;"
      "marker-end:none}.qg .kernel rect{fill:#dfeaf7}.qg .cast rect{fill:#f6efcf}.qg .port rect{fill:#eef1f4}\n"
      "@media (prefers-color-scheme:dark){.qg rect{fill:#1f2429;stroke:#66717d}.qg text{fill:#dfe3e8}"
      ".qg .t,.qg .c{fill:#9aa4b0}.qg .kernel rect{fill:#1f3550}.qg .cast rect{fill:#453c17}"
      ".qg .port rect{fill:#2a2f36}}\n";
  qn__buf_fmt(b,
              "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"qg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 "
              "%.0f %.0f\">\n<style>\n",
              p->width, p->height, p->width, p->height);
  qn__buf_c(b, style);
  qn__buf_c(b, "</style>\n<defs><marker id=\"qa\" viewBox=\"0 0 8 8\" refX=\"6\" refY=\"4\" markerWidth=\"6\" "
               "markerHeight=\"6\" orient=\"auto\"><path d=\"M0 0 L8 4 L0 8 z\"/></marker></defs>\n");
  for (uint32_t i = 0; i < p->nodes.size; i++) {
    const node *n = &p->nodes.data[i];
    for (uint32_t k = 0; k < num_reads(p, n); k++) {
      uint32_t from = maker(p, read_of(p, n, k));
      if (from < p->nodes.size) put_edge(b, p, &p->nodes.data[from], n);
    }
  }
  for (uint32_t i = 0; i < p->nodes.size; i++) put_node(b, p, &p->nodes.data[i]);
  qn__buf_c(b, "</svg>\n");
}

/* Lines on the side may leave the picture. */
static void widen(picture *p) {
  for (uint32_t l = 0; l < p->num_layers; l++) p->width = fmax(p->width, p->right[l] + 12 + MARGIN);
}

qn_status qn_report_svg(const qn_module *m, const char *function, qn_write_fn write, void *user) {
  if (!m || !write) return qn_error_null(qn_module_context(m), __func__);
  qn_context *ctx = qn_module_context(m);
  picture p = {.m = m, .func = qn_module_function(m, function), .a = qn_context_allocator(ctx)};
  if (!p.func.id)
    return qn_error(ctx, QN_DIAG_MISSING, qn_place_file(""), "the module has no function %s",
                    function ? function : "that is public");
  qn_buf b;
  qn__buf_init(&b, p.a);
  b.flush = write, b.user = user;
  qn_status status = collect(&p) ? QN_OK : qn_error_no_memory(ctx);
  if (!status && p.nodes.size > QN_REPORT_DRAWN)
    status = qn_error(ctx, QN_DIAG_LIMIT, qn_place_file(""),
                      "a picture of %u ops would be too large to look at (%d at most); as a graph for graphviz it can "
                      "be had",
                      p.nodes.size, QN_REPORT_DRAWN);
  if (!status && !make_order(&p)) status = qn_error_no_memory(ctx);
  if (!status) {
    place(&p), widen(&p), draw(&b, &p);
    if (!qn__buf_finish(&b)) status = qn_error(ctx, QN_DIAG_IO, qn_place_file(""), "the picture could not be written");
  }
  qn__buf_free(&b);
  qn__free(p.a, p.order, (p.nodes.size + 1u) * sizeof *p.order);
  qn__free(p.a, p.first, (p.num_layers + 1u) * sizeof *p.first);
  qn__free(p.a, p.right, (p.num_layers + 1u) * sizeof *p.right);
  qn__vec_free(p.a, &p.nodes);
  qn__idmap_free(p.a, &p.of_op);
  return status;
}
