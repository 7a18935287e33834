// SPDX-License-Identifier: BSD-2-Clause
/*
 * A DMA controller that is software. A channel is one queue. Whoever finds that nobody works on it does so,
 * until it is empty: the channel's thread, or without threads whoever issued the work; or whoever polls.
 */
#include <berth/device.h>
#include <berth/dma-mapping.h>
#include <berth/port.h>
#include <berth/slab.h>

#include "dmaengine/internal.h"
#include "dmaengine/software.h"
#include "lib/device.h"
#include "lib/error.h"
#include "lib/interrupt.h"
#include "lib/printk.h"
#include "lib/string.h"

/* Descriptors that one call does without a thread: a callback that issues the next one keeps nobody for ever. */
#define SHARE 256u
/* So much later it goes on: who was interrupted gets on, too. */
#define PAUSE_NS 1000u

struct software_engine {
	struct dma_device dma;
	struct device dev;
	uint32_t users; /* who has registered it, and the core as long as channels are held */
	unsigned int flags, nr_chans;
	struct software_chan chans[];
};

/* Changed by start and stop alone, which are not called at once. */
static struct software_engine *engine;

static inline void begin(struct software_desc *desc)
{
	__atomic_store_n(&desc->done, 0, __ATOMIC_RELAXED);
	desc->is_different = false;
	if (!desc->nr_runs)
		return;
	desc->run = 0;
	desc->run_done = 0;
	desc->run_dst = desc->dst[0];
	desc->run_src = desc->src[0];
}

/* A controller that goes says no without the lock. */
static inline bool is_polled(const struct software_chan *sc)
{
	return __atomic_load_n(&sc->vc.chan.is_polled, __ATOMIC_RELAXED);
}

/* The next one to work on, or NULL. With the lock. */
static inline struct software_desc *take(struct software_chan *sc)
{
	struct software_desc *desc = sc->current;
	struct virt_dma_desc *vd;

	if (sc->is_paused)
		return NULL;
	if (desc)
		return desc;
	vd = vchan_next_desc(&sc->vc);
	if (!vd)
		return NULL;
	list_del(&vd->node);
	desc = to_software_desc(vd);
	sc->current = desc;
	begin(desc);
	return desc;
}

/* Without the lock. True: it is over, well or not. */
static inline bool work_on(struct software_desc *desc)
{
	size_t left = desc->length - desc->done;
	size_t bytes = left < BERTH_DMA_SOFTWARE_CHUNK ? left : BERTH_DMA_SOFTWARE_CHUNK;

	if (!desc->step(desc, bytes))
		return true;
	__atomic_store_n(&desc->done, desc->done + bytes, __ATOMIC_RELAXED);
	return bytes == left;
}

/* A residue has 32 bits, whatever the length. */
static inline uint32_t residue32(size_t left)
{
	return left < UINT32_MAX ? (uint32_t)left : UINT32_MAX;
}

/* All but vchan_cookie_complete(). With the lock. */
static inline void finish(struct software_chan *sc, struct software_desc *desc)
{
	size_t left = desc->length - desc->done;

	sc->current = NULL;
	desc->vd.tx_result.residue = residue32(left);
	if (desc->finish && !left)
		desc->finish(desc);
}

/* What was worked on has been terminated meanwhile, and is not touched any more. With the lock. */
static void let_go(struct software_chan *sc)
{
	__atomic_store_n(&sc->is_orphaned, 0, __ATOMIC_RELEASE);
	berth_port_wake(&sc->is_orphaned);
}

/*
 * What is left to do once a descriptor has been worked on. Return: the next one, or NULL: nobody works. With the
 * lock.
 */
static inline struct software_desc *settle_locked(struct software_chan *sc,
						  struct software_desc *desc, bool is_over)
{
	if (sc->current != desc) {
		let_go(sc);
	} else if (is_over) {
		finish(sc, desc);
		vchan_cookie_complete(&desc->vd);
	}
	desc = take(sc);
	sc->is_running = desc != NULL;
	return desc;
}

