/* The text form: MLIR syntax in, MLIR syntax out. */
#ifndef QUERN_TEXT_H
#define QUERN_TEXT_H

#include <quern/module.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qn_parse_options {
  bool allow_unregistered; /* ops that ops.def does not have are kept; else each is an error */
  bool no_verify;          /* skip qn_module_verify */
} qn_parse_options;

/* Reads a module. `text` is borrowed during the call, but for `name` nothing of it is kept. `name` stands in
 * diagnostics; options may be null. Resources are looked up in NAME with its extension replaced by .safetensors when
 * `name` is a path of an existing file of that kind, memory-mapped and kept by the module. All errors up to a limit are
 * reported; *out is null then. */
QN_API qn_status qn_parse_text(qn_context *ctx, qn_str text, const char *name, const qn_parse_options *options,
                               qn_module **out);
/* The same from a file; "-" is standard input. */
QN_API qn_status qn_parse_file(qn_context *ctx, const char *path, const qn_parse_options *options, qn_module **out);

typedef struct qn_print_options {
  bool generic;         /* MLIR's generic form, readable by mlir-opt */
  bool inline_;         /* all constants in the text, no resources */
  bool locations;       /* trailing loc(..) */
  bool hex;             /* dense constants as hex strings */
  bool elide_constants; /* dense constants above 64 elements as zero splats: the structure of a program without its data
                         */
} qn_print_options;

/* Called with consecutive pieces of the output; false stops printing. */
typedef bool (*qn_write_fn)(void *user, const char *data, size_t size);

/* Prints in constant memory. Constants that name a resource print as dense_resource unless inline_. */
QN_API qn_status qn_print(const qn_module *m, const qn_print_options *options, qn_write_fn write, void *user);
/* One op, with its regions. */
QN_API qn_status qn_print_op(const qn_module *m, qn_op op, const qn_print_options *options, qn_write_fn write,
                             void *user);
/* Writes PATH, and beside it the resources of the module as a .safetensors file of the same stem when there are any and
 * inline_ is off. Constants above 64 elements become resources then. "-" (standard output) and devices print inline. */
QN_API qn_status qn_print_file(qn_module *m, const qn_print_options *options, const char *path);

/* Types and attributes alone. */
QN_API qn_type qn_parse_type(qn_context *ctx, qn_str text); /* null after a diagnostic */
QN_API qn_attr qn_parse_attr(qn_module *m, qn_str text);

#ifdef __cplusplus
}
#endif
#endif
