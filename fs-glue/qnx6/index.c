/* SPDX-License-Identifier: BSD-3-Clause */
#include "index.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"

struct index {
	struct qnx6_tree tree; /* the directory's: what it leads to does not change */
	unsigned users;        /* the store is one */
	uint64_t used;         /* when, by the store's clock */
	bool is_complete;      /* else it has no names: the directory is damaged, or too large */
	size_t count, room;
	uint64_t *names; /* sum << 32 | record, sorted */
};

struct qnx6_indexes {
	pthread_mutex_t lock;
	uint64_t clock;
	struct index *kept[QNX6_INDEXES];
};

int qnx6_indexes_open(struct qnx6_indexes **out)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	pthread_mutex_init(&(*out)->lock, NULL);
	return 0;
}

static void drop(struct index *index)
{
	if (!index || --index->users)
		return;
	free(index->names);
	free(index);
}

void qnx6_indexes_close(struct qnx6_indexes *indexes)
{
	if (!indexes)
		return;
	for (unsigned i = 0; i < QNX6_INDEXES; i++)
		drop(indexes->kept[i]);
	pthread_mutex_destroy(&indexes->lock);
	free(indexes);
}

/* FNV-1a. Who makes names of the same sum gets what there is without sums: a scan. */
static uint32_t sum_of(const char *name, size_t length)
{
	uint32_t sum = 2166136261u;

	for (size_t i = 0; i < length; i++)
		sum = (sum ^ (uint8_t)name[i]) * 16777619u;
	return sum;
}

static int compare(const void *a, const void *b)
{
	uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;

	return (first > second) - (first < second);
}

static bool add(struct index *index, uint32_t sum, uint64_t record)
{
	if (index->count == index->room) {
		size_t room = index->room ? 2 * index->room : 2 * (size_t)QNX6_INDEX_RECORDS;
		uint64_t *names;

		if (room > QNX6_INDEX_NAMES)
			return false;
		names = realloc(index->names, room * sizeof(*names));
		if (!names)
			return false;
		index->names = names;
		index->room = room;
	}
	index->names[index->count++] = (uint64_t)sum << 32 | record;
	return true;
}

static bool add_all(struct index *index, struct qnx6_volume *volume, const struct qnx6_node *dir)
{
	struct qnx6_records records;
	struct qnx6_name name;

	qnx6_records_init(&records, volume, dir, 0, true);
	while (qnx6_records_next(&records, &name)) {
		if (!add(index, sum_of(name.text, name.length), records.next - 1))
			return false;
	}
	return !records.is_damaged;
}

static struct index *make(struct qnx6_volume *volume, const struct qnx6_node *dir)
{
	struct index *index = calloc(1, sizeof(*index));

	if (!index)
		return NULL;
	index->tree = dir->tree;
	index->users = 1;
	index->is_complete = add_all(index, volume, dir);
	if (index->is_complete) {
		if (index->count)
			qsort(index->names, index->count, sizeof(*index->names), compare);
		return index;
	}
	free(index->names);
	index->names = NULL;
	index->count = index->room = 0;
	return index;
}

static bool is_of(const struct index *index, const struct qnx6_node *dir)
{
	return index->tree.size == dir->tree.size && index->tree.levels == dir->tree.levels &&
	       !memcmp(index->tree.ptr, dir->tree.ptr, sizeof(dir->tree.ptr));
}

/* For the caller to drop. Locked. */
static struct index *find(struct qnx6_indexes *indexes, const struct qnx6_node *dir)
{
	for (unsigned i = 0; i < QNX6_INDEXES; i++) {
		struct index *index = indexes->kept[i];

		if (index && is_of(index, dir)) {
			index->used = ++indexes->clock;
			index->users++;
			return index;
		}
	}
	return NULL;
}

static struct index **empty_place(struct qnx6_indexes *indexes)
{
	for (unsigned i = 0; i < QNX6_INDEXES; i++) {
		if (!indexes->kept[i])
			return &indexes->kept[i];
	}
	return NULL;
}

