/* Questions to an enclave's resolver: whatever parses must be answerable within bounds. */
#include "fuzz.h"

#include "../../supervisor/net_dns_msg.h"

#include "base/base.h"

#include <arpa/inet.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	kt_dns_question question;
	uint8_t out[KT_DNS_UDP_MAX];
	struct in_addr ip = {htonl(0xac100005U)};
	int code = kt_dns_parse_query(data, len, &question);
	if (code < 0) {
		return 0;
	}
	size_t n = kt_dns_answer_code(data, &question, code, out);
	KT_ASSERT(n >= KT_DNS_HEADER_LEN && n <= sizeof(out) && n <= len);
	KT_ASSERT(out[0] == data[0] && out[1] == data[1] && (out[2] & 0x80) != 0);
	if (code > 0) {
		return 0;
	}
	KT_ASSERT(strlen(question.name) < KT_DNS_NAME_MAX && question.end <= len);
	n = kt_dns_answer_a(data, &question, ip, 5, out);
	KT_ASSERT(n == question.end + 16);
	KT_ASSERT(kt_dns_matches(out, n, data, len));
	/* A name that came in may be what a reverse question is answered with. */
	n = kt_dns_answer_ptr(data, &question, question.name, 5, out);
	KT_ASSERT(n <= sizeof(out));
	(void)kt_dns_reverse_name(question.name, &ip);
	return 0;
}
