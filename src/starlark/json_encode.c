/* json.encode: values to JSON text, without spaces, keys sorted. */
#include "starlark/json_internal.h"

#include "base/num.h"
#include "base/stack.h"
#include "base/utf8.h"
#include "base/vec.h"
#include "starlark/bigint.h"
#include "starlark/run_internal.h"

#include <math.h>

typedef struct encoder {
	kt_sthread *t;
	kt_buf out;
	kt_buf problem;       /* message so far; paths are put in front while unwinding */
	bool raised;          /* the error is in the thread already */
	KT_VEC(kt_val) path;  /* containers being encoded */
} encoder;

static int encode_value(encoder *e, kt_val v);

/* ---- errors ------------------------------------------------------------------ */

static int fail(encoder *e, const char *message, const char *detail, const char *after)
{
	kt_buf_adds(&e->problem, message);
	kt_buf_adds(&e->problem, detail);
	kt_buf_adds(&e->problem, after);
	return -1;
}

static int fail_raised(encoder *e)
{
	e->raised = true;
	return -1;
}

/* Puts what is in `where` in front of the message. */
static int fail_inside(encoder *e, kt_buf *where)
{
	kt_buf_adds(where, ": ");
	kt_buf_add(where, kt_buf_str(&e->problem), e->problem.len);
	kt_buf_clear(&e->problem);
	kt_buf_add(&e->problem, kt_buf_str(where), where->len);
	if (where->failed) {
		e->problem.failed = true;
	}
	kt_buf_deinit(where);
	return -1;
}

/* ---- strings ----------------------------------------------------------------- */

/* Without control characters and beyond ASCII nothing but quotes, backslashes and DEL matters. */
static bool is_plain(kt_text text)
{
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.data[i] < 0x20 || (unsigned char)text.data[i] >= 0x80) {
			return false;
		}
	}
	return true;
}

static void add_plain(kt_buf *out, kt_text text)
{
	size_t done = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];
		if (c == '"' || c == '\\') {
			kt_buf_add(out, text.data + done, i - done);
			kt_buf_addc(out, '\\');
			done = i;
		} else if (c == 0x7F) {
			/* The quoting of Go source, which is what the language prescribes. */
			kt_buf_add(out, text.data + done, i - done);
			kt_buf_adds(out, "\\x7f");
			done = i + 1;
		}
	}
	kt_buf_add(out, text.data + done, text.len - done);
}

static void add_rune(kt_buf *out, uint32_t rune, bool valid)
{
	static const char letters[] = "btn\0fr"; /* of 8 to 13 */

	if (!valid) {
		kt_buf_adds(out, "\\ufffd");
	} else if (rune == '"' || rune == '\\') {
		kt_buf_addc(out, '\\');
		kt_buf_addc(out, (char)rune);
	} else if (rune >= 8 && rune <= 13 && rune != 11) {
		kt_buf_addc(out, '\\');
		kt_buf_addc(out, letters[rune - 8]);
	} else if (rune < 0x20 || rune == '<' || rune == '>' || rune == '&' || rune == 0x2028 ||
		   rune == 0x2029) {
		kt_buf_addf(out, "\\u%04x", rune);
	} else {
		kt_buf_add_rune(out, rune);
	}
}

static void add_string(kt_buf *out, kt_text text)
{
	kt_buf_addc(out, '"');
	if (is_plain(text)) {
		add_plain(out, text);
	} else {
		for (size_t i = 0; i < text.len;) {
			size_t width;
			uint32_t rune = kt_utf8_decode(text.data + i, text.len - i, &width);
			add_rune(out, rune, rune != KT_RUNE_ERROR || width > 1);
			i += width;
		}
	}
	kt_buf_addc(out, '"');
}

