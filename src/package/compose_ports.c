/* `ports` of a compose service: short and long form, ranges. */
#include "package/compose_internal.h"

#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct range {
	unsigned first, last; /* 0, 0: none */
} range;

static bool read_range(const char *text, size_t len, range *ret)
{
	char copy[16];
	int64_t first, last;
	*ret = (range){0, 0};
	if (len == 0) {
		return true;
	}
	if (len >= sizeof(copy)) {
		return false;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	char *dash = strchr(copy, '-');
	if (dash != NULL) {
		*dash = '\0';
	}
	if (!kt_str_to_i64(copy, 1, 65535, &first) ||
	    !kt_str_to_i64(dash != NULL ? dash + 1 : copy, 1, 65535, &last) || last < first) {
		return false;
	}
	*ret = (range){(unsigned)first, (unsigned)last};
	return true;
}

static int set_transport(compose_port *port, const char *text, size_t len, size_t number,
			 const char *place, kt_err *err)
{
	static const char *const known[] = {"TCP", "UDP", "SCTP"};
	for (size_t i = 0; i < KT_ARRAY_LEN(known); i++) {
		if (strlen(known[i]) == len && strncasecmp(text, known[i], len) == 0) {
			snprintf(port->transport, sizeof(port->transport), "%s", known[i]);
			return 0;
		}
	}
	return KT_FAIL(err, INVALID, "%s: Port #%zu has unsupported protocol '%.*s'", place, number,
		       (int)len, text);
}

/* As text: 10000 comes before 9999, as Compose orders the ports of a range. */
static int compare_targets(const void *a, const void *b)
{
	char left[16], right[16];
	snprintf(left, sizeof(left), "%u", ((const compose_port *)a)->target);
	snprintf(right, sizeof(right), "%u", ((const compose_port *)b)->target);
	return strcmp(left, right);
}

static int add_range(const compose_port *like, range target, range published, compose_ports *ret,
		     const char *place, kt_err *err)
{
	size_t start = ret->len;
	unsigned count = target.last - target.first + 1;
	bool one_of = count == 1;
	if (target.first == 0) {
		return KT_FAIL(err, INVALID, "%s: the container's port is missing", place);
	}
	if (published.first != 0 && !one_of && published.last - published.first + 1 != count) {
		return KT_FAIL(err, INVALID, "%s: the two ranges of ports differ in length", place);
	}
	for (unsigned i = 0; i < count; i++) {
		compose_port port = *like;
		port.target = target.first + i;
		port.published = published.first == 0 ? 0 : published.first + i;
		if (kt_vec_push(ret, port) < 0) {
			return kt_err_nomem(err);
		}
	}
	qsort(ret->items + start, ret->len - start, sizeof(*ret->items), compare_targets);
	return 0;
}

/* [[IP:]PUBLISHED:]TARGET[/PROTOCOL] */
static int read_short(const char *text, size_t number, compose_ports *ret, const char *place,
		      kt_err *err)
{
	compose_port like = {.transport = "TCP"};
	range target, published = {0, 0};
	const char *end = strchr(text, '/');
	if (end != NULL && set_transport(&like, end + 1, strlen(end + 1), number, place, err) < 0) {
		return -1;
	}
	end = end != NULL ? end : text + strlen(text);
	const char *start = end;
	while (start > text && start[-1] != ':') {
		start--;
	}
	bool good = read_range(start, (size_t)(end - start), &target);
	if (good && start > text) {
		end = start - 1;
		start = end;
		while (start > text && start[-1] != ':') {
			start--;
		}
		good = read_range(start, (size_t)(end - start), &published);
	}
	if (!good) {
		return KT_FAIL(err, INVALID, "%s: '%s' is not a port", place, text);
	}
	return add_range(&like, target, published, ret, place, err);
}

static int read_long(const json_t *item, size_t number, compose_ports *ret, const char *place,
		     kt_err *err)
{
	compose_port like = {.transport = "TCP"};
	range target, published = {0, 0};
	KT_AUTO_BUF kt_buf inner = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf outer = KT_BUF_INIT;
	const char *protocol = kt_json_str(item, "protocol", "tcp");
	if (set_transport(&like, protocol, strlen(protocol), number, place, err) < 0) {
		return -1;
	}
	kt_compose_scalar(json_object_get(item, "target"), &inner);
	kt_compose_scalar(json_object_get(item, "published"), &outer);
	if (inner.failed || outer.failed) {
		return kt_err_nomem(err);
	}
	if (!read_range(kt_buf_str(&inner), inner.len, &target) ||
	    !read_range(kt_buf_str(&outer), outer.len, &published)) {
		return KT_FAIL(err, INVALID, "%s: target and published must be ports", place);
	}
	return add_range(&like, target, published, ret, place, err);
}

int kt_compose_read_ports(const json_t *list, const char *place, compose_ports *ret, kt_err *err)
{
	size_t i;
	json_t *item;
	if (list == NULL || json_is_null(list)) {
		return 0;
	}
	if (!json_is_array(list)) {
		return KT_FAIL(err, INVALID, "%s.ports must be a list", place);
	}
	json_array_foreach((json_t *)(uintptr_t)list, i, item)
	{
		KT_AUTO_FREE char *here = kt_asprintf("%s.ports[%zu]", place, i);
		KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
		if (here == NULL) {
			return kt_err_nomem(err);
		}
		int rc;
		if (json_is_object(item)) {
			rc = read_long(item, i, ret, here, err);
		} else if (kt_compose_scalar(item, &text)) {
			rc = text.failed ? kt_err_nomem(err)
					 : read_short(kt_buf_str(&text), i, ret, here, err);
		} else {
			rc = KT_FAIL(err, INVALID, "%s must be a port or a map", here);
		}
		if (rc < 0) {
			return -1;
		}
	}
	return 0;
}
