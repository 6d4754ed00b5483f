/* Instructions that make files artifacts, and the small remaining ones. */
#include "plan/plan_internal.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"

#include <string.h>
#include <strings.h>

const char *call_artifact(call *c, kt_val name)
{
	if (name == KT_NULL) {
		return interp_artifact_name(c->in, c->t);
	}
	conv cv = conv_of(c);
	const char *artifact;
	return conv_str(&cv, name, "name", NULL, &artifact) < 0 ||
			       interp_take_artifact(c->in, c->t, artifact) < 0
		       ? NULL
		       : artifact;
}

/* --- upload_files --------------------------------------------------------- */

static size_t url_scheme_len(const char *src)
{
	size_t len = strncasecmp(src, "https://", 8) == 0  ? 8
		     : strncasecmp(src, "http://", 7) == 0 ? 7
							   : 0;
	return len > 0 && src[len] != '\0' && strchr("/?#", src[len]) == NULL ? len : 0;
}

/* The file or directory behind a URL or locator, on this machine. The caller frees. */
static char *find_source(call *c, const char *src)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	if (url_scheme_len(src) > 0) {
		const char *path = kt_content_download(c->in->content, src, &err);
		char *copy = path == NULL ? NULL : kt_strdup(path);
		if (copy == NULL) {
			interp_raise_chain(c->t, &err);
		}
		return copy;
	}
	KT_AUTO_FREE char *locator =
		kt_content_resolve(c->in->content, src, c->rec->pos.file, &err);
	if (locator == NULL) {
		KT_WRAP(&err, "Tried to convert locator '%s' into absolute locator but failed", src);
		interp_raise_chain(c->t, &err);
		return NULL;
	}
	char *path = kt_content_path(c->in->content, locator, KT_CONTENT_ANY, &err);
	if (path == NULL) {
		interp_raise_chain(c->t, &err);
	}
	return path;
}

kt_val do_upload_files(call *c)
{
	kt_args_upload_files *args = &c->rec->u.upload_files;
	conv cv = conv_of(c);
	if (conv_str(&cv, call_arg(c, "src"), "src", NULL, &args->src) < 0) {
		return KT_NULL;
	}
	KT_AUTO_FREE char *path = find_source(c, args->src);
	if (path == NULL || (args->path = keepz(c->in, c->t, path)) == NULL) {
		return KT_NULL;
	}
	args->artifact = call_artifact(c, call_arg(c, "name"));
	if (args->artifact == NULL) {
		return KT_NULL;
	}
	/* What cannot be read fails when its turn comes. */
	kt_instr_key *key = &c->rec->key;
	key->has_md5 = kt_content_md5(path, KT_PACK_IGNORE_FILE, key->md5, NULL) == 0;
	/* Query and fragment of a URL may hold secrets. */
	size_t shown = url_scheme_len(args->src) > 0 ? strcspn(args->src, "?#") : strlen(args->src);
	c->rec->description = keepf(c->in, c->t, "Uploading file '%.*s' to files artifact '%s'",
				    (int)shown, args->src, args->artifact);
	c->rec->short_text =
		keepf(c->in, c->t, "upload_files(%s, %s)", args->src, args->artifact);
	return kt_string_newz(c->t, args->artifact);
}

void touches_upload_files(const kt_instr *rec, touches *out)
{
	touch(&out->writes, KT_PLAN_RES_ARTIFACT, rec->u.upload_files.artifact);
}

/* --- render_templates ----------------------------------------------------- */

static void add_json(kt_buf *out, const json_t *value);

static void add_json_object(kt_buf *out, const json_t *value)
{
	KT_AUTO_STRVEC kt_strvec keys = KT_STRVEC_INIT;
	const char *key;
	json_t *item;
	json_object_foreach((json_t *)(uintptr_t)value, key, item)
	{
		if (kt_strvec_add(&keys, key) < 0) {
			out->failed = true;
			return;
		}
	}
	kt_strvec_sort(&keys);
	for (size_t i = 0; i < keys.len; i++) {
		kt_buf_addc(out, i > 0 ? ',' : '{');
		json_add_go_string(out, keys.items[i], strlen(keys.items[i]));
		kt_buf_addc(out, ':');
		add_json(out, json_object_get(value, keys.items[i]));
	}
	kt_buf_adds(out, keys.len == 0 ? "{}" : "}");
}

/* JSON as Go writes it after reading every number as a float64: that is what templates see. */
static void add_json(kt_buf *out, const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		add_json_object(out, value);
		break;
	case JSON_ARRAY:
		for (size_t i = 0; i < json_array_size(value); i++) {
			kt_buf_addc(out, i > 0 ? ',' : '[');
			add_json(out, json_array_get(value, i));
		}
		kt_buf_adds(out, json_array_size(value) == 0 ? "[]" : "]");
		break;
	case JSON_STRING:
		json_add_go_string(out, json_string_value(value), json_string_length(value));
		break;
	case JSON_INTEGER:
	case JSON_REAL:
		kt_buf_add_json_float(out, json_number_value(value));
		break;
	default:
		kt_buf_adds(out, json_is_true(value)	? "true"
				 : json_is_false(value) ? "false"
							: "null");
		break;
	}
}

