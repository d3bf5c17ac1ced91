# Routes the package managers of a zsh session through scfw-hook. `scfw init zsh` prints this with the paths and the
# names filled in. Every name that stays is scfw's own (`__scfw…`), a program's, or `scfw`; builtins are called as
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

# Whether a program of ours may have that name: it is in the caller's `__scfw_known`, or is one of the caller's
# `__scfw_stems` with a version behind it: 3, 3.12, 3.13t.
function __scfw_is_name {
  \builtin local __scfw_stem __scfw_version
  case $__scfw_known in
    *:"$1":*) \builtin return 0 ;;
  esac
  for __scfw_stem in "${__scfw_stems[@]}"; do
    case $1 in
      "$__scfw_stem"[0123456789]*)
        __scfw_version=${1#"$__scfw_stem"}
        case ${__scfw_version%t} in
          *[!0123456789.]* | *.) ;;
          *) \builtin return 0 ;;
        esac
        ;;
    esac
  done
  \builtin return 1
}

# Sets `__scfw_names`: what there always is, what was defined before, and what is on PATH of the names that are looked
# for there.
function __scfw_find {
  \builtin emulate -L zsh
  \builtin setopt null_glob
  \builtin local __scfw_rest __scfw_directory __scfw_path __scfw_known
  \builtin local -a __scfw_read __scfw_stems __scfw_looked_for
  # Quoted, a word is not taken for a global alias.
  __scfw_stems=('@SCFW_VERSIONED@')
  __scfw_looked_for=('@SCFW_LOOKED_FOR@')
  __scfw_known=:
  for __scfw_path in '@SCFW_ALWAYS@' '@SCFW_LOOKED_FOR@'; do
    __scfw_known=$__scfw_known$__scfw_path:
  done
  case ${(t)__scfw_names-} in
    array*) ;;
    *)
      \builtin unset __scfw_names
      \builtin typeset -gaU __scfw_names
      __scfw_names=('@SCFW_ALWAYS@')
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
    for __scfw_path in "$__scfw_directory/"${^__scfw_looked_for} "$__scfw_directory"/'@SCFW_GLOB@'; do
      # pyenv's folder has dozens of python3.N-config and the like, and each name once for every version.
      case ${__scfw_path##*/} in
        *[!abcdefghijklmnopqrstuvwxyz0123456789.]*) \builtin continue ;;
      esac
      if [[ -f $__scfw_path && -x $__scfw_path ]] && __scfw_is_name "${__scfw_path##*/}"; then
        __scfw_names+=("${__scfw_path##*/}")
      fi
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
      # `alias one=other` and `alias one='noglob one'` lead to our function, and go on working.
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
