// SPDX-License-Identifier: BSD-2-Clause
/* DPDK 22.11 (Debian): run as ./bin/dpdk_bench [filter]; EAL args are fixed: --no-huge --no-shconf -m 512 -l 0 (no-huge forces legacy-mem, which refuses --in-memory) */
#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_mempool.h>
#include <rte_memory.h>
#include <rte_lcore.h>
#include "bench.h"
__thread int bench_cpu;
struct dc {
	size_t sz;
	unsigned al, batch;
	void **v;
	uint64_t seed;
	struct rte_mempool *mp;
	char *base;
	size_t span;
};
static void f_pair(void *a, uint64_t n)
{
	struct dc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		void *p = rte_malloc(NULL, c->sz, c->al);
		if (!p)
			abort();
		b_use(p);
		rte_free(p);
	}
}
static void f_zpair(void *a, uint64_t n)
{
	struct dc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		void *p = rte_zmalloc(NULL, c->sz, c->al);
		if (!p)
			abort();
		b_use(p);
		rte_free(p);
	}
}
static void f_batch(void *a, uint64_t n)
{
	struct dc *c = a;
	for (uint64_t i = 0; i < n;) {
		unsigned k = n - i < c->batch ? n - i : c->batch;
		for (unsigned j = 0; j < k; j++)
			if (!(c->v[j] = rte_malloc(NULL, c->sz, c->al)))
				abort();
		for (unsigned j = 0; j < k; j++)
			rte_free(c->v[j]);
		i += k;
	}
}
static void f_rr(void *a, uint64_t n)
{
	struct dc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		unsigned s = b_rng(&c->seed) % c->batch;
		rte_free(c->v[s]);
		if (!(c->v[s] = rte_malloc(NULL, c->sz, c->al)))
			abort();
	}
}
static void f_mp1(void *a, uint64_t n)
{
	struct dc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		void *p;
		if (rte_mempool_get(c->mp, &p))
			abort();
		b_use(p);
		rte_mempool_put(c->mp, p);
	}
}
static void f_mpb(void *a, uint64_t n)
{
	struct dc *c = a;
	for (uint64_t i = 0; i < n;) {
		unsigned k = n - i < c->batch ? n - i : c->batch;
		for (unsigned j = 0; j < k; j++)
			if (rte_mempool_get(c->mp, &c->v[j]))
				abort();
		for (unsigned j = 0; j < k; j++)
			rte_mempool_put(c->mp, c->v[j]);
		i += k;
	}
}
static void f_mpbulk(void *a, uint64_t n)
{
	struct dc *c = a;
	for (uint64_t i = 0; i < n; i += c->batch) {
		if (rte_mempool_get_bulk(c->mp, c->v, c->batch))
			abort();
		b_use(c->v);
		rte_mempool_put_bulk(c->mp, c->v, c->batch);
	}
}
static void f_v2i(void *a, uint64_t n)
{
	struct dc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		rte_iova_t x = rte_mem_virt2iova(c->base + (b_rng(&c->seed) % c->span));
		b_use(x);
	}
}
static void f_mv2i(void *a, uint64_t n)
{
	struct dc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		rte_iova_t x = rte_malloc_virt2iova(c->base);
		b_use(x);
	}
}
static void f_mps(void *a, uint64_t n)
{
	struct dc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		struct rte_memseg *m =
			rte_mem_virt2memseg(c->base + (b_rng(&c->seed) % c->span), NULL);
		b_use(m);
	}
}
int main(int argc, char **argv)
{
	char *ea[] = {
		"x", "--no-huge",	  "--no-shconf",    "-m",	"512",		 "-l",
		"0", "--log-level=error", "--no-telemetry", "--no-pci", "--iova-mode=va"
	};
	if (rte_eal_init(11, ea) < 0)
		return 1;
	bench_init(argc, argv, "dpdk");
	bench_calib();
	void *vv[4096];
	char nm[64];
	struct {
		const char *n;
		size_t s;
	} S[] = { { "4k", 4096 }, { "64k", 65536 }, { "2m", 2 << 20 } };
	for (int i = 0; i < 3; i++) {
		struct dc c = { S[i].s, 4096, i == 2 ? 64 : 256, vv, 7 };
		snprintf(nm, 64, "rte_malloc_pair_%s", S[i].n);
		bench(nm, f_pair, &c, i == 2 ? 40 : 2000);
		c.al = 0;
		snprintf(nm, 64, "rte_malloc_pair_%s_al64", S[i].n);
		bench(nm, f_pair, &c, i == 2 ? 40 : 2000);
		c.al = 4096;
		snprintf(nm, 64, "rte_malloc_batch%u_%s", c.batch, S[i].n);
		bench(nm, f_batch, &c, i == 2 ? 64 : c.batch * 4);
		for (unsigned j = 0; j < c.batch; j++)
			c.v[j] = rte_malloc(NULL, c.sz, c.al);
		snprintf(nm, 64, "rte_malloc_replace_win%u_%s", c.batch, S[i].n);
		bench(nm, f_rr, &c, i == 2 ? 40 : 1000);
		for (unsigned j = 0; j < c.batch; j++)
			rte_free(c.v[j]);
		snprintf(nm, 64, "rte_zmalloc_pair_%s", S[i].n);
		bench(nm, f_zpair, &c, i == 2 ? 20 : 500);
	}
	struct dc m = { 0, 0, 256, vv, 9 };
	m.mp = rte_mempool_create("c", 8191, 2048, 512, 0, NULL, NULL, NULL, NULL, SOCKET_ID_ANY,
				  0);
	if (!m.mp)
		abort();
	bench("mempool_cached_pair", f_mp1, &m, 50000);
	m.batch = 256;
	bench("mempool_cached_batch256_single_ops", f_mpb, &m, 51200);
	m.batch = 2048;
	bench("mempool_cached_batch2048_single_ops", f_mpb, &m, 51200);
	m.batch = 32;
	bench("mempool_cached_bulk32_per_obj", f_mpbulk, &m, 51200);
	m.batch = 256;
	bench("mempool_cached_bulk256_per_obj", f_mpbulk, &m, 51200);
	m.mp = rte_mempool_create("n", 8191, 2048, 0, 0, NULL, NULL, NULL, NULL, SOCKET_ID_ANY, 0);
	bench("mempool_nocache_pair", f_mp1, &m, 50000);
	struct dc v = { .seed = 3, .span = 64 << 20 };
	v.base = rte_malloc(NULL, v.span, 4096);
	if (!v.base)
		abort();
	for (size_t o = 0; o < v.span; o += 4096)
		v.base[o] = 1;
	bench("rte_mem_virt2iova_random64M", f_v2i, &v, 20000);
	bench("rte_mem_virt2memseg_random64M", f_mps, &v, 20000);
	bench("rte_malloc_virt2iova", f_mv2i, &v, 20000);
	return 0;
}
