/* Random identifiers as Kurtosis uses them: 32 lower-case hex digits of a version 4 UUID. */
#ifndef KT_BASE_UUID_H
#define KT_BASE_UUID_H

#include "base/base.h"

#define KT_UUID_LEN 32
#define KT_UUID_SHORT_LEN 12

typedef struct kt_uuid {
	char text[KT_UUID_LEN + 1];
} kt_uuid;

kt_uuid kt_uuid_random(void);
bool kt_uuid_valid(const char *text); /* 32 lower-case hex digits */
/* Fills `len` bytes from the kernel's generator. */
void kt_random_bytes(void *data, size_t len);

#endif
