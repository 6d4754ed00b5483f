/*
 * The framework of the commands: what a command is (a row), what it gets when it runs (kt_cli).
 *
 * All commands stand in one tree of const rows (commands.c); parsing, help, suggestions and
 * completion read them.
 */
#ifndef KT_CLI_COMMAND_H
#define KT_CLI_COMMAND_H

#include "base/err.h"
#include "base/thread.h"
#include "base/vec.h"

typedef struct kt_cli kt_cli;
typedef struct kt_command kt_command;

typedef enum kt_flag_type {
	KT_FLAG_BOOL,
	KT_FLAG_STRING,
	KT_FLAG_UINT32,
	KT_FLAG_UINT8,
} kt_flag_type;

/* A flag. In usage the first word in back-quotes names the value in the help. */
typedef struct kt_flag {
	const char *name;
	char letter; /* 0 = none */
	kt_flag_type type;
	const char *fallback; /* as text */
	const char *usage;
} kt_flag;

/* What a positional argument stands for: decides completion and checks before the run. */
typedef enum kt_arg_kind {
	KT_ARG_TEXT,
	KT_ARG_ENCLAVE,
	KT_ARG_SERVICE,
	KT_ARG_SERVICE_EVER, /* also services that are gone */
	KT_ARG_ARTIFACT,
	KT_ARG_CLUSTER,
	KT_ARG_CONTEXT,
	KT_ARG_PATH,
	KT_ARG_EXISTING_PATH, /* of a file or directory, or a github.com locator */
} kt_arg_kind;

enum {
	KT_ARG_OPTIONAL = 1 << 0,
	KT_ARG_GREEDY = 1 << 1, /* takes all that follow; the last one only */
};

typedef struct kt_arg {
	const char *key;
	kt_arg_kind kind;
	unsigned flags;
	const char *fallback;
} kt_arg;

typedef enum kt_command_kind {
	KT_COMMAND_GROUP,
	KT_COMMAND_PLAIN,  /* ignores extra arguments */
	KT_COMMAND_LOCAL,  /* needs no engine */
	KT_COMMAND_ENGINE, /* starts the engine when none runs */
} kt_command_kind;

/* What run returns beside 0 and -1: it failed and the user has been told. */
#define KT_CLI_TOLD 1

struct kt_command {
	const char *name;
	kt_command_kind kind;
	const char *brief;
	const char *about; /* NULL = brief */
	const kt_flag *flags;
	size_t flag_count;
	const kt_arg *args;
	size_t arg_count;
	const kt_command *children;
	size_t child_count;
	int (*run)(kt_cli *cli, kt_err *err); /* NULL = not there */
	const char *refusal;		      /* why not, after "'…' is not supported: " */
	bool hidden;
};

/* The root of the tree: its children are in the order of suggestions. */
const kt_command *kt_commands(void);
const kt_flag *kt_global_flags(size_t *ret_count);

/* One invocation. */
struct kt_cli {
	const char *program;       /* as called */
	const kt_command *command; /* found */
	char *path;                /* "kurtosis enclave ls" */
	char **argv;               /* borrowed */
	int argc;
	KT_VEC(const char *)
	values; /* of the command's flags, then the global ones; NULL = default */
	KT_VEC(const char *) args;
	bool help;
	bool color;       /* stdout shows colours */
	bool log_color;   /* stderr does */
	bool interactive; /* progress may be drawn */
	int log_level;    /* kt_cli_level */
	struct kt_remote *remote; /* connections; see client.h */
};

/* Whether the command has a flag of that name. The functions after it are for flags that it has. */
bool kt_cli_has(const kt_cli *cli, const char *flag);
/* A flag of the command or a global one, by name. */
const char *kt_cli_str(const kt_cli *cli, const char *flag);
bool kt_cli_bool(const kt_cli *cli, const char *flag);
uint32_t kt_cli_u32(const kt_cli *cli, const char *flag);
bool kt_cli_given(const kt_cli *cli, const char *flag);
/* A positional argument by its key; the default when it is missing. */
const char *kt_cli_arg(const kt_cli *cli, const char *key);
/* The values of the greedy last argument. */
size_t kt_cli_rest(const kt_cli *cli, const char *const **ret);

/*
 * Finds the command and reads flags and arguments. -1 with the text to show; *ret_suggest_help
 * asks for the line "Run 'kurtosis --help' for usage." after it.
 */
int kt_cli_parse(kt_cli *cli, bool *ret_suggest_help, kt_err *err);
/* Looks the children up by name. */
const kt_command *kt_command_child(const kt_command *self, const char *name);

/* Prints a command's help to stdout. */
void kt_cli_help(kt_cli *cli, const kt_command *command, const char *path);
/* "enclave service..." as in usage lines. */
void kt_command_args_text(const kt_command *command, kt_buf *out);

/* `kurtosis completion SHELL` and the hidden `__complete` behind its scripts. */
int kt_cli_completion(kt_cli *cli, kt_err *err);
int kt_cli_complete(kt_cli *cli, bool descriptions);

#endif
