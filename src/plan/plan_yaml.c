/*
 * Plan YAML through libyaml's emitter, which the reference's library is a port of: layout,
 * quoting and folding agree. Here is only the choice between plain, quoted and literal.
 */
#include "plan/plan_yaml.h"
#include "plan/graph.h"
#include "plan/plan_yaml_model.h"

#include "base/alloc.h"
#include "base/str.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

typedef struct writer {
	yaml_emitter_t emitter;
	yaml_model model;
	bool failed;
} writer;

/* --- which strings need quotes -------------------------------------------------------- */

static size_t skip_digits(const char *p)
{
	return strspn(p, "0123456789");
}

static bool is_integer(const char *text)
{
	char plain[80];
	size_t n = 0;
	for (const char *p = text; *p != '\0'; p++) {
		if (*p != '_') {
			if (n + 1 >= sizeof(plain)) {
				return false;
			}
			plain[n++] = *p;
		}
	}
	plain[n] = '\0';
	const char *p = plain + (plain[0] == '+' || plain[0] == '-');
	if (p[0] == '0' && p[1] != '\0') {
		const char *digits = p[1] == 'x' || p[1] == 'X'	  ? "0123456789abcdefABCDEF"
				     : p[1] == 'b' || p[1] == 'B' ? "01"
								  : "01234567";
		p += isalpha((unsigned char)p[1]) ? 2 : 1;
		return *p != '\0' && p[strspn(p, digits)] == '\0' &&
		       (isdigit((unsigned char)p[-1]) || strchr("xXbBoO", p[-1]) != NULL);
	}
	return *p != '\0' && p[skip_digits(p)] == '\0';
}

/* ^[-+]?[0-9]*\.?[0-9]+([eE][-+][0-9]+)?$ and the names of infinity and not-a-number */
static bool is_real(const char *text)
{
	static const char *const names[] = {".inf",  ".Inf",  ".INF",  "+.inf", "+.Inf", "+.INF",
					    "-.inf", "-.Inf", "-.INF", ".nan",	".NaN",	 ".NAN"};
	for (size_t i = 0; i < KT_ARRAY_LEN(names); i++) {
		if (kt_str_eq(text, names[i])) {
			return true;
		}
	}
	const char *p = text + (text[0] == '+' || text[0] == '-');
	size_t whole = skip_digits(p);
	p += whole;
	if (*p == '.') {
		size_t part = skip_digits(p + 1);
		if (part == 0) {
			return false;
		}
		p += 1 + part;
	} else if (whole == 0) {
		return false;
	}
	if (*p == 'e' || *p == 'E') {
		size_t digits = p[1] == '+' || p[1] == '-' ? skip_digits(p + 2) : 0;
		p += digits == 0 ? 0 : 2 + digits;
	}
	return *p == '\0';
}

/* ^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?$ */
static bool is_base60(const char *text)
{
	const char *p = text + (text[0] == '+' || text[0] == '-');
	if (!isdigit((unsigned char)*p)) {
		return false;
	}
	p += strspn(p, "0123456789_");
	if (*p != ':') {
		return false;
	}
	while (*p == ':') {
		size_t digits = skip_digits(p + 1);
		if (digits == 0 || digits > 2 || (digits == 2 && p[1] > '5')) {
			return false;
		}
		p += 1 + digits;
	}
	if (*p == '.') {
		p += 1 + strspn(p + 1, "0123456789_");
	}
	return *p == '\0';
}

/* A date, alone or followed by a time. */
static bool is_timestamp(const char *text)
{
	size_t year = skip_digits(text);
	if (year != 4 || text[4] != '-') {
		return false;
	}
	size_t month = skip_digits(text + 5);
	const char *p = text + 5 + month;
	if (month < 1 || month > 2 || *p != '-') {
		return false;
	}
	size_t day = skip_digits(p + 1);
	p += 1 + day;
	if (day < 1 || day > 2) {
		return false;
	}
	if (*p == '\0') {
		return true;
	}
	return (*p == 'T' || *p == 't' || *p == ' ') && isdigit((unsigned char)p[1]) &&
	       strchr(p, ':') != NULL && strspn(p + 1, "0123456789:.+-Zz ") == strlen(p + 1);
}

static bool is_word(const char *text)
{
	static const char *const words[] = {
		"",	"~",	 "y",	 "Y",	 "yes", "Yes", "YES", "n",    "N",    "no",
		"No",	"NO",	 "true", "True", "TRUE", "false", "False", "FALSE", "on", "On",
		"ON",	"off",	 "Off",	 "OFF",	 "null", "Null", "NULL", "<<",
	};
	for (size_t i = 0; i < KT_ARRAY_LEN(words); i++) {
		if (kt_str_eq(text, words[i])) {
			return true;
		}
	}
	return false;
}

