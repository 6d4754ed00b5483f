/* The scanner: bytes to tokens, with indentation. */
#include "starlark/syntax_internal.h"

#include "starlark/bigint.h"
#include "starlark/run_internal.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const token_texts[] = {
#define KT_TOKEN_TEXT(name, text) text,
	KT_TOKENS(KT_TOKEN_TEXT)
#undef KT_TOKEN_TEXT
};

const char *kt_token_text(kt_token tok)
{
	return token_texts[tok];
}

void kt_scanner_init(kt_scanner *self, kt_sthread *t, const char *file, const char *src, size_t len)
{
	*self = (kt_scanner){
		.t = t,
		.file = file,
		.at = src,
		.end = src + len,
		.pos = {1, 1},
		.line_start = true,
		.nindents = 1,
	};
}

void kt_scanner_error(kt_scanner *self, kt_spos pos, const char *fmt, ...)
{
	kt_arena *texts = &self->t->star->texts;
	kt_star_diag *diag;
	char msg[512];
	va_list args;

	self->failed = true;
	if (self->t->failed) {
		return;
	}
	va_start(args, fmt);
	vsnprintf(msg, sizeof(msg), fmt, args);
	va_end(args);
	kt_error_set(self->t, KT_STAR_SYNTAX, msg, strlen(msg));
	diag = KT_ARENA_NEW(texts, kt_star_diag);
	if (diag == NULL) {
		self->t->err.kind = KT_STAR_NOMEM;
		return;
	}
	*diag = (kt_star_diag){
		{kt_arena_strdup(texts, self->file), pos.line, pos.col},
		self->t->err.msg,
	};
	self->t->err.diags = diag;
	self->t->err.ndiags = 1;
	self->t->captured = true;
}

/* The next byte, with all line ends as '\n'; 0 at the end (and for a NUL byte). */
static int peek(const kt_scanner *self)
{
	if (self->at >= self->end) {
		return 0;
	}
	return *self->at == '\r' ? '\n' : (unsigned char)*self->at;
}

static int peek_at(const kt_scanner *self, size_t n)
{
	return (size_t)(self->end - self->at) > n ? (unsigned char)self->at[n] : 0;
}

/* Moves past one code point. */
static void advance(kt_scanner *self)
{
	unsigned char c = (unsigned char)*self->at;
	size_t width = 1;

	if (c == '\r') {
		width = peek_at(self, 1) == '\n' ? 2 : 1;
		c = '\n';
	}
	if (c == '\n') {
		self->pos.line++;
		self->pos.col = 1;
	} else {
		if (c >= 0x80) {
			kt_utf8_decode(self->at, (size_t)(self->end - self->at), &width);
		}
		self->pos.col++;
	}
	self->at += width;
}

static bool at_end(const kt_scanner *self)
{
	return self->at >= self->end;
}

/* Between tokens a NUL byte is the end, too. */
static bool at_stop(const kt_scanner *self)
{
	return at_end(self) || *self->at == '\0';
}

static bool is_ident_start(const kt_scanner *self)
{
	int c = peek(self);
	size_t width;

	if (c < 0x80) {
		return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
	}
	return kt_rune_is_letter(kt_utf8_decode(self->at, (size_t)(self->end - self->at), &width));
}

static bool is_ident(const kt_scanner *self)
{
	int c = peek(self);

	return (c >= '0' && c <= '9') || is_ident_start(self);
}

