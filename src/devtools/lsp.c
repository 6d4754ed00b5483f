/* The language server: messages, open documents, diagnostics. */
#include "devtools/lsp_internal.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/map.h"
#include "base/str.h"
#include "devtools/lint.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_MESSAGE ((size_t)64 * 1024 * 1024)

/* Codes of JSON-RPC. */
enum { PARSE_ERROR = -32700, NO_SUCH_METHOD = -32601, BAD_PARAMS = -32602, NOT_STARTED = -32002 };

struct kt_lsp {
	kt_map docs; /* uri -> lsp_doc * */
	bool initialized, shut_down;
};

static void doc_free(void *value)
{
	lsp_doc *doc = value;
	kt_free(doc->path);
	kt_free(doc->text);
	kt_free(doc);
}

kt_lsp *kt_lsp_new(kt_err *err)
{
	kt_lsp *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	self->docs.free_value = doc_free;
	return self;
}

void kt_lsp_free(kt_lsp *self)
{
	if (self != NULL) {
		kt_map_deinit(&self->docs);
		kt_free(self);
	}
}

/* --- sending -------------------------------------------------------------- */

/* Takes the message. A message that could not be built counts as memory shortage. */
static void send_message(kt_buf *out, json_t *message)
{
	json_object_set_new(message, "jsonrpc", json_string("2.0"));
	KT_AUTO_FREE char *text = message == NULL ? NULL : kt_json_text(message, 0);
	json_decref(message);
	if (text == NULL) {
		out->failed = true;
		return;
	}
	kt_buf_addf(out, "Content-Length: %zu\r\n\r\n", strlen(text));
	kt_buf_adds(out, text);
}

static void send_result(kt_buf *out, json_t *id, json_t *result)
{
	send_message(out, json_pack("{s:O, s:o}", "id", id, "result", result));
}

static void send_error(kt_buf *out, json_t *id, int code, const char *text)
{
	json_t *null = id == NULL ? json_null() : json_incref(id);
	send_message(out, json_pack("{s:o, s:{s:i, s:s}}", "id", null, "error", "code", code,
				    "message", text));
}

/* --- documents ------------------------------------------------------------ */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0'
	       : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
					    : -1;
}

/* The real path of a file: URI, or NULL. The caller frees (from malloc's heap, as kt_free does). */
static char *path_of(const char *uri)
{
	KT_AUTO_BUF kt_buf path = KT_BUF_INIT;
	if (!kt_str_starts(uri, "file:///")) {
		return NULL;
	}
	for (const char *p = uri + strlen("file://"); *p != '\0'; p++) {
		int high = *p == '%' ? hex_digit(p[1]) : -1;
		int low = high >= 0 ? hex_digit(p[2]) : -1;
		if (low >= 0) {
			kt_buf_addc(&path, (char)(high * 16 + low));
			p += 2;
		} else {
			kt_buf_addc(&path, *p);
		}
	}
	return realpath(kt_buf_str(&path), NULL);
}

static const char *uri_of(json_t *params)
{
	return kt_json_str(json_object_get(params, "textDocument"), "uri", NULL);
}

static void add_diagnostics(const lsp_doc *doc, json_t *list)
{
	KT_AUTO_LINT_PROBLEMS kt_lint_problems problems = {0};
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_lint_spec spec = {.path = doc->path,
			     .overlay_path = doc->path,
			     .overlay_text = doc->text,
			     .overlay_len = doc->len};
	if (doc->path == NULL || kt_lint(&spec, &problems, NULL, &err) < 0) {
		return; /* nothing is known about it; that is no fault of the document */
	}
	for (size_t i = 0; i < problems.len; i++) {
		const kt_lint_problem *p = &problems.items[i];
		json_array_append_new(
			list, json_pack("{s:o, s:i, s:s, s:s, s:s}", "range",
					lsp_range(doc, p->line, p->col), "severity",
					p->warning ? 2 : 1, "source", "kurtosis", "code", p->rule,
					"message", p->text));
	}
}

static void publish(const char *uri, const lsp_doc *doc, kt_buf *out)
{
	json_t *list = json_array();
	if (doc != NULL) {
		add_diagnostics(doc, list);
	}
	send_message(out, json_pack("{s:s, s:{s:s, s:o}}", "method",
				    "textDocument/publishDiagnostics", "params", "uri", uri,
				    "diagnostics", list));
}

