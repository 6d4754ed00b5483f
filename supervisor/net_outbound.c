/*
 * One nf_tables transaction, written by hand: as nft would say it
 *
 *   table ip kurtosis { chain post { type nat hook postrouting priority srcnat;
 *                                    oifname "ktup0" masquerade } }
 *
 * The table is made, deleted and made again in the same transaction, so that it is as wanted
 * whatever was there before.
 */
#include "net_outbound.h"

#include "base/fs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TABLE "kurtosis"
#define CHAIN "post"
#define PRIORITY_SRCNAT 100
#define MESSAGES_MAX 8
#define ATTRIBUTE_LEN sizeof(struct nlattr)

typedef struct batch {
	char data[2048];
	size_t len;
	size_t message; /* offset of the message being written */
	uint32_t sequence;
} batch;

/* ---- attributes ---------------------------------------------------------------------- */

static void *put_room(batch *self, size_t len)
{
	size_t aligned = NLMSG_ALIGN(len);
	KT_ASSERT(self->len + aligned <= sizeof(self->data));
	void *at = self->data + self->len;
	memset(at, 0, aligned);
	self->len += aligned;
	return at;
}

static void put(batch *self, uint16_t type, const void *data, size_t len)
{
	struct nlattr *attribute = put_room(self, ATTRIBUTE_LEN + len);
	attribute->nla_type = type;
	attribute->nla_len = (uint16_t)(ATTRIBUTE_LEN + len);
	memcpy((char *)attribute + ATTRIBUTE_LEN, data, len);
}

static void put_str(batch *self, uint16_t type, const char *text)
{
	put(self, type, text, strlen(text) + 1);
}

static void put_be32(batch *self, uint16_t type, uint32_t value)
{
	uint32_t big = htonl(value);
	put(self, type, &big, sizeof(big));
}

static size_t open_nest(batch *self, uint16_t type)
{
	size_t at = self->len;
	struct nlattr *attribute = put_room(self, ATTRIBUTE_LEN);
	attribute->nla_type = (uint16_t)(type | NLA_F_NESTED);
	return at;
}

static void close_nest(batch *self, size_t at)
{
	struct nlattr *attribute = (struct nlattr *)(self->data + at);
	attribute->nla_len = (uint16_t)(self->len - at);
}

/* ---- messages ------------------------------------------------------------------------ */

static void begin(batch *self, uint16_t type, uint16_t flags, uint8_t family, uint16_t resource)
{
	self->message = self->len;
	struct nlmsghdr *header = put_room(self, NLMSG_HDRLEN + sizeof(struct nfgenmsg));
	struct nfgenmsg *general = NLMSG_DATA(header);
	header->nlmsg_type = type;
	header->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	header->nlmsg_seq = ++self->sequence;
	general->nfgen_family = family;
	general->version = NFNETLINK_V0;
	general->res_id = htons(resource);
}

static void end(batch *self)
{
	struct nlmsghdr *header = (struct nlmsghdr *)(self->data + self->message);
	header->nlmsg_len = (uint32_t)(self->len - self->message);
}

static void begin_nft(batch *self, uint16_t type, uint16_t flags)
{
	begin(self, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, NFPROTO_IPV4, 0);
}

