/* Help texts in cobra's layout, from the rows. */
#include "cli/command.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "cli/ui.h"

#include <stdlib.h>
#include <string.h>

#define NAME_WIDTH_MIN 11

static const kt_flag help_flag = {"help", 'h', KT_FLAG_BOOL, "false", NULL};

static const char *type_word(const kt_flag *flag)
{
	switch (flag->type) {
	case KT_FLAG_STRING:
		return "string";
	case KT_FLAG_UINT32:
		return "uint32";
	case KT_FLAG_UINT8:
		return "uint8";
	case KT_FLAG_BOOL:
		break;
	}
	return "";
}

/* "  -n, --name word" */
static void flag_head(const kt_flag *flag, kt_buf *out)
{
	kt_buf_adds(out, "  ");
	if (flag->letter != 0) {
		kt_buf_addf(out, "-%c, ", flag->letter);
	} else {
		kt_buf_adds(out, "    ");
	}
	kt_buf_addf(out, "--%s", flag->name);
	const char *open = flag->usage != NULL ? strchr(flag->usage, '`') : NULL;
	const char *close = open != NULL ? strchr(open + 1, '`') : NULL;
	if (close != NULL) {
		kt_buf_addf(out, " %.*s", (int)(close - open - 1), open + 1);
	} else if (*type_word(flag) != '\0') {
		kt_buf_addf(out, " %s", type_word(flag));
	}
}

static void flag_default(const kt_flag *flag, kt_buf *out)
{
	switch (flag->type) {
	case KT_FLAG_STRING:
		if (*flag->fallback != '\0') {
			kt_buf_adds(out, " (default ");
			kt_buf_add_quoted(out, flag->fallback, strlen(flag->fallback));
			kt_buf_addc(out, ')');
		}
		break;
	case KT_FLAG_BOOL:
		kt_buf_adds(out, strcmp(flag->fallback, "true") == 0 ? " (default true)" : "");
		break;
	default:
		if (strcmp(flag->fallback, "0") != 0) {
			kt_buf_addf(out, " (default %s)", flag->fallback);
		}
	}
}

static int by_name(const void *a, const void *b)
{
	const kt_flag *const *x = a;
	const kt_flag *const *y = b;
	return strcmp((*x)->name, (*y)->name);
}

/* Rows of flags, aligned. `leaf` is named in the help flag's own row. */
static void print_flags(kt_cli *cli, const kt_flag **flags, size_t count, const char *leaf)
{
	size_t width = 0;
	qsort(flags, count, sizeof(*flags), by_name);
	for (size_t i = 0; i < count; i++) {
		KT_AUTO_BUF kt_buf head = KT_BUF_INIT;
		flag_head(flags[i], &head);
		width = KT_MAX(width, head.len);
	}
	for (size_t i = 0; i < count; i++) {
		KT_AUTO_BUF kt_buf row = KT_BUF_INIT;
		flag_head(flags[i], &row);
		kt_buf_addf(&row, "%*s", (int)(width - row.len + 3), "");
		if (flags[i] == &help_flag) {
			kt_buf_addf(&row, "help for %s", leaf);
		}
		for (const char *p = flags[i]->usage; p != NULL && *p != '\0'; p++) {
			if (*p != '`') {
				kt_buf_addc(&row, *p);
			}
		}
		flag_default(flags[i], &row);
		kt_out(cli, "%s\n", kt_buf_str(&row));
	}
}

static int children_by_name(const void *a, const void *b)
{
	const kt_command *const *x = a;
	const kt_command *const *y = b;
	return strcmp((*x)->name, (*y)->name);
}

static void print_children(kt_cli *cli, const kt_command *command)
{
	KT_AUTO_FREE const kt_command **sorted =
		kt_alloc_array(command->child_count, sizeof(*sorted));
	if (sorted == NULL) {
		return;
	}
	size_t width = NAME_WIDTH_MIN;
	for (size_t i = 0; i < command->child_count; i++) {
		sorted[i] = &command->children[i];
		width = KT_MAX(width, strlen(sorted[i]->name));
	}
	qsort(sorted, command->child_count, sizeof(*sorted), children_by_name);
	kt_out(cli, "\nAvailable Commands:\n");
	for (size_t i = 0; i < command->child_count; i++) {
		if (!sorted[i]->hidden) {
			kt_out(cli, "  %-*s %s\n", (int)width, sorted[i]->name, sorted[i]->brief);
		}
	}
}

/* The flags of a command with its help flag; with `global`, the persistent ones. */
static void print_flag_sections(kt_cli *cli, const kt_command *command, bool is_root)
{
	size_t global_count;
	const kt_flag *global = kt_global_flags(&global_count);
	const kt_flag *rows[64];
	size_t count = 0;
	for (size_t i = 0; i < command->flag_count && count < KT_ARRAY_LEN(rows) - 1; i++) {
		rows[count++] = &command->flags[i];
	}
	rows[count++] = &help_flag;
	const kt_flag *rest[8];
	size_t rest_count = 0;
	for (size_t i = 0; i < global_count; i++) {
		if (strcmp(global[i].name, help_flag.name) == 0) {
			continue;
		}
		if (is_root) {
			rows[count++] = &global[i];
		} else {
			rest[rest_count++] = &global[i];
		}
	}
	kt_out(cli, "\nFlags:\n");
	print_flags(cli, rows, count, command->name);
	if (rest_count > 0) {
		kt_out(cli, "\nGlobal Flags:\n");
		print_flags(cli, rest, rest_count, command->name);
	}
}

void kt_cli_help(kt_cli *cli, const kt_command *command, const char *path)
{
	KT_AUTO_BUF kt_buf args = KT_BUF_INIT;
	kt_command_args_text(command, &args);
	kt_out(cli, "%s\n\n", kt_str_or(command->about, command->brief));
	if (command->refusal != NULL) {
		kt_out(cli, "Not supported: %s.\n\n", command->refusal);
	}
	kt_out(cli, "Usage:\n");
	if (command->kind == KT_COMMAND_PLAIN) {
		kt_out(cli, "  %s [flags]\n", path);
	} else if (command->kind != KT_COMMAND_GROUP) {
		kt_out(cli, "  %s [flags] %s\n", path, kt_buf_str(&args));
	}
	if (command->child_count > 0) {
		kt_out(cli, "  %s [command]\n", path);
		print_children(cli, command);
	}
	print_flag_sections(cli, command, command == kt_commands());
	if (command->child_count > 0) {
		kt_out(cli, "\nUse \"%s [command] --help\" for more information about a command.\n",
		       path);
	}
}
