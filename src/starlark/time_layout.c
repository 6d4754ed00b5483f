/* Layouts: taking them apart, and printing moments by them. Reading is in time_parse.c. */
#include "starlark/time_internal.h"

#include "base/num.h"

const char *const kt_month_names[12] = {"January", "February", "March",     "April",
					"May",     "June",     "July",      "August",
					"September", "October", "November", "December"};
const char *const kt_weekday_names[7] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
					 "Thursday", "Friday", "Saturday"};

/* ---- taking apart ------------------------------------------------------------ */

typedef struct element {
	const char *text;
	kt_layout_kind kind;
	bool whole_word; /* no lower-case letter may follow */
	bool z, colon;
	int parts;
} element;

/* Of two that match at a place the longer one stands first. */
static const element elements[] = {
	{"January", KT_LAYOUT_LONG_MONTH, false, false, false, 0},
	{"Jan", KT_LAYOUT_MONTH, true, false, false, 0},
	{"Monday", KT_LAYOUT_LONG_WEEKDAY, false, false, false, 0},
	{"Mon", KT_LAYOUT_WEEKDAY, true, false, false, 0},
	{"MST", KT_LAYOUT_ABBREVIATION, false, false, false, 0},
	{"01", KT_LAYOUT_ZERO_MONTH, false, false, false, 0},
	{"02", KT_LAYOUT_ZERO_DAY, false, false, false, 0},
	{"03", KT_LAYOUT_ZERO_HOUR12, false, false, false, 0},
	{"04", KT_LAYOUT_ZERO_MINUTE, false, false, false, 0},
	{"05", KT_LAYOUT_ZERO_SECOND, false, false, false, 0},
	{"06", KT_LAYOUT_YEAR, false, false, false, 0},
	{"002", KT_LAYOUT_ZERO_YEARDAY, false, false, false, 0},
	{"15", KT_LAYOUT_HOUR, false, false, false, 0},
	{"1", KT_LAYOUT_NUM_MONTH, false, false, false, 0},
	{"2006", KT_LAYOUT_LONG_YEAR, false, false, false, 0},
	{"2", KT_LAYOUT_DAY, false, false, false, 0},
	{"_2", KT_LAYOUT_UNDER_DAY, false, false, false, 0},
	{"__2", KT_LAYOUT_UNDER_YEARDAY, false, false, false, 0},
	{"3", KT_LAYOUT_HOUR12, false, false, false, 0},
	{"4", KT_LAYOUT_MINUTE, false, false, false, 0},
	{"5", KT_LAYOUT_SECOND, false, false, false, 0},
	{"PM", KT_LAYOUT_PM, false, false, false, 0},
	{"pm", KT_LAYOUT_PM_LOWER, false, false, false, 0},
	{"-070000", KT_LAYOUT_OFFSET, false, false, false, 3},
	{"-07:00:00", KT_LAYOUT_OFFSET, false, false, true, 3},
	{"-0700", KT_LAYOUT_OFFSET, false, false, false, 2},
	{"-07:00", KT_LAYOUT_OFFSET, false, false, true, 2},
	{"-07", KT_LAYOUT_OFFSET, false, false, false, 1},
	{"Z070000", KT_LAYOUT_OFFSET, false, true, false, 3},
	{"Z07:00:00", KT_LAYOUT_OFFSET, false, true, true, 3},
	{"Z0700", KT_LAYOUT_OFFSET, false, true, false, 2},
	{"Z07:00", KT_LAYOUT_OFFSET, false, true, true, 2},
	{"Z07", KT_LAYOUT_OFFSET, false, true, false, 1},
};

static bool is_digit_at(kt_text text, size_t at)
{
	return at < text.len && text.data[at] >= '0' && text.data[at] <= '9';
}

/* .000 or ,999: a run of one digit, 0 or 9, that no other digit follows. */
static bool fraction_at(kt_text layout, size_t at, kt_layout_item *ret)
{
	char first = layout.data[at];
	size_t end = at + 1;

	if ((first != '.' && first != ',') || end >= layout.len ||
	    (layout.data[end] != '0' && layout.data[end] != '9')) {
		return false;
	}
	char digit = layout.data[end];
	while (end < layout.len && layout.data[end] == digit) {
		end++;
	}
	if (is_digit_at(layout, end)) {
		return false;
	}
	*ret = (kt_layout_item){.kind = KT_LAYOUT_FRACTION,
				.start = at,
				.end = end,
				.digits = (int)(end - at - 1),
				.separator = first,
				.trim = digit == '9'};
	return true;
}

