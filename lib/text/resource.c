#include "resource.h"
#include "hexdata.h"
#include "module_access.h"
#include "parser.h"
#include "scalar.h"
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { ALIGNMENT_BYTES = 4 }; /* a blob begins with its alignment */

void qn__store_path(qn_buf *out, const char *text_path) {
  size_t size = strlen(text_path), stem = size;
  for (size_t i = size; i-- > 0 && text_path[i] != '/' && stem == size;)
    if (text_path[i] == '.' && i > 0 && text_path[i - 1] != '/') stem = i;
  qn__buf_put(out, text_path, stem);
  qn__buf_c(out, ".safetensors");
}

void qn__resources_free(const qn_allocator *a, qn__resources *r) {
  qn__buf_free(&r->path);
  qn__vec_free(a, &r->blobs);
  qn__idmap_free(a, &r->blob_of);
}

/* ---- the section at the end ---- */

static bool add_blob(qn__parser *p, qn_str key) {
  if (!qn__at(p, QN__TOK_STRING)) return qn__expected(p, "the resource's bytes as a string of hexadecimal digits");
  qn_str hex = {p->tok.text.data + 1, p->tok.text.size - 2};
  if (!qn__hex_valid(hex) || hex.size < 2 + 2 * ALIGNMENT_BYTES)
    return qn__fail(p, &p->tok, QN_DIAG_ATTRIBUTE,
                    "a resource is 0x, four bytes of alignment, and two hexadecimal digits for each byte of data");
  qn__advance(p);
  qn_name name = qn_name_of(p->ctx, key);
  if (!qn__push(p->allocator, &p->resources.blobs, hex) ||
      !qn__idmap_set(p->allocator, &p->resources.blob_of, name.id, p->resources.blobs.size))
    return qn__out_of_memory(p);
  return true;
}

static bool parse_key(qn__parser *p, qn_str *key) {
  if (qn__at(p, QN__TOK_ID))
    *key = p->tok.text;
  else if (!qn__at(p, QN__TOK_STRING))
    return qn__expected(p, "a name");
  else if (!qn__string(p, &p->tok, p->tok.text, key))
    return false;
  if (key->size == 0) return qn__fail(p, &p->tok, QN_DIAG_SYNTAX, "a resource's name cannot be empty");
  qn__advance(p);
  return qn__expect(p, ':', "':' after the name");
}

/* {key: .., key: ..}; `depth` counts from the section's own braces: the third holds blobs. */
static bool parse_group(qn__parser *p, unsigned depth, bool keep) {
  while (!qn__at(p, '}') && !qn__at(p, QN__TOK_RESOURCES_END)) {
    qn_str key = {NULL, 0};
    if (!parse_key(p, &key)) return false;
    if (depth < 2 && qn__at(p, '{')) {
      qn__advance(p);
      bool mine = depth == 0 ? qn_str_eq(key, qn_str_of("dialect_resources")) : keep;
      if (!parse_group(p, depth + 1, mine) || !qn__expect(p, '}', "'}'")) return false;
    } else if (depth == 2 && keep) {
      if (!add_blob(p, key)) return false;
    } else if (depth == 2 && !qn__at(p, QN__TOK_EOF)) {
      qn__advance(p); /* what other tools keep here: a string, true or false */
    } else {
      return qn__expected(p, "'{'");
    }
    if (!qn__take(p, ',')) break;
  }
  return true;
}

static const char *find_section(qn_str text) {
  const char *begin = text.data, *end = text.data + text.size;
  while (end > begin && (end[-1] == ' ' || end[-1] == '\n' || end[-1] == '\r' || end[-1] == '\t')) end--;
  if (end - begin < 6 || memcmp(end - 3, "#-}", 3) != 0) return NULL;
  for (const char *at = end - 6; at >= begin; at--)
    if (memcmp(at, "{-#", 3) == 0) return at;
  return NULL;
}

