/* The engine's rpcs, but for the logs. */
#include "engine/engine_internal.h"

#include "base/alloc.h"
#include "base/str.h"

#include <string.h>
#include <strings.h>

#define APIC_PORT_INSIDE 7443
#define CONTAINERS(name) ENGINE_API__ENCLAVE_CONTAINERS_STATUS__EnclaveContainersStatus_##name
#define APIC(name) ENGINE_API__ENCLAVE_APICONTAINER_STATUS__EnclaveAPIContainerStatus_##name

#define HANDLER(name)                                                                              \
	static int name(kt_grpc_call *call, const ProtobufCMessage *request, void *host,           \
			kt_err *err)

HANDLER(get_engine_info)
{
	(void)request;
	(void)host;
	EngineApi__GetEngineInfoResponse answer = ENGINE_API__GET_ENGINE_INFO_RESPONSE__INIT;
	answer.engine_version = kt_engine_pb(KT_API_LEVEL);
	return kt_grpc_send(call, &answer.base, err);
}

/* ---- messages ----------------------------------------------------------------------- */

static char *short_uuid(kt_arena *arena, const kt_uuid *uuid)
{
	return kt_arena_strndup(arena, uuid->text, KT_UUID_SHORT_LEN);
}

static Google__Protobuf__Timestamp *make_time(kt_arena *arena, int64_t wall_ns, bool whole_seconds)
{
	Google__Protobuf__Timestamp *time = KT_ARENA_NEW(arena, Google__Protobuf__Timestamp);
	if (time != NULL) {
		google__protobuf__timestamp__init(time);
		time->seconds = wall_ns / KT_NS_PER_S;
		time->nanos = whole_seconds ? 0 : (int32_t)(wall_ns % KT_NS_PER_S);
	}
	return time;
}

/* The parts that exist only with an API container. */
static int add_apic(kt_arena *arena, const kt_enclave_view *view, EngineApi__EnclaveInfo *info,
		    kt_err *err)
{
	if (view->apic == APIC(NONEXISTENT)) {
		return 0;
	}
	EngineApi__EnclaveAPIContainerInfo *inside =
		KT_ARENA_NEW(arena, EngineApi__EnclaveAPIContainerInfo);
	EngineApi__EnclaveAPIContainerHostMachineInfo *outside =
		KT_ARENA_NEW(arena, EngineApi__EnclaveAPIContainerHostMachineInfo);
	if (inside == NULL || outside == NULL) {
		return kt_err_nomem(err);
	}
	engine_api__enclave_apicontainer_info__init(inside);
	inside->ip_inside_enclave = kt_engine_pb(view->gateway_ip);
	inside->grpc_port_inside_enclave = APIC_PORT_INSIDE;
	info->api_container_info = inside;
	if (view->apic == APIC(RUNNING)) {
		engine_api__enclave_apicontainer_host_machine_info__init(outside);
		outside->ip_on_host_machine = kt_engine_pb("127.0.0.1");
		outside->grpc_port_on_host_machine = view->apic_port;
		info->api_container_host_machine_info = outside;
	}
	return 0;
}

