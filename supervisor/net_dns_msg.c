#include "net_dns_msg.h"

#include <stdio.h>
#include <string.h>

#define FLAG_RESPONSE 0x80
#define FLAG_AUTHORITATIVE 0x04
#define FLAG_RECURSION_WANTED 0x01
#define FLAG_RECURSION_OFFERED 0x80
#define OPCODE_MASK 0x78
#define LABEL_MAX 63
#define ANSWER_NAME 0xc00c /* a pointer to the question's name */

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint8_t *put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
	return at + 2;
}

static char lower(uint8_t c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* Reads labels up to the root; false if they run out of the packet or are too long. */
static bool read_name(const uint8_t *packet, size_t len, size_t *at, char name[KT_DNS_NAME_MAX])
{
	size_t out = 0;
	for (;;) {
		if (*at >= len || packet[*at] > LABEL_MAX) {
			return false;
		}
		size_t label = packet[(*at)++];
		if (label == 0) {
			name[out] = '\0';
			return true;
		}
		size_t dot = out > 0 ? 1 : 0;
		if (label > len - *at || out + dot + label >= KT_DNS_NAME_MAX) {
			return false;
		}
		if (dot != 0) {
			name[out++] = '.';
		}
		for (size_t i = 0; i < label; i++) {
			char c = lower(packet[*at + i]);
			if (c == '\0' || c == '.') {
				return false; /* would make two names look alike */
			}
			name[out++] = c;
		}
		*at += label;
	}
}

int kt_dns_parse_query(const uint8_t *packet, size_t len, kt_dns_question *ret)
{
	if (len < KT_DNS_HEADER_LEN || (packet[2] & FLAG_RESPONSE) != 0) {
		return -1;
	}
	*ret = (kt_dns_question){.id = get16(packet), .end = KT_DNS_HEADER_LEN};
	if ((packet[2] & OPCODE_MASK) != 0) {
		return KT_DNS_NOTIMP;
	}
	size_t at = KT_DNS_HEADER_LEN;
	if (get16(packet + 4) != 1 || !read_name(packet, len, &at, ret->name) || len - at < 4) {
		return KT_DNS_FORMERR;
	}
	ret->type = get16(packet + at);
	ret->class_ = get16(packet + at + 2);
	ret->end = at + 4;
	return 0;
}

bool kt_dns_matches(const uint8_t *answer, size_t len, const uint8_t *query, size_t query_len)
{
	kt_dns_question asked;
	if (kt_dns_parse_query(query, query_len, &asked) != 0 || len < asked.end ||
	    (answer[2] & FLAG_RESPONSE) == 0 || get16(answer + 4) != 1) {
		return false;
	}
	/* Servers may change the case of the name, never its length. */
	for (size_t i = KT_DNS_HEADER_LEN; i < asked.end; i++) {
		if (lower(answer[i]) != lower(query[i])) {
			return false;
		}
	}
	return true;
}

/* Header and question of an answer. */
static uint8_t *begin(const uint8_t *query, const kt_dns_question *question, int code,
		      uint16_t answers, uint8_t *out)
{
	memcpy(out, query, question->end);
	out[2] = (uint8_t)(FLAG_RESPONSE | FLAG_AUTHORITATIVE |
			   (query[2] & (OPCODE_MASK | FLAG_RECURSION_WANTED)));
	out[3] = (uint8_t)(FLAG_RECURSION_OFFERED | code);
	put16(out + 4, question->end > KT_DNS_HEADER_LEN ? 1 : 0);
	put16(out + 6, answers);
	put16(out + 8, 0);
	put16(out + 10, 0);
	return out + question->end;
}

size_t kt_dns_answer_code(const uint8_t *query, const kt_dns_question *question, int code,
			  uint8_t *out)
{
	return (size_t)(begin(query, question, code, 0, out) - out);
}

static uint8_t *begin_record(uint8_t *at, uint16_t type, uint32_t ttl)
{
	at = put16(at, ANSWER_NAME);
	at = put16(at, type);
	at = put16(at, KT_DNS_IN);
	at = put16(at, (uint16_t)(ttl >> 16));
	return put16(at, (uint16_t)ttl);
}

size_t kt_dns_answer_a(const uint8_t *query, const kt_dns_question *question, struct in_addr ip,
		       uint32_t ttl, uint8_t *out)
{
	uint8_t *at = begin(query, question, KT_DNS_OK, 1, out);
	at = begin_record(at, KT_DNS_A, ttl);
	at = put16(at, sizeof(ip.s_addr));
	memcpy(at, &ip.s_addr, sizeof(ip.s_addr));
	return (size_t)(at + sizeof(ip.s_addr) - out);
}

size_t kt_dns_answer_ptr(const uint8_t *query, const kt_dns_question *question, const char *name,
			 uint32_t ttl, uint8_t *out)
{
	size_t name_len = strlen(name);
	if (name_len + 2 > 255 || question->end + name_len + 14 > KT_DNS_UDP_MAX) {
		return 0;
	}
	uint8_t *at = begin(query, question, KT_DNS_OK, 1, out);
	at = begin_record(at, KT_DNS_PTR, ttl);
	uint8_t *length = at;
	at += 2;
	while (*name != '\0') {
		size_t label = strcspn(name, ".");
		if (label == 0 || label > LABEL_MAX) {
			return 0;
		}
		*at++ = (uint8_t)label;
		memcpy(at, name, label);
		at += label;
		name += label + (name[label] == '.' ? 1 : 0);
	}
	*at++ = 0;
	put16(length, (uint16_t)(at - length - 2));
	return (size_t)(at - out);
}

bool kt_dns_reverse_name(const char *name, struct in_addr *ret)
{
	unsigned a, b, c, d;
	int end = 0;
	if (sscanf(name, "%3u.%3u.%3u.%3u.in-addr.arpa%n", &a, &b, &c, &d, &end) != 4 || end == 0 ||
	    name[end] != '\0' || a > 255 || b > 255 || c > 255 || d > 255) {
		return false;
	}
	ret->s_addr = htonl((uint32_t)d << 24 | (uint32_t)c << 16 | (uint32_t)b << 8 | a);
	return true;
}