static const struct {
	const char *text;
	kt_token tok;
} keywords[] = {
	{"and", KT_TOK_AND},
	{"break", KT_TOK_BREAK},
	{"continue", KT_TOK_CONTINUE},
	{"def", KT_TOK_DEF},
	{"elif", KT_TOK_ELIF},
	{"else", KT_TOK_ELSE},
	{"for", KT_TOK_FOR},
	{"if", KT_TOK_IF},
	{"in", KT_TOK_IN},
	{"lambda", KT_TOK_LAMBDA},
	{"load", KT_TOK_LOAD},
	{"not", KT_TOK_NOT},
	{"or", KT_TOK_OR},
	{"pass", KT_TOK_PASS},
	{"return", KT_TOK_RETURN},
	{"while", KT_TOK_WHILE},
	/* reserved for what other languages mean by them */
	{"as", KT_TOK_ILLEGAL},
	{"class", KT_TOK_ILLEGAL},
	{"del", KT_TOK_ILLEGAL},
	{"except", KT_TOK_ILLEGAL},
	{"finally", KT_TOK_ILLEGAL},
	{"from", KT_TOK_ILLEGAL},
	{"global", KT_TOK_ILLEGAL},
	{"import", KT_TOK_ILLEGAL},
	{"is", KT_TOK_ILLEGAL},
	{"nonlocal", KT_TOK_ILLEGAL},
	{"raise", KT_TOK_ILLEGAL},
	{"try", KT_TOK_ILLEGAL},
	{"with", KT_TOK_ILLEGAL},
	{"yield", KT_TOK_ILLEGAL},
};

static kt_token scan_ident(kt_scanner *self)
{
	const char *begin = self->at;
	size_t len;

	while (!at_end(self) && is_ident(self)) {
		advance(self);
	}
	len = (size_t)(self->at - begin);
	if (len >= 2 && len <= 8) {
		for (size_t i = 0; i < KT_ARRAY_LEN(keywords); i++) {
			if (keywords[i].text[0] == begin[0] &&
			    strncmp(keywords[i].text, begin, len) == 0 &&
			    keywords[i].text[len] == '\0') {
				return keywords[i].tok;
			}
		}
	}
	self->value = kt_string_intern(self->t, begin, len);
	if (self->value == KT_NULL) {
		self->failed = true;
		return KT_TOK_ILLEGAL;
	}
	return KT_TOK_IDENT;
}

/* ---- numbers ----------------------------------------------------------------- */

static bool is_digit_of(int c, int base)
{
	if (c >= '0' && c <= '9') {
		return c - '0' < base;
	}
	return base == 16 && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'));
}

static void skip_digits(kt_scanner *self, int base)
{
	while (is_digit_of(peek(self), base)) {
		advance(self);
	}
}

/* Numbers are reported where they end. */
static kt_token number_error(kt_scanner *self, const char *msg)
{
	kt_scanner_error(self, self->pos, "%s", msg);
	return KT_TOK_ILLEGAL;
}

static kt_token int_token(kt_scanner *self, const char *digits, size_t len, int base)
{
	self->value = kt_int_parse(self->t, digits, len, base, false);
	if (self->value == KT_NULL) {
		return number_error(self, "invalid int literal");
	}
	return KT_TOK_INT;
}

static kt_token scan_prefixed_int(kt_scanner *self, int base, const char *msg)
{
	const char *digits;

	advance(self);
	advance(self);
	digits = self->at;
	skip_digits(self, base);
	if (self->at == digits) {
		kt_scanner_error(self, base == 16 ? self->start : self->pos, "%s", msg);
		return KT_TOK_ILLEGAL;
	}
	return int_token(self, digits, (size_t)(self->at - digits), base);
}

static kt_token float_token(kt_scanner *self, const char *begin)
{
	double d;
	kt_num_result result = kt_num_parse_float(begin, (size_t)(self->at - begin), &d);

	if (result == KT_NUM_NOMEM) {
		kt_star_raise_nomem(self->t);
	}
	if (result != KT_NUM_OK) {
		return number_error(self, "invalid float literal");
	}
	self->value = kt_float_new(self->t, d);
	return self->value == KT_NULL ? number_error(self, "out of memory") : KT_TOK_FLOAT;
}

