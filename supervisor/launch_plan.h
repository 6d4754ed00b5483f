/* From a spec to the steps that make it real (steps.h). No side effects. */
#ifndef KT_SUPERVISOR_LAUNCH_PLAN_H
#define KT_SUPERVISOR_LAUNCH_PLAN_H

#include "cgroup.h"
#include "steps.h"

typedef struct kt_sup_places {
	const char *service_dir; /* has hosts, resolv.conf, hostname, root/ */
	const char *layer_dir;	 /* has upper/ and work/ */
	bool show_cgroups;	 /* the host has v2 only: mount it inside, read-only */
	bool limited_v1;	 /* the service has v1 groups of its own: mount those */
	const kt_sup_cgroups *groups;
	uint64_t open_files; /* soft limit a program starts with; 0 = as it is */
} kt_sup_places;

/* Fails with INVALID (a device that is none, …), IO or NOMEM. */
int kt_sup_plan_service(kt_sup_plan *self, const kt_sup_spec *spec, const kt_sup_places *places,
			kt_err *err);
/* `user` and `cwd`: the request's or the service's. */
int kt_sup_plan_exec(kt_sup_plan *self, const kt_sup_spec *request, const char *user,
		     const char *cwd, uint64_t service_flags, uint64_t open_files, kt_err *err);
/* Appends what Docker adds to an environment when it is missing: PATH, HOSTNAME, TERM. (HOME comes
 * when the user is known.) Texts live in the plan's arena. */
int kt_sup_plan_env(kt_sup_plan *self, const char *hostname, bool tty, kt_sup_texts *env,
		    kt_err *err);

#endif
