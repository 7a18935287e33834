/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine of page tables. A format is a description; levels count from 0, that of pages, upwards.
 *
 * Life of a table. Who installs one makes a link to it by compare-and-swap. Whoever wants to write
 * an entry first adds it to the count of its table; a table that counts nothing may be marked dead,
 * under the lock, and then nobody adds to it. Its link becomes a marker: invalid for the hardware,
 * not empty, different every time. When the IOMMU has forgotten the table, the marker goes; who
 * needs the place earlier makes the IOMMU forget it himself and puts his link in the marker's place:
 * so nothing new is mapped where something old is remembered. The marker is counted. The table's
 * memory is given back when everybody has left who may have read the link: walkers are counted by
 * slot, in two epochs, and a table is freed three epochs after it was taken out: two for who may have
 * read the link, and one more for the hints.
 *
 * Hints spare the way down from the root: tables by a part of the address. A table's count says,
 * above the number, for which addresses it is, and whether it is dead; so a hint that is used was
 * right when it was looked at. Who sets a hint looks afterwards whether the table is dead and takes
 * the hint back before he leaves; who takes a table out marks it dead first and takes the hint
 * away then. So nobody finds a hint who came two epochs later.
 *
 * An empty table is not taken out at once: its place is kept in mind, and it goes when the next
 * one is, so that one page mapped and unmapped again and again does not build its tables each time.
 */
#ifndef BERTH_IOMMU_PGTABLE_H
#define BERTH_IOMMU_PGTABLE_H

#include <berth/io-pgtable.h>
#include <berth/mm.h>
#include <berth/spinlock.h>

/*
 * struct pgtable_shape - what one address space's tables look like
 * @page_shift: log2 of a page, and of a table
 * @bits: of the address, for each level
 * @levels: how many
 * @address: bits of an entry that hold bits of an address
 * @address_right: how far the address is shifted right to get there
 * @high: bits of an entry that hold the address's bits shifted right by @high_right; or none
 */
struct pgtable_shape {
	uint8_t page_shift;
	uint8_t bits;
	uint8_t levels;
	uint8_t address_right;
	uint8_t high_right;
	uint64_t address;
	uint64_t high;
};

/*
 * struct pgtable_format - a description
 * @valid: one of these bits is set in a valid entry; none above bit 7
 * @kind, @link: (entry & @kind) == @link: it leads to a table, unless it is of level 0
 * @page, @block: bits of a page, and of a block above level 0
 * @synced: a bit that hardware ignores: a link is known to be in memory
 * @shape: look at what the hardware can do, narrow it, and say what the tables are like; 0, or
 *	-EINVAL with the reason
 * @leaf: the other bits of a page or block
 * @finish: what the hardware is told
 */
struct pgtable_format {
	uint64_t valid;
	uint64_t kind;
	uint64_t link;
	uint64_t page;
	uint64_t block;
	uint64_t synced;
	int (*shape)(struct io_pgtable_cfg *cfg, struct pgtable_shape *shape);
	uint64_t (*leaf)(int prot);
	void (*finish)(struct io_pgtable_cfg *cfg, const struct pgtable_shape *shape,
		       phys_addr_t root);
};

extern const struct pgtable_format berth_arm_lpae_s1;

#define PGTABLE_MAX_LEVELS 4u
/* Places of empty tables that are kept in mind. */
#define PGTABLE_KEPT 8u
/*
 * A count, in struct page::index, is the low half. This bit: nobody adds to it. In the high half is
 * what the table is for (table_key()), and of one that was taken out the next page of a list.
 */
#define PGTABLE_DEAD ((uint64_t)1 << 31)

#define PGTABLE_HINTS 256u
/* No table is for that: the root's. */
#define PGTABLE_NO_KEY 0x7fffffffull

/* How many are inside that came by one slot, or by none. */
struct pgtable_walkers {
	uint32_t inside;
} __attribute__((aligned(64)));

/*
 * struct pgtable_size - a size of pages or blocks
 * @level: of the tables that they are in; of a size that there is not it is the highest, which is
 *	the root's if it is anything, and has no hints
 * @leaf: where struct pgtable::leaf has their bits: 0 for pages, 64 for blocks, 128 for neither
 */
