/* The native backend's parts that need no supervisor: records, logs, host ports. */
#include "backend/native/log_format.h"
#include "backend/native/native_internal.h"

#include "base/alloc.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define ENCLAVE "e0000000000000000000000000000000"
#define DB "d0000000000000000000000000000000"
#define WEB "b0000000000000000000000000000000"
#define STAMP "2026-11-22T12:00:00.123456789Z "

static int setup(void **state)
{
	native_backend *self = kt_calloc(1, sizeof(*self));
	KT_AUTO_FREE char *dir = kt_fs_mkdtemp(NULL, "kt-native-", NULL);
	assert_non_null(dir);
	self->paths.root = kt_asprintf("%s/root", dir);
	self->paths.runtime = kt_asprintf("%s/run", dir);
	static const char *const parts[] = {"services", "ips", "names", "logs"};
	for (size_t i = 0; i < KT_ARRAY_LEN(parts); i++) {
		KT_AUTO_FREE char *path =
			kt_paths_root(&self->paths, "enclaves/" ENCLAVE "/%s", parts[i]);
		assert_int_equal(kt_fs_mkdirs(path, 0755, NULL), 0);
	}
	pthread_mutex_init(&self->lock, NULL);
	*state = self;
	return 0;
}

static int teardown(void **state)
{
	native_backend *self = *state;
	KT_AUTO_FREE char *dir = kt_path_dir(self->paths.root);
	assert_int_equal(kt_fs_remove_tree(dir, NULL), 0);
	kt_paths_deinit(&self->paths);
	kt_free(self);
	return 0;
}

/* ---- records ------------------------------------------------------------------------- */

static native_record sample(native_port *ports)
{
	static const char *const words[] = {"a b", "\"quoted\"", "", NULL};
	static const char *const env[] = {"K=V=W", "EMPTY=", NULL};
	static const char *const mounts[] = {"/host", "/inside", "prefill", NULL};
	static const kt_kv labels[] = {{"key", "value"}};
	ports[0] = (native_port){.info = {.id = "sql",
					  .number = 5432,
					  .protocol = KT_SCTP,
					  .app_protocol = "pg",
					  .public_number = 40000},
				 .fixed = 40000,
				 .publish = true};
	return (native_record){
		.info = {.uuid = DB,
			 .name = "db",
			 .private_ip = "172.16.0.5",
			 .hostname = "d00000000000",
			 .image = "postgres:15",
			 .entrypoint = words,
			 .cmd = words + 3,
			 .env = env,
			 .labels = labels,
			 .labels_len = 1,
			 .ports_len = 1,
			 .started_wall_ns = 99},
		.reserved_ns = 42,
		.has_container = true,
		.ports = ports,
		.image_digest = "sha256:1",
		.layers = words,
		.mounts = mounts,
	};
}

static void write_sample(native_backend *self)
{
	native_port ports[1];
	native_record record = sample(ports);
	KT_AUTO_FREE char *dir = native_service_dir(self, ENCLAVE, DB);
	assert_int_equal(kt_fs_mkdirs(dir, 0755, NULL), 0);
	assert_int_equal(native_record_write(self, ENCLAVE, &record, NULL), 0);
}

static void test_record_round_trip(void **state)
{
	native_backend *self = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	native_record record = {0};
	write_sample(self);
	assert_int_equal(native_record_read(self, ENCLAVE, DB, &arena, &record, NULL), 0);
	assert_string_equal(record.info.name, "db");
	assert_string_equal(record.info.entrypoint[1], "\"quoted\"");
	assert_string_equal(record.info.entrypoint[2], "");
	assert_null(record.info.cmd[0]);
	assert_string_equal(record.info.env[0], "K=V=W");
	assert_string_equal(record.info.labels[0].key, "key");
	assert_string_equal(record.mounts[2], "prefill");
	assert_int_equal(record.ports[0].info.number, 5432);
	assert_int_equal(record.ports[0].info.protocol, KT_SCTP);
	assert_int_equal(record.ports[0].fixed, 40000);
	assert_true(record.ports[0].publish);
	assert_true(record.has_container);
	assert_int_equal(record.reserved_ns, 42);
	assert_int_equal(record.info.started_wall_ns, 99);
}

static void test_damaged_record(void **state)
{
	native_backend *self = *state;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	native_record record = {0};
	native_records records = {0};
	write_sample(self);
	KT_AUTO_FREE char *dir = native_service_dir(self, ENCLAVE, DB);
	KT_AUTO_FREE char *path = kt_path_join(dir, "record.json");
	assert_int_equal(kt_fs_write(path, "{\"uuid\":", 8, 0600, false, NULL), 0);
	assert_int_equal(native_record_read(self, ENCLAVE, DB, &arena, &record, &err), -1);
	assert_int_not_equal(err.code, KT_ERR_NOT_FOUND);
	assert_int_equal(native_records_read(self, ENCLAVE, &arena, &records, NULL), 0);
	assert_int_equal(records.len, 0);
	assert_int_equal(native_record_read(self, ENCLAVE, "../../x", &arena, &record, &err), -1);
	assert_int_equal(err.code, KT_ERR_INVALID);
}

static void test_records_without_memory(void **state)
{
	native_backend *self = *state;
	write_sample(self);
	for (long n = 0;; n++) {
		KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
		KT_AUTO_ERR kt_err err = KT_ERR_INIT;
		native_records records = {0};
		kt_alloc_fail_after(n);
		int rc = native_records_read(self, ENCLAVE, &arena, &records, &err);
		bool failed = kt_alloc_failed();
		kt_alloc_fail_after(-1);
		assert_true(rc == 0 || err.code != KT_ERR_OK);
		if (rc == 0 && !failed) {
			assert_int_equal(records.len, 1);
			break;
		}
		assert_true(n < 1000);
	}
}

