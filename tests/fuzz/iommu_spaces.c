// SPDX-License-Identifier: BSD-2-Clause
/* Address spaces that the trace manages: each page of some windows leads where a flat array says. */
#include "iommu_world.h"

#define MAX_PAGES 20480u
#define MAX_ENTRIES 6u

struct space spaces[NR_SPACES];
static word memory[NR_SPACES][NR_WINDOWS][MAX_PAGES];

/* As much as a table of pages leads to. */
static uint64_t reach(void)
{
	return 1ull << (2 * world.shift - 3);
}

static uint64_t window_pages(void)
{
	return (reach() >> world.shift) * 5 / 2;
}

/* The first addresses, some on both sides of 4 GiB, and the last ones. */
static dma_addr_t window_base(unsigned int window)
{
	if (window == 0)
		return 0;
	return window == 1 ? (1ull << 32) - reach()
			   : LAST_IOVA + 1 - (window_pages() << world.shift);
}

static word *word_at(const struct space *space, dma_addr_t iova)
{
	for (unsigned int w = 0; w < NR_WINDOWS; w++)
		if (iova - window_base(w) < window_pages() << world.shift)
			return &space->pages[w][(iova - window_base(w)) >> world.shift];
	return NULL;
}

word space_word(const struct space *space, dma_addr_t iova)
{
	const word *w = word_at(space, iova);

	return w ? *w : 0;
}

static void check_page(const struct space *space, dma_addr_t iova)
{
	struct fuzz_domain *d = to_fuzz(space->domain);
	word want = space_word(space, iova), seen = walk(d, iova);
	uint64_t offset = (iova >> 3) * 5 & (world.granule - 1);
	phys_addr_t phys = iommu_iova_to_phys(space->domain, iova + offset);

	MUST(seen == (want & ~(word)PENDING));
	MUST(phys == (seen ? (seen & ~(world.granule - 1)) + offset : BERTH_PHYS_NONE));
	if (!(want & PENDING))
		MUST((look_up(d, iova) & ~(word)IN_BLOCK) == (want & ~(word)IN_BLOCK));
}

/* Its ends, what is next to it, and some in between. */
static void check_range(const struct space *space, dma_addr_t iova, uint64_t size)
{
	uint64_t nr = size >> world.shift, step = nr / 8 + 1;
	const uint64_t g = world.granule;

	iova &= ~(g - 1);
	for (uint64_t i = 0; i < nr; i += i < 3 || i + 4 > nr || i + step > nr - 4 ? 1 : step)
		check_page(space, iova + i * g);
	if (iova && word_at(space, iova - g))
		check_page(space, iova - g);
	if (word_at(space, iova + nr * g))
		check_page(space, iova + nr * g);
}

static void check_all(const struct space *space)
{
	uint64_t nr = 0;

	for (unsigned int w = 0; w < NR_WINDOWS; w++) {
		for (uint64_t i = 0; i < window_pages(); i++) {
			word want = space->pages[w][i];

			nr += want & MAPPED;
			if (want & MAPPED)
				MUST(walk(to_fuzz(space->domain),
					  window_base(w) + (i << world.shift)) == want);
		}
	}
	MUST(nr == space->nr_mapped);
	MUST(count_pages(to_fuzz(space->domain)) == nr);
}

/* The largest page for what is left, by the definition. */
static uint64_t piece_at(dma_addr_t iova, phys_addr_t paddr, uint64_t left)
{
	return world.block && !((iova | paddr) & (world.block - 1)) && left >= world.block
		       ? world.block
		       : world.granule;
}

static bool is_legal(dma_addr_t iova, phys_addr_t paddr, uint64_t size, int *err)
{
	*err = !size || (iova | paddr | size) & (world.granule - 1) ? -EINVAL
	       : iova + (size - 1) < iova || paddr + (size - 1) < paddr ||
			       iova + (size - 1) > LAST_IOVA
		       ? -ERANGE
		       : 0;
	return !*err;
}

