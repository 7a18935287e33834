// SPDX-License-Identifier: BSD-2-Clause
/* The modelled SMMU: tables of all shapes, faults, and what devices see of
 * them. */
#include "smmu.h"

/* One shape of tables: a leaf at @level, reached, and nothing beside it. */
static void try_leaf(unsigned int shift, unsigned int bits, unsigned int level)
{
	const struct tables shape = new_tables(shift, bits);
	uint64_t size = 1ull << table_bits(&shape, level);
	uint64_t base = DATA & ~(size - 1), inside = DATA - base;
	uint64_t va = bits < 48 && table_bits(&shape, level) >= bits ? 0 : size;
	uint64_t last = (1ull << bits) - size;

	set_stream(SID, &shape, 5);
	map_at(&shape, va, base, level, PTE_PLAIN);
	map_at(&shape, last, base, level, PTE_PLAIN);
	must_command(TLBI_NSNH, 0);
	assert_int_equal(dev_write(behind, va + inside + 0x234, (int)shift, 4), 0);
	assert_int_equal(dev_read(plain, DATA + 0x234), shift);
	assert_int_equal(dev_read(behind, last + inside + 0x235), shift);
	if (va) {
		assert_int_equal(dev_write(behind, va - 8, 1, 8), -EFAULT);
		assert_event(0x10, SID, EVENT_WRITE, va - 8, 0);
	}
	if (va + size < last) {
		assert_int_equal(dev_read(behind, va + size), -EFAULT);
		assert_event(0x10, SID, EVENT_READ, va + size, 0);
	}
	/* Beyond the tables' addresses. */
	assert_int_equal(dev_read(behind, 1ull << bits), -EFAULT);
	assert_event(0x10, SID, EVENT_READ, 1ull << bits, 0);
	assert_int_equal(dev_read(behind, (1ull << 63) + va), -EFAULT);
	assert_event(0x10, SID, EVENT_READ, (1ull << 63) + va, 0);
	table_end = TABLES;
}

static void all_granules_sizes_and_levels(void **state)
{
	static const unsigned int sizes[] = { 25, 31, 32, 36, 39, 40, 42, 47, 48 };

	(void)state;
	smmu_boot_with(NULL, false, 1);
	for (unsigned int shift = 12; shift <= 16; shift += 2) {
		for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
			const struct tables shape = { shift, sizes[i], 0 };

			for (unsigned int level = root_level(&shape); level <= 3; level++)
				if (level == 3 || level == 2 || (level == 1 && shift == 12))
					try_leaf(shift, sizes[i], level);
		}
	}
	smmu_halt();
}

/* Descriptors that are no blocks at their level. */
static void where_there_are_no_blocks(void **state)
{
	static const struct {
		unsigned int shift, level;
	} none[] = { { 12, 0 }, { 14, 0 }, { 14, 1 }, { 16, 1 }, { 12, 3 }, { 14, 3 }, { 16, 3 } };

	(void)state;
	smmu_boot_with(NULL, false, 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(none); i++) {
		struct tables shape = new_tables(none[i].shift, 48);

		set_stream(SID, &shape, 5);
		poke(descriptor(&shape, IOVA, none[i].level), DATA | PTE_PLAIN | PTE_BLOCK);
		must_command(TLBI_ALL, 0);
		assert_int_equal(dev_read(behind, IOVA), -EFAULT);
		assert_event(0x10, SID, EVENT_READ, IOVA, 0);
	}
	smmu_halt();
}

