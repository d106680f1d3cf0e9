/* Names of values: the hint if it is free, the hint with a number behind it, or a number. */
#include "lexer.h"
#include "printer.h"
#include "scope.h"

enum { NONE, NUMBER, ARG, TEXT };

qn__names qn__names_enter(qn__printer *p) {
  qn__names outer = p->names;
  p->names = (qn__names){0};
  return outer;
}

void qn__names_leave(qn__printer *p, qn__names outer) {
  qn__vec_free(p->allocator, &p->names.texts);
  qn__map_free(p->allocator, &p->names.used);
  qn__idmap_free(p->allocator, &p->names.suffixes);
  p->names = outer;
}

qn__names_mark qn__names_region(const qn__printer *p) {
  return (qn__names_mark){p->names.next_number, p->names.next_arg, p->names.texts.size};
}

void qn__names_forget(qn__printer *p, qn__names_mark mark) {
  qn__names *n = &p->names;
  n->next_number = mark.next_number;
  n->next_arg = mark.next_arg;
  for (; n->texts.size > mark.texts; n->texts.size--) {
    qn_str text = n->texts.data[n->texts.size - 1];
    qn__map_remove(&n->used, qn__hash(text.data, text.size, 0), n->texts.size);
  }
}

static bool text_equal(const void *owner, const void *key, uint32_t id) {
  const qn__names *n = owner;
  const qn_str *text = key;
  return qn_str_eq(n->texts.data[id - 1], *text);
}

static uint32_t find_text(const qn__names *n, qn_str text, uint32_t hash) {
  return qn__map_find(&n->used, hash, text_equal, n, &text);
}

/* Takes a text that stays where it is: its number, or 0 when it is taken already or memory is exhausted. */
static uint32_t claim(qn__printer *p, qn_str text) {
  qn__names *n = &p->names;
  uint32_t hash = qn__hash(text.data, text.size, 0);
  if (find_text(n, text, hash)) return 0;
  if (!qn__push(p->allocator, &n->texts, text) || !qn__map_add(p->allocator, &n->used, hash, n->texts.size)) {
    p->no_memory = true;
    return 0;
  }
  /* The number may have been another text's. */
  if (qn__idmap_get(&n->suffixes, n->texts.size)) (void)qn__idmap_set(p->allocator, &n->suffixes, n->texts.size, 1);
  return n->texts.size;
}

static bool can_continue(char c) {
  return qn__is_id_char(c) || c == '-';
}

/* Bytes that a name cannot have become _, and so does a missing first letter. */
static qn_str sanitize(qn__printer *p, qn_str hint) {
  if (qn__is_suffix_id(hint)) return hint;
  bool digit = hint.data[0] >= '0' && hint.data[0] <= '9';
  char *text = qn__arena_alloc(&p->arena, hint.size + 2);
  if (!text) {
    p->no_memory = true;
    return (qn_str){"_", 1};
  }
  size_t n = 0;
  if (digit) text[n++] = '_';
  for (size_t i = 0; i < hint.size; i++) {
    text[n] = '_';
    if (can_continue(hint.data[i])) text[n] = hint.data[i];
    n++;
  }
  text[n] = 0;
  return (qn_str){text, n};
}

/* The number of a text like `hint`, which is nobody else's: with _0, _1 .. behind it when it is taken. Where the search
 * ended is remembered, so that many equal hints take no quadratic time. */
static uint32_t claim_like(qn__printer *p, qn_str hint) {
  qn__names *n = &p->names;
  qn_str base = sanitize(p, hint);
  uint32_t number = claim(p, base);
  if (number || p->no_memory) return number;
  uint32_t taken = find_text(n, base, qn__hash(base.data, base.size, 0));
  uint32_t next = qn__idmap_get(&n->suffixes, taken), i = next ? next - 1 : 0;
  while (!number && !p->no_memory) {
    qn_str text = qn__arena_fmt(&p->arena, "%.*s_%u", (int)base.size, base.data, (unsigned)i++);
    if (text.data)
      number = claim(p, text);
    else
      p->no_memory = true;
  }
  if (!qn__idmap_set(p->allocator, &n->suffixes, taken, i + 1)) p->no_memory = true;
  return number;
}

