/*
 * The gRPC client: blocking calls over one h2c connection.
 *
 * There is no thread behind it: the calling thread does the socket's work while it waits. A
 * client and its streams therefore belong to one thread at a time. Several streams may be open
 * at once. A server's status becomes an error whose code follows the gRPC status and whose chain
 * is the one that the server sent.
 */
#ifndef KT_NET_GRPC_CLIENT_H
#define KT_NET_GRPC_CLIENT_H

#include "net/grpc.h"

typedef struct kt_grpc_client kt_grpc_client;
typedef struct kt_grpc_stream kt_grpc_stream;

/* Zero-filled: no deadline, no cancelling. */
typedef struct kt_grpc_opts {
	kt_instant deadline; /* 0 and KT_NEVER = none; also sent as grpc-timeout */
	const kt_cancel *cancel;
} kt_grpc_opts;

/* Connects. UNAVAILABLE when nobody listens. host is a name or an address. opts may be NULL. */
KT_MUST_USE kt_grpc_client *kt_grpc_client_new(const char *host, uint16_t port,
					       const kt_grpc_opts *opts, kt_err *err);
/* Takes over a connected stream socket (also on failure). */
KT_MUST_USE kt_grpc_client *kt_grpc_client_from_fd(int fd, kt_err *err);
void kt_grpc_client_free(
	kt_grpc_client *self); /* open streams must be freed before; NULL allowed */
/* Bytes of a received message; 100 MiB at start. */
void kt_grpc_client_max_message(kt_grpc_client *self, size_t bytes);

/* One request, one answer in *ret (kt_msg_free). opts may be NULL. */
int kt_grpc_unary(kt_grpc_client *self, const kt_rpc *rpc, const ProtobufCMessage *request,
		  const kt_grpc_opts *opts, ProtobufCMessage **ret, kt_err *err);

/* Opens a call of any kind. The deadline and token hold for the whole call. */
KT_MUST_USE kt_grpc_stream *kt_grpc_stream_open(kt_grpc_client *self, const kt_rpc *rpc,
						const kt_grpc_opts *opts, kt_err *err);
/* As open, then sends the single request of a server-stream call. */
KT_MUST_USE kt_grpc_stream *kt_grpc_stream_start(kt_grpc_client *self, const kt_rpc *rpc,
						 const ProtobufCMessage *request,
						 const kt_grpc_opts *opts, kt_err *err);
/*
 * Sends one message; blocks while more than 1 MiB waits for the server. When the server has
 * already ended the call the error is the call's status.
 */
int kt_grpc_stream_send(kt_grpc_stream *self, const ProtobufCMessage *message, kt_err *err);
/* No more messages from this side. */
int kt_grpc_stream_close_send(kt_grpc_stream *self, kt_err *err);
/* 1 and *ret (kt_msg_free); 0 when the server ended the call with OK; -1 otherwise. */
int kt_grpc_stream_recv(kt_grpc_stream *self, ProtobufCMessage **ret, kt_err *err);
/* Resets the call if it has not ended. NULL allowed. */
void kt_grpc_stream_free(kt_grpc_stream *self);

#endif
