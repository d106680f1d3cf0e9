/* Objects kept in a folder between processes: a file per body, named by the key of all that its code depends on.
 *
 * Any number of processes and threads may share a folder: files appear whole (written aside, then renamed) and are
 * never changed. What is not exactly what a reader of this version with this key would have written is ignored and
 * written anew: nothing from a file runs before its checksum has been compared. A folder that others could write to is
 * not used at all. Trouble with the folder never fails a compilation. */
#ifndef QN_CACHE_H
#define QN_CACHE_H
#include "backend.h"
#include "buf.h"
#include <pthread.h>
#include <xxhash.h>

typedef struct qn_cache {
  pthread_mutex_t lock;
  char folder[4096];
  uint64_t max_bytes;
  int fd;               /* of the folder, -1 before the first use */
  bool tried, readable; /* whether it was opened, and may be read */
  bool writable;        /* until a write fails */
  bool told;            /* the note has been given to somebody */
  char note[320];       /* what is wrong with it; empty when nothing is */
} qn_cache;

typedef struct qn_cache_key {
  XXH128_canonical_t digest;
} qn_cache_key;

/* False when the path is too long. */
bool qn__cache_init(qn_cache *c, const char *folder, uint64_t max_bytes);
void qn__cache_close(qn_cache *c);
/* The key of a body's object. False when there is no code generator whose work it could be. */
bool qn__cache_key(const qn_body *body, qn_cache_key *out);
/* Appends the object to `out`; false when the folder has none. */
bool qn__cache_get(qn_cache *c, const qn_cache_key *key, qn_buf *out);
void qn__cache_put(qn_cache *c, const qn_cache_key *key, const void *object, size_t size);
/* Removes the oldest files until the folder is well below its bound. */
void qn__cache_trim(qn_cache *c);
#endif
