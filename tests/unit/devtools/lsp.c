/* A scripted client: messages in, answers out, over the handler and over two descriptors. */
#include "devtools/lsp.h"

#include "base/json.h"
#include "scratch.h"

#include <unistd.h>

typedef struct client {
	kt_lsp *server;
	kt_buf out;
	char *uri;
} client;

/* The next message of the server, taken off the buffer; NULL when there is none. */
static json_t *next(kt_buf *out)
{
	unsigned long len;
	if (out->len == 0) {
		return NULL;
	}
	assert_int_equal(sscanf(out->data, "Content-Length: %lu\r\n\r\n", &len), 1);
	size_t header = (size_t)(strstr(out->data, "\r\n\r\n") + 4 - out->data);
	assert_true(out->len >= header + len);
	json_t *message = kt_json_parse(out->data + header, len, "answer", NULL);
	assert_non_null(message);
	kt_buf_consume(out, header + len);
	return message;
}

/* Sends a message (which is taken) and gives the one answer, or NULL. */
static json_t *say(client *c, json_t *message)
{
	KT_AUTO_FREE char *text = kt_json_text(message, 0);
	assert_non_null(text);
	json_decref(message);
	assert_int_equal(kt_lsp_handle(c->server, text, strlen(text), &c->out, NULL), 0);
	json_t *answer = next(&c->out);
	assert_int_equal(c->out.len, 0);
	return answer;
}

static json_t *ask(client *c, const char *method, json_t *params)
{
	return say(c, json_pack("{s:s, s:i, s:s, s:o}", "jsonrpc", "2.0", "id", 7, "method", method,
				"params", params));
}

static json_t *ask_at(client *c, const char *method, int line, int character)
{
	return ask(c, method, json_pack("{s:{s:s}, s:{s:i, s:i}}", "textDocument", "uri", c->uri,
					"position", "line", line, "character", character));
}

/* Opens main.star with this text; gives the diagnostics. */
static json_t *open_text(client *c, const char *text)
{
	return say(c, json_pack("{s:s, s:{s:{s:s, s:s}}}", "method", "textDocument/didOpen",
				"params", "textDocument", "uri", c->uri, "text", text));
}

static client connect_to(const scratch *s)
{
	client c = {.server = kt_lsp_new(NULL)};
	assert_non_null(c.server);
	scratch_write(s, "main.star", "");
	scratch_write(s, "lib.star", "def price(x): return x\n");
	c.uri = kt_asprintf("file://%s/%%6Dain.star", s->dir);
	KT_AUTO_JSON json_t *early = ask_at(&c, "textDocument/hover", 0, 0);
	assert_int_equal(kt_json_int(json_object_get(early, "error"), "code", 0), -32002);
	KT_AUTO_JSON json_t *hello = ask(&c, "initialize", json_object());
	json_t *can = json_object_get(json_object_get(hello, "result"), "capabilities");
	assert_true(kt_json_bool(can, "hoverProvider", false));
	return c;
}

static void hang_up(client *c)
{
	KT_AUTO_JSON json_t *bye = ask(c, "shutdown", json_object());
	assert_true(json_is_null(json_object_get(bye, "result")));
	static const char leave[] = "{\"method\": \"exit\"}";
	assert_int_equal(kt_lsp_handle(c->server, leave, strlen(leave), &c->out, NULL), 1);
	kt_lsp_free(c->server);
	kt_buf_deinit(&c->out);
	kt_free(c->uri);
}

static json_t *first_diagnostic(json_t *message, size_t want_n)
{
	json_t *list = json_object_get(json_object_get(message, "params"), "diagnostics");
	assert_string_equal(kt_json_str(message, "method", ""), "textDocument/publishDiagnostics");
	assert_int_equal(json_array_size(list), want_n);
	return json_array_get(list, 0);
}