static void the_upper_half_and_the_top_byte(void **state)
{
	const struct tables low = { 12, 39, 0 };
	struct tables high;

	(void)state;
	smmu_boot_with(NULL, false, 1);
	high = new_tables(14, 40);
	set_stream(SID, &low, 5);
	/* Only the upper half, of 16 KiB pages; the top byte tells nothing. */
	poke(cd_of(SID), CD_PLAIN | CD_EPD0 | 24ull << 16 | 1ull << 22 | 2ull << 38 | 5ull << 48);
	poke(cd_of(SID) + 16, high.root);
	map(&high, 0xffffff8000004000, DATA);
	must_command(CFGI_ALL, 31);
	assert_int_equal(dev_write(behind, 0xffffff8000004010, 0x31, 1), 0);
	assert_int_equal(dev_write(behind, 0x12ffff8000004011, 0x32, 1), 0);
	assert_int_equal(dev_read(plain, DATA + 0x11), 0x32);
	assert_int_equal(smmu_stats().iotlb_hits, 1);
	assert_int_equal(dev_read(behind, 0x8000004000), -EFAULT);
	assert_event(0x10, SID, EVENT_READ, 0x8000004000, 0);
	assert_int_equal(dev_read(behind, 0xfffffe8000004000), -EFAULT);
	assert_event(0x10, SID, EVENT_READ, 0xfffffe8000004000, 0);
	/* A range that goes beyond the last address ends there. */
	map(&high, 0xffffffffffffc000, DATA);
	assert_true(dev_read(behind, 0xffffffffffffc000) >= 0);
	unmap(&high, 0xffffffffffffc000);
	tlbi_range(0xffffffffffff8000, 32, 0, 2, 0, true);
	assert_int_equal(dev_read(behind, 0xffffffffffffc000), -EFAULT);
	assert_event(0x10, SID, EVENT_READ, 0xffffffffffffc000, 0);
	/* It tells, again. */
	poke(cd_of(SID), CD_PLAIN | CD_EPD0 | 24ull << 16 | 1ull << 22 | 5ull << 48);
	must_command(CFGI_CD | (uint64_t)SID << 32, 1);
	assert_int_equal(dev_read(behind, 0x12ffff8000004011), -EFAULT);
	assert_event(0x10, SID, EVENT_READ, 0x12ffff8000004011, 0);
	smmu_halt();
}

static void forbidden(bool is_write, uint32_t type)
{
	int ret = is_write ? dev_write(behind, IOVA + 0x18, 1, 4) : dev_read(behind, IOVA + 0x18);

	assert_int_equal(ret, -EFAULT);
	assert_event(type, SID, is_write ? EVENT_WRITE : EVENT_READ, IOVA + 0x18, 0);
}

static void allowed(bool is_write)
{
	assert_int_equal(is_write ? dev_write(behind, IOVA, 0, 4) : dev_read(behind, IOVA), 0);
	assert_no_event();
}

static void permissions_of_pages(void **state)
{
	(void)state;
	boot();
	map_at(&tables, IOVA, DATA, 3, PTE_PLAIN | PTE_RO);
	forbidden(true, 0x13); /* from the walk, */
	allowed(false);
	forbidden(true, 0x13); /* and from the IOTLB */
	/* A device has no privilege, unless its stream has. */
	map_at(&tables, IOVA, DATA, 3, PTE_AF | PTE_NG);
	tlbi_va(5, IOVA, true);
	forbidden(false, 0x13);
	set_ste(SID, cd_of(SID) | 5 << 1 | 1, 3ull << 48);
	must_command(CFGI_ALL, 31);
	allowed(true);
	/* PAN: the privileged keep out of what others may use. */
	poke(cd_of(SID), cd_word(&tables, 5) | 1ull << 40);
	must_command(CFGI_ALL, 31);
	allowed(true);
	map(&tables, IOVA, DATA);
	tlbi_va(5, IOVA, true);
	forbidden(true, 0x13);
	smmu_halt();
}

