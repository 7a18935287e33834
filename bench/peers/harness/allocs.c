// SPDX-License-Identifier: BSD-2-Clause
/* General allocators as the bar: run with LD_PRELOAD=libjemalloc.so.2 / libmimalloc.so.2 / none.
 * _touch cases write one word per 4 KiB page (memory is committed, pages come back if the allocator decommits). */
#define _GNU_SOURCE
#include "bench.h"
__thread int bench_cpu;
struct ac {
	size_t sz, al;
	int touch;
	unsigned batch;
	uint64_t seed;
	void **v;
};
static inline void *A(struct ac *c)
{
	void *p = c->al ? aligned_alloc(c->al, c->sz) : malloc(c->sz);
	if (!p)
		abort();
	if (c->touch)
		for (size_t o = 0; o < c->sz; o += 4096)
			((volatile char *)p)[o] = 1;
	b_use(p);
	return p;
}
static void f_pair(void *a, uint64_t n)
{
	struct ac *c = a;
	for (uint64_t i = 0; i < n; i++)
		free(A(c));
}
static void f_batch(void *a, uint64_t n)
{
	struct ac *c = a;
	for (uint64_t i = 0; i < n;) {
		unsigned k = n - i < c->batch ? n - i : c->batch;
		for (unsigned j = 0; j < k; j++)
			c->v[j] = A(c);
		for (unsigned j = 0; j < k; j++)
			free(c->v[j]);
		i += k;
	}
}
static void f_rr(void *a, uint64_t n)
{
	struct ac *c = a;
	for (uint64_t i = 0; i < n; i++) {
		unsigned s = b_rng(&c->seed) % c->batch;
		free(c->v[s]);
		c->v[s] = A(c);
	}
}
int main(int argc, char **argv)
{
	const char *lbl = getenv("ALLOC_LABEL");
	char h[64];
	snprintf(h, 64, "alloc_%s", lbl ? lbl : "glibc");
	bench_init(argc, argv, h);
	bench_calib();
	struct ac small = { .sz = 256 };
	bench("pair_256", f_pair, &small, 5000);
	struct {
		const char *n;
		size_t sz;
	} S[] = { { "4k", 4096 }, { "64k", 65536 }, { "2m", 2 << 20 } };
	for (int al = 0; al < 2; al++)
		for (int i = 0; i < 3; i++) {
			char nm[64];
			const char *t = al ? "_pgalign" : "";
			struct ac c = { S[i].sz, al ? 4096 : 0, 0, 0, 7 };
			unsigned cg = i == 2 ? 300 : 5000;
			snprintf(nm, 64, "pair_%s%s", S[i].n, t);
			bench(nm, f_pair, &c, cg);
			c.batch = i == 2 ? 64 : 256;
			c.v = calloc(c.batch, sizeof(void *));
			snprintf(nm, 64, "batch%u_%s%s", c.batch, S[i].n, t);
			bench(nm, f_batch, &c, c.batch * (i == 2 ? 4 : 20));
			for (unsigned j = 0; j < c.batch; j++)
				c.v[j] = A(&c);
			snprintf(nm, 64, "replace_win%u_%s%s", c.batch, S[i].n, t);
			bench(nm, f_rr, &c, cg);
			for (unsigned j = 0; j < c.batch; j++) {
				free(c.v[j]);
				c.v[j] = NULL;
			}
			struct ac m0 = c, m1 = c;
			m0.v = calloc(c.batch, 8);
			m1.v = calloc(c.batch, 8);
			void *two[2] = { &m0, &m1 };
			if (al) {
				snprintf(nm, 64, "batch%u_%s%s_mt2", c.batch, S[i].n, t);
				bench_mt(nm, 2, f_batch, two);
			}
			c.touch = 1;
			if (al) {
				snprintf(nm, 64, "pair_%s%s_touch", S[i].n, t);
				bench(nm, f_pair, &c, cg);
			}
		}
	return 0;
}
