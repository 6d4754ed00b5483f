/* See sysfilter.h. */
#include "sysfilter.h"

#include "base/alloc.h"
#include "caps.h"
#include "sysfilter_table.h" /* generated */

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CODE_MAX 4096 /* the kernel's own bound (BPF_MAXINSNS) */
#define X32_BIT UINT32_C(0x40000000)
#define NAMESPACE_FLAGS UINT32_C(0x7e020000) /* CLONE_NEWNS, NEWCGROUP … NEWNET */
#define FAMILY_MAX 45			     /* AF_MCTP */

#define ARG_LOW(n) (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (n))
#define ARG_HIGH(n) (ARG_LOW(n) + 4)

enum {
	ACT_DENY = 100, /* EPERM; beside the values of kt_sup_call_rule */
	ACT_NO_CALL,	/* ENOSYS */
};

/* Calls from `start` up to the next range's start have one fate. */
typedef struct range {
	uint32_t start;
	uint8_t act;
} range;

typedef struct builder {
	struct sock_filter code[CODE_MAX];
	size_t len;
	bool full;
	range ranges[2 * (KT_ARRAY_LEN(native_calls) + KT_ARRAY_LEN(compat_calls)) + 8];
	size_t range_count;
} builder;

/* Socket families that a container gets: those that Docker's profile opens. */
static const uint8_t denied_families[] = {
	12 /* DECnet */,
	19 /* Econet */,
	20 /* ATM SVC */,
	23 /* IrDA */,
	25 /* WANPIPE */,
	34 /* IUCV */,
	37 /* CAIF */,
	38 /* ALG: kernel crypto */,
	40 /* vsock: the hypervisor */,
};

static const uint32_t harmless_personalities[] = {
	0, 0x8 /* 32-bit address space */, 0x20000 /* UNAME26 */, 0x20008, 0xffffffff /* ask */,
};

static void emit(builder *b, uint16_t op, uint32_t k, uint8_t jt, uint8_t jf)
{
	if (b->len == CODE_MAX) {
		b->full = true;
		return;
	}
	b->code[b->len++] = (struct sock_filter){.code = op, .jt = jt, .jf = jf, .k = k};
}

