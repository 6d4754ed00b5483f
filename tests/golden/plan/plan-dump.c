/*
 * Interprets a script or a package and prints the plan, or the error, as text for the golden
 * tests.
 *
 *   plan-dump [OPTION=VALUE…] FILE.star|DIRECTORY [ARGS-JSON]
 *
 * Options: function=NAME, cluster=TYPE, privileged=1, service=NAME:PORT,PORT (exists in the
 * enclave), artifact=NAME (the same), cpu=MILLIS and memory=MB (free on the host), env=JSON,
 * cache=DIR (package cache; without one nothing is fetched), yaml=1 (plan YAML instead of the
 * records), obeyed=1 (the edges that execution keeps), compose=1 (the script that the compose
 * file of the directory becomes).
 * Ids of runtime values are numbered in order of appearance, made-up names are masked.
 */
#include "plan/graph.h"
#include "plan/plan.h"
#include "plan/plan_yaml.h"
#include "package/compose.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
	kt_plan_facts facts;
	KT_VEC(kt_fact_service) services;
	kt_strvec artifacts;
	KT_VEC(kt_strvec) ports;
	const char *function;
	const char *path;
	const char *args;
	const char *cache;
	bool yaml, obeyed, compose;
} options;

static void add_service(options *o, char *spec)
{
	char *ports = strchr(spec, ':');
	kt_strvec ids = KT_STRVEC_INIT;
	if (ports != NULL) {
		*ports = '\0';
		if (kt_strvec_split(&ids, ports + 1, ',') < 0) {
			abort();
		}
	}
	kt_fact_service service = {.name = spec,
				   .exists = true,
				   .port_ids = (const char *const *)ids.items,
				   .n_port_ids = ids.len};
	if (kt_vec_push(&o->services, service) < 0 || kt_vec_push(&o->ports, ids) < 0) {
		abort();
	}
}

static bool read_option(options *o, char *arg)
{
	char *value = strchr(arg, '=');
	if (value == NULL || arg[0] == '{') {
		return false;
	}
	*value++ = '\0';
	if (kt_str_eq(arg, "function")) {
		o->function = value;
	} else if (kt_str_eq(arg, "cluster")) {
		o->facts.cluster_type = value;
	} else if (kt_str_eq(arg, "privileged")) {
		o->facts.privileged_allowed = true;
	} else if (kt_str_eq(arg, "service")) {
		add_service(o, value);
	} else if (kt_str_eq(arg, "artifact")) {
		if (kt_strvec_add(&o->artifacts, value) < 0) {
			abort();
		}
	} else if (kt_str_eq(arg, "cpu")) {
		o->facts.resources_known = true;
		o->facts.free_cpu_millis = strtoull(value, NULL, 10);
	} else if (kt_str_eq(arg, "memory")) {
		o->facts.resources_known = true;
		o->facts.free_memory_mb = strtoull(value, NULL, 10);
	} else if (kt_str_eq(arg, "cache")) {
		o->cache = value;
	} else if (kt_str_eq(arg, "yaml")) {
		o->yaml = true;
	} else if (kt_str_eq(arg, "compose")) {
		o->compose = true;
	} else if (kt_str_eq(arg, "obeyed")) {
		o->obeyed = true;
	} else if (kt_str_eq(arg, "env")) {
		o->facts.env_vars_json = value;
	} else {
		fprintf(stderr, "plan-dump: unknown option %s\n", arg);
		exit(2);
	}
	return true;
}

/* --- masks ------------------------------------------------------------------------------- */

static kt_strvec seen_ids;

static size_t id_number(const char *id)
{
	KT_AUTO_FREE char *text = kt_strndup(id, KT_UUID_LEN);
	for (size_t i = 0; i < seen_ids.len; i++) {
		if (kt_str_eq(seen_ids.items[i], text)) {
			return i + 1;
		}
	}
	if (kt_strvec_add(&seen_ids, text) < 0) {
		abort();
	}
	return seen_ids.len;
}

