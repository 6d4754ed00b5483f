/*
 * kurtosis context …: where the engine is. Only contexts on this machine can be used; remote
 * ones need the Portal, which is not there.
 */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/uuid.h"
#include "cli/run_functions.h"
#include "cli/settings.h"
#include "cli/ui.h"

#include <stdio.h>
#include <string.h>

#define CONTEXTS_FILE "contexts-config.json"
#define SIZE_MAX_BYTES ((size_t)4 << 20)
#define DEFAULT_NAME "default"

static const char *uuid_of(const json_t *context)
{
	return kt_json_str(json_object_get(context, "uuid"), "value", "");
}

static const char *name_of(const json_t *context)
{
	return kt_json_str(context, "name", "");
}

static const char *remote_host(const json_t *context)
{
	return kt_json_str(json_object_get(context, "remoteContextV0"), "host", NULL);
}

static const char *current_uuid(const json_t *all)
{
	return kt_json_str(json_object_get(all, "currentContextUuid"), "value", "");
}

static int save(const json_t *all, kt_err *err)
{
	KT_AUTO_FREE char *text = kt_json_text(all, 2);
	if (text == NULL) {
		return kt_err_nomem(err);
	}
	return kt_settings_write("CONFIG", CONTEXTS_FILE, text, 0644, err);
}

/* The stored contexts; the file is made when there is none. A new reference. */
static json_t *load(kt_err *err)
{
	KT_AUTO_FREE char *path = kt_settings_path("CONFIG", CONTEXTS_FILE, err);
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (path == NULL) {
		return NULL;
	}
	if (kt_fs_exists(path)) {
		if (kt_fs_read(path, SIZE_MAX_BYTES, &text, err) < 0) {
			return NULL;
		}
		json_t *all = kt_json_parse(kt_buf_str(&text), text.len, path, err);
		if (all != NULL && !json_is_array(json_object_get(all, "contexts"))) {
			json_decref(all);
			KT_FAIL(err, CORRUPT, "%s holds no list of contexts", path);
			kt_err_hint(err, "remove the file; it is made anew with the default context");
			return NULL;
		}
		return all;
	}
	kt_uuid uuid = kt_uuid_random();
	KT_AUTO_JSON json_t *all =
		json_pack("{s:{s:s}, s:[{s:{s:s}, s:s, s:{}}]}", "currentContextUuid", "value",
			  uuid.text, "contexts", "uuid", "value", uuid.text, "name", DEFAULT_NAME,
			  "localOnlyContextV0");
	if (all == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	return save(all, err) == 0 ? json_incref(all) : NULL;
}

/* By name, then by UUID, then by its first digits. The index, or -1. */
static int find(const json_t *all, const char *identifier, kt_err *err)
{
	const json_t *list = json_object_get(all, "contexts");
	for (int pass = 0; pass < 3; pass++) {
		int found = -1;
		int count = 0;
		size_t i;
		json_t *one;
		json_array_foreach(list, i, one)
		{
			const char *uuid = uuid_of(one);
			bool same = pass == 0	? strcmp(name_of(one), identifier) == 0
				    : pass == 1 ? strcmp(uuid, identifier) == 0
						: strlen(identifier) == KT_UUID_SHORT_LEN &&
							  kt_str_starts(uuid, identifier);
			if (same) {
				found = (int)i;
				count++;
			}
		}
		if (count == 1) {
			return found;
		}
		if (count > 1) {
			return KT_FAIL(err, INVALID, "Found %d contexts for identifier '%s'", count,
				       identifier);
		}
	}
	return KT_FAIL(err, NOT_FOUND, "No context found for identifier '%s'", identifier);
}

static int find_arg(const json_t *all, const char *identifier, kt_err *err)
{
	int index = find(all, identifier, err);
	if (index < 0) {
		KT_WRAP(err, "Error finding context matching the provided identifiers");
		KT_WRAP(err, "An error occurred validating arg 'context'");
	}
	return index;
}

int kt_context_names(kt_strvec *ret, kt_err *err)
{
	KT_AUTO_JSON json_t *all = load(err);
	size_t i;
	json_t *one;
	if (all == NULL) {
		return -1;
	}
	json_array_foreach(json_object_get(all, "contexts"), i, one)
	{
		if (kt_strvec_add(ret, name_of(one)) < 0) {
			return kt_err_nomem(err);
		}
	}
	kt_strvec_sort(ret);
	return 0;
}

int kt_cmd_context_ls(kt_cli *cli, kt_err *err)
{
	static const char *const head[] = {"", "UUID", "Name", "Remote Host"};
	KT_AUTO_JSON json_t *all = load(err);
	KT_AUTO_TABLE kt_table table = {.columns = 4, .header = true};
	size_t i;
	json_t *one;
	if (all == NULL) {
		return KT_WRAP(err, "An error occurred reading the contexts");
	}
	for (i = 0; i < KT_ARRAY_LEN(head); i++) {
		kt_table_cell(&table, head[i]);
	}
	bool full = kt_cli_bool(cli, "full-uuids");
	json_array_foreach(json_object_get(all, "contexts"), i, one)
	{
		char uuid[KT_UUID_LEN + 1];
		snprintf(uuid, sizeof(uuid), "%.*s", full ? KT_UUID_LEN : KT_UUID_SHORT_LEN,
			 uuid_of(one));
		kt_table_cell(&table, strcmp(uuid_of(one), current_uuid(all)) == 0 ? "*" : "");
		kt_table_cell(&table, uuid);
		kt_table_cell(&table, name_of(one));
		kt_table_cell(&table, kt_str_or(remote_host(one), "-"));
	}
	return kt_table_print(&table, cli, err);
}

/* The context of the given file, with an own UUID when it has none. A new reference. */
static json_t *read_context(const char *path, kt_err *err)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (kt_fs_read(path, SIZE_MAX_BYTES, &text, err) < 0) {
		return NULL;
	}
	KT_AUTO_JSON json_t *one = kt_json_parse(kt_buf_str(&text), text.len, path, err);
	if (one == NULL) {
		return NULL;
	}
	if (*name_of(one) == '\0') {
		KT_FAIL(err, INVALID, "%s holds no context: the key 'name' is missing", path);
		return NULL;
	}
	if (strcmp(name_of(one), DEFAULT_NAME) == 0) {
		KT_FAIL(err, INVALID,
			"Adding a new context with name '%s' is not allowed as it is a reserved context "
			"name",
			DEFAULT_NAME);
		return NULL;
	}
	if (json_object_get(one, "remoteContextV0") != NULL) {
		KT_FAIL(err, UNSUPPORTED,
			"The context '%s' is on another machine; only contexts on this machine are "
			"supported",
			name_of(one));
		return NULL;
	}
	if (*uuid_of(one) == '\0') {
		kt_uuid uuid = kt_uuid_random();
		json_object_set_new(one, "uuid", json_pack("{s:s}", "value", uuid.text));
	}
	return json_incref(one);
}