struct pgtable_size {
	uint8_t level;
	uint8_t leaf;
};

/*
 * struct pgtable_one - for the short way of one page, or of one block of the level above
 * @size: bytes; if there are no such blocks that of a page, which is looked at first
 * @leaf: all bits of it by its protection
 */
struct pgtable_one {
	uint64_t size;
	uint64_t leaf[64];
};

/*
 * struct pgtable - an address space's tables
 * @format, @shape, @cfg: what they are like; what every call needs of that is in the fields before
 * @plain: addresses stand in entries as they are
 * @plain_valid: @valid of plain tables; of others 0
 * @clean: the IOMMU does not look into caches
 * @top: the root's level
 * @top_shift: of its entries
 * @shifts: log2 of what an entry maps, by level
 * @by_shift: what there is to know of a size, by its log2
 * @one: pages, and blocks
 * @is_simple: plain, not to be cleaned, and there are pages
 * @leaf: all bits of a page, and of a block, by its protection; 0: there is none such
 * @virt: what leads from a table's physical address to the CPU's
 * @bank_virt, @bank_nr: the bank of RAM that the root is in, to find counts quickly
 * @count_bias: what leads from a table there, shifted right by 8, to its count
 * @marker: what the last marker was
 * @kept: places; a place is a table's key * 2 + 1
 * @now: the row of @walkers for who comes in this epoch; the other one is of that before. Changed
 *	under @lock
 * @taken_out: tables taken out in this epoch, in the one before, and earlier: chains of page numbers
 * @hints: tables in the root's bank; the root where there is none
 * @add_run: of @cfg's functions
 * @has_retired: there are such tables; looked at without the lock
 */
struct pgtable {
	struct io_pgtable_ops ops;
	uint64_t *root;
	uintptr_t virt;
	uint64_t valid, plain_valid, kind, link, address;
	unsigned int index_mask;
	unsigned int top_shift;
	unsigned int bits;
	bool plain;
	bool clean;
	bool is_simple;
	bool has_retired;
	uint8_t top;
	uint64_t sizes;
	uint64_t last_iova, last_phys, page_mask;
	uintptr_t bank_virt;
	uint64_t bank_nr;
	uintptr_t count_bias;
	uint8_t shifts[PGTABLE_MAX_LEVELS + 1];
	struct pgtable_size by_shift[64];
	struct pgtable_one one[2];
	uint64_t leaf[192];
	const struct pgtable_format *format;
	struct pgtable_shape shape;
	struct io_pgtable_cfg cfg;
	void *cookie;
	void (*add_run)(struct iommu_iotlb_gather *gather, dma_addr_t iova, size_t granule,
			size_t count, void *cookie);
	uint64_t marker;
	uint64_t kept[PGTABLE_KEPT];
	uint32_t nr_tables;
	spinlock_t lock;
	struct pgtable_walkers *now;
	uint32_t taken_out[3];
	uint64_t *hints[PGTABLE_HINTS];
	struct pgtable_walkers walkers[2][BERTH_PORT_MAX_SLOTS + 1];
};

/*
 * struct visit - a call's way through the tables
 * @inside: where it is counted
 * @empty: a table that it may have left empty, as a place; 0: none
 */
struct visit {
	struct pgtable *pt;
	uint32_t *inside;
	uint64_t empty;
};

static inline unsigned int level_shift(const struct pgtable *pt, unsigned int level)
{
	return pt->shifts[level];
}

static inline unsigned int table_index(const struct pgtable *pt, dma_addr_t iova,
				       unsigned int level)
{
	return (unsigned int)(iova >> level_shift(pt, level)) & pt->index_mask;
}

static inline bool is_link(const struct pgtable_format *format, uint64_t entry, unsigned int level)
{
	return level && (entry & format->kind) == format->link;
}

/* What stands for an address in an entry, and back. */
static inline uint64_t encode(const struct pgtable *pt, phys_addr_t phys)
{
	return (phys >> pt->shape.address_right & pt->shape.address) |
	       (phys >> pt->shape.high_right & pt->shape.high);
}

static inline phys_addr_t decode(const struct pgtable *pt, uint64_t entry)
{
	if (__builtin_expect(pt->plain, 1))
		return entry & pt->address;
	return (entry & pt->shape.address) << pt->shape.address_right |
	       (entry & pt->shape.high) << pt->shape.high_right;
}

