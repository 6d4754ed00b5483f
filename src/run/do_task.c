/*
 * Executors of run_sh and run_python: a service that idles, one command in it, files out
 * of it, and its removal.
 */
#include "base/alloc.h"
#include "base/str.h"
#include "run/run_internal.h"
#include "run/value.h"

/* Keeps the service alive and shows the command's output in its log. */
static const char *const task_entrypoint[] = {
        "/bin/sh", "-c", "touch /tmp/kurtosis-task.log && tail -F /tmp/kurtosis-task.log"};

/* Where the two instructions differ. */
typedef struct task_kind {
	const char *name;  /* in "error occurred while creating a run_sh task" */
	const char *title; /* in "Run sh returned exit code" */
} task_kind;

static const task_kind run_sh_kind = {"run_sh", "Run sh"};
static const task_kind run_python_kind = {"run_python", "Run python"};

typedef struct task {
	kt_step *step;
	const kt_args_task *args;
	const task_kind *kind;
	kt_plan_config config;
	kt_add_item item;
} task;

static void make_config(task *t)
{
	const kt_args_task *args = t->args;

	t->config = (kt_plan_config){
	        .image = args->image,
	        .has_files = true,
	        .files = args->files,
	        .has_entrypoint = true,
	        .entrypoint = {task_entrypoint, KT_ARRAY_LEN(task_entrypoint)},
	        .has_cmd = true, /* none: the image's own would end up behind the entry point */
	        .env_vars = args->env_vars,
	        .ip_placeholder = "KURTOSIS_IP_ADDR_PLACEHOLDER",
	        .tolerations = args->tolerations,
	        .node_selectors = args->node_selectors,
	        .tini_enabled = true,
	        .privileged = args->privileged,
	        .host_pid_namespace = args->host_pid_namespace,
	        .bind_mounts = args->bind_mounts,
	};
}

/* Runs argv in the task's service. */
static int exec_in(task *t, const char *command, kt_instant deadline, kt_exec_result *ret,
                   kt_err *err)
{
	kt_run_env *env = t->step->run->env;
	const char *argv[] = {"/bin/sh", "-c", command, NULL};
	kt_exec_spec spec = {.argv = argv,
	                     .max_output = KT_EXEC_OUTPUT_MAX,
	                     .deadline = deadline,
	                     .cancel = t->step->cancel};

	return env->backend->ops->exec(env->backend, env->enclave_uuid, t->item.reg.uuid, &spec,
	                               ret, err);
}

static int exec_command(task *t, const char *command, kt_exec_result *ret, kt_err *err)
{
	kt_arena *arena = t->step->arena;
	int64_t wait = t->args->wait_ns;
	KT_AUTO_ERR kt_err failed = KT_ERR_INIT;
	/* The output also goes to the service's log; the exit code comes back through fd 3. */
	const char *wrapped = kt_arena_printf(
	        arena,
	        "{ { { { %s; echo $? >&3; } | tee /tmp/kurtosis-task.log >&4; echo >> "
	        "/tmp/kurtosis-task.log; } 3>&1; } | { read xs; exit $xs; } } 4>&1",
	        command);

	if (wrapped == NULL) {
		return kt_err_nomem(err);
	}
	kt_instant deadline = wait == KT_PLAN_NO_WAIT ? KT_NEVER : kt_now() + wait;
	if (exec_in(t, wrapped, deadline, ret, &failed) < 0) {
		if (failed.code == KT_ERR_TIMEOUT) {
			KT_FAIL(&failed, TIMEOUT, "The exec request timed out after %g seconds",
			        (double)wait / 1e9);
		}
		kt_err_move(err, &failed);
		return KT_WRAP(err, "error occurred while executing one time task command: %s ",
		               wrapped);
	}
	return 0;
}

static int store_result(task *t, const kt_exec_result *result, kt_err *err)
{
	kt_rt_field fields[] = {
	        {"code", kt_pval_int(result->exit_code)},
	        {"output", kt_pval_str_borrow(kt_buf_str(&result->output), result->output.len)},
	};

	return kt_state_put_values(t->step->run->env->state, t->args->ref_uuid, fields,
	                           KT_ARRAY_LEN(fields), err);
}

static int check_code(task *t, const kt_exec_result *result, kt_err *err)
{
	KT_AUTO_BUF kt_buf quoted = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf list = KT_BUF_INIT;

	if (t->args->skip_code_check || kt_code_ok(result->exit_code, &t->args->acceptable_codes)) {
		return 0;
	}
	kt_plan_add_quoted(&quoted, kt_buf_str(&result->output), result->output.len);
	kt_add_codes(&list, &t->args->acceptable_codes);
	return KT_FAIL(err, PRECONDITION,
	               "%s returned exit code '%d' that is not part of the acceptable status codes "
	               "'%s', with output:\n  %s",
	               t->kind->title, result->exit_code, kt_buf_str(&list), kt_buf_str(&quoted));
}

