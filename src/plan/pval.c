/* Plain values: their text forms and names. */
#include "plan/instr.h"

#include "base/num.h"
#include "base/utf8.h"

#include <math.h>
#include <string.h>

/* The escape that the language's quoting writes for one code point, or plain text. */
static void add_rune(kt_buf *out, const char *text, size_t width, uint32_t rune)
{
	static const char names[] = "\a\b\f\n\r\t\v\\\"";
	static const char letters[] = "abfnrtv\\\"";
	const char *named = rune != 0 && rune < 0x80 ? strchr(names, (int)rune) : NULL;
	if (named != NULL) {
		kt_buf_addc(out, '\\');
		kt_buf_addc(out, letters[named - names]);
	} else if (width == 1 && rune == KT_RUNE_ERROR) {
		kt_buf_addf(out, "\\x%02x", (unsigned)(unsigned char)*text);
	} else if (rune < 0x20 || rune == 0x7f) {
		kt_buf_addf(out, "\\x%02x", (unsigned)rune);
	} else if (kt_rune_is_print(rune)) {
		kt_buf_add(out, text, width);
	} else {
		kt_buf_addf(out, rune > 0xffff ? "\\U%08x" : "\\u%04x", (unsigned)rune);
	}
}

void kt_plan_add_quoted(kt_buf *out, const char *text, size_t len)
{
	kt_buf_addc(out, '"');
	for (size_t i = 0, width; i < len; i += width) {
		uint32_t rune = kt_utf8_decode(text + i, len - i, &width);
		add_rune(out, text + i, width, rune);
	}
	kt_buf_addc(out, '"');
}

/* A float as the language prints it: always with a point, an exponent, or a name. */
static void add_real(kt_buf *out, double d)
{
	if (isnan(d)) {
		kt_buf_adds(out, "nan");
	} else if (isinf(d)) {
		kt_buf_adds(out, d > 0 ? "+inf" : "-inf");
	} else {
		size_t start = out->len;
		kt_buf_add_float(out, d, 'g', -1);
		const char *text = kt_buf_str(out) + KT_MIN(start, out->len);
		if (strpbrk(text, ".e") == NULL) {
			kt_buf_adds(out, ".0");
		}
	}
}

static void add_items(kt_buf *out, const kt_pval *value, char open, char close)
{
	kt_buf_addc(out, open);
	for (size_t i = 0; i < value->len; i++) {
		if (i > 0) {
			kt_buf_adds(out, ", ");
		}
		if (value->kind == KT_PVAL_DICT) {
			kt_pval_add_repr(out, &value->keys[i]);
			kt_buf_adds(out, ": ");
		}
		kt_pval_add_repr(out, &value->items[i]);
	}
	if (value->kind == KT_PVAL_TUPLE && value->len == 1) {
		kt_buf_addc(out, ',');
	}
	kt_buf_addc(out, close);
}

void kt_pval_add_repr(kt_buf *out, const kt_pval *value)
{
	switch (value->kind) {
	case KT_PVAL_NONE:
		kt_buf_adds(out, "None");
		break;
	case KT_PVAL_BOOL:
		kt_buf_adds(out, value->boolean ? "True" : "False");
		break;
	case KT_PVAL_INT:
		kt_buf_add_i64(out, value->integer);
		break;
	case KT_PVAL_BIGINT:
	case KT_PVAL_OTHER:
		kt_buf_add(out, value->text, value->text_len);
		break;
	case KT_PVAL_FLOAT:
		add_real(out, value->real);
		break;
	case KT_PVAL_STRING:
		kt_plan_add_quoted(out, value->text, value->text_len);
		break;
	case KT_PVAL_LIST:
		add_items(out, value, '[', ']');
		break;
	case KT_PVAL_TUPLE:
		add_items(out, value, '(', ')');
		break;
	case KT_PVAL_DICT:
		add_items(out, value, '{', '}');
		break;
	}
}

void kt_pval_add_str(kt_buf *out, const kt_pval *value)
{
	if (value->kind == KT_PVAL_STRING) {
		kt_buf_add(out, value->text, value->text_len);
	} else {
		kt_pval_add_repr(out, value);
	}
}

const char *kt_pval_type(const kt_pval *value)
{
	switch (value->kind) {
	case KT_PVAL_NONE:
		return "NoneType";
	case KT_PVAL_BOOL:
		return "bool";
	case KT_PVAL_INT:
	case KT_PVAL_BIGINT:
		return "int";
	case KT_PVAL_FLOAT:
		return "float";
	case KT_PVAL_STRING:
		return "string";
	case KT_PVAL_LIST:
		return "list";
	case KT_PVAL_TUPLE:
		return "tuple";
	case KT_PVAL_DICT:
		return "dict";
	case KT_PVAL_OTHER:
		return value->type;
	}
	return "?";
}

const char *kt_plan_transport_name(kt_plan_transport transport)
{
	static const char *const names[] = {
		[KT_PLAN_TCP] = "TCP", [KT_PLAN_UDP] = "UDP", [KT_PLAN_SCTP] = "SCTP"};
	return names[transport];
}

const char *kt_plan_assertion_name(kt_plan_assertion assertion)
{
	static const char *const names[] = {
		[KT_PLAN_EQ] = "==", [KT_PLAN_NE] = "!=", [KT_PLAN_GE] = ">=",
		[KT_PLAN_GT] = ">",  [KT_PLAN_LE] = "<=", [KT_PLAN_LT] = "<",
		[KT_PLAN_IN] = "IN", [KT_PLAN_NOT_IN] = "NOT_IN",
	};
	return names[assertion];
}

const char *kt_instr_name(kt_instr_kind kind)
{
	static const char *const names[] = {
#define INSTR_NAME(upper, lower) [KT_INSTR_##upper] = #lower,
		KT_INSTR_TABLE(INSTR_NAME)
#undef INSTR_NAME
	};
	return (unsigned)kind < KT_INSTR_COUNT ? names[kind] : "?";
}
