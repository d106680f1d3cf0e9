/* Programs of many ops of every kind, one on the results of others, over tensors of any rank, with sizes known or not:
 * each value is a tensor of floats or of codes, and each step takes ops that such a tensor allows. */
#include "program.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { MOST_VALUES = 40, MOST_RANK = 4, MOST_COUNT = 20000 };

/* Size 0 stands for `?`. */
typedef struct value {
  char name[16], elem[16];
  bool codes; /* quantized: elem is an alias such as !q3 */
  int rank, size[MOST_RANK], rows;
} value;

static value values[MOST_VALUES];
static int count, next_type;

/* Types of codes stand in front of the function. */
static char aliases[1 << 16];
static size_t aliases_at;

static const char *type_of(const value *v) {
  static char all[4][320];
  static int turn;
  char *to = all[turn++ % 4];
  int n = snprintf(to, sizeof all[0], "tensor<");
  for (int d = 0; d < v->rank; d++)
    n += v->size[d] ? snprintf(to + n, sizeof all[0] - (size_t)n, "%dx", v->size[d])
                    : snprintf(to + n, sizeof all[0] - (size_t)n, "?x");
  snprintf(to + n, sizeof all[0] - (size_t)n, "%s>", v->elem);
  return to;
}

/* Elements when what is open is v->rows. */
static int elements(const value *v) {
  int n = 1;
  for (int d = 0; d < v->rank; d++) n *= v->size[d] ? v->size[d] : 20;
  return n;
}

static value *take(bool codes) {
  int from = pick(count);
  if (pick(2)) from = count - 1; /* deep rather than wide */
  for (int i = 0; i < count; i++) {
    value *v = &values[(from + i) % count];
    if (v->codes == codes) return v;
  }
  return NULL;
}

static value *take_f32(void) {
  int from = pick(2) ? count - 1 : pick(count);
  for (int i = 0; i < count; i++) {
    value *v = &values[(from + i) % count];
    if (!strcmp(v->elem, "f32")) return v;
  }
  return NULL;
}

/* A new value like another, but for what the caller changes before it prints the op. */
static value *like(const value *x) {
  value *y = &values[count];
  value copy = *x;
  *y = copy;
  snprintf(y->name, sizeof y->name, "%%v%d", count);
  return y;
}

static void constant(const char *name, const value *of, double low, double high) {
  put("  %s = arith.constant dense<", name);
  int n = elements(of);
  if (of->rank == 0 || n > 600) {
    put("%.6e", low + (high - low) * (double)(pick(1000) + 1) / 1000);
  } else {
    int left[MOST_RANK];
    for (int i = 0; i < n; i++) {
      int open = 0;
      for (int d = of->rank - 1, at_d = i; d >= 0; at_d /= of->size[d], d--) left[d] = at_d % of->size[d];
      for (int d = of->rank - 1; d >= 0 && left[d] == 0; d--) open++;
      if (i) put(", ");
      for (int d = 0; d < open; d++) put("[");
      put("%.6e", low + (high - low) * (double)(pick(1000) + 1) / 1000);
      int shut = 0;
      for (int d = of->rank - 1; d >= 0 && left[d] == of->size[d] - 1; d--) shut++;
      for (int d = 0; d < shut; d++) put("]");
    }
  }
  put("> : %s\n", type_of(of));
}

static void declare(value *v, const char *fmt_storage, int zero) {
  snprintf(v->elem, sizeof v->elem, "!g%d", next_type++);
  v->codes = true;
  double unit = pick(6) ? 0.001 * (1 + pick(60)) : pick(2) ? 1.1754943e-38 : 3.0e30;
  aliases_at += (size_t)snprintf(aliases + aliases_at, sizeof aliases - aliases_at,
                                 "%s = !quant.uniform<%s:f32, %.7e:%d>\n", v->elem, fmt_storage, unit, zero);
}

/* ---- ops on floats ---- */

