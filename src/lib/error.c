/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/port.h>

#include "lib/error.h"
#include "lib/printk.h"
#include "lib/string.h"

struct berth_error *berth_error_set(int code, enum berth_reason reason, const char *subject)
{
	struct berth_error *error = berth_port_error();

	memset(error, 0, sizeof(*error));
	error->code = code;
	error->reason = reason;
	if (subject)
		berth_strlcpy(error->subject, subject, sizeof(error->subject));
	return error;
}

const struct berth_error *berth_last_error(void)
{
	return berth_port_error();
}

int berth_set_error(const char *subject, int code, enum berth_reason reason, uint64_t address,
		    uint64_t length)
{
	struct berth_error *error = berth_error_set(code, reason, subject);

	error->address = address;
	error->length = length;
	return code;
}

void berth_clear_error(void)
{
	memset(berth_port_error(), 0, sizeof(struct berth_error));
}

static const struct {
	int code;
	const char *name;
} error_names[] = {
	{ EPERM, "EPERM" },
	{ ENOENT, "ENOENT" },
	{ EINTR, "EINTR" },
	{ EIO, "EIO" },
	{ ENXIO, "ENXIO" },
	{ E2BIG, "E2BIG" },
	{ EBADF, "EBADF" },
	{ EAGAIN, "EAGAIN" },
	{ ENOMEM, "ENOMEM" },
	{ EACCES, "EACCES" },
	{ EFAULT, "EFAULT" },
	{ EBUSY, "EBUSY" },
	{ EEXIST, "EEXIST" },
	{ ENODEV, "ENODEV" },
	{ EINVAL, "EINVAL" },
	{ ENOTTY, "ENOTTY" },
	{ EFBIG, "EFBIG" },
	{ ENOSPC, "ENOSPC" },
	{ ERANGE, "ERANGE" },
	{ EDEADLK, "EDEADLK" },
	{ ENOSYS, "ENOSYS" },
	{ ENODATA, "ENODATA" },
	{ ETIME, "ETIME" },
	{ EOVERFLOW, "EOVERFLOW" },
	{ EILSEQ, "EILSEQ" },
	{ EOPNOTSUPP, "EOPNOTSUPP" },
	{ ETIMEDOUT, "ETIMEDOUT" },
	{ EALREADY, "EALREADY" },
	{ EREMOTEIO, "EREMOTEIO" },
	{ ERESTARTSYS, "ERESTARTSYS" },
	{ EPROBE_DEFER, "EPROBE_DEFER" },
};

const char *berth_error_name(int code)
{
	unsigned int positive = code < 0 ? 0u - (unsigned int)code : (unsigned int)code;

	for (size_t i = 0; i < ARRAY_SIZE(error_names); i++)
		if ((unsigned int)error_names[i].code == positive)
			return error_names[i].name;
	return "E?";
}

typedef unsigned long long ull;

static int text_memory(const struct berth_error *e, char *text, size_t size)
{
	switch (e->reason) {
	case BERTH_REASON_RESERVED:
		if (!e->length)
			return berth_snprintf(text, size, "%s: no contiguous area for the device",
					      e->subject);
		return berth_snprintf(text, size,
				      "the reservation %s of %#llx bytes at %#llx does not fit",
				      e->subject, (ull)e->length, (ull)e->address);
	case BERTH_REASON_TABLE_FULL:
		return berth_snprintf(text, size, "the table of %s is full (%llu entries)",
				      e->subject, (ull)e->limit);
	case BERTH_REASON_OUT_OF_MEMORY:
		return berth_snprintf(text, size, "%s: no free block of %llu bytes (%llu are free)",
				      e->subject, (ull)e->length, (ull)e->limit);
	case BERTH_REASON_TOO_LARGE:
		return berth_snprintf(
			text, size,
			"%s gives at most %llu bytes, %llu were asked for; "
			"alloc_pages(), dma_alloc_coherent() and cma_alloc() give more",
			e->subject, (ull)e->limit, (ull)e->length);
	case BERTH_REASON_NOT_OWNED:
		return berth_snprintf(text, size, "%s: %#llx (page %#llx) was not handed out",
				      e->subject, (ull)e->address, (ull)e->pfn);
	case BERTH_REASON_PAGE_BUSY:
		return berth_snprintf(text, size, "%s: page %#llx is in use by %s since %llu ns",
				      e->subject, (ull)e->pfn,
				      e->holder[0] ? e->holder : "somebody", (ull)e->since_ns);
	case BERTH_REASON_AREA_FULL:
		return berth_snprintf(text, size,
				      "%s: no free run of %llu bytes, the longest has %llu",
				      e->subject, (ull)e->length, (ull)e->limit);
	case BERTH_REASON_NO_ROOM:
		return berth_snprintf(
			text, size,
			"%s: %llu bytes are in the way and only %llu have room elsewhere",
			e->subject, (ull)e->length, (ull)e->limit);
	case BERTH_REASON_LEAK:
		return berth_snprintf(text, size, "%s: %llu bytes were still in use", e->subject,
				      (ull)e->length);
	default:
		return -1;
	}
}

