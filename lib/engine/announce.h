/* Machine code made known by name to the tools that look at a process from outside. */
#ifndef QN_ANNOUNCE_H
#define QN_ANNOUNCE_H
#include <stddef.h>
#include <stdint.h>

/* Tells the tools that `how` (bits of qn_symbols) names that `bytes` of machine code lie at `code` under this name.
 * Thread-safe. What fails here (a folder that cannot be written) leaves the code unknown and nothing else. The answer
 * goes to qn__announce_end before the code is unmapped; it may be null. */
void *qn__announce(uint32_t how, const char *name, const void *code, size_t bytes);
void qn__announce_end(void *announced);
#endif