static void edge(batch *self, uint16_t type)
{
	begin(self, type, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	end(self);
}

static void table(batch *self, uint16_t type, uint16_t flags)
{
	begin_nft(self, type, flags);
	put_str(self, NFTA_TABLE_NAME, TABLE);
	end(self);
}

static void chain(batch *self)
{
	begin_nft(self, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	put_str(self, NFTA_CHAIN_TABLE, TABLE);
	put_str(self, NFTA_CHAIN_NAME, CHAIN);
	size_t hook = open_nest(self, NFTA_CHAIN_HOOK);
	put_be32(self, NFTA_HOOK_HOOKNUM, NF_INET_POST_ROUTING);
	put_be32(self, NFTA_HOOK_PRIORITY, PRIORITY_SRCNAT);
	close_nest(self, hook);
	put_str(self, NFTA_CHAIN_TYPE, "nat");
	end(self);
}

/* Opens one expression of a rule; its data follows. */
static void open_expression(batch *self, const char *name, size_t nests[2])
{
	nests[0] = open_nest(self, NFTA_LIST_ELEM);
	put_str(self, NFTA_EXPR_NAME, name);
	nests[1] = open_nest(self, NFTA_EXPR_DATA);
}

static void close_expression(batch *self, const size_t nests[2])
{
	close_nest(self, nests[1]);
	close_nest(self, nests[0]);
}

static void rule(batch *self, const char *interface)
{
	char name[IFNAMSIZ] = {0};
	size_t nests[2];
	strncpy(name, interface, sizeof(name) - 1);
	begin_nft(self, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	put_str(self, NFTA_RULE_TABLE, TABLE);
	put_str(self, NFTA_RULE_CHAIN, CHAIN);
	size_t list = open_nest(self, NFTA_RULE_EXPRESSIONS);
	open_expression(self, "meta", nests);
	put_be32(self, NFTA_META_KEY, NFT_META_OIFNAME);
	put_be32(self, NFTA_META_DREG, NFT_REG_1);
	close_expression(self, nests);
	open_expression(self, "cmp", nests);
	put_be32(self, NFTA_CMP_SREG, NFT_REG_1);
	put_be32(self, NFTA_CMP_OP, NFT_CMP_EQ);
	size_t data = open_nest(self, NFTA_CMP_DATA);
	put(self, NFTA_DATA_VALUE, name, sizeof(name));
	close_nest(self, data);
	close_expression(self, nests);
	open_expression(self, "masq", nests);
	close_expression(self, nests);
	close_nest(self, list);
	end(self);
}

/* ---- the exchange -------------------------------------------------------------------- */

/* Without NLM_F_ACK only failures are told; the last message asks for an acknowledgement. */
static int read_answer(int fd, uint32_t last, kt_err *err)
{
	char answer[8192];
	for (int i = 0; i < MESSAGES_MAX; i++) {
		ssize_t got = recv(fd, answer, sizeof(answer), 0);
		if (got < 0) {
			return KT_FAIL_ERRNO(err, "no answer from nf_tables");
		}
		size_t len = (size_t)got;
		for (struct nlmsghdr *header = (struct nlmsghdr *)answer; NLMSG_OK(header, len);
		     header = NLMSG_NEXT(header, len)) {
			const struct nlmsgerr *told = NLMSG_DATA(header);
			if (header->nlmsg_type != NLMSG_ERROR) {
				continue;
			}
			if (told->error != 0) {
				return kt_err_set_errno(err, -told->error,
							"nf_tables refuses address translation");
			}
			if (header->nlmsg_seq == last) {
				return 0;
			}
		}
	}
	return KT_FAIL(err, INTERNAL, "nf_tables does not acknowledge");
}

static int send_rules(const char *interface, kt_err *err)
{
	batch all = {.sequence = 0};
	struct timeval patience = {.tv_sec = 2};
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	edge(&all, NFNL_MSG_BATCH_BEGIN);
	table(&all, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	table(&all, NFT_MSG_DELTABLE, 0);
	table(&all, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	chain(&all);
	rule(&all, interface);
	((struct nlmsghdr *)(all.data + all.message))->nlmsg_flags |= NLM_F_ACK;
	uint32_t last = all.sequence;
	edge(&all, NFNL_MSG_BATCH_END);
	KT_AUTO_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0) {
		return kt_err_set(err, KT_ERR_UNSUPPORTED, "this kernel has no nf_tables");
	}
	if (sendto(fd, all.data, all.len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0) {
		return KT_FAIL_ERRNO(err, "cannot speak to nf_tables");
	}
	return read_answer(fd, last, err);
}

int kt_sup_outbound_route(kt_err *err)
{
	static const char switch_path[] = "/proc/sys/net/ipv4/ip_forward";
	KT_AUTO_FD int fd = open(switch_path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "1", 1) != 1) {
		return KT_FAIL_ERRNO(err, "cannot switch on '%s'", switch_path);
	}
	return 0;
}

int kt_sup_outbound_enable(const char *interface, kt_err *err)
{
	return kt_sup_outbound_route(err) < 0 ? -1 : send_rules(interface, err);
}
