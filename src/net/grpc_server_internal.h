/*
 * The three parts of the gRPC server: grpc_server.c (listeners, registration, start and stop),
 * grpc_conn.c (one connection: socket and HTTP/2 session, on the loop's thread) and grpc_call.c
 * (one call: the meeting point of its own thread and the loop's).
 *
 * A call has two references: its stream's, dropped when the stream closes, and its thread's.
 * What both threads touch is under call->lock; the loop is told of a change by call->job.
 */
#ifndef KT_NET_GRPC_SERVER_INTERNAL_H
#define KT_NET_GRPC_SERVER_INTERNAL_H

#include "net/grpc_wire.h"
#include "net/loop.h"

#include <nghttp2/nghttp2.h>

/* Whole messages waiting for the handler; past it the client gets no more window. */
#define KT_RX_QUEUE_MAX ((size_t)4 << 20)
/* Bytes waiting for the client; past it the handler blocks. */
#define KT_TX_QUEUE_MAX ((size_t)1 << 20)
#define KT_STREAM_WINDOW (4 << 20)
#define KT_CONNECTION_WINDOW (16 << 20)
#define KT_STREAMS_MAX 250
/* Output of grpc-message; more would burst the header limits of some clients. */
#define KT_MESSAGE_TRAILER_MAX 7168
#define KT_PATH_MAX 256

typedef struct kt_conn kt_conn;

typedef struct kt_service {
	const kt_rpc *rpcs;
	const kt_grpc_handler *handlers;
	size_t count;
	void *host;
	struct kt_service *next;
} kt_service;

typedef struct kt_listener {
	kt_grpc_server *server;
	kt_watch *watch;
	int fd;
	struct kt_listener *next;
} kt_listener;

struct kt_grpc_server {
	kt_loop *loop;
	kt_listener *listeners;
	kt_service *services; /* fixed once started */
	uint16_t port;
	size_t max_message;
	unsigned max_calls;
	unsigned max_streams;
	char name[10];
	bool started;
	int reserve_fd; /* given up for a moment when descriptors run out, to refuse politely */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* running calls or connections became fewer */
	unsigned calls;         /* under lock: threads of short calls */
	unsigned streams;       /* under lock: threads of streaming calls */
	unsigned conn_count;    /* under lock */
	bool stopped;           /* under lock: stop has run or is running */
	kt_conn *conns;         /* loop's thread only, like all below */
};

struct kt_conn {
	kt_grpc_server *server;
	int fd;
	kt_watch *watch;
	nghttp2_session *session;
	kt_buf out;     /* serialized frames */
	size_t out_pos; /* sent of them */
	bool dead;      /* close as soon as the current callback is done */
	int busy;       /* inside nghttp2: a flush must wait */
	kt_grpc_call *calls;
	kt_conn *prev;
	kt_conn *next;
};

struct kt_grpc_call {
	kt_grpc_server *server;
	kt_cancel *cancel;

	/* Loop's thread only. */
	kt_conn *conn; /* NULL once the stream is closed */
	kt_grpc_call *prev; /* of the connection's calls */
	kt_grpc_call *next;
	int32_t stream_id;
	char path[KT_PATH_MAX];
	bool is_post;
	bool is_grpc;
	bool encoding_ok;
	bool started;    /* has a thread */
	bool responded;  /* headers are submitted */
	bool refused;    /* ended by the server itself: status and message are final */
	size_t held;     /* received bytes not yet given back to the stream's window */
	kt_timer *timer;
	int64_t timeout_ns; /* -1 = none */
	kt_assembler assembler;

	/* Fixed before the thread starts. */
	const kt_rpc *rpc;
	kt_grpc_handler handler;
	void *host;
	kt_instant deadline;

	/* Under lock. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned refs;
	bool posted; /* job is queued */
	kt_loop_job job;
	kt_pieces rx;
	bool rx_end;
	kt_pieces tx;
	bool sent_any;
	bool finished;      /* the handler has returned: status and message are set */
	kt_err_code dead;   /* not OK: nobody waits any more (CANCELLED, TIMEOUT, UNAVAILABLE) */
	int status;
	char *message; /* chain of the error; NULL = "" */
	char *hint;
};

/* grpc_call.c */
kt_grpc_call *kt_call_new(kt_grpc_server *server, kt_conn *conn, int32_t stream_id);
void kt_call_unref(kt_grpc_call *self);
/* Loop: the thread may start. Answers RESOURCE_EXHAUSTED itself when there is no room. */
void kt_call_start(kt_grpc_call *self);
/* Loop: nobody waits any more; wakes the handler. */
void kt_call_kill(kt_grpc_call *self, kt_err_code why);

/* grpc_conn.c */
int kt_conn_new(kt_grpc_server *server, int fd);
/* Closes at once, killing its calls. */
void kt_conn_close(kt_conn *self);
/* No new calls on it; it closes when the last one has ended. */
void kt_conn_drain(kt_conn *self);
/* Ends a call from the server's side with that status; its handler, if any, is cancelled. */
void kt_conn_refuse(kt_grpc_call *call, kt_grpc_status status, const char *message);
/* The loop's part of what a handler did: kt_grpc_call.job. */
void kt_conn_attend(void *call);
/* Kills every call of the connection. */
void kt_conn_kill_calls(kt_conn *self);

/* grpc_server.c */
/* Finds the row; on failure *ret_status and message (cap bytes) say what to answer. */
bool kt_server_find(const kt_grpc_server *self, kt_grpc_call *call, char *message, size_t cap);

#endif
