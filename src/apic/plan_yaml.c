/* Plans as YAML: interpretation only, nothing is changed or remembered. */
#include "apic/apic_internal.h"
#include "base/str.h"
#include "package/package.h"
#include "plan/plan_yaml.h"

typedef struct yaml_job {
	kt_apic *apic;
	const kt_content_spec *content_spec;
	kt_plan_request *request;
	const char *package_id;
	bool privileged;
	kt_buf *out;
	int result;
	kt_err *err;
} yaml_job;

static void make_yaml(void *arg)
{
	yaml_job *j = arg;
	kt_run_options options = {.image_mode = KT_PULL_ALWAYS,
	                          .no_resource_check = true,
	                          .privileged_allowed = j->privileged};
	kt_content *content = kt_content_open(j->content_spec, j->err);
	kt_plan *plan = content != NULL ? kt_plan_new(j->err) : NULL;

	j->request->content = content;
	j->request->cancel = j->apic->stop;
	if (plan != NULL &&
	    kt_run_interpret(j->apic->env, j->request, &options, plan, j->err) == 0) {
		j->result = kt_plan_yaml(plan, j->package_id, j->out, j->err);
	}
	kt_plan_free(plan);
	kt_content_close(content);
}

static int write_yaml(kt_apic *apic, const kt_content_spec *content_spec, kt_plan_request *request,
                      const char *package_id, bool privileged, kt_buf *out, kt_err *err)
{
	yaml_job job = {apic, content_spec, request, package_id, privileged, out, -1, err};

	return kt_run_on_big_stack(make_yaml, &job, err) < 0 ? -1 : job.result;
}

static int send_yaml(kt_grpc_call *call, const kt_buf *text, kt_err *err)
{
	ApiContainerApi__PlanYaml response = API_CONTAINER_API__PLAN_YAML__INIT;

	response.plan_yaml = kt_pb_str(kt_buf_str(text));
	return kt_grpc_send(call, &response.base, err);
}

KT_APIC_HANDLER(script_plan_yaml)
{
	kt_apic *apic = host;
	const ApiContainerApi__StarlarkScriptPlanYamlArgs *args =
	        (const ApiContainerApi__StarlarkScriptPlanYamlArgs *)request;
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	kt_content_spec spec = kt_apic_content_spec(apic);
	const char *params = KT_OPT_OR(args, serialized_params, NULL);
	kt_plan_request plan = {
	        .script = args->serialized_script,
	        .script_len = strlen(args->serialized_script),
	        .main_function = KT_OPT_OR(args, main_function_name, NULL),
	        .args_json = kt_str_empty(params) ? NULL : params,
	};

	if (write_yaml(apic, &spec, &plan, KT_PLAN_SCRIPT_ID,
	               KT_OPT_OR(args, allow_privileged_mode, 0) != 0, &text, err) < 0) {
		return KT_WRAP(err, "An interpretation error occurred interpreting script for "
		                    "retrieving plan yaml");
	}
	return send_yaml(call, &text, err);
}

KT_APIC_HANDLER(package_plan_yaml)
{
	kt_apic *apic = host;
	const ApiContainerApi__StarlarkPackagePlanYamlArgs *args =
	        (const ApiContainerApi__StarlarkPackagePlanYamlArgs *)request;
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	kt_content_spec spec = kt_apic_content_spec(apic);
	const char *params = KT_OPT_OR(args, serialized_params, NULL);
	const char *main_file = KT_OPT_OR(args, relative_path_to_main_file, NULL);
	kt_plan_request plan = {
	        .main_file = kt_str_empty(main_file) ? NULL : main_file,
	        .main_function = KT_OPT_OR(args, main_function_name, NULL),
	        .args_json = kt_str_empty(params) ? NULL : params,
	};

	spec.root_id = args->package_id;
	spec.fetch_root = args->is_remote != 0;
	if (write_yaml(apic, &spec, &plan, args->package_id,
	               KT_OPT_OR(args, allow_privileged_mode, 0) != 0, &text, err) < 0) {
		return KT_WRAP(
		        err,
		        "An interpretation error occurred interpreting package for retrieving "
		        "plan yaml for package: %s",
		        args->package_id);
	}
	return send_yaml(call, &text, err);
}
