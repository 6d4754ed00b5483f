/*
 * The way out of an enclave, inside its namespace: forwarding is switched on and what leaves
 * by one interface gets that interface's address. The host's own configuration is not touched.
 */
#ifndef KT_SUPERVISOR_NET_OUTBOUND_H
#define KT_SUPERVISOR_NET_OUTBOUND_H

#include "base/err.h"

/* Repeatable. UNSUPPORTED when this kernel has no nf_tables. Blocks for one netlink exchange. */
int kt_sup_outbound_enable(const char *interface, kt_err *err);

#endif
