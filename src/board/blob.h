/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading a flattened device tree: all that berth asks of libfdt, which stays outside src/
 * (third_party/libfdt/blob.c). Offsets name nodes, as in libfdt; the root is 0.
 */
#ifndef BERTH_BOARD_BLOB_H
#define BERTH_BOARD_BLOB_H

#include <berth/types.h>

struct berth_blob_damage {
	const char *what; /* FDT_ERR_... */
	const char *node; /* terminated; "/" for the root, NULL: not in a node */
	int offset; /* behind the last that makes sense */
};

/*
 * Whether every byte of the tree makes sense, so that the other functions cannot fail or leave it;
 * the blob is as long as its header says. If not: what libfdt says of it, in which node and where.
 */
bool berth_blob_check(const void *blob, struct berth_blob_damage *damage);

/* What the header says: bytes of the whole blob. */
uint32_t berth_blob_size(const void *blob);

/* The node behind @offset in document order, adjusting *@depth; negative at the end. */
int berth_blob_next(const void *blob, int offset, int *depth);

const char *berth_blob_name(const void *blob, int offset);
const void *berth_blob_property(const void *blob, int offset, const char *name, int *length);
uint32_t berth_blob_phandle(const void *blob, int offset);

/* The @index-th /memreserve/ entry; false behind the last one. */
bool berth_blob_reserve(const void *blob, unsigned int index, uint64_t *base, uint64_t *size);

/* A node by its whole path; negative if there is none. */
int berth_blob_path(const void *blob, const char *path);

#endif
