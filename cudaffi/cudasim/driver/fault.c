/* The list of what was done wrong. */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT = 200 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *lines[KEPT];
static size_t kept, lost;

void fault(const char *format, ...) {
	char line[512];
	va_list args;
	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	if (settings.verbose)
		fprintf(stderr, "simulated CUDA driver: %s\n", line);
	pthread_mutex_lock(&lock);
	if (kept < KEPT)
		lines[kept++] = strdup(line);
	else
		lost++;
	pthread_mutex_unlock(&lock);
}

void faults_reset(void) {
	pthread_mutex_lock(&lock);
	while (kept > 0)
		free(lines[--kept]);
	lost = 0;
	pthread_mutex_unlock(&lock);
}

void faults_say(struct text *t) {
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < kept; i++)
		say(t, "%s\n", lines[i]);
	if (lost > 0)
		say(t, "and %zu more\n", lost);
	pthread_mutex_unlock(&lock);
}

/* Counts what does not fit, as snprintf does. */
void say(struct text *t, const char *format, ...) {
	size_t left = t->length < t->room ? t->room - t->length : 0;
	va_list args;
	va_start(args, format);
	int n = vsnprintf(left > 0 ? t->at + t->length : NULL, left, format, args);
	va_end(args);
	t->length += n > 0 ? (size_t)n : 0;
}
