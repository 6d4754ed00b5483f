/* A service's life from the supervisor's side: start, end, stop, delete, adopt (core.h). */
#include "core.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define RESTART_FIRST_MS INT64_C(100)
#define RESTART_LAST_MS INT64_C(60000)
#define RESTART_CALM_S 10 /* having run for this long, it starts over with the first pause */

static void on_pidfd(kt_sup_watch *watch, uint32_t events);

kt_sup_service *kt_sup_service_find(kt_supervisor *self, const char *id)
{
	for (size_t i = 0; id && i < self->services.len; i++) {
		if (strcmp(self->services.items[i]->id, id) == 0) {
			return self->services.items[i];
		}
	}
	return NULL;
}

size_t kt_sup_service_live(const kt_supervisor *self)
{
	size_t count = 0;

	for (size_t i = 0; i < self->services.len; i++) {
		count += self->services.items[i]->pidfd >= 0;
	}
	return count;
}

void kt_sup_service_free(kt_sup_service *service)
{
	kt_sup_watch_drop(&service->pidfd_watch);
	kt_sup_timer_drop(&service->kill_timer);
	kt_sup_timer_drop(&service->restart_timer);
	kt_sup_launch_close(&service->launch);
	kt_close_ptr(&service->launch.terminal);
	kt_close_ptr(&service->pidfd);
	kt_sup_pump_finish(&service->pump);
	kt_vec_deinit(&service->launch_askers);
	kt_vec_deinit(&service->stop_askers);
	kt_vec_deinit(&service->remove_askers);
	kt_free(service->name);
	kt_free(service->hostname);
	kt_free(service);
}

int kt_sup_service_add(kt_supervisor *self, const kt_sup_spec *spec, kt_sup_service **ret,
		       kt_err *err)
{
	kt_sup_service *service = kt_calloc(1, sizeof(*service));

	if (!service) {
		return kt_err_nomem(err);
	}
	service->sup = self;
	service->pidfd = service->launch.report = service->launch.terminal = -1;
	service->pump.log.fd = -1;
	service->state = KT_SUP_STATE_STOPPED;
	service->ip = spec->ip;
	service->flags = spec->flags;
	service->caps = spec->caps;
	service->stop_signal = spec->stop_signal;
	snprintf(service->id, sizeof(service->id), "%s", spec->id);
	service->name = kt_strdup(spec->name);
	service->hostname = kt_strdup(spec->hostname);
	if ((spec->name && !service->name) || !service->hostname ||
	    kt_vec_push(&self->services, service) < 0) {
		kt_sup_service_free(service);
		return kt_err_nomem(err);
	}
	*ret = service;
	return 0;
}

int kt_sup_service_watch(kt_sup_service *service, kt_err *err)
{
	return kt_sup_watch_add(&service->sup->loop, &service->pidfd_watch, service->pidfd, EPOLLIN,
				on_pidfd, service, err);
}

/* ---- starting ------------------------------------------------------------------------ */

static void forget_process(kt_sup_service *service)
{
	kt_sup_watch_drop(&service->pidfd_watch);
	kt_close_ptr(&service->pidfd);
	service->state = KT_SUP_STATE_STOPPED;
}

int kt_sup_service_start(kt_sup_service *service, const kt_sup_spec *spec, kt_instant asked_at,
			 kt_err *err)
{
	service->launch = (kt_sup_launch){.report = -1, .terminal = -1, .asked_at = asked_at};
	if (kt_sup_launch_service(service, spec, err) == 0 &&
	    kt_sup_service_watch(service, err) == 0 &&
	    kt_sup_watch_add(&service->sup->loop, &service->launch.watch, service->launch.report,
			     EPOLLIN, kt_sup_service_on_report, service, err) == 0) {
		return 0;
	}
	if (service->pidfd >= 0) {
		/* It waits for our word or is set up only partly: no harm in waiting for its end.
		 */
		(void)pidfd_send_signal(service->pidfd, SIGKILL, NULL, 0);
		(void)waitid(P_PIDFD, (id_t)service->pidfd, &(siginfo_t){0}, WEXITED | __WALL);
		/* A child that failed early makes our own steps fail, too: its word explains. */
		(void)kt_sup_launch_read(&service->launch);
		if (service->launch.failed) {
			(void)kt_sup_launch_error(&service->launch, err);
		}
	}
	kt_sup_launch_close(&service->launch);
	kt_close_ptr(&service->launch.terminal);
	kt_sup_pump_finish(&service->pump);
	forget_process(service);
	kt_sup_cgroups_remove(&service->sup->cgroups, service->id);
	return -1;
}