static void sync_space(struct space *space)
{
	if (!space->has_gather)
		return;
	if (space->gather.queued)
		iommu_flush_iotlb_all(space->domain);
	else
		iommu_iotlb_sync(space->domain, &space->gather);
	MUST(space->gather.queued || !space->gather.pgsize);
	space->has_gather = false;
	for (unsigned int w = 0; w < NR_WINDOWS; w++) {
		for (uint64_t i = 0; i < window_pages(); i++) {
			if (!(space->pages[w][i] & PENDING))
				continue;
			space->pages[w][i] &= ~(word)PENDING;
			MUST(!look_up(to_fuzz(space->domain), window_base(w) + (i << world.shift)));
		}
	}
}

/* A range that is not free yet is not mapped. */
static void sync_range(struct space *space, dma_addr_t iova, uint64_t size)
{
	for (uint64_t at = 0; space->has_gather && at < size; at += world.granule)
		if (space_word(space, iova + at) & PENDING)
			sync_space(space);
}

/* Whether a mapping comes upon one; a block takes the place of pages. */
static bool meets(const struct space *space, dma_addr_t iova, phys_addr_t paddr, uint64_t size)
{
	for (uint64_t at = 0, piece; at < size; at += piece) {
		word old = space_word(space, iova + at);

		piece = piece_at(iova + at, paddr + at, size - at);
		if (old & MAPPED && (piece == world.granule || old & IN_BLOCK))
			return true;
	}
	return false;
}

static void set_range(struct space *space, dma_addr_t iova, phys_addr_t paddr, uint64_t size,
		      int prot)
{
	for (uint64_t at = 0, piece; at < size; at += piece) {
		piece = piece_at(iova + at, paddr + at, size - at);
		for (uint64_t in = at; in < at + piece; in += world.granule) {
			word *w = word_at(space, iova + in);

			space->nr_mapped += !(*w & MAPPED);
			*w = (paddr + in) | prot_word(prot) |
			     (piece == world.granule ? 0 : IN_BLOCK);
		}
	}
}

/* It failed: nothing is mapped that was not; of what was only pages that a block would replace go. */
static void after_failure(struct space *space, dma_addr_t iova, uint64_t size)
{
	space->ended_size = 0;
	for (uint64_t at = 0; at < size; at += world.granule) {
		word *w = word_at(space, iova + at);

		if (!(*w & MAPPED) || *w & IN_BLOCK || walk(to_fuzz(space->domain), iova + at))
			continue;
		MUST(world.block);
		*w = 0;
		space->nr_mapped--;
	}
	check_range(space, iova, size);
}

/* Where and how much; mostly in a window, and @odd if it makes no sense. */
static void take_range(dma_addr_t *iova, uint64_t *size, bool *odd)
{
	unsigned int window = take_below(NR_WINDOWS), how = take();
	uint64_t per_table = reach() >> world.shift, nr;
	uint64_t first = how & 1 ? take_below(3) * per_table : take2() % window_pages();

	if (how & 2 && first >= 4)
		first -= take_below(4);
	nr = (how & 12) == 12 ? per_table * (1 + take_below(2)) + take_below(3)
	     : how & 4	      ? 1 + take2() % per_table
			      : 1 + take_below(16);
	if (nr > window_pages() - first)
		nr = window_pages() - first;
	*iova = window_base(window) + (first << world.shift);
	*size = nr << world.shift;
	*odd = how > 0xf0;
	if (!*odd)
		return;
	switch (how & 7) {
	case 1:
		*size = 0;
		break;
	case 2:
		*iova += 1u << take_below(world.shift);
		break;
	case 3:
		*size += 1u << take_below(world.shift);
		break;
	case 4:
		*size = 0 - *iova;
		break;
	case 5:
		*iova = LAST_IOVA + 1 + ((uint64_t)take2() << 40);
		break;
	case 6:
		*size = 0 - world.granule * take();
		break;
	default:
		*odd = false;
	}
}

