/* One call: its thread, and the queues through which the thread and the loop meet. */
#include "net/grpc_server_internal.h"

#include "base/alloc.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

kt_grpc_call *kt_call_new(kt_grpc_server *server, kt_conn *conn, int32_t stream_id)
{
	kt_grpc_call *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		return NULL;
	}
	self->cancel = kt_cancel_new(NULL);
	if (self->cancel == NULL) {
		kt_free(self);
		return NULL;
	}
	self->server = server;
	self->conn = conn;
	self->stream_id = stream_id;
	self->encoding_ok = true;
	self->timeout_ns = -1;
	self->deadline = KT_NEVER;
	self->assembler.max = server->max_message;
	self->refs = 1;
	self->job = (kt_loop_job){kt_conn_attend, self, NULL};
	pthread_mutex_init(&self->lock, NULL);
	pthread_cond_init(&self->changed, NULL);
	return self;
}

void kt_call_unref(kt_grpc_call *self)
{
	bool last;
	{
		KT_LOCK(&self->lock);
		last = --self->refs == 0;
	}
	if (!last) {
		return;
	}
	kt_pieces_clear(&self->rx);
	kt_pieces_clear(&self->tx);
	kt_assembler_deinit(&self->assembler);
	kt_cancel_unref(self->cancel);
	kt_free(self->message);
	kt_free(self->hint);
	pthread_cond_destroy(&self->changed);
	pthread_mutex_destroy(&self->lock);
	kt_free(self);
}

/* Has the loop look at the call. The lock is held. */
static void post_locked(kt_grpc_call *self)
{
	if (!self->posted) {
		self->posted = true;
		self->refs++;
		kt_loop_post_job(self->server->loop, &self->job);
	}
}

void kt_call_kill(kt_grpc_call *self, kt_err_code why)
{
	{
		KT_LOCK(&self->lock);
		if (self->dead != KT_ERR_OK || self->finished) {
			return;
		}
		self->dead = why;
		kt_pieces_clear(&self->rx);
		pthread_cond_broadcast(&self->changed);
	}
	kt_cancel_fire(self->cancel);
}

kt_cancel *kt_grpc_call_cancel(const kt_grpc_call *call)
{
	return call->cancel;
}

kt_instant kt_grpc_call_deadline(const kt_grpc_call *call)
{
	return call->deadline;
}

static int dead_error(const kt_grpc_call *self, kt_err *err)
{
	switch (self->dead) {
	case KT_ERR_TIMEOUT:
		return KT_FAIL(err, TIMEOUT, "the caller's deadline has passed");
	case KT_ERR_UNAVAILABLE:
		return KT_FAIL(err, CANCELLED, "the server is stopping");
	default:
		return KT_FAIL(err, CANCELLED, "the caller has cancelled the call");
	}
}

/* The next message: 1, 0 at the end, -1. */
static int take_message(kt_grpc_call *self, kt_piece **ret, kt_err *err)
{
	KT_LOCK(&self->lock);
	while (self->dead == KT_ERR_OK && self->rx.first == NULL && !self->rx_end) {
		pthread_cond_wait(&self->changed, &self->lock);
	}
	if (self->dead != KT_ERR_OK) {
		return dead_error(self, err);
	}
	size_t before = self->rx.bytes;
	*ret = kt_pieces_take(&self->rx);
	if (before >= KT_RX_QUEUE_MAX && self->rx.bytes < KT_RX_QUEUE_MAX) {
		post_locked(self); /* there is window to give back */
	}
	return *ret != NULL ? 1 : 0;
}

int kt_grpc_recv(kt_grpc_call *call, ProtobufCMessage **ret, kt_err *err)
{
	kt_piece *piece = NULL;
	int rc = take_message(call, &piece, err);
	if (rc == 1) {
		ProtobufCMessage *message = kt_grpc_decode(call->rpc->request, piece, err);
		kt_free(piece);
		if (message == NULL) {
			return -1;
		}
		*ret = message;
	}
	return rc;
}

int kt_grpc_send(kt_grpc_call *call, const ProtobufCMessage *message, kt_err *err)
{
	KT_ASSERT(message->descriptor == call->rpc->response);
	kt_piece *piece = kt_grpc_encode(message);
	if (piece == NULL) {
		return kt_err_nomem(err);
	}
	KT_LOCK(&call->lock);
	while (call->dead == KT_ERR_OK && call->tx.bytes > KT_TX_QUEUE_MAX) {
		pthread_cond_wait(&call->changed, &call->lock);
	}
	if (call->dead != KT_ERR_OK) {
		kt_free(piece);
		return dead_error(call, err);
	}
	kt_pieces_add(&call->tx, piece);
	call->sent_any = true;
	post_locked(call);
	return 0;
}

