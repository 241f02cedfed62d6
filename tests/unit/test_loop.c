/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's epoll is real, its clock is not: a sleep with nothing ready
 * moves the time on instead of waiting, so that a day takes no time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/loop.h"
#include "tests/unit/unit.h"

enum sleep_fault { SLEEP_WELL, SLEEP_INTERRUPTED, SLEEP_BROKEN };

static struct {
	int64_t now_ns;
	int sleeps;
	int64_t slept_ns;
	bool without_limit;
	enum sleep_fault fault;    /* of the next sleep */
	struct loop *stop_instead; /* of a sleep without end */
} world;

int64_t clock_monotonic_ns(void)
{
	return world.now_ns;
}

static int sleep_in_world(int epoll_fd, struct epoll_event *events, int max,
                          const struct timespec *limit, const sigset_t *mask)
{
	static const struct timespec none;
	enum sleep_fault fault = world.fault;
	int n;

	world.fault = SLEEP_WELL;
	world.sleeps++;
	if (fault != SLEEP_WELL) {
		errno = fault == SLEEP_INTERRUPTED ? EINTR : EBADF;
		return -1;
	}
	n = epoll_pwait2(epoll_fd, events, max, &none, mask);
	if (n == 0 && !limit) {
		world.without_limit = true;
		loop_stop(world.stop_instead);
	} else if (n == 0) {
		int64_t ns = limit->tv_sec * CLOCK_S + limit->tv_nsec;

		world.slept_ns += ns;
		world.now_ns += ns;
	}
	return n;
}

#define epoll_pwait2 sleep_in_world
#include "lib/loop.c"

/* ---- what happened, in order -------------------------------------------- */

static char story[1000];

static void tell(char c)
{
	size_t n = strlen(story);

	assert_true(n + 1 < sizeof(story));
	story[n] = c;
}

struct teller {
	struct timer timer;
	struct watch watch;
	char name;
	int other_end; /* of the pipe that is watched */
	struct loop *loop;
	void (*then)(struct teller *);
	struct teller *victim;
	uint32_t events; /* as last seen */
};

static void on_timer(struct timer *t, int64_t now_ns)
{
	struct teller *me = LOOP_CONTAINER(t, struct teller, timer);

	assert_true(now_ns >= t->at_ns);
	assert_int_equal(now_ns, loop_now(me->loop));
	tell(me->name);
	if (me->then)
		me->then(me);
}

static void on_ready(struct watch *w, uint32_t events, int64_t now_ns)
{
	struct teller *me = LOOP_CONTAINER(w, struct teller, watch);

	assert_int_equal(now_ns, loop_now(me->loop));
	me->events = events;
	tell(me->name);
	if (me->then)
		me->then(me);
}

static struct teller teller(struct loop *l, char name)
{
	return (struct teller){
		.timer = { .fire = on_timer },
		.watch = { .fd = -1, .ready = on_ready },
		.name = name,
		.loop = l,
	};
}

/* Watch the reading end of a pipe that has a byte in it. */
static void watch_ready_pipe(struct teller *t)
{
	int fds[2];
	struct err e;

	assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_true(loop_watch(t->loop, &t->watch, fds[0], EPOLLIN, &e));
	t->other_end = fds[1];
}

static void drain(struct teller *t)
{
	char c;

	assert_int_equal(read(t->watch.fd, &c, 1), 1);
}

static void close_pipe(struct teller *t, int reading_end)
{
	loop_unwatch(t->loop, &t->watch);
	close(reading_end);
	close(t->other_end);
}

static void stop_loop(struct teller *t)
{
	loop_stop(t->loop);
}

static int start(void **state)
{
	struct err e;

	memset(&world, 0, sizeof(world));
	memset(story, 0, sizeof(story));
	world.now_ns = 1000 * CLOCK_S;
	world.stop_instead = loop_new(&e);
	*state = world.stop_instead;
	return *state ? 0 : -1;
}

static int end(void **state)
{
	loop_free(*state);
	return 0;
}

/* Run until there is nothing left to wait for. */
static void run(struct loop *l)
{
	struct err e;

	assert_true(loop_run(l, &e));
}

/* ---- timers ------------------------------------------------------------- */

