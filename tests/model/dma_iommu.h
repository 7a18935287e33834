/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An IOMMU of the tests' own, and the devices behind it, which the test plays. Their accesses walk the
 * tables after the architecture's rules (Arm DDI 0487, D5 and D8), from the register values on, and
 * remember what they found until they are told to forget it.
 */
#ifndef TESTS_MODEL_DMA_IOMMU_H
#define TESTS_MODEL_DMA_IOMMU_H

#include "machine.h"

#include <pthread.h>

#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/io-pgtable.h>
#include <berth/iommu-driver.h>
#include <berth/of.h>
#include <berth/platform_device.h>
#include <berth/slab.h>
#include <berth/test.h>

#include "fdt.h"

#define RAM 0x80000000u
#define RAM_SIZE 0x02000000u
#define KIB 1024u
#define MIB (1024u * KIB)
#define APERTURE_BITS 40u
#define NR_IDS 16u
#define NR_REMEMBERED 4096u

struct remembered {
	uint64_t page;
	uint64_t descriptor; /* 0: nothing */
};

struct test_domain {
	struct iommu_domain domain;
	struct io_pgtable_cfg cfg;
	struct remembered tlb[NR_REMEMBERED];
	unsigned int nr_syncs, nr_flushes;
};

struct test_iommu {
	struct iommu_device iommu;
	struct iommu_domain blocked, identity;
};

static struct test_iommu *the_iommu;
static const struct iommu_domain *seen[NR_IDS];
static uint64_t test_pgsizes = 4 * KIB | 2 * MIB;
static unsigned int test_granule = 12;
static struct iommu_resv_region test_resv[4];
static unsigned int nr_test_resv;
/* Of the memory of what the device remembers, and of the tables as it walks. */
static pthread_mutex_t tlb_lock = PTHREAD_MUTEX_INITIALIZER;

static inline struct test_domain *to_test(struct iommu_domain *domain)
{
	return (struct test_domain *)domain;
}

static inline void forget_range(struct test_domain *d, uint64_t first, uint64_t last)
{
	pthread_mutex_lock(&tlb_lock);
	for (unsigned int i = 0; i < NR_REMEMBERED; i++) {
		uint64_t start = d->tlb[i].page << test_granule;

		if (d->tlb[i].descriptor && start <= last &&
		    start + (1u << test_granule) - 1 >= first)
			d->tlb[i].descriptor = 0;
	}
	pthread_mutex_unlock(&tlb_lock);
}

static inline void test_flush_all(void *cookie)
{
	forget_range(cookie, 0, UINT64_MAX);
}

static inline void test_flush_walk(dma_addr_t iova, size_t size, size_t granule, void *cookie)
{
	(void)granule;
	forget_range(cookie, iova, iova + (size - 1));
}

static inline void test_add_run(struct iommu_iotlb_gather *gather, dma_addr_t iova, size_t granule,
				size_t count, void *cookie)
{
	(void)cookie;
	iommu_iotlb_gather_add_range(gather, iova, granule * count);
	gather->pgsize = granule;
}

static const struct iommu_flush_ops test_tlb = {
	.tlb_flush_all = test_flush_all,
	.tlb_flush_walk = test_flush_walk,
	.tlb_add_run = test_add_run,
};

static inline int test_attach(struct iommu_domain *domain, struct device *dev)
{
	unsigned int count;
	const uint32_t *ids = dev_iommu_ids(dev, &count);

	for (unsigned int i = 0; i < count; i++)
		seen[ids[i]] = domain;
	return 0;
}

static inline void test_free_nothing(struct iommu_domain *domain)
{
	(void)domain;
}

static inline void test_domain_free(struct iommu_domain *domain)
{
	free_io_pgtable_ops(domain->tables);
	free(domain);
}

static inline void test_sync(struct iommu_domain *domain, struct iommu_iotlb_gather *gather)
{
	__atomic_fetch_add(&to_test(domain)->nr_syncs, 1, __ATOMIC_RELAXED);
	if (gather->pgsize)
		forget_range(to_test(domain), gather->start, gather->end);
}

static inline void test_flush(struct iommu_domain *domain)
{
	__atomic_fetch_add(&to_test(domain)->nr_flushes, 1, __ATOMIC_RELAXED);
	forget_range(to_test(domain), 0, UINT64_MAX);
}

static const struct iommu_domain_ops test_static_ops = { .attach_dev = test_attach,
							 .free = test_free_nothing };
static const struct iommu_domain_ops test_paging_ops = {
	.attach_dev = test_attach,
	.iotlb_sync = test_sync,
	.flush_iotlb_all = test_flush,
	.free = test_domain_free,
};

