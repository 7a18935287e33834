/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The modelled SMMU without a driver: a machine with one, and tables and queues
 * written by hand, after the architecture and not after the model.
 */
#ifndef TESTS_MODEL_SMMU_H
#define TESTS_MODEL_SMMU_H

#include "soc.h"

#define SMMU_REGS 0x20000000ull
#define SMMU_IRQ (32u + 40)
enum { LINE_EVENTQ = SMMU_IRQ, LINE_PRIQ, LINE_SYNC, LINE_GERROR };

enum { IDR0 = 0, IDR1 = 4, IDR3 = 0xc, IDR5 = 0x14, CR0 = 0x20, CR0ACK = 0x24, CR2 = 0x2c };
enum { GBPR = 0x44, IRQ_CTRL = 0x50, IRQ_CTRLACK = 0x54, GERROR = 0x60, GERRORN = 0x64 };
enum { GERROR_IRQ_CFG0 = 0x68, STRTAB_BASE = 0x80, STRTAB_BASE_CFG = 0x88, CMDQ_BASE = 0x90 };
enum { CMDQ_PROD = 0x98, CMDQ_CONS = 0x9c, EVENTQ_BASE = 0xa0, EVENTQ_PROD = 0x100a8 };
enum { EVENTQ_CONS = 0x100ac, EVENTQ_IRQ_CFG0 = 0xb0 };

/* Where things are in memory. */
#define STRTAB (RAM + 0x40000)
#define STRTAB_LOG2 8
#define SID_LIMIT (1u << STRTAB_LOG2)
#define CDS (RAM + 0x50000)
#define CMDQ (RAM + 0x60000)
#define CMDQ_LOG2 4
#define EVENTQ (RAM + 0x70000)
#define EVENTQ_LOG2 3
#define TABLES (RAM + MIB)
#define TABLES_END (RAM + 5 * MIB)
#define DATA HIGH_RAM

#define SID 7u
#define OTHER_SID 9u
#define WINDOW_SID 11u

/* Commands. */
enum { CFGI_STE = 3, CFGI_ALL = 4, CFGI_CD = 5, CFGI_CD_ALL = 6, TLBI_ALL = 0x10 };
enum { TLBI_ASID = 0x11, TLBI_VA = 0x12, TLBI_VAA = 0x13, TLBI_NSNH = 0x30, CMD_SYNC_OP = 0x46 };

/* Descriptors. */
#define PTE_PAGE 3ull
#define PTE_BLOCK 1ull
#define PTE_USER (1ull << 6)
#define PTE_RO (1ull << 7)
#define PTE_AF (1ull << 10)
#define PTE_NG (1ull << 11)
#define PTE_PLAIN (PTE_USER | PTE_AF | PTE_NG)

#define CD_V (1ull << 31)
#define CD_AA64 (1ull << 41)
#define CD_R (1ull << 45)
#define CD_A (1ull << 46)
#define CD_EPD0 (1ull << 14)
#define CD_EPD1 (1ull << 30)
#define CD_IPS_44 (4ull << 32)
#define CD_PLAIN (CD_V | CD_AA64 | CD_R | CD_A | CD_IPS_44)

#define EVENT_READ 0x208u /* of an input address */
#define EVENT_WRITE 0x200u

static struct model_device *behind, *neighbour, *narrow, *smmu_device;
static char *smmu_regs;
static uint64_t table_end;

static inline void smmu_client(struct fdt *fdt, const char *name, uint32_t at, uint32_t sid)
{
	fdt_begin(fdt, name);
	fdt_text(fdt, "compatible", "test,device");
	fdt_cells(fdt, "reg", 0, at, 0, 0x1000);
	fdt_cells(fdt, "iommus", 1, sid);
	fdt_end(fdt);
}

static inline void smmu_node(struct fdt *fdt, bool is_coherent)
{
	static const char names[] = "eventq\0priq\0cmdq-sync\0gerror";

	fdt_begin(fdt, "smmu@20000000");
	fdt_text(fdt, "compatible", "arm,smmu-v3");
	fdt_cells(fdt, "reg", 0, (uint32_t)SMMU_REGS, 0, 0x20000);
	fdt_cells(fdt, "interrupts", LINE_EVENTQ, LINE_PRIQ, LINE_SYNC, LINE_GERROR);
	fdt_property(fdt, "interrupt-names", sizeof(names));
	fdt_bytes(fdt, names, sizeof(names));
	fdt_cells(fdt, "#iommu-cells", 1);
	fdt_cells(fdt, "phandle", 1);
	if (is_coherent)
		fdt_flag(fdt, "dma-coherent");
	fdt_end(fdt);
}

