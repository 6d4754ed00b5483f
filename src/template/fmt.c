/* Values printed as Go's fmt prints JSON-like data: Sprint, Sprintln, Sprintf. */
#include "template/fmt_internal.h"

#include "base/utf8.h"

#define NIL_TEXT "<nil>"

/* ---- padding --------------------------------------------------------------------------- */

void kt_tfmt_fill(const kt_tfmt *f, int64_t n)
{
	char c = f->zero && !f->minus ? '0' : ' ';

	for (; n > 0 && !f->out->failed; n--) {
		kt_buf_addc(f->out, c);
	}
}

void kt_tfmt_pad(const kt_tfmt *f, const char *data, size_t len)
{
	int64_t room = f->has_width ? f->width - (int64_t)kt_utf8_count(data, len) : 0;

	if (!f->minus) {
		kt_tfmt_fill(f, room);
	}
	kt_buf_add(f->out, data, len);
	if (f->minus) {
		kt_tfmt_fill(f, room);
	}
}

/* ---- strings --------------------------------------------------------------------------- */

/* At most as many code points as the precision says. */
static kt_ttext truncated(const kt_tfmt *f, kt_ttext text)
{
	size_t end = 0;

	if (!f->has_prec) {
		return text;
	}
	for (int64_t n = f->prec; n > 0 && end < text.len; n--) {
		size_t width;
		(void)kt_utf8_decode(text.data + end, text.len - end, &width);
		end += width;
	}
	return (kt_ttext){text.data, end};
}

static void add_quoted(const kt_tfmt *f, kt_ttext text)
{
	KT_AUTO_BUF kt_buf quoted = KT_BUF_INIT;

	text = truncated(f, text);
	if (f->sharp && kt_tquote_fits_raw(text)) {
		kt_buf_addc(&quoted, '`');
		kt_buf_add(&quoted, text.data, text.len);
		kt_buf_addc(&quoted, '`');
	} else {
		kt_tquote_text(&quoted, text, f->plus);
	}
	kt_tfmt_pad(f, kt_buf_str(&quoted), quoted.len);
}

/* Bytes in hexadecimal, perhaps set apart by spaces, perhaps with prefixes. */
static void add_hex_text(const kt_tfmt *f, kt_ttext text, bool upper)
{
	KT_AUTO_BUF kt_buf hex = KT_BUF_INIT;
	const char *prefix = !f->sharp ? "" : upper ? "0X" : "0x";
	size_t len = f->has_prec ? (size_t)KT_MIN(f->prec, (int64_t)text.len) : text.len;

	for (size_t i = 0; i < len; i++) {
		bool apart = f->space && i > 0;
		kt_buf_adds(&hex, apart ? " " : "");
		kt_buf_adds(&hex, i == 0 || apart ? prefix : "");
		kt_buf_addf(&hex, upper ? "%02X" : "%02x", (unsigned char)text.data[i]);
	}
	kt_tfmt_pad(f, kt_buf_str(&hex), hex.len);
}

static bool add_text(const kt_tfmt *f, uint32_t verb, kt_ttext text)
{
	kt_ttext cut = truncated(f, text);

	if (verb == 's' || (verb == 'v' && !f->sharp_v)) {
		kt_tfmt_pad(f, cut.data, cut.len);
	} else if (verb == 'q' || verb == 'v') {
		add_quoted(f, text);
	} else if (verb == 'x' || verb == 'X') {
		add_hex_text(f, text, verb == 'X');
	} else {
		return false;
	}
	return true;
}

/* ---- any value ------------------------------------------------------------------------- */

static void add_value(const kt_tfmt *f, uint32_t verb, const kt_tmpl_val *v, bool inside);

static bool is_nil(const kt_tmpl_val *v)
{
	return v->kind == KT_TMPL_NIL || v->kind == KT_TMPL_MISSING;
}

