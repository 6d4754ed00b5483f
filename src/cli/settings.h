/*
 * What the user has set for good: kurtosis-config.yml, the cluster, the context, the GitHub
 * login. Small files in the XDG directories, in the places and forms of Kurtosis 1.20.
 */
#ifndef KT_CLI_SETTINGS_H
#define KT_CLI_SETTINGS_H

#include "base/err.h"
#include "base/json.h"
#include "base/vec.h"

/* The one cluster that needs no configuration and is always there. */
#define KT_CLUSTER_NATIVE "native"
#define KT_CONFIG_VERSION 9

/* The path of a file below $XDG_<kind>_HOME/kurtosis. The caller frees. */
char *kt_settings_path(const char *kind, const char *name, kt_err *err);
/* The path of kurtosis-config.yml. The caller frees. */
char *kt_settings_config_path(kt_err *err);
/*
 * The first line of such a file: *ret is the caller's, NULL when there is no file or it is
 * empty.
 */
int kt_settings_line(const char *kind, const char *name, char **ret, kt_err *err);
/* Writes such a file, making its directory. */
int kt_settings_write(const char *kind, const char *name, const char *text, unsigned mode,
		      kt_err *err);

/* The clusters by name, each with its "type": a new reference. */
json_t *kt_settings_clusters(kt_err *err);
/* The cluster in use; the caller frees. */
char *kt_settings_cluster(kt_err *err);
/* Fails, with what to do, when this cluster cannot be used. */
int kt_settings_check_cluster(const char *name, kt_err *err);
/* Fails when the cluster that is set cannot be used. Cheap: reads nothing when none is set. */
int kt_settings_require_usable(kt_err *err);

/* The stored GitHub token; NULL without an error when nobody is logged in. The caller frees. */
char *kt_github_token(kt_err *err);
/* The names of the clusters and of the contexts, sorted, appended. */
int kt_cluster_names(kt_strvec *ret, kt_err *err);
int kt_context_names(kt_strvec *ret, kt_err *err);

#endif
