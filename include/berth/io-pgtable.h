/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: io-pgtable - page tables that an IOMMU walks (linux/io-pgtable.h)
 *
 * An IOMMU driver asks for tables of the format that its hardware reads and is called back for
 * invalidations. Ranges of addresses that do not meet may be mapped, unmapped and looked up by
 * several threads at once, and by interrupt handlers; who maps a range sees to it that nobody else
 * does. Meaning: include/linux/io-pgtable.h. Guide: docs/io-pgtable.md.
 */
#ifndef BERTH_IO_PGTABLE_H
#define BERTH_IO_PGTABLE_H

#include <berth/gfp.h>
#include <berth/iommu.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * enum io_pgtable_fmt - formats, by Linux's numbers
 * @ARM_64_LPAE_S1: VMSAv8-64 stage 1, granules of 4, 16 and 64 KiB
 */
enum io_pgtable_fmt {
	ARM_64_LPAE_S1 = 2,
};

/**
 * struct iommu_flush_ops - how an IOMMU forgets; none of them sleeps
 * @tlb_flush_all: all of the address space, when it ends; complete on return
 * @tlb_flush_walk: all that it remembers of a range, tables and pages, when a table or a block has
 *	been taken out; complete on return
 * @tlb_add_page: a page or block of @granule bytes is no longer mapped; to be complete when the
 *	caller of unmap_pages() has synchronised; @gather as given there, perhaps NULL
 * @tlb_add_run: the same for @count of them side by side; NULL: @tlb_add_page is called for each
 *
 * Each may be NULL. Called without a lock of berth's.
 */
struct iommu_flush_ops {
	void (*tlb_flush_all)(void *cookie);
	void (*tlb_flush_walk)(dma_addr_t iova, size_t size, size_t granule, void *cookie);
	void (*tlb_add_page)(struct iommu_iotlb_gather *gather, dma_addr_t iova, size_t granule,
			     void *cookie);
	void (*tlb_add_run)(struct iommu_iotlb_gather *gather, dma_addr_t iova, size_t granule,
			    size_t count, void *cookie);
};

/*
 * Quirks. To unmap a part of a block, it must become a table first. Hardware may refuse to see
 * both at once; so without one of these a part of a block is not unmapped at all.
 * BREAK: the block is made invalid and forgotten before the table is there: in between the device
 * faults on the rest of the block. LIVE: in one step, for hardware that allows it (SMMUv3: BBML 2).
 */
#define BERTH_IO_PGTABLE_SPLIT_BREAK (1UL << 30)
#define BERTH_IO_PGTABLE_SPLIT_LIVE (1UL << 31)

/**
 * struct io_pgtable_cfg - what the hardware can do, and what it is to be told
 * @quirks: BERTH_IO_PGTABLE_SPLIT_*
 * @pgsize_bitmap: sizes of pages and blocks
 * @ias: bits of the device's addresses
 * @oas: bits of physical addresses
 * @coherent_walk: the IOMMU reads tables through the CPU's caches
 * @tlb: its functions; stays valid; NULL if there is nothing to forget
 * @iommu_dev: for messages; may be NULL
 * @arm_lpae_s1_cfg: out: register values for ARM_64_LPAE_S1; fields of TCR as they stand there
 */
struct io_pgtable_cfg {
	unsigned long quirks;
	uint64_t pgsize_bitmap;
	unsigned int ias;
	unsigned int oas;
	bool coherent_walk;
	const struct iommu_flush_ops *tlb;
	struct device *iommu_dev;
	__extension__ union {
		struct {
			uint64_t ttbr;
			struct {
				uint32_t ips : 3;
				uint32_t tg : 2;
				uint32_t sh : 2;
				uint32_t orgn : 2;
				uint32_t irgn : 2;
				uint32_t tsz : 6;
			} tcr;
			uint64_t mair;
		} arm_lpae_s1_cfg;
	};
};

/* What iova_to_phys() says of an address that is not mapped. No physical address is this one. */
#define BERTH_PHYS_NONE (~(phys_addr_t)0)

/**
 * struct io_pgtable_ops - what can be done with tables
 * @map_pages: let @pgcount pages of @pgsize bytes from @iova on lead to @paddr and what follows.
 *	@prot: IOMMU_READ or IOMMU_WRITE, and others. @gfp: for tables; without it sleeping is
 *	not needed. *@mapped grows by the bytes that were mapped, on failure too: those stay until
 *	unmap_pages(). A block takes the place of a table and of all that is mapped there.
 *	Return: 0, or with the reason -EEXIST (a page or block is mapped there already), -EINVAL
 *	(size, alignment, neither read nor write), -ERANGE (beyond @ias or @oas), -ENOMEM.
 * @unmap_pages: undo it, for @pgcount pages of @pgsize bytes. A table at the place of a block goes
 *	with all that is mapped there. What was unmapped is told to tlb_add_page() unless @gather
 *	says that it is queued. Return: bytes unmapped; less than asked for at a hole, and with the
 *	reason where only a part of a block is meant (see BERTH_IO_PGTABLE_SPLIT_BREAK).
 * @iova_to_phys: where an address leads, or BERTH_PHYS_NONE
 *
 * Any context; map_pages() may sleep if @gfp says so.
 */
struct io_pgtable_ops {
	int (*map_pages)(struct io_pgtable_ops *ops, dma_addr_t iova, phys_addr_t paddr,
			 size_t pgsize, size_t pgcount, int prot, gfp_t gfp, size_t *mapped);
	size_t (*unmap_pages)(struct io_pgtable_ops *ops, dma_addr_t iova, size_t pgsize,
			      size_t pgcount, struct iommu_iotlb_gather *gather);
	phys_addr_t (*iova_to_phys)(struct io_pgtable_ops *ops, dma_addr_t iova);
};

/**
 * alloc_io_pgtable_ops() - empty tables of a format
 * @fmt: which
 * @cfg: the hardware; narrowed in place to what the tables are for, and filled in for the registers
 * @cookie: handed to the functions of @cfg->tlb
 *
 * Any context. Return: the tables' functions, until free_io_pgtable_ops(), or NULL with the reason
 * (ARGUMENT, OUT_OF_MEMORY).
 */
struct io_pgtable_ops *alloc_io_pgtable_ops(enum io_pgtable_fmt fmt, struct io_pgtable_cfg *cfg,
					    void *cookie);

/**
 * free_io_pgtable_ops() - the end of tables
 *
 * The IOMMU does not walk them any more, and nobody else uses them; tlb_flush_all() is called. What
 * is mapped is forgotten. Any context. NULL is ignored.
 */
void free_io_pgtable_ops(struct io_pgtable_ops *ops);

/**
 * berth_io_pgtable_trim() - give back the few empty tables that are kept for the next mapping
 *
 * Any context.
 */
void berth_io_pgtable_trim(struct io_pgtable_ops *ops);

/** berth_io_pgtable_tables() - how many tables there are, the root not counted. Any context. */
unsigned int berth_io_pgtable_tables(struct io_pgtable_ops *ops);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
