// SPDX-License-Identifier: BSD-2-Clause
/* Any bytes as calls about a shared buffer, allocations that fail among them, against the reference of dma_buf_play.h. */
#include "../model/dma_buf_play.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void play_wrong(int line, const char *what)
{
	char why[200];

	berth_error_text(NULL, why, sizeof(why));
	fprintf(stderr, "%d bytes left, call %d of device %d, line %d: not %s; last error: %s\n",
		(int)play.left, (int)play.what, (int)play.who, line, what, why);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 20)
		return -1;
	play_all(data, size);
	return 0;
}
