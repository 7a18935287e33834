/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory and reservations, read from the flat tree before there is an allocator. */
#include <berth/cma.h>
#include <berth/gfp.h>
#include <berth/memblock.h>

#include "board/blob.h"
#include "board/board.h"
#include "dma/buffers.h"
#include "lib/error.h"
#include "lib/printk.h"
#include "lib/string.h"
#include "mm/internal.h"

struct berth_reserved berth_reserved[BERTH_MAX_RESERVED];
unsigned int berth_nr_reserved;
struct berth_range berth_left_out[BERTH_MAX_BANKS];
unsigned int berth_nr_left_out;

/* A property that holds numbers of 32-bit cells. */
struct cells {
	const uint8_t *at;
	int left; /* bytes */
};

static struct cells cells_of(const void *fdt, int node, const char *name)
{
	struct cells cells = { NULL, 0 };

	cells.at = berth_blob_property(fdt, node, name, &cells.left);
	return cells;
}

static bool take(struct cells *cells, unsigned int nr, uint64_t *value)
{
	int bytes = (int)nr * 4;

	if (!cells->at || cells->left < bytes)
		return false;
	*value = of_read_number(cells->at, (int)nr);
	cells->at += bytes;
	cells->left -= bytes;
	return true;
}

/* An entry of a list of ranges; one of no cells at all would never use the list up. */
static bool take_range(struct cells *cells, unsigned int na, unsigned int ns, uint64_t *base,
		       uint64_t *size)
{
	return na + ns && take(cells, na, base) && take(cells, ns, size);
}

static unsigned int count_of(const void *fdt, int node, const char *name, unsigned int otherwise)
{
	struct cells cells = cells_of(fdt, node, name);
	uint64_t count;

	if (!take(&cells, 1, &count))
		return otherwise;
	return count <= 4 ? (unsigned int)count : 4;
}

static bool has(const void *fdt, int node, const char *name)
{
	int length;

	return berth_blob_property(fdt, node, name, &length) != NULL;
}

/* Whether a list of strings contains one. */
static bool lists(const void *fdt, int node, const char *name, const char *wanted)
{
	int length;
	const char *list = berth_blob_property(fdt, node, name, &length);

	for (int at = 0; list && at < length;) {
		size_t n = berth_strnlen(list + at, (size_t)(length - at));

		if (n == berth_strlen(wanted) && !memcmp(list + at, wanted, n))
			return true;
		at += (int)n + 1;
	}
	return false;
}

static bool is_enabled(const void *fdt, int node)
{
	int length;
	const char *status = berth_blob_property(fdt, node, "status", &length);

	if (!status)
		return true;
	return (length >= 5 && !memcmp(status, "okay", 5)) ||
	       (length >= 3 && !memcmp(status, "ok", 3));
}

static int damaged(const void *fdt, int node)
{
	return berth_fail_at(-EINVAL, BERTH_REASON_TREE, berth_blob_name(fdt, node),
			     (uint64_t)node);
}

static int add_memory(const void *fdt, int node)
{
	unsigned int na = count_of(fdt, 0, "#address-cells", 1);
	unsigned int ns = count_of(fdt, 0, "#size-cells", 1);
	/* A second system gets a part of the RAM. */
	struct cells reg = cells_of(
		fdt, node, has(fdt, node, "linux,usable-memory") ? "linux,usable-memory" : "reg");
	uint64_t base, size;
	int err;

	while (take_range(&reg, na, ns, &base, &size)) {
		if (!size)
			continue;
		err = memblock_add(base, size);
		if (err)
			return err == -EINVAL ? damaged(fdt, node) : err;
	}
	return 0;
}

static struct berth_reserved *new_reserved(const char *name, int offset)
{
	struct berth_reserved *res;

	if (berth_nr_reserved == BERTH_MAX_RESERVED) {
		berth_fail_limit(-ENOSPC, BERTH_REASON_TABLE_FULL, "reserved memory", 0,
				 BERTH_MAX_RESERVED);
		return NULL;
	}
	res = &berth_reserved[berth_nr_reserved++];
	memset(res, 0, sizeof(*res));
	res->offset = offset;
	berth_strlcpy(res->name, name, sizeof(res->name));
	return res;
}

