/*
 * An engine and an API container with fixed answers, in one server on loopback. It prints its
 * port and ends when stdin does; called as kurtosisd is, it plays that program's roles. What a run "does" follows from words in its script:
 *
 *   print-only, with-result, bad-syntax, bad-plan, bad-run, slow-names (several ports)
 */
#include "api/api.h"
#include "api/chunks.h"
#include "api/services.h"
#include "base/alloc.h"
#include "base/buf.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT(t) ((char *)(uintptr_t)(t))
#define LAGOON "3f1c9a7be20d4a5f9a7be20d11c22d33"
#define MEADOW "77b0e5d2c9f44b1f8c2d5e6f70819203"
#define FOREST "5a5a5a5a5a5a4b4b8c8cd0d0d0d0d0d0"

typedef struct state {
	uint16_t port;
	pthread_mutex_t lock;
	kt_buf upload; /* the last artifact or package sent */
	char uploaded_name[200];
} state;

/* --- engine ----------------------------------------------------------------------------- */

typedef struct enclave_message {
	EngineApi__EnclaveInfo info;
	EngineApi__EnclaveAPIContainerHostMachineInfo host;
	Google__Protobuf__Timestamp created;
	char shortened[13];
} enclave_message;

static void fill_enclave(enclave_message *m, const state *s, const char *name, const char *uuid,
			 bool running, int64_t created)
{
	engine_api__enclave_info__init(&m->info);
	engine_api__enclave_apicontainer_host_machine_info__init(&m->host);
	google__protobuf__timestamp__init(&m->created);
	snprintf(m->shortened, sizeof(m->shortened), "%.12s", uuid);
	m->created.seconds = created;
	m->host.ip_on_host_machine = TEXT("127.0.0.1");
	m->host.grpc_port_on_host_machine = s->port;
	m->info.name = TEXT(name);
	m->info.enclave_uuid = TEXT(uuid);
	m->info.shortened_uuid = m->shortened;
	m->info.creation_time = &m->created;
	m->info.containers_status = running ? 1 : 2;
	m->info.api_container_status = running ? 1 : 2;
	m->info.api_container_host_machine_info = running ? &m->host : NULL;
}

static int get_engine_info(kt_grpc_call *call, const ProtobufCMessage *request, void *host,
			   kt_err *err)
{
	(void)request;
	(void)host;
	EngineApi__GetEngineInfoResponse answer = ENGINE_API__GET_ENGINE_INFO_RESPONSE__INIT;
	answer.engine_version = TEXT(KT_API_LEVEL);
	return kt_grpc_send(call, &answer.base, err);
}

static int get_enclaves(kt_grpc_call *call, const ProtobufCMessage *request, void *host,
			kt_err *err)
{
	(void)request;
	enclave_message m[3];
	EngineApi__GetEnclavesResponse__EnclaveInfoEntry entries[3];
	EngineApi__GetEnclavesResponse__EnclaveInfoEntry *pointers[3];
	EngineApi__GetEnclavesResponse answer = ENGINE_API__GET_ENCLAVES_RESPONSE__INIT;
	fill_enclave(&m[0], host, "quiet-meadow", MEADOW, false, 1741946531);
	fill_enclave(&m[1], host, "amber-lagoon", LAGOON, true, 1741944413);
	fill_enclave(&m[2], host, "new-forest", FOREST, true, 1741950000);
	m[1].info.mode = ENGINE_API__ENCLAVE_MODE__PRODUCTION;
	for (size_t i = 0; i < 3; i++) {
		engine_api__get_enclaves_response__enclave_info_entry__init(&entries[i]);
		entries[i].key = m[i].info.enclave_uuid;
		entries[i].value = &m[i].info;
		pointers[i] = &entries[i];
	}
	/* The third exists only for who creates it. */
	bool by_uuid = request->descriptor == &engine_api__get_enclaves_by_uuids_args__descriptor;
	answer.enclave_info = pointers;
	answer.n_enclave_info = by_uuid ? 3 : 2;
	return kt_grpc_send(call, &answer.base, err);
}

static int get_identifiers(kt_grpc_call *call, const ProtobufCMessage *request, void *host,
			   kt_err *err)
{
	(void)request;
	(void)host;
	EngineApi__GetExistingAndHistoricalEnclaveIdentifiersResponse answer =
		ENGINE_API__GET_EXISTING_AND_HISTORICAL_ENCLAVE_IDENTIFIERS_RESPONSE__INIT;
	EngineApi__EnclaveIdentifiers gone = ENGINE_API__ENCLAVE_IDENTIFIERS__INIT;
	EngineApi__EnclaveIdentifiers *list = &gone;
	gone.name = TEXT("old-harbor");
	gone.enclave_uuid = TEXT("0123456789ab4cdeaf0123456789abcd");
	gone.shortened_uuid = TEXT("0123456789ab");
	answer.allidentifiers = &list;
	answer.n_allidentifiers = 1;
	return kt_grpc_send(call, &answer.base, err);
}

