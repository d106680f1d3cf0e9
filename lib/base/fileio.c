#define _XOPEN_SOURCE 700 /* realpath */
#include "fileio.h"
#include "context_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef PATH_MAX
#  define PATH_MAX 4096
#endif

/* What the system said, as text of our own: strerror is not safe with several threads. */
static qn_status report(qn_context *ctx, const char *path, const char *what, int error) {
  char reason[128];
  if (strerror_r(error, reason, sizeof reason) != 0) snprintf(reason, sizeof reason, "error %d", error);
  const char *hint = error == EISDIR   ? "; give the name of a file"
                     : error == ENOSPC ? "; nothing was left behind, free some space and try again"
                                       : "";
  qn_diag_code code = error == ENOENT && strcmp(what, "open") == 0 ? QN_DIAG_MISSING : QN_DIAG_IO;
  return qn_error(ctx, code, qn_place_file(path), "cannot %s '%s': %s%s", what, path, reason, hint);
}

/* ------------------------------------------------------------------------------------------------- reading */

/* What no file of ours comes to that is no regular one: devices may go on for ever, and so may who writes to a pipe. */
enum { MOST_OF_DEVICE = 16 << 20, MOST_OF_PIPE = 1 << 30 };

static size_t most_of(const struct stat *st) {
  if (S_ISREG(st->st_mode) && st->st_size > 0) return SIZE_MAX;
  return S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode) ? MOST_OF_DEVICE : MOST_OF_PIPE;
}

static qn_status too_long(qn_context *ctx, const char *path, size_t most) {
  return qn_error(ctx, QN_DIAG_LIMIT, qn_place_file(path), "'%s' has more than %zu bytes, the most that is read of it",
                  path, most);
}

static qn_status read_all(qn_context *ctx, const char *path, int fd, size_t most, qn_file *file) {
  qn_buf b;
  qn__buf_init(&b, qn_context_allocator(ctx));
  char block[1 << 14];
  for (;;) {
    ssize_t n = read(fd, block, sizeof block);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      int error = errno;
      qn__buf_free(&b);
      return report(ctx, path, "read", error);
    }
    if (n == 0) break;
    if ((size_t)n > most - b.size) {
      qn__buf_free(&b);
      return too_long(ctx, path, most);
    }
    qn__buf_put(&b, block, (size_t)n);
    if (b.failed) {
      qn__buf_free(&b);
      return qn_error_no_memory(ctx);
    }
  }
  *file = (qn_file){b.data ? b.data : "", b.size, b.cap, false, b.allocator};
  return QN_OK;
}

static qn_status map_or_read(qn_context *ctx, const char *path, int fd, size_t most, qn_file *file) {
  struct stat st;
  if (fstat(fd, &st) != 0) return report(ctx, path, "open", errno);
  if (S_ISDIR(st.st_mode)) return report(ctx, path, "read", EISDIR);
  bool regular = S_ISREG(st.st_mode) && st.st_size > 0;
  if (regular && (uintmax_t)st.st_size > most) return too_long(ctx, path, most);
  /* Files of size 0 are read: those under /proc have content all the same. */
  if (regular && fd != STDIN_FILENO) {
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p != MAP_FAILED) {
      *file = (qn_file){p, (size_t)st.st_size, 0, true, qn_context_allocator(ctx)};
      return QN_OK;
    }
  }
  return read_all(ctx, path, fd, most < most_of(&st) ? most : most_of(&st), file);
}

qn_status qn__file_open(qn_context *ctx, const char *path, qn_file *file) {
  return qn__file_open_most(ctx, path, SIZE_MAX, file);
}

qn_status qn__file_open_most(qn_context *ctx, const char *path, size_t most, qn_file *file) {
  *file = (qn_file){.data = "", .allocator = qn_context_allocator(ctx)};
  if (strcmp(path, "-") == 0) return map_or_read(ctx, "<stdin>", STDIN_FILENO, most, file);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return report(ctx, path, "open", errno);
  qn_status status = map_or_read(ctx, path, fd, most, file);
  close(fd);
  return status;
}

void qn__file_close(qn_file *file) {
  if (file->mapped)
    munmap((void *)(uintptr_t)file->data, file->size);
  else if (file->cap)
    qn__free(file->allocator, (void *)(uintptr_t)file->data, file->cap);
  *file = (qn_file){.data = "", .allocator = file->allocator};
}

/* ------------------------------------------------------------------------------------------------- writing */

/* Names of descriptors this process has already: duplicated, since opening such a name again would start at offset 0
 * of a redirected file. */
