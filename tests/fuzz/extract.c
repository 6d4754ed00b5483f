/*
 * Extractors: the first line of input is a jq program, the rest is JSON. Programs are only
 * rewritten, because libjq runs whatever it is given; plain paths are followed as well.
 */
#include "fuzz.h"

#include "run/extract.h"
#include "run/extract_internal.h"

#include "base/alloc.h"

#include <string.h>

static void follow(const char *query, const char *json)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	kt_pval value = {0};
	kt_jq *jq = NULL;

	/* Anything else than steps would be compiled. */
	if (query[0] != '.' || query[1] == '.' ||
	    query[strspn(query, ".abcdefghijklmnopqrstuvwxyz0123456789_[]\"")] != '\0') {
		return;
	}
	if (kt_jq_new(query, &jq, NULL) < 0) {
		return;
	}
	if (kt_jq_run(jq, json, strlen(json), &arena, &value, NULL) == 0) {
		kt_pval_add_repr(&text, &value);
		KT_ASSERT(text.len > 0);
	}
	kt_jq_free(jq);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	KT_AUTO_FREE char *text = kt_strndup((const char *)data, len);
	KT_AUTO_BUF kt_buf program = KT_BUF_INIT;
	char *newline = NULL;

	if (text == NULL) {
		return 0;
	}
	newline = strchr(text, '\n');
	if (newline != NULL) {
		*newline = '\0';
	}
	if (kt_jq_rewrite(text, &program, NULL) == 0) {
		KT_ASSERT(program.len > strlen(text) / 2);
	}
	follow(text, newline != NULL ? newline + 1 : "{\"a\": [1, {\"b\": null}]}");
	return 0;
}