/* Two devices, one of them before the SMMU in the tree, a third on a narrow
 * bus; a PDMA; soc.h's. */
static inline const void *smmu_tree(bool is_coherent)
{
	static struct fdt fdt;

	fdt_start(&fdt, 2, 2);
	smmu_client(&fdt, "behind@10000000", REGISTERS, SID);
	smmu_node(&fdt, is_coherent);
	smmu_client(&fdt, "neighbour@10010000", REGISTERS + 0x10000, OTHER_SID);
	fdt_begin(&fdt, "plain@10020000");
	fdt_text(&fdt, "compatible", "test,device");
	fdt_cells(&fdt, "reg", 0, REGISTERS + 0x20000, 0, 0x1000);
	fdt_end(&fdt);
	fdt_begin(&fdt, "dma@3000000");
	fdt_text(&fdt, "compatible", "sifive,fu540-c000-pdma");
	fdt_cells(&fdt, "reg", 0, 0x3000000, 0, 0x4000);
	fdt_cells(&fdt, "interrupts", 64, 65, 66, 67, 68, 69, 70, 71);
	fdt_cells(&fdt, "iommus", 1, SID);
	fdt_end(&fdt);
	fdt_begin(&fdt, "bus");
	fdt_cells(&fdt, "#address-cells", 1);
	fdt_cells(&fdt, "#size-cells", 1);
	fdt_cells(&fdt, "ranges", 0, 0, REGISTERS + 0x30000, 0x10000);
	fdt_cells(&fdt, "dma-ranges", 0, 0, RAM, 8 * MIB);
	fdt_begin(&fdt, "narrow@100");
	fdt_text(&fdt, "compatible", "test,device");
	fdt_cells(&fdt, "reg", 0x100, 0x80);
	fdt_cells(&fdt, "iommus", 1, WINDOW_SID);
	fdt_end(&fdt);
	fdt_end(&fdt);
	return fdt_finish(&fdt);
}

static inline void w32(unsigned int reg, uint32_t value)
{
	mmio_write(smmu_regs + reg, 4, value);
}

static inline void w64(unsigned int reg, uint64_t value)
{
	mmio_write(smmu_regs + reg, 8, value);
}

static inline uint32_t r32(unsigned int reg)
{
	return (uint32_t)mmio_read(smmu_regs + reg, 4);
}

static inline struct berth_model_smmu_stats smmu_stats(void)
{
	struct berth_model_smmu_stats stats;

	assert_int_equal(berth_model_smmu_stats(NULL, &stats), 0);
	return stats;
}

/* Where the SMMU looks: behind the caches if it is not coherent. */
static inline void *smmu_memory(uint64_t phys)
{
	return smmu_device->coherent ? soc_virt(phys) : berth_model_memory(phys);
}

static inline void poke(uint64_t phys, uint64_t value)
{
	*(volatile uint64_t *)smmu_memory(phys) = value;
}

static inline uint64_t peek(uint64_t phys)
{
	return *(volatile uint64_t *)smmu_memory(phys);
}

static inline void command(uint64_t first, uint64_t second)
{
	uint32_t prod = r32(CMDQ_PROD), slot = prod & ((1u << CMDQ_LOG2) - 1);

	poke(CMDQ + 16 * slot, first);
	poke(CMDQ + 16 * slot + 8, second);
	w32(CMDQ_PROD, (prod + 1) & ((2u << CMDQ_LOG2) - 1));
}

static inline bool commands_are_done(void)
{
	return r32(CMDQ_PROD) == r32(CMDQ_CONS);
}

static inline void must_command(uint64_t first, uint64_t second)
{
	command(first, second);
	assert_true(commands_are_done());
}

