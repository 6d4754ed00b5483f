/*
 * An enclave on the backend in memory, plans made by hand, and the lines of their runs as
 * text: one line each, "KIND text", in order.
 */
#ifndef KT_TESTS_RUN_HARNESS_H
#define KT_TESTS_RUN_HARNESS_H

#include "backend/fake/fake.h"
#include "run/run.h"
#include "run/run_internal.h"
#include "test.h"

#define ENCLAVE "11111111111111111111111111111111"
#define REF_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define REF_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define PLACEHOLDER(uuid, field) "{{kurtosis:" uuid ":" field ".runtime_value}}"

typedef struct harness {
	char *dir;
	kt_backend *backend;
	kt_artifacts *artifacts;
	kt_run_env *env;
	kt_arena arena;
	kt_instr instrs[16];
	const kt_instr *pointers[16];
	kt_plan plan;
	kt_run_options options;
	bool unchecked; /* execute without validation: what came apart in between */
	kt_buf lines;   /* of the last run */
	bool success;
} harness;

/* For cmocka_unit_test_setup_teardown; *state is a harness. */
int harness_setup(void **state);
int harness_teardown(void **state);

/* Closes and opens the enclave, as a restarted process does. */
void harness_restart(harness *h);

/* A new instruction of the plan, to be filled in. */
kt_instr *harness_add(harness *h, kt_instr_kind kind);
void harness_clear(harness *h);

/* add_service with a configuration that waits for one TCP port; port 0 = none. */
kt_instr *harness_add_service(harness *h, const char *name, uint16_t port);
/* The configuration alone. */
kt_plan_config harness_config(harness *h, uint16_t port);
kt_instr *harness_exec(harness *h, const char *service, const char *command, const char *ref);
kt_instr *harness_print(harness *h, const char *text);

/* Runs the plan; fails the test if its outcome is not as wanted. */
void harness_run(harness *h, bool success);
/* A whole run, from interpretation on, of "def run(plan):" and this body. */
void harness_script(harness *h, const char *body, bool success);
/* Whether the last run's lines hold this text. */
bool harness_says(const harness *h, const char *text);
void harness_expect(const harness *h, const char *text);
/* The number of times it occurs. */
size_t harness_count(const harness *h, const char *text);

/* What the backend was asked for, as kt_fake_calls. In the harness's arena. */
const char *harness_calls(harness *h);

#endif
