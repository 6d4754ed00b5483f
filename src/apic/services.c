/* Services of the enclave as clients see them, and exec. */
#include "apic/apic_internal.h"
#include "base/alloc.h"
#include "base/str.h"

#define EXEC_OUTPUT_MAX 10485760

typedef ApiContainerApi__ServiceInfo info_message;
typedef ApiContainerApi__Port port_message;

/* For arrays of messages: memory for n of them and for pointers to them. */
#define NEW_MESSAGES(arena, type, n, items, list)                                                  \
	type *items = KT_ARENA_ARRAY(arena, type, (n) + 1);                                        \
	type **list = KT_ARENA_ARRAY(arena, type *, (n) + 1);                                      \
	if (items == NULL || list == NULL) {                                                       \
		return kt_err_nomem(err);                                                          \
	}

/* A service from both sides: what was registered, what the backend has. */
typedef struct service_view {
	const kt_reg *reg;
	const kt_service_info *info; /* NULL: no container */
} service_view;

static ApiContainerApi__Port__TransportProtocol wire_protocol(kt_plan_transport transport)
{
	switch (transport) {
	case KT_PLAN_UDP:
		return API_CONTAINER_API__PORT__TRANSPORT_PROTOCOL__UDP;
	case KT_PLAN_SCTP:
		return API_CONTAINER_API__PORT__TRANSPORT_PROTOCOL__SCTP;
	case KT_PLAN_TCP:
		break;
	}
	return API_CONTAINER_API__PORT__TRANSPORT_PROTOCOL__TCP;
}

static port_message *make_port(kt_arena *arena, const kt_plan_port *from, uint32_t number)
{
	port_message *port = KT_ARENA_NEW(arena, port_message);

	if (port != NULL) {
		api_container_api__port__init(port);
		port->number = number;
		port->transport_protocol = wire_protocol(from->transport);
		port->maybe_application_protocol = kt_pb_str(from->app_protocol);
	}
	return port;
}

static int private_ports(const service_view *view, kt_arena *arena, info_message *ret, kt_err *err)
{
	const kt_plan_ports *ports = &view->reg->config->ports;
	NEW_MESSAGES(arena, ApiContainerApi__ServiceInfo__PrivatePortsEntry, ports->len, items,
	             list);

	for (size_t i = 0; i < ports->len; i++) {
		const kt_plan_port *from = &ports->items[i];
		api_container_api__service_info__private_ports_entry__init(&items[i]);
		items[i].key = kt_pb_str(from->id);
		items[i].value = make_port(arena, from, from->number);
		if (items[i].value == NULL) {
			return kt_err_nomem(err);
		}
		if (from->wait_ns != KT_PLAN_NO_WAIT) {
			KT_AUTO_BUF kt_buf wait = KT_BUF_INIT;
			kt_buf_add_duration(&wait, from->wait_ns);
			items[i].value->maybe_wait_timeout =
			        kt_pb_str(kt_arena_strdup(arena, kt_buf_str(&wait)));
		}
		list[i] = &items[i];
	}
	ret->private_ports = list;
	ret->n_private_ports = ports->len;
	return 0;
}

static const kt_port_info *find_public(const kt_service_info *info, const char *id)
{
	for (size_t i = 0; info != NULL && i < info->ports_len; i++) {
		if (strcmp(info->ports[i].id, id) == 0 && info->ports[i].public_number != 0) {
			return &info->ports[i];
		}
	}
	return NULL;
}

static int public_ports(const service_view *view, kt_arena *arena, info_message *ret, kt_err *err)
{
	const kt_plan_ports *ports = &view->reg->config->ports;
	size_t n = 0;
	NEW_MESSAGES(arena, ApiContainerApi__ServiceInfo__MaybePublicPortsEntry, ports->len, items,
	             list);

	for (size_t i = 0; i < ports->len; i++) {
		const kt_port_info *public = find_public(view->info, ports->items[i].id);
		if (public == NULL) {
			continue;
		}
		api_container_api__service_info__maybe_public_ports_entry__init(&items[n]);
		items[n].key = kt_pb_str(ports->items[i].id);
		items[n].value = make_port(arena, &ports->items[i], public->public_number);
		if (items[n].value == NULL) {
			return kt_err_nomem(err);
		}
		list[n] = &items[n];
		n++;
	}
	ret->maybe_public_ports = list;
	ret->n_maybe_public_ports = n;
	ret->maybe_public_ip_addr = kt_pb_str(n > 0 ? view->info->public_ip : "");
	return 0;
}