static inline struct iommu_domain *test_domain_alloc(struct iommu_device *iommu, unsigned int type)
{
	struct test_iommu *t = (struct test_iommu *)iommu;
	struct test_domain *d;

	if (type != IOMMU_DOMAIN_UNMANAGED)
		return type == IOMMU_DOMAIN_BLOCKED ? &t->blocked : &t->identity;
	d = calloc(1, sizeof(*d));
	assert_non_null(d);
	d->cfg = (struct io_pgtable_cfg){ .pgsize_bitmap = test_pgsizes,
					  .ias = APERTURE_BITS,
					  .oas = 48,
					  .coherent_walk = true,
					  .tlb = &test_tlb };
	d->domain.tables = alloc_io_pgtable_ops(ARM_64_LPAE_S1, &d->cfg, d);
	if (!d->domain.tables) {
		free(d);
		return NULL;
	}
	d->domain.ops = &test_paging_ops;
	d->domain.pgsize_bitmap = d->cfg.pgsize_bitmap;
	d->domain.geometry = (struct iommu_domain_geometry){ 0, (1ull << APERTURE_BITS) - 1, true };
	return &d->domain;
}

static inline int test_probe_device(struct iommu_device *iommu, struct device *dev)
{
	(void)iommu;
	(void)dev;
	return 0;
}

static inline unsigned int test_resv_regions(struct iommu_device *iommu, struct device *dev,
					     struct iommu_resv_region *regions, unsigned int max)
{
	(void)iommu;
	(void)dev;
	for (unsigned int i = 0; i < nr_test_resv && i < max; i++)
		regions[i] = test_resv[i];
	return nr_test_resv;
}

static const struct iommu_ops test_ops = {
	.domain_alloc = test_domain_alloc,
	.probe_device = test_probe_device,
	.resv_regions = test_resv_regions,
};

static inline int test_probe(struct platform_device *pdev)
{
	struct test_iommu *t = kzalloc(sizeof(*t), GFP_KERNEL);
	int err;

	if (!t)
		return -ENOMEM;
	t->blocked.ops = t->identity.ops = &test_static_ops;
	err = iommu_device_register(&t->iommu, &test_ops, &pdev->dev);
	if (err) {
		kfree(t);
		return err;
	}
	dev_set_drvdata(&pdev->dev, t);
	the_iommu = t;
	return 0;
}

static inline int test_remove(struct platform_device *pdev)
{
	struct test_iommu *t = dev_get_drvdata(&pdev->dev);

	iommu_device_unregister(&t->iommu);
	kfree(t);
	return 0;
}

static const struct of_device_id test_match[] = { { "test,iommu", NULL }, { "", NULL } };
static const struct platform_driver test_driver = {
	.probe = test_probe,
	.remove = test_remove,
	.driver = { .name = "test-iommu", .of_match_table = test_match },
};
static const struct berth_driver test_drivers[] = {
	BERTH_PLATFORM_DRIVER(&test_driver),
	BERTH_NO_MORE_DRIVERS,
};

/* The descriptor of a page or block for an address; 0: none. *@shift: log2 of what it maps. */
static inline uint64_t walk(const struct test_domain *d, uint64_t iova, unsigned int *shift)
{
	unsigned int bits = 64 - d->cfg.arm_lpae_s1_cfg.tcr.tsz, g = test_granule, stride = g - 3;
	unsigned int level = 4 - (bits - g + stride - 1) / stride;
	uint64_t at = d->cfg.arm_lpae_s1_cfg.ttbr;

	if (iova >> bits)
		return 0;
	for (;; level++) {
		uint64_t descriptor;

		*shift = g + (3 - level) * stride;
		descriptor =
			__atomic_load_n((uint64_t *)phys_to_virt(at + 8 * ((iova >> *shift) &
									   ((1ull << stride) - 1))),
					__ATOMIC_ACQUIRE);
		if (!(descriptor & 1))
			return 0;
		if (level == 3 || !(descriptor & 2))
			return descriptor;
		at = descriptor & 0xffffffffffff & ~((1ull << g) - 1);
	}
}

