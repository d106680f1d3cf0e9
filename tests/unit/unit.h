/* What every unit test includes: cmocka and what it needs before it. */
#ifndef QN_TEST_UNIT_H
#define QN_TEST_UNIT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#endif