static struct berth_reserved *describe(const void *fdt, int node)
{
	struct berth_reserved *res = new_reserved(berth_blob_name(fdt, node), node);

	if (!res)
		return NULL;
	res->phandle = berth_blob_phandle(fdt, node);
	res->is_pool = lists(fdt, node, "compatible", "shared-dma-pool");
	res->is_restricted = lists(fdt, node, "compatible", "restricted-dma-pool");
	res->is_nomap = has(fdt, node, "no-map");
	res->is_reusable = has(fdt, node, "reusable") && !res->is_nomap;
	res->is_default = has(fdt, node, "linux,cma-default");
	res->is_dma_default = has(fdt, node, "linux,dma-default");
	res->is_guaranteed = has(fdt, node, "berth,guaranteed");
	return res;
}

static int keep(const struct berth_reserved *res)
{
	return res->is_nomap ? memblock_mark_nomap(res->base, res->size)
			     : memblock_reserve(res->base, res->size);
}

/* A reservation with a place of its own; every entry of reg is one. */
static int reserve_static(const void *fdt, int node, unsigned int na, unsigned int ns)
{
	struct cells reg = cells_of(fdt, node, "reg");
	uint64_t base, size;

	while (take_range(&reg, na, ns, &base, &size)) {
		struct berth_reserved *res;
		int err;

		if (!size)
			continue;
		res = describe(fdt, node);
		if (!res)
			return -ENOSPC;
		res->base = base;
		res->size = size;
		res->is_placed = true;
		res->is_taken = memblock_is_region_reserved(base, size);
		if (res->is_nomap && res->is_taken) {
			/* The image, or what a loader has left: it is in use. */
			res->stays_mapped = true;
			res->is_nomap = false;
		}
		err = keep(res);
		if (err)
			return err == -EINVAL ? damaged(fdt, node) : err;
	}
	return 0;
}

/* A reservation that says how much and roughly where; without room it has no place. */
static int reserve_dynamic(const void *fdt, int node, unsigned int na, unsigned int ns)
{
	struct cells cells = cells_of(fdt, node, "size");
	struct berth_reserved *res;
	uint64_t size, align = 0, start, length;

	if (!take(&cells, ns, &size) || !size)
		return 0;
	res = describe(fdt, node);
	if (!res)
		return -ENOSPC;
	cells = cells_of(fdt, node, "alignment");
	take(&cells, ns, &align);
	if (align & (align - 1) || align > 1ULL << 40)
		return damaged(fdt, node);
	if (align < PAGE_SIZE)
		align = PAGE_SIZE;
	if (res->is_pool && res->is_reusable && align < CMA_MIN_ALIGNMENT_BYTES)
		align = CMA_MIN_ALIGNMENT_BYTES;
	if (size > UINT64_MAX - (align - 1))
		return damaged(fdt, node);
	res->size = (size + align - 1) & ~(align - 1);

	cells = cells_of(fdt, node, "alloc-ranges");
	if (!cells.at)
		res->base = memblock_phys_alloc_range(res->size, align, 0, MEMBLOCK_ALLOC_ANYWHERE);
	while (!res->base && take_range(&cells, na, ns, &start, &length))
		res->base = memblock_phys_alloc_range(
			res->size, align, start,
			start + length < start ? MEMBLOCK_ALLOC_ANYWHERE : start + length);
	res->is_placed = res->base;
	return res->is_placed && res->is_nomap ? memblock_mark_nomap(res->base, res->size) : 0;
}

/* cma= takes the place of the tree's default area, whose memory is free then. */
static bool is_bypassed(const void *fdt, int node, const char *bootargs)
{
	return berth_bootarg(bootargs, "cma") && has(fdt, node, "linux,cma-default") &&
	       has(fdt, node, "reusable") && !has(fdt, node, "no-map") &&
	       lists(fdt, node, "compatible", "shared-dma-pool");
}