static int status_of(const kt_grpc_call *self, const kt_err *err)
{
	if (self->dead == KT_ERR_UNAVAILABLE) {
		return KT_GRPC_UNAVAILABLE;
	}
	if (self->dead != KT_ERR_OK) {
		return self->dead == KT_ERR_TIMEOUT ? KT_GRPC_DEADLINE_EXCEEDED
						    : KT_GRPC_CANCELLED;
	}
	return err->code == KT_ERR_UNSUPPORTED ? KT_GRPC_UNIMPLEMENTED : KT_GRPC_UNKNOWN;
}

static void finish(kt_grpc_call *self, int rc, const kt_err *err)
{
	char *message = rc < 0 ? kt_err_chain_text(err) : NULL;
	char *hint = rc < 0 ? kt_strdup(err->hint) : NULL;
	KT_LOCK(&self->lock);
	if (self->finished) {
		/* The loop has answered already. */
		kt_free(message);
		kt_free(hint);
		return;
	}
	bool one_answer =
		self->rpc->kind == KT_RPC_UNARY || self->rpc->kind == KT_RPC_CLIENT_STREAM;
	if (rc == 0 && one_answer && !self->sent_any) {
		self->status = KT_GRPC_INTERNAL;
		message = kt_strdup("the handler has not answered");
	} else if (rc < 0) {
		self->status = status_of(self, err);
	}
	self->message = message;
	self->hint = hint;
	self->finished = true;
	post_locked(self);
}

/* Requests that are one message are read before the handler runs. */
static int read_request(kt_grpc_call *self, ProtobufCMessage **ret, kt_err *err)
{
	if (self->rpc->kind == KT_RPC_CLIENT_STREAM || self->rpc->kind == KT_RPC_BIDI) {
		return 0;
	}
	int rc = kt_grpc_recv(self, ret, err);
	if (rc == 0) {
		return KT_FAIL(err, INVALID, "the request has no message");
	}
	return rc < 0 ? -1 : 0;
}

static void *call_main(void *arg)
{
	kt_grpc_call *self = arg;
	kt_grpc_server *server = self->server;
	bool is_stream = self->rpc->kind == KT_RPC_SERVER_STREAM || self->rpc->kind == KT_RPC_BIDI;
	{
		KT_AUTO_ERR kt_err err = KT_ERR_INIT;
		KT_AUTO_MSG ProtobufCMessage *request = NULL;
		int rc = read_request(self, &request, &err);
		if (rc == 0) {
			rc = self->handler(self, request, self->host, &err);
		}
		finish(self, rc, &err);
	}
	kt_call_unref(self);
	/* The last touch: whoever waits for the count may free the server. */
	KT_LOCK(&server->lock);
	if (is_stream) {
		server->streams--;
	} else {
		server->calls--;
	}
	pthread_cond_broadcast(&server->changed);
	return NULL;
}

static bool admit(kt_grpc_server *server, unsigned *count, unsigned max)
{
	KT_LOCK(&server->lock);
	if (*count >= max) {
		return false;
	}
	(*count)++;
	return true;
}

void kt_call_start(kt_grpc_call *self)
{
	kt_grpc_server *server = self->server;
	bool is_stream = self->rpc->kind == KT_RPC_SERVER_STREAM || self->rpc->kind == KT_RPC_BIDI;
	unsigned *count = is_stream ? &server->streams : &server->calls;
	unsigned max = is_stream ? server->max_streams : server->max_calls;
	if (!admit(server, count, max)) {
		char text[96];
		snprintf(text, sizeof(text), "too many calls at once (%u run); try again later",
			 max);
		kt_conn_refuse(self, KT_GRPC_RESOURCE_EXHAUSTED, text);
		return;
	}
	self->started = true;
	{
		KT_LOCK(&self->lock);
		self->refs++;
	}
	pthread_t thread;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	if (kt_thread_start(&thread, 0, server->name, call_main, self, &err) == 0) {
		pthread_detach(thread);
		return;
	}
	kt_log_err(KT_LOG_WARN, "grpc", &err, "a call cannot run");
	self->started = false;
	kt_call_unref(self);
	{
		KT_LOCK(&server->lock);
		(*count)--;
	}
	kt_conn_refuse(self, KT_GRPC_RESOURCE_EXHAUSTED, "no thread is to be had for the call");
}
