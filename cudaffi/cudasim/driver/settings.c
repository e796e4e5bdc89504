/* What tests configure. The environment (MONEL_CUDASIM_DEVICES and so on) says
 * what a reset goes back to, so that it reaches processes that a test starts. */
#include "sim.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct settings settings;

static const struct { const char *name; size_t at; uint64_t initial, most; } table[] = {
	{"devices", offsetof(struct settings, devices), 4, MAX_DEVICES},
	{"memory", offsetof(struct settings, memory), 8ull << 30, 1ull << 40},
	{"version", offsetof(struct settings, version), 12080, 99990},
	{"capability", offsetof(struct settings, capability), 90, 999},
	{"values", offsetof(struct settings, values), 1, 1},
	{"strict", offsetof(struct settings, strict), 1, 1},
	{"patience_ms", offsetof(struct settings, patience_ms), 10000, 3600000},
	{"channels", offsetof(struct settings, channels), 0, 32},
	{"depth", offsetof(struct settings, depth), 1024, 1 << 30},
	{"delay_seed", offsetof(struct settings, delay_seed), 0, UINT64_MAX},
	{"delay_max_us", offsetof(struct settings, delay_max_us), 0, 1000000},
	{"multiprocessors", offsetof(struct settings, multiprocessors), 1, 1024},
	{"dmabuf", offsetof(struct settings, dmabuf), 1, 1},
	{"reuse", offsetof(struct settings, reuse), 0, 1},
	{"verbose", offsetof(struct settings, verbose), 0, 1},
};

bool settings_set(const char *name, uint64_t value) {
	for (size_t i = 0; i < LENGTH(table); i++) {
		if (strcmp(table[i].name, name) == 0 && value <= table[i].most) {
			*(atomic_uint_fast64_t *)((char *)&settings + table[i].at) = value;
			return true;
		}
	}
	return false;
}

void settings_reset(void) {
	for (size_t i = 0; i < LENGTH(table); i++) {
		char name[64] = "MONEL_CUDASIM_";
		size_t n = strlen(name);
		for (const char *c = table[i].name; *c; c++)
			name[n++] = (char)toupper((unsigned char)*c);
		name[n] = 0;
		settings_set(table[i].name, table[i].initial);
		const char *text = getenv(name);
		if (text == NULL)
			continue;
		char *end;
		uint64_t value = strtoull(text, &end, 0);
		if (*text == 0 || *end != 0 || !settings_set(table[i].name, value))
			fault("%s=%s is not a setting of the simulated driver", name, text);
	}
}

__attribute__((constructor)) static void start(void) { settings_reset(); }

uint64_t nanoseconds(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