static void answer_all(kt_sup_service *service, const kt_sup_asker *askers, size_t count,
		       const kt_err *err)
{
	for (size_t i = 0; i < count; i++) {
		kt_supervisor *sup = service->sup;

		kt_sup_server_begin(sup, askers[i], err);
		if (!err && service->exit.ended) {
			kt_sup_put_exit(&sup->reply, &service->exit);
		} else if (!err) {
			kt_sup_put_num(&sup->reply, KT_SUP_F_PID, (uint64_t)service->pid);
			kt_sup_put_num(&sup->reply, KT_SUP_F_LAUNCH_NS,
				       (uint64_t)service->launch.took_ns);
		}
		kt_sup_server_send(sup, askers[i], -1);
	}
}

static int pump_terminal(kt_sup_service *service, kt_err *err)
{
	kt_buf buf = KT_BUF_INIT;
	kt_sup_spec spec = {0};
	char dir[PATH_MAX];
	int status;

	kt_sup_service_path(service, NULL, dir);
	status = kt_sup_spec_load(dir, &buf, &spec, err);
	if (status == 0) {
		status = kt_sup_launch_pump(service, &spec, err);
	}
	kt_sup_spec_unload(&buf, &spec);
	return status;
}

static void launched(kt_sup_service *service)
{
	kt_supervisor *sup = service->sup;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;

	service->launch.took_ns = kt_now() - service->launch.asked_at;
	service->state = KT_SUP_STATE_RUNNING;
	service->fresh = false;
	if ((service->flags & KT_SUP_TTY) && pump_terminal(service, &err) < 0) {
		kt_log_err(KT_LOG_WARN, KT_SUP_PART, &err, "output of %s is lost", service->id);
		kt_err_release(&err);
	}
	/* No new record: the one made at the clone is enough to adopt it. */
	if (kt_sup_net_service_up(sup->net, service->id, service->name, service->hostname,
				  service->ip, &err) < 0) {
		kt_log_err(KT_LOG_ERROR, KT_SUP_PART, &err, "service %s", service->id);
	}
	answer_all(service, service->launch_askers.items, service->launch_askers.len, NULL);
	service->launch_askers.len = 0;
	kt_sup_begin(&sup->reply, KT_SUP_SERVICE_STARTED, 0);
	kt_sup_put_str(&sup->reply, KT_SUP_F_ID, service->id);
	kt_sup_put_num(&sup->reply, KT_SUP_F_PID, (uint64_t)service->pid);
	kt_sup_server_publish(sup);
}

void kt_sup_service_on_report(kt_sup_watch *watch, uint32_t events)
{
	kt_sup_service *service = watch->user;

	(void)events;
	if (!kt_sup_launch_read(&service->launch)) {
		return;
	}
	kt_sup_launch_close(&service->launch);
	if (service->launch.failed) {
		kt_sup_service_kill(service); /* the rest follows from its end */
	} else if (service->state == KT_SUP_STATE_STARTING) {
		launched(service);
	}
}

/* ---- ending -------------------------------------------------------------------------- */

