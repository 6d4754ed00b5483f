/* One package test while it runs: what its host functions note. Not for other modules. */
#ifndef KT_DEVTOOLS_TEST_INTERNAL_H
#define KT_DEVTOOLS_TEST_INTERNAL_H

#include "base/vec.h"
#include "starlark/starlark.h"

typedef struct test_state {
	kt_strvec errors;
	kt_strvec output;
} test_state;

/* Notes a failure at the place of the running host function; the test goes on. -1: no memory. */
int test_note(test_state *self, kt_sthread *t, const char *text);
/* Where the running host function was called: "FILE:LINE:COL". */
void test_add_place(kt_sthread *t, kt_buf *out);

/* assert.c: the module behind the names assert and expect. */
kt_val assert_module(kt_sthread *t, test_state *state);
/* mock.c: the module kurtosistest. */
kt_val kurtosistest_module(kt_sthread *t, test_state *state);

#endif
