/*
 * The client's end: an nghttp2 session driven by whichever call is waiting. Every blocking
 * operation is the same loop (work): write what nghttp2 has, wait for the socket, the deadline
 * or the token, read, until the operation's own condition holds.
 */
#include "net/grpc_client.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "net/grpc_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_MESSAGE ((size_t)100 << 20)
#define TX_QUEUE_MAX ((size_t)1 << 20)
#define RX_QUEUE_MAX ((size_t)4 << 20)
#define STREAM_WINDOW (4 << 20)
#define CONNECTION_WINDOW (16 << 20)
#define READ_SIZE ((size_t)64 << 10)

struct kt_grpc_client {
	int fd;
	nghttp2_session *session;
	char *authority;
	kt_buf out;
	size_t out_pos;
	size_t max_message;
	kt_err broken; /* why the connection is of no use any more */
};

struct kt_grpc_stream {
	kt_grpc_client *client;
	const kt_rpc *rpc;
	kt_instant deadline;
	const kt_cancel *cancel;
	int32_t id;
	bool closed;     /* the stream is over; status says how */
	bool sent_end;
	bool deferred;   /* nghttp2 waits for more to send */
	int http_status; /* 0 until headers have come */
	int status;      /* grpc-status; -1 until it has come */
	char *message;
	char *hint;
	uint32_t reset_code;
	kt_pieces tx;
	kt_pieces rx;
	size_t held; /* received bytes not given back to the window yet */
	kt_assembler assembler;
	kt_err failure; /* of the messages received */
};

#define NV(n, v, len)                                                                              \
	((nghttp2_nv){(uint8_t *)(uintptr_t)(n), (uint8_t *)(uintptr_t)(v), sizeof(n) - 1, (len),  \
		      NGHTTP2_NV_FLAG_NONE})

/* --- what nghttp2 reports --------------------------------------------------------------- */

static kt_grpc_stream *stream_of(nghttp2_session *session, int32_t id)
{
	return nghttp2_session_get_stream_user_data(session, id);
}

static ssize_t read_request(nghttp2_session *session, int32_t id, uint8_t *out, size_t cap,
			    uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	(void)source;
	(void)arg;
	kt_grpc_stream *stream = stream_of(session, id);
	if (stream == NULL) {
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* freed: its reset is under way */
	}
	size_t n = kt_pieces_read(&stream->tx, out, cap);
	if (stream->tx.bytes == 0 && stream->sent_end) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		return (ssize_t)n;
	}
	stream->deferred = n == 0;
	return n > 0 ? (ssize_t)n : NGHTTP2_ERR_DEFERRED;
}

static char *decoded(const uint8_t *value, size_t len)
{
	kt_buf text = KT_BUF_INIT;
	kt_grpc_percent_decode(&text, (const char *)value, len);
	char *ret = kt_strdup(kt_buf_str(&text));
	kt_buf_deinit(&text);
	return ret;
}

static bool is(const uint8_t *text, size_t len, const char *literal)
{
	return len == strlen(literal) && memcmp(text, literal, len) == 0;
}

/* A decimal number of at most three digits, as both statuses are. */
static int small_number(const uint8_t *text, size_t len)
{
	int value = 0;
	for (size_t i = 0; i < len && i < 3; i++) {
		if (text[i] < '0' || text[i] > '9') {
			return -1;
		}
		value = value * 10 + (text[i] - '0');
	}
	return len > 0 && len <= 3 ? value : -1;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t len, uint8_t flags, void *arg)
{
	(void)flags;
	(void)arg;
	kt_grpc_stream *stream = stream_of(session, frame->hd.stream_id);
	if (stream == NULL) {
		return 0;
	}
	if (is(name, name_len, ":status")) {
		stream->http_status = small_number(value, len);
	} else if (is(name, name_len, "grpc-status")) {
		int status = small_number(value, len);
		stream->status = status >= 0 ? status : KT_GRPC_UNKNOWN;
	} else if (is(name, name_len, "grpc-message")) {
		kt_free(stream->message);
		stream->message = decoded(value, len);
	} else if (is(name, name_len, "kurtosis-hint")) {
		kt_free(stream->hint);
		stream->hint = decoded(value, len);
	}
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
		   size_t len, void *arg)
{
	(void)flags;
	(void)arg;
	kt_grpc_stream *stream = stream_of(session, id);
	nghttp2_session_consume_connection(session, len);
	if (stream == NULL) {
		return 0;
	}
	if (stream->failure.code == KT_ERR_OK && stream->http_status == 200 &&
	    kt_assembler_feed(&stream->assembler, data, len, &stream->rx, &stream->failure) < 0) {
		nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
	}
	stream->held += len;
	if (stream->rx.bytes < RX_QUEUE_MAX) {
		nghttp2_session_consume_stream(session, id, stream->held);
		stream->held = 0;
	}
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
	(void)arg;
	kt_grpc_stream *stream = stream_of(session, id);
	if (stream != NULL) {
		nghttp2_session_set_stream_user_data(session, id, NULL);
		stream->closed = true;
		stream->reset_code = code;
	}
	return 0;
}