static bool unary(void) {
  static const char *const ops[] = {"relu", "neg",     "abs",  "exp",   "log",  "sqrt", "tanh",
                                    "erf",  "sigmoid", "gelu", "floor", "ceil", "round"};
  value *x = take(false);
  if (!x) return false;
  value *y = like(x);
  int op = pick(15);
  const char *flags = "";
  if (op == 13) flags = " {min = -1.5 : f64, max = 2.25 : f64}";
  if (op == 14) flags = " {approximate = \"tanh\"}";
  put("  %s = quern.%s %s%s : (%s) -> %s\n", y->name,
      op == 13   ? "clip"
      : op == 14 ? "gelu"
                 : ops[op],
      x->name, flags, type_of(x), type_of(y));
  return true;
}

static bool cast(void) {
  static const char *const elems[] = {"f32", "f16", "bf16"};
  value *x = take(false);
  if (!x) return false;
  value *y = like(x);
  snprintf(y->elem, sizeof y->elem, "%s", elems[pick(3)]);
  put("  %s = quern.cast %s : (%s) -> %s\n", y->name, x->name, type_of(x), type_of(y));
  return true;
}

/* With a constant that broadcasts, or a value of the same type. */
static bool binary(void) {
  static const char *const ops[] = {"add", "sub", "mul", "div", "maximum", "minimum"};
  value *x = take(false);
  if (!x) return false;
  value other = *x;
  const char *second = NULL;
  for (int i = 0; i < count && !second; i++) {
    value *v = &values[(i + pick(count)) % count];
    if (v != x && !v->codes && !strcmp(type_of(v), type_of(x))) second = v->name, other = *v;
  }
  char name[16];
  if (!second || pick(2)) {
    other = *x;
    int drop = pick(x->rank + 1);
    other.rank = x->rank - drop;
    for (int d = 0; d < other.rank; d++) other.size[d] = x->size[d + drop] == 0 || pick(3) == 0 ? 1 : x->size[d + drop];
    snprintf(name, sizeof name, "%%c%d", count);
    constant(name, &other, -2, 2);
    second = name;
  }
  value *y = like(x);
  bool swapped = pick(2);
  put("  %s = quern.%s %s, %s : (%s, %s) -> %s\n", y->name, ops[pick(6)], swapped ? second : x->name,
      swapped ? x->name : second, type_of(swapped ? &other : x), type_of(swapped ? x : &other), type_of(y));
  return true;
}

static bool reduce(void) {
  value *x = take(false);
  if (!x || x->rank == 0) return false;
  value *y = like(x);
  int axis = pick(x->rank);
  if (pick(2)) {
    put("  %s = quern.softmax %s {axis = %d} : (%s) -> %s\n", y->name, x->name, axis - (pick(2) ? x->rank : 0),
        type_of(x), type_of(y));
    return true;
  }
  value tail = *x;
  tail.rank = x->rank - axis;
  for (int d = 0; d < tail.rank; d++)
    if (!(tail.size[d] = x->size[d + axis])) return false;
  char s[16], b[16];
  snprintf(s, sizeof s, "%%s%d", count);
  snprintf(b, sizeof b, "%%b%d", count);
  int with = pick(3);
  if (with) constant(s, &tail, 0.5, 1.5);
  if (with > 1) constant(b, &tail, -1, 1);
  put("  %s = quern.layer_norm %s%s%s%s%s {axis = %d} : (%s%s%s%s%s) -> %s\n", y->name, x->name, with ? ", " : "",
      with ? s : "", with > 1 ? ", " : "", with > 1 ? b : "", axis, type_of(x), with ? ", " : "",
      with ? type_of(&tail) : "", with > 1 ? ", " : "", with > 1 ? type_of(&tail) : "", type_of(y));
  return true;
}

/* ---- shapes: floats and codes ---- */

static bool turn(void) {
  value *x = &values[pick(2) ? count - 1 : pick(count)];
  if (x->rank < 2) return false;
  value *y = like(x);
  int perm[MOST_RANK];
  for (int d = 0; d < x->rank; d++) perm[d] = d;
  for (int d = x->rank - 1; d > 0; d--) {
    int e = pick(d + 1), keep = perm[d];
    perm[d] = perm[e], perm[e] = keep;
  }
  put("  %s = quern.transpose %s {perm = array<i64: ", y->name, x->name);
  for (int d = 0; d < x->rank; d++) {
    put("%s%d", d ? ", " : "", perm[d]);
    y->size[d] = x->size[perm[d]];
  }
  put(">} : (%s) -> %s\n", type_of(x), type_of(y));
  return true;
}