static int create_enclave(kt_grpc_call *call, const ProtobufCMessage *request, void *host,
			  kt_err *err)
{
	const EngineApi__CreateEnclaveArgs *args = (const EngineApi__CreateEnclaveArgs *)request;
	const char *name = KT_OPT_OR(args, enclave_name, "");
	EngineApi__CreateEnclaveResponse answer = ENGINE_API__CREATE_ENCLAVE_RESPONSE__INIT;
	enclave_message m;
	if (strcmp(name, "amber-lagoon") == 0) {
		KT_FAIL(err, EXISTS, "an enclave named '%s' exists", name);
		kt_err_hint(err, "choose another name or remove that enclave");
		return KT_WRAP(err, "An error occurred creating new enclave with name '%s'", name);
	}
	fill_enclave(&m, host, *name != '\0' ? name : "new-forest", FOREST, true, 1741950000);
	answer.enclave_info = &m.info;
	return kt_grpc_send(call, &answer.base, err);
}

static int answer_empty(kt_grpc_call *call, const ProtobufCMessage *request, void *host,
			kt_err *err)
{
	(void)request;
	(void)host;
	Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
	return kt_grpc_send(call, &empty.base, err);
}

static int clean(kt_grpc_call *call, const ProtobufCMessage *request, void *host, kt_err *err)
{
	(void)host;
	const EngineApi__CleanArgs *args = (const EngineApi__CleanArgs *)request;
	EngineApi__EnclaveNameAndUuid gone[2] = {ENGINE_API__ENCLAVE_NAME_AND_UUID__INIT,
						 ENGINE_API__ENCLAVE_NAME_AND_UUID__INIT};
	EngineApi__EnclaveNameAndUuid *list[2] = {&gone[0], &gone[1]};
	EngineApi__CleanResponse answer = ENGINE_API__CLEAN_RESPONSE__INIT;
	gone[0].name = TEXT("quiet-meadow");
	gone[0].uuid = TEXT(MEADOW);
	gone[1].name = TEXT("amber-lagoon");
	gone[1].uuid = TEXT(LAGOON);
	answer.removed_enclave_name_and_uuids = list;
	answer.n_removed_enclave_name_and_uuids = KT_OPT_OR(args, should_clean_all, 0) ? 2 : 0;
	return kt_grpc_send(call, &answer.base, err);
}

static int send_log_line(kt_grpc_call *call, const char *uuid, const char *text, kt_err *err)
{
	EngineApi__GetServiceLogsResponse answer = ENGINE_API__GET_SERVICE_LOGS_RESPONSE__INIT;
	EngineApi__GetServiceLogsResponse__ServiceLogsByServiceUuidEntry entry =
		ENGINE_API__GET_SERVICE_LOGS_RESPONSE__SERVICE_LOGS_BY_SERVICE_UUID_ENTRY__INIT;
	EngineApi__GetServiceLogsResponse__ServiceLogsByServiceUuidEntry *entries = &entry;
	EngineApi__LogLine line = ENGINE_API__LOG_LINE__INIT;
	char *texts = TEXT(text);
	line.line = &texts;
	line.n_line = text != NULL ? 1 : 0;
	entry.key = TEXT(uuid);
	entry.value = &line;
	answer.service_logs_by_service_uuid = &entries;
	answer.n_service_logs_by_service_uuid = 1;
	return kt_grpc_send(call, &answer.base, err);
}

#define missing_entry_init                                                                         \
	engine_api__get_service_logs_response__not_found_service_uuid_set_entry__init

static int get_service_logs(kt_grpc_call *call, const ProtobufCMessage *request, void *host,
			    kt_err *err)
{
	(void)host;
	const EngineApi__GetServiceLogsArgs *args = (const EngineApi__GetServiceLogsArgs *)request;
	for (size_t i = 0; i < args->n_service_uuid_set; i++) {
		const char *uuid = args->service_uuid_set[i]->key;
		char text[128];
		if (strlen(uuid) != 32) {
			EngineApi__GetServiceLogsResponse answer =
				ENGINE_API__GET_SERVICE_LOGS_RESPONSE__INIT;
			EngineApi__GetServiceLogsResponse__NotFoundServiceUuidSetEntry missing;
			EngineApi__GetServiceLogsResponse__NotFoundServiceUuidSetEntry *list =
				&missing;
			missing_entry_init(&missing);
			missing.key = TEXT(uuid);
			missing.value = true;
			answer.not_found_service_uuid_set = &list;
			answer.n_not_found_service_uuid_set = 1;
			if (kt_grpc_send(call, &answer.base, err) < 0) {
				return -1;
			}
			continue;
		}
		const EngineApi__LogLineFilter *filter =
			args->n_conjunctive_filters > 0 ? args->conjunctive_filters[0] : NULL;
		snprintf(text, sizeof(text), "line of %.4s all=%d num=%u filter=%s/%d", uuid,
			 KT_OPT_OR(args, return_all_logs, 0), KT_OPT_OR(args, num_log_lines, 0),
			 filter != NULL ? filter->text_pattern : "",
			 filter != NULL ? (int)filter->operator_ : -1);
		if (send_log_line(call, uuid, text, err) < 0 ||
		    send_log_line(call, uuid, NULL, err) < 0) {
			return -1;
		}
	}
	return 0;
}