static bool element_at(kt_text layout, size_t at, kt_layout_item *ret)
{
	kt_text rest = kt_text_sub(layout, at, layout.len);

	for (size_t i = 0; i < KT_ARRAY_LEN(elements); i++) {
		const element *e = &elements[i];
		if (e->text[0] != rest.data[0]) {
			continue;
		}
		size_t len = strlen(e->text);
		if (!kt_text_starts(rest, (kt_text){e->text, len})) {
			continue;
		}
		if (e->whole_word && rest.len > len && rest.data[len] >= 'a' &&
		    rest.data[len] <= 'z') {
			continue;
		}
		/* An underscore before a year is literal. */
		if (e->kind == KT_LAYOUT_UNDER_DAY && kt_text_starts(rest, (kt_text){"_2006", 5})) {
			return false;
		}
		*ret = (kt_layout_item){.kind = e->kind,
					.start = at,
					.end = at + len,
					.z = e->z,
					.colon = e->colon,
					.parts = e->parts};
		return true;
	}
	return false;
}

kt_layout_item kt_layout_next(kt_text layout)
{
	kt_layout_item item = {.kind = KT_LAYOUT_END, .start = layout.len, .end = layout.len};

	for (size_t at = 0; at < layout.len; at++) {
		char c = layout.data[at];
		if (c == '\0' || strchr("JM012345_Pp-Z.,", c) == NULL) {
			continue; /* no element starts so */
		}
		if (element_at(layout, at, &item) || fraction_at(layout, at, &item)) {
			break;
		}
	}
	return item;
}

/* ---- printing ---------------------------------------------------------------- */

static void add_padded(kt_buf *out, int64_t value, int width, char pad)
{
	char text[24];
	int n = 0;
	uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

	if (value < 0) {
		kt_buf_addc(out, '-');
	}
	do {
		text[n++] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest != 0);
	for (int i = n; i < width; i++) {
		kt_buf_addc(out, pad);
	}
	while (n > 0) {
		kt_buf_addc(out, text[--n]);
	}
}

static void add_offset(kt_buf *out, int64_t offset, const kt_layout_item *item)
{
	if (item->z && offset == 0) {
		kt_buf_addc(out, 'Z');
		return;
	}
	/* The sign is that of the whole minutes. */
	int64_t minutes = offset / 60;
	int64_t seconds = offset;
	kt_buf_addc(out, minutes < 0 ? '-' : '+');
	if (minutes < 0) {
		minutes = -minutes;
		seconds = -seconds;
	}
	add_padded(out, minutes / 60, 2, '0');
	if (item->parts >= 2) {
		kt_buf_adds(out, item->colon ? ":" : "");
		add_padded(out, minutes % 60, 2, '0');
	}
	if (item->parts >= 3) {
		kt_buf_adds(out, item->colon ? ":" : "");
		add_padded(out, seconds % 60, 2, '0');
	}
}

static void add_fraction(kt_buf *out, int32_t nanos, const kt_layout_item *item)
{
	char digits[16];
	int n = item->digits;

	if (item->trim && (n == 0 || nanos == 0)) {
		return;
	}
	snprintf(digits, sizeof(digits), "%09d", nanos);
	n = KT_MIN(n, 9);
	while (item->trim && n > 0 && digits[n - 1] == '0') {
		n--;
	}
	if (n > 0 || !item->trim) {
		kt_buf_addc(out, item->separator);
		kt_buf_add(out, digits, (size_t)n);
	}
}

