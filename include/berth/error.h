/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: error - why the last call failed
 *
 * An errno value says that a call failed; struct berth_error says why. It is kept per thread in a
 * process and per CPU on bare metal, is overwritten by the next failing call of the same thread,
 * and is left alone by calls that succeed.
 */
#ifndef BERTH_ERROR_H
#define BERTH_ERROR_H

#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * enum berth_reason - what stood in the way
 *
 * The fields of struct berth_error that carry a meaning for a reason are named in brackets.
 */
enum berth_reason {
	BERTH_REASON_NONE,
	BERTH_REASON_ARGUMENT, /* an argument is not legal [subject: which, address: its value] */
	BERTH_REASON_ABI, /* the program was built against another berth [address, limit] */
	BERTH_REASON_STATE, /* berth is running already, or not running [subject] */
	BERTH_REASON_TREE, /* the device tree is damaged [subject: node, address: offset] */
	BERTH_REASON_NO_MEMORY_NODE, /* the device tree describes no memory [subject] */
	BERTH_REASON_RESERVED, /* a reservation does not fit, or is no area [subject, address, length] */
	BERTH_REASON_TABLE_FULL, /* a fixed table is full [subject, limit] */
	BERTH_REASON_OUT_OF_MEMORY, /* no free block of that size [subject, length, limit: free] */
	BERTH_REASON_TOO_LARGE, /* more than this allocator ever gives [subject, length, limit] */
	BERTH_REASON_NOT_OWNED, /* a release of what was not handed out [subject, address, pfn] */
	BERTH_REASON_PAGE_BUSY, /* a page of the range is in use [subject, pfn, holder, since_ns] */
	BERTH_REASON_AREA_FULL, /* no free run of that length [subject, length, limit: longest] */
	BERTH_REASON_NO_MASK, /* the device has no DMA mask [subject] */
	BERTH_REASON_MASK, /* above what the device can address [subject, address, limit] */
	BERTH_REASON_WINDOW, /* outside every window of the bus [subject, address, length] */
	BERTH_REASON_NOT_LINEAR, /* not memory of berth's: stack, malloc, ... [subject, address] */
	BERTH_REASON_MAPPING, /* the port cannot map it so [subject, address, length, limit or 0] */
	BERTH_REASON_NO_DEVICE, /* nothing answers there [subject, address] */
	BERTH_REASON_IRQ, /* the interrupt is taken or does not exist [subject, address: irq] */
	BERTH_REASON_DRIVER, /* a driver's probe failed [subject: device, holder: driver] */
	BERTH_REASON_LEAK, /* memory was still in use at berth_stop() [subject, length] */
	BERTH_REASON_BUS_ERROR, /* a device was refused by the bus [subject, address, length] */
	BERTH_REASON_NO_ROOM, /* pages in the way have nowhere to go [subject, length, limit: room] */
	BERTH_REASON_NEVER, /* nothing is left that could end this wait [subject] */
	BERTH_REASON_IO, /* a file or a disk failed [subject, address: offset, length: 0 if it is not about bytes] */
	BERTH_REASON_BOUNCE_FULL, /* no bounce buffer is free [subject: device, address, length] */
	BERTH_REASON_BOUNCE_SIZE, /* too long for a bounce buffer [subject, address, length, limit] */
	BERTH_REASON_SEGMENT, /* longer than the device's segments [subject, address, length, limit] */
	BERTH_REASON_UNMAP, /* not as it was mapped [subject, address, length, limit: mapped] */
	BERTH_REASON_MACHINE, /* the machine is gone [subject: how] */
	BERTH_REASON_NO_IOMMU, /* no IOMMU that berth drives is in its way [subject: device] */
	BERTH_REASON_OWNED, /* somebody else decides what the device sees [subject: device] */
	BERTH_REASON_GROUP, /* the hardware cannot tell it from others [subject: device, holder] */
	BERTH_REASON_IOMMU, /* its IOMMU does not work [subject: device, holder: the IOMMU] */
	BERTH_REASON_COMMAND, /* hardware refused a command [subject: device, address: which] */
	BERTH_REASON_CAPABILITY, /* the hardware cannot do that [subject: channel or device, holder: what] */
	BERTH_REASON_ALIGNMENT, /* not aligned as the hardware needs [subject, address, limit] */
	BERTH_REASON_NO_CHANNEL, /* no DMA channel [subject: device or kind, holder: name] */
	BERTH_REASON_CHANNEL_BUSY, /* somebody else has taken it [subject: channel, holder] */
	BERTH_REASON_TRANSFER, /* hardware reported that a transfer failed [subject: channel, address: cookie] */
	BERTH_REASON_SEGMENTS, /* in more pieces than the device takes [subject: device, length: pieces, limit] */
	BERTH_REASON_TIMEOUT, /* it did not end in time [subject, address: which, limit: ms] */
	BERTH_REASON_FILE, /* no such node, or it cannot do that [subject: node, holder: what, code] */
	BERTH_REASON_COUNT
};

/**
 * struct berth_error - the reason of a failure
 * @code: the negative errno value that the call returned, or stands for
 * @reason: what stood in the way
 * @subject: device, node, area or argument it is about; always terminated, "" if none
 * @address: CPU, physical or bus address in question, by @reason
 * @length: bytes asked for
 * @limit: the limit that was met
 * @pfn: the page in question
 * @holder: who holds it, "" if nobody
 * @since_ns: since when, on the port's clock
 */
struct berth_error {
	int code;
	enum berth_reason reason;
	char subject[48];
	uint64_t address;
	uint64_t length;
	uint64_t limit;
	uint64_t pfn;
	char holder[32];
	uint64_t since_ns;
};

/**
 * berth_last_error() - the reason of the last failed call of this thread
 *
 * Any context. Return: a record that the next failing call overwrites, never NULL; its code is 0
 * if nothing has failed since the thread (or the CPU) started or berth_clear_error() was called.
 */
const struct berth_error *berth_last_error(void);

/**
 * berth_set_error() - for drivers: why their own call fails
 * @subject: the device; copied
 * @code: a negative errno value
 * @reason: what stood in the way
 * @address: as @reason says
 * @length: likewise
 *
 * It becomes the last error of this thread. Any context. Return: @code.
 */
int berth_set_error(const char *subject, int code, enum berth_reason reason, uint64_t address,
		    uint64_t length);

/** berth_clear_error() - forget the last error of this thread. Any context. */
void berth_clear_error(void);

/**
 * berth_error_text() - a reason as one sentence
 * @error: the record; NULL for the last error of this thread
 * @text: where the sentence goes; always terminated if @size > 0
 * @size: bytes at @text
 *
 * Any context. Return: the length of the whole sentence, which may exceed @size - 1, as snprintf().
 */
size_t berth_error_text(const struct berth_error *error, char *text, size_t size);

/** berth_error_name() - "ENOMEM" for -12 or 12; "E?" for a number without a name. Any context. */
const char *berth_error_name(int code);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