/* The children of /reserved-memory: those with a place first, so that the others avoid them. */
static int scan_reserved(const void *fdt, const char *bootargs, bool dynamic)
{
	int root = berth_blob_path(fdt, "/reserved-memory");
	unsigned int na, ns;
	int depth = 0;

	if (root < 0)
		return 0;
	na = count_of(fdt, root, "#address-cells", count_of(fdt, 0, "#address-cells", 1));
	ns = count_of(fdt, root, "#size-cells", count_of(fdt, 0, "#size-cells", 1));
	for (int node = berth_blob_next(fdt, root, &depth); node >= 0 && depth > 0;
	     node = berth_blob_next(fdt, node, &depth)) {
		int err = 0;

		if (depth != 1 || !is_enabled(fdt, node) || has(fdt, node, "reg") == dynamic ||
		    is_bypassed(fdt, node, bootargs))
			continue;
		err = dynamic ? reserve_dynamic(fdt, node, na, ns)
			      : reserve_static(fdt, node, na, ns);
		if (err)
			return err;
	}
	return 0;
}

static int scan_memory(const void *fdt)
{
	int depth = 0;

	for (int node = berth_blob_next(fdt, 0, &depth); node >= 0 && depth > 0;
	     node = berth_blob_next(fdt, node, &depth)) {
		int err;

		if (depth != 1 || !lists(fdt, node, "device_type", "memory") ||
		    !is_enabled(fdt, node))
			continue;
		err = add_memory(fdt, node);
		if (err)
			return err;
	}
	return 0;
}

static int leave_out(phys_addr_t base, uint64_t size)
{
	if (berth_nr_left_out == ARRAY_SIZE(berth_left_out))
		return berth_fail_limit(-ENOSPC, BERTH_REASON_TABLE_FULL, "memory above mem=", 0,
					ARRAY_SIZE(berth_left_out));
	berth_left_out[berth_nr_left_out++] = (struct berth_range){ base, size };
	return 0;
}

/* mem= keeps that much memory, from the lowest address on. */
static int apply_limit(const char *bootargs)
{
	const char *arg = berth_bootarg(bootargs, "mem");
	phys_addr_t end = UINT64_MAX;
	struct berth_range range;
	uint64_t left;
	int err = 0;

	if (!arg)
		return 0;
	left = PFN_PHYS(PFN_DOWN(berth_memparse(arg, NULL)));
	for (unsigned int i = 0; !err && berth_memblock_next(false, i, &range, NULL); i++) {
		uint64_t kept = range.size < left ? range.size : left;

		left -= kept;
		if (kept == range.size)
			continue;
		if (end == UINT64_MAX)
			end = range.base + kept;
		err = leave_out(range.base + kept, range.size - kept);
	}
	return err || end == UINT64_MAX ? err : memblock_remove(end, UINT64_MAX - end);
}

/* highmem= takes that much memory, from the highest address down, out of the linear map. */
static int apply_highmem(const char *bootargs)
{
	const char *arg = berth_bootarg(bootargs, "highmem");
	uint64_t size = arg ? PFN_PHYS(PFN_DOWN(berth_memparse(arg, NULL))) : 0, low;
	struct berth_range range;
	int err = 0;

	if (!size)
		return 0;
	if (size >= memblock_phys_mem_size())
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "highmem=", size);
	low = memblock_phys_mem_size() - size;
	for (unsigned int i = 0; !err && berth_memblock_next(false, i, &range, NULL); i++) {
		uint64_t kept = range.size < low ? range.size : low;

		low -= kept;
		if (!kept)
			return berth_memblock_mark_highmem(range.base, UINT64_MAX - range.base);
		if (kept < range.size)
			return berth_memblock_mark_highmem(range.base + kept,
							   UINT64_MAX - range.base - kept);
	}
	return err;
}

