/* Time zones: fixed offsets, and the rules in the system's zone files (TZif, RFC 8536). */
#include "starlark/time_internal.h"

#include "base/fs.h"

#include <errno.h>
#include <unistd.h>

const kt_location kt_location_utc = {.name = "UTC", .extend = ""};

#define ZONE_FILE_MAX (1024 * 1024)

const kt_location *kt_location_fixed(kt_sthread *t, kt_text name, int64_t offset)
{
	kt_location *location = kt_star_alloc(t, sizeof(*location));
	kt_val copy = kt_text_val(t, name);

	if (location == NULL || copy == KT_NULL) {
		return NULL;
	}
	location->name = kt_as_str(copy)->data;
	location->offset = offset;
	location->extend = "";
	return location;
}

/* ---- reading a zone file ----------------------------------------------------- */

typedef struct zone_file {
	kt_sthread *t;
	const unsigned char *data;
	size_t len;
	size_t at;
} zone_file;

/* n bytes, or NULL past the end. */
static const unsigned char *take(zone_file *f, size_t n)
{
	if (f->len - f->at < n) {
		return NULL;
	}
	f->at += n;
	return f->data + f->at - n;
}

static int64_t big_endian(const unsigned char *p, size_t n)
{
	uint64_t value = (p[0] & 0x80) != 0 ? UINT64_MAX : 0;

	for (size_t i = 0; i < n; i++) {
		value = value << 8 | p[i];
	}
	return (int64_t)value;
}

/* The six counts of a header: UT flags, standard flags, leap seconds, changes, rules, letters. */
enum { UT_FLAGS, STD_FLAGS, LEAPS, CHANGES, RULES, LETTERS, COUNTS };

static bool take_header(zone_file *f, size_t counts[COUNTS], unsigned char *ret_version)
{
	const unsigned char *head = take(f, 44);

	if (head == NULL || memcmp(head, "TZif", 4) != 0) {
		return false;
	}
	*ret_version = head[4];
	for (size_t i = 0; i < COUNTS; i++) {
		int64_t count = big_endian(head + 20 + 4 * i, 4);
		if (count < 0 || count > ZONE_FILE_MAX) {
			return false;
		}
		counts[i] = (size_t)count;
	}
	return true;
}

static size_t body_size(const size_t counts[COUNTS], size_t time_size)
{
	return counts[CHANGES] * (time_size + 1) + counts[RULES] * 6 + counts[LETTERS] +
	       counts[LEAPS] * (time_size + 4) + counts[STD_FLAGS] + counts[UT_FLAGS];
}

/* The changes and rules of one body. */
static bool take_body(zone_file *f, const size_t counts[COUNTS], size_t time_size,
		      kt_location *location)
{
	size_t nrules = counts[RULES];
	size_t nchanges = counts[CHANGES];
	const unsigned char *times = take(f, nchanges * time_size);
	const unsigned char *indexes = take(f, nchanges);
	const unsigned char *rule_bytes = take(f, nrules * 6);
	const unsigned char *letters = take(f, counts[LETTERS]);

	if (times == NULL || indexes == NULL || rule_bytes == NULL || letters == NULL ||
	    nrules == 0 || counts[LETTERS] == 0 || letters[counts[LETTERS] - 1] != '\0' ||
	    take(f, body_size(counts, time_size) - nchanges * (time_size + 1) - nrules * 6 -
			    counts[LETTERS]) == NULL) {
		return false;
	}
	kt_zone_rule *rules = kt_star_alloc(f->t, nrules * sizeof(*rules));
	kt_zone_change *changes = kt_star_alloc(f->t, (nchanges + 1) * sizeof(*changes));
	if (rules == NULL || changes == NULL) {
		return false;
	}
	for (size_t i = 0; i < nrules; i++) {
		const unsigned char *p = rule_bytes + 6 * i;
		if (p[5] >= counts[LETTERS]) {
			return false;
		}
		kt_val name = kt_string_newz(f->t, (const char *)letters + p[5]);
		if (name == KT_NULL) {
			return false;
		}
		rules[i] = (kt_zone_rule){kt_as_str(name)->data, big_endian(p, 4), p[4] != 0};
	}
	for (size_t i = 0; i < nchanges; i++) {
		if (indexes[i] >= nrules) {
			return false;
		}
		changes[i] =
			(kt_zone_change){big_endian(times + time_size * i, time_size), indexes[i]};
	}
	location->rules = rules;
	location->nrules = nrules;
	location->changes = changes;
	location->nchanges = nchanges;
	return true;
}

static bool take_zone(zone_file *f, kt_location *location)
{
	size_t counts[COUNTS];
	unsigned char version;

	location->extend = "";
	if (!take_header(f, counts, &version)) {
		return false;
	}
	if (version == 0) {
		return take_body(f, counts, 4, location);
	}
	/* A second, 64-bit block follows, and a line with the rules for the time after it. */
	if (take(f, body_size(counts, 4)) == NULL || !take_header(f, counts, &version) ||
	    !take_body(f, counts, 8, location)) {
		return false;
	}
	size_t rest = f->len - f->at;
	const unsigned char *line = take(f, rest);
	if (rest >= 2 && line[0] == '\n' && line[rest - 1] == '\n') {
		kt_val text = kt_string_new(f->t, (const char *)line + 1, rest - 2);
		if (text == KT_NULL) {
			return false;
		}
		location->extend = kt_as_str(text)->data;
	}
	return true;
}

