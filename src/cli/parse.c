/* Words to command, flags and arguments, with the error texts of cobra and pflag. */
#include "cli/command.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define SUGGESTION_DISTANCE 2

const kt_command *kt_command_child(const kt_command *self, const char *name)
{
	for (size_t i = 0; i < self->child_count; i++) {
		if (strcmp(self->children[i].name, name) == 0) {
			return &self->children[i];
		}
	}
	return NULL;
}

/* --- reading values --------------------------------------------------------------------- */

/* A flag's place in cli->values: the command's own first, then the global ones. */
static const kt_flag *flag_at(const kt_command *command, size_t i)
{
	size_t global_count;
	const kt_flag *global = kt_global_flags(&global_count);
	if (i < command->flag_count) {
		return &command->flags[i];
	}
	return i - command->flag_count < global_count ? &global[i - command->flag_count] : NULL;
}

static ssize_t find_flag(const kt_command *command, const char *name, size_t len, char letter)
{
	const kt_flag *flag;
	for (size_t i = 0; (flag = flag_at(command, i)) != NULL; i++) {
		if (letter != 0
			    ? flag->letter == letter
			    : strlen(flag->name) == len && strncmp(flag->name, name, len) == 0) {
			return (ssize_t)i;
		}
	}
	return -1;
}

static const char *value_of(const kt_cli *cli, const char *name, bool *ret_given)
{
	ssize_t i = find_flag(cli->command, name, strlen(name), 0);
	KT_ASSERT(i >= 0);
	const char *value = (size_t)i < cli->values.len ? cli->values.items[i] : NULL;
	if (ret_given != NULL) {
		*ret_given = value != NULL;
	}
	return value != NULL ? value : flag_at(cli->command, (size_t)i)->fallback;
}

bool kt_cli_has(const kt_cli *cli, const char *flag)
{
	return find_flag(cli->command, flag, strlen(flag), 0) >= 0;
}

const char *kt_cli_str(const kt_cli *cli, const char *flag)
{
	return value_of(cli, flag, NULL);
}

static bool parse_bool(const char *text, bool *ret)
{
	static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
	static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};
	for (size_t i = 0; i < KT_ARRAY_LEN(yes); i++) {
		if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
			*ret = strcmp(text, yes[i]) == 0;
			return true;
		}
	}
	return false;
}

bool kt_cli_bool(const kt_cli *cli, const char *flag)
{
	bool value = false;
	parse_bool(value_of(cli, flag, NULL), &value);
	return value;
}

/* Go's ParseUint with base 0. NULL when it is one, else what is wrong. */
static const char *parse_uint(const char *text, uint64_t max, uint64_t *ret)
{
	static const char bad[] = "invalid syntax";
	int base = 10;
	const char *digits = text;
	if (text[0] == '0' && text[1] != '\0') {
		char c = (char)tolower((unsigned char)text[1]);
		base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
		digits = text + (c == 'x' || c == 'b' || c == 'o' ? 2 : 1);
	}
	uint64_t value = 0;
	bool over = false;
	bool any = false;
	for (const char *p = digits; *p != '\0'; p++) {
		char c = (char)tolower((unsigned char)*p);
		if (c == '_' && base != 10) {
			continue;
		}
		int digit = isdigit((unsigned char)c) ? c - '0'
			    : c >= 'a' && c <= 'f'    ? c - 'a' + 10
						      : 99;
		if (digit >= base) {
			return bad;
		}
		any = true;
		over = over || value > (UINT64_MAX - (uint64_t)digit) / (uint64_t)base;
		value = over ? value : value * (uint64_t)base + (uint64_t)digit;
	}
	if (!any) {
		return bad;
	}
	*ret = value;
	return over || value > max ? "value out of range" : NULL;
}

uint32_t kt_cli_u32(const kt_cli *cli, const char *flag)
{
	uint64_t value = 0;
	parse_uint(value_of(cli, flag, NULL), UINT32_MAX, &value);
	return (uint32_t)value;
}

bool kt_cli_given(const kt_cli *cli, const char *flag)
{
	bool given;
	value_of(cli, flag, &given);
	return given;
}

const char *kt_cli_arg(const kt_cli *cli, const char *key)
{
	const kt_command *command = cli->command;
	for (size_t i = 0; i < command->arg_count; i++) {
		if (strcmp(command->args[i].key, key) == 0) {
			return i < cli->args.len ? cli->args.items[i] : command->args[i].fallback;
		}
	}
	KT_BUG("no such argument");
}

size_t kt_cli_rest(const kt_cli *cli, const char *const **ret)
{
	size_t before = cli->command->arg_count - 1;
	if (cli->args.len <= before) {
		*ret = NULL;
		return 0;
	}
	*ret = cli->args.items + before;
	return cli->args.len - before;
}

/* --- flags ------------------------------------------------------------------------------ */

