/* SPDX-License-Identifier: BSD-2-Clause */
/* The UIO core, with drivers of the tests' own; item 54 of docs/semantics.md. */
#include "machine.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <berth/dma-mapping.h>
#include <berth/fs.h>
#include <berth/gfp.h>
#include <berth/interrupt.h>
#include <berth/mm.h>
#include <berth/platform_device.h>
#include <berth/port.h>
#include <berth/slab.h>
#include <berth/test.h>
#include <berth/timer.h>
#include <berth/uio.h>
#include <berth/vm_area.h>
#include <berth/vmalloc.h>

static struct driver {
	struct uio_info info;
	int32_t irq_on;
	int refuse;
	unsigned int opened, released, gone, shown;
} driver;

static struct device *a_device(void)
{
	return &of_find_device_by_node(of_find_node_by_path("/device@10000000"))->dev;
}

static int on_open(struct uio_info *info, struct inode *inode)
{
	assert_ptr_equal(info, &driver.info);
	assert_non_null(inode);
	if (driver.refuse)
		return driver.refuse;
	driver.opened++;
	return 0;
}

static int on_release(struct uio_info *info, struct inode *inode)
{
	(void)info;
	(void)inode;
	driver.released++;
	return 0;
}

static int on_irqcontrol(struct uio_info *info, int32_t irq_on)
{
	(void)info;
	driver.irq_on = irq_on;
	return driver.refuse;
}

static int on_mmap(struct uio_info *info, struct vm_area_struct *vma)
{
	(void)info;
	(void)vma;
	driver.shown++;
	assert_int_equal(vma->vm_pgoff, 1);
	return -ENXIO;
}

static void on_gone(struct uio_info *info)
{
	assert_ptr_equal(info, &driver.info);
	driver.gone++;
}

/* A driver that counts events itself. */
static void prepare(void)
{
	memset(&driver, 0, sizeof(driver));
	driver.info = (struct uio_info){
		.name = "counter",
		.version = "2.1",
		.irq = UIO_IRQ_CUSTOM,
		.open = on_open,
		.release = on_release,
		.irqcontrol = on_irqcontrol,
		.gone = on_gone,
	};
}

static void add(void)
{
	assert_int_equal(uio_register_device(a_device(), &driver.info), 0);
}

static int start(void **state)
{
	(void)state;
	must_start(tree_minimal, NULL, NULL);
	berth_clear_error();
	prepare();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	must_stop();
	return 0;
}

static struct file *open_it(unsigned int flags)
{
	struct file *file = berth_filp_open("/dev/uio0", flags);

	assert_false(IS_ERR(file));
	return file;
}

static void attr_is(const char *name, const char *text)
{
	char buf[PAGE_SIZE];

	assert_int_equal(berth_node_show("uio0", name, buf), strlen(text));
	assert_string_equal(buf, text);
}

static void item_54_reads_and_writes_are_of_4_bytes(void **state)
{
	uint32_t words[2] = { 0 };
	struct file *file, *other;

	(void)state;
	add();
	uio_event_notify(&driver.info);
	file = open_it(BERTH_O_RDWR | BERTH_O_NONBLOCK);
	for (size_t n = 0; n < 9; n++)
		if (n != 4) {
			assert_int_equal(berth_file_read(file, words, n), -EINVAL);
			assert_int_equal(berth_file_write(file, words, n), -EINVAL);
			assert_reason(BERTH_REASON_FILE);
		}
	/* Events from before the open do not count. */
	assert_int_equal(berth_file_read(file, words, 4), -EAGAIN);
	uio_event_notify(&driver.info);
	uio_event_notify(&driver.info);
	other = open_it(BERTH_O_RDWR | BERTH_O_NONBLOCK);
	assert_int_equal(berth_file_read(other, words, 4), -EAGAIN);
	assert_int_equal(berth_file_read(file, words, 4), 4);
	assert_int_equal(words[0], 3);
	assert_int_equal(words[1], 0);
	assert_int_equal(berth_file_read(file, words, 4), -EAGAIN);
	fput(other);
	attr_is("event", "3\n");
	words[0] = 1;
	assert_int_equal(berth_file_write(file, words, 4), 4);
	assert_int_equal(driver.irq_on, 1);
	driver.refuse = -EPERM;
	words[0] = 0;
	assert_int_equal(berth_file_write(file, words, 4), -EPERM);
	assert_int_equal(driver.irq_on, 0);
	driver.refuse = 0;
	driver.info.irqcontrol = NULL;
	assert_int_equal(berth_file_write(file, words, 4), -ENOSYS);
	assert_int_equal(berth_file_ioctl(file, 1, NULL), -ENOTTY);
	fput(file);
	assert_int_equal(driver.opened, 2);
	assert_int_equal(driver.released, 2);
	uio_unregister_device(&driver.info);
	assert_int_equal(driver.gone, 1);
}

