/* The wire format, walked by the message descriptors that protoc-c generates. */
#include "onnx_wire.h"
#include <stdio.h>
#include <string.h>

enum {
  WIRE_VARINT = 0,
  WIRE_FIXED64 = 1,
  WIRE_BYTES = 2,
  WIRE_FIXED32 = 5,
  MAX_FIELDS = 64, /* bits of a mask; ONNX's largest message has 20 */
  PART_BYTES = 48, /* what an allocation costs beside its contents */
  MAX_GROWTH = 64, /* bytes in memory for each byte in the file, beyond FREE_BYTES */
  FREE_BYTES = 1 << 20,
};

typedef struct scan {
  qn_context *ctx;
  const char *file;
  const uint8_t *base;
  uint64_t cost, max_cost; /* bytes that unpacking will take */
} scan;

/* One message being read. */
typedef struct cursor {
  const ProtobufCMessageDescriptor *type;
  const uint8_t *at, *end, *tag;         /* tag: where the current field begins */
  const ProtobufCFieldDescriptor *field; /* null before the first and for unknown ones */
  unsigned depth;
  uint64_t seen; /* fields that may not come again */
} cursor;

static qn_status bad(const scan *s, const cursor *c, qn_diag_code code, const char *fmt, ...) QN_PRINTF(4, 5);
static qn_status bad(const scan *s, const cursor *c, qn_diag_code code, const char *fmt, ...) {
  char entity[96];
  snprintf(entity, sizeof entity, "byte %zu, %s%s%s", (size_t)(c->tag - s->base), c->type->short_name,
           c->field ? "." : "", c->field ? c->field->name : "");
  qn_place place = qn_place_file(s->file);
  place.entity = qn_str_of(entity);
  va_list args;
  va_start(args, fmt);
  qn_status status = qn_report(s->ctx, QN_ERROR, code, place, fmt, args);
  va_end(args);
  return status;
}

static bool read_varint(cursor *c, uint64_t *out) {
  uint64_t v = 0;
  for (unsigned shift = 0; c->at < c->end && shift < 70; shift += 7) {
    uint8_t byte = *c->at++;
    v |= shift < 64 ? (uint64_t)(byte & 0x7F) << shift : 0;
    if (byte & 0x80) continue;
    *out = v;
    return true;
  }
  return false;
}

static qn_status damaged_number(const scan *s, const cursor *c) {
  return bad(s, c, QN_DIAG_FORMAT, c->at >= c->end ? "ends in the middle of a number" : "a number has over ten bytes");
}

static qn_status spend(scan *s, const cursor *c, uint64_t bytes) {
  s->cost += bytes;
  if (s->cost <= s->max_cost) return QN_OK;
  return bad(s, c, QN_DIAG_LIMIT,
             "the file has more parts than its size can mean: unpacked it would take over %llu bytes",
             (unsigned long long)s->max_cost);
}

/* ---- fields ---- */

/* The wire type of a single element. */
static unsigned wire_of(ProtobufCType type) {
  switch (type) {
  case PROTOBUF_C_TYPE_SFIXED32:
  case PROTOBUF_C_TYPE_FIXED32:
  case PROTOBUF_C_TYPE_FLOAT: return WIRE_FIXED32;
  case PROTOBUF_C_TYPE_SFIXED64:
  case PROTOBUF_C_TYPE_FIXED64:
  case PROTOBUF_C_TYPE_DOUBLE: return WIRE_FIXED64;
  case PROTOBUF_C_TYPE_STRING:
  case PROTOBUF_C_TYPE_BYTES:
  case PROTOBUF_C_TYPE_MESSAGE: return WIRE_BYTES;
  default: return WIRE_VARINT;
  }
}

/* Elements of a packed array are at most 8 bytes in memory. */
static qn_status check_packed(scan *s, const cursor *c, const uint8_t *data, size_t size) {
  unsigned wire = wire_of(c->field->type);
  if (wire != WIRE_VARINT) {
    size_t each = wire == WIRE_FIXED32 ? 4 : 8;
    if (size % each) return bad(s, c, QN_DIAG_FORMAT, "%zu bytes are no whole number of elements of %zu", size, each);
    return spend(s, c, PART_BYTES + size);
  }
  cursor elements = *c;
  elements.at = data;
  elements.end = data + size;
  uint64_t v, count = 0;
  for (; elements.at < elements.end; count++)
    if (!read_varint(&elements, &v)) return damaged_number(s, &elements);
  return spend(s, c, PART_BYTES + count * 8);
}

/* A field that comes once, or one of a oneof: protobuf would merge or replace, which no writer of models relies on. */
static qn_status check_once(const scan *s, cursor *c) {
  const ProtobufCFieldDescriptor *f = c->field;
  if (f->label == PROTOBUF_C_LABEL_REPEATED || wire_of(f->type) != WIRE_BYTES) return QN_OK;
  ptrdiff_t index = f - c->type->fields;
  if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) /* all members share the place that says which one it is */
    for (index = 0; c->type->fields[index].quantifier_offset != f->quantifier_offset;) index++;
  if (index >= MAX_FIELDS) return bad(s, c, QN_DIAG_INTERNAL, "the message type has too many fields");
  uint64_t bit = (uint64_t)1 << index;
  if (c->seen & bit) return bad(s, c, QN_DIAG_FORMAT, "is there twice, expected once");
  c->seen |= bit;
  return QN_OK;
}

