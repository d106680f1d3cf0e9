/* What it takes until a kernel runs: each kind of start in processes of its own, the best of several. */
#include "setup.h"
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { MAX_KEYS = 256 };

typedef struct known {
  char key[96];
  double us;
} known;

typedef struct bests {
  known each[MAX_KEYS];
  int n;
} bests;

static void keep(bests *b, const char *key, double us) {
  int i = 0;
  while (i < b->n && strcmp(b->each[i].key, key)) i++;
  if (i == MAX_KEYS) {
    fprintf(stderr, "quern-bench-peers: no room for '%s': MAX_KEYS is %d\n", key, MAX_KEYS);
    return;
  }
  if (i == b->n) {
    snprintf(b->each[i].key, sizeof b->each[i].key, "%s", key);
    b->each[b->n++].us = us;
  }
  if (us < b->each[i].us) b->each[i].us = us;
}

/* Runs this program as `--setup-child what folder`; its lines are `us key`. False when it failed. */
static bool child(const char *what, const char *folder, bests *b) {
  char self[512], line[256];
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  int out[2], status = 1;
  pid_t pid;
  posix_spawn_file_actions_t actions;
  if (n <= 0 || pipe(out)) return false;
  self[n] = 0;
  char *argv[] = {self, (char *)(size_t)SETUP_CHILD, (char *)(size_t)what, (char *)(size_t)folder, NULL};
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  posix_spawn_file_actions_addclose(&actions, out[0]);
  bool good = posix_spawn(&pid, self, &actions, NULL, argv, environ) == 0;
  posix_spawn_file_actions_destroy(&actions);
  close(out[1]);
  FILE *f = good ? fdopen(out[0], "r") : NULL;
  if (!f) return close(out[0]), false;
  while (fgets(line, sizeof line, f)) {
    char *key;
    double us = strtod(line, &key);
    key[strcspn(key, "\n")] = 0;
    if (us > 0 && *key == ' ') keep(b, key + 1, us);
  }
  fclose(f);
  return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static double process_start(const char *tool) {
  char *argv[] = {(char *)(size_t)tool, (char *)(size_t) "isa", NULL};
  double best = 0;
  for (int i = 0; i < 7; i++) {
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status = 1;
    double start = seconds_now();
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", 1, 0);
    bool good = posix_spawn(&pid, tool, &actions, NULL, argv, environ) == 0 && waitpid(pid, &status, 0) == pid;
    posix_spawn_file_actions_destroy(&actions);
    double took = seconds_now() - start;
    if (!good || status) return 0;
    if (i == 0 || took < best) best = took;
  }
  return best * 1e6;
}

bool row_setup(qn_context *ctx, const options *o, report *r) {
  static const char *const kinds[] = {"kernels", "bodies", "encoder", "tcc", "peers", "cached", "encoder-cached"};
  char folder[] = "/tmp/quern-bench-XXXXXX";
  bool good = mkdtemp(folder) != NULL;
  (void)ctx;
  unpin_thread(); /* bodies may be compiled on several threads */
  /* LIBXSMM sets it, and the OpenMP library of another peer would then hold the new processes on one processor. */
  unsetenv("OMP_PROC_BIND");
  double start = o->tool ? process_start(o->tool) : 0;
  if (start > 0) report_time(r, "setup", "process start, 'quern isa'", start);
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds && good; i++) {
    bests kind = {.n = 0};
    for (int run = 0; run < (o->quick ? 3 : 7) && good; run++) {
      bests once = {.n = 0};
      good = child(kinds[i], folder, &once);
      if (run == 0 && strstr(kinds[i], "cached")) continue; /* this one filled the cache */
      for (int j = 0; j < once.n; j++) keep(&kind, once.each[j].key, once.each[j].us);
    }
    for (int j = 0; j < kind.n; j++) report_time(r, "setup", kind.each[j].key, kind.each[j].us);
    if (!good) fprintf(stderr, "quern-bench-peers: the process that measures '%s' failed\n", kinds[i]);
  }
  remove_folder(folder);
  if (o->threads == 1) pin_thread();
  return good;
}
