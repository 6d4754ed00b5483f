/* UTF-8, Unicode classes, and the question how much stack is left. */
#include "../kt_test.h"

#include "base/stack.h"
#include "base/utf8.h"

#include <pthread.h>

static void check_decode(const char *text, size_t len, uint32_t rune, size_t width)
{
	size_t got;

	assert_int_equal(kt_utf8_decode(text, len, &got), rune);
	assert_int_equal(got, width);
}

static void decoding(void **state)
{
	(void)state;
	check_decode("a", 1, 'a', 1);
	check_decode("\xC3\xA9", 2, 0xE9, 2);
	check_decode("\xE2\x82\xAC", 3, 0x20AC, 3);
	check_decode("\xF0\x9F\x98\x80", 4, 0x1F600, 4);
	check_decode("\xEF\xBF\xBD", 3, KT_RUNE_ERROR, 3);
	/* cut off, a stray tail, overlong, a surrogate, beyond the last code point */
	check_decode("\xC3", 1, KT_RUNE_ERROR, 1);
	check_decode("\xE2\x82", 2, KT_RUNE_ERROR, 1);
	check_decode("\xA9", 1, KT_RUNE_ERROR, 1);
	check_decode("\xC0\x80", 2, KT_RUNE_ERROR, 1);
	check_decode("\xE0\x80\x80", 3, KT_RUNE_ERROR, 1);
	check_decode("\xED\xA0\x80", 3, KT_RUNE_ERROR, 1);
	check_decode("\xF4\x90\x80\x80", 4, KT_RUNE_ERROR, 1);
}

static void decoding_backwards(void **state)
{
	const char text[] = "a\xC3\xA9\xF0\x9F\x98\x80\xFF";
	size_t width;

	(void)state;
	assert_int_equal(kt_utf8_decode_last(text, 8, &width), KT_RUNE_ERROR);
	assert_int_equal(width, 1);
	assert_int_equal(kt_utf8_decode_last(text, 7, &width), 0x1F600);
	assert_int_equal(width, 4);
	assert_int_equal(kt_utf8_decode_last(text, 3, &width), 0xE9);
	assert_int_equal(kt_utf8_decode_last(text, 2, &width), KT_RUNE_ERROR);
	assert_int_equal(width, 1);
}

static void every_code_point_survives(void **state)
{
	(void)state;
	for (uint32_t rune = 0; rune <= KT_RUNE_MAX; rune++) {
		char bytes[4];
		size_t width;
		size_t n = kt_utf8_encode(rune, bytes);
		bool surrogate = rune >= 0xD800 && rune <= 0xDFFF;
		assert_int_equal(kt_utf8_decode(bytes, n, &width),
		                 surrogate ? KT_RUNE_ERROR : rune);
		assert_int_equal(width, n);
	}
}

static void counting(void **state)
{
	(void)state;
	assert_int_equal(kt_utf8_count("h\xC3\xA9\xFFx", 5), 4);
	assert_true(kt_utf8_valid("h\xC3\xA9", 3));
	assert_true(kt_utf8_valid("\xEF\xBF\xBD", 3));
	assert_false(kt_utf8_valid("h\xC3", 2));
}

static void classes(void **state)
{
	(void)state;
	assert_true(kt_rune_is_letter(0xE9) && kt_rune_is_lower(0xE9));
	assert_true(kt_rune_is_digit(0x661) && !kt_rune_is_digit(0xB2));
	assert_true(kt_rune_is_title(0x1C5) && !kt_rune_is_upper(0x1C5));
	assert_true(kt_rune_is_space(0x2003) && kt_rune_is_space(0xA0) &&
	            !kt_rune_is_space(0x200B));
	assert_true(kt_rune_is_print(' ') && !kt_rune_is_print(0xA0) && !kt_rune_is_print(0x7F));
	assert_int_equal(kt_rune_to_upper(0xDF), 0xDF);
	assert_int_equal(kt_rune_to_upper(0x1C6), 0x1C4);
	assert_int_equal(kt_rune_to_title(0x1C6), 0x1C5);
	assert_int_equal(kt_rune_to_lower(0x130), 'i');
}

/* How deep can it go? The volatile array keeps the compiler from turning this into a loop. */
static size_t descend(size_t depth)
{
	volatile char space[512];

	space[0] = (char)depth;
	if (kt_stack_low() || depth > 1000000) {
		return depth + (size_t)(space[0] - (char)depth);
	}
	return descend(depth + 1) + (size_t)(space[0] - (char)depth);
}

static void *descend_in_thread(void *arg)
{
	*(size_t *)arg = descend(0);
	return NULL;
}

static void stack_has_an_end(void **state)
{
	pthread_attr_t attributes;
	pthread_t thread;
	size_t depth = 0;

	(void)state;
	assert_int_equal(pthread_attr_init(&attributes), 0);
	assert_int_equal(pthread_attr_setstacksize(&attributes, 256 * 1024), 0);
	assert_int_equal(pthread_create(&thread, &attributes, descend_in_thread, &depth), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	pthread_attr_destroy(&attributes);
	assert_in_range(depth, 10, 600);
	assert_false(kt_stack_low());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decoding),          cmocka_unit_test(decoding_backwards),
		cmocka_unit_test(counting),          cmocka_unit_test(every_code_point_survives),
		cmocka_unit_test(classes),           cmocka_unit_test(stack_has_an_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
