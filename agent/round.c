/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/round.h"

#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/version.h"

enum { TASKS_MAX = 2 * PLAN_REFLECTORS_MAX, NOTE_BYTES = 128 };

struct task {
	const struct plan_reflector *reflector;
	int family;
};

struct round {
	struct round_options o;
	struct task task[TASKS_MAX];
	int task_count;
	int current;
	struct run *run;
	struct timer next; /* the next run begins in a turn of its own */
	char note[NOTE_BYTES];
};

/* Connecting a datagram socket sends nothing and asks the routing table. */
static bool has_route(const struct addr *to)
{
	struct sockaddr_storage ss;
	struct addr with_port = *to;
	socklen_t len;
	int fd;
	bool ok;

	with_port.port = CONTROL_TCP_PORT;
	len = addr_to_sockaddr(&with_port, &ss);
	fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	ok = connect(fd, (const struct sockaddr *)&ss, len) == 0;
	close(fd);
	return ok;
}

/* Draw some of the plan's reflectors by lot; the rest of the array is void. */
static int choose(const struct round_options *o,
                  const struct plan_reflector *chosen[PLAN_REFLECTORS_MAX])
{
	int count = 0;

	for (int i = 0; i < o->plan->reflector_count; i++) {
		const struct plan_reflector *r = &o->plan->reflector[i];

		if (!o->filter.reflector ||
		    strcmp(o->filter.reflector, r->name) == 0)
			chosen[count++] = r;
	}
	if (o->filter.reflectors_max <= 0 || count <= o->filter.reflectors_max)
		return count;
	for (int i = 0; i < o->filter.reflectors_max; i++) {
		int other = i + (int)randombytes_uniform((uint32_t)(count - i));
		const struct plan_reflector *taken = chosen[other];

		chosen[other] = chosen[i];
		chosen[i] = taken;
	}
	return o->filter.reflectors_max;
}

static void add_tasks(struct round *r, const struct plan_reflector *reflector,
                      bool missing[2])
{
	static const int families[] = { 4, 6 };

	for (int i = 0; i < 2; i++) {
		const struct addr *to =
			families[i] == 4 ? &reflector->ipv4 : &reflector->ipv6;

		if (to->family == 0 ||
		    (r->o.filter.family && r->o.filter.family != families[i]))
			continue;
		if (!has_route(to))
			missing[i] = true;
		else
			r->task[r->task_count++] = (struct task){
				.reflector = reflector,
				.family = families[i],
			};
	}
}

static void list_tasks(struct round *r, int chosen_count,
                       const struct plan_reflector *const *chosen)
{
	bool missing[2] = { false, false };

	for (int i = 0; i < chosen_count; i++)
		add_tasks(r, chosen[i], missing);
	if (missing[0] && missing[1])
		snprintf(r->note, sizeof(r->note),
		         "some reflectors were not asked: this computer has "
		         "no route to them");
	else if (missing[0] || missing[1])
		snprintf(r->note, sizeof(r->note),
		         "IPv%d was not tested: this computer has no route",
		         missing[0] ? 4 : 6);
}

/* A reflector's address of the wanted family, in any of those chosen. */
static bool any_address(const struct round_options *o, int count,
                        const struct plan_reflector *const *chosen)
{
	for (int i = 0; i < count; i++) {
		if ((chosen[i]->ipv4.family && o->filter.family != 6) ||
		    (chosen[i]->ipv6.family && o->filter.family != 4))
			return true;
	}
	return false;
}

static bool explain(const struct round_options *o, int count,
                    const struct plan_reflector *const *chosen, struct err *e)
{
	if (count == 0 && o->filter.reflector)
		return err_set(e, 0,
		               "plan %u has no reflector \"%s\" ('periplus "
		               "status' lists them)",
		               o->plan->serial, o->filter.reflector);
	if (!any_address(o, count, chosen))
		return err_set(e, 0,
		               "no reflector of plan %u has an IPv%d address",
		               o->plan->serial, o->filter.family);
	return err_set(e, 0,
	               "this computer has no route to any reflector: is the "
	               "network up?");
}

static void go_on(struct round *r)
{
	r->current++;
	loop_arm(r->o.loop, &r->next, loop_now(r->o.loop));
}

static void on_run_progress(void *ctx, const struct run_progress *p)
{
	struct round *r = ctx;

	if (r->o.on_progress)
		r->o.on_progress(r->o.ctx, r->current, r->task_count, p);
}

static void on_run_done(void *ctx, struct record *record,
                        const struct run_extra *x)
{
	struct round *r = ctx;

	/* First: the callee may end the round. */
	go_on(r);
	r->o.on_run(r->o.ctx, record, x);
}

static void begin_run(struct round *r)
{
	const struct task *t = &r->task[r->current];
	const struct run_options o = {
		.plan = r->o.plan,
		.reflector = t->reflector,
		.family = t->family,
		.classes = r->o.classes,
		.pace = r->o.pace,
		.version = PERIPLUS_VERSION,
		.on_progress = on_run_progress,
		.on_done = on_run_done,
		.ctx = r,
	};
	struct err e;

	r->run = run_start(r->o.loop, &o, &e);
	if (!r->run) {
		log_error("run toward %s over IPv%d: %s", t->reflector->name,
		          t->family, e.text);
		go_on(r);
	}
}

static void on_next(struct timer *t, int64_t now_ns)
{
	struct round *r = LOOP_CONTAINER(t, struct round, next);

	(void)now_ns;
	run_free(r->run);
	r->run = NULL;
	if (r->current < r->task_count)
		begin_run(r);
	else
		r->o.on_end(r->o.ctx);
}

struct round *round_start(const struct round_options *o, struct err *e)
{
	const struct plan_reflector *chosen[PLAN_REFLECTORS_MAX];
	int count = choose(o, chosen);
	struct round *r = mem_alloc(sizeof(*r));

	r->o = *o;
	r->next.fire = on_next;
	list_tasks(r, count, chosen);
	if (r->task_count == 0) {
		explain(o, count, chosen, e);
		free(r);
		return NULL;
	}
	loop_arm(o->loop, &r->next, loop_now(o->loop));
	return r;
}

void round_free(struct round *r)
{
	if (!r)
		return;
	loop_disarm(r->o.loop, &r->next);
	run_free(r->run);
	free(r);
}

const char *round_note(const struct round *r)
{
	return r->note;
}