static int text_device(const struct berth_error *e, char *text, size_t size)
{
	switch (e->reason) {
	case BERTH_REASON_NO_MASK:
		return berth_snprintf(text, size, "%s has no DMA mask: it does no DMA", e->subject);
	case BERTH_REASON_MASK:
		return berth_snprintf(text, size, "%s cannot address %#llx, its limit is %#llx",
				      e->subject, (ull)e->address, (ull)e->limit);
	case BERTH_REASON_WINDOW:
		return berth_snprintf(text, size,
				      "%#llx (%llu bytes) is outside every bus window of %s",
				      (ull)e->address, (ull)e->length, e->subject);
	case BERTH_REASON_NOT_LINEAR:
		return berth_snprintf(text, size,
				      "%s: %#llx is not memory that a device may be given: use "
				      "kmalloc() or alloc_pages(), or vmalloc_to_page() or "
				      "pin_user_pages() and a scatterlist",
				      e->subject, (ull)e->address);
	case BERTH_REASON_MAPPING:
		if (e->limit)
			return berth_snprintf(text, size,
					      "%s: %#llx (%llu bytes): the limit is %llu",
					      e->subject, (ull)e->address, (ull)e->length,
					      (ull)e->limit);
		return berth_snprintf(text, size, "%s: %#llx (%llu bytes) cannot be mapped so",
				      e->subject, (ull)e->address, (ull)e->length);
	case BERTH_REASON_NO_DEVICE:
		return berth_snprintf(text, size, "%s: nothing answers at %#llx", e->subject,
				      (ull)e->address);
	case BERTH_REASON_IRQ:
		return berth_snprintf(text, size, "interrupt %llu cannot be had for %s%s%s",
				      (ull)e->address, e->subject,
				      e->holder[0] ? ": it belongs to " : "", e->holder);
	case BERTH_REASON_DRIVER:
		return berth_snprintf(text, size, "%s: probe by %s failed: %s", e->subject,
				      e->holder, berth_error_name(e->code));
	case BERTH_REASON_IO:
		if (!e->length)
			return berth_snprintf(text, size, "%s failed: %s", e->subject,
					      berth_error_name(e->code));
		return berth_snprintf(text, size, "%s: %llu bytes at %#llx: %s", e->subject,
				      (ull)e->length, (ull)e->address, berth_error_name(e->code));
	case BERTH_REASON_BUS_ERROR:
		return berth_snprintf(text, size, "%s: bus error at %#llx (%llu bytes)", e->subject,
				      (ull)e->address, (ull)e->length);
	default:
		return -1;
	}
}

static int text_mapping(const struct berth_error *e, char *text, size_t size)
{
	switch (e->reason) {
	case BERTH_REASON_BOUNCE_FULL:
		return berth_snprintf(text, size,
				      "%s does not reach %#llx, and no bounce buffer of %llu bytes "
				      "is free",
				      e->subject, (ull)e->address, (ull)e->length);
	case BERTH_REASON_BOUNCE_SIZE:
		return berth_snprintf(text, size,
				      "%s does not reach %#llx, and a bounce buffer has at most "
				      "%llu bytes, not %llu",
				      e->subject, (ull)e->address, (ull)e->limit, (ull)e->length);
	case BERTH_REASON_SEGMENT:
		return berth_snprintf(text, size,
				      "%s takes segments of at most %llu bytes: %#llx has %llu",
				      e->subject, (ull)e->limit, (ull)e->address, (ull)e->length);
	case BERTH_REASON_SEGMENTS:
		return berth_snprintf(text, size, "%s takes at most %llu pieces: these are %llu",
				      e->subject, (ull)e->limit, (ull)e->length);
	case BERTH_REASON_UNMAP:
		return berth_snprintf(text, size,
				      "%s: %#llx was not mapped like this: %llu bytes were, not "
				      "%llu, or in another direction",
				      e->subject, (ull)e->address, (ull)e->limit, (ull)e->length);
	default:
		return -1;
	}
}

