#define _DEFAULT_SOURCE /* madvise */
#include "alloc.h"
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

void qn__want_large_pages(void *block, size_t size) {
#ifdef MADV_HUGEPAGE
  const uintptr_t page = QN_LARGE_PAGE;
  uintptr_t from = ((uintptr_t)block + page - 1) & ~(page - 1), to = ((uintptr_t)block + size) & ~(page - 1);
  /* Only a hint: when it fails, the pages are small. So are those that an allocator has handed out before, unless they
   * are given back first. */
  if (from >= to || madvise((void *)from, to - from, MADV_HUGEPAGE)) return;
#  ifdef MADV_DONTNEED
  (void)madvise((void *)from, to - from, MADV_DONTNEED);
#  endif
#else
  (void)block, (void)size;
#endif
}

void qn__give_back_pages(const void *data, size_t size) {
#ifdef MADV_DONTNEED
  long bytes = sysconf(_SC_PAGESIZE);
  if (bytes <= 0) return;
  const uintptr_t page = (uintptr_t)bytes;
  uintptr_t from = ((uintptr_t)data + page - 1) & ~(page - 1), to = ((uintptr_t)data + size) & ~(page - 1);
  if (from < to) (void)madvise((void *)from, to - from, MADV_DONTNEED);
#else
  (void)data, (void)size;
#endif
}
