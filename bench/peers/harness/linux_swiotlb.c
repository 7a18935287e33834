// SPDX-License-Identifier: BSD-2-Clause
/* Linux 6.1 kernel/dma/swiotlb.c (slot search + bounce) in userspace, default 64 MiB pool. Kernel source only via #include.
 * nocopy = slot search alone (mapping_size 0 -> memcpy of 0 bytes; SKIP_CPU_SYNC on unmap). */
#include "kshim_swiotlb.h"
#include <pthread.h>
__thread int bench_cpu;
__thread void *kshim_free;
void *kshim_pages;
unsigned long kshim_pages_allocs;
#include "bench.h"
#include "kernel/dma/swiotlb.c"
static u64 mask64 = ~0ull;
static struct device dev = { &io_tlb_default_mem, 0, 0xffffffffffffffffull, &mask64, 0 };
struct sc {
	size_t sz;
	char *buf;
	int copy;
	phys_addr_t *live;
	unsigned nlive;
	uint64_t seed;
};
static void f_pair(void *a, uint64_t n)
{
	struct sc *c = a;
	size_t m = c->copy ? c->sz : 0;
	for (uint64_t i = 0; i < n; i++) {
		phys_addr_t p = swiotlb_tbl_map_single(&dev, virt_to_phys(c->buf), m, c->sz, 0,
						       DMA_BIDIRECTIONAL, 0);
		if (p == (phys_addr_t)DMA_MAPPING_ERROR)
			abort();
		swiotlb_tbl_unmap_single(&dev, p, m, DMA_BIDIRECTIONAL,
					 c->copy ? 0 : DMA_ATTR_SKIP_CPU_SYNC);
	}
}
static void f_tryfail(void *a, uint64_t n)
{
	struct sc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		phys_addr_t p = swiotlb_tbl_map_single(&dev, virt_to_phys(c->buf), 0, c->sz, 0,
						       DMA_BIDIRECTIONAL, DMA_ATTR_NO_WARN);
		if (p != (phys_addr_t)DMA_MAPPING_ERROR)
			swiotlb_tbl_unmap_single(&dev, p, 0, DMA_BIDIRECTIONAL,
						 DMA_ATTR_SKIP_CPU_SYNC);
	}
}
static void f_rr(void *a, uint64_t n)
{
	struct sc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		unsigned s = b_rng(&c->seed) % c->nlive;
		swiotlb_tbl_unmap_single(&dev, c->live[s], 0, DMA_BIDIRECTIONAL,
					 DMA_ATTR_SKIP_CPU_SYNC);
		c->live[s] = swiotlb_tbl_map_single(&dev, virt_to_phys(c->buf), 0, c->sz, 0,
						    DMA_BIDIRECTIONAL, 0);
		if (c->live[s] == (phys_addr_t)DMA_MAPPING_ERROR)
			abort();
	}
}
int main(int argc, char **argv)
{
	bench_init(argc, argv, "linux_swiotlb");
	bench_calib();
	default_nareas = 2;
	if (getenv("SWIOTLB_SLABS"))
		default_nslabs = atoi(getenv("SWIOTLB_SLABS"));
	swiotlb_init_remap(true, 0, NULL);
	char *buf = aligned_alloc(4096, 1 << 20);
	memset(buf, 1, 1 << 20);
	char nm[64];
	struct {
		const char *n;
		size_t s;
	} S[] = { { "2k", 2048 }, { "4k", 4096 }, { "64k", 65536 }, { "256k", 262144 } };
	for (int i = 0; i < 4; i++)
		for (int cp = 0; cp < 2; cp++) {
			struct sc c = { S[i].s, buf, cp };
			snprintf(nm, 64, "map_unmap_%s_%s", S[i].n, cp ? "bidir_copy" : "nocopy");
			bench(nm, f_pair, &c, 2000);
		}
	struct sc t0 = { 4096, buf, 0 }, t1 = { 4096, buf + 8192, 0 };
	void *two[2] = { &t0, &t1 };
	bench_mt("map_unmap_4k_nocopy_mt2", 2, f_pair, two);
	/* 75% full with 4K maps, random replace */
	struct sc r = { 4096, buf, 0 };
	r.nlive = 12288;
	r.live = malloc(8 * r.nlive);
	r.seed = 3;
	for (unsigned i = 0; i < r.nlive; i++)
		r.live[i] = swiotlb_tbl_map_single(&dev, virt_to_phys(buf), 0, 4096, 0,
						   DMA_BIDIRECTIONAL, 0);
	bench("replace_4k_75pct_full", f_rr, &r, 1000);
	for (unsigned k = 0; k < 20000; k++)
		f_rr(&r, 1);
	struct sc p = { 65536, buf, 0 };
	/* fragmented at 75%: a 64K request needs 32 free slots in a row */
	bench("try_64k_at_75pct_frag", f_tryfail, &p, 200);
	return 0;
}
