/* Which passes there are: the table, and what programs registered with their context. */
#include "context_impl.h"
#include "pass_impl.h"
#include <string.h>

#define QN_PASS(symbol, name, options, changes, summary) qn_status qn__pass_##symbol(qn_pass_run *run);
#include <quern/passes.def>
#undef QN_PASS

static const qn_pass_info table[] = {
#define QN_PASS(symbol, name, options, changes, summary) {name, summary, options, qn__pass_##symbol, changes},
#include <quern/passes.def>
#undef QN_PASS
};
enum { TABLE_SIZE = sizeof table / sizeof *table };

typedef struct registered_pass {
  const qn_pass_info *info;
} registered_pass;

typedef struct registry {
  QN_VEC(registered_pass) passes;
} registry;

static void destroy_registry(qn_context *ctx, void *state) {
  registry *r = state;
  qn__vec_free(&ctx->allocator, &r->passes);
  qn__free(&ctx->allocator, r, sizeof *r);
}

static registry *registered(const qn_context *ctx) {
  return ctx->slots[QN__SLOT_PASS].state;
}

const qn_pass_info *qn_pass_get(qn_context *ctx, size_t i) {
  if (i < TABLE_SIZE) return &table[i];
  const registry *r = registered(ctx);
  i -= TABLE_SIZE;
  return r && i < r->passes.size ? r->passes.data[i].info : NULL;
}

const qn_pass_info *qn_pass_find(qn_context *ctx, qn_str name) {
  const qn_pass_info *info;
  for (size_t i = 0; (info = qn_pass_get(ctx, i)) != NULL; i++)
    if (qn_str_eq(qn_str_of(info->name), name)) return info;
  return NULL;
}

static bool name_is_good(const char *name) {
  if (!name || !*name) return false;
  for (const char *c = name; *c; c++)
    if (!(*c >= 'a' && *c <= 'z') && !(*c >= 'A' && *c <= 'Z') && !(*c >= '0' && *c <= '9') && !strchr("-_.", *c))
      return false;
  return true;
}

static registry *make_registry(qn_context *ctx) {
  registry *r = qn__alloc_zero(&ctx->allocator, sizeof *r);
  if (!r) return NULL;
  ctx->slots[QN__SLOT_PASS].state = r;
  ctx->slots[QN__SLOT_PASS].destroy = destroy_registry;
  return r;
}

qn_status qn_pass_register(qn_context *ctx, const qn_pass_info *info) {
  const qn_place nowhere = qn_place_file("");
  if (!info || !info->run || !name_is_good(info->name))
    return qn_error(ctx, QN_DIAG_CALL, nowhere,
                    "a pass needs a function and a name of letters, digits, '-', '_' and '.', found '%s'",
                    info && info->name ? info->name : "");
  if (qn_pass_find(ctx, qn_str_of(info->name)))
    return qn_error(ctx, QN_DIAG_REDEFINED, nowhere, "a pass named '%s' exists already: choose another name",
                    info->name);
  if (!qn__options_valid(info->options))
    return qn_error(ctx, QN_DIAG_CALL, nowhere,
                    "pass '%s': options are \"%s\", expected 'name: kind = default' separated by ';', where kind is "
                    "bool, int, float, string or alternatives such as a|b",
                    info->name, info->options);
  registry *r = registered(ctx);
  if (!r) r = make_registry(ctx);
  return r && qn__push(&ctx->allocator, &r->passes, (registered_pass){info}) ? QN_OK : qn_error_no_memory(ctx);
}

/* ---- suggestions ---- */

/* Edits (insert, remove, replace) that lead from a to b; names longer than the row count as far away. */
static size_t distance(qn_str a, const char *b) {
  size_t row[64], n = strlen(b);
  if (n >= sizeof row / sizeof *row) return SIZE_MAX;
  for (size_t k = 0; k <= n; k++) row[k] = k;
  for (size_t i = 0; i < a.size; i++) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t k = 1; k <= n; k++) {
      size_t replace = diagonal + (a.data[i] != b[k - 1]);
      size_t other = (row[k - 1] < row[k] ? row[k - 1] : row[k]) + 1;
      diagonal = row[k];
      row[k] = replace < other ? replace : other;
    }
  }
  return row[n];
}

const char *qn__pass_suggest(qn_context *ctx, qn_str name) {
  const char *best = NULL;
  size_t least = 4;
  const qn_pass_info *info;
  if (name.size > 64) return NULL;
  for (size_t i = 0; (info = qn_pass_get(ctx, i)) != NULL; i++) {
    size_t d = distance(name, info->name);
    if (d < least) least = d, best = info->name;
  }
  return best;
}
