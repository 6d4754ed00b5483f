/*
 * The way out of an enclave, inside its namespace: forwarding is switched on and what leaves
 * by one interface gets that interface's address. The host's own configuration is not touched.
 */
#ifndef KT_SUPERVISOR_NET_OUTBOUND_H
#define KT_SUPERVISOR_NET_OUTBOUND_H

#include "base/err.h"

/*
 * Lets the bridge's address act as a router, which tells services at once (by ICMP) that a
 * network cannot be reached, instead of dropping what they send there.
 */
int kt_sup_outbound_route(kt_err *err);

/* Repeatable. UNSUPPORTED when this kernel has no nf_tables. Blocks for one netlink exchange. */
int kt_sup_outbound_enable(const char *interface, kt_err *err);

#endif
