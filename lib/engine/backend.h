/* What a code generator is to the engine: bodies in, function pointers or files out.
 *
 * A backend sees kernel plans only, never the IR. The LLVM backend lives in a module opened at run time: it may call
 * functions of lib/base and lib/num (its own copies) and nothing else of libquern; everything it needs is in the
 * structures passed. */
#ifndef QN_BACKEND_H
#define QN_BACKEND_H
#include "kernel.h"

/* Machine code of some bodies. */
typedef struct qn_code {
  qn_kernel_fn *functions;               /* in the order of the bodies */
  size_t bytes;                          /* of machine code and its constants, 0 when unknown */
  void (*destroy)(struct qn_code *code); /* frees functions, code memory and itself */
} qn_code;

/* ---- ahead of time: a whole program with fixed sizes, as calls of bodies in order ---- */

typedef enum qn_base_kind { QN_BASE_INPUT, QN_BASE_OUTPUT, QN_BASE_CONSTANT, QN_BASE_WORKSPACE } qn_base_kind;

typedef struct qn_ref {
  qn_base_kind base;
  uint32_t index; /* which input, output or constant */
  int64_t offset; /* bytes */
} qn_ref;

typedef struct qn_call {
  uint32_t body;
  uint32_t num_ptrs, num_sizes, num_strides;
  qn_ref *ptrs;
  int64_t *sizes, *strides;
  int64_t begin[2], end[2];
} qn_call;

typedef struct qn_blob {
  const void *data;
  size_t size;      /* emitted aligned to 64 bytes */
  const char *name; /* for a comment; may be null */
} qn_blob;

/* A tensor of the entry function's signature, for the generated header's comments. */
typedef struct qn_port {
  qn_str name, type_text;
  size_t bytes;
} qn_port;

/* Functions that bodies have in common, compiled once: objects by the names of functions in them. Any thread. */
enum { QN_PIECE_NAME = 64 };
typedef enum qn_piece_state {
  QN_PIECE_KNOWN, /* *out is the object, alive as long as the store */
  QN_PIECE_YOURS, /* to be made by who asked, who then gives it */
  QN_PIECE_BUSY   /* somebody else is making it */
} qn_piece_state;
typedef struct qn_piece_object {
  const void *data;
  size_t size;
} qn_piece_object;
typedef struct qn_piece_store {
  void *user;
  /* With `wait` never BUSY. Who waits must have given all that is theirs. */
  qn_piece_state (*take)(void *user, const char *name, bool wait, qn_piece_object *out);
  /* What take left to be made: an ELF object that has the functions of these names, or null when that failed. */
  void (*give)(void *user, uint32_t count, const char *const *names, const void *object, size_t size);
} qn_piece_store;

/* A body in pieces: this head, the sizes of its objects (uint64_t), the objects, each followed by zeros up to a
 * multiple of 8 bytes. Together they need nothing from outside. */
#define QN_PIECES_MAGIC "quernobj"
typedef struct qn_pieces_head {
  char magic[8];
  uint64_t count;
  char entry[QN_PIECE_NAME]; /* the function that is the body; empty: the one that has the body's symbol */
} qn_pieces_head;

/* include/quern/unstable/kargs.h for headers and C that stand alone. */
#define QN__KARGS_TEXT                                                                                                 \
  "#ifndef QUERN_UNSTABLE_KARGS_H\n"                                                                                   \
  "#define QUERN_UNSTABLE_KARGS_H\n"                                                                                   \
  "typedef struct qn_kargs {\n"                                                                                        \
  "  void *const *ptr;\n"                                                                                              \
  "  const int64_t *size;\n"                                                                                           \
  "  const int64_t *stride;\n"                                                                                         \
  "  void *workspace;\n"                                                                                               \
  "  int64_t begin[2], end[2];\n"                                                                                      \
  "} qn_kargs;\n"                                                                                                      \
  "#endif\n"                                                                                                           \
  "\n"

typedef struct qn_aot {
  const qn_piece_store *pieces; /* for one body without an entry: write it in pieces, unless it is none; or null */
  uint32_t spare;               /* threads that may help with that */
  const char
      *entry; /* C identifier: int32_t entry(const qn_kargs *): ptr = inputs then outputs, workspace aligned to 64 */
  uint32_t num_bodies, num_calls, num_constants, num_inputs, num_outputs;
  const qn_body *bodies;
  const qn_call *calls;
  const qn_blob *constants;
  const qn_port *inputs, *outputs;
  size_t workspace_bytes;
} qn_aot;

/* What an entry returns that multiplies in registers for tiles, where the system does not let the process have them. */
enum { QN__AOT_NO_TILES = -1 };

typedef enum qn_emit_kind { QN_EMIT_OBJ, QN_EMIT_ASM, QN_EMIT_LLVM, QN_EMIT_C } qn_emit_kind;

/* What a loop of `limit` does: multiplies in registers, as a qn_multiplier says, or reads bytes in whole vectors;
 * ptr[0] is the first, iteration i reads what follows i - 1. */
enum { QN_LIMIT_READ = QN_MULTIPLIER_COUNT };
typedef struct qn_limit {
  qn_code *code;           /* null where the row has no instruction for it */
  double amount;           /* multiply-adds or bytes of each iteration */
  const char *instruction; /* null where several do what one would */
} qn_limit;

typedef struct qn_backend {
  const char *name;
  /* Compiles bodies for this machine (their plans' ISA row runs here). Thread-safe against other contexts. */
  qn_status (*jit)(qn_context *ctx, uint32_t num_bodies, const qn_body *bodies, qn_code **out);
  /* Writes the program (with entry null: only its bodies, each a global function of its symbol) in the form asked for,
   * through `write` (object files are binary). Null when it writes none; QN_ERR_UNSUPPORTED with a diagnostic for a
   * form it does not have. */
  qn_status (*emit)(qn_context *ctx, const qn_aot *aot, qn_emit_kind kind, bool (*write)(void *, const char *, size_t),
                    void *user);
  /* Tests a machine's limits: a body that runs iterations begin[0] .. end[0] of a loop that does nothing but one thing,
   * a qn_multiplier or QN_LIMIT_READ. Null when the backend has none. */
  qn_status (*limit)(qn_context *ctx, const qn_isa *isa, uint32_t kind, qn_limit *out);
} qn_backend;

/* Entry point of the dlopened LLVM module. */
typedef const qn_backend *(*qn_llvm_backend_fn)(uint32_t abi);
#define QN_BACKEND_ABI 3u
/* The libtcc backend, when built in. */
const qn_backend *qn__tcc_backend(void);
#endif
