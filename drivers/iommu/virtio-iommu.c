/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-iommu: what berth sees of it. The device keeps what is mapped; here is kept which requests
 * made it, since a MAP is undone whole or not at all, and where each page leads.
 */
#include <berth/dma-mapping.h>
#include <berth/errno.h>
#include <berth/error.h>
#include <berth/interrupt.h>
#include <berth/iova.h>
#include <berth/slab.h>

#include "virtio-iommu.h"

/* Domains that may exist at once. */
#define MAX_DOMAINS 1024u

/*
 * struct viommu_domain - a domain
 * @id: its number for the device
 * @lock: of @maps
 * @maps: the ranges that were mapped, one for each request
 * @tables: where pages lead; nobody walks them
 * @is_bypass: addresses pass as they are; it has no number
 */
struct viommu_domain {
	struct iommu_domain domain;
	struct viommu *v;
	uint32_t id;
	spinlock_t lock;
	struct iova_domain maps;
	struct io_pgtable_ops *tables;
	uint64_t granule;
	bool is_bypass;
};

/* What is kept of a device behind it. */
struct viommu_endpoint {
	struct iommu_resv_region resv[4];
	unsigned int nr_resv;
};

static struct viommu *viommu_of(struct iommu_device *iommu)
{
	return container_of(iommu, struct viommu, iommu);
}

static struct viommu_domain *domain_of(struct iommu_domain *domain)
{
	return container_of(domain, struct viommu_domain, domain);
}

/* Numbers of domains. */

static bool take_id(struct viommu *v, uint32_t *id)
{
	uint64_t most = (uint64_t)v->domain_last - v->domain_first + 1;

	for (uint32_t i = 0; i < MAX_DOMAINS && i < most; i++) {
		uint64_t bit = UINT64_C(1) << i % 64;

		if (__atomic_fetch_or(&v->domains[i / 64], bit, __ATOMIC_RELAXED) & bit)
			continue;
		*id = v->domain_first + i;
		return true;
	}
	return false;
}

static void give_id(struct viommu *v, uint32_t id)
{
	uint32_t i = id - v->domain_first;

	__atomic_fetch_and(&v->domains[i / 64], ~(UINT64_C(1) << i % 64), __ATOMIC_RELAXED);
}

/* Domains. */

static int attach(struct iommu_domain *domain, struct device *dev)
{
	struct viommu_domain *d = domain_of(domain);
	unsigned int count;
	const uint32_t *ids = dev_iommu_ids(dev, &count);
	int err = 0;

	/* An endpoint that is in another domain leaves that one. */
	for (unsigned int i = 0; i < count && !err; i++) {
		const struct viommu_attach request = {
			.head.type = VIOMMU_ATTACH,
			.domain = d->id,
			.endpoint = ids[i],
			.flags = d->is_bypass ? VIOMMU_ATTACH_BYPASS : 0,
		};

		err = berth_viommu_ask(d->v, &request, sizeof(request), 0, 0, NULL);
	}
	return err;
}

static int map_pages(struct iommu_domain *domain, dma_addr_t iova, phys_addr_t paddr, size_t pgsize,
		     size_t pgcount, int prot, gfp_t gfp, size_t *mapped)
{
	struct viommu_domain *d = domain_of(domain);
	const struct viommu_map request = {
		.head.type = VIOMMU_MAP,
		.domain = d->id,
		.first = iova,
		.last = iova + (pgsize * pgcount - 1),
		.phys = paddr,
		.flags = (prot & IOMMU_READ ? VIOMMU_MAP_READ : 0) |
			 (prot & IOMMU_WRITE ? VIOMMU_MAP_WRITE : 0) |
			 (prot & IOMMU_MMIO && viommu_has(d->v, VIOMMU_F_MMIO) ? VIOMMU_MAP_MMIO
									       : 0),
	};
	struct iova *range;
	size_t noted = 0;
	unsigned long flags;
	int err = d->tables->map_pages(d->tables, iova, paddr, pgsize, pgcount, prot, gfp, &noted);

	if (err)
		goto out;
	spin_lock_irqsave(&d->lock, flags);
	range = reserve_iova(&d->maps, iova / d->granule, request.last / d->granule);
	spin_unlock_irqrestore(&d->lock, flags);
	err = -ENOMEM;
	if (!range)
		goto out;
	err = berth_viommu_ask(d->v, &request, offsetof(struct viommu_map, pad), 0, 0, NULL);
	if (!err) {
		d->v->counts.maps++;
		*mapped += pgsize * pgcount;
		return 0;
	}
	spin_lock_irqsave(&d->lock, flags);
	__free_iova(&d->maps, range);
	spin_unlock_irqrestore(&d->lock, flags);
out:
	if (noted)
		d->tables->unmap_pages(d->tables, iova, pgsize, noted / pgsize, NULL);
	return err;
}

