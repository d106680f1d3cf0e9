/* A body in pieces, as the engine loads it. Functions that run once a tile or more rarely, those marked to be compiled
 * quickly, are compiled by a machine that does not optimize, in a third of the time that it takes to leave functions
 * alone in one that does. And a body's functions are shared with others: the sums of a tile know nothing of the
 * epilogue, the epilogue nothing of the tile's height. Each is named by a digest of what it does, so that what has the
 * same name is the same code, whoever asked for it first.
 *
 * All functions stay in one module, which is compiled once for each machine; what a machine is not to compile is made
 * available from elsewhere for that time, or taken out if it is not wanted any more: LLVM looks at it all the same.
 *
 * Where there is a thread to spare it makes the same module once more, and compiles a part of the pieces. */
#include "digest.h"
#include "thread.h"
#include <llvm/Config/llvm-config.h>
#include <stdio.h>
#include <string.h>

typedef enum piece_state { PIECE_OPEN, PIECE_OURS, PIECE_THEIRS, PIECE_DONE } piece_state; /* theirs: of who helps */

typedef struct piece {
  LLVMValueRef fn;
  bool quick, named, gone; /* gone: a declaration is left */
  uint32_t time;           /* that compiling it takes, about, and its number */
  piece_state state;
  char name[QN_PIECE_NAME];
} piece;

typedef struct help help;
typedef struct cutter {
  qn_ll_module *m;
  const qn_piece_store *store;
  const qn_aot *aot;
  const char *symbol; /* of the body */
  qn_arena arena;
  piece *pieces;
  const char **names; /* room for those of all pieces */
  uint32_t count, entry;
  uint64_t seed;
  qn_piece_object *objects; /* two at most for each piece */
  uint32_t num_objects;
  qn_status status;
} cutter;

static bool fail(cutter *c, qn_status status) {
  c->status = status;
  return false;
}

/* ---- names ---- */

static piece *find_piece(cutter *c, LLVMValueRef fn) {
  for (uint32_t i = 0; i < c->count; i++)
    if (c->pieces[i].fn == fn) return &c->pieces[i];
  return NULL;
}

/* What functions refer to by name only, and what no text says. */
static void take_seed(cutter *c) {
  c->seed = 0;
  for (const char *n = c->m->isa->name; *n; n++) c->seed = c->seed * 257 + (unsigned char)*n;
  for (LLVMValueRef v = LLVMGetFirstGlobal(c->m->mod); v; v = LLVMGetNextGlobal(v))
    c->seed = qn__ll_digest_text(v, c->seed);
}

static void name_piece(cutter *c, piece *p);

/* Before the text of their caller says them. */
static void name_callees(cutter *c, piece *p) {
  for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(p->fn); b; b = LLVMGetNextBasicBlock(b)) {
    for (LLVMValueRef i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i)) {
      for (unsigned k = 0; k < (unsigned)LLVMGetNumOperands(i); k++) { /* called, or handed on */
        piece *callee = LLVMIsAFunction(LLVMGetOperand(i, k)) ? find_piece(c, LLVMGetOperand(i, k)) : NULL;
        if (callee && !callee->named) name_piece(c, callee);
      }
    }
  }
}

/* What people see: the last word of the function's name. */
static const char *word_of(const cutter *c, const piece *p) {
  size_t size;
  const char *word = strrchr(LLVMGetValueName2(p->fn, &size), '_');
  return p == &c->pieces[c->entry] ? "body" : word ? word + 1 : "part";
}

static void set_name(cutter *c, piece *p) {
  LLVMValueRef same = LLVMGetNamedFunction(c->m->mod, p->name);
  if (same && same != p->fn) { /* twice in one body */
    LLVMReplaceAllUsesWith(p->fn, same);
    p->state = PIECE_DONE;
  } else {
    LLVMSetValueName2(p->fn, p->name, strlen(p->name));
    /* So that a body which takes one function of an object need not have what the others call. */
    char section[sizeof ".text." + QN_PIECE_NAME];
    snprintf(section, sizeof section, ".text.%s", p->name);
    LLVMSetSection(p->fn, section);
  }
}

