/* SPDX-License-Identifier: BSD-2-Clause */
/* Userspace stand-ins for the kernel services iova.c / io-pgtable-arm.c / swiotlb.c call.
 * Written from the call sites; no kernel code is copied here. */
#ifndef KSHIM_H
#define KSHIM_H
#include <stdint.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <errno.h>
#include <limits.h>
#include <ctype.h>
#include <sys/types.h>
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;
typedef u64 dma_addr_t;
typedef u64 phys_addr_t;
typedef unsigned gfp_t;
#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define BITS_PER_LONG 64
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define __init
#define __initdata
#define __must_check
#define EXPORT_SYMBOL(x)
#define EXPORT_SYMBOL_GPL(x)
#define MODULE_AUTHOR(x)
#define MODULE_LICENSE(x)
#define IS_REACHABLE(x) 1
#define BUG_ON(c)                \
	do {                     \
		if (unlikely(c)) \
			abort(); \
	} while (0)
#define VM_BUG_ON(c) \
	do {         \
	} while (0)
#define WARN_ON(c)                                      \
	({                                              \
		int __w = !!(c);                        \
		if (unlikely(__w))                      \
			kshim_warn(__FILE__, __LINE__); \
		unlikely(__w);                          \
	})
__attribute__((cold, noinline, unused)) static void kshim_warn(const char *f, int l)
{
	fprintf(stderr, "WARN %s:%d\n", f, l);
}
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#define rcu_assign_pointer(p, v) __atomic_store_n(&(p), (v), __ATOMIC_RELEASE)
#define rcu_dereference_raw(p) READ_ONCE(p)
#define __rcu
#define __always_inline inline __attribute__((always_inline))
#define container_of(p, t, m) ((t *)((char *)(p)-offsetof(t, m)))
#define min(a, b)                       \
	({                              \
		__typeof__(a) _a = (a); \
		__typeof__(b) _b = (b); \
		_a < _b ? _a : _b;      \
	})
#define max(a, b)                       \
	({                              \
		__typeof__(a) _a = (a); \
		__typeof__(b) _b = (b); \
		_a > _b ? _a : _b;      \
	})
#define min_t(t, a, b)             \
	({                         \
		t _a = (a);        \
		t _b = (b);        \
		_a < _b ? _a : _b; \
	})
#define max_t(t, a, b)             \
	({                         \
		t _a = (a);        \
		t _b = (b);        \
		_a > _b ? _a : _b; \
	})
#define swap(a, b)                      \
	do {                            \
		__typeof__(a) _t = (a); \
		(a) = (b);              \
		(b) = _t;               \
	} while (0)
#define ALIGN(x, a) (((x) + (__typeof__(x))(a)-1) & ~((__typeof__(x))(a)-1))
#define PAGE_ALIGN(x) ALIGN(x, PAGE_SIZE)
#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))
#define roundup(x, y) ((((x) + ((y)-1)) / (y)) * (y))
#define rounddown(x, y) ((x) - ((x) % (y)))
#define BIT(n) (1UL << (n))
#define GENMASK_ULL(h, l) (((~0ULL) << (l)) & (~0ULL >> (63 - (h))))
#define is_power_of_2(n) ((n) != 0 && (((n) & ((n)-1)) == 0))
static inline unsigned fls_long(unsigned long x)
{
	return x ? 64 - __builtin_clzl(x) : 0;
}
static inline unsigned long __ffs(unsigned long x)
{
	return __builtin_ctzl(x);
}
static inline unsigned long __fls(unsigned long x)
{
	return 63 - __builtin_clzl(x);
}
static inline unsigned long roundup_pow_of_two(unsigned long n)
{
	return n <= 1 ? 1 : 1UL << fls_long(n - 1);
}
static inline unsigned order_base_2(unsigned long n)
{
	return n > 1 ? fls_long(n - 1) : 0;
}
#define ilog2(n) ((int)(63 - __builtin_clzl((unsigned long)(n))))
static inline int get_order(unsigned long s)
{
	return s <= PAGE_SIZE ? 0 : (int)fls_long((s - 1) >> PAGE_SHIFT);
}
#define array_size(a, b) ((size_t)(a) * (b))
#define pr_err(...) fprintf(stderr, __VA_ARGS__)
#define pr_warn(...) \
	do {         \
	} while (0)
#define pr_info(...) \
	do {         \
	} while (0)
