/* The module time: moments and durations as values, and the functions that make them. */
#include "starlark/time_internal.h"

#include "starlark/bigint.h"

#include <time.h>

typedef struct duration {
	kt_host host;
	int64_t nanos;
} duration;

typedef struct moment {
	kt_host host;
	kt_moment at;
} moment;

static const kt_host_type duration_type;
static const kt_host_type moment_type;

#define DEFAULT_LAYOUT "2006-01-02 15:04:05.999999999 -0700 MST"
#define RFC3339_LAYOUT "2006-01-02T15:04:05Z07:00"
#define BILLION 1000000000

static kt_val duration_new(kt_sthread *t, int64_t nanos)
{
	duration *d = (duration *)kt_host_new(t, &duration_type, sizeof(*d));

	if (d == NULL) {
		return KT_NULL;
	}
	d->nanos = nanos;
	return kt_host_val(&d->host);
}

static kt_val moment_new(kt_sthread *t, kt_moment at)
{
	moment *m = (moment *)kt_host_new(t, &moment_type, sizeof(*m));

	if (m == NULL) {
		return KT_NULL;
	}
	m->at = at;
	return kt_host_val(&m->host);
}

static const duration *as_duration(kt_val v)
{
	return (const duration *)kt_host_get(v, &duration_type);
}

static const moment *as_moment(kt_val v)
{
	return (const moment *)kt_host_get(v, &moment_type);
}

/* All arithmetic wraps around, as two's complement does. */
static int64_t wrap_add(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

static int64_t wrap_mul(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a * (uint64_t)b);
}

static int64_t wrap_div(int64_t a, int64_t b)
{
	return b == -1 ? wrap_mul(a, -1) : a / b;
}

static kt_moment moment_add(kt_moment at, int64_t nanos)
{
	int64_t rest = at.nanos + nanos % BILLION;
	int64_t carry = rest >= BILLION ? 1 : rest < 0 ? -1 : 0;

	at.nanos = (int32_t)(rest - carry * BILLION);
	at.seconds = wrap_add(at.seconds, nanos / BILLION + carry);
	return at;
}

static int moment_order(const kt_moment *a, const kt_moment *b)
{
	if (a->seconds != b->seconds) {
		return a->seconds < b->seconds ? -1 : 1;
	}
	return a->nanos < b->nanos ? -1 : a->nanos > b->nanos;
}

/* a - b, held at the ends of the range. */
static int64_t moment_sub(const kt_moment *a, const kt_moment *b)
{
	__int128 difference =
		((__int128)a->seconds - b->seconds) * BILLION + a->nanos - b->nanos;

	return difference > INT64_MAX   ? INT64_MAX
	       : difference < INT64_MIN ? INT64_MIN
					: (int64_t)difference;
}

/* ---- durations as values ----------------------------------------------------- */

static int duration_repr(kt_sthread *t, kt_host *self, kt_buf *out)
{
	(void)t;
	kt_span_format(out, ((duration *)self)->nanos);
	return 0;
}

static bool duration_truth(kt_host *self)
{
	return ((duration *)self)->nanos != 0;
}

static int duration_hash(kt_sthread *t, kt_host *self, uint32_t *ret)
{
	uint64_t nanos = (uint64_t)((duration *)self)->nanos;
	(void)t;
	*ret = (uint32_t)nanos ^ (uint32_t)(nanos >> 32);
	return 0;
}

static int duration_equal(kt_sthread *t, kt_host *a, kt_host *b, bool *ret)
{
	(void)t;
	*ret = ((duration *)a)->nanos == ((duration *)b)->nanos;
	return 0;
}

static int duration_order(kt_sthread *t, kt_host *a, kt_host *b, int *ret)
{
	int64_t left = ((duration *)a)->nanos;
	int64_t right = ((duration *)b)->nanos;
	(void)t;
	*ret = left < right ? -1 : left > right;
	return 0;
}

