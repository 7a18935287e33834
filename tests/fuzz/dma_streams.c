// SPDX-License-Identifier: BSD-2-Clause
/* Buffers that are mapped, synced and unmapped, alone or as lists. */
#include <berth/gfp.h>
#include <berth/slab.h>

#include "dma_world.h"

#define MAX_BUFFERS 6u
#define MAX_MAPPINGS 8u
#define MAX_PIECES 3u

struct buffer {
	uint8_t *at;
	size_t size;
	uint8_t fill;
	bool is_mapped;
};

/* Pieces are those of a list; a mapping of its own has one. */
struct mapping {
	unsigned int nr; /* 0: none */
	bool is_list;
	bool is_page;
	struct buffer *buffer[MAX_PIECES];
	struct stream piece[MAX_PIECES];
	struct sg_table table;
};

static struct buffer buffers[MAX_BUFFERS];
static struct mapping mappings[MAX_MAPPINGS];

static void alloc_buffer(struct buffer *b)
{
	static const size_t sizes[] = { 4096, 8192, 16384, MAX_BYTES };
	gfp_t gfp = take() & 1 ? GFP_KERNEL : GFP_KERNEL | GFP_DMA32;

	b->size = sizes[take() % ARRAY_SIZE(sizes)];
	b->at = alloc_pages_exact(b->size, gfp);
	b->fill = take();
	if (b->at)
		memset(b->at, b->fill, b->size);
}

static void free_buffer(struct buffer *b)
{
	/* What was never mapped, and what a device could not reach, is as it was filled. */
	free_pages_exact(b->at, b->size);
	b->at = NULL;
}

static unsigned long take_attrs(void)
{
	unsigned int bits = take();

	return (bits & 3 ? 0 : BERTH_ATTR_OVERWRITE) | DMA_ATTR_NO_WARN;
}

static bool crosses(dma_addr_t addr, size_t size)
{
	return ((addr ^ (addr + size - 1)) & ~world.boundary) != 0;
}

/* Whether a mapping may have failed, and the reason is the right one. */
static void check_failure(const uint8_t *at, size_t size, bool is_list)
{
	phys_addr_t phys = virt_to_phys(at);
	dma_addr_t direct = direct_address(phys, size, world.mask);
	bool is_too_long = is_list && (size > world.max_segment || size - 1 > world.boundary);

	switch (berth_last_error()->reason) {
	case BERTH_REASON_SEGMENT:
		MUST(is_list || world.boundary != UINT64_MAX);
		return;
	case BERTH_REASON_MASK:
	case BERTH_REASON_WINDOW:
		MUST(direct == DMA_MAPPING_ERROR);
		break;
	case BERTH_REASON_BOUNCE_SIZE:
		MUST(size > dma_max_mapping_size(dma_device) || is_list);
		break;
	case BERTH_REASON_BOUNCE_FULL:
		break;
	default:
		wrong(__FILE__, __LINE__, "a reason that fits");
	}
	MUST(!is_too_long);
	/* Nothing stood in the way of what needs no help. */
	MUST(world.is_forced || direct == DMA_MAPPING_ERROR || (is_list && crosses(direct, size)));
}

/* What a device was told is within its limits. */
static void check_address(struct stream *s, const uint8_t *at, size_t size, bool is_list)
{
	dma_addr_t direct = direct_address(virt_to_phys(at), size, world.mask);

	MUST(s->addr + size - 1 >= s->addr && s->addr + size - 1 <= world.mask);
	s->is_bounced = s->addr != direct;
	MUST(!world.is_forced || s->is_bounced);
	MUST(!world.is_off || !s->is_bounced);
	if (is_list) {
		MUST(size <= world.max_segment);
		MUST(!crosses(s->addr, size));
	}
	if (s->is_bounced) {
		MUST(!((s->addr ^ virt_to_phys(at)) & world.align_mask) || world.nr_windows);
		MUST(size <= 256 * KIB);
		MUST(world.is_forced || direct == DMA_MAPPING_ERROR ||
		     (is_list && crosses(direct, size)));
	} else {
		MUST(dma_need_sync(dma_device, s->addr) == !world.coherent);
	}
}

static bool pick_piece(struct mapping *m, unsigned int n, size_t *from, size_t *size)
{
	struct buffer *b = &buffers[take_below(MAX_BUFFERS)];
	unsigned int chunks;

	if (!b->at || b->is_mapped)
		return false;
	chunks = (unsigned int)(b->size / CHUNK);
	*from = (size_t)(take2() % chunks) * CHUNK;
	*size = 1 + take2() % (b->size - *from);
	b->is_mapped = true;
	m->buffer[n] = b;
	m->piece[n].cpu = b->at + *from;
	m->piece[n].size = *size;
	memcpy(m->piece[n].expected, b->at + *from, *size);
	return true;
}

