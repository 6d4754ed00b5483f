/*
 * Build-time program: prints the call tables of sysfilter.c with the numbers of this machine's
 * ABIs. An unknown name is an error unless some ABI of the family has it or it is listed as young.
 */
#include "base/base.h"
#include "caps.h"
#include "gen/sysfilter_rules.h"
#include "sysfilter.h"

#include <linux/audit.h>
#include <seccomp.h>

#define CALLS_MAX 1024
#define X32_BIT UINT32_C(0x40000000)

typedef struct table {
	kt_sup_call calls[CALLS_MAX];
	size_t len;
} table;

static int young_number(const char *name)
{
#define YOUNG_ROW(text, number)                                                                    \
	if (strcmp(name, text) == 0) {                                                             \
		return number;                                                                     \
	}
	YOUNG_CALLS(YOUNG_ROW)
#undef YOUNG_ROW
	return -1;
}

static void add_call(table *t, uint32_t arch, const char *name, uint8_t rule, uint64_t caps)
{
	int nr = seccomp_syscall_resolve_name_arch(arch, name);

	if (nr == __NR_SCMP_ERROR) {
		nr = young_number(name);
	}
	if (nr < 0) {
		return; /* this ABI does not have it */
	}
	if (t->len == CALLS_MAX) {
		fputs("sysfilter_gen: too many calls\n", stderr);
		exit(1);
	}
	if (arch == SCMP_ARCH_X32) {
		nr |= (int)X32_BIT;
	}
	t->calls[t->len++] = (kt_sup_call){.nr = (uint32_t)nr, .rule = rule, .any_caps = caps};
}

static void add_names(table *t, uint32_t arch, const char *names, uint64_t caps)
{
	char name[64];
	int used;

	while (sscanf(names, " %63s%n", name, &used) == 1) {
		add_call(t, arch, name, KT_SUP_CALL_ALLOW, caps);
		names += used;
	}
}

static void add_all(table *t, uint32_t arch)
{
	add_names(t, arch,
	          ALLOWED_FILES ALLOWED_XATTRS ALLOWED_WAITING ALLOWED_SOCKETS ALLOWED_MEMORY
	                  ALLOWED_PROCESSES ALLOWED_SIGNALS ALLOWED_SCHEDULING ALLOWED_IDENTITY
	                          ALLOWED_TIME ALLOWED_IPC ALLOWED_SYSTEM,
	          0);
#ifdef __x86_64__
	add_names(t, arch, ALLOWED_X86, 0);
#else
	add_names(t, arch, ALLOWED_ARM, 0);
#endif
#define CAPABILITY_ROW(names, caps) add_names(t, arch, names, caps);
	CAPABILITY_RULES(CAPABILITY_ROW)
#undef CAPABILITY_ROW
#define ARGUMENT_ROW(name, rule) add_call(t, arch, name, rule, 0);
	ARGUMENT_RULES(ARGUMENT_ROW)
#undef ARGUMENT_ROW
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = ((const kt_sup_call *)a)->nr;
	uint32_t y = ((const kt_sup_call *)b)->nr;

	return x < y ? -1 : x > y;
}

static void print_table(table *t, const char *name)
{
	qsort(t->calls, t->len, sizeof(t->calls[0]), by_number);
	printf("static const kt_sup_call %s[] = {\n", name);
	for (size_t i = 0; i < t->len; i++) {
		if (i > 0 && t->calls[i].nr == t->calls[i - 1].nr) {
			fprintf(stderr, "sysfilter_gen: call %u is listed twice\n", t->calls[i].nr);
			exit(1);
		}
		printf("\t{%uu, %u, UINT64_C(0x%llx)},\n", t->calls[i].nr, t->calls[i].rule,
		       (unsigned long long)t->calls[i].any_caps);
	}
	puts("};");
}

int main(void)
{
	static table native;
	static table compat;

	puts("/* Generated from gen/sysfilter_rules.h. */");
#ifdef __x86_64__
	add_all(&native, SCMP_ARCH_X86_64);
	add_all(&native, SCMP_ARCH_X32);
	add_all(&compat, SCMP_ARCH_X86);
	printf("#define NATIVE_ARCH 0x%xu\n#define COMPAT_ARCH 0x%xu\n", AUDIT_ARCH_X86_64,
	       AUDIT_ARCH_I386);
#elif defined(__aarch64__)
	add_all(&native, SCMP_ARCH_AARCH64);
	add_all(&compat, SCMP_ARCH_ARM);
	printf("#define NATIVE_ARCH 0x%xu\n#define COMPAT_ARCH 0x%xu\n", AUDIT_ARCH_AARCH64,
	       AUDIT_ARCH_ARM);
#else
#error "The service filter has no table for this machine yet."
#endif
	print_table(&native, "native_calls");
	print_table(&compat, "compat_calls");
	return fflush(stdout) == 0 ? 0 : 1;
}
