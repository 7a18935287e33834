/* SPDX-License-Identifier: BSD-2-Clause */
/* Extra stand-ins for kernel/dma/swiotlb.c (from its call sites) */
#ifndef KSHIM_SWIOTLB_H
#define KSHIM_SWIOTLB_H
#include "kshim.h"
#define CONFIG_SWIOTLB 1
#define PFN_DOWN(x) ((x) >> PAGE_SHIFT)
#define PageHighMem(p) 0
#define pfn_to_page(p) ((struct page *)(uintptr_t)((p) << PAGE_SHIFT))
#define memcpy_from_page(d, p, o, s) memcpy(d, (char *)(p) + (o), s)
#define memcpy_to_page(p, o, sv, s) memcpy((char *)(p) + (o), sv, s)
#define kmsan_unpoison_memory(a, s) ((void)0)
#define SMP_CACHE_BYTES 64
#define DMA_ATTR_SKIP_CPU_SYNC 1
#define DMA_ATTR_NO_WARN 2
#define CC_ATTR_MEM_ENCRYPT 0
#define cc_platform_has(x) 0
#define CONFIG_HAS_IOMEM_OFF
#define early_param(a, b)
#define simple_strtoul strtoul
#define set_memory_decrypted(a, n) ((void)(a))
#define set_memory_encrypted(a, n) ((void)(a))
#define memblock_alloc(s, a) aligned_alloc(4096, ALIGN((unsigned long)(s), 4096))
#define memblock_alloc_low(s, a) memblock_alloc(s, a)
#define memblock_free(p, s) free(p)
#define memblock_free_late(p, s) ((void)(p))
static inline unsigned dma_get_min_align_mask(struct device *d)
{
	return d->min_align_mask;
}
static inline unsigned long dma_get_seg_boundary(struct device *d)
{
	return d->seg_boundary;
}
#define phys_to_dma(d, p) ((dma_addr_t)(p))
#define phys_to_dma_unencrypted(d, p) ((dma_addr_t)(p))
#define dma_capable(d, a, s, b) ((a) + (s)-1 <= *(d)->dma_mask)
#define dev_is_dma_coherent(d) 1
#define arch_sync_dma_for_device(a, s, d) ((void)0)
#define trace_swiotlb_bounced(d, a, s) ((void)0)
static inline bool iommu_is_span_boundary(unsigned index, unsigned nr, unsigned long shift,
					  unsigned long boundary)
{
	return nr > boundary - ((shift + index) & (boundary - 1));
}
struct dentry;
#define DEFINE_DEBUGFS_ATTRIBUTE(n, g, s, f) static int n
#define DEFINE_SIMPLE_ATTRIBUTE(n, g, s, f) static int n
#define debugfs_create_dir(n, p) NULL
#define debugfs_create_file(...) ((void)0)
#define debugfs_create_ulong(...) ((void)0)
#define late_initcall(f)
#define __weak __attribute__((weak))
#define __maybe_unused __attribute__((unused))
#endif
