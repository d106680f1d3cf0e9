#include <quern/base.h>
#include <string.h>

qn_str qn_str_of(const char *terminated) {
  return terminated ? (qn_str){terminated, strlen(terminated)} : (qn_str){NULL, 0};
}

bool qn_str_eq(qn_str a, qn_str b) {
  return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}
