/*
 * Reading questions and writing short answers in DNS wire format (RFC 1035). No I/O.
 * The input is hostile: every length is checked, compression in questions is refused.
 */
#ifndef KT_SUPERVISOR_NET_DNS_MSG_H
#define KT_SUPERVISOR_NET_DNS_MSG_H

#include "base/base.h"

#include <netinet/in.h>

#define KT_DNS_NAME_MAX 254 /* as text, without final dot, with NUL */
#define KT_DNS_UDP_MAX 512  /* answer to a client that has not said it takes more */
#define KT_DNS_MAX 65535
#define KT_DNS_HEADER_LEN 12

enum { KT_DNS_A = 1, KT_DNS_PTR = 12, KT_DNS_AAAA = 28, KT_DNS_ANY = 255 };
enum { KT_DNS_IN = 1 };
enum {
	KT_DNS_OK = 0,
	KT_DNS_FORMERR = 1,
	KT_DNS_SERVFAIL = 2,
	KT_DNS_NXDOMAIN = 3,
	KT_DNS_NOTIMP = 4,
};

typedef struct kt_dns_question {
	uint16_t id;
	uint16_t type;
	uint16_t class_;
	char name[KT_DNS_NAME_MAX]; /* lower-case, labels joined by dots; "" = the root */
	size_t end; /* offset behind the question section: header and one question */
} kt_dns_question;

/*
 * Reads a query with exactly one question. 0; -1 = not worth an answer (too short, a
 * response); otherwise the error code to answer with.
 */
int kt_dns_parse_query(const uint8_t *packet, size_t len, kt_dns_question *ret);

/* Whether `answer` is a response to the question section of `query` (ids aside). */
bool kt_dns_matches(const uint8_t *answer, size_t len, const uint8_t *query, size_t query_len);

/*
 * Answers without records, built from the query in place of it: header and question (if the
 * query had one) with this code. out has room for KT_DNS_UDP_MAX. Returns the length.
 */
size_t kt_dns_answer_code(const uint8_t *query, const kt_dns_question *question, int code,
			  uint8_t *out);
/* An answer with one A record. */
size_t kt_dns_answer_a(const uint8_t *query, const kt_dns_question *question, struct in_addr ip,
		       uint32_t ttl, uint8_t *out);
/* An answer with one PTR record; 0 if the name does not fit. */
size_t kt_dns_answer_ptr(const uint8_t *query, const kt_dns_question *question, const char *name,
			 uint32_t ttl, uint8_t *out);
/* "5.0.16.172.in-addr.arpa" -> 172.16.0.5. */
bool kt_dns_reverse_name(const char *name, struct in_addr *ret);

#endif
