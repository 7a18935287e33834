/* SPDX-License-Identifier: BSD-2-Clause */
/* Channels and who has them. */
#include <berth/errno.h>
#include <berth/port.h>

#include "dmaengine/internal.h"
#include "lib/error.h"
#include "lib/printk.h"
#include "lib/string.h"

/* Public channels for one kind of work at most; there is no use in more than there are CPUs. */
#define MAX_PUBLIC 16

/* What dma_find_channel() reads without a lock. */
static struct table {
	uint32_t nr;
	struct dma_chan *chan[MAX_PUBLIC];
} tables[DMA_TX_TYPE_END];

static uint32_t nr_public_clients; /* of dmaengine_get(); under the lock */
/* Controllers that are gone, of which they still have channels; under the lock. */
static struct list_head gone = { &gone, &gone };
static berth_dma_lookup lookup;

void berth_dmaengine_set_lookup(berth_dma_lookup function)
{
	lookup = function;
}

static void name_client(struct dma_chan *chan, const struct device *dev, const char *name)
{
	if (dev)
		berth_snprintf(chan->client, sizeof(chan->client), "%s %s", dev_name(dev), name);
	else
		berth_strlcpy(chan->client, name, sizeof(chan->client));
}

int berth_dma_chan_get(struct dma_chan *chan)
{
	struct dma_device *device = chan->device;
	int err = 0;

	if (!chan->client_count && device->device_alloc_chan_resources)
		err = device->device_alloc_chan_resources(chan);
	if (err < 0)
		return err;
	chan->client_count++;
	device->refs++;
	return 0;
}

void berth_dma_chan_put(struct dma_chan *chan)
{
	struct dma_device *device = chan->device;

	if (--chan->client_count == 0 && !chan->is_gone) {
		if (device->device_terminate_all)
			device->device_terminate_all(chan);
		if (device->device_synchronize)
			device->device_synchronize(chan);
		if (device->device_free_chan_resources)
			device->device_free_chan_resources(chan);
		if (chan->is_polled)
			device->device_set_polled(chan, false);
	}
	berth_dma_device_put(device);
}

/* From the first to the last of them a controller with such clients has no public channels. */
static void make_private(struct dma_device *device, bool more)
{
	dma_cap_mask_t mask = device->cap_mask;

	device->privatecnt = more ? device->privatecnt + 1 : device->privatecnt - 1;
	if (device->privatecnt)
		dma_cap_set(DMA_PRIVATE, mask);
	else
		dma_cap_clear(DMA_PRIVATE, mask);
	/* Clients of other channels ask without the lock. */
	__atomic_store_n(&device->cap_mask.bits, mask.bits, __ATOMIC_RELAXED);
}

int berth_dma_chan_take(struct dma_chan *chan)
{
	int err;

	if (chan->client_count) {
		berth_dma_fail(chan, -EBUSY, BERTH_REASON_CHANNEL_BUSY, chan->client, 0, 0, 0);
		return -EBUSY;
	}
	if (chan->is_gone)
		return berth_fail(-ENODEV, BERTH_REASON_STATE, chan->name);
	make_private(chan->device, true);
	err = berth_dma_chan_get(chan);
	if (err)
		make_private(chan->device, false);
	else
		name_client(chan, NULL, "somebody");
	berth_dma_rebalance();
	return err;
}

struct dma_chan *dma_get_slave_channel(struct dma_chan *chan)
{
	int err;

	mutex_lock(&berth_dma_list_lock);
	err = berth_dma_chan_take(chan);
	mutex_unlock(&berth_dma_list_lock);
	return err ? NULL : chan;
}

static bool has_caps(const struct dma_device *device, const dma_cap_mask_t *mask)
{
	return (device->cap_mask.bits & mask->bits) == mask->bits;
}

/* A controller some of whose channels are in public use keeps the others public, too. */
static bool is_shared(const struct dma_device *device)
{
	struct dma_chan *chan;

	if (dma_has_cap(DMA_PRIVATE, device->cap_mask))
		return false;
	list_for_each_entry(chan, &device->channels, struct dma_chan, device_node)
		if (chan->client_count)
			return true;
	return false;
}

/* One of a controller that is free, suits, and could be taken. With the lock. */
static struct dma_chan *take_one(struct dma_device *device, const dma_cap_mask_t *mask,
				 dma_filter_fn fn, void *fn_param)
{
	struct dma_chan *chan;

	if ((mask && !has_caps(device, mask)) || is_shared(device))
		return NULL;
	list_for_each_entry(chan, &device->channels, struct dma_chan, device_node)
		if (!chan->client_count && (!fn || fn(chan, fn_param)) &&
		    !berth_dma_chan_take(chan))
			return chan;
	return NULL;
}

struct dma_chan *dma_get_any_slave_channel(struct dma_device *device)
{
	dma_cap_mask_t mask;
	struct dma_chan *chan;

