/* Packed weights with a scale per block: names and sizes of layouts, packing, reading. */
#include <quern/num.h>
#include <quern/unstable/bpack.h>
#include <stdio.h>
#include <string.h>

/* ---- names ---- */

static const char *const code_names[] = {[QN_BPACK_I4] = "i4", [QN_BPACK_U4] = "u4", [QN_BPACK_I8] = "i8",
                                         [QN_BPACK_U8] = "u8", [QN_BPACK_T4] = "t4", [QN_BPACK_V4] = "v4"};
static const struct scale_name {
  const char *name;
  qn_scalar scalar;
} scale_names[] = {{"f32", QN_F32}, {"f16", QN_F16}, {"bf16", QN_BF16}, {"e8", QN_F8E8M0FNU}};
enum { NUM_SCALES = sizeof scale_names / sizeof scale_names[0], MOST_BLOCK = 1 << 24 };

static bool take(qn_str *s, const char *text) {
  size_t n = strlen(text);
  if (s->size < n || memcmp(s->data, text, n) != 0) return false;
  s->data += n, s->size -= n;
  return true;
}

bool qn_bpack_layout_parse(qn_str name, qn_bpack_layout *out) {
  uint32_t block = 0;
  if (!take(&name, "b")) return false;
  for (; name.size && name.data[0] >= '0' && name.data[0] <= '9'; name.data++, name.size--) {
    if (block == 0 && name.data[0] == '0') return false;
    block = block * 10 + (uint32_t)(name.data[0] - '0');
    if (block > MOST_BLOCK) return false;
  }
  if (block == 0 || block % 8 || !take(&name, "p32")) return false;
  for (uint32_t c = 0; c < QN_BPACK_CODES_COUNT; c++) {
    qn_str rest = name;
    if (!take(&rest, code_names[c])) continue;
    for (uint32_t s = 0; s < NUM_SCALES; s++)
      if (qn_str_eq(rest, qn_str_of(scale_names[s].name))) {
        *out = (qn_bpack_layout){block, (qn_bpack_codes)c, scale_names[s].scalar};
        return true;
      }
  }
  return false;
}

const char *qn_bpack_layout_name(const qn_bpack_layout *l, char text[32]) {
  const char *scales = "";
  for (uint32_t s = 0; s < NUM_SCALES; s++)
    if (scale_names[s].scalar == l->scales) scales = scale_names[s].name;
  snprintf(text, 32, "b%up32%s%s", l->block, code_names[l->codes], scales);
  return text;
}

/* ---- sizes ---- */

size_t qn_bpack_matrix_bytes(const qn_bpack_layout *l, int64_t k, int64_t n) {
  if (k < 0 || n < 0) return SIZE_MAX;
  uint64_t blocks = (uint64_t)qn_bpack_count(l->block, k), panels = (uint64_t)qn_bpack_count(QN_BPACK_PANEL, n);
  uint64_t one = qn_bpack_bytes(l), most = (uint64_t)INT64_MAX - QN_BPACK_TABLE;
  if (blocks && one > most / blocks) return SIZE_MAX;
  if (panels && one * blocks > most / panels) return SIZE_MAX;
  return (size_t)(one * blocks * panels) + qn_bpack_header(l);
}

int64_t qn_bpack_row_bytes(uint32_t block, int64_t k) {
  int64_t blocks = qn_bpack_count(block, k);
  return blocks > INT64_MAX / ((int64_t)block + 8) ? -1 : blocks * ((int64_t)block + 8);
}

/* ---- elements of a type ---- */

static bool refuse(const char **reason, const char *why) {
  *reason = why;
  return false;
}

static bool integer_entries(const qn_bpack_reader *r) {
  for (uint32_t i = 0; i < r->num_entries; i++)
    if (!(r->entries[i] >= -127 && r->entries[i] <= 127) || r->entries[i] != (double)(int)r->entries[i]) return false;
  return true;
}

