/* kurtosis starlark: run a file, standard input, or what is typed. */
#include "base/fs.h"
#include "base/str.h"
#include "cli/line_edit.h"
#include "cli/run_functions.h"
#include "cli/star_profile.h"
#include "cli/ui.h"
#include "starlark/tools.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SOURCE_MAX ((size_t)64 << 20)

#define LOAD_REFUSAL                                                                               \
	"'load(\"path/to/file.star\", var_in_file=\"var_in_file\")' statement is not available in "      \
	"Kurtosis. Please use instead `module = import(\"path/to/file.star\")` and then "             \
	"`module.var_in_file`"

static void tick(void *user, kt_sthread *t)
{
	kt_star_profile_tick(user, t);
}

/* ---- options ----------------------------------------------------------------- */

static int set_option(kt_star_options *options, const char *name, size_t len, kt_err *err)
{
	const struct {
		const char *name;
		bool *flag; /* NULL: known, not built */
	} known[] = {
		{"set", &options->allow_set},
		{"while", &options->allow_while},
		{"recursion", &options->allow_recursion},
		{"toplevelcontrol", &options->allow_toplevel_control},
		{"globalreassign", &options->allow_global_reassign},
		{"loadbindsglobally", NULL},
	};

	for (size_t i = 0; i < KT_ARRAY_LEN(known); i++) {
		if (strlen(known[i].name) != len || memcmp(known[i].name, name, len) != 0) {
			continue;
		}
		if (known[i].flag == NULL) {
			return KT_FAIL(err, UNSUPPORTED, "The option '%s' is not supported yet",
				       known[i].name);
		}
		*known[i].flag = true;
		return 0;
	}
	return KT_FAIL(err, INVALID,
		       "There is no option '%.*s'; there are set, while, recursion, "
		       "toplevelcontrol and globalreassign",
		       (int)len, name);
}

static int read_options(kt_cli *cli, kt_star_options *options, kt_err *err)
{
	const char *dialect = kt_cli_str(cli, "dialect");

	if (strcmp(dialect, "standard") == 0) {
		options->allow_set = true;
	} else if (strcmp(dialect, "kurtosis") == 0) {
		options->load_refusal = LOAD_REFUSAL;
	} else {
		return KT_FAIL(err, INVALID, "There is no dialect '%s'; it is kurtosis or standard",
			       dialect);
	}
	for (const char *p = kt_cli_str(cli, "option"); *p != '\0';) {
		size_t len = strcspn(p, ",");

		if (set_option(options, p, len, err) < 0) {
			return -1;
		}
		p += len + (p[len] == ',' ? 1 : 0);
	}
	return 0;
}

static kt_val library(kt_sthread *t)
{
	kt_val names = kt_dict_new(t, 4);

	if (names == KT_NULL || kt_dict_sets(t, names, "json", kt_json_module(t)) < 0 ||
	    kt_dict_sets(t, names, "time", kt_time_module(t)) < 0 ||
	    kt_dict_sets(t, names, "struct", kt_struct_builtin(t)) < 0) {
		return KT_NULL;
	}
	return names;
}

/* Shows the pending error and clears it. */
static void complain(kt_cli *cli, kt_sthread *t)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;

	kt_star_error_text(kt_sthread_error(t), &text);
	fflush(stdout);
	kt_err_out(cli, "%s", kt_buf_str(&text));
	kt_sthread_clear_error(t);
}

/* ---- the prompt -------------------------------------------------------------- */

/* Is the only thing wrong with the source that it ends too early? */
static bool unfinished(const kt_sthread *t)
{
	const kt_star_error *error = kt_sthread_error(t);

	return error->kind == KT_STAR_SYNTAX &&
	       (strncmp(error->diags[0].msg, "got end of file", 15) == 0 ||
		strcmp(error->diags[0].msg, "unexpected EOF in string") == 0);
}

/* Does the first line open a block, which an empty line ends? */
static bool opens_block(const kt_buf *source)
{
	size_t len = source->len;

	while (len > 0 && strchr(" \t\n", source->data[len - 1]) != NULL) {
		len--;
	}
	return len > 0 && source->data[len - 1] == ':';
}

/* A statement's new names are there for the next one. */
static int keep(kt_sthread *t, kt_val names, kt_val members)
{
	kt_val key;
	kt_val value;

	for (size_t at = 0; kt_dict_next(members, &at, &key, &value);) {
		if (kt_dict_set(t, names, key, value) < 0) {
			return -1;
		}
	}
	return 0;
}

/* Runs one input. False when it is not complete yet. */
static bool run_input(kt_cli *cli, kt_sthread *t, kt_val names, const kt_buf *source)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	kt_val result = kt_star_eval(t, "<stdin>", kt_buf_str(source), source->len, names);

	if (result != KT_NULL) {
		if (result != KT_NONE && kt_val_repr(t, result, &text) == 0) {
			kt_out(cli, "%s\n", kt_buf_str(&text));
		}
	} else if (unfinished(t)) {
		return false;
	} else if (kt_sthread_error(t)->kind == KT_STAR_SYNTAX) {
		result = kt_star_exec_piece(t, "<stdin>", kt_buf_str(source), source->len, names);
		if (result == KT_NULL && unfinished(t)) {
			return false;
		}
		if (result != KT_NULL) {
			(void)keep(t, names, result);
		}
	}
	if (kt_sthread_error(t) != NULL) {
		complain(cli, t);
	}
	return true;
}

