/* SPDX-License-Identifier: BSD-2-Clause */
/* The model as a machine: RAM, registers, what the tree says of its devices, start and stop. */
#include <dirent.h>
#include <malloc.h>
#include <unistd.h>

#include "soc.h"

#include "handlers.h"

/* Whether the kernel may read a byte there for us: no signal to catch. */
static bool is_accessible(const volatile void *at)
{
	int ends[2];
	bool is_ok;

	assert_int_equal(pipe(ends), 0);
	is_ok = write(ends[1], (const void *)(uintptr_t)at, 1) == 1;
	close(ends[0]);
	close(ends[1]);
	return is_ok;
}

static void the_linear_map_is_one_constant(void **state)
{
	(void)state;
	soc_start_quiet(64);
	assert_int_equal(berth_port_linear.phys, RAM);
	assert_int_equal(berth_port_linear.size, HIGH_RAM + HIGH_RAM_SIZE - RAM);
	assert_true(is_accessible(soc_virt(RAM)));
	assert_true(is_accessible(soc_virt(NO_MAP - 1)));
	assert_false(is_accessible(soc_virt(NO_MAP)));
	assert_false(is_accessible(soc_virt(NO_MAP + NO_MAP_SIZE - 1)));
	assert_true(is_accessible(soc_virt(NO_MAP + NO_MAP_SIZE)));
	assert_true(is_accessible(soc_virt(RAM + RAM_SIZE - 1)));
	assert_false(is_accessible(soc_virt(RAM + RAM_SIZE)));
	assert_true(is_accessible(soc_virt(HIGH_RAM + HIGH_RAM_SIZE - 1)));
	assert_non_null(berth_model_memory(NO_MAP));
	assert_null(berth_model_memory(RAM + RAM_SIZE));
	assert_null(berth_model_memory(RAM - 1));
	/* A range over the end of one and a hole is legal for cache operations: nothing is there. */
	berth_port_cache_flush(NO_MAP - 64, 2 * NO_MAP_SIZE);
	berth_port_cache_clean(RAM + RAM_SIZE, 4096);
	berth_port_cache_invalidate(0, 4096);
	berth_port_cache_clean(UINT64_MAX - 10, 11);
	berth_port_stop();
	assert_int_equal(berth_port_linear.size, 0);
}

static void ram_outside_the_linear_map(void **state)
{
	volatile uint8_t *memory;

	(void)state;
	soc_start(NULL);
	memory = berth_port_remap(NO_MAP, NO_MAP_SIZE, BERTH_MEMORY_UNCACHED);
	assert_non_null((void *)(uintptr_t)memory);
	memory[5] = 0x21;
	assert_int_equal(dev_byte(plain, NO_MAP + 5), 0x21);
	assert_int_equal(dev_byte(coherent, NO_MAP + 5), 0x21);
	dev_fill(plain, NO_MAP + 6, 0x22, 1);
	assert_int_equal(memory[6], 0x22);
	/* From the linear map on into what is not. */
	dev_fill(plain, NO_MAP - 100, 0x23, 200);
	assert_int_equal(memory[99], 0x23);
	berth_port_unremap((void *)(uintptr_t)memory, NO_MAP, NO_MAP_SIZE);

	assert_null(berth_port_remap(RAM, 4096, BERTH_MEMORY_CACHED));
	assert_null(berth_port_remap(RAM, 4096, BERTH_MEMORY_DEVICE));
	assert_null(berth_port_remap(RAM + 1, 4096, BERTH_MEMORY_UNCACHED));
	assert_null(berth_port_remap(RAM, 100, BERTH_MEMORY_UNCACHED));
	assert_null(berth_port_remap(RAM, 0, BERTH_MEMORY_UNCACHED));
	assert_null(berth_port_remap(RAM + RAM_SIZE - 4096, 8192, BERTH_MEMORY_UNCACHED));
	assert_int_equal(berth_port_error()->reason, BERTH_REASON_MAPPING);
	berth_port_stop();
}

