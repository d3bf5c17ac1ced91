# shellcheck shell=sh
__scfw_shims='@SHIMS@'
__scfw_path=:${PATH-}:
case $__scfw_path in
  *:"$__scfw_shims":*) __scfw_path=${__scfw_path%%:"$__scfw_shims":*}:${__scfw_path#*:"$__scfw_shims":} ;;
esac
__scfw_path=${__scfw_path#:}
__scfw_path=${__scfw_path%:}
export PATH="$__scfw_shims${__scfw_path:+:$__scfw_path}"
\unset __scfw_path __scfw_shims
