/*
 * Runs Starlark files: `starlark-run [-d DIALECT]… FILE…`. Exit status 1 and a message on
 * standard error when one fails. DIALECT: set, while, recursion, toplevel, reassign.
 */
#include "starlark/starlark.h"

#include "base/fs.h"

#include <stdio.h>
#include <string.h>

static int run(kt_star *star, const char *path)
{
	KT_AUTO_BUF kt_buf src = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf msg = KT_BUF_INIT;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_sthread *t = kt_sthread_new(star);
	kt_val names;

	if (t == NULL || kt_fs_read(path, 16u << 20, &src, &err) < 0) {
		fprintf(stderr, "starlark-run: cannot read %s\n", path);
		return 1;
	}
	names = kt_dict_new(t, 4);
	if (names == KT_NULL || kt_dict_sets(t, names, "json", kt_json_module(t)) < 0 ||
	    kt_dict_sets(t, names, "time", kt_time_module(t)) < 0 ||
	    kt_dict_sets(t, names, "struct", kt_struct_builtin(t)) < 0 ||
	    kt_star_exec(t, path, kt_buf_str(&src), src.len, names) == KT_NULL) {
		kt_star_error_text(kt_sthread_error(t), &msg);
		fflush(stdout);
		fputs(kt_buf_str(&msg), stderr);
		return 1;
	}
	return 0;
}

static bool set_option(kt_star_options *options, const char *name)
{
	const struct {
		const char *name;
		bool *flag;
	} flags[] = {
		{"set", &options->allow_set},
		{"while", &options->allow_while},
		{"recursion", &options->allow_recursion},
		{"toplevel", &options->allow_toplevel_control},
		{"reassign", &options->allow_global_reassign},
	};

	for (size_t i = 0; i < KT_ARRAY_LEN(flags); i++) {
		if (strcmp(flags[i].name, name) == 0) {
			*flags[i].flag = true;
			return true;
		}
	}
	fprintf(stderr, "starlark-run: no dialect option is called %s\n", name);
	return false;
}

int main(int argc, char **argv)
{
	kt_star_options options = {0};
	kt_star *star;
	int failed = 0;
	int i = 1;

	for (; i + 1 < argc && strcmp(argv[i], "-d") == 0; i += 2) {
		if (!set_option(&options, argv[i + 1])) {
			return 2;
		}
	}
	star = kt_star_new(&options, NULL);
	if (star == NULL) {
		fputs("starlark-run: out of memory\n", stderr);
		return 2;
	}
	for (; i < argc; i++) {
		failed |= run(star, argv[i]);
	}
	kt_star_free(star);
	return failed;
}
