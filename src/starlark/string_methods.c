/*
 * The methods of strings, but for splitting (string_split.c) and formatting
 * (string_format.c). Offsets are in bytes; classes and case go by code points.
 */
#include "starlark/string_methods.h"

#include "base/utf8.h"

kt_text kt_text_of(kt_val v)
{
	const kt_str *s = kt_as_str(v);
	return (kt_text){s->data, s->len};
}

kt_val kt_text_val(kt_sthread *t, kt_text text)
{
	return kt_string_new(t, text.data, text.len);
}

bool kt_message_ready(kt_sthread *t, const kt_buf *message)
{
	if (message->failed) {
		kt_star_raise_nomem(t);
	}
	return !message->failed;
}

kt_val kt_method_error(kt_sthread *t, const kt_args *a, const char *message)
{
	return kt_star_raise(t, "%s: %s", a->row->name, message);
}

/* [start:end] of the receiver from parameters `first` and the next; "" when they cross. */
static int bounded_text(kt_sthread *t, const kt_args *a, size_t first, kt_text *ret,
			size_t *ret_start)
{
	kt_text text = kt_text_of(a->self);
	size_t start;
	size_t end;

	if (kt_slice_bounds_named(t, a->row->name, a->v[first], a->v[first + 1], text.len, &start,
				  &end) < 0) {
		return -1;
	}
	*ret_start = start;
	*ret = start < end ? kt_text_sub(text, start, end) : kt_text_sub(text, start, start);
	return 0;
}

/* ---- case and classes -------------------------------------------------------- */

static bool is_ascii(kt_text text)
{
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.data[i] >= 0x80) {
			return false;
		}
	}
	return true;
}

/* Has the code point a counterpart in another case? (Unicode's simple folding moves it.) */
static bool is_cased(uint32_t rune)
{
	if (rune < 0x80) {
		return (rune | 0x20) >= 'a' && (rune | 0x20) <= 'z';
	}
	if (rune == 0x130 || rune == 0x131) {
		return false; /* dotted capital and dotless small i fold to nothing else */
	}
	return rune == 0xDF || kt_rune_to_upper(rune) != rune || kt_rune_to_lower(rune) != rune ||
	       kt_rune_to_title(rune) != rune;
}

static kt_val map_runes(kt_sthread *t, kt_text text, uint32_t (*map)(uint32_t))
{
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;

	for (size_t i = 0; i < text.len;) {
		size_t width;
		uint32_t rune = kt_utf8_decode(text.data + i, text.len - i, &width);
		kt_buf_add_rune(&out, map(rune));
		i += width;
	}
	return kt_str_from_buf(t, &out);
}

static char ascii_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 0x20) : c;
}

static char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 0x20) : c;
}

static kt_val convert_case(kt_sthread *t, kt_text text, bool upper)
{
	if (!is_ascii(text)) {
		return map_runes(t, text, upper ? kt_rune_to_upper : kt_rune_to_lower);
	}
	kt_str *out = kt_str_alloc(t, KT_KIND_STRING, text.len);
	if (out == NULL) {
		return KT_NULL;
	}
	for (size_t i = 0; i < text.len; i++) {
		out->data[i] = upper ? ascii_upper(text.data[i]) : ascii_lower(text.data[i]);
	}
	return kt_obj_val(out);
}

static kt_val string_upper(kt_sthread *t, const kt_args *a)
{
	return convert_case(t, kt_text_of(a->self), true);
}

static kt_val string_lower(kt_sthread *t, const kt_args *a)
{
	return convert_case(t, kt_text_of(a->self), false);
}

static kt_val string_capitalize(kt_sthread *t, const kt_args *a)
{
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	kt_text text = kt_text_of(a->self);

	for (size_t i = 0; i < text.len;) {
		size_t width;
		uint32_t rune = kt_utf8_decode(text.data + i, text.len - i, &width);
		kt_buf_add_rune(&out, i == 0 ? kt_rune_to_title(rune) : kt_rune_to_lower(rune));
		i += width;
	}
	return kt_str_from_buf(t, &out);
}

