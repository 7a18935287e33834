/* SPDX-License-Identifier: BSD-2-Clause */
/* The emulator as a process: its death, wrong arguments, what is left behind, several threads. */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <berth/interrupt.h>
#include <berth/io.h>
#include <berth/pci.h>
#include <berth/slab.h>
#include <berth/timer.h>

#include "board.h"

#define UART 0x09000000ull
#define UART_ID 0xfe0 /* the first of the cell's numbers */
#define UART_ID_VALUE 0x11u

extern char **environ;

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_pci_host_generic_driver),
	BERTH_PCI_DRIVER(&berth_edu_driver),
	BERTH_NO_MORE_DRIVERS,
};

static const char *const two_edus[] = { "-device", "edu,dma_mask=0xffffffffffffffff,addr=1",
					"-device", "edu,dma_mask=0xffffffffffffffff,addr=2", NULL };

static const char *program;

static void the_first_uart_answers(void)
{
	char __iomem *uart = ioremap(UART, 0x1000);

	assert_non_null(uart);
	assert_int_equal(readl(uart + UART_ID), UART_ID_VALUE);
	assert_int_equal(readw(uart + UART_ID), UART_ID_VALUE);
	assert_int_equal(readb(uart + UART_ID), UART_ID_VALUE);
	iounmap(uart);
}

/* Every call after the end: an error, at once, and with its reason. */
static void nothing_hangs(char __iomem *regs, const char *how)
{
	uint64_t before = berth_port_now();

	berth_clear_error();
	assert_int_equal(readl(regs), UINT32_MAX);
	assert_reason(BERTH_REASON_MACHINE);
	assert_string_equal(berth_last_error()->subject, how);
	assert_int_equal(berth_last_error()->code, -EIO);
	berth_clear_error();
	writeq(1, regs);
	assert_reason(BERTH_REASON_MACHINE);
	assert_int_equal(readb(regs), 0xff);
	assert_int_equal(readq(regs), UINT64_MAX);
	msleep(1000000);
	berth_port_delay(1000 * NSEC_PER_SEC);
	/* A loop that asks until time is up. */
	for (uint64_t end = berth_port_now() + NSEC_PER_SEC; berth_port_now() < end;)
		readl(regs);
	assert_true(berth_port_now() - before >= 2001 * NSEC_PER_SEC);
	assert_int_equal(berth_qemu_pid(), 0);
}

/* Kills the emulator when the fourth register of a transfer is written. */
static void *kill_in_transfer(void *arg)
{
	const uint64_t *before = arg;
	struct berth_qemu_stats stats;

	do {
		usleep(1000);
		berth_qemu_stats(&stats);
	} while (stats.writes < *before + 4);
	kill(berth_qemu_pid(), SIGKILL);
	return NULL;
}

static void it_dies_while_a_transfer_is_waited_for(void **state)
{
	/* The driver's own timeout would take longer than the test may. */
	const struct berth_qemu_config config = { .arguments = two_edus, .slow_down = 10000 };
	const struct berth_options options = { .machine = &berth_qemu, .machine_config = &config };
	struct berth_qemu_stats stats;
	struct pci_dev *edu;
	pthread_t killer;
	uint8_t *bytes;

	(void)state;
	assert_int_equal(berth_start(NULL, drivers, &options), 0);
	edu = must_find(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE, NULL);
	assert_int_equal(berth_edu_set_dma_bits(edu, 64), 0);
	bytes = kzalloc(64, GFP_KERNEL);
	/* It would be over before anybody could do anything. */
	disable_irq(edu->irq);
	berth_qemu_stats(&stats);
	assert_int_equal(pthread_create(&killer, NULL, kill_in_transfer, &stats.writes), 0);
	assert_int_equal(berth_edu_copy_to(edu, 0, bytes, 64), -ETIMEDOUT);
	pthread_join(killer, NULL);
	enable_irq(edu->irq);
	assert_int_equal(berth_edu_copy_to(edu, 0, bytes, 64), -EIO);
	kfree(bytes);
	must_stop();
}

static void everything_fails_when_it_is_killed(void **state)
{
	struct pci_dev *edu;
	char __iomem *uart;
	uint32_t result;

	(void)state;
	must_start(drivers, 0, NULL, two_edus);
	edu = must_find(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE, NULL);
	uart = ioremap(UART, 0x1000);
	assert_int_equal(kill(berth_qemu_pid(), SIGKILL), 0);
	nothing_hangs(uart, "QEMU: killed by signal 9");
	assert_int_equal(berth_edu_factorial(edu, 5, &result), -ETIMEDOUT);
	assert_int_equal(result, UINT32_MAX);
	iounmap(uart);
	must_stop();
	must_start(drivers, 0, NULL, two_edus);
	the_first_uart_answers();
	must_stop();
}

