/* Reading and writing whole files. Nothing half-written is ever left behind. */
#ifndef QN_FILEIO_H
#define QN_FILEIO_H
#include "buf.h"
#include <quern/context.h>

/* A file's bytes: mapped where possible, read otherwise (pipes, "-" for standard input). */
typedef struct qn_file {
  const char *data;
  size_t size;
  size_t cap; /* allocated bytes when not mapped */
  bool mapped;
  const qn_allocator *allocator;
} qn_file;
qn_status qn__file_open(qn_context *ctx, const char *path, qn_file *file);
/* One of more than `most` bytes is a diagnostic. All others have limits of their own too where they are no regular
 * files: /dev/zero has no end. */
qn_status qn__file_open_most(qn_context *ctx, const char *path, size_t most, qn_file *file);
void qn__file_close(qn_file *file);
/* Lets the system take back the pages of a mapped file before `at`: they are read again if they are needed again. */
void qn__file_passed(qn_file *file, const char *at);
/* The same for the whole pages among these bytes, if they are the file's. */
void qn__file_passed_range(const qn_file *file, const char *data, size_t size);

/* Writes beside `path` and renames on commit; devices, pipes, "-", /dev/stdout, /dev/stderr and /dev/fd/N are written
 * through and never replaced. A link is followed: the file it names is replaced, not the link. On any failure the
 * temporary file is removed and a diagnostic names path and reason. `put` does not report: the first failure is kept
 * and reported by commit. Every opened writer must be committed or abandoned; both leave it closed. */
typedef struct qn_writer {
  qn_context *ctx;
  char *path;          /* as it was given, for messages */
  char *target, *temp; /* null when writing through */
  int fd;
  int error; /* errno of the first failure */
} qn_writer;
qn_status qn__writer_open(qn_context *ctx, const char *path, qn_writer *w);
bool qn__writer_put(void *writer, const char *data, size_t size); /* fits qn_buf.flush */
qn_status qn__writer_commit(qn_writer *w);
void qn__writer_abandon(qn_writer *w);
#endif