	dma_cap_zero(mask);
	dma_cap_set(DMA_SLAVE, mask);
	mutex_lock(&berth_dma_list_lock);
	chan = take_one(device, &mask, NULL, NULL);
	mutex_unlock(&berth_dma_list_lock);
	return chan;
}

static const char *const kinds[DMA_TX_TYPE_END] = {
	"memcpy",  "xor",   "pq",    "xor_val", "pq_val",     "memset",	  "memset_sg", "interrupt",
	"private", "async", "slave", "cyclic",	"interleave", "no order", "repeat",    "load_eot",
};

/* "memcpy memset": what was asked for and is not there. */
static void fail_kinds(int code, const dma_cap_mask_t *mask)
{
	struct berth_error *error = berth_error_set(code, BERTH_REASON_NO_CHANNEL, "any device");
	size_t at = 0;

	for (unsigned int i = 0; i < DMA_TX_TYPE_END; i++)
		if (mask->bits >> i & 1 && at < sizeof(error->holder))
			at += (size_t)berth_snprintf(error->holder + at, sizeof(error->holder) - at,
						     "%s%s", at ? " " : "", kinds[i]);
}

struct dma_chan *__dma_request_channel(const dma_cap_mask_t *mask, dma_filter_fn fn, void *fn_param,
				       struct device_node *np)
{
	struct dma_chan *chan = NULL;
	struct dma_device *device;

	mutex_lock(&berth_dma_list_lock);
	list_for_each_entry(device, &berth_dma_devices, struct dma_device, global_node) {
		if (np && device->dev->of_node && device->dev->of_node != np)
			continue;
		chan = take_one(device, mask, fn, fn_param);
		if (chan)
			break;
	}
	mutex_unlock(&berth_dma_list_lock);
	if (!chan)
		fail_kinds(-ENODEV, mask);
	return chan;
}

struct dma_chan *dma_request_chan_by_mask(const dma_cap_mask_t *mask)
{
	struct dma_chan *chan;
	bool is_empty;

	if (!mask) {
		berth_fail(-ENODEV, BERTH_REASON_ARGUMENT, "dma_request_chan_by_mask");
		return ERR_PTR(-ENODEV);
	}
	chan = __dma_request_channel(mask, NULL, NULL, NULL);
	if (chan)
		return chan;
	mutex_lock(&berth_dma_list_lock);
	is_empty = list_empty(&berth_dma_devices);
	mutex_unlock(&berth_dma_list_lock);
	return ERR_PTR(is_empty ? -EPROBE_DEFER : -ENODEV);
}

static const struct dma_slave_map *find_map(const struct dma_device *device,
					    const struct device *dev, const char *name)
{
	for (int i = 0; i < device->filter.mapcnt; i++) {
		const struct dma_slave_map *map = &device->filter.map[i];

		if (!berth_strcmp(map->devname, dev_name(dev)) && !berth_strcmp(map->slave, name))
			return map;
	}
	return NULL;
}

/* As controllers' own tables say; NULL if none does. With the lock. */
static struct dma_chan *by_table(struct device *dev, const char *name)
{
	struct dma_device *device;

	list_for_each_entry(device, &berth_dma_devices, struct dma_device, global_node) {
		const struct dma_slave_map *map = find_map(device, dev, name);
		dma_cap_mask_t mask;
		struct dma_chan *chan;

		dma_cap_zero(mask);
		dma_cap_set(DMA_SLAVE, mask);
		chan = map ? take_one(device, &mask, device->filter.fn, map->param) : NULL;
		if (chan)
			return chan;
	}
	return NULL;
}

static struct dma_chan *no_channel(int code, const struct device *dev, const char *name)
{
	struct berth_error *error = berth_error_set(code, BERTH_REASON_NO_CHANNEL, dev_name(dev));

	berth_strlcpy(error->holder, name, sizeof(error->holder));
	return ERR_PTR(code);
}

struct dma_chan *dma_request_chan(struct device *dev, const char *name)
{
	struct dma_chan *chan = dev->of_node && lookup ? lookup(dev, name) : NULL;
	struct dma_chan *taken;

	if (IS_ERR(chan) && PTR_ERR(chan) == -EPROBE_DEFER)
		return chan;
	mutex_lock(&berth_dma_list_lock);
	taken = IS_ERR_OR_NULL(chan) ? by_table(dev, name) : chan;
	if (taken) {
		name_client(taken, dev, name);
		taken->slave = dev;
	}
	mutex_unlock(&berth_dma_list_lock);
	if (taken)
		return taken;
	return chan ? chan : no_channel(-EPROBE_DEFER, dev, name);
}

void dma_release_channel(struct dma_chan *chan)
{
	struct dma_device *device = chan->device;

	mutex_lock(&berth_dma_list_lock);
	if (!chan->client_count || chan->is_public) {
		mutex_unlock(&berth_dma_list_lock);
		berth_fail(-EINVAL, BERTH_REASON_NOT_OWNED, chan->name);
		return;
	}
	chan->slave = NULL;
	make_private(device, false);
	berth_dma_chan_put(chan);
	berth_dma_rebalance();
	mutex_unlock(&berth_dma_list_lock);
}

