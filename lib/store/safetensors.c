/* Reading .safetensors: everything the header says is checked when the file is opened, so that a tensor is a pointer
 * into the mapping afterwards. */
#include "store_impl.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_HEADER = 100000000, DEEPEST_HEADER = 8 };

typedef struct reader {
  qn_store *s;
  uint64_t data_at, data_size;
  QN_VEC(qn__store_pair) types; /* "quern.type.NAME" entries of the metadata, by NAME */
  qn_map by_type;
} reader;

static const qn_str nobody = {NULL, 0};

static uint64_t load_le64(const char *data) {
  uint64_t v = 0;
  for (int i = 7; i >= 0; i--) v = v << 8 | (unsigned char)data[i];
  return v;
}

/* cJSON holds numbers as doubles: whole ones are exact up to 2^53, and nothing larger fits a file anyway. */
static bool whole(const cJSON *item, uint64_t *out) {
  if (!cJSON_IsNumber(item)) return false;
  double d = item->valuedouble;
  if (!(d >= 0 && d <= 9007199254740992.0) || d != (double)(uint64_t)d) return false;
  *out = (uint64_t)d;
  return true;
}

/* ---------------------------------------------------------------------------------------------------- metadata */

static bool pair_equal(const void *owner, const void *key, uint32_t id) {
  const qn__store_pair *pairs = owner;
  return qn_str_eq(pairs[id - 1].key, *(const qn_str *)key);
}

static qn_status add_metadata(reader *r, qn_str key, qn_str value) {
  qn_store *s = r->s;
  const size_t prefix = sizeof QN__TYPE_KEY - 1;
  bool type = key.size > prefix && memcmp(key.data, QN__TYPE_KEY, prefix) == 0;
  if (type) key = (qn_str){key.data + prefix, key.size - prefix};
  uint32_t hash = qn__hash(key.data, key.size, 0);
  qn_map *map = type ? &r->by_type : &s->by_key;
  const qn__store_pair *pairs = type ? r->types.data : s->metadata.data;
  if (qn__map_find(map, hash, pair_equal, pairs, &key))
    return qn__store_error(s, nobody, QN_DIAG_REDEFINED, "__metadata__ has a key twice: '%.*s'",
                           (int)(key.size < 80 ? key.size : 80), key.data);
  qn__store_pair pair = {qn__arena_str(&s->arena, key), qn__arena_str(&s->arena, value)};
  bool added = pair.key.data && pair.value.data;
  if (type)
    added = added && qn__push(s->allocator, &r->types, pair);
  else
    added = added && qn__push(s->allocator, &s->metadata, pair);
  added = added && qn__map_add(s->allocator, map, hash, type ? r->types.size : s->metadata.size);
  return added ? QN_OK : qn_error_no_memory(s->ctx);
}

static qn_status read_metadata(reader *r, const cJSON *root) {
  const cJSON *item, *pair;
  bool seen = false;
  cJSON_ArrayForEach(item, root) {
    if (strcmp(item->string, "__metadata__") != 0) continue;
    if (seen) return qn__store_error(r->s, nobody, QN_DIAG_REDEFINED, "the header has __metadata__ twice");
    seen = true;
    if (!cJSON_IsObject(item))
      return qn__store_error(r->s, nobody, QN_DIAG_FORMAT, "__metadata__ must be an object of strings");
    cJSON_ArrayForEach(pair, item) {
      if (!cJSON_IsString(pair))
        return qn__store_error(r->s, nobody, QN_DIAG_FORMAT, "__metadata__ must hold strings only, '%.80s' is none",
                               pair->string);
      qn_status status = add_metadata(r, qn_str_of(pair->string), qn_str_of(pair->valuestring));
      if (status) return status;
    }
  }
  return QN_OK;
}

/* ----------------------------------------------------------------------------------------------------- tensors */

typedef struct fields {
  const cJSON *dtype, *shape, *offsets;
} fields;

