/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: dma-buf - one buffer, shared by devices and processes (linux/dma-buf.h)
 *
 * An exporter owns the memory; importers attach their devices and map it. Meaning:
 * Documentation/driver-api/dma-buf.rst, and include/uapi/linux/dma-buf.h for what user space sees.
 * A hosted <linux/dma-buf.h> may be included as well. docs/dma-buf.md is the guide.
 *
 * The lock of a buffer is its reservation's (dma_buf->resv): functions that take it are called
 * *_unlocked, the others want it held, as in Linux from 6.2 on. Of an exporter's operations attach, detach, mmap, release
 * and those of CPU access are called without it, the others with it.
 */
#ifndef BERTH_DMA_BUF_H
#define BERTH_DMA_BUF_H

#include <berth/dma-direction.h>
#include <berth/dma-fence.h>
#include <berth/dma-resv.h>
#include <berth/fs.h>
#include <berth/list.h>
#include <berth/scatterlist.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct device;
struct dma_buf;
struct dma_buf_attachment;

/* The flags of DMA_BUF_IOCTL_SYNC: who touches the bytes (READ, WRITE), and when. */
#ifndef DMA_BUF_SYNC_READ
#define DMA_BUF_SYNC_READ (1 << 0)
#endif
#ifndef DMA_BUF_SYNC_WRITE
#define DMA_BUF_SYNC_WRITE (2 << 0)
#endif
#ifndef DMA_BUF_SYNC_RW
#define DMA_BUF_SYNC_RW (DMA_BUF_SYNC_READ | DMA_BUF_SYNC_WRITE)
#endif
#ifndef DMA_BUF_SYNC_START
#define DMA_BUF_SYNC_START (0 << 2)
#endif
#ifndef DMA_BUF_SYNC_END
#define DMA_BUF_SYNC_END (1 << 2)
#endif
#ifndef DMA_BUF_SYNC_VALID_FLAGS_MASK
#define DMA_BUF_SYNC_VALID_FLAGS_MASK (DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END)
#endif

/* Bytes of a buffer's name, the end mark included. */
#ifndef DMA_BUF_NAME_LEN
#define DMA_BUF_NAME_LEN 32
#endif

/* Requests of ioctl(); the numbers of <linux/dma-buf.h>, whose struct dma_buf_sync is one 64-bit word. */
#define BERTH_DMA_BUF_IOCTL_SYNC 0x40086200u
#define BERTH_DMA_BUF_SET_NAME 0x40086201u
#define BERTH_DMA_BUF_IOCTL_EXPORT_SYNC_FILE 0xc0086202u
#define BERTH_DMA_BUF_IOCTL_IMPORT_SYNC_FILE 0x40086203u

/**
 * struct berth_dma_buf_export_sync_file - a sync file (berth/sync_file.h) of what is to be waited for
 * @flags: DMA_BUF_SYNC_READ: before one reads; DMA_BUF_SYNC_WRITE: before one writes
 * @fd: out: its number
 */
struct berth_dma_buf_export_sync_file {
	uint32_t flags;
	int32_t fd;
};

/**
 * struct berth_dma_buf_import_sync_file - let others wait for the fences of a sync file
 * @flags: DMA_BUF_SYNC_READ: writers wait; DMA_BUF_SYNC_WRITE: everybody does
 * @fd: its number
 */
struct berth_dma_buf_import_sync_file {
	uint32_t flags;
	int32_t fd;
};

/**
 * struct iosys_map - where the CPU sees something (linux/iosys-map.h)
 * @vaddr: its address; of I/O memory the cookie
 * @is_iomem: it is I/O memory
 */
struct iosys_map {
	void *vaddr;
	bool is_iomem;
};

