// SPDX-License-Identifier: BSD-2-Clause
/* Driver of the Realtek RTL8139, in its first mode of operation (not C+). */
#include <berth/slab.h>
#include <berth/timer.h>

#include "rtl8139.h"

/* Frames on their way back to their owner. */
struct given_back {
	struct sending sending[BERTH_RTL8139_SENDS];
	unsigned int nr;
};

/* The card forgets everything, and touches no memory any more. */
static int reset(struct nic *nic)
{
	writew(0, nic->regs + IMR);
	writeb(CR_RST, nic->regs + CR);
	for (unsigned int i = 0; i < RESET_TRIES; i++) {
		if (!(readb(nic->regs + CR) & CR_RST))
			return 0;
		udelay(RESET_US);
	}
	return -ETIMEDOUT;
}

static uint32_t tcr(const struct nic *nic)
{
	uint32_t loopback = nic->config.flags & BERTH_RTL8139_LOOPBACK ? TCR_LOOPBACK : 0;

	return TCR_IFG | TCR_MXDMA_1024 | loopback;
}

static uint32_t rcr(const struct nic *nic)
{
	uint32_t value = RCR_APM | RCR_AB | RCR_WRAP | RCR_MXDMA_1024 | RCR_RXFTH_NONE;

	for (unsigned int size = MIN_RING; size < nic->config.ring_bytes; size *= 2)
		value += 1u << RCR_RBLEN_SHIFT;
	if (nic->config.flags & BERTH_RTL8139_PROMISCUOUS)
		value |= RCR_AAP | RCR_AM;
	if (nic->config.flags & BERTH_RTL8139_ALL_MULTICAST)
		value |= RCR_AM;
	return value;
}

/* After a reset, with the lock. The two configurations can be written only when they are in use. */
static void go(struct nic *nic)
{
	nic->ring_at = 0;
	nic->lap++;
	nic->oldest = nic->next = 0;
	writel((uint32_t)nic->ring_dma, nic->regs + RBSTART);
	writel(UINT32_MAX, nic->regs + MAR);
	writel(UINT32_MAX, nic->regs + MAR + 4);
	writeb(CR_RE | CR_TE, nic->regs + CR);
	writel(tcr(nic), nic->regs + TCR);
	writel(rcr(nic), nic->regs + RCR);
	writew((uint16_t)(0 - CAPR_LAG), nic->regs + CAPR);
	writel(0, nic->regs + MPC);
	nic->imr = INT_ALL;
	writew(nic->imr, nic->regs + IMR);
	nic->state = UP;
}

/* With the lock: the oldest frame is the card's no more. */
static void take_back(struct nic *nic, struct given_back *back, int error)
{
	struct sending *sending = &nic->sending[nic->oldest++ % BERTH_RTL8139_SENDS];

	sending->error = error;
	nic->stats.tx_frames += !error;
	nic->stats.tx_bytes += error ? 0 : sending->size;
	nic->stats.tx_errors += error != 0;
	back->sending[back->nr++] = *sending;
}

static void take_all_back(struct nic *nic, struct given_back *back, int error)
{
	while (nic->oldest != nic->next)
		take_back(nic, back, error);
}

/* Without the lock: the owner may send again. */
static void give_back(struct nic *nic, const struct given_back *back)
{
	for (unsigned int i = 0; i < back->nr; i++) {
		const struct sending *sending = &back->sending[i];

		dma_unmap_single(nic->dev, sending->addr, sending->size, DMA_TO_DEVICE);
		if (nic->config.sent)
			nic->config.sent(nic->config.data, sending->frame, sending->error);
	}
}

/* With the lock: frames that are done with. False: one of them never will be. */
static bool reap(struct nic *nic, struct given_back *back)
{
	while (nic->oldest != nic->next) {
		unsigned int n = nic->oldest % BERTH_RTL8139_SENDS;
		uint32_t status = readl(nic->regs + TSD(n));

		if (status & TSD_TABT) {
			nic->stats.tx_aborts++;
			if (nic->sending[n].aborts++ == MAX_ABORTS)
				return false;
			/* It tries the same frame again: the frame is still the card's. */
			writel(tcr(nic) | TCR_CLRABT, nic->regs + TCR);
			return true;
		}
		if (!(status & (TSD_TOK | TSD_TUN)))
			return true;
		take_back(nic, back, status & TSD_TOK ? 0 : -EIO);
	}
	return true;
}

static void count_missed(struct nic *nic)
{
	nic->stats.rx_missed += readl(nic->regs + MPC) & MPC_MASK;
	writel(0, nic->regs + MPC);
}

