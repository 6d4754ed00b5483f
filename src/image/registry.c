#include "image/registry.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"

#include <stdatomic.h>
#include <string.h>

#define CONNECT_MS 15000
#define STALL_MS 60000
#define BLOB_TRIES 4
#define SERVER_TRIES 3
#define BACKOFF_MS 200
#define TOKEN_MAX ((size_t)1024 * 1024)

struct kt_registry {
	kt_registry_spec spec;
	atomic_bool https;
	atomic_bool scheme_known;
	pthread_mutex_t lock; /* guards authorization */
	char *authorization;
};

kt_registry *kt_registry_new(const kt_registry_spec *spec, kt_err *err)
{
	kt_registry *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	self->spec = *spec;
	self->https = !spec->endpoint->loopback;
	self->scheme_known = !spec->endpoint->loopback && !spec->endpoint->insecure;
	pthread_mutex_init(&self->lock, NULL);
	return self;
}

void kt_registry_free(kt_registry *self)
{
	if (self == NULL) {
		return;
	}
	kt_secret_free(self->authorization);
	pthread_mutex_destroy(&self->lock);
	kt_free(self);
}

static char *copy_authorization(kt_registry *self)
{
	KT_LOCK(&self->lock);
	return kt_strdup(self->authorization);
}

static void set_authorization(kt_registry *self, char *value)
{
	KT_LOCK(&self->lock);
	kt_secret_free(self->authorization);
	self->authorization = value;
}

/* ---- Tokens ---- */

typedef struct challenge {
	char *realm;
	char *service;
	char *scope;
} challenge;

static void challenge_deinit(challenge *self)
{
	kt_free(self->realm);
	kt_free(self->service);
	kt_free(self->scope);
}

/* key="value" pairs after "Bearer ". */
static int parse_challenge(const char *text, challenge *ret, kt_err *err)
{
	while (*text != '\0') {
		text += strspn(text, " ,\t");
		size_t key = strcspn(text, "=, ");
		if (text[key] != '=') {
			text += key;
			continue;
		}
		const char *value = text + key + 1;
		bool quoted = *value == '"';
		value += quoted ? 1 : 0;
		size_t len = strcspn(value, quoted ? "\"" : ", ");
		char **field = strncmp(text, "realm", key) == 0     ? &ret->realm
			       : strncmp(text, "service", key) == 0 ? &ret->service
			       : strncmp(text, "scope", key) == 0   ? &ret->scope
								    : NULL;
		if (field != NULL && *field == NULL) {
			*field = kt_strndup(value, len);
			if (*field == NULL) {
				return kt_err_nomem(err);
			}
		}
		text = value + len + (quoted && value[len] == '"' ? 1 : 0);
	}
	if (ret->realm == NULL) {
		return KT_FAIL(err, INVALID, "the registry asks for a token but names no realm");
	}
	return 0;
}

static void add_escaped(kt_buf *buf, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._~";
	for (; *text != '\0'; text++) {
		if (strchr(plain, *text) != NULL) {
			kt_buf_addc(buf, *text);
		} else {
			kt_buf_addf(buf, "%%%02X", (unsigned char)*text);
		}
	}
}

static void add_parameter(kt_buf *buf, char separator, const char *key, const char *value)
{
	kt_buf_addf(buf, "%c%s=", separator, key);
	add_escaped(buf, value);
}

/* A secret must not travel unencrypted to where the registry itself did not ask for that. */
static int check_realm(const kt_registry *self, const char *realm, kt_err *err)
{
	if (kt_str_starts(realm, "https://")) {
		return 0;
	}
	bool local = kt_str_starts(realm, "http://") &&
		     kt_host_is_loopback(realm + strlen("http://"));
	if (local || (kt_str_starts(realm, "http://") && self->spec.endpoint->insecure)) {
		return 0;
	}
	return KT_FAIL(err, PERMISSION, "the registry's token server '%s' does not use https", realm);
}

