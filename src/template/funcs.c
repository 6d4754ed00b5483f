/* The built-in functions; comparisons are in compare.c. */
#include "template/exec_internal.h"

#include "base/utf8.h"

bool kt_tfunc_fail(kt_texec *x, const char *fmt, ...)
{
	va_list args;
	char text[512];

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	kt_buf_adds(&x->problem, text);
	return false;
}

bool kt_tfunc_text(kt_texec *x, kt_buf *buf, kt_tmpl_val *ret)
{
	size_t len = buf->len;
	char *kept =
		buf->failed ? NULL : kt_arena_strndup(&x->scratch, kt_buf_str(buf), buf->len);

	kt_buf_deinit(buf);
	if (kept == NULL) {
		return kt_texec_nomem(x);
	}
	*ret = kt_tval_text(KT_TMPL_STRING, (kt_ttext){kept, len});
	return true;
}

static bool is_text(const kt_tmpl_val *v)
{
	return v->kind == KT_TMPL_STRING || v->kind == KT_TMPL_NUMBER;
}

static bool is_int(const kt_tmpl_val *v)
{
	return v->kind == KT_TMPL_INT || v->kind == KT_TMPL_BYTE;
}

/* ---- members --------------------------------------------------------------------------- */

/* An index into something that reaches to cap (inclusive). */
static bool list_index(kt_texec *x, const kt_tmpl_val *v, size_t cap, size_t *ret)
{
	if (v->kind == KT_TMPL_MISSING || v->kind == KT_TMPL_NIL) {
		return kt_tfunc_fail(x, "cannot index slice/array with nil");
	}
	if (!is_int(v)) {
		return kt_tfunc_fail(x, "cannot index slice/array with type %s", kt_tval_type(v));
	}
	if (v->i < 0 || (uint64_t)v->i > cap) {
		return kt_tfunc_fail(x, "index out of range: %lld", (long long)v->i);
	}
	*ret = (size_t)v->i;
	return true;
}

static bool index_map(kt_texec *x, const kt_tmpl_val *map, const kt_tmpl_val *key,
		      kt_tmpl_val *ret)
{
	if (key->kind == KT_TMPL_MISSING || key->kind == KT_TMPL_NIL) {
		return kt_tfunc_fail(x, "value is nil; should be of type string");
	}
	if (key->kind != KT_TMPL_STRING) {
		return kt_tfunc_fail(x, "value has type %s; should be string", kt_tval_type(key));
	}
	const kt_tmpl_val *value = kt_tval_get(map, kt_tval_str(key));
	*ret = value == NULL ? kt_tval(KT_TMPL_NIL) : *value;
	ret->iface = true;
	return true;
}

static bool index_one(kt_texec *x, const kt_tmpl_val *item, const kt_tmpl_val *at,
		      kt_tmpl_val *ret)
{
	size_t i = 0;

	if (item->kind == KT_TMPL_NIL) {
		return kt_tfunc_fail(x, "index of nil pointer");
	}
	if (item->kind == KT_TMPL_MAP) {
		return index_map(x, item, at, ret);
	}
	if (is_text(item)) {
		if (!list_index(x, at, item->s.len, &i)) {
			return false;
		}
		if (i == item->s.len) {
			return kt_tfunc_fail(x, "reflect: string index out of range");
		}
		*ret = kt_tval(KT_TMPL_BYTE);
		ret->i = (unsigned char)item->s.data[i];
		return true;
	}
	if (item->kind != KT_TMPL_LIST) {
		return kt_tfunc_fail(x, "can't index item of type %s", kt_tval_type(item));
	}
	if (!list_index(x, at, item->list.len, &i)) {
		return false;
	}
	if (i == item->list.len) {
		return kt_tfunc_fail(x, "reflect: slice index out of range");
	}
	*ret = item->list.items[i];
	ret->iface = true;
	return true;
}

static bool fn_index(kt_texec *x, const kt_tmpl_val *args, size_t n, kt_tmpl_val *ret)
{
	kt_tmpl_val item = args[0];

	if (item.kind == KT_TMPL_MISSING || item.kind == KT_TMPL_NIL) {
		return kt_tfunc_fail(x, "index of untyped nil");
	}
	for (size_t i = 1; i < n; i++) {
		kt_tmpl_val next;
		if (!index_one(x, &item, &args[i], &next)) {
			return false;
		}
		item = next;
	}
	*ret = item;
	return true;
}

/* The bounds of a slice, at most three. */
static bool slice_bounds(kt_texec *x, const kt_tmpl_val *args, size_t n, size_t cap,
			 size_t bounds[3])
{
	for (size_t i = 1; i < n; i++) {
		if (args[i].iface) { /* slice does not look into interfaces, index does */
			return kt_tfunc_fail(x, "cannot index slice/array with type interface {}");
		}
		if (!list_index(x, &args[i], cap, &bounds[i - 1])) {
			return false;
		}
	}
	if (bounds[0] > bounds[1]) {
		return kt_tfunc_fail(x, "invalid slice index: %zu > %zu", bounds[0], bounds[1]);
	}
	if (n == 4 && bounds[1] > bounds[2]) {
		return kt_tfunc_fail(x, "invalid slice index: %zu > %zu", bounds[1], bounds[2]);
	}
	return true;
}

