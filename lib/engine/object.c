/* A loader for the machine code that our own code generator writes: an x86-64 ELF relocatable object whose functions
 * need nothing from outside. Everything in the file is checked before it is used; the mapping is writable until the
 * relocations are applied and executable afterwards, never both. */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "announce.h"
#include "context_impl.h"
#include "program.h"
#include <elf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct object {
  qn_context *ctx;
  const char *data;
  size_t size;
  Elf64_Ehdr head;
  uint64_t *section_at; /* offset of each loaded section in the mapping, UINT64_MAX for others */
  const char *problem;
  char *map;
  size_t map_size;
} object;

typedef struct object_code {
  qn_code base;
  qn_allocator allocator;
  void *map;
  size_t map_size, num;
  size_t num_announced;
  void **announced; /* per function, helpers among them */
} object_code;

static bool bad(object *o, const char *why) {
  if (!o->problem) o->problem = why;
  return false;
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

static bool place_sections(object *o) {
  uint64_t at = 0;
  for (uint64_t i = 0; i < o->head.e_shnum; i++) {
    Elf64_Shdr s;
    o->section_at[i] = UINT64_MAX;
    if (!section(o, i, &s)) return false;
    if (!(s.sh_flags & SHF_ALLOC) || !s.sh_size) continue;
    uint64_t align = s.sh_addralign ? s.sh_addralign : 1;
    if (align > 4096 || (align & (align - 1)) || s.sh_size > (1u << 30))
      return bad(o, "a section has an odd size or alignment");
    at = (at + align - 1) & ~(align - 1);
    o->section_at[i] = at;
    at += s.sh_size;
    if (at > (1u << 30)) return bad(o, "it is larger than 1 GB");
  }
  long page = sysconf(_SC_PAGESIZE);
  o->map_size = (at + (uint64_t)page) & ~((uint64_t)page - 1);
  void *map = mmap(NULL, o->map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) return bad(o, "memory for its code cannot be mapped");
  o->map = map;
  for (uint64_t i = 0; i < o->head.e_shnum; i++) {
    Elf64_Shdr s;
    if (o->section_at[i] == UINT64_MAX || !section(o, i, &s)) continue;
    if (s.sh_type != SHT_NOBITS) memcpy(o->map + o->section_at[i], o->data + s.sh_offset, s.sh_size);
  }
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

static bool relocate_one(object *o, uint64_t base, uint64_t room, const Elf64_Rela *r, uint64_t target) {
  uint64_t type = ELF64_R_TYPE(r->r_info), width = type == R_X86_64_64 ? 8 : 4;
  if (r->r_offset > room || room - r->r_offset < width) return bad(o, "a relocation lies outside its section");
  char *at = o->map + base + r->r_offset;
  uint64_t value = target + (uint64_t)r->r_addend;
  if (type == R_X86_64_64) {
    value += (uint64_t)(uintptr_t)o->map;
    memcpy(at, &value, 8);
    return true;
  }
  if (type != R_X86_64_PC32 && type != R_X86_64_PLT32)
    return bad(o, "it has a relocation of a kind our code never uses");
  int64_t delta = (int64_t)value - (int64_t)(base + r->r_offset);
  int32_t narrow = (int32_t)delta;
  memcpy(at, &narrow, 4);
  return narrow == delta ? true : bad(o, "a relocation does not reach its target");
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
      if (!symbol_at(o, &symbols, ELF64_R_SYM(r.r_info), &s) || !symbol_value(o, &s, &value) ||
          !relocate_one(o, o->section_at[rel.sh_info], target.sh_size, &r, value))
        return false;
    }
  }
  return true;
}

/* Calls each with every function of the object, those that only others call included. */
typedef void (*function_fn)(void *user, const char *name, void *at, size_t bytes);