static bool check_elements(const qn_bpack_reader *r, const char **reason) {
  uint32_t bits = qn_scalar_get(r->memory)->bits;
  if (r->entries) {
    if (bits > 4 || r->num_entries > 16) return refuse(reason, "a codebook has more than 16 entries");
    return r->floats || integer_entries(r) ||
           refuse(reason, "entries of the codebook are no integers from -127 to 127, which products of integers need");
  }
  if (r->memory == QN_F4E2M1FN) return true;
  return (qn_scalar_is_int(r->memory) && bits <= 8) ||
         refuse(reason, "elements are neither integers of at most 8 bits, nor f4E2M1FN, nor codes of a codebook");
}

bool qn_bpack_reader_init(const qn_context *ctx, qn_type elem, bool transposed, const int64_t shape[2], bool floats,
                          qn_bpack_reader *out, const char **reason) {
  *out = (qn_bpack_reader){
      .q = qn_type_as_quant(ctx, elem), .memory = qn_type_memory(ctx, elem), .k_axis = transposed, .floats = floats};
  if (!out->q) return refuse(reason, "elements are not of a quantized type");
  if (qn_type_kind_of(ctx, out->q->storage) == QN_TYPE_QUANTILE) {
    qn_type_parts parts = qn_type_get_parts(ctx, out->q->storage);
    out->entries = parts.entries, out->num_entries = parts.num_entries;
    out->first_code = qn_scalar_min(out->memory);
  }
  uint32_t step = 1;
  for (uint32_t i = out->q->num_blocks; i-- > 0;) {
    const qn_block_dim *b = &out->q->blocks[i];
    if (b->axis < 0 || b->axis > 1) return refuse(reason, "scales differ along an axis that a matrix does not have");
    out->size[b->axis] = b->size;
    out->step[b->axis] = step;
    step *= (uint32_t)(shape[b->axis] / b->size + (shape[b->axis] % b->size != 0));
  }
  return check_elements(out, reason);
}

uint32_t qn_bpack_param(const qn_bpack_reader *r, int64_t k, int64_t n) {
  uint32_t at = 0, ka = r->k_axis, na = 1 - r->k_axis;
  if (r->size[ka]) at += (uint32_t)(k / r->size[ka]) * r->step[ka];
  if (r->size[na]) at += (uint32_t)(n / r->size[na]) * r->step[na];
  return at;
}

static int64_t element_at(const qn_bpack_reader *r, const qn_tensor *codes, int64_t k, int64_t n) {
  return r->k_axis ? n * codes->shape[1] + k : k * codes->shape[1] + n;
}

/* Codes of small floats as their bits. */
static int64_t code_at(const qn_bpack_reader *r, const qn_tensor *codes, int64_t k, int64_t n) {
  qn_tensor bits = *codes;
  if (r->memory == QN_F4E2M1FN) bits.elem = QN_UI4;
  return qn_tensor_get_i64(&bits, element_at(r, codes, k, n));
}

static int32_t zero_of(const qn_bpack_reader *r, uint32_t param) {
  return r->q->zero_points ? r->q->zero_points[param] : 0;
}

/* Entry of the codebook, 0 past its end; twice the value of a small float. */
static double entry_of(const qn_bpack_reader *r, int64_t code) {
  if (!r->entries) return 2 * (double)qn_f4e2m1fn_to_f32((uint8_t)code);
  uint64_t i = (uint64_t)(code - r->first_code);
  return i < r->num_entries ? r->entries[i] : 0;
}

static bool has_entries(const qn_bpack_reader *r) {
  return r->entries || r->memory == QN_F4E2M1FN;
}

int32_t qn_bpack_weight(const qn_bpack_reader *r, const qn_tensor *codes, int64_t k, int64_t n) {
  int64_t code = code_at(r, codes, k, n);
  if (has_entries(r)) return (int32_t)entry_of(r, code);
  return (int32_t)code - zero_of(r, qn_bpack_param(r, k, n));
}

float qn_bpack_weight_scale(const qn_bpack_reader *r, uint32_t i) {
  float s = r->q->scales[i] * r->q->tensor_scale;
  return r->memory == QN_F4E2M1FN && !r->entries && !r->floats ? s * 0.5f : s;
}

/* ---- choosing a layout ---- */

