/* Choices for single kernels: the table, those of a context, and which of them fits a kernel. */
#include "choice.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Of the machine's constants. */
enum {
#define QN_MACHINE(field, otherwise, least, most, unit, doc) PLACE_##field,
#include <quern/machine.def>
#undef QN_MACHINE
  PLACE_none
};
#define NAME_OF(constant) (PLACE_##constant == PLACE_none ? NULL : #constant)
static const qn_choice_info table[QN_CHOICE_COUNT] = {
#define QN_CHOICE(symbol, name, least, most, kinds, constant, doc) {name, NAME_OF(constant), doc, least, most, kinds},
#include <quern/choices.def>
#undef QN_CHOICE
};
static const uint8_t places[QN_CHOICE_COUNT] = {
#define QN_CHOICE(symbol, name, least, most, kinds, constant, doc) PLACE_##constant,
#include <quern/choices.def>
#undef QN_CHOICE
};

const qn_choice_info *qn_choice_info_get(size_t i) {
  return i < QN_CHOICE_COUNT ? &table[i] : NULL;
}

qn_choice qn_choice_none(void) {
  qn_choice c;
  for (size_t i = 0; i < QN_CHOICE_COUNT; i++) c.value[i] = -1;
  return c;
}

bool qn__choice_fits(qn_choice_key key, int64_t v) {
  if (v < table[key].least || v > table[key].most) return false;
  return key != QN_CHOICE_UNROLL || (v & (v - 1)) == 0;
}

const char *qn_choice_text(const qn_choice *choice, char *text, size_t size) {
  size_t at = 0;
  if (size) text[0] = 0;
  for (size_t i = 0; i < QN_CHOICE_COUNT && at < size; i++) {
    if (choice->value[i] < 0) continue;
    int n = snprintf(text + at, size - at, "%s%s=%lld", at ? " " : "", table[i].name, (long long)choice->value[i]);
    at += n > 0 ? (size_t)n : 0;
  }
  return text;
}

/* ---- kinds ---- */

static const struct kind {
  const char *name;
  qn_tuned_kind kind;
} kinds[] = {
    {"gemm", QN_TUNED_GEMM}, {"conv", QN_TUNED_CONV}, {"block", QN_TUNED_BLOCK}, {"attention", QN_TUNED_ATTENTION}};
enum { NUM_KINDS = sizeof kinds / sizeof *kinds };

const char *qn__tuned_kind_name(qn_tuned_kind kind) {
  for (size_t i = 0; i < NUM_KINDS; i++)
    if (kinds[i].kind == kind) return kinds[i].name;
  return "";
}

qn_tuned_kind qn__tuned_kind_find(qn_str name) {
  for (size_t i = 0; i < NUM_KINDS; i++)
    if (qn_str_eq(name, qn_str_of(kinds[i].name))) return kinds[i].kind;
  return 0;
}

/* ---- a context's ---- */

static bool same_kernel(const qn_tuned *a, const qn_tuned *b) {
  return a->kind == b->kind && a->n == b->n && a->k == b->k && !strcmp(a->isa, b->isa) && !strcmp(a->types, b->types);
}

/* Kind, row, types, sizes and range. */
static bool tuned_same(const qn_tuned *a, const qn_tuned *b) {
  return same_kernel(a, b) && a->m_least == b->m_least && a->m_most == b->m_most;
}

/* ---- rows by what they are for ---- */

static uint32_t hash_of(const qn_tuned *t) {
  const int64_t numbers[5] = {(int64_t)t->kind, t->m_least, t->m_most, t->n, t->k};
  return qn__hash(t->types, strlen(t->types), qn__hash(t->isa, strlen(t->isa), qn__hash(numbers, sizeof numbers, 1)));
}

static bool is_row(const void *owner, const void *key, uint32_t id) {
  return tuned_same(&((const qn_tuning *)owner)->rows.data[id - 1], key);
}

