/* The modules assert and expect. A failed comparison is noted, and the test goes on. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "devtools/test_internal.h"

#include "base/alloc.h"
#include "base/str.h"

#include <pcre2.h>
#include <string.h>

void test_add_place(kt_sthread *t, kt_buf *out)
{
	kt_star_frame frame;
	for (size_t depth = 0; kt_sthread_frame(t, depth, &frame); depth++) {
		if (!kt_str_eq(frame.pos.file, "<builtin>")) {
			kt_buf_addf(out, "%s:%d:%d", frame.pos.file, frame.pos.line, frame.pos.col);
			return;
		}
	}
}

int test_note(test_state *self, kt_sthread *t, const char *text)
{
	KT_AUTO_BUF kt_buf whole = KT_BUF_INIT;
	kt_star_frame frames[32];
	size_t n = 0;
	kt_buf_adds(&whole, text);
	for (size_t depth = 0; n < KT_ARRAY_LEN(frames); depth++) {
		if (!kt_sthread_frame(t, depth, &frames[n])) {
			break;
		}
		n += kt_str_eq(frames[n].pos.file, "<builtin>") ? 0 : 1;
	}
	/* Outermost first, as in the errors of an interpretation. */
	for (size_t i = n; i-- > 0;) {
		kt_buf_addf(&whole, "\n\tat [%s:%d:%d]: %s", frames[i].pos.file, frames[i].pos.line,
			    frames[i].pos.col, frames[i].name);
	}
	if (whole.failed || kt_strvec_add(&self->errors, kt_buf_str(&whole)) < 0) {
		kt_star_raise_nomem(t);
		return -1;
	}
	return 0;
}

static kt_val note(kt_sthread *t, const kt_args *a, const kt_buf *text)
{
	return test_note(a->user, t, kt_buf_str(text)) < 0 ? KT_NULL : KT_NONE;
}

/* "REPR between REPR" as the failure. */
static kt_val note_pair(kt_sthread *t, const kt_args *a, const char *between)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (kt_val_repr(t, a->v[0], &text) < 0) {
		return KT_NULL;
	}
	kt_buf_adds(&text, between);
	return kt_val_repr(t, a->v[1], &text) < 0 ? KT_NULL : note(t, a, &text);
}

static kt_val assert_eq(kt_sthread *t, const kt_args *a)
{
	bool same;
	if (kt_val_equal(t, a->v[0], a->v[1], &same) < 0) {
		return KT_NULL;
	}
	return same ? KT_NONE : note_pair(t, a, " != ");
}

static kt_val assert_ne(kt_sthread *t, const kt_args *a)
{
	bool same;
	if (kt_val_equal(t, a->v[0], a->v[1], &same) < 0) {
		return KT_NULL;
	}
	return same ? note_pair(t, a, " == ") : KT_NONE;
}

/* Asks the language itself: `source` is a function of two arguments. */
static kt_val ask(kt_sthread *t, const char *source, const kt_args *a)
{
	kt_sthread *own = kt_sthread_new(kt_sthread_star(t));
	kt_val fn = own == NULL ? KT_NULL
				: kt_star_eval(own, "<builtin>", source, strlen(source), KT_NULL);
	kt_sthread_free(own);
	return fn == KT_NULL ? kt_star_raise_nomem(t) : kt_star_call(t, fn, a->v, 2, NULL, 0);
}

static kt_val assert_lt(kt_sthread *t, const kt_args *a)
{
	kt_val answer = ask(t, "lambda x, y: x < y", a);
	return answer == KT_NULL   ? KT_NULL
	       : answer == KT_TRUE ? KT_NONE
				   : note_pair(t, a, " is not less than ");
}

static kt_val assert_contains(kt_sthread *t, const kt_args *a)
{
	kt_val answer = ask(t, "lambda x, y: y in x", a);
	return answer == KT_NULL   ? KT_NULL
	       : answer == KT_TRUE ? KT_NONE
				   : note_pair(t, a, " does not contain ");
}

static kt_val assert_true(kt_sthread *t, const kt_args *a)
{
	if (kt_val_truth(a->v[0])) {
		return KT_NONE;
	}
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (a->v[1] == KT_NULL) {
		kt_buf_adds(&text, "assertion failed");
	} else if (kt_val_str(t, a->v[1], &text) < 0) {
		return KT_NULL;
	}
	return note(t, a, &text);
}