static int set_text(kt_lsp *self, const char *uri, const char *text, kt_buf *out)
{
	lsp_doc *doc = kt_map_get(&self->docs, uri);
	if (doc == NULL) {
		doc = kt_calloc(1, sizeof(*doc));
		if (doc == NULL || kt_map_set(&self->docs, uri, doc) < 0) {
			kt_free(doc);
			return -1;
		}
		doc->path = path_of(uri);
	}
	char *copy = kt_strdup(text);
	if (copy == NULL) {
		return -1;
	}
	kt_free(doc->text);
	doc->text = copy;
	doc->len = strlen(copy);
	publish(uri, doc, out);
	return 0;
}

static int on_open(kt_lsp *self, json_t *params, kt_buf *out)
{
	const char *uri = uri_of(params);
	const char *text = kt_json_str(json_object_get(params, "textDocument"), "text", NULL);
	return uri == NULL || text == NULL ? 0 : set_text(self, uri, text, out);
}

static int on_change(kt_lsp *self, json_t *params, kt_buf *out)
{
	json_t *changes = json_object_get(params, "contentChanges");
	size_t n = json_array_size(changes);
	const char *uri = uri_of(params);
	const char *text =
		n == 0 ? NULL : kt_json_str(json_array_get(changes, n - 1), "text", NULL);
	return uri == NULL || text == NULL ? 0 : set_text(self, uri, text, out);
}

static int on_close(kt_lsp *self, json_t *params, kt_buf *out)
{
	const char *uri = uri_of(params);
	lsp_doc *doc = uri == NULL ? NULL : kt_map_take(&self->docs, uri);
	if (doc != NULL) {
		doc_free(doc);
		publish(uri, NULL, out);
	}
	return 0;
}

static int on_save(kt_lsp *self, json_t *params, kt_buf *out)
{
	const char *uri = uri_of(params);
	const lsp_doc *doc = uri == NULL ? NULL : kt_map_get(&self->docs, uri);
	if (doc != NULL) {
		publish(uri, doc, out);
	}
	return 0;
}

/* --- requests ------------------------------------------------------------- */

static json_t *capabilities(void)
{
	return json_pack("{s:{s:{s:b, s:i, s:b}, s:{s:[s]}, s:b, s:{s:[s, s]}, s:b}, s:{s:s, s:s}}",
			 "capabilities", "textDocumentSync", "openClose", 1, "change", 1, "save", 1,
			 "completionProvider", "triggerCharacters", ".", "hoverProvider", 1,
			 "signatureHelpProvider", "triggerCharacters", "(", ",",
			 "documentSymbolProvider", 1, "serverInfo", "name", "kurtosis", "version",
			 KT_VERSION);
}

typedef json_t *(*answer_fn)(const lsp_doc *doc, size_t offset);

static json_t *symbols_at(const lsp_doc *doc, size_t offset)
{
	(void)offset;
	return lsp_symbols(doc);
}

static void answer(kt_lsp *self, json_t *id, json_t *params, answer_fn fn, kt_buf *out)
{
	const char *uri = uri_of(params);
	const lsp_doc *doc = uri == NULL ? NULL : kt_map_get(&self->docs, uri);
	json_t *position = json_object_get(params, "position");
	if (doc == NULL) {
		send_error(out, id, BAD_PARAMS, "the document is not open");
		return;
	}
	size_t offset = lsp_offset(doc, kt_json_int(position, "line", 0),
				   kt_json_int(position, "character", 0));
	send_result(out, id, fn(doc, offset));
}

typedef struct request_row {
	const char *method;
	answer_fn fn;
} request_row;
static const request_row requests[] = {
	{"textDocument/completion", lsp_completion},
	{"textDocument/hover", lsp_hover},
	{"textDocument/signatureHelp", lsp_signature},
	{"textDocument/documentSymbol", symbols_at},
};

typedef struct notice_row {
	const char *method;
	int (*fn)(kt_lsp *self, json_t *params, kt_buf *out);
} notice_row;
static const notice_row notices[] = {
	{"textDocument/didOpen", on_open},
	{"textDocument/didChange", on_change},
	{"textDocument/didClose", on_close},
	{"textDocument/didSave", on_save},
};

