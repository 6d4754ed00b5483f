/* The comparisons of verify, wait and ready conditions, with their exact texts. */
#ifndef KT_RUN_VERIFY_H
#define KT_RUN_VERIFY_H

#include "run/value.h"

/*
 * 0 when `value OP target` holds, -1 with INVALID and the message that the user sees
 * otherwise.
 */
int kt_assert_check(const kt_pval *value, kt_plan_assertion op, const kt_pval *target, kt_err *err);

#endif
