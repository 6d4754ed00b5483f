#include "base/uuid.h"

#include "base/str.h"

#include <sys/random.h>

void kt_random_bytes(void *data, size_t len)
{
	char *next = data;
	while (len > 0) {
		ssize_t got = getrandom(next, len, 0);
		if (got > 0) {
			next += got;
			len -= (size_t)got;
		}
	}
}

kt_uuid kt_uuid_random(void)
{
	unsigned char bytes[KT_UUID_LEN / 2];
	kt_random_bytes(bytes, sizeof(bytes));
	bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40); /* version 4 */
	bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80); /* RFC 4122 variant */
	kt_uuid uuid;
	kt_hex(bytes, sizeof(bytes), uuid.text);
	return uuid;
}

bool kt_uuid_valid(const char *text)
{
	size_t len = 0;
	for (; text[len] != '\0' && len <= KT_UUID_LEN; len++) {
		char c = text[len];
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
			return false;
		}
	}
	return len == KT_UUID_LEN;
}