static bool fn_slice(kt_texec *x, const kt_tmpl_val *args, size_t n, kt_tmpl_val *ret)
{
	kt_tmpl_val item = args[0];
	size_t bounds[3] = {0, 0, 0};

	if (item.kind == KT_TMPL_MISSING || item.kind == KT_TMPL_NIL) {
		return kt_tfunc_fail(x, "slice of untyped nil");
	}
	if (n > 4) {
		return kt_tfunc_fail(x, "too many slice indexes: %zu", n - 1);
	}
	if (!is_text(&item) && item.kind != KT_TMPL_LIST) {
		return kt_tfunc_fail(x, "can't slice item of type %s", kt_tval_type(&item));
	}
	if (is_text(&item) && n == 4) {
		return kt_tfunc_fail(x, "cannot 3-index slice a string");
	}
	size_t cap = is_text(&item) ? item.s.len : item.list.cap;
	bounds[1] = is_text(&item) ? item.s.len : item.list.len;
	if (!slice_bounds(x, args, n, cap, bounds)) {
		return false;
	}
	item.iface = false;
	if (is_text(&item)) {
		item.s.data += bounds[0];
		item.s.len = bounds[1] - bounds[0];
	} else {
		item.list.items += bounds[0];
		item.list.len = bounds[1] - bounds[0];
		item.list.cap = (n == 4 ? bounds[2] : cap) - bounds[0];
	}
	*ret = item;
	return true;
}

static bool fn_len(kt_texec *x, const kt_tmpl_val *args, size_t n, kt_tmpl_val *ret)
{
	const kt_tmpl_val *item = &args[0];

	(void)n;
	switch (item->kind) {
	case KT_TMPL_NIL:
		return kt_tfunc_fail(x, "len of nil pointer");
	case KT_TMPL_MISSING:
		return kt_tfunc_fail(x, "reflect: call of reflect.Value.Type on zero Value");
	case KT_TMPL_STRING:
	case KT_TMPL_NUMBER:
		*ret = kt_tval_int((int64_t)item->s.len);
		return true;
	case KT_TMPL_LIST:
		*ret = kt_tval_int((int64_t)item->list.len);
		return true;
	case KT_TMPL_MAP:
		*ret = kt_tval_int((int64_t)item->map.len);
		return true;
	default:
		return kt_tfunc_fail(x, "len of type %s", kt_tval_type(item));
	}
}

static bool fn_not(kt_texec *x, const kt_tmpl_val *args, size_t n, kt_tmpl_val *ret)
{
	(void)x;
	(void)n;
	*ret = kt_tval(KT_TMPL_BOOL);
	ret->b = !kt_tval_truth(&args[0]);
	return true;
}

/* ---- printing -------------------------------------------------------------------------- */

static bool fn_print(kt_texec *x, const kt_tmpl_val *args, size_t n, kt_tmpl_val *ret)
{
	kt_buf out = KT_BUF_MAX(x->scratch.limit);

	kt_tfmt_print(&out, args, n);
	return kt_tfunc_text(x, &out, ret);
}

static bool fn_println(kt_texec *x, const kt_tmpl_val *args, size_t n, kt_tmpl_val *ret)
{
	kt_buf out = KT_BUF_MAX(x->scratch.limit);

	kt_tfmt_println(&out, args, n);
	return kt_tfunc_text(x, &out, ret);
}

static bool fn_printf(kt_texec *x, const kt_tmpl_val *args, size_t n, kt_tmpl_val *ret)
{
	kt_buf out = KT_BUF_MAX(x->scratch.limit);

	kt_tfmt_printf(&out, kt_tval_str(&args[0]), args + 1, n - 1);
	return kt_tfunc_text(x, &out, ret);
}

/* ---- escaping -------------------------------------------------------------------------- */

/* What the escapers work on: a string as it is, anything else printed. */
static void escaper_input(kt_buf *out, const kt_tmpl_val *args, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool nil = args[i].kind == KT_TMPL_NIL || args[i].kind == KT_TMPL_MISSING;
		/* A nil prints as a string, which takes no space around it. */
		bool text = nil || is_text(&args[i]);
		bool before = i > 0 && (args[i - 1].kind == KT_TMPL_NIL ||
					args[i - 1].kind == KT_TMPL_MISSING ||
					is_text(&args[i - 1]));
		if (i > 0 && !text && !before) {
			kt_buf_addc(out, ' ');
		}
		if (nil) {
			kt_buf_adds(out, "<no value>");
		} else {
			kt_tfmt_value(out, 'v', &args[i]);
		}
	}
}

