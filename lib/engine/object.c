/* A loader for the machine code that our own code generator writes: an x86-64 ELF relocatable object, or several that
 * need nothing but each other. Of several only the sections are loaded that the body comes to: an object may hold
 * functions of other bodies, which call what is not there. Everything in the file is checked before it is used; the
 * mapping is writable until the relocations are applied and executable afterwards, never both. */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "announce.h"
#include "context_impl.h"
#include "program.h"
#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct image image;

typedef struct object {
  image *in;
  const char *data;
  size_t size;
  Elf64_Ehdr head;
  uint64_t *section_at; /* offset of each loaded section in the mapping, UINT64_MAX for others */
  bool *wanted;         /* sections that are loaded */
} object;

enum { MOST_OBJECTS = 64 };
struct image {
  qn_context *ctx;
  object objects[MOST_OBJECTS];
  uint32_t num_objects;
  char entry[QN_PIECE_NAME]; /* the function that is the first body; empty: the one with its symbol */
  const char *problem;
  char *map;
  size_t map_size;
};

typedef struct object_code {
  qn_code base;
  qn_allocator allocator;
  void *map;
  size_t map_size, num;
  size_t num_announced;
  void **announced; /* per function, helpers among them */
} object_code;

static bool bad_image(image *m, const char *why) {
  if (!m->problem) m->problem = why;
  return false;
}

static bool bad(object *o, const char *why) {
  return bad_image(o->in, why);
}

static bool span_ok(const object *o, uint64_t offset, uint64_t n) {
  return offset <= o->size && n <= o->size - offset;
}

static bool section(object *o, uint64_t i, Elf64_Shdr *out) {
  if (i >= o->head.e_shnum) return bad(o, "a section number is out of range");
  memcpy(out, o->data + o->head.e_shoff + i * sizeof *out, sizeof *out);
  if (out->sh_type != SHT_NOBITS && !span_ok(o, out->sh_offset, out->sh_size))
    return bad(o, "a section lies outside the file");
  return true;
}

static bool read_head(object *o) {
  if (o->size < sizeof o->head) return bad(o, "it is too short for an ELF header");
  memcpy(&o->head, o->data, sizeof o->head);
  if (memcmp(o->head.e_ident, ELFMAG, SELFMAG) || o->head.e_ident[EI_CLASS] != ELFCLASS64 ||
      o->head.e_ident[EI_DATA] != ELFDATA2LSB || o->head.e_type != ET_REL || o->head.e_machine != EM_X86_64)
    return bad(o, "it is no x86-64 relocatable object");
  if (o->head.e_shentsize != sizeof(Elf64_Shdr) ||
      !span_ok(o, o->head.e_shoff, (uint64_t)o->head.e_shnum * sizeof(Elf64_Shdr)))
    return bad(o, "its section table lies outside the file");
  return true;
}

/* From offset *at of the mapping on. */
static bool place_sections(object *o, uint64_t *at) {
  for (uint64_t i = 0; i < o->head.e_shnum; i++) {
    Elf64_Shdr s;
    o->section_at[i] = UINT64_MAX;
    if (!section(o, i, &s)) return false;
    if (!(s.sh_flags & SHF_ALLOC) || !s.sh_size || !o->wanted[i]) continue;
    uint64_t align = s.sh_addralign ? s.sh_addralign : 1;
    if (align > 4096 || (align & (align - 1)) || s.sh_size > (1u << 30))
      return bad(o, "a section has an odd size or alignment");
    *at = (*at + align - 1) & ~(align - 1);
    o->section_at[i] = *at;
    *at += s.sh_size;
    if (*at > (1u << 30)) return bad(o, "it is larger than 1 GB");
  }
  return true;
}

static bool copy_sections(object *o) {
  for (uint64_t i = 0; i < o->head.e_shnum; i++) {
    Elf64_Shdr s;
    if (o->section_at[i] == UINT64_MAX) continue;
    if (!section(o, i, &s)) return false;
    if (s.sh_type != SHT_NOBITS) memcpy(o->in->map + o->section_at[i], o->data + s.sh_offset, s.sh_size);
  }
  return true;
}

