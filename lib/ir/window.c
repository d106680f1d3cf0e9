/* Windows: reading their attributes. */
#include "window.h"

bool qn__window_read(const qn_module *m, qn_op op, qn_window *out) {
  uint32_t n = 0;
  *out = (qn_window){.groups = 1};
  qn_attr window = qn_op_attr(m, op, "window"), groups = qn_op_attr(m, op, "groups");
  if (groups.id) out->groups = qn_attr_as_int(m, groups);
  const int64_t *v = window.id ? qn_attr_as_ints(m, window, &n) : NULL;
  if (!v || n != 6 || out->groups < 1) return false;
  for (uint32_t i = 0; i < 6; i++)
    if (v[i] < 1 || v[i] > QN_WINDOW_LIMIT) return false;
  for (int a = 0; a < 2; a++) {
    out->size[a] = v[a];
    out->stride[a] = v[2 + a];
    out->dilation[a] = v[4 + a];
  }
  return true;
}
