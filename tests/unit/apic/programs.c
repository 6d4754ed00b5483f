/* The two programs: their options, the line on the ready descriptor, their end. */
#include "apic/apic_internal.h"

#include "backend/fake/fake.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "net/grpc_client.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#define ENCLAVE "11111111111111111111111111111111"

static kt_backend *open_fake(const char *name, kt_err *err)
{
	kt_enclave_spec enclave = {.uuid = ENCLAVE, .name = "test"};

	if (strcmp(name, "fake") != 0) {
		KT_FAIL(err, UNSUPPORTED, "the backend '%s' is not supported yet", name);
		return NULL;
	}
	kt_backend *backend = kt_fake_open(err);
	backend->ops->enclave_create(backend, &enclave, NULL);
	return backend;
}

typedef struct program {
	char *root;
	kt_apic_deps deps;
	int ready[2];
	char fd_text[16];
	int exit_status;
} program;

static int setup(void **state)
{
	program *p = kt_calloc(1, sizeof(*p));

	p->root = kt_fs_mkdtemp(NULL, "kt-prog-", NULL);
	p->deps = (kt_apic_deps){open_fake, p->root};
	if (pipe2(p->ready, O_CLOEXEC) < 0) {
		return -1;
	}
	snprintf(p->fd_text, sizeof(p->fd_text), "%d", p->ready[1]);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	program *p = *state;

	close(p->ready[0]);
	kt_fs_remove_tree(p->root, NULL);
	kt_free(p->root);
	kt_free(p);
	return 0;
}

/* What the program told the engine, to the closing of the descriptor. */
static void read_ready(program *p, char *line, size_t cap)
{
	size_t used = 0;
	ssize_t n = 0;

	while (used < cap - 1 && (n = read(p->ready[0], line + used, cap - 1 - used)) > 0) {
		used += (size_t)n;
	}
	line[used] = '\0';
}

static void expect_error(program *p, const char *backend, const char *uuid, const char *want)
{
	char line[512];
	char *argv[] = {kt_pb_str("apic"),  kt_pb_str("--ready-fd"),
	                p->fd_text,         kt_pb_str("--backend"),
	                kt_pb_str(backend), kt_pb_str("--enclave-name"),
	                kt_pb_str("test"),  kt_pb_str("--enclave-uuid"),
	                kt_pb_str(uuid),    NULL};

	assert_int_equal(kt_apic_main(9, argv, &p->deps), 1);
	read_ready(p, line, sizeof(line));
	assert_string_equal(line, want);
}

static void bad_uuid(void **state)
{
	expect_error(*state, "fake", "short", "ERROR --enclave-uuid needs 32 hexadecimal digits\n");
}

static void no_backend(void **state)
{
	expect_error(*state, "cloud", ENCLAVE, "ERROR the backend 'cloud' is not supported yet\n");
}

static void no_enclave(void **state)
{
	program *p = *state;
	char line[512];
	char *argv[] = {kt_pb_str("apic"),
	                kt_pb_str("--ready-fd"),
	                p->fd_text,
	                kt_pb_str("--backend"),
	                kt_pb_str("fake"),
	                kt_pb_str("--enclave-name"),
	                kt_pb_str("test"),
	                kt_pb_str("--enclave-uuid"),
	                kt_pb_str("22222222222222222222222222222222"),
	                NULL};

	assert_int_equal(kt_apic_main(9, argv, &p->deps), 1);
	read_ready(p, line, sizeof(line));
	assert_int_equal(strncmp(line, "ERROR ", 6), 0);
	assert_non_null(strstr(line, "22222222222222222222222222222222"));
}

static void *serve(void *arg)
{
	program *p = arg;
	char *argv[] = {kt_pb_str("apic"),
	                kt_pb_str("--ready-fd"),
	                p->fd_text,
	                kt_pb_str("--backend"),
	                kt_pb_str("fake"),
	                kt_pb_str("--enclave-name"),
	                kt_pb_str("test"),
	                kt_pb_str("--enclave-uuid"),
	                kt_pb_str(ENCLAVE),
	                kt_pb_str("--production"),
	                kt_pb_str("--log-level"),
	                kt_pb_str("error"),
	                NULL};

	p->exit_status = kt_apic_main(12, argv, &p->deps);
	return NULL;
}

/* It answers on the port that it names, and SIGTERM ends it. */
static void whole_life(void **state)
{
	program *p = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
	ProtobufCMessage *answer = NULL;
	unsigned port = 0;
	char line[64];
	pthread_t thread;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	assert_int_equal(kt_thread_start(&thread, 1024 * 1024, "main", serve, p, &err), 0);
	read_ready(p, line, sizeof(line));
	assert_int_equal(sscanf(line, "READY %u\n", &port), 1);
	kt_grpc_client *client = kt_grpc_client_new("127.0.0.1", (uint16_t)port, NULL, &err);
	assert_non_null(client);
	assert_int_equal(kt_grpc_unary(client, &kt_apic_rpcs[KT_APIC_GET_STARLARK_RUN], &empty.base,
	                               NULL, &answer, &err),
	                 0);
	assert_int_equal(((ApiContainerApi__GetStarlarkRunResponse *)answer)->restart_policy,
	                 API_CONTAINER_API__RESTART_POLICY__ALWAYS);
	kt_msg_free(answer);
	kt_grpc_client_free(client);
	kill(getpid(), SIGTERM);
	pthread_join(thread, NULL);
	assert_int_equal(p->exit_status, 0);
}

static void tty_needs_its_service(void **state)
{
	program *p = *state;
	char *argv[] = {kt_pb_str("exec-tty"), kt_pb_str("--backend"),
	                kt_pb_str("fake"),     kt_pb_str("--service"),
	                kt_pb_str("web"),      kt_pb_str("--enclave-uuid"),
	                kt_pb_str(ENCLAVE),    NULL};

	assert_int_equal(kt_apic_exec_tty_main(7, argv, &p->deps), 125);
	assert_int_equal(kt_apic_exec_tty_main(5, argv, &p->deps), 125);
	close(p->ready[1]);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
	        TEST(bad_uuid),
	        TEST(no_backend),
	        TEST(no_enclave),
	        TEST(whole_life),
	        TEST(tty_needs_its_service),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
