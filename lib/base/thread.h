/* Threads of the library's own. */
#ifndef QN_THREAD_H
#define QN_THREAD_H
#include <pthread.h>
#include <stdbool.h>

/* Starts one with stack enough for code generators, which recurse, and no signals, which are for the embedder's
 * threads. False when there are none to be had. */
bool qn__thread_start(pthread_t *id, void *(*run)(void *), void *arg);
#endif
