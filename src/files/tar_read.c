/* Reading ustar, GNU and pax archives from a source. */
#include "files/tar.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/vec.h"
#include "files/tar_format.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW ((size_t)256 * 1024)
#define NAME_MAX_BYTES ((size_t)PATH_MAX)
#define PAX_MAX_BYTES ((size_t)1024 * 1024)
#define XATTR_MAX 256
#define DEFAULT_MAX_BYTES (UINT64_C(64) * 1024 * 1024 * 1024)
#define DEFAULT_MAX_ENTRIES (UINT64_C(4) * 1024 * 1024)

/* Offsets into `pax`, because the buffer may move while it grows. */
typedef struct xattr_ref {
	size_t name;
	size_t value;
	size_t len;
} xattr_ref;

enum {
	HAS_PATH = 1 << 0,
	HAS_LINK = 1 << 1,
	HAS_SIZE = 1 << 2,
	HAS_UID = 1 << 3,
	HAS_GID = 1 << 4,
	HAS_UNAME = 1 << 5,
	HAS_GNAME = 1 << 6,
	HAS_MTIME = 1 << 7,
};

struct kt_tar_reader {
	kt_source from;
	kt_tar_limits limits;
	char *window;
	size_t pos;
	size_t len;
	bool input_end;
	bool finished;
	uint64_t left; /* content of the current entry */
	size_t padding;
	uint64_t bytes;
	uint64_t entries;
	kt_tar_entry entry;
	kt_buf path;
	kt_buf link;
	kt_buf uname;
	kt_buf gname;
	kt_buf pax;
	KT_VEC(xattr_ref) xattr_refs;
	KT_VEC(kt_tar_xattr) xattrs;
	unsigned has; /* fields that extension records have set */
};

kt_tar_reader *kt_tar_reader_new(kt_source from, const kt_tar_limits *limits, kt_err *err)
{
	kt_tar_reader *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	self->from = from;
	if (limits != NULL) {
		self->limits = *limits;
	}
	if (self->limits.max_bytes == 0) {
		self->limits.max_bytes = DEFAULT_MAX_BYTES;
	}
	if (self->limits.max_entries == 0) {
		self->limits.max_entries = DEFAULT_MAX_ENTRIES;
	}
	self->path.max = self->link.max = NAME_MAX_BYTES;
	self->uname.max = self->gname.max = NAME_MAX_BYTES;
	self->pax.max = PAX_MAX_BYTES;
	self->window = kt_malloc(WINDOW);
	if (self->window == NULL) {
		kt_free(self);
		kt_err_nomem(err);
		return NULL;
	}
	return self;
}

void kt_tar_reader_free(kt_tar_reader *self)
{
	if (self == NULL) {
		return;
	}
	kt_free(self->window);
	kt_buf_deinit(&self->path);
	kt_buf_deinit(&self->link);
	kt_buf_deinit(&self->uname);
	kt_buf_deinit(&self->gname);
	kt_buf_deinit(&self->pax);
	kt_vec_deinit(&self->xattr_refs);
	kt_vec_deinit(&self->xattrs);
	kt_free(self);
}

/* Makes `need` bytes contiguous at pos. 1; 0 when the stream ends with none left; -1. */
static int fill(kt_tar_reader *self, size_t need, kt_err *err)
{
	if (self->len - self->pos >= need) {
		return 1;
	}
	memmove(self->window, self->window + self->pos, self->len - self->pos);
	self->len -= self->pos;
	self->pos = 0;
	while (self->len < need && !self->input_end) {
		ssize_t n = self->from.read(self->from.ctx, self->window + self->len,
					    WINDOW - self->len, err);
		if (n < 0) {
			return -1;
		}
		self->len += (size_t)n;
		self->input_end = n == 0;
	}
	if (self->len >= need) {
		return 1;
	}
	if (self->len == 0) {
		return 0;
	}
	return KT_FAIL(err, CORRUPT, "the archive ends in the middle of an entry");
}

int kt_tar_data(kt_tar_reader *self, const void **ret_data, size_t *ret_len, kt_err *err)
{
	if (self->left == 0) {
		return 0;
	}
	int rc = fill(self, 1, err);
	if (rc <= 0) {
		return rc < 0 ? -1
			      : KT_FAIL(err, CORRUPT, "the archive ends within the content of %s",
					kt_buf_str(&self->path));
	}
	size_t n = (size_t)KT_MIN((uint64_t)(self->len - self->pos), self->left);
	*ret_data = self->window + self->pos;
	*ret_len = n;
	self->pos += n;
	self->left -= n;
	return 1;
}