#define pr_warn_once(...) \
	do {              \
	} while (0)
#define dev_err(d, ...) fprintf(stderr, __VA_ARGS__)
#define dev_warn_ratelimited(...) \
	do {                      \
	} while (0)
#define dev_warn_once(...) \
	do {               \
	} while (0)
#define dev_WARN_ONCE(...) \
	do {               \
	} while (0)

/* lock: one cmpxchg to take, one release store to drop (same atomics as qspinlock's fast path); irq save = no-op */
#ifdef KSHIM_NOLOCK
typedef struct {
	int v;
} spinlock_t;
static inline void spin_lock(spinlock_t *l)
{
	(void)l;
	__asm__ volatile("" ::: "memory");
}
static inline void spin_unlock(spinlock_t *l)
{
	(void)l;
	__asm__ volatile("" ::: "memory");
}
#else
typedef struct {
	int v;
} spinlock_t;
static inline void spin_lock(spinlock_t *l)
{
	int z = 0;
	while (unlikely(!__atomic_compare_exchange_n(&l->v, &z, 1, 0, __ATOMIC_ACQUIRE,
						     __ATOMIC_RELAXED))) {
		while (__atomic_load_n(&l->v, __ATOMIC_RELAXED))
			__builtin_ia32_pause();
		z = 0;
	}
}
static inline void spin_unlock(spinlock_t *l)
{
	__atomic_store_n(&l->v, 0, __ATOMIC_RELEASE);
}
#endif
#define spin_lock_init(l) ((l)->v = 0)
#define spin_lock_irqsave(l, f) \
	do {                    \
		(f) = 0;        \
		spin_lock(l);   \
	} while (0)
#define spin_unlock_irqrestore(l, f) \
	do {                         \
		(void)(f);           \
		spin_unlock(l);      \
	} while (0)
#define assert_spin_locked(l) \
	do {                  \
	} while (0)
#define local_irq_save(f) ((f) = 0)
#define local_irq_restore(f) ((void)(f))
struct mutex {
	int v;
};
#define DEFINE_MUTEX(m) struct mutex m
#define mutex_lock(m) ((void)(m))
#define mutex_unlock(m) ((void)(m))

/* per-cpu: a TLS cpu id stands in for the %gs-relative base */
#define KSHIM_NCPU 4
extern __thread int bench_cpu;
#define raw_smp_processor_id() bench_cpu
#define KSHIM_PCPU_STRIDE 256
#define for_each_online_cpu(c) for ((c) = 0; (c) < KSHIM_NCPU; (c)++)
#define for_each_possible_cpu(c) for ((c) = 0; (c) < KSHIM_NCPU; (c)++)
#define num_possible_cpus() KSHIM_NCPU
#define __percpu
static inline void *__alloc_percpu(size_t sz, size_t al)
{
	(void)al;
	if (sz > KSHIM_PCPU_STRIDE)
		abort();
	void *p = aligned_alloc(64, KSHIM_PCPU_STRIDE * KSHIM_NCPU);
	memset(p, 0, KSHIM_PCPU_STRIDE * KSHIM_NCPU);
	return p;
}
#define free_percpu(p) free(p)
#define per_cpu_ptr(p, c) ((__typeof__(p))((char *)(p) + (size_t)(c)*KSHIM_PCPU_STRIDE))
#define raw_cpu_ptr(p) per_cpu_ptr(p, bench_cpu)
#define cache_line_size() 64