static void emit_load(builder *b, uint32_t offset)
{
	emit(b, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
}

static void emit_return(builder *b, uint32_t value)
{
	emit(b, BPF_RET | BPF_K, value, 0, 0);
}

/* Goes on with the next instruction if A == k, else over it. */
static void emit_if_equal(builder *b, uint32_t k)
{
	emit(b, BPF_JMP | BPF_JEQ | BPF_K, k, 0, 1);
}

static void emit_personality(builder *b)
{
	emit_load(b, ARG_HIGH(0));
	emit(b, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
	emit_return(b, SECCOMP_RET_ERRNO | EPERM);
	emit_load(b, ARG_LOW(0));
	for (size_t i = 0; i < KT_ARRAY_LEN(harmless_personalities); i++) {
		emit_if_equal(b, harmless_personalities[i]);
		emit_return(b, SECCOMP_RET_ALLOW);
	}
	emit_return(b, SECCOMP_RET_ERRNO | EPERM);
}

static void emit_socket(builder *b)
{
	emit_load(b, ARG_HIGH(0));
	emit(b, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
	emit_return(b, SECCOMP_RET_ERRNO | EPERM);
	emit_load(b, ARG_LOW(0));
	for (size_t i = 0; i < KT_ARRAY_LEN(denied_families); i++) {
		emit_if_equal(b, denied_families[i]);
		emit_return(b, SECCOMP_RET_ERRNO | EPERM);
	}
	emit(b, BPF_JMP | BPF_JGT | BPF_K, FAMILY_MAX, 0, 1);
	emit_return(b, SECCOMP_RET_ERRNO | EPERM);
	emit_return(b, SECCOMP_RET_ALLOW);
}

static void emit_fate(builder *b, uint8_t act)
{
	switch (act) {
	case KT_SUP_CALL_ALLOW:
		emit_return(b, SECCOMP_RET_ALLOW);
		break;
	case KT_SUP_CALL_CLONE:
		emit_load(b, ARG_LOW(0));
		emit(b, BPF_JMP | BPF_JSET | BPF_K, NAMESPACE_FLAGS, 0, 1);
		emit_return(b, SECCOMP_RET_ERRNO | EPERM);
		emit_return(b, SECCOMP_RET_ALLOW);
		break;
	case KT_SUP_CALL_PERSONALITY:
		emit_personality(b);
		break;
	case KT_SUP_CALL_SOCKET:
		emit_socket(b);
		break;
	case ACT_NO_CALL:
	case KT_SUP_CALL_CLONE3:
		emit_return(b, SECCOMP_RET_ERRNO | ENOSYS);
		break;
	default:
		emit_return(b, SECCOMP_RET_ERRNO | EPERM);
		break;
	}
}

/* A binary search over ranges [lo, hi). Jumps are relative, so finished code may move. */
static void emit_tree(builder *b, size_t lo, size_t hi)
{
	size_t mid = lo + (hi - lo) / 2;
	size_t at = b->len;
	size_t left;

	if (hi - lo == 1) {
		emit_fate(b, b->ranges[lo].act);
		return;
	}
	emit(b, BPF_JMP | BPF_JGE | BPF_K, b->ranges[mid].start, 0, 0);
	emit_tree(b, lo, mid);
	left = b->len - at - 1;
	if (b->full || (left > UINT8_MAX && b->len == CODE_MAX)) {
		b->full = true;
		return;
	}
	if (left <= UINT8_MAX) {
		b->code[at].jt = (uint8_t)left;
	} else { /* too far for a conditional jump: a long one behind it */
		memmove(b->code + at + 2, b->code + at + 1, left * sizeof(b->code[0]));
		b->len++;
		b->code[at].jf = 1;
		b->code[at + 1] =
			(struct sock_filter){.code = BPF_JMP | BPF_JA, .k = (uint32_t)left};
	}
	emit_tree(b, mid, hi);
}

static void add_range(builder *b, uint32_t start, uint8_t act)
{
	range *last = b->range_count ? &b->ranges[b->range_count - 1] : NULL;

	if (last && last->start == start) {
		last->act = act;
		if (b->range_count > 1 && last[-1].act == act) {
			b->range_count--;
		}
		return;
	}
	if (!last || last->act != act) {
		b->ranges[b->range_count++] = (range){start, act};
	}
}

static uint8_t fate_of(const kt_sup_call *call, uint64_t caps)
{
	bool admin = caps & KT_SUP_CAP(SYS_ADMIN);

	if (call->any_caps && !(call->any_caps & caps)) {
		return ACT_DENY;
	}
	if (admin && (call->rule == KT_SUP_CALL_CLONE || call->rule == KT_SUP_CALL_CLONE3)) {
		return KT_SUP_CALL_ALLOW;
	}
	return call->rule;
}

/* Turns one ABI's sorted calls into ranges and these into code. */
static void emit_table(builder *b, const kt_sup_call *calls, size_t count, uint64_t caps)
{
	b->range_count = 0;
	add_range(b, 0, ACT_DENY);
	for (size_t i = 0; i < count; i++) {
		bool last_of_abi =
			i + 1 == count || (calls[i].nr < X32_BIT && calls[i + 1].nr >= X32_BIT);

		if (calls[i].nr >= X32_BIT && (i == 0 || calls[i - 1].nr < X32_BIT)) {
			add_range(b, X32_BIT, ACT_DENY);
		}
		add_range(b, calls[i].nr, fate_of(&calls[i], caps));
		add_range(b, calls[i].nr + 1, last_of_abi ? ACT_NO_CALL : ACT_DENY);
	}
	emit_load(b, offsetof(struct seccomp_data, nr));
	emit_tree(b, 0, b->range_count);
}

static void build(builder *b, uint64_t caps)
{
	size_t at;

	emit_load(b, offsetof(struct seccomp_data, arch));
	emit(b, BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 2, 0);
	emit(b, BPF_JMP | BPF_JEQ | BPF_K, COMPAT_ARCH, 2, 0);
	emit_return(b, SECCOMP_RET_KILL_PROCESS);
	at = b->len;
	emit(b, BPF_JMP | BPF_JA, 1, 0, 0); /* native: over the next one */
	emit(b, BPF_JMP | BPF_JA, 0, 0, 0);
	emit_table(b, native_calls, KT_ARRAY_LEN(native_calls), caps);
	b->code[at + 1].k = (uint32_t)(b->len - at - 2);
	emit_table(b, compat_calls, KT_ARRAY_LEN(compat_calls), caps);
}

int kt_sup_filter_init(kt_sup_filter *self, uint64_t caps, kt_err *err)
{
	builder *b = kt_calloc(1, sizeof(*b));
	struct sock_filter *code;
	size_t len;

	if (!b) {
		return kt_err_nomem(err);
	}
	build(b, caps);
	len = b->len;
	code = b->full ? NULL : kt_memdup(b->code, len * sizeof(*code));
	kt_free(b);
	if (!code) {
		return kt_err_nomem(err);
	}
	*self = (kt_sup_filter){.caps = caps, .code = code, .len = (unsigned short)len};
	return 0;
}

void kt_sup_filter_deinit(kt_sup_filter *self)
{
	kt_free(self->code);
	*self = (kt_sup_filter){0};
}

int kt_sup_filter_load(const kt_sup_filter *self)
{
	struct sock_fprog prog = {.len = self->len, .filter = self->code};

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0) {
		return -errno;
	}
	return 0;
}