static void add_list(const kt_tfmt *f, uint32_t verb, const kt_tmpl_val *v)
{
	kt_buf_adds(f->out, f->sharp_v ? "[]interface {}{" : "[");
	for (size_t i = 0; i < v->list.len; i++) {
		if (i > 0) {
			kt_buf_adds(f->out, f->sharp_v ? ", " : " ");
		}
		add_value(f, verb, &v->list.items[i], true);
	}
	kt_buf_addc(f->out, f->sharp_v ? '}' : ']');
}

static void add_map(const kt_tfmt *f, uint32_t verb, const kt_tmpl_val *v)
{
	kt_buf_adds(f->out, f->sharp_v ? "map[string]interface {}{" : "map[");
	for (size_t i = 0; i < v->map.len; i++) {
		const kt_tmpl_entry *entry = &v->map.entries[i];
		kt_tmpl_val key =
			kt_tval_text(KT_TMPL_STRING, (kt_ttext){entry->key, entry->key_len});
		if (i > 0) {
			kt_buf_adds(f->out, f->sharp_v ? ", " : " ");
		}
		add_value(f, verb, &key, true);
		kt_buf_addc(f->out, ':');
		add_value(f, verb, &entry->value, true);
	}
	kt_buf_addc(f->out, f->sharp_v ? '}' : ']');
}

static bool try_value(const kt_tfmt *f, uint32_t verb, const kt_tmpl_val *v)
{
	switch (v->kind) {
	case KT_TMPL_BOOL:
		if (verb != 't' && verb != 'v') {
			return false;
		}
		kt_tfmt_pad(f, v->b ? "true" : "false", v->b ? 4 : 5);
		return true;
	case KT_TMPL_INT:
		return kt_tfmt_integer(f, verb, v->i, true);
	case KT_TMPL_BYTE:
		return kt_tfmt_integer(f, verb, v->i, false);
	case KT_TMPL_FLOAT:
		return kt_tfmt_float(f, verb, v->f);
	case KT_TMPL_COMPLEX:
		return kt_tfmt_complex(f, verb, v->c.re, v->c.im);
	case KT_TMPL_STRING:
	case KT_TMPL_NUMBER:
		return add_text(f, verb, kt_tval_str(v));
	case KT_TMPL_LIST:
		add_list(f, verb, v);
		return true;
	case KT_TMPL_MAP:
		add_map(f, verb, v);
		return true;
	default:
		return false;
	}
}

/* %!VERB(TYPE=VALUE) */
static void add_bad_verb(const kt_tfmt *f, uint32_t verb, const kt_tmpl_val *v)
{
	kt_buf_adds(f->out, "%!");
	kt_buf_add_rune(f->out, verb);
	kt_buf_addc(f->out, '(');
	if (is_nil(v)) {
		kt_buf_adds(f->out, NIL_TEXT);
	} else {
		kt_buf_adds(f->out, kt_tval_type(v));
		kt_buf_addc(f->out, '=');
		add_value(f, 'v', v, false);
	}
	kt_buf_addc(f->out, ')');
}

/* inside: an element of a list or map, where nil prints whatever the verb is. */
static void add_value(const kt_tfmt *f, uint32_t verb, const kt_tmpl_val *v, bool inside)
{
	if (f->out->failed) {
		return;
	}
	if (is_nil(v) && inside) {
		kt_buf_adds(f->out, f->sharp_v ? "interface {}(nil)" : NIL_TEXT);
	} else if (verb == 'T' && !inside) {
		const char *name = is_nil(v) ? NIL_TEXT : kt_tval_type(v);
		kt_ttext cut = {name, strlen(name)};
		if (!is_nil(v)) {
			cut = truncated(f, cut);
		}
		kt_tfmt_pad(f, cut.data, cut.len);
	} else if (is_nil(v) && verb == 'v') {
		kt_tfmt_pad(f, NIL_TEXT, strlen(NIL_TEXT));
	} else if (verb == 'p' || !try_value(f, verb, v)) {
		/* %p would print an address, of which data has none. */
		add_bad_verb(f, verb, v);
	}
}

