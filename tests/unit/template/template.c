/*
 * Templates: what needs no comparison with Go (tests/compat/template_diff has that): data from
 * JSON, error places, limits, memory shortage, names with odd bytes.
 */
#include "../kt_test.h"

#include "template/template.h"

#include <pthread.h>

/* Renders; the result is the output, or the error message. The caller frees. */
static char *render_text(const char *text, const char *data)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_TMPL kt_tmpl *tmpl = NULL;
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	kt_tmpl_val value;

	assert_int_equal(kt_tmpl_from_text(&arena, data, strlen(data), &value, &err), 0);
	tmpl = kt_tmpl_parse("T", 1, text, strlen(text), &err);
	if (tmpl == NULL || kt_tmpl_exec(tmpl, &value, &out, &err) < 0) {
		assert_int_equal(err.code, KT_ERR_INVALID);
		return kt_strdup(kt_err_message(&err, 0));
	}
	return kt_strdup(kt_buf_str(&out));
}

static void check(const char *text, const char *data, const char *want)
{
	KT_AUTO_FREE char *got = render_text(text, data);
	assert_string_equal(got, want);
}

static void renders(void **state)
{
	(void)state;
	check("{{.a}} {{.b.c}} {{len .l}}", "{\"a\":1.50,\"b\":{\"c\":\"x\"},\"l\":[1,2]}",
	      "1.50 x 2");
	check("{{range $i, $e := .}}{{if $i}},{{end}}{{$e}}{{else}}none{{end}}", "[\"a\",null,true]",
	      "a,<no value>,true");
	check("{{range $k, $v := .}}{{$k}}={{$v}} {{end}}", "{\"b\":2,\"a\":1,\"B\":3}",
	      "B=3 a=1 b=2 ");
	check("{{range .}}{{if eq . \"3\"}}{{break}}{{end}}{{if eq . \"1\"}}{{continue}}{{end}}{{.}}"
	      "{{end}}",
	      "[1,2,3,4]", "2");
	check("a {{- /* gone */ -}} b", "null", "ab");
	check("{{if .zero}}true{{end}}", "{\"zero\":0}", "true");
	check("{{define \"x\"}}[{{.}}{{$}}]{{end}}{{template \"x\" .a}}", "{\"a\":\"v\"}", "[vv]");
	check("{{.x}}", "{\"x\":\"first\",\"x\":\"last\"}", "last");
}

static void errors_name_the_place(void **state)
{
	(void)state;
	check("line one\n  {{.a.b}}", "{\"a\":\"text\"}",
	      "template: T:2:6: executing \"T\" at <.a.b>: can't evaluate field b in type "
	      "interface {}");
	check("{{define \"in\"}}{{index . 9}}{{end}}x{{template \"in\" .}}", "[]",
	      "template: T:1:17: executing \"in\" at <index . 9>: error calling index: index out "
	      "of range: 9");
	check("one\n{{if}}{{end}}", "null", "template: T:2: missing value for if");
	check("{{ .a", "null", "template: T:1: unclosed action");
	check("{{nope}}", "null", "template: T:1: function \"nope\" not defined");
}

static void output_before_an_error_stays(void **state)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	KT_AUTO_TMPL kt_tmpl *tmpl = kt_tmpl_parse("T", 1, "kept {{len 1}}", 14, &err);
	kt_tmpl_val nothing = {0};

	(void)state;
	assert_non_null(tmpl);
	assert_int_equal(kt_tmpl_exec(tmpl, &nothing, &out, &err), -1);
	assert_string_equal(kt_buf_str(&out), "kept ");
}

static void names_may_hold_any_bytes(void **state)
{
	static const char name[] = "t-\xFF\x00\x01%s";
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	kt_tmpl_val nothing = {0};
	KT_AUTO_TMPL kt_tmpl *tmpl = kt_tmpl_parse(name, 7, "{{len 1}}", 9, &err);

	(void)state;
	assert_non_null(tmpl);
	assert_int_equal(kt_tmpl_exec(tmpl, &nothing, &out, &err), -1);
	/* The place shows the bytes but for the NUL; the quoted name shows them all. */
	assert_string_equal(kt_err_message(&err, 0),
			    "template: t-\xFF\x01%s:1:2: executing \"t-\\xff\\x00\\x01%s\" at "
			    "<len 1>: error calling len: len of type int");
}

static void data_from_jansson(void **state)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	KT_AUTO_JSON json_t *json =
		json_pack("{s:i, s:f, s:b, s:n, s:[s, i], s:{s:s}}", "i", -7, "f", 1e21, "b", 1, "n",
			  "l", "x", 2, "m", "k", "v");
	static const char text[] = "{{.i}} {{.f}} {{.b}} {{.n}} {{.l}} {{.m}} {{printf \"%T\" .i}}";
	KT_AUTO_TMPL kt_tmpl *tmpl = kt_tmpl_parse("T", 1, text, strlen(text), &err);
	kt_tmpl_val value;

	(void)state;
	assert_int_equal(kt_tmpl_from_json(&arena, json, &value, &err), 0);
	assert_int_equal(kt_tmpl_exec(tmpl, &value, &out, &err), 0);
	assert_string_equal(kt_buf_str(&out), "-7 1e+21 true <no value> [x 2] map[k:v] json.Number");
}

