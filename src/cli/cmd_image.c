/* kurtosis image …: the work is done by a role of kurtosisd. */
#include "base/alloc.h"
#include "base/buf.h"
#include "cli/client.h"
#include "cli/helper.h"
#include "cli/progress.h"
#include "cli/run_functions.h"
#include "cli/ui.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void human_size(const char *bytes, char out[16])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
	double value = strtod(bytes, NULL);
	size_t unit = 0;
	while (value >= 1000 && unit + 1 < KT_ARRAY_LEN(units)) {
		value /= 1000;
		unit++;
	}
	snprintf(out, 16, value < 10 && unit > 0 ? "%.1f%s" : "%.0f%s", value, units[unit]);
}

/* "NAME\tID\tSIZE\tCREATED" to a row. */
static int add_image_row(void *arg, char *line)
{
	kt_table *table = arg;
	char size[16];
	KT_AUTO_STRVEC kt_strvec cells = KT_STRVEC_INIT;
	if (kt_strvec_split(&cells, line, '\t') < 0) {
		return -1;
	}
	if (cells.len < 4) {
		return 0;
	}
	const char *id = cells.items[1];
	const char *colon = strchr(id, ':');
	char shortened[13];
	snprintf(shortened, sizeof(shortened), "%.12s", colon != NULL ? colon + 1 : id);
	human_size(cells.items[2], size);
	kt_table_cell(table, cells.items[0]);
	kt_table_cell(table, shortened);
	kt_table_cell(table, size);
	kt_table_cell(table, cells.items[3]);
	return 0;
}

int kt_cmd_image_ls(kt_cli *cli, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec words = KT_STRVEC_INIT;
	KT_AUTO_TABLE kt_table table = {.columns = 4, .header = true};
	static const char *const head[] = {"Image", "ID", "Size", "Created"};
	for (size_t i = 0; i < KT_ARRAY_LEN(head); i++) {
		kt_table_cell(&table, head[i]);
	}
	if (kt_strvec_add(&words, "ls") < 0) {
		return kt_err_nomem(err);
	}
	return kt_helper_lines("image", &words, add_image_row, &table, err) < 0
		       ? -1
		       : kt_table_print(&table, cli, err);
}

static int show_pull(void *arg, char *line)
{
	kt_progress *progress = arg;
	unsigned long long done;
	unsigned long long total;
	int at = 0;
	if (progress == NULL || sscanf(line, "progress %llu %llu %n", &done, &total, &at) < 2 || at == 0) {
		return 0;
	}
	char *text = line + at;
	uint32_t percent = total > 0 ? (uint32_t)(done * 100 / total) : 0;
	kt_progress_set(progress, &text, 1, percent, 100);
	return 0;
}

int kt_cmd_image_pull(kt_cli *cli, kt_err *err)
{
	const char *image = kt_cli_arg(cli, "image");
	KT_AUTO_STRVEC kt_strvec words = KT_STRVEC_INIT;
	if (kt_strvec_add(&words, "pull") < 0 || kt_strvec_add(&words, image) < 0) {
		return kt_err_nomem(err);
	}
	KT_CLI_LOG(cli, "Pulling image '%s'...", image);
	kt_progress *progress = cli->interactive ? kt_progress_new(NULL) : NULL;
	int rc = kt_helper_lines("image", &words, show_pull, progress, err);
	kt_progress_free(progress);
	if (rc < 0) {
		return KT_WRAP(err, "An error occurred pulling image '%s'", image);
	}
	KT_CLI_LOG(cli, "Image '%s' is available", image);
	return 0;
}

static int print_name(void *arg, char *line)
{
	kt_out(arg, "%s\n", line);
	return 0;
}

int kt_cmd_image_load(kt_cli *cli, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec words = KT_STRVEC_INIT;
	const char *path = kt_cli_arg(cli, "path");
	const char *name = kt_cli_arg(cli, "name");
	int rc = kt_strvec_add(&words, "load") | kt_strvec_add(&words, path);
	rc |= *name != '\0' ? kt_strvec_add(&words, name) : 0;
	if (rc != 0) {
		return kt_err_nomem(err);
	}
	return kt_helper_lines("image", &words, print_name, cli, err) < 0
		       ? KT_WRAP(err, "An error occurred loading images from '%s'", path)
		       : 0;
}

int kt_cmd_image_rm(kt_cli *cli, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec words = KT_STRVEC_INIT;
	const char *const *names;
	size_t count = kt_cli_rest(cli, &names);
	int rc = kt_strvec_add(&words, "rm");
	rc |= kt_cli_bool(cli, "force") ? kt_strvec_add(&words, "-f") : 0;
	for (size_t i = 0; i < count; i++) {
		rc |= kt_strvec_add(&words, names[i]);
	}
	if (rc != 0) {
		return kt_err_nomem(err);
	}
	return kt_helper_lines("image", &words, print_name, cli, err) < 0
		       ? KT_WRAP(err, "An error occurred removing images")
		       : 0;
}
