/*
 * The language server. A first byte of '{' gives the input as one message; otherwise bytes 1 to 4
 * are a position and the rest is a document, of which everything is asked there.
 */
#include "fuzz.h"

#include "base/alloc.h"
#include "base/json.h"
#include "devtools/lsp.h"

#include <string.h>

static void say(kt_lsp *server, json_t *message)
{
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	KT_AUTO_FREE char *text = message == NULL ? NULL : kt_json_text(message, 0);
	json_decref(message);
	if (text != NULL) {
		KT_ASSERT(kt_lsp_handle(server, text, strlen(text), &out, NULL) == 0);
		KT_ASSERT(out.len > 0);
	}
}

static void ask_everything(kt_lsp *server, const uint8_t *data, size_t len)
{
	static const char *const methods[] = {"textDocument/completion", "textDocument/hover",
					      "textDocument/signatureHelp",
					      "textDocument/documentSymbol"};
	say(server, json_pack("{s:i, s:s}", "id", 1, "method", "initialize"));
	json_t *text = json_stringn((const char *)data + 4, len - 4);
	if (text == NULL) {
		return; /* no UTF-8 */
	}
	say(server, json_pack("{s:s, s:{s:{s:s, s:o}}}", "method", "textDocument/didOpen", "params",
			      "textDocument", "uri", "untitled:1", "text", text));
	for (size_t i = 0; i < KT_ARRAY_LEN(methods); i++) {
		say(server, json_pack("{s:i, s:s, s:{s:{s:s}, s:{s:i, s:i}}}", "id", 2, "method",
				      methods[i], "params", "textDocument", "uri", "untitled:1",
				      "position", "line", data[1], "character",
				      data[2] + 256 * data[3]));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	kt_lsp *server = kt_lsp_new(NULL);
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	if (server != NULL && len > 0 && data[0] == '{') {
		kt_lsp_handle(server, (const char *)data, len, &out, NULL);
	} else if (server != NULL && len > 4) {
		ask_everything(server, data, len);
	}
	kt_lsp_free(server);
	return 0;
}
