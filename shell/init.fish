# Routes pip, python, npm and npx of a fish session through scfw-hook. `scfw init fish` prints this with the paths
# filled in. Every name that stays is scfw's own (`__scfw…`), a program's, or `scfw`; builtins are called as
# `builtin`, so that no function of the user's changes what they do.

set -l __scfw_status $status

# One call, in place of the program of that name.
function __scfw_call
    if builtin test -f '@SCFW_HOOK@' -a -x '@SCFW_HOOK@'
        command '@SCFW_HOOK@' $argv
    else
        builtin printf 'scfw: %s is missing, so %s cannot be checked and was not started: install scfw again, or turn it off in this shell with "scfw disable", or run "command %s ..." unprotected\n' '@SCFW_HOOK@' $argv[1] $argv[1] >&2
        return 69
    end
end

# Sets `__scfw_names`: what there always is, what was defined before, and each pip3.N and python3.N on PATH.
function __scfw_find
    set -l __scfw_found $__scfw_names
    set -l __scfw_read
    set -l __scfw_path
    set -gu __scfw_names pip pip3 python python3 npm npx
    # A large directory takes as long to read as all the rest, and /bin is often a link to /usr/bin.
    for __scfw_path in $PATH
        if builtin test -L $__scfw_path
            set __scfw_path (builtin realpath -- $__scfw_path 2>/dev/null)
            or continue
        end
        builtin contains -- $__scfw_path $__scfw_read
        or set -a __scfw_read $__scfw_path
    end
    for __scfw_path in (builtin string match -r '^.*/(?:pip|python)3[.][0-9]+$' -- $__scfw_read/p*3.*)
        builtin test -f $__scfw_path -a -x $__scfw_path
        and set -a __scfw_found $__scfw_path
    end
    for __scfw_path in (builtin string match -r '(?:pip|python)3[.][0-9]+$' -- $__scfw_found)
        builtin contains -- $__scfw_path $__scfw_names
        or set -a __scfw_names $__scfw_path
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

function __scfw_enable
    set -l __scfw_name
    __scfw_find
    for __scfw_name in $__scfw_names
        # A function with no program behind it loads one when it is first called, as nvm's does: it is left to do so.
        if builtin functions -q $__scfw_name
            and not builtin command -q $__scfw_name
            and not __scfw_is_ours $__scfw_name
            continue
        end
        # `alias python=python3` leads to our function, and goes on working where there is no `python`.
        if not __scfw_leads_here $__scfw_name
            builtin eval "function $__scfw_name; __scfw_call $__scfw_name \$argv; end"
        end
    end
end

function __scfw_disable
    set -l __scfw_name
    for __scfw_name in $__scfw_names
        if __scfw_is_ours $__scfw_name
            builtin functions -e $__scfw_name
        end
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