static size_t count(const char *const *list)
{
	size_t n = 0;

	while (list != NULL && list[n] != NULL) {
		n++;
	}
	return n;
}

static int container_env(const char *const *env, kt_arena *arena,
                         ApiContainerApi__Container *container, kt_err *err)
{
	size_t n = count(env);
	NEW_MESSAGES(arena, ApiContainerApi__Container__EnvVarsEntry, n, items, list);

	for (size_t i = 0; i < n; i++) {
		const char *equals = strchr(env[i], '=');
		size_t len = equals != NULL ? (size_t)(equals - env[i]) : strlen(env[i]);
		api_container_api__container__env_vars_entry__init(&items[i]);
		items[i].key = kt_arena_strndup(arena, env[i], len);
		items[i].value = kt_pb_str(equals != NULL ? equals + 1 : "");
		if (items[i].key == NULL) {
			return kt_err_nomem(err);
		}
		list[i] = &items[i];
	}
	container->env_vars = list;
	container->n_env_vars = n;
	return 0;
}

static int set_container(const service_view *view, kt_arena *arena, info_message *ret, kt_err *err)
{
	ApiContainerApi__Container *container = KT_ARENA_NEW(arena, ApiContainerApi__Container);
	const kt_service_info *info = view->info;

	if (container == NULL) {
		return kt_err_nomem(err);
	}
	api_container_api__container__init(container);
	ret->container = container;
	container->image_name =
	        kt_pb_str(view->reg->config != NULL ? view->reg->config->image.name : "");
	if (info == NULL) {
		return 0;
	}
	container->status =
	        info->state == KT_SERVICE_RUNNING   ? API_CONTAINER_API__CONTAINER__STATUS__RUNNING
	        : info->state == KT_SERVICE_UNKNOWN ? API_CONTAINER_API__CONTAINER__STATUS__UNKNOWN
	                                            : API_CONTAINER_API__CONTAINER__STATUS__STOPPED;
	container->entrypoint_args = (char **)(uintptr_t)info->entrypoint;
	container->n_entrypoint_args = count(info->entrypoint);
	container->cmd_args = (char **)(uintptr_t)info->cmd;
	container->n_cmd_args = count(info->cmd);
	return container_env(info->env, arena, container, err);
}

#define FILES_ENTRY(x)                                                                             \
	api_container_api__service_info__service_dir_paths_to_files_artifacts_list_entry__##x

static int set_files(const kt_plan_config *config, kt_arena *arena, info_message *ret, kt_err *err)
{
	const ProtobufCMessageDescriptor *type = &FILES_ENTRY(descriptor);
	size_t n = 0;
	NEW_MESSAGES(arena, ApiContainerApi__ServiceInfo__ServiceDirPathsToFilesArtifactsListEntry,
	             config->files.len, items, list);
	ApiContainerApi__FilesArtifactsList *lists =
	        KT_ARENA_ARRAY(arena, ApiContainerApi__FilesArtifactsList, config->files.len + 1);

	if (lists == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < config->files.len; i++) {
		const kt_plan_mount *mount = &config->files.items[i];
		if (mount->artifacts.len == 0) {
			continue;
		}
		protobuf_c_message_init(type, &items[n].base);
		api_container_api__files_artifacts_list__init(&lists[n]);
		lists[n].files_artifacts_identifiers = (char **)(uintptr_t)mount->artifacts.items;
		lists[n].n_files_artifacts_identifiers = mount->artifacts.len;
		items[n].key = kt_pb_str(mount->path);
		items[n].value = &lists[n];
		list[n] = &items[n];
		n++;
	}
	ret->service_dir_paths_to_files_artifacts_list = list;
	ret->n_service_dir_paths_to_files_artifacts_list = n;
	return 0;
}