static int get_changes(const struct berth_node_view *view, void *data)
{
	*(uint32_t *)data = view->changes;
	return 0;
}

/* Events, and an open or a close, may change what /sys shows: who mirrors it is told. */
static void those_who_watch_sys_are_told(void **state)
{
	uint32_t before, after[3];
	struct file *file;

	(void)state;
	add();
	berth_node_each(get_changes, &before);
	file = open_it(BERTH_O_RDWR);
	berth_node_each(get_changes, &after[0]);
	uio_event_notify(&driver.info);
	berth_node_each(get_changes, &after[1]);
	fput(file);
	berth_node_each(get_changes, &after[2]);
	assert_true(before != after[0] && after[0] != after[1] && after[1] != after[2]);
	uio_unregister_device(&driver.info);
}

static void notify(struct timer_list *timer)
{
	(void)timer;
	uio_event_notify(&driver.info);
}

static void item_54_read_and_poll_wait_for_an_event(void **state)
{
	struct timer_list timer;
	uint64_t start_ns;
	struct file *file;
	uint32_t count;

	(void)state;
	add();
	file = open_it(BERTH_O_RDWR);
	timer_setup(&timer, notify, 0);
	start_ns = ktime_get_ns();
	berth_mod_timer_ns(&timer, start_ns + 5 * NSEC_PER_MSEC);
	assert_int_equal(berth_file_poll(file, BERTH_POLLIN, 1), 0);
	assert_int_equal(berth_file_read(file, &count, 4), 4);
	assert_int_equal(count, 1);
	assert_true(ktime_get_ns() - start_ns >= 5 * NSEC_PER_MSEC);
	berth_mod_timer_ns(&timer, ktime_get_ns() + 5 * NSEC_PER_MSEC);
	assert_int_equal(berth_file_poll(file, BERTH_POLLIN | BERTH_POLLOUT, -1), BERTH_POLLIN);
	assert_int_equal(berth_file_poll(file, BERTH_POLLIN, 0), BERTH_POLLIN);
	assert_int_equal(berth_file_read(file, &count, 4), 4);
	assert_int_equal(count, 2);
	assert_int_equal(berth_file_poll(file, BERTH_POLLIN, 0), 0);
	/* Nobody is left that could raise one. */
	assert_int_equal(berth_file_read(file, &count, 4), -EDEADLK);
	fput(file);
	uio_unregister_device(&driver.info);
}

static void item_54_without_interrupt_and_after_the_end(void **state)
{
	struct vm_area_struct vma;
	struct file *file;
	uint32_t word = 1;

	(void)state;
	driver.info.irq = UIO_IRQ_NONE;
	driver.info.mem[0] = (struct uio_mem){ .memtype = UIO_MEM_PHYS, .size = PAGE_SIZE };
	add();
	file = open_it(BERTH_O_RDWR);
	assert_int_equal(berth_file_read(file, &word, 4), -EIO);
	assert_int_equal(berth_file_write(file, &word, 4), -EIO);
	assert_int_equal(berth_file_poll(file, BERTH_POLLIN, -1), BERTH_POLLERR);
	driver.info.irq = UIO_IRQ_CUSTOM;
	assert_int_equal(berth_file_poll(file, BERTH_POLLIN, 0), 0);
	uio_unregister_device(&driver.info);
	assert_null(driver.info.uio_dev);
	assert_int_equal(driver.gone, 0);
	assert_int_equal(berth_file_read(file, &word, 4), -EIO);
	assert_int_equal(berth_file_write(file, &word, 4), -EINVAL);
	assert_int_equal(berth_file_ioctl(file, 1, NULL), -EINVAL);
	assert_int_equal(berth_file_mmap(file, &vma, PAGE_SIZE, 0), -EINVAL);
	assert_int_equal(berth_file_poll(file, BERTH_POLLIN, -1), BERTH_POLLERR | BERTH_POLLHUP);
	assert_int_equal(PTR_ERR(berth_filp_open("/dev/uio0", 0)), -ENOENT);
	assert_int_equal(driver.released, 0);
	fput(file);
	assert_int_equal(driver.released, 0);
	assert_int_equal(driver.gone, 1);
	/* A device that is there again is another one. */
	prepare();
	add();
	uio_unregister_device(&driver.info);
	uio_unregister_device(&driver.info);
	assert_int_equal(driver.gone, 1);
}

