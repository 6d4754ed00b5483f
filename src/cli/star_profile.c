/*
 * Time goes to the stack that was there at the last call or jump backwards, until the next one:
 * that of a built-in function so goes to the line that calls it.
 */
#include "cli/star_profile.h"

#include "base/alloc.h"
#include "base/num.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 200 /* deeper frames are left out at the outer end */

typedef struct row {
	const char *name;
	uint64_t self;  /* nanoseconds */
	uint64_t total; /* with all that it calls */
} row;

void kt_star_profile_init(kt_star_profile *self)
{
	*self = (kt_star_profile){.stacks = KT_MAP_OWNING(kt_free)};
	self->since = kt_now();
}

void kt_star_profile_deinit(kt_star_profile *self)
{
	kt_map_deinit(&self->stacks);
	kt_buf_deinit(&self->key);
}

static uint64_t *stack_time(kt_star_profile *self, const char *key)
{
	uint64_t *found = kt_map_get(&self->stacks, key);

	if (found != NULL) {
		return found;
	}
	found = kt_calloc(1, sizeof(*found));
	if (found == NULL || kt_map_set(&self->stacks, key, found) < 0) {
		kt_free(found);
		self->failed = true;
		return NULL;
	}
	return found;
}

void kt_star_profile_tick(kt_star_profile *self, kt_sthread *t)
{
	kt_star_frame frames[DEPTH_MAX];
	size_t n = 0;

	kt_star_profile_stop(self);
	while (n < DEPTH_MAX && kt_sthread_frame(t, n, &frames[n])) {
		n++;
	}
	self->key.len = 0;
	while (n-- > 0) {
		kt_buf_adds(&self->key, self->key.len > 0 ? ";" : "");
		kt_buf_adds(&self->key, frames[n].name);
		kt_buf_addc(&self->key, ':');
		kt_buf_add_u64(&self->key, (uint64_t)frames[n].pos.line, 10, false);
	}
	self->failed = self->failed || self->key.failed;
	self->at = self->failed ? NULL : stack_time(self, kt_buf_str(&self->key));
	self->since = kt_now();
}

void kt_star_profile_stop(kt_star_profile *self)
{
	if (self->at != NULL) {
		*self->at += (uint64_t)(kt_now() - self->since);
	}
	self->at = NULL;
}

/* ---- reports ----------------------------------------------------------------- */

static row *row_of(kt_map *rows, const char *name, size_t len)
{
	KT_AUTO_BUF kt_buf key = KT_BUF_INIT;
	row *found;

	kt_buf_add(&key, name, len);
	found = kt_map_get(rows, kt_buf_str(&key));
	if (found == NULL && !key.failed && (found = kt_calloc(1, sizeof(*found))) != NULL &&
	    kt_map_set(rows, kt_buf_str(&key), found) < 0) {
		kt_free(found);
		found = NULL;
	}
	return found;
}

/* Does the stack name this function or line before `at`? Then its total has been counted. */
static bool named_before(const char *stack, const char *at, size_t len)
{
	for (const char *p = stack; p < at;) {
		size_t other = strcspn(p, ";");

		if (strncmp(p, at, len) == 0 && (p[len] == ':' || p[len] == ';')) {
			return true;
		}
		p += other + 1;
	}
	return false;
}

/* Adds up by function, or by function and line. */
static int add_up(const kt_star_profile *self, bool lines, kt_map *rows, kt_err *err)
{
	for (kt_map_entry *e = NULL; (e = kt_map_next(&self->stacks, e)) != NULL;) {
		uint64_t time = *(const uint64_t *)e->value;

		for (const char *p = e->key; *p != '\0';) {
			size_t len = strcspn(p, ";");
			const char *colon = memrchr(p, ':', len);
			size_t named = lines ? len : (size_t)(colon - p);
			row *r = row_of(rows, p, named);

			if (r == NULL) {
				return kt_err_nomem(err);
			}
			r->total += named_before(e->key, p, named) ? 0 : time;
			r->self += p[len] == '\0' ? time : 0;
			p += len + (p[len] == ';' ? 1 : 0);
		}
	}
	return 0;
}

static int by_self(const void *a, const void *b)
{
	const row *x = a;
	const row *y = b;

	if (x->self != y->self) {
		return x->self < y->self ? 1 : -1;
	}
	return strcmp(x->name, y->name);
}

static int table(const kt_star_profile *self, bool lines, kt_buf *out, kt_err *err)
{
	KT_AUTO_MAP kt_map rows = KT_MAP_OWNING(kt_free);
	KT_AUTO_FREE row *sorted = NULL;
	size_t n = 0;
	uint64_t sum = 0;

	if (add_up(self, lines, &rows, err) < 0) {
		return -1;
	}
	sorted = kt_calloc(rows.len + 1, sizeof(*sorted));
	if (sorted == NULL) {
		return kt_err_nomem(err);
	}
	for (kt_map_entry *e = NULL; (e = kt_map_next(&rows, e)) != NULL;) {
		sorted[n] = *(const row *)e->value;
		sorted[n].name = e->key;
		sum += sorted[n++].self;
	}
	qsort(sorted, n, sizeof(*sorted), by_self);
	kt_buf_addf(out, "%10s %6s %10s  %s\n", "self ms", "%", "total ms",
		    lines ? "function:line" : "function");
	for (size_t i = 0; i < n; i++) {
		kt_buf_addf(out, "%10.3f %6.1f %10.3f  %s\n", (double)sorted[i].self / 1e6,
			    sum == 0 ? 0.0 : 100.0 * (double)sorted[i].self / (double)sum,
			    (double)sorted[i].total / 1e6, sorted[i].name);
	}
	return out->failed ? kt_err_nomem(err) : 0;
}

int kt_star_profile_report(const kt_star_profile *self, kt_buf *out, kt_err *err)
{
	if (self->failed) {
		return kt_err_nomem(err);
	}
	if (table(self, false, out, err) < 0) {
		return -1;
	}
	kt_buf_addc(out, '\n');
	return table(self, true, out, err);
}

int kt_star_profile_folded(const kt_star_profile *self, kt_buf *out, kt_err *err)
{
	for (kt_map_entry *e = NULL; (e = kt_map_next(&self->stacks, e)) != NULL;) {
		uint64_t micros = *(const uint64_t *)e->value / 1000;

		if (micros > 0) {
			kt_buf_addf(out, "%s %llu\n", e->key, (unsigned long long)micros);
		}
	}
	return self->failed || out->failed ? kt_err_nomem(err) : 0;
}
