/* SPDX-License-Identifier: BSD-2-Clause */
/* The suite on ports/arm, and what only that port has: on QEMU's xilinx-zynq-a9 with any -m. */
#include <berth/arm.h>

#include "arm.h"
#include "suite.h"

#define GICD 0xf8f01000u
#define GICD_ISPENDR 0x200
#define GICD_ICFGR 0xc00
/* The second UART: the port does not use it. Its interrupt "nothing to send" is always there. */
#define UART 0xe0001000u
#define UART_IER 0x08
#define UART_IDR 0x0c
#define UART_IRQ (32 + 50)
#define UART_TX_EMPTY (1u << 3)
/* The DMA controller's identity. */
#define DMAC_ID 0xf8003fe0u
#define DMAC_ID_VALUE 0x30
#define L2_CONTROL 0x100
#define L2_SYNC 0x730
#define L2_INVALIDATE 0x770
#define L2_CLEAN 0x7b0
#define L2_FLUSH 0x7f0
/* An SPI behind which is no device. */
#define FREE_IRQ (32 + 60)
#define MIB 0x100000u

static char __iomem *gicd;
static char __iomem *uart;
static struct berth_range hole;

static const struct berth_range *nomap(void)
{
	return &hole;
}

static uint64_t ram_size(void)
{
	return conformance_env->banks[0].size;
}

static void test_types(void)
{
	unsigned char *pages = conformance_pages(3);
	void *mapping;

	if (!pages)
		return;
	CHECK_EQUAL(type_at(pages, true), MEMORY_CACHED);
	mapping = berth_port_remap(conformance_phys(pages + 4096), 4096, BERTH_MEMORY_UNCACHED);
	CHECK_EQUAL(type_at(mapping, true), MEMORY_UNCACHED);
	CHECK_EQUAL(type_at(pages + 4096, true), MEMORY_UNCACHED);
	CHECK_EQUAL(type_at(pages + 4095, true), MEMORY_CACHED);
	CHECK_EQUAL(type_at(pages + 8192, true), MEMORY_CACHED);
	/* It is uncached already. */
	CHECK(!berth_port_remap(conformance_phys(pages), 8192, BERTH_MEMORY_UNCACHED));
	berth_port_unremap(mapping, conformance_phys(pages + 4096), 4096);
	CHECK_EQUAL(type_at(pages + 4096, true), MEMORY_CACHED);
}

static void test_holes(void)
{
	phys_addr_t base = nomap()->base, size = nomap()->size;
	const char *at = conformance_virt(base);
	void *mapping;

	CHECK_EQUAL(type_at(at - 1, true), MEMORY_CACHED);
	CHECK_EQUAL(type_at(at, false), NOT_MAPPED);
	CHECK_EQUAL(type_at(at + size - 1, false), NOT_MAPPED);
	CHECK_EQUAL(type_at(at + size, true), MEMORY_CACHED);
	mapping = berth_port_remap(base, size, BERTH_MEMORY_WRITE_COMBINE);
	CHECK(mapping == at);
	CHECK_EQUAL(type_at(at, true), MEMORY_UNCACHED);
	CHECK_EQUAL(type_at(at + size - 1, true), MEMORY_UNCACHED);
	berth_port_unremap(mapping, base, size);
	CHECK_EQUAL(type_at(at, false), NOT_MAPPED);
	/* Half of it in the linear map. */
	CHECK(!berth_port_remap(base - 4096, 8192, BERTH_MEMORY_UNCACHED));
	/* Nothing is cached of what is not mapped: there is nothing to do, and no fault. */
	berth_port_cache_clean(base + 3, 5000);
	berth_port_cache_invalidate(base + 3, 5000);
	berth_port_cache_flush(base + 3, 5000);
	/* Neither the address 0, nor where the image was entered, nor what lies behind RAM. */
	CHECK_EQUAL(type_at((void *)MIB, false), NOT_MAPPED);
	CHECK_EQUAL(type_at(NULL, false), NOT_MAPPED);
	CHECK_EQUAL(type_at((char *)berth_port_linear.virt + (uintptr_t)berth_port_linear.size,
			    false),
		    NOT_MAPPED);
}