static void registers_are_reached_by_cookie_only(void **state)
{
	struct test_device *test;
	char __iomem *cookie, *other;
	uint64_t errors;

	(void)state;
	soc_start(NULL);
	test = plain->state;
	cookie = berth_port_ioremap(REGISTERS, 0x1000);
	other = berth_port_ioremap(REGISTERS + 0x10000, 0x1000);
	assert_false(is_accessible(cookie));
	berth_port_write32(cookie + 4, 0xdeadbeef);
	berth_port_write8(cookie + 8, 0x12);
	berth_port_write16(cookie + 10, 0x3456);
	berth_port_write64(cookie + 16, 0x1122334455667788);
	assert_int_equal(test->cells[0], 0xdeadbeef00000000);
	assert_int_equal(test->cells[1], 0x34560012);
	assert_int_equal(berth_port_read64(cookie + 16), 0x1122334455667788);
	assert_int_equal(berth_port_read32(cookie + 4), 0xdeadbeef);
	assert_int_equal(berth_port_read16(cookie + 10), 0x3456);
	assert_int_equal(berth_port_read8(cookie + 8), 0x12);
	assert_int_equal(berth_port_read32(other + 4), 0);
	assert_int_equal(soc_stats().register_accesses, 9);
	assert_int_equal(soc_stats().bus_errors, 0);

	/* Behind the region, across its end, not aligned. */
	assert_int_equal(berth_port_read32(cookie + 0x1000), 0xffffffff);
	assert_int_equal(berth_port_read8(cookie + 0x1000), 0xff);
	assert_int_equal(berth_port_read64(cookie + 0xffc), UINT64_MAX);
	assert_int_equal(berth_port_read32(cookie + 2), 0xffffffff);
	assert_int_equal(berth_port_error()->reason, BERTH_REASON_NO_DEVICE);
	assert_int_equal(berth_port_error()->address, REGISTERS + 2);
	errors = soc_stats().bus_errors;
	assert_int_equal(errors, 4);
	berth_port_write32(cookie + 0x1000, 1);
	/* After the end, and never given. */
	berth_port_iounmap(cookie);
	assert_int_equal(berth_port_read32(cookie + 4), 0xffffffff);
	assert_int_equal(berth_port_read32(&errors), 0xffffffff);
	assert_int_equal(soc_stats().bus_errors, 7);
	assert_int_equal(berth_port_read32(other + 4), 0);

	/* More than the device has: what is behind it is a bus error. */
	cookie = berth_port_ioremap(REGISTERS, 0x2000);
	assert_int_equal(berth_port_read32(cookie + 4), 0xdeadbeef);
	assert_int_equal(berth_port_read32(cookie + 0x1004), 0xffffffff);
	assert_null(berth_port_ioremap(REGISTERS + 0x1000, 4));
	assert_int_equal(berth_port_error()->reason, BERTH_REASON_NO_DEVICE);
	assert_null(berth_port_ioremap(RAM, 4096));
	assert_null(berth_port_ioremap(REGISTERS, 0));
	assert_null(berth_port_ioremap(REGISTERS, UINT64_MAX));
	berth_port_stop();
}

/* In any order of mapping and unmapping, each cookie leads to its own register. */
static void many_cookies(void **state)
{
	char __iomem *cookies[200] = { NULL };

	(void)state;
	soc_start(NULL);
	for (unsigned int i = 0; i < 16; i++)
		((struct test_device *)plain->state)->cells[i] = 1000 + i;
	for (unsigned int i = 0; i < 5000; i++) {
		unsigned int at = model_random(200), cell = at % 16;

		if (cookies[at]) {
			assert_int_equal(berth_port_read64(cookies[at]), 1000 + cell);
			berth_port_iounmap(cookies[at]);
			assert_int_equal(berth_port_read64(cookies[at]), UINT64_MAX);
			cookies[at] = NULL;
		} else {
			cookies[at] = berth_port_ioremap(REGISTERS + 8 * cell, 8);
			assert_non_null(cookies[at]);
		}
	}
	berth_port_stop();
}