static void permissions_of_tables(void **state)
{
	uint64_t at, plain_word;

	(void)state;
	boot();
	for (unsigned int level = 0; level < 3; level++) {
		at = descriptor(&tables, IOVA, level);
		plain_word = peek(at);
		poke(at, plain_word | 1ull << 62); /* read-only */
		must_command(TLBI_ALL, 0);
		allowed(false);
		forbidden(true, 0x13);
		poke(at, plain_word | 1ull << 61); /* privileged */
		must_command(TLBI_ALL, 0);
		forbidden(false, 0x13);
		/* The page's walk begins behind the table, and still knows. */
		forbidden(false, 0x13);
		/* The context may say that tables say nothing. */
		poke(cd_of(SID) + 8, tables.root | 2);
		must_command(CFGI_ALL, 31);
		must_command(TLBI_ALL, 0);
		allowed(true);
		poke(cd_of(SID) + 8, tables.root);
		must_command(CFGI_ALL, 31);
		poke(at, plain_word);
		must_command(TLBI_ALL, 0);
		allowed(true);
	}
	smmu_halt();
}

static void access_flags_and_sizes(void **state)
{
	uint64_t at;

	(void)state;
	boot();
	map_at(&tables, IOVA, DATA, 3, PTE_USER | PTE_NG);
	forbidden(false, 0x12);
	poke(cd_of(SID), cd_word(&tables, 5) | 1ull << 35);
	must_command(CFGI_ALL, 31);
	allowed(false);
	poke(cd_of(SID), cd_word(&tables, 5));
	must_command(CFGI_ALL, 31);
	/* Addresses that do not fit: into the 44 bits of the SMMU, and into 32. */
	map_at(&tables, IOVA, 1ull << 44, 3, PTE_PLAIN);
	tlbi_va(5, IOVA, true);
	forbidden(true, 0x11);
	map_at(&tables, IOVA, 1ull << 32, 3, PTE_PLAIN);
	/* It fits, and nobody is there: that is no fault of the SMMU's. */
	assert_int_equal(dev_write(behind, IOVA, 1, 4), -EFAULT);
	assert_no_event();
	assert_int_equal(soc_stats().bus_errors, 1);
	poke(cd_of(SID), cd_word(&tables, 5) & ~CD_IPS_44);
	must_command(CFGI_ALL, 31);
	tlbi_va(5, IOVA, true);
	forbidden(true, 0x11);
	map(&tables, IOVA, DATA);
	allowed(true);
	at = descriptor(&tables, IOVA, 2);
	poke(at, 1ull << 32 | 3);
	must_command(TLBI_ALL, 0);
	forbidden(false, 0x11);
	/* A table that is nowhere. */
	poke(at, 0x10000 | 3);
	assert_int_equal(dev_read(behind, IOVA), -EFAULT);
	assert_event(0x0b, SID, 0x108, IOVA, 0x10000 + 8 * (IOVA >> 12 & 511));
	smmu_halt();
}

/* Without R the four faults of a translation are silent; a table that is
 * nowhere is not. */
static void faults_that_are_not_recorded(void **state)
{
	(void)state;
	boot();
	poke(cd_of(SID), cd_word(&tables, 5) & ~CD_R);
	must_command(CFGI_ALL, 31);
	assert_int_equal(dev_read(behind, IOVA + 0x1000), -EFAULT);
	map_at(&tables, IOVA, DATA, 3, PTE_PLAIN | PTE_RO);
	assert_int_equal(dev_write(behind, IOVA, 1, 1), -EFAULT);
	assert_no_event();
	assert_int_equal(smmu_stats().faults, 2);
	poke(descriptor(&tables, IOVA, 2), 0x10000 | 3);
	must_command(TLBI_ALL, 0);
	assert_int_equal(dev_read(behind, IOVA), -EFAULT);
	assert_event(0x0b, SID, 0x108, IOVA, 0x10000 + 8 * (IOVA >> 12 & 511));
	smmu_halt();
}

