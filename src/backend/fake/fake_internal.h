/* Shared by the files of the fake backend. Everything is guarded by fake->lock. */
#ifndef KT_BACKEND_FAKE_INTERNAL_H
#define KT_BACKEND_FAKE_INTERNAL_H

#include "backend/fake/fake.h"
#include "backend/merge.h"
#include "base/map.h"
#include "base/vec.h"

typedef struct fake_enclave fake_enclave;

typedef struct fake_service {
	fake_enclave *enclave;
	struct in_addr ip;
	bool has_container;
	bool released; /* only its log is left */
	kt_service_info info;
	kt_file_mount *files;
	size_t files_len;
	kt_fake_service script;
	int dials;
	kt_buf log;
	int exit_fd; /* eventfd; readable once ended. -1 without container. */
} fake_service;

struct fake_enclave {
	kt_enclave_info info;
	KT_VEC(fake_service *) services; /* in order of reservation, with released ones */
};

typedef struct fake_exec_rule {
	const char *service;
	const char *command;
	int exit_code;
	const char *output;
	int times;
} fake_exec_rule;

typedef struct fake_failure {
	const char *operation;
	kt_err_code code;
	const char *message;
	int times;
} fake_failure;

typedef struct fake_file {
	const char *service;
	const char *path;
	const char *content;
} fake_file;

typedef struct fake_port {
	const char *service;
	uint16_t port;
	uint16_t loopback_port;
} fake_port;

typedef struct fake_backend {
	kt_backend base;
	pthread_mutex_t lock;
	kt_arena arena; /* all that is remembered; freed at close */
	KT_VEC(fake_enclave *) enclaves;
	KT_VEC(kt_fake_service) scripts;
	KT_VEC(fake_exec_rule) rules;
	KT_VEC(fake_failure) failures;
	KT_VEC(fake_file) files;
	KT_VEC(fake_port) ports;
	KT_VEC(kt_fake_image) images;
	kt_strvec calls;
	kt_resources resources;
	uint16_t next_port;
} fake_backend;

static inline fake_backend *fake_of(kt_backend *self)
{
	return (fake_backend *)self; /* base is its first member */
}

/* Notes a call (detail may be NULL) and fails if a test asked for it. */
int fake_enter(fake_backend *self, const char *operation, const char *detail, kt_err *err);
fake_enclave *fake_find_enclave(fake_backend *self, const char *uuid, kt_err *err);
fake_service *fake_find(fake_backend *self, const char *enclave, const char *uuid, kt_err *err);
/* Marks the service as ended. */
void fake_end(fake_service *service, int exit_code);

/* Runs argv in the make-believe shell; FAKE_RUNS_ON for one that does not end. */
#define FAKE_RUNS_ON (-1)
int fake_shell(fake_backend *self, fake_service *service, const char *const *argv, kt_buf *out);
/* A file's content by its path inside the service, appended to out; false if there is none. */
bool fake_read_file(fake_backend *self, const fake_service *service, const char *path, kt_buf *out);

/* Operations by file. */
int fake_service_reserve(kt_backend *base, const char *enclave, const char *uuid, const char *name,
			 struct in_addr *ret_ip, kt_err *err);
int fake_service_release(kt_backend *base, const char *enclave, const char *uuid, kt_err *err);
int fake_service_start(kt_backend *base, const char *enclave, const kt_service_spec *spec,
		       const kt_cancel *cancel, kt_arena *arena, kt_service_info *ret, kt_err *err);
int fake_service_restart(kt_backend *base, const char *enclave, const char *uuid, kt_arena *arena,
			 kt_service_info *ret, kt_err *err);
int fake_service_stop(kt_backend *base, const char *enclave, const char *uuid, int64_t grace_ms,
		      kt_err *err);
int fake_service_inspect(kt_backend *base, const char *enclave, const char *uuid, kt_arena *arena,
			 kt_service_info *ret, kt_err *err);
int fake_service_list(kt_backend *base, const char *enclave, kt_arena *arena, kt_service_list *ret,
		      kt_err *err);
int fake_service_exit_fd(kt_backend *base, const char *enclave, const char *uuid, int *ret_fd,
			 kt_err *err);
int fake_service_logs(kt_backend *base, const char *enclave, const char *uuid, size_t lines,
		      kt_buf *ret, kt_err *err);
int fake_service_describe(kt_backend *base, const char *enclave, const char *uuid, kt_buf *ret,
			  kt_err *err);
int fake_dial(kt_backend *base, const char *enclave, struct in_addr ip, uint16_t port,
	      kt_instant deadline, const kt_cancel *cancel, int *ret_fd, kt_err *err);
int fake_exec(kt_backend *base, const char *enclave, const char *uuid, const kt_exec_spec *spec,
	      kt_exec_result *ret, kt_err *err);
int fake_exec_open(kt_backend *base, const char *enclave, const char *uuid,
		   const kt_exec_spec *spec, kt_exec_session **ret, kt_err *err);
int fake_copy_out(kt_backend *base, const char *enclave, const char *uuid, const char *path,
		  kt_sink_fn sink, void *sink_ctx, const kt_cancel *cancel, kt_err *err);

#endif
