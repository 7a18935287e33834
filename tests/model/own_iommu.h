/* SPDX-License-Identifier: BSD-2-Clause */
/* An IOMMU of the tests' own, trees with devices behind it, and notes of what it was asked. */
#ifndef TESTS_MODEL_OWN_IOMMU_H
#define TESTS_MODEL_OWN_IOMMU_H

#include "machine.h"

#include <berth/io-pgtable.h>
#include <berth/iommu-driver.h>
#include <berth/of.h>
#include <berth/slab.h>
#include <berth/test.h>

#include "fdt.h"

#define RAM 0x80000000u
#define RAM_SIZE 0x02000000u
#define KIB 1024u
#define MIB (1024u * KIB)
#define APERTURE_END 0xffffffffffull

/* The IOMMU: tables that nothing walks, and notes of what it was asked. */
struct fake_iommu {
	struct iommu_device iommu;
	struct iommu_domain blocked, identity;
	unsigned int nr_syncs, nr_map_syncs;
};

struct fake_domain {
	struct iommu_domain domain;
	struct fake_iommu *of;
};

static struct fake_iommu *fakes[2];
static unsigned int nr_fakes;
static const struct iommu_domain *seen[16]; /* by the last id of a device */
static unsigned int attaches_left; /* before one fails; 0: none does */
static bool fails_sync_map, fails_probe;
static struct device *probed[8];
static unsigned int nr_probed, nr_released;

static int attach(struct iommu_domain *domain, struct device *dev)
{
	unsigned int count;
	const uint32_t *ids = dev_iommu_ids(dev, &count);

	if (attaches_left && !--attaches_left)
		return -EIO;
	for (unsigned int i = 0; i < count; i++)
		seen[ids[i] % 16] = domain;
	return 0;
}

static void free_nothing(struct iommu_domain *domain)
{
	(void)domain;
}

static void free_domain(struct iommu_domain *domain)
{
	free_io_pgtable_ops(domain->tables);
	kfree(domain);
}

static void sync_gathered(struct iommu_domain *domain, struct iommu_iotlb_gather *gather)
{
	(void)gather;
	((struct fake_domain *)domain)->of->nr_syncs++;
}

static void flush(struct iommu_domain *domain)
{
	(void)domain;
}

static int sync_map(struct iommu_domain *domain, dma_addr_t iova, size_t size)
{
	(void)iova;
	(void)size;
	((struct fake_domain *)domain)->of->nr_map_syncs++;
	return fails_sync_map ? -EIO : 0;
}

static const struct iommu_domain_ops static_ops = { .attach_dev = attach, .free = free_nothing };
static const struct iommu_domain_ops paging_ops = {
	.attach_dev = attach,
	.iotlb_sync_map = sync_map,
	.iotlb_sync = sync_gathered,
	.flush_iotlb_all = flush,
	.free = free_domain,
};

/* The tables, with a note of each call; index 0 is the first. */
static struct {
	dma_addr_t iova;
	size_t pgsize, count;
} calls[64];
static unsigned int nr_calls;
static struct io_pgtable_ops noting, *real;

static int note_map(struct io_pgtable_ops *ops, dma_addr_t iova, phys_addr_t paddr, size_t pgsize,
		    size_t pgcount, int prot, gfp_t gfp, size_t *mapped)
{
	(void)ops;
	calls[nr_calls].iova = iova;
	calls[nr_calls].pgsize = pgsize;
	calls[nr_calls++].count = pgcount;
	return real->map_pages(real, iova, paddr, pgsize, pgcount, prot, gfp, mapped);
}

static size_t note_unmap(struct io_pgtable_ops *ops, dma_addr_t iova, size_t pgsize, size_t pgcount,
			 struct iommu_iotlb_gather *gather)
{
	(void)ops;
	return real->unmap_pages(real, iova, pgsize, pgcount, gather);
}

static phys_addr_t note_look(struct io_pgtable_ops *ops, dma_addr_t iova)
{
	(void)ops;
	return real->iova_to_phys(real, iova);
}

static struct iommu_domain *alloc_domain(struct iommu_device *iommu, unsigned int type)
{
	struct fake_iommu *fake = (struct fake_iommu *)iommu;
	struct io_pgtable_cfg cfg = {
		.pgsize_bitmap = 4 * KIB | 2 * MIB, .ias = 40, .oas = 48, .coherent_walk = true
	};
	struct fake_domain *domain;

	if (type != IOMMU_DOMAIN_UNMANAGED)
		return type == IOMMU_DOMAIN_BLOCKED ? &fake->blocked : &fake->identity;
	domain = kzalloc(sizeof(*domain), GFP_KERNEL);
	if (!domain)
		return NULL;
	domain->of = fake;
	domain->domain.ops = &paging_ops;
	domain->domain.tables = alloc_io_pgtable_ops(ARM_64_LPAE_S1, &cfg, domain);
	if (!domain->domain.tables) {
		kfree(domain);
		return NULL;
	}
	domain->domain.pgsize_bitmap = cfg.pgsize_bitmap;
	domain->domain.geometry = (struct iommu_domain_geometry){ 0, APERTURE_END, true };
	return &domain->domain;
}

static int probe_device(struct iommu_device *iommu, struct device *dev)
{
	unsigned int count;

	(void)iommu;
	if (dev_iommu_ids(dev, &count)[0] == 15)
		return -ERANGE;
	dev_iommu_priv_set(dev, dev);
	return 0;
}