/* Of a range and of the pages around it. */
static void check_range(const char *range, int type)
{
	CHECK_EQUAL(type_at(range - 1, false), NOT_MAPPED);
	CHECK_EQUAL(type_at(range, type != NOT_MAPPED), type);
	CHECK_EQUAL(type_at(range + 8191, type != NOT_MAPPED), type);
	CHECK_EQUAL(type_at(range + 8192, false), NOT_MAPPED);
}

static void test_range_types(void)
{
	static const enum berth_memory_type types[] = {
		BERTH_MEMORY_CACHED,
		BERTH_MEMORY_UNCACHED,
		BERTH_MEMORY_WRITE_COMBINE,
	};
	static const int hardware[] = { MEMORY_CACHED, MEMORY_UNCACHED, MEMORY_UNCACHED };
	char *range = berth_port_range_reserve(8192), *pages = conformance_pages(2);
	phys_addr_t base = nomap()->base;

	check_range(range, NOT_MAPPED);
	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++) {
		CHECK_EQUAL(berth_port_range_map(range, base, 8192, types[i]), 0);
		check_range(range, hardware[i]);
		/* Another type beside it. */
		if (types[i] == BERTH_MEMORY_CACHED)
			CHECK(!berth_port_remap(base, 4096, BERTH_MEMORY_UNCACHED));
		CHECK_EQUAL(type_at(conformance_virt(base), false), NOT_MAPPED);
		berth_port_range_unmap(range, base, 8192, types[i]);
		check_range(range, NOT_MAPPED);
	}
	CHECK_EQUAL(berth_port_range_map(range, conformance_phys(pages), 8192, BERTH_MEMORY_CACHED),
		    0);
	check_range(range, MEMORY_CACHED);
	/* What is not cached in the linear map is not cached here. */
	berth_port_range_unmap(range, conformance_phys(pages), 8192, BERTH_MEMORY_CACHED);
	CHECK(berth_port_remap(conformance_phys(pages) + 4096, 4096, BERTH_MEMORY_UNCACHED));
	CHECK(berth_port_range_map(range, conformance_phys(pages), 8192, BERTH_MEMORY_CACHED));
	check_range(range, NOT_MAPPED);
	berth_port_unremap(pages + 4096, conformance_phys(pages) + 4096, 4096);
	berth_port_range_release(range, 8192);
}

/* Until there is no more, and all of it back. */
static void test_ranges_full(void)
{
	uint64_t size = ram_size();

	for (unsigned int round = 0; round < 2; round++) {
		static void *ranges[64];
		unsigned int nr = 0;

		while (nr < ARRAY_SIZE(ranges) && (ranges[nr] = berth_port_range_reserve(8 * MIB)))
			nr++;
		/* As much as there is RAM, but 512 MiB at most, less the pages between them. */
		CHECK_EQUAL(nr, (size < 512 * MIB ? size : 512 * MIB) / (8 * MIB) - 1);
		while (nr)
			berth_port_range_release(ranges[--nr], 8 * MIB);
	}
}

static void test_image(void)
{
	static const int constant = 1;
	static int variable = 1;

	CHECK_EQUAL(type_at((const void *)test_image, false), MEMORY_CACHED);
	CHECK_EQUAL(type_at((const void *)test_image, true), NOT_MAPPED);
	CHECK_EQUAL(type_at(&constant, false), MEMORY_CACHED);
	CHECK_EQUAL(type_at(&constant, true), NOT_MAPPED);
	CHECK_EQUAL(type_at(&variable, true), MEMORY_CACHED);
}

