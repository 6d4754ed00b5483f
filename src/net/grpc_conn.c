/*
 * One connection: bytes between the socket and nghttp2, and nghttp2's events turned into calls.
 * All of it runs on the loop's thread.
 *
 * Flow control: a connection's window is given back as bytes arrive, so that one slow call does
 * not hold up the others; a stream's only while its handler keeps up.
 */
#include "net/grpc_server_internal.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE ((size_t)64 << 10)
#define OUT_BATCH ((size_t)256 << 10)

#define NV(n, v, len)                                                                              \
	((nghttp2_nv){(uint8_t *)(uintptr_t)(n), (uint8_t *)(uintptr_t)(v), sizeof(n) - 1, (len),  \
		      NGHTTP2_NV_FLAG_NONE})

static void flush(kt_conn *self);

/* --- answering -------------------------------------------------------------------------- */

/* The trailing headers of a call; the text buffers belong to the caller. */
static size_t trailer_fields(const kt_grpc_call *call, nghttp2_nv *nva, kt_buf *status,
			     kt_buf *message, kt_buf *hint)
{
	size_t n = 0;
	kt_buf_addf(status, "%d", call->status);
	nva[n++] = NV("grpc-status", kt_buf_str(status), status->len);
	if (!kt_str_empty(call->message)) {
		kt_grpc_percent_encode(message, call->message, KT_MESSAGE_TRAILER_MAX);
		nva[n++] = NV("grpc-message", kt_buf_str(message), message->len);
	}
	if (!kt_str_empty(call->hint)) {
		kt_grpc_percent_encode(hint, call->hint, KT_MESSAGE_TRAILER_MAX / 4);
		nva[n++] = NV("kurtosis-hint", kt_buf_str(hint), hint->len);
	}
	return n;
}

static void submit_trailers(kt_grpc_call *call)
{
	KT_AUTO_BUF kt_buf status = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf message = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf hint = KT_BUF_INIT;
	nghttp2_nv nva[3];
	size_t n = trailer_fields(call, nva, &status, &message, &hint);
	nghttp2_submit_trailer(call->conn->session, call->stream_id, nva, n);
}

static ssize_t read_answer(nghttp2_session *session, int32_t stream_id, uint8_t *out,
				 size_t cap, uint32_t *flags, nghttp2_data_source *source,
				 void *arg)
{
	(void)session;
	(void)stream_id;
	(void)arg;
	kt_grpc_call *call = source->ptr;
	KT_LOCK(&call->lock);
	size_t before = call->tx.bytes;
	size_t n = call->refused ? 0 : kt_pieces_read(&call->tx, out, cap);
	if (before > KT_TX_QUEUE_MAX && call->tx.bytes <= KT_TX_QUEUE_MAX) {
		pthread_cond_broadcast(&call->changed);
	}
	if (call->refused || (call->finished && call->tx.bytes == 0)) {
		*flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
		submit_trailers(call);
		return (ssize_t)n;
	}
	return n > 0 ? (ssize_t)n : NGHTTP2_ERR_DEFERRED;
}

/* Headers, and the end as well when there is no message to send. The call's lock is held. */
static void submit_headers(kt_grpc_call *call, bool ended)
{
	KT_AUTO_BUF kt_buf status = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf message = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf hint = KT_BUF_INIT;
	nghttp2_nv nva[5] = {
		NV(":status", "200", 3),
		NV("content-type", "application/grpc", 16),
	};
	size_t n = 2;
	nghttp2_data_provider provider = {.source = {.ptr = call}, .read_callback = read_answer};
	if (ended) {
		n += trailer_fields(call, nva + 2, &status, &message, &hint);
	}
	nghttp2_submit_response(call->conn->session, call->stream_id, nva, n,
				ended ? NULL : &provider);
	call->responded = true;
}

void kt_conn_refuse(kt_grpc_call *call, kt_grpc_status status, const char *message)
{
	if (call->conn == NULL || call->refused) {
		return;
	}
	kt_call_kill(call, status == KT_GRPC_DEADLINE_EXCEEDED ? KT_ERR_TIMEOUT
							       : KT_ERR_CANCELLED);
	{
		KT_LOCK(&call->lock);
		if (call->finished) {
			return;
		}
		call->refused = true;
		call->finished = true;
		call->status = (int)status;
		kt_free(call->message);
		call->message = kt_strdup(message);
		kt_pieces_clear(&call->tx);
		if (!call->responded) {
			submit_headers(call, true);
		} else {
			nghttp2_session_resume_data(call->conn->session, call->stream_id);
		}
	}
	flush(call->conn);
}

