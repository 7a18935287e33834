/* SPDX-License-Identifier: BSD-2-Clause */
/* src/board/blob.h over libfdt. */
#include <libfdt.h>

#include "board/blob.h"

static int check_header(const void *blob)
{
	/* fdt_check_full() trusts that a whole header is there. */
	int error = (uintptr_t)blob % 8 ? -FDT_ERR_ALIGNMENT : fdt_check_header(blob);

	if (!error && fdt_totalsize(blob) < sizeof(struct fdt_header))
		error = -FDT_ERR_TRUNCATED;
	/* The specification asks for both alignments; libfdt reads whole words there, and trusts them. */
	if (!error && (fdt_off_mem_rsvmap(blob) % 8 || fdt_off_dt_struct(blob) % 4))
		error = -FDT_ERR_ALIGNMENT;
	return error;
}

/* As far as the tags make sense. A name that fdt_next_tag() went past has its end within the tree. */
static void locate(const void *blob, struct berth_blob_damage *damage)
{
	int offset = 0, next, depth = 0, length;
	const char *name;

	for (;; offset = next) {
		uint32_t tag = fdt_next_tag(blob, offset, &next);

		damage->offset = offset;
		if (next < 0 || tag == FDT_END)
			return;
		if (tag == FDT_BEGIN_NODE) {
			name = fdt_offset_ptr(blob, (unsigned int)offset + FDT_TAGSIZE, 1);
			damage->node = *name ? name : "/";
			depth++;
		} else if ((tag == FDT_PROP &&
			    !fdt_getprop_by_offset(blob, offset, &name, &length)) ||
			   (tag == FDT_END_NODE && !depth--)) {
			return;
		}
	}
}

bool berth_blob_check(const void *blob, struct berth_blob_damage *damage)
{
	int error = check_header(blob);

	damage->node = NULL;
	damage->offset = 0;
	if (!error) {
		error = fdt_check_full(blob, fdt_totalsize(blob));
		if (error)
			locate(blob, damage);
	}
	damage->what = fdt_strerror(error);
	return !error;
}

uint32_t berth_blob_size(const void *blob)
{
	return fdt_totalsize(blob);
}

int berth_blob_next(const void *blob, int offset, int *depth)
{
	return fdt_next_node(blob, offset, depth);
}

const char *berth_blob_name(const void *blob, int offset)
{
	return fdt_get_name(blob, offset, NULL);
}

const void *berth_blob_property(const void *blob, int offset, const char *name, int *length)
{
	return fdt_getprop(blob, offset, name, length);
}

uint32_t berth_blob_phandle(const void *blob, int offset)
{
	return fdt_get_phandle(blob, offset);
}

bool berth_blob_reserve(const void *blob, unsigned int index, uint64_t *base, uint64_t *size)
{
	return (int)index < fdt_num_mem_rsv(blob) && !fdt_get_mem_rsv(blob, (int)index, base, size);
}

int berth_blob_path(const void *blob, const char *path)
{
	return fdt_path_offset(blob, path);
}
