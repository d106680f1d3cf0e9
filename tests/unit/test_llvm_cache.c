/* Machine code kept in a folder between processes. Each case runs in processes of its own, forked before LLVM is
 * loaded, so that a process can tell whether it had to load it. */
#define _DEFAULT_SOURCE
#include "cache.h"
#include "program.h"
#include "program_test.h"
#include "temp_folder.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <quern/quern.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { M = 13, N = 37, K = 21 };

typedef struct told {
  int lines;
  char last[512];
} told;

static void on_trace(void *user, qn_str line) {
  told *t = user;
  if (!strstr(line.data, "cache folder")) return;
  t->lines++;
  snprintf(t->last, sizeof t->last, "%.*s", (int)line.size, line.data);
}

static bool llvm_is_loaded(void) {
  FILE *f = fopen("/proc/self/maps", "r");
  char line[4200];
  bool found = false;
  while (f && fgets(line, sizeof line, f)) found |= strstr(line, "libLLVM") != NULL;
  if (f) fclose(f);
  return found;
}

/* Compiles a product and calls it; `behind`: code for open sizes, made behind calls. 0, or the line of what went wrong.
 */
static int run_products(const char *folder, uint64_t bound, told *t, int products, bool behind) {
  static uint8_t a[M * K];
  static int8_t w[K * N];
  static int32_t y[M * N], sums[M * N];
  static float scales[N];
  bytes_fill(a, sizeof a, w, sizeof w);
  bytes_expect(sums, a, w, M, N, K);
  for (int i = 0; i < N; i++) scales[i] = 1;
  qn_context *ctx = qn_context_create(&(qn_context_options){.on_trace = on_trace, .on_trace_user = t});
  if (!ctx || qn_engine_set_cache(ctx, folder, bound)) return __LINE__;
  for (int which = 0; which < products; which++) { /* relu makes other code of it */
    qn_matmul_desc d = {.m = M, .n = N, .k = K, .a = QN_UI8, .b = QN_I8, .y = QN_I32, .a_scale = 1, .b_data = w};
    d.a_zero_point = BYTES_ZERO, d.b_scales = scales, d.b_per_tensor = true, d.relu = which % 2;
    if (behind) d.m = QN_DYNAMIC;
    qn_program *p;
    if (qn_kernel_matmul(ctx, &d, &(qn_compile_options){.engine = behind ? "auto" : "llvm"}, &p)) return __LINE__;
    bytes_tensors of;
    bytes_describe(&of, M, N, K, a, y);
    if (behind && qn_program_prepare(p, &of.in, NULL)) return __LINE__;
    char workspace[4096];
    if (qn_program_call(p, &of.in, &of.out, workspace, sizeof workspace, NULL, NULL)) return __LINE__;
    for (int i = 0; i < M * N; i++)
      if (y[i] != (d.relu && sums[i] < 0 ? 0 : sums[i])) return __LINE__;
    qn_program_destroy(p);
  }
  qn_context_destroy(ctx);
  return 0;
}

typedef struct expectation {
  const char *folder;
  int products;
  bool loads_llvm;
  int lines; /* of trace about the folder */
  rlim_t file_bytes;
  bool behind;
} expectation;

/* In a process of its own: exit code 0 when all is as expected. */
static int child(const expectation *e) {
  told t = {0};
  if (e->file_bytes) { /* as a full file system answers */
    struct rlimit limit = {e->file_bytes, e->file_bytes};
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit)) return 1;
  }
  int line = run_products(e->folder, 0, &t, e->products, e->behind);
  if (line) {
    fprintf(stderr, "line %d\n", line);
    return 2;
  }
  if (llvm_is_loaded() != e->loads_llvm) return 3;
  if (t.lines != e->lines) {
    fprintf(stderr, "%d lines, last: %s\n", t.lines, t.last);
    return 4;
  }
  return 0;
}

static pid_t start(const expectation *e) {
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) _exit(child(e));
  assert_true(pid > 0);
  return pid;
}

static void finish(pid_t pid) {
  int state = 0;
  assert_int_equal(waitpid(pid, &state, 0), pid);
  assert_true(WIFEXITED(state));
  assert_int_equal(WEXITSTATUS(state), 0);
}

