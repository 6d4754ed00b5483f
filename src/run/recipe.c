/* Recipes: one try of an exec or an HTTP request, its fields, its text. */
#include "base/alloc.h"
#include "base/str.h"
#include "run/extract.h"
#include "run/run_internal.h"
#include "run/value.h"

struct kt_recipe_runner {
	kt_run_env *env;
	const kt_plan_recipe *recipe;
	kt_jq **extractors; /* one per recipe->extract item, compiled at first use */
};

int kt_recipe_runner_new(kt_run_env *env, const kt_plan_recipe *recipe, kt_recipe_runner **ret,
                         kt_err *err)
{
	kt_recipe_runner *self = kt_calloc(1, sizeof(*self));

	if (self == NULL) {
		return kt_err_nomem(err);
	}
	self->env = env;
	self->recipe = recipe;
	self->extractors = kt_calloc(recipe->extract.len + 1, sizeof(kt_jq *));
	if (self->extractors == NULL) {
		kt_free(self);
		return kt_err_nomem(err);
	}
	*ret = self;
	return 0;
}

void kt_recipe_runner_free(kt_recipe_runner *self)
{
	if (self == NULL) {
		return;
	}
	for (size_t i = 0; i < self->recipe->extract.len; i++) {
		kt_jq_free(self->extractors[i]);
	}
	kt_free(self->extractors);
	kt_free(self);
}

static int run_extractor(kt_recipe_runner *self, size_t i, const char *json, size_t len,
                         kt_arena *arena, kt_rt_field *ret, kt_err *err)
{
	const kt_plan_pair *extract = &self->recipe->extract.items[i];
	kt_jq **jq = &self->extractors[i];

	if ((*jq == NULL && kt_jq_new(extract->value, jq, err) < 0) ||
	    kt_jq_run(*jq, json, len, arena, &ret->value, err) < 0) {
		return KT_WRAP(err, "An error occurred running extractor '%s' on recipe",
		               extract->value);
	}
	ret->name = kt_arena_printf(arena, "extract.%s", extract->key);
	return ret->name != NULL ? 0 : kt_err_nomem(err);
}

/* Fills fields[2…] from the recipe's extractors. */
static int run_extractors(kt_recipe_runner *self, const char *json, size_t len, kt_arena *arena,
                          kt_recipe_result *result, kt_err *err)
{
	for (size_t i = 0; i < self->recipe->extract.len; i++) {
		if (run_extractor(self, i, json, len, arena, &result->fields[2 + i], err) < 0) {
			return -1;
		}
	}
	return 0;
}

static void add_extract_map(kt_buf *out, const kt_plan_pairs *extract)
{
	kt_buf_adds(out, "map[");
	for (size_t i = 0; i < extract->len; i++) {
		kt_buf_addf(out, "%s%s:%s", i > 0 ? " " : "", extract->items[i].key,
		            extract->items[i].value);
	}
	kt_buf_addc(out, ']');
}

/* --- exec --- */

static void add_argv(kt_buf *out, const kt_plan_strs *argv)
{
	kt_buf_addc(out, '[');
	for (size_t i = 0; i < argv->len; i++) {
		kt_buf_addf(out, "%s%s", i > 0 ? " " : "", argv->items[i]);
	}
	kt_buf_addc(out, ']');
}

int kt_check_output(const kt_exec_spec *spec, const kt_exec_result *result, kt_err *err)
{
	if (!result->truncated) {
		return 0;
	}
	return KT_FAIL(
	        err, EXHAUSTED,
	        "Log output from docker exec command '%s' was more than %d bytes, but maximum "
	        "size allowed by Kurtosis is %d",
	        spec->argv[0], KT_EXEC_OUTPUT_MAX, KT_EXEC_OUTPUT_MAX);
}

/* The output reaches jq as one JSON string, quoted the way the reference quotes it. */
static int extract_from_output(kt_recipe_runner *self, kt_arena *arena, kt_recipe_result *result,
                               kt_err *err)
{
	KT_AUTO_BUF kt_buf quoted = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf map = KT_BUF_INIT;

	if (self->recipe->extract.len == 0) {
		return 0;
	}
	kt_buf_add_quoted(&quoted, result->output, result->output_len);
	if (kt_buf_check(&quoted, err) < 0) {
		return -1;
	}
	if (run_extractors(self, kt_buf_str(&quoted), quoted.len, arena, result, err) < 0) {
		add_extract_map(&map, &self->recipe->extract);
		return KT_WRAP(err,
		               "An error occurred while running extractors '%s' on command output "
		               "'%s'",
		               kt_buf_str(&map), result->output);
	}
	return 0;
}

static int try_exec(kt_recipe_runner *self, const kt_reg *reg, kt_instant deadline,
                    const kt_cancel *cancel, kt_arena *arena, kt_recipe_result *ret, kt_err *err)
{
	KT_AUTO_EXEC_RESULT kt_exec_result result = {0};
	kt_backend *backend = self->env->backend;
	kt_plan_strs argv = {0};
	kt_exec_spec spec = {
	        .max_output = KT_EXEC_OUTPUT_MAX, .deadline = deadline, .cancel = cancel};

	if (kt_run_fill_strs(self->env, arena, &self->recipe->command, &argv, err) < 0) {
		return -1;
	}
	spec.argv = kt_run_argv(arena, &argv);
	if (spec.argv == NULL) {
		return kt_err_nomem(err);
	}
	if (backend->ops->exec(backend, self->env->enclave_uuid, reg->uuid, &spec, &result, err) <
	    0) {
		KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
		add_argv(&text, &argv);
		return KT_WRAP(err, "Failed to execute command '%s' on service '%s'",
		               kt_buf_str(&text), reg->name);
	}
	if (kt_check_output(&spec, &result, err) < 0) {
		return -1;
	}
	ret->code = result.exit_code;
	ret->fields[0] = (kt_rt_field){"code", kt_pval_int(result.exit_code)};
	ret->fields[1].name = "output";
	if (kt_pval_str_copy(arena, kt_buf_str(&result.output), result.output.len,
	                     &ret->fields[1].value, err) < 0) {
		return -1;
	}
	ret->output = ret->fields[1].value.text;
	ret->output_len = ret->fields[1].value.text_len;
	return extract_from_output(self, arena, ret, err);
}

