/* gdb, perf's map and perf's jitdump. Each of the three is one thing per process by its own design: gdb reads a list
 * that starts at a symbol of a fixed name, perf a file that is named by the process. So this is one of the few places
 * with state of the process, behind one lock.
 *
 * gdb: an ELF object in memory that has no code, only a section placed where the code lies and one function symbol.
 * perf map: "address size name" lines in /tmp/perf-PID.map, which perf report reads.
 * jitdump: the code's bytes and times in jit-PID.dump (in JITDUMPDIR, or /tmp); `perf record -k mono` sees that the
 * file is mapped, `perf inject --jit` turns it into objects, so that perf annotate shows instructions. */
#define _GNU_SOURCE /* gettid's system call, MAP_ANONYMOUS */
#include "announce.h"
#include "alloc.h"
#include "clock.h"
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <quern/context.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if defined(__aarch64__)
enum { MACHINE = EM_AARCH64 };
#elif defined(__riscv)
enum { MACHINE = EM_RISCV };
#else
enum { MACHINE = EM_X86_64 };
#endif

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- gdb ---- */

typedef struct jit_entry {
  struct jit_entry *next, *previous;
  const void *symfile;
  uint64_t symfile_size;
} jit_entry;

typedef struct jit_descriptor {
  uint32_t version, action;
  jit_entry *relevant, *first;
} jit_descriptor;
enum { JIT_NOTHING, JIT_REGISTER, JIT_UNREGISTER };

/* The names and what they mean are gdb's interface for compilers in the process. Weak, because another one that is
 * linked in statically may bring them too; the list is then shared. NOLINTBEGIN(bugprone-reserved-identifier) */
__attribute__((weak, visibility("hidden"), noinline)) void __jit_debug_register_code(void);
void __jit_debug_register_code(void) {
  __asm__ volatile("" ::: "memory"); /* gdb stops here; the call must not be left out */
}
__attribute__((weak, visibility("hidden"))) jit_descriptor __jit_debug_descriptor = {1, JIT_NOTHING, NULL, NULL};
/* NOLINTEND(bugprone-reserved-identifier) */

enum { SECTION_TEXT = 1, SECTION_SYMBOLS, SECTION_STRINGS, NUM_SECTIONS };

/* One block: the list's entry, then the object. */
typedef struct gdb_object {
  jit_entry entry;
  Elf64_Ehdr head;
  Elf64_Shdr sections[NUM_SECTIONS];
  Elf64_Sym symbols[2];
  char strings[160]; /* section names, then the function's */
} gdb_object;

static const char section_names[] = "\0.text\0.symtab\0.strtab";
enum { NAME_TEXT = 1, NAME_SYMBOLS = 7, NAME_STRINGS = 15 };

static uint64_t inside(const gdb_object *o, const void *part) {
  return (uint64_t)((const char *)part - (const char *)&o->head);
}

static void fill_object(gdb_object *o, const char *name, const void *code, size_t bytes) {
  Elf64_Ehdr *h = &o->head;
  memcpy(h->e_ident, ELFMAG, SELFMAG);
  h->e_ident[EI_CLASS] = ELFCLASS64, h->e_ident[EI_DATA] = ELFDATA2LSB, h->e_ident[EI_VERSION] = EV_CURRENT;
  h->e_type = ET_REL, h->e_machine = MACHINE, h->e_version = EV_CURRENT, h->e_ehsize = sizeof *h;
  h->e_shoff = inside(o, o->sections), h->e_shentsize = sizeof *o->sections, h->e_shnum = NUM_SECTIONS;
  h->e_shstrndx = SECTION_STRINGS;
  memcpy(o->strings, section_names, sizeof section_names);
  size_t room = sizeof o->strings - sizeof section_names - 1, n = strlen(name);
  memcpy(o->strings + sizeof section_names, name, n < room ? n : room);
  o->sections[SECTION_TEXT] = (Elf64_Shdr){.sh_name = NAME_TEXT,
                                           .sh_type = SHT_NOBITS,
                                           .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
                                           .sh_addr = (uint64_t)(uintptr_t)code,
                                           .sh_offset = inside(o, o->sections),
                                           .sh_size = bytes,
                                           .sh_addralign = 1};
  o->sections[SECTION_SYMBOLS] = (Elf64_Shdr){.sh_name = NAME_SYMBOLS,
                                              .sh_type = SHT_SYMTAB,
                                              .sh_offset = inside(o, o->symbols),
                                              .sh_size = sizeof o->symbols,
                                              .sh_link = SECTION_STRINGS,
                                              .sh_info = 1,
                                              .sh_addralign = 8,
                                              .sh_entsize = sizeof *o->symbols};
  o->sections[SECTION_STRINGS] = (Elf64_Shdr){.sh_name = NAME_STRINGS,
                                              .sh_type = SHT_STRTAB,
                                              .sh_offset = inside(o, o->strings),
                                              .sh_size = sizeof o->strings,
                                              .sh_addralign = 1};
  o->symbols[1] = (Elf64_Sym){.st_name = sizeof section_names,
                              .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
                              .st_shndx = SECTION_TEXT,
                              .st_size = bytes};
}

static void tell_gdb(uint32_t action, gdb_object *o) {
  __jit_debug_descriptor.action = action;
  __jit_debug_descriptor.relevant = &o->entry;
  __jit_debug_register_code();
}

