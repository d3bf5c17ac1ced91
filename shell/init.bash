# shellcheck shell=bash
# Routes the package managers of a bash session through scfw-hook. `scfw init bash` prints this with the paths and the
# names filled in. Every name that stays is scfw's own (`__scfw…`), a program's, or `scfw`; builtins are called as
# `\builtin`, so that neither an alias nor a function of the user's changes what they do.

__scfw_status=$?

# One call, in place of the program of that name. It has no variables of its own: under `set -a` they would reach
# the program's environment.
function __scfw_call {
  if [[ -f '@SCFW_HOOK@' && -x '@SCFW_HOOK@' ]]; then
    if [[ ${BASHPID-$$} == "$$" ]]; then
      \command '@SCFW_HOOK@' "$@"
    else
      # In the background $! is this subshell. It may have more to run, so it starts the program, which ends with it.
      \command '@SCFW_HOOK@' --end-with "$BASHPID" "$@"
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

# Adds a name to `__scfw_names`, unless it is there or no name of a program of ours.
function __scfw_add {
  case $__scfw_seen in
    *:"$1":*) ;;
    *)
      if __scfw_is_name "$1"; then
        __scfw_names+=("$1")
        __scfw_seen=$__scfw_seen$1:
      fi
      ;;
  esac
}

# Sets `__scfw_names`: what there always is, what was defined before, and what is on PATH of the names that are looked
# for there. `__scfw_seen`, the caller's, is the same between colons.
function __scfw_find {
  \builtin local __scfw_rest __scfw_directory __scfw_path __scfw_noglob __scfw_failglob __scfw_known __scfw_name
  \builtin local -a __scfw_read __scfw_stems __scfw_looked_for
  __scfw_stems=('@SCFW_VERSIONED@')
  __scfw_looked_for=('@SCFW_LOOKED_FOR@')
  __scfw_noglob='' __scfw_failglob='' __scfw_seen=: __scfw_known=:
  \builtin set -- '@SCFW_ALWAYS@' ${__scfw_names[@]+"${__scfw_names[@]}"}
  for __scfw_path in '@SCFW_ALWAYS@' '@SCFW_LOOKED_FOR@'; do
    __scfw_known=$__scfw_known$__scfw_path:
  done
  __scfw_names=()
  for __scfw_path in "$@"; do
    __scfw_add "$__scfw_path"
  done
  case $- in
    *f*)
      __scfw_noglob=yes
      \builtin set +f
      ;;
  esac
  if \builtin shopt -q failglob; then
    __scfw_failglob=yes
    \builtin shopt -u failglob
  fi
  __scfw_read=(/)
  __scfw_rest=${PATH-}:
  while [[ -n $__scfw_rest ]]; do
    __scfw_directory=${__scfw_rest%%:*}
    __scfw_directory=${__scfw_directory:-.}
    __scfw_rest=${__scfw_rest#*:}
    # A large directory takes as long to read as all the rest, and /bin is often a link to /usr/bin.
    if [[ -L $__scfw_directory ]]; then
      for __scfw_path in "${__scfw_read[@]}"; do
        if [[ $__scfw_directory -ef $__scfw_path ]]; then \builtin continue 2; fi
      done
    fi
    __scfw_read+=("$__scfw_directory")
    for __scfw_path in "${__scfw_looked_for[@]}" "$__scfw_directory"/'@SCFW_GLOB@'; do
      __scfw_name=${__scfw_path##*/}
      # pyenv's folder has dozens of python3.N-config and the like, and each name once for every version.
      case $__scfw_name in
        *[!abcdefghijklmnopqrstuvwxyz0123456789.]*) \builtin continue ;;
      esac
      case $__scfw_seen in
        *:"$__scfw_name":*) \builtin continue ;;
      esac
      if [[ -f $__scfw_directory/$__scfw_name && -x $__scfw_directory/$__scfw_name ]]; then
        __scfw_add "$__scfw_name"
      fi
    done
  done
  if [[ -n $__scfw_failglob ]]; then \builtin shopt -s failglob; fi
  if [[ -n $__scfw_noglob ]]; then \builtin set -f; fi
}

