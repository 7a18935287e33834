// SPDX-License-Identifier: BSD-2-Clause
/* Failures in words. */
#include <berth/error.h>

#include "dmatest.h"

static const char *const kinds[] = {
	[BERTH_DMATEST_MEMCPY] = "memcpy",
	[BERTH_DMATEST_MEMSET] = "memset",
	[BERTH_DMATEST_XOR] = "xor",
	[BERTH_DMATEST_XOR_VAL] = "xor_val",
	[BERTH_DMATEST_PQ] = "pq",
	[BERTH_DMATEST_INTERLEAVED] = "interleaved",
	[BERTH_DMATEST_INTERRUPT] = "interrupt",
	[BERTH_DMATEST_SG] = "sg",
	[BERTH_DMATEST_SLAVE_OUT] = "slave_out",
	[BERTH_DMATEST_SLAVE_IN] = "slave_in",
};

static const struct {
	const char *name, *text;
	bool has_byte;
} faults[] = {
	[BERTH_DMATEST_MAP] = { "map", "cannot be mapped", false },
	[BERTH_DMATEST_PREPARE] = { "prepare", "cannot be prepared", false },
	[BERTH_DMATEST_SUBMIT] = { "submit", "cannot be submitted", false },
	[BERTH_DMATEST_TIMEOUT] = { "timeout", "not done in time", false },
	[BERTH_DMATEST_ERROR] = { "error", "the controller says that it failed", false },
	[BERTH_DMATEST_STATUS] = { "status", "called back, but not complete", false },
	[BERTH_DMATEST_CALLED_TWICE] = { "called_twice", "called back more than once", false },
	[BERTH_DMATEST_SOURCE] = { "source", "the source was changed", true },
	[BERTH_DMATEST_IN_FRONT] = { "in_front", "written in front of the destination", true },
	[BERTH_DMATEST_BEHIND] = { "behind", "written behind the destination", true },
	[BERTH_DMATEST_GAP] = { "gap", "written between the runs", true },
	[BERTH_DMATEST_SHORT] = { "short", "not written to the end", true },
	[BERTH_DMATEST_WRONG] = { "wrong", "wrong bytes", true },
	[BERTH_DMATEST_CHECK] = { "check", "the check says the wrong thing", false },
};

const char *berth_dmatest_kind_name(unsigned int kind)
{
	return kind < ARRAY_SIZE(kinds) ? kinds[kind] : NULL;
}

const char *berth_dmatest_fault_name(unsigned int fault)
{
	return fault < ARRAY_SIZE(faults) ? faults[fault].name : NULL;
}

struct line {
	char *text;
	size_t size, length;
};

static void put(struct line *line, const char *text)
{
	for (; *text; text++, line->length++)
		if (line->length + 1 < line->size)
			line->text[line->length] = *text;
}

static void put_number(struct line *line, uint64_t value, unsigned int base)
{
	char digits[24];
	unsigned int at = sizeof(digits) - 1;

	digits[at] = '\0';
	do {
		digits[--at] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	if (base == 16)
		put(line, "0x");
	put(line, digits + at);
}

static void put_field(struct line *line, const char *what, uint64_t value, unsigned int base)
{
	put(line, what);
	put_number(line, value, base);
}

static void put_byte(struct line *line, const struct berth_dmatest_failure *failure)
{
	if (failure->buffer)
		put_field(line, ", buffer ", failure->buffer, 10);
	put_field(line, ", first at ", failure->at, 16);
	put_field(line, ": ", failure->found, 16);
	put_field(line, " and not ", failure->expected, 16);
	put_field(line, ", wrong in all ", failure->nr_wrong, 10);
}

size_t berth_dmatest_text(const struct berth_dmatest_failure *failure, char *text, size_t size)
{
	struct line line = { text, size, 0 };

	put(&line, failure->channel);
	put_field(&line, ": test ", failure->test, 10);
	put(&line, ", ");
	put(&line, kinds[failure->kind]);
	put_field(&line, " of ", failure->length, 10);
	put_field(&line, " bytes from ", failure->src_offset, 16);
	put_field(&line, " to ", failure->dst_offset, 16);
	put(&line, ": ");
	put(&line, faults[failure->fault].text);
	if (faults[failure->fault].has_byte)
		put_byte(&line, failure);
	if (failure->fault == BERTH_DMATEST_CHECK) {
		put_field(&line, ": ", failure->found, 16);
		put_field(&line, " and not ", failure->expected, 16);
	}
	if (failure->error) {
		put(&line, " (");
		put(&line, berth_error_name(failure->error));
		put(&line, ")");
	}
	if (failure->residue)
		put_field(&line, ", bytes left ", failure->residue, 10);
	if (size)
		text[line.length < size ? line.length : size - 1] = '\0';
	return line.length;
}
