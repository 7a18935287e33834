// SPDX-License-Identifier: BSD-2-Clause
/* Bytes that nobody has written, read by a device or by the CPU: see corpus.h. */
#include <string.h>
#include <strings.h>

#include <berth/dma-mapping.h>
#include <berth/slab.h>

#include "check/corpus.h"

#define SIZE 256u

struct command {
	unsigned int code, length;
	unsigned long long address;
	unsigned long long reserved[2];
	unsigned char data[32];
};

/* The reserved fields hold what was in that memory before, and the device gets it. */
static void fields_left_out(const struct rig *rig, bool is_mended)
{
	struct command *c = kmalloc(sizeof(*c), GFP_KERNEL);
	dma_addr_t addr;

	if (is_mended)
		memset(c, 0, sizeof(*c));
	c->code = 1;
	c->length = 2;
	c->address = 3;
	memset(c->data, 4, sizeof(c->data));
	addr = dma_map_single(rig->dev, c, sizeof(*c), DMA_TO_DEVICE);
	if (dma_mapping_error(rig->dev, addr))
		return;
	rig->device_reads(addr, sizeof(*c)); /* BUG uninitialised */
	dma_unmap_single(rig->dev, addr, sizeof(*c), DMA_TO_DEVICE);
	kfree(c);
}

/* More is sent than was written. */
static void length_too_long(const struct rig *rig, bool is_mended)
{
	unsigned char *a = kmalloc(SIZE, GFP_KERNEL), *b = kmalloc(SIZE, GFP_KERNEL);
	struct scatterlist list[2];

	memset(a, 1, SIZE);
	memset(b, 1, is_mended ? SIZE : SIZE / 2);
	sg_init_table(list, 2);
	sg_set_buf(&list[0], a, SIZE);
	sg_set_buf(&list[1], b, SIZE);
	if (!dma_map_sg(rig->dev, list, 2, DMA_BIDIRECTIONAL))
		return;
	rig->device_reads(sg_dma_address(&list[0]), 16);
	if (sg_dma_len(&list[0]) > SIZE)
		rig->device_reads(sg_dma_address(&list[0]) + SIZE, SIZE); /* not with these two */
	else
		rig->device_reads(sg_dma_address(&list[1]), SIZE); /* BUG uninitialised */
	dma_unmap_sg(rig->dev, list, 2, DMA_BIDIRECTIONAL);
	kfree(a);
	kfree(b);
}

/* The device has sent a short answer. */
static void more_than_came(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kmalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(rig->dev, buf, SIZE, DMA_FROM_DEVICE);

	if (dma_mapping_error(rig->dev, addr))
		return;
	rig->device_writes(addr, 64);
	dma_unmap_single(rig->dev, addr, SIZE, DMA_FROM_DEVICE);
	*rig->seen = buf[is_mended ? 63 : 128]; /* BUG unwritten */
	kfree(buf);
}

static void more_than_came_yet(const struct rig *rig, bool is_mended)
{
	unsigned long long *buf = kmalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(rig->dev, buf, SIZE, DMA_FROM_DEVICE);

	if (dma_mapping_error(rig->dev, addr))
		return;
	rig->device_writes(addr, 64);
	dma_sync_single_for_cpu(rig->dev, addr, SIZE, DMA_FROM_DEVICE);
	*rig->seen = (unsigned char)buf[is_mended ? 7 : 8]; /* BUG unwritten */
	dma_unmap_single(rig->dev, addr, SIZE, DMA_FROM_DEVICE);
	kfree(buf);
}

/* The second answer is short, and behind it is the first one, or what a bounce buffer has held. */
static void answer_of_before(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kmalloc(SIZE, GFP_KERNEL);

	for (unsigned int i = 0; i < 2; i++) {
		dma_addr_t addr = dma_map_single_attrs(rig->dev, buf, SIZE, DMA_FROM_DEVICE,
						       BERTH_ATTR_OVERWRITE);

		if (dma_mapping_error(rig->dev, addr))
			return;
		rig->device_writes(addr, i ? 64 : SIZE);
		dma_unmap_single(rig->dev, addr, SIZE, DMA_FROM_DEVICE);
		*rig->seen = buf[i && is_mended ? 63 : 128]; /* BUG unwritten */
	}
	kfree(buf);
}

/* What is legal, and must never be reported. */