static void timers_fire_in_order_of_time(void **state)
{
	struct loop *l = *state;
	struct teller c = teller(l, 'c');
	struct teller a = teller(l, 'a');
	struct teller b = teller(l, 'b');

	loop_arm(l, &c.timer, loop_now(l) + 3 * CLOCK_DAY);
	loop_arm(l, &a.timer, loop_now(l) + 1);
	loop_arm(l, &b.timer, loop_now(l) + CLOCK_S);
	run(l);
	assert_string_equal(story, "abc");
	assert_int_equal(world.slept_ns, 3 * CLOCK_DAY);
	/* One sleep for each, and the one that would never end. */
	assert_int_equal(world.sleeps, 4);
}

static void equal_times_fire_in_the_order_of_arming(void **state)
{
	struct loop *l = *state;
	struct teller t[20];
	int64_t at_ns = loop_now(l) + CLOCK_MS;

	for (int i = 0; i < 20; i++)
		t[i] = teller(l, (char)('a' + i));
	for (int i = 0; i < 20; i++)
		loop_arm(l, &t[i].timer, at_ns);
	loop_arm(l, &t[3].timer, at_ns); /* again: goes to the end */
	run(l);
	assert_string_equal(story, "abcefghijklmnopqrstd");
}

static void times_that_are_past_fire_at_once(void **state)
{
	struct loop *l = *state;
	struct teller b = teller(l, 'b');
	struct teller a = teller(l, 'a');

	loop_arm(l, &b.timer, loop_now(l));
	loop_arm(l, &a.timer, INT64_MIN / 2);
	run(l);
	assert_string_equal(story, "ab");
	assert_int_equal(world.slept_ns, 0);
}

static void a_moved_timer_fires_once_at_its_new_time(void **state)
{
	struct loop *l = *state;
	struct teller a = teller(l, 'a');
	struct teller b = teller(l, 'b');

	loop_arm(l, &a.timer, loop_now(l) + 1);
	loop_arm(l, &b.timer, loop_now(l) + 2);
	loop_arm(l, &a.timer, loop_now(l) + 3);
	run(l);
	assert_string_equal(story, "ba");
}

static void disarm_victim(struct teller *t)
{
	loop_disarm(t->loop, &t->victim->timer);
}

static void a_timer_disarmed_by_another_does_not_fire(void **state)
{
	struct loop *l = *state;
	struct teller a = teller(l, 'a');
	struct teller b = teller(l, 'b');

	a.then = disarm_victim;
	a.victim = &b;
	loop_arm(l, &a.timer, loop_now(l) + 1);
	loop_arm(l, &b.timer, loop_now(l) + 1);
	run(l);
	assert_string_equal(story, "a");
	loop_disarm(l, &b.timer); /* not armed: fine */
	assert_int_equal(b.timer.heap_index, 0);
}

static void rearm_until_bored(struct teller *t)
{
	if (strlen(story) < 5)
		loop_arm(t->loop, &t->timer, loop_now(t->loop));
}

static void drain_once(struct teller *t)
{
	drain(t);
}

static void a_timer_that_is_always_due_does_not_starve_watches(void **state)
{
	struct loop *l = *state;
	struct teller t = teller(l, 't');
	struct teller w = teller(l, 'w');
	int fd;

	watch_ready_pipe(&w);
	fd = w.watch.fd;
	drain(&w);
	w.then = drain_once;
	t.then = rearm_until_bored;
	loop_arm(l, &t.timer, loop_now(l));
	assert_int_equal(write(w.other_end, "x", 1), 1);
	run(l);
	assert_string_equal(story, "wtttt");
	assert_true(world.sleeps >= 4); /* a turn for each */
	close_pipe(&w, fd);
}

/*
 * Many timers, armed, moved and disarmed at random, against a plain array:
 * what fires next is always the earliest.
 */
enum { MANY = 500, STEPS = 20000 };

static struct crowd {
	struct timer timer[MANY];
	bool armed[MANY];
	int64_t last_ns;
	int fired;
} crowd;

