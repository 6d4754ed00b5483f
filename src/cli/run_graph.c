/* The plan YAML lists the instructions with what each depends on; that is the graph. */
#include "cli/run_graph.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/proc.h"
#include "base/str.h"
#include "cli/run_dependencies.h"
#include "cli/ui.h"

#include <string.h>
#include <time.h>

#define DOT_MS 60000

static const char *id_of(const json_t *instruction)
{
	return kt_json_str(instruction, "instructionUuid", "");
}

static bool shown(const json_t *instruction)
{
	return *id_of(instruction) != '\0' &&
	       !kt_json_bool(instruction, "isPrintInstruction", false);
}

/* Whether the list has a shown instruction of that id. */
static bool has(const json_t *list, const char *id)
{
	size_t i;
	json_t *one;
	json_array_foreach(list, i, one)
	{
		if (shown(one) && strcmp(id_of(one), id) == 0) {
			return true;
		}
	}
	return false;
}

/* Calls fn for each edge between instructions that are shown. */
static void each_edge(const json_t *list, void (*fn)(kt_buf *out, const char *from, const char *to),
		      kt_buf *out)
{
	size_t i;
	size_t k;
	json_t *one;
	json_t *from;
	json_array_foreach(list, i, one)
	{
		json_array_foreach(json_object_get(one, "dependencies"), k, from)
		{
			const char *id = json_string_value(from);
			if (shown(one) && id != NULL && has(list, id)) {
				fn(out, id, id_of(one));
			}
		}
	}
}

static void mermaid_edge(kt_buf *out, const char *from, const char *to)
{
	kt_buf_addf(out, "  %s --> %s\n", from, to);
}

static void mermaid(const json_t *list, kt_buf *out)
{
	size_t i;
	json_t *one;
	kt_buf_adds(out, "graph TD\n");
	json_array_foreach(list, i, one)
	{
		if (!shown(one)) {
			continue;
		}
		kt_buf_addf(out, "  %s[\"", id_of(one));
		for (const char *p = kt_json_str(one, "shortDescriptor", ""); *p != '\0'; p++) {
			if (*p == '"') {
				kt_buf_adds(out, "#quot;");
			} else {
				kt_buf_addc(out, *p == '\n' ? ' ' : *p);
			}
		}
		kt_buf_adds(out, "\"]\n");
	}
	kt_buf_adds(out, "\n");
	each_edge(list, mermaid_edge, out);
}

/* Graphviz knows two escapes in quoted text. */
static void dot_text(kt_buf *out, const char *text)
{
	kt_buf_addc(out, '"');
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\') {
			kt_buf_addc(out, '\\');
		}
		kt_buf_addc(out, *p);
	}
	kt_buf_addc(out, '"');
}

static void dot_edge(kt_buf *out, const char *from, const char *to)
{
	kt_buf_adds(out, "  ");
	dot_text(out, from);
	kt_buf_adds(out, " -> ");
	dot_text(out, to);
	kt_buf_adds(out, ";\n");
}

static void dot(const json_t *list, kt_buf *out)
{
	size_t i;
	json_t *one;
	kt_buf_adds(out, "digraph plan {\n  rankdir=TB;\n  node [shape=box, style=rounded];\n");
	json_array_foreach(list, i, one)
	{
		if (shown(one)) {
			kt_buf_adds(out, "  ");
			dot_text(out, id_of(one));
			kt_buf_adds(out, " [label=");
			dot_text(out, kt_json_str(one, "shortDescriptor", ""));
			kt_buf_adds(out, "];\n");
		}
	}
	each_edge(list, dot_edge, out);
	kt_buf_adds(out, "}\n");
}

static int write_mermaid(kt_cli *cli, const json_t *list, const char *base, kt_err *err)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	KT_AUTO_FREE char *path = kt_asprintf("%s.md", base);
	mermaid(list, &text);
	if (path == NULL || kt_buf_check(&text, err) < 0) {
		return kt_err_nomem(err);
	}
	if (kt_fs_write(path, text.data, text.len, 0644, false, err) < 0) {
		return -1;
	}
	KT_CLI_LOG(cli, "Wrote the plan's graph to '%s'", path);
	return 0;
}

static int write_picture(kt_cli *cli, const json_t *list, const char *base, kt_err *err)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	KT_AUTO_FREE char *path = kt_asprintf("%s.png", base);
	KT_AUTO_PROC_RESULT kt_proc_result result = {0};
	dot(list, &text);
	if (path == NULL || kt_buf_check(&text, err) < 0) {
		return kt_err_nomem(err);
	}
	const char *const argv[] = {"dot", "-Tpng", "-o", path, NULL};
	kt_proc_spec spec = {.argv = argv,
			     .input = text.data,
			     .input_len = text.len,
			     .deadline = kt_after_ms(DOT_MS),
			     .cancel = cli->remote->interrupt,
			     .debian_package = "graphviz"};
	if (kt_proc_run(&spec, &result, err) < 0) {
		return KT_WRAP(err, "The picture of the plan's graph cannot be drawn");
	}
	if (result.exit_code != 0) {
		const char *said = kt_buf_str(&result.err);
		return KT_FAIL(err, UNKNOWN, "dot exited with %d: %.*s", result.exit_code,
			       (int)strcspn(said, "\n"), said);
	}
	KT_CLI_LOG(cli, "Wrote the plan's graph to '%s'", path);
	return 0;
}

/* DIR/kurtosis-graph-[ENCLAVE-]YYYYMMDD-hhmmss without an ending. The caller frees. */
static char *base_path(kt_cli *cli, kt_err *err)
{
	char stamp[32];
	struct tm parts;
	time_t now = time(NULL);
	const char *enclave = kt_cli_str(cli, "enclave");
	const char *dir = kt_cli_str(cli, "output-graph-path");
	if (localtime_r(&now, &parts) == NULL ||
	    strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &parts) == 0) {
		KT_FAIL(err, INTERNAL, "the time cannot be told");
		return NULL;
	}
	KT_AUTO_FREE char *name = kt_asprintf("kurtosis-graph-%s%s%s", enclave,
					      *enclave != '\0' ? "-" : "", stamp);
	char *path = name != NULL ? kt_path_join(*dir != '\0' ? dir : ".", name) : NULL;
	if (path == NULL) {
		kt_err_nomem(err);
	}
	return path;
}

int kt_write_graph(kt_cli *cli, const kt_target *target, const char *args, kt_grpc_client *apic,
		   kt_err *err)
{
	bool picture = kt_cli_bool(cli, "output-graph");
	bool text = kt_cli_bool(cli, "with-mermaid");
	if (!picture && !text) {
		return 0;
	}
	KT_AUTO_JSON json_t *plan = kt_ask_plan(cli, target, args, apic, err);
	KT_AUTO_FREE char *base = plan != NULL ? base_path(cli, err) : NULL;
	if (base == NULL) {
		return -1;
	}
	const json_t *list = json_object_get(plan, "instructions");
	KT_AUTO_FREE char *dir = kt_path_dir(base);
	if (dir == NULL) {
		return kt_err_nomem(err);
	}
	if (kt_fs_mkdirs(dir, 0755, err) < 0 || (text && write_mermaid(cli, list, base, err) < 0) ||
	    (picture && write_picture(cli, list, base, err) < 0)) {
		return KT_WRAP(err, "An error occurred writing the plan's graph");
	}
	return 0;
}
