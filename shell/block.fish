if test -x '@SCFW@'
    '@SCFW@' init fish | source
else if status is-interactive
    echo '@MESSAGE@' >&2
end
