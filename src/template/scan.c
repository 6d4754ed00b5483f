/* Tokens: text outside {{ }}, words and signs inside. Trim markers and comments end here. */
#include "template/template_internal.h"

#include "base/utf8.h"

#define END_OF_INPUT UINT32_MAX

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_word(uint32_t rune)
{
	if (rune < 0x80) {
		return rune == '_' || (rune >= '0' && rune <= '9') ||
		       ((rune | 0x20) >= 'a' && (rune | 0x20) <= 'z');
	}
	return rune != END_OF_INPUT && (kt_rune_is_letter(rune) || kt_rune_is_digit(rune));
}

static bool has_prefix(const kt_tscan *s, size_t at, const char *prefix)
{
	size_t len = strlen(prefix);
	return s->input.len >= at + len && memcmp(s->input.data + at, prefix, len) == 0;
}

static size_t find(const kt_tscan *s, size_t from, const char *what)
{
	const char *at =
		memmem(s->input.data + from, s->input.len - from, what, strlen(what));
	return at == NULL ? SIZE_MAX : (size_t)(at - s->input.data);
}

/* The byte at pos + ahead, or NUL past the end. */
static char byte_at(const kt_tscan *s, size_t at)
{
	return at < s->input.len ? s->input.data[at] : '\0';
}

static uint32_t peek(const kt_tscan *s, size_t *ret_width)
{
	*ret_width = 0;
	if (s->pos >= s->input.len) {
		return END_OF_INPUT;
	}
	return kt_utf8_decode(s->input.data + s->pos, s->input.len - s->pos, ret_width);
}

static size_t count_lines(const kt_tscan *s, size_t from, size_t to)
{
	size_t lines = 0;

	for (; from < to; from++) {
		lines += s->input.data[from] == '\n' ? 1 : 0;
	}
	return lines;
}

/* The token from start to the present position. */
static kt_ttoken token(kt_tscan *s, kt_ttoken_kind kind, size_t start)
{
	kt_ttoken t = {kind, start, s->line, {s->input.data + start, s->pos - start}};

	s->line += count_lines(s, start, s->pos);
	return t;
}

static kt_ttoken error_token(kt_tscan *s, size_t start, const char *message)
{
	snprintf(s->message, sizeof(s->message), "%s", message);
	kt_ttoken t = {KT_T_ERROR, start, s->line, {s->message, strlen(s->message)}};
	s->input.len = 0;
	s->pos = 0;
	s->inside = false;
	return t;
}

/* "bad character U+002D '-'" */
static kt_ttoken bad_character(kt_tscan *s, size_t start, const char *what)
{
	size_t width;
	uint32_t rune = peek(s, &width);
	char shown[5] = "";
	char message[96];

	if (rune == END_OF_INPUT) {
		snprintf(message, sizeof(message), "%s U+FFFFFFFFFFFFFFFF", what);
	} else if (kt_rune_is_print(rune)) {
		shown[kt_utf8_encode(rune, shown)] = '\0';
		snprintf(message, sizeof(message), "%s U+%04X '%s'", what, rune, shown);
	} else {
		snprintf(message, sizeof(message), "%s U+%04X", what, rune);
	}
	return error_token(s, start, message);
}

static bool trims_left(const kt_tscan *s, size_t after_delim)
{
	return byte_at(s, after_delim) == '-' && after_delim + 1 < s->input.len &&
	       is_space(byte_at(s, after_delim + 1));
}

/* At "}}" or " -}}"? */
static bool at_right_delim(const kt_tscan *s, bool *ret_trim)
{
	*ret_trim = s->pos < s->input.len && is_space(byte_at(s, s->pos)) &&
		    has_prefix(s, s->pos + 1, "-}}");
	return *ret_trim || has_prefix(s, s->pos, "}}");
}

static void skip_spaces(kt_tscan *s)
{
	while (s->pos < s->input.len && is_space(s->input.data[s->pos])) {
		s->line += s->input.data[s->pos] == '\n' ? 1 : 0;
		s->pos++;
	}
}

/* Past a comment; false (and an error token) when it is malformed. */
static bool skip_comment(kt_tscan *s, kt_ttoken *ret)
{
	size_t start = s->pos;
	bool trim;
	size_t end = find(s, s->pos + 2, "*/");

	if (end == SIZE_MAX) {
		*ret = error_token(s, start, "unclosed comment");
		return false;
	}
	s->pos = end + 2;
	if (!at_right_delim(s, &trim)) {
		*ret = error_token(s, start, "comment ends before closing delimiter");
		return false;
	}
	s->line += count_lines(s, start, s->pos);
	s->pos += trim ? 4 : 2;
	if (trim) {
		skip_spaces(s);
	}
	return true;
}

