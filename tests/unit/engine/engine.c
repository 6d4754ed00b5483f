/*
 * The engine over real gRPC, on the backend in memory. This program also plays the API
 * container: called as "apic" it reports a port and waits for its end.
 */
#include "../kt_test.h"

#include "backend/fake/fake.h"
#include "base/fs.h"
#include "base/str.h"
#include "engine/engine_internal.h"
#include "net/grpc_client.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RPC(name) (&kt_engine_rpcs[KT_ENGINE_##name])
#define RUNNING 1
#define STOPPED 2

typedef struct fixture {
	char *root;
	kt_engine_deps deps;
	kt_engine *engine;
	kt_grpc_server *server;
	kt_grpc_client *client;
} fixture;

/* The backend outlives the engine here, as a real one does. */
static kt_backend *shared;
static kt_backend_ops ops;
static void (*close_for_good)(kt_backend *self);

static void keep_open(kt_backend *self)
{
	(void)self;
}

static kt_backend *open_shared(const char *name, kt_err *err)
{
	(void)err;
	assert_string_equal(name, "native");
	return shared;
}

static void start(fixture *f)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	static const char *const hosts[] = {"127.0.0.1", NULL};
	kt_grpc_config config = {.hosts = hosts, .name = "test"};
	f->engine = kt_engine_new(&f->deps, &err);
	assert_non_null(f->engine);
	f->engine->retention_ns = INT64_C(7) * 24 * 3600 * KT_NS_PER_S;
	assert_int_equal(kt_engine_resume(f->engine, false, &err), 0);
	f->server = kt_grpc_server_new(&config, &err);
	assert_int_equal(kt_grpc_server_add(f->server, kt_engine_rpcs, kt_engine_handlers,
					    KT_ENGINE_RPC_COUNT, f->engine, &err),
			 0);
	assert_int_equal(kt_grpc_server_start(f->server, &err), 0);
	f->client = kt_grpc_client_new("127.0.0.1", kt_grpc_server_port(f->server), NULL, &err);
	assert_non_null(f->client);
}

static void stop(fixture *f)
{
	kt_grpc_client_free(f->client);
	kt_grpc_server_free(f->server);
	kt_engine_free(f->engine);
}

static int set_up(void **state)
{
	fixture *f = kt_calloc(1, sizeof(*f));
	f->root = kt_fs_mkdtemp(NULL, "kt-engine-", NULL);
	shared = kt_fake_open(NULL);
	ops = *shared->ops;
	close_for_good = ops.close;
	ops.close = keep_open;
	shared->ops = &ops;
	f->deps = (kt_engine_deps){
		.open_backend = open_shared, .root = f->root, .runtime = f->root};
	start(f);
	*state = f;
	return 0;
}

static EngineApi__CleanResponse *clean_all(fixture *f)
{
	EngineApi__CleanArgs args = ENGINE_API__CLEAN_ARGS__INIT;
	KT_OPT_SET(EngineApi__CleanArgs, &args, should_clean_all, true);
	ProtobufCMessage *answer = NULL;
	assert_int_equal(kt_grpc_unary(f->client, RPC(CLEAN), &args.base, NULL, &answer, NULL), 0);
	return (EngineApi__CleanResponse *)answer;
}

static int tear_down(void **state)
{
	fixture *f = *state;
	kt_msg_free(clean_all(f));
	stop(f);
	close_for_good(shared);
	kt_fs_remove_tree(f->root, NULL);
	kt_free(f->root);
	kt_free(f);
	return 0;
}

static EngineApi__EnclaveInfo *create(fixture *f, const char *name, const char *level, kt_err *err)
{
	EngineApi__CreateEnclaveArgs args = ENGINE_API__CREATE_ENCLAVE_ARGS__INIT;
	KT_OPT_SET(EngineApi__CreateEnclaveArgs, &args, enclave_name, kt_engine_pb(name));
	KT_OPT_SET(EngineApi__CreateEnclaveArgs, &args, api_container_log_level,
		   kt_engine_pb(level));
	ProtobufCMessage *answer = NULL;
	if (kt_grpc_unary(f->client, RPC(CREATE_ENCLAVE), &args.base, NULL, &answer, err) < 0) {
		return NULL;
	}
	EngineApi__CreateEnclaveResponse *response = (EngineApi__CreateEnclaveResponse *)answer;
	EngineApi__EnclaveInfo *info = response->enclave_info;
	response->enclave_info = NULL;
	kt_msg_free(answer);
	return info;
}