static bool is_id(const char *text)
{
	for (int i = 0; i < KT_UUID_LEN; i++) {
		if (!isxdigit((unsigned char)text[i])) {
			return false;
		}
	}
	return true;
}

/* Prints text with every id of a placeholder as its number, and task-UUID as task-ID. */
static void print_masked(const char *text)
{
	for (const char *p = text; *p != '\0';) {
		if (kt_str_starts(p, "{{kurtosis:") && is_id(p + 11)) {
			printf("{{kurtosis:ID%zu", id_number(p + 11));
			p += 11 + KT_UUID_LEN;
		} else if (kt_str_starts(p, "task-") && strlen(p) >= 41 && p[13] == '-') {
			printf("task-ID");
			p += 41;
		} else {
			putchar(*p++);
		}
	}
}

static void line(const char *label, const char *text)
{
	printf("%s: ", label);
	print_masked(text);
	putchar('\n');
}

/* --- the plan ------------------------------------------------------------------------------ */

static void print_resources(const char *label, const kt_plan_resources *list)
{
	static const char *const kinds[] = {"service", "artifact", "value", "port"};
	for (size_t i = 0; i < list->len; i++) {
		printf("    %s %s ", label, kinds[list->items[i].kind]);
		print_masked(list->items[i].name);
		putchar('\n');
	}
}

static void print_instr(const kt_instr *rec)
{
	printf("%zu. [%s:%u:%u]\n", rec->number, rec->pos.file, rec->pos.line, rec->pos.col);
	line("    text", rec->text);
	line("    description", rec->description);
	line("    short", rec->short_text);
	line("    returned", rec->returned);
	printf("    brief: > %s", kt_instr_name(rec->kind));
	for (size_t i = 0; i < rec->n_args; i++) {
		if (rec->args[i].value != NULL && rec->args[i].representative) {
			printf(" %s=", rec->args[i].name);
			print_masked(rec->args[i].value);
		}
	}
	putchar('\n');
	print_resources("reads", &rec->reads);
	print_resources("writes", &rec->writes);
}

static int print_problems(const kt_plan *plan, const kt_plan_facts *facts)
{
	KT_AUTO_STRVEC kt_strvec problems = KT_STRVEC_INIT;
	if (kt_plan_validate(plan, facts, &problems, NULL) < 0) {
		abort();
	}
	for (size_t i = 0; i < problems.len; i++) {
		line("invalid", problems.items[i]);
	}
	return problems.len > 0 ? 1 : 0;
}

/* Instructions' ids become INSTR-NUMBER. */
static int print_yaml(const kt_plan *plan)
{
	KT_AUTO_BUF kt_buf yaml = KT_BUF_INIT;
	if (kt_plan_yaml(plan, NULL, &yaml, NULL) < 0) {
		abort();
	}
	KT_AUTO_FREE char *text = kt_strdup(kt_buf_str(&yaml));
	for (size_t i = 0; i < plan->n_instrs; i++) {
		KT_AUTO_FREE char *number = kt_asprintf("INSTR-%zu", plan->instrs[i]->number);
		char *next = kt_str_replace(text, plan->instrs[i]->uuid.text, number);
		kt_free(text);
		text = next;
	}
	print_masked(text);
	return 0;
}

static int print_obeyed(const kt_plan *plan)
{
	KT_AUTO_PLAN_GRAPH kt_plan_graph graph = {0};
	if (kt_plan_graph_make(plan, KT_PLAN_EDGES_OBEYED, &graph, NULL) < 0) {
		abort();
	}
	for (size_t i = 0; i < graph.n; i++) {
		printf("%zu. %s waits for", i + 1, plan->instrs[i]->short_text);
		for (size_t k = 0; k < graph.deps[i].len; k++) {
			printf(" %zu", graph.deps[i].items[k] + 1);
		}
		putchar('\n');
	}
	return 0;
}

