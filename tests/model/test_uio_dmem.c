/* SPDX-License-Identifier: BSD-2-Clause */
/* The drivers of devices for programs: items 54 and 55 of docs/semantics.md, on a signal processor. */
#include "uio.h"

#include <sys/mman.h>

#include "mm/internal.h"

#define CLOSED UINT64_MAX

static int stop(void **state)
{
	(void)state;
	if (berth_running())
		must_stop();
	berth_test_fail_nth(0);
	return 0;
}

/* What /sys shows is what the device is told, and the bytes are those of the device. */
static void programs_and_the_device_share_memory(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 16; i++) {
		const struct dsp_board board = nth_board(i);
		struct dsp_user user;
		uint32_t sum = 5;

		dsp_start(&board);
		assert_true(dsp_attr("maps/map1/addr") == CLOSED);
		assert_true(dsp_attr("maps/map0/addr") == DSP_REGS);
		assert_int_equal(dsp_attr("maps/map1/size"), 0x4000);
		dsp_open(&user);
		assert_true(user.bus_a != CLOSED && user.bus_a != user.bus_b);
		for (unsigned int n = 0; n < 0x4000; n++) {
			if (n < 100)
				sum = sum * 31 + (uint8_t)(n * 7);
			assert_int_equal(dsp_bytes(&user.a)[n], 0);
			dsp_bytes(&user.a)[n] = (uint8_t)(n * 7);
		}
		dsp_sync(&user, 1, BERTH_UIO_SYNC_FOR_DEVICE);
		dsp_sync(&user, 2, BERTH_UIO_SYNC_FOR_DEVICE);
		dsp_command(&user, XOR, user.bus_a, user.bus_b, 100, 0x04030201);
		assert_int_equal(dsp_interrupt(&user), 1);
		assert_int_equal(dsp_get(&user, STATUS), RUNNING);
		dsp_sync(&user, 2, BERTH_UIO_SYNC_FOR_CPU);
		for (unsigned int n = 0; n < 100; n++)
			assert_int_equal(dsp_bytes(&user.b)[n], (uint8_t)((n * 7) ^ (n % 4 + 1)));
		dsp_command(&user, CHECKSUM, user.bus_a, 0, 100, 5);
		assert_int_equal(dsp_interrupt(&user), 2);
		assert_int_equal(dsp_get(&user, RESULT), sum);
		/* A command that cannot be, and an address where nothing is. */
		dsp_command(&user, 77, 0, 0, 4, 0);
		dsp_interrupt(&user);
		assert_int_equal(dsp_get(&user, STATUS), RUNNING | BAD_COMMAND);
		dsp_command(&user, CHECKSUM, 0x1000, 0, 4, 0);
		assert_int_equal(dsp_interrupt(&user), 4);
		assert_int_equal(dsp_get(&user, STATUS), RUNNING | BUS_ERROR);
		dsp_close(&user);
		assert_true(dsp_attr("maps/map1/addr") == CLOSED);
		must_stop();
	}
}

/* The line stays high, and is held back until the program wants the next one. */
static void the_interrupt_waits_for_the_program(void **state)
{
	const struct dsp_board board = { .is_coherent = true };
	struct dsp_user user;
	uint32_t count, word = 0;

	(void)state;
	dsp_start(&board);
	dsp_open(&user);
	dsp_command(&user, CHECKSUM, user.bus_a, 0, 100, 0);
	assert_int_equal(berth_file_read(user.file, &count, 4), 4);
	assert_int_equal(count, 1);
	assert_int_equal(berth_file_poll(user.file, BERTH_POLLIN, 10), 0);
	word = 1;
	/* It still is high: so it comes again. */
	assert_int_equal(berth_file_write(user.file, &word, 4), 4);
	assert_int_equal(berth_file_poll(user.file, BERTH_POLLIN, 10), BERTH_POLLIN);
	assert_int_equal(dsp_interrupt(&user), 2);
	word = 0;
	assert_int_equal(berth_file_write(user.file, &word, 4), 4);
	assert_int_equal(berth_file_write(user.file, &word, 4), 4);
	dsp_command(&user, CHECKSUM, user.bus_a, 0, 100, 0);
	dsp_wait(&user, IRQ_STATUS, 1, 1);
	assert_int_equal(berth_file_poll(user.file, BERTH_POLLIN, 10), 0);
	word = 1;
	assert_int_equal(berth_file_write(user.file, &word, 4), 4);
	assert_int_equal(berth_file_write(user.file, &word, 4), 4);
	assert_int_equal(dsp_interrupt(&user), 4);
	dsp_close(&user);
	/* Left disabled by a program, it is free for the next driver. */
	dsp_open(&user);
	word = 0;
	assert_int_equal(berth_file_write(user.file, &word, 4), 4);
	dsp_close(&user);
}

