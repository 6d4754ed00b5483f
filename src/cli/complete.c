/*
 * The hidden command behind the completion scripts: `kurtosis __complete WORD… PARTIAL` prints
 * one candidate per line, optionally with a tab and a description, and at last ":DIRECTIVE".
 */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/settings.h"
#include "cli/ui.h"

#include <string.h>

/* cobra's bits. */
enum {
	NO_FILES = 4,
	KEEP_ORDER = 32,
};

typedef struct request {
	kt_cli *cli;
	const kt_command *command;
	const char *partial;
	kt_strvec args; /* positional words before the partial one */
	bool descriptions;
	bool wants_value; /* the word before is a flag that takes this one as its value */
	kt_strvec found;
} request;

static void candidate(const request *self, const char *name, const char *text)
{
	if (self->descriptions && text != NULL && *text != '\0') {
		kt_out(self->cli, "%s\t%s\n", name, text);
	} else {
		kt_out(self->cli, "%s\n", name);
	}
}

static const kt_flag *find_flag(const kt_command *command, const char *word)
{
	size_t global_count;
	const kt_flag *global = kt_global_flags(&global_count);
	bool is_long = word[1] == '-';
	for (size_t i = 0; i < command->flag_count + global_count; i++) {
		const kt_flag *flag = i < command->flag_count ? &command->flags[i]
							      : &global[i - command->flag_count];
		if (is_long ? strcmp(flag->name, word + 2) == 0
			    : flag->letter != 0 && word[1] == flag->letter && word[2] == '\0') {
			return flag;
		}
	}
	return NULL;
}

static int read_words(request *self, char **words, int count)
{
	for (int i = 0; i < count; i++) {
		const char *word = words[i];
		if (word[0] == '-' && word[1] != '\0') {
			const kt_flag *flag =
				strchr(word, '=') == NULL ? find_flag(self->command, word) : NULL;
			if (flag != NULL && flag->type != KT_FLAG_BOOL) {
				self->wants_value = ++i >= count;
			}
			continue;
		}
		const kt_command *child = kt_command_child(self->command, word);
		if (child != NULL && self->args.len == 0) {
			self->command = child;
		} else if (kt_strvec_add(&self->args, word) < 0) {
			return -1;
		}
	}
	return 0;
}

static void flag_candidates(const request *self)
{
	size_t global_count;
	const kt_flag *global = kt_global_flags(&global_count);
	for (size_t i = 0; i < self->command->flag_count + global_count; i++) {
		const kt_flag *flag = i < self->command->flag_count
					      ? &self->command->flags[i]
					      : &global[i - self->command->flag_count];
		KT_AUTO_FREE char *name = kt_asprintf("--%s", flag->name);
		if (name != NULL && kt_str_starts(name, self->partial)) {
			candidate(self, name, flag->usage);
		}
	}
}

static void child_candidates(const request *self)
{
	for (size_t i = 0; i < self->command->child_count; i++) {
		const kt_command *child = &self->command->children[i];
		if (!child->hidden && kt_str_starts(child->name, self->partial)) {
			candidate(self, child->name, child->brief);
		}
	}
}

/* --- names from the engine -------------------------------------------------------------- */