static void test_diagnostics(void **state)
{
	client c = connect_to(*state);
	/* Columns count UTF-16 units: the emoji is two, the umlaut one. */
	KT_AUTO_JSON json_t *said = open_text(&c, "s = '\xF0\x9F\x8D\x9E\xC3\xA4' + bread\n");
	json_t *d = first_diagnostic(said, 1);
	assert_string_equal(kt_json_str(d, "message", ""), "undefined: bread");
	json_t *range = json_object_get(d, "range");
	assert_int_equal(kt_json_int(json_object_get(range, "start"), "character", 0), 12);
	assert_int_equal(kt_json_int(json_object_get(range, "end"), "character", 0), 17);
	KT_AUTO_JSON json_t *better =
		say(&c, json_pack("{s:s, s:{s:{s:s}, s:[{s:s}]}}", "method",
				  "textDocument/didChange", "params", "textDocument", "uri", c.uri,
				  "contentChanges", "text", "lib = import_module('lib.star')\n"
							    "x = lib.price(1, 2)\n"));
	assert_non_null(strstr(kt_json_str(first_diagnostic(better, 1), "message", ""),
			       "takes at most 1 positional"));
	KT_AUTO_JSON json_t *closed =
		say(&c, json_pack("{s:s, s:{s:{s:s}}}", "method", "textDocument/didClose", "params",
				  "textDocument", "uri", c.uri));
	first_diagnostic(closed, 0);
	hang_up(&c);
}

static bool offers(json_t *answer, const char *label)
{
	json_t *list = json_object_get(answer, "result");
	for (size_t i = 0; i < json_array_size(list); i++) {
		if (kt_str_eq(kt_json_str(json_array_get(list, i), "label", ""), label)) {
			return true;
		}
	}
	return false;
}

static void test_completion(void **state)
{
	client c = connect_to(*state);
	json_decref(open_text(&c, "def run(plan):\n    plan.\n    Serv\n    plan.exec(re)\n"
				  "    # plan.\n    '''\nplan.'''\n    json.\n"));
	KT_AUTO_JSON json_t *members = ask_at(&c, "textDocument/completion", 1, 9);
	assert_true(offers(members, "add_service"));
	assert_true(offers(members, "run_sh"));
	assert_false(offers(members, "ServiceConfig"));
	KT_AUTO_JSON json_t *types = ask_at(&c, "textDocument/completion", 2, 8);
	assert_true(offers(types, "ServiceConfig"));
	assert_true(offers(types, "import_module"));
	assert_false(offers(types, "add_service"));
	KT_AUTO_JSON json_t *keywords = ask_at(&c, "textDocument/completion", 3, 16);
	assert_true(offers(keywords, "recipe="));
	assert_true(offers(keywords, "ExecRecipe"));
	for (int line = 4; line <= 7; line++) {
		if (line != 5) {
			KT_AUTO_JSON json_t *none =
				ask_at(&c, "textDocument/completion", line, line == 6 ? 5 : 10);
			assert_int_equal(json_array_size(json_object_get(none, "result")), 0);
		}
	}
	hang_up(&c);
}

static const char *hover_text(json_t *answer)
{
	json_t *contents = json_object_get(json_object_get(answer, "result"), "contents");
	return kt_json_str(contents, "value", "");
}

static void test_hover_and_signature(void **state)
{
	client c = connect_to(*state);
	json_decref(open_text(&c, "def run(plan):\n    plan.add_service('a, (', config = x(1, [2, 3]),\n"
				  "        force_update = True)\n    y.add_service()\n"));
	KT_AUTO_JSON json_t *instruction = ask_at(&c, "textDocument/hover", 1, 12);
	assert_non_null(strstr(hover_text(instruction), "add_service(name: string, config: "
							"ServiceConfig, force_update: bool = False"));
	KT_AUTO_JSON json_t *keyword = ask_at(&c, "textDocument/hover", 1, 30);
	assert_true(kt_str_starts(hover_text(keyword), "- `config` (ServiceConfig, required)"));
	KT_AUTO_JSON json_t *other = ask_at(&c, "textDocument/hover", 3, 8);
	assert_true(json_is_null(json_object_get(other, "result")));
	static const struct {
		int line, character, active;
	} cases[] = {{1, 21, 0}, {1, 29, 1}, {2, 8, 2}, {2, 25, 2}};
	for (size_t i = 0; i < KT_ARRAY_LEN(cases); i++) {
		KT_AUTO_JSON json_t *help = ask_at(&c, "textDocument/signatureHelp", cases[i].line,
						   cases[i].character);
		json_t *result = json_object_get(help, "result");
		assert_int_equal(kt_json_int(result, "activeParameter", -1), cases[i].active);
		json_t *signature = json_array_get(json_object_get(result, "signatures"), 0);
		assert_true(kt_str_starts(kt_json_str(signature, "label", ""), "add_service("));
	}
	KT_AUTO_JSON json_t *inside = ask_at(&c, "textDocument/signatureHelp", 1, 41);
	assert_true(json_is_null(json_object_get(inside, "result")));
	hang_up(&c);
}

