/* The make-believe shell: just enough for tests to see cause and effect. */
#include "backend/fake/fake_internal.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#define MAX_WORDS 64
#define MAX_FILE (1U << 20)

bool fake_read_file(fake_backend *self, const fake_service *service, const char *path, kt_buf *out)
{
	for (size_t i = self->files.len; i-- > 0;) {
		const fake_file *file = &self->files.items[i];
		if (kt_str_eq(file->service, service->info.name) && kt_str_eq(file->path, path)) {
			kt_buf_adds(out, file->content);
			return true;
		}
	}
	for (size_t i = service->files_len; i-- > 0;) {
		const kt_file_mount *mount = &service->files[i];
		size_t len = strlen(mount->mount_path);
		if (!kt_str_starts(path, mount->mount_path) || path[len] != '/') {
			continue;
		}
		KT_AUTO_FREE char *host = kt_path_join(mount->host_dir, path + len + 1);
		if (host != NULL && kt_fs_read(host, MAX_FILE, out, NULL) == 0) {
			return true;
		}
	}
	return false;
}

static void echo(const char *const *argv, kt_buf *out)
{
	bool newline = !kt_str_eq(argv[1], "-n");
	for (size_t i = newline ? 1 : 2; argv[i] != NULL; i++) {
		kt_buf_addf(out, "%s%s", argv[i], argv[i + 1] != NULL ? " " : "");
	}
	kt_buf_adds(out, newline ? "\n" : "");
}

static int cat(fake_backend *self, fake_service *service, const char *const *argv, kt_buf *out)
{
	int code = 0;
	for (size_t i = 1; argv[i] != NULL; i++) {
		if (!fake_read_file(self, service, argv[i], out)) {
			kt_buf_addf(out, "cat: %s: No such file or directory\n", argv[i]);
			code = 1;
		}
	}
	return code;
}

static int script(fake_backend *self, fake_service *service, const char *text, kt_buf *out);

int fake_shell(fake_backend *self, fake_service *service, const char *const *argv, kt_buf *out)
{
	if (argv[0] == NULL) {
		return 127;
	}
	const char *name = kt_path_base(argv[0]);
	if (kt_str_eq(name, "echo")) {
		echo(argv, out);
		return 0;
	}
	if (kt_str_eq(name, "printf")) {
		kt_buf_adds(out, kt_str_or(argv[1], ""));
		return 0;
	}
	if (kt_str_eq(name, "true") || kt_str_eq(name, "false")) {
		return name[0] == 't' ? 0 : 1;
	}
	if (kt_str_eq(name, "exit")) {
		return argv[1] != NULL ? atoi(argv[1]) : 0;
	}
	if (kt_str_eq(name, "cat") && argv[1] != NULL) {
		return cat(self, service, argv, out);
	}
	if (kt_str_eq(name, "sleep") || kt_str_eq(name, "cat")) {
		return FAKE_RUNS_ON;
	}
	if ((kt_str_eq(name, "sh") || kt_str_eq(name, "bash")) && kt_str_eq(argv[1], "-c") &&
	    argv[2] != NULL) {
		return script(self, service, argv[2], out);
	}
	kt_buf_addf(out, "%s: not found\n", argv[0]);
	return 127;
}

/* Splits a command into words, undoing quotes; redirections are dropped. Changes text. */
static void words(char *text, const char *argv[MAX_WORDS])
{
	size_t len = 0;
	char *from = text;
	while (*from != '\0' && len + 1 < MAX_WORDS) {
		while (*from == ' ' || *from == '\n' || *from == '\t') {
			from++;
		}
		if (*from == '\0') {
			break;
		}
		char *word = from;
		char *to = from;
		char quote = '\0';
		for (; *from != '\0' && (quote != '\0' || strchr(" \n\t", *from) == NULL); from++) {
			if (*from == quote) {
				quote = '\0';
			} else if (quote == '\0' && (*from == '\'' || *from == '"')) {
				quote = *from;
			} else {
				*to++ = *from;
			}
		}
		from += *from != '\0' ? 1 : 0;
		*to = '\0';
		if (strstr(word, ">&") == NULL && strcmp(word, "exec") != 0) {
			argv[len++] = word;
		}
	}
	argv[len] = NULL;
}

/* The next ";" or "&&" outside of quotes, or the end. */
static const char *separator(const char *text)
{
	char quote = '\0';
	for (; *text != '\0'; text++) {
		if (*text == quote) {
			quote = '\0';
		} else if (quote == '\0' && (*text == '\'' || *text == '"')) {
			quote = *text;
		} else if (quote == '\0' && (*text == ';' || kt_str_starts(text, "&&"))) {
			break;
		}
	}
	return text;
}

static int script(fake_backend *self, fake_service *service, const char *text, kt_buf *out)
{
	int code = 0;
	bool run = true;
	while (*text != '\0') {
		const char *end = separator(text);
		KT_AUTO_FREE char *command = kt_strndup(text, (size_t)(end - text));
		if (command == NULL) {
			return 127;
		}
		const char *argv[MAX_WORDS] = {NULL};
		words(command, argv);
		if (run && argv[0] != NULL) {
			code = fake_shell(self, service, argv, out);
			if (code == FAKE_RUNS_ON || strcmp(argv[0], "exit") == 0) {
				return code;
			}
		}
		run = *end != '&' || code == 0;
		text = end + (*end == '\0' ? 0 : *end == '&' ? 2 : 1);
	}
	return code;
}
