/*
 * Rewriting of jq programs by their tokens. A full parse is not needed: strings (with
 * code inside "\(…)"), comments, brackets and the words if/elif/else/end are enough.
 */
#include "run/extract_internal.h"

#include "base/str.h"
#include "base/vec.h"

#include <ctype.h>

/*
 * Definitions in front of every program. Object keys of values made inside a program
 * (fromjson) are sorted as those of the input are.
 */
static const char prelude[] =
        "def _kt_sort: if type == \"object\" then . as $o | reduce keys[] as $k ({}; "
        ". + {($k): ($o[$k] | _kt_sort)}) elif type == \"array\" then map(_kt_sort) else . end; "
        "def _kt_fromjson: fromjson; def fromjson: _kt_fromjson | _kt_sort; "
        "def env: {}; def stderr: .; def debug(m): .; def input_filename: null; "
        "def input: error(\"input(s)/0 is not allowed\"); def inputs: input; "
        "def abs: if type == \"number\" and . < 0 then - . else . end; "
        "def toarray: if type == \"array\" then . else [.] end; "
        "def pick(f): . as $top | reduce path(f) as $p (null; "
        "setpath($p; $top | getpath($p))); "
        "def ltrim: sub(\"^\\\\s+\"; \"\"); def rtrim: sub(\"\\\\s+$\"; \"\"); "
        "def trim: ltrim | rtrim; "
        "def trimstr($s): ltrimstr($s) | rtrimstr($s); "
        "def skip($n; f): if $n <= 0 then f else foreach f as $x "
        "($n + 1; . - 1; if . <= 0 then $x else empty end) end; "
        "def add(f): reduce f as $x (null; . + $x); "
        "def have_literal_numbers: true; def have_decnum: false; "
        "def toboolean: if type == \"boolean\" then . elif . == \"true\" then true "
        "elif . == \"false\" then false "
        "else error(\"toboolean cannot be applied to: \" + tojson) end; "
        "{} as $ENV | (";

typedef enum frame_kind {
	FRAME_PAREN,
	FRAME_SQUARE,
	FRAME_CURLY,
	FRAME_STRING_CODE, /* "\( … )" */
	FRAME_IF,          /* seen no else yet */
	FRAME_ELSE,
} frame_kind;

typedef enum token {
	TOKEN_OTHER,
	TOKEN_OPERAND, /* a path may go on after it: name, string, closing bracket, '?' */
	TOKEN_KEYWORD,
	TOKEN_DOT,
} token;

typedef struct scanner {
	const char *at;
	kt_buf *out;
	KT_VEC(frame_kind) frames;
	token last;
	bool adjacent; /* nothing between the last token and here */
} scanner;

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static int push(scanner *s, frame_kind kind, kt_err *err)
{
	return kt_vec_push(&s->frames, kind) < 0 ? kt_err_nomem(err) : 0;
}

static bool top_is(const scanner *s, frame_kind kind)
{
	return s->frames.len > 0 && s->frames.items[s->frames.len - 1] == kind;
}

/* Copies a string up to its closing quote, or to the start of code inside it. */
static int copy_string(scanner *s, kt_err *err)
{
	for (; *s->at != '\0'; s->at++) {
		if (*s->at == '"') {
			kt_buf_addc(s->out, *s->at++);
			s->last = TOKEN_OPERAND;
			s->adjacent = true;
			return 0;
		}
		kt_buf_addc(s->out, *s->at);
		if (*s->at == '\\' && s->at[1] != '\0') {
			s->at++;
			kt_buf_addc(s->out, *s->at);
			if (*s->at == '(') {
				s->at++;
				s->last = TOKEN_OTHER;
				return push(s, FRAME_STRING_CODE, err);
			}
		}
	}
	return KT_FAIL(err, INVALID, "unterminated string literal");
}

