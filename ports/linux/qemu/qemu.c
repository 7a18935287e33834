// SPDX-License-Identifier: BSD-2-Clause
/* A QEMU board as a machine of the port: settings, start and stop, registers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "qemu/internal.h"

#define MIB (1ull << 20)
#define COOKIES_SIZE (1ull << 36)

struct qemu_board board = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
	.ram.fd = -1,
	.output = -1,
	.qtest = -1,
	.monitor = -1,
	.peer = { -1, -1 },
	.bell = -1,
};

void berth_qemu_enter(void)
{
	berth_port_slot();
	pthread_mutex_lock(&board.lock);
}

void berth_qemu_leave(void)
{
	bool is_ready = berth_qemu_is_ready();

	__atomic_store_n(&berth_port_irq_pending, is_ready, __ATOMIC_RELAXED);
	if (board.has_news) {
		board.has_news = false;
		berth_qemu_kick();
	}
	pthread_mutex_unlock(&board.lock);
	if (is_ready)
		berth_qemu_poll();
}

int berth_qemu_fail_gone(int code)
{
	char how[sizeof(board.how)];

	pthread_mutex_lock(&board.lock);
	memcpy(how, board.how, sizeof(how));
	pthread_mutex_unlock(&board.lock);
	return berth_port_fail(code, BERTH_REASON_MACHINE, how, 0, 0);
}

void berth_qemu_stats(struct berth_qemu_stats *stats)
{
	pthread_mutex_lock(&board.lock);
	*stats = board.stats;
	pthread_mutex_unlock(&board.lock);
}

int berth_qemu_pid(void)
{
	int pid;

	pthread_mutex_lock(&board.lock);
	pid = board.pid;
	pthread_mutex_unlock(&board.lock);
	return pid;
}

long berth_qemu_output(uint64_t offset, char *buffer, size_t size)
{
	long got = -EINVAL;

	pthread_mutex_lock(&board.lock);
	if (board.output >= 0)
		got = (long)pread(board.output, buffer, size, (off_t)offset);
	pthread_mutex_unlock(&board.lock);
	if (got == -EINVAL)
		berth_port_fail(-EINVAL, BERTH_REASON_STATE, "qemu", 0, 0);
	return got;
}

int berth_qemu_set_input(const char *type, unsigned int index, unsigned int line, bool level)
{
	const char *const types[] = { type, NULL };
	char path[256], command[320];
	int ret = -EIO;

	berth_qemu_enter();
	if (!board.is_gone)
		ret = berth_qemu_find(types, index, path, sizeof(path));
	if (!ret) {
		snprintf(command, sizeof(command), "set_irq_in %s unnamed-gpio-in %u %d\n", path,
			 line, level);
		ret = berth_qemu_command(command, NULL);
	}
	berth_qemu_leave();
	if (ret == -EIO)
		return berth_qemu_fail_gone(ret);
	return ret ? berth_port_fail(ret, BERTH_REASON_ARGUMENT, type, index, line) : 0;
}

static bool is_spare_ram_or_device(phys_addr_t phys, uint64_t size)
{
	return size && phys + size >= phys && !berth_qemu_is_linear(phys, size);
}

static void *map_registers(phys_addr_t phys, uint64_t size)
{
	void *cookie = NULL;
	bool is_there;

	berth_qemu_enter();
	is_there = is_spare_ram_or_device(phys, size);
	if (is_there)
		cookie = berth_cookies_add(&board.cookies, phys, size);
	berth_qemu_leave();
	if (!is_there)
		berth_port_fail(-ENODEV, BERTH_REASON_NO_DEVICE, "ioremap", phys, size);
	else if (!cookie)
		berth_port_fail(-ENOMEM, BERTH_REASON_OUT_OF_MEMORY, "ioremap", phys, size);
	return cookie;
}

static void unmap_registers(void *cookie)
{
	berth_qemu_enter();
	berth_cookies_remove(&board.cookies, cookie);
	berth_qemu_leave();
}

/* As an access of a CPU: what does not answer reads as all ones. The reason is the thread's error. */
static void access_registers(const volatile void *cookie, unsigned int bytes, uint64_t *value,
			     bool is_write)
{
	static const char widths[] = { 0, 'b', 'w', 0, 'l', 0, 0, 0, 'q' };
	uint64_t answer = UINT64_MAX;
	phys_addr_t phys = 0;
	char command[64];
	int ret = -EFAULT;

	berth_qemu_enter();
	if (berth_cookies_find(&board.cookies, cookie, bytes, &phys) && !(phys % bytes)) {
		unsigned long long at = phys, data = *value;

		if (is_write)
			snprintf(command, sizeof(command), "write%c 0x%llx 0x%llx\n", widths[bytes],
				 at, data);
		else
			snprintf(command, sizeof(command), "read%c 0x%llx\n", widths[bytes], at);
		ret = berth_qemu_command(command, &answer);
	}
	if (is_write)
		board.stats.writes++;
	else
		board.stats.reads++;
	berth_qemu_leave();
	if (!is_write)
		*value = (ret ? UINT64_MAX : answer) & UINT64_MAX >> (64 - 8 * bytes);
	if (ret == -EIO)
		berth_qemu_fail_gone(ret);
	else if (ret)
		berth_port_fail(ret, BERTH_REASON_NO_DEVICE, "register access", phys, bytes);
}

static uint64_t read_register(const volatile void *cookie, unsigned int bytes)
{
	uint64_t value = 0;

	access_registers(cookie, bytes, &value, false);
	return value;
}

static void write_register(volatile void *cookie, unsigned int bytes, uint64_t value)
{
	access_registers(cookie, bytes, &value, true);
}

