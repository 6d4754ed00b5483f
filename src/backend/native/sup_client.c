#include "backend/native/sup_client.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define KEPT_MAX 32
/*
 * A connection carries one call at a time and is closed when a call is given up, so that no
 * reply can be taken for another's.
 */
#define CALL_ID 1

struct kt_sup_conn {
	kt_sup_conn *next;
	char *path;
	int fd;
	/* Events that came while a reply was waited for; see kt_sup_conn_receive. */
	kt_buf early;
};

struct kt_sup_clients {
	pthread_mutex_t lock;
	kt_sup_conn *kept;
	size_t kept_len;
};

kt_sup_clients *kt_sup_clients_new(kt_err *err)
{
	kt_sup_clients *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	pthread_mutex_init(&self->lock, NULL);
	return self;
}

static void free_conn(kt_sup_conn *conn)
{
	kt_close_ptr(&conn->fd);
	kt_buf_deinit(&conn->early);
	kt_free(conn->path);
	kt_free(conn);
}

void kt_sup_clients_free(kt_sup_clients *self)
{
	if (self == NULL) {
		return;
	}
	kt_sup_clients_drop(self, NULL);
	pthread_mutex_destroy(&self->lock);
	kt_free(self);
}

void kt_sup_clients_drop(kt_sup_clients *self, const char *socket_path)
{
	KT_LOCK(&self->lock);
	for (kt_sup_conn **at = &self->kept; *at != NULL;) {
		kt_sup_conn *conn = *at;
		if (socket_path != NULL && !kt_str_eq(conn->path, socket_path)) {
			at = &conn->next;
			continue;
		}
		*at = conn->next;
		self->kept_len--;
		free_conn(conn);
	}
}

/* ---- connecting -------------------------------------------------------------------- */

/*
 * Socket paths have 107 bytes at most, state directories may be deeper: the directory is
 * opened and the socket reached through /proc.
 */
static int fill_address(struct sockaddr_un *to, const char *path, int *dir_fd, kt_err *err)
{
	*to = (struct sockaddr_un){.sun_family = AF_UNIX};
	size_t len = strlen(path);
	if (len < sizeof(to->sun_path)) {
		memcpy(to->sun_path, path, len + 1);
		return 0;
	}
	KT_AUTO_FREE char *dir = kt_path_dir(path);
	*dir_fd = dir == NULL ? -1 : open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*dir_fd < 0) {
		return kt_err_set(err, KT_ERR_UNAVAILABLE, "cannot open '%s'", path);
	}
	int n = snprintf(to->sun_path, sizeof(to->sun_path), "/proc/self/fd/%d/%s", *dir_fd,
			 kt_path_base(path));
	return n > 0 && (size_t)n < sizeof(to->sun_path)
		       ? 0
		       : KT_FAIL(err, INVALID, "socket name '%s' is too long", path);
}

static int connect_to(const char *path, kt_err *err)
{
	struct sockaddr_un to;
	KT_AUTO_FD int dir_fd = -1;
	if (fill_address(&to, path, &dir_fd, err) < 0) {
		return -1;
	}
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return KT_FAIL_ERRNO(err, "cannot make a socket");
	}
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		int saved = errno;
		close(fd);
		kt_err_set(err, KT_ERR_UNAVAILABLE, "cannot reach the supervisor at '%s': %s", path,
			   strerror(saved));
		if (err != NULL) {
			err->sys_errno = saved;
		}
		return -1;
	}
	return fd;
}

static int say_hello(kt_sup_conn *conn, kt_err *err)
{
	KT_AUTO_SUP_CALL kt_sup_call call = {0};
	bool broken = false;
	kt_sup_call_begin(&call, KT_SUP_HELLO);
	kt_sup_put_num(&call.msg, KT_SUP_F_VERSION, KT_SUP_VERSION);
	return kt_sup_conn_call(conn, &call, &broken, err);
}

