/* Built-in functions that turn one value into another. */
#include "starlark/bigint.h"
#include "starlark/builtins_internal.h"

#include "base/num.h"
#include "base/str.h"

#include <math.h>
#include <strings.h>

int kt_exactly_one(kt_sthread *t, const kt_args *a, const char *want)
{
	if (a->nkw > 0) {
		return kt_star_fail(t, "%s does not accept keyword arguments", a->row->name);
	}
	if (a->npos != 1) {
		return kt_star_fail(t, "%s: got %zu arguments, want %s", a->row->name, a->npos,
				    want);
	}
	return 0;
}

kt_val kt_builtin_bool(kt_sthread *t, const kt_args *a)
{
	(void)t;
	return kt_bool(a->v[0] != KT_NULL && kt_val_truth(a->v[0]));
}

/* ---- text -------------------------------------------------------------------- */

static kt_val bytes_of_ints(kt_sthread *t, kt_val iterable)
{
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	kt_iter iter;
	kt_val item;
	int more;

	if (kt_iter_begin(t, &iter, iterable) < 0) {
		return KT_NULL;
	}
	for (size_t i = 0; (more = kt_iter_next(t, &iter, &item)) > 0; i++) {
		int64_t byte;

		if (!kt_is_anyint(item)) {
			more = kt_star_fail(t, "bytes: at index %zu, got %s, want int", i,
					    kt_val_type_name(item));
			break;
		}
		if (!kt_int_get(item, &byte) || byte < 0 || byte > 255) {
			KT_AUTO_BUF kt_buf text = KT_BUF_INIT;

			kt_int_text(t, item, 10, &text);
			more = kt_star_fail(t,
					    "bytes: at index %zu, %s out of range (want value in "
					    "unsigned 8-bit range)",
					    i, kt_buf_str(&text));
			break;
		}
		kt_buf_addc(&out, (char)byte);
	}
	kt_iter_end(&iter);
	if (more < 0) {
		return KT_NULL;
	}
	return out.failed ? kt_star_raise_nomem(t) : kt_bytes_new(t, kt_buf_str(&out), out.len);
}

kt_val kt_builtin_bytes(kt_sthread *t, const kt_args *a)
{
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	kt_val v;

	if (kt_exactly_one(t, a, "exactly 1") < 0) {
		return KT_NULL;
	}
	v = a->pos[0];
	if (kt_is(v, KT_KIND_BYTES)) {
		return v;
	}
	if (kt_is_str(v)) {
		kt_buf_add_utf8(&out, kt_as_str(v)->data, kt_as_str(v)->len);
		return out.failed ? kt_star_raise_nomem(t)
				  : kt_bytes_new(t, kt_buf_str(&out), out.len);
	}
	if (kt_val_iterable(v)) {
		return bytes_of_ints(t, v);
	}
	return kt_star_raise(t, "bytes: got %s, want string, bytes, or iterable of ints",
			     kt_val_type_name(v));
}

kt_val kt_builtin_chr(kt_sthread *t, const kt_args *a)
{
	char utf8[4];
	int64_t rune;

	if (kt_exactly_one(t, a, "1") < 0) {
		return KT_NULL;
	}
	if (!kt_is_anyint(a->pos[0])) {
		return kt_star_raise(t, "chr: got %s, want int", kt_val_type_name(a->pos[0]));
	}
	if (!kt_int_get(a->pos[0], &rune) || rune > INT32_MAX || rune < INT32_MIN) {
		KT_AUTO_BUF kt_buf text = KT_BUF_INIT;

		return kt_int_text(t, a->pos[0], 10, &text) < 0
			       ? KT_NULL
			       : kt_star_raise(t, "chr: %s out of range", kt_buf_str(&text));
	}
	if (rune < 0) {
		return kt_star_raise(t, "chr: Unicode code point %lld out of range (<0)",
				     (long long)rune);
	}
	if (rune > KT_RUNE_MAX) {
		return kt_star_raise(t, "chr: Unicode code point U+%llX out of range (>0x10FFFF)",
				     (unsigned long long)rune);
	}
	return kt_string_new(t, utf8, kt_utf8_encode((uint32_t)rune, utf8));
}

