/* The control socket: clients, requests, answers (core.h, sup_proto.h). */
#include "core.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define QUEUE_MAX (4u << 20) /* bytes a client may leave unread before it is cut off */
#define DEFAULT_GRACE_MS 10000

/* A request in hand. */
typedef struct request {
	kt_sup_reader fields;
	kt_sup_asker asker;
	kt_sup_client *client;
	int *fds;
	size_t fd_count;
	kt_instant arrived;
	bool answered; /* or will be, later */
} request;

typedef int (*request_fn)(kt_supervisor *self, request *r, kt_err *err);

static void on_client(kt_sup_watch *watch, uint32_t events);

/* ---- sending ------------------------------------------------------------------------- */

static kt_sup_client *find_client(kt_supervisor *self, uint64_t serial)
{
	for (size_t i = 0; i < self->clients.len; i++) {
		if (self->clients.items[i]->serial == serial) {
			return self->clients.items[i];
		}
	}
	return NULL;
}

static void free_client(kt_sup_client *client)
{
	kt_supervisor *sup = client->sup;

	for (size_t i = 0; i < sup->clients.len; i++) {
		if (sup->clients.items[i] == client) {
			sup->clients.items[i] = sup->clients.items[--sup->clients.len];
			break;
		}
	}
	kt_sup_watch_drop(&client->watch);
	for (size_t i = 0; i < client->queue.len; i++) {
		kt_buf_deinit(&client->queue.items[i]);
	}
	kt_vec_deinit(&client->queue);
	kt_close_ptr(&client->sock);
	kt_free(client);
}

static void enqueue(kt_sup_client *client, const kt_buf *msg)
{
	kt_buf copy = KT_BUF_INIT;

	kt_buf_add(&copy, msg->data, msg->len);
	client->queued_bytes += msg->len;
	if (copy.failed || client->queued_bytes > QUEUE_MAX ||
	    kt_vec_push(&client->queue, copy) < 0) {
		kt_buf_deinit(&copy);
		client->dropped = true;
		return;
	}
	(void)kt_sup_watch_change(&client->watch, EPOLLIN | EPOLLOUT, NULL);
}

static void send_to(kt_sup_client *client, const kt_buf *msg, int fd)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;

	if (client->dropped) {
		return;
	}
	if (client->queue.len > 0 && fd < 0) {
		enqueue(client, msg);
		return;
	}
	if (kt_sup_send(client->sock, msg, &fd, fd >= 0, MSG_DONTWAIT, &err) == 0) {
		return;
	}
	if (err.sys_errno == EAGAIN && fd < 0) {
		enqueue(client, msg);
	} else {
		client->dropped =
			true; /* gone, or so far behind that a descriptor cannot be sent */
	}
	if (client->dropped) {
		(void)shutdown(client->sock, SHUT_RDWR); /* its watch fires and frees it */
	}
}

static void flush_queue(kt_sup_client *client)
{
	size_t sent = 0;

	while (sent < client->queue.len) {
		KT_AUTO_ERR kt_err err = KT_ERR_INIT;
		kt_buf *msg = &client->queue.items[sent];

		if (kt_sup_send(client->sock, msg, NULL, 0, MSG_DONTWAIT, &err) < 0) {
			client->dropped = err.sys_errno != EAGAIN;
			break;
		}
		client->queued_bytes -= msg->len;
		kt_buf_deinit(msg);
		sent++;
	}
	client->queue.len -= sent;
	memmove(client->queue.items, client->queue.items + sent,
		client->queue.len * sizeof(client->queue.items[0]));
	if (client->queue.len == 0) {
		(void)kt_sup_watch_change(&client->watch, EPOLLIN, NULL);
	}
}

void kt_sup_server_begin(kt_supervisor *self, kt_sup_asker to, const kt_err *err)
{
	kt_sup_begin(&self->reply, KT_SUP_REPLY, to.request);
	kt_sup_put_num(&self->reply, KT_SUP_F_STATUS, err ? (uint64_t)err->code : KT_ERR_OK);
	if (err && err->code != KT_ERR_OK) {
		KT_AUTO_FREE char *text = kt_err_text(err);

		kt_sup_put_str(&self->reply, KT_SUP_F_MESSAGE, text ? text : "out of memory");
		if (err->sys_errno) {
			kt_sup_put_num(&self->reply, KT_SUP_F_ERRNO, (uint64_t)err->sys_errno);
		}
	}
}

