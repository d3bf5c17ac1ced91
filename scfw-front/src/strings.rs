//! Arrays of C strings, and text put together in a room of fixed size.

use core::ffi::{CStr, c_char};

use scfw_programs::Words;

/// An array of strings with a null pointer at its end, as the kernel gives it.
#[derive(Clone, Copy)]
pub(crate) struct Strings(*const *const c_char);

impl Strings {
    /// # Safety
    ///
    /// `first` points to such an array, which lives as long as the process.
    pub(crate) const unsafe fn new(first: *const *const c_char) -> Self {
        Self(first)
    }

    /// The array.
    pub(crate) const fn pointer(self) -> *const *const c_char {
        self.0
    }

    /// The string at `index`; none behind the last. Nobody asks for one before having asked for the one in front of it.
    pub(crate) fn get(self, index: usize) -> Option<&'static CStr> {
        // SAFETY: no string in front of this one was the null pointer, so it stands in the array.
        let string = unsafe { *self.0.add(index) };
        // SAFETY: the strings live as long as the process.
        (!string.is_null()).then(|| unsafe { CStr::from_ptr(string) })
    }

    /// The strings from the first on.
    pub(crate) fn iter(self) -> impl Iterator<Item = &'static CStr> {
        (0..).map_while(move |index| self.get(index))
    }

    /// The array without the first `count` strings, of which there are so many.
    pub(crate) fn without_first(self, count: usize) -> Self {
        // SAFETY: the array goes on at least to its null pointer.
        Self(unsafe { self.0.add(count) })
    }
}

impl Words for Strings {
    fn get(&self, index: usize) -> Option<&[u8]> {
        (*self).get(index).map(CStr::to_bytes)
    }
}

/// A C string in a room of its own.
pub(crate) struct Text<const ROOM: usize> {
    bytes: [u8; ROOM],
    length: usize,
}

impl<const ROOM: usize> Text<ROOM> {
    /// `parts` one behind the other; none where there is no room for them.
    pub(crate) fn of(parts: &[&[u8]]) -> Option<Self> {
        let mut text = Self { bytes: [0; ROOM], length: 0 };
        for part in parts {
            let end = text.length.checked_add(part.len()).filter(|end| *end < ROOM)?;
            text.bytes.get_mut(text.length..end)?.copy_from_slice(part);
            text.length = end;
        }
        Some(text)
    }

    /// The text for C.
    pub(crate) fn as_c_str(&self) -> Option<&CStr> {
        CStr::from_bytes_with_nul(self.bytes.get(..=self.length)?).ok()
    }
}

/// A number as decimal digits.
pub(crate) fn decimal(number: u32, room: &mut [u8; 10]) -> &[u8] {
    let mut rest = number;
    let mut start = room.len();
    loop {
        start = start.saturating_sub(1);
        if let Some(digit) = room.get_mut(start) {
            *digit = b'0'.wrapping_add((rest % 10) as u8);
        }
        rest /= 10;
        if rest == 0 || start == 0 {
            return room.get(start..).unwrap_or_default();
        }
    }
}
