/* The tables hold what the framework relies on. */
#include "plan/plan_internal.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void check_signature(const signature *sig)
{
	bool optional_seen = false;
	assert_true(sig->n + 1 <= MAX_PARAMS);
	assert_true(sig->n + 1 <= KT_PARAMS_MAX);
	assert_false(kt_str_empty(sig->doc));
	for (size_t i = 0; i < sig->n; i++) {
		const param *p = &sig->params[i];
		assert_false(kt_str_empty(p->name));
		assert_false(kt_str_empty(p->doc));
		assert_false(kt_str_eq(p->name, description_param.name));
		assert_true(p->type >= PT_ANY && p->type < PT_KTYPE + KTYPE_COUNT);
		assert_true(p->check != check_range || p->min < p->max);
		assert_true((p->check == check_one_of) == (p->values != NULL));
		/* A default says that the parameter may be left out. */
		assert_false(p->required && p->default_text != NULL);
		for (size_t k = 0; k < i; k++) {
			assert_string_not_equal(p->name, sig->params[k].name);
		}
		optional_seen = optional_seen || !p->required;
		/* Only the two tasks have a required parameter after an optional one. */
		assert_true(!optional_seen || !p->required || kt_str_starts(sig->name, "run_"));
	}
}

static void test_instructions(void **state)
{
	(void)state;
	for (int kind = 0; kind < KT_INSTR_COUNT; kind++) {
		const instr_row *row = &instr_rows[kind];
		assert_int_equal(row->kind, kind);
		assert_string_equal(row->sig.name, kt_instr_name((kt_instr_kind)kind));
		assert_non_null(row->interpret);
		assert_non_null(row->touches);
		check_signature(&row->sig);
	}
	assert_int_equal(KT_INSTR_COUNT, 20);
}

static void test_types(void **state)
{
	(void)state;
	assert_int_equal(KTYPE_COUNT, 15);
	for (int id = 0; id < KTYPE_COUNT; id++) {
		check_signature(&ktype_rows[id]);
		assert_true(kt_str_ends(ktype_go_name((ktype_id)id), ktype_rows[id].name));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_instructions),
		cmocka_unit_test(test_types),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
