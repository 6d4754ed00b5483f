/* What every unit test includes: cmocka with its headers in the order it wants. */
#ifndef KT_TESTS_UNIT_KT_TEST_H
#define KT_TESTS_UNIT_KT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/err.h"

/*
 * Evaluates `expr` (0 or < 0) with the first, second, … allocation failing, until no
 * allocation fails and it returns 0; `undo` cleans up after each try.
 */
#define KT_TEST_EVERY_ALLOC(limit, expr, undo)                                                     \
	do {                                                                                       \
		long n_ = 0;                                                                       \
		for (; n_ < (limit); n_++) {                                                       \
			kt_alloc_fail_after(n_);                                                   \
			int rc_ = (expr);                                                          \
			bool failed_ = kt_alloc_failed();                                          \
			kt_alloc_fail_after(-1);                                                   \
			undo;                                                                      \
			if (rc_ == 0 && !failed_) {                                                \
				break;                                                             \
			}                                                                          \
		}                                                                                  \
		assert_true(n_ < (limit));                                                         \
	} while (0)

#endif