static inline struct software_desc *settle(struct software_chan *sc, struct software_desc *desc,
					   bool is_over)
{
	unsigned long flags;

	spin_lock_irqsave(&sc->vc.lock, flags);
	desc = settle_locked(sc, desc, is_over);
	spin_unlock_irqrestore(&sc->vc.lock, flags);
	return desc;
}

/* The callbacks of what was completed since berth_handler_enter(). */
static inline void call_back(struct berth_handlers *mine)
{
	unsigned long flags = berth_port_irq_save();

	berth_handler_leave(mine);
	berth_port_irq_restore(flags);
}

/* Somebody else goes on with @desc. */
static void stop_work(struct software_chan *sc, struct software_desc *desc)
{
	unsigned long flags;

	spin_lock_irqsave(&sc->vc.lock, flags);
	if (sc->current != desc)
		let_go(sc);
	sc->is_running = false;
	spin_unlock_irqrestore(&sc->vc.lock, flags);
}

/*
 * Nobody works on it, and @desc is what take() has given. With the lock, which it releases. Where that
 * surprises nobody (on a thread, or if the caller has let interrupts in), this is an interrupt handler:
 * callbacks come at its end, or after each BERTH_DMA_SOFTWARE_CHUNK; else as soon as interrupts are let in. False: there
 * is work left.
 */
static bool work(struct software_chan *sc, struct software_desc *desc, unsigned long flags,
		 unsigned int share)
{
	bool as_handler = sc->worker || berth_port_irq_was_on(flags);
	struct berth_handlers *mine = NULL;
	size_t bytes = 0;

	sc->is_running = true;
	if (as_handler)
		mine = berth_handler_enter();
	spin_unlock_irqrestore(&sc->vc.lock, flags);
	while (desc && share) {
		size_t done = desc->length < BERTH_DMA_SOFTWARE_CHUNK ? desc->length
								      : BERTH_DMA_SOFTWARE_CHUNK;
		bool is_over = !__atomic_load_n(&sc->is_orphaned, __ATOMIC_RELAXED) &&
			       work_on(desc);

		desc = settle(sc, desc, is_over);
		share -= is_over;
		bytes += done;
		if (as_handler && desc && bytes >= BERTH_DMA_SOFTWARE_CHUNK) {
			call_back(mine);
			mine = berth_handler_enter();
			bytes = 0;
		}
	}
	if (desc)
		stop_work(sc, desc);
	if (as_handler)
		call_back(mine);
	return !desc;
}

/* One go. With the lock, which it releases meanwhile. */
static inline bool work_alone(struct software_chan *sc, struct software_desc *desc,
			      unsigned long flags)
{
	bool is_over;

	sc->is_running = true;
	spin_unlock_irqrestore(&sc->vc.lock, flags);
	is_over = work_on(desc);
	spin_lock_irqsave(&sc->vc.lock, flags);
	return is_over;
}

/*
 * Without a thread, and interrupts were let in: @desc is mostly alone, and short, and needs neither the list of
 * completed ones nor the tasklet. As work().
 */
static inline bool work_at_once(struct software_chan *sc, struct software_desc *desc,
				unsigned long flags)
{
	bool is_over = work_alone(sc, desc, flags);
	struct berth_handlers *mine;

	if (is_over && sc->current == desc && list_empty(&sc->vc.desc_issued)) {
		finish(sc, desc);
		sc->is_running = false;
		if (berth_vchan_complete_here(&desc->vd, flags))
			return true;
		sc->is_running = true;
		sc->current = desc;
	}
	mine = berth_handler_enter();
	desc = settle_locked(sc, desc, is_over);
	spin_unlock_irqrestore(&sc->vc.lock, flags);
	call_back(mine);
	if (!desc)
		return true;
	spin_lock_irqsave(&sc->vc.lock, flags);
	return work(sc, desc, flags, SHARE);
}

static void work_beside(void *data)
{
	struct software_chan *sc = data;
	struct software_desc *desc;
	unsigned long flags;

	/* Nobody else works on a channel that has a thread, unless it is polled. */
	do {
		spin_lock_irqsave(&sc->vc.lock, flags);
		desc = is_polled(sc) ? NULL : take(sc);
		if (!desc)
			spin_unlock_irqrestore(&sc->vc.lock, flags);
	} while (desc && !work(sc, desc, flags, UINT32_MAX));
}

