/* Image references by Docker's grammar. */
#include "image/image.h"

#include "base/alloc.h"
#include "base/str.h"

#include <ctype.h>
#include <string.h>

#define DEFAULT_REGISTRY "docker.io"
#define OFFICIAL_PREFIX "library/"
#define NAME_MAX_LEN 255
#define TAG_MAX_LEN 128
#define SHA256_HEX_LEN 64

void kt_image_ref_deinit(kt_image_ref *self)
{
	kt_free(self->registry);
	kt_free(self->repository);
	kt_free(self->tag);
	kt_free(self->digest);
	*self = (kt_image_ref)KT_IMAGE_REF_INIT;
}

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* [a-z0-9]+ joined by ".", "_", "__" or any number of "-". */
static bool component_ok(const char *text, size_t len)
{
	size_t i = 0;
	for (;;) {
		size_t start = i;
		while (i < len && is_lower_alnum(text[i])) {
			i++;
		}
		if (i == start) {
			return false;
		}
		if (i == len) {
			return true;
		}
		if (text[i] == '.') {
			i++;
		} else if (text[i] == '_') {
			i += i + 1 < len && text[i + 1] == '_' ? 2 : 1;
		} else if (text[i] == '-') {
			i += strspn(text + i, "-");
		} else {
			return false;
		}
	}
}

static bool repository_ok(const char *text)
{
	if (strlen(text) > NAME_MAX_LEN) {
		return false;
	}
	for (;;) {
		size_t len = strcspn(text, "/");
		if (!component_ok(text, len)) {
			return false;
		}
		if (text[len] == '\0') {
			return true;
		}
		text += len + 1;
	}
}

/* host, host:port or [ipv6]:port */
static bool registry_ok(const char *text)
{
	size_t i = 0;
	if (text[0] == '[') {
		i = strspn(text + 1, "0123456789abcdefABCDEF:.") + 1;
		if (text[i] != ']') {
			return false;
		}
		i++;
	} else {
		while (isalnum((unsigned char)text[i]) || text[i] == '.' || text[i] == '-') {
			i++;
		}
		if (i == 0 || text[0] == '-' || text[0] == '.') {
			return false;
		}
	}
	if (text[i] == '\0') {
		return true;
	}
	int64_t port = 0;
	return text[i] == ':' && kt_str_to_i64(text + i + 1, 1, 65535, &port);
}

static bool tag_ok(const char *text)
{
	size_t len = strlen(text);
	if (len == 0 || len > TAG_MAX_LEN || text[0] == '.' || text[0] == '-') {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if (!isalnum(c) && c != '_' && c != '.' && c != '-') {
			return false;
		}
	}
	return true;
}

static bool digest_ok(const char *text)
{
	if (!kt_str_starts(text, "sha256:")) {
		return false;
	}
	text += strlen("sha256:");
	return strlen(text) == SHA256_HEX_LEN &&
	       strspn(text, "0123456789abcdef") == SHA256_HEX_LEN;
}

/* A first part is a registry when it looks like a host. */
static bool is_registry_part(const char *text, size_t len)
{
	if (memchr(text, '.', len) != NULL || memchr(text, ':', len) != NULL || text[0] == '[') {
		return true;
	}
	if (len == strlen("localhost") && strncmp(text, "localhost", len) == 0) {
		return true;
	}
	for (size_t i = 0; i < len; i++) {
		if (isupper((unsigned char)text[i])) {
			return true;
		}
	}
	return false;
}

static int bad_reference(kt_err *err, const char *text, const char *why)
{
	return KT_FAIL(err, INVALID, "invalid image reference '%s': %s", text, why);
}

