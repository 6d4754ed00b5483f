/* UTF-8 and Unicode classes; the tables are utf8proc's. */
#include "base/utf8.h"

#include <utf8proc.h>

static bool is_tail(char c)
{
	return ((unsigned char)c & 0xC0u) == 0x80u;
}

uint32_t kt_utf8_decode(const char *text, size_t len, size_t *ret_width)
{
	const unsigned char *p = (const unsigned char *)text;
	uint32_t c = p[0];

	*ret_width = 1;
	if (c < 0x80) {
		return c;
	}
	if (c >= 0xC2 && c <= 0xDF && len >= 2 && is_tail(text[1])) {
		*ret_width = 2;
		return (c & 0x1Fu) << 6 | (p[1] & 0x3Fu);
	}
	if ((c & 0xF0u) == 0xE0u && len >= 3 && is_tail(text[1]) && is_tail(text[2])) {
		uint32_t rune = (c & 0x0Fu) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
		if (rune >= 0x800 && (rune < 0xD800 || rune > 0xDFFF)) {
			*ret_width = 3;
			return rune;
		}
	}
	if (c >= 0xF0 && c <= 0xF4 && len >= 4 && is_tail(text[1]) && is_tail(text[2]) &&
	    is_tail(text[3])) {
		uint32_t rune = (c & 0x07u) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 |
				(p[3] & 0x3Fu);
		if (rune >= 0x10000 && rune <= KT_RUNE_MAX) {
			*ret_width = 4;
			return rune;
		}
	}
	return KT_RUNE_ERROR;
}

uint32_t kt_utf8_decode_last(const char *text, size_t len, size_t *ret_width)
{
	for (size_t back = 1; back <= 4 && back <= len; back++) {
		size_t start = len - back;
		if (is_tail(text[start])) {
			continue;
		}
		size_t width;
		uint32_t rune = kt_utf8_decode(text + start, back, &width);
		if (width == back) {
			*ret_width = width;
			return rune;
		}
		break;
	}
	*ret_width = 1;
	return KT_RUNE_ERROR;
}

size_t kt_utf8_encode(uint32_t rune, char out[4])
{
	if (rune > KT_RUNE_MAX || (rune >= 0xD800 && rune <= 0xDFFF)) {
		rune = KT_RUNE_ERROR;
	}
	if (rune < 0x80) {
		out[0] = (char)rune;
		return 1;
	}
	if (rune < 0x800) {
		out[0] = (char)(0xC0u | rune >> 6);
		out[1] = (char)(0x80u | (rune & 0x3Fu));
		return 2;
	}
	if (rune < 0x10000) {
		out[0] = (char)(0xE0u | rune >> 12);
		out[1] = (char)(0x80u | (rune >> 6 & 0x3Fu));
		out[2] = (char)(0x80u | (rune & 0x3Fu));
		return 3;
	}
	out[0] = (char)(0xF0u | rune >> 18);
	out[1] = (char)(0x80u | (rune >> 12 & 0x3Fu));
	out[2] = (char)(0x80u | (rune >> 6 & 0x3Fu));
	out[3] = (char)(0x80u | (rune & 0x3Fu));
	return 4;
}

void kt_buf_add_rune(kt_buf *buf, uint32_t rune)
{
	char bytes[4];
	kt_buf_add(buf, bytes, kt_utf8_encode(rune, bytes));
}

size_t kt_utf8_count(const char *text, size_t len)
{
	size_t count = 0;

	for (size_t i = 0; i < len; count++) {
		size_t width = 1;
		if ((unsigned char)text[i] >= 0x80) {
			(void)kt_utf8_decode(text + i, len - i, &width);
		}
		i += width;
	}
	return count;
}

bool kt_utf8_valid(const char *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t width = 1;
		if ((unsigned char)text[i] >= 0x80) {
			(void)kt_utf8_decode(text + i, len - i, &width);
			if (width == 1) {
				return false;
			}
		}
		i += width;
	}
	return true;
}

static utf8proc_category_t category(uint32_t rune)
{
	return rune <= KT_RUNE_MAX ? utf8proc_category((utf8proc_int32_t)rune)
				   : UTF8PROC_CATEGORY_CN;
}

bool kt_rune_is_letter(uint32_t rune)
{
	utf8proc_category_t c = category(rune);
	return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
}

bool kt_rune_is_digit(uint32_t rune)
{
	return category(rune) == UTF8PROC_CATEGORY_ND;
}

/* Case as Go sees it: the general category, not the derived properties. */
bool kt_rune_is_upper(uint32_t rune)
{
	return category(rune) == UTF8PROC_CATEGORY_LU;
}

bool kt_rune_is_lower(uint32_t rune)
{
	return category(rune) == UTF8PROC_CATEGORY_LL;
}

bool kt_rune_is_title(uint32_t rune)
{
	return category(rune) == UTF8PROC_CATEGORY_LT;
}

bool kt_rune_is_space(uint32_t rune)
{
	switch (rune) {
	case '\t':
	case '\n':
	case '\v':
	case '\f':
	case '\r':
	case ' ':
	case 0x85:
	case 0xA0:
	case 0x1680:
	case 0x2028:
	case 0x2029:
	case 0x202F:
	case 0x205F:
	case 0x3000:
		return true;
	default:
		return rune >= 0x2000 && rune <= 0x200A;
	}
}

bool kt_rune_is_print(uint32_t rune)
{
	if (rune < 0x7F) {
		return rune >= 0x20;
	}
	utf8proc_category_t c = category(rune);
	return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_SO;
}

/* utf8proc makes a capital sharp s of U+00DF; the simple mapping of Unicode leaves it alone. */
#define SHARP_S 0xDFu

uint32_t kt_rune_to_upper(uint32_t rune)
{
	if (rune > KT_RUNE_MAX || rune == SHARP_S) {
		return rune;
	}
	return (uint32_t)utf8proc_toupper((utf8proc_int32_t)rune);
}

uint32_t kt_rune_to_lower(uint32_t rune)
{
	return rune <= KT_RUNE_MAX ? (uint32_t)utf8proc_tolower((utf8proc_int32_t)rune) : rune;
}

uint32_t kt_rune_to_title(uint32_t rune)
{
	if (rune > KT_RUNE_MAX || rune == SHARP_S) {
		return rune;
	}
	return (uint32_t)utf8proc_totitle((utf8proc_int32_t)rune);
}
