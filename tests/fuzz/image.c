/* References on the first line; manifest, index or config in the rest. */
#include "fuzz.h"

#include "image/manifest.h"

#include "base/alloc.h"
#include "base/str.h"

#include <string.h>

/* What parses prints in a form that parses to the same. */
static void check_reference(const char *text)
{
	KT_AUTO_IMAGE_REF kt_image_ref ref = KT_IMAGE_REF_INIT;
	if (kt_image_ref_parse(text, &ref, NULL) < 0) {
		return;
	}
	KT_AUTO_FREE char *full = kt_image_ref_text(&ref);
	KT_AUTO_FREE char *familiar = kt_image_ref_familiar(&ref);
	const char *const forms[] = {full, familiar};
	for (size_t i = 0; i < KT_ARRAY_LEN(forms); i++) {
		KT_AUTO_IMAGE_REF kt_image_ref again = KT_IMAGE_REF_INIT;
		KT_ASSERT(kt_image_ref_parse(forms[i], &again, NULL) == 0);
		KT_AUTO_FREE char *same = kt_image_ref_text(&again);
		KT_ASSERT(kt_str_eq(same, full));
	}
	KT_ASSERT(strstr(ref.repository, "..") == NULL && ref.repository[0] != '/');
}

static void check_json(const char *text, size_t len)
{
	KT_AUTO_JSON json_t *root = kt_json_parse(text, len, "input", NULL);
	if (root == NULL) {
		return;
	}
	bool foreign = false;
	if (kt_manifest_is_index(root)) {
		const char *digest = kt_manifest_pick(root, "amd64", &foreign, NULL);
		KT_ASSERT(digest == NULL || kt_digest_ok(digest));
	}
	KT_AUTO_MANIFEST kt_manifest manifest = {0};
	if (kt_manifest_parse(root, &manifest, NULL) == 0) {
		KT_ASSERT(kt_digest_ok(manifest.config.digest));
	}
	KT_AUTO_STRVEC kt_strvec ids = KT_STRVEC_INIT;
	kt_config_diff_ids(root, &ids, NULL);
	KT_AUTO_IMAGE kt_image *image = kt_calloc(1, sizeof(*image));
	KT_ASSERT(image != NULL && kt_config_parse(root, image, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	KT_AUTO_FREE char *text = kt_strndup((const char *)data, len);
	if (text == NULL) {
		return 0;
	}
	char *newline = strchr(text, '\n');
	if (newline != NULL) {
		*newline = '\0';
		check_json(newline + 1, strlen(newline + 1));
	}
	check_reference(text);
	return 0;
}