static bool exact_in(qn_scalar type, float s) {
  uint32_t bits;
  memcpy(&bits, &s, sizeof bits);
  switch (type) {
  case QN_F8E8M0FNU: return (bits & 0x7FFFFF) == 0 && bits >> 23 > 0 && bits >> 23 < 255;
  case QN_BF16: return (bits & 0xFFFF) == 0;
  case QN_F16: return qn_f16_to_f32(qn_f16_from_f32(s)) == s;
  default: return true;
  }
}

static qn_scalar smallest_scale(const qn_bpack_reader *r) {
  static const qn_scalar order[] = {QN_F8E8M0FNU, QN_F16, QN_BF16, QN_F32};
  uint32_t at = 0;
  for (uint32_t i = 0; i < r->q->num_scales && order[at] != QN_F32;) {
    if (exact_in(order[at], qn_bpack_weight_scale(r, i)))
      i++;
    else
      at++, i = 0;
  }
  return order[at];
}

/* Integers: the form without zeros when one zero point serves all and the difference fits. */
static qn_bpack_codes integer_form(const qn_bpack_reader *r) {
  bool narrow = qn_scalar_get(r->memory)->bits <= 4;
  int64_t half = narrow ? 8 : 128, low = qn_scalar_min(r->memory), high = qn_scalar_max(r->memory);
  bool one = true;
  for (uint32_t i = 1; i < r->q->num_scales; i++) one &= zero_of(r, i) == zero_of(r, 0);
  int64_t z = zero_of(r, 0);
  one &= low - z >= -half && high - z < half;
  return narrow ? (one ? QN_BPACK_I4 : QN_BPACK_U4) : one ? QN_BPACK_I8 : QN_BPACK_U8;
}

bool qn_bpack_layout_for(const qn_context *ctx, qn_type elem, bool transposed, int64_t k, bool floats,
                         qn_bpack_layout *out, const char **reason) {
  qn_bpack_reader r;
  const int64_t shape[2] = {1, 1};
  if (!qn_bpack_reader_init(ctx, elem, transposed, shape, floats, &r, reason)) return false;
  int64_t block = r.size[r.k_axis];
  if (block == 0) {
    if (!floats) return refuse(reason, "there are no blocks of k with a scale each");
    block = k <= 8 ? 8 : (k + 7) / 8 * 8;
    if (k > MOST_BLOCK - 8) return refuse(reason, "k is too large");
  }
  if (block % 8) return refuse(reason, "the block is no multiple of 8");
  if (block > (floats ? MOST_BLOCK : QN_BPACK_MOST_INT)) return refuse(reason, "the block is larger than 256");
  out->block = (uint32_t)block;
  out->codes = has_entries(&r) ? (floats ? QN_BPACK_V4 : QN_BPACK_T4) : integer_form(&r);
  out->scales = smallest_scale(&r);
  return true;
}

/* ---- packing ---- */

typedef struct packer {
  const qn_bpack_layout *l;
  const qn_bpack_reader *r;
  const uint8_t *codes; /* elements of `bits` bits, low bits first */
  uint32_t bits;
  int64_t k, n;
  int64_t low;       /* of the storage */
  uint8_t form[256]; /* an element's bits as the form's code */
} packer;

/* Every code there can be, translated once. */
static void fill_form(packer *p) {
  bool is_signed = p->low < 0;
  for (uint32_t raw = 0; raw < 1u << p->bits; raw++) {
    int64_t code = is_signed ? (int64_t)(raw ^ 1u << (p->bits - 1)) + p->low : raw;
    if (qn_bpack_has_table(p->l))
      code -= p->r->entries ? p->r->first_code : 0;
    else
      code = qn_bpack_has_zeros(p->l) ? code - p->low : code - zero_of(p->r, 0) + qn_bpack_bias(p->l);
    p->form[raw] = (uint8_t)code;
  }
}

static uint32_t element(const packer *p, int64_t at) {
  if (p->bits == 8) return p->form[p->codes[at]];
  uint32_t per_byte = 8 / p->bits, byte = p->codes[(uint64_t)at / per_byte];
  return p->form[byte >> ((uint64_t)at % per_byte * p->bits) & ((1u << p->bits) - 1)];
}

