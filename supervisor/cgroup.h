/*
 * Control groups of one enclave, on v2, hybrid and v1 hosts.
 *
 *   <v2 mount>/kurtosis/<enclave>/<service>        tracking, kill, device filter, statistics
 *   <v1 controller mount>/kurtosis/<enclave>/<service>   only for services with limits, because a
 *                                                  migration between v1 groups costs about 10 ms
 *
 * What the host cannot give is reported as UNSUPPORTED with a reason, for the caller to say once.
 * Blocking only as file writes to cgroupfs are.
 */
#ifndef KT_SUPERVISOR_CGROUP_H
#define KT_SUPERVISOR_CGROUP_H

#include "base/base.h"
#include "base/clock.h"
#include "base/err.h"

#include <limits.h>
#include <sys/types.h>

typedef enum kt_sup_controller {
	KT_SUP_CG_MEMORY,
	KT_SUP_CG_CPU,
	KT_SUP_CG_PIDS,
	KT_SUP_CG_CPUACCT,
	KT_SUP_CG_COUNT
} kt_sup_controller;

#define KT_SUP_CG_PATH 256

typedef struct kt_sup_cgroups {
	char enclave[80];
	char v2[KT_SUP_CG_PATH];		  /* mount point, "" = none */
	char v1[KT_SUP_CG_COUNT][KT_SUP_CG_PATH]; /* mount points, "" = none */
	bool v2_has[KT_SUP_CG_COUNT]; /* controllers usable below the v2 enclave group */
} kt_sup_cgroups;

typedef struct kt_sup_limits {
	uint64_t memory_bytes; /* 0 = none, here and below */
	uint64_t cpu_millis;
	uint64_t pids;
} kt_sup_limits;

typedef struct kt_sup_usage {
	int64_t memory_bytes; /* -1 = the host cannot tell, here and below */
	int64_t cpu_ns;
	int64_t pids;
} kt_sup_usage;

/* Reads where the hierarchies are mounted. Creates nothing. */
int kt_sup_cgroups_find(kt_sup_cgroups *self, const char *enclave, kt_err *err);
/* Makes the enclave's v2 group, controllers enabled as far as the host lets. */
int kt_sup_cgroups_make(kt_sup_cgroups *self, kt_err *err);
/* Whether these limits need v1 groups, so that a process must be moved into them. */
bool kt_sup_cgroups_limits_v1(const kt_sup_cgroups *self, const kt_sup_limits *limits);
/*
 * Makes a service's group with limits. *ret_fd: the v2 group's descriptor for CLONE_INTO_CGROUP,
 * or -1 without v2. *ret_v1: whether the process must be moved by kt_sup_cgroups_enter_v1.
 */
int kt_sup_cgroups_add(const kt_sup_cgroups *self, const char *service, const kt_sup_limits *limits,
		       int *ret_fd, bool *ret_v1, kt_err *err);
int kt_sup_cgroups_enter_v1(const kt_sup_cgroups *self, const char *service, pid_t pid,
			    kt_err *err);
/* Opens the v2 group of an existing service, or -1. */
int kt_sup_cgroups_open(const kt_sup_cgroups *self, const char *service);
/* SIGKILL to every process of the service (NULL: of the enclave). False when v2 is not there. */
bool kt_sup_cgroups_kill(const kt_sup_cgroups *self, const char *service);
/* Waits until no process is left in the enclave's v2 group. True when it is empty. */
bool kt_sup_cgroups_wait_empty(const kt_sup_cgroups *self, kt_instant deadline);
/* Removes the service's (NULL: the enclave's and all in it) groups. Missing ones are no error. */
void kt_sup_cgroups_remove(const kt_sup_cgroups *self, const char *service);
void kt_sup_cgroups_usage(const kt_sup_cgroups *self, const char *service, kt_sup_usage *ret);
/* Whether the kernel has killed one of the service's processes for want of memory. */
bool kt_sup_cgroups_oom(const kt_sup_cgroups *self, const char *service);

#endif