/* Public channels. */

void berth_dma_rebalance(void)
{
	static struct table fresh[DMA_TX_TYPE_END];
	struct dma_device *device;
	struct dma_chan *chan;

	memset(fresh, 0, sizeof(fresh));
	list_for_each_entry(device, &berth_dma_devices, struct dma_device, global_node) {
		list_for_each_entry(chan, &device->channels, struct dma_chan, device_node) {
			chan->table_count = 0;
			if (!chan->client_count || dma_has_cap(DMA_PRIVATE, device->cap_mask))
				continue;
			for (unsigned int i = 0; i < DMA_TX_TYPE_END; i++) {
				if (!(device->cap_mask.bits >> i & 1) || fresh[i].nr == MAX_PUBLIC)
					continue;
				fresh[i].chan[fresh[i].nr++] = chan;
				chan->table_count++;
			}
		}
	}
	for (unsigned int i = 0; i < DMA_TX_TYPE_END; i++) {
		/* Whoever reads an old number finds a channel, or NULL, in each place. */
		for (unsigned int j = 0; j < MAX_PUBLIC; j++)
			__atomic_store_n(&tables[i].chan[j], fresh[i].chan[j], __ATOMIC_RELEASE);
		__atomic_store_n(&tables[i].nr, fresh[i].nr, __ATOMIC_RELEASE);
	}
}

void berth_dma_publish(struct dma_device *device)
{
	struct dma_chan *chan;

	if (!nr_public_clients || dma_has_cap(DMA_PRIVATE, device->cap_mask))
		return;
	list_for_each_entry(chan, &device->channels, struct dma_chan, device_node) {
		if (!chan->client_count && !berth_dma_chan_get(chan)) {
			chan->is_public = true;
			device->nr_public++;
			name_client(chan, NULL, "everybody");
		}
	}
}

void berth_dma_withdraw(struct dma_chan *chan)
{
	if (!chan->is_public)
		return;
	chan->is_public = false;
	chan->device->nr_public--;
	berth_dma_chan_put(chan);
}

void berth_dma_leave(struct dma_device *device)
{
	if (device->nr_public)
		list_add_tail(&device->global_node, &gone);
}

/* Its driver may have taken the channels out of its list, so it is only counted. */
static void withdraw_gone(void)
{
	while (!list_empty(&gone)) {
		struct dma_device *device = list_first_entry(&gone, struct dma_device, global_node);

		list_del(&device->global_node);
		device->refs -= device->nr_public - 1;
		berth_dma_device_put(device);
	}
}

void dmaengine_get(void)
{
	struct dma_device *device;

	mutex_lock(&berth_dma_list_lock);
	if (nr_public_clients++ == 0) {
		list_for_each_entry(device, &berth_dma_devices, struct dma_device, global_node)
			berth_dma_publish(device);
		berth_dma_rebalance();
	}
	mutex_unlock(&berth_dma_list_lock);
}

void dmaengine_put(void)
{
	struct dma_device *device;
	struct dma_chan *chan;

	mutex_lock(&berth_dma_list_lock);
	if (nr_public_clients && --nr_public_clients == 0) {
		list_for_each_entry(device, &berth_dma_devices, struct dma_device, global_node)
			list_for_each_entry(chan, &device->channels, struct dma_chan, device_node)
				berth_dma_withdraw(chan);
		berth_dma_rebalance();
		withdraw_gone();
	}
	mutex_unlock(&berth_dma_list_lock);
}

struct dma_chan *dma_find_channel(enum dma_transaction_type tx_type)
{
	const struct table *table = &tables[tx_type];
	uint32_t nr = __atomic_load_n(&table->nr, __ATOMIC_ACQUIRE);
	struct dma_chan *chan;

	if (!nr)
		return NULL;
	chan = __atomic_load_n(&table->chan[berth_port_slot() % nr], __ATOMIC_ACQUIRE);
	/* There are fewer by now; if there are any, the first place is not empty. */
	return chan ? chan : __atomic_load_n(&table->chan[0], __ATOMIC_ACQUIRE);
}

void dma_issue_pending_all(void)
{
	for (unsigned int i = 0; i < DMA_TX_TYPE_END; i++) {
		uint32_t nr = __atomic_load_n(&tables[i].nr, __ATOMIC_ACQUIRE);

		for (uint32_t j = 0; j < nr; j++) {
			struct dma_chan *chan =
				__atomic_load_n(&tables[i].chan[j], __ATOMIC_ACQUIRE);

			if (chan)
				dma_async_issue_pending(chan);
		}
	}
}

void berth_dma_public_reset(void)
{
	nr_public_clients = 0;
	withdraw_gone();
	memset(tables, 0, sizeof(tables));
}
