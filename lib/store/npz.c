/* .npz archives, through libzip. Entries are read when they are asked for, and an archive's word about sizes is never
 * taken for the amount of memory to use: that comes from the array's own header, checked against the archive. */
#include "store_impl.h"
#include <string.h>
#include <zip.h>

/* Deflate shrinks 1032 times at most. A large array that claims a rate near that is a trap far more often than data. */
enum { SUSPICIOUS_RATIO = 256, SUSPICIOUS_BYTES = 64 << 20, IMPOSSIBLE_RATIO = 1033 };

static qn_status zip_failure(qn_store *s, qn_str name, const char *what, zip_error_t *error) {
  int code = zip_error_code_zip(error);
  if (code == ZIP_ER_MEMORY) return qn_error_no_memory(s->ctx);
  bool cannot = code == ZIP_ER_COMPNOTSUPP || code == ZIP_ER_ENCRNOTSUPP || code == ZIP_ER_NOPASSWD;
  return qn__store_error(s, name, cannot ? QN_DIAG_UNSUPPORTED : QN_DIAG_FORMAT, "%s: %s", what,
                         zip_error_strerror(error));
}

static qn_status open_archive(qn_store *s, zip_t **out) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t *source = zip_source_buffer_create(s->file.data, s->file.size, 0, &error);
  zip_t *zip = source ? zip_open_from_source(source, ZIP_RDONLY, &error) : NULL;
  qn_status status = zip ? QN_OK : zip_failure(s, (qn_str){0}, "cannot read the zip archive", &error);
  if (!zip && source) zip_source_free(source);
  zip_error_fini(&error);
  *out = zip;
  return status;
}

static qn_status open_npz(qn_store *s) {
  zip_t *zip;
  qn_status status = open_archive(s, &zip);
  if (status) return status;
  s->state = zip;
  zip_int64_t count = zip_get_num_entries(zip, 0);
  for (zip_int64_t i = 0; i < count; i++) {
    qn_str name = qn_str_of(zip_get_name(zip, (zip_uint64_t)i, 0));
    if (!name.data) return zip_failure(s, (qn_str){0}, "cannot read the name of an entry", zip_get_error(zip));
    if (name.size > 4 && memcmp(name.data + name.size - 4, ".npy", 4) == 0) name.size -= 4;
    qn__store_entry *e;
    status = qn__store_add(s, name, &e);
    if (status) return status;
    e->at = (uint64_t)i;
  }
  return QN_OK;
}

static void close_npz(qn_store *s) {
  if (s->state) zip_discard(s->state);
}

/* Exactly `size` bytes, or a diagnostic. */
static qn_status read_exactly(qn_store *s, const qn__store_entry *e, zip_file_t *file, void *out, size_t size) {
  char *at = out;
  for (size_t left = size; left > 0;) {
    zip_int64_t n = zip_fread(file, at, left);
    if (n < 0) return zip_failure(s, e->name, "cannot read the entry", zip_file_get_error(file));
    if (n == 0)
      return qn__store_error(s, e->name, QN_DIAG_FORMAT, "the entry ends %zu bytes early; is the archive damaged?",
                             left);
    at += n;
    left -= (size_t)n;
  }
  return QN_OK;
}

static qn_status open_entry(qn_store *s, const qn__store_entry *e, zip_file_t **file) {
  *file = zip_fopen_index(s->state, e->at, 0);
  return *file ? QN_OK : zip_failure(s, e->name, "cannot open the entry", zip_get_error(s->state));
}

/* The archive's sizes against the array's. */
static qn_status check_sizes(qn_store *s, const qn__store_entry *e) {
  zip_stat_t st;
  if (zip_stat_index(s->state, e->at, 0, &st) != 0)
    return zip_failure(s, e->name, "cannot look up the entry", zip_get_error(s->state));
  zip_uint64_t wanted = (zip_uint64_t)e->header_bytes + e->bytes;
  if (wanted < e->bytes || st.size != wanted)
    return qn__store_error(s, e->name, QN_DIAG_FORMAT,
                           "the shape asks for %zu bytes after a header of %zu, but the entry has %llu in all",
                           e->bytes, e->header_bytes, (unsigned long long)st.size);
  zip_uint64_t packed = st.comp_size + 64; /* the rate means nothing for a few bytes */
  if (st.comp_method == ZIP_CM_STORE ? wanted > st.comp_size : wanted / packed >= IMPOSSIBLE_RATIO)
    return qn__store_error(s, e->name, QN_DIAG_FORMAT, "%llu bytes cannot come out of %llu; the archive is damaged",
                           (unsigned long long)wanted, (unsigned long long)st.comp_size);
  if (wanted > SUSPICIOUS_BYTES && wanted / packed >= SUSPICIOUS_RATIO)
    return qn__store_error(s, e->name, QN_DIAG_LIMIT,
                           "%llu bytes are packed into %llu, more than %d to 1; if that is meant, store the array "
                           "uncompressed (numpy.savez)",
                           (unsigned long long)wanted, (unsigned long long)st.comp_size, SUSPICIOUS_RATIO);
  return QN_OK;
}