static phys_addr_t take_phys(dma_addr_t iova)
{
	uint8_t how = take();
	phys_addr_t phys = (phys_addr_t)take2() << world.shift;

	if (how & 1) /* as the address lies in a block */
		phys = (phys & ~(reach() - 1)) | (iova & (reach() - 1));
	if (how & 2)
		phys += 1ull << 40;
	if (how > 0xf8)
		phys = world.last_phys + 1 - world.granule * (take() + 1ull);
	return how == 0xf4 ? phys | 0x800 : phys;
}

static void map(struct space *space)
{
	dma_addr_t iova;
	uint64_t size;
	bool odd, is_met, is_far, legal;
	int err, want, prot = take() & 0x3f;

	take_range(&iova, &size, &odd);
	phys_addr_t phys = take_phys(iova);

	legal = is_legal(iova, phys, size, &want);
	MUST(!odd || !legal);
	if (!legal) {
		MUST(iommu_map(space->domain, iova, phys, size, prot, GFP_KERNEL) == want);
		return;
	}
	sync_range(space, iova, size);
	is_met = meets(space, iova, phys, size);
	is_far = phys + (size - 1) > world.last_phys;
	berth_clear_error();
	err = iommu_map(space->domain, iova, phys, size, prot,
			take() & 1 ? GFP_KERNEL : GFP_ATOMIC);
	if (!err) {
		MUST(!is_met && !is_far && prot & (IOMMU_READ | IOMMU_WRITE));
		set_range(space, iova, phys, size, prot);
		check_range(space, iova, size);
		return;
	}
	MUST(berth_last_error()->code == err);
	MUST((err == -EEXIST && is_met) || (err == -ERANGE && is_far) ||
	     (err == -EINVAL && !(prot & 3)) || (err == -ENOMEM && world.fails));
	after_failure(space, iova, size);
}

/* Entries over what is RAM, whether anybody has it or not: nobody reads or writes there. */
static unsigned int take_list(struct scatterlist *sg, bool *whole)
{
	unsigned int nr = 1 + take_below(MAX_ENTRIES);
	unsigned long page = take2();

	*whole = true;
	sg_init_table(sg, nr);
	for (unsigned int i = 0; i < nr; i++) {
		unsigned int length = (1 + take_below(6)) << world.shift, how = take();

		page = how & 3 ? page : take2();
		page = page % ((RAM_SIZE >> PAGE_SHIFT) - 512) &
		       ~((world.granule >> PAGE_SHIFT) - 1);
		/* One that is not whole pages is enough. */
		if (how == 0xff && *whole)
			length = 100 * (1 + take());
		sg_set_page(&sg[i], pfn_to_page((RAM >> PAGE_SHIFT) + page), length,
			    how == 0xfe && *whole ? 64 : 0);
		*whole = *whole && how < 0xfe;
		page += length >> PAGE_SHIFT;
	}
	return nr;
}

