/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words - say in plain English what a survey found.
 *
 * Nothing is claimed that the evidence does not carry: who sent an error is
 * told by its address; where a silent block sits is not told at all.
 *
 * All functions write into text, always terminate it, and return it.
 */
#ifndef AGENT_WORDS_H
#define AGENT_WORDS_H

#include "agent/survey.h"

enum { WORDS_BYTES = 768 };

/* "TCP 25" */
char *words_port(const struct survey_port *p, char text[WORDS_BYTES]);

/* "blocked: no answer from either reflector, though both listen." */
char *words_result(const struct survey_port *p, char text[WORDS_BYTES]);

/* Would two ports be told in the same words, but for addresses? */
bool words_same(const struct survey_port *a, const struct survey_port *b);

/*
 * What a person can do about it, and whether the ports that this names are
 * open themselves; "" when there is nothing to say.
 */
char *words_advice(const struct survey *s, const struct survey_port *p,
                   char text[WORDS_BYTES]);

/* Why nothing is known of a port; "" when something is. */
char *words_untested(const struct survey_port *p, char text[WORDS_BYTES]);

/* Why a transport of a run does not count. */
const char *words_void(enum void_reason reason);

#endif