static qn_status read_header(qn_store *s, qn__store_entry *e, zip_file_t *file) {
  uint8_t prefix[QN__NPY_PREFIX];
  zip_int64_t got = zip_fread(file, prefix, sizeof prefix);
  if (got < 0) return zip_failure(s, e->name, "cannot read the entry", zip_file_get_error(file));
  size_t data_at, text_at;
  qn_status status = qn__npy_prefix(s, e->name, prefix, (size_t)got, &data_at, &text_at);
  if (status) return status;
  if (data_at < sizeof prefix)
    return qn__store_error(s, e->name, QN_DIAG_FORMAT, "the NPY header is too short to hold a type and a shape");
  char *text = qn__alloc(s->allocator, data_at);
  if (!text) return qn_error_no_memory(s->ctx);
  memcpy(text, prefix, sizeof prefix);
  status = read_exactly(s, e, file, text + sizeof prefix, data_at - sizeof prefix);
  if (status == QN_OK) status = qn__npy_header(s, e, (qn_str){text + text_at, data_at - text_at});
  qn__free(s->allocator, text, data_at);
  e->header_bytes = data_at;
  return status;
}

static qn_status info_npz(qn_store *s, qn__store_entry *e) {
  zip_file_t *file;
  qn_status status = open_entry(s, e, &file);
  if (status) return status;
  status = read_header(s, e, file);
  zip_fclose(file);
  return status ? status : check_sizes(s, e);
}

/* The data after the header, to its end: the end is where libzip compares the checksum. */
static qn_status read_data(qn_store *s, qn__store_entry *e, zip_file_t *file, uint8_t *out) {
  char scratch[512];
  for (size_t left = e->header_bytes; left > 0;) {
    size_t n = left < sizeof scratch ? left : sizeof scratch;
    qn_status status = read_exactly(s, e, file, scratch, n);
    if (status) return status;
    left -= n;
  }
  qn_status status = read_exactly(s, e, file, out, e->bytes);
  if (status) return status;
  zip_int64_t more = zip_fread(file, scratch, 1);
  if (more < 0) return zip_failure(s, e->name, "cannot read the entry", zip_file_get_error(file));
  if (more > 0) return qn__store_error(s, e->name, QN_DIAG_FORMAT, "data goes on after the end of the array");
  return QN_OK;
}

static qn_status rearrange(qn_store *s, qn__store_entry *e) {
  if (e->bytes == 0 || !(e->swap || e->fortran)) return QN_OK;
  uint8_t *row_major = qn__alloc(s->allocator, e->bytes);
  if (!row_major) return qn_error_no_memory(s->ctx);
  qn__npy_convert(e, e->owned, row_major);
  qn__free(s->allocator, e->owned, e->bytes);
  e->owned = row_major;
  return QN_OK;
}

static qn_status load_npz(qn_store *s, qn__store_entry *e) {
  static const char nothing;
  if (e->bytes > 0 && !(e->owned = qn__alloc(s->allocator, e->bytes))) return qn_error_no_memory(s->ctx);
  zip_file_t *file;
  qn_status status = open_entry(s, e, &file);
  if (status) return status;
  status = read_data(s, e, file, e->owned);
  zip_fclose(file);
  if (status == QN_OK) status = rearrange(s, e);
  e->tensor.data = e->owned ? e->owned : (void *)(uintptr_t)&nothing;
  return status;
}

const qn__store_ops qn__store_npz = {QN_STORE_NPZ, open_npz, info_npz, load_npz, close_npz};