/* Whether memory in the linear map, and nothing else, lies there. */
static bool is_all_memory(phys_addr_t base, uint64_t size)
{
	struct berth_range range;
	enum memblock_flags flags;

	for (unsigned int i = 0; berth_memblock_next(false, i, &range, &flags); i++)
		if (!(flags & (MEMBLOCK_NOMAP | MEMBLOCK_HIGHMEM)) &&
		    base - range.base < range.size && size <= range.size - (base - range.base))
			return true;
	return false;
}

/* cma=SIZE[@BASE]: the default area, instead of the tree's. cma=0: none. */
static int apply_cma(const char *bootargs)
{
	const char *arg = berth_bootarg(bootargs, "cma"), *end;
	struct berth_reserved *res;
	uint64_t size, base = 0;

	if (!arg)
		return 0;
	size = berth_memparse(arg, &end);
	if (*end == '@')
		base = berth_memparse(end + 1, NULL);
	if (!size)
		return 0;
	if (size > 1ULL << 48)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "cma=", size);
	res = new_reserved("default", -1);
	if (!res)
		return -ENOSPC;
	res->is_pool = res->is_reusable = res->is_default = true;
	res->size = (size + CMA_MIN_ALIGNMENT_BYTES - 1) & ~(uint64_t)(CMA_MIN_ALIGNMENT_BYTES - 1);
	res->base = base;
	if (!base)
		res->base = memblock_phys_alloc_range(res->size, CMA_MIN_ALIGNMENT_BYTES, 0,
						      MEMBLOCK_ALLOC_ANYWHERE);
	else if (!is_all_memory(base, res->size) || memblock_is_region_reserved(base, res->size))
		res->base = 0;
	res->is_placed = res->base;
	return res->is_placed && base ? memblock_reserve(base, res->size) : 0;
}

/* coherent_pool=: what each of the atomic pools begins with. */
static void apply_coherent_pool(const char *bootargs)
{
	const char *arg = berth_bootarg(bootargs, "coherent_pool");

	berth_atomic_pools_set_size(arg ? berth_memparse(arg, NULL) : 0);
}

static int reserve_fixed(const void *fdt)
{
	uint64_t base, size;
	int err;

	for (unsigned int i = 0; berth_blob_reserve(fdt, i, &base, &size); i++) {
		err = size ? memblock_reserve(base, size) : 0;
		if (err)
			return err == -EINVAL ? berth_fail_at(-EINVAL, BERTH_REASON_TREE,
							      "/memreserve/", base)
					      : err;
	}
	return 0;
}

static int reserve_port(void)
{
	struct berth_range range;
	int err;

	for (unsigned int i = 0; berth_port_reserved(i, &range); i++) {
		err = memblock_reserve(range.base, range.size);
		if (err)
			return err;
	}
	return 0;
}

/* Page metadata covers whole pages: what a bank has beyond them is not used. */
static int trim_to_pages(void)
{
	struct berth_range range;

	for (unsigned int i = 0; berth_memblock_next(false, i, &range, NULL);) {
		phys_addr_t first = PAGE_ALIGN(range.base);
		phys_addr_t end = PFN_PHYS(PFN_DOWN(range.base + range.size));
		phys_addr_t ragged_end = range.base + range.size;
		int err = 0;

		if (first >= end) {
			err = memblock_remove(range.base, range.size);
		} else {
			i++;
			if (first != range.base)
				err = memblock_remove(range.base, first - range.base);
			if (!err && end != ragged_end)
				err = memblock_remove(end, ragged_end - end);
		}
		if (err)
			return err;
	}
	return 0;
}

const char *berth_early_bootargs(const void *fdt)
{
	int chosen = berth_blob_path(fdt, "/chosen"), length = 0;
	const char *args;

	args = chosen < 0 ? NULL : berth_blob_property(fdt, chosen, "bootargs", &length);
	/* A property is bytes; only one that ends like a string is one. */
	return args && length > 0 && !args[length - 1] ? args : NULL;
}

