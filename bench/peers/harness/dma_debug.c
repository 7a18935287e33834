// SPDX-License-Identifier: BSD-2-Clause
/*
 * Linux's dma-debug beside berth's checker: its own source, from the installed linux-source package, included as it is and
 * compiled against berth's headers, which have Linux's names. What a checked program calls is made here as
 * Linux's kernel/dma/mapping.c does: dma-debug is told, then the call. tests/check/test_corpus.c runs unchanged.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <berth/check.h>
#include <berth/dma-buf.h>
#include <berth/dma-mapping.h>
#include <berth/errno.h>
#include <berth/gfp.h>
#include <berth/list.h>
#include <berth/page_pool.h>
#include <berth/slab.h>
#include <berth/spinlock.h>
#include <berth/vmalloc.h>

/* What dma-debug asks of the kernel. */

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;
#define CONFIG_DMA_API_DEBUG 1
#define CONFIG_DMA_API_DEBUG_SG 1
#define ____cacheline_aligned_in_smp
#define __read_mostly
#define __init
#define __user
#define __acquires(x)
#define __releases(x)
#define EXPORT_SYMBOL(x)
#define likely(x) (x)
#define unlikely(x) (x)
#define min(a, b) ((a) < (b) ? (a) : (b))
#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))
#define L1_CACHE_SHIFT 6
#define __pfn_to_phys(pfn) ((phys_addr_t)(pfn) << PAGE_SHIFT)
#define PHYS_PFN(phys) ((unsigned long)((phys) >> PAGE_SHIFT))
#define LIST_HEAD(name) struct list_head name = { &name, &name }

static struct berth_check_options started;
static unsigned int nr_told;

/* A warning of the kernel's is a report. */
static void warn(void)
{
	static const struct berth_check_report report = { .count = 1 };

	nr_told++;
	if (started.on_report)
		started.on_report(&report, started.data);
}

#define WARN(condition, ...)                \
	do {                                \
		if (condition) {            \
			warn();             \
			quiet(__VA_ARGS__); \
		}                           \
	} while (0)
#define WARN_ONCE WARN
static void quiet(const char *format, ...)
{
	(void)format;
}
#define pr_warn quiet
#define pr_info quiet
#define pr_err quiet
#define pr_err_once quiet
#define dev_info(dev, ...) quiet(__VA_ARGS__)
#define dev_driver_string(dev) ((dev)->driver ? (dev)->driver->name : "")
#define cond_resched()

typedef spinlock_t rwlock_t;
#define DEFINE_RWLOCK DEFINE_SPINLOCK
#define read_lock_irqsave spin_lock_irqsave
#define read_unlock_irqrestore spin_unlock_irqrestore
#define write_lock_irqsave spin_lock_irqsave
#define write_unlock_irqrestore spin_unlock_irqrestore

/* Its records outlive berth's memory. */
#define get_zeroed_page(gfp) ((unsigned long)calloc(1, PAGE_SIZE))

/* The kernel's stacks are vmalloc areas, and uncached memory is in one, as on arm64. */
#undef is_vmalloc_addr
#define is_vmalloc_addr(addr) \
	(berth_is_vmalloc_addr(addr) || is_on_stack(addr) || !virt_addr_valid(addr))
#undef vmalloc_to_pfn
#define vmalloc_to_pfn(addr) ((unsigned long)(addr) >> PAGE_SHIFT)
static bool is_on_stack(const void *addr)
{
	const char here = 0;

	return (uintptr_t)addr - ((uintptr_t)&here - (1u << 20)) < 2u << 20;
}

struct vm_struct {
	unsigned int nr_pages;
	struct page **pages;
};
static struct vm_struct no_area;
static struct {
	void *stack;
} * current;
#define task_stack_vm_area(task) (&no_area)
#define object_is_on_stack(addr) false
#define memory_intersects(begin, end, addr, len) \
	((const char *)(addr) < (end) && (const char *)(addr) + (len) > (begin))
extern const char __executable_start[], etext[];
#define _stext __executable_start
#define _etext etext
#define __start_rodata etext
#define __end_rodata etext

