/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as calls about one shared buffer, against a reference: whose bytes everybody sees, where the buffer is,
 * which calls fail and why, and exactly which pages the caches are cleaned and invalidated for. Only legal calls are
 * made: nobody touches bytes that he was not given, nor, where the CPU copies for a device, while another one writes.
 */
#ifndef TESTS_MODEL_DMA_BUF_PLAY_H
#define TESTS_MODEL_DMA_BUF_PLAY_H

#include "dma_buf_reference.h"

/* Bytes */

static inline void play_fill(uint8_t *bytes, uint32_t token)
{
	for (unsigned int i = 0; i < PLAY_CELL; i++)
		bytes[i] = token ? (uint8_t)(token * 131u + i * (token | 1) + (i >> 8)) : 0;
}

static inline bool play_is(const uint8_t *bytes, uint32_t token)
{
	uint8_t wanted[PLAY_CELL];

	play_fill(wanted, token);
	return !memcmp(bytes, wanted, PLAY_CELL);
}

static inline uint64_t play_dma_address(unsigned int who, unsigned int cell)
{
	uint64_t at = 0, wanted = (uint64_t)cell * PLAY_CELL;
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_dma_sg(play.actors[who].sgt, sg, i) {
		if (wanted < at + sg_dma_len(sg))
			return sg_dma_address(sg) + (wanted - at);
		at += sg_dma_len(sg);
	}
	play_wrong(__LINE__, "an address for each byte");
	return 0;
}

static inline void play_device_moves(unsigned int who, unsigned int cell, bool writes)
{
	struct play_cell *c = &play.cells[cell];
	uint64_t addr = play_dma_address(who, cell);
	uint8_t bytes[PLAY_CELL];
	int err;

	if (writes) {
		c->token = ++play.next_token;
		c->vis = 1u << who;
		c->is_kept = false;
		play_fill(bytes, c->token);
	}
	model_lock();
	err = writes ? model_dma_write(play.board.actors[who].model, addr, bytes, sizeof(bytes))
		     : model_dma_read(play.board.actors[who].model, addr, bytes, sizeof(bytes));
	model_unlock();
	PLAY_MUST(!err);
	if (!writes)
		PLAY_MUST(play_is(bytes, c->token));
}

static inline bool play_copies_apart(unsigned int who)
{
	for (unsigned int i = 0; i < NR_DEVICES; i++)
		if (i != who && play.actors[i].has_access && play_writes(play.actors[i].access) &&
		    (play_is_copied(i) || play_is_copied(who)))
			return false;
	return true;
}

/* The calls */

static inline void play_device_uses(unsigned int who)
{
	const struct play_actor *a = &play.actors[who];
	const bool writes = play_take(2);
	const unsigned int step = 1 + play_take(3);

	if (!a->has_access || (writes ? !play_writes(a->access) : a->access == DMA_FROM_DEVICE))
		return;
	for (unsigned int c = play_take(4); c < play.nr * PLAY_CELLS_OF_PAGE; c += step) {
		if (!(play.cells[c].vis & 1u << who))
			continue;
		if (writes && play_is_copied(who) && play_in_hull(c / PLAY_CELLS_OF_PAGE))
			continue;
		play_device_moves(who, c, writes);
	}
}

static inline void play_cpu_uses(void)
{
	const struct play_cpu_access *access = &play.cpu[play_take(PLAY_OPEN)];
	const bool writes = play_take(2), is_area = play_take(2) && play.has_vma;
	struct iosys_map map = { 0 };
	uint8_t *bytes;

	if (!access->is_open || (writes && !access->writes) || play.is_revoked)
		return;
	if (!is_area)
		PLAY_MUST(!dma_buf_vmap_unlocked(play.dmabuf, &map));
	bytes = is_area ? (uint8_t *)play.vma.vm_start : map.vaddr;
	for (unsigned int c = access->first * PLAY_CELLS_OF_PAGE;
	     c < (access->first + access->nr) * PLAY_CELLS_OF_PAGE; c++) {
		struct play_cell *cell = &play.cells[c];

		if (!(cell->vis & 1u << PLAY_CPU))
			continue;
		if (!writes) {
			PLAY_MUST(play_is(bytes + c * PLAY_CELL, cell->token));
			continue;
		}
		cell->token = ++play.next_token;
		cell->vis = 1u << PLAY_CPU;
		cell->is_kept = true;
		play_fill(bytes + c * PLAY_CELL, cell->token);
	}
	if (!is_area)
		dma_buf_vunmap_unlocked(play.dmabuf, &map);
}

