/* The shell: sh, sh SCRIPT, sh -c COMMAND. A line is commands separated by `;` or `&` (do not wait); a command is programs joined by `|`; a
 * program is words, `<` and a file to read. '...' and "..." make one word; # begins a comment; $? is the last exit status. Programs are
 * found in /bin. Its own commands: exit [STATUS], wait, set -e (a command that fails ends the shell), help. */

#include "system.h"

#define WORDS 32
#define LINE 512
#define PROGRAMS 16             /* in a pipeline */

static int last_status, exit_on_failure, interactive;
static volatile int interrupts;

struct program {
    char *argv[WORDS + 1];
    int argc;
    char *input;
};

static char texts[2 * LINE];    /* the words of one line */
static char *next_text;

static int is_end(char c)
{
    return c == 0 || c == '\n' || c == '#';
}

static int is_operator(char c)
{
    return c == '|' || c == ';' || c == '&' || c == '<';
}

static const char *skip_spaces(const char *line)
{
    while (*line == ' ' || *line == '\t' || *line == '\r')
        line++;
    return line;
}

/* Takes a word off the line; its end, or NULL if a quote is missing. */
static const char *take_word(const char *line, char **word)
{
    char quote = 0;

    *word = next_text;
    for (;; line++) {
        if (quote) {
            if (*line == 0)
                return NULL;
            if (*line == quote) {
                quote = 0;
                continue;
            }
        } else if (*line == '\'' || *line == '"') {
            quote = *line;
            continue;
        } else if (*line == 0 || *line == '\n' || *line == ' ' || *line == '\t' || *line == '\r' || is_operator(*line)) {
            break;
        }
        if (*line == '$' && line[1] == '?' && quote != '\'') {
            int value = last_status;
            line++;
            if (value >= 100)
                *next_text++ = '0' + value / 100;
            if (value >= 10)
                *next_text++ = '0' + value / 10 % 10;
            *next_text++ = '0' + value % 10;
            continue;
        }
        *next_text++ = *line;
    }
    *next_text++ = 0;
    return line;
}

/* A program with its arguments; the operator after it, or NULL on an error. */
static const char *take_program(const char *line, struct program *program)
{
    program->argc = 0;
    program->input = NULL;
    for (;;) {
        char *word;
        int is_input;
        line = skip_spaces(line);
        is_input = *line == '<';
        if (is_input)
            line = skip_spaces(line + 1);
        if (is_end(*line) || is_operator(*line)) {
            if (is_input || (program->argc == 0 && program->input)) {
                complain("sh: `<`: a file and a program are needed\n");
                return NULL;
            }
            break;
        }
        line = take_word(line, &word);
        if (!line) {
            complain("sh: a quote is not closed\n");
            return NULL;
        }
        if (is_input) {
            program->input = word;
        } else if (program->argc == WORDS) {
            complain("sh: more than %d words\n", WORDS);
            return NULL;
        } else {
            program->argv[program->argc++] = word;
        }
    }
    program->argv[program->argc] = NULL;
    return line;
}

static void move(int from, int to)
{
    close(to);
    if (dup(from) != to)
        fail("sh: cannot move a file descriptor\n");
    close(from);
}

static void __attribute__((noreturn)) become(struct program *program)
{
    char path[NAME_SIZE];
    int error;

    if (program->input) {
        int fd = open(program->input);
        if (fd < 0)
            fail("sh: %s: %s\n", program->input, error_text(fd));
        move(fd, 0);
    }
    if (strchr(program->argv[0], '/')) {
        copy_string(path, program->argv[0], sizeof path);
    } else {
        copy_string(path, "/bin/", sizeof path);
        copy_string(path + 5, program->argv[0], sizeof path - 5);
    }
    error = exec(path, program->argv);
    complain("sh: %s: %s\n", program->argv[0], error_text(error));
    exit(127);
}

static int own_command(struct program *program)
{
    char *name = program->argv[0];

    if (strcmp(name, "exit") == 0) {
        exit(program->argc > 1 ? (int)parse_number(program->argv[1]) : last_status);
    } else if (strcmp(name, "wait") == 0) {
        while (wait(NULL) > 0)
            ;
        last_status = 0;
    } else if (strcmp(name, "set") == 0) {
        exit_on_failure = program->argc > 1 && strcmp(program->argv[1], "-e") == 0;
        last_status = 0;
    } else if (strcmp(name, "help") == 0) {
        print("COMMAND | COMMAND; COMMAND < FILE; COMMAND &; exit, wait, set -e. Programs: ls /bin\n");
        last_status = 0;
    } else {
        return 0;
    }
    return 1;
}