void kt_tfmt_value(kt_buf *out, uint32_t verb, const kt_tmpl_val *v)
{
	kt_tfmt f = {.out = out};
	add_value(&f, verb, v, false);
}

static bool is_text(const kt_tmpl_val *v)
{
	return v->kind == KT_TMPL_STRING || v->kind == KT_TMPL_NUMBER;
}

void kt_tfmt_print(kt_buf *out, const kt_tmpl_val *args, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && !is_text(&args[i]) && !is_text(&args[i - 1])) {
			kt_buf_addc(out, ' ');
		}
		kt_tfmt_value(out, 'v', &args[i]);
	}
}

void kt_tfmt_println(kt_buf *out, const kt_tmpl_val *args, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		kt_buf_adds(out, i > 0 ? " " : "");
		kt_tfmt_value(out, 'v', &args[i]);
	}
	kt_buf_addc(out, '\n');
}

/* ---- formats --------------------------------------------------------------------------- */

typedef struct directive {
	kt_tfmt f;
	kt_ttext format;
	size_t at;
	const kt_tmpl_val *args;
	size_t nargs;
	size_t arg;
	bool reordered;  /* some argument was chosen by number */
	bool good_index; /* of this directive */
	bool indexed;    /* an index has just been read */
} directive;

#define LARGEST 1000000 /* width, precision, argument number */

/* A decimal number; false when there is none or it is too large (then *at moves to the end). */
static bool take_number(kt_ttext format, size_t *at, size_t end, int64_t *ret)
{
	bool any = false;

	*ret = 0;
	for (; *at < end && format.data[*at] >= '0' && format.data[*at] <= '9'; ++*at) {
		if (*ret > LARGEST) {
			*at = end;
			*ret = 0;
			return false;
		}
		*ret = *ret * 10 + (format.data[*at] - '0');
		any = true;
	}
	return any;
}

/* [n] at the present place chooses the next argument. */
static void take_index(directive *d)
{
	const char *open = d->format.data + d->at;
	size_t left = d->format.len - d->at;
	int64_t n = 0;

	d->indexed = false;
	if (left == 0 || *open != '[') {
		return;
	}
	d->reordered = true;
	const char *close = left < 3 ? NULL : memchr(open + 1, ']', left - 1);
	if (close == NULL) {
		d->good_index = false;
		d->at++;
		return;
	}
	size_t end = (size_t)(close - d->format.data);
	size_t at = d->at + 1;
	bool ok = take_number(d->format, &at, end, &n) && at == end;
	d->at = end + 1;
	d->indexed = ok;
	if (ok && n >= 1 && (uint64_t)n <= d->nargs) {
		d->arg = (size_t)n - 1;
	} else {
		d->good_index = false;
	}
}

/* The int argument of a star. */
static bool take_star(directive *d, int64_t *ret)
{
	d->at++;
	d->indexed = false;
	*ret = 0;
	if (d->arg >= d->nargs) {
		return false;
	}
	const kt_tmpl_val *v = &d->args[d->arg++];
	if ((v->kind != KT_TMPL_INT && v->kind != KT_TMPL_BYTE) || v->i > LARGEST ||
	    v->i < -LARGEST) {
		return false;
	}
	*ret = v->i;
	return true;
}

static bool at_char(const directive *d, char c)
{
	return d->at < d->format.len && d->format.data[d->at] == c;
}

static void take_width(directive *d)
{
	kt_tfmt *f = &d->f;

	if (at_char(d, '*')) {
		f->has_width = take_star(d, &f->width);
		kt_buf_adds(f->out, f->has_width ? "" : "%!(BADWIDTH)");
		if (f->width < 0) {
			f->width = -f->width;
			f->minus = true;
			f->zero = false;
		}
		return;
	}
	f->has_width = take_number(d->format, &d->at, d->format.len, &f->width);
	if (d->indexed && f->has_width) {
		d->good_index = false;
	}
}