/* --- bytes ------------------------------------------------------------------------------ */

static int broken(kt_grpc_client *self, kt_err *err)
{
	return kt_err_set(err, self->broken.code, "%s", kt_err_message(&self->broken, 0));
}

/* 1: the socket is full; 0: all written; -1: self->broken is set. */
static int write_out(kt_grpc_client *self)
{
	for (;;) {
		while (self->out_pos < self->out.len) {
			ssize_t n = send(self->fd, self->out.data + self->out_pos,
					 self->out.len - self->out_pos, MSG_NOSIGNAL);
			if (n < 0 && errno == EINTR) {
				continue;
			}
			if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
				return 1;
			}
			if (n < 0) {
				return kt_err_set_errno(&self->broken, errno,
							"the connection to %s broke",
							self->authority);
			}
			self->out_pos += (size_t)n;
		}
		kt_buf_clear(&self->out);
		self->out_pos = 0;
		while (self->out.len < READ_SIZE) {
			const uint8_t *data;
			ssize_t n = nghttp2_session_mem_send(self->session, &data);
			if (n < 0) {
				return KT_FAIL(&self->broken, IO, "HTTP/2: %s",
					       nghttp2_strerror((int)n));
			}
			if (n == 0) {
				break;
			}
			kt_buf_add(&self->out, data, (size_t)n);
		}
		if (kt_buf_check(&self->out, &self->broken) < 0) {
			return -1;
		}
		if (self->out.len == 0) {
			return 0;
		}
	}
}

static int read_in(kt_grpc_client *self)
{
	uint8_t data[READ_SIZE];
	ssize_t n = recv(self->fd, data, sizeof(data), 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return 0;
	}
	if (n < 0) {
		return kt_err_set_errno(&self->broken, errno, "the connection to %s broke",
					self->authority);
	}
	if (n == 0) {
		return KT_FAIL(&self->broken, UNAVAILABLE, "%s closed the connection",
			       self->authority);
	}
	ssize_t used = nghttp2_session_mem_recv(self->session, data, (size_t)n);
	if (used < 0) {
		return KT_FAIL(&self->broken, IO, "%s does not speak HTTP/2: %s", self->authority,
			       nghttp2_strerror((int)used));
	}
	return 0;
}

/* Waits for one of `events` or what the stream's caller set as limits. */
static int wait_io(const kt_grpc_stream *stream, short events, kt_err *err)
{
	return kt_wait_fd(stream->client->fd, events, stream->deadline, stream->cancel, err);
}

/*
 * Does the connection's work until done(stream), or the stream is closed. A closed stream and a
 * broken connection are no failure here: the caller looks at what it has.
 */
static int work(kt_grpc_stream *stream, bool (*done)(const kt_grpc_stream *), kt_err *err)
{
	kt_grpc_client *self = stream->client;
	while (self->broken.code == KT_ERR_OK) {
		int rc = write_out(self);
		if (rc < 0 || done(stream) || stream->closed) {
			return 0;
		}
		short events = (short)(rc > 0 ? POLLIN | POLLOUT : POLLIN);
		if (wait_io(stream, events, err) < 0) {
			return -1;
		}
		read_in(self);
	}
	return 0;
}

/* --- client ----------------------------------------------------------------------------- */