static inline uint64_t *table_at(const struct pgtable *pt, uint64_t link)
{
	return (uint64_t *)((uintptr_t)decode(pt, link) + pt->virt);
}

static inline uint64_t read_entry(const uint64_t *entry)
{
	return __atomic_load_n(entry, __ATOMIC_ACQUIRE);
}

/* A page or block, or nothing; read by the hardware at any time. */
static inline void write_entry(uint64_t *entry, uint64_t value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELAXED);
}

/*
 * Down from the root to a table whose entries map 1 << @shift bytes; *@at, which was the root's, is
 * larger where there is no link.
 */
static inline uint64_t *descend(const struct pgtable *pt, dma_addr_t iova, unsigned int shift,
				unsigned int *at)
{
	unsigned int now = pt->top_shift, mask = pt->index_mask;
	uint64_t *table = pt->root;

	while (now != shift) {
		uint64_t entry = read_entry(&table[(unsigned int)(iova >> now) & mask]);

		if (__builtin_expect((entry & pt->kind) != pt->link, 0))
			break;
		table = table_at(pt, entry);
		now -= pt->bits;
	}
	*at = now;
	return table;
}

/* count_of(), for a table in another bank than the largest. */
uint64_t *berth_pgtable_other_count(const uint64_t *table);

static inline bool has_quick_count(const struct pgtable *pt, const uint64_t *table)
{
	return ((uintptr_t)table - pt->bank_virt) / 4096 < pt->bank_nr;
}

static inline uint64_t *quick_count(const struct pgtable *pt, const uint64_t *table)
{
	_Static_assert(sizeof(struct page) == 4096 >> 8, "a page's record for its address");
	return (uint64_t *)(((uintptr_t)table >> 8) + pt->count_bias);
}

/* How many entries of a table are in use, or are to be written; and PGTABLE_DEAD. */
static inline uint64_t *count_of(const struct pgtable *pt, const uint64_t *table)
{
	return __builtin_expect(has_quick_count(pt, table), 1) ? quick_count(pt, table)
							       : berth_pgtable_other_count(table);
}

/* What stands for the addresses that a table of @level is for. */
static inline uint64_t table_key(const struct pgtable *pt, dma_addr_t iova, unsigned int level)
{
	return (iova >> level_shift(pt, level + 1)) << 2 | level;
}

static inline uint64_t **hint_at(struct pgtable *pt, uint64_t key)
{
	return &pt->hints[key / 4 % PGTABLE_HINTS];
}

/*
 * What the count of a table of @level for @prefix, the address without the bits that the table and
 * its entries are for, has above the number: the key, and that it is not dead.
 */
static inline uint64_t table_mark(uint64_t prefix, unsigned int level)
{
	return prefix * 8 + level * 2;
}

/* A table by its hint, and its count. It is the one that is meant if the count has its mark. */
static inline uint64_t *hinted_at(const struct pgtable *pt, uint64_t prefix, uint64_t **count)
{
	/* Compilers make two steps of an element of an array in the middle of a structure. */
	uintptr_t at = (uintptr_t)pt + (uintptr_t)(prefix % PGTABLE_HINTS) * sizeof(pt->hints[0]);
	uint64_t *table = __atomic_load_n((uint64_t *const *)(at + offsetof(struct pgtable, hints)),
					  __ATOMIC_ACQUIRE);

	*count = quick_count(pt, table);
	return table;
}

static inline bool has_mark(const uint64_t *count, uint64_t mark)
{
	return __builtin_expect(__atomic_load_n(count, __ATOMIC_ACQUIRE) >> 31 == mark, 1);
}

/* A table by its hint, and its count; NULL: go down from the root. */
static inline uint64_t *hinted(struct pgtable *pt, uint64_t key, uint64_t **count)
{
	uint64_t *table = hinted_at(pt, key / 4, count);

	return has_mark(*count, key * 2) ? table : NULL;
}

/* Bytes that a table, or a place in mind, is for. */
static inline uint64_t table_size(const struct pgtable *pt, unsigned int level)
{
	return 1ULL << level_shift(pt, level + 1);
}

