#include "../kt_test.h"

#include "base/arena.h"
#include "base/buf.h"

static void appends(void **state)
{
	(void)state;
	KT_AUTO_BUF kt_buf buf = KT_BUF_INIT;
	assert_string_equal(kt_buf_str(&buf), "");
	kt_buf_adds(&buf, "ab");
	kt_buf_addc(&buf, 'c');
	kt_buf_addf(&buf, "-%03d", 7);
	kt_buf_add(&buf, "\0x", 2);
	assert_int_equal(buf.len, 9);
	assert_memory_equal(buf.data, "abc-007\0x", 10);
	kt_buf_consume(&buf, 4);
	assert_string_equal(kt_buf_str(&buf), "007");
	KT_AUTO_FREE char *text = kt_buf_take(&buf);
	assert_memory_equal(text, "007\0x", 6);
	assert_int_equal(buf.len, 0);
}

static void maximum_is_kept(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_BUF kt_buf buf = KT_BUF_MAX(4);
	kt_buf_adds(&buf, "1234");
	assert_int_equal(kt_buf_check(&buf, &err), 0);
	kt_buf_addc(&buf, '5');
	kt_buf_adds(&buf, "");
	assert_int_equal(kt_buf_check(&buf, &err), -1);
	assert_int_equal(err.code, KT_ERR_EXHAUSTED);
	assert_string_equal(kt_buf_str(&buf), "1234");
	assert_null(kt_buf_take(&buf));
}

static int fill(kt_buf *buf)
{
	for (int i = 0; i < 1000; i++) {
		kt_buf_addf(buf, "%d,", i);
	}
	return kt_buf_check(buf, NULL);
}

static void failing_allocator(void **state)
{
	(void)state;
	KT_AUTO_BUF kt_buf buf = KT_BUF_INIT;
	KT_TEST_EVERY_ALLOC(100, fill(&buf), (kt_buf_clear(&buf), kt_buf_deinit(&buf)));
}

static void arena_gives_zeroed_aligned_memory(void **state)
{
	(void)state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	for (size_t size = 1; size < 300000; size = size * 3 + 1) {
		char *p = kt_arena_alloc(&arena, size);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		assert_int_equal(p[0] | p[size - 1], 0);
		memset(p, 0xee, size);
	}
	assert_string_equal(kt_arena_printf(&arena, "%s-%d", "a", 3), "a-3");
	assert_null(kt_arena_strdup(&arena, NULL));
	assert_null(kt_arena_alloc(&arena, SIZE_MAX));
}

static void arena_keeps_its_limit(void **state)
{
	(void)state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	arena.limit = 64 * 1024;
	size_t got = 0;
	while (kt_arena_alloc(&arena, 1000) != NULL) {
		got += 1000;
	}
	assert_true(got >= 16000 && got <= 64 * 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(appends),
	        cmocka_unit_test(maximum_is_kept),
	        cmocka_unit_test(failing_allocator),
	        cmocka_unit_test(arena_gives_zeroed_aligned_memory),
	        cmocka_unit_test(arena_keeps_its_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
