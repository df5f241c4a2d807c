/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "tools/turnoutctl/watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/strbuf.h"
#include "tools/turnoutctl/rates.h"
#include "tools/turnoutctl/stop.h"
#include "tools/turnoutctl/table.h"

/* What a terminal understands (ECMA-48): to the top left, clear to the end of the line, of the
 * screen. */
#define TERMINAL_HOME "\033[H"
#define TERMINAL_CLEAR_LINE "\033[K"
#define TERMINAL_CLEAR_BELOW "\033[J"

/* The cursor away and back. */
#define TERMINAL_HIDE_CURSOR "\033[?25l"
#define TERMINAL_SHOW_CURSOR "\033[?25h"

enum { DEFAULT_ROWS = 24, CONTROL_D = 4 };

struct watch {
    struct ctl *ctl;
    const struct ctl_command *command;
    bool terminal;
    bool input;                    /* the input's end ends it */
    size_t rows;                   /* of the terminal */
    struct termios before;         /* of the input, if it takes keys */
    bool keys;
    int stop_fd;
};

static void
on_resize(int number)
{
    (void) number;                 /* it is enough that poll() is interrupted */
}

/* Keys come at once and are not shown. A process in the background leaves the terminal alone. */
static void
take_keys(struct watch *watch)
{
    struct termios now;
    if (isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp() && !tcgetattr(STDIN_FILENO, &now)) {
        watch->before = watch->keys ? watch->before : now;
        watch->keys = true;
        now.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSANOW, &now);
    }
}

/* The terminal is as it was; the cursor below what was drawn. */
static void
give_back(const struct watch *watch)
{
    if (watch->terminal) {
        fputs(TERMINAL_SHOW_CURSOR, stdout);
        fflush(stdout);
    }
    if (watch->keys && tcgetpgrp(STDIN_FILENO) == getpgrp()) {
        tcsetattr(STDIN_FILENO, TCSANOW, &watch->before);
    }
}

/* Runs the command with what it prints going to *text, for the caller to free. */
static int
run_into(struct watch *watch, char **text, size_t *size)
{
    FILE *out = stdout;
    FILE *frame = open_memstream(text, size);
    if (!frame) {
        fprintf(stderr, "turnoutctl: %s\n", strerror(errno));
        return CTL_FAILED;
    }
    stdout = frame;                /* a variable, in the GNU C library */
    int status = watch->command->run(watch->ctl);
    stdout = out;
    if (fclose(frame)) {
        fprintf(stderr, "turnoutctl: no memory\n");
        status = CTL_FAILED;
    }
    return status;
}

static void
append_heading(const struct watch *watch, struct strbuf *out)
{
    char text[16] = "";
    time_t now = time(NULL);
    struct tm when;
    if (localtime_r(&now, &when)) {
        strftime(text, sizeof text, "%H:%M:%S", &when);
    }
    strbuf_printf(out, "%s  %s%s%s, every %g s", text, watch->command->name,
                  watch->ctl->bridge ? " " : "", watch->ctl->bridge ? watch->ctl->bridge : "",
                  watch->ctl->watch_ms / 1000.0);
}

static void
append_line(struct strbuf *out, const char *text, size_t width)
{
    table_cut(out, text, width);
    strbuf_puts(out, TERMINAL_CLEAR_LINE "\n");
}

/* The screen that shows 'text', which is taken apart. */
static void
append_screen(const struct watch *watch, char *text, struct strbuf *out)
{
    struct strbuf heading = { 0 };
    size_t width = watch->ctl->width, left = watch->rows - 1;   /* the cursor has one */
    append_heading(watch, &heading);
    strbuf_puts(out, TERMINAL_HIDE_CURSOR TERMINAL_HOME);
    append_line(out, strbuf_text(&heading), width);
    strbuf_fini(&heading);
    for (left--; left && *text; left--) {
        char *line = strsep(&text, "\n");
        bool more = text && *text;
        append_line(out, left == 1 && more ? "(more)" : line, width);
        if (!text) {
            break;
        }
    }
    strbuf_puts(out, TERMINAL_CLEAR_BELOW);
}

/* One refresh. */
static int
refresh(struct watch *watch)
{
    struct ctl *ctl = watch->ctl;
    struct strbuf out = { 0 };
    char *text = NULL;
    size_t size = 0;
    if (watch->terminal) {
        struct winsize window;
        bool known = !ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) && window.ws_row > 2;
        take_keys(watch);              /* again after it was stopped and goes on */
        watch->rows = known ? window.ws_row : DEFAULT_ROWS;
        ctl->width = table_terminal_width();
        ctl->max_rows = ctl->json ? 0 : watch->rows;
    }
    rates_next(ctl->rates);
    int status = run_into(watch, &text, &size);
    if (!status && !stop_requested()) {
        if (ctl->json) {
            strbuf_puts(&out, text);
        } else if (watch->terminal) {
            append_screen(watch, text, &out);
        } else {
            append_heading(watch, &out);
            strbuf_printf(&out, "\n%s\n", text);
        }
        fwrite(strbuf_text(&out), 1, out.len, stdout);
        fflush(stdout);
    }
    strbuf_fini(&out);
    free(text);
    return status;
}

/* The input ended, or has a key that ends it. */
static bool
is_to_end(const struct watch *watch)
{
    char piece[256];
    ssize_t n = read(STDIN_FILENO, piece, sizeof piece);
    return n == 0 || (n > 0 && watch->keys && (memchr(piece, 'q', (size_t) n)
                                               || memchr(piece, CONTROL_D, (size_t) n)));
}

/* Waits until the next refresh is due; false if it is to end instead. */
static bool
wait_until(const struct watch *watch, uint64_t due_ms)
{
    uint64_t now = clock_ms();
    while (now < due_ms && !stop_requested()) {
        struct pollfd fds[] = {
            { watch->stop_fd, POLLIN, 0 }, { watch->input ? STDIN_FILENO : -1, POLLIN, 0 },
        };
        int n = poll(fds, 2, (int) (due_ms - now));
        if (n < 0) {
            return errno == EINTR && !stop_requested();   /* the terminal changed: draw now */
        }
        if (fds[1].revents && is_to_end(watch)) {
            return false;
        }
        now = clock_ms();
    }
    return !stop_requested();
}

static bool
input_can_end(void)
{
    struct stat info;
    return isatty(STDIN_FILENO) || (!fstat(STDIN_FILENO, &info) && S_ISFIFO(info.st_mode));
}

int
watch_run(struct ctl *ctl, const struct ctl_command *command)
{
    struct watch watch = {
        .ctl = ctl,
        .command = command,
        .terminal = isatty(STDOUT_FILENO),
        .input = input_can_end(),
        .stop_fd = stop_catch(),
    };
    ctl->rates = rates_new();
    if (watch.stop_fd < 0 || !ctl->rates) {
        fprintf(stderr, "turnoutctl: %s\n", strerror(errno));
        rates_free(ctl->rates);
        return CTL_FAILED;
    }
    if (watch.terminal) {
        sigaction(SIGCONT, &(struct sigaction) { .sa_handler = on_resize }, NULL);
        sigaction(SIGWINCH, &(struct sigaction) { .sa_handler = on_resize }, NULL);
    }
    int status;
    uint64_t due_ms, left = ctl->count ? ctl->count : UINT64_MAX;
    do {
        due_ms = clock_ms() + ctl->watch_ms;
        status = refresh(&watch);
    } while (!status && !ferror(stdout) && --left && wait_until(&watch, due_ms));
    give_back(&watch);
    rates_free(ctl->rates);
    return stop_requested() ? CTL_OK : status;
}