/* Each page for itself: one event for what fails, the others are moved. */
static void an_access_goes_page_by_page(void **state)
{
	(void)state;
	boot();
	map(&tables, IOVA + 0x2000, DATA + 0x3000);
	map_at(&tables, IOVA + 0x3000, DATA + 0x5000, 3, PTE_PLAIN | PTE_RO);
	memset(berth_model_memory(DATA), 0, 0x6000);
	assert_int_equal(dev_write(behind, IOVA + 0xff0, 0x81, 0x3000), -EFAULT);
	assert_int_equal(memory_byte(DATA + 0xfef), 0);
	assert_int_equal(memory_byte(DATA + 0xfff), 0x81);
	assert_int_equal(memory_byte(DATA + 0x1000), 0);
	assert_int_equal(memory_byte(DATA + 0x2fff), 0);
	assert_int_equal(memory_byte(DATA + 0x3000), 0x81);
	assert_int_equal(memory_byte(DATA + 0x3fff), 0x81);
	assert_int_equal(memory_byte(DATA + 0x5000), 0);
	assert_int_equal(r32(EVENTQ_PROD), 2);
	assert_int_equal(soc_stats().dma_written, 0x1010);
	w32(EVENTQ_CONS, 1);
	assert_event(0x13, SID, EVENT_WRITE, IOVA + 0x3000, 0);
	assert_int_equal(soc_stats().bus_errors, 0);
	/* Round the end of all addresses: not to the other end. */
	assert_int_equal(dev_write(behind, UINT64_MAX, 1, 2), -EFAULT);
	assert_event(0x10, SID, EVENT_WRITE, UINT64_MAX, 0);
	smmu_halt();
}

/* A bus carries what its windows hold; where that is, the SMMU says. */
static void a_narrow_bus(void **state)
{
	(void)state;
	boot();
	set_stream(WINDOW_SID, &tables, 5);
	map(&tables, 0, DATA);
	map(&tables, 8 * MIB, DATA);
	assert_int_equal(dev_write(narrow, 4, 0x91, 4), 0);
	assert_int_equal(dev_read(plain, DATA + 4), 0x91);
	assert_int_equal(dev_write(narrow, 8 * MIB, 0x92, 4), -EFAULT);
	assert_no_event();
	assert_int_equal(soc_stats().bus_errors, 1);
	smmu_halt();
}

/* A device reports what its bus answers: the PDMA its error bit. */
static void a_device_sees_that_it_failed(void **state)
{
	char *regs;

	(void)state;
	boot();
	regs = mmio_map(0x3000000, 0x1000);
	assert_non_null(regs);
	memset(berth_model_memory(DATA), 0xa1, 64);
	map(&tables, IOVA + 0x1000, DATA + 0x1000);
	for (unsigned int i = 0; i < 2; i++) {
		mmio_write(regs, 4, 1);
		mmio_write(regs + 0x08, 8, 64);
		mmio_write(regs + 0x10, 8, IOVA + 0x1000 + 0x1000 * i);
		mmio_write(regs + 0x18, 8, IOVA);
		mmio_write(regs, 4, 3);
		berth_port_delay(100000);
		assert_int_equal(mmio_read(regs, 4), i ? 0x80000001 : 0x40000001);
		mmio_write(regs, 4, 0);
	}
	assert_int_equal(memory_byte(DATA + 0x1000 + 63), 0xa1);
	assert_event(0x10, SID, EVENT_WRITE, IOVA + 0x2000, 0);
	mmio_unmap(regs);
	smmu_halt();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_granules_sizes_and_levels),
		cmocka_unit_test(where_there_are_no_blocks),
		cmocka_unit_test(the_upper_half_and_the_top_byte),
		cmocka_unit_test(permissions_of_pages),
		cmocka_unit_test(permissions_of_tables),
		cmocka_unit_test(access_flags_and_sizes),
		cmocka_unit_test(faults_that_are_not_recorded),
		cmocka_unit_test(an_access_goes_page_by_page),
		cmocka_unit_test(a_narrow_bus),
		cmocka_unit_test(a_device_sees_that_it_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
