/*
 * The language's parsers of outside text. The first byte of the input chooses: json.decode (and
 * then encode), json.indent, time.parse_time (layout, newline, text), time.parse_duration,
 * `text % args`, str.format, float. Each must end in a value or an error.
 */
#include "fuzz.h"

#include "starlark/starlark.h"

static const char *const programs[] = {
	"json.encode(json.decode(text))",
	"json.indent(text, prefix='>')",
	"str(time.parse_time(text.partition('\\n')[2], text.partition('\\n')[0]))",
	"str(time.parse_duration(text))",
	"text % (1, 'two', 3.5, [4], {'k': 5}, None)",
	"text.format(1, 'two', k=3.5)",
	"str(float(text))",
	"time.time(year=2024, month=2, day=29, hour=13, nanosecond=5).format(text)",
	"[text.split(), text.rsplit(None, 2), text.title(), text.strip(), text.splitlines()]",
	"[text.upper(), text.replace('', '-'), list(text.codepoints()), repr(text)]",
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	kt_star_options options = {.memory_limit = 64 * 1024 * 1024, .step_limit = 100000};
	const char *program = programs[size == 0 ? 0 : data[0] % KT_ARRAY_LEN(programs)];
	kt_star *star = kt_star_new(&options, NULL);
	kt_sthread *t = kt_sthread_new(star);
	kt_val names = kt_dict_new(t, 4);
	kt_val text = kt_string_new(t, (const char *)data + (size > 0), size - (size > 0));

	KT_ASSERT(kt_dict_sets(t, names, "json", kt_json_module(t)) == 0 &&
		  kt_dict_sets(t, names, "time", kt_time_module(t)) == 0 &&
		  kt_dict_sets(t, names, "text", text) == 0);
	kt_val value = kt_star_eval(t, "fuzz", program, strlen(program), names);
	KT_ASSERT((value == KT_NULL) == (kt_sthread_error(t) != NULL));
	kt_star_free(star);
	return 0;
}
