/* The top of a text: aliases, the module with or without its wrapper, functions. And the public entry points. */
#include "fileio.h"
#include "parser.h"
#include "printer.h"
#include <string.h>

typedef struct top {
  bool wrapped; /* a module op was read: nothing but aliases may follow */
  bool ops;     /* ops outside of a module were */
  qn__token at;
} top;

/* ---- aliases ---- */

static bool define_alias(qn__parser *p, qn_idmap *map, const qn__token *at, uint32_t id, char mark) {
  uint32_t name = qn_name_of(p->ctx, at->text).id;
  if (qn__idmap_get(map, name))
    return qn__fail(p, at, QN_DIAG_REDEFINED, "alias %c%.*s is defined already", mark, (int)at->text.size,
                    at->text.data);
  return qn__idmap_set(p->allocator, map, name, id) || qn__out_of_memory(p);
}

static bool alias_name(qn__parser *p, const qn__token *at) {
  if (!memchr(at->text.data, '.', at->text.size)) return true;
  return qn__fail(p, at, QN_DIAG_SYNTAX, "an alias has no '.' in its name: names with one belong to dialects");
}

/* !name = TYPE */
static bool parse_type_alias(qn__parser *p) {
  qn__token at = p->tok;
  qn_type type;
  qn__advance(p);
  return alias_name(p, &at) && qn__expect(p, '=', "'=' and a type") && qn__parse_type(p, &type) &&
         define_alias(p, &p->type_aliases, &at, type.id, '!');
}

/* #name = ATTRIBUTE or #name = loc(..) */
static bool parse_attr_alias(qn__parser *p) {
  qn__token at = p->tok;
  qn_attr attr;
  qn__advance(p);
  if (!alias_name(p, &at) || !qn__expect(p, '=', "'=' and an attribute or a location")) return false;
  if (!qn__at_word(p, "loc")) return qn__parse_attr(p, &attr) && define_alias(p, &p->attr_aliases, &at, attr.id, '#');
  qn_loc loc = {0};
  uint32_t late, name = qn_name_of(p->ctx, at.text).id;
  if (!qn__parse_loc(p, &loc, &late)) return false;
  if (qn__idmap_get(&p->loc_aliases, name))
    return qn__fail(p, &at, QN_DIAG_REDEFINED, "location #%.*s is defined already", (int)at.text.size, at.text.data);
  return late ? qn__add_late_loc(p, (qn_op){0}, name, late, &at) : qn__define_loc(p, name, loc);
}

/* ---- the module op ---- */

static bool set_module_attrs(qn__parser *p, uint32_t base) {
  uint32_t n = p->attrs.size - base;
  qn_attr dict = n ? qn_attr_dict(p->m, n, qn__above(&p->attrs, base)) : (qn_attr){0};
  p->attrs.size = base;
  if (n && !dict.id) {
    if (qn_module_failed(p->m)) return qn__out_of_memory(p);
    return qn__fail(p, &p->tok, QN_DIAG_REDEFINED, "an attribute of the module is given twice");
  }
  qn_module_set_attrs(p->m, dict);
  return true;
}

static bool module_ops(qn__parser *p) {
  if (!qn__expect(p, '{', "'{' and the module's functions")) return false;
  if (qn__take(p, QN__TOK_BLOCK) && !qn__expect(p, ':', "':' after the block's label")) return false;
  qn__parse_ops(p, qn_module_body(p->m));
  return qn__expect(p, '}', "'}' at the end of the module");
}

static bool end_module(qn__parser *p) {
  qn_loc loc = {0};
  uint32_t late;
  return qn__parse_trailing_loc(p, &loc, &late);
}

/* module @name attributes {..} { .. } */
static bool parse_pretty_module(qn__parser *p) {
  uint32_t base = p->attrs.size;
  qn_str name;
  qn__advance(p);
  if (qn__at(p, QN__TOK_SYMBOL)) {
    if (!qn__symbol(p, &name) || !qn__push_attr(p, "sym_name", qn_attr_string(p->m, name))) return false;
  }
  if (qn__take_word(p, "attributes") && !qn__parse_attr_entries(p, base)) return false;
  return set_module_attrs(p, base) && module_ops(p) && end_module(p);
}