static int set_tolerations(const kt_plan_config *config, kt_arena *arena, info_message *ret,
                           kt_err *err)
{
	NEW_MESSAGES(arena, ApiContainerApi__Toleration, config->tolerations.len, items, list);

	for (size_t i = 0; i < config->tolerations.len; i++) {
		const kt_plan_toleration *from = &config->tolerations.items[i];
		api_container_api__toleration__init(&items[i]);
		items[i].key = kt_pb_str(from->key);
		items[i].operator_ = kt_pb_str(from->op);
		items[i].value = kt_pb_str(from->value);
		items[i].effect = kt_pb_str(from->effect);
		items[i].toleration_seconds = from->has_seconds ? from->seconds : 0;
		list[i] = &items[i];
	}
	ret->tolerations = list;
	ret->n_tolerations = config->tolerations.len;
	return 0;
}

/* The three maps of text to text have types of their own, but one layout. */
typedef ApiContainerApi__ServiceInfo__LabelsEntry text_entry;
_Static_assert(sizeof(text_entry) == sizeof(ApiContainerApi__ServiceInfo__NodeSelectorsEntry) &&
                       sizeof(text_entry) == sizeof(ApiContainerApi__ServiceInfo__BindMountsEntry),
               "entries of text maps are laid out alike");

static int text_map(const kt_plan_pairs *pairs, const ProtobufCMessageDescriptor *type,
                    kt_arena *arena, text_entry ***ret, size_t *ret_n, kt_err *err)
{
	NEW_MESSAGES(arena, text_entry, pairs->len, items, list);

	for (size_t i = 0; i < pairs->len; i++) {
		protobuf_c_message_init(type, &items[i]);
		items[i].key = kt_pb_str(pairs->items[i].key);
		items[i].value = kt_pb_str(pairs->items[i].value);
		list[i] = &items[i];
	}
	*ret = list;
	*ret_n = pairs->len;
	return 0;
}

static int set_maps(const kt_plan_config *config, kt_arena *arena, info_message *ret, kt_err *err)
{
	if (text_map(&config->labels, &api_container_api__service_info__labels_entry__descriptor,
	             arena, &ret->labels, &ret->n_labels, err) < 0 ||
	    text_map(&config->node_selectors,
	             &api_container_api__service_info__node_selectors_entry__descriptor, arena,
	             (text_entry ***)(void *)&ret->node_selectors, &ret->n_node_selectors,
	             err) < 0) {
		return -1;
	}
	return text_map(&config->bind_mounts,
	                &api_container_api__service_info__bind_mounts_entry__descriptor, arena,
	                (text_entry ***)(void *)&ret->bind_mounts, &ret->n_bind_mounts, err);
}

static int set_user(const kt_plan_user *user, kt_arena *arena, info_message *ret, kt_err *err)
{
	if (!user->set) {
		return 0;
	}
	ret->user = KT_ARENA_NEW(arena, ApiContainerApi__User);
	if (ret->user == NULL) {
		return kt_err_nomem(err);
	}
	api_container_api__user__init(ret->user);
	ret->user->uid = (uint32_t)user->uid;
	ret->user->gid = (uint32_t)user->gid;
	return 0;
}

