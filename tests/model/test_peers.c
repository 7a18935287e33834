/* SPDX-License-Identifier: BSD-2-Clause */
/* Device to device: DMA that goes to another device's registers instead of RAM. */
#include "machine.h"

#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/io.h>
#include <berth/pci.h>
#include <berth/slab.h>

#include <berth/drivers/host-generic.h>
#include <berth/drivers/sifive-pdma.h>

#include "dma_copy.h"
#include "fdt.h"
#include "model/model.h"

#define RAM 0x80000000u
#define RAM_SIZE 0x02000000u
#define ENGINE 0x03000000u
#define ENGINE_SIZE 0x4000u
#define BLOCK 0x10000000u
#define BLOCK_SIZE 0x1000u
/* What the bus with an offset calls both. */
#define BLOCK_BUS 0x50000000u
#define RAM_BUS 0xc0000000u
#define ECAM 0x30000000u
#define PCI_CPU 0x60000000u
#define PCI_BUS 0x20000000u

/* A device with a buffer for registers, and how often it was accessed by 1, 2, 4 and 8 bytes. */
struct block {
	uint8_t bytes[BLOCK_SIZE];
	unsigned int accesses[4];
	void (*on_write)(struct model_device *dev);
};

static uint64_t block_read(struct model_device *dev, uint64_t offset, unsigned int bytes)
{
	struct block *block = dev->state;
	uint64_t value = 0;

	block->accesses[__builtin_ctz(bytes)]++;
	memcpy(&value, block->bytes + offset, bytes);
	return value;
}

static void block_write(struct model_device *dev, uint64_t offset, unsigned int bytes,
			uint64_t value)
{
	struct block *block = dev->state;

	block->accesses[__builtin_ctz(bytes)]++;
	memcpy(block->bytes + offset, &value, bytes);
	if (block->on_write)
		block->on_write(dev);
}

static const struct model_device_type block_type = {
	.compatible = "test,block",
	.state_size = sizeof(struct block),
	.read = block_read,
	.write = block_write,
};

enum bus { ONE_TO_ONE, WITH_OFFSET, MEMORY_ALONE };

static void memory_and_interrupts(struct fdt *fdt)
{
	fdt_cells(fdt, "interrupt-parent", 1);
	fdt_begin(fdt, "interrupt-controller@8001000");
	fdt_text(fdt, "compatible", "arm,gic-400");
	fdt_flag(fdt, "interrupt-controller");
	fdt_cells(fdt, "#interrupt-cells", 3);
	fdt_cells(fdt, "#address-cells", 0);
	fdt_cells(fdt, "reg", 0, 0x08001000, 0, 0x1000, 0, 0x08002000, 0, 0x2000);
	fdt_cells(fdt, "phandle", 1);
	fdt_end(fdt);
	fdt_begin(fdt, "memory@80000000");
	fdt_text(fdt, "device_type", "memory");
	fdt_cells(fdt, "reg", 0, RAM, 0, RAM_SIZE);
	fdt_end(fdt);
}

/* An engine on a bus of its own, and a block of registers on another one. */
static const void *tree(enum bus bus)
{
	static struct fdt fdt;

	fdt_start(&fdt, 2, 2);
	memory_and_interrupts(&fdt);
	fdt_begin(&fdt, "block@10000000");
	fdt_text(&fdt, "compatible", "test,block");
	fdt_cells(&fdt, "reg", 0, BLOCK, 0, BLOCK_SIZE);
	fdt_end(&fdt);
	fdt_begin(&fdt, "bus");
	fdt_text(&fdt, "compatible", "simple-bus");
	fdt_cells(&fdt, "#address-cells", 1);
	fdt_cells(&fdt, "#size-cells", 1);
	fdt_cells(&fdt, "ranges", ENGINE, 0, ENGINE, ENGINE_SIZE);
	if (bus == WITH_OFFSET)
		fdt_cells(&fdt, "dma-ranges", RAM_BUS, 0, RAM, RAM_SIZE, BLOCK_BUS, 0, BLOCK,
			  BLOCK_SIZE);
	else if (bus == MEMORY_ALONE)
		fdt_cells(&fdt, "dma-ranges", RAM_BUS, 0, RAM, RAM_SIZE);
	fdt_begin(&fdt, "engine@3000000");
	fdt_text(&fdt, "compatible", "sifive,fu540-c000-pdma");
	fdt_cells(&fdt, "reg", ENGINE, ENGINE_SIZE);
	fdt_cells(&fdt, "interrupts", 0, 40, 4, 0, 41, 4, 0, 42, 4, 0, 43, 4, 0, 44, 4, 0, 45, 4, 0,
		  46, 4, 0, 47, 4);
	fdt_end(&fdt);
	fdt_end(&fdt);
	return fdt_finish(&fdt);
}