static int enclave_names(request *self, kt_err *err)
{
	Google__Protobuf__Empty nothing = GOOGLE__PROTOBUF__EMPTY__INIT;
	KT_AUTO_MSG EngineApi__GetEnclavesResponse *all = NULL;
	if (kt_engine_call(self->cli, KT_ENGINE_GET_ENCLAVES, &nothing, &all, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < all->n_enclave_info; i++) {
		kt_strvec_add(&self->found, all->enclave_info[i]->value->name);
	}
	kt_strvec_sort(&self->found);
	return 0;
}

static int service_names(request *self, kt_grpc_client *apic, bool ever, kt_err *err)
{
	ApiContainerApi__GetServicesArgs args = API_CONTAINER_API__GET_SERVICES_ARGS__INIT;
	Google__Protobuf__Empty nothing = GOOGLE__PROTOBUF__EMPTY__INIT;
	KT_AUTO_MSG ApiContainerApi__GetServicesResponse *live = NULL;
	KT_AUTO_MSG ApiContainerApi__GetExistingAndHistoricalServiceIdentifiersResponse *all = NULL;
	if (ever ? kt_apic_call(self->cli, apic, KT_APIC_GET_SERVICE_IDENTIFIERS, &nothing, &all,
				err) < 0
		 : kt_apic_call(self->cli, apic, KT_APIC_GET_SERVICES, &args, &live, err) < 0) {
		return -1;
	}
	for (size_t i = 0; live != NULL && i < live->n_service_info; i++) {
		kt_strvec_add(&self->found, live->service_info[i]->value->name);
	}
	for (size_t i = 0; all != NULL && i < all->n_allidentifiers; i++) {
		if (!kt_strvec_has(&self->found, all->allidentifiers[i]->name)) {
			kt_strvec_add(&self->found, all->allidentifiers[i]->name);
		}
	}
	kt_strvec_sort(&self->found);
	return 0;
}

static int artifact_names(request *self, kt_grpc_client *apic, kt_err *err)
{
	Google__Protobuf__Empty nothing = GOOGLE__PROTOBUF__EMPTY__INIT;
	KT_AUTO_MSG ApiContainerApi__ListFilesArtifactNamesAndUuidsResponse *all = NULL;
	if (kt_apic_call(self->cli, apic, KT_APIC_LIST_FILES_ARTIFACTS, &nothing, &all, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < all->n_file_names_and_uuids; i++) {
		kt_strvec_add(&self->found, all->file_names_and_uuids[i]->filename);
	}
	return 0;
}

static int engine_names(request *self, kt_arg_kind kind, kt_err *err)
{
	if (kind == KT_ARG_CLUSTER) {
		return kt_cluster_names(&self->found, err);
	}
	if (kind == KT_ARG_CONTEXT) {
		return kt_context_names(&self->found, err);
	}
	if (kt_connect_running_engine(self->cli, err) < 0) {
		return -1;
	}
	if (kind == KT_ARG_ENCLAVE) {
		return enclave_names(self, err);
	}
	/* The enclave is always the first argument. */
	kt_grpc_client *apic = kt_open_enclave(self->cli, self->args.items[0], NULL, NULL, err);
	if (apic == NULL) {
		return -1;
	}
	int rc = kind == KT_ARG_ARTIFACT
			 ? artifact_names(self, apic, err)
			 : service_names(self, apic, kind == KT_ARG_SERVICE_EVER, err);
	kt_grpc_client_free(apic);
	return rc;
}

/* Candidates for the next argument; returns the directive. */
static int arg_candidates(request *self)
{
	const kt_command *command = self->command;
	size_t index = self->args.len;
	if (command->arg_count == 0) {
		return NO_FILES;
	}
	if (index >= command->arg_count) {
		if ((command->args[command->arg_count - 1].flags & KT_ARG_GREEDY) == 0) {
			return NO_FILES;
		}
		index = command->arg_count - 1;
	}
	kt_arg_kind kind = command->args[index].kind;
	if (kind == KT_ARG_PATH || kind == KT_ARG_EXISTING_PATH) {
		return 0;
	}
	bool inside = kind == KT_ARG_SERVICE || kind == KT_ARG_SERVICE_EVER ||
		      kind == KT_ARG_ARTIFACT;
	if (kind == KT_ARG_TEXT || (inside && self->args.len == 0)) {
		return NO_FILES;
	}
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	if (engine_names(self, kind, &err) < 0) {
		KT_AUTO_FREE char *text = kt_err_text(&err);
		kt_err_out(self->cli, "[Debug] %s\n", kt_str_or(text, "out of memory"));
		return NO_FILES;
	}
	for (size_t i = 0; i < self->found.len; i++) {
		candidate(self, self->found.items[i], NULL);
	}
	return NO_FILES | KEEP_ORDER;
}

int kt_cli_complete(kt_cli *cli, bool descriptions)
{
	request self = {.cli = cli, .command = kt_commands(), .descriptions = descriptions};
	int count = cli->argc - 2;
	int directive = NO_FILES;
	self.partial = count > 0 ? cli->argv[cli->argc - 1] : "";
	cli->log_level = KT_CLI_ERROR;
	if (read_words(&self, cli->argv + 2, count > 0 ? count - 1 : 0) == 0) {
		if (self.wants_value) {
			directive = 0;
		} else if (self.partial[0] == '-') {
			flag_candidates(&self);
		} else if (self.command->child_count > 0) {
			child_candidates(&self);
		} else {
			directive = arg_candidates(&self);
		}
	}
	kt_out(cli, ":%d\n", directive);
	kt_err_out(cli, "Completion ended with directive: %s\n",
		   directive == 0	   ? "ShellCompDirectiveDefault"
		   : directive == NO_FILES ? "ShellCompDirectiveNoFileComp"
					   : "ShellCompDirectiveNoFileComp, ShellCompDirectiveKeepOrder");
	kt_strvec_deinit(&self.args);
	kt_strvec_deinit(&self.found);
	return 0;
}
