/* Reading and writing the small files of the user's settings. */
#include "cli/settings.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"

#include <string.h>
#include <strings.h>

#define FILE_SIZE_MAX ((size_t)4 << 20)
#define CLUSTER_FILE "cluster-setting"

char *kt_settings_path(const char *kind, const char *name, kt_err *err)
{
	KT_AUTO_FREE char *dir = kt_fs_xdg(kind, err);
	char *path = dir != NULL ? kt_path_join(dir, name) : NULL;
	if (dir != NULL && path == NULL) {
		kt_err_nomem(err);
	}
	return path;
}

char *kt_settings_config_path(kt_err *err)
{
	return kt_settings_path("CONFIG", "kurtosis-config.yml", err);
}

int kt_settings_line(const char *kind, const char *name, char **ret, kt_err *err)
{
	KT_AUTO_FREE char *path = kt_settings_path(kind, name, err);
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	*ret = NULL;
	if (path == NULL) {
		return -1;
	}
	if (!kt_fs_exists(path)) {
		return 0;
	}
	if (kt_fs_read(path, FILE_SIZE_MAX, &text, err) < 0) {
		return -1;
	}
	size_t len = strcspn(kt_buf_str(&text), "\r\n");
	if (len == 0) {
		return 0;
	}
	*ret = kt_strndup(text.data, len);
	return *ret != NULL ? 0 : kt_err_nomem(err);
}

int kt_settings_write(const char *kind, const char *name, const char *text, unsigned mode,
		      kt_err *err)
{
	KT_AUTO_FREE char *path = kt_settings_path(kind, name, err);
	KT_AUTO_FREE char *dir = path != NULL ? kt_path_dir(path) : NULL;
	if (dir == NULL) {
		return path == NULL ? -1 : kt_err_nomem(err);
	}
	if (kt_fs_mkdirs(dir, 0755, err) < 0) {
		return -1;
	}
	return kt_fs_write(path, text, strlen(text), (mode_t)mode, true, err);
}

/* --- clusters --------------------------------------------------------------------------- */

/* The configuration as it stands in the file; an empty object when there is none. */
static json_t *read_config(kt_err *err)
{
	KT_AUTO_FREE char *path = kt_settings_config_path(err);
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (path == NULL) {
		return NULL;
	}
	if (!kt_fs_exists(path)) {
		return json_object();
	}
	if (kt_fs_read(path, FILE_SIZE_MAX, &text, err) < 0) {
		return NULL;
	}
	KT_AUTO_JSON json_t *config = kt_yaml_parse(kt_buf_str(&text), text.len, path, err);
	if (config == NULL) {
		return NULL;
	}
	int64_t version = kt_json_int(config, "config-version", 0);
	if (version > KT_CONFIG_VERSION) {
		KT_FAIL(err, INVALID,
			"The config version 'ConfigVersion_v%lld' declared in your config file is "
			"newer than the latest config that version this CLI knows how to process "
			"(ConfigVersion_v%d); this likely indicates that the config was copied from a "
			"newer CLI version and you need to upgrade your CLI to use this config",
			(long long)version, KT_CONFIG_VERSION);
		return NULL;
	}
	return json_is_object(config) ? json_incref(config) : json_object();
}

static int check_cluster(const char *name, const json_t *cluster, kt_err *err)
{
	static const char *const types[] = {"docker", "kubernetes", "podman", KT_CLUSTER_NATIVE};
	const char *type = kt_json_str(cluster, "type", NULL);
	if (type == NULL) {
		KT_FAIL(err, INVALID, "Kurtosis cluster must have a defined type");
		return KT_WRAP(err, "the cluster '%s' in the Kurtosis config file is not valid", name);
	}
	for (size_t i = 0; i < KT_ARRAY_LEN(types); i++) {
		if (strcasecmp(types[i], type) == 0) {
			return 0;
		}
	}
	return KT_FAIL(err, INVALID,
		       "Cluster '%s' has unrecognized type '%s'; valid values are: docker, kubernetes, "
		       "podman",
		       name, type);
}

json_t *kt_settings_clusters(kt_err *err)
{
	KT_AUTO_JSON json_t *config = read_config(err);
	const char *name;
	json_t *cluster;
	if (config == NULL) {
		return NULL;
	}
	json_t *given = json_object_get(config, "kurtosis-clusters");
	KT_AUTO_JSON json_t *all = NULL;
	if (json_is_object(given)) {
		all = json_incref(given);
	} else {
		all = json_pack("{s:{s:s}, s:{s:s}}", "docker", "type", "docker", "minikube", "type",
				"kubernetes");
	}
	if (all == NULL || json_object_set_new(all, KT_CLUSTER_NATIVE,
					       json_pack("{s:s}", "type", KT_CLUSTER_NATIVE)) < 0) {
		kt_err_nomem(err);
		return NULL;
	}
	json_object_foreach(all, name, cluster)
	{
		if (check_cluster(name, cluster, err) < 0) {
			return NULL;
		}
	}
	return json_incref(all);
}

char *kt_settings_cluster(kt_err *err)
{
	char *name = NULL;
	if (kt_settings_line("DATA", CLUSTER_FILE, &name, err) < 0) {
		return NULL;
	}
	if (name == NULL && (name = kt_strdup(KT_CLUSTER_NATIVE)) == NULL) {
		kt_err_nomem(err);
	}
	return name;
}

int kt_settings_check_cluster(const char *name, kt_err *err)
{
	if (strcmp(name, KT_CLUSTER_NATIVE) == 0) {
		return 0;
	}
	KT_AUTO_JSON json_t *all = kt_settings_clusters(err);
	if (all == NULL) {
		return -1;
	}
	const json_t *cluster = json_object_get(all, name);
	if (cluster == NULL) {
		KT_FAIL(err, NOT_FOUND, "Cluster '%s' isn't defined in the Kurtosis config file", name);
		kt_err_hint(err, "`kurtosis cluster ls` lists the clusters");
		return -1;
	}
	const char *type = kt_json_str(cluster, "type", "");
	if (strcasecmp(type, KT_CLUSTER_NATIVE) == 0) {
		return 0;
	}
	KT_FAIL(err, UNSUPPORTED,
		"The cluster '%s' is of type '%s', which is not supported yet; services run on this "
		"machine, in the cluster '" KT_CLUSTER_NATIVE "'",
		name, type);
	kt_err_hint(err, "run `kurtosis cluster set " KT_CLUSTER_NATIVE "`");
	return -1;
}

int kt_settings_require_usable(kt_err *err)
{
	KT_AUTO_FREE char *name = NULL;
	/* Without a home directory nothing can have been set. */
	if (kt_settings_line("DATA", CLUSTER_FILE, &name, NULL) < 0 || name == NULL) {
		return 0;
	}
	return kt_settings_check_cluster(name, err);
}