/*
 * The reference turns the data into text and that text back into a value that knows only json
 * and struct; so do we, since what fails there must fail here.
 */
static int encode_data(call *c, kt_val data, const char *shown, kt_buf *ret)
{
	KT_AUTO_BUF kt_buf src = KT_BUF_INIT;
	kt_buf_addf(&src, "json.encode(%s)", shown);
	(void)data;
	kt_sthread *own = kt_sthread_new(c->in->star);
	if (own == NULL || src.failed) {
		kt_star_raise_nomem(c->t);
		return -1;
	}
	kt_val encoded =
		kt_star_eval(own, "render_templates", src.data, src.len, c->in->json_only);
	size_t len = 0;
	const char *text = encoded == KT_NULL ? NULL : kt_string_get(encoded, &len);
	if (text != NULL) {
		kt_buf_add(ret, text, len);
	}
	const kt_star_error *error = kt_sthread_error(own);
	bool no_memory = error != NULL && error->kind == KT_STAR_NOMEM;
	kt_sthread_free(own);
	if (no_memory || ret->failed) {
		kt_star_raise_nomem(c->t);
		return -1;
	}
	return text != NULL ? 0
			    : kt_star_fail(c->t,
					   "Error converting 'data' with string value '%s' to JSON",
					   shown);
}

static int data_json(call *c, const char *key, kt_val data, const char **ret)
{
	KT_AUTO_BUF kt_buf shown = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf encoded = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf plain = KT_BUF_INIT;
	if (kt_val_repr(c->t, data, &shown) < 0 ||
	    encode_data(c, data, kt_buf_str(&shown), &encoded) < 0) {
		return -1;
	}
	json_error_t why;
	KT_AUTO_JSON json_t *json =
		json_loadb(kt_buf_str(&encoded), encoded.len,
			   JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &why);
	if (json == NULL) {
		return kt_star_fail(c->t, "Template data for file '%s', '%s' isn't valid JSON", key,
				    kt_buf_str(&encoded));
	}
	add_json(&plain, json);
	*ret = keep_buf(c->in, c->t, &plain);
	return *ret == NULL ? -1 : 0;
}

static int check_template(call *c, const char *text)
{
	const kt_plan_request *request = c->in->request;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	if (request->check_template == NULL ||
	    request->check_template(request->check_template_ctx, text, &err) == 0) {
		return 0;
	}
	return kt_star_fail(c->t, "An error occurred creating the template. Make sure the it is a "
				  "valid template string.");
}

static int conv_template(call *c, kt_val config, kt_val key, kt_val value, kt_plan_template *ret)
{
	conv cv = conv_of(c);
	KT_AUTO_BUF kt_buf key_text = KT_BUF_INIT;
	if (kt_val_str(c->t, key, &key_text) < 0) {
		return -1;
	}
	KT_AUTO_FREE char *key_name = kt_asprintf("config.key:%s", kt_buf_str(&key_text));
	KT_AUTO_FREE char *template_name =
		kt_asprintf("config[\"%s\"][\"template\"]", kt_buf_str(&key_text));
	if (key_name == NULL || template_name == NULL) {
		kt_star_raise_nomem(c->t);
		return -1;
	}
	if (conv_str(&cv, key, key_name, NULL, &ret->path) < 0) {
		return -1;
	}
	if (kt_val_kind(value) != KT_KIND_STRUCT) {
		KT_AUTO_BUF kt_buf shown = KT_BUF_INIT;
		if (kt_val_str(c->t, config, &shown) < 0) {
			return -1;
		}
		return kt_star_fail(c->t, "Expected %s[\"%s\"] to be a dict. Got '%s'",
				    kt_buf_str(&shown), ret->path, go_type(value));
	}
	kt_val text = kt_struct_get(value, "template");
	kt_val data = kt_struct_get(value, "data");
	if (text == KT_NULL || data == KT_NULL) {
		return kt_star_fail(c->t, "Expected values in 'config' to have a '%s' field",
				    text == KT_NULL ? "template" : "data");
	}
	return conv_str(&cv, text, template_name, NULL, &ret->template_text) < 0 ||
			       data_json(c, ret->path, data, &ret->data_json) < 0
		       ? -1
		       : check_template(c, ret->template_text);
}

