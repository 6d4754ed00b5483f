/* Who keeps an enclave's services, for a process that wants to know when its supervisor dies. */
#include "backend/native/native_internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int kt_native_keeper_fd(kt_backend *base, const char *enclave, int *ret_fd, kt_err *err)
{
	native_backend *self = native_of(base);
	KT_AUTO_FREE char *path = kt_paths_runtime(&self->paths, "enclaves/%s/sup.sock", enclave);
	if (path == NULL) {
		return kt_err_nomem(err);
	}
	kt_sup_conn *conn = kt_sup_conn_get(self->clients, path, err);
	if (conn == NULL) {
		return -1;
	}
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);
	int rc = getsockopt(kt_sup_conn_fd(conn), SOL_SOCKET, SO_PEERCRED, &peer, &len);
	kt_sup_conn_put(self->clients, conn, rc < 0);
	int fd = rc < 0 || peer.pid <= 0 ? -1 : (int)syscall(SYS_pidfd_open, peer.pid, 0);
	if (fd < 0) {
		return KT_FAIL_ERRNO(err, "cannot watch the supervisor of enclave %s", enclave);
	}
	*ret_fd = fd;
	return 0;
}

int kt_native_keeper_revive(kt_backend *base, const char *enclave, kt_err *err)
{
	return native_supervisor_start(native_of(base), enclave, err);
}
