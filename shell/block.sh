# shellcheck shell=sh disable=SC1091,SC2154,SC3013,SC3028
if [ -x '@SCFW@' ]; then
  case ${BASH_VERSION:+bash}${ZSH_VERSION:+zsh}:${SHELLOPTS-} in
    *:*posix*) ;;
    bash:*)
      if [ '@SCRIPTS@'/init.bash -nt '@SCFW@' ]; then
        \. '@SCRIPTS@'/init.bash
      else
        \eval "$('@SCFW@' init bash --save '@SCRIPTS@'/init.bash)"
      fi
      ;;
    zsh:*)
      if [ '@SCRIPTS@'/init.zsh -nt '@SCFW@' ]; then
        \. '@SCRIPTS@'/init.zsh
      else
        \eval "$('@SCFW@' init zsh --save '@SCRIPTS@'/init.zsh)"
      fi
      ;;
  esac
else
  case $- in
    *i*) \printf '%s\n' '@MESSAGE@' >&2 ;;
  esac
fi
case $-:$__scfw_before in
  *e*:* | *:0) \unset __scfw_before ;;
  *) \eval "\\unset __scfw_before; (exit $__scfw_before)" ;;
esac