static void legal_sends(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kmalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr;

	(void)is_mended;
	/* Unseen by the checker; up to the last bytes of a word; and not all of it is read. */
	strncpy((char *)buf, "a text", 64);
	bzero(buf + 64, 59);
	addr = dma_map_single(rig->dev, buf, SIZE, DMA_TO_DEVICE);
	if (dma_mapping_error(rig->dev, addr))
		return;
	rig->device_reads(addr, 124);
	dma_unmap_single(rig->dev, addr, SIZE, DMA_TO_DEVICE);
	/* A device has written it, and another one, or the same, reads it. */
	addr = dma_map_single(rig->dev, buf, SIZE, DMA_BIDIRECTIONAL);
	if (dma_mapping_error(rig->dev, addr))
		return;
	rig->device_writes(addr, SIZE);
	rig->device_reads(addr, SIZE);
	dma_unmap_single(rig->dev, addr, SIZE, DMA_BIDIRECTIONAL);
	kfree(buf);
}

struct answer {
	unsigned char bytes[SIZE];
};

static void legal_answers(const struct rig *rig, bool is_mended)
{
	struct answer *buf = kmalloc(sizeof(*buf), GFP_KERNEL), here;
	dma_addr_t addr = dma_map_single(rig->dev, buf, SIZE, DMA_FROM_DEVICE);

	(void)is_mended;
	if (dma_mapping_error(rig->dev, addr))
		return;
	rig->device_writes(addr, 60);
	dma_unmap_single(rig->dev, addr, SIZE, DMA_FROM_DEVICE);
	/* A copy of all of it, of which the rest is not looked at; the word in which the answer ends. */
	memcpy(&here, buf, sizeof(here));
	*rig->seen = here.bytes[*rig->seen % 16];
	*rig->seen = buf->bytes[62];
	/* Somebody has written it since, seen or not. */
	buf->bytes[100] = 1;
	bzero(buf->bytes + 104, 16);
	*rig->seen = buf->bytes[100];
	*rig->seen = buf->bytes[104];
	kfree(buf);
	/* What was zero before is the CPU's own. */
	buf = kzalloc(sizeof(*buf), GFP_KERNEL);
	addr = dma_map_single(rig->dev, buf, SIZE, DMA_FROM_DEVICE);
	if (dma_mapping_error(rig->dev, addr))
		return;
	rig->device_writes(addr, 60);
	dma_unmap_single(rig->dev, addr, SIZE, DMA_FROM_DEVICE);
	*rig->seen = buf->bytes[200];
	kfree(buf);
}

/* What a device leaves out keeps its bytes, as long as nobody says that it leaves out nothing. */
static void legal_answers_again(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kmalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr;

	(void)is_mended;
	for (unsigned int i = 0; i < 2; i++) {
		addr = dma_map_single(rig->dev, buf, SIZE, DMA_FROM_DEVICE);
		if (dma_mapping_error(rig->dev, addr))
			return;
		rig->device_writes(addr, i ? 64 : SIZE);
		dma_unmap_single(rig->dev, addr, SIZE, DMA_FROM_DEVICE);
	}
	*rig->seen = buf[128];
	/* It does overwrite all of a part; what is around that, in its words and lines, is the driver's own. */
	addr = dma_map_single_attrs(rig->dev, buf + 68, 60, DMA_FROM_DEVICE, BERTH_ATTR_OVERWRITE);
	if (dma_mapping_error(rig->dev, addr))
		return;
	rig->device_writes(addr, 60);
	dma_unmap_single(rig->dev, addr, 60, DMA_FROM_DEVICE);
	for (unsigned int i = 0; i < SIZE; i++)
		*rig->seen = buf[i];
	addr = dma_map_single(rig->dev, buf, SIZE, DMA_TO_DEVICE);
	if (dma_mapping_error(rig->dev, addr))
		return;
	rig->device_reads(addr, SIZE);
	dma_unmap_single(rig->dev, addr, SIZE, DMA_TO_DEVICE);
	kfree(buf);
}

#define MISTAKE_FILLED(name, bug_class) MISTAKE_ON(name, bug_class, ON_FILLED, 0)

const struct mistake corpus_bytes[] = {
	MISTAKE_FILLED(fields_left_out, 28),
	MISTAKE_FILLED(length_too_long, 28),
	MISTAKE_FILLED(more_than_came, 29),
	MISTAKE_FILLED(more_than_came_yet, 29),
	MISTAKE_FILLED(answer_of_before, 29),
	LEGAL(legal_sends),
	LEGAL(legal_answers),
	LEGAL(legal_answers_again),
	CORPUS_END,
};
