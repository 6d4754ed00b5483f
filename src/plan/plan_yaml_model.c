/* Services, artifacts and tasks of a plan with the ids that plan YAML gives them. */
#include "plan/plan_yaml_model.h"
#include "plan/refs.h"

#include "base/alloc.h"
#include "base/str.h"

#include <string.h>

static void artifact_free(yaml_artifact *self)
{
	if (self != NULL) {
		kt_strvec_deinit(&self->files);
		kt_free(self);
	}
}

static yaml_artifact *add_artifact(yaml_model *self, const char *name)
{
	yaml_artifact *artifact = kt_calloc(1, sizeof(*artifact));
	if (artifact == NULL || kt_vec_push(&self->artifacts, artifact) < 0) {
		kt_free(artifact);
		self->failed = true;
		return NULL;
	}
	artifact->id = self->next_id++;
	artifact->name = name;
	self->failed = self->failed || kt_map_set(&self->by_name, name, artifact) < 0;
	return artifact;
}

static void add_artifact_of(yaml_model *self, const char *name, const char *file)
{
	yaml_artifact *artifact = add_artifact(self, name);
	if (artifact != NULL && kt_strvec_add(&artifact->files, file) < 0) {
		self->failed = true;
	}
}

/* An artifact that nothing in the plan makes is introduced where it is first mounted. */
static void visit_mounts(yaml_model *self, const kt_plan_mounts *mounts)
{
	for (size_t i = 0; i < mounts->len; i++) {
		for (size_t k = 0; k < mounts->items[i].artifacts.len; k++) {
			if (!kt_map_has(&self->by_name, mounts->items[i].artifacts.items[k])) {
				add_artifact(self, mounts->items[i].artifacts.items[k]);
			}
		}
	}
}

static void know_values(yaml_model *self, const char *ref_uuid, unsigned id)
{
	if (kt_map_set(&self->ids, ref_uuid, (void *)(uintptr_t)id) < 0) {
		self->failed = true;
	}
}

static void add_image(yaml_model *self, const char *name)
{
	if (!kt_strvec_has(&self->images, name) && kt_strvec_add(&self->images, name) < 0) {
		self->failed = true;
	}
}

static void visit_service(yaml_model *self, const kt_args_add_service *args, bool plain_image)
{
	yaml_service service = {self->next_id++, args, plain_image};
	self->failed = self->failed || kt_vec_push(&self->services, service) < 0;
	know_values(self, args->ref_uuid, service.id);
	add_image(self, args->config.image.name);
	visit_mounts(self, &args->config.files);
}

static void visit_task(yaml_model *self, const kt_instr *rec, yaml_task_type type)
{
	yaml_task task = {self->next_id++, type, rec};
	self->failed = self->failed || kt_vec_push(&self->tasks, task) < 0;
	if (type == YAML_TASK_EXEC) {
		know_values(self, rec->u.exec.ref_uuid, task.id);
		return;
	}
	const kt_args_task *args = type == YAML_TASK_SH ? &rec->u.run_sh : &rec->u.run_python;
	know_values(self, args->ref_uuid, task.id);
	add_image(self, args->image.name);
	visit_mounts(self, &args->files);
	for (size_t i = 0; i < args->n_store; i++) {
		add_artifact_of(self, args->store[i].artifact, args->store[i].src);
	}
}

static void drop_service(yaml_model *self, const char *name)
{
	for (size_t i = 0; i < self->services.len; i++) {
		if (kt_str_eq(self->services.items[i].args->name, name)) {
			memmove(&self->services.items[i], &self->services.items[i + 1],
				(self->services.len - i - 1) * sizeof(self->services.items[0]));
			self->services.len--;
			return;
		}
	}
}

static void visit_templates(yaml_model *self, const kt_args_render_templates *args)
{
	yaml_artifact *artifact = add_artifact(self, args->artifact);
	for (size_t i = 0; artifact != NULL && i < args->len; i++) {
		if (kt_strvec_add(&artifact->files, args->items[i].path) < 0) {
			self->failed = true;
		}
	}
	if (artifact != NULL) {
		kt_strvec_sort(&artifact->files);
	}
}

static void visit(yaml_model *self, const kt_instr *rec)
{
	switch (rec->kind) {
	case KT_INSTR_ADD_SERVICE:
		visit_service(self, &rec->u.add_service, false);
		break;
	case KT_INSTR_ADD_SERVICES:
		for (size_t i = 0; i < rec->u.add_services.len; i++) {
			visit_service(self, &rec->u.add_services.items[i], true);
		}
		break;
	case KT_INSTR_REMOVE_SERVICE:
		drop_service(self, rec->u.remove_service.name);
		break;
	case KT_INSTR_EXEC:
		visit_task(self, rec, YAML_TASK_EXEC);
		break;
	case KT_INSTR_RUN_SH:
		visit_task(self, rec, YAML_TASK_SH);
		break;
	case KT_INSTR_RUN_PYTHON:
		visit_task(self, rec, YAML_TASK_PYTHON);
		break;
	case KT_INSTR_RENDER_TEMPLATES:
		visit_templates(self, &rec->u.render_templates);
		break;
	case KT_INSTR_UPLOAD_FILES:
		add_artifact_of(self, rec->u.upload_files.artifact, rec->u.upload_files.src);
		break;
	case KT_INSTR_STORE_SERVICE_FILES:
		add_artifact_of(self, rec->u.store_service_files.artifact,
				rec->u.store_service_files.src);
		break;
	default: /* the rest does not show */
		break;
	}
}

void yaml_model_build(yaml_model *self, const kt_plan *plan)
{
	self->next_id = 1;
	for (size_t i = 0; i < plan->n_instrs; i++) {
		visit(self, plan->instrs[i]);
	}
	kt_strvec_sort(&self->images);
}

void yaml_model_deinit(yaml_model *self)
{
	for (size_t i = 0; i < self->artifacts.len; i++) {
		artifact_free(self->artifacts.items[i]);
	}
	kt_vec_deinit(&self->artifacts);
	kt_vec_deinit(&self->services);
	kt_vec_deinit(&self->tasks);
	kt_map_deinit(&self->by_name);
	kt_map_deinit(&self->ids);
	kt_strvec_deinit(&self->images);
}

unsigned yaml_model_artifact(const yaml_model *self, const char *name)
{
	const yaml_artifact *artifact = kt_map_get(&self->by_name, name);
	return artifact == NULL ? 0 : artifact->id;
}

static bool is_shown_field(const char *field, size_t len)
{
	static const char *const shown[] = {"ip_address", "hostname", "code", "output"};
	for (size_t i = 0; i < KT_ARRAY_LEN(shown); i++) {
		if (strlen(shown[i]) == len && memcmp(shown[i], field, len) == 0) {
			return true;
		}
	}
	return false;
}

void yaml_model_add_text(yaml_model *self, const char *text, kt_buf *out)
{
	size_t len = strlen(text);
	size_t done = 0;
	kt_ref ref;
	while (kt_ref_find(text, len, done, &ref)) {
		unsigned id = (unsigned)(uintptr_t)kt_map_get(&self->ids, ref.uuid.text);
		if (id == 0 || !is_shown_field(ref.field, ref.field_len)) {
			kt_buf_add(out, text + done, ref.end - done);
		} else {
			kt_buf_add(out, text + done, ref.start - done);
			kt_buf_addf(out, "{{ kurtosis.%u.%.*s }}", id, (int)ref.field_len,
				    ref.field);
		}
		done = ref.end;
	}
	kt_buf_add(out, text + done, len - done);
}
