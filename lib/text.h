/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text - help texts laid out for a terminal of 80 columns.
 */
#ifndef LIB_TEXT_H
#define LIB_TEXT_H

#include <stdio.h>

enum { TEXT_WIDTH = 78 };

/*
 * Write a label, which may be empty, and beside it the text, wrapped between
 * the columns indent and TEXT_WIDTH.  A label that is too long gets a line of
 * its own.
 */
void text_item(FILE *out, const char *label, int indent, const char *text);

/*
 * Write paragraphs: each line of the text is wrapped by itself, but one that
 * begins with a space is kept as it is (examples, lists).
 */
void text_paragraphs(FILE *out, const char *text);

#endif