/**
 * struct dma_buf_ops - what an exporter does
 * @cache_sgt_mapping: what map_dma_buf() returns is kept until the device detaches
 * @attach: a device wants to use the buffer: -EINVAL (with the reason) if it never can. Optional
 * @detach: undo it. Optional
 * @pin: the memory stays where it is, and is there; with @unpin or not at all
 * @unpin: it may move again
 * @map_dma_buf: a table of what the device is to be told; an ERR_PTR() if that is not possible. Sleeps
 * @unmap_dma_buf: take it back
 * @release: the last reference has gone
 * @begin_cpu_access: the CPU is about to read (DMA_FROM_DEVICE), write (DMA_TO_DEVICE) or both. Optional
 * @end_cpu_access: it has. Optional
 * @begin_cpu_access_partial: of a part; without it all of the buffer is meant. Optional
 * @end_cpu_access_partial: likewise
 * @begin_access: a device that has the buffer mapped is about to use it; see berth_dma_buf_begin_access(). Optional
 * @end_access: it has
 * @mmap: show the buffer, from page vm_pgoff on, in the area. Optional
 * @vmap: an address at which the CPU sees all of it. Optional
 * @vunmap: no more. Optional
 *
 * @map_dma_buf, @unmap_dma_buf and @release must be there.
 */
struct dma_buf_ops {
	bool cache_sgt_mapping;
	int (*attach)(struct dma_buf *dmabuf, struct dma_buf_attachment *attach);
	void (*detach)(struct dma_buf *dmabuf, struct dma_buf_attachment *attach);
	int (*pin)(struct dma_buf_attachment *attach);
	void (*unpin)(struct dma_buf_attachment *attach);
	struct sg_table *(*map_dma_buf)(struct dma_buf_attachment *attach,
					enum dma_data_direction dir);
	void (*unmap_dma_buf)(struct dma_buf_attachment *attach, struct sg_table *sgt,
			      enum dma_data_direction dir);
	void (*release)(struct dma_buf *dmabuf);
	int (*begin_cpu_access)(struct dma_buf *dmabuf, enum dma_data_direction dir);
	int (*end_cpu_access)(struct dma_buf *dmabuf, enum dma_data_direction dir);
	int (*begin_cpu_access_partial)(struct dma_buf *dmabuf, enum dma_data_direction dir,
					size_t offset, size_t len);
	int (*end_cpu_access_partial)(struct dma_buf *dmabuf, enum dma_data_direction dir,
				      size_t offset, size_t len);
	int (*begin_access)(struct dma_buf_attachment *attach, enum dma_data_direction dir);
	int (*end_access)(struct dma_buf_attachment *attach);
	int (*mmap)(struct dma_buf *dmabuf, struct vm_area_struct *vma);
	int (*vmap)(struct dma_buf *dmabuf, struct iosys_map *map);
	void (*vunmap)(struct dma_buf *dmabuf, struct iosys_map *map);
};

/**
 * struct berth_dma_buf_stats - what sharing has cost so far
 * @cleans: cache maintenance: runs of memory that were cleaned
 * @invalidates: runs that were invalidated
 * @copies: bytes that the CPU has copied: for a device that uses bounce buffers, or to move the buffer
 * @moves: how often it has moved
 */
struct berth_dma_buf_stats {
	uint64_t cleans;
	uint64_t invalidates;
	uint64_t copies;
	uint64_t moves;
};

/* Private: the fence that tells who polls; with the reservation's lock but for @is_set. */
struct berth_dma_buf_watch {
	struct dma_fence_cb cb;
	struct dma_fence *fence;
	struct dma_buf *dmabuf;
	bool is_set;
};

/**
 * struct dma_buf - a buffer
 * @size: bytes
 * @file: a reference of which is a reference of the buffer
 * @attachments: devices; with the reservation's lock
 * @ops: the exporter's
 * @vmapping_counter: users of @vmap_ptr; with the lock
 * @vmap_ptr: where the CPU sees it, while the counter is not 0
 * @exp_name: who exports
 * @name: what its users call it, "" if nothing
 * @priv: the exporter's own
 * @resv: its fences, and its lock
 * @is_revoked: private: berth_dma_buf_revoke()
 * @own_resv: private: that reservation, if the exporter gave none
 * @poll_queue: private
 * @watch: private
 * @stats: private; see berth_dma_buf_get_stats()
 */
struct dma_buf {
	size_t size;
	struct file *file;
	struct list_head attachments;
	const struct dma_buf_ops *ops;
	unsigned int vmapping_counter;
	struct iosys_map vmap_ptr;
	const char *exp_name;
	char name[DMA_BUF_NAME_LEN];
	void *priv;
	struct dma_resv *resv;
	bool is_revoked;
	struct dma_resv own_resv;
	struct wait_queue_head poll_queue;
	struct berth_dma_buf_watch watch[2];
	struct berth_dma_buf_stats stats;
};