/* Answers a request that is not gRPC at all. */
static void refuse_http(kt_grpc_call *call, const char *status, const char *name, const char *value)
{
	nghttp2_nv nva[2] = {
		NV(":status", status, 3),
		{(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
		 strlen(value), NGHTTP2_NV_FLAG_NONE},
	};
	call->refused = true;
	call->responded = true;
	nghttp2_submit_response(call->conn->session, call->stream_id, nva, 2, NULL);
}

void kt_conn_attend(void *arg)
{
	kt_grpc_call *call = arg;
	kt_conn *conn = call->conn;
	{
		KT_LOCK(&call->lock);
		call->posted = false;
		if (conn != NULL && !call->refused) {
			if (call->held > 0 && call->rx.bytes < KT_RX_QUEUE_MAX) {
				nghttp2_session_consume_stream(conn->session, call->stream_id,
							       call->held);
				call->held = 0;
			}
			if (call->responded) {
				nghttp2_session_resume_data(conn->session, call->stream_id);
			} else if (call->tx.bytes > 0 || call->finished) {
				submit_headers(call, call->tx.bytes == 0);
			}
		}
	}
	kt_call_unref(call);
	if (conn != NULL) {
		flush(conn);
	}
}

/* --- what nghttp2 reports --------------------------------------------------------------- */

static kt_grpc_call *call_of(kt_conn *self, int32_t stream_id)
{
	return nghttp2_session_get_stream_user_data(self->session, stream_id);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	kt_conn *self = arg;
	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
		return 0;
	}
	kt_grpc_call *call = kt_call_new(self->server, self, frame->hd.stream_id);
	if (call == NULL) {
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* resets the stream */
	}
	nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, call);
	call->next = self->calls;
	if (call->next != NULL) {
		call->next->prev = call;
	}
	self->calls = call;
	return 0;
}

/* The stream is gone, and with it everybody who waited for the call. */
static void detach(kt_grpc_call *call)
{
	kt_conn *conn = call->conn;
	*(call->prev != NULL ? &call->prev->next : &conn->calls) = call->next;
	if (call->next != NULL) {
		call->next->prev = call->prev;
	}
	kt_call_kill(call, KT_ERR_CANCELLED);
	kt_timer_free(call->timer);
	call->timer = NULL;
	call->conn = NULL;
	kt_call_unref(call);
}

static bool is(const uint8_t *text, size_t len, const char *literal)
{
	return len == strlen(literal) && memcmp(text, literal, len) == 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
		     void *arg)
{
	(void)session;
	(void)flags;
	kt_grpc_call *call = call_of(arg, frame->hd.stream_id);
	if (call == NULL || call->rpc != NULL) {
		return 0; /* trailers of a request say nothing in gRPC */
	}
	if (is(name, name_len, ":path")) {
		size_t n = KT_MIN(value_len, sizeof(call->path) - 1);
		memcpy(call->path, value, n);
		call->path[n] = '\0';
	} else if (is(name, name_len, ":method")) {
		call->is_post = is(value, value_len, "POST");
	} else if (is(name, name_len, "content-type")) {
		static const char type[] = "application/grpc";
		size_t n = sizeof(type) - 1;
		call->is_grpc = value_len >= n && memcmp(value, type, n) == 0 &&
				(value_len == n || value[n] == ';' ||
				 is(value + n, value_len - n, "+proto"));
	} else if (is(name, name_len, "grpc-encoding")) {
		call->encoding_ok = is(value, value_len, "identity");
	} else if (is(name, name_len, "grpc-timeout")) {
		kt_grpc_parse_timeout((const char *)value, value_len, &call->timeout_ns);
	}
	return 0;
}

static void on_deadline(void *arg)
{
	kt_conn_refuse(arg, KT_GRPC_DEADLINE_EXCEEDED, "context deadline exceeded");
}