static yaml_scalar_style_t style_of(const char *text)
{
	if (is_word(text) || is_integer(text) || is_real(text) || is_base60(text) ||
	    is_timestamp(text)) {
		return YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	}
	return strchr(text, '\n') != NULL ? YAML_LITERAL_SCALAR_STYLE : YAML_PLAIN_SCALAR_STYLE;
}

/* --- events ------------------------------------------------------------------------------ */

static void emit(writer *w, yaml_event_t *event, int made)
{
	if (w->failed && made) {
		yaml_event_delete(event);
		return;
	}
	/* The emitter frees the event, also when it fails. */
	w->failed = w->failed || !made || !yaml_emitter_emit(&w->emitter, event);
}

static void scalar(writer *w, const char *text, yaml_scalar_style_t style)
{
	yaml_event_t event;
	int made = yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
						(int)strlen(text), 1, 1, style);
	emit(w, &event, made);
}

static void text(writer *w, const char *value)
{
	scalar(w, value, style_of(value));
}

static void key(writer *w, const char *name)
{
	scalar(w, name, YAML_PLAIN_SCALAR_STYLE);
}

static void begin_map(writer *w)
{
	yaml_event_t event;
	emit(w, &event,
	     yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE));
}

static void end_map(writer *w)
{
	yaml_event_t event;
	emit(w, &event, yaml_mapping_end_event_initialize(&event));
}

static void begin_list(writer *w)
{
	yaml_event_t event;
	emit(w, &event,
	     yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
						  YAML_BLOCK_SEQUENCE_STYLE));
}

static void end_list(writer *w)
{
	yaml_event_t event;
	emit(w, &event, yaml_sequence_end_event_initialize(&event));
}

/* KEY: VALUE, left out when the value is empty. */
static void field(writer *w, const char *name, const char *value)
{
	if (!kt_str_empty(value)) {
		key(w, name);
		text(w, value);
	}
}

static void number_field(writer *w, const char *name, int64_t value)
{
	char digits[32];
	snprintf(digits, sizeof(digits), "%lld", (long long)value);
	key(w, name);
	scalar(w, digits, YAML_PLAIN_SCALAR_STYLE);
}

static void id_field(writer *w, const char *name, unsigned id)
{
	char digits[16];
	snprintf(digits, sizeof(digits), "%u", id);
	field(w, name, digits);
}

/* A string with its placeholders swapped. */
static void shown_text(writer *w, const char *value)
{
	KT_AUTO_BUF kt_buf shown = KT_BUF_INIT;
	yaml_model_add_text(&w->model, value, &shown);
	text(w, kt_buf_str(&shown));
	w->failed = w->failed || shown.failed;
}

static void text_list(writer *w, const char *name, const char *const *items, size_t n, bool swap)
{
	if (n == 0) {
		return;
	}
	key(w, name);
	begin_list(w);
	for (size_t i = 0; i < n; i++) {
		if (swap) {
			shown_text(w, items[i]);
		} else {
			text(w, items[i]);
		}
	}
	end_list(w);
}

/* --- parts of services and tasks -------------------------------------------------------- */

static void env_item(writer *w, const kt_plan_pair *pair)
{
	begin_map(w);
	field(w, "key", pair->key);
	if (pair->value[0] != '\0') {
		key(w, "value");
		shown_text(w, pair->value);
	}
	end_map(w);
}

/* Services show their variables sorted by key, tasks in the script's order. */
static void env_list(writer *w, const char *name, const kt_plan_pairs *pairs, bool sorted)
{
	if (pairs->len == 0) {
		return;
	}
	KT_AUTO_STRVEC kt_strvec keys = KT_STRVEC_INIT;
	for (size_t i = 0; i < pairs->len; i++) {
		w->failed = w->failed || kt_strvec_add(&keys, pairs->items[i].key) < 0;
	}
	if (sorted) {
		kt_strvec_sort(&keys);
	}
	key(w, name);
	begin_list(w);
	for (size_t i = 0; i < keys.len; i++) {
		for (size_t k = 0; k < pairs->len; k++) {
			if (kt_str_eq(pairs->items[k].key, keys.items[i])) {
				env_item(w, &pairs->items[k]);
			}
		}
	}
	end_list(w);
}

