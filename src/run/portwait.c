/*
 * Waiting for a service's ports. Every port is tried with pauses that grow from 1 ms to
 * 100 ms; the end of the service's process ends the wait at once, because nothing will
 * listen any more.
 */
#include "base/fs.h"
#include "run/run_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>

#define FIRST_PAUSE_MS 1
#define LAST_PAUSE_MS 100
#define DIAL_MS 200
#define LOGS_MAX (4 * 1024 * 1024)

typedef struct port_state {
	const kt_plan_port *port;
	bool open;
	kt_instant deadline;
	unsigned retries;
} port_state;

typedef struct port_wait {
	kt_run_env *env;
	const kt_reg *reg;
	const kt_cancel *cancel;
	struct in_addr ip;
	int exit_fd;
	kt_err last; /* why the failing port did not open */
} port_wait;

void kt_service_log_block(kt_run_env *env, const kt_reg *reg, kt_buf *out)
{
	KT_AUTO_BUF kt_buf logs = KT_BUF_MAX(LOGS_MAX);
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	const char *line = "===================================";

	if (env->backend->ops->service_logs(env->backend, env->enclave_uuid, reg->uuid, 0, &logs,
	                                    &err) < 0) {
		kt_buf_addf(out, "An error occurred while getting the service logs.\n Error:%s",
		            kt_err_message(&err, 0));
		return;
	}
	kt_buf_addf(out, "== SERVICE '%s' LOGS %s\n", reg->name, line);
	kt_buf_add(out, kt_buf_str(&logs), logs.len);
	kt_buf_addf(out, "\n== FINISHED SERVICE '%s' LOGS %s", reg->name, line);
}

/* The error of connect(2) in the words of the reference's dialler. */
static void explain_dial(port_wait *w, const kt_plan_port *port, const kt_err *dial)
{
	if (dial->sys_errno != 0) {
		bool late = dial->sys_errno == ETIMEDOUT;
		KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
		kt_buf_adds(&text, late ? "i/o timeout" : "connect: ");
		for (const char *c = late ? "" : strerror(dial->sys_errno); *c != '\0'; c++) {
			kt_buf_addc(&text, *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c);
		}
		KT_FAIL(&w->last, UNAVAILABLE, "dial tcp %s:%u: %s", w->reg->ip,
		        (unsigned)port->number, kt_buf_str(&text));
		return;
	}
	KT_FAIL(&w->last, UNAVAILABLE, "dial tcp %s:%u: %s", w->reg->ip, (unsigned)port->number,
	        dial->code == KT_ERR_TIMEOUT ? "i/o timeout" : kt_err_root(dial));
}

/* 1 open, 0 not yet, -1 cancelled. */
static int try_port(port_wait *w, port_state *p, kt_err *err)
{
	KT_AUTO_ERR kt_err dial = KT_ERR_INIT;
	kt_backend *backend = w->env->backend;
	kt_instant deadline = KT_MIN(p->deadline, kt_after_ms(DIAL_MS));
	int fd = -1;

	if (p->port->transport != KT_PLAN_TCP) {
		return 1; /* nothing can be asked of a datagram port */
	}
	if (backend->ops->dial(backend, w->env->enclave_uuid, w->ip, p->port->number, deadline,
	                       w->cancel, &fd, &dial) == 0) {
		kt_close_ptr(&fd);
		return 1;
	}
	if (kt_cancel_check(w->cancel, err) < 0) {
		return -1;
	}
	p->retries++;
	explain_dial(w, p->port, &dial);
	return 0;
}

static int fail_port(port_wait *w, const port_state *p, kt_err *err)
{
	KT_AUTO_BUF kt_buf timeout = KT_BUF_INIT;
	const kt_plan_port *port = p->port;

	kt_buf_add_duration(&timeout, port->wait_ns);
	KT_WRAP(&w->last,
	        "An error occurred while calling network address '%s:%u' with port protocol '%s' "
	        "and using time out '%dms'",
	        w->reg->ip, (unsigned)port->number, kt_plan_transport_name(port->transport),
	        DIAL_MS);
	KT_WRAP(&w->last,
	        "Unsuccessful ports check for IP '%s' and port spec '{number:%u "
	        "transportProtocol:%s}', even after '%u' retries with at most '%d' milliseconds in "
	        "between retries. Timeout '%s' has been reached",
	        w->reg->ip, (unsigned)port->number, kt_plan_transport_name(port->transport),
	        p->retries, LAST_PAUSE_MS, kt_buf_str(&timeout));
	kt_err_move(err, &w->last);
	return -1;
}