static kt_sup_conn *new_conn(const char *path, kt_err *err)
{
	kt_sup_conn *conn = kt_calloc(1, sizeof(*conn));
	if (conn == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	conn->fd = -1;
	conn->path = kt_strdup(path);
	if (conn->path == NULL) {
		kt_err_nomem(err);
	} else {
		conn->fd = connect_to(path, err);
	}
	if (conn->fd < 0 || say_hello(conn, err) < 0) {
		free_conn(conn);
		return NULL;
	}
	return conn;
}

/* A kept connection may have been closed by its supervisor meanwhile. */
static bool alive(const kt_sup_conn *conn)
{
	struct pollfd poll_fd = {.fd = conn->fd, .events = POLLIN};
	return poll(&poll_fd, 1, 0) == 0;
}

kt_sup_conn *kt_sup_conn_get(kt_sup_clients *clients, const char *socket_path, kt_err *err)
{
	kt_sup_conn *found = NULL;
	do {
		KT_LOCK(&clients->lock);
		found = NULL;
		for (kt_sup_conn **at = &clients->kept; *at != NULL; at = &(*at)->next) {
			if (kt_str_eq((*at)->path, socket_path)) {
				found = *at;
				*at = found->next;
				clients->kept_len--;
				break;
			}
		}
		if (found != NULL && !alive(found)) {
			free_conn(found);
			continue;
		}
		break;
	} while (true);
	return found != NULL ? found : new_conn(socket_path, err);
}

void kt_sup_conn_put(kt_sup_clients *clients, kt_sup_conn *conn, bool broken)
{
	KT_LOCK(&clients->lock);
	if (broken || clients->kept_len >= KEPT_MAX) {
		free_conn(conn);
		return;
	}
	kt_buf_clear(&conn->early);
	conn->next = clients->kept;
	clients->kept = conn;
	clients->kept_len++;
}

int kt_sup_conn_fd(const kt_sup_conn *conn)
{
	return conn->fd;
}

/* ---- calls ------------------------------------------------------------------------- */

void kt_sup_call_begin(kt_sup_call *self, kt_sup_type type)
{
	self->type = type;
	kt_sup_begin(&self->msg, type, CALL_ID);
}

static void close_reply_fds(kt_sup_call *self)
{
	for (size_t i = 0; i < self->reply_fd_count; i++) {
		kt_close_ptr(&self->reply_fds[i]);
	}
	self->reply_fd_count = 0;
}

void kt_sup_call_deinit(kt_sup_call *self)
{
	close_reply_fds(self);
	kt_buf_deinit(&self->msg);
	kt_buf_deinit(&self->reply_buf);
}

int kt_sup_call_take_fd(kt_sup_call *self, size_t i)
{
	if (i >= self->reply_fd_count) {
		return -1;
	}
	int fd = self->reply_fds[i];
	self->reply_fds[i] = -1;
	return fd;
}

/* Keeps an event that came before the reply: length, then the message. */
static void keep_early(kt_sup_conn *conn, const kt_buf *msg)
{
	uint64_t len = msg->len;
	kt_buf_add(&conn->early, &len, sizeof(len));
	kt_buf_add(&conn->early, msg->data, msg->len);
}

static bool take_early(kt_sup_conn *conn, kt_buf *msg)
{
	uint64_t len = 0;
	if (conn->early.len < sizeof(len)) {
		return false;
	}
	memcpy(&len, conn->early.data, sizeof(len));
	kt_buf_clear(msg);
	kt_buf_add(msg, conn->early.data + sizeof(len), (size_t)len);
	kt_buf_consume(&conn->early, sizeof(len) + (size_t)len);
	return true;
}

static int lost(kt_err *err)
{
	return KT_FAIL(err, UNAVAILABLE, "the enclave's supervisor closed the connection");
}

/* 1, 0 = closed, -1. */
static int receive(kt_sup_conn *conn, kt_buf *msg, int fds[KT_SUP_FDS_MAX], size_t *fd_count,
		   kt_instant deadline, const kt_cancel *cancel, kt_err *err)
{
	if (kt_wait_fd(conn->fd, POLLIN, deadline, cancel, err) < 0) {
		return -1;
	}
	KT_AUTO_ERR kt_err failure = KT_ERR_INIT;
	int rc = kt_sup_recv(conn->fd, msg, fds, fd_count, 0, &failure);
	if (rc < 0 && failure.sys_errno == ECONNRESET) {
		return 0; /* it died with a request unread */
	}
	if (rc < 0) {
		kt_err_move(err, &failure);
	}
	return rc;
}

int kt_sup_conn_receive(kt_sup_conn *conn, kt_buf *msg, kt_sup_reader *ret, kt_instant deadline,
			const kt_cancel *cancel, kt_err *err)
{
	if (!take_early(conn, msg)) {
		int fds[KT_SUP_FDS_MAX];
		size_t fd_count = 0;
		int rc = receive(conn, msg, fds, &fd_count, deadline, cancel, err);
		for (size_t i = 0; i < fd_count; i++) {
			close(fds[i]);
		}
		if (rc <= 0) {
			return rc;
		}
	}
	return kt_sup_open(msg, ret, err) < 0 ? -1 : 1;
}

/* Turns the reply's status into err. */
static int check_status(const kt_sup_call *call, kt_err *err)
{
	uint64_t status = kt_sup_get_num(&call->reply, KT_SUP_F_STATUS, KT_ERR_INTERNAL);
	if (status == KT_ERR_OK) {
		return 0;
	}
	const char *message = kt_sup_get_str(&call->reply, KT_SUP_F_MESSAGE);
	kt_err_code code = status < KT_ERR_COUNT ? (kt_err_code)status : KT_ERR_UNKNOWN;
	kt_err_set(err, code, "%s", kt_str_or(message, "the supervisor gave no reason"));
	if (err != NULL) {
		err->sys_errno = (int)kt_sup_get_num(&call->reply, KT_SUP_F_ERRNO, 0);
	}
	return -1;
}

static int await_reply(kt_sup_conn *conn, kt_sup_call *call, kt_err *err)
{
	kt_instant deadline = call->deadline != 0 ? call->deadline : KT_NEVER;
	for (;;) {
		close_reply_fds(call);
		int rc = receive(conn, &call->reply_buf, call->reply_fds, &call->reply_fd_count,
				 deadline, call->cancel, err);
		if (rc <= 0) {
			return rc < 0 ? -1 : lost(err);
		}
		if (kt_sup_open(&call->reply_buf, &call->reply, err) < 0) {
			return -1;
		}
		if (call->reply.type == KT_SUP_REPLY && call->reply.id == CALL_ID) {
			return 0;
		}
		if (call->reply.type != KT_SUP_REPLY) {
			keep_early(conn, &call->reply_buf);
		}
	}
}

int kt_sup_conn_call(kt_sup_conn *conn, kt_sup_call *call, bool *broken, kt_err *err)
{
	*broken = true;
	if (kt_buf_check(&call->msg, err) < 0) {
		return -1;
	}
	KT_AUTO_ERR kt_err failure = KT_ERR_INIT;
	if (kt_sup_send(conn->fd, &call->msg, call->fds, call->fd_count, 0, &failure) < 0) {
		if (failure.sys_errno == EPIPE || failure.sys_errno == ECONNRESET) {
			return lost(err);
		}
		kt_err_move(err, &failure);
		return -1;
	}
	call->sent = true;
	if (await_reply(conn, call, err) < 0) {
		return -1;
	}
	*broken = false;
	return check_status(call, err);
}
