/* See users.h. */
#include "users.h"

#include <errno.h>

#define FIELDS_MAX 7

/* One line of colon-separated fields, not NUL-terminated. */
typedef struct record {
	const char *field[FIELDS_MAX];
	size_t len[FIELDS_MAX];
	size_t count;
} record;

static const char *read_record(const char *line, record *ret)
{
	ret->count = 0;
	for (;;) {
		size_t n = strcspn(line, ":\n");

		if (ret->count < FIELDS_MAX) {
			ret->field[ret->count] = line;
			ret->len[ret->count] = n;
			ret->count++;
		}
		line += n;
		if (*line != ':') {
			return *line == '\n' ? line + 1 : line;
		}
		line++;
	}
}

static bool field_is(const record *r, size_t i, const char *text, size_t len)
{
	return i < r->count && r->len[i] == len && memcmp(r->field[i], text, len) == 0;
}

/* A decimal id; false when it is none (signs and spaces are not digits) or too large. */
static bool parse_id(const char *text, size_t len, uint32_t *ret)
{
	uint64_t value = 0;

	if (len == 0 || len > 10) {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9') {
			return false;
		}
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	if (value > INT32_MAX) { /* Docker's bound, and -1 must never get through */
		return false;
	}
	*ret = (uint32_t)value;
	return true;
}

static bool all_digits(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9') {
			return false;
		}
	}
	return len > 0;
}

typedef struct found_user {
	bool found;
	const char *name;
	size_t name_len;
	uint32_t gid;
} found_user;

static void take_user(const record *r, uint32_t uid, kt_sup_user *ret, found_user *found)
{
	uint32_t gid = 0;

	ret->uid = uid;
	found->found = true;
	found->name = r->field[0];
	found->name_len = r->len[0];
	if (r->count > 3 && parse_id(r->field[3], r->len[3], &gid)) {
		found->gid = gid;
	}
	if (r->count > 5 && r->len[5] > 0 && r->len[5] < KT_SUP_HOME_MAX) {
		memcpy(ret->home, r->field[5], r->len[5]);
		ret->home[r->len[5]] = '\0';
	}
}

/* The first line whose name, or else whose number, is text. */
static int find_user(const char *text, size_t len, const char *passwd, kt_sup_user *ret,
		     found_user *found)
{
	uint32_t wanted = 0;
	bool numeric = parse_id(text, len, &wanted);

	for (const char *line = passwd; *line && !found->found;) {
		record r;
		uint32_t uid;

		line = read_record(line, &r);
		if (r.count > 2 && r.len[0] > 0 && parse_id(r.field[2], r.len[2], &uid) &&
		    (field_is(&r, 0, text, len) || (numeric && uid == wanted))) {
			take_user(&r, uid, ret, found);
		}
	}
	if (found->found) {
		return 0;
	}
	if (!numeric) {
		return all_digits(text, len) ? -EINVAL : -ENOENT;
	}
	ret->uid = wanted;
	return 0;
}

static int find_group(const char *text, size_t len, const char *group, gid_t *ret)
{
	uint32_t wanted = 0;
	bool numeric = parse_id(text, len, &wanted);

	for (const char *line = group; *line;) {
		record r;
		uint32_t gid;

		line = read_record(line, &r);
		if (r.count > 2 && parse_id(r.field[2], r.len[2], &gid) &&
		    field_is(&r, 0, text, len)) {
			*ret = gid;
			return 0;
		}
	}
	if (!numeric) {
		return all_digits(text, len) ? -EINVAL : -ESRCH;
	}
	*ret = wanted;
	return 0;
}

static bool lists_member(const record *r, const char *name, size_t name_len)
{
	const char *p = r->count > 3 ? r->field[3] : "";
	const char *end = r->count > 3 ? p + r->len[3] : p;

	while (p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		const char *stop = comma ? comma : end;

		if ((size_t)(stop - p) == name_len && memcmp(p, name, name_len) == 0) {
			return true;
		}
		p = stop + 1;
	}
	return false;
}

static void collect_groups(const found_user *user, const char *group, kt_sup_user *ret)
{
	for (const char *line = group; *line && ret->group_count < KT_SUP_GROUPS_MAX;) {
		record r;
		uint32_t gid;

		line = read_record(line, &r);
		if (r.count > 3 && parse_id(r.field[2], r.len[2], &gid) &&
		    lists_member(&r, user->name, user->name_len)) {
			ret->groups[ret->group_count++] = gid;
		}
	}
}

int kt_sup_user_resolve(const char *text, const char *passwd, const char *group, kt_sup_user *ret)
{
	const char *colon = strchr(text, ':');
	size_t user_len = colon ? (size_t)(colon - text) : strlen(text);
	found_user found = {0};
	int status;

	memset(ret, 0, sizeof(*ret));
	memcpy(ret->home, "/", 2);
	status = find_user(user_len ? text : "0", user_len ? user_len : 1, passwd, ret, &found);
	if (status < 0) {
		return status;
	}
	if (colon && colon[1]) {
		return find_group(colon + 1, strlen(colon + 1), group, &ret->gid);
	}
	ret->gid = found.gid;
	if (found.found) {
		collect_groups(&found, group, ret);
	}
	return 0;
}
