#include "base/clock.h"

#include "base/str.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec now;
	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * KT_NS_PER_S + now.tv_nsec;
}

kt_instant kt_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t kt_wall_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

kt_instant kt_after_ms(int64_t ms)
{
	int64_t ns;
	kt_instant end;
	if (__builtin_mul_overflow(ms, KT_NS_PER_MS, &ns) ||
	    __builtin_add_overflow(kt_now(), ns, &end)) {
		return KT_NEVER;
	}
	return end;
}

int kt_ms_left(kt_instant deadline)
{
	if (deadline == KT_NEVER) {
		return -1;
	}
	int64_t left = deadline - kt_now();
	if (left <= 0) {
		return 0;
	}
	int64_t ms = (left + KT_NS_PER_MS - 1) / KT_NS_PER_MS;
	return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

void kt_buf_add_time(kt_buf *buf, int64_t wall_ns, int digits)
{
	int64_t rest = wall_ns % KT_NS_PER_S;
	time_t seconds = (time_t)(wall_ns / KT_NS_PER_S);
	if (rest < 0) {
		rest += KT_NS_PER_S;
		seconds--;
	}
	struct tm parts;
	char text[32];
	gmtime_r(&seconds, &parts);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
	kt_buf_adds(buf, text);
	if (digits > 0) {
		char fraction[16];
		snprintf(fraction, sizeof(fraction), "%09lld", (long long)rest);
		fraction[digits] = '\0';
		kt_buf_addf(buf, ".%s", fraction);
	}
	kt_buf_addc(buf, 'Z');
}

typedef struct duration_unit {
	const char *name;
	int64_t ns;
} duration_unit;

static const duration_unit units[] = {
	{"ns", 1},
	{"us", 1000},
	{"\u00b5s", 1000}, /* micro sign */
	{"\u03bcs", 1000}, /* Greek mu */
	{"ms", KT_NS_PER_MS},
	{"s", KT_NS_PER_S},
	{"m", 60 * KT_NS_PER_S},
	{"h", 3600 * KT_NS_PER_S},
};

static int fail_duration(const char *what, const char *text, kt_err *err)
{
	KT_AUTO_BUF kt_buf quoted = KT_BUF_INIT;
	kt_buf_add_quoted(&quoted, text, strlen(text));
	return KT_FAIL(err, INVALID, "time: %s duration %s", what, kt_buf_str(&quoted));
}

static const duration_unit *find_unit(const char *name, size_t len)
{
	for (size_t i = 0; i < KT_ARRAY_LEN(units); i++) {
		if (strlen(units[i].name) == len && memcmp(units[i].name, name, len) == 0) {
			return &units[i];
		}
	}
	return NULL;
}

/* One "12.5ms" at *at, added to *sum. */
static int add_component(const char **at, const char *whole, uint64_t *sum, kt_err *err)
{
	const char *p = *at;
	uint64_t value = 0;
	uint64_t fraction = 0;
	double scale = 1;
	bool any = false;
	for (; *p >= '0' && *p <= '9'; p++, any = true) {
		if (__builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value)) {
			return fail_duration("invalid", whole, err);
		}
	}
	if (*p == '.') {
		for (p++; *p >= '0' && *p <= '9'; p++, any = true) {
			if (fraction < UINT64_C(900000000000000000)) {
				fraction = fraction * 10 + (uint64_t)(*p - '0');
				scale *= 10;
			}
		}
	}
	if (!any) {
		return fail_duration("invalid", whole, err);
	}
	size_t len = strcspn(p, ".0123456789");
	if (len == 0) {
		return fail_duration("missing unit in", whole, err);
	}
	const duration_unit *unit = find_unit(p, len);
	if (unit == NULL) {
		KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
		kt_buf_add_quoted(&text, p, len);
		kt_buf_adds(&text, " in duration ");
		kt_buf_add_quoted(&text, whole, strlen(whole));
		return KT_FAIL(err, INVALID, "time: unknown unit %s", kt_buf_str(&text));
	}
	uint64_t extra = (uint64_t)((double)fraction * ((double)unit->ns / scale));
	if (__builtin_mul_overflow(value, (uint64_t)unit->ns, &value) ||
	    __builtin_add_overflow(value, extra, &value) ||
	    __builtin_add_overflow(*sum, value, sum) || *sum > (uint64_t)INT64_MAX + 1) {
		return fail_duration("invalid", whole, err);
	}
	*at = p + len;
	return 0;
}

int kt_duration_parse(const char *text, int64_t *ret_ns, kt_err *err)
{
	const char *p = text;
	bool negative = *p == '-';
	if (*p == '-' || *p == '+') {
		p++;
	}
	if (strcmp(p, "0") == 0) {
		*ret_ns = 0;
		return 0;
	}
	if (*p == '\0') {
		return fail_duration("invalid", text, err);
	}
	uint64_t sum = 0;
	while (*p != '\0') {
		if (add_component(&p, text, &sum, err) < 0) {
			return -1;
		}
	}
	if (sum > (uint64_t)INT64_MAX && !negative) {
		return fail_duration("invalid", text, err);
	}
	*ret_ns = negative ? (int64_t)(0 - sum) : (int64_t)sum;
	return 0;
}

/* value/unit with the fraction's trailing zeros cut off. */
static void add_fraction(kt_buf *buf, uint64_t value, uint64_t unit, int digits, const char *name)
{
	char fraction[24];
	snprintf(fraction, sizeof(fraction), "%0*llu", digits, (unsigned long long)(value % unit));
	size_t len = digits > 0 ? strlen(fraction) : 0;
	while (len > 0 && fraction[len - 1] == '0') {
		len--;
	}
	fraction[len] = '\0';
	kt_buf_addf(buf, "%llu%s%s%s", (unsigned long long)(value / unit), len > 0 ? "." : "",
		    fraction, name);
}

void kt_buf_add_duration(kt_buf *buf, int64_t ns)
{
	uint64_t value = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
	if (value == 0) {
		kt_buf_adds(buf, "0s");
		return;
	}
	if (ns < 0) {
		kt_buf_addc(buf, '-');
	}
	if (value < 1000) {
		kt_buf_addf(buf, "%lluns", (unsigned long long)value);
	} else if (value < (uint64_t)KT_NS_PER_MS) {
		add_fraction(buf, value, 1000, 3, "\u00b5s");
	} else if (value < (uint64_t)KT_NS_PER_S) {
		add_fraction(buf, value, (uint64_t)KT_NS_PER_MS, 6, "ms");
	} else {
		uint64_t minute = 60 * (uint64_t)KT_NS_PER_S;
		uint64_t hours = value / (60 * minute);
		if (hours > 0) {
			kt_buf_addf(buf, "%lluh", (unsigned long long)hours);
		}
		if (value >= minute) {
			kt_buf_addf(buf, "%llum", (unsigned long long)(value / minute % 60));
		}
		add_fraction(buf, value % minute, (uint64_t)KT_NS_PER_S, 9, "s");
	}
}
