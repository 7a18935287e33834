/* SPDX-License-Identifier: BSD-2-Clause */
/* Nodes under /dev and what programs do with them, and wait queues, in one thread. */
#include "machine.h"

#include <berth/dma-mapping.h>
#include <berth/fs.h>
#include <berth/gfp.h>
#include <berth/mm.h>
#include <berth/platform_device.h>
#include <berth/port.h>
#include <berth/slab.h>
#include <berth/test.h>
#include <berth/timer.h>
#include <berth/vm_area.h>

/* A node that counts: reads give the number, a write sets it, mmap shows @buffer. */
static struct {
	struct wait_queue_head changed;
	struct file *last;
	uint32_t number;
	unsigned int opened, released;
	int refuse;
	void *buffer;
	dma_addr_t addr;
	void *seen_private;
} counter;

#define BUFFER_SIZE (3 * PAGE_SIZE)

static int counter_open(struct inode *inode, struct file *file)
{
	assert_ptr_equal(file->f_inode, inode);
	counter.seen_private = file->private_data;
	if (counter.refuse)
		return counter.refuse;
	counter.opened++;
	counter.last = file;
	file->private_data = inode->i_private;
	return 0;
}

static int counter_release(struct inode *inode, struct file *file)
{
	assert_ptr_equal(file->f_inode, inode);
	counter.released++;
	return 0;
}

static long counter_read(struct file *file, char *buf, size_t count, berth_loff_t *pos)
{
	assert_ptr_equal(pos, &file->f_pos);
	if (count != sizeof(counter.number))
		return -EINVAL;
	assert_int_equal(copy_to_user(buf, &counter.number, count), 0);
	*pos += 4;
	return (long)count;
}

static long counter_write(struct file *file, const char *buf, size_t count, berth_loff_t *pos)
{
	(void)file;
	(void)pos;
	if (count != sizeof(counter.number))
		return -EINVAL;
	assert_int_equal(copy_from_user(&counter.number, buf, count), 0);
	wake_up_interruptible(&counter.changed);
	return (long)count;
}

static unsigned int counter_poll(struct file *file, poll_table *table)
{
	poll_wait(file, &counter.changed, table);
	return counter.number ? BERTH_POLLIN | BERTH_POLLRDNORM : 0;
}

static long counter_ioctl(struct file *file, unsigned int request, unsigned long arg)
{
	(void)file;
	if (request != 7)
		return -ENOTTY;
	*(uint32_t *)(uintptr_t)arg = counter.number + 1;
	return 5;
}

static struct device *a_device(void)
{
	return &of_find_device_by_node(of_find_node_by_path("/device@10000000"))->dev;
}

static int counter_mmap(struct file *file, struct vm_area_struct *vma)
{
	(void)file;
	return dma_mmap_coherent(a_device(), vma, counter.buffer, counter.addr, BUFFER_SIZE);
}

static const struct file_operations counter_fops = {
	.read = counter_read,
	.write = counter_write,
	.poll = counter_poll,
	.unlocked_ioctl = counter_ioctl,
	.mmap = counter_mmap,
	.open = counter_open,
	.release = counter_release,
};

static const struct file_operations no_fops;

static long show_index(void *priv, const struct berth_node_attr *attr, char *buf)
{
	return snprintf(buf, PAGE_SIZE, "%s %u\n", priv == &counter ? "counter" : "?", attr->index);
}

static const struct berth_node_attr attrs[] = {
	{ .name = "maps/map0/size", .show = show_index, .index = 3 },
	{ .name = "event", .show = show_index, .index = 9 },
};

static struct berth_node *add(const char *name, const struct file_operations *fops)
{
	const struct berth_node_info info = {
		.name = name,
		.class_name = "count",
		.fops = fops,
		.priv = &counter,
		.attrs = attrs,
		.nr_attrs = ARRAY_SIZE(attrs),
	};

	return berth_node_register(&info);
}

static int start(void **state)
{
	(void)state;
	memset(&counter, 0, sizeof(counter));
	init_waitqueue_head(&counter.changed);
	must_start(tree_minimal, NULL, NULL);
	berth_clear_error();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	must_stop();
	return 0;
}