static qn_status find_fields(reader *r, qn_str name, const cJSON *item, fields *out) {
  static const char *const keys[] = {"dtype", "shape", "data_offsets"};
  const cJSON **slots[] = {&out->dtype, &out->shape, &out->offsets};
  *out = (fields){0};
  const cJSON *child;
  if (!cJSON_IsObject(item))
    return qn__store_error(r->s, name, QN_DIAG_FORMAT, "expected an object with dtype, shape and data_offsets");
  cJSON_ArrayForEach(child, item) for (size_t k = 0; k < 3; k++) {
    if (strcmp(child->string, keys[k]) != 0) continue;
    if (*slots[k]) return qn__store_error(r->s, name, QN_DIAG_REDEFINED, "the header has %s twice", keys[k]);
    *slots[k] = child;
  }
  for (size_t k = 0; k < 3; k++)
    if (!*slots[k]) return qn__store_error(r->s, name, QN_DIAG_FORMAT, "%s is missing", keys[k]);
  if (!cJSON_IsString(out->dtype)) return qn__store_error(r->s, name, QN_DIAG_FORMAT, "dtype must be a string");
  return QN_OK;
}

static qn_status read_offsets(reader *r, qn__store_entry *e, const cJSON *offsets) {
  uint64_t v[2];
  if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 || !whole(offsets->child, &v[0]) ||
      !whole(offsets->child->next, &v[1]))
    return qn__store_error(r->s, e->name, QN_DIAG_FORMAT,
                           "data_offsets must be two whole numbers that are not negative");
  if (v[0] > v[1])
    return qn__store_error(r->s, e->name, QN_DIAG_FORMAT, "data_offsets end before they begin: [%llu, %llu]",
                           (unsigned long long)v[0], (unsigned long long)v[1]);
  if (v[1] > r->data_size)
    return qn__store_error(r->s, e->name, QN_DIAG_FORMAT,
                           "data_offsets end at %llu, but the file has %llu bytes of data; is it truncated?",
                           (unsigned long long)v[1], (unsigned long long)r->data_size);
  e->at = v[0];
  e->bytes = (size_t)(v[1] - v[0]);
  return QN_OK;
}

static qn_status refuse(reader *r, qn__store_entry *e, qn_diag_code code, qn_str text) {
  e->refusal = code;
  e->refusal_text = text;
  return text.data ? QN_OK : qn_error_no_memory(r->s->ctx);
}

static qn_status read_shape(reader *r, qn__store_entry *e, const cJSON *shape) {
  const cJSON *dim;
  if (!cJSON_IsArray(shape)) return qn__store_error(r->s, e->name, QN_DIAG_FORMAT, "shape must be an array");
  uint64_t rank = 0;
  cJSON_ArrayForEach(dim, shape) {
    uint64_t size;
    if (!whole(dim, &size))
      return qn__store_error(r->s, e->name, QN_DIAG_FORMAT,
                             "shape must hold whole numbers that are not negative and below 2^53");
    if (rank < QN_MAX_RANK) e->tensor.shape[rank] = (int64_t)size;
    rank++;
  }
  e->tensor.rank = rank < QN_MAX_RANK ? (uint32_t)rank : QN_MAX_RANK;
  if (rank <= QN_MAX_RANK) return QN_OK;
  return refuse(r, e, QN_DIAG_LIMIT,
                qn__arena_fmt(&r->s->arena, "the tensor has %llu dimensions; at most %d are accepted",
                              (unsigned long long)rank, QN_MAX_RANK));
}

static qn_status check_bytes(reader *r, const qn__store_entry *e) {
  size_t bytes = qn_tensor_bytes(&e->tensor);
  if (bytes == SIZE_MAX)
    return qn__store_error(r->s, e->name, QN_DIAG_FORMAT,
                           "the sizes of the shape multiply to more than a file can hold");
  if (bytes != e->bytes)
    return qn__store_error(r->s, e->name, QN_DIAG_FORMAT, "type and shape ask for %zu bytes, but data_offsets hold %zu",
                           bytes, e->bytes);
  return QN_OK;
}

/* Newer writers than the types.def row know have a dtype of their own for 4-bit floats: low nibble first, as here. */
static qn_scalar type_of(qn_str dtype) {
  return qn_str_eq(dtype, qn_str_of("F4")) ? QN_F4E2M1FN : qn__safetensors_type(dtype);
}