static int named_descriptor(const char *path) {
  static const struct {
    const char *name;
    int fd;
  } names[] = {{"-", STDOUT_FILENO}, {"/dev/stdout", STDOUT_FILENO}, {"/dev/stderr", STDERR_FILENO}};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (strcmp(path, names[i].name) == 0) return names[i].fd;
  static const char prefix[] = "/dev/fd/";
  const char *digits = path + sizeof prefix - 1;
  if (strncmp(path, prefix, sizeof prefix - 1) != 0 || *digits == 0 || strlen(digits) > 6) return -1;
  int fd = 0;
  for (const char *c = digits; *c; c++) {
    if (*c < '0' || *c > '9') return -1;
    fd = fd * 10 + (*c - '0');
  }
  return fd;
}

static size_t folder_size(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? (size_t)(slash - path) + 1 : 0;
}

/* Creates an empty file that nobody else has, in the folder of `target`. 0 or an errno. */
static int create_temp(const char *target, char *name, size_t size, int *fd) {
  for (unsigned i = 0; i < 10000; i++) {
    int n = snprintf(name, size, "%.*s.quern-%ld-%u.tmp", (int)folder_size(target), target, (long)getpid(), i);
    if (n < 0 || (size_t)n >= size) return ENAMETOOLONG;
    *fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (*fd >= 0) return 0;
    if (errno != EEXIST) return errno;
  }
  return EEXIST;
}

/* Where the bytes end up: behind links, also behind a link to a file that does not exist yet. */
static int resolve(const char *path, char *target) {
  if (realpath(path, target)) return 0;
  if (errno != ENOENT) return errno;
  struct stat st;
  if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) return ENOENT;
  if (strlen(path) >= PATH_MAX) return ENAMETOOLONG;
  memcpy(target, path, strlen(path) + 1);
  return 0;
}

/* 0, an errno, or -1 for exhausted memory. */
static int open_beside(qn_writer *w, const struct stat *old) {
  char target[PATH_MAX], temp[PATH_MAX + 64];
  int error = resolve(w->path, target);
  if (error) return error;
  if (old && access(target, W_OK) != 0) return errno;
  w->target = qn__strdup(&w->ctx->allocator, qn_str_of(target));
  if (!w->target) return -1;
  error = create_temp(target, temp, sizeof temp, &w->fd);
  if (error) return error;
  w->temp = qn__strdup(&w->ctx->allocator, qn_str_of(temp));
  if (!w->temp) {
    unlink(temp);
    return -1;
  }
  return old && fchmod(w->fd, old->st_mode & 07777) != 0 ? errno : 0;
}

static int open_any(qn_writer *w) {
  struct stat st;
  int given = named_descriptor(w->path);
  bool exists = given < 0 && stat(w->path, &st) == 0;
  if (given < 0 && !exists && errno != ENOENT) return errno;
  size_t size = strlen(w->path);
  if (exists ? S_ISDIR(st.st_mode) : (size > 0 && w->path[size - 1] == '/')) return EISDIR;
  if (given < 0 && (!exists || S_ISREG(st.st_mode))) return open_beside(w, exists ? &st : NULL);
  w->fd = given >= 0 ? dup(given) : open(w->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
  return w->fd < 0 ? errno : 0;
}

qn_status qn__writer_open(qn_context *ctx, const char *path, qn_writer *w) {
  *w = (qn_writer){.ctx = ctx, .fd = -1};
  w->path = qn__strdup(&ctx->allocator, qn_str_of(path));
  int error = w->path ? open_any(w) : -1;
  if (!error) return QN_OK;
  qn__writer_abandon(w);
  return error > 0 ? report(ctx, path, "write", error) : qn_error_no_memory(ctx);
}

bool qn__writer_put(void *writer, const char *data, size_t size) {
  qn_writer *w = writer;
  if (w->fd < 0 && !w->error) w->error = EBADF;
  while (size > 0 && !w->error) {
    ssize_t n = write(w->fd, data, size < SSIZE_MAX ? size : SSIZE_MAX);
    if (n < 0) {
      if (errno != EINTR) w->error = errno;
    } else {
      data += n;
      size -= (size_t)n;
    }
  }
  return w->error == 0;
}

static void release(qn_writer *w) {
  const qn_allocator *a = &w->ctx->allocator;
  char *owned[] = {w->path, w->target, w->temp};
  for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
    if (owned[i]) qn__free(a, owned[i], strlen(owned[i]) + 1);
  *w = (qn_writer){.ctx = w->ctx, .fd = -1};
}

qn_status qn__writer_commit(qn_writer *w) {
  if (!w->path) return QN_ERR_INTERNAL; /* opening failed, and was reported */
  if (w->fd >= 0 && close(w->fd) != 0 && !w->error) w->error = errno;
  w->fd = -1;
  if (!w->error && w->temp && rename(w->temp, w->target) != 0) w->error = errno;
  qn_status status = QN_OK;
  if (w->error) {
    if (w->temp) unlink(w->temp);
    status = report(w->ctx, w->path, "write", w->error);
  }
  release(w);
  return status;
}

void qn__writer_abandon(qn_writer *w) {
  if (w->fd >= 0) close(w->fd);
  if (w->temp) unlink(w->temp);
  release(w);
}
