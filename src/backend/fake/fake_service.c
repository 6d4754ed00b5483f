#include "backend/fake/fake_internal.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_ADDRESS 0xac100005U /* 172.16.0.5 */
#define LAST_ADDRESS 0xac1003feU

fake_service *fake_find(fake_backend *self, const char *enclave_uuid, const char *uuid, kt_err *err)
{
	fake_enclave *enclave = fake_find_enclave(self, enclave_uuid, err);
	if (enclave == NULL) {
		return NULL;
	}
	for (size_t i = 0; i < enclave->services.len; i++) {
		fake_service *service = enclave->services.items[i];
		if (!service->released && kt_str_eq(service->info.uuid, uuid)) {
			return service;
		}
	}
	KT_FAIL(err, NOT_FOUND, "no service with UUID '%s'", uuid);
	return NULL;
}

void fake_end(fake_service *service, int exit_code)
{
	if (!service->has_container || service->info.state != KT_SERVICE_RUNNING) {
		return;
	}
	service->info.state = KT_SERVICE_STOPPED;
	service->info.exit_code = exit_code;
	service->info.public_ip = "";
	kt_port_info *ports = (kt_port_info *)service->info.ports; /* ours, from the arena */
	for (size_t i = 0; i < service->info.ports_len; i++) {
		ports[i].public_number = 0;
	}
	eventfd_write(service->exit_fd, 1);
}

/* ---- reservation ------------------------------------------------------------------- */

static bool address_taken(const fake_enclave *enclave, uint32_t address)
{
	for (size_t i = 0; i < enclave->services.len; i++) {
		const fake_service *service = enclave->services.items[i];
		if (!service->released && ntohl(service->ip.s_addr) == address) {
			return true;
		}
	}
	return false;
}

static int add_service(fake_backend *self, fake_enclave *enclave, const char *uuid,
		       const char *name, uint32_t address, fake_service **ret, kt_err *err)
{
	fake_service *service = KT_ARENA_NEW(&self->arena, fake_service);
	char text[INET_ADDRSTRLEN] = "";
	struct in_addr ip = {htonl(address)};
	inet_ntop(AF_INET, &ip, text, sizeof(text));
	if (service == NULL) {
		return kt_err_nomem(err);
	}
	service->enclave = enclave;
	service->ip = ip;
	service->exit_fd = -1;
	service->info = (kt_service_info){
		.uuid = kt_arena_strdup(&self->arena, uuid),
		.name = kt_arena_strdup(&self->arena, name),
		.state = KT_SERVICE_RESERVED,
		.private_ip = kt_arena_strdup(&self->arena, text),
		.public_ip = "",
		.hostname = kt_arena_strndup(&self->arena, uuid, strnlen(uuid, 12)),
		.image = "",
		.entrypoint = kt_strs_copy(&self->arena, NULL),
		.cmd = kt_strs_copy(&self->arena, NULL),
		.env = kt_strs_copy(&self->arena, NULL),
	};
	const kt_service_info *info = &service->info;
	if (info->uuid == NULL || info->name == NULL || info->private_ip == NULL ||
	    info->hostname == NULL || info->entrypoint == NULL || info->cmd == NULL ||
	    info->env == NULL || kt_vec_push(&enclave->services, service) < 0) {
		return kt_err_nomem(err);
	}
	*ret = service;
	return 0;
}