static void map_list(struct space *space)
{
	int prot = IOMMU_READ | (take() & 0x3f);
	struct scatterlist sg[MAX_ENTRIES];
	unsigned int nr, more;
	bool odd, whole, is_met = false;
	uint64_t size, total = 0;
	dma_addr_t iova;
	ptrdiff_t ret;

	take_range(&iova, &size, &odd);
	nr = take_list(sg, &whole);
	for (unsigned int i = 0; i < nr; i++)
		total += sg[i].length;
	MUST(iommu_map_sg(space->domain, iova, sg, 0, prot, GFP_KERNEL) == -EINVAL);
	/* Its end would be out of sight. */
	if (odd || !word_at(space, iova + total))
		return;
	if (!whole) {
		sync_space(space);
		MUST(iommu_map_sg(space->domain, iova, sg, nr, prot, GFP_KERNEL) < 0);
		after_failure(space, iova, total & ~(world.granule - 1));
		return;
	}
	sync_range(space, iova, total);
	for (unsigned int i = 0, last; i < nr; i = last) {
		uint64_t run = sg[i].length, before = 0;

		for (unsigned int j = 0; j < i; j++)
			before += sg[j].length;
		for (last = i + 1; last < nr && sg_phys(&sg[last]) == sg_phys(&sg[i]) + run; last++)
			run += sg[last].length;
		is_met = is_met || meets(space, iova + before, sg_phys(&sg[i]), run);
	}
	more = take() > 0xf8;
	berth_clear_error();
	ret = iommu_map_sg(space->domain, iova, sg, nr + more, prot, GFP_KERNEL);
	if (ret < 0) {
		MUST(berth_last_error()->code == ret);
		MUST((ret == -EEXIST && is_met) || (ret == -ENOMEM && world.fails) ||
		     (ret == -EINVAL && more));
		after_failure(space, iova, total);
		return;
	}
	MUST((uint64_t)ret == total && !is_met && !more);
	total = 0;
	for (unsigned int i = 0, last; i < nr; i = last) {
		uint64_t run = sg[i].length;

		for (last = i + 1; last < nr && sg_phys(&sg[last]) == sg_phys(&sg[i]) + run; last++)
			run += sg[last].length;
		set_range(space, iova + total, sg_phys(&sg[i]), run, prot);
		total += run;
	}
	check_range(space, iova, total);
}

static bool clear_piece(struct space *space, dma_addr_t iova, uint64_t piece, bool is_fast)
{
	bool any = false;

	for (uint64_t in = 0; in < piece; in += world.granule) {
		word *w = word_at(space, iova + in);

		if (!(*w & MAPPED))
			continue;
		any = true;
		*w = is_fast ? PENDING : 0;
		space->nr_mapped--;
	}
	return any;
}

static void split(struct space *space, dma_addr_t iova)
{
	iova &= ~(world.block - 1);
	for (uint64_t in = 0; in < world.block; in += world.granule)
		*word_at(space, iova + in) &= ~(word)IN_BLOCK;
}

/* What an unmap does, which has said that it did @ret bytes. */
static void clear_range(struct space *space, dma_addr_t iova, uint64_t size, uint64_t ret,
			bool is_fast)
{
	uint64_t done = 0, piece;

	for (; done < size; done += piece) {
		word old = space_word(space, iova + done);

		piece = piece_at(iova + done, iova + done, size - done);
		if (piece == world.granule && old & IN_BLOCK) {
			/* It takes a table. */
			if (!world.quirks || (world.fails && done == ret))
				break;
			split(space, iova + done);
		}
		if (!clear_piece(space, iova + done, piece, is_fast))
			break;
	}
	MUST(done == ret);
}

static void unmap(struct space *space, bool is_fast)
{
	dma_addr_t iova;
	uint64_t size, ret;
	bool odd;
	int err;

	take_range(&iova, &size, &odd);
	if (is_fast && !space->has_gather) {
		iommu_iotlb_gather_init(&space->gather);
		space->gather.queued = take() & 1;
	}
	berth_clear_error();
	ret = is_fast ? iommu_unmap_fast(space->domain, iova, size, &space->gather)
		      : iommu_unmap(space->domain, iova, size);
	if (!is_legal(iova, 0, size, &err)) {
		MUST(!ret && berth_last_error()->code == err);
		return;
	}
	MUST(!odd);
	space->has_gather = space->has_gather || is_fast;
	space->ended = iova;
	space->ended_size = size;
	clear_range(space, iova, size, ret, is_fast);
	check_range(space, iova, size);
}

