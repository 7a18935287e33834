/* SPDX-License-Identifier: BSD-2-Clause */
/* Start and stop: again and again, half way, and with memory that somebody keeps. */
#include "machine.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <berth/check.h>
#include <berth/dma-mapping.h>
#include <berth/interrupt.h>
#include <berth/slab.h>
#include <berth/test.h>
#include <berth/timer.h>

/* The address sanitizer makes each start cost five times as much. */
#if defined(__SANITIZE_ADDRESS__)
#define STARTS 2000
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STARTS 2000
#endif
#endif
#ifndef STARTS
#define STARTS 10000
#endif

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static int count_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	int count = 0, c;

	while ((c = getc(maps)) != EOF)
		count += c == '\n';
	fclose(maps);
	return count;
}

/* Leaves everything behind that berth_stop() has to clear away by itself. */
static void use_it(void)
{
	static struct device dev;
	dma_addr_t handle;
	void *object, *virt;

	memset(&dev, 0, sizeof(dev));
	assert_int_equal(device_register(&dev, "dev"), 0);
	berth_device_set_coherent(&dev, false);
	assert_non_null(devm_kmalloc(&dev, 500, GFP_KERNEL));
	object = kmalloc(3000, GFP_KERNEL);
	virt = dma_alloc_coherent(&dev, 9000, &handle, GFP_KERNEL);
	assert_non_null(object);
	assert_non_null(virt);
	dma_free_coherent(&dev, 9000, virt, handle);
	kfree(object);
	device_unregister(&dev);
}

static void thousands_of_times(void **state)
{
	int fds = 0, mappings = 0;

	(void)state;
	for (int i = 0; i < STARTS; i++) {
		must_start(i % 2 ? tree_minimal : tree_buses, NULL, NULL);
		if (i % 100 == 0)
			use_it();
		must_stop();
		if (i == 100) {
			fds = count_fds();
			mappings = count_mappings();
		}
	}
	assert_int_equal(count_fds(), fds);
	/* The sanitizer's own mappings come and go a little. */
	assert_in_range(count_mappings(), 1, mappings + 20);
}

static void a_second_start_is_refused(void **state)
{
	(void)state;
	assert_int_equal(berth_stop(), -EINVAL);
	assert_reason(BERTH_REASON_STATE);
	must_start(tree_minimal, NULL, NULL);
	assert_int_equal(start_tree(tree_minimal, NULL, NULL), -EBUSY);
	assert_reason(BERTH_REASON_STATE);
	assert_true(berth_running());
	must_stop();
	assert_false(berth_running());
}

static void another_abi_is_refused(void **state)
{
	(void)state;
	assert_int_equal(berth_start_abi(tree_minimal, NULL, NULL, BERTH_ABI + 1), -EINVAL);
	assert_reason(BERTH_REASON_ABI);
	assert_int_equal(berth_start_abi(tree_minimal, NULL, NULL, BERTH_ABI ^ 0x80000000u),
			 -EINVAL);
	assert_false(berth_is_checked());
	assert_string_equal(berth_version(), BERTH_TEST_VERSION);
}

static void memory_that_is_kept_is_told(void **state)
{
	(void)state;
	must_start(tree_minimal, NULL, NULL);
	assert_non_null(kmalloc(1000, GFP_KERNEL));
	assert_int_equal(berth_stop(), -EBUSY);
	assert_reason(BERTH_REASON_LEAK);
	assert_in_range(berth_last_error()->length, 1000, 1500);
	must_start(tree_minimal, NULL, NULL);
	must_stop();
}

static void every_allocation_of_a_start_may_fail(void **state)
{
	uint64_t n;

	(void)state;
	for (n = 1;; n++) {
		bool has_failed;
		int err;

		berth_test_fail_nth(n);
		err = start_tree(tree_buses, NULL, NULL);
		has_failed = berth_test_failed();
		berth_test_fail_nth(0);
		if (err) {
			assert_false(berth_running());
			assert_true(berth_last_error()->code < 0);
		} else {
			/* A reservation without room is left out, as on Linux: that is no failure. */
			must_stop();
		}
		if (!has_failed)
			break;
	}
	assert_true(n > 20);
	must_start(tree_buses, NULL, NULL);
	must_stop();
}