/* "builtin.module"() <{..}> ({ .. }) {..} : () -> () */
static bool parse_generic_module(qn__parser *p) {
  uint32_t base = p->attrs.size, none;
  qn__advance(p);
  if (!qn__expect(p, '(', "'('") || !qn__expect(p, ')', "')': a module has no operands")) return false;
  if (qn__take(p, '<') && (!qn__parse_attr_entries(p, base) || !qn__expect(p, '>', "'>' after the properties")))
    return false;
  if (!qn__expect(p, '(', "'(' and the module's region") || !module_ops(p) ||
      !qn__expect(p, ')', "')' after the module's region"))
    return false;
  if (qn__at(p, '{') && !qn__parse_attr_entries(p, base)) return false;
  uint32_t types = p->types.size;
  bool ok = qn__expect(p, ':', "': () -> ()'") && qn__parse_type_list(p, &none) &&
            qn__expect(p, QN__TOK_ARROW, "'-> ()'") && qn__parse_result_types(p, &none);
  p->types.size = types;
  return ok && set_module_attrs(p, base) && end_module(p);
}

static bool at_generic_module(const qn__parser *p) {
  return qn__at(p, QN__TOK_STRING) && qn_str_eq(p->tok.text, qn_str_of("\"builtin.module\""));
}

static bool at_module(const qn__parser *p) {
  return qn__at_word(p, "module") || qn__at_word(p, "builtin.module") || at_generic_module(p);
}

static bool parse_module(qn__parser *p, top *t) {
  if (t->wrapped || t->ops)
    return qn__fail(p, &p->tok, QN_DIAG_UNSUPPORTED,
                    "a file holds one module, and nothing beside it; give each a file");
  t->wrapped = true;
  return at_generic_module(p) ? parse_generic_module(p) : parse_pretty_module(p);
}

/* ---- the top ---- */

static bool parse_alias(qn__parser *p) {
  return qn__at(p, QN__TOK_BANG) ? parse_type_alias(p) : parse_attr_alias(p);
}

/* After an error in an alias: the line after the one it begins on, unless reading has come further. */
static void skip_alias(qn__parser *p, uint32_t line) {
  while (!qn__at(p, QN__TOK_EOF) && p->tok.line == line) qn__advance(p);
}

/* After an error in the module around the ops nothing that follows would make sense. */
static void skip_rest(qn__parser *p) {
  qn__resume_at(p, p->lx.end);
}

static void parse_top(qn__parser *p) {
  top t = {0};
  qn_builder b = qn_builder_at_end(p->m, qn_module_body(p->m));
  while (!qn__at(p, QN__TOK_EOF)) {
    uint32_t line = p->tok.line;
    if (qn__at(p, QN__TOK_BANG) || qn__at(p, QN__TOK_HASH)) {
      if (!parse_alias(p)) skip_alias(p, line);
    } else if (at_module(p)) {
      if (!parse_module(p, &t)) skip_rest(p);
    } else if (t.wrapped) {
      qn__expected(p, "the end of the text or an alias: the module ended before this");
      skip_rest(p);
    } else if (qn__at(p, '}')) {
      qn__fail(p, &p->tok, QN_DIAG_SYNTAX, "'}' without a '{' before it");
      qn__advance(p);
    } else {
      t.ops = true;
      qn__parse_op_or_recover(p, &b);
    }
  }
}

/* A missing version is this one. */
static bool check_version(qn__parser *p) {
  qn_attr version = qn_module_attr(p->m, "quern.version");
  qn__token at = {.line = 1, .col = 1};
  if (!version.id) return true;
  int64_t v = qn_attr_as_int(p->m, version);
  if (qn_attr_kind_of(p->m, version) != QN_ATTR_INT || v < 1)
    return qn__fail(p, &at, QN_DIAG_ATTRIBUTE, "quern.version is a whole number from 1 on");
  if (v > QN__TEXT_VERSION)
    return qn__fail(p, &at, QN_DIAG_VERSION, "the text says quern.version = %lld; this library reads up to %d",
                    (long long)v, (int)QN__TEXT_VERSION);
  return true;
}

static qn_status read_module(qn__parser *p) {
  if (qn__parse_resource_section(p)) {
    qn__advance(p);
    parse_top(p);
    if (!p->stop) {
      qn__resolve_locs(p);
      check_version(p);
    }
  }
  return qn__parser_status(p);
}

/* ---- entry points ---- */

typedef struct source {
  qn_str text;
  const char *name;
  void (*passed)(void *user, const char *at);
  void *user;
} source;

