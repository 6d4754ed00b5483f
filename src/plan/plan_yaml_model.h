/* What plan YAML says, before it is written: private to plan_yaml.c and plan_yaml_model.c. */
#ifndef KT_PLAN_YAML_MODEL_H
#define KT_PLAN_YAML_MODEL_H

#include "base/map.h"
#include "base/vec.h"
#include "plan/plan.h"

typedef struct yaml_artifact {
	unsigned id;
	const char *name;
	kt_strvec files; /* empty in references */
} yaml_artifact;

typedef enum yaml_task_type { YAML_TASK_EXEC, YAML_TASK_SH, YAML_TASK_PYTHON } yaml_task_type;

typedef struct yaml_service {
	unsigned id;
	const kt_args_add_service *args;
	bool plain_image; /* add_services shows only the image's name */
} yaml_service;

typedef struct yaml_task {
	unsigned id;
	yaml_task_type type;
	const kt_instr *rec;
} yaml_task;

typedef struct yaml_model {
	unsigned next_id;
	KT_VEC(yaml_service) services;
	KT_VEC(yaml_artifact *) artifacts;
	KT_VEC(yaml_task) tasks;
	kt_map by_name; /* artifact name -> yaml_artifact * */
	kt_map ids;	/* id of runtime values -> (unsigned) id of the service or task */
	kt_strvec images;
	bool failed; /* memory is short */
} yaml_model;

/* Visits the plan in order, handing out ids as the original does. */
void yaml_model_build(yaml_model *self, const kt_plan *plan);
void yaml_model_deinit(yaml_model *self);
/* The id of an artifact's name; 0 when unknown. */
unsigned yaml_model_artifact(const yaml_model *self, const char *name);
/* Appends text with the placeholders of known services and tasks as {{ kurtosis.ID.FIELD }}. */
void yaml_model_add_text(yaml_model *self, const char *text, kt_buf *out);

#endif
