#include "base/str.h"

#include "base/alloc.h"

#include <string.h>

bool kt_str_eq(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool kt_str_starts(const char *text, const char *prefix)
{
	return text != NULL && strncmp(text, prefix, strlen(prefix)) == 0;
}

bool kt_str_ends(const char *text, const char *suffix)
{
	size_t len = text != NULL ? strlen(text) : 0;
	size_t want = strlen(suffix);
	return text != NULL && len >= want && memcmp(text + len - want, suffix, want) == 0;
}

bool kt_str_empty(const char *text)
{
	return text == NULL || text[0] == '\0';
}

const char *kt_str_or(const char *text, const char *fallback)
{
	return kt_str_empty(text) ? fallback : text;
}

bool kt_str_to_i64(const char *text, int64_t min, int64_t max, int64_t *ret)
{
	bool negative = text[0] == '-';
	const char *digit = text + (negative ? 1 : 0);
	int64_t value = 0;
	if (*digit == '\0') {
		return false;
	}
	for (; *digit != '\0'; digit++) {
		if (*digit < '0' || *digit > '9') {
			return false;
		}
		int64_t step = negative ? -(*digit - '0') : *digit - '0';
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, step, &value)) {
			return false;
		}
	}
	if (value < min || value > max) {
		return false;
	}
	*ret = value;
	return true;
}

/* Length of the well-formed UTF-8 sequence at text, or 0; its code point in *ret. */
static size_t utf8_step(const unsigned char *text, size_t left, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char lead = text[0];
	size_t need = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3
		      : lead < 0xf5 ? 4 : 0;
	if (need == 0 || need > left) {
		return 0;
	}
	uint32_t rune = need == 1 ? lead : lead & (0xffu >> (need + 1));
	for (size_t i = 1; i < need; i++) {
		if ((text[i] & 0xc0) != 0x80) {
			return 0;
		}
		rune = (rune << 6) | (text[i] & 0x3fu);
	}
	if (rune < least[need] || rune > 0x10ffff || (rune >= 0xd800 && rune < 0xe000)) {
		return 0;
	}
	*ret = rune;
	return need;
}

/* Escapes of Go's strconv.Quote that have a letter. */
static char letter_escape(uint32_t rune)
{
	static const char from[] = "\a\b\f\n\r\t\v\\\"";
	static const char to[] = "abfnrtv\\\"";
	const char *hit = rune != 0 && rune < 0x80 ? strchr(from, (int)rune) : NULL;
	return hit != NULL ? to[hit - from] : '\0';
}

void kt_buf_add_quoted(kt_buf *buf, const char *text, size_t len)
{
	const unsigned char *bytes = (const unsigned char *)text;
	kt_buf_addc(buf, '"');
	for (size_t i = 0; i < len;) {
		uint32_t rune = 0;
		size_t step = utf8_step(bytes + i, len - i, &rune);
		char letter = step != 0 ? letter_escape(rune) : '\0';
		if (step == 0) {
			kt_buf_addf(buf, "\\x%02x", bytes[i]);
			step = 1;
		} else if (letter != '\0') {
			kt_buf_addc(buf, '\\');
			kt_buf_addc(buf, letter);
		} else if (rune < 0x20 || rune == 0x7f) {
			kt_buf_addf(buf, "\\x%02x", rune);
		} else if ((rune >= 0x80 && rune < 0xa1) || rune == 0xad || rune == 0xfeff) {
			kt_buf_addf(buf, "\\u%04x", rune);
		} else {
			kt_buf_add(buf, text + i, step);
		}
		i += step;
	}
	kt_buf_addc(buf, '"');
}

void kt_buf_add_utf8(kt_buf *buf, const char *text, size_t len)
{
	const unsigned char *bytes = (const unsigned char *)text;
	size_t clean = 0;
	size_t i = 0;
	while (i < len) {
		uint32_t rune;
		size_t step = utf8_step(bytes + i, len - i, &rune);
		if (step != 0) {
			i += step;
			continue;
		}
		kt_buf_add(buf, text + clean, i - clean);
		kt_buf_adds(buf, "\xef\xbf\xbd");
		clean = ++i;
	}
	kt_buf_add(buf, text + clean, len - clean);
}

char *kt_str_replace(const char *text, const char *from, const char *to)
{
	KT_AUTO_BUF kt_buf buf = KT_BUF_INIT;
	size_t from_len = strlen(from);
	const char *hit;
	while (from_len != 0 && (hit = strstr(text, from)) != NULL) {
		kt_buf_add(&buf, text, (size_t)(hit - text));
		kt_buf_adds(&buf, to);
		text = hit + from_len;
	}
	kt_buf_adds(&buf, text);
	return kt_buf_take(&buf);
}

void kt_hex(const void *data, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *bytes = data;
	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * len] = '\0';
}

size_t kt_str_distance(const char *a, const char *b, size_t limit)
{
	enum { LONGEST = 64 };
	size_t row[LONGEST + 1];
	size_t a_len = strlen(a);
	size_t b_len = strlen(b);
	size_t gap = a_len > b_len ? a_len - b_len : b_len - a_len;
	if (gap > limit || b_len > LONGEST) {
		return limit + 1;
	}
	for (size_t j = 0; j <= b_len; j++) {
		row[j] = j;
	}
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t change = diagonal + (a[i - 1] != b[j - 1] ? 1 : 0);
			diagonal = row[j];
			row[j] = KT_MIN(KT_MIN(row[j] + 1, row[j - 1] + 1), change);
		}
	}
	return KT_MIN(row[b_len], limit + 1);
}