/* A MiB of which all is alike is a section again, and a part of it may change at any time. */
static void test_sections(void)
{
	phys_addr_t mib = 96ull * MIB, page = mib + 0x5000;
	const char *at = conformance_virt(mib);
	void *mapping;

	CHECK(is_section(at));
	CHECK(berth_port_remap(page, 4096, BERTH_MEMORY_UNCACHED));
	CHECK(!is_section(at));
	CHECK(is_section(at + MIB) && is_section(at - 1));
	CHECK_EQUAL(type_at(at + 0x4fff, true), MEMORY_CACHED);
	CHECK_EQUAL(type_at(at + 0x5000, true), MEMORY_UNCACHED);
	CHECK_EQUAL(type_at(at + 0x6000, true), MEMORY_CACHED);
	CHECK(!berth_port_remap(mib, MIB, BERTH_MEMORY_UNCACHED));
	berth_port_unremap(conformance_virt(page), page, 4096);
	CHECK(is_section(at));
	/* From the middle of one to the middle of the next but one. */
	mapping = berth_port_remap(mib + MIB / 2, 2 * MIB, BERTH_MEMORY_WRITE_COMBINE);
	CHECK(mapping == at + MIB / 2);
	CHECK_EQUAL(type_at(at + MIB / 2 - 1, true), MEMORY_CACHED);
	CHECK_EQUAL(type_at(at + MIB / 2, true), MEMORY_UNCACHED);
	CHECK_EQUAL(type_at(at + MIB, true), MEMORY_UNCACHED);
	CHECK_EQUAL(type_at(at + MIB / 2 * 5 - 1, true), MEMORY_UNCACHED);
	CHECK_EQUAL(type_at(at + MIB / 2 * 5, true), MEMORY_CACHED);
	/* A part of it is given back. */
	berth_port_unremap(conformance_virt(mib + MIB), mib + MIB, 4096);
	CHECK_EQUAL(type_at(at + MIB - 1, true), MEMORY_UNCACHED);
	CHECK_EQUAL(type_at(at + MIB, true), MEMORY_CACHED);
	CHECK_EQUAL(type_at(at + MIB + 4096, true), MEMORY_UNCACHED);
	berth_port_unremap(mapping, mib + MIB / 2, MIB / 2);
	berth_port_unremap(mapping, mib + MIB + 4096, 3 * MIB / 2 - 4096);
	for (unsigned int i = 0; i < 3; i++)
		CHECK(is_section(at + i * MIB));
	/* Memory of the image itself stays what it is. */
	CHECK(!berth_port_remap(conformance_phys(&hole) & ~0xfffull, 4096, BERTH_MEMORY_UNCACHED));
}

static void test_ioremap_types(void)
{
	char __iomem *all = berth_port_ioremap(0xf8000000u, 8 * MIB);
	char __iomem *part = berth_port_ioremap(DMAC_ID + 4, 4);

	CHECK_EQUAL(type_at(all, true), MEMORY_DEVICE);
	CHECK_EQUAL(type_at(all + 8 * MIB - 1, true), MEMORY_DEVICE);
	CHECK_EQUAL(type_at(all + 8 * MIB, true), NOT_MAPPED);
	CHECK_EQUAL(type_at(all - 1, true), NOT_MAPPED);
	CHECK_EQUAL(berth_port_read32(all + (DMAC_ID - 0xf8000000u)), DMAC_ID_VALUE);
	CHECK_EQUAL(berth_port_read32(part), 0x13);
	berth_port_iounmap(all);
	berth_port_iounmap(part);
	CHECK_EQUAL(type_at(all, false), NOT_MAPPED);
	CHECK_EQUAL(type_at(part, false), NOT_MAPPED);

	CHECK(!berth_port_ioremap(0, 4096));
	CHECK(!berth_port_ioremap(ram_size() - 4096, 8192));
	CHECK(!berth_port_ioremap(nomap()->base - 4096, 8192));
	part = berth_port_ioremap(nomap()->base, 4096);
	CHECK_EQUAL(type_at(part, true), MEMORY_DEVICE);
	berth_port_iounmap(part);
	part = berth_port_ioremap_wc(nomap()->base, 4096);
	CHECK_EQUAL(type_at(part, true), MEMORY_UNCACHED);
	berth_port_iounmap(part);
	/* The last page there is, and what addresses of 32 bits do not reach. */
	part = berth_port_ioremap(0xfffff000u, 4096);
	CHECK_EQUAL(type_at(part, true), MEMORY_DEVICE);
	berth_port_iounmap(part);
	CHECK(!berth_port_ioremap(DMAC_ID, 0));
	CHECK(!berth_port_ioremap(0xfffff000u, 8192));
	CHECK(!berth_port_ioremap(1ull << 32, 4096));
	CHECK(!berth_port_ioremap(0xe0000000u, 16 * MIB));
	CHECK(!berth_port_ioremap(0xe0000000u, UINT64_MAX));
}

