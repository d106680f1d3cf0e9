/* ONNX models for tests, written byte by byte: no protobuf library, so that damaged ones are as easy as good ones. */
#ifndef QN_TEST_ONNX_WRITER_H
#define QN_TEST_ONNX_WRITER_H
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct pb {
  uint8_t *data;
  size_t size, cap;
} pb;

static inline void pb_put(pb *b, const void *data, size_t size) {
  if (b->size + size > b->cap) {
    b->cap = (b->size + size) * 2 + 64;
    b->data = realloc(b->data, b->cap);
    if (!b->data) abort();
  }
  if (size) memcpy(b->data + b->size, data, size);
  b->size += size;
}

static inline void pb_free(pb *b) {
  free(b->data);
  *b = (pb){0};
}

static inline void pb_varint(pb *b, uint64_t v) {
  do {
    uint8_t byte = (uint8_t)((v & 0x7F) | (v > 0x7F ? 0x80 : 0));
    pb_put(b, &byte, 1);
    v >>= 7;
  } while (v);
}

static inline void pb_tag(pb *b, unsigned field, unsigned wire) {
  pb_varint(b, (uint64_t)field << 3 | wire);
}

static inline void pb_int(pb *b, unsigned field, int64_t v) {
  pb_tag(b, field, 0);
  pb_varint(b, (uint64_t)v);
}

static inline void pb_float(pb *b, unsigned field, float v) {
  pb_tag(b, field, 5);
  pb_put(b, &v, 4);
}

static inline void pb_bytes(pb *b, unsigned field, const void *data, size_t size) {
  pb_tag(b, field, 2);
  pb_varint(b, size);
  pb_put(b, data, size);
}

static inline void pb_str(pb *b, unsigned field, const char *text) {
  pb_bytes(b, field, text, strlen(text));
}

/* Takes the message over. */
static inline void pb_msg(pb *b, unsigned field, pb message) {
  pb_bytes(b, field, message.data, message.size);
  pb_free(&message);
}

/* ---- messages of ONNX ---- */

enum {
  ONNX_FLOAT = 1,
  ONNX_UINT8,
  ONNX_INT8,
  ONNX_UINT16,
  ONNX_INT16,
  ONNX_INT32,
  ONNX_INT64,
  ONNX_STRING,
  ONNX_BOOL,
  ONNX_FLOAT16,
  ONNX_DOUBLE,
  ONNX_UINT32,
  ONNX_UINT64,
  ONNX_UINT4 = 21,
  ONNX_INT4
};

/* Type and shape without data. */
static inline pb onnx_tensor_head(const char *name, int type, unsigned rank, const int64_t *dims) {
  pb t = {0};
  for (unsigned i = 0; i < rank; i++) pb_int(&t, 1, dims[i]);
  pb_int(&t, 2, type);
  if (name) pb_str(&t, 8, name);
  return t;
}

static inline pb onnx_tensor(const char *name, int type, unsigned rank, const int64_t *dims, const void *raw,
                             size_t size) {
  pb t = onnx_tensor_head(name, type, rank, dims);
  pb_bytes(&t, 9, raw, size);
  return t;
}

/* "name: 2 x batch x 3": sizes and symbols after the colon; "?" is a size without either. */
static inline pb onnx_value(const char *text, int type) {
  pb shape = {0}, tensor = {0}, tp = {0}, value = {0};
  size_t n = strcspn(text, ":");
  pb_bytes(&value, 1, text, n);
  for (const char *c = text + n + (text[n] != 0); *c;) {
    while (*c == ' ') c++;
    size_t word = strcspn(c, " ");
    pb dim = {0};
    if (!word) break;
    if (*c >= '0' && *c <= '9')
      pb_int(&dim, 1, atoll(c));
    else if (*c != '?')
      pb_bytes(&dim, 2, c, word);
    pb_msg(&shape, 1, dim);
    c += word;
    while (*c == ' ') c++;
    if (*c == 'x' && c[1] == ' ') c++;
  }
  pb_int(&tensor, 1, type);
  pb_msg(&tensor, 2, shape);
  pb_msg(&tp, 1, tensor);
  pb_msg(&value, 2, tp);
  return value;
}

