/* Tensors in files: .safetensors, .npz and .npy, told apart by their content.
 *
 * A store is read-only and belongs to the context that opened it; it is used by one thread at a time. All names are
 * bytes as they stand in the file. What a file says is checked before it is believed: offsets, lengths, shapes and
 * compressed sizes that do not fit are diagnostics with the path and the tensor's name.
 *
 * Formats: safetensors as published by its authors (8 bytes of header length, a JSON header, then the data without
 * gaps); NumPy's NPY 1.0, 2.0 and 3.0; zip archives of NPY entries, stored or deflated. Element types are the rows of
 * types.def that have a name in the format. Safetensors has no type below 8 bits: such a tensor is a U8 array there
 * (low bits first, rows not padded), and `__metadata__` has its true type and shape, "quern.type.NAME" = "4x64xi4". */
#ifndef QUERN_STORE_H
#define QUERN_STORE_H

#include <quern/context.h>
#include <quern/scalar.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum qn_store_format {
  QN_STORE_SAFETENSORS,
  QN_STORE_NPZ,          /* entries stored; either kind is reported as QN_STORE_NPZ on reading */
  QN_STORE_NPZ_DEFLATED, /* for writing: entries compressed */
  QN_STORE_NPY           /* a single tensor */
} qn_store_format;

typedef struct qn_store qn_store;

/* ---- reading ---- */

/* Opens `path` ("-" for standard input). The file is mapped where the system can, so opening reads the header only.
 * *store is null on failure. */
QN_API qn_status qn_store_open(qn_context *ctx, const char *path, qn_store **store);
/* The same for bytes in memory, which must outlive the store. `name` stands for the path in diagnostics. */
QN_API qn_status qn_store_open_memory(qn_context *ctx, const char *name, const void *data, size_t size,
                                      qn_store **store);
/* Frees everything that tensors of this store point to. Null is allowed. */
QN_API void qn_store_close(qn_store *store);

QN_API qn_store_format qn_store_format_of(const qn_store *store);
QN_API size_t qn_store_count(const qn_store *store);
/* The key of tensor i, in file order; empty when i is out of range. The `.npy` of an npz entry is taken off; the only
 * tensor of an .npy file has the file's name without folder and suffix. Zero-terminated, valid as long as the store. */
QN_API qn_str qn_store_name(const qn_store *store, size_t i);
QN_API bool qn_store_find(const qn_store *store, qn_str name, size_t *i);
/* Type and shape of tensor i, with data null: reads no data. */
QN_API qn_status qn_store_info(qn_store *store, size_t i, qn_tensor *out);
/* Tensor i. Its data belongs to the store and must not be written to: a view of the mapped file, or memory of the
 * store when the entry is compressed, big-endian or in Fortran order. Such memory is kept until qn_store_drop. */
QN_API qn_status qn_store_tensor(qn_store *store, size_t i, qn_tensor *out);
/* Finds and gives in one call; a name that is not there is a diagnostic. */
QN_API qn_status qn_store_get(qn_store *store, qn_str name, qn_tensor *out);
/* Frees the memory that tensor i holds beside the file, if any. */
QN_API void qn_store_drop(qn_store *store, size_t i);
/* Lets the system take back the pages of the mapped file that lie within these bytes of a tensor's data; they are read
 * from the file again if they are needed again. Other memory is left alone. */
QN_API void qn_store_passed(const qn_store *store, const void *data, size_t size);

/* Text pairs of a safetensors file, without those that name true types. */
QN_API size_t qn_store_metadata_count(const qn_store *store);
QN_API bool qn_store_metadata_at(const qn_store *store, size_t i, qn_str *key, qn_str *value);
QN_API bool qn_store_metadata(const qn_store *store, qn_str key, qn_str *value);

/* ---- writing ---- */

typedef struct qn_store_writer qn_store_writer;

/* Opens the output, so a path that cannot be written is known before the work begins. The file appears when it is
 * committed and not before; a device, a pipe or "-" is written through. */
QN_API qn_status qn_store_writer_create(qn_context *ctx, const char *path, qn_store_format format,
                                        qn_store_writer **writer);
/* The data is not copied: it must stay until commit. Names are UTF-8 without NUL and unique. NPY has no type for
 * integers below 8 bits and small floats: those are widened to 8-bit integers and f32, without loss. */
QN_API qn_status qn_store_writer_add(qn_store_writer *writer, qn_str name, const qn_tensor *tensor);
/* The same, with the packed bytes made piece by piece during commit: called with ascending offsets, each piece right
 * after the one before it (and again from 0 for a compressed entry). A status other than QN_OK, which the function
 * has reported, ends the commit with that status. */
typedef qn_status (*qn_store_source)(void *user, uint64_t offset, void *out, size_t size);
QN_API qn_status qn_store_writer_add_source(qn_store_writer *writer, qn_str name, const qn_tensor *type_and_shape,
                                            qn_store_source source, void *user);
/* A pair of texts for `__metadata__`; safetensors only. Keys that begin with "quern.type." are the writer's own. */
QN_API qn_status qn_store_writer_metadata(qn_store_writer *writer, qn_str key, qn_str value);
/* Each ends the writer, whatever the result; after a failed commit nothing is left in the file's place. */
QN_API qn_status qn_store_writer_commit(qn_store_writer *writer);
QN_API void qn_store_writer_abandon(qn_store_writer *writer);

/* ---- one call ---- */

/* Opens an .npy file and gives its tensor, which lives until *store is closed. Other formats are a diagnostic. */
QN_API qn_status qn_npy_read(qn_context *ctx, const char *path, qn_store **store, qn_tensor *out);
QN_API qn_status qn_npy_write(qn_context *ctx, const char *path, const qn_tensor *tensor);

/* ---- names ---- */

/* A bare identifier as MLIR's `dense_resource<..>` takes it: letters, digits, `_`, `$` and `.`, not beginning with a
 * digit, `$` or `.`; every other byte becomes `_`. While `taken` (may be null) says a name is in use, "_1", "_2" ..
 * is appended. Id 0 when memory runs out. */
QN_API qn_name qn_store_identifier(qn_context *ctx, qn_str name, bool (*taken)(void *user, qn_name name), void *user);

#ifdef __cplusplus
}
#endif
#endif
