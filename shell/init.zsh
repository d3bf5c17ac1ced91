# Routes pip, python, npm and npx of a zsh session through scfw-hook. `scfw init zsh` prints this with the paths
# filled in. Every name that stays is scfw's own (`__scfw…`), a program's, or `scfw`; builtins are called as
# `\builtin`, so that neither an alias nor a function of the user's changes what they do.

__scfw_status=$?

# One call, in place of the program of that name, under the user's own options. It has no variables of its own:
# under `setopt all_export` they would reach the program's environment.
function __scfw_call {
  if [[ -f '@SCFW_HOOK@' && -x '@SCFW_HOOK@' ]]; then
    if [[ $ZSH_SUBSHELL = 0 ]] || ! \builtin zmodload zsh/system 2>/dev/null; then
      \command '@SCFW_HOOK@' "$@"
    else
      # In the background $! is this subshell. It may have more to run, so it starts the program, which ends with it.
      \command '@SCFW_HOOK@' --end-with "${sysparams[pid]}" "$@"
    fi
  else
    \builtin printf 'scfw: %s is missing, so %s cannot be checked and was not started: install scfw again, or turn it off in this shell with "scfw disable", or run "command %s ..." unprotected\n' '@SCFW_HOOK@' "$1" "$1" >&2
    \builtin return 69
  fi
}

# Sets `__scfw_names`: what there always is, what was defined before, and each pip3.N and python3.N on PATH.
function __scfw_find {
  \builtin emulate -L zsh
  \builtin setopt null_glob
  \builtin local __scfw_rest __scfw_directory __scfw_path
  \builtin local -a __scfw_read
  case ${(t)__scfw_names-} in
    array*) ;;
    *)
      \builtin unset __scfw_names
      \builtin typeset -gaU __scfw_names
      # Quoted, a word is not taken for a global alias.
      __scfw_names=('pip' 'pip3' 'python' 'python3' 'npm' 'npx')
      ;;
  esac
  __scfw_rest=${PATH-}:
  while [[ -n $__scfw_rest ]]; do
    __scfw_directory=${__scfw_rest%%:*}
    __scfw_directory=${__scfw_directory:-.}
    __scfw_rest=${__scfw_rest#*:}
    # A large directory takes as long to read as all the rest, and /bin is often a link to /usr/bin.
    if [[ -h $__scfw_directory ]]; then
      for __scfw_path in "${__scfw_read[@]}"; do
        if [[ $__scfw_directory -ef $__scfw_path ]]; then \builtin continue 2; fi
      done
    fi
    __scfw_read+=("$__scfw_directory")
    for __scfw_path in "$__scfw_directory"/p[iy]*3.[0123456789]*; do
      case ${__scfw_path##*/} in
        pip3.*[!0123456789]*|python3.*[!0123456789]*) ;;
        pip3.*|python3.*)
          if [[ -f $__scfw_path && -x $__scfw_path ]]; then
            __scfw_names+=("${__scfw_path##*/}")
          fi
          ;;
      esac
    done
  done
}

# Whether the function of that name is ours.
function __scfw_is_ours {
  case ${functions[$1]-} in
    *"__scfw_call $1 "*) ;;
    *) \builtin return 1 ;;
  esac
}

# Sets `__scfw_text` to the alias of that name, without what only changes how its arguments are read; fails if there
# is none.
function __scfw_alias {
  __scfw_text=${aliases[$1]-${galiases[$1]-}}
  [[ -n $__scfw_text ]] || \builtin return 1
  __scfw_text=${__scfw_text#(noglob|nocorrect) }
}

function __scfw_enable {
  \builtin emulate -L zsh
  \builtin local __scfw_name __scfw_text
  __scfw_find
  for __scfw_name in "${__scfw_names[@]}"; do
    if __scfw_alias "$__scfw_name"; then
      # `alias python=python3` and `alias pip='noglob pip'` lead to our function, and go on working.
      if ! (( ${__scfw_names[(Ie)${__scfw_text%% *}]} )); then
        \builtin unalias -- "$__scfw_name"
      fi
    fi
    # A function with no program behind it loads one when it is first called, as nvm's does: it is left to do so.
    if (( ${+functions[$__scfw_name]} )) && ! (( ${+commands[$__scfw_name]} )) && ! __scfw_is_ours "$__scfw_name"; then
      \builtin continue
    fi
    \builtin eval "function '$__scfw_name' { __scfw_call $__scfw_name \"\$@\"; }"
  done
}

function __scfw_disable {
  \builtin emulate -L zsh
  \builtin local __scfw_name
  for __scfw_name in "${__scfw_names[@]}"; do
    if __scfw_is_ours "$__scfw_name"; then
      \builtin unfunction -- "$__scfw_name"
    fi
  done
}

# `scfw status`, told what only this shell knows.
function __scfw_report {
  \builtin emulate -L zsh
  \builtin local __scfw_name __scfw_text __scfw_kind
  \builtin local -a __scfw_routes
  __scfw_routes=()
  __scfw_find
  for __scfw_name in "${__scfw_names[@]}"; do
    __scfw_kind=none
    # An alias that begins with its own name leads to the function of that name.
    if __scfw_alias "$__scfw_name" && [[ ${__scfw_text%% *} != "$__scfw_name" ]]; then
      __scfw_kind=alias:$__scfw_text
    elif __scfw_is_ours "$__scfw_name"; then
      __scfw_kind=ours
    elif (( ${+functions[$__scfw_name]} )); then
      __scfw_kind=function
    fi
    __scfw_routes+=(--route "$__scfw_name=$__scfw_kind")
  done
  \command '@SCFW_PROGRAM@' status --shell zsh "${__scfw_routes[@]}" "$@"
}

\builtin unalias scfw 2>/dev/null || \builtin true
function scfw {
  case $#:${1-} in
    1:enable) __scfw_enable ;;
    1:disable)
      # Only a policy keeps it on; that scfw itself is gone does not.
      if \command '@SCFW_PROGRAM@' disable --session zsh || [[ $? -ne 77 ]]; then
        __scfw_disable
      else
        \builtin return 77
      fi
      ;;
    *:status)
      \builtin shift
      __scfw_report "$@"
      ;;
    *) \command '@SCFW_PROGRAM@' "$@" ;;
  esac
}

function __scfw_load {
  __scfw_enable
  \builtin set -- "$__scfw_status"
  \builtin unset __scfw_status
  # What failed before must not end a strict shell here.
  [[ -o err_exit || -o err_return ]] || \builtin return "$1"
}
__scfw_load