static EngineApi__GetEnclavesResponse *list(fixture *f)
{
	Google__Protobuf__Empty nothing = GOOGLE__PROTOBUF__EMPTY__INIT;
	ProtobufCMessage *answer = NULL;
	assert_int_equal(kt_grpc_unary(f->client, RPC(GET_ENCLAVES), &nothing.base, NULL, &answer,
				       NULL),
			 0);
	return (EngineApi__GetEnclavesResponse *)answer;
}

/* The only enclave's API container: its state and port. */
static int apic_state(fixture *f, uint32_t *ret_port)
{
	KT_AUTO_MSG EngineApi__GetEnclavesResponse *all = list(f);
	assert_int_equal(all->n_enclave_info, 1);
	const EngineApi__EnclaveInfo *info = all->enclave_info[0]->value;
	const EngineApi__EnclaveAPIContainerHostMachineInfo *host =
		info->api_container_host_machine_info;
	*ret_port = host != NULL ? host->grpc_port_on_host_machine : 0;
	return (int)info->api_container_status;
}

static kt_apic_proc apic_process(fixture *f)
{
	KT_LOCK(&f->engine->lock);
	return f->engine->enclaves.items[0]->row.apic;
}

static void an_enclave_lives_and_dies(void **state)
{
	fixture *f = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_MSG EngineApi__EnclaveInfo *info = create(f, "first", "debug", &err);
	assert_non_null(info);
	assert_string_equal(info->name, "first");
	assert_true(kt_uuid_valid(info->enclave_uuid));
	assert_int_equal(strlen(info->shortened_uuid), KT_UUID_SHORT_LEN);
	assert_int_equal(info->containers_status, RUNNING);
	assert_int_equal(info->api_container_status, RUNNING);
	assert_string_equal(info->api_container_host_machine_info->ip_on_host_machine, "127.0.0.1");
	assert_true(info->api_container_host_machine_info->grpc_port_on_host_machine > 0);
	assert_int_equal(info->api_container_info->grpc_port_inside_enclave, 7443);
	assert_true(info->creation_time->seconds > 1700000000);

	EngineApi__StopEnclaveArgs stopping = ENGINE_API__STOP_ENCLAVE_ARGS__INIT;
	stopping.enclave_identifier = info->shortened_uuid;
	KT_AUTO_MSG ProtobufCMessage *empty = NULL;
	assert_int_equal(
		kt_grpc_unary(f->client, RPC(STOP_ENCLAVE), &stopping.base, NULL, &empty, &err), 0);
	uint32_t port = 1;
	assert_int_equal(apic_state(f, &port), STOPPED);
	assert_int_equal(port, 0);

	EngineApi__DestroyEnclaveArgs ending = ENGINE_API__DESTROY_ENCLAVE_ARGS__INIT;
	ending.enclave_identifier = kt_engine_pb("first");
	KT_AUTO_MSG ProtobufCMessage *done = NULL;
	assert_int_equal(
		kt_grpc_unary(f->client, RPC(DESTROY_ENCLAVE), &ending.base, NULL, &done, &err), 0);
	KT_AUTO_MSG EngineApi__GetEnclavesResponse *none = list(f);
	assert_int_equal(none->n_enclave_info, 0);
	KT_AUTO_FREE char *dir = kt_asprintf("%s/enclaves/%s", f->root, info->enclave_uuid);
	assert_false(kt_fs_exists(dir));
	KT_AUTO_MSG ProtobufCMessage *again = NULL;
	assert_int_equal(kt_grpc_unary(f->client, RPC(DESTROY_ENCLAVE), &ending.base, NULL, &again,
				       &err),
			 -1);
	KT_AUTO_FREE char *text = kt_err_text(&err);
	assert_non_null(
		strstr(text, "An error occurred destroying enclave with identifier 'first':"));
	assert_non_null(strstr(text, "Couldn't find enclave uuid for identifier 'first'"));
}

