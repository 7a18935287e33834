// SPDX-License-Identifier: BSD-2-Clause
/* The SMMUv3 driver: domains and the devices that see them. */
#include "smmu-v3.h"

#include <berth/gfp.h>

#define ASID_SHIFT 48
#define IPS_SHIFT 32

/* Where software maps the doorbell of message-signalled interrupts, as on Linux. */
#define MSI_BASE 0x8000000u
#define MSI_BYTES 0x100000u

static struct smmu_domain *to_smmu_domain(struct iommu_domain *domain)
{
	return container_of(domain, struct smmu_domain, domain);
}

static struct smmu *to_smmu(struct iommu_device *iommu)
{
	return container_of(iommu, struct smmu, iommu);
}

/* ASIDs; 0 is nobody's: its bit is set from the start. */

#define BITS (CHAR_BIT * sizeof(unsigned long))

static unsigned int take_asid(struct smmu *smmu)
{
	unsigned int nr = (unsigned int)((1u << smmu->asid_bits) / BITS), asid = 0;
	unsigned long flags;

	spin_lock_irqsave(&smmu->asid_lock, flags);
	for (unsigned int i = 0; i < nr && !asid; i++) {
		unsigned int at = (smmu->next_asid + i) % nr;
		unsigned long free = ~smmu->asids[at];

		if (!free)
			continue;
		smmu->asids[at] |= free & -free;
		asid = at * (unsigned int)BITS + (unsigned int)__builtin_ctzl(free);
		/* The same one again later rather than sooner. */
		smmu->next_asid = at + 1;
	}
	spin_unlock_irqrestore(&smmu->asid_lock, flags);
	if (!asid) {
		berth_set_error("ASIDs", -ENOSPC, BERTH_REASON_TABLE_FULL, 0, 0);
		berth_port_error()->limit = (1u << smmu->asid_bits) - 1;
	}
	return asid;
}

static void give_asid_back(struct smmu *smmu, unsigned int asid)
{
	unsigned long flags;

	spin_lock_irqsave(&smmu->asid_lock, flags);
	smmu->asids[asid / BITS] &= ~(1ul << asid % BITS);
	spin_unlock_irqrestore(&smmu->asid_lock, flags);
}

/* Invalidation. */

static struct smmu_range range_of(const struct smmu_domain *sd, dma_addr_t iova, dma_addr_t last,
				  size_t pgsize, bool is_leaf)
{
	return (struct smmu_range){ iova,	  last,	   pgsize,	     sd->asid,
				    sd->tg_shift, is_leaf, sd->smmu->has_ril };
}

static void tlb_flush_all(void *cookie)
{
	struct smmu_domain *sd = cookie;

	berth_smmu_forget_asid(sd->smmu, sd->asid);
}

static void tlb_flush_walk(dma_addr_t iova, size_t size, size_t granule, void *cookie)
{
	struct smmu_domain *sd = cookie;
	struct smmu_range range = range_of(sd, iova, iova + (size - 1), granule, false);

	berth_smmu_forget(sd->smmu, &range, true);
}

static void forget_gathered(struct smmu_domain *sd, const struct iommu_iotlb_gather *gather,
			    bool sync)
{
	struct smmu_range range = range_of(sd, gather->start, gather->end, gather->pgsize, true);

	berth_smmu_forget(sd->smmu, &range, sync);
}

/*
 * Runs that touch are one range. Of others the first is put into the queue already: one
 * synchronisation, the last, is enough for all.
 */
static void tlb_add_run(struct iommu_iotlb_gather *gather, dma_addr_t iova, size_t granule,
			size_t count, void *cookie)
{
	struct smmu_domain *sd = cookie;
	size_t size = granule * count;

	if (!gather) {
		struct smmu_range range = range_of(sd, iova, iova + (size - 1), granule, true);

		berth_smmu_forget(sd->smmu, &range, true);
		return;
	}
	if (gather->pgsize &&
	    (gather->pgsize != granule || iommu_iotlb_gather_is_disjoint(gather, iova, size))) {
		forget_gathered(sd, gather, false);
		iommu_iotlb_gather_init(gather);
	}
	gather->pgsize = granule;
	iommu_iotlb_gather_add_range(gather, iova, size);
}

