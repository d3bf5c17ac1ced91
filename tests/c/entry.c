/* Calls one of libc's exec functions, chosen by -DENTRY_<name>: FILE with the arguments ARGV0 ARG... What fails is
 * said as "errno N" on standard output; a child's exit status becomes this program's.
 *
 * usage: entry FILE ARGV0 [ARG...]
 * ENTRY_OWN=1     gives an environment without the preload library's variables, and OWN=1
 * ENTRY_CHDIR=DIR has a spawned child change there first */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Where libc has neither, both ways of running this see the same. */
extern int execveat(int, const char *, char *const[], char *const[], int) __attribute__((weak));
extern int pidfd_spawn(int *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
                       char *const[], char *const[]) __attribute__((weak));
extern int pidfd_spawnp(int *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
                        char *const[], char *const[]) __attribute__((weak));

__attribute__((unused)) static char **own_environment(void) {
    static char *own[1024];
    size_t count = 0;
    if (getenv("ENTRY_OWN") == NULL) {
        return environ;
    }
    for (char **variable = environ; *variable != NULL && count < 1000; variable++) {
        if (strncmp(*variable, "LD_PRELOAD=", 11) != 0 && strncmp(*variable, "SCFW_SHIM_", 10) != 0) {
            own[count++] = *variable;
        }
    }
    own[count++] = "OWN=1";
    return own;
}

/* The arguments of a variadic function, as many as there are. */
#define SPREAD(function, file, end)                                                                                   \
    switch (count) {                                                                                                   \
    case 1: return function(file, argv[0], end);                                                                       \
    case 2: return function(file, argv[0], argv[1], end);                                                              \
    case 3: return function(file, argv[0], argv[1], argv[2], end);                                                     \
    case 4: return function(file, argv[0], argv[1], argv[2], argv[3], end);                                            \
    case 5: return function(file, argv[0], argv[1], argv[2], argv[3], argv[4], end);                                   \
    case 9:                                                                                                            \
        return function(file, argv[0], argv[1], argv[2], argv[3], argv[4], argv[5], argv[6], argv[7], argv[8], end);   \
    default: abort();                                                                                                  \
    }

#if defined(ENTRY_posix_spawn) || defined(ENTRY_posix_spawnp) || defined(ENTRY_pidfd_spawn) || defined(ENTRY_pidfd_spawnp)
#define SPAWNS 1
#endif

#ifdef SPAWNS
static int run_spawn(int (*spawn)(int *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
                                  char *const[], char *const[]),
                     int is_descriptor, const char *file, char **argv) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int child = -1, status = 0, error;
    siginfo_t information = {0};
    if (spawn == NULL) {
        errno = ENOSYS;
        return -1;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    /* What the child sees as standard input shows that the actions came with it. */
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (getenv("ENTRY_CHDIR") != NULL) {
        posix_spawn_file_actions_addchdir_np(&actions, getenv("ENTRY_CHDIR"));
    }
    errno = 0;
    error = spawn(&child, file, getenv("ENTRY_CHDIR") ? &actions : NULL, &attributes, argv, own_environment());
    if (error == 0) {
        waitid(is_descriptor ? (idtype_t)3 : P_PID, (id_t)child, &information, WEXITED);
        status = information.si_code == CLD_EXITED ? information.si_status : 128 + information.si_status;
        exit(status);
    }
    /* The error is the result, and errno is left alone. */
    if (errno != 0) {
        printf("errno was changed to %d\n", errno);
    }
    errno = error;
    return -1;
}
#endif

static int call(const char *file, int count, char **argv) {
    (void)count;
#if defined(ENTRY_execve)
    return execve(file, argv, own_environment());
#elif defined(ENTRY_execv)
    return execv(file, argv);
#elif defined(ENTRY_execvp)
    return execvp(file, argv);
#elif defined(ENTRY_execvpe)
    return execvpe(file, argv, own_environment());
#elif defined(ENTRY_execl)
    SPREAD(execl, file, (char *)NULL)
#elif defined(ENTRY_execlp)
    SPREAD(execlp, file, (char *)NULL)
#elif defined(ENTRY_execle)
    char **envp = own_environment();
#define WITH_ENVIRONMENT (char *)NULL, envp
    SPREAD(execle, file, WITH_ENVIRONMENT)
#elif defined(ENTRY_fexecve)
    int descriptor = open(file, O_RDONLY);
    return descriptor < 0 ? -1 : fexecve(descriptor, argv, own_environment());
#elif defined(ENTRY_execveat)
    /* By the directory above and the rest, so that both halves count. */
    char above[4096];
    const char *name = strrchr(file, '/');
    int directory = AT_FDCWD;
    if (name != NULL) {
        snprintf(above, sizeof above, "%.*s/", (int)(name - file), file);
        directory = open(above, O_PATH | O_DIRECTORY);
        name++;
    }
    if (execveat == NULL) {
        errno = ENOSYS;
        return -1;
    }
    return directory == -1 ? -1 : execveat(directory, name ? name : file, argv, own_environment(), 0);
#elif defined(ENTRY_posix_spawn)
    return run_spawn(posix_spawn, 0, file, argv);
#elif defined(ENTRY_posix_spawnp)
    return run_spawn(posix_spawnp, 0, file, argv);
#elif defined(ENTRY_pidfd_spawn)
    return run_spawn(pidfd_spawn, 1, file, argv);
#elif defined(ENTRY_pidfd_spawnp)
    return run_spawn(pidfd_spawnp, 1, file, argv);
#endif
}

int main(int count, char **words) {
    if (count < 3) {
        return 2;
    }
    call(words[1], count - 2, words + 2);
    printf("errno %d\n", errno);
    return 100;
}