static void release(struct mapping *m)
{
	for (unsigned int i = 0; i < MAX_PIECES; i++) {
		if (m->buffer[i])
			m->buffer[i]->is_mapped = false;
		m->buffer[i] = NULL;
	}
	m->nr = 0;
}

static void map_one(struct mapping *m, enum dma_data_direction dir)
{
	unsigned long attrs = take_attrs();
	struct stream *s = &m->piece[0];
	size_t from, size;

	if (!pick_piece(m, 0, &from, &size))
		return;
	m->is_list = false;
	m->is_page = take() & 1;
	berth_clear_error();
	s->addr = m->is_page ? dma_map_page_attrs(dma_device, virt_to_page(s->cpu),
						  offset_in_page(s->cpu), size, dir, attrs)
			     : dma_map_single_attrs(dma_device, s->cpu, size, dir, attrs);
	if (dma_mapping_error(dma_device, s->addr)) {
		check_failure(s->cpu, size, false);
		MUST(!memcmp(s->cpu, s->expected, size));
		release(m);
		return;
	}
	MUST(!berth_last_error()->code);
	check_address(s, s->cpu, size, false);
	m->nr = 1;
	if (dir == DMA_FROM_DEVICE && attrs & BERTH_ATTR_OVERWRITE && s->is_bounced) {
		/* It said so. */
		memset(s->expected, take(), size);
		device_write(s->addr, s->expected, size);
	}
	stream_begin(s, s->cpu, s->addr, size, dir);
}

static void map_list(struct mapping *m, enum dma_data_direction dir)
{
	unsigned int nr = 1 + take_below(MAX_PIECES), got = 0, i;
	size_t from, size[MAX_PIECES];
	struct scatterlist *sg;
	int err;

	while (got < nr && pick_piece(m, got, &from, &size[got]))
		got++;
	if (got < nr || sg_alloc_table(&m->table, nr, GFP_KERNEL)) {
		release(m);
		return;
	}
	for_each_sgtable_sg(&m->table, sg, i)
		sg_set_buf(sg, m->piece[i].cpu, (unsigned int)size[i]);
	berth_clear_error();
	err = dma_map_sgtable(dma_device, &m->table, dir, take_attrs() & ~BERTH_ATTR_OVERWRITE);
	if (err) {
		MUST(err == -EINVAL || err == -ENOMEM || err == -EIO);
		MUST(m->table.orig_nents == nr);
		for (i = 0; i < nr; i++)
			MUST(!memcmp(m->piece[i].cpu, m->piece[i].expected, size[i]));
		sg_free_table(&m->table);
		release(m);
		return;
	}
	MUST(!berth_last_error()->code && m->table.nents == nr);
	m->nr = nr;
	m->is_list = true;
	for_each_sgtable_dma_sg(&m->table, sg, i) {
		MUST(sg_dma_len(sg) == size[i] && sg->length == size[i]);
		m->piece[i].addr = sg_dma_address(sg);
		check_address(&m->piece[i], m->piece[i].cpu, size[i], true);
		stream_begin(&m->piece[i], m->piece[i].cpu, sg_dma_address(sg), size[i], dir);
	}
}

static void map(void)
{
	struct mapping *m = &mappings[take_below(MAX_MAPPINGS)];
	enum dma_data_direction dir = (enum dma_data_direction)take_below(3);

	if (m->nr)
		return;
	if (take() & 1)
		map_list(m, dir);
	else
		map_one(m, dir);
}

static void unmap(struct mapping *m)
{
	enum dma_data_direction dir = m->piece[0].dir;
	struct stream *s = &m->piece[0];

	for (unsigned int i = 0; i < m->nr; i++)
		stream_give(&m->piece[i], 0, m->piece[i].size);
	berth_clear_error();
	if (m->is_list) {
		dma_unmap_sgtable(dma_device, &m->table, dir, 0);
		sg_free_table(&m->table);
	} else if (m->is_page) {
		dma_unmap_page(dma_device, s->addr, s->size, dir);
	} else {
		dma_unmap_single(dma_device, s->addr, s->size, dir);
	}
	MUST(!berth_last_error()->code);
	for (unsigned int i = 0; i < m->nr; i++)
		stream_end(&m->piece[i]);
	release(m);
}

/* Part of a stream, of whole chunks but for its end. */
static void part(const struct stream *s, size_t *from, size_t *size)
{
	*from = take2() % s->size / CHUNK * CHUNK;
	*size = (1 + take2() % (s->size - *from) + CHUNK - 1) / CHUNK * CHUNK;
	if (*size > s->size - *from)
		*size = s->size - *from;
}

