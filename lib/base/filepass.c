#define _DEFAULT_SOURCE /* madvise: posix_madvise keeps the pages */
#include "fileio.h"
#include <sys/mman.h>
#include <unistd.h>

void qn__file_passed(qn_file *file, const char *at) {
  long page = sysconf(_SC_PAGESIZE);
  if (!file->mapped || page <= 0 || at <= file->data) return;
  size_t whole = (size_t)(at - file->data) / (size_t)page * (size_t)page;
  /* Only a hint: when it fails, the pages stay. */
  (void)madvise((void *)(uintptr_t)file->data, whole, MADV_DONTNEED);
}