static const kt_grpc_handler engine_handlers[KT_ENGINE_RPC_COUNT] = {
	[KT_ENGINE_GET_ENGINE_INFO] = get_engine_info,
	[KT_ENGINE_CREATE_ENCLAVE] = create_enclave,
	[KT_ENGINE_GET_ENCLAVES] = get_enclaves,
	[KT_ENGINE_GET_ENCLAVES_BY_UUIDS] = get_enclaves,
	[KT_ENGINE_GET_ENCLAVE_IDENTIFIERS] = get_identifiers,
	[KT_ENGINE_STOP_ENCLAVE] = answer_empty,
	[KT_ENGINE_DESTROY_ENCLAVE] = answer_empty,
	[KT_ENGINE_CLEAN] = clean,
	[KT_ENGINE_GET_SERVICE_LOGS] = get_service_logs,
};

/* --- API container: services and files --------------------------------------------------- */

typedef ApiContainerApi__Port port_message;

static port_message make_port(uint32_t number, const char *app)
{
	port_message port = API_CONTAINER_API__PORT__INIT;
	port.number = number;
	port.maybe_application_protocol = TEXT(app);
	return port;
}

static int get_services(kt_grpc_call *call, const ProtobufCMessage *request, void *host,
			kt_err *err)
{
	(void)request;
	(void)host;
	static const char *const names[] = {"worker", "web", "cache"};
	static const char *const uuids[] = {"0a9d7c3e5f184b6d8e2f1a3b5c7d9e0f",
					    "e41f6a0d93b24c0f8f6c7d1b2a3e4f50",
					    "5d0c2e9b8a174e6fb1d2c3e4f5a6b7c8"};
	char *cmd[] = {TEXT("nginx"), TEXT("-g"), TEXT("daemon off;")};
	char *entrypoint[] = {TEXT("/docker-entrypoint.sh")};
	port_message inner[2] = {make_port(8080, "http"), make_port(9000, "")};
	port_message outer[2] = {make_port(32772, "http"), make_port(32773, "")};
	static const char *const ids[] = {"http", "admin"};
	ApiContainerApi__ServiceInfo__PrivatePortsEntry private_entries[2];
	ApiContainerApi__ServiceInfo__PrivatePortsEntry *private_list[2];
	ApiContainerApi__ServiceInfo__MaybePublicPortsEntry public_entries[2];
	ApiContainerApi__ServiceInfo__MaybePublicPortsEntry *public_list[2];
	ApiContainerApi__Container__EnvVarsEntry tier =
		API_CONTAINER_API__CONTAINER__ENV_VARS_ENTRY__INIT;
	ApiContainerApi__Container__EnvVarsEntry *env = &tier;
	tier.key = TEXT("TIER");
	tier.value = TEXT("front & <back>");
	for (size_t i = 0; i < 2; i++) {
		api_container_api__service_info__private_ports_entry__init(&private_entries[i]);
		api_container_api__service_info__maybe_public_ports_entry__init(&public_entries[i]);
		private_entries[i].key = public_entries[i].key = TEXT(ids[i]);
		private_entries[i].value = &inner[i];
		public_entries[i].value = &outer[i];
		private_list[i] = &private_entries[i];
		public_list[i] = &public_entries[i];
	}
	ApiContainerApi__ServiceInfo services[3];
	ApiContainerApi__Container containers[3];
	char shortened[3][13];
	ApiContainerApi__GetServicesResponse__ServiceInfoEntry entries[3];
	ApiContainerApi__GetServicesResponse__ServiceInfoEntry *list[3];
	ApiContainerApi__GetServicesResponse answer =
		API_CONTAINER_API__GET_SERVICES_RESPONSE__INIT;
	for (size_t i = 0; i < 3; i++) {
		api_container_api__service_info__init(&services[i]);
		api_container_api__container__init(&containers[i]);
		api_container_api__get_services_response__service_info_entry__init(&entries[i]);
		snprintf(shortened[i], sizeof(shortened[i]), "%.12s", uuids[i]);
		services[i].name = TEXT(names[i]);
		services[i].service_uuid = TEXT(uuids[i]);
		services[i].shortened_uuid = shortened[i];
		services[i].container = &containers[i];
		containers[i].image_name = TEXT("nginx:1.27");
		containers[i].status = i == 0 ? 0 : 1;
		entries[i].key = TEXT(names[i]);
		entries[i].value = &services[i];
		list[i] = &entries[i];
	}
	services[1].private_ports = services[2].private_ports = private_list;
	services[1].n_private_ports = 2;
	services[2].n_private_ports = 1;
	services[1].maybe_public_ports = public_list;
	services[1].n_maybe_public_ports = 2;
	services[1].maybe_public_ip_addr = TEXT("127.0.0.1");
	containers[1].cmd_args = cmd;
	containers[1].n_cmd_args = KT_ARRAY_LEN(cmd);
	containers[1].entrypoint_args = entrypoint;
	containers[1].n_entrypoint_args = 1;
	containers[1].env_vars = &env;
	containers[1].n_env_vars = 1;
	answer.service_info = list;
	answer.n_service_info = 3;
	return kt_grpc_send(call, &answer.base, err);
}

