/*
 * Runs the specification files of the language.
 *
 *   conformance [-r] [-l] [-k KNOWN-FAILURES] FILE…
 *
 * A file is cut at lines that are exactly `---`; every chunk is a program of its own, padded so
 * that line numbers are those of the file. `### TEXT` at the end of a line expects an error on
 * that line whose message contains TEXT (bare, "quoted" or `quoted`; with -r a regular
 * expression, with -l on any line). `option:NAME` in a chunk switches a dialect option on. Every
 * expected error must come, and no other. Known failures are lines FILE:CHUNK; one that passes
 * is a failure too, so that the list only shrinks.
 *
 * Programs see json, time, struct and `assert` with eq, ne, lt, true, contains, fails(f, text),
 * fail(msg); further freeze(x), catch(f) and error(msg), which reports and goes on; and the objects
 * of hosts.h.
 */
#include "hosts.h"

#include "starlark/starlark.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_EXPECTED 256

typedef struct expectation {
	int line;
	char *text;
	bool met;
} expectation;

typedef struct chunk {
	const char *file;
	int number;
	bool regex;
	bool any_line;
	bool quiet;
	kt_star *star;
	expectation expected[MAX_EXPECTED];
	size_t nexpected;
	int failures;
} chunk;

/* ---- matching ---------------------------------------------------------------- */

static bool matches(bool regex, const char *pattern, const char *text)
{
	regex_t re;
	bool found;

	if (!regex) {
		return strstr(text, pattern) != NULL;
	}
	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) != 0) {
		return strstr(text, pattern) != NULL;
	}
	found = regexec(&re, text, 0, NULL, 0) == 0;
	regfree(&re);
	return found || strstr(text, pattern) != NULL;
}

/* An error on a line: fine when expected there. */
static void report(chunk *self, int line, const char *msg)
{
	for (size_t i = 0; i < self->nexpected; i++) {
		expectation *e = &self->expected[i];

		if ((self->any_line || e->line == line) && matches(self->regex, e->text, msg)) {
			e->met = true;
			return;
		}
	}
	self->failures++;
	if (!self->quiet) {
		printf("%s:%d: chunk %d: %s\n", self->file, line, self->number, msg);
	}
}

static void report_pending(chunk *self, kt_sthread *t)
{
	const kt_star_error *error = kt_sthread_error(t);
	int line = 0;

	for (size_t i = 0; i < error->ndiags; i++) {
		report(self, error->diags[i].pos.line, error->diags[i].msg);
	}
	if (error->ndiags > 0) {
		return;
	}
	for (size_t i = 0; i < error->nframes; i++) {
		if (error->frames[i].pos.line > 0) {
			line = error->frames[i].pos.line;
		}
	}
	report(self, line, error->msg);
}

/* ---- what programs see ------------------------------------------------------- */

static int caller_line(kt_sthread *t)
{
	kt_star_frame frame;

	for (size_t i = 0; kt_sthread_frame(t, i, &frame); i++) {
		if (frame.pos.line > 0) {
			return frame.pos.line;
		}
	}
	return 0;
}

static kt_val fail_here(kt_sthread *t, const char *msg)
{
	report(kt_star_user(kt_sthread_star(t)), caller_line(t), msg);
	return KT_NONE;
}

static kt_val fail_pair(kt_sthread *t, const kt_args *a, const char *between)
{
	KT_AUTO_BUF kt_buf msg = KT_BUF_INIT;

	if (kt_val_repr(t, a->v[0], &msg) < 0) {
		return KT_NULL;
	}
	kt_buf_adds(&msg, between);
	if (kt_val_repr(t, a->v[1], &msg) < 0) {
		return KT_NULL;
	}
	return fail_here(t, kt_buf_str(&msg));
}

static kt_val assert_eq(kt_sthread *t, const kt_args *a)
{
	bool equal;

	if (kt_val_equal(t, a->v[0], a->v[1], &equal) < 0) {
		return KT_NULL;
	}
	return equal ? KT_NONE : fail_pair(t, a, " != ");
}

