/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists in a tree: of strings, and of phandles with arguments. */
#include <berth/errno.h>
#include <berth/of.h>

#include "lib/error.h"
#include "lib/printk.h"
#include "lib/string.h"

static int damaged(const struct device_node *np, const char *list, int offset)
{
	struct berth_error *error = berth_error_set(-EINVAL, BERTH_REASON_TREE, NULL);

	berth_snprintf(error->subject, sizeof(error->subject), "%s, whose %s lead nowhere",
		       berth_of_node_name(np), list);
	error->address = (uint64_t)offset;
	return -EINVAL;
}

/* struct place - an entry of a list */
struct place {
	int at; /* bytes into the property */
	struct device_node *np; /* NULL: an empty entry */
	uint32_t nr; /* cells behind the phandle */
};

/* Read the entry at @place->at; 1: there is one, 0: the list is over. */
static int read_place(const struct device_node *np, const char *list, const char *cells_name,
		      const uint8_t *cells, int length, struct place *place)
{
	uint32_t phandle;

	if (place->at >= length)
		return 0;
	if (length % 4)
		return damaged(np, list, length);
	phandle = (uint32_t)of_read_number(cells + place->at, 1);
	place->np = phandle ? of_find_node_by_phandle(phandle) : NULL;
	place->nr = 0;
	if (!phandle)
		return 1;
	if (!place->np || of_property_read_u32(place->np, cells_name, &place->nr) ||
	    place->nr > MAX_PHANDLE_ARGS || (int)place->nr > (length - place->at) / 4 - 1)
		return damaged(np, list, place->at);
	return 1;
}

int of_parse_phandle_with_args(const struct device_node *np, const char *list_name,
			       const char *cells_name, int index, struct of_phandle_args *out_args)
{
	struct place place = { 0 };
	const uint8_t *cells;
	int length, ret;

	if (index < 0)
		return -EINVAL;
	cells = of_get_property(np, list_name, &length);
	if (!cells)
		return -ENOENT;
	for (;; index--, place.at += 4 + 4 * (int)place.nr) {
		ret = read_place(np, list_name, cells_name, cells, length, &place);
		if (ret <= 0)
			return ret ? ret : -ENOENT;
		if (!index)
			break;
	}
	if (!place.np)
		return -ENOENT;
	if (!out_args)
		return 0;
	out_args->np = place.np;
	out_args->args_count = (int)place.nr;
	for (uint32_t i = 0; i < place.nr; i++)
		out_args->args[i] = (uint32_t)of_read_number(cells + place.at + 4 + 4 * i, 1);
	return 0;
}

int of_count_phandle_with_args(const struct device_node *np, const char *list_name,
			       const char *cells_name)
{
	struct place place = { 0 };
	const uint8_t *cells;
	int length, ret, count = 0;

	cells = of_get_property(np, list_name, &length);
	if (!cells)
		return -ENOENT;
	while ((ret = read_place(np, list_name, cells_name, cells, length, &place)) > 0) {
		place.at += 4 + 4 * (int)place.nr;
		count++;
	}
	return ret < 0 ? ret : count;
}

/* The string at @list, of which @left bytes are there: its bytes with its end; 0: it has none. */
static size_t string_size(const char *list, size_t left)
{
	size_t n = berth_strnlen(list, left);

	return n < left ? n + 1 : 0;
}

int of_property_count_strings(const struct device_node *node, const char *name)
{
	int length, count = 0;
	const char *list = of_get_property(node, name, &length);
	size_t left, size;

	if (!list)
		return -EINVAL;
	for (left = (size_t)length; left; list += size, left -= size, count++) {
		size = string_size(list, left);
		if (!size)
			return -EILSEQ;
	}
	return count ? count : -ENODATA;
}

int of_property_match_string(const struct device_node *node, const char *name, const char *string)
{
	int length;
	const char *list = of_get_property(node, name, &length);
	size_t left, size;

	if (!list)
		return -EINVAL;
	left = (size_t)length;
	for (int i = 0; left; list += size, left -= size, i++) {
		size = string_size(list, left);
		if (!size)
			return -EILSEQ;
		if (!berth_strcmp(list, string))
			return i;
	}
	return -ENODATA;
}