kt_val kt_builtin_ord(kt_sthread *t, const kt_args *a)
{
	const kt_str *s;
	size_t width;
	size_t n;

	if (kt_exactly_one(t, a, "1") < 0) {
		return KT_NULL;
	}
	s = kt_as_str(a->pos[0]);
	if (kt_is(a->pos[0], KT_KIND_BYTES)) {
		if (s->len != 1) {
			return kt_star_raise(t, "ord: bytes has length %zu, want 1", s->len);
		}
		return kt_small_val((unsigned char)s->data[0]);
	}
	if (!kt_is_str(a->pos[0])) {
		return kt_star_raise(t, "ord: got %s, want string or bytes",
				     kt_val_type_name(a->pos[0]));
	}
	n = kt_utf8_count(s->data, s->len);
	if (n != 1) {
		return kt_star_raise(t, "ord: string encodes %zu Unicode code points, want 1", n);
	}
	return kt_small_val(kt_utf8_decode(s->data, s->len, &width));
}

/* hash() is part of the language: the same everywhere and for ever. */
kt_val kt_builtin_hash(kt_sthread *t, const kt_args *a)
{
	const kt_str *s = kt_as_str(a->v[0]);
	uint32_t h = 0;

	if (kt_is(a->v[0], KT_KIND_BYTES)) {
		h = 2166136261u;
		for (size_t i = 0; i < s->len; i++) {
			h = (h ^ (unsigned char)s->data[i]) * 16777619u;
		}
		return kt_small_val(h);
	}
	if (!kt_is_str(a->v[0])) {
		return kt_star_raise(t, "hash: got %s, want string or bytes",
				     kt_val_type_name(a->v[0]));
	}
	for (size_t at = 0; at < s->len;) {
		size_t width;

		h = 31 * h + kt_utf8_decode(s->data + at, s->len - at, &width);
		at += width;
	}
	return kt_small_val((int32_t)h);
}

kt_val kt_builtin_repr(kt_sthread *t, const kt_args *a)
{
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;

	return kt_val_repr(t, a->v[0], &out) < 0 ? KT_NULL : kt_str_from_buf(t, &out);
}

kt_val kt_builtin_str(kt_sthread *t, const kt_args *a)
{
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;

	if (kt_exactly_one(t, a, "exactly 1") < 0) {
		return KT_NULL;
	}
	if (kt_is_str(a->pos[0])) {
		return a->pos[0];
	}
	return kt_val_str(t, a->pos[0], &out) < 0 ? KT_NULL : kt_str_from_buf(t, &out);
}

kt_val kt_builtin_type(kt_sthread *t, const kt_args *a)
{
	const char *name;

	if (kt_exactly_one(t, a, "exactly 1") < 0) {
		return KT_NULL;
	}
	name = kt_val_type_name(a->pos[0]);
	return kt_string_intern(t, name, strlen(name));
}

/* ---- numbers ----------------------------------------------------------------- */

static kt_val float_of_text(kt_sthread *t, const kt_str *s)
{
	double d;

	if (s->len == 0) {
		return kt_star_raise(t, "float: empty string");
	}
	if (s->len == 4 && (s->data[0] == '+' || s->data[0] == '-') &&
	    strncasecmp(s->data + 1, "nan", 3) == 0) {
		return kt_float_new(t, NAN);
	}
	switch (kt_num_parse_float(s->data, s->len, &d)) {
	case KT_NUM_OK:
		return kt_float_new(t, d);
	case KT_NUM_RANGE:
		return kt_star_raise(t, "floating-point number too large");
	case KT_NUM_NOMEM:
		return kt_star_raise_nomem(t);
	case KT_NUM_SYNTAX:
		break;
	}
	return kt_star_raise(t, "invalid float literal: %s", s->data);
}

