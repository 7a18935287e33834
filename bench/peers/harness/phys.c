// SPDX-License-Identifier: BSD-2-Clause
/* Physical limits of this machine: copy/set bandwidth, cache-line maintenance, page remap, faults, wakeups, atomics. */
#define _GNU_SOURCE
#include "bench.h"
#include <sys/mman.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <linux/falloc.h>
#include <fcntl.h>
#include <signal.h>
#include <poll.h>
#include <unistd.h>
#include <errno.h>
#include <immintrin.h>
__thread int bench_cpu;
struct pc {
	char *s, *d;
	size_t sz;
	int fd;
	off_t off;
	size_t span;
	uint64_t k;
};
static void f_memcpy(void *a, uint64_t n)
{
	struct pc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		memcpy(c->d, c->s, c->sz);
		b_use(c->d);
	}
}
static void f_memcpy_pg(void *a, uint64_t n)
{
	struct pc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		size_t o = (c->k += 4096) & (c->span - 1);
		memcpy(c->d + o, c->s + o, 4096);
		b_use(c->d);
	}
}
static void f_memset(void *a, uint64_t n)
{
	struct pc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		memset(c->d, 0, c->sz);
		b_use(c->d);
	}
}
static void f_ntset(void *a, uint64_t n)
{
	struct pc *c = a;
	__m128i z = _mm_setzero_si128();
	for (uint64_t i = 0; i < n; i++) {
		for (size_t o = 0; o < c->sz; o += 64) {
			_mm_stream_si128((void *)(c->d + o), z);
			_mm_stream_si128((void *)(c->d + o + 16), z);
			_mm_stream_si128((void *)(c->d + o + 32), z);
			_mm_stream_si128((void *)(c->d + o + 48), z);
		}
		_mm_sfence();
		b_use(c->d);
	}
}
/* per op = whole buffer; lines dirtied first */
static void f_dirty(void *a, uint64_t n)
{
	struct pc *c = a;
	for (uint64_t i = 0; i < n; i++)
		for (size_t o = 0; o < c->sz; o += 64)
			*(volatile long *)(c->d + o) = i;
}
static void f_clfo_dirty(void *a, uint64_t n)
{
	struct pc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		for (size_t o = 0; o < c->sz; o += 64)
			*(volatile long *)(c->d + o) = i;
		for (size_t o = 0; o < c->sz; o += 64)
			_mm_clflushopt(c->d + o);
		_mm_sfence();
	}
}
static void f_clwb_dirty(void *a, uint64_t n)
{
	struct pc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		for (size_t o = 0; o < c->sz; o += 64)
			*(volatile long *)(c->d + o) = i;
		for (size_t o = 0; o < c->sz; o += 64)
			_mm_clwb(c->d + o);
		_mm_sfence();
	}
}
static void f_clf_dirty(void *a, uint64_t n)
{
	struct pc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		for (size_t o = 0; o < c->sz; o += 64)
			*(volatile long *)(c->d + o) = i;
		for (size_t o = 0; o < c->sz; o += 64)
			_mm_clflush(c->d + o);
		_mm_mfence();
	}
}
static void f_clwb_clean(void *a, uint64_t n)
{
	struct pc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		for (size_t o = 0; o < c->sz; o += 64)
			_mm_clwb(c->d + o);
		_mm_sfence();
	}
}
static void f_clfo_clean(void *a, uint64_t n)
{
	struct pc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		for (size_t o = 0; o < c->sz; o += 64)
			_mm_clflushopt(c->d + o);
		_mm_sfence();
	}
}
/* remap: op = one mmap(MAP_FIXED|MAP_SHARED) of c->sz of the memfd over the window, alternating two file offsets */
static void f_remap(void *a, uint64_t n)
{
	struct pc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		if (mmap(c->d, c->sz, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, c->fd,
			 c->off + (i & 1 ? (off_t)c->sz : 0)) == MAP_FAILED)
			abort();
	}
}
static void f_remap_pop(void *a, uint64_t n)
{
	struct pc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		if (mmap(c->d, c->sz, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_POPULATE,
			 c->fd, c->off + (i & 1 ? (off_t)c->sz : 0)) == MAP_FAILED)
			abort();
	}
}
static void f_remap_touch1(void *a, uint64_t n)
{
	struct pc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		if (mmap(c->d, c->sz, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, c->fd,
			 c->off + (i & 1 ? (off_t)c->sz : 0)) == MAP_FAILED)
			abort();
		for (size_t o = 0; o < c->sz; o += 4096)
			((volatile char *)c->d)[o] = 1;
	}
}
static void f_remap_thp(void *a, uint64_t n)
{
	struct pc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		if (mmap(c->d, c->sz, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, c->fd,
			 c->off + (i & 1 ? (off_t)c->sz : 0)) == MAP_FAILED)
			abort();
		madvise(c->d, c->sz, MADV_HUGEPAGE);
		for (size_t o = 0; o < c->sz; o += 4096)
			((volatile char *)c->d)[o] = 1;
	}
}
static void f_mremap(void *a, uint64_t n)
{
	struct pc *c = a;
	char *x = c->d, *y = c->d + 2 * c->sz;
	for (uint64_t i = 0; i < n; i++) {
		if (mremap(x, c->sz, c->sz, MREMAP_MAYMOVE | MREMAP_FIXED, y) == MAP_FAILED) {
			perror("mremap");
			abort();
		}
		char *t = x;
		x = y;
		y = t;
	}
	if (n & 1)
		mremap(x, c->sz, c->sz, MREMAP_MAYMOVE | MREMAP_FIXED, y);
}
static void f_mprot(void *a, uint64_t n)
{
	struct pc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		mprotect(c->d, c->sz, PROT_READ);
		mprotect(c->d, c->sz, PROT_READ | PROT_WRITE);
	}
}
static void f_mprot_touch(void *a, uint64_t n)
{
	struct pc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		mprotect(c->d, c->sz, PROT_READ);
		mprotect(c->d, c->sz, PROT_READ | PROT_WRITE);
		for (size_t o = 0; o < c->sz; o += 4096)
			((volatile char *)c->d)[o] = 1;
	}
}
static void f_punch(void *a, uint64_t n)
{
	struct pc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		if (fallocate(c->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, c->off, c->sz))
			abort();
		if (fallocate(c->fd, 0, c->off, c->sz))
			abort();
	}
}
static void f_dontneed(void *a, uint64_t n)
{
	struct pc *c = a;
	for (uint64_t i = 0; i < n; i++) {
		madvise(c->d, c->sz, MADV_DONTNEED);
		for (size_t o = 0; o < c->sz; o += 4096)
			((volatile char *)c->d)[o] = 1;
	}
}
static void f_getppid(void *a, uint64_t n)
{
	(void)a;
	for (uint64_t i = 0; i < n; i++)
		syscall(SYS_getppid);
}
static void f_now(void *a, uint64_t n)
{
	(void)a;
	struct timespec t;
	for (uint64_t i = 0; i < n; i++) {
		clock_gettime(CLOCK_MONOTONIC, &t);
		b_use(&t);
	}
}
static void f_tsc(void *a, uint64_t n)
{
	(void)a;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t t = __builtin_ia32_rdtsc();
		b_use(t);
	}
}
/* SIGSEGV round trip: handler opens the page, the store retries, main closes it again (2 mprotects included) and a variant where the handler only skips via siglongjmp-free PROT flip */
static char *seg_page;
static void on_segv(int s, siginfo_t *i, void *u)
{
	(void)s;
	(void)i;
	(void)u;
	mprotect(seg_page, 4096, PROT_READ | PROT_WRITE);
}
static void f_segv(void *a, uint64_t n)
{
	(void)a;
	for (uint64_t i = 0; i < n; i++) {
		mprotect(seg_page, 4096, PROT_READ);
		*(volatile char *)seg_page = 1;
	}
}
static void on_usr(int s)
{
	(void)s;
}
static void f_raise(void *a, uint64_t n)
{
	(void)a;
	pid_t p = getpid();
	int t = syscall(SYS_gettid);
	for (uint64_t i = 0; i < n; i++)
		syscall(SYS_tgkill, p, t, SIGUSR1);
}
/* userfaultfd write-protect: another thread resolves */
static int uffd = -1;
static char *uf_base;
static size_t uf_len;
static volatile int uf_stop;
static void *uf_thread(void *x)
{
	(void)x;
	struct uffd_msg m;
	for (;;) {
		struct pollfd p = { uffd, POLLIN, 0 };
		if (poll(&p, 1, 50) <= 0) {
			if (uf_stop)
				return NULL;
			continue;
		}
		if (read(uffd, &m, sizeof m) != sizeof m)
			continue;
		struct uffdio_writeprotect w = { { m.arg.pagefault.address & ~4095ull, 4096 }, 0 };
		ioctl(uffd, UFFDIO_WRITEPROTECT, &w);
	}
}
static void f_uffdwp(void *a, uint64_t n)
{
	(void)a;
	for (uint64_t i = 0; i < n; i++) {
		struct uffdio_writeprotect w = { { (uintptr_t)uf_base, 4096 },
						 UFFDIO_WRITEPROTECT_MODE_WP };
		if (ioctl(uffd, UFFDIO_WRITEPROTECT, &w))
			abort();
		*(volatile char *)uf_base = i;
	}
}
static void f_uffdwp_nofault(void *a, uint64_t n)
{
	(void)a;
	for (uint64_t i = 0; i < n; i++) {
		struct uffdio_writeprotect w = { { (uintptr_t)uf_base, 4096 },
						 UFFDIO_WRITEPROTECT_MODE_WP };
		ioctl(uffd, UFFDIO_WRITEPROTECT, &w);
		w.mode = 0;
		ioctl(uffd, UFFDIO_WRITEPROTECT, &w);
	}
}
/* ping-pong */
static int e1, e2;
static volatile int pp_stop;
static void *ev_thread(void *x)
{
	(void)x;
	uint64_t v;
	for (;;) {
		if (read(e1, &v, 8) != 8)
			continue;
		if (pp_stop)
			return NULL;
		v = 1;
		(void)!write(e2, &v, 8);
	}
}
static void f_eventfd_pp(void *a, uint64_t n)
{
	(void)a;
	uint64_t v;
	for (uint64_t i = 0; i < n; i++) {
		v = 1;
		(void)!write(e1, &v, 8);
		(void)!read(e2, &v, 8);
	}
}
static void f_eventfd_self(void *a, uint64_t n)
{
	(void)a;
	uint64_t v;
	for (uint64_t i = 0; i < n; i++) {
		v = 1;
		(void)!write(e2, &v, 8);
		(void)!read(e2, &v, 8);
	}
}
static int fa __attribute__((aligned(64))), fb __attribute__((aligned(64)));
static long fut(int *p, int op, int v)
{
	return syscall(SYS_futex, p, op | FUTEX_PRIVATE_FLAG, v, NULL, NULL, 0);
}
static void *fu_thread(void *x)
{
	(void)x;
	for (;;) {
		while (!__atomic_load_n(&fa, __ATOMIC_ACQUIRE))
			fut(&fa, FUTEX_WAIT, 0);
		if (pp_stop)
			return NULL;
		__atomic_store_n(&fa, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&fb, 1, __ATOMIC_RELEASE);
		fut(&fb, FUTEX_WAKE, 1);
	}
}
static void f_futex_pp(void *a, uint64_t n)
{
	(void)a;
	for (uint64_t i = 0; i < n; i++) {
		__atomic_store_n(&fa, 1, __ATOMIC_RELEASE);
		fut(&fa, FUTEX_WAKE, 1);
		while (!__atomic_load_n(&fb, __ATOMIC_ACQUIRE))
			fut(&fb, FUTEX_WAIT, 0);
		__atomic_store_n(&fb, 0, __ATOMIC_RELAXED);
	}
}
static void f_futex_nowaiter(void *a, uint64_t n)
{
	(void)a;
	for (uint64_t i = 0; i < n; i++)
		fut(&fb, FUTEX_WAKE, 1);
}
/* atomics */
static long at[64] __attribute__((aligned(64)));
static void f_xadd(void *a, uint64_t n)
{
	long *p = a;
	for (uint64_t i = 0; i < n; i++)
		__atomic_fetch_add(p, 1, __ATOMIC_SEQ_CST);
}
static void f_cas(void *a, uint64_t n)
{
	long *p = a;
	for (uint64_t i = 0; i < n; i++) {
		long o = __atomic_load_n(p, __ATOMIC_RELAXED);
		__atomic_compare_exchange_n(p, &o, o + 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
	}
}
static void f_xchg_st(void *a, uint64_t n)
{
	long *p = a;
	for (uint64_t i = 0; i < n; i++) {
		while (__atomic_exchange_n(p, 1, __ATOMIC_ACQUIRE))
			_mm_pause();
		__atomic_store_n(p, 0, __ATOMIC_RELEASE);
	}
}
static void f_mutex(void *a, uint64_t n)
{
	pthread_mutex_t *m = a;
	for (uint64_t i = 0; i < n; i++) {
		pthread_mutex_lock(m);
		pthread_mutex_unlock(m);
	}
}
static void f_mfence(void *a, uint64_t n)
{
	(void)a;
	for (uint64_t i = 0; i < n; i++)
		_mm_mfence();
}
static void f_sfence(void *a, uint64_t n)
{
	(void)a;
	for (uint64_t i = 0; i < n; i++)
		_mm_sfence();
}
static char *anon(size_t n)
{
	char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		abort();
	return p;
}
int main(int argc, char **argv)
{
	bench_init(argc, argv, "phys");
	bench_calib();
	char nm[64];
	size_t G = 1ul << 30;
	char *src = anon(64 << 20), *dst = anon(64 << 20);
	memset(src, 1, 64 << 20);
	memset(dst, 1, 64 << 20);
	struct {
		const char *n;
		size_t s;
	} S[] = { { "4k", 4096 }, { "64k", 65536 }, { "2m", 2 << 20 }, { "64m", 64 << 20 } };
	for (int i = 0; i < 4; i++) {
		struct pc c = { src, dst, S[i].s };
		snprintf(nm, 64, "memcpy_%s", S[i].n);
		bench(nm, f_memcpy, &c, 0);
		snprintf(nm, 64, "memset_%s", S[i].n);
		bench(nm, f_memset, &c, 0);
		snprintf(nm, 64, "ntset_%s", S[i].n);
		bench(nm, f_ntset, &c, 0);
	}
	if (!bench_skip("memcpy_1g")) {
		char *s = anon(G), *d = anon(G);
		memset(s, 1, G);
		memset(d, 1, G);
		struct pc c = { s, d, G };
		for (int i = 0; i < 2; i++) {
			double w[7], q[7];
			for (int r = 0; r < 7; r++) {
				uint64_t c0 = b_cpu(), t0 = b_wall();
				if (i)
					memset(d, r, G);
				else
					memcpy(d, s, G);
				w[r] = b_wall() - t0;
				q[r] = b_cpu() - c0;
			}
			qsort(w, 7, sizeof *w, b_cmp);
			qsort(q, 7, sizeof *q, b_cmp);
			printf("RES\tphys\t%s\t%.0f\t%.0f\t%.0f\t%.0f\t1\n",
			       i ? "memset_1g" : "memcpy_1g", w[0], w[3], q[0], q[3]);
		}
		c.span = G;
		bench("memcpy_4kpages_over_1g", f_memcpy_pg, &c, 0);
		munmap(s, G);
		munmap(d, G);
	}
	struct {
		const char *n;
		size_t s;
	} L[] = { { "64k", 65536 }, { "2m", 2 << 20 }, { "32m", 32 << 20 } };
	for (int i = 0; i < 3; i++) {
		struct pc c = { src, dst, L[i].s };
#define P(x, f)                                    \
	do {                                       \
		snprintf(nm, 64, x "_%s", L[i].n); \
		bench(nm, f, &c, 0);               \
	} while (0)
		P("dirty_only", f_dirty);
		P("clflushopt_dirty", f_clfo_dirty);
		P("clwb_dirty", f_clwb_dirty);
		if (!i)
			P("clflush_dirty", f_clf_dirty);
		P("clwb_clean", f_clwb_clean);
		P("clflushopt_absent", f_clfo_clean);
	}
	/* remap */
	int fd = memfd_create("a", 0);
	if (ftruncate(fd, 64 << 20) || fallocate(fd, 0, 0, 64 << 20))
		return 1;
	char *win = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (size_t o = 0; o < 64 << 20; o += 4096)
		win[o] = 1;
	struct {
		const char *n;
		size_t s;
	} R[] = { { "4k", 4096 }, { "64k", 65536 }, { "2m", 2 << 20 } };
	for (int i = 0; i < 3; i++) {
		struct pc c = { NULL, win + (16 << 20), R[i].s, fd, 32 << 20 };
#define Q(x, f)                                    \
	do {                                       \
		snprintf(nm, 64, x "_%s", R[i].n); \
		bench(nm, f, &c, 0);               \
	} while (0)
		Q("mmap_fixed_shared", f_remap);
		Q("mmap_fixed_shared_populate", f_remap_pop);
		Q("mmap_fixed_shared_touch", f_remap_touch1);
		mmap(win + (16 << 20), 8 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		     16 << 20);
		for (size_t o = 0; o < 8 << 20; o += 4096)
			win[(16 << 20) + o] = 1;
		Q("mprotect_ro_rw_pair", f_mprot);
		Q("mprotect_ro_rw_pair_touch", f_mprot_touch);
		{
			struct pc m = c;
			m.d = anon(16 << 20);
			m.d = (char *)(((uintptr_t)m.d + (2 << 20) - 1) & ~((2ul << 20) - 1));
			memset(m.d, 1, m.sz);
			snprintf(nm, 64, "mremap_move_%s", R[i].n);
			bench(nm, f_mremap, &m, 0);
		}
		{
			struct pc m = c;
			m.d = anon(16 << 20);
			memset(m.d, 1, m.sz);
			snprintf(nm, 64, "madv_dontneed_retouch_%s", R[i].n);
			bench(nm, f_dontneed, &m, 0);
		}
		c.off = 48 << 20;
		Q("memfd_punch_plus_falloc_unmapped", f_punch);
	}
	/* same 2 MiB remap on a THP-backed memfd (shmem_enabled=advise + MADV_HUGEPAGE) */
	{
		int hf = memfd_create("h", 0);
		(void)!ftruncate(hf, 16 << 20);
		char *r = mmap(NULL, 32 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		r = (char *)(((uintptr_t)r + (2 << 20) - 1) & ~((2ul << 20) - 1));
		char *h = mmap(r, 16 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, hf, 0);
		madvise(h, 16 << 20, MADV_HUGEPAGE);
		for (size_t o = 0; o < 16 << 20; o += 4096)
			h[o] = 1;
		struct pc c = { NULL, h + (8 << 20), 2 << 20, hf, 0 };
		bench("mmap_fixed_shared_touch_2m_thp", f_remap_touch1, &c, 0);
		bench("mmap_fixed_shared_madvhuge_touch_2m_thp", f_remap_thp, &c, 0);
		bench("mmap_fixed_shared_populate_2m_thp", f_remap_pop, &c, 0);
		bench("mprotect_ro_rw_pair_touch_2m_thp", f_mprot_touch, &c, 0);
		if (!bench_filter) {
			char b[64];
			snprintf(b, 64, "grep -m1 ShmemHugePages /proc/meminfo | sed 's/^/# /'");
			fflush(stdout);
			(void)!system(b);
		}
	}
	/* faults, signals */
	seg_page = win + 4096 * 8;
	struct sigaction sa = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_NODEFER };
	sigaction(SIGSEGV, &sa, NULL);
	signal(SIGUSR1, on_usr);
	bench("sigsegv_roundtrip_incl_2mprotect", f_segv, NULL, 0);
	bench("signal_self_tgkill", f_raise, NULL, 0);
	bench("syscall_getppid", f_getppid, NULL, 0);
	bench("clock_gettime_vdso", f_now, NULL, 0);
	bench("rdtsc", f_tsc, NULL, 0);
	uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	struct uffdio_api api = { UFFD_API, UFFD_FEATURE_PAGEFAULT_FLAG_WP, 0 };
	if (uffd >= 0 && !ioctl(uffd, UFFDIO_API, &api)) {
		uf_len = 1 << 20;
		uf_base = anon(uf_len);
		memset(uf_base, 1, uf_len);
		struct uffdio_register rg = { { (uintptr_t)uf_base, uf_len },
					      UFFDIO_REGISTER_MODE_WP,
					      0 };
		if (!ioctl(uffd, UFFDIO_REGISTER, &rg)) {
			pthread_t t;
			bench("uffd_wp_protect_unprotect_pair", f_uffdwp_nofault, NULL, 0);
			pthread_create(&t, NULL, uf_thread, NULL);
			bench("uffd_wp_fault_roundtrip", f_uffdwp, NULL, 0);
			uf_stop = 1;
			pthread_join(t, NULL);
		}
	} else
		printf("# userfaultfd unavailable: %s\n", strerror(errno));
	e1 = eventfd(0, 0);
	e2 = eventfd(0, 0);
	pthread_t t;
	uint64_t one = 1;
	bench("eventfd_write_read_self", f_eventfd_self, NULL, 0);
	pthread_create(&t, NULL, ev_thread, NULL);
	bench("eventfd_pingpong_roundtrip", f_eventfd_pp, NULL, 0);
	pp_stop = 1;
	(void)!write(e1, &one, 8);
	pthread_join(t, NULL);
	pp_stop = 0;
	bench("futex_wake_no_waiter", f_futex_nowaiter, NULL, 0);
	pthread_create(&t, NULL, fu_thread, NULL);
	bench("futex_pingpong_roundtrip", f_futex_pp, NULL, 0);
	pp_stop = 1;
	__atomic_store_n(&fa, 1, __ATOMIC_RELEASE);
	fut(&fa, FUTEX_WAKE, 1);
	pthread_join(t, NULL);
	bench("atomic_xadd_1t", f_xadd, &at[0], 0);
	bench("atomic_cas_1t", f_cas, &at[0], 0);
	bench("xchg_lock_unlock_1t", f_xchg_st, &at[8], 0);
	pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
	bench("pthread_mutex_1t", f_mutex, &mu, 0);
	bench("mfence", f_mfence, NULL, 0);
	bench("sfence", f_sfence, NULL, 0);
	void *same[2] = { &at[16], &at[16] }, *diff[2] = { &at[24], &at[40] },
	     *lk[2] = { &at[48], &at[48] }, *mm[2] = { &mu, &mu };
	bench_mt("atomic_xadd_mt2_same_line", 2, f_xadd, same);
	bench_mt("atomic_xadd_mt2_own_line", 2, f_xadd, diff);
	bench_mt("xchg_lock_mt2", 2, f_xchg_st, lk);
	bench_mt("pthread_mutex_mt2", 2, f_mutex, mm);
	return 0;
}
