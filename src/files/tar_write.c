/* Writing ustar archives, with pax records for what ustar cannot hold. */
#include "files/tar.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "files/tar_format.h"

#include <stdio.h>
#include <string.h>

#define MAX_OCTAL_7 INT64_C(07777777)
#define MAX_OCTAL_11 INT64_C(077777777777)

struct kt_tar_writer {
	kt_sink to;
	uint64_t left;
	size_t padding;
	kt_buf path;
	kt_buf pax;
};

static const char zeros[2 * KT_TAR_BLOCK];

kt_tar_writer *kt_tar_writer_new(kt_sink to, kt_err *err)
{
	kt_tar_writer *self = kt_calloc(1, sizeof(*self));
	if (self == NULL) {
		kt_err_nomem(err);
		return NULL;
	}
	self->to = to;
	return self;
}

void kt_tar_writer_free(kt_tar_writer *self)
{
	if (self == NULL) {
		return;
	}
	kt_buf_deinit(&self->path);
	kt_buf_deinit(&self->pax);
	kt_free(self);
}

static int put(kt_tar_writer *self, const void *data, size_t len, kt_err *err)
{
	return len == 0 ? 0 : self->to.write(self->to.ctx, data, len, err);
}

/* size digits and a NUL fill the field. */
static void put_octal(char *field, size_t size, uint64_t value)
{
	field[size - 1] = '\0';
	for (size_t i = size - 1; i-- > 0;) {
		field[i] = (char)('0' + (value & 7));
		value >>= 3;
	}
}

static void put_text(char *field, size_t size, const char *text)
{
	size_t len = strnlen(text, size);
	memcpy(field, text, len);
}

static void seal(kt_tar_header *h)
{
	memcpy(h->magic, "ustar", 6);
	memcpy(h->version, "00", 2);
	memset(h->chksum, ' ', sizeof(h->chksum));
	unsigned sum = 0;
	const unsigned char *p = (const unsigned char *)h;
	for (size_t i = 0; i < sizeof(*h); i++) {
		sum += p[i];
	}
	put_octal(h->chksum, 7, sum);
	h->chksum[7] = ' ';
}

/* Splits a long path between prefix and name; false when no slash fits. */
static bool put_path(kt_tar_header *h, const char *path, size_t len)
{
	if (len <= sizeof(h->name)) {
		memcpy(h->name, path, len);
		return true;
	}
	if (len > sizeof(h->prefix) + 1 + sizeof(h->name)) {
		return false;
	}
	for (size_t i = KT_MIN(len - 2, sizeof(h->prefix)); i > 0; i--) {
		if (path[i] == '/' && len - i - 1 <= sizeof(h->name)) {
			memcpy(h->prefix, path, i);
			memcpy(h->name, path + i + 1, len - i - 1);
			return true;
		}
	}
	return false;
}

static size_t digits(size_t n)
{
	size_t count = 1;
	for (; n >= 10; n /= 10) {
		count++;
	}
	return count;
}

static void add_pax(kt_buf *pax, const char *prefix, const char *key, const void *value, size_t len)
{
	size_t body = 1 + strlen(prefix) + strlen(key) + 1 + len + 1;
	size_t total = body + digits(body);
	if (body + digits(total) != total) {
		total = body + digits(total);
	}
	kt_buf_addf(pax, "%zu %s%s=", total, prefix, key);
	kt_buf_add(pax, value, len);
	kt_buf_addc(pax, '\n');
}

static void add_pax_number(kt_buf *pax, const char *key, int64_t value)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%lld", (long long)value);
	add_pax(pax, "", key, text, (size_t)len);
}

static int write_pax(kt_tar_writer *self, kt_err *err)
{
	if (kt_buf_check(&self->pax, err) < 0) {
		return -1;
	}
	if (self->pax.len == 0) {
		return 0;
	}
	kt_tar_header h = {0};
	put_text(h.name, sizeof(h.name), "PaxHeaders/entry");
	put_octal(h.mode, sizeof(h.mode), 0644);
	put_octal(h.uid, sizeof(h.uid), 0);
	put_octal(h.gid, sizeof(h.gid), 0);
	put_octal(h.size, sizeof(h.size), self->pax.len);
	put_octal(h.mtime, sizeof(h.mtime), 0);
	h.typeflag = 'x';
	seal(&h);
	size_t padding = -self->pax.len & (KT_TAR_BLOCK - 1);
	if (put(self, &h, sizeof(h), err) < 0 ||
	    put(self, self->pax.data, self->pax.len, err) < 0) {
		return -1;
	}
	return put(self, zeros, padding, err);
}