static qn_status scan_message(scan *s, cursor *c);

static qn_status check_bytes(scan *s, cursor *c, const uint8_t *data, size_t size) {
  if (!c->field) return spend(s, c, PART_BYTES + size); /* kept as it is, never looked into */
  switch (c->field->type) {
  case PROTOBUF_C_TYPE_STRING:
    if (size && memchr(data, 0, size)) return bad(s, c, QN_DIAG_FORMAT, "a name has a zero byte in it");
    return spend(s, c, PART_BYTES + size);
  case PROTOBUF_C_TYPE_BYTES: return spend(s, c, PART_BYTES + size);
  case PROTOBUF_C_TYPE_MESSAGE: {
    cursor inner = {.type = c->field->descriptor, .at = data, .end = data + size, .depth = c->depth + 1};
    if (inner.depth > QN__WIRE_MAX_DEPTH)
      return bad(s, c, QN_DIAG_LIMIT, "messages are nested more than %d deep", QN__WIRE_MAX_DEPTH);
    qn_status status = spend(s, c, PART_BYTES + inner.type->sizeof_message);
    return status == QN_OK ? scan_message(s, &inner) : status;
  }
  default: return check_packed(s, c, data, size);
  }
}

static qn_status check_wire_type(const scan *s, const cursor *c, unsigned wire) {
  if (!c->field) return QN_OK;
  unsigned wanted = wire_of(c->field->type);
  bool packed = wire == WIRE_BYTES && c->field->label == PROTOBUF_C_LABEL_REPEATED;
  if (wire == wanted || packed) return QN_OK;
  return bad(s, c, QN_DIAG_FORMAT, "is written with wire type %u, expected %u", wire, wanted);
}

static qn_status skip_fixed(const scan *s, cursor *c, size_t size) {
  if ((size_t)(c->end - c->at) < size) return bad(s, c, QN_DIAG_FORMAT, "ends in the middle of a number");
  c->at += size;
  return QN_OK;
}

static qn_status scan_value(scan *s, cursor *c, unsigned wire) {
  uint64_t v;
  switch (wire) {
  case WIRE_VARINT: return read_varint(c, &v) ? QN_OK : damaged_number(s, c);
  case WIRE_FIXED64: return skip_fixed(s, c, 8);
  case WIRE_FIXED32: return skip_fixed(s, c, 4);
  default: break;
  }
  if (!read_varint(c, &v)) return damaged_number(s, c);
  size_t left = (size_t)(c->end - c->at);
  if (v > left)
    return bad(s, c, QN_DIAG_FORMAT, "says it has %llu bytes, but %zu are left: the file is cut off or damaged",
               (unsigned long long)v, left);
  const uint8_t *data = c->at;
  c->at += v;
  qn_status status = c->field ? check_once(s, c) : QN_OK;
  return status == QN_OK ? check_bytes(s, c, data, (size_t)v) : status;
}

static qn_status scan_field(scan *s, cursor *c) {
  uint64_t tag;
  c->tag = c->at;
  c->field = NULL;
  if (!read_varint(c, &tag)) return damaged_number(s, c);
  uint64_t number = tag >> 3;
  unsigned wire = (unsigned)(tag & 7);
  if (number == 0 || number > 0x1FFFFFFF)
    return bad(s, c, QN_DIAG_FORMAT, "%llu is no field number: this is not an ONNX file, or it is damaged",
               (unsigned long long)number);
  c->field = protobuf_c_message_descriptor_get_field(c->type, (unsigned)number);
  if (wire != WIRE_VARINT && wire != WIRE_FIXED64 && wire != WIRE_BYTES && wire != WIRE_FIXED32)
    return bad(s, c, QN_DIAG_FORMAT, "field %llu has wire type %u, which ONNX does not use", (unsigned long long)number,
               wire);
  qn_status status = check_wire_type(s, c, wire);
  /* Single elements of a repeated field, and fields protobuf-c keeps unread, are allocations too. */
  if (status == QN_OK && wire != WIRE_BYTES) status = spend(s, c, c->field ? 8 : PART_BYTES);
  return status == QN_OK ? scan_value(s, c, wire) : status;
}

static qn_status scan_message(scan *s, cursor *c) {
  while (c->at < c->end) {
    qn_status status = scan_field(s, c);
    if (status != QN_OK) return status;
  }
  return QN_OK;
}

qn_status qn__wire_check(qn_context *ctx, const char *file, const ProtobufCMessageDescriptor *type, const void *data,
                         size_t size) {
  if (size > INT32_MAX)
    return qn_error(
        ctx, QN_DIAG_LIMIT, qn_place_file(file),
        "has %zu bytes; a protobuf message has at most 2 GB, larger models keep their tensors in other files", size);
  if (size == 0) return qn_error(ctx, QN_DIAG_FORMAT, qn_place_file(file), "is empty, expected a %s", type->short_name);
  scan s = {.ctx = ctx, .file = file, .base = data};
  s.max_cost = FREE_BYTES + (uint64_t)size * MAX_GROWTH;
  cursor c = {.type = type, .at = data, .end = (const uint8_t *)data + size, .depth = 1};
  return scan_message(&s, &c);
}