static void put_scale(const packer *p, uint8_t *at, float s) {
  uint32_t bits;
  uint16_t half;
  memcpy(&bits, &s, sizeof bits);
  switch (p->l->scales) {
  case QN_F8E8M0FNU: *at = (uint8_t)(bits >> 23); break;
  case QN_BF16: half = (uint16_t)(bits >> 16), memcpy(at, &half, 2); break;
  case QN_F16: half = qn_f16_from_f32(s), memcpy(at, &half, 2); break;
  default: memcpy(at, &bits, 4); break;
  }
}

/* A column whose codes are in the upper halves of bytes, as what stands before the column's own place. */
static uint32_t pair_of(const qn_bpack_layout *l, uint32_t column, uint32_t *shift) {
  bool high = qn_bpack_bits(l) == 4 && column >= QN_BPACK_PAIRS;
  *shift = high ? 4 : 0;
  return high ? column - QN_BPACK_PAIRS : column;
}

static uint32_t mask_of(const qn_bpack_layout *l) {
  return (1u << qn_bpack_bits(l)) - 1;
}

/* Byte of a code in a block of a panel, and the code's first bit in it. */
static size_t code_byte(const qn_bpack_layout *l, uint32_t kk, uint32_t column, uint32_t *shift) {
  return (size_t)(kk / 4) * qn_bpack_code_row(l) + (size_t)pair_of(l, column, shift) * 4 + kk % 4;
}

static void put_code(const packer *p, uint8_t *to, uint32_t kk, uint32_t column, int64_t at) {
  uint32_t shift;
  uint8_t *byte = to + code_byte(p->l, kk, column, &shift);
  *byte = (uint8_t)(*byte | element(p, at) << shift);
}

static void put_zero(const packer *p, uint8_t *to, uint32_t column, int64_t zero) {
  uint32_t shift;
  uint8_t *byte = to + pair_of(p->l, column, &shift);
  *byte = (uint8_t)(*byte | zero << shift);
}

/* One block of the panel at `panel` whose first column is n0, in the order of the source's memory. */
static void pack_block(const packer *p, int64_t block, int64_t n0, uint8_t *panel) {
  const qn_bpack_place at = qn_bpack_place_of(p->l, qn_bpack_count(p->l->block, p->k), block);
  uint8_t *to = panel + at.codes;
  int64_t k0 = block * p->l->block;
  uint32_t rows = (uint32_t)(p->k - k0 < p->l->block ? p->k - k0 : p->l->block);
  uint32_t columns = (uint32_t)(p->n - n0 < QN_BPACK_PANEL ? p->n - n0 : QN_BPACK_PANEL);
  if (p->r->k_axis)
    for (uint32_t c = 0; c < columns; c++)
      for (uint32_t kk = 0; kk < rows; kk++) put_code(p, to, kk, c, (n0 + c) * p->k + k0 + kk);
  else
    for (uint32_t kk = 0; kk < rows; kk++)
      for (uint32_t c = 0; c < columns; c++) put_code(p, to, kk, c, (k0 + kk) * p->n + n0 + c);
  for (uint32_t c = 0; c < columns; c++) {
    uint32_t param = qn_bpack_param(p->r, k0, n0 + c);
    put_scale(p, panel + at.scales + (size_t)c * qn_bpack_scale_bytes(p->l), qn_bpack_weight_scale(p->r, param));
    if (qn_bpack_has_zeros(p->l)) put_zero(p, panel + at.zeros, c, zero_of(p->r, param) - p->low);
  }
}

static void put_table(const packer *p, uint8_t *to) {
  for (uint32_t i = 0; i < 16; i++) {
    double e = entry_of(p->r, (int64_t)i + (p->r->entries ? p->r->first_code : 0));
    float f = (float)(p->r->entries ? e : e / 2);
    if (p->l->codes == QN_BPACK_V4)
      memcpy(to + i * sizeof f, &f, sizeof f);
    else
      for (uint32_t copy = 0; copy < 4; copy++) to[copy * 16 + i] = (uint8_t)((int)e + 128);
  }
}

