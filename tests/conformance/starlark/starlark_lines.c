/*
 * Evaluates the expressions of files, one a line, and compares: `EXPR  # => VALUE` wants
 * repr(EXPR), `EXPR  # !! MESSAGE` wants an error. Newlines in both are written \n. The files
 * are Starlark expressions with comments. Exit status 1 when a line differs.
 */
#include "starlark/starlark.h"

#include "base/fs.h"

#include <stdio.h>
#include <string.h>

#define WANT_VALUE "  # => "
#define WANT_ERROR "  # !! "

static kt_star *star;
static kt_sthread *thread;
static kt_val names;

static bool start(void)
{
	kt_star_options options = {.allow_set = true};

	star = kt_star_new(&options, NULL);
	thread = star == NULL ? NULL : kt_sthread_new(star);
	names = thread == NULL ? KT_NULL : kt_dict_new(thread, 4);
	return names != KT_NULL &&
	       kt_dict_sets(thread, names, "json", kt_json_module(thread)) == 0 &&
	       kt_dict_sets(thread, names, "time", kt_time_module(thread)) == 0 &&
	       kt_dict_sets(thread, names, "struct", kt_struct_builtin(thread)) == 0;
}

static void add_line(kt_buf *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n') {
			kt_buf_adds(out, "\\n");
		} else {
			kt_buf_addc(out, text[i]);
		}
	}
}

/* What the expression gives, in the form of the files. */
static void evaluate(const char *expr, size_t len, kt_buf *out)
{
	KT_AUTO_BUF kt_buf repr = KT_BUF_INIT;
	kt_val value = kt_star_eval(thread, "x", expr, len, names);

	if (value != KT_NULL && kt_val_repr(thread, value, &repr) == 0) {
		kt_buf_adds(out, WANT_VALUE);
		add_line(out, kt_buf_str(&repr), repr.len);
		return;
	}
	const kt_star_error *error = kt_sthread_error(thread);
	kt_buf_adds(out, WANT_ERROR);
	if (error == NULL) {
		kt_buf_adds(out, "(a failure without an error)");
		return;
	}
	if (error->ndiags > 0) {
		kt_buf_addf(&repr, "%s:%d:%d: ", error->diags[0].pos.file, error->diags[0].pos.line,
			    error->diags[0].pos.col);
	}
	kt_buf_adds(&repr, error->ndiags > 0 ? error->diags[0].msg : error->msg);
	add_line(out, kt_buf_str(&repr), repr.len);
	kt_sthread_clear_error(thread);
}

/* True when the line is as it should be. */
static bool check(const char *path, int number, const char *line, size_t len)
{
	KT_AUTO_BUF kt_buf got = KT_BUF_INIT;
	const char *mark = memmem(line, len, WANT_VALUE, strlen(WANT_VALUE));

	if (len == 0 || line[0] == '#') {
		return true;
	}
	if (mark == NULL) {
		mark = memmem(line, len, WANT_ERROR, strlen(WANT_ERROR));
	}
	size_t expr_len = mark == NULL ? len : (size_t)(mark - line);
	evaluate(line, expr_len, &got);
	if (mark != NULL && got.len == len - expr_len && memcmp(got.data, mark, got.len) == 0) {
		return true;
	}
	printf("%s:%d: %.*s\n   got%s\n   want%.*s\n", path, number, (int)expr_len, line,
	       kt_buf_str(&got), (int)(len - expr_len), mark == NULL ? "" : mark);
	return false;
}

static int run(const char *path)
{
	KT_AUTO_BUF kt_buf src = KT_BUF_INIT;
	int number = 0;
	int checked = 0;
	int different = 0;

	if (kt_fs_read(path, 16u << 20, &src, NULL) < 0) {
		printf("%s cannot be read\n", path);
		return 1;
	}
	for (const char *p = kt_buf_str(&src); *p != '\0'; number++) {
		size_t len = strcspn(p, "\n");
		checked += len > 0 && p[0] != '#' ? 1 : 0;
		different += check(path, number + 1, p, len) ? 0 : 1;
		p += len + (p[len] == '\n' ? 1 : 0);
	}
	printf("%s: %d expressions, %d different\n", path, checked, different);
	return different > 0 || checked == 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
	int result = argc < 2 ? 1 : 0;

	if (!start()) {
		puts("the language cannot be started");
		return 1;
	}
	for (int i = 1; i < argc; i++) {
		result |= run(argv[i]);
	}
	kt_star_free(star);
	return result;
}
