/* Types as text.
 *
 *   scalar      f32, i8, ui4, index; generic: those that MLIR 19 lacks as !quern.f4E2M1FN
 *   tensor      tensor<4x?xT>, tensor<?x?xT, #quern.dims<"batch","">>
 *   function    (T, T) -> T, () -> (), (T) -> (T, T)
 *   any         !quant.any<i8<-8:7>:f32>                                      !quern.any for float storage
 *   calibrated  !quant.calibrated<f32<-0.998:1.2321>>                         generic, min = max: !quern.calibrated
 *   quantile    !quant.quantile<ui4:f16, {-1.0,0.0,1.0}>                      generic: !quern.quantile
 *   uniform     !quant.uniform<STORAGE:EXPRESSED[:AXIS | :{AXIS:SIZE, ..}], [scale = T,] [tensor_scale = X,] PARAMS>
 *
 * STORAGE is i8 or u8, with <qmin:qmax> when not all codes are in use, a float, or a quantile type. PARAMS is
 * SCALE[:ZERO] per tensor, {SCALE[:ZERO],..} per axis, nested braces of the tensor's rank for blocks, or
 * dense_resource<name> above QN__TYPE_INLINE_PARAMS parameters. The dialect is !quern where MLIR's quant has no such
 * form at all, and in generic text also where MLIR 19 has none; the text inside is the same. */
#ifndef QN_TYPE_TEXT_H
#define QN_TYPE_TEXT_H
#include "buf.h"
#include "floattext.h"
#include <quern/type.h>

enum {
  QN__TYPE_GENERIC = 1, /* only what mlir-opt 19 reads */
  QN__TYPE_INLINE = 2   /* all parameters in the text */
};

void qn__type_print(qn_buf *out, const qn_context *ctx, qn_type t, unsigned flags);
/* Whether generic text spells this type, or the element type of this tensor, as an opaque !quern.* type. */
bool qn__type_is_opaque_in_generic(const qn_context *ctx, qn_type t, unsigned flags);
/* "text" with quotes, backslashes and control characters escaped as MLIR reads them. */
void qn__print_quoted(qn_buf *out, qn_str text);

/* Numbers for messages: the shortest text that reads back, zero-terminated. Returns `out`. */
enum { QN__NUMBER_TEXT = QN__FLOAT_TEXT };
const char *qn__f32_text(char out[QN__NUMBER_TEXT], float v);
const char *qn__f64_text(char out[QN__NUMBER_TEXT], double v);
#endif
