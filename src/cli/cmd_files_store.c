/* kurtosis files storeweb, storeservice and rendertemplate */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/run_functions.h"
#include "cli/ui.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define INPUT_MAX ((size_t)64 << 20)

int kt_cmd_files_storeweb(kt_cli *cli, kt_err *err)
{
	const char *url = kt_cli_arg(cli, "url");
	char fallback[64];
	snprintf(fallback, sizeof(fallback), "cli-stored-artifact-%lld", (long long)time(NULL));
	const char *name = kt_str_or(kt_cli_str(cli, "name"), fallback);
	ApiContainerApi__StoreWebFilesArtifactArgs args =
		API_CONTAINER_API__STORE_WEB_FILES_ARTIFACT_ARGS__INIT;
	KT_AUTO_MSG ApiContainerApi__StoreWebFilesArtifactResponse *answer = NULL;
	args.url = (char *)(uintptr_t)url;
	args.name = (char *)(uintptr_t)name;
	kt_grpc_client *apic = kt_open_enclave(cli, kt_cli_arg(cli, "enclave"), NULL, NULL, err);
	if (apic == NULL) {
		return -1;
	}
	int rc = kt_apic_call(cli, apic, KT_APIC_STORE_WEB_FILES_ARTIFACT, &args, &answer, err);
	kt_grpc_client_free(apic);
	if (rc < 0) {
		return KT_WRAP(err, "An error occurred downloading the files at URL '%s' to enclave '%s'",
			       url, kt_cli_arg(cli, "enclave"));
	}
	KT_CLI_LOG(cli, "Files package '%s' stored with UUID: %s", name, answer->uuid);
	return 0;
}

/* Runs the script with these parameters (taken over) and logs what it says. */
static int run_and_log(kt_cli *cli, const char *script, json_t *params, const char *what,
		       kt_err *err)
{
	KT_AUTO_FREE char *text = kt_json_text(params, 0);
	KT_AUTO_BUF kt_buf output = KT_BUF_INIT;
	json_decref(params);
	if (text == NULL) {
		return kt_err_nomem(err);
	}
	kt_grpc_client *apic = kt_open_enclave(cli, kt_cli_arg(cli, "enclave"), NULL, NULL, err);
	if (apic == NULL) {
		return -1;
	}
	int rc = kt_run_script(cli, apic, script, text, what, &output, err);
	kt_grpc_client_free(apic);
	if (rc < 0) {
		return -1;
	}
	if (output.len > 0) {
		output.data[output.len - 1] = '\0';
		KT_CLI_LOG(cli, "%s", output.data);
	}
	return 0;
}

int kt_cmd_files_storeservice(kt_cli *cli, kt_err *err)
{
	static const char named[] = "def run(plan, args):\n"
				    "    plan.store_service_files(service_name=args[\"service_name\"], "
				    "src=args[\"src\"], name=args[\"name\"])\n";
	static const char unnamed[] =
		"def run(plan, args):\n"
		"    plan.store_service_files(service_name=args[\"service_name\"], src=args[\"src\"])\n";
	const char *name = kt_cli_str(cli, "name");
	json_t *params = json_pack("{s:s, s:s, s:s}", "service_name", kt_cli_arg(cli, "service"), "src",
				   kt_cli_arg(cli, "filepath"), "name", name);
	if (params == NULL) {
		return KT_FAIL(err, INVALID, "the arguments are not valid UTF-8");
	}
	return run_and_log(cli, *name != '\0' ? named : unnamed, params, "storing service files", err);
}

int kt_cmd_files_rendertemplate(kt_cli *cli, kt_err *err)
{
	static const char script[] =
		"def run(plan, args):\n"
		"    config = {args[\"dest\"]: struct(template=args[\"template\"], data=args[\"data\"])}\n"
		"    if args[\"name\"] == \"\":\n"
		"        plan.render_templates(config=config)\n"
		"    else:\n"
		"        plan.render_templates(config=config, name=args[\"name\"])\n";
	const char *template_path = kt_cli_arg(cli, "template-filepath");
	const char *data_path = kt_cli_arg(cli, "data-json-filepath");
	const char *dest = kt_cli_arg(cli, "destination-relative-filepath");
	KT_AUTO_BUF kt_buf template = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf data = KT_BUF_INIT;
	if (dest[0] == '/') {
		return KT_FAIL(err, INVALID, "Expected a relative path but got an absolute path '%s'",
			       dest);
	}
	if (kt_fs_read(template_path, INPUT_MAX, &template, err) < 0 ||
	    kt_fs_read(data_path, INPUT_MAX, &data, err) < 0) {
		return -1;
	}
	json_t *value = kt_json_parse(kt_buf_str(&data), data.len, data_path, err);
	if (value == NULL) {
		return KT_WRAP(err, "The data file isn't valid JSON");
	}
	json_t *params = json_pack("{s:s, s:s, s:o, s:s}", "dest", dest, "template",
				   kt_buf_str(&template), "data", value, "name",
				   kt_cli_str(cli, "name"));
	if (params == NULL) {
		return KT_FAIL(err, INVALID, "the template '%s' is not valid UTF-8", template_path);
	}
	return run_and_log(cli, script, params, "rendering template", err);
}
