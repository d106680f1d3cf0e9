/* Time for measuring how long things take. Thread-safe; nothing else may depend on it. */
#ifndef QN_CLOCK_H
#define QN_CLOCK_H

/* Nanoseconds since some moment of the past; never goes back. */
double qn__now_ns(void);
#endif
