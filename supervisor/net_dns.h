/*
 * The resolver of an enclave: port 53, UDP and TCP, on the bridge's address.
 *
 *   name of a running service   its address; other record types: none
 *   any other single label      does not exist (never asked outside)
 *   reverse names               the service's name within the enclave's subnet
 *   the rest                    asked from the host's nameservers, if there is a way
 *
 * Questions that need an answer from outside go on with upstream sockets made in the host's
 * namespace; a truncated answer makes the client ask again by TCP, which is passed on by TCP.
 */
#ifndef KT_SUPERVISOR_NET_DNS_H
#define KT_SUPERVISOR_NET_DNS_H

#include "loop.h"

#include <netinet/in.h>

typedef struct kt_sup_dns kt_sup_dns;

/* Binds UDP and TCP port `port` of `address`. */
kt_sup_dns *kt_sup_dns_new(kt_sup_loop *loop, struct in_addr address, uint16_t port, kt_err *err);
void kt_sup_dns_free(kt_sup_dns *self); /* NULL allowed */

/* Enters names (each may be NULL) for a service; replaces those it had. */
int kt_sup_dns_add(kt_sup_dns *self, const char *id, const char *name, const char *hostname,
		   struct in_addr ip, kt_err *err);
void kt_sup_dns_remove(kt_sup_dns *self, const char *id);

/*
 * Takes the host-side sockets (UDP and TCP, unconnected) and forgets earlier ones; those kept
 * are -1 in fds afterwards. Nameservers are read from resolv_conf (borrowed, outlives self),
 * and again whenever that file changes.
 */
int kt_sup_dns_upstream(kt_sup_dns *self, int *fds, size_t count, const char *resolv_conf,
			kt_err *err);

#endif
