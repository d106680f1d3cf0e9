/* Named data beside or below the text: the tensors of a .safetensors file and the blobs of a `{-# .. #-}` section. */
#ifndef QN_RESOURCE_H
#define QN_RESOURCE_H
#include "buf.h"
#include "map.h"
#include "vec.h"
#include <quern/module.h>
#include <quern/store.h>

typedef struct qn__parser qn__parser;
typedef struct qn__token qn__token;

typedef struct qn__resources {
  qn_buf path;     /* the store's; empty when the text has no name */
  qn_store *store; /* opened at the first use; the module keeps it */
  bool tried;
  QN_VEC(qn_str) blobs; /* hexadecimal, 0x in front; 4 bytes of alignment first */
  qn_idmap blob_of;     /* name id -> index + 1 */
} qn__resources;

/* Where a text's resources are: its path with the extension replaced. */
void qn__store_path(qn_buf *out, const char *text_path);

void qn__resources_free(const qn_allocator *a, qn__resources *r);
/* Reads the section at the end of the text, if there is one, and cuts it off: resources are used before it. */
bool qn__parse_resource_section(qn__parser *p);
/* The packed bytes of `key`, as elements of `type`. They live as long as the module. */
bool qn__resource_find(qn__parser *p, const qn__token *at, qn_str key, qn_type type, const void **data);
/* A tensor of type parameters. When it is optional and absent, *found is false and the answer true. A blob does not say
 * its type: it is read as a vector of `plain`. */
bool qn__resource_params(qn__parser *p, const qn__token *at, qn_str key, qn_scalar plain, bool optional, qn_tensor *out,
                         bool *found);
#endif
