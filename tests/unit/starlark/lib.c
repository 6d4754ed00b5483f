/*
 * The library side of the language (string methods, json, time): memory shortage, deep nesting
 * on small stacks, limits. What the functions give is checked in tests/conformance/starlark.
 */
#include "../kt_test.h"

#include "starlark/starlark.h"

#include <pthread.h>

/*
 * Evaluates in a run of its own, with the allocation after `allowed` others failing (< 0: none).
 * *ret_text is repr or the error; the caller frees. True when an allocation has failed.
 */
static bool evaluate(const char *expr, long allowed, kt_star_err_kind *ret_kind, char **ret_text)
{
	kt_alloc_fail_after(allowed);
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	kt_star *star = kt_star_new(NULL, NULL);
	kt_sthread *t = star == NULL ? NULL : kt_sthread_new(star);
	kt_val names = t == NULL ? KT_NULL : kt_dict_new(t, 4);
	kt_val value = KT_NULL;
	bool ready = names != KT_NULL &&
		     kt_dict_sets(t, names, "json", kt_json_module(t)) == 0 &&
		     kt_dict_sets(t, names, "time", kt_time_module(t)) == 0;

	if (ready && kt_sthread_error(t) == NULL) {
		value = kt_star_eval(t, "x", expr, strlen(expr), names);
	}
	bool failed = kt_alloc_failed();
	kt_alloc_fail_after(-1);
	const kt_star_error *error = t == NULL ? NULL : kt_sthread_error(t);
	*ret_kind = error == NULL ? KT_STAR_OK : error->kind;
	if (error != NULL && error->msg != NULL) {
		kt_buf_adds(&text, error->msg);
	} else if (value != KT_NULL) {
		assert_int_equal(kt_val_repr(t, value, &text), 0);
	}
	kt_buf_adds(&text, error == NULL && value == KT_NULL ? "(not started)" : "");
	kt_star_free(star);
	*ret_text = kt_buf_take(&text);
	return failed;
}

static void check(const char *expr, const char *want)
{
	kt_star_err_kind kind;
	char *text;

	assert_false(evaluate(expr, -1, &kind, &text));
	assert_string_equal(text, want);
	kt_free(text);
}

static void works(void **state)
{
	(void)state;
	check("json.encode(json.decode('[1, {\"b\": 2.5, \"a\": null}]'))",
	      "\"[1,{\\\"a\\\":null,\\\"b\\\":2.5}]\"");
	check("'%s-%r' % ('a', ['b'])", "\"a-[\\\"b\\\"]\"");
	check("time.parse_duration('90m').hours", "1.5");
	check("[].pop()", "pop: index -1 out of range: empty list");
}

/* Each touches many allocations. Memory shortage must come out as such, and nothing else. */
static const char *const heavy[] = {
	"json.encode({'b': [1, 1.5, 'x', None, 'h\\u00e9', (1, 2)], 'a': {'c': 1 << 80}})",
	"json.decode('{\"a\": [1, 2.5, \"x\\\\u00e9\", {\"b\": 123456789012345678901234567890}]}')",
	"json.indent('{\"a\":[1,{\"b\":[]}]}', prefix='> ')",
	"' a,b ,, c '.split(',') + 'a b c'.rsplit(None, 1) + 'a\\nb'.splitlines(True)",
	"'{} {x} {!r}'.format(1, 'b', x=[1, 'two']) + '%s %d %x %e %r' % (1, 2, 255, 1.5, {'k': 1})",
	"'h\\u00e9llo'.upper() + 'abc'.title() + 'a-b'.replace('-', '+') + ', '.join(['a', 'b'])",
	"'a=b=c'.partition('=') + 'a=b=c'.rpartition('=') + ('x'.strip(), list('ab'.elems()))",
	"[{1: 2}.items(), {1: 2}.keys(), {1: 2}.setdefault(3, 4), dict([(1, 2)], a=3).popitem()]",
	"time.parse_time('Thu, 04 Feb 2010 21:00:57 PST', 'Mon, 02 Jan 2006 15:04:05 MST')",
	"str(time.time(year=2020) + time.parse_duration('1h2m3s')) + time.time().format('2006')",
	"json.decode('[1, 2')",
	"time.parse_time('nonsense')",
	"'%d' % 'x'",
};