static int bad_value(const kt_flag *flag, const char *text, const char *function, const char *why,
		     kt_err *err)
{
	KT_AUTO_BUF kt_buf name = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf quoted = KT_BUF_INIT;
	if (flag->letter != 0) {
		kt_buf_addf(&name, "-%c, ", flag->letter);
	}
	kt_buf_addf(&name, "--%s", flag->name);
	kt_buf_add_quoted(&quoted, text, strlen(text));
	return KT_FAIL(err, INVALID, "invalid argument %s for \"%s\" flag: strconv.%s: parsing %s: %s",
		       kt_buf_str(&quoted), kt_buf_str(&name), function, kt_buf_str(&quoted), why);
}

static int set_flag(kt_cli *cli, size_t i, const char *value, kt_err *err)
{
	const kt_flag *flag = flag_at(cli->command, i);
	bool yes;
	uint64_t number;
	const char *why = NULL;
	switch (flag->type) {
	case KT_FLAG_BOOL:
		if (!parse_bool(value, &yes)) {
			return bad_value(flag, value, "ParseBool", "invalid syntax", err);
		}
		break;
	case KT_FLAG_UINT32:
		why = parse_uint(value, UINT32_MAX, &number);
		break;
	case KT_FLAG_UINT8:
		why = parse_uint(value, UINT8_MAX, &number);
		break;
	case KT_FLAG_STRING:
		break;
	}
	if (why != NULL) {
		return bad_value(flag, value, "ParseUint", why, err);
	}
	cli->values.items[i] = value;
	cli->help = cli->help || (strcmp(flag->name, "help") == 0 && kt_cli_bool(cli, "help"));
	return 0;
}

/* "--name", "--name=value", "--name value". *at is the word's index and moves past the value. */
static int long_flag(kt_cli *cli, char **words, int count, int *at, kt_err *err)
{
	const char *word = words[*at] + 2;
	const char *equals = strchr(word, '=');
	size_t len = equals != NULL ? (size_t)(equals - word) : strlen(word);
	if (len == 0 || word[0] == '-') {
		return KT_FAIL(err, INVALID, "bad flag syntax: --%s", word);
	}
	ssize_t i = find_flag(cli->command, word, len, 0);
	if (i < 0) {
		return KT_FAIL(err, INVALID, "unknown flag: --%.*s", (int)len, word);
	}
	if (equals != NULL) {
		return set_flag(cli, (size_t)i, equals + 1, err);
	}
	if (flag_at(cli->command, (size_t)i)->type == KT_FLAG_BOOL) {
		return set_flag(cli, (size_t)i, "true", err);
	}
	if (*at + 1 >= count) {
		return KT_FAIL(err, INVALID, "flag needs an argument: --%s", word);
	}
	return set_flag(cli, (size_t)i, words[++*at], err);
}

/* "-abc", "-n5", "-n=5", "-n 5". */
static int short_flags(kt_cli *cli, char **words, int count, int *at, kt_err *err)
{
	const char *word = words[*at];
	for (const char *p = word + 1; *p != '\0'; p++) {
		ssize_t i = find_flag(cli->command, NULL, 0, *p);
		if (i < 0) {
			return KT_FAIL(err, INVALID, "unknown shorthand flag: '%c' in %s", *p, word);
		}
		if (p[1] == '=') {
			return set_flag(cli, (size_t)i, p + 2, err);
		}
		if (flag_at(cli->command, (size_t)i)->type == KT_FLAG_BOOL) {
			if (set_flag(cli, (size_t)i, "true", err) < 0) {
				return -1;
			}
			continue;
		}
		if (p[1] != '\0') {
			return set_flag(cli, (size_t)i, p + 1, err);
		}
		if (*at + 1 >= count) {
			return KT_FAIL(err, INVALID, "flag needs an argument: '%c' in %s", *p, word);
		}
		return set_flag(cli, (size_t)i, words[++*at], err);
	}
	return 0;
}

static int read_words(kt_cli *cli, char **words, int count, kt_err *err)
{
	const kt_flag *flag;
	for (size_t i = 0; (flag = flag_at(cli->command, i)) != NULL; i++) {
		if (kt_vec_push(&cli->values, NULL) < 0) {
			return kt_err_nomem(err);
		}
	}
	bool flags_over = false;
	for (int i = 0; i < count; i++) {
		const char *word = words[i];
		int rc = 0;
		if (flags_over || word[0] != '-' || word[1] == '\0') {
			rc = kt_vec_push(&cli->args, word) < 0 ? kt_err_nomem(err) : 0;
		} else if (strcmp(word, "--") == 0) {
			flags_over = true;
		} else if (word[1] == '-') {
			rc = long_flag(cli, words, count, &i, err);
		} else {
			rc = short_flags(cli, words, count, &i, err);
		}
		if (rc < 0) {
			return -1;
		}
	}
	return 0;
}

/* --- command ---------------------------------------------------------------------------- */