static int get_service_identifiers(kt_grpc_call *call, const ProtobufCMessage *request, void *host,
				   kt_err *err)
{
	(void)request;
	(void)host;
	ApiContainerApi__GetExistingAndHistoricalServiceIdentifiersResponse answer =
		API_CONTAINER_API__GET_EXISTING_AND_HISTORICAL_SERVICE_IDENTIFIERS_RESPONSE__INIT;
	ApiContainerApi__ServiceIdentifiers all[2] = {API_CONTAINER_API__SERVICE_IDENTIFIERS__INIT,
						      API_CONTAINER_API__SERVICE_IDENTIFIERS__INIT};
	ApiContainerApi__ServiceIdentifiers *list[2] = {&all[0], &all[1]};
	all[0].name = TEXT("web");
	all[0].service_uuid = TEXT("e41f6a0d93b24c0f8f6c7d1b2a3e4f50");
	all[0].shortened_uuid = TEXT("e41f6a0d93b2");
	all[1].name = TEXT("dead");
	all[1].service_uuid = TEXT("deadc0ded00d4c0f8f6c7d1b2a3e4f50");
	all[1].shortened_uuid = TEXT("deadc0ded00d");
	answer.allidentifiers = list;
	answer.n_allidentifiers = 2;
	return kt_grpc_send(call, &answer.base, err);
}

static int list_artifacts(kt_grpc_call *call, const ProtobufCMessage *request, void *host,
			  kt_err *err)
{
	(void)request;
	(void)host;
	ApiContainerApi__ListFilesArtifactNamesAndUuidsResponse answer =
		API_CONTAINER_API__LIST_FILES_ARTIFACT_NAMES_AND_UUIDS_RESPONSE__INIT;
	ApiContainerApi__FilesArtifactNameAndUuid all[2] = {
		API_CONTAINER_API__FILES_ARTIFACT_NAME_AND_UUID__INIT,
		API_CONTAINER_API__FILES_ARTIFACT_NAME_AND_UUID__INIT};
	ApiContainerApi__FilesArtifactNameAndUuid *list[2] = {&all[0], &all[1]};
	all[0].filename = TEXT("seed-data");
	all[0].fileuuid = TEXT("b77de0a91c354f0e9a4be3f0c1d2a6e7");
	all[1].filename = TEXT("nginx-conf");
	all[1].fileuuid = TEXT("9be2d01c44aa4f0e9a4be3f0c1d2a6e7");
	answer.file_names_and_uuids = list;
	answer.n_file_names_and_uuids = 2;
	return kt_grpc_send(call, &answer.base, err);
}

static int inspect_artifact(kt_grpc_call *call, const ProtobufCMessage *request, void *host,
			    kt_err *err)
{
	(void)host;
	(void)request;
	static const char *const paths[] = {"conf/", "conf/app.toml", "conf/db/init.sql", "README.md"};
	static const uint64_t sizes[] = {0, 812, 2460, 9};
	ApiContainerApi__InspectFilesArtifactContentsResponse answer =
		API_CONTAINER_API__INSPECT_FILES_ARTIFACT_CONTENTS_RESPONSE__INIT;
	ApiContainerApi__FileArtifactContentsFileDescription all[4];
	ApiContainerApi__FileArtifactContentsFileDescription *list[4];
	for (size_t i = 0; i < 4; i++) {
		api_container_api__file_artifact_contents_file_description__init(&all[i]);
		all[i].path = TEXT(paths[i]);
		all[i].size = sizes[i];
		list[i] = &all[i];
	}
	KT_OPT_SET(ApiContainerApi__FileArtifactContentsFileDescription, &all[3], text_preview,
		   TEXT("# Read me"));
	answer.file_descriptions = list;
	answer.n_file_descriptions = 4;
	return kt_grpc_send(call, &answer.base, err);
}