static void expect(const char *folder, int products, bool loads_llvm, int lines) {
  finish(start(&(expectation){.folder = folder, .products = products, .loads_llvm = loads_llvm, .lines = lines}));
}

/* ---- files of the folder ---- */

typedef struct files {
  char path[64][512];
  uint32_t count;
  uint64_t bytes;
} files;

static void list_files(const char *folder, files *f) {
  DIR *dir = opendir(folder);
  assert_non_null(dir);
  f->count = 0, f->bytes = 0;
  for (struct dirent *d; (d = readdir(dir)) != NULL;) {
    struct stat st;
    if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, "..")) continue;
    assert_true(f->count < 64);
    snprintf(f->path[f->count], sizeof f->path[0], "%s/%s", folder, d->d_name);
    assert_int_equal(stat(f->path[f->count], &st), 0);
    f->bytes += (uint64_t)st.st_size;
    f->count++;
  }
  closedir(dir);
}

static void remove_folder(const char *folder) {
  files f;
  list_files(folder, &f);
  for (uint32_t i = 0; i < f.count; i++) assert_int_equal(unlink(f.path[i]), 0);
  assert_int_equal(rmdir(folder), 0);
}

static size_t read_file(const char *path, char *data, size_t room) {
  FILE *f = fopen(path, "rb");
  assert_non_null(f);
  size_t n = fread(data, 1, room, f);
  fclose(f);
  return n;
}

static void write_file(const char *path, const char *data, size_t size) {
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(data, 1, size, f), size);
  fclose(f);
}

/* ---- cases ---- */