/* The status of a pipeline is that of its last program. */
static void ended(int *pids, int count, int pid, int status)
{
    for (int i = 0; i < count; i++)
        if (pids[i] == pid) {
            pids[i] = 0;
            if (i == count - 1)
                last_status = status;
        }
}

/* One command: the programs of a pipeline. Its end in the line, or NULL on an error. */
static const char *run_command(const char *line)
{
    struct program program;
    int pids[PROGRAMS], input = -1, pid, status, count = 0;

    for (;; line++) {
        int fds[2] = { -1, -1 };
        line = take_program(line, &program);
        if (!line)
            return NULL;
        if (program.argc == 0 && (*line == '|' || input >= 0)) {
            complain("sh: `|`: a program is missing\n");
            return NULL;
        }
        if (program.argc == 0 || (count == 0 && *line != '|' && own_command(&program)))
            return line;
        if (count == PROGRAMS) {
            complain("sh: more than %d programs in a pipeline\n", PROGRAMS);
            return NULL;
        }
        if (*line == '|' && pipe(fds) < 0) {
            complain("sh: no pipe left\n");
            return NULL;
        }
        pid = fork();
        if (pid < 0) {
            complain("sh: no process left\n");
            return NULL;
        }
        if (pid == 0) {
            if (interactive)
                signal(SIGINT, (handler)SIG_DFL);
            if (interrupts)                     /* control-C came before */
                exit(STATUS_SIGNAL + SIGINT);
            if (input >= 0)
                move(input, 0);
            if (fds[1] >= 0) {
                close(fds[0]);
                move(fds[1], 1);
            }
            become(&program);
        }
        if (input >= 0)
            close(input);
        if (fds[1] >= 0)
            close(fds[1]);
        input = fds[0];
        pids[count++] = pid;
        if (*line != '|')
            break;
    }
    if (*line == '&')
        return line;
    for (int i = 0; i < count; i++)             /* others may end, too: programs of an earlier line, or orphans */
        while (pids[i] > 0 && (pid = wait(&status)) != -ECHILD)
            ended(pids, count, pid, status);
    return line;
}

static void run_line(const char *line)
{
    next_text = texts;
    for (;;) {
        line = run_command(line);
        if (!line)
            last_status = 2;
        if (exit_on_failure && last_status)
            exit(last_status);
        if (!line || is_end(*line))
            return;
        line++;
    }
}

/* One line of the input; 0 at its end. The console gives a line at a time; of a file, bytes beyond the line must not be taken. */
static int read_line(int fd, char *line)
{
    int n = 0, got;

    do {
        got = read(fd, line + n, interactive ? LINE - 1 - n : 1);
        n += got > 0 ? got : 0;
        if (n == LINE - 1)
            fail("sh: a line is too long\n");
    } while (got > 0 && line[n - 1] != '\n');
    line[n] = 0;
    return n;
}

/* Control-C while the shell reads: it begins again with a new prompt. A flag alone, looked at before read(), could be set after that. */
static void *prompt_again[5];
static volatile int reading;

static void interrupted(int number, u32 address)
{
    (void)number, (void)address;
    interrupts++;
    if (reading) {
        last_status = STATUS_SIGNAL + SIGINT;
        __builtin_longjmp(prompt_again, 1);
    }
}

int main(int argc, char **argv)
{
    char line[LINE];
    int fd = 0;

    if (argc > 2 && strcmp(argv[1], "-c") == 0) {
        if (strlen(argv[2]) >= LINE)
            fail("sh: a line is too long\n");
        run_line(argv[2]);
        return last_status;
    }
    if (argc > 1) {
        fd = open(argv[1]);
        if (fd < 0)
            fail("sh: %s: %s\n", argv[1], error_text(fd));
    } else {
        interactive = 1;
        signal(SIGINT, interrupted);
    }
    for (;;) {
        if (interactive) {
            __builtin_setjmp(prompt_again);
            interrupts = 0;
            reading = 1;
            print("$ ");
        }
        if (!read_line(fd, line))
            break;
        reading = 0;
        run_line(line);
    }
    if (interactive)
        print("\n");
    return last_status;
}
