/* A line editor: moving, deleting, history. Columns are counted as code points. */
#include "cli/line_edit.h"

#include "base/alloc.h"
#include "base/fs.h"

#include <errno.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define CONTROL(c) ((c) & 0x1f)

enum { KEY_UP = 1000, KEY_DOWN, KEY_LEFT, KEY_RIGHT, KEY_HOME, KEY_END, KEY_DELETE, KEY_NONE };

typedef struct line {
	const char *prompt;
	kt_buf *text; /* what is edited begins at `base` */
	size_t base, at;
	size_t shown; /* index of the history entry on display; its count = the new line */
} line;

void kt_line_edit_init(kt_line_edit *self)
{
	*self = (kt_line_edit){.history = KT_STRVEC_INIT,
			       .terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)};
}

void kt_line_edit_deinit(kt_line_edit *self)
{
	kt_strvec_deinit(&self->history);
}

/* One byte, or -1 at the end. */
static int next_byte(void)
{
	unsigned char c;
	ssize_t n;

	while ((n = read(STDIN_FILENO, &c, 1)) < 0 && errno == EINTR) {
	}
	return n == 1 ? c : -1;
}

/* After the escape byte. */
static int escape_key(void)
{
	static const struct {
		char final;
		int key;
	} finals[] = {{'A', KEY_UP}, {'B', KEY_DOWN}, {'C', KEY_RIGHT},
		      {'D', KEY_LEFT}, {'H', KEY_HOME}, {'F', KEY_END}};
	int c = next_byte();
	int digit = 0;

	if (c != '[' && c != 'O') {
		return KEY_NONE;
	}
	while ((c = next_byte()) >= '0' && c <= ';') {
		digit = digit == 0 ? c : digit;
	}
	if (c == '~') {
		return digit == '3' ? KEY_DELETE
		       : digit == '1' || digit == '7' ? KEY_HOME
		       : digit == '4' || digit == '8' ? KEY_END : KEY_NONE;
	}
	for (size_t i = 0; i < KT_ARRAY_LEN(finals); i++) {
		if (finals[i].final == c) {
			return finals[i].key;
		}
	}
	return KEY_NONE;
}

static bool inside_rune(const line *l, size_t at)
{
	return at > l->base && at < l->text->len &&
	       ((unsigned char)l->text->data[at] & 0xC0) == 0x80;
}

static size_t before(const line *l, size_t at)
{
	at -= at > l->base ? 1 : 0;
	while (inside_rune(l, at)) {
		at--;
	}
	return at;
}

static size_t after(const line *l, size_t at)
{
	at += at < l->text->len ? 1 : 0;
	while (inside_rune(l, at)) {
		at++;
	}
	return at;
}

/* Takes [from, to) out and leaves the cursor there. */
static void cut(line *l, size_t from, size_t to)
{
	memmove(l->text->data + from, l->text->data + to, l->text->len - to);
	l->text->len -= to - from;
	l->at = from;
}

static void put(line *l, char c)
{
	kt_buf_addc(l->text, c);
	if (l->text->failed) {
		return;
	}
	memmove(l->text->data + l->at + 1, l->text->data + l->at, l->text->len - 1 - l->at);
	l->text->data[l->at++] = c;
}

/* A whole character, as half a one cannot be shown. */
static void put_rune(line *l, int first)
{
	int more = first < 0xC0 ? 0 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;

	put(l, (char)first);
	for (int c; more > 0 && (c = next_byte()) >= 0; more--) {
		put(l, (char)c);
	}
}

static void show_history(kt_line_edit *self, line *l, size_t which)
{
	if (which > self->history.len) {
		return;
	}
	l->shown = which;
	l->text->len = l->base;
	if (which < self->history.len) {
		kt_buf_adds(l->text, self->history.items[which]);
	}
	l->at = l->text->len;
}

/* The last word before the cursor. */
static size_t word_start(const line *l)
{
	size_t at = l->at;

	while (at > l->base && l->text->data[at - 1] == ' ') {
		at--;
	}
	while (at > l->base && l->text->data[at - 1] != ' ') {
		at--;
	}
	return at;
}

