/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random histories of maps, unmaps and device accesses, on QEMU's SMMU and on the model's: the same
 * bytes in memory, and the same faults in the same order. On the model the device is an edu's DMA
 * engine as far as this needs one, so that all above the registers is the same.
 */
#include "smmu.h"

#include <berth/io-pgtable.h>
#include <berth/iommu-driver.h>
#include <berth/model.h>

#include "../model/fdt.h"
#include "model/model.h"

#define HISTORIES 1000u
#define STEPS 14u
#define CHUNK_ORDER 3u
#define CHUNK_PAGES (1u << CHUNK_ORDER)
#define NR_CHUNKS 3u
/* Addresses: two that blocks and tables begin at, and one between. */
#define NR_PAGES 24u
#define STAGE 0x0800000ull

/* The engine: edu's registers for DMA, and its buffer. */
struct engine {
	uint64_t src, dst, count;
	uint8_t buffer[4096];
};

static uint64_t engine_read(struct model_device *dev, uint64_t offset, unsigned int bytes)
{
	(void)dev;
	(void)offset;
	(void)bytes;
	return 0; /* it is done at once */
}

static void engine_write(struct model_device *dev, uint64_t offset, unsigned int bytes,
			 uint64_t value)
{
	struct engine *engine = dev->state;

	(void)bytes;
	if (offset == 0x80)
		engine->src = value;
	else if (offset == 0x88)
		engine->dst = value;
	else if (offset == 0x90)
		engine->count = value;
	else if (offset == 0x98 && value == 1)
		model_dma_read(dev, engine->src, engine->buffer, engine->count);
	else if (offset == 0x98 && value == 3)
		model_dma_write(dev, engine->dst, engine->buffer, engine->count);
}

static const struct model_device_type engine_type = {
	.compatible = "test,engine",
	.state_size = sizeof(struct engine),
	.read = engine_read,
	.write = engine_write,
};

static const void *model_tree(void)
{
	static const char names[] = "eventq\0priq\0cmdq-sync\0gerror";
	static struct fdt fdt;

	fdt_start(&fdt, 2, 2);
	fdt_cells(&fdt, "interrupt-parent", 1);
	fdt_begin(&fdt, "interrupt-controller@8001000");
	fdt_text(&fdt, "compatible", "arm,gic-400");
	fdt_flag(&fdt, "interrupt-controller");
	fdt_cells(&fdt, "#interrupt-cells", 3);
	fdt_cells(&fdt, "#address-cells", 0);
	fdt_cells(&fdt, "reg", 0, 0x08001000, 0, 0x1000, 0, 0x08002000, 0, 0x2000);
	fdt_cells(&fdt, "phandle", 1);
	fdt_end(&fdt);
	fdt_begin(&fdt, "memory@80000000");
	fdt_text(&fdt, "device_type", "memory");
	fdt_cells(&fdt, "reg", 0, 0x80000000, 0, 0x04000000);
	fdt_end(&fdt);
	fdt_begin(&fdt, "smmu@20000000");
	fdt_text(&fdt, "compatible", "arm,smmu-v3");
	fdt_cells(&fdt, "reg", 0, 0x20000000, 0, 0x20000);
	fdt_cells(&fdt, "interrupts", 0, 40, 1, 0, 41, 1, 0, 42, 1, 0, 43, 1);
	fdt_property(&fdt, "interrupt-names", sizeof(names));
	fdt_bytes(&fdt, names, sizeof(names));
	fdt_cells(&fdt, "#iommu-cells", 1);
	fdt_cells(&fdt, "phandle", 2);
	fdt_flag(&fdt, "dma-coherent");
	fdt_end(&fdt);
	fdt_begin(&fdt, "engine@10000000");
	fdt_text(&fdt, "compatible", "test,engine");
	fdt_cells(&fdt, "reg", 0, 0x10000000, 0, 0x1000);
	fdt_cells(&fdt, "iommus", 2, 16);
	fdt_flag(&fdt, "dma-coherent");
	fdt_end(&fdt);
	return fdt_finish(&fdt);
}

/* What happened: a hash of memory after each step, and the faults as they came. */
struct event {
	uint64_t page;
	int flags;
	enum berth_iommu_fault_reason reason;
};

struct log {
	uint64_t hashes[HISTORIES * STEPS];
	struct event events[HISTORIES * STEPS * 2];
	unsigned int nr_hashes, nr_events;
};