static void sys_shows_maps_and_ports(void **state)
{
	char buf[PAGE_SIZE];

	(void)state;
	driver.info.mem[0] = (struct uio_mem){ .name = "regs",
					       .addr = 0x1234000,
					       .offs = 0x80,
					       .size = 0x2000,
					       .memtype = UIO_MEM_PHYS };
	driver.info.mem[1] = (struct uio_mem){ .addr = 0x5000,
					       .dma_addr = 0x98765432100,
					       .size = 100,
					       .memtype = UIO_MEM_DMA_COHERENT };
	driver.info.mem[3] = (struct uio_mem){ .size = 1 };
	driver.info.port[0] = (struct uio_port){ "p", 0x3f8, 8, UIO_PORT_X86 };
	driver.info.port[1] = (struct uio_port){ NULL, 5, 1, UIO_PORT_OTHER };
	driver.info.port[2] = (struct uio_port){ NULL, 5, 1, 9 };
	add();
	attr_is("name", "counter\n");
	attr_is("version", "2.1\n");
	attr_is("event", "0\n");
	attr_is("maps/map0/name", "regs\n");
	attr_is("maps/map0/addr", "0x0000000001234000\n");
	attr_is("maps/map0/size", "0x0000000000002000\n");
	attr_is("maps/map0/offset", "0x80\n");
	attr_is("maps/map1/name", "\n");
	attr_is("maps/map1/addr", "0x0000098765432100\n");
	attr_is("maps/map1/size", "0x0000000000000064\n");
	attr_is("portio/port0/name", "p\n");
	attr_is("portio/port0/start", "0x3f8\n");
	attr_is("portio/port0/size", "0x8\n");
	attr_is("portio/port0/porttype", "x86\n");
	attr_is("portio/port1/porttype", "other\n");
	assert_int_equal(berth_node_show("uio0", "portio/port2/porttype", buf), -EINVAL);
	/* Those behind the first without a size are not shown. */
	assert_int_equal(berth_node_show("uio0", "maps/map2/name", buf), -ENOENT);
	assert_int_equal(berth_node_show("uio0", "maps/map3/name", buf), -ENOENT);
	assert_int_equal(berth_node_show("uio0", "portio/port3/name", buf), -ENOENT);
	uio_unregister_device(&driver.info);
}

static uint8_t *bytes_of(const struct vm_area_struct *vma)
{
	return (uint8_t *)vma->vm_start;
}