static int split_registry(const char *name, kt_image_ref *ret, kt_err *err)
{
	const char *slash = strchr(name, '/');
	size_t first = slash != NULL ? (size_t)(slash - name) : 0;
	const char *rest = name;
	if (slash != NULL && is_registry_part(name, first)) {
		ret->registry = kt_strndup(name, first);
		rest = slash + 1;
	} else {
		ret->registry = kt_strdup(DEFAULT_REGISTRY);
	}
	if (ret->registry != NULL && (kt_str_eq(ret->registry, "index.docker.io") ||
				      kt_str_eq(ret->registry, "registry-1.docker.io"))) {
		kt_free(ret->registry);
		ret->registry = kt_strdup(DEFAULT_REGISTRY);
	}
	if (ret->registry == NULL) {
		return kt_err_nomem(err);
	}
	bool official = kt_str_eq(ret->registry, DEFAULT_REGISTRY) && strchr(rest, '/') == NULL;
	ret->repository = kt_asprintf("%s%s", official ? OFFICIAL_PREFIX : "", rest);
	return ret->repository == NULL ? kt_err_nomem(err) : 0;
}

int kt_image_ref_parse(const char *text, kt_image_ref *ret, kt_err *err)
{
	KT_AUTO_IMAGE_REF kt_image_ref ref = KT_IMAGE_REF_INIT;
	const char *at = strchr(text, '@');
	size_t len = at != NULL ? (size_t)(at - text) : strlen(text);
	if (at != NULL) {
		if (!digest_ok(at + 1)) {
			return bad_reference(err, text,
					     "the digest must be sha256: and 64 hexadecimal digits");
		}
		ref.digest = kt_strdup(at + 1);
	}
	KT_AUTO_FREE char *name = kt_strndup(text, len);
	if (name == NULL || (at != NULL && ref.digest == NULL)) {
		return kt_err_nomem(err);
	}
	char *colon = strrchr(name, ':');
	if (colon != NULL && strchr(colon, '/') == NULL) {
		if (!tag_ok(colon + 1)) {
			return bad_reference(err, text, "the tag is malformed");
		}
		ref.tag = kt_strdup(colon + 1);
		*colon = '\0';
	} else if (at == NULL) {
		colon = NULL;
		ref.tag = kt_strdup("latest");
	} else {
		colon = NULL;
	}
	if (ref.tag == NULL && (colon != NULL || at == NULL)) {
		return kt_err_nomem(err);
	}
	if (split_registry(name, &ref, err) < 0) {
		return -1;
	}
	if (!registry_ok(ref.registry)) {
		return bad_reference(err, text, "the registry is not a host name");
	}
	if (!repository_ok(ref.repository)) {
		return bad_reference(err, text,
				     "the repository must be lower-case letters, digits and "
				     "separators");
	}
	*ret = ref;
	ref = (kt_image_ref)KT_IMAGE_REF_INIT;
	return 0;
}

static char *join(const char *registry, const char *repository, const kt_image_ref *self)
{
	return kt_asprintf("%s%s%s%s%s%s%s", registry, registry[0] != '\0' ? "/" : "", repository,
			   self->tag != NULL ? ":" : "", kt_str_or(self->tag, ""),
			   self->digest != NULL ? "@" : "", kt_str_or(self->digest, ""));
}

char *kt_image_ref_text(const kt_image_ref *self)
{
	return join(self->registry, self->repository, self);
}

char *kt_image_ref_familiar(const kt_image_ref *self)
{
	if (!kt_str_eq(self->registry, DEFAULT_REGISTRY)) {
		return kt_image_ref_text(self);
	}
	const char *repository = self->repository;
	if (kt_str_starts(repository, OFFICIAL_PREFIX) &&
	    strchr(repository + strlen(OFFICIAL_PREFIX), '/') == NULL) {
		repository += strlen(OFFICIAL_PREFIX);
	}
	/* What would be read as a registry needs the whole form. */
	size_t first = strcspn(repository, "/");
	if (repository[first] == '/' && is_registry_part(repository, first)) {
		return kt_image_ref_text(self);
	}
	return join("", repository, self);
}
