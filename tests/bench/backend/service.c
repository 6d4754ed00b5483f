/*
 * What one service costs on the native backend, apart from all above it: from the start
 * request to the first successful connect to its port, an exec, a stop, a listing; and the
 * supervisor's memory with twenty services.
 *
 * Usage: bench_service [ROUNDS]. Needs root, busybox-static and KURTOSIS_TEST_SUPERVISOR; runs in
 * namespaces of its own. One line per measure: name, median, 95th percentile, slowest,
 * unit.
 */
#include "../../backend/world.h"

#include "base/alloc.h"
#include "base/fs.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS_MAX 1000
#define SERVICES 20
#define OPS(w) (w)->ops
#define B(w) (w)->backend

typedef struct series {
	double values[ROUNDS_MAX];
	size_t len;
} series;

static void add(series *self, kt_instant since)
{
	if (self->len < ROUNDS_MAX) {
		self->values[self->len++] = (double)(kt_now() - since) / 1e6;
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;
	return (x > y) - (x < y);
}

static void print(const char *name, series *self)
{
	qsort(self->values, self->len, sizeof(double), compare);
	printf("%-36s %9.3f %9.3f %9.3f ms\n", name, self->values[self->len / 2],
	       self->values[self->len * 95 / 100], self->values[self->len - 1]);
}

/* Connects without pause: what is measured is the service, not the waiting. */
static void connect_now(world *w, struct in_addr ip)
{
	kt_instant deadline = kt_after_ms(WAIT_MS);
	int fd = -1;
	while (OPS(w)->dial(B(w), w->enclave, ip, 8080, deadline, NULL, &fd, NULL) < 0) {
		if (kt_now() > deadline) {
			fprintf(stderr, "the service never answered\n");
			exit(1);
		}
	}
	close(fd);
}

static void give_up(const char *what, kt_err *err)
{
	KT_AUTO_FREE char *text = kt_err_chain_text(err);
	fprintf(stderr, "%s: %s\n", what, text);
	(void)world_close(&the_world);
	exit(1);
}

typedef struct measures {
	series connect, publish, exec, list, stop, release;
} measures;

static void one_round(world *w, int round, bool keep, measures *m)
{
	static const char *const argv[] = {"httpd", "-f", "-p", "8080", "-h", "/www", NULL};
	static const char *const echo[] = {"echo", "hi", NULL};
	static const kt_port_spec ports[] = {{.id = "http", .number = 8080}};
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_EXEC_RESULT kt_exec_result result = {0};
	kt_arena arena = KT_ARENA_INIT;
	kt_service_info info = {0};
	kt_service_list list = {0};
	struct in_addr ip;
	char name[32];
	snprintf(name, sizeof(name), "web-%d", round);
	kt_service_spec spec = {.uuid = new_uuid(w),
				.name = name,
				.image = IMAGE,
				.entrypoint = argv,
				.ports = ports,
				.ports_len = 1,
				.tini = true};
	kt_instant begin = kt_now();
	if (OPS(w)->service_reserve(B(w), w->enclave, spec.uuid, name, &ip, &err) < 0 ||
	    OPS(w)->service_start(B(w), w->enclave, &spec, NULL, &arena, &info, &err) < 0) {
		give_up("cannot start a service", &err);
	}
	add(&m->publish, begin);
	connect_now(w, ip);
	add(&m->connect, begin);
	begin = kt_now();
	kt_exec_spec exec = {.argv = echo, .deadline = kt_after_ms(WAIT_MS)};
	if (OPS(w)->exec(B(w), w->enclave, spec.uuid, &exec, &result, &err) < 0) {
		give_up("cannot exec", &err);
	}
	add(&m->exec, begin);
	begin = kt_now();
	if (OPS(w)->service_list(B(w), w->enclave, &arena, &list, &err) < 0) {
		give_up("cannot list", &err);
	}
	add(&m->list, begin);
	if (!keep) {
		begin = kt_now();
		if (OPS(w)->service_stop(B(w), w->enclave, spec.uuid, 10000, &err) < 0) {
			give_up("cannot stop", &err);
		}
		add(&m->stop, begin);
		begin = kt_now();
		if (OPS(w)->service_release(B(w), w->enclave, spec.uuid, &err) < 0) {
			give_up("cannot remove", &err);
		}
		add(&m->release, begin);
	}
	kt_arena_deinit(&arena);
}

static long private_kib(const char *pid)
{
	char path[64];
	long total = 0;
	snprintf(path, sizeof(path), "/proc/%ld/smaps_rollup", strtol(pid, NULL, 10));
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (kt_fs_read(path, 65536, &text, NULL) < 0) {
		return -1;
	}
	const char *clean = strstr(kt_buf_str(&text), "Private_Clean:");
	const char *dirty = strstr(kt_buf_str(&text), "Private_Dirty:");
	total += clean != NULL ? strtol(clean + 14, NULL, 10) : 0;
	total += dirty != NULL ? strtol(dirty + 14, NULL, 10) : 0;
	return total;
}

static void print_memory(world *w)
{
	KT_AUTO_BUF kt_buf pid = KT_BUF_INIT;
	const char *path =
		kt_arena_printf(&w->arena, "%s/run/enclaves/%s/lock", w->dir, w->enclave);
	if (kt_fs_read(path, 64, &pid, NULL) == 0) {
		printf("%-36s %9ld KiB\n", "supervisor, 20 services, private",
		       private_kib(kt_buf_str(&pid)));
	}
}

static int measure(int rounds)
{
	world *w = &the_world;
	static measures alone, together;
	series create = {.len = 0};
	series destroy = {.len = 0};
	void *state = NULL;
	for (int i = 0; i < 10; i++) {
		kt_instant begin = kt_now();
		world_case_begin(&state);
		add(&create, begin);
		begin = kt_now();
		world_case_end(&state);
		add(&destroy, begin);
	}
	world_case_begin(&state);
	one_round(w, -1, false, &(measures){0}); /* warms the caches */
	for (int i = 0; i < rounds; i++) {
		one_round(w, i, false, &alone);
	}
	for (int i = 0; i < SERVICES; i++) {
		one_round(w, i, true, &together);
	}
	printf("%-36s %9s %9s %9s\n", "native backend", "median", "p95", "slowest");
	print("enclave create", &create);
	print("enclave destroy, empty", &destroy);
	print("service start, until it is published", &alone.publish);
	print("service start, until connect", &alone.connect);
	print("exec of echo", &alone.exec);
	print("list, 1 service", &alone.list);
	print("stop", &alone.stop);
	print("remove", &alone.release);
	print("connect, up to 20 services", &together.connect);
	print("list, up to 20 services", &together.list);
	print_memory(w);
	kt_instant begin = kt_now();
	world_case_end(&state);
	printf("%-36s %9.3f ms\n", "destroy, 20 services", (double)(kt_now() - begin) / 1e6);
	return 0;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 30;
	int rc = world_open(&the_world, "native");
	if (rc == 0) {
		rc = measure(KT_MIN(KT_MAX(rounds, 1), ROUNDS_MAX));
	}
	return world_close(&the_world) < 0 ? 1 : rc;
}
