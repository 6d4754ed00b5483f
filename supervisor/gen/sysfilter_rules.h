/*
 * What a service may ask of the kernel, by name. Facts: Docker's documented default seccomp
 * profile ("Seccomp security profiles for Docker" and moby's published profile): an allow-list,
 * everything else fails with EPERM; calls younger than the youngest one listed fail with ENOSYS
 * as runc makes them. Grouped by purpose; a name that an ABI does not have is skipped there.
 */
#ifndef KT_SUPERVISOR_GEN_SYSFILTER_RULES_H
#define KT_SUPERVISOR_GEN_SYSFILTER_RULES_H

#define ALLOWED_FILES                                                                              \
	"open openat openat2 creat close close_range read write readv writev pread64 pwrite64 "    \
	"preadv pwritev preadv2 pwritev2 lseek _llseek dup dup2 dup3 fcntl fcntl64 flock ioctl "   \
	"stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat statx statfs statfs64 "      \
	"fstatfs fstatfs64 access faccessat faccessat2 chmod fchmod fchmodat fchmodat2 chown "     \
	"chown32 fchown fchown32 fchownat lchown lchown32 truncate truncate64 ftruncate "          \
	"ftruncate64 fallocate fadvise64 fadvise64_64 readahead copy_file_range sendfile "         \
	"sendfile64 splice tee vmsplice sync syncfs fsync fdatasync sync_file_range mkdir "        \
	"mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat "   \
	"readlink readlinkat mknod mknodat getdents getdents64 getcwd chdir fchdir umask utime "   \
	"utimes utimensat utimensat_time64 futimesat name_to_handle_at cachestat statmount "       \
	"listmount "

#define ALLOWED_XATTRS                                                                             \
	"getxattr lgetxattr fgetxattr setxattr lsetxattr fsetxattr listxattr llistxattr "          \
	"flistxattr removexattr lremovexattr fremovexattr getxattrat setxattrat listxattrat "      \
	"removexattrat "

#define ALLOWED_WAITING                                                                            \
	"poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 epoll_create "         \
	"epoll_create1 epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait "             \
	"epoll_pwait2 eventfd eventfd2 signalfd signalfd4 timerfd_create timerfd_settime "         \
	"timerfd_settime64 timerfd_gettime timerfd_gettime64 inotify_init inotify_init1 "          \
	"inotify_add_watch inotify_rm_watch fanotify_mark io_setup io_destroy io_submit "          \
	"io_cancel io_getevents io_pgetevents io_pgetevents_time64 "

#define ALLOWED_SOCKETS                                                                            \
	"socketcall socketpair bind connect listen accept accept4 getsockname getpeername "        \
	"getsockopt setsockopt send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg "       \
	"recvmmsg_time64 shutdown pipe pipe2 "

#define ALLOWED_MEMORY                                                                             \
	"brk mmap mmap2 munmap mremap mprotect madvise mincore msync mlock mlock2 mlockall "       \
	"munlock munlockall memfd_create memfd_secret membarrier remap_file_pages pkey_alloc "     \
	"pkey_free pkey_mprotect mseal map_shadow_stack "

#define ALLOWED_PROCESSES                                                                          \
	"execve execveat fork vfork exit exit_group wait4 waitid waitpid kill tkill tgkill "       \
	"pidfd_open pidfd_send_signal process_mrelease getpid getppid gettid getpgid getpgrp "     \
	"getsid setpgid setsid getpriority setpriority getrlimit ugetrlimit setrlimit prlimit64 "  \
	"getrusage times prctl seccomp set_tid_address set_robust_list get_robust_list "           \
	"set_thread_area get_thread_area rseq pause alarm restart_syscall futex futex_time64 "     \
	"futex_waitv futex_wake futex_wait futex_requeue landlock_create_ruleset "                 \
	"landlock_add_rule landlock_restrict_self process_vm_readv process_vm_writev ptrace "      \
	"uretprobe riscv_hwprobe "

#define ALLOWED_SIGNALS                                                                            \
	"rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend "    \
	"rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack sigprocmask "        \
	"sigreturn "

#define ALLOWED_SCHEDULING                                                                         \
	"sched_yield sched_getaffinity sched_setaffinity sched_getattr sched_setattr "             \
	"sched_getparam sched_setparam sched_getscheduler sched_setscheduler "                     \
	"sched_get_priority_max sched_get_priority_min sched_rr_get_interval "                     \
	"sched_rr_get_interval_time64 ioprio_get ioprio_set getcpu "

