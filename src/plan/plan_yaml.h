/* A plan as YAML, for `run --dry-run --output plan-yaml` and the plan-YAML calls of the API. */
#ifndef KT_PLAN_YAML_H
#define KT_PLAN_YAML_H

#include "plan/plan.h"

/* Appends the document. package_id is what the request named; NULL = the plan's own. */
int kt_plan_yaml(const kt_plan *plan, const char *package_id, kt_buf *out, kt_err *err);

#endif