static gdb_object *register_gdb(const char *name, const void *code, size_t bytes) {
  qn_allocator a = qn_allocator_default(); /* the list belongs to the process, and any thread may add to it */
  gdb_object *o = qn__alloc_zero(&a, sizeof *o);
  if (!o) return NULL;
  fill_object(o, name, code, bytes);
  o->entry = (jit_entry){.next = __jit_debug_descriptor.first,
                         .symfile = &o->head,
                         .symfile_size = sizeof *o - offsetof(gdb_object, head)};
  if (o->entry.next) o->entry.next->previous = &o->entry;
  __jit_debug_descriptor.first = &o->entry;
  tell_gdb(JIT_REGISTER, o);
  return o;
}

static void unregister_gdb(gdb_object *o) {
  if (o->entry.previous) o->entry.previous->next = o->entry.next;
  if (o->entry.next) o->entry.next->previous = o->entry.previous;
  if (__jit_debug_descriptor.first == &o->entry) __jit_debug_descriptor.first = o->entry.next;
  tell_gdb(JIT_UNREGISTER, o);
  qn_allocator a = qn_allocator_default();
  qn__free(&a, o, sizeof *o);
}

/* ---- perf ---- */

/* A file that is ours: not a link that somebody else left under a name that can be guessed. */
static int open_own(const char *path, int flags) {
  struct stat s;
  int fd = open(path, flags | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return -1;
  if (!fstat(fd, &s) && S_ISREG(s.st_mode) && s.st_uid == geteuid()) return fd;
  close(fd);
  return -1;
}

static void add_to_map(const char *name, const void *code, size_t bytes) {
  static int fd = -2;
  static pid_t owner;
  char path[64], line[256];
  if (owner != getpid()) { /* the first time, or in a child: its map has another name */
    owner = getpid();
    snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)owner);
    fd = open_own(path, O_WRONLY | O_APPEND);
  }
  int n = snprintf(line, sizeof line, "%lx %zx %s\n", (unsigned long)(uintptr_t)code, bytes, name);
  if (fd < 0 || n < 0 || (size_t)n >= sizeof line) return;
  if (write(fd, line, (size_t)n) != n) fd = -1; /* half a line is worse than none more */
}

typedef struct dump_head {
  uint32_t magic, version, size, machine, padding, pid;
  uint64_t time, flags;
} dump_head;
typedef struct dump_load {
  uint32_t kind, size;
  uint64_t time;
  uint32_t pid, tid;
  uint64_t vma, address, bytes, index;
} dump_load;

/* Opens the file, writes its head and maps it executable: perf finds the file by that mapping. */
static int open_dump(void) {
  const char *folder = getenv("JITDUMPDIR");
  char path[512];
  int n = snprintf(path, sizeof path, "%s/jit-%d.dump", folder && *folder ? folder : "/tmp", (int)getpid());
  int fd = n > 0 && (size_t)n < sizeof path ? open_own(path, O_RDWR | O_TRUNC) : -1;
  if (fd < 0) return -1;
  dump_head h = {.magic = 0x4a695444,
                 .version = 1,
                 .size = sizeof h,
                 .machine = MACHINE,
                 .pid = (uint32_t)getpid(),
                 .time = (uint64_t)qn__now_ns()};
  if (write(fd, &h, sizeof h) == sizeof h &&
      mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) != MAP_FAILED)
    return fd;
  close(fd);
  return -1;
}

static void add_to_dump(const char *name, const void *code, size_t bytes) {
  static int fd = -1;
  static pid_t owner;
  static uint64_t index;
  if (owner != getpid()) {
    owner = getpid();
    fd = open_dump();
  }
  if (fd < 0) return;
  size_t name_bytes = strlen(name) + 1;
  uint64_t address = (uint64_t)(uintptr_t)code;
  dump_load l = {.size = (uint32_t)(sizeof l + name_bytes + bytes),
                 .time = (uint64_t)qn__now_ns(),
                 .pid = (uint32_t)getpid(),
                 .tid = (uint32_t)syscall(SYS_gettid),
                 .vma = address,
                 .address = address,
                 .bytes = bytes,
                 .index = index++};
  if (write(fd, &l, sizeof l) != sizeof l || write(fd, name, name_bytes) != (ssize_t)name_bytes ||
      write(fd, code, bytes) != (ssize_t)bytes) {
    close(fd);
    fd = -1;
  }
}

/* ---- both ---- */

void *qn__announce(uint32_t how, const char *name, const void *code, size_t bytes) {
  void *announced = NULL;
  if (!how || !code || !bytes) return NULL;
  pthread_mutex_lock(&lock);
  if (how & QN_SYMBOLS_GDB) announced = register_gdb(name, code, bytes);
  if (how & QN_SYMBOLS_PERF_MAP) add_to_map(name, code, bytes);
  if (how & QN_SYMBOLS_JITDUMP) add_to_dump(name, code, bytes);
  pthread_mutex_unlock(&lock);
  return announced;
}

void qn__announce_end(void *announced) {
  if (!announced) return;
  pthread_mutex_lock(&lock);
  unregister_gdb(announced);
  pthread_mutex_unlock(&lock);
}