static bool map_sections(image *m) {
  uint64_t at = 0;
  for (uint32_t i = 0; i < m->num_objects; i++)
    if (!place_sections(&m->objects[i], &at)) return false;
  long page = sysconf(_SC_PAGESIZE);
  m->map_size = (at + (uint64_t)page) & ~((uint64_t)page - 1);
  void *map = mmap(NULL, m->map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) return bad_image(m, "memory for its code cannot be mapped");
  m->map = map;
  for (uint32_t i = 0; i < m->num_objects; i++)
    if (!copy_sections(&m->objects[i])) return false;
  return true;
}

static bool symbol_at(object *o, const Elf64_Shdr *table, uint64_t i, Elf64_Sym *out) {
  if (i >= table->sh_size / sizeof *out) return bad(o, "a symbol number is out of range");
  memcpy(out, o->data + table->sh_offset + i * sizeof *out, sizeof *out);
  return true;
}

static bool symbol_value(object *o, const Elf64_Sym *s, uint64_t *out) {
  if (s->st_shndx == SHN_UNDEF || s->st_shndx >= o->head.e_shnum || o->section_at[s->st_shndx] == UINT64_MAX)
    return bad(o, "it needs a symbol that it does not define");
  Elf64_Shdr home;
  if (!section(o, s->st_shndx, &home)) return false;
  if (s->st_value > home.sh_size) return bad(o, "a symbol lies outside its section");
  *out = o->section_at[s->st_shndx] + s->st_value;
  return true;
}

/* ---- functions ---- */

/* Calls each with every function of the object, those that only others call included. */
typedef void (*function_fn)(void *user, const char *name, void *at, size_t bytes);

static bool each_of_object(object *o, function_fn each, void *user) {
  image *m = o->in;
  for (uint64_t i = 0; i < o->head.e_shnum; i++) {
    Elf64_Shdr table, names;
    if (!section(o, i, &table)) return false;
    if (table.sh_type != SHT_SYMTAB || !section(o, table.sh_link, &names)) continue;
    for (uint64_t k = 0; k < table.sh_size / sizeof(Elf64_Sym); k++) {
      Elf64_Sym s;
      uint64_t value;
      if (!symbol_at(o, &table, k, &s)) return false;
      if (ELF64_ST_TYPE(s.st_info) != STT_FUNC || s.st_name >= names.sh_size) continue;
      if (s.st_shndx < o->head.e_shnum && s.st_shndx != SHN_UNDEF && !o->wanted[s.st_shndx]) continue;
      if (!symbol_value(o, &s, &value)) return false;
      const char *name = o->data + names.sh_offset + s.st_name;
      if (value > m->map_size || s.st_size > m->map_size - value) return bad(o, "a function lies outside its code");
      if (memchr(name, 0, names.sh_size - s.st_name)) each(user, name, m->map + value, s.st_size);
    }
  }
  return true;
}

static bool each_function(image *m, function_fn each, void *user) {
  for (uint32_t i = 0; i < m->num_objects; i++)
    if (!each_of_object(&m->objects[i], each, user)) return false;
  return true;
}

typedef struct search {
  const char *name;
  char *at;
} search;

static void search_function(void *user, const char *name, void *at, size_t bytes) {
  search *s = user;
  (void)bytes;
  if (!s->at && !strcmp(name, s->name)) s->at = at;
}

/* ---- what a body comes to ---- */

/* A function by its name: the section that it is in is loaded. */
static bool want_function(image *m, const char *name) {
  for (uint32_t n = 0; n < m->num_objects; n++) {
    object *o = &m->objects[n];
    for (uint64_t i = 0; i < o->head.e_shnum; i++) {
      Elf64_Shdr table, names;
      if (!section(o, i, &table)) return false;
      if (table.sh_type != SHT_SYMTAB || !section(o, table.sh_link, &names) || names.sh_type == SHT_NOBITS) continue;
      for (uint64_t k = 0; k < table.sh_size / sizeof(Elf64_Sym); k++) {
        Elf64_Sym s;
        if (!symbol_at(o, &table, k, &s)) return false;
        if (ELF64_ST_TYPE(s.st_info) != STT_FUNC || s.st_shndx == SHN_UNDEF || s.st_shndx >= o->head.e_shnum) continue;
        if (s.st_name >= names.sh_size) continue;
        const char *here = o->data + names.sh_offset + s.st_name;
        if (!memchr(here, 0, names.sh_size - s.st_name) || strcmp(here, name)) continue;
        o->wanted[s.st_shndx] = true;
        return true;
      }
    }
  }
  return bad_image(m, "it needs a symbol that it does not define");
}