/* With the lock, which it releases. */
static void go_on(struct software_chan *sc, unsigned long flags)
{
	struct software_desc *desc = sc->is_running || is_polled(sc) ? NULL : take(sc);

	if (!desc || sc->worker) {
		spin_unlock_irqrestore(&sc->vc.lock, flags);
		if (desc)
			berth_port_worker_kick(sc->worker);
	} else if (!(berth_port_irq_was_on(flags) ? work_at_once(sc, desc, flags)
						  : work(sc, desc, flags, SHARE))) {
		berth_mod_timer_ns(&sc->later, ktime_get_ns() + PAUSE_NS);
	}
}

static void work_later(struct timer_list *timer)
{
	struct software_chan *sc = container_of(timer, struct software_chan, later);
	unsigned long flags;

	spin_lock_irqsave(&sc->vc.lock, flags);
	go_on(sc, flags);
}

static void issue_pending(struct dma_chan *chan)
{
	struct software_chan *sc = to_software_chan(chan);
	unsigned long flags;

	spin_lock_irqsave(&sc->vc.lock, flags);
	vchan_issue_pending(&sc->vc);
	if (is_polled(sc))
		spin_unlock_irqrestore(&sc->vc.lock, flags);
	else
		go_on(sc, flags);
}

/* Work for whoever polls, or NULL. With the lock. */
static inline struct software_desc *take_polled(struct software_chan *sc)
{
	return sc->is_running || !is_polled(sc) ? NULL : take(sc);
}

/* As settle(), but it does not go on with the next one. With the lock. */
static void settle_polled(struct software_chan *sc, struct software_desc *desc, bool is_over)
{
	if (sc->current != desc) {
		let_go(sc);
	} else if (is_over) {
		finish(sc, desc);
		vchan_cookie_complete(&desc->vd);
	}
	sc->is_running = false;
}

/* All that there is to do, without callbacks. With the lock, which it releases meanwhile. */
static void work_polled(struct software_chan *sc, unsigned long flags)
{
	struct software_desc *desc;

	for (unsigned int i = 0; i < SHARE && (desc = take_polled(sc)) != NULL; i++)
		settle_polled(sc, desc, work_alone(sc, desc, flags));
	berth_vchan_told(&sc->vc);
}

/* One go, so that it does not take long: the bytes stay near the CPU of whoever wants them. */
static void poll(struct dma_chan *chan)
{
	struct software_chan *sc = to_software_chan(chan);
	struct software_desc *desc;
	unsigned long flags;
	bool is_over;

	spin_lock_irqsave(&sc->vc.lock, flags);
	desc = take_polled(sc);
	if (desc) {
		is_over = work_alone(sc, desc, flags);
		if (is_over && sc->current == desc) {
			finish(sc, desc);
			sc->is_running = false;
			if (berth_vchan_complete_here(&desc->vd, flags))
				return;
			sc->current = desc;
		}
		settle_polled(sc, desc, is_over);
	}
	berth_vchan_polled(&sc->vc, flags);
}

static int set_polled(struct dma_chan *chan, bool polled)
{
	struct software_chan *sc = to_software_chan(chan);
	unsigned long flags;
	int ret = -EBUSY;

	spin_lock_irqsave(&sc->vc.lock, flags);
	if (!sc->current && !sc->is_running)
		ret = berth_vchan_set_polled(&sc->vc, polled);
	spin_unlock_irqrestore(&sc->vc.lock, flags);
	return ret;
}

static int pause(struct dma_chan *chan)
{
	struct software_chan *sc = to_software_chan(chan);
	unsigned long flags;

	spin_lock_irqsave(&sc->vc.lock, flags);
	sc->is_paused = true;
	spin_unlock_irqrestore(&sc->vc.lock, flags);
	return 0;
}

static int resume(struct dma_chan *chan)
{
	struct software_chan *sc = to_software_chan(chan);
	unsigned long flags;

	spin_lock_irqsave(&sc->vc.lock, flags);
	sc->is_paused = false;
	go_on(sc, flags);
	return 0;
}

