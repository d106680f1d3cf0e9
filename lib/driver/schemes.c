/* The table of schemes. */
#include <quern/schemes.h>

static const qn_scheme schemes[] = {
#define QN_SCHEME(name, weights, activations, dynamic, granularity, kernel, doc)                                       \
  {name, weights, activations, dynamic != 0, granularity, kernel, doc},
#include <quern/schemes.def>
#undef QN_SCHEME
};

const qn_scheme *qn_scheme_get(size_t i) {
  return i < sizeof schemes / sizeof schemes[0] ? &schemes[i] : NULL;
}

const qn_scheme *qn_scheme_find(qn_str name) {
  for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
    if (qn_str_eq(qn_str_of(schemes[i].name), name)) return &schemes[i];
  return NULL;
}