static struct device *dev;
static struct block *block;

static void start(enum bus bus)
{
	static const struct berth_driver drivers[] = {
		BERTH_PLATFORM_DRIVER(&berth_pdma_driver),
		BERTH_NO_MORE_DRIVERS,
	};
	struct device_node *node;

	model_add_type(&block_type);
	must_start(tree(bus), drivers, NULL);
	node = of_find_compatible_node(NULL, NULL, "sifive,fu540-c000-pdma");
	assert_non_null(node);
	dev = &of_find_device_by_node(node)->dev;
	block = model_find("/block@10000000")->state;
}

static void fill(uint8_t *at, size_t size, uint32_t seed)
{
	for (size_t i = 0; i < size; i++) {
		seed = seed * 1664525u + 1013904223u;
		at[i] = (uint8_t)(seed >> 24);
	}
}

static uint64_t bus_errors(void)
{
	struct berth_model_stats stats;

	berth_model_stats(&stats);
	return stats.bus_errors;
}

static dma_addr_t must_map(size_t offset, size_t size, enum dma_data_direction dir)
{
	dma_addr_t addr = dma_map_resource(dev, BLOCK + offset, size, dir, 0);

	assert_int_equal(dma_mapping_error(dev, addr), 0);
	return addr;
}

/* There and back, any size at any offset; the bytes around stay as they are. */
static void copy_there_and_back(size_t offset, size_t size)
{
	uint8_t *from = kmalloc(size, GFP_KERNEL), *to = kmalloc(size, GFP_KERNEL);
	uint8_t wanted[BLOCK_SIZE];
	dma_addr_t memory, there;

	assert_true(from && to);
	fill(from, size, (uint32_t)(offset + size));
	memcpy(wanted, block->bytes, sizeof(wanted));
	memcpy(wanted + offset, from, size);
	memory = dma_map_single(dev, from, size, DMA_TO_DEVICE);
	assert_false(dma_mapping_error(dev, memory));
	there = must_map(offset, size, DMA_FROM_DEVICE);
	assert_int_equal(dma_copy(dev, there, memory, size), 0);
	dma_unmap_resource(dev, there, size, DMA_FROM_DEVICE, 0);
	dma_unmap_single(dev, memory, size, DMA_TO_DEVICE);
	assert_memory_equal(block->bytes, wanted, sizeof(wanted));

	memory = dma_map_single(dev, to, size, DMA_FROM_DEVICE);
	assert_false(dma_mapping_error(dev, memory));
	there = must_map(offset, size, DMA_TO_DEVICE);
	assert_int_equal(dma_copy(dev, memory, there, size), 0);
	dma_unmap_resource(dev, there, size, DMA_TO_DEVICE, 0);
	dma_unmap_single(dev, memory, size, DMA_FROM_DEVICE);
	assert_memory_equal(from, to, size);
	kfree(to);
	kfree(from);
}

static void right_bytes(void **state)
{
	static const size_t sizes[] = { 1, 2, 3, 4, 8, 15, 64, 1000, BLOCK_SIZE };

	(void)state;
	for (enum bus bus = ONE_TO_ONE; bus <= WITH_OFFSET; bus++) {
		start(bus);
		assert_int_equal(must_map(16, 4, DMA_TO_DEVICE),
				 (bus == WITH_OFFSET ? BLOCK_BUS : BLOCK) + 16);
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
			for (size_t offset = 0; offset < 8; offset++)
				if (offset + sizes[i] <= BLOCK_SIZE)
					copy_there_and_back(offset, sizes[i]);
		assert_int_equal(bus_errors(), 0);
		must_stop();
	}
}

/* As a bus would do it: as many bytes at once as are aligned. */
static void widths(void **state)
{
	static const unsigned int wanted[4] = { 1, 1, 1, 2 };
	uint8_t *from;
	dma_addr_t memory, there;

	(void)state;
	start(ONE_TO_ONE);
	from = kzalloc(23, GFP_KERNEL);
	memory = dma_map_single(dev, from, 23, DMA_TO_DEVICE);
	assert_false(dma_mapping_error(dev, memory));
	there = must_map(1, 23, DMA_FROM_DEVICE);
	assert_int_equal(dma_copy(dev, there, memory, 23), 0);
	assert_memory_equal(block->accesses, wanted, sizeof(wanted));
	dma_unmap_single(dev, memory, 23, DMA_TO_DEVICE);
	kfree(from);
	must_stop();
}

