#include "starlark/string_search.h"

size_t kt_text_find(kt_text hay, kt_text needle)
{
	if (needle.len == 0) {
		return 0;
	}
	if (needle.len > hay.len) {
		return KT_TEXT_NONE;
	}
	const char *from = hay.data;
	const char *last = hay.data + hay.len - needle.len;

	/* Going from one first byte to the next is faster as long as few of them mislead. */
	for (int misled = 0; misled < 16; misled++) {
		from = memchr(from, needle.data[0], (size_t)(last - from) + 1);
		if (from == NULL) {
			return KT_TEXT_NONE;
		}
		if (memcmp(from, needle.data, needle.len) == 0) {
			return (size_t)(from - hay.data);
		}
		if (from++ == last) {
			return KT_TEXT_NONE;
		}
	}
	from = memmem(from, (size_t)(last - from) + needle.len, needle.data, needle.len);
	return from == NULL ? KT_TEXT_NONE : (size_t)(from - hay.data);
}

size_t kt_text_rfind(kt_text hay, kt_text needle)
{
	if (needle.len == 0) {
		return hay.len;
	}
	if (needle.len > hay.len) {
		return KT_TEXT_NONE;
	}
	for (size_t room = hay.len - needle.len + 1; room > 0;) {
		const char *at = memrchr(hay.data, needle.data[0], room);
		if (at == NULL) {
			break;
		}
		if (memcmp(at, needle.data, needle.len) == 0) {
			return (size_t)(at - hay.data);
		}
		room = (size_t)(at - hay.data);
	}
	return KT_TEXT_NONE;
}

bool kt_text_starts(kt_text text, kt_text prefix)
{
	return text.len >= prefix.len && memcmp(text.data, prefix.data, prefix.len) == 0;
}

bool kt_text_ends(kt_text text, kt_text suffix)
{
	return text.len >= suffix.len &&
	       memcmp(text.data + text.len - suffix.len, suffix.data, suffix.len) == 0;
}