static inline void play_unmapped(unsigned int who)
{
	play.actors[who].sgt = NULL;
	play_ref_device_ends(who);
}

/* A dynamic importer is told that the buffer moves. */
static inline void play_let_go(struct dma_buf_attachment *attach)
{
	unsigned int who = (unsigned int)(uintptr_t)attach->importer_priv;
	struct play_actor *a = &play.actors[who];

	if (!a->sgt || a->holds_on)
		return;
	dma_buf_unmap_attachment(attach, a->sgt, a->dir);
	play_unmapped(who);
}

static const struct dma_buf_attach_ops play_attach_ops = { .move_notify = play_let_go };

static inline void play_attach(unsigned int who)
{
	struct play_actor *a = &play.actors[who];
	struct device *dev = play.board.actors[who].dev;
	int kind = (int)play_take(4), err;

	if (a->attach)
		return;
	play_begin_call();
	a->attach = kind < 2 ? dma_buf_attach(play.dmabuf, dev)
			     : dma_buf_dynamic_attach(play.dmabuf, dev, &play_attach_ops,
						      (void *)(uintptr_t)who);
	err = IS_ERR(a->attach) ? (int)PTR_ERR(a->attach) : 0;
	if (!play_end_call(err, play.is_revoked ? -ENODEV : 0))
		a->attach = NULL;
	a->is_dynamic = kind >= 2;
	a->holds_on = kind == 3;
	play_check_call();
}

static inline void play_detach(unsigned int who)
{
	struct play_actor *a = &play.actors[who];

	if (!a->attach)
		return;
	if (a->is_pinned) {
		PLAY_MUST(!dma_resv_lock(play.dmabuf->resv, NULL));
		dma_buf_unpin(a->attach);
		dma_resv_unlock(play.dmabuf->resv);
	}
	play_begin_call();
	dma_buf_detach(play.dmabuf, a->attach);
	play_end_call(0, 0);
	play_unmapped(who);
	play_check_call();
	*a = (struct play_actor){ 0 };
}

/* What a mapping must return, before it is tried. */
static inline int play_expect_map(unsigned int who)
{
	if (play.is_revoked)
		return -ENODEV;
	if (play.has_pages && !play_fits(who)) {
		if (!play.is_system)
			return -EINVAL;
		if (!play_can_move())
			return -EBUSY;
		return 0;
	}
	return play.actors[who].sgt ? -EBUSY : 0;
}

static inline void play_map(unsigned int who)
{
	static const enum dma_data_direction dirs[] = { DMA_BIDIRECTIONAL, DMA_TO_DEVICE,
							DMA_FROM_DEVICE };
	struct play_actor *a = &play.actors[who];
	enum dma_data_direction dir = dirs[play_take(3)];
	struct sg_table *sgt;
	int wanted;

	if (!a->attach || (!a->sgt && play_writes(dir) && !play_copies_apart(who)))
		return;
	wanted = play_expect_map(who);
	play_begin_call();
	sgt = dma_buf_map_attachment_unlocked(a->attach, dir);
	play_look_at_pages();
	/* A copy of several pieces is no piece either. */
	if (!wanted && who == CAMERA && play_is_copied(who) && play.has_pages && play_runs() > 1) {
		wanted = -EINVAL;
		play.may_fail = true;
	}
	if (play_end_call(IS_ERR(sgt) ? (int)PTR_ERR(sgt) : 0, wanted)) {
		PLAY_MUST(play_fits(who));
		PLAY_MUST(who != CAMERA || sgt->nents == 1);
		a->sgt = sgt;
		a->dir = dir;
		play_ref_device_begins(who, dir);
	}
	play_check_call();
}

static inline void play_unmap(unsigned int who)
{
	struct play_actor *a = &play.actors[who];

	if (!a->sgt)
		return;
	play_begin_call();
	dma_buf_unmap_attachment_unlocked(a->attach, a->sgt, a->dir);
	play_end_call(0, 0);
	play_unmapped(who);
	play_check_call();
}

static inline void play_access(unsigned int who)
{
	struct play_actor *a = &play.actors[who];
	enum dma_data_direction dir = (enum dma_data_direction)play_take(4);
	int wanted = 0;

	if (!a->attach || (play_writes(dir) && !play_copies_apart(who)))
		return;
	if (dir == DMA_NONE || !a->sgt || (a->dir != DMA_BIDIRECTIONAL && a->dir != dir))
		wanted = -EINVAL;
	play_begin_call();
	if (play_end_call(berth_dma_buf_begin_access(a->attach, dir), wanted)) {
		if (a->has_access)
			play_ref_device_ends(who);
		play_ref_device_begins(who, dir);
	}
	play_check_call();
}

