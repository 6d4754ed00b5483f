/*
 * The system call filter of a service: what Docker's default profile allows, no more.
 *
 * The table of calls (gen/sysfilter_rules.h) is written by name; a build-time program asks
 * libseccomp for the numbers. What is left for run time is to pick the rows that a set of
 * capabilities opens and to lay a search tree over them, which needs no library and about 50 µs.
 */
#ifndef KT_SUPERVISOR_SYSFILTER_H
#define KT_SUPERVISOR_SYSFILTER_H

#include "base/base.h"
#include "base/err.h"

#include <linux/filter.h>

typedef struct kt_sup_filter {
	uint64_t caps; /* the set it was made for */
	struct sock_filter *code;
	unsigned short len;
} kt_sup_filter;

/* One known call: its number in one ABI and when it is allowed. */
typedef struct kt_sup_call {
	uint32_t nr;
	uint8_t rule;	   /* kt_sup_call_rule */
	uint64_t any_caps; /* needs one of these; 0 = none */
} kt_sup_call;

typedef enum kt_sup_call_rule {
	KT_SUP_CALL_ALLOW,
	KT_SUP_CALL_CLONE,	 /* no new namespaces without SYS_ADMIN */
	KT_SUP_CALL_CLONE3,	 /* "no such call" without SYS_ADMIN, so that libc uses clone */
	KT_SUP_CALL_PERSONALITY, /* only the harmless ones */
	KT_SUP_CALL_SOCKET,	 /* only known families, neither vsock nor kernel crypto */
} kt_sup_call_rule;

/* Builds the filter for a container with these capabilities. */
int kt_sup_filter_init(kt_sup_filter *self, uint64_t caps, kt_err *err);
void kt_sup_filter_deinit(kt_sup_filter *self);
/* Loads it into this process: needs SYS_ADMIN or no-new-privileges. 0 or -errno. */
int kt_sup_filter_load(const kt_sup_filter *self);

#endif
