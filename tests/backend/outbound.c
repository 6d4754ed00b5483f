/*
 * The way out of an enclave, against an "internet" made here: a second network namespace with
 * one address, a server that says who called, and a nameserver. The test's own namespace
 * plays the host.
 */
#include "world.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/proc.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST_IP "198.51.100.2"
#define SERVER_IP "198.51.100.1"

typedef struct internet {
	pthread_t thread;
	int netns;
	int ready; /* eventfd: the namespace is there */
	int wired; /* eventfd: its interface, too */
	int stop;
} internet;

static void ip(const char *const *argv)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_PROC_RESULT kt_proc_result result = {0};
	kt_proc_spec spec = {.argv = argv, .deadline = kt_after_ms(WAIT_MS)};
	must(kt_proc_run(&spec, &result, &err), &err);
	if (result.exit_code != 0) {
		print_message("%s %s: %s", argv[0], argv[1], kt_buf_str(&result.err));
	}
	assert_int_equal(result.exit_code, 0);
}
#define IP(...) ip((const char *const[]){"ip", __VA_ARGS__, NULL})

static int bound(int type, uint16_t port)
{
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	inet_pton(AF_INET, SERVER_IP, &here.sin_addr);
	assert_int_equal(bind(fd, (struct sockaddr *)&here, sizeof(here)), 0);
	return fd;
}

static void greet(int server)
{
	struct sockaddr_in from = {0};
	socklen_t len = sizeof(from);
	char text[64];
	char name[INET_ADDRSTRLEN] = "";
	int fd = accept4(server, (struct sockaddr *)&from, &len, SOCK_CLOEXEC);
	inet_ntop(AF_INET, &from.sin_addr, name, sizeof(name));
	int n = snprintf(text, sizeof(text), "HTTP/1.0 200 OK\r\n\r\nyou are %s\n", name);
	char request[512]; /* read it, or closing would reset the connection */
	(void)!read(fd, request, sizeof(request));
	(void)!write(fd, text, (size_t)n);
	close(fd);
}

/* Answers every question with SERVER_IP. */
static void resolve(int server)
{
	static const uint8_t record[] = {0xc0, 0x0c, 0, 1, 0,   1,  0,   0,
					 0,    60,   0, 4, 198, 51, 100, 1};
	uint8_t packet[600];
	struct sockaddr_in from = {0};
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(server, packet, 512, 0, (struct sockaddr *)&from, &len);
	if (n < 17) {
		return;
	}
	bool a = packet[n - 3] == 1;
	packet[2] |= 0x80;
	packet[7] = a ? 1 : 0;
	packet[11] = 0;
	size_t out = (size_t)n;
	if (a) {
		memcpy(packet + n, record, sizeof(record));
		out += sizeof(record);
	}
	(void)sendto(server, packet, out, 0, (struct sockaddr *)&from, len);
}

static void *run_internet(void *arg)
{
	internet *self = arg;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	self->netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	eventfd_write(self->ready, 1);
	must(kt_wait_fd(self->wired, POLLIN, kt_after_ms(WAIT_MS), NULL, &err), &err);
	IP("addr", "add", SERVER_IP "/24", "dev", "up1");
	IP("link", "set", "up1", "up");
	KT_AUTO_FD int tcp = bound(SOCK_STREAM, 80);
	KT_AUTO_FD int udp = bound(SOCK_DGRAM, 53);
	assert_int_equal(listen(tcp, 16), 0);
	struct pollfd polls[] = {{tcp, POLLIN, 0}, {udp, POLLIN, 0}, {self->stop, POLLIN, 0}};
	while (poll(polls, 3, -1) > 0 && polls[2].revents == 0) {
		if (polls[0].revents != 0) {
			greet(tcp);
		}
		if (polls[1].revents != 0) {
			resolve(udp);
		}
	}
	return NULL;
}

