# Routes the package managers of a fish session through scfw-hook. `scfw init fish` prints this with the paths and the
# names filled in. Every name that stays is scfw's own (`__scfw…`), a program's, or `scfw`; builtins are called as
# `builtin`, so that no function of the user's changes what they do.

set -l __scfw_status $status

# The names are session shims: links to scfw-hook in a directory that is first on PATH whatever comes onto it later. fish
# cannot run a function in the background. Functions stand in where links cannot be had or would not be found.

# One call, in place of the program of that name.
function __scfw_call
    if builtin test -f '@SCFW_HOOK@' -a -x '@SCFW_HOOK@'
        command '@SCFW_HOOK@' $argv
    else
        builtin printf 'scfw: %s is missing, so %s cannot be checked and was not started: install scfw again, or turn it off in this shell with "scfw disable", or run "command %s ..." unprotected\n' '@SCFW_HOOK@' $argv[1] $argv[1] >&2
        return 69
    end
end

# Sets `__scfw_names`: what there always is, what was defined before, and what is on PATH of the names that are looked
# for there: some, and stems with a version behind them, such as 3, 3.12 or 3.13t.
function __scfw_find
    set -l __scfw_before $__scfw_names
    set -l __scfw_read
    set -l __scfw_path
    set -l __scfw_word
    set -l __scfw_stems '@SCFW_VERSIONED@'
    set -l __scfw_looked_for '@SCFW_LOOKED_FOR@'
    set -l __scfw_pattern '(?:'(builtin string join '|' -- $__scfw_looked_for)'|(?:'(builtin string join '|' -- $__scfw_stems)')[0-9](?:[0-9.]*[0-9])?t?)$'
    set -gu __scfw_names '@SCFW_ALWAYS@'
    for __scfw_word in $__scfw_before
        builtin string match -qr "^$__scfw_pattern" -- $__scfw_word
        and not builtin contains -- $__scfw_word $__scfw_names
        and set -a __scfw_names $__scfw_word
    end
    # A large directory takes as long to read as all the rest, and /bin is often a link to /usr/bin.
    for __scfw_path in $PATH
        builtin test "$__scfw_path" = '@SCFW_SESSION_SHIMS@'
        and continue
        if builtin test -L $__scfw_path
            set __scfw_path (builtin realpath -- $__scfw_path 2>/dev/null)
            or continue
        end
        builtin contains -- $__scfw_path $__scfw_read
        or set -a __scfw_read $__scfw_path
    end
    # A pattern that matches nothing is an error in any other place, and without a word `string` reads standard input.
    set -l __scfw_files / $__scfw_read/'@SCFW_GLOB@'
    for __scfw_word in (builtin string match -r "(?<=/)$__scfw_pattern" -- $__scfw_files)
        builtin contains -- $__scfw_word $__scfw_names
        and continue
        builtin command -q $__scfw_word
        and set -a __scfw_names $__scfw_word
    end
end

# Whether the function of that name is ours.
function __scfw_is_ours
    builtin functions -q $argv[1]
    and builtin functions --no-details $argv[1] | builtin string match -q "*__scfw_call $argv[1] *"
end

# Whether that name is fish's kind of alias for another name of ours.
function __scfw_leads_here
    builtin functions -q $argv[1]
    or return 1
    set -l description (builtin functions -D -v $argv[1])[5]
    set -l words (builtin string match -r '^alias '(builtin string escape --style=regex $argv[1])'[= ][\'"]?(\S+?)[\'"]?(?: .*)?$' -- $description)
    builtin test "$words[2]" != $argv[1]
    and builtin contains -- "$words[2]" $__scfw_names
end

# Whether the first thing on PATH are the session shims.
function __scfw_is_first
    builtin test -n '@SCFW_SESSION_SHIMS@' -a "$PATH[1]" = '@SCFW_SESSION_SHIMS@' -a -x '@SCFW_HOOK@'
end

# Puts the session shims first on the PATH of the session, or takes them off it.
function __scfw_put
    set -l __scfw_path $argv
    set -l __scfw_directory
    for __scfw_directory in $PATH
        builtin test "$__scfw_directory" = '@SCFW_SESSION_SHIMS@'
        or set -a __scfw_path $__scfw_directory
    end
    set -gx PATH $__scfw_path
end

