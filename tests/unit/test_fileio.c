/* Files: reading by mapping and from pipes, writing beside and renaming, devices, folders, full disks. */
#include "failing_alloc.h"
#include "fileio.h"
#include "temp_folder.h"
#include "unit.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[256];
static qn_context *ctx;
static size_t errors;
static qn_diag_code last_code;
static char last[512];

static void on_diag(void *user, const qn_diag *diag) {
  (void)user;
  errors++;
  last_code = diag->code;
  snprintf(last, sizeof last, "%s", diag->message.data);
}

static int setup(void **state) {
  (void)state;
  errors = 0;
  ctx = qn_context_create(&(qn_context_options){.on_diag = on_diag});
  return make_temp_folder("fileio", folder, sizeof folder) && ctx ? 0 : -1;
}

static size_t count_files(bool remove_them) {
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

static const char *at(const char *name) {
  static char paths[4][400];
  static int next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  return path;
}

static qn_status write_text(const char *path, const char *text) {
  qn_writer w;
  qn_status status = qn__writer_open(ctx, path, &w);
  if (status) return status;
  qn__writer_put(&w, text, strlen(text));
  return qn__writer_commit(&w);
}

static void assert_content(const char *path, const char *text) {
  qn_file file;
  assert_int_equal(qn__file_open(ctx, path, &file), QN_OK);
  assert_int_equal(file.size, strlen(text));
  assert_memory_equal(file.data, text, file.size);
  qn__file_close(&file);
  qn__file_close(&file);
}

static void test_write_read(void **state) {
  (void)state;
  assert_int_equal(write_text(at("a"), "first"), QN_OK);
  assert_content(at("a"), "first");
  assert_int_equal(write_text(at("a"), "second, longer"), QN_OK);
  assert_content(at("a"), "second, longer");
  assert_int_equal(write_text(at("empty"), ""), QN_OK);
  assert_content(at("empty"), "");
  assert_int_equal(count_files(false), 2);
  assert_int_equal(errors, 0);
}

static void test_nothing_before_commit(void **state) {
  (void)state;
  assert_int_equal(write_text(at("a"), "old"), QN_OK);
  qn_writer w;
  assert_int_equal(qn__writer_open(ctx, at("a"), &w), QN_OK);
  assert_true(qn__writer_put(&w, "new", 3));
  assert_content(at("a"), "old");
  qn__writer_abandon(&w);
  qn__writer_abandon(&w);
  assert_content(at("a"), "old");
  assert_int_equal(count_files(false), 1);
}

static void test_two_writers(void **state) {
  (void)state;
  qn_writer w[2];
  for (int i = 0; i < 2; i++) assert_int_equal(qn__writer_open(ctx, at("a"), &w[i]), QN_OK);
  assert_true(qn__writer_put(&w[0], "zero", 4));
  assert_true(qn__writer_put(&w[1], "one", 3));
  assert_int_equal(qn__writer_commit(&w[0]), QN_OK);
  assert_content(at("a"), "zero");
  assert_int_equal(qn__writer_commit(&w[1]), QN_OK);
  assert_content(at("a"), "one");
  assert_int_equal(count_files(false), 1);
}

static void test_mode_kept(void **state) {
  (void)state;
  struct stat st;
  assert_int_equal(write_text(at("a"), "x"), QN_OK);
  assert_int_equal(chmod(at("a"), 0640), 0);
  assert_int_equal(write_text(at("a"), "y"), QN_OK);
  assert_int_equal(stat(at("a"), &st), 0);
  assert_int_equal(st.st_mode & 07777, 0640);
}

static void test_links(void **state) {
  (void)state;
  struct stat st;
  assert_int_equal(write_text(at("a"), "x"), QN_OK);
  assert_int_equal(symlink("a", at("link")), 0);
  assert_int_equal(write_text(at("link"), "through"), QN_OK);
  assert_content(at("a"), "through");
  assert_int_equal(lstat(at("link"), &st), 0);
  assert_true(S_ISLNK(st.st_mode));
  assert_int_equal(symlink("nowhere/b", at("dangling")), 0);
  assert_int_equal(write_text(at("dangling"), "x"), QN_ERR_IO);
}

static void test_refused(void **state) {
  (void)state;
  qn_file file;
  assert_int_equal(write_text(folder, "x"), QN_ERR_IO);
  assert_non_null(strstr(last, folder));
  assert_non_null(strstr(last, "name of a file"));
  assert_int_equal(write_text(at("new/"), "x"), QN_ERR_IO);
  assert_int_equal(write_text(at("none/a"), "x"), QN_ERR_IO);
  assert_int_equal(write_text("", "x"), QN_ERR_IO);
  assert_int_equal(qn__file_open(ctx, folder, &file), QN_ERR_IO);
  qn__file_close(&file);
  assert_int_equal(qn__file_open(ctx, at("none"), &file), QN_ERR_INPUT);
  assert_int_equal(last_code, QN_DIAG_MISSING);
  qn__file_close(&file);
  assert_int_equal(errors, 6);
  assert_int_equal(count_files(false), 0);
  char name[5000];
  memset(name, 'n', sizeof name);
  name[sizeof name - 1] = 0;
  assert_int_equal(write_text(name, "x"), QN_ERR_IO);
}

static void test_full_disk(void **state) {
  (void)state;
  struct stat st;
  assert_int_equal(write_text("/dev/full", "x"), QN_ERR_IO);
  assert_int_equal(last_code, QN_DIAG_IO);
  assert_non_null(strstr(last, "/dev/full"));
  assert_int_equal(stat("/dev/full", &st), 0);
  assert_true(S_ISCHR(st.st_mode));
  /* The same for a file of our own: the descriptor is made to point to the full device behind the writer's back. */
  assert_int_equal(write_text(at("a"), "old"), QN_OK);
  qn_writer w;
  assert_int_equal(qn__writer_open(ctx, at("a"), &w), QN_OK);
  int full = open("/dev/full", O_WRONLY);
  assert_true(dup2(full, w.fd) >= 0);
  close(full);
  assert_false(qn__writer_put(&w, "x", 1));
  assert_false(qn__writer_put(&w, "y", 1));
  assert_int_equal(qn__writer_commit(&w), QN_ERR_IO);
  assert_content(at("a"), "old");
  assert_int_equal(count_files(false), 1);
}

static void test_devices_and_pipes(void **state) {
  (void)state;
  struct stat st;
  assert_int_equal(write_text("/dev/null", "x"), QN_OK);
  assert_int_equal(stat("/dev/null", &st), 0);
  assert_true(S_ISCHR(st.st_mode));
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  char path[64];
  snprintf(path, sizeof path, "/dev/fd/%d", ends[1]);
  assert_int_equal(write_text(path, "through a pipe"), QN_OK);
  close(ends[1]);
  snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
  assert_content(path, "through a pipe");
  close(ends[0]);
  assert_int_equal(mkfifo(at("fifo"), 0600), 0);
  int reader = open(at("fifo"), O_RDONLY | O_NONBLOCK);
  assert_int_equal(write_text(at("fifo"), "abc"), QN_OK);
  char got[4] = "";
  assert_int_equal(read(reader, got, 3), 3);
  assert_string_equal(got, "abc");
  close(reader);
  assert_int_equal(lstat(at("fifo"), &st), 0);
  assert_true(S_ISFIFO(st.st_mode));
  assert_int_equal(errors, 0);
}

static void test_standard_streams(void **state) {
  (void)state;
  int saved_in = dup(0), saved_out = dup(1);
  int out = open(at("out"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  assert_true(write(out, "head ", 5) == 5);
  fflush(stdout);
  dup2(out, 1);
  qn_status first = write_text("-", "body ");
  qn_status second = write_text("/dev/stdout", "tail");
  dup2(saved_out, 1);
  close(saved_out);
  close(out);
  assert_int_equal(first, QN_OK);
  assert_int_equal(second, QN_OK);
  assert_content(at("out"), "head body tail");
  int in = open(at("out"), O_RDONLY);
  dup2(in, 0);
  assert_content("-", "head body tail");
  dup2(saved_in, 0);
  close(saved_in);
  close(in);
}

static void test_large_pipe_read(void **state) {
  (void)state;
  qn_file file; /* a file of size 0 with content */
  assert_int_equal(qn__file_open(ctx, "/proc/self/maps", &file), QN_OK);
  assert_true(file.size > 0 && !file.mapped);
  qn__file_close(&file);
  assert_int_equal(file.size, 0);
}

/* What has no end, or more than its reader takes, is refused before it fills the memory. */
static void test_endless(void **state) {
  (void)state;
  qn_file file;
  qn_writer w;
  assert_int_not_equal(qn__file_open(ctx, "/dev/zero", &file), QN_OK);
  assert_int_equal(last_code, QN_DIAG_LIMIT);
  assert_true(strstr(last, "/dev/zero") && strstr(last, "16777216 bytes"));
  assert_true(file.size == 0 && !file.mapped);
  assert_int_equal(qn__writer_open(ctx, at("five"), &w), QN_OK);
  assert_true(qn__writer_put(&w, "12345", 5));
  assert_int_equal(qn__writer_commit(&w), QN_OK);
  assert_int_equal(qn__file_open_most(ctx, at("five"), 5, &file), QN_OK);
  qn__file_close(&file);
  assert_int_not_equal(qn__file_open_most(ctx, at("five"), 4, &file), QN_OK);
  assert_int_equal(last_code, QN_DIAG_LIMIT);
  assert_int_not_equal(qn__file_open_most(ctx, "/proc/self/maps", 4, &file), QN_OK);
  assert_int_equal(errors, 3);
}

static void test_exhausted(void **state) {
  (void)state;
  for (size_t n = 0;; n++) {
    failing_alloc f;
    qn_allocator a = failing_init(&f, n);
    qn_context *c = qn_context_create(&(qn_context_options){.allocator = &a});
    if (c) {
      qn_writer w;
      qn_status status = qn__writer_open(c, at("a"), &w);
      if (status == QN_OK) {
        assert_true(qn__writer_put(&w, "x", 1));
        status = qn__writer_commit(&w);
        assert_int_equal(status, QN_OK);
      } else {
        assert_int_equal(status, QN_ERR_NO_MEMORY);
        assert_int_equal(qn__writer_commit(&w), QN_ERR_INTERNAL);
      }
      qn_file file;
      status = qn__file_open(c, "/proc/self/maps", &file);
      assert_true(status == QN_OK || status == QN_ERR_NO_MEMORY);
      qn__file_close(&file);
      qn_context_destroy(c);
    }
    assert_true(failing_clean(&f));
    assert_true(count_files(false) <= 1);
    if (!f.fired) break;
  }
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
  const struct CMUnitTest tests[] = {
      T(test_write_read),
      T(test_nothing_before_commit),
      T(test_two_writers),
      T(test_mode_kept),
      T(test_links),
      T(test_refused),
      T(test_full_disk),
      T(test_devices_and_pipes),
      T(test_standard_streams),
      T(test_large_pipe_read),
      T(test_endless),
      T(test_exhausted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