/* Pages until there are no more, and all of them back. */
static void test_ioremap_full(void)
{
	for (unsigned int round = 0; round < 2; round++) {
		static char __iomem *cookies[200];
		unsigned int nr = 0;

		while (nr < 200 && (cookies[nr] = berth_port_ioremap(0xe0000000u, 31 * 4096)))
			nr++;
		CHECK_EQUAL(nr, 15 * 256 / 32 - 1);
		while (nr)
			berth_port_iounmap(cookies[--nr]);
	}
}

/* RAM in the place of the outer cache's registers: which the port writes, and what. */
static void test_outer_cache(void)
{
	static uint32_t registers[1024] __attribute__((aligned(4096)));
	uint32_t *entry = page_entry((void *)0xf0f03000u), before = *entry;
	const uint32_t *reg = registers;
	phys_addr_t at;

	*entry = ((uint32_t)conformance_phys(registers)) | (before & 0xfff);
	__asm__ volatile("dsb\n\tmcr p15, 0, %0, c8, c7, 0\n\tdsb\n\tisb" ::"r"(0) : "memory");
	registers[L2_CONTROL / 4] = 1;
	conformance_stop();
	CHECK_EQUAL(conformance_start(), 0);
	at = conformance_phys(conformance_pages(1));
	registers[L2_SYNC / 4] = 1;
	berth_port_cache_clean(at + 5, 64);
	__asm__ volatile("" ::: "memory");
	CHECK_EQUAL(reg[L2_CLEAN / 4], at + 64);
	CHECK_EQUAL(reg[L2_SYNC / 4], 0);
	CHECK_EQUAL(reg[L2_FLUSH / 4], 0);
	berth_port_cache_flush(at + 4000, 96);
	__asm__ volatile("" ::: "memory");
	CHECK_EQUAL(reg[L2_FLUSH / 4], at + 4064);
	CHECK_EQUAL(reg[L2_INVALIDATE / 4], 0);
	/* The first line and the last one are not whole. */
	berth_port_cache_invalidate(at + 100, 100);
	__asm__ volatile("" ::: "memory");
	CHECK_EQUAL(reg[L2_FLUSH / 4], at + 192);
	CHECK_EQUAL(reg[L2_INVALIDATE / 4], at + 160);
	CHECK_EQUAL(reg[L2_CLEAN / 4], at + 64);
	registers[L2_SYNC / 4] = 1;
	berth_port_wmb();
	CHECK_EQUAL(reg[L2_SYNC / 4], 0);
	*entry = before;
	conformance_stop();
	CHECK_EQUAL(conformance_start(), 0);
}

static bool is_edge(unsigned int irq)
{
	return berth_port_read32(gicd + GICD_ICFGR + irq / 16 * 4) >> (irq % 16 * 2) & 2;
}

static void pend(unsigned int irq)
{
	berth_port_write32(gicd + GICD_ISPENDR + irq / 32 * 4, 1u << irq % 32);
}

static bool irq_comes(uint32_t before)
{
	uint64_t deadline = berth_port_now() + 1000000000;
	int ret = 0;

	while (!ret && __atomic_load_n(&conformance_irq.count, __ATOMIC_SEQ_CST) == before)
		ret = berth_port_wait(&conformance_irq.count, before, deadline);
	return !ret;
}

