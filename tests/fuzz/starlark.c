/* Programs through scanner, parser, resolver, compiler and virtual machine. */
#include "fuzz.h"

#include "starlark/starlark.h"

static void ignore(void *user, kt_sthread *t, const char *text, size_t len)
{
	(void)user;
	(void)t;
	(void)text;
	(void)len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	kt_star_options options = {
		.memory_limit = 32u << 20,
		.step_limit = 20000,
		.print = ignore,
		.allow_set = len % 2 != 0,
		.allow_while = len % 3 != 0,
		.allow_recursion = len % 5 == 0,
		.allow_toplevel_control = len % 2 == 0,
		.allow_global_reassign = len % 2 == 0,
	};
	kt_star *star = kt_star_new(&options, NULL);
	kt_sthread *t = star == NULL ? NULL : kt_sthread_new(star);
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;

	if (t != NULL) {
		kt_val names = kt_dict_new(t, 4);

		if (names != KT_NULL && kt_dict_sets(t, names, "json", kt_json_module(t)) == 0 &&
		    kt_dict_sets(t, names, "time", kt_time_module(t)) == 0 &&
		    kt_dict_sets(t, names, "struct", kt_struct_builtin(t)) == 0) {
			kt_val module = kt_star_exec(t, "f", (const char *)data, len, names);

			if (module == KT_NULL) {
				kt_star_error_text(kt_sthread_error(t), &text);
			} else {
				kt_val_repr(t, kt_module_members(module), &text);
			}
		}
	}
	kt_star_free(star);
	return 0;
}
