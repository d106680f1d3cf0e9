/* A whole program as one C file: constants, bodies, and an entry function that calls them in order. */
#include "cgen.h"
#include <string.h>

/* Decimals, many to a line: weights can be large, so no formatting function is called per byte. */
static void write_bytes(qn_cgen *g, const unsigned char *data, size_t size) {
  enum { PER_LINE = 24 };
  char line[PER_LINE * 4 + 4];
  for (size_t at = 0; at < size; at += PER_LINE) {
    size_t n = size - at < PER_LINE ? size - at : PER_LINE, used = 0;
    for (size_t i = 0; i < n; i++) {
      unsigned v = data[at + i];
      if (v >= 100) line[used++] = (char)('0' + v / 100);
      if (v >= 10) line[used++] = (char)('0' + v / 10 % 10);
      line[used++] = (char)('0' + v % 10);
      line[used++] = ',';
    }
    line[used++] = '\n';
    qn__buf_put(g->out, line, used);
  }
}

static void write_constants(qn_cgen *g, const qn_aot *aot) {
  for (uint32_t i = 0; i < aot->num_constants; i++) {
    const qn_blob *b = &aot->constants[i];
    qn__buf_c(g->out, "\n");
    if (b->name) {
      qn__buf_c(g->out, "/* ");
      qn__c_comment_text(g, qn_str_of(b->name));
      qn__buf_c(g->out, " */\n");
    }
    qn__c_line(g, "static const _Alignas(64) unsigned char constant%u[%zu] = {", i, b->size ? b->size : (size_t)1);
    if (b->size)
      write_bytes(g, b->data, b->size);
    else
      qn__c_line(g, "0");
    qn__c_line(g, "};");
  }
}

static void write_ref(qn_cgen *g, const qn_aot *aot, const qn_ref *r) {
  switch (r->base) {
  case QN_BASE_INPUT: qn__buf_fmt(g->out, "(unsigned char *)args->ptr[%u]", r->index); break;
  case QN_BASE_OUTPUT: qn__buf_fmt(g->out, "(unsigned char *)args->ptr[%u]", aot->num_inputs + r->index); break;
  case QN_BASE_CONSTANT: qn__buf_fmt(g->out, "(unsigned char *)constant%u", r->index); break;
  case QN_BASE_WORKSPACE: qn__buf_c(g->out, "(unsigned char *)args->workspace"); break;
  }
  if (r->offset) qn__buf_fmt(g->out, " + %lld", (long long)r->offset);
}

static void write_numbers(qn_cgen *g, const char *name, const int64_t *v, uint32_t n) {
  qn__c_indent(g);
  qn__buf_fmt(g->out, "static const int64_t %s[] = {", name);
  for (uint32_t i = 0; i < n; i++) qn__buf_fmt(g->out, "%s%lld", i ? ", " : "", (long long)v[i]);
  qn__buf_c(g->out, n ? "};\n" : "0};\n");
}

static void write_call(qn_cgen *g, const qn_aot *aot, const qn_call *c) {
  const qn_body *b = &aot->bodies[c->body];
  qn__buf_c(g->out, "  /* ");
  qn__c_comment_text(g, qn_str_of(b->plan->fused[0] ? b->plan->fused : b->plan->name));
  qn__buf_c(g->out, " */\n  {\n");
  g->indent++;
  qn__c_indent(g);
  qn__buf_c(g->out, "void *const ptr[] = {");
  for (uint32_t i = 0; i < c->num_ptrs; i++) {
    if (i) qn__buf_c(g->out, ", ");
    write_ref(g, aot, &c->ptrs[i]);
  }
  qn__buf_c(g->out, c->num_ptrs ? "};\n" : "0};\n");
  write_numbers(g, "size", c->sizes, c->num_sizes);
  write_numbers(g, "stride", c->strides, c->num_strides);
  qn__c_line(g, "const qn_kargs call = {ptr, size, stride, args->workspace, {%lld, %lld}, {%lld, %lld}};",
             (long long)c->begin[0], (long long)c->begin[1], (long long)c->end[0], (long long)c->end[1]);
  qn__c_line(g, "const int32_t bad = %s(&call);", b->symbol);
  qn__c_line(g, "if (bad) return bad;");
  qn__c_close(g);
}

/* (1 + 2^-12)^2 - (1 + 2^-11): 0 when the product is rounded, 2^-24 when it is not. */
static void write_self_check(qn_cgen *g, const char *entry) {
  qn__buf_c(g->out, "\n/* 0 when this file was compiled so that products and sums are rounded one by one, as results "
                    "promise. */\n");
  qn__c_line(g, "int32_t %s_self_check(void);", entry);
  qn__c_open(g, "int32_t %s_self_check(void)", entry);
  qn__c_line(g, "volatile uint32_t bits_x = 0x3f800800u, bits_z = 0xbf801000u;");
  qn__c_line(g, "const float x = qn_f32(bits_x), z = qn_f32(bits_z);");
  qn__c_line(g, "const float product = x * x;");
  qn__c_line(g, "const float sum = product + z;");
  qn__c_line(g, "return sum != 0;");
  qn__c_close(g);
}

static void write_port(qn_cgen *g, const char *what, uint32_t ptr, const qn_port *p) {
  qn__buf_fmt(g->out, " *   ptr[%u]  %s ", ptr, what);
  qn__c_comment_text(g, p->name);
  qn__buf_c(g->out, ": ");
  qn__c_comment_text(g, p->type_text);
  qn__buf_fmt(g->out, ", %zu bytes\n", p->bytes);
}

static void write_head(qn_cgen *g, const qn_aot *aot) {
  qn__buf_fmt(g->out, "/* Written by quern. int32_t %s(const qn_kargs *args) runs the program:\n *\n", aot->entry);
  for (uint32_t i = 0; i < aot->num_inputs; i++) write_port(g, "input", i, &aot->inputs[i]);
  for (uint32_t i = 0; i < aot->num_outputs; i++) write_port(g, "output", aot->num_inputs + i, &aot->outputs[i]);
  qn__buf_fmt(
      g->out,
      " *   workspace  %zu bytes, aligned to 64\n *\n * size, stride, begin and end are not used. It returns 0; "
      "-1 when it was compiled so that its results would\n * differ. */\n",
      aot->workspace_bytes);
}

qn_status qn__c_program(qn_context *ctx, const qn_aot *aot, qn_buf *out) {
  qn_cgen g = {.out = out, .portable = true};
  write_head(&g, aot);
  qn_status s = qn__c_bodies(ctx, out, true, aot->num_bodies, aot->bodies);
  if (s) return s;
  write_constants(&g, aot);
  write_self_check(&g, aot->entry);
  qn__c_line(&g, "\nint32_t %s(const qn_kargs *args);", aot->entry);
  qn__c_open(&g, "int32_t %s(const qn_kargs *args)", aot->entry);
  qn__c_line(&g, "if (%s_self_check()) return -1;", aot->entry);
  if (aot->num_calls == 0) qn__c_line(&g, "(void)args;");
  for (uint32_t i = 0; i < aot->num_calls; i++) write_call(&g, aot, &aot->calls[i]);
  qn__c_line(&g, "return 0;");
  qn__c_close(&g);
  return QN_OK;
}