/* What a loaded section refers to. */
static bool want_targets(object *o, const Elf64_Shdr *rel) {
  Elf64_Shdr symbols, names;
  if (!section(o, rel->sh_link, &symbols) || !section(o, symbols.sh_link, &names)) return false;
  if (symbols.sh_type != SHT_SYMTAB || names.sh_type == SHT_NOBITS) return bad(o, "a relocation table is damaged");
  for (uint64_t k = 0; k < rel->sh_size / sizeof(Elf64_Rela); k++) {
    Elf64_Rela r;
    Elf64_Sym s;
    memcpy(&r, o->data + rel->sh_offset + k * sizeof r, sizeof r);
    if (!symbol_at(o, &symbols, ELF64_R_SYM(r.r_info), &s)) return false;
    if (s.st_shndx != SHN_UNDEF && s.st_shndx < o->head.e_shnum) o->wanted[s.st_shndx] = true;
    if (s.st_shndx != SHN_UNDEF) continue;
    const char *name = s.st_name < names.sh_size ? o->data + names.sh_offset + s.st_name : NULL;
    if (!name || !memchr(name, 0, names.sh_size - s.st_name)) return bad(o, "a symbol has no name");
    if (!want_function(o->in, name)) return false;
  }
  return true;
}

static uint64_t count_wanted(const image *m) {
  uint64_t n = 0;
  for (uint32_t i = 0; i < m->num_objects; i++)
    for (uint64_t k = 0; k < m->objects[i].head.e_shnum; k++) n += m->objects[i].wanted[k];
  return n;
}

/* From the entry on, until nothing is added; all of an object that is no piece. */
static bool choose_sections(image *m) {
  uint64_t before = 0;
  for (uint32_t i = 0; i < m->num_objects && !m->entry[0]; i++)
    memset(m->objects[i].wanted, true, m->objects[i].head.e_shnum);
  if (!m->entry[0]) return true;
  if (!want_function(m, m->entry)) return false;
  while (count_wanted(m) != before) {
    before = count_wanted(m);
    for (uint32_t n = 0; n < m->num_objects; n++) {
      object *o = &m->objects[n];
      for (uint64_t i = 0; i < o->head.e_shnum; i++) {
        Elf64_Shdr rel;
        if (!section(o, i, &rel)) return false;
        if (rel.sh_type != SHT_RELA || rel.sh_info >= o->head.e_shnum || !o->wanted[rel.sh_info]) continue;
        if (!want_targets(o, &rel)) return false;
      }
    }
  }
  return true;
}

/* ---- addresses ---- */

static bool relocate_one(object *o, uint64_t base, uint64_t room, const Elf64_Rela *r, uint64_t target) {
  uint64_t type = ELF64_R_TYPE(r->r_info), width = type == R_X86_64_64 ? 8 : 4;
  if (r->r_offset > room || room - r->r_offset < width) return bad(o, "a relocation lies outside its section");
  char *at = o->in->map + base + r->r_offset;
  uint64_t value = target + (uint64_t)r->r_addend;
  if (type == R_X86_64_64) {
    value += (uint64_t)(uintptr_t)o->in->map;
    memcpy(at, &value, 8);
    return true;
  }
  if (type != R_X86_64_PC32 && type != R_X86_64_PLT32)
    return bad(o, "it has a relocation of a kind our code never uses");
  uint64_t delta = value - (base + r->r_offset); /* wraps, as addresses do */
  int32_t narrow = (int32_t)(uint32_t)delta;
  memcpy(at, &narrow, 4);
  return (uint64_t)(int64_t)narrow == delta ? true : bad(o, "a relocation does not reach its target");
}

/* Where a symbol is, be it a function of another object. */
static bool target_of(object *o, const Elf64_Shdr *symbols, const Elf64_Sym *s, uint64_t *out) {
  Elf64_Shdr names;
  if (s->st_shndx != SHN_UNDEF) return symbol_value(o, s, out);
  if (!section(o, symbols->sh_link, &names)) return false;
  if (s->st_name >= names.sh_size || names.sh_type == SHT_NOBITS) return bad(o, "a symbol has no name");
  search found = {o->data + names.sh_offset + s->st_name, NULL};
  if (!memchr(found.name, 0, names.sh_size - s->st_name)) return bad(o, "a symbol has no name");
  if (!each_function(o->in, search_function, &found)) return false;
  if (!found.at) return bad(o, "it needs a symbol that it does not define");
  *out = (uint64_t)(found.at - o->in->map);
  return true;
}