/* For processes that are not our children, where the kernel can tell (6.15 and later). */
static bool ask_pidfd(int pidfd, kt_sup_exit *ret)
{
	struct {
		uint64_t mask;
		uint64_t cgroup_id;
		uint32_t ids[11];
		int32_t exit_code;
		uint32_t rest[8];
	} info = {.mask = 1u << 3 /* PIDFD_INFO_EXIT */};

	if (ioctl(pidfd, _IOC(_IOC_READ | _IOC_WRITE, 0xff, 11, 64), &info) < 0 ||
	    !(info.mask & 1u << 3)) {
		return false;
	}
	*ret = (kt_sup_exit){.ended = true,
			     .signal = WIFSIGNALED(info.exit_code) ? WTERMSIG(info.exit_code) : 0};
	ret->code = ret->signal ? 128 + ret->signal : WEXITSTATUS(info.exit_code);
	return true;
}

static kt_sup_exit take_exit(kt_sup_service *service)
{
	kt_sup_exit exit = {.ended = true, .unknown = true};
	siginfo_t si = {0};

	if (waitid(P_PIDFD, (id_t)service->pidfd, &si, WEXITED | WNOHANG | __WALL) == 0 &&
	    si.si_pid != 0) {
		exit.unknown = false;
		exit.signal = si.si_code == CLD_EXITED ? 0 : si.si_status;
		exit.code = exit.signal ? 128 + exit.signal : si.si_status;
	} else {
		(void)ask_pidfd(service->pidfd, &exit);
	}
	/* Init's own word tells a signal from an exit code above 128. */
	if (!(service->flags & KT_SUP_NO_INIT)) {
		(void)kt_sup_state_read_exit(service, &exit);
	}
	exit.oom_killed = kt_sup_cgroups_oom(&service->sup->cgroups, service->id);
	return exit;
}

static void publish_exit(kt_sup_service *service)
{
	kt_supervisor *sup = service->sup;

	kt_sup_begin(&sup->reply, KT_SUP_SERVICE_EXITED, 0);
	kt_sup_put_str(&sup->reply, KT_SUP_F_ID, service->id);
	kt_sup_put_exit(&sup->reply, &service->exit);
	kt_sup_server_publish(sup);
}

static void answer_launch_failure(kt_sup_service *service)
{
	kt_supervisor *sup = service->sup;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;

	if (service->launch.failed) {
		(void)kt_sup_launch_error(&service->launch, &err);
	} else {
		(void)KT_FAIL(&err, CANCELLED, "the service was stopped while it started");
	}
	for (size_t i = 0; i < service->launch_askers.len; i++) {
		kt_sup_server_begin(sup, service->launch_askers.items[i], &err);
		if (service->launch.failed) {
			kt_sup_put_str(&sup->reply, KT_SUP_F_STEP,
				       kt_sup_step_text(service->launch.failure.step));
			kt_sup_put_num(&sup->reply, KT_SUP_F_ERRNO,
				       (uint64_t)service->launch.failure.error);
		}
		kt_sup_server_send(sup, service->launch_askers.items[i], -1);
	}
	service->launch_askers.len = 0;
}

static void answer_enclave(kt_supervisor *sup)
{
	if (kt_sup_service_live(sup) > 0) {
		return;
	}
	for (size_t i = 0; i < sup->stop_all_askers.len; i++) {
		kt_sup_server_answer(sup, sup->stop_all_askers.items[i], NULL);
	}
	sup->stop_all_askers.len = 0;
	if (sup->destroying) {
		kt_sup_loop_stop(&sup->loop);
	}
}

static void on_restart_timer(kt_sup_timer *timer);

/* Docker's pace for "always". */
static void plan_restart(kt_sup_service *service)
{
	bool ran_long = kt_wall_ns() - service->started_ns > RESTART_CALM_S * KT_NS_PER_S;

	if (!(service->flags & KT_SUP_RESTART_ALWAYS) || service->halted || service->removing ||
	    service->sup->destroying) {
		return;
	}
	service->backoff_ms = ran_long || service->backoff_ms == 0
				      ? RESTART_FIRST_MS
				      : KT_MIN(2 * service->backoff_ms, RESTART_LAST_MS);
	kt_sup_timer_set(&service->sup->loop, &service->restart_timer,
			 kt_after_ms(service->backoff_ms), on_restart_timer, service);
}

