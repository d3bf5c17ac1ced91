/* Starts FILE often while a timer interrupts, and once more from the handler itself, on a small stack of its own.
 *
 * usage: signals COUNT FILE ARG... */
#define _GNU_SOURCE
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static char **words;
static volatile sig_atomic_t interrupts;
static char small_stack[32768];

static void count_interrupt(int number) {
    (void)number;
    interrupts++;
}

static void run_in_handler(int number) {
    (void)number;
    execve(words[2], words + 2, environ);
    _exit(99);
}

static int child_of_vfork(void) {
    int status = 0;
    pid_t child = vfork();
    if (child == 0) {
        execvp(words[2], words + 2);
        _exit(99);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 42;
}

static int child_of_spawn(void) {
    int status = 0;
    pid_t child = -1;
    int error = posix_spawnp(&child, words[2], NULL, NULL, words + 2, environ);
    return error == 0 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 42;
}

int main(int count, char **arguments) {
    if (count < 3) {
        return 2;
    }
    words = arguments;
    struct sigaction interrupt = {.sa_handler = count_interrupt, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
    sigaction(SIGALRM, &interrupt, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    int good = 0, rounds = atoi(words[1]);
    for (int round = 0; round < rounds; round++) {
        good += child_of_vfork() + child_of_spawn();
    }
    setitimer(ITIMER_REAL, &never, NULL);
    printf("%d of %d, %s\n", good, 2 * rounds, interrupts > rounds ? "interrupted" : "undisturbed");
    fflush(stdout);
    stack_t stack = {.ss_sp = small_stack, .ss_size = sizeof small_stack};
    struct sigaction run = {.sa_handler = run_in_handler, .sa_flags = SA_ONSTACK};
    sigaltstack(&stack, NULL);
    sigaction(SIGUSR1, &run, NULL);
    raise(SIGUSR1);
    return 98;
}
