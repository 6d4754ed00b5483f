#include "../kt_test.h"

#include "base/map.h"
#include "base/vec.h"

#include <stdio.h>

static void vectors_grow(void **state)
{
	(void)state;
	KT_VEC(int) numbers = {0};
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(kt_vec_push(&numbers, i * i), 0);
	}
	assert_int_equal(numbers.items[999], 998001);
	kt_vec_deinit(&numbers);
	KT_AUTO_STRVEC kt_strvec words = KT_STRVEC_INIT;
	assert_int_equal(kt_strvec_split(&words, "c,a,,b", ','), 0);
	kt_strvec_sort(&words);
	KT_AUTO_FREE char *text = kt_strvec_join(&words, "; ");
	assert_string_equal(text, "; a; b; c");
	assert_true(kt_strvec_has(&words, "b"));
	assert_false(kt_strvec_has(&words, "z"));
	assert_null(kt_strvec_argv(&words)[4]);
}

static void maps_keep_order_through_removals(void **state)
{
	(void)state;
	KT_AUTO_MAP kt_map map = KT_MAP_INIT;
	char key[16];
	static int values[500];
	for (int i = 0; i < 500; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		assert_int_equal(kt_map_set(&map, key, &values[i]), 0);
	}
	for (int i = 0; i < 500; i += 2) {
		snprintf(key, sizeof(key), "k%d", i);
		assert_ptr_equal(kt_map_take(&map, key), &values[i]);
	}
	assert_int_equal(map.len, 250);
	assert_int_equal(kt_map_set(&map, "k0", &values[0]), 0);
	int expected = 1;
	for (kt_map_entry *e = NULL; (e = kt_map_next(&map, e)) != NULL;) {
		snprintf(key, sizeof(key), "k%d", expected < 500 ? expected : 0);
		assert_string_equal(e->key, key);
		expected += 2;
	}
	assert_int_equal(expected, 503);
	assert_null(kt_map_get(&map, "k2"));
	assert_null(kt_map_take(&map, "nothing"));
}

static int churn(void)
{
	kt_map map = KT_MAP_OWNING(kt_free);
	char key[16];
	int rc = 0;
	for (int i = 0; i < 200 && rc == 0; i++) {
		snprintf(key, sizeof(key), "%d", i % 50);
		char *value = kt_strdup(key);
		rc = value == NULL ? -1 : kt_map_set(&map, key, value);
		if (rc < 0) {
			kt_free(value);
		} else if (i % 7 == 0) {
			kt_free(kt_map_take(&map, key));
		}
	}
	kt_map_deinit(&map);
	return rc;
}

static void failing_allocator(void **state)
{
	(void)state;
	KT_TEST_EVERY_ALLOC(1000, churn(), (void)0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_grow), cmocka_unit_test(maps_keep_order_through_removals),
		cmocka_unit_test(failing_allocator),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