static void begin_call(kt_grpc_call *call)
{
	char message[KT_PATH_MAX + 64];
	if (!call->is_post) {
		refuse_http(call, "405", "allow", "POST");
		return;
	}
	if (!call->is_grpc) {
		refuse_http(call, "415", "accept-post", "application/grpc, application/grpc+proto");
		return;
	}
	if (!kt_server_find(call->server, call, message, sizeof(message))) {
		kt_conn_refuse(call, KT_GRPC_UNIMPLEMENTED, message);
		return;
	}
	if (!call->encoding_ok) {
		kt_conn_refuse(call, KT_GRPC_UNIMPLEMENTED,
			       "grpc: compressed messages are not supported; send them plain");
		return;
	}
	if (call->timeout_ns >= 0) {
		call->deadline = kt_now() + call->timeout_ns;
		call->timer = kt_timer_new(call->server->loop, on_deadline, call, NULL);
		if (call->timer == NULL) {
			kt_conn_refuse(call, KT_GRPC_RESOURCE_EXHAUSTED, "out of memory");
			return;
		}
		kt_timer_set(call->timer, call->deadline);
	}
	if (call->rpc->kind == KT_RPC_CLIENT_STREAM || call->rpc->kind == KT_RPC_BIDI) {
		kt_call_start(call);
	}
}

static void end_request(kt_grpc_call *call)
{
	if (call->refused) {
		return;
	}
	if (!kt_assembler_at_boundary(&call->assembler)) {
		kt_conn_refuse(call, KT_GRPC_INTERNAL, "the request ends inside a message");
		return;
	}
	if (!call->started) {
		call->rx_end = true;
		kt_call_start(call);
		return;
	}
	KT_LOCK(&call->lock);
	call->rx_end = true;
	pthread_cond_broadcast(&call->changed);
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	(void)session;
	kt_conn *self = arg;
	if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) {
		return 0;
	}
	kt_grpc_call *call = call_of(self, frame->hd.stream_id);
	if (call == NULL) {
		return 0;
	}
	if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
		begin_call(call);
	}
	if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
		end_request(call);
	}
	return 0;
}

static void feed(kt_grpc_call *call, const uint8_t *data, size_t len)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	int rc;
	{
		KT_LOCK(&call->lock);
		if (call->dead != KT_ERR_OK || call->finished) {
			return;
		}
		rc = kt_assembler_feed(&call->assembler, data, len, &call->rx, &err);
		if (call->rx.first != NULL) {
			pthread_cond_broadcast(&call->changed);
		}
	}
	if (rc < 0) {
		kt_grpc_status status = err.code == KT_ERR_UNSUPPORTED
						? KT_GRPC_UNIMPLEMENTED
						: KT_GRPC_RESOURCE_EXHAUSTED;
		KT_AUTO_FREE char *text = kt_err_text(&err);
		kt_conn_refuse(call, status, kt_str_or(text, "out of memory"));
	}
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
		   size_t len, void *arg)
{
	(void)flags;
	kt_grpc_call *call = call_of(arg, stream_id);
	nghttp2_session_consume_connection(session, len);
	if (call == NULL) {
		return 0;
	}
	bool keeps_up = true;
	if (!call->refused) {
		feed(call, data, len);
		KT_LOCK(&call->lock);
		keeps_up = !call->started || call->rx.bytes < KT_RX_QUEUE_MAX;
	}
	call->held += len;
	if (keeps_up) {
		nghttp2_session_consume_stream(session, stream_id, call->held);
		call->held = 0;
	}
	return 0;
}

/* A client that still sends after its answer is told to stop, politely (RFC 9113, 8.1). */
static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	(void)arg;
	bool ends = frame->hd.type == NGHTTP2_HEADERS &&
		    (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
	if (ends && nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) == 0) {
		nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
					  NGHTTP2_NO_ERROR);
	}
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *arg)
{
	(void)code;
	kt_grpc_call *call = call_of(arg, stream_id);
	if (call != NULL) {
		nghttp2_session_set_stream_user_data(session, stream_id, NULL);
		detach(call);
	}
	return 0;
}

/* --- bytes ------------------------------------------------------------------------------ */

static int write_out(kt_conn *self)
{
	while (self->out_pos < self->out.len) {
		ssize_t n = send(self->fd, self->out.data + self->out_pos,
				 self->out.len - self->out_pos, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return errno == EAGAIN || errno == EWOULDBLOCK ? 1 : -1;
		}
		self->out_pos += (size_t)n;
	}
	kt_buf_clear(&self->out);
	self->out_pos = 0;
	return 0;
}

/* Serializes and writes until there is nothing left or the socket is full. */
static int pump(kt_conn *self)
{
	for (;;) {
		int rc = write_out(self);
		if (rc != 0) {
			return rc;
		}
		while (self->out.len < OUT_BATCH) {
			const uint8_t *data;
			ssize_t n = nghttp2_session_mem_send(self->session, &data);
			if (n < 0) {
				return -1;
			}
			if (n == 0) {
				break;
			}
			kt_buf_add(&self->out, data, (size_t)n);
		}
		if (self->out.failed) {
			return -1;
		}
		if (self->out.len == 0) {
			return 0;
		}
	}
}