static void on_request(kt_lsp *self, const char *method, json_t *id, json_t *params, kt_buf *out)
{
	if (kt_str_eq(method, "initialize")) {
		self->initialized = true;
		send_result(out, id, capabilities());
		return;
	}
	if (!self->initialized) {
		send_error(out, id, NOT_STARTED, "the client has not initialized the server");
		return;
	}
	if (kt_str_eq(method, "shutdown")) {
		self->shut_down = true;
		send_result(out, id, json_null());
		return;
	}
	for (size_t i = 0; i < KT_ARRAY_LEN(requests); i++) {
		if (kt_str_eq(requests[i].method, method)) {
			answer(self, id, params, requests[i].fn, out);
			return;
		}
	}
	send_error(out, id, NO_SUCH_METHOD, "this server has no such method");
}

int kt_lsp_handle(kt_lsp *self, const char *json, size_t len, kt_buf *out, kt_err *err)
{
	KT_AUTO_JSON json_t *message = kt_json_parse(json, len, "message", NULL);
	const char *method = kt_json_str(message, "method", NULL);
	json_t *id = json_object_get(message, "id");
	json_t *params = json_object_get(message, "params");
	if (message == NULL) {
		send_error(out, NULL, PARSE_ERROR, "the message is no JSON");
	} else if (kt_str_eq(method, "exit")) {
		return self->shut_down ? 1 : 2;
	} else if (method != NULL && id != NULL) {
		on_request(self, method, id, params, out);
	}
	for (size_t i = 0; method != NULL && id == NULL && i < KT_ARRAY_LEN(notices); i++) {
		if (kt_str_eq(notices[i].method, method) && self->initialized &&
		    notices[i].fn(self, params, out) < 0) {
			return kt_err_nomem(err);
		}
	}
	return kt_buf_check(out, err);
}

/* --- serving -------------------------------------------------------------- */

/*
 * The length of the message whose header begins the buffer: 1 and the sizes, 0 = the header is
 * not complete yet, -1 = it is none.
 */
static int read_header(const kt_buf *in, size_t *ret_header, size_t *ret_body, kt_err *err)
{
	static const char field[] = "content-length:";
	const char *text = kt_buf_str(in);
	const char *end = in->len == 0 ? NULL : memmem(text, in->len, "\r\n\r\n", 4);
	if (end == NULL) {
		return in->len > 4096 ? KT_FAIL(err, INVALID, "The client sent no message header")
				      : 0;
	}
	for (const char *line = text; line < end;) {
		const char *stop = memmem(line, (size_t)(end - line) + 2, "\r\n", 2);
		if (strncasecmp(line, field, sizeof(field) - 1) == 0) {
			char *rest;
			unsigned long n = strtoul(line + sizeof(field) - 1, &rest, 10);
			if (rest != stop || n > MAX_MESSAGE) {
				break;
			}
			*ret_header = (size_t)(end - text) + 4;
			*ret_body = n;
			return 1;
		}
		line = stop + 2;
	}
	return KT_FAIL(err, INVALID, "The client sent a message without a usable length");
}

/* Handles all whole messages of the buffer; as kt_lsp_handle. */
static int handle_all(kt_lsp *self, kt_buf *in, int out_fd, kt_err *err)
{
	size_t header = 0, body = 0;
	int rc;
	while ((rc = read_header(in, &header, &body, err)) > 0 && in->len >= header + body) {
		KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
		rc = kt_lsp_handle(self, in->data + header, body, &out, err);
		if (rc >= 0 && out.len > 0 &&
		    kt_fs_write_all(out_fd, out.data, out.len, err) < 0) {
			return -1;
		}
		if (rc != 0) {
			return rc;
		}
		kt_buf_consume(in, header + body);
	}
	return rc < 0 ? -1 : 0;
}

int kt_lsp_serve(int in, int out, kt_err *err)
{
	KT_AUTO_BUF kt_buf buf = KT_BUF_INIT;
	kt_lsp *self = kt_lsp_new(err);
	int rc = self == NULL ? -1 : 0;
	while (rc == 0) {
		char *room = kt_buf_reserve(&buf, 65536);
		if (room == NULL) {
			rc = kt_err_nomem(err);
			break;
		}
		ssize_t n = read(in, room, 65536);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			rc = n < 0 ? KT_FAIL_ERRNO(err, "Reading from the client failed")
				   : KT_FAIL(err, UNAVAILABLE, "The client went away without a word");
			break;
		}
		buf.len += (size_t)n;
		rc = handle_all(self, &buf, out, err);
	}
	if (rc == 2) {
		KT_FAIL(err, INVALID, "The client said exit without shutdown");
	}
	kt_lsp_free(self);
	return rc == 1 ? 0 : -1;
}