static int scan(const void *fdt, const struct berth_options *options, bool is_start)
{
	const char *bootargs = options->bootargs ? options->bootargs : berth_early_bootargs(fdt);
	int err = scan_memory(fdt);

	for (unsigned int i = 0; !err && i < options->nr_mem; i++) {
		err = memblock_add(options->mem[i].base, options->mem[i].size);
		if (err == -EINVAL)
			berth_fail_at(err, BERTH_REASON_ARGUMENT, "options.mem",
				      options->mem[i].base);
	}
	if (!err)
		err = trim_to_pages();
	if (!err)
		err = apply_limit(bootargs);
	if (!err)
		err = apply_highmem(bootargs);
	if (!err && is_start && !memblock_phys_mem_size())
		err = berth_fail(-ENODEV, BERTH_REASON_NO_MEMORY_NODE, "/memory");
	if (!err)
		err = reserve_fixed(fdt);
	if (!err && is_start)
		err = reserve_port();
	if (!err)
		err = scan_reserved(fdt, bootargs, false);
	if (!err)
		err = scan_reserved(fdt, bootargs, true);
	if (!err)
		err = apply_cma(bootargs);
	if (!err && is_start)
		apply_coherent_pool(bootargs);
	return err;
}

int berth_early_scan(const void *fdt, const struct berth_options *options)
{
	return scan(fdt, options, true);
}

int berth_early_read(const void *fdt, const struct berth_options *options)
{
	return scan(fdt, options, false);
}

/* A pool over something else, a firmware's memory for one, would hand that out. */
static bool is_alone(const struct berth_reserved *res)
{
	for (unsigned int i = 0; i < berth_nr_reserved; i++) {
		const struct berth_reserved *other = &berth_reserved[i];

		if (other != res && other->is_placed && other->base < res->base + res->size &&
		    res->base < other->base + other->size)
			return false;
	}
	return !res->is_taken;
}

static void complain(const struct berth_reserved *res)
{
	if (!res->is_placed)
		berth_printk("reserved-memory: %s: no free range of %#llx bytes fits; left out\n",
			     res->name, (unsigned long long)res->size);
	else if (res->stays_mapped)
		berth_printk("reserved-memory: %s: reserved already; stays mapped\n", res->name);
}

/* A pool of coherent memory: whole pages, all in the linear map or none of them. */
static void check_coherent(struct berth_reserved *res)
{
	if (!res->is_placed || !res->is_pool || res->is_reusable)
		return;
	if ((res->base | res->size) & (PAGE_SIZE - 1) ||
	    (!res->is_nomap && !is_all_memory(res->base, res->size)))
		berth_printk("reserved-memory: %s: not whole pages of memory; stays reserved\n",
			     res->name);
	else if (!is_alone(res))
		berth_printk("reserved-memory: %s: another reservation lies there, too; "
			     "stays reserved\n",
			     res->name);
	else
		res->is_coherent = true;
}

int berth_early_declare_areas(void)
{
	for (unsigned int i = 0; i < berth_nr_reserved; i++) {
		struct berth_reserved *res = &berth_reserved[i];
		int err;

		complain(res);
		check_coherent(res);
		if (!res->is_placed || !res->is_pool || !res->is_reusable)
			continue;
		if ((res->base | res->size) & (CMA_MIN_ALIGNMENT_BYTES - 1) ||
		    !is_all_memory(res->base, res->size)) {
			berth_printk("reserved-memory: %s: not whole 2 MiB blocks of memory; "
				     "stays reserved\n",
				     res->name);
			continue;
		}
		if (!is_alone(res)) {
			berth_printk("reserved-memory: %s: another reservation lies there, too; "
				     "stays reserved\n",
				     res->name);
			continue;
		}
		err = cma_init_reserved_mem(res->base, res->size, 0, res->name, &res->area);
		if (err)
			return err;
		if (res->is_default)
			berth_cma_set_default(res->area);
		if (res->is_guaranteed)
			berth_cma_set_guaranteed(res->area);
	}
	return 0;
}

void berth_early_reset(void)
{
	berth_nr_reserved = 0;
	berth_nr_left_out = 0;
}