static void sync_part(struct mapping *m)
{
	struct stream *s = &m->piece[take_below(m->nr)];
	size_t from, size;

	berth_clear_error();
	part(s, &from, &size);
	if (take() & 1) {
		stream_give(s, from, size);
		dma_sync_single_range_for_cpu(dma_device, s->addr, from, size, s->dir);
		stream_to_cpu(s, from, size);
	} else if (stream_is_cpus(s, from, size)) {
		dma_sync_single_for_device(dma_device, s->addr + from, size, s->dir);
		stream_to_device(s, from, size);
	}
	MUST(!berth_last_error()->code);
}

static void sync_list(struct mapping *m)
{
	bool to_cpu = take() & 1;

	if (!m->is_list)
		return;
	for (unsigned int i = 0; !to_cpu && i < m->nr; i++)
		if (!stream_is_cpus(&m->piece[i], 0, m->piece[i].size))
			return;
	berth_clear_error();
	for (unsigned int i = 0; to_cpu && i < m->nr; i++)
		stream_give(&m->piece[i], 0, m->piece[i].size);
	if (to_cpu)
		dma_sync_sgtable_for_cpu(dma_device, &m->table, m->piece[0].dir);
	else
		dma_sync_sgtable_for_device(dma_device, &m->table, m->piece[0].dir);
	MUST(!berth_last_error()->code);
	for (unsigned int i = 0; i < m->nr; i++)
		(to_cpu ? stream_to_cpu : stream_to_device)(&m->piece[i], 0, m->piece[i].size);
}

/* What is wrong in every build is refused and changes nothing. */
static void unmap_wrongly(struct mapping *m)
{
	struct stream *s = &m->piece[take_below(m->nr)];
	enum dma_data_direction other = (enum dma_data_direction)((s->dir + 1) % 3);

	berth_clear_error();
	switch (take_below(5)) {
	case 0:
		dma_unmap_single(dma_device, s->addr, 0, s->dir);
		break;
	case 1:
		dma_unmap_single(dma_device, s->addr, s->size, DMA_NONE);
		break;
	case 2:
		dma_unmap_single(dma_device, DMA_MAPPING_ERROR, s->size, s->dir);
		break;
	case 3:
		if (!s->is_bounced)
			return;
		dma_unmap_single(dma_device, s->addr, s->size, other);
		break;
	default:
		if (!s->is_bounced)
			return;
		dma_unmap_single(dma_device, s->addr, s->size + 1, s->dir);
	}
	MUST(berth_last_error()->code == -EINVAL);
}

static void map_wrongly(void)
{
	static uint8_t own[64];

	berth_clear_error();
	switch (take_below(4)) {
	case 0:
		MUST(dma_map_single(dma_device, own, 64, DMA_TO_DEVICE) == DMA_MAPPING_ERROR);
		break;
	case 1:
		MUST(dma_map_page(dma_device, NULL, 0, 64, DMA_TO_DEVICE) == DMA_MAPPING_ERROR);
		break;
	case 2:
		MUST(dma_map_sg(dma_device, NULL, 0, DMA_TO_DEVICE) == 0);
		break;
	default:
		MUST(dma_map_resource(dma_device, LOW_RAM + take2(), 1, DMA_TO_DEVICE, 0) ==
		     DMA_MAPPING_ERROR);
	}
	MUST(berth_last_error()->code == -EINVAL);
}

void stream_call(void)
{
	struct buffer *b = &buffers[take_below(MAX_BUFFERS)];
	struct mapping *m = &mappings[take_below(MAX_MAPPINGS)];

	switch (take_below(10)) {
	case 0:
		if (!b->at)
			alloc_buffer(b);
		else if (!b->is_mapped)
			free_buffer(b);
		return;
	case 1:
	case 2:
	case 3:
		map();
		return;
	case 4:
		map_wrongly();
		return;
	default:
		break;
	}
	if (!m->nr)
		return;
	switch (take_below(8)) {
	case 0:
		unmap(m);
		break;
	case 1:
	case 2:
		sync_part(m);
		break;
	case 3:
		sync_list(m);
		break;
	case 4:
		unmap_wrongly(m);
		break;
	default:
		stream_touch(&m->piece[take_below(m->nr)]);
	}
}

void stream_stop(void)
{
	for (unsigned int i = 0; i < MAX_MAPPINGS; i++)
		if (mappings[i].nr)
			unmap(&mappings[i]);
	for (unsigned int i = 0; i < MAX_BUFFERS; i++)
		if (buffers[i].at)
			free_buffer(&buffers[i]);
}
