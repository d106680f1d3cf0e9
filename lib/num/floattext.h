/* Floats as text, without the C library: no locale, no rounding mode, one rounding. What is printed reads back to the
 * same bits and is the shortest decimal that does. */
#ifndef QN_FLOATTEXT_H
#define QN_FLOATTEXT_H
#include <quern/scalar.h>

/* Room for any of these, the terminating zero included. */
enum { QN__FLOAT_TEXT = 32 };

/* MLIR's spelling: always a point, `1.0`, `0.0236`, `1.0e-5`, `3.4028235e38`; infinities and NaN as their bits,
 * `0x7F800000`. All return the length. */
size_t qn__f32_print(char buf[QN__FLOAT_TEXT], float x);
size_t qn__f64_print(char buf[QN__FLOAT_TEXT], double x);
/* Any float type, by its bits. Types narrower than f32 print as the f32 of the same value. */
size_t qn__float_print(char buf[QN__FLOAT_TEXT], qn_scalar s, uint64_t bits);
/* C's hexadecimal form without suffix, `0x1.8p+1`; infinities and NaN as their bits. */
size_t qn__f32_print_hex(char buf[QN__FLOAT_TEXT], float x);
size_t qn__f64_print_hex(char buf[QN__FLOAT_TEXT], double x);

/* The whole of `text`: decimal (`-12`, `1.5`, `.5`, `2e10`), hexadecimal float (`0x1.8p3`, the p required), bits (`0x`
 * and at most width / 4 digits, no sign before them), `inf` or `nan`. Rounded once to nearest even in the target type;
 * too large becomes infinite, or what the type has for it. False, and *out unchanged, when it is none of these. */
bool qn__f32_read(qn_str text, float *out);
bool qn__f64_read(qn_str text, double *out);
bool qn__float_read(qn_scalar s, qn_str text, uint64_t *bits);
#endif
