// SPDX-License-Identifier: BSD-2-Clause
#include <stdlib.h>
#include <string.h>

#include "source.h"

/*
 * The camera's test pattern, from its data sheet (docs/model-devices.md) and not from its source:
 * what comes out at the end is compared with this.
 */
static void expect_pattern(struct source_frame *frame, const struct y4m_format *format, uint32_t n)
{
	uint32_t w = format->width, h = format->height, cw = (w + 1) / 2, ch = (h + 1) / 2;
	uint8_t *luma = frame->picture, *cb = luma + (size_t)w * h, *cr = cb + (size_t)cw * ch;

	for (uint32_t y = 0; y < h - h / 8; y++)
		for (uint32_t x = 0; x < w; x++)
			luma[y * w + x] = (uint8_t)(235 - 28 * ((x + 4 * n) * 8 / w % 8));
	for (uint32_t y = h - h / 8; y < h; y++)
		for (uint32_t x = 0; x < w; x++)
			luma[y * w + x] = n & 0x8000u >> x * 16 / w ? 235 : 16;
	for (uint32_t y = 0; y < ch; y++)
		for (uint32_t x = 0; x < cw; x++) {
			cb[y * cw + x] = (uint8_t)(16 + (x + 2 * n) % 224);
			cr[y * cw + x] = (uint8_t)(16 + (y + 2 * n) % 224);
		}
	snprintf(frame->text, sizeof(frame->text), " XPATTERN=%u", n);
}

int source_open(struct source *source, const char *path, uint64_t limit, uint32_t width,
		uint32_t height)
{
	struct y4m_format *format = &source->format;

	*source = (struct source){ .limit = limit, .is_file = path };
	if (path) {
		if (y4m_open(&source->reader, path))
			return -1;
		*format = source->reader.format;
	} else {
		format->width = width;
		format->height = height;
		format->rate = 30;
		format->rate_scale = 1;
		format->frame_bytes =
			(size_t)width * height + (size_t)((width + 1) / 2) * ((height + 1) / 2) * 2;
		snprintf(format->header, sizeof(format->header),
			 "YUV4MPEG2 W%u H%u F30:1 Ip A1:1 C420jpeg", width, height);
	}
	return 0;
}

void source_close(struct source *source)
{
	y4m_close(&source->reader);
	for (unsigned int i = 0; i < SOURCE_MAX_AHEAD; i++)
		free(source->frames[i].picture);
}

int source_fetch(struct source *source)
{
	struct source_frame *frame = &source->frames[source->fetched % SOURCE_MAX_AHEAD];
	int ret = 1;

	if (source->limit && source->fetched == source->limit)
		return 0;
	if (source->fetched - source->released == SOURCE_MAX_AHEAD)
		return 0;
	if (!frame->picture)
		frame->picture = malloc(source->format.frame_bytes);
	if (!frame->picture) {
		snprintf(source->reader.error, sizeof(source->reader.error),
			 "out of memory for a frame of %zu bytes", source->format.frame_bytes);
		return -1;
	}
	if (source->is_file)
		ret = y4m_read(&source->reader, frame->picture, frame->text);
	else
		expect_pattern(frame, &source->format, (uint32_t)source->fetched);
	if (ret > 0)
		source->fetched++;
	return ret;
}

const struct source_frame *source_frame(const struct source *source, uint64_t number)
{
	if (number < source->released || number >= source->fetched)
		return NULL;
	return &source->frames[number % SOURCE_MAX_AHEAD];
}

void source_release(struct source *source)
{
	source->released++;
}

bool source_next(void *data, void *picture, size_t size, char *text, size_t text_size)
{
	struct source *source = data;
	const struct source_frame *frame = source_frame(source, source->taken);

	if (!frame || size != source->format.frame_bytes || text_size <= strlen(frame->text))
		return false;
	memcpy(picture, frame->picture, size);
	strcpy(text, frame->text);
	source->taken++;
	return true;
}
