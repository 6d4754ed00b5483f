/*
 * How a service's spec and its image's configuration become one, by Docker's rules. The
 * same for every backend that starts processes itself. All results live in the arena;
 * every function returns -1 only for NOMEM.
 */
#ifndef KT_BACKEND_MERGE_H
#define KT_BACKEND_MERGE_H

#include "backend/backend.h"

/* The parts of an image's configuration that matter here. Fields may be NULL. */
typedef struct kt_image_defaults {
	const char *const *entrypoint;
	const char *const *cmd;
	const char *const *env;
} kt_image_defaults;

/*
 * An entrypoint in the spec replaces the image's and drops the image's cmd; a cmd in the
 * spec replaces the image's. An empty list leaves the image's cmd as it is, but an empty
 * entrypoint does away with the image's. Neither result is NULL.
 */
int kt_merge_command(const kt_service_spec *spec, const kt_image_defaults *image, kt_arena *arena,
		     const char *const **ret_entrypoint, const char *const **ret_cmd, kt_err *err);

/* PATH's default, then the image's, then the spec's "K=V"; the last value of a key wins. */
int kt_merge_env(const kt_service_spec *spec, const kt_image_defaults *image, kt_arena *arena,
		 const char *const **ret_env, kt_err *err);

/* Ports as they are reported while nothing is published. */
int kt_merge_ports(const kt_service_spec *spec, kt_arena *arena, kt_port_info **ret, kt_err *err);

/* Whether the port is to be published on the host. */
bool kt_port_published(const kt_service_spec *spec, const kt_port_spec *port);

/* Copies of arrays. */
const char *const *kt_strs_copy(kt_arena *arena, const char *const *from);
const kt_kv *kt_kvs_copy(kt_arena *arena, const kt_kv *from, size_t len);

#endif
