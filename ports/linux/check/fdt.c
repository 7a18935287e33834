// SPDX-License-Identifier: BSD-2-Clause
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "check/fdt.h"

enum { TAG_BEGIN = 1, TAG_END = 2, TAG_PROPERTY = 3, TAG_LAST = 9 };
#define HEADER 40u
#define RESERVATIONS 16u /* the entry that ends them */

static uint8_t *room(struct fdt_out *out, uint8_t **bytes, size_t *used, size_t *size, size_t more)
{
	uint8_t *at;

	if (*used + more > *size) {
		size_t wanted = 2 * (*used + more) + 4096;
		uint8_t *grown = out->is_out_of_memory ? NULL : realloc(*bytes, wanted);

		if (!grown) {
			out->is_out_of_memory = true;
			return NULL;
		}
		*bytes = grown;
		*size = wanted;
	}
	at = *bytes + *used;
	memset(at, 0, more);
	*used += more;
	return at;
}

/* Padded to whole cells. */
static void put(struct fdt_out *out, const void *bytes, size_t size)
{
	uint8_t *at = room(out, &out->structs, &out->nr_structs, &out->room_structs,
			   (size + 3) & ~(size_t)3);

	if (at && size)
		memcpy(at, bytes, size);
}

static void put_cell(struct fdt_out *out, uint32_t value)
{
	const uint32_t cell = htobe32(value);

	put(out, &cell, sizeof(cell));
}

void fdt_out_begin(struct fdt_out *out, const char *name)
{
	put_cell(out, TAG_BEGIN);
	put(out, name, strlen(name) + 1);
}

void fdt_out_end(struct fdt_out *out)
{
	put_cell(out, TAG_END);
}

static uint32_t string(struct fdt_out *out, const char *name)
{
	const size_t size = strlen(name) + 1;
	uint8_t *at;

	for (size_t i = 0; i < out->nr_strings; i += strlen((char *)out->strings + i) + 1)
		if (!strcmp((char *)out->strings + i, name))
			return (uint32_t)i;
	at = room(out, &out->strings, &out->nr_strings, &out->room_strings, size);
	if (!at)
		return 0;
	memcpy(at, name, size);
	return (uint32_t)(at - out->strings);
}

void fdt_out_property(struct fdt_out *out, const char *name, const void *bytes, size_t size)
{
	put_cell(out, TAG_PROPERTY);
	put_cell(out, (uint32_t)size);
	put_cell(out, string(out, name));
	put(out, bytes, size);
}

void fdt_out_text(struct fdt_out *out, const char *name, const char *text)
{
	fdt_out_property(out, name, text, strlen(text) + 1);
}

void fdt_out_cells(struct fdt_out *out, const char *name, const uint32_t *cells, unsigned int nr)
{
	put_cell(out, TAG_PROPERTY);
	put_cell(out, nr * 4);
	put_cell(out, string(out, name));
	for (unsigned int i = 0; i < nr; i++)
		put_cell(out, cells[i]);
}

void *fdt_out_finish(struct fdt_out *out)
{
	uint32_t header[10] = { 0xd00dfeed, 0, HEADER + RESERVATIONS, 0, HEADER, 17, 16 };
	size_t total;
	uint8_t *blob = NULL;

	put_cell(out, TAG_LAST);
	header[3] = HEADER + RESERVATIONS + (uint32_t)out->nr_structs;
	header[8] = (uint32_t)out->nr_strings;
	header[9] = (uint32_t)out->nr_structs;
	total = header[3] + out->nr_strings;
	header[1] = (uint32_t)total;
	if (!out->is_out_of_memory)
		blob = calloc(1, total);
	if (blob) {
		for (unsigned int i = 0; i < 10; i++)
			header[i] = htobe32(header[i]);
		memcpy(blob, header, sizeof(header));
		memcpy(blob + HEADER + RESERVATIONS, out->structs, out->nr_structs);
		memcpy(blob + HEADER + RESERVATIONS + out->nr_structs, out->strings,
		       out->nr_strings);
	}
	free(out->structs);
	free(out->strings);
	*out = (struct fdt_out){ 0 };
	return blob;
}
