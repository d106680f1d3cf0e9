#include "thread.h"
#include <signal.h>

enum { STACK_BYTES = 8 << 20 };

bool qn__thread_start(pthread_t *id, void *(*run)(void *), void *arg) {
  pthread_attr_t attr;
  sigset_t all, before;
  if (pthread_attr_init(&attr)) return false;
  pthread_attr_setstacksize(&attr, STACK_BYTES);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failed = pthread_create(id, &attr, run, arg);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attr);
  return !failed;
}