static void name_piece(cutter *c, piece *p) {
  char word[16];
  p->named = true;
  name_callees(c, p);
  snprintf(word, sizeof word, "%s", word_of(c, p));
  qn_ll_digest d;
  if (!qn__ll_digest(p->fn, c->seed, &d)) fail(c, qn_error_no_memory(c->m->qctx));
  snprintf(p->name, sizeof p->name, "%s_%016llx%016llx", word, (unsigned long long)d.high, (unsigned long long)d.low);
  set_name(c, p);
}

static void name_all(cutter *c) {
  take_seed(c);
  for (uint32_t i = 0; i < c->count; i++)
    if (!c->pieces[i].named) name_piece(c, &c->pieces[i]);
}

static bool list_pieces(cutter *c) {
  uint32_t n = 0;
  for (LLVMValueRef f = LLVMGetFirstFunction(c->m->mod); f; f = LLVMGetNextFunction(f)) n += !LLVMIsDeclaration(f);
  c->pieces = qn__arena_array(&c->arena, n, sizeof *c->pieces);
  c->names = qn__arena_array(&c->arena, n, sizeof *c->names);
  c->objects = qn__arena_array(&c->arena, 2 * (size_t)n, sizeof *c->objects);
  if (!c->pieces || !c->names || !c->objects) return fail(c, qn_error_no_memory(c->m->qctx));
  for (LLVMValueRef f = LLVMGetFirstFunction(c->m->mod); f; f = LLVMGetNextFunction(f)) {
    size_t size;
    if (LLVMIsDeclaration(f)) continue;
    if (!strcmp(LLVMGetValueName2(f, &size), c->symbol)) c->entry = c->count;
    c->pieces[c->count++] = (piece){.fn = f, .quick = qn__ll_function_is_quick(f)};
  }
  return true;
}

/* ---- objects ---- */

static void add_object(cutter *c, qn_piece_object object) {
  for (uint32_t i = 0; i < c->num_objects; i++)
    if (c->objects[i].data == object.data) return;
  c->objects[c->num_objects++] = object;
}

static bool is_wanted(const piece *p, bool quick) {
  return p->state == PIECE_OURS && p->quick == quick;
}

static void set_linkage(cutter *c, bool quick) {
  for (uint32_t i = 0; i < c->count; i++) {
    LLVMValueRef fn = c->pieces[i].fn;
    if (c->pieces[i].gone) continue;
    LLVMSetLinkage(fn, is_wanted(&c->pieces[i], quick) ? LLVMExternalLinkage : LLVMAvailableExternallyLinkage);
    LLVMSetVisibility(fn, LLVMHiddenVisibility);
  }
}

/* Leaves declarations of the functions that are not to be compiled any more. */
static void drop_others(cutter *c) {
  for (uint32_t i = 0; i < c->count; i++) {
    piece *p = &c->pieces[i];
    if (p->gone || p->state == PIECE_OURS || p->state == PIECE_OPEN) continue;
    LLVMSetValueName2(p->fn, "", 0);
    LLVMValueRef left = LLVMGetNamedFunction(c->m->mod, p->name);
    if (!left) left = LLVMAddFunction(c->m->mod, p->name, LLVMGlobalGetValueType(p->fn));
    LLVMSetVisibility(left, LLVMHiddenVisibility);
    LLVMReplaceAllUsesWith(p->fn, left);
    LLVMDeleteFunction(p->fn);
    p->fn = left;
    p->gone = true;
  }
}

static qn_status codegen(cutter *c, bool quick, LLVMMemoryBufferRef *out) {
  LLVMTargetMachineRef usual = c->m->machine;
  if (!quick) return qn__ll_codegen(c->m, LLVMObjectFile, out);
  qn_status status = qn__ll_target_take(c->m->qctx, c->m->isa, true, &c->m->machine);
  if (status == QN_OK) status = qn__ll_codegen(c->m, LLVMObjectFile, out);
  if (c->m->machine) qn__ll_target_give(c->m->isa, true, c->m->machine);
  c->m->machine = usual;
  return status;
}

