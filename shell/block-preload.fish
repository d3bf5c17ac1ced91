if test -r '@LIBRARY@'; and test -x '@HOOK@'
    set -gx SCFW_SHIM_HOOK '@HOOK@'
    if not string match -qr '(^|[: ])'(string escape --style=regex -- '@LIBRARY@')'($|[: ])' -- "$LD_PRELOAD"
        set -gx LD_PRELOAD '@LIBRARY@'(string replace -r '^(.)' ':$1' -- "$LD_PRELOAD")
    end
end