/* A machine of somebody else's, that says no and not why. */
static int refuse(const void **tree, const void *config)
{
	(void)tree;
	(void)config;
	return -ENXIO;
}

static void a_start_that_fails_has_a_reason(void **state)
{
	static const struct berth_machine machine = { .name = "nothing", .start = refuse };
	const struct berth_options options = { .machine = &machine };

	(void)state;
	assert_int_equal(berth_stop(), -EINVAL);
	assert_int_equal(berth_start(tree_minimal, NULL, &options), -ENXIO);
	assert_int_equal(berth_last_error()->code, -ENXIO);
	assert_reason(BERTH_REASON_ARGUMENT);
	must_start(tree_minimal, NULL, NULL);
	assert_reason(BERTH_REASON_ARGUMENT); /* what goes well leaves it alone */
	must_stop();
}

#ifndef __has_feature
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define HAS_ASAN 1
#else
#define HAS_ASAN 0
#endif

static volatile char *victim;

static void touch_after_kfree(void)
{
	victim = kmalloc(100, GFP_KERNEL);
	kfree((void *)(uintptr_t)victim);
	victim[50] = 1;
}

static void touch_behind_object(void)
{
	victim = kmalloc(128, GFP_KERNEL);
	victim[128] = 1;
}

static void touch_freed_page(void)
{
	struct page *page = alloc_pages(GFP_KERNEL, 2);

	victim = page_address(page);
	__free_pages(page, 2);
	victim[5000] = 1;
}

/*
 * In a process of its own, since the report ends it. It starts berth itself: RAM would be shared
 * with the parent, and the allocator's state would not.
 */
static void is_caught(void (*wrong)(void))
{
	int status;
	pid_t child = fork();

	if (!child) {
		for (int sig = 1; sig < 32; sig++)
			signal(sig, SIG_DFL);
		if (start_tree(tree_minimal, NULL, NULL))
			_exit(0);
		/* The report is not for the log; what counts is that it stops the program. */
		dup2(open("/dev/null", O_WRONLY), 2);
		wrong();
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	/* The sanitizer's own exit status: a crash would be no proof. */
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
}

static void freed_memory_is_poisoned(void **state)
{
	(void)state;
	if (!HAS_ASAN)
		skip();
	is_caught(touch_after_kfree);
	is_caught(touch_behind_object);
	is_caught(touch_freed_page);
}

/* Handlers and timers of one run are not seen by the next. */
static int calls;

static irqreturn_t count_irq(int irq, void *data)
{
	(void)irq;
	(void)data;
	calls++;
	return IRQ_HANDLED;
}

static void count_timer(struct timer_list *timer)
{
	(void)timer;
	calls++;
}

static void nothing_of_a_run_is_left(void **state)
{
	static struct timer_list timer;

	(void)state;
	for (int i = 0; i < 3; i++) {
		must_start(tree_minimal, NULL, NULL);
		assert_int_equal(request_irq(50, count_irq, 0, "left", &calls), 0);
		assert_int_equal(request_irq(50, count_irq, 0, "again", &calls), -EBUSY);
		assert_reason(BERTH_REASON_IRQ);
		timer_setup(&timer, count_timer, 0);
		mod_timer(&timer, jiffies + 10);
		must_stop();
	}
	must_start(tree_minimal, NULL, NULL);
	msleep(100);
	assert_int_equal(calls, 0);
	must_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_start_is_refused),
		cmocka_unit_test(another_abi_is_refused),
		cmocka_unit_test(memory_that_is_kept_is_told),
		cmocka_unit_test(every_allocation_of_a_start_may_fail),
		cmocka_unit_test(a_start_that_fails_has_a_reason),
		cmocka_unit_test(freed_memory_is_poisoned),
		cmocka_unit_test(nothing_of_a_run_is_left),
		cmocka_unit_test(thousands_of_times),
	};

	return cmocka_run_group_tests_name("start", tests, NULL, NULL);
}
