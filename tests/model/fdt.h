/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing small device trees, for tests that need many of them. */
#ifndef TESTS_MODEL_FDT_H
#define TESTS_MODEL_FDT_H

#include <assert.h>
#include <stdint.h>
#include <string.h>

#define FDT_MAX 16384

struct fdt {
	unsigned char blob[FDT_MAX] __attribute__((aligned(8)));
	unsigned char body[FDT_MAX];
	char strings[1024];
	size_t nr_body, nr_strings;
};

static inline void fdt_cell(struct fdt *fdt, uint32_t value)
{
	unsigned char *at = fdt->body + fdt->nr_body;

	assert(fdt->nr_body + 4 <= FDT_MAX / 2);
	at[0] = (unsigned char)(value >> 24);
	at[1] = (unsigned char)(value >> 16);
	at[2] = (unsigned char)(value >> 8);
	at[3] = (unsigned char)value;
	fdt->nr_body += 4;
}

static inline void fdt_bytes(struct fdt *fdt, const void *bytes, size_t size)
{
	assert(fdt->nr_body + size + 4 <= FDT_MAX / 2);
	memcpy(fdt->body + fdt->nr_body, bytes, size);
	fdt->nr_body += size;
	while (fdt->nr_body % 4)
		fdt->body[fdt->nr_body++] = 0;
}

static inline void fdt_begin(struct fdt *fdt, const char *name)
{
	fdt_cell(fdt, 1);
	fdt_bytes(fdt, name, strlen(name) + 1);
}

static inline void fdt_end(struct fdt *fdt)
{
	fdt_cell(fdt, 2);
}

static inline void fdt_property(struct fdt *fdt, const char *name, size_t size)
{
	fdt_cell(fdt, 3);
	fdt_cell(fdt, (uint32_t)size);
	fdt_cell(fdt, (uint32_t)fdt->nr_strings);
	assert(fdt->nr_strings + strlen(name) < sizeof(fdt->strings));
	strcpy(fdt->strings + fdt->nr_strings, name);
	fdt->nr_strings += strlen(name) + 1;
}

static inline void fdt_text(struct fdt *fdt, const char *name, const char *text)
{
	fdt_property(fdt, name, strlen(text) + 1);
	fdt_bytes(fdt, text, strlen(text) + 1);
}

/* fdt_cells(&fdt, "reg", 1, 2, 3) */
#define fdt_cells(fdt, name, ...)                                  \
	do {                                                       \
		const uint32_t cells_[] = { __VA_ARGS__ };         \
		fdt_property(fdt, name, sizeof(cells_));           \
		for (size_t i_ = 0; i_ < sizeof(cells_) / 4; i_++) \
			fdt_cell(fdt, cells_[i_]);                 \
	} while (0)

static inline void fdt_flag(struct fdt *fdt, const char *name)
{
	fdt_property(fdt, name, 0);
}

/* Start a tree whose root has @address and @size cells; fdt_finish() ends the root. */
static inline void fdt_start(struct fdt *fdt, uint32_t address, uint32_t size)
{
	memset(fdt, 0, sizeof(*fdt));
	fdt_begin(fdt, "");
	fdt_cells(fdt, "#address-cells", address);
	fdt_cells(fdt, "#size-cells", size);
}

static inline const void *fdt_finish(struct fdt *fdt)
{
	const uint32_t structs = 40 + 16;
	uint32_t header[10], strings;

	fdt_end(fdt);
	fdt_cell(fdt, 9);
	strings = structs + (uint32_t)fdt->nr_body;
	header[0] = 0xd00dfeed;
	header[1] = strings + (uint32_t)fdt->nr_strings;
	header[2] = structs;
	header[3] = strings;
	header[4] = 40;
	header[5] = 17;
	header[6] = 16;
	header[7] = 0;
	header[8] = (uint32_t)fdt->nr_strings;
	header[9] = (uint32_t)fdt->nr_body;
	assert(header[1] <= FDT_MAX);
	for (unsigned int i = 0; i < 10; i++)
		header[i] = __builtin_bswap32(header[i]);
	memcpy(fdt->blob, header, sizeof(header));
	memset(fdt->blob + 40, 0, 16);
	memcpy(fdt->blob + structs, fdt->body, fdt->nr_body);
	memcpy(fdt->blob + strings, fdt->strings, fdt->nr_strings);
	return fdt->blob;
}

#endif