static kt_token scan_number(kt_scanner *self)
{
	const char *begin = self->at;
	int second = peek_at(self, 1);
	bool fraction = false;
	size_t len;

	if (*begin == '0' && (second == 'x' || second == 'X')) {
		return scan_prefixed_int(self, 16, "invalid hex literal");
	}
	if (*begin == '0' && (second == 'o' || second == 'O')) {
		return scan_prefixed_int(self, 8, "invalid octal literal");
	}
	if (*begin == '0' && (second == 'b' || second == 'B')) {
		return scan_prefixed_int(self, 2, "invalid binary literal");
	}
	skip_digits(self, 10);
	len = (size_t)(self->at - begin);
	if (peek(self) == '.') {
		fraction = true;
		advance(self);
		skip_digits(self, 10);
	}
	if (peek(self) == 'e' || peek(self) == 'E') {
		fraction = true;
		advance(self);
		if (peek(self) == '+' || peek(self) == '-') {
			advance(self);
		}
		if (!is_digit_of(peek(self), 10)) {
			return number_error(self, "invalid float literal");
		}
		skip_digits(self, 10);
	}
	if (fraction) {
		return float_token(self, begin);
	}
	char largest = '0';
	for (size_t i = 0; i < len; i++) {
		largest = KT_MAX(largest, begin[i]);
	}
	if (*begin == '0' && largest > '7') {
		kt_scanner_error(self, self->start, "invalid int literal");
		return KT_TOK_ILLEGAL;
	}
	if (*begin == '0' && largest > '0') {
		kt_scanner_error(self, self->pos, "obsolete form of octal literal; use 0o%.*s",
				 (int)(len - 1), begin + 1);
		return KT_TOK_ILLEGAL;
	}
	return int_token(self, begin, len, 10);
}

/* ---- strings ----------------------------------------------------------------- */

/* Moves past a literal whose quote is next; the prefix has been passed. */
static kt_token scan_string(kt_scanner *self, bool bytes)
{
	int quote = peek(self);
	bool triple = peek_at(self, 1) == quote && peek_at(self, 2) == quote;
	int run = 0;

	advance(self);
	if (triple) {
		advance(self);
		advance(self);
	}
	for (;;) {
		int c;

		if (at_end(self)) {
			kt_scanner_error(self, self->start, "unexpected EOF in string");
			return KT_TOK_ILLEGAL;
		}
		c = peek(self);
		if (c == '\n' && !triple) {
			kt_scanner_error(self, self->start, "unexpected newline in string");
			return KT_TOK_ILLEGAL;
		}
		advance(self);
		if (c == quote) {
			run++;
			if (!triple || run == 3) {
				break;
			}
			continue;
		}
		run = 0;
		if (c == '\\') {
			if (at_end(self)) {
				kt_scanner_error(self, self->start, "unexpected EOF in string");
				return KT_TOK_ILLEGAL;
			}
			advance(self);
		}
	}
	self->value = kt_unquote(self, self->raw, (size_t)(self->at - self->raw));
	if (self->value == KT_NULL) {
		self->failed = true;
		return KT_TOK_ILLEGAL;
	}
	return bytes ? KT_TOK_BYTES : KT_TOK_STRING;
}

/* Length of the prefix if a string literal starts here, else -1. */
static int string_prefix(const kt_scanner *self, bool *ret_bytes)
{
	int n = 0;

	*ret_bytes = false;
	if (peek_at(self, (size_t)n) == 'r') {
		n++;
	}
	if (peek_at(self, (size_t)n) == 'b') {
		n++;
		*ret_bytes = true;
	}
	return peek_at(self, (size_t)n) == '"' || peek_at(self, (size_t)n) == '\'' ? n : -1;
}

/* ---- lines ------------------------------------------------------------------- */

static void skip_comment(kt_scanner *self)
{
	while (!at_stop(self) && peek(self) != '\n') {
		advance(self);
	}
}

/*
 * At the start of a line: measures its indentation, passing blank lines, and notes the
 * indents or outdents to be emitted.
 */