static void test_irq_edge(void)
{
	unsigned long flags;

	gicd = berth_port_ioremap(GICD, 0x10000);
	conformance_irq.irq = FREE_IRQ;
	conformance_irq.count = 0;
	CHECK_EQUAL(berth_port_irq_unmask(FREE_IRQ, false), 0);
	for (uint32_t i = 0; i < 100; i++) {
		pend(FREE_IRQ);
		if (!CHECK(irq_comes(i)))
			break;
	}
	/* Held back, and then let through. */
	flags = berth_port_irq_save();
	pend(FREE_IRQ);
	berth_port_delay(1000000);
	CHECK_EQUAL(conformance_irq.count, 100);
	berth_port_irq_restore(flags);
	CHECK(irq_comes(100));
	berth_port_irq_mask(FREE_IRQ);
	pend(FREE_IRQ);
	berth_port_delay(1000000);
	CHECK_EQUAL(conformance_irq.count, 101);
	CHECK_EQUAL(berth_port_irq_unmask(FREE_IRQ, false), 0);
	CHECK(irq_comes(101));
	berth_port_irq_mask(FREE_IRQ);
	CHECK_EQUAL(conformance_irq.count, 102);
	CHECK(is_edge(FREE_IRQ) && !is_edge(FREE_IRQ - 1) && !is_edge(FREE_IRQ + 1));
	CHECK_EQUAL(berth_port_irq_unmask(FREE_IRQ, true), 0);
	CHECK(!is_edge(FREE_IRQ));
	berth_port_irq_mask(FREE_IRQ);
	berth_port_iounmap(gicd);
	/* The port's own, and those that are no device's. */
	CHECK_EQUAL(-berth_port_irq_unmask(27, true), EINVAL);
	CHECK_EQUAL(-berth_port_irq_unmask(0, false), EINVAL);
	CHECK_EQUAL(-berth_port_irq_unmask(1019, false), EINVAL);
}

static void calm_uart(void)
{
	berth_port_write32(uart + UART_IDR, UART_TX_EMPTY);
}

/* A line that stays up until the device is told. */
static void test_irq_level(void)
{
	uart = berth_port_ioremap(UART, 0x1000);
	conformance_irq.irq = UART_IRQ;
	conformance_irq.count = 0;
	conformance_irq.acknowledge = calm_uart;
	CHECK_EQUAL(berth_port_irq_unmask(UART_IRQ, true), 0);
	for (uint32_t i = 0; i < 3; i++) {
		berth_port_write32(uart + UART_IER, UART_TX_EMPTY);
		CHECK(irq_comes(i));
		berth_port_delay(1000000);
		CHECK_EQUAL(conformance_irq.count, i + 1);
	}
	berth_port_irq_mask(UART_IRQ);
	conformance_irq.acknowledge = NULL;
	berth_port_iounmap(uart);
}

/* What the C compiler makes calls of, and what it must not make a call of. */
static void test_arithmetic(void)
{
	volatile uint64_t big = 0xfedcba9876543210, divisor = 10000000019;
	volatile int64_t negative = -1000000000007;
	volatile uint32_t word = 1000003, small = 17;
	static _Atomic uint64_t atomic = 0xffffffff;

	CHECK_EQUAL(big / divisor, 1836475850ull);
	CHECK_EQUAL(big % divisor, big - 1836475850ull * divisor);
	CHECK_EQUAL(-(negative / 3), 333333333335ull);
	CHECK_EQUAL(-(negative % 1000), 7);
	CHECK_EQUAL(word / small, 58823);
	CHECK_EQUAL(word % small, 12);
	CHECK_EQUAL(__atomic_add_fetch(&atomic, 1, __ATOMIC_SEQ_CST), 1ull << 32);
	CHECK_EQUAL(__atomic_exchange_n(&atomic, big, __ATOMIC_SEQ_CST), 1ull << 32);
	CHECK_EQUAL(__atomic_load_n(&atomic, __ATOMIC_SEQ_CST), big);
}

static uint32_t pages_left;

static phys_addr_t alloc_few_pages(void)
{
	return pages_left ? 8 * MIB - 4096 * pages_left-- : 0;
}