static char type_flag(kt_tar_type type)
{
	static const char flags[] = {
		[KT_TAR_FILE] = '0',  [KT_TAR_HARDLINK] = '1', [KT_TAR_SYMLINK] = '2',
		[KT_TAR_CHAR] = '3',  [KT_TAR_BLOCK] = '4',    [KT_TAR_DIR] = '5',
		[KT_TAR_FIFO] = '6',
	};
	return flags[type];
}

static void fill_numbers(kt_tar_writer *self, kt_tar_header *h, const kt_tar_entry *entry,
			 uint64_t size)
{
	put_octal(h->mode, sizeof(h->mode), entry->mode & 07777);
	put_octal(h->uid, sizeof(h->uid), entry->uid <= MAX_OCTAL_7 ? entry->uid : 0);
	put_octal(h->gid, sizeof(h->gid), entry->gid <= MAX_OCTAL_7 ? entry->gid : 0);
	put_octal(h->size, sizeof(h->size), size <= (uint64_t)MAX_OCTAL_11 ? size : 0);
	bool plain_time = entry->mtime >= 0 && entry->mtime <= MAX_OCTAL_11;
	put_octal(h->mtime, sizeof(h->mtime), plain_time ? (uint64_t)entry->mtime : 0);
	if (entry->uid > MAX_OCTAL_7) {
		add_pax_number(&self->pax, "uid", entry->uid);
	}
	if (entry->gid > MAX_OCTAL_7) {
		add_pax_number(&self->pax, "gid", entry->gid);
	}
	if (size > (uint64_t)MAX_OCTAL_11) {
		add_pax_number(&self->pax, "size", (int64_t)size);
	}
	if (!plain_time) {
		add_pax_number(&self->pax, "mtime", entry->mtime);
	}
	if (entry->type == KT_TAR_CHAR || entry->type == KT_TAR_BLOCK) {
		put_octal(h->devmajor, sizeof(h->devmajor), entry->dev_major);
		put_octal(h->devminor, sizeof(h->devminor), entry->dev_minor);
	}
}

int kt_tar_write_entry(kt_tar_writer *self, const kt_tar_entry *entry, kt_err *err)
{
	if (self->left > 0) {
		return KT_FAIL(err, INTERNAL, "the previous entry of the archive is not complete");
	}
	kt_tar_header h = {0};
	kt_buf_clear(&self->pax);
	kt_buf_clear(&self->path);
	kt_buf_adds(&self->path, entry->path);
	if (entry->type == KT_TAR_DIR && !kt_str_ends(entry->path, "/")) {
		kt_buf_addc(&self->path, '/');
	}
	if (kt_buf_check(&self->path, err) < 0) {
		return -1;
	}
	if (!put_path(&h, self->path.data, self->path.len)) {
		add_pax(&self->pax, "", "path", self->path.data, self->path.len);
		put_text(h.name, sizeof(h.name), self->path.data);
	}
	size_t link_len = entry->link != NULL ? strlen(entry->link) : 0;
	if (link_len > 0) {
		put_text(h.linkname, sizeof(h.linkname), entry->link);
		if (link_len > sizeof(h.linkname)) {
			add_pax(&self->pax, "", "linkpath", entry->link, link_len);
		}
	}
	uint64_t size = entry->type == KT_TAR_FILE ? entry->size : 0;
	fill_numbers(self, &h, entry, size);
	if (entry->uname != NULL) {
		put_text(h.uname, sizeof(h.uname) - 1, entry->uname);
	}
	if (entry->gname != NULL) {
		put_text(h.gname, sizeof(h.gname) - 1, entry->gname);
	}
	for (size_t i = 0; i < entry->xattrs_len; i++) {
		const kt_tar_xattr *x = &entry->xattrs[i];
		add_pax(&self->pax, "SCHILY.xattr.", x->name, x->value, x->len);
	}
	h.typeflag = type_flag(entry->type);
	seal(&h);
	if (write_pax(self, err) < 0 || put(self, &h, sizeof(h), err) < 0) {
		return -1;
	}
	self->left = size;
	self->padding = (size_t)(-size & (KT_TAR_BLOCK - 1));
	return 0;
}

int kt_tar_write(kt_tar_writer *self, const void *data, size_t len, kt_err *err)
{
	if (len > self->left) {
		return KT_FAIL(err, INTERNAL, "an entry of the archive got more than its size");
	}
	if (put(self, data, len, err) < 0) {
		return -1;
	}
	self->left -= len;
	if (self->left == 0) {
		size_t padding = self->padding;
		self->padding = 0;
		return put(self, zeros, padding, err);
	}
	return 0;
}

int kt_tar_finish(kt_tar_writer *self, kt_err *err)
{
	if (self->left > 0) {
		return KT_FAIL(err, INTERNAL, "the last entry of the archive is not complete");
	}
	return put(self, zeros, sizeof(zeros), err);
}