static void on_restart_timer(kt_sup_timer *timer)
{
	kt_sup_service *service = timer->user;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	kt_buf buf = KT_BUF_INIT;
	kt_sup_spec spec = {0};
	char dir[PATH_MAX];
	int status;

	if (service->pidfd >= 0) {
		return;
	}
	kt_sup_service_path(service, NULL, dir);
	status = kt_sup_spec_load(dir, &buf, &spec, &err);
	if (status == 0) {
		status = kt_sup_service_start(service, &spec, kt_now(), &err);
	}
	kt_sup_spec_unload(&buf, &spec);
	if (status < 0) {
		kt_log_err(KT_LOG_WARN, KT_SUP_PART, &err, "cannot restart service %s",
			   service->id);
		service->started_ns = kt_wall_ns();
		plan_restart(service);
	}
}

static void ended(kt_sup_service *service)
{
	kt_supervisor *sup = service->sup;
	bool never_ran = service->state == KT_SUP_STATE_STARTING || service->launch.failed;
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;

	service->exit = take_exit(service);
	if (service->flags & KT_SUP_HOST_PID) {
		(void)kt_sup_cgroups_kill(&sup->cgroups, service->id);
	}
	kt_sup_timer_drop(&service->kill_timer);
	kt_sup_launch_close(&service->launch);
	kt_sup_pump_finish(&service->pump);
	kt_close_ptr(&service->launch.terminal);
	forget_process(service);
	kt_sup_cgroups_remove(&sup->cgroups, service->id);
	kt_sup_net_service_down(sup->net, service->id);
	if (!service->removing && kt_sup_state_save(service, &err) < 0) {
		kt_log_err(KT_LOG_ERROR, KT_SUP_PART, &err, "service %s", service->id);
	}
	if (never_ran) {
		answer_launch_failure(service);
	} else {
		publish_exit(service);
	}
	answer_all(service, service->stop_askers.items, service->stop_askers.len, NULL);
	service->stop_askers.len = 0;
	if (service->removing || (never_ran && service->fresh)) {
		kt_sup_service_delete(service);
	} else {
		plan_restart(service);
	}
	answer_enclave(sup);
}

static void check_ended(kt_sup_service *service)
{
	/* A failed launch is reported before the process ends: that word must be heard first. */
	if (service->launch.report >= 0) {
		(void)kt_sup_launch_read(&service->launch);
		kt_sup_launch_close(&service->launch);
		if (!service->launch.failed && service->state == KT_SUP_STATE_STARTING) {
			launched(service);
		}
	}
	ended(service);
}

static void on_pidfd(kt_sup_watch *watch, uint32_t events)
{
	(void)events;
	check_ended(watch->user);
}

void kt_sup_reap(kt_supervisor *self)
{
	siginfo_t si = {0};

	/* Services and commands are found by their pidfds; what is left are orphans of services in
	 * the host's process namespace and the helpers that delete trees. */
	while (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) == 0 && si.si_pid != 0) {
		kt_sup_service *service = NULL;
		kt_sup_exec *exec = NULL;

		for (size_t i = 0; i < self->services.len; i++) {
			kt_sup_service *s = self->services.items[i];

			service = s->pidfd >= 0 && s->pid == si.si_pid ? s : service;
		}
		for (size_t i = 0; i < self->execs.len; i++) {
			exec = self->execs.items[i]->pid == si.si_pid ? self->execs.items[i] : exec;
		}
		if (service) {
			check_ended(service);
		} else if (exec) {
			kt_sup_exec_check(exec);
		} else {
			(void)waitid(P_PID, (id_t)si.si_pid, &si, WEXITED | WNOHANG);
		}
		si.si_pid = 0;
	}
}

/* ---- stopping ------------------------------------------------------------------------ */