static int exec_command(kt_grpc_call *call, const ProtobufCMessage *request, void *host,
			kt_err *err)
{
	(void)host;
	const ApiContainerApi__ExecCommandArgs *args =
		(const ApiContainerApi__ExecCommandArgs *)request;
	ApiContainerApi__ExecCommandResponse answer =
		API_CONTAINER_API__EXEC_COMMAND_RESPONSE__INIT;
	const char *command = args->command_args[args->n_command_args - 1];
	char text[200];
	snprintf(text, sizeof(text), "%s %s: %s", args->command_args[0], args->command_args[1], command);
	answer.log_output = text;
	answer.exit_code = strncmp(command, "exit ", 5) == 0 ? atoi(command + 5) : 0;
	return kt_grpc_send(call, &answer.base, err);
}

static int keep(void *arg, const void *data, size_t len, kt_err *err)
{
	kt_buf_add(arg, data, len);
	return kt_buf_check(arg, err);
}

static int receive(kt_grpc_call *call, state *s, kt_err *err)
{
	KT_AUTO_CHUNK_CHAIN kt_chunk_chain chain = KT_CHUNK_CHAIN_INIT;
	KT_LOCK(&s->lock);
	kt_buf_clear(&s->upload);
	if (kt_chunks_receive(call, &chain, keep, &s->upload, err) < 0) {
		return -1;
	}
	snprintf(s->uploaded_name, sizeof(s->uploaded_name), "%s", chain.name != NULL ? chain.name : "");
	return 0;
}

static int upload_artifact(kt_grpc_call *call, const ProtobufCMessage *request, void *host,
			   kt_err *err)
{
	(void)request;
	state *s = host;
	ApiContainerApi__UploadFilesArtifactResponse answer =
		API_CONTAINER_API__UPLOAD_FILES_ARTIFACT_RESPONSE__INIT;
	if (receive(call, s, err) < 0) {
		return -1;
	}
	answer.uuid = TEXT("b77de0a91c354f0e9a4be3f0c1d2a6e7");
	answer.name = TEXT(s->uploaded_name[0] != '\0' ? s->uploaded_name : "crimson-haze");
	return kt_grpc_send(call, &answer.base, err);
}

static int upload_package(kt_grpc_call *call, const ProtobufCMessage *request, void *host,
			  kt_err *err)
{
	return receive(call, host, err) < 0 ? -1 : answer_empty(call, request, host, err);
}

static ssize_t give(void *arg, void *buf, size_t cap, kt_err *err)
{
	(void)err;
	kt_buf *rest = arg;
	size_t n = KT_MIN(cap, rest->len);
	memcpy(buf, kt_buf_str(rest), n);
	kt_buf_consume(rest, n);
	return (ssize_t)n;
}

static int download_artifact(kt_grpc_call *call, const ProtobufCMessage *request, void *host,
			     kt_err *err)
{
	state *s = host;
	const ApiContainerApi__DownloadFilesArtifactArgs *args =
		(const ApiContainerApi__DownloadFilesArtifactArgs *)request;
	KT_AUTO_BUF kt_buf copy = KT_BUF_INIT;
	if (strcmp(args->identifier, "none") == 0) {
		return KT_FAIL(err, NOT_FOUND,
			       "An error occurred getting files artifact '%s', it doesn't exist in "
			       "this enclave",
			       args->identifier);
	}
	{
		KT_LOCK(&s->lock);
		kt_buf_add(&copy, kt_buf_str(&s->upload), s->upload.len);
	}
	return kt_chunks_send(call, args->identifier, give, &copy, err);
}

/* --- runs ------------------------------------------------------------------------------- */

typedef ApiContainerApi__StarlarkRunResponseLine run_line;
#define LINE(kind) API_CONTAINER_API__STARLARK_RUN_RESPONSE_LINE__RUN_RESPONSE_LINE_##kind

