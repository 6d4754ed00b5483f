/* The module json: its table. */
#include "starlark/json_internal.h"

#include "base/utf8.h"

void kt_json_quote_char(kt_buf *out, uint32_t rune)
{
	static const char letters[] = "abtnvfr"; /* of 7 to 13 */

	kt_buf_addc(out, '\'');
	if (rune == '\'' || rune == '\\') {
		kt_buf_addc(out, '\\');
		kt_buf_addc(out, (char)rune);
	} else if (kt_rune_is_print(rune)) {
		kt_buf_add_rune(out, rune);
	} else if (rune >= 7 && rune <= 13) {
		kt_buf_addc(out, '\\');
		kt_buf_addc(out, letters[rune - 7]);
	} else if (rune < ' ' || rune == 0x7F) {
		kt_buf_addf(out, "\\x%02x", rune);
	} else {
		kt_buf_addf(out, rune < 0x10000 ? "\\u%04x" : "\\U%08x", rune);
	}
	kt_buf_addc(out, '\'');
}

static const kt_param value_param[] = {{"x", KT_ARG_ANY, false, false}};
static const kt_param text_param[] = {{"x", KT_ARG_STRING, false, false}};

static const kt_builtin_row rows[] = {
	{"json.decode", KT_ARGS_POS, text_param, 1, kt_json_decode},
	{"json.encode", KT_ARGS_POS, value_param, 1, kt_json_encode},
	{"json.indent", KT_ARGS_RAW, NULL, 0, kt_json_indent},
};

kt_val kt_json_module(kt_sthread *t)
{
	kt_val members = kt_dict_new(t, KT_ARRAY_LEN(rows));

	for (size_t i = 0; members != KT_NULL && i < KT_ARRAY_LEN(rows); i++) {
		kt_val fn = kt_builtin_new(t, &rows[i], NULL);
		const char *name = strchr(rows[i].name, '.') + 1;
		if (fn == KT_NULL || kt_dict_sets(t, members, name, fn) < 0) {
			return KT_NULL;
		}
	}
	return members == KT_NULL ? KT_NULL : kt_module_new(t, "json", members);
}