static void a_program_uses_a_node(void **state)
{
	struct berth_node *node = add("counter", &counter_fops);
	uint32_t value = 41;
	struct file *file;

	(void)state;
	assert_false(IS_ERR(node));
	file = berth_filp_open("/dev/counter", BERTH_O_RDWR | BERTH_O_NONBLOCK);
	assert_false(IS_ERR(file));
	assert_ptr_equal(file, counter.last);
	assert_int_equal(file->f_flags, BERTH_O_RDWR | BERTH_O_NONBLOCK);
	assert_null(counter.seen_private);
	assert_ptr_equal(file->private_data, &counter);
	assert_int_equal(berth_file_write(file, &value, 4), 4);
	value = 0;
	assert_int_equal(berth_file_read(file, &value, 4), 4);
	assert_int_equal(value, 41);
	assert_int_equal(file->f_pos, 4);
	assert_int_equal(berth_file_read(file, &value, 3), -EINVAL);
	assert_int_equal(berth_file_ioctl(file, 7, &value), 5);
	assert_int_equal(value, 42);
	assert_int_equal(berth_file_ioctl(file, 8, &value), -ENOTTY);
	get_file(file);
	fput(file);
	assert_int_equal(counter.released, 0);
	/* It goes on without its node. */
	berth_node_unregister(node);
	assert_true(IS_ERR(berth_filp_open("/dev/counter", BERTH_O_RDWR)));
	assert_int_equal(berth_file_read(file, &value, 4), 4);
	fput(file);
	assert_int_equal(counter.opened, 1);
	assert_int_equal(counter.released, 1);
}

static void what_a_node_has_not_is_refused(void **state)
{
	struct berth_node *node = add("dir/empty", &no_fops), *full = add("full", &counter_fops);
	struct vm_area_struct vma;
	struct file *file;
	uint32_t value;

	(void)state;
	file = berth_filp_open("/dev/dir/empty", BERTH_O_RDWR);
	assert_false(IS_ERR(file));
	assert_int_equal(berth_file_read(file, &value, 4), -EINVAL);
	assert_reason(BERTH_REASON_FILE);
	assert_int_equal(berth_file_write(file, &value, 4), -EINVAL);
	assert_int_equal(berth_file_ioctl(file, 1, NULL), -ENOTTY);
	assert_int_equal(berth_file_mmap(file, &vma, PAGE_SIZE, 0), -ENODEV);
	assert_int_equal(berth_file_share(file, &vma, PAGE_SIZE, 0), -ENODEV);
	assert_int_equal(berth_file_mmap(file, &vma, 0, 0), -EINVAL);
	assert_int_equal(berth_file_poll(file, BERTH_POLLIN | BERTH_POLLPRI, 0), BERTH_POLLIN);
	fput(file);
	file = berth_filp_open("/dev/full", BERTH_O_RDONLY);
	assert_int_equal(berth_file_write(file, &value, 4), -EBADF);
	assert_reason(BERTH_REASON_FILE);
	fput(file);
	file = berth_filp_open("/dev/full", BERTH_O_WRONLY);
	assert_int_equal(berth_file_read(file, &value, 4), -EBADF);
	assert_int_equal(berth_file_mmap(file, &vma, PAGE_SIZE, 0), -EACCES);
	fput(file);
	assert_int_equal(counter.released, 2);
	assert_int_equal(PTR_ERR(berth_filp_open("/dev/full", BERTH_O_ACCMODE)), -EINVAL);
	assert_int_equal(PTR_ERR(berth_filp_open("/dev/ful", 0)), -ENOENT);
	assert_int_equal(PTR_ERR(berth_filp_open("/de", 0)), -ENOENT);
	assert_int_equal(PTR_ERR(berth_filp_open("full", 0)), -ENOENT);
	assert_int_equal(PTR_ERR(berth_filp_open(NULL, 0)), -ENOENT);
	assert_reason(BERTH_REASON_FILE);
	counter.refuse = -EBUSY;
	assert_int_equal(PTR_ERR(berth_filp_open("/dev/full", 0)), -EBUSY);
	assert_int_equal(counter.released, 2);
	berth_node_unregister(node);
	berth_node_unregister(full);
}