void kt_sup_server_send(kt_supervisor *self, kt_sup_asker to, int fd)
{
	kt_sup_client *client = find_client(self, to.client);

	if (client) {
		send_to(client, &self->reply, fd);
	}
}

void kt_sup_server_answer(kt_supervisor *self, kt_sup_asker to, const kt_err *err)
{
	kt_sup_server_begin(self, to, err);
	kt_sup_server_send(self, to, -1);
}

void kt_sup_server_publish(kt_supervisor *self)
{
	for (size_t i = 0; i < self->clients.len; i++) {
		if (self->clients.items[i]->subscribed) {
			send_to(self->clients.items[i], &self->reply, -1);
		}
	}
}

void kt_sup_put_exit(kt_buf *msg, const kt_sup_exit *exit)
{
	if (!exit->ended) {
		return;
	}
	if (exit->unknown) {
		kt_sup_put_num(msg, KT_SUP_F_EXIT_UNKNOWN, 1);
	} else {
		kt_sup_put_num(msg, KT_SUP_F_EXIT_CODE, (uint64_t)exit->code);
		kt_sup_put_num(msg, KT_SUP_F_EXIT_SIGNAL, (uint64_t)exit->signal);
	}
	if (exit->oom_killed) {
		kt_sup_put_num(msg, KT_SUP_F_OOM_KILLED, 1);
	}
}

/* ---- requests ------------------------------------------------------------------------ */

static kt_sup_service *wanted_service(kt_supervisor *self, const request *r, kt_err *err)
{
	const char *id = kt_sup_get_str(&r->fields, KT_SUP_F_ID);
	kt_sup_service *service = kt_sup_service_find(self, id);

	if (!service) {
		(void)KT_FAIL(err, NOT_FOUND, "there is no service '%s' in this enclave",
			      id ? id : "");
	}
	return service;
}

static int wanted_signal(const request *r, int fallback, int *ret, kt_err *err)
{
	uint64_t sig = kt_sup_get_num(&r->fields, KT_SUP_F_SIGNAL, (uint64_t)fallback);

	if (sig < 1 || sig > (uint64_t)SIGRTMAX) {
		return KT_FAIL(err, INVALID, "%llu is not a signal", (unsigned long long)sig);
	}
	*ret = (int)sig;
	return 0;
}

static void finish(kt_supervisor *self, request *r, int fd)
{
	kt_sup_server_send(self, r->asker, fd);
	r->answered = true;
}

static int on_hello(kt_supervisor *self, request *r, kt_err *err)
{
	uint64_t version = kt_sup_get_num(&r->fields, KT_SUP_F_VERSION, 0);

	if (version != KT_SUP_VERSION) {
		return KT_FAIL(err, UNSUPPORTED,
			       "the supervisor speaks version %d of its protocol, not %llu",
			       KT_SUP_VERSION, (unsigned long long)version);
	}
	r->client->greeted = true;
	kt_sup_server_begin(self, r->asker, NULL);
	kt_sup_put_num(&self->reply, KT_SUP_F_VERSION, KT_SUP_VERSION);
	kt_sup_put_str(&self->reply, KT_SUP_F_ENCLAVE, self->enclave);
	kt_sup_put_num(&self->reply, KT_SUP_F_PID, (uint64_t)getpid());
	finish(self, r, -1);
	return 0;
}

/* The request as it came is the record from which the service can be started again. */
static int store_spec(kt_supervisor *self, const char *id, kt_err *err)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/services/%s", self->dir, id);
	if (mkdir(path, 0700) < 0) {
		return KT_FAIL_ERRNO(err, "cannot create '%s'", path);
	}
	snprintf(path, sizeof(path), "%s/services/%s/spec", self->dir, id);
	return kt_fs_write(path, self->request.data, self->request.len, 0600, false, err);
}

static int start_and_wait(kt_sup_service *service, const kt_sup_spec *spec, request *r, kt_err *err)
{
	if (kt_vec_push(&service->launch_askers, r->asker) < 0) {
		return kt_err_nomem(err);
	}
	service->halted = false;
	service->backoff_ms = 0;
	kt_sup_timer_drop(&service->restart_timer);
	if (kt_sup_service_start(service, spec, r->arrived, err) < 0) {
		service->launch_askers.len = 0;
		return -1;
	}
	r->answered = true;
	return 0;
}