static kt_val string_title(kt_sthread *t, const kt_args *a)
{
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	kt_text text = kt_text_of(a->self);
	bool after_cased = false;

	for (size_t i = 0; i < text.len;) {
		size_t width;
		uint32_t rune = kt_utf8_decode(text.data + i, text.len - i, &width);
		rune = after_cased ? kt_rune_to_lower(rune) : kt_rune_to_title(rune);
		after_cased = is_cased(rune);
		kt_buf_add_rune(&out, rune);
		i += width;
	}
	return kt_str_from_buf(t, &out);
}

static bool is_alnum(uint32_t rune)
{
	return kt_rune_is_letter(rune) || kt_rune_is_digit(rune);
}

/* True when there is at least one code point and all are of the class. */
static kt_val all_runes(kt_val self, bool (*class)(uint32_t))
{
	kt_text text = kt_text_of(self);

	for (size_t i = 0; i < text.len;) {
		size_t width;
		if (!class(kt_utf8_decode(text.data + i, text.len - i, &width))) {
			return KT_FALSE;
		}
		i += width;
	}
	return kt_bool(text.len > 0);
}

static kt_val string_isalnum(kt_sthread *t, const kt_args *a)
{
	(void)t;
	return all_runes(a->self, is_alnum);
}

static kt_val string_isalpha(kt_sthread *t, const kt_args *a)
{
	(void)t;
	return all_runes(a->self, kt_rune_is_letter);
}

static kt_val string_isdigit(kt_sthread *t, const kt_args *a)
{
	(void)t;
	return all_runes(a->self, kt_rune_is_digit);
}

static kt_val string_isspace(kt_sthread *t, const kt_args *a)
{
	(void)t;
	return all_runes(a->self, kt_rune_is_space);
}

/* Some code point has case, and mapping the text changes nothing. */
static kt_val is_all_case(kt_val self, uint32_t (*map)(uint32_t))
{
	kt_text text = kt_text_of(self);
	bool cased = false;

	for (size_t i = 0; i < text.len;) {
		size_t width;
		uint32_t rune = kt_utf8_decode(text.data + i, text.len - i, &width);
		if (map(rune) != rune || (rune == KT_RUNE_ERROR && width == 1)) {
			return KT_FALSE; /* a stray byte would be replaced, hence changed */
		}
		cased = cased || is_cased(rune);
		i += width;
	}
	return kt_bool(cased);
}

static kt_val string_islower(kt_sthread *t, const kt_args *a)
{
	(void)t;
	return is_all_case(a->self, kt_rune_to_lower);
}

static kt_val string_isupper(kt_sthread *t, const kt_args *a)
{
	(void)t;
	return is_all_case(a->self, kt_rune_to_upper);
}

static kt_val string_istitle(kt_sthread *t, const kt_args *a)
{
	kt_text text = kt_text_of(a->self);
	bool cased = false;
	bool after_cased = false;

	(void)t;
	for (size_t i = 0; i < text.len;) {
		size_t width;
		uint32_t rune = kt_utf8_decode(text.data + i, text.len - i, &width);
		i += width;
		bool starts = (rune >= 'A' && rune <= 'Z') || kt_rune_is_title(rune);
		bool goes_on = !starts && kt_rune_is_lower(rune);
		if ((starts && after_cased) || (goes_on && !after_cased) ||
		    (!starts && !goes_on && kt_rune_is_upper(rune))) {
			return KT_FALSE;
		}
		after_cased = starts || goes_on;
		cased = cased || after_cased;
	}
	return kt_bool(cased);
}

/* ---- searching --------------------------------------------------------------- */

static kt_val find_text(kt_sthread *t, const kt_args *a, bool last, bool must)
{
	kt_text text;
	size_t start;

	if (bounded_text(t, a, 1, &text, &start) < 0) {
		return KT_NULL;
	}
	kt_text needle = kt_text_of(a->v[0]);
	size_t at = last ? kt_text_rfind(text, needle) : kt_text_find(text, needle);
	if (at != KT_TEXT_NONE) {
		return kt_int_new(t, (int64_t)(at + start));
	}
	return must ? kt_method_error(t, a, "substring not found") : kt_int_new(t, -1);
}