/* The next event, as eight words. False: there is none. */
static inline bool next_event(uint32_t words[8])
{
	uint32_t prod = r32(EVENTQ_PROD), cons = r32(EVENTQ_CONS);
	uint32_t mask = (2u << EVENTQ_LOG2) - 1;

	if ((prod & mask) == (cons & mask))
		return false;
	memcpy(words, smmu_memory(EVENTQ + 32 * (cons & mask >> 1)), 32);
	w32(EVENTQ_CONS, (cons & ~mask) | ((cons + 1) & mask));
	return true;
}

static inline void assert_no_event(void)
{
	uint32_t words[8];

	if (next_event(words))
		fail_msg("event %#x at %#x%08x", words[0], words[5], words[4]);
}

/* Exactly this one: what it says of itself, of the access, and of what could
 * not be fetched. */
static inline void assert_event(uint32_t type, uint32_t sid, uint32_t what, uint64_t address,
				uint64_t fetched)
{
	uint32_t words[8];

	if (!next_event(words))
		fail_msg("no event, not %#x", type);
	assert_int_equal(words[0], type);
	assert_int_equal(words[1], sid);
	assert_int_equal(words[2], 0);
	assert_int_equal(words[3], what);
	assert_int_equal(words[4] | (uint64_t)words[5] << 32, address);
	assert_int_equal(words[6] | (uint64_t)words[7] << 32, fetched);
	assert_no_event();
}

/* Tables of AArch64, granules of 1 << shift bytes. */
struct tables {
	unsigned int shift, bits; /* of the granule, of an address */
	uint64_t root;
};

static inline uint64_t new_table(uint64_t size)
{
	uint64_t at = (table_end + size - 1) & ~(size - 1);

	assert_true(at + size <= TABLES_END);
	memset(smmu_memory(at), 0, size);
	table_end = at + size;
	return at;
}

static inline unsigned int table_bits(const struct tables *tables, unsigned int level)
{
	return tables->shift + (3 - level) * (tables->shift - 3);
}

static inline unsigned int root_level(const struct tables *tables)
{
	unsigned int level = 3;

	while (table_bits(tables, level) + tables->shift - 3 < tables->bits)
		level--;
	return level;
}

static inline struct tables new_tables(unsigned int shift, unsigned int bits)
{
	struct tables tables = { shift, bits, 0 };

	tables.root = new_table(8ull << (bits - table_bits(&tables, root_level(&tables))));
	return tables;
}

/* The descriptor of @level for an address; tables on the way to it are made. */
static inline uint64_t descriptor(const struct tables *tables, uint64_t address, unsigned int level)
{
	uint64_t table = tables->root;

	address &= (1ull << (tables->bits - 1) << 1) - 1;
	for (unsigned int at = root_level(tables);; at++) {
		uint64_t index = address >> table_bits(tables, at), entry;

		if (at > root_level(tables))
			index &= (1ull << (tables->shift - 3)) - 1;
		entry = table + 8 * index;
		if (at == level)
			return entry;
		if (!peek(entry))
			poke(entry, new_table(1ull << tables->shift) | 3);
		table = peek(entry) & 0xfffffffff000ull & ~((1ull << tables->shift) - 1);
	}
}

static inline void map_at(const struct tables *tables, uint64_t address, uint64_t phys,
			  unsigned int level, uint64_t attributes)
{
	poke(descriptor(tables, address, level),
	     phys | attributes | (level == 3 ? PTE_PAGE : PTE_BLOCK));
}

static inline void map(const struct tables *tables, uint64_t address, uint64_t phys)
{
	map_at(tables, address, phys, 3, PTE_PLAIN);
}

static inline void unmap(const struct tables *tables, uint64_t address)
{
	poke(descriptor(tables, address, 3), 0);
}

static inline uint64_t cd_of(uint32_t sid)
{
	return CDS + 64ull * sid;
}

static inline uint64_t ste_of(uint32_t sid)
{
	return STRTAB + 64ull * sid;
}

static inline void set_ste(uint32_t sid, uint64_t first, uint64_t second)
{
	poke(ste_of(sid), first);
	poke(ste_of(sid) + 8, second);
}

static inline uint64_t cd_word(const struct tables *tables, uint16_t asid)
{
	uint64_t granule = tables->shift == 12 ? 0 : tables->shift == 14 ? 2 : 1;

	return CD_PLAIN | CD_EPD1 | (64 - tables->bits) | granule << 6 | (uint64_t)asid << 48;
}