static void count_lines(qn__lexer *lx, const char *to) {
  for (const char *at; (at = memchr(lx->at, '\n', (size_t)(to - lx->at))) != NULL;) {
    lx->at = at + 1;
    lx->line++;
    lx->line_start = lx->at;
  }
  lx->at = to;
}

bool qn__parse_resource_section(qn__parser *p) {
  const char *at = p->text.size ? find_section(p->text) : NULL;
  if (!at) return true;
  qn__lexer start = p->lx;
  count_lines(&p->lx, at);
  qn__advance(p);
  qn__advance(p);
  bool ok = parse_group(p, 0, false) && qn__expect(p, QN__TOK_RESOURCES_END, "'#-}' at the end of the resources");
  p->lx = start;
  p->lx.end = at;
  return ok;
}

/* ---- finding ---- */

static void close_store(void *store) {
  qn_store_close(store);
}
static void passed(void *store, const void *data, size_t size) {
  qn_store_passed(store, data, size);
}

/* The file of the same stem is opened when the first resource is asked for. */
static bool open_store(qn__parser *p) {
  qn__resources *r = &p->resources;
  if (r->tried) return true;
  r->tried = true;
  if (r->path.size == 0 || !p->m || access(r->path.data, F_OK) != 0) return true;
  if (qn_store_open(p->ctx, r->path.data, &r->store) != QN_OK) return qn__failed(p);
  if (qn_module_keep_memory(p->m, r->store, close_store, passed) == QN_OK) return true;
  r->store = NULL;
  return qn__out_of_memory(p);
}

static bool missing(qn__parser *p, const qn__token *at, qn_str key) {
  const qn__resources *r = &p->resources;
  if (r->store)
    return qn__fail(p, at, QN_DIAG_MISSING, "%s has no tensor '%.*s'", r->path.data, (int)key.size, key.data);
  return qn__fail(p, at, QN_DIAG_MISSING, "no data for resource '%.*s': %s%s", (int)key.size, key.data,
                  r->path.size ? "there is no file " : "a text without a name has no file beside it",
                  r->path.size ? r->path.data : "");
}

static bool from_store(qn__parser *p, qn_str key, qn_tensor *out, bool *found) {
  size_t i;
  *found = false;
  if (!open_store(p)) return false;
  if (!p->resources.store || !qn_store_find(p->resources.store, key, &i)) return true;
  *found = true;
  return qn_store_tensor(p->resources.store, i, out) == QN_OK || qn__failed(p);
}

static qn_str find_blob(qn__parser *p, qn_str key) {
  uint32_t i = p->resources.blobs.size ? qn__idmap_get(&p->resources.blob_of, qn_name_of(p->ctx, key).id) : 0;
  return i ? p->resources.blobs.data[i - 1] : (qn_str){NULL, 0};
}

/* A blob's bytes behind the alignment, as hexadecimal text with its 0x. */
static uint64_t blob_size(qn_str hex) {
  return (hex.size - 2) / 2 - ALIGNMENT_BYTES;
}

static uint8_t *blob_bytes(qn__parser *p, qn_arena *arena, qn_str hex) {
  uint8_t *bytes = qn__arena_alloc(arena, (hex.size - 2) / 2);
  if (!bytes) return qn__out_of_memory(p), NULL;
  qn__hex_bytes_of((qn_str){hex.data, hex.size}, bytes);
  return bytes + ALIGNMENT_BYTES;
}