static int terminate_all(struct dma_chan *chan)
{
	struct software_chan *sc = to_software_chan(chan);
	unsigned long flags;

	spin_lock_irqsave(&sc->vc.lock, flags);
	berth_vchan_terminate_all(&sc->vc);
	if (sc->current) {
		if (sc->is_running)
			__atomic_store_n(&sc->is_orphaned, 1, __ATOMIC_RELAXED);
		vchan_terminate_vdesc(&sc->current->vd);
		sc->current = NULL;
	}
	sc->is_paused = false;
	spin_unlock_irqrestore(&sc->vc.lock, flags);
	return 0;
}

static void synchronize(struct dma_chan *chan)
{
	struct software_chan *sc = to_software_chan(chan);

	while (__atomic_load_n(&sc->is_orphaned, __ATOMIC_ACQUIRE))
		berth_port_wait(&sc->is_orphaned, 1, UINT64_MAX);
	vchan_synchronize(&sc->vc);
}

/* Of a descriptor that is not done. With the lock. */
static size_t residue_of(struct software_chan *sc, dma_cookie_t cookie)
{
	struct virt_dma_desc *vd;

	if (sc->current && sc->current->vd.tx.cookie == cookie)
		return sc->current->length - __atomic_load_n(&sc->current->done, __ATOMIC_RELAXED);
	vd = vchan_find_desc(&sc->vc, cookie);
	return vd ? to_software_desc(vd)->length : 0;
}

static enum dma_status tx_status(struct dma_chan *chan, dma_cookie_t cookie,
				 struct dma_tx_state *state)
{
	struct software_chan *sc = to_software_chan(chan);
	enum dma_status status = dma_cookie_status(chan, cookie, state);
	unsigned long flags;

	if (status != DMA_IN_PROGRESS)
		return status;
	spin_lock_irqsave(&sc->vc.lock, flags);
	if (is_polled(sc)) {
		work_polled(sc, flags);
	} else if (!sc->worker) {
		/* Who asks again and again may be the only one who lets it go on. */
		go_on(sc, flags);
		spin_lock_irqsave(&sc->vc.lock, flags);
	}
	status = dma_cookie_status(chan, cookie, state);
	if (status == DMA_IN_PROGRESS) {
		dma_set_residue(state, residue32(residue_of(sc, cookie)));
		status = sc->is_paused ? DMA_PAUSED : status;
	}
	spin_unlock_irqrestore(&sc->vc.lock, flags);
	return status;
}

static void free_chan_resources(struct dma_chan *chan)
{
	struct virt_dma_chan *vc = to_virt_chan(chan);
	struct virt_dma_desc *vd;

	vchan_free_chan_resources(vc);
	while ((vd = berth_vchan_drain(vc)) != NULL)
		berth_software_desc_destroy(to_software_desc(vd));
}

static void set_up(struct software_engine *e)
{
	struct dma_device *dma = &e->dma;

	dma->dev = &e->dev;
	INIT_LIST_HEAD(&dma->channels);
	berth_software_set_prep(dma);
	dma->directions = 1u << DMA_MEM_TO_MEM;
	dma->residue_granularity = DMA_RESIDUE_GRANULARITY_BURST;
	dma->descriptor_reuse = true;
	dma->device_free_chan_resources = free_chan_resources;
	dma->device_issue_pending = issue_pending;
	dma->device_set_polled = set_polled;
	dma->device_poll = poll;
	dma->device_pause = pause;
	dma->device_resume = resume;
	dma->device_terminate_all = terminate_all;
	dma->device_synchronize = synchronize;
	dma->device_tx_status = tx_status;
}

static bool is_running(struct software_chan *sc)
{
	unsigned long flags;
	bool running;

	spin_lock_irqsave(&sc->vc.lock, flags);
	running = sc->is_running;
	spin_unlock_irqrestore(&sc->vc.lock, flags);
	return running;
}

