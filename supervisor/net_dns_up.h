/*
 * The half of the resolver that asks the host's nameservers. UDP: at most three tries, one
 * and a half seconds each, over the nameservers in turn. TCP: one connection per question on
 * one of the few sockets given, which is disconnected and used again.
 */
#ifndef KT_SUPERVISOR_NET_DNS_UP_H
#define KT_SUPERVISOR_NET_DNS_UP_H

#include "loop.h"

typedef struct kt_dns_up kt_dns_up;

/*
 * The answer to a question asked with this token, with the question's own id, valid for the
 * call only; NULL: there was none.
 */
typedef void (*kt_dns_up_fn)(void *ctx, uint64_t token, const uint8_t *answer, size_t len);

kt_dns_up *kt_dns_up_new(kt_sup_loop *loop, kt_dns_up_fn fn, void *ctx, kt_err *err);
void kt_dns_up_free(kt_dns_up *self); /* NULL allowed; unanswered questions are forgotten */
/* See kt_sup_dns_upstream. */
int kt_dns_up_sockets(kt_dns_up *self, int *fds, size_t count, const char *resolv_conf,
		      kt_err *err);
bool kt_dns_up_ready(const kt_dns_up *self);
/* Asks. -1: cannot (too many questions open, no memory); fn is not called then. */
int kt_dns_up_ask(kt_dns_up *self, const uint8_t *query, size_t len, bool tcp, uint64_t token);

#endif