static void on_crowd(struct timer *t, int64_t now_ns)
{
	ptrdiff_t i = t - crowd.timer;

	(void)now_ns;
	assert_true(crowd.armed[i]);
	assert_true(t->at_ns >= crowd.last_ns);
	crowd.armed[i] = false;
	crowd.last_ns = t->at_ns;
	crowd.fired++;
}

static void any_history_of_arming_leaves_the_right_order(void **state)
{
	struct loop *l = *state;
	unsigned int seed = (unsigned int)time(NULL);
	int expected = 0;

	print_message("# seed %u\n", seed);
	srandom(seed);
	memset(&crowd, 0, sizeof(crowd));
	for (int i = 0; i < MANY; i++)
		crowd.timer[i].fire = on_crowd;
	for (int step = 0; step < STEPS; step++) {
		long i = random() % MANY;

		crowd.armed[i] = random() % 3 != 0;
		if (crowd.armed[i])
			loop_arm(l, &crowd.timer[i],
			         loop_now(l) + random() % 1000);
		else
			loop_disarm(l, &crowd.timer[i]);
	}
	for (int i = 0; i < MANY; i++)
		expected += crowd.armed[i];
	run(l);
	assert_int_equal(crowd.fired, expected);
}

/* ---- sleeping ----------------------------------------------------------- */

static void nothing_to_do_is_slept_through_without_a_limit(void **state)
{
	run(*state);
	assert_true(world.without_limit);
	assert_int_equal(world.sleeps, 1);
}

static void a_sleep_is_as_long_as_needed_and_there_is_one(void **state)
{
	struct loop *l = *state;
	struct teller a = teller(l, 'a');

	a.then = stop_loop;
	loop_arm(l, &a.timer, loop_now(l) + 1500001);
	run(l);
	assert_string_equal(story, "a");
	assert_int_equal(world.slept_ns, 1500001);
	assert_int_equal(world.sleeps, 1);
}

static void work_for_a_while(struct teller *t)
{
	(void)t;
	world.now_ns += 300;
}

static void the_time_that_callbacks_take_is_not_slept_again(void **state)
{
	struct loop *l = *state;
	struct teller a = teller(l, 'a');
	struct teller b = teller(l, 'b');
	int64_t start_ns = loop_now(l);

	a.then = work_for_a_while;
	b.then = stop_loop;
	loop_arm(l, &a.timer, start_ns + 100);
	loop_arm(l, &b.timer, start_ns + 1000);
	run(l);
	assert_int_equal(world.now_ns, start_ns + 1000);
}

static void an_interrupted_sleep_goes_on(void **state)
{
	struct loop *l = *state;
	struct teller a = teller(l, 'a');

	world.fault = SLEEP_INTERRUPTED;
	loop_arm(l, &a.timer, loop_now(l) + CLOCK_S);
	run(l);
	assert_string_equal(story, "a");
}

static void a_broken_sleep_ends_the_loop_with_the_reason(void **state)
{
	struct loop *l = *state;
	struct err e;

	world.fault = SLEEP_BROKEN;
	assert_false(loop_run(l, &e));
	assert_string_equal(e.text,
	                    "cannot wait for events: Bad file descriptor");
}

/* ---- watches ------------------------------------------------------------ */

static void unwatch_victim(struct teller *t)
{
	drain(t);
	loop_unwatch(t->loop, &t->victim->watch);
}

static void a_watch_removed_in_the_same_batch_is_not_called(void **state)
{
	struct loop *l = *state;
	struct teller t[2] = { teller(l, 'x'), teller(l, 'x') };
	int fd[2];

	for (int i = 0; i < 2; i++) {
		watch_ready_pipe(&t[i]);
		fd[i] = t[i].watch.fd;
		t[i].then = unwatch_victim;
		t[i].victim = &t[1 - i];
	}
	run(l);
	assert_string_equal(story, "x"); /* whichever came first */
	close_pipe(&t[0], fd[0]);
	close_pipe(&t[1], fd[1]);
}

static void free_victim(struct teller *t)
{
	drain(t);
	if (!t->victim)
		return;
	close_pipe(t->victim, t->victim->watch.fd);
	free(t->victim);
	t->victim = NULL;
}