static void bad_names_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"/a",
		"a/",
		"a//b",
		".",
		"..",
		"a/../b",
		"a/./b",
		"0123456789012345678901234567890123456789012345678901234567890123",
		NULL
	};
	static const struct berth_node_attr bad_attr = { .name = "../x", .show = show_index };
	static const struct berth_node_attr no_show = { .name = "x" };
	struct berth_node_info info = { .fops = &no_fops };
	struct berth_node *node;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		info.name = bad[i];
		assert_int_equal(PTR_ERR(berth_node_register(&info)), -EINVAL);
		assert_reason(BERTH_REASON_ARGUMENT);
	}
	info.name = "a/..b/c.";
	info.class_name = "x/y";
	assert_int_equal(PTR_ERR(berth_node_register(&info)), -EINVAL);
	info.class_name = "..";
	assert_int_equal(PTR_ERR(berth_node_register(&info)), -EINVAL);
	info.class_name = NULL;
	info.nr_attrs = 1;
	info.attrs = &bad_attr;
	assert_int_equal(PTR_ERR(berth_node_register(&info)), -EINVAL);
	info.attrs = &no_show;
	assert_int_equal(PTR_ERR(berth_node_register(&info)), -EINVAL);
	info.nr_attrs = 0;
	node = berth_node_register(&info);
	assert_false(IS_ERR(node));
	assert_int_equal(PTR_ERR(add("a/..b/c.", &no_fops)), -EEXIST);
	assert_int_equal(PTR_ERR(add("a/..b", &no_fops)), -EEXIST);
	assert_int_equal(PTR_ERR(add("a/..b/c./d", &no_fops)), -EEXIST);
	assert_reason(BERTH_REASON_FILE);
	berth_node_unregister(node);
	berth_node_unregister(NULL);
	berth_node_unregister(ERR_PTR(-EEXIST));
}

static int note(const struct berth_node_view *view, void *data)
{
	strcat(data, view->name);
	strcat(data, " ");
	return !strcmp(view->name, "last") ? 12 : 0;
}

static int check_view(const struct berth_node_view *view, void *data)
{
	assert_string_equal(view->name, "dir/one");
	assert_string_equal(view->class_name, "count");
	assert_null(view->parent);
	assert_int_equal(view->mode, 0600);
	assert_int_equal(view->nr_attrs, 2);
	assert_string_equal(view->attrs[1].name, "event");
	assert_int_equal(view->changes, *(unsigned int *)data);
	return 0;
}

static void others_see_nodes_and_attributes(void **state)
{
	struct berth_node *nodes[3];
	unsigned int changes = 0;
	char text[PAGE_SIZE] = "";
	uint32_t turn;

	(void)state;
	turn = berth_node_news()->turn;
	nodes[0] = add("dir/one", &no_fops);
	assert_int_not_equal(berth_node_news()->turn, turn);
	assert_int_equal(berth_node_each(check_view, &changes), 0);
	turn = berth_node_news()->turn;
	berth_node_changed(nodes[0]);
	changes = 1;
	assert_int_not_equal(berth_node_news()->turn, turn);
	assert_int_equal(berth_node_each(check_view, &changes), 0);
	nodes[1] = add("last", &no_fops);
	nodes[2] = add("behind", &no_fops);
	assert_int_equal(berth_node_each(note, text), 12);
	assert_string_equal(text, "dir/one last ");
	assert_int_equal(berth_node_show("dir/one", "maps/map0/size", text), 10);
	assert_string_equal(text, "counter 3\n");
	assert_int_equal(berth_node_show("dir/one", "event", text), 10);
	assert_int_equal(berth_node_show("dir/one", "name", text), -ENOENT);
	assert_reason(BERTH_REASON_FILE);
	assert_int_equal(berth_node_show("one", "event", text), -ENOENT);
	turn = berth_node_news()->turn;
	for (unsigned int i = 0; i < 3; i++)
		berth_node_unregister(nodes[i]);
	assert_int_not_equal(berth_node_news()->turn, turn);
	assert_int_equal(berth_node_each(check_view, NULL), 0);
}

