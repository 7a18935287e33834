// SPDX-License-Identifier: BSD-2-Clause
/* The receive ring of the RTL8139, and how frames get out of it. */
#include "rtl8139.h"

/* Bytes of the ring. In the largest one they go on at its start, in others beyond its end. */
static void copy_out(struct nic *nic, unsigned int at, uint8_t *to, size_t size)
{
	bool wraps = nic->config.ring_bytes == WRAPPING_RING;

	while (size) {
		size_t piece = size;

		if (wraps) {
			at %= WRAPPING_RING;
			piece = size < WRAPPING_RING - at ? size : WRAPPING_RING - at;
		}
		dma_sync_single_range_for_cpu(nic->dev, nic->ring_dma, at, piece, DMA_FROM_DEVICE);
		__builtin_memcpy(to, nic->ring + at, piece);
		to += piece;
		size -= piece;
		at += (unsigned int)piece;
	}
}

/* Where the next frame lies; false: there is none. */
static bool find_frame(struct nic *nic, unsigned int *at, unsigned int *lap)
{
	unsigned long flags;
	bool is_there = false;

	spin_lock_irqsave(&nic->lock, flags);
	if (nic->state == UP) {
		is_there = !(readb(nic->regs + CR) & CR_BUFE);
		if (!is_there) {
			/* What was said until here is answered; a frame that comes now is seen. */
			writew(INT_RECEIVER, nic->regs + ISR);
			is_there = !(readb(nic->regs + CR) & CR_BUFE);
		}
	}
	*at = nic->ring_at;
	*lap = nic->lap;
	spin_unlock_irqrestore(&nic->lock, flags);
	return is_there;
}

/* The card gets the room of a frame back. False: it was reset, what was read may be anything. */
static bool give_room(struct nic *nic, unsigned int lap, unsigned int length, bool is_long)
{
	unsigned long flags;
	bool is_right;

	spin_lock_irqsave(&nic->lock, flags);
	is_right = nic->state == UP && nic->lap == lap;
	if (is_right) {
		nic->ring_at = (nic->ring_at + HEADER + length + 3) & ~3u;
		nic->ring_at &= nic->config.ring_bytes - 1;
		/* The reads of the ring come before this. */
		mb();
		writew((uint16_t)(nic->ring_at - CAPR_LAG), nic->regs + CAPR);
		nic->stats.rx_errors += is_long;
		nic->stats.rx_frames += !is_long;
		nic->stats.rx_bytes += is_long ? 0 : length - CHECKSUM;
	}
	spin_unlock_irqrestore(&nic->lock, flags);
	return is_right;
}

/* The bytes of a frame; 0: there is none; -EAGAIN: look again. */
static int take_frame(struct nic *nic, uint8_t *buffer)
{
	unsigned int at, lap, length;
	uint8_t header[HEADER];
	bool is_long;

	if (!find_frame(nic, &at, &lap))
		return 0;
	copy_out(nic, at, header, sizeof(header));
	length = header[2] | (unsigned int)header[3] << 8;
	if (!(header[0] & HEADER_ROK) || length < BERTH_RTL8139_MIN_FRAME + CHECKSUM ||
	    length > LONGEST) {
		/* Nothing says where the next frame begins. */
		berth_rtl8139_recover(nic);
		return -EAGAIN;
	}
	is_long = length > BERTH_RTL8139_MAX_FRAME + CHECKSUM;
	if (!is_long)
		copy_out(nic, at + HEADER, buffer, length - CHECKSUM);
	if (!give_room(nic, lap, length, is_long) || is_long)
		return -EAGAIN;
	return (int)(length - CHECKSUM);
}

static int begin_to_receive(struct nic *nic)
{
	unsigned long flags;
	int err;

	spin_lock_irqsave(&nic->lock, flags);
	err = berth_rtl8139_unusable(nic);
	if (!err && nic->is_receiving)
		err = -EBUSY;
	if (!err)
		nic->is_receiving = true;
	spin_unlock_irqrestore(&nic->lock, flags);
	return err;
}

static void end_receiving(struct nic *nic)
{
	unsigned long flags;

	spin_lock_irqsave(&nic->lock, flags);
	nic->is_receiving = false;
	if (nic->is_stopping)
		complete(&nic->left);
	spin_unlock_irqrestore(&nic->lock, flags);
}

/* Have the next frame say so. */
static int expect_frame(struct nic *nic)
{
	unsigned long flags;
	int err;

	spin_lock_irqsave(&nic->lock, flags);
	err = berth_rtl8139_unusable(nic);
	if (!err && nic->state == UP) {
		nic->imr |= INT_RECEIVER;
		writew(nic->imr, nic->regs + IMR);
	}
	spin_unlock_irqrestore(&nic->lock, flags);
	return err;
}

int berth_rtl8139_receive(struct device *dev, void *buffer, size_t size, unsigned long timeout)
{
	struct nic *nic = dev_get_drvdata(dev);
	int ret;

	if (!nic)
		return -ENODEV;
	if (!buffer || size < BERTH_RTL8139_MAX_FRAME)
		return -EINVAL;
	ret = begin_to_receive(nic);
	if (ret)
		return ret;
	for (;;) {
		ret = take_frame(nic, buffer);
		if (ret > 0)
			break;
		if (ret == -EAGAIN)
			continue;
		ret = expect_frame(nic);
		if (ret)
			break;
		timeout = wait_for_completion_timeout(&nic->news, timeout);
		if (!timeout) {
			ret = -ETIMEDOUT;
			break;
		}
	}
	end_receiving(nic);
	return ret;
}

void berth_rtl8139_free_ring(struct nic *nic)
{
	unsigned int wrap = nic->config.ring_bytes == WRAPPING_RING ? 0 : LONGEST;

	dma_free_pages(nic->dev, nic->config.ring_bytes + CAPR_LAG + wrap, nic->ring_page,
		       nic->ring_dma, DMA_FROM_DEVICE);
	nic->ring_page = NULL;
}

/* The last frame may go beyond the end, but in the largest ring. */
int berth_rtl8139_allocate_ring(struct nic *nic)
{
	unsigned int wrap = nic->config.ring_bytes == WRAPPING_RING ? 0 : LONGEST;
	size_t size = nic->config.ring_bytes + CAPR_LAG + wrap;

	nic->ring_page =
		dma_alloc_pages(nic->dev, size, &nic->ring_dma, DMA_FROM_DEVICE, GFP_KERNEL);
	if (!nic->ring_page)
		return -ENOMEM;
	nic->ring = page_address(nic->ring_page);
	/* The zeroes of the allocation are in the cache; nobody else of the CPU's writes here. */
	dma_sync_single_for_device(nic->dev, nic->ring_dma, size, DMA_FROM_DEVICE);
	return 0;
}
