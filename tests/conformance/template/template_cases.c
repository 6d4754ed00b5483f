/*
 * Renders the templates of a file and compares: `template-cases CASES EXPECTED`. Cases stand
 * between lines of "---"; a line "=== JSON" sets the data for those after it. For each case the
 * expected file has two lines, output and error, both quoted as Go source. It was written by
 * Go's own engine (tests/compat/template_diff compares with that directly).
 */
#include "template/template_internal.h"

#include "base/fs.h"

typedef struct checker {
	const char *data; /* JSON for the cases that follow */
	size_t data_len;
	const char *expected; /* next line */
	int cases, different;
} checker;

/* Takes a line off *text. */
static kt_ttext take_line(const char **text)
{
	kt_ttext line = {*text, strcspn(*text, "\n")};

	*text += line.len + ((*text)[line.len] == '\n' ? 1 : 0);
	return line;
}

static void render(const checker *c, kt_ttext text, kt_buf *out, kt_buf *error)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_TMPL kt_tmpl *tmpl = NULL;
	kt_tmpl_val value;

	if (kt_tmpl_from_text(&arena, c->data, c->data_len, &value, &err) == 0) {
		tmpl = kt_tmpl_parse("T", 1, text.data, text.len, &err);
	}
	if (tmpl != NULL) {
		(void)kt_tmpl_exec(tmpl, &value, out, &err);
	}
	if (err.code != KT_ERR_OK) {
		kt_buf_adds(error, kt_err_message(&err, 0));
	}
}

/* Compares one text with the next expected line. */
static bool matches(checker *c, const kt_buf *got, kt_ttext text, const char *what)
{
	KT_AUTO_BUF kt_buf quoted = KT_BUF_INIT;
	kt_ttext want = take_line(&c->expected);

	kt_ttext_quote(&quoted, (kt_ttext){kt_buf_str(got), got->len});
	if (kt_ttext_equal(want, (kt_ttext){kt_buf_str(&quoted), quoted.len})) {
		return true;
	}
	printf("%.*s\n   %s %s\n   want   %.*s\n", (int)text.len, text.data, what,
	       kt_buf_str(&quoted), (int)want.len, want.data);
	return false;
}

static void check(checker *c, kt_ttext text)
{
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf error = KT_BUF_INIT;

	render(c, text, &out, &error);
	bool same = matches(c, &out, text, "output");
	same = matches(c, &error, text, "error ") && same;
	c->cases++;
	c->different += same ? 0 : 1;
}

/* One part of the file; the newline before the separator is no part of the template. */
static void take_part(checker *c, const char *start, size_t len)
{
	if (len >= 4 && memcmp(start, "=== ", 4) == 0) {
		size_t line = strcspn(start, "\n");
		c->data = start + 4;
		c->data_len = KT_MIN(line, len) - 4;
		if (line >= len) {
			return;
		}
		start += line + 1;
		len -= line + 1;
	}
	if (len > 0 && start[len - 1] == '\n') {
		len--;
	}
	check(c, (kt_ttext){start, len});
}

int main(int argc, char **argv)
{
	KT_AUTO_BUF kt_buf cases = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf expected = KT_BUF_INIT;

	if (argc != 3 || kt_fs_read(argv[1], 1u << 20, &cases, NULL) < 0 ||
	    kt_fs_read(argv[2], 1u << 20, &expected, NULL) < 0) {
		puts("usage: template-cases CASES EXPECTED");
		return 1;
	}
	checker c = {.data = "null", .data_len = 4, .expected = kt_buf_str(&expected)};
	for (const char *at = kt_buf_str(&cases); at != NULL;) {
		const char *end = strstr(at, "\n---\n");
		take_part(&c, at, end == NULL ? strlen(at) : (size_t)(end - at));
		at = end == NULL ? NULL : end + 5;
	}
	if (*c.expected != '\0') {
		puts("the expected file has more lines than there are cases");
		c.different++;
	}
	printf("%d templates, %d different\n", c.cases, c.different);
	return c.different > 0 || c.cases == 0 ? 1 : 0;
}
