/*
 * Process 1 of a service (steps.h): reaps orphans, passes signals on, leaves the program's exit
 * status in a file.
 *
 * It is not a program of its own: the clone of the supervisor simply stays here. That saves an exec
 * per launch and a second binary, shares the text pages with the supervisor, and costs a few
 * dozen private KiB. What could speak against it is handled: the supervisor keeps no other
 * service's secrets in memory (spec.h) and is not dumpable, its executable is mapped through a
 * read-only mount (main.c), and this code gives up every capability but CAP_KILL.
 */
#include "caps.h"
#include "steps.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* One line, "exited CODE" or "signaled NUMBER": service.c reads it. */
KT_NORETURN static void leave(int status)
{
	char line[32];
	int code;
	int n;

	if (WIFSIGNALED(status)) {
		code = 128 + WTERMSIG(status);
		n = snprintf(line, sizeof(line), "signaled %d\n", WTERMSIG(status));
	} else {
		code = WEXITSTATUS(status);
		n = snprintf(line, sizeof(line), "exited %d\n", code);
	}
	if (write(KT_SUP_INIT_EXIT_FD, line, (size_t)n) < 0) {
		/* The supervisor still gets the code from the wait status. */
	}
	_exit(code);
}

static void reap(pid_t program)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == program) {
			leave(status);
		}
	}
}

static bool passes_on(int sig)
{
	return sig != SIGCHLD && sig != SIGTTIN && sig != SIGTTOU && sig != SIGPIPE;
}

void kt_sup_init_run(pid_t program, bool keep_pty)
{
	sigset_t all;

	(void)close_range(keep_pty ? KT_SUP_INIT_PTY_FD + 1 : KT_SUP_INIT_EXIT_FD + 1, ~0u, 0);
	(void)close_range(0, 2, 0);
	(void)prctl(PR_SET_NAME, "init", 0, 0, 0);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0,
		    0); /* matters with the host's processes only */
	(void)kt_sup_caps_bound(0);
	(void)kt_sup_caps_set(KT_SUP_CAP(KILL));
	sigfillset(&all);
	for (;;) {
		int sig;

		reap(program);
		sig = sigwaitinfo(&all, NULL);
		if (sig > 0 && passes_on(sig)) {
			(void)kill(program, sig);
		}
	}
}
