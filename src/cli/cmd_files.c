/* kurtosis files upload and download */
#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "cli/artifact.h"
#include "cli/client.h"
#include "cli/run_functions.h"
#include "cli/run_target.h"
#include "cli/ui.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
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

static int download_into(kt_cli *cli, kt_grpc_client *apic, const char *identifier,
			 const char *dir, kt_err *err)
{
	KT_AUTO_FREE char *absolute = NULL;
	char *resolved = realpath(dir, NULL);
	absolute = kt_strdup(resolved != NULL ? resolved : dir);
	free(resolved);
	if (absolute == NULL) {
		return kt_err_nomem(err);
	}
	if (!kt_cli_bool(cli, "no-extract")) {
		if (kt_artifact_unpack(apic, identifier, absolute, err) < 0) {
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
	if (kt_artifact_fetch(apic, identifier, fd, err) < 0) {
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
	kt_grpc_client *apic = kt_open_enclave(cli, kt_cli_arg(cli, "enclave"), NULL, NULL, err);
	int rc = apic != NULL ? download_into(cli, apic, identifier, dir, err) : -1;
	kt_grpc_client_free(apic);
	if (rc < 0 && made) {
		rmdir(dir);
	}
	return rc;
}