kt_val do_render_templates(call *c)
{
	kt_args_render_templates *args = &c->rec->u.render_templates;
	kt_val config = call_arg(c, "config");
	args->artifact = call_artifact(c, call_arg(c, "name"));
	kt_plan_template *items =
		KT_ARENA_ARRAY(c->in->arena, kt_plan_template, kt_val_len(config) + 1);
	if (args->artifact == NULL || items == NULL) {
		return kt_sthread_error(c->t) != NULL ? KT_NULL : kt_star_raise_nomem(c->t);
	}
	kt_val key, value;
	for (size_t at = 0; kt_dict_next(config, &at, &key, &value); args->len++) {
		if (conv_template(c, config, key, value, &items[args->len]) < 0) {
			return KT_NULL;
		}
	}
	args->items = items;
	c->rec->description =
		keepf(c->in, c->t, "Rendering a template to a files artifact with name '%s'",
		      args->artifact);
	c->rec->short_text = keepf(c->in, c->t, "render_templates(%s)", args->artifact);
	return kt_string_newz(c->t, args->artifact);
}

void touches_render_templates(const kt_instr *rec, touches *out)
{
	const kt_args_render_templates *args = &rec->u.render_templates;
	for (size_t i = 0; i < args->len; i++) {
		touch_refs(&out->reads, args->items[i].data_json);
	}
	touch(&out->writes, KT_PLAN_RES_ARTIFACT, args->artifact);
}

/* --- store_service_files, get_files_artifact ------------------------------ */

kt_val do_store_service_files(call *c)
{
	kt_args_store_service_files *args = &c->rec->u.store_service_files;
	conv cv = conv_of(c);
	if (conv_str(&cv, call_arg(c, "service_name"), "service_name", NULL,
		     &args->service_name) < 0 ||
	    conv_str(&cv, call_arg(c, "src"), "src", NULL, &args->src) < 0 ||
	    conv_str(&cv, call_arg(c, "depends_on"), "depends_on", "", &args->depends_on) < 0 ||
	    (args->artifact = call_artifact(c, call_arg(c, "name"))) == NULL) {
		return KT_NULL;
	}
	c->rec->description = keepf(
		c->in, c->t,
		"Storing files from service '%s' at path '%s' to files artifact with name '%s'",
		args->service_name, args->src, args->artifact);
	c->short_head = keepf(c->in, c->t, "store_service_files(%s, ", args->service_name);
	return kt_string_newz(c->t, args->artifact);
}

void touches_store_service_files(const kt_instr *rec, touches *out)
{
	const kt_args_store_service_files *args = &rec->u.store_service_files;
	touch(&out->reads, KT_PLAN_RES_SERVICE, args->service_name);
	touch_refs(&out->reads, args->depends_on);
	touch(&out->writes, KT_PLAN_RES_ARTIFACT, args->artifact);
}

kt_val do_get_files_artifact(call *c)
{
	kt_args_name *args = &c->rec->u.get_files_artifact;
	conv cv = conv_of(c);
	if (conv_str(&cv, call_arg(c, "name"), "name", NULL, &args->name) < 0) {
		return KT_NULL;
	}
	c->rec->description = keepf(c->in, c->t, "Fetching files artifact '%s'", args->name);
	c->rec->short_text = keepf(c->in, c->t, "get_files_artifact(%s)", args->name);
	return kt_string_newz(c->t, args->name);
}

void touches_get_files_artifact(const kt_instr *rec, touches *out)
{
	touch(&out->reads, KT_PLAN_RES_ARTIFACT, rec->u.get_files_artifact.name);
	touch(&out->writes, KT_PLAN_RES_ARTIFACT, rec->u.get_files_artifact.name);
}

/* --- print, get_cluster_type ---------------------------------------------- */

kt_val do_print(call *c)
{
	kt_args_print *args = &c->rec->u.print;
	kt_val msg = call_arg(c, "msg");
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf repr = KT_BUF_INIT;
	if (kt_val_str(c->t, msg, &text) < 0 || kt_val_repr(c->t, msg, &repr) < 0 ||
	    (args->text = keep_buf(c->in, c->t, &text)) == NULL) {
		return KT_NULL;
	}
	c->rec->description = "Printing a message";
	c->rec->short_text = keepf(c->in, c->t, "print(%s)", kt_buf_str(&repr));
	return KT_NONE;
}

void touches_print(const kt_instr *rec, touches *out)
{
	touch_refs(&out->reads, rec->u.print.text);
}

kt_val do_get_cluster_type(call *c)
{
	const char *type = kt_str_or(c->in->facts.cluster_type, "docker");
	c->rec->u.get_cluster_type.type = keepz(c->in, c->t, type);
	c->rec->description = keepf(c->in, c->t, "Fetching cluster type '%s'", type);
	c->fixed_description = true;
	return kt_string_newz(c->t, type);
}

void touches_get_cluster_type(const kt_instr *rec, touches *out)
{
	(void)rec;
	(void)out;
}
