/* The set-up rows: a parent that starts processes and a child that times one kind of start. */
#ifndef QUERN_BENCH_SETUP_H
#define QUERN_BENCH_SETUP_H

#include "bench.h"

#define SETUP_CHILD "--setup-child"

/* Prints lines `us key`; the exit status. */
int setup_child(const char *what, const char *folder);
/* Lines for bodies that have nothing in common, those whose names have `only` in them; the exit status. */
int setup_bodies(const char *only);
/* Microseconds of a new primitive or kernel each, into us[]; how many there are. */
int onednn_creations(double *us, int room);
int libxsmm_creations(double *us, int room);
/* Text of a twelve-layer encoder on [128, 192]; `norms` with layer_norm, which not every version has. */
void encoder_text(text *t, bool norms);
void remove_folder(const char *path);

#endif