static struct log logs[2], *the_log;

static void note(const struct berth_iommu_fault *fault, void *data)
{
	(void)data;
	assert_true(the_log->nr_events < HISTORIES * STEPS * 2);
	the_log->events[the_log->nr_events++] =
		(struct event){ fault->address & ~4095ull, fault->flags, fault->reason };
}

/* The machine under the history: a device, its registers, memory to map. */
static struct device *dev;
static char __iomem *regs;
static struct iommu_domain *domain;
static uint8_t *chunks[NR_CHUNKS], *stage;
static uint32_t seed;

static uint32_t below(uint32_t bound)
{
	seed = seed * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)(seed >> 1) * bound >> 31);
}

static uint64_t address_of(unsigned int page)
{
	static const uint64_t places[] = { 0x1000000, 0x11fc000, 0x3ffc000 };

	return places[page / 8] + page % 8 * 4096ull;
}

static void engine_dma(bool to_memory, uint64_t iova, size_t size)
{
	struct raw raw = { .regs = regs };

	dma(&raw, to_memory, iova, size);
}

/* The device writes bytes that this step has made. */
static void device_writes(uint64_t iova, size_t size)
{
	fill(stage, 4096, seed);
	engine_dma(false, STAGE, size);
	engine_dma(true, iova, size);
}

static uint64_t hash(const uint8_t *bytes, size_t size, uint64_t value)
{
	for (size_t i = 0; i < size; i += 8) {
		uint64_t word;

		memcpy(&word, bytes + i, 8);
		value = (value ^ word) * 0x9e3779b97f4a7c15ull;
		value ^= value >> 29;
	}
	return value;
}

/* What the device reads it writes where it can be seen; after a fault that says nothing. */
static uint64_t device_reads(uint64_t iova, size_t size)
{
	unsigned int before = the_log->nr_events;

	engine_dma(false, iova, size);
	if (the_log->nr_events != before)
		return 0;
	memset(stage, 0, 4096);
	engine_dma(true, STAGE, size);
	return hash(stage, 4096, 1);
}

static void map_some(void)
{
	static const int prots[] = { IOMMU_READ, IOMMU_READ | IOMMU_WRITE,
				     IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE, IOMMU_WRITE };
	unsigned int page = below(NR_PAGES), from = below(CHUNK_PAGES);
	unsigned int nr = below(4) + 1;
	const uint8_t *chunk = chunks[below(NR_CHUNKS)];

	if (nr > CHUNK_PAGES - from)
		nr = CHUNK_PAGES - from;
	if (nr > 8 - page % 8)
		nr = 8 - page % 8;
	/* Over something that is mapped it fails as a whole: -EEXIST. */
	iommu_map(domain, address_of(page), virt_to_phys(chunk + from * 4096ul), nr * 4096ul,
		  prots[below(4)], GFP_KERNEL);
}

static void unmap_some(void)
{
	unsigned int page = below(NR_PAGES), nr = below(8 - page % 8) + 1;
	struct iommu_iotlb_gather gather;

	switch (below(3)) {
	case 0:
		/* Nobody tells the IOTLB, yet: what it remembers is reached. */
		iommu_iotlb_gather_init(&gather);
		gather.queued = true;
		iommu_unmap_fast(domain, address_of(page), nr * 4096ul, &gather);
		break;
	case 1:
		iommu_flush_iotlb_all(domain);
		break;
	default:
		iommu_unmap(domain, address_of(page), nr * 4096ul);
	}
}

static uint64_t step(void)
{
	unsigned int page = below(NR_PAGES), what = below(10);
	uint64_t at = address_of(page) + below(4096);
	/* Of a long access that is refused QEMU has a record for each 4 bytes: they must fit. */
	size_t size = below(4) ? below(64) + 1 : below(1000) + 1;
	uint64_t value = 0;

	if (what < 3)
		map_some();
	else if (what < 5)
		unmap_some();
	else if (what < 8)
		device_writes(at, size);
	else
		value = device_reads(at, size);
	for (unsigned int i = 0; i < NR_CHUNKS; i++)
		value = hash(chunks[i], CHUNK_PAGES * 4096ul, value);
	return value;
}

