/* Commands run in a service beside its program (core.h). */
#include "core.h"

#include "base/alloc.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

static void free_exec(kt_sup_exec *exec)
{
	kt_supervisor *sup = exec->sup;

	for (size_t i = 0; i < sup->execs.len; i++) {
		if (sup->execs.items[i] == exec) {
			sup->execs.items[i] = sup->execs.items[--sup->execs.len];
			break;
		}
	}
	kt_sup_launch_close(&exec->launch);
	kt_close_ptr(&exec->launch.terminal);
	kt_sup_watch_drop(&exec->pidfd_watch);
	kt_close_ptr(&exec->pidfd);
	kt_free(exec);
}

/* The launch is over: the asker learns how. */
static void answer_launch(kt_sup_exec *exec)
{
	kt_supervisor *sup = exec->sup;
	const kt_sup_report *failure = &exec->launch.failure;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_FREE char *text = NULL;
	bool no_program = exec->launch.failed && failure->step == KT_SUP_STEP_EXEC;

	if (exec->launch.failed) {
		(void)kt_sup_launch_error(&exec->launch, &err);
		text = kt_err_text(&err);
	}
	kt_sup_server_begin(sup, exec->asker, exec->launch.failed && !no_program ? &err : NULL);
	if (no_program) {
		kt_sup_put_num(&sup->reply, KT_SUP_F_EXIT_CODE,
			       failure->error == ENOENT ? 127 : 126);
		kt_sup_put_str(&sup->reply, KT_SUP_F_MESSAGE, text);
	}
	if (exec->launch.failed) {
		kt_sup_put_str(&sup->reply, KT_SUP_F_STEP, kt_sup_step_text(failure->step));
		kt_sup_put_num(&sup->reply, KT_SUP_F_ERRNO, (uint64_t)failure->error);
	} else {
		kt_sup_put_num(&sup->reply, KT_SUP_F_PID, (uint64_t)exec->pid);
	}
	kt_sup_put_num(&sup->reply, KT_SUP_F_EXEC_ID, exec->id);
	kt_sup_server_send(sup, exec->asker, exec->launch.terminal);
	kt_close_ptr(&exec->launch.terminal);
}

void kt_sup_exec_on_report(kt_sup_watch *watch, uint32_t events)
{
	kt_sup_exec *exec = watch->user;

	(void)events;
	if (kt_sup_launch_read(&exec->launch)) {
		kt_sup_launch_close(&exec->launch);
		answer_launch(exec);
	}
}

void kt_sup_exec_check(kt_sup_exec *exec)
{
	kt_supervisor *sup = exec->sup;
	kt_sup_exit exit = {.ended = true};
	siginfo_t si = {0};

	if (waitid(P_PIDFD, (id_t)exec->pidfd, &si, WEXITED | WNOHANG | __WALL) < 0 ||
	    si.si_pid == 0) {
		return;
	}
	if (exec->launch.report >= 0) {
		(void)kt_sup_launch_read(&exec->launch);
		kt_sup_launch_close(&exec->launch);
		answer_launch(exec);
	}
	if (!exec->launch.failed) {
		exit.signal = si.si_code == CLD_EXITED ? 0 : si.si_status;
		exit.code = exit.signal ? 128 + exit.signal : si.si_status;
		kt_sup_begin(&sup->reply, KT_SUP_EXEC_EXITED, 0);
		kt_sup_put_num(&sup->reply, KT_SUP_F_EXEC_ID, exec->id);
		kt_sup_put_exit(&sup->reply, &exit);
		kt_sup_server_send(sup, exec->asker, -1);
	}
	free_exec(exec);
}

static void on_pidfd(kt_sup_watch *watch, uint32_t events)
{
	(void)events;
	kt_sup_exec_check(watch->user);
}

/* The command's standard streams: given, or /dev/null. */
static int choose_streams(const kt_sup_spec *request, const int *fds, size_t fd_count,
			  int streams[3], int *ret_null, kt_err *err)
{
	bool tty = request->flags & KT_SUP_TTY;

	if (fd_count != 0 && (tty || fd_count != 3)) {
		return KT_FAIL(err, INVALID, "a command takes three descriptors, or none");
	}
	if (fd_count == 3) {
		memcpy(streams, fds, 3 * sizeof(int));
		return 0;
	}
	if (tty) {
		return 0;
	}
	*ret_null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (*ret_null < 0) {
		return KT_FAIL_ERRNO(err, "cannot open /dev/null");
	}
	streams[0] = streams[1] = streams[2] = *ret_null;
	return 0;
}

int kt_sup_exec_start(kt_sup_service *service, kt_sup_asker asker, const kt_sup_spec *request,
		      const int *fds, size_t fd_count, kt_err *err)
{
	kt_supervisor *sup = service->sup;
	KT_AUTO_FD int null = -1;
	int streams[3] = {-1, -1, -1};
	kt_sup_exec *exec;

	if (service->state != KT_SUP_STATE_RUNNING && service->state != KT_SUP_STATE_STOPPING) {
		return KT_FAIL(err, PRECONDITION, "service '%s' is not running", service->id);
	}
	if (choose_streams(request, fds, fd_count, streams, &null, err) < 0) {
		return -1;
	}
	exec = kt_calloc(1, sizeof(*exec));
	if (!exec || kt_vec_push(&sup->execs, exec) < 0) {
		kt_free(exec);
		return kt_err_nomem(err);
	}
	*exec = (kt_sup_exec){.sup = sup,
			      .id = ++sup->next_exec,
			      .asker = asker,
			      .pidfd = -1,
			      .launch = {.report = -1, .terminal = -1}};
	if (kt_sup_launch_exec(service, exec, request, streams, err) == 0 &&
	    kt_sup_watch_add(&sup->loop, &exec->pidfd_watch, exec->pidfd, EPOLLIN, on_pidfd, exec,
			     err) == 0 &&
	    kt_sup_watch_add(&sup->loop, &exec->launch.watch, exec->launch.report, EPOLLIN,
			     kt_sup_exec_on_report, exec, err) == 0) {
		return 0;
	}
	if (exec->pidfd >= 0) {
		(void)pidfd_send_signal(exec->pidfd, SIGKILL, NULL, 0);
		(void)waitid(P_PIDFD, (id_t)exec->pidfd, &(siginfo_t){0}, WEXITED | __WALL);
	}
	free_exec(exec);
	return -1;
}

int kt_sup_exec_signal(kt_supervisor *self, uint64_t id, int sig, kt_err *err)
{
	for (size_t i = 0; i < self->execs.len; i++) {
		if (self->execs.items[i]->id == id) {
			if (pidfd_send_signal(self->execs.items[i]->pidfd, sig, NULL, 0) < 0 &&
			    errno != ESRCH) {
				return KT_FAIL_ERRNO(err, "cannot signal the command");
			}
			return 0;
		}
	}
	return KT_FAIL(err, NOT_FOUND, "no such command is running");
}
