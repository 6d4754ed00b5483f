/* The plan is asked for as YAML, in which images and packages are two lists. */
#include "cli/run_dependencies.h"

#include "base/json.h"
#include "cli/ui.h"

#include <string.h>

static int ask_script(kt_cli *cli, const kt_target *target, const char *args, kt_grpc_client *apic,
		      ApiContainerApi__PlanYaml **ret, kt_err *err)
{
	ApiContainerApi__StarlarkScriptPlanYamlArgs request =
		API_CONTAINER_API__STARLARK_SCRIPT_PLAN_YAML_ARGS__INIT;
	request.serialized_script = target->script;
	KT_OPT_SET(ApiContainerApi__StarlarkScriptPlanYamlArgs, &request, serialized_params,
		   (char *)(uintptr_t)args);
	KT_OPT_SET(ApiContainerApi__StarlarkScriptPlanYamlArgs, &request, main_function_name,
		   (char *)(uintptr_t)kt_cli_str(cli, "main-function-name"));
	KT_OPT_SET(ApiContainerApi__StarlarkScriptPlanYamlArgs, &request, allow_privileged_mode,
		   kt_cli_bool(cli, "privileged"));
	return kt_apic_call(cli, apic, KT_APIC_GET_SCRIPT_PLAN_YAML, &request, ret, err);
}

static int ask_package(kt_cli *cli, const kt_target *target, const char *args, kt_grpc_client *apic,
		       ApiContainerApi__PlanYaml **ret, kt_err *err)
{
	ApiContainerApi__StarlarkPackagePlanYamlArgs request =
		API_CONTAINER_API__STARLARK_PACKAGE_PLAN_YAML_ARGS__INIT;
	request.package_id = target->package_id;
	request.is_remote = target->kind == KT_TARGET_REMOTE;
	KT_OPT_SET(ApiContainerApi__StarlarkPackagePlanYamlArgs, &request, serialized_params,
		   (char *)(uintptr_t)args);
	KT_OPT_SET(ApiContainerApi__StarlarkPackagePlanYamlArgs, &request,
	           relative_path_to_main_file, (char *)(uintptr_t)kt_cli_str(cli, "main-file"));
	KT_OPT_SET(ApiContainerApi__StarlarkPackagePlanYamlArgs, &request, main_function_name,
		   (char *)(uintptr_t)kt_cli_str(cli, "main-function-name"));
	KT_OPT_SET(ApiContainerApi__StarlarkPackagePlanYamlArgs, &request, allow_privileged_mode,
		   kt_cli_bool(cli, "privileged"));
	if (target->kind == KT_TARGET_PACKAGE && kt_target_upload(cli, target, apic, err) < 0) {
		return -1;
	}
	return kt_apic_call(cli, apic, KT_APIC_GET_PACKAGE_PLAN_YAML, &request, ret, err);
}

static void print_list(kt_cli *cli, const char *title, const json_t *list)
{
	size_t i;
	json_t *item;
	kt_out(cli, "%s:\n", title);
	json_array_foreach(list, i, item)
	{
		if (json_is_string(item)) {
			kt_out(cli, " %s\n", json_string_value(item));
		}
	}
}

json_t *kt_ask_plan(kt_cli *cli, const kt_target *target, const char *args, kt_grpc_client *apic,
		    kt_err *err)
{
	KT_AUTO_MSG ApiContainerApi__PlanYaml *plan = NULL;
	int rc = target->kind == KT_TARGET_SCRIPT
			 ? ask_script(cli, target, args, apic, &plan, err)
			 : ask_package(cli, target, args, apic, &plan, err);
	if (rc < 0) {
		KT_WRAP(err, "An error occurred interpreting '%s' for its plan", target->argument);
		return NULL;
	}
	return kt_yaml_parse(plan->plan_yaml, strlen(plan->plan_yaml), "the plan", err);
}

int kt_show_dependencies(kt_cli *cli, const kt_target *target, const char *args,
			 kt_grpc_client *apic, kt_err *err)
{
	KT_AUTO_JSON json_t *value = kt_ask_plan(cli, target, args, apic, err);
	if (value == NULL) {
		return -1;
	}
	print_list(cli, "Images", json_object_get(value, "images"));
	print_list(cli, "Packages", json_object_get(value, "packageDependencies"));
	return 0;
}