/* slab: per-thread LIFO freelist of zeroed 64-byte-multiple objects (SLUB's lockless fast path has the same shape) */
#define GFP_KERNEL 0u
#define GFP_ATOMIC 0u
#define __GFP_NOWARN 0u
#define __GFP_ZERO 1u
#define __GFP_HIGHMEM 2u
#define SLAB_HWCACHE_ALIGN 0
struct kmem_cache {
	size_t sz;
};
extern __thread void *kshim_free;
static inline struct kmem_cache *kmem_cache_create(const char *n, size_t sz, size_t al, int fl,
						   void *c)
{
	(void)n;
	(void)al;
	(void)fl;
	(void)c;
	struct kmem_cache *k = malloc(sizeof *k);
	k->sz = (sz + 63) & ~63ul;
	return k;
}
__attribute__((noinline, unused)) static void *kshim_refill(struct kmem_cache *k)
{
	char *s = aligned_alloc(64, k->sz * 64);
	for (int i = 1; i < 64; i++) {
		*(void **)(s + i * k->sz) = kshim_free;
		kshim_free = s + i * k->sz;
	}
	return s;
}
static inline void *kmem_cache_zalloc(struct kmem_cache *k, gfp_t g)
{
	(void)g;
	void *p = kshim_free;
	if (likely(p))
		kshim_free = *(void **)p;
	else
		p = kshim_refill(k);
	return memset(p, 0, 64);
}
static inline void kmem_cache_free(struct kmem_cache *k, void *p)
{
	(void)k;
	*(void **)p = kshim_free;
	kshim_free = p;
}
#define kmem_cache_destroy(k) ((void)(k))
#define kzalloc(sz, g) calloc(1, sz)
#define kcalloc(n, sz, g) calloc(n, sz)
#define kmalloc(sz, g) malloc(sz)
#define kfree(p) free(p)
#define CPUHP_IOMMU_IOVA_DEAD 0
struct hlist_node {
	void *a, *b;
};
#define hlist_entry_safe(p, t, m) ((p) ? container_of(p, t, m) : NULL)
#define cpuhp_setup_state_multi(...) 0
#define cpuhp_remove_multi_state(...) ((void)0)
#define cpuhp_state_add_instance_nocalls(...) 0
#define cpuhp_state_remove_instance_nocalls(...) ((void)0)

/* sizes */
#define SZ_4K 0x1000UL
#define SZ_16K 0x4000UL
#define SZ_64K 0x10000UL
#define SZ_1M 0x100000UL
#define SZ_2M 0x200000UL
#define SZ_32M 0x2000000UL
#define SZ_512M 0x20000000UL
#define SZ_1G 0x40000000UL

/* memory: phys == user virtual; page = LIFO of 4 KiB pages, zeroed on alloc as the kernel does */
struct page {
	char b;
};
#define __va(p) ((void *)(uintptr_t)(p))
#define __pa(v) ((phys_addr_t)(uintptr_t)(v))
#define virt_to_phys(v) __pa(v)
#define phys_to_virt(p) __va(p)
#define page_address(p) ((void *)(p))
#define dev_to_node(d) 0
extern void *kshim_pages;
extern unsigned long kshim_pages_allocs;
static inline struct page *alloc_pages_node(int n, gfp_t g, int order)
{
	(void)n;
	void *p = kshim_pages;
	kshim_pages_allocs++;
	if (order || !p)
		p = aligned_alloc(PAGE_SIZE << order, PAGE_SIZE << order);
	else
		kshim_pages = *(void **)p;
	if (g & __GFP_ZERO)
		memset(p, 0, PAGE_SIZE << order);
	return p;
}
static inline void free_pages(unsigned long a, int order)
{
	if (order)
		free((void *)a);
	else {
		*(void **)a = kshim_pages;
		kshim_pages = (void *)a;
	}
}
#define __free_pages(p, o) free_pages((unsigned long)(p), o)
#define __get_free_pages(g, o) ((unsigned long)alloc_pages_node(0, (g), (o)))

/* barriers: what x86-64 Linux emits */
#define wmb() __builtin_ia32_sfence()
#define dma_wmb() __asm__ volatile("" ::: "memory")
#define cmpxchg64_relaxed(p, o, n)                                               \
	({                                                                       \
		__typeof__(*(p)) __o = (o);                                      \
		__atomic_compare_exchange_n((p), &__o, (n), 0, __ATOMIC_SEQ_CST, \
					    __ATOMIC_RELAXED);                   \
		__o;                                                             \
	})

/* dma-mapping bits (coherent walk => never reached on the measured path) */
enum dma_data_direction { DMA_BIDIRECTIONAL, DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_NONE };
#define DMA_MAPPING_ERROR (~(dma_addr_t)0)
struct io_tlb_mem;
struct device {
	struct io_tlb_mem *dma_io_tlb_mem;
	unsigned min_align_mask;
	unsigned long seg_boundary;
	u64 *dma_mask;
	u64 bus_dma_limit;
};
#define dma_map_single(d, p, s, dir) ((void)(d), virt_to_phys(p))
#define dma_mapping_error(d, a) 0
#define dma_unmap_single(d, a, s, dir) ((void)(a))
#define dma_sync_single_for_device(d, a, s, dir) ((void)(a))
#endif