/* The stream uses the tables, in the lower half. */
static inline void set_stream(uint32_t sid, const struct tables *tables, uint16_t asid)
{
	poke(cd_of(sid), cd_word(tables, asid));
	poke(cd_of(sid) + 8, tables->root);
	set_ste(sid, cd_of(sid) | 5 << 1 | 1, 1ull << 44);
	must_command(CFGI_STE | (uint64_t)sid << 32, 1);
}

static inline void smmu_boot(const void *tree, const struct berth_model_config *config)
{
	if (soc.fdt)
		berth_port_stop(); /* a test before this one has failed */
	assert_int_equal(soc_try(tree, config), 0);
	behind = model_find("/behind@10000000");
	neighbour = model_find("/neighbour@10010000");
	narrow = model_find("/bus/narrow@100");
	plain = model_find("/plain@10020000");
	smmu_device = model_find("/smmu@20000000");
	assert_true(behind && neighbour && narrow && plain && smmu_device);
	smmu_regs = mmio_map(SMMU_REGS, 0x20000);
	assert_non_null(smmu_regs);
	table_end = TABLES;
	memset(smmu_memory(RAM), 0, MIB);
}

/* Queues and a linear stream table; translation is on, all streams have no
 * entry. */
static inline void smmu_enable(void)
{
	w64(STRTAB_BASE, STRTAB);
	w32(STRTAB_BASE_CFG, STRTAB_LOG2);
	w64(CMDQ_BASE, CMDQ | CMDQ_LOG2);
	w64(EVENTQ_BASE, EVENTQ | EVENTQ_LOG2);
	w32(CR2, 2);
	w32(IRQ_CTRL, 5);
	w32(CR0, 0xd);
}

static inline void smmu_boot_with(const struct berth_model_smmu_config *smmu, bool is_coherent,
				  uint64_t seed)
{
	const struct berth_model_config config = {
		.cache = BERTH_MODEL_CACHE_QUIET,
		.smmu = smmu,
		.seed = seed,
	};

	smmu_boot(smmu_tree(is_coherent), &config);
	smmu_enable();
}

#define IOVA 0x765432100000ull /* of 48 bits, on 64 KiB */

static struct tables tables;

/* One stream, of ASID 5, and one page. */
static inline void smmu_boot_page(const struct berth_model_smmu_config *config, uint64_t seed)
{
	smmu_boot_with(config, false, seed);
	tables = new_tables(12, 48);
	map(&tables, IOVA, DATA);
	set_stream(SID, &tables, 5);
}

static inline void boot(void)
{
	smmu_boot_page(NULL, 1);
}

static inline void tlbi_va(uint16_t asid, uint64_t address, bool leaf)
{
	must_command(TLBI_VA | (uint64_t)asid << 48, (address & ~0xfffull) | leaf);
}

/* @pages of 1 << (10 + 2 * @tg) bytes, at @level or at any. */
static inline void tlbi_range(uint64_t address, unsigned int pages, unsigned int scale,
			      unsigned int tg, unsigned int level, bool leaf)
{
	must_command(TLBI_VA | 5ull << 48 | (pages - 1) << 12 | scale << 20,
		     address | tg << 10 | level << 8 | leaf);
}

static inline void smmu_halt(void)
{
	mmio_unmap(smmu_regs);
	berth_port_stop();
}

/* One access of a device; the bytes all alike. */
static inline int dev_write(struct model_device *dev, uint64_t bus, int byte, size_t size)
{
	static unsigned char bytes[1 << 16];
	int ret;

	memset(bytes, byte, size);
	model_lock();
	ret = model_dma_write(dev, bus, bytes, size);
	model_unlock();
	return ret;
}

static inline int dev_read(struct model_device *dev, uint64_t bus)
{
	unsigned char byte = 0;
	int ret;

	model_lock();
	ret = model_dma_read(dev, bus, &byte, 1);
	model_unlock();
	return ret ? ret : byte;
}

/* Whether the interrupt came; and it goes. */
static inline bool take_edge(unsigned int irq)
{
	bool was_latched = soc.irqs[irq].is_latched;

	soc.irqs[irq].is_latched = false;
	return was_latched;
}

#endif