static void start_line(kt_scanner *self)
{
	int32_t col = 0;

	self->line_start = false;
	for (;;) {
		int c = peek(self);

		if (at_stop(self)) {
			col = 0;
			break;
		}
		if (c == ' ') {
			col++;
			advance(self);
		} else if (c == '\t') {
			/* By characters, not by what a tab before it was worth: two make 15. */
			col += 8 - (self->pos.col - 1) % 8;
			advance(self);
		} else if (c == '#') {
			skip_comment(self);
		} else if (c == '\n') {
			col = 0;
			advance(self);
		} else {
			break;
		}
	}
	if (self->depth > 0) {
		return;
	}
	if (col > self->indents[self->nindents - 1]) {
		if (self->nindents == KT_MAX_INDENTS) {
			kt_scanner_error(self, self->pos, "too many levels of indentation");
			return;
		}
		self->indents[self->nindents++] = col;
		self->outdents = -1;
		return;
	}
	while (col < self->indents[self->nindents - 1]) {
		self->nindents--;
		self->outdents++;
	}
	if (col != self->indents[self->nindents - 1]) {
		kt_scanner_error(self, self->pos,
				 "unindent does not match any outer indentation level");
	}
}

/* Passes spaces, comments and joined lines inside a line. False on an error. */
static bool skip_blanks(kt_scanner *self)
{
	for (;;) {
		int c = peek(self);

		if (at_stop(self)) {
			return true;
		}
		if (c == ' ' || c == '\t') {
			advance(self);
		} else if (c == '\n' && self->depth > 0) {
			advance(self);
			self->fresh_line = true;
		} else if (c == '#') {
			skip_comment(self);
		} else if (c == '\\') {
			int next = peek_at(self, 1);

			if (next != '\n' && next != '\r') {
				advance(self);
				kt_scanner_error(self, self->pos, "stray backslash in program");
				return false;
			}
			advance(self);
			advance(self);
		} else {
			return true;
		}
	}
}

static const struct {
	const char *text;
	kt_token tok;
} punctuation[] = {
	/* longer ones first */
	{"//=", KT_TOK_SLASHSLASH_EQ}, {"<<=", KT_TOK_LTLT_EQ},	 {">>=", KT_TOK_GTGT_EQ},
	{"+=", KT_TOK_PLUS_EQ},	       {"-=", KT_TOK_MINUS_EQ},	 {"*=", KT_TOK_STAR_EQ},
	{"/=", KT_TOK_SLASH_EQ},       {"%=", KT_TOK_PERCENT_EQ}, {"&=", KT_TOK_AMP_EQ},
	{"|=", KT_TOK_PIPE_EQ},	       {"^=", KT_TOK_CARET_EQ},	 {"//", KT_TOK_SLASHSLASH},
	{"<<", KT_TOK_LTLT},	       {">>", KT_TOK_GTGT},	 {"**", KT_TOK_STARSTAR},
	{"<=", KT_TOK_LE},	       {">=", KT_TOK_GE},	 {"==", KT_TOK_EQL},
	{"!=", KT_TOK_NEQ},	       {"+", KT_TOK_PLUS},	 {"-", KT_TOK_MINUS},
	{"*", KT_TOK_STAR},	       {"/", KT_TOK_SLASH},	 {"%", KT_TOK_PERCENT},
	{"&", KT_TOK_AMP},	       {"|", KT_TOK_PIPE},	 {"^", KT_TOK_CARET},
	{"~", KT_TOK_TILDE},	       {".", KT_TOK_DOT},	 {",", KT_TOK_COMMA},
	{"=", KT_TOK_EQ},	       {";", KT_TOK_SEMI},	 {":", KT_TOK_COLON},
	{"(", KT_TOK_LPAREN},	       {")", KT_TOK_RPAREN},	 {"[", KT_TOK_LBRACK},
	{"]", KT_TOK_RBRACK},	       {"{", KT_TOK_LBRACE},	 {"}", KT_TOK_RBRACE},
	{"<", KT_TOK_LT},	       {">", KT_TOK_GT},
};