/* Pages that somebody has, once berth runs; and of them those that are not the tenants' meanwhile. */
static uint64_t at_first;

static uint64_t in_use(void)
{
	return berth_mm_leaked() / PAGE_SIZE - at_first;
}

static uint64_t cma_in_use(void)
{
	struct berth_cma_stats stats;

	berth_cma_stats(berth_cma_default(), &stats);
	return stats.used;
}

static void start_counting(const struct dsp_board *board)
{
	dsp_start(board);
	/* What an IOMMU and the caches of allocators keep, they have then. */
	fput(berth_filp_open("/dev/uio0", BERTH_O_RDWR));
	at_first = berth_mm_leaked() / PAGE_SIZE;
}

static void item_55_ten_opens_share_one_allocation(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		const struct dsp_board board = { .is_cached = i };
		struct file *files[10];
		struct vm_area_struct vma, other;
		uint64_t before, taken, bus;

		start_counting(&board);
		before = cma_in_use();
		files[0] = berth_filp_open("/dev/uio0", BERTH_O_RDWR);
		taken = cma_in_use();
		assert_int_equal(in_use(), 4 + 1 + 1);
		assert_true(taken - before >= 4);
		bus = dsp_attr("maps/map1/addr");
		for (unsigned int n = 1; n < 10; n++) {
			files[n] = berth_filp_open("/dev/uio0", BERTH_O_RDWR);
			assert_false(IS_ERR(files[n]));
		}
		assert_int_equal(cma_in_use(), taken);
		assert_true(dsp_attr("maps/map1/addr") == bus);
		assert_int_equal(berth_file_mmap(files[3], &vma, 0x4000, 1), 0);
		assert_int_equal(berth_file_mmap(files[9], &other, 0x4000, 1), 0);
		dsp_bytes(&vma)[0x3fff] = 0x5a;
		assert_int_equal(*(volatile uint8_t *)&dsp_bytes(&other)[0x3fff], 0x5a);
		berth_vma_release(&other);
		for (unsigned int n = 0; n < 10; n++)
			fput(files[n]);
		/* A mapping is a user, too. */
		assert_int_equal(cma_in_use(), taken);
		assert_int_equal(dsp_bytes(&vma)[0x3fff], 0x5a);
		assert_true(dsp_attr("maps/map1/addr") == bus);
		berth_vma_release(&vma);
		assert_int_equal(cma_in_use(), before);
		assert_int_equal(in_use(), 0);
		assert_true(dsp_attr("maps/map1/addr") == CLOSED);
		/* What is opened again is new. */
		files[0] = berth_filp_open("/dev/uio0", BERTH_O_RDWR);
		assert_int_equal(berth_file_mmap(files[0], &vma, 0x4000, 1), 0);
		assert_int_equal(dsp_bytes(&vma)[0x3fff], 0);
		fput(files[0]);
		berth_vma_release(&vma);
		must_stop();
	}
}

/* Last seen by the device: its writer's laps go on as long as it does. */
static void run_writer(struct dsp_user *user)
{
	dsp_command(user, WRITE, 0, user->bus_a, 0x4000, 0);
	dsp_wait(user, STATUS, WRITING, WRITING);
	dsp_wait(user, DONE, UINT32_MAX, dsp_get(user, DOORBELL));
}

static uint32_t word_of_ram(uint64_t phys)
{
	uint32_t word;

	memcpy(&word, berth_model_memory(phys), 4);
	return word;
}

static void a_running_device_is_stopped_before_its_memory_goes(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		const struct dsp_board board = { .is_offset = i & 1, .is_behind = i & 2 };
		struct dsp_user user;

		start_counting(&board);
		dsp_open(&user);
		run_writer(&user);
		dsp_close(&user);
		assert_int_equal(in_use(), 0);
		assert_int_equal(word_of_ram(DSP_REGS + STATUS), 0);
		msleep(5);
		assert_int_equal(word_of_ram(DSP_REGS + STATUS), 0);
		must_stop();
	}
}