static inline uint64_t place_of(const struct pgtable *pt, dma_addr_t iova, unsigned int level)
{
	return level == pt->top ? 0 : table_key(pt, iova, level) * 2 + 1;
}

static inline uint64_t *kept_place(struct pgtable *pt, uint64_t place)
{
	/* As hinted_at() does it. */
	uintptr_t at = (uintptr_t)pt + (uintptr_t)(place / 8 % PGTABLE_KEPT) * sizeof(pt->kept[0]);

	return (uint64_t *)(at + offsetof(struct pgtable, kept));
}

/* From here to visit_leave() no table that can be reached is freed. */
static inline uint32_t *walker_enter(struct pgtable *pt)
{
	unsigned int slot = berth_port_slot_or_none();

	for (;;) {
		struct pgtable_walkers *row = __atomic_load_n(&pt->now, __ATOMIC_ACQUIRE);

		__atomic_fetch_add(&row[slot].inside, 1, __ATOMIC_SEQ_CST);
		/* Counted in the wrong row, nobody would have waited. */
		if (__builtin_expect(__atomic_load_n(&pt->now, __ATOMIC_SEQ_CST) == row, 1))
			return &row[slot].inside;
		__atomic_fetch_sub(&row[slot].inside, 1, __ATOMIC_RELEASE);
	}
}

/* The same, but it may fail; the caller leaves even so. */
static inline bool walker_try(struct pgtable *pt, uint32_t **inside)
{
	struct pgtable_walkers *row = __atomic_load_n(&pt->now, __ATOMIC_ACQUIRE);

	*inside = &row[berth_port_slot_or_none()].inside;
	__atomic_fetch_add(*inside, 1, __ATOMIC_SEQ_CST);
	return __builtin_expect(__atomic_load_n(&pt->now, __ATOMIC_SEQ_CST) == row, 1);
}

static inline void walker_leave(uint32_t *inside)
{
	__atomic_fetch_sub(inside, 1, __ATOMIC_RELEASE);
}

static inline void visit_enter(struct visit *visit, struct pgtable *pt)
{
	visit->pt = pt;
	visit->inside = walker_enter(pt);
}

static inline void visit_leave(struct visit *visit)
{
	__atomic_fetch_sub(visit->inside, 1, __ATOMIC_RELEASE);
}

static inline void clean_entries(const struct pgtable *pt, const uint64_t *entry, uint64_t nr)
{
	if (pt->clean)
		berth_port_cache_clean(virt_to_phys(entry), nr * sizeof(*entry));
}

static inline void flush_walk(const struct pgtable *pt, dma_addr_t iova, uint64_t size)
{
	if (pt->cfg.tlb && pt->cfg.tlb->tlb_flush_walk)
		pt->cfg.tlb->tlb_flush_walk(iova & ~(size - 1), (size_t)size,
					    (size_t)1 << pt->shape.page_shift, pt->cookie);
}

/*
 * @nr entries of the table of @level for @iova are in use no more, or are not to be written. The last
 * table that this leaves empty is kept in mind until berth_pgtable_leave().
 */
static inline void uncount(struct visit *visit, uint64_t *count, uint64_t nr, dma_addr_t iova,
			   unsigned int level)
{
	if ((uint32_t)__atomic_sub_fetch(count, nr, __ATOMIC_ACQ_REL) == 0)
		visit->empty = place_of(visit->pt, iova, level);
}

static inline void berth_pgtable_uncount(struct visit *visit, uint64_t *table, uint64_t nr,
					 dma_addr_t iova, unsigned int level)
{
	uncount(visit, count_of(visit->pt, table), nr, iova, level);
}

/* Tables (pgtable_table.c). */

/* An empty one of @level, not linked; NULL with the reason. */
uint64_t *berth_pgtable_new(struct pgtable *pt, dma_addr_t iova, unsigned int level, gfp_t gfp);
/* Set a hint. The caller is inside and has found the table by its links. */
void berth_pgtable_hint(struct pgtable *pt, uint64_t *table);
/* One that never was linked. */
void berth_pgtable_discard(struct pgtable *pt, uint64_t *table);
/* What an entry that is taken out holds until the IOMMU has forgotten it. */
uint64_t berth_pgtable_marker(struct pgtable *pt);
/* Nothing is linked from this entry any more: the table and all below it, @level that of the table. */
void berth_pgtable_retire(struct pgtable *pt, uint64_t *table, unsigned int level);
/* Free what can be freed, if there is something. The caller is not inside. */
void berth_pgtable_do_free_retired(struct pgtable *pt);
/* What is owed for a table that was left empty; @now: it goes at once. The caller is not inside. */
void berth_pgtable_settle(struct pgtable *pt, uint64_t place, bool now);
void berth_pgtable_free_all(struct pgtable *pt);