static int send_instruction(kt_grpc_call *call, const char *text, kt_err *err)
{
	run_line line;
	ApiContainerApi__StarlarkInstruction instruction =
		API_CONTAINER_API__STARLARK_INSTRUCTION__INIT;
	ApiContainerApi__StarlarkInstructionPosition position =
		API_CONTAINER_API__STARLARK_INSTRUCTION_POSITION__INIT;
	ApiContainerApi__StarlarkInstructionArg args[2];
	ApiContainerApi__StarlarkInstructionArg *list[2] = {&args[0], &args[1]};
	api_container_api__starlark_run_response_line__init(&line);
	for (size_t i = 0; i < 2; i++) {
		api_container_api__starlark_instruction_arg__init(&args[i]);
	}
	args[0].serialized_arg_value = TEXT(text);
	args[0].is_representative = true;
	KT_OPT_SET(ApiContainerApi__StarlarkInstructionArg, &args[0], arg_name, TEXT("msg"));
	args[1].serialized_arg_value = TEXT("True");
	KT_OPT_SET(ApiContainerApi__StarlarkInstructionArg, &args[1], arg_name, TEXT("loud"));
	position.filename = TEXT("main.star");
	position.line = 3;
	position.column = 15;
	instruction.instruction_name = TEXT("print");
	instruction.description = TEXT("Printing a message");
	instruction.executable_instruction = TEXT("print(msg=\"Hello\", loud=True)");
	instruction.position = &position;
	instruction.arguments = list;
	instruction.n_arguments = 2;
	line.run_response_line_case = LINE(INSTRUCTION);
	line.instruction = &instruction;
	return kt_grpc_send(call, &line.base, err);
}

static int send_result(kt_grpc_call *call, const char *text, kt_err *err)
{
	run_line line;
	ApiContainerApi__StarlarkInstructionResult result =
		API_CONTAINER_API__STARLARK_INSTRUCTION_RESULT__INIT;
	Google__Protobuf__Duration duration = GOOGLE__PROTOBUF__DURATION__INIT;
	api_container_api__starlark_run_response_line__init(&line);
	duration.seconds = 1;
	duration.nanos = 204000000;
	result.serialized_instruction_result = TEXT(text);
	result.execution_duration = &duration;
	line.run_response_line_case = LINE(INSTRUCTION_RESULT);
	line.instruction_result = &result;
	return kt_grpc_send(call, &line.base, err);
}

static int send_note(kt_grpc_call *call, bool warning, const char *text, kt_err *err)
{
	run_line line;
	ApiContainerApi__StarlarkInfo info = API_CONTAINER_API__STARLARK_INFO__INIT;
	ApiContainerApi__StarlarkWarning warn = API_CONTAINER_API__STARLARK_WARNING__INIT;
	api_container_api__starlark_run_response_line__init(&line);
	info.info_message = TEXT(text);
	warn.warning_message = TEXT(text);
	if (warning) {
		line.run_response_line_case = LINE(WARNING);
		line.warning = &warn;
	} else {
		line.run_response_line_case = LINE(INFO);
		line.info = &info;
	}
	return kt_grpc_send(call, &line.base, err);
}

static int send_error(kt_grpc_call *call, int kind, const char *text, kt_err *err)
{
	run_line line;
	ApiContainerApi__StarlarkError error;
	ApiContainerApi__StarlarkInterpretationError one =
		API_CONTAINER_API__STARLARK_INTERPRETATION_ERROR__INIT;
	ApiContainerApi__StarlarkValidationError two =
		API_CONTAINER_API__STARLARK_VALIDATION_ERROR__INIT;
	ApiContainerApi__StarlarkExecutionError three =
		API_CONTAINER_API__STARLARK_EXECUTION_ERROR__INIT;
	api_container_api__starlark_run_response_line__init(&line);
	api_container_api__starlark_error__init(&error);
	one.error_message = two.error_message = three.error_message = TEXT(text);
	error.error_case = (ApiContainerApi__StarlarkError__ErrorCase)kind;
	if (kind == 1) {
		error.interpretation_error = &one;
	} else if (kind == 2) {
		error.validation_error = &two;
	} else {
		error.execution_error = &three;
	}
	line.run_response_line_case = LINE(ERROR);
	line.error = &error;
	return kt_grpc_send(call, &line.base, err);
}

static int send_finished(kt_grpc_call *call, bool success, const char *output, kt_err *err)
{
	run_line line;
	ApiContainerApi__StarlarkRunFinishedEvent event =
		API_CONTAINER_API__STARLARK_RUN_FINISHED_EVENT__INIT;
	Google__Protobuf__Duration duration = GOOGLE__PROTOBUF__DURATION__INIT;
	api_container_api__starlark_run_response_line__init(&line);
	duration.seconds = 63;
	event.is_run_successful = success;
	event.total_execution_duration = &duration;
	KT_OPT_SET(ApiContainerApi__StarlarkRunFinishedEvent, &event, serialized_output,
		   TEXT(output));
	line.run_response_line_case = LINE(RUN_FINISHED_EVENT);
	line.run_finished_event = &event;
	return kt_grpc_send(call, &line.base, err);
}

