/* The store of an enclave's files artifacts: one tree each, and an index file. */
#include "files/files.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INDEX_NAME "index.json"
#define INDEX_MAX ((size_t)64 * 1024 * 1024)
#define STAGING_PREFIX ".new-"

struct kt_artifacts {
	char *dir;
	pthread_mutex_t lock; /* guards items and the index file */
	kt_artifact_vec items;
};

void kt_artifact_deinit(kt_artifact *self)
{
	kt_free(self->name);
	kt_free(self->dir);
	*self = (kt_artifact)KT_ARTIFACT_INIT;
}

void kt_artifact_vec_deinit(kt_artifact_vec *self)
{
	for (size_t i = 0; i < self->len; i++) {
		kt_artifact_deinit(&self->items[i]);
	}
	kt_vec_deinit(self);
}

static int copy_artifact(const kt_artifact *from, kt_artifact *ret, kt_err *err)
{
	kt_artifact copy = *from;
	copy.name = kt_strdup(from->name);
	copy.dir = kt_strdup(from->dir);
	if (copy.name == NULL || copy.dir == NULL) {
		kt_artifact_deinit(&copy);
		return kt_err_nomem(err);
	}
	*ret = copy;
	return 0;
}

/* ---- The index ---- */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_md5(const char *hex, uint8_t ret[KT_MD5_LEN])
{
	if (strlen(hex) != KT_MD5_HEX_LEN) {
		return false;
	}
	for (size_t i = 0; i < KT_MD5_LEN; i++) {
		int high = hex_digit(hex[2 * i]);
		int low = hex_digit(hex[2 * i + 1]);
		if (high < 0 || low < 0) {
			return false;
		}
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static int load_item(kt_artifacts *self, const json_t *row, kt_err *err)
{
	const char *uuid = kt_json_str(row, "uuid", "");
	const char *tree = kt_json_str(row, "tree", "");
	if (!kt_uuid_valid(uuid) || tree[0] == '\0' || strchr(tree, '/') != NULL) {
		return KT_FAIL(err, CORRUPT, "the index of the files artifacts in %s is damaged",
			       self->dir);
	}
	kt_artifact item = KT_ARTIFACT_INIT;
	memcpy(item.uuid.text, uuid, KT_UUID_LEN + 1);
	item.has_md5 = parse_md5(kt_json_str(row, "md5", ""), item.md5);
	item.name = kt_strdup(kt_json_str(row, "name", ""));
	item.dir = kt_path_join(self->dir, tree);
	if (item.name == NULL || item.dir == NULL || kt_vec_push(&self->items, item) < 0) {
		kt_artifact_deinit(&item);
		return kt_err_nomem(err);
	}
	return 0;
}

static int load_index(kt_artifacts *self, kt_err *err)
{
	KT_AUTO_FREE char *path = kt_path_join(self->dir, INDEX_NAME);
	if (path == NULL) {
		return kt_err_nomem(err);
	}
	if (!kt_fs_exists(path)) {
		return 0;
	}
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (kt_fs_read(path, INDEX_MAX, &text, err) < 0) {
		return -1;
	}
	KT_AUTO_JSON json_t *root = kt_json_parse(kt_buf_str(&text), text.len, path, err);
	if (root == NULL) {
		return -1;
	}
	size_t i = 0;
	json_t *row = NULL;
	json_array_foreach(json_object_get(root, "artifacts"), i, row)
	{
		if (load_item(self, row, err) < 0) {
			return -1;
		}
	}
	return 0;
}

static json_t *item_json(const kt_artifact *item)
{
	char md5[2 * KT_MD5_LEN + 1] = "";
	if (item->has_md5) {
		kt_hex(item->md5, KT_MD5_LEN, md5);
	}
	return json_pack("{s:s, s:s, s:s, s:s}", "uuid", item->uuid.text, "name", item->name,
			 "tree", kt_path_base(item->dir), "md5", md5);
}

/* Not synced to the disk: an enclave does not outlive the machine's run. */
static int save_index(kt_artifacts *self, kt_err *err)
{
	KT_AUTO_JSON json_t *rows = json_array();
	for (size_t i = 0; i < self->items.len; i++) {
		if (json_array_append_new(rows, item_json(&self->items.items[i])) < 0) {
			return kt_err_nomem(err);
		}
	}
	KT_AUTO_JSON json_t *root = json_pack("{s:O}", "artifacts", rows);
	KT_AUTO_FREE char *text = root != NULL ? kt_json_text(root, 0) : NULL;
	KT_AUTO_FREE char *path = kt_path_join(self->dir, INDEX_NAME);
	if (text == NULL || path == NULL) {
		return kt_err_nomem(err);
	}
	return kt_fs_write(path, text, strlen(text), 0600, false, err);
}

static int remove_staging(kt_artifacts *self, kt_err *err)
{
	DIR *list = opendir(self->dir);
	if (list == NULL) {
		return KT_FAIL_ERRNO(err, "opening the directory '%s' failed", self->dir);
	}
	int rc = 0;
	struct dirent *item = NULL;
	while (rc == 0 && (item = readdir(list)) != NULL) {
		if (kt_str_starts(item->d_name, STAGING_PREFIX)) {
			KT_AUTO_FREE char *path = kt_path_join(self->dir, item->d_name);
			rc = path == NULL ? kt_err_nomem(err) : kt_fs_remove_tree(path, err);
		}
	}
	closedir(list);
	return rc;
}

kt_artifacts *kt_artifacts_open(const char *dir, kt_err *err)
{
	if (kt_fs_mkdirs(dir, 0700, err) < 0) {
		return NULL;
	}
	kt_artifacts *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	pthread_mutex_init(&self->lock, NULL);
	self->dir = kt_strdup(dir);
	if (self->dir == NULL) {
		kt_err_nomem(err);
	}
	if (self->dir == NULL || remove_staging(self, err) < 0 || load_index(self, err) < 0) {
		kt_artifacts_close(self);
		return NULL;
	}
	return self;
}

void kt_artifacts_close(kt_artifacts *self)
{
	if (self == NULL) {
		return;
	}
	kt_artifact_vec_deinit(&self->items);
	pthread_mutex_destroy(&self->lock);
	kt_free(self->dir);
	kt_free(self);
}

/* ---- Look-up ---- */

static kt_artifact *by_name(kt_artifacts *self, const char *name)
{
	for (size_t i = 0; i < self->items.len; i++) {
		if (kt_str_eq(self->items.items[i].name, name)) {
			return &self->items.items[i];
		}
	}
	return NULL;
}

static int by_short_uuid(kt_artifacts *self, const char *text, kt_artifact **ret, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec matches = KT_STRVEC_INIT;
	for (size_t i = 0; i < self->items.len; i++) {
		kt_artifact *item = &self->items.items[i];
		if (strncmp(item->uuid.text, text, KT_UUID_SHORT_LEN) == 0) {
			*ret = item;
			if (kt_strvec_add(&matches, item->uuid.text) < 0) {
				return kt_err_nomem(err);
			}
		}
	}
	if (matches.len < 2) {
		return (int)matches.len;
	}
	KT_AUTO_FREE char *all = kt_strvec_join(&matches, " ");
	return KT_FAIL(err, INVALID,
		       "Tried using the shortened uuid '%s' to get file but found multiple "
		       "matches '[%s]'. Use a complete uuid to be specific about what to get.",
		       text, kt_str_or(all, ""));
}

/* 1, 0 or -1 as kt_artifacts_find; with the lock held. */
static int look_up(kt_artifacts *self, const char *identifier, kt_artifact **ret, kt_err *err)
{
	size_t len = strlen(identifier);
	if (len == KT_UUID_LEN) {
		for (size_t i = 0; i < self->items.len; i++) {
			if (kt_str_eq(self->items.items[i].uuid.text, identifier)) {
				*ret = &self->items.items[i];
				return 1;
			}
		}
	}
	if (len == KT_UUID_SHORT_LEN) {
		int rc = by_short_uuid(self, identifier, ret, err);
		if (rc != 0) {
			return rc;
		}
	}
	*ret = by_name(self, identifier);
	return *ret != NULL;
}

int kt_artifacts_find(kt_artifacts *self, const char *identifier, kt_artifact *ret, kt_err *err)
{
	KT_LOCK(&self->lock);
	kt_artifact *item = NULL;
	int rc = look_up(self, identifier, &item, err);
	if (rc <= 0) {
		return rc;
	}
	return copy_artifact(item, ret, err) < 0 ? -1 : 1;
}

bool kt_artifacts_has_name(kt_artifacts *self, const char *name)
{
	KT_LOCK(&self->lock);
	return by_name(self, name) != NULL;
}

int kt_artifacts_list(kt_artifacts *self, kt_artifact_vec *ret, kt_err *err)
{
	KT_LOCK(&self->lock);
	for (size_t i = 0; i < self->items.len; i++) {
		kt_artifact copy = KT_ARTIFACT_INIT;
		if (copy_artifact(&self->items.items[i], &copy, err) < 0) {
			return -1;
		}
		if (kt_vec_push(ret, copy) < 0) {
			kt_artifact_deinit(&copy);
			return kt_err_nomem(err);
		}
	}
	return 0;
}

int kt_artifacts_remove(kt_artifacts *self, const char *identifier, kt_err *err)
{
	KT_LOCK(&self->lock);
	kt_artifact *item = NULL;
	int rc = look_up(self, identifier, &item, err);
	if (rc < 0) {
		return -1;
	}
	if (rc == 0) {
		return KT_FAIL(err, NOT_FOUND,
			       "Couldn't find file for identifier '%s', tried looking up UUID, "
			       "shortened UUID and by name",
			       identifier);
	}
	kt_artifact gone = *item;
	size_t at = (size_t)(item - self->items.items);
	size_t after = self->items.len - at - 1;
	memmove(item, item + 1, after * sizeof(*item));
	self->items.len--;
	if (save_index(self, err) < 0) {
		memmove(item + 1, item, after * sizeof(*item));
		*item = gone;
		self->items.len++;
		return -1;
	}
	kt_artifact_deinit(&gone);
	return 0;
}

/* ---- Adding ---- */

char *kt_artifacts_begin(kt_artifacts *self, kt_err *err)
{
	char *path = kt_fs_mkdtemp(self->dir, STAGING_PREFIX, err);
	if (path != NULL && chmod(path, 0755) < 0) {
		KT_FAIL_ERRNO(err, "preparing '%s' failed", path);
		kt_artifacts_abort(self, path);
		kt_free(path);
		return NULL;
	}
	return path;
}

void kt_artifacts_abort(kt_artifacts *self, const char *staging)
{
	(void)self;
	kt_fs_remove_tree(staging, NULL);
}

static int name_taken(const char *name, kt_err *err)
{
	return KT_FAIL(err, EXISTS, "Files artifact name '%s' has already been used", name);
}

/* A directory name for the tree: the uuid, with a counter when content was replaced. */
static char *tree_path(kt_artifacts *self, const kt_uuid *uuid)
{
	for (unsigned n = 1; n < 1000000; n++) {
		char *path = n == 1 ? kt_path_join(self->dir, uuid->text)
				    : kt_asprintf("%s/%s.%u", self->dir, uuid->text, n);
		if (path == NULL || !kt_fs_exists(path)) {
			return path;
		}
		kt_free(path);
	}
	return NULL;
}

static int replace_item(kt_artifacts *self, kt_artifact *item, kt_artifact *fresh, kt_err *err)
{
	kt_artifact old = *item;
	*item = *fresh;
	if (save_index(self, err) < 0) {
		*item = old;
		return -1;
	}
	kt_artifact_deinit(&old);
	return 0;
}

static int append_item(kt_artifacts *self, kt_artifact *fresh, kt_err *err)
{
	if (kt_vec_push(&self->items, *fresh) < 0) {
		return kt_err_nomem(err);
	}
	if (save_index(self, err) < 0) {
		self->items.len--;
		return -1;
	}
	return 0;
}

int kt_artifacts_commit(kt_artifacts *self, const kt_artifact_spec *spec, const char *staging,
			kt_artifact *ret, kt_err *err)
{
	KT_LOCK(&self->lock);
	kt_artifact *existing = by_name(self, spec->name);
	if (existing != NULL && !spec->replace) {
		return name_taken(spec->name, err);
	}
	KT_AUTO_ARTIFACT kt_artifact fresh = KT_ARTIFACT_INIT;
	fresh.uuid = existing != NULL ? existing->uuid : kt_uuid_random();
	fresh.name = kt_strdup(spec->name);
	fresh.dir = tree_path(self, &fresh.uuid);
	if (fresh.name == NULL || fresh.dir == NULL) {
		return kt_err_nomem(err);
	}
	fresh.has_md5 = spec->md5 != NULL;
	if (spec->md5 != NULL) {
		memcpy(fresh.md5, spec->md5, KT_MD5_LEN);
	}
	KT_AUTO_ARTIFACT kt_artifact copy = KT_ARTIFACT_INIT;
	if (copy_artifact(&fresh, &copy, err) < 0) {
		return -1;
	}
	if (rename(staging, fresh.dir) < 0) {
		return KT_FAIL_ERRNO(err, "storing the files artifact '%s' failed", spec->name);
	}
	int rc = existing != NULL ? replace_item(self, existing, &fresh, err)
				  : append_item(self, &fresh, err);
	if (rc < 0) {
		rename(fresh.dir, staging);
		return -1;
	}
	fresh = (kt_artifact)KT_ARTIFACT_INIT; /* the store owns it now */
	if (ret != NULL) {
		*ret = copy;
		copy = (kt_artifact)KT_ARTIFACT_INIT;
	}
	return 0;
}

int kt_artifacts_add_archive(kt_artifacts *self, const kt_artifact_spec *spec, kt_source from,
			     kt_artifact *ret, kt_err *err)
{
	if (!spec->replace && kt_artifacts_has_name(self, spec->name)) {
		return name_taken(spec->name, err);
	}
	KT_AUTO_FREE char *staging = kt_artifacts_begin(self, err);
	if (staging == NULL) {
		return -1;
	}
	const unsigned flags = KT_EXTRACT_OWNERS | KT_EXTRACT_XATTRS;
	if (kt_unpack(from, staging, flags, spec->cancel, err) < 0 ||
	    kt_artifacts_commit(self, spec, staging, ret, err) < 0) {
		kt_artifacts_abort(self, staging);
		return KT_WRAP(err, "An error occurred storing the files artifact '%s'", spec->name);
	}
	return 0;
}

/* ---- From a path ---- */

/*
 * A local path goes the way of an archive too, so that the ignore rules, links and owners are
 * those of an upload. The pipe's other end is a thread.
 */
typedef struct pack_job {
	const char *path;
	unsigned flags;
	const kt_cancel *cancel;
	int fd;
	int rc;
	kt_err err;
} pack_job;

static void *run_pack(void *arg)
{
	pack_job *job = arg;
	sigset_t pipe_only;
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_only, NULL); /* a reader that gave up is EPIPE here */
	job->rc = kt_pack(job->path, job->flags | KT_PACK_PLAIN, kt_sink_fd(&job->fd), job->cancel,
			  &job->err);
	kt_close_ptr(&job->fd);
	return NULL;
}

int kt_artifacts_add_path(kt_artifacts *self, const kt_artifact_spec *spec, const char *path,
			  unsigned flags, kt_artifact *ret, kt_err *err)
{
	kt_artifact_spec full = *spec;
	uint8_t md5[KT_MD5_LEN];
	if (full.md5 == NULL) {
		if (kt_content_md5(path, flags & KT_PACK_IGNORE_FILE, md5, err) < 0) {
			return -1;
		}
		full.md5 = md5;
	}
	int pipe_fds[2] = {-1, -1};
	if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
		return KT_FAIL_ERRNO(err, "creating a pipe failed");
	}
	KT_AUTO_FD int in = pipe_fds[0];
	pack_job job = {path, flags, spec->cancel, pipe_fds[1], 0, KT_ERR_INIT};
	pthread_t thread;
	if (kt_thread_start(&thread, 0, "pack", run_pack, &job, err) < 0) {
		kt_close_ptr(&job.fd);
		return -1;
	}
	int rc = kt_artifacts_add_archive(self, &full, kt_source_fd(&in), ret, err);
	kt_close_ptr(&in);
	pthread_join(thread, NULL);
	/* The packer's own failure is the cause of a cut archive; a closed pipe is not. */
	if (job.rc < 0 && rc < 0 && job.err.sys_errno != EPIPE) {
		kt_err_move(err, &job.err);
	}
	kt_err_release(&job.err);
	return rc;
}