static unsigned int line_size(void)
{
	return 64;
}

/* QEMU has no caches. */
static void no_cache(phys_addr_t phys, uint64_t size)
{
	(void)phys;
	(void)size;
}

/* A program that spins is told of interrupts, too; somebody who has the lock tells it all the same. */
static void barrier(unsigned int orders)
{
	(void)orders;
	if (pthread_mutex_trylock(&board.lock))
		return;
	if (!board.is_gone)
		berth_qemu_drain();
	berth_qemu_leave();
}

static void stop(void)
{
	pthread_mutex_lock(&board.lock);
	berth_qemu_end();
	berth_qemu_ram_stop();
	berth_cookies_stop(&board.cookies);
	if (board.bell >= 0)
		close(board.bell);
	board.bell = -1;
	free(board.tree);
	board.tree = NULL;
	pthread_mutex_unlock(&board.lock);
}

static void configure(const struct berth_qemu_config *config)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	board.start_ns = (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
	board.skipped_ns = 0;
	board.timeout_ms = config->timeout_ms ? config->timeout_ms : 30000;
	board.slow_down = config->slow_down ? config->slow_down : 1;
	board.stats = (struct berth_qemu_stats){ 0 };
	board.is_launched = board.is_gone = board.has_news = false;
	board.launch_error = 0;
	board.in_size = board.in_used = 0;
	board.text_max = 0;
	board.alarm_at = UINT64_MAX;
	memset(board.how, 0, sizeof(board.how));
	memset(board.lines, 0, sizeof(board.lines));
	memset(board.ready, 0, sizeof(board.ready));
}

/* The emulator runs; the first answer says that the board is built and reset. */
static int connect_board(const char *interrupts)
{
	static const char *const controllers[] = { "arm_gic", "arm-gicv3", NULL };
	char path[256], command[300];
	int ret = berth_qemu_greet();

	if (!ret && !interrupts) {
		ret = berth_qemu_find(controllers, 0, path, sizeof(path));
		if (ret == -EINVAL)
			return berth_port_fail(ret, BERTH_REASON_ARGUMENT, "machine: no GIC", 0, 0);
		interrupts = path;
	}
	if (!ret) {
		snprintf(command, sizeof(command), "irq_intercept_in %s\n", interrupts);
		ret = berth_qemu_command(command, NULL);
		if (ret == -EINVAL)
			return berth_port_fail(ret, BERTH_REASON_ARGUMENT, "interrupts", 0, 0);
	}
	return ret;
}

/* What it said is the best reason that there is. */
static int explain(int ret)
{
	char line[sizeof(board.how)];

	berth_qemu_lose("QEMU: connection closed");
	berth_qemu_last_line(line, sizeof(line));
	return berth_port_fail(ret, BERTH_REASON_MACHINE, line[0] ? line : board.how, 0, 0);
}

static int start_board(const void **fdt, const struct berth_qemu_config *config, uint64_t ram_size)
{
	char **argv;
	int ret;

	board.bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (board.bell < 0)
		return berth_port_fail(-errno, BERTH_REASON_IO, "eventfd", 0, 0);
	ret = berth_cookies_start(&board.cookies, COOKIES_SIZE);
	if (!ret)
		ret = berth_qemu_ram_create(ram_size);
	if (ret)
		return ret;
	argv = berth_qemu_arguments(config, ram_size);
	if (!argv)
		return berth_port_fail(-ENOMEM, BERTH_REASON_OUT_OF_MEMORY, "arguments", 0, 0);
	ret = berth_qemu_launch(argv);
	berth_qemu_free_arguments(argv);
	if (ret)
		return ret;
	ret = connect_board(config->interrupts);
	if (ret == -EIO)
		return explain(ret);
	if (!ret && !*fdt) {
		ret = berth_qemu_read_tree(berth_qemu_kind(config->machine)->tree_offset);
		*fdt = board.tree;
	}
	return ret;
}

static int start(const void **fdt, const void *given)
{
	static const struct berth_qemu_config defaults;
	const struct berth_qemu_config *config = given ? given : &defaults;
	uint64_t ram_size = config->ram_size ? config->ram_size : 256 * MIB;
	int ret;

	if (ram_size % MIB || ram_size >> 40)
		return berth_port_fail(-EINVAL, BERTH_REASON_ARGUMENT, "ram_size", ram_size, 0);
	pthread_mutex_lock(&board.lock);
	configure(config);
	ret = start_board(fdt, config, ram_size);
	pthread_mutex_unlock(&board.lock);
	if (ret)
		stop();
	return ret;
}

const struct berth_machine berth_qemu = {
	.name = "qemu",
	.start = start,
	.stop = stop,
	.ram = berth_qemu_ram_start,
	.remap = berth_qemu_remap,
	.unremap = berth_qemu_unremap,
	.ram_file = berth_qemu_ram_file,
	.show = berth_qemu_show,
	.hide = berth_qemu_hide,
	.share = berth_qemu_share,
	.ioremap = map_registers,
	.iounmap = unmap_registers,
	.read = read_register,
	.write = write_register,
	.line_size = line_size,
	.clean = no_cache,
	.invalidate = no_cache,
	.flush = no_cache,
	.barrier = barrier,
	.irq_unmask = berth_qemu_unmask,
	.irq_mask = berth_qemu_mask,
	.irq_poll = berth_qemu_poll,
	.now = berth_qemu_now,
	.wait = berth_qemu_wait,
	.wake = berth_qemu_wake,
	.delay = berth_qemu_delay,
	.alarm = berth_qemu_alarm,
};
