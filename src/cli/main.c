/* One command from start to exit status. */
#include "cli/cli.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/ui.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void show_error(kt_cli *cli, const kt_err *err, bool suggest_help)
{
	KT_AUTO_FREE char *text = kt_error_text(err);
	const char *shown = kt_str_or(text, "out of memory");
	if (cli->color) {
		kt_err_out(cli, "\033[31mError:  %s\033[0m\n", shown);
	} else {
		kt_err_out(cli, "Error:  %s\n", shown);
	}
	if (err->hint != NULL) {
		kt_err_out(cli, "  Hint: %s\n", err->hint);
	}
	if (suggest_help) {
		kt_err_out(cli, "Run '%s --help' for usage.\n", cli->program);
	}
}

static int set_log_level(kt_cli *cli, kt_err *err)
{
	static const struct {
		const char *name;
		int level;
	} names[] = {
		{"panic", KT_CLI_ERROR}, {"fatal", KT_CLI_ERROR}, {"error", KT_CLI_ERROR},
		{"warning", KT_CLI_WARN}, {"warn", KT_CLI_WARN},  {"info", KT_CLI_INFO},
		{"debug", KT_CLI_DEBUG}, {"trace", KT_CLI_DEBUG},
	};
	const char *text = kt_cli_str(cli, "cli-log-level");
	for (size_t i = 0; i < KT_ARRAY_LEN(names); i++) {
		if (strcasecmp(names[i].name, text) == 0) {
			cli->log_level = names[i].level;
			return 0;
		}
	}
	KT_FAIL(err, INVALID, "not a valid logrus Level: \"%s\"", text);
	KT_WRAP(err, "Could not parse log level string '%s'", text);
	return KT_WRAP(err, "An error occurred setting up CLI logs");
}

/* `help WORD…`: the help of the command that the words name. */
static int show_topic(kt_cli *cli, kt_err *err)
{
	const kt_command *command = kt_commands();
	KT_AUTO_BUF kt_buf path = KT_BUF_INIT;
	kt_buf_adds(&path, cli->program);
	for (size_t i = 0; i < cli->args.len; i++) {
		command = kt_command_child(command, cli->args.items[i]);
		if (command == NULL) {
			return KT_FAIL(err, INVALID, "Unknown help topic '%s'", cli->args.items[i]);
		}
		kt_buf_addf(&path, " %s", command->name);
	}
	kt_cli_help(cli, command, kt_buf_str(&path));
	return 0;
}

/* What the framework checks of single arguments before a command runs. */
static int check_args(kt_cli *cli, kt_err *err)
{
	const kt_command *command = cli->command;
	for (size_t i = 0; i < command->arg_count && i < cli->args.len; i++) {
		const kt_arg *arg = &command->args[i];
		const char *value = cli->args.items[i];
		if (arg->kind == KT_ARG_ARTIFACT && strspn(value, " \t") == strlen(value)) {
			KT_FAIL(err, INVALID, "Artifact identifier cannot be an empty string");
			return KT_WRAP(err, "An error occurred validating arg '%s'", arg->key);
		}
		if (arg->kind == KT_ARG_EXISTING_PATH && !kt_str_starts(value, "github.com/") &&
		    !kt_fs_exists(value)) {
			kt_err_set_errno(err, ENOENT, "Error reading filepath_or_dirpath '%s'", value);
			return KT_WRAP(err, "An error occurred validating arg '%s'", arg->key);
		}
	}
	return 0;
}

static int run_command(kt_cli *cli, kt_err *err)
{
	const kt_command *command = cli->command;
	if (command->run == NULL) {
		return command->refusal != NULL
			       ? KT_FAIL(err, UNSUPPORTED, "'%s' is not supported: %s", cli->path,
					 command->refusal)
			       : KT_FAIL(err, UNSUPPORTED, "'%s' is not supported yet", cli->path);
	}
	if (check_args(cli, err) < 0) {
		return -1;
	}
	if (command->kind == KT_COMMAND_ENGINE && kt_connect_engine(cli, err) < 0) {
		return KT_WRAP(err,
			       "An error occurred running the pre-validation-and-run function");
	}
	int rc = command->run(cli, err);
	if (rc < 0 && command->kind == KT_COMMAND_ENGINE) {
		KT_WRAP(err, "An error occurred calling the run function for command '%s'",
			command->name);
	}
	if (rc < 0 && command->kind != KT_COMMAND_PLAIN) {
		KT_WRAP(err, "An error occurred running command '%s'", command->name);
	}
	return rc;
}

static int dispatch(kt_cli *cli, bool *suggest_help, kt_err *err)
{
	if (cli->argc > 1 && strncmp(cli->argv[1], "__complete", 10) == 0) {
		return kt_cli_complete(cli, strcmp(cli->argv[1], "__complete") == 0);
	}
	if (kt_cli_parse(cli, suggest_help, err) < 0) {
		return -1;
	}
	if (cli->help || cli->command->kind == KT_COMMAND_GROUP) {
		kt_cli_help(cli, cli->command, cli->path);
		return 0;
	}
	if (strcmp(cli->command->name, "help") == 0) {
		return show_topic(cli, err);
	}
	return set_log_level(cli, err) < 0 ? -1 : run_command(cli, err);
}

int kt_cli_main(int argc, char **argv)
{
	struct kt_remote remote = {NULL, NULL};
	kt_cli cli = {.argc = argc, .argv = argv, .remote = &remote};
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	bool suggest_help = false;
	cli.program = argc > 0 ? kt_path_base(argv[0]) : "kurtosis";
	kt_ui_init(&cli);
	int rc = dispatch(&cli, &suggest_help, &err);
	if (rc < 0) {
		show_error(&cli, &err, suggest_help);
	}
	kt_remote_free(&remote);
	kt_vec_deinit(&cli.values);
	kt_vec_deinit(&cli.args);
	kt_free(cli.path);
	if (fflush(stdout) != 0 || ferror(stdout) != 0) {
		rc = -1;
	}
	return rc == 0 ? 0 : 1;
}
