// SPDX-License-Identifier: BSD-2-Clause
/* IOMMUs of the fuzzer's own, the devices behind them, and a walker. */
#include <berth/model.h>
#include <berth/of.h>
#include <berth/platform_device.h>
#include <berth/slab.h>

#include "../model/fdt.h"
#include "iommu_world.h"

struct world world;
struct fuzz_iommu *iommus[NR_IOMMUS];
unsigned int attaches_left;
struct client clients[NR_DEVICES];
struct party parties[NR_DEVICES];
unsigned int nr_parties;

void wrong(const char *file, int line, const char *what)
{
	char why[200];

	berth_error_text(NULL, why, sizeof(why));
	fprintf(stderr, "%s:%d: %s does not hold; last error: %s\n", file, line, what, why);
	abort();
}

/* Forgetting. */

static void forget(struct fuzz_domain *d, uint64_t first, uint64_t last, bool with_tables)
{
	unsigned int at = world.shift + world.shift - 3;

	for (unsigned int i = 0; i < NR_REMEMBERED; i++) {
		uint64_t start = (d->tlb[i].page - 1) << world.shift;

		if (d->tlb[i].page && start <= last && start + (world.granule - 1) >= first)
			d->tlb[i].page = 0;
	}
	for (unsigned int i = 0; with_tables && i < ARRAY_SIZE(d->tables); i++) {
		uint64_t start = (d->tables[i].place - 1) << at;

		if (d->tables[i].place && start <= last && start + ((1ull << at) - 1) >= first)
			d->tables[i].place = 0;
	}
}

static void flush_all(void *cookie)
{
	forget(cookie, 0, UINT64_MAX, true);
}

static void flush_walk(dma_addr_t iova, size_t size, size_t granule, void *cookie)
{
	(void)granule;
	forget(cookie, iova, iova + (size - 1), true);
}

static void add_run(struct iommu_iotlb_gather *gather, dma_addr_t iova, size_t granule,
		    size_t count, void *cookie)
{
	/* What lies apart is forgotten at once. */
	if (iommu_iotlb_gather_is_disjoint(gather, iova, granule * count)) {
		forget(cookie, gather->start, gather->end, false);
		iommu_iotlb_gather_init(gather);
	}
	iommu_iotlb_gather_add_range(gather, iova, granule * count);
	gather->pgsize = granule;
}

static const struct iommu_flush_ops tlb_ops = {
	.tlb_flush_all = flush_all,
	.tlb_flush_walk = flush_walk,
	.tlb_add_run = add_run,
};

/* The driver. */

static int attach(struct iommu_domain *domain, struct device *dev)
{
	struct fuzz_iommu *iommu = dev_iommu_priv_get(dev);
	unsigned int count;
	const uint32_t *ids = dev_iommu_ids(dev, &count);

	if (attaches_left && !--attaches_left)
		return -EIO;
	for (unsigned int i = 0; i < count; i++)
		iommu->seen[ids[i]] = domain;
	return 0;
}

static void free_nothing(struct iommu_domain *domain)
{
	(void)domain;
}

static void free_domain(struct iommu_domain *domain)
{
	/* What a device still sees may not go. */
	for (unsigned int i = 0; i < NR_IOMMUS; i++)
		for (unsigned int id = 0; iommus[i] && id < NR_IDS; id++)
			MUST(iommus[i]->seen[id] != domain);
	free_io_pgtable_ops(domain->tables);
	kfree(domain);
}

static void sync_gathered(struct iommu_domain *domain, struct iommu_iotlb_gather *gather)
{
	if (gather->pgsize)
		forget(to_fuzz(domain), gather->start, gather->end, false);
}

static void flush_domain(struct iommu_domain *domain)
{
	forget(to_fuzz(domain), 0, UINT64_MAX, true);
}

static const struct iommu_domain_ops static_ops = { .attach_dev = attach, .free = free_nothing };
static const struct iommu_domain_ops paging_ops = {
	.attach_dev = attach,
	.iotlb_sync = sync_gathered,
	.flush_iotlb_all = flush_domain,
	.free = free_domain,
};