static void bad_wishes_are_refused(void **state)
{
	fixture *f = *state;
	static const struct {
		const char *name;
		const char *level;
		const char *wants;
	} rows[] = {
		{"a", "", "not a valid logrus Level: \"\""},
		{"a", "loud", "An error occurred parsing the log level string 'loud':"},
		{"a_b", "debug",
		 "Enclave name 'a_b' doesn't match allowed enclave name regex "
		 "'^[-A-Za-z0-9]{1,60}$'"},
		{"taken", "debug", "an enclave named 'taken' exists already"},
	};
	KT_AUTO_MSG EngineApi__EnclaveInfo *info = create(f, "taken", "INFO", NULL);
	assert_non_null(info);
	for (size_t i = 0; i < KT_ARRAY_LEN(rows); i++) {
		KT_AUTO_ERR kt_err err = KT_ERR_INIT;
		assert_null(create(f, rows[i].name, rows[i].level, &err));
		KT_AUTO_FREE char *text = kt_err_text(&err);
		assert_non_null(strstr(text, rows[i].wants));
	}
	/* What fails half-way leaves nothing, and its name is free again. */
	kt_fake_fail(shared, "enclave_create", KT_ERR_EXHAUSTED, "no room", 1);
	assert_null(create(f, "later", "debug", NULL));
	KT_AUTO_MSG EngineApi__GetEnclavesResponse *all = list(f);
	assert_int_equal(all->n_enclave_info, 1);
	KT_AUTO_MSG EngineApi__EnclaveInfo *later = create(f, "later", "debug", NULL);
	assert_non_null(later);
}

static void names_are_made_and_remembered(void **state)
{
	fixture *f = *state;
	KT_AUTO_MSG EngineApi__EnclaveInfo *one = create(f, "", "debug", NULL);
	KT_AUTO_MSG EngineApi__EnclaveInfo *two = create(f, "", "debug", NULL);
	assert_string_not_equal(one->name, two->name);
	assert_int_equal(kt_enclave_name_check(one->name, NULL), 0);
	assert_non_null(strchr(one->name, '-'));
	KT_AUTO_MSG EngineApi__CleanResponse *removed = clean_all(f);
	assert_int_equal(removed->n_removed_enclave_name_and_uuids, 2);
	assert_true(strcmp(removed->removed_enclave_name_and_uuids[0]->uuid,
			   removed->removed_enclave_name_and_uuids[1]->uuid) < 0);
	stop(f);
	start(f);
	Google__Protobuf__Empty nothing = GOOGLE__PROTOBUF__EMPTY__INIT;
	KT_AUTO_MSG ProtobufCMessage *answer = NULL;
	assert_int_equal(kt_grpc_unary(f->client, RPC(GET_ENCLAVE_IDENTIFIERS), &nothing.base, NULL,
				       &answer, NULL),
			 0);
	const EngineApi__GetExistingAndHistoricalEnclaveIdentifiersResponse *history =
		(const EngineApi__GetExistingAndHistoricalEnclaveIdentifiersResponse *)answer;
	assert_int_equal(history->n_allidentifiers, 2);
	assert_string_equal(history->allidentifiers[0]->name, one->name);
	assert_string_equal(history->allidentifiers[1]->enclave_uuid, two->enclave_uuid);
}

/* Waits until this process has recorded another API container than `old`. */
static kt_apic_proc await_other(fixture *f, const kt_apic_proc *old)
{
	KT_AUTO_FD int changes = inotify_init1(IN_CLOEXEC);
	KT_AUTO_FREE char *wal = kt_path_join(f->root, "engine.db-wal");
	assert_true(inotify_add_watch(changes, wal, IN_MODIFY) >= 0);
	kt_apic_proc now = apic_process(f);
	kt_instant deadline = kt_after_ms(20000);
	while (now.pid == old->pid) {
		char events[4096];
		assert_int_equal(kt_wait_fd(changes, POLLIN, deadline, NULL, NULL), 0);
		assert_true(read(changes, events, sizeof(events)) > 0);
		now = apic_process(f);
	}
	return now;
}

static void a_dead_api_container_is_replaced(void **state)
{
	fixture *f = *state;
	KT_UNUSED KT_AUTO_MSG EngineApi__EnclaveInfo *info = create(f, "e", "debug", NULL);
	uint32_t port = 0;
	assert_int_equal(apic_state(f, &port), RUNNING);
	kt_apic_proc old = apic_process(f);
	assert_int_equal(kill(old.pid, SIGKILL), 0);
	kt_apic_proc fresh = await_other(f, &old);
	assert_true(fresh.pid > 0 && fresh.pid != old.pid);
	uint32_t same = 0;
	assert_int_equal(apic_state(f, &same), RUNNING);
	assert_int_equal(same, port);
	assert_int_equal(kt_apic_open(&old), -1);
}