static void windows_and_bus_errors(void **state)
{
	unsigned char bytes[32];

	(void)state;
	soc_start_quiet(64);
	assert_int_equal(windowed->base, REGISTERS + 0x20100);
	assert_int_equal(windowed->size, 0x80);
	dev_fill(windowed, 0x1000, 0x41, 16);
	assert_int_equal(memory_byte(RAM + 0x1000), 0x41);
	dev_fill(windowed, 0x80000000 + HIGH_RAM_SIZE - 16, 0x42, 16);
	assert_int_equal(memory_byte(HIGH_RAM + HIGH_RAM_SIZE - 1), 0x42);
	assert_int_equal(dev_byte(windowed, 0x1000), 0x41);

	/* Whole or not at all. */
	memset(bytes, 0x43, sizeof(bytes));
	model_lock();
	assert_int_equal(model_dma_write(windowed, MIB - 16, bytes, 32), -EFAULT);
	assert_int_equal(model_dma_write(windowed, 0x80000000 + HIGH_RAM_SIZE - 16, bytes, 32),
			 -EFAULT);
	assert_int_equal(model_dma_write(windowed, RAM, bytes, 1), -EFAULT);
	assert_int_equal(model_dma_read(windowed, UINT64_MAX, bytes, 2), -EFAULT);
	assert_int_equal(model_dma_write(plain, RAM + RAM_SIZE - 16, bytes, 32), -EFAULT);
	assert_int_equal(model_dma_write(coherent, RAM - 16, bytes, 32), -EFAULT);
	assert_int_equal(model_dma_read(plain, 0, bytes, 1), -EFAULT);
	model_unlock();
	assert_int_equal(memory_byte(RAM + MIB - 1), 0);
	assert_int_equal(memory_byte(HIGH_RAM + HIGH_RAM_SIZE - 1), 0x42);
	assert_int_equal(memory_byte(RAM + RAM_SIZE - 1), 0);
	assert_int_equal(bytes[0], 0x43);
	assert_int_equal(soc_stats().bus_errors, 7);
	assert_int_equal(soc_stats().dma_written, 32);
	assert_int_equal(soc_stats().dma_read, 1);
	berth_port_stop();
}

/* A transfer may end at the end of the address space, but does not go on at its beginning. */
static void bus_addresses_do_not_wrap(void **state)
{
	unsigned char bytes[32] = { 0x44 };

	(void)state;
	soc_start_quiet(64);
	windowed->windows[0] = (struct model_window){ RAM, -MIB, MIB };
	windowed->windows[1] = (struct model_window){ HIGH_RAM, 0, MIB };
	model_lock();
	assert_int_equal(model_dma_write(windowed, -16ull, bytes, 16), 0);
	assert_int_equal(model_dma_write(windowed, 0, bytes, 16), 0);
	assert_int_equal(soc_stats().bus_errors, 0);
	assert_int_equal(model_dma_write(windowed, -16ull, bytes, 17), -EFAULT);
	assert_int_equal(model_dma_read(windowed, -1ull, bytes, 2), -EFAULT);
	assert_int_equal(soc_stats().bus_errors, 2);
	model_unlock();
	assert_int_equal(memory_byte(RAM + MIB - 16), 0x44);
	assert_int_equal(memory_byte(HIGH_RAM), 0x44);
	berth_port_stop();
}