static bool relocate(object *o) {
  for (uint64_t i = 0; i < o->head.e_shnum; i++) {
    Elf64_Shdr rel, target, symbols;
    if (!section(o, i, &rel)) return false;
    if (rel.sh_type != SHT_RELA || rel.sh_info >= o->head.e_shnum || o->section_at[rel.sh_info] == UINT64_MAX) continue;
    if (!section(o, rel.sh_info, &target) || !section(o, rel.sh_link, &symbols)) return false;
    if (target.sh_type == SHT_NOBITS || symbols.sh_type != SHT_SYMTAB) return bad(o, "a relocation table is damaged");
    for (uint64_t k = 0; k < rel.sh_size / sizeof(Elf64_Rela); k++) {
      Elf64_Rela r;
      Elf64_Sym s;
      uint64_t value;
      memcpy(&r, o->data + rel.sh_offset + k * sizeof r, sizeof r);
      if (!symbol_at(o, &symbols, ELF64_R_SYM(r.r_info), &s) || !target_of(o, &symbols, &s, &value) ||
          !relocate_one(o, o->section_at[rel.sh_info], target.sh_size, &r, value))
        return false;
    }
  }
  return true;
}

typedef struct finding {
  const image *in;
  uint32_t n;
  const qn_body *bodies;
  qn_kernel_fn *functions;
} finding;

/* The name that a body's function has in the object. */
static const char *name_of(const image *m, const qn_body *bodies, uint32_t b) {
  return b == 0 && m->entry[0] ? m->entry : bodies[b].symbol;
}

static void find_function(void *user, const char *name, void *at, size_t bytes) {
  const finding *f = user;
  (void)bytes;
  for (uint32_t b = 0; b < f->n; b++)
    if (!strcmp(name, name_of(f->in, f->bodies, b))) memcpy(&f->functions[b], &at, sizeof at);
}

static bool find_functions(image *m, uint32_t n, const qn_body *bodies, qn_kernel_fn *functions) {
  finding f = {m, n, bodies, functions};
  if (!each_function(m, find_function, &f)) return false;
  for (uint32_t b = 0; b < n; b++)
    if (!functions[b]) return bad_image(m, "it lacks a kernel that the program needs");
  return true;
}

/* ---- telling tools ---- */

static void count_function(void *user, const char *name, void *at, size_t bytes) {
  (void)name, (void)at, (void)bytes;
  ++*(size_t *)user;
}

typedef struct announcing {
  object_code *code;
  const image *in;
  const char *symbol;
  uint32_t how;
} announcing;

/* Functions of pieces are named by a word and a digest: told as the body's symbol, and that with the word. */
static void announce_function(void *user, const char *name, void *at, size_t bytes) {
  announcing *n = user;
  char told[160];
  const char *digest = strrchr(name, '_');
  if (n->in->entry[0] && !strcmp(name, n->in->entry))
    name = n->symbol;
  else if (n->in->entry[0] && digest)
    snprintf(told, sizeof told, "%s_%.*s", n->symbol, (int)(digest - name), name), name = told;
  n->code->announced[n->code->num_announced++] = qn__announce(n->how, name, at, bytes);
}

/* Tools that ask for it learn the functions' names. Without memory for that they do not, and nothing else happens. */
static void announce(image *m, object_code *c, const qn_body *bodies) {
  size_t n = 0;
  if (!m->ctx->symbols || !each_function(m, count_function, &n) || !n) return;
  c->announced = qn__alloc_zero(&c->allocator, n * sizeof *c->announced);
  announcing user = {c, m, bodies[0].symbol, m->ctx->symbols};
  if (c->announced) each_function(m, announce_function, &user);
}

static void destroy(qn_code *code) {
  object_code *c = (object_code *)(void *)code;
  qn_allocator a = c->allocator;
  for (size_t i = 0; i < c->num_announced; i++) qn__announce_end(c->announced[i]);
  qn__free(&a, c->announced, c->num_announced * sizeof *c->announced);
  munmap(c->map, c->map_size);
  qn__free(&a, c->base.functions, c->num * sizeof *c->base.functions);
  qn__free(&a, c, sizeof *c);
}

