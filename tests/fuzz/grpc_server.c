/*
 * The gRPC server as its socket sees it: the input is what a client sends after the connection
 * preface. The server must neither crash nor keep the connection once the client has gone.
 */
#include "fuzz.h"

#include "api/api.h"
#include "api/services.h"
#include "base/fs.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

static int echo(kt_grpc_call *call, const ProtobufCMessage *request, void *host, kt_err *err)
{
	(void)request;
	(void)host;
	EngineApi__GetEngineInfoResponse answer = ENGINE_API__GET_ENGINE_INFO_RESPONSE__INIT;
	return kt_grpc_send(call, &answer.base, err);
}

static const kt_grpc_handler handlers[KT_ENGINE_RPC_COUNT] = {[KT_ENGINE_GET_ENGINE_INFO] = echo};
static kt_grpc_server *server;

static void stop_server(void)
{
	kt_grpc_server_free(server);
}

static uint16_t start_server(void)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	static const char *const hosts[] = {"127.0.0.1", NULL};
	server = kt_grpc_server_new(&(kt_grpc_config){.hosts = hosts, .max_message = 65536}, &err);
	KT_ASSERT(server != NULL);
	KT_ASSERT(kt_grpc_server_add(server, kt_engine_rpcs, handlers, KT_ENGINE_RPC_COUNT, NULL,
				     &err) == 0);
	KT_ASSERT(kt_grpc_server_start(server, &err) == 0);
	atexit(stop_server);
	return kt_grpc_server_port(server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint16_t port;
	if (server == NULL) {
		port = start_server();
	}
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	KT_AUTO_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		return 0;
	}
	/* A server that has hung up already may refuse the rest. */
	if (send(fd, PREFACE, sizeof(PREFACE) - 1, MSG_NOSIGNAL) > 0 && len > 0) {
		(void)!send(fd, data, len, MSG_NOSIGNAL);
	}
	shutdown(fd, SHUT_WR);
	char answer[4096];
	while (recv(fd, answer, sizeof(answer), 0) > 0) {
	}
	return 0;
}
