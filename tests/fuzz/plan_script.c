/* Whole scripts through interpretation, validation and plan YAML. */
#include "fuzz.h"

#include "plan/graph.h"
#include "plan/plan.h"
#include "plan/plan_yaml.h"

#define MAX_STEPS 20000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	kt_plan *plan = kt_plan_new(NULL);
	kt_plan_request request = {
		.script = (const char *)data, .script_len = len, .max_steps = MAX_STEPS};
	if (plan != NULL && kt_plan_interpret(plan, &request, NULL) == 0) {
		KT_AUTO_STRVEC kt_strvec problems = KT_STRVEC_INIT;
		KT_AUTO_BUF kt_buf yaml = KT_BUF_INIT;
		KT_AUTO_PLAN_GRAPH kt_plan_graph graph = {0};
		KT_ASSERT(kt_plan_validate(plan, NULL, &problems, NULL) == 0);
		KT_ASSERT(kt_plan_graph_make(plan, KT_PLAN_EDGES_OBEYED, &graph, NULL) == 0);
		kt_plan_yaml(plan, NULL, &yaml, NULL);
	}
	kt_plan_free(plan);
	return 0;
}