/* Where a page leads for a direction, as the device sees it; UINT64_MAX: it faults. */
static inline uint64_t translate(uint32_t id, uint64_t iova, bool is_write)
{
	const struct iommu_domain *domain = __atomic_load_n(&seen[id], __ATOMIC_ACQUIRE);
	uint64_t page = iova >> test_granule, descriptor;
	struct test_domain *d;
	struct remembered *r;
	unsigned int shift;

	if (domain == &the_iommu->identity)
		return iova;
	if (!domain || domain == &the_iommu->blocked)
		return UINT64_MAX;
	d = (struct test_domain *)(uintptr_t)domain;
	pthread_mutex_lock(&tlb_lock);
	r = &d->tlb[page % NR_REMEMBERED];
	if (!r->descriptor || r->page != page) {
		descriptor = walk(d, iova, &shift);
		if (descriptor) {
			/* As one page, whatever it was. */
			uint64_t within = iova & ((1ull << shift) - 1) &
					  ~((1ull << test_granule) - 1);

			*r = (struct remembered){ page, descriptor + within };
		}
	} else {
		descriptor = 1;
	}
	descriptor = descriptor ? r->descriptor : 0;
	pthread_mutex_unlock(&tlb_lock);
	/* AP[2]: read only. */
	if (!descriptor || (is_write && descriptor & 1 << 7))
		return UINT64_MAX;
	return (descriptor & 0xffffffffffff & ~((1ull << test_granule) - 1)) |
	       (iova & ((1ull << test_granule) - 1));
}

/* A device may touch what nobody has: that is no mistake of the program's. */
__attribute__((no_sanitize("address"))) static inline void
copy_raw(volatile uint8_t *to, const volatile uint8_t *from, size_t size)
{
	for (size_t i = 0; i < size; i++)
		to[i] = from[i];
}

/* An access of a device that sees what the CPU sees. False: it faulted, perhaps half way. */
static inline bool device_access(uint32_t id, uint64_t iova, void *bytes, size_t size,
				 bool is_write)
{
	uint8_t *at = bytes;

	while (size) {
		uint64_t phys = translate(id, iova, is_write);
		size_t piece = (1u << test_granule) - (iova & ((1u << test_granule) - 1));

		if (phys == UINT64_MAX)
			return false;
		if (piece > size)
			piece = size;
		/* A CPU does the device's work here. */
		berth_port_open_pages((uintptr_t)phys_to_virt(phys), piece);
		if (is_write)
			copy_raw(phys_to_virt(phys), at, piece);
		else
			copy_raw(at, phys_to_virt(phys), piece);
		at += piece;
		iova += piece;
		size -= piece;
	}
	return true;
}

static inline bool device_write(uint32_t id, uint64_t iova, uint8_t byte, size_t size)
{
	uint8_t *bytes = malloc(size);
	bool ok;

	memset(bytes, byte, size);
	ok = device_access(id, iova, bytes, size, true);
	free(bytes);
	return ok;
}

/* Whether the device reads @size times @byte. */
static inline bool device_reads(uint32_t id, uint64_t iova, uint8_t byte, size_t size)
{
	uint8_t *bytes = malloc(size);
	bool ok = device_access(id, iova, bytes, size, false);

	for (size_t i = 0; ok && i < size; i++)
		ok = bytes[i] == byte;
	free(bytes);
	return ok;
}

static inline bool device_reaches(uint32_t id, uint64_t iova)
{
	uint8_t byte;

	return device_access(id, iova, &byte, 1, false);
}

static inline bool are(const void *bytes, uint8_t byte, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (((const uint8_t *)bytes)[i] != byte)
			return false;
	return true;
}

static struct fdt fdt;

static inline void begin_tree(void)
{
	memset(seen, 0, sizeof(seen));
	nr_test_resv = 0;
	fdt_start(&fdt, 2, 2);
	fdt_begin(&fdt, "memory@80000000");
	fdt_text(&fdt, "device_type", "memory");
	fdt_cells(&fdt, "reg", 0, RAM, 0, RAM_SIZE);
	fdt_end(&fdt);
	fdt_begin(&fdt, "iommu");
	fdt_text(&fdt, "compatible", "test,iommu");
	fdt_cells(&fdt, "#iommu-cells", 1);
	fdt_cells(&fdt, "phandle", 1);
	fdt_end(&fdt);
}

static inline void begin_client(const char *name, uint32_t id, const char *protection)
{
	fdt_begin(&fdt, name);
	fdt_text(&fdt, "compatible", "test,client");
	fdt_cells(&fdt, "iommus", 1, id);
	if (protection)
		fdt_text(&fdt, "berth,protection", protection);
}

/* One that sees the CPU's caches. */
static inline void add_client(const char *name, uint32_t id, const char *protection)
{
	begin_client(name, id, protection);
	fdt_flag(&fdt, "dma-coherent");
	fdt_end(&fdt);
}

static inline struct device *device_at(const char *path)
{
	struct platform_device *pdev = of_find_device_by_node(of_find_node_by_path(path));

	assert_non_null(pdev);
	return &pdev->dev;
}

static inline struct test_domain *domain_of(struct device *dev)
{
	return to_test(iommu_get_domain_for_dev(dev));
}

#endif
