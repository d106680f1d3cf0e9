/* Writing .npz archives: libzip reads the arrays as streams and builds the archive in its own memory, which then goes
 * through the same writer as every other file. Times are fixed, so equal content gives equal bytes. */
#include "writer_impl.h"
#include <string.h>
#include <zip.h>

static const qn_str nobody = {NULL, 0};

static zip_int64_t give_stat(const qn__npy_stream *s, void *data, zip_uint64_t len) {
  if (len < sizeof(zip_stat_t)) return -1;
  zip_stat_t st;
  zip_stat_init(&st);
  st.size = s->size;
  st.valid |= ZIP_STAT_SIZE;
  memcpy(data, &st, sizeof st);
  return sizeof st;
}

static zip_int64_t give_error(void *data, zip_uint64_t len) {
  zip_error_t error;
  zip_error_init(&error);
  zip_error_set(&error, ZIP_ER_READ, 0);
  zip_int64_t n = zip_error_to_data(&error, data, len);
  zip_error_fini(&error);
  return n;
}

static zip_int64_t stream_command(void *state, void *data, zip_uint64_t len, zip_source_cmd_t cmd) {
  qn__npy_stream *s = state;
  switch (cmd) {
  case ZIP_SOURCE_OPEN: s->at = 0; return 0;
  case ZIP_SOURCE_READ: {
    size_t n = qn__npy_stream_read(s, data, (size_t)len);
    return n == SIZE_MAX ? -1 : (zip_int64_t)n;
  }
  case ZIP_SOURCE_STAT: return give_stat(s, data, len);
  case ZIP_SOURCE_ERROR: return give_error(data, len);
  case ZIP_SOURCE_SUPPORTS:
    return zip_source_make_command_bitmap(ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT,
                                          ZIP_SOURCE_ERROR, ZIP_SOURCE_FREE, -1);
  case ZIP_SOURCE_CLOSE:
  case ZIP_SOURCE_FREE: return 0;
  default: return -1;
  }
}

static qn_status zip_failure(qn_store_writer *w, qn_str name, zip_error_t *error) {
  if (zip_error_code_zip(error) == ZIP_ER_MEMORY) return qn_error_no_memory(w->ctx);
  return qn__store_writer_error(w, name, QN_DIAG_IO, "cannot write the zip archive: %s", zip_error_strerror(error));
}

static qn_status add_entry(qn_store_writer *w, zip_t *zip, qn__npy_stream *s, const qn__store_out *e) {
  if (!qn__npy_stream_init(s, e))
    return qn__store_writer_error(w, e->name, QN_DIAG_LIMIT, "the array takes more bytes than a file can hold");
  qn_str file_name = qn__arena_fmt(&w->arena, "%s.npy", e->name.data);
  if (!file_name.data) return qn_error_no_memory(w->ctx);
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t *source = zip_source_function_create(stream_command, s, &error);
  qn_status status = source ? QN_OK : zip_failure(w, e->name, &error);
  zip_error_fini(&error);
  if (status) return status;
  zip_int64_t i = zip_file_add(zip, file_name.data, source, ZIP_FL_ENC_UTF_8);
  if (i < 0) {
    zip_source_free(source);
    return zip_failure(w, e->name, zip_get_error(zip));
  }
  zip_int32_t method = w->format == QN_STORE_NPZ_DEFLATED ? ZIP_CM_DEFLATE : ZIP_CM_STORE;
  const zip_uint16_t midnight = 0, first_of_1980 = 1 << 5 | 1;
  if (zip_set_file_compression(zip, (zip_uint64_t)i, method, 0) != 0 ||
      zip_file_set_dostime(zip, (zip_uint64_t)i, midnight, first_of_1980, 0) != 0)
    return zip_failure(w, e->name, zip_get_error(zip));
  return QN_OK;
}

static qn_status source_status(const qn__npy_stream *streams, uint32_t n) {
  for (uint32_t i = 0; i < n; i++)
    if (streams[i].status) return streams[i].status;
  return QN_OK;
}

/* Builds the archive into `archive`. */
static qn_status build(qn_store_writer *w, zip_source_t *archive) {
  uint32_t n = w->entries.size;
  qn__npy_stream *streams = qn__arena_array(&w->arena, n, sizeof *streams);
  if (!streams) return qn_error_no_memory(w->ctx);
  zip_error_t error;
  zip_error_init(&error);
  zip_source_keep(archive); /* the archive's own reference goes with it; ours stays for reading it back */
  zip_t *zip = zip_open_from_source(archive, ZIP_CREATE | ZIP_TRUNCATE, &error);
  qn_status status = zip ? QN_OK : zip_failure(w, nobody, &error);
  zip_error_fini(&error);
  if (!zip) {
    zip_source_free(archive);
    return status;
  }
  for (uint32_t i = 0; i < n && status == QN_OK; i++) status = add_entry(w, zip, &streams[i], &w->entries.data[i]);
  if (status == QN_OK && zip_close(zip) == 0) return QN_OK;
  if (status == QN_OK) status = source_status(streams, n);
  if (status == QN_OK) status = zip_failure(w, nobody, zip_get_error(zip));
  zip_discard(zip);
  return status;
}

static qn_status put_archive(qn_store_writer *w, zip_source_t *archive) {
  if (zip_source_open(archive) != 0) return zip_failure(w, nobody, zip_source_error(archive));
  char piece[1 << 14];
  zip_int64_t n;
  while ((n = zip_source_read(archive, piece, sizeof piece)) > 0)
    if (!qn__writer_put(&w->out, piece, (size_t)n)) break;
  qn_status status = n < 0 ? zip_failure(w, nobody, zip_source_error(archive)) : QN_OK;
  zip_source_close(archive);
  return status;
}

qn_status qn__write_npz(qn_store_writer *w) {
  /* libzip removes an archive without entries; what NumPy reads is the end record alone. */
  static const char no_entries[22] = {'P', 'K', 5, 6};
  if (w->entries.size == 0) {
    qn__writer_put(&w->out, no_entries, sizeof no_entries);
    return QN_OK;
  }
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t *archive = zip_source_buffer_create(NULL, 0, 0, &error);
  qn_status status = archive ? build(w, archive) : zip_failure(w, nobody, &error);
  zip_error_fini(&error);
  if (status == QN_OK) status = put_archive(w, archive);
  if (archive) zip_source_free(archive);
  return status;
}