static int on_launch(kt_supervisor *self, request *r, kt_err *err)
{
	KT_AUTO_SUP_SPEC kt_sup_spec spec = {0};
	kt_sup_service *service;

	if (kt_sup_spec_read(r->fields, &spec, err) < 0) {
		return -1;
	}
	if (kt_sup_service_find(self, spec.id)) {
		return KT_FAIL(err, EXISTS, "service '%s' is already there", spec.id);
	}
	if (self->destroying) {
		return KT_FAIL(err, PRECONDITION, "the enclave is being destroyed");
	}
	if (store_spec(self, spec.id, err) < 0 ||
	    kt_sup_service_add(self, &spec, &service, err) < 0) {
		return -1;
	}
	service->fresh = true;
	if (start_and_wait(service, &spec, r, err) < 0) {
		kt_sup_service_delete(service);
		return -1;
	}
	return 0;
}

static int on_start(kt_supervisor *self, request *r, kt_err *err)
{
	kt_sup_service *service = wanted_service(self, r, err);
	kt_buf buf = KT_BUF_INIT;
	kt_sup_spec spec = {0};
	char dir[PATH_MAX];
	int status;

	if (!service) {
		return -1;
	}
	if (service->pidfd >= 0) {
		return KT_FAIL(err, PRECONDITION, "service '%s' is already running", service->id);
	}
	kt_sup_service_path(service, NULL, dir);
	status = kt_sup_spec_load(dir, &buf, &spec, err);
	if (status == 0) {
		status = start_and_wait(service, &spec, r, err);
	}
	kt_sup_spec_unload(&buf, &spec);
	return status;
}

static int on_stop(kt_supervisor *self, request *r, kt_err *err)
{
	kt_sup_service *service = wanted_service(self, r, err);
	uint64_t grace = kt_sup_get_num(&r->fields, KT_SUP_F_GRACE_MS, DEFAULT_GRACE_MS);
	int sig = 0;

	if (!service || wanted_signal(r, service->stop_signal, &sig, err) < 0) {
		return -1;
	}
	kt_sup_service_halt(service);
	if (service->pidfd < 0) {
		kt_sup_server_begin(self, r->asker, NULL);
		kt_sup_put_exit(&self->reply, &service->exit);
		finish(self, r, -1);
		return 0;
	}
	if (kt_vec_push(&service->stop_askers, r->asker) < 0) {
		return kt_err_nomem(err);
	}
	r->answered = true;
	kt_sup_service_stop(service, sig, (int64_t)KT_MIN(grace, UINT64_C(86400000)));
	return 0;
}

static int on_signal(kt_supervisor *self, request *r, kt_err *err)
{
	kt_sup_service *service = wanted_service(self, r, err);
	int sig = 0;

	if (!service || wanted_signal(r, 0, &sig, err) < 0) {
		return -1;
	}
	if (service->pidfd < 0) {
		return KT_FAIL(err, PRECONDITION, "service '%s' is not running", service->id);
	}
	if (sig == SIGKILL) {
		kt_sup_service_halt(service);
		kt_sup_service_kill(service);
	} else if (pidfd_send_signal(service->pidfd, sig, NULL, 0) < 0 && errno != ESRCH) {
		return KT_FAIL_ERRNO(err, "cannot signal service '%s'", service->id);
	}
	return 0;
}

static int on_remove(kt_supervisor *self, request *r, kt_err *err)
{
	kt_sup_service *service =
		kt_sup_service_find(self, kt_sup_get_str(&r->fields, KT_SUP_F_ID));

	if (!service) {
		return 0;
	}
	if (kt_vec_push(&service->remove_askers, r->asker) < 0) {
		return kt_err_nomem(err);
	}
	r->answered = true;
	service->removing = true;
	if (service->pidfd >= 0) {
		kt_sup_service_kill(service); /* deleted when it has ended */
	} else {
		kt_sup_service_delete(service);
	}
	return 0;
}

static void put_service(kt_buf *msg, const kt_sup_service *service)
{
	size_t mark = kt_sup_group_begin(msg, KT_SUP_F_SERVICE);

	kt_sup_put_str(msg, KT_SUP_F_ID, service->id);
	kt_sup_put_str(msg, KT_SUP_F_NAME, service->name);
	kt_sup_put_str(msg, KT_SUP_F_IP, inet_ntoa(service->ip));
	kt_sup_put_num(msg, KT_SUP_F_STATE, (uint64_t)service->state);
	if (service->pidfd >= 0) {
		kt_sup_put_num(msg, KT_SUP_F_PID, (uint64_t)service->pid);
	} else {
		kt_sup_put_exit(msg, &service->exit);
	}
	if (service->started_ns) {
		kt_sup_put_num(msg, KT_SUP_F_STARTED_NS, (uint64_t)service->started_ns);
	}
	kt_sup_group_end(msg, mark);
}

