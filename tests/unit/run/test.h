/* What cmocka needs, in the order it needs it. */
#ifndef KT_TESTS_RUN_TEST_H
#define KT_TESTS_RUN_TEST_H

#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#endif
