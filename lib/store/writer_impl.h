/* The inside of store writers, shared by the formats. */
#ifndef QN_WRITER_IMPL_H
#define QN_WRITER_IMPL_H
#include "store_impl.h"

typedef struct qn__store_out {
  qn_str name;
  qn_tensor tensor;
  qn_store_source source; /* null: the data is in `tensor` */
  void *user;
  size_t bytes;   /* of the packed data */
  uint64_t begin; /* safetensors: offset in the data section */
} qn__store_out;

struct qn_store_writer {
  qn_context *ctx;
  const qn_allocator *allocator;
  qn_store_format format;
  qn_arena arena;
  qn_str path;
  qn_writer out;
  QN_VEC(qn__store_out) entries;
  qn_map by_name;
  QN_VEC(qn__store_pair) metadata;
  qn_map by_key;
};

qn_status qn__store_writer_error(qn_store_writer *w, qn_str name, qn_diag_code code, const char *fmt, ...)
    QN_PRINTF(4, 5);

/* Each puts the whole file; failures of the file itself are kept in `out` and reported when it is committed. */
qn_status qn__write_safetensors(qn_store_writer *w);
qn_status qn__write_npz(qn_store_writer *w);
qn_status qn__write_npy(qn_store_writer *w);

/* One tensor as the bytes of an NPY array, read piece by piece. */
enum { QN__NPY_GROUP = 1024 };
typedef struct qn__npy_stream {
  const qn__store_out *e;
  qn_scalar written; /* the element type in the file: wider where NPY has none for ours */
  size_t header_size;
  uint64_t size, at; /* in bytes, header included */
  uint64_t group;    /* which group of elements `wide` holds, plus 1 */
  qn_status status;  /* of the source */
  char header[512];
  uint8_t raw[QN__NPY_GROUP]; /* widened types have at most 8 bits */
  uint8_t wide[QN__NPY_GROUP * 4];
} qn__npy_stream;
/* False when the size in the file does not fit. */
bool qn__npy_stream_init(qn__npy_stream *s, const qn__store_out *e);
/* Up to `size` bytes, fewer only at the end; SIZE_MAX when the source failed. */
size_t qn__npy_stream_read(qn__npy_stream *s, void *out, size_t size);
#endif