static void release_big_buffer(kt_conn *self)
{
	if (self->out.len == 0 && self->out.cap > READ_SIZE) {
		kt_buf_deinit(&self->out);
	}
}

static void flush(kt_conn *self)
{
	if (self->dead || self->busy > 0) {
		return;
	}
	self->busy++;
	int rc = pump(self);
	self->busy--;
	bool over = nghttp2_session_want_read(self->session) == 0 &&
		    nghttp2_session_want_write(self->session) == 0 && self->out.len == 0;
	if (rc < 0 || over) {
		self->dead = true;
		/* Closed by the watch: the caller may still be using the connection. */
		kt_watch_set(self->watch, KT_LOOP_READ | KT_LOOP_WRITE);
		return;
	}
	release_big_buffer(self);
	kt_watch_set(self->watch, rc > 0 ? KT_LOOP_READ | KT_LOOP_WRITE : KT_LOOP_READ);
}

static int read_in(kt_conn *self)
{
	uint8_t data[READ_SIZE];
	ssize_t n = recv(self->fd, data, sizeof(data), 0);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		return -1;
	}
	if (n < 0) {
		return 0;
	}
	self->busy++;
	ssize_t used = nghttp2_session_mem_recv(self->session, data, (size_t)n);
	self->busy--;
	return used < 0 ? -1 : 0;
}

static void on_ready(void *arg, int events)
{
	kt_conn *self = arg;
	if (!self->dead && (events & KT_LOOP_READ) != 0 && read_in(self) < 0) {
		/* A last word (GOAWAY) may be waiting; if it does not fit, it is lost. */
		pump(self);
		self->dead = true;
	}
	flush(self);
	if (self->dead) {
		kt_conn_close(self);
	}
}

/* --- life ------------------------------------------------------------------------------- */

static int make_session(kt_conn *self)
{
	nghttp2_session_callbacks *callbacks = NULL;
	nghttp2_option *option = NULL;
	int rc = -1;
	if (nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0) {
		nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
		nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
		nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
		nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
		nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
		nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
		nghttp2_option_set_no_auto_window_update(option, 1);
		rc = nghttp2_session_server_new2(&self->session, callbacks, self, option);
	}
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	if (rc != 0) {
		return -1;
	}
	const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, KT_STREAMS_MAX},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, KT_STREAM_WINDOW},
	};
	nghttp2_submit_settings(self->session, NGHTTP2_FLAG_NONE, settings, KT_ARRAY_LEN(settings));
	nghttp2_session_set_local_window_size(self->session, NGHTTP2_FLAG_NONE, 0,
					      KT_CONNECTION_WINDOW);
	return 0;
}

int kt_conn_new(kt_grpc_server *server, int fd)
{
	int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	kt_conn *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		close(fd);
		return -1;
	}
	self->server = server;
	self->fd = fd;
	self->watch = kt_watch_new(server->loop, fd, on_ready, self, NULL);
	if (self->watch == NULL || make_session(self) < 0) {
		kt_watch_free(self->watch);
		close(fd);
		kt_free(self);
		return -1;
	}
	self->next = server->conns;
	if (self->next != NULL) {
		self->next->prev = self;
	}
	server->conns = self;
	{
		KT_LOCK(&server->lock);
		server->conn_count++;
	}
	flush(self);
	return 0;
}

void kt_conn_kill_calls(kt_conn *self)
{
	for (kt_grpc_call *call = self->calls; call != NULL; call = call->next) {
		kt_call_kill(call, KT_ERR_UNAVAILABLE);
	}
}

void kt_conn_close(kt_conn *self)
{
	kt_grpc_server *server = self->server;
	self->dead = true;
	while (self->calls != NULL) {
		detach(self->calls);
	}
	nghttp2_session_del(self->session);
	kt_watch_free(self->watch);
	kt_close_ptr(&self->fd);
	kt_buf_deinit(&self->out);
	*(self->prev != NULL ? &self->prev->next : &server->conns) = self->next;
	if (self->next != NULL) {
		self->next->prev = self->prev;
	}
	kt_free(self);
	KT_LOCK(&server->lock);
	server->conn_count--;
	pthread_cond_broadcast(&server->changed);
}

void kt_conn_drain(kt_conn *self)
{
	nghttp2_submit_goaway(self->session, NGHTTP2_FLAG_NONE,
			      nghttp2_session_get_last_proc_stream_id(self->session),
			      NGHTTP2_NO_ERROR, NULL, 0);
	flush(self);
}