/* It stops itself for a transfer that edu does not know: hw_error(). */
static void it_crashes_by_itself(void **state)
{
	struct pci_dev *edu;
	char __iomem *regs;

	(void)state;
	must_start(drivers, 0, NULL, two_edus);
	edu = must_find(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE, NULL);
	regs = pci_iomap(edu, 0, 0);
	writeq(0x50000000, regs + 0x80);
	writeq(0x50000000, regs + 0x88);
	writeq(64, regs + 0x90);
	writeq(1, regs + 0x98);
	while (berth_qemu_pid())
		msleep(1);
	nothing_hangs(regs, "QEMU: killed by signal 6");
	pci_iounmap(edu, regs);
	must_stop();
}

/* A host that is too busy to answer may strike at the start already. */
static void silence_is_death(void **state)
{
	const struct berth_qemu_config config = { .timeout_ms = 1500 };
	const struct berth_options options = { .machine = &berth_qemu, .machine_config = &config };
	char __iomem *uart;
	unsigned int tries = 0;

	(void)state;
	while (berth_start(NULL, NULL, &options) && ++tries < 20)
		assert_reason(BERTH_REASON_MACHINE);
	assert_true(berth_running());
	uart = ioremap(UART, 0x1000);
	assert_int_equal(kill(berth_qemu_pid(), SIGSTOP), 0);
	assert_int_equal(readl(uart), UINT32_MAX);
	assert_reason(BERTH_REASON_MACHINE);
	while (berth_qemu_pid())
		msleep(1);
	nothing_hangs(uart, "QEMU: killed by signal 9");
	iounmap(uart);
	must_stop();
}

/* Entries of a folder of /proc/self. */
static unsigned int entries(const char *path)
{
	DIR *folder = opendir(path);
	unsigned int nr = 0;

	assert_non_null(folder);
	while (readdir(folder))
		nr++;
	closedir(folder);
	return nr;
}

static uint64_t pages_of_address_space(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu", &pages), 1);
	fclose(file);
	return pages;
}

struct traces {
	unsigned int fds, threads;
	uint64_t pages;
};

static struct traces traces(void)
{
	return (struct traces){ entries("/proc/self/fd"), entries("/proc/self/task"),
				pages_of_address_space() };
}

/* The address space may grow by what malloc() keeps, not by RAM or registers. */
static void assert_no_traces(const struct traces *before)
{
	struct traces after = traces();

	assert_int_equal(after.fds, before->fds);
	assert_int_equal(after.threads, before->threads);
	assert_true(after.pages < before->pages + 64 * MIB / 4096);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void nothing_is_left_of_many_starts(void **state)
{
	struct traces before;

	(void)state;
	must_start(drivers, 0, NULL, two_edus);
	must_stop();
	before = traces();
	for (int i = 0; i < 20; i++) {
		must_start(i % 2 ? drivers : NULL, 0, NULL, two_edus);
		the_first_uart_answers();
		must_stop();
	}
	assert_no_traces(&before);
}

static void refuse(const struct berth_qemu_config *config, const void *tree, int code,
		   enum berth_reason reason, const char *subject)
{
	const struct berth_options options = { .machine = &berth_qemu, .machine_config = config };

	assert_int_equal(berth_start(tree, NULL, &options), code);
	assert_reason(reason);
	if (!strstr(berth_last_error()->subject, subject))
		fail_msg("the subject is \"%s\"", berth_last_error()->subject);
	assert_false(berth_running());
}

#define CONFIG(...) (&(const struct berth_qemu_config){ __VA_ARGS__ })
#define ARGUMENTS(...)                     \
	.arguments = (const char *const[]) \
	{                                  \
		__VA_ARGS__, NULL          \
	}

static void wrong_arguments_are_refused(void **state)
{
	struct traces before = traces();

	(void)state;
	refuse(CONFIG(.program = "no-such-emulator"), NULL, -ENOENT, BERTH_REASON_IO,
	       "no-such-emulator");
	refuse(CONFIG(.program = "/"), NULL, -EACCES, BERTH_REASON_IO, "/");
	refuse(CONFIG(.program = "true"), NULL, -EIO, BERTH_REASON_MACHINE, "exit status 0");
	refuse(CONFIG(ARGUMENTS("-device", "nonsense")), NULL, -EIO, BERTH_REASON_MACHINE,
	       "'nonsense' is not a valid device model");
	refuse(CONFIG(ARGUMENTS("-nonsense")), NULL, -EIO, BERTH_REASON_MACHINE, "invalid option");
	refuse(CONFIG(.machine = "nonsense"), NULL, -EIO, BERTH_REASON_MACHINE, "");
	refuse(CONFIG(.cpu = "nonsense"), NULL, -EIO, BERTH_REASON_MACHINE, "");
	refuse(CONFIG(.interrupts = "/machine/nothing"), NULL, -EINVAL, BERTH_REASON_ARGUMENT,
	       "interrupts");
	refuse(CONFIG(.ram_size = 4096), NULL, -EINVAL, BERTH_REASON_ARGUMENT, "ram_size");
	/* A board without a GIC, and one without a tree of its own. */
	refuse(CONFIG(.machine = "none"), NULL, -EINVAL, BERTH_REASON_ARGUMENT, "machine: no GIC");
	refuse(CONFIG(.machine = "xilinx-zynq-a9", .cpu = "cortex-a9"), NULL, -EINVAL,
	       BERTH_REASON_ARGUMENT, "board");
	assert_no_traces(&before);
}

static void it_prints_what_was_asked_for(void **state)
{
	static const char *const arguments[] = { "-device", "edu", "-trace", "pl011_read", NULL };
	char text[8192];
	long size;

	(void)state;
	assert_int_equal(berth_qemu_output(0, text, sizeof(text)), -EINVAL);
	assert_reason(BERTH_REASON_STATE);
	must_start(NULL, 0, NULL, arguments);
	the_first_uart_answers();
	size = berth_qemu_output(0, text, sizeof(text) - 1);
	assert_true(size > 0);
	text[size] = 0;
	assert_non_null(strstr(text, "pl011_read"));
	must_stop();
}

static void *start_and_exit(void *arg)
{
	*(int *)arg = start_with(drivers, 0, NULL, two_edus);
	return NULL;
}

/* It dies with the process, not with the thread that has started it. */
static void the_thread_that_started_it_may_end(void **state)
{
	pthread_t thread;
	int ret = -1;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, start_and_exit, &ret), 0);
	pthread_join(thread, NULL);
	assert_int_equal(ret, 0);
	the_first_uart_answers();
	must_stop();
}