static void use_resolv_conf(const world *w)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_FREE char *path = kt_path_join(w->dir, "resolv.conf");
	static const char text[] = "nameserver " SERVER_IP "\n";
	must(kt_fs_write(path, text, strlen(text), 0644, false, &err), &err);
	/* In the test's own mount namespace. */
	assert_int_equal(mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL), 0);
}

static void begin_internet(const world *w, internet *self)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	char netns[64];
	*self = (internet){.ready = eventfd(0, EFD_CLOEXEC),
			   .wired = eventfd(0, EFD_CLOEXEC),
			   .stop = eventfd(0, EFD_CLOEXEC)};
	must(kt_thread_start(&self->thread, 0, "internet", run_internet, self, &err), &err);
	must(kt_wait_fd(self->ready, POLLIN, kt_after_ms(WAIT_MS), NULL, &err), &err);
	snprintf(netns, sizeof(netns), "/proc/%d/fd/%d", (int)getpid(), self->netns);
	IP("link", "add", "up0", "type", "veth", "peer", "name", "up1");
	IP("link", "set", "up1", "netns", netns);
	IP("addr", "add", HOST_IP "/24", "dev", "up0");
	IP("link", "set", "up0", "up");
	IP("route", "add", "default", "via", SERVER_IP);
	eventfd_write(self->wired, 1);
	use_resolv_conf(w);
}

static void end_internet(internet *self)
{
	(void)umount2("/etc/resolv.conf", MNT_DETACH);
	IP("link", "del", "up0");
	eventfd_write(self->stop, 1);
	pthread_join(self->thread, NULL);
	close(self->netns);
	close(self->ready);
	close(self->wired);
	close(self->stop);
}

static bool has_program(const char *name)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_PROC_RESULT kt_proc_result result = {0};
	const char *const argv[] = {name, "--version", NULL};
	kt_proc_spec spec = {.argv = argv, .deadline = kt_after_ms(WAIT_MS)};
	return kt_proc_run(&spec, &result, &err) == 0;
}

/* pasta comes up beside the first service: the first tries may find no way yet. */
#define GREETING                                                                                   \
	"for i in $(seq 100); do wget -q -O - http://" SERVER_IP "/ && exit 0; sleep 0.05; "      \
	"done 2>/dev/null; exit 1"

static void way_out(void **state)
{
	world *w = *state;
	internet net;
	if (!has_program("pasta") || !has_program("ip")) {
		print_message("skipped: pasta (package passt) or ip (iproute2) is missing\n");
		skip();
	}
	begin_internet(w, &net);
	const char *sealed = kt_arena_strdup(&w->arena, w->enclave);
	kt_service_info closed = start_shell(w, "closed", "sleep 1000");
	for (int i = 0; i < 2; i++) { /* two enclaves with a way out at the same time */
		const char *open = new_enclave(w, i == 0 ? "open-a" : "open-b", false);
		memcpy(w->enclave, open, sizeof(w->enclave));
		kt_service_info one = start_shell(w, "one", "sleep 1000");
		assert_string_equal(run_shell(w, one.uuid, 0, GREETING), "you are " HOST_IP "\n");
		run_shell(w, one.uuid, 0, "nslookup example.org | grep " SERVER_IP);
		run_shell(w, one.uuid, 0, "nslookup one | grep 172.16.0.5");
		run_shell(w, one.uuid, 0, "wget -q -O - http://example.org/");
	}
	memcpy(w->enclave, sealed, sizeof(w->enclave));
	run_shell(w, closed.uuid, 1, "wget -q -O - http://" SERVER_IP "/");
	run_shell(w, closed.uuid, 1, "nslookup example.org");
	end_internet(&net);
}

const struct CMUnitTest outbound_cases[] = {
	cmocka_unit_test_setup_teardown(way_out, world_case_begin, world_case_end),
};
const size_t outbound_cases_len = KT_ARRAY_LEN(outbound_cases);