/* Every kind of memory is seen where it should be, from here and as another process would. */
static void maps_show_memory(void **state)
{
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_ZERO, 1), *pages[2];
	uint8_t *area = vzalloc(2 * PAGE_SIZE), *coherent, *linear = page_address(page);
	struct uio_mem *mem = driver.info.mem;
	struct vm_area_struct vma;
	struct file *file;
	uint8_t *expected[5];
	dma_addr_t dma;

	(void)state;
	pages[0] = page + 1;
	pages[1] = page;
	coherent = dma_alloc_coherent(a_device(), 2 * PAGE_SIZE, &dma, GFP_KERNEL);
	mem[0] = (struct uio_mem){ .addr = page_to_phys(page),
				   .size = 2 * PAGE_SIZE,
				   .memtype = UIO_MEM_PHYS,
				   .is_cached = true };
	mem[1] = (struct uio_mem){ .addr = page_to_phys(page) + 100,
				   .size = PAGE_SIZE,
				   .memtype = UIO_MEM_LOGICAL };
	mem[2] = (struct uio_mem){ .internal_addr = area,
				   .size = 2 * PAGE_SIZE,
				   .memtype = UIO_MEM_VIRTUAL };
	mem[3] = (struct uio_mem){
		.pages = pages, .size = PAGE_SIZE + 1, .memtype = UIO_MEM_IOVA, .dma_addr = 0x12345
	};
	mem[4] = (struct uio_mem){ .internal_addr = coherent,
				   .dma_addr = dma,
				   .dma_device = a_device(),
				   .size = PAGE_SIZE + 1,
				   .memtype = UIO_MEM_DMA_COHERENT };
	expected[0] = expected[1] = linear + PAGE_SIZE;
	expected[2] = area + PAGE_SIZE;
	expected[3] = linear;
	expected[4] = coherent + PAGE_SIZE;
	add();
	file = open_it(BERTH_O_RDWR);
	for (unsigned int i = 0; i < 5; i++) {
		volatile uint8_t *seen;
		uint8_t *other;
		int fd;

		assert_int_equal(berth_file_mmap(file, &vma, 2 * PAGE_SIZE + 1, i), -EINVAL);
		assert_reason(BERTH_REASON_FILE);
		assert_int_equal(berth_file_mmap(file, &vma, 2 * PAGE_SIZE, i), 0);
		seen = bytes_of(&vma) + PAGE_SIZE;
		seen[7] = (uint8_t)(0x40 + i);
		assert_int_equal(expected[i][7], 0x40 + i);
		expected[i][7] = (uint8_t)(0x50 + i);
		assert_int_equal(seen[7], 0x50 + i);
		berth_vma_release(&vma);
		fd = berth_file_share(file, &vma, 2 * PAGE_SIZE, i);
		assert_true(fd >= 0);
		assert_int_equal(vma.vm_start, 0);
		other = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		assert_ptr_not_equal(other, MAP_FAILED);
		assert_int_equal(other[PAGE_SIZE + 7], 0x50 + i);
		other[PAGE_SIZE + 7] = (uint8_t)(0x60 + i);
		assert_int_equal(*(volatile uint8_t *)&expected[i][7], 0x60 + i);
		berth_vma_release(&vma);
		munmap(other, 2 * PAGE_SIZE);
	}
	fput(file);
	uio_unregister_device(&driver.info);
	dma_free_coherent(a_device(), 2 * PAGE_SIZE, coherent, dma);
	vfree(area);
	__free_pages(page, 1);
}

/* Two processes see the same: one descriptor, until the last lets go. */
static void what_is_shared_twice_is_shared_once(void **state)
{
	struct vm_area_struct a, b, part;
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_ZERO, 1);
	struct file *file;
	int fd;

	(void)state;
	driver.info.mem[0] = (struct uio_mem){ .addr = page_to_phys(page),
					       .size = 2 * PAGE_SIZE,
					       .memtype = UIO_MEM_LOGICAL };
	add();
	file = open_it(BERTH_O_RDWR);
	fd = berth_file_share(file, &a, 2 * PAGE_SIZE, 0);
	assert_true(fd >= 0);
	assert_int_equal(berth_file_share(file, &b, 2 * PAGE_SIZE, 0), fd);
	assert_int_equal(berth_file_share(file, &part, PAGE_SIZE, 0), -EBUSY);
	fput(file);
	berth_vma_release(&a);
	assert_int_not_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(driver.released, 0);
	berth_vma_release(&b);
	assert_int_equal(driver.released, 1);
	file = open_it(BERTH_O_RDWR);
	assert_true(berth_file_share(file, &part, PAGE_SIZE, 0) >= 0);
	berth_vma_release(&part);
	fput(file);
	uio_unregister_device(&driver.info);
	__free_pages(page, 1);
}

static void bad_maps_are_refused(void **state)
{
	struct uio_mem *mem = driver.info.mem;
	struct vm_area_struct vma;
	struct file *file;

	(void)state;
	mem[0] = (struct uio_mem){ .addr = 0x10000000, .size = PAGE_SIZE, .memtype = UIO_MEM_PHYS };
	mem[1] = (struct uio_mem){ .size = PAGE_SIZE, .memtype = UIO_MEM_NONE };
	mem[2] = (struct uio_mem){ .addr = 0x80000010, .size = PAGE_SIZE, .memtype = UIO_MEM_PHYS };
	mem[3] = (struct uio_mem){ .size = PAGE_SIZE,
				   .dma_addr = ~0ull,
				   .memtype = UIO_MEM_DMA_COHERENT,
				   .dma_device = a_device() };
	add();
	file = open_it(BERTH_O_RDWR);
	/* Registers have no mapping of this kind here. */
	assert_int_equal(berth_file_mmap(file, &vma, PAGE_SIZE, 0), -EINVAL);
	assert_reason(BERTH_REASON_MAPPING);
	assert_int_equal(berth_file_mmap(file, &vma, PAGE_SIZE, 1), -EINVAL);
	assert_int_equal(berth_file_mmap(file, &vma, PAGE_SIZE, 2), -ENODEV);
	assert_int_equal(berth_file_mmap(file, &vma, PAGE_SIZE, 3), -ENODEV);
	assert_int_equal(berth_file_mmap(file, &vma, PAGE_SIZE, 4), -EINVAL);
	assert_int_equal(berth_file_mmap(file, &vma, PAGE_SIZE, 5), -EINVAL);
	assert_int_equal(berth_file_mmap(file, &vma, PAGE_SIZE, ULONG_MAX), -EINVAL);
	driver.info.mmap = on_mmap;
	assert_int_equal(berth_file_mmap(file, &vma, PAGE_SIZE, 1), -ENXIO);
	assert_int_equal(driver.shown, 1);
	assert_int_equal(berth_file_mmap(file, &vma, 2 * PAGE_SIZE, 1), -EINVAL);
	assert_int_equal(driver.shown, 1);
	fput(file);
	uio_unregister_device(&driver.info);
}