/* Linux takes the type from the variable. */
#undef list_for_each_entry
#define list_for_each_entry(pos, head, member)                                               \
	for (pos = list_first_entry(head, __typeof__(*pos), member); &pos->member != (head); \
	     pos = list_first_entry(&pos->member, __typeof__(*pos), member))

/* The radix tree of cache lines. */
#define RADIX_TREE_MAX_TAGS 3
#define LINES 65536u
struct line {
	phys_addr_t number;
	unsigned int tags;
	bool is_there;
};
static struct line dma_active_cacheline[LINES];
#define RADIX_TREE(name, gfp) struct line *const name##_tree = name

static struct line *line_of(phys_addr_t number, bool make)
{
	struct line *none = NULL;

	for (unsigned int i = 0; i < LINES; i++) {
		struct line *line = &dma_active_cacheline[(number + i) % LINES];

		if (line->is_there && line->number == number)
			return line;
		if (!line->is_there && !none)
			none = line;
		if (!line->is_there && !line->number)
			break;
	}
	if (make && none)
		*none = (struct line){ number, 0, true };
	return make ? none : NULL;
}

static int radix_tree_insert(void *tree, phys_addr_t number, void *item)
{
	(void)tree, (void)item;
	if (line_of(number, false))
		return -EEXIST;
	return line_of(number, true) ? 0 : -ENOMEM;
}

static void radix_tree_delete(void *tree, phys_addr_t number)
{
	struct line *line = line_of(number, false);

	(void)tree;
	if (line)
		line->is_there = false;
}

static int radix_tree_tag_get(void *tree, phys_addr_t number, unsigned int tag)
{
	struct line *line = line_of(number, false);

	(void)tree;
	return line && line->tags & 1u << tag;
}

static void radix_tree_tag_set(void *tree, phys_addr_t number, unsigned int tag)
{
	struct line *line = line_of(number, false);

	(void)tree;
	if (line)
		line->tags |= 1u << tag;
}

static void radix_tree_tag_clear(void *tree, phys_addr_t number, unsigned int tag)
{
	struct line *line = line_of(number, false);

	(void)tree;
	if (line)
		line->tags &= ~(1u << tag);
}

/* Its files are not served. */
/* Others than berth's. */
#define file_operations debugfs_operations
#define file debugfs_file
struct file;
struct seq_file;
struct dentry;
struct file_operations {
	ssize_t (*read)(struct file *file, char *buffer, size_t count, loff_t *at);
	ssize_t (*write)(struct file *file, const char *buffer, size_t count, loff_t *at);
	void *llseek;
};
#define default_llseek NULL
#define scnprintf snprintf
#define simple_read_from_buffer(to, count, at, from, size) \
	((ssize_t)((void)(to), (void)(from), (size)))
#define copy_from_user(to, from, size) (memcpy(to, from, size), 0)
#define seq_printf(seq, ...) quiet(__VA_ARGS__)
#define DEFINE_SHOW_ATTRIBUTE(name) static const struct file_operations name##_fops
#define debugfs_create_dir(name, parent) NULL
#define debugfs_create_bool(name, mode, parent, value) ((void)(value))
#define debugfs_create_u32(name, mode, parent, value) ((void)(value))
#define debugfs_create_file(name, mode, parent, data, operations) ((void)(operations))
#define core_initcall(function) static int (*const init)(void) = function
#define core_initcall_sync(function) \
	static int (*const late_init)(void) __attribute__((unused)) = function
