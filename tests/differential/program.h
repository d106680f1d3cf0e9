/* Random programs as text: what their makers share. */
#ifndef QN_TEST_PROGRAM_H
#define QN_TEST_PROGRAM_H
#include <stdint.h>

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

/* networks.c */
void layers(void);
void wide_codes(void);
void long_sums(void);
void layer_norms(void);
void batches(void);
void reductions(void);

/* constants.c */
void constant_weights(void);
/* convolutions.c */
void convolutions(void);
void float_convolutions(void);
#endif
