/* Program files: a fixed head, then the lowered text, the constants and the machine code, each aligned to 64 bytes, so
 * that a mapped file is used as it lies. Programs of the libtcc engine hold no machine code: theirs is made again in
 * less time than it would take to check it. */
#include "context_impl.h"
#include "fileio.h"
#include "program.h"
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#define MAGIC "QUERNPRG"
enum { FILE_VERSION = 3, SECTIONS = 3 };
enum { TEXT, CONSTANTS, OBJECTS };

typedef struct program_head {
  char magic[8];
  uint32_t version, reserved;
  char engine[16], isa[32], function[128];
  uint64_t offset[SECTIONS], size[SECTIONS];
  uint64_t check; /* XXH3 of all sections and of the head itself, this field being 0 */
} program_head;

static const char zeros[64];

static uint64_t padded(uint64_t n) {
  return (n + 63) & ~(uint64_t)63;
}

typedef struct part {
  const char *data;
  size_t size;
} part;

static bool put_part(qn_writer *w, part s) {
  return qn__writer_put(w, s.data, s.size) && qn__writer_put(w, zeros, padded(s.size) - s.size);
}

static uint64_t check_of(program_head head, const part *parts) {
  head.check = 0;
  XXH64_hash_t h = XXH3_64bits(&head, sizeof head);
  for (int i = 0; i < SECTIONS; i++) h = XXH3_64bits_withSeed(parts[i].data ? parts[i].data : "", parts[i].size, h);
  return h;
}

qn_status qn_program_save(const qn_program *p, const char *path) {
  if (!p || !path) return qn_error_null(p ? p->ctx : NULL, __func__);
  if (p->interp)
    return qn_error(p->ctx, QN_DIAG_UNSUPPORTED, qn_place_file(path),
                    "the interpreter has nothing to save; compile for another engine");
  qn_buf code;
  qn__buf_init(&code, &p->allocator);
  qn_status status = qn__pack_objects(p, &code);
  part parts[SECTIONS] = {{p->text, p->text_bytes}, {p->constants, p->constants_bytes}, {code.data, code.size}};
  program_head head = {.version = FILE_VERSION};
  memcpy(head.magic, MAGIC, 8);
  snprintf(head.engine, sizeof head.engine, "%s", p->engine);
  snprintf(head.isa, sizeof head.isa, "%s", p->isa->name);
  snprintf(head.function, sizeof head.function, "%s", p->function);
  uint64_t at = padded(sizeof head);
  for (int i = 0; i < SECTIONS; i++) {
    head.offset[i] = at, head.size[i] = parts[i].size;
    at += padded(parts[i].size);
  }
  head.check = check_of(head, parts);
  qn_writer w;
  if (!status && !(status = qn__writer_open(p->ctx, path, &w))) {
    bool ok = put_part(&w, (part){(const char *)&head, sizeof head});
    for (int i = 0; i < SECTIONS && ok; i++) ok = put_part(&w, parts[i]);
    status = qn__writer_commit(&w); /* reports what put() could not */
  }
  qn__buf_free(&code);
  return status;
}

static qn_status damaged(qn_context *ctx, const char *path, const char *why) {
  return qn_error(ctx, QN_DIAG_FORMAT, qn_place_file(path), "not a program file of this version: %s", why);
}

static qn_status read_head(qn_context *ctx, const char *path, const qn_file *f, program_head *head, part *parts) {
  if (f->size < sizeof *head) return damaged(ctx, path, "it is too short");
  memcpy(head, f->data, sizeof *head);
  if (memcmp(head->magic, MAGIC, 8)) return damaged(ctx, path, "it does not begin with " MAGIC);
  if (head->version != FILE_VERSION) return damaged(ctx, path, "its version differs; compile the program again");
  if (!memchr(head->engine, 0, sizeof head->engine) || !memchr(head->isa, 0, sizeof head->isa) ||
      !memchr(head->function, 0, sizeof head->function))
    return damaged(ctx, path, "a name in its head does not end");
  for (int i = 0; i < SECTIONS; i++) {
    if (head->offset[i] > f->size || head->size[i] > f->size - head->offset[i] || head->offset[i] % 64)
      return damaged(ctx, path, "it is truncated");
    parts[i] = (part){f->data + head->offset[i], (size_t)head->size[i]};
  }
  return check_of(*head, parts) == head->check ? QN_OK
                                               : damaged(ctx, path, "its checksum does not agree with its contents");
}

static qn_status rebuild(qn_context *ctx, const char *path, const program_head *head, const part *parts,
                         qn_program **out) {
  const qn_isa *isa = qn_isa_find(qn_str_of(head->isa));
  const char *engine = NULL;
  for (size_t i = 0; qn_engine_name(i); i++)
    if (!strcmp(qn_engine_name(i), head->engine)) engine = qn_engine_name(i);
  if (parts[OBJECTS].size && !strcmp(head->engine, "llvm")) engine = "llvm"; /* runs without the code generator */
  if (!isa || !engine) return damaged(ctx, path, "it names an engine or instruction set that is not built in");
  qn_module *m;
  qn_status status = qn_parse_text(ctx, (qn_str){parts[TEXT].data, parts[TEXT].size}, path, NULL, &m);
  if (status) return status;
  qn_op func = qn_module_function(m, head->function);
  qn_constants ready = {parts[CONSTANTS].data, parts[CONSTANTS].size};
  status = func.id ? qn__program_build(m, func, isa, engine, &ready, false, out)
                   : damaged(ctx, path, "its function is missing");
  qn_module_destroy(m);
  if (status) return status;
  (*out)->text = parts[TEXT].data; /* the file stays */
  (*out)->text_bytes = parts[TEXT].size;
  qn_link_options link = {.objects = parts[OBJECTS].size ? parts[OBJECTS].data : NULL,
                          .objects_bytes = parts[OBJECTS].size};
  return qn__program_link(*out, &link);
}

qn_status qn_program_load(qn_context *ctx, const char *path, qn_program **out) {
  if (!ctx || !path || !out) return qn_error_null(ctx, __func__);
  const qn_allocator *a = qn_context_allocator(ctx);
  program_head head;
  part parts[SECTIONS];
  *out = NULL;
  qn_file *f = qn__alloc_zero(a, sizeof *f);
  if (!f) return qn_error_no_memory(ctx);
  qn_status status = qn__file_open(ctx, path, f);
  if (status) {
    qn__free(a, f, sizeof *f);
    return status;
  }
  status = read_head(ctx, path, f, &head, parts);
  if (!status) status = rebuild(ctx, path, &head, parts, out);
  if (*out && !status) {
    (*out)->file = f;
    return QN_OK;
  }
  qn_program_destroy(*out);
  *out = NULL;
  qn__file_close(f);
  qn__free(a, f, sizeof *f);
  return status;
}
