/* See netlink.h. */
#include "netlink.h"

#include "base/fs.h"

#include "backend/native/sup_proto.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH_MAX 8
#define INDEX_BASE 100000 /* of interface numbers for services: their pid is added */

typedef struct batch {
	char data[2048] __attribute__((aligned(NLMSG_ALIGNTO)));
	size_t len;
	size_t last; /* offset of the message being built */
	uint32_t count;
	bool may_exist; /* EEXIST is no failure */
} batch;

int kt_sup_nl_open(void)
{
	struct timeval limit = {.tv_sec = 5}; /* the kernel answers at once; never hang on it */
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd >= 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	}
	return fd < 0 ? -errno : fd;
}

void kt_sup_nl_mac(struct in_addr ip, uint8_t ret[6])
{
	ret[0] = 0x02;
	ret[1] = 0x42;
	memcpy(ret + 2, &ip.s_addr, 4);
}

static void *grow(batch *b, size_t len)
{
	void *place = b->data + b->len;
	size_t room = NLMSG_ALIGN(len);

	KT_ASSERT(b->len + room <= sizeof(b->data));
	memset(place, 0, room);
	b->len += room;
	((struct nlmsghdr *)(void *)(b->data + b->last))->nlmsg_len = (uint32_t)(b->len - b->last);
	return place;
}

static void begin(batch *b, uint16_t type, uint16_t flags, const void *body, size_t len)
{
	struct nlmsghdr *h;

	KT_ASSERT(b->count < BATCH_MAX);
	b->last = b->len;
	h = grow(b, sizeof(*h));
	h->nlmsg_type = type;
	h->nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST | NLM_F_ACK);
	h->nlmsg_seq = ++b->count;
	memcpy(grow(b, len), body, len);
}