static void memory_shortage_is_an_error(void **state)
{
	(void)state;
	for (size_t i = 0; i < KT_ARRAY_LEN(heavy); i++) {
		kt_star_err_kind usual;
		char *usual_text;
		bool more = true;
		assert_false(evaluate(heavy[i], -1, &usual, &usual_text));
		for (long n = 0; more; n++) {
			kt_star_err_kind kind;
			char *text;
			more = evaluate(heavy[i], n, &kind, &text);
			bool same = kind == usual && strcmp(text, usual_text) == 0;
			bool unstarted = strcmp(text, "(not started)") == 0;
			if (!same && !(more && (kind == KT_STAR_NOMEM || unstarted))) {
				print_message("%s\nwith %ld allocations: %s\n", heavy[i], n, text);
				fail();
			}
			kt_free(text);
			assert_true(n < 3000);
		}
		kt_free(usual_text);
	}
}

/* open × n, middle, close × n as an expression: json.decode('…'). The caller frees. */
static char *nested(size_t n, const char *before, const char *open, const char *middle,
		    const char *close, const char *after)
{
	kt_buf out = KT_BUF_INIT;

	kt_buf_adds(&out, before);
	for (size_t i = 0; i < n; i++) {
		kt_buf_adds(&out, open);
	}
	kt_buf_adds(&out, middle);
	for (size_t i = 0; i < n; i++) {
		kt_buf_adds(&out, close);
	}
	kt_buf_adds(&out, after);
	return kt_buf_take(&out);
}

static void *evaluate_deep(void *arg)
{
	static const struct {
		const char *before, *open, *middle, *close, *after;
	} shapes[] = {
		{"json.decode('", "[", "", "]", "')"},
		{"json.decode('", "{\"a\":", "1", "}", "')"},
		{"json.indent('", "[", "", "]", "', indent='')"},
	};
	size_t *failed = arg;

	for (size_t i = 0; i < KT_ARRAY_LEN(shapes); i++) {
		kt_star_err_kind kind;
		char *text = NULL;
		KT_AUTO_FREE char *expr = nested(100000, shapes[i].before, shapes[i].open,
						 shapes[i].middle, shapes[i].close,
						 shapes[i].after);
		(void)evaluate(expr, -1, &kind, &text);
		*failed += kind == KT_STAR_EVAL ? 1 : 0;
		kt_free(text);
	}
	return NULL;
}

static void depth_has_a_bound(void **state)
{
	pthread_attr_t attributes;
	pthread_t thread;
	size_t failed = 0;

	(void)state;
	assert_int_equal(pthread_attr_init(&attributes), 0);
	assert_int_equal(pthread_attr_setstacksize(&attributes, 256 * 1024), 0);
	assert_int_equal(pthread_create(&thread, &attributes, evaluate_deep, &failed), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	pthread_attr_destroy(&attributes);
	assert_int_equal(failed, 3);
}

static void encoding_deep_values_ends(void **state)
{
	static const char program[] = "def f():\n"
				      "    x = []\n"
				      "    for i in range(100000):\n"
				      "        x = [x]\n"
				      "    return json.encode(x)\n"
				      "y = f()\n";
	kt_star *star = kt_star_new(NULL, NULL);
	kt_sthread *t = kt_sthread_new(star);
	kt_val names = kt_dict_new(t, 1);

	(void)state;
	assert_int_equal(kt_dict_sets(t, names, "json", kt_json_module(t)), 0);
	assert_int_equal(kt_star_exec(t, "x", program, strlen(program), names), KT_NULL);
	assert_non_null(strstr(kt_sthread_error(t)->msg, "nested too deeply"));
	kt_star_free(star);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(works),
		cmocka_unit_test(memory_shortage_is_an_error),
		cmocka_unit_test(depth_has_a_bound),
		cmocka_unit_test(encoding_deep_values_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
