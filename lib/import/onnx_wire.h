/* A look at protobuf bytes before protobuf-c reads them, which has no limits of its own. */
#ifndef QN_ONNX_WIRE_H
#define QN_ONNX_WIRE_H
#include <protobuf-c/protobuf-c.h>
#include <quern/context.h>

enum { QN__WIRE_MAX_DEPTH = 64 };

/* Checks `size` bytes as a message of this type: every tag and length, wire types against the fields' types, nesting of
 * at most 64 messages, no field twice that may be there once, no zero byte in a string, and that what the message
 * unpacks to is in proportion to its size. `file` stands in diagnostics. */
qn_status qn__wire_check(qn_context *ctx, const char *file, const ProtobufCMessageDescriptor *type, const void *data,
                         size_t size);
#endif