/* However few pages there are for tables: all is as at boot again. How many are needed, too. */
static void test_few_pages(void)
{
	/* A table of 1 KiB for each MiB of RAM, but those of the image, and for each of ranges. */
	const uint64_t ranges = ram_size() < 512 * MIB ? ram_size() : 512 * MIB;
	const uint64_t needed = (ram_size() / MIB - 16 + ranges / MIB + 3) / 4;
	const struct berth_port_ram ram = {
		.banks = conformance_env->banks,
		.nr_banks = 1,
		.mapped = conformance_env->banks,
		.nr_mapped = 1,
		.alloc_page = alloc_few_pages,
	};
	uint32_t *top = (uint32_t *)(RAM_VIRT + 100 * MIB);
	int ret = -ENOMEM;

	conformance_stop();
	for (uint32_t pages = 0; pages < 1000 && ret == -ENOMEM; pages++) {
		const void *fdt = NULL;

		CHECK_EQUAL(berth_port_start(&fdt, NULL, NULL), 0);
		pages_left = pages;
		*top = pages;
		ret = berth_port_ram(&ram);
		if (!ret)
			CHECK_EQUAL(pages, needed);
		else
			CHECK(!berth_port_linear.size && !berth_port_range_reserve(4096));
		CHECK_EQUAL(*top, pages);
		CHECK(is_section(top));
		berth_port_stop();
		CHECK_EQUAL(*top, pages);
	}
	CHECK_EQUAL(ret, 0);
	CHECK_EQUAL(conformance_start(), 0);
}

static const struct conformance_test own[] = {
	{ "arm: the MMU has the types that were asked for", test_types },
	{ "arm: what is not to be mapped is not", test_holes },
	{ "arm: sections come apart, and together again", test_sections },
	{ "arm: the image is protected", test_image },
	{ "arm: a range has the types asked for, and nothing around it", test_range_types },
	{ "arm: ranges run out, and come back", test_ranges_full },
	{ "arm: registers are device memory, in bounds", test_ioremap_types },
	{ "arm: mappings of registers run out, and come back", test_ioremap_full },
	{ "arm: an edge triggered interrupt", test_irq_edge },
	{ "arm: a level triggered interrupt", test_irq_level },
	{ "arm: divisions and atomic accesses of 64 bits", test_arithmetic },
	{ "arm: whatever page for tables is missing, all is put back", test_few_pages },
	{ "arm: the outer cache is maintained where it is on", test_outer_cache },
};

static uint32_t be32(const unsigned char *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* /memory@0's size: all that the suite needs of the device tree. */
static uint64_t memory_size(void)
{
	const unsigned char *fdt = berth_boot_tree();
	const unsigned char *at = fdt + be32(fdt + 8), *end = at + be32(fdt + 36);
	bool in_memory = false;

	while (at < end) {
		uint32_t token = be32(at);

		at += 4;
		if (token == 1) {
			const char *name = (const char *)at;
			size_t length = 0;

			while (name[length])
				length++;
			in_memory = length > 7 && name[0] == 'm' && name[1] == 'e' &&
				    name[2] == 'm' && name[6] == '@';
			at += (length + 4) & ~3u;
		} else if (token == 3) {
			uint32_t length = be32(at);
			const char *name = (const char *)fdt + be32(fdt + 12) + be32(at + 4);

			if (in_memory && name[0] == 'r' && name[1] == 'e' && name[2] == 'g')
				return be32(at + 12);
			at += 8 + ((length + 3) & ~3u);
		}
	}
	return 0;
}

int main(void)
{
	struct berth_range bank = { .base = 0, .size = memory_size() };
	struct conformance_env env = {
		.banks = &bank,
		.nr_banks = 1,
		.nomap = &hole,
		.nr_nomap = 1,
		.registers = DMAC_ID,
		.registers_size = 0x20,
		.registers_value = DMAC_ID_VALUE,
		.own = own,
		.nr_own = ARRAY_SIZE(own),
	};

	/* Not aligned to a section. */
	hole.base = 64 * MIB + 0x5000;
	hole.size = 3 * MIB + 0x1000;
	return conformance_run(&env);
}