int fake_service_reserve(kt_backend *base, const char *enclave_uuid, const char *uuid,
			 const char *name, struct in_addr *ret_ip, kt_err *err)
{
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	fake_enclave *enclave = fake_find_enclave(self, enclave_uuid, err);
	if (enclave == NULL || fake_enter(self, "service_reserve", name, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < enclave->services.len; i++) {
		fake_service *service = enclave->services.items[i];
		if (service->released) {
			continue;
		}
		if (kt_str_eq(service->info.uuid, uuid)) {
			*ret_ip = service->ip;
			return 0;
		}
		if (kt_str_eq(service->info.name, name)) {
			return KT_FAIL(err, EXISTS, "a service named '%s' exists already", name);
		}
	}
	uint32_t address = FIRST_ADDRESS;
	while (address <= LAST_ADDRESS && address_taken(enclave, address)) {
		address++;
	}
	if (address > LAST_ADDRESS) {
		return KT_FAIL(err, EXHAUSTED, "all addresses of the enclave are taken");
	}
	fake_service *service = NULL;
	if (add_service(self, enclave, uuid, name, address, &service, err) < 0) {
		return -1;
	}
	*ret_ip = service->ip;
	return 0;
}

static void drop_container(fake_service *service)
{
	fake_end(service, 137);
	service->has_container = false;
	service->info.state = KT_SERVICE_RESERVED;
	service->info.exit_code = 0;
	kt_close_ptr(&service->exit_fd);
}

int fake_service_release(kt_backend *base, const char *enclave, const char *uuid, kt_err *err)
{
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	if (fake_find_enclave(self, enclave, err) == NULL) {
		return -1;
	}
	fake_service *service = fake_find(self, enclave, uuid, NULL);
	if (fake_enter(self, "service_release", service ? service->info.name : uuid, err) < 0) {
		return -1;
	}
	if (service != NULL) {
		drop_container(service);
		service->released = true;
	}
	return 0;
}

/* ---- start ------------------------------------------------------------------------- */

static bool public_port_taken(const fake_backend *self, uint16_t number, kt_protocol protocol)
{
	for (size_t i = 0; i < self->enclaves.len; i++) {
		const fake_enclave *enclave = self->enclaves.items[i];
		for (size_t j = 0; j < enclave->services.len; j++) {
			const kt_service_info *info = &enclave->services.items[j]->info;
			for (size_t k = 0; k < info->ports_len; k++) {
				if (info->state == KT_SERVICE_RUNNING &&
				    info->ports[k].public_number == number &&
				    (info->ports[k].protocol == KT_UDP) == (protocol == KT_UDP)) {
					return true;
				}
			}
		}
	}
	return false;
}

static int publish(fake_backend *self, const kt_service_spec *spec, kt_service_info *info,
		   kt_port_info *ports, kt_err *err)
{
	info->public_ip = "";
	for (size_t i = 0; i < spec->ports_len; i++) {
		const kt_port_spec *port = &spec->ports[i];
		if (!kt_port_published(spec, port)) {
			continue;
		}
		uint16_t number = port->public_number;
		if (number != 0 && public_port_taken(self, number, port->protocol)) {
			return KT_FAIL(err, EXISTS, "port %u of this host: address already in use",
				       (unsigned)number);
		}
		while (number == 0) {
			number = self->next_port++;
			number = public_port_taken(self, number, port->protocol) ? 0 : number;
		}
		ports[i].public_number = number;
		info->public_ip = "127.0.0.1";
	}
	return 0;
}

static int fill_info(fake_backend *self, const kt_service_spec *spec, fake_service *service,
		     kt_err *err)
{
	kt_arena *arena = &self->arena;
	kt_image_defaults defaults = {0};
	for (size_t i = 0; i < self->images.len; i++) {
		const kt_fake_image *image = &self->images.items[i];
		if (kt_str_eq(image->ref, spec->image)) {
			defaults =
				(kt_image_defaults){image->entrypoint, image->cmd, image->env};
		}
	}
	kt_service_info info = service->info;
	kt_port_info *ports = NULL;
	if (kt_merge_command(spec, &defaults, arena, &info.entrypoint, &info.cmd, err) < 0 ||
	    kt_merge_env(spec, &defaults, arena, &info.env, err) < 0 ||
	    kt_merge_ports(spec, arena, &ports, err) < 0 ||
	    publish(self, spec, &info, ports, err) < 0) {
		return -1;
	}
	info.ports = ports;
	info.ports_len = spec->ports_len;
	info.image = kt_arena_strdup(arena, spec->image);
	info.labels = kt_kvs_copy(arena, spec->labels, spec->labels_len);
	info.labels_len = spec->labels_len;
	if (spec->hostname != NULL) {
		info.hostname = kt_arena_strdup(arena, spec->hostname);
	}
	service->files = KT_ARENA_ARRAY(arena, kt_file_mount, spec->files_len + 1);
	if (info.image == NULL || info.labels == NULL || info.hostname == NULL ||
	    service->files == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < spec->files_len; i++) {
		service->files[i].mount_path = kt_arena_strdup(arena, spec->files[i].mount_path);
		service->files[i].host_dir = kt_arena_strdup(arena, spec->files[i].host_dir);
	}
	service->files_len = spec->files_len;
	service->info = info;
	return 0;
}

/* A command that the shell knows runs now; its output is the log. Others keep running. */
static void run_command(fake_backend *self, fake_service *service)
{
	const char *const *parts[] = {service->info.entrypoint, service->info.cmd};
	const char *argv[64] = {NULL};
	size_t len = 0;
	for (size_t p = 0; p < 2; p++) {
		for (size_t i = 0; parts[p][i] != NULL && len + 1 < KT_ARRAY_LEN(argv); i++) {
			argv[len++] = parts[p][i];
		}
	}
	kt_buf out = KT_BUF_INIT;
	int code = len == 0 ? 127 : fake_shell(self, service, argv, &out);
	if (code != FAKE_RUNS_ON && code != 127) {
		kt_buf_add(&service->log, kt_buf_str(&out), out.len);
		fake_end(service, code);
	} else if (code == FAKE_RUNS_ON) {
		kt_buf_add(&service->log, kt_buf_str(&out), out.len);
	}
	kt_buf_deinit(&out);
}

static int begin_running(fake_backend *self, fake_service *service, kt_err *err)
{
	kt_close_ptr(&service->exit_fd);
	service->exit_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (service->exit_fd < 0) {
		return KT_FAIL_ERRNO(err, "cannot make an eventfd");
	}
	service->has_container = true;
	service->dials = 0;
	service->script = (kt_fake_service){0};
	for (size_t i = 0; i < self->scripts.len; i++) {
		if (kt_str_eq(self->scripts.items[i].name, service->info.name)) {
			service->script = self->scripts.items[i];
		}
	}
	service->info.state = KT_SERVICE_RUNNING;
	service->info.exit_code = 0;
	service->info.started_wall_ns = kt_wall_ns();
	if (service->script.log != NULL) {
		kt_buf_adds(&service->log, service->script.log);
	}
	run_command(self, service);
	if (service->script.exits && service->script.exit_after_dials == 0) {
		fake_end(service, service->script.exit_code);
	}
	return 0;
}

int fake_service_start(kt_backend *base, const char *enclave, const kt_service_spec *spec,
		       const kt_cancel *cancel, kt_arena *arena, kt_service_info *ret, kt_err *err)
{
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	if (fake_find_enclave(self, enclave, err) == NULL) {
		return -1;
	}
	fake_service *service = fake_find(self, enclave, spec->uuid, NULL);
	if (service == NULL) {
		return KT_FAIL(err, PRECONDITION, "service '%s' has no address reserved", spec->name);
	}
	drop_container(service);
	if (fake_enter(self, "service_start", spec->name, err) < 0 ||
	    kt_cancel_check(cancel, err) < 0 || fill_info(self, spec, service, err) < 0 ||
	    begin_running(self, service, err) < 0) {
		return -1;
	}
	return kt_service_info_copy(&service->info, arena, ret, err);
}

/* Binds ports anew: auto ports may change, fixed ones are not remembered apart. */
static void republish(fake_backend *self, fake_service *service)
{
	kt_port_info *ports = (kt_port_info *)service->info.ports;
	for (size_t i = 0; i < service->info.ports_len; i++) {
		if (ports[i].protocol != KT_UDP) {
			ports[i].public_number = self->next_port++;
			service->info.public_ip = "127.0.0.1";
		}
	}
}

int fake_service_restart(kt_backend *base, const char *enclave, const char *uuid, kt_arena *arena,
			 kt_service_info *ret, kt_err *err)
{
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	fake_service *service = fake_find(self, enclave, uuid, err);
	if (service == NULL || fake_enter(self, "service_restart", service->info.name, err) < 0) {
		return -1;
	}
	if (!service->has_container || service->info.state == KT_SERVICE_RUNNING) {
		return KT_FAIL(err, PRECONDITION, "service '%s' is not stopped", service->info.name);
	}
	republish(self, service);
	if (begin_running(self, service, err) < 0) {
		return -1;
	}
	return kt_service_info_copy(&service->info, arena, ret, err);
}

int fake_service_stop(kt_backend *base, const char *enclave, const char *uuid, int64_t grace_ms,
		      kt_err *err)
{
	(void)grace_ms;
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	fake_service *service = fake_find(self, enclave, uuid, err);
	if (service == NULL || fake_enter(self, "service_stop", service->info.name, err) < 0) {
		return -1;
	}
	fake_end(service, 143);
	return 0;
}

/* ---- questions --------------------------------------------------------------------- */

int fake_service_inspect(kt_backend *base, const char *enclave, const char *uuid, kt_arena *arena,
			 kt_service_info *ret, kt_err *err)
{
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	const fake_service *service = fake_find(self, enclave, uuid, err);
	return service == NULL ? -1 : kt_service_info_copy(&service->info, arena, ret, err);
}

int fake_service_list(kt_backend *base, const char *enclave_uuid, kt_arena *arena,
		      kt_service_list *ret, kt_err *err)
{
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	const fake_enclave *enclave = fake_find_enclave(self, enclave_uuid, err);
	if (enclave == NULL) {
		return -1;
	}
	kt_service_list list = {
		KT_ARENA_ARRAY(arena, kt_service_info, enclave->services.len + 1), 0};
	if (list.items == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < enclave->services.len; i++) {
		const fake_service *service = enclave->services.items[i];
		if (service->released) {
			continue;
		}
		if (kt_service_info_copy(&service->info, arena, &list.items[list.len], err) < 0) {
			return -1;
		}
		list.len++;
	}
	*ret = list;
	return 0;
}

int fake_service_exit_fd(kt_backend *base, const char *enclave, const char *uuid, int *ret_fd,
			 kt_err *err)
{
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	const fake_service *service = fake_find(self, enclave, uuid, err);
	if (service == NULL) {
		return -1;
	}
	if (!service->has_container) {
		return KT_FAIL(err, PRECONDITION, "service '%s' was not started",
			       service->info.name);
	}
	int fd = fcntl(service->exit_fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0) {
		return KT_FAIL_ERRNO(err, "cannot duplicate a descriptor");
	}
	*ret_fd = fd;
	return 0;
}

/* Where the last `lines` lines of text begin; a final line without newline counts. */
static size_t tail_start(const char *text, size_t len, size_t lines)
{
	size_t at = len;
	while (lines > 0 && at > 0) {
		at--; /* the newline that ends this line, or its last byte */
		while (at > 0 && text[at - 1] != '\n') {
			at--;
		}
		lines--;
	}
	return at;
}

int fake_service_logs(kt_backend *base, const char *enclave_uuid, const char *uuid, size_t lines,
		      kt_buf *ret, kt_err *err)
{
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	const fake_enclave *enclave = fake_find_enclave(self, enclave_uuid, err);
	if (enclave == NULL) {
		return -1;
	}
	for (size_t i = 0; i < enclave->services.len; i++) {
		const fake_service *service = enclave->services.items[i];
		if (!kt_str_eq(service->info.uuid, uuid)) {
			continue;
		}
		const char *text = kt_buf_str(&service->log);
		size_t from = lines == 0 ? 0 : tail_start(text, service->log.len, lines);
		size_t len = service->log.len - from;
		if (ret->max != 0 && len > ret->max - ret->len) {
			len = ret->max - ret->len;
		}
		kt_buf_add(ret, text + from, len);
		return kt_buf_check(ret, err);
	}
	return KT_FAIL(err, NOT_FOUND, "no service with UUID '%s'", uuid);
}

int fake_service_describe(kt_backend *base, const char *enclave, const char *uuid, kt_buf *ret,
			  kt_err *err)
{
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	const fake_service *service = fake_find(self, enclave, uuid, err);
	if (service == NULL) {
		return -1;
	}
	KT_AUTO_JSON json_t *object =
		json_pack("{s:s, s:s, s:s, s:s}", "uuid", service->info.uuid, "name",
			  service->info.name, "image", service->info.image, "state",
			  kt_service_state_name(service->info.state));
	KT_AUTO_FREE char *text = object == NULL ? NULL : kt_json_text(object, 2);
	if (text == NULL) {
		return kt_err_nomem(err);
	}
	kt_buf_adds(ret, text);
	return kt_buf_check(ret, err);
}

/* ---- dial -------------------------------------------------------------------------- */

static int connect_loopback(uint16_t port, int *ret_fd, kt_err *err)
{
	KT_AUTO_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr = {htonl(INADDR_LOOPBACK)}};
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		return KT_FAIL_ERRNO(err, "cannot connect to 127.0.0.1:%u", (unsigned)port);
	}
	*ret_fd = fd;
	fd = -1;
	return 0;
}

