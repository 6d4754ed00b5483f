/* See spec.h. One table row per field says where it goes. */
#include "spec.h"

#include "base/str.h"
#include "caps.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

typedef enum field_kind { FIELD_TEXT, FIELD_NUMBER, FIELD_LIST } field_kind;

typedef struct field_row {
	uint16_t tag;
	field_kind kind;
	size_t offset;
	const char *name;
	bool in_exec; /* part of an exec request, too */
} field_row;

#define ROW(tag, kind, member, in_exec)                                                            \
	{                                                                                          \
		KT_SUP_F_##tag, FIELD_##kind, offsetof(kt_sup_spec, member), #tag, in_exec         \
	}

static const field_row field_rows[] = {
	ROW(ID, TEXT, id, false),
	ROW(NAME, TEXT, name, false),
	ROW(HOSTNAME, TEXT, hostname, false),
	ROW(CWD, TEXT, cwd, true),
	ROW(USER, TEXT, user, true),
	ROW(UPPER_DIR, TEXT, upper_dir, false),
	ROW(LOG_PATH, TEXT, log_path, false),
	ROW(FLAGS, NUMBER, flags, true),
	ROW(MEMORY_BYTES, NUMBER, memory_bytes, false),
	ROW(CPU_MILLIS, NUMBER, cpu_millis, false),
	ROW(PIDS, NUMBER, pids, false),
	ROW(SHM_BYTES, NUMBER, shm_bytes, false),
	ROW(LOG_MAX_BYTES, NUMBER, log_max_bytes, false),
	ROW(LOG_FILES, NUMBER, log_files, false),
	ROW(LAYER, LIST, layers, false),
	ROW(ARG, LIST, args, true),
	ROW(ENV, LIST, env, true),
	ROW(DEVICE, LIST, devices, false),
	ROW(EXTRA_HOST, LIST, extra_hosts, false),
	ROW(NAMESERVER, LIST, nameservers, false),
};

static const struct {
	const char *name;
	int resource;
} ulimit_rows[] = {
	{"core", RLIMIT_CORE},	       {"cpu", RLIMIT_CPU},
	{"data", RLIMIT_DATA},	       {"fsize", RLIMIT_FSIZE},
	{"locks", RLIMIT_LOCKS},       {"memlock", RLIMIT_MEMLOCK},
	{"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
	{"nofile", RLIMIT_NOFILE},     {"nproc", RLIMIT_NPROC},
	{"rss", RLIMIT_RSS},	       {"rtprio", RLIMIT_RTPRIO},
	{"rttime", RLIMIT_RTTIME},     {"sigpending", RLIMIT_SIGPENDING},
	{"stack", RLIMIT_STACK},
};

void kt_sup_spec_deinit(kt_sup_spec *self)
{
	kt_vec_deinit(&self->layers);
	kt_vec_deinit(&self->args);
	kt_vec_deinit(&self->env);
	kt_vec_deinit(&self->devices);
	kt_vec_deinit(&self->extra_hosts);
	kt_vec_deinit(&self->nameservers);
	kt_vec_deinit(&self->mounts);
	kt_vec_deinit(&self->ulimits);
}

const char *kt_sup_env_get(const kt_sup_texts *env, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = env->len; i-- > 0;) {
		if (strncmp(env->items[i], name, len) == 0 && env->items[i][len] == '=') {
			return env->items[i] + len + 1;
		}
	}
	return NULL;
}

static int read_row(kt_sup_spec *spec, const field_row *row, const kt_sup_field *field, kt_err *err)
{
	void *place = (char *)spec + row->offset;
	const char *text;

	if (row->kind == FIELD_NUMBER) {
		*(uint64_t *)place = kt_sup_num(field);
		return 0;
	}
	text = kt_sup_str(field);
	if (!text) {
		return KT_FAIL(err, INVALID, "field %s of a request is not text", row->name);
	}
	if (row->kind == FIELD_TEXT) {
		*(const char **)place = text;
		return 0;
	}
	return kt_vec_push((kt_sup_texts *)place, text) < 0 ? kt_err_nomem(err) : 0;
}

static int read_mount(kt_sup_spec *spec, const kt_sup_field *field, kt_err *err)
{
	kt_sup_reader group;
	kt_sup_mount mount;

	if (kt_sup_open_group(field, &group, err) < 0) {
		return -1;
	}
	mount = (kt_sup_mount){.source = kt_sup_get_str(&group, KT_SUP_F_SOURCE),
			       .target = kt_sup_get_str(&group, KT_SUP_F_TARGET),
			       .flags = kt_sup_get_num(&group, KT_SUP_F_FLAGS, 0)};
	if (!mount.source || mount.source[0] != '/') {
		return KT_FAIL(err, INVALID, "a mount's source must be an absolute path");
	}
	if (!mount.target || mount.target[0] != '/' || mount.target[1] == '\0') {
		return KT_FAIL(err, INVALID,
			       "the mount of '%s' must have an absolute target below '/'",
			       mount.source);
	}
	return kt_vec_push(&spec->mounts, mount) < 0 ? kt_err_nomem(err) : 0;
}