static int make_session(kt_grpc_client *self)
{
	nghttp2_session_callbacks *callbacks = NULL;
	nghttp2_option *option = NULL;
	int rc = -1;
	if (nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0) {
		nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
		nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
		nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
		nghttp2_option_set_no_auto_window_update(option, 1);
		rc = nghttp2_session_client_new2(&self->session, callbacks, self, option);
	}
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	if (rc != 0) {
		return -1;
	}
	const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
	};
	nghttp2_submit_settings(self->session, NGHTTP2_FLAG_NONE, settings, KT_ARRAY_LEN(settings));
	nghttp2_session_set_local_window_size(self->session, NGHTTP2_FLAG_NONE, 0,
					      CONNECTION_WINDOW);
	return 0;
}

static kt_grpc_client *client_on(int fd, char *authority, kt_err *err)
{
	int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	int flags = fcntl(fd, F_GETFL);
	kt_grpc_client *self = kt_calloc(1, sizeof(*self));
	if (self == NULL || authority == NULL || flags < 0 ||
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || make_session(self) < 0) {
		close(fd);
		kt_free(authority);
		kt_free(self);
		kt_err_nomem(err);
		return NULL;
	}
	self->fd = fd;
	self->authority = authority;
	self->max_message = MAX_MESSAGE;
	return self;
}

kt_grpc_client *kt_grpc_client_from_fd(int fd, kt_err *err)
{
	return client_on(fd, kt_strdup("localhost"), err);
}

/* A connected non-blocking socket to one address, or -1. */
static int connect_to(const struct addrinfo *address, kt_instant deadline, const kt_cancel *cancel,
		      kt_err *err)
{
	KT_AUTO_FD int fd =
		socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return KT_FAIL_ERRNO(err, "no socket");
	}
	if (connect(fd, address->ai_addr, address->ai_addrlen) < 0) {
		int failed = errno;
		if (failed == EINPROGRESS) {
			socklen_t len = sizeof(failed);
			if (kt_wait_fd(fd, POLLOUT, deadline, cancel, err) < 0) {
				return -1;
			}
			getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len);
		}
		if (failed != 0) {
			return KT_FAIL(err, UNAVAILABLE, "%s", strerror(failed));
		}
	}
	int ret = fd;
	fd = -1;
	return ret;
}

kt_grpc_client *kt_grpc_client_new(const char *host, uint16_t port, const kt_grpc_opts *opts,
				   kt_err *err)
{
	kt_instant deadline = opts != NULL && opts->deadline != 0 ? opts->deadline : KT_NEVER;
	const kt_cancel *cancel = opts != NULL ? opts->cancel : NULL;
	char service[8];
	snprintf(service, sizeof(service), "%u", port);
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *list = NULL;
	int rc = getaddrinfo(host, service, &hints, &list);
	if (rc != 0) {
		KT_FAIL(err, UNAVAILABLE, "the address of %s is not known: %s", host,
			gai_strerror(rc));
		return NULL;
	}
	int fd = -1;
	KT_AUTO_ERR kt_err last = KT_ERR_INIT;
	for (const struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next) {
		fd = connect_to(a, deadline, cancel, &last);
	}
	freeaddrinfo(list);
	if (fd < 0) {
		kt_err_move(err, &last);
		kt_err_wrap(err, "no connection to %s port %u", host, port);
		return NULL;
	}
	bool v6 = strchr(host, ':') != NULL;
	return client_on(fd, kt_asprintf(v6 ? "[%s]:%u" : "%s:%u", host, port), err);
}

void kt_grpc_client_free(kt_grpc_client *self)
{
	if (self == NULL) {
		return;
	}
	if (self->broken.code == KT_ERR_OK) {
		nghttp2_session_terminate_session(self->session, NGHTTP2_NO_ERROR);
		write_out(self);
	}
	nghttp2_session_del(self->session);
	kt_close_ptr(&self->fd);
	kt_buf_deinit(&self->out);
	kt_free(self->authority);
	kt_err_release(&self->broken);
	kt_free(self);
}

void kt_grpc_client_max_message(kt_grpc_client *self, size_t bytes)
{
	self->max_message = bytes;
}

/* --- streams ---------------------------------------------------------------------------- */