static int skip_rest(kt_tar_reader *self, kt_err *err)
{
	const void *data = NULL;
	size_t len = 0;
	int rc;
	while ((rc = kt_tar_data(self, &data, &len, err)) > 0) {
	}
	if (rc < 0) {
		return -1;
	}
	if (self->padding > 0) {
		rc = fill(self, self->padding, err);
		if (rc < 0) {
			return -1;
		}
		/* An archive cut after its last byte of content is still whole. */
		self->pos += rc > 0 ? self->padding : 0;
		self->padding = 0;
	}
	return 0;
}

/* Reads to the end, so that checksums around us see the whole stream. */
static int drain(kt_tar_reader *self, kt_err *err)
{
	self->finished = true;
	self->pos = self->len = 0;
	while (!self->input_end) {
		ssize_t n = self->from.read(self->from.ctx, self->window, WINDOW, err);
		if (n < 0) {
			return -1;
		}
		self->input_end = n == 0;
	}
	return 0;
}

static int bad_number(kt_err *err)
{
	return KT_FAIL(err, CORRUPT, "a number in a tar header is malformed");
}

/* Octal, or base 256 when the first bit is set. */
static int parse_number(const char *field, size_t len, int64_t *ret, kt_err *err)
{
	const unsigned char *p = (const unsigned char *)field;
	if ((p[0] & 0x80) != 0) {
		uint64_t value = (p[0] & 0x40) != 0 ? UINT64_MAX : 0;
		bool negative = value != 0;
		for (size_t i = 0; i < len; i++) {
			unsigned byte = i == 0 && !negative ? p[i] & 0x7fU : p[i];
			uint64_t top = value >> 55;
			if (top != 0 && top != (UINT64_MAX >> 55)) {
				return bad_number(err);
			}
			value = (value << 8) | byte;
		}
		*ret = (int64_t)value;
		return 0;
	}
	size_t i = 0;
	while (i < len && (p[i] == ' ' || p[i] == '\0')) {
		i++;
	}
	uint64_t value = 0;
	for (; i < len && p[i] >= '0' && p[i] <= '7'; i++) {
		value = (value << 3) | (unsigned)(p[i] - '0');
	}
	if (i < len && p[i] != ' ' && p[i] != '\0') {
		return bad_number(err);
	}
	*ret = (int64_t)value;
	return 0;
}

static int parse_bounded(const char *field, size_t len, int64_t max, int64_t *ret, kt_err *err)
{
	if (parse_number(field, len, ret, err) < 0) {
		return -1;
	}
	return *ret < 0 || *ret > max ? bad_number(err) : 0;
}

static bool checksum_ok(const kt_tar_header *header)
{
	const unsigned char *p = (const unsigned char *)header;
	int64_t plain = 0;
	int64_t with_sign = 0;
	size_t from = offsetof(kt_tar_header, chksum);
	for (size_t i = 0; i < KT_TAR_BLOCK; i++) {
		unsigned char c = i >= from && i < from + sizeof(header->chksum) ? ' ' : p[i];
		plain += c;
		with_sign += (signed char)c;
	}
	int64_t stored = 0;
	if (parse_number(header->chksum, sizeof(header->chksum), &stored, NULL) < 0) {
		return false;
	}
	return stored == plain || stored == with_sign;
}

static bool is_zero_block(const char *block)
{
	for (size_t i = 0; i < KT_TAR_BLOCK; i++) {
		if (block[i] != 0) {
			return false;
		}
	}
	return true;
}

/* Reads the whole content of the current (extension) entry into buf. */
static int read_content(kt_tar_reader *self, kt_buf *buf, kt_err *err)
{
	kt_buf_clear(buf);
	if (self->left > buf->max) {
		return KT_FAIL(err, INVALID, "a name or attribute record in the archive is too long");
	}
	const void *data = NULL;
	size_t len = 0;
	int rc;
	while ((rc = kt_tar_data(self, &data, &len, err)) > 0) {
		kt_buf_add(buf, data, len);
	}
	if (rc < 0 || kt_buf_check(buf, err) < 0) {
		return -1;
	}
	return skip_rest(self, err);
}

static int set_text(kt_buf *buf, const char *text, size_t len, kt_err *err)
{
	kt_buf_clear(buf);
	kt_buf_add(buf, text, strnlen(text, len));
	return kt_buf_check(buf, err);
}

static int parse_decimal(const char *text, int64_t max, int64_t *ret, kt_err *err)
{
	if (!kt_str_to_i64(text, 0, max, ret)) {
		return bad_number(err);
	}
	return 0;
}

