/* The instructions of a plan: one row each, one row per parameter. */
#include "plan/plan_internal.h"

#define CONFIG_PARAM (PT_KTYPE + KTYPE_SERVICE_CONFIG)

static const param add_service_params[] = {
	{"name", PT_STRING, true, true, check_text, .doc = "Name of the service."},
	{"config", CONFIG_PARAM, true, true, check_service_config, .as = "configs",
	 .doc = "What to run."},
	{"force_update", PT_BOOL, .default_text = "False",
	 .doc = "Whether an unchanged service is started anew by a later run."},
};

static const param add_services_params[] = {
	{"configs", PT_DICT, true, true, check_configs, .doc = "ServiceConfigs by service name."},
	{"force_update", PT_BOOL, .default_text = "False",
	 .doc = "Whether unchanged services are started anew by a later run."},
};

static const param checked_name_params[] = {
	{"name", PT_STRING, true, true, check_text, .doc = "Its name."},
};

static const param name_params[] = {
	{"name", PT_STRING, true, true, .doc = "Name of the service."},
};

static const param set_service_params[] = {
	{"name", PT_STRING, true, true, check_text, .doc = "Name of the service."},
	{"config", CONFIG_PARAM, true, false, check_service_config,
	 .doc = "What to change in its configuration."},
};

static const param verify_params[] = {
	{"value", PT_STRING, true, true, .doc = "The value to look at."},
	{"assertion", PT_STRING, true, true, check_assertion,
	 .doc = "One of == != >= > <= < IN NOT_IN."},
	{"target_value", PT_ANY, true, true, .doc = "What to compare with."},
};

static const param exec_params[] = {
	{"service_name", PT_STRING, true, true, check_text, .doc = "Where to run it."},
	{"recipe", PT_KTYPE + KTYPE_EXEC_RECIPE, true, true, .doc = "The command."},
	{"acceptable_codes", PT_LIST, .default_text = "[0]",
	 .doc = "Exit codes that count as success."},
	{"skip_code_check", PT_BOOL, .default_text = "False",
	 .doc = "Whether any exit code counts as success."},
};

static const param print_params[] = {
	{"msg", PT_ANY, true, true, .doc = "What to print; placeholders get their values."},
};

static const param render_templates_params[] = {
	{"config", PT_DICT, true, false,
	 .doc = "struct(template=…, data=…) by path in the files artifact."},
	{"name", PT_STRING, false, true, .doc = "Name of the artifact; made up when left out."},
};

static const param request_params[] = {
	{"service_name", PT_STRING, true, false, check_text, .doc = "Whom to ask."},
	{"recipe", PT_ANY, true, true, .doc = "The request."},
	{"acceptable_codes", PT_LIST,
	 .default_text = "[200, 201, 202, 203, 204, 205, 206, 207, 208, 226]",
	 .doc = "Status codes that count as success."},
	{"skip_code_check", PT_BOOL, .default_text = "False",
	 .doc = "Whether any status code counts as success."},
};

static const param run_sh_params[] = {
	{"name", PT_STRING, .default_text = "\"task-UUID\"", .doc = "Name of the task's service."},
	{"run", PT_STRING, true, true, .doc = "The shell command."},
	{"image", PT_ANY, false, true, .default_text = "\"badouralix/curl-jq\"",
	 .doc = "Image to run it in."},
	{"files", PT_DICT, false, true, .default_text = "{}", .doc = "Artifact names by path."},
	{"store", PT_LIST, false, true, .default_text = "[]",
	 .doc = "Paths or StoreSpecs to keep as files artifacts."},
	{"env_vars", PT_DICT, false, true, .default_text = "{}", .doc = "Environment variables."},
	{"wait", PT_ANY, false, true, check_duration_or_none, .default_text = "\"180s\"",
	 .doc = "Time limit; None is no limit."},
	{"acceptable_codes", PT_LIST, .default_text = "[0]",
	 .doc = "Exit codes that count as success."},
	{"skip_code_check", PT_BOOL, .default_text = "False",
	 .doc = "Whether any exit code counts as success."},
	{"node_selectors", PT_DICT, false, true, check_text_map, .default_text = "{}",
	 .doc = "Node labels, for Kubernetes."},
	{"tolerations", PT_LIST, false, true, .default_text = "[]",
	 .doc = "Toleration objects, for Kubernetes."},
	{"privileged", PT_BOOL, .default_text = "False",
	 .doc = "Whether the container is privileged; the run must allow it."},
	{"host_pid_namespace", PT_BOOL, .default_text = "False",
	 .doc = "Whether it shares the host's process ids; the run must allow it."},
	{"bind_mounts", PT_DICT, .check = check_bind_mounts, .default_text = "{}",
	 .doc = "Host paths to mount; the run must allow it."},
};

