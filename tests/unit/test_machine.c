/* The machine's constants, and how work is cut into parts by them. */
#include "program_test.h"

#include "machine.h"
#include "program.h"
#include <math.h>
#include <quern/quern.h>
#include <stdlib.h>
#include <string.h>

static void table(void **state) {
  (void)state;
  const qn_machine_constant *c;
  qn_machine m = qn_machine_default();
  size_t n = 0;
  for (; (c = qn_machine_constant_get(n)); n++) {
    assert_true(*c->name && *c->unit && *c->doc);
    assert_true(c->least < c->most && c->otherwise >= c->least && c->otherwise <= c->most);
    assert_true(*qn_machine_at(&m, n) <= c->otherwise && *qn_machine_at(&m, n) >= c->otherwise);
    for (size_t i = 0; i < n; i++) assert_string_not_equal(c->name, qn_machine_constant_get(i)->name);
  }
  assert_true(n * sizeof(double) == sizeof m);
  assert_null(qn_machine_at(&m, n));
  char name[64], little[4];
  assert_true(*qn_cpu_name(name, sizeof name));
  assert_true(strlen(qn_cpu_name(little, sizeof little)) == 3);
}

static void count(void *user, const qn_diag *d) {
  (void)d;
  ++*(int *)user;
}

static void set(void **state) {
  (void)state;
  int told = 0;
  qn_context_options options = {.on_diag = count, .on_diag_user = &told};
  qn_context *ctx = qn_context_create(&options);
  qn_machine m = qn_context_machine(ctx), given = m;
  assert_memory_equal(&m, &given, sizeof m);
  given.thread_ns = 77;
  assert_int_equal(qn_context_set_machine(ctx, &given), QN_OK);
  m = qn_context_machine(ctx);
  assert_memory_equal(&m, &given, sizeof m);
  for (size_t i = 0; qn_machine_constant_get(i); i++) {
    const qn_machine_constant *c = qn_machine_constant_get(i);
    const double bad[] = {NAN, INFINITY, -INFINITY, c->least - 1, c->most * 2};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
      qn_machine wrong = given;
      *qn_machine_at(&wrong, i) = bad[k];
      told = 0;
      assert_int_equal(qn_context_set_machine(ctx, &wrong), QN_ERR_INPUT);
      assert_int_equal(told, 1);
    }
  }
  m = qn_context_machine(ctx);
  assert_memory_equal(&m, &given, sizeof m);
  assert_int_equal(qn_context_set_machine(ctx, NULL), QN_OK);
  m = qn_context_machine(ctx);
  given = qn_machine_default();
  assert_memory_equal(&m, &given, sizeof m);
  qn_context_destroy(ctx);
}

/* More work costs more, wider and more capable rows less. */
static void rates(void **state) {
  (void)state;
  qn_machine m = qn_machine_default();
  const qn_isa *wide = qn_isa_find(qn_str_of("avx512vnni")), *half = qn_isa_find(qn_str_of("avxvnni"));
  const qn_isa *none = qn_isa_find(qn_str_of("avx2")), *base = qn_isa_find(qn_str_of("x86-64"));
  assert_true(qn__machine_mac_ns(&m, wide, QN_I8) < qn__machine_mac_ns(&m, half, QN_I8));
  assert_true(qn__machine_mac_ns(&m, half, QN_I8) < qn__machine_mac_ns(&m, none, QN_I8));
  assert_true(qn__machine_mac_ns(&m, none, QN_I8) < qn__machine_mac_ns(&m, base, QN_I8));
  assert_true(qn__machine_mac_ns(&m, wide, QN_F32) < qn__machine_mac_ns(&m, wide, QN_F64));
  assert_true(qn__machine_mac_ns(&m, wide, QN_I8) < qn__machine_mac_ns(&m, wide, QN_F32));
  for (double bytes = 1, last = 0; bytes < 1e10; bytes *= 2) {
    assert_true(qn__machine_byte_ns(&m, bytes) >= last);
    last = qn__machine_byte_ns(&m, bytes);
  }
}

static void parts(void **state) {
  (void)state;
  qn_program p = {.machine = qn_machine_default()};
  qn_parallel parallel = {.run = qn_pool_parallel(NULL).run, .num_threads = 8};
  uint32_t last = 1;
  for (double cost = 1; cost < 1e7; cost *= 1.1) {
    uint32_t n = qn__cost_parts(&p, cost, &parallel);
    assert_true(n >= last && n <= 8);
    if (n > 1) assert_true(cost / n >= 2 * p.machine.thread_ns);
    last = n;
  }
  assert_int_equal(last, 8);
  assert_int_equal(qn__cost_parts(&p, 1e9, NULL), 1);
  parallel.min_ns = 5;
  assert_int_equal(qn__cost_parts(&p, 4, &parallel), 1);
  assert_int_equal(qn__cost_parts(&p, 5, &parallel), 8);
}

/* ---- every row and panel belongs to one part ---- */

typedef struct seen {
  const qn_program *p;
  int jobs;
} seen;

static bool cover(void *user, const qn_job *job) {
  seen *s = user;
  int64_t rows = job->extent[0], panels = job->extent[1];
  char *hit = malloc((size_t)(rows * panels));
  assert_non_null(hit);
  for (size_t n = 1; n <= 24; n++) {
    memset(hit, 0, (size_t)(rows * panels));
    for (size_t i = 0; i < n; i++) {
      qn_piece pieces[2];
      uint32_t count = qn__job_pieces(job, i, n, pieces);
      for (uint32_t k = 0; k < count; k++) {
        assert_true(pieces[k].body < s->p->num_bodies);
        for (int64_t r = pieces[k].begin[0]; r < pieces[k].end[0]; r++)
          for (int64_t c = pieces[k].begin[1]; c < pieces[k].end[1]; c++) hit[r * panels + c]++;
      }
    }
    for (int64_t i = 0; i < rows * panels; i++) assert_int_equal(hit[i], 1);
  }
  free(hit);
  s->jobs++;
  return true;
}

static void parts_cover(void **state) {
  (void)state;
  static const int64_t shapes[][3] = {{1, 768, 64}, {64, 2048, 32}, {5, 17, 9}, {100, 64, 64}, {1024, 16, 300}};
  static float scales[2048], w[2048 * 300];
  for (int i = 0; i < 2048; i++) scales[i] = 1;
  for (size_t i = 0; qn_engine_name(i); i++) {
    if (!strcmp(qn_engine_name(i), "interp")) continue;
    qn_context *ctx = qn_context_create(NULL);
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
      qn_matmul_desc d = {.m = shapes[k][0], .n = shapes[k][1], .k = shapes[k][2], .a = QN_F32, .b = QN_F32};
      d.y = QN_F32, d.b_scales = scales, d.b_data = w;
      qn_program *p = program_of_product(ctx, &d, &(qn_compile_options){.engine = qn_engine_name(i)});
      seen s = {.p = p};
      assert_non_null(p->frozen);
      for (uint32_t j = 0; j < p->num_steps; j++)
        assert_true(qn__step_jobs(p, &p->steps[j], &p->frozen->bound, cover, &s));
      assert_true(s.jobs > 0);
      qn_program_destroy(p);
    }
    qn_context_destroy(ctx);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(table), cmocka_unit_test(set), cmocka_unit_test(rates),
                                     cmocka_unit_test(parts), cmocka_unit_test(parts_cover)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
