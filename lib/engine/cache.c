#define _XOPEN_SOURCE 700
#include "cache.h"
#include "program.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SUFFIX ".qnb"
enum {
  FORMAT = 2,
  NAME_BYTES = 2 * sizeof(XXH128_canonical_t) + sizeof SUFFIX,
  MOST_OBJECT = 64 << 20, /* larger files are none of ours */
  FRESH_SECONDS = 86400,  /* a file used that long ago counts as new again */
  STALE_SECONDS = 3600,   /* a temporary file that old was left behind by a process that died */
  TRIM_EVERY = 16         /* one store in so many looks at the whole folder */
};

typedef struct cache_head {
  char magic[8];
  uint32_t format, reserved;
  XXH128_canonical_t key;
  uint64_t size;  /* of the object, which follows */
  uint64_t check; /* XXH3 of this head, with 0 here, and of the object seeded by that */
} cache_head;

static cache_head head_of(const qn_cache_key *key, const void *object, size_t size) {
  cache_head h = {.magic = "QUERNOBJ", .format = FORMAT, .key = key->digest, .size = size};
  h.check = XXH3_64bits_withSeed(object, size, XXH3_64bits(&h, sizeof h));
  return h;
}

/* ---- the key ---- */

bool qn__cache_key(const qn_body *body, qn_cache_key *out) {
  uint64_t generator[2];
  const qn_isa *isa = body->plan->isa;
  if (!qn__backend_identity("llvm", generator)) return false;
  char text[1024];
  int n = snprintf(text, sizeof text, "%d|%s|%llx%llx|%s|%s|%s|%s|%s|%u|%zu|%d|%u|%llx%llx", FORMAT, QN_VERSION_STRING,
                   (unsigned long long)generator[0], (unsigned long long)generator[1], body->symbol, isa->name,
                   isa->arch, isa->llvm_cpu, isa->llvm_features, isa->vector_bits, sizeof(qn_kargs), (int)body->part,
                   body->rows, (unsigned long long)body->plan->hash, (unsigned long long)body->plan->check);
  if (n < 0 || (size_t)n >= sizeof text) return false;
  XXH128_canonicalFromHash(&out->digest, XXH3_128bits(text, (size_t)n));
  return true;
}

static void name_of(const qn_cache_key *key, char name[NAME_BYTES]) {
  for (size_t i = 0; i < sizeof key->digest.digest; i++) snprintf(name + 2 * i, 3, "%02x", key->digest.digest[i]);
  memcpy(name + 2 * sizeof key->digest.digest, SUFFIX, sizeof SUFFIX);
}

/* ---- the folder ---- */

bool qn__cache_init(qn_cache *c, const char *folder, uint64_t max_bytes) {
  memset(c, 0, sizeof *c);
  if (strlen(folder) >= sizeof c->folder) return false;
  memcpy(c->folder, folder, strlen(folder) + 1);
  c->max_bytes = max_bytes;
  c->fd = -1;
  pthread_mutex_init(&c->lock, NULL);
  return true;
}

void qn__cache_close(qn_cache *c) {
  if (c->fd >= 0) close(c->fd);
  pthread_mutex_destroy(&c->lock);
}

/* The first thing that is wrong is kept. With the lock held. */
static void note(qn_cache *c, const char *fmt, ...) QN_PRINTF(2, 3);
static void note(qn_cache *c, const char *fmt, ...) {
  if (c->note[0]) return;
  va_list args;
  va_start(args, fmt);
  vsnprintf(c->note, sizeof c->note, fmt, args);
  va_end(args);
}

static void note_errno(qn_cache *c, const char *what, int error) {
  char reason[128];
  if (strerror_r(error, reason, sizeof reason) != 0) snprintf(reason, sizeof reason, "error %d", error);
  note(c, "%s: %s", what, reason);
}

/* As many bytes as qn_cache.folder has. */
static void make_folders(const char *path) {
  char part[4096];
  for (size_t i = 1;; i++) {
    if (path[i - 1] == 0) return;
    if (path[i] != '/' && path[i] != 0) continue;
    memcpy(part, path, i);
    part[i] = 0;
    mkdir(part, 0700); /* those that are there stay as they are */
  }
}