void berth_rtl8139_recover(struct nic *nic)
{
	struct given_back back = { .nr = 0 };
	unsigned long flags;
	int err;

	spin_lock_irqsave(&nic->lock, flags);
	if (nic->state != UP) {
		spin_unlock_irqrestore(&nic->lock, flags);
		return;
	}
	nic->state = RESETTING;
	nic->imr = 0;
	nic->stats.resets++;
	count_missed(nic);
	spin_unlock_irqrestore(&nic->lock, flags);
	err = reset(nic);
	spin_lock_irqsave(&nic->lock, flags);
	if (err) {
		nic->state = BROKEN;
	} else {
		take_all_back(nic, &back, -EIO);
		go(nic);
	}
	spin_unlock_irqrestore(&nic->lock, flags);
	give_back(nic, &back);
	complete(&nic->news);
}

static bool link_is_up(struct nic *nic)
{
	return !(readb(nic->regs + MSR) & MSR_LINKB);
}

static irqreturn_t rtl8139_irq(int irq, void *data)
{
	struct given_back back = { .nr = 0 };
	struct nic *nic = data;
	unsigned long flags;
	bool is_lost = false;
	uint16_t status;

	(void)irq;
	spin_lock_irqsave(&nic->lock, flags);
	status = nic->state == UP ? readw(nic->regs + ISR) & nic->imr : 0;
	if (!status) {
		spin_unlock_irqrestore(&nic->lock, flags);
		return IRQ_NONE;
	}
	writew((uint16_t)(status & ~INT_RECEIVER), nic->regs + ISR);
	if (status & INT_RECEIVER) {
		/* An overflow stays until there is room again: who receives takes over. */
		nic->imr &= (uint16_t) ~(status & INT_RECEIVER);
		writew(nic->imr, nic->regs + IMR);
		complete(&nic->news);
	}
	nic->stats.rx_overflows += (status & INT_OVERFLOW) != 0;
	nic->stats.rx_errors += (status & INT_RER) != 0;
	if (status & INT_SENDER)
		is_lost = !reap(nic, &back);
	if (status & INT_SERR) {
		nic->stats.bus_errors++;
		is_lost = true;
	}
	spin_unlock_irqrestore(&nic->lock, flags);
	give_back(nic, &back);
	if (is_lost)
		berth_rtl8139_recover(nic);
	if (status & INT_LINK && nic->config.link)
		nic->config.link(nic->config.data, link_is_up(nic));
	return IRQ_HANDLED;
}

int berth_rtl8139_unusable(const struct nic *nic)
{
	if (nic->state == BROKEN)
		return -EIO;
	return nic->is_stopping || nic->state == DOWN || nic->state == CHANGING ? -ENXIO : 0;
}

static int no_room(const struct nic *nic)
{
	int err = berth_rtl8139_unusable(nic);

	if (!err && (nic->state != UP || nic->next - nic->oldest == BERTH_RTL8139_SENDS))
		err = -EBUSY;
	return err;
}

int berth_rtl8139_send(struct device *dev, void *frame, size_t size)
{
	struct nic *nic = dev_get_drvdata(dev);
	struct sending *sending;
	unsigned long flags;
	dma_addr_t addr;
	int err;

	if (!nic)
		return -ENODEV;
	if (size < BERTH_RTL8139_MIN_FRAME || size > BERTH_RTL8139_MAX_FRAME ||
	    (uintptr_t)frame % 4)
		return -EINVAL;
	spin_lock_irqsave(&nic->lock, flags);
	err = no_room(nic);
	spin_unlock_irqrestore(&nic->lock, flags);
	if (err)
		return err;
	/* Mapping may copy: not with the lock. */
	addr = dma_map_single(dev, frame, size, DMA_TO_DEVICE);
	if (dma_mapping_error(dev, addr))
		return -ENOMEM;
	spin_lock_irqsave(&nic->lock, flags);
	err = no_room(nic);
	if (!err) {
		unsigned int n = nic->next++ % BERTH_RTL8139_SENDS;

		sending = &nic->sending[n];
		*sending = (struct sending){ .frame = frame,
					     .addr = addr,
					     .size = (unsigned int)size };
		writel_relaxed((uint32_t)addr, nic->regs + TSAD(n));
		writel(TSD_THRESHOLD | (uint32_t)size, nic->regs + TSD(n));
	}
	spin_unlock_irqrestore(&nic->lock, flags);
	if (err)
		dma_unmap_single(dev, addr, size, DMA_TO_DEVICE);
	return err;
}

static bool is_legal(const struct berth_rtl8139_config *config)
{
	return !(config->flags & ~ALL_FLAGS) && config->ring_bytes >= MIN_RING &&
	       config->ring_bytes <= WRAPPING_RING &&
	       !(config->ring_bytes & (config->ring_bytes - 1));
}

/* From one state to CHANGING: whoever did it is alone. */
static bool change(struct nic *nic, enum state from)
{
	unsigned long flags;
	bool is_mine;

	spin_lock_irqsave(&nic->lock, flags);
	is_mine = nic->state == from;
	if (is_mine)
		nic->state = CHANGING;
	spin_unlock_irqrestore(&nic->lock, flags);
	return is_mine;
}

