// SPDX-License-Identifier: BSD-2-Clause
/* Words of coherent memory and when they were touched last: as many as a ring of 64 KiB has, found by address. */
#include "check/order.h"

#define WORDS 8192u

static struct check_word *words;
static uint64_t tick;

uint64_t check_tick(void)
{
	return ++tick;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void lose(struct check_word *word)
{
	uint64_t lost = later(word->lost, later(later(word->dev_read, word->dev_write),
						later(word->cpu_load, word->cpu_store)));

	*word = (struct check_word){ .lost = lost };
}

struct check_word *check_word(uintptr_t at, bool make)
{
	struct check_word *word;

	at = check_word_of(at);
	if (!words && make)
		words = check_alloc(WORDS * sizeof(*words));
	if (!words)
		return NULL;
	word = &words[at / ORDER_WORD % WORDS];
	if (word->at == at)
		return word;
	if (!make)
		return NULL;
	if (word->at)
		lose(word);
	word->at = at;
	return word;
}

uint64_t check_word_dev_read(uintptr_t at)
{
	const struct check_word *word = check_word(at, true);

	return word ? later(word->dev_read, word->lost) : UINT64_MAX;
}

uint64_t check_word_cpu_load(uintptr_t at)
{
	const struct check_word *word = check_word(at, true);

	return word ? later(word->cpu_load, word->lost) : UINT64_MAX;
}

static void forget(struct check_word *word, uintptr_t at, uint64_t size)
{
	if (word->at && check_overlap(word->at, ORDER_WORD, at, size))
		*word = (struct check_word){ .lost = word->lost };
}

void check_words_forget(uintptr_t at, uint64_t size)
{
	const uintptr_t first = at / ORDER_WORD, last = (at + (uintptr_t)size - 1) / ORDER_WORD;

	if (!words || !size)
		return;
	for (unsigned int i = 0; last - first >= WORDS && i < WORDS; i++)
		forget(&words[i], at, size);
	for (uintptr_t i = first; last - first < WORDS && i <= last; i++)
		forget(&words[i % WORDS], at, size);
}

void check_words_reset(void)
{
	words = NULL;
	tick = 0;
}