static void artifact_ref(writer *w, const char *name)
{
	begin_map(w);
	id_field(w, "uuid", yaml_model_artifact(&w->model, name));
	field(w, "name", name);
	end_map(w);
}

static void mount_list(writer *w, const kt_plan_mounts *mounts)
{
	bool any = false;
	for (size_t i = 0; i < mounts->len; i++) {
		const kt_plan_mount *mount = &mounts->items[i];
		if (mount->artifacts.len == 0) {
			continue;
		}
		if (!any) {
			key(w, "files");
			begin_list(w);
			any = true;
		}
		begin_map(w);
		field(w, "mountPath", mount->path);
		key(w, "filesArtifacts");
		begin_list(w);
		for (size_t k = 0; k < mount->artifacts.len; k++) {
			artifact_ref(w, mount->artifacts.items[k]);
		}
		end_list(w);
		end_map(w);
	}
	if (any) {
		end_list(w);
	}
}

static void port_list(writer *w, const kt_plan_ports *ports)
{
	if (ports->len == 0) {
		return;
	}
	key(w, "ports");
	begin_list(w);
	for (size_t i = 0; i < ports->len; i++) {
		const kt_plan_port *port = &ports->items[i];
		begin_map(w);
		field(w, "name", port->id);
		number_field(w, "number", port->number);
		field(w, "transportProtocol", kt_plan_transport_name(port->transport));
		field(w, "applicationProtocol", port->app_protocol);
		end_map(w);
	}
	end_list(w);
}

static void image_map(writer *w, const kt_plan_image *image, bool plain)
{
	key(w, "image");
	begin_map(w);
	field(w, "name", image->name);
	if (!plain) {
		field(w, "buildContextLocator", image->context_locator);
		field(w, "targetStage", image->target_stage);
		field(w, "registry", image->registry);
	}
	end_map(w);
}

/* --- the lists of the document ------------------------------------------------------------- */

static void service_item(writer *w, const yaml_service *service)
{
	const kt_plan_config *config = &service->args->config;
	begin_map(w);
	id_field(w, "uuid", service->id);
	key(w, "name");
	shown_text(w, service->args->name);
	image_map(w, &config->image, service->plain_image);
	text_list(w, "command", config->cmd.items, config->cmd.len, true);
	text_list(w, "entrypoint", config->entrypoint.items, config->entrypoint.len, true);
	env_list(w, "envVars", &config->env_vars, true);
	port_list(w, &config->ports);
	mount_list(w, &config->files);
	end_map(w);
}

static void artifact_item(writer *w, const yaml_artifact *artifact)
{
	begin_map(w);
	id_field(w, "uuid", artifact->id);
	field(w, "name", artifact->name);
	text_list(w, "files", (const char *const *)artifact->files.items, artifact->files.len, false);
	end_map(w);
}

static void exec_fields(writer *w, const kt_args_recipe *args)
{
	text_list(w, "command", args->recipe.command.items, args->recipe.command.len, true);
	field(w, "serviceName", args->service_name);
	if (args->acceptable_codes.len == 0) {
		return;
	}
	key(w, "acceptableCodes");
	begin_list(w);
	for (size_t i = 0; i < args->acceptable_codes.len; i++) {
		char digits[32];
		snprintf(digits, sizeof(digits), "%lld", (long long)args->acceptable_codes.items[i]);
		scalar(w, digits, YAML_PLAIN_SCALAR_STYLE);
	}
	end_list(w);
}

static void python_packages(writer *w, const kt_args_task *args)
{
	key(w, "pythonPackages");
	begin_list(w);
	text(w, "bash");
	for (size_t i = 0; i < args->packages.len; i++) {
		text(w, args->packages.items[i]);
	}
	end_list(w);
}

static void run_fields(writer *w, const kt_args_task *args, bool python)
{
	text_list(w, "command", &args->run, 1, true);
	field(w, "image", args->image.name);
	mount_list(w, &args->files);
	if (args->n_store > 0) {
		key(w, "store");
		begin_list(w);
		for (size_t i = 0; i < args->n_store; i++) {
			artifact_ref(w, args->store[i].artifact);
		}
		end_list(w);
	}
	env_list(w, "envVar", &args->env_vars, false);
	if (python) {
		python_packages(w, args);
		text_list(w, "pythonArgs", args->args.items, args->args.len, false);
	}
}

