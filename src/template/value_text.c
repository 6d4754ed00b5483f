/* Values from JSON text, with every number kept as it is written. */
#include "template/template_internal.h"

#include "base/stack.h"
#include "base/utf8.h"
#include "base/vec.h"

#define MAX_DEPTH 10000

typedef struct reader {
	kt_arena *arena;
	kt_ttext text;
	size_t at;
	unsigned depth;
	kt_err *err;
} reader;

static int read_value(reader *r, kt_tmpl_val *ret);

static int fail(reader *r, const char *what)
{
	return KT_FAIL(r->err, INVALID, "invalid JSON at offset %zu: %s", r->at, what);
}

static char current(const reader *r)
{
	return r->at < r->text.len ? r->text.data[r->at] : '\0';
}

static void skip_space(reader *r)
{
	for (char c = current(r); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = current(r)) {
		r->at++;
	}
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool skip_digits(reader *r)
{
	size_t start = r->at;

	while (is_digit(current(r))) {
		r->at++;
	}
	return r->at > start;
}

static int read_number(reader *r, kt_tmpl_val *ret)
{
	size_t start = r->at;
	bool ok;

	r->at += current(r) == '-' ? 1 : 0;
	if (current(r) == '0') {
		r->at++;
		ok = true;
	} else {
		ok = skip_digits(r);
	}
	if (ok && current(r) == '.') {
		r->at++;
		ok = skip_digits(r);
	}
	if (ok && (current(r) | 0x20) == 'e') {
		r->at++;
		r->at += current(r) == '+' || current(r) == '-' ? 1 : 0;
		ok = skip_digits(r);
	}
	if (!ok) {
		return fail(r, "malformed number");
	}
	char *kept = kt_arena_strndup(r->arena, r->text.data + start, r->at - start);
	if (kept == NULL) {
		return kt_err_nomem(r->err);
	}
	*ret = kt_tval_text(KT_TMPL_NUMBER, (kt_ttext){kept, r->at - start});
	return 0;
}

static bool read_hex(reader *r, uint32_t *ret)
{
	*ret = 0;
	for (int i = 0; i < 4; i++, r->at++) {
		char c = (char)(current(r) | (is_digit(current(r)) ? 0 : 0x20));
		if (!is_digit(c) && (c < 'a' || c > 'f')) {
			return false;
		}
		*ret = *ret << 4 | (uint32_t)(is_digit(c) ? c - '0' : c - 'a' + 10);
	}
	return true;
}

/* After a backslash. A lone surrogate becomes U+FFFD. */
static int read_escape(reader *r, kt_buf *out)
{
	static const char from[] = "\"\\/bfnrt";
	static const char to[] = "\"\\/\b\f\n\r\t";
	char c = current(r);
	uint32_t rune;
	uint32_t low;

	r->at++;
	if (c != 'u') {
		const char *known = c == '\0' ? NULL : strchr(from, c);
		if (known == NULL) {
			return fail(r, "unknown escape in a string");
		}
		kt_buf_addc(out, to[known - from]);
		return 0;
	}
	if (!read_hex(r, &rune)) {
		return fail(r, "malformed \\u escape");
	}
	size_t mark = r->at;
	if (rune >= 0xD800 && rune < 0xDC00 && current(r) == '\\' && r->at + 1 < r->text.len &&
	    r->text.data[r->at + 1] == 'u') {
		r->at += 2;
		if (!read_hex(r, &low)) {
			return fail(r, "malformed \\u escape");
		}
		if (low >= 0xDC00 && low < 0xE000) {
			rune = 0x10000 + ((rune - 0xD800) << 10) + (low - 0xDC00);
		} else {
			r->at = mark;
		}
	}
	kt_buf_add_rune(out, rune);
	return 0;
}

static int read_string(reader *r, kt_ttext *ret)
{
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;

	if (current(r) != '"') {
		return fail(r, "a string was expected");
	}
	r->at++;
	while (current(r) != '"') {
		size_t width;
		if (r->at >= r->text.len || (unsigned char)current(r) < ' ') {
			return fail(r, "unterminated string");
		}
		if (current(r) == '\\') {
			r->at++;
			if (read_escape(r, &out) < 0) {
				return -1;
			}
			continue;
		}
		kt_buf_add_rune(&out, kt_utf8_decode(r->text.data + r->at, r->text.len - r->at,
						     &width));
		r->at += width;
	}
	r->at++;
	char *kept = out.failed ? NULL : kt_arena_strndup(r->arena, kt_buf_str(&out), out.len);
	if (kept == NULL) {
		return kt_err_nomem(r->err);
	}
	*ret = (kt_ttext){kept, out.len};
	return 0;
}

typedef KT_VEC(kt_tmpl_val) value_vec;
typedef KT_VEC(kt_tmpl_entry) entry_vec;

/* After an element: 1 = a comma, more to come; 0 = the end; -1 = error. */
static int read_separator(reader *r, char close)
{
	skip_space(r);
	char c = current(r);
	if (c != ',' && c != close) {
		return fail(r, close == ']' ? "',' or ']' was expected" : "',' or '}' was expected");
	}
	r->at++;
	return c == ',' ? 1 : 0;
}

static int read_items(reader *r, value_vec *items)
{
	int more = 1;

	r->at++;
	skip_space(r);
	if (current(r) == ']') {
		r->at++;
		return 0;
	}
	while (more > 0) {
		kt_tmpl_val item;
		if (read_value(r, &item) < 0) {
			return -1;
		}
		if (kt_vec_push(items, item) < 0) {
			return kt_err_nomem(r->err);
		}
		more = read_separator(r, ']');
	}
	return more;
}

static int read_members(reader *r, entry_vec *entries)
{
	int more = 1;

	r->at++;
	skip_space(r);
	if (current(r) == '}') {
		r->at++;
		return 0;
	}
	while (more > 0) {
		kt_ttext key;
		kt_tmpl_entry entry;
		skip_space(r);
		if (read_string(r, &key) < 0) {
			return -1;
		}
		skip_space(r);
		if (current(r) != ':') {
			return fail(r, "':' was expected");
		}
		r->at++;
		if (read_value(r, &entry.value) < 0) {
			return -1;
		}
		entry.key = key.data;
		entry.key_len = key.len;
		if (kt_vec_push(entries, entry) < 0) {
			return kt_err_nomem(r->err);
		}
		more = read_separator(r, '}');
	}
	return more;
}

/* Of equal keys (neighbours after a stable sort) the last one stays. */
static size_t drop_duplicates(kt_tmpl_entry *entries, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		kt_ttext key = {entries[i].key, entries[i].key_len};
		if (kept > 0 && kt_ttext_equal(key, (kt_ttext){entries[kept - 1].key,
							       entries[kept - 1].key_len})) {
			kept--;
		}
		entries[kept++] = entries[i];
	}
	return kept;
}