static struct iommu_domain *domain_alloc(struct iommu_device *iommu, unsigned int type)
{
	struct fuzz_iommu *fuzz = (struct fuzz_iommu *)iommu;
	struct fuzz_domain *d;

	if (type != IOMMU_DOMAIN_UNMANAGED)
		return type == IOMMU_DOMAIN_BLOCKED ? &fuzz->blocked : &fuzz->identity;
	d = kzalloc(sizeof(*d), GFP_KERNEL);
	if (!d)
		return NULL;
	d->cfg = (struct io_pgtable_cfg){ .quirks = world.quirks,
					  .pgsize_bitmap = world.granule | world.block,
					  .ias = 40,
					  .oas = world.last_phys >> 48 ? 52 : 48,
					  .coherent_walk = iommu == &iommus[0]->iommu,
					  .tlb = &tlb_ops };
	d->domain.tables = alloc_io_pgtable_ops(ARM_64_LPAE_S1, &d->cfg, d);
	if (!d->domain.tables) {
		kfree(d);
		return NULL;
	}
	d->domain.ops = &paging_ops;
	d->domain.pgsize_bitmap = d->cfg.pgsize_bitmap;
	d->domain.geometry = (struct iommu_domain_geometry){ 0, LAST_IOVA, true };
	return &d->domain;
}

static int probe_device(struct iommu_device *iommu, struct device *dev)
{
	dev_iommu_priv_set(dev, iommu);
	return 0;
}

static const struct iommu_ops ops = { .domain_alloc = domain_alloc, .probe_device = probe_device };

static int probe(struct platform_device *pdev)
{
	struct fuzz_iommu *fuzz = kzalloc(sizeof(*fuzz), GFP_KERNEL);

	MUST(fuzz);
	fuzz->blocked.ops = fuzz->identity.ops = &static_ops;
	MUST(!iommu_device_register(&fuzz->iommu, &ops, &pdev->dev));
	dev_set_drvdata(&pdev->dev, fuzz);
	iommus[iommus[0] != NULL] = fuzz;
	return 0;
}

static int remove_iommu(struct platform_device *pdev)
{
	struct fuzz_iommu *fuzz = dev_get_drvdata(&pdev->dev);

	iommu_device_unregister(&fuzz->iommu);
	iommus[fuzz == iommus[1]] = NULL;
	kfree(fuzz);
	return 0;
}

static int probe_client(struct platform_device *pdev)
{
	(void)pdev;
	return 0;
}

static const struct of_device_id iommu_match[] = { { "fuzz,iommu", NULL }, { "", NULL } };
static const struct of_device_id client_match[] = { { "fuzz,client", NULL }, { "", NULL } };
static const struct platform_driver iommu_driver = {
	.probe = probe,
	.remove = remove_iommu,
	.driver = { .name = "fuzz-iommu", .of_match_table = iommu_match },
};
static const struct platform_driver client_driver = {
	.probe = probe_client,
	.driver = { .name = "fuzz-client", .of_match_table = client_match },
};
const struct berth_driver fuzz_drivers[] = {
	BERTH_PLATFORM_DRIVER(&iommu_driver),
	BERTH_PLATFORM_DRIVER(&client_driver),
	BERTH_NO_MORE_DRIVERS,
};

/* The walker. */

word prot_word(int prot)
{
	unsigned int bits = prot & (IOMMU_WRITE | IOMMU_NOEXEC | IOMMU_PRIV);

	/* There is no writing without reading; registers are never cached. */
	bits |= IOMMU_READ | (prot & IOMMU_MMIO ? IOMMU_MMIO : prot & IOMMU_CACHE);
	return (word)bits << PROT_SHIFT | MAPPED;
}

