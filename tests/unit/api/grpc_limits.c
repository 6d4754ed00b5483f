/* gRPC under load and at its bounds: many calls, huge streams, back-pressure, stopping. */
#include "pair.h"

#include "base/alloc.h"

#define THREADS 16
#define CALLS 50
#define HUGE_CHUNK (1 << 20)
#define HUGE_COUNT 128

static void *call_often(void *arg)
{
	const pair *p = arg;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_grpc_client *client = kt_grpc_client_new("127.0.0.1", p->port, NULL, &err);
	size_t good = 0;
	for (int i = 0; client != NULL && i < CALLS; i++) {
		char name[24];
		snprintf(name, sizeof(name), "call %d", i);
		PAIR_REQUEST(request, name, "", 0);
		KT_AUTO_MSG ProtobufCMessage *answer = NULL;
		if (kt_grpc_unary(client, &pair_rpcs[PAIR_ECHO], &request.base, NULL, &answer,
				  &err) == 0 &&
		    strcmp(((const chunk *)answer)->metadata->name, name) == 0) {
			good++;
		}
	}
	kt_grpc_client_free(client);
	return (void *)(uintptr_t)good;
}

static void test_many_clients(void **state)
{
	pthread_t threads[THREADS];
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(kt_thread_start(&threads[i], 0, "client", call_often, *state, &err),
				 0);
	}
	for (int i = 0; i < THREADS; i++) {
		void *good = NULL;
		pthread_join(threads[i], &good);
		assert_int_equal((uintptr_t)good, CALLS);
	}
}

/* Many streams interleaved on one connection. */
static void test_many_streams(void **state)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_grpc_client *client = pair_client(*state);
	kt_grpc_stream *streams[40];
	for (size_t i = 0; i < KT_ARRAY_LEN(streams); i++) {
		PAIR_REQUEST(request, "20", "data", 4);
		streams[i] = kt_grpc_stream_start(client, &pair_rpcs[PAIR_COUNT], &request.base,
						  NULL, &err);
		assert_non_null(streams[i]);
	}
	for (int round = 0; round <= 20; round++) {
		for (size_t i = 0; i < KT_ARRAY_LEN(streams); i++) {
			KT_AUTO_MSG ProtobufCMessage *message = NULL;
			assert_int_equal(kt_grpc_stream_recv(streams[i], &message, &err),
					 round < 20 ? 1 : 0);
		}
	}
	for (size_t i = 0; i < KT_ARRAY_LEN(streams); i++) {
		kt_grpc_stream_free(streams[i]);
	}
	kt_grpc_client_free(client);
}

static void test_huge_download(void **state)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_grpc_client *client = pair_client(*state);
	KT_AUTO_FREE char *data = kt_calloc(1, HUGE_CHUNK);
	PAIR_REQUEST(request, "128", data, HUGE_CHUNK);
	kt_grpc_stream *stream = kt_grpc_stream_start(client, &pair_rpcs[PAIR_COUNT], &request.base,
						      NULL, &err);
	size_t total = 0;
	for (;;) {
		KT_AUTO_MSG ProtobufCMessage *message = NULL;
		int rc = kt_grpc_stream_recv(stream, &message, &err);
		assert_true(rc >= 0);
		if (rc == 0) {
			break;
		}
		total += ((const chunk *)message)->data.len;
	}
	assert_int_equal(total, (size_t)HUGE_CHUNK * HUGE_COUNT);
	kt_grpc_stream_free(stream);
	kt_grpc_client_free(client);
}

static void test_huge_upload(void **state)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_grpc_client *client = pair_client(*state);
	KT_AUTO_FREE char *data = kt_calloc(1, HUGE_CHUNK);
	kt_grpc_stream *stream = kt_grpc_stream_open(client, &pair_rpcs[PAIR_COLLECT], NULL, &err);
	for (int i = 0; i < HUGE_COUNT; i++) {
		PAIR_REQUEST(request, "", data, HUGE_CHUNK);
		assert_int_equal(kt_grpc_stream_send(stream, &request.base, &err), 0);
	}
	assert_int_equal(kt_grpc_stream_close_send(stream, &err), 0);
	KT_AUTO_MSG ProtobufCMessage *answer = NULL;
	assert_int_equal(kt_grpc_stream_recv(stream, &answer, &err), 1);
	assert_string_equal(((const chunk *)answer)->previous_chunk_hash, "134217728");
	kt_grpc_stream_free(stream);
	kt_grpc_client_free(client);
}