/* With the lock held: opens the folder once. Ours alone, or not at all: what is in it is run. */
static void open_folder(qn_cache *c) {
  struct stat st;
  if (c->tried) return;
  c->tried = true;
  int fd = open(c->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) {
    make_folders(c->folder);
    fd = open(c->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  }
  if (fd < 0 || fstat(fd, &st) != 0) {
    note_errno(c, "cannot open it", errno);
  } else if (st.st_uid != geteuid() || (st.st_mode & 022)) {
    note(c, "others own it or may write to it");
    close(fd);
    fd = -1;
  }
  c->fd = fd;
  c->readable = c->writable = fd >= 0;
}

static int folder(qn_cache *c, bool to_write) {
  pthread_mutex_lock(&c->lock);
  open_folder(c);
  int fd = (to_write ? c->writable : c->readable) ? c->fd : -1;
  pthread_mutex_unlock(&c->lock);
  return fd;
}

/* ---- reading ---- */

static bool read_all(int fd, void *data, size_t size) {
  for (char *at = data; size > 0;) {
    ssize_t n = read(fd, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    size -= (size_t)n;
  }
  return true;
}

static bool read_object(int fd, const struct stat *st, const qn_cache_key *key, qn_buf *out) {
  cache_head head;
  if (!S_ISREG(st->st_mode) || st->st_uid != geteuid() || (st->st_mode & 022)) return false;
  if (st->st_size <= (off_t)sizeof head || st->st_size > MOST_OBJECT) return false;
  size_t size = (size_t)st->st_size - sizeof head;
  char *object = qn__alloc(out->allocator, size);
  bool ok = object && read_all(fd, &head, sizeof head) && read_all(fd, object, size);
  if (ok) {
    cache_head good = head_of(key, object, size);
    ok = !memcmp(&good, &head, sizeof head);
  }
  if (ok) qn__buf_put(out, object, size);
  qn__free(out->allocator, object, size);
  return ok && !out->failed;
}

bool qn__cache_get(qn_cache *c, const qn_cache_key *key, qn_buf *out) {
  int at = folder(c, false);
  if (at < 0) return false;
  char name[NAME_BYTES];
  struct stat st;
  name_of(key, name);
  int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return false;
  bool ok = fstat(fd, &st) == 0 && read_object(fd, &st, key, out);
  if (ok && time(NULL) - st.st_mtime > FRESH_SECONDS) futimens(fd, NULL);
  close(fd);
  return ok;
}

/* ---- writing ---- */

static int write_all(int fd, const void *data, size_t size) {
  for (const char *at = data; size > 0;) {
    ssize_t n = write(fd, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? errno : ENOSPC;
    at += n;
    size -= (size_t)n;
  }
  return 0;
}

void qn__cache_put(qn_cache *c, const qn_cache_key *key, const void *object, size_t size) {
  static atomic_uint serial;
  int at = folder(c, true);
  if (at < 0 || size == 0 || size > MOST_OBJECT - sizeof(cache_head)) return;
  char name[NAME_BYTES], temp[64];
  name_of(key, name);
  snprintf(temp, sizeof temp, ".%ld-%u.tmp", (long)getpid(), atomic_fetch_add(&serial, 1));
  int fd = openat(at, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), error = fd < 0 ? errno : 0;
  if (fd >= 0) {
    cache_head head = head_of(key, object, size);
    error = write_all(fd, &head, sizeof head);
    if (!error) error = write_all(fd, object, size);
    if (close(fd) != 0 && !error) error = errno;
    if (!error && renameat(at, temp, at, name) != 0) error = errno;
    if (error) unlinkat(at, temp, 0);
  }
  if (error && error != EEXIST) {
    pthread_mutex_lock(&c->lock);
    c->writable = false;
    note_errno(c, "cannot write to it", error);
    pthread_mutex_unlock(&c->lock);
  } else if (key->digest.digest[0] % TRIM_EVERY == 0) {
    qn__cache_trim(c);
  }
}

/* ---- the bound ---- */

typedef struct entry {
  char name[NAME_BYTES];
  uint64_t size;
  struct timespec used;
} entry;

typedef struct listing {
  entry *entries;
  size_t count, cap;
  uint64_t bytes;
} listing;

static bool add_entry(listing *l, const qn_allocator *a, const char *name, const struct stat *st) {
  if (l->count == l->cap) {
    size_t cap = l->cap ? 2 * l->cap : 256;
    entry *more = qn__resize(a, l->entries, l->cap * sizeof *more, cap * sizeof *more);
    if (!more) return false;
    l->entries = more, l->cap = cap;
  }
  entry *e = &l->entries[l->count++];
  memcpy(e->name, name, NAME_BYTES);
  e->size = (uint64_t)st->st_size;
  e->used = st->st_mtim;
  l->bytes += e->size;
  return true;
}

/* Files of ours; temporary files that nobody will finish are removed on the way. */
static void list_folder(int at, DIR *dir, const qn_allocator *a, listing *l) {
  for (struct dirent *d; (d = readdir(dir)) != NULL;) {
    struct stat st;
    size_t n = strlen(d->d_name);
    bool temp = d->d_name[0] == '.' && n > 4 && !strcmp(d->d_name + n - 4, ".tmp");
    bool ours = n + 1 == NAME_BYTES && !strcmp(d->d_name + n - strlen(SUFFIX), SUFFIX);
    if ((!temp && !ours) || fstatat(at, d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode)) continue;
    if (temp && time(NULL) - st.st_mtime > STALE_SECONDS) unlinkat(at, d->d_name, 0);
    if (ours && !add_entry(l, a, d->d_name, &st)) return;
  }
}

static int by_use(const void *a, const void *b) {
  const struct timespec *x = &((const entry *)a)->used, *y = &((const entry *)b)->used;
  if (x->tv_sec != y->tv_sec) return x->tv_sec < y->tv_sec ? -1 : 1;
  return x->tv_nsec < y->tv_nsec ? -1 : x->tv_nsec > y->tv_nsec;
}

void qn__cache_trim(qn_cache *c) {
  int at = folder(c, true);
  /* An open file description of its own: those of one folder would share their place in it. */
  int fd = at < 0 ? -1 : openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = fd < 0 ? NULL : fdopendir(fd);
  if (!dir) {
    if (fd >= 0) close(fd);
    return;
  }
  qn_allocator a = qn_allocator_default();
  listing l = {.count = 0};
  list_folder(at, dir, &a, &l);
  closedir(dir);
  if (l.bytes > c->max_bytes) {
    qsort(l.entries, l.count, sizeof *l.entries, by_use);
    for (size_t i = 0; i < l.count && l.bytes > c->max_bytes / 4 * 3; i++) {
      unlinkat(at, l.entries[i].name, 0); /* another process may have done it */
      l.bytes -= l.entries[i].size;
    }
  }
  qn__free(&a, l.entries, l.cap * sizeof *l.entries);
}