/* One byte for each element below 8 bits in a blob; packed here. */
static bool blob_data(qn__parser *p, const qn__token *at, qn_str hex, qn_type type, const void **data) {
  qn_scalar elem = qn_type_memory(p->ctx, type);
  unsigned bits = qn_scalar_get(elem)->storage_bits;
  uint64_t count = (uint64_t)qn_type_count(p->ctx, type), given = blob_size(hex);
  uint64_t needed = bits < 8 ? count : count * (bits / 8);
  if (given != needed)
    return qn__fail(p, at, QN_DIAG_ATTRIBUTE, "the resource has %" PRIu64 " bytes, but %s takes %" PRIu64, given,
                    qn_type_text(p->ctx, type).data, needed);
  /* In the module, aligned: the alignment is cut off by a copy. */
  qn_arena *arena = qn__module_arena(p->m);
  uint8_t *bytes = blob_bytes(p, &p->scratch, hex);
  size_t size = qn_scalar_bytes(elem, count);
  uint8_t *kept = bytes ? qn__arena_zero(arena, size) : NULL;
  if (!kept) return bytes ? qn__out_of_memory(p) : false;
  if (bits >= 8)
    memcpy(kept, bytes, size);
  else
    for (uint64_t i = 0; i < count; i++) qn__store_bits(elem, kept, (size_t)i, bytes[i]);
  *data = kept;
  return true;
}

/* Files do not tell si8 from i8: what they name alike is alike. */
static bool same_in_files(qn_scalar a, qn_scalar b) {
  const qn_scalar_info *x = qn_scalar_get(a), *y = qn_scalar_get(b);
  if (a == b) return true;
  if (x->safetensors && y->safetensors) return strcmp(x->safetensors, y->safetensors) == 0;
  bool ints = x->cls != QN_FLOAT && y->cls != QN_FLOAT;
  return ints && x->bits == y->bits && (x->cls == QN_UNSIGNED) == (y->cls == QN_UNSIGNED);
}

static bool check_tensor(qn__parser *p, const qn__token *at, qn_str key, const qn_tensor *t, qn_type type) {
  uint32_t rank = qn_type_rank(p->ctx, type);
  qn_scalar elem = qn_type_memory(p->ctx, type);
  if (!same_in_files(t->elem, elem))
    return qn__fail(p, at, QN_DIAG_TYPE_MISMATCH, "tensor '%.*s' in %s has elements of %s; %s takes %s", (int)key.size,
                    key.data, p->resources.path.data, qn_scalar_get(t->elem)->text, qn_type_text(p->ctx, type).data,
                    qn_scalar_get(elem)->text);
  bool same = t->rank == rank;
  for (uint32_t i = 0; same && i < rank; i++) same = t->shape[i] == qn_type_shape(p->ctx, type)[i];
  if (same) return true;
  qn_type found = qn_type_tensor(p->ctx, qn_type_scalar(p->ctx, t->elem), t->rank, t->shape);
  return qn__fail(p, at, QN_DIAG_SHAPE, "tensor '%.*s' in %s is a %s, not a %s", (int)key.size, key.data,
                  p->resources.path.data, found.id ? qn_type_text(p->ctx, found).data : "tensor of another shape",
                  qn_type_text(p->ctx, type).data);
}

bool qn__resource_find(qn__parser *p, const qn__token *at, qn_str key, qn_type type, const void **data) {
  qn_tensor t;
  bool found;
  qn_str blob = find_blob(p, key);
  if (blob.data) return blob_data(p, at, blob, type, data);
  if (!from_store(p, key, &t, &found)) return false;
  if (!found) return missing(p, at, key);
  *data = t.data;
  return check_tensor(p, at, key, &t, type);
}

bool qn__resource_params(qn__parser *p, const qn__token *at, qn_str key, qn_scalar plain, bool optional, qn_tensor *out,
                         bool *found) {
  qn_str blob = find_blob(p, key);
  if (!blob.data) return from_store(p, key, out, found) && (*found || optional || missing(p, at, key));
  unsigned size = qn_scalar_get(plain)->bits / 8;
  *found = true;
  *out = (qn_tensor){.elem = plain, .rank = 1, .shape = {(int64_t)(blob_size(blob) / size)}};
  out->data = blob_bytes(p, &p->scratch, blob);
  return out->data != NULL;
}
