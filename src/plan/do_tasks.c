/* run_sh and run_python. */
#include "plan/plan_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"

#include <string.h>

#define TASK_WAIT_NS (180 * KT_NS_PER_S)
#define MAX_SHOWN_COMMAND 80

static const int64_t task_codes[] = {0};

/* "task-" and a UUID in its dashed form. */
static char *task_name(call *c)
{
	kt_uuid id = kt_uuid_random();
	return keepf(c->in, c->t, "task-%.8s-%.4s-%.4s-%.4s-%.12s", id.text, id.text + 8,
		     id.text + 12, id.text + 16, id.text + 20);
}

static int conv_store_item(call *c, kt_val v, kt_plan_store *ret)
{
	conv cv = conv_of(c);
	const ktype *spec = ktype_of(v, KTYPE_STORE_SPEC);
	if (spec == NULL && kt_val_kind(v) != KT_KIND_STRING) {
		KT_AUTO_BUF kt_buf shown = KT_BUF_INIT;
		if (kt_val_repr(c->t, v, &shown) < 0) {
			return -1;
		}
		return kt_star_fail(c->t, "Couldn't convert '%s' to StoreSpec type",
				    kt_buf_str(&shown));
	}
	kt_val src = spec == NULL ? v : ktype_get(spec, "src");
	ret->artifact = call_artifact(c, spec == NULL ? KT_NULL : ktype_get(spec, "name"));
	return ret->artifact == NULL ? -1 : conv_str(&cv, src, "src", NULL, &ret->src);
}

static int conv_store(call *c, kt_args_task *args)
{
	kt_val store = call_arg(c, "store");
	size_t n = 0;
	const kt_val *items = store == KT_NULL ? NULL : kt_seq_items(store, &n);
	n = items == NULL ? 0 : n;
	kt_plan_store *list = KT_ARENA_ARRAY(c->in->arena, kt_plan_store, n + 1);
	if (list == NULL) {
		kt_star_raise_nomem(c->t);
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		if (conv_store_item(c, items[i], &list[i]) < 0) {
			return -1;
		}
	}
	args->store = list;
	args->n_store = n;
	return 0;
}

/* A task mounts artifacts by name only. */
static int conv_task_files(conv *c, kt_val files, kt_plan_mounts *ret)
{
	kt_plan_pairs pairs;
	if (conv_pairs(c, files, "files", &pairs) < 0) {
		return -1;
	}
	kt_plan_mount *mounts = KT_ARENA_ARRAY(c->arena, kt_plan_mount, pairs.len + 1);
	const char **names = KT_ARENA_ARRAY(c->arena, const char *, pairs.len + 1);
	if (mounts == NULL || names == NULL) {
		kt_star_raise_nomem(c->t);
		return -1;
	}
	for (size_t i = 0; i < pairs.len; i++) {
		names[i] = pairs.items[i].value;
		mounts[i].path = pairs.items[i].key;
		mounts[i].artifacts = (kt_plan_strs){&names[i], 1};
	}
	*ret = (kt_plan_mounts){mounts, pairs.len};
	return 0;
}

/* What both kinds of tasks have. */
static int task_args(call *c, const char *default_image, kt_args_task *args)
{
	conv cv = conv_of(c);
	kt_val image = call_arg(c, "image");
	if (conv_str(&cv, call_arg(c, "name"), "name", NULL, &args->name) < 0 ||
	    (args->name == NULL && (args->name = task_name(c)) == NULL) ||
	    conv_str(&cv, call_arg(c, "run"), "run", NULL, &args->run) < 0 ||
	    (args->ref_uuid = new_ref_uuid(c->in, c->t)) == NULL) {
		return -1;
	}
	args->image = (kt_plan_image){.kind = KT_PLAN_IMAGE_NAME, .name = default_image};
	args->skip_code_check = conv_bool(call_arg(c, "skip_code_check"), false);
	return (image != KT_NULL && conv_image(&cv, image, &args->image) < 0) ||
			       conv_task_files(&cv, call_arg(c, "files"), &args->files) < 0 ||
			       conv_store(c, args) < 0 ||
			       conv_duration(&cv, call_arg(c, "wait"), "wait", TASK_WAIT_NS,
					     &args->wait_ns) < 0 ||
			       conv_codes(&cv, call_arg(c, "acceptable_codes"),
					  "acceptable_codes", task_codes, KT_ARRAY_LEN(task_codes),
					  &args->acceptable_codes) < 0 ||
			       conv_pairs(&cv, call_arg(c, "node_selectors"), "node_selectors",
					  &args->node_selectors) < 0 ||
			       conv_tolerations(&cv, call_arg(c, "tolerations"),
						&args->tolerations) < 0
		       ? -1
		       : 0;
}

