/*
 * Who a container's program runs as: Docker's reading of USER against the image's own
 * /etc/passwd and /etc/group. The image is not trusted: lines are bounded, nothing is allocated
 * by their content beyond the group list.
 */
#ifndef KT_SUPERVISOR_USERS_H
#define KT_SUPERVISOR_USERS_H

#include "base/base.h"

#include <sys/types.h>

#define KT_SUP_GROUPS_MAX 256
#define KT_SUP_HOME_MAX 256

typedef struct kt_sup_user {
	uid_t uid;
	gid_t gid;
	gid_t groups[KT_SUP_GROUPS_MAX]; /* supplementary */
	size_t group_count;
	char home[KT_SUP_HOME_MAX]; /* "/" when unknown */
} kt_sup_user;

/*
 * Resolves "", "user", "uid", "user:group", "uid:gid" … with the texts of passwd and group ("" when
 * the image has none; NUL-terminated). Names must be there; numbers need not. Without a group in
 * `text`, the groups are the user's own: gid of passwd (0 when unknown), and every group that
 * lists it. With one, that group is the only one. 0, -ENOENT (unknown user), -ESRCH (unknown
 * group), -EINVAL (a number out of range).
 */
int kt_sup_user_resolve(const char *text, const char *passwd, const char *group, kt_sup_user *ret);

#endif
