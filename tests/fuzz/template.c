/*
 * Templates: the input is JSON data, a NUL, and the template text (without a NUL all of it is
 * the text and the data is null). Parsing and executing must end, in output or in an error.
 */
#include "fuzz.h"

#include "template/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_ARENA kt_arena arena = {.limit = 16 * 1024 * 1024};
	KT_AUTO_BUF kt_buf out = KT_BUF_MAX(256 * 1024);
	const char *bytes = (const char *)data;
	const char *split = size == 0 ? NULL : memchr(bytes, '\0', size);
	size_t data_len = split == NULL ? 0 : (size_t)(split - bytes);
	size_t start = split == NULL ? 0 : data_len + 1;
	kt_tmpl_val value = {0};

	if (split != NULL && kt_tmpl_from_text(&arena, bytes, data_len, &value, &err) < 0) {
		return 0;
	}
	KT_AUTO_TMPL kt_tmpl *tmpl =
		kt_tmpl_parse("fuzz", 4, bytes + start, size - start, &err);
	if (tmpl == NULL) {
		KT_ASSERT(err.code != KT_ERR_OK);
		return 0;
	}
	/* Loops over constants take as long as they say: leave the long ones out. */
	for (size_t i = start; i + 4 < size; i++) {
		bool digits = true;
		for (size_t j = i; j < i + 5; j++) {
			digits = digits && ((bytes[j] >= '0' && bytes[j] <= '9') ||
					    (bytes[j] | 0x20) == 'x' || bytes[j] == '_' ||
					    ((bytes[j] | 0x20) >= 'a' && (bytes[j] | 0x20) <= 'f'));
		}
		if (digits) {
			return 0;
		}
	}
	if (kt_tmpl_exec(tmpl, &value, &out, &err) < 0) {
		KT_ASSERT(err.code != KT_ERR_OK);
	}
	return 0;
}
