/* gRPC end to end over loopback: kinds of calls, errors, cancelling, deadlines. */
#include "pair.h"

#include "base/alloc.h"
#include "kt_test.h"

static void test_unary(void **state)
{
	pair *p = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_grpc_client *client = pair_client(p);
	for (int i = 0; i < 3; i++) {
		PAIR_REQUEST(request, "hello", "abc", 3);
		KT_AUTO_MSG ProtobufCMessage *answer = NULL;
		assert_int_equal(kt_grpc_unary(client, &pair_rpcs[PAIR_ECHO], &request.base, NULL,
					       &answer, &err),
				 0);
		const chunk *got = (const chunk *)answer;
		assert_string_equal(got->metadata->name, "hello");
		assert_int_equal(got->data.len, 3);
		assert_memory_equal(got->data.data, "abc", 3);
	}
	kt_grpc_client_free(client);
}

static void test_bad_utf8_is_replaced(void **state)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_grpc_client *client = pair_client(*state);
	PAIR_REQUEST(request, "a\xFFz", "\xFF", 1);
	KT_AUTO_MSG ProtobufCMessage *answer = NULL;
	assert_int_equal(kt_grpc_unary(client, &pair_rpcs[PAIR_ECHO], &request.base, NULL, &answer,
				       &err),
			 0);
	const chunk *got = (const chunk *)answer;
	assert_string_equal(got->metadata->name, "a\xEF\xBF\xBDz");
	assert_memory_equal(got->data.data, "\xFF", 1);
	kt_grpc_client_free(client);
}

static void test_error_chain(void **state)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_grpc_client *client = pair_client(*state);
	PAIR_REQUEST(request, "", "", 0);
	KT_AUTO_MSG ProtobufCMessage *answer = NULL;
	assert_int_equal(kt_grpc_unary(client, &pair_rpcs[PAIR_FAIL], &request.base, NULL, &answer,
				       &err),
			 -1);
	assert_null(answer);
	assert_int_equal(err.code, KT_ERR_UNKNOWN);
	assert_string_equal(kt_err_message(&err, 0), "outer");
	assert_string_equal(kt_err_message(&err, 1), "inner: 100% of \xC3\xA9t\xC3\xA9\nsecond line");
	assert_null(kt_err_message(&err, 2));
	assert_string_equal(err.hint, "look elsewhere");
	kt_grpc_client_free(client);
}

static void check_status(const pair *p, const kt_rpc *rpc, kt_err_code code, const char *message)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_grpc_client *client = pair_client(p);
	PAIR_REQUEST(request, "", "", 0);
	KT_AUTO_MSG ProtobufCMessage *answer = NULL;
	assert_int_equal(kt_grpc_unary(client, rpc, &request.base, NULL, &answer, &err), -1);
	assert_int_equal(err.code, code);
	assert_string_equal(kt_err_message(&err, 0), message);
	kt_grpc_client_free(client);
}

static void test_unknown_paths(void **state)
{
	kt_rpc rpc = pair_rpcs[PAIR_ECHO];
	check_status(*state, &pair_rpcs[PAIR_ABSENT], KT_ERR_UNSUPPORTED,
		     "Absent is not supported yet");
	check_status(*state, &pair_rpcs[PAIR_SILENT], KT_ERR_INTERNAL,
		     "the handler has not answered");
	rpc.path = "/test.Pair/Nothing";
	check_status(*state, &rpc, KT_ERR_UNSUPPORTED,
		     "unknown method Nothing for service test.Pair");
	rpc.path = "/test.Nobody/Echo";
	check_status(*state, &rpc, KT_ERR_UNSUPPORTED, "unknown service test.Nobody");
}

static void test_server_stream(void **state)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_grpc_client *client = pair_client(*state);
	PAIR_REQUEST(request, "1000", "0123456789", 10);
	kt_grpc_stream *stream = kt_grpc_stream_start(client, &pair_rpcs[PAIR_COUNT], &request.base,
						      NULL, &err);
	assert_non_null(stream);
	long seen = 0;
	for (;;) {
		KT_AUTO_MSG ProtobufCMessage *message = NULL;
		int rc = kt_grpc_stream_recv(stream, &message, &err);
		assert_true(rc >= 0);
		if (rc == 0) {
			break;
		}
		const chunk *got = (const chunk *)message;
		assert_int_equal(strtol(got->previous_chunk_hash, NULL, 10), seen++);
		assert_int_equal(got->data.len, 10);
	}
	assert_int_equal(seen, 1000);
	kt_grpc_stream_free(stream);

	/* No message at all is a success as well. */
	request_metadata.name = (char *)(uintptr_t)"0";
	stream = kt_grpc_stream_start(client, &pair_rpcs[PAIR_COUNT], &request.base, NULL, &err);
	ProtobufCMessage *none = NULL;
	assert_int_equal(kt_grpc_stream_recv(stream, &none, &err), 0);
	assert_null(none);
	kt_grpc_stream_free(stream);
	kt_grpc_client_free(client);
}

