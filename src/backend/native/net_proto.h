/*
 * The network part of the control protocol (see sup_proto.h): names, published ports,
 * the way out. Descriptors that come with a request were made in the host's network
 * namespace and keep belonging to it.
 */
#ifndef KT_BACKEND_NATIVE_NET_PROTO_H
#define KT_BACKEND_NATIVE_NET_PROTO_H

#include "backend/native/sup_proto.h"

#define KT_NET_RESOLV_CONF "/etc/resolv.conf"

typedef enum kt_net_type {
	/*
	 * Descriptors: unconnected UDP and TCP sockets of the host (any mix of IPv4 and
	 * IPv6), through which the resolver asks the nameservers of KT_NET_RESOLV_CONF.
	 * They replace earlier ones. Without any, other names do not exist.
	 */
	KT_NET_UPSTREAM = 0x100,
	/*
	 * ID, PORT, [PROTOCOL: "tcp"], descriptors: listening (tcp, sctp) or bound (udp)
	 * sockets of the host. What comes in there goes to PORT of the running service ID.
	 * They are closed when the service ends. PRECONDITION: it does not run.
	 */
	KT_NET_PUBLISH = 0x101,
	/* ID. Ends all publishing of the service; connections go on. */
	KT_NET_UNPUBLISH = 0x102,
	/*
	 * Descriptor: a seqpacket socket to a helper on the host's side that opens sockets there
	 * (see net_outbound.h). Turns the way out on. Without descriptor: off.
	 */
	KT_NET_OUTBOUND = 0x103,
} kt_net_type;

#endif
