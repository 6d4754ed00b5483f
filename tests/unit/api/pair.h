/*
 * A server on loopback and what the tests of gRPC need to call it. One service of four rpcs made
 * of the API's own message types:
 *
 *   Echo      unary   chunk -> chunk   answers what it got
 *   Count     server  chunk -> chunks  metadata.name = how many, data = what each carries
 *   Collect   client  chunks -> chunk  answers the total length as text in metadata.name
 *   Fail      unary   chunk -> chunk   fails with the chain outer / inner and a hint
 *   Wait      server  chunk -> chunks  sends one, then waits until cancelled
 */
#ifndef KT_TESTS_API_PAIR_H
#define KT_TESTS_API_PAIR_H

#include "api/api.h"
#include "api/services.h"
#include "net/grpc_client.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef ApiContainerApi__StreamedDataChunk chunk;

enum {
	PAIR_ECHO,
	PAIR_COUNT,
	PAIR_COLLECT,
	PAIR_FAIL,
	PAIR_WAIT,
	PAIR_ABSENT,
	PAIR_SILENT,
	PAIR_RPCS
};

typedef struct pair {
	kt_grpc_server *server;
	uint16_t port;
	sem_t waiting;  /* Wait has sent its first message */
	sem_t woken;    /* Wait's token has fired */
	atomic_int woken_code; /* what its send then failed with */
} pair;

#define CHUNK_DESCRIPTOR &api_container_api__streamed_data_chunk__descriptor

static const kt_rpc pair_rpcs[PAIR_RPCS] = {
	[PAIR_ECHO] = {"/test.Pair/Echo", KT_RPC_UNARY, CHUNK_DESCRIPTOR, CHUNK_DESCRIPTOR},
	[PAIR_COUNT] = {"/test.Pair/Count", KT_RPC_SERVER_STREAM, CHUNK_DESCRIPTOR, CHUNK_DESCRIPTOR},
	[PAIR_COLLECT] = {"/test.Pair/Collect", KT_RPC_CLIENT_STREAM, CHUNK_DESCRIPTOR,
			  CHUNK_DESCRIPTOR},
	[PAIR_FAIL] = {"/test.Pair/Fail", KT_RPC_UNARY, CHUNK_DESCRIPTOR, CHUNK_DESCRIPTOR},
	[PAIR_WAIT] = {"/test.Pair/Wait", KT_RPC_SERVER_STREAM, CHUNK_DESCRIPTOR, CHUNK_DESCRIPTOR},
	[PAIR_ABSENT] = {"/test.Pair/Absent", KT_RPC_UNARY, CHUNK_DESCRIPTOR, CHUNK_DESCRIPTOR},
	[PAIR_SILENT] = {"/test.Pair/Silent", KT_RPC_UNARY, CHUNK_DESCRIPTOR, CHUNK_DESCRIPTOR},
};

static inline int pair_echo(kt_grpc_call *call, const ProtobufCMessage *request, void *host,
			    kt_err *err)
{
	(void)host;
	return kt_grpc_send(call, request, err);
}

static inline int pair_count(kt_grpc_call *call, const ProtobufCMessage *request, void *host,
			     kt_err *err)
{
	(void)host;
	const chunk *in = (const chunk *)request;
	long count = strtol(in->metadata->name, NULL, 10);
	for (long i = 0; i < count; i++) {
		chunk out = API_CONTAINER_API__STREAMED_DATA_CHUNK__INIT;
		char number[24];
		snprintf(number, sizeof(number), "%ld", i);
		out.previous_chunk_hash = number;
		out.data = in->data;
		if (kt_grpc_send(call, &out.base, err) < 0) {
			return -1;
		}
	}
	return 0;
}

