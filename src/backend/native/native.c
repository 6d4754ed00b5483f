#include "backend/native/native.h"

#include "backend/native/native_internal.h"

#include "base/alloc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- network ------------------------------------------------------------------------- */

static int fail_connect(kt_err *err, int failure, const char *ip, uint16_t port)
{
	return kt_err_set_errno(err, failure, "cannot connect to %s:%u", ip, (unsigned)port);
}

static int finish_connect(int fd, const char *ip, uint16_t port, kt_instant deadline,
			  const kt_cancel *cancel, kt_err *err)
{
	int failure = 0;
	socklen_t len = sizeof(failure);
	if (kt_wait_fd(fd, POLLOUT, deadline, cancel, err) < 0) {
		return KT_WRAP(err, "cannot connect to %s:%u", ip, (unsigned)port);
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &len) < 0) {
		failure = errno;
	}
	int flags = fcntl(fd, F_GETFL);
	if (failure != 0 || flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0) {
		return fail_connect(err, failure != 0 ? failure : errno, ip, port);
	}
	return 0;
}

int native_dial(kt_backend *base, const char *enclave, struct in_addr ip, uint16_t port,
		kt_instant deadline, const kt_cancel *cancel, int *ret_fd, kt_err *err)
{
	char text[INET_ADDRSTRLEN] = "";
	inet_ntop(AF_INET, &ip, text, sizeof(text));
	if (native_check_id("an enclave", enclave, err) < 0) {
		return -1;
	}
	KT_AUTO_SUP_CALL kt_sup_call call = {.deadline = deadline, .cancel = cancel};
	kt_sup_call_begin(&call, KT_SUP_DIAL);
	kt_sup_put_str(&call.msg, KT_SUP_F_IP, text);
	kt_sup_put_num(&call.msg, KT_SUP_F_PORT, port);
	if (native_call(native_of(base), enclave, &call, err) < 0) {
		return -1;
	}
	KT_AUTO_FD int fd = kt_sup_call_take_fd(&call, 0);
	if (fd < 0) {
		return KT_FAIL(err, INTERNAL, "the supervisor sent no socket");
	}
	if (finish_connect(fd, text, port, deadline, cancel, err) < 0) {
		return -1;
	}
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int native_listen(kt_backend *base, const char *enclave, uint16_t port, int *ret_fd,
		  struct in_addr *ret_ip, kt_err *err)
{
	if (native_check_id("an enclave", enclave, err) < 0) {
		return -1;
	}
	KT_AUTO_SUP_CALL kt_sup_call call = {0};
	kt_sup_call_begin(&call, KT_SUP_LISTEN);
	kt_sup_put_str(&call.msg, KT_SUP_F_IP, KT_SUP_GATEWAY);
	kt_sup_put_num(&call.msg, KT_SUP_F_PORT, port);
	if (native_call(native_of(base), enclave, &call, err) < 0) {
		return -1;
	}
	int fd = kt_sup_call_take_fd(&call, 0);
	if (fd < 0) {
		return KT_FAIL(err, INTERNAL, "the supervisor sent no socket");
	}
	inet_pton(AF_INET, KT_SUP_GATEWAY, ret_ip);
	*ret_fd = fd;
	return 0;
}

/* ---- open and close ------------------------------------------------------------------- */

static void native_close(kt_backend *base)
{
	native_backend *self = native_of(base);
	native_restarts_free(self->restarts);
	native_children_reap(self);
	kt_sup_clients_free(self->clients);
	kt_image_store_close(self->images);
	kt_paths_deinit(&self->paths);
	kt_vec_deinit(&self->children);
	kt_free(self->supervisor);
	pthread_mutex_destroy(&self->lock);
	kt_free(self);
}

static const kt_backend_ops native_ops = {
	.name = "native",
	.cluster_type = "docker",
	.close = native_close,
	.enclave_create = native_enclave_create,
	.enclave_stop = native_enclave_stop,
	.enclave_destroy = native_enclave_destroy,
	.enclave_inspect = native_enclave_inspect,
	.enclave_list = native_enclave_list,
	.service_reserve = native_service_reserve,
	.service_release = native_service_release,
	.service_start = native_service_start,
	.service_restart = native_service_restart,
	.service_stop = native_service_stop,
	.service_inspect = native_service_inspect,
	.service_list = native_service_list,
	.service_exit_fd = native_service_exit_fd,
	.service_logs = native_service_logs,
	.service_describe = native_service_describe,
	.exec = native_exec,
	.exec_open = native_exec_open,
	.copy_out = native_copy_out,
	.dial = native_dial,
	.listen = native_listen,
	.image_ensure = native_image_ensure,
	.image_list = native_image_list,
	.image_load = native_image_load,
	.image_remove = native_image_remove,
	.resources = native_resources,
};

static int open_parts(native_backend *self, const kt_native_options *options, kt_err *err)
{
	if (kt_paths_init(&self->paths, err) < 0) {
		return -1;
	}
	if (options != NULL && options->supervisor != NULL) {
		self->supervisor = kt_strdup(options->supervisor);
		if (self->supervisor == NULL) {
			return kt_err_nomem(err);
		}
	}
	KT_AUTO_FREE char *images = kt_paths_root(&self->paths, "images");
	if (images == NULL) {
		return kt_err_nomem(err);
	}
	self->images = kt_image_store_open(images, err);
	self->clients = self->images == NULL ? NULL : kt_sup_clients_new(err);
	return self->clients != NULL ? 0 : -1;
}

kt_backend *kt_native_open(const kt_native_options *options, kt_err *err)
{
	if (geteuid() != 0) {
		KT_FAIL(err, PERMISSION,
			"the native backend needs root for now: start the engine as root (sudo)");
		return NULL;
	}
	native_backend *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	self->base.ops = &native_ops;
	pthread_mutex_init(&self->lock, NULL);
	if (open_parts(self, options, err) < 0) {
		native_close(&self->base);
		return NULL;
	}
	return &self->base;
}