static int find_rdev(const struct berth_node_view *view, void *data)
{
	uint32_t *rdev = data;

	if (strcmp(view->name, "fixed"))
		return 0;
	*rdev = view->rdev;
	return 1;
}

static void misc_devices_have_numbers(void **state)
{
	struct miscdevice a = { .minor = MISC_DYNAMIC_MINOR, .name = "a", .fops = &counter_fops };
	struct miscdevice b = { .minor = MISC_DYNAMIC_MINOR, .name = "b", .fops = &counter_fops };
	struct miscdevice fixed = { .minor = 253, .name = "fixed", .fops = &counter_fops };
	struct miscdevice c = { .minor = 253, .name = "c", .fops = &counter_fops };
	struct miscdevice bad = { .minor = -2, .name = "d", .fops = &counter_fops };
	uint32_t rdev = 0;
	struct file *file;

	(void)state;
	assert_int_equal(misc_register(&a), 0);
	assert_int_equal(a.minor, 254);
	assert_int_equal(misc_register(&fixed), 0);
	assert_int_equal(misc_register(&b), 0);
	assert_int_equal(b.minor, 252);
	assert_int_equal(misc_register(&c), -EEXIST);
	assert_int_equal(misc_register(&bad), -EINVAL);
	assert_int_equal(berth_node_each(find_rdev, &rdev), 1);
	assert_int_equal(MAJOR(rdev), MISC_MAJOR);
	assert_int_equal(MINOR(rdev), 253);
	file = berth_filp_open("/dev/b", BERTH_O_RDONLY);
	assert_ptr_equal(counter.seen_private, &b);
	assert_ptr_equal(file->private_data, &b);
	misc_deregister(&b);
	fput(file);
	misc_deregister(&a);
	misc_deregister(&fixed);
	misc_deregister(&fixed);
}

static bool map_once(struct file *file, struct vm_area_struct *vma)
{
	if (berth_file_mmap(file, vma, BUFFER_SIZE, 0)) {
		assert_null(vma->vm_file);
		return false;
	}
	return true;
}

static void a_mapping_holds_its_file(void **state)
{
	struct berth_node *node = add("counter", &counter_fops);
	struct vm_area_struct vma;
	struct file *file;
	uint8_t *seen;

	(void)state;
	counter.buffer = dma_alloc_coherent(a_device(), BUFFER_SIZE, &counter.addr, GFP_KERNEL);
	assert_non_null(counter.buffer);
	file = berth_filp_open("/dev/counter", BERTH_O_RDWR);
	assert_int_equal(berth_file_mmap(file, &vma, BUFFER_SIZE, 1), -ENXIO);
	assert_int_equal(berth_file_mmap(file, &vma, PAGE_SIZE, 2), 0);
	fput(file);
	berth_node_unregister(node);
	assert_int_equal(counter.released, 0);
	seen = (uint8_t *)vma.vm_start;
	seen[5] = 0x77;
	assert_int_equal(((uint8_t *)counter.buffer)[2 * PAGE_SIZE + 5], 0x77);
	berth_vma_release(&vma);
	assert_int_equal(counter.released, 1);
	dma_free_coherent(a_device(), BUFFER_SIZE, counter.buffer, counter.addr);
}