/* One row per attribute: whole units, and those that may have a fraction. */
static const struct {
	const char *name;
	int64_t unit;
	bool real;
} duration_units[] = {
	{"hours", 3600000000000, true},     {"minutes", 60000000000, true},
	{"seconds", 1000000000, true},      {"milliseconds", 1000000, false},
	{"microseconds", 1000, false},      {"nanoseconds", 1, false},
};

static kt_val duration_attr(kt_sthread *t, kt_host *self, kt_val name)
{
	int64_t nanos = ((duration *)self)->nanos;
	kt_text text = kt_text_of(name);

	for (size_t i = 0; i < KT_ARRAY_LEN(duration_units); i++) {
		int64_t unit = duration_units[i].unit;
		if (strcmp(text.data, duration_units[i].name) != 0) {
			continue;
		}
		if (!duration_units[i].real) {
			return kt_int_new(t, nanos / unit);
		}
		return kt_float_new(t, (double)(nanos / unit) +
					       (double)(nanos % unit) / (double)unit);
	}
	KT_AUTO_BUF kt_buf quoted = KT_BUF_INIT;
	kt_quote(&quoted, text.data, text.len, false);
	return !kt_message_ready(t, &quoted)
		       ? KT_NULL
		       : kt_star_raise(t, "unrecognized time.duration attribute %s",
				       kt_buf_str(&quoted));
}

static int duration_attr_names(kt_sthread *t, kt_host *self,
			       int (*add)(void *arg, const char *name), void *arg)
{
	(void)t;
	(void)self;
	for (size_t i = 0; i < KT_ARRAY_LEN(duration_units); i++) {
		if (add(arg, duration_units[i].name) < 0) {
			return -1;
		}
	}
	return 0;
}

static kt_val zero_division(kt_sthread *t)
{
	return kt_star_raise(t, "time.duration division by zero");
}

static kt_val wide_int(kt_sthread *t)
{
	return kt_star_raise(t, "int value out of range (want signed 64-bit value)");
}

/* A float cut to an int64; what does not fit becomes the smallest one, as on amd64. */
static int64_t float_to_nanos(double d)
{
	return d >= -0x1p63 && d < 0x1p63 ? (int64_t)d : INT64_MIN;
}

static kt_val divide(kt_sthread *t, int64_t nanos, kt_val other, bool self_is_left)
{
	const duration *by = as_duration(other);
	int64_t i;

	if (by != NULL) {
		return by->nanos == 0 ? zero_division(t)
				      : kt_float_new(t, (double)nanos / (double)by->nanos);
	}
	if (kt_is_anyint(other)) {
		if (!self_is_left) {
			return kt_star_raise(t, "unsupported operation");
		}
		if (!kt_int_get(other, &i)) {
			return wide_int(t);
		}
		return i == 0 ? zero_division(t) : duration_new(t, wrap_div(nanos, i));
	}
	if (kt_is(other, KT_KIND_FLOAT)) {
		double d = kt_as_float(other)->d;
		return d == 0 ? zero_division(t)
			      : duration_new(t, float_to_nanos((double)nanos / d));
	}
	return KT_NULL;
}

static kt_val duration_binary(kt_sthread *t, const char *op, kt_host *self, kt_val other,
			      bool self_is_left)
{
	int64_t nanos = ((duration *)self)->nanos;
	const duration *with = as_duration(other);
	const moment *at = as_moment(other);
	int64_t i;

	if (strcmp(op, "+") == 0) {
		if (at != NULL) {
			return moment_new(t, moment_add(at->at, nanos));
		}
		return with == NULL ? KT_NULL : duration_new(t, wrap_add(nanos, with->nanos));
	}
	if (strcmp(op, "-") == 0 && with != NULL) {
		return duration_new(t, wrap_add(nanos, wrap_mul(with->nanos, -1)));
	}
	if (strcmp(op, "/") == 0) {
		return divide(t, nanos, other, self_is_left);
	}
	if (strcmp(op, "//") == 0 && with != NULL) {
		return with->nanos == 0 ? zero_division(t)
					: kt_int_new(t, wrap_div(nanos, with->nanos));
	}
	if (strcmp(op, "*") == 0 && kt_is_anyint(other)) {
		return kt_int_get(other, &i) ? duration_new(t, wrap_mul(nanos, i)) : wide_int(t);
	}
	return KT_NULL;
}