static void take_precision(directive *d)
{
	kt_tfmt *f = &d->f;

	if (d->at + 1 >= d->format.len || d->format.data[d->at] != '.') {
		return;
	}
	d->at++;
	if (d->indexed) {
		d->good_index = false;
	}
	take_index(d);
	if (at_char(d, '*')) {
		f->has_prec = take_star(d, &f->prec) && f->prec >= 0;
		f->prec = f->has_prec ? f->prec : 0;
		kt_buf_adds(f->out, f->has_prec ? "" : "%!(BADPREC)");
		return;
	}
	f->has_prec = take_number(d->format, &d->at, d->format.len, &f->prec);
	f->prec = f->has_prec ? f->prec : 0;
	f->has_prec = true;
}

static void take_flags(directive *d)
{
	for (; d->at < d->format.len; d->at++) {
		switch (d->format.data[d->at]) {
		case '#':
			d->f.sharp = true;
			break;
		case '0':
			d->f.zero = true;
			break;
		case '+':
			d->f.plus = true;
			break;
		case '-':
			d->f.minus = true;
			break;
		case ' ':
			d->f.space = true;
			break;
		default:
			return;
		}
	}
}

static void add_argument(directive *d, uint32_t verb)
{
	if (verb == 'v' || verb == 'w') {
		d->f.sharp_v = d->f.sharp;
		d->f.sharp = false;
		d->f.plus = false;
	}
	add_value(&d->f, verb, &d->args[d->arg++], false);
}

/* One directive after its percent sign. False at the end of the format. */
static bool run_directive(directive *d)
{
	kt_buf *out = d->f.out;
	size_t width;

	d->f = (kt_tfmt){.out = out};
	d->good_index = true;
	take_flags(d);
	take_index(d);
	take_width(d);
	take_precision(d);
	if (!d->indexed) {
		take_index(d);
	}
	if (d->at >= d->format.len) {
		kt_buf_adds(out, "%!(NOVERB)");
		return false;
	}
	uint32_t verb = kt_utf8_decode(d->format.data + d->at, d->format.len - d->at, &width);
	d->at += width;
	if (verb == '%') {
		kt_buf_addc(out, '%');
	} else if (!d->good_index || d->arg >= d->nargs) {
		kt_buf_adds(out, "%!");
		kt_buf_add_rune(out, verb);
		kt_buf_adds(out, d->good_index ? "(MISSING)" : "(BADINDEX)");
	} else {
		add_argument(d, verb);
	}
	return true;
}

static void add_extra(const directive *d)
{
	kt_tfmt plain = {.out = d->f.out};

	kt_buf_adds(plain.out, "%!(EXTRA ");
	for (size_t i = d->arg; i < d->nargs; i++) {
		kt_buf_adds(plain.out, i > d->arg ? ", " : "");
		if (!is_nil(&d->args[i])) {
			kt_buf_adds(plain.out, kt_tval_type(&d->args[i]));
			kt_buf_addc(plain.out, '=');
		}
		add_value(&plain, 'v', &d->args[i], false);
	}
	kt_buf_addc(plain.out, ')');
}

void kt_tfmt_printf(kt_buf *out, kt_ttext format, const kt_tmpl_val *args, size_t n)
{
	directive d = {.f = {.out = out}, .format = format, .args = args, .nargs = n};

	while (d.at < format.len) {
		const char *percent = memchr(format.data + d.at, '%', format.len - d.at);
		size_t end = percent == NULL ? format.len : (size_t)(percent - format.data);
		kt_buf_add(out, format.data + d.at, end - d.at);
		d.at = end + 1;
		if (percent == NULL || !run_directive(&d)) {
			break;
		}
	}
	if (!d.reordered && d.arg < d.nargs) {
		add_extra(&d);
	}
}
