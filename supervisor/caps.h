/* Capabilities as bit sets: names, Docker's default set, and giving up the rest. */
#ifndef KT_SUPERVISOR_CAPS_H
#define KT_SUPERVISOR_CAPS_H

#include "base/base.h"

#include <linux/capability.h>

#define KT_SUP_CAP(name) (UINT64_C(1) << CAP_##name)

/* What Docker leaves to a container: these fourteen. */
#define KT_SUP_CAPS_DEFAULT                                                                        \
	(KT_SUP_CAP(CHOWN) | KT_SUP_CAP(DAC_OVERRIDE) | KT_SUP_CAP(FSETID) | KT_SUP_CAP(FOWNER) |  \
	 KT_SUP_CAP(MKNOD) | KT_SUP_CAP(NET_RAW) | KT_SUP_CAP(SETGID) | KT_SUP_CAP(SETUID) |       \
	 KT_SUP_CAP(SETFCAP) | KT_SUP_CAP(SETPCAP) | KT_SUP_CAP(NET_BIND_SERVICE) |                \
	 KT_SUP_CAP(SYS_CHROOT) | KT_SUP_CAP(KILL) | KT_SUP_CAP(AUDIT_WRITE))

/* "NET_ADMIN", "CAP_NET_ADMIN" (any case) or "ALL"; false for an unknown name. */
bool kt_sup_caps_parse(const char *name, uint64_t *ret);
/* Every capability this process may give on (its permitted set). */
uint64_t kt_sup_caps_all(void);
/* Takes every capability not in `keep` out of the bounding set. 0 or -errno. */
int kt_sup_caps_bound(uint64_t keep);
/* Sets permitted and effective to `keep` (as far as held), inheritable and ambient to none. */
int kt_sup_caps_set(uint64_t keep);

#endif