/* A bus that leads to memory alone: refused, and an engine that is told an address anyway gets an error. */
static void no_way_there(void **state)
{
	dma_addr_t memory;
	uint8_t *from;

	(void)state;
	start(MEMORY_ALONE);
	assert_int_equal(dma_map_resource(dev, BLOCK, 64, DMA_FROM_DEVICE, 0), DMA_MAPPING_ERROR);
	assert_reason(BERTH_REASON_WINDOW);
	assert_int_equal(berth_last_error()->address, BLOCK);
	from = kzalloc(64, GFP_KERNEL);
	memset(from, 0x77, 64);
	memory = dma_map_single(dev, from, 64, DMA_TO_DEVICE);
	assert_false(dma_mapping_error(dev, memory));
	assert_int_equal(dma_copy(dev, BLOCK, memory, 64), -EIO);
	assert_int_equal(bus_errors(), 1);
	assert_int_equal(block->bytes[0], 0);
	dma_unmap_single(dev, memory, 64, DMA_TO_DEVICE);
	kfree(from);
	must_stop();

	/* Of a window that ends inside a block nothing goes beyond its end. */
	start(WITH_OFFSET);
	assert_int_equal(dma_map_resource(dev, BLOCK + BLOCK_SIZE - 4, 8, DMA_FROM_DEVICE, 0),
			 DMA_MAPPING_ERROR);
	assert_reason(BERTH_REASON_WINDOW);
	must_stop();
}

static int nested;

static void write_to_engine(struct model_device *from)
{
	static const uint32_t value = 1;

	nested = model_dma_write(from, ENGINE, &value, 4);
}

/* A device is in the middle of something when another one acts on what it wrote; nor does it write to itself. */
static void no_way_back(void **state)
{
	dma_addr_t memory, there;
	uint8_t *from;

	(void)state;
	start(ONE_TO_ONE);
	from = kzalloc(4, GFP_KERNEL);
	memory = dma_map_single(dev, from, 4, DMA_TO_DEVICE);
	assert_false(dma_mapping_error(dev, memory));
	there = must_map(0, 4, DMA_FROM_DEVICE);
	nested = 1;
	block->on_write = write_to_engine;
	assert_int_equal(dma_copy(dev, there, memory, 4), 0);
	assert_int_equal(nested, -EFAULT);
	/* Later, in its own time, it may. */
	block->on_write = NULL;
	model_lock();
	assert_int_equal(model_dma_write(model_find("/block@10000000"), ENGINE, "\1\0\0", 4), 0);
	model_unlock();
	assert_int_equal(dma_copy(dev, ENGINE + 0x3000, memory, 4), -EIO);
	dma_unmap_single(dev, memory, 4, DMA_TO_DEVICE);
	kfree(from);
	must_stop();
}

/* Configuration space of 00:00.0, of the bridge 00:01.0, and of 01:00.0 behind it. */
#define FUNCTIONS 3
#define BAR_BYTES 0x10000u

struct ecam {
	uint32_t space[FUNCTIONS][64];
};

static int ecam_function(uint64_t offset)
{
	unsigned int at = (unsigned int)(offset >> 12);

	return at == 0 ? 0 : at == 8 ? 1 : at == 256 ? 2 : -1;
}

static uint64_t ecam_read(struct model_device *host, uint64_t offset, unsigned int bytes)
{
	const struct ecam *ecam = host->state;
	int fn = ecam_function(offset);
	uint64_t value = 0;

	if (fn < 0)
		return UINT64_MAX;
	if ((offset & 0xfff) < 256)
		memcpy(&value, (const char *)ecam->space[fn] + (offset & 0xff), bytes);
	return value;
}

static void ecam_write(struct model_device *host, uint64_t offset, unsigned int bytes,
		       uint64_t value)
{
	struct ecam *ecam = host->state;
	unsigned int reg = offset & 0xfff;
	int fn = ecam_function(offset);

	if (fn < 0 || reg < 4 || reg >= 256 || (reg > PCI_BASE_ADDRESS_0 && reg < 0x18))
		return;
	memcpy((char *)ecam->space[fn] + reg, &value, bytes);
	if (fn == 1)
		ecam->space[fn][PCI_BASE_ADDRESS_0 / 4] = 0;
	ecam->space[fn][PCI_BASE_ADDRESS_0 / 4] &= ~(BAR_BYTES - 1);
}

static int ecam_start(struct model_device *host)
{
	struct ecam *ecam = host->state;

	for (int fn = 0; fn < FUNCTIONS; fn++) {
		ecam->space[fn][0] = 0x00010000u * (unsigned int)(fn + 1) | 0x1234;
		ecam->space[fn][PCI_HEADER_TYPE / 4] = fn == 1 ? 0x00010000 : 0;
	}
	return 0;
}

static const struct model_device_type ecam_type = {
	.compatible = "pci-host-ecam-generic",
	.state_size = sizeof(struct ecam),
	.start = ecam_start,
	.read = ecam_read,
	.write = ecam_write,
};