static int print_plan(const kt_plan *plan, const kt_plan_facts *facts)
{
	printf("package %s\n", plan->package_id);
	for (size_t i = 0; i < plan->n_instrs; i++) {
		print_instr(plan->instrs[i]);
	}
	for (size_t i = 0; i < plan->n_images; i++) {
		line("image", plan->images[i].image->name);
	}
	for (size_t i = 0; i < plan->n_services; i++) {
		printf("service %s", plan->services[i].name);
		line(" value", kt_str_or(plan->services[i].value, "(none)"));
	}
	for (size_t i = 0; i < plan->n_dependencies; i++) {
		line("dependency", plan->dependencies[i]);
	}
	if (plan->output[0] != '\0') {
		line("output", plan->output);
	}
	return print_problems(plan, facts);
}

/* --- main ------------------------------------------------------------------------------------ */

static int interpret(options *o)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_BUF kt_buf script = KT_BUF_INIT;
	kt_plan_request request = {
		.main_function = o->function, .args_json = o->args, .facts = &o->facts};
	kt_content_spec spec = {.cache_dir = o->cache, .fetch_url = kt_content_fetch_http};
	if (kt_fs_is_dir(o->path)) {
		spec.root_dir = o->path;
	} else if (kt_fs_read(o->path, 1 << 20, &script, &err) == 0) {
		request.script = kt_buf_str(&script);
		request.script_len = script.len;
	}
	request.content = kt_content_open(&spec, &err);
	kt_plan *plan = kt_plan_new(NULL);
	if (plan == NULL) {
		abort();
	}
	int rc = request.content == NULL ? -1 : kt_plan_interpret(plan, &request, &err);
	if (rc < 0) {
		KT_AUTO_FREE char *text = kt_err_text(&err);
		line("error", text);
	} else {
		rc = o->yaml	 ? print_yaml(plan)
		     : o->obeyed ? print_obeyed(plan)
				 : print_plan(plan, &o->facts);
	}
	for (size_t i = 0; i < plan->n_warnings; i++) {
		line("warning", plan->warnings[i]);
	}
	kt_plan_free(plan);
	kt_content_close(request.content);
	return rc == 0 ? 0 : 1;
}

static int print_compose(const char *dir)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_BUF kt_buf script = KT_BUF_INIT;
	const char *name = kt_compose_find(dir);
	KT_AUTO_FREE char *path = name == NULL ? NULL : kt_path_join(dir, name);
	if (path != NULL && kt_compose_to_package(path, dir, &script, &err) == 0) {
		fputs(kt_buf_str(&script), stdout);
		return 0;
	}
	KT_AUTO_FREE char *text = kt_err_text(&err);
	line("error", kt_str_or(text, "there is no compose file"));
	return 1;
}

int main(int argc, char **argv)
{
	options o = {0};
	int i = 1;
	while (i < argc && read_option(&o, argv[i])) {
		i++;
	}
	if (i >= argc) {
		fprintf(stderr, "usage: plan-dump [OPTION=VALUE...] FILE.star|DIRECTORY [ARGS]\n");
		return 2;
	}
	o.path = argv[i];
	o.args = i + 1 < argc ? argv[i + 1] : NULL;
	o.facts.services = o.services.items;
	o.facts.n_services = o.services.len;
	o.facts.artifacts = (const char *const *)o.artifacts.items;
	o.facts.n_artifacts = o.artifacts.len;
	int rc = o.compose ? print_compose(o.path) : interpret(&o);
	for (size_t k = 0; k < o.ports.len; k++) {
		kt_strvec_deinit(&o.ports.items[k]);
	}
	kt_vec_deinit(&o.ports);
	kt_vec_deinit(&o.services);
	kt_strvec_deinit(&o.artifacts);
	kt_strvec_deinit(&seen_ids);
	return rc;
}