static void escape_html(kt_buf *out, kt_ttext text)
{
	for (size_t i = 0; i < text.len; i++) {
		switch (text.data[i]) {
		case '\0':
			kt_buf_add_rune(out, KT_RUNE_ERROR);
			break;
		case '"':
			kt_buf_adds(out, "&#34;");
			break;
		case '\'':
			kt_buf_adds(out, "&#39;");
			break;
		case '&':
			kt_buf_adds(out, "&amp;");
			break;
		case '<':
			kt_buf_adds(out, "&lt;");
			break;
		case '>':
			kt_buf_adds(out, "&gt;");
			break;
		default:
			kt_buf_addc(out, text.data[i]);
			break;
		}
	}
}

static void escape_js_ascii(kt_buf *out, char c)
{
	if (c == '\\' || c == '\'' || c == '"') {
		kt_buf_addc(out, '\\');
		kt_buf_addc(out, c);
	} else if (c < ' ' || strchr("<>&=", c) != NULL) {
		kt_buf_addf(out, "\\u%04X", (unsigned)c);
	} else {
		kt_buf_addc(out, c);
	}
}

static void escape_js(kt_buf *out, kt_ttext text)
{
	for (size_t i = 0; i < text.len;) {
		size_t width = 1;
		if ((unsigned char)text.data[i] < 0x80) {
			escape_js_ascii(out, text.data[i]);
		} else {
			uint32_t rune =
				kt_utf8_decode(text.data + i, text.len - i, &width);
			if (kt_rune_is_print(rune)) {
				kt_buf_add(out, text.data + i, width);
			} else {
				kt_buf_addf(out, "\\u%04X", rune);
			}
		}
		i += width;
	}
}

static void escape_url(kt_buf *out, kt_ttext text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];
		bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			     (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.' ||
			     c == '~';
		if (plain) {
			kt_buf_addc(out, c);
		} else if (c == ' ') {
			kt_buf_addc(out, '+');
		} else {
			kt_buf_addf(out, "%%%02X", (unsigned char)c);
		}
	}
}

static bool escape(kt_texec *x, const kt_tmpl_val *args, size_t n, kt_tmpl_val *ret,
		   void (*with)(kt_buf *, kt_ttext))
{
	KT_AUTO_BUF kt_buf input = KT_BUF_MAX(x->scratch.limit);
	kt_buf out = KT_BUF_MAX(x->scratch.limit);

	escaper_input(&input, args, n);
	with(&out, (kt_ttext){kt_buf_str(&input), input.len});
	out.failed = out.failed || input.failed;
	return kt_tfunc_text(x, &out, ret);
}

static bool fn_html(kt_texec *x, const kt_tmpl_val *args, size_t n, kt_tmpl_val *ret)
{
	return escape(x, args, n, ret, escape_html);
}

static bool fn_js(kt_texec *x, const kt_tmpl_val *args, size_t n, kt_tmpl_val *ret)
{
	return escape(x, args, n, ret, escape_js);
}

static bool fn_urlquery(kt_texec *x, const kt_tmpl_val *args, size_t n, kt_tmpl_val *ret)
{
	return escape(x, args, n, ret, escape_url);
}

/* ---- table ----------------------------------------------------------------------------- */

#define VALUES KT_TPARAM_VALUE, KT_TPARAM_VALUE
#define ANYTHING KT_TPARAM_ANY, KT_TPARAM_ANY

static const kt_tfunc functions[] = {
	{"and", 1, true, VALUES, NULL},
	{"call", 1, true, VALUES, NULL},
	{"eq", 1, true, VALUES, kt_tfunc_eq},
	{"ge", 2, false, VALUES, kt_tfunc_ge},
	{"gt", 2, false, VALUES, kt_tfunc_gt},
	{"html", 0, true, ANYTHING, fn_html},
	{"index", 1, true, VALUES, fn_index},
	{"js", 0, true, ANYTHING, fn_js},
	{"le", 2, false, VALUES, kt_tfunc_le},
	{"len", 1, false, VALUES, fn_len},
	{"lt", 2, false, VALUES, kt_tfunc_lt},
	{"ne", 2, false, VALUES, kt_tfunc_ne},
	{"not", 1, false, VALUES, fn_not},
	{"or", 1, true, VALUES, NULL},
	{"print", 0, true, ANYTHING, fn_print},
	{"printf", 1, true, KT_TPARAM_STRING, KT_TPARAM_ANY, fn_printf},
	{"println", 0, true, ANYTHING, fn_println},
	{"slice", 1, true, VALUES, fn_slice},
	{"urlquery", 0, true, ANYTHING, fn_urlquery},
};

const kt_tfunc *kt_tfunc_find(kt_ttext name)
{
	for (size_t i = 0; i < KT_ARRAY_LEN(functions); i++) {
		if (kt_ttext_is(name, functions[i].name)) {
			return &functions[i];
		}
	}
	return NULL;
}