void kt_sup_service_kill(kt_sup_service *service)
{
	if (service->pidfd < 0) {
		return;
	}
	/* The first process takes its process namespace with it; without one the group is asked. */
	if (service->flags & KT_SUP_HOST_PID) {
		(void)kt_sup_cgroups_kill(&service->sup->cgroups, service->id);
	}
	(void)pidfd_send_signal(service->pidfd, SIGKILL, NULL, 0);
}

static void on_kill_timer(kt_sup_timer *timer)
{
	kt_sup_service_kill(timer->user);
}

void kt_sup_service_halt(kt_sup_service *service)
{
	service->halted = true;
	kt_sup_timer_drop(&service->restart_timer);
	if (service->flags & KT_SUP_RESTART_ALWAYS) {
		(void)kt_sup_state_save(service, NULL);
	}
}

void kt_sup_service_stop(kt_sup_service *service, int sig, int64_t grace_ms)
{
	if (service->pidfd < 0) {
		return;
	}
	if (service->state == KT_SUP_STATE_STARTING || grace_ms <= 0) {
		kt_sup_service_kill(service);
		return;
	}
	service->state = KT_SUP_STATE_STOPPING;
	(void)pidfd_send_signal(service->pidfd, sig, NULL, 0);
	kt_sup_timer_set(&service->sup->loop, &service->kill_timer, kt_after_ms(grace_ms),
			 on_kill_timer, service);
}

/* ---- deleting ------------------------------------------------------------------------ */

/* In a child: trees may be large, and the loop must not wait. */
static void delete_trash(const char *trash, const char *layer_dir)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)close_range(3, ~0u, 0);
		(void)kt_fs_remove_tree(layer_dir, NULL);
		(void)kt_fs_remove_tree(trash, NULL);
		_exit(0);
	}
	if (pid < 0) {
		(void)kt_fs_remove_tree(layer_dir, NULL);
		(void)kt_fs_remove_tree(trash, NULL);
	}
}

static void delete_files(kt_sup_service *service)
{
	kt_supervisor *sup = service->sup;
	char dir[PATH_MAX];
	char trash[PATH_MAX];
	char layer_dir[PATH_MAX];
	char layer_trash[PATH_MAX];
	kt_buf buf = KT_BUF_INIT;
	kt_sup_spec spec = {0};

	kt_sup_service_path(service, NULL, dir);
	snprintf(layer_dir, sizeof(layer_dir), "%s", dir);
	if (kt_sup_spec_load(dir, &buf, &spec, NULL) == 0) {
		kt_sup_layer_dir(dir, service->id, spec.upper_dir, layer_dir);
	}
	snprintf(trash, sizeof(trash), "%s/trash/%llu-%s", sup->dir,
		 (unsigned long long)sup->next_trash++, service->id);
	snprintf(layer_trash, sizeof(layer_trash), "%.3500s.trash-%llu", layer_dir,
		 (unsigned long long)sup->next_trash);
	/* The name is free again at once; the rest may take its time. */
	if (spec.upper_dir && rename(layer_dir, layer_trash) == 0) {
		snprintf(layer_dir, sizeof(layer_dir), "%s", layer_trash);
	}
	if (rename(dir, trash) == 0) {
		delete_trash(trash, spec.upper_dir ? layer_dir : trash);
	}
	kt_sup_spec_unload(&buf, &spec);
}

void kt_sup_service_delete(kt_sup_service *service)
{
	kt_supervisor *sup = service->sup;

	kt_sup_cgroups_remove(&sup->cgroups, service->id);
	delete_files(service);
	for (size_t i = 0; i < sup->services.len; i++) {
		if (sup->services.items[i] == service) {
			sup->services.items[i] = sup->services.items[--sup->services.len];
			break;
		}
	}
	for (size_t i = 0; i < service->remove_askers.len; i++) {
		kt_sup_server_answer(sup, service->remove_askers.items[i], NULL);
	}
	kt_sup_service_free(service);
}

/* ---- adopting ------------------------------------------------------------------------ */