static const kt_host_type duration_type = {
	.name = "time.duration",
	.repr = duration_repr,
	.truth = duration_truth,
	.hash = duration_hash,
	.equal = duration_equal,
	.order = duration_order,
	.get_attr = duration_attr,
	.attr_names = duration_attr_names,
	.binary = duration_binary,
};

/* ---- moments as values ------------------------------------------------------- */

static int moment_repr(kt_sthread *t, kt_host *self, kt_buf *out)
{
	static const kt_text layout = {DEFAULT_LAYOUT, sizeof(DEFAULT_LAYOUT) - 1};
	(void)t;
	kt_moment_format(out, ((moment *)self)->at, layout);
	return 0;
}

#define YEAR_ONE (-62135596800) /* the zero time: the start of the year 1 */

static bool moment_truth(kt_host *self)
{
	const moment *m = (const moment *)self;
	return m->at.seconds != YEAR_ONE || m->at.nanos != 0;
}

static int64_t unix_nanos(const kt_moment *at)
{
	return wrap_add(wrap_mul(at->seconds, BILLION), at->nanos);
}

static int moment_hash(kt_sthread *t, kt_host *self, uint32_t *ret)
{
	uint64_t nanos = (uint64_t)unix_nanos(&((moment *)self)->at);
	(void)t;
	*ret = (uint32_t)nanos ^ (uint32_t)(nanos >> 32);
	return 0;
}

static int moment_equal(kt_sthread *t, kt_host *a, kt_host *b, bool *ret)
{
	(void)t;
	*ret = moment_order(&((moment *)a)->at, &((moment *)b)->at) == 0;
	return 0;
}

static int moment_compare(kt_sthread *t, kt_host *a, kt_host *b, int *ret)
{
	(void)t;
	*ret = moment_order(&((moment *)a)->at, &((moment *)b)->at);
	return 0;
}

static kt_val moment_format(kt_sthread *t, const kt_args *a)
{
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;

	kt_moment_format(&out, as_moment(a->self)->at, kt_text_of(a->v[0]));
	return kt_str_from_buf(t, &out);
}

static const kt_location *load_location(kt_sthread *t, kt_val name)
{
	kt_text text = name == KT_NULL ? (kt_text){"", 0} : kt_text_of(name);

	if (strlen(text.data) != text.len) {
		kt_star_raise(t, "invalid argument"); /* as no file can be called */
		return NULL;
	}
	return kt_location_load(t, text.data);
}

static kt_val moment_in_location(kt_sthread *t, const kt_args *a)
{
	kt_moment at = as_moment(a->self)->at;

	at.location = load_location(t, a->v[0]);
	return at.location == NULL ? KT_NULL : moment_new(t, at);
}

static const kt_param text_param[] = {{"x", KT_ARG_STRING, false, false}};

static const kt_builtin_row moment_methods[] = {
	{"format", KT_ARGS_POS, text_param, 1, moment_format},
	{"in_location", KT_ARGS_POS, text_param, 1, moment_in_location},
};

static const char *const moment_fields[] = {
	"year", "month", "day", "hour", "minute", "second", "nanosecond", "unix", "unix_nano",
};

static int64_t moment_field(const kt_moment *at, size_t field)
{
	kt_zone zone = kt_location_lookup(at->location, at->seconds);
	kt_civil civil = kt_civil_of(wrap_add(at->seconds, zone.offset));
	const int64_t values[] = {
		civil.year,   civil.month, civil.day,   civil.hour,    civil.minute,
		civil.second, at->nanos,   at->seconds, unix_nanos(at),
	};
	return values[field];
}

static kt_val moment_attr(kt_sthread *t, kt_host *self, kt_val name)
{
	const char *text = kt_text_of(name).data;

	for (size_t i = 0; i < KT_ARRAY_LEN(moment_fields); i++) {
		if (strcmp(text, moment_fields[i]) == 0) {
			return kt_int_new(t, moment_field(&((moment *)self)->at, i));
		}
	}
	for (size_t i = 0; i < KT_ARRAY_LEN(moment_methods); i++) {
		if (strcmp(text, moment_methods[i].name) == 0) {
			return kt_method_new(t, &moment_methods[i], kt_host_val(self));
		}
	}
	return KT_NULL;
}

