/*
 * Requests to supervisors over their control sockets. Connections are kept for the next
 * request; each is used by one thread at a time. Thread-safe.
 */
#ifndef KT_BACKEND_NATIVE_SUP_CLIENT_H
#define KT_BACKEND_NATIVE_SUP_CLIENT_H

#include "backend/native/sup_proto.h"
#include "base/clock.h"
#include "base/thread.h"

typedef struct kt_sup_clients kt_sup_clients; /* the kept connections */

KT_MUST_USE kt_sup_clients *kt_sup_clients_new(kt_err *err);
void kt_sup_clients_free(kt_sup_clients *self); /* NULL allowed */

/* A connection whose supervisor has said hello. */
typedef struct kt_sup_conn kt_sup_conn;

/* A kept connection to this socket, or a new one. UNAVAILABLE when nobody listens there. */
kt_sup_conn *kt_sup_conn_get(kt_sup_clients *clients, const char *socket_path, kt_err *err);
/* Gives it back for others to use; with `broken` it is closed. */
void kt_sup_conn_put(kt_sup_clients *clients, kt_sup_conn *conn, bool broken);
int kt_sup_conn_fd(const kt_sup_conn *conn);
/* Closes all kept connections to this socket. */
void kt_sup_clients_drop(kt_sup_clients *self, const char *socket_path);

/*
 * One request and its reply. Zero-initialise (KT_SUP_CALL), start with kt_sup_call_begin, add
 * fields to msg, send; read the reply from `reply`. kt_sup_call_deinit closes descriptors that
 * were not taken (set to -1).
 */
typedef struct kt_sup_call {
	kt_sup_type type;
	kt_buf msg;
	const int *fds; /* to send; borrowed */
	size_t fd_count;
	kt_instant deadline; /* 0 = never */
	const kt_cancel *cancel;
	bool only_running; /* do not start a supervisor for it */

	kt_buf reply_buf;
	kt_sup_reader reply;
	int reply_fds[KT_SUP_FDS_MAX];
	size_t reply_fd_count;
	bool sent; /* the supervisor may have acted */
} kt_sup_call;

#define KT_AUTO_SUP_CALL KT_CLEANUP(kt_sup_call_deinit)
void kt_sup_call_begin(kt_sup_call *self, kt_sup_type type);
void kt_sup_call_deinit(kt_sup_call *self);
/* The i-th descriptor of the reply, now the caller's; -1 if there is none. */
int kt_sup_call_take_fd(kt_sup_call *self, size_t i);

/*
 * Sends and waits for the reply. An error status in it becomes err (its code, message, step and
 * errno). CANCELLED and TIMEOUT leave the connection unusable; broken is set then and
 * whenever the connection failed (UNAVAILABLE).
 */
int kt_sup_conn_call(kt_sup_conn *conn, kt_sup_call *call, bool *broken, kt_err *err);

/* Waits for the next message of any kind (events). 1, 0 = the peer closed, -1. */
int kt_sup_conn_receive(kt_sup_conn *conn, kt_buf *msg, kt_sup_reader *ret, kt_instant deadline,
			const kt_cancel *cancel, kt_err *err);

#endif
