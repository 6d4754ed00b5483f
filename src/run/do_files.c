/* Executors of the instructions about files artifacts. */
#include "base/alloc.h"
#include "base/fs.h"
#include "plan/refs.h"
#include "run/run_internal.h"
#include "template/template.h"

#include <openssl/evp.h>

/* --- upload_files --- */

/* 1 when the artifact is there with the same content already. */
static int same_content(kt_run_env *env, const char *name, const uint8_t *md5, bool *ret_exists,
                        kt_artifact *ret, kt_err *err)
{
	int found = kt_artifacts_find(env->artifacts, name, ret, err);

	/* A uuid that happens to be another artifact's name does not count. */
	*ret_exists = found == 1 && strcmp(ret->name, name) == 0;
	if (found < 0) {
		return -1;
	}
	return *ret_exists && ret->has_md5 && memcmp(ret->md5, md5, KT_MD5_LEN) == 0;
}

int kt_do_upload_files(kt_step *step, kt_err *err)
{
	const kt_args_upload_files *args = &step->instr->u.upload_files;
	kt_run_env *env = step->run->env;
	KT_AUTO_ARTIFACT kt_artifact old = KT_ARTIFACT_INIT;
	KT_AUTO_ARTIFACT kt_artifact artifact = KT_ARTIFACT_INIT;
	uint8_t md5[KT_MD5_LEN];
	bool exists = false;

	if (kt_content_md5(args->path, KT_PACK_IGNORE_FILE, md5, err) < 0) {
		return KT_WRAP(err, "An error occurred while compressing the files at '%s'",
		               args->path);
	}
	int same = same_content(env, args->artifact, md5, &exists, &old, err);
	if (same != 0) {
		kt_buf_addf(step->out,
		            "Files with artifact name '%s' resolved with artifact UUID '%s' as "
		            "content were matching",
		            args->artifact, old.uuid.text);
		return same < 0 ? -1 : 0;
	}
	kt_artifact_spec spec = {
	        .name = args->artifact, .md5 = md5, .replace = true, .cancel = step->cancel};
	if (kt_artifacts_add_path(env->artifacts, &spec, args->path, KT_PACK_IGNORE_FILE, &artifact,
	                          err) < 0) {
		return -1;
	}
	kt_buf_addf(step->out,
	            exists ? "Files with artifact name '%s' with artifact UUID '%s' updated"
	                   : "Files with artifact name '%s' uploaded with artifact UUID '%s'",
	            args->artifact, artifact.uuid.text);
	return 0;
}

/* --- store_service_files, get_files_artifact --- */

int kt_do_store_service_files(kt_step *step, kt_err *err)
{
	const kt_args_store_service_files *args = &step->instr->u.store_service_files;
	kt_run_env *env = step->run->env;
	KT_AUTO_ARTIFACT kt_artifact artifact = KT_ARTIFACT_INIT;
	kt_reg reg = {0};

	if (kt_run_env_service(env, args->service_name, step->arena, &reg, err) < 0 ||
	    kt_run_env_store_files(env, &reg, args->src, args->artifact, true, step->cancel,
	                           &artifact, err) < 0) {
		return KT_WRAP(err, "Failed to copy file '%s' from service '%s", args->src,
		               args->service_name);
	}
	kt_buf_addf(step->out, "Files with artifact name '%s' uploaded with artifact UUID '%s'",
	            args->artifact, artifact.uuid.text);
	return 0;
}

int kt_do_get_files_artifact(kt_step *step, kt_err *err)
{
	(void)err;
	kt_buf_addf(step->out, "Fetched files artifact '%s'",
	            step->instr->u.get_files_artifact.name);
	return 0;
}

/* --- render_templates --- */

/* Templates are named after the hash of their text: 16 raw bytes. */
static kt_tmpl *parse_template(const char *text, kt_err *err)
{
	static const char prefix[] = "kurtosis-template-";
	char name[sizeof(prefix) - 1 + KT_MD5_LEN];
	size_t len = strlen(text);

	memcpy(name, prefix, sizeof(prefix) - 1);
	if (EVP_Digest(text, len, (unsigned char *)name + sizeof(prefix) - 1, NULL, EVP_md5(),
	               NULL) != 1) {
		KT_FAIL(err, INTERNAL, "MD5 is not available");
		return NULL;
	}
	kt_tmpl *tmpl = kt_tmpl_parse(name, sizeof(name), text, len, err);
	if (tmpl == NULL) {
		KT_WRAP(err, "An error occurred creating the template. Make sure the it is a valid "
		             "template string.");
	}
	return tmpl;
}

