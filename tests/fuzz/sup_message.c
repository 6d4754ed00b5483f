/* Requests to a supervisor: whatever opens must be readable to its end, whatever decodes as a
 * service's spec must keep its promises. */
#include "fuzz.h"

#include "../../supervisor/spec.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static size_t walk(kt_sup_reader reader, int depth)
{
	kt_sup_field field;
	size_t count = 0;

	while (kt_sup_next(&reader, &field)) {
		kt_sup_reader group;
		const char *text = kt_sup_str(&field);

		KT_ASSERT(!text || strlen(text) + 1 == field.len);
		(void)kt_sup_num(&field);
		if (depth > 0 && kt_sup_open_group(&field, &group, NULL) == 0) {
			count += walk(group, depth - 1);
		}
		count++;
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	/* A copy of the exact size: reading past its end is seen. */
	char *copy = malloc(len ? len : 1);
	kt_buf msg = {.data = copy, .len = len, .cap = len};
	kt_sup_reader fields;
	kt_sup_spec spec;

	KT_ASSERT(copy);
	memcpy(copy, data, len);
	if (kt_sup_open(&msg, &fields, NULL) == 0) {
		(void)walk(fields, 4);
		if (kt_sup_spec_read(fields, &spec, NULL) == 0) {
			KT_ASSERT(kt_sup_id_valid(spec.id) && spec.args.len > 0);
			KT_ASSERT(spec.cwd[0] == '/' && spec.layers.len > 0);
			KT_ASSERT((ntohl(spec.ip.s_addr) & 0xfffffc00u) == 0xac100000u);
			for (size_t i = 1; i < spec.mounts.len; i++) {
				KT_ASSERT(strcmp(spec.mounts.items[i - 1].target,
						 spec.mounts.items[i].target) <= 0);
			}
			kt_sup_spec_deinit(&spec);
		}
		if (kt_sup_spec_read_exec(fields, &spec, NULL) == 0) {
			kt_sup_spec_deinit(&spec);
		}
	}
	free(copy);
	return 0;
}
