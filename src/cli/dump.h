/* Writing what is known of enclaves and of the engine to files, for the search after failures. */
#ifndef KT_CLI_DUMP_H
#define KT_CLI_DUMP_H

#include "cli/client.h"

/* Makes the directory with its parents; fails when it exists. */
int kt_dump_dir(const char *dir, kt_err *err);
/*
 * Below dir, which must be there: enclave.json, a directory NAME--UUID per service with spec.json
 * and output.log, and with `files` each files artifact as files/NAME. What cannot be had is
 * logged and the rest is written; then the result is -1.
 */
int kt_dump_enclave(kt_cli *cli, const kt_enclave_info *enclave, const char *dir, bool files,
		    kt_err *err);
/* dir/kurtosis-engine/output.log; dir must be there. */
int kt_dump_engine(const char *dir, kt_err *err);

#endif