static void put(batch *b, uint16_t type, const void *data, size_t len)
{
	struct rtattr *a = grow(b, RTA_LENGTH(len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(len);
	if (len > 0) {
		memcpy(RTA_DATA(a), data, len);
	}
}

static void put_u32(batch *b, uint16_t type, uint32_t value)
{
	put(b, type, &value, sizeof(value));
}

static void put_str(batch *b, uint16_t type, const char *text)
{
	put(b, type, text, strlen(text) + 1);
}

static size_t nest(batch *b, uint16_t type)
{
	size_t at = b->len;

	put(b, type, NULL, 0);
	return at;
}

static void unnest(batch *b, size_t at)
{
	((struct rtattr *)(void *)(b->data + at))->rta_len = (uint16_t)(b->len - at);
}

/* The first error among the answers counts. */
static int read_acks(int nl, const batch *b)
{
	char answer[4096] __attribute__((aligned(NLMSG_ALIGNTO)));
	uint32_t left = b->count;
	int status = 0;

	while (left > 0) {
		ssize_t n = recv(nl, answer, sizeof(answer), 0);
		struct nlmsghdr *h = (void *)answer;

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return -errno;
		}
		for (unsigned len = (unsigned)n; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
			const struct nlmsgerr *e = NLMSG_DATA(h);

			if (h->nlmsg_type != NLMSG_ERROR) {
				continue;
			}
			left -= left > 0;
			if (e->error && status == 0 && !(b->may_exist && e->error == -EEXIST)) {
				status = e->error;
			}
		}
	}
	return status;
}

static int run(int nl, const batch *b)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

	if (sendto(nl, b->data, b->len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0) {
		return -errno;
	}
	return read_acks(nl, b);
}

static struct in_addr gateway(void)
{
	struct in_addr ip = {0};

	(void)inet_pton(AF_INET, KT_SUP_GATEWAY, &ip);
	return ip;
}

static void add_link_up(batch *b, int index)
{
	struct ifinfomsg link = {.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};

	begin(b, RTM_NEWLINK, 0, &link, sizeof(link));
}

static void add_address(batch *b, int index, struct in_addr ip)
{
	struct ifaddrmsg addr = {.ifa_family = AF_INET,
				 .ifa_prefixlen = KT_SUP_PREFIX_LEN,
				 .ifa_index = (uint32_t)index};
	struct in_addr all_hosts = {ip.s_addr | htonl((1u << (32 - KT_SUP_PREFIX_LEN)) - 1)};

	begin(b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &addr, sizeof(addr));
	put(b, IFA_LOCAL, &ip, sizeof(ip));
	put(b, IFA_ADDRESS, &ip, sizeof(ip));
	put(b, IFA_BROADCAST, &all_hosts, sizeof(all_hosts));
}

static void add_neighbour(batch *b, int index, struct in_addr ip)
{
	struct ndmsg neigh = {
		.ndm_family = AF_INET, .ndm_ifindex = index, .ndm_state = NUD_PERMANENT};
	uint8_t mac[6];

	kt_sup_nl_mac(ip, mac);
	begin(b, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &neigh, sizeof(neigh));
	put(b, NDA_DST, &ip, sizeof(ip));
	put(b, NDA_LLADDR, mac, sizeof(mac));
}

static void add_default_route(batch *b, int index)
{
	struct rtmsg route = {.rtm_family = AF_INET,
			      .rtm_table = RT_TABLE_MAIN,
			      .rtm_protocol = RTPROT_BOOT,
			      .rtm_scope = RT_SCOPE_UNIVERSE,
			      .rtm_type = RTN_UNICAST};
	struct in_addr via = gateway();

	begin(b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &route, sizeof(route));
	put(b, RTA_GATEWAY, &via, sizeof(via));
	put_u32(b, RTA_OIF, (uint32_t)index);
}

static int link_index(int nl, const char *name)
{
	struct ifreq req = {0};

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	/* Interface ioctls work on any socket of the namespace, a netlink socket too. */
	return ioctl(nl, SIOCGIFINDEX, &req) < 0 ? -errno : req.ifr_ifindex;
}

int kt_sup_nl_make_bridge(int nl, int *ret_index)
{
	struct ifinfomsg link = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	batch b = {.may_exist = true};
	uint8_t mac[6];
	size_t info;
	int index;
	int status;

	/* A fixed address: the kernel would else follow the ports', and services hold it as a
	 * permanent neighbour. */
	kt_sup_nl_mac(gateway(), mac);
	add_link_up(&b, link_index(nl, "lo"));
	begin(&b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &link, sizeof(link));
	put_str(&b, IFLA_IFNAME, KT_SUP_BRIDGE);
	put(&b, IFLA_ADDRESS, mac, sizeof(mac));
	put_u32(&b, IFLA_MTU, KT_SUP_MTU);
	info = nest(&b, IFLA_LINKINFO);
	put_str(&b, IFLA_INFO_KIND, "bridge");
	unnest(&b, info);
	status = run(nl, &b);
	if (status < 0) {
		return status;
	}
	index = link_index(nl, KT_SUP_BRIDGE);
	if (index < 0) {
		return index;
	}
	b = (batch){.may_exist = true};
	add_address(&b, index, gateway());
	status = run(nl, &b);
	if (status == 0) {
		*ret_index = index;
	}
	return status;
}

/*
 * Frames to the service's MAC go to this port, whatever other ports say. The kernel takes a
 * dead service's namespace down at its leisure; until then that one would answer for the same
 * address with resets. ("Sticky" keeps its last packets from moving the entry.)
 */
static void add_forwarding(batch *b, int index, struct in_addr ip)
{
	struct ndmsg entry = {.ndm_family = AF_BRIDGE,
			      .ndm_ifindex = index,
			      .ndm_state = NUD_NOARP,
			      .ndm_flags = NTF_MASTER | NTF_STICKY};
	uint8_t mac[6];

	kt_sup_nl_mac(ip, mac);
	begin(b, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &entry, sizeof(entry));
	put(b, NDA_LLADDR, mac, sizeof(mac));
}

/*
 * The bridge answers this port's ARP questions itself, out of the permanent neighbours and the
 * forwarding entries. A question is otherwise lost now and then while a port comes up, and the
 * kernel asks again only after a second.
 */
static void add_arp_answers(batch *b, int index)
{
	struct ifinfomsg port = {.ifi_family = AF_BRIDGE, .ifi_index = index};
	uint8_t on = 1;
	size_t info;

	begin(b, RTM_SETLINK, 0, &port, sizeof(port));
	info = nest(b, IFLA_PROTINFO | NLA_F_NESTED);
	put(b, IFLA_BRPORT_PROXYARP, &on, sizeof(on));
	unnest(b, info);
}

static void add_veth(batch *b, int bridge_index, struct in_addr ip, pid_t pid)
{
	/* Name and number come from the pid: unique among those living, and known at once. */
	struct ifinfomsg link = {
		.ifi_index = INDEX_BASE + pid, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	struct ifinfomsg peer = {0};
	char name[IFNAMSIZ];
	uint8_t mac[6];
	size_t info;
	size_t data;
	size_t peer_at;

	kt_sup_nl_mac(ip, mac);
	begin(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &link, sizeof(link));
	snprintf(name, sizeof(name), "v%d", (int)pid);
	put_str(b, IFLA_IFNAME, name);
	put_u32(b, IFLA_MTU, KT_SUP_MTU);
	put_u32(b, IFLA_MASTER, (uint32_t)bridge_index);
	info = nest(b, IFLA_LINKINFO);
	put_str(b, IFLA_INFO_KIND, "veth");
	data = nest(b, IFLA_INFO_DATA);
	peer_at = nest(b, VETH_INFO_PEER);
	memcpy(grow(b, sizeof(peer)), &peer, sizeof(peer));
	put_str(b, IFLA_IFNAME, "eth0");
	put(b, IFLA_ADDRESS, mac, sizeof(mac));
	put_u32(b, IFLA_MTU, KT_SUP_MTU);
	put_u32(b, IFLA_NET_NS_PID, (uint32_t)pid);
	unnest(b, peer_at);
	unnest(b, data);
	unnest(b, info);
}

int kt_sup_nl_add_service(int nl, int bridge_index, struct in_addr ip, pid_t pid)
{
	batch b = {0};

	add_veth(&b, bridge_index, ip, pid);
	add_neighbour(&b, bridge_index, ip);
	add_forwarding(&b, INDEX_BASE + pid, ip);
	add_arp_answers(&b, INDEX_BASE + pid);
	return run(nl, &b);
}

#define PROBE_FIRST_MS 1
#define PROBE_LAST_MS 64

/*
 * Waits until packets pass between the service and the bridge: the resolver there answers an
 * empty question. The bridge opens a new port some time after its link has come up; what a
 * program sends before is lost, and TCP tries again only after a second.
 */
static void await_passage(void)
{
	static const char question[12]; /* a header that asks for nothing */
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(53), .sin_addr = gateway()};
	char answer[sizeof(question)];
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		kt_close_ptr(&fd);
		return;
	}
	for (int ms = PROBE_FIRST_MS; ms <= PROBE_LAST_MS; ms *= 2) {
		struct pollfd answered = {.fd = fd, .events = POLLIN};

		(void)send(fd, question, sizeof(question), MSG_NOSIGNAL);
		if (poll(&answered, 1, ms) > 0 && recv(fd, answer, sizeof(answer), 0) > 0) {
			break;
		}
	}
	close(fd);
}

int kt_sup_nl_setup_service(struct in_addr ip)
{
	batch b = {0};
	int nl = kt_sup_nl_open();
	int index;
	int status;

	if (nl < 0) {
		return nl;
	}
	index = link_index(nl, "eth0");
	status = index < 0 ? index : 0;
	if (status == 0) {
		add_link_up(&b, link_index(nl, "lo"));
		add_link_up(&b, index);
		add_address(&b, index, ip);
		add_default_route(&b, index);
		add_neighbour(&b, index, gateway());
		status = run(nl, &b);
	}
	close(nl);
	if (status == 0) {
		await_passage();
	}
	return status;
}
