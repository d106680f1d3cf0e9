#define _GNU_SOURCE /* mknod */
/* What the benchmarks read and write: files of shapes, and reports that appear whole or not at all. */
#include "../bench/bench.h"
#include "temp_folder.h"
#include "unit.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[256];

static int setup(void **state) {
  (void)state;
  return make_temp_folder("bench-files", folder, sizeof folder) ? 0 : -1;
}

static int teardown(void **state) {
  (void)state;
  return rmdir(folder); /* every test leaves it empty */
}

static const char *at(const char *name) {
  static char path[2][300];
  static int turn;
  turn = !turn;
  snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
  return path[turn];
}

/* The shapes of a file of these bytes, or -1. */
static int shapes_of(const char *bytes, size_t size, bench_shape *first) {
  FILE *f = fopen(at("shapes"), "w");
  assert_non_null(f);
  assert_true(fwrite(bytes, 1, size, f) == size && fclose(f) == 0);
  size_t n = 0;
  bench_shape *shapes = shapes_read(at("shapes"), &n);
  if (shapes && first) *first = shapes[n - 1];
  free(shapes);
  assert_int_equal(unlink(at("shapes")), 0);
  return shapes ? (int)n : -1;
}

static int shapes_in(const char *rows) {
  return shapes_of(rows, strlen(rows), NULL);
}

static void test_shapes(void **state) {
  (void)state;
  bench_shape s;
  const char *rows = "# section encoder\n 1 2 3 # first\n\n\t128 768\t3072\r\n# done";
  assert_int_equal(shapes_of(rows, strlen(rows), &s), 2);
  assert_true(s.m == 128 && s.n == 768 && s.k == 3072);
  assert_string_equal(s.section, "encoder");
  assert_int_equal(shapes_in("1 2 3"), 1);
  assert_int_equal(shapes_in("1048576 1 16"), 1);
}

static void test_shapes_refused(void **state) {
  (void)state;
  static const char *const bad[] = {"",
                                    "# nothing",
                                    "1 2",
                                    "1 2 3 4",
                                    "1,2,3",
                                    "0 1 1",
                                    "-1 2 3",
                                    "1.5 2 3",
                                    "0x10 2 3",
                                    "99999999999999999999 1 1",
                                    "1048577 1 1",
                                    "one 2 3",
                                    "1 2 3\nx",
                                    "1048576 1048576 1",
                                    "100000 100000 1000"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (shapes_in(bad[i]) != -1) fail_msg("'%s' was read", bad[i]);
  assert_int_equal(shapes_of("1 2 3\0 4\n", 9, NULL), -1);
  char longer[600];
  memset(longer, ' ', sizeof longer);
  assert_int_equal(shapes_of(longer, sizeof longer, NULL), -1);
}

/* Files without an end. */
static void test_shapes_endless(void **state) {
  (void)state;
  size_t n;
  assert_null(shapes_read("/dev/zero", &n));
  assert_null(shapes_read(folder, &n));
  assert_null(shapes_read(at("no-such"), &n));
  enum { MANY = 10001 };
  char *rows = malloc(6 * MANY + 1);
  assert_non_null(rows);
  for (int i = 0; i < MANY; i++) memcpy(rows + 6 * i, "1 2 3\n", 7);
  assert_int_equal(shapes_of(rows, 6 * (MANY - 1), NULL), MANY - 1);
  assert_int_equal(shapes_of(rows, 6 * MANY, NULL), -1);
  free(rows);
}

static bool put(const char *path, const char *words) {
  outfile o;
  if (!outfile_open(&o, path)) return false;
  fputs(words, o.file);
  return outfile_close(&o);
}

static void test_report_whole(void **state) {
  (void)state;
  char got[16] = "";
  assert_true(outfile_possible(at("r.json")));
  assert_int_equal(access(at("r.json"), F_OK), -1);
  assert_true(put(at("r.json"), "one") && put(at("r.json"), "two"));
  FILE *f = fopen(at("r.json"), "r");
  assert_non_null(f);
  assert_non_null(fgets(got, sizeof got, f));
  fclose(f);
  assert_string_equal(got, "two");
  assert_int_equal(unlink(at("r.json")), 0);
}

static void test_report_refused(void **state) {
  (void)state;
  char longer[5000];
  memset(longer, 'a', sizeof longer);
  longer[sizeof longer - 1] = 0;
  const char *const bad[] = {folder, at("no/r.json"), longer};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(outfile_possible(bad[i]) || put(bad[i], "text"));
}

/* A device is written to and stays one; a full one is told of. A copy of it: should this fail, the machine's stays. */
static void test_report_devices(void **state) {
  (void)state;
  struct stat is;
  assert_int_equal(stat("/dev/full", &is), 0);
  if (mknod(at("full"), S_IFCHR | 0600, is.st_rdev)) {
    assert_int_equal(errno, EPERM); /* only root makes devices */
    return;
  }
  int fd = open(at("full"), O_WRONLY);
  if (fd >= 0) { /* a folder without devices lets none be opened */
    close(fd);
    assert_true(outfile_possible(at("full")));
  }
  assert_false(put(at("full"), "text"));
  assert_true(stat(at("full"), &is) == 0 && S_ISCHR(is.st_mode));
  assert_int_equal(unlink(at("full")), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_shapes),       cmocka_unit_test(test_shapes_refused), cmocka_unit_test(test_shapes_endless),
      cmocka_unit_test(test_report_whole), cmocka_unit_test(test_report_refused), cmocka_unit_test(test_report_devices),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
