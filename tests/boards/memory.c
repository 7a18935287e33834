/* SPDX-License-Identifier: BSD-2-Clause */
/* High memory, vmalloc() and memory above mem= on page tables of berth's own. */
#include <berth/berth.h>
#include <berth/dma-mapping.h>
#include <berth/dmapool.h>
#include <berth/gfp.h>
#include <berth/highmem.h>
#include <berth/io.h>
#include <berth/vmalloc.h>

/* The port's: type_at(), the types of memory, and where RAM is. */
#include MACHINE_H

#define MIB 0x100000ul

static unsigned int failed, number;

static void put(const char *text)
{
	size_t length = 0;

	while (text[length])
		length++;
	berth_port_print(text, length);
}

static void result(bool holds, const char *what)
{
	const char digit[] = { (char)('0' + ++number), 0 };

	put(holds ? "ok " : "not ok ");
	put(digit);
	put(" - ");
	put(what);
	put("\n");
	failed += !holds;
}

static bool keeps(volatile uint64_t *at, uint64_t words)
{
	for (uint64_t i = 0; i < words; i += 61)
		at[i] = i * 0x9e3779b97f4a7c15;
	for (uint64_t i = 0; i < words; i += 61)
		if (at[i] != i * 0x9e3779b97f4a7c15)
			return false;
	return true;
}

/* Where a page would be if the linear map reached so far. */
static const void *linear_of(const struct page *page)
{
	return (const void *)(berth_port_linear.virt +
			      (uintptr_t)(page_to_phys(page) - berth_port_linear.phys));
}

static bool high_memory(void)
{
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_HIGHMEM | __GFP_ZERO, 1);
	uint64_t *first, *second;
	bool good;

	if (!page || !PageHighMem(page) || type_at(linear_of(page), false) != NOT_MAPPED)
		return false;
	first = kmap_local_page(page);
	second = kmap_local_page(page + 1);
	good = first && second && type_at(first, false) == MEMORY_CACHED && !first[511] &&
	       !second[0] && keeps(first, 512) && keeps(second, 512);
	first[3] = 33;
	second[3] = 44;
	berth_port_cache_flush(page_to_phys(page), 2 * PAGE_SIZE);
	kunmap_local(first);
	kunmap_local(second);
	good = good && type_at(first, false) == NOT_MAPPED;
	first = vmap(&page, 1, VM_MAP, pgprot_writecombine(PAGE_KERNEL));
	good = good && first && first[3] == 33 && type_at(first, false) == MEMORY_UNCACHED;
	good = good && !kmap_local_page(page);
	vunmap(first);
	__free_pages(page, 1);
	return good;
}

static bool all_of_it(void)
{
	struct berth_memory_info info;
	size_t size;
	char *area;
	bool good;

	berth_memory_info(&info);
	size = (size_t)info.high_free + 8 * MIB;
	area = vmalloc(size);
	good = area && keeps((uint64_t *)(void *)area, size / 8) &&
	       type_at(area, false) == MEMORY_CACHED && type_at(area - 1, false) == NOT_MAPPED &&
	       type_at(area + size, false) == NOT_MAPPED;
	berth_memory_info(&info);
	good = good && !info.high_free;
	vfree(area);
	return good && type_at(area, false) == NOT_MAPPED;
}

static bool left_out(phys_addr_t phys)
{
	uint64_t *memory = memremap(phys, 2 * MIB, MEMREMAP_WB);
	char __iomem *cookie;
	bool good;

	if (!memory || type_at(memory, false) != MEMORY_CACHED || !keeps(memory, 2 * MIB / 8))
		return false;
	memory[9] = 0x99;
	good = !ioremap(phys + 64, 64) && berth_last_error()->reason == BERTH_REASON_MAPPING;
	memunmap(memory);
	cookie = ioremap(phys + 64, 64);
	good = good && cookie && type_at(cookie, false) == MEMORY_DEVICE &&
	       readq(cookie + 8) == 0x99;
	iounmap(cookie);
	memory = memremap(phys, 4096, MEMREMAP_WC);
	good = good && memory && type_at(memory, false) == MEMORY_UNCACHED && memory[9] == 0x99;
	memunmap(memory);
	return good;
}

/* A descriptor ring and a pool for a device that does not see the caches, and a second address. */
static bool device_memory(bool coherent)
{
	static struct device dev;
	struct vm_area_struct vma;
	dma_addr_t addr, at[3];
	uint64_t *virt, *block;
	struct dma_pool *pool;
	bool good;
	int type = coherent ? MEMORY_CACHED : MEMORY_UNCACHED;

	dev = (struct device){ 0 };
	if (device_register(&dev, "ring"))
		return false;
	berth_device_set_coherent(&dev, coherent);
	virt = dma_alloc_coherent(&dev, 20000, &addr, GFP_KERNEL);
	good = virt && type_at(virt, false) == type && !virt[2499] && keeps(virt, 2500);
	dma_free_coherent(&dev, 4096, virt, addr);
	good = good && berth_last_error()->reason == BERTH_REASON_NOT_OWNED;
	/* This port has addresses for that. */
	good = good && dma_can_mmap(&dev) && !berth_vma_reserve(&vma, 20000, 0) &&
	       !dma_mmap_coherent(&dev, &vma, virt, addr, 20000);
	if (good) {
		uint64_t *seen = (uint64_t *)vma.vm_start;

		good = type_at(seen, false) == type && seen[61] == 61 * 0x9e3779b97f4a7c15;
		seen[100] = 5;
		mb();
		good = good && virt[100] == 5;
		berth_vma_release(&vma);
		good = good && type_at(seen, false) == NOT_MAPPED;
	}
	dma_free_coherent(&dev, 20000, virt, addr);
	virt = dma_alloc_coherent(&dev, 5000, &addr, GFP_ATOMIC);
	good = good && virt && type_at(virt, false) == type && keeps(virt, 600);
	dma_free_coherent(&dev, 5000, virt, addr);

	pool = dma_pool_create("descriptors", &dev, 64, 64, 4096);
	for (unsigned int i = 0; i < 300 && good; i++) {
		block = dma_pool_zalloc(pool, GFP_KERNEL, &at[i % 3]);
		good = block && !block[7] && type_at(block, false) == type;
		dma_pool_free(pool, block, at[i % 3]);
	}
	berth_clear_error();
	dma_pool_destroy(pool);
	device_unregister(&dev);
	return good && !berth_last_error()->code;
}

int main(void)
{
	static const struct berth_options options = { .bootargs = "mem=96M highmem=40M cma=8M" };
	struct berth_memory_info info;

	put("1..7\n");
	if (berth_start(NULL, NULL, &options)) {
		put("Bail out! berth_start\n");
		return 1;
	}
	berth_memory_info(&info);
	result(info.total == 96 * MIB && info.high == 40 * MIB, "mem= and highmem= divide RAM");
	result(high_memory(), "high memory has an address while it is mapped");
	result(all_of_it(), "vmalloc() takes all high memory, and more");
	result(left_out(berth_port_linear.phys + 100 * MIB), "what mem= leaves out can be mapped");
	result(device_memory(false), "memory for a device that does not see the caches");
	result(device_memory(true), "memory for one that does");
	result(!berth_stop(), "nothing is left");
	return failed != 0;
}