/* Held by a mapping, or by a file that is open: memory stays until that has gone, at any moment. */
static void unregistered_while_it_is_used(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 16; i++) {
		const struct dsp_board board = nth_board(i);
		struct platform_device *pdev;
		struct dsp_user user;
		uint64_t held;
		uint32_t word;

		start_counting(&board);
		dsp_open(&user);
		run_writer(&user);
		pdev = dsp_device();
		assert_int_equal(berth_uio_dmem_genirq_driver.remove(pdev), 0);
		assert_int_equal(word_of_ram(DSP_REGS + STATUS), 0);
		assert_int_equal(PTR_ERR(berth_filp_open("/dev/uio0", 0)), -ENOENT);
		assert_int_equal(berth_file_read(user.file, &word, 4), -EIO);
		dsp_bytes(&user.a)[77] = 3;
		assert_int_equal(dsp_bytes(&user.a)[77], 3);
		held = in_use();
		if (i & 1) {
			fput(user.file);
			dsp_unmap(&user);
		} else {
			dsp_close(&user);
		}
		assert_true(held - in_use() >= 6);
		/* The driver has another go. */
		assert_int_equal(berth_uio_dmem_genirq_driver.probe(pdev), 0);
		dsp_open(&user);
		dsp_close(&user);
		assert_int_equal(in_use(), 0);
		must_stop();
	}
}

static void hang(bool is_behind, bool is_cached, const char *bootargs)
{
	const struct dsp_board board = { .is_behind = is_behind, .is_cached = is_cached };
	struct dsp_user user;

	dsp_start_with(&board, bootargs);
	fput(berth_filp_open("/dev/uio0", BERTH_O_RDWR));
	at_first = berth_mm_leaked() / PAGE_SIZE;
	dsp_open(&user);
	dsp_set(&user, HANG, 1);
	run_writer(&user);
	dsp_close(&user);
	assert_int_equal(word_of_ram(DSP_REGS + STATUS) & RUNNING, RUNNING);
}

static void calm(void)
{
	static const uint32_t no;

	memcpy(berth_model_memory(DSP_REGS + HANG), &no, 4);
	msleep(1);
}

static void one_that_does_not_stop_keeps_its_memory(void **state)
{
	(void)state;
	for (unsigned int cached = 0; cached < 2; cached++) {
		struct dsp_user user;
		uint64_t kept;

		hang(false, cached, NULL);
		kept = in_use();
		assert_int_equal(kept, 6);
		assert_true(dsp_attr("maps/map1/addr") == CLOSED);
		/* The next program has the same memory, as new. */
		dsp_open(&user);
		assert_int_equal(in_use(), kept);
		assert_int_equal(dsp_bytes(&user.b)[50], 0);
		dsp_set(&user, HANG, 0);
		dsp_close(&user);
		assert_int_equal(in_use(), 0);
		must_stop();
	}
	/* It has stopped when it is opened again: then the memory is new. */
	hang(false, false, NULL);
	calm();
	assert_int_equal(in_use(), 6);
	fput(berth_filp_open("/dev/uio0", BERTH_O_RDWR));
	assert_int_equal(in_use(), 0);
	must_stop();
	/* Its driver goes: the memory is lost, which berth_stop() tells. */
	hang(false, false, NULL);
	assert_int_equal(berth_uio_dmem_genirq_driver.remove(dsp_device()), 0);
	assert_true(in_use() >= 5);
	assert_int_equal(berth_uio_dmem_genirq_driver.probe(dsp_device()), 0);
	assert_int_equal(berth_stop(), -EBUSY);
	assert_reason(BERTH_REASON_LEAK);
}

/* Behind an IOMMU that forgets at once what it is told to, the mapping goes first. */
static void one_that_does_not_stop_is_kept_from_memory(void **state)
{
	struct berth_model_stats before, after;

	(void)state;
	hang(true, false, "iommu.strict=1");
	berth_model_stats(&before);
	msleep(2);
	berth_model_stats(&after);
	/* The writer met nothing, and stopped. */
	assert_int_equal(after.dma_written, before.dma_written);
	must_stop();
	hang(true, false, "iommu.strict=0");
	calm();
	fput(berth_filp_open("/dev/uio0", BERTH_O_RDWR));
	must_stop();
}