/* RAM outside the linear map has one type; that in it is cached; registers have no such mapping. */
static void memory_is_shown_by_its_address(void **state)
{
	struct page *page = alloc_pages(GFP_KERNEL, 0);
	struct vm_area_struct vma;

	(void)state;
	assert_int_equal(berth_vma_reserve(&vma, 2 * PAGE_SIZE, 0), 0);
	assert_int_equal(remap_pfn_range(&vma, vma.vm_start + PAGE_SIZE, page_to_pfn(page), 1,
					 BERTH_MEMORY_UNCACHED),
			 -EINVAL);
	assert_reason(BERTH_REASON_MAPPING);
	assert_int_equal(remap_pfn_range(&vma, vma.vm_start + 1, page_to_pfn(page), 1, PAGE_KERNEL),
			 -EINVAL);
	assert_int_equal(remap_pfn_range(&vma, vma.vm_start, 0x10000, PAGE_SIZE,
					 BERTH_MEMORY_UNCACHED),
			 -EINVAL);
	assert_reason(BERTH_REASON_MAPPING);
	assert_int_equal(remap_pfn_range(&vma, vma.vm_start, page_to_pfn(page), 3 * PAGE_SIZE,
					 PAGE_KERNEL),
			 -EINVAL);
	assert_int_equal(remap_pfn_range(&vma, vma.vm_start + PAGE_SIZE, page_to_pfn(page), 1,
					 PAGE_KERNEL),
			 0);
	assert_int_equal(remap_pfn_range(&vma, vma.vm_start + PAGE_SIZE, page_to_pfn(page), 1,
					 PAGE_KERNEL),
			 -EBUSY);
	((uint8_t *)vma.vm_start)[PAGE_SIZE] = 9;
	assert_int_equal(*(uint8_t *)page_address(page), 9);
	berth_vma_release(&vma);
	__free_pages(page, 0);
}

static void poll_waits_for_the_driver(void **state)
{
	struct berth_node *node = add("counter", &counter_fops);
	struct file *file = berth_filp_open("/dev/counter", BERTH_O_RDWR);
	uint64_t before = ktime_get_ns();

	(void)state;
	assert_int_equal(berth_file_poll(file, BERTH_POLLIN, 0), 0);
	assert_int_equal(ktime_get_ns() - before >= 20 * NSEC_PER_MSEC, 0);
	assert_int_equal(berth_file_poll(file, BERTH_POLLIN, 20), 0);
	assert_true(ktime_get_ns() - before >= 20 * NSEC_PER_MSEC);
	assert_true(list_empty(&counter.changed.head));
	/* Nothing of the model's, and no other thread, will change it. */
	assert_int_equal(berth_file_poll(file, BERTH_POLLIN, -1), -EDEADLK);
	assert_reason(BERTH_REASON_NEVER);
	counter.number = 1;
	assert_int_equal(berth_file_poll(file, BERTH_POLLIN | BERTH_POLLOUT, -1), BERTH_POLLIN);
	assert_int_equal(berth_file_poll(file, BERTH_POLLOUT, 1), 0);
	fput(file);
	berth_node_unregister(node);
}

/* For all n: nothing is left behind, and a reason is there. */
static void each_allocation_may_fail(void **state)
{
	bool is_perfect = false;

	(void)state;
	counter.buffer = dma_alloc_coherent(a_device(), BUFFER_SIZE, &counter.addr, GFP_KERNEL);
	for (uint64_t nth = 1; !is_perfect; nth++) {
		struct vm_area_struct vma;
		struct berth_node *node;
		struct file *file = NULL;
		bool is_mapped = false, is_shared = false;
		struct vm_area_struct shared;
		long events = 0;

		berth_clear_error();
		berth_test_fail_nth(nth);
		node = add("counter", &counter_fops);
		if (!IS_ERR(node))
			file = berth_filp_open("/dev/counter", BERTH_O_RDWR);
		if (file && !IS_ERR(file)) {
			is_mapped = map_once(file, &vma);
			is_shared = berth_file_share(file, &shared, BUFFER_SIZE, 0) >= 0;
			events = berth_file_poll(file, BERTH_POLLIN, 1);
			assert_true(events == 0 || events == -ENOMEM);
		}
		is_perfect = !berth_test_failed();
		berth_test_fail_nth(0);
		assert_int_equal(is_perfect, is_mapped && is_shared && !events);
		if (!is_perfect)
			assert_reason(berth_last_error()->reason == BERTH_REASON_MAPPING
					      ? BERTH_REASON_MAPPING
					      : BERTH_REASON_OUT_OF_MEMORY);
		if (is_mapped)
			berth_vma_release(&vma);
		if (is_shared)
			berth_vma_release(&shared);
		if (file && !IS_ERR(file))
			fput(file);
		berth_node_unregister(node);
		assert_int_equal(counter.opened, counter.released);
		assert_true(nth < 100);
	}
	dma_free_coherent(a_device(), BUFFER_SIZE, counter.buffer, counter.addr);
}