static int draw(const line *l, kt_err *err)
{
	KT_AUTO_BUF kt_buf out = KT_BUF_INIT;
	size_t back = 0;

	for (size_t at = l->at; at < l->text->len; at = after(l, at)) {
		back++;
	}
	kt_buf_addf(&out, "\r%s", l->prompt);
	kt_buf_add(&out, kt_buf_str(l->text) + l->base, l->text->len - l->base);
	kt_buf_adds(&out, "\x1b[K");
	if (back > 0) {
		kt_buf_addf(&out, "\x1b[%zuD", back);
	}
	return out.failed ? kt_err_nomem(err)
			  : kt_fs_write_all(STDOUT_FILENO, kt_buf_str(&out), out.len, err);
}

/* Carries a key out. True while the line goes on; else *ret is what reading gives. */
static bool handle(kt_line_edit *self, line *l, int key, int *ret)
{
	switch (key) {
	case -1:
		*ret = l->text->len > l->base ? 1 : 0;
		return false;
	case CONTROL('D'):
		if (l->text->len == l->base) {
			*ret = 0;
			return false;
		}
		cut(l, l->at, after(l, l->at));
		return true;
	case CONTROL('C'):
		l->text->len = l->base;
		*ret = 2;
		return false;
	case '\r':
	case '\n':
		*ret = 1;
		return false;
	case KEY_LEFT:
	case CONTROL('B'):
		l->at = before(l, l->at);
		return true;
	case KEY_RIGHT:
	case CONTROL('F'):
		l->at = after(l, l->at);
		return true;
	case KEY_HOME:
	case CONTROL('A'):
		l->at = l->base;
		return true;
	case KEY_END:
	case CONTROL('E'):
		l->at = l->text->len;
		return true;
	case 127:
	case CONTROL('H'):
		cut(l, before(l, l->at), l->at);
		return true;
	case KEY_DELETE:
		cut(l, l->at, after(l, l->at));
		return true;
	case CONTROL('K'):
		l->text->len = l->at;
		return true;
	case CONTROL('U'):
		cut(l, l->base, l->at);
		return true;
	case CONTROL('W'):
		cut(l, word_start(l), l->at);
		return true;
	case KEY_UP:
	case CONTROL('P'):
		show_history(self, l, l->shown - 1); /* before the first: out of range */
		return true;
	case KEY_DOWN:
	case CONTROL('N'):
		show_history(self, l, l->shown + 1);
		return true;
	case '\t':
		for (int i = 0; i < 4; i++) {
			put(l, ' ');
		}
		return true;
	default:
		if (key >= ' ' && key < 256) {
			put_rune(l, key);
		}
		return true;
	}
}

static int edit(kt_line_edit *self, const char *prompt, kt_buf *ret, kt_err *err)
{
	line l = {prompt, ret, ret->len, ret->len, self->history.len};
	int result = 0;
	int key;

	do {
		if (draw(&l, err) < 0) {
			return -1;
		}
		key = next_byte();
		key = key == 27 ? escape_key() : key;
	} while (handle(self, &l, key, &result));
	if (ret->failed) {
		return kt_err_nomem(err);
	}
	l.at = ret->len;
	if (result == 1 && ret->len > l.base &&
	    kt_strvec_add(&self->history, kt_buf_str(ret) + l.base) < 0) {
		return kt_err_nomem(err);
	}
	return kt_fs_write_all(STDOUT_FILENO, "\r\n", 2, err) < 0 ? -1 : result;
}

static int plain(kt_buf *ret, kt_err *err)
{
	int c = next_byte();

	if (c < 0) {
		return 0;
	}
	for (; c >= 0 && c != '\n'; c = next_byte()) {
		kt_buf_addc(ret, (char)c);
	}
	return ret->failed ? kt_err_nomem(err) : 1;
}

int kt_line_edit_read(kt_line_edit *self, const char *prompt, kt_buf *ret, kt_err *err)
{
	struct termios before_reading;
	struct termios raw;
	int result;

	if (!self->terminal || tcgetattr(STDIN_FILENO, &before_reading) < 0) {
		return plain(ret, err);
	}
	raw = before_reading;
	raw.c_iflag &= ~(tcflag_t)(ICRNL | IXON);
	raw.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG | IEXTEN);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) < 0) {
		return KT_FAIL_ERRNO(err, "setting the terminal up");
	}
	result = edit(self, prompt, ret, err);
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before_reading);
	return result;
}
