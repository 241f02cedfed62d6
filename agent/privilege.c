/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Capability numbers are below 64: two words hold them in version 3. */
enum { CAP_WORDS = 2, CAP_NUMBERS = 64 };

static bool capabilities(struct __user_cap_data_struct data[CAP_WORDS],
                         bool *any, struct err *e)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};

	if (syscall(SYS_capget, &header, data) != 0)
		return err_set(e, errno, "cannot read the capabilities");
	for (int i = 0; i < CAP_WORDS; i++)
		*any |= (data[i].effective | data[i].permitted) != 0;
	return true;
}

static bool become_owner(const char *dir, struct err *e)
{
	struct stat st;

	if (geteuid() != 0 || stat(dir, &st) != 0 || st.st_uid == 0)
		return true;
	if (setgroups(0, NULL) != 0 ||
	    setresgid(st.st_gid, st.st_gid, st.st_gid) != 0 ||
	    setresuid(st.st_uid, st.st_uid, st.st_uid) != 0)
		return err_set(e, errno, "cannot become the owner of %s", dir);
	return true;
}

static bool shrink_bounding_set(struct err *e)
{
	for (int cap = 0; cap < CAP_NUMBERS; cap++) {
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 1)
			continue;
		/* Without CAP_SETPCAP it stays; no_new_privs covers that. */
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno != EPERM)
			return err_set(e, errno, "cannot give up capability %d",
			               cap);
	}
	return true;
}

static bool clear_capabilities(struct err *e)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct none[CAP_WORDS] = { 0 };

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 &&
	    errno != EINVAL)
		return err_set(e, errno, "cannot clear ambient capabilities");
	if (syscall(SYS_capset, &header, none) != 0)
		return err_set(e, errno, "cannot give up the capabilities");
	return true;
}

bool privilege_drop(const char *dir, struct err *e)
{
	struct __user_cap_data_struct have[CAP_WORDS] = { 0 };
	bool any = false;

	if (!capabilities(have, &any, e))
		return false;
	/* In this order: each step needs what the next one takes away. */
	if (any && (!shrink_bounding_set(e) || !become_owner(dir, e) ||
	            !clear_capabilities(e)))
		return false;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_set(e, errno, "cannot set no_new_privs");
	return true;
}
