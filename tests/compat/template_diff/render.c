/*
 * Renders templates for the comparison with Go. Each line of input is a JSON object with the
 * template (t) and its data (d); each line of output is "HEX-OF-OUTPUT HEX-OF-ERROR".
 */
#include "template/template.h"

static void print_hex(const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		printf("%02x", (unsigned char)data[i]);
	}
}

static void render(const char *line, size_t len)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	KT_AUTO_ARENA kt_arena arena = {0};
	KT_AUTO_TMPL kt_tmpl *tmpl = NULL;
	KT_AUTO_JSON json_t *request = kt_json_parse(line, len, "line", NULL);
	const json_t *text = json_object_get(request, "t");
	const json_t *data = json_object_get(request, "d");
	kt_tmpl_val value = {0};

	if (text == NULL) {
		puts("bad request");
		return;
	}
	/* The data travels as text, so that numbers keep their form. */
	const char *raw = json_string_value(data);
	if (kt_tmpl_from_text(&arena, raw, strlen(raw), &value, &err) == 0) {
		tmpl = kt_tmpl_parse("T", 1, json_string_value(text), json_string_length(text), &err);
	}
	if (tmpl != NULL) {
		(void)kt_tmpl_exec(tmpl, &value, &out, &err);
	}
	const char *message = err.code == KT_ERR_OK ? "" : kt_err_message(&err, 0);
	print_hex(kt_buf_str(&out), out.len);
	putchar(' ');
	print_hex(message, strlen(message));
	putchar('\n');
	fflush(stdout);
}

int main(void)
{
	char *line = NULL;
	size_t cap = 0;

	for (ssize_t len; (len = getline(&line, &cap, stdin)) > 0;) {
		render(line, (size_t)len);
	}
	free(line);
	return 0;
}
