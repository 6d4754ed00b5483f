/* See caps.h. Raw system calls: libcap is not needed for this. */
#include "caps.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAME(name) [CAP_##name] = #name

static const char *const cap_names[] = {
	NAME(CHOWN),
	NAME(DAC_OVERRIDE),
	NAME(DAC_READ_SEARCH),
	NAME(FOWNER),
	NAME(FSETID),
	NAME(KILL),
	NAME(SETGID),
	NAME(SETUID),
	NAME(SETPCAP),
	NAME(LINUX_IMMUTABLE),
	NAME(NET_BIND_SERVICE),
	NAME(NET_BROADCAST),
	NAME(NET_ADMIN),
	NAME(NET_RAW),
	NAME(IPC_LOCK),
	NAME(IPC_OWNER),
	NAME(SYS_MODULE),
	NAME(SYS_RAWIO),
	NAME(SYS_CHROOT),
	NAME(SYS_PTRACE),
	NAME(SYS_PACCT),
	NAME(SYS_ADMIN),
	NAME(SYS_BOOT),
	NAME(SYS_NICE),
	NAME(SYS_RESOURCE),
	NAME(SYS_TIME),
	NAME(SYS_TTY_CONFIG),
	NAME(MKNOD),
	NAME(LEASE),
	NAME(AUDIT_WRITE),
	NAME(AUDIT_CONTROL),
	NAME(SETFCAP),
	NAME(MAC_OVERRIDE),
	NAME(MAC_ADMIN),
	NAME(SYSLOG),
	NAME(WAKE_ALARM),
	NAME(BLOCK_SUSPEND),
	NAME(AUDIT_READ),
	NAME(PERFMON),
	NAME(BPF),
	NAME(CHECKPOINT_RESTORE),
};

bool kt_sup_caps_parse(const char *name, uint64_t *ret)
{
	if (strncasecmp(name, "CAP_", 4) == 0) {
		name += 4;
	}
	if (strcasecmp(name, "ALL") == 0) {
		*ret = kt_sup_caps_all();
		return true;
	}
	for (size_t i = 0; i < KT_ARRAY_LEN(cap_names); i++) {
		if (strcasecmp(name, cap_names[i]) == 0) {
			*ret = UINT64_C(1) << i;
			return true;
		}
	}
	return false;
}

static int cap_get(struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};

	return syscall(SYS_capget, &head, data) < 0 ? -errno : 0;
}

uint64_t kt_sup_caps_all(void)
{
	struct __user_cap_data_struct data[2] = {{0}};

	if (cap_get(data) < 0) {
		return 0;
	}
	return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

int kt_sup_caps_bound(uint64_t keep)
{
	for (unsigned long cap = 0; cap < 64; cap++) {
		if (!(keep >> cap & 1) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
			return errno == EINVAL ? 0 : -errno; /* the kernel knows no more of them */
		}
	}
	return 0;
}

int kt_sup_caps_set(uint64_t keep)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) {
		return -errno;
	}
	keep &= kt_sup_caps_all();
	data[0].permitted = data[0].effective = (uint32_t)keep;
	data[1].permitted = data[1].effective = (uint32_t)(keep >> 32);
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}
