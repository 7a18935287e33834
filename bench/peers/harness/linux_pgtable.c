// SPDX-License-Identifier: BSD-2-Clause
/* Linux 6.1 io-pgtable-arm.c (ARM_64_LPAE_S1, 4K granule, 48-bit in/out, 4 levels, coherent walk) in userspace,
 * plus the iommu_dma_map_page shape: iova.c alloc + map, unmap + iova.c free. Kernel source only via #include. */
#include "kshim.h"
#include <pthread.h>
__thread int bench_cpu;
__thread void *kshim_free;
void *kshim_pages;
unsigned long kshim_pages_allocs;
#include "bench.h"
#include "lib/rbtree.c"
#include "drivers/iommu/iova.c"
#include <linux/sizes.h>
#undef pr_fmt
#include "drivers/iommu/io-pgtable-arm.c"
static unsigned long tlb_pages, tlb_walks;
static void tlb_all(void *c)
{
	(void)c;
}
static void tlb_walk(unsigned long i, size_t s, size_t g, void *c)
{
	tlb_walks++;
	(void)i;
	(void)s;
	(void)g;
	(void)c;
}
static void tlb_add(struct iommu_iotlb_gather *g, unsigned long i, size_t gr, void *c)
{
	(void)c;
	tlb_pages++;
	if (g) {
		if (i < g->start)
			g->start = i;
		if (i + gr - 1 > g->end)
			g->end = i + gr - 1;
		g->pgsize = gr;
	}
}
static const struct iommu_flush_ops tlbops = { tlb_all, tlb_walk, tlb_add };
#define PROT (IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE)
struct pc {
	struct io_pgtable_ops *o;
	unsigned long iova;
	size_t pg, cnt;
	bool lazy;
	uint64_t seed;
	unsigned long span;
	struct iova_domain *d;
};
static struct io_pgtable_ops *mk(void)
{
	struct io_pgtable_cfg cfg = { .pgsize_bitmap = SZ_4K | SZ_2M | SZ_1G,
				      .ias = 48,
				      .oas = 48,
				      .coherent_walk = true,
				      .tlb = &tlbops };
	struct io_pgtable *p = io_pgtable_arm_64_lpae_s1_init_fns.alloc(&cfg, NULL);
	if (!p)
		abort();
	p->fmt = ARM_64_LPAE_S1;
	p->cookie = NULL;
	p->cfg = cfg;
	return &p->ops;
}
static inline void do_map(struct pc *c, unsigned long iova, unsigned long pa)
{
	size_t left = c->cnt;
	while (left) {
		size_t m = 0;
		if (c->o->map_pages(c->o, iova, pa, c->pg, left, PROT, 0, &m))
			abort();
		left -= m / c->pg;
		iova += m;
		pa += m;
	}
}
static inline void do_unmap(struct pc *c, unsigned long iova)
{
	struct iommu_iotlb_gather g = { ~0ul, 0, 0, c->lazy };
	size_t left = c->cnt;
	while (left) {
		size_t u = c->o->unmap_pages(c->o, iova, c->pg, left, &g);
		if (!u)
			abort();
		left -= u / c->pg;
		iova += u;
	}
	b_use(&g);
}
static void f_pair(void *a, uint64_t n)
{
	struct pc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		do_map(c, c->iova, 0x1234567000ul & ~(c->pg - 1));
		do_unmap(c, c->iova);
	}
}
/* map only / unmap only over a rolling run of c->span leaves: time both halves apart */
static void f_map_run(
	void *a,
	uint64_t n) /* op = one map call, then everything unmapped untimed is not possible: reports map+unmap of sequential span */
{
	struct pc *c = a;
	size_t sz = c->pg * c->cnt;
	for (uint64_t i = 0; i < n;) {
		unsigned long k = n - i < c->span ? n - i : c->span;
		for (unsigned long j = 0; j < k; j++)
			do_map(c, c->iova + j * sz, 0x1200000000ul + j * sz);
		for (unsigned long j = 0; j < k; j++)
			do_unmap(c, c->iova + j * sz);
		i += k;
	}
}
static void f_walk(void *a, uint64_t n)
{
	struct pc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		phys_addr_t p =
			c->o->iova_to_phys(c->o, c->iova + (b_rng(&c->seed) % c->span) * SZ_4K);
		if (!p)
			abort();
		b_use(p);
	}
}
/* fresh leaf table on each map: 2M block replaces the table each time (frees it), then 4K map allocates a new one */
static void f_newtable(void *a, uint64_t n)
{
	struct pc *c = a;
	struct iommu_iotlb_gather g;
	for (uint64_t i = 0; i < n; i++) {
		size_t m = 0;
		if (c->o->map_pages(c->o, c->iova, 0x1200000000ul, SZ_4K, 1, PROT, 0, &m))
			abort();
		g = (struct iommu_iotlb_gather){ ~0ul, 0, 0, c->lazy };
		if (c->o->unmap_pages(c->o, c->iova & ~(SZ_2M - 1), SZ_2M, 1, &g) != SZ_2M)
			abort(); /* frees the leaf table */
	}
}
static void f_dma(void *a, uint64_t n)
{
	struct pc *c = a;
	size_t pages = c->pg * c->cnt >> 12;
	for (uint64_t i = 0; i < n; i++) {
		unsigned long pfn = alloc_iova_fast(c->d, pages, (1ul << 36) - 1, true);
		if (!pfn)
			abort();
		do_map(c, pfn << 12, 0x1234000000ul);
		do_unmap(c, pfn << 12);
		free_iova_fast(c->d, pfn, pages);
	}
}
/* sg: 16 scattered 4K pages into one 64K IOVA (iommu_map_sg shape) */
static void f_sg16(void *a, uint64_t n)
{
	struct pc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		unsigned long pfn = alloc_iova_fast(c->d, 16, (1ul << 36) - 1, true);
		if (!pfn)
			abort();
		for (int j = 0; j < 16; j++) {
			size_t m = 0;
			if (c->o->map_pages(c->o, (pfn + j) << 12, 0x1234000000ul + j * 0x3000ul,
					    SZ_4K, 1, PROT, 0, &m))
				abort();
		}
		struct iommu_iotlb_gather g = { ~0ul, 0, 0, c->lazy };
		if (c->o->unmap_pages(c->o, pfn << 12, SZ_4K, 16, &g) != SZ_64K)
			abort();
		free_iova_fast(c->d, pfn, 16);
	}
}
int main(int argc, char **argv)
{
	bench_init(argc, argv, "linux_pgtable");
	bench_calib();
	iova_cache_get();
	for (int lazy = 0; lazy < 2; lazy++) {
		char nm[64];
		const char *s = lazy ? "_lazy" : "_strict";
#define B(name, fn, ctx, cg)                           \
	do {                                           \
		snprintf(nm, sizeof nm, name "%s", s); \
		bench(nm, fn, ctx, cg);                \
	} while (0)
		struct pc c = { mk(), 0x7f0000200000ul, SZ_4K, 1, lazy, 5, 512 };

		B("map_unmap_4k_same", f_pair, &c, 50000);
		c.span = 4096;
		B("map_unmap_4k_seq4096", f_map_run, &c, 40960);
		c.cnt = 16;
		c.iova = 0x7e0000000000ul;
		B("map_unmap_64k_as16x4k", f_pair, &c, 20000);
		c.cnt = 512;
		B("map_unmap_2m_as512x4k", f_pair, &c, 500);
		struct pc h = { mk(), 0x7d0000000000ul, SZ_2M, 1, lazy, 5, 512 };
		B("map_unmap_2m_block", f_pair, &h, 50000);
		B("map_unmap_2m_block_seq512", f_map_run, &h, 51200);
		struct pc t = { mk(), 0x7c0000000000ul, SZ_4K, 1, lazy, 5, 1 };
		B("map4k_newtable_free", f_newtable, &t, 20000);
		struct pc d = {
			mk(), 0, SZ_4K, 1, lazy, 5, 1, calloc(1, sizeof(struct iova_domain))
		};
		init_iova_domain(d.d, 4096, 1);
		iova_domain_init_rcaches(d.d);
		B("dma_map_unmap_4k", f_dma, &d, 50000);
		d.cnt = 16;
		B("dma_map_unmap_64k", f_dma, &d, 20000);
		B("dma_map_sg16_unmap", f_sg16, &d, 10000);
		d.cnt = 512;
		d.pg = SZ_4K;
		B("dma_map_unmap_2m_as4k", f_dma, &d, 500);
		d.pg = SZ_2M;
		d.cnt = 1;
	}
	struct pc w = { mk(), 0x700000000000ul, SZ_4K, 1000, 1, 5, 1000 };
	do_map(&w, w.iova, 0x1200000000ul);
	bench("iova_to_phys_1e3pages", f_walk, &w, 50000);
	w.cnt = w.span = 100000;
	w.iova = 0x600000000000ul;
	do_map(&w, w.iova, 0x1200000000ul);
	bench("iova_to_phys_1e5pages", f_walk, &w, 50000);
	return 0;
}