static inline void play_end_access(unsigned int who)
{
	struct play_actor *a = &play.actors[who];

	if (!a->attach)
		return;
	play_begin_call();
	if (play_end_call(berth_dma_buf_end_access(a->attach), a->sgt ? 0 : -EINVAL))
		play_ref_device_ends(who);
	play_check_call();
}

static inline void play_ref_cpu_begins(const struct play_cpu_access *access)
{
	play_ref_note();
	play_ref_begin(access->first, access->nr, true);
	play_see(PLAY_CPU, access->first, access->nr);
	if (!access->writes)
		return;
	if (!play.cpu_writers++) {
		play.cpu_first = access->first;
		play.cpu_last = access->first + access->nr - 1;
	}
	if (access->first < play.cpu_first)
		play.cpu_first = access->first;
	if (access->first + access->nr - 1 > play.cpu_last)
		play.cpu_last = access->first + access->nr - 1;
}

static inline void play_cpu_begins(void)
{
	struct play_cpu_access *access = &play.cpu[play_take(PLAY_OPEN)];
	const enum dma_data_direction dir = (enum dma_data_direction)play_take(3);

	if (access->is_open)
		return;
	access->first = play_take(play.nr);
	access->nr = 1 + play_take(play.nr - access->first);
	access->writes = dir != DMA_FROM_DEVICE;
	if (play_take(2)) {
		access->first = 0;
		access->nr = play.nr;
	}
	play_begin_call();
	access->is_open = play_end_call(dma_buf_begin_cpu_access_partial(play.dmabuf, dir,
									 access->first * 4096 + 9,
									 access->nr * 4096 - 16),
					play.is_revoked ? -ENODEV : 0);
	play_look_at_pages();
	if (access->is_open)
		play_ref_cpu_begins(access);
	play_check_call();
}

static inline void play_cpu_ends(void)
{
	struct play_cpu_access *access = &play.cpu[play_take(PLAY_OPEN)];

	if (!access->is_open)
		return;
	access->is_open = false;
	play_begin_call();
	play_end_call(dma_buf_end_cpu_access_partial(
			      play.dmabuf, access->writes ? DMA_BIDIRECTIONAL : DMA_FROM_DEVICE,
			      access->first * 4096 + 9, access->nr * 4096 - 16),
		      0);
	if (access->writes) {
		play.cpu_writers--;
		play_ref_wrote(access->first, access->nr, true);
		play_publish(PLAY_CPU, access->first, access->nr);
	}
	play_check_call();
}

static inline void play_area(void)
{
	int err;

	if (play.has_vma) {
		berth_vma_release(&play.vma);
		play.has_vma = false;
		return;
	}
	play_begin_call();
	err = berth_file_mmap(play.dmabuf->file, &play.vma, (size_t)play.nr * 4096, 0);
	play_look_at_pages();
	play.has_vma = play_end_call(err, play.is_revoked ? -ENODEV : 0);
	play_check_call();
}

static inline void play_pin(unsigned int who)
{
	struct play_actor *a = &play.actors[who];
	int err, wanted;

	if (!a->attach || !a->is_dynamic)
		return;
	PLAY_MUST(!dma_resv_lock(play.dmabuf->resv, NULL));
	if (a->is_pinned) {
		dma_buf_unpin(a->attach);
		a->is_pinned = false;
	} else {
		wanted = play_expect_map(who);
		if (a->sgt && wanted == -EBUSY && play_fits(who))
			wanted = 0;
		play_begin_call();
		err = dma_buf_pin(a->attach);
		play_look_at_pages();
		a->is_pinned = play_end_call(err, wanted);
		play_check_call();
	}
	dma_resv_unlock(play.dmabuf->resv);
}

static inline void play_number(void)
{
	struct dma_buf *again;
	int fd;

	get_dma_buf(play.dmabuf);
	play_begin_call();
	fd = dma_buf_fd(play.dmabuf, 0);
	play_end_call(fd < 0 ? fd : 0, 0);
	play_check_call();
	if (fd < 0) {
		dma_buf_put(play.dmabuf);
		return;
	}
	again = dma_buf_get(fd);
	PLAY_MUST(again == play.dmabuf);
	PLAY_MUST(!close_fd((unsigned int)fd));
	dma_buf_put(again);
}

