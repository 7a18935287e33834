/* SPDX-License-Identifier: BSD-2-Clause */
/* dma-buf of a program that is built with BERTH_CHECKED; included by dma-buf.h. See check-dma.h. */
#ifndef BERTH_CHECK_DMA_BUF_H
#define BERTH_CHECK_DMA_BUF_H

#include <berth/dma-buf.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

void berth_checked_buf_put(struct dma_buf *dmabuf);
void berth_checked_buf_get_ref(struct dma_buf *dmabuf);
int berth_checked_buf_fd(struct dma_buf *dmabuf, unsigned int flags);
struct dma_buf_attachment *
berth_checked_buf_dynamic_attach(struct dma_buf *dmabuf, struct device *dev,
				 const struct dma_buf_attach_ops *importer_ops,
				 void *importer_priv);
struct dma_buf_attachment *berth_checked_buf_attach(struct dma_buf *dmabuf, struct device *dev);
void berth_checked_buf_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach);
struct sg_table *berth_checked_buf_map(struct dma_buf_attachment *attach,
				       enum dma_data_direction dir);
struct sg_table *berth_checked_buf_map_unlocked(struct dma_buf_attachment *attach,
						enum dma_data_direction dir);
void berth_checked_buf_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
			     enum dma_data_direction dir);
void berth_checked_buf_unmap_unlocked(struct dma_buf_attachment *attach, struct sg_table *sgt,
				      enum dma_data_direction dir);
int BERTH_MUST_CHECK berth_checked_buf_begin(struct dma_buf *dmabuf, enum dma_data_direction dir);
int berth_checked_buf_end(struct dma_buf *dmabuf, enum dma_data_direction dir);
int BERTH_MUST_CHECK berth_checked_buf_begin_partial(struct dma_buf *dmabuf,
						     enum dma_data_direction dir, size_t offset,
						     size_t len);
int berth_checked_buf_end_partial(struct dma_buf *dmabuf, enum dma_data_direction dir,
				  size_t offset, size_t len);
int BERTH_MUST_CHECK berth_checked_buf_vmap(struct dma_buf *dmabuf, struct iosys_map *map);
int BERTH_MUST_CHECK berth_checked_buf_vmap_unlocked(struct dma_buf *dmabuf, struct iosys_map *map);
void berth_checked_buf_vunmap(struct dma_buf *dmabuf, struct iosys_map *map);
void berth_checked_buf_vunmap_unlocked(struct dma_buf *dmabuf, struct iosys_map *map);

BERTH_END_DECLS

#ifdef BERTH_CHECKED
#define berth_dma_buf_put berth_checked_buf_put
#define berth_get_dma_buf berth_checked_buf_get_ref
#define berth_dma_buf_fd berth_checked_buf_fd
#define berth_dma_buf_dynamic_attach berth_checked_buf_dynamic_attach
#define berth_dma_buf_attach berth_checked_buf_attach
#define berth_dma_buf_detach berth_checked_buf_detach
#define berth_dma_buf_map_attachment berth_checked_buf_map
#define berth_dma_buf_map_attachment_unlocked berth_checked_buf_map_unlocked
#define berth_dma_buf_unmap_attachment berth_checked_buf_unmap
#define berth_dma_buf_unmap_attachment_unlocked berth_checked_buf_unmap_unlocked
#define berth_dma_buf_begin_cpu_access berth_checked_buf_begin
#define berth_dma_buf_end_cpu_access berth_checked_buf_end
#define berth_dma_buf_begin_cpu_access_partial berth_checked_buf_begin_partial
#define berth_dma_buf_end_cpu_access_partial berth_checked_buf_end_partial
#define berth_dma_buf_vmap berth_checked_buf_vmap
#define berth_dma_buf_vmap_unlocked berth_checked_buf_vmap_unlocked
#define berth_dma_buf_vunmap berth_checked_buf_vunmap
#define berth_dma_buf_vunmap_unlocked berth_checked_buf_vunmap_unlocked
#endif

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