/**
 * struct dma_buf_attach_ops - an importer that lets the exporter move the buffer
 * @allow_peer2peer: its device reaches memory that has no struct page
 * @move_notify: the buffer is about to move. Called with the reservation locked. On return the device
 *	has stopped and the importer has unmapped the attachment (dma_buf_unmap_attachment()); it maps
 *	it again later. A buffer of an importer that does not unmap stays where it is
 */
struct dma_buf_attach_ops {
	bool allow_peer2peer;
	void (*move_notify)(struct dma_buf_attachment *attach);
};

/**
 * struct dma_buf_attachment - a device that uses a buffer
 * @dmabuf: the buffer
 * @dev: the device
 * @node: in the buffer's list
 * @sgt: the kept table (cache_sgt_mapping)
 * @dir: of @sgt
 * @peer2peer: as in @importer_ops
 * @importer_ops: NULL: a static importer
 * @importer_priv: the importer's own
 * @priv: the exporter's own
 * @mapped: private: mappings that are not given back
 */
struct dma_buf_attachment {
	struct dma_buf *dmabuf;
	struct device *dev;
	struct list_head node;
	struct sg_table *sgt;
	enum dma_data_direction dir;
	bool peer2peer;
	const struct dma_buf_attach_ops *importer_ops;
	void *importer_priv;
	void *priv;
	unsigned int mapped;
};

/**
 * struct dma_buf_export_info - how a buffer is exported
 * @exp_name: the exporter's name; stays valid
 * @ops: its operations
 * @size: bytes
 * @flags: BERTH_O_RDWR or what the file is opened with
 * @resv: a reservation of the exporter's own, or NULL
 * @priv: the exporter's own
 */
struct dma_buf_export_info {
	const char *exp_name;
	const struct dma_buf_ops *ops;
	size_t size;
	unsigned int flags;
	struct dma_resv *resv;
	void *priv;
};

#define DEFINE_DMA_BUF_EXPORT_INFO(name) struct dma_buf_export_info name = { .exp_name = "berth" }

/* References and names. */

/**
 * dma_buf_export() - make a buffer that devices can share
 *
 * May sleep. Return: the buffer with one reference, the caller's; an ERR_PTR(): -EINVAL (ARGUMENT: size 0, an
 * operation missing, only one of pin and unpin), -ENOMEM. Then @priv is still the caller's.
 */
struct dma_buf *dma_buf_export(const struct dma_buf_export_info *info);

/** get_dma_buf() - one more reference. Any context. */
static inline void get_dma_buf(struct dma_buf *dmabuf)
{
	get_file(dmabuf->file);
}

/** dma_buf_put() - one reference less; with the last one the exporter's release() is called. May sleep. */
void dma_buf_put(struct dma_buf *dmabuf);

/**
 * dma_buf_fd() - a number for the buffer, in berth's table of files
 * @flags: 0
 *
 * The caller's reference becomes the number's, until close_fd(). May sleep. Return: the number, or -ENOMEM with the
 * reference still the caller's.
 */
int dma_buf_fd(struct dma_buf *dmabuf, unsigned int flags);

/**
 * dma_buf_get() - the buffer of a number
 *
 * Any context. Return: the buffer with a reference of the caller's; an ERR_PTR(): -EBADF for no file, -EINVAL for a
 * file that is no buffer (ARGUMENT).
 */
struct dma_buf *dma_buf_get(int fd);

/** berth_dma_buf_of_file() - the buffer that a file is, or NULL. Takes no reference. Any context. */
struct dma_buf *berth_dma_buf_of_file(const struct file *file);

/** berth_dma_buf_set_name() - what its users call it; cut to DMA_BUF_NAME_LEN. Takes the lock, sleeps. */
void berth_dma_buf_set_name(struct dma_buf *dmabuf, const char *name);

/** berth_dma_buf_get_stats() - what sharing has cost so far. Takes the lock, sleeps. */
void berth_dma_buf_get_stats(struct dma_buf *dmabuf, struct berth_dma_buf_stats *stats);

