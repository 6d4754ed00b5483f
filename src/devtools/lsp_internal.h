/* Shared by the sources of the language server. Not for other modules. */
#ifndef KT_DEVTOOLS_LSP_INTERNAL_H
#define KT_DEVTOOLS_LSP_INTERNAL_H

#include "base/json.h"
#include "devtools/lsp.h"

/* A document that the editor has open. */
typedef struct lsp_doc {
	char *path; /* on this machine, NULL = not a file */
	char *text;
	size_t len;
} lsp_doc;

/* --- places in a text (lsp_text.c) ---------------------------------------- */

/* The byte offset of a line and UTF-16 column, both from 0; clamped to the text. */
size_t lsp_offset(const lsp_doc *doc, int64_t line, int64_t column);
/* The UTF-16 column of the code point `col` (from 1) of `line` (from 1), as {line, character}. */
json_t *lsp_position(const lsp_doc *doc, int line, int col);
/* The name that begins there, or one character: as {start, end}. */
json_t *lsp_range(const lsp_doc *doc, int line, int col);

/* The name around an offset and what stands before it. */
typedef struct lsp_name {
	size_t start, end;
	char receiver[64]; /* of "receiver.name"; "" = none */
} lsp_name;
lsp_name lsp_name_at(const lsp_doc *doc, size_t offset);

/* The innermost call whose parentheses an offset is in. */
typedef struct lsp_call {
	bool found;
	bool in_text; /* the offset is in a string or comment */
	size_t name;  /* an offset within the name that is called */
	size_t commas;
	size_t arg; /* where the argument begins */
} lsp_call;
lsp_call lsp_call_at(const lsp_doc *doc, size_t offset);

/* --- answers (lsp_answer.c): new references; NULL = out of memory ------------ */

json_t *lsp_completion(const lsp_doc *doc, size_t offset);
json_t *lsp_hover(const lsp_doc *doc, size_t offset);
json_t *lsp_signature(const lsp_doc *doc, size_t offset);
json_t *lsp_symbols(const lsp_doc *doc);

#endif
