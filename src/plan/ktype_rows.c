/* The types that Kurtosis adds to the language: one row per parameter. */
#include "plan/plan_internal.h"

#define KTYPE_PARAM(id) (PT_KTYPE + KTYPE_##id)

#define DEPRECATED_CPU                                                                             \
	"25/6/2023. This field is being deprecated in favour of `max_cpu` to set a maximum cpu a " \
	"container can use"
#define DEPRECATED_MEMORY                                                                          \
	"25/6/2023. This field is being deprecated in favour of `max_memory` to set maximum "      \
	"memory a container can use"

static const param service_params[] = {
	{"name", PT_STRING, true, .check = check_text, .doc = "The service's name."},
	{"hostname", PT_STRING, true, .check = check_text, .doc = "Its name in the enclave."},
	{"ip_address", PT_STRING, true, .check = check_text, .doc = "Its private IP address."},
	{"ports", PT_DICT, true, .doc = "Its private ports by id."},
};

static const param directory_params[] = {
	{"artifact_names", PT_LIST, .check = check_texts,
	 .doc = "Files artifacts whose contents are put into the directory."},
	{"persistent_key", PT_STRING, .check = check_text, .as = "artifact_names",
	 .doc = "Makes the directory outlive restarts of the service, under this name."},
	{"size", PT_INT, .check = check_range, .min = 1, .max = INT64_MAX, .default_text = "1024",
	 .doc = "Size of a persistent directory in megabytes."},
};

static const param exec_recipe_params[] = {
	{"command", PT_LIST, true, .check = check_command,
	 .doc = "The command and its arguments; no shell in between."},
	{"extract", PT_DICT, .check = check_extract,
	 .doc = "jq programs by name, applied to the output as one string."},
};

static const param get_recipe_params[] = {
	{"port_id", PT_STRING, true, .check = check_text, .doc = "Id of a port of the service."},
	{"endpoint", PT_STRING, true, .doc = "What follows host and port in the URL."},
	{"extract", PT_DICT, .check = check_extract,
	 .doc = "jq programs by name, applied to the body."},
	{"headers", PT_DICT, .check = check_headers, .doc = "Headers of the request."},
};

static const param post_recipe_params[] = {
	{"port_id", PT_STRING, true, .check = check_text, .doc = "Id of a port of the service."},
	{"endpoint", PT_STRING, true, .doc = "What follows host and port in the URL."},
	{"body", PT_STRING, .default_text = "\"\"", .doc = "Body of the request."},
	{"content_type", PT_STRING, .default_text = "\"application/json\"",
	 .doc = "Its Content-Type."},
	{"extract", PT_DICT, .check = check_extract,
	 .doc = "jq programs by name, applied to the body."},
	{"headers", PT_DICT, .check = check_headers, .doc = "Headers of the request."},
};

static const char *const transports[] = {"TCP", "SCTP", "UDP", NULL};

static const param port_spec_params[] = {
	{"number", PT_INT, .check = check_range, .min = 1, .max = 65535,
	 .doc = "The port's number; needed although the schema calls it optional."},
	{"transport_protocol", PT_STRING, .check = check_one_of, .values = transports,
	 .default_text = "\"TCP\"", .doc = "TCP, UDP or SCTP."},
	{"application_protocol", PT_STRING, .check = check_app_protocol,
	 .doc = "What is spoken on the port, e.g. \"http\"."},
	{"wait", PT_ANY, .check = check_duration_or_none, .default_text = "\"2m\"",
	 .doc = "How long to wait until the port is open; None does not wait."},
	{"url", PT_STRING, .check = check_url, .doc = "URL to show for the port."},
};

static const param store_spec_params[] = {
	{"src", PT_STRING, true, .check = check_text, .as = "name",
	 .doc = "Path in the container to store."},
	{"name", PT_STRING, .check = check_text, .as = "name",
	 .doc = "Name of the files artifact; made up when left out."},
};

