/* ONNX Runtime, from the library in its Python package, which comes without headers: its functions are taken from the
 * table that OrtGetApiBase gives, whose order never changes, by their places in it. */
#include "bench.h"
#include "onnx_model.h"
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* Places in the table of version 1. */
enum {
  GET_ERROR_MESSAGE = 2,
  CREATE_ENV = 3,
  CREATE_SESSION_FROM_ARRAY = 8,
  RUN = 9,
  CREATE_SESSION_OPTIONS = 10,
  SET_OPTIMIZATION = 23,
  SET_THREADS = 24,
  CREATE_TENSOR = 49,
  CREATE_CPU_MEMORY_INFO = 69,
  RELEASE_STATUS = 93,
  RELEASE_SESSION = 95,
  RELEASE_VALUE = 96,
  RELEASE_SESSION_OPTIONS = 100
};

typedef void (*any_fn)(void);
typedef struct ort_base {
  const any_fn *(*api)(uint32_t version);
  const char *(*version)(void);
} ort_base;

typedef void *(*create_env_fn)(int level, const char *name, void **out);
typedef void *(*create_fn)(void **out);
typedef void *(*set_fn)(void *options, int value);
typedef void *(*session_fn)(const void *env, const void *model, size_t size, const void *options, void **out);
typedef void *(*memory_info_fn)(int allocator, int type, void **out);
typedef void *(*tensor_fn)(const void *info, void *data, size_t bytes, const int64_t *shape, size_t rank, int type,
                           void **out);
typedef void *(*run_fn)(void *session, const void *options, const char *const *in_names, const void *const *in,
                        size_t num_in, const char *const *out_names, size_t num_out, void **out);
typedef void (*release_fn)(void *object);
typedef const char *(*message_fn)(const void *status);

static const any_fn *api;
static void *env, *memory_info;

typedef struct ort {
  void *session, *x, *y, *result;
} ort;

/* True when all is well; else the reason, and the status goes. */
static bool fine(void *status, peer_note *why) {
  if (!status) return true;
  if (why) snprintf(why->text, sizeof why->text, "%s", ((message_fn)api[GET_ERROR_MESSAGE])(status));
  ((release_fn)api[RELEASE_STATUS])(status);
  return false;
}

static bool load(const char *path, peer_note *why) {
  static bool tried;
  if (tried) return api && env;
  tried = true;
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  const ort_base *(*base)(void) = NULL;
  if (library) *(void **)&base = dlsym(library, "OrtGetApiBase");
  if (!base) {
    snprintf(why->text, sizeof why->text, "%s: not ONNX Runtime's library", path);
    return false;
  }
  api = base()->api(1);
  printf("# ONNX Runtime %s\n", base()->version());
  return api && fine(((create_env_fn)api[CREATE_ENV])(3, "bench", &env), why) &&
         fine(((memory_info_fn)api[CREATE_CPU_MEMORY_INFO])(1, 0, &memory_info), why);
}

static void run(void *state) {
  static const char *const in[] = {"x"}, *const out[] = {"y"};
  ort *s = state;
  const void *x[] = {s->x};
  void *status = ((run_fn)api[RUN])(s->session, NULL, in, x, 1, out, 1, &s->y);
  if (status) {
    fprintf(stderr, "quern-bench-peers: ONNX Runtime: %s\n", ((message_fn)api[GET_ERROR_MESSAGE])(status));
    exit(1);
  }
}

static void destroy(void *state) {
  ort *s = state;
  if (s->x) ((release_fn)api[RELEASE_VALUE])(s->x);
  if (s->y) ((release_fn)api[RELEASE_VALUE])(s->y);
  if (s->session) ((release_fn)api[RELEASE_SESSION])(s->session);
  free(s->result);
  free(s);
}

static size_t type_bytes(int type) {
  return type == ONNX_F32 || type == ONNX_I32 ? 4 : 1;
}

/* A session of the model, which goes, from [m, k] at x to [m, n]. */
static bool session(onnx_model *m, const options *o, const product *p, int x_type, int y_type, contender *out,
                    const void **y, peer_note *why) {
  const int64_t x_shape[2] = {p->m, p->k}, y_shape[2] = {p->m, p->n};
  ort *s = calloc(1, sizeof *s);
  void *settings = NULL;
  if (!s) return false;
  onnx_input(m, "x", x_type, 2, x_shape);
  onnx_output(m, "y", y_type, 2, y_shape);
  onnx_bytes file = onnx_finish(m);
  size_t x_bytes = (size_t)(p->m * p->k) * type_bytes(x_type), y_bytes = (size_t)(p->m * p->n) * type_bytes(y_type);
  s->result = big_alloc(y_bytes + 64);
  bool good =
      fine(((create_fn)api[CREATE_SESSION_OPTIONS])(&settings), why) &&
      fine(((set_fn)api[SET_OPTIMIZATION])(settings, 99), why) &&
      fine(((set_fn)api[SET_THREADS])(settings, (int)o->threads), why) &&
      fine(((session_fn)api[CREATE_SESSION_FROM_ARRAY])(env, file.data, file.size, settings, &s->session), why) &&
      fine(((tensor_fn)api[CREATE_TENSOR])(memory_info, p->a, x_bytes, x_shape, 2, x_type, &s->x), why) &&
      fine(((tensor_fn)api[CREATE_TENSOR])(memory_info, s->result, y_bytes, y_shape, 2, y_type, &s->y), why);
  if (settings) ((release_fn)api[RELEASE_SESSION_OPTIONS])(settings);
  free(file.data);
  if (!good) return destroy(s), false;
  *out = (contender){"onnxruntime", s, run, NULL, destroy};
  *y = s->result;
  return true;
}

