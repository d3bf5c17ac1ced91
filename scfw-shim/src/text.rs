//! Text put together in a given room: paths, variables, messages.

use core::ffi::CStr;

/// A text that grows in a room of fixed size.
pub(crate) struct Text<'a> {
    room: &'a mut [u8],
    length: usize,
    is_whole: bool,
}

impl<'a> Text<'a> {
    pub(crate) fn new(room: &'a mut [u8]) -> Self {
        Self { room, length: 0, is_whole: true }
    }

    /// A text whose beginning, of that length, stands in its room already.
    pub(crate) fn after(room: &'a mut [u8], length: usize) -> Self {
        Self { is_whole: length <= room.len(), room, length }
    }

    /// Appends `piece`. If it does not fit it is left out, and the text is no longer whole.
    pub(crate) fn push(&mut self, piece: &[u8]) -> &mut Self {
        match self.room.get_mut(self.length..).and_then(|free| free.get_mut(..piece.len())) {
            Some(place) if self.is_whole => {
                place.copy_from_slice(piece);
                self.length += piece.len();
            }
            _ => self.is_whole = false,
        }
        self
    }

    /// Appends `number` in decimal digits.
    pub(crate) fn push_number(&mut self, number: usize) -> &mut Self {
        let mut digits = [0; 20];
        let mut rest = number;
        let mut start = digits.len();
        for (index, digit) in digits.iter_mut().enumerate().rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
            start = index;
            if rest == 0 {
                break;
            }
        }
        self.push(digits.get(start..).unwrap_or_default())
    }

    /// The text so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.room.get(..self.length).unwrap_or_default()
    }

    /// The text for C; none if it did not fit, with its end.
    pub(crate) fn finish(mut self) -> Option<&'a CStr> {
        self.push(b"\0");
        let Self { room, length, is_whole } = self;
        let room: &'a [u8] = room;
        if is_whole { CStr::from_bytes_until_nul(room.get(..length)?).ok() } else { None }
    }
}
