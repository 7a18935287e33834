/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing a flattened device tree, from the root to its end. */
#ifndef CHECK_FDT_H
#define CHECK_FDT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fdt_out {
	uint8_t *structs, *strings;
	size_t nr_structs, room_structs, nr_strings, room_strings;
	bool is_out_of_memory;
};

void fdt_out_begin(struct fdt_out *out, const char *name);
void fdt_out_end(struct fdt_out *out);
void fdt_out_property(struct fdt_out *out, const char *name, const void *bytes, size_t size);
void fdt_out_text(struct fdt_out *out, const char *name, const char *text);
void fdt_out_cells(struct fdt_out *out, const char *name, const uint32_t *cells, unsigned int nr);
/* The tree for free(), or NULL: no memory. @out is empty then. */
void *fdt_out_finish(struct fdt_out *out);

#define FDT_OUT_CELLS(out, name, ...)                                                 \
	do {                                                                          \
		const uint32_t cells_[] = { __VA_ARGS__ };                            \
		fdt_out_cells(out, name, cells_, (unsigned int)(sizeof(cells_) / 4)); \
	} while (0)

#endif