/* Text up to an action, then the action's opening. Comments vanish. */
static kt_ttoken scan_text(kt_tscan *s)
{
	kt_ttoken t;

	for (;;) {
		size_t start = s->pos;
		size_t delim = find(s, start, "{{");
		if (delim == SIZE_MAX) {
			s->pos = s->input.len;
			return token(s, s->pos > start ? KT_T_TEXT : KT_T_EOF, start);
		}
		bool trim = trims_left(s, delim + 2);
		size_t end = delim;
		while (trim && end > start && is_space(s->input.data[end - 1])) {
			end--;
		}
		if (end > start) {
			s->pos = end;
			t = token(s, KT_T_TEXT, start);
			s->line += count_lines(s, end, delim);
			s->pos = delim;
			return t;
		}
		s->line += count_lines(s, end, delim);
		size_t inner = delim + (trim ? 4 : 2);
		if (has_prefix(s, inner, "/*")) {
			s->pos = inner;
			if (!skip_comment(s, &t)) {
				return t;
			}
			continue;
		}
		s->pos = delim + 2;
		t = token(s, KT_T_LEFT_DELIM, delim);
		if (trim) {
			s->pos++; /* the space may be a newline and counts below */
			s->line += s->input.data[s->pos] == '\n' ? 1 : 0;
			s->pos++;
		}
		s->inside = true;
		s->paren_depth = 0;
		return t;
	}
}

static kt_ttoken right_delim(kt_tscan *s, bool trim)
{
	if (trim) {
		s->line += s->input.data[s->pos] == '\n' ? 1 : 0;
		s->pos += 2;
	}
	size_t start = s->pos;
	s->pos += 2;
	kt_ttoken t = token(s, KT_T_RIGHT_DELIM, start);
	if (trim) {
		skip_spaces(s);
	}
	s->inside = false;
	return t;
}

static kt_ttoken scan_space(kt_tscan *s)
{
	size_t start = s->pos;
	bool trim;

	while (s->pos < s->input.len && is_space(s->input.data[s->pos])) {
		s->pos++;
	}
	/* The last space belongs to a closing trim marker, if there is one. */
	if (has_prefix(s, s->pos, "-}}")) {
		s->pos--;
		if (s->pos == start) {
			(void)at_right_delim(s, &trim);
			return right_delim(s, trim);
		}
	}
	return token(s, KT_T_SPACE, start);
}

/* May a name end here? */
static bool at_terminator(const kt_tscan *s)
{
	if (s->pos >= s->input.len || is_space(s->input.data[s->pos])) {
		return true;
	}
	char c = s->input.data[s->pos];
	return strchr(".,|:)(", c) != NULL ? c != '\0' : has_prefix(s, s->pos, "}}");
}

static void skip_word(kt_tscan *s)
{
	size_t width;

	while (is_word(peek(s, &width))) {
		s->pos += width;
	}
}

static kt_ttoken scan_identifier(kt_tscan *s)
{
	static const struct {
		const char *word;
		kt_ttoken_kind kind;
	} words[] = {
		{"block", KT_T_BLOCK},   {"break", KT_T_BREAK}, {"continue", KT_T_CONTINUE},
		{"define", KT_T_DEFINE}, {"else", KT_T_ELSE},   {"end", KT_T_END},
		{"false", KT_T_BOOL},    {"if", KT_T_IF},       {"nil", KT_T_NIL},
		{"range", KT_T_RANGE},   {"template", KT_T_TEMPLATE}, {"true", KT_T_BOOL},
		{"with", KT_T_WITH},
	};
	size_t start = s->pos;
	kt_ttoken_kind kind = KT_T_IDENTIFIER;

	skip_word(s);
	if (!at_terminator(s)) {
		return bad_character(s, start, "bad character");
	}
	kt_ttext word = {s->input.data + start, s->pos - start};
	for (size_t i = 0; i < KT_ARRAY_LEN(words); i++) {
		if (kt_ttext_is(word, words[i].word)) {
			kind = words[i].kind;
		}
	}
	return token(s, kind, start);
}

/* After "." or "$". Alone they are the dot and the root variable. */
static kt_ttoken scan_name(kt_tscan *s, kt_ttoken_kind kind, kt_ttoken_kind alone)
{
	size_t start = s->pos - 1;

	if (at_terminator(s)) {
		return token(s, alone, start);
	}
	skip_word(s);
	if (!at_terminator(s)) {
		return bad_character(s, start, "bad character");
	}
	return token(s, kind, start);
}

/* A quoted string or character constant; the opening quote has been passed. */
static kt_ttoken scan_quoted(kt_tscan *s, char quote, kt_ttoken_kind kind, const char *message)
{
	size_t start = s->pos - 1;

	for (; s->pos < s->input.len && s->input.data[s->pos] != '\n'; s->pos++) {
		if (s->input.data[s->pos] == quote) {
			s->pos++;
			return token(s, kind, start);
		}
		if (s->input.data[s->pos] == '\\') {
			s->pos++;
			if (byte_at(s, s->pos) == '\n') {
				break;
			}
		}
	}
	return error_token(s, start, message);
}