static bool only_blanks(const kt_buf *text)
{
	return strspn(kt_buf_str(text), " \t\n") == text->len;
}

/* Reads one input, line by line, and runs it. As kt_line_edit_read. */
static int one_input(kt_cli *cli, kt_line_edit *editor, kt_sthread *t, kt_val names, kt_err *err)
{
	KT_AUTO_BUF kt_buf source = KT_BUF_INIT;
	bool block = false;

	for (const char *prompt = ">>> ";; prompt = "... ") {
		size_t before = source.len;
		int got;

		kt_out_flush();
		got = kt_line_edit_read(editor, prompt, &source, err);
		if (got != 1) {
			if (got == 0 && before > 0 && !run_input(cli, t, names, &source)) {
				complain(cli, t);
			}
			return got;
		}
		bool empty = source.len == before;
		kt_buf_addc(&source, '\n');
		if (source.failed) {
			return kt_err_nomem(err);
		}
		if (only_blanks(&source)) {
			return 1;
		}
		block = block || (before == 0 && opens_block(&source));
		if (block && !empty) {
			continue;
		}
		if (run_input(cli, t, names, &source)) {
			return 1;
		}
		if (block) {
			complain(cli, t);
			return 1;
		}
		kt_sthread_clear_error(t);
	}
}

static int prompt(kt_cli *cli, kt_sthread *t, kt_val names, kt_err *err)
{
	kt_line_edit editor;
	int got;

	kt_line_edit_init(&editor);
	while ((got = one_input(cli, &editor, t, names, err)) > 0) {
	}
	kt_line_edit_deinit(&editor);
	return got;
}

/* ---- files ------------------------------------------------------------------- */

static int read_source(const char *path, kt_buf *ret, kt_err *err)
{
	if (strcmp(path, "-") == 0) {
		return kt_fs_read("/dev/stdin", SOURCE_MAX, ret, err);
	}
	return kt_fs_read(path, SOURCE_MAX, ret, err);
}

/* The tables go to stderr, where the program's own output is not; the stacks into a file. */
static int report(kt_cli *cli, kt_star_profile *profile, const char *path, kt_err *err)
{
	KT_AUTO_BUF kt_buf tables = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf folded = KT_BUF_INIT;

	kt_star_profile_stop(profile);
	if (kt_star_profile_report(profile, &tables, err) < 0 ||
	    kt_star_profile_folded(profile, &folded, err) < 0) {
		return -1;
	}
	kt_err_out(cli, "%s", kt_buf_str(&tables));
	return kt_fs_write(path, kt_buf_str(&folded), folded.len, 0644, false, err);
}

static int run_file(kt_cli *cli, kt_sthread *t, kt_val names, const char *path, kt_err *err)
{
	KT_AUTO_BUF kt_buf source = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf listing = KT_BUF_INIT;
	const char *name = strcmp(path, "-") == 0 ? "<stdin>" : path;

	if (read_source(path, &source, err) < 0) {
		return -1;
	}
	if (kt_cli_bool(cli, "disassemble")) {
		if (kt_star_disassemble(t, name, kt_buf_str(&source), source.len, names,
					&listing) < 0) {
			complain(cli, t);
			return KT_CLI_TOLD;
		}
		kt_out(cli, "%s", kt_buf_str(&listing));
		return 0;
	}
	if (kt_star_exec(t, name, kt_buf_str(&source), source.len, names) == KT_NULL) {
		complain(cli, t);
		return KT_CLI_TOLD;
	}
	return 0;
}

static int run(kt_cli *cli, const kt_star_options *options, const char *path, kt_err *err)
{
	kt_star *star = kt_star_new(options, err);
	kt_sthread *t = star == NULL ? NULL : kt_sthread_new(star);
	kt_val names = t == NULL ? KT_NULL : library(t);
	int result;

	if (names == KT_NULL) {
		kt_star_free(star);
		return kt_err_nomem(err);
	}
	result = *path == '\0' ? prompt(cli, t, names, err) : run_file(cli, t, names, path, err);
	kt_star_free(star);
	return result;
}

int kt_cmd_starlark(kt_cli *cli, kt_err *err)
{
	const char *path = kt_cli_arg(cli, "file");
	const char *folded = kt_cli_str(cli, "profile");
	kt_star_options options = {0};
	kt_star_profile profile;
	int result;

	if (read_options(cli, &options, err) < 0) {
		return -1;
	}
	if (*path == '\0' && (*folded != '\0' || kt_cli_bool(cli, "disassemble"))) {
		return KT_FAIL(err, INVALID, "--profile and --disassemble want a file");
	}
	if (*folded == '\0') {
		return run(cli, &options, path, err);
	}
	kt_star_profile_init(&profile);
	options.profile = tick;
	options.user = &profile;
	result = run(cli, &options, path, err);
	if (result >= 0 && report(cli, &profile, folded, err) < 0) {
		result = -1;
	}
	kt_star_profile_deinit(&profile);
	return result;
}
