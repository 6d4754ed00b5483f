/* An image's account files: the first line of the input is USER, then passwd, after an empty
 * line group. */
#include "fuzz.h"

#include "../../supervisor/users.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1);
	char *passwd;
	char *group;
	kt_sup_user user;

	KT_ASSERT(text);
	memcpy(text, data, len);
	text[len] = '\0';
	passwd = strchr(text, '\n');
	if (passwd) {
		*passwd++ = '\0';
		group = strstr(passwd, "\n\n");
		if (group) {
			group[1] = '\0';
			group += 2;
		}
		if (kt_sup_user_resolve(text, passwd, group ? group : "", &user) == 0) {
			KT_ASSERT(user.group_count <= KT_SUP_GROUPS_MAX);
			KT_ASSERT(strlen(user.home) < KT_SUP_HOME_MAX);
			KT_ASSERT(user.uid <= INT32_MAX && user.gid <= INT32_MAX);
		}
	}
	free(text);
	return 0;
}