static kt_val assert_ne(kt_sthread *t, const kt_args *a)
{
	bool equal;

	if (kt_val_equal(t, a->v[0], a->v[1], &equal) < 0) {
		return KT_NULL;
	}
	return equal ? fail_pair(t, a, " == ") : KT_NONE;
}

/* Runs `a OP b` in the language itself. */
static kt_val holds(kt_sthread *t, const kt_args *a, const char *lambda)
{
	kt_sthread *own = kt_sthread_new(kt_sthread_star(t));
	kt_val fn = own == NULL ? KT_NULL
				: kt_star_eval(own, "<assert>", lambda, strlen(lambda), KT_NULL);

	kt_sthread_free(own);
	return fn == KT_NULL ? kt_star_raise(t, "assert: out of memory")
			     : kt_star_call(t, fn, a->v, 2, NULL, 0);
}

static kt_val assert_lt(kt_sthread *t, const kt_args *a)
{
	kt_val less = holds(t, a, "lambda a, b: a < b");

	return less == KT_FALSE ? fail_pair(t, a, " is not less than ") : less;
}

static kt_val assert_contains(kt_sthread *t, const kt_args *a)
{
	kt_val in = holds(t, a, "lambda a, b: b in a");

	return in == KT_FALSE ? fail_pair(t, a, " does not contain ") : in;
}

static kt_val assert_true(kt_sthread *t, const kt_args *a)
{
	const char *msg = a->v[1] == KT_NULL ? NULL : kt_string_get(a->v[1], NULL);

	return kt_val_truth(a->v[0]) ? KT_NONE
				     : fail_here(t, msg == NULL ? "assertion failed" : msg);
}

static kt_val assert_fail(kt_sthread *t, const kt_args *a)
{
	const char *msg = kt_string_get(a->v[0], NULL);

	return fail_here(t, msg == NULL ? "assert.fail" : msg);
}

/* Calls f; its error's text in *ret (caller frees), NULL if there was none. -1 out of memory. */
static int catch_error(kt_sthread *t, kt_val f, char **ret)
{
	*ret = NULL;
	if (kt_star_call(t, f, NULL, 0, NULL, 0) == KT_NULL) {
		const kt_star_error *error = kt_sthread_error(t);

		if (error->kind == KT_STAR_NOMEM) {
			return -1;
		}
		*ret = kt_strdup(error->msg);
		kt_sthread_clear_error(t);
		return *ret == NULL ? -1 : 0;
	}
	return 0;
}

static kt_val assert_fails(kt_sthread *t, const kt_args *a)
{
	const chunk *self = kt_star_user(kt_sthread_star(t));
	KT_AUTO_FREE char *msg = NULL;
	KT_AUTO_FREE char *complaint = NULL;

	if (catch_error(t, a->v[0], &msg) < 0) {
		return kt_star_raise_nomem(t);
	}
	if (msg == NULL) {
		return fail_here(t, "succeeded unexpectedly");
	}
	if (matches(self->regex, kt_string_get(a->v[1], NULL), msg)) {
		return KT_NONE;
	}
	complaint = kt_asprintf("failed with «%s», expected «%s»", msg,
				kt_string_get(a->v[1], NULL));
	return fail_here(t, complaint);
}

static kt_val catch_fn(kt_sthread *t, const kt_args *a)
{
	KT_AUTO_FREE char *msg = NULL;

	if (catch_error(t, a->v[0], &msg) < 0) {
		return kt_star_raise_nomem(t);
	}
	return msg == NULL ? KT_NONE : kt_string_newz(t, msg);
}

static kt_val freeze(kt_sthread *t, const kt_args *a)
{
	kt_val_freeze(t, a->v[0]);
	return a->v[0];
}

static const kt_param two[] = {{"x", KT_ARG_ANY, false, false}, {"y", KT_ARG_ANY, false, false}};
static const kt_param one[] = {{"x", KT_ARG_ANY, false, false}};
static const kt_param one_msg[] = {{"cond", KT_ARG_ANY, false, false},
				   {"msg", KT_ARG_ANY, true, false}};
static const kt_param fails_params[] = {{"f", KT_ARG_CALLABLE, false, false},
					{"text", KT_ARG_STRING, false, false}};