/* GIC interrupts, nested buses, inherited coherency, disabled nodes. */
static void what_the_tree_says(void **state)
{
	static struct fdt fdt;
	const struct model_device *dev;

	(void)state;
	fdt_start(&fdt, 2, 2);
	fdt_cells(&fdt, "interrupt-parent", 1);
	fdt_begin(&fdt, "gic");
	fdt_cells(&fdt, "phandle", 1);
	fdt_cells(&fdt, "#interrupt-cells", 3);
	fdt_end(&fdt);
	fdt_begin(&fdt, "pic");
	fdt_cells(&fdt, "phandle", 2);
	fdt_cells(&fdt, "#interrupt-cells", 1);
	fdt_end(&fdt);
	fdt_begin(&fdt, "outer");
	fdt_cells(&fdt, "#address-cells", 2);
	fdt_cells(&fdt, "#size-cells", 2);
	fdt_cells(&fdt, "ranges", 0, 0, 1, 0, 1, 0);
	fdt_cells(&fdt, "dma-ranges", 0, 0x1000000, 0, RAM, 0, RAM_SIZE);
	fdt_flag(&fdt, "dma-coherent");
	fdt_begin(&fdt, "inner");
	fdt_cells(&fdt, "#address-cells", 1);
	fdt_cells(&fdt, "#size-cells", 1);
	fdt_cells(&fdt, "ranges", 0x100, 0, 0x20000, 0x1000);
	fdt_cells(&fdt, "dma-ranges", 0x500, 0, 0x1002000, 0x1000);
	fdt_begin(&fdt, "a@180");
	fdt_text(&fdt, "compatible", "test,device");
	fdt_cells(&fdt, "reg", 0x180, 0x10);
	fdt_cells(&fdt, "interrupts", 0, 5, 4, 1, 6, 4);
	fdt_flag(&fdt, "dma-noncoherent");
	fdt_end(&fdt);
	fdt_begin(&fdt, "b");
	fdt_text(&fdt, "compatible", "test,device");
	fdt_cells(&fdt, "interrupts-extended", 2, 77, 1, 0, 8, 4);
	fdt_end(&fdt);
	fdt_begin(&fdt, "off");
	fdt_text(&fdt, "compatible", "test,device");
	fdt_text(&fdt, "status", "disabled");
	fdt_end(&fdt);
	fdt_end(&fdt);
	fdt_begin(&fdt, "dead");
	fdt_text(&fdt, "status", "disabled");
	fdt_begin(&fdt, "c");
	fdt_text(&fdt, "compatible", "test,device");
	fdt_end(&fdt);
	fdt_end(&fdt);
	fdt_end(&fdt);
	assert_int_equal(soc_try(fdt_finish(&fdt), NULL), 0);

	dev = model_find("/outer/inner/a@180");
	assert_non_null(dev);
	assert_int_equal(dev->base, 0x100020080);
	assert_int_equal(dev->size, 0x10);
	assert_int_equal(dev->nr_irqs, 2);
	assert_int_equal(dev->irqs[0], 32 + 5);
	assert_int_equal(dev->irqs[1], 16 + 6);
	assert_false(dev->coherent);
	assert_int_equal(dev->nr_windows, 1);
	assert_int_equal(dev->windows[0].bus, 0x500);
	assert_int_equal(dev->windows[0].cpu, RAM + 0x2000);
	assert_int_equal(dev->windows[0].size, 0x1000);
	dev = model_find("/outer/inner/b");
	assert_non_null(dev);
	assert_true(dev->coherent);
	assert_int_equal(dev->nr_irqs, 2);
	assert_int_equal(dev->irqs[0], 77);
	assert_int_equal(dev->irqs[1], 32 + 8);
	assert_null(model_find("/outer/inner/off"));
	assert_null(model_find("/outer/dead/c"));
	berth_port_stop();
}

/* A bus of PCI with @space for the device's registers, and I/O ports at the same address as memory. */
static int try_pci(uint32_t space)
{
	static struct fdt fdt;

	fdt_start(&fdt, 2, 2);
	fdt_begin(&fdt, "pcie");
	fdt_text(&fdt, "device_type", "pci");
	fdt_cells(&fdt, "#address-cells", 3);
	fdt_cells(&fdt, "#size-cells", 2);
	fdt_cells(&fdt, "ranges", 0x01000000, 0, 0, 0, 0x3eff0000, 0, 0x10000, 0x02000000, 0, 0, 0,
		  0x20000000, 0, 0x10000);
	fdt_cells(&fdt, "dma-ranges", 0x01000000, 0, 0, 0, RAM, 0, MIB, 0x43000000, 1, 0, 0, RAM, 0,
		  RAM_SIZE);
	fdt_begin(&fdt, "device");
	fdt_text(&fdt, "compatible", "test,device");
	fdt_cells(&fdt, "reg", space, 0, 0x100, 0, 0x10);
	fdt_end(&fdt);
	fdt_end(&fdt);
	return soc_try(fdt_finish(&fdt), NULL);
}

