/* The header of NPY arrays: a prefix of magic, version and length, then a Python dictionary as text. */
#include "store_impl.h"
#include <string.h>

enum { LONGEST_HEADER = 1 << 20 };

static const char magic[6] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};

bool qn__npy_is(const void *data, size_t size) {
  return size >= sizeof magic && !memcmp(data, magic, sizeof magic);
}

qn_status qn__npy_prefix(qn_store *s, qn_str name, const uint8_t *data, size_t size, size_t *data_at, size_t *text_at) {
  if (!qn__npy_is(data, size))
    return qn__store_error(s, name, QN_DIAG_FORMAT, "not an .npy array: it does not begin with \\x93NUMPY");
  if (size < QN__NPY_PREFIX)
    return qn__store_error(s, name, QN_DIAG_FORMAT, "the array ends within its header: %zu bytes; is it truncated?",
                           size);
  if (data[6] < 1 || data[6] > 3 || data[7] != 0)
    return qn__store_error(s, name, QN_DIAG_VERSION, "NPY version %u.%u; expected 1.0, 2.0 or 3.0", data[6], data[7]);
  size_t length = (size_t)data[8] | (size_t)data[9] << 8;
  if (data[6] > 1) length |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
  if (length > LONGEST_HEADER)
    return qn__store_error(s, name, QN_DIAG_LIMIT, "the NPY header claims %zu bytes; at most %d are accepted", length,
                           LONGEST_HEADER);
  *text_at = data[6] == 1 ? 10 : 12;
  *data_at = *text_at + length;
  return QN_OK;
}

/* ------------------------------------------------------------------------------------------- the dictionary */

typedef struct cursor {
  const char *at, *end;
} cursor;

static void skip_space(cursor *c) {
  while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r')) c->at++;
}

static bool take(cursor *c, char wanted) {
  skip_space(c);
  if (c->at == c->end || *c->at != wanted) return false;
  c->at++;
  return true;
}

static bool take_string(cursor *c, qn_str *out) {
  skip_space(c);
  if (c->at == c->end || (*c->at != '\'' && *c->at != '"')) return false;
  char quote = *c->at++;
  const char *begin = c->at;
  while (c->at < c->end && *c->at != quote && *c->at != '\\') c->at++;
  if (c->at == c->end || *c->at != quote) return false;
  *out = (qn_str){begin, (size_t)(c->at++ - begin)};
  return true;
}

static bool take_word(cursor *c, const char *word) {
  skip_space(c);
  size_t n = strlen(word);
  if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0) return false;
  c->at += n;
  return true;
}

/* A decimal number; Python 2 wrote long ones with an L. */
static bool take_size(cursor *c, int64_t *out) {
  skip_space(c);
  const char *begin = c->at;
  int64_t v = 0;
  for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
    int digit = *c->at - '0';
    if (v > (INT64_MAX - digit) / 10) return false;
    v = v * 10 + digit;
  }
  if (c->at == begin) return false;
  if (c->at < c->end && *c->at == 'L') c->at++;
  *out = v;
  return true;
}

typedef struct parse {
  qn_store *s;
  qn__store_entry *e;
  cursor c;
} parse;

static qn_status bad(parse *p, const char *expected) {
  char near[24];
  size_t n = (size_t)(p->c.end - p->c.at);
  if (n >= sizeof near) n = sizeof near - 1;
  for (size_t i = 0; i < n; i++) near[i] = p->c.at[i] >= 0x20 && p->c.at[i] < 0x7f ? p->c.at[i] : '?';
  near[n] = 0;
  return qn__store_error(p->s, p->e->name, QN_DIAG_FORMAT, "NPY header: expected %s at '%s'", expected, near);
}

