/* AMX's tile registers in plain C, as strict as the processor: what it would refuse ends the program. */
#include <stdint.h>

enum { TILES = 8, ROWS = 16, BYTES = 64 };

static struct {
  int configured;
  uint32_t rows[TILES], bytes[TILES];
  union {
    uint8_t u8[ROWS][BYTES];
    int8_t i8[ROWS][BYTES];
    uint32_t u32[ROWS][BYTES / 4];
    uint16_t u16[ROWS][BYTES / 2];
    float f32[ROWS][BYTES / 4];
  } data[TILES];
} state;

static void need(int holds) {
  if (!holds) __builtin_trap();
}

static void zero(uint32_t t) {
  for (int r = 0; r < ROWS; r++)
    for (int b = 0; b < BYTES / 4; b++) state.data[t].u32[r][b] = 0;
}

void model_ldtilecfg(const uint8_t *config);
void model_ldtilecfg(const uint8_t *config) {
  need(config[0] == 1 && config[1] == 0);
  for (int i = 2; i < 16; i++) need(config[i] == 0);
  for (int t = 0; t < TILES; t++) {
    state.bytes[t] = config[16 + 2 * t] | (uint32_t)config[17 + 2 * t] << 8;
    state.rows[t] = config[48 + t];
    need(state.bytes[t] <= BYTES && state.rows[t] <= ROWS && !state.bytes[t] == !state.rows[t]);
    zero((uint32_t)t);
  }
  for (int i = 32; i < 48; i++) need(config[i] == 0);
  for (int i = 56; i < 64; i++) need(config[i] == 0);
  state.configured = 1;
}

void model_tilerelease(void);
void model_tilerelease(void) {
  state.configured = 0;
}

static void need_tile(uint8_t t) {
  need(state.configured && t < TILES && state.rows[t]);
}

void model_tilezero(uint8_t t);
void model_tilezero(uint8_t t) {
  need_tile(t);
  zero(t);
}

void model_tileloadd64(uint8_t t, const uint8_t *base, int64_t stride);
void model_tileloadd64(uint8_t t, const uint8_t *base, int64_t stride) {
  need_tile(t);
  zero(t);
  for (uint32_t r = 0; r < state.rows[t]; r++)
    for (uint32_t b = 0; b < state.bytes[t]; b++) state.data[t].u8[r][b] = base[(int64_t)r * stride + b];
}

/* The same, of what is not to stay in the caches. */
void model_tileloaddt164(uint8_t t, const uint8_t *base, int64_t stride);
void model_tileloaddt164(uint8_t t, const uint8_t *base, int64_t stride) {
  model_tileloadd64(t, base, stride);
}

void model_tilestored64(uint8_t t, uint8_t *base, int64_t stride);
void model_tilestored64(uint8_t t, uint8_t *base, int64_t stride) {
  need_tile(t);
  for (uint32_t r = 0; r < state.rows[t]; r++)
    for (uint32_t b = 0; b < state.bytes[t]; b++) base[(int64_t)r * stride + b] = state.data[t].u8[r][b];
}

static void need_product(uint8_t c, uint8_t a, uint8_t b) {
  need_tile(a), need_tile(b), need_tile(c);
  need(a != b && a != c && b != c);
  need(state.rows[c] == state.rows[a] && state.bytes[c] == state.bytes[b] && state.bytes[a] == 4 * state.rows[b]);
}

/* Unsigned bytes of a by signed bytes of b. */
void model_tdpbusd(uint8_t c, uint8_t a, uint8_t b);
void model_tdpbusd(uint8_t c, uint8_t a, uint8_t b) {
  need_product(c, a, b);
  for (uint32_t m = 0; m < state.rows[c]; m++)
    for (uint32_t k = 0; k < state.rows[b]; k++)
      for (uint32_t n = 0; n < state.bytes[c] / 4; n++)
        for (uint32_t i = 0; i < 4; i++)
          state.data[c].u32[m][n] += (uint32_t)(state.data[a].u8[m][4 * k + i] * state.data[b].i8[k][4 * n + i]);
}

/* A bf16 as f32; subnormals are 0. */
static float widened(uint16_t x) {
  union {
    uint32_t u;
    float f;
  } v = {x & 0x7F80 ? (uint32_t)x << 16 : (uint32_t)(x & 0x8000) << 16};
  return v.f;
}

/* Pairs of bf16: even elements and odd ones are summed by themselves. */
void model_tdpbf16ps(uint8_t c, uint8_t a, uint8_t b);
void model_tdpbf16ps(uint8_t c, uint8_t a, uint8_t b) {
  need_product(c, a, b);
  for (uint32_t m = 0; m < state.rows[c]; m++)
    for (uint32_t n = 0; n < state.bytes[c] / 4; n++) {
      float sums[2] = {0, 0};
      for (uint32_t k = 0; k < state.rows[b]; k++)
        for (uint32_t i = 0; i < 2; i++)
          sums[i] += widened(state.data[a].u16[m][2 * k + i]) * widened(state.data[b].u16[k][2 * n + i]);
      state.data[c].f32[m][n] += sums[0] + sums[1];
    }
}
