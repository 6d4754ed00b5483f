/*
 * Published UDP: each sender on the host's side gets a socket of its own inside, so that the
 * answers find their way back. A pair is forgotten after a minute without traffic.
 */
#ifndef KT_SUPERVISOR_NET_UDP_H
#define KT_SUPERVISOR_NET_UDP_H

#include "loop.h"

#include <netinet/in.h>

typedef struct kt_sup_udp kt_sup_udp;

/* On success host_fd (bound, non-blocking) belongs to the object. */
kt_sup_udp *kt_sup_udp_new(kt_sup_loop *loop, int host_fd, struct sockaddr_in to, kt_err *err);
void kt_sup_udp_free(kt_sup_udp *self); /* NULL allowed */

#endif
