/* SPDX-License-Identifier: BSD-2-Clause */
/* Wait queues and nodes between threads. */
#include "machine.h"

#include <pthread.h>
#include <sched.h>

#include <berth/fs.h>
#include <berth/timer.h>

#define ROUNDS 300u
#define SLEEPERS 3u

static struct wait_queue_head ping, pong;
static uint32_t given, taken[SLEEPERS];

static uint32_t get(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void set(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static void *take(void *index)
{
	uint32_t *own = &taken[(uintptr_t)index];

	for (uint32_t n = 1; n <= ROUNDS; n++) {
		wait_event(&ping, get(&given) >= n);
		set(own, n);
		wake_up(&pong);
	}
	return NULL;
}

static bool all_took(uint32_t n)
{
	for (unsigned int i = 0; i < SLEEPERS; i++)
		if (get(&taken[i]) < n)
			return false;
	return true;
}

/* A wake-up that is lost ends in a wait without end, which the model knows and tells. */
static void no_wake_up_is_lost(void **state)
{
	pthread_t threads[SLEEPERS];

	(void)state;
	init_waitqueue_head(&ping);
	init_waitqueue_head(&pong);
	memset(taken, 0, sizeof(taken));
	set(&given, 0);
	for (uintptr_t i = 0; i < SLEEPERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take, (void *)i), 0);
	for (uint32_t n = 1; n <= ROUNDS; n++) {
		set(&given, n);
		wake_up(&ping);
		assert_int_equal(wait_event_interruptible(&pong, all_took(n)), 0);
	}
	for (unsigned int i = 0; i < SLEEPERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(ping.sleepers + pong.sleepers, 0);
}

/* A node with a mailbox of one number. */
static struct {
	struct wait_queue_head changed;
	uint32_t number, opening, is_registered;
	uint32_t opened, released, is_wrong;
} box;

static int box_open(struct inode *inode, struct file *file)
{
	(void)inode;
	(void)file;
	__atomic_fetch_add(&box.opening, 1, __ATOMIC_SEQ_CST);
	if (!get(&box.is_registered))
		set(&box.is_wrong, 1);
	__atomic_fetch_add(&box.opened, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_sub(&box.opening, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static int box_release(struct inode *inode, struct file *file)
{
	(void)inode;
	(void)file;
	__atomic_fetch_add(&box.released, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static long box_read(struct file *file, char *buf, size_t count, berth_loff_t *pos)
{
	uint32_t number = __atomic_exchange_n(&box.number, 0, __ATOMIC_ACQ_REL);

	(void)file;
	(void)pos;
	if (!number || count != 4)
		return -EAGAIN;
	memcpy(buf, &number, 4);
	wake_up(&box.changed);
	return 4;
}

static long box_write(struct file *file, const char *buf, size_t count, berth_loff_t *pos)
{
	uint32_t number, empty = 0;

	(void)file;
	(void)pos;
	if (count != 4)
		return -EINVAL;
	memcpy(&number, buf, 4);
	if (!__atomic_compare_exchange_n(&box.number, &empty, number, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		return -EAGAIN;
	wake_up(&box.changed);
	return 4;
}

static unsigned int box_poll(struct file *file, poll_table *table)
{
	poll_wait(file, &box.changed, table);
	return get(&box.number) ? BERTH_POLLIN : BERTH_POLLOUT;
}

static long box_show(void *priv, const struct berth_node_attr *attr, char *buf)
{
	(void)priv;
	(void)attr;
	if (!get(&box.is_registered))
		set(&box.is_wrong, 1);
	return snprintf(buf, 100, "box\n");
}

static const struct file_operations box_fops = {
	.open = box_open,
	.release = box_release,
	.read = box_read,
	.write = box_write,
	.poll = box_poll,
};

static struct berth_node *add_box(void)
{
	static const struct berth_node_attr attr = { .name = "text", .show = box_show };
	static const struct berth_node_info info = {
		.name = "box",
		.fops = &box_fops,
		.attrs = &attr,
		.nr_attrs = 1,
	};
	struct berth_node *node;

	set(&box.is_registered, 1);
	node = berth_node_register(&info);
	assert_false(IS_ERR(node));
	return node;
}

static void *fill_box(void *file)
{
	for (uint32_t n = 1; n <= ROUNDS; n++) {
		while (berth_file_write(file, &n, 4) == -EAGAIN)
			if (berth_file_poll(file, BERTH_POLLOUT, -1) != BERTH_POLLOUT)
				set(&box.is_wrong, 1);
	}
	return NULL;
}

static void poll_misses_nothing(void **state)
{
	struct berth_node *node;
	struct file *file;
	pthread_t thread;

	(void)state;
	memset(&box, 0, sizeof(box));
	init_waitqueue_head(&box.changed);
	node = add_box();
	file = berth_filp_open("/dev/box", BERTH_O_RDWR);
	assert_int_equal(pthread_create(&thread, NULL, fill_box, file), 0);
	for (uint32_t n = 1; n <= ROUNDS; n++) {
		uint32_t number;

		assert_int_equal(berth_file_poll(file, BERTH_POLLIN, -1), BERTH_POLLIN);
		assert_int_equal(berth_file_read(file, &number, 4), 4);
		assert_int_equal(number, n);
	}
	pthread_join(thread, NULL);
	fput(file);
	berth_node_unregister(node);
	assert_int_equal(get(&box.is_wrong), 0);
}

static uint32_t is_over;

static int visit(const struct berth_node_view *view, void *data)
{
	(void)data;
	if (strcmp(view->name, "box") || !get(&box.is_registered))
		set(&box.is_wrong, 1);
	return 0;
}

static void *open_and_close(void *data)
{
	char text[4096];

	(void)data;
	while (!get(&is_over)) {
		struct file *file = berth_filp_open("/dev/box", BERTH_O_RDWR);

		if (!IS_ERR(file))
			fput(file);
		berth_node_show("box", "text", text);
		berth_node_each(visit, NULL);
	}
	return NULL;
}

/* No open() or show() of a node runs once it has been unregistered. */
static void nodes_go_while_they_are_opened(void **state)
{
	pthread_t threads[2];

	(void)state;
	memset(&box, 0, sizeof(box));
	init_waitqueue_head(&box.changed);
	set(&is_over, 0);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, NULL), 0);
	for (unsigned int i = 0; i < ROUNDS || get(&box.opened) < 20; i++) {
		struct berth_node *node = add_box();

		sched_yield();
		berth_node_unregister(node);
		assert_int_equal(get(&box.opening), 0);
		set(&box.is_registered, 0);
	}
	set(&is_over, 1);
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(get(&box.is_wrong), 0);
	assert_int_equal(get(&box.opened), get(&box.released));
}

static int start(void **state)
{
	(void)state;
	must_start(tree_minimal, NULL, NULL);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	must_stop();
	return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(no_wake_up_is_lost),
		TEST(poll_misses_nothing),
		TEST(nodes_go_while_they_are_opened),
	};

	return cmocka_run_group_tests_name("fs_threads", tests, NULL, NULL);
}