static void a_second_process_needs_no_llvm(void **state) {
  (void)state;
  char folder[128], below[192];
  files f;
  assert_true(make_temp_folder("cache", folder, sizeof folder));
  snprintf(below, sizeof below, "%s/made/here", folder);
  expect(below, 2, true, 0);
  list_files(below, &f);
  assert_true(f.count >= 2);
  for (uint32_t i = 0; i < f.count; i++) {
    struct stat st;
    assert_int_equal(stat(f.path[i], &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
  }
  expect(below, 2, false, 0);
  remove_folder(below);
  snprintf(below, sizeof below, "%s/made", folder);
  assert_int_equal(rmdir(below), 0);
  assert_int_equal(rmdir(folder), 0);
}

/* Files that are cut, changed in any part, or something else altogether are written anew; the results stay right. */
static void damage_is_noticed(void **state) {
  (void)state;
  static char data[1 << 16];
  char folder[128];
  files f;
  assert_true(make_temp_folder("cache", folder, sizeof folder));
  expect(folder, 2, true, 0);
  list_files(folder, &f);
  for (int how = 0; how < 9; how++) {
    for (uint32_t i = 0; i < f.count; i++) {
      size_t n = read_file(f.path[i], data, sizeof data);
      assert_true(n > 500 && n < sizeof data);
      static const size_t flips[] = {0, 9, 20, 33, 42, 50, 200};
      if (how < 7)
        data[flips[how]] = (char)(data[flips[how]] ^ 0x40);
      else if (how == 7)
        n /= 2;
      else
        n = (size_t)snprintf(data, sizeof data, "something else that is long enough to hold a head, %060d", 7);
      write_file(f.path[i], data, n);
    }
    expect(folder, 2, true, 0);
    expect(folder, 2, false, 0);
  }
  /* Empty files, links, and one body's file under another's name. */
  for (uint32_t i = 0; i < f.count; i++) write_file(f.path[i], "", 0);
  expect(folder, 2, true, 0);
  assert_true(f.count >= 2);
  size_t n = read_file(f.path[0], data, sizeof data);
  write_file(f.path[1], data, n);
  expect(folder, 2, true, 0);
  expect(folder, 2, false, 0);
  char moved[160];
  snprintf(moved, sizeof moved, "%s/moved", folder);
  assert_int_equal(rename(f.path[0], moved), 0);
  assert_int_equal(symlink("moved", f.path[0]), 0);
  expect(folder, 2, true, 0); /* a link is not followed but replaced */
  expect(folder, 2, false, 0);
  remove_folder(folder);
}

static void folders_that_cannot_be_used(void **state) {
  (void)state;
  char folder[128], path[192];
  assert_true(make_temp_folder("cache", folder, sizeof folder));
  snprintf(path, sizeof path, "%s/file", folder);
  write_file(path, "x", 1);
  expect(path, 2, true, 1); /* a file, and something below it: one line for two programs */
  snprintf(path, sizeof path, "%s/file/below", folder);
  expect(path, 2, true, 1);
  expect("/proc/quern-cache", 1, true, 1);
  assert_int_equal(chmod(folder, 0777), 0); /* anyone could put code there */
  expect(folder, 1, true, 1);
  assert_int_equal(chmod(folder, 0700), 0);
  finish(start(&(expectation){.folder = folder, .products = 1, .loads_llvm = true, .lines = 1, .file_bytes = 100}));
  finish(start(&(expectation){
      .folder = folder, .products = 1, .loads_llvm = true, .lines = 1, .file_bytes = 100, .behind = true}));
  files f;
  list_files(folder, &f);
  assert_int_equal(f.count, 1); /* nothing half-written is left */
  expect(folder, 1, true, 0);
  if (geteuid() != 0) { /* root may write anywhere */
    assert_int_equal(chmod(folder, 0500), 0);
    expect(folder, 1, false, 0); /* what is in there is used all the same */
    expect(folder, 2, true, 1);
    assert_int_equal(chmod(folder, 0700), 0);
  }
  remove_folder(folder);
}

static void processes_share_a_folder(void **state) {
  (void)state;
  char folder[128];
  assert_true(make_temp_folder("cache", folder, sizeof folder));
  for (int round = 0; round < 2; round++) {
    pid_t pids[6];
    for (int i = 0; i < 6; i++)
      pids[i] = start(&(expectation){.folder = folder, .products = 2, .loads_llvm = round == 0});
    for (int i = 0; i < 6; i++) finish(pids[i]);
  }
  remove_folder(folder);
}

/* ---- the bound ---- */

static qn_cache_key key_of(uint32_t n) {
  qn_cache_key key;
  XXH128_canonicalFromHash(&key.digest, XXH3_128bits(&n, sizeof n));
  return key;
}

static void *put_many(void *arg) {
  static char object[1000];
  for (uint32_t i = 0; i < 200; i++) {
    qn_cache_key key = key_of(i);
    qn__cache_put(arg, &key, object, sizeof object);
  }
  return NULL;
}

static bool has(qn_cache *c, uint32_t n) {
  qn_allocator a = qn_allocator_default();
  qn_buf out;
  qn__buf_init(&out, &a);
  qn_cache_key key = key_of(n);
  bool yes = qn__cache_get(c, &key, &out) && out.size == 1000;
  qn__buf_free(&out);
  return yes;
}

static void the_oldest_go_first(void **state) {
  (void)state;
  static qn_cache c;
  static char object[1000];
  char folder[128], name[300];
  assert_true(make_temp_folder("cache", folder, sizeof folder));
  assert_true(qn__cache_init(&c, folder, 10500));
  files f;
  for (uint32_t i = 0; i < 20; i++) {
    qn_cache_key key = key_of(i);
    qn__cache_put(&c, &key, object, sizeof object);
    assert_true(has(&c, i));
    /* As if files 5 and 6 had been used last, and the others in turn. */
    list_files(folder, &f);
    snprintf(name, sizeof name, "%s/", folder);
    for (size_t k = 0; k < sizeof key.digest.digest; k++)
      snprintf(name + strlen(name), 3, "%02x", key.digest.digest[k]);
    strcat(name, ".qnb");
    time_t now = time(NULL);
    struct timespec times[2] = {{now - 500 + (i == 5 || i == 6 ? 400 : (time_t)i), 0}, {0, 0}};
    times[1] = times[0];
    assert_int_equal(utimensat(AT_FDCWD, name, times, 0), 0);
  }
  snprintf(name, sizeof name, "%s/.1-2.tmp", folder); /* left behind long ago */
  write_file(name, "x", 1);
  struct timespec old[2] = {{1000, 0}, {1000, 0}};
  assert_int_equal(utimensat(AT_FDCWD, name, old, 0), 0);
  qn__cache_trim(&c);
  list_files(folder, &f);
  assert_true(f.bytes <= 10500);
  assert_true(has(&c, 19) && has(&c, 5) && has(&c, 6));
  assert_true(!has(&c, 0) && !has(&c, 4) && !has(&c, 7));
  assert_int_not_equal(access(name, F_OK), 0);
  pthread_t threads[3]; /* at once, and left alone: the bound holds but for what came since the last look */
  for (int i = 0; i < 3; i++) assert_int_equal(pthread_create(&threads[i], NULL, put_many, &c), 0);
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
  qn__cache_trim(&c);
  list_files(folder, &f);
  assert_true(f.count > 0 && f.bytes <= 10500);
  assert_int_equal(c.note[0], 0);
  qn__cache_close(&c);
  remove_folder(folder);
}

/* ---- programs in files ---- */

enum { MOST = 40 };

static int8_t weights[K * N];
static uint8_t left[MOST * K];

static qn_program *product(qn_context *ctx, int64_t m, const char *engine) {
  bytes_fill(left, sizeof left, weights, sizeof weights);
  return bytes_program(ctx, m, N, K, weights, &(qn_compile_options){.engine = engine});
}

static bool call_with(const qn_program *p, int m) {
  static int32_t y[MOST * N], sums[MOST * N];
  static char workspace[1 << 14];
  bytes_tensors t;
  bytes_fill(left, sizeof left, weights, sizeof weights);
  bytes_describe(&t, m, N, K, left, y);
  bytes_expect(sums, left, weights, m, N, K);
  if (qn_program_call(p, &t.in, &t.out, workspace, sizeof workspace, NULL, NULL)) return false;
  return !memcmp(y, sums, sizeof *y * (size_t)(m * N));
}

static int save_product(const char *path, bool sizes_known, const char *engine) {
  qn_context *ctx = qn_context_create(NULL);
  qn_program *p = ctx ? product(ctx, sizes_known ? 33 : QN_DYNAMIC, engine) : NULL;
  if (!p || qn_program_save(p, path)) return 1;
  qn_program_destroy(p);
  qn_context_destroy(ctx);
  return 0;
}

/* Everything that calls could need is in the file; what is not is the error of whoever asks for it. */
static int run_saved(const char *path, bool sizes_known) {
  setenv("QUERN_LLVM_MODULE", "/nowhere/quern-llvm.so", 1);
  qn_context *ctx = qn_context_create(NULL);
  qn_program *p;
  if (!ctx || qn_program_load(ctx, path, &p)) return 1;
  for (int m = 0; m <= MOST; m++)
    if ((!sizes_known || m == 33) && !call_with(p, m)) return 2;
  qn_call_error error = {.message = ""};
  if ((qn_program_prepare(p, NULL, &error) == QN_OK) == sizes_known) return 3; /* heights that 33 rows never need */
  if (sizes_known && !strstr(error.message, "cannot be compiled")) return 4;
  if (llvm_is_loaded()) return 5;
  qn_program_destroy(p);
  qn_context_destroy(ctx);
  return 0;
}

static void saved_programs_need_no_llvm(void **state) {
  (void)state;
  char folder[128], path[192];
  assert_true(make_temp_folder("cache", folder, sizeof folder));
  for (int which = 0; which < 3; which++) { /* open sizes, known ones, and both tiers */
    snprintf(path, sizeof path, "%s/program-%d", folder, which);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) _exit(save_product(path, which == 1, which == 2 ? "auto" : "llvm"));
    finish(pid);
    pid = fork();
    if (pid == 0) _exit(run_saved(path, which == 1));
    finish(pid);
  }
  remove_folder(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_second_process_needs_no_llvm),
                                     cmocka_unit_test(damage_is_noticed),
                                     cmocka_unit_test(folders_that_cannot_be_used),
                                     cmocka_unit_test(processes_share_a_folder),
                                     cmocka_unit_test(the_oldest_go_first),
                                     cmocka_unit_test(saved_programs_need_no_llvm)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