static kt_ttoken scan_raw(kt_tscan *s)
{
	size_t start = s->pos - 1;
	size_t end = find(s, s->pos, "`");

	if (end == SIZE_MAX) {
		return error_token(s, start, "unterminated raw quoted string");
	}
	s->pos = end + 1;
	return token(s, KT_T_RAW_STRING, start);
}

static bool accept(kt_tscan *s, const char *set)
{
	char c = byte_at(s, s->pos);

	if (c == '\0' || strchr(set, c) == NULL) {
		return false;
	}
	s->pos++;
	return true;
}

static void accept_run(kt_tscan *s, const char *set)
{
	while (accept(s, set)) {
	}
}

/* Roughly a number: what is wrong with it is found when it is converted. */
static bool skip_number(kt_tscan *s)
{
	const char *decimal = "0123456789_";
	const char *digits = decimal;
	bool hex = false;
	size_t width;

	accept(s, "+-");
	if (accept(s, "0")) {
		if (accept(s, "xX")) {
			digits = "0123456789abcdefABCDEF_";
			hex = true;
		} else if (accept(s, "oO")) {
			digits = "01234567_";
		} else if (accept(s, "bB")) {
			digits = "01_";
		}
	}
	accept_run(s, digits);
	if (accept(s, ".")) {
		accept_run(s, digits);
	}
	if ((digits == decimal && accept(s, "eE")) || (hex && accept(s, "pP"))) {
		accept(s, "+-");
		accept_run(s, decimal);
	}
	accept(s, "i");
	if (!is_word(peek(s, &width))) {
		return true;
	}
	s->pos += width; /* it belongs to the message */
	return false;
}

static kt_ttoken scan_number(kt_tscan *s)
{
	size_t start = s->pos;
	bool complex_number = false;
	bool ok = skip_number(s);

	if (ok && (byte_at(s, s->pos) == '+' || byte_at(s, s->pos) == '-')) {
		complex_number = true;
		ok = skip_number(s) && s->input.data[s->pos - 1] == 'i';
	}
	if (!ok) {
		KT_AUTO_BUF kt_buf message = KT_BUF_INIT;
		kt_buf_adds(&message, "bad number syntax: ");
		kt_ttext_quote(&message, (kt_ttext){s->input.data + start, s->pos - start});
		return error_token(s, start, kt_buf_str(&message));
	}
	return token(s, complex_number ? KT_T_COMPLEX : KT_T_NUMBER, start);
}

static kt_ttoken scan_paren(kt_tscan *s, char c)
{
	size_t start = s->pos++;

	s->paren_depth += c == '(' ? 1 : -1;
	if (s->paren_depth < 0) {
		return error_token(s, start, "unexpected right paren");
	}
	return token(s, c == '(' ? KT_T_LEFT_PAREN : KT_T_RIGHT_PAREN, start);
}

static kt_ttoken scan_sign(kt_tscan *s, char c)
{
	size_t start = s->pos++;

	switch (c) {
	case '=':
		return token(s, KT_T_ASSIGN, start);
	case ':':
		if (!accept(s, "=")) {
			return error_token(s, start, "expected :=");
		}
		return token(s, KT_T_DECLARE, start);
	case '|':
		return token(s, KT_T_PIPE, start);
	case '"':
		return scan_quoted(s, '"', KT_T_STRING, "unterminated quoted string");
	case '\'':
		return scan_quoted(s, '\'', KT_T_CHAR_CONSTANT,
				   "unterminated character constant");
	case '`':
		return scan_raw(s);
	case '$':
		return scan_name(s, KT_T_VARIABLE, KT_T_VARIABLE);
	case '.':
		return scan_name(s, KT_T_FIELD, KT_T_DOT);
	default:
		if (c >= ' ' && c < 0x7F) {
			return token(s, KT_T_CHAR, start);
		}
		s->pos = start;
		return bad_character(s, start, "unrecognized character in action:");
	}
}

static kt_ttoken scan_inside(kt_tscan *s)
{
	bool trim;
	size_t width;

	if (at_right_delim(s, &trim)) {
		if (s->paren_depth > 0) {
			return error_token(s, s->pos, "unclosed left paren");
		}
		return right_delim(s, trim);
	}
	if (s->pos >= s->input.len) {
		return error_token(s, s->pos, "unclosed action");
	}
	char c = s->input.data[s->pos];
	char next = byte_at(s, s->pos + 1);
	bool digit = c >= '0' && c <= '9';
	if (is_space(c)) {
		return scan_space(s);
	}
	bool point = c == '.' && (s->pos + 1 == s->input.len || (next >= '0' && next <= '9'));
	if (digit || c == '+' || c == '-' || point) {
		return scan_number(s);
	}
	if (is_word(peek(s, &width))) {
		return scan_identifier(s);
	}
	return c == '(' || c == ')' ? scan_paren(s, c) : scan_sign(s, c);
}

kt_ttoken kt_tscan_next(kt_tscan *self)
{
	return self->inside ? scan_inside(self) : scan_text(self);
}