static char *take_buffer(cutter *c, LLVMMemoryBufferRef buffer, size_t *size) {
  *size = LLVMGetBufferSize(buffer);
  char *copy = qn__arena_copy(&c->arena, LLVMGetBufferStart(buffer), *size);
  LLVMDisposeMemoryBuffer(buffer);
  if (!copy) fail(c, qn_error_no_memory(c->m->qctx));
  return copy;
}

/* Compiles what is ours on one machine, and gives it to the store whether that went well or not: others may wait. */
static void make(cutter *c, bool quick) {
  LLVMMemoryBufferRef buffer = NULL;
  char *object = NULL;
  size_t size = 0;
  uint32_t n = 0;
  for (uint32_t i = 0; i < c->count; i++)
    if (is_wanted(&c->pieces[i], quick)) c->names[n++] = c->pieces[i].name;
  if (n == 0) return;
  drop_others(c);
  set_linkage(c, quick);
  qn_status status = codegen(c, quick, &buffer);
  if (status) fail(c, status);
  if (buffer) object = take_buffer(c, buffer, &size);
  c->store->give(c->store->user, n, c->names, object, size);
  for (uint32_t i = 0; i < c->count; i++)
    if (is_wanted(&c->pieces[i], quick)) c->pieces[i].state = PIECE_DONE;
  if (object) add_object(c, (qn_piece_object){object, size});
}

/* ---- two threads ---- */

/* About what compiling takes, in microseconds: a machine before its first function, an instruction, and the thread that
 * helps before it is as far as this one. */
static const uint32_t start_time[2] = {1700, 300}, instruction_time[2] = {18, 5};
enum {
  ASSEMBLY_TIME = 300,
  LETTERS = 11,
  HELPING_TIME = 700,
  MOST_PIECES = 64
}; /* letters of assembly in a microsecond */

static uint32_t time_of_assembly(LLVMValueRef code) {
#if LLVM_VERSION_MAJOR >= 18
  size_t size;
  LLVMGetInlineAsmAsmString(code, &size);
  return (uint32_t)(size / LETTERS);
#else
  (void)code;
  return ASSEMBLY_TIME;
#endif
}

static uint32_t time_of(const piece *p) {
  uint32_t time = 0;
  for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(p->fn); b; b = LLVMGetNextBasicBlock(b)) {
    for (LLVMValueRef i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i)) {
      time += instruction_time[p->quick];
      LLVMValueRef called = LLVMIsACallInst(i) ? LLVMGetCalledValue(i) : NULL;
      if (called && LLVMIsAInlineAsm(called)) time += time_of_assembly(called);
    }
  }
  return time;
}

/* What a thread has to do, by machine, and when it has done it. */
typedef struct load {
  uint32_t time[2], before;
} load;

static uint32_t end_of(const load *l) {
  uint32_t end = l->before;
  for (int quick = 0; quick < 2; quick++)
    if (l->time[quick]) end += start_time[quick] + l->time[quick];
  return end;
}

static uint32_t later_end(const load *a, const load *b) {
  return end_of(a) > end_of(b) ? end_of(a) : end_of(b);
}

/* The piece that takes longest of those that are ours, or null; `after` those that have been looked at. */
static piece *longest(cutter *c, uint32_t below) {
  piece *best = NULL;
  for (uint32_t i = 0; i < c->count; i++) {
    piece *p = &c->pieces[i];
    if (p->state == PIECE_OURS && p->time < below && (!best || p->time > best->time)) best = p;
  }
  return best;
}

/* Leaves pieces to the other thread: the longest first, each to who then has done earlier. Returns how many, none
 * where help makes nothing earlier. */
static uint32_t leave_some(cutter *c) {
  load alone = {.before = 0}, ours = alone, theirs = {.before = HELPING_TIME};
  uint32_t count = 0, below = UINT32_MAX;
  for (uint32_t i = 0; i < c->count; i++) {
    piece *p = &c->pieces[i];
    if (p->state != PIECE_OURS) continue;
    p->time = time_of(p) * MOST_PIECES + i % MOST_PIECES; /* no two the same */
    alone.time[p->quick] += p->time / MOST_PIECES;
  }
  for (piece *p; (p = longest(c, below)); below = p->time) {
    load us = ours, them = theirs;
    us.time[p->quick] += p->time / MOST_PIECES, them.time[p->quick] += p->time / MOST_PIECES;
    bool leave = end_of(&them) < end_of(&us);
    if (leave)
      theirs = them, p->state = PIECE_THEIRS, count++;
    else
      ours = us;
  }
  return later_end(&ours, &theirs) < end_of(&alone) ? count : 0;
}

