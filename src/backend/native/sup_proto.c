/* See sup_proto.h. */
#include "backend/native/sup_proto.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define FLAG_IN_MEMFD 1u /* the body is in the first descriptor, a memory file */

typedef struct header {
	uint32_t magic;
	uint16_t type;
	uint16_t flags;
	uint32_t id;
	uint32_t body_len;
} header;

typedef struct field_header {
	uint16_t tag;
	uint16_t zero;
	uint32_t len;
} field_header;

void kt_sup_begin(kt_buf *msg, kt_sup_type type, uint32_t id)
{
	header h = {.magic = KT_SUP_MAGIC, .type = (uint16_t)type, .id = id};

	kt_buf_clear(msg);
	kt_buf_add(msg, &h, sizeof(h));
}

void kt_sup_put(kt_buf *msg, uint16_t tag, const void *data, size_t len)
{
	field_header f = {.tag = tag, .len = (uint32_t)len};

	if (len > KT_SUP_BODY_MAX) {
		msg->failed = true;
		return;
	}
	kt_buf_add(msg, &f, sizeof(f));
	kt_buf_add(msg, data, len);
}

void kt_sup_put_str(kt_buf *msg, uint16_t tag, const char *text)
{
	if (text) {
		kt_sup_put(msg, tag, text, strlen(text) + 1);
	}
}

void kt_sup_put_num(kt_buf *msg, uint16_t tag, uint64_t value)
{
	kt_sup_put(msg, tag, &value, sizeof(value));
}

size_t kt_sup_group_begin(kt_buf *msg, uint16_t tag)
{
	size_t mark = msg->len;

	kt_sup_put(msg, tag, NULL, 0);
	return mark;
}

void kt_sup_group_end(kt_buf *msg, size_t mark)
{
	uint32_t len;

	if (msg->failed) {
		return;
	}
	len = (uint32_t)(msg->len - mark - sizeof(field_header));
	memcpy(msg->data + mark + offsetof(field_header, len), &len, sizeof(len));
}

static int check_fields(const char *pos, const char *end, kt_err *err)
{
	while (pos < end) {
		field_header f;

		if ((size_t)(end - pos) < sizeof(f)) {
			return KT_FAIL(err, CORRUPT, "a message ends inside a field's header");
		}
		memcpy(&f, pos, sizeof(f));
		pos += sizeof(f);
		if (f.len > (size_t)(end - pos)) {
			return KT_FAIL(err, CORRUPT, "field %u of a message is cut off", f.tag);
		}
		pos += f.len;
	}
	return 0;
}

int kt_sup_open(const kt_buf *msg, kt_sup_reader *ret, kt_err *err)
{
	header h;

	if (msg->len < sizeof(h)) {
		return KT_FAIL(err, CORRUPT, "a message is shorter than its header");
	}
	memcpy(&h, msg->data, sizeof(h));
	if (h.magic != KT_SUP_MAGIC || h.body_len != msg->len - sizeof(h)) {
		return KT_FAIL(err, CORRUPT, "a message has a wrong header");
	}
	if (check_fields(msg->data + sizeof(h), msg->data + msg->len, err) < 0) {
		return -1;
	}
	*ret = (kt_sup_reader){.type = h.type,
			       .id = h.id,
			       .pos = msg->data + sizeof(h),
			       .end = msg->data + msg->len};
	return 0;
}

int kt_sup_open_group(const kt_sup_field *field, kt_sup_reader *ret, kt_err *err)
{
	if (check_fields(field->data, field->data + field->len, err) < 0) {
		return -1;
	}
	*ret = (kt_sup_reader){.pos = field->data, .end = field->data + field->len};
	return 0;
}

bool kt_sup_next(kt_sup_reader *self, kt_sup_field *ret)
{
	field_header f;

	if (self->pos >= self->end) {
		return false;
	}
	memcpy(&f, self->pos, sizeof(f));
	*ret = (kt_sup_field){.tag = f.tag, .len = f.len, .data = self->pos + sizeof(f)};
	self->pos += sizeof(f) + f.len;
	return true;
}

const char *kt_sup_str(const kt_sup_field *field)
{
	if (field->len == 0 ||
	    memchr(field->data, '\0', field->len) != field->data + field->len - 1) {
		return NULL;
	}
	return field->data;
}

