// SPDX-License-Identifier: BSD-2-Clause
/* Linux 6.1 drivers/iommu/iova.c + lib/rbtree.c in userspace. Kernel source only via #include. */
#include "kshim.h"
#include <pthread.h>
__thread int bench_cpu;
__thread void *kshim_free;
void *kshim_pages;
unsigned long kshim_pages_allocs;
#include "bench.h"
#include "lib/rbtree.c"
#include "drivers/iommu/iova.c"

#define LIM64 ((1UL << 36) - 1) /* 48-bit IOVA space */
#define LIM32 ((1UL << 20) - 1)
static struct iova_domain *mkdom(void)
{
	struct iova_domain *d = calloc(1, sizeof *d);
	init_iova_domain(d, 4096, 1);
	if (iova_domain_init_rcaches(d))
		abort();
	return d;
}
struct ctx {
	struct iova_domain *d;
	unsigned long size, lim;
	unsigned batch;
	uint64_t seed;
	unsigned long *live;
	unsigned char *sz;
	unsigned nlive;
};

static void f_empty(void *a, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		b_use(a);
}
static void f_pair(void *a, uint64_t n)
{
	struct ctx *c = a;
	for (uint64_t i = 0; i < n; i++) {
		unsigned long p = alloc_iova_fast(c->d, c->size, c->lim, true);
		if (!p)
			abort();
		free_iova_fast(c->d, p, c->size);
	}
}
/* op = one alloc+free, in batches of c->batch allocs then frees (FIFO) */
static void f_batch(void *a, uint64_t n)
{
	struct ctx *c = a;
	unsigned long v[4096];
	unsigned B = c->batch;
	for (uint64_t i = 0; i < n;) {
		unsigned k = n - i < B ? n - i : B;
		for (unsigned j = 0; j < k; j++)
			if (!(v[j] = alloc_iova_fast(c->d, c->size, c->lim, true)))
				abort();
		for (unsigned j = 0; j < k; j++)
			free_iova_fast(c->d, v[j], c->size);
		i += k;
	}
}
/* random replace in a window of nlive mappings; sizes 4K..128K, any page count 1..32 */
static void f_mixed(void *a, uint64_t n)
{
	struct ctx *c = a;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t r = b_rng(&c->seed);
		unsigned s = r % c->nlive;
		if (c->live[s])
			free_iova_fast(c->d, c->live[s], c->sz[s]);
		unsigned pages = c->batch ? (r >> 32) % 32 + 1 : 1u << ((r >> 32) % 6);
		c->sz[s] = pages;
		if (!(c->live[s] = alloc_iova_fast(c->d, pages, c->lim, true)))
			abort();
	}
}
/* tree-only (rcache bypassed): random replace among nlive one-page mappings */
static void f_tree_rr(void *a, uint64_t n)
{
	struct ctx *c = a;
	for (uint64_t i = 0; i < n; i++) {
		unsigned s = b_rng(&c->seed) % c->nlive;
		free_iova(c->d, c->live[s]);
		struct iova *v = alloc_iova(c->d, c->size, c->lim, true);
		if (!v)
			abort();
		c->live[s] = v->pfn_lo;
	}
}
static void f_find(void *a, uint64_t n)
{
	struct ctx *c = a;
	for (uint64_t i = 0; i < n; i++) {
		struct iova *v = find_iova(c->d, c->live[b_rng(&c->seed) % c->nlive]);
		if (!v)
			abort();
		b_use(v);
	}
}
/* failing 32-bit search over nlive nodes: holes too small; reset max32_alloc_size as any free would */
static void f_fail(void *a, uint64_t n)
{
	struct ctx *c = a;
	for (uint64_t i = 0; i < n; i++) {
		c->d->max32_alloc_size = c->d->dma_32bit_pfn;
		if (alloc_iova(c->d, c->size, c->lim, true))
			abort();
	}
}
/* same but leaving max32_alloc_size: the short-circuit */
static void f_fail_sc(void *a, uint64_t n)
{
	struct ctx *c = a;
	for (uint64_t i = 0; i < n; i++)
		if (alloc_iova(c->d, c->size, c->lim, true))
			abort();
}
static struct ctx *live_dom(unsigned nlive,
			    unsigned long lim) /* contiguous one-page mappings via the tree */
{
	struct ctx *c = calloc(1, sizeof *c);
	c->d = mkdom();
	c->size = 1;
	c->lim = lim;
	c->seed = 88172645463325252ull;
	c->live = calloc(nlive, sizeof(long));
	c->sz = calloc(nlive, 1);
	c->nlive = nlive;
	for (unsigned i = 0; i < nlive; i++)
		c->live[i] = alloc_iova(c->d, 1, lim, true)->pfn_lo;
	return c;
}
static struct ctx *half_dom(unsigned nlive,
			    unsigned long lim) /* 2x allocated, a random half freed: fragmented */
{
	struct ctx *c = live_dom(2 * nlive, lim);
	for (unsigned i = 2 * nlive - 1; i; i--) {
		unsigned j = b_rng(&c->seed) % (i + 1);
		unsigned long t = c->live[i];
		c->live[i] = c->live[j];
		c->live[j] = t;
	}
	for (unsigned i = nlive; i < 2 * nlive; i++)
		free_iova(c->d, c->live[i]);
	c->nlive = nlive;
	return c;
}
static struct ctx *comb_dom(unsigned nlive,
			    unsigned step) /* every step-th page of the low 4 GiB live */
{
	struct ctx *c = calloc(1, sizeof *c);
	c->d = mkdom();
	c->lim = LIM32;
	c->seed = 1234567;
	c->live = calloc(nlive, sizeof(long));
	c->nlive = nlive;
	unsigned long tot = (unsigned long)nlive * step, k = 0;
	unsigned long *all = malloc(tot * sizeof *all);
	for (unsigned long i = 0; i < tot; i++)
		all[i] = alloc_iova(c->d, 1, LIM32, true)->pfn_lo;
	for (unsigned long i = 0; i < tot; i++)
		if (i % step)
			free_iova(c->d, all[i]);
		else
			c->live[k++] = all[i];
	free(all);
	/* seal everything below the comb */
	unsigned long lo = LIM32 - tot;
	if (lo > 1)
		reserve_iova(c->d, 1, lo);
	return c;
}
int main(int argc, char **argv)
{
	bench_init(argc, argv, "linux_iova");
	bench_calib();
	iova_cache_get();
	bench("empty_loop", f_empty, NULL, 100000);
	struct ctx a = { mkdom(), 1, LIM64, 0, 1 };
	bench("fast_4k_pair", f_pair, &a, 100000);
	a.batch = 64;
	bench("fast_4k_batch64", f_batch, &a, 102400);
	a.batch = 512;
	bench("fast_4k_batch512_depot", f_batch, &a, 102400);
	a.batch = 4096;
	bench("fast_4k_batch4096_depot", f_batch, &a, 102400);
	a.size = 16;
	bench("fast_64k_pair", f_pair, &a, 100000);
	a.size = 32;
	bench("fast_128k_pair", f_pair, &a, 100000);
	/* 2 threads on one domain, different cpus */
	struct ctx t0 = { a.d, 1, LIM64, 64, 1 }, t1 = { a.d, 1, LIM64, 64, 2 };
	void *two[2] = { &t0, &t1 }, *one[1] = { &t0 };
	bench_mt("fast_4k_pair_mt1", 1, f_pair, one);
	bench_mt("fast_4k_pair_mt2", 2, f_pair, two);
	bench_mt("fast_4k_batch64_mt2", 2, f_batch, two);
	t0.batch = t1.batch = 512;
	bench_mt("fast_4k_batch512_mt2_depot", 2, f_batch, two);
	/* mixed */
	struct ctx m = { mkdom(), 0, LIM64, 0, 77 };
	m.nlive = 256;
	m.live = calloc(256, 8);
	m.sz = calloc(256, 1);
	bench("mixed_pow2_4k_128k_win256", f_mixed, &m, 200000);
	struct ctx m2 = { mkdom(), 0, LIM64, 1, 77 };
	m2.nlive = 256;
	m2.live = calloc(256, 8);
	m2.sz = calloc(256, 1);
	bench("mixed_any_4k_128k_win256", f_mixed, &m2, 200000);
	struct ctx m3 = { mkdom(), 0, LIM64, 1, 77 };
	m3.nlive = 16384;
	m3.live = calloc(16384, 8);
	m3.sz = calloc(16384, 1);
	bench("mixed_any_4k_128k_win16384", f_mixed, &m3, 200000);
	/* larger than the rcache */
	struct ctx l = { mkdom(), 64, LIM64, 0, 3 };
	bench("large_256k_pair_0live", f_pair, &l, 50000);
	l.size = 512;
	bench("large_2m_pair_0live", f_pair, &l, 50000);
	struct ctx *d;
	d = half_dom(1000, LIM64);
	d->size = 64;
	bench("large_256k_pair_1e3live_frag", f_pair, d, 2000);
	d = half_dom(100000, LIM64);
	d->size = 64;
	bench("large_256k_pair_1e5live_frag", f_pair, d, 100);
	d = live_dom(1000, LIM64);
	bench("find_1e3", f_find, d, 50000);
	d->size = 1;
	bench("tree_4k_replace_1e3", f_tree_rr, d, 2000);
	d = live_dom(100000, LIM64);
	bench("find_1e5", f_find, d, 50000);
	d->size = 1;
	bench("tree_4k_replace_1e5", f_tree_rr, d, 20);
	/* 32-bit limit, 100k live */
	d = half_dom(100000, LIM32);
	d->size = 1;
	if (!bench_skip("lim32_tree_4k_replace_1e5frag"))
		f_tree_rr(d, 4000); /* churn to a steady state */
	bench("lim32_tree_4k_replace_1e5frag", f_tree_rr, d, 100);
	d = half_dom(100000, LIM32);
	d->size = 64;
	bench("lim32_256k_pair_1e5frag", f_pair, d, 50);
	d = half_dom(100000, LIM32);
	d->size = 1;
	d->lim = LIM32;
	bench("lim32_fast_4k_pair_1e5frag", f_pair, d, 50000);
	d = comb_dom(100000, 10);
	d->size = 16;
	bench("lim32_fail_64k_comb1e5", f_fail, d, 5);
	bench("lim32_fail_shortcircuit", f_fail_sc, d, 20000);
	return 0;
}