/* The process has ended: says so in place of the last dial's error. */
static int fail_exited(port_wait *w, const port_state *p, kt_err *err)
{
	kt_backend *backend = w->env->backend;
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	kt_service_info info = {.exit_code = KT_EXIT_UNKNOWN};

	backend->ops->service_inspect(backend, w->env->enclave_uuid, w->reg->uuid, &arena, &info,
	                              NULL);
	if (info.exit_code == KT_EXIT_UNKNOWN) {
		KT_FAIL(&w->last, PRECONDITION, "the service exited with an unknown code");
	} else {
		KT_FAIL(&w->last, PRECONDITION, "the service exited with code %d%s", info.exit_code,
		        info.oom_killed ? " (its memory limit ended it)" : "");
	}
	return fail_port(w, p, err);
}

/* The first port that is not open, or NULL. */
static const port_state *first_closed(const port_state *ports, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!ports[i].open) {
			return &ports[i];
		}
	}
	return NULL;
}

/* One try of every closed port. 0, or -1 when a port's time is over. */
static int try_all(port_wait *w, port_state *ports, size_t n, kt_err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (ports[i].open) {
			continue;
		}
		int open = try_port(w, &ports[i], err);
		if (open < 0) {
			return -1;
		}
		ports[i].open = open == 1;
		if (open == 0 && kt_now() >= ports[i].deadline) {
			return fail_port(w, &ports[i], err);
		}
	}
	return 0;
}

/* Waits until the next try or the process's end. 1 = it ended. */
static int pause_between(port_wait *w, const port_state *ports, size_t n, int64_t ms, kt_err *err)
{
	KT_AUTO_ERR kt_err waited = KT_ERR_INIT;
	kt_instant until = kt_after_ms(ms);

	for (size_t i = 0; i < n; i++) {
		until = ports[i].open ? until : KT_MIN(until, ports[i].deadline);
	}
	if (kt_wait_fd(w->exit_fd, POLLIN, until, w->cancel, &waited) == 0) {
		return 1;
	}
	if (waited.code == KT_ERR_TIMEOUT) {
		return 0;
	}
	kt_err_move(err, &waited);
	return -1;
}

static int wait_loop(port_wait *w, port_state *ports, size_t n, kt_err *err)
{
	int64_t pause = FIRST_PAUSE_MS;

	for (;;) {
		if (try_all(w, ports, n, err) < 0) {
			return -1;
		}
		const port_state *closed = first_closed(ports, n);
		if (closed == NULL) {
			return 0;
		}
		int ended = pause_between(w, ports, n, pause, err);
		if (ended != 0) {
			return ended < 0 ? -1 : fail_exited(w, closed, err);
		}
		pause = KT_MIN(pause * 2, LAST_PAUSE_MS);
	}
}

/* The ports with a wait; *ret lives in the arena. */
static int collect(const kt_plan_config *config, kt_arena *arena, port_state **ret, size_t *ret_n,
                   kt_err *err)
{
	port_state *ports = KT_ARENA_ARRAY(arena, port_state, config->ports.len + 1);
	size_t n = 0;

	if (ports == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < config->ports.len; i++) {
		const kt_plan_port *port = &config->ports.items[i];
		if (port->wait_ns != KT_PLAN_NO_WAIT) {
			ports[n++] =
			        (port_state){.port = port, .deadline = kt_now() + port->wait_ns};
		}
	}
	*ret = ports;
	*ret_n = n;
	return 0;
}

int kt_service_wait_ports(kt_run_env *env, const kt_reg *reg, const kt_plan_config *config,
                          const kt_cancel *cancel, kt_err *err)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	port_wait w = {.env = env, .reg = reg, .cancel = cancel};
	KT_AUTO_FD int exit_fd = -1;
	port_state *ports = NULL;
	size_t n = 0;

	if (collect(config, &arena, &ports, &n, err) < 0 ||
	    env->backend->ops->service_exit_fd(env->backend, env->enclave_uuid, reg->uuid, &exit_fd,
	                                       err) < 0) {
		return -1;
	}
	w.exit_fd = exit_fd;
	inet_pton(AF_INET, reg->ip, &w.ip);
	int result = wait_loop(&w, ports, n, err);
	kt_err_release(&w.last);
	if (result < 0 && !kt_cancel_fired(cancel)) {
		KT_AUTO_BUF kt_buf logs = KT_BUF_INIT;
		kt_service_log_block(env, reg, &logs);
		KT_WRAP(err,
		        "An error occurred while waiting for all TCP and UDP ports to be open");
		KT_WRAP(err,
		        "An error occurred waiting for all TCP and UDP ports to be open for "
		        "service "
		        "'%s' with private IP '%s'; this is usually due to a misconfiguration in "
		        "the "
		        "service itself, so here are the logs:\n%s",
		        reg->name, reg->ip, kt_buf_str(&logs));
	}
	return result;
}