static int copy_files(task *t, kt_err *err)
{
	kt_run_env *env = t->step->run->env;

	for (size_t i = 0; i < t->args->n_store; i++) {
		const kt_plan_store *store = &t->args->store[i];
		if (kt_run_env_store_files(env, &t->item.reg, store->src, store->artifact, true,
		                           t->step->cancel, NULL, err) < 0) {
			KT_WRAP(err, "error occurred while copying file or directory at path: %s",
			        store->src);
			return KT_WRAP(err, "error occurred while copying files from  a task");
		}
	}
	return 0;
}

static int start_task(task *t, kt_err *err)
{
	kt_run_env *env = t->step->run->env;

	make_config(t);
	t->item.name = t->args->name;
	t->item.config = &t->config;
	t->item.task = true;
	if (kt_services_add(env, &t->item, 1, 1, false, t->step->cancel, t->step->arena, err) < 0) {
		return KT_WRAP(err, "error occurred while creating a %s task with image: %s",
		               t->kind->name, t->args->image.name);
	}
	return 0;
}

/* The command's result to values, text and artifacts; then the service goes. */
static int finish_task(task *t, const kt_exec_result *result, kt_err *err)
{
	kt_run_env *env = t->step->run->env;

	if (store_result(t, result, err) < 0 || check_code(t, result, err) < 0 ||
	    copy_files(t, err) < 0) {
		return -1;
	}
	if (!t->step->run->options->non_blocking_tasks &&
	    kt_service_remove(env, &t->item.reg, 0, err) < 0) {
		return KT_WRAP(err, "attempted to remove the temporary task container but failed");
	}
	kt_describe_exec(result->exit_code, kt_buf_str(&result->output), result->output.len,
	                 t->step->out);
	return 0;
}

int kt_do_run_sh(kt_step *step, kt_err *err)
{
	task t = {.step = step, .args = &step->instr->u.run_sh, .kind = &run_sh_kind};
	KT_AUTO_EXEC_RESULT kt_exec_result result = {0};
	const char *command = NULL;

	if (kt_run_fill(step->run->env, step->arena, t.args->run, &command, err) < 0) {
		return KT_WRAP(err,
		               "error occurred while replacing runtime values in the command '%s'",
		               t.args->run);
	}
	if (start_task(&t, err) < 0 || exec_command(&t, command, &result, err) < 0) {
		return -1;
	}
	return finish_task(&t, &result, err);
}

/* --- run_python --- */

static int install_packages(task *t, kt_err *err)
{
	KT_AUTO_EXEC_RESULT kt_exec_result result = {0};
	KT_AUTO_BUF kt_buf command = KT_BUF_INIT;

	kt_buf_adds(&command, "pip install bash");
	for (size_t i = 0; i < t->args->packages.len; i++) {
		kt_buf_addf(&command, " %s", t->args->packages.items[i]);
	}
	if (kt_buf_check(&command, err) < 0 ||
	    exec_in(t, kt_buf_str(&command), KT_NEVER, &result, err) < 0) {
		return KT_WRAP(err, "an error occurred while installing dependencies");
	}
	if (result.exit_code != 0) {
		return KT_FAIL(err, PRECONDITION,
		               "an error occurred while installing dependencies as pip exited with "
		               "code '%d' instead of '0'. The error was:\n%s",
		               result.exit_code, kt_buf_str(&result.output));
	}
	return 0;
}

/* python -u -c "SCRIPT" ARGS: only double quotes of the script are escaped. */
static const char *python_command(kt_step *step, const kt_args_task *args, kt_err *err)
{
	KT_AUTO_FREE char *script = kt_str_replace(args->run, "\"", "\\\"");
	KT_AUTO_BUF kt_buf command = KT_BUF_INIT;
	kt_plan_strs filled = {0};

	if (script == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	if (kt_run_fill_strs(step->run->env, step->arena, &args->args, &filled, err) < 0) {
		return NULL;
	}
	kt_buf_addf(&command, "python -u -c \"%s\"", script);
	for (size_t i = 0; i < filled.len; i++) {
		kt_buf_addf(&command, " %s", filled.items[i]);
	}
	const char *ret = kt_arena_strdup(step->arena, kt_buf_str(&command));
	if (ret == NULL || kt_buf_check(&command, err) < 0) {
		kt_err_nomem(err);
		return NULL;
	}
	return ret;
}

int kt_do_run_python(kt_step *step, kt_err *err)
{
	task t = {.step = step, .args = &step->instr->u.run_python, .kind = &run_python_kind};
	KT_AUTO_EXEC_RESULT kt_exec_result result = {0};
	const char *command = python_command(step, t.args, err);

	if (command == NULL || start_task(&t, err) < 0 || install_packages(&t, err) < 0 ||
	    exec_command(&t, command, &result, err) < 0) {
		return -1;
	}
	return finish_task(&t, &result, err);
}
