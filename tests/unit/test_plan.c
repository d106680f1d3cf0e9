/* ISA rows, tile heights, and plans of kernels. */
#include "unit.h"

#include "failing_alloc.h"
#include "kernel.h"
#include "loop_run.h"
#include "region_build.h"

/* ---- instruction sets ---- */

static void isa_table(void **state) {
  (void)state;
  size_t n = 0;
  for (; qn_isa_get(n); n++) {
    const qn_isa *isa = qn_isa_get(n);
    assert_ptr_equal(qn_isa_find(qn_str_of(isa->name)), isa);
    qn_layout l;
    assert_true(qn_layout_parse(qn_str_of(isa->int8_layout), &l) && !l.plain);
    assert_true(qn_layout_parse(qn_str_of(isa->int16_layout), &l) && !l.plain);
    assert_true(qn_layout_parse(qn_str_of(isa->float_layout), &l) && !l.plain && l.k_block == 1);
    assert_true(isa->int8_rows && isa->int16_rows && isa->float_rows);
    assert_ptr_equal(qn_isa_gemm_layout(isa, QN_UI8, QN_I8, QN_I32), isa->int8_layout);
    assert_ptr_equal(qn_isa_gemm_layout(isa, QN_UI8, QN_SI8, QN_I64), isa->int8_layout);
    assert_ptr_equal(qn_isa_gemm_layout(isa, QN_I16, QN_I16, QN_I32), isa->int16_layout);
    assert_ptr_equal(qn_isa_gemm_layout(isa, QN_F32, QN_F32, QN_F32), isa->float_layout);
    assert_ptr_equal(qn_isa_gemm_layout(isa, QN_F64, QN_F64, QN_F64), isa->float_layout);
    assert_null(qn_isa_gemm_layout(isa, QN_I8, QN_UI8, QN_I32));
    assert_null(qn_isa_gemm_layout(isa, QN_F16, QN_F16, QN_F32));
  }
  assert_true(n >= 3);
  assert_null(qn_isa_get(n + 7));
  const qn_isa *host = qn_isa_host();
  assert_true(qn_isa_runs_here(host));
  assert_ptr_equal(qn_isa_find((qn_str){NULL, 0}), host);
  assert_ptr_equal(qn_isa_find(qn_str_of("host")), host);
  assert_ptr_equal(qn_isa_find(qn_str_of("native")), host);
  assert_string_equal(qn_isa_find(qn_str_of("x86-64-v3"))->name, "avx2");
  assert_string_equal(qn_isa_find(qn_str_of("x86-64-v4"))->name, "avx2");
  assert_string_equal(qn_isa_find(qn_str_of("x86-64"))->name, "x86-64");
  /* Names of machines stand for rows, and no row has the name of a machine. */
  const qn_isa *row = NULL;
  const char *name;
  for (size_t i = 0; (name = qn_isa_alias(i, &row)); i++) {
    assert_ptr_equal(qn_isa_find(qn_str_of(name)), row);
    for (size_t r = 0; r < n; r++) assert_string_not_equal(qn_isa_get(r)->name, name);
  }
  assert_string_equal(qn_isa_find(qn_str_of("neoverse-n1"))->name, "aarch64-dotprod");
  assert_string_equal(qn_isa_find(qn_str_of("apple-m2"))->name, "aarch64-i8mm");
  assert_string_equal(qn_isa_find(qn_str_of("sve256"))->name, "aarch64-sve256");
  assert_string_equal(qn_isa_find(qn_str_of("alderlake"))->name, "avxvnni");
  assert_string_equal(qn_isa_find(qn_str_of("cascadelake"))->name, "avx512vnni");
  assert_string_equal(qn_isa_find(qn_str_of("icelake-server"))->name, "avx512vbmi");
  char near[160], little[8];
  assert_string_equal(qn_isa_near(qn_str_of("avx22"), near, sizeof near), "did you mean 'avx2' or 'avx512'? ");
  assert_string_equal(qn_isa_near(qn_str_of("Neoverse_N3"), near, sizeof near),
                      "did you mean 'neoverse-n1', 'neoverse-n2', 'neoverse-v1' or 'neoverse-v2'? ");
  assert_string_equal(qn_isa_near(qn_str_of("m68k"), near, sizeof near), "");
  assert_string_equal(qn_isa_near((qn_str){NULL, 0}, near, sizeof near), "");
  assert_string_equal(qn_isa_near(qn_str_of("avx22"), little, sizeof little), "did you");
  assert_string_equal(
      qn_isa_near(qn_str_of("a name much longer than that of any processor there is"), near, sizeof near), "");
  assert_null(qn_isa_find(qn_str_of("pentium")));
  assert_null(qn_isa_find(qn_str_of("")));
  assert_false(qn_isa_runs_here(NULL));
  assert_true(qn_isa_runs_here(qn_isa_find(qn_str_of("generic"))));
#if defined(__x86_64__) && defined(__GNUC__)
  __builtin_cpu_init();
  assert_int_equal(qn_isa_runs_here(qn_isa_find(qn_str_of("avx2"))),
                   __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"));
  assert_true(qn_isa_runs_here(qn_isa_find(qn_str_of("x86-64"))));
  assert_false(qn_isa_runs_here(qn_isa_find(qn_str_of("aarch64"))));
  assert_int_equal(qn_isa_runs_here(qn_isa_find(qn_str_of("avx512vnni"))),
                   __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
                       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"));
  assert_int_equal(qn_isa_runs_here(qn_isa_find(qn_str_of("avx512vbmi"))),
                   qn_isa_runs_here(qn_isa_find(qn_str_of("avx512vnni"))) && __builtin_cpu_supports("avx512vbmi"));
#endif
}

/* Columns that are multiplied for n of them. */
static int64_t multiplied(const qn_isa *isa, const qn_layout *l, int64_t n) {
  int64_t width = l->panel_width, last = qn__last_panel(isa, l, QN_I32, n);
  assert_true(last < width && n % width <= (last ? last : width));
  return last ? n / width * width + last : (n + width - 1) / width * width;
}

/* Half a vector of columns at most, where there are rows and k enough for it. */
static void side_columns(void **state) {
  (void)state;
  const qn_layout layout = {false, 4, 64, 1, 0};
  static const struct {
    const char *isa;
    int64_t m, n, k;
    uint32_t side;
  } cases[] = {
      {"avx512vnni", 513, 769, 767, 1}, {"avx512vnni", 513, 776, 4095, 8}, {"avx512vnni", 513, 777, 4095, 0},
      {"avx512vnni", 513, 768, 767, 0}, {"avx512vnni", 513, 769, 63, 0},   {"avx512vnni", 513, 769, 68, 1},
      {"avx512vnni", 513, 776, 767, 0}, {"avx512vnni", 513, 584, 767, 8},  {"avx512vnni", 11, 769, 767, 0},
      {"avx512vnni", 12, 769, 767, 1},  {"avx512vnni", -1, 769, 767, 0},   {"avx512vnni", 513, -1, 767, 0},
      {"avx512vnni", 513, 769, -1, 0},  {"avxvnni", 513, 771, 767, 3},     {"avxvnni", 513, 773, 767, 0},
      {"avx2", 513, 769, 767, 0},       {"avx512vnni", 513, 776, 511, 0},  {"avx512vnni", 513, 10, 512, 10},
      {"avx512vnni", 513, 11, 4095, 0}, {"avx512vnni", 16, 7, 3236, 7},    {"avx512vnni", 8, 7, 767, 0},
      {"avx512vnni", 900, 8, 200, 0},   {"amx-int8", 513, 769, 767, 0},    {"aarch64-dotprod", 513, 769, 767, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const qn_isa *isa = qn_isa_find(qn_str_of(cases[i].isa));
    uint32_t got = qn__side_columns(isa, &layout, QN_UI8, QN_I32, cases[i].m, cases[i].n, cases[i].k);
    assert_int_equal(got, cases[i].side);
    assert_int_equal(qn__side_columns(isa, &layout, QN_F32, QN_F32, cases[i].m, cases[i].n, cases[i].k), 0);
  }
}

/* Panels fit the columns: never more padding than the row's own, layouts that kernels are made for, tall tiles. Of any
 * number of columns they are the row's own, but that registers for tiles take two times 16 at once. */
static void narrow_panels(void **state) {
  (void)state;
  const qn_machine machine = qn_machine_default();
  for (size_t r = 0; qn_isa_get(r); r++) {
    const qn_isa *isa = qn_isa_get(r);
    qn_layout own, l;
    assert_true(qn_layout_parse(qn_str_of(isa->int8_layout), &own));
    for (int64_t n = -1; n < 300; n++) {
      const char *name = qn_isa_gemm_layout_for(isa, QN_UI8, QN_I8, QN_I32, n, QN_DYNAMIC, &machine);
      assert_true(qn_layout_parse(qn_str_of(name), &l));
      assert_true(qn__layout_is_own(isa, &l, &own, QN_I32));
      assert_int_equal(l.k_block, own.k_block);
      int64_t width = l.panel_width, whole = own.panel_width;
      assert_true(width <= whole);
      if (n <= 0) assert_int_equal(width, (isa->has & QN_ISA_TILES) ? 32 : whole);
      if (n > 0) assert_true(multiplied(isa, &l, n) <= multiplied(isa, &own, n));
      uint32_t tall = qn__tallest_tile(isa, &l, &own, QN_I32, 6);
      assert_true(tall >= 6 && tall <= 12 && (width < whole || tall == 6));
    }
  }
  const qn_isa *isa = qn_isa_find(qn_str_of("avx512vnni"));
  static const struct {
    int64_t n, k;
    const char *layout;
  } cases[] = {{1, 64, "k4n16"},     {16, 64, "k4n16"},   {17, -1, "k4n32"},   {17, 60, "k4n32"},
               {17, 600, "k4n16"},   {33, 600, "k4n32"},  {48, 600, "k4n48"},  {64, 600, "k4n64"},
               {96, 600, "k4n48"},   {80, 600, "k4n48"},  {769, 600, "k4n64"}, {769, -1, "k4n64"},
               {1000, 600, "k4n48"}, {768, 600, "k4n64"}, {100, 600, "k4n48"}, {100, 100, "k4n64"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_string_equal(qn_isa_gemm_layout_for(isa, QN_UI8, QN_I8, QN_I32, cases[i].n, cases[i].k, &machine),
                        cases[i].layout);
  assert_null(qn_isa_gemm_layout_for(isa, QN_F16, QN_F16, QN_F32, 10, 10, &machine));
}

static void row_splits(void **state) {
  (void)state;
  qn_row_split s = qn__row_split(16, 6);
  assert_true(s.heights[0] == 6 && s.counts[0] == 1 && s.heights[1] == 5 && s.counts[1] == 2);
  for (uint32_t tallest = 1; tallest <= 9; tallest++)
    for (int64_t m = 1; m <= 300; m++) {
      s = qn__row_split(m, tallest);
      assert_int_equal(s.heights[0] * s.counts[0] + s.heights[1] * s.counts[1], m);
      assert_int_equal(s.counts[0] + s.counts[1], (m + tallest - 1) / tallest);
      assert_true(s.heights[0] >= 1 && s.heights[0] <= tallest && s.counts[0] >= 1);
      if (s.heights[1]) assert_int_equal(s.heights[1], s.heights[0] - 1);
      assert_int_equal(s.counts[1] != 0, s.heights[1] != 0);
    }
  s = qn__row_split(0, 6);
  assert_true(!s.counts[0] && !s.counts[1] && !s.heights[0]);
  s = qn__row_split(-3, 6);
  assert_true(!s.counts[0] && !s.counts[1]);
  s = qn__row_split(INT64_MAX, 6);
  assert_true(s.heights[0] * (uint64_t)s.counts[0] + s.heights[1] * (uint64_t)s.counts[1] == INT64_MAX);
}

/* ---- loops ---- */

typedef struct planned {
  bench x;
  qn_arena arena;
  qn_op op;
  qn_kernel_plan plan;
  qn_status status;
} planned;

static void open_with(planned *t, const qn_allocator *a) {
  bench_open_with(&t->x, a);
  qn__arena_init(&t->arena, qn_context_allocator(t->x.ctx));
}
static void plan(planned *t, const char *isa) {
  t->status = qn__kernel_plan(t->x.m, t->op, qn_isa_find(qn_str_of(isa)), &t->arena, &t->plan);
}
static void shut(planned *t) {
  qn__arena_free(&t->arena);
  bench_close(&t->x);
}

static qn_type typed(planned *t, qn_scalar s, const run_shape *shape, const qn_name *symbols, const bool *hidden) {
  int64_t size[QN_MAX_RANK];
  for (uint32_t d = 0; d < shape->rank; d++) size[d] = hidden[d] ? QN_DYNAMIC : shape->size[d];
  return qn_type_tensor_symbols(t->x.ctx, bench_scalar(&t->x, s), shape->rank, size, symbols);
}

/* kern.map or kern.row that adds its inputs, on `mem`. */
static void build_sum(planned *t, qn_op_kind kind, uint32_t n, const qn_type *types, qn_type result, qn_scalar mem,
                      const int64_t *perm, uint32_t rank) {
  qn_value v[4];
  for (uint32_t i = 0; i < n; i++) v[i] = bench_operand(&t->x, types[i]);
  t->op = bench_op(&t->x, kind, n, v, 1, &result, 1);
  if (perm) qn_op_set_attr(t->x.m, t->op, "perm", qn_attr_ints(t->x.m, QN_I64, rank, perm));
  qn_value sum = {0};
  for (uint32_t i = 0; i < n; i++) {
    qn_value a = bench_arg(&t->x, mem);
    sum = i ? bench_2(&t->x, QN_OP_ADDF, sum, a, mem) : a;
  }
  bench_yield(&t->x, 1, &sum);
}

/* Walks the plan's loops: every operand must be at the element that broadcasting names, every result element once. */
static void check_walk(const planned *t, const run_shape *full, const run_shape *shapes, const int64_t *perm) {
  const qn_loop_plan *p = &t->plan.u.loop;
  uint32_t operands = p->num_inputs + p->num_outputs;
  int64_t sizes[QN_MAX_RANK + 1], strides[8 * (QN_MAX_RANK + 1)], at[QN_MAX_RANK + 1] = {0};
  assert_int_equal(p->rank, full->rank);
  assert_int_equal(p->first_axis[p->num_loops], p->num_loops ? p->rank : p->rank);
  if (p->num_loops) assert_int_equal(p->first_axis[0], 0);
  run_loop_args(p, full, shapes, sizes, strides);
  for (uint32_t i = 0; i < operands; i++)
    for (uint32_t d = 0; d < p->num_loops; d++) {
      qn_access a = p->access[i * p->num_loops + d];
      int64_t stride = strides[i * p->num_loops + d];
      if (a == QN_ACCESS_NONE) assert_true(stride == 0 || sizes[d] <= 1);
      if (a == QN_ACCESS_DENSE) assert_true(stride == 1 || sizes[d] <= 1);
    }
  int64_t index[QN_MAX_RANK] = {0}, total = run_count(full);
  for (int64_t n = 0; n < total; n++) {
    for (uint32_t i = 0; i < operands; i++) {
      int64_t walked = 0, named = 0;
      for (uint32_t d = 0; d < p->num_loops; d++) walked += at[d] * strides[i * p->num_loops + d];
      for (uint32_t d = 0; d < full->rank; d++)
        named += index[d] * run_axis_stride(&shapes[i], full->rank, d, i < p->num_inputs ? perm : NULL);
      assert_int_equal(walked, named);
    }
    for (uint32_t d = p->num_loops; d-- > 0 && ++at[d] == sizes[d];) at[d] = 0;
    for (uint32_t d = full->rank; d-- > 0 && ++index[d] == full->size[d];) index[d] = 0;
  }
  for (uint32_t d = 0; d < p->num_loops; d++) assert_int_equal(at[d], 0);
}

static void loops_walk_what_broadcasting_names(void **state) {
  (void)state;
  static const int64_t sizes[] = {1, 1, 2, 3, 5, 4};
  uint64_t seed = 11;
  for (int round = 0; round < 4000; round++) {
    planned t;
    open_with(&t, NULL);
    uint32_t n = 1 + (uint32_t)(bench_random(&seed) % 3);
    qn_op_kind kind = bench_random(&seed) % 4 ? QN_OP_MAP : QN_OP_ROW;
    run_shape full = {(uint32_t)(bench_random(&seed) % 5) + (kind == QN_OP_ROW), {0}}, shapes[4];
    qn_name names[QN_MAX_RANK], none[QN_MAX_RANK] = {{0}};
    bool hidden[QN_MAX_RANK] = {false}, named[QN_MAX_RANK], any_hidden[QN_MAX_RANK] = {false};
    for (uint32_t d = 0; d < full.rank; d++) {
      char text[16];
      full.size[d] = sizes[bench_random(&seed) % 6];
      snprintf(text, sizeof text, "d%u", d);
      names[d] = qn_name_of_c(t.x.ctx, text);
      named[d] = bench_random(&seed) % 2;
    }
    qn_type types[3];
    for (uint32_t i = 0; i < n; i++) {
      uint32_t drop = i ? (uint32_t)(bench_random(&seed) % (full.rank + 1)) : 0;
      qn_name symbols[QN_MAX_RANK] = {{0}};
      shapes[i].rank = full.rank - drop;
      for (uint32_t d = 0; d < shapes[i].rank; d++) {
        bool one = i && bench_random(&seed) % 4 == 0;
        shapes[i].size[d] = one ? 1 : full.size[d + drop];
        hidden[d] = bench_random(&seed) % 3 == 0;
        if (hidden[d]) any_hidden[d + drop] = true;
        /* one name means one size: an axis that broadcasts does not have it */
        if (hidden[d] && named[d + drop] && shapes[i].size[d] == full.size[d + drop]) symbols[d] = names[d + drop];
      }
      types[i] = typed(&t, QN_F32, &shapes[i], symbols, hidden);
    }
    shapes[n] = full;
    for (uint32_t d = 0; d < full.rank; d++) any_hidden[d] = any_hidden[d] && bench_random(&seed) % 2;
    build_sum(&t, kind, n, types, typed(&t, QN_F32, &full, none, any_hidden), QN_F32, NULL, 0);
    plan(&t, "generic");
    if (t.status) print_error("%s\n", t.x.said);
    assert_int_equal(t.status, QN_OK);
    /* a row result of one element is the row's value */
    if (kind == QN_OP_ROW)
      assert_int_equal(t.plan.u.loop.reduced[0], !any_hidden[full.rank - 1] && full.size[full.rank - 1] == 1);
    check_walk(&t, &full, shapes, NULL);
    shut(&t);
  }
}

static void transpositions(void **state) {
  (void)state;
  uint64_t seed = 12;
  for (int round = 0; round < 1500; round++) {
    planned t;
    open_with(&t, NULL);
    run_shape full = {1 + (uint32_t)(bench_random(&seed) % 5), {0}}, shapes[2];
    int64_t perm[QN_MAX_RANK];
    for (uint32_t d = 0; d < full.rank; d++) perm[d] = d;
    for (uint32_t d = full.rank; d-- > 1;) {
      uint32_t e = (uint32_t)(bench_random(&seed) % (d + 1));
      int64_t p = perm[d];
      perm[d] = perm[e], perm[e] = p;
    }
    shapes[0].rank = full.rank;
    for (uint32_t d = 0; d < full.rank; d++) shapes[0].size[d] = 1 + (int64_t)(bench_random(&seed) % 4);
    for (uint32_t d = 0; d < full.rank; d++) full.size[d] = shapes[0].size[perm[d]];
    shapes[1] = full;
    bool hidden[QN_MAX_RANK] = {false}, out_hidden[QN_MAX_RANK] = {false};
    qn_name none[QN_MAX_RANK] = {{0}};
    for (uint32_t d = 0; d < full.rank; d++) hidden[d] = bench_random(&seed) % 4 == 0;
    for (uint32_t d = 0; d < full.rank; d++) out_hidden[d] = hidden[perm[d]];
    qn_type in = typed(&t, QN_F32, &shapes[0], none, hidden);
    build_sum(&t, QN_OP_MAP, 1, &in, typed(&t, QN_F32, &full, none, out_hidden), QN_F32, perm, full.rank);
    plan(&t, "generic");
    assert_int_equal(t.status, QN_OK);
    check_walk(&t, &full, shapes, perm);
    shut(&t);
  }
}

/* Loops merge as far as operands allow, `?` included. */
static void loops_merge(void **state) {
  (void)state;
  enum { DYN = -1 };
  static const struct {
    qn_op_kind kind;
    int64_t a[4], b[4];  /* 0 ends; b[0] = 0: no second operand */
    const char *an, *bn; /* symbols, a letter each, . for none */
    uint32_t loops;
    qn_access inner_b;
  } cases[] = {
      {QN_OP_MAP, {4, 5, 6}, {4, 5, 6}, "...", "...", 1, QN_ACCESS_DENSE},
      {QN_OP_MAP, {4, 5, 6}, {6}, "...", ".", 2, QN_ACCESS_DENSE},
      {QN_OP_MAP, {4, 5, 6}, {5, 6}, "...", "..", 2, QN_ACCESS_DENSE},
      {QN_OP_MAP, {4, 5, 6}, {4, 1, 1}, "...", "...", 2, QN_ACCESS_NONE},
      {QN_OP_MAP, {4, 5, 6}, {1}, "...", ".", 1, QN_ACCESS_NONE},
      {QN_OP_MAP, {1, 1, 1}, {1}, "...", ".", 0, QN_ACCESS_NONE},
      {QN_OP_MAP, {4, 1, 6}, {4, 1, 6}, "...", "...", 1, QN_ACCESS_DENSE},
      {QN_OP_MAP, {DYN, 5, DYN}, {0}, "...", "", 1, QN_ACCESS_DENSE},
      {QN_OP_MAP, {DYN, 5}, {DYN, 5}, "n.", "n.", 1, QN_ACCESS_DENSE},
      {QN_OP_MAP, {DYN, 5}, {DYN, 5}, "n.", "k.", 2, QN_ACCESS_DENSE},
      {QN_OP_MAP, {4, DYN}, {4, DYN}, ".n", "..", 2, QN_ACCESS_STRIDED},
      {QN_OP_ROW, {4, 5, 6}, {4, 5, 6}, "...", "...", 2, QN_ACCESS_DENSE},
      {QN_OP_ROW, {6}, {6}, ".", ".", 1, QN_ACCESS_DENSE},
      {QN_OP_ROW, {1, 1, 6}, {1, 1, 6}, "...", "...", 1, QN_ACCESS_DENSE},
      {QN_OP_ROW, {4, 5, 6}, {4, 5, 1}, "...", "...", 2, QN_ACCESS_NONE},
  };
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    planned t;
    open_with(&t, NULL);
    qn_type types[2];
    for (int i = 0; i < 2; i++) {
      const int64_t *src = i ? cases[c].b : cases[c].a;
      const char *letters = i ? cases[c].bn : cases[c].an;
      int64_t size[4];
      qn_name names[4];
      uint32_t rank = 0;
      for (; rank < 4 && src[rank]; rank++) {
        char text[2] = {letters[rank], 0};
        size[rank] = src[rank] == DYN ? QN_DYNAMIC : src[rank];
        names[rank] = text[0] == '.' ? (qn_name){0} : qn_name_of_c(t.x.ctx, text);
      }
      types[i] = qn_type_tensor_symbols(t.x.ctx, bench_scalar(&t.x, QN_F32), rank, size, names);
    }
    build_sum(&t, cases[c].kind, cases[c].b[0] ? 2 : 1, types, types[0], QN_F32, NULL, 0);
    plan(&t, "generic");
    assert_int_equal(t.status, QN_OK);
    const qn_loop_plan *p = &t.plan.u.loop;
    if (p->num_loops != cases[c].loops) print_error("case %zu: %u loops\n", c, p->num_loops);
    assert_int_equal(p->num_loops, cases[c].loops);
    if (cases[c].b[0] && p->num_loops) assert_int_equal(p->access[p->num_loops * 2 - 1], cases[c].inner_b);
    shut(&t);
  }
}

static void sub_byte_operands(void **state) {
  (void)state;
  static const struct {
    int64_t shape[3], other[3];
    bool works;
  } cases[] = {{{4, 5, 6}, {4, 5, 6}, true}, {{4, 5, 6}, {1, 1, 6}, true}, {{4, 5, 3}, {1, 1, 3}, false},
               {{3, 3, 3}, {3, 3, 3}, true}, {{3, 3, 3}, {1, 1, 1}, true}, {{2, 3, 8}, {2, 1, 8}, true}};
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    planned t;
    open_with(&t, NULL);
    qn_type in[2] = {bench_tensor(&t.x, QN_UI4, 3, cases[c].shape), bench_tensor(&t.x, QN_I8, 3, cases[c].other)};
    qn_value v[2] = {bench_operand(&t.x, in[0]), bench_operand(&t.x, in[1])};
    t.op = bench_op(&t.x, QN_OP_MAP, 2, v, 1, in, 1);
    qn_value a = bench_arg(&t.x, QN_UI4), b = bench_arg(&t.x, QN_I8);
    qn_value y = bench_2(&t.x, QN_OP_ADDI, a, bench_1(&t.x, QN_OP_TRUNCI, b, QN_I4), QN_I4);
    bench_yield(&t.x, 1, &y);
    plan(&t, "generic");
    assert_int_equal(t.status, cases[c].works ? QN_OK : QN_ERR_UNSUPPORTED);
    if (cases[c].works) assert_null(t.plan.slow_reason); /* 4 bits go by vectors */
    shut(&t);
  }
}

/* ---- matrix products ---- */

typedef struct gemm_spec {
  qn_scalar a, lhs, b, acc;
  const char *layout;
  bool quantize, transpose;
  int64_t k;
} gemm_spec;

/* y = f32(acc) * scale + bias[n], from codes or from f32 that the prologue turns to codes. */
static void build_gemm(planned *t, const gemm_spec *g) {
  qn_context *ctx = t->x.ctx;
  const int64_t shape_a[] = {QN_DYNAMIC, g->k}, at[] = {g->k, QN_DYNAMIC}, shape_b[] = {g->k, 24}, bias[] = {24},
                one[] = {1};
  const int64_t y[] = {QN_DYNAMIC, 24};
  qn_value v[4] = {bench_operand(&t->x, bench_tensor(&t->x, g->a, 2, g->transpose ? at : shape_a)),
                   bench_operand(&t->x, bench_tensor(&t->x, g->b, 2, shape_b)),
                   bench_operand(&t->x, bench_tensor(&t->x, QN_F32, 1, one)),
                   bench_operand(&t->x, bench_tensor(&t->x, QN_F32, 1, bias))};
  qn_type result = bench_tensor(&t->x, QN_F32, 2, y);
  t->op = bench_op(&t->x, QN_OP_GEMM, 4, v, 1, &result, 2);
  qn_module *m = t->x.m;
  qn_op_set_attr(m, t->op, "lhs", qn_attr_type(m, bench_scalar(&t->x, g->lhs)));
  qn_op_set_attr(m, t->op, "acc", qn_attr_type(m, bench_scalar(&t->x, g->acc)));
  qn_op_set_attr(m, t->op, "layout", qn_attr_string(m, qn_str_of(g->layout)));
  qn_op_set_attr(m, t->op, "num_prologue", qn_attr_int(m, (qn_type){0}, 1));
  if (g->transpose) qn_op_set_attr(m, t->op, "transpose_a", qn_attr_bool(m, true));
  bench_region(&t->x, t->op, 0);
  qn_value x = bench_arg(&t->x, g->a), s = bench_arg(&t->x, QN_F32);
  if (g->quantize) {
    x = bench_2(&t->x, QN_OP_DIVF, x, s, QN_F32);
    x = bench_2(&t->x, QN_OP_MAXIMUMF, x, bench_float(&t->x, QN_F32, -128), QN_F32);
    x = bench_2(&t->x, QN_OP_MINIMUMF, x, bench_float(&t->x, QN_F32, 127), QN_F32);
    x = bench_1(&t->x, QN_OP_MATH_ROUNDEVEN, x, QN_F32);
    x = bench_1(&t->x, QN_OP_FPTOSI, x, bench_signless(g->lhs));
  }
  bench_yield(&t->x, 1, &x);
  bench_region(&t->x, t->op, 1);
  qn_value acc = bench_arg(&t->x, g->acc), b = bench_arg(&t->x, QN_F32), e;
  e = qn_scalar_is_int(g->acc) ? bench_1(&t->x, QN_OP_SITOFP, acc, QN_F32)
      : g->acc == QN_F64       ? bench_1(&t->x, QN_OP_TRUNCF, acc, QN_F32)
                               : acc;
  e = bench_2(&t->x, QN_OP_MULF, e, bench_float(&t->x, QN_F32, 0.5), QN_F32);
  e = bench_2(&t->x, QN_OP_ADDF, e, b, QN_F32);
  e = bench_2(&t->x, QN_OP_MAXIMUMF, e, bench_float(&t->x, QN_F32, 0), QN_F32);
  bench_yield(&t->x, 1, &e);
  (void)ctx;
}

static void gemm_plans(void **state) {
  (void)state;
  static const gemm_spec base = {QN_UI8, QN_UI8, QN_I8, QN_I32, "k4n64", false, false, 768};
  planned t;
  open_with(&t, NULL);
  build_gemm(&t, &base);
  plan(&t, "avx512vnni");
  assert_int_equal(t.status, QN_OK);
  const qn_gemm_plan *g = &t.plan.u.gemm;
  assert_false(g->has_prologue);
  assert_true(g->lhs_padded && g->turns_of == 4);
  assert_true(g->rows == 6 && g->layout.k_block == 4 && g->layout.panel_width == 64);
  assert_false(g->epilogue_extras[0].by_row);
  assert_true(g->epilogue_extras[0].by_col);
  assert_false(g->prologue_extras[0].by_row || g->prologue_extras[0].by_col);
  assert_null(t.plan.slow_reason);
  assert_string_equal(t.plan.fused, "scale, bias, relu");
  assert_string_equal(t.plan.tile, "6x64+32 k4n64");
  assert_true(strncmp(t.plan.name, "gemm_ui8_i8_f32_", 16) == 0);
  for (const char *c = t.plan.name; *c; c++)
    assert_true((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '_');

  gemm_spec spec = base;
  planned u;
  open_with(&u, NULL); /* the same again: one name */
  build_gemm(&u, &spec);
  plan(&u, "avx512vnni");
  assert_string_equal(u.plan.name, t.plan.name);
  assert_true(u.plan.hash == t.plan.hash);
  plan(&u, "avx2"); /* another row: another kernel, and the layout is not its own */
  assert_string_not_equal(u.plan.name, t.plan.name);
  assert_non_null(strstr(u.plan.slow_reason, "k2n16"));
  shut(&u);

  open_with(&u, NULL); /* odd K: nothing may be read past it */
  spec.k = 767;
  build_gemm(&u, &spec);
  plan(&u, "avx512vnni");
  assert_true(!u.plan.u.gemm.lhs_padded && u.plan.u.gemm.turns_of == 0);
  shut(&u);

  open_with(&u, NULL); /* quantized while being read */
  spec = base;
  spec.a = QN_F32, spec.quantize = true, spec.k = QN_DYNAMIC;
  build_gemm(&u, &spec);
  plan(&u, "avx512vnni");
  assert_int_equal(u.status, QN_OK);
  assert_true(u.plan.u.gemm.has_prologue && u.plan.u.gemm.lhs_padded && !u.plan.u.gemm.lhs_strided);
  assert_true(u.plan.u.gemm.turns_of == 0); /* K is not known */
  assert_string_equal(u.plan.fused, "quantize | scale, bias, relu");
  shut(&u);

  open_with(&u, NULL);
  spec = base;
  spec.transpose = true;
  build_gemm(&u, &spec);
  plan(&u, "avx512vnni");
  assert_true(u.plan.u.gemm.has_prologue && u.plan.u.gemm.lhs_strided && u.plan.u.gemm.lhs_padded);
  shut(&u);

  open_with(&u, NULL); /* i8 codes read as unsigned ones: the same bytes */
  spec = base;
  spec.a = QN_I8;
  build_gemm(&u, &spec);
  plan(&u, "avx512vnni");
  assert_false(u.plan.u.gemm.has_prologue);
  shut(&u);

  open_with(&u, NULL);
  spec = (gemm_spec){QN_F32, QN_F32, QN_F32, QN_F32, "plain", false, false, 5};
  build_gemm(&u, &spec);
  plan(&u, "generic");
  assert_int_equal(u.status, QN_OK);
  assert_true(u.plan.u.gemm.layout.panel_width == 24 && u.plan.u.gemm.layout.k_block == 1);
  assert_non_null(u.plan.slow_reason);
  shut(&u);

  open_with(&u, NULL);
  spec = base;
  spec.b = QN_UI8;
  build_gemm(&u, &spec);
  plan(&u, "generic");
  assert_int_equal(u.status, QN_ERR_UNSUPPORTED);
  assert_non_null(strstr(u.x.said, "ui8 by ui8"));
  shut(&u);
  shut(&t);
}

static void packs_views_and_others(void **state) {
  (void)state;
  planned t;
  open_with(&t, NULL);
  const int64_t shape[] = {7, 9};
  qn_type type = bench_tensor(&t.x, QN_I8, 2, shape);
  qn_value v = bench_operand(&t.x, type);
  t.op = bench_op(&t.x, QN_OP_PACK, 1, &v, 1, &type, 0);
  qn_op_set_attr(t.x.m, t.op, "layout", qn_attr_string(t.x.m, qn_str_of("k4n64")));
  plan(&t, "generic");
  assert_int_equal(t.status, QN_OK);
  assert_int_equal(t.plan.kind, QN_KERNEL_PACK);
  assert_int_equal(t.plan.u.pack.layout.panel_width, 64);
  t.op = bench_op(&t.x, QN_OP_VIEW, 1, &v, 1, &type, 0);
  plan(&t, "generic");
  assert_int_equal(t.plan.kind, QN_KERNEL_VIEW);
  t.op = bench_op(&t.x, QN_OP_ADD, 1, &v, 1, &type, 0);
  plan(&t, "generic");
  assert_int_equal(t.status, QN_ERR_UNSUPPORTED);
  assert_non_null(strstr(t.x.said, "quern.add"));
  shut(&t);
}

static void memory_runs_out(void **state) {
  (void)state;
  static const gemm_spec spec = {QN_F32, QN_UI8, QN_I8, QN_I32, "k2n16", true, false, 768};
  for (int what = 0; what < 2; what++)
    for (size_t n = 0;; n++) {
      failing_alloc f;
      qn_allocator alloc = failing_init(&f, SIZE_MAX);
      planned t;
      open_with(&t, &alloc);
      if (what) {
        build_gemm(&t, &spec);
      } else {
        const int64_t shape[] = {4, 5};
        qn_type type = bench_tensor(&t.x, QN_F32, 2, shape);
        build_sum(&t, QN_OP_MAP, 1, &type, type, QN_F32, NULL, 0);
      }
      f.fail_at = f.calls + n;
      plan(&t, "generic");
      assert_int_equal(t.status, f.fired ? QN_ERR_NO_MEMORY : QN_OK);
      shut(&t);
      assert_true(failing_clean(&f));
      if (!f.fired) break;
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(isa_table),
      cmocka_unit_test(row_splits),
      cmocka_unit_test(narrow_panels),
      cmocka_unit_test(side_columns),
      cmocka_unit_test(loops_walk_what_broadcasting_names),
      cmocka_unit_test(transpositions),
      cmocka_unit_test(loops_merge),
      cmocka_unit_test(sub_byte_operands),
      cmocka_unit_test(gemm_plans),
      cmocka_unit_test(packs_views_and_others),
      cmocka_unit_test(memory_runs_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