static word decode(const struct fuzz_domain *d, uint64_t descriptor, unsigned int level,
		   unsigned int shift, dma_addr_t iova)
{
	uint64_t phys = descriptor & 0xffffffffffff & ~(world.granule - 1), within;
	unsigned int bits = IOMMU_READ;
	uint8_t attributes = (uint8_t)(d->cfg.arm_lpae_s1_cfg.mair >> 8 * (descriptor >> 2 & 7));

	if (d->cfg.oas == 52)
		phys |= (descriptor >> 12 & 0xf) << 48;
	within = iova & ((1ull << shift) - 1) & ~(world.granule - 1);
	MUST(!(phys & ((1ull << shift) - 1)) && descriptor & 1 << 10);
	MUST(attributes == 0x04 || attributes == 0xff || attributes == 0x44);
	bits |= descriptor & 1 << 7 ? 0 : IOMMU_WRITE;
	bits |= descriptor & 1 << 6 ? 0 : IOMMU_PRIV;
	bits |= descriptor >> 53 & 3 ? IOMMU_NOEXEC : 0;
	bits |= attributes == 0x04 ? IOMMU_MMIO : attributes == 0xff ? IOMMU_CACHE : 0;
	return (phys + within) | (word)bits << PROT_SHIFT | MAPPED | (level < 3 ? IN_BLOCK : 0);
}

static unsigned int first_level(const struct fuzz_domain *d)
{
	unsigned int bits = 64 - d->cfg.arm_lpae_s1_cfg.tcr.tsz, stride = world.shift - 3;

	return 4 - (bits - world.shift + stride - 1) / stride;
}

/* As it is in memory, for a walker that does not see the CPU's caches. */
static uint64_t read_descriptor(const struct fuzz_domain *d, uint64_t table, unsigned int index)
{
	const uint64_t *entries = d->cfg.coherent_walk ? phys_to_virt(table)
						       : berth_model_memory(table);

	return entries[index];
}

static uint64_t table_of(const struct fuzz_domain *d, uint64_t descriptor)
{
	uint64_t table = descriptor & 0xffffffffffff & ~(world.granule - 1);

	return d->cfg.oas == 52 ? table | (descriptor >> 12 & 0xf) << 48 : table;
}

/* @last_table: in: where the last table is, if that is known, or 0; out: where it was. */
static word walk_from(const struct fuzz_domain *d, dma_addr_t iova, uint64_t *last_table)
{
	unsigned int stride = world.shift - 3, level = *last_table ? 3 : first_level(d), shift;
	uint64_t at = *last_table ? *last_table : d->cfg.arm_lpae_s1_cfg.ttbr, descriptor;

	if (iova > LAST_IOVA)
		return 0;
	for (;; level++) {
		shift = world.shift + (3 - level) * stride;
		if (level == 3)
			*last_table = at;
		descriptor = read_descriptor(d, at, (iova >> shift) & ((1u << stride) - 1));
		if (!(descriptor & 1))
			return 0;
		if (level == 3 || !(descriptor & 2))
			return decode(d, descriptor, level, shift, iova);
		at = table_of(d, descriptor);
	}
}

word walk(const struct fuzz_domain *d, dma_addr_t iova)
{
	uint64_t table = 0;

	return walk_from(d, iova, &table);
}

word look_up(struct fuzz_domain *d, dma_addr_t iova)
{
	uint64_t page = iova >> world.shift, place = iova >> (2 * world.shift - 3), table;
	struct remembered *r = &d->tlb[page % NR_REMEMBERED];
	unsigned int slot = place % ARRAY_SIZE(d->tables);
	word leads;

	if (r->page == page + 1)
		return r->leads;
	table = d->tables[slot].place == place + 1 ? d->tables[slot].table : 0;
	leads = walk_from(d, iova, &table);
	if (table) {
		d->tables[slot].place = place + 1;
		d->tables[slot].table = table;
	}
	if (leads) {
		r->page = page + 1;
		r->leads = leads;
	}
	return leads;
}

