#define _DEFAULT_SOURCE /* madvise: posix_madvise keeps the pages */
#include "fileio.h"
#include <sys/mman.h>
#include <unistd.h>

void qn__file_passed_range(const qn_file *file, const char *data, size_t size) {
  long page = sysconf(_SC_PAGESIZE);
  if (!file->mapped || page <= 0 || data < file->data || data > file->data + file->size) return;
  if (size > (size_t)(file->data + file->size - data)) return;
  size_t unit = (size_t)page, from = (size_t)(data - file->data), to = (from + size) / unit * unit;
  from = (from + unit - 1) / unit * unit;
  /* Only a hint: when it fails, the pages stay. */
  if (from < to) (void)madvise((void *)(uintptr_t)(file->data + from), to - from, MADV_DONTNEED);
}

void qn__file_passed(qn_file *file, const char *at) {
  if (at > file->data) qn__file_passed_range(file, file->data, (size_t)(at - file->data));
}
