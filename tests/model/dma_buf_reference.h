/* SPDX-License-Identifier: BSD-2-Clause */
/* The reference of dma_buf_play.h: who sees whose bytes, where a buffer is, and what the caches are told. */
#ifndef TESTS_MODEL_DMA_BUF_REFERENCE_H
#define TESTS_MODEL_DMA_BUF_REFERENCE_H

#include "dma_buf_board.h"

/* Said by who includes this. Does not return. */
static void play_wrong(int line, const char *what);

#define PLAY_MUST(what)                              \
	do {                                         \
		if (!(what))                         \
			play_wrong(__LINE__, #what); \
	} while (0)

#define PLAY_PAGES 6u
#define PLAY_CELL 1024u
#define PLAY_CELLS_OF_PAGE (4096u / PLAY_CELL)
#define PLAY_CPU NR_DEVICES
#define PLAY_OPEN 3u

/* A piece of the buffer. @vis: who may touch it, as bits; @is_kept: by the CPU, which has not ended. */
struct play_cell {
	uint32_t token;
	uint32_t vis;
	bool is_kept;
};

struct play_actor {
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	enum dma_data_direction dir, access;
	bool is_dynamic, holds_on, has_access, is_pinned;
};

struct play_cpu_access {
	bool is_open, writes;
	unsigned int first, nr;
};

static struct {
	struct board board;
	struct dma_buf *dmabuf;
	unsigned int nr;
	bool is_system, is_revoked;
	struct play_actor actors[NR_DEVICES];
	struct play_cpu_access cpu[PLAY_OPEN];
	unsigned int cpu_writers, cpu_first, cpu_last;
	struct vm_area_struct vma;
	bool has_vma;
	unsigned int nr_parts;
	struct play_cell cells[PLAY_PAGES * PLAY_CELLS_OF_PAGE];
	uint32_t next_token;
	/* As the reference has them. */
	bool has_pages, dirty[PLAY_PAGES], stale[PLAY_PAGES];
	unsigned int cleans[PLAY_PAGES], invalidates[PLAY_PAGES];
	/* What the model was told during a call. */
	struct {
		enum berth_model_cache_op op;
		uint64_t phys, size;
	} ops[64];
	unsigned int nr_ops;
	uint64_t pages[PLAY_PAGES];
	bool may_fail;
	unsigned int what, who;
	const uint8_t *input;
	size_t left;
} play;

static inline unsigned int play_take(unsigned int bound)
{
	if (!play.left)
		return 0;
	play.left--;
	return *play.input++ % bound;
}

static inline void play_note_op(void *data, uint64_t number, enum berth_model_cache_op op,
				phys_addr_t phys, uint64_t size)
{
	(void)data, (void)number;
	if (play.nr_ops < ARRAY_SIZE(play.ops)) {
		play.ops[play.nr_ops].op = op;
		play.ops[play.nr_ops].phys = phys;
		play.ops[play.nr_ops++].size = size;
	}
}

/* The reference of who sees what */

static inline bool play_writes(enum dma_data_direction dir)
{
	return dir != DMA_TO_DEVICE;
}

static inline bool play_is_copied(unsigned int who)
{
	return play.board.actors[who].is_copied;
}

/* Coherent, or a copy that the CPU makes. */
static inline bool play_side(unsigned int who)
{
	return play_is_copied(who) || play.board.actors[who].is_coherent;
}

static inline bool play_in_hull(unsigned int page)
{
	return play.cpu_writers && page >= play.cpu_first && page <= play.cpu_last;
}

static inline void play_ref_begin(unsigned int first, unsigned int nr, bool side)
{
	bool has_coherent_writer = false;

	for (unsigned int i = 0; i < NR_DEVICES; i++)
		has_coherent_writer |= play.actors[i].has_access &&
				       play_writes(play.actors[i].access) && !play_is_copied(i) &&
				       play_side(i);
	for (unsigned int p = first; p < first + nr; p++) {
		if (!side && play.dirty[p]) {
			play.cleans[p]++;
			play.dirty[p] = false;
		} else if (side && play.stale[p]) {
			if (play.dirty[p] || has_coherent_writer || play_in_hull(p))
				play.cleans[p]++;
			play.dirty[p] = false;
			play.invalidates[p]++;
			play.stale[p] = false;
		}
	}
}

static inline void play_ref_note(void)
{
	for (unsigned int i = 0; i < NR_DEVICES; i++) {
		if (!play.actors[i].has_access || !play_writes(play.actors[i].access))
			continue;
		for (unsigned int p = 0; p < play.nr; p++) {
			if (!play_side(i))
				play.stale[p] = true;
			else if (!play_is_copied(i) || !play_in_hull(p))
				play.dirty[p] = true;
		}
	}
}

/* @who begins: he sees everything but what the CPU keeps. */
static inline void play_see(unsigned int who, unsigned int first, unsigned int nr)
{
	for (unsigned int c = first * PLAY_CELLS_OF_PAGE; c < (first + nr) * PLAY_CELLS_OF_PAGE;
	     c++)
		if (!play.cells[c].is_kept)
			play.cells[c].vis |= 1u << who;
}

static inline void play_ref_wrote(unsigned int first, unsigned int nr, bool side)
{
	for (unsigned int p = first; p < first + nr; p++)
		*(side ? &play.dirty[p] : &play.stale[p]) = true;
	for (unsigned int i = 0; i < NR_DEVICES; i++) {
		if (!play.actors[i].has_access)
			continue;
		if (play_is_copied(i) || play_side(i) != side)
			play_ref_begin(first, nr, play_side(i));
	}
}

/* What @who has written so far, in some pages, is for all who have access. */
static inline void play_publish(unsigned int who, unsigned int first, unsigned int nr)
{
	for (unsigned int c = first * PLAY_CELLS_OF_PAGE; c < (first + nr) * PLAY_CELLS_OF_PAGE;
	     c++) {
		struct play_cell *cell = &play.cells[c];

		if (!(cell->vis & 1u << who))
			continue;
		if (who == PLAY_CPU)
			cell->is_kept = false;
		if (cell->is_kept)
			continue;
		for (unsigned int i = 0; i < NR_DEVICES; i++)
			if (play.actors[i].has_access)
				cell->vis |= 1u << i;
	}
}

static inline void play_forget(unsigned int who)
{
	for (unsigned int c = 0; c < ARRAY_SIZE(play.cells); c++)
		play.cells[c].vis &= ~(1u << who);
}

static inline void play_ref_device_begins(unsigned int who, enum dma_data_direction dir)
{
	play_ref_note();
	play_ref_begin(0, play.nr, play_side(who));
	play.actors[who].has_access = true;
	play.actors[who].access = dir;
	play_see(who, 0, play.nr);
}

static inline void play_ref_device_ends(unsigned int who)
{
	struct play_actor *a = &play.actors[who];
	bool has_written = a->has_access && play_writes(a->access);

	a->has_access = false;
	if (has_written) {
		play_ref_wrote(0, play.nr, play_side(who));
		play_publish(who, 0, play.nr);
	}
	play_forget(who);
}

/* Where it is */

static inline struct heap_buffer *play_heap(void)
{
	return play.dmabuf->priv;
}

/* The reference learns of pages that were taken, or were left for others. */
static inline void play_look_at_pages(void)
{
	const struct heap_memory *memory = &play_heap()->memory;
	bool has_moved = false;

	if (!memory->pages)
		return;
	for (unsigned int p = 0; p < play.nr; p++)
		has_moved |= play.has_pages && play.pages[p] != page_to_phys(memory->pages[p]);
	if (has_moved) /* all of it was read, and written elsewhere */
		play_ref_begin(0, play.nr, true);
	for (unsigned int p = 0; p < play.nr; p++) {
		if (has_moved || !play.has_pages)
			play.dirty[p] = true;
		play.pages[p] = page_to_phys(memory->pages[p]);
	}
	play.has_pages = true;
}

static inline unsigned int play_runs(void)
{
	unsigned int runs = 1;

	for (unsigned int p = 1; p < play.nr; p++)
		runs += play.pages[p] != play.pages[p - 1] + 4096;
	return runs;
}

static inline bool play_fits(unsigned int who)
{
	bool fits = true;

	for (unsigned int p = 0; p < play.nr; p++)
		fits &= board_reaches(&play.board, who, play.pages[p]);
	return fits && (who != CAMERA || play_is_copied(who) || play_runs() == 1);
}

static inline bool play_can_move(void)
{
	if (play.has_vma)
		return false;
	for (unsigned int i = 0; i < NR_DEVICES; i++) {
		const struct play_actor *a = &play.actors[i];

		if (a->is_pinned || (a->sgt && (!a->is_dynamic || a->holds_on)))
			return false;
	}
	return true;
}

/* Each page was cleaned and invalidated as often as the reference says, since play_begin_call(). */
static inline void play_count_ops(const uint64_t *before)
{
	for (unsigned int p = 0; p < play.nr; p++) {
		unsigned int cleans = 0, invalidates = 0;

		for (unsigned int i = 0; i < play.nr_ops; i++) {
			bool is_in = play.pages[p] - play.ops[i].phys < play.ops[i].size ||
				     (before[p] != play.pages[p] &&
				      before[p] - play.ops[i].phys < play.ops[i].size);

			cleans += is_in && play.ops[i].op == BERTH_MODEL_CLEAN;
			invalidates += is_in && play.ops[i].op == BERTH_MODEL_INVALIDATE;
		}
		PLAY_MUST(play.may_fail || cleans == play.cleans[p]);
		PLAY_MUST(play.may_fail || invalidates == play.invalidates[p]);
	}
}

/* What a failure in the middle has left, the buffer itself says. */
static inline void play_believe(void)
{
	const struct heap_memory *memory = &play_heap()->memory;

	for (unsigned int p = 0; memory->pages && p < PLAY_PAGES && p < play.nr; p++) {
		play.dirty[p] = memory->memory_stale[0] >> p & 1;
		play.stale[p] = memory->cache_stale[0] >> p & 1;
	}
}

static uint64_t play_before[PLAY_PAGES];

static inline void play_begin_call(void)
{
	memset(play.cleans, 0, sizeof(play.cleans));
	memset(play.invalidates, 0, sizeof(play.invalidates));
	memcpy(play_before, play.pages, sizeof(play_before));
	play.nr_ops = 0;
	if (play.may_fail)
		berth_test_fail_nth(1 + play_take(6));
}

/* @err is what a call has returned. Whether it went well, as @wanted says. */
static inline bool play_end_call(int err, int wanted)
{
	bool has_failed = play.may_fail && berth_test_failed();

	berth_test_fail_nth(0);
	PLAY_MUST(err == wanted || (has_failed && err == -ENOMEM));
	PLAY_MUST(!err || err == berth_last_error()->code);
	PLAY_MUST(!err || berth_last_error()->reason != BERTH_REASON_NONE);
	return !err;
}

static inline void play_check_call(void)
{
	play_count_ops(play_before);
	if (play.may_fail)
		play_believe();
	play.may_fail = false;
}

#endif