static int render(kt_step *step, const kt_plan_template *item, kt_buf *out, kt_err *err)
{
	KT_AUTO_BUF kt_buf data = KT_BUF_INIT;
	kt_tmpl_val value = {0};

	if (kt_ref_replace(item->data_json, strlen(item->data_json), kt_state_lookup_text,
	                   step->run->env->state, &data, err) < 0) {
		return KT_WRAP(err,
		               "An error occurred replacing runtime values for render_template "
		               "instruction");
	}
	if (kt_tmpl_from_text(step->arena, kt_buf_str(&data), data.len, &value, err) < 0) {
		KT_WRAP(err, "There was an error decoding the data as a JSON string: '%s'",
		        kt_buf_str(&data));
		return KT_WRAP(err, "An error occurred while decoding the template data json '%s'",
		               kt_buf_str(&data));
	}
	KT_AUTO_TMPL kt_tmpl *tmpl = parse_template(item->template_text, err);
	if (tmpl == NULL) {
		return -1;
	}
	return kt_tmpl_exec(tmpl, &value, out, err);
}

/* The file's place below the staging directory; nothing may leave it. NULL with err. */
static char *target_path(const char *staging, const char *path, kt_err *err)
{
	KT_AUTO_FREE char *rooted = kt_asprintf("/%s", path);
	KT_AUTO_FREE char *clean = rooted != NULL ? kt_path_clean(rooted) : NULL;

	if (clean == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	if (strcmp(clean, "/") == 0) {
		KT_FAIL(err, INVALID, "'%s' names no file", path);
		return NULL;
	}
	char *ret = kt_asprintf("%s%s", staging, clean);
	if (ret == NULL) {
		kt_err_nomem(err);
	}
	return ret;
}

static int write_rendered(kt_step *step, const char *staging, const kt_plan_template *item,
                          kt_err *err)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	KT_AUTO_FREE char *path = target_path(staging, item->path, err);
	KT_AUTO_FREE char *dir = path != NULL ? kt_path_dir(path) : NULL;

	if (dir == NULL) {
		return -1;
	}
	if (render(step, item, &text, err) < 0) {
		KT_WRAP(err,
		        "An error occurred while writing the rendered template to destination "
		        "'%s'",
		        item->path);
		return KT_WRAP(err, "There was an error in rendering template for file '%s'",
		               item->path);
	}
	if (kt_fs_mkdirs(dir, 0755, err) < 0) {
		return -1;
	}
	return kt_fs_write(path, kt_buf_str(&text), text.len, 0644, false, err);
}

static int fill_staging(kt_step *step, const char *staging, kt_err *err)
{
	const kt_args_render_templates *args = &step->instr->u.render_templates;

	for (size_t i = 0; i < args->len; i++) {
		if (write_rendered(step, staging, &args->items[i], err) < 0) {
			return KT_WRAP(err, "Failed to render templates '%s'", args->artifact);
		}
	}
	return 0;
}

int kt_do_render_templates(kt_step *step, kt_err *err)
{
	const kt_args_render_templates *args = &step->instr->u.render_templates;
	kt_artifacts *store = step->run->env->artifacts;
	KT_AUTO_ARTIFACT kt_artifact artifact = KT_ARTIFACT_INIT;
	KT_AUTO_FREE char *staging = kt_artifacts_begin(store, err);
	uint8_t md5[KT_MD5_LEN];

	if (staging == NULL) {
		return -1;
	}
	if (fill_staging(step, staging, err) < 0 || kt_content_md5(staging, 0, md5, err) < 0) {
		kt_artifacts_abort(store, staging);
		return -1;
	}
	kt_artifact_spec spec = {
	        .name = args->artifact, .md5 = md5, .replace = true, .cancel = step->cancel};
	if (kt_artifacts_commit(store, &spec, staging, &artifact, err) < 0) {
		return -1;
	}
	kt_buf_addf(step->out, "Templates artifact name '%s' rendered with artifact UUID '%s'",
	            args->artifact, artifact.uuid.text);
	return 0;
}
