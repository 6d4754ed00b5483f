/* See devices.h. */
#include "devices.h"

#include "base/alloc.h"

#include <errno.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define ANY_MINOR UINT32_MAX
#define RULE_LEN 5   /* instructions per rule, at most */
#define FRAME_LEN 12 /* before and after the rules */

enum { R_RESULT = 0, R_CONTEXT = 1, R_TYPE = 2, R_ACCESS = 3, R_MAJOR = 4, R_MINOR = 5 };

typedef struct rule {
	uint32_t type; /* BPF_DEVCG_DEV_… */
	uint32_t major;
	uint32_t minor;
} rule;

/* null zero full random urandom, tty console ptmx, terminals */
static const rule standard_rules[] = {
	{BPF_DEVCG_DEV_CHAR, 1, 3},	      {BPF_DEVCG_DEV_CHAR, 1, 5},
	{BPF_DEVCG_DEV_CHAR, 1, 7},	      {BPF_DEVCG_DEV_CHAR, 1, 8},
	{BPF_DEVCG_DEV_CHAR, 1, 9},	      {BPF_DEVCG_DEV_CHAR, 5, 0},
	{BPF_DEVCG_DEV_CHAR, 5, 1},	      {BPF_DEVCG_DEV_CHAR, 5, 2},
	{BPF_DEVCG_DEV_CHAR, 136, ANY_MINOR},
};

/* struct bpf_insn with its two four-bit fields as one byte (little-endian machines). */
typedef struct insn {
	uint8_t code;
	uint8_t registers; /* destination, source << 4 */
	int16_t off;
	int32_t imm;
} insn;

typedef struct program {
	insn *code;
	size_t len;
} program;

static void emit(program *p, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	p->code[p->len++] = (insn){
		.code = code, .registers = (uint8_t)(dst | src << 4), .off = off, .imm = imm};
}

static void emit_return(program *p, int32_t value)
{
	emit(p, BPF_ALU64 | BPF_MOV | BPF_K, R_RESULT, 0, 0, value);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static void emit_load(program *p, uint8_t dst, size_t offset)
{
	emit(p, BPF_LDX | BPF_MEM | BPF_W, dst, R_CONTEXT, (int16_t)offset, 0);
}

/* Takes the registers apart; allows what only makes nodes. */
static void emit_head(program *p)
{
	emit_load(p, R_TYPE, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	emit_load(p, R_MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
	emit_load(p, R_MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
	emit(p, BPF_ALU | BPF_MOV | BPF_X, R_ACCESS, R_TYPE, 0, 0);
	emit(p, BPF_ALU | BPF_RSH | BPF_K, R_ACCESS, 0, 0, 16);
	emit(p, BPF_ALU | BPF_AND | BPF_K, R_TYPE, 0, 0, 0xffff);
	emit(p, BPF_JMP | BPF_JNE | BPF_K, R_ACCESS, 0, 2, BPF_DEVCG_ACC_MKNOD);
	emit_return(p, 1);
}

static void emit_rule(program *p, const rule *r)
{
	bool any = r->minor == ANY_MINOR;

	/* each test jumps over what is left of the rule */
	emit(p, BPF_JMP | BPF_JNE | BPF_K, R_TYPE, 0, any ? 3 : 4, (int32_t)r->type);
	emit(p, BPF_JMP | BPF_JNE | BPF_K, R_MAJOR, 0, any ? 2 : 3, (int32_t)r->major);
	if (!any) {
		emit(p, BPF_JMP | BPF_JNE | BPF_K, R_MINOR, 0, 2, (int32_t)r->minor);
	}
	emit_return(p, 1);
}

static int load(const program *p)
{
	union bpf_attr attr = {0};
	int fd;

	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uint64_t)(uintptr_t)p->code;
	attr.insn_cnt = (uint32_t)p->len;
	attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
	fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	return fd < 0 ? -errno : fd;
}

static int attach(int group_fd, int program_fd)
{
	union bpf_attr attr = {0};

	attr.target_fd = (uint32_t)group_fd;
	attr.attach_bpf_fd = (uint32_t)program_fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_OVERRIDE;
	return syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

int kt_sup_devices_restrict(int group_fd, const kt_sup_device *more, size_t count, bool allow_all)
{
	size_t rules = KT_ARRAY_LEN(standard_rules) + count;
	program p = {.code = kt_alloc_array(FRAME_LEN + RULE_LEN * rules, sizeof(*p.code))};
	int status;

	if (!p.code) {
		return -ENOMEM;
	}
	emit_head(&p);
	for (size_t i = 0; i < KT_ARRAY_LEN(standard_rules); i++) {
		emit_rule(&p, &standard_rules[i]);
	}
	for (size_t i = 0; i < count; i++) {
		rule r = {.type = more[i].block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR,
			  .major = major(more[i].number),
			  .minor = minor(more[i].number)};

		emit_rule(&p, &r);
	}
	emit_return(&p, allow_all);
	status = load(&p);
	kt_free(p.code);
	if (status >= 0) {
		int fd = status;

		status = attach(group_fd, fd);
		close(fd);
	}
	return status;
}