static void pci_has_memory_space_alone(void **state)
{
	const struct model_device *dev;

	(void)state;
	assert_int_equal(try_pci(0x02000000), 0);
	dev = model_find("/pcie/device");
	assert_int_equal(dev->base, 0x20000100);
	assert_int_equal(dev->nr_windows, 1);
	assert_int_equal(dev->windows[0].bus, 1ull << 32);
	assert_int_equal(dev->windows[0].cpu, RAM);
	berth_port_stop();
	/* Registers in I/O space, or the place in configuration space that a function's reg is. */
	for (uint32_t space = 0; space <= 0x01000000; space += 0x01000000) {
		assert_int_equal(try_pci(space), -EINVAL);
		assert_int_equal(berth_port_error()->reason, BERTH_REASON_TREE);
		assert_string_equal(berth_port_error()->subject, "/pcie/device");
	}
}

/* Damaged on purpose: refused, with the reason, and nothing is left running. */
static void bad_trees(void **state)
{
	static struct fdt fdt;
	static const unsigned char garbage[64] = { 1 };
	const void *none = NULL;

	(void)state;
	assert_int_equal(berth_port_start(&none, NULL, NULL), -EINVAL);
	assert_int_equal(soc_try(garbage, NULL), -EINVAL);
	assert_int_equal(berth_port_error()->reason, BERTH_REASON_TREE);
	for (unsigned int i = 0; i < 3; i++) {
		fdt_start(&fdt, 2, 2);
		fdt_begin(&fdt, "bus");
		fdt_begin(&fdt, "device");
		fdt_text(&fdt, "compatible", "test,device");
		if (i == 0) /* no way for the registers through the bus */
			fdt_cells(&fdt, "reg", 0, 0, 4);
		else if (i == 1)
			fdt_cells(&fdt, "interrupts", 5000);
		else
			fdt_cells(&fdt, "reg", 0);
		fdt_end(&fdt);
		fdt_end(&fdt);
		assert_int_equal(soc_try(fdt_finish(&fdt), NULL), -EINVAL);
		assert_int_equal(berth_port_error()->reason, BERTH_REASON_TREE);
		assert_string_equal(berth_port_error()->subject, "/bus/device");
	}
	soc_start(NULL);
	assert_int_equal(soc_try(soc_tree(), NULL), -EBUSY);
	assert_int_equal(berth_port_error()->reason, BERTH_REASON_STATE);
	berth_port_stop();
	berth_port_stop();
}

static unsigned int open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int nr = 0;

	assert_non_null(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

static unsigned int mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned int nr = 0;
	int c;

	assert_non_null(maps);
	while ((c = getc(maps)) != EOF)
		nr += c == '\n';
	fclose(maps);
	return nr;
}

static void do_nothing(struct model_device *dev, uint64_t arg)
{
	(void)dev;
	(void)arg;
}

static void everything_goes_at_stop(void **state)
{
	unsigned int files = 0, maps = 0;
	size_t heap = 0;

	(void)state;
	for (unsigned int i = 0; i <= 10000; i++) {
		soc_start(NULL);
		/* Left behind: cookies, events, a mapping, poison, an interrupt. */
		berth_port_ioremap(REGISTERS, 16);
		model_after(plain, 1000000, do_nothing, 0);
		berth_port_remap(RAM, 4096, BERTH_MEMORY_UNCACHED);
		cpu_fill(RAM + 8192, 1, 1);
		assert_int_equal(cpu_byte(RAM + 12288), 0);
		berth_port_poison(soc_virt(RAM), 65536);
		model_irq(plain, 0, true);
		berth_port_alarm(berth_port_now() + 1000000);
		berth_port_stop();
		if (i == 10) {
			files = open_files();
			maps = mappings();
			heap = mallinfo2().uordblks;
		}
	}
	assert_int_equal(open_files(), files);
	/* A sanitizer may have some of its own more. */
	assert_in_range(mappings(), 1, maps + 8);
	assert_in_range(mallinfo2().uordblks, 0, heap + 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_linear_map_is_one_constant),
		cmocka_unit_test(ram_outside_the_linear_map),
		cmocka_unit_test(registers_are_reached_by_cookie_only),
		cmocka_unit_test(many_cookies),
		cmocka_unit_test(windows_and_bus_errors),
		cmocka_unit_test(bus_addresses_do_not_wrap),
		cmocka_unit_test(what_the_tree_says),
		cmocka_unit_test(pci_has_memory_space_alone),
		cmocka_unit_test(bad_trees),
		cmocka_unit_test(everything_goes_at_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