/* All arguments, separated by blanks, as the failure. */
static kt_val assert_fail(kt_sthread *t, const kt_args *a)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	for (size_t i = 0; i < a->npos; i++) {
		kt_buf_adds(&text, i > 0 ? " " : "");
		if (kt_val_str(t, a->pos[i], &text) < 0) {
			return KT_NULL;
		}
	}
	return note(t, a, &text);
}

/* Whether pattern occurs in text: 1, 0, or -1 with an error raised. */
static int occurs(kt_sthread *t, const char *pattern, const char *text, size_t len)
{
	int code;
	PCRE2_SIZE at;
	pcre2_code *re = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
				       PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NO_AUTO_CAPTURE,
				       &code, &at, NULL);
	if (re == NULL) {
		PCRE2_UCHAR why[256];
		pcre2_get_error_message(code, why, sizeof(why));
		return kt_star_fail(t, "fails: '%s' is no regular expression: %s", pattern,
				    (const char *)why);
	}
	pcre2_match_data *match = pcre2_match_data_create(1, NULL);
	int rc = match == NULL ? PCRE2_ERROR_NOMEMORY
			       : pcre2_match(re, (PCRE2_SPTR)text, len, 0, 0, match, NULL);
	pcre2_match_data_free(match);
	pcre2_code_free(re);
	if (rc < 0 && rc != PCRE2_ERROR_NOMATCH) {
		return kt_star_fail(t, "fails: matching '%s' failed", pattern);
	}
	return rc >= 0 ? 1 : 0;
}

static kt_val assert_fails(kt_sthread *t, const kt_args *a)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	const char *pattern = kt_string_get(a->v[1], NULL);
	if (kt_star_call(t, a->v[0], NULL, 0, NULL, 0) != KT_NULL) {
		kt_buf_addf(&text, "the call succeeded, but an error matching \"%s\" was expected",
			    pattern);
		return note(t, a, &text);
	}
	const kt_star_error *error = kt_sthread_error(t);
	if (error == NULL || error->kind == KT_STAR_NOMEM || error->kind == KT_STAR_STEPS ||
	    error->kind == KT_STAR_CANCELLED) {
		return KT_NULL;
	}
	KT_AUTO_BUF kt_buf msg = KT_BUF_INIT;
	kt_buf_adds(&msg, kt_str_or(error->msg, ""));
	kt_sthread_clear_error(t);
	int found = occurs(t, pattern, kt_buf_str(&msg), msg.len);
	if (found != 0) {
		return found < 0 ? KT_NULL : KT_NONE;
	}
	kt_buf_addf(&text, "the error does not match \"%s\": %s", pattern, kt_buf_str(&msg));
	return note(t, a, &text);
}

static const kt_param pair_params[] = {{"x", KT_ARG_ANY}, {"y", KT_ARG_ANY}};
static const kt_param true_params[] = {{"cond", KT_ARG_ANY}, {"msg", KT_ARG_ANY, .optional = true}};
static const kt_param fails_params[] = {{"f", KT_ARG_CALLABLE}, {"pattern", KT_ARG_STRING}};

#define ROW(text, list, function)                                                                  \
	{.name = (text), .style = KT_ARGS_NAMED, .params = (list),                                 \
	 .nparams = KT_ARRAY_LEN(list), .fn = (function)}
static const kt_builtin_row rows[] = {
	ROW("eq", pair_params, assert_eq),
	ROW("ne", pair_params, assert_ne),
	ROW("lt", pair_params, assert_lt),
	ROW("contains", pair_params, assert_contains),
	ROW("true", true_params, assert_true),
	ROW("fails", fails_params, assert_fails),
	{.name = "fail", .style = KT_ARGS_RAW, .fn = assert_fail},
};

kt_val assert_module(kt_sthread *t, test_state *state)
{
	kt_val members = kt_dict_new(t, KT_ARRAY_LEN(rows));
	for (size_t i = 0; members != KT_NULL && i < KT_ARRAY_LEN(rows); i++) {
		kt_val fn = kt_builtin_new(t, &rows[i], state);
		if (fn == KT_NULL || kt_dict_sets(t, members, rows[i].name, fn) < 0) {
			return KT_NULL;
		}
	}
	return members == KT_NULL ? KT_NULL : kt_module_new(t, "assert", members);
}