static void bad_devices_are_refused(void **state)
{
	struct uio_info *info = &driver.info;

	(void)state;
	assert_int_equal(uio_register_device(NULL, info), -EINVAL);
	assert_int_equal(uio_register_device(a_device(), NULL), -EINVAL);
	info->name = NULL;
	assert_int_equal(uio_register_device(a_device(), info), -EINVAL);
	info->name = "x";
	info->version = NULL;
	assert_int_equal(uio_register_device(a_device(), info), -EINVAL);
	info->version = "y";
	info->irq = 5;
	assert_int_equal(uio_register_device(a_device(), info), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_null(info->uio_dev);
	uio_unregister_device(info);
	uio_unregister_device(NULL);
	assert_int_equal(driver.gone, 0);
}

static void the_lowest_number_is_taken(void **state)
{
	static struct uio_info others[2];

	(void)state;
	berth_clear_error();
	for (unsigned int i = 0; i < 2; i++) {
		others[i] = (struct uio_info){ .name = "o", .version = "1" };
		assert_int_equal(devm_uio_register_device(a_device(), &others[i]), 0);
	}
	assert_int_equal(berth_last_error()->code, 0);
	uio_unregister_device(&others[0]);
	add();
	attr_is("name", "counter\n");
	driver.refuse = -EACCES;
	assert_int_equal(PTR_ERR(berth_filp_open("/dev/uio0", 0)), -EACCES);
	assert_int_equal(driver.released, 0);
	uio_unregister_device(&driver.info);
	uio_unregister_device(&others[1]);
	assert_int_equal(PTR_ERR(berth_filp_open("/dev/uio1", 0)), -ENOENT);
}

static void each_allocation_may_fail(void **state)
{
	bool is_perfect = false;

	(void)state;
	for (uint64_t nth = 1; !is_perfect; nth++) {
		struct file *file;
		int err;

		prepare();
		berth_clear_error();
		berth_test_fail_nth(nth);
		err = devm_uio_register_device(a_device(), &driver.info);
		file = err ? NULL : berth_filp_open("/dev/uio0", BERTH_O_RDWR);
		is_perfect = !berth_test_failed();
		berth_test_fail_nth(0);
		assert_int_equal(is_perfect, file && !IS_ERR(file));
		if (!is_perfect)
			assert_reason(BERTH_REASON_OUT_OF_MEMORY);
		if (file && !IS_ERR(file))
			fput(file);
		assert_int_equal(driver.opened, driver.released);
		uio_unregister_device(&driver.info);
		assert_int_equal(PTR_ERR(berth_filp_open("/dev/uio0", 0)), -ENOENT);
		assert_true(nth < 50);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(item_54_reads_and_writes_are_of_4_bytes),
		TEST(those_who_watch_sys_are_told),
		TEST(item_54_read_and_poll_wait_for_an_event),
		TEST(item_54_without_interrupt_and_after_the_end),
		TEST(sys_shows_maps_and_ports),
		TEST(maps_show_memory),
		TEST(what_is_shared_twice_is_shared_once),
		TEST(bad_maps_are_refused),
		TEST(bad_devices_are_refused),
		TEST(the_lowest_number_is_taken),
		TEST(each_allocation_may_fail),
	};

	return cmocka_run_group_tests_name("uio", tests, NULL, NULL);
}
