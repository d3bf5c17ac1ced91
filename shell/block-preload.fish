if test -r '@LIBRARY@'; and test -x '@HOOK@'
    set -gx SCFW_SHIM_HOOK '@HOOK@'
    if string match -qr '(^|[: ])'(string escape --style=regex -- '@LIBRARY@')'($|[: ])' -- "$LD_PRELOAD"
    else if string match -qr 'lib[a-z]*san\.so|libclang_rt\.' -- "$LD_PRELOAD"
        set -gx LD_PRELOAD "$LD_PRELOAD:"'@LIBRARY@'
    else
        set -gx LD_PRELOAD '@LIBRARY@'(string replace -r '^(.)' ':$1' -- "$LD_PRELOAD")
    end
end