/* One that still has users goes when they drop it. */
static void drop_oldest(struct qnx6_indexes *indexes)
{
	struct index **oldest = NULL;

	for (unsigned i = 0; i < QNX6_INDEXES; i++) {
		struct index **place = &indexes->kept[i];

		if (*place && (!oldest || (*place)->used < (*oldest)->used))
			oldest = place;
	}
	if (oldest) {
		drop(*oldest);
		*oldest = NULL;
	}
}

static size_t total(const struct qnx6_indexes *indexes)
{
	size_t names = 0;

	for (unsigned i = 0; i < QNX6_INDEXES; i++)
		names += indexes->kept[i] ? indexes->kept[i]->room : 0;
	return names;
}

/* Locked. */
static void keep(struct qnx6_indexes *indexes, struct index *index)
{
	while (!empty_place(indexes) || total(indexes) + index->room > QNX6_INDEX_TOTAL)
		drop_oldest(indexes);
	index->users++;
	index->used = ++indexes->clock;
	*empty_place(indexes) = index;
}

/* Two threads may make one at a time: the second one's is used up, and not kept. */
static struct index *get(struct qnx6_volume *volume, const struct qnx6_node *dir)
{
	struct qnx6_indexes *indexes = volume->indexes;
	struct index *index, *other;

	pthread_mutex_lock(&indexes->lock);
	index = find(indexes, dir);
	pthread_mutex_unlock(&indexes->lock);
	if (index)
		return index;
	index = make(volume, dir);
	if (!index)
		return NULL;
	pthread_mutex_lock(&indexes->lock);
	other = find(indexes, dir);
	if (other)
		drop(other);
	else
		keep(indexes, index);
	pthread_mutex_unlock(&indexes->lock);
	return index;
}

static void put(struct qnx6_indexes *indexes, struct index *index)
{
	pthread_mutex_lock(&indexes->lock);
	drop(index);
	pthread_mutex_unlock(&indexes->lock);
}

/* The first one of that sum or more. */
static size_t first_of(const struct index *index, uint32_t sum)
{
	size_t low = 0, high = index->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (index->names[middle] >> 32 < sum)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Whether record @at has the name. -ENOTSUP: it is gone, because the source changed or failed. */
static int compare_record(struct qnx6_volume *volume, const struct qnx6_node *dir, uint64_t at,
			  const char *text, size_t length, uint32_t *number)
{
	struct qnx6_records records;
	struct qnx6_name name;

	qnx6_records_init(&records, volume, dir, at, true);
	if (!qnx6_records_next(&records, &name) || records.next != at + 1)
		return -ENOTSUP;
	if (name.length != length || memcmp(name.text, text, length) != 0)
		return -ENOENT;
	*number = name.inode;
	return 0;
}

static int search(struct qnx6_volume *volume, const struct qnx6_node *dir,
		  const struct index *index, const char *name, size_t length, uint32_t *number)
{
	uint32_t sum = sum_of(name, length);
	int error = index->is_complete ? -ENOENT : -ENOTSUP;

	for (size_t i = first_of(index, sum);
	     error == -ENOENT && i < index->count && index->names[i] >> 32 == sum; i++)
		error = compare_record(volume, dir, (uint32_t)index->names[i], name, length,
				       number);
	return error;
}

int qnx6_indexes_lookup(struct qnx6_volume *volume, const struct qnx6_node *dir, const char *name,
			size_t length, uint32_t *number)
{
	struct index *index;
	int error;

	if (dir->tree.size <= QNX6_INDEX_RECORDS * sizeof(struct qnx6_entry))
		return -ENOTSUP;
	index = get(volume, dir);
	if (!index)
		return -ENOTSUP;
	error = search(volume, dir, index, name, length, number);
	put(volume->indexes, index);
	return error;
}