static void test_client_stream(void **state)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_grpc_client *client = pair_client(*state);
	KT_AUTO_FREE char *data = kt_calloc(1, 100000);
	kt_grpc_stream *stream = kt_grpc_stream_open(client, &pair_rpcs[PAIR_COLLECT], NULL, &err);
	for (int i = 0; i < 50; i++) {
		PAIR_REQUEST(request, "", data, 100000);
		assert_int_equal(kt_grpc_stream_send(stream, &request.base, &err), 0);
	}
	assert_int_equal(kt_grpc_stream_close_send(stream, &err), 0);
	KT_AUTO_MSG ProtobufCMessage *answer = NULL;
	assert_int_equal(kt_grpc_stream_recv(stream, &answer, &err), 1);
	assert_string_equal(((const chunk *)answer)->previous_chunk_hash, "5000000");
	kt_grpc_stream_free(stream);
	kt_grpc_client_free(client);
}

/* A server that fails in the middle of an upload stops the sender with its own error. */
static void test_upload_fails_early(void **state)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_grpc_client *client = pair_client(*state);
	KT_AUTO_FREE char *data = kt_calloc(1, 1 << 20);
	kt_grpc_stream *stream = kt_grpc_stream_open(client, &pair_rpcs[PAIR_COLLECT], NULL, &err);
	int rc = 0;
	for (int i = 0; i < 1000 && rc == 0; i++) {
		PAIR_REQUEST(request, "", data, 1 << 20);
		request.previous_chunk_hash = (char *)(uintptr_t)(i == 3 ? "stop" : "");
		rc = kt_grpc_stream_send(stream, &request.base, &err);
	}
	assert_int_equal(rc, -1);
	assert_string_equal(kt_err_message(&err, 0), "stopped after 4194304 bytes");
	kt_grpc_stream_free(stream);
	/* The connection is fine. */
	PAIR_REQUEST(request, "x", "", 0);
	KT_AUTO_MSG ProtobufCMessage *answer = NULL;
	assert_int_equal(kt_grpc_unary(client, &pair_rpcs[PAIR_ECHO], &request.base, NULL, &answer,
				       &err),
			 0);
	kt_grpc_client_free(client);
}

static kt_grpc_stream *start_wait(pair *p, kt_grpc_client *client, const kt_grpc_opts *opts)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	PAIR_REQUEST(request, "x", "", 0);
	kt_grpc_stream *stream = kt_grpc_stream_start(client, &pair_rpcs[PAIR_WAIT], &request.base,
						      opts, &err);
	assert_non_null(stream);
	KT_AUTO_MSG ProtobufCMessage *first = NULL;
	assert_int_equal(kt_grpc_stream_recv(stream, &first, &err), 1);
	sem_wait(&p->waiting);
	return stream;
}

static void test_client_reset_cancels(void **state)
{
	pair *p = *state;
	kt_grpc_client *client = pair_client(p);
	kt_grpc_stream_free(start_wait(p, client, NULL));
	sem_wait(&p->woken);
	assert_int_equal(p->woken_code, KT_ERR_CANCELLED);
	kt_grpc_client_free(client);
}

static void test_disconnect_cancels(void **state)
{
	pair *p = *state;
	kt_grpc_client *client = pair_client(p);
	kt_grpc_stream *stream = start_wait(p, client, NULL);
	/* Freed in the wrong order on purpose would be a bug: reset, then the connection goes. */
	kt_grpc_stream_free(stream);
	kt_grpc_client_free(client);
	sem_wait(&p->woken);
	assert_int_equal(p->woken_code, KT_ERR_CANCELLED);
}

static void test_client_cancel_token(void **state)
{
	pair *p = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_grpc_client *client = pair_client(p);
	kt_cancel *cancel = kt_cancel_new(&err);
	kt_grpc_opts opts = {.cancel = cancel};
	kt_grpc_stream *stream = start_wait(p, client, &opts);
	kt_cancel_fire(cancel);
	ProtobufCMessage *message = NULL;
	assert_int_equal(kt_grpc_stream_recv(stream, &message, &err), -1);
	assert_int_equal(err.code, KT_ERR_CANCELLED);
	kt_grpc_stream_free(stream);
	kt_cancel_unref(cancel);
	sem_wait(&p->woken);
	kt_grpc_client_free(client);
}

