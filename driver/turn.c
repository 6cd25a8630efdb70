/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unaligned writes against all others, over several queues.
 *
 * An unaligned write reads whole blocks, changes them, and writes them back: a write to
 * these blocks in between would be undone. So no write that touches them may be in flight,
 * in any queue, from before the read until after the write. Plain writes pay one load
 * for that, of a line that changes with unaligned writes only (turn_is_taken()):
 *
 *   holder    takes the turn: its blocks stand there, and the epoch becomes odd
 *   others    see the new epoch in their next poll, and confirm it as soon as none of
 *             their writes that are in flight touches those blocks (turn_attend())
 *   holder    begins when all have confirmed and it has no such write itself
 *   others    hold back writes to those blocks until the epoch is even (turn_holds())
 *   holder    ends: the epoch is even
 *   others    start what they held; only then does the next turn begin, so that nobody
 *             is held for ever
 *
 * Why no write slips through: what a thread started before it saw the epoch is in its own
 * table when it confirms, which it does later in its own order; what it starts
 * afterwards it checks. The mutex carries "confirmed" to the holder, and with it that the
 * device has finished those writes.
 *
 * A thread that sleeps with nothing at the device cannot confirm, and need not: it is parked
 * (devb_disk_park()), which whoever takes a turn counts as confirmed. Both store first
 * and look at the other's afterwards, in one total order (__ATOMIC_SEQ_CST): either the
 * holder sees it parked, and then its first load of the epoch after unparking finds
 * the odd one; or it sees the odd epoch before it sleeps, and does not. One that sleeps
 * with something at the device is woken by that and confirms then.
 */
#include "disk_internal.h"

void turn_open(struct disk_turn *turn)
{
	pthread_mutex_init(&turn->mutex, NULL);
}

void turn_close(struct disk_turn *turn)
{
	pthread_mutex_destroy(&turn->mutex);
}

static unsigned next_epoch(struct disk_turn *turn)
{
	return __atomic_add_fetch(&turn->epoch, 1, __ATOMIC_SEQ_CST);
}

static void append(struct disk_turn *turn, struct devb_disk_queue *queue)
{
	queue->next = NULL;
	if (turn->last) {
		turn->last->next = queue;
	} else {
		turn->next = queue;
	}
	turn->last = queue;
}

static struct devb_disk_queue *take_next(struct disk_turn *turn)
{
	struct devb_disk_queue *queue = turn->next;

	turn->next = queue->next;
	if (!turn->next) {
		turn->last = NULL;
	}
	return queue;
}

/* All others have to confirm, but for those that sleep with nothing at the device. */
static void ask_others(struct devb_disk *disk, unsigned epoch)
{
	struct disk_turn *turn = &disk->turn;

	turn->unconfirmed = 0;
	for (unsigned i = 0; i < disk->queue_count; i++) {
		struct devb_disk_queue *other = disk->queues[i];

		if (other == turn->holder || __atomic_load_n(&other->is_parked, __ATOMIC_SEQ_CST)) {
			other->epoch_confirmed = epoch;
		} else {
			turn->unconfirmed++;
		}
	}
}

/* Gives the turn to who waits longest, unless it is taken. Returns whom to wake, or NULL. */
static struct devb_disk_queue *give(struct devb_disk *disk)
{
	struct disk_turn *turn = &disk->turn;

	if (turn->holder || turn->holding > 0 || !turn->next) {
		return NULL;
	}
	turn->holder = take_next(turn);
	turn->first = turn->holder->first;
	turn->end = turn->holder->end;
	ask_others(disk, next_epoch(turn));
	return turn->holder;
}

static void wake_other(const struct devb_disk_queue *queue, const struct devb_disk_queue *other)
{
	if (other && other != queue) {
		disk_wake(other);
	}
}

void turn_want(struct devb_disk_queue *queue, uint64_t first, uint64_t end)
{
	struct disk_turn *turn = &queue->disk->turn;
	struct devb_disk_queue *holder;

	pthread_mutex_lock(&turn->mutex);
	queue->first = first;
	queue->end = end;
	append(turn, queue);
	holder = give(queue->disk);
	pthread_mutex_unlock(&turn->mutex);
	wake_other(queue, holder);
}

bool turn_has_come(struct devb_disk_queue *queue)
{
	struct disk_turn *turn = &queue->disk->turn;
	bool has_come;

	pthread_mutex_lock(&turn->mutex);
	has_come = turn->holder == queue && turn->unconfirmed == 0;
	pthread_mutex_unlock(&turn->mutex);
	return has_come;
}

/* Those that hold writes back are woken to start them. */
void turn_end(struct devb_disk_queue *queue)
{
	struct devb_disk *disk = queue->disk;
	struct devb_disk_queue *holder;

	pthread_mutex_lock(&disk->turn.mutex);
	disk->turn.holder = NULL;
	next_epoch(&disk->turn);
	for (unsigned i = 0; i < disk->queue_count; i++) {
		if (disk->queues[i]->is_holding) {
			wake_other(queue, disk->queues[i]);
		}
	}
	holder = give(disk);
	pthread_mutex_unlock(&disk->turn.mutex);
	wake_other(queue, holder);
}

bool turn_holds(struct devb_disk_queue *queue, const struct devb_io *io)
{
	struct disk_turn *turn = &queue->disk->turn;
	bool holds;

	if (io == &queue->rmw.inner) {
		return false;
	}
	pthread_mutex_lock(&turn->mutex);
	holds = turn->holder && io->device_offset < turn->end &&
		turn->first < io->device_offset + io->size;
	if (holds && !queue->is_holding) {
		queue->is_holding = true;
		turn->holding++;
	}
	pthread_mutex_unlock(&turn->mutex);
	return holds;
}

void turn_released(struct devb_disk_queue *queue)
{
	struct disk_turn *turn = &queue->disk->turn;
	struct devb_disk_queue *holder;

	pthread_mutex_lock(&turn->mutex);
	queue->is_holding = false;
	turn->holding--;
	holder = give(queue->disk);
	pthread_mutex_unlock(&turn->mutex);
	wake_other(queue, holder);
}

void turn_attend(struct devb_disk_queue *queue)
{
	struct disk_turn *turn = &queue->disk->turn;
	struct devb_disk_queue *holder = NULL;

	pthread_mutex_lock(&turn->mutex);
	queue->epoch_seen = __atomic_load_n(&turn->epoch, __ATOMIC_RELAXED);
	queue->is_unconfirmed = false;
	if (turn->holder && queue->epoch_confirmed != queue->epoch_seen) {
		queue->is_unconfirmed = disk_writes_to(queue, turn->first, turn->end);
		if (!queue->is_unconfirmed) {
			queue->epoch_confirmed = queue->epoch_seen;
			holder = --turn->unconfirmed == 0 ? turn->holder : NULL;
		}
	}
	pthread_mutex_unlock(&turn->mutex);
	wake_other(queue, holder);
}