static kt_val string_find(kt_sthread *t, const kt_args *a)
{
	return find_text(t, a, false, false);
}

static kt_val string_rfind(kt_sthread *t, const kt_args *a)
{
	return find_text(t, a, true, false);
}

static kt_val string_index(kt_sthread *t, const kt_args *a)
{
	return find_text(t, a, false, true);
}

static kt_val string_rindex(kt_sthread *t, const kt_args *a)
{
	return find_text(t, a, true, true);
}

/* An empty needle is found before every code point and at the end. */
static size_t count_text(kt_text text, kt_text needle)
{
	size_t count = 0;

	if (needle.len == 0) {
		return kt_utf8_count(text.data, text.len) + 1;
	}
	for (size_t at; (at = kt_text_find(text, needle)) != KT_TEXT_NONE; count++) {
		text = kt_text_sub(text, at + needle.len, text.len);
	}
	return count;
}

static kt_val string_count(kt_sthread *t, const kt_args *a)
{
	kt_text text;
	size_t start;

	if (bounded_text(t, a, 1, &text, &start) < 0) {
		return KT_NULL;
	}
	return kt_int_new(t, (int64_t)count_text(text, kt_text_of(a->v[0])));
}

/* startswith and endswith. */
static kt_val has_affix(kt_sthread *t, const kt_args *a, bool (*test)(kt_text, kt_text))
{
	kt_text text;
	size_t start;

	if (bounded_text(t, a, 1, &text, &start) < 0) {
		return KT_NULL;
	}
	if (kt_is_str(a->v[0])) {
		return kt_bool(test(text, kt_text_of(a->v[0])));
	}
	if (!kt_is(a->v[0], KT_KIND_TUPLE)) {
		return kt_star_raise(t, "%s: got %s, want string or tuple of string", a->row->name,
				     kt_val_type_name(a->v[0]));
	}
	const kt_tuple *options = kt_as_tuple(a->v[0]);
	for (size_t i = 0; i < options->len; i++) {
		if (!kt_is_str(options->items[i])) {
			return kt_star_raise(t, "%s: want string, got %s, for element %zu",
					     a->row->name, kt_val_type_name(options->items[i]), i);
		}
		if (test(text, kt_text_of(options->items[i]))) {
			return KT_TRUE;
		}
	}
	return KT_FALSE;
}

static kt_val string_startswith(kt_sthread *t, const kt_args *a)
{
	return has_affix(t, a, kt_text_starts);
}

static kt_val string_endswith(kt_sthread *t, const kt_args *a)
{
	return has_affix(t, a, kt_text_ends);
}

/* ---- cutting and joining ----------------------------------------------------- */

static bool contains_rune(kt_text set, uint32_t rune)
{
	for (size_t i = 0; i < set.len;) {
		size_t width;
		if (kt_utf8_decode(set.data + i, set.len - i, &width) == rune) {
			return true;
		}
		i += width;
	}
	return false;
}

static bool to_strip(kt_text set, uint32_t rune)
{
	return set.len == 0 ? kt_rune_is_space(rune) : contains_rune(set, rune);
}

static kt_val strip_text(kt_sthread *t, const kt_args *a, bool left, bool right)
{
	kt_text text = kt_text_of(a->self);
	kt_text set = a->v[0] == KT_NULL ? (kt_text){"", 0} : kt_text_of(a->v[0]);
	size_t start = 0;
	size_t end = text.len;
	size_t width;

	while (left && start < end &&
	       to_strip(set, kt_utf8_decode(text.data + start, end - start, &width))) {
		start += width;
	}
	while (right && start < end &&
	       to_strip(set, kt_utf8_decode_last(text.data + start, end - start, &width))) {
		end -= width;
	}
	if (start == 0 && end == text.len) {
		return a->self;
	}
	return kt_text_val(t, kt_text_sub(text, start, end));
}

static kt_val string_strip(kt_sthread *t, const kt_args *a)
{
	return strip_text(t, a, true, true);
}

static kt_val string_lstrip(kt_sthread *t, const kt_args *a)
{
	return strip_text(t, a, true, false);
}

