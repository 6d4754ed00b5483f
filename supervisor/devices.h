/*
 * Which devices a service may open, enforced by the kernel per control group: a small eBPF program
 * on the v2 hierarchy (present on hybrid hosts, too). It is the second line behind "nodev" mounts;
 * it counts where a service was given CAP_SYS_ADMIN and can make mounts of its own.
 *
 * As with Docker, nodes may be made freely (CAP_MKNOD); opening follows the list.
 */
#ifndef KT_SUPERVISOR_DEVICES_H
#define KT_SUPERVISOR_DEVICES_H

#include "base/base.h"

#include <sys/types.h>

typedef struct kt_sup_device {
	bool block;
	dev_t number;
} kt_sup_device;

/*
 * Attaches a program that allows the standard devices and `more` to the group behind group_fd.
 * Groups below inherit it until they get one of their own. allow_all: everything (privileged).
 * 0, or -errno (EPERM, EINVAL: this kernel or host does not offer it).
 */
int kt_sup_devices_restrict(int group_fd, const kt_sup_device *more, size_t count, bool allow_all);

#endif