static void a_new_engine_takes_everything_up(void **state)
{
	fixture *f = *state;
	KT_UNUSED KT_AUTO_MSG EngineApi__EnclaveInfo *info = create(f, "e", "debug", NULL);
	kt_apic_proc first = apic_process(f);
	stop(f);
	start(f);
	kt_apic_proc kept = apic_process(f);
	assert_int_equal(kept.pid, first.pid);
	/* Dead while no engine ran. */
	stop(f);
	kt_apic_kill(&first, 0);
	start(f);
	kt_apic_proc fresh = apic_process(f);
	assert_int_not_equal(fresh.pid, first.pid);
	uint32_t port = 0;
	assert_int_equal(apic_state(f, &port), RUNNING);
	/* Half-made enclaves are gone after a restart. */
	kt_enclave_row half = {.uuid = kt_uuid_random(),
			       .name = kt_strdup("half"),
			       .log_level = kt_strdup("info"),
			       .phase = KT_PHASE_CREATING};
	assert_int_equal(kt_engine_db_put(f->engine->db, &half, NULL), 0);
	kt_enclave_row_deinit(&half);
	stop(f);
	start(f);
	assert_int_equal(f->engine->enclaves.len, 1);
	KT_AUTO_MSG EngineApi__GetEnclavesResponse *all = list(f);
	assert_int_equal(all->n_enclave_info, 1);
}

/* ---- logs ------------------------------------------------------------------------------- */

static void write_log(fixture *f, const char *enclave, const char *service, const char *text)
{
	KT_AUTO_FREE char *dir = kt_asprintf("%s/enclaves/%s/logs", f->root, enclave);
	KT_AUTO_FREE char *path = kt_asprintf("%s/%s.log", dir, service);
	assert_int_equal(kt_fs_mkdirs(dir, 0755, NULL), 0);
	assert_int_equal(kt_fs_write(path, text, strlen(text), 0600, false, NULL), 0);
}

static void add_text(kt_buf *got, const EngineApi__GetServiceLogsResponse *message)
{
	for (size_t i = 0; i < message->n_not_found_service_uuid_set; i++) {
		kt_buf_addf(got, "missing %.4s;", message->not_found_service_uuid_set[i]->key);
	}
	for (size_t i = 0; i < message->n_service_logs_by_service_uuid; i++) {
		const EngineApi__LogLine *line = message->service_logs_by_service_uuid[i]->value;
		for (size_t n = 0; n < line->n_line; n++) {
			kt_buf_addf(got, "%s;", line->line[n]);
			assert_true(line->timestamp->seconds > 0);
		}
	}
}

typedef struct log_request {
	const char *service;
	bool all;
	uint32_t lines;
	EngineApi__LogLineFilter *filter;
} log_request;

static int read_logs(fixture *f, const char *enclave, const log_request *wants, kt_buf *ret,
		     kt_err *err)
{
	EngineApi__GetServiceLogsArgs args = ENGINE_API__GET_SERVICE_LOGS_ARGS__INIT;
	EngineApi__GetServiceLogsArgs__ServiceUuidSetEntry entry =
		ENGINE_API__GET_SERVICE_LOGS_ARGS__SERVICE_UUID_SET_ENTRY__INIT;
	EngineApi__GetServiceLogsArgs__ServiceUuidSetEntry *set = &entry;
	EngineApi__LogLineFilter *filter = wants->filter;
	entry.key = kt_engine_pb(wants->service);
	args.enclave_identifier = kt_engine_pb(enclave);
	args.service_uuid_set = &set;
	args.n_service_uuid_set = 1;
	args.conjunctive_filters = &filter;
	args.n_conjunctive_filters = filter != NULL ? 1 : 0;
	KT_OPT_SET(EngineApi__GetServiceLogsArgs, &args, return_all_logs, wants->all);
	KT_OPT_SET(EngineApi__GetServiceLogsArgs, &args, num_log_lines, wants->lines);
	kt_grpc_stream *stream =
		kt_grpc_stream_start(f->client, RPC(GET_SERVICE_LOGS), &args.base, NULL, err);
	assert_non_null(stream);
	ProtobufCMessage *message = NULL;
	int rc;
	while ((rc = kt_grpc_stream_recv(stream, &message, err)) > 0) {
		add_text(ret, (const EngineApi__GetServiceLogsResponse *)message);
		kt_msg_free(message);
	}
	kt_grpc_stream_free(stream);
	return rc;
}

