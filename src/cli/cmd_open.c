/*
 * kurtosis docs, discord, twitter, feedback: pages on the web. A browser is opened only from a
 * desktop's terminal; everywhere else the address is printed.
 */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "cli/run_functions.h"
#include "cli/ui.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

/* Starts the desktop's opener and does not wait for it. */
static bool open_browser(const char *url)
{
	char *argv[] = {(char *)(uintptr_t) "xdg-open", (char *)(uintptr_t)url, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	pid_t pid;
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	for (int fd = 0; fd < 3; fd++) {
		posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
	}
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID);
	int rc = posix_spawnp(&pid, argv[0], &actions, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return rc == 0;
}

static int show(kt_cli *cli, const char *url)
{
	bool desktop = !kt_str_empty(getenv("DISPLAY")) || !kt_str_empty(getenv("WAYLAND_DISPLAY"));
	if (!cli->interactive || !desktop || !open_browser(url)) {
		kt_out(cli, "%s\n", url);
	}
	return 0;
}

int kt_cmd_open(kt_cli *cli, kt_err *err)
{
	static const struct {
		const char *command;
		const char *url;
	} pages[] = {
		{"discord", "https://discord.gg/6Jjp9c89z9"},
		{"docs", "https://docs.kurtosis.com"},
		{"twitter", "https://twitter.com/KurtosisTech"},
	};
	for (size_t i = 0; i < KT_ARRAY_LEN(pages); i++) {
		if (strcmp(pages[i].command, cli->command->name) == 0) {
			return show(cli, pages[i].url);
		}
	}
	return KT_FAIL(err, INTERNAL, "there is no page for '%s'", cli->command->name);
}

/* Adds text as a value of a URL's query. */
static void add_query(kt_buf *out, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
		bool plain = (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') ||
			     (*p >= 'A' && *p <= 'Z') || strchr("-_.~", *p) != NULL;
		if (plain) {
			kt_buf_addc(out, (char)*p);
		} else {
			kt_buf_addf(out, "%%%02X", *p);
		}
	}
}

int kt_cmd_feedback(kt_cli *cli, kt_err *err)
{
	static const char *const kinds[] = {"bug", "feature", "docs"};
	KT_AUTO_BUF kt_buf url = KT_BUF_INIT;
	const char *kind = NULL;
	for (size_t i = 0; i < KT_ARRAY_LEN(kinds); i++) {
		if (!kt_cli_bool(cli, kinds[i])) {
			continue;
		}
		if (kind != NULL) {
			return KT_FAIL(err, INVALID, "only one of --bug, --feature and --docs can be given");
		}
		kind = kinds[i];
	}
	if (kt_cli_bool(cli, "email") || kt_cli_bool(cli, "calendly")) {
		return KT_FAIL(err, UNSUPPORTED,
			       "feedback is taken as GitHub issues only: leave --%s out",
			       kt_cli_bool(cli, "email") ? "email" : "calendly");
	}
	kt_buf_adds(&url, "https://github.com/kurtosis-tech/kurtosis/issues/new");
	if (kind != NULL) {
		kt_buf_addf(&url, "?labels=%s", kind);
	}
	if (cli->args.len > 0) {
		kt_buf_adds(&url, kind != NULL ? "&title=" : "?title=");
		add_query(&url, cli->args.items[0]);
	}
	return kt_buf_check(&url, err) < 0 ? -1 : show(cli, kt_buf_str(&url));
}