/* Devices. */

/**
 * dma_buf_attach() - a device is going to use the buffer
 * @dmabuf: the buffer; the attachment has a reference of its own
 * @dev: the device, which stays until it is detached
 *
 * The importer is static: its mapping does not move. Takes the lock, sleeps. Return: the attachment, until
 * dma_buf_detach(); an ERR_PTR(): what the exporter says, with a reason, -ENOMEM, -EINVAL.
 */
struct dma_buf_attachment *dma_buf_attach(struct dma_buf *dmabuf, struct device *dev);

/** dma_buf_dynamic_attach() - the same for an importer that has @importer_ops; NULL: a static one */
struct dma_buf_attachment *dma_buf_dynamic_attach(struct dma_buf *dmabuf, struct device *dev,
						  const struct dma_buf_attach_ops *importer_ops,
						  void *importer_priv);

/**
 * dma_buf_detach() - the device does not use it any more. Takes the lock, sleeps.
 *
 * What a heap's buffer has mapped for it is unmapped. Other exporters want that done before.
 */
void dma_buf_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach);

/** dma_buf_attachment_is_dynamic() - whether the importer can be told to let go */
static inline bool dma_buf_attachment_is_dynamic(const struct dma_buf_attachment *attach)
{
	return attach->importer_ops != NULL;
}

/** dma_buf_is_dynamic() - whether the exporter moves the buffer unless it is pinned */
static inline bool dma_buf_is_dynamic(const struct dma_buf *dmabuf)
{
	return dmabuf->ops->pin != NULL;
}

/**
 * dma_buf_pin() - the buffer stays where it is until dma_buf_unpin()
 * @attach: of a dynamic importer
 *
 * With the lock, sleeps. Return: 0, or what the exporter says.
 */
int BERTH_MUST_CHECK dma_buf_pin(struct dma_buf_attachment *attach);

/** dma_buf_unpin() - undo one dma_buf_pin(). With the lock. */
void dma_buf_unpin(struct dma_buf_attachment *attach);

/**
 * dma_buf_map_attachment() - what the device is to be told
 * @attach: the attachment
 * @dir: what it does: DMA_TO_DEVICE reads, DMA_FROM_DEVICE writes
 *
 * Memory is allocated at the first one. From now on the device has access, until it is unmapped or
 * berth_dma_buf_end_access(); it does not wait for fences: the importer does. With the lock, sleeps. Return: a table
 * mapped for the device, which the importer does not change, until dma_buf_unmap_attachment(); an ERR_PTR() with the
 * reason: -EINVAL (no memory fits all devices), -EBUSY (the buffer would have to move, and somebody holds it; or it
 * is mapped with another direction), -ENOMEM.
 */
struct sg_table *dma_buf_map_attachment(struct dma_buf_attachment *attach,
					enum dma_data_direction dir);

/** dma_buf_unmap_attachment() - the device is done. With the lock. */
void dma_buf_unmap_attachment(struct dma_buf_attachment *attach, struct sg_table *sgt,
			      enum dma_data_direction dir);

/** dma_buf_map_attachment_unlocked() - dma_buf_map_attachment() by one who has not locked */
struct sg_table *dma_buf_map_attachment_unlocked(struct dma_buf_attachment *attach,
						 enum dma_data_direction dir);

/** dma_buf_unmap_attachment_unlocked() - dma_buf_unmap_attachment() by one who has not locked */
void dma_buf_unmap_attachment_unlocked(struct dma_buf_attachment *attach, struct sg_table *sgt,
				       enum dma_data_direction dir);

/**
 * dma_buf_move_notify() - an exporter is about to move the buffer: dynamic importers unmap. With the lock.
 *
 * See struct dma_buf_attach_ops. Sleeps.
 */
void dma_buf_move_notify(struct dma_buf *dmabuf);