static uint64_t count_in(const struct fuzz_domain *d, uint64_t table, unsigned int level,
			 unsigned int nr)
{
	unsigned int stride = world.shift - 3;
	uint64_t pages = 0;

	for (unsigned int i = 0; i < nr; i++) {
		uint64_t descriptor = read_descriptor(d, table, i);

		if (!(descriptor & 1))
			continue;
		pages += level == 3 || !(descriptor & 2)
				 ? 1ull << (3 - level) * stride
				 : count_in(d, table_of(d, descriptor), level + 1, 1u << stride);
	}
	return pages;
}

uint64_t count_pages(const struct fuzz_domain *d)
{
	unsigned int level = first_level(d), stride = world.shift - 3;

	/* The first table may be short. */
	return count_in(d, d->cfg.arm_lpae_s1_cfg.ttbr, level,
			(unsigned int)(LAST_IOVA >> (world.shift + (3 - level) * stride)) + 1);
}

/* A device may touch what nobody has: that is no mistake of the program's. */
__attribute__((no_sanitize("address"))) static void
copy_raw(volatile uint8_t *to, const volatile uint8_t *from, size_t size)
{
	for (size_t i = 0; i < size; i++)
		to[i] = from[i];
}

bool device_access(const struct client *c, dma_addr_t iova, void *bytes, size_t size, bool is_write)
{
	struct iommu_domain *domain = c->party->home;
	uint8_t *at = bytes;

	while (size) {
		uint64_t offset = iova & (world.granule - 1), phys = iova;
		size_t piece = world.granule - offset < size ? world.granule - offset : size;
		uint8_t *memory;

		if (iommu_domain_type(domain) != IOMMU_DOMAIN_IDENTITY) {
			word leads = look_up(to_fuzz(domain), iova);

			if (!leads || (is_write && !(leads & (word)IOMMU_WRITE << PROT_SHIFT)))
				return false;
			phys = (leads & ~(world.granule - 1)) + offset;
		}
		MUST(phys >= RAM && phys + piece <= RAM + RAM_SIZE);
		memory = c->is_coherent ? phys_to_virt(phys) : berth_model_memory(phys);
		berth_port_open_pages((uintptr_t)memory, piece);
		copy_raw(is_write ? memory : at, is_write ? at : memory, piece);
		at += piece;
		iova += piece;
		size -= piece;
	}
	return true;
}

/* The machine. */

static struct fdt fdt;

static void add_iommu(const char *name, uint32_t phandle)
{
	fdt_begin(&fdt, name);
	fdt_text(&fdt, "compatible", "fuzz,iommu");
	fdt_cells(&fdt, "#iommu-cells", 1);
	fdt_cells(&fdt, "phandle", phandle);
	fdt_end(&fdt);
}

static const struct shape {
	const char *name;
	uint32_t iommu, id;
	bool is_coherent, is_untrusted, is_used;
} shapes[NR_DEVICES] = {
	{ "plain", 1, 1, true, false, false }, { "incoherent", 1, 2, false, false, false },
	{ "twin", 1, 3, true, false, false },  { "double", 1, 3, false, false, false },
	{ "guest", 2, 1, true, true, false },  { "driven", 2, 4, true, false, true },
};

static const void *tree(void)
{
	fdt_start(&fdt, 2, 2);
	fdt_begin(&fdt, "memory@80000000");
	fdt_text(&fdt, "device_type", "memory");
	fdt_cells(&fdt, "reg", 0, (uint32_t)RAM, 0, (uint32_t)RAM_SIZE);
	fdt_end(&fdt);
	add_iommu("iommu0", 1);
	add_iommu("iommu1", 2);
	for (unsigned int i = 0; i < NR_DEVICES; i++) {
		fdt_begin(&fdt, shapes[i].name);
		fdt_text(&fdt, "compatible", shapes[i].is_used ? "fuzz,client" : "fuzz,free");
		fdt_cells(&fdt, "iommus", shapes[i].iommu, shapes[i].id);
		fdt_cells(&fdt, "berth,shadow-size", 256 * 1024);
		if (shapes[i].is_coherent)
			fdt_flag(&fdt, "dma-coherent");
		if (shapes[i].is_untrusted)
			fdt_flag(&fdt, "berth,untrusted");
		fdt_end(&fdt);
	}
	return fdt_finish(&fdt);
}

