/* Random programs as text: what their makers share. */
#ifndef QN_TEST_PROGRAM_H
#define QN_TEST_PROGRAM_H
#include <stddef.h>
#include <stdint.h>

enum { TEXT_ROOM = 1 << 20 };
extern char text[TEXT_ROOM]; /* the program so far */
extern size_t at;            /* its length */

/* One of 0 .. n-1. */
int pick(int n);
/* From 1 to 200, small and odd ones more often. */
int size(void);
/* From -1 to 1. */
float uniform(void);
/* Appends to the program. */
void put(const char *fmt, ...);
/* n scales in braces. */
void scales(int n);
uint32_t next(void);
/* A bias and an activation behind f32 value v, and the end of the function. */
void tail_f32(const char *v, int m, int n);

/* operators.c */
void quantized_matmul(void);
void dynamic_matmul(void);
void float_matmul(void);
void elementwise(void);
void conversions(void);
void softmax(void);
void codecs(void);
void shapes(void);
/* blocks.c */
void block_products(void);
void attention(void);
/* edges.c */
void requantizers(void);
void quantizers(void);
void integer_products(void);
void pools(void);
void integer_convolutions(void);
void residuals(void);
void open_windows(void);
void open_attention(void);
/* epilogues.c */
void epilogues(void);
void window_epilogues(void);
void double_windows(void);
/* graphs.c */
void graphs(void);
/* networks.c */
void layers(void);
void wide_codes(void);
void long_sums(void);
void layer_norms(void);
void batches(void);
void reductions(void);

/* constants.c */
void constant_weights(void);
void narrow_weights(void);
/* convolutions.c */
void convolutions(void);
void float_convolutions(void);
void long_windows(void);
#endif
