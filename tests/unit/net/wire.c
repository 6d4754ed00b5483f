/* gRPC's framing and text forms, without a connection. */
#include "kt_test.h"

#include "net/grpc_wire.h"

static void test_percent(void **state)
{
	(void)state;
	static const char text[] = "100% of \xC3\xA9t\xC3\xA9\nnext\x7F";
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf back = KT_BUF_INIT;
	kt_grpc_percent_encode(&out, text, 1000);
	assert_string_equal(kt_buf_str(&out), "100%25 of %C3%A9t%C3%A9%0Anext%7F");
	kt_grpc_percent_decode(&back, kt_buf_str(&out), out.len);
	assert_string_equal(kt_buf_str(&back), text);

	kt_buf_clear(&back);
	kt_grpc_percent_decode(&back, "a%zz%4", 6);
	assert_string_equal(kt_buf_str(&back), "a%zz%4");

	/* Never cut inside a code point. */
	kt_buf_clear(&out);
	kt_grpc_percent_encode(&out, "aaaa\xC3\xA9", 9);
	assert_string_equal(kt_buf_str(&out), "aaaa");
	kt_buf_clear(&out);
	kt_grpc_percent_encode(&out, "\xFF", 9);
	assert_string_equal(kt_buf_str(&out), "%EF%BF%BD");
}

static void test_timeouts(void **state)
{
	(void)state;
	int64_t ns = 0;
	assert_true(kt_grpc_parse_timeout("100m", 4, &ns));
	assert_int_equal(ns, 100 * KT_NS_PER_MS);
	assert_true(kt_grpc_parse_timeout("1H", 2, &ns));
	assert_int_equal(ns, 3600 * KT_NS_PER_S);
	assert_true(kt_grpc_parse_timeout("99999999H", 9, &ns));
	assert_true(ns > 0);
	assert_false(kt_grpc_parse_timeout("", 0, &ns));
	assert_false(kt_grpc_parse_timeout("m", 1, &ns));
	assert_false(kt_grpc_parse_timeout("1x", 2, &ns));
	assert_false(kt_grpc_parse_timeout("-1S", 3, &ns));
	assert_false(kt_grpc_parse_timeout("123456789S", 10, &ns));

	static const int64_t samples[] = {1, 99999999, 100000000, 5 * KT_NS_PER_S,
					  86400 * KT_NS_PER_S, INT64_MAX / 2};
	for (size_t i = 0; i < KT_ARRAY_LEN(samples); i++) {
		char text[KT_GRPC_TIMEOUT_CAP];
		kt_grpc_format_timeout(samples[i], text);
		assert_true(strlen(text) <= 9);
		assert_true(kt_grpc_parse_timeout(text, strlen(text), &ns));
		assert_true(ns >= samples[i] || samples[i] > INT64_MAX / 4);
	}
}

static const uint8_t three_messages[] = {
	0, 0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 'z',
};

/* Whatever way the bytes are cut, the same messages come out. */
static void test_assembler_splits(void **state)
{
	(void)state;
	for (size_t step = 1; step <= sizeof(three_messages); step++) {
		kt_assembler assembler = {.max = 100};
		kt_pieces out = {NULL, NULL, 0};
		for (size_t at = 0; at < sizeof(three_messages); at += step) {
			size_t n = KT_MIN(step, sizeof(three_messages) - at);
			assert_int_equal(
				kt_assembler_feed(&assembler, three_messages + at, n, &out, NULL),
				0);
		}
		assert_true(kt_assembler_at_boundary(&assembler));
		static const size_t lens[] = {3, 0, 1};
		for (size_t i = 0; i < 3; i++) {
			KT_AUTO_FREE kt_piece *piece = kt_pieces_take(&out);
			assert_non_null(piece);
			assert_int_equal(piece->len, lens[i]);
		}
		assert_null(kt_pieces_take(&out));
		assert_int_equal(out.bytes, 0);
		kt_assembler_deinit(&assembler);
	}
}

static void test_assembler_refuses(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_pieces out = {NULL, NULL, 0};
	kt_assembler small = {.max = 10};
	assert_int_equal(kt_assembler_feed(&small, (const uint8_t *)"\0\0\0\0\x0B", 5, &out, &err), -1);
	assert_int_equal(err.code, KT_ERR_EXHAUSTED);
	kt_assembler_deinit(&small);
	kt_assembler plain = {.max = 10};
	assert_int_equal(kt_assembler_feed(&plain, (const uint8_t *)"\1\0\0\0\1x", 6, &out, &err), -1);
	assert_int_equal(err.code, KT_ERR_UNSUPPORTED);
	kt_assembler_deinit(&plain);
	kt_assembler half = {.max = 10};
	assert_int_equal(kt_assembler_feed(&half, (const uint8_t *)"\0\0\0\0\5ab", 7, &out, &err), 0);
	assert_false(kt_assembler_at_boundary(&half));
	kt_assembler_deinit(&half);
}

static int feed_all(kt_assembler *assembler, kt_pieces *out)
{
	return kt_assembler_feed(assembler, three_messages, sizeof(three_messages), out, NULL);
}

static void test_assembler_nomem(void **state)
{
	(void)state;
	kt_assembler assembler = {.max = 100};
	kt_pieces out = {NULL, NULL, 0};
	KT_TEST_EVERY_ALLOC(20, feed_all(&assembler, &out), {
		kt_assembler_deinit(&assembler);
		kt_pieces_clear(&out);
	});
}

static void test_pieces_read(void **state)
{
	(void)state;
	kt_assembler assembler = {.max = 100};
	kt_pieces queue = {NULL, NULL, 0};
	assert_int_equal(feed_all(&assembler, &queue), 0);
	assert_int_equal(queue.bytes, 4);
	uint8_t out[8];
	assert_int_equal(kt_pieces_read(&queue, out, 2), 2);
	assert_int_equal(queue.bytes, 2);
	assert_int_equal(kt_pieces_read(&queue, out + 2, 6), 2);
	assert_memory_equal(out, "abcz", 4);
	assert_int_equal(kt_pieces_read(&queue, out, 8), 0);
	kt_assembler_deinit(&assembler);
}

static void test_status(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_int_equal(kt_grpc_status_err(5, "a\n  Caused by: b c\n  Caused by: d", &err), -1);
	assert_int_equal(err.code, KT_ERR_NOT_FOUND);
	assert_string_equal(kt_err_message(&err, 0), "a");
	assert_string_equal(kt_err_message(&err, 1), "b c");
	assert_string_equal(kt_err_message(&err, 2), "d");
	assert_int_equal(kt_grpc_status_err(77, NULL, &err), -1);
	assert_int_equal(err.code, KT_ERR_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_percent),
		cmocka_unit_test(test_timeouts),
		cmocka_unit_test(test_assembler_splits),
		cmocka_unit_test(test_assembler_refuses),
		cmocka_unit_test(test_assembler_nomem),
		cmocka_unit_test(test_pieces_read),
		cmocka_unit_test(test_status),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