static void task_item(writer *w, const yaml_task *task)
{
	static const char *const types[] = {"exec", "sh", "python"};
	begin_map(w);
	id_field(w, "uuid", task->id);
	field(w, "name", task->rec->description);
	field(w, "taskType", types[task->type]);
	if (task->type == YAML_TASK_EXEC) {
		exec_fields(w, &task->rec->u.exec);
	} else {
		bool python = task->type == YAML_TASK_PYTHON;
		run_fields(w, python ? &task->rec->u.run_python : &task->rec->u.run_sh, python);
	}
	end_map(w);
}

static void instruction_item(writer *w, const kt_plan *plan, size_t at, const kt_plan_deps *deps)
{
	const kt_instr *rec = plan->instrs[at];
	yaml_event_t event;
	begin_map(w);
	field(w, "instructionUuid", rec->uuid.text);
	field(w, "shortDescriptor", rec->short_text);
	key(w, "dependencies");
	emit(w, &event,
	     yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
						  deps->len == 0 ? YAML_FLOW_SEQUENCE_STYLE
								 : YAML_BLOCK_SEQUENCE_STYLE));
	for (size_t i = 0; i < deps->len; i++) {
		text(w, plan->instrs[deps->items[i]]->uuid.text);
	}
	end_list(w);
	key(w, "isPrintInstruction");
	scalar(w, rec->kind == KT_INSTR_PRINT ? "true" : "false", YAML_PLAIN_SCALAR_STYLE);
	end_map(w);
}

static void model_lists(writer *w)
{
	yaml_model *model = &w->model;
	if (model->services.len > 0) {
		key(w, "services");
		begin_list(w);
		for (size_t i = 0; i < model->services.len; i++) {
			service_item(w, &model->services.items[i]);
		}
		end_list(w);
	}
	if (model->artifacts.len > 0) {
		key(w, "filesArtifacts");
		begin_list(w);
		for (size_t i = 0; i < model->artifacts.len; i++) {
			artifact_item(w, model->artifacts.items[i]);
		}
		end_list(w);
	}
	if (model->tasks.len > 0) {
		key(w, "tasks");
		begin_list(w);
		for (size_t i = 0; i < model->tasks.len; i++) {
			task_item(w, &model->tasks.items[i]);
		}
		end_list(w);
	}
	text_list(w, "images", (const char *const *)model->images.items, model->images.len, false);
}

static void dependency_list(writer *w, const kt_plan *plan)
{
	KT_AUTO_STRVEC kt_strvec names = KT_STRVEC_INIT;
	for (size_t i = 0; i < plan->n_dependencies; i++) {
		w->failed = w->failed || kt_strvec_add(&names, plan->dependencies[i]) < 0;
	}
	kt_strvec_sort(&names);
	text_list(w, "packageDependencies", (const char *const *)names.items, names.len, false);
}

static void document(writer *w, const kt_plan *plan, const char *package_id,
		     const kt_plan_graph *graph)
{
	yaml_event_t event;
	emit(w, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
	emit(w, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
	begin_map(w);
	field(w, "packageId", package_id != NULL ? package_id : plan->package_id);
	model_lists(w);
	dependency_list(w, plan);
	if (plan->n_instrs > 0) {
		key(w, "instructions");
		begin_list(w);
		for (size_t i = 0; i < plan->n_instrs; i++) {
			instruction_item(w, plan, i, &graph->deps[i]);
		}
		end_list(w);
	}
	end_map(w);
	emit(w, &event, yaml_document_end_event_initialize(&event, 1));
	emit(w, &event, yaml_stream_end_event_initialize(&event));
}

static int to_buf(void *data, unsigned char *bytes, size_t len)
{
	kt_buf *out = data;
	kt_buf_add(out, bytes, len);
	return !out->failed;
}

int kt_plan_yaml(const kt_plan *plan, const char *package_id, kt_buf *out, kt_err *err)
{
	KT_AUTO_PLAN_GRAPH kt_plan_graph graph = {0};
	if (kt_plan_graph_make(plan, KT_PLAN_EDGES_PRINTED, &graph, err) < 0) {
		return -1;
	}
	writer w = {0};
	if (!yaml_emitter_initialize(&w.emitter)) {
		return kt_err_nomem(err);
	}
	yaml_emitter_set_output(&w.emitter, to_buf, out);
	yaml_emitter_set_unicode(&w.emitter, 1);
	yaml_emitter_set_width(&w.emitter, 80);
	yaml_model_build(&w.model, plan);
	document(&w, plan, package_id, &graph);
	bool failed = w.failed || w.model.failed || out->failed;
	yaml_emitter_delete(&w.emitter);
	yaml_model_deinit(&w.model);
	return failed ? kt_err_nomem(err) : 0;
}