static void a_watch_may_be_freed_by_another(void **state)
{
	struct loop *l = *state;
	struct teller *t[2] = { mem_alloc(sizeof(**t)),
		                mem_alloc(sizeof(**t)) };

	for (int i = 0; i < 2; i++) {
		*t[i] = teller(l, (char)('a' + i));
		watch_ready_pipe(t[i]);
		t[i]->then = free_victim;
		t[i]->victim = t[1 - i];
	}
	run(l);
	assert_int_equal(strlen(story), 1);
	struct teller *left = t[story[0] - 'a'];

	close_pipe(left, left->watch.fd);
	free(left);
}

static void unwatch_self(struct teller *t)
{
	loop_unwatch(t->loop, &t->watch);
}

static void a_watch_may_remove_itself(void **state)
{
	struct loop *l = *state;
	struct teller a = teller(l, 'a');
	int fd;

	watch_ready_pipe(&a);
	fd = a.watch.fd;
	a.then = unwatch_self;
	run(l);
	assert_string_equal(story, "a");
	assert_int_equal(a.watch.fd, -1);
	loop_unwatch(l, &a.watch); /* not watched: fine */
	close_pipe(&a, fd);
}

static void silence_victim(struct teller *t)
{
	drain(t);
	loop_rewatch(t->loop, &t->victim->watch, 0);
}

static void an_event_that_is_no_longer_wanted_is_not_delivered(void **state)
{
	struct loop *l = *state;
	struct teller t[2] = { teller(l, 'x'), teller(l, 'x') };

	for (int i = 0; i < 2; i++) {
		watch_ready_pipe(&t[i]);
		t[i].then = silence_victim;
		t[i].victim = &t[1 - i];
	}
	run(l);
	assert_string_equal(story, "x");
	close_pipe(&t[0], t[0].watch.fd);
	close_pipe(&t[1], t[1].watch.fd);
}

static void a_watch_waits_for_what_it_was_last_told(void **state)
{
	struct loop *l = *state;
	struct teller a = teller(l, 'a');
	int fds[2];
	struct err e;

	a.then = unwatch_self;
	assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	assert_true(loop_watch(l, &a.watch, fds[1], EPOLLIN, &e));
	run(l);
	assert_string_equal(story, "");
	loop_rewatch(l, &a.watch, EPOLLOUT);
	run(l);
	assert_string_equal(story, "a");
	assert_int_equal(a.events, EPOLLOUT);
	close(fds[0]);
	close(fds[1]);
}

static void an_answer_goes_before_its_deadline(void **state)
{
	struct loop *l = *state;
	struct teller deadline = teller(l, 'd');
	struct teller answer = teller(l, 'a');
	int fd;

	watch_ready_pipe(&answer);
	fd = answer.watch.fd;
	answer.then = unwatch_self;
	loop_arm(l, &deadline.timer, loop_now(l) - 1);
	run(l);
	assert_string_equal(story, "ad");
	close_pipe(&answer, fd);
}

static void more_descriptors_than_a_batch_holds_are_all_served(void **state)
{
	enum { COUNT = 3 * BATCH_MAX };
	struct loop *l = *state;
	struct teller *t = mem_array(COUNT, sizeof(*t));

	for (int i = 0; i < COUNT; i++) {
		t[i] = teller(l, 'x');
		t[i].then = drain_once;
		watch_ready_pipe(&t[i]);
	}
	run(l);
	assert_int_equal(strlen(story), COUNT);
	for (int i = 0; i < COUNT; i++)
		close_pipe(&t[i], t[i].watch.fd);
	free(t);
}

static void what_cannot_be_watched_is_an_error(void **state)
{
	struct loop *l = *state;
	struct teller a = teller(l, 'a');
	FILE *regular = tmpfile();
	char expected[100];
	struct err e;

	assert_non_null(regular);
	assert_false(loop_watch(l, &a.watch, fileno(regular), EPOLLIN, &e));
	snprintf(expected, sizeof(expected),
	         "cannot watch descriptor %d: Operation not permitted",
	         fileno(regular));
	assert_string_equal(e.text, expected);
	assert_int_equal(a.watch.fd, -1);
	fclose(regular);
}