/* ---- reservation --------------------------------------------------------------------- */

static void test_stale_claims_are_taken_over(void **state)
{
	native_backend *self = *state;
	struct in_addr ip;
	char link[512];
	/* What a crash leaves between taking a name and making the service's directory. */
	snprintf(link, sizeof(link), "%s/enclaves/" ENCLAVE "/names/web", self->paths.root);
	assert_int_equal(symlink(DB, link), 0);
	snprintf(link, sizeof(link), "%s/enclaves/" ENCLAVE "/ips/172.16.0.5", self->paths.root);
	assert_int_equal(symlink(DB, link), 0);
	assert_int_equal(
		native_service_reserve(&self->base, ENCLAVE, WEB, "web", &ip, NULL), 0);
	assert_int_equal(ntohl(ip.s_addr), 0xac100005U);
}

static void test_addresses_run_out(void **state)
{
	native_backend *self = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	struct in_addr ip;
	KT_AUTO_FREE char *dir = native_service_dir(self, ENCLAVE, DB);
	assert_int_equal(kt_fs_mkdirs(dir, 0755, NULL), 0);
	for (uint32_t address = 0xac100005U; address <= 0xac1003feU; address++) {
		struct in_addr taken = {htonl(address)};
		char text[INET_ADDRSTRLEN];
		char link[512];
		inet_ntop(AF_INET, &taken, text, sizeof(text));
		snprintf(link, sizeof(link), "%s/enclaves/" ENCLAVE "/ips/%s", self->paths.root,
			 text);
		assert_int_equal(symlink(DB, link), 0);
	}
	assert_int_equal(native_service_reserve(&self->base, ENCLAVE, WEB, "web", &ip, &err), -1);
	assert_int_equal(err.code, KT_ERR_EXHAUSTED);
}

/* ---- logs ---------------------------------------------------------------------------- */

static void put_log(native_backend *self, const char *suffix, const char *text)
{
	KT_AUTO_FREE char *path = native_log_path(self, ENCLAVE, DB);
	KT_AUTO_FREE char *full = kt_asprintf("%s%s", path, suffix);
	assert_int_equal(kt_fs_write(full, text, strlen(text), 0644, false, NULL), 0);
}

static void log_is(native_backend *self, size_t lines, const char *want)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	assert_int_equal(native_service_logs(&self->base, ENCLAVE, DB, lines, &text, NULL), 0);
	assert_string_equal(kt_buf_str(&text), want);
}

static void test_logs(void **state)
{
	native_backend *self = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_BUF kt_buf none = KT_BUF_INIT;
	assert_int_equal(native_service_logs(&self->base, ENCLAVE, DB, 0, &none, &err), -1);
	assert_int_equal(err.code, KT_ERR_NOT_FOUND);
	put_log(self, ".2", STAMP "stdout F oldest\n");
	put_log(self, ".1", STAMP "stdout F older\n" STAMP "stderr F old\n");
	put_log(self, "",
		STAMP "stdout P in two \n" STAMP "stdout F parts\n" STAMP "stdout F last\n" STAMP
		      "stdout F being wri");
	log_is(self, 0, "oldest\nolder\nold\nin two parts\nlast\n");
	log_is(self, 1, "last\n");
	log_is(self, 2, "in two parts\nlast\n");
	log_is(self, 3, "old\nin two parts\nlast\n");
	log_is(self, 5, "oldest\nolder\nold\nin two parts\nlast\n");
	log_is(self, 99, "oldest\nolder\nold\nin two parts\nlast\n");
	put_log(self, "", STAMP "stdout F one\n" STAMP "stdout P no newline\n");
	log_is(self, 1, "no newline");
	log_is(self, 2, "one\nno newline");
	kt_buf bounded = KT_BUF_MAX(6);
	assert_int_equal(native_service_logs(&self->base, ENCLAVE, DB, 2, &bounded, NULL), 0);
	assert_string_equal(kt_buf_str(&bounded), "one\nno");
	kt_buf_deinit(&bounded);
}

/* ---- ports --------------------------------------------------------------------------- */

static void test_ports_are_reserved(void **state)
{
	(void)state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	native_port ports[3] = {{.info = {.id = "a", .number = 80}, .publish = true},
				{.info = {.id = "b", .number = 81, .protocol = KT_UDP},
				 .publish = true},
				{.info = {.id = "c", .number = 82}}};
	native_bound bound[3];
	assert_int_equal(native_ports_bind(ports, 3, bound, NULL), 0);
	assert_true(ports[0].info.public_number != 0);
	assert_true(ports[1].info.public_number != 0);
	assert_int_equal(ports[2].info.public_number, 0);
	assert_int_equal(bound[2].fds[0], -1);
	native_port rival = {.info = {.id = "r"}, .publish = true};
	rival.fixed = ports[0].info.public_number;
	native_bound lost[1];
	assert_int_equal(native_ports_bind(&rival, 1, lost, &err), -1);
	assert_int_equal(err.code, KT_ERR_EXISTS);
	assert_non_null(err.hint);
	native_ports_close(bound, 3);
	assert_int_equal(native_ports_bind(&rival, 1, lost, NULL), 0);
	native_ports_close(lost, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_record_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_record, setup, teardown),
		cmocka_unit_test_setup_teardown(test_records_without_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stale_claims_are_taken_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_addresses_run_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_logs, setup, teardown),
		cmocka_unit_test(test_ports_are_reserved),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
