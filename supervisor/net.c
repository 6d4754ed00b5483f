/* The network helpers together, as the supervisor's core sees them (net.h). */
#include "net.h"

#include "net_dns.h"
#include "net_forward.h"
#include "net_outbound.h"

#include "backend/native/net_proto.h"
#include "base/alloc.h"
#include "base/map.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#define DNS_PORT 53

struct kt_sup_net {
	kt_sup_loop *loop;
	kt_sup_dns *dns;
	kt_sup_forward *forward;
	kt_map running; /* id -> struct in_addr * */
};

/* A forwarded connection takes six descriptors. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

kt_sup_net *kt_sup_net_new(kt_sup_loop *loop, const char *dir, kt_err *err)
{
	(void)dir;
	kt_sup_net *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	struct in_addr gateway;
	inet_pton(AF_INET, KT_SUP_GATEWAY, &gateway);
	self->loop = loop;
	self->running = (kt_map)KT_MAP_OWNING(kt_free);
	self->forward = kt_sup_forward_new(loop, err);
	self->dns = self->forward == NULL ? NULL : kt_sup_dns_new(loop, gateway, DNS_PORT, err);
	if (self->dns == NULL) {
		kt_sup_net_free(self);
		return NULL;
	}
	raise_descriptor_limit();
	KT_AUTO_ERR kt_err ignored = KT_ERR_INIT; /* a read-only /proc/sys costs a courtesy only */
	(void)kt_sup_outbound_route(&ignored);
	return self;
}

void kt_sup_net_free(kt_sup_net *self)
{
	if (self == NULL) {
		return;
	}
	kt_sup_dns_free(self->dns);
	kt_sup_forward_free(self->forward);
	kt_map_deinit(&self->running);
	kt_free(self);
}

static int publish(kt_sup_net *self, const kt_sup_reader *request, int *fds, size_t fd_count,
		   kt_err *err)
{
	const char *id = kt_sup_get_str(request, KT_SUP_F_ID);
	uint64_t port = kt_sup_get_num(request, KT_SUP_F_PORT, 0);
	if (id == NULL || port == 0 || port > UINT16_MAX || fd_count == 0) {
		return KT_FAIL(err, INVALID, "a request to publish lacks id, port or descriptor");
	}
	const struct in_addr *ip = kt_map_get(&self->running, id);
	if (ip == NULL) {
		return KT_FAIL(err, PRECONDITION, "service '%s' does not run", id);
	}
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = *ip};
	for (size_t i = 0; i < fd_count; i++) {
		if (kt_sup_forward_add(self->forward, id, fds[i], to, err) < 0) {
			return -1;
		}
		fds[i] = -1;
	}
	return 0;
}

static int unpublish(kt_sup_net *self, const kt_sup_reader *request, kt_err *err)
{
	const char *id = kt_sup_get_str(request, KT_SUP_F_ID);
	if (id == NULL) {
		return KT_FAIL(err, INVALID, "a request to unpublish lacks the id");
	}
	kt_sup_forward_remove(self->forward, id);
	return 0;
}

int kt_sup_net_request(kt_sup_net *self, const kt_sup_reader *request, int *fds, size_t fd_count,
		       kt_buf *reply, int *ret_fd, kt_err *err)
{
	(void)reply, (void)ret_fd;
	switch (request->type) {
	case KT_NET_UPSTREAM:
		return kt_sup_dns_upstream(self->dns, fds, fd_count, KT_NET_RESOLV_CONF, err);
	case KT_NET_PUBLISH:
		return publish(self, request, fds, fd_count, err);
	case KT_NET_UNPUBLISH:
		return unpublish(self, request, err);
	case KT_NET_OUTBOUND:
		return kt_sup_outbound_enable(KT_NET_UPLINK, err);
	default:
		return KT_FAIL(err, UNSUPPORTED, "unknown network request %u",
			       (unsigned)request->type);
	}
}

int kt_sup_net_service_up(kt_sup_net *self, const char *id, const char *name,
			  const char *hostname, struct in_addr ip, kt_err *err)
{
	struct in_addr *copy = kt_memdup(&ip, sizeof(ip));
	if (copy == NULL || kt_map_set(&self->running, id, copy) < 0) {
		kt_free(copy);
		return kt_err_nomem(err);
	}
	return kt_sup_dns_add(self->dns, id, name, hostname, ip, err);
}

void kt_sup_net_service_down(kt_sup_net *self, const char *id)
{
	kt_free(kt_map_take(&self->running, id));
	kt_sup_dns_remove(self->dns, id);
	kt_sup_forward_remove(self->forward, id);
}