static const param service_config_params[] = {
	{"image", PT_ANY, true,
	 .doc = "Image name, ImageSpec, ImageBuildSpec or NixBuildSpec."},
	{"ports", PT_DICT, .default_text = "{}", .doc = "PortSpecs by port id."},
	{"public_ports", PT_DICT, .default_text = "{}",
	 .doc = "PortSpecs by port id with fixed numbers on the host."},
	{"files", PT_DICT, .doc = "Artifact names or Directory objects by path."},
	{"entrypoint", PT_LIST, .doc = "Replaces the image's entrypoint."},
	{"cmd", PT_LIST, .doc = "Replaces the image's command."},
	{"env_vars", PT_DICT, .default_text = "{}", .doc = "Environment variables."},
	{"private_ip_address_placeholder", PT_STRING, .check = check_text,
	 .default_text = "\"KURTOSIS_IP_ADDR_PLACEHOLDER\"",
	 .doc = "Text that stands for the service's own IP address."},
	{"cpu_allocation", PT_INT, .check = check_range, .min = 0, .max = INT64_MAX, .u64 = true,
	 .deprecated = DEPRECATED_CPU, .doc = "Old name of max_cpu."},
	{"memory_allocation", PT_INT, .check = check_range, .min = 6, .max = INT64_MAX, .u64 = true,
	 .deprecated = DEPRECATED_MEMORY, .doc = "Old name of max_memory."},
	{"max_cpu", PT_INT, .check = check_range, .as = "cpu_allocation", .min = 0,
	 .max = INT64_MAX, .u64 = true, .default_text = "0", .doc = "CPU limit in millicores."},
	{"min_cpu", PT_INT, .default_text = "0", .doc = "CPU to reserve in millicores."},
	{"max_memory", PT_INT, .check = check_range, .as = "memory_allocation", .min = 6,
	 .max = INT64_MAX, .u64 = true, .default_text = "0",
	 .doc = "Memory limit in megabytes."},
	{"min_memory", PT_INT, .default_text = "0", .doc = "Memory to reserve in megabytes."},
	{"ready_conditions", KTYPE_PARAM(READY_CONDITION),
	 .doc = "What must hold before the service counts as started."},
	{"labels", PT_DICT, .check = check_labels, .default_text = "{}", .doc = "Labels."},
	{"user", KTYPE_PARAM(USER), .doc = "User and group to run as."},
	{"tolerations", PT_LIST, .doc = "Toleration objects, for Kubernetes."},
	{"node_selectors", PT_DICT, .check = check_text_map, .default_text = "{}",
	 .doc = "Node labels, for Kubernetes."},
	{"files_to_be_moved", PT_DICT, .check = check_text_map, .default_text = "{}",
	 .doc = "Files to move inside the container before it starts, from path to path."},
	{"tini_enabled", PT_BOOL, .default_text = "True",
	 .doc = "Whether an init process runs as process 1."},
	{"tty_enabled", PT_BOOL, .default_text = "False", .doc = "Whether it gets a terminal."},
	{"devices", PT_LIST, .default_text = "[]", .doc = "Device nodes of the host."},
	{"publish_udp", PT_BOOL, .default_text = "False",
	 .doc = "Whether UDP ports are published, too."},
	{"capabilities", PT_LIST, .default_text = "[]", .doc = "Capabilities to add."},
	{"gpu", KTYPE_PARAM(GPU_CONFIG), .doc = "GPUs to give to the service."},
	{"privileged", PT_BOOL, .default_text = "False",
	 .doc = "Whether the container is privileged; the run must allow it."},
	{"host_pid_namespace", PT_BOOL, .default_text = "False",
	 .doc = "Whether it shares the host's process ids; the run must allow it."},
	{"bind_mounts", PT_DICT, .check = check_bind_mounts, .default_text = "{}",
	 .doc = "Host paths to mount; the run must allow it."},
};

static const param ready_condition_params[] = {
	{"recipe", PT_ANY, true, .check = check_recipe, .doc = "What to try."},
	{"field", PT_STRING, true, .check = check_text, .doc = "Field of its result to look at."},
	{"assertion", PT_STRING, true, .check = check_assertion, .doc = "Comparison to make."},
	{"target_value", PT_ANY, true, .doc = "What to compare with."},
	{"interval", PT_STRING, .check = check_duration, .default_text = "\"1s\"",
	 .doc = "Time between tries."},
	{"timeout", PT_STRING, .check = check_duration, .default_text = "\"15m\"",
	 .doc = "When to give up."},
};

static const param image_build_spec_params[] = {
	{"image_name", PT_STRING, true, .check = check_text, .doc = "Name for the built image."},
	{"build_context_dir", PT_STRING, true, .check = check_text,
	 .doc = "Locator of the directory to build from."},
	{"build_file", PT_STRING, .check = check_text, .default_text = "\"Dockerfile\"",
	 .doc = "Dockerfile, relative to the directory."},
	{"target_stage", PT_STRING, .check = check_text, .doc = "Stage to build."},
	{"build_args", PT_DICT, .default_text = "{}", .doc = "Build arguments."},
};