static int take_word(scanner *s, kt_err *err)
{
	static const char *const keywords[] = {
	        "if",     "then",    "elif", "else",  "as",    "and",    "or",      "not",    "def",
	        "reduce", "foreach", "try",  "catch", "label", "import", "include", "__loc__"};
	char word[16] = "";
	size_t len = 0;
	bool plain = s->last != TOKEN_DOT || !s->adjacent;

	while (is_word(s->at[len])) {
		len++;
	}
	if (len < sizeof(word) && plain) {
		memcpy(word, s->at, len);
	}
	s->last = TOKEN_OPERAND;
	for (size_t i = 0; i < KT_ARRAY_LEN(keywords); i++) {
		if (strcmp(word, keywords[i]) == 0) {
			s->last = TOKEN_KEYWORD;
		}
	}
	if (strcmp(word, "import") == 0 || strcmp(word, "include") == 0) {
		return KT_FAIL(err, INVALID, "modules are not available: \"%s\"", word);
	}
	if (strcmp(word, "if") == 0 && push(s, FRAME_IF, err) < 0) {
		return -1;
	}
	if (strcmp(word, "else") == 0 && top_is(s, FRAME_IF)) {
		s->frames.items[s->frames.len - 1] = FRAME_ELSE;
	}
	if (strcmp(word, "end") == 0) {
		if (top_is(s, FRAME_IF)) {
			kt_buf_adds(s->out, "else . ");
		} else if (!top_is(s, FRAME_ELSE)) {
			return KT_FAIL(err, INVALID, "unexpected token \"end\"");
		}
		s->frames.len--;
	}
	kt_buf_add(s->out, s->at, len);
	s->at += len;
	s->adjacent = true;
	return 0;
}

/* A variable or a format: a word that is never a keyword. */
static void take_sigil(scanner *s)
{
	do {
		kt_buf_addc(s->out, *s->at++);
	} while (is_word(*s->at));
	s->last = TOKEN_OPERAND;
	s->adjacent = true;
}

static int close_bracket(scanner *s, char c, kt_err *err)
{
	frame_kind want = c == ')' ? FRAME_PAREN : c == ']' ? FRAME_SQUARE : FRAME_CURLY;

	kt_buf_addc(s->out, c);
	s->at++;
	if (c == ')' && top_is(s, FRAME_STRING_CODE)) {
		s->frames.len--;
		return copy_string(s, err);
	}
	if (!top_is(s, want)) {
		return KT_FAIL(err, INVALID, "unexpected token \"%c\"", c);
	}
	s->frames.len--;
	s->last = TOKEN_OPERAND;
	s->adjacent = true;
	return 0;
}

static int take_punctuation(scanner *s, kt_err *err)
{
	char c = *s->at;

	if (c == ')' || c == ']' || c == '}') {
		return close_bracket(s, c, err);
	}
	if (c == '.' && s->at[1] == '[' && s->adjacent && s->last == TOKEN_OPERAND) {
		s->at++;
		return 0;
	}
	kt_buf_addc(s->out, c);
	s->at++;
	s->adjacent = true;
	s->last = c == '.' ? TOKEN_DOT : c == '?' ? TOKEN_OPERAND : TOKEN_OTHER;
	switch (c) {
	case '(':
		return push(s, FRAME_PAREN, err);
	case '[':
		return push(s, FRAME_SQUARE, err);
	case '{':
		return push(s, FRAME_CURLY, err);
	default:
		return 0;
	}
}

static int take_token(scanner *s, kt_err *err)
{
	char c = *s->at;

	if (c == '#') {
		s->at += strcspn(s->at, "\n");
		return 0;
	}
	if (isspace((unsigned char)c)) {
		kt_buf_addc(s->out, c);
		s->at++;
		s->adjacent = false;
		return 0;
	}
	if (c == '"') {
		kt_buf_addc(s->out, c);
		s->at++;
		return copy_string(s, err);
	}
	if (c == '$' || c == '@') {
		take_sigil(s);
		return 0;
	}
	if (is_word(c)) {
		return take_word(s, err);
	}
	return take_punctuation(s, err);
}

int kt_jq_rewrite(const char *query, kt_buf *ret, kt_err *err)
{
	scanner s = {.at = query, .out = ret};
	int result = 0;

	kt_buf_adds(ret, prelude);
	size_t start = ret->len;
	while (*s.at != '\0' && result == 0) {
		result = take_token(&s, err);
	}
	if (result == 0 && s.frames.len > 0) {
		result = KT_FAIL(err, INVALID, "unexpected end of the program");
	}
	kt_vec_deinit(&s.frames);
	/* An empty program is the identity. */
	if (result == 0 && ret->data != NULL &&
	    strspn(ret->data + start, " \t\r\n") == ret->len - start) {
		kt_buf_addc(ret, '.');
	}
	kt_buf_adds(ret, "\n)");
	return result < 0 ? -1 : kt_buf_check(ret, err);
}