static bool each_function(object *o, function_fn each, void *user) {
  for (uint64_t i = 0; i < o->head.e_shnum; i++) {
    Elf64_Shdr table, names;
    if (!section(o, i, &table)) return false;
    if (table.sh_type != SHT_SYMTAB || !section(o, table.sh_link, &names)) continue;
    for (uint64_t k = 0; k < table.sh_size / sizeof(Elf64_Sym); k++) {
      Elf64_Sym s;
      uint64_t value;
      if (!symbol_at(o, &table, k, &s)) return false;
      if (ELF64_ST_TYPE(s.st_info) != STT_FUNC || s.st_name >= names.sh_size) continue;
      if (!symbol_value(o, &s, &value)) return false;
      const char *name = o->data + names.sh_offset + s.st_name;
      if (value > o->map_size || s.st_size > o->map_size - value) return bad(o, "a function lies outside its code");
      if (memchr(name, 0, names.sh_size - s.st_name)) each(user, name, o->map + value, s.st_size);
    }
  }
  return true;
}

typedef struct finding {
  uint32_t n;
  const qn_body *bodies;
  qn_kernel_fn *functions;
} finding;

static void find_function(void *user, const char *name, void *at, size_t bytes) {
  const finding *f = user;
  (void)bytes;
  for (uint32_t b = 0; b < f->n; b++)
    if (!strcmp(name, f->bodies[b].symbol)) memcpy(&f->functions[b], &at, sizeof at);
}

static bool find_functions(object *o, uint32_t n, const qn_body *bodies, qn_kernel_fn *functions) {
  finding f = {n, bodies, functions};
  if (!each_function(o, find_function, &f)) return false;
  for (uint32_t b = 0; b < n; b++)
    if (!functions[b]) return bad(o, "it lacks a kernel that the program needs");
  return true;
}

static void count_function(void *user, const char *name, void *at, size_t bytes) {
  (void)name, (void)at, (void)bytes;
  ++*(size_t *)user;
}

typedef struct announcing {
  object_code *code;
  uint32_t how;
} announcing;

static void announce_function(void *user, const char *name, void *at, size_t bytes) {
  announcing *n = user;
  n->code->announced[n->code->num_announced++] = qn__announce(n->how, name, at, bytes);
}

/* Tools that ask for it learn the functions' names. Without memory for that they do not, and nothing else happens. */
static void announce(object *o, object_code *c) {
  size_t n = 0;
  if (!o->ctx->symbols || !each_function(o, count_function, &n) || !n) return;
  c->announced = qn__alloc_zero(&c->allocator, n * sizeof *c->announced);
  announcing user = {c, o->ctx->symbols};
  if (c->announced) each_function(o, announce_function, &user);
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

qn_status qn__object_load(qn_context *ctx, const void *data, size_t size, uint32_t n, const qn_body *bodies,
                          qn_code **out) {
#if !defined(__x86_64__)
  (void)data, (void)size, (void)n, (void)bodies, (void)out;
  return qn_error(ctx, QN_DIAG_UNSUPPORTED, qn_place_file(""), "machine code can be loaded on x86-64 only");
#else
  const qn_allocator *a = qn_context_allocator(ctx);
  object o = {.ctx = ctx, .data = data, .size = size};
  object_code *c = qn__alloc_zero(a, sizeof *c);
  qn_kernel_fn *functions = qn__alloc_zero(a, n * sizeof *functions);
  bool ok = c && functions && read_head(&o);
  if (ok) ok = (o.section_at = qn__alloc_zero(a, (o.head.e_shnum + 1u) * sizeof *o.section_at)) != NULL;
  ok = ok && place_sections(&o) && relocate(&o) && find_functions(&o, n, bodies, functions);
  if (ok && mprotect(o.map, o.map_size, PROT_READ | PROT_EXEC)) ok = bad(&o, "its code cannot be made executable");
  if (ok) {
    *c = (object_code){{functions, size, destroy}, *a, o.map, o.map_size, n, 0, NULL};
    announce(&o, c);
    *out = &c->base;
  }
  if (o.section_at) qn__free(a, o.section_at, (o.head.e_shnum + 1u) * sizeof *o.section_at);
  if (ok) return QN_OK;
  if (o.map) munmap(o.map, o.map_size);
  qn__free(a, functions, n * sizeof *functions);
  qn__free(a, c, sizeof *c);
  if (!o.problem) return qn_error_no_memory(ctx);
  return qn_error(ctx, QN_DIAG_FORMAT, qn_place_file(""), "the program's machine code cannot be loaded: %s", o.problem);
#endif
}