static struct wait_queue_head queue;
static bool is_set;

static void set(struct timer_list *timer)
{
	(void)timer;
	is_set = true;
	wake_up(&queue);
}

static void waits_end(void **state)
{
	struct timer_list timer;
	long left;

	(void)state;
	init_waitqueue_head(&queue);
	is_set = false;
	assert_int_equal(wait_event_timeout(&queue, is_set, 10), 0);
	assert_int_equal(wait_event_interruptible(&queue, is_set), -EDEADLK);
	assert_reason(BERTH_REASON_NEVER);
	assert_int_equal(queue.sleepers, 0);
	timer_setup(&timer, set, 0);
	berth_mod_timer_ns(&timer, ktime_get_ns() + 5 * NSEC_PER_MSEC);
	assert_int_equal(wait_event_timeout(&queue, is_set, 1), 0);
	left = wait_event_interruptible_timeout(&queue, is_set, 1000000);
	assert_in_range(left, 900000, 1000000);
	assert_int_equal(wait_event_timeout(&queue, is_set, 0), 1);
	assert_int_equal(wait_event_timeout(&queue, is_set, MAX_SCHEDULE_TIMEOUT),
			 MAX_SCHEDULE_TIMEOUT);
	is_set = false;
	berth_mod_timer_ns(&timer, ktime_get_ns() + 5 * NSEC_PER_MSEC);
	wait_event(&queue, is_set);
	assert_true(is_set);
	is_set = false;
	berth_mod_timer_ns(&timer, ktime_get_ns() + 5 * NSEC_PER_MSEC);
	assert_int_equal(wait_event_interruptible(&queue, is_set), 0);
	assert_int_equal(queue.sleepers, 0);
	assert_false(waitqueue_active(&queue));
	del_timer_sync(&timer);
}

static unsigned int told;
static void *told_key;

static int tell(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key)
{
	(void)mode;
	(void)flags;
	told++;
	told_key = key;
	if (entry->private_data)
		list_del_init(&entry->entry);
	return 1;
}

static void entries_are_told(void **state)
{
	struct wait_queue_entry stays, leaves;

	(void)state;
	init_waitqueue_head(&queue);
	init_waitqueue_func_entry(&stays, tell);
	init_waitqueue_func_entry(&leaves, tell);
	leaves.private_data = &leaves;
	add_wait_queue(&queue, &leaves);
	add_wait_queue(&queue, &stays);
	assert_true(waitqueue_active(&queue));
	told = 0;
	wake_up_poll(&queue, BERTH_POLLIN);
	assert_int_equal(told, 2);
	assert_ptr_equal(told_key, (void *)(uintptr_t)BERTH_POLLIN);
	wake_up_interruptible_all(&queue);
	assert_int_equal(told, 3);
	assert_null(told_key);
	remove_wait_queue(&queue, &stays);
	remove_wait_queue(&queue, &leaves);
	wake_up_all(&queue);
	assert_int_equal(told, 3);
	assert_false(waitqueue_active(&queue));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(a_program_uses_a_node),
		TEST(what_a_node_has_not_is_refused),
		TEST(bad_names_are_refused),
		TEST(others_see_nodes_and_attributes),
		TEST(misc_devices_have_numbers),
		TEST(a_mapping_holds_its_file),
		TEST(memory_is_shown_by_its_address),
		TEST(poll_waits_for_the_driver),
		TEST(each_allocation_may_fail),
		TEST(waits_end),
		TEST(entries_are_told),
	};

	return cmocka_run_group_tests_name("fs", tests, NULL, NULL);
}