/* ---- containers -------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
	const kt_dict_entry *left = a;
	const kt_dict_entry *right = b;
	return kt_str_compare(kt_as_str(left->key), kt_as_str(right->key));
}

static int encode_entries(encoder *e, kt_dict_entry *entries, size_t n)
{
	qsort(entries, n, sizeof(*entries), by_key);
	kt_buf_addc(&e->out, '{');
	for (size_t i = 0; i < n; i++) {
		kt_text key = kt_text_of(entries[i].key);
		if (i > 0) {
			kt_buf_addc(&e->out, ',');
		}
		add_string(&e->out, key);
		kt_buf_addc(&e->out, ':');
		if (encode_value(e, entries[i].value) < 0) {
			kt_buf where = KT_BUF_INIT;
			kt_buf_adds(&where, "in dict key ");
			kt_quote(&where, key.data, key.len, false);
			return fail_inside(e, &where);
		}
	}
	kt_buf_addc(&e->out, '}');
	return 0;
}

static int encode_dict(encoder *e, kt_val v)
{
	size_t n = 0;
	kt_val key;
	kt_val value;
	KT_AUTO_FREE kt_dict_entry *entries =
		kt_alloc_array((size_t)kt_as_dict(v)->len + 1, sizeof(*entries));

	if (entries == NULL) {
		kt_star_raise_nomem(e->t);
		return fail_raised(e);
	}
	for (size_t at = 0; kt_dict_next(v, &at, &key, &value);) {
		if (!kt_is_str(key)) {
			return fail(e, "dict has ", kt_val_type_name(key), " key, want string");
		}
		entries[n++] = (kt_dict_entry){key, value, 0};
	}
	return encode_entries(e, entries, n);
}

static int encode_sequence(encoder *e, kt_val v)
{
	kt_iter iter;
	kt_val item;
	int more;

	if (kt_iter_begin(e->t, &iter, v) < 0) {
		return fail_raised(e);
	}
	kt_buf_addc(&e->out, '[');
	for (size_t i = 0; (more = kt_iter_next(e->t, &iter, &item)) > 0; i++) {
		if (i > 0) {
			kt_buf_addc(&e->out, ',');
		}
		if (encode_value(e, item) < 0) {
			kt_buf where = KT_BUF_INIT;
			kt_iter_end(&iter);
			kt_buf_addf(&where, "at %s index %zu", kt_val_type_name(v), i);
			return fail_inside(e, &where);
		}
	}
	kt_iter_end(&iter);
	if (more < 0) {
		return fail_raised(e);
	}
	kt_buf_addc(&e->out, ']');
	return 0;
}

static int encode_field(encoder *e, const char *name, kt_val value, bool first)
{
	if (!first) {
		kt_buf_addc(&e->out, ',');
	}
	add_string(&e->out, (kt_text){name, strlen(name)});
	kt_buf_addc(&e->out, ':');
	if (encode_value(e, value) < 0) {
		kt_buf where = KT_BUF_INIT;
		kt_buf_addf(&where, "in field .%s", name);
		return fail_inside(e, &where);
	}
	return 0;
}

static int encode_struct(encoder *e, kt_val v)
{
	size_t n = kt_struct_len(v);

	kt_buf_addc(&e->out, '{');
	for (size_t i = 0; i < n; i++) {
		const char *name;
		kt_val value = kt_struct_field(v, i, &name);
		if (encode_field(e, name, value, i == 0) < 0) {
			return -1;
		}
	}
	kt_buf_addc(&e->out, '}');
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return kt_str_compare(kt_as_str(*(const kt_val *)a), kt_as_str(*(const kt_val *)b));
}

/* Anything else with attributes is an object of them. */
static int encode_attributes(encoder *e, kt_val v)
{
	kt_val names = kt_list_new(e->t, NULL, 0);

	if (names == KT_NULL || kt_val_attr_names(e->t, v, kt_as_list(names)) < 0) {
		return fail_raised(e);
	}
	kt_list *list = kt_as_list(names);
	if (list->len > 1) {
		qsort(list->items, list->len, sizeof(kt_val), by_text);
	}
	kt_buf_addc(&e->out, '{');
	for (size_t i = 0; i < list->len; i++) {
		const char *name = kt_as_str(list->items[i])->data;
		kt_val value = kt_val_attr(e->t, v, name, false);
		if (value == KT_NULL) {
			return fail_raised(e);
		}
		if (encode_field(e, name, value, i == 0) < 0) {
			return -1;
		}
	}
	kt_buf_addc(&e->out, '}');
	return 0;
}

static bool has_attributes(kt_val v)
{
	kt_host *host = kt_host_get(v, NULL);

	return (host != NULL && host->type->attr_names != NULL) || kt_is(v, KT_KIND_MODULE) ||
	       kt_is(v, KT_KIND_BYTES);
}

static int encode_container(encoder *e, kt_val v)
{
	if (kt_is(v, KT_KIND_DICT)) {
		return encode_dict(e, v);
	}
	if (kt_is(v, KT_KIND_STRUCT)) {
		return encode_struct(e, v);
	}
	if (kt_val_iterable(v)) {
		return encode_sequence(e, v);
	}
	if (has_attributes(v)) {
		return encode_attributes(e, v);
	}
	return fail(e, "cannot encode ", kt_val_type_name(v), " as JSON");
}

static int encode_float(encoder *e, double d)
{
	if (!isfinite(d)) {
		return fail(e, "cannot encode non-finite float ",
			    isnan(d) ? "nan" : d > 0 ? "+inf" : "-inf", "");
	}
	kt_buf_add_float(&e->out, d, 'g', -1);
	return 0;
}

static int encode_value(encoder *e, kt_val v)
{
	/* A range or a list in many places may be far longer as a text than in memory. */
	if (e->out.len > kt_heap_limit(e->t->star)) {
		kt_star_raise_nomem(e->t);
		return fail_raised(e);
	}
	switch (kt_val_kind(v)) {
	case KT_KIND_NONE:
		kt_buf_adds(&e->out, "null");
		return 0;
	case KT_KIND_BOOL:
		kt_buf_adds(&e->out, v == KT_TRUE ? "true" : "false");
		return 0;
	case KT_KIND_INT:
		return kt_int_text(e->t, v, 10, &e->out) < 0 ? fail_raised(e) : 0;
	case KT_KIND_FLOAT:
		return encode_float(e, kt_as_float(v)->d);
	case KT_KIND_STRING:
		add_string(&e->out, kt_text_of(v));
		return 0;
	default:
		break;
	}
	for (size_t i = 0; i < e->path.len; i++) {
		if (e->path.items[i] == v) {
			return fail(e, "cycle in JSON structure", "", "");
		}
	}
	if (e->path.len == KT_JSON_MAX_DEPTH || kt_stack_low()) {
		/* Without the path, which would be as deep. */
		kt_star_raise(e->t, "json.encode: value nested too deeply");
		return fail_raised(e);
	}
	if (kt_vec_push(&e->path, v) < 0) {
		kt_star_raise_nomem(e->t);
		return fail_raised(e);
	}
	int result = encode_container(e, v);
	e->path.len--;
	return result;
}

kt_val kt_json_encode(kt_sthread *t, const kt_args *a)
{
	encoder e = {.t = t};
	kt_val result = KT_NULL;

	if (encode_value(&e, a->v[0]) == 0) {
		result = kt_str_from_buf(t, &e.out);
	} else if (!e.raised && kt_message_ready(t, &e.problem)) {
		kt_star_raise(t, "%s: %s", a->row->name, kt_buf_str(&e.problem));
	}
	kt_buf_deinit(&e.out);
	kt_buf_deinit(&e.problem);
	kt_vec_deinit(&e.path);
	return result;
}
