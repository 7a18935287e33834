/* SPDX-License-Identifier: BSD-2-Clause */
/* The suite on ports/aarch64, and what only that port has: on QEMU's virt with any -m and -smp. */
#include <berth/aarch64.h>

#include "aarch64.h"

#define RAM 0x40000000ul
#define GICD 0x08000000ul
#define GICD_ISPENDR 0x200
#define GICD_ICFGR 0xc00
/* The PL031 clock: its registers are not used by the port, its match interrupt is SPI 2. */
#define RTC 0x09010000ul
#define RTC_DR 0x00
#define RTC_MR 0x04
#define RTC_IMSC 0x10
#define RTC_ICR 0x1c
#define RTC_ID 0xfe0
#define RTC_IRQ (32 + 2)
/* The console: the same offset, another value. */
#define UART 0x09000000ul
#define UART_ID 0xfe0
/* An SPI behind which is no device. */
#define FREE_IRQ (32 + 200)
#define MIB 0x100000ul

static char __iomem *gicd;
static char __iomem *rtc;

static const struct berth_range *nomap(void);
static uint64_t ram_size(void);

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
	/* Neither the address 0 nor what lies behind RAM. */
	CHECK_EQUAL(type_at(NULL, false), NOT_MAPPED);
	CHECK_EQUAL(type_at((char *)berth_port_linear.virt + berth_port_linear.size, false),
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
	for (unsigned int round = 0; round < 2; round++) {
		static void *ranges[64];
		unsigned int nr = 0;

		while (nr < ARRAY_SIZE(ranges) && (ranges[nr] = berth_port_range_reserve(8 * MIB)))
			nr++;
		/* As much as there is RAM, less the pages between them. */
		CHECK_EQUAL(nr, ram_size() / (8 * MIB) - 1);
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

static void test_ioremap_types(void)
{
	/* The PCI configuration space: 256 MiB, beyond what fits in 32 bits. */
	char __iomem *ecam = berth_port_ioremap(0x4010000000, 256 * MIB);
	char __iomem *part = berth_port_ioremap(RTC + 0xfe4, 4);

	CHECK_EQUAL(type_at(ecam, true), MEMORY_DEVICE);
	CHECK_EQUAL(type_at(ecam + 256 * MIB - 1, true), MEMORY_DEVICE);
	CHECK_EQUAL(type_at(ecam + 256 * MIB, true), NOT_MAPPED);
	/* QEMU's host bridge. */
	CHECK_EQUAL(berth_port_read32(ecam), 0x00081b36);
	CHECK_EQUAL(berth_port_read32(part), 0x10);
	berth_port_iounmap(ecam);
	berth_port_iounmap(part);
	CHECK_EQUAL(type_at(ecam, false), NOT_MAPPED);
	CHECK_EQUAL(type_at(part, false), NOT_MAPPED);

	/* The place is used again, and no CPU remembers what was there. */
	part = berth_port_ioremap(RTC + RTC_ID, 4);
	CHECK_EQUAL(berth_port_read32(part), 0x31);
	berth_port_iounmap(part);
	CHECK(berth_port_ioremap(UART + UART_ID, 4) == part);
	CHECK_EQUAL(berth_port_read32(part), 0x11);
	berth_port_iounmap(part);

	CHECK(!berth_port_ioremap(RAM, 4096));
	CHECK(!berth_port_ioremap(RAM - 4096, 8192));
	CHECK(!berth_port_ioremap(nomap()->base - 4096, 8192));
	part = berth_port_ioremap(nomap()->base, 4096);
	CHECK_EQUAL(type_at(part, true), MEMORY_DEVICE);
	berth_port_iounmap(part);
	part = berth_port_ioremap_wc(nomap()->base, 4096);
	CHECK_EQUAL(type_at(part, true), MEMORY_UNCACHED);
	berth_port_iounmap(part);
	CHECK(!berth_port_ioremap(RTC, 0));
	CHECK(!berth_port_ioremap(~0xffful, 8192));
	CHECK(!berth_port_ioremap(1ul << 52, 4096));
	CHECK(!berth_port_ioremap(0x10001000, 1000 * MIB));
}

/* Pages until there are no more, and all of them back. */
static void test_ioremap_full(void)
{
	for (unsigned int round = 0; round < 2; round++) {
		static char __iomem *cookies[1100];
		unsigned int nr = 0;

		while (nr < 1100 && (cookies[nr] = berth_port_ioremap(0x10000000, 31 * 4096)))
			nr++;
		CHECK_EQUAL(nr, 255);
		while (nr)
			berth_port_iounmap(cookies[--nr]);
	}
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
	CHECK_EQUAL(-berth_port_irq_unmask(1020, false), EINVAL);
}

static void calm_rtc(void)
{
	berth_port_write32(rtc + RTC_ICR, 1);
}

/* A line that stays up until the device is told: the clock's match with the present second. */
static void test_irq_level(void)
{
	rtc = berth_port_ioremap(RTC, 0x1000);
	conformance_irq.irq = RTC_IRQ;
	conformance_irq.count = 0;
	conformance_irq.acknowledge = calm_rtc;
	CHECK_EQUAL(berth_port_irq_unmask(RTC_IRQ, true), 0);
	berth_port_write32(rtc + RTC_IMSC, 1);
	berth_port_write32(rtc + RTC_MR, berth_port_read32(rtc + RTC_DR));
	CHECK(irq_comes(0));
	berth_port_delay(1000000);
	CHECK_EQUAL(conformance_irq.count, 1);
	berth_port_write32(rtc + RTC_IMSC, 0);
	berth_port_irq_mask(RTC_IRQ);
	conformance_irq.acknowledge = NULL;
	berth_port_iounmap(rtc);
}

static void nothing(void *arg)
{
	(void)arg;
}

static void test_cpus(void)
{
	unsigned int nr = berth_cpu_count();

	CHECK(nr >= 1 && nr <= BERTH_PORT_MAX_SLOTS);
	CHECK_EQUAL(-berth_cpu_start(0, nothing, NULL), EINVAL);
	CHECK_EQUAL(-berth_cpu_start(nr, nothing, NULL), EINVAL);
	for (unsigned int cpu = 1; cpu < nr; cpu++) {
		CHECK_EQUAL(berth_cpu_start(cpu, nothing, NULL), 0);
		berth_cpu_join(cpu);
	}
}

static const struct conformance_test own[] = {
	{ "aarch64: the MMU has the types that were asked for", test_types },
	{ "aarch64: what is not to be mapped is not", test_holes },
	{ "aarch64: the image is protected", test_image },
	{ "aarch64: a range has the types asked for, and nothing around it", test_range_types },
	{ "aarch64: ranges run out, and come back", test_ranges_full },
	{ "aarch64: registers are device memory, in bounds", test_ioremap_types },
	{ "aarch64: mappings of registers run out, and come back", test_ioremap_full },
	{ "aarch64: an edge triggered interrupt", test_irq_edge },
	{ "aarch64: a level triggered interrupt", test_irq_level },
	{ "aarch64: every CPU answers", test_cpus },
};

static struct conformance_test all_own[ARRAY_SIZE(own) + NR_AARCH64_BLOCKS];

static int run_on_other_cpu(void (*fn)(void *), void *arg)
{
	return berth_cpu_start(1, fn, arg);
}

static void join_other_cpu(void)
{
	berth_cpu_join(1);
}

static uint32_t be32(const unsigned char *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* /memory@40000000's size: all that the suite needs of the device tree. */
static uint64_t ram_size(void)
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
			at += (length + 4) & ~3ul;
		} else if (token == 3) {
			uint32_t length = be32(at);
			const char *name = (const char *)fdt + be32(fdt + 12) + be32(at + 4);

			if (in_memory && name[0] == 'r' && name[1] == 'e' && name[2] == 'g')
				return (uint64_t)be32(at + 16) << 32 | be32(at + 20);
			at += 8 + ((length + 3) & ~3u);
		}
	}
	return 0;
}

static struct berth_range hole;

static const struct berth_range *nomap(void)
{
	return &hole;
}

int main(void)
{
	struct berth_range bank = { .base = RAM, .size = ram_size() };
	struct conformance_env env = {
		.banks = &bank,
		.nr_banks = 1,
		.nomap = &hole,
		.nr_nomap = 1,
		.registers = RTC + RTC_ID,
		.registers_size = 0x20,
		.registers_value = 0x31,
		.run_on_other_cpu = berth_cpu_count() > 1 ? run_on_other_cpu : NULL,
		.join_other_cpu = join_other_cpu,
		.own = all_own,
		.nr_own = ARRAY_SIZE(all_own),
	};

	/* Not aligned to the 2 MiB of a table. */
	hole.base = RAM + 64 * MIB + 0x5000;
	hole.size = 3 * MIB + 0x1000;
	for (unsigned int i = 0; i < ARRAY_SIZE(own); i++)
		all_own[i] = own[i];
	for (unsigned int i = 0; i < NR_AARCH64_BLOCKS; i++)
		all_own[ARRAY_SIZE(own) + i] = aarch64_blocks[i];
	return conformance_run(&env);
}