static EngineApi__EnclaveInfo *make_info(kt_arena *arena, const kt_enclave_view *view,
					 bool whole_seconds, kt_err *err)
{
	EngineApi__EnclaveInfo *info = KT_ARENA_NEW(arena, EngineApi__EnclaveInfo);
	char *uuid = kt_arena_strdup(arena, view->uuid.text);
	char *brief = short_uuid(arena, &view->uuid);
	if (info == NULL || uuid == NULL || brief == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	engine_api__enclave_info__init(info);
	info->enclave_uuid = uuid;
	info->shortened_uuid = brief;
	info->name = kt_engine_pb(view->name);
	info->containers_status = view->containers;
	info->api_container_status = view->apic;
	info->mode = view->production ? ENGINE_API__ENCLAVE_MODE__PRODUCTION
				      : ENGINE_API__ENCLAVE_MODE__TEST;
	info->creation_time = make_time(arena, view->created_ns, whole_seconds);
	if (info->creation_time == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	return add_apic(arena, view, info, err) < 0 ? NULL : info;
}

/* ---- create ------------------------------------------------------------------------- */

/* The words that the original's logger knows, and ours for them. */
static const char *apic_level(const char *text, kt_err *err)
{
	static const char *const table[][2] = {
		{"panic", "error"}, {"fatal", "error"},	  {"error", "error"}, {"warn", "warn"},
		{"warning", "warn"}, {"info", "info"}, {"debug", "debug"}, {"trace", "trace"},
	};
	for (size_t i = 0; i < KT_ARRAY_LEN(table); i++) {
		if (strcasecmp(text, table[i][0]) == 0) {
			return table[i][1];
		}
	}
	KT_FAIL(err, INVALID, "not a valid logrus Level: \"%s\"", text);
	KT_WRAP(err, "An error occurred parsing the log level string '%s':", text);
	return NULL;
}

static int answer_created(kt_grpc_call *call, kt_engine *engine, const kt_uuid *uuid, kt_err *err)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_enclave_view view;
	EngineApi__CreateEnclaveResponse answer = ENGINE_API__CREATE_ENCLAVE_RESPONSE__INIT;
	if (kt_engine_view(engine, uuid->text, &arena, &view, err) < 0) {
		return -1;
	}
	answer.enclave_info = make_info(&arena, &view, false, err);
	return answer.enclave_info == NULL ? -1 : kt_grpc_send(call, &answer.base, err);
}

HANDLER(create_enclave)
{
	kt_engine *engine = host;
	const EngineApi__CreateEnclaveArgs *args = (const EngineApi__CreateEnclaveArgs *)request;
	const char *name = KT_OPT_OR(args, enclave_name, "");
	const char *level = apic_level(KT_OPT_OR(args, api_container_log_level, ""), err);
	kt_new_enclave spec = {
		.name = name,
		.log_level = level,
		.production = KT_OPT_HAS(args, mode) &&
			      args->mode == ENGINE_API__ENCLAVE_MODE__PRODUCTION,
	};
	kt_uuid uuid = {0};
	if (level == NULL || kt_engine_create(engine, &spec, &uuid, err) < 0 ||
	    answer_created(call, engine, &uuid, err) < 0) {
		return KT_WRAP(err, "An error occurred creating new enclave with name '%s'", name);
	}
	return 0;
}

/* ---- list --------------------------------------------------------------------------- */

static bool is_wanted(const EngineApi__GetEnclavesByUuidsArgs *args, const char *uuid)
{
	if (args == NULL || args->n_enclave_uuids == 0) {
		return true;
	}
	for (size_t i = 0; i < args->n_enclave_uuids; i++) {
		if (kt_str_eq(args->enclave_uuids[i], uuid)) {
			return true;
		}
	}
	return false;
}

typedef EngineApi__GetEnclavesResponse__EnclaveInfoEntry info_entry;

static int send_views(kt_grpc_call *call, kt_arena *arena, const kt_enclave_views *views,
		      const EngineApi__GetEnclavesByUuidsArgs *args, kt_err *err)
{
	EngineApi__GetEnclavesResponse answer = ENGINE_API__GET_ENCLAVES_RESPONSE__INIT;
	info_entry *entries = KT_ARENA_ARRAY(arena, info_entry, views->len + 1);
	answer.enclave_info = KT_ARENA_ARRAY(arena, info_entry *, views->len + 1);
	if (entries == NULL || answer.enclave_info == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < views->len; i++) {
		if (!is_wanted(args, views->items[i].uuid.text)) {
			continue;
		}
		info_entry *entry = &entries[answer.n_enclave_info];
		engine_api__get_enclaves_response__enclave_info_entry__init(entry);
		entry->value = make_info(arena, &views->items[i], true, err);
		if (entry->value == NULL) {
			return -1;
		}
		entry->key = entry->value->enclave_uuid;
		answer.enclave_info[answer.n_enclave_info++] = entry;
	}
	return kt_grpc_send(call, &answer.base, err);
}

static int list_enclaves(kt_grpc_call *call, const EngineApi__GetEnclavesByUuidsArgs *args,
			 kt_engine *engine, kt_err *err)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_enclave_views views = {0};
	kt_engine_settle(engine);
	int rc = kt_engine_views(engine, &arena, &views, err);
	if (rc == 0) {
		rc = send_views(call, &arena, &views, args, err);
	}
	kt_vec_deinit(&views);
	return rc < 0 ? KT_WRAP(err, "An error occurred getting info for enclaves") : 0;
}

HANDLER(get_enclaves)
{
	(void)request;
	return list_enclaves(call, NULL, host, err);
}

HANDLER(get_enclaves_by_uuids)
{
	return list_enclaves(call, (const EngineApi__GetEnclavesByUuidsArgs *)request, host, err);
}

/* ---- identifiers -------------------------------------------------------------------- */

typedef EngineApi__EnclaveIdentifiers identifiers_msg;
typedef EngineApi__GetExistingAndHistoricalEnclaveIdentifiersResponse identifiers_answer;

static int add_identifier(kt_arena *arena, const kt_uuid *uuid, const char *name,
			  identifiers_msg *ret, kt_err *err)
{
	engine_api__enclave_identifiers__init(ret);
	ret->enclave_uuid = kt_arena_strdup(arena, uuid->text);
	ret->shortened_uuid = short_uuid(arena, uuid);
	ret->name = kt_arena_strdup(arena, name);
	bool whole = ret->enclave_uuid != NULL && ret->shortened_uuid != NULL && ret->name != NULL;
	return whole ? 0 : kt_err_nomem(err);
}

