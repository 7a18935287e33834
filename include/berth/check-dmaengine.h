/* SPDX-License-Identifier: BSD-2-Clause */
/* dmaengine clients that are built with BERTH_CHECKED; included by dmaengine.h. See check-dma.h. */
#ifndef BERTH_CHECK_DMAENGINE_H
#define BERTH_CHECK_DMAENGINE_H

#include <berth/dmaengine.h>
#include <berth/gfp.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct dma_async_tx_descriptor *berth_checked_prep_memcpy(struct dma_chan *chan, dma_addr_t dst,
							  dma_addr_t src, size_t len,
							  unsigned long flags);
struct dma_async_tx_descriptor *berth_checked_prep_memset(struct dma_chan *chan, dma_addr_t dest,
							  int value, size_t len,
							  unsigned long flags);
struct dma_async_tx_descriptor *berth_checked_prep_xor(struct dma_chan *chan, dma_addr_t dst,
						       dma_addr_t *src, unsigned int src_cnt,
						       size_t len, unsigned long flags);
struct dma_async_tx_descriptor *berth_checked_prep_xor_val(struct dma_chan *chan, dma_addr_t *src,
							   unsigned int src_cnt, size_t len,
							   enum sum_check_flags *result,
							   unsigned long flags);
struct dma_async_tx_descriptor *berth_checked_prep_pq(struct dma_chan *chan, dma_addr_t *dst,
						      dma_addr_t *src, unsigned int src_cnt,
						      const unsigned char *scf, size_t len,
						      unsigned long flags);
struct dma_async_tx_descriptor *
berth_checked_prep_slave_sg(struct dma_chan *chan, struct scatterlist *sgl, unsigned int sg_len,
			    enum dma_transfer_direction dir, unsigned long flags);
struct dma_async_tx_descriptor *berth_checked_prep_slave_single(struct dma_chan *chan,
								dma_addr_t buf, size_t len,
								enum dma_transfer_direction dir,
								unsigned long flags);
struct dma_async_tx_descriptor *
berth_checked_prep_cyclic(struct dma_chan *chan, dma_addr_t buf_addr, size_t buf_len,
			  size_t period_len, enum dma_transfer_direction dir, unsigned long flags);
dma_cookie_t berth_checked_submit(struct dma_async_tx_descriptor *desc);
int berth_checked_terminate_async(struct dma_chan *chan);
void berth_checked_synchronize(struct dma_chan *chan);
int berth_checked_terminate_sync(struct dma_chan *chan);
int berth_checked_desc_free(struct dma_async_tx_descriptor *desc);
void berth_checked_release_channel(struct dma_chan *chan);
struct dmaengine_unmap_data *berth_checked_get_unmap_data(struct device *dev, int nr, gfp_t flags);

struct dma_async_tx_descriptor *berth_checked_prep_interrupt(struct dma_chan *chan,
							     unsigned long flags);
struct dma_async_tx_descriptor *
berth_checked_prep_interleaved(struct dma_chan *chan, const struct dma_interleaved_template *xt,
			       unsigned long flags);

BERTH_END_DECLS

#ifdef BERTH_CHECKED
#define berth_dmaengine_prep_dma_memcpy berth_checked_prep_memcpy
#define berth_dmaengine_prep_dma_memset berth_checked_prep_memset
#define berth_dmaengine_prep_dma_xor berth_checked_prep_xor
#define berth_dmaengine_prep_dma_xor_val berth_checked_prep_xor_val
#define berth_dmaengine_prep_dma_pq berth_checked_prep_pq
#define berth_dmaengine_prep_slave_sg berth_checked_prep_slave_sg
#define berth_dmaengine_prep_slave_single berth_checked_prep_slave_single
#define berth_dmaengine_prep_dma_cyclic berth_checked_prep_cyclic
#define berth_dmaengine_prep_dma_interrupt berth_checked_prep_interrupt
#define berth_dmaengine_prep_interleaved_dma berth_checked_prep_interleaved
#define berth_dmaengine_submit berth_checked_submit
#define berth_dmaengine_terminate_async berth_checked_terminate_async
#define berth_dmaengine_synchronize berth_checked_synchronize
#define berth_dmaengine_terminate_sync berth_checked_terminate_sync
#define berth_dmaengine_desc_free berth_checked_desc_free
#define berth_dma_release_channel berth_checked_release_channel
#define berth_dmaengine_get_unmap_data berth_checked_get_unmap_data
#endif

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