/* The true type stands in the metadata where the format cannot say it. */
static qn_status apply_true_type(reader *r, qn__store_entry *e) {
  uint32_t id = qn__map_find(&r->by_type, qn__hash(e->name.data, e->name.size, 0), pair_equal, r->types.data, &e->name);
  if (!id) return QN_OK;
  qn_str text = r->types.data[id - 1].value;
  qn_tensor t;
  if (!qn__shape_text_parse(text, &t))
    return qn__store_error(r->s, e->name, QN_DIAG_FORMAT,
                           "__metadata__ says its type is '%.*s'; expected sizes and a type such as 4x64xi4",
                           (int)(text.size < 80 ? text.size : 80), text.data);
  const char *stored = qn_scalar_get(t.elem)->safetensors;
  qn_scalar expected = stored ? qn__safetensors_type(qn_str_of(stored)) : QN_UI8;
  if (e->tensor.elem != expected || e->bytes != qn_tensor_bytes(&t))
    return qn__store_error(r->s, e->name, QN_DIAG_FORMAT,
                           "__metadata__ says its type is '%.*s', %zu bytes of %s, but it is stored as %zu bytes of %s",
                           (int)(text.size < 80 ? text.size : 80), text.data, qn_tensor_bytes(&t),
                           qn_scalar_get(expected)->text, e->bytes, qn_scalar_get(e->tensor.elem)->text);
  e->tensor = t;
  return QN_OK;
}

static qn_status read_tensor(reader *r, const cJSON *item) {
  fields f;
  qn__store_entry *e = NULL;
  qn_str name = qn_str_of(item->string);
  qn_status status = find_fields(r, name, item, &f);
  if (status == QN_OK) status = qn__store_add(r->s, name, &e);
  if (status == QN_OK) status = read_offsets(r, e, f.offsets);
  if (status == QN_OK) status = read_shape(r, e, f.shape);
  if (status) return status;
  e->known = true;
  e->tensor.elem = type_of(qn_str_of(f.dtype->valuestring));
  if (e->tensor.elem == QN_SCALAR_NONE)
    return refuse(r, e, QN_DIAG_UNSUPPORTED,
                  qn__arena_fmt(&r->s->arena, "its dtype '%.40s' has no type in 'quern types'", f.dtype->valuestring));
  if (e->refusal_text.size) return QN_OK;
  status = check_bytes(r, e);
  return status ? status : apply_true_type(r, e);
}

/* ------------------------------------------------------------------------------------------------------ layout */

typedef struct span {
  uint64_t begin, end;
  uint32_t entry;
} span;

static int compare_spans(const void *x, const void *y) {
  const span *a = x, *b = y;
  if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
  if (a->end != b->end) return a->end < b->end ? -1 : 1;
  return 0;
}

static qn_status check_spans(reader *r, const span *spans, uint32_t n) {
  qn_store *s = r->s;
  uint64_t at = 0;
  for (uint32_t i = 0; i < n; i++) {
    qn_str name = s->entries.data[spans[i].entry].name;
    if (spans[i].begin < at) {
      qn_str other = s->entries.data[spans[i - 1].entry].name;
      return qn__store_error(s, name, QN_DIAG_FORMAT, "its data begins at %llu, within tensor '%.*s' that ends at %llu",
                             (unsigned long long)spans[i].begin, (int)(other.size < 80 ? other.size : 80), other.data,
                             (unsigned long long)at);
    }
    if (spans[i].begin > at)
      return qn__store_error(s, name, QN_DIAG_FORMAT, "its data begins at %llu, but bytes from %llu on are nobody's",
                             (unsigned long long)spans[i].begin, (unsigned long long)at);
    at = spans[i].end;
  }
  if (at != r->data_size)
    return qn__store_error(s, nobody, QN_DIAG_FORMAT, "the tensors end at byte %llu of the data, but the file has %llu",
                           (unsigned long long)at, (unsigned long long)r->data_size);
  return QN_OK;
}