static void a_descriptor_that_was_closed_can_be_unwatched(void **state)
{
	struct loop *l = *state;
	struct teller a = teller(l, 'a');

	watch_ready_pipe(&a);
	close(a.watch.fd);
	loop_unwatch(l, &a.watch);
	assert_int_equal(a.watch.fd, -1);
	run(l);
	assert_string_equal(story, "");
	close(a.other_end);
}

/* ---- stopping and signals ----------------------------------------------- */

static void a_stop_ends_after_the_current_callback(void **state)
{
	struct loop *l = *state;
	struct teller w[2] = { teller(l, 'w'), teller(l, 'w') };
	struct teller t = teller(l, 't');
	int fd[2];

	for (int i = 0; i < 2; i++) {
		watch_ready_pipe(&w[i]);
		fd[i] = w[i].watch.fd;
		w[i].then = stop_loop;
	}
	loop_arm(l, &t.timer, loop_now(l));
	run(l);
	assert_string_equal(story, "w");
	/* What was not delivered comes when the loop runs again. */
	w[0].then = unwatch_self;
	w[1].then = unwatch_self;
	run(l);
	assert_string_equal(story, "wwwt");
	close_pipe(&w[0], fd[0]);
	close_pipe(&w[1], fd[1]);
}

static void a_stop_before_the_start_is_kept(void **state)
{
	struct loop *l = *state;

	loop_stop(l);
	run(l);
	assert_int_equal(world.sleeps, 0);
}

static void take_signal(struct teller *t)
{
	struct signalfd_siginfo info;

	assert_int_equal(read(t->watch.fd, &info, sizeof(info)), sizeof(info));
	tell(info.ssi_signo == SIGUSR1 ? '1' : '2');
}

static void signals_come_as_events(void **state)
{
	static const int signals[] = { SIGUSR1, SIGUSR2 };
	struct loop *l = *state;
	struct teller s = teller(l, 's');
	sigset_t set;
	struct err e;
	int fd;

	s.then = take_signal;
	assert_true(loop_watch_signals(l, &s.watch, signals, 2, &e));
	raise(SIGUSR2);
	raise(SIGUSR1);
	run(l);
	assert_string_equal(story, "s1s2");

	fd = s.watch.fd;
	loop_unwatch(l, &s.watch);
	close(fd);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void no_loop_can_be_freed(void **state)
{
	(void)state;
	loop_free(NULL);
}

#define LOOP_TEST(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(timers_fire_in_order_of_time),
		LOOP_TEST(equal_times_fire_in_the_order_of_arming),
		LOOP_TEST(times_that_are_past_fire_at_once),
		LOOP_TEST(a_moved_timer_fires_once_at_its_new_time),
		LOOP_TEST(a_timer_disarmed_by_another_does_not_fire),
		LOOP_TEST(a_timer_that_is_always_due_does_not_starve_watches),
		LOOP_TEST(any_history_of_arming_leaves_the_right_order),
		LOOP_TEST(nothing_to_do_is_slept_through_without_a_limit),
		LOOP_TEST(a_sleep_is_as_long_as_needed_and_there_is_one),
		LOOP_TEST(the_time_that_callbacks_take_is_not_slept_again),
		LOOP_TEST(an_interrupted_sleep_goes_on),
		LOOP_TEST(a_broken_sleep_ends_the_loop_with_the_reason),
		LOOP_TEST(a_watch_removed_in_the_same_batch_is_not_called),
		LOOP_TEST(a_watch_may_be_freed_by_another),
		LOOP_TEST(a_watch_may_remove_itself),
		LOOP_TEST(an_event_that_is_no_longer_wanted_is_not_delivered),
		LOOP_TEST(a_watch_waits_for_what_it_was_last_told),
		LOOP_TEST(an_answer_goes_before_its_deadline),
		LOOP_TEST(more_descriptors_than_a_batch_holds_are_all_served),
		LOOP_TEST(what_cannot_be_watched_is_an_error),
		LOOP_TEST(a_descriptor_that_was_closed_can_be_unwatched),
		LOOP_TEST(a_stop_ends_after_the_current_callback),
		LOOP_TEST(a_stop_before_the_start_is_kept),
		LOOP_TEST(signals_come_as_events),
		LOOP_TEST(no_loop_can_be_freed),
	};

	return UNIT_RUN(tests);
}
