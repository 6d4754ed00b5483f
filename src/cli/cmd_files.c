/* kurtosis files upload and download */
#include "api/chunks.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/run_functions.h"
#include "cli/run_target.h"
#include "cli/ui.h"
#include "files/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int kt_cmd_files_upload(kt_cli *cli, kt_err *err)
{
	const char *path = kt_cli_arg(cli, "path");
	KT_AUTO_MSG ProtobufCMessage *answer = NULL;
	kt_grpc_client *apic = kt_open_enclave(cli, kt_cli_arg(cli, "enclave"), NULL, NULL, err);
	if (apic == NULL) {
		return -1;
	}
	int rc = kt_upload(cli, apic, KT_APIC_UPLOAD_FILES_ARTIFACT, kt_cli_str(cli, "name"), path,
			   &answer, err);
	kt_grpc_client_free(apic);
	if (rc < 0) {
		return KT_WRAP(err, "An error occurred uploading files at path '%s' to enclave '%s'", path,
			       kt_cli_arg(cli, "enclave"));
	}
	const ApiContainerApi__UploadFilesArtifactResponse *made =
		(const ApiContainerApi__UploadFilesArtifactResponse *)answer;
	KT_CLI_LOG(cli, "Files package '%s' uploaded with UUID: %s", made->name, made->uuid);
	return 0;
}

/* --- download --------------------------------------------------------------------------- */

static int write_fd(void *arg, const void *data, size_t len, kt_err *err)
{
	return kt_fs_write_all(*(const int *)arg, data, len, err);
}

/* Receives the artifact's archive into a file. */
static int fetch(kt_cli *cli, const char *identifier, int fd, kt_err *err)
{
	ApiContainerApi__DownloadFilesArtifactArgs args =
		API_CONTAINER_API__DOWNLOAD_FILES_ARTIFACT_ARGS__INIT;
	KT_AUTO_CHUNK_CHAIN kt_chunk_chain chain = KT_CHUNK_CHAIN_INIT;
	args.identifier = (char *)(uintptr_t)identifier;
	kt_grpc_client *apic = kt_open_enclave(cli, kt_cli_arg(cli, "enclave"), NULL, NULL, err);
	if (apic == NULL) {
		return -1;
	}
	kt_grpc_stream *stream = kt_grpc_stream_start(
		apic, &kt_apic_rpcs[KT_APIC_DOWNLOAD_FILES_ARTIFACT], &args.base, NULL, err);
	int rc = stream != NULL ? kt_chunks_download(stream, &chain, write_fd, &fd, err) : -1;
	kt_grpc_stream_free(stream);
	kt_grpc_client_free(apic);
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

static int download_into(kt_cli *cli, const char *identifier, const char *dir, kt_err *err)
{
	KT_AUTO_FREE char *absolute = NULL;
	char *resolved = realpath(dir, NULL);
	absolute = kt_strdup(resolved != NULL ? resolved : dir);
	free(resolved);
	if (absolute == NULL) {
		return kt_err_nomem(err);
	}
	if (!kt_cli_bool(cli, "no-extract")) {
		KT_AUTO_FD int fd = open(absolute, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		if (fd < 0) {
			fd = memfd_create("artifact", MFD_CLOEXEC);
		}
		if (fd < 0) {
			return KT_FAIL_ERRNO(err, "no temporary file in %s", absolute);
		}
		if (fetch(cli, identifier, fd, err) < 0 || extract(fd, absolute, err) < 0) {
			return -1;
		}
		KT_CLI_LOG(cli, "File package with identifier '%s' extracted to '%s'", identifier,
			   absolute);
		return 0;
	}
	KT_AUTO_FREE char *file = kt_asprintf("%s/%s.tgz", absolute, identifier);
	if (file == NULL) {
		return kt_err_nomem(err);
	}
	KT_AUTO_FD int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0744);
	if (fd < 0) {
		return KT_FAIL_ERRNO(err, "the file %s cannot be written", file);
	}
	if (fetch(cli, identifier, fd, err) < 0) {
		unlink(file);
		return -1;
	}
	KT_CLI_LOG(cli, "File package with identifier '%s' downloaded to '%s'", identifier, absolute);
	return 0;
}

int kt_cmd_files_download(kt_cli *cli, kt_err *err)
{
	const char *identifier = kt_cli_arg(cli, "artifact-identifier");
	const char *dir = kt_str_or(kt_cli_arg(cli, "destination-path"), identifier);
	bool made = mkdir(dir, 0777) == 0;
	if (!made && errno != EEXIST) {
		return KT_FAIL_ERRNO(err, "the directory %s cannot be made", dir);
	}
	int rc = download_into(cli, identifier, dir, err);
	if (rc < 0 && made) {
		rmdir(dir);
	}
	return rc;
}
