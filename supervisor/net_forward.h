/*
 * Published ports: what connects to a socket of the host is dialled through to a service
 * inside the enclave and the bytes are spliced between the two, without copying.
 *
 * The client gets RST when the service refuses; each direction closes by itself.
 */
#ifndef KT_SUPERVISOR_NET_FORWARD_H
#define KT_SUPERVISOR_NET_FORWARD_H

#include "loop.h"

#include <netinet/in.h>

typedef struct kt_sup_forward kt_sup_forward;

kt_sup_forward *kt_sup_forward_new(kt_sup_loop *loop, kt_err *err);
void kt_sup_forward_free(kt_sup_forward *self); /* NULL allowed; drops every connection */

/*
 * Publishes: connections to (or datagrams for) host_fd go to `to`, with the protocol of
 * the socket. On success host_fd belongs to self, until kt_sup_forward_remove(id).
 */
int kt_sup_forward_add(kt_sup_forward *self, const char *id, int host_fd, struct sockaddr_in to,
		       kt_err *err);
/* Closes the service's listening sockets. Connections end by themselves. */
void kt_sup_forward_remove(kt_sup_forward *self, const char *id);

/*
 * Splices a <-> b until both directions have ended; both belong to self from here on, also
 * on failure. b may still be connecting: until it is, nothing is read from a.
 */
int kt_sup_forward_join(kt_sup_forward *self, int a, int b, kt_err *err);

#endif