/* A client that does not read holds its own stream up, and nothing else. */
static void test_slow_reader_blocks_only_itself(void **state)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_grpc_client *slow = pair_client(*state);
	kt_grpc_client *other = pair_client(*state);
	KT_AUTO_FREE char *data = kt_calloc(1, HUGE_CHUNK);
	PAIR_REQUEST(request, "64", data, HUGE_CHUNK);
	kt_grpc_stream *stream = kt_grpc_stream_start(slow, &pair_rpcs[PAIR_COUNT], &request.base,
						      NULL, &err);
	KT_AUTO_MSG ProtobufCMessage *first = NULL;
	assert_int_equal(kt_grpc_stream_recv(stream, &first, &err), 1);
	PAIR_REQUEST(hello, "hello", "", 0);
	KT_AUTO_MSG ProtobufCMessage *answer = NULL;
	assert_int_equal(kt_grpc_unary(other, &pair_rpcs[PAIR_ECHO], &hello.base, NULL, &answer,
				       &err),
			 0);
	/* Also on the same connection. */
	KT_AUTO_MSG ProtobufCMessage *same = NULL;
	assert_int_equal(kt_grpc_unary(slow, &pair_rpcs[PAIR_ECHO], &hello.base, NULL, &same, &err),
			 0);
	pair *p = *state;
	assert_int_equal(kt_grpc_server_running(p->server), 1);
	kt_grpc_stream_free(stream);
	kt_grpc_client_free(slow);
	kt_grpc_client_free(other);
}

static void test_message_too_large(void **state)
{
	(void)state;
	pair p;
	pair_init(&p, &(kt_grpc_config){.name = "small", .max_message = 1000});
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_grpc_client *client = pair_client(&p);
	char data[2000] = {0};
	PAIR_REQUEST(request, "", data, sizeof(data));
	ProtobufCMessage *answer = NULL;
	assert_int_equal(kt_grpc_unary(client, &pair_rpcs[PAIR_ECHO], &request.base, NULL, &answer,
				       &err),
			 -1);
	assert_int_equal(err.code, KT_ERR_EXHAUSTED);
	assert_string_equal(kt_err_message(&err, 0),
			    "grpc: received message larger than max (2005 vs. 1000)");
	/* And on the client's side. */
	kt_grpc_client_max_message(client, 100);
	char few[500] = {0};
	PAIR_REQUEST(second, "", few, sizeof(few));
	assert_int_equal(kt_grpc_unary(client, &pair_rpcs[PAIR_ECHO], &second.base, NULL, &answer,
				       &err),
			 -1);
	assert_int_equal(err.code, KT_ERR_EXHAUSTED);
	kt_grpc_client_free(client);
	pair_deinit(&p);
}

static void test_too_many_calls(void **state)
{
	(void)state;
	pair p;
	pair_init(&p, &(kt_grpc_config){.name = "few", .max_streams = 2});
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_grpc_client *client = pair_client(&p);
	kt_grpc_stream *streams[2];
	PAIR_REQUEST(request, "", "", 0);
	for (int i = 0; i < 2; i++) {
		streams[i] = kt_grpc_stream_start(client, &pair_rpcs[PAIR_WAIT], &request.base,
						  NULL, &err);
		KT_AUTO_MSG ProtobufCMessage *first = NULL;
		assert_int_equal(kt_grpc_stream_recv(streams[i], &first, &err), 1);
	}
	kt_grpc_stream *third = kt_grpc_stream_start(client, &pair_rpcs[PAIR_WAIT], &request.base,
						     NULL, &err);
	ProtobufCMessage *message = NULL;
	assert_int_equal(kt_grpc_stream_recv(third, &message, &err), -1);
	assert_int_equal(err.code, KT_ERR_EXHAUSTED);
	/* Short calls are counted apart. */
	KT_AUTO_MSG ProtobufCMessage *answer = NULL;
	assert_int_equal(kt_grpc_unary(client, &pair_rpcs[PAIR_ECHO], &request.base, NULL, &answer,
				       &err),
			 0);
	kt_grpc_stream_free(third);
	kt_grpc_stream_free(streams[0]);
	kt_grpc_stream_free(streams[1]);
	kt_grpc_client_free(client);
	pair_deinit(&p);
}

/* Stopping cancels what still runs, tells the clients, and lets nothing leak. */
static void test_stop_with_calls_running(void **state)
{
	(void)state;
	pair p;
	pair_init(&p, &(kt_grpc_config){.name = "stop"});
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_grpc_client *client = pair_client(&p);
	PAIR_REQUEST(request, "", "", 0);
	kt_grpc_stream *stream = kt_grpc_stream_start(client, &pair_rpcs[PAIR_WAIT], &request.base,
						      NULL, &err);
	KT_AUTO_MSG ProtobufCMessage *first = NULL;
	assert_int_equal(kt_grpc_stream_recv(stream, &first, &err), 1);
	kt_grpc_server_stop(p.server, 10);
	sem_wait(&p.woken);
	ProtobufCMessage *message = NULL;
	assert_int_equal(kt_grpc_stream_recv(stream, &message, &err), -1);
	assert_int_equal(err.code, KT_ERR_UNAVAILABLE);
	kt_grpc_stream_free(stream);
	kt_grpc_client_free(client);
	pair_deinit(&p);
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
		cmocka_unit_test(test_many_clients),
		cmocka_unit_test(test_many_streams),
		cmocka_unit_test(test_huge_download),
		cmocka_unit_test(test_huge_upload),
		cmocka_unit_test(test_slow_reader_blocks_only_itself),
		cmocka_unit_test(test_message_too_large),
		cmocka_unit_test(test_too_many_calls),
		cmocka_unit_test(test_stop_with_calls_running),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
