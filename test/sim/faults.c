/* SPDX-License-Identifier: BSD-3-Clause */
#include "internal.h"

#include <string.h>

void sim_fault(struct sim *sim, struct sim_fault fault)
{
	pthread_mutex_lock(&sim->lock);
	if (sim->fault_count < SIM_FAULTS_MAX) {
		sim->faults[sim->fault_count++] = fault;
	} else {
		sim_complain(sim, "the test injects too many faults");
	}
	pthread_mutex_unlock(&sim->lock);
}

void sim_faults_clear(struct sim *sim)
{
	pthread_mutex_lock(&sim->lock);
	sim->fault_count = 0;
	pthread_mutex_unlock(&sim->lock);
}

static void remove_fault(struct sim *sim, unsigned index)
{
	sim->fault_count--;
	memmove(&sim->faults[index], &sim->faults[index + 1],
		(sim->fault_count - index) * sizeof(sim->faults[0]));
}

/* The first fault that meets the request; all that would are counted down. */
void sim_fault_choose(struct sim *sim, struct sim_request *request)
{
	for (unsigned i = 0; i < sim->fault_count; i++) {
		struct sim_fault *fault = &sim->faults[i];

		if (fault->only != SIM_ANY_OP && fault->only != request->type + 1) {
			continue;
		}
		if (fault->queue != SIM_ANY_QUEUE && fault->queue != request->queue->index + 1) {
			continue;
		}
		if (fault->skip) {
			fault->skip--;
			continue;
		}
		request->has_fault = true;
		request->fault = *fault;
		if (fault->times != SIM_FOR_EVER && --fault->times == 0) {
			remove_fault(sim, i);
		}
		break;
	}
	request->dropped = request->has_fault && request->fault.kind == SIM_DROP;
	if (request->has_fault && request->fault.kind == SIM_DELAY) {
		request->due_ms = sim_now_ms() + request->fault.value;
	}
}

static void run_and_answer(struct sim *sim, struct sim_request *request)
{
	sim_request_answer(sim, request, sim_request_run(sim, request));
}

/* What the device does to the memory of a request with a fault. */
static void do_badly(struct sim *sim, struct sim_request *request)
{
	switch (request->fault.kind) {
	case SIM_STATUS:
		sim_request_answer(sim, request, (uint8_t)request->fault.value);
		break;
	case SIM_NO_STATUS:
		sim_request_run(sim, request);
		break;
	case SIM_NO_DATA:
		sim_request_answer(sim, request, VIRTIO_BLK_S_OK);
		break;
	default:
		run_and_answer(sim, request);
	}
}

/* What it then says in the ring. */
static void return_badly(struct sim_request *request)
{
	const struct sim_fault *fault = &request->fault;

	switch (fault->kind) {
	case SIM_LENGTH:
		sim_ring_return(&request->queue->ring, &request->chain, fault->value);
		break;
	case SIM_ID:
		sim_ring_push(&request->queue->ring, fault->value, request->written);
		break;
	case SIM_ID_PLUS:
		sim_ring_push(&request->queue->ring, request->chain.head + fault->value,
			      request->written);
		break;
	case SIM_TWICE:
		sim_ring_push(&request->queue->ring, request->chain.head, request->written);
		sim_ring_return(&request->queue->ring, &request->chain, request->written);
		break;
	case SIM_JUMP:
		sim_ring_return(&request->queue->ring, &request->chain, request->written);
		sim_ring_jump(&request->queue->ring, (uint16_t)fault->value);
		break;
	default:
		sim_ring_return(&request->queue->ring, &request->chain, request->written);
	}
}

/* In order: the next one goes out at once, so that this one may go with it. */
static bool goes_with_next(struct sim *sim, const struct sim_request *request)
{
	const struct sim_request *next = request->next;

	return request->queue->ring.is.in_order && next && !next->has_fault && !next->rounds &&
	       sim_random(sim, 4) != 0;
}

void sim_request_finish(struct sim *sim, struct sim_request *request)
{
	if (!request->has_fault) {
		run_and_answer(sim, request);
		if (goes_with_next(sim, request)) {
			sim->counts.skipped++;
			sim_ring_skip(&request->queue->ring, &request->chain);
		} else {
			sim_ring_return(&request->queue->ring, &request->chain, request->written);
		}
		return;
	}
	do_badly(sim, request);
	return_badly(request);
}