/* Whether the service answers on the port now; counts the attempt. */
static bool answers(fake_service *service, uint16_t port)
{
	if (service->info.state != KT_SERVICE_RUNNING) {
		return false;
	}
	int dial = service->dials++;
	const kt_fake_service *script = &service->script;
	if (script->exits && dial + 1 >= script->exit_after_dials) {
		fake_end(service, script->exit_code);
		return false;
	}
	if (script->refuse_dials < 0 || dial < script->refuse_dials) {
		return false;
	}
	for (size_t i = 0; i < service->info.ports_len; i++) {
		if (service->info.ports[i].number == port &&
		    service->info.ports[i].protocol == KT_TCP) {
			return true;
		}
	}
	return false;
}

static fake_service *by_address(fake_enclave *enclave, struct in_addr ip)
{
	for (size_t i = 0; i < enclave->services.len; i++) {
		fake_service *service = enclave->services.items[i];
		if (!service->released && service->ip.s_addr == ip.s_addr) {
			return service;
		}
	}
	return NULL;
}

int fake_dial(kt_backend *base, const char *enclave_uuid, struct in_addr ip, uint16_t port,
	      kt_instant deadline, const kt_cancel *cancel, int *ret_fd, kt_err *err)
{
	(void)deadline;
	fake_backend *self = fake_of(base);
	KT_LOCK(&self->lock);
	fake_enclave *enclave = fake_find_enclave(self, enclave_uuid, err);
	if (enclave == NULL || kt_cancel_check(cancel, err) < 0) {
		return -1;
	}
	char text[INET_ADDRSTRLEN] = "";
	inet_ntop(AF_INET, &ip, text, sizeof(text));
	fake_service *service = by_address(enclave, ip);
	if (service == NULL || !answers(service, port)) {
		return kt_err_set_errno(err, service == NULL ? EHOSTUNREACH : ECONNREFUSED,
					"cannot connect to %s:%u", text, (unsigned)port);
	}
	for (size_t i = 0; i < self->ports.len; i++) {
		if (kt_str_eq(self->ports.items[i].service, service->info.name) &&
		    self->ports.items[i].port == port) {
			return connect_loopback(self->ports.items[i].loopback_port, ret_fd, err);
		}
	}
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		return KT_FAIL_ERRNO(err, "cannot make a socket pair");
	}
	close(pair[1]);
	*ret_fd = pair[0];
	return 0;
}