static qn_str hint_of(const qn__printer *p, qn_value v) {
  qn_name name = qn_value_name(p->m, v);
  qn_str hint = name.id ? qn_name_str(p->ctx, name) : (qn_str){"", 0};
  return qn__name_is_automatic(hint) ? (qn_str){"", 0} : hint;
}

static void give(qn__printer *p, qn_value v, uint32_t kind, uint32_t n) {
  if (v.id < p->num_values) p->value_names[v.id] = n << 2 | kind;
}

static void name_value(qn__printer *p, qn_value v, uint32_t kind, uint32_t *counter) {
  qn_str hint = hint_of(p, v);
  uint32_t text = hint.size ? claim_like(p, hint) : 0;
  if (text)
    give(p, v, TEXT, text);
  else
    give(p, v, kind, (*counter)++);
}

void qn__name_arg(qn__printer *p, qn_value v) {
  name_value(p, v, ARG, &p->names.next_arg);
}

/* Results print as one group unless one behind the first has a name of its own. */
static bool is_group(const qn__printer *p, qn_op op, uint32_t n) {
  for (uint32_t i = 1; i < n; i++)
    if (hint_of(p, qn_op_result(p->m, op, i)).size) return false;
  return n > 1;
}

static void put_name(qn__printer *p, uint32_t name) {
  switch (name & 3) {
  case NUMBER: qn__buf_u64(&p->out, name >> 2); break;
  case ARG:
    qn__put_lit(p, "arg");
    qn__buf_u64(&p->out, name >> 2);
    break;
  case TEXT: qn__buf_str(&p->out, p->names.texts.data[(name >> 2) - 1]); break;
  default: qn__put_lit(p, "undefined"); break;
  }
}

/* The first value's name stands for all; each gets it with its number behind it. */
static void name_group(qn__printer *p, qn_op op, uint32_t n) {
  qn_value first = qn_op_result(p->m, op, 0);
  name_value(p, first, NUMBER, &p->names.next_number);
  uint32_t name = first.id < p->num_values ? p->value_names[first.id] : 0;
  for (uint32_t i = 0; i < n; i++) {
    qn_str text = (name & 3) == TEXT ? qn__arena_fmt(&p->arena, "%s#%u", p->names.texts.data[(name >> 2) - 1].data, i)
                                     : qn__arena_fmt(&p->arena, "%u#%u", name >> 2, i);
    uint32_t number = text.data ? claim(p, text) : 0;
    if (!number)
      p->no_memory = true;
    else
      give(p, qn_op_result(p->m, op, i), TEXT, number);
  }
}

void qn__name_results(qn__printer *p, qn_op op) {
  uint32_t n = qn_op_num_results(p->m, op);
  if (n == 0) return;
  if (is_group(p, op, n)) {
    name_group(p, op, n);
    return;
  }
  for (uint32_t i = 0; i < n; i++) name_value(p, qn_op_result(p->m, op, i), NUMBER, &p->names.next_number);
}

void qn__print_value(qn__printer *p, qn_value v) {
  qn__buf_char(&p->out, '%');
  put_name(p, v.id < p->num_values ? p->value_names[v.id] : 0);
}

void qn__print_results(qn__printer *p, qn_op op) {
  uint32_t n = qn_op_num_results(p->m, op);
  if (n == 0) return;
  if (is_group(p, op, n)) {
    qn_value first = qn_op_result(p->m, op, 0);
    uint32_t name = first.id < p->num_values ? p->value_names[first.id] : 0;
    qn__buf_char(&p->out, '%');
    if ((name & 3) == TEXT) {
      qn_str text = p->names.texts.data[(name >> 2) - 1];
      qn__buf_put(&p->out, text.data, text.size - 2); /* without #0 */
    }
    qn__buf_char(&p->out, ':');
    qn__buf_u64(&p->out, n);
  } else {
    for (uint32_t i = 0; i < n; i++) {
      if (i) qn__put_lit(p, ", ");
      qn__print_value(p, qn_op_result(p->m, op, i));
    }
  }
  qn__put_lit(p, " = ");
}