/* "123.456": seconds and a fraction. */
static void parse_pax_time(const char *text, int64_t *ret_s, uint32_t *ret_ns)
{
	char *end = NULL;
	*ret_s = strtoll(text, &end, 10);
	uint32_t ns = 0;
	if (*end == '.') {
		uint32_t scale = 100000000;
		for (end++; *end >= '0' && *end <= '9'; end++) {
			ns += (uint32_t)(*end - '0') * scale;
			scale /= 10;
		}
	}
	if (text[0] == '-' && ns > 0) {
		*ret_s -= 1;
		ns = 1000000000 - ns;
	}
	*ret_ns = ns;
}

static int add_xattr(kt_tar_reader *self, size_t name, size_t value, size_t len, kt_err *err)
{
	if (self->xattr_refs.len >= XATTR_MAX) {
		return KT_FAIL(err, INVALID, "an entry of the archive has too many attributes");
	}
	xattr_ref ref = {name, value, len};
	return kt_vec_push(&self->xattr_refs, ref) < 0 ? kt_err_nomem(err) : 0;
}

/* One record; key and value are NUL-terminated inside self->pax. */
static int apply_pax(kt_tar_reader *self, char *key, char *value, size_t value_len, kt_err *err)
{
	int64_t n = 0;
	kt_tar_entry *entry = &self->entry;
	if (kt_str_eq(key, "path")) {
		self->has |= HAS_PATH;
		return set_text(&self->path, value, value_len, err);
	}
	if (kt_str_eq(key, "linkpath")) {
		self->has |= HAS_LINK;
		return set_text(&self->link, value, value_len, err);
	}
	if (kt_str_eq(key, "uname")) {
		self->has |= HAS_UNAME;
		return set_text(&self->uname, value, value_len, err);
	}
	if (kt_str_eq(key, "gname")) {
		self->has |= HAS_GNAME;
		return set_text(&self->gname, value, value_len, err);
	}
	if (kt_str_eq(key, "size")) {
		self->has |= HAS_SIZE;
		if (parse_decimal(value, INT64_MAX, &n, err) < 0) {
			return -1;
		}
		entry->size = (uint64_t)n;
		return 0;
	}
	if (kt_str_eq(key, "uid") || kt_str_eq(key, "gid")) {
		if (parse_decimal(value, UINT32_MAX - 1, &n, err) < 0) {
			return -1;
		}
		if (key[0] == 'u') {
			self->has |= HAS_UID;
			entry->uid = (uid_t)n;
		} else {
			self->has |= HAS_GID;
			entry->gid = (gid_t)n;
		}
		return 0;
	}
	if (kt_str_eq(key, "mtime")) {
		self->has |= HAS_MTIME;
		parse_pax_time(value, &entry->mtime, &entry->mtime_ns);
		return 0;
	}
	if (kt_str_starts(key, "SCHILY.xattr.")) {
		char *name = key + strlen("SCHILY.xattr.");
		return add_xattr(self, (size_t)(name - self->pax.data),
				 (size_t)(value - self->pax.data), value_len, err);
	}
	if (kt_str_starts(key, "GNU.sparse.")) {
		return KT_FAIL(err, UNSUPPORTED,
			       "the archive has sparse entries, which are not supported");
	}
	return 0;
}

/* Records "LEN KEY=VALUE\n". */
static int parse_pax(kt_tar_reader *self, kt_err *err)
{
	if (read_content(self, &self->pax, err) < 0) {
		return -1;
	}
	self->xattr_refs.len = 0;
	char *data = self->pax.data;
	size_t len = self->pax.len;
	size_t pos = 0;
	while (pos < len) {
		size_t record = 0;
		size_t i = pos;
		for (; i < len && isdigit((unsigned char)data[i]) && record <= PAX_MAX_BYTES; i++) {
			record = record * 10 + (size_t)(data[i] - '0');
		}
		if (i == len || data[i] != ' ' || record > len - pos || record < i - pos + 3 ||
		    data[pos + record - 1] != '\n') {
			return KT_FAIL(err, CORRUPT, "a pax record in the archive is malformed");
		}
		char *key = data + i + 1;
		char *end = data + pos + record - 1;
		char *equals = memchr(key, '=', (size_t)(end - key));
		if (equals == NULL) {
			return KT_FAIL(err, CORRUPT, "a pax record in the archive is malformed");
		}
		*equals = '\0';
		*end = '\0';
		if (apply_pax(self, key, equals + 1, (size_t)(end - equals - 1), err) < 0) {
			return -1;
		}
		pos += record;
	}
	return 0;
}

