/*
 * gRPC over HTTP/2 cleartext with prior knowledge: what server and client share, and the server.
 *
 * One loop thread owns every socket. Each call runs in a thread of its own with plain blocking
 * code; sending blocks while the peer does not read, and a peer whose messages are not taken is
 * held back by flow control. A call's cancel token fires when the client resets the stream, the
 * connection ends, the call's deadline (grpc-timeout) passes or the server stops.
 */
#ifndef KT_NET_GRPC_H
#define KT_NET_GRPC_H

#include "base/clock.h"
#include "base/err.h"
#include "base/thread.h"

#include <protobuf-c/protobuf-c.h>

typedef enum kt_rpc_kind {
	KT_RPC_UNARY,
	KT_RPC_SERVER_STREAM,
	KT_RPC_CLIENT_STREAM,
	KT_RPC_BIDI,
} kt_rpc_kind;

/* One row of a service's table. */
typedef struct kt_rpc {
	const char *path; /* "/package.Service/Method" */
	kt_rpc_kind kind;
	const ProtobufCMessageDescriptor *request;
	const ProtobufCMessageDescriptor *response;
} kt_rpc;

/* Frees a received message of any type; NULL allowed. */
void kt_msg_free(void *message);
/* For KT_CLEANUP on a variable of any message pointer type. */
void kt_msg_free_ptr(void *ptr_to_message);
#define KT_AUTO_MSG KT_CLEANUP(kt_msg_free_ptr)

typedef struct kt_grpc_call kt_grpc_call;
typedef struct kt_grpc_server kt_grpc_server;

/*
 * Handles one call on the call's own thread (256 KiB stack).
 *
 * `request` is the decoded message of unary and server-stream calls, valid until the handler
 * returns; NULL for client streams and bidi, which read with kt_grpc_recv. A handler sends its
 * answers with kt_grpc_send: exactly one unless the response streams. Returning 0 ends the call
 * with status OK. Returning -1 ends it with err: the message is err's chain as
 * kt_err_chain_text gives it; the status is UNIMPLEMENTED for UNSUPPORTED, CANCELLED or
 * DEADLINE_EXCEEDED when the call was cancelled or late, UNKNOWN otherwise, as the clients of
 * this API expect for every error of an application.
 */
typedef int (*kt_grpc_handler)(kt_grpc_call *call, const ProtobufCMessage *request, void *host,
			       kt_err *err);

/* Fires when nobody waits for the answer any more. Borrowed: lives as long as the call. */
kt_cancel *kt_grpc_call_cancel(const kt_grpc_call *call);
/* The moment that the client gave, or KT_NEVER. */
kt_instant kt_grpc_call_deadline(const kt_grpc_call *call);
/*
 * The next message of the request's stream: 1 and *ret (kt_msg_free), 0 at its end, -1 on
 * failure (CANCELLED, TIMEOUT, INVALID: not decodable, EXHAUSTED: larger than max_message).
 */
int kt_grpc_recv(kt_grpc_call *call, ProtobufCMessage **ret, kt_err *err);
/*
 * Sends one message. Blocks while more than 1 MiB waits for the client. Strings that are not
 * valid UTF-8 go out with U+FFFD in place of the bad bytes. Fails with CANCELLED or TIMEOUT.
 * May be called from any one thread at a time.
 */
int kt_grpc_send(kt_grpc_call *call, const ProtobufCMessage *message, kt_err *err);

typedef struct kt_grpc_config {
	const char *const
		*hosts; /* addresses to listen on, NULL-terminated; NULL = 127.0.0.1 and ::1 */
	uint16_t port;            /* 0 = one that is free, the same for all hosts */
	size_t max_message;       /* bytes of a received message; 0 = 2 GiB - 1 */
	unsigned max_calls;       /* running unary and client-stream calls; 0 = 64 */
	unsigned max_streams;     /* running server-stream and bidi calls; 0 = 256 */
	const char *name;         /* for thread names and the log; at most 8 letters */
} kt_grpc_config;

/*
 * Binds the sockets: a port in use is EXISTS with the address in the message. A host whose
 * address family the machine does not have is skipped while another one remains.
 */
KT_MUST_USE kt_grpc_server *kt_grpc_server_new(const kt_grpc_config *config, kt_err *err);
/*
 * Registers a service: handlers[i] serves rpcs[i]; a NULL handler answers UNIMPLEMENTED. Both
 * arrays must outlive the server. Before kt_grpc_server_start.
 */
int kt_grpc_server_add(kt_grpc_server *self, const kt_rpc *rpcs, const kt_grpc_handler *handlers,
		       size_t count, void *host, kt_err *err);
/* Takes over one more listening stream socket, also on failure. Before kt_grpc_server_start. */
int kt_grpc_server_listen_fd(kt_grpc_server *self, int fd, kt_err *err);
/* Starts the loop thread; answers come from here on. */
int kt_grpc_server_start(kt_grpc_server *self, kt_err *err);
uint16_t kt_grpc_server_port(const kt_grpc_server *self);
/*
 * Takes no new calls (GOAWAY), lets running ones end for grace_ms, then cancels them and waits
 * until every handler has returned. Idempotent; from any thread but a handler's. Blocking.
 */
void kt_grpc_server_stop(kt_grpc_server *self, int64_t grace_ms);
void kt_grpc_server_free(kt_grpc_server *self); /* stops with no grace first; NULL allowed */
/* Calls running at this moment (for an idle shutdown and tests). */
unsigned kt_grpc_server_running(kt_grpc_server *self);

#endif
