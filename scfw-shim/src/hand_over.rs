//! The environment with which scfw-hook is run: the caller's, with the call, and with the variables of this library
//! if the caller has left them out. argv stays the caller's own.

use core::ffi::{CStr, c_char, c_int};

use crate::environment::{self, CALL, HOOK, PRELOAD};
use crate::host::{Strings, string_at};
use crate::memory;
use crate::text::Text;

/// Calls `start` with the environment for scfw-hook, which ends with the call. None if there is no memory for it.
///
/// # Safety
///
/// `envp` is null or an array of strings that ends with a null pointer.
pub(crate) unsafe fn with_environment(
    path: &CStr,
    index: usize,
    envp: Strings,
    start: impl FnOnce(Strings) -> c_int,
) -> Option<c_int> {
    let ours = [environment::hook_variable(), environment::preload_variable()];
    let mut count = 0;
    // The last list is the one that the loader takes.
    let mut preload = None;
    // SAFETY: no index is behind the null pointer.
    while let Some(variable) = unsafe { string_at(envp, count) } {
        preload = environment::value_of(variable, PRELOAD).or(preload);
        count += 1;
    }
    let list = preload.map(CStr::to_bytes).unwrap_or_default();
    let call_length = CALL.len() + path.count_bytes() + 32;
    let list_length = ours[1].map_or(0, CStr::count_bytes) + list.len() + PRELOAD.len() + 8;
    // The variables, three of ours, the end; then the room for two texts.
    let pointers = count + 4;
    let words = (call_length + list_length).div_ceil(size_of::<usize>());
    memory::with_pointers(pointers + words, |room| {
        let Some((variables, texts)) = room.pointers.split_at_mut_checked(pointers) else { return -1 };
        let Some((call_room, list_room)) = as_bytes(texts).split_at_mut_checked(call_length) else {
            return -1;
        };
        let mut call = Text::new(call_room);
        call.push(CALL).push(b"=").push_number(index).push(b":").push(path.to_bytes());
        let mut lists = Text::new(list_room);
        let lists = match ours[1] {
            // A sanitizer's runtime ends a program in which it does not come first.
            Some(own) if environment::has_sanitizer(list) && !environment::loads_library(list) => {
                let own = environment::value_of(own, PRELOAD).map(CStr::to_bytes).unwrap_or_default();
                lists.push(PRELOAD).push(b"=").push(list).push(b":").push(own);
                lists.finish()
            }
            // Ours goes first, and the others stay.
            Some(own) if !list.is_empty() && !environment::loads_library(list) => {
                lists.push(own.to_bytes()).push(b":").push(list);
                lists.finish()
            }
            Some(own) if list.is_empty() => Some(own),
            _ if preload.is_some() => {
                lists.push(PRELOAD).push(b"=").push(list);
                lists.finish()
            }
            _ => None,
        };
        // SAFETY: `envp` has not changed, and no index is behind its null pointer.
        let kept = (0..count).filter_map(|index| unsafe { string_at(envp, index) }).filter(|variable| {
            [CALL, HOOK, PRELOAD].iter().all(|name| environment::value_of(variable, name).is_none())
        });
        let own = [ours[0], lists, call.finish()].into_iter().flatten();
        for (place, variable) in variables.iter_mut().zip(kept.chain(own)) {
            *place = variable.as_ptr();
        }
        let variables = variables.as_ptr();
        room.hand_over();
        start(variables)
    })
}

fn as_bytes(pointers: &mut [*const c_char]) -> &mut [u8] {
    // SAFETY: the memory is the same, and any bytes are bytes; nobody reads them as pointers again.
    unsafe { core::slice::from_raw_parts_mut(pointers.as_mut_ptr().cast(), size_of_val(pointers)) }
}