static int text_engine(const struct berth_error *e, char *text, size_t size)
{
	switch (e->reason) {
	case BERTH_REASON_CAPABILITY:
		return berth_snprintf(text, size, "%s cannot do this: %s", e->subject, e->holder);
	case BERTH_REASON_ALIGNMENT:
		return berth_snprintf(text, size, "%s: %#llx is not a multiple of %llu", e->subject,
				      (ull)e->address, (ull)e->limit);
	case BERTH_REASON_NO_CHANNEL:
		return berth_snprintf(text, size, "%s: there is no DMA channel \"%s\"", e->subject,
				      e->holder);
	case BERTH_REASON_CHANNEL_BUSY:
		return berth_snprintf(text, size, "%s is taken by %s", e->subject, e->holder);
	case BERTH_REASON_TRANSFER:
		return berth_snprintf(text, size, "%s: transfer %llu failed", e->subject,
				      (ull)e->address);
	case BERTH_REASON_TIMEOUT:
		return berth_snprintf(text, size, "%s: %llu did not end within %llu ms", e->subject,
				      (ull)e->address, (ull)e->limit);
	default:
		return -1;
	}
}

static int text_start(const struct berth_error *e, char *text, size_t size)
{
	switch (e->reason) {
	case BERTH_REASON_NONE:
		return berth_snprintf(text, size, "no error");
	case BERTH_REASON_ARGUMENT:
		return berth_snprintf(text, size, "%s: %#llx is not a legal argument", e->subject,
				      (ull)e->address);
	case BERTH_REASON_ABI:
		return berth_snprintf(
			text, size, "built against another berth: ABI %#llx, the library has %#llx",
			(ull)e->address, (ull)e->limit);
	case BERTH_REASON_STATE:
		return berth_snprintf(text, size, "%s", e->subject);
	case BERTH_REASON_TREE:
		return berth_snprintf(text, size, "device tree: %s: damaged (at %#llx)", e->subject,
				      (ull)e->address);
	case BERTH_REASON_NO_MEMORY_NODE:
		return berth_snprintf(text, size, "device tree: %s: no memory is described",
				      e->subject);
	case BERTH_REASON_MACHINE:
		return berth_snprintf(text, size, "the machine is gone: %s", e->subject);
	case BERTH_REASON_NO_IOMMU:
		return berth_snprintf(text, size, "%s is behind no IOMMU that is driven",
				      e->subject);
	case BERTH_REASON_OWNED:
		return berth_snprintf(text, size, "%s: what it sees is somebody else's to decide",
				      e->subject);
	case BERTH_REASON_GROUP:
		return berth_snprintf(text, size, "%s: its IOMMU cannot tell it from %s",
				      e->subject, e->holder);
	case BERTH_REASON_IOMMU:
		return berth_snprintf(text, size, "%s: its IOMMU %s does not work", e->subject,
				      e->holder);
	case BERTH_REASON_COMMAND:
		return berth_snprintf(text, size, "%s: the hardware refused command %#llx",
				      e->subject, (ull)e->address);
	case BERTH_REASON_NEVER:
		return berth_snprintf(text, size, "%s: nothing is left that could end this wait",
				      e->subject);
	case BERTH_REASON_FILE:
		return berth_snprintf(text, size, "%s: %s (%s)", e->subject, e->holder,
				      berth_error_name(e->code));
	default:
		return berth_snprintf(text, size, "%s: %s", e->subject, berth_error_name(e->code));
	}
}

size_t berth_error_text(const struct berth_error *error, char *text, size_t size)
{
	const struct berth_error *e = error ? error : berth_port_error();
	int length = text_memory(e, text, size);

	if (length < 0)
		length = text_device(e, text, size);
	if (length < 0)
		length = text_mapping(e, text, size);
	if (length < 0)
		length = text_engine(e, text, size);
	if (length < 0)
		length = text_start(e, text, size);
	return (size_t)length;
}
