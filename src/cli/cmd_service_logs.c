/* kurtosis service logs */
#include "base/alloc.h"
#include "base/map.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/run_functions.h"
#include "cli/ui.h"

#include <stdio.h>
#include <string.h>

static const int name_colors[] = {34, 36, 32, 35, 33, 91, 94, 97};

/* The services asked for: UUID to the name as typed, in order. */
typedef struct wanted {
	kt_map names;
	kt_strvec uuids;
} wanted;

static int want(wanted *self, const char *uuid, const char *name, kt_err *err)
{
	if (kt_map_has(&self->names, uuid)) {
		return 0;
	}
	char *copy = kt_strdup(name);
	if (copy == NULL || kt_map_set(&self->names, uuid, copy) < 0) {
		kt_free(copy);
		return kt_err_nomem(err);
	}
	return kt_strvec_add(&self->uuids, uuid) < 0 ? kt_err_nomem(err) : 0;
}

typedef ApiContainerApi__GetExistingAndHistoricalServiceIdentifiersResponse identifiers;

/* The last service of that name or UUID; names may have been used again. */
static const ApiContainerApi__ServiceIdentifiers *lookup(const identifiers *all, const char *text)
{
	for (size_t i = all != NULL ? all->n_allidentifiers : 0; i > 0; i--) {
		const ApiContainerApi__ServiceIdentifiers *one = all->allidentifiers[i - 1];
		if (strcmp(one->service_uuid, text) == 0 ||
		    strcmp(one->shortened_uuid, text) == 0 || strcmp(one->name, text) == 0) {
			return one;
		}
	}
	return NULL;
}

static int want_all(wanted *self, const identifiers *all, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec names = KT_STRVEC_INIT;
	for (size_t i = 0; i < all->n_allidentifiers; i++) {
		if (!kt_strvec_has(&names, all->allidentifiers[i]->name) &&
		    kt_strvec_add(&names, all->allidentifiers[i]->name) < 0) {
			return kt_err_nomem(err);
		}
	}
	kt_strvec_sort(&names);
	for (size_t i = 0; i < names.len; i++) {
		const ApiContainerApi__ServiceIdentifiers *one = lookup(all, names.items[i]);
		if (want(self, one->service_uuid, one->name, err) < 0) {
			return -1;
		}
	}
	return 0;
}

/* What the API container knows of present and past services; NULL when it cannot be asked. */
static identifiers *ask_identifiers(kt_cli *cli, kt_err *err)
{
	Google__Protobuf__Empty nothing = GOOGLE__PROTOBUF__EMPTY__INIT;
	identifiers *all = NULL;
	kt_grpc_client *apic = kt_open_enclave(cli, kt_cli_arg(cli, "enclave"), NULL, NULL, err);
	if (apic == NULL) {
		return NULL;
	}
	if (kt_apic_call(cli, apic, KT_APIC_GET_SERVICE_IDENTIFIERS, &nothing, &all, err) < 0) {
		KT_WRAP(err, "An error occurred getting the services of the enclave");
	}
	kt_grpc_client_free(apic);
	return all;
}

static int find_wanted(kt_cli *cli, wanted *self, kt_err *err)
{
	const char *const *words;
	size_t count = kt_cli_rest(cli, &words);
	bool everything = count == 0 || kt_cli_bool(cli, "all-services") ||
			  (count == 1 && strcmp(words[0], "*") == 0);
	KT_AUTO_ERR kt_err reason = KT_ERR_INIT;
	KT_AUTO_MSG identifiers *all = ask_identifiers(cli, &reason);
	/* An enclave that is stopped has logs to show; one that is not there has none. */
	if (all == NULL && (everything || reason.code == KT_ERR_NOT_FOUND)) {
		kt_err_move(err, &reason);
		return -1;
	}
	if (everything) {
		return want_all(self, all, err);
	}
	for (size_t i = 0; i < count; i++) {
		/* Best effort: an unknown word is taken for the UUID of a service that is gone. */
		const ApiContainerApi__ServiceIdentifiers *one = lookup(all, words[i]);
		if (want(self, one != NULL ? one->service_uuid : words[i], words[i], err) < 0) {
			return -1;
		}
	}
	return 0;
}

/* --- printing --------------------------------------------------------------------------- */

static void print_service_line(kt_cli *cli, const wanted *self, const char *uuid, const char *line)
{
	const char *name = kt_map_get(&self->names, uuid);
	size_t index = 0;
	for (size_t i = 0; i < self->uuids.len; i++) {
		index = strcmp(self->uuids.items[i], uuid) == 0 ? i : index;
	}
	if (cli->color) {
		kt_out(cli, "[\033[%dm%s\033[0m] %s\n",
		       name_colors[index % KT_ARRAY_LEN(name_colors)], kt_str_or(name, uuid), line);
	} else {
		kt_out(cli, "[%s] %s\n", kt_str_or(name, uuid), line);
	}
}

