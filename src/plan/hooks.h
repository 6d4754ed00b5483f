/*
 * What a package test changes in an interpretation: more predeclared names, names of artifacts
 * that count up instead of being random, an entry function that always gets the plan first.
 *
 * The callbacks run in the interpretation's thread.
 */
#ifndef KT_PLAN_HOOKS_H
#define KT_PLAN_HOOKS_H

#include "starlark/starlark.h"

typedef struct kt_plan_hooks {
	/* Adds names to the environment of every file (a dict). -1 with t's error. */
	int (*predeclare)(void *ctx, kt_sthread *t, kt_val env);
	void *ctx;
} kt_plan_hooks;

/*
 * The configuration of a service that the plan has added, as a ServiceConfig value with its
 * defaults filled in; callable from host functions of an interpretation. As in the public tool
 * for package tests, `image` is the image's name alone, and `user` and `ready_conditions` are
 * None. KT_NULL without an error when there is no such service.
 */
kt_val kt_plan_service_config(kt_sthread *t, const char *name);

#endif