static void logs_are_streamed(void **state)
{
	fixture *f = *state;
	KT_AUTO_MSG EngineApi__EnclaveInfo *info = create(f, "e", "debug", NULL);
	kt_uuid known = kt_uuid_random();
	struct in_addr ip;
	assert_int_equal(shared->ops->service_reserve(shared, info->enclave_uuid, known.text, "web",
						      &ip, NULL),
			 0);
	KT_AUTO_BUF kt_buf now = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf log = KT_BUF_INIT;
	kt_buf_add_time(&now, kt_wall_ns(), 9);
	static const char *const lines[] = {"one", "Two", "three"};
	for (size_t i = 0; i < KT_ARRAY_LEN(lines); i++) {
		kt_buf_addf(&log, "%s stdout F %s\n", kt_buf_str(&now), lines[i]);
	}
	write_log(f, info->enclave_uuid, known.text, kt_buf_str(&log));

	KT_AUTO_BUF kt_buf got = KT_BUF_INIT;
	assert_int_equal(read_logs(f, "e", &(log_request){known.text, true, 0, NULL}, &got, NULL), 0);
	assert_string_equal(kt_buf_str(&got), "one;Two;three;");
	kt_buf_clear(&got);
	assert_int_equal(read_logs(f, "e", &(log_request){known.text, false, 2, NULL}, &got, NULL),
			 0);
	assert_string_equal(kt_buf_str(&got), "Two;three;");
	kt_buf_clear(&got);
	EngineApi__LogLineFilter filter = ENGINE_API__LOG_LINE_FILTER__INIT;
	filter.text_pattern = kt_engine_pb("TWO");
	assert_int_equal(read_logs(f, "e", &(log_request){known.text, true, 0, &filter}, &got, NULL),
			 0);
	assert_string_equal(kt_buf_str(&got), "Two;");
	/* By name: reported as missing first, as the original does, then streamed. */
	kt_buf_clear(&got);
	assert_int_equal(read_logs(f, "e", &(log_request){"web", true, 0, NULL}, &got, NULL), 0);
	assert_string_equal(kt_buf_str(&got), "missing web;one;Two;three;");
	kt_buf_clear(&got);
	assert_int_equal(read_logs(f, "e", &(log_request){"nothing", true, 0, NULL}, &got, NULL), 0);
	assert_string_equal(kt_buf_str(&got), "missing noth;");
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	filter.operator_ = ENGINE_API__LOG_LINE_OPERATOR__LogLineOperator_DOES_CONTAIN_MATCH_REGEX;
	filter.text_pattern = kt_engine_pb("a(");
	assert_int_equal(read_logs(f, "e", &(log_request){known.text, true, 0, &filter}, &got, &err),
			 -1);
	KT_AUTO_FREE char *text = kt_err_text(&err);
	assert_non_null(strstr(text, "An error occurred compiling regex string 'a('"));
}

static bool always_taken_once(void *ctx, const char *name)
{
	(void)ctx;
	return strrchr(name, '-') == strchr(name, '-'); /* all without a number */
}

static void taken_names_get_a_number(void **state)
{
	(void)state;
	KT_AUTO_FREE char *name = kt_enclave_name_make(always_taken_once, NULL);
	assert_true(kt_str_ends(name, "-1"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static int test_all(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_enclave_lives_and_dies),
		TEST(bad_wishes_are_refused),
		TEST(names_are_made_and_remembered),
		TEST(a_dead_api_container_is_replaced),
		TEST(a_new_engine_takes_everything_up),
		TEST(logs_are_streamed),
		cmocka_unit_test(taken_names_get_a_number),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* "READY PORT" on the descriptor that the engine names, then nothing until a signal. */
static int play_apic(int argc, char **argv)
{
	int fd = -1;
	int start_fd = -1;
	char byte = 0;
	const char *port = "0";
	for (int i = 0; i + 1 < argc; i++) {
		if (kt_str_eq(argv[i], "--ready-fd")) {
			fd = atoi(argv[i + 1]);
		}
		if (kt_str_eq(argv[i], "--start-fd")) {
			start_fd = atoi(argv[i + 1]);
		}
		if (kt_str_eq(argv[i], "--listen")) {
			port = strrchr(argv[i + 1], ':') + 1;
		}
	}
	if (read(start_fd, &byte, 1) != 1) {
		return 0;
	}
	dprintf(fd, "READY %s\n", kt_str_eq(port, "0") ? "40123" : port);
	close(fd);
	pause();
	return 0;
}

int main(int argc, char **argv)
{
	return argc > 1 && kt_str_eq(argv[1], "apic") ? play_apic(argc, argv) : test_all();
}