/* Functions of the tables (pgtable_map.c, pgtable_unmap.c). */

int berth_pgtable_map_many(struct io_pgtable_ops *ops, dma_addr_t iova, phys_addr_t paddr,
			   size_t pgsize, size_t pgcount, int prot, gfp_t gfp, size_t *mapped);
size_t berth_pgtable_unmap_many(struct io_pgtable_ops *ops, dma_addr_t iova, size_t pgsize,
				size_t pgcount, struct iommu_iotlb_gather *gather);
/* The same for simple tables. */
int berth_pgtable_map(struct io_pgtable_ops *ops, dma_addr_t iova, phys_addr_t paddr, size_t pgsize,
		      size_t pgcount, int prot, gfp_t gfp, size_t *mapped);
size_t berth_pgtable_unmap(struct io_pgtable_ops *ops, dma_addr_t iova, size_t pgsize,
			   size_t pgcount, struct iommu_iotlb_gather *gather);
phys_addr_t berth_pgtable_iova_to_phys(struct io_pgtable_ops *ops, dma_addr_t iova);

static inline void berth_pgtable_leave(struct visit *visit, bool now)
{
	uint64_t place = visit->empty;

	visit_leave(visit);
	visit->empty = 0;
	/* Most often the same table is empty again. */
	if (place &&
	    (now || __atomic_load_n(kept_place(visit->pt, place), __ATOMIC_RELAXED) != place))
		berth_pgtable_settle(visit->pt, place, now);
}

/*
 * The short way for who knows that its tables are simple: pages of the smallest size that are in one
 * table, which has a hint. Where it does not lead nothing has changed.
 */

/* Entries that are to be written; in between the table stays. */
struct pgtable_window {
	uint64_t mark;
	uint32_t *inside;
	uint64_t *count;
	uint64_t *entry;
};

static inline bool pgtable_find(struct pgtable *pt, dma_addr_t iova, struct pgtable_window *w)
{
	uint64_t prefix = iova >> pt->shifts[1];

	if (walker_try(pt, &w->inside)) {
		w->entry = hinted_at(pt, prefix, &w->count);
		w->mark = table_mark(prefix, 0);
		if (has_mark(w->count, w->mark)) {
			w->entry += (unsigned int)(iova >> pt->shifts[0]) & pt->index_mask;
			return true;
		}
	}
	walker_leave(w->inside);
	return false;
}

/* Whether @nr pages from @iova on, and not none, are in one table. */
static inline bool pgtable_is_one(const struct pgtable *pt, dma_addr_t iova, uint64_t nr)
{
	return nr - 1 <= (~(iova >> pt->shifts[0]) & pt->index_mask);
}

/* They are not written after all, or not any more. */
static inline void pgtable_cancel(struct pgtable_window *w, uint64_t nr)
{
	__atomic_fetch_sub(w->count, nr, __ATOMIC_RELAXED);
	walker_leave(w->inside);
}

/* Whether all of @nr entries are valid, and whether one is in use. Nobody else writes them. */
#define ENTRIES_4(op, at) (entry[at] op entry[(at) + 1] op entry[(at) + 2] op entry[(at) + 3])
#define ENTRIES_16(op) \
	(ENTRIES_4(op, 0) op ENTRIES_4(op, 4) op ENTRIES_4(op, 8) op ENTRIES_4(op, 12))
static inline bool are_valid(const uint64_t *entry, uint64_t nr, uint64_t valid)
{
	const uint64_t *end = entry + nr, *last = entry + (nr & ~15ull);

	for (; entry != last; entry += 16)
		if (!(ENTRIES_16(&) & valid))
			return false;
	for (; entry != end; entry++)
		if (!(*entry & valid))
			return false;
	return true;
}