/* The format has neither gaps nor overlaps, so the tensors in order of their offsets follow each other exactly. */
static qn_status check_layout(reader *r) {
  qn_store *s = r->s;
  uint32_t n = s->entries.size;
  size_t bytes = n * sizeof(span);
  span *spans = qn__alloc(s->allocator, bytes);
  if (!spans && n) return qn_error_no_memory(s->ctx);
  for (uint32_t i = 0; i < n; i++) {
    const qn__store_entry *e = &s->entries.data[i];
    spans[i] = (span){e->at, e->at + e->bytes, i};
  }
  if (n) qsort(spans, n, sizeof *spans, compare_spans);
  qn_status status = check_spans(r, spans, n);
  qn__free(s->allocator, spans, bytes);
  for (uint32_t i = 0; i < n; i++) s->entries.data[i].at += r->data_at;
  return status;
}

/* ------------------------------------------------------------------------------------------------------ opening */

static qn_status read_tree(reader *r, const cJSON *root) {
  if (!cJSON_IsObject(root)) return qn__store_error(r->s, nobody, QN_DIAG_FORMAT, "the header must be a JSON object");
  qn_status status = read_metadata(r, root);
  const cJSON *item;
  cJSON_ArrayForEach(item, root) {
    if (status) return status;
    if (strcmp(item->string, "__metadata__") != 0) status = read_tensor(r, item);
  }
  return status ? status : check_layout(r);
}

static qn_status parse_header(reader *r, qn_str text) {
  size_t at;
  const char *wrong = qn__json_scan(text, DEEPEST_HEADER, &at);
  if (wrong) return qn__store_error(r->s, nobody, QN_DIAG_FORMAT, "the header has %s at byte %zu", wrong, at + 8);
  const char *end = NULL;
  cJSON *root = cJSON_ParseWithLengthOpts(text.data, text.size, &end, false);
  if (!root)
    return qn__store_error(r->s, nobody, QN_DIAG_FORMAT, "the header is not JSON at byte %zu (or memory ran out)",
                           (size_t)(end ? end - text.data : 0) + 8);
  qn_status status = QN_OK;
  for (; end < text.data + text.size && status == QN_OK; end++)
    if (*end != ' ' && *end != '\n' && *end != '\t' && *end != '\r')
      status = qn__store_error(r->s, nobody, QN_DIAG_FORMAT, "the header goes on after its JSON object, at byte %zu",
                               (size_t)(end - text.data) + 8);
  if (status == QN_OK) status = read_tree(r, root);
  cJSON_Delete(root);
  return status;
}

static qn_status open_safetensors(qn_store *s) {
  const char *data = s->file.data;
  size_t size = s->file.size;
  if (size < 10 || data[8] != '{')
    return qn__store_error(s, nobody, QN_DIAG_FORMAT,
                           "this is neither .safetensors nor .npz nor .npy: no known beginning in %zu bytes", size);
  uint64_t length = load_le64(data);
  if (length > LONGEST_HEADER)
    return qn__store_error(s, nobody, QN_DIAG_LIMIT,
                           "the safetensors header claims %llu bytes; at most %d are accepted",
                           (unsigned long long)length, LONGEST_HEADER);
  if (length > size - 8)
    return qn__store_error(s, nobody, QN_DIAG_FORMAT,
                           "the safetensors header claims %llu bytes, but %zu follow; is the file truncated?",
                           (unsigned long long)length, size - 8);
  reader r = {.s = s, .data_at = 8 + length, .data_size = size - 8 - length};
  qn_status status = parse_header(&r, (qn_str){data + 8, (size_t)length});
  qn__vec_free(s->allocator, &r.types);
  qn__map_free(s->allocator, &r.by_type);
  return status;
}

static qn_status load_safetensors(qn_store *s, qn__store_entry *e) {
  e->tensor.data = (void *)(uintptr_t)(s->file.data + e->at);
  return QN_OK;
}

const qn__store_ops qn__store_safetensors = {QN_STORE_SAFETENSORS, open_safetensors, NULL, load_safetensors, NULL};