/* Two axes become one, or one becomes two. */
static bool fold(void) {
  value *x = &values[pick(2) ? count - 1 : pick(count)];
  value *y = like(x);
  if (x->rank >= 2 && pick(2)) {
    int d = pick(x->rank - 1);
    if (!x->size[d] || !x->size[d + 1]) return false;
    y->rank--;
    y->size[d] = x->size[d] * x->size[d + 1];
    for (int e = d + 1; e < y->rank; e++) y->size[e] = x->size[e + 1];
  } else {
    if (x->rank == 0 || x->rank == MOST_RANK) return false;
    int d = pick(x->rank), by = 1 + pick(4);
    if (!x->size[d] || x->size[d] % by) return false;
    y->rank++;
    for (int e = y->rank - 1; e > d + 1; e--) y->size[e] = x->size[e - 1];
    y->size[d] = by, y->size[d + 1] = x->size[d] / by;
  }
  put("  %s = quern.reshape %s {shape = array<i64: ", y->name, x->name);
  int open = 0;
  for (int d = 0; d < y->rank; d++) open += !y->size[d];
  if (open > 1) return false;
  for (int d = 0; d < y->rank; d++) put("%s%d", d ? ", " : "", y->size[d] ? y->size[d] : -1);
  put(">} : (%s) -> %s\n", type_of(x), type_of(y));
  return true;
}

/* ---- between floats and codes ---- */

static bool to_codes(void) {
  static const char *const storages[] = {"i8", "u8", "i8<-127:127>", "u8<3:250>", "i4", "u4", "i16", "u16", "i2"};
  static const int low[] = {-128, 0, -127, 3, -8, 0, -32768, 0, -2},
                   high[] = {127, 255, 127, 250, 7, 15, 32767, 65535, 1};
  value *x = take_f32();
  if (!x) return false;
  value *y = like(x);
  int s = pick(9), zero = pick(3) == 0 ? low[s] : pick(2) ? high[s] : low[s] + pick(high[s] - low[s] + 1);
  declare(y, storages[s], zero);
  if (pick(6) == 0) {
    char alias[sizeof y->elem];
    snprintf(alias, sizeof alias, "%s", y->elem);
    *y = *x, snprintf(y->name, sizeof y->name, "%%v%d", count);
    put("  %s = quern.fake_quant %s {type = %s%s} : (%s) -> %s\n", y->name, x->name, alias,
        pick(2) ? ", rounding = \"half_away\"" : "", type_of(x), type_of(y));
    return true;
  }
  put("  %s = quant.qcast %s : %s to %s\n", y->name, x->name, type_of(x), type_of(y));
  return true;
}

static bool to_floats(void) {
  value *x = take(true);
  if (!x) return false;
  value *y = like(x);
  y->codes = false;
  snprintf(y->elem, sizeof y->elem, "f32");
  put("  %s = quant.dcast %s : %s to %s\n", y->name, x->name, type_of(x), type_of(y));
  return true;
}

static bool by_own_range(void) {
  value *x = take_f32();
  if (!x || x->rank == 0) return false;
  value q = *x, s = *x;
  const char *storage = pick(2) ? "ui8" : "i8";
  int per = pick(2), i = count, symmetric = pick(2);
  snprintf(q.elem, sizeof q.elem, "%s", storage);
  s.size[s.rank - 1] = 1;
  if (!per) s.rank = 0;
  value z = s;
  snprintf(z.elem, sizeof z.elem, "%s", storage);
  put("  %%dq%d, %%ds%d, %%dz%d = quern.dynamic_quantize %s {storage = %s, scheme = \"%s\", range = \"%s\"%s} : (%s) "
      "-> "
      "(%s, ",
      i, i, i, x->name, storage, symmetric ? "symmetric" : "asymmetric", symmetric && pick(2) ? "narrow" : "full",
      per ? ", per_row = true" : "", type_of(x), type_of(&q));
  put("%s, %s)\n", type_of(&s), type_of(&z));
  value *y = like(x);
  put("  %s = quern.dequantize %%dq%d, %%ds%d, %%dz%d : (%s, ", y->name, i, i, i, type_of(&q));
  put("%s, %s) -> %s\n", type_of(&s), type_of(&z), type_of(y));
  return true;
}