/* Whether the word is a flag that takes the next word as its value. */
static bool takes_next(const kt_command *command, const char *word)
{
	if (strchr(word, '=') != NULL) {
		return false;
	}
	ssize_t i = -1;
	if (word[1] == '-') {
		i = find_flag(command, word + 2, strlen(word + 2), 0);
	} else if (word[2] == '\0') {
		i = find_flag(command, NULL, 0, word[1]);
	}
	return i >= 0 && flag_at(command, (size_t)i)->type != KT_FLAG_BOOL;
}

/* The index of the first word that is neither a flag nor a flag's value; count if there is none. */
static int first_plain_word(const kt_command *command, char **words, int count)
{
	for (int i = 0; i < count; i++) {
		if (strcmp(words[i], "--") == 0) {
			return count;
		}
		if (words[i][0] != '-' || words[i][1] == '\0') {
			return i;
		}
		if (takes_next(command, words[i])) {
			i++;
		}
	}
	return count;
}

static int unknown_command(const kt_command *root, const char *word, kt_err *err)
{
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	KT_AUTO_FREE char *lower = kt_strdup(word);
	if (lower == NULL) {
		return kt_err_nomem(err);
	}
	for (char *p = lower; *p != '\0'; p++) {
		*p = (char)tolower((unsigned char)*p);
	}
	kt_buf_adds(&text, "unknown command ");
	kt_buf_add_quoted(&text, word, strlen(word));
	kt_buf_addf(&text, " for \"%s\"", root->name);
	bool any = false;
	for (size_t i = 0; i < root->child_count; i++) {
		const kt_command *child = &root->children[i];
		bool near = kt_str_distance(lower, child->name, SUGGESTION_DISTANCE) <=
			    SUGGESTION_DISTANCE;
		if (child->hidden || (!near && !kt_str_starts(child->name, lower))) {
			continue;
		}
		kt_buf_adds(&text, any ? "" : "\n\nDid you mean this?\n");
		kt_buf_addf(&text, "\t%s\n", child->name);
		any = true;
	}
	return KT_FAIL(err, INVALID, "%s", kt_buf_str(&text));
}

void kt_command_args_text(const kt_command *command, kt_buf *out)
{
	for (size_t i = 0; i < command->arg_count; i++) {
		const kt_arg *arg = &command->args[i];
		bool optional = (arg->flags & KT_ARG_OPTIONAL) != 0;
		kt_buf_addf(out, "%s%s%s%s%s", i > 0 ? " " : "", optional ? "[" : "", arg->key,
			    (arg->flags & KT_ARG_GREEDY) != 0 ? "..." : "", optional ? "]" : "");
	}
}

static int check_count(const kt_cli *cli, kt_err *err)
{
	const kt_command *command = cli->command;
	size_t max = command->arg_count;
	unsigned last = max > 0 ? command->args[max - 1].flags : 0;
	size_t min = (last & KT_ARG_OPTIONAL) != 0 ? max - 1 : max;
	size_t got = cli->args.len;
	if (command->kind == KT_COMMAND_GROUP || command->kind == KT_COMMAND_PLAIN) {
		return 0;
	}
	if ((last & KT_ARG_GREEDY) != 0) {
		return got >= min ? 0
				  : KT_FAIL(err, INVALID,
					    "requires at least %zu arg(s), only received %zu", min, got);
	}
	if (got >= min && got <= max) {
		return 0;
	}
	KT_AUTO_BUF kt_buf args = KT_BUF_INIT;
	kt_command_args_text(command, &args);
	return KT_FAIL(err, INVALID,
		       "this command accepts between %zu and %zu arg(s), received %zu.\n"
		       "Usage: %s %s\nRun '%s --help' for more usage details.",
		       min, max, got, cli->path, kt_buf_str(&args), cli->path);
}

int kt_cli_parse(kt_cli *cli, bool *ret_suggest_help, kt_err *err)
{
	const kt_command *root = kt_commands();
	KT_AUTO_BUF kt_buf path = KT_BUF_INIT;
	KT_AUTO_FREE char **words = kt_alloc_array((size_t)cli->argc + 1, sizeof(*words));
	if (words == NULL) {
		return kt_err_nomem(err);
	}
	int count = cli->argc > 0 ? cli->argc - 1 : 0;
	for (int i = 0; i < count; i++) {
		words[i] = cli->argv[i + 1];
	}
	cli->command = root;
	kt_buf_adds(&path, cli->program);
	for (;;) {
		int i = first_plain_word(cli->command, words, count);
		const kt_command *child =
			i < count ? kt_command_child(cli->command, words[i]) : NULL;
		if (child == NULL && i < count && cli->command == root) {
			*ret_suggest_help = true;
			return unknown_command(root, words[i], err);
		}
		if (child == NULL) {
			break;
		}
		memmove(words + i, words + i + 1, (size_t)(count - i - 1) * sizeof(*words));
		count--;
		cli->command = child;
		kt_buf_addf(&path, " %s", child->name);
	}
	cli->path = kt_buf_take(&path);
	if (cli->path == NULL) {
		return kt_err_nomem(err);
	}
	if (read_words(cli, words, count, err) < 0) {
		return -1;
	}
	return cli->help ? 0 : check_count(cli, err);
}