static inline void play_revoke(void)
{
	int wanted = 0;

	if (play_take(8))
		return;
	for (unsigned int i = 0; i < NR_DEVICES; i++)
		if (play.actors[i].sgt && (!play.actors[i].is_dynamic || play.actors[i].holds_on))
			wanted = -EBUSY;
	play_begin_call();
	play_end_call(berth_dma_buf_revoke(play.dmabuf), wanted);
	play.is_revoked = true;
	play_check_call();
}

static inline bool play_new_buffer(void)
{
	struct dma_heap *heap;

	play.is_system = play_take(3) != 0;
	play.nr = 1 + play_take(PLAY_PAGES);
	heap = dma_heap_find(play.is_system ? "system" : "cma");
	PLAY_MUST(heap);
	play.dmabuf = dma_heap_buffer_alloc(heap, (size_t)play.nr * 4096, BERTH_O_RDWR, 0);
	PLAY_MUST(!IS_ERR(play.dmabuf));
	play.has_pages = play.is_revoked = false;
	play.cpu_writers = 0;
	memset(play.cells, 0, sizeof(play.cells));
	memset(play.cpu, 0, sizeof(play.cpu));
	memset(play.dirty, 0, sizeof(play.dirty));
	memset(play.stale, 0, sizeof(play.stale));
	memset(play.pages, 0, sizeof(play.pages));
	return true;
}

/* The last reference goes with whatever goes last. */
static inline void play_end_buffer(void)
{
	const unsigned int from = play_take(NR_DEVICES);
	struct dma_buf *dmabuf = play.dmabuf;

	if (play_take(2) && play.has_vma) {
		berth_vma_release(&play.vma);
		play.has_vma = false;
	}
	if (play_take(2))
		for (unsigned int i = 0; i < NR_DEVICES; i++)
			play_unmap(i);
	dma_buf_put(dmabuf);
	for (unsigned int i = 0; i < NR_DEVICES; i++) {
		struct play_actor *a = &play.actors[(from + i) % NR_DEVICES];

		if (a->attach && a->is_pinned) {
			PLAY_MUST(!dma_resv_lock(dmabuf->resv, NULL));
			dma_buf_unpin(a->attach);
			dma_resv_unlock(dmabuf->resv);
		}
		if (a->attach)
			dma_buf_detach(dmabuf, a->attach);
		*a = (struct play_actor){ 0 };
	}
	if (play.has_vma)
		berth_vma_release(&play.vma);
	play.has_vma = false;
}

static inline void play_one(void)
{
	const unsigned int who = play_take(NR_DEVICES), what = play_take(20);

	play.may_fail = play_take(16) == 15;
	play.what = what;
	play.who = who;
	switch (what) {
	case 0:
	case 1:
		play_attach(who);
		break;
	case 2:
		play_detach(who);
		break;
	case 3:
	case 4:
		play_map(who);
		break;
	case 5:
		play_unmap(who);
		break;
	case 6:
		play_access(who);
		break;
	case 7:
		play_end_access(who);
		break;
	case 8:
	case 9:
	case 10:
		play_device_uses(who);
		break;
	case 11:
		play_cpu_begins();
		break;
	case 12:
		play_cpu_ends();
		break;
	case 13:
	case 14:
		play_cpu_uses();
		break;
	case 15:
		play_area();
		break;
	case 16:
		play_pin(who);
		break;
	case 17:
		play_number();
		break;
	case 18:
		play_revoke();
		break;
	default:
		play_end_buffer();
		play_new_buffer();
	}
	play.may_fail = false;
}

/* Bytes as calls, on the board that they choose. */
static inline void play_all(const uint8_t *input, size_t size)
{
	struct berth_model_config config = { .on_cache_op = play_note_op };
	static const unsigned int lines[] = { 64, 32, 128 };
	unsigned int shape;

	memset(&play, 0, sizeof(play));
	play.input = input;
	play.left = size;
	config.cache = (enum berth_model_cache)play_take(2);
	config.line_size = lines[play_take(3)];
	config.seed = play_take(256);
	shape = play_take(8);
	PLAY_MUST(!board_start(&play.board, &config, shape, play_take(4) == 3));
	play_new_buffer();
	while (play.left)
		play_one();
	play_end_buffer();
	PLAY_MUST(!berth_stop());
}

#endif
