/* Files artifacts on their way from an enclave to this machine. */
#include "cli/artifact.h"

#include "api/chunks.h"
#include "base/fs.h"
#include "files/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static int write_fd(void *arg, const void *data, size_t len, kt_err *err)
{
	return kt_fs_write_all(*(const int *)arg, data, len, err);
}

int kt_artifact_fetch(kt_grpc_client *apic, const char *identifier, int fd, kt_err *err)
{
	ApiContainerApi__DownloadFilesArtifactArgs args =
		API_CONTAINER_API__DOWNLOAD_FILES_ARTIFACT_ARGS__INIT;
	KT_AUTO_CHUNK_CHAIN kt_chunk_chain chain = KT_CHUNK_CHAIN_INIT;
	args.identifier = (char *)(uintptr_t)identifier;
	kt_grpc_stream *stream = kt_grpc_stream_start(
		apic, &kt_apic_rpcs[KT_APIC_DOWNLOAD_FILES_ARTIFACT], &args.base, NULL, err);
	int rc = stream != NULL ? kt_chunks_download(stream, &chain, write_fd, &fd, err) : -1;
	kt_grpc_stream_free(stream);
	return rc < 0 ? KT_WRAP(err, "An error occurred downloading files with identifier '%s'",
				identifier)
		      : 0;
}

static int extract(int fd, const char *dir, kt_err *err)
{
	KT_AUTO_FD int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0) {
		return KT_FAIL_ERRNO(err, "the directory %s cannot be opened", dir);
	}
	if (lseek(fd, 0, SEEK_SET) < 0) {
		return KT_FAIL_ERRNO(err, "the archive cannot be read");
	}
	kt_inflate *inflate = kt_inflate_new(kt_source_fd(&fd), err);
	if (inflate == NULL) {
		return -1;
	}
	kt_tar_reader *reader = kt_tar_reader_new(kt_inflate_source(inflate), NULL, err);
	int rc = reader != NULL ? kt_tar_extract(reader, dirfd, 0, NULL, err) : -1;
	kt_tar_reader_free(reader);
	kt_inflate_free(inflate);
	return rc;
}

int kt_artifact_unpack(kt_grpc_client *apic, const char *identifier, const char *dir, kt_err *err)
{
	KT_AUTO_FD int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0) {
		fd = memfd_create("artifact", MFD_CLOEXEC);
	}
	if (fd < 0) {
		return KT_FAIL_ERRNO(err, "no temporary file in %s", dir);
	}
	return kt_artifact_fetch(apic, identifier, fd, err) < 0 ? -1 : extract(fd, dir, err);
}
