/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: camera - driver of the camera "berth,model-camera"
 *
 * A camera writes whole pictures into physically contiguous buffers. A buffer starts with a page of
 * the CPU's, where the next device of the path finds its header, and the picture follows it. Buffers
 * go round: queued, filled, dequeued, used, queued again. A buffer is the camera's from
 * berth_camera_queue() until berth_camera_dequeue(); the first page stays the CPU's.
 */
#ifndef BERTH_DRIVERS_CAMERA_H
#define BERTH_DRIVERS_CAMERA_H

#include <berth/device.h>
#include <berth/mm.h>
#include <berth/platform_device.h>
#include <berth/scatterlist.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

#define BERTH_CAMERA_TEXT 112

extern const struct platform_driver berth_camera_driver;

/**
 * struct berth_camera_format - what the camera delivers
 * @width: columns
 * @height: rows
 * @bytes: of a picture
 * @interval_ns: from one picture to the next
 * @frames: the camera stops after so many pictures; 0: when its source ends
 * @hold: without a buffer the sensor waits, instead of losing the picture
 * @is_coded: it delivers pictures for the decoder, of berth_camera_coded_bytes() at most
 */
struct berth_camera_format {
	uint32_t width;
	uint32_t height;
	uint32_t bytes;
	uint32_t interval_ns;
	uint32_t frames;
	bool hold;
	bool is_coded;
};

/**
 * struct berth_camera_buffer - room for one picture
 * @page: one page of the CPU's, then the picture
 * @size: bytes of all of it
 * @bytes: of the picture, or of the most that it may become when it is coded
 * @used: what the camera has written of them, after berth_camera_dequeue()
 * @sequence: number of the picture, after berth_camera_dequeue()
 * @text_length: bytes of @text
 * @text: what the sensor said about the picture, not terminated
 * @is_queued: it is the camera's
 * @done: called when the camera has filled it, or will not: in interrupt context, or by who stops it; NULL
 * @data: handed to it; the error is 0, -EIO (the picture is damaged) or -ENODATA
 * @dma: the camera's address of @page; of memory of somebody else's, that of the picture
 * @is_foreign: @page is NULL
 * @next: the buffer that was queued after this one
 */
struct berth_camera_buffer {
	struct page *page;
	size_t size;
	uint32_t bytes;
	uint32_t used;
	uint32_t sequence;
	uint32_t text_length;
	char text[BERTH_CAMERA_TEXT];
	bool is_queued;
	void (*done)(void *data, int error);
	void *data;
	dma_addr_t dma;
	bool is_foreign;
	struct berth_camera_buffer *next;
};

/**
 * berth_camera_buffer_alloc() - get a buffer for pictures of @bytes bytes
 *
 * From the camera's CMA area. May sleep. Return: the buffer, until berth_camera_buffer_free(), or
 * NULL (berth_last_error()).
 */
struct berth_camera_buffer *berth_camera_buffer_alloc(struct device *dev, uint32_t bytes);

/**
 * berth_camera_buffer_import() - a buffer of somebody else's memory, such as a dma-buf's
 * @dev: the camera
 * @table: mapped for the camera, DMA_FROM_DEVICE, whenever the buffer is queued
 * @bytes: room for a picture, in the first segment
 *
 * Whose memory it is keeps it coherent. May sleep. Return: the buffer, until berth_camera_buffer_free(); NULL: no
 * memory, or the segment is too short (ARGUMENT).
 */
struct berth_camera_buffer *
berth_camera_buffer_import(struct device *dev, const struct sg_table *table, uint32_t bytes);

/** berth_camera_buffer_moved() - where the memory of an imported buffer is now; it is not queued. 0 or -EINVAL. */
int berth_camera_buffer_moved(struct berth_camera_buffer *buffer, const struct sg_table *table);

/** berth_camera_buffer_free() - give back a buffer that is not queued; NULL is ignored. */
void berth_camera_buffer_free(struct device *dev, struct berth_camera_buffer *buffer);

/** berth_camera_picture() - where the CPU finds the picture of a buffer that is not imported */
static inline void *berth_camera_picture(const struct berth_camera_buffer *buffer)
{
	return (char *)page_address(buffer->page) + PAGE_SIZE;
}

/** berth_camera_coded_bytes() - what a picture of @bytes bytes may become when it is coded */
static inline uint32_t berth_camera_coded_bytes(uint32_t bytes)
{
	return bytes + (bytes / 128 + (bytes % 128 != 0)) + 4;
}

/**
 * berth_camera_start() - begin to deliver pictures into the buffers that are queued
 *
 * May sleep. Return: 0, -EBUSY (it streams already), -EINVAL (format, or queued buffers of another
 * size), -ENODEV (no camera of this driver's).
 */
int berth_camera_start(struct device *dev, const struct berth_camera_format *format);

/**
 * berth_camera_queue() - give a buffer to the camera
 *
 * Any context. Return: 0, -EBUSY (it is queued already), -EINVAL (its size is not the format's),
 * -ENODEV.
 */
int berth_camera_queue(struct device *dev, struct berth_camera_buffer *buffer);

/**
 * berth_camera_dequeue() - take the oldest buffer back when it is filled
 * @dev: the camera
 * @buffer: where it goes
 * @timeout: in jiffies
 *
 * Sleeps. Return: 0; -EIO (the buffer is handed over, its picture is damaged); -ETIMEDOUT;
 * -ENODATA (no picture will come: the source has ended, or the camera is stopped); -ENOENT (no
 * buffer is queued); -ENODEV.
 */
int berth_camera_dequeue(struct device *dev, struct berth_camera_buffer **buffer,
			 unsigned long timeout);

/**
 * berth_camera_stop() - stop, and take all buffers back
 *
 * On return the device is quiet and no buffer is queued; those that were hold nothing of use. May
 * sleep.
 */
void berth_camera_stop(struct device *dev);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
