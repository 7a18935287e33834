/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: display - driver of the display "berth,model-display"
 *
 * The display shows a picture where it lies in memory. It first reads a header that the CPU has
 * written: right in front of it, or, of a picture in pieces, in memory of the driver's own.
 */
#ifndef BERTH_DRIVERS_DISPLAY_H
#define BERTH_DRIVERS_DISPLAY_H

#include <berth/device.h>
#include <berth/mm.h>
#include <berth/platform_device.h>
#include <berth/scatterlist.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/* Bytes of the header, and of the text that it can carry. */
#define BERTH_DISPLAY_HEADER 256
#define BERTH_DISPLAY_TEXT 240

extern const struct platform_driver berth_display_driver;

/**
 * struct berth_display_picture - what to show
 * @page: pages in the linear map, at least BERTH_DISPLAY_HEADER + @bytes behind @offset
 * @offset: where the header goes, from the start of @page; the picture follows it
 * @sgt: the picture in pieces, which an IOMMU makes one, instead of @page and @offset; NULL
 * @attrs: of the mapping of @sgt: DMA_ATTR_SKIP_CPU_SYNC if only devices have written it
 * @is_mapped: @sgt is mapped for the display, and stays so
 * @done: called when it was shown, or the display was stopped: in interrupt context, or by who stops it; NULL
 * @data: handed to it; the error is as berth_display_wait() returns it
 * @bytes: of the picture
 * @sequence: its number
 * @text_length: bytes of @text, at most BERTH_DISPLAY_TEXT
 * @text: goes with the picture
 */
struct berth_display_picture {
	struct page *page;
	size_t offset;
	struct sg_table *sgt;
	unsigned long attrs;
	bool is_mapped;
	void (*done)(void *data, int error);
	void *data;
	uint32_t bytes;
	uint32_t sequence;
	uint32_t text_length;
	const char *text;
};

/**
 * berth_display_show() - show a picture
 *
 * Writes the header, gives header and picture to the display and starts it. Nobody may write to
 * them before berth_display_wait(). May sleep. Return: 0; -EBUSY (it is showing one), -EINVAL
 * (text or size; @sgt is too short, or more than one segment for the display), -ENOMEM (it cannot be
 * mapped: berth_last_error()), -ENODEV.
 */
int berth_display_show(struct device *dev, const struct berth_display_picture *picture);

/**
 * berth_display_wait() - wait until the picture has been shown, and take it back
 * @dev: the display
 * @timeout: in jiffies
 *
 * Sleeps. Return: 0; -EIO (the header or the bus was faulty: the screen was black); -ETIMEDOUT
 * (the display was stopped); -ENOENT (nothing was being shown); -ENODEV.
 */
int berth_display_wait(struct device *dev, unsigned long timeout);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