static void without_the_property_memory_goes_at_once(void **state)
{
	const struct dsp_board board = { .has_no_quiesce = true };
	struct dsp_user user;

	(void)state;
	start_counting(&board);
	dsp_open(&user);
	dsp_close(&user);
	assert_int_equal(in_use(), 0);
	assert_int_equal(word_of_ram(DSP_REGS + CONTROL), 1);
}

static uint8_t *map_of(struct vm_area_struct *vma, struct file *file, size_t size,
		       unsigned long index)
{
	int fd = berth_file_share(file, vma, size, index);
	void *map;

	assert_true(fd >= 0);
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	return map;
}

/* Two processes as they are seen from here: descriptors, and mappings that berth knows nothing of. */
static void other_processes_drive_the_device(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 16; i++) {
		const struct dsp_board board = nth_board(i);
		struct dsp_user user, other = { .file = NULL };
		struct vm_area_struct regs[2], a[2], b;
		uint8_t *seen_a[2], *seen_b;
		uint32_t count;

		start_counting(&board);
		dsp_open(&user);
		other.file = berth_filp_open("/dev/uio0", BERTH_O_RDWR | BERTH_O_NONBLOCK);
		other.regs.vm_start = (uintptr_t)map_of(&regs[0], other.file, 0x1000, 0);
		seen_a[0] = map_of(&a[0], other.file, 0x4000, 1);
		seen_b = map_of(&b, other.file, 0x1000, 2);
		munmap(map_of(&regs[1], user.file, 0x1000, 0), 0x1000);
		seen_a[1] = map_of(&a[1], user.file, 0x4000, 1);
		dsp_unmap(&user);
		for (unsigned int n = 0; n < 100; n++)
			seen_a[0][n] = (uint8_t)(n * 3);
		assert_int_equal(*(volatile uint8_t *)&seen_a[1][99], (uint8_t)(99 * 3));
		dsp_sync(&other, 1, BERTH_UIO_SYNC_FOR_DEVICE);
		dsp_sync(&other, 2, BERTH_UIO_SYNC_FOR_DEVICE);
		dsp_command(&other, XOR, user.bus_a, user.bus_b, 100, 0);
		assert_int_equal(berth_file_read(user.file, &count, 4), 4);
		assert_int_equal(berth_file_read(other.file, &count, 4), 4);
		assert_int_equal(dsp_get(&other, STATUS), RUNNING);
		dsp_sync(&other, 2, BERTH_UIO_SYNC_FOR_CPU);
		for (unsigned int n = 0; n < 100; n++)
			assert_int_equal(((volatile uint8_t *)seen_b)[n], (uint8_t)(n * 3));
		berth_vma_release(&a[0]);
		fput(user.file);
		fput(other.file);
		/* The other one still has it. */
		assert_int_equal(seen_a[1][1], 3);
		assert_true(dsp_attr("maps/map1/addr") == user.bus_a);
		berth_vma_release(&a[1]);
		berth_vma_release(&b);
		berth_vma_release(&regs[0]);
		berth_vma_release(&regs[1]);
		assert_true(dsp_attr("maps/map1/addr") == CLOSED);
		assert_int_equal(in_use(), 0);
		/* Theirs is nobody's memory now. */
		memset(seen_a[0], 0xff, 0x4000);
		must_stop();
		munmap(seen_a[0], 0x4000);
		munmap(seen_a[1], 0x4000);
		munmap(seen_b, 0x1000);
		munmap((void *)other.regs.vm_start, 0x1000);
	}
}

static void syncs_are_checked(void **state)
{
	static const struct berth_uio_sync bad[] = {
		{ 4, 1, 0, 1 },	     { 1, 0, 0, 1 },	  { 1, 3, 0, 1 },
		{ 1, 1, 0x4001, 0 }, { 1, 1, 0, 0x4001 }, { 1, 2, 0x2000, UINT64_MAX },
	};
	const struct dsp_board board = { .is_cached = true };
	struct berth_uio_sync sync = { 1, 1, 0x4000, 0 };
	struct dsp_user user;

	(void)state;
	dsp_start(&board);
	dsp_open(&user);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		sync = bad[i];
		assert_int_equal(berth_file_ioctl(user.file, BERTH_UIO_SYNC, &sync), -EINVAL);
		assert_reason(BERTH_REASON_ARGUMENT);
	}
	sync = (struct berth_uio_sync){ 0, 1, 0, 0x100 };
	assert_int_equal(berth_file_ioctl(user.file, BERTH_UIO_SYNC, &sync), 0);
	assert_int_equal(berth_file_ioctl(user.file, 5, &sync), -ENOTTY);
	dsp_close(&user);
}

