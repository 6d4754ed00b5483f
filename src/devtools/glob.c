#include "devtools/glob.h"

#include <string.h>

/* A pattern as a chain of pieces: what follows an alternative goes on behind its brace. */
typedef struct piece {
	const char *at, *end;
	const struct piece *then;
} piece;

enum { MAX_DEPTH = 64 };

static bool match(const piece *p, const char *text, int depth);

/* The end of the set that opens at `at`, or NULL. */
static const char *set_end(const char *at, const char *end)
{
	const char *p = at + 1;
	if (p < end && (*p == '!' || *p == '^')) {
		p++;
	}
	if (p < end && *p == ']') {
		p++;
	}
	while (p < end && *p != ']') {
		p++;
	}
	return p < end ? p : NULL;
}

static bool in_set(const char *at, const char *close, char c)
{
	const char *p = at + 1;
	bool negated = *p == '!' || *p == '^';
	bool found = false;
	for (p += negated ? 1 : 0; p < close; p++) {
		if (p + 2 < close && p[1] == '-') {
			found = found || (p[0] <= c && c <= p[2]);
			p += 2;
		} else {
			found = found || *p == c;
		}
	}
	return found != negated;
}

/* The brace that closes the one at `at`, or NULL. */
static const char *brace_end(const char *at, const char *end)
{
	int open = 0;
	for (const char *p = at; p < end; p++) {
		open += *p == '{' ? 1 : *p == '}' ? -1 : 0;
		if (open == 0) {
			return p;
		}
	}
	return NULL;
}

static bool match_braces(const piece *p, const char *close, const char *text, int depth)
{
	piece rest = {close + 1, p->end, p->then};
	const char *from = p->at + 1;
	int open = 0;
	for (const char *c = from; c <= close; c++) {
		open += *c == '{' ? 1 : *c == '}' && c < close ? -1 : 0;
		if (c == close || (*c == ',' && open == 0)) {
			piece choice = {from, c, &rest};
			if (match(&choice, text, depth + 1)) {
				return true;
			}
			from = c + 1;
		}
	}
	return false;
}

static bool match_star(const piece *p, const char *text, int depth)
{
	bool deep = p->at + 1 < p->end && p->at[1] == '*';
	piece rest = {p->at + (deep ? 2 : 1), p->end, p->then};
	if (deep && rest.at < rest.end && *rest.at == '/') {
		/* Before a slash, ** may also stand for no directory at all. */
		piece after = {rest.at + 1, rest.end, rest.then};
		if (match(&after, text, depth + 1)) {
			return true;
		}
	}
	for (;; text++) {
		if (match(&rest, text, depth + 1)) {
			return true;
		}
		if (*text == '\0' || (*text == '/' && !deep)) {
			return false;
		}
	}
}

static bool match(const piece *p, const char *text, int depth)
{
	piece now = *p;
	if (depth > MAX_DEPTH) {
		return false;
	}
	while (true) {
		while (now.at == now.end) {
			if (now.then == NULL) {
				return *text == '\0';
			}
			now = *now.then;
		}
		const char *close;
		if (*now.at == '*') {
			return match_star(&now, text, depth);
		}
		if (*now.at == '{' && (close = brace_end(now.at, now.end)) != NULL) {
			return match_braces(&now, close, text, depth);
		}
		if (*text == '\0') {
			return false;
		}
		if (*now.at == '[' && (close = set_end(now.at, now.end)) != NULL) {
			if (*text == '/' || !in_set(now.at, close, *text)) {
				return false;
			}
			now.at = close;
		} else if (*now.at == '?' ? *text == '/' : *now.at != *text) {
			return false;
		}
		now.at++;
		text++;
	}
}

bool kt_glob_match(const char *pattern, const char *text)
{
	piece whole = {pattern, pattern + strlen(pattern), NULL};
	return match(&whole, text, 0);
}