static int moment_attr_names(kt_sthread *t, kt_host *self,
			     int (*add)(void *arg, const char *name), void *arg)
{
	(void)t;
	(void)self;
	for (size_t i = 0; i < KT_ARRAY_LEN(moment_methods); i++) {
		if (add(arg, moment_methods[i].name) < 0) {
			return -1;
		}
	}
	for (size_t i = 0; i < KT_ARRAY_LEN(moment_fields); i++) {
		if (add(arg, moment_fields[i]) < 0) {
			return -1;
		}
	}
	return 0;
}

/* The side does not matter: duration - time is time - duration, as in the reference. */
static kt_val moment_binary(kt_sthread *t, const char *op, kt_host *self, kt_val other,
			    bool self_is_left)
{
	const kt_moment *at = &((moment *)self)->at;
	const duration *by = as_duration(other);
	const moment *from = as_moment(other);

	(void)self_is_left;
	if (strcmp(op, "+") == 0 && by != NULL) {
		return moment_new(t, moment_add(*at, by->nanos));
	}
	if (strcmp(op, "-") == 0 && by != NULL) {
		return moment_new(t, moment_add(*at, wrap_mul(by->nanos, -1)));
	}
	if (strcmp(op, "-") == 0 && from != NULL) {
		return duration_new(t, moment_sub(at, &from->at));
	}
	return KT_NULL;
}

static const kt_host_type moment_type = {
	.name = "time.time",
	.repr = moment_repr,
	.truth = moment_truth,
	.hash = moment_hash,
	.equal = moment_equal,
	.order = moment_compare,
	.get_attr = moment_attr,
	.attr_names = moment_attr_names,
	.binary = moment_binary,
};

/* ---- functions --------------------------------------------------------------- */

static int64_t int_or(kt_val v, int64_t fallback)
{
	int64_t value = fallback;
	return v != KT_NULL && kt_int_get(v, &value) ? value : fallback;
}

static kt_val from_timestamp(kt_sthread *t, const kt_args *a)
{
	kt_moment at = {int_or(a->v[0], 0), 0, &kt_location_utc};
	int64_t nanos = int_or(a->v[1], 0);

	at.seconds = wrap_add(at.seconds, nanos / BILLION);
	return moment_new(t, moment_add(at, nanos % BILLION));
}

static kt_val is_valid_timezone(kt_sthread *t, const kt_args *a)
{
	if (load_location(t, a->v[0]) != NULL) {
		return KT_TRUE;
	}
	const kt_star_error *error = kt_sthread_error(t);
	if (error != NULL && error->kind == KT_STAR_EVAL) {
		kt_sthread_clear_error(t);
		return KT_FALSE;
	}
	return KT_NULL;
}

static kt_val now(kt_sthread *t, const kt_args *a)
{
	struct timespec clock;

	(void)a;
	(void)clock_gettime(CLOCK_REALTIME, &clock);
	return moment_new(t, (kt_moment){clock.tv_sec, (int32_t)clock.tv_nsec, &kt_location_utc});
}

static kt_val parse_duration(kt_sthread *t, const kt_args *a)
{
	KT_AUTO_BUF kt_buf problem = KT_BUF_INIT;
	int64_t nanos;

	if (as_duration(a->v[0]) != NULL) {
		return a->v[0];
	}
	if (!kt_is_str(a->v[0])) {
		return kt_star_raise(t,
				     "parse_duration: for parameter 1: got %s, want a duration, "
				     "string, or int",
				     kt_val_type_name(a->v[0]));
	}
	if (!kt_span_parse(kt_text_of(a->v[0]), &nanos, &problem)) {
		return !kt_message_ready(t, &problem)
			       ? KT_NULL
			       : kt_star_raise(t, "parse_duration: for parameter 1: %s",
					       kt_buf_str(&problem));
	}
	return duration_new(t, nanos);
}