static void adopt_ended(kt_sup_service *service)
{
	if (!service->exit.ended && service->pid > 0) {
		service->exit = (kt_sup_exit){.ended = true, .unknown = true};
		if (!(service->flags & KT_SUP_NO_INIT)) {
			(void)kt_sup_state_read_exit(service, &service->exit);
		}
		service->exit.oom_killed = kt_sup_cgroups_oom(&service->sup->cgroups, service->id);
	}
	service->state = KT_SUP_STATE_STOPPED;
	kt_sup_cgroups_remove(&service->sup->cgroups, service->id);
	(void)kt_sup_state_save(service, NULL);
	plan_restart(service);
}

/* The terminal's master lives on in the service's init. */
static int fetch_terminal(const kt_sup_service *service)
{
	if (service->flags & KT_SUP_NO_INIT) {
		return -1;
	}
	return pidfd_getfd(service->pidfd, KT_SUP_INIT_PTY_FD, 0);
}

static int adopt_running(kt_sup_service *service, const kt_sup_spec *spec, kt_err *err)
{
	service->adopted = true;
	service->state = KT_SUP_STATE_RUNNING;
	if (service->flags & KT_SUP_TTY) {
		service->launch.terminal = fetch_terminal(service);
	}
	if (kt_sup_launch_pump(service, spec, err) < 0) {
		kt_log_err(KT_LOG_WARN, KT_SUP_PART, err, "output of %s is lost", service->id);
		kt_err_release(err);
	}
	if (kt_sup_service_watch(service, err) < 0 || kt_sup_state_save(service, err) < 0) {
		return -1;
	}
	return kt_sup_net_service_up(service->sup->net, service->id, service->name,
				     service->hostname, service->ip, err);
}

static int adopt(kt_supervisor *self, const char *id, kt_err *err)
{
	kt_buf buf = KT_BUF_INIT;
	kt_sup_spec spec = {0};
	kt_sup_service *service = NULL;
	char boot_id[40];
	char spec_path[PATH_MAX];
	char dir[PATH_MAX];
	int status;

	snprintf(dir, sizeof(dir), "%s/services/%s", self->dir, id);
	snprintf(spec_path, sizeof(spec_path), "%s/services/%s/spec", self->dir, id);
	if (!kt_fs_exists(spec_path)) {
		return kt_fs_remove_tree(dir, err); /* the spec comes first: nothing was begun */
	}
	status = kt_sup_spec_load(dir, &buf, &spec, err);
	if (status == 0) {
		status = kt_sup_service_add(self, &spec, &service, err);
	}
	if (status == 0 && kt_sup_state_load(service, boot_id, NULL) == 0) {
		bool same_boot = strcmp(boot_id, self->boot_id) == 0;

		if (same_boot && !service->exit.ended && service->pid > 0) {
			service->pidfd = pidfd_open(service->pid, 0);
		}
		if (service->pidfd >= 0 &&
		    kt_sup_start_ticks(service->pid) != service->start_ticks) {
			kt_close_ptr(&service->pidfd); /* another process by now */
		}
		if (service->pidfd >= 0) {
			status = adopt_running(service, &spec, err);
		} else {
			adopt_ended(service);
		}
	}
	kt_sup_spec_unload(&buf, &spec);
	return status;
}

int kt_sup_service_adopt_all(kt_supervisor *self, kt_err *err)
{
	char path[PATH_MAX];
	DIR *dir;
	struct dirent *entry;

	snprintf(path, sizeof(path), "%s/services", self->dir);
	dir = opendir(path);
	if (!dir) {
		return KT_FAIL_ERRNO(err, "cannot list '%s'", path);
	}
	while ((entry = readdir(dir))) {
		KT_AUTO_ERR kt_err failure = KT_ERR_INIT;

		if (!kt_sup_id_valid(entry->d_name)) {
			continue;
		}
		/* One damaged record must not cost the others their supervisor. */
		if (adopt(self, entry->d_name, &failure) < 0) {
			kt_log_err(KT_LOG_ERROR, KT_SUP_PART, &failure,
				   "cannot take over service %s", entry->d_name);
		}
	}
	closedir(dir);
	return 0;
}