uint64_t kt_sup_num(const kt_sup_field *field)
{
	uint64_t value;

	if (field->len != sizeof(value)) {
		return 0;
	}
	memcpy(&value, field->data, sizeof(value));
	return value;
}

bool kt_sup_find(const kt_sup_reader *self, uint16_t tag, kt_sup_field *ret)
{
	kt_sup_reader copy = *self;
	kt_sup_field field;

	while (kt_sup_next(&copy, &field)) {
		if (field.tag == tag) {
			*ret = field;
			return true;
		}
	}
	return false;
}

const char *kt_sup_get_str(const kt_sup_reader *self, uint16_t tag)
{
	kt_sup_field field;

	return kt_sup_find(self, tag, &field) ? kt_sup_str(&field) : NULL;
}

uint64_t kt_sup_get_num(const kt_sup_reader *self, uint16_t tag, uint64_t fallback)
{
	kt_sup_field field;

	return kt_sup_find(self, tag, &field) ? kt_sup_num(&field) : fallback;
}

static int body_to_memfd(const kt_buf *msg, kt_err *err)
{
	size_t done = sizeof(header);
	int fd = memfd_create("kurtosis-message", MFD_CLOEXEC);

	if (fd < 0) {
		return KT_FAIL_ERRNO(err, "cannot make a memory file for a message");
	}
	while (done < msg->len) {
		ssize_t n = write(fd, msg->data + done, msg->len - done);

		if (n < 0 && errno != EINTR) {
			(void)KT_FAIL_ERRNO(err, "cannot fill a memory file");
			close(fd);
			return -1;
		}
		done += n > 0 ? (size_t)n : 0;
	}
	return fd;
}

static int send_packet(int sock, struct iovec *iov, const int *fds, size_t fd_count, int flags,
		       kt_err *err)
{
	union {
		char space[CMSG_SPACE(sizeof(int) * (KT_SUP_FDS_MAX + 1))];
		struct cmsghdr align;
	} control = {{0}};
	struct msghdr mh = {.msg_iov = iov, .msg_iovlen = 1};

	if (fd_count > 0) {
		struct cmsghdr *cmsg;

		mh.msg_control = control.space;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		cmsg = CMSG_FIRSTHDR(&mh);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * fd_count);
	}
	for (;;) {
		if (sendmsg(sock, &mh, flags | MSG_NOSIGNAL) >= 0) {
			return 0;
		}
		if (errno != EINTR) {
			return KT_FAIL_ERRNO(err, "cannot send to the supervisor's socket");
		}
	}
}

int kt_sup_send(int sock, const kt_buf *msg, const int *fds, size_t fd_count, int flags,
		kt_err *err)
{
	int all[KT_SUP_FDS_MAX + 1] = {-1};
	struct iovec iov = {.iov_base = msg->data, .iov_len = msg->len};
	size_t body_len;
	header h;
	int status;

	if (kt_buf_check(msg, err) < 0) {
		return -1;
	}
	KT_ASSERT(fd_count <= KT_SUP_FDS_MAX && msg->len >= sizeof(h));
	body_len = msg->len - sizeof(h);
	if (body_len > KT_SUP_BODY_MAX) {
		return KT_FAIL(err, EXHAUSTED, "a message of %zu bytes is too long", body_len);
	}
	memcpy(&h, msg->data, sizeof(h));
	h.body_len = (uint32_t)body_len;
	memcpy(msg->data, &h, sizeof(h));
	if (body_len <= KT_SUP_INLINE_MAX) {
		return send_packet(sock, &iov, fds, fd_count, flags, err);
	}
	all[0] = body_to_memfd(msg, err);
	if (all[0] < 0) {
		return -1;
	}
	if (fd_count > 0) {
		memcpy(all + 1, fds, sizeof(int) * fd_count);
	}
	h.flags |= FLAG_IN_MEMFD;
	iov = (struct iovec){.iov_base = &h, .iov_len = sizeof(h)};
	status = send_packet(sock, &iov, all, fd_count + 1, flags, err);
	close(all[0]);
	return status;
}

