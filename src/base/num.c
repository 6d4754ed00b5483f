/* Numbers as text and back. */
#include "base/num.h"

#include "base/alloc.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void kt_buf_add_u64(kt_buf *buf, uint64_t value, unsigned base, bool upper)
{
	const char *digits = upper ? "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   : "0123456789abcdefghijklmnopqrstuvwxyz";
	char text[64];
	size_t at = sizeof(text);

	do {
		text[--at] = digits[value % base];
		value /= base;
	} while (value != 0);
	kt_buf_add(buf, text + at, sizeof(text) - at);
}

void kt_buf_add_i64(kt_buf *buf, int64_t value)
{
	if (value < 0) {
		kt_buf_addc(buf, '-');
		kt_buf_add_u64(buf, 0 - (uint64_t)value, 10, false);
	} else {
		kt_buf_add_u64(buf, (uint64_t)value, 10, false);
	}
}

/* Splits "d.ddde±xx" into digits without trailing zeros and the place of the point. */
static int split_scientific(const char *text, char *digits, int *ret_point)
{
	int n = 0;
	const char *p = text;

	for (; *p != 'e'; p++) {
		if (*p >= '0' && *p <= '9') {
			digits[n++] = *p;
		}
	}
	while (n > 1 && digits[n - 1] == '0') {
		n--;
	}
	digits[n] = '\0';
	*ret_point = atoi(p + 1) + 1;
	return n;
}

/*
 * The smallest neighbour above a decimal: at a power of two the gap below is half the gap
 * above, and the nearest 16-digit decimal may miss while the next larger one reads back.
 */
static bool try_next_decimal(double x, char *text)
{
	char copy[40];
	size_t len = strlen(text);

	memcpy(copy, text, len + 1);
	for (char *p = strchr(copy, 'e'); p-- != copy;) {
		if (*p < '0' || *p > '9') {
			continue;
		}
		if (*p != '9') {
			++*p;
			break;
		}
		*p = '0';
	}
	if (strtod(copy, NULL) != x) {
		return false;
	}
	memcpy(text, copy, len + 1);
	return true;
}

int kt_float_digits(double x, char *digits, int *ret_point)
{
	char text[40];

	if (x < 9007199254740992.0 && x == floor(x)) {
		int n = snprintf(digits, 20, "%llu", (unsigned long long)x);
		*ret_point = n;
		while (n > 1 && digits[n - 1] == '0') {
			n--;
		}
		digits[n] = '\0';
		return n;
	}
	for (int prec = x < DBL_MIN ? 0 : 14;; prec++) {
		int exponent;
		snprintf(text, sizeof(text), "%.*e", prec, x);
		if (prec == 16 || strtod(text, NULL) == x) {
			break;
		}
		if (frexp(x, &exponent) == 0.5 && try_next_decimal(x, text)) {
			break;
		}
	}
	return split_scientific(text, digits, ret_point);
}

static void add_exponent(kt_buf *buf, char letter, int exponent)
{
	kt_buf_addc(buf, letter);
	kt_buf_addc(buf, exponent < 0 ? '-' : '+');
	exponent = abs(exponent);
	if (exponent < 10) {
		kt_buf_addc(buf, '0');
	}
	kt_buf_add_i64(buf, exponent);
}

static void add_shortest(kt_buf *buf, double x, char format)
{
	char digits[20];
	int point = 1;
	int n = 1;

	if (signbit(x)) {
		kt_buf_addc(buf, '-');
		x = -x;
	}
	digits[0] = '0';
	if (x != 0) {
		n = kt_float_digits(x, digits, &point);
	}
	char kind = (char)(format | 0x20);
	bool scientific = kind == 'e';
	if (kind == 'g') {
		scientific = point - 1 < -4 || point - 1 >= 6;
	}
	if (scientific) {
		kt_buf_addc(buf, digits[0]);
		if (n > 1) {
			kt_buf_addc(buf, '.');
			kt_buf_add(buf, digits + 1, (size_t)n - 1);
		}
		add_exponent(buf, (format & 0x20) != 0 ? 'e' : 'E', point - 1);
		return;
	}
	if (point <= 0) {
		kt_buf_adds(buf, "0.");
		for (int i = point; i < 0; i++) {
			kt_buf_addc(buf, '0');
		}
		kt_buf_add(buf, digits, (size_t)n);
		return;
	}
	kt_buf_add(buf, digits, (size_t)KT_MIN(n, point));
	for (int i = n; i < point; i++) {
		kt_buf_addc(buf, '0');
	}
	if (n > point) {
		kt_buf_addc(buf, '.');
		kt_buf_add(buf, digits + point, (size_t)(n - point));
	}
}

/* Hexadecimal: glibc's %a normalises differently for subnormals, so the digits are made here. */
static void add_hex(kt_buf *buf, double x, char format, int prec)
{
	const char *hex = format == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	int exponent = 0;
	uint64_t mant = 0;

	if (signbit(x)) {
		kt_buf_addc(buf, '-');
		x = -x;
	}
	if (x != 0) {
		/* 1.xxx with 60 bits after the point */
		mant = (uint64_t)ldexp(frexp(x, &exponent), 61);
		exponent--;
	}
	if (prec >= 0 && prec < 15) {
		unsigned shift = (unsigned)(60 - prec * 4);
		uint64_t extra = mant & ((1ull << shift) - 1);
		uint64_t half = 1ull << (shift - 1);
		mant >>= shift;
		if (extra > half || (extra == half && (mant & 1) != 0)) {
			mant++;
		}
		mant <<= shift;
		if (mant >> 61 != 0) {
			mant >>= 1;
			exponent++;
		}
	}
	kt_buf_addc(buf, '0');
	kt_buf_addc(buf, format);
	kt_buf_addc(buf, (char)('0' + (mant >> 60)));
	mant <<= 4;
	if (prec < 0 ? mant != 0 : prec > 0) {
		kt_buf_addc(buf, '.');
		for (int i = 0; prec < 0 ? mant != 0 : i < prec; i++) {
			kt_buf_addc(buf, hex[mant >> 60]);
			mant <<= 4;
		}
	}
	add_exponent(buf, format == 'X' ? 'P' : 'p', exponent);
}

