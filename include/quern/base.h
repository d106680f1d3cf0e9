/* Status codes, string views, the allocator, export marks: what every other header needs. */
#ifndef QUERN_BASE_H
#define QUERN_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#  define QN_API
#else
#  define QN_API __attribute__((visibility("default")))
#endif

/* Lets the compiler check printf-like arguments; nothing where it cannot. */
#if defined(__GNUC__)
#  define QN_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#else
#  define QN_PRINTF(fmt, first)
#endif

#define QN_VERSION_MAJOR  0
#define QN_VERSION_MINOR  1
#define QN_VERSION_PATCH  0
#define QN_VERSION_STRING "0.1.0"

/* The result of every call that can fail. Anything but QN_OK has been reported to the context's diagnostic handler
 * already, unless a function says otherwise. A null pointer where a function needs something is QN_ERR_INPUT, and where
 * there is no context to be asked for one, nothing but that. */
typedef enum qn_status {
  QN_OK = 0,
  QN_ERR_INPUT,       /* text, model, data or arguments are wrong: a diagnostic says where */
  QN_ERR_UNSUPPORTED, /* well formed, but nothing here can do it: a diagnostic names it */
  QN_ERR_IO,          /* the operating system refused: its reason is in the diagnostic */
  QN_ERR_NO_MEMORY,   /* the caller's allocator returned null */
  QN_ERR_INTERNAL     /* a defect of Quern or of a library under it */
} qn_status;

/* A view of characters, not terminated, not owned. Data may be null when size is 0. */
typedef struct qn_str {
  const char *data;
  size_t size;
} qn_str;

QN_API qn_str qn_str_of(const char *terminated);
QN_API bool qn_str_eq(qn_str a, qn_str b);

/* One function allocates, resizes and frees, as in Lua:
 *   ptr null:        allocate new_size bytes (old_size is 0)
 *   new_size 0:      free ptr, return null
 *   otherwise:       resize from old_size, keeping the contents; on failure return null and leave ptr valid
 * Returned memory is aligned for max_align_t. Called only from the thread that uses the context it was given to,
 * but for compiled programs, whose calls do not allocate at all. */
typedef struct qn_allocator {
  void *(*resize)(void *user, void *ptr, size_t old_size, size_t new_size);
  void *user;
} qn_allocator;

/* realloc and free of the C library. */
QN_API qn_allocator qn_allocator_default(void);

#ifdef __cplusplus
}
#endif
#endif
