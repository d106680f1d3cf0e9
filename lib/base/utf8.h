/* UTF-8: names come from files and may be any bytes, what is written for others may not. */
#ifndef QN_UTF8_H
#define QN_UTF8_H
#include <quern/base.h>
#include <stddef.h>

/* Length of the sequence at `p`, of which `left` bytes are there; 0 when it is not one: overlong forms, surrogates and
 * values past U+10FFFF included. */
size_t qn__utf8_length(const unsigned char *p, size_t left);
bool qn__utf8_valid(qn_str s);
#endif
