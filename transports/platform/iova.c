/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfio.h"

static bool fits(const struct viot_iova_range *range, uint64_t floor, uint64_t size, uint64_t align,
		 uint64_t *iova)
{
	uint64_t first = range->first > floor ? range->first : floor;

	/* by subtraction: rounding up, and the end of the range, may wrap */
	if (range->last < first || (first & (align - 1) && range->last - first < align)) {
		return false;
	}
	first = (first + align - 1) & ~(align - 1);
	if (first > range->last || range->last - first < size - 1) {
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