static int read_ulimit(kt_sup_spec *spec, const kt_sup_field *field, kt_err *err)
{
	kt_sup_reader group;
	kt_sup_ulimit limit = {.resource = -1};
	const char *name;

	if (kt_sup_open_group(field, &group, err) < 0) {
		return -1;
	}
	name = kt_sup_get_str(&group, KT_SUP_F_NAME);
	for (size_t i = 0; name && i < KT_ARRAY_LEN(ulimit_rows); i++) {
		if (strcmp(name, ulimit_rows[i].name) == 0) {
			limit.resource = ulimit_rows[i].resource;
		}
	}
	if (limit.resource < 0) {
		return KT_FAIL(err, INVALID, "unknown ulimit '%s'", name ? name : "");
	}
	limit.soft = kt_sup_get_num(&group, KT_SUP_F_SOFT, UINT64_MAX);
	limit.hard = kt_sup_get_num(&group, KT_SUP_F_HARD, limit.soft);
	return kt_vec_push(&spec->ulimits, limit) < 0 ? kt_err_nomem(err) : 0;
}

static int read_cap(uint64_t *set, const kt_sup_field *field, kt_err *err)
{
	const char *name = kt_sup_str(field);
	uint64_t caps;

	if (!name || !kt_sup_caps_parse(name, &caps)) {
		return KT_FAIL(err, INVALID, "unknown capability '%s'", name ? name : "");
	}
	*set |= caps;
	return 0;
}

typedef struct cap_changes {
	uint64_t add;
	uint64_t drop;
} cap_changes;

/* The fields that the table cannot express. */
static int read_special(kt_sup_spec *spec, const kt_sup_field *field, cap_changes *caps,
			kt_err *err)
{
	const char *text;

	switch (field->tag) {
	case KT_SUP_F_IP:
		text = kt_sup_str(field);
		if (!text || inet_pton(AF_INET, text, &spec->ip) != 1) {
			return KT_FAIL(err, INVALID, "'%s' is not an IPv4 address",
				       text ? text : "");
		}
		return 0;
	case KT_SUP_F_STOP_SIGNAL:
		spec->stop_signal = (int)kt_sup_num(field);
		return 0;
	case KT_SUP_F_MOUNT:
		return read_mount(spec, field, err);
	case KT_SUP_F_ULIMIT:
		return read_ulimit(spec, field, err);
	case KT_SUP_F_CAP_ADD:
		return read_cap(&caps->add, field, err);
	case KT_SUP_F_CAP_DROP:
		return read_cap(&caps->drop, field, err);
	default:
		return 0;
	}
}

static const field_row *find_row(uint16_t tag)
{
	for (size_t i = 0; i < KT_ARRAY_LEN(field_rows); i++) {
		if (field_rows[i].tag == tag) {
			return &field_rows[i];
		}
	}
	return NULL;
}

static int compare_mounts(const void *a, const void *b)
{
	const kt_sup_mount *x = a;
	const kt_sup_mount *y = b;

	return strcmp(x->target, y->target);
}

static int check_env(const kt_sup_texts *env, kt_err *err)
{
	for (size_t i = 0; i < env->len; i++) {
		const char *equals = strchr(env->items[i], '=');

		if (!equals || equals == env->items[i]) {
			return KT_FAIL(err, INVALID, "environment entry %zu is not NAME=VALUE",
				       i + 1);
		}
	}
	return 0;
}

/* A name that may stand in /etc/hosts and as host name: no spaces, no control characters. */
static bool host_word(const char *text)
{
	if (!text[0] || strlen(text) > 255) {
		return false;
	}
	for (const char *c = text; *c; c++) {
		if ((unsigned char)*c <= ' ' || *c == '/') {
			return false;
		}
	}
	return true;
}

static bool one_line(const kt_sup_texts *texts)
{
	for (size_t i = 0; i < texts->len; i++) {
		if (strchr(texts->items[i], '\n')) {
			return false;
		}
	}
	return true;
}

