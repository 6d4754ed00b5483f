/*
 * Runs the programs of a batch, each in a run of its own: the other side of go/main.go, which says
 * what comes in and what goes out.
 */
#include "starlark/starlark.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STEPS  3000000
#define MAX_MEMORY ((size_t)256 << 20)

static void print_to(void *user, kt_sthread *t, const char *text, size_t len)
{
	(void)t;
	kt_buf_add(user, text, len);
	kt_buf_addc(user, '\n');
}

/* catch(f) gives f()'s error text, or its value in a tuple. */
static kt_val catch_fn(kt_sthread *t, const kt_args *a)
{
	kt_val value = kt_star_call(t, a->pos[0], NULL, 0, NULL, 0);
	kt_val text;

	if (value != KT_NULL) {
		return kt_tuple_new(t, &value, 1);
	}
	if (kt_sthread_error(t)->kind != KT_STAR_EVAL) {
		return KT_NULL;
	}
	text = kt_string_newz(t, kt_sthread_error(t)->msg);
	kt_sthread_clear_error(t);
	return text;
}

static const kt_builtin_row catch_row = {.name = "catch", .style = KT_ARGS_RAW, .fn = catch_fn};

static void describe(const kt_star_error *error, kt_buf *out)
{
	for (size_t i = 0; i < error->ndiags; i++) {
		const kt_star_diag *d = &error->diags[i];

		kt_buf_addf(out, "%s:%d:%d %s\n", d->pos.file, d->pos.line, d->pos.col, d->msg);
	}
	switch (error->kind) {
	case KT_STAR_OK:
	case KT_STAR_CANCELLED:
	case KT_STAR_NOMEM:
		kt_buf_addf(out, "OTHER %s", error->msg);
		return;
	case KT_STAR_SYNTAX:
		kt_buf_adds(out, "SYNTAX");
		return;
	case KT_STAR_RESOLVE:
		kt_buf_adds(out, "RESOLVE");
		return;
	case KT_STAR_STEPS:
		kt_buf_adds(out, "STEPS");
		return;
	case KT_STAR_EVAL:
		break;
	}
	for (size_t i = 0; i < error->nframes; i++) {
		const kt_star_frame *f = &error->frames[i];

		kt_buf_addf(out, "%s:%d:%d %s\n", f->pos.file, f->pos.line, f->pos.col, f->name);
	}
	kt_buf_addf(out, "EVAL %s", error->msg);
}

static void run(const char *source, size_t len, kt_buf *output, kt_buf *failure)
{
	kt_star_options options = {.memory_limit = MAX_MEMORY,
				   .step_limit = MAX_STEPS,
				   .print = print_to,
				   .user = output};
	kt_star *star = kt_star_new(&options, NULL);
	kt_sthread *t = star == NULL ? NULL : kt_sthread_new(star);
	kt_val names = t == NULL ? KT_NULL : kt_dict_new(t, 4);

	if (names == KT_NULL || kt_dict_sets(t, names, "json", kt_json_module(t)) < 0 ||
	    kt_dict_sets(t, names, "time", kt_time_module(t)) < 0 ||
	    kt_dict_sets(t, names, "struct", kt_struct_builtin(t)) < 0 ||
	    kt_dict_sets(t, names, "catch", kt_builtin_new(t, &catch_row, NULL)) < 0) {
		fputs("out of memory\n", stderr);
		exit(2);
	}
	if (kt_star_exec(t, "p.star", source, len, names) == KT_NULL) {
		describe(kt_sthread_error(t), failure);
	}
	kt_star_free(star);
}

int main(void)
{
	size_t length;
	int end;

	/* The newline is read by hand: a blank in the format would eat the program's own. */
	while (scanf("%zu", &length) == 1 && (end = getchar()) == '\n') {
		KT_AUTO_BUF kt_buf output = KT_BUF_INIT;
		KT_AUTO_BUF kt_buf failure = KT_BUF_INIT;
		char *source = malloc(length + 1);

		if (source == NULL || fread(source, 1, length, stdin) != length) {
			fputs("short batch\n", stderr);
			return 2;
		}
		run(source, length, &output, &failure);
		free(source);
		printf("%zu %zu\n", output.len, failure.len);
		fwrite(kt_buf_str(&output), 1, output.len, stdout);
		fwrite(kt_buf_str(&failure), 1, failure.len, stdout);
		fflush(stdout);
	}
	return 0;
}