static kt_val string_rstrip(kt_sthread *t, const kt_args *a)
{
	return strip_text(t, a, false, true);
}

static kt_val string_removeprefix(kt_sthread *t, const kt_args *a)
{
	kt_text text = kt_text_of(a->self);
	kt_text prefix = kt_text_of(a->v[0]);

	return kt_text_starts(text, prefix) && prefix.len > 0
		       ? kt_text_val(t, kt_text_sub(text, prefix.len, text.len))
		       : a->self;
}

static kt_val string_removesuffix(kt_sthread *t, const kt_args *a)
{
	kt_text text = kt_text_of(a->self);
	kt_text suffix = kt_text_of(a->v[0]);

	return kt_text_ends(text, suffix) && suffix.len > 0
		       ? kt_text_val(t, kt_text_sub(text, 0, text.len - suffix.len))
		       : a->self;
}

static kt_val string_join(kt_sthread *t, const kt_args *a)
{
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	kt_text separator = kt_text_of(a->self);
	kt_iter iter;
	kt_val item;
	int more;

	if (kt_iter_begin(t, &iter, a->v[0]) < 0) {
		return KT_NULL;
	}
	for (bool first = true; (more = kt_iter_next(t, &iter, &item)) > 0; first = false) {
		if (!kt_is_str(item)) {
			kt_star_raise(t, "join: in list, want string, got %s",
				      kt_val_type_name(item));
			more = -1;
			break;
		}
		if (!first) {
			kt_buf_add(&out, separator.data, separator.len);
		}
		kt_buf_add(&out, kt_as_str(item)->data, kt_as_str(item)->len);
	}
	kt_iter_end(&iter);
	return more < 0 ? KT_NULL : kt_str_from_buf(t, &out);
}

/* Replaces before every code point (and at the end) when there is nothing to look for. */
static void insert_everywhere(kt_buf *out, kt_text text, kt_text with, size_t count)
{
	size_t i = 0;

	for (; count > 0; count--) {
		size_t width = 0;
		kt_buf_add(out, with.data, with.len);
		if (i == text.len) {
			return;
		}
		(void)kt_utf8_decode(text.data + i, text.len - i, &width);
		kt_buf_add(out, text.data + i, width);
		i += width;
	}
	kt_buf_add(out, text.data + i, text.len - i);
}

static kt_val string_replace(kt_sthread *t, const kt_args *a)
{
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	kt_text text = kt_text_of(a->self);
	kt_text old = kt_text_of(a->v[0]);
	kt_text with = kt_text_of(a->v[1]);
	int64_t limit = -1;

	if (a->v[2] != KT_NULL && !kt_int_get(a->v[2], &limit)) {
		return KT_NULL;
	}
	size_t count = limit < 0 ? SIZE_MAX : (size_t)limit;
	if (old.len == 0) {
		insert_everywhere(&out, text, with, count);
		return kt_str_from_buf(t, &out);
	}
	size_t at = kt_text_find(text, old);
	if (at == KT_TEXT_NONE || count == 0) {
		return a->self;
	}
	for (; at != KT_TEXT_NONE && count > 0; count--) {
		kt_buf_add(&out, text.data, at);
		kt_buf_add(&out, with.data, with.len);
		text = kt_text_sub(text, at + old.len, text.len);
		at = kt_text_find(text, old);
	}
	kt_buf_add(&out, text.data, text.len);
	return kt_str_from_buf(t, &out);
}

/* ---- views ------------------------------------------------------------------- */

static kt_val make_elems(kt_sthread *t, kt_val of, kt_elems_mode mode)
{
	kt_elems *view = kt_heap_obj(t, KT_KIND_ELEMS, sizeof(*view));

	if (view == NULL) {
		return KT_NULL;
	}
	view->h.aux = (uint16_t)mode;
	view->of = of;
	return kt_obj_val(view);
}

static kt_val string_elems(kt_sthread *t, const kt_args *a)
{
	return make_elems(t, a->self, KT_ELEMS);
}

static kt_val string_elem_ords(kt_sthread *t, const kt_args *a)
{
	return make_elems(t, a->self, KT_ELEM_ORDS);
}

