/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfio.h"

static bool fits(const struct viot_iova_range *range, uint64_t floor, uint64_t size, uint64_t align,
		 uint64_t *iova)
{
	uint64_t first = range->first > floor ? range->first : floor;
	uint64_t skip = (align - first % align) % align;

	/* by subtraction: rounding up, and the end of the range, may wrap */
	if (range->last < first || range->last - first < skip) {
		return false;
	}
	first += skip;
	if (range->last - first < size - 1) {
		return false;
	}
	*iova = first;
	return true;
}

bool viot_iova_choose(const struct viot_iova_range *ranges, unsigned count, uint64_t floor,
		      uint64_t size, uint64_t align, uint64_t *iova)
{
	bool found = false;
	uint64_t candidate;

	for (unsigned i = 0; i < count; i++) {
		if (fits(&ranges[i], floor, size, align, &candidate) &&
		    (!found || candidate < *iova)) {
			*iova = candidate;
			found = true;
		}
	}
	return found;
}