/* The requests that a range was mapped by: its bytes, as far as whole ones reach. */
static size_t forget_maps(struct viommu_domain *d, dma_addr_t iova, size_t size)
{
	uint64_t at = iova / d->granule, end = at + size / d->granule;

	while (at < end) {
		struct iova *range = find_iova(&d->maps, at);
		uint64_t next;

		if (!range || range->pfn_lo != at || range->pfn_hi >= end)
			break;
		next = range->pfn_hi + 1;
		__free_iova(&d->maps, range);
		at = next;
	}
	return (size_t)((at - iova / d->granule) * d->granule);
}

static size_t unmap_pages(struct iommu_domain *domain, dma_addr_t iova, size_t pgsize,
			  size_t pgcount, struct iommu_iotlb_gather *gather)
{
	struct viommu_domain *d = domain_of(domain);
	struct viommu_unmap request = { .head.type = VIOMMU_UNMAP, .domain = d->id, .first = iova };
	unsigned long flags;
	size_t size;

	(void)gather;
	spin_lock_irqsave(&d->lock, flags);
	size = forget_maps(d, iova, pgsize * pgcount);
	spin_unlock_irqrestore(&d->lock, flags);
	if (!size)
		return 0;
	request.last = iova + (size - 1);
	d->tables->unmap_pages(d->tables, iova, (size_t)d->granule, size / (size_t)d->granule,
			       NULL);
	d->v->counts.unmaps++;
	berth_viommu_tell(d->v, &request, offsetof(struct viommu_unmap, pad));
	return size;
}

static phys_addr_t iova_to_phys(struct iommu_domain *domain, dma_addr_t iova)
{
	struct viommu_domain *d = domain_of(domain);

	return d->tables->iova_to_phys(d->tables, iova);
}

static void sync_gathered(struct iommu_domain *domain, struct iommu_iotlb_gather *gather)
{
	(void)gather;
	berth_viommu_sync(domain_of(domain)->v);
}

static void flush_all(struct iommu_domain *domain)
{
	berth_viommu_sync(domain_of(domain)->v);
}

static void free_domain(struct iommu_domain *domain)
{
	struct viommu_domain *d = domain_of(domain);

	/* What is mapped in the device goes with the domain when nothing is attached. */
	if (d->tables) {
		put_iova_domain(&d->maps);
		free_io_pgtable_ops(d->tables);
	}
	if (!d->is_bypass)
		give_id(d->v, d->id);
	kfree(d);
}

static const struct iommu_domain_ops viommu_domain_ops = {
	.attach_dev = attach,
	.map_pages = map_pages,
	.unmap_pages = unmap_pages,
	.iova_to_phys = iova_to_phys,
	.iotlb_sync = sync_gathered,
	.flush_iotlb_all = flush_all,
	.free = free_domain,
};

static int init_paging(struct viommu_domain *d)
{
	struct viommu *v = d->v;
	/* The smallest size only: requests have no pages, and each is undone as it was made. */
	struct io_pgtable_cfg cfg = {
		.pgsize_bitmap = v->page_sizes & (0 - v->page_sizes),
		.ias = 64 - (unsigned int)__builtin_clzll(v->input_last),
		.oas = 48,
		.coherent_walk = true,
		.iommu_dev = &v->pdev->dev,
	};

	/* Where pages may be of any size, the CPU's is as good as another one. */
	if (cfg.pgsize_bitmap < 4096)
		cfg.pgsize_bitmap = 4096;
	if (cfg.ias > 48)
		cfg.ias = 48;
	d->tables = alloc_io_pgtable_ops(ARM_64_LPAE_S1, &cfg, d);
	if (!d->tables)
		return -ENOMEM;
	d->granule = cfg.pgsize_bitmap;
	init_iova_domain(&d->maps, d->granule, 0);
	d->domain.pgsize_bitmap = cfg.pgsize_bitmap;
	d->domain.geometry.aperture_start = v->input_first;
	d->domain.geometry.aperture_end = (UINT64_C(1) << cfg.ias) - 1;
	if (v->input_last < d->domain.geometry.aperture_end)
		d->domain.geometry.aperture_end = v->input_last;
	d->domain.geometry.force_aperture = true;
	return 0;
}