static int on_list(kt_supervisor *self, request *r, kt_err *err)
{
	const char *id = kt_sup_get_str(&r->fields, KT_SUP_F_ID);
	kt_sup_service *one = id ? wanted_service(self, r, err) : NULL;

	if (id && !one) {
		return -1;
	}
	kt_sup_server_begin(self, r->asker, NULL);
	for (size_t i = 0; i < self->services.len; i++) {
		if (!one || self->services.items[i] == one) {
			put_service(&self->reply, self->services.items[i]);
		}
	}
	finish(self, r, -1);
	return 0;
}

static int on_stats(kt_supervisor *self, request *r, kt_err *err)
{
	kt_sup_service *service = wanted_service(self, r, err);
	kt_sup_usage usage;

	if (!service) {
		return -1;
	}
	if (service->pidfd < 0) {
		return KT_FAIL(err, PRECONDITION, "service '%s' is not running", service->id);
	}
	kt_sup_cgroups_usage(&self->cgroups, service->id, &usage);
	kt_sup_server_begin(self, r->asker, NULL);
	if (usage.memory_bytes >= 0) {
		kt_sup_put_num(&self->reply, KT_SUP_F_MEMORY_BYTES, (uint64_t)usage.memory_bytes);
	}
	if (usage.cpu_ns >= 0) {
		kt_sup_put_num(&self->reply, KT_SUP_F_CPU_NS, (uint64_t)usage.cpu_ns);
	}
	if (usage.pids >= 0) {
		kt_sup_put_num(&self->reply, KT_SUP_F_PIDS, (uint64_t)usage.pids);
	}
	finish(self, r, -1);
	return 0;
}

static int on_exec(kt_supervisor *self, request *r, kt_err *err)
{
	KT_AUTO_SUP_SPEC kt_sup_spec spec = {0};
	kt_sup_service *service = wanted_service(self, r, err);

	if (!service || kt_sup_spec_read_exec(r->fields, &spec, err) < 0) {
		return -1;
	}
	if (kt_sup_exec_start(service, r->asker, &spec, r->fds, r->fd_count, err) < 0) {
		return -1;
	}
	r->answered = true;
	return 0;
}

static int on_exec_signal(kt_supervisor *self, request *r, kt_err *err)
{
	int sig = 0;

	if (wanted_signal(r, 0, &sig, err) < 0) {
		return -1;
	}
	return kt_sup_exec_signal(self, kt_sup_get_num(&r->fields, KT_SUP_F_EXEC_ID, 0), sig, err);
}

static int on_subscribe(kt_supervisor *self, request *r, kt_err *err)
{
	(void)err;
	kt_sup_server_begin(self, r->asker, NULL);
	finish(self, r, -1);
	r->client->subscribed = true;
	return 0;
}

static int wanted_address(const request *r, bool need_ip, struct sockaddr_in *ret, int *ret_type,
			  kt_err *err)
{
	const char *ip = kt_sup_get_str(&r->fields, KT_SUP_F_IP);
	const char *protocol = kt_sup_get_str(&r->fields, KT_SUP_F_PROTOCOL);
	uint64_t port = kt_sup_get_num(&r->fields, KT_SUP_F_PORT, 0);

	*ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	if ((need_ip || ip) && (!ip || inet_pton(AF_INET, ip, &ret->sin_addr) != 1)) {
		return KT_FAIL(err, INVALID, "'%s' is not an IPv4 address", ip ? ip : "");
	}
	if (port > 65535 || (need_ip && port == 0)) {
		return KT_FAIL(err, INVALID, "%llu is not a port", (unsigned long long)port);
	}
	if (protocol && strcmp(protocol, "tcp") != 0 && strcmp(protocol, "udp") != 0) {
		return KT_FAIL(err, INVALID, "unknown protocol '%s'", protocol);
	}
	*ret_type = protocol && protocol[0] == 'u' ? SOCK_DGRAM : SOCK_STREAM;
	return 0;
}

static int on_dial(kt_supervisor *self, request *r, kt_err *err)
{
	struct sockaddr_in addr;
	KT_AUTO_FD int fd = -1;
	int type;

	if (wanted_address(r, true, &addr, &type, err) < 0) {
		return -1;
	}
	fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 ||
	    (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 && errno != EINPROGRESS)) {
		return KT_FAIL_ERRNO(err, "cannot connect to %s:%d", inet_ntoa(addr.sin_addr),
				     ntohs(addr.sin_port));
	}
	kt_sup_server_begin(self, r->asker, NULL);
	finish(self, r, fd);
	return 0;
}