static void test_symbols_and_errors(void **state)
{
	client c = connect_to(*state);
	json_decref(open_text(&c, "rate = 3\ndef run(plan):\n    x = 1\n"));
	KT_AUTO_JSON json_t *symbols = ask_at(&c, "textDocument/documentSymbol", 0, 0);
	json_t *list = json_object_get(symbols, "result");
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(kt_json_str(json_array_get(list, 0), "name", ""), "rate");
	assert_string_equal(kt_json_str(json_array_get(list, 1), "name", ""), "run");
	KT_AUTO_JSON json_t *unknown = ask(&c, "textDocument/dance", json_object());
	assert_int_equal(kt_json_int(json_object_get(unknown, "error"), "code", 0), -32601);
	assert_int_equal(kt_lsp_handle(c.server, "{", 1, &c.out, NULL), 0);
	KT_AUTO_JSON json_t *broken = next(&c.out);
	assert_int_equal(kt_json_int(json_object_get(broken, "error"), "code", 0), -32700);
	hang_up(&c);
}

/* Feeds a server all of `input` and gives what it says. */
static int serve(const char *input, kt_buf *out)
{
	int to[2], from[2];
	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	assert_int_equal(write(to[1], input, strlen(input)), strlen(input));
	close(to[1]);
	int rc = kt_lsp_serve(to[0], from[1], NULL);
	close(from[1]);
	close(to[0]);
	char buf[4096];
	ssize_t n;
	while ((n = read(from[0], buf, sizeof(buf))) > 0) {
		kt_buf_add(out, buf, (size_t)n);
	}
	close(from[0]);
	return rc;
}

static void test_serving(void **state)
{
	(void)state;
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	assert_int_equal(serve("Content-Length: 58\r\nContent-Type: x\r\n\r\n"
			       "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{}}"
			       "content-length: 31\r\n\r\n{\"id\": 2, \"method\":\"shutdown\"} "
			       "Content-Length: 17\r\n\r\n{\"method\":\"exit\"}",
			       &out),
			 0);
	KT_AUTO_JSON json_t *hello = next(&out);
	assert_int_equal(kt_json_int(hello, "id", 0), 1);
	KT_AUTO_JSON json_t *bye = next(&out);
	assert_int_equal(kt_json_int(bye, "id", 0), 2);
	assert_int_equal(out.len, 0);
	assert_int_equal(serve("Content-Length: 17\r\n\r\n{\"method\":\"exit\"}", &out), -1);
	assert_int_equal(serve("Content-Length: x\r\n\r\n", &out), -1);
	assert_int_equal(serve("Content-Length: 99999999999\r\n\r\n", &out), -1);
	assert_int_equal(serve("no header\r\n\r\n", &out), -1);
	assert_int_equal(serve("", &out), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_diagnostics, scratch_open, scratch_close),
		cmocka_unit_test_setup_teardown(test_completion, scratch_open, scratch_close),
		cmocka_unit_test_setup_teardown(test_hover_and_signature, scratch_open,
						scratch_close),
		cmocka_unit_test_setup_teardown(test_symbols_and_errors, scratch_open,
						scratch_close),
		cmocka_unit_test(test_serving),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
