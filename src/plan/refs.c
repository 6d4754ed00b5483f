/* Placeholders of runtime values: finding, making, replacing. */
#include "plan/refs.h"

#include "base/alloc.h"

#include <string.h>

#define REF_OPEN "{{kurtosis:"
#define REF_OPEN_LEN (sizeof(REF_OPEN) - 1)
#define REF_TAIL ".runtime_value"
#define REF_TAIL_LEN (sizeof(REF_TAIL) - 1)

static bool is_field_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_' || c == '.';
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Whether a placeholder starts at text[at], which is known to hold REF_OPEN. */
static bool match_at(const char *text, size_t len, size_t at, kt_ref *ret)
{
	size_t uuid = at + REF_OPEN_LEN;
	if (len - at < REF_OPEN_LEN + KT_UUID_LEN + 1 || text[uuid + KT_UUID_LEN] != ':') {
		return false;
	}
	for (size_t i = 0; i < KT_UUID_LEN; i++) {
		if (!is_hex(text[uuid + i])) {
			return false;
		}
	}
	size_t field = uuid + KT_UUID_LEN + 1;
	size_t end = field;
	while (end < len && is_field_char(text[end])) {
		end++;
	}
	if (end - field <= REF_TAIL_LEN || len - end < 2 || memcmp(text + end, "}}", 2) != 0 ||
	    memcmp(text + end - REF_TAIL_LEN, REF_TAIL, REF_TAIL_LEN) != 0) {
		return false;
	}
	memcpy(ret->uuid.text, text + uuid, KT_UUID_LEN);
	ret->uuid.text[KT_UUID_LEN] = '\0';
	ret->start = at;
	ret->end = end + 2;
	ret->field = text + field;
	ret->field_len = end - field - REF_TAIL_LEN;
	return true;
}

bool kt_ref_find(const char *text, size_t len, size_t from, kt_ref *ret)
{
	while (from < len) {
		const char *open = memmem(text + from, len - from, REF_OPEN, REF_OPEN_LEN);
		if (open == NULL) {
			return false;
		}
		from = (size_t)(open - text);
		if (match_at(text, len, from, ret)) {
			return true;
		}
		from++;
	}
	return false;
}

bool kt_ref_is_whole(const char *text, size_t len, kt_ref *ret)
{
	return kt_ref_find(text, len, 0, ret) && ret->start == 0 && ret->end == len;
}

void kt_ref_add(kt_buf *out, const char *uuid, const char *field)
{
	kt_buf_addf(out, REF_OPEN "%s:%s" REF_TAIL "}}", uuid, field);
}

/* Replaces the first occurrence of old in work by value. */
static int replace_first(kt_buf *work, const char *old, size_t old_len, const kt_buf *value,
			 kt_err *err)
{
	const char *hit = work->len == 0 ? NULL : memmem(work->data, work->len, old, old_len);
	if (hit == NULL) {
		return 0;
	}
	size_t at = (size_t)(hit - work->data);
	kt_buf next = KT_BUF_INIT;
	kt_buf_add(&next, work->data, at);
	kt_buf_add(&next, kt_buf_str(value), value->len);
	kt_buf_add(&next, work->data + at + old_len, work->len - at - old_len);
	if (kt_buf_check(&next, err) < 0) {
		kt_buf_deinit(&next);
		return -1;
	}
	kt_buf_deinit(work);
	*work = next;
	return 0;
}

int kt_ref_replace(const char *text, size_t len, kt_ref_lookup lookup, void *ctx, kt_buf *out,
		   kt_err *err)
{
	KT_AUTO_BUF kt_buf work = KT_BUF_INIT;
	kt_buf_add(&work, text, len);
	kt_ref ref;
	for (size_t from = 0; kt_ref_find(text, len, from, &ref); from = ref.end) {
		KT_AUTO_BUF kt_buf value = KT_BUF_INIT;
		KT_AUTO_FREE char *field = kt_strndup(ref.field, ref.field_len);
		if (field == NULL) {
			return kt_err_nomem(err);
		}
		if (lookup(ctx, ref.uuid.text, field, &value, err) < 0 ||
		    kt_buf_check(&value, err) < 0 ||
		    replace_first(&work, text + ref.start, ref.end - ref.start, &value, err) < 0) {
			return -1;
		}
	}
	kt_buf_add(out, kt_buf_str(&work), work.len);
	return kt_buf_check(&work, err) < 0 ? -1 : kt_buf_check(out, err);
}
