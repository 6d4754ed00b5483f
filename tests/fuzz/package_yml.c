/* kurtosis.yml, and the same text as arguments of a run. */
#include "fuzz.h"

#include "package/package.h"

#include "base/alloc.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	KT_AUTO_PACKAGE_YML kt_package_yml yml = {0};
	if (kt_package_yml_parse((const char *)data, len, "fuzz", &yml, NULL) == 0) {
		KT_ASSERT(yml.name != NULL && yml.name[0] != '\0');
	}
	KT_AUTO_FREE char *json = kt_package_args_json((const char *)data, len, NULL);
	KT_ASSERT(json == NULL || json[0] != '\0' || len == 0 || data[0] == '\0');
	return 0;
}
