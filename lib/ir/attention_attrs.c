/* What attention's attributes say. */
#include "attention_attrs.h"
#include <math.h>

qn_causal qn__attention_causal(const qn_module *m, qn_op op) {
  qn_str word = qn_op_get_string(m, op, "causal");
  if (qn_str_eq(word, qn_str_of("top_left"))) return QN_CAUSAL_TOP_LEFT;
  return qn_str_eq(word, qn_str_of("bottom_right")) ? QN_CAUSAL_BOTTOM_RIGHT : QN_CAUSAL_NONE;
}

float qn__attention_scale(const qn_module *m, qn_op op, int64_t d) {
  if (qn_op_attr(m, op, "scale").id) return (float)qn_op_get_float(m, op, "scale");
  return d > 0 ? (float)(1.0 / sqrt((double)d)) : 1.0f;
}

int64_t qn_attention_keys(qn_causal causal, int64_t row, int64_t queries, int64_t keys) {
  if (causal == QN_CAUSAL_NONE) return keys;
  int64_t n = row + 1 + (causal == QN_CAUSAL_BOTTOM_RIGHT ? keys - queries : 0);
  return n < 0 ? 0 : n > keys ? keys : n;
}