/**
 * berth_dma_buf_revoke() - an exporter takes its buffer back: the memory behind it is about to go
 *
 * Dynamic importers are told to unmap (move_notify()). From now on nobody attaches, maps, pins or looks at it: -ENODEV
 * (STATE). The operations stay valid up to release(): importers still unmap and detach. Of those that are
 * called without the lock some may be running; they take it, so that they come before or find what they need gone. Takes
 * the lock, sleeps. Return: 0: no device and no vmap() has it any more; -EBUSY with the holder: a static importer has it
 * mapped, or the CPU: to be called again once that is done.
 */
int berth_dma_buf_revoke(struct dma_buf *dmabuf);

/**
 * berth_dma_buf_begin_access() - a device that keeps its mapping uses the buffer again
 * @attach: mapped
 * @dir: what it is going to do
 *
 * For mappings that live longer than one use: with this call and berth_dma_buf_end_access() around each use no
 * cache maintenance is left out, and none is done that is not needed. After dma_buf_map_attachment() the device has
 * access already. Takes the lock, sleeps. Return: 0; -EINVAL if nothing is mapped (STATE), or not in that direction
 * (ARGUMENT).
 */
int BERTH_MUST_CHECK berth_dma_buf_begin_access(struct dma_buf_attachment *attach,
						enum dma_data_direction dir);

/** berth_dma_buf_end_access() - the device does not use it now. Takes the lock, sleeps. 0 or -EINVAL. */
int berth_dma_buf_end_access(struct dma_buf_attachment *attach);

/* The CPU. */

/**
 * dma_buf_begin_cpu_access() - the CPU is about to use the bytes
 * @dmabuf: the buffer
 * @dir: DMA_FROM_DEVICE to read, DMA_TO_DEVICE to write, DMA_BIDIRECTIONAL for both
 *
 * Waits for the fences of those who write, and for those who read as well if the CPU is going to write.
 * Takes the lock, sleeps. Return: 0, a negative errno value of the exporter's; -EINVAL for no direction.
 */
int BERTH_MUST_CHECK dma_buf_begin_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction dir);

/** dma_buf_end_cpu_access() - it has used them; @dir as at the beginning. Takes the lock, sleeps. */
int dma_buf_end_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction dir);

/**
 * dma_buf_begin_cpu_access_partial() - the same for a part
 * @offset: first byte
 * @len: bytes
 *
 * What is known of a buffer is known by page. Return: as dma_buf_begin_cpu_access(); -EINVAL for what lies outside.
 */
int BERTH_MUST_CHECK dma_buf_begin_cpu_access_partial(struct dma_buf *dmabuf,
						      enum dma_data_direction dir, size_t offset,
						      size_t len);

/** dma_buf_end_cpu_access_partial() - of the part that was begun */
int dma_buf_end_cpu_access_partial(struct dma_buf *dmabuf, enum dma_data_direction dir,
				   size_t offset, size_t len);

/**
 * dma_buf_mmap() - show the buffer to a program
 * @vma: where; nothing is shown there. The area holds the buffer until berth_vma_release()
 * @pgoff: first page of the buffer
 *
 * May sleep. Return: 0; -EINVAL: no such thing, or beyond the buffer (ARGUMENT); what the exporter says.
 */
int BERTH_MUST_CHECK dma_buf_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma,
				  unsigned long pgoff);

/**
 * dma_buf_vmap() - an address at which the CPU sees the buffer
 * @map: filled in
 *
 * The buffer does not move meanwhile. With the lock, sleeps. Return: 0; -EINVAL: no such thing; what the exporter says.
 */
int BERTH_MUST_CHECK dma_buf_vmap(struct dma_buf *dmabuf, struct iosys_map *map);

/** dma_buf_vunmap() - undo one dma_buf_vmap(). With the lock. */
void dma_buf_vunmap(struct dma_buf *dmabuf, struct iosys_map *map);

/** dma_buf_vmap_unlocked() - dma_buf_vmap() by one who has not locked */
int BERTH_MUST_CHECK dma_buf_vmap_unlocked(struct dma_buf *dmabuf, struct iosys_map *map);

/** dma_buf_vunmap_unlocked() - dma_buf_vunmap() by one who has not locked */
void dma_buf_vunmap_unlocked(struct dma_buf *dmabuf, struct iosys_map *map);

BERTH_END_DECLS

#ifdef BERTH_CHECKED
#include <berth/check-dma-buf.h>
#endif

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