static kt_val task_result(call *c, const kt_args_task *args)
{
	static const char *const fields[] = {"code", "output", "files_artifacts"};
	kt_val names[KT_ARRAY_LEN(fields)];
	kt_val list = kt_list_new(c->t, NULL, 0);
	for (size_t i = 0; i < KT_ARRAY_LEN(fields); i++) {
		names[i] = kt_string_intern(c->t, fields[i], strlen(fields[i]));
	}
	kt_val values[] = {ref_value(c->t, args->ref_uuid, "code"),
			   ref_value(c->t, args->ref_uuid, "output"), list};
	for (size_t i = 0; list != KT_NULL && i < args->n_store; i++) {
		kt_val name = kt_string_newz(c->t, args->store[i].artifact);
		if (name == KT_NULL || kt_list_append(c->t, list, name) < 0) {
			return KT_NULL;
		}
	}
	if (kt_sthread_error(c->t) != NULL) {
		return KT_NULL;
	}
	return kt_struct_new(c->t, KT_NULL, names, values, KT_ARRAY_LEN(fields));
}

kt_val do_run_sh(call *c)
{
	kt_args_task *args = &c->rec->u.run_sh;
	conv cv = conv_of(c);
	args->privileged = conv_bool(call_arg(c, "privileged"), false);
	args->host_pid_namespace = conv_bool(call_arg(c, "host_pid_namespace"), false);
	if (task_args(c, "badouralix/curl-jq", args) < 0 ||
	    conv_pairs(&cv, call_arg(c, "env_vars"), "env_vars", &args->env_vars) < 0 ||
	    conv_pairs(&cv, call_arg(c, "bind_mounts"), "bind_mounts", &args->bind_mounts) < 0 ||
	    conv_check_privileged(&cv, args->privileged || args->host_pid_namespace ||
						 args->bind_mounts.len > 0) < 0) {
		return KT_NULL;
	}
	c->rec->description = strlen(args->run) < MAX_SHOWN_COMMAND
				      ? keepf(c->in, c->t, "Running sh script: `%s`", args->run)
				      : "Running sh script";
	return task_result(c, args);
}

kt_val do_run_python(call *c)
{
	kt_args_task *args = &c->rec->u.run_python;
	conv cv = conv_of(c);
	if (task_args(c, "python:3.11-alpine", args) < 0 ||
	    conv_strs(&cv, call_arg(c, "args"), "args", &args->args) < 0 ||
	    conv_strs(&cv, call_arg(c, "packages"), "packages", &args->packages) < 0) {
		return KT_NULL;
	}
	c->rec->description = "Running Python script";
	return task_result(c, args);
}

static void touches_task(const kt_args_task *args, touches *out)
{
	for (size_t i = 0; i < args->files.len; i++) {
		touch(&out->reads, KT_PLAN_RES_ARTIFACT, args->files.items[i].artifacts.items[0]);
	}
	touch_refs(&out->reads, args->run);
	for (size_t i = 0; i < args->args.len; i++) {
		touch_refs(&out->reads, args->args.items[i]);
	}
	for (size_t i = 0; i < args->env_vars.len; i++) {
		touch_refs(&out->reads, args->env_vars.items[i].value);
	}
	static const char *const fields[] = {"code", "output"};
	for (size_t i = 0; i < KT_ARRAY_LEN(fields); i++) {
		touch(&out->writes, KT_PLAN_RES_VALUE,
		      kt_arena_printf(out->writes.arena, "{{kurtosis:%s:%s.runtime_value}}",
				      args->ref_uuid, fields[i]));
	}
	for (size_t i = 0; i < args->n_store; i++) {
		touch(&out->writes, KT_PLAN_RES_ARTIFACT, args->store[i].artifact);
	}
}

void touches_run_sh(const kt_instr *rec, touches *out)
{
	touches_task(&rec->u.run_sh, out);
}

void touches_run_python(const kt_instr *rec, touches *out)
{
	touches_task(&rec->u.run_python, out);
}