static int on_listen(kt_supervisor *self, request *r, kt_err *err)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);
	KT_AUTO_FD int fd = -1;
	int one = 1;
	int type;

	if (wanted_address(r, false, &addr, &type, err) < 0) {
		return -1;
	}
	fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 ||
	    (type == SOCK_STREAM &&
	     setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, SOMAXCONN) < 0) ||
	    getsockname(fd, (struct sockaddr *)&addr, &len) < 0) {
		return KT_FAIL_ERRNO(err, "cannot listen on %s:%d in the enclave",
				     inet_ntoa(addr.sin_addr), ntohs(addr.sin_port));
	}
	kt_sup_server_begin(self, r->asker, NULL);
	kt_sup_put_num(&self->reply, KT_SUP_F_PORT, ntohs(addr.sin_port));
	finish(self, r, fd);
	return 0;
}

static int kill_all_for(kt_supervisor *self)
{
	for (size_t i = 0; i < self->services.len; i++) {
		kt_sup_service_halt(self->services.items[i]);
		kt_sup_service_kill(self->services.items[i]);
	}
	return kt_sup_service_live(self) > 0;
}

static int on_destroy(kt_supervisor *self, request *r, kt_err *err)
{
	if (self->destroying) {
		return KT_FAIL(err, PRECONDITION, "the enclave is already being destroyed");
	}
	self->destroying = true;
	self->destroyer = r->asker;
	r->answered = true; /* by main, after everything is gone */
	if (!kill_all_for(self)) {
		kt_sup_loop_stop(&self->loop);
	}
	return 0;
}

static int on_shutdown(kt_supervisor *self, request *r, kt_err *err)
{
	(void)r;
	(void)err;
	kt_sup_loop_stop(&self->loop);
	return 0;
}

static int on_stop_all(kt_supervisor *self, request *r, kt_err *err)
{
	if (!kill_all_for(self)) {
		return 0;
	}
	if (kt_vec_push(&self->stop_all_askers, r->asker) < 0) {
		return kt_err_nomem(err);
	}
	r->answered = true;
	return 0;
}

static int on_net(kt_supervisor *self, request *r, kt_err *err)
{
	KT_AUTO_FD int fd = -1;

	kt_sup_server_begin(self, r->asker, NULL);
	if (kt_sup_net_request(self->net, &r->fields, r->fds, r->fd_count, &self->reply, &fd, err) <
	    0) {
		return -1;
	}
	finish(self, r, fd);
	return 0;
}

static const struct {
	kt_sup_type type;
	request_fn fn;
} request_rows[] = {
	{KT_SUP_HELLO, on_hello},
	{KT_SUP_SERVICE_LAUNCH, on_launch},
	{KT_SUP_SERVICE_START, on_start},
	{KT_SUP_SERVICE_STOP, on_stop},
	{KT_SUP_SERVICE_SIGNAL, on_signal},
	{KT_SUP_SERVICE_REMOVE, on_remove},
	{KT_SUP_SERVICE_LIST, on_list},
	{KT_SUP_SERVICE_STATS, on_stats},
	{KT_SUP_EXEC, on_exec},
	{KT_SUP_EXEC_SIGNAL, on_exec_signal},
	{KT_SUP_SUBSCRIBE, on_subscribe},
	{KT_SUP_DIAL, on_dial},
	{KT_SUP_LISTEN, on_listen},
	{KT_SUP_DESTROY, on_destroy},
	{KT_SUP_SHUTDOWN, on_shutdown},
	{KT_SUP_STOP_ALL, on_stop_all},
};

static request_fn find_request(uint16_t type)
{
	for (size_t i = 0; i < KT_ARRAY_LEN(request_rows); i++) {
		if (request_rows[i].type == type) {
			return request_rows[i].fn;
		}
	}
	return type >= KT_SUP_NET_FIRST && type <= KT_SUP_NET_LAST ? on_net : NULL;
}

static int carry_out(kt_supervisor *self, request *r, kt_err *err)
{
	request_fn fn = find_request(r->fields.type);

	if (!fn) {
		return KT_FAIL(err, UNSUPPORTED, "the supervisor knows no request %u",
			       r->fields.type);
	}
	if (!r->client->greeted && fn != on_hello) {
		return KT_FAIL(err, PRECONDITION, "the first request must be a hello");
	}
	return fn(self, r, err);
}