/* --- HTTP --- */

static const kt_plan_port *find_port(const kt_reg *reg, const char *id)
{
	for (size_t i = 0; reg->config != NULL && i < reg->config->ports.len; i++) {
		if (strcmp(reg->config->ports.items[i].id, id) == 0) {
			return &reg->config->ports.items[i];
		}
	}
	return NULL;
}

static int send_request(kt_recipe_runner *self, const kt_reg *reg, kt_service_http *request,
                        kt_arena *arena, int *ret_status, kt_buf *ret_body, kt_err *err)
{
	const kt_plan_recipe *recipe = self->recipe;
	bool post = recipe->kind == KT_PLAN_RECIPE_POST;
	const kt_plan_port *port = find_port(reg, recipe->port_id);

	if (port == NULL) {
		/* The reference prints the service where the port belongs and the reverse. */
		return KT_FAIL(
		        err, NOT_FOUND,
		        "An error occurred when getting port '%s' from service '%s' for HTTP "
		        "request",
		        reg->name, recipe->port_id);
	}
	request->method = post ? "POST" : "GET";
	request->port = port->number;
	request->path = recipe->endpoint;
	request->headers = recipe->headers;
	request->content_type = post ? recipe->content_type : NULL;
	if (post && kt_run_fill(self->env, arena, recipe->body, &request->body, err) < 0) {
		return -1;
	}
	return kt_run_env_http(self->env, reg, request, ret_status, ret_body, err);
}

static int try_http(kt_recipe_runner *self, const kt_reg *reg, kt_instant deadline,
                    const kt_cancel *cancel, kt_arena *arena, kt_recipe_result *ret, kt_err *err)
{
	KT_AUTO_BUF kt_buf body = KT_BUF_INIT;
	kt_service_http request = {.deadline = deadline, .cancel = cancel};
	int status = 0;

	if (send_request(self, reg, &request, arena, &status, &body, err) < 0) {
		return KT_WRAP(err, "An error occurred when running HTTP request recipe '%s'",
		               self->recipe->text);
	}
	ret->code = status;
	ret->fields[0].name = "body";
	ret->fields[1] = (kt_rt_field){"code", kt_pval_int(status)};
	if (kt_pval_str_copy(arena, kt_buf_str(&body), body.len, &ret->fields[0].value, err) < 0) {
		return -1;
	}
	if (run_extractors(self, kt_buf_str(&body), body.len, arena, ret, err) < 0) {
		return KT_WRAP(err, "An error occurred while running extractors from HTTP recipe");
	}
	return 0;
}

int kt_recipe_try(kt_recipe_runner *self, const char *service_name, kt_instant deadline,
                  const kt_cancel *cancel, kt_arena *arena, kt_recipe_result *ret, kt_err *err)
{
	kt_recipe_result result = {.len = 2 + self->recipe->extract.len};
	kt_reg reg = {0};

	result.fields = KT_ARENA_ARRAY(arena, kt_rt_field, result.len);
	if (result.fields == NULL) {
		return kt_err_nomem(err);
	}
	if (kt_run_env_service(self->env, service_name, arena, &reg, err) < 0) {
		return KT_WRAP(err, "An error occurred while getting service '%s'", service_name);
	}
	int rc = self->recipe->kind == KT_PLAN_RECIPE_EXEC
	                 ? try_exec(self, &reg, deadline, cancel, arena, &result, err)
	                 : try_http(self, &reg, deadline, cancel, arena, &result, err);
	if (rc == 0) {
		*ret = result;
	}
	return rc;
}

/* --- texts --- */

void kt_describe_exec(int64_t code, const char *output, size_t len, kt_buf *out)
{
	kt_buf_addf(out, "Command returned with exit code '%lld'", (long long)code);
	if (len == 0) {
		kt_buf_adds(out, " with no output");
		return;
	}
	kt_buf_adds(out, " and the following output:");
	if (memchr(output, '\n', len) == NULL) {
		kt_buf_addc(out, ' ');
		kt_buf_add(out, output, len);
		return;
	}
	kt_buf_adds(out, "\n--------------------\n");
	kt_buf_add(out, output, len);
	kt_buf_adds(out, "\n--------------------");
}

static void describe_http(const kt_recipe_result *result, kt_buf *out)
{
	kt_buf_addf(out, "Request had response code '%lld' and body ", (long long)result->code);
	kt_pval_add_repr(out, &result->fields[0].value);
	if (result->len > 2) {
		kt_buf_adds(out, ", with extracted fields:");
	}
	for (size_t i = 2; i < result->len; i++) {
		kt_buf_addf(out, "\n'%s': ", result->fields[i].name);
		kt_pval_add_repr(out, &result->fields[i].value);
	}
}

void kt_recipe_describe(const kt_plan_recipe *recipe, const kt_recipe_result *result, kt_buf *out)
{
	if (recipe->kind == KT_PLAN_RECIPE_EXEC) {
		kt_describe_exec(result->code, result->output, result->output_len, out);
	} else {
		describe_http(result, out);
	}
}
