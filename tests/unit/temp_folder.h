/* A folder for one test. */
#ifndef QN_TEST_TEMP_FOLDER_H
#define QN_TEST_TEMP_FOLDER_H
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Makes /tmp/quern-NAME-?????? and puts its path into `out`. */
static inline bool make_temp_folder(const char *name, char *out, size_t size) {
  char six[7] = "";
  memset(six, 'X', 6); /* what mkdtemp replaces */
  return (size_t)snprintf(out, size, "/tmp/quern-%s-%s", name, six) < size && mkdtemp(out);
}
#endif
