/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the model share links under berth's prefix, as everything in the library. */
#ifndef MODEL_NAMES_H
#define MODEL_NAMES_H

#define cache_after_device_write berth_model_cache_after_device_write
#define cache_before_coherent_read berth_model_cache_before_coherent_read
#define cache_before_coherent_write berth_model_cache_before_coherent_write
#define cache_before_device_read berth_model_cache_before_device_read
#define cache_clean berth_model_cache_clean
#define cache_coherent_write berth_model_cache_coherent_write
#define cache_drop_lines berth_model_cache_drop_lines
#define cache_flush berth_model_cache_flush
#define cache_flush_lines berth_model_cache_flush_lines
#define cache_fresh berth_model_cache_fresh
#define cache_invalidate berth_model_cache_invalidate
#define cache_line_size berth_model_cache_line_size
#define cache_set_chances berth_model_cache_set_chances
#define gic_mask berth_model_gic_mask
#define gic_unmask berth_model_gic_unmask
#define irq_alarm berth_model_irq_alarm
#define irq_deliver berth_model_irq_deliver
#define irq_is_ready berth_model_irq_is_ready
#define media_raise berth_model_media_raise
#define media_read berth_model_media_read
#define media_write berth_model_media_write
#define mmio_map berth_model_mmio_map
#define mmio_read berth_model_mmio_read
#define mmio_start berth_model_mmio_start
#define mmio_stop berth_model_mmio_stop
#define mmio_unmap berth_model_mmio_unmap
#define mmio_write berth_model_mmio_write
#define model_add_type berth_model_add_type
#define model_after berth_model_after
#define model_camera berth_model_camera
#define model_cancel berth_model_cancel
#define model_chance berth_model_chance
#define model_device_types berth_model_device_types
#define model_display berth_model_display
#define model_dma_read berth_model_dma_read
#define model_dma_write berth_model_dma_write
#define model_draw berth_model_draw
#define model_enter berth_model_enter
#define model_find berth_model_find
#define model_irq berth_model_irq
#define model_leave berth_model_leave
#define model_lock berth_model_lock
#define model_mix berth_model_mix
#define model_note berth_model_note
#define model_note_data berth_model_note_data
#define model_now berth_model_now
#define model_oom berth_model_oom
#define model_pdma berth_model_pdma
#define model_random berth_model_random
#define model_type berth_model_type
#define model_unlock berth_model_unlock
#define ram_is_uncached berth_model_ram_is_uncached
#define ram_remap berth_model_ram_remap
#define ram_run berth_model_ram_run
#define ram_start berth_model_ram_start
#define ram_stop berth_model_ram_stop
#define ram_unremap berth_model_ram_unremap
#define raw_fill berth_model_raw_fill
#define raw_read berth_model_raw_read
#define raw_write berth_model_raw_write
#define sched_advance berth_model_sched_advance
#define sched_barrier berth_model_sched_barrier
#define sched_delay berth_model_sched_delay
#define sched_kick berth_model_sched_kick
#define sched_next berth_model_sched_next
#define sched_now berth_model_sched_now
#define sched_wait berth_model_sched_wait
#define sched_wake berth_model_sched_wake
#define soc berth_model_soc
#define tree_start berth_model_tree_start
#define tree_stop berth_model_tree_stop

#endif