# Sets `__scfw_text` to the alias of that name; fails if there is none.
function __scfw_alias {
  __scfw_text=''
  if ((BASH_VERSINFO[0] >= 4)); then
    [[ -n ${BASH_ALIASES[$1]+set} ]] || \builtin return 1
    __scfw_text=${BASH_ALIASES[$1]}
  else
    \builtin alias "$1" >/dev/null 2>&1 || \builtin return 1
  fi
}

# Sets `__scfw_text` to the function of that name; fails if it is not ours.
function __scfw_is_ours {
  # POSIX mode does not look up a name with a dot.
  __scfw_text=$(
    \builtin set +o posix
    \builtin declare -f -- "$1"
  ) || \builtin return 1
  case $__scfw_text in
    *"__scfw_call $1 "*) ;;
    *) \builtin return 1 ;;
  esac
}

function __scfw_enable {
  \builtin local __scfw_name __scfw_text __scfw_seen __scfw_posix
  __scfw_posix=''
  __scfw_find
  # In POSIX mode no function can have a dot in its name, and to try ends the shell.
  if [[ -o posix ]]; then
    __scfw_posix=$(
      \builtin shopt -p expand_aliases inherit_errexit interactive_comments sourcepath || \builtin true
      \builtin declare -p POSIXLY_CORRECT
    ) 2>/dev/null || \builtin true
    \builtin set +o posix
  fi
  for __scfw_name in "${__scfw_names[@]}"; do
    if __scfw_alias "$__scfw_name"; then
      # `alias python=python3` leads to our function, and goes on working where there is no `python`.
      case $__scfw_seen in
        *:"${__scfw_text%% *}":*) ;;
        *) \builtin unalias "$__scfw_name" ;;
      esac
    fi
    # A function with no program behind it loads one when it is first called, as nvm's does: it is left to do so.
    if \builtin declare -F -- "$__scfw_name" && ! \builtin type -P -- "$__scfw_name" &&
      ! __scfw_is_ours "$__scfw_name"; then
      \builtin continue
    fi
    \builtin eval "function $__scfw_name { __scfw_call $__scfw_name \"\$@\"; }"
  done >/dev/null
  if [[ -n $__scfw_posix ]]; then
    \builtin set -o posix
    \builtin eval "${__scfw_posix//declare -/declare -g -}"
  fi
}

function __scfw_disable {
  \builtin local __scfw_name __scfw_text
  for __scfw_name in "${__scfw_names[@]}"; do
    if __scfw_is_ours "$__scfw_name"; then
      \builtin unset -f "$__scfw_name"
    fi
  done
}

# `scfw status`, told what only this shell knows.
function __scfw_report {
  \builtin local __scfw_name __scfw_text __scfw_seen __scfw_kind
  \builtin local -a __scfw_routes
  __scfw_routes=()
  __scfw_find
  for __scfw_name in "${__scfw_names[@]}"; do
    __scfw_kind=none
    # An alias that begins with its own name leads to the function of that name.
    if \builtin shopt -q expand_aliases && __scfw_alias "$__scfw_name" && [[ ${__scfw_text%% *} != "$__scfw_name" ]]; then
      __scfw_kind=alias:$__scfw_text
    elif __scfw_is_ours "$__scfw_name"; then
      __scfw_kind=ours
    elif [[ -n $__scfw_text ]]; then
      __scfw_kind=function
    fi
    __scfw_routes+=(--route "$__scfw_name=$__scfw_kind")
  done
  \command '@SCFW_PROGRAM@' status --shell bash "${__scfw_routes[@]}" "$@"
}

\builtin unalias scfw 2>/dev/null || \builtin true
function scfw {
  case $#:${1-} in
    1:enable) __scfw_enable ;;
    1:disable)
      # Only a policy keeps it on; that scfw itself is gone does not.
      if \command '@SCFW_PROGRAM@' disable --session bash || [[ $? -ne 77 ]]; then
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
  \builtin unset -v __scfw_status
  # What failed before must not end a strict shell here.
  case $- in
    *e*) ;;
    *) \builtin return "$1" ;;
  esac
}
__scfw_load
