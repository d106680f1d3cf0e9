/* The inside of stores, shared by the readers of the three formats. */
#ifndef QN_STORE_IMPL_H
#define QN_STORE_IMPL_H
#include "arena.h"
#include "fileio.h"
#include "map.h"
#include "vec.h"
#include <quern/store.h>

#if defined(__BYTE_ORDER__)
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little-endian, and so is the data handed out");
#endif

typedef struct qn__store_entry {
  qn_str name;
  qn_tensor tensor; /* type and shape once `known`; data once loaded */
  bool known;
  uint64_t at;         /* safetensors, npy: offset of the data in the file; npz: index in the archive */
  size_t bytes;        /* of the data, once known */
  size_t header_bytes; /* npy, npz: before the data */
  bool swap, fortran;  /* npy, npz: how the data must be rearranged */
  void *owned;         /* `bytes` of memory where the data is not a view of the file */
  /* A tensor that is sound but cannot be held here is refused when it is asked for, not when the file is opened. */
  qn_diag_code refusal;
  qn_str refusal_text; /* empty: not refused */
} qn__store_entry;

typedef struct qn__store_pair {
  qn_str key, value;
} qn__store_pair;

/* What a format does: fill in the entries; learn an entry's type and shape; bring its data. */
typedef struct qn__store_ops {
  qn_store_format format;
  qn_status (*open)(qn_store *s);
  qn_status (*info)(qn_store *s, qn__store_entry *e);
  qn_status (*load)(qn_store *s, qn__store_entry *e);
  void (*close)(qn_store *s);
} qn__store_ops;
extern const qn__store_ops qn__store_npy, qn__store_npz, qn__store_safetensors;

struct qn_store {
  qn_context *ctx;
  const qn_allocator *allocator;
  const qn__store_ops *ops;
  qn_arena arena; /* names, texts */
  qn_str path;
  qn_file file;
  QN_VEC(qn__store_entry) entries;
  qn_map by_name;
  QN_VEC(qn__store_pair) metadata;
  qn_map by_key;
  void *state; /* the format's own */
};

/* Reports at the file's path and, unless `name` is empty, "tensor 'name'". */
qn_status qn__store_error(qn_store *s, qn_str name, qn_diag_code code, const char *fmt, ...) QN_PRINTF(4, 5);
#ifdef __clang_analyzer__ /* reporting never answers QN_OK */
#  define qn__store_error(...) ((void)(qn__store_error)(__VA_ARGS__), QN_ERR_INPUT)
#endif
/* The same for anyone who has a path only. */
qn_status qn__store_verror(qn_context *ctx, qn_str path, qn_str name, qn_diag_code code, const char *fmt, va_list args);
/* Appends an entry with a copy of `name`; a second one of that name is a diagnostic. */
qn_status qn__store_add(qn_store *s, qn_str name, qn__store_entry **e);

/* NPY headers. Prefix: magic, version and length; needs the first 12 bytes, gives the offset of the data. Header: the
 * text between prefix and data; fills in type, shape, bytes, swap, fortran. */
enum { QN__NPY_PREFIX = 12 };
bool qn__npy_is(const void *data, size_t size);
qn_status qn__npy_prefix(qn_store *s, qn_str name, const uint8_t *data, size_t size, size_t *data_at, size_t *text_at);
qn_status qn__npy_header(qn_store *s, qn__store_entry *e, qn_str text);
/* Rearranges `src` as swap and fortran say into row-major, native `dst`. */
void qn__npy_convert(const qn__store_entry *e, const uint8_t *src, uint8_t *dst);

/* Well-formedness that cJSON does not look at: depth, NUL and control characters, UTF-8. Null, or what is wrong and
 * where. */
const char *qn__json_scan(qn_str text, uint32_t max_depth, size_t *at);

/* "4x64xi4" to type and shape, and back; the text of the type and shape goes to `out`. */
bool qn__shape_text_parse(qn_str text, qn_tensor *out);
void qn__shape_text(const qn_tensor *t, qn_buf *out);
/* The type that the format's name of `t` reads back as: `t` itself but for si8 (I8 is i8) and the like. Types without
 * a name give QN_SCALAR_NONE. */
qn_scalar qn__safetensors_type(qn_str dtype);
qn_scalar qn__npy_type(qn_str kind_and_size);

#define QN__TYPE_KEY "quern.type."
#endif