/* What a kind letter of NumPy stands for, where it is none of ours. */
static const char *kind_reason(char kind) {
  static const struct {
    char kind;
    const char *reason;
  } rows[] = {{'O', "Python objects; pickled data is never read, save the array with a numeric dtype"},
              {'c', "complex numbers, which no tensor here can hold"},
              {'U', "text"},
              {'S', "byte strings"},
              {'a', "byte strings"},
              {'M', "dates"},
              {'m', "time spans"},
              {'V', "raw bytes of a type that the file does not name (only V2, bf16, is known)"}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    if (rows[i].kind == kind) return rows[i].reason;
  return "a type that is not in 'quern types'";
}

static qn_status parse_descr(parse *p) {
  skip_space(&p->c);
  qn_store *s = p->s;
  qn__store_entry *e = p->e;
  if (p->c.at < p->c.end && (*p->c.at == '[' || *p->c.at == '('))
    return qn__store_error(s, e->name, QN_DIAG_UNSUPPORTED,
                           "the array holds records or sub-arrays; save each field as an array of its own");
  qn_str descr;
  if (!take_string(&p->c, &descr) || descr.size == 0) return bad(p, "a dtype string");
  qn_str kind = descr;
  if (strchr("<>|=", kind.data[0])) kind = (qn_str){kind.data + 1, kind.size - 1};
  if (kind.size == 1 && kind.data[0] == '?') kind = qn_str_of("b1");
  e->tensor.elem = qn__npy_type(kind);
  if (e->tensor.elem == QN_SCALAR_NONE)
    return qn__store_error(s, e->name, QN_DIAG_UNSUPPORTED, "dtype '%.*s': %s",
                           (int)(descr.size < 40 ? descr.size : 40), descr.data,
                           kind.size ? kind_reason(kind.data[0]) : "no type at all");
  e->swap = descr.data[0] == '>' && qn_scalar_get(e->tensor.elem)->storage_bits > 8;
  return QN_OK;
}

static qn_status parse_order(parse *p) {
  if (take_word(&p->c, "True"))
    p->e->fortran = true;
  else if (!take_word(&p->c, "False"))
    return bad(p, "True or False");
  return QN_OK;
}

static qn_status parse_shape(parse *p) {
  if (!take(&p->c, '(')) return bad(p, "'(' of the shape");
  qn_tensor *t = &p->e->tensor;
  while (!take(&p->c, ')')) {
    int64_t size;
    if (!take_size(&p->c, &size)) return bad(p, "a size that fits in 63 bits");
    if (t->rank == QN_MAX_RANK)
      return qn__store_error(p->s, p->e->name, QN_DIAG_LIMIT, "the array has more than %d dimensions", QN_MAX_RANK);
    t->shape[t->rank++] = size;
    if (!take(&p->c, ',') && !(p->c.at < p->c.end && *p->c.at == ')')) return bad(p, "',' or ')' in the shape");
  }
  return QN_OK;
}

static const struct {
  const char *key;
  qn_status (*parse)(parse *p);
} fields[] = {{"descr", parse_descr}, {"fortran_order", parse_order}, {"shape", parse_shape}};
enum { NUM_FIELDS = sizeof fields / sizeof fields[0] };

static qn_status parse_field(parse *p, unsigned *seen) {
  qn_str key;
  if (!take_string(&p->c, &key)) return bad(p, "a key in quotes");
  for (unsigned i = 0; i < NUM_FIELDS; i++) {
    if (!qn_str_eq(key, qn_str_of(fields[i].key))) continue;
    if (*seen & 1u << i)
      return qn__store_error(p->s, p->e->name, QN_DIAG_FORMAT, "NPY header: '%s' stands there twice", fields[i].key);
    *seen |= 1u << i;
    return take(&p->c, ':') ? fields[i].parse(p) : bad(p, "':'");
  }
  return bad(p, "one of the keys descr, fortran_order and shape before this place");
}

static qn_status parse_dictionary(parse *p) {
  unsigned seen = 0;
  if (!take(&p->c, '{')) return bad(p, "'{'");
  while (!take(&p->c, '}')) {
    qn_status status = parse_field(p, &seen);
    if (status) return status;
    if (!take(&p->c, ',') && !(p->c.at < p->c.end && *p->c.at == '}')) return bad(p, "',' or '}'");
  }
  skip_space(&p->c);
  if (p->c.at != p->c.end) return bad(p, "the end of the header");
  for (unsigned i = 0; i < NUM_FIELDS; i++)
    if (!(seen & 1u << i))
      return qn__store_error(p->s, p->e->name, QN_DIAG_FORMAT, "NPY header: the key '%s' is missing", fields[i].key);
  return QN_OK;
}

qn_status qn__npy_header(qn_store *s, qn__store_entry *e, qn_str text) {
  e->tensor = (qn_tensor){0};
  e->swap = e->fortran = false;
  parse p = {s, e, {text.data, text.data + text.size}};
  qn_status status = parse_dictionary(&p);
  if (status) return status;
  size_t bytes = qn_tensor_bytes(&e->tensor);
  if (bytes == SIZE_MAX)
    return qn__store_error(s, e->name, QN_DIAG_LIMIT, "the sizes of the shape multiply to more than a file can hold");
  e->bytes = bytes;
  uint32_t long_dims = 0;
  for (uint32_t i = 0; i < e->tensor.rank; i++) long_dims += e->tensor.shape[i] > 1;
  if (long_dims < 2) e->fortran = false; /* both orders are the same */
  return QN_OK;
}

/* ------------------------------------------------------------------------------------------------ conversion */

static void copy_swapped(uint8_t *dst, const uint8_t *src, size_t size) {
  for (size_t i = 0; i < size; i++) dst[i] = src[size - 1 - i];
}

/* Walks the result in row-major order; `from` follows in the source, whose first index runs fastest. */
static void convert(const qn__store_entry *e, const uint8_t *src, uint8_t *dst, size_t size) {
  const qn_tensor *t = &e->tensor;
  int64_t index[QN_MAX_RANK] = {0};
  size_t stride[QN_MAX_RANK], step = size;
  for (uint32_t d = 0; d < t->rank; d++) {
    uint32_t dim = e->fortran ? d : t->rank - 1 - d;
    stride[dim] = step;
    step *= (size_t)t->shape[dim];
  }
  size_t from = 0;
  for (size_t at = 0; at < e->bytes; at += size) {
    if (e->swap)
      copy_swapped(dst + at, src + from, size);
    else
      memcpy(dst + at, src + from, size);
    for (uint32_t d = t->rank; d-- > 0;) {
      from += stride[d];
      if (++index[d] < t->shape[d]) break;
      from -= stride[d] * (size_t)t->shape[d];
      index[d] = 0;
    }
  }
}

void qn__npy_convert(const qn__store_entry *e, const uint8_t *src, uint8_t *dst) {
  convert(e, src, dst, qn_scalar_get(e->tensor.elem)->storage_bits / 8u);
}
