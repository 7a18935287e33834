// SPDX-License-Identifier: BSD-2-Clause
/*
 * Mappings of what is not in the linear map: registers, reservations with no-map, memory above a
 * mem= limit. Two that meet have the same memory type.
 */
#include <berth/io.h>
#include <berth/memblock.h>
#include <berth/mm.h>
#include <berth/slab.h>
#include <berth/vm_area.h>

#include "lib/error.h"
#include "lib/fault.h"
#include "mm/internal.h"
#include "mm/vma.h"

struct mapping {
	struct mapping *next;
	phys_addr_t phys; /* whole pages */
	uint64_t size;
	void *virt;
	enum berth_memory_type type;
	bool is_cookie;
};

/* A leaf, taken with interrupts away. */
static struct {
	spinlock_t lock;
	struct mapping *first;
} mappings;

static int refuse(const char *subject, phys_addr_t phys, uint64_t size)
{
	struct berth_error *error = berth_error_set(-EINVAL, BERTH_REASON_MAPPING, subject);

	error->address = phys;
	error->length = size;
	return -EINVAL;
}

/* Whether all of a range is RAM, in the linear map or not: of one range of memblock's. */
static bool is_ram(phys_addr_t phys, uint64_t size)
{
	struct berth_range range;
	enum memblock_flags flags;

	for (unsigned int i = 0; berth_memblock_next(false, i, &range, &flags); i++)
		if (phys >= range.base && phys - range.base < range.size &&
		    size <= range.size - (phys - range.base))
			return true;
	return false;
}

/* Whether some, or all, of a range is RAM that berth keeps in its linear map, or hands out. */
static bool is_kept_ram(phys_addr_t phys, uint64_t size, bool all)
{
	struct berth_range range;
	enum memblock_flags flags;

	for (unsigned int i = 0; berth_memblock_next(false, i, &range, &flags); i++) {
		if (flags & MEMBLOCK_NOMAP || phys >= range.base + range.size ||
		    range.base >= phys + size)
			continue;
		if (!all)
			return true;
		if (phys >= range.base && size <= range.size - (phys - range.base))
			return true;
	}
	return false;
}

/* A record with a type that no other mapping of these pages contradicts; NULL with the reason. */
static struct mapping *begin(const char *subject, phys_addr_t phys, uint64_t size,
			     enum berth_memory_type type, bool is_cookie)
{
	struct mapping *mapping = kzalloc(sizeof(*mapping), GFP_KERNEL), *other;
	unsigned long flags;

	if (!mapping)
		return NULL;
	mapping->phys = PFN_PHYS(PFN_DOWN(phys));
	mapping->size = PAGE_ALIGN(phys + size) - mapping->phys;
	mapping->type = type;
	mapping->is_cookie = is_cookie;
	spin_lock_irqsave(&mappings.lock, flags);
	for (other = mappings.first; other; other = other->next)
		if (other->type != type && other->phys < mapping->phys + mapping->size &&
		    mapping->phys < other->phys + other->size)
			break;
	if (!other) {
		mapping->next = mappings.first;
		mappings.first = mapping;
	}
	spin_unlock_irqrestore(&mappings.lock, flags);
	if (!other)
		return mapping;
	kfree(mapping);
	refuse(subject, phys, size);
	return NULL;
}

static void end(struct mapping *mapping)
{
	struct mapping **at = &mappings.first;
	unsigned long flags;

	spin_lock_irqsave(&mappings.lock, flags);
	while (*at && *at != mapping)
		at = &(*at)->next;
	if (*at)
		*at = mapping->next;
	spin_unlock_irqrestore(&mappings.lock, flags);
	kfree(mapping);
}

/* Whose address a caller gives back: it is nobody's from now on, but its pages keep their type. */
static struct mapping *claim(const void *virt, bool is_cookie)
{
	struct mapping *mapping;
	unsigned long flags;

	spin_lock_irqsave(&mappings.lock, flags);
	for (mapping = mappings.first; mapping; mapping = mapping->next)
		if (mapping->virt == virt && mapping->is_cookie == is_cookie)
			break;
	if (mapping)
		mapping->virt = NULL;
	spin_unlock_irqrestore(&mappings.lock, flags);
	return mapping;
}

static void publish(struct mapping *mapping, void *virt)
{
	unsigned long flags;

	spin_lock_irqsave(&mappings.lock, flags);
	mapping->virt = virt;
	spin_unlock_irqrestore(&mappings.lock, flags);
}

static void __iomem *ioremap_as(const char *subject, phys_addr_t phys, size_t size,
				enum berth_memory_type type)
{
	struct mapping *mapping;
	void __iomem *cookie;

	if (!size || phys + size < phys || phys + size > UINT64_MAX - PAGE_SIZE) {
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, subject, phys);
		return NULL;
	}
	if (is_kept_ram(phys, size, false)) {
		refuse("ioremap of RAM", phys, size);
		return NULL;
	}
	mapping = begin(subject, phys, size, type, true);
	if (!mapping)
		return NULL;
	cookie = type == BERTH_MEMORY_DEVICE ? berth_port_ioremap(phys, size)
					     : berth_port_ioremap_wc(phys, size);
	if (cookie) {
		publish(mapping, cookie);
		return cookie;
	}
	end(mapping);
	berth_fail_at(-ENXIO, BERTH_REASON_NO_DEVICE, subject, phys);
	return NULL;
}

