/* SPDX-License-Identifier: BSD-2-Clause */
/* Controllers: they come with what they claim, and go with clients or without. */
#include <berth/errno.h>

#include "dmaengine/internal.h"
#include "lib/error.h"
#include "lib/printk.h"
#include "lib/string.h"

DEFINE_MUTEX(berth_dma_list_lock);
struct list_head berth_dma_devices = { &berth_dma_devices, &berth_dma_devices };

static int refuse(const struct dma_device *device, const char *what)
{
	struct berth_error *error =
		berth_error_set(-EIO, BERTH_REASON_CAPABILITY, dev_name(device->dev));

	berth_strlcpy(error->holder, what, sizeof(error->holder));
	return -EIO;
}

/* A capability without its call is not one. */
static int check(const struct dma_device *d)
{
	const struct {
		enum dma_transaction_type type;
		bool is_there;
		const char *what;
	} calls[] = {
		{ DMA_MEMCPY, d->device_prep_dma_memcpy, "memcpy" },
		{ DMA_XOR, d->device_prep_dma_xor, "xor" },
		{ DMA_XOR_VAL, d->device_prep_dma_xor_val, "xor_val" },
		{ DMA_PQ, d->device_prep_dma_pq, "pq" },
		{ DMA_MEMSET, d->device_prep_dma_memset, "memset" },
		{ DMA_INTERRUPT, d->device_prep_dma_interrupt, "interrupt" },
		{ DMA_CYCLIC, d->device_prep_dma_cyclic, "cyclic" },
		{ DMA_INTERLEAVE, d->device_prep_interleaved_dma, "interleaved" },
		{ DMA_SLAVE, d->device_config, "slave_config" },
		{ DMA_PQ_VAL, false, "pq_val" },
		{ DMA_MEMSET_SG, false, "memset_sg" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (dma_has_cap(calls[i].type, d->cap_mask) && !calls[i].is_there)
			return refuse(d, calls[i].what);
	if (!d->device_tx_status)
		return refuse(d, "tx_status");
	if (!d->device_issue_pending)
		return refuse(d, "issue_pending");
	return 0;
}

/* The smallest number that no other controller has. With the lock. */
static int free_number(void)
{
	struct dma_device *other;
	int number = 0;
	bool is_taken;

	do {
		is_taken = false;
		list_for_each_entry(other, &berth_dma_devices, struct dma_device, global_node)
			is_taken |= other->dev_id == number;
	} while (is_taken && ++number);
	return number;
}

static void name_channel(struct dma_device *device, struct dma_chan *chan, int number)
{
	chan->device = device;
	chan->chan_id = number;
	chan->client_count = 0;
	chan->table_count = 0;
	chan->slave = NULL;
	chan->is_public = false;
	__atomic_store_n(&chan->is_gone, false, __ATOMIC_RELAXED);
	chan->client[0] = '\0';
	berth_snprintf(chan->name, sizeof(chan->name), "dma%dchan%d", device->dev_id, number);
}

int dma_async_device_register(struct dma_device *device)
{
	struct dma_chan *chan;
	int err, number = 0;

	if (!device || !device->dev) {
		berth_fail(-ENODEV, BERTH_REASON_ARGUMENT, "dma_async_device_register");
		return -ENODEV;
	}
	err = check(device);
	if (err)
		return err;
	mutex_lock(&berth_dma_list_lock);
	device->dev_id = free_number();
	device->refs = 1;
	device->nr_public = 0;
	device->privatecnt = dma_has_cap(DMA_PRIVATE, device->cap_mask) ? 1 : 0;
	list_for_each_entry(chan, &device->channels, struct dma_chan, device_node)
		name_channel(device, chan, number++);
	list_add_tail(&device->global_node, &berth_dma_devices);
	berth_dma_publish(device);
	berth_dma_rebalance();
	mutex_unlock(&berth_dma_list_lock);
	return 0;
}

void berth_dma_device_put(struct dma_device *device)
{
	if (--device->refs == 0 && device->device_release)
		device->device_release(device);
}

/* A channel that goes, perhaps while it still has clients. With the lock. */
static void abandon(struct dma_device *device, struct dma_chan *chan)
{
	if (!chan->client_count)
		return;
	if (!chan->is_public)
		dev_warn(device->dev, "goes while %s still has %s\n", chan->client, chan->name);
	if (device->device_terminate_all)
		device->device_terminate_all(chan);
	if (device->device_synchronize)
		device->device_synchronize(chan);
	if (device->device_free_chan_resources)
		device->device_free_chan_resources(chan);
}

/* Neither calls nor polls are handed to the driver any more. */
static void begin_to_go(struct dma_chan *chan)
{
	__atomic_store_n(&chan->is_gone, true, __ATOMIC_SEQ_CST);
	__atomic_store_n(&chan->is_polled, false, __ATOMIC_RELAXED);
}

void dma_async_device_unregister(struct dma_device *device)
{
	struct dma_chan *chan;

	mutex_lock(&berth_dma_list_lock);
	list_del(&device->global_node);
	berth_dma_rebalance();
	/* Nobody begins anything while what is there is cleared away. */
	list_for_each_entry(chan, &device->channels, struct dma_chan, device_node)
		begin_to_go(chan);
	list_for_each_entry(chan, &device->channels, struct dma_chan, device_node)
		abandon(device, chan);
	berth_dma_leave(device);
	berth_dma_device_put(device);
	mutex_unlock(&berth_dma_list_lock);
}

int dma_async_device_channel_register(struct dma_device *device, struct dma_chan *chan)
{
	struct dma_chan *other;
	int number = 0;

	mutex_lock(&berth_dma_list_lock);
	list_for_each_entry(other, &device->channels, struct dma_chan, device_node)
		if (other != chan && other->chan_id >= number)
			number = other->chan_id + 1;
	name_channel(device, chan, number);
	berth_dma_publish(device);
	berth_dma_rebalance();
	mutex_unlock(&berth_dma_list_lock);
	return 0;
}

void dma_async_device_channel_unregister(struct dma_device *device, struct dma_chan *chan)
{
	mutex_lock(&berth_dma_list_lock);
	begin_to_go(chan);
	abandon(device, chan);
	list_del(&chan->device_node);
	berth_dma_rebalance();
	berth_dma_withdraw(chan);
	mutex_unlock(&berth_dma_list_lock);
}

unsigned int berth_dma_chan_list(struct berth_dma_chan_info *info, unsigned int max)
{
	struct dma_device *device;
	struct dma_chan *chan;
	unsigned int nr = 0;

	mutex_lock(&berth_dma_list_lock);
	list_for_each_entry(device, &berth_dma_devices, struct dma_device, global_node) {
		list_for_each_entry(chan, &device->channels, struct dma_chan, device_node) {
			struct berth_dma_chan_info *at;

			if (nr++ >= max)
				continue;
			at = &info[nr - 1];
			berth_strlcpy(at->name, chan->name, sizeof(at->name));
			berth_strlcpy(at->device, dev_name(device->dev), sizeof(at->device));
			berth_strlcpy(at->client, chan->client_count ? chan->client : "",
				      sizeof(at->client));
			at->caps = device->cap_mask;
			at->is_private = device->privatecnt != 0;
		}
	}
	mutex_unlock(&berth_dma_list_lock);
	return nr;
}

void berth_dmaengine_stop(void)
{
	while (!list_empty(&berth_dma_devices))
		dma_async_device_unregister(
			list_first_entry(&berth_dma_devices, struct dma_device, global_node));
	berth_dma_unmap_stop();
	berth_dma_public_reset();
}