/* ---- products with constant weights ---- */

static bool product(void) {
  bool codes = pick(2);
  value *x = codes ? take(true) : take_f32();
  if (!x || x->rank < 2 || !x->size[x->rank - 1] || elements(x) > MOST_COUNT / 4) return false;
  int k = x->size[x->rank - 1], n = 1 + pick(40), i = count;
  if (k > 300) return false;
  value w = {.rank = 2, .size = {k, n}};
  if (codes) {
    static const char *const storages[] = {"i8", "u8", "i8", "i4"};
    const char *s = storages[pick(4)];
    value q = w;
    declare(&q, s, pick(2) ? 0 : s[1] == '4' ? pick(7) : pick(100));
    put("  %%wc%d = arith.constant dense<\"0x", i);
    for (int e = 0; e < k * n; e++) put("%02X", s[1] == '4' ? (unsigned)((pick(16) - 8) & 255) : (unsigned)pick(256));
    put("\"> : tensor<%dx%dx%s>\n", k, n, s[1] == '4' ? "i4" : "i8");
    put("  %%w%d = quant.scast %%wc%d : tensor<%dx%dx%s> to %s\n", i, i, k, n, s[1] == '4' ? "i4" : "i8", type_of(&q));
    value acc = *x, one = {.rank = 0};
    acc.codes = false;
    acc.size[acc.rank - 1] = n;
    snprintf(acc.elem, sizeof acc.elem, "i32");
    put("  %%acc%d = quern.matmul %s, %%w%d : (%s, %s) -> %s\n", i, x->name, i, type_of(x), type_of(&q), type_of(&acc));
    char before[16];
    snprintf(before, sizeof before, "%%acc%d", i);
    value bias = {.rank = 1, .size = {n}, .elem = "i32"};
    if (pick(2)) {
      put("  %%bi%d = arith.constant dense<%d> : %s\n", i, pick(2000) - 1000, type_of(&bias));
      put("  %%ab%d = quern.add %%acc%d, %%bi%d : (%s, %s) -> %s\n", i, i, i, type_of(&acc), type_of(&bias),
          type_of(&acc));
      snprintf(before, sizeof before, "%%ab%d", i);
    }
    char m[16];
    snprintf(m, sizeof m, "%%m%d", i);
    value mult = pick(2) ? one : (value){.rank = 1, .size = {n}};
    snprintf(mult.elem, sizeof mult.elem, "f32");
    constant(m, &mult, 1e-5, pick(9) ? 0.01 : 3);
    value *y = like(&acc);
    if (pick(2)) {
      static const char *const modes[] = {"f32", "f32", "fixed", "single"};
      declare(y, pick(2) ? "u8" : "i8", pick(100));
      put("  %s = quern.requantize %s, %s {mode = \"%s\"%s} : (%s, %s) -> ", y->name, before, m, modes[pick(4)],
          pick(4) ? "" : ", rounding = \"half_away\"", type_of(&acc), type_of(&mult));
      put("%s\n", type_of(y));
    } else {
      snprintf(y->elem, sizeof y->elem, "f32");
      put("  %%fa%d = quern.cast %s : (%s) -> %s\n", i, before, type_of(&acc), type_of(y));
      put("  %s = quern.mul %%fa%d, %s : (%s, %s) -> ", y->name, i, m, type_of(y), type_of(&mult));
      put("%s\n", type_of(y));
    }
    return true;
  }
  snprintf(w.elem, sizeof w.elem, "f32");
  char name[16];
  snprintf(name, sizeof name, "%%w%d", i);
  constant(name, &w, -1, 1);
  value *y = like(x);
  y->size[y->rank - 1] = n;
  put("  %s = quern.matmul %s, %s : (%s, %s) -> %s\n", y->name, x->name, name, type_of(x), type_of(&w), type_of(y));
  return true;
}

