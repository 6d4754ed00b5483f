/*
 * Unnamed files on disk between a stream that pushes and a consumer that pulls; bodies are
 * never held in memory.
 */
#include "apic/apic_internal.h"
#include "base/alloc.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int kt_apic_open_spool(kt_apic *apic, kt_err *err)
{
	int fd = open(apic->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	/* Some file systems have no unnamed files. */
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
		KT_AUTO_FREE char *path = kt_asprintf("%s/spool-XXXXXX", apic->dir);
		fd = path != NULL ? mkostemp(path, O_CLOEXEC) : -1;
		if (fd >= 0) {
			unlink(path);
		}
	}
	return fd >= 0 ? fd : KT_FAIL_ERRNO(err, "no temporary file in '%s'", apic->dir);
}

int kt_apic_spool_write(void *arg, const void *data, size_t len, kt_err *err)
{
	const int *fd = arg;

	return kt_fs_write_all(*fd, data, len, err);
}

ssize_t kt_apic_spool_read(void *arg, void *buf, size_t cap, kt_err *err)
{
	const int *fd = arg;
	ssize_t n = 0;

	do {
		n = read(*fd, buf, cap);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? KT_FAIL_ERRNO(err, "temporary file") : n;
}

int kt_apic_rewind_spool(int fd, kt_err *err)
{
	return lseek(fd, 0, SEEK_SET) < 0 ? KT_FAIL_ERRNO(err, "temporary file") : 0;
}