static const kt_builtin_row assert_rows[] = {
	{"eq", KT_ARGS_NAMED, two, 2, assert_eq},
	{"ne", KT_ARGS_NAMED, two, 2, assert_ne},
	{"lt", KT_ARGS_NAMED, two, 2, assert_lt},
	{"contains", KT_ARGS_NAMED, two, 2, assert_contains},
	{"true", KT_ARGS_NAMED, one_msg, 2, assert_true},
	{"fail", KT_ARGS_NAMED, one, 1, assert_fail},
	{"fails", KT_ARGS_NAMED, fails_params, 2, assert_fails},
};
static const kt_builtin_row global_rows[] = {
	{"freeze", KT_ARGS_NAMED, one, 1, freeze},
	{"catch", KT_ARGS_NAMED, one, 1, catch_fn},
	{"error", KT_ARGS_NAMED, one, 1, assert_fail},
};

static int add_rows(kt_sthread *t, kt_val dict, const kt_builtin_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		kt_val fn = kt_builtin_new(t, &rows[i], NULL);

		if (fn == KT_NULL || kt_dict_sets(t, dict, rows[i].name, fn) < 0) {
			return -1;
		}
	}
	return 0;
}

static kt_val names(kt_sthread *t)
{
	kt_val dict = kt_dict_new(t, 8);
	kt_val members = kt_dict_new(t, 8);

	if (dict == KT_NULL || members == KT_NULL ||
	    add_rows(t, members, assert_rows, KT_ARRAY_LEN(assert_rows)) < 0 ||
	    add_rows(t, dict, global_rows, KT_ARRAY_LEN(global_rows)) < 0 ||
	    kt_dict_sets(t, dict, "assert", kt_module_new(t, "assert", members)) < 0 ||
	    conformance_hosts(t, dict) < 0 || kt_dict_sets(t, dict, "json", kt_json_module(t)) < 0 ||
	    kt_dict_sets(t, dict, "time", kt_time_module(t)) < 0 ||
	    kt_dict_sets(t, dict, "struct", kt_struct_builtin(t)) < 0) {
		return KT_NULL;
	}
	return dict;
}

/* ---- chunks ------------------------------------------------------------------ */

static void expect(chunk *self, int line, const char *text, size_t len)
{
	expectation *e = &self->expected[self->nexpected];

	while (len > 0 && (*text == ' ' || *text == '\t')) {
		text++;
		len--;
	}
	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\r')) {
		len--;
	}
	if (len >= 2 && (*text == '"' || *text == '`') && text[len - 1] == *text) {
		text++;
		len -= 2;
	}
	if (self->nexpected < MAX_EXPECTED) {
		*e = (expectation){line, kt_strndup(text, len), false};
		self->nexpected += e->text != NULL;
	}
}

/* Collects the expectations of a chunk that starts at `line`. */
static void expectations(chunk *self, const char *src, size_t len, int line)
{
	const char *end = src + len;

	while (src < end) {
		const char *stop = memchr(src, '\n', (size_t)(end - src));
		const char *mark;

		stop = stop == NULL ? end : stop;
		mark = memmem(src, (size_t)(stop - src), "###", 3);
		if (mark != NULL) {
			expect(self, line, mark + 3, (size_t)(stop - mark - 3));
		}
		src = stop + 1;
		line++;
	}
}

static bool has_option(const char *src, size_t len, const char *name)
{
	char text[64];

	snprintf(text, sizeof(text), "option:%s", name);
	return memmem(src, len, text, strlen(text)) != NULL;
}

static kt_star_options options(chunk *self, const char *src, size_t len)
{
	return (kt_star_options){
		.allow_set = has_option(src, len, "set"),
		.allow_while = has_option(src, len, "while"),
		.allow_recursion = has_option(src, len, "recursion"),
		.allow_toplevel_control = has_option(src, len, "toplevelcontrol") ||
					  has_option(src, len, "globalreassign"),
		.allow_global_reassign = has_option(src, len, "globalreassign"),
		.step_limit = 50u * 1000u * 1000u,
		.user = self,
	};
}