static kt_val parse_time(kt_sthread *t, const kt_args *a)
{
	kt_text layout = {RFC3339_LAYOUT, sizeof(RFC3339_LAYOUT) - 1};
	const kt_location *location = &kt_location_utc;
	kt_moment at;

	if (a->v[1] != KT_NULL) {
		layout = kt_text_of(a->v[1]);
	}
	if (a->v[2] != KT_NULL) {
		location = load_location(t, a->v[2]);
		if (location == NULL) {
			return KT_NULL;
		}
	}
	if (kt_moment_parse(t, layout, kt_text_of(a->v[0]), location, location, &at) < 0) {
		return KT_NULL;
	}
	return moment_new(t, at);
}

static kt_val make_time(kt_sthread *t, const kt_args *a)
{
	if (a->npos > 0) {
		return kt_star_raise(t, "time: unexpected positional arguments");
	}
	kt_date_parts parts = {
		.year = int_or(a->v[0], 0),
		.month = int_or(a->v[1], 0),
		.day = int_or(a->v[2], 0),
		.hour = int_or(a->v[3], 0),
		.minute = int_or(a->v[4], 0),
		.second = int_or(a->v[5], 0),
		.nanos = int_or(a->v[6], 0),
	};
	const kt_location *location = load_location(t, a->v[7]);
	if (location == NULL) {
		return KT_NULL;
	}
	return moment_new(t, kt_moment_from_parts(&parts, location));
}

static const kt_param any_param[] = {{"d", KT_ARG_ANY, false, false}};
static const kt_param timestamp_params[] = {
	{"sec", KT_ARG_I64, false, false},
	{"nsec", KT_ARG_I64, true, false},
};
static const kt_param parse_time_params[] = {
	{"x", KT_ARG_STRING, false, false},
	{"format", KT_ARG_STRING, true, false},
	{"location", KT_ARG_STRING, true, false},
};
static const kt_param time_params[] = {
	{"year", KT_ARG_I64, true, false},       {"month", KT_ARG_I64, true, false},
	{"day", KT_ARG_I64, true, false},        {"hour", KT_ARG_I64, true, false},
	{"minute", KT_ARG_I64, true, false},     {"second", KT_ARG_I64, true, false},
	{"nanosecond", KT_ARG_I64, true, false}, {"location", KT_ARG_STRING, true, false},
};

static const kt_builtin_row functions[] = {
	{"from_timestamp", KT_ARGS_POS, timestamp_params, 2, from_timestamp},
	{"is_valid_timezone", KT_ARGS_POS, text_param, 1, is_valid_timezone},
	{"now", KT_ARGS_RAW, NULL, 0, now},
	{"parse_duration", KT_ARGS_POS, any_param, 1, parse_duration},
	{"parse_time", KT_ARGS_NAMED, parse_time_params, 3, parse_time},
	{"time", KT_ARGS_NAMED, time_params, 8, make_time},
};

static const struct {
	const char *name;
	int64_t nanos;
} constants[] = {
	{"nanosecond", 1},       {"microsecond", 1000},   {"millisecond", 1000000},
	{"second", 1000000000},  {"minute", 60000000000}, {"hour", 3600000000000},
};

kt_val kt_time_module(kt_sthread *t)
{
	kt_val members = kt_dict_new(t, KT_ARRAY_LEN(functions) + KT_ARRAY_LEN(constants));

	for (size_t i = 0; members != KT_NULL && i < KT_ARRAY_LEN(functions); i++) {
		kt_val fn = kt_builtin_new(t, &functions[i], NULL);
		if (fn == KT_NULL || kt_dict_sets(t, members, functions[i].name, fn) < 0) {
			return KT_NULL;
		}
	}
	for (size_t i = 0; members != KT_NULL && i < KT_ARRAY_LEN(constants); i++) {
		kt_val value = duration_new(t, constants[i].nanos);
		if (value == KT_NULL || kt_dict_sets(t, members, constants[i].name, value) < 0) {
			return KT_NULL;
		}
	}
	return members == KT_NULL ? KT_NULL : kt_module_new(t, "time", members);
}