/* Nobody will issue anything any more. */
static void stop_working(struct software_engine *e)
{
	for (unsigned int i = 0; i < e->nr_chans; i++) {
		struct software_chan *sc = &e->chans[i];

		if (sc->worker)
			berth_port_worker_stop(sc->worker);
		del_timer_sync(&sc->later);
		/* Another CPU may be on its way out. */
		while (is_running(sc))
			berth_port_relax();
	}
}

static void destroy(struct software_engine *e)
{
	for (unsigned int i = 0; i < e->nr_chans; i++) {
		free_chan_resources(&e->chans[i].vc.chan);
		vchan_cleanup(&e->chans[i].vc);
	}
	device_unregister(&e->dev);
	kfree(e);
}

static void put(struct software_engine *e)
{
	if (!__atomic_sub_fetch(&e->users, 1, __ATOMIC_ACQ_REL))
		destroy(e);
}

static void release(struct dma_device *dma)
{
	put(container_of(dma, struct software_engine, dma));
}

/* A channel at a time; each counts from the moment that it is whole. */
static int add_channel(struct software_engine *e)
{
	struct software_chan *sc = &e->chans[e->nr_chans];
	int err = 0;

	if (e->flags & BERTH_DMA_SOFTWARE_THREADS)
		err = berth_port_worker_start(&sc->worker, work_beside, sc);
	if (err == -ENOSYS)
		err = 0;
	if (err)
		return err;
	sc->vc.desc_free = berth_vchan_recycle;
	timer_setup(&sc->later, work_later, 0);
	vchan_init(&sc->vc, &e->dma);
	e->nr_chans++;
	return 0;
}

static int bring_up(struct software_engine *e, unsigned int channels)
{
	int err = dma_set_mask_and_coherent(&e->dev, DMA_BIT_MASK(64));

	dma_set_max_seg_size(&e->dev, UINT32_MAX);
	for (unsigned int i = 0; i < channels && !err; i++)
		err = add_channel(e);
	if (!err)
		err = dma_async_device_register(&e->dma);
	return err;
}

int berth_dma_software_start(unsigned int channels, unsigned int flags)
{
	struct software_engine *e;
	int err;

	if (!channels || channels > BERTH_DMA_SOFTWARE_MAX_CHANNELS)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "channels", channels);
	if (flags & ~BERTH_DMA_SOFTWARE_THREADS)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "flags", flags);
	if (!berth_port_linear.size)
		return berth_fail(-EINVAL, BERTH_REASON_STATE, "berth is not running");
	if (engine)
		return berth_fail(-EBUSY, BERTH_REASON_STATE,
				  "the software engine is running already");
	e = kzalloc(sizeof(*e) + channels * sizeof(e->chans[0]), GFP_KERNEL);
	if (!e)
		return -ENOMEM;
	e->users = 1;
	e->flags = flags;
	set_up(e);
	err = device_register(&e->dev, "dma-software");
	if (err) {
		kfree(e);
		return err;
	}
	e->dev.p->is_cpu = true;
	err = bring_up(e, channels);
	if (err) {
		struct berth_error why = *berth_last_error();

		stop_working(e);
		put(e);
		*berth_port_error() = why;
		return err;
	}
	e->users = 2;
	e->dma.device_release = release;
	engine = e;
	return 0;
}

void berth_dma_software_stop(void)
{
	struct software_engine *e = engine;

	if (!e)
		return;
	engine = NULL;
	dma_async_device_unregister(&e->dma);
	stop_working(e);
	put(e);
}

bool berth_dma_software_has_threads(void)
{
	return engine && engine->chans[0].worker;
}

void berth_dma_software_boot(const char *arg)
{
	static const char threads[] = ",threads";
	const char *end;
	uint64_t channels = berth_memparse(arg, &end);
	size_t length = sizeof(threads) - 1;
	unsigned int flags = 0;

	if (berth_strnlen(end, length) == length && !memcmp(end, threads, length)) {
		flags = BERTH_DMA_SOFTWARE_THREADS;
		end += length;
	}
	if ((*end && *end != ' ') || channels > BERTH_DMA_SOFTWARE_MAX_CHANNELS ||
	    berth_dma_software_start((unsigned int)channels, flags))
		berth_printk("dma.software: cannot be used\n");
}