#define ALLOWED_IDENTITY                                                                           \
	"getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid "           \
	"getresuid32 getresgid getresgid32 getgroups getgroups32 setuid setuid32 setgid "          \
	"setgid32 setreuid setreuid32 setregid setregid32 setresuid setresuid32 setresgid "        \
	"setresgid32 setgroups setgroups32 setfsuid setfsuid32 setfsgid setfsgid32 capget "        \
	"capset "

/* adjtimex and friends: the kernel itself refuses to set without CAP_SYS_TIME. */
#define ALLOWED_TIME                                                                               \
	"time gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64 "        \
	"clock_nanosleep clock_nanosleep_time64 nanosleep adjtimex clock_adjtime "                 \
	"clock_adjtime64 getitimer setitimer timer_create timer_delete timer_getoverrun "          \
	"timer_gettime timer_gettime64 timer_settime timer_settime64 "

#define ALLOWED_IPC                                                                                \
	"ipc msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 "        \
	"shmat shmctl shmdt shmget mq_open mq_unlink mq_timedsend mq_timedsend_time64 "            \
	"mq_timedreceive mq_timedreceive_time64 mq_notify mq_getsetattr "

#define ALLOWED_SYSTEM "uname sysinfo getrandom "

/* Only where the ABI has them. */
#define ALLOWED_X86 "arch_prctl modify_ldt "
#define ALLOWED_ARM                                                                                \
	"arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls "

/* name list, the capabilities of which one opens it */
#define CAPABILITY_RULES(X)                                                                        \
	X("mount umount umount2 mount_setattr move_mount open_tree fsopen fsconfig fsmount "       \
	  "fspick setns unshare sethostname setdomainname fanotify_init lookup_dcookie quotactl "  \
	  "quotactl_fd lsm_get_self_attr lsm_set_self_attr lsm_list_modules",                      \
	  KT_SUP_CAP(SYS_ADMIN))                                                                   \
	X("bpf", KT_SUP_CAP(SYS_ADMIN) | KT_SUP_CAP(BPF))                                          \
	X("perf_event_open", KT_SUP_CAP(SYS_ADMIN) | KT_SUP_CAP(PERFMON))                          \
	X("syslog", KT_SUP_CAP(SYS_ADMIN) | KT_SUP_CAP(SYSLOG))                                    \
	X("open_by_handle_at", KT_SUP_CAP(DAC_READ_SEARCH))                                        \
	X("reboot", KT_SUP_CAP(SYS_BOOT))                                                          \
	X("chroot", KT_SUP_CAP(SYS_CHROOT))                                                        \
	X("init_module finit_module delete_module", KT_SUP_CAP(SYS_MODULE))                        \
	X("acct", KT_SUP_CAP(SYS_PACCT))                                                           \
	X("kcmp pidfd_getfd process_madvise", KT_SUP_CAP(SYS_PTRACE))                              \
	X("iopl ioperm", KT_SUP_CAP(SYS_RAWIO))                                                    \
	X("settimeofday stime clock_settime clock_settime64", KT_SUP_CAP(SYS_TIME))                \
	X("vhangup", KT_SUP_CAP(SYS_TTY_CONFIG))                                                   \
	X("get_mempolicy mbind set_mempolicy set_mempolicy_home_node", KT_SUP_CAP(SYS_NICE))

/* Calls whose arguments are looked at (kt_sup_call_rule). */
#define ARGUMENT_RULES(X)                                                                          \
	X("clone", KT_SUP_CALL_CLONE)                                                              \
	X("clone3", KT_SUP_CALL_CLONE3)                                                            \
	X("personality", KT_SUP_CALL_PERSONALITY)                                                  \
	X("socket", KT_SUP_CALL_SOCKET)

/* Numbers of calls younger than some libseccomp: from 424 on they are the same everywhere. */
#define YOUNG_CALLS(X)                                                                             \
	X("set_mempolicy_home_node", 450)                                                          \
	X("cachestat", 451)                                                                        \
	X("fchmodat2", 452)                                                                        \
	X("map_shadow_stack", 453)                                                                 \
	X("futex_wake", 454)                                                                       \
	X("futex_wait", 455)                                                                       \
	X("futex_requeue", 456)                                                                    \
	X("statmount", 457)                                                                        \
	X("listmount", 458)                                                                        \
	X("lsm_get_self_attr", 459)                                                                \
	X("lsm_set_self_attr", 460)                                                                \
	X("lsm_list_modules", 461)                                                                 \
	X("mseal", 462)                                                                            \
	X("setxattrat", 463)                                                                       \
	X("getxattrat", 464)                                                                       \
	X("listxattrat", 465)                                                                      \
	X("removexattrat", 466)

#endif
