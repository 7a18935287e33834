// SPDX-License-Identifier: BSD-2-Clause
/*
 * VMSAv8-64 stage 1: tables of 64-bit descriptors with a granule of 4, 16 or 64 KiB. Arm DDI 0487,
 * chapters D5 and D8; registers as SMMUv3 (IHI 0070) has them in its context descriptors.
 */
#include "iommu/pgtable.h"

#include "lib/bitmap.h"
#include "lib/error.h"

#define KIB 1024ULL
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define VALID 0x1u
#define TYPE 0x3u
#define TABLE 0x3u
#define PAGE 0x3u
#define BLOCK 0x1u
/* Attributes of pages and blocks. */
#define ATTR_INDEX_SHIFT 2
#define AP_UNPRIVILEGED (1ULL << 6)
#define AP_READ_ONLY (1ULL << 7)
#define SH_OUTER (2ULL << 8)
#define SH_INNER (3ULL << 8)
#define ACCESSED (1ULL << 10)
#define NOT_GLOBAL (1ULL << 11)
#define NO_EXECUTE (3ULL << 53)
/* Ignored by hardware, for software to use. */
#define SYNCED (1ULL << 55)

/* With 52 bits of physical address bits 51 to 48 stand in bits 15 to 12. */
#define HIGH_BITS 0xf000ULL
#define HIGH_RIGHT 36

#define MAIR_NON_CACHEABLE 0x44ULL
#define MAIR_WRITE_BACK 0xffULL
#define MAIR_DEVICE 0x04ULL
enum { INDEX_NON_CACHEABLE, INDEX_WRITE_BACK, INDEX_DEVICE };

#define TCR_NON_CACHEABLE 0u
#define TCR_WRITE_BACK 1u
#define TCR_OUTER 2u
#define TCR_INNER 3u

/* Bits of TxSZ are at most 39. */
#define MIN_IAS 25u

/* What there is with a granule, and TG0 of it. */
static const struct granule {
	uint64_t size;
	uint64_t sizes;
	uint8_t max_bits;
	uint8_t tg0;
} granules[] = {
	{ 4 * KIB, 4 * KIB | 2 * MIB | GIB, 48, 0 },
	{ 16 * KIB, 16 * KIB | 32 * MIB, 48, 2 },
	{ 64 * KIB, 64 * KIB | 512 * MIB, 52, 1 },
};

/* Bits of physical addresses by what IPS says. */
static const uint8_t ips_bits[] = { 32, 36, 40, 42, 44, 48, 52 };

/* The CPU's page size if the hardware has it, or else the largest granule below, or above. */
static const struct granule *choose_granule(uint64_t sizes)
{
	for (size_t i = 0; i < ARRAY_SIZE(granules); i++)
		if (sizes & granules[i].size)
			return &granules[i];
	return NULL;
}

static unsigned int ips_of(unsigned int oas)
{
	unsigned int ips = ARRAY_SIZE(ips_bits) - 1;

	while (ips && ips_bits[ips] > oas)
		ips--;
	return ips;
}

static int shape_lpae(struct io_pgtable_cfg *cfg, struct pgtable_shape *shape)
{
	const unsigned long known = BERTH_IO_PGTABLE_SPLIT_BREAK | BERTH_IO_PGTABLE_SPLIT_LIVE;
	const struct granule *granule = choose_granule(cfg->pgsize_bitmap);
	unsigned int ias = cfg->ias, oas = cfg->oas;

	if (cfg->quirks & ~known)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "io-pgtable: quirks",
				     cfg->quirks);
	if (!granule)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "io-pgtable: page sizes",
				     cfg->pgsize_bitmap);
	if (ias < MIN_IAS || ias > 64)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "io-pgtable: ias", ias);
	if (oas < ips_bits[0] || oas > 64)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "io-pgtable: oas", oas);
	if (ias > granule->max_bits)
		ias = granule->max_bits;
	if (oas > granule->max_bits)
		oas = granule->max_bits;
	cfg->pgsize_bitmap &= granule->sizes;
	cfg->ias = ias;
	cfg->oas = ips_bits[ips_of(oas)];

	shape->page_shift = (uint8_t)lowest_bit(granule->size);
	shape->bits = (uint8_t)(shape->page_shift - 3);
	shape->levels = (uint8_t)((ias - shape->page_shift + shape->bits - 1u) / shape->bits);
	shape->address = ((1ULL << 48) - 1) & ~(granule->size - 1);
	if (cfg->oas > 48) {
		shape->high = HIGH_BITS;
		shape->high_right = HIGH_RIGHT;
	}
	return 0;
}

static uint64_t leaf_lpae(int prot)
{
	uint64_t bits = ACCESSED | NOT_GLOBAL;
	unsigned int index = prot & IOMMU_MMIO	  ? INDEX_DEVICE
			     : prot & IOMMU_CACHE ? INDEX_WRITE_BACK
						  : INDEX_NON_CACHEABLE;

	/* There is no writing without reading. */
	if (!(prot & IOMMU_WRITE))
		bits |= AP_READ_ONLY;
	if (!(prot & IOMMU_PRIV))
		bits |= AP_UNPRIVILEGED;
	if (prot & IOMMU_NOEXEC)
		bits |= NO_EXECUTE;
	bits |= prot & IOMMU_CACHE ? SH_INNER : SH_OUTER;
	return bits | (uint64_t)index << ATTR_INDEX_SHIFT;
}

static void finish_lpae(struct io_pgtable_cfg *cfg, const struct pgtable_shape *shape,
			phys_addr_t root)
{
	unsigned int memory = cfg->coherent_walk ? TCR_WRITE_BACK : TCR_NON_CACHEABLE;

	cfg->arm_lpae_s1_cfg.tcr.ips = ips_of(cfg->oas) & 7;
	cfg->arm_lpae_s1_cfg.tcr.tg = choose_granule(1ULL << shape->page_shift)->tg0 & 3u;
	cfg->arm_lpae_s1_cfg.tcr.sh = (cfg->coherent_walk ? TCR_INNER : TCR_OUTER) & 3u;
	cfg->arm_lpae_s1_cfg.tcr.orgn = memory & 3;
	cfg->arm_lpae_s1_cfg.tcr.irgn = memory & 3;
	cfg->arm_lpae_s1_cfg.tcr.tsz = (64 - cfg->ias) & 63;
	cfg->arm_lpae_s1_cfg.mair = MAIR_NON_CACHEABLE << 8 * INDEX_NON_CACHEABLE |
				    MAIR_WRITE_BACK << 8 * INDEX_WRITE_BACK |
				    MAIR_DEVICE << 8 * INDEX_DEVICE;
	/* Bits 51 to 48 stand in bits 5 to 2. */
	cfg->arm_lpae_s1_cfg.ttbr = (root & ((1ULL << 48) - 1)) | (root >> 48) << 2;
}

const struct pgtable_format berth_arm_lpae_s1 = {
	.valid = VALID,
	.kind = TYPE,
	.link = TABLE,
	.page = PAGE,
	.block = BLOCK,
	.synced = SYNCED,
	.shape = shape_lpae,
	.leaf = leaf_lpae,
	.finish = finish_lpae,
};