static int print_lines(kt_cli *cli, const wanted *self, kt_grpc_stream *stream, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec warned = KT_STRVEC_INIT;
	for (;;) {
		KT_AUTO_MSG ProtobufCMessage *message = NULL;
		int rc = kt_grpc_stream_recv(stream, &message, err);
		if (rc <= 0) {
			return rc;
		}
		const EngineApi__GetServiceLogsResponse *part =
			(const EngineApi__GetServiceLogsResponse *)message;
		for (size_t i = 0; i < part->n_not_found_service_uuid_set; i++) {
			const char *uuid = part->not_found_service_uuid_set[i]->key;
			if (kt_strvec_has(&warned, uuid)) {
				continue;
			}
			KT_CLI_WARNING(cli,
				       "The Kurtosis centralized logs system does not contains any logs "
				       "for the requested service UUID '%s'. This means that a service "
				       "with that UUID either doesn't exist, or hasn't sent any logs. You "
				       "can wait for further responses, or cancel the stream with Ctrl + C.",
				       uuid);
			kt_strvec_add(&warned, uuid);
		}
		for (size_t i = 0; i < part->n_service_logs_by_service_uuid; i++) {
			const EngineApi__LogLine *lines =
				part->service_logs_by_service_uuid[i]->value;
			for (size_t k = 0; k < lines->n_line; k++) {
				print_service_line(cli, self,
						   part->service_logs_by_service_uuid[i]->key,
						   lines->line[k]);
			}
		}
		if (kt_cli_bool(cli, "follow") || cli->interactive) {
			kt_out_flush();
		}
		if (ferror(stdout) != 0) {
			return 0; /* nobody reads any more; main says so by the exit status */
		}
	}
}

/* --- the request ------------------------------------------------------------------------ */

/* At most one filter. 1 when there is one. */
static int read_filter(kt_cli *cli, EngineApi__LogLineFilter *ret, kt_err *err)
{
	const char *match = kt_cli_str(cli, "match");
	const char *regex = kt_cli_str(cli, "regex-match");
	bool invert = kt_cli_bool(cli, "invert-match");
	if (*match != '\0' && *regex != '\0') {
		return KT_FAIL(err, INVALID,
			       "Both filter match have being sent 'match', 'regex-match' and it is not "
			       "allowed, it's allowed to send only one of them");
	}
	if (*match == '\0' && *regex == '\0') {
		return 0;
	}
	bool text = *match != '\0';
	/* The four operators: contains, not; matches, not. */
	ret->operator_ = (EngineApi__LogLineOperator)((text ? 0 : 2) + (invert ? 1 : 0));
	ret->text_pattern = (char *)(uintptr_t)(text ? match : regex);
	return 1;
}

static int stream_logs(kt_cli *cli, const wanted *self, EngineApi__LogLineFilter *filter,
		       bool filtered, kt_err *err)
{
	EngineApi__GetServiceLogsArgs args = ENGINE_API__GET_SERVICE_LOGS_ARGS__INIT;
	size_t count = self->uuids.len;
	KT_AUTO_FREE EngineApi__GetServiceLogsArgs__ServiceUuidSetEntry *entries =
		kt_calloc(count + 1, sizeof(*entries));
	KT_AUTO_FREE EngineApi__GetServiceLogsArgs__ServiceUuidSetEntry **pointers =
		kt_calloc(count + 1, sizeof(*pointers));
	if (entries == NULL || pointers == NULL) {
		return kt_err_nomem(err);
	}
	for (size_t i = 0; i < count; i++) {
		engine_api__get_service_logs_args__service_uuid_set_entry__init(&entries[i]);
		entries[i].key = self->uuids.items[i];
		entries[i].value = true;
		pointers[i] = &entries[i];
	}
	args.enclave_identifier = (char *)(uintptr_t)kt_cli_arg(cli, "enclave");
	args.service_uuid_set = pointers;
	args.n_service_uuid_set = count;
	args.conjunctive_filters = &filter;
	args.n_conjunctive_filters = filtered ? 1 : 0;
	KT_OPT_SET(EngineApi__GetServiceLogsArgs, &args, follow_logs, kt_cli_bool(cli, "follow"));
	KT_OPT_SET(EngineApi__GetServiceLogsArgs, &args, return_all_logs, kt_cli_bool(cli, "all"));
	KT_OPT_SET(EngineApi__GetServiceLogsArgs, &args, num_log_lines, kt_cli_u32(cli, "num"));
	kt_grpc_opts opts = {.cancel = cli->remote->interrupt};
	kt_grpc_stream *stream = kt_grpc_stream_start(cli->remote->engine,
						      &kt_engine_rpcs[KT_ENGINE_GET_SERVICE_LOGS],
						      &args.base, &opts, err);
	if (stream == NULL) {
		return -1;
	}
	int rc = print_lines(cli, self, stream, err);
	kt_grpc_stream_free(stream);
	/* Ctrl-C is how a followed log ends. */
	return rc < 0 && kt_cancel_fired(opts.cancel) ? 0 : rc;
}

int kt_cmd_service_logs(kt_cli *cli, kt_err *err)
{
	EngineApi__LogLineFilter filter = ENGINE_API__LOG_LINE_FILTER__INIT;
	wanted self = {KT_MAP_OWNING(kt_free), KT_STRVEC_INIT};
	int filtered = read_filter(cli, &filter, err);
	int rc = filtered < 0 ? -1 : kt_catch_interrupt(cli, err);
	if (rc == 0) {
		rc = find_wanted(cli, &self, err);
	}
	if (rc == 0 && self.uuids.len > 0) {
		rc = stream_logs(cli, &self, &filter, filtered == 1, err);
	}
	kt_map_deinit(&self.names);
	kt_strvec_deinit(&self.uuids);
	if (rc < 0 && err->code == KT_ERR_CANCELLED) {
		kt_err_release(err);
		return 0;
	}
	return rc;
}
