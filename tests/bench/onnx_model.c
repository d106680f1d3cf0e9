/* ONNX models of a few nodes. The numbers are the fields of onnx.proto. */
#include "onnx_model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void raw(onnx_bytes *b, const void *data, size_t n) {
  if (b->size + n > b->room) {
    b->room = 2 * (b->size + n) + 256;
    b->data = realloc(b->data, b->room);
    if (!b->data) fprintf(stderr, "out of memory\n"), exit(1);
  }
  if (n) memcpy(b->data + b->size, data, n);
  b->size += n;
}

static void varint(onnx_bytes *b, uint64_t v) {
  do {
    uint8_t byte = (uint8_t)((v & 127) | (v > 127 ? 128 : 0));
    raw(b, &byte, 1);
    v >>= 7;
  } while (v);
}

static void number(onnx_bytes *b, uint32_t field, int64_t v) {
  varint(b, field << 3);
  varint(b, (uint64_t)v);
}

static void block(onnx_bytes *b, uint32_t field, const void *data, size_t n) {
  varint(b, field << 3 | 2);
  varint(b, n);
  raw(b, data, n);
}

static void string(onnx_bytes *b, uint32_t field, const char *s) {
  block(b, field, s, strlen(s));
}

/* A message of its own inside another; its memory goes. */
static void inside(onnx_bytes *b, uint32_t field, onnx_bytes *message) {
  block(b, field, message->data, message->size);
  free(message->data);
  memset(message, 0, sizeof *message);
}

static void names(onnx_bytes *b, uint32_t field, const char *list) {
  while (*list) {
    size_t n = strcspn(list, " ");
    block(b, field, list, n == 1 && *list == '-' ? 0 : n);
    list += n;
    while (*list == ' ') list++;
  }
}

void onnx_node(onnx_model *m, const char *op, const char *domain, const char *inputs, const char *outputs) {
  onnx_bytes node = {NULL, 0, 0};
  names(&node, 1, inputs);
  names(&node, 2, outputs);
  string(&node, 4, op);
  if (domain) string(&node, 7, domain);
  inside(&m->graph, 1, &node);
}

void onnx_constant(onnx_model *m, const char *name, int type, int rank, const int64_t *shape, const void *data,
                   size_t bytes) {
  onnx_bytes t = {NULL, 0, 0};
  for (int i = 0; i < rank; i++) number(&t, 1, shape[i]);
  number(&t, 2, type);
  string(&t, 8, name);
  block(&t, 9, data, bytes);
  inside(&m->graph, 5, &t);
}

static void port(onnx_model *m, uint32_t field, const char *name, int type, int rank, const int64_t *shape) {
  onnx_bytes dims = {NULL, 0, 0}, tensor = {NULL, 0, 0}, of = {NULL, 0, 0}, info = {NULL, 0, 0};
  for (int i = 0; i < rank; i++) {
    onnx_bytes dim = {NULL, 0, 0};
    number(&dim, 1, shape[i]);
    inside(&dims, 1, &dim);
  }
  number(&tensor, 1, type);
  inside(&tensor, 2, &dims);
  inside(&of, 1, &tensor);
  string(&info, 1, name);
  inside(&info, 2, &of);
  inside(&m->graph, field, &info);
}

void onnx_input(onnx_model *m, const char *name, int type, int rank, const int64_t *shape) {
  port(m, 11, name, type, rank, shape);
}

void onnx_output(onnx_model *m, const char *name, int type, int rank, const int64_t *shape) {
  port(m, 12, name, type, rank, shape);
}

onnx_bytes onnx_finish(onnx_model *m) {
  static const struct {
    const char *domain;
    int version;
  } sets[] = {{"", 17}, {"com.microsoft", 1}};
  onnx_bytes file = {NULL, 0, 0};
  string(&m->graph, 2, "bench");
  number(&file, 1, 8);
  for (int i = 0; i < 2; i++) {
    onnx_bytes set = {NULL, 0, 0};
    string(&set, 1, sets[i].domain);
    number(&set, 2, sets[i].version);
    inside(&file, 8, &set);
  }
  inside(&file, 7, &m->graph);
  return file;
}