static void tlb_add_page(struct iommu_iotlb_gather *gather, dma_addr_t iova, size_t granule,
			 void *cookie)
{
	tlb_add_run(gather, iova, granule, 1, cookie);
}

static const struct iommu_flush_ops flush_ops = {
	.tlb_flush_all = tlb_flush_all,
	.tlb_flush_walk = tlb_flush_walk,
	.tlb_add_page = tlb_add_page,
	.tlb_add_run = tlb_add_run,
};

static void iotlb_sync(struct iommu_domain *domain, struct iommu_iotlb_gather *gather)
{
	if (gather->pgsize)
		forget_gathered(to_smmu_domain(domain), gather, true);
}

static void flush_iotlb_all(struct iommu_domain *domain)
{
	tlb_flush_all(to_smmu_domain(domain));
}

/* Domains. */

static int attach_dev(struct iommu_domain *domain, struct device *dev)
{
	struct smmu_domain *sd = to_smmu_domain(domain);

	return berth_smmu_set_stes(sd->smmu, dev, sd->ste);
}

static void free_domain(struct iommu_domain *domain)
{
	struct smmu_domain *sd = to_smmu_domain(domain);
	struct smmu *smmu = sd->smmu;

	if (sd->cd) {
		free_io_pgtable_ops(domain->tables);
		dma_pool_free(smmu->contexts, sd->cd, sd->cd_dma);
		give_asid_back(smmu, sd->asid);
		__atomic_fetch_sub(&smmu->stats.domains, 1, __ATOMIC_RELAXED);
	}
	kfree(sd);
}

static const struct iommu_domain_ops plain_ops = {
	.attach_dev = attach_dev,
	.free = free_domain,
};

static const struct iommu_domain_ops paging_ops = {
	.attach_dev = attach_dev,
	.iotlb_sync = iotlb_sync,
	.flush_iotlb_all = flush_iotlb_all,
	.free = free_domain,
};

/* With 52 bits a TTBR has the upper ones in its low bits, a context descriptor in their places. */
static uint64_t table_base(const struct io_pgtable_cfg *cfg)
{
	uint64_t ttbr = cfg->arm_lpae_s1_cfg.ttbr;

	if (cfg->oas > 48)
		ttbr = (ttbr & ((1ull << 48) - 64)) | (ttbr & 0x3c) << 46;
	return ttbr & CD_TTB_BITS;
}

static void fill_cd(struct smmu_domain *sd, const struct io_pgtable_cfg *cfg)
{
	uint64_t tsz = cfg->arm_lpae_s1_cfg.tcr.tsz, tg = cfg->arm_lpae_s1_cfg.tcr.tg,
		 irgn = cfg->arm_lpae_s1_cfg.tcr.irgn, orgn = cfg->arm_lpae_s1_cfg.tcr.orgn,
		 sh = cfg->arm_lpae_s1_cfg.tcr.sh, ips = cfg->arm_lpae_s1_cfg.tcr.ips;

	sd->cd[1] = table_base(cfg);
	sd->cd[3] = cfg->arm_lpae_s1_cfg.mair;
	sd->cd[0] = tsz | tg << 6 | irgn << 8 | orgn << 10 | sh << 12 | ips << IPS_SHIFT | CD_EPD1 |
		    CD_VALID | CD_AA64 | CD_RECORD | CD_ABORT | CD_PRIVATE_ASID |
		    (uint64_t)sd->asid << ASID_SHIFT;
	sd->ste = STE_VALID | STE_S1 | sd->cd_dma;
}