static int submit(kt_grpc_stream *stream)
{
	kt_grpc_client *self = stream->client;
	char timeout[KT_GRPC_TIMEOUT_CAP];
	nghttp2_nv nva[8] = {
		NV(":method", "POST", 4),
		NV(":scheme", "http", 4),
		NV(":path", stream->rpc->path, strlen(stream->rpc->path)),
		NV(":authority", self->authority, strlen(self->authority)),
		NV("content-type", "application/grpc", 16),
		NV("te", "trailers", 8),
		NV("user-agent", "kurtosis/" KT_VERSION, sizeof("kurtosis/" KT_VERSION) - 1),
	};
	size_t n = 7;
	if (stream->deadline != KT_NEVER) {
		kt_grpc_format_timeout(stream->deadline - kt_now(), timeout);
		nva[n++] = NV("grpc-timeout", timeout, strlen(timeout));
	}
	nghttp2_data_provider provider = {.read_callback = read_request};
	return nghttp2_submit_request(self->session, NULL, nva, n, &provider, stream);
}

kt_grpc_stream *kt_grpc_stream_open(kt_grpc_client *self, const kt_rpc *rpc,
				    const kt_grpc_opts *opts, kt_err *err)
{
	if (self->broken.code != KT_ERR_OK) {
		broken(self, err);
		return NULL;
	}
	kt_grpc_stream *stream = kt_calloc(1, sizeof(*stream));
	if (stream == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	stream->client = self;
	stream->rpc = rpc;
	stream->deadline = opts != NULL && opts->deadline != 0 ? opts->deadline : KT_NEVER;
	stream->cancel = opts != NULL ? opts->cancel : NULL;
	stream->status = -1;
	stream->assembler.max = self->max_message;
	stream->id = submit(stream);
	if (stream->id < 0) {
		KT_FAIL(err, UNAVAILABLE, "no call can be opened to %s: %s", self->authority,
			nghttp2_strerror(stream->id));
		kt_free(stream);
		return NULL;
	}
	return stream;
}

static void wake_sender(kt_grpc_stream *stream)
{
	if (stream->deferred && !stream->closed) {
		stream->deferred = false;
		nghttp2_session_resume_data(stream->client->session, stream->id);
	}
}

/* The error that the end of a call is; only for one that ended otherwise than with OK. */
static int end_error(kt_grpc_stream *stream, kt_err *err)
{
	kt_grpc_client *self = stream->client;
	if (stream->failure.code != KT_ERR_OK) {
		kt_err_move(err, &stream->failure);
		return -1;
	}
	if (stream->status > 0) {
		kt_grpc_status_err(stream->status, stream->message, err);
		if (stream->hint != NULL) {
			kt_err_hint(err, "%s", stream->hint);
		}
		return -1;
	}
	if (stream->http_status == 404) {
		return KT_FAIL(err, UNSUPPORTED, "%s does not know %s", self->authority,
			       stream->rpc->path);
	}
	if (stream->http_status != 0 && stream->http_status != 200) {
		return KT_FAIL(err, UNKNOWN, "%s answered with HTTP status %d", self->authority,
			       stream->http_status);
	}
	if (self->broken.code != KT_ERR_OK) {
		return broken(self, err);
	}
	if (stream->reset_code == NGHTTP2_REFUSED_STREAM) {
		return KT_FAIL(err, UNAVAILABLE, "%s takes no new calls", self->authority);
	}
	return KT_FAIL(err, IO, "%s ended the call without a status (%s)", self->authority,
		       nghttp2_http2_strerror(stream->reset_code));
}

static bool has_room(const kt_grpc_stream *stream)
{
	return stream->tx.bytes <= TX_QUEUE_MAX;
}

static bool is_ended(const kt_grpc_stream *stream)
{
	return stream->closed || stream->client->broken.code != KT_ERR_OK;
}

int kt_grpc_stream_send(kt_grpc_stream *self, const ProtobufCMessage *message, kt_err *err)
{
	KT_ASSERT(message->descriptor == self->rpc->request && !self->sent_end);
	if (work(self, has_room, err) < 0) {
		return -1;
	}
	if (is_ended(self)) {
		return self->status == 0 ? KT_FAIL(err, IO, "the server ended the call early")
					 : end_error(self, err);
	}
	kt_piece *piece = kt_grpc_encode(message);
	if (piece == NULL) {
		return kt_err_nomem(err);
	}
	kt_pieces_add(&self->tx, piece);
	wake_sender(self);
	/* Let it go at once; what does not fit goes with the next operation. */
	write_out(self->client);
	return 0;
}

static bool always(const kt_grpc_stream *stream)
{
	(void)stream;
	return true;
}

int kt_grpc_stream_close_send(kt_grpc_stream *self, kt_err *err)
{
	if (!self->sent_end) {
		self->sent_end = true;
		wake_sender(self);
	}
	return work(self, always, err);
}

static bool has_message(const kt_grpc_stream *stream)
{
	return stream->rx.first != NULL;
}

int kt_grpc_stream_recv(kt_grpc_stream *self, ProtobufCMessage **ret, kt_err *err)
{
	if (work(self, has_message, err) < 0) {
		return -1;
	}
	KT_AUTO_FREE kt_piece *piece = kt_pieces_take(&self->rx);
	if (piece == NULL) {
		bool whole = kt_assembler_at_boundary(&self->assembler);
		return self->status == 0 && whole ? 0 : end_error(self, err);
	}
	if (self->held > 0 && self->rx.bytes < RX_QUEUE_MAX && !self->closed) {
		nghttp2_session_consume_stream(self->client->session, self->id, self->held);
		self->held = 0;
	}
	ProtobufCMessage *message = kt_grpc_decode(self->rpc->response, piece, err);
	if (message == NULL) {
		return -1;
	}
	*ret = message;
	return 1;
}

void kt_grpc_stream_free(kt_grpc_stream *self)
{
	if (self == NULL) {
		return;
	}
	kt_grpc_client *client = self->client;
	if (!self->closed && client->broken.code == KT_ERR_OK) {
		nghttp2_session_set_stream_user_data(client->session, self->id, NULL);
		nghttp2_submit_rst_stream(client->session, NGHTTP2_FLAG_NONE, self->id,
					  NGHTTP2_CANCEL);
		write_out(client);
	}
	kt_pieces_clear(&self->tx);
	kt_pieces_clear(&self->rx);
	kt_assembler_deinit(&self->assembler);
	kt_err_release(&self->failure);
	kt_free(self->message);
	kt_free(self->hint);
	kt_free(self);
}

kt_grpc_stream *kt_grpc_stream_start(kt_grpc_client *self, const kt_rpc *rpc,
				     const ProtobufCMessage *request, const kt_grpc_opts *opts,
				     kt_err *err)
{
	kt_grpc_stream *stream = kt_grpc_stream_open(self, rpc, opts, err);
	if (stream == NULL) {
		return NULL;
	}
	/* Queued before anything is written: headers, message and end leave in one packet. */
	KT_ASSERT(request->descriptor == rpc->request);
	kt_piece *piece = kt_grpc_encode(request);
	if (piece == NULL) {
		kt_err_nomem(err);
		kt_grpc_stream_free(stream);
		return NULL;
	}
	kt_pieces_add(&stream->tx, piece);
	if (kt_grpc_stream_close_send(stream, err) < 0) {
		kt_grpc_stream_free(stream);
		return NULL;
	}
	return stream;
}

int kt_grpc_unary(kt_grpc_client *self, const kt_rpc *rpc, const ProtobufCMessage *request,
		  const kt_grpc_opts *opts, ProtobufCMessage **ret, kt_err *err)
{
	kt_grpc_stream *stream = kt_grpc_stream_start(self, rpc, request, opts, err);
	if (stream == NULL) {
		return -1;
	}
	KT_AUTO_MSG ProtobufCMessage *answer = NULL;
	KT_AUTO_MSG ProtobufCMessage *more = NULL;
	int rc = kt_grpc_stream_recv(stream, &answer, err);
	if (rc == 1) {
		/* The status comes after the message. */
		rc = kt_grpc_stream_recv(stream, &more, err);
		rc = rc == 1 ? KT_FAIL(err, IO, "%s answered twice", self->authority) : rc;
	} else if (rc == 0) {
		rc = KT_FAIL(err, IO, "%s answered without a message", self->authority);
	}
	kt_grpc_stream_free(stream);
	if (rc == 0) {
		*ret = KT_STEAL(answer);
	}
	return rc;
}