/* The same program, as another process that is killed. */
static int be_a_victim(void)
{
	int pid;

	if (start_with(drivers, 0, NULL, two_edus))
		return 1;
	pid = berth_qemu_pid();
	if (write(STDOUT_FILENO, &pid, sizeof(pid)) != sizeof(pid))
		return 1;
	return kill(getpid(), SIGKILL);
}

static void it_dies_with_the_process(void **state)
{
	char *argv[] = { (char *)(uintptr_t)program, (char[]){ "victim" }, NULL };
	posix_spawn_file_actions_t actions;
	int ends[2], status, emulator = 0;
	pid_t victim;

	(void)state;
	/* The emulator becomes our child when its parent has died. */
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	assert_int_equal(pipe(ends), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	assert_int_equal(posix_spawn(&victim, "/proc/self/exe", &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	assert_int_equal(read(ends[0], &emulator, sizeof(emulator)), sizeof(emulator));
	close(ends[0]);
	assert_int_equal(waitpid(victim, &status, 0), victim);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(waitpid(emulator, &status, 0), emulator);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

#define ROUNDS 40

struct worker {
	pthread_t thread;
	struct pci_dev *edu;
	unsigned int failures;
};

static void *work(void *arg)
{
	struct worker *worker = arg;
	uint8_t *bytes = kmalloc(512, GFP_KERNEL);

	for (uint32_t i = 0; i < ROUNDS && bytes; i++) {
		uint32_t result = 0;

		fill(bytes, 256, i);
		worker->failures += berth_edu_factorial(worker->edu, 6, &result) || result != 720;
		worker->failures += berth_edu_copy(worker->edu, bytes + 256, bytes, 256) ||
				    memcmp(bytes, bytes + 256, 256);
		worker->failures += berth_edu_interrupt(worker->edu, 0x10) != 0;
	}
	worker->failures += !bytes;
	kfree(bytes);
	return NULL;
}

static void *sleep_often(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++)
		usleep_range(10, 10);
	return NULL;
}

/* Two devices, each with a thread, and some that only wait for time to pass. */
static void threads_share_the_board(void **state)
{
	struct worker workers[2] = { 0 };
	pthread_t sleepers[3];
	struct pci_dev *edu = NULL;

	(void)state;
	must_start(drivers, 0, NULL, two_edus);
	for (unsigned int i = 0; i < 2; i++) {
		edu = must_find(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE, edu);
		assert_int_equal(berth_edu_set_dma_bits(edu, 64), 0);
		workers[i].edu = edu;
	}
	assert_int_not_equal(workers[0].edu->irq, workers[1].edu->irq);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&sleepers[i], NULL, sleep_often, NULL), 0);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	for (unsigned int i = 0; i < 3; i++)
		pthread_join(sleepers[i], NULL);
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(workers[i].thread, NULL);
	assert_int_equal(workers[0].failures + workers[1].failures, 0);
	must_stop();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_fails_when_it_is_killed),
		cmocka_unit_test(it_dies_while_a_transfer_is_waited_for),
		cmocka_unit_test(it_crashes_by_itself),
		cmocka_unit_test(silence_is_death),
		cmocka_unit_test(nothing_is_left_of_many_starts),
		cmocka_unit_test(wrong_arguments_are_refused),
		cmocka_unit_test(it_prints_what_was_asked_for),
		cmocka_unit_test(the_thread_that_started_it_may_end),
		cmocka_unit_test(it_dies_with_the_process),
		cmocka_unit_test(threads_share_the_board),
	};

	program = argv[0];
	if (argc > 1)
		return be_a_victim();
	return has_emulator() ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
