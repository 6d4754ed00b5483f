/* Files artifacts on their way from an enclave to this machine. */
#ifndef KT_CLI_ARTIFACT_H
#define KT_CLI_ARTIFACT_H

#include "cli/client.h"

/* Writes an artifact's archive (tar.gz) to fd. */
int kt_artifact_fetch(kt_grpc_client *apic, const char *identifier, int fd, kt_err *err);
/* Unpacks an artifact into a directory, which must be there. */
int kt_artifact_unpack(kt_grpc_client *apic, const char *identifier, const char *dir, kt_err *err);

#endif