static struct iommu_domain *domain_alloc(struct iommu_device *iommu, unsigned int type)
{
	struct viommu *v = viommu_of(iommu);
	struct viommu_domain *d;

	if (type == IOMMU_DOMAIN_IDENTITY && !viommu_has(v, VIOMMU_F_BYPASS_CONFIG)) {
		dev_err(&v->pdev->dev, "cannot pass addresses on as they are\n");
		return NULL;
	}
	d = kzalloc(sizeof(*d), GFP_KERNEL);
	if (!d)
		return NULL;
	d->v = v;
	d->is_bypass = type == IOMMU_DOMAIN_IDENTITY;
	d->domain.ops = &viommu_domain_ops;
	if (!take_id(v, &d->id)) {
		dev_err(&v->pdev->dev, "has no number left for a domain\n");
		kfree(d);
		return NULL;
	}
	if (type == IOMMU_DOMAIN_UNMANAGED && init_paging(d)) {
		give_id(v, d->id);
		kfree(d);
		return NULL;
	}
	return &d->domain;
}

/* Devices. */

/* What an endpoint reserves: properties of a PROBE's answer. */
static void read_properties(struct viommu_endpoint *endpoint, const uint8_t *answer, size_t size)
{
	for (size_t at = 0; at + 4 <= size;) {
		uint16_t type = (uint16_t)((answer[at] | answer[at + 1] << 8) & 0xfff);
		size_t length = (size_t)(answer[at + 2] | answer[at + 3] << 8) + 4;
		struct viommu_resv resv;

		if (!type || length > size - at)
			return;
		if (type == VIOMMU_PROBE_RESV_MEM && length >= sizeof(resv) &&
		    endpoint->nr_resv < ARRAY_SIZE(endpoint->resv)) {
			for (size_t i = 0; i < sizeof(resv); i++)
				((uint8_t *)&resv)[i] = answer[at + i];
			if (resv.first <= resv.last)
				endpoint->resv[endpoint->nr_resv++] = (struct iommu_resv_region){
					.start = resv.first,
					.length = resv.last - resv.first + 1,
					.type = resv.subtype == 1 ? IOMMU_RESV_MSI
								  : IOMMU_RESV_RESERVED,
				};
		}
		at += length;
	}
}

static int probe_endpoint(struct viommu *v, struct viommu_endpoint *endpoint, uint32_t id)
{
	const struct viommu_probe request = { .head.type = VIOMMU_PROBE, .endpoint = id };
	size_t size = v->probe_size + 4;
	dma_addr_t bus;
	uint8_t *answer = dma_alloc_coherent(&v->pdev->dev, size, &bus, GFP_KERNEL | __GFP_ZERO);
	int err;

	if (!answer)
		return -ENOMEM;
	err = berth_viommu_ask(v, &request, sizeof(request), bus, size, answer + v->probe_size);
	if (!err)
		read_properties(endpoint, answer, v->probe_size);
	/* A device that does not answer may still write there: then it is not given back. */
	if (!v->requests.is_broken)
		dma_free_coherent(&v->pdev->dev, size, answer, bus);
	return err;
}

static int probe_device(struct iommu_device *iommu, struct device *dev)
{
	struct viommu *v = viommu_of(iommu);
	struct viommu_endpoint *endpoint = kzalloc(sizeof(*endpoint), GFP_KERNEL);
	unsigned int count;
	const uint32_t *ids = dev_iommu_ids(dev, &count);
	int err = 0;

	if (!endpoint)
		return -ENOMEM;
	for (unsigned int i = 0; v->probe_size && i < count && !err; i++)
		err = probe_endpoint(v, endpoint, ids[i]);
	if (err) {
		kfree(endpoint);
		return err;
	}
	dev_iommu_priv_set(dev, endpoint);
	return 0;
}