static int read_gnu_name(kt_tar_reader *self, kt_buf *buf, unsigned flag, kt_err *err)
{
	if (read_content(self, buf, err) < 0) {
		return -1;
	}
	if (buf->len > 0) {
		buf->len = strnlen(buf->data, buf->len);
		buf->data[buf->len] = '\0';
	}
	self->has |= flag;
	return 0;
}

static int take_names(kt_tar_reader *self, const kt_tar_header *h, kt_err *err)
{
	if ((self->has & HAS_PATH) == 0) {
		kt_buf_clear(&self->path);
		bool ustar = memcmp(h->magic, "ustar\0", 6) == 0;
		if (ustar && h->prefix[0] != '\0') {
			kt_buf_add(&self->path, h->prefix, strnlen(h->prefix, sizeof(h->prefix)));
			kt_buf_addc(&self->path, '/');
		}
		kt_buf_add(&self->path, h->name, strnlen(h->name, sizeof(h->name)));
		if (kt_buf_check(&self->path, err) < 0) {
			return -1;
		}
	}
	if ((self->has & HAS_LINK) == 0 &&
	    set_text(&self->link, h->linkname, sizeof(h->linkname), err) < 0) {
		return -1;
	}
	bool names = memcmp(h->magic, "ustar", 5) == 0;
	if ((self->has & HAS_UNAME) == 0 &&
	    set_text(&self->uname, names ? h->uname : "", names ? sizeof(h->uname) : 0, err) < 0) {
		return -1;
	}
	if ((self->has & HAS_GNAME) == 0 &&
	    set_text(&self->gname, names ? h->gname : "", names ? sizeof(h->gname) : 0, err) < 0) {
		return -1;
	}
	return 0;
}

static int take_numbers(kt_tar_reader *self, const kt_tar_header *h, kt_err *err)
{
	kt_tar_entry *entry = &self->entry;
	int64_t n = 0;
	if (parse_bounded(h->mode, sizeof(h->mode), INT32_MAX, &n, err) < 0) {
		return -1;
	}
	entry->mode = (mode_t)(n & 07777);
	if ((self->has & HAS_UID) == 0) {
		if (parse_bounded(h->uid, sizeof(h->uid), UINT32_MAX - 1, &n, err) < 0) {
			return -1;
		}
		entry->uid = (uid_t)n;
	}
	if ((self->has & HAS_GID) == 0) {
		if (parse_bounded(h->gid, sizeof(h->gid), UINT32_MAX - 1, &n, err) < 0) {
			return -1;
		}
		entry->gid = (gid_t)n;
	}
	if ((self->has & HAS_SIZE) == 0) {
		if (parse_bounded(h->size, sizeof(h->size), INT64_MAX, &n, err) < 0) {
			return -1;
		}
		entry->size = (uint64_t)n;
	}
	if ((self->has & HAS_MTIME) == 0) {
		if (parse_number(h->mtime, sizeof(h->mtime), &n, err) < 0) {
			return -1;
		}
		entry->mtime = n;
		entry->mtime_ns = 0;
	}
	entry->dev_major = entry->dev_minor = 0;
	if (h->typeflag == '3' || h->typeflag == '4') {
		if (parse_bounded(h->devmajor, sizeof(h->devmajor), UINT32_MAX, &n, err) < 0) {
			return -1;
		}
		entry->dev_major = (uint32_t)n;
		if (parse_bounded(h->devminor, sizeof(h->devminor), UINT32_MAX, &n, err) < 0) {
			return -1;
		}
		entry->dev_minor = (uint32_t)n;
	}
	return 0;
}

static int take_type(kt_tar_reader *self, char flag, kt_err *err)
{
	kt_tar_type type = KT_TAR_FILE;
	switch (flag) {
	case '1':
		type = KT_TAR_HARDLINK;
		break;
	case '2':
		type = KT_TAR_SYMLINK;
		break;
	case '3':
		type = KT_TAR_CHAR;
		break;
	case '4':
		type = KT_TAR_BLOCK;
		break;
	case '5':
	case 'D':
		type = KT_TAR_DIR;
		break;
	case '6':
		type = KT_TAR_FIFO;
		break;
	case 'S':
	case 'M':
		return KT_FAIL(err, UNSUPPORTED,
			       "the archive has %s entries, which are not supported",
			       flag == 'S' ? "sparse" : "multi-volume");
	default:
		if (kt_str_ends(kt_buf_str(&self->path), "/")) {
			type = KT_TAR_DIR;
		}
	}
	self->entry.type = type;
	return 0;
}

