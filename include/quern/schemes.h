/* Quantization schemes, from schemes.def. */
#ifndef QUERN_SCHEMES_H
#define QUERN_SCHEMES_H

#include <quern/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qn_scheme {
  const char *name, *weights, *activations;
  bool dynamic;
  const char *granularity;
  const char *kernel; /* null: refused, `doc` says why */
  const char *doc;
} qn_scheme;

QN_API const qn_scheme *qn_scheme_get(size_t i); /* null past the end */
QN_API const qn_scheme *qn_scheme_find(qn_str name);

#ifdef __cplusplus
}
#endif
#endif