/* The CPU's 0x60000000 is the bus's 0x20000000; memory is at the bus's 0. */
static const void *pci_tree(void)
{
	static struct fdt fdt;

	fdt_start(&fdt, 2, 2);
	memory_and_interrupts(&fdt);
	fdt_begin(&fdt, "pcie@30000000");
	fdt_text(&fdt, "compatible", "pci-host-ecam-generic");
	fdt_text(&fdt, "device_type", "pci");
	fdt_cells(&fdt, "#address-cells", 3);
	fdt_cells(&fdt, "#size-cells", 2);
	fdt_cells(&fdt, "reg", 0, ECAM, 0, 0x200000);
	fdt_cells(&fdt, "bus-range", 0, 1);
	fdt_cells(&fdt, "ranges", 0x01000000, 0, 0, 0, 0x2f000000, 0, 0x10000, 0x02000000, 0,
		  PCI_BUS, 0, PCI_CPU, 0, 0x01000000, 0x43000000, 1, 0, 9, 0, 1, 0);
	fdt_cells(&fdt, "dma-ranges", 0x02000000, 0, 0, 0, RAM, 0, RAM_SIZE);
	fdt_end(&fdt);
	return fdt_finish(&fdt);
}

static void pci_bus_addresses(void **state)
{
	static const struct berth_driver drivers[] = {
		BERTH_PLATFORM_DRIVER(&berth_pci_host_generic_driver),
		BERTH_NO_MORE_DRIVERS,
	};
	struct pci_dev *near, *far;
	uint32_t near_bar, far_bar;
	struct device *fn;

	(void)state;
	model_add_type(&ecam_type);
	must_start(pci_tree(), drivers, NULL);
	near = pci_get_device(0x1234, 1, NULL);
	far = pci_get_device(0x1234, 3, NULL);
	assert_true(near && far);
	pci_read_config_dword(near, PCI_BASE_ADDRESS_0, &near_bar);
	pci_read_config_dword(far, PCI_BASE_ADDRESS_0, &far_bar);
	assert_true(near_bar >= PCI_BUS && far_bar >= PCI_BUS && near_bar != far_bar);
	assert_int_equal(pci_resource_start(near, 0), near_bar - PCI_BUS + PCI_CPU);

	/* To each other, from both sides of the bridge: what is in the BAR, not what the CPU sees. */
	fn = &near->dev;
	assert_int_equal(dma_map_resource(fn, pci_resource_start(far, 0) + 8, 4, DMA_TO_DEVICE, 0),
			 far_bar + 8);
	assert_int_equal(dma_map_resource(&far->dev, pci_resource_start(near, 0) + BAR_BYTES - 4, 4,
					  DMA_TO_DEVICE, 0),
			 near_bar + BAR_BYTES - 4);
	/* The second window, above 4 GiB, for functions with so many bits. */
	assert_int_equal(dma_map_resource(fn, 0x900000010, 4, DMA_TO_DEVICE, 0), DMA_MAPPING_ERROR);
	assert_reason(BERTH_REASON_MASK);
	assert_int_equal(dma_set_mask(fn, DMA_BIT_MASK(64)), 0);
	assert_int_equal(dma_map_resource(fn, 0x900000010, 4, DMA_TO_DEVICE, 0), 0x100000010);
	/* Nor with fewer, which reach memory. */
	assert_int_equal(dma_set_mask(fn, DMA_BIT_MASK(28)), 0);
	assert_int_equal(dma_map_resource(fn, pci_resource_start(far, 0), 4, DMA_TO_DEVICE, 0),
			 DMA_MAPPING_ERROR);
	assert_reason(BERTH_REASON_MASK);
	/* Across the end of a window, in no window, and in that of I/O ports. */
	assert_int_equal(dma_map_resource(fn, PCI_CPU + 0x01000000 - 4, 8, DMA_TO_DEVICE, 0),
			 DMA_MAPPING_ERROR);
	assert_reason(BERTH_REASON_WINDOW);
	assert_int_equal(dma_map_resource(fn, 0x10000000, 4, DMA_TO_DEVICE, 0), DMA_MAPPING_ERROR);
	assert_reason(BERTH_REASON_WINDOW);
	assert_int_equal(dma_map_resource(fn, 0x2f000000, 4, DMA_TO_DEVICE, 0), DMA_MAPPING_ERROR);
	assert_reason(BERTH_REASON_WINDOW);
	must_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_bytes),	     cmocka_unit_test(widths),
		cmocka_unit_test(no_way_there),	     cmocka_unit_test(no_way_back),
		cmocka_unit_test(pci_bus_addresses),
	};

	return cmocka_run_group_tests_name("peers", tests, NULL, NULL);
}
