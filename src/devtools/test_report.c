/* A test report as text, JSON and JUnit XML. */
#include "devtools/test.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/str.h"
#include "base/utf8.h"

#include <string.h>

static void add_time(kt_buf *out, int64_t ns)
{
	if (ns >= KT_NS_PER_S) {
		kt_buf_addf(out, "%.2fs", (double)ns / (double)KT_NS_PER_S);
	} else {
		kt_buf_addf(out, "%.1fms", (double)ns / (double)KT_NS_PER_MS);
	}
}

/* text with every line behind `indent`. */
static void add_indented(kt_buf *out, const char *indent, const char *text)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");
		kt_buf_addf(out, "%s%.*s\n", indent, (int)len, text);
		text += len + (text[len] == '\n' ? 1 : 0);
	}
}

static const char *shown_name(const kt_test_result *result)
{
	return kt_str_or(result->name, "(file)");
}

void kt_test_report_text(const kt_test_report *self, kt_buf *out)
{
	for (size_t i = 0; i < self->n; i++) {
		const kt_test_result *result = &self->results[i];
		if (i == 0 || !kt_str_eq(result->file, self->results[i - 1].file)) {
			kt_buf_addf(out, "SUITE %s\n", result->file);
		}
		kt_buf_addf(out, "  %s %s (", result->errors.len > 0 ? "FAIL" : "SUCCESS",
			    shown_name(result));
		add_time(out, result->ns);
		kt_buf_adds(out, ")\n");
		for (size_t k = 0; k < result->output.len; k++) {
			add_indented(out, "    | ", result->output.items[k]);
		}
		for (size_t k = 0; k < result->errors.len; k++) {
			add_indented(out, "    ", result->errors.items[k]);
		}
	}
	kt_buf_addf(out, "%zu tests in %zu files: %zu passed, %zu failed (", self->n, self->files,
		    self->n - self->failed, self->failed);
	add_time(out, self->ns);
	kt_buf_adds(out, ")\n");
}

/* --- JSON ----------------------------------------------------------------- */

static json_t *json_text(const char *text)
{
	KT_AUTO_BUF kt_buf clean = KT_BUF_INIT;
	kt_buf_add_utf8(&clean, text, strlen(text));
	return clean.failed ? NULL : json_string(kt_buf_str(&clean));
}

static json_t *json_texts(const kt_strvec *texts)
{
	json_t *array = json_array();
	for (size_t i = 0; i < texts->len; i++) {
		json_array_append_new(array, json_text(texts->items[i]));
	}
	return array;
}

int kt_test_report_json(const kt_test_report *self, kt_buf *out, kt_err *err)
{
	KT_AUTO_JSON json_t *root = json_object();
	json_t *tests = json_array();
	for (size_t i = 0; i < self->n; i++) {
		const kt_test_result *result = &self->results[i];
		json_t *test = json_object();
		json_object_set_new(test, "file", json_text(result->file));
		json_object_set_new(test, "name", json_text(result->name));
		json_object_set_new(test, "passed", json_boolean(result->errors.len == 0));
		json_object_set_new(test, "seconds",
				    json_real((double)result->ns / (double)KT_NS_PER_S));
		json_object_set_new(test, "errors", json_texts(&result->errors));
		json_object_set_new(test, "output", json_texts(&result->output));
		json_array_append_new(tests, test);
	}
	json_object_set_new(root, "files", json_integer((json_int_t)self->files));
	json_object_set_new(root, "passed", json_integer((json_int_t)(self->n - self->failed)));
	json_object_set_new(root, "failed", json_integer((json_int_t)self->failed));
	json_object_set_new(root, "seconds", json_real((double)self->ns / (double)KT_NS_PER_S));
	json_object_set_new(root, "tests", tests);
	KT_AUTO_FREE char *text = root == NULL ? NULL : kt_json_text(root, 2);
	if (text == NULL) {
		return kt_err_nomem(err);
	}
	kt_buf_addf(out, "%s\n", text);
	return kt_buf_check(out, err);
}

/* --- JUnit ---------------------------------------------------------------- */

/* Text as XML: five entities; what XML cannot hold becomes U+FFFD. */
static void add_xml(kt_buf *out, const char *text)
{
	KT_AUTO_BUF kt_buf clean = KT_BUF_INIT;
	kt_buf_add_utf8(&clean, text, strlen(text));
	for (const char *p = kt_buf_str(&clean); *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;
		switch (c) {
		case '&':
			kt_buf_adds(out, "&amp;");
			break;
		case '<':
			kt_buf_adds(out, "&lt;");
			break;
		case '>':
			kt_buf_adds(out, "&gt;");
			break;
		case '"':
			kt_buf_adds(out, "&quot;");
			break;
		case '\n':
			kt_buf_adds(out, "&#10;");
			break;
		default:
			if (c < 0x20 && c != '\t') {
				kt_buf_adds(out, "\xEF\xBF\xBD");
			} else {
				kt_buf_addc(out, *p);
			}
		}
	}
}

static void add_case(const kt_test_result *result, kt_buf *out)
{
	kt_buf_adds(out, "    <testcase classname=\"");
	add_xml(out, result->file);
	kt_buf_adds(out, "\" name=\"");
	add_xml(out, shown_name(result));
	kt_buf_addf(out, "\" time=\"%.6f\">\n", (double)result->ns / (double)KT_NS_PER_S);
	for (size_t i = 0; i < result->errors.len; i++) {
		const char *text = result->errors.items[i];
		KT_AUTO_FREE char *first = kt_strndup(text, strcspn(text, "\n"));
		kt_buf_adds(out, "      <failure message=\"");
		add_xml(out, kt_str_or(first, ""));
		kt_buf_adds(out, "\">");
		add_xml(out, text);
		kt_buf_adds(out, "</failure>\n");
	}
	if (result->output.len > 0) {
		kt_buf_adds(out, "      <system-out>");
		for (size_t i = 0; i < result->output.len; i++) {
			add_xml(out, result->output.items[i]);
			kt_buf_adds(out, "&#10;");
		}
		kt_buf_adds(out, "</system-out>\n");
	}
	kt_buf_adds(out, "    </testcase>\n");
}

void kt_test_report_junit(const kt_test_report *self, kt_buf *out)
{
	kt_buf_addf(out,
		    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		    "<testsuites tests=\"%zu\" failures=\"%zu\" time=\"%.6f\">\n",
		    self->n, self->failed, (double)self->ns / (double)KT_NS_PER_S);
	for (size_t i = 0; i < self->n;) {
		const char *file = self->results[i].file;
		size_t end = i, failed = 0;
		int64_t ns = 0;
		for (; end < self->n && kt_str_eq(self->results[end].file, file); end++) {
			failed += self->results[end].errors.len > 0 ? 1 : 0;
			ns += self->results[end].ns;
		}
		kt_buf_adds(out, "  <testsuite name=\"");
		add_xml(out, file);
		kt_buf_addf(out, "\" tests=\"%zu\" failures=\"%zu\" time=\"%.6f\">\n", end - i,
			    failed, (double)ns / (double)KT_NS_PER_S);
		for (; i < end; i++) {
			add_case(&self->results[i], out);
		}
		kt_buf_adds(out, "  </testsuite>\n");
	}
	kt_buf_adds(out, "</testsuites>\n");
}
