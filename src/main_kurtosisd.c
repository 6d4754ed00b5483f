/*
 * kurtosisd: the parts of Kurtosis that run in the background, one program with a role each.
 *
 *   kurtosisd engine …     kurtosisd apic …     kurtosisd exec-tty …     kurtosisd image …
 *
 * This file puts the parts together that may not know each other.
 */
#include "apic/apic.h"
#include "backend/native/native.h"
#include "backend/native/paths.h"
#include "base/alloc.h"
#include "base/str.h"
#include "engine/engine.h"

#include <stdio.h>

static kt_backend *open_backend(const char *name, kt_err *err)
{
	if (kt_str_eq(name, "native")) {
		return kt_native_open(NULL, err);
	}
	KT_FAIL(err, UNSUPPORTED, "the backend '%s' is not supported yet", name);
	return NULL;
}

static int run_role(int argc, char **argv, const kt_paths *paths)
{
	const kt_apic_deps apic = {open_backend, paths->root};
	const kt_engine_deps engine = {
		.open_backend = open_backend,
		.root = paths->root,
		.runtime = paths->runtime,
		.keeper_fd = kt_native_keeper_fd,
		.keeper_revive = kt_native_keeper_revive,
	};
	const char *role = argc > 1 ? argv[1] : "";
	if (kt_str_eq(role, "engine")) {
		return kt_engine_main(argc - 1, argv + 1, &engine);
	}
	if (kt_str_eq(role, "apic")) {
		return kt_apic_main(argc - 1, argv + 1, &apic);
	}
	if (kt_str_eq(role, "exec-tty")) {
		return kt_apic_exec_tty_main(argc - 1, argv + 1, &apic);
	}
	if (kt_str_eq(role, "image")) {
		return kt_engine_image_main(argc - 1, argv + 1, &engine);
	}
	if (kt_str_eq(role, "fetch")) {
		return kt_engine_fetch_main(argc - 1, argv + 1);
	}
	fprintf(stderr, "usage: kurtosisd engine | apic | exec-tty | image …\n"
			"It is started by kurtosis; there is no need to call it.\n");
	return 2;
}

int main(int argc, char **argv)
{
	KT_AUTO_PATHS kt_paths paths = KT_PATHS_INIT;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	if (kt_paths_init(&paths, &err) < 0) {
		KT_AUTO_FREE char *text = kt_err_text(&err);
		fprintf(stderr, "%s\n", kt_str_or(text, "out of memory"));
		return kt_err_exit_status(err.code);
	}
	return run_role(argc, argv, &paths);
}