qn_tuned *qn__tuning_same(const qn_tuning *t, const qn_tuned *like) {
  uint32_t id = qn__map_find(&t->index, hash_of(like), is_row, t, like);
  return id ? &t->rows.data[id - 1] : NULL;
}

bool qn__tuning_add(const qn_allocator *a, qn_tuning *t, const qn_tuned *row) {
  if (!qn__push(a, &t->rows, *row)) return false;
  if (qn__map_add(a, &t->index, hash_of(row), t->rows.size)) return true;
  t->rows.size--;
  return false;
}

void qn__tuning_free(const qn_allocator *a, qn_tuning *t) {
  qn__vec_free(a, &t->rows);
  qn__map_free(a, &t->index);
}

static bool is_text(const char *s, size_t room) {
  size_t n = 0;
  while (n < room && s[n]) n++;
  for (size_t i = 0; i < n; i++)
    if ((unsigned char)s[i] <= ' ' || (unsigned char)s[i] > '~' || strchr("#:=", s[i])) return false;
  return n > 0 && n < room;
}

const char *qn__tuned_problem(const qn_tuned *t) {
  if (!*qn__tuned_kind_name(t->kind)) return "the kernel is none of gemm, conv, block and attention";
  if (!is_text(t->isa, sizeof t->isa) || !qn_isa_find(qn_str_of(t->isa)) ||
      strcmp(qn_isa_find(qn_str_of(t->isa))->name, t->isa))
    return "'isa' is no row of the instruction set table; 'quern isa' lists them";
  if (!is_text(t->types, sizeof t->types)) return "'types' is no list of types such as ui8,i8,i32";
  if (t->n < 1 || t->k < 1) return "'n' and 'k' are to be above 0";
  if (t->m_least < 0 || t->m_most < t->m_least || t->m_most < 1) return "'m' is no range of rows";
  if (!isfinite(t->gain) || t->gain < 0) return "'gain' is no finite number above 0";
  bool any = false;
  for (size_t i = 0; i < QN_CHOICE_COUNT; i++) {
    int64_t v = t->choice.value[i];
    if (v == -1) continue;
    any = true;
    if (!(table[i].kinds & t->kind)) return "a choice is not for this kind of kernel";
    if (!qn__choice_fits((qn_choice_key)i, v)) return "a choice is out of range";
  }
  return any ? NULL : "nothing is chosen";
}

const qn_tuned *qn_tuning_get(const qn_context *ctx, size_t i) {
  const qn_tuning *t = qn__tuning_of(ctx);
  return t && i < t->rows.size ? &t->rows.data[i] : NULL;
}

qn_status qn_tuning_put(qn_context *ctx, const qn_tuned *tuned) {
  if (!ctx || !tuned) return qn_error_null(ctx, __func__);
  const char *problem = qn__tuned_problem(tuned);
  if (problem) return qn_error(ctx, QN_DIAG_DATA, qn_place_file(""), "a choice cannot be taken: %s", problem);
  qn_tuning *t = qn__tuning_make(ctx);
  if (!t) return QN_ERR_NO_MEMORY;
  qn_tuned *row = qn__tuning_same(t, tuned);
  if (row) {
    *row = *tuned;
    return QN_OK;
  }
  if (t->rows.size >= QN_TUNED_MOST)
    return qn_error(ctx, QN_DIAG_LIMIT, qn_place_file(""), "more than %d choices", QN_TUNED_MOST);
  return qn__tuning_add(&ctx->allocator, t, tuned) ? QN_OK : qn_error_no_memory(ctx);
}

void qn_tuning_remove(qn_context *ctx, const qn_tuned *tuned) {
  qn_tuning *t = ctx->slots[QN__SLOT_PLAN].state;
  qn_tuned *gone = t && tuned ? qn__tuning_same(t, tuned) : NULL;
  if (!gone) return;
  /* The order of the others stays, so that their numbers change: there is room for them, as there was. */
  uint32_t at = (uint32_t)(gone - t->rows.data);
  memmove(gone, gone + 1, (t->rows.size - at - 1) * sizeof *gone);
  t->rows.size--;
  qn__map_clear(&t->index);
  for (uint32_t i = 0; i < t->rows.size; i++) qn__map_add(&ctx->allocator, &t->index, hash_of(&t->rows.data[i]), i + 1);
}