/* ---- windows ---- */

static bool pool(void) {
  value *x = &values[pick(2) ? count - 1 : pick(count)];
  if (x->rank != 4 || !x->size[1] || !x->size[2] || !x->size[3]) return false;
  if (x->codes) return false;
  bool most = pick(2), nchw = pick(2);
  int a = nchw ? 2 : 1, kernel[2], strides[2], pads[4];
  value *y = like(x);
  for (int d = 0; d < 2; d++) {
    kernel[d] = 1 + pick(3), strides[d] = 1 + pick(2), pads[d] = pick(kernel[d]), pads[2 + d] = pick(kernel[d]);
    int room = x->size[a + d] + pads[d] + pads[2 + d] - kernel[d];
    if (room < 0) return false;
    y->size[a + d] = room / strides[d] + 1;
  }
  put("  %s = quern.%s %s {kernel = array<i64: %d, %d>, strides = array<i64: %d, %d>, pads = array<i64: %d, %d, %d, "
      "%d>, layout = \"%s\"} : (%s) -> %s\n",
      y->name, most ? "max_pool" : "average_pool", x->name, kernel[0], kernel[1], strides[0], strides[1], pads[0],
      pads[1], pads[2], pads[3], nchw ? "nchw" : "nhwc", type_of(x), type_of(y));
  return true;
}

/* ---- whole programs ---- */

void graphs(void) {
  static bool (*const steps[])(void) = {unary,    unary,    binary,    binary,       reduce,  cast,    turn,    fold,
                                        to_codes, to_codes, to_floats, by_own_range, product, product, product, pool};
  char inputs[1024] = "", results[1024] = "", names[256] = "";
  size_t in = 0;
  count = next_type = 0, aliases_at = 0;
  bool open = pick(4) == 0;
  int arguments = 1 + pick(2), ops = 2 + pick(14);
  for (int i = 0; i < arguments; i++) {
    value *v = &values[count++];
    *v = (value){.rank = 1 + pick(MOST_RANK), .elem = "f32"};
    do
      for (int d = 0; d < v->rank; d++) v->size[d] = pick(4) ? 1 + pick(12) : 1 + pick(70);
    while (elements(v) > MOST_COUNT / 2);
    if (open) v->size[0] = 0;
    snprintf(v->name, sizeof v->name, "%%x%d", i);
    in += (size_t)snprintf(inputs + in, sizeof inputs - in, "%s%s: %s", i ? ", " : "", v->name, type_of(v));
  }
  size_t body = at;
  for (int done = 0, tries = 0; done < ops && tries < 200 && count + 1 < MOST_VALUES; tries++) {
    size_t before = at, aliases_before = aliases_at;
    if (steps[pick((int)(sizeof steps / sizeof steps[0]))]() && elements(&values[count]) <= MOST_COUNT)
      count++, done++;
    else
      at = before, aliases_at = aliases_before;
  }
  /* The last value, and now and then one from the middle. */
  const value *last = &values[count - 1], *middle = pick(2) ? &values[pick(count)] : last;
  bool two = middle != last || pick(6) == 0; /* the same one twice too */
  snprintf(results, sizeof results, "%s%s%s", type_of(last), two ? ", " : "", two ? type_of(middle) : "");
  snprintf(names, sizeof names, "%s%s%s", last->name, two ? ", " : "", two ? middle->name : "");
  static char ops_text[TEXT_ROOM];
  size_t bytes = at - body;
  memcpy(ops_text, text + body, bytes);
  at = body;
  put("%.*sfunc.func @main(%s) -> (%s) {\n", (int)aliases_at, aliases, inputs, results);
  if (at + bytes < sizeof text) memcpy(text + at, ops_text, bytes), at += bytes;
  put("  return %s : %s\n}\n", names, results);
}