void __iomem *ioremap(phys_addr_t phys, size_t size)
{
	return ioremap_as("ioremap", phys, size, BERTH_MEMORY_DEVICE);
}

void __iomem *ioremap_wc(phys_addr_t phys, size_t size)
{
	return ioremap_as("ioremap_wc", phys, size, BERTH_MEMORY_WRITE_COMBINE);
}

void iounmap(volatile void __iomem *addr)
{
	void __iomem *cookie = (void __iomem *)(uintptr_t)addr;
	struct mapping *mapping;

	if (!addr)
		return;
	mapping = claim(cookie, true);
	if (!mapping) {
		berth_not_owned("iounmap", (uintptr_t)addr, 0);
		return;
	}
	berth_port_iounmap(cookie);
	end(mapping);
}

/* RAM outside the linear map, at addresses of its own. */
static void *remap(phys_addr_t phys, size_t size, enum berth_memory_type type)
{
	struct mapping *mapping = begin("memremap", phys, size, type, false);
	char *virt = NULL;

	if (!mapping)
		return NULL;
	if (berth_should_fail())
		berth_fail_at(-ENOMEM, BERTH_REASON_MAPPING, "memremap", phys);
	else
		virt = berth_port_range_reserve(mapping->size);
	if (virt && berth_port_range_map(virt, mapping->phys, mapping->size, type)) {
		berth_port_range_release(virt, mapping->size);
		virt = NULL;
	}
	if (!virt) {
		end(mapping);
		return NULL;
	}
	virt += phys - mapping->phys;
	publish(mapping, virt);
	return virt;
}

/* RAM in the linear map has an address, and a type. */
static void *linear_address(phys_addr_t phys, size_t size)
{
	if (!is_kept_ram(phys, size, true)) {
		refuse("memremap of RAM and more", phys, size);
		return NULL;
	}
	for (phys_addr_t at = PFN_PHYS(PFN_DOWN(phys)); at < phys + size; at += PAGE_SIZE) {
		struct page *page = phys_to_page(at);

		if (page && (PageHighMem(page) || is_uncached(page))) {
			refuse(PageHighMem(page) ? "memremap of high memory"
						 : "another memory type",
			       phys, size);
			return NULL;
		}
	}
	return phys_to_virt(phys);
}

void *memremap(resource_size_t offset, size_t size, unsigned long flags)
{
	static const struct {
		unsigned long flag;
		enum berth_memory_type type;
	} ways[] = {
		{ MEMREMAP_WB, BERTH_MEMORY_CACHED },
		{ MEMREMAP_WT, BERTH_MEMORY_UNCACHED },
		{ MEMREMAP_WC, BERTH_MEMORY_WRITE_COMBINE },
	};
	void *virt = NULL;

	if (!size || offset + size < offset || offset + size > UINT64_MAX - PAGE_SIZE ||
	    !(flags & (MEMREMAP_WB | MEMREMAP_WT | MEMREMAP_WC))) {
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "memremap", size ? flags : size);
		return NULL;
	}
	if (is_kept_ram(offset, size, false)) {
		if (flags & MEMREMAP_WB)
			return linear_address(offset, size);
		refuse("the linear map's type", offset, size);
		return NULL;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(ways) && !virt; i++)
		if (flags & ways[i].flag)
			virt = remap(offset, size, ways[i].type);
	return virt;
}

void memunmap(void *addr)
{
	struct mapping *mapping;
	uint64_t in_page = offset_in_page(addr);

	if (!addr || virt_addr_valid(addr))
		return;
	mapping = claim(addr, false);
	if (!mapping) {
		berth_not_owned("memunmap", (uintptr_t)addr, 0);
		return;
	}
	berth_port_range_unmap((char *)addr - in_page, mapping->phys, mapping->size, mapping->type);
	berth_port_range_release((char *)addr - in_page, mapping->size);
	end(mapping);
}

static void unshow(void *mapping)
{
	if (mapping)
		end(mapping);
}

int remap_pfn_range(struct vm_area_struct *vma, unsigned long addr, unsigned long pfn,
		    unsigned long size, pgprot_t prot)
{
	const char *subject = "remap_pfn_range";
	const phys_addr_t phys = PFN_PHYS(pfn);
	const uint64_t bytes = PAGE_ALIGN((uint64_t)size);
	struct mapping *mapping = NULL;
	int err;

	if (!bytes || bytes < size || addr < vma->vm_start || offset_in_page(addr) ||
	    phys + bytes < phys)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, subject, addr);
	if (!is_ram(phys, bytes))
		return refuse("remap_pfn_range of what is not RAM", phys, bytes);
	if (is_kept_ram(phys, bytes, false)) {
		if (prot != BERTH_MEMORY_CACHED)
			return refuse("the linear map's type", phys, bytes);
		if (!linear_address(phys, (size_t)bytes))
			return -EINVAL;
	} else {
		mapping = begin(subject, phys, bytes, prot, false);
		if (!mapping)
			return berth_last_error()->code;
	}
	err = berth_vma_show(vma, addr - vma->vm_start, phys, bytes, prot, unshow, mapping);
	if (err)
		unshow(mapping);
	return err;
}

void berth_ioremap_reset(void)
{
	mappings.first = NULL;
}