static const param nix_build_spec_params[] = {
	{"flake_location_dir", PT_STRING, true, .check = check_text,
	 .doc = "Directory of flake.nix, relative to the build directory."},
	{"build_context_dir", PT_STRING, true, .check = check_text,
	 .doc = "Locator of the directory to build from."},
	{"image_name", PT_STRING, true, .check = check_text, .doc = "Name for the built image."},
	{"flake_output", PT_STRING, .check = check_text, .doc = "Output of the flake to build."},
};

static const param image_spec_params[] = {
	{"image", PT_STRING, true, .check = check_text, .doc = "Image name."},
	{"registry", PT_STRING, .check = check_text, .doc = "Registry to log in to."},
	{"username", PT_STRING, .check = check_text, .doc = "User name there."},
	{"password", PT_STRING, .check = check_text, .doc = "Password there."},
};

static const param user_params[] = {
	{"uid", PT_INT, true, .check = check_range, .min = 0, .max = INT64_MAX,
	 .doc = "User id."},
	{"gid", PT_INT, .check = check_range, .min = 0, .max = INT64_MAX, .doc = "Group id."},
};

static const char *const operators[] = {"Exists", "Equal", NULL};
static const char *const effects[] = {"NoSchedule", "NoExecute", "PreferNoSchedule", NULL};

static const param toleration_params[] = {
	{"key", PT_STRING, .check = check_text, .doc = "Key of the taint."},
	{"operator", PT_STRING, .check = check_one_of, .values = operators,
	 .doc = "Exists or Equal."},
	{"value", PT_STRING, .doc = "Value of the taint."},
	{"effect", PT_STRING, .check = check_one_of, .values = effects,
	 .doc = "Effect of the taint."},
	{"toleration_seconds", PT_INT, .doc = "How long it is tolerated."},
};

static const param gpu_config_params[] = {
	{"count", PT_INT, .default_text = "0", .doc = "Number of GPUs; -1 is all."},
	{"device_ids", PT_LIST, .doc = "Ids of the GPUs to use."},
	{"shm_size", PT_INT, .doc = "Shared memory in megabytes."},
	{"ulimits", PT_DICT, .doc = "Limits by name."},
	{"driver", PT_ANY, .default_text = "\"nvidia\"",
	 .doc = "Driver name, or a dict with the keys docker and kubernetes."},
};

#define KTYPE_ROW(upper, type_name, rows, text)                                                \
	[KTYPE_##upper] = {#type_name, (rows), KT_ARRAY_LEN(rows), (text)}

const signature ktype_rows[KTYPE_COUNT] = {
	KTYPE_ROW(SERVICE, Service, service_params,
		  "A service as add_service returns it."),
	KTYPE_ROW(DIRECTORY, Directory, directory_params,
		  "What is mounted at a path: files artifacts or a persistent directory."),
	KTYPE_ROW(EXEC_RECIPE, ExecRecipe, exec_recipe_params,
		  "A command to run in a service."),
	KTYPE_ROW(GET_RECIPE, GetHttpRequestRecipe, get_recipe_params, "An HTTP GET request to a service."),
	KTYPE_ROW(POST_RECIPE, PostHttpRequestRecipe, post_recipe_params, "An HTTP POST request to a service."),
	KTYPE_ROW(PORT_SPEC, PortSpec, port_spec_params,
		  "A port that a service listens on."),
	KTYPE_ROW(STORE_SPEC, StoreSpec, store_spec_params,
		  "A path that a task leaves behind as a files artifact."),
	KTYPE_ROW(SERVICE_CONFIG, ServiceConfig, service_config_params, "Everything that describes a service."),
	KTYPE_ROW(READY_CONDITION, ReadyCondition, ready_condition_params, "When a service counts as started."),
	KTYPE_ROW(IMAGE_BUILD_SPEC, ImageBuildSpec, image_build_spec_params, "An image built from a Dockerfile of the package."),
	KTYPE_ROW(NIX_BUILD_SPEC, NixBuildSpec, nix_build_spec_params, "An image built by Nix from a flake of the package."),
	KTYPE_ROW(IMAGE_SPEC, ImageSpec, image_spec_params,
		  "An image from a registry that needs a log-in."),
	KTYPE_ROW(USER, User, user_params, "Whom a service runs as."),
	KTYPE_ROW(TOLERATION, Toleration, toleration_params,
		  "A Kubernetes taint that a service tolerates."),
	KTYPE_ROW(GPU_CONFIG, GpuConfig, gpu_config_params,
		  "GPUs for a service."),
};