/* ---- objects ---- */

static bool add_object(image *m, const char *data, size_t size) {
  object *o = &m->objects[m->num_objects++];
  *o = (object){.in = m, .data = data, .size = size};
  if (!read_head(o)) return false;
  o->section_at = qn__alloc_zero(qn_context_allocator(m->ctx), (o->head.e_shnum + 1u) * sizeof *o->section_at);
  o->wanted = qn__alloc_zero(qn_context_allocator(m->ctx), (o->head.e_shnum + 1u) * sizeof *o->wanted);
  return o->section_at && o->wanted;
}

/* One object, or a body in pieces. */
static bool add_objects(image *m, const char *data, size_t size) {
  qn_pieces_head head;
  if (size < sizeof head || memcmp(data, QN_PIECES_MAGIC, sizeof head.magic)) return add_object(m, data, size);
  memcpy(&head, data, sizeof head);
  uint64_t at = sizeof head, n = head.count;
  if (n > MOST_OBJECTS || n * sizeof(uint64_t) > size - at || !memchr(head.entry, 0, sizeof head.entry))
    return bad_image(m, "its head is damaged");
  memcpy(m->entry, head.entry, sizeof m->entry);
  at += n * sizeof(uint64_t);
  for (uint64_t i = 0; i < n; i++) {
    uint64_t bytes;
    memcpy(&bytes, data + sizeof head + i * sizeof bytes, sizeof bytes);
    if (at > size || bytes > size - at) return bad_image(m, "a part of it lies outside the file");
    if (!add_object(m, data + at, (size_t)bytes)) return false;
    at += (bytes + 7) & ~(uint64_t)7;
  }
  return true;
}

static bool load(image *m, const char *data, size_t size) {
  if (!add_objects(m, data, size) || !choose_sections(m) || !map_sections(m)) return false;
  for (uint32_t i = 0; i < m->num_objects; i++)
    if (!relocate(&m->objects[i])) return false;
  return true;
}

static void free_objects(image *m) {
  const qn_allocator *a = qn_context_allocator(m->ctx);
  for (uint32_t i = 0; i < m->num_objects; i++) {
    object *o = &m->objects[i];
    if (o->section_at) qn__free(a, o->section_at, (o->head.e_shnum + 1u) * sizeof *o->section_at);
    if (o->wanted) qn__free(a, o->wanted, (o->head.e_shnum + 1u) * sizeof *o->wanted);
  }
}

qn_status qn__object_load(qn_context *ctx, const void *data, size_t size, uint32_t n, const qn_body *bodies,
                          qn_code **out) {
#if !defined(__x86_64__)
  (void)data, (void)size, (void)n, (void)bodies, (void)out;
  return qn_error(ctx, QN_DIAG_UNSUPPORTED, qn_place_file(""), "machine code can be loaded on x86-64 only");
#else
  const qn_allocator *a = qn_context_allocator(ctx);
  image *m = qn__alloc_zero(a, sizeof *m);
  object_code *c = qn__alloc_zero(a, sizeof *c);
  qn_kernel_fn *functions = qn__alloc_zero(a, n * sizeof *functions);
  const char *problem = NULL;
  bool ok = m && c && functions;
  if (m) m->ctx = ctx;
  ok = ok && load(m, data, size) && find_functions(m, n, bodies, functions);
  if (ok && mprotect(m->map, m->map_size, PROT_READ | PROT_EXEC))
    ok = bad_image(m, "its code cannot be made executable");
  if (ok) {
    *c = (object_code){{functions, size, destroy}, *a, m->map, m->map_size, n, 0, NULL};
    announce(m, c, bodies);
    *out = &c->base;
  } else {
    if (m && m->map) munmap(m->map, m->map_size);
    qn__free(a, functions, n * sizeof *functions);
    qn__free(a, c, sizeof *c);
  }
  if (m) problem = m->problem, free_objects(m);
  qn__free(a, m, sizeof *m);
  if (ok) return QN_OK;
  if (!problem) return qn_error_no_memory(ctx);
  return qn_error(ctx, QN_DIAG_FORMAT, qn_place_file(""), "the program's machine code cannot be loaded: %s", problem);
#endif
}
