// SPDX-License-Identifier: BSD-2-Clause
/* The reader of YUV4MPEG2: whatever the bytes, frames or one line that says why not. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "y4m.h"

#define MAX_FRAME 65536

static void require(int holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t picture[MAX_FRAME];
	char text[Y4M_MAX_TEXT + 1];
	struct y4m_reader reader;
	FILE *file = size ? fmemopen((void *)(uintptr_t)data, size, "rb") : NULL;
	int ret = 1;

	if (!file)
		return 0;
	if (y4m_open_stream(&reader, file, "input")) {
		require(reader.error[0] && !strchr(reader.error, '\n'));
		return 0;
	}
	require(reader.format.frame_bytes > 0 && reader.format.frame_bytes <= Y4M_MAX_FRAME_BYTES);
	if (reader.format.frame_bytes <= MAX_FRAME)
		while ((ret = y4m_read(&reader, picture, text)) > 0)
			require(strlen(text) <= Y4M_MAX_TEXT);
	require(ret >= 0 || reader.error[0]);
	require(reader.offset <= size);
	y4m_close(&reader);
	return 0;
}