/* Each failure of an allocation fails the open with the reason, and leaves nothing. */
static void each_allocation_may_fail(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		const struct dsp_board board = { .is_behind = i & 1, .is_cached = i & 2 };
		bool is_perfect = false;
		unsigned int nr_failed = 0;

		start_counting(&board);
		for (uint64_t nth = 1; !is_perfect; nth++) {
			struct vm_area_struct vma;
			struct file *file;
			int err = -ENOMEM;

			berth_clear_error();
			berth_test_fail_nth(nth);
			file = berth_filp_open("/dev/uio0", BERTH_O_RDWR);
			if (!IS_ERR(file))
				err = berth_file_mmap(file, &vma, 0x4000, 1);
			else
				nr_failed++;
			is_perfect = !berth_test_failed();
			berth_test_fail_nth(0);
			if (IS_ERR(file)) {
				assert_int_equal(PTR_ERR(file), -ENOMEM);
				assert_int_not_equal(berth_last_error()->code, 0);
				assert_true(dsp_attr("maps/map1/addr") == CLOSED);
			} else {
				assert_true(!is_perfect || !err);
				if (!err)
					berth_vma_release(&vma);
				fput(file);
			}
			assert_int_equal(in_use(), 0);
			assert_true(nth < 300);
		}
		assert_true(nr_failed > 3);
		must_stop();
	}
}

static void more_than_there_is(struct fdt *fdt)
{
	fdt_cells(fdt, "linux,uio-dynamic-region-sizes", 0x4000, 0x2000000, 0x1000);
}

/* What there is no memory for cannot be opened; the others are back. */
static void an_open_without_memory_fails(void **state)
{
	const struct dsp_board board = { .more = more_than_there_is };
	uint64_t before;

	(void)state;
	dsp_start(&board);
	before = berth_mm_leaked();
	for (unsigned int i = 0; i < 3; i++) {
		berth_clear_error();
		assert_int_equal(PTR_ERR(berth_filp_open("/dev/uio0", BERTH_O_RDWR)), -ENOMEM);
		assert_int_not_equal(berth_last_error()->reason, BERTH_REASON_NONE);
		assert_true(dsp_attr("maps/map1/addr") == CLOSED);
		assert_true(berth_mm_leaked() == before);
	}
}

/* The same for probe(). */
static void each_allocation_of_probe_may_fail(void **state)
{
	const struct dsp_board board = { .is_cached = false };
	bool is_perfect = false;
	struct platform_device *pdev;

	(void)state;
	dsp_start(&board);
	pdev = dsp_device();
	berth_uio_dmem_genirq_driver.remove(pdev);
	for (uint64_t nth = 1; !is_perfect; nth++) {
		int err;

		berth_clear_error();
		berth_test_fail_nth(nth);
		err = berth_uio_dmem_genirq_driver.probe(pdev);
		is_perfect = !berth_test_failed();
		berth_test_fail_nth(0);
		assert_int_equal(is_perfect, !err);
		assert_int_equal(err != 0, berth_last_error()->code != 0);
		if (!err && !is_perfect)
			berth_uio_dmem_genirq_driver.remove(pdev);
		assert_true(nth < 100);
	}
}

static void too_many(struct fdt *fdt)
{
	fdt_cells(fdt, "linux,uio-dynamic-region-sizes", 1, 1, 1, 1, 1);
}

static void empty(struct fdt *fdt)
{
	fdt_flag(fdt, "linux,uio-dynamic-region-sizes");
}

static void nothing(struct fdt *fdt)
{
	fdt_cells(fdt, "linux,uio-dynamic-region-sizes", 0x1000, 0);
}

static void huge(struct fdt *fdt)
{
	fdt_cells(fdt, "linux,uio-dynamic-region-sizes", 0xffffffff);
}

static void odd(struct fdt *fdt)
{
	fdt_property(fdt, "linux,uio-dynamic-region-sizes", 6);
	fdt_bytes(fdt, "\0\0\x10\0\0", 6);
}

static void bad_bits(struct fdt *fdt)
{
	fdt_cells(fdt, "linux,uio-dynamic-region-sizes", 0x1000);
	fdt_cells(fdt, "berth,dma-address-bits", 65);
}

