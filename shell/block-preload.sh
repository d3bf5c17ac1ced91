# shellcheck shell=sh
if [ -r '@LIBRARY@' ] && [ -x '@HOOK@' ]; then
  export SCFW_SHIM_HOOK='@HOOK@'
  __scfw_library='@LIBRARY@'
  case ":${LD_PRELOAD-}:" in
    *[:\ ]"$__scfw_library"[:\ ]*) ;;
    *lib*san.so* | *libclang_rt.*) export LD_PRELOAD="$LD_PRELOAD:$__scfw_library" ;;
    *) export LD_PRELOAD="$__scfw_library${LD_PRELOAD:+:$LD_PRELOAD}" ;;
  esac
  \unset __scfw_library
fi