kt_val kt_builtin_float(kt_sthread *t, const kt_args *a)
{
	kt_val v;
	double d;

	if (a->nkw > 0) {
		return kt_star_raise(t, "float does not accept keyword arguments");
	}
	if (a->npos == 0) {
		return kt_float_new(t, 0);
	}
	if (a->npos != 1) {
		return kt_star_raise(t, "float got %zu arguments, wants 1", a->npos);
	}
	v = a->pos[0];
	switch (kt_val_kind(v)) {
	case KT_KIND_BOOL:
		return kt_float_new(t, v == KT_TRUE ? 1 : 0);
	case KT_KIND_INT:
		d = kt_int_to_double(v);
		return isinf(d) ? kt_star_raise(t, "int too large to convert to float")
				: kt_float_new(t, d);
	case KT_KIND_FLOAT:
		return v;
	case KT_KIND_STRING:
		return float_of_text(t, kt_as_str(v));
	default:
		return kt_star_raise(t, "float got %s, want number or string", kt_val_type_name(v));
	}
}

/* The base that a prefix names, or 0. */
static int prefix_base(const char *s, size_t len)
{
	if (len <= 2 || s[0] != '0') {
		return 0;
	}
	switch (s[1]) {
	case 'b':
	case 'B':
		return 2;
	case 'o':
	case 'O':
		return 8;
	case 'x':
	case 'X':
		return 16;
	default:
		return 0;
	}
}

static kt_val parse_int(kt_sthread *t, const kt_str *s, int base)
{
	const char *p = s->data;
	size_t len = s->len;
	bool negative = len > 0 && *p == '-';
	int prefix;

	if (len > 0 && (*p == '-' || *p == '+')) {
		p++;
		len--;
	}
	prefix = prefix_base(p, len);
	if (prefix != 0 && (base == 0 || base == prefix)) {
		base = prefix;
		p += 2;
		len -= 2;
	} else if (base == 0 && len > 1 && *p == '0') {
		for (size_t i = 0; i < len; i++) { /* no octal by a mere zero */
			if (p[i] != '0') {
				return KT_NULL;
			}
		}
	}
	return kt_int_parse(t, p, len, base == 0 ? 10 : base, negative);
}

static kt_val int_of_text(kt_sthread *t, const kt_args *a)
{
	const kt_str *s = kt_as_str(a->v[0]);
	int64_t base = 10;
	kt_val v;

	if (a->v[1] != KT_NULL) {
		/* So too of an int beyond 32 bits. */
		if (!kt_int_get(a->v[1], &base) || base != (int32_t)base) {
			return kt_star_raise(t, "int: for base, got %s, want int",
					     kt_val_type_name(a->v[1]));
		}
		if (base != 0 && (base < 2 || base > 36)) {
			return kt_star_raise(t, "int: base must be an integer >= 2 && <= 36");
		}
	}
	v = parse_int(t, s, (int)base);
	if (v == KT_NULL && !t->failed) {
		return kt_star_raise(t, "int: invalid literal with base %d: %s", (int)base,
				     s->data);
	}
	return v;
}

kt_val kt_builtin_int(kt_sthread *t, const kt_args *a)
{
	kt_val v = a->v[0];
	double d;

	if (kt_is_str(v)) {
		return int_of_text(t, a);
	}
	if (a->v[1] != KT_NULL) {
		return kt_star_raise(t, "int: can't convert non-string with explicit base");
	}
	switch (kt_val_kind(v)) {
	case KT_KIND_BOOL:
		return kt_small_val(v == KT_TRUE ? 1 : 0);
	case KT_KIND_INT:
		return v;
	case KT_KIND_FLOAT:
		d = kt_as_float(v)->d;
		if (isnan(d)) {
			return kt_star_raise(t, "int: cannot convert float NaN to integer");
		}
		if (isinf(d)) {
			return kt_star_raise(t, "int: cannot convert float infinity to integer");
		}
		return kt_int_from_double(t, d);
	default:
		return kt_star_raise(t, "int: cannot convert %s to int", kt_val_type_name(v));
	}
}