#define __setup(name, function) \
	static int (*const setup_##function)(char *) __attribute__((unused)) = function
#define get_option(string, value) 0

/* A driver that goes. */
struct bus_type;
struct notifier_block {
	int (*notifier_call)(struct notifier_block *nb, unsigned long action, void *data);
};
#define BUS_NOTIFY_UNBOUND_DRIVER 6
static struct notifier_block *notifier;
#define bus_register_notifier(bus, nb) (notifier = (nb))
#undef kzalloc
#define kzalloc(size, gfp) calloc(1, size)

#include "kernel/dma/debug.c"

/*
 * The checker stays off: what is linked in its place (ld --wrap) tells dma-debug and goes on, as kernel/dma/mapping.c does.
 */

#define WRAP(type, name, ...)            \
	type __real_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

extern void (*berth_driver_gone)(const struct device *dev);

static void driver_gone(const struct device *dev)
{
	notifier->notifier_call(notifier, BUS_NOTIFY_UNBOUND_DRIVER, (void *)(uintptr_t)dev);
}

int __wrap_berth_check_start(const struct berth_check_options *given)
{
	struct dma_debug_entry *entry;

	started = *given;
	nr_told = 0;
	if (!dma_debug_initialized)
		init();
	if (!notifier)
		dma_debug_add_bus(NULL);
	for (unsigned int i = 0; i < HASH_SIZE; i++)
		while (!list_empty(&dma_entry_hash[i].list)) {
			entry = list_first_entry(&dma_entry_hash[i].list, struct dma_debug_entry,
						 list);
			list_del(&entry->list);
			dma_entry_free(entry);
		}
	memset(dma_active_cacheline, 0, sizeof(dma_active_cacheline));
	show_all_errors = 1;
	berth_driver_gone = driver_gone;
	return 0;
}

unsigned int __wrap_berth_check_stop(void)
{
	berth_driver_gone = NULL;
	return nr_told;
}

WRAP(dma_addr_t, berth_checked_map_page, struct device *dev, struct page *page, size_t offset,
     size_t size, enum dma_data_direction dir, unsigned long attrs)
{
	dma_addr_t addr = __real_berth_checked_map_page(dev, page, offset, size, dir, attrs);

	debug_dma_map_page(dev, page, offset, size, dir, addr, attrs);
	return addr;
}

WRAP(dma_addr_t, berth_checked_map_single, struct device *dev, void *ptr, size_t size,
     enum dma_data_direction dir, unsigned long attrs)
{
	dma_addr_t addr;

	if (berth_is_vmalloc_addr(ptr) || is_on_stack(ptr)) {
		warn(); /* dma_map_single() itself */
		return DMA_MAPPING_ERROR;
	}
	debug_dma_map_single(dev, ptr, size);
	addr = __real_berth_checked_map_single(dev, ptr, size, dir, attrs);
	if (virt_addr_valid(ptr))
		debug_dma_map_page(dev, virt_to_page(ptr), offset_in_page(ptr), size, dir, addr,
				   attrs);
	return addr;
}

WRAP(void, berth_checked_unmap, struct device *dev, dma_addr_t addr, size_t size,
     enum dma_data_direction dir, unsigned long attrs)
{
	__real_berth_checked_unmap(dev, addr, size, dir, attrs);
	debug_dma_unmap_page(dev, addr, size, dir);
}

WRAP(int, berth_checked_mapping_error, struct device *dev, dma_addr_t addr)
{
	debug_dma_mapping_error(dev, addr);
	return __real_berth_checked_mapping_error(dev, addr);
}

WRAP(unsigned int, berth_checked_map_sg, struct device *dev, struct scatterlist *sgl, int nents,
     enum dma_data_direction dir, unsigned long attrs)
{
	unsigned int mapped = __real_berth_checked_map_sg(dev, sgl, nents, dir, attrs);

	/* What berth refuses Linux maps. */
	for (int i = 0; !mapped && i < nents; i++)
		check_sg_segment(dev, &sgl[i]);
	if (mapped)
		debug_dma_map_sg(dev, sgl, nents, (int)mapped, dir, attrs);
	return mapped;
}

WRAP(int, berth_checked_map_sgtable, struct device *dev, struct sg_table *sgt,
     enum dma_data_direction dir, unsigned long attrs)
{
	int err = __real_berth_checked_map_sgtable(dev, sgt, dir, attrs);

	if (!err)
		debug_dma_map_sg(dev, sgt->sgl, (int)sgt->orig_nents, (int)sgt->nents, dir, attrs);
	return err;
}

WRAP(void, berth_checked_unmap_sg, struct device *dev, struct scatterlist *sgl, int nents,
     enum dma_data_direction dir, unsigned long attrs)
{
	debug_dma_unmap_sg(dev, sgl, nents, dir);
	__real_berth_checked_unmap_sg(dev, sgl, nents, dir, attrs);
}

WRAP(void, berth_checked_unmap_sgtable, struct device *dev, struct sg_table *sgt,
     enum dma_data_direction dir, unsigned long attrs)
{
	debug_dma_unmap_sg(dev, sgt->sgl, (int)sgt->orig_nents, dir);
	__real_berth_checked_unmap_sgtable(dev, sgt, dir, attrs);
}

WRAP(dma_addr_t, berth_checked_map_resource, struct device *dev, phys_addr_t phys_addr, size_t size,
     enum dma_data_direction dir, unsigned long attrs)
{
	dma_addr_t addr = __real_berth_checked_map_resource(dev, phys_addr, size, dir, attrs);

	debug_dma_map_resource(dev, phys_addr, size, dir, addr, attrs);
	return addr;
}

WRAP(void, berth_checked_unmap_resource, struct device *dev, dma_addr_t addr, size_t size,
     enum dma_data_direction dir, unsigned long attrs)
{
	__real_berth_checked_unmap_resource(dev, addr, size, dir, attrs);
	debug_dma_unmap_resource(dev, addr, size, dir);
}

#define SYNC(target)                                                                      \
	WRAP(void, berth_checked_sync_for_##target, struct device *dev, dma_addr_t addr,  \
	     size_t size, enum dma_data_direction dir)                                    \
	{                                                                                 \
		__real_berth_checked_sync_for_##target(dev, addr, size, dir);             \
		debug_dma_sync_single_for_##target(dev, addr, size, dir);                 \
	}                                                                                 \
	WRAP(void, berth_checked_sync_sg_for_##target, struct device *dev,                \
	     struct scatterlist *sgl, int nents, enum dma_data_direction dir)             \
	{                                                                                 \
		__real_berth_checked_sync_sg_for_##target(dev, sgl, nents, dir);          \
		debug_dma_sync_sg_for_##target(dev, sgl, nents, dir);                     \
	}                                                                                 \
	WRAP(void, berth_checked_sync_sgtable_for_##target, struct device *dev,           \
	     struct sg_table *sgt, enum dma_data_direction dir)                           \
	{                                                                                 \
		__real_berth_checked_sync_sgtable_for_##target(dev, sgt, dir);            \
		debug_dma_sync_sg_for_##target(dev, sgt->sgl, (int)sgt->orig_nents, dir); \
	}

SYNC(cpu)
SYNC(device)

WRAP(void *, berth_checked_alloc, struct device *dev, size_t size, dma_addr_t *dma_handle,
     gfp_t gfp, unsigned long attrs)
{
	void *virt = __real_berth_checked_alloc(dev, size, dma_handle, gfp, attrs);

	if (virt)
		debug_dma_alloc_coherent(dev, size, *dma_handle, virt, attrs);
	return virt;
}

WRAP(void, berth_checked_free, struct device *dev, size_t size, void *cpu_addr,
     dma_addr_t dma_handle, unsigned long attrs)
{
	if (!cpu_addr)
		return;
	debug_dma_free_coherent(dev, size, cpu_addr, dma_handle);
	__real_berth_checked_free(dev, size, cpu_addr, dma_handle, attrs);
}

WRAP(struct page *, berth_checked_alloc_pages, struct device *dev, size_t size,
     dma_addr_t *dma_handle, enum dma_data_direction dir, gfp_t gfp)
{
	struct page *page = __real_berth_checked_alloc_pages(dev, size, dma_handle, dir, gfp);

	if (page) {
		debug_dma_map_page(dev, page, 0, size, dir, *dma_handle, 0);
		debug_dma_mapping_error(dev, *dma_handle);
	}
	return page;
}

WRAP(void, berth_checked_free_pages, struct device *dev, size_t size, struct page *page,
     dma_addr_t dma_handle, enum dma_data_direction dir)
{
	debug_dma_unmap_page(dev, dma_handle, size, dir);
	__real_berth_checked_free_pages(dev, size, page, dma_handle, dir);
}

WRAP(struct sg_table *, berth_checked_alloc_table, struct device *dev, size_t size,
     enum dma_data_direction dir, gfp_t gfp, unsigned long attrs)
{
	struct sg_table *sgt = __real_berth_checked_alloc_table(dev, size, dir, gfp, attrs);

	if (sgt) {
		sgt->nents = 1;
		debug_dma_map_sg(dev, sgt->sgl, (int)sgt->orig_nents, 1, dir, attrs);
	}
	return sgt;
}

WRAP(void, berth_checked_free_table, struct device *dev, size_t size, struct sg_table *sgt,
     enum dma_data_direction dir)
{
	debug_dma_unmap_sg(dev, sgt->sgl, (int)sgt->orig_nents, dir);
	__real_berth_checked_free_table(dev, size, sgt, dir);
}

/* An exporter maps with dma_map_sgtable(). */
WRAP(struct sg_table *, berth_checked_buf_map_unlocked, struct dma_buf_attachment *attach,
     enum dma_data_direction dir)
{
	struct sg_table *sgt = __real_berth_checked_buf_map_unlocked(attach, dir);

	if (!IS_ERR(sgt))
		debug_dma_map_sg(attach->dev, sgt->sgl, (int)sgt->orig_nents, (int)sgt->nents, dir,
				 0);
	return sgt;
}

WRAP(void, berth_checked_buf_unmap_unlocked, struct dma_buf_attachment *attach,
     struct sg_table *sgt, enum dma_data_direction dir)
{
	debug_dma_unmap_sg(attach->dev, sgt->sgl, (int)sgt->orig_nents, dir);
	__real_berth_checked_buf_unmap_unlocked(attach, sgt, dir);
}

WRAP(void *, berth_checked_alloc_noncoherent, struct device *dev, size_t size,
     dma_addr_t *dma_handle, enum dma_data_direction dir, gfp_t gfp)
{
	void *virt = __real_berth_checked_alloc_noncoherent(dev, size, dma_handle, dir, gfp);

	if (virt) {
		debug_dma_map_page(dev, virt_to_page(virt), 0, size, dir, *dma_handle, 0);
		debug_dma_mapping_error(dev, *dma_handle);
	}
	return virt;
}

WRAP(void, berth_checked_free_noncoherent, struct device *dev, size_t size, void *vaddr,
     dma_addr_t dma_handle, enum dma_data_direction dir)
{
	debug_dma_unmap_page(dev, dma_handle, size, dir);
	__real_berth_checked_free_noncoherent(dev, size, vaddr, dma_handle, dir);
}

/* A pool maps each page once, and keeps it so. */
static struct {
	struct page_pool *pool;
	dma_addr_t addr;
} pooled[256];
static unsigned int nr_pooled;

static struct device *of_pool;

WRAP(struct page_pool *, berth_page_pool_create, const struct page_pool_params *params)
{
	of_pool = params->dev;
	nr_pooled = 0;
	return __real_berth_page_pool_create(params);
}

static struct page *note_page(struct page_pool *pool, struct page *page)
{
	const dma_addr_t addr = page ? page_pool_get_dma_addr(page) : 0;
	unsigned int i = 0;

	while (i < nr_pooled && (pooled[i].pool != pool || pooled[i].addr != addr))
		i++;
	if (page && i == nr_pooled && i < 256) {
		pooled[nr_pooled].pool = pool;
		pooled[nr_pooled++].addr = addr;
		debug_dma_map_page(of_pool, page, 0, PAGE_SIZE, DMA_FROM_DEVICE, addr, 0);
		debug_dma_mapping_error(of_pool, addr);
	}
	return page;
}

WRAP(struct page *, berth_checked_page_pool_alloc, struct page_pool *pool, gfp_t gfp)
{
	return note_page(pool, __real_berth_checked_page_pool_alloc(pool, gfp));
}

WRAP(struct page *, berth_checked_page_pool_alloc_frag, struct page_pool *pool,
     unsigned int *offset, unsigned int size, gfp_t gfp)
{
	return note_page(pool, __real_berth_checked_page_pool_alloc_frag(pool, offset, size, gfp));
}

WRAP(void, berth_page_pool_destroy, struct page_pool *pool)
{
	for (unsigned int i = 0; i < nr_pooled; i++)
		if (pooled[i].pool == pool)
			debug_dma_unmap_page(of_pool, pooled[i].addr, PAGE_SIZE, DMA_FROM_DEVICE);
	nr_pooled = 0;
	__real_berth_page_pool_destroy(pool);
}
