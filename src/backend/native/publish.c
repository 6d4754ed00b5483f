/* Published ports: host sockets are bound here and handed to the supervisor's forwarder. */
#include "backend/native/native_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define AUTO_TRIES 32
#define BACKLOG 512

static int make_socket(kt_protocol protocol, int family)
{
	int type = protocol == KT_UDP ? SOCK_DGRAM : SOCK_STREAM;
	int number = protocol == KT_SCTP ? IPPROTO_SCTP : 0;
	int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, number);
	int on = 1;
	if (fd >= 0) {
		if (protocol != KT_UDP) {
			(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		}
		if (family == AF_INET6) {
			(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
		}
	}
	return fd;
}

/* Binds and listens on loopback; returns the descriptor or -1 with errno. */
static int bind_one(kt_protocol protocol, int family, uint16_t number)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET,
				 .sin_port = htons(number),
				 .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
				  .sin6_port = htons(number),
				  .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	bool four = family == AF_INET;
	int fd = make_socket(protocol, family);
	if (fd < 0) {
		return -1;
	}
	if (bind(fd, four ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6,
		 four ? sizeof(v4) : sizeof(v6)) < 0 ||
	    (protocol != KT_UDP && listen(fd, BACKLOG) < 0)) {
		int saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static uint16_t number_of(int fd)
{
	struct sockaddr_in here = {0};
	socklen_t len = sizeof(here);
	return getsockname(fd, (struct sockaddr *)&here, &len) == 0 ? ntohs(here.sin_port) : 0;
}

/* Both families on one number; number 0: a free one. 0, or -1 with errno. */
static int bind_both(kt_protocol protocol, uint16_t number, native_bound *ret)
{
	int v4 = bind_one(protocol, AF_INET, number);
	if (v4 < 0) {
		return -1;
	}
	int v6 = bind_one(protocol, AF_INET6, number_of(v4));
	/* A host without IPv6 loopback is no failure; a taken port is. */
	if (v6 < 0 && errno == EADDRINUSE) {
		close(v4);
		errno = EADDRINUSE;
		return -1;
	}
	*ret = (native_bound){{v4, v6}};
	return 0;
}

static int bind_port(native_port *port, native_bound *ret, kt_err *err)
{
	int rc = -1;
	for (int i = 0; rc < 0 && i < (port->fixed != 0 ? 1 : AUTO_TRIES); i++) {
		rc = bind_both(port->info.protocol, port->fixed, ret);
		if (rc < 0 && errno != EADDRINUSE) {
			break;
		}
	}
	if (rc == 0) {
		port->info.public_number = number_of(ret->fds[0]);
		return 0;
	}
	if (port->info.protocol == KT_SCTP &&
	    (errno == EPROTONOSUPPORT || errno == ESOCKTNOSUPPORT)) {
		return 0; /* this kernel has no SCTP: reachable by nobody, so not published */
	}
	if (errno == EADDRINUSE) {
		kt_err_set(err, KT_ERR_EXISTS,
			   "cannot publish port '%s' on 127.0.0.1:%u: address already in use",
			   port->info.id, (unsigned)port->fixed);
		kt_err_hint(err, "stop the program that uses the port (see: ss -ltnp), or choose "
				 "another public port");
		return -1;
	}
	return KT_FAIL_ERRNO(err, "cannot publish port '%s' on 127.0.0.1:%u", port->info.id,
			     (unsigned)port->fixed);
}

int native_ports_bind(native_port *ports, size_t len, native_bound *bound, kt_err *err)
{
	for (size_t i = 0; i < len; i++) {
		bound[i] = (native_bound){{-1, -1}};
		ports[i].info.public_number = 0;
	}
	for (size_t i = 0; i < len; i++) {
		if (ports[i].publish && bind_port(&ports[i], &bound[i], err) < 0) {
			native_ports_close(bound, len);
			return -1;
		}
	}
	return 0;
}

void native_ports_close(native_bound *bound, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		for (size_t j = 0; j < NATIVE_PORT_FDS; j++) {
			kt_close_ptr(&bound[i].fds[j]);
		}
	}
}

int native_ports_publish(native_backend *self, const char *enclave, const char *uuid,
			 const native_port *ports, size_t len, const native_bound *bound,
			 bool starting, kt_err *err)
{
	for (size_t i = 0; i < len; i++) {
		if (bound[i].fds[0] < 0) {
			continue;
		}
		KT_AUTO_SUP_CALL kt_sup_call call = {.only_running = starting};
		KT_AUTO_ERR kt_err failure = KT_ERR_INIT;
		kt_sup_call_begin(&call, (kt_sup_type)KT_NET_PUBLISH);
		kt_sup_put_str(&call.msg, KT_SUP_F_ID, uuid);
		kt_sup_put_num(&call.msg, KT_SUP_F_PORT, ports[i].info.number);
		call.fds = bound[i].fds;
		call.fd_count = bound[i].fds[1] >= 0 ? 2 : 1;
		if (native_call(self, enclave, &call, &failure) < 0) {
			if (failure.code == KT_ERR_PRECONDITION) {
				return 0;
			}
			kt_err_move(err, &failure);
			return KT_WRAP(err, "cannot publish port '%s'", ports[i].info.id);
		}
	}
	return 0;
}