#define QUIESCE(name, ...)                                                \
	static void name(struct fdt *fdt)                                 \
	{                                                                 \
		fdt_cells(fdt, "linux,uio-dynamic-region-sizes", 0x1000); \
		fdt_cells(fdt, "berth,quiesce", __VA_ARGS__);             \
	}

QUIESCE(quiesce_short, 0, 4)
QUIESCE(quiesce_long, 0, 4, 0, 8, 1, 0, 5, 5)
QUIESCE(quiesce_map, 1, 4, 0)
QUIESCE(quiesce_outside, 0, 0x1000, 0)
QUIESCE(quiesce_odd, 0, 6, 0)
QUIESCE(quiesce_status, 0, 4, 0, 0xffd, 1, 0, 5)
QUIESCE(quiesce_never, 0, 4, 0, 8, 1, 2, 5)

static void bad_trees_are_refused(void **state)
{
	static void (*const bad[])(struct fdt *) = {
		too_many,    empty,	     nothing,	   huge,	odd,
		bad_bits,    quiesce_short,  quiesce_long, quiesce_map, quiesce_outside,
		quiesce_odd, quiesce_status, quiesce_never
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		const struct dsp_board board = { .more = bad[i], .has_no_quiesce = true };

		assert_int_equal(start_tree(dsp_tree(&board), uio_drivers, NULL), 0);
		assert_reason(BERTH_REASON_DRIVER);
		assert_string_equal(berth_last_error()->subject, "dsp@80c00000");
		assert_string_equal(berth_last_error()->holder, "uio_dmem_genirq");
		assert_int_equal(PTR_ERR(berth_filp_open("/dev/uio0", 0)), -ENOENT);
		must_stop();
	}
}

static void five(struct fdt *fdt)
{
	static const char names[] = "in\0out";

	fdt_cells(fdt, "linux,uio-dynamic-region-sizes", 1, 0x2000, 1, 1);
	fdt_property(fdt, "berth,uio-dynamic-region-names", sizeof(names));
	fdt_bytes(fdt, names, sizeof(names));
	fdt_text(fdt, "linux,uio-name", "five");
	fdt_cells(fdt, "berth,dma-address-bits", 40);
}

static void a_generic_device_is_what_its_properties_say(void **state)
{
	struct dsp_board board = { .compatible = "generic-uio", .more = five };
	struct berth_range range;
	char text[4096];

	(void)state;
	dsp_start(&board);
	assert_int_equal(berth_node_show("uio0", "name", text), 5);
	assert_string_equal(text, "five\n");
	assert_int_equal(berth_node_show("uio0", "version", text), 11);
	assert_string_equal(text, "devicetree\n");
	assert_int_equal(berth_node_show("uio0", "maps/map1/name", text), 3);
	assert_string_equal(text, "in\n");
	assert_true(dsp_attr("maps/map4/addr") == CLOSED);
	assert_true(dsp_device()->dev.dma_mask == DMA_BIT_MASK(40));
	must_stop();
	board = (struct dsp_board){ .compatible = "generic-uio", .has_no_regions = true };
	dsp_start(&board);
	assert_int_equal(berth_node_show("uio0", "name", text), 4);
	assert_string_equal(text, "dsp\n");
	assert_int_equal(berth_node_show("uio0", "maps/map1/addr", text), -ENOENT);
	must_stop();
	board.has_spare = true;
	dsp_start(&board);
	assert_true(dsp_attr("maps/map1/addr") == SPARE);
	assert_int_equal(berth_of_address(dsp_device()->dev.of_node, 0, &range), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, stop)
	const struct CMUnitTest tests[] = {
		TEST(programs_and_the_device_share_memory),
		TEST(the_interrupt_waits_for_the_program),
		TEST(item_55_ten_opens_share_one_allocation),
		TEST(a_running_device_is_stopped_before_its_memory_goes),
		TEST(unregistered_while_it_is_used),
		TEST(one_that_does_not_stop_keeps_its_memory),
		TEST(one_that_does_not_stop_is_kept_from_memory),
		TEST(without_the_property_memory_goes_at_once),
		TEST(other_processes_drive_the_device),
		TEST(syncs_are_checked),
		TEST(each_allocation_may_fail),
		TEST(an_open_without_memory_fails),
		TEST(each_allocation_of_probe_may_fail),
		TEST(bad_trees_are_refused),
		TEST(a_generic_device_is_what_its_properties_say),
	};

	return cmocka_run_group_tests_name("uio_dmem", tests, NULL, NULL);
}
