/*
 * Where the program keeps things on this machine.
 *
 *   root     $KURTOSIS_HOME, /var/lib/kurtosis as root, else $XDG_DATA_HOME/kurtosis
 *     images/            the image store          packages/   fetched packages
 *     engine.db          the engine's database
 *     enclaves/<uuid>/   what outlives a reboot: apic.db, artifacts/, logs/, services/
 *   runtime  $KURTOSIS_RUNTIME_DIR, /run/kurtosis as root, else $XDG_RUNTIME_DIR/kurtosis
 *     enclaves/<uuid>/   what does not: sup.sock, netns, fifos, overlay upper directories
 *     engine.sock, engine.pid, engine.log
 */
#ifndef KT_BACKEND_NATIVE_PATHS_H
#define KT_BACKEND_NATIVE_PATHS_H

#include "base/err.h"

typedef struct kt_paths {
	char *root;
	char *runtime;
} kt_paths;

#define KT_PATHS_INIT {NULL, NULL}
#define KT_AUTO_PATHS KT_CLEANUP(kt_paths_deinit)

/* From the environment; creates both directories (0755 and 0711). PERMISSION says which. */
int kt_paths_init(kt_paths *ret, kt_err *err);
void kt_paths_deinit(kt_paths *self);

/* "<root>/NAME" and "<runtime>/NAME"; printf-like. The caller frees; NULL when memory is short. */
KT_MUST_USE char *kt_paths_root(const kt_paths *self, const char *fmt, ...) KT_PRINTF(2, 3);
KT_MUST_USE char *kt_paths_runtime(const kt_paths *self, const char *fmt, ...) KT_PRINTF(2, 3);

/*
 * A program of this package: beside the running executable, then in ../libexec/kurtosis.
 * The caller frees. MISSING_PROGRAM names both places.
 */
KT_MUST_USE char *kt_paths_program(const char *name, kt_err *err);

#endif
