/* Line filters: text without regard to case, and regular expressions with limits. */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "logs/logs.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/utf8.h"
#include "base/vec.h"

#include <pcre2.h>
#include <string.h>

/* RE2 has no exponential patterns; here they end with an error instead. */
#define MATCH_LIMIT 1000000
#define DEPTH_LIMIT 10000
#define HEAP_LIMIT_KIB 16384

typedef struct filter {
	kt_log_operator op;
	kt_buf text; /* in lower case */
	pcre2_code *code;
	pcre2_match_data *match;
} filter;

struct kt_log_filters {
	KT_VEC(filter) items;
	kt_buf lower; /* the current line */
	pcre2_match_context *limits;
};

kt_log_filters *kt_log_filters_new(kt_err *err)
{
	kt_log_filters *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	self->limits = pcre2_match_context_create(NULL);
	if (self->limits == NULL) {
		kt_free(self);
		kt_err_nomem(err);
		return NULL;
	}
	pcre2_set_match_limit(self->limits, MATCH_LIMIT);
	pcre2_set_depth_limit(self->limits, DEPTH_LIMIT);
	pcre2_set_heap_limit(self->limits, HEAP_LIMIT_KIB);
	return self;
}

static void filter_deinit(filter *self)
{
	kt_buf_deinit(&self->text);
	pcre2_code_free(self->code);
	pcre2_match_data_free(self->match);
}

void kt_log_filters_free(kt_log_filters *self)
{
	if (self == NULL) {
		return;
	}
	for (size_t i = 0; i < self->items.len; i++) {
		filter_deinit(&self->items.items[i]);
	}
	kt_vec_deinit(&self->items);
	kt_buf_deinit(&self->lower);
	pcre2_match_context_free(self->limits);
	kt_free(self);
}

static void add_lower(kt_buf *buf, const char *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		unsigned char c = (unsigned char)text[i];
		if (c < 0x80) {
			kt_buf_addc(buf, (char)(c >= 'A' && c <= 'Z' ? c + 32 : c));
			i++;
			continue;
		}
		size_t width = 1;
		uint32_t rune = kt_utf8_decode(text + i, len - i, &width);
		kt_buf_add_rune(buf, kt_rune_to_lower(rune));
		i += width;
	}
}

static int compile(filter *self, const char *pattern, kt_err *err)
{
	int code = 0;
	PCRE2_SIZE at = 0;
	self->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
				   PCRE2_UTF | PCRE2_MATCH_INVALID_UTF, &code, &at, NULL);
	if (self->code == NULL) {
		PCRE2_UCHAR why[160] = "";
		pcre2_get_error_message(code, why, sizeof(why));
		return KT_FAIL(err, INVALID, "error parsing regexp at offset %zu: %s", (size_t)at,
			       (const char *)why);
	}
	pcre2_jit_compile(self->code, PCRE2_JIT_COMPLETE);
	self->match = pcre2_match_data_create(1, NULL);
	return self->match == NULL ? kt_err_nomem(err) : 0;
}

int kt_log_filters_add(kt_log_filters *self, kt_log_operator op, const char *pattern, kt_err *err)
{
	filter item = {.op = op};
	int rc = 0;
	if (op == KT_LOG_HAS_TEXT || op == KT_LOG_LACKS_TEXT) {
		add_lower(&item.text, pattern, strlen(pattern));
		rc = kt_buf_check(&item.text, err);
	} else {
		rc = compile(&item, pattern, err);
	}
	if (rc == 0 && kt_vec_push(&self->items, item) < 0) {
		rc = kt_err_nomem(err);
	}
	if (rc < 0) {
		filter_deinit(&item);
	}
	return rc;
}

/* 1 found, 0 not, -1. */
static int find_match(const kt_log_filters *self, const filter *item, const char *text, size_t len,
		      kt_err *err)
{
	int rc = pcre2_match(item->code, (PCRE2_SPTR)text, len, 0, 0, item->match, self->limits);
	if (rc >= 0) {
		return 1;
	}
	if (rc == PCRE2_ERROR_NOMATCH) {
		return 0;
	}
	return KT_FAIL(err, EXHAUSTED, "a log filter's regular expression is too costly for a line");
}

int kt_log_filters_pass(kt_log_filters *self, const char *text, size_t len, kt_err *err)
{
	if (self == NULL || self->items.len == 0) {
		return 1;
	}
	bool lowered = false;
	for (size_t i = 0; i < self->items.len; i++) {
		const filter *item = &self->items.items[i];
		int found = 0;
		if (item->code != NULL) {
			found = find_match(self, item, text, len, err);
		} else {
			if (!lowered) {
				kt_buf_clear(&self->lower);
				add_lower(&self->lower, text, len);
				lowered = true;
			}
			found = kt_buf_check(&self->lower, err) < 0
					? -1
					: memmem(kt_buf_str(&self->lower), self->lower.len,
						 kt_buf_str(&item->text), item->text.len) != NULL;
		}
		if (found < 0) {
			return -1;
		}
		bool wants = item->op == KT_LOG_HAS_TEXT || item->op == KT_LOG_HAS_MATCH;
		if ((found == 1) != wants) {
			return 0;
		}
	}
	return 1;
}