static int set_config(const service_view *view, kt_arena *arena, info_message *ret, kt_err *err)
{
	const kt_plan_config *config = view->reg->config;
	bool tini = config == NULL || config->tini_enabled;
	bool tty = config != NULL && config->tty_enabled;

	KT_OPT_SET(ApiContainerApi__ServiceInfo, ret, tini_enabled, tini);
	KT_OPT_SET(ApiContainerApi__ServiceInfo, ret, tty_enabled, tty);
	if (config == NULL) {
		return 0;
	}
	ret->max_millicpus = (uint32_t)config->max_cpu_millis;
	ret->min_millicpus = (uint32_t)config->min_cpu_millis;
	ret->max_memory_megabytes = (uint32_t)config->max_memory_mb;
	ret->min_memory_megabytes = (uint32_t)config->min_memory_mb;
	ret->capabilities = (char **)(uintptr_t)config->capabilities.items;
	ret->n_capabilities = config->capabilities.len;
	ret->privileged = config->privileged;
	ret->host_pid_namespace = config->host_pid_namespace;
	if (private_ports(view, arena, ret, err) < 0 || public_ports(view, arena, ret, err) < 0 ||
	    set_files(config, arena, ret, err) < 0 || set_maps(config, arena, ret, err) < 0 ||
	    set_user(&config->user, arena, ret, err) < 0) {
		return -1;
	}
	return set_tolerations(config, arena, ret, err);
}

static int make_info(const service_view *view, kt_arena *arena, info_message *ret, kt_err *err)
{
	const kt_reg *reg = view->reg;

	api_container_api__service_info__init(ret);
	ret->service_uuid = kt_pb_str(reg->uuid);
	ret->shortened_uuid = kt_arena_strndup(arena, reg->uuid, KT_UUID_SHORT_LEN);
	ret->name = kt_pb_str(reg->name);
	ret->private_ip_addr = kt_pb_str(reg->ip);
	ret->service_status = reg->status == KT_REG_STARTED
	                              ? API_CONTAINER_API__SERVICE_STATUS__RUNNING
	                              : API_CONTAINER_API__SERVICE_STATUS__STOPPED;
	if (ret->shortened_uuid == NULL) {
		return kt_err_nomem(err);
	}
	if (set_container(view, arena, ret, err) < 0) {
		return -1;
	}
	return set_config(view, arena, ret, err);
}

/* --- GetServices --- */

/* What was asked for: all, or each identifier under its own key. */
static int choose_services(kt_apic *apic, const ApiContainerApi__GetServicesArgs *args,
                           kt_arena *arena, kt_reg_list *ret, const char ***ret_keys, kt_err *err)
{
	size_t n = args->n_service_identifiers;

	if (n == 0 && kt_state_list_services(kt_run_env_state(apic->env), arena, ret, err) < 0) {
		return -1;
	}
	size_t total = n == 0 ? ret->len : n;
	const char **keys = KT_ARENA_ARRAY(arena, const char *, total + 1);
	if (n > 0) {
		ret->items = KT_ARENA_ARRAY(arena, kt_reg, n);
		ret->len = n;
	}
	if (keys == NULL || (total > 0 && ret->items == NULL)) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < total; i++) {
		keys[i] = n == 0 ? ret->items[i].name : args->service_identifiers[i]->key;
		if (n > 0 &&
		    kt_run_env_service(apic->env, keys[i], arena, &ret->items[i], err) < 0) {
			return -1;
		}
	}
	*ret_keys = keys;
	return 0;
}

static const kt_service_info *find_info(const kt_service_list *list, const char *uuid)
{
	for (size_t i = 0; i < list->len; i++) {
		if (strcmp(list->items[i].uuid, uuid) == 0) {
			return &list->items[i];
		}
	}
	return NULL;
}

KT_APIC_HANDLER(get_services)
{
	kt_apic *apic = host;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	ApiContainerApi__GetServicesResponse response =
	        API_CONTAINER_API__GET_SERVICES_RESPONSE__INIT;
	kt_reg_list regs = {0};
	kt_service_list running = {0};
	const char **keys = NULL;

	if (choose_services(apic, (const ApiContainerApi__GetServicesArgs *)request, &arena, &regs,
	                    &keys, err) < 0) {
		return -1;
	}
	if (regs.len > 0 && apic->backend->ops->service_list(apic->backend, apic->enclave_uuid,
	                                                     &arena, &running, err) < 0) {
		return -1;
	}
	NEW_MESSAGES(&arena, ApiContainerApi__GetServicesResponse__ServiceInfoEntry, regs.len,
	             items, list);
	info_message *infos = KT_ARENA_ARRAY(&arena, info_message, regs.len + 1);
	if (infos == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < regs.len; i++) {
		service_view view = {&regs.items[i], find_info(&running, regs.items[i].uuid)};
		api_container_api__get_services_response__service_info_entry__init(&items[i]);
		items[i].key = kt_pb_str(keys[i]);
		items[i].value = &infos[i];
		list[i] = &items[i];
		if (make_info(&view, &arena, &infos[i], err) < 0) {
			return -1;
		}
	}
	response.service_info = list;
	response.n_service_info = regs.len;
	return kt_grpc_send(call, &response.base, err);
}