static int token_request(kt_registry *self, const challenge *wants, kt_http_response *response,
			 kt_err *err)
{
	const kt_credentials *credentials = self->spec.credentials;
	KT_AUTO_FREE char *scope_own =
		kt_asprintf("repository:%s:pull", self->spec.endpoint->repository);
	KT_AUTO_BUF kt_buf url = KT_BUF_INIT;
	KT_AUTO_BUF kt_buf form = KT_BUF_INIT;
	const char *scope = wants->scope != NULL ? wants->scope : kt_str_or(scope_own, "");
	bool by_token = credentials != NULL && credentials->identity_token != NULL;
	kt_buf_adds(&url, wants->realm);
	char *basic = NULL;
	kt_http_header headers[2];
	size_t header_count = 0;
	if (by_token) {
		kt_buf_adds(&form, "grant_type=refresh_token&client_id=kurtosis");
		add_parameter(&form, '&', "service", kt_str_or(wants->service, ""));
		add_parameter(&form, '&', "scope", scope);
		add_parameter(&form, '&', "refresh_token", credentials->identity_token);
		headers[header_count++] = (kt_http_header){
			"Content-Type", "application/x-www-form-urlencoded"};
	} else {
		char separator = strchr(wants->realm, '?') != NULL ? '&' : '?';
		add_parameter(&url, separator, "scope", scope);
		if (wants->service != NULL) {
			add_parameter(&url, '&', "service", wants->service);
		}
		if (credentials != NULL && credentials->password != NULL) {
			basic = kt_credentials_basic(credentials->username, credentials->password);
			headers[header_count++] = (kt_http_header){"Authorization", basic};
		}
	}
	kt_http_request request = {
		.method = by_token ? "POST" : NULL,
		.url = kt_buf_str(&url),
		.headers = headers,
		.header_count = header_count,
		.body = by_token ? kt_buf_str(&form) : NULL,
		.body_len = form.len,
		.max_body = TOKEN_MAX,
		.deadline = self->spec.deadline,
		.connect_ms = CONNECT_MS,
		.stall_ms = STALL_MS,
		.cancel = self->spec.cancel,
		.insecure = self->spec.endpoint->insecure,
	};
	int rc = kt_buf_check(&url, err) < 0 || kt_buf_check(&form, err) < 0
			 ? -1
			 : kt_http_do(self->spec.http, &request, response, err);
	kt_secret_free(basic);
	return rc;
}

static int denied(const kt_registry *self, int status, kt_err *err)
{
	KT_FAIL(err, PERMISSION,
		"pull access denied for image '%s' at registry '%s' (HTTP %d): it does not exist "
		"there or needs a login",
		self->spec.image, self->spec.endpoint->host, status);
	kt_err_hint(err, "check the image's name, or put credentials for '%s' into "
			 "~/.docker/config.json (docker login writes them)",
		    self->spec.endpoint->host);
	return -1;
}

static int fetch_token(kt_registry *self, const char *header, kt_err *err)
{
	KT_CLEANUP(challenge_deinit) challenge wants = {NULL, NULL, NULL};
	if (parse_challenge(header, &wants, err) < 0 || check_realm(self, wants.realm, err) < 0) {
		return -1;
	}
	KT_AUTO_HTTP_RESPONSE kt_http_response response = KT_HTTP_RESPONSE_INIT;
	if (token_request(self, &wants, &response, err) < 0) {
		return KT_WRAP(err, "getting a token for image '%s' from '%s' failed",
			       self->spec.image, wants.realm);
	}
	if (response.status != 200) {
		return denied(self, response.status, err);
	}
	KT_AUTO_JSON json_t *root =
		kt_json_parse(kt_buf_str(&response.body), response.body.len, wants.realm, err);
	if (root == NULL) {
		return -1;
	}
	const char *token = kt_str_or(kt_json_str(root, "token", ""),
				      kt_json_str(root, "access_token", ""));
	if (token[0] == '\0') {
		return KT_FAIL(err, INVALID, "the answer of the token server '%s' has no token",
			       wants.realm);
	}
	char *value = kt_asprintf("Bearer %s", token);
	if (value == NULL) {
		return kt_err_nomem(err);
	}
	set_authorization(self, value);
	return 0;
}