static inline bool is_one_used(const uint64_t *entry, uint64_t nr)
{
	const uint64_t *end = entry + nr, *last = entry + (nr & ~15ull);

	for (; entry != last; entry += 16)
		if (ENTRIES_16(|))
			return true;
	for (; entry != end; entry++)
		if (*entry)
			return true;
	return false;
}
#undef ENTRIES_16
#undef ENTRIES_4

static inline void entries_clear(uint64_t *entry, uint64_t nr)
{
#define CLEAR_4(at)                       \
	write_entry(&entry[at], 0);       \
	write_entry(&entry[(at) + 1], 0); \
	write_entry(&entry[(at) + 2], 0); \
	write_entry(&entry[(at) + 3], 0)
	uint64_t *end = entry + nr, *last = entry + (nr & ~15ull);

	for (; entry != last; entry += 16) {
		CLEAR_4(0);
		CLEAR_4(4);
		CLEAR_4(8);
		CLEAR_4(12);
	}
	for (; entry != end; entry++)
		write_entry(entry, 0);
#undef CLEAR_4
}

/* @nr empty entries for @iova and what follows, which the caller writes before it leaves. */
static inline bool pgtable_open(struct pgtable *pt, dma_addr_t iova, uint64_t nr,
				struct pgtable_window *w)
{
	uint64_t before;

	if (!pgtable_find(pt, iova, w))
		return false;
	before = __atomic_fetch_add(w->count, nr, __ATOMIC_ACQ_REL);
	/* In a table in which nothing was counted all is empty. */
	if (!(uint32_t)before ||
	    __builtin_expect(!(before & PGTABLE_DEAD) && !is_one_used(w->entry, nr), 1))
		return true;
	pgtable_cancel(w, nr);
	return false;
}

/* Page by page, to a driver that wants no runs. */
void berth_pgtable_tell_pages(const struct pgtable *pt, struct iommu_iotlb_gather *gather,
			      dma_addr_t iova, uint64_t pgsize, uint64_t nr);

/* To the IOMMU's driver: @nr pages are to be forgotten. */
static inline void berth_pgtable_tell(const struct pgtable *pt, struct iommu_iotlb_gather *gather,
				      dma_addr_t iova, uint64_t pgsize, uint64_t nr)
{
	if (__builtin_expect(pt->add_run != NULL, 1))
		pt->add_run(gather, iova, (size_t)pgsize, (size_t)nr, pt->cookie);
	else if (__builtin_expect(pt->cfg.tlb != NULL, 0))
		berth_pgtable_tell_pages(pt, gather, iova, pgsize, nr);
}

/* What is owed when others have been taken out, and for a table that is empty at @place, if not 0. */
void berth_pgtable_after(struct pgtable *pt, uint64_t place);

/* All @nr pages from @iova on are unmapped, and gathered unless that is queued. */
static inline bool pgtable_clear(struct pgtable *pt, dma_addr_t iova, uint64_t nr,
				 struct iommu_iotlb_gather *gather)
{
	struct pgtable_window w;
	uint64_t place, before;

	if (!pgtable_find(pt, iova, &w))
		return false;
	if (__builtin_expect(!are_valid(w.entry, nr, pt->valid), 0)) {
		walker_leave(w.inside);
		return false;
	}
	entries_clear(w.entry, nr);
	before = __atomic_fetch_sub(w.count, nr, __ATOMIC_ACQ_REL);
	walker_leave(w.inside);
	if (!iommu_iotlb_gather_queued(gather))
		berth_pgtable_tell(pt, gather, iova, pt->one[0].size, nr);
	place = w.mark + 1;
	/* Most often it was empty before. */
	if (__builtin_expect((uint32_t)before == nr && __atomic_load_n(kept_place(pt, place),
								       __ATOMIC_RELAXED) != place,
			     0) ||
	    __builtin_expect(__atomic_load_n(&pt->has_retired, __ATOMIC_RELAXED), 0))
		berth_pgtable_after(pt, (uint32_t)before == nr ? place : 0);
	return true;
}

static inline void berth_pgtable_free_retired(struct pgtable *pt)
{
	if (__builtin_expect(__atomic_load_n(&pt->has_retired, __ATOMIC_RELAXED), 0))
		berth_pgtable_do_free_retired(pt);
}

#endif
