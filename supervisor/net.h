/*
 * What the supervisor's core asks of the network helpers (resolver, forwarder, outbound).
 *
 * The supervisor's process lives in the enclave's network namespace from the start: a socket it
 * opens is inside. Descriptors of the host's side (listeners, upstream sockets) come with
 * requests. All functions run on the loop's thread and must not block.
 */
#ifndef KT_SUPERVISOR_NET_H
#define KT_SUPERVISOR_NET_H

#include "backend/native/sup_proto.h"
#include "loop.h"

#include <netinet/in.h>

typedef struct kt_sup_net kt_sup_net;

/* Called once, with the bridge up and its address set. `dir` is the enclave's runtime directory
 * (borrowed, outlives the object). The resolver starts to listen here. NULL on failure. */
kt_sup_net *kt_sup_net_new(kt_sup_loop *loop, const char *dir, kt_err *err);
void kt_sup_net_free(kt_sup_net *self);

/*
 * Carries out a request of type KT_SUP_NET_FIRST…KT_SUP_NET_LAST. Descriptors in fds that it
 * keeps are set to -1 in the array; the caller closes the rest. It adds the reply's own
 * fields to `reply` (STATUS is the caller's) and may put one descriptor into *ret_fd, which the
 * caller sends and closes. 0 or -1.
 */
int kt_sup_net_request(kt_sup_net *self, const kt_sup_reader *request, int *fds, size_t fd_count,
		       kt_buf *reply, int *ret_fd, kt_err *err);

/* A service has started or ended: its name (may be NULL) and hostname resolve or no longer do. */
int kt_sup_net_service_up(kt_sup_net *self, const char *id, const char *name,
			  const char *hostname, struct in_addr ip, kt_err *err);
void kt_sup_net_service_down(kt_sup_net *self, const char *id);

#endif
