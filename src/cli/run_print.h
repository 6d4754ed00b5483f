/* Prints the lines of a run as they come, and draws the progress on a terminal. */
#ifndef KT_CLI_RUN_PRINT_H
#define KT_CLI_RUN_PRINT_H

#include "cli/client.h"

typedef enum kt_verbosity {
	KT_VERBOSITY_BRIEF,
	KT_VERBOSITY_DETAILED,
	KT_VERBOSITY_EXECUTABLE,
	KT_VERBOSITY_OUTPUT_ONLY,
	KT_VERBOSITY_DESCRIPTION,
} kt_verbosity;

/* Case-insensitive. False when it is none. */
bool kt_verbosity_parse(const char *text, kt_verbosity *ret);

typedef struct kt_run_printer {
	kt_cli *cli;
	kt_verbosity verbosity;
	bool dry_run;
	bool quiet; /* --parallel in a pipe: only the last error and the verdict */
	struct kt_progress *progress; /* NULL = not drawn */
	char *last_error;             /* quiet only */
	bool success;                 /* the run has ended well */
} kt_run_printer;

void kt_run_printer_deinit(kt_run_printer *self);
int kt_run_print(kt_run_printer *self, const ApiContainerApi__StarlarkRunResponseLine *line,
		 kt_err *err);
/* Prints all lines of the stream until it ends. */
int kt_run_print_stream(kt_run_printer *self, kt_grpc_stream *stream, kt_err *err);

#endif
