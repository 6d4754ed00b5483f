/* Numbers as Go's fmt prints them, with all flags. */
#include "template/fmt_internal.h"

#include "base/num.h"
#include "base/utf8.h"

#include <math.h>

static void pad_without_zeros(const kt_tfmt *f, const char *data, size_t len)
{
	kt_tfmt plain = *f;

	plain.zero = false;
	kt_tfmt_pad(&plain, data, len);
}

/* ---- integers -------------------------------------------------------------------------- */

static void add_prefix(kt_buf *out, const kt_tfmt *f, uint32_t verb, bool leading_zero)
{
	if (verb == 'O') {
		kt_buf_adds(out, "0o");
	}
	if (f->sharp && verb == 'b') {
		kt_buf_adds(out, "0b");
	} else if (f->sharp && (verb == 'o' || verb == 'O')) {
		kt_buf_adds(out, leading_zero ? "" : "0");
	} else if (f->sharp && (verb == 'x' || verb == 'X')) {
		kt_buf_adds(out, verb == 'x' ? "0x" : "0X");
	}
}

static void add_integer(const kt_tfmt *f, uint32_t verb, int64_t value, bool is_signed)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf digits = KT_BUF_INIT;
	bool negative = is_signed && value < 0;
	uint64_t size = negative ? 0 - (uint64_t)value : (uint64_t)value;
	unsigned base = verb == 'b' ? 2 : verb == 'o' || verb == 'O' ? 8 : 10;
	int64_t least = 0;

	base = verb == 'x' || verb == 'X' ? 16 : base;
	if (f->has_prec) {
		least = f->prec;
		if (least == 0 && size == 0) {
			kt_tfmt blank = *f;
			blank.zero = false;
			kt_tfmt_fill(&blank, f->has_width ? f->width : 0);
			return;
		}
	} else if (f->zero && !f->minus && f->has_width) {
		least = f->width - (negative || f->plus || f->space ? 1 : 0);
	}
	kt_buf_add_u64(&digits, size, base, verb == 'X');
	bool filled = (int64_t)digits.len < least;
	if (negative) {
		kt_buf_addc(&text, '-');
	} else if (f->plus) {
		kt_buf_addc(&text, '+');
	} else if (f->space) {
		kt_buf_addc(&text, ' ');
	}
	add_prefix(&text, f, verb, filled || kt_buf_str(&digits)[0] == '0');
	for (int64_t i = (int64_t)digits.len; i < least; i++) {
		kt_buf_addc(&text, '0');
	}
	kt_buf_add(&text, kt_buf_str(&digits), digits.len);
	pad_without_zeros(f, kt_buf_str(&text), text.len);
}

/* U+0078, or U+0078 'x' with #. */
static void add_unicode(const kt_tfmt *f, uint64_t value)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf digits = KT_BUF_INIT;
	int64_t least = f->has_prec && f->prec > 4 ? f->prec : 4;

	kt_buf_add_u64(&digits, value, 16, true);
	kt_buf_adds(&text, "U+");
	for (int64_t i = (int64_t)digits.len; i < least; i++) {
		kt_buf_addc(&text, '0');
	}
	kt_buf_add(&text, kt_buf_str(&digits), digits.len);
	if (f->sharp && value <= KT_RUNE_MAX && kt_rune_is_print((uint32_t)value)) {
		kt_buf_adds(&text, " '");
		kt_buf_add_rune(&text, (uint32_t)value);
		kt_buf_addc(&text, '\'');
	}
	pad_without_zeros(f, kt_buf_str(&text), text.len);
}

bool kt_tfmt_integer(const kt_tfmt *f, uint32_t verb, int64_t value, bool is_signed)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	uint32_t rune = (uint64_t)value > KT_RUNE_MAX ? KT_RUNE_ERROR : (uint32_t)value;
	kt_tfmt hex;

	switch (verb) {
	case 'v':
		if (f->sharp_v && !is_signed) {
			hex = *f;
			hex.sharp = true;
			add_integer(&hex, 'x', value, false);
			return true;
		}
		add_integer(f, 'd', value, is_signed);
		return true;
	case 'd':
	case 'b':
	case 'o':
	case 'O':
	case 'x':
	case 'X':
		add_integer(f, verb, value, is_signed);
		return true;
	case 'c':
		kt_buf_add_rune(&text, rune);
		break;
	case 'q':
		kt_tquote_rune(&text, rune, f->plus);
		break;
	case 'U':
		add_unicode(f, (uint64_t)value);
		return true;
	default:
		return false;
	}
	kt_tfmt_pad(f, kt_buf_str(&text), text.len);
	return true;
}

/* ---- floats ---------------------------------------------------------------------------- */

