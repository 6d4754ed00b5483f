#include "image/manifest.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#define LAYERS_MAX 500

static void descriptor_deinit(kt_descriptor *self)
{
	kt_free(self->digest);
}

void kt_manifest_deinit(kt_manifest *self)
{
	descriptor_deinit(&self->config);
	for (size_t i = 0; i < self->layers.len; i++) {
		descriptor_deinit(&self->layers.items[i]);
	}
	kt_vec_deinit(&self->layers);
}

bool kt_digest_ok(const char *text)
{
	return strlen(text) == KT_DIGEST_LEN && kt_str_starts(text, "sha256:") &&
	       strspn(text + 7, "0123456789abcdef") == 64;
}

void kt_digest_of(const void *data, size_t len, char ret[KT_DIGEST_LEN + 1])
{
	unsigned char sum[32] = {0};
	EVP_Digest(data, len, sum, NULL, EVP_sha256(), NULL);
	memcpy(ret, "sha256:", 7);
	kt_hex(sum, sizeof(sum), ret + 7);
}

const char *kt_image_host_arch(void)
{
#if defined(__x86_64__)
	return "amd64";
#elif defined(__aarch64__)
	return "arm64";
#elif defined(__i386__)
	return "386";
#elif defined(__arm__)
	return "arm";
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return "ppc64le";
#elif defined(__s390x__)
	return "s390x";
#elif defined(__riscv) && __riscv_xlen == 64
	return "riscv64";
#else
	return "unknown";
#endif
}

bool kt_manifest_is_index(const json_t *root)
{
	return json_is_array(json_object_get(root, "manifests"));
}

/* How well an entry fits: 0 not at all. Newer variants of the same architecture win. */
static int fitness(const json_t *entry, const char *arch)
{
	const json_t *platform = json_object_get(entry, "platform");
	if (!kt_str_eq(kt_json_str(platform, "os", ""), "linux") ||
	    !kt_str_eq(kt_json_str(platform, "architecture", ""), arch) ||
	    !kt_digest_ok(kt_json_str(entry, "digest", ""))) {
		return 0;
	}
	const char *variant = kt_json_str(platform, "variant", "");
	if (kt_str_eq(arch, "arm")) {
		return variant[0] == 'v' && variant[1] >= '5' && variant[1] <= '7'
			       ? variant[1] - '0'
			       : 1;
	}
	bool base = variant[0] == '\0' || kt_str_eq(variant, "v8") || kt_str_eq(variant, "v1");
	return base ? 2 : 0;
}

static const char *best_for(const json_t *root, const char *arch)
{
	const char *best = NULL;
	int best_fit = 0;
	size_t i = 0;
	const json_t *entry = NULL;
	json_array_foreach(json_object_get(root, "manifests"), i, entry)
	{
		int fit = fitness(entry, arch);
		if (fit > best_fit) {
			best_fit = fit;
			best = kt_json_str(entry, "digest", "");
		}
	}
	return best;
}

static void list_platforms(const json_t *root, kt_buf *ret)
{
	size_t i = 0;
	const json_t *entry = NULL;
	json_array_foreach(json_object_get(root, "manifests"), i, entry)
	{
		const json_t *platform = json_object_get(entry, "platform");
		const char *os = kt_json_str(platform, "os", "unknown");
		if (!kt_str_eq(os, "unknown")) {
			kt_buf_addf(ret, "%s%s/%s", ret->len > 0 ? ", " : "", os,
				    kt_json_str(platform, "architecture", "?"));
		}
	}
}

const char *kt_manifest_pick(const json_t *root, const char *arch, bool *ret_foreign, kt_err *err)
{
	const char *digest = best_for(root, arch);
	if (digest != NULL) {
		*ret_foreign = false;
		return digest;
	}
	digest = best_for(root, "amd64");
	if (digest != NULL) {
		*ret_foreign = true;
		return digest;
	}
	KT_AUTO_BUF kt_buf platforms = KT_BUF_INIT;
	list_platforms(root, &platforms);
	KT_FAIL(err, NOT_FOUND, "no matching manifest for linux/%s; the image exists for: %s", arch,
		kt_str_or(kt_buf_str(&platforms), "no platform at all"));
	return NULL;
}