/* The thread that helps: it makes the module anew, whose functions are those of the other in the same order, and of it
 * the pieces of these names. */
struct help {
  cutter c;
  const piece *named; /* all of the other's, whose names stay as they are */
  uint32_t num_named;
  qn_ll_module m;
  qn_context *ctx;
  const qn_aot *aot;
  const char **names;
  uint32_t count;
  pthread_t id;
  char problem[240];
};

static void keep_problem(void *user, const qn_diag *d) {
  help *h = user;
  if (d->severity == QN_ERROR && !h->problem[0])
    snprintf(h->problem, sizeof h->problem, "%.*s", (int)d->message.size, d->message.data);
}

static bool is_asked(const help *h, const char *name) {
  for (uint32_t i = 0; i < h->count; i++)
    if (!strcmp(h->names[i], name)) return true;
  return false;
}

static void *run_help(void *user) {
  help *h = user;
  cutter *c = &h->c;
  qn_context_options options = {.on_diag = keep_problem, .on_diag_user = h};
  c->status = QN_ERR_NO_MEMORY;
  h->ctx = qn_context_create(&options);
  if (h->ctx) c->status = qn__ll_module_create(h->ctx, 1, h->aot->bodies, "bodies", &h->m);
  if (c->status) return NULL;
  c->m = &h->m, c->aot = h->aot, c->store = h->aot->pieces, c->symbol = h->aot->bodies[0].symbol;
  qn__arena_init(&c->arena, qn_context_allocator(h->ctx));
  if (!list_pieces(c)) return NULL;
  if (c->count != h->num_named) {
    c->status = qn_error(h->ctx, QN_DIAG_INTERNAL, qn_place_file(""), "a body was not the same when it was made anew");
    return NULL;
  }
  for (uint32_t i = 0; i < c->count; i++) {
    memcpy(c->pieces[i].name, h->named[i].name, sizeof c->pieces[i].name);
    set_name(c, &c->pieces[i]);
  }
  for (uint32_t i = 0; i < c->count; i++)
    if (c->pieces[i].state == PIECE_OPEN) c->pieces[i].state = is_asked(h, c->pieces[i].name) ? PIECE_OURS : PIECE_DONE;
  if (c->status) return NULL;
  make(c, true);
  make(c, false);
  return NULL;
}

/* Null where it is not worth it or cannot be had. */
static help *ask_for_help(cutter *c) {
  uint32_t n = 0, count = c->aot->spare ? leave_some(c) : 0;
  help *h = count ? qn__arena_new(&c->arena, help) : NULL;
  const char **names = count ? qn__arena_array(&c->arena, count, sizeof *names) : NULL;
  for (uint32_t i = 0; names && i < c->count; i++)
    if (c->pieces[i].state == PIECE_THEIRS) names[n++] = c->pieces[i].name;
  if (h && names) {
    *h = (help){.named = c->pieces, .num_named = c->count, .aot = c->aot, .names = names, .count = count};
    if (qn__thread_start(&h->id, run_help, h)) return h;
  }
  for (uint32_t i = 0; i < c->count; i++)
    if (c->pieces[i].state == PIECE_THEIRS) c->pieces[i].state = PIECE_OURS;
  return NULL;
}

static void take_objects(cutter *c, const help *h) {
  for (uint32_t i = 0; i < h->c.num_objects; i++) {
    const qn_piece_object *o = &h->c.objects[i];
    const void *copy = qn__arena_copy(&c->arena, o->data, o->size);
    if (copy)
      add_object(c, (qn_piece_object){copy, o->size});
    else
      fail(c, qn_error_no_memory(c->m->qctx));
  }
}

