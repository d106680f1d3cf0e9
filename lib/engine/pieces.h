/* Functions that several bodies have in common, as objects by the functions' names: compiled by whoever needs one
 * first, found by all later. Any thread may ask, so memory is the C library's. */
#ifndef QN_PIECES_H
#define QN_PIECES_H
#include "arena.h"
#include "backend.h"
#include <pthread.h>

typedef struct qn_piece qn_piece;

/* Nothing is taken out before the end: when there is no room for more, further bodies have only in common what is
 * there. */
typedef struct qn_pieces {
  pthread_mutex_t lock;
  pthread_cond_t given;
  qn_allocator allocator;
  qn_arena arena;
  qn_piece *first;
  size_t bytes; /* of objects */
  qn_piece_store store;
} qn_pieces;

void qn__pieces_init(qn_pieces *p);
void qn__pieces_destroy(qn_pieces *p);
#endif