static void add_clock(kt_buf *out, const kt_civil *c, kt_layout_kind kind)
{
	int hour12 = c->hour % 12 == 0 ? 12 : c->hour % 12;

	switch (kind) {
	case KT_LAYOUT_HOUR:
		add_padded(out, c->hour, 2, '0');
		break;
	case KT_LAYOUT_HOUR12:
		add_padded(out, hour12, 0, '0');
		break;
	case KT_LAYOUT_ZERO_HOUR12:
		add_padded(out, hour12, 2, '0');
		break;
	case KT_LAYOUT_MINUTE:
		add_padded(out, c->minute, 0, '0');
		break;
	case KT_LAYOUT_ZERO_MINUTE:
		add_padded(out, c->minute, 2, '0');
		break;
	case KT_LAYOUT_SECOND:
		add_padded(out, c->second, 0, '0');
		break;
	case KT_LAYOUT_ZERO_SECOND:
		add_padded(out, c->second, 2, '0');
		break;
	case KT_LAYOUT_PM:
		kt_buf_adds(out, c->hour >= 12 ? "PM" : "AM");
		break;
	default:
		kt_buf_adds(out, c->hour >= 12 ? "pm" : "am");
		break;
	}
}

static void add_date(kt_buf *out, const kt_civil *c, kt_layout_kind kind)
{
	switch (kind) {
	case KT_LAYOUT_LONG_MONTH:
		kt_buf_adds(out, kt_month_names[c->month - 1]);
		break;
	case KT_LAYOUT_MONTH:
		kt_buf_add(out, kt_month_names[c->month - 1], 3);
		break;
	case KT_LAYOUT_NUM_MONTH:
		add_padded(out, c->month, 0, '0');
		break;
	case KT_LAYOUT_ZERO_MONTH:
		add_padded(out, c->month, 2, '0');
		break;
	case KT_LAYOUT_LONG_WEEKDAY:
		kt_buf_adds(out, kt_weekday_names[c->weekday]);
		break;
	case KT_LAYOUT_WEEKDAY:
		kt_buf_add(out, kt_weekday_names[c->weekday], 3);
		break;
	case KT_LAYOUT_DAY:
		add_padded(out, c->day, 0, '0');
		break;
	case KT_LAYOUT_UNDER_DAY:
		add_padded(out, c->day, 2, ' ');
		break;
	case KT_LAYOUT_ZERO_DAY:
		add_padded(out, c->day, 2, '0');
		break;
	case KT_LAYOUT_UNDER_YEARDAY:
		add_padded(out, c->year_day, 3, ' ');
		break;
	case KT_LAYOUT_ZERO_YEARDAY:
		add_padded(out, c->year_day, 3, '0');
		break;
	case KT_LAYOUT_LONG_YEAR:
		add_padded(out, c->year, 4, '0');
		break;
	default:
		add_padded(out, llabs(c->year % 100), 2, '0');
		break;
	}
}

static void add_abbreviation(kt_buf *out, const kt_zone *zone)
{
	static const kt_layout_item numeric = {.parts = 2};

	if (zone->name[0] != '\0') {
		kt_buf_adds(out, zone->name);
	} else {
		add_offset(out, zone->offset, &numeric);
	}
}

static bool is_clock(kt_layout_kind kind)
{
	return (kind >= KT_LAYOUT_HOUR && kind <= KT_LAYOUT_ZERO_SECOND) || kind == KT_LAYOUT_PM ||
	       kind == KT_LAYOUT_PM_LOWER;
}

void kt_moment_format(kt_buf *out, kt_moment moment, kt_text layout)
{
	kt_zone zone = kt_location_lookup(moment.location, moment.seconds);
	kt_civil civil = kt_civil_of((int64_t)((uint64_t)moment.seconds + (uint64_t)zone.offset));

	for (;;) {
		kt_layout_item item = kt_layout_next(layout);
		kt_buf_add(out, layout.data, item.start);
		if (item.kind == KT_LAYOUT_END) {
			return;
		}
		if (item.kind == KT_LAYOUT_OFFSET) {
			add_offset(out, zone.offset, &item);
		} else if (item.kind == KT_LAYOUT_FRACTION) {
			add_fraction(out, moment.nanos, &item);
		} else if (item.kind == KT_LAYOUT_ABBREVIATION) {
			add_abbreviation(out, &zone);
		} else if (is_clock(item.kind)) {
			add_clock(out, &civil, item.kind);
		} else {
			add_date(out, &civil, item.kind);
		}
		layout = kt_text_sub(layout, item.end, layout.len);
	}
}
