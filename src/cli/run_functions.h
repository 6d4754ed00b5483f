/* The functions behind the commands' rows, one file each (cmd_*.c). */
#ifndef KT_CLI_RUN_FUNCTIONS_H
#define KT_CLI_RUN_FUNCTIONS_H

#include "cli/command.h"

int kt_cmd_analytics(kt_cli *cli, kt_err *err);
int kt_cmd_check(kt_cli *cli, kt_err *err);
int kt_cmd_clean(kt_cli *cli, kt_err *err);
int kt_cmd_cluster_get(kt_cli *cli, kt_err *err);
int kt_cmd_cluster_ls(kt_cli *cli, kt_err *err);
int kt_cmd_cluster_set(kt_cli *cli, kt_err *err);
int kt_cmd_config_init(kt_cli *cli, kt_err *err);
int kt_cmd_config_path(kt_cli *cli, kt_err *err);
int kt_cmd_context_add(kt_cli *cli, kt_err *err);
int kt_cmd_context_ls(kt_cli *cli, kt_err *err);
int kt_cmd_context_rm(kt_cli *cli, kt_err *err);
int kt_cmd_context_set(kt_cli *cli, kt_err *err);
int kt_cmd_dump(kt_cli *cli, kt_err *err);
int kt_cmd_enclave_add(kt_cli *cli, kt_err *err);
int kt_cmd_enclave_connect(kt_cli *cli, kt_err *err);
int kt_cmd_enclave_dump(kt_cli *cli, kt_err *err);
int kt_cmd_enclave_inspect(kt_cli *cli, kt_err *err);
int kt_cmd_enclave_ls(kt_cli *cli, kt_err *err);
int kt_cmd_enclave_rm(kt_cli *cli, kt_err *err);
int kt_cmd_enclave_stop(kt_cli *cli, kt_err *err);
int kt_cmd_engine_logs(kt_cli *cli, kt_err *err);
int kt_cmd_engine_restart(kt_cli *cli, kt_err *err);
int kt_cmd_engine_start(kt_cli *cli, kt_err *err);
int kt_cmd_engine_status(kt_cli *cli, kt_err *err);
int kt_cmd_engine_stop(kt_cli *cli, kt_err *err);
int kt_cmd_feedback(kt_cli *cli, kt_err *err);
int kt_cmd_files_download(kt_cli *cli, kt_err *err);
int kt_cmd_files_inspect(kt_cli *cli, kt_err *err);
int kt_cmd_files_rendertemplate(kt_cli *cli, kt_err *err);
int kt_cmd_files_storeservice(kt_cli *cli, kt_err *err);
int kt_cmd_files_storeweb(kt_cli *cli, kt_err *err);
int kt_cmd_files_upload(kt_cli *cli, kt_err *err);
int kt_cmd_github_login(kt_cli *cli, kt_err *err);
int kt_cmd_github_logout(kt_cli *cli, kt_err *err);
int kt_cmd_github_status(kt_cli *cli, kt_err *err);
int kt_cmd_github_token(kt_cli *cli, kt_err *err);
int kt_cmd_image_load(kt_cli *cli, kt_err *err);
int kt_cmd_image_ls(kt_cli *cli, kt_err *err);
int kt_cmd_image_pull(kt_cli *cli, kt_err *err);
int kt_cmd_image_rm(kt_cli *cli, kt_err *err);
int kt_cmd_import(kt_cli *cli, kt_err *err);
int kt_cmd_open(kt_cli *cli, kt_err *err);
int kt_cmd_lint(kt_cli *cli, kt_err *err);
int kt_cmd_lsp_start(kt_cli *cli, kt_err *err);
int kt_cmd_package_init(kt_cli *cli, kt_err *err);
int kt_cmd_port_print(kt_cli *cli, kt_err *err);
int kt_cmd_run(kt_cli *cli, kt_err *err);
int kt_cmd_service_add(kt_cli *cli, kt_err *err);
int kt_cmd_service_exec(kt_cli *cli, kt_err *err);
int kt_cmd_service_inspect(kt_cli *cli, kt_err *err);
int kt_cmd_service_logs(kt_cli *cli, kt_err *err);
int kt_cmd_service_rm(kt_cli *cli, kt_err *err);
int kt_cmd_service_shell(kt_cli *cli, kt_err *err);
int kt_cmd_service_start(kt_cli *cli, kt_err *err);
int kt_cmd_service_stop(kt_cli *cli, kt_err *err);
int kt_cmd_starlark(kt_cli *cli, kt_err *err);
int kt_cmd_test(kt_cli *cli, kt_err *err);
int kt_cmd_service_update(kt_cli *cli, kt_err *err);
int kt_cmd_version(kt_cli *cli, kt_err *err);

#endif