/* Answers a 401: 0 when another try makes sense. */
static int authenticate(kt_registry *self, const kt_http_response *response, kt_err *err)
{
	const kt_credentials *credentials = self->spec.credentials;
	for (size_t i = 0; i < response->header_count; i++) {
		const kt_http_header *header = &response->headers[i];
		if (!kt_str_eq(header->name, "www-authenticate")) {
			continue;
		}
		if (strncasecmp(header->value, "Bearer ", 7) == 0) {
			return fetch_token(self, header->value + 7, err);
		}
		if (strncasecmp(header->value, "Basic", 5) == 0 && credentials != NULL &&
		    credentials->password != NULL) {
			char *basic =
				kt_credentials_basic(credentials->username, credentials->password);
			if (basic == NULL) {
				return kt_err_nomem(err);
			}
			set_authorization(self, basic);
			return 0;
		}
	}
	return denied(self, 401, err);
}

/* ---- Requests ---- */

static int unreachable(const kt_registry *self, kt_err *err)
{
	if (err != NULL && (err->code == KT_ERR_UNAVAILABLE || err->code == KT_ERR_TIMEOUT)) {
		KT_WRAP(err, "the registry '%s' of image '%s' cannot be reached",
			self->spec.endpoint->host, self->spec.image);
		kt_err_hint(err, "check the network and the proxy variables, or name a mirror in "
				 "registries.conf");
	}
	return -1;
}

static int send_once(kt_registry *self, const char *url, const char *accept, kt_http_request *base,
		     kt_http_response *response, kt_err *err)
{
	char *authorization = copy_authorization(self);
	kt_http_header headers[2] = {{"Accept", accept}, {"Authorization", authorization}};
	kt_http_request request = *base;
	request.url = url;
	request.headers = headers;
	request.header_count = authorization != NULL ? 2 : 1;
	request.deadline = self->spec.deadline;
	request.connect_ms = CONNECT_MS;
	request.stall_ms = STALL_MS;
	request.cancel = self->spec.cancel;
	request.insecure = self->spec.endpoint->insecure || self->spec.endpoint->loopback;
	kt_http_response_deinit(response);
	*response = (kt_http_response)KT_HTTP_RESPONSE_INIT;
	int rc = kt_http_do(self->spec.http, &request, response, err);
	kt_secret_free(authorization);
	return rc;
}

/* A TLS server's answer to plain HTTP is a 400 without the registry's header. */
static bool wants_https(bool https, const kt_http_response *response)
{
	return !https && response->status == 400 &&
	       kt_http_response_header(response, "docker-distribution-api-version") == NULL;
}

static int send_any_scheme(kt_registry *self, const char *path, const char *accept,
			   kt_http_request *base, kt_http_response *response, kt_err *err)
{
	bool https = self->https;
	for (int attempt = 0;; attempt++) {
		KT_AUTO_FREE char *url = kt_asprintf("%s://%s/v2/%s", https ? "https" : "http",
						     self->spec.endpoint->host, path);
		if (url == NULL) {
			return kt_err_nomem(err);
		}
		KT_AUTO_ERR kt_err cause = KT_ERR_INIT;
		int rc = send_once(self, url, accept, base, response, &cause);
		bool known = self->scheme_known;
		if (!known && rc == 0 && !wants_https(https, response)) {
			/* Downloads may find it out at the same time: all find the same. */
			self->https = https;
			self->scheme_known = known = true;
		}
		if (known) {
			if (rc < 0) {
				kt_err_move(err, &cause);
				return unreachable(self, err);
			}
			return 0;
		}
		if (attempt > 0 || (rc < 0 && cause.code == KT_ERR_CANCELLED)) {
			kt_err_move(err, &cause);
			return unreachable(self, err);
		}
		https = !https;
	}
}

