/* Reads what PTX says about its kernels: names, parameters, limits. The
 * instructions are not looked at: the same kernels were compiled for the host. */
#include "sim.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader { const char *at; unsigned line; char *why; size_t size; };

static bool fail(struct reader *r, const char *format, ...) PRINTF(2);
static bool fail(struct reader *r, const char *format, ...) {
	int n = snprintf(r->why, r->size, "ptxas application ptx input, line %u; fatal : ", r->line);
	va_list args;
	va_start(args, format);
	if (n > 0 && (size_t)n < r->size)
		vsnprintf(r->why + n, r->size - (size_t)n, format, args);
	va_end(args);
	return false;
}

/* Skips white space, comments and strings. */
static void skip(struct reader *r) {
	for (;;) {
		char c = *r->at;
		if (c == '\n') {
			r->line++;
			r->at++;
		} else if (isspace((unsigned char)c)) {
			r->at++;
		} else if (c == '/' && r->at[1] == '/') {
			while (*r->at != 0 && *r->at != '\n')
				r->at++;
		} else if (c == '/' && r->at[1] == '*') {
			for (r->at += 2; *r->at != 0 && !(r->at[0] == '*' && r->at[1] == '/'); r->at++)
				r->line += *r->at == '\n';
			r->at += *r->at != 0 ? 2 : 0;
		} else if (c == '"') {
			for (r->at++; *r->at != 0 && *r->at != '"'; r->at++)
				;
			r->at += *r->at != 0;
		} else {
			return;
		}
	}
}

/* The next word or sign; false at the end. */
static bool next(struct reader *r, char token[128]) {
	skip(r);
	size_t n = 0;
	while (isalnum((unsigned char)*r->at) || strchr("_$%.", *r->at) != NULL) {
		if (*r->at == 0)
			break;
		if (n > 0 && *r->at == '.' && !isdigit((unsigned char)token[n - 1]))
			break; /* .param.u64 */
		if (n < 127)
			token[n++] = *r->at;
		r->at++;
	}
	if (n == 0 && *r->at != 0)
		token[n++] = *r->at++;
	token[n] = 0;
	return n > 0;
}

static unsigned type_size(const char *type) {
	unsigned bits = 0;
	if (type[0] != '.' || strchr("usbf", type[1]) == NULL || sscanf(type + 2, "%u", &bits) != 1)
		return strcmp(type, ".pred") == 0 ? 1 : 0;
	return bits / 8;
}

/* .param .type name, with .align N and [count], up to a comma or the end. */
static bool parameter(struct reader *r, struct ptx_entry *e) {
	char token[128];
	uint32_t size = 0, alignment = 0, count = 1;
	while (next(r, token)) {
		if (strcmp(token, ",") == 0 || strcmp(token, ")") == 0) {
			if (size == 0 || e->count == MAX_PARAMS)
				return fail(r, "a parameter of kernel %s is not understood", e->name);
			e->sizes[e->count] = size * count;
			e->alignments[e->count++] = alignment > 0 ? alignment : size;
			r->at -= *token == ')';
			return true;
		}
		if (strcmp(token, ".align") == 0) {
			if (next(r, token) && alignment == 0)
				alignment = (uint32_t)strtoul(token, NULL, 0);
		} else if (strcmp(token, ".ptr") == 0) {
			/* What the pointer points to, and how that is aligned. */
			while (next(r, token) && token[0] == '.')
				if (strcmp(token, ".align") == 0)
					next(r, token);
		} else if (strcmp(token, "[") == 0) {
			if (next(r, token))
				count = (uint32_t)strtoul(token, NULL, 0);
		} else if (token[0] == '.' && type_size(token) > 0) {
			size = type_size(token);
		}
	}
	return fail(r, "the parameters of kernel %s do not end", e->name);
}

/* .maxntid and .reqntid: threads of a block in up to three dimensions. */
static void limit(struct reader *r, struct ptx_entry *e) {
	char token[128];
	unsigned threads = 1;
	while (next(r, token)) {
		threads *= (unsigned)strtoul(token, NULL, 0);
		skip(r);
		if (*r->at != ',')
			break;
		r->at++;
	}
	e->max_threads = threads;
}

/* .shared .align N .type name[count]; */
static void shared(struct reader *r, struct ptx_entry *e) {
	char token[128];
	unsigned size = 0, count = 1;
	while (next(r, token) && strcmp(token, ";") != 0) {
		if (strcmp(token, ".align") == 0)
			next(r, token);
		else if (strcmp(token, "[") == 0 && next(r, token))
			count *= (unsigned)strtoul(token, NULL, 0);
		else if (token[0] == '.' && type_size(token) > 0)
			size = type_size(token);
	}
	e->shared += size * count;
}

/* Everything between the parameters and the end of the body, which is long. */
static bool body(struct reader *r, struct ptx_entry *e) {
	char token[128];
	for (;;) {
		if (!next(r, token))
			return fail(r, "kernel %s has no body", e->name);
		if (strcmp(token, ".maxntid") == 0 || strcmp(token, ".reqntid") == 0)
			limit(r, e);
		if (strcmp(token, "{") == 0)
			break;
	}
	for (int depth = 1; *r->at != 0;) {
		char c = *r->at;
		if (c == '/' || c == '"' || c == '\n') {
			const char *before = r->at;
			skip(r);
			r->at += r->at == before;
		} else if (c == '.' && isspace((unsigned char)r->at[-1]) && strncmp(r->at, ".shared", 7) == 0) {
			shared(r, e);
		} else {
			r->at++;
			depth += (c == '{') - (c == '}');
			if (depth == 0)
				return true;
		}
	}
	return fail(r, "the body of kernel %s does not end", e->name);
}

static bool entry(struct reader *r, struct ptx *out) {
	char token[128];
	if (!next(r, token))
		return fail(r, ".entry without a name");
	out->entries = realloc(out->entries, (out->count + 1) * sizeof *out->entries);
	struct ptx_entry *e = &out->entries[out->count++];
	memset(e, 0, sizeof *e);
	e->name = strdup(token);
	e->max_threads = 1024;
	skip(r);
	if (*r->at == '(') {
		r->at++;
		for (;;) {
			skip(r);
			if (*r->at == ')')
				break;
			if (!parameter(r, e))
				return false;
		}
		r->at++;
	}
	return body(r, e);
}

bool ptx_parse(const char *text, struct ptx *out, char *why, size_t size) {
	struct reader r = {text, 1, why, size};
	char token[128];
	unsigned major, minor;
	memset(out, 0, sizeof *out);
	if (!next(&r, token) || strcmp(token, ".version") != 0)
		return fail(&r, "Missing .version directive at start of file");
	skip(&r);
	if (sscanf(r.at, "%u.%u", &major, &minor) != 2)
		return fail(&r, "the number of .version is not understood");
	out->version = 10 * major + minor;
	while (next(&r, token)) {
		if (strcmp(token, ".target") == 0) {
			if (!next(&r, token) || sscanf(token, "sm_%u", &out->target) != 1)
				return fail(&r, "the architecture of .target is not understood");
		} else if (strcmp(token, ".entry") == 0 && !entry(&r, out)) {
			return false;
		}
	}
	return out->target > 0 || fail(&r, "Missing .target directive");
}

void ptx_free(struct ptx *p) {
	for (size_t i = 0; i < p->count; i++)
		free(p->entries[i].name);
	free(p->entries);
}
