# shellcheck shell=sh disable=SC2154,SC3028
if [ -x '@SCFW@' ]; then
  case ${BASH_VERSION:+bash}${ZSH_VERSION:+zsh}:${SHELLOPTS-} in
    *:*posix*) ;;
    bash:*) \eval "$('@SCFW@' init bash)" ;;
    zsh:*) \eval "$('@SCFW@' init zsh)" ;;
  esac
else
  case $- in
    *i*) \printf '%s\n' '@MESSAGE@' >&2 ;;
  esac
fi
case $-:$__scfw_status in
  *e*:* | *:0) \unset __scfw_status ;;
  *) \eval "\\unset __scfw_status; (exit $__scfw_status)" ;;
esac