static void bad_data_is_refused(void **state)
{
	static const char *const texts[] = {
		"",      "{",        "[1,]",   "{\"a\":1,}", "01",     "1.",    "\"\\q\"", "\"a\nb\"",
		"nulll", "[1] [2]",  "{1:2}",  "\"\\u12\"",  "\"open", "+1",    "{\"a\" 1}", "tru",
	};
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_tmpl_val value;

	(void)state;
	for (size_t i = 0; i < KT_ARRAY_LEN(texts); i++) {
		KT_AUTO_ERR kt_err err = KT_ERR_INIT;
		assert_int_equal(
			kt_tmpl_from_text(&arena, texts[i], strlen(texts[i]), &value, &err), -1);
		assert_int_equal(err.code, KT_ERR_INVALID);
	}
}

static void output_has_a_bound(void **state)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_BUF kt_buf out = KT_BUF_MAX(1000);
	static const char text[] = "{{range 1000000000}}xxxxxxxxxx{{end}}";
	KT_AUTO_TMPL kt_tmpl *tmpl = kt_tmpl_parse("T", 1, text, strlen(text), &err);
	kt_tmpl_val nothing = {0};

	(void)state;
	assert_int_equal(kt_tmpl_exec(tmpl, &nothing, &out, &err), -1);
	assert_int_equal(err.code, KT_ERR_EXHAUSTED);
}

/* n copies of open, the middle, n copies of close. The caller frees. */
static char *nest(size_t n, const char *open, const char *middle, const char *close)
{
	kt_buf out = KT_BUF_INIT;

	for (size_t i = 0; i < n; i++) {
		kt_buf_adds(&out, open);
	}
	kt_buf_adds(&out, middle);
	for (size_t i = 0; i < n; i++) {
		kt_buf_adds(&out, close);
	}
	return kt_buf_take(&out);
}

/* On a small stack: deep templates and data end in errors, not in a crash. */
static void *render_deep(void *arg)
{
	static const struct {
		const char *open, *middle, *close;
	} shapes[] = {
		{"(", "1", ")"},
		{"{{if 1}}", "x", "{{end}}"},
		{"{{block \"b\" 1}}", "x", "{{end}}"},
		{"{{if 0}}{{else if 0}}", "x", "{{end}}"},
	};
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_FREE char *list = nest(200000, "[", "1", "]");
	kt_tmpl_val value = {0};
	size_t *errors = arg;

	for (size_t i = 0; i < KT_ARRAY_LEN(shapes); i++) {
		KT_AUTO_FREE char *body =
			nest(20000, shapes[i].open, shapes[i].middle, shapes[i].close);
		KT_AUTO_FREE char *text =
			i == 0 ? kt_asprintf("{{%s}}", body) : kt_asprintf("%s", body);
		KT_AUTO_TMPL kt_tmpl *tmpl = kt_tmpl_parse("T", 1, text, strlen(text), NULL);
		*errors += tmpl == NULL ? 1 : 0;
	}
	*errors += kt_tmpl_from_text(&arena, list, strlen(list), &value, NULL) < 0 ? 1 : 0;
	static const char endless[] = "{{define \"x\"}}{{template \"x\" .}}{{end}}{{template \"x\"}}";
	KT_AUTO_TMPL kt_tmpl *tmpl = kt_tmpl_parse("T", 1, endless, strlen(endless), NULL);
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	*errors += kt_tmpl_exec(tmpl, &value, &out, &err) < 0 ? 1 : 0;
	*errors += strstr(kt_err_message(&err, 0), "exceeded maximum template depth") != NULL;
	return NULL;
}

static void depth_has_a_bound(void **state)
{
	pthread_attr_t attributes;
	pthread_t thread;
	size_t errors = 0;

	(void)state;
	assert_int_equal(pthread_attr_init(&attributes), 0);
	assert_int_equal(pthread_attr_setstacksize(&attributes, 256 * 1024), 0);
	assert_int_equal(pthread_create(&thread, &attributes, render_deep, &errors), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	pthread_attr_destroy(&attributes);
	assert_int_equal(errors, 7);
}

static const char long_text[] =
	"{{define \"d\"}}{{$x := .}}{{range $i, $e := $x.l}}{{$i}}{{$e | printf \"%5v\"}}{{end}}{{end}}"
	"{{template \"d\" .}}{{with .m}}{{.k}}{{else}}x{{end}}{{html \"<\" 1}}{{(index .l 0)}}"
	"{{print 1 2 3 4 5 6}}{{block \"b\" 'c'}}{{.}}{{end}}";
static const char long_data[] = "{\"l\":[1,\"two\",null,{\"a\":[]}],\"m\":{\"k\":\"\\u00e9\"}}";

static int try_all(kt_err *err)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	kt_tmpl_val value;
	KT_AUTO_TMPL kt_tmpl *tmpl =
		kt_tmpl_parse("T", 1, long_text, strlen(long_text), err);

	if (tmpl == NULL ||
	    kt_tmpl_from_text(&arena, long_data, strlen(long_data), &value, err) < 0) {
		return -1;
	}
	return kt_tmpl_exec(tmpl, &value, &out, err);
}

static void memory_shortage_is_an_error(void **state)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;

	(void)state;
	assert_int_equal(try_all(&err), 0);
	KT_TEST_EVERY_ALLOC(2000, try_all(&err), kt_err_release(&err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(renders),
		cmocka_unit_test(errors_name_the_place),
		cmocka_unit_test(output_before_an_error_stays),
		cmocka_unit_test(names_may_hold_any_bytes),
		cmocka_unit_test(data_from_jansson),
		cmocka_unit_test(bad_data_is_refused),
		cmocka_unit_test(output_has_a_bound),
		cmocka_unit_test(depth_has_a_bound),
		cmocka_unit_test(memory_shortage_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