static kt_val string_codepoints(kt_sthread *t, const kt_args *a)
{
	return make_elems(t, a->self, KT_CODEPOINTS);
}

static kt_val string_codepoint_ords(kt_sthread *t, const kt_args *a)
{
	return make_elems(t, a->self, KT_CODEPOINT_ORDS);
}

static kt_val bytes_elems(kt_sthread *t, const kt_args *a)
{
	return make_elems(t, a->self, KT_BYTES_ELEMS);
}

/* ---- tables ------------------------------------------------------------------ */

static const kt_param search_params[] = {
	{"sub", KT_ARG_STRING, false, false},
	{"start", KT_ARG_ANY, true, false},
	{"end", KT_ARG_ANY, true, false},
};
static const kt_param affix_params[] = {
	{"affix", KT_ARG_ANY, false, false},
	{"start", KT_ARG_ANY, true, false},
	{"end", KT_ARG_ANY, true, false},
};
static const kt_param iterable_param[] = {{"iterable", KT_ARG_ITERABLE, false, false}};
static const kt_param text_param[] = {{"text", KT_ARG_STRING, false, false}};
static const kt_param strip_params[] = {{"chars", KT_ARG_STRING, true, false}};
static const kt_param replace_params[] = {
	{"old", KT_ARG_STRING, false, false},
	{"new", KT_ARG_STRING, false, false},
	{"count", KT_ARG_I64, true, false},
};
static const kt_param split_params[] = {
	{"sep", KT_ARG_ANY, true, false},
	{"maxsplit", KT_ARG_I64, true, false},
};
static const kt_param splitlines_params[] = {{"keepends", KT_ARG_BOOL, true, false}};

#define PLAIN(name, fn) {name, KT_ARGS_POS, NULL, 0, fn}
#define WITH(name, params, fn) {name, KT_ARGS_POS, params, KT_ARRAY_LEN(params), fn}

/* Sorted by name. */
static const kt_builtin_row string_rows[] = {
	PLAIN("capitalize", string_capitalize),
	PLAIN("codepoint_ords", string_codepoint_ords),
	PLAIN("codepoints", string_codepoints),
	WITH("count", search_params, string_count),
	PLAIN("elem_ords", string_elem_ords),
	PLAIN("elems", string_elems),
	WITH("endswith", affix_params, string_endswith),
	WITH("find", search_params, string_find),
	{"format", KT_ARGS_RAW, NULL, 0, kt_string_format},
	WITH("index", search_params, string_index),
	PLAIN("isalnum", string_isalnum),
	PLAIN("isalpha", string_isalpha),
	PLAIN("isdigit", string_isdigit),
	PLAIN("islower", string_islower),
	PLAIN("isspace", string_isspace),
	PLAIN("istitle", string_istitle),
	PLAIN("isupper", string_isupper),
	WITH("join", iterable_param, string_join),
	PLAIN("lower", string_lower),
	WITH("lstrip", strip_params, string_lstrip),
	WITH("partition", text_param, kt_string_partition),
	WITH("removeprefix", text_param, string_removeprefix),
	WITH("removesuffix", text_param, string_removesuffix),
	WITH("replace", replace_params, string_replace),
	WITH("rfind", search_params, string_rfind),
	WITH("rindex", search_params, string_rindex),
	WITH("rpartition", text_param, kt_string_rpartition),
	WITH("rsplit", split_params, kt_string_rsplit),
	WITH("rstrip", strip_params, string_rstrip),
	WITH("split", split_params, kt_string_split),
	WITH("splitlines", splitlines_params, kt_string_splitlines),
	WITH("startswith", affix_params, string_startswith),
	WITH("strip", strip_params, string_strip),
	PLAIN("title", string_title),
	PLAIN("upper", string_upper),
};

static const kt_builtin_row bytes_rows[] = {PLAIN("elems", bytes_elems)};

const kt_method_table kt_string_methods = {string_rows, KT_ARRAY_LEN(string_rows)};
const kt_method_table kt_bytes_methods = {bytes_rows, KT_ARRAY_LEN(bytes_rows)};