int berth_rtl8139_start(struct device *dev, const struct berth_rtl8139_config *config)
{
	struct berth_rtl8139_config copy = *config;
	struct nic *nic = dev_get_drvdata(dev);
	unsigned long flags;
	int err;

	if (!nic)
		return -ENODEV;
	if (!copy.ring_bytes)
		copy.ring_bytes = DEFAULT_RING;
	if (!is_legal(&copy))
		return -EINVAL;
	if (!change(nic, DOWN))
		return -EBUSY;
	nic->config = copy;
	reinit_completion(&nic->news);
	reinit_completion(&nic->left);
	err = berth_rtl8139_allocate_ring(nic);
	if (!err) {
		err = reset(nic);
		if (err)
			berth_rtl8139_free_ring(nic);
	}
	spin_lock_irqsave(&nic->lock, flags);
	if (err)
		nic->state = DOWN;
	else
		go(nic);
	spin_unlock_irqrestore(&nic->lock, flags);
	return err;
}

/* No more senders, and no one who receives. The handler is kept away: the state is a lasting one. */
static int close(struct nic *nic)
{
	unsigned long flags;
	bool must_wait;
	int err = 0;

	spin_lock_irqsave(&nic->lock, flags);
	if (nic->state == DOWN)
		err = -ENXIO;
	else if (nic->state == CHANGING || nic->is_stopping)
		err = -EBUSY;
	else
		nic->is_stopping = true;
	must_wait = !err && nic->is_receiving;
	spin_unlock_irqrestore(&nic->lock, flags);
	if (err)
		return err;
	complete_all(&nic->news);
	if (must_wait)
		wait_for_completion(&nic->left);
	return 0;
}

int berth_rtl8139_stop(struct device *dev)
{
	struct nic *nic = dev_get_drvdata(dev);
	struct given_back back = { .nr = 0 };
	unsigned long flags;
	int err;

	if (!nic)
		return -ENODEV;
	disable_irq(nic->irq);
	err = close(nic);
	if (err)
		goto out;
	spin_lock_irqsave(&nic->lock, flags);
	if (nic->state == UP) {
		count_missed(nic);
		reap(nic, &back);
	}
	nic->state = CHANGING;
	spin_unlock_irqrestore(&nic->lock, flags);
	err = reset(nic);
	spin_lock_irqsave(&nic->lock, flags);
	if (!err)
		take_all_back(nic, &back, -ENXIO);
	spin_unlock_irqrestore(&nic->lock, flags);
	give_back(nic, &back);
	if (!err)
		berth_rtl8139_free_ring(nic);
	spin_lock_irqsave(&nic->lock, flags);
	nic->state = err ? BROKEN : DOWN;
	nic->is_stopping = false;
	spin_unlock_irqrestore(&nic->lock, flags);
out:
	enable_irq(nic->irq);
	return err;
}

int berth_rtl8139_mac(struct device *dev, uint8_t mac[6])
{
	struct nic *nic = dev_get_drvdata(dev);

	if (!nic)
		return -ENODEV;
	for (unsigned int i = 0; i < 6; i++)
		mac[i] = readb(nic->regs + IDR + i);
	return 0;
}

bool berth_rtl8139_has_link(struct device *dev)
{
	struct nic *nic = dev_get_drvdata(dev);

	return nic && link_is_up(nic);
}

int berth_rtl8139_stats(struct device *dev, struct berth_rtl8139_stats *stats)
{
	struct nic *nic = dev_get_drvdata(dev);
	unsigned long flags;

	if (!nic)
		return -ENODEV;
	spin_lock_irqsave(&nic->lock, flags);
	if (nic->state == UP)
		count_missed(nic);
	*stats = nic->stats;
	spin_unlock_irqrestore(&nic->lock, flags);
	return 0;
}

int berth_rtl8139_attach(struct device *dev, char __iomem *regs, unsigned int irq)
{
	struct nic *nic = devm_kzalloc(dev, sizeof(*nic), GFP_KERNEL);
	int err;

	if (!nic)
		return -ENOMEM;
	nic->dev = dev;
	nic->regs = regs;
	nic->irq = irq;
	nic->state = DOWN;
	spin_lock_init(&nic->lock);
	init_completion(&nic->news);
	init_completion(&nic->left);
	err = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(32));
	if (!err)
		err = reset(nic);
	if (!err)
		err = request_irq(irq, rtl8139_irq, IRQF_SHARED, dev_name(dev), nic);
	if (!err)
		dev_set_drvdata(dev, nic);
	return err;
}

void berth_rtl8139_detach(struct device *dev)
{
	struct nic *nic = dev_get_drvdata(dev);

	if (berth_rtl8139_stop(dev) == -ETIMEDOUT)
		dev_err(dev, "does not stop: its memory is lost\n");
	free_irq(nic->irq, nic);
	dev_set_drvdata(dev, NULL);
}