static inline void pb_words(pb *b, unsigned field, const char *words) {
  while (*words) {
    size_t n = strcspn(words, " ");
    pb_bytes(b, field, words, n == 1 && *words == '-' ? 0 : n); /* "-": left out */
    words += n;
    while (*words == ' ') words++;
  }
}

/* Inputs and outputs are words; "-" stands for one that is left out. */
static inline pb onnx_node(const char *op, const char *name, const char *inputs, const char *outputs) {
  pb n = {0};
  pb_words(&n, 1, inputs);
  pb_words(&n, 2, outputs);
  if (*name) pb_str(&n, 3, name);
  pb_str(&n, 4, op);
  return n;
}

static inline void onnx_attr_int(pb *node, const char *name, int64_t v) {
  pb a = {0};
  pb_str(&a, 1, name);
  pb_int(&a, 3, v);
  pb_int(&a, 20, 2);
  pb_msg(node, 5, a);
}

static inline void onnx_attr_float(pb *node, const char *name, float v) {
  pb a = {0};
  pb_str(&a, 1, name);
  pb_float(&a, 2, v);
  pb_int(&a, 20, 1);
  pb_msg(node, 5, a);
}

static inline void onnx_attr_ints(pb *node, const char *name, unsigned n, const int64_t *v) {
  pb a = {0};
  pb_str(&a, 1, name);
  for (unsigned i = 0; i < n; i++) pb_int(&a, 8, v[i]);
  pb_int(&a, 20, 7);
  pb_msg(node, 5, a);
}

static inline void onnx_attr_str(pb *node, const char *name, const char *v) {
  pb a = {0};
  pb_str(&a, 1, name);
  pb_str(&a, 4, v);
  pb_int(&a, 20, 3);
  pb_msg(node, 5, a);
}

static inline void onnx_attr_tensor(pb *node, const char *name, pb tensor) {
  pb a = {0};
  pb_str(&a, 1, name);
  pb_msg(&a, 5, tensor);
  pb_int(&a, 20, 4);
  pb_msg(node, 5, a);
}

/* ---- graphs ---- */

static inline void graph_node(pb *graph, pb node) {
  pb_msg(graph, 1, node);
}
static inline void graph_op(pb *graph, const char *op, const char *inputs, const char *outputs) {
  graph_node(graph, onnx_node(op, "", inputs, outputs));
}
static inline void graph_init(pb *graph, pb tensor) {
  pb_msg(graph, 5, tensor);
}
static inline void graph_input(pb *graph, const char *text, int type) {
  pb_msg(graph, 11, onnx_value(text, type));
}
static inline void graph_output(pb *graph, const char *text, int type) {
  pb_msg(graph, 12, onnx_value(text, type));
}
/* An output of which only the name is given. */
static inline void graph_result(pb *graph, const char *name) {
  pb v = {0};
  pb_str(&v, 1, name);
  pb_msg(graph, 12, v);
}

static inline void graph_floats(pb *graph, const char *name, unsigned rank, const int64_t *dims, const float *v) {
  size_t n = 1;
  for (unsigned i = 0; i < rank; i++) n *= (size_t)dims[i];
  graph_init(graph, onnx_tensor(name, ONNX_FLOAT, rank, dims, v, n * sizeof *v));
}
static inline void graph_float(pb *graph, const char *name, float v) {
  graph_floats(graph, name, 0, NULL, &v);
}
static inline void graph_byte(pb *graph, const char *name, int type, int v) {
  int8_t byte = (int8_t)v;
  graph_init(graph, onnx_tensor(name, type, 0, NULL, &byte, 1));
}
static inline void graph_ints(pb *graph, const char *name, int64_t n, const int64_t *v) {
  graph_init(graph, onnx_tensor(name, ONNX_INT64, 1, &n, v, (size_t)n * sizeof *v));
}

/* Takes the graph over. */
static inline pb onnx_model(pb graph, int64_t opset) {
  pb set = {0}, m = {0};
  pb_int(&m, 1, 8);
  pb_msg(&m, 7, graph);
  pb_str(&set, 1, "");
  pb_int(&set, 2, opset);
  pb_msg(&m, 8, set);
  return m;
}
#endif
