// SPDX-License-Identifier: BSD-2-Clause
/* Threads: slots, error records, contended spinlocks. */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "host.h"

__thread struct berth_port_thread berth_port_thread;

static __thread struct berth_error thread_error;

/* A leaf: nothing else is taken while it is held. */
static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t slots_used;
static unsigned int slots_bound;
static unsigned int nr_threads;
static unsigned int late_threads;
static unsigned int nr_helpers;
/* Workers with nothing to do: they have slots, and nobody waits for them. */
static unsigned int nr_idle;

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

_Static_assert(BERTH_PORT_MAX_SLOTS == 64, "slots_used has a bit for each");

/* Those who wait may have been waiting for this thread. */
static void tell_machine(void)
{
	const struct berth_machine *machine = berth_port_machine();

	if (machine)
		machine->wake(NULL);
}

/* The value is the slot + 1, or that + BERTH_PORT_MAX_SLOTS where it is shared. */
static void thread_exit(void *value)
{
	uintptr_t slot = (uintptr_t)value - 1;

	berth_port_backtrace_leave();
	if (slot < BERTH_PORT_MAX_SLOTS)
		berth_slot_handle((unsigned int)slot);
	berth_port_thread.slot = 0;
	pthread_mutex_lock(&slots_lock);
	if (slot < BERTH_PORT_MAX_SLOTS)
		slots_used &= ~(1ull << slot);
	__atomic_fetch_sub(&nr_threads, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&slots_lock);
	tell_machine();
}

static void make_key(void)
{
	if (pthread_key_create(&key, thread_exit))
		berth_port_panic("no pthread key is left");
}

unsigned int berth_port_new_slot(void)
{
	uintptr_t value;
	unsigned int slot;

	pthread_once(&key_once, make_key);
	pthread_mutex_lock(&slots_lock);
	if (~slots_used) {
		slot = (unsigned int)__builtin_ctzll(~slots_used);
		slots_used |= 1ull << slot;
		value = slot + 1;
		if (slot >= slots_bound)
			__atomic_store_n(&slots_bound, slot + 1, __ATOMIC_RELEASE);
	} else {
		slot = late_threads++ % BERTH_PORT_MAX_SLOTS;
		value = slot + 1 + BERTH_PORT_MAX_SLOTS;
	}
	__atomic_fetch_add(&nr_threads, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&slots_lock);
	berth_port_thread.slot = slot + 1;
	pthread_setspecific(key, (void *)value);
	tell_machine();
	return slot;
}

void berth_port_leave(void)
{
	void *value;

	if (!berth_port_thread.slot)
		return;
	value = pthread_getspecific(key);
	pthread_setspecific(key, NULL);
	thread_exit(value);
}

