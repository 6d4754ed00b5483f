/* kurtosis import: a Docker Compose file as a script, run or written down. */
#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "cli/enclave_view.h"
#include "cli/run_enclave.h"
#include "cli/run_functions.h"
#include "cli/run_print.h"
#include "cli/run_target.h"
#include "cli/ui.h"
#include "package/compose.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* NAME.star in the working directory, for the compose file DIR/NAME.EXTENSION. */
static int write_script(const char *path, const kt_buf *script, kt_err *err)
{
	const char *base = kt_path_base(path);
	const char *dot = strrchr(base, '.');
	size_t len = dot != NULL ? (size_t)(dot - base) : strlen(base);
	KT_AUTO_FREE char *name = kt_asprintf("%.*s.star", (int)len, base);
	if (name == NULL) {
		return kt_err_nomem(err);
	}
	KT_AUTO_FD int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0) {
		return KT_FAIL_ERRNO(err, "cannot write the script '%s'", name);
	}
	return kt_fs_write_all(fd, script->data, script->len, err);
}

static int upload_all(kt_cli *cli, kt_grpc_client *apic, const kt_compose_uploads *uploads,
		      kt_err *err)
{
	for (size_t i = 0; i < uploads->paths.len; i++) {
		KT_AUTO_MSG ProtobufCMessage *answer = NULL;
		if (kt_upload(cli, apic, KT_APIC_UPLOAD_FILES_ARTIFACT, uploads->names.items[i],
			      uploads->paths.items[i], &answer, err) < 0) {
			return KT_WRAP(err, "An error occurred uploading files at path '%s'",
				       uploads->paths.items[i]);
		}
	}
	return 0;
}

static int run_script(kt_cli *cli, const char *script, kt_grpc_client *apic, kt_err *err)
{
	ApiContainerApi__RunStarlarkScriptArgs args =
		API_CONTAINER_API__RUN_STARLARK_SCRIPT_ARGS__INIT;
	kt_grpc_opts opts = {.cancel = cli->remote->interrupt};
	kt_run_printer printer = {.cli = cli, .verbosity = KT_VERBOSITY_OUTPUT_ONLY};
	args.serialized_script = (char *)(uintptr_t)script;
	KT_OPT_SET(ApiContainerApi__RunStarlarkScriptArgs, &args, parallelism, 1);
	kt_grpc_stream *stream = kt_grpc_stream_start(
		apic, &kt_apic_rpcs[KT_APIC_RUN_STARLARK_SCRIPT], &args.base, &opts, err);
	if (stream == NULL) {
		return -1;
	}
	int rc = kt_run_print_stream(&printer, stream, err);
	bool success = printer.success;
	kt_grpc_stream_free(stream);
	kt_run_printer_deinit(&printer);
	return rc < 0 ? -1 : success ? 0 : KT_CLI_TOLD;
}

int kt_cmd_import(kt_cli *cli, kt_err *err)
{
	const char *path = kt_cli_arg(cli, "file-path");
	KT_AUTO_COMPOSE_UPLOADS kt_compose_uploads uploads = {KT_STRVEC_INIT, KT_STRVEC_INIT};
	KT_AUTO_BUF kt_buf script = KT_BUF_INIT;
	kt_run_enclave enclave = KT_RUN_ENCLAVE_INIT;
	if (kt_compose_to_script(path, kt_cli_str(cli, "env"), &uploads, &script, err) < 0) {
		return KT_WRAP(err, "An error occurred converting '%s' to Starlark", path);
	}
	if (kt_cli_bool(cli, "convert")) {
		return write_script(path, &script, err);
	}
	int rc = kt_catch_interrupt(cli, err);
	if (rc == 0) {
		rc = kt_run_enclave_open(cli, false, &enclave, err);
	}
	if (rc == 0) {
		rc = upload_all(cli, enclave.apic, &uploads, err);
	}
	if (rc == 0) {
		rc = run_script(cli, kt_buf_str(&script), enclave.apic, err);
	}
	if (rc == 0) {
		rc = kt_show_enclave(cli, enclave.uuid, false, err);
	}
	kt_run_enclave_deinit(&enclave);
	return rc;
}
