#include "image/auth.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/str.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_MAX ((size_t)4 * 1024 * 1024)
#define HELPER_MS 30000
#define HUB_KEY "https://index.docker.io/v1/"

void kt_secret_free(char *text)
{
	if (text != NULL) {
		explicit_bzero(text, strlen(text));
		kt_free(text);
	}
}

void kt_credentials_deinit(kt_credentials *self)
{
	kt_free(self->username);
	kt_secret_free(self->password);
	kt_secret_free(self->identity_token);
	*self = (kt_credentials)KT_CREDENTIALS_INIT;
}

char *kt_credentials_basic(const char *username, const char *password)
{
	char *plain = kt_asprintf("%s:%s", username, password);
	if (plain == NULL) {
		return NULL;
	}
	size_t len = strlen(plain);
	static const char prefix[] = "Basic ";
	char *out = kt_malloc(sizeof(prefix) + 4 * ((len + 2) / 3) + 1);
	if (out != NULL) {
		memcpy(out, prefix, sizeof(prefix) - 1);
		EVP_EncodeBlock((unsigned char *)out + sizeof(prefix) - 1,
				(const unsigned char *)plain, (int)len);
	}
	kt_secret_free(plain);
	return out;
}

static int config_path(char **ret, kt_err *err)
{
	const char *dir = getenv("DOCKER_CONFIG");
	const char *home = getenv("HOME");
	if (!kt_str_empty(dir)) {
		*ret = kt_path_join(dir, "config.json");
	} else if (!kt_str_empty(home)) {
		*ret = kt_path_join(home, ".docker/config.json");
	} else {
		return 0;
	}
	return *ret == NULL ? kt_err_nomem(err) : 0;
}

static bool is_hub(const char *registry)
{
	return kt_str_eq(registry, "docker.io") || kt_str_eq(registry, "index.docker.io") ||
	       kt_str_eq(registry, "registry-1.docker.io");
}

/* The host of a config key: scheme, path and trailing slash do not count. */
static bool key_names(const char *key, const char *registry)
{
	const char *scheme = strstr(key, "://");
	const char *host = scheme != NULL ? scheme + 3 : key;
	size_t len = strcspn(host, "/");
	if (is_hub(registry)) {
		KT_AUTO_FREE char *name = kt_strndup(host, len);
		return name != NULL && is_hub(name);
	}
	return strlen(registry) == len && strncmp(host, registry, len) == 0;
}

static json_t *find_key(json_t *object, const char *registry)
{
	const char *key = NULL;
	json_t *value = NULL;
	json_object_foreach(object, key, value)
	{
		if (key_names(key, registry)) {
			return value;
		}
	}
	return NULL;
}

static int set_pair(kt_credentials *ret, const char *username, const char *password, kt_err *err)
{
	kt_credentials out = KT_CREDENTIALS_INIT;
	bool token = kt_str_eq(username, "<token>");
	out.username = kt_strdup(token ? "" : username);
	if (token) {
		out.identity_token = kt_strdup(password);
	} else {
		out.password = kt_strdup(password);
	}
	if (out.username == NULL || (out.password == NULL && out.identity_token == NULL)) {
		kt_credentials_deinit(&out);
		return kt_err_nomem(err);
	}
	*ret = out;
	return 1;
}

static int from_helper(const char *helper, const char *registry, const kt_cancel *cancel,
		       kt_credentials *ret, kt_err *err)
{
	KT_AUTO_FREE char *program = kt_asprintf("docker-credential-%s", helper);
	KT_AUTO_FREE char *url = is_hub(registry) ? kt_strdup(HUB_KEY) : kt_strdup(registry);
	if (program == NULL || url == NULL) {
		return kt_err_nomem(err);
	}
	const char *argv[] = {program, "get", NULL};
	kt_proc_spec spec = {.argv = argv,
			     .input = url,
			     .input_len = strlen(url),
			     .deadline = kt_after_ms(HELPER_MS),
			     .cancel = cancel};
	KT_AUTO_PROC_RESULT kt_proc_result result = {0};
	if (kt_proc_run(&spec, &result, err) < 0) {
		return KT_WRAP(err, "asking the credential helper '%s' failed", program);
	}
	if (result.exit_code != 0) {
		return 0; /* it knows nothing of this registry */
	}
	KT_AUTO_JSON json_t *root =
		kt_json_parse(kt_buf_str(&result.out), result.out.len, program, err);
	if (root == NULL) {
		return -1;
	}
	return set_pair(ret, kt_json_str(root, "Username", ""), kt_json_str(root, "Secret", ""),
			err);
}

/* "auth": base64 of user:password. */
static int from_auth(const char *encoded, kt_credentials *ret, kt_err *err)
{
	size_t len = strlen(encoded);
	if (len == 0) {
		return 0;
	}
	char *plain = kt_calloc(1, len + 4);
	if (plain == NULL) {
		return kt_err_nomem(err);
	}
	int size = EVP_DecodeBlock((unsigned char *)plain, (const unsigned char *)encoded,
				   (int)len);
	char *colon = size > 0 ? strchr(plain, ':') : NULL;
	int rc = 0;
	if (colon == NULL) {
		rc = KT_FAIL(err, INVALID, "an 'auth' value in the docker config is malformed");
	} else {
		*colon = '\0';
		rc = set_pair(ret, plain, colon + 1, err);
	}
	explicit_bzero(plain, len + 4);
	kt_free(plain);
	return rc;
}

static int from_entry(const json_t *entry, kt_credentials *ret, kt_err *err)
{
	const char *token = kt_json_str(entry, "identitytoken", "");
	if (token[0] != '\0') {
		return set_pair(ret, "<token>", token, err);
	}
	const char *username = kt_json_str(entry, "username", "");
	if (username[0] != '\0') {
		return set_pair(ret, username, kt_json_str(entry, "password", ""), err);
	}
	return from_auth(kt_json_str(entry, "auth", ""), ret, err);
}

int kt_credentials_find(const char *registry, const kt_cancel *cancel, kt_credentials *ret,
			kt_err *err)
{
	KT_AUTO_FREE char *path = NULL;
	if (config_path(&path, err) < 0) {
		return -1;
	}
	if (path == NULL || !kt_fs_exists(path)) {
		return 0;
	}
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (kt_fs_read(path, CONFIG_MAX, &text, err) < 0) {
		return -1;
	}
	KT_AUTO_JSON json_t *root = kt_json_parse(kt_buf_str(&text), text.len, path, err);
	if (root == NULL) {
		return -1;
	}
	json_t *helper = find_key(json_object_get(root, "credHelpers"), registry);
	if (json_is_string(helper)) {
		return from_helper(json_string_value(helper), registry, cancel, ret, err);
	}
	const char *store = kt_json_str(root, "credsStore", "");
	if (store[0] != '\0') {
		int rc = from_helper(store, registry, cancel, ret, err);
		if (rc != 0) {
			return rc;
		}
	}
	json_t *entry = find_key(json_object_get(root, "auths"), registry);
	return entry != NULL ? from_entry(entry, ret, err) : 0;
}
