/* What `kurtosis run` was asked to run, and how its files get to the API container. */
#ifndef KT_CLI_RUN_TARGET_H
#define KT_CLI_RUN_TARGET_H

#include "base/map.h"
#include "cli/client.h"

typedef enum kt_target_kind {
	KT_TARGET_SCRIPT,
	KT_TARGET_PACKAGE, /* a directory on this machine */
	KT_TARGET_REMOTE,  /* a locator */
} kt_target_kind;

typedef struct kt_target {
	kt_target_kind kind;
	char *argument;    /* as given */
	char *script;      /* the text of a script */
	char *dir;         /* absolute directory of a package */
	char *package_id;  /* of a package; the locator of a remote one */
	kt_map replace;    /* dependency -> local path, of a package */
} kt_target;

#define KT_TARGET_INIT {KT_TARGET_SCRIPT, NULL, NULL, NULL, NULL, KT_MAP_OWNING(kt_free)}
#define KT_AUTO_TARGET KT_CLEANUP(kt_target_deinit)
void kt_target_deinit(kt_target *self);

/* Looks at the argument and reads what lies on this machine. *ret from KT_TARGET_INIT. */
int kt_target_open(const char *argument, kt_target *ret, kt_err *err);
/* Uploads a package and its local replacements, with their log lines. */
int kt_target_upload(kt_cli *cli, const kt_target *self, kt_grpc_client *apic, kt_err *err);

/*
 * Packs a file or directory and sends it as the content of a client-stream rpc; *ret is the
 * answer (kt_msg_free). Also used by `files upload`.
 */
int kt_upload(kt_cli *cli, kt_grpc_client *apic, kt_apic_rpc rpc, const char *name,
	      const char *path, ProtobufCMessage **ret, kt_err *err);

#endif
