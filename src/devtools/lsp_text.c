/* Places in a text: the protocol counts UTF-16 units, the language code points, we bytes. */
#include "devtools/lsp_internal.h"

#include "base/str.h"

#include <ctype.h>
#include <string.h>

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Bytes of the code point at p, without passing the end. */
static size_t step(const lsp_doc *doc, size_t at)
{
	size_t n = 1;
	while (at + n < doc->len && ((unsigned char)doc->text[at + n] & 0xC0) == 0x80) {
		n++;
	}
	return n;
}

static int64_t units(size_t bytes)
{
	return bytes >= 4 ? 2 : 1;
}

static size_t line_start(const lsp_doc *doc, int64_t line)
{
	size_t at = 0;
	for (; line > 0; line--) {
		const char *newline = memchr(doc->text + at, '\n', doc->len - at);
		if (newline == NULL) {
			return doc->len;
		}
		at = (size_t)(newline - doc->text) + 1;
	}
	return at;
}

size_t lsp_offset(const lsp_doc *doc, int64_t line, int64_t column)
{
	size_t at = line_start(doc, line);
	while (column > 0 && at < doc->len && doc->text[at] != '\n') {
		size_t bytes = step(doc, at);
		column -= units(bytes);
		at += bytes;
	}
	return at;
}

static json_t *position(int64_t line, int64_t character)
{
	return json_pack("{s:I, s:I}", "line", (json_int_t)line, "character",
			 (json_int_t)character);
}

/* Goes to a code point of a line; *ret_units = the UTF-16 units before it. */
static size_t seek(const lsp_doc *doc, int line, int col, int64_t *ret_units)
{
	size_t at = line_start(doc, line > 0 ? line - 1 : 0);
	*ret_units = 0;
	for (; col > 1 && at < doc->len && doc->text[at] != '\n'; col--) {
		size_t bytes = step(doc, at);
		*ret_units += units(bytes);
		at += bytes;
	}
	return at;
}

json_t *lsp_position(const lsp_doc *doc, int line, int col)
{
	int64_t before;
	seek(doc, line, col, &before);
	return position(line > 0 ? line - 1 : 0, before);
}

json_t *lsp_range(const lsp_doc *doc, int line, int col)
{
	int64_t before;
	size_t at = seek(doc, line, col, &before);
	size_t end = at;
	while (end < doc->len && is_name(doc->text[end])) {
		end++;
	}
	int64_t width = (int64_t)(end - at);
	if (end == at && at < doc->len && doc->text[at] != '\n') {
		width = 1;
	}
	return json_pack("{s:o, s:o}", "start", lsp_position(doc, line, col), "end",
			 position(line > 0 ? line - 1 : 0, before + width));
}

lsp_name lsp_name_at(const lsp_doc *doc, size_t offset)
{
	lsp_name ret = {.start = offset, .end = offset};
	while (ret.start > 0 && is_name(doc->text[ret.start - 1])) {
		ret.start--;
	}
	while (ret.end < doc->len && is_name(doc->text[ret.end])) {
		ret.end++;
	}
	size_t to = ret.start;
	if (to == 0 || doc->text[to - 1] != '.') {
		return ret;
	}
	size_t from = --to;
	while (from > 0 && is_name(doc->text[from - 1])) {
		from--;
	}
	if (to - from < sizeof(ret.receiver)) {
		memcpy(ret.receiver, doc->text + from, to - from);
		ret.receiver[to - from] = '\0';
	}
	return ret;
}

/* --- calls ---------------------------------------------------------------- */

enum { MAX_OPEN = 128 };

typedef struct bracket {
	size_t at; /* of the bracket */
	size_t commas, arg;
	bool call;
} bracket;

/* Behind a string literal that begins at `at` with a quote; the text's end if it is open. */
static size_t skip_string(const lsp_doc *doc, size_t at, size_t end)
{
	char quote = doc->text[at];
	bool triple = at + 2 < end && doc->text[at + 1] == quote && doc->text[at + 2] == quote;
	size_t p = at + (triple ? 3 : 1);
	for (; p < end; p++) {
		if (doc->text[p] == '\\') {
			p++;
		} else if (doc->text[p] == quote &&
			   (!triple || (p + 2 < doc->len && doc->text[p + 1] == quote &&
					doc->text[p + 2] == quote))) {
			return p + (triple ? 3 : 1);
		} else if (doc->text[p] == '\n' && !triple) {
			return p;
		}
	}
	return end + 1;
}

static bool opens_call(const lsp_doc *doc, size_t at)
{
	return doc->text[at] == '(' && at > 0 && is_name(doc->text[at - 1]);
}

lsp_call lsp_call_at(const lsp_doc *doc, size_t offset)
{
	bracket open[MAX_OPEN];
	size_t depth = 0;
	lsp_call ret = {0};
	for (size_t at = 0; at < offset; at++) {
		char c = doc->text[at];
		if (c == '"' || c == '\'') {
			at = skip_string(doc, at, offset) - 1;
			ret.in_text = at >= offset;
		} else if (c == '#') {
			const char *newline = memchr(doc->text + at, '\n', doc->len - at);
			at = newline == NULL ? doc->len : (size_t)(newline - doc->text);
			ret.in_text = at >= offset;
		} else if (c == '(' || c == '[' || c == '{') {
			if (depth == MAX_OPEN) {
				return ret;
			}
			open[depth++] = (bracket){at, 0, at + 1, opens_call(doc, at)};
		} else if ((c == ')' || c == ']' || c == '}') && depth > 0) {
			depth--;
		} else if (c == ',' && depth > 0) {
			open[depth - 1].commas++;
			open[depth - 1].arg = at + 1;
		}
	}
	if (depth > 0 && open[depth - 1].call) {
		const bracket *b = &open[depth - 1];
		ret.found = true;
		ret.name = b->at - 1;
		ret.commas = b->commas;
		ret.arg = b->arg;
	}
	return ret;
}