static inline int pair_collect(kt_grpc_call *call, const ProtobufCMessage *request, void *host,
			       kt_err *err)
{
	(void)request;
	(void)host;
	size_t total = 0;
	for (;;) {
		KT_AUTO_MSG ProtobufCMessage *message = NULL;
		int rc = kt_grpc_recv(call, &message, err);
		if (rc < 0) {
			return -1;
		}
		if (rc == 0) {
			break;
		}
		const chunk *in = (const chunk *)message;
		total += in->data.len;
		if (strcmp(in->previous_chunk_hash, "stop") == 0) {
			return KT_FAIL(err, INVALID, "stopped after %zu bytes", total);
		}
	}
	chunk out = API_CONTAINER_API__STREAMED_DATA_CHUNK__INIT;
	char text[24];
	snprintf(text, sizeof(text), "%zu", total);
	out.previous_chunk_hash = text;
	return kt_grpc_send(call, &out.base, err);
}

static inline int pair_fail(kt_grpc_call *call, const ProtobufCMessage *request, void *host,
			    kt_err *err)
{
	(void)call;
	(void)request;
	(void)host;
	KT_FAIL(err, NOT_FOUND, "inner: 100%% of \xC3\xA9t\xC3\xA9\nsecond line");
	KT_WRAP(err, "outer");
	kt_err_hint(err, "look elsewhere");
	return -1;
}

static inline int pair_wait(kt_grpc_call *call, const ProtobufCMessage *request, void *host,
			    kt_err *err)
{
	pair *self = host;
	if (kt_grpc_send(call, request, err) < 0) {
		return -1;
	}
	sem_post(&self->waiting);
	KT_AUTO_ERR kt_err why = KT_ERR_INIT;
	kt_wait_fd(-1, 0, KT_NEVER, kt_grpc_call_cancel(call), &why);
	int rc = kt_grpc_send(call, request, err);
	self->woken_code = rc < 0 && err != NULL ? (int)err->code : 0;
	sem_post(&self->woken);
	return rc;
}

static inline int pair_silent(kt_grpc_call *call, const ProtobufCMessage *request, void *host,
			      kt_err *err)
{
	(void)call;
	(void)request;
	(void)host;
	(void)err;
	return 0;
}

static const kt_grpc_handler pair_handlers[PAIR_RPCS] = {
	[PAIR_ECHO] = pair_echo,       [PAIR_COUNT] = pair_count, [PAIR_COLLECT] = pair_collect,
	[PAIR_FAIL] = pair_fail,       [PAIR_WAIT] = pair_wait,	  [PAIR_SILENT] = pair_silent,
};

static inline void pair_init(pair *self, const kt_grpc_config *config)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	memset(self, 0, sizeof(*self));
	sem_init(&self->waiting, 0, 0);
	sem_init(&self->woken, 0, 0);
	self->server = kt_grpc_server_new(config, &err);
	assert_non_null(self->server);
	assert_int_equal(kt_grpc_server_add(self->server, pair_rpcs, pair_handlers, PAIR_RPCS, self,
					    &err),
			 0);
	assert_int_equal(kt_grpc_server_start(self->server, &err), 0);
	self->port = kt_grpc_server_port(self->server);
}

static inline void pair_deinit(pair *self)
{
	kt_grpc_server_free(self->server);
	sem_destroy(&self->waiting);
	sem_destroy(&self->woken);
}

static inline kt_grpc_client *pair_client(const pair *self)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_grpc_client *client = kt_grpc_client_new("127.0.0.1", self->port, NULL, &err);
	assert_non_null(client);
	return client;
}

/* A request that says `name` and carries len bytes of data (borrowed). */
#define PAIR_REQUEST(var, text, bytes, count)                                                      \
	ApiContainerApi__DataChunkMetadata var##_metadata =                                        \
		API_CONTAINER_API__DATA_CHUNK_METADATA__INIT;                                      \
	var##_metadata.name = (char *)(uintptr_t)(text);                                           \
	chunk var = API_CONTAINER_API__STREAMED_DATA_CHUNK__INIT;                                  \
	var.metadata = &var##_metadata;                                                            \
	var.data = (ProtobufCBinaryData){(count), (uint8_t *)(uintptr_t)(bytes)}

#endif
