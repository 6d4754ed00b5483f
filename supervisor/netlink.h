/*
 * The few rtnetlink messages an enclave needs, batched: one send, one receive.
 * All work in the calling process's network namespace. 0 or -errno: usable after a clone.
 */
#ifndef KT_SUPERVISOR_NETLINK_H
#define KT_SUPERVISOR_NETLINK_H

#include "base/base.h"

#include <netinet/in.h>
#include <sys/types.h>

/* A netlink socket of the current network namespace, or -errno. */
int kt_sup_nl_open(void);

/* 02:42:<the address>, as Docker derives it: neighbours can be known before they speak. */
void kt_sup_nl_mac(struct in_addr ip, uint8_t ret[6]);

/* Brings lo up and makes the enclave's bridge with its address; *ret_index: its index. An existing
 * bridge is taken as it is. */
int kt_sup_nl_make_bridge(int nl, int *ret_index);

/* Makes a veth pair: one end in the bridge, the other as eth0 in the namespace of pid; and a
 * permanent neighbour entry for the service. */
int kt_sup_nl_add_service(int nl, int bridge_index, struct in_addr ip, pid_t pid);

/* Inside a service's namespace: lo and eth0 up, address, default route, the gateway as permanent
 * neighbour. */
int kt_sup_nl_setup_service(struct in_addr ip);

#endif
