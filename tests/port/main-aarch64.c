/* SPDX-License-Identifier: BSD-2-Clause */
/* The suite on ports/aarch64, and what only that port has: on the boards of aarch64-boards.c, with up to 1 GiB and any -smp. */
#include <berth/aarch64.h>

#include "aarch64.h"

#define MIB 0x100000ul

static struct berth_range bank;

static const struct berth_range *nomap(void);

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
		static void *ranges[128];
		unsigned int nr = 0;

		while (nr < ARRAY_SIZE(ranges) && (ranges[nr] = berth_port_range_reserve(8 * MIB)))
			nr++;
		/* As much as there is RAM, less the pages between them. */
		CHECK_EQUAL(nr, bank.size / (8 * MIB) - 1);
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

static void test_ioremap_large(void)
{
	const struct aarch64_register *large = &aarch64_board->large;
	char __iomem *cookie;

	if (!large->phys) {
		conformance_skip("no registers of that size");
		return;
	}
	cookie = berth_port_ioremap(large->phys, 256 * MIB);
	CHECK_EQUAL(type_at(cookie, true), MEMORY_DEVICE);
	CHECK_EQUAL(type_at(cookie + 256 * MIB - 1, true), MEMORY_DEVICE);
	CHECK_EQUAL(type_at(cookie + 256 * MIB, true), NOT_MAPPED);
	CHECK_EQUAL(berth_port_read32(cookie), large->value);
	berth_port_iounmap(cookie);
	CHECK_EQUAL(type_at(cookie, false), NOT_MAPPED);
}

static void test_ioremap_types(void)
{
	const struct aarch64_register *first = &aarch64_board->first;
	const struct aarch64_register *second = &aarch64_board->second;
	char __iomem *part = berth_port_ioremap(first->phys, 4), *next;

	CHECK_EQUAL(type_at(part, true), MEMORY_DEVICE);
	CHECK_EQUAL(berth_port_read32(part), first->value);
	berth_port_iounmap(part);
	CHECK_EQUAL(type_at(part, false), NOT_MAPPED);
	/* The place is used again, and no CPU remembers what was there. */
	next = berth_port_ioremap(second->phys, 4);
	CHECK_EQUAL((uintptr_t)part >> 12, (uintptr_t)next >> 12);
	CHECK_EQUAL(berth_port_read32(next), second->value);
	berth_port_iounmap(next);

	CHECK(!berth_port_ioremap(bank.base, 4096));
	CHECK(!berth_port_ioremap(bank.base - 4096, 8192));
	CHECK(!berth_port_ioremap(nomap()->base - 4096, 8192));
	part = berth_port_ioremap(nomap()->base, 4096);
	CHECK_EQUAL(type_at(part, true), MEMORY_DEVICE);
	berth_port_iounmap(part);
	part = berth_port_ioremap_wc(nomap()->base, 4096);
	CHECK_EQUAL(type_at(part, true), MEMORY_UNCACHED);
	berth_port_iounmap(part);
	CHECK(!berth_port_ioremap(first->phys, 0));
	CHECK(!berth_port_ioremap(~0xffful, 8192));
	CHECK(!berth_port_ioremap(1ul << 52, 4096));
	/* RAM, or beyond what there are addresses for. */
	CHECK(!berth_port_ioremap(0x10001000, 1000 * MIB));
}

/* Pages until there are no more, and all of them back. */
static void test_ioremap_full(void)
{
	for (unsigned int round = 0; round < 2; round++) {
		static char __iomem *cookies[1100];
		unsigned int nr = 0;

		while (nr < 1100 && (cookies[nr] = berth_port_ioremap(
					     aarch64_board->first.phys & ~0xffful, 31 * 4096)))
			nr++;
		CHECK_EQUAL(nr, 255);
		while (nr)
			berth_port_iounmap(cookies[--nr]);
	}
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
	{ "aarch64: a large mapping of registers", test_ioremap_large },
	{ "aarch64: mappings of registers run out, and come back", test_ioremap_full },
	{ "aarch64: every CPU answers", test_cpus },
};

static struct conformance_test all_own[ARRAY_SIZE(own) + NR_AARCH64_BLOCKS + NR_AARCH64_IRQS];

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

static bool is_same(const char *text, const char *wanted, size_t length)
{
	while (length && *text == *wanted)
		text++, wanted++, length--;
	return !length;
}

static uint64_t number(const unsigned char *at, uint32_t cells)
{
	uint64_t value = 0;

	for (; cells--; at += 4)
		value = value << 32 | be32(at);
	return value;
}

/* The first bank of /memory: all that the suite needs of the device tree, but its root's compatible. */
static const char *read_tree(void)
{
	const unsigned char *fdt = berth_boot_tree();
	const unsigned char *at = fdt + be32(fdt + 8), *end = at + be32(fdt + 36);
	uint32_t address_cells = 0, size_cells = 0;
	const char *compatible = NULL;
	bool in_memory = false;

	while (at < end) {
		uint32_t token = be32(at);

		at += 4;
		if (token == 1) {
			size_t length = 0;

			while (at[length])
				length++;
			in_memory = is_same((const char *)at, "memory", 6);
			at += (length + 4) & ~3ul;
		} else if (token == 3) {
			uint32_t length = be32(at);
			const char *name = (const char *)fdt + be32(fdt + 12) + be32(at + 4);

			at += 8;
			/* Those of the root come first. */
			if (!compatible && is_same(name, "compatible", 11))
				compatible = (const char *)at;
			if (!address_cells && is_same(name, "#address-cells", 15))
				address_cells = be32(at);
			if (!size_cells && is_same(name, "#size-cells", 12))
				size_cells = be32(at);
			if (in_memory && is_same(name, "reg", 4) && !bank.size) {
				bank.base = number(at, address_cells);
				bank.size = number(at + 4 * address_cells, size_cells);
			}
			at += (length + 3) & ~3u;
		}
	}
	return compatible;
}

static struct berth_range hole;

static const struct berth_range *nomap(void)
{
	return &hole;
}

int main(void)
{
	struct conformance_env env = {
		.banks = &bank,
		.nr_banks = 1,
		.nomap = &hole,
		.nr_nomap = 1,
		.registers_size = 0x20,
		.run_on_other_cpu = berth_cpu_count() > 1 ? run_on_other_cpu : NULL,
		.join_other_cpu = join_other_cpu,
		.own = all_own,
		.nr_own = ARRAY_SIZE(all_own),
	};
	struct conformance_test *test = all_own;
	const char *compatible = read_tree();

	for (unsigned int i = 0; i < aarch64_nr_boards; i++)
		if (compatible && is_same(compatible, aarch64_boards[i].compatible,
					  aarch64_boards[i].compatible_length))
			aarch64_board = &aarch64_boards[i];
	if (!aarch64_board || !bank.size) {
		berth_port_print("Bail out! an unknown board\n", 27);
		return 1;
	}
	env.registers = aarch64_board->first.phys;
	env.registers_value = aarch64_board->first.value;
	/* Not aligned to the 2 MiB of a table. */
	hole.base = bank.base + 64 * MIB + 0x5000;
	hole.size = 3 * MIB + 0x1000;
	for (unsigned int i = 0; i < ARRAY_SIZE(own); i++)
		*test++ = own[i];
	for (unsigned int i = 0; i < NR_AARCH64_BLOCKS; i++)
		*test++ = aarch64_blocks[i];
	for (unsigned int i = 0; i < NR_AARCH64_IRQS; i++)
		*test++ = aarch64_irqs[i];
	return conformance_run(&env);
}
