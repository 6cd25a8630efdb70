/* SPDX-License-Identifier: BSD-3-Clause */
#include "privileges.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#define TASKS "/proc/self/task"

enum {
	FACTS = 9,
	FACT_SIZE = 64,
};

/* The kernel answers EINVAL behind the last one that it knows. */
static int empty_bounding_set(void)
{
	for (unsigned long capability = 0;; capability++) {
		int is_there = prctl(PR_CAPBSET_READ, capability, 0, 0, 0);

		if (is_there < 0) {
			return 0;
		}
		if (is_there && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) {
			return -errno;
		}
	}
}

/* The C library has no call for this, and changing the user leaves that set alone. */
static int empty_inheritable_set(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, sets) < 0) {
		return -errno;
	}
	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		sets[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, sets) < 0 ? -errno : 0;
}

int devb_privileges_bound_thread(void *unused)
{
	int rc = empty_bounding_set();

	(void)unused;
	if (rc == 0) {
		rc = empty_inheritable_set();
	}
	if (rc == 0 && (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
			prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)) {
		rc = -errno;
	}
	return rc;
}

/* "Uid:\t20\t20\n" and "Uid: 20 20" are the same. */
static void squeeze(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		if (!isspace((unsigned char)*from)) {
			*to++ = *from;
		} else if (to > text && to[-1] != ' ') {
			*to++ = ' ';
		}
	}
	*to = '\0';
	if (to > text && to[-1] == ' ') {
		to[-1] = '\0';
	}
}

static void list_facts(char facts[FACTS][FACT_SIZE], uid_t uid, gid_t gid)
{
	static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};
	unsigned n = 0;

	snprintf(facts[n++], FACT_SIZE, "Uid: %u %u %u %u", uid, uid, uid, uid);
	snprintf(facts[n++], FACT_SIZE, "Gid: %u %u %u %u", gid, gid, gid, gid);
	snprintf(facts[n++], FACT_SIZE, "Groups:");
	snprintf(facts[n++], FACT_SIZE, "NoNewPrivs: 1");
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		snprintf(facts[n++], FACT_SIZE, "%s: %016x", sets[i], 0);
	}
}

static bool is_about(const char *line, const char *fact)
{
	size_t size = (size_t)(strchr(fact, ':') - fact) + 1;

	return strncmp(line, fact, size) == 0;
}

int devb_privileges_check(FILE *status, uid_t uid, gid_t gid, char *found, size_t found_size)
{
	char facts[FACTS][FACT_SIZE], line[512];
	bool seen[FACTS] = {false};

	list_facts(facts, uid, gid);
	while (fgets(line, sizeof(line), status)) {
		squeeze(line);
		for (unsigned i = 0; i < FACTS; i++) {
			if (!is_about(line, facts[i])) {
				continue;
			}
			if (strcmp(line, facts[i]) != 0) {
				snprintf(found, found_size, "'%s'", line);
				return -EACCES;
			}
			seen[i] = true;
		}
	}
	for (unsigned i = 0; i < FACTS; i++) {
		if (!seen[i]) {
			snprintf(found, found_size, "nothing like '%s'", facts[i]);
			return -EACCES;
		}
	}
	return 0;
}

static int check_thread(const char *id, uid_t uid, gid_t gid, struct vio_error *err)
{
	char path[300], found[200];
	FILE *status;
	int rc;

	snprintf(path, sizeof(path), TASKS "/%s/status", id);
	status = fopen(path, "re");
	if (!status) {
		/* a thread that has ended meanwhile */
		return errno == ENOENT || errno == ESRCH
			       ? 0
			       : vio_fail(err, -EACCES, "%s cannot be read (%s)", path,
					  strerror(errno));
	}
	rc = devb_privileges_check(status, uid, gid, found, sizeof(found));
	fclose(status);
	return rc < 0 ? vio_fail(err, -EACCES,
				 "the privileges of root could not be dropped: %s says %s", path,
				 found)
		      : 0;
}

static int check_threads(uid_t uid, gid_t gid, struct vio_error *err)
{
	DIR *dir = opendir(TASKS);
	struct dirent *entry;
	int rc = 0;

	if (!dir) {
		return vio_fail(err, -EACCES,
				"whether the privileges of root are gone cannot be seen in " TASKS
				" (%s): mount /proc",
				strerror(errno));
	}
	while (rc == 0 && (entry = readdir(dir)) != NULL) {
		rc = entry->d_name[0] == '.' ? 0 : check_thread(entry->d_name, uid, gid, err);
	}
	closedir(dir);
	return rc;
}

/* The C library changes all threads, and setting the user empties their other capability sets. */
int devb_privileges_drop(uid_t uid, gid_t gid, struct vio_error *err)
{
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
	    setresuid(uid, uid, uid) < 0) {
		return vio_fail(err, -EACCES, "user %u and group %u cannot be taken on (%s)", uid,
				gid, strerror(errno));
	}
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return check_threads(uid, gid, err);
}