KT_APIC_HANDLER(get_identifiers)
{
	kt_apic *apic = host;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	ApiContainerApi__GetExistingAndHistoricalServiceIdentifiersResponse response =
	        API_CONTAINER_API__GET_EXISTING_AND_HISTORICAL_SERVICE_IDENTIFIERS_RESPONSE__INIT;
	kt_identifiers known = {0};

	(void)request;
	if (kt_state_list_identifiers(kt_run_env_state(apic->env), &arena, &known, err) < 0) {
		return -1;
	}
	NEW_MESSAGES(&arena, ApiContainerApi__ServiceIdentifiers, known.len, items, list);
	for (size_t i = 0; i < known.len; i++) {
		api_container_api__service_identifiers__init(&items[i]);
		items[i].service_uuid = kt_pb_str(known.items[i].uuid);
		items[i].name = kt_pb_str(known.items[i].name);
		items[i].shortened_uuid =
		        kt_pb_str(kt_arena_strndup(&arena, known.items[i].uuid, KT_UUID_SHORT_LEN));
		list[i] = &items[i];
	}
	response.allidentifiers = list;
	response.n_allidentifiers = known.len;
	return kt_grpc_send(call, &response.base, err);
}

/* --- ExecCommand, ConnectServices --- */

KT_APIC_HANDLER(exec_command)
{
	kt_apic *apic = host;
	const ApiContainerApi__ExecCommandArgs *args =
	        (const ApiContainerApi__ExecCommandArgs *)request;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_EXEC_RESULT kt_exec_result result = {0};
	ApiContainerApi__ExecCommandResponse response =
	        API_CONTAINER_API__EXEC_COMMAND_RESPONSE__INIT;
	kt_exec_spec spec = {.max_output = EXEC_OUTPUT_MAX,
	                     .deadline = kt_grpc_call_deadline(call),
	                     .cancel = kt_grpc_call_cancel(call)};
	kt_reg reg = {0};

	if (kt_run_env_service(apic->env, args->service_identifier, &arena, &reg, err) < 0) {
		return -1;
	}
	const char **argv = KT_ARENA_ARRAY(&arena, const char *, args->n_command_args + 1);
	if (argv == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < args->n_command_args; i++) {
		argv[i] = args->command_args[i];
	}
	spec.argv = argv;
	if (args->n_command_args == 0) {
		return KT_FAIL(err, INVALID, "a command for service '%s' is missing", reg.name);
	}
	if (apic->backend->ops->exec(apic->backend, apic->enclave_uuid, reg.uuid, &spec, &result,
	                             err) < 0) {
		return KT_WRAP(err,
		               "An error occurred running exec command '%s' against service "
		               "'%s' in the service network",
		               argv[0], reg.name);
	}
	if (result.truncated) {
		return KT_FAIL(
		        err, EXHAUSTED,
		        "Log output from docker exec command '%s' was more than %d bytes, but "
		        "maximum size allowed by Kurtosis is %d",
		        argv[0], EXEC_OUTPUT_MAX, EXEC_OUTPUT_MAX);
	}
	response.exit_code = result.exit_code;
	response.log_output = kt_pb_str(kt_buf_str(&result.output));
	return kt_grpc_send(call, &response.base, err);
}

KT_APIC_HANDLER(connect_services)
{
	ApiContainerApi__ConnectServicesResponse response =
	        API_CONTAINER_API__CONNECT_SERVICES_RESPONSE__INIT;

	(void)request;
	(void)host;
	return kt_grpc_send(call, &response.base, err);
}