/* Page tables, and the descriptor that leads there. Nothing is taken if it fails. */
static bool add_tables(struct smmu_domain *sd)
{
	struct smmu *smmu = sd->smmu;
	uint64_t granule = __atomic_load_n(&smmu->granule, __ATOMIC_RELAXED);
	struct io_pgtable_cfg cfg = {
		.quirks = smmu->bbml == 2 ? BERTH_IO_PGTABLE_SPLIT_LIVE
					  : BERTH_IO_PGTABLE_SPLIT_BREAK,
		.pgsize_bitmap = smmu->pgsizes & ~(granule - 1),
		.ias = smmu->ias,
		.oas = smmu->oas,
		.coherent_walk = smmu->is_coherent,
		.tlb = &flush_ops,
		.iommu_dev = smmu->dev,
	};

	sd->asid = take_asid(smmu);
	if (!sd->asid)
		return false;
	sd->cd = dma_pool_zalloc(smmu->contexts, GFP_KERNEL, &sd->cd_dma);
	if (!sd->cd)
		goto asid;
	sd->domain.tables = alloc_io_pgtable_ops(ARM_64_LPAE_S1, &cfg, sd);
	if (!sd->domain.tables)
		goto cd;
	fill_cd(sd, &cfg);
	sd->domain.ops = &paging_ops;
	sd->domain.pgsize_bitmap = cfg.pgsize_bitmap;
	sd->domain.geometry = (struct iommu_domain_geometry){
		.aperture_end = UINT64_MAX >> (64 - cfg.ias),
		.force_aperture = true,
	};
	sd->tg_shift = (unsigned int)__builtin_ctzll(cfg.pgsize_bitmap);
	__atomic_fetch_add(&smmu->stats.domains, 1, __ATOMIC_RELAXED);
	return true;
cd:
	dma_pool_free(smmu->contexts, sd->cd, sd->cd_dma);
asid:
	give_asid_back(smmu, sd->asid);
	return false;
}

static struct iommu_domain *domain_alloc(struct iommu_device *iommu, unsigned int type)
{
	struct smmu *smmu = to_smmu(iommu);
	struct smmu_domain *sd;

	if (type != IOMMU_DOMAIN_BLOCKED && type != IOMMU_DOMAIN_IDENTITY &&
	    type != IOMMU_DOMAIN_UNMANAGED) {
		berth_set_error(dev_name(smmu->dev), -EINVAL, BERTH_REASON_ARGUMENT, type, 0);
		return NULL;
	}
	sd = kzalloc(sizeof(*sd), GFP_KERNEL);
	if (!sd)
		return NULL;
	sd->smmu = smmu;
	sd->domain.ops = &plain_ops;
	sd->ste = STE_VALID | (type == IOMMU_DOMAIN_IDENTITY ? STE_BYPASS : STE_ABORT);
	if (type == IOMMU_DOMAIN_UNMANAGED && !add_tables(sd)) {
		kfree(sd);
		return NULL;
	}
	return &sd->domain;
}

/* Devices. */

static int probe_device(struct iommu_device *iommu, struct device *dev)
{
	unsigned int nr;
	const uint32_t *ids = dev_iommu_ids(dev, &nr);
	int ret = 0;

	for (unsigned int i = 0; i < nr && !ret; i++)
		ret = berth_smmu_reach_ste(to_smmu(iommu), ids[i]);
	return ret;
}

/* Its ids are nobody's again. */
static void release_device(struct iommu_device *iommu, struct device *dev)
{
	if (berth_smmu_set_stes(to_smmu(iommu), dev, 0))
		dev_err(dev, "its IOMMU did not let go of it\n");
}

static bool capable(struct iommu_device *iommu, enum iommu_cap cap)
{
	switch (cap) {
	case IOMMU_CAP_CACHE_COHERENCY:
		return to_smmu(iommu)->is_coherent;
	case IOMMU_CAP_NOEXEC:
		return true;
	default:
		return false;
	}
}

static unsigned int resv_regions(struct iommu_device *iommu, struct device *dev,
				 struct iommu_resv_region *regions, unsigned int max)
{
	(void)iommu;
	(void)dev;
	if (max)
		regions[0] = (struct iommu_resv_region){
			.start = MSI_BASE,
			.length = MSI_BYTES,
			.prot = IOMMU_WRITE | IOMMU_NOEXEC | IOMMU_MMIO,
			.type = IOMMU_RESV_SW_MSI,
		};
	return 1;
}

const struct iommu_ops berth_smmu_ops = {
	.domain_alloc = domain_alloc,
	.probe_device = probe_device,
	.release_device = release_device,
	.capable = capable,
	.resv_regions = resv_regions,
};