int kt_cmd_context_add(kt_cli *cli, kt_err *err)
{
	KT_AUTO_JSON json_t *one = read_context(kt_cli_arg(cli, "context-config"), err);
	KT_AUTO_JSON json_t *all = one != NULL ? load(err) : NULL;
	if (all == NULL) {
		return -1;
	}
	KT_CLI_LOG(cli, "Adding new context '%s'", name_of(one));
	json_t *list = json_object_get(all, "contexts");
	size_t i;
	json_t *other;
	json_array_foreach(list, i, other)
	{
		if (strcmp(name_of(other), name_of(one)) == 0 ||
		    strcmp(uuid_of(other), uuid_of(one)) == 0) {
			return KT_FAIL(err, EXISTS, "a context with the name '%s' or its UUID exists",
				       name_of(one));
		}
	}
	if (json_array_append(list, one) < 0) {
		return kt_err_nomem(err);
	}
	if (save(all, err) < 0) {
		return -1;
	}
	KT_CLI_LOG(cli, "Context successfully added");
	return 0;
}

int kt_cmd_context_rm(kt_cli *cli, kt_err *err)
{
	KT_AUTO_JSON json_t *all = load(err);
	const char *const *names;
	size_t count = kt_cli_rest(cli, &names);
	if (all == NULL) {
		return -1;
	}
	KT_CLI_LOG(cli, "Removing contexts...");
	for (size_t i = 0; i < count; i++) {
		int index = find_arg(all, names[i], err);
		json_t *list = json_object_get(all, "contexts");
		const json_t *one = index >= 0 ? json_array_get(list, (size_t)index) : NULL;
		if (one == NULL) {
			return -1;
		}
		if (strcmp(name_of(one), DEFAULT_NAME) == 0) {
			return KT_FAIL(err, INVALID, "The context '%s' cannot be removed", DEFAULT_NAME);
		}
		if (strcmp(uuid_of(one), current_uuid(all)) == 0) {
			KT_FAIL(err, INVALID, "The context '%s' is the current one and cannot be removed",
				name_of(one));
			kt_err_hint(err, "run `kurtosis context set " DEFAULT_NAME "` first");
			return -1;
		}
		json_array_remove(list, (size_t)index);
	}
	if (save(all, err) < 0) {
		return -1;
	}
	KT_CLI_LOG(cli, "Contexts successfully removed");
	return 0;
}

int kt_cmd_context_set(kt_cli *cli, kt_err *err)
{
	KT_AUTO_JSON json_t *all = load(err);
	int index = all != NULL ? find_arg(all, kt_cli_arg(cli, "context"), err) : -1;
	if (index < 0) {
		return -1;
	}
	const json_t *one = json_array_get(json_object_get(all, "contexts"), (size_t)index);
	KT_CLI_LOG(cli, "Switching context...");
	if (strcmp(uuid_of(one), current_uuid(all)) == 0) {
		KT_CLI_LOG(cli, "Context '%s' already set", name_of(one));
		return 0;
	}
	if (remote_host(one) != NULL) {
		return KT_FAIL(err, UNSUPPORTED,
			       "The context '%s' is on another machine (%s); only contexts on this "
			       "machine are supported",
			       name_of(one), remote_host(one));
	}
	if (json_object_set_new(all, "currentContextUuid",
				json_pack("{s:s}", "value", uuid_of(one))) < 0) {
		return kt_err_nomem(err);
	}
	if (save(all, err) < 0) {
		return -1;
	}
	KT_CLI_LOG(cli, "Context set to '%s'", name_of(one));
	KT_CLI_LOG(cli, "Successfully set context");
	return 0;
}
