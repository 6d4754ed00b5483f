/* Text and characters quoted as Go source. */
#include "template/fmt_internal.h"

#include "base/utf8.h"

static void add_escaped(kt_buf *out, uint32_t rune, char quote, bool ascii)
{
	static const char letters[] = "abtnvfr"; /* of 7 to 13 */

	if (rune == (unsigned char)quote || rune == '\\') {
		kt_buf_addc(out, '\\');
		kt_buf_addc(out, (char)rune);
	} else if ((!ascii || rune < 0x80) && kt_rune_is_print(rune)) {
		kt_buf_add_rune(out, rune);
	} else if (rune >= 7 && rune <= 13) {
		kt_buf_addc(out, '\\');
		kt_buf_addc(out, letters[rune - 7]);
	} else if (rune < ' ' || rune == 0x7F) {
		kt_buf_addf(out, "\\x%02x", rune);
	} else if (rune > KT_RUNE_MAX || (rune >= 0xD800 && rune <= 0xDFFF)) {
		kt_buf_adds(out, "\\ufffd");
	} else {
		kt_buf_addf(out, rune < 0x10000 ? "\\u%04x" : "\\U%08x", rune);
	}
}

void kt_tquote_text(kt_buf *out, kt_ttext text, bool ascii)
{
	kt_buf_addc(out, '"');
	for (size_t i = 0; i < text.len;) {
		size_t width;
		uint32_t rune = kt_utf8_decode(text.data + i, text.len - i, &width);
		if (rune == KT_RUNE_ERROR && width == 1) {
			kt_buf_addf(out, "\\x%02x", (unsigned char)text.data[i]);
		} else {
			add_escaped(out, rune, '"', ascii);
		}
		i += width;
	}
	kt_buf_addc(out, '"');
}

void kt_tquote_rune(kt_buf *out, uint32_t rune, bool ascii)
{
	kt_buf_addc(out, '\'');
	add_escaped(out, rune, '\'', ascii);
	kt_buf_addc(out, '\'');
}

bool kt_tquote_fits_raw(kt_ttext text)
{
	for (size_t i = 0; i < text.len;) {
		size_t width;
		uint32_t rune = kt_utf8_decode(text.data + i, text.len - i, &width);
		if ((rune < ' ' && rune != '\t') || rune == '`' || rune == 0x7F ||
		    rune == 0xFEFF || (rune == KT_RUNE_ERROR && width == 1)) {
			return false;
		}
		i += width;
	}
	return true;
}

void kt_ttext_quote(kt_buf *out, kt_ttext text)
{
	kt_tquote_text(out, text, false);
}