static kt_token bad_char(kt_scanner *self)
{
	size_t width = 1;
	uint32_t rune = kt_utf8_decode(self->at, (size_t)(self->end - self->at), &width);
	char text[16];

	if (kt_rune_is_print(rune)) {
		text[kt_utf8_encode(rune, text)] = '\0';
	} else {
		snprintf(text, sizeof(text),
			 rune < 0x80	  ? "\\x%02x"
			 : rune < 0x10000 ? "\\u%04x"
					  : "\\U%08x",
			 rune);
	}
	kt_scanner_error(self, self->pos, "unexpected input character '%s'", text);
	return KT_TOK_ILLEGAL;
}

static kt_token scan_punctuation(kt_scanner *self)
{
	size_t left = (size_t)(self->end - self->at);

	for (size_t i = 0; i < KT_ARRAY_LEN(punctuation); i++) {
		const char *text = punctuation[i].text;
		size_t len = strlen(text);
		kt_token tok = punctuation[i].tok;

		if (left < len || memcmp(self->at, text, len) != 0) {
			continue;
		}
		if (tok == KT_TOK_LPAREN || tok == KT_TOK_LBRACK || tok == KT_TOK_LBRACE) {
			self->depth++;
		} else if (tok == KT_TOK_RPAREN || tok == KT_TOK_RBRACK || tok == KT_TOK_RBRACE) {
			if (self->depth == 0) {
				kt_scanner_error(self, self->pos, "unexpected '%s'", text);
				return KT_TOK_ILLEGAL;
			}
			self->depth--;
		}
		self->at += len;
		self->pos.col += (int32_t)len;
		return tok;
	}
	return bad_char(self);
}

/* The last line of a block may lack its newline; all blocks end here. */
static kt_token scan_end(kt_scanner *self)
{
	if (self->nindents == 1) {
		return KT_TOK_EOF;
	}
	if (!self->fresh_line) {
		self->line_start = true;
		return KT_TOK_NEWLINE;
	}
	self->outdents = self->nindents - 2;
	self->nindents = 1;
	return KT_TOK_OUTDENT;
}

static kt_token scan_token(kt_scanner *self)
{
	bool bytes;
	int prefix;
	int c = peek(self);

	if (at_stop(self)) {
		return scan_end(self);
	}
	if (c == '\n') {
		advance(self);
		self->line_start = true;
		return KT_TOK_NEWLINE;
	}
	prefix = string_prefix(self, &bytes);
	if (prefix >= 0) {
		while (prefix-- > 0) {
			advance(self);
		}
		return scan_string(self, bytes);
	}
	if (is_ident_start(self)) {
		return scan_ident(self);
	}
	if (is_digit_of(c, 10) || (c == '.' && is_digit_of(peek_at(self, 1), 10))) {
		return scan_number(self);
	}
	return scan_punctuation(self);
}

static kt_token next_token(kt_scanner *self)
{
	kt_token tok;

	if (self->line_start) {
		start_line(self);
	}
	if (self->failed) {
		return KT_TOK_ILLEGAL;
	}
	if (self->outdents == 0 && !skip_blanks(self)) {
		return KT_TOK_ILLEGAL;
	}
	self->start = self->pos;
	self->raw = self->at;
	if (self->outdents < 0) {
		self->outdents++;
		return KT_TOK_INDENT;
	}
	if (self->outdents > 0) {
		self->outdents--;
		return KT_TOK_OUTDENT;
	}
	tok = scan_token(self);
	self->fresh_line = false;
	return tok;
}

kt_token kt_scanner_next(kt_scanner *self)
{
	kt_token tok;

	if (self->failed) {
		return KT_TOK_ILLEGAL;
	}
	tok = next_token(self);
	self->raw_len = (size_t)(self->at - self->raw);
	return tok;
}