/* Carries out the words of the script; `about` is shown as an info line first. */
static int perform(kt_grpc_call *call, const char *words, const char *about, kt_err *err)
{
	if (strstr(words, "plan.stop_service") != NULL || strstr(words, "plan.start_service") != NULL ||
	    strstr(words, "plan.remove_service") != NULL) {
		return strstr(about, "broken") != NULL
			       ? send_error(call, 3, "the service is broken", err)
			       : send_finished(call, true, "", err);
	}
	if (about[0] != '\0' && send_note(call, false, about, err) < 0) {
		return -1;
	}
	if (strstr(words, "bad-syntax") != NULL) {
		return send_error(call, 1, "Evaluation error: fail: replicas must be positive\n"
					   "\tat [main.star:4:13]: run",
				  err) < 0
			       ? -1
			       : send_finished(call, false, "", err);
	}
	if (strstr(words, "bad-plan") != NULL) {
		return send_error(call, 2, "first problem", err) < 0 ||
				       send_error(call, 2, "second problem", err) < 0
			       ? -1
			       : send_finished(call, false, "", err);
	}
	if (send_instruction(call, "\"Hello\"", err) < 0) {
		return -1;
	}
	if (strstr(words, "bad-run") != NULL) {
		return send_error(call, 3,
				  "An error occurred executing instruction\n --- at a/b.go:12 (Run) ---\n"
				  "Caused by: the cause\n --- at c.go:1 (f) ---",
				  err) < 0
			       ? -1
			       : send_finished(call, false, "", err);
	}
	bool result = strstr(words, "with-result") != NULL;
	if (send_result(call, "Hello", err) < 0 ||
	    send_finished(call, true, result ? "{\n\t\"url\": \"http://web:8080\"\n}" : "", err) < 0) {
		return -1;
	}
	return result ? send_note(call, true, "mind the step", err) : 0;
}

static int run_script(kt_grpc_call *call, const ProtobufCMessage *request, void *host, kt_err *err)
{
	(void)host;
	const ApiContainerApi__RunStarlarkScriptArgs *args =
		(const ApiContainerApi__RunStarlarkScriptArgs *)request;
	if (strstr(args->serialized_script, "plan.add_service(name=args[") != NULL) {
		KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
		kt_buf_addf(&text, "privileged=%d %s", KT_OPT_OR(args, allow_privileged_mode, 0),
			    KT_OPT_OR(args, serialized_params, ""));
		return strstr(kt_buf_str(&text), "\"broken\"") != NULL
			       ? send_error(call, 3, "the service is broken", err)
		       : send_result(call, kt_buf_str(&text), err) < 0
			       ? -1
			       : send_finished(call, true, "", err);
	}
	bool shown = strstr(args->serialized_script, "show-args") != NULL ||
		     strstr(args->serialized_script, "args[") != NULL;
	return perform(call, args->serialized_script,
		       shown ? KT_OPT_OR(args, serialized_params, "") : "", err);
}

static int run_package(kt_grpc_call *call, const ProtobufCMessage *request, void *host, kt_err *err)
{
	state *s = host;
	const ApiContainerApi__RunStarlarkPackageArgs *args =
		(const ApiContainerApi__RunStarlarkPackageArgs *)request;
	char about[500];
	{
		KT_LOCK(&s->lock);
		const char *token = KT_OPT_OR(args, github_auth_token, "");
		snprintf(about, sizeof(about), "package=%s clone=%d uploaded=%s main=%s args=%s%s%s",
			 args->package_id, KT_OPT_OR(args, clone_package, -1), s->uploaded_name,
			 KT_OPT_OR(args, relative_path_to_main_file, "-"),
			 KT_OPT_OR(args, serialized_params, "-"), *token != '\0' ? " token=" : "",
			 token);
	}
	return perform(call, "print-only", about, err);
}

static int plan_yaml(kt_grpc_call *call, const ProtobufCMessage *request, void *host, kt_err *err)
{
	(void)request;
	(void)host;
	ApiContainerApi__PlanYaml answer = API_CONTAINER_API__PLAN_YAML__INIT;
	answer.plan_yaml = TEXT("packageId: DEFAULT_PACKAGE_ID_FOR_SCRIPT\nimages:\n- nginx:1.27\n"
				"- redis:7\npackageDependencies:\n- github.com/ana/lib\n"
				"instructions:\n"
				"- instructionUuid: a1\n  shortDescriptor: add_service(web)\n"
				"  dependencies: []\n  isPrintInstruction: false\n"
				"- instructionUuid: b2\n  shortDescriptor: run_sh(say \"hi\")\n"
				"  dependencies:\n  - a1\n  isPrintInstruction: false\n"
				"- instructionUuid: c3\n  shortDescriptor: print(\"x\")\n"
				"  dependencies:\n  - b2\n  isPrintInstruction: true\n");
	return kt_grpc_send(call, &answer.base, err);
}

static int connect_services(kt_grpc_call *call, const ProtobufCMessage *request, void *host,
			    kt_err *err)
{
	(void)request;
	(void)host;
	ApiContainerApi__ConnectServicesResponse answer =
		API_CONTAINER_API__CONNECT_SERVICES_RESPONSE__INIT;
	return kt_grpc_send(call, &answer.base, err);
}