static int registry_get(kt_registry *self, const char *path, const char *accept,
			kt_http_request *base, kt_http_response *response, kt_err *err)
{
	bool authenticated = false;
	for (int attempt = 1;; attempt++) {
		if (send_any_scheme(self, path, accept, base, response, err) < 0) {
			return -1;
		}
		if (response->status == 401 && !authenticated) {
			authenticated = true;
			if (authenticate(self, response, err) < 0) {
				return -1;
			}
			continue;
		}
		if (response->status < 500 || attempt >= SERVER_TRIES) {
			return 0;
		}
		KT_DEBUG("image", "registry %s answered %d, trying again",
			 self->spec.endpoint->host, response->status);
		kt_instant until = kt_after_ms(BACKOFF_MS << attempt);
		KT_AUTO_ERR kt_err waited = KT_ERR_INIT;
		if (kt_wait_fd(-1, 0, until, self->spec.cancel, &waited) < 0 &&
		    waited.code != KT_ERR_TIMEOUT) {
			kt_err_move(err, &waited);
			return -1;
		}
	}
}

/* The first message of a registry's error body, or "". */
static char *error_text(const kt_http_response *response)
{
	KT_AUTO_JSON json_t *root =
		kt_json_parse(kt_buf_str(&response->body), response->body.len, "answer", NULL);
	const json_t *first = json_array_get(json_object_get(root, "errors"), 0);
	const char *message = kt_json_str(first, "message", "");
	return message[0] != '\0' ? kt_asprintf(": %.200s", message) : kt_strdup("");
}

static int bad_status(const kt_registry *self, const kt_http_response *response, const char *what,
		      kt_err *err)
{
	int status = response->status;
	const char *host = self->spec.endpoint->host;
	if (status == 401 || status == 403) {
		return denied(self, status, err);
	}
	KT_AUTO_FREE char *text = error_text(response);
	if (status == 404) {
		KT_FAIL(err, NOT_FOUND, "the registry '%s' does not know %s of image '%s'%s", host,
			what, self->spec.image, kt_str_or(text, ""));
		kt_err_hint(err, "check the image's name and tag");
		return -1;
	}
	if (status == 429) {
		KT_FAIL(err, EXHAUSTED, "the registry '%s' refuses more pulls for now (image '%s')%s",
			host, self->spec.image, kt_str_or(text, ""));
		kt_err_hint(err, "log in to the registry, use a mirror, or wait");
		return -1;
	}
	KT_FAIL(err, UNAVAILABLE, "the registry '%s' failed with HTTP %d for %s of image '%s'%s", host,
		status, what, self->spec.image, kt_str_or(text, ""));
	kt_err_hint(err, "try again later, or name a mirror in registries.conf");
	return -1;
}