static size_t collect_fds(struct msghdr *mh, int *fds)
{
	size_t count = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
			continue;
		}
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (count < KT_SUP_FDS_MAX + 1) {
				fds[count++] = fd;
			} else {
				close(fd);
			}
		}
	}
	return count;
}

/* Appends the memory file's content to msg, which holds the header. */
static int read_memfd(int fd, kt_buf *msg, kt_err *err)
{
	header h;
	struct stat st;
	char *room;

	memcpy(&h, msg->data, sizeof(h));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != h.body_len ||
	    h.body_len > KT_SUP_BODY_MAX) {
		return KT_FAIL(err, CORRUPT, "a long message has a wrong memory file");
	}
	room = kt_buf_reserve(msg, h.body_len);
	if (!room) {
		return kt_err_nomem(err);
	}
	for (size_t done = 0; done < h.body_len;) {
		ssize_t n = pread(fd, room + done, h.body_len - done, (off_t)done);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return KT_FAIL(err, CORRUPT, "a long message's memory file is cut off");
		}
		done += (size_t)n;
	}
	msg->len += h.body_len;
	msg->data[msg->len] = '\0';
	return 0;
}

/* Checks what came and unpacks a long body. `fds` has room for one more than KT_SUP_FDS_MAX. */
static int unpack(kt_buf *msg, bool truncated, int *fds, size_t *fd_count, kt_err *err)
{
	header h;
	int status;

	if (truncated || msg->len < sizeof(h)) {
		return KT_FAIL(err, CORRUPT, "a message does not fit or is too short");
	}
	memcpy(&h, msg->data, sizeof(h));
	if (!(h.flags & FLAG_IN_MEMFD)) {
		return *fd_count <= KT_SUP_FDS_MAX
			       ? 0
			       : KT_FAIL(err, CORRUPT, "a message has too many descriptors");
	}
	if (msg->len != sizeof(h) || *fd_count == 0) {
		return KT_FAIL(err, CORRUPT, "a long message has no memory file");
	}
	status = read_memfd(fds[0], msg, err);
	close(fds[0]);
	*fd_count -= 1;
	memmove(fds, fds + 1, *fd_count * sizeof(int));
	return status;
}

static int receive_packet(int sock, kt_buf *msg, struct msghdr *mh, int flags, kt_err *err)
{
	struct iovec iov = {.iov_len = sizeof(header) + KT_SUP_INLINE_MAX};
	ssize_t n;

	iov.iov_base = kt_buf_reserve(msg, iov.iov_len);
	if (!iov.iov_base) {
		return kt_err_nomem(err);
	}
	mh->msg_iov = &iov;
	mh->msg_iovlen = 1;
	do {
		n = recvmsg(sock, mh, flags | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		return KT_FAIL_ERRNO(err, "cannot receive from the supervisor's socket");
	}
	msg->len = (size_t)n;
	msg->data[msg->len] = '\0';
	return n > 0 ? 1 : 0;
}

int kt_sup_recv(int sock, kt_buf *msg, int fds[KT_SUP_FDS_MAX], size_t *ret_fd_count, int flags,
		kt_err *err)
{
	union {
		char space[CMSG_SPACE(sizeof(int) * (KT_SUP_FDS_MAX + 1))];
		struct cmsghdr align;
	} control;
	struct msghdr mh = {.msg_control = control.space, .msg_controllen = sizeof(control.space)};
	int all[KT_SUP_FDS_MAX + 1];
	size_t count;
	int status;

	kt_buf_clear(msg);
	status = receive_packet(sock, msg, &mh, flags, err);
	if (status <= 0) {
		return status;
	}
	count = collect_fds(&mh, all);
	if (unpack(msg, mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC), all, &count, err) < 0) {
		for (size_t i = 0; i < count; i++) {
			close(all[i]);
		}
		return -1;
	}
	memcpy(fds, all, count * sizeof(int));
	*ret_fd_count = count;
	return 1;
}

bool kt_sup_id_valid(const char *text)
{
	size_t len = text ? strnlen(text, KT_SUP_ID_MAX + 1) : 0;

	if (len == 0 || len > KT_SUP_ID_MAX) {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '_' || c == '-')) {
			return false;
		}
	}
	return true;
}
