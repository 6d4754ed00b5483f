/*
 * The engine: the gRPC service that creates, lists, stops and destroys enclaves, as a role of the
 * daemon's executable; and the helper roles for the image store and for downloads.
 *
 *   kurtosisd engine --port N --ready-fd N [--log-level LEVEL] [--log-retention-period 168h]
 *                    [--restart-api-containers]
 *
 * The command line starts it in a session of its own, with stdin on /dev/null and stdout and
 * stderr appended to <runtime>/engine.log. When the service accepts calls, the engine writes its
 * process id and a newline to <runtime>/engine.pid and then the line `READY <port>\n` to the
 * descriptor given by --ready-fd, which it closes. On a failure to start the line is
 * `ERROR <message>\n` and the exit status is 1. SIGTERM and SIGINT end it after open calls had a
 * moment to finish; enclaves and their services live on. GetEngineInfo answers with the API level
 * (KT_API_LEVEL).
 *
 *   kurtosisd image ls                     one line per image: NAME TAB ID TAB SIZE TAB CREATED
 *   kurtosisd image pull NAME              lines `progress DONE TOTAL WHAT`, then the ls line
 *   kurtosisd image load PATH [NAME]       one name per line
 *   kurtosisd image rm [-f] NAME…          one name per line
 *
 *   kurtosisd fetch URL                    the body of an http or https URL
 *
 * Progress and results go to stdout. A failure is the error's chain on stderr, one message per
 * line, then perhaps a line `Hint: TEXT`, and exit status 1.
 */
#ifndef KT_ENGINE_ENGINE_H
#define KT_ENGINE_ENGINE_H

#include "backend/backend.h"

/* What the program's main file knows and this module does not. All borrowed. */
typedef struct kt_engine_deps {
	kt_backend *(*open_backend)(const char *name, kt_err *err); /* "native" */
	const char *root;    /* state: engine.db, enclaves/UUID/logs/SERVICE.log, images/ */
	const char *runtime; /* engine.pid, engine.log */
	/*
	 * The process that keeps an enclave's services, for backends that have one: a descriptor
	 * that becomes readable when it ends, and starting it anew. NULL = there is none.
	 */
	int (*keeper_fd)(kt_backend *backend, const char *enclave, int *ret_fd, kt_err *err);
	int (*keeper_revive)(kt_backend *backend, const char *enclave, kt_err *err);
} kt_engine_deps;

/* argv[0] is "engine". Blocks until the service ends; the result is an exit status. */
int kt_engine_main(int argc, char **argv, const kt_engine_deps *deps);
/* argv[0] is "image". */
int kt_engine_image_main(int argc, char **argv, const kt_engine_deps *deps);
/* argv[0] is "fetch". */
int kt_engine_fetch_main(int argc, char **argv);

#endif
