/* Another library that stands before libc's functions: it notes each call in the file that OTHER_NOTES names, and hands
 * it on. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

typedef int exec_function(const char *, char *const[], char *const[]);

static void note(void) {
    const char *path = getenv("OTHER_NOTES");
    int file = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (file >= 0) {
        (void)!write(file, "x", 1);
        close(file);
    }
}

int execve(const char *path, char *const argv[], char *const envp[]) {
    note();
    return ((exec_function *)dlsym(RTLD_NEXT, "execve"))(path, argv, envp);
}

int execvp(const char *file, char *const argv[]) {
    note();
    return ((int (*)(const char *, char *const[]))dlsym(RTLD_NEXT, "execvp"))(file, argv);
}