static int parse_descriptor(const json_t *value, kt_descriptor *ret, kt_err *err)
{
	const char *digest = kt_json_str(value, "digest", "");
	if (!kt_digest_ok(digest)) {
		return KT_FAIL(err, INVALID, "the manifest has the malformed digest '%.100s'", digest);
	}
	int64_t size = kt_json_int(value, "size", 0);
	ret->size = size > 0 ? (uint64_t)size : 0;
	ret->digest = kt_strdup(digest);
	if (ret->digest == NULL) {
		return kt_err_nomem(err);
	}
	return 0;
}

int kt_manifest_parse(const json_t *root, kt_manifest *ret, kt_err *err)
{
	KT_AUTO_MANIFEST kt_manifest out = {0};
	if (kt_json_int(root, "schemaVersion", 0) == 1) {
		return KT_FAIL(err, UNSUPPORTED,
			       "the image has a schema 1 manifest, which registries have given up");
	}
	const json_t *layers = json_object_get(root, "layers");
	if (!json_is_array(layers) || json_array_size(layers) > LAYERS_MAX) {
		return KT_FAIL(err, INVALID, "the manifest lists no layers");
	}
	if (parse_descriptor(json_object_get(root, "config"), &out.config, err) < 0) {
		return -1;
	}
	size_t i = 0;
	const json_t *layer = NULL;
	json_array_foreach(layers, i, layer)
	{
		kt_descriptor empty = {0};
		if (kt_vec_push(&out.layers, empty) < 0) {
			return kt_err_nomem(err);
		}
		if (parse_descriptor(layer, &out.layers.items[i], err) < 0) {
			return -1;
		}
	}
	*ret = out;
	out = (kt_manifest){0};
	return 0;
}

int kt_config_diff_ids(const json_t *config, kt_strvec *ret, kt_err *err)
{
	const json_t *ids = json_object_get(json_object_get(config, "rootfs"), "diff_ids");
	size_t i = 0;
	const json_t *id = NULL;
	json_array_foreach(ids, i, id)
	{
		const char *text = json_is_string(id) ? json_string_value(id) : "";
		if (!kt_digest_ok(text)) {
			return KT_FAIL(err, INVALID, "the image's config has a malformed diff id");
		}
		if (kt_strvec_add(ret, text) < 0) {
			return kt_err_nomem(err);
		}
	}
	return 0;
}

static int copy_array(const json_t *object, const char *key, kt_strvec *ret)
{
	size_t i = 0;
	const json_t *item = NULL;
	json_array_foreach(json_object_get(object, key), i, item)
	{
		if (json_is_string(item) && kt_strvec_add(ret, json_string_value(item)) < 0) {
			return -1;
		}
	}
	return 0;
}

/* The keys of an object, or "key=value" for text values. */
static int copy_keys(const json_t *object, const char *name, bool values, kt_strvec *ret)
{
	const char *key = NULL;
	json_t *value = NULL;
	json_object_foreach(json_object_get(object, name), key, value)
	{
		const char *text = json_is_string(value) ? json_string_value(value) : "";
		int rc = values ? kt_strvec_addf(ret, "%s=%s", key, text) : kt_strvec_add(ret, key);
		if (rc < 0) {
			return -1;
		}
	}
	return 0;
}

static int copy_text(const json_t *object, const char *key, char **ret)
{
	*ret = kt_strdup(kt_json_str(object, key, ""));
	return *ret != NULL ? 0 : -1;
}

int kt_config_parse(const json_t *config, kt_image *ret, kt_err *err)
{
	const json_t *inner = json_object_get(config, "config");
	kt_image_config *out = &ret->config;
	if (copy_text(config, "architecture", &ret->architecture) < 0 ||
	    copy_text(config, "os", &ret->os) < 0 ||
	    copy_text(config, "created", &ret->created) < 0 ||
	    copy_text(inner, "User", &out->user) < 0 ||
	    copy_text(inner, "WorkingDir", &out->workdir) < 0 ||
	    copy_text(inner, "StopSignal", &out->stop_signal) < 0 ||
	    copy_array(inner, "Entrypoint", &out->entrypoint) < 0 ||
	    copy_array(inner, "Cmd", &out->cmd) < 0 || copy_array(inner, "Env", &out->env) < 0 ||
	    copy_keys(inner, "Volumes", false, &out->volumes) < 0 ||
	    copy_keys(inner, "ExposedPorts", false, &out->exposed_ports) < 0 ||
	    copy_keys(inner, "Labels", true, &out->labels) < 0) {
		return kt_err_nomem(err);
	}
	kt_strvec_sort(&out->volumes);
	kt_strvec_sort(&out->exposed_ports);
	return 0;
}
