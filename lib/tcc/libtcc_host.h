/* What libtcc, prepared by tools/cmake/QuernTcc.cmake, takes from its host in place of libc. */
#ifndef QN_LIBTCC_HOST_H
#define QN_LIBTCC_HOST_H
#include <setjmp.h>

#if defined(QUERN_TCC_EMBEDDED)
#  define tcc_new             quern_tcc_new
#  define tcc_delete          quern_tcc_delete
#  define tcc_set_error_func  quern_tcc_set_error_func
#  define tcc_set_options     quern_tcc_set_options
#  define tcc_set_output_type quern_tcc_set_output_type
#  define tcc_compile_string  quern_tcc_compile_string
#  define tcc_add_symbol      quern_tcc_add_symbol
#  define tcc_relocate        quern_tcc_relocate
#  define tcc_get_symbol      quern_tcc_get_symbol
#endif
#include <libtcc.h>

/* Before each use of libtcc, with its lock held: where to go when it wants to end the process. */
void qn__tcc_host_enter(jmp_buf *on_exit);
void qn__tcc_host_leave(void);
#endif