static void make(struct space *space)
{
	const struct client *c = &clients[take_below(NR_DEVICES)];

	if (space->domain)
		return;
	berth_clear_error();
	space->domain = iommu_domain_alloc(c->dev);
	if (!space->domain) {
		MUST(world.fails && berth_last_error()->reason == BERTH_REASON_OUT_OF_MEMORY);
		return;
	}
	MUST(iommu_domain_type(space->domain) == IOMMU_DOMAIN_UNMANAGED);
	MUST(iommu_domain_pgsizes(space->domain) == (world.granule | world.block));
	space->iommu = c->party->iommu;
	space->nr_mapped = space->ended_size = 0;
	space->has_gather = false;
	for (unsigned int w = 0; w < NR_WINDOWS; w++) {
		space->pages[w] = memory[space - spaces][w];
		memset(space->pages[w], 0, window_pages() * sizeof(word));
	}
}

/* Run by run. */
static void unmap_all(struct space *space)
{
	for (unsigned int w = 0; w < NR_WINDOWS; w++) {
		for (uint64_t i = 0, nr; i < window_pages(); i += nr + 1) {
			dma_addr_t at = window_base(w) + (i << world.shift);

			for (nr = 0; i + nr < window_pages() && space->pages[w][i + nr] & MAPPED;)
				nr++;
			if (!nr)
				continue;
			MUST(iommu_unmap(space->domain, at, nr << world.shift) ==
			     nr << world.shift);
			clear_range(space, at, nr << world.shift, nr << world.shift, false);
		}
	}
	sync_space(space);
	berth_io_pgtable_trim(space->domain->tables);
	MUST(!berth_io_pgtable_tables(space->domain->tables));
	check_all(space);
}

static void end(struct space *space, bool is_empty)
{
	unsigned int nr_attached = 0;

	if (!space->domain)
		return;
	for (unsigned int i = 0; i < nr_parties; i++)
		nr_attached += parties[i].sees == (int)(space - spaces);
	check_all(space);
	if (is_empty)
		unmap_all(space);
	berth_clear_error();
	iommu_domain_free(space->domain);
	if (nr_attached)
		MUST(berth_last_error()->reason == BERTH_REASON_STATE);
	else
		space->domain = NULL;
}

/* What nobody may map in. */
static void use_static(void)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(clients[take_below(NR_DEVICES)].dev);
	struct iommu_iotlb_gather gather;
	bool passes = iommu_domain_type(domain) == IOMMU_DOMAIN_IDENTITY;

	if (iommu_domain_type(domain) & __IOMMU_DOMAIN_PAGING)
		return;
	MUST(iommu_map(domain, world.granule, 0, world.granule, IOMMU_READ, GFP_KERNEL) == -EINVAL);
	MUST(!iommu_unmap(domain, 0, world.granule));
	MUST(iommu_iova_to_phys(domain, 5) == (passes ? 5 : BERTH_PHYS_NONE));
	iommu_iotlb_gather_init(&gather);
	iommu_flush_iotlb_all(domain);
	iommu_iotlb_sync(domain, &gather);
	berth_clear_error();
	iommu_domain_free(domain);
	MUST(berth_last_error()->reason == BERTH_REASON_STATE);
}

void space_call(void)
{
	struct space *space = &spaces[take_below(NR_SPACES)];
	uint8_t what = take();

	if (!space->domain || what >= 250) {
		if (space->domain)
			end(space, what & 1);
		else
			make(space);
		return;
	}
	if (what < 80)
		map(space);
	else if (what < 110)
		map_list(space);
	else if (what < 170)
		unmap(space, false);
	else if (what < 210)
		unmap(space, true);
	else if (what < 225)
		sync_space(space);
	else if (what < 230)
		iommu_flush_iotlb_all(space->domain);
	else if (what < 240)
		use_static();
	else if (what < 245)
		berth_io_pgtable_trim(space->domain->tables);
	else
		check_all(space);
}

void space_stop(void)
{
	for (unsigned int i = 0; i < NR_SPACES; i++) {
		end(&spaces[i], true);
		MUST(!spaces[i].domain);
	}
}
