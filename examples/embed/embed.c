/*
 * The language in a program of one's own: a configuration file in Starlark.
 *
 *   embed [FILE]        runs FILE (or a built-in one) and prints what it says
 *
 * The file sees one function of ours, server(name, port = 80), which collects servers, and has
 * to define main(size), which we call.
 */
#include "starlark/starlark.h"

#include "base/fs.h"

#include <stdio.h>
#include <string.h>

static const char example[] = "def main(size):\n"
			      "    for i in range(size):\n"
			      "        server('web-%d' % i, port = 8000 + i)\n"
			      "    return {'size': size, 'kind': 'example'}\n";

/* server(name, port = 80): the row below has checked the arguments already. */
static kt_val server(kt_sthread *t, const kt_args *a)
{
	int *count = a->user;
	int64_t port = 80;
	kt_star_frame caller;

	if (a->v[1] != KT_NULL) {
		kt_int_get(a->v[1], &port);
	}
	if (port < 1 || port > 65535) {
		return kt_star_raise(t, "server: port %lld is not between 1 and 65535",
				     (long long)port);
	}
	kt_sthread_frame(t, 1, &caller); /* 0 is server itself */
	printf("%s listens on %lld (said in line %d)\n", kt_string_get(a->v[0], NULL),
	       (long long)port, caller.pos.line);
	++*count;
	return KT_NONE;
}

static const kt_param server_params[] = {
	{"name", KT_ARG_STRING, false, false},
	{"port", KT_ARG_I64, true, false},
};
static const kt_builtin_row server_row = {"server", KT_ARGS_NAMED, server_params, 2, server};

static kt_val configure(kt_sthread *t, const char *file, const char *src, size_t len, int *count)
{
	kt_val names = kt_dict_new(t, 1);
	kt_val module;
	kt_val size;

	if (names == KT_NULL ||
	    kt_dict_sets(t, names, "server", kt_builtin_new(t, &server_row, count)) < 0) {
		return KT_NULL;
	}
	module = kt_star_exec(t, file, src, len, names);
	if (module == KT_NULL) {
		return KT_NULL;
	}
	if (kt_module_get(module, "main") == KT_NULL) {
		return kt_star_raise(t, "%s has no function main(size)", file);
	}
	size = kt_int_new(t, 2);
	return kt_star_call(t, kt_module_get(module, "main"), &size, 1, NULL, 0);
}

int main(int argc, char **argv)
{
	KT_AUTO_BUF kt_buf src = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	const char *file = argc > 1 ? argv[1] : "example.star";
	kt_star_options options = {.memory_limit = 64u << 20, .step_limit = 1000000};
	kt_star *star = kt_star_new(&options, NULL);
	kt_sthread *t = star == NULL ? NULL : kt_sthread_new(star);
	int count = 0;
	int status = 1;

	kt_buf_adds(&src, argc > 1 ? "" : example);
	if (t == NULL || (argc > 1 && kt_fs_read(file, 1u << 20, &src, NULL) < 0)) {
		fprintf(stderr, "embed: cannot read %s\n", file);
	} else {
		kt_val result = configure(t, file, kt_buf_str(&src), src.len, &count);

		if (result != KT_NULL && kt_val_repr(t, result, &text) == 0) {
			printf("%d servers; main says %s\n", count, kt_buf_str(&text));
			status = 0;
		} else {
			kt_star_error_text(kt_sthread_error(t), &text);
			fputs(kt_buf_str(&text), stderr);
		}
	}
	kt_star_free(star); /* all values and threads go with it */
	return status;
}
