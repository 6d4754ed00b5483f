/* Where a Starlark program spends its time: the profiler of `kurtosis starlark --profile`. */
#ifndef KT_CLI_STAR_PROFILE_H
#define KT_CLI_STAR_PROFILE_H

#include "base/clock.h"
#include "base/map.h"
#include "starlark/starlark.h"

typedef struct kt_star_profile {
	kt_map stacks; /* "f:3;g:7", outermost first, to uint64_t nanoseconds */
	uint64_t *at;  /* of the stack that runs now; NULL before the first */
	kt_instant since;
	kt_buf key;
	bool failed; /* out of memory */
} kt_star_profile;

void kt_star_profile_init(kt_star_profile *self);
void kt_star_profile_deinit(kt_star_profile *self);
/* For the `profile` of kt_star_options. Its own time is counted nowhere. */
void kt_star_profile_tick(kt_star_profile *self, kt_sthread *t);
/* The program has ended. */
void kt_star_profile_stop(kt_star_profile *self);
/* Tables of functions and lines. -1 with NOMEM. */
int kt_star_profile_report(const kt_star_profile *self, kt_buf *out, kt_err *err);
/* "f:3;g:7 MICROSECONDS" lines, as flame graph tools read them. */
int kt_star_profile_folded(const kt_star_profile *self, kt_buf *out, kt_err *err);

#endif