/* A path that leads nowhere else: no "..", no root. */
static bool is_zone_name(const char *name)
{
	if (name[0] == '/' || name[0] == '\\') {
		return false;
	}
	for (const char *p = name; *p != '\0';) {
		size_t len = strcspn(p, "/");
		if (len == 2 && p[0] == '.' && p[1] == '.') {
			return false;
		}
		p += len + (p[len] == '/' ? 1 : 0);
	}
	return true;
}

const kt_location *kt_location_load(kt_sthread *t, const char *name)
{
	static const char *const places[] = {"/usr/share/zoneinfo", "/usr/share/lib/zoneinfo",
					     "/usr/lib/locale/TZ", "/etc/zoneinfo"};

	if (name[0] == '\0' || strcmp(name, "UTC") == 0 || strcmp(name, "Local") == 0) {
		/* Programs must not depend on the machine's own zone. */
		return &kt_location_utc;
	}
	if (!is_zone_name(name)) {
		kt_star_raise(t, "time: invalid location name");
		return NULL;
	}
	for (size_t i = 0; i < KT_ARRAY_LEN(places); i++) {
		KT_AUTO_FREE char *path = kt_asprintf("%s/%s", places[i], name);
		KT_AUTO_BUF kt_buf content = KT_BUF_INIT;
		if (path != NULL && access(path, F_OK) < 0 && errno == ENAMETOOLONG) {
			kt_star_raise(t, "file name too long");
			return NULL;
		}
		if (path == NULL || kt_fs_read(path, ZONE_FILE_MAX, &content, NULL) < 0) {
			continue;
		}
		zone_file f = {t, (const unsigned char *)kt_buf_str(&content), content.len, 0};
		kt_location *location = kt_star_alloc(t, sizeof(*location));
		if (location == NULL || kt_sthread_error(t) != NULL) {
			return NULL;
		}
		location->name = "";
		if (take_zone(&f, location)) {
			return location;
		}
		if (kt_sthread_error(t) != NULL) {
			return NULL;
		}
	}
	kt_star_raise(t, "unknown time zone %s", name);
	return NULL;
}

/* ---- looking up -------------------------------------------------------------- */

/* The rule before the first change: the first if no change leads to it, else a standard time. */
static size_t first_rule(const kt_location *location)
{
	bool used = false;

	for (size_t i = 0; i < location->nchanges; i++) {
		used = used || location->changes[i].rule == 0;
	}
	if (!used) {
		return 0;
	}
	if (location->nchanges > 0 && location->rules[location->changes[0].rule].dst) {
		for (size_t i = location->changes[0].rule; i-- > 0;) {
			if (!location->rules[i].dst) {
				return i;
			}
		}
	}
	for (size_t i = 0; i < location->nrules; i++) {
		if (!location->rules[i].dst) {
			return i;
		}
	}
	return 0;
}

/* After the last change: by the POSIX text, under the newest name that fits. */
static bool lookup_extended(const kt_location *location, int64_t unix_seconds, kt_zone *ret)
{
	if (location->extend[0] == '\0' || !kt_zone_posix(location->extend, unix_seconds, ret)) {
		return false;
	}
	ret->name = "";
	for (size_t i = location->nchanges; i-- > 0;) {
		const kt_zone_rule *rule = &location->rules[location->changes[i].rule];
		if (rule->offset == ret->offset && rule->dst == ret->dst) {
			ret->name = rule->name;
			break;
		}
	}
	return true;
}

kt_zone kt_location_lookup(const kt_location *location, int64_t unix_seconds)
{
	kt_zone zone = {location->name, location->offset, INT64_MIN, INT64_MAX, false};
	const kt_zone_change *changes = location->changes;
	size_t low = 0;
	size_t high = location->nchanges;

	if (location->nrules == 0) {
		return zone;
	}
	while (low < high) { /* the first change after the moment */
		size_t middle = low + (high - low) / 2;
		if (changes[middle].when <= unix_seconds) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	if (low > 0 && low == location->nchanges &&
	    lookup_extended(location, unix_seconds, &zone)) {
		return zone;
	}
	size_t rule = low == 0 ? first_rule(location) : changes[low - 1].rule;
	zone.name = location->rules[rule].name;
	zone.offset = location->rules[rule].offset;
	zone.dst = location->rules[rule].dst;
	zone.start = low == 0 ? INT64_MIN : changes[low - 1].when;
	zone.end = low == location->nchanges ? INT64_MAX : changes[low].when;
	return zone;
}

bool kt_location_abbreviation(const kt_location *location, kt_text name, int64_t unix_seconds,
			      int64_t *ret)
{
	bool found = false;

	for (size_t i = 0; i < location->nrules; i++) {
		const kt_zone_rule *rule = &location->rules[i];
		if (strlen(rule->name) != name.len ||
		    memcmp(rule->name, name.data, name.len) != 0) {
			continue;
		}
		kt_zone then = kt_location_lookup(location, unix_seconds - rule->offset);
		if (strcmp(then.name, rule->name) == 0) {
			*ret = then.offset;
			return true;
		}
		if (!found) {
			*ret = rule->offset;
			found = true;
		}
	}
	return found;
}
