/* The two halves of the jq adapter. Not for other modules. */
#ifndef KT_RUN_EXTRACT_INTERNAL_H
#define KT_RUN_EXTRACT_INTERNAL_H

#include "base/buf.h"
#include "base/err.h"

/*
 * Rewrites a program of the reference's dialect into one that libjq accepts: comments go,
 * `if` without `else` gets one, `.a.[0]` becomes `.a[0]`, a prelude defines what is missing
 * and hides the environment. INVALID for unbalanced brackets and for modules.
 */
int kt_jq_rewrite(const char *query, kt_buf *ret, kt_err *err);

#endif