/* Copies the history, or the existing enclaves where there is none. */
static int fill_identifiers(kt_engine *engine, kt_arena *arena, identifiers_answer *answer,
			    kt_err *err)
{
	KT_LOCK(&engine->lock);
	bool history = engine->history.len > 0;
	size_t len = history ? engine->history.len : engine->enclaves.len;
	identifiers_msg *items = KT_ARENA_ARRAY(arena, identifiers_msg, len + 1);
	answer->allidentifiers = KT_ARENA_ARRAY(arena, identifiers_msg *, len + 1);
	if (items == NULL || answer->allidentifiers == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < len; i++) {
		const kt_uuid *uuid = history ? &engine->history.items[i].uuid
					      : &engine->enclaves.items[i]->row.uuid;
		const char *name = history ? engine->history.items[i].name
					   : engine->enclaves.items[i]->row.name;
		if (add_identifier(arena, uuid, name, &items[i], err) < 0) {
			return -1;
		}
		answer->allidentifiers[i] = &items[i];
	}
	answer->n_allidentifiers = len;
	return 0;
}

HANDLER(get_identifiers)
{
	(void)request;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	identifiers_answer answer =
		ENGINE_API__GET_EXISTING_AND_HISTORICAL_ENCLAVE_IDENTIFIERS_RESPONSE__INIT;
	if (fill_identifiers(host, &arena, &answer, err) < 0) {
		return KT_WRAP(err, "An error occurred while fetching enclave identifiers");
	}
	return kt_grpc_send(call, &answer.base, err);
}

/* ---- stop, destroy, clean ----------------------------------------------------------- */

static int send_empty(kt_grpc_call *call, kt_err *err)
{
	Google__Protobuf__Empty nothing = GOOGLE__PROTOBUF__EMPTY__INIT;
	return kt_grpc_send(call, &nothing.base, err);
}

HANDLER(stop_enclave)
{
	const char *id = ((const EngineApi__StopEnclaveArgs *)request)->enclave_identifier;
	if (kt_engine_stop(host, id, err) < 0) {
		return KT_WRAP(err, "An error occurred stopping enclave '%s'", id);
	}
	return send_empty(call, err);
}

HANDLER(destroy_enclave)
{
	const char *id = ((const EngineApi__DestroyEnclaveArgs *)request)->enclave_identifier;
	if (kt_engine_destroy(host, id, err) < 0) {
		return KT_WRAP(err, "An error occurred destroying enclave with identifier '%s':", id);
	}
	return send_empty(call, err);
}

typedef EngineApi__EnclaveNameAndUuid name_and_uuid;

static int send_removed(kt_grpc_call *call, const kt_identifiers *removed, kt_err *err)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	EngineApi__CleanResponse answer = ENGINE_API__CLEAN_RESPONSE__INIT;
	name_and_uuid *items = KT_ARENA_ARRAY(&arena, name_and_uuid, removed->len + 1);
	name_and_uuid **list = KT_ARENA_ARRAY(&arena, name_and_uuid *, removed->len + 1);
	if (items == NULL || list == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < removed->len; i++) {
		engine_api__enclave_name_and_uuid__init(&items[i]);
		items[i].name = removed->items[i].name;
		items[i].uuid = removed->items[i].uuid.text;
		list[i] = &items[i];
	}
	answer.removed_enclave_name_and_uuids = list;
	answer.n_removed_enclave_name_and_uuids = removed->len;
	return kt_grpc_send(call, &answer.base, err);
}

HANDLER(clean)
{
	const EngineApi__CleanArgs *args = (const EngineApi__CleanArgs *)request;
	kt_identifiers removed = {0};
	int rc = kt_engine_clean(host, KT_OPT_OR(args, should_clean_all, false), &removed, err);
	rc = rc < 0 ? KT_WRAP(err, "An error occurred while cleaning enclaves")
		    : send_removed(call, &removed, err);
	kt_identifiers_deinit(&removed);
	return rc;
}

const kt_grpc_handler kt_engine_handlers[KT_ENGINE_RPC_COUNT] = {
	[KT_ENGINE_GET_ENGINE_INFO] = get_engine_info,
	[KT_ENGINE_CREATE_ENCLAVE] = create_enclave,
	[KT_ENGINE_GET_ENCLAVES] = get_enclaves,
	[KT_ENGINE_GET_ENCLAVES_BY_UUIDS] = get_enclaves_by_uuids,
	[KT_ENGINE_GET_ENCLAVE_IDENTIFIERS] = get_identifiers,
	[KT_ENGINE_STOP_ENCLAVE] = stop_enclave,
	[KT_ENGINE_DESTROY_ENCLAVE] = destroy_enclave,
	[KT_ENGINE_CLEAN] = clean,
	[KT_ENGINE_GET_SERVICE_LOGS] = kt_engine_get_service_logs,
};