static void release_device(struct iommu_device *iommu, struct device *dev)
{
	(void)iommu;
	assert_ptr_equal(dev_iommu_priv_get(dev), dev);
	nr_released++;
}

static unsigned int resv(struct iommu_device *iommu, struct device *dev,
			 struct iommu_resv_region *regions, unsigned int max)
{
	(void)iommu;
	(void)dev;
	assert_true(max >= 3);
	regions[0] = (struct iommu_resv_region){ 0xfee10000, 0x10000, 0, IOMMU_RESV_MSI };
	regions[1] = (struct iommu_resv_region){ 0xfee00000, 0x10000, 0, IOMMU_RESV_MSI };
	regions[2] = (struct iommu_resv_region){ 0x1000, 0x1000, 0, IOMMU_RESV_RESERVED };
	return 3;
}

static const struct iommu_ops ops = {
	.domain_alloc = alloc_domain,
	.probe_device = probe_device,
	.release_device = release_device,
	.resv_regions = resv,
};

static int probe_iommu(struct platform_device *pdev)
{
	struct fake_iommu *fake;
	int err;

	if (fails_probe)
		return -ENXIO;
	fake = kzalloc(sizeof(*fake), GFP_KERNEL);
	if (!fake)
		return -ENOMEM;
	fake->blocked.ops = fake->identity.ops = &static_ops;
	err = iommu_device_register(&fake->iommu, &ops, &pdev->dev);
	if (err) {
		kfree(fake);
		return err;
	}
	dev_set_drvdata(&pdev->dev, fake);
	fakes[nr_fakes++ % 2] = fake;
	return 0;
}

static int remove_iommu(struct platform_device *pdev)
{
	struct fake_iommu *fake = dev_get_drvdata(&pdev->dev);

	iommu_device_unregister(&fake->iommu);
	kfree(fake);
	nr_fakes--;
	return 0;
}

static int probe_client(struct platform_device *pdev)
{
	probed[nr_probed++ % 8] = &pdev->dev;
	return 0;
}

static const struct of_device_id iommu_match[] = { { "test,iommu", NULL }, { "", NULL } };
static const struct of_device_id client_match[] = { { "test,client", NULL }, { "", NULL } };
static const struct platform_driver iommu_driver = {
	.probe = probe_iommu,
	.remove = remove_iommu,
	.driver = { .name = "test-iommu", .of_match_table = iommu_match },
};
static const struct platform_driver client_driver = {
	.probe = probe_client,
	.driver = { .name = "test-client", .of_match_table = client_match },
};
static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&client_driver),
	BERTH_PLATFORM_DRIVER(&iommu_driver),
	BERTH_NO_MORE_DRIVERS,
};
static const struct berth_driver drivers_without[] = {
	BERTH_PLATFORM_DRIVER(&client_driver),
	BERTH_NO_MORE_DRIVERS,
};

static struct fdt fdt;

static void begin_tree(void)
{
	nr_probed = nr_released = nr_fakes = attaches_left = nr_calls = 0;
	fails_sync_map = fails_probe = false;
	memset(seen, 0, sizeof(seen));
	fdt_start(&fdt, 2, 2);
	fdt_begin(&fdt, "memory@80000000");
	fdt_text(&fdt, "device_type", "memory");
	fdt_cells(&fdt, "reg", 0, RAM, 0, RAM_SIZE);
	fdt_end(&fdt);
}

static void add_iommu(const char *name, uint32_t phandle)
{
	fdt_begin(&fdt, name);
	fdt_text(&fdt, "compatible", "test,iommu");
	fdt_cells(&fdt, "#iommu-cells", 1);
	fdt_cells(&fdt, "phandle", phandle);
	fdt_end(&fdt);
}

/* A device with one id; @protection may be NULL. */
static void add_client(const char *name, const char *compatible, uint32_t id,
		       const char *protection)
{
	fdt_begin(&fdt, name);
	fdt_text(&fdt, "compatible", compatible);
	fdt_cells(&fdt, "iommus", 1, id);
	if (protection)
		fdt_text(&fdt, "berth,protection", protection);
	fdt_end(&fdt);
}

static struct device *device_at(const char *path)
{
	struct platform_device *pdev = of_find_device_by_node(of_find_node_by_path(path));

	assert_non_null(pdev);
	return &pdev->dev;
}

/* One IOMMU, one device with a driver, and one without. */
static void start_simple(const char *bootargs)
{
	begin_tree();
	add_client("client", "test,client", 3, NULL);
	add_client("free", "test,free", 5, NULL);
	add_iommu("iommu", 1);
	must_start(fdt_finish(&fdt), drivers, bootargs);
}

static struct iommu_domain *new_domain(struct device *dev)
{
	struct iommu_domain *domain = iommu_domain_alloc(dev);

	assert_non_null(domain);
	real = domain->tables;
	noting = (struct io_pgtable_ops){ note_map, note_unmap, note_look };
	domain->tables = &noting;
	nr_calls = 0;
	return domain;
}

static void end_domain(struct iommu_domain *domain)
{
	assert_int_equal(berth_io_pgtable_tables(real), 0);
	domain->tables = real;
	iommu_domain_free(domain);
}

#endif
