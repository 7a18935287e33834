/* SPDX-License-Identifier: BSD-2-Clause */
/* A modelled SoC with devices of the tests' own, driven through the port alone. */
#ifndef TESTS_MODEL_SOC_H
#define TESTS_MODEL_SOC_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <berth/model.h>

#include "fdt.h"
#include "model/internal.h"

#define MIB 0x100000ull
#define RAM 0x40000000ull
#define RAM_SIZE (8 * MIB)
#define HIGH_RAM 0x50000000ull
#define HIGH_RAM_SIZE (4 * MIB)
/* Not in the linear map. */
#define NO_MAP (RAM + 6 * MIB)
#define NO_MAP_SIZE MIB
#define REGISTERS 0x10000000ull
#define IRQ (32u + 7)

/* A device that the test drives from outside; its registers are cells of memory. */
struct test_device {
	uint64_t cells[16];
	void (*on_write)(struct model_device *dev, uint64_t offset, uint64_t value);
};

static inline uint64_t test_read(struct model_device *dev, uint64_t offset, unsigned int bytes)
{
	const struct test_device *test = dev->state;
	uint64_t value = 0;

	if (offset + bytes <= sizeof(test->cells))
		memcpy(&value, (const char *)test->cells + offset, bytes);
	return value;
}

static inline void test_write(struct model_device *dev, uint64_t offset, unsigned int bytes,
			      uint64_t value)
{
	struct test_device *test = dev->state;

	if (offset + bytes <= sizeof(test->cells))
		memcpy((char *)test->cells + offset, &value, bytes);
	if (test->on_write)
		test->on_write(dev, offset, value);
}

static const struct model_device_type test_type = {
	.compatible = "test,device",
	.state_size = sizeof(struct test_device),
	.read = test_read,
	.write = test_write,
};

/* What soc_start() has found. */
static struct model_device *plain, *coherent, *windowed;

/*
 * Three devices: one that sees memory, one that sees the CPU's caches, and one behind two windows:
 * bus 0 is RAM's start, 1 MiB of it, and bus 0x80000000 is HIGH_RAM.
 */
static inline const void *soc_tree(void)
{
	static struct fdt fdt;

	fdt_start(&fdt, 2, 2);
	fdt_begin(&fdt, "plain@10000000");
	fdt_text(&fdt, "compatible", "test,device");
	fdt_cells(&fdt, "reg", 0, REGISTERS, 0, 0x1000);
	fdt_cells(&fdt, "interrupts", IRQ, IRQ + 1);
	fdt_end(&fdt);
	fdt_begin(&fdt, "coherent@10010000");
	fdt_text(&fdt, "compatible", "test,device");
	fdt_flag(&fdt, "dma-coherent");
	fdt_cells(&fdt, "reg", 0, REGISTERS + 0x10000, 0, 0x1000);
	fdt_cells(&fdt, "interrupts", IRQ);
	fdt_end(&fdt);
	fdt_begin(&fdt, "bus");
	fdt_cells(&fdt, "#address-cells", 1);
	fdt_cells(&fdt, "#size-cells", 1);
	fdt_cells(&fdt, "ranges", 0, 0, REGISTERS + 0x20000, 0x10000);
	fdt_cells(&fdt, "dma-ranges", 0, 0, RAM, MIB, 0x80000000, 0, HIGH_RAM, HIGH_RAM_SIZE);
	fdt_begin(&fdt, "windowed@100");
	fdt_text(&fdt, "compatible", "test,device");
	fdt_cells(&fdt, "reg", 0x100, 0x80);
	fdt_end(&fdt);
	fdt_end(&fdt);
	return fdt_finish(&fdt);
}

static inline int soc_try(const void *tree, const struct berth_model_config *config)
{
	static const struct berth_range banks[] = {
		{ RAM, RAM_SIZE },
		{ HIGH_RAM, HIGH_RAM_SIZE },
	};
	static const struct berth_range mapped[] = {
		{ RAM, NO_MAP - RAM },
		{ NO_MAP + NO_MAP_SIZE, RAM + RAM_SIZE - NO_MAP - NO_MAP_SIZE },
		{ HIGH_RAM, HIGH_RAM_SIZE },
	};
	const struct berth_port_ram ram = {
		.banks = banks,
		.nr_banks = ARRAY_SIZE(banks),
		.mapped = mapped,
		.nr_mapped = ARRAY_SIZE(mapped),
	};
	int ret;

	model_add_type(&test_type);
	ret = berth_port_start(&tree, &berth_model, config);
	if (!ret) {
		ret = berth_port_ram(&ram);
		if (ret)
			berth_port_stop();
	}
	return ret;
}

static inline void soc_start(const struct berth_model_config *config)
{
	assert_int_equal(soc_try(soc_tree(), config), 0);
	plain = model_find("/plain@10000000");
	coherent = model_find("/coherent@10010000");
	windowed = model_find("/bus/windowed@100");
	assert_true(plain && coherent && windowed);
}

/* A cache that does what it is told, lines of @line bytes. */
static inline void soc_start_quiet(unsigned int line)
{
	const struct berth_model_config config = {
		.cache = BERTH_MODEL_CACHE_QUIET,
		.line_size = line,
	};

	soc_start(&config);
}

static inline void soc_start_adversarial(unsigned int line, uint64_t seed)
{
	const struct berth_model_config config = {
		.cache = BERTH_MODEL_CACHE_ADVERSARIAL,
		.line_size = line,
		.seed = seed,
	};

	soc_start(&config);
}

static inline void *soc_virt(phys_addr_t phys)
{
	return (void *)(berth_port_linear.virt + (uintptr_t)(phys - berth_port_linear.phys));
}

/* The CPU's own loads and stores. */
static inline void cpu_fill(phys_addr_t phys, int byte, size_t size)
{
	memset(soc_virt(phys), byte, size);
	__asm__ volatile("" ::: "memory");
}

static inline unsigned int cpu_byte(phys_addr_t phys)
{
	return *(volatile uint8_t *)soc_virt(phys);
}

static inline void dev_fill(struct model_device *dev, uint64_t bus, int byte, size_t size)
{
	unsigned char *bytes = malloc(size);

	memset(bytes, byte, size);
	model_lock();
	assert_int_equal(model_dma_write(dev, bus, bytes, size), 0);
	model_unlock();
	free(bytes);
}

static inline unsigned int dev_byte(struct model_device *dev, uint64_t bus)
{
	unsigned char byte;

	model_lock();
	assert_int_equal(model_dma_read(dev, bus, &byte, 1), 0);
	model_unlock();
	return byte;
}

static inline unsigned int memory_byte(phys_addr_t phys)
{
	return *(volatile uint8_t *)berth_model_memory(phys);
}

static inline struct berth_model_stats soc_stats(void)
{
	struct berth_model_stats stats;

	berth_model_stats(&stats);
	return stats;
}

#endif
