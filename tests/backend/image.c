#include "image.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/vec.h"
#include "files/files.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const applets[] = {
	"sh",     "cat",   "echo",  "ls",     "id",      "pwd",      "env",  "sleep",
	"httpd",  "nc",    "wget",  "true",   "false",   "nslookup", "kill", "printf",
	"chmod",  "mkdir", "touch", "stty",   "tty",     "hostname", "ps",   "dd",
	"mount",  "seq",  "wc",   "rm",    "ln",     "ping",    "ip",       "head", "tail",
	"test", "awk",   "grep",  "netstat"};

typedef struct text_file {
	const char *path;
	const char *text;
	mode_t mode;
} text_file;

static const text_file files[] = {
	{"etc/passwd", "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/srv:/bin/sh\n", 0644},
	{"etc/group", "root:x:0:\napp:x:1000:\nextra:x:2000:app\n", 0644},
	{"data/seed.txt", "seed of the image\n", 0644},
	{"www/index.html", "hello from the image\n", 0644},
	{"www/cgi-bin/host", "#!/bin/sh\necho; hostname\n", 0755},
	{"srv/not-a-program", "no\n", 0644},
};

static int write_tree(const char *root, kt_err *err)
{
	static const char *const dirs[] = {"bin", "etc", "data", "www/cgi-bin", "srv", "tmp", "root"};
	for (size_t i = 0; i < KT_ARRAY_LEN(dirs); i++) {
		KT_AUTO_FREE char *dir = kt_path_join(root, dirs[i]);
		if (kt_fs_mkdirs(dir, 0755, err) < 0) {
			return -1;
		}
	}
	KT_AUTO_FREE char *tmp = kt_path_join(root, "tmp");
	if (chmod(tmp, 01777) < 0) {
		return KT_FAIL_ERRNO(err, "cannot change '%s'", tmp);
	}
	for (size_t i = 0; i < KT_ARRAY_LEN(files); i++) {
		KT_AUTO_FREE char *path = kt_path_join(root, files[i].path);
		if (kt_fs_write(path, files[i].text, strlen(files[i].text), files[i].mode, false,
				err) < 0) {
			return -1;
		}
	}
	KT_AUTO_BUF kt_buf busybox = KT_BUF_INIT;
	KT_AUTO_FREE char *copy = kt_path_join(root, "bin/busybox");
	if (kt_fs_read(BUSYBOX, 8U << 20, &busybox, err) < 0 ||
	    kt_fs_write(copy, busybox.data, busybox.len, 0755, false, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < KT_ARRAY_LEN(applets); i++) {
		KT_AUTO_FREE char *link = kt_asprintf("%s/bin/%s", root, applets[i]);
		(void)symlink("busybox", link);
	}
	return 0;
}

static int add_to_buf(void *ctx, const void *data, size_t len, kt_err *err)
{
	kt_buf_add(ctx, data, len);
	return kt_buf_check(ctx, err);
}

static void sha256_hex(const kt_buf *data, char out[65])
{
	uint8_t digest[32];
	unsigned len = sizeof(digest);
	EVP_Digest(data->data, data->len, digest, &len, EVP_sha256(), NULL);
	kt_hex(digest, len, out);
}

static int add_file(kt_tar_writer *tar, const char *name, const char *data, size_t len, kt_err *err)
{
	kt_tar_entry entry = {.type = KT_TAR_FILE,
			      .path = name,
			      .link = "",
			      .size = len,
			      .mode = 0644,
			      .uname = "",
			      .gname = ""};
	return kt_tar_write_entry(tar, &entry, err) < 0 ? -1 : kt_tar_write(tar, data, len, err);
}

static char *config(const char *diff_id, const char *extra)
{
	return kt_asprintf(
		"{\"architecture\":\"amd64\",\"os\":\"linux\",\"created\":\"2026-01-02T03:04:05Z\","
		"\"config\":{\"Env\":[\"PATH=/bin\",\"FROM_IMAGE=yes\"]%s},"
		"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:%s\"]}}",
		extra, diff_id);
}

int build_images(const char *dir, const char *path, kt_err *err)
{
	KT_AUTO_FREE char *root = kt_path_join(dir, "rootfs");
	KT_AUTO_BUF kt_buf layer = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf archive = KT_BUF_INIT;
	char diff_id[65];
	kt_sink to_layer = {add_to_buf, &layer};
	kt_sink to_archive = {add_to_buf, &archive};
	if (write_tree(root, err) < 0 ||
	    kt_pack(root, KT_PACK_PLAIN, to_layer, NULL, err) < 0) {
		return -1;
	}
	sha256_hex(&layer, diff_id);
	KT_AUTO_FREE char *plain = config(diff_id, ",\"Cmd\":[\"sleep\",\"1000\"]");
	KT_AUTO_FREE char *app = config(
		diff_id, ",\"User\":\"app\",\"WorkingDir\":\"/srv\",\"Entrypoint\":[\"/bin/sh\","
			 "\"-c\"],\"Cmd\":[\"pwd; id; exec sleep 1000\"]");
	static const char manifest[] =
		"[{\"Config\":\"a.json\",\"RepoTags\":[\"contract/busybox:1\"],"
		"\"Layers\":[\"layer.tar\"]},{\"Config\":\"b.json\","
		"\"RepoTags\":[\"contract/app:1\"],\"Layers\":[\"layer.tar\"]}]";
	kt_tar_writer *tar = kt_tar_writer_new(to_archive, err);
	int rc = tar == NULL ? -1 : 0;
	rc = rc < 0 ? rc : add_file(tar, "manifest.json", manifest, sizeof(manifest) - 1, err);
	rc = rc < 0 ? rc : add_file(tar, "a.json", plain, strlen(plain), err);
	rc = rc < 0 ? rc : add_file(tar, "b.json", app, strlen(app), err);
	rc = rc < 0 ? rc : add_file(tar, "layer.tar", layer.data, layer.len, err);
	rc = rc < 0 ? rc : kt_tar_finish(tar, err);
	kt_tar_writer_free(tar);
	return rc < 0 ? rc : kt_fs_write(path, archive.data, archive.len, 0644, false, err);
}