static qn_status parse(qn_context *ctx, const source *src, const qn_parse_options *options, qn_module **out) {
  static const qn_parse_options none;
  if (!options) options = &none;
  const char *name = src->name ? src->name : "";
  *out = NULL;
  qn_name interned = qn_name_of_c(ctx, name);
  if (*name && !interned.id) return qn_error_no_memory(ctx);
  qn_str file = qn_name_str(ctx, interned);
  qn_module *m = qn_module_create(ctx);
  if (!m) return QN_ERR_NO_MEMORY;
  qn_module_set_source(m, file, src->text);
  qn__parser *p = qn__alloc(qn_context_allocator(ctx), sizeof *p);
  qn_status status = p ? QN_OK : qn_error_no_memory(ctx);
  if (p) {
    qn__parser_init(p, ctx, m, src->text, file);
    p->allow_unregistered = options->allow_unregistered;
    p->passed = src->passed;
    p->passed_user = src->user;
    if (*name && strcmp(name, "-") != 0) qn__store_path(&p->resources.path, name);
    status = p->resources.path.failed ? qn_error_no_memory(ctx) : read_module(p);
    qn__parser_free(p);
    qn__free(qn_context_allocator(ctx), p, sizeof *p);
  }
  if (status == QN_OK && !options->no_verify) status = qn_module_verify(m);
  if (status == QN_OK)
    *out = m;
  else
    qn_module_destroy(m);
  return status;
}

static qn_status check_size(qn_context *ctx, size_t size, const char *name) {
  if (size < UINT32_MAX) return QN_OK;
  return qn_error(ctx, QN_DIAG_LIMIT, qn_place_file(name ? name : ""),
                  "the text is larger than 4 GB; keep constants in a .safetensors file beside it");
}

qn_status qn_parse_text(qn_context *ctx, qn_str text, const char *name, const qn_parse_options *options,
                        qn_module **out) {
  if (!ctx || !out) return qn_error_null(ctx, __func__);
  *out = NULL;
  qn_status status = check_size(ctx, text.size, name);
  if (status != QN_OK) return status;
  source src = {.text = text, .name = name};
  status = parse(ctx, &src, options, out);
  if (*out) qn_module_set_source(*out, qn_str_of(name ? name : ""), (qn_str){NULL, 0});
  return status;
}

/* The file stays with the module, so that errors found later can show its lines. */
typedef struct kept_file {
  qn_file file;
  const qn_allocator *allocator;
} kept_file;

static void close_file(void *object) {
  kept_file *k = object;
  qn__file_close(&k->file);
  qn__free(k->allocator, k, sizeof *k);
}

static void passed(void *user, const char *at) {
  kept_file *k = user;
  qn__file_passed(&k->file, at);
}

qn_status qn_parse_file(qn_context *ctx, const char *path, const qn_parse_options *options, qn_module **out) {
  if (!ctx || !path || !out) return qn_error_null(ctx, __func__);
  *out = NULL;
  kept_file *k = qn__alloc_zero(qn_context_allocator(ctx), sizeof *k);
  if (!k) return qn_error_no_memory(ctx);
  k->allocator = qn_context_allocator(ctx);
  qn_status status = qn__file_open(ctx, path, &k->file);
  if (status == QN_OK) status = check_size(ctx, k->file.size, path);
  source src = {(qn_str){k->file.data, k->file.size}, path, passed, k};
  if (status == QN_OK) status = parse(ctx, &src, options, out);
  if (status != QN_OK) {
    close_file(k);
    return status;
  }
  qn__file_passed(&k->file, k->file.data + k->file.size);
  status = qn_module_keep(*out, k, close_file);
  if (status == QN_OK) return QN_OK;
  qn_module_destroy(*out);
  *out = NULL;
  return status;
}

/* One type or attribute: nothing may follow. */
static bool at_end(qn__parser *p) {
  return qn__at(p, QN__TOK_EOF) || qn__expected(p, "the end of the text");
}

qn_type qn_parse_type(qn_context *ctx, qn_str text) {
  qn_type type = {0};
  qn__parser *p = qn__alloc(qn_context_allocator(ctx), sizeof *p);
  if (!p) {
    qn_error_no_memory(ctx);
    return type;
  }
  qn__parser_init(p, ctx, NULL, text, (qn_str){"", 0});
  qn__advance(p);
  if (!qn__parse_type(p, &type) || !at_end(p)) type = (qn_type){0};
  qn__parser_free(p);
  qn__free(qn_context_allocator(ctx), p, sizeof *p);
  return type;
}

qn_attr qn_parse_attr(qn_module *m, qn_str text) {
  qn_context *ctx = qn_module_context(m);
  qn_attr attr = {0};
  qn__parser *p = qn__alloc(qn_context_allocator(ctx), sizeof *p);
  if (!p) {
    qn_error_no_memory(ctx);
    return attr;
  }
  qn__parser_init(p, ctx, m, text, (qn_str){"", 0});
  qn__advance(p);
  if (!qn__parse_attr(p, &attr) || !at_end(p)) attr = (qn_attr){0};
  qn__parser_free(p);
  qn__free(qn_context_allocator(ctx), p, sizeof *p);
  return attr;
}