static const param run_python_params[] = {
	{"name", PT_STRING, .default_text = "\"task-UUID\"", .doc = "Name of the task's service."},
	{"run", PT_STRING, true, true, .doc = "The Python program."},
	{"args", PT_LIST, false, true, .default_text = "[]", .doc = "Its arguments."},
	{"packages", PT_LIST, false, true, .default_text = "[]",
	 .doc = "Packages that pip installs first."},
	{"image", PT_ANY, false, true, .default_text = "\"python:3.11-alpine\"",
	 .doc = "Image to run it in."},
	{"files", PT_DICT, false, true, .default_text = "{}", .doc = "Artifact names by path."},
	{"store", PT_LIST, false, true, .default_text = "[]",
	 .doc = "Paths or StoreSpecs to keep as files artifacts."},
	{"wait", PT_ANY, false, true, check_duration_or_none, .default_text = "\"180s\"",
	 .doc = "Time limit; None is no limit."},
	{"acceptable_codes", PT_LIST, .default_text = "[0]",
	 .doc = "Exit codes that count as success."},
	{"skip_code_check", PT_BOOL, .default_text = "False",
	 .doc = "Whether any exit code counts as success."},
	{"node_selectors", PT_DICT, false, true, check_text_map, .default_text = "{}",
	 .doc = "Node labels, for Kubernetes."},
	{"tolerations", PT_LIST, false, true, .default_text = "[]",
	 .doc = "Toleration objects, for Kubernetes."},
};

static const param store_service_files_params[] = {
	{"service_name", PT_STRING, true, true, check_text, .doc = "Where the files are."},
	{"src", PT_STRING, true, true, check_text, .doc = "Path in the container."},
	{"name", PT_STRING, false, true, .doc = "Name of the artifact; made up when left out."},
	{"depends_on", PT_STRING, .default_text = "\"\"",
	 .doc = "Placeholders in this text order the instruction in parallel runs."},
};

static const param upload_files_params[] = {
	{"src", PT_STRING, true, true, check_text,
	 .doc = "Locator of a file or directory, or an http(s) URL."},
	{"name", PT_STRING, false, true, .doc = "Name of the artifact; made up when left out."},
};

static const param wait_params[] = {
	{"service_name", PT_STRING, true, false, check_text, .doc = "Whom to try it on."},
	{"recipe", PT_ANY, true, true, .doc = "What to try."},
	{"field", PT_STRING, true, true, .doc = "Field of its result to look at."},
	{"assertion", PT_STRING, true, true, check_assertion,
	 .doc = "One of == != >= > <= < IN NOT_IN."},
	{"target_value", PT_ANY, true, true, .doc = "What to compare with."},
	{"interval", PT_STRING, false, true, .default_text = "\"1s\"",
	 .doc = "Time between tries."},
	{"timeout", PT_STRING, false, true, .default_text = "\"10s\"", .doc = "When to give up."},
};

#define ROW(upper, lower, rows, text)                                                              \
	[KT_INSTR_##upper] = {KT_INSTR_##upper,                                                    \
			      {#lower, (rows), KT_ARRAY_LEN(rows), (text)},                        \
			      do_##lower,                                                          \
			      touches_##lower}
#define ROW_WITHOUT(upper, lower, text)                                                            \
	[KT_INSTR_##upper] = {KT_INSTR_##upper,                                                    \
			      {#lower, NULL, 0, (text)},                                           \
			      do_##lower,                                                          \
			      touches_##lower}

const instr_row instr_rows[KT_INSTR_COUNT] = {
	ROW(ADD_SERVICE, add_service, add_service_params,
	    "Starts a service and waits until its ports are open."),
	ROW(ADD_SERVICES, add_services, add_services_params, "Starts several services at once."),
	ROW(EXEC, exec, exec_params, "Runs a command in a service."),
	ROW_WITHOUT(GET_CLUSTER_TYPE, get_cluster_type,
		    "Tells what the enclave runs on: \"docker\" or \"kubernetes\"."),
	ROW(GET_FILES_ARTIFACT, get_files_artifact, checked_name_params,
	    "Refers to a files artifact that an earlier run left."),
	ROW(GET_SERVICE, get_service, checked_name_params,
	    "Refers to a service that an earlier run started."),
	ROW_WITHOUT(GET_SERVICES, get_services, "Lists the services of the enclave."),
	ROW(PRINT, print, print_params, "Prints when its turn comes."),
	ROW(REMOVE_SERVICE, remove_service, name_params, "Stops and removes a service."),
	ROW(RENDER_TEMPLATES, render_templates, render_templates_params,
	    "Fills in templates and keeps the results as a files artifact."),
	ROW(REQUEST, request, request_params, "Makes an HTTP request to a service."),
	ROW(RUN_PYTHON, run_python, run_python_params, "Runs a Python program once."),
	ROW(RUN_SH, run_sh, run_sh_params, "Runs a shell command once."),
	ROW(SET_SERVICE, set_service, set_service_params,
	    "Changes how a service of this plan will be started."),
	ROW(START_SERVICE, start_service, name_params, "Starts a stopped service."),
	ROW(STOP_SERVICE, stop_service, name_params, "Stops a service and keeps it."),
	ROW(STORE_SERVICE_FILES, store_service_files, store_service_files_params,
	    "Copies files out of a service into a files artifact."),
	ROW(UPLOAD_FILES, upload_files, upload_files_params,
	    "Makes a files artifact of files from a package or a URL."),
	ROW(VERIFY, verify, verify_params, "Fails unless a comparison holds."),
	ROW(WAIT, wait, wait_params, "Tries a recipe until a comparison holds."),
};