/* ---- which of them fits ---- */

static bool holds(const qn_tuned *row, int64_t m) {
  if (m < 0) return row->m_least == 0 && row->m_most == INT64_MAX;
  return row->m_least <= m && m <= row->m_most;
}

static const qn_tuned *narrowest(const qn_tuning *t, const qn_tuned *like) {
  const qn_tuned *best = NULL;
  for (uint32_t i = 0; i < t->rows.size; i++) {
    const qn_tuned *row = &t->rows.data[i];
    if (!same_kernel(row, like) || !holds(row, like->m_least)) continue;
    if (!best || row->m_most - row->m_least < best->m_most - best->m_least) best = row;
  }
  return best;
}

static int64_t constant_of(qn_machine *machine, size_t choice) {
  return places[choice] == PLACE_none ? -1 : (int64_t)*qn_machine_at(machine, places[choice]);
}

bool qn_tuning_find(const qn_context *ctx, const qn_tuned *like, qn_choice *out) {
  const qn_tuning *t = qn__tuning_of(ctx);
  if (out) *out = qn_choice_none();
  if (!t || !like || !out) return false;
  const qn_tuned *row = narrowest(t, like);
  if (row) *out = row->choice;
  bool any = row != NULL;
  qn_machine machine = t->machine, common = qn_machine_default();
  for (size_t i = 0; i < QN_CHOICE_COUNT; i++) {
    if (!table[i].constant || !(table[i].kinds & like->kind) || out->value[i] >= 0) continue;
    int64_t v = constant_of(&machine, i);
    if (v == constant_of(&common, i)) continue;
    out->value[i] = v;
    any = true;
  }
  return any;
}

/* ---- of an op ---- */

static qn_status read_entry(qn_module *m, qn_op op, qn_tuned_kind kind, qn_named_attr entry, qn_choice *out) {
  qn_str name = qn_name_str(qn_module_context(m), entry.name);
  size_t i = 0;
  while (i < QN_CHOICE_COUNT && !qn_str_eq(name, qn_str_of(table[i].name))) i++;
  if (i == QN_CHOICE_COUNT || !(table[i].kinds & kind))
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "quern.choice has '%.*s', which is no choice for this kernel",
                       (int)name.size, name.data);
  if (qn_attr_kind_of(m, entry.attr) != QN_ATTR_INT ||
      !qn__choice_fits((qn_choice_key)i, qn_attr_as_int(m, entry.attr)))
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "quern.choice: '%s' is to be an integer from %lld to %lld%s",
                       table[i].name, (long long)table[i].least, (long long)table[i].most,
                       i == QN_CHOICE_UNROLL ? ", a power of two" : "");
  out->value[i] = qn_attr_as_int(m, entry.attr);
  return QN_OK;
}

qn_status qn__choice_of_op(qn_module *m, qn_op op, qn_tuned_kind kind, qn_choice *out, char *text, size_t size) {
  qn_attr dict = qn_op_attr(m, op, "quern.choice");
  qn_machine common = qn_machine_default();
  *out = qn_choice_none();
  if (size) text[0] = 0;
  if (dict.id && qn_attr_kind_of(m, dict) != QN_ATTR_DICT)
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "quern.choice is to be a dictionary, such as {rows = 8 : i64}");
  for (uint32_t i = 0; dict.id && i < qn_attr_size(m, dict); i++) {
    qn_status status = read_entry(m, op, kind, qn_attr_entry(m, dict, i), out);
    if (status) return status;
  }
  if (size) qn_choice_text(out, text, size);
  for (size_t i = 0; i < QN_CHOICE_COUNT; i++)
    if (out->value[i] < 0 && table[i].constant) out->value[i] = constant_of(&common, i);
  return QN_OK;
}
