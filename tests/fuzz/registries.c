/* registries.conf: the first line is an image, the rest the configuration. */
#include "fuzz.h"

#include "image/registries.h"

#include "base/alloc.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	KT_AUTO_FREE char *text = kt_strndup((const char *)data, len);
	KT_AUTO_IMAGE_REF kt_image_ref ref = KT_IMAGE_REF_INIT;
	if (text == NULL) {
		return 0;
	}
	char *newline = strchr(text, '\n');
	const char *conf = newline != NULL ? newline + 1 : "";
	if (newline != NULL) {
		*newline = '\0';
	}
	kt_registries *registries = kt_registries_parse(conf, "conf", NULL);
	if (registries != NULL && kt_image_ref_parse(text, &ref, NULL) == 0) {
		kt_endpoint_vec endpoints = {0};
		if (kt_registries_resolve(registries, &ref, &endpoints, NULL) == 0) {
			KT_ASSERT(endpoints.len > 0);
			for (size_t i = 0; i < endpoints.len; i++) {
				KT_ASSERT(strchr(endpoints.items[i].host, '/') == NULL);
			}
		}
		kt_endpoint_vec_deinit(&endpoints);
	}
	kt_registries_free(registries);
	return 0;
}