void kt_buf_add_float(kt_buf *buf, double x, char format, int prec)
{
	if (isnan(x)) {
		kt_buf_adds(buf, "NaN");
	} else if (isinf(x)) {
		kt_buf_adds(buf, x < 0 ? "-Inf" : "+Inf");
	} else if ((format | 0x20) == 'x') {
		add_hex(buf, x, format, prec);
	} else if (prec < 0) {
		add_shortest(buf, x, format);
	} else {
		char spec[] = {'%', '.', '*', format, '\0'};
		kt_buf_addf(buf, spec, prec, x);
	}
}

void kt_buf_add_json_float(kt_buf *buf, double x)
{
	double size = fabs(x);

	if (size == 0 || (size >= 1e-6 && size < 1e21)) {
		kt_buf_add_float(buf, x, 'f', -1);
		return;
	}
	size_t start = buf->len;
	kt_buf_add_float(buf, x, 'e', -1);
	if (!buf->failed && buf->len - start >= 4) {
		char *tail = buf->data + buf->len - 4;
		/* e-07 is written e-7 */
		if (tail[0] == 'e' && tail[2] == '0') {
			tail[2] = tail[3];
			tail[3] = '\0';
			buf->len--;
		}
	}
}

static bool is_digit(char c, bool hex)
{
	return (c >= '0' && c <= '9') || (hex && (c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* Digits and underscores from *at; digits go to out. How many, or -1 on a stray underscore. */
static int take_digits(const char *text, size_t len, size_t *at, bool hex, bool prefixed,
		       char **out)
{
	int count = 0;
	bool after_digit = prefixed;

	for (; *at < len; ++*at) {
		char c = text[*at];
		if (c == '_') {
			if (!after_digit || *at + 1 == len || !is_digit(text[*at + 1], hex)) {
				return -1;
			}
			after_digit = false;
		} else if (is_digit(c, hex)) {
			*(*out)++ = c;
			after_digit = true;
			count++;
		} else {
			break;
		}
	}
	return count;
}

/* inf, infinity and nan; a sign is allowed only where Go allows it. */
static bool special_value(const char *text, size_t len, double *ret)
{
	size_t sign = len > 0 && (text[0] == '+' || text[0] == '-') ? 1 : 0;
	const char *name = text + sign;
	size_t n = len - sign;

	if ((n == 3 && strncasecmp(name, "inf", 3) == 0) ||
	    (n == 8 && strncasecmp(name, "infinity", 8) == 0)) {
		*ret = text[0] == '-' ? -INFINITY : INFINITY;
		return true;
	}
	if (n == 3 && sign == 0 && strncasecmp(name, "nan", 3) == 0) {
		*ret = NAN;
		return true;
	}
	return false;
}

/* Checks the grammar and copies the number without underscores; out has room for len + 1. */
static bool normalise(const char *text, size_t len, char *out)
{
	size_t at = 0;

	if (at < len && (text[at] == '+' || text[at] == '-')) {
		*out++ = text[at++];
	}
	bool hex = len - at >= 2 && text[at] == '0' && (text[at + 1] | 0x20) == 'x';
	if (hex) {
		*out++ = text[at++];
		*out++ = text[at++];
	}
	int whole = take_digits(text, len, &at, hex, hex, &out);
	int fraction = 0;
	if (whole >= 0 && at < len && text[at] == '.') {
		*out++ = text[at++];
		fraction = take_digits(text, len, &at, hex, false, &out);
	}
	if (whole < 0 || fraction < 0 || whole + fraction == 0) {
		return false;
	}
	if (at < len && (text[at] | 0x20) == (hex ? 'p' : 'e')) {
		*out++ = text[at++];
		if (at < len && (text[at] == '+' || text[at] == '-')) {
			*out++ = text[at++];
		}
		if (take_digits(text, len, &at, false, false, &out) <= 0) {
			return false;
		}
	} else if (hex) {
		return false;
	}
	*out = '\0';
	return at == len;
}

kt_num_result kt_num_parse_float(const char *text, size_t len, double *ret)
{
	char short_copy[256];
	KT_AUTO_FREE char *long_copy = NULL;
	char *plain = short_copy;

	if (special_value(text, len, ret)) {
		return KT_NUM_OK;
	}
	if (len >= sizeof(short_copy)) {
		long_copy = kt_malloc(len + 1);
		if (long_copy == NULL) {
			return KT_NUM_NOMEM;
		}
		plain = long_copy;
	}
	if (!normalise(text, len, plain)) {
		return KT_NUM_SYNTAX;
	}
	*ret = strtod(plain, NULL);
	return isinf(*ret) ? KT_NUM_RANGE : KT_NUM_OK;
}