static void test_deadline(void **state)
{
	pair *p = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_grpc_client *client = pair_client(p);
	kt_instant before = kt_now();
	kt_grpc_opts opts = {.deadline = kt_after_ms(80)};
	kt_grpc_stream *stream = start_wait(p, client, &opts);
	ProtobufCMessage *message = NULL;
	assert_int_equal(kt_grpc_stream_recv(stream, &message, &err), -1);
	assert_int_equal(err.code, KT_ERR_TIMEOUT);
	assert_true(kt_now() - before >= 79 * KT_NS_PER_MS);
	/* The server's own clock ends the handler, too. */
	sem_wait(&p->woken);
	assert_true(p->woken_code == KT_ERR_TIMEOUT || p->woken_code == KT_ERR_CANCELLED);
	kt_grpc_stream_free(stream);
	kt_grpc_client_free(client);
}

/* The deadline goes out as grpc-timeout: with the client's own clock off, the server ends it. */
static void test_deadline_of_the_server(void **state)
{
	pair *p = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_grpc_client *client = pair_client(p);
	kt_grpc_opts opts = {.deadline = kt_after_ms(50)};
	kt_grpc_stream *stream = start_wait(p, client, &opts);
	sem_wait(&p->woken);
	assert_int_equal(p->woken_code, KT_ERR_TIMEOUT);
	kt_grpc_stream_free(stream);
	kt_grpc_client_free(client);
	(void)err;
}

static void test_nobody_listens(void **state)
{
	(void)state;
	pair gone;
	pair_init(&gone, &(kt_grpc_config){.name = "gone"});
	uint16_t port = gone.port;
	pair_deinit(&gone);
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_null(kt_grpc_client_new("127.0.0.1", port, NULL, &err));
	assert_int_equal(err.code, KT_ERR_UNAVAILABLE);
	assert_int_not_equal(port, 0);
}

static void test_both_loopbacks(void **state)
{
	pair *p = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_grpc_client *client = kt_grpc_client_new("::1", p->port, NULL, &err);
	if (client == NULL) {
		skip(); /* a machine without IPv6 */
	}
	PAIR_REQUEST(request, "six", "", 0);
	KT_AUTO_MSG ProtobufCMessage *answer = NULL;
	assert_int_equal(kt_grpc_unary(client, &pair_rpcs[PAIR_ECHO], &request.base, NULL, &answer,
				       &err),
			 0);
	kt_grpc_client_free(client);
}

static void test_port_in_use(void **state)
{
	pair *p = *state;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_null(kt_grpc_server_new(&(kt_grpc_config){.port = p->port}, &err));
	assert_int_equal(err.code, KT_ERR_EXISTS);
}

/* The client's thread runs short of memory at every point in turn. */
static int call_once(const pair *p, kt_err *err)
{
	kt_grpc_client *client = kt_grpc_client_new("127.0.0.1", p->port, NULL, err);
	if (client == NULL) {
		return -1;
	}
	PAIR_REQUEST(request, "bad \xFF byte", "abc", 3);
	KT_AUTO_MSG ProtobufCMessage *answer = NULL;
	int rc = kt_grpc_unary(client, &pair_rpcs[PAIR_ECHO], &request.base, NULL, &answer, err);
	kt_grpc_client_free(client);
	return rc;
}

static void test_client_nomem(void **state)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_TEST_EVERY_ALLOC(500, call_once(*state, &err), {});
}

static int set_up(void **state)
{
	static pair p;
	pair_init(&p, &(kt_grpc_config){.name = "pair"});
	*state = &p;
	return 0;
}

static int tear_down(void **state)
{
	pair_deinit(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unary),
		cmocka_unit_test(test_bad_utf8_is_replaced),
		cmocka_unit_test(test_error_chain),
		cmocka_unit_test(test_unknown_paths),
		cmocka_unit_test(test_server_stream),
		cmocka_unit_test(test_client_stream),
		cmocka_unit_test(test_upload_fails_early),
		cmocka_unit_test(test_client_reset_cancels),
		cmocka_unit_test(test_disconnect_cancels),
		cmocka_unit_test(test_client_cancel_token),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_deadline_of_the_server),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_both_loopbacks),
		cmocka_unit_test(test_port_in_use),
		cmocka_unit_test(test_client_nomem),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