/* ---- clients ------------------------------------------------------------------------- */

static void handle_message(kt_sup_client *client, int *fds, size_t fd_count)
{
	kt_supervisor *sup = client->sup;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	request r = {.client = client, .fds = fds, .fd_count = fd_count, .arrived = kt_now()};

	if (kt_sup_open(&sup->request, &r.fields, &err) < 0) {
		client->dropped = true;
		return;
	}
	r.asker = (kt_sup_asker){client->serial, r.fields.id};
	if (carry_out(sup, &r, &err) < 0) {
		kt_sup_server_answer(sup, r.asker, &err);
	} else if (!r.answered) {
		kt_sup_server_answer(sup, r.asker, NULL);
	}
}

/* False when nothing more is to be read now. */
static bool receive(kt_sup_client *client)
{
	kt_supervisor *sup = client->sup;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	int fds[KT_SUP_FDS_MAX];
	size_t fd_count = 0;
	int status = kt_sup_recv(client->sock, &sup->request, fds, &fd_count, MSG_DONTWAIT, &err);

	if (status == 1) {
		handle_message(client, fds, fd_count);
		for (size_t i = 0; i < fd_count; i++) {
			kt_close_ptr(&fds[i]);
		}
		/* Specs hold secrets (spec.h). */
		explicit_bzero(sup->request.data, sup->request.len);
		if (sup->request.cap > 2 * KT_SUP_INLINE_MAX) {
			kt_buf_deinit(&sup->request);
			sup->request = (kt_buf)KT_BUF_INIT;
		}
	} else if (status == 0 || err.sys_errno != EAGAIN) {
		client->dropped = true;
	}
	return status == 1 && !client->dropped && !sup->loop.stopped;
}

static void on_client(kt_sup_watch *watch, uint32_t events)
{
	kt_sup_client *client = watch->user;

	if (events & EPOLLOUT) {
		flush_queue(client);
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		while (!client->dropped && receive(client)) {
		}
	}
	if (client->dropped) {
		free_client(client);
	}
}

static bool may_talk(int sock)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	return getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 &&
	       (who.uid == geteuid() || who.uid == 0);
}

static void on_listener(kt_sup_watch *watch, uint32_t events)
{
	kt_supervisor *self = watch->user;
	int sock = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	kt_sup_client *client;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;

	(void)events;
	if (sock < 0) {
		return;
	}
	client = may_talk(sock) ? kt_calloc(1, sizeof(*client)) : NULL;
	if (!client || kt_vec_push(&self->clients, client) < 0) {
		close(sock);
		kt_free(client);
		return;
	}
	client->sup = self;
	client->sock = sock;
	client->serial = ++self->next_client;
	if (kt_sup_watch_add(&self->loop, &client->watch, sock, EPOLLIN, on_client, client, &err) <
	    0) {
		kt_log_err(KT_LOG_ERROR, KT_SUP_PART, &err, "cannot serve a client");
		free_client(client);
	}
}

/* sun_path is short and the runtime directory may be deep: bind relative to a descriptor. */
static int bind_socket(kt_supervisor *self, int sock, kt_err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	KT_AUTO_FD int dir = open(self->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	mode_t mask;
	int status;

	if (dir < 0) {
		return KT_FAIL_ERRNO(err, "cannot open '%s'", self->dir);
	}
	(void)unlinkat(dir, "sup.sock", 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/sup.sock", dir);
	mask = umask(0177);
	status = bind(sock, (struct sockaddr *)&addr, sizeof(addr));
	(void)umask(mask);
	if (status < 0 || listen(sock, 64) < 0) {
		return KT_FAIL_ERRNO(err, "cannot listen on '%s/sup.sock'", self->dir);
	}
	return 0;
}

int kt_sup_server_open(kt_supervisor *self, kt_err *err)
{
	self->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (self->listener < 0) {
		return KT_FAIL_ERRNO(err, "cannot create the control socket");
	}
	if (bind_socket(self, self->listener, err) < 0) {
		return -1;
	}
	return kt_sup_watch_add(&self->loop, &self->listener_watch, self->listener, EPOLLIN,
				on_listener, self, err);
}

void kt_sup_server_close(kt_supervisor *self)
{
	while (self->clients.len > 0) {
		free_client(self->clients.items[0]);
	}
	kt_vec_deinit(&self->clients);
	kt_sup_watch_drop(&self->listener_watch);
	kt_close_ptr(&self->listener);
}