static void add_vector(onnx_model *m, const char *name, int type, int64_t n, const void *data) {
  onnx_constant(m, name, type, 1, &n, data, (size_t)n * type_bytes(type));
}

static void add_weights(onnx_model *m, const product *p, int type) {
  const int64_t shape[2] = {p->k, p->n};
  onnx_constant(m, "w", type, 2, shape, p->b, (size_t)(p->k * p->n) * type_bytes(type));
  if (type != ONNX_I8) return;
  void *zeros = calloc((size_t)p->n, 1);
  if (!zeros) fprintf(stderr, "out of memory\n"), exit(1);
  add_vector(m, "ws", ONNX_F32, p->n, p->b_scales);
  add_vector(m, "wz", ONNX_I8, p->n, zeros);
  free(zeros);
}

static bool is_available(const options *o, peer_note *why) {
  return o->onnxruntime && load(o->onnxruntime, why);
}

bool onnxruntime_product(const product *p, const options *o, contender *out, const void **y, peer_note *why) {
  static const uint8_t zero;
  onnx_model m = {{NULL, 0, 0}};
  if (!is_available(o, why)) return false;
  if (p->a_type == QN_F32) {
    add_weights(&m, p, ONNX_F32);
    add_vector(&m, "b", ONNX_F32, p->n, p->bias);
    onnx_node(&m, "Gemm", NULL, "x w b", "sum");
    onnx_node(&m, "Relu", NULL, "sum", "y");
    return session(&m, o, p, ONNX_F32, ONNX_F32, out, y, why);
  }
  if (p->a_type != QN_UI8 || !p->relu) return false;
  bool codes = p->y_type == QN_UI8; /* saturation at zero is the relu then */
  add_weights(&m, p, ONNX_I8);
  onnx_constant(&m, "xs", ONNX_F32, 0, NULL, &p->a_scale, 4);
  onnx_constant(&m, "z", ONNX_U8, 0, NULL, &zero, 1);
  add_vector(&m, "b", ONNX_I32, p->n, p->bias_i32);
  if (codes) {
    onnx_constant(&m, "ys", ONNX_F32, 0, NULL, &p->y_scale, 4);
    onnx_node(&m, "QGemm", "com.microsoft", "x xs z w ws wz b ys z", "y");
  } else {
    onnx_node(&m, "QGemm", "com.microsoft", "x xs z w ws wz b", "sum");
    onnx_node(&m, "Relu", NULL, "sum", "y");
  }
  return session(&m, o, p, ONNX_U8, codes ? ONNX_U8 : ONNX_F32, out, y, why);
}

/* Two fused forms: the bias in the product or in the gelu. */
static bool chain_form(const chain *c, bool bias_in_product, const options *o, contender *out, const void **y,
                       peer_note *why) {
  onnx_model m = {{NULL, 0, 0}};
  product p = {.m = c->m, .n = c->n, .k = c->k, .a = c->x, .b = c->w, .b_scales = c->scales};
  add_weights(&m, &p, ONNX_I8);
  add_vector(&m, "b", ONNX_F32, c->n, c->bias);
  if (bias_in_product) {
    onnx_node(&m, "DynamicQuantizeMatMul", "com.microsoft", "x w ws wz b", "sum");
    onnx_node(&m, "Gelu", "com.microsoft", "sum", "y");
  } else {
    onnx_node(&m, "DynamicQuantizeMatMul", "com.microsoft", "x w ws wz", "sum");
    onnx_node(&m, "BiasGelu", "com.microsoft", "sum b", "y");
  }
  return session(&m, o, &p, ONNX_F32, ONNX_F32, out, y, why);
}

bool onnxruntime_chain(const chain *c, const options *o, contender *out, const void **y, peer_note *why) {
  contender other;
  const void *other_y;
  if (!is_available(o, why)) return false;
  if (!chain_form(c, true, o, out, y, why)) return false;
  if (!chain_form(c, false, o, &other, &other_y, why)) return true;
  if (best_of_three(&other) < best_of_three(out)) {
    contender keep = other;
    other = *out, *out = keep, *y = other_y;
  }
  contender_destroy(&other);
  return true;
}
