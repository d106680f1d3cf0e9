/* The ranges that observers choose, against the definitions written out plainly. */
#include "observe_test.h"

enum { N = 60000 };
static float data[N];

static void fill(int shape, uint64_t seed) {
  for (int i = 0; i < N; i++) {
    float b = bell(&seed);
    switch (shape) {
    case 0: data[i] = b; break;
    case 1: data[i] = b > 0 ? b : 0; break;          /* after a relu */
    case 2: data[i] = i % 997 ? b : b * 40; break;   /* outliers */
    case 3: data[i] = i % 3001 ? b * b : 300; break; /* one-sided with outliers */
    case 4: data[i] = -5 - (float)unit_random(&seed); break;
    default: data[i] = (float)(i % 5) - 2; break;
    }
  }
}

enum { SHAPES = 6 };

static int ascending(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

/* The bins of a state by its definition: width and first bin from the text, counts by a pass over the data. */
typedef struct grid {
  double width, min, max;
  int first, used, zero;
  double counts[9000];
} grid;

static void make_grid(qn_observer *o, grid *g) {
  char *text = text_of(o);
  int exponent, lo = 0, hi = 0;
  assert_int_equal(sscanf(strchr(text, ';'), "; %*u %lf %lf %*u %d %d", &g->min, &g->max, &exponent, &g->first), 4);
  free(text);
  g->width = ldexp(1, exponent);
  memset(g->counts, 0, sizeof g->counts);
  for (int i = 0; i < N; i++) {
    int bin = (int)floor((double)data[i] / g->width);
    lo = bin < lo ? bin : lo;
    hi = bin > hi ? bin : hi;
    if (data[i] < 0 || data[i] > 0) g->counts[bin - g->first]++;
  }
  assert_int_equal(lo, g->first);
  g->used = hi - lo + 1;
  g->zero = -lo;
}

static double edge(const grid *g, int slot) {
  double x = (g->first + slot) * g->width;
  return x < g->min ? g->min : x > g->max ? g->max : x;
}

/* ---- percentile ---- */

static void percentile(void **state) {
  (void)state;
  static const char *const kinds[] = {"percentile:100", "percentile", "percentile:99.9", "percentile:95",
                                      "percentile:50"};
  static const double percent[] = {100, 99.99, 99.9, 95, 50};
  static grid g;
  env e;
  env_open(&e);
  for (int shape = 0; shape < SHAPES; shape++) {
    fill(shape, 11);
    for (size_t k = 0; k < 5; k++) {
      qn_observer *o = make(&e, kinds[k], 1);
      feed(o, data, N, 0);
      make_grid(o, &g);
      double lo, hi;
      assert_int_equal(qn_observer_range(o, 0, qn_place_file("t"), &lo, &hi), QN_OK);
      static float sorted[N];
      memcpy(sorted, data, sizeof sorted);
      qsort(sorted, N, sizeof *sorted, ascending);
      int cut = (int)(N * ((100 - percent[k]) / 200));
      /* The range holds the quantiles and ends within a bin of them. */
      double low = (double)sorted[cut], high = (double)sorted[N - 1 - cut];
      assert_true(lo <= low && lo > low - g.width - 1e-12);
      assert_true(hi >= high && hi <= high + g.width + 1e-12);
      int left_out = 0;
      for (int i = 0; i < N; i++) left_out += (double)data[i] < lo || (double)data[i] > hi;
      assert_true(left_out <= 2 * cut);
      qn_observer_destroy(o);
    }
  }
  env_close(&e);
}

/* ---- mse ---- */

/* Expected squared error of clipping to [a, b) in slots, with uniform rounding noise inside. */
static double squared_error(const grid *g, int a, int b, double levels) {
  double error = 0, step = (b - a) / levels;
  for (int i = 0; i < g->used; i++) {
    double outside = i < a ? a - i - 0.5 : i >= b ? i + 0.5 - b : 0;
    error += g->counts[i] * (outside > 0 ? outside * outside + 1.0 / 12 : step * step / 12);
  }
  return error;
}

static void least_squares(void **state) {
  (void)state;
  static const char *const kinds[] = {"histogram-mse", "histogram-mse:4"};
  static const double levels[] = {255, 15};
  static grid g;
  env e;
  env_open(&e);
  uint64_t seed = 5;
  for (int shape = 0; shape < SHAPES; shape++)
    for (size_t k = 0; k < 2; k++) {
      fill(shape, 23);
      qn_observer *o = make(&e, kinds[k], 1);
      feed(o, data, N, 0);
      make_grid(o, &g);
      double lo, hi;
      assert_int_equal(qn_observer_range(o, 0, qn_place_file("t"), &lo, &hi), QN_OK);
      /* The slots that the chosen range stands for; edges beyond the data count as its ends. */
      double chosen = HUGE_VAL;
      int a = 0, b = 0;
      for (int i = 0; i <= g.zero; i++)
        for (int j = g.zero; j <= g.used; j++) {
          if (edge(&g, i) < lo || edge(&g, i) > lo || edge(&g, j) < hi || edge(&g, j) > hi) continue;
          double error = squared_error(&g, i, j, levels[k]);
          if (error < chosen) chosen = error, a = i, b = j;
        }
      assert_true(chosen < HUGE_VAL);
      for (int trial = 0; trial < 2000; trial++) { /* neighbours, the whole, and anything */
        int i = trial < 200    ? a + trial % 15 - 7
                : trial == 200 ? 0
                               : (int)(next_random(&seed) % (uint64_t)(g.zero + 1));
        int j = trial < 200    ? b + trial / 15 - 7
                : trial == 200 ? g.used
                               : g.zero + (int)(next_random(&seed) % (uint64_t)(g.used - g.zero + 1));
        if (i < 0 || i > g.zero || j < g.zero || j > g.used) continue;
        assert_true(chosen <= squared_error(&g, i, j, levels[k]) * (1 + 1e-12));
      }
      qn_observer_destroy(o);
    }
  env_close(&e);
}

/* ---- relative entropy ---- */

static double relative_entropy(const grid *g, int a, int b, int levels) {
  static double p[9000], q[9000];
  double total = 0, kept = 0, d = 0;
  int bins = b - a;
  for (int i = 0; i < g->used; i++) total += g->counts[i];
  for (int i = 0; i < bins; i++) p[i] = g->counts[a + i], kept += p[i];
  for (int i = 0; i < a; i++) p[0] += g->counts[i];
  for (int i = b; i < g->used; i++) p[bins - 1] += g->counts[i];
  for (int l = 0; l < levels; l++) {
    int from = (int)((int64_t)l * bins / levels), to = (int)((int64_t)(l + 1) * bins / levels), occupied = 0;
    double sum = 0;
    for (int i = from; i < to; i++) sum += g->counts[a + i], occupied += p[i] > 0;
    if (occupied && sum <= 0) sum = 1, kept++; /* only clipped values */
    for (int i = from; i < to; i++) q[i] = p[i] > 0 ? sum / occupied : 0;
  }
  for (int i = 0; i < bins; i++)
    if (p[i] > 0) d += p[i] / total * log(p[i] / total / (q[i] / kept));
  return d;
}

static void least_entropy(void **state) {
  (void)state;
  static const char *const kinds[] = {"kl", "entropy:5"};
  static const int levels[] = {256, 32};
  static grid g;
  env e;
  env_open(&e);
  for (int shape = 0; shape < SHAPES; shape++)
    for (size_t k = 0; k < 2; k++) {
      fill(shape, 31);
      qn_observer *o = make(&e, kinds[k], 1);
      feed(o, data, N, 0);
      make_grid(o, &g);
      double lo, hi, least = HUGE_VAL, chosen = HUGE_VAL;
      assert_int_equal(qn_observer_range(o, 0, qn_place_file("t"), &lo, &hi), QN_OK);
      for (int t = 2048; t > 0; t--) {
        int a = t < g.zero ? g.zero - t : 0, b = g.zero + t < g.used ? g.zero + t : g.used;
        if (b - a < levels[k]) break;
        double d = relative_entropy(&g, a, b, levels[k]);
        if (d < least) least = d;
        bool here = edge(&g, a) <= lo && edge(&g, a) >= lo && edge(&g, b) <= hi && edge(&g, b) >= hi;
        if (here && d < chosen) chosen = d;
      }
      /* -1e-9: the sum of terms and the factored form round differently. */
      if (!(chosen <= least + 1e-9)) fail_msg("%s, shape %d: %g, the least is %g", kinds[k], shape, chosen, least);
      qn_observer_destroy(o);
    }
  env_close(&e);
}

/* Outliers are clipped by those that can clip, and nothing is lost where there are none. */
static void clipping(void **state) {
  (void)state;
  env e;
  env_open(&e);
  static const char *const kinds[] = {"percentile:99.9", "histogram-mse:4", "kl"};
  for (size_t k = 0; k < 3; k++) {
    fill(3, 3);
    qn_observer *o = make(&e, kinds[k], 1);
    feed(o, data, N, 0);
    double lo, hi;
    assert_int_equal(qn_observer_range(o, 0, qn_place_file("t"), &lo, &hi), QN_OK);
    assert_true(lo <= 0.01 && lo >= 0);
    if (!(hi < 250)) fail_msg("%s keeps up to %g", kinds[k], hi);
    qn_observer_destroy(o);
    o = make(&e, kinds[k], 1); /* zeros only */
    feed(o, (const float[]){0, -0.0f, 0}, 3, 0);
    expect_range(o, 0, 0, 0);
    qn_observer_destroy(o);
    o = make(&e, kinds[k], 1); /* one value */
    feed(o, (const float[]){2.5f}, 1, 0);
    assert_int_equal(qn_observer_range(o, 0, qn_place_file("t"), &lo, &hi), QN_OK);
    assert_true(hi <= 2.5 && hi >= 2.5 && lo >= 0);
    qn_observer_destroy(o);
  }
  env_close(&e);
}

/* Against the recurrence in long double. */
static void moving_average(void **state) {
  (void)state;
  env e;
  env_open(&e);
  fill(0, 77);
  qn_observer *o = make(&e, "moving-average", 1);
  long double low = 0, high = 0;
  for (int i = 0; i < 300; i++) {
    float *x = data + (size_t)i * 100, min = x[0], max = x[0];
    for (int j = 1; j < 100; j++) min = fminf(min, x[j]), max = fmaxf(max, x[j]);
    low = i ? low + 0.01L * ((long double)min - low) : (long double)min;
    high = i ? high + 0.01L * ((long double)max - high) : (long double)max;
    feed(o, x, 100, i);
  }
  double lo, hi;
  assert_int_equal(qn_observer_range(o, 0, qn_place_file("t"), &lo, &hi), QN_OK);
  assert_true(fabsl((long double)lo - low) < 1e-6L && fabsl((long double)hi - high) < 1e-6L);
  assert_true((double)(float)lo <= lo && (double)(float)lo >= lo);
  qn_observer_destroy(o);
  env_close(&e);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(percentile), cmocka_unit_test(least_squares),
                                     cmocka_unit_test(least_entropy), cmocka_unit_test(clipping),
                                     cmocka_unit_test(moving_average)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