static const kt_grpc_handler apic_handlers[KT_APIC_RPC_COUNT] = {
	[KT_APIC_RUN_STARLARK_SCRIPT] = run_script,
	[KT_APIC_UPLOAD_STARLARK_PACKAGE] = upload_package,
	[KT_APIC_RUN_STARLARK_PACKAGE] = run_package,
	[KT_APIC_GET_SERVICES] = get_services,
	[KT_APIC_GET_SERVICE_IDENTIFIERS] = get_service_identifiers,
	[KT_APIC_EXEC_COMMAND] = exec_command,
	[KT_APIC_UPLOAD_FILES_ARTIFACT] = upload_artifact,
	[KT_APIC_DOWNLOAD_FILES_ARTIFACT] = download_artifact,
	[KT_APIC_LIST_FILES_ARTIFACTS] = list_artifacts,
	[KT_APIC_INSPECT_FILES_ARTIFACT] = inspect_artifact,
	[KT_APIC_CONNECT_SERVICES] = connect_services,
	[KT_APIC_GET_SCRIPT_PLAN_YAML] = plan_yaml,
};

static kt_grpc_server *start(state *s, uint16_t port, kt_err *err)
{
	kt_grpc_server *server =
		kt_grpc_server_new(&(kt_grpc_config){.name = "golden", .port = port}, err);
	if (server == NULL) {
		return NULL;
	}
	s->port = kt_grpc_server_port(server);
	if (kt_grpc_server_add(server, kt_engine_rpcs, engine_handlers, KT_ENGINE_RPC_COUNT, s,
			       err) < 0 ||
	    kt_grpc_server_add(server, kt_apic_rpcs, apic_handlers, KT_APIC_RPC_COUNT, s, err) <
		    0 ||
	    kt_grpc_server_start(server, err) < 0) {
		kt_grpc_server_free(server);
		return NULL;
	}
	return server;
}

/* As `kurtosisd engine --port N --ready-fd N --log-level LEVEL …`; ended by SIGTERM. */
static int engine_main(char **argv)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	state s = {.lock = PTHREAD_MUTEX_INITIALIZER};
	FILE *ready = fdopen(atoi(argv[5]), "w");
	char path[4096];
	sigset_t wanted;
	int got;
	if (strcmp(argv[7], "mute") == 0) {
		return 1;
	}
	if (strcmp(argv[7], "broken") == 0) {
		fprintf(ready, "ERROR the level is broken\n");
		return 1;
	}
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &wanted, NULL);
	kt_grpc_server *server = start(&s, (uint16_t)atoi(argv[3]), &err);
	if (server == NULL) {
		fprintf(ready, "ERROR %s\n", kt_err_message(&err, 0));
		return 1;
	}
	snprintf(path, sizeof(path), "%s/engine.pid", getenv("KURTOSIS_RUNTIME_DIR"));
	FILE *pid = fopen(path, "w");
	fprintf(pid, "%d\n", (int)getpid());
	fclose(pid);
	fprintf(ready, "READY %u\n", s.port);
	fclose(ready);
	sigwait(&wanted, &got);
	kt_grpc_server_free(server);
	kt_buf_deinit(&s.upload);
	return 0;
}

/* As `kurtosisd image …`. */
static int image_main(int argc, char **argv)
{
	if (strcmp(argv[2], "ls") == 0) {
		printf("docker.io/library/postgres:15\tsha256:0123456789abcdef\t157286400\t"
		       "2025-03-14T09:26:53Z\n");
	} else if (strcmp(argv[argc - 1], "nowhere/nothing") == 0) {
		fprintf(stderr, "the image nowhere/nothing\nthe registry does not know it\n");
		return 1;
	} else {
		printf("progress 1 2 downloading\n%s\n", argv[argc - 1]);
	}
	return 0;
}

int main(int argc, char **argv)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	state s = {.lock = PTHREAD_MUTEX_INITIALIZER};
	if (argc > 7 && strcmp(argv[1], "engine") == 0) {
		return engine_main(argv);
	}
	if (argc > 2 && strcmp(argv[1], "image") == 0) {
		return image_main(argc, argv);
	}
	if (argc > 2 && strcmp(argv[1], "fetch") == 0) {
		if (strstr(argv[2], "missing") != NULL) {
			fprintf(stderr, "the server answered with the status 404\n");
			return 1;
		}
		printf("from: %s", argv[2]);
		return 0;
	}
	kt_grpc_server *server = start(&s, 0, &err);
	if (server == NULL) {
		return 1;
	}
	printf("%u\n", s.port);
	fflush(stdout);
	char byte;
	while (read(STDIN_FILENO, &byte, 1) > 0) {
	}
	kt_grpc_server_free(server);
	kt_buf_deinit(&s.upload);
	return 0;
}