static void history(uint32_t number)
{
	seed = number * 2654435761u + 1;
	domain = iommu_domain_alloc(dev);
	assert_non_null(domain);
	assert_int_equal(iommu_attach_device(domain, dev), 0);
	assert_int_equal(iommu_map(domain, STAGE, virt_to_phys(stage), 4096, RW, GFP_KERNEL), 0);
	for (unsigned int i = 0; i < NR_CHUNKS; i++)
		fill(chunks[i], CHUNK_PAGES * 4096ul, number + i);
	for (unsigned int i = 0; i < NR_PAGES / 8; i++)
		map_some();
	for (unsigned int i = 0; i < STEPS; i++)
		the_log->hashes[the_log->nr_hashes++] = step();
	for (unsigned int i = 0; i < NR_PAGES; i++)
		iommu_unmap(domain, address_of(i), 4096);
	assert_int_equal(iommu_unmap(domain, STAGE, 4096), 4096);
	berth_io_pgtable_trim(domain->tables);
	assert_int_equal(berth_io_pgtable_tables(domain->tables), 0);
	iommu_detach_device(domain, dev);
	iommu_domain_free(domain);
}

static void histories(struct log *log)
{
	the_log = log;
	berth_iommu_set_listener(note, NULL);
	stage = must_get_pages(0);
	for (unsigned int i = 0; i < NR_CHUNKS; i++)
		chunks[i] = must_get_pages(CHUNK_ORDER);
	for (uint32_t i = 0; i < HISTORIES; i++)
		history(i);
	for (unsigned int i = 0; i < NR_CHUNKS; i++)
		put_pages(chunks[i], CHUNK_ORDER);
	put_pages(stage, 0);
}

static void on_qemu(void)
{
	struct raw edu;

	start_machine(one_edu, NULL);
	find_smmu();
	take_edu(&edu, NULL);
	iommu_detach_device(edu.domain, &edu.pdev->dev);
	iommu_domain_free(edu.domain);
	dev = &edu.pdev->dev;
	regs = edu.regs;
	histories(&logs[0]);
	pci_iounmap(edu.pdev, edu.regs);
	pci_disable_device(edu.pdev);
	must_stop();
}

static void on_the_model(void)
{
	/* As much as QEMU remembers, so that what is stale on one is so on the other. */
	static const struct berth_model_smmu_config smmu_config = { .iotlb_entries = 1024 };
	const struct berth_model_config config = { .smmu = &smmu_config };
	const struct berth_options options = { .machine = &berth_model, .machine_config = &config };

	model_add_type(&engine_type);
	assert_int_equal(berth_start(model_tree(), drivers, &options), 0);
	find_smmu();
	dev = &of_find_device_by_node(of_find_compatible_node(NULL, NULL, "test,engine"))->dev;
	assert_true(device_iommu_mapped(dev));
	regs = ioremap(0x10000000, 0x1000);
	assert_non_null(regs);
	histories(&logs[1]);
	iounmap(regs);
	must_stop();
}

static void the_same_on_both(void **state)
{
	unsigned int faults[2] = { 0, 0 };

	(void)state;
	on_qemu();
	on_the_model();
	assert_int_equal(logs[0].nr_hashes, HISTORIES * STEPS);
	for (unsigned int i = 0; i < logs[0].nr_hashes; i++)
		if (logs[0].hashes[i] != logs[1].hashes[i])
			fail_msg("history %u, step %u: other bytes", i / STEPS, i % STEPS);
	for (unsigned int i = 0; i < logs[0].nr_events && i < logs[1].nr_events; i++) {
		const struct event *one = &logs[0].events[i], *other = &logs[1].events[i];

		if (one->page != other->page || one->flags != other->flags ||
		    one->reason != other->reason)
			fail_msg("fault %u: QEMU's %#llx %d %d, the model's %#llx %d %d", i,
				 (unsigned long long)one->page, one->flags, (int)one->reason,
				 (unsigned long long)other->page, other->flags, (int)other->reason);
		faults[one->reason == BERTH_IOMMU_FAULT_PERMISSION]++;
	}
	assert_int_equal(logs[0].nr_events, logs[1].nr_events);
	/* There was something to see. */
	assert_true(faults[0] > HISTORIES && faults[1] > HISTORIES / 10);
	print_message("# %u histories, %u faults, %u of them for want of permission\n", HISTORIES,
		      faults[0] + faults[1], faults[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_on_both),
	};

	return has_emulator() ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
