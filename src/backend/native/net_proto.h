/*
 * The network part of the control protocol (see sup_proto.h): names, published ports,
 * the way out. Descriptors that come with a request were made in the host's network
 * namespace and keep belonging to it.
 */
#ifndef KT_BACKEND_NATIVE_NET_PROTO_H
#define KT_BACKEND_NATIVE_NET_PROTO_H

#include "backend/native/sup_proto.h"

#define KT_NET_RESOLV_CONF "/etc/resolv.conf"

/*
 * The way out of an enclave: an interface of its namespace with these addresses. They are
 * link-local: nothing outside ever sees them, and no network that matters is hidden.
 */
#define KT_NET_UPLINK "ktup0"
#define KT_NET_UPLINK_IP "169.254.77.2"
#define KT_NET_UPLINK_GATEWAY "169.254.77.1"
#define KT_NET_UPLINK_PREFIX_LEN "30"

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
	 * Services may leave the enclave: what they send outside goes through the interface
	 * KT_NET_UPLINK, with its address. The interface itself is made by another program
	 * (pasta), before or after.
	 */
	KT_NET_OUTBOUND = 0x103,
} kt_net_type;

#endif
