/*
 * kurtosis github …: the token that private packages are read with. It is kept in a file that
 * only its owner can read and goes along with every run of a package.
 */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "cli/run_functions.h"
#include "cli/settings.h"
#include "cli/ui.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define USER_FILE "github-username"
#define TOKEN_FILE "github-auth-token"
#define TOKEN_MAX ((size_t)4096)

char *kt_github_token(kt_err *err)
{
	char *token = NULL;
	return kt_settings_line("STATE", TOKEN_FILE, &token, err) < 0 ? NULL : token;
}

/* The stored name; without one, words in its place. The caller frees; NULL with the error. */
static char *stored_user(kt_err *err)
{
	char *user = NULL;
	if (kt_settings_line("STATE", USER_FILE, &user, err) < 0) {
		return NULL;
	}
	if (user == NULL && (user = kt_strdup("(name not given)")) == NULL) {
		kt_err_nomem(err);
	}
	return user;
}

static int read_stdin(kt_buf *ret, kt_err *err)
{
	for (;;) {
		char data[512];
		ssize_t n = read(STDIN_FILENO, data, sizeof(data));
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return KT_FAIL_ERRNO(err, "the token cannot be read from stdin");
		}
		if (n == 0) {
			return 0;
		}
		kt_buf_add(ret, data, (size_t)n);
		if (kt_buf_check(ret, err) < 0) {
			return KT_WRAP(err, "what comes from stdin is too long for a token");
		}
	}
}

/* --token, then $GITHUB_TOKEN, then stdin unless that is a terminal. */
static int find_token(kt_cli *cli, kt_buf *ret, kt_err *err)
{
	const char *flag = kt_cli_str(cli, "token");
	const char *env = getenv("GITHUB_TOKEN");
	if (*flag != '\0' && strcmp(flag, "-") != 0) {
		kt_buf_adds(ret, flag);
	} else if (*flag == '\0' && !kt_str_empty(env)) {
		kt_buf_adds(ret, env);
	} else if (*flag == '-' || isatty(STDIN_FILENO) == 0) {
		if (read_stdin(ret, err) < 0) {
			return -1;
		}
	}
	while (ret->len > 0 && strchr(" \t\r\n", ret->data[ret->len - 1]) != NULL) {
		ret->data[--ret->len] = '\0';
	}
	if (ret->len == 0) {
		KT_FAIL(err, UNSUPPORTED,
			"logging in through the browser is not supported, because it needs an application "
			"registered with GitHub; a token is needed");
		kt_err_hint(err, "make a token at https://github.com/settings/tokens and run "
				 "`kurtosis github login < FILE` or set GITHUB_TOKEN");
		return -1;
	}
	for (const char *p = ret->data; *p != '\0'; p++) {
		if (*p <= ' ' || *p > '~') {
			return KT_FAIL(err, INVALID, "a token has no blanks or special characters");
		}
	}
	return kt_buf_check(ret, err);
}

int kt_cmd_github_login(kt_cli *cli, kt_err *err)
{
	KT_AUTO_BUF kt_buf token = KT_BUF_MAX(TOKEN_MAX);
	const char *user = kt_cli_str(cli, "username");
	KT_AUTO_FREE char *stored = NULL;
	if (kt_settings_line("STATE", TOKEN_FILE, &stored, err) < 0) {
		return -1;
	}
	if (stored != NULL && *kt_cli_str(cli, "token") == '\0') {
		KT_AUTO_FREE char *name = stored_user(err);
		if (name == NULL) {
			return -1;
		}
		kt_out(cli, "Logged in as GitHub user: %s\n", name);
		return 0;
	}
	if (find_token(cli, &token, err) < 0 ||
	    kt_settings_write("STATE", USER_FILE, user, 0644, err) < 0 ||
	    kt_settings_write("STATE", TOKEN_FILE, kt_buf_str(&token), 0600, err) < 0) {
		return KT_WRAP(err, "An error occurred logging in to GitHub");
	}
	kt_out(cli, "Successfully logged in GitHub user: %s\n", kt_str_or(user, "(name not given)"));
	return 0;
}

static int forget(const char *name, kt_err *err)
{
	KT_AUTO_FREE char *path = kt_settings_path("STATE", name, err);
	if (path == NULL) {
		return -1;
	}
	return unlink(path) < 0 && errno != ENOENT
		       ? KT_FAIL_ERRNO(err, "the file %s cannot be removed", path)
		       : 0;
}

int kt_cmd_github_logout(kt_cli *cli, kt_err *err)
{
	KT_AUTO_FREE char *token = NULL;
	if (kt_settings_line("STATE", TOKEN_FILE, &token, err) < 0) {
		return -1;
	}
	if (token == NULL) {
		kt_out(cli, "No GitHub user logged into Kurtosis CLI\n");
		return 0;
	}
	KT_AUTO_FREE char *user = stored_user(err);
	if (user == NULL || forget(TOKEN_FILE, err) < 0 || forget(USER_FILE, err) < 0) {
		return -1;
	}
	kt_out(cli, "Successfully logged GitHub user '%s' out of Kurtosis CLI\n", user);
	return 0;
}

int kt_cmd_github_status(kt_cli *cli, kt_err *err)
{
	KT_AUTO_FREE char *token = NULL;
	if (kt_settings_line("STATE", TOKEN_FILE, &token, err) < 0) {
		return -1;
	}
	KT_AUTO_FREE char *user = stored_user(err);
	if (user == NULL) {
		return -1;
	}
	if (token == NULL) {
		kt_out(cli, "No GitHub user logged into Kurtosis CLI\n");
	} else {
		kt_out(cli, "Logged in as GitHub user: %s\n", user);
	}
	return 0;
}

int kt_cmd_github_token(kt_cli *cli, kt_err *err)
{
	KT_AUTO_FREE char *token = NULL;
	if (kt_settings_line("STATE", TOKEN_FILE, &token, err) < 0) {
		return -1;
	}
	kt_out(cli, "%s\n", kt_str_or(token, "No GitHub user currently logged in."));
	return 0;
}