void qn_bpack_pack(const qn_context *ctx, qn_type elem, const qn_bpack_layout *l, bool transposed,
                   const qn_tensor *codes, void *dst) {
  qn_bpack_reader r;
  const char *reason;
  int64_t k = codes->shape[transposed], n = codes->shape[!transposed];
  size_t bytes = qn_bpack_matrix_bytes(l, k, n);
  if (bytes == 0 || bytes == SIZE_MAX) return;
  memset(dst, 0, bytes);
  if (!qn_bpack_reader_init(ctx, elem, transposed, codes->shape, l->codes != QN_BPACK_T4, &r, &reason)) return;
  packer p = {.l = l, .r = &r, .codes = codes->data, .k = k, .n = n, .bits = qn_scalar_get(r.memory)->storage_bits};
  if (p.bits > 8) return;
  p.low = qn_scalar_is_int(r.memory) ? qn_scalar_min(r.memory) : 0;
  fill_form(&p);
  uint8_t *to = dst;
  if (qn_bpack_has_table(l)) put_table(&p, to);
  to += qn_bpack_header(l);
  int64_t blocks = qn_bpack_count(l->block, k);
  for (int64_t n0 = 0; n0 < n; n0 += QN_BPACK_PANEL, to += (size_t)blocks * qn_bpack_bytes(l))
    for (int64_t b = 0; b < blocks; b++) pack_block(&p, b, n0, to);
}

/* ---- reading ---- */

typedef struct found {
  const uint8_t *codes, *scales, *zeros; /* of a block */
} found;

static found block_at(const qn_bpack_layout *l, const void *packed, int64_t k_size, int64_t block, int64_t n) {
  int64_t blocks = qn_bpack_count(l->block, k_size);
  const qn_bpack_place at = qn_bpack_place_of(l, blocks, block);
  const uint8_t *panel = (const uint8_t *)packed + qn_bpack_header(l);
  panel += (size_t)(n / QN_BPACK_PANEL * blocks) * qn_bpack_bytes(l);
  return (found){panel + at.codes, panel + at.scales, panel + at.zeros};
}

static uint32_t code_read(const qn_bpack_layout *l, const uint8_t *codes, uint32_t kk, int64_t n) {
  uint32_t shift, byte = codes[code_byte(l, kk, (uint32_t)(n % QN_BPACK_PANEL), &shift)];
  return byte >> shift & mask_of(l);
}

static int32_t zero_read(const qn_bpack_layout *l, const uint8_t *zeros, int64_t n) {
  uint32_t shift, byte = zeros[pair_of(l, (uint32_t)(n % QN_BPACK_PANEL), &shift)];
  return (int32_t)(byte >> shift & mask_of(l));
}

int32_t qn_bpack_int(const qn_bpack_layout *l, const void *packed, int64_t k_size, int64_t k, int64_t n) {
  const found at = block_at(l, packed, k_size, k / l->block, n);
  int32_t u = (int32_t)code_read(l, at.codes, (uint32_t)(k % l->block), n);
  if (l->codes == QN_BPACK_T4) u = ((const uint8_t *)packed)[u];
  if (qn_bpack_has_zeros(l)) return u - zero_read(l, at.zeros, n);
  return u - qn_bpack_bias(l);
}

float qn_bpack_float(const qn_bpack_layout *l, const void *packed, int64_t k_size, int64_t k, int64_t n) {
  if (l->codes != QN_BPACK_V4) return (float)qn_bpack_int(l, packed, k_size, k, n);
  float f;
  uint32_t u = code_read(l, block_at(l, packed, k_size, k / l->block, n).codes, (uint32_t)(k % l->block), n);
  memcpy(&f, (const uint8_t *)packed + u * sizeof f, sizeof f);
  return f;
}

float qn_bpack_scale(const qn_bpack_layout *l, const void *packed, int64_t k_size, int64_t block, int64_t n) {
  const uint8_t *at =
      block_at(l, packed, k_size, block, n).scales + (size_t)(n % QN_BPACK_PANEL) * qn_bpack_scale_bytes(l);
  uint32_t bits;
  uint16_t half;
  float s;
  switch (l->scales) {
  case QN_F8E8M0FNU: bits = (uint32_t)*at << 23; break;
  case QN_BF16: memcpy(&half, at, 2), bits = (uint32_t)half << 16; break;
  case QN_F16: memcpy(&half, at, 2); return qn_f16_to_f32(half);
  default: memcpy(&bits, at, 4); break;
  }
  memcpy(&s, &bits, sizeof s);
  return s;
}
