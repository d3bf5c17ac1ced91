if test -x '@SCFW@'
    set -l __scfw_times (path mtime -- '@SCRIPTS@'/init.fish '@SCFW@' 2>/dev/null)
    if test (count $__scfw_times) = 2; and test $__scfw_times[1] -gt $__scfw_times[2]
        source '@SCRIPTS@'/init.fish
    else
        '@SCFW@' init fish --save '@SCRIPTS@'/init.fish | source
    end
else if status is-interactive
    echo '@MESSAGE@' >&2
end
