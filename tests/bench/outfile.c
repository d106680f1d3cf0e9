/* Files that are there whole or not at all. Devices, pipes and sockets are written through: they are never replaced. */
#include "bench.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool written_through(const char *path) {
  struct stat is;
  return stat(path, &is) == 0 && !S_ISREG(is.st_mode) && !S_ISDIR(is.st_mode);
}

static bool complain(const char *path, int error) {
  fprintf(stderr, "quern-bench-peers: %s could not be written: %s\n", path, strerror(error));
  return false;
}

bool outfile_open(outfile *o, const char *path) {
  struct stat is;
  o->path = path, o->through = written_through(path), o->file = NULL;
  if (stat(path, &is) == 0 && S_ISDIR(is.st_mode)) return complain(path, EISDIR);
  int n = snprintf(o->part, sizeof o->part, "%s.part", path);
  if (n < 0 || (size_t)n >= sizeof o->part) return complain(path, ENAMETOOLONG);
  o->file = fopen(o->through ? path : o->part, "w");
  return o->file || complain(path, errno);
}

bool outfile_close(outfile *o) {
  errno = 0;
  bool good = fflush(o->file) == 0 && !ferror(o->file);
  int error = errno;
  if (fclose(o->file) != 0 && good) good = false, error = errno;
  if (good && !o->through && rename(o->part, o->path) != 0) good = false, error = errno;
  if (!good && !o->through) remove(o->part);
  return good || complain(o->path, error);
}

bool outfile_possible(const char *path) {
  outfile o;
  if (written_through(path)) return access(path, W_OK) == 0 || complain(path, errno);
  if (!outfile_open(&o, path)) return false;
  fclose(o.file);
  remove(o.part);
  return true;
}