int berth_port_quiet_thread(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	static const int own[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS };
	sigset_t all, before;
	int ret;

	sigfillset(&all);
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		sigdelset(&all, own[i]);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(thread, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ret;
}

int berth_port_helper(pthread_t *thread, void *(*fn)(void *))
{
	int ret = berth_port_quiet_thread(thread, fn, NULL);

	if (!ret)
		__atomic_fetch_add(&nr_helpers, 1, __ATOMIC_RELAXED);
	return ret;
}

void berth_port_join_helper(pthread_t thread)
{
	pthread_join(thread, NULL);
	__atomic_fetch_sub(&nr_helpers, 1, __ATOMIC_RELAXED);
}

unsigned int berth_port_helpers(void)
{
	return __atomic_load_n(&nr_helpers, __ATOMIC_RELAXED);
}

enum { WORKER_NEW, WORKER_ACTIVE, WORKER_IDLE };

/* What is behind the data changes under slots_lock, together with who counts as a thread. */
struct berth_port_worker {
	pthread_t thread;
	void (*work)(void *data);
	void *data;
	uint32_t state;
	bool is_kicked, is_ending;
};

/* From here on an idle one counts: who waits for its work does not wait in vain. */
static void wake_worker(struct berth_port_worker *worker, bool *why)
{
	bool was_idle;

	pthread_mutex_lock(&slots_lock);
	*why = true;
	was_idle = worker->state == WORKER_IDLE;
	if (was_idle) {
		__atomic_store_n(&worker->state, WORKER_ACTIVE, __ATOMIC_RELAXED);
		__atomic_fetch_sub(&nr_idle, 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&nr_threads, 1, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&slots_lock);
	if (was_idle)
		futex_wake(&worker->state, 1);
}

/* With the lock, which it drops meanwhile. */
static void sleep_idle(struct berth_port_worker *worker)
{
	bool is_new = worker->state == WORKER_NEW;

	__atomic_store_n(&worker->state, WORKER_IDLE, __ATOMIC_RELAXED);
	__atomic_fetch_sub(&nr_threads, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&nr_idle, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&slots_lock);
	if (is_new)
		futex_wake(&worker->state, 1);
	else
		tell_machine();
	while (__atomic_load_n(&worker->state, __ATOMIC_RELAXED) == WORKER_IDLE)
		futex_wait(&worker->state, WORKER_IDLE, UINT64_MAX);
	pthread_mutex_lock(&slots_lock);
}

/* False: there will be no more work. */
static bool wait_for_work(struct berth_port_worker *worker)
{
	bool has_work;

	pthread_mutex_lock(&slots_lock);
	while (!worker->is_kicked && !worker->is_ending)
		sleep_idle(worker);
	has_work = worker->is_kicked;
	worker->is_kicked = false;
	pthread_mutex_unlock(&slots_lock);
	return has_work;
}

static void *run_worker(void *arg)
{
	struct berth_port_worker *worker = arg;

	berth_port_slot();
	while (wait_for_work(worker))
		worker->work(worker->data);
	return NULL;
}

int berth_port_worker_start(struct berth_port_worker **worker, void (*work)(void *data), void *data)
{
	struct berth_port_worker *made = malloc(sizeof(*made));

	if (made)
		*made = (struct berth_port_worker){ .work = work, .data = data };
	if (!made || berth_port_quiet_thread(&made->thread, run_worker, made)) {
		free(made);
		return berth_port_fail(-ENOMEM, BERTH_REASON_OUT_OF_MEMORY, "a worker", 0, 0);
	}
	/* Until it is known, it would be one more who may be about to call berth. */
	while (__atomic_load_n(&made->state, __ATOMIC_RELAXED) == WORKER_NEW)
		futex_wait(&made->state, WORKER_NEW, UINT64_MAX);
	*worker = made;
	return 0;
}

void berth_port_worker_kick(struct berth_port_worker *worker)
{
	wake_worker(worker, &worker->is_kicked);
}

void berth_port_worker_stop(struct berth_port_worker *worker)
{
	wake_worker(worker, &worker->is_ending);
	pthread_join(worker->thread, NULL);
	free(worker);
}

/* A slot is used again before the bound grows: it never sinks. */
unsigned int berth_port_slots_in_use(void)
{
	return __atomic_load_n(&slots_bound, __ATOMIC_ACQUIRE);
}

unsigned int berth_port_threads(void)
{
	return __atomic_load_n(&nr_threads, __ATOMIC_RELAXED);
}

static unsigned int process_threads(void)
{
	struct stat task;

	if (stat("/proc/self/task", &task) || task.st_nlink < 3)
		return berth_port_threads();
	return (unsigned int)task.st_nlink - 2;
}

unsigned int berth_port_strangers(void)
{
	unsigned int threads = process_threads();
	unsigned int known = berth_port_threads() + berth_port_helpers() +
			     __atomic_load_n(&nr_idle, __ATOMIC_RELAXED);

	return threads > known ? threads - known : 0;
}

/* The state of a thread, as proc(5) has it: behind its name, which may contain anything. */
static char thread_state(const char *tid)
{
	char path[64], text[256], *end;
	size_t size;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%.20s/stat", tid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	size = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[size] = 0;
	end = strrchr(text, ')');
	return end && end[1] ? end[2] : 0;
}

bool berth_port_others_run(void)
{
	const long self = syscall(SYS_gettid);
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *task;
	bool found = false;

	while (tasks && !found && (task = readdir(tasks)))
		found = strtol(task->d_name, NULL, 10) != self && thread_state(task->d_name) == 'R';
	if (tasks)
		closedir(tasks);
	return found;
}

struct berth_error *berth_port_error(void)
{
	return &thread_error;
}

int berth_port_fail(int code, enum berth_reason reason, const char *subject, uint64_t address,
		    uint64_t length)
{
	struct berth_error *error = berth_port_error();
	size_t size = strlen(subject);

	if (size >= sizeof(error->subject))
		size = sizeof(error->subject) - 1;
	*error = (struct berth_error){
		.code = code,
		.reason = reason,
		.address = address,
		.length = length,
	};
	memcpy(error->subject, subject, size);
	return code;
}

void berth_port_relax(void)
{
	static __thread unsigned int turns;
	const struct berth_machine *machine = berth_port_machine();

#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
	if (++turns % 16 == 0 && berth_port_threads() > 1)
		sched_yield();
	/* What the caller waits for may be a device. */
	if (machine && machine->barrier)
		machine->barrier(0);
}

void berth_port_lock_wait(uint32_t *word, uint32_t value)
{
	static __thread unsigned int turns;

	for (unsigned int i = 0; i < 64; i++) {
		if (__atomic_load_n(word, __ATOMIC_RELAXED) != value)
			return;
#if defined(__x86_64__) || defined(__i386__)
		__builtin_ia32_pause();
#endif
	}
	/* Who holds it does not run: what waits is in its way, or somebody else is. */
	if (++turns % 8)
		sched_yield();
	else
		nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
}