static int finish_entry(kt_tar_reader *self, kt_err *err)
{
	kt_tar_entry *entry = &self->entry;
	if (memchr(kt_buf_str(&self->path), '\0', self->path.len) != NULL) {
		return KT_FAIL(err, INVALID, "a name in the archive contains a NUL");
	}
	entry->path = kt_buf_str(&self->path);
	entry->link = kt_buf_str(&self->link);
	entry->uname = kt_buf_str(&self->uname);
	entry->gname = kt_buf_str(&self->gname);
	self->xattrs.len = 0;
	for (size_t i = 0; i < self->xattr_refs.len; i++) {
		const xattr_ref *ref = &self->xattr_refs.items[i];
		kt_tar_xattr xattr = {self->pax.data + ref->name, self->pax.data + ref->value,
				      ref->len};
		if (kt_vec_push(&self->xattrs, xattr) < 0) {
			return kt_err_nomem(err);
		}
	}
	entry->xattrs = self->xattrs.items;
	entry->xattrs_len = self->xattrs.len;
	/* Only files carry content; the size of other types is without meaning. */
	if (entry->type != KT_TAR_FILE && entry->type != KT_TAR_DIR) {
		entry->size = 0;
	}
	self->left = entry->size;
	self->padding = (size_t)(-entry->size & (KT_TAR_BLOCK - 1));
	if (entry->type == KT_TAR_DIR) {
		entry->size = 0;
	}
	self->entries++;
	if (self->left > self->limits.max_bytes - self->bytes) {
		return KT_FAIL(err, EXHAUSTED, "the archive holds more than %llu bytes",
			       (unsigned long long)self->limits.max_bytes);
	}
	self->bytes += self->left;
	if (self->entries > self->limits.max_entries) {
		return KT_FAIL(err, EXHAUSTED, "the archive holds more than %llu entries",
			       (unsigned long long)self->limits.max_entries);
	}
	return 0;
}

/* Sets up `left` and `padding` for an extension entry's content. */
static int open_extension(kt_tar_reader *self, const kt_tar_header *h, kt_err *err)
{
	int64_t size = 0;
	if (parse_bounded(h->size, sizeof(h->size), INT64_MAX, &size, err) < 0) {
		return -1;
	}
	self->left = (uint64_t)size;
	self->padding = (size_t)(-(uint64_t)size & (KT_TAR_BLOCK - 1));
	return 0;
}

/* Handles one header block: 1 = an entry is ready, 0 = it was an extension, -1. */
static int take_header(kt_tar_reader *self, const kt_tar_header *h, kt_err *err)
{
	char flag = h->typeflag;
	if (flag != '\0' && strchr("xgLKVX", flag) != NULL) {
		if (open_extension(self, h, err) < 0) {
			return -1;
		}
		if (flag == 'x' || flag == 'X') {
			return parse_pax(self, err);
		}
		if (flag == 'L') {
			return read_gnu_name(self, &self->path, HAS_PATH, err);
		}
		if (flag == 'K') {
			return read_gnu_name(self, &self->link, HAS_LINK, err);
		}
		return skip_rest(self, err);
	}
	if (take_names(self, h, err) < 0 || take_numbers(self, h, err) < 0 ||
	    take_type(self, flag, err) < 0 || finish_entry(self, err) < 0) {
		return -1;
	}
	return 1;
}

int kt_tar_next(kt_tar_reader *self, const kt_tar_entry **ret, kt_err *err)
{
	if (self->finished) {
		return 0;
	}
	if (skip_rest(self, err) < 0) {
		return -1;
	}
	self->has = 0;
	self->xattr_refs.len = 0;
	for (unsigned extensions = 0; extensions < 64; extensions++) {
		int rc = fill(self, KT_TAR_BLOCK, err);
		if (rc < 0) {
			return -1;
		}
		if (rc == 0 || is_zero_block(self->window + self->pos)) {
			return drain(self, err);
		}
		kt_tar_header header;
		memcpy(&header, self->window + self->pos, sizeof(header));
		self->pos += KT_TAR_BLOCK;
		if (!checksum_ok(&header)) {
			return KT_FAIL(err, CORRUPT, "%s",
				       self->entries == 0
					       ? "the data is not a tar archive"
					       : "a tar header has a wrong checksum");
		}
		rc = take_header(self, &header, err);
		if (rc < 0) {
			return -1;
		}
		if (rc > 0) {
			*ret = &self->entry;
			return 1;
		}
	}
	return KT_FAIL(err, CORRUPT, "the archive has too many extension records in a row");
}
