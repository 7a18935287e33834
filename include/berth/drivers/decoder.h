/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: decoder - driver of the video decoder "berth,model-decoder"
 *
 * The decoder makes a picture of what a camera has coded. Both may be in pieces; it reaches them by
 * addresses of 32 bits.
 */
#ifndef BERTH_DRIVERS_DECODER_H
#define BERTH_DRIVERS_DECODER_H

#include <berth/device.h>
#include <berth/platform_device.h>
#include <berth/scatterlist.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

extern const struct platform_driver berth_decoder_driver;

/**
 * enum berth_decoder_damage - what is wrong with a stream
 * @BERTH_DECODER_INTACT: nothing
 * @BERTH_DECODER_NO_PACKET: no packet begins so
 * @BERTH_DECODER_CUT: it ends before the picture does
 * @BERTH_DECODER_TOO_LONG: a packet goes on where the picture ends
 * @BERTH_DECODER_CHECKSUM: the picture is not the one that was coded
 */
enum berth_decoder_damage {
	BERTH_DECODER_INTACT,
	BERTH_DECODER_NO_PACKET,
	BERTH_DECODER_CUT,
	BERTH_DECODER_TOO_LONG,
	BERTH_DECODER_CHECKSUM,
};

/**
 * struct berth_decoder_result - how a request ended
 * @error: 0; -EILSEQ: the stream is damaged; -EIO: a piece or a list met no memory; -ETIMEDOUT: the
 *	decoder was stopped
 * @damage: with -EILSEQ
 * @position: with -EILSEQ: the byte of the stream where the packet begins that is damaged
 */
struct berth_decoder_result {
	int error;
	enum berth_decoder_damage damage;
	uint32_t position;
};

/**
 * struct berth_decoder_request - a picture to decode
 * @source: where its stream lies: segments that are mapped for the decoder
 * @target: where the picture goes, mapped for the decoder; nothing is written after its @bytes
 * @coded_bytes: of the stream
 * @bytes: of the picture
 * @stride: the camera's columns
 * @done: called when the decoder is done with both, or NULL; in interrupt context, or by who stops it
 * @data: handed to it
 *
 * The segments stay mapped until then.
 */
struct berth_decoder_request {
	const struct sg_table *source;
	const struct sg_table *target;
	uint32_t coded_bytes;
	uint32_t bytes;
	uint32_t stride;
	void (*done)(void *data, const struct berth_decoder_result *result);
	void *data;
};

/**
 * berth_decoder_start() - decode a picture
 *
 * @request is copied. May sleep. Return: 0; -EBUSY (it decodes one, which berth_decoder_wait() has
 * not taken back); -EINVAL (sizes; segments that are too short, or too many); -ENOMEM
 * (berth_last_error()); -ENODEV.
 */
int berth_decoder_start(struct device *dev, const struct berth_decoder_request *request);

/**
 * berth_decoder_wait() - wait until the picture is decoded
 * @dev: the decoder
 * @timeout: in jiffies; the decoder is stopped then
 * @result: how it ended, or NULL
 *
 * Sleeps. On return the decoder touches no memory. Return: the result's error; -ENOENT (nothing was
 * being decoded); -ENODEV.
 */
int berth_decoder_wait(struct device *dev, unsigned long timeout,
		       struct berth_decoder_result *result);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
