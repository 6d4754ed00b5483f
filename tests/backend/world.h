/*
 * What the contract suite runs in: a backend opened by name, one enclave, and short forms of
 * the operations that fail the test when they fail.
 *
 * The native backend runs in a network and mount namespace of the test's own, with state in a
 * temporary directory: nothing reaches the host's network, and nothing can stay behind.
 */
#ifndef KT_TESTS_BACKEND_WORLD_H
#define KT_TESTS_BACKEND_WORLD_H

#include "backend/backend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define IMAGE "contract/busybox:1"
#define APP_IMAGE "contract/app:1" /* the same with User app, WorkingDir /srv, a Cmd */
#define WAIT_MS 20000

typedef struct world {
	kt_backend *backend;
	const kt_backend_ops *ops;
	bool native; /* real processes; else the fake */
	char *dir;   /* temporary; the state directories are in it */
	char enclave[33];
	unsigned next_id;
	kt_arena arena; /* of the running case */
} world;

/* Opens the backend ("native", "fake"); fails the process with a reason. 77: cannot run here. */
int world_open(world *self, const char *backend);
/* Destroys what is left, closes; reports leaks of the native backend. 0 or -1. */
int world_close(world *self);

/* cmocka's set-up and tear-down of a case: a fresh enclave, destroyed afterwards. */
int world_case_begin(void **state);
int world_case_end(void **state);
extern world the_world;

/* A fresh uuid, from the arena. */
const char *new_uuid(world *self);
const char *new_enclave(world *self, const char *name, bool no_internet);

/* Asserts that rc is 0 and shows err otherwise. */
#define must(rc, err) must_at((rc), (err), __FILE__, __LINE__)
void must_at(int rc, kt_err *err, const char *file, int line);
/* Asserts that rc is -1 with this code, and empties err. */
#define must_fail(rc, err, want) must_fail_at((rc), (err), (want), __FILE__, __LINE__)
void must_fail_at(int rc, kt_err *err, kt_err_code want, const char *file, int line);

/* Reserves and starts. argv is the whole command (entrypoint). */
kt_service_info start(world *self, kt_service_spec *spec);
/* … of IMAGE, with a new uuid, running this shell command. */
kt_service_info start_shell(world *self, const char *name, const char *script);
kt_service_info inspect(world *self, const char *uuid);
int wait_exit(world *self, const char *uuid);
/* Output of a command that must exit with `code`; from the arena. */
const char *run(world *self, const char *uuid, int code, const char *const *argv);
const char *run_shell(world *self, const char *uuid, int code, const char *script);
const char *logs(world *self, const char *uuid, size_t lines);
/* Dials until it succeeds; the caller closes. */
int dial_until_open(world *self, const char *ip, uint16_t port);
/* What a socket sends until its end, from the arena; closes it. */
const char *read_all(world *self, int fd);
/* A connected socket to a port of the host's loopback, or -1 with errno. v6: ::1. */
int connect_host(uint16_t port, bool v6);

extern const struct CMUnitTest common_cases[];
extern const size_t common_cases_len;
extern const struct CMUnitTest native_cases[];
extern const size_t native_cases_len;
extern const struct CMUnitTest outbound_cases[];
extern const size_t outbound_cases_len;

#endif