static void run(chunk *self, const char *src, size_t len)
{
	kt_star_options opt = options(self, src, len);
	kt_sthread *t;
	kt_val predeclared;

	self->star = kt_star_new(&opt, NULL);
	t = self->star == NULL ? NULL : kt_sthread_new(self->star);
	predeclared = t == NULL ? KT_NULL : names(t);
	if (predeclared == KT_NULL) {
		report(self, 0, "cannot set up a run");
	} else if (kt_star_exec(t, self->file, src, len, predeclared) == KT_NULL) {
		report_pending(self, t);
	}
	kt_star_free(self->star);
}

/* Runs one chunk: the number of its failures. */
static int run_chunk(const chunk *like, bool quiet, const char *src, size_t len, int line)
{
	KT_AUTO_BUF kt_buf padded = KT_BUF_INIT;
	chunk self = *like;

	self.quiet = quiet;
	for (int i = 1; i < line; i++) {
		kt_buf_addc(&padded, '\n');
	}
	kt_buf_add(&padded, src, len);
	expectations(&self, src, len, line);
	run(&self, kt_buf_str(&padded), padded.len);
	for (size_t i = 0; i < self.nexpected; i++) {
		if (!self.expected[i].met) {
			self.failures++;
			if (!quiet) {
				printf("%s:%d: chunk %d: expected an error: %s\n", self.file,
				       self.expected[i].line, self.number,
				       self.expected[i].text);
			}
		}
		kt_free(self.expected[i].text);
	}
	return self.failures;
}

/* ---- files ------------------------------------------------------------------- */

static bool is_known(const kt_buf *known, const char *file, int number)
{
	char line[512];

	snprintf(line, sizeof(line), "%s:%d\n", kt_path_base(file), number);
	return strstr(kt_buf_str(known), line) != NULL;
}

static int check(chunk *like, const kt_buf *known, const char *src, size_t len, int line)
{
	bool expected;
	int failures;

	like->number++;
	expected = is_known(known, like->file, like->number);
	failures = run_chunk(like, expected, src, len, line);
	if (expected && failures == 0) {
		printf("%s: chunk %d passes; take it off the list of known failures\n", like->file,
		       like->number);
		return 1;
	}
	return expected ? 0 : failures;
}

static int run_file(const char *file, bool regex, bool any_line, const kt_buf *known)
{
	chunk like = {.file = file, .regex = regex, .any_line = any_line};
	KT_AUTO_BUF kt_buf src = KT_BUF_INIT;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	const char *begin;
	const char *at;
	int line = 1;
	int begin_line = 1;
	int failures = 0;

	if (kt_fs_read(file, 16u << 20, &src, &err) < 0) {
		printf("%s: cannot be read\n", file);
		return 1;
	}
	begin = at = kt_buf_str(&src);
	while (*at != '\0') {
		const char *next = strchr(at, '\n');

		next = next == NULL ? at + strlen(at) : next + 1;
		line++;
		if (strncmp(at, "---\n", 4) == 0) {
			failures += check(&like, known, begin,
					  at == begin ? 0 : (size_t)(at - begin - 1), begin_line);
			begin = next;
			begin_line = line;
		}
		at = next;
	}
	failures += check(&like, known, begin, (size_t)(at - begin), begin_line);
	printf("%s: %d chunks, %d failures\n", kt_path_base(file), like.number, failures);
	return failures;
}

int main(int argc, char **argv)
{
	KT_AUTO_BUF kt_buf known = KT_BUF_INIT;
	bool regex = false;
	bool any_line = false;
	int failures = 0;
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "-r") == 0) {
			regex = true;
		} else if (strcmp(argv[i], "-l") == 0) {
			any_line = true;
		} else if (strcmp(argv[i], "-k") == 0 && i + 1 < argc) {
			if (kt_fs_read(argv[++i], 1u << 20, &known, NULL) < 0) {
				printf("%s: cannot be read\n", argv[i]);
				return 2;
			}
		} else {
			fputs("usage: conformance [-r] [-l] [-k KNOWN-FAILURES] FILE…\n", stderr);
			return 2;
		}
	}
	for (; i < argc; i++) {
		failures += run_file(argv[i], regex, any_line, &known);
	}
	return failures == 0 ? 0 : 1;
}