# Gives each name its function, or with `shims` none where a session shim stands for it.
function __scfw_define
    set -l __scfw_name
    set -gu __scfw_state $argv
    for __scfw_name in $__scfw_names
        if builtin test $__scfw_state = shims -a -x '@SCFW_SESSION_SHIMS@'/$__scfw_name
            builtin functions -q $__scfw_name
            or continue
        end
        # A function with no program behind it loads one when it is first called, as nvm's does: it is left to do so.
        if builtin functions -q $__scfw_name
            and not builtin command -q $__scfw_name
            and not __scfw_is_ours $__scfw_name
            continue
        end
        # `alias python=python3` leads to ours, and goes on working where there is no `python`.
        if __scfw_leads_here $__scfw_name
            continue
        end
        if builtin test $__scfw_state = shims -a -x '@SCFW_SESSION_SHIMS@'/$__scfw_name
            builtin functions -e $__scfw_name
        else
            builtin eval "function $__scfw_name; __scfw_call $__scfw_name \$argv; end"
        end
    end
end

function __scfw_enable
    set -l __scfw_name
    __scfw_find
    if builtin test -n '@SCFW_SESSION_SHIMS@' -a -x '@SCFW_HOOK@'
        for __scfw_name in $__scfw_names
            if not builtin test -x '@SCFW_SESSION_SHIMS@'/$__scfw_name
                and builtin command -q $__scfw_name
                command '@SCFW_PROGRAM@' init fish --shims 2>/dev/null
                break
            end
        end
        # Nothing is to be done about this PATH yet.
        set -gu __scfw_state ''
        if not set -ql PATH; and not __scfw_is_first
            __scfw_put '@SCFW_SESSION_SHIMS@'
        end
    end
    set -gu __scfw_path "$PATH"
    if __scfw_is_first
        __scfw_define shims
    else
        __scfw_define functions
    end
end

function __scfw_disable
    set -l __scfw_name
    set -gu __scfw_state off
    for __scfw_name in $__scfw_names
        if __scfw_is_ours $__scfw_name
            builtin functions -e $__scfw_name
        end
    end
    if not set -ql PATH; and builtin contains -- '@SCFW_SESSION_SHIMS@' $PATH
        __scfw_put
    end
    return 0
end

# Something has come onto PATH. A PATH that is local to a block or to one command is not ours to change, and one that
# is not exported is not seen here: functions stand in until the next command.
function __scfw_on_path --on-variable PATH
    switch "$__scfw_state"
        case shims functions
            if set -ql PATH; or builtin test "$PATH" = "$__scfw_path"
                __scfw_define functions
                return
            end
            set -gu __scfw_path "$PATH"
            if builtin test -n '@SCFW_SESSION_SHIMS@' -a -x '@SCFW_HOOK@'; and set -q PATH[1]; and not __scfw_is_first
                # This comes here again.
                __scfw_put '@SCFW_SESSION_SHIMS@'
            end
            __scfw_on_command
        case off
            # A virtual environment that is left brings the PATH of before.
            if not set -ql PATH; and builtin contains -- '@SCFW_SESSION_SHIMS@' $PATH
                __scfw_put
            end
    end
end

# A command is about to run: the hook may be gone, or a local PATH.
function __scfw_on_command --on-event fish_preexec
    switch "$__scfw_state"
        case shims
            __scfw_is_first; or __scfw_define functions
        case functions
            __scfw_is_first; and __scfw_define shims
    end
end

# `scfw status`, told what only this shell knows.
function __scfw_report
    set -l __scfw_name
    set -l routes
    __scfw_find
    for __scfw_name in $__scfw_names
        set -l kind none
        if __scfw_leads_here $__scfw_name
            set kind alias:(builtin functions -D -v $__scfw_name)[5]
        else if __scfw_is_ours $__scfw_name
            set kind ours
        else if builtin functions -q $__scfw_name
            set kind function
        else if builtin test "$__scfw_state" = shims -a -x '@SCFW_SESSION_SHIMS@'/$__scfw_name
            set kind shim
        end
        set -a routes --route $__scfw_name=$kind
    end
    command '@SCFW_PROGRAM@' status --shell fish $routes $argv
end

function scfw
    switch (builtin count $argv):"$argv[1]"
        case 1:enable
            __scfw_enable
        case 1:disable
            # Only a policy keeps it on; that scfw itself is gone does not.
            command '@SCFW_PROGRAM@' disable --session fish
            builtin test $status -ne 77; or return 77
            __scfw_disable
        case '*:status'
            __scfw_report $argv[2..]
        case '*'
            command '@SCFW_PROGRAM@' $argv
    end
end

__scfw_enable
return $__scfw_status