static int check_spec(const kt_sup_spec *spec, kt_err *err)
{
	struct in_addr net = {0};
	uint32_t mask = htonl(~(uint32_t)0 << (32 - KT_SUP_PREFIX_LEN));

	(void)inet_pton(AF_INET, KT_SUP_SUBNET, &net);
	if (!kt_sup_id_valid(spec->id)) {
		return KT_FAIL(err, INVALID, "a service's id must be 1 to %d of A-Z a-z 0-9 _ -",
			       KT_SUP_ID_MAX);
	}
	if ((spec->ip.s_addr & mask) != net.s_addr) {
		return KT_FAIL(err, INVALID, "the service's address must lie in %s/%d",
			       KT_SUP_SUBNET, KT_SUP_PREFIX_LEN);
	}
	if (spec->layers.len == 0 || spec->layers.len > 128) {
		return KT_FAIL(err, INVALID, "an image must have 1 to 128 layers, not %zu",
			       spec->layers.len);
	}
	for (size_t i = 0; i < spec->layers.len; i++) {
		if (spec->layers.items[i][0] != '/') {
			return KT_FAIL(err, INVALID, "layer '%s' is not an absolute path",
				       spec->layers.items[i]);
		}
	}
	if (!host_word(spec->hostname) || strlen(spec->hostname) > 64 ||
	    (spec->name && !host_word(spec->name))) {
		return KT_FAIL(err, INVALID, "the service has a wrong name or host name");
	}
	if (!one_line(&spec->extra_hosts) || !one_line(&spec->nameservers)) {
		return KT_FAIL(err, INVALID, "a host or name server entry has a line break");
	}
	if (spec->stop_signal < 1 || spec->stop_signal > SIGRTMAX) {
		return KT_FAIL(err, INVALID, "%d is not a signal", spec->stop_signal);
	}
	if (spec->upper_dir && spec->upper_dir[0] != '/') {
		return KT_FAIL(err, INVALID, "the writable layer's directory must be absolute");
	}
	return 0;
}

static int read_fields(kt_sup_reader fields, bool exec, kt_sup_spec *spec, cap_changes *caps,
		       kt_err *err)
{
	kt_sup_field field;

	while (kt_sup_next(&fields, &field)) {
		const field_row *row = find_row(field.tag);

		if (row && (!exec || row->in_exec)) {
			if (read_row(spec, row, &field, err) < 0) {
				return -1;
			}
		} else if (!exec && read_special(spec, &field, caps, err) < 0) {
			return -1;
		}
	}
	if (spec->args.len == 0 || spec->args.items[0][0] == '\0') {
		return KT_FAIL(err, INVALID, "no program to run was given");
	}
	if (spec->cwd && spec->cwd[0] != '/') {
		return KT_FAIL(err, INVALID, "the working directory '%s' is not absolute",
			       spec->cwd);
	}
	return check_env(&spec->env, err);
}

static void set_defaults(kt_sup_spec *spec, const cap_changes *caps)
{
	if (kt_str_empty(spec->cwd)) {
		spec->cwd = "/";
	}
	if (!spec->user) {
		spec->user = "";
	}
	if (!spec->hostname && spec->id) {
		strncpy(spec->short_hostname, spec->id, sizeof(spec->short_hostname) - 1);
		spec->hostname = spec->short_hostname;
	}
	if (!spec->hostname) {
		spec->hostname = "";
	}
	if (!spec->shm_bytes) {
		spec->shm_bytes = UINT64_C(64) << 20;
	}
	if (!spec->log_max_bytes) {
		spec->log_max_bytes = UINT64_C(16) << 20;
	}
	if (spec->flags & KT_SUP_PRIVILEGED) {
		spec->caps = kt_sup_caps_all();
	} else {
		spec->caps = (KT_SUP_CAPS_DEFAULT & ~caps->drop) | caps->add;
	}
	if (spec->mounts.len > 1) {
		qsort(spec->mounts.items, spec->mounts.len, sizeof(*spec->mounts.items),
		      compare_mounts);
	}
}

int kt_sup_spec_read(kt_sup_reader fields, kt_sup_spec *ret, kt_err *err)
{
	cap_changes caps = {0, 0};

	*ret = (kt_sup_spec){.stop_signal = SIGTERM, .log_files = 4};
	if (read_fields(fields, false, ret, &caps, err) == 0) {
		set_defaults(ret, &caps);
		if (check_spec(ret, err) == 0) {
			return 0;
		}
	}
	kt_sup_spec_deinit(ret);
	return -1;
}

int kt_sup_spec_read_exec(kt_sup_reader fields, kt_sup_spec *ret, kt_err *err)
{
	cap_changes none = {0, 0};

	*ret = (kt_sup_spec){
		.rows = (uint16_t)kt_sup_get_num(&fields, KT_SUP_F_ROWS, 0),
		.cols = (uint16_t)kt_sup_get_num(&fields, KT_SUP_F_COLS, 0),
	};
	if (read_fields(fields, true, ret, &none, err) == 0) {
		return 0;
	}
	kt_sup_spec_deinit(ret);
	return -1;
}
