// SPDX-License-Identifier: BSD-2-Clause
#include "check.h"

#include "model/nvme_card.h"

const uint8_t *bench_card_disk(void)
{
	return card.disk;
}

int bench_card_start(void)
{
	const struct berth_model_config config = { .cache = BERTH_MODEL_CACHE_RANDOM };

	_Static_assert(sizeof(card.disk) == CARD_BYTES, "all of the disk");
	card_reset();
	for (uint32_t i = 0; i < CARD_BYTES; i++)
		card.disk[i] = (uint8_t)(i * 2654435761u >> 11);
	return card_boot("cma=16M", &config, false);
}

unsigned int bench_card_complaints(void)
{
	return card.complaints;
}