static void release_device(struct iommu_device *iommu, struct device *dev)
{
	(void)iommu;
	kfree(dev_iommu_priv_get(dev));
}

static unsigned int resv_regions(struct iommu_device *iommu, struct device *dev,
				 struct iommu_resv_region *regions, unsigned int max)
{
	const struct viommu_endpoint *endpoint = dev_iommu_priv_get(dev);
	unsigned int nr = endpoint ? endpoint->nr_resv : 0;
	bool has_msi = false;

	(void)iommu;
	for (unsigned int i = 0; i < nr; i++) {
		has_msi |= endpoint->resv[i].type == IOMMU_RESV_MSI;
		if (i < max)
			regions[i] = endpoint->resv[i];
	}
	/* Where it has no doorbell of its own, software maps one: at Linux's place. */
	if (!has_msi && nr++ < max)
		regions[nr - 1] = (struct iommu_resv_region){ 0x8000000, 0x100000,
							      IOMMU_WRITE | IOMMU_MMIO,
							      IOMMU_RESV_SW_MSI };
	return nr;
}

static bool capable(struct iommu_device *iommu, enum iommu_cap cap)
{
	(void)iommu;
	return cap == IOMMU_CAP_CACHE_COHERENCY;
}

static const struct iommu_ops viommu_ops = {
	.domain_alloc = domain_alloc,
	.probe_device = probe_device,
	.release_device = release_device,
	.capable = capable,
	.resv_regions = resv_regions,
};

/* The function itself. */

static irqreturn_t interrupt(int irq, void *dev_id)
{
	struct viommu *v = dev_id;

	(void)irq;
	/* Reading it takes the line back. */
	if (!readb(v->isr))
		return IRQ_NONE;
	berth_viommu_events_drain(v);
	return IRQ_HANDLED;
}

static void free_viommu(struct viommu *v)
{
	berth_viommu_pci_stop(v);
	pci_disable_device(v->pdev);
	kfree(v->domains);
	kfree(v);
}

static int viommu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct viommu *v = kzalloc(sizeof(*v), GFP_KERNEL);
	int err;

	(void)id;
	if (!v)
		return -ENOMEM;
	v->pdev = pdev;
	v->domains = kcalloc(MAX_DOMAINS / 64, sizeof(*v->domains), GFP_KERNEL);
	err = v->domains ? pci_enable_device(pdev) : -ENOMEM;
	if (!err)
		err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (!err) {
		pci_set_master(pdev);
		err = berth_viommu_pci_start(v);
	}
	if (err)
		goto fail;
	err = pdev->irq ? request_irq(pdev->irq, interrupt, IRQF_SHARED, "virtio-iommu", v) : 0;
	if (err)
		goto fail;
	err = iommu_device_register(&v->iommu, &viommu_ops, &pdev->dev);
	if (err)
		goto fail_irq;
	pci_set_drvdata(pdev, v);
	return 0;

fail_irq:
	if (pdev->irq)
		free_irq(pdev->irq, v);
fail:
	free_viommu(v);
	return err;
}

static void viommu_remove(struct pci_dev *pdev)
{
	struct viommu *v = pci_get_drvdata(pdev);

	iommu_device_unregister(&v->iommu);
	if (pdev->irq)
		free_irq(pdev->irq, v);
	free_viommu(v);
}

void berth_virtio_iommu_counts(struct pci_dev *pdev, struct berth_virtio_iommu_counts *counts)
{
	const struct viommu *v = pci_get_drvdata(pdev);

	*counts = v->counts;
}

static const struct pci_device_id viommu_ids[] = {
	{ PCI_DEVICE(BERTH_VIRTIO_IOMMU_VENDOR, BERTH_VIRTIO_IOMMU_DEVICE) },
	{ 0 },
};

const struct pci_driver berth_virtio_iommu_driver = {
	.name = "virtio-iommu",
	.id_table = viommu_ids,
	.probe = viommu_probe,
	.remove = viommu_remove,
};
