/* What the tests of stores share: a folder of their own, a context that keeps the last diagnostic, file building. */
#ifndef QN_TEST_STORE_TEST_H
#define QN_TEST_STORE_TEST_H
#include "failing_alloc.h"
#include "temp_folder.h"
#include "unit.h"
#include <dirent.h>
#include <quern/store.h>
#include <stdio.h>
#include <unistd.h>

static char folder[256];
static qn_context *ctx;
static size_t errors;
static qn_diag_code last_code;
static char last[1024], last_entity[256], last_file[512];

static void on_diag(void *user, const qn_diag *diag) {
  (void)user;
  errors++;
  last_code = diag->code;
  snprintf(last, sizeof last, "%s", diag->message.data);
  snprintf(last_entity, sizeof last_entity, "%.*s", (int)diag->place.entity.size, diag->place.entity.data);
  snprintf(last_file, sizeof last_file, "%.*s", (int)diag->place.file.size, diag->place.file.data);
}

static int setup(void **state) {
  (void)state;
  errors = 0;
  ctx = qn_context_create(&(qn_context_options){.on_diag = on_diag});
  return make_temp_folder("store", folder, sizeof folder) && ctx ? 0 : -1;
}

static inline size_t count_files(bool remove_them) {
  size_t n = 0;
  DIR *d = opendir(folder);
  for (struct dirent *e; (e = readdir(d));) {
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
    n++;
    char path[600];
    snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
    if (remove_them) remove(path);
  }
  closedir(d);
  return n;
}

static int teardown(void **state) {
  (void)state;
  count_files(true);
  rmdir(folder);
  qn_context_destroy(ctx);
  return 0;
}

static inline const char *at(const char *name) {
  static char paths[4][400];
  static int next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  return path;
}

typedef struct bytes {
  uint8_t data[1 << 16];
  size_t size;
} bytes;

static inline void put(bytes *b, const void *data, size_t size) {
  assert_true(size <= sizeof b->data - b->size);
  memcpy(b->data + b->size, data, size);
  b->size += size;
}

static inline void read_bytes(const char *path, bytes *b) {
  FILE *f = fopen(path, "rb");
  assert_non_null(f);
  b->size = fread(b->data, 1, sizeof b->data, f);
  assert_true(b->size < sizeof b->data);
  fclose(f);
}

/* Opens, reads every tensor, closes. The bytes are copied to a block of their exact size, so that the sanitizer sees
 * any read beyond. */
static inline qn_status read_everything(qn_context *c, const void *data, size_t size) {
  uint8_t *exact = malloc(size ? size : 1);
  if (size) memcpy(exact, data, size);
  qn_store *store;
  qn_status status = qn_store_open_memory(c, "memory", exact, size, &store);
  if (status == QN_OK)
    for (size_t i = 0; i < qn_store_count(store); i++) {
      qn_tensor t;
      qn_status one = qn_store_tensor(store, i, &t);
      if (one) {
        assert_null(t.data);
        status = one;
        continue;
      }
      unsigned sum = 0;
      for (size_t j = 0; j < qn_tensor_bytes(&t); j++) sum += ((const uint8_t *)t.data)[j];
      if (sum == 0xFFFFFFFFu) fputs("", stdout); /* keeps the reads */
    }
  else
    assert_null(store);
  qn_store_close(store);
  free(exact);
  return status;
}

/* Every truncation and every byte changed in several ways: none may crash, leak or read out of bounds, and each failure
 * is reported. */
static inline void mutate(const bytes *good) {
  static const uint8_t flips[] = {0x01, 0x80, 0xFF, 0x10, 0x06};
  static bytes b;
  assert_int_equal(read_everything(ctx, good->data, good->size), QN_OK);
  for (size_t n = 0; n < good->size; n++) {
    size_t before = errors;
    qn_status status = read_everything(ctx, good->data, n);
    assert_true((status != QN_OK) == (errors > before));
    assert_int_not_equal(status, QN_OK);
  }
  for (size_t i = 0; i < good->size; i++)
    for (size_t f = 0; f < sizeof flips; f++) {
      b = *good;
      b.data[i] ^= flips[f];
      size_t before = errors;
      qn_status status = read_everything(ctx, b.data, b.size);
      assert_true((status != QN_OK) == (errors > before));
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#endif