/* Mantissa and power of two: 4503599627370496p-52. */
static void add_binary(kt_buf *out, double value)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof(bits));
	int exponent = (int)(bits >> 52 & 0x7FF);
	uint64_t mantissa = bits & ((1ull << 52) - 1);

	if (exponent == 0) {
		exponent = 1;
	} else {
		mantissa |= 1ull << 52;
	}
	exponent -= 1023 + 52;
	kt_buf_adds(out, signbit(value) ? "-" : "");
	kt_buf_add_u64(out, mantissa, 10, false);
	kt_buf_adds(out, exponent >= 0 ? "p+" : "p");
	kt_buf_add_i64(out, exponent);
}

/* The # flag: a point always, and %g keeps trailing zeros. text starts with a sign. */
static void force_point(kt_buf *text, uint32_t verb, int64_t prec)
{
	KT_AUTO_BUF kt_buf tail = KT_BUF_INIT;
	int64_t digits = 0;
	bool point = false;
	bool nonzero = false;
	bool hex = verb == 'x' || verb == 'X';
	size_t end = 1;

	if (verb == 'g' || verb == 'G' || verb == 'x') {
		digits = prec < 0 ? 6 : prec;
	}
	for (; end < text->len; end++) {
		char c = text->data[end];
		if (c == 'p' || c == 'P' || (!hex && (c == 'e' || c == 'E'))) {
			break;
		}
		point = point || c == '.';
		nonzero = nonzero || (c != '0' && c != '.');
		digits -= nonzero && c != '.' ? 1 : 0;
	}
	kt_buf_add(&tail, text->data + end, text->len - end);
	text->len = end;
	if (!point) {
		digits -= end == 2 && text->data[1] == '0' ? 1 : 0;
		kt_buf_addc(text, '.');
	}
	for (; digits > 0; digits--) {
		kt_buf_addc(text, '0');
	}
	kt_buf_add(text, kt_buf_str(&tail), tail.len);
}

static void add_float(const kt_tfmt *f, uint32_t verb, double value, int64_t prec)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;

	prec = f->has_prec ? f->prec : prec;
	if (!signbit(value) || isnan(value)) {
		kt_buf_addc(&text, f->space && !f->plus ? ' ' : '+');
	}
	if (verb == 'b' && isfinite(value)) {
		add_binary(&text, value);
	} else if (isfinite(value)) {
		kt_buf_add_float(&text, value, (char)verb, (int)prec);
	} else {
		kt_buf_adds(&text, isnan(value) ? "NaN" : value > 0 ? "Inf" : "-Inf");
	}
	if (text.failed) {
		f->out->failed = true;
		return;
	}
	if (!isfinite(value)) {
		size_t skip = (isnan(value) && !f->space && !f->plus) ||
					      (text.data[0] == '+' && !f->plus)
				      ? 1
				      : 0;
		pad_without_zeros(f, text.data + skip, text.len - skip);
		return;
	}
	if (f->sharp && verb != 'b') {
		force_point(&text, verb, prec);
	}
	if (text.data[0] == '+' && !f->plus) {
		kt_tfmt_pad(f, text.data + 1, text.len - 1);
		return;
	}
	if (f->zero && !f->minus && f->has_width && f->width > (int64_t)text.len) {
		/* The sign stands before the zeros. */
		kt_buf_addc(f->out, text.data[0]);
		kt_tfmt_fill(f, f->width - (int64_t)text.len);
		kt_buf_add(f->out, text.data + 1, text.len - 1);
		return;
	}
	kt_tfmt_pad(f, text.data, text.len);
}

bool kt_tfmt_float(const kt_tfmt *f, uint32_t verb, double value)
{
	switch (verb) {
	case 'v':
		add_float(f, 'g', value, -1);
		return true;
	case 'b':
	case 'g':
	case 'G':
	case 'x':
	case 'X':
		add_float(f, verb, value, -1);
		return true;
	case 'f':
	case 'e':
	case 'E':
		add_float(f, verb, value, 6);
		return true;
	case 'F':
		add_float(f, 'f', value, 6);
		return true;
	default:
		return false;
	}
}

bool kt_tfmt_complex(const kt_tfmt *f, uint32_t verb, double re, double im)
{
	kt_tfmt imaginary = *f;

	if (verb > 0x7F || strchr("vbgGxXfFeE", (int)verb) == NULL) {
		return false;
	}
	imaginary.plus = true;
	kt_buf_addc(f->out, '(');
	(void)kt_tfmt_float(f, verb, re);
	(void)kt_tfmt_float(&imaginary, verb, im);
	kt_buf_adds(f->out, "i)");
	return true;
}