static int read_list(reader *r, kt_tmpl_val *ret)
{
	value_vec items = {0};
	int result = read_items(r, &items);

	if (result == 0) {
		kt_tmpl_val *kept = kt_tval_new_list(r->arena, items.len, ret);
		if (kept == NULL) {
			result = kt_err_nomem(r->err);
		} else if (items.len > 0) {
			memcpy(kept, items.items, items.len * sizeof(*kept));
		}
	}
	kt_vec_deinit(&items);
	return result;
}

static int read_map(reader *r, kt_tmpl_val *ret)
{
	entry_vec entries = {0};
	int result = read_members(r, &entries);

	if (result == 0) {
		kt_tmpl_sort_entries(entries.items, entries.len);
		size_t n = drop_duplicates(entries.items, entries.len);
		kt_tmpl_entry *kept = KT_ARENA_ARRAY(r->arena, kt_tmpl_entry, n + 1);
		if (kept == NULL) {
			result = kt_err_nomem(r->err);
		} else {
			if (n > 0) {
				memcpy(kept, entries.items, n * sizeof(*kept));
			}
			*ret = kt_tval(KT_TMPL_MAP);
			ret->map.entries = kept;
			ret->map.len = n;
		}
	}
	kt_vec_deinit(&entries);
	return result;
}

static int read_word(reader *r, kt_tmpl_val *ret)
{
	static const struct {
		const char *word;
		kt_tmpl_kind kind;
		bool value;
	} words[] = {
		{"null", KT_TMPL_NIL, false},
		{"true", KT_TMPL_BOOL, true},
		{"false", KT_TMPL_BOOL, false},
	};

	for (size_t i = 0; i < KT_ARRAY_LEN(words); i++) {
		size_t len = strlen(words[i].word);
		if (r->text.len - r->at >= len &&
		    memcmp(r->text.data + r->at, words[i].word, len) == 0) {
			r->at += len;
			*ret = kt_tval(words[i].kind);
			ret->b = words[i].value;
			return 0;
		}
	}
	return fail(r, "a value was expected");
}

static int read_value(reader *r, kt_tmpl_val *ret)
{
	kt_ttext text;

	skip_space(r);
	char c = current(r);
	if (c == '"') {
		if (read_string(r, &text) < 0) {
			return -1;
		}
		*ret = kt_tval_text(KT_TMPL_STRING, text);
		return 0;
	}
	if (c == '-' || is_digit(c)) {
		return read_number(r, ret);
	}
	if (c != '[' && c != '{') {
		return read_word(r, ret);
	}
	if (r->depth == MAX_DEPTH || kt_stack_low()) {
		return fail(r, "nested too deeply");
	}
	r->depth++;
	int result = c == '[' ? read_list(r, ret) : read_map(r, ret);
	r->depth--;
	return result;
}

int kt_tmpl_from_text(kt_arena *arena, const char *text, size_t len, kt_tmpl_val *ret, kt_err *err)
{
	reader r = {.arena = arena, .text = {text, len}, .err = err};
	kt_tmpl_val value;

	if (read_value(&r, &value) < 0) {
		return -1;
	}
	skip_space(&r);
	if (r.at < len) {
		return fail(&r, "something follows the value");
	}
	*ret = value;
	return 0;
}