static void end_help(cutter *c, help *h) {
  pthread_join(h->id, NULL);
  take_objects(c, h);
  if (h->c.status == QN_ERR_NO_MEMORY)
    fail(c, qn_error_no_memory(c->m->qctx));
  else if (h->c.status)
    fail(c, qn_error(c->m->qctx, QN_DIAG_ENGINE, qn_place_file(""), "%s", h->problem));
  if (h->c.status) c->store->give(c->store->user, h->count, h->names, NULL, 0); /* again, for those that were given */
  for (uint32_t i = 0; i < c->count; i++)
    if (c->pieces[i].state == PIECE_THEIRS) c->pieces[i].state = PIECE_DONE;
  if (h->c.m) qn__arena_free(&h->c.arena);
  qn__ll_module_destroy(&h->m);
  if (h->ctx) qn_context_destroy(h->ctx);
}

/* Takes what there is and makes what is ours; with `wait` the first that is open, even if others are making it: then
 * nothing is ours that they could be waiting for. */
static void make_open(cutter *c, bool wait) {
  for (uint32_t i = 0; i < c->count; i++) {
    piece *p = &c->pieces[i];
    qn_piece_object object;
    if (p->state != PIECE_OPEN) continue;
    qn_piece_state state = c->store->take(c->store->user, p->name, wait, &object);
    if (state == QN_PIECE_KNOWN) add_object(c, object);
    if (state != QN_PIECE_BUSY) p->state = state == QN_PIECE_KNOWN ? PIECE_DONE : PIECE_OURS;
    if (wait) break;
  }
  help *h = wait ? NULL : ask_for_help(c);
  make(c, true); /* the quick ones first: the others' machine then need not look at them */
  make(c, false);
  if (h) end_help(c, h);
}

static bool is_open(const cutter *c) {
  for (uint32_t i = 0; i < c->count; i++)
    if (c->pieces[i].state == PIECE_OPEN) return true;
  return false;
}

/* ---- writing ---- */

typedef struct output {
  bool (*write)(void *, const char *, size_t);
  void *user;
  bool good;
} output;

static void put(output *o, const void *data, size_t size) {
  o->good = o->good && o->write(o->user, data, size);
}

static void write_pieces(cutter *c, output *o) {
  static const char zeros[8];
  qn_pieces_head head = {.magic = QN_PIECES_MAGIC, .count = c->num_objects};
  snprintf(head.entry, sizeof head.entry, "%s", c->pieces[c->entry].name);
  put(o, &head, sizeof head);
  for (uint32_t i = 0; i < c->num_objects; i++) {
    uint64_t size = c->objects[i].size;
    put(o, &size, sizeof size);
  }
  for (uint32_t i = 0; i < c->num_objects; i++) {
    put(o, c->objects[i].data, c->objects[i].size);
    put(o, zeros, (8 - c->objects[i].size % 8) % 8);
  }
}

static void cut(cutter *c, output *o) {
  name_all(c);
  if (c->status) return;
  make_open(c, false);
  while (c->status == QN_OK && is_open(c)) make_open(c, true);
  if (c->status == QN_OK) write_pieces(c, o);
}

/* A body that is one function has nothing in common with others. */
static void leave_whole(cutter *c, output *o) {
  LLVMMemoryBufferRef buffer;
  c->status = qn__ll_codegen(c->m, LLVMObjectFile, &buffer);
  if (c->status) return;
  put(o, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer));
  LLVMDisposeMemoryBuffer(buffer);
}

qn_status qn__ll_emit_pieces(qn_ll_module *m, const qn_aot *aot, bool (*write)(void *, const char *, size_t),
                             void *user) {
  cutter c = {.m = m, .store = aot->pieces, .aot = aot, .symbol = aot->bodies[0].symbol};
  output o = {write, user, true};
  qn__arena_init(&c.arena, qn_context_allocator(m->qctx));
  if (list_pieces(&c)) (c.count > 1 ? cut : leave_whole)(&c, &o);
  if (!o.good) fail(&c, qn_error(m->qctx, QN_DIAG_IO, qn_place_file(""), "the generated code could not be written"));
  qn__arena_free(&c.arena);
  return c.status;
}
