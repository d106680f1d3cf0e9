/* Stand-ins for the variables and functions of libc that a library must not let libtcc have. The variables are set, and
 * the jump is valid, while the lock of jit.c is held; nothing here is state between compilations. */
#include "libtcc_host.h"
#include <stddef.h>
#include <stdio.h>

#if defined(QUERN_TCC_EMBEDDED)
FILE *qn__tcc_stdout, *qn__tcc_stderr;
char **qn__tcc_environ;
static jmp_buf *way_out;

void qn__tcc_exit(int code);
void qn__tcc_assert_fail(const char *what, const char *file, unsigned line, const char *function);
int qn__tcc_mprotect(void *start, size_t size, int protection);
void *qn__tcc_dlsym(void *handle, const char *name);

void qn__tcc_exit(int code) {
  (void)code;
  longjmp(*way_out, 1);
}

void qn__tcc_assert_fail(const char *what, const char *file, unsigned line, const char *function) {
  (void)what, (void)file, (void)line, (void)function;
  longjmp(*way_out, 1);
}

/* The pages get their final protection from jit.c. */
int qn__tcc_mprotect(void *start, size_t size, int protection) {
  (void)start, (void)size, (void)protection;
  return 0;
}

void *qn__tcc_dlsym(void *handle, const char *name) {
  (void)handle, (void)name;
  return NULL;
}

void qn__tcc_host_enter(jmp_buf *on_exit) {
  static char *nothing[] = {NULL};
  qn__tcc_stdout = stdout;
  qn__tcc_stderr = stderr;
  qn__tcc_environ = nothing;
  way_out = on_exit;
}

void qn__tcc_host_leave(void) {
  way_out = NULL;
}
#else
void qn__tcc_host_enter(jmp_buf *on_exit) {
  (void)on_exit;
}
void qn__tcc_host_leave(void) {}
#endif