static void find_client(unsigned int i)
{
	char path[32];
	struct client *c = &clients[i];
	struct party *party = parties;
	struct iommu_group *group;

	snprintf(path, sizeof(path), "/%s", shapes[i].name);
	c->dev = &of_find_device_by_node(of_find_node_by_path(path))->dev;
	c->id = shapes[i].id;
	c->is_coherent = shapes[i].is_coherent;
	c->is_untrusted = shapes[i].is_untrusted;
	group = iommu_group_get(c->dev);
	MUST(group);
	while (party < parties + nr_parties && party->group != group)
		party++;
	if (party == parties + nr_parties) {
		nr_parties++;
		*party = (struct party){ .group = group,
					 .iommu = shapes[i].iommu - 1,
					 .sees = DEFAULT,
					 .home = iommu_get_domain_for_dev(c->dev),
					 .protection = berth_device_protection(c->dev) };
	}
	party->nr_devices++;
	party->is_used = party->is_used || shapes[i].is_used;
	c->party = party;
}

void world_start(void)
{
	static const char *const bootargs[] = { NULL, "iommu.strict=0", "iommu.passthrough=1" };
	const struct berth_model_config config = { .cache = take() & 1
								    ? BERTH_MODEL_CACHE_ADVERSARIAL
								    : BERTH_MODEL_CACHE_QUIET,
						   .no_fresh_pattern = true };
	const struct berth_options options = { .machine = &berth_model,
					       .machine_config = &config,
					       .bootargs = bootargs[take_below(3)] };
	uint8_t how = take();

	memset(&world, 0, sizeof(world));
	memset(clients, 0, sizeof(clients));
	nr_parties = attaches_left = 0;
	world.shift = 12 + 2 * (how & 3 ? (how & 3) - 1 : 0);
	world.granule = 1ull << world.shift;
	world.block = how & 4 ? 0 : 1ull << (2 * world.shift - 3);
	world.quirks = how & 8	  ? BERTH_IO_PGTABLE_SPLIT_BREAK
		       : how & 16 ? BERTH_IO_PGTABLE_SPLIT_LIVE
				  : 0;
	world.last_phys = (1ull << (world.shift == 16 && how & 32 ? 52 : 48)) - 1;
	MUST(!berth_start(tree(), fuzz_drivers, &options));
	MUST(iommus[0] && iommus[1]);
	for (unsigned int i = 0; i < NR_DEVICES; i++)
		find_client(i);
	MUST(nr_parties == NR_DEVICES - 1);
}

void world_stop(void)
{
	MUST(!berth_stop());
	MUST(!iommus[0] && !iommus[1]);
}

static unsigned int default_type(const struct client *c)
{
	if (c->party->protection == BERTH_PROTECT_PASSTHROUGH)
		return IOMMU_DOMAIN_IDENTITY;
	return c->party->protection == BERTH_PROTECT_LAZY ? IOMMU_DOMAIN_DMA_FQ : IOMMU_DOMAIN_DMA;
}

void check_parties(void)
{
	for (unsigned int i = 0; i < NR_DEVICES; i++) {
		struct client *c = &clients[i];
		struct party *party = c->party;
		struct iommu_domain *domain = iommu_get_domain_for_dev(c->dev);

		MUST(iommus[party->iommu]->seen[c->id] == domain);
		MUST(iommu_group_dma_owner_claimed(party->group) == party->is_owned);
		MUST(berth_device_protection(c->dev) == party->protection);
		MUST(berth_iommu_faults(c->dev) == c->nr_faults);
		if (party->sees == BLOCKED)
			MUST(domain == &iommus[party->iommu]->blocked);
		else if (party->sees == DEFAULT)
			MUST(iommu_domain_type(domain) == default_type(c));
		else
			MUST(domain == spaces[party->sees].domain);
	}
}