int kt_registry_manifest(kt_registry *self, const char *reference, kt_buf *ret,
			 char ret_digest[KT_DIGEST_LEN + 1], kt_err *err)
{
	KT_AUTO_FREE char *path =
		kt_asprintf("%s/manifests/%s", self->spec.endpoint->repository, reference);
	if (path == NULL) {
		return kt_err_nomem(err);
	}
	kt_http_request base = {.max_body = KT_MANIFEST_MAX};
	KT_AUTO_HTTP_RESPONSE kt_http_response response = KT_HTTP_RESPONSE_INIT;
	if (registry_get(self, path, KT_MANIFEST_ACCEPT, &base, &response, err) < 0) {
		return -1;
	}
	if (response.status != 200) {
		KT_AUTO_FREE char *what = kt_asprintf("the manifest '%s'", reference);
		return bad_status(self, &response, kt_str_or(what, "the manifest"), err);
	}
	char digest[KT_DIGEST_LEN + 1];
	kt_digest_of(kt_buf_str(&response.body), response.body.len, digest);
	const char *claimed = kt_http_response_header(&response, "docker-content-digest");
	const char *wanted = kt_digest_ok(reference) ? reference : claimed;
	if (wanted != NULL && kt_str_starts(wanted, "sha256:") && !kt_str_eq(wanted, digest)) {
		KT_FAIL(err, CORRUPT,
			"the manifest of image '%s' from registry '%s' has digest %s instead of %s",
			self->spec.image, self->spec.endpoint->host, digest, wanted);
		kt_err_hint(err, "the registry or a proxy before it returns wrong content");
		return -1;
	}
	kt_buf_clear(ret);
	kt_buf_add(ret, kt_buf_str(&response.body), response.body.len);
	memcpy(ret_digest, digest, sizeof(digest));
	return kt_buf_check(ret, err);
}

/* ---- Blobs ---- */

typedef struct blob_stream {
	kt_sink to;
	const kt_http_response *response;
	uint64_t offset; /* bytes handed on */
	uint64_t skip;   /* bytes of this answer that were handed on before */
	bool started;
	bool sink_failed;
} blob_stream;

static int blob_write(void *arg, const void *data, size_t len, kt_err *err)
{
	blob_stream *self = arg;
	if (!self->started) {
		self->started = true;
		self->skip = self->response->resumed ? 0 : self->offset;
	}
	size_t drop = (size_t)KT_MIN(self->skip, (uint64_t)len);
	self->skip -= drop;
	len -= drop;
	if (len == 0) {
		return 0;
	}
	if (self->to.write(self->to.ctx, (const char *)data + drop, len, err) < 0) {
		self->sink_failed = true;
		return -1;
	}
	self->offset += len;
	return 0;
}

static bool worth_resuming(const kt_err *err)
{
	return err->code == KT_ERR_IO || err->code == KT_ERR_UNAVAILABLE;
}

int kt_registry_blob(kt_registry *self, const kt_descriptor *blob, kt_sink to, kt_err *err)
{
	KT_AUTO_FREE char *path =
		kt_asprintf("%s/blobs/%s", self->spec.endpoint->repository, blob->digest);
	if (path == NULL) {
		return kt_err_nomem(err);
	}
	KT_AUTO_HTTP_RESPONSE kt_http_response response = KT_HTTP_RESPONSE_INIT;
	blob_stream stream = {.to = to, .response = &response};
	for (int attempt = 1;; attempt++) {
		kt_http_request base = {
			.sink = blob_write, .sink_arg = &stream, .resume_from = stream.offset};
		stream.started = false;
		KT_AUTO_ERR kt_err cause = KT_ERR_INIT;
		int rc = registry_get(self, path, "*/*", &base, &response, &cause);
		if (rc == 0 && (response.status == 200 || response.status == 206)) {
			return 0;
		}
		if (rc == 0) {
			KT_AUTO_FREE char *what = kt_asprintf("the content %s", blob->digest);
			return bad_status(self, &response, kt_str_or(what, "content"), err);
		}
		if (blob->size > 0 && stream.offset == blob->size) {
			return 0; /* it broke after the last byte */
		}
		/* Only what had begun to arrive is resumed; a dead registry is reported at once. */
		bool moved = stream.offset > 0;
		if (stream.sink_failed || !moved || !worth_resuming(&cause) ||
		    attempt >= BLOB_TRIES) {
			kt_err_move(err, &cause);
			return KT_WRAP(err, "downloading %s of image '%s' from registry '%s' failed",
				       blob->digest, self->spec.image, self->spec.endpoint->host);
		}
		KT_DEBUG("image", "resuming %s at %llu", blob->digest,
			 (unsigned long long)stream.offset);
	}
}
