/* Locators: three lines of input are a locator, the module it stands in, and a replace target. */
#include "fuzz.h"

#include "package/package.h"

#include "base/alloc.h"
#include "base/str.h"
#include "base/vec.h"

#include <string.h>

/* Whatever parses can be put together again and stays inside the repository. */
static void check(const char *text)
{
	KT_AUTO_LOCATOR kt_locator locator = {0};
	if (kt_locator_parse(text, &locator, NULL) == 0) {
		KT_ASSERT(locator.owner[0] != '\0' && locator.repo[0] != '\0');
		KT_ASSERT(strchr(locator.repo, '/') == NULL);
		KT_ASSERT(!kt_str_eq(locator.owner, "..") && !kt_str_eq(locator.repo, ".."));
		KT_ASSERT(locator.file_path[0] == '\0' ||
			  kt_str_starts(locator.file_path, locator.repo_path));
		KT_ASSERT(strstr(locator.file_path, "/../") == NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	KT_AUTO_FREE char *text = kt_strndup((const char *)data, len);
	KT_AUTO_STRVEC kt_strvec lines = KT_STRVEC_INIT;
	if (text == NULL || kt_strvec_split(&lines, text, '\n') < 0) {
		return 0;
	}
	check(lines.items[0]);
	const char *from = lines.len > 1 ? lines.items[1] : "github.com/a/b/c.star";
	char *target = lines.len > 2 ? lines.items[2] : lines.items[0];
	KT_AUTO_FREE char *resolved = kt_locator_resolve(lines.items[0], from, NULL);
	KT_AUTO_MAP kt_map map = KT_MAP_INIT;
	if (resolved != NULL && kt_map_set(&map, "github.com/a/b", target) == 0) {
		KT_AUTO_FREE char *replaced = kt_locator_replace(resolved, &map, NULL);
		KT_ASSERT(replaced != NULL);
	}
	return 0;
}
