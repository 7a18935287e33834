/* SPDX-License-Identifier: BSD-2-Clause */
/* DMA channels by device tree: "dmas" and "dma-names". */
#include <berth/dmaengine-driver.h>
#include <berth/errno.h>
#include <berth/mutex.h>
#include <berth/slab.h>

#include "board/board.h"
#include "dmaengine/internal.h"
#include "lib/error.h"
#include "lib/string.h"

struct controller {
	struct of_dma of_dma;
	struct controller *next;
};

/* Guards the list. Held while a driver translates; inside it the lock of the controllers. */
static DEFINE_MUTEX(of_dma_lock);
static struct controller *controllers;

int of_dma_controller_register(struct device_node *np,
			       struct dma_chan *(*of_dma_xlate)(struct of_phandle_args *dma_spec,
								struct of_dma *ofdma),
			       void *data)
{
	struct controller *controller;

	if (!np || !of_dma_xlate)
		return berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, "of_dma_controller_register");
	controller = kzalloc(sizeof(*controller), GFP_KERNEL);
	if (!controller)
		return -ENOMEM;
	controller->of_dma = (struct of_dma){ np, of_dma_xlate, data };
	mutex_lock(&of_dma_lock);
	controller->next = controllers;
	controllers = controller;
	mutex_unlock(&of_dma_lock);
	return 0;
}

void of_dma_controller_free(struct device_node *np)
{
	struct controller *controller = NULL;

	mutex_lock(&of_dma_lock);
	for (struct controller **at = &controllers; *at; at = &(*at)->next) {
		if ((*at)->of_dma.of_node == np) {
			controller = *at;
			*at = controller->next;
			break;
		}
	}
	mutex_unlock(&of_dma_lock);
	kfree(controller);
}

struct dma_chan *of_dma_xlate_by_chan_id(struct of_phandle_args *dma_spec, struct of_dma *ofdma)
{
	struct dma_device *device = ofdma->of_dma_data;
	struct dma_chan *chan;

	if (!device || dma_spec->args_count != 1)
		return NULL;
	list_for_each_entry(chan, &device->channels, struct dma_chan, device_node)
		if (chan->chan_id >= 0 && (uint32_t)chan->chan_id == dma_spec->args[0])
			return dma_get_slave_channel(chan);
	return NULL;
}

/* The channel of one entry; -EPROBE_DEFER: its controller is not there. */
static struct dma_chan *translate(struct of_phandle_args *spec)
{
	struct dma_chan *chan = ERR_PTR(-EPROBE_DEFER);

	mutex_lock(&of_dma_lock);
	for (struct controller *c = controllers; c; c = c->next) {
		if (c->of_dma.of_node == spec->np) {
			chan = c->of_dma.of_dma_xlate(spec, &c->of_dma);
			break;
		}
	}
	mutex_unlock(&of_dma_lock);
	return chan;
}

static struct dma_chan *none(int code, const struct device *dev, const char *name)
{
	struct berth_error *error = berth_error_set(code, BERTH_REASON_NO_CHANNEL, dev_name(dev));

	berth_strlcpy(error->holder, name, sizeof(error->holder));
	return ERR_PTR(code);
}

/* The channel of one entry, or an ERR_PTR; -ENODEV: it cannot be had. */
static struct dma_chan *at_entry(const struct device *dev, int index)
{
	struct of_phandle_args spec;
	struct dma_chan *chan;

	if (of_parse_phandle_with_args(dev->of_node, "dmas", "#dma-cells", index, &spec))
		return ERR_PTR(-ENODEV);
	chan = translate(&spec);
	return chan ? chan : ERR_PTR(-ENODEV);
}

/*
 * The first channel of that name that can be had; a tree may give several. Why the last one cannot
 * stays the reason, if it is known. If one may come later, that is the answer.
 */
static struct dma_chan *lookup(struct device *dev, const char *name)
{
	int length, code = -ENODEV;
	const char *other = of_get_property(dev->of_node, "dma-names", &length);
	const char *end = other ? other + length : NULL;
	bool is_told = false;

	for (int i = 0; other < end;
	     i++, other += berth_strnlen(other, (size_t)(end - other)) + 1) {
		struct dma_chan *chan;

		if (berth_strnlen(other, (size_t)(end - other)) == (size_t)(end - other))
			break;
		if (berth_strcmp(other, name))
			continue;
		berth_clear_error();
		chan = at_entry(dev, i);
		if (!IS_ERR(chan))
			return chan;
		is_told = berth_last_error()->code != 0;
		if (PTR_ERR(chan) != -ENODEV)
			code = (int)PTR_ERR(chan);
	}
	return is_told ? ERR_PTR(code) : none(code, dev, name);
}

void berth_of_dma_start(void)
{
	berth_dmaengine_set_lookup(lookup);
}

void berth_of_dma_reset(void)
{
	berth_dmaengine_set_lookup(NULL);
	controllers = NULL;
}
