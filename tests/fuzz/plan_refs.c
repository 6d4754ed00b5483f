/* Placeholders in any text, replaced by values that may hold placeholders themselves. */
#include "fuzz.h"

#include "plan/refs.h"

#include "base/alloc.h"

#include <string.h>

static int lookup(void *ctx, const char *uuid, const char *field, kt_buf *out, kt_err *err)
{
	(void)err;
	KT_ASSERT(kt_uuid_valid(uuid) && field[0] != '\0');
	kt_buf_adds(out, ctx);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data;
	char value[] = "{{kurtosis:0123456789abcdef0123456789abcdef:x.runtime_value}}";
	kt_ref ref;
	for (size_t from = 0; kt_ref_find(text, len, from, &ref); from = ref.end) {
		KT_ASSERT(ref.start >= from && ref.end > ref.start && ref.end <= len);
		KT_AUTO_BUF kt_buf again = KT_BUF_INIT;
		KT_AUTO_FREE char *field = kt_strndup(ref.field, ref.field_len);
		kt_ref_add(&again, ref.uuid.text, field);
		KT_ASSERT(again.len == ref.end - ref.start);
		KT_ASSERT(memcmp(again.data, text + ref.start, again.len) == 0);
	}
	KT_AUTO_BUF kt_buf out = KT_BUF_MAX(1024 * 1024);
	kt_ref_replace(text, len, lookup, value, &out, NULL);
	return 0;
}
